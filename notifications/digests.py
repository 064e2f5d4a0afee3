"""Whatever waits for a reader becomes his one message of the day, on his desk and outside in the same words."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from engine.events import Notice, Recipient
from notifications import answers, deliveries
from notifications.answers import as_kept
from notifications.asking import Asking
from notifications.loose import Faster, something_loose, still, take_out, unless_stopped_by_a_defect
from notifications.message import DAY, Addressee, Delivery, Planned, Rest
from notifications.office import PostOffice, RoundResult, says_nothing_about_it
from notifications.routing import (
    NO_PREFERENCE,
    SHOWN,
    SOON_WORKDAYS,
    DigestTime,
    Situation,
    Way,
    due_soon,
    next_digest,
    not_to_be_silenced,
    sent_at,
    unreachable,
    workdays_ahead,
    worst_first,
)
from notifications.tables import Connection

log = logging.getLogger(__name__)

READERS = 50  # whose digests are put together in one write transaction

Waiting = Mapping[str, Sequence[Mapping[str, Any]]]  # person → what waits for him


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whose digest it is, and what decides how he is told."""

    ask: Asking
    organisation: str
    him: Recipient
    situation: Situation
    key: str
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.situation.zone).date()


def put_digests_together(
    office: PostOffice, stopping: Callable[[], bool], waiting: Mapping[str, Waiting]
) -> RoundResult:
    """For each reader whose digest is due: drop what was overtaken, and make one message of the rest and of what waits for
    him anyway; the same on his desk and outside. The message gets its key and its lines here, once: every later try
    carries the same.

    waiting   of the organisations of which it is known already
    """
    result, now = RoundResult(), office.clock.now()
    seen: set[tuple[str, str]] = set()
    while not stopping() and something_loose(office, now):
        with office.database.read_across() as connection:
            due = deliveries.readers_of_due_digests(connection, office.personal, now, READERS)
            of = {
                organisation: waiting.get(organisation) or _what_waits(office, connection, organisation)
                for organisation in dict.fromkeys(organisation for organisation, _ in due)
            }
        if not set(due) - seen:
            break
        seen |= set(due)
        with office.database.write_across() as connection:
            ask = Asking(office, connection)
            for organisation in of:
                ask.about_people(organisation, [reader for where, reader in due if where == organisation])
            of_each = deliveries.due_lines(connection, office.personal, due, now)
            for organisation, reader in due:
                lines = of_each.get((organisation, reader), [])
                put = partial(_put_together, ask, lines, of[organisation].get(reader, ()), now)
                result += unless_stopped_by_a_defect(connection, lines, now, put)
    return result


def _what_waits(office: PostOffice, connection: Connection, organisation: str) -> Waiting:
    try:
        return office.directory.waiting(connection, organisation)
    except Exception as error:
        if says_nothing_about_it(error):
            raise
        log.exception("nobody knows what waits in %s; its digests say what fired", organisation)
        return {}


def _put_together(
    ask: Asking, lines: Sequence[Delivery], waits: Sequence[Mapping[str, Any]], now: datetime
) -> RoundResult:
    """One reader's.

    1. whether it may go now; if not, its lines wait until it may
    2. what is still so of them
    3. whether there is reason enough for a message
    4. what it says besides, and by which ways it goes
    """
    if not lines:
        return RoundResult()
    reader = _reader_of(ask, lines[0], now)
    loud = any(not_to_be_silenced(line.notice) for line in lines)
    if loud:
        lines = _with_what_is_held_back(reader)
    if (later := _not_now(reader, loud=loud)) is not None:
        deliveries.postpone(ask.connection, lines, later.day, later.leaves_at)
        return RoundResult(postponed=len(lines))
    kept, result = _still_so(reader, lines)
    fired = {line.notice.case for line, _ in kept if line.notice.reason != DAY}
    if not fired and not _something_is_due_soon(reader, waits):
        deliveries.withdraw(ask.connection, [line for line, _ in kept], as_kept(answers.NOTHING_DUE))
        return result + RoundResult(withdrawn=len(kept))
    rest = _rest(reader, [about for about in waits if about.get("number") not in fired])
    return result + _by_his_ways(reader, kept, rest, loud=loud)


def _reader_of(ask: Asking, line: Delivery, now: datetime) -> _Reader:
    organisation, key = line.organisation, line.addressee.key
    him = ask.person(organisation, key) or line.addressee.recipient()
    return _Reader(ask, organisation, him, ask.situation(organisation, [him]), key, now)


def _with_what_is_held_back(reader: _Reader) -> list[Delivery]:
    """Also what his quiet hours would hold back: he gets no second one today."""
    connection, now, today = reader.ask.connection, reader.now, reader.today
    every = deliveries.loose_lines(connection, reader.ask.office.personal, reader.organisation, reader.key)
    lines = [line for line in every if line.not_before <= now or (line.digest_for or date.max) <= today]
    deliveries.postpone(connection, [line for line in lines if line.not_before > now], today, now)
    return lines


def _not_now(reader: _Reader, *, loud: bool) -> DigestTime | None:
    """When his digest goes instead: he had one today, it is no working day, or too late or too early for him.

    loud   whether something is in it that nobody can put off by his quiet hours
    """
    zone, school, workdays = reader.situation.zone, reader.situation.school, reader.ask.workdays(reader.organisation)
    now, today = reader.now, reader.today
    quiet = NO_PREFERENCE if loud else reader.situation.preference(reader.key)

    def next_one(after: date) -> DigestTime:
        following = next_digest(now, zone, workdays, school, after=after)
        return DigestTime(following.day, sent_at(following.leaves_at, zone, school, quiet))

    if deliveries.had_digest(reader.ask.connection, reader.organisation, reader.key, today):
        return next_one(today)
    # a day that was to be worked may be free by now; a calendar without any working day silences nobody for ever
    if not workdays(today) and workdays((following := next_one(today)).day):
        return following
    leaves_at = sent_at(now, zone, school, quiet)
    if leaves_at > now:
        same_day = leaves_at.astimezone(zone).date() == today
        return DigestTime(today, leaves_at) if same_day else next_one(today)
    return None


def _still_so(reader: _Reader, lines: Sequence[Delivery]) -> tuple[list[tuple[Delivery, Recipient]], RoundResult]:
    """The lines that still hold, each with whom it tells; the others are withdrawn, or go to whoever is in charge now."""
    result, kept = RoundResult(), []
    over: dict[str, list[Delivery]] = {}  # by why
    for line in lines:
        of_line, gone = still(reader.ask, line)
        if gone is None:
            kept.append((line, of_line))
        elif gone.readdress:
            result += take_out(reader.ask, line, gone, reader.now)
        else:
            over.setdefault(gone.why, []).append(line)
    for why, of_why in over.items():
        deliveries.withdraw(reader.ask.connection, of_why, why)
        result += RoundResult(withdrawn=len(of_why))
    return kept, result


def _something_is_due_soon(reader: _Reader, waits: Sequence[Mapping[str, Any]]) -> bool:
    """Reason enough for a message though nothing fired."""
    soon = workdays_ahead(reader.today, SOON_WORKDAYS, reader.ask.workdays(reader.organisation))
    return any(due_soon(about, soon, reader.situation.zone) for about in waits)


def _rest(reader: _Reader, besides: Sequence[Mapping[str, Any]]) -> Rest:
    """What waits for him besides what fired: the worst of it as it stands, the others counted."""
    in_order = sorted(besides, key=worst_first)
    shown, more = in_order[:SHOWN], in_order[SHOWN:]
    late = sum(due_soon(about, reader.today - timedelta(days=1), reader.situation.zone) for about in more)
    numbers = [about["number"] for about in shown]
    stand = reader.ask.office.directory.as_they_stand(reader.ask.connection, reader.organisation, numbers)
    return Rest(tuple(stand), len(more), late)


def _by_his_ways(reader: _Reader, kept: Sequence[tuple[Delivery, Recipient]], rest: Rest, *, loud: bool) -> RoundResult:
    """The same lines to his desk and by his one way outside. What goes by none of them is withdrawn, or reaches nobody."""
    connection, situation, today = reader.ask.connection, reader.situation, reader.today
    result, bound = RoundResult(), set[str]()
    outside = situation.outside(reader.him, silence=not loud)
    for way in (*situation.inside(reader.him), *([outside] if outside else ())):
        notices = {line.notice.id: line.notice for line, of_line in kept if not (way.outside and of_line.away)}
        if not notices:
            continue
        there = [line for line, _ in kept if line.channel == way.channel.name]
        lines, made = _lines_by(reader, way, notices, there)
        result += RoundResult(planned=made)
        key = deliveries.put_digest(
            connection, reader.organisation, reader.key, way.channel.name, today, rest, reader.now
        )
        if key is None:
            raise Faster
        deliveries.bind(connection, lines, key, today, Addressee.person(reader.him), way.account)
        bound |= {line.id for line in lines}
    left = [line for line, _ in kept if line.id not in bound]
    deliveries.withdraw(connection, left, as_kept(answers.ANOTHER_WAY))
    if not bound:
        result += _reach_nobody(reader, left)
    return result + RoundResult(withdrawn=len(left))


def _lines_by(
    reader: _Reader, way: Way, notices: Mapping[str, Notice], there: Collection[Delivery]
) -> tuple[list[Delivery], int]:
    """A line of each notice by this way, and how many of them were not there yet."""
    connection, him = reader.ask.connection, Addressee.person(reader.him)
    missing = notices.keys() - {line.notice.id for line in there}
    if not missing:
        return [line for line in there if line.notice.id in notices], 0
    more = [
        Planned(notice, him, way.channel.name, "digest", "waiting", reader.now, reader.today, account=way.account)
        for name, notice in notices.items()
        if name in missing
    ]
    made = deliveries.plan(connection, more, reader.now) + deliveries.revive(connection, more)
    loose = deliveries.loose_lines(connection, [way.channel.name], reader.organisation, reader.key)
    return [line for line in loose if line.notice.id in notices], made


def _reach_nobody(reader: _Reader, lines: Sequence[Delivery]) -> RoundResult:
    """Nothing serves him any more: said as loudly as of anybody else whom nothing reaches."""
    why = as_kept(answers.NO_ADDRESS, who=reader.him.name or reader.key)
    planned = [unreachable(line.notice, why, reader.now, Addressee.person(reader.him)) for line in lines]
    made = deliveries.plan(reader.ask.connection, planned, reader.now)
    return RoundResult(planned=made, unreachable=len(planned))
