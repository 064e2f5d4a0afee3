"""Lines that are in no message yet: whether each still holds before it leaves, and what becomes of one that does not."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from engine.events import Recipient
from engine.store.database import undone_by_itself
from notifications import deliveries
from notifications.addressing import routed
from notifications.asking import Asking
from notifications.message import Delivery
from notifications.office import PostOffice, RoundResult, says_nothing_about_it
from notifications.routing import Overtaken, overtaken
from notifications.tables import Connection

log = logging.getLogger(__name__)

PUT_OFF = timedelta(hours=1)  # what a defect stops must not stand in the way of everybody else's


class Faster(Exception):
    """Another node put this reader's digest together."""


def something_loose(office: PostOffice, now: datetime) -> bool:
    """Whether the time of any has come."""
    with office.database.read_across() as connection:
        return deliveries.something_loose(connection, office.personal, now)


def still(ask: Asking, line: Delivery) -> tuple[Recipient, Overtaken | None]:
    """Its reader as the directory knows him now, and whether it is overtaken."""
    try:
        recipients, state = ask.about(line.notice)
    except Exception as error:
        if says_nothing_about_it(error):
            raise
        log.exception("delivery %s cannot be looked at again; it goes as it was planned", line.id)
        return line.addressee.recipient(), None
    him = next((r for r in recipients if r.person == line.addressee.key), line.addressee.recipient())
    return him, overtaken(line, recipients, state)


def take_out(ask: Asking, line: Delivery, gone: Overtaken, now: datetime) -> RoundResult:
    """Withdraw a line, and give it to whoever is in charge instead."""
    deliveries.withdraw(ask.connection, [line], gone.why)
    if not gone.readdress:
        return RoundResult(withdrawn=1)
    anew = Asking(ask.office, ask.connection)
    planned = [p for p in routed(anew, line.notice, now) if p.id != line.id]
    made = deliveries.plan(ask.connection, planned, now) + deliveries.revive(ask.connection, planned)
    return RoundResult(withdrawn=1, planned=made)


def unless_stopped_by_a_defect(
    connection: Connection, lines: Iterable[Delivery], now: datetime, work: Callable[[], RoundResult]
) -> RoundResult:
    """What comes of the work; where a defect stops it, it is undone and its lines wait a while, and others go on."""
    try:
        with undone_by_itself(connection):
            return work()
    except Faster:
        return RoundResult()
    except Exception as error:
        if says_nothing_about_it(error):
            raise
        put_off = list(lines)
        log.exception("what waits for %s is put off", put_off[0].addressee.key if put_off else "nobody")
        deliveries.postpone(connection, put_off, None, now + PUT_OFF)
        return RoundResult(postponed=len(put_off))
