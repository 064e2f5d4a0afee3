"""Notices become deliveries, each to whomever it means now."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from engine.events import Notice
from engine.store.database import undone_by_itself
from notifications import answers, deliveries
from notifications.answers import as_kept, kind_of
from notifications.asking import Asking
from notifications.message import Planned, Status
from notifications.office import PostOffice, RoundResult, says_nothing_about_it
from notifications.routing import next_digest, route, unreachable
from notifications.sources import ClaimedNotice
from notifications.tables import Connection
from notifications.unreached import note_out_of_reach

log = logging.getLogger(__name__)

PLAN_GROUP = 50  # notices; a write transaction of some milliseconds


class LeaseLost(Exception):
    """Somebody else has claimed this since; what was done under the old fence must not stay."""


def to_be_addressed(office: PostOffice, connection: Connection, now: datetime) -> bool:
    """Whether a notice waits, or what reached nobody is to be tried again."""
    return office.outbox.waits(connection, now) or deliveries.something_unaddressed(connection)


def address_all(office: PostOffice, stopping: Callable[[], bool]) -> RoundResult:
    """Turn every unplanned notice into deliveries, in groups.

    1. claim a group, oldest first
    2. each under a savepoint: resolve its audience, route it, write its deliveries, tell the outbox it is done
    3. a notice that cannot be planned is written down as unreachable with its cause, and stops no other; but what the
       database cannot do just now (its disk is full, it is gone) undoes the group, and the next round plans it
    """
    result = RoundResult()
    while not stopping() and _something_to_address(office, now := office.clock.now()):
        with office.database.write_across() as connection:
            claimed = office.outbox.claim(connection, now, now + office.lease, PLAN_GROUP)
            ask = Asking(office, connection)
            for notice in claimed:
                result += _plan_claimed(ask, notice, now)
            if not claimed:
                return result + _address_again(office, connection, now)
    return result


def routed(ask: Asking, notice: Notice, now: datetime) -> list[Planned]:
    """Its deliveries, to whomever it means now. Whom nothing reaches is written down, and brought to who looks after him."""
    recipients = ask.recipients(notice.organisation, notice.case, notice.audience)
    situation = ask.situation(notice.organisation, recipients)
    digest = next_digest(notice.written_at, situation.zone, ask.workdays(notice.organisation), situation.school)
    for recipient in recipients:
        note_out_of_reach(ask, notice.organisation, recipient, situation, now)
    return route(notice, recipients, situation, digest, now)


def _something_to_address(office: PostOffice, now: datetime) -> bool:
    with office.database.read_across() as connection:
        return to_be_addressed(office, connection, now)


def _plan_claimed(ask: Asking, claimed: ClaimedNotice, now: datetime) -> RoundResult:
    notice = claimed.notice
    try:
        with undone_by_itself(ask.connection):
            return _write_plan(ask, claimed, routed(ask, notice, now), now)
    except LeaseLost:
        return RoundResult(lost=1)
    except Exception as error:
        if says_nothing_about_it(error):
            raise
        log.exception("notice %s cannot be planned", notice.id)
        cause = as_kept(answers.NOT_PLANNED, kind_of(error))
    try:
        with undone_by_itself(ask.connection):
            return _write_plan(ask, claimed, [unreachable(notice, cause, now)], now)
    except LeaseLost:
        return RoundResult(lost=1)


def _write_plan(ask: Asking, claimed: ClaimedNotice, planned: Sequence[Planned], now: datetime) -> RoundResult:
    new = deliveries.plan(ask.connection, planned, now)
    notice = claimed.notice
    if not ask.office.outbox.done(ask.connection, notice.id, notice.organisation, claimed.fence, now):
        raise LeaseLost(notice.id)
    return RoundResult(planned=new, unreachable=sum(p.status == "unreachable" for p in planned))


def _address_again(office: PostOffice, connection: Connection, now: datetime) -> RoundResult:
    """The unreachable that somebody asked to be tried again: now they reach somebody, or are unreachable still."""
    result = RoundResult()
    for delivery in deliveries.unaddressed(connection, PLAN_GROUP):
        still: str | None
        try:
            with undone_by_itself(connection):
                planned = routed(Asking(office, connection), delivery.notice, now)
                # whoever else hears of it has had it already, maybe by a way that is closed by now
                planned = [p for p in planned if p.addressee.key == delivery.addressee.key] or planned
                result += RoundResult(planned=deliveries.take_up(connection, planned, now))
        except Exception as error:
            if says_nothing_about_it(error):
                raise
            log.exception("notice %s cannot be planned", delivery.notice.id)
            still = as_kept(answers.NOT_PLANNED, kind_of(error))
        else:
            still = next((p.cause for p in planned if p.id == delivery.id), None)
        status: Status = "unreachable" if still else "withdrawn"
        deliveries.settle_unaddressed(connection, delivery, status, still or as_kept(answers.ADDRESSED_ANEW))
    return result
