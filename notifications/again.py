"""What waits for the hours in which it may be sent is looked at once more before it leaves."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from notifications import answers, deliveries
from notifications.addressing import PLAN_GROUP
from notifications.answers import as_kept
from notifications.asking import Asking
from notifications.loose import something_loose, still, take_out, unless_stopped_by_a_defect
from notifications.message import NOBODY, ORGANISATION, Addressee, Claimed, Delivery
from notifications.office import PostOffice, RoundResult
from notifications.routing import Overtaken, not_to_be_silenced
from notifications.tables import Connection


def look_again(office: PostOffice, stopping: Callable[[], bool]) -> RoundResult:
    """A direct message that waited over night is looked at once more: the world moves."""
    result, now = RoundResult(), office.clock.now()
    while not stopping() and something_loose(office, now):
        with office.database.write_across() as connection:
            waited = deliveries.waiting_direct(connection, office.personal, now, PLAN_GROUP)
            ask = Asking(office, connection)
            for delivery in waited:
                send = partial(_send_it_now, ask, delivery, now)
                result += unless_stopped_by_a_defect(connection, [delivery], now, send)
        if len(waited) < PLAN_GROUP:
            break
    return result


def too_early(
    office: PostOffice, connection: Connection, group: Sequence[Claimed], now: datetime
) -> dict[str, datetime]:
    """Message → when it may be sent, of those that may not be yet: tried in vain until the evening, sent again by somebody
    at night, or for a reader who has his quiet hours.
    """
    ask, wait = Asking(office, connection), {}
    of: dict[str, list[Claimed]] = {}
    for claimed in group:
        if claimed.addressee.key not in (ORGANISATION, NOBODY):
            of.setdefault(claimed.organisation, []).append(claimed)
    for organisation, mine in of.items():
        situation = ask.hours(organisation)
        for claimed in mine:
            key = claimed.addressee.key
            leaves_at = min(situation.sent_at(line.notice, key, now) for line in claimed.deliveries)
            if leaves_at > now:
                wait[claimed.message] = leaves_at
    return wait


def _send_it_now(ask: Asking, delivery: Delivery, now: datetime) -> RoundResult:
    him, gone = still(ask, delivery)
    if gone is not None:
        return take_out(ask, delivery, gone, now)
    situation = ask.situation(delivery.organisation, [him])
    leaves_at = situation.sent_at(delivery.notice, him.person, now)
    if leaves_at > now:
        deliveries.postpone(ask.connection, [delivery], None, leaves_at)
        return RoundResult(postponed=1)
    if delivery.channel in ask.office.outside:
        way = situation.outside(him, silence=not not_to_be_silenced(delivery.notice))
        if way is None or way.channel.name != delivery.channel:
            return take_out(ask, delivery, Overtaken(as_kept(answers.ANOTHER_WAY), readdress=True), now)
    deliveries.make_message(ask.connection, delivery, Addressee.person(him))
    return RoundResult()
