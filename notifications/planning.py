"""Turns notices into deliveries, and deliveries whose time has come into messages. Decides nothing of that itself: that is
`routing`. Everything here happens in short write transactions, and doing it twice changes nothing.

In a round, in this order:
    notices     of commands, each to whomever it means now
    days        an organisation's working day begins: whoever something is due for gets a message though nothing fired, groups
                get their lists, and who is back is told what was done for him
    again       what waited for the hours in which it may be sent is looked at once more
    digests     whatever waits for a reader becomes his one message of the day, on his desk and outside in the same words
"""

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any, Self

from engine.clock import Clock
from engine.errors import Text
from engine.events import LOGBOOK, PERSON, Notice, Recipient
from engine.store.database import Database, is_crossed, is_passing, undone_by_itself
from notifications import accounts, answers, deliveries, readers
from notifications.accounts import AccountBook, SetUp, State
from notifications.answers import as_kept, in_words
from notifications.channels import Channel, TransportError
from notifications.channels.forms import NothingToSetUp
from notifications.message import DAY, GROUP, NOBODY, ORGANISATION, Addressee, Claimed, Delivery, Planned, Rest, Status
from notifications.policy import settings_of
from notifications.retry import after_waiting
from notifications.routing import (
    NO_PREFERENCE,
    DigestTime,
    Overtaken,
    SchoolSettings,
    Situation,
    Way,
    closes_at,
    due_soon,
    group_of,
    next_digest,
    not_to_be_silenced,
    opens_day_at,
    overtaken,
    route,
    sent_at,
    to_person,
    unreachable,
    workdays_ahead,
    worst_first,
)
from notifications.sources import Back, ClaimedNotice, Directory, Outbox, Place
from notifications.tables import Connection

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
PLAN_GROUP = 50  # notices; a write transaction of some milliseconds
DAYS = 200  # organisations whose day begins in one round: others' direct messages must not wait until all have begun
PASSED_OVER = 200  # messages that go by another way at once; what is left goes as the account is tried again
READERS = 50  # whose digests are put together in one
SHOWN = 12  # of what waits besides: more than a screen takes, whatever fired
SOON_WORKDAYS = 3  # due within them, or overdue: reason enough for a message though nothing fired
LOOK_AGAIN = timedelta(minutes=10)  # for organisations that are new, or changed their hours
PUT_OFF = timedelta(hours=1)  # what a defect stops must not stand in the way of everybody else's


class LeaseLost(Exception):
    """Somebody else has claimed this since; what was done under the old fence must not stay."""


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round did. Deliveries count lines, messages count what a reader gets.

    planned      deliveries newly written down, the unreachable included
    unreachable  of these, those that reach nobody
    digests      messages sent that were a day's digest
    direct       messages sent by themselves
    again        messages that failed and will be tried again
    dead         messages given up
    held         deliveries kept back because the data folder is simulated
    withdrawn    lines overtaken before they were sent
    postponed    lines too late for a digest that has left already; they go with the next
    lost         results not recorded because the lease was lost
    """

    planned: int = 0
    unreachable: int = 0
    digests: int = 0
    direct: int = 0
    again: int = 0
    dead: int = 0
    held: int = 0
    withdrawn: int = 0
    postponed: int = 0
    lost: int = 0

    @property
    def sent(self) -> int:
        return self.digests + self.direct

    def __add__(self, other: Self) -> "RoundResult":
        return RoundResult(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class _DayOf:
    """What an organisation's day begins with."""

    due: Sequence[str]
    back: Sequence[Back]
    waiting: Mapping[str, int]
    lists: Sequence[tuple[Way, Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What planning and sending have in common.

    channels   their names are unique; those that stay inside go first
    book       what the organisations send by
    school     of an organisation that decided nothing itself
    lease      how long what was claimed is kept from others
    """

    database: Database
    outbox: Outbox
    directory: Directory
    channels: Sequence[Channel]
    book: AccountBook
    clock: Clock
    school: SchoolSettings = SchoolSettings()
    lease: timedelta = LEASE


class Planner:
    """What a worker does before it sends. One at a time in a process; any number of processes may, on one database."""

    def __init__(self, office: PostOffice, stopping: Callable[[], bool]) -> None:
        self._database = office.database
        self._outbox = office.outbox
        self._directory = office.directory
        self._channels = tuple(office.channels)
        self._personal = frozenset(channel.name for channel in self._channels if channel.serves == "person")
        self._outside = frozenset(
            channel.name for channel in self._channels if channel.serves == "person" and channel.outside
        )
        self._book = office.book
        self._clock = office.clock
        self._school = office.school
        self._lease = office.lease
        self._stopping = stopping
        self._begun: dict[str, date] = {}  # the last day of each organisation that needs no more looking after
        self._look_at: datetime | None = None
        self._waiting: dict[str, Mapping[str, Sequence[Mapping[str, Any]]]] = {}  # as the days of this round began

    def run(self) -> RoundResult:
        """A round, as far as there is time. Where nothing waits it is one look: every lane comes by every few seconds, and who
        begins to write keeps others from it.
        """
        result = RoundResult()
        self._waiting = {}
        if not self._something_waits():
            result = self._begin_days()
            if not result.planned:
                return result
        for part in (self._plan_all, self._begin_days, self._look_again, self._put_digests_together):
            if not self._stopping():
                result += part()
        return result

    def _something_waits(self) -> bool:
        """Whether any part of a round but the days has something to do."""
        with self._database.read_across() as connection:
            now = self._clock.now()
            return self._to_be_addressed(connection, now) or deliveries.something_loose(connection, self._personal, now)

    # --- notices -----------------------------------------------------------------------------------------------------

    def _to_be_addressed(self, connection: Connection, now: datetime) -> bool:
        return self._outbox.waits(connection, now) or deliveries.something_unaddressed(connection)

    def _something_to_address(self, now: datetime) -> bool:
        with self._database.read_across() as connection:
            return self._to_be_addressed(connection, now)

    def _plan_all(self) -> RoundResult:
        """Turn every unplanned notice into deliveries, in groups.

        1. claim a group, oldest first
        2. each under a savepoint: resolve its audience, route it, write its deliveries, tell the outbox it is done
        3. a notice that cannot be planned is written down as unreachable with its cause, and stops no other; but what the
           database cannot do just now (its disk is full, it is gone) undoes the group, and the next round plans it
        """
        result = RoundResult()
        while not self._stopping() and self._something_to_address(now := self._clock.now()):
            with self._database.write_across() as connection:
                claimed = self._outbox.claim(connection, now, now + self._lease, PLAN_GROUP)
                ask = self._asked(connection)
                for notice in claimed:
                    result += self._plan_claimed(connection, ask, notice, now)
                if not claimed:
                    return result + self._address_again(connection, now)
        return result

    def _plan_claimed(
        self, connection: Connection, ask: "_Asked", claimed: ClaimedNotice, now: datetime
    ) -> RoundResult:
        notice = claimed.notice
        try:
            with undone_by_itself(connection):
                return self._write_plan(connection, claimed, self.routed(connection, notice, now, ask), now)
        except LeaseLost:
            return RoundResult(lost=1)
        except Exception as error:
            if says_nothing_about_it(error):
                raise
            log.exception("notice %s cannot be planned", notice.id)
            cause = as_kept(answers.NOT_PLANNED, f"{type(error).__name__}: {error}")
        try:
            with undone_by_itself(connection):
                return self._write_plan(connection, claimed, [unreachable(notice, cause, now)], now)
        except LeaseLost:
            return RoundResult(lost=1)

    def _write_plan(
        self, connection: Connection, claimed: ClaimedNotice, planned: Sequence[Planned], now: datetime
    ) -> RoundResult:
        new = deliveries.plan(connection, planned, now)
        notice = claimed.notice
        if not self._outbox.done(connection, notice.id, notice.organisation, claimed.fence, now):
            raise LeaseLost(notice.id)
        return RoundResult(planned=new, unreachable=sum(p.status == "unreachable" for p in planned))

    def routed(
        self, connection: Connection, notice: Notice, now: datetime, ask: "_Asked | None" = None
    ) -> list[Planned]:
        """Its deliveries, to whomever it means now. Whom nothing reaches is written down, and brought to who looks after him."""
        ask = ask or self._asked(connection)
        recipients = ask.recipients(notice.organisation, notice.case, notice.audience)
        situation = ask.situation(notice.organisation, recipients)
        digest = next_digest(notice.written_at, situation.zone, ask.workdays(notice.organisation), situation.school)
        for recipient in recipients:
            if self._note_out_of_reach(connection, notice.organisation, recipient, situation, now):
                ask.forget_unreached(notice.organisation)
        return route(notice, recipients, situation, digest, now)

    def _address_again(self, connection: Connection, now: datetime) -> RoundResult:
        """The unreachable that somebody asked to be tried again: now they reach somebody, or are unreachable still."""
        result = RoundResult()
        for delivery in deliveries.unaddressed(connection, PLAN_GROUP):
            still: str | None
            try:
                with undone_by_itself(connection):
                    planned = self.routed(connection, delivery.notice, now)
                    # whoever else hears of it has had it already, maybe by a way that is closed by now
                    planned = [p for p in planned if p.addressee.key == delivery.addressee.key] or planned
                    result += RoundResult(planned=deliveries.take_up(connection, planned, now))
            except Exception as error:
                if says_nothing_about_it(error):
                    raise
                log.exception("notice %s cannot be planned", delivery.notice.id)
                still = as_kept(answers.NOT_PLANNED, f"{type(error).__name__}: {error}")
            else:
                still = next((p.cause for p in planned if p.id == delivery.id), None)
            status: Status = "unreachable" if still else "withdrawn"
            deliveries.settle_unaddressed(connection, delivery, status, still or as_kept(answers.ADDRESSED_ANEW))
        return result

    # --- who cannot be reached ---------------------------------------------------------------------------------------

    def _note_out_of_reach(
        self, connection: Connection, organisation: str, him: Recipient, situation: Situation, now: datetime
    ) -> bool:
        """Written down once, and brought once to who looks after him. It ends as soon as he has an address. Whether anything
        changed.
        """
        if him.away or not situation.reaches_outside:
            return False
        known = situation.unreached.get(him.person, ())
        reaching = bool(situation.reaching(him))
        if reaching and NOBODY in known:
            readers.reached(connection, organisation, him.person, NOBODY)
        elif not reaching and NOBODY not in known:
            titles = [way.channel.title for way in situation.ways if way.personal and way.outside]
            asked_for = Text("、".join(t.zh for t in titles), ", ".join(t.en for t in titles))
            cause = Text(f"没有登记可用的联系方式（{asked_for.zh}）", f"no address is known for {asked_for.en}")
            readers.does_not_reach(connection, organisation, him.person, NOBODY, "", cause.zh, now)
            self._climb(connection, organisation, him, NOBODY, cause, now)
        return reaching == (NOBODY in known)

    def _climb(
        self, connection: Connection, organisation: str, him: Recipient, channel: str, cause: Text, now: datetime
    ) -> None:
        if not readers.climbs(connection, organisation, him.person, channel, now):
            return
        notice = Notice(
            id=f"unreached:{him.person}:{channel}:{now:%Y%m%dT%H%M%S}",
            organisation=organisation,
            case=LOGBOOK,
            sequence=0,
            reason="unreached",
            audience=self._directory.looking_after(him.person),
            how="digest",
            written_at=now,
            about={
                "number": him.person,
                "title": {"zh": f"{him.name or him.person}：{cause.zh}", "en": f"{him.name or him.person}: {cause.en}"},
                "person": him.person, "who": him.name or him.person, "department": him.department,
                "department_title": self._called(connection, organisation, him.department),
                "cause": cause.to_json(), "since": now.isoformat(), "path": f"/api/v1/people/{him.person}",
            },
        )  # fmt: skip
        self._outbox.add(connection, [notice])

    def _called(self, connection: Connection, organisation: str, department: str | None) -> dict[str, str] | None:
        found = None if department is None else self._directory.called(connection, organisation, department)
        return None if found is None else found.to_json()

    def reached(self, connection: Connection, claimed: Claimed) -> None:
        """A message reached him: whatever was written down against this way is over, and that none was left."""
        if claimed.channel in self._outside:
            readers.message_reached(connection, claimed.organisation, claimed.addressee.key, claimed.channel)

    def another_way(
        self, connection: Connection, claimed: Claimed, answer: TransportError, now: datetime
    ) -> RoundResult:
        """What died for its address, or was tried too often or for too long, goes by the next way its reader has, under
        deliveries of its own. Where there is none left, he is written down as somebody who cannot be reached.
        """
        ask, organisation, key = self._asked(connection), claimed.organisation, claimed.addressee.key
        if claimed.channel not in self._outside or (answer.sort == "give_up" and answer.concerns == "message"):
            return RoundResult()
        him = ask.person(organisation, key)
        if him is None:
            return RoundResult()
        kind = next(channel for channel in self._channels if channel.name == claimed.channel)
        if answer.concerns == "address":
            used = kind.address_of(_as_recipient(claimed.addressee)) or ""
            readers.does_not_reach(
                connection, organisation, key, claimed.channel, readers.hash_of(used), answer.answer, now
            )
        situation = ask.situation(organisation, [him])
        notices = [line.notice for line in claimed.deliveries]
        tried = deliveries.channels_tried(connection, organisation, {notice.id for notice in notices}, key)
        way = situation.outside(him, silence=False, used=tried)
        if way is None:
            self._out_of_reach(connection, claimed, him, answer, now)
            return RoundResult()
        return self._by(connection, claimed, him, way, situation, now)

    def _out_of_reach(
        self, connection: Connection, claimed: Claimed, him: Recipient, answer: TransportError, now: datetime
    ) -> None:
        """The last of his ways has failed him: written down once, and brought once to who looks after him."""
        kind = next(channel for channel in self._channels if channel.name == claimed.channel)
        said = in_words(answer.answer)
        cause = Text(f"{kind.title.zh}送不到：{said.zh}", f"{kind.title.en} does not reach him: {said.en}")
        readers.does_not_reach(connection, claimed.organisation, him.person, kind.name, "", answer.answer, now)
        self._climb(connection, claimed.organisation, him, kind.name, cause, now)

    def waits_for_its_account(self, claimed: Claimed, answer: TransportError) -> bool:
        """Whether a message to a person has found out that its account is out of order: that is none of its fault, and it
        goes by another way, or with the others once the account is mended. `passed_over` says which.
        """
        return claimed.channel in self._outside and answer.sort == "give_up" and answer.concerns == "channel"

    def passed_over(
        self, connection: Connection, found_out: Claimed, answer: TransportError, now: datetime
    ) -> RoundResult:
        """An account said itself that it is out of order. What waits for it, and what has found out, goes by another way where
        its reader has one that works. The rest waits until somebody has mended it, or is given up as late as what fails at
        every try would be. Whom what has found out does not reach now is brought to who looks after him.
        """
        ask, result, organisation, account = (
            self._asked(connection), RoundResult(), found_out.organisation, found_out.account
        )  # fmt: skip
        out_of_order = accounts.state_of(connection, organisation, account).out_of_order or now
        waiting = deliveries.waiting_by(connection, organisation, account, self._outside, PASSED_OVER)
        ask.about_people(organisation, [claimed.addressee.key for claimed in waiting])
        for claimed in waiting:
            him = ask.person(organisation, claimed.addressee.key)
            if him is not None:
                situation = ask.situation(organisation, [him])
                notices = {line.notice.id for line in claimed.deliveries}
                tried = deliveries.channels_tried(connection, organisation, notices, him.person)
                way = situation.outside(him, silence=False, used=tried, working=True)
                if way is not None:
                    result += self._by(connection, claimed, him, way, situation, now)
                    why = as_kept(answers.OUT_OF_ORDER, answer.answer, account=account)
                    deliveries.withdraw(connection, claimed.deliveries, why)
                    result += RoundResult(withdrawn=len(claimed.deliveries))
                    continue
            given_up = after_waiting(now - claimed.planned_at, now - out_of_order)
            if given_up is not None:
                deliveries.give_up(connection, claimed.deliveries, f"{given_up.why}: {answer.answer}")
                result += RoundResult(dead=1)
            if him is not None and (given_up is not None or claimed.message == found_out.message):
                self._out_of_reach(connection, claimed, him, answer, now)
        return result

    def _by(
        self, connection: Connection, claimed: Claimed, him: Recipient, way: Way, situation: Situation, now: datetime
    ) -> RoundResult:
        """The same message, by this way."""
        if claimed.how == "direct":
            digest = DigestTime(now.astimezone(situation.zone).date(), now)
            planned = [to_person(line.notice, him, way, situation, digest, now) for line in claimed.deliveries]
            return RoundResult(planned=deliveries.take_up(connection, planned, now))
        return self._digest_by(connection, claimed, him, way, situation, now)

    def _digest_by(
        self, connection: Connection, claimed: Claimed, him: Recipient, way: Way, situation: Situation, now: datetime
    ) -> RoundResult:
        """The same digest by another channel."""
        today = claimed.deliveries[0].digest_for or now.astimezone(situation.zone).date()
        leaves_at = sent_at(now, situation.zone, situation.school, situation.preference(him.person))
        planned = [
            Planned(line.notice, Addressee.person(him), way.channel.name, "digest", "waiting", leaves_at, today,
                    account=way.account)
            for line in claimed.deliveries
        ]  # fmt: skip
        made = deliveries.take_up(connection, planned, now, in_its_digest=True)
        key = deliveries.put_digest(
            connection, claimed.organisation, him.person, way.channel.name, today, claimed.rest, now
        )
        if key is not None:  # else he had one by it today: lines of it are in it still, others go with the next
            wanted = {p.id for p in planned}
            lines = deliveries.loose_lines(connection, [way.channel.name], claimed.organisation, him.person)
            mine = [line for line in lines if line.id in wanted]
            deliveries.bind(connection, mine, key, today, Addressee.person(him), way.account)
        return RoundResult(planned=made)

    def too_early(self, connection: Connection, group: Sequence[Claimed], now: datetime) -> dict[str, datetime]:
        """Message → when it may be sent, of those that may not be yet: tried in vain until the evening, sent again by somebody
        at night, or for a reader who has his quiet hours.
        """
        ask, wait = self._asked(connection), {}
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

    # --- a working day begins ------------------------------------------------------------------------------------------

    def _begin_days(self) -> RoundResult:
        """Once for each organisation and working day, at the hour of its digest."""
        now, result = self._clock.now(), RoundResult()
        if self._look_at is not None and now < self._look_at:
            return result
        with self._database.read_across() as connection:
            places = list(self._directory.organisations(connection))
        begin = random.randrange(len(places)) if places and self._database.on_server else 0  # noqa: S311  # nodes begin apart
        look_at, begun = now + LOOK_AGAIN, 0
        for place in places[begin:] + places[:begin]:
            if self._stopping():
                return result
            school = self._settings(place.decided)
            today = now.astimezone(place.zone).date()
            if self._begun.get(place.organisation) == today:
                continue
            opens = opens_day_at(today, place.zone, school)
            if now < opens:
                look_at = min(look_at, opens)
            elif now < closes_at(today, place.zone, school):
                if begun == DAYS:
                    return result  # the next round goes on
                begun += 1
                try:
                    result += self._begin_day(place, school, today, now)
                    self._begun[place.organisation] = today
                except Exception as error:
                    if says_nothing_about_it(error):
                        raise
                    log.exception("the day of %s cannot be begun", place.organisation)
        self._look_at = look_at
        return result

    def _begin_day(self, place: Place, school: SchoolSettings, today: date, now: datetime) -> RoundResult:
        organisation = place.organisation
        with self._database.read_across() as connection:
            if deliveries.day_begun(connection, organisation, today) or not self._workday(connection, place)(today):
                return RoundResult()
            found = self._look_at_day(connection, place, school, today)
        with self._database.write_across() as connection:
            if not deliveries.begin_day(connection, organisation, today, now):
                return RoundResult()  # another node was faster
            ask, digest = self._asked(connection), DigestTime(today, now)
            ask.about_people(organisation, [*found.due, *(back.person for back in found.back)])
            planned = []
            for person in found.due:
                if (him := ask.person(organisation, person)) is not None:
                    notice = _notice(organisation, f"{DAY}:{today}", DAY, person, now)
                    planned += self._by_his_ways(ask, notice, him, digest, now)
            for back in found.back:
                if (him := ask.person(organisation, back.person)) is not None and not him.away:
                    notice = _notice(organisation, f"back:{back.absence}", "back", back.person, now, "direct")
                    about = _about_return(back, found.waiting.get(back.person, 0))
                    planned += self._by_his_ways(ask, _with(notice, about), him, digest, now)
            for way, work in found.lists:
                if accounts.listed(connection, organisation, way.account, today.isoformat()):
                    notice = _notice(organisation, f"daily_list:{way.account}:{today}", "daily_list", "", now, "direct")
                    about = _about_list(way, work, now)
                    about["department_title"] = self._called(connection, organisation, way.department)
                    planned.append(
                        Planned(_with(notice, about), group_of(way), way.channel.name, "direct", "waiting", now,
                                account=way.account)
                    )  # fmt: skip
            return RoundResult(planned=deliveries.plan(connection, planned, now))

    def _look_at_day(self, connection: Connection, place: Place, school: SchoolSettings, today: date) -> _DayOf:
        organisation = place.organisation
        waiting = self._directory.waiting(connection, organisation)
        self._waiting[organisation] = waiting
        soon = workdays_ahead(today, SOON_WORKDAYS, self._workday(connection, place))
        due = [p for p, mine in waiting.items() if any(due_soon(about, soon, place.zone) for about in mine)]
        since = deliveries.last_day_begun(connection, organisation) or today - timedelta(days=1)
        groups = [w for w in self._ways(connection, organisation) if w.channel.serves == "place" and w.daily_list]
        lists = [(way, self._directory.work_of(connection, organisation, way.department)) for way in groups]
        return _DayOf(
            due,
            self._directory.back(connection, organisation, since, today),
            {person: len(mine) for person, mine in waiting.items()},
            [(way, sorted(work, key=worst_first)) for way, work in lists if work],
        )

    def _by_his_ways(
        self, ask: "_Asked", notice: Notice, him: Recipient, digest: DigestTime, now: datetime
    ) -> list[Planned]:
        """To his desk and by his one way outside; what the organisation's own channels are told is said elsewhere."""
        situation = ask.situation(notice.organisation, [him])
        outside = situation.outside(him)
        ways = [*situation.inside(him), *([outside] if outside else [])]
        return [to_person(notice, him, way, situation, digest, now) for way in ways]

    # --- what waited for the hours it may be sent in -------------------------------------------------------------------

    def _something_loose(self, now: datetime) -> bool:
        with self._database.read_across() as connection:
            return deliveries.something_loose(connection, self._personal, now)

    def _look_again(self) -> RoundResult:
        """A direct message that waited over night is looked at once more: the world moves."""
        result, now = RoundResult(), self._clock.now()
        while not self._stopping() and self._something_loose(now):
            with self._database.write_across() as connection:
                waited = deliveries.waiting_direct(connection, self._personal, now, PLAN_GROUP)
                ask = self._asked(connection)
                for delivery in waited:
                    send = partial(self._send_it_now, connection, ask, delivery, now)
                    result += self._unless_stopped_by_a_defect(connection, [delivery], now, send)
            if len(waited) < PLAN_GROUP:
                break
        return result

    def _send_it_now(self, connection: Connection, ask: "_Asked", delivery: Delivery, now: datetime) -> RoundResult:
        him, gone = self._still(ask, delivery)
        if gone is not None:
            return self._take_out(connection, delivery, gone, now)
        situation = ask.situation(delivery.organisation, [him])
        leaves_at = situation.sent_at(delivery.notice, him.person, now)
        if leaves_at > now:
            deliveries.postpone(connection, [delivery], None, leaves_at)
            return RoundResult(postponed=1)
        if delivery.channel in self._outside:
            way = situation.outside(him, silence=not not_to_be_silenced(delivery.notice))
            if way is None or way.channel.name != delivery.channel:
                return self._take_out(
                    connection, delivery, Overtaken(as_kept(answers.ANOTHER_WAY), readdress=True), now
                )
        deliveries.make_message(connection, delivery, Addressee.person(him))
        return RoundResult()

    def _still(self, ask: "_Asked", delivery: Delivery) -> tuple[Recipient, Overtaken | None]:
        """Its reader as the directory knows him now, and whether it is overtaken."""
        try:
            recipients, state = ask.about(delivery.notice)
        except Exception as error:
            if says_nothing_about_it(error):
                raise
            log.exception("delivery %s cannot be looked at again; it goes as it was planned", delivery.id)
            return _as_recipient(delivery.addressee), None
        him = next((r for r in recipients if r.person == delivery.addressee.key), _as_recipient(delivery.addressee))
        return him, overtaken(delivery, recipients, state)

    def _take_out(self, connection: Connection, line: Delivery, gone: Overtaken, now: datetime) -> RoundResult:
        """Withdraw a line, and give it to whoever is in charge instead."""
        deliveries.withdraw(connection, [line], gone.why)
        if not gone.readdress:
            return RoundResult(withdrawn=1)
        planned = [p for p in self.routed(connection, line.notice, now) if p.id != line.id]
        made = deliveries.plan(connection, planned, now) + deliveries.revive(connection, planned)
        return RoundResult(withdrawn=1, planned=made)

    def _unless_stopped_by_a_defect(
        self, connection: Connection, lines: Iterable[Delivery], now: datetime, work: Callable[[], RoundResult]
    ) -> RoundResult:
        try:
            with undone_by_itself(connection):
                return work()
        except _Faster:
            return RoundResult()
        except Exception as error:
            if says_nothing_about_it(error):
                raise
            put_off = list(lines)
            log.exception("what waits for %s is put off", put_off[0].addressee.key if put_off else "nobody")
            deliveries.postpone(connection, put_off, None, now + PUT_OFF)
            return RoundResult(postponed=len(put_off))

    # --- digests -------------------------------------------------------------------------------------------------------

    def _put_digests_together(self) -> RoundResult:
        """For each reader whose digest is due: drop what was overtaken, and make one message of the rest and of what waits for
        him anyway; the same on his desk and outside. The message gets its key and its lines here, once: every later try
        carries the same.
        """
        result, now = RoundResult(), self._clock.now()
        seen: set[tuple[str, str]] = set()
        while not self._stopping() and self._something_loose(now):
            with self._database.read_across() as connection:
                due = deliveries.readers_of_due_digests(connection, self._personal, now, READERS)
                of = dict.fromkeys(organisation for organisation, _ in due)
                waiting = {organisation: self._what_waits(connection, organisation) for organisation in of}
            if not set(due) - seen:
                break
            seen |= set(due)
            with self._database.write_across() as connection:
                ask = self._asked(connection)
                for organisation in of:
                    ask.about_people(organisation, [reader for where, reader in due if where == organisation])
                of_each = deliveries.due_lines(connection, self._personal, due, now)
                for organisation, reader in due:
                    lines = of_each.get((organisation, reader), [])
                    mine = waiting[organisation].get(reader, ())
                    put = partial(self._put_together, connection, ask, lines, mine, now)
                    result += self._unless_stopped_by_a_defect(connection, lines, now, put)
        return result

    def _what_waits(self, connection: Connection, organisation: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        try:
            return self._waiting.get(organisation) or self._directory.waiting(connection, organisation)
        except Exception as error:
            if says_nothing_about_it(error):
                raise
            log.exception("nobody knows what waits in %s; its digests say what fired", organisation)
            return {}

    def _put_together(
        self, connection: Connection, ask: "_Asked", lines: Sequence[Delivery], waits: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> RoundResult:  # fmt: skip
        """One reader's."""
        if not lines:
            return RoundResult()
        organisation, reader = lines[0].organisation, lines[0].addressee.key
        him = ask.person(organisation, reader) or _as_recipient(lines[0].addressee)
        situation = ask.situation(organisation, [him])
        zone, workdays = situation.zone, ask.workdays(organisation)
        today = now.astimezone(zone).date()
        loud = any(not_to_be_silenced(line.notice) for line in lines)
        if loud:  # what his quiet hours would hold back goes with it: he gets no second one today
            every = deliveries.loose_lines(connection, self._personal, organisation, reader)
            lines = [line for line in every if line.not_before <= now or (line.digest_for or date.max) <= today]
            deliveries.postpone(connection, [line for line in lines if line.not_before > now], today, now)
        if (later := self._not_now(connection, ask, lines, situation, today, now, loud=loud)) is not None:
            deliveries.postpone(connection, lines, later.day, later.leaves_at)
            return RoundResult(postponed=len(lines))
        result, kept = RoundResult(), []
        over: dict[str, list[Delivery]] = {}  # by why
        for line in lines:
            of_line, gone = self._still(ask, line)
            if gone is None:
                kept.append((line, of_line))
            elif gone.readdress:
                result += self._take_out(connection, line, gone, now)
            else:
                over.setdefault(gone.why, []).append(line)
        for why, of_why in over.items():
            deliveries.withdraw(connection, of_why, why)
            result += RoundResult(withdrawn=len(of_why))
        fired = {line.notice.case for line, _ in kept if line.notice.reason != DAY}
        soon = workdays_ahead(today, SOON_WORKDAYS, workdays)
        if not fired and not any(due_soon(about, soon, zone) for about in waits):
            deliveries.withdraw(connection, [line for line, _ in kept], as_kept(answers.NOTHING_DUE))
            return result + RoundResult(withdrawn=len(kept))
        besides = sorted((about for about in waits if about.get("number") not in fired), key=worst_first)
        late = sum(due_soon(about, today - timedelta(days=1), zone) for about in besides[SHOWN:])
        shown = self._directory.as_they_stand(connection, organisation, [about["number"] for about in besides[:SHOWN]])
        rest = Rest(tuple(shown), max(0, len(besides) - SHOWN), late)
        outside = situation.outside(him, silence=not loud)
        bound: set[str] = set()
        for way in (*situation.inside(him), *([outside] if outside else ())):
            mine = {line.notice.id: line for line, of_line in kept if not (way.outside and of_line.away)}
            there = {line.notice.id for line, _ in kept if line.channel == way.channel.name}
            more = [
                Planned(mine[notice].notice, Addressee.person(him), way.channel.name, "digest", "waiting", now, today,
                        account=way.account)
                for notice in mine if notice not in there
            ]  # fmt: skip
            if not mine:
                continue
            of_way = [line for line, _ in kept if line.channel == way.channel.name and line.notice.id in mine]
            if more:
                made = deliveries.plan(connection, more, now) + deliveries.revive(connection, more)
                result += RoundResult(planned=made)
                loose = deliveries.loose_lines(connection, [way.channel.name], organisation, reader)
                of_way = [line for line in loose if line.notice.id in mine]
            key = deliveries.put_digest(connection, organisation, reader, way.channel.name, today, rest, now)
            if key is None:
                raise _Faster
            deliveries.bind(connection, of_way, key, today, Addressee.person(him), way.account)
            bound |= {line.id for line in of_way}
        left = [line for line, _ in kept if line.id not in bound]
        deliveries.withdraw(connection, left, as_kept(answers.ANOTHER_WAY))
        if not bound:  # nothing serves him any more: said as loudly as of anybody else whom nothing reaches
            planned = [
                unreachable(
                    line.notice, as_kept(answers.NO_ADDRESS, who=him.name or reader), now, Addressee.person(him)
                )
                for line in left
            ]
            result += RoundResult(planned=deliveries.plan(connection, planned, now), unreachable=len(planned))
        return result + RoundResult(withdrawn=len(left))

    def _not_now(
        self, connection: Connection, ask: "_Asked", lines: Sequence[Delivery], situation: Situation, today: date,
        now: datetime, *, loud: bool,
    ) -> DigestTime | None:  # fmt: skip
        """When these lines go instead: he had his digest of today, it is no working day, or too late or too early for him.

        loud   whether something is among them that nobody can put off by his quiet hours
        """
        organisation, reader = lines[0].organisation, lines[0].addressee.key
        zone, school, workdays = situation.zone, situation.school, ask.workdays(organisation)
        quiet = NO_PREFERENCE if loud else situation.preference(reader)

        def next_one(after: date) -> DigestTime:
            following = next_digest(now, zone, workdays, school, after=after)
            return DigestTime(following.day, sent_at(following.leaves_at, zone, school, quiet))

        if deliveries.had_digest(connection, organisation, reader, today):
            return next_one(today)
        # a day that was to be worked may be free by now; a calendar without any working day silences nobody for ever
        if not workdays(today) and workdays((following := next_one(today)).day):
            return following
        leaves_at = sent_at(now, zone, school, quiet)
        if leaves_at > now:
            same_day = leaves_at.astimezone(zone).date() == today
            return DigestTime(today, leaves_at) if same_day else next_one(today)
        return None

    def reader(self, connection: Connection, organisation: str, person: str) -> tuple[Recipient, Situation] | None:
        """Somebody as a reader, and what decides how he is told; None for whom the directory does not know as active."""
        ask = self._asked(connection)
        him = ask.person(organisation, person)
        if him is None:
            return None
        return him, replace(ask.hours(organisation), ways=self._ways(connection, organisation))

    # --- what is asked -------------------------------------------------------------------------------------------------

    def _ways(self, connection: Connection, organisation: str) -> list[Way]:
        """How this organisation can send: by what needs no account, and by each of its accounts."""
        kinds = {channel.name: channel for channel in self._channels}
        ways = [Way(channel, channel.name) for channel in self._channels if needs_no_account(channel)]
        set_up = [s for s in self._book.in_use(connection, organisation) if s.kind in kinds]
        own = [s for s in set_up if not needs_no_account(kinds[s.kind])]
        states = accounts.states_of(connection, organisation) if own else {}
        now = self._clock.now()

        def way(set_up: SetUp) -> Way:
            state = states.get(set_up.id) or State(set_up.id)
            paused = state.paused_until is not None and state.paused_until > now
            return Way(
                kinds[set_up.kind], set_up.id, set_up.department, daily_list=set_up.daily_list, direct=set_up.direct,
                in_order=not (paused and state.down), works=not state.down,
            )  # fmt: skip

        return ways + [way(set_up) for set_up in own]

    def settings_of(self, connection: Connection, organisation: str) -> SchoolSettings:
        """As this organisation decided them."""
        return self._settings(self._directory.decided(connection, organisation))

    def _settings(self, decided: Mapping[str, Any]) -> SchoolSettings:
        try:
            return settings_of(self._school, decided)
        except ValueError:
            log.exception("what a school decided about its messages cannot be read; it has the defaults")
            return self._school

    def _workday(self, connection: Connection, place: Place) -> Callable[[date], bool]:
        return cache(lambda day: self._directory.is_workday(connection, place.organisation, day))

    def _asked(self, connection: Connection) -> "_Asked":
        return _Asked(
            self._directory, connection, lambda organisation: self._ways(connection, organisation), self._settings
        )


class _Faster(Exception):
    """Another node put this reader's digest together."""


class _Asked:
    """The directory, asked once per question within a transaction: a digest has many lines about few cases."""

    def __init__(
        self,
        directory: Directory,
        connection: Connection,
        ways: Callable[[str], list[Way]],
        settings: Callable[[Mapping[str, Any]], SchoolSettings],
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._people: dict[tuple[str, str], Recipient | None] = {}
        self._unreached: dict[str, list[readers.Unreached]] = {}
        self._preferences = cache(lambda organisation: readers.preferences_of(connection, organisation))
        self.time_zone = cache(lambda organisation: directory.time_zone(connection, organisation))
        self._school = cache(lambda organisation: settings(directory.decided(connection, organisation)))
        self._ways = cache(ways)
        looking = directory.looking(connection)
        self.recipients = cache(looking.recipients)
        self._state = cache(looking.state_of)
        self._workday = cache(lambda organisation, day: directory.is_workday(connection, organisation, day))

    def about(self, notice: Notice) -> tuple[Sequence[Recipient], str | None]:
        """Who is to be told now, and the state the case stands in."""
        if notice.case == LOGBOOK and len(notice.audience) == 1 and notice.audience[0].startswith(PERSON):
            him = self.person(notice.organisation, notice.audience[0].removeprefix(PERSON))
            return ([] if him is None else [him]), None
        question = (notice.organisation, notice.case, notice.audience)
        return self.recipients(*question), self._state(notice.organisation, notice.case)

    def person(self, organisation: str, key: str) -> Recipient | None:
        """He as the directory knows him now; None when he is not active any more."""
        if key in (NOBODY, ORGANISATION) or key.startswith(GROUP):
            return None
        if (organisation, key) not in self._people:
            self.about_people(organisation, [key])
        return self._people[organisation, key]

    def about_people(self, organisation: str, keys: Sequence[str]) -> None:
        """Look all of these up at once."""
        asked = [key for key in dict.fromkeys(keys) if (organisation, key) not in self._people]
        if not asked:
            return
        audience = tuple(f"{PERSON}{key}" for key in asked)
        found = self.recipients(organisation, LOGBOOK, audience)
        known = {recipient.person: recipient for recipient in found}
        self._people |= {(organisation, key): known.get(key) for key in asked}

    def workdays(self, organisation: str) -> Callable[[date], bool]:
        return lambda day: self._workday(organisation, day)

    def hours(self, organisation: str) -> Situation:
        """As much of it as says when people may be sent something."""
        return Situation(self._school(organisation), self.time_zone(organisation), (), self._preferences(organisation))

    def forget_unreached(self, organisation: str) -> None:
        """Something was written down, or is over: it is looked up anew."""
        self._unreached.pop(organisation, None)

    def situation(self, organisation: str, people: Sequence[Recipient]) -> Situation:
        """What routing has to know to reach these people. What is written down against an address that is not theirs any more
        is forgotten.
        """
        ways = self._ways(organisation)
        if organisation not in self._unreached:
            self._unreached[organisation] = readers.unreached(self._connection, organisation)
        by_key = {recipient.person: recipient for recipient in people}
        kinds = {way.channel.name: way.channel for way in ways}
        unreached: dict[str, tuple[str, ...]] = {}
        unworkable: set[tuple[str, str]] = set()
        for known in self._unreached[organisation]:
            if known.person not in by_key:
                continue
            kind = kinds.get(known.channel)
            address = None if kind is None else kind.address_of(by_key[known.person])
            if known.address and (address is None or readers.hash_of(address) != known.address):
                readers.reached(self._connection, organisation, known.person, known.channel)
                self.forget_unreached(organisation)
                continue
            unreached[known.person] = (*unreached.get(known.person, ()), known.channel)
            if known.address:
                unworkable.add((known.person, known.channel))
        return Situation(
            self._school(organisation), self.time_zone(organisation), ways,
            self._preferences(organisation), unworkable, unreached,
        )  # fmt: skip


def needs_no_account(channel: Channel) -> bool:
    return channel.form is NothingToSetUp


def _as_recipient(addressee: Addressee) -> Recipient:
    return Recipient(addressee.key, addressee.name, addressee.locale, addressee.addresses)


def _notice(organisation: str, name: str, reason: str, person: str, now: datetime, how: Any = "digest") -> Notice:
    """What is told without a case, and without anybody having asked for it."""
    audience = (f"{PERSON}{person}",) if person else ()
    return Notice(name, organisation, LOGBOOK, 0, reason, audience, how, now, {})


def _with(notice: Notice, about: Mapping[str, Any]) -> Notice:
    return Notice(
        notice.id, notice.organisation, notice.case, notice.sequence, notice.reason, notice.audience, notice.how,
        notice.written_at, about,
    )  # fmt: skip


def _about_return(back: Back, waiting: int) -> dict[str, Any]:
    return {
        "from": back.first_day.isoformat(), "until": back.last_day.isoformat(), "done": back.count, "waiting": waiting,
        "lines": [dict(about) for about in back.done],
    }  # fmt: skip


def _about_list(way: Way, work: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    late = sum((due := about.get("due_at")) is not None and datetime.fromisoformat(due) < now for about in work)
    return {
        "department": way.department, "count": len(work), "overdue": late, "lines": [dict(about) for about in work[:SHOWN]]
    }  # fmt: skip


def says_nothing_about_it(error: Exception) -> bool:
    """Whether it is the database that could not do just now what it does at other times: whatever it was about is undone,
    and the next round finds it waiting.
    """
    return is_passing(error) or is_crossed(error)
