"""The delivery worker: turns notices into deliveries and deliveries into messages that arrived. At least once, never lost.

A round has two halves. Planning is one write transaction per group of notices. Sending claims due messages of one account
of a channel under a lease, sends outside any transaction, and records each result only while it still holds the lease;
whoever dies in between leaves a lease that runs out, and the message goes again under the same key. An account that does
not work, or whose service wants to be left alone, is left alone by every worker; the others go on.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

from engine.clock import Clock
from engine.events import Notice, Recipient
from engine.store.database import Database, is_crossed, is_passing
from notifications import accounts, deliveries, texts
from notifications.accounts import AccountBook, VaultError
from notifications.channels import Account, Channel, Receipt, SendsTogether, TransportError
from notifications.channels.forms import NothingToSetUp
from notifications.message import Claimed, Delivery, Outgoing, Planned, Status
from notifications.rendering import Wording, compose
from notifications.retry import MAX_ATTEMPTS, GiveUp, after_failure
from notifications.routing import Overtaken, SchoolSettings, Way, next_digest, overtaken, route, unreachable
from notifications.sources import ClaimedNotice, Directory, LinkMaker, Outbox
from notifications.tables import Connection

log = logging.getLogger(__name__)

PLAN_GROUP = 50  # notices; a write transaction of some milliseconds
OUTSIDE_GROUP = 10  # messages; at ten seconds each they must be through before the lease ends
INSIDE_GROUP = 200  # messages; handed over and recorded in one transaction each
LEASE = timedelta(minutes=5)
LONGEST_SEND = timedelta(seconds=30)  # more than any channel gives a service
PATIENCE_SECONDS = 20.0  # how long one channel may keep a round; the rest goes with the next
SENDERS = 4  # at once by one channel, an account each: a slow one keeps one of them
SLOW_DOWN = timedelta(minutes=1)  # for whoever asks for it and does not say how long
SIMULATED = "nothing leaves a simulated data folder"


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


class DeliveryWorker:
    """Any number of these may work on one database; leases keep them apart.

    channels          their names are unique; those that stay inside go first
    book              what the organisations send by
    links             makes the links that take a step straight from a message; without it there are none
    outside_allowed   False in a simulated data folder: what would leave the program is held, in sight
    monotonic         seconds, for a channel's patience
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        directory: Directory,
        channels: Sequence[Channel],
        book: AccountBook,
        clock: Clock,
        school: SchoolSettings | None = None,
        *,
        links: LinkMaker | None = None,
        outside_allowed: bool = True,
        max_attempts: int = MAX_ATTEMPTS,
        lease: timedelta = LEASE,
        patience_seconds: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if len({channel.name for channel in channels}) != len(channels):
            raise ValueError("Two channels have the same name; deliveries are filed under it. Rename one.")
        self._database = database
        self._outbox = outbox
        self._directory = directory
        self._channels = tuple(channels)
        self._book = book
        self._clock = clock
        self._school = school or SchoolSettings()
        self._links = links
        self._outside_allowed = outside_allowed
        self._max_attempts = max_attempts
        self._lease = lease
        self._patience_seconds = patience_seconds
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._planning = threading.Lock()
        self._choosing = threading.Lock()
        self._working_on: set[tuple[str, str]] = set()  # accounts, in this process

    def stop(self) -> None:
        """Begin nothing more: the message that is being sent is finished, what was claimed besides is given back at once.

        Does not wait. From then on a round does nothing.
        """
        self._stopping.set()

    @property
    def lanes(self) -> tuple[str, ...]:
        """The channels by name. A process that goes on sending works each of them by itself, with `run_lane`."""
        return tuple(channel.name for channel in self._channels)

    def run_lane(self, name: str) -> RoundResult:
        """Plan, then send what is due on this one channel. Lanes may run at once, and none waits for another one's sending."""
        [channel] = [channel for channel in self._channels if channel.name == name]
        return self.plan() + self.send(channel)

    def run_once(self) -> RoundResult:
        """Everything that is due now: plan, then send on each channel. It ends with the slowest of them."""
        result = self.plan()
        for channel in self._channels:
            if not channel.outside:
                result += self.send(channel)
        outside = [channel for channel in self._channels if channel.outside]
        if len(outside) < 2:
            return sum(map(self.send, outside), result)
        with ThreadPoolExecutor(max_workers=len(outside), thread_name_prefix="channel") as pool:
            return sum(pool.map(self.send, outside), result)

    # --- planning ----------------------------------------------------------------------------------------------------

    def plan(self) -> RoundResult:
        """Turn every unplanned notice into deliveries, in groups.

        1. claim a group, oldest first
        2. each under a savepoint: resolve its audience, route it, write its deliveries, tell the outbox it is done
        3. a notice that cannot be planned is written down as unreachable with its cause, and stops no other; but what the
           database cannot do just now (its disk is full, it is gone) undoes the group, and the next round plans it

        One lane at a time: the others find what it has planned.
        """
        with self._planning:
            return self._plan_all()

    def _plan_all(self) -> RoundResult:
        result = RoundResult()
        while not self._stopping.is_set():
            now = self._clock.now()
            with self._database.write_across() as connection:
                claimed = self._outbox.claim(connection, now, now + self._lease, PLAN_GROUP)
                for notice in claimed:
                    result += self._plan_claimed(connection, notice, now)
                if not claimed:
                    return result + self._address_again(connection, now)
        return result

    def _plan_claimed(self, connection: Connection, claimed: ClaimedNotice, now: datetime) -> RoundResult:
        notice = claimed.notice
        try:
            with connection.begin_nested():
                return self._write_plan(connection, claimed, self._routed(connection, notice, now), now)
        except LeaseLost:
            return RoundResult(lost=1)
        except Exception as error:
            if _says_nothing_about_it(error):
                raise
            log.exception("notice %s cannot be planned", notice.id)
            cause = f"cannot be planned: {type(error).__name__}: {error}"
        try:
            with connection.begin_nested():
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

    def _routed(self, connection: Connection, notice: Notice, now: datetime) -> list[Planned]:
        organisation = notice.organisation
        zone = self._directory.time_zone(connection, organisation)
        digest = next_digest(notice.written_at, zone, self._workdays(connection, organisation), self._school)
        recipients = self._directory.recipients(connection, organisation, notice.case, notice.audience)
        return route(notice, recipients, self._ways(connection, organisation), digest, now)

    def _ways(self, connection: Connection, organisation: str) -> list[Way]:
        """How this organisation can send: by what needs no account, and by each of its accounts."""
        kinds = {channel.name: channel for channel in self._channels}
        ways = [Way(channel, channel.name) for channel in self._channels if _needs_no_account(channel)]
        return ways + [
            Way(kinds[set_up.kind], set_up.id, set_up.department, daily_list=set_up.daily_list, direct=set_up.direct)
            for set_up in self._book.in_use(connection, organisation)
            if set_up.kind in kinds and not _needs_no_account(kinds[set_up.kind])
        ]

    def _workdays(self, connection: Connection, organisation: str) -> Callable[[date], bool]:
        return lambda day: self._directory.is_workday(connection, organisation, day)

    def _address_again(self, connection: Connection, now: datetime) -> RoundResult:
        """The unreachable that somebody asked to be tried again: now they reach somebody, or are unreachable still."""
        result = RoundResult()
        for delivery in deliveries.unaddressed(connection, PLAN_GROUP):
            still: str | None
            try:
                with connection.begin_nested():
                    planned = self._routed(connection, delivery.notice, now)
                    # whoever else hears of it has had it already, maybe by a way that is closed by now
                    planned = [p for p in planned if p.addressee.key == delivery.addressee.key] or planned
                    result += RoundResult(planned=deliveries.plan(connection, planned, now))
            except Exception as error:
                if _says_nothing_about_it(error):
                    raise
                log.exception("notice %s cannot be planned", delivery.notice.id)
                still = f"cannot be planned: {type(error).__name__}: {error}"
            else:
                still = next((p.cause for p in planned if p.id == delivery.id), None)
            status: Status = "unreachable" if still else "withdrawn"
            deliveries.settle_unaddressed(connection, delivery, status, still or "addressed anew")
        return result

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, channel: Channel) -> RoundResult:
        """Send what is due on one channel until nothing is, or its patience for this round is used up."""
        if channel.outside and not self._outside_allowed:
            return RoundResult() if self._stopping.is_set() else self._hold(channel)
        gives_up_at = self._monotonic() + self._patience_seconds
        if _needs_no_account(channel):
            return self._send_by(channel, gives_up_at)
        with ThreadPoolExecutor(SENDERS, f"{channel.name} sender") as pool:
            return sum(pool.map(lambda _: self._send_by(channel, gives_up_at), range(SENDERS)), RoundResult())

    def _send_by(self, channel: Channel, gives_up_at: float) -> RoundResult:
        result = RoundResult()
        while self._goes_on(gives_up_at) and self._something_due(channel):
            with self._claimed(channel) as (group, says, bound):
                result += bound
                if not group and bound == RoundResult():
                    return result
                if isinstance(channel, SendsTogether):
                    result += self._send_together(channel, group, says)
                else:
                    result += self._send_one_by_one(channel, group, says, gives_up_at)
        return result

    def _goes_on(self, gives_up_at: float) -> bool:
        return not self._stopping.is_set() and self._monotonic() < gives_up_at

    def _something_due(self, channel: Channel) -> bool:
        with self._database.read_across() as connection:
            return deliveries.something_due(connection, channel.name, self._clock.now())

    def _hold(self, channel: Channel) -> RoundResult:
        if not self._something_due(channel):
            return RoundResult()
        with self._database.write_across() as connection:
            return RoundResult(held=deliveries.hold(connection, channel.name, self._clock.now(), SIMULATED))

    @contextmanager
    def _claimed(self, channel: Channel) -> Iterator[tuple[list[Claimed], "_Says", RoundResult]]:
        """Put due digests together and claim due messages, in one transaction: of one account, which nobody else in this
        process works on meanwhile. With how each of them is said.
        """
        limit = INSIDE_GROUP if isinstance(channel, SendsTogether) else OUTSIDE_GROUP
        now = self._clock.now()
        of: tuple[str, str] | None = None
        try:
            with self._database.write_across() as connection:
                bound = self._bind_digests(connection, channel, now, limit)
                if isinstance(channel, SendsTogether):
                    group = deliveries.claim(connection, channel.name, now, now + self._lease, limit)
                else:
                    of, group = self._claim_of_one_account(connection, channel, now, limit)
                says = self._said(connection, channel, group, now)
            yield group, says, bound
        finally:
            if of is not None:
                self._working_on.discard(of)

    def _claim_of_one_account(
        self, connection: Connection, channel: Channel, now: datetime, limit: int
    ) -> tuple[tuple[str, str] | None, list[Claimed]]:
        """The account whose message is due longest, and its messages: as many as its service takes."""
        while of := self._next_account(connection, channel, now):
            lease_until = now + self._lease
            if channel.limit is None:
                return of, deliveries.claim(connection, channel.name, now, lease_until, limit, of=of)
            slots = accounts.take_slots(connection, *of, channel.limit, limit, now, lease_until)
            group = deliveries.claim(connection, channel.name, now, lease_until, len(slots), of=of)
            for slot in slots[len(group) :]:
                accounts.give_slot(connection, *of, slot, now)
            if group:
                return of, [replace(claimed, slot=slot) for claimed, slot in zip(group, slots, strict=False)]
            self._working_on.discard(of)
            if not slots:
                accounts.is_full(connection, *of)
                continue
            return None, []  # another worker was faster
        return None, []

    def _next_account(self, connection: Connection, channel: Channel, now: datetime) -> tuple[str, str] | None:
        """Noted as being worked on here."""
        with self._choosing:
            of = deliveries.next_account(connection, channel.name, now, without=self._working_on)
            if of is not None:
                self._working_on.add(of)
            return of

    def _bind_digests(self, connection: Connection, channel: Channel, now: datetime, limit: int) -> RoundResult:
        """For each reader whose digest is due: drop what was overtaken, and make one message of the rest.

        The message gets its key and its lines here, once: every later try carries the same.
        """
        result = RoundResult()
        ask = _Asked(self._directory, connection)
        for organisation, reader in deliveries.readers_of_due_digests(connection, channel.name, now, limit):
            zone = ask.time_zone(organisation)
            today = now.astimezone(zone).date()
            lines = deliveries.due_lines(connection, channel.name, organisation, reader, now)
            if deliveries.had_digest(connection, channel.name, organisation, reader, today):
                workdays = self._workdays(connection, organisation)
                later = next_digest(now, zone, workdays, self._school, after=today)
                deliveries.postpone(connection, lines, later.day, later.leaves_at)
                result += RoundResult(postponed=len(lines))
                continue
            kept = []
            for line in lines:
                try:
                    with connection.begin_nested():
                        gone = overtaken(line, *ask.about(line.notice))
                        result += self._take_out(connection, line, gone, now) if gone else RoundResult()
                except Exception as error:
                    if _says_nothing_about_it(error):
                        raise
                    log.exception("delivery %s cannot be looked at again; it goes as it was planned", line.id)
                    gone = None
                if gone is None:
                    kept.append(line)
            if kept:
                deliveries.bind(connection, kept, today)
        return result

    def _take_out(self, connection: Connection, line: Delivery, gone: Overtaken, now: datetime) -> RoundResult:
        """Withdraw a line, and give it to whoever is in charge instead."""
        deliveries.withdraw(connection, [line], gone.why)
        if not gone.readdress:
            return RoundResult(withdrawn=1)
        planned = self._routed(connection, line.notice, now)
        made = deliveries.plan(connection, planned, now) + deliveries.revive(connection, planned)
        return RoundResult(withdrawn=1, planned=made)

    def _send_together(self, channel: SendsTogether, group: Sequence[Claimed], says: "_Says") -> RoundResult:
        composed = [self._composed(claimed, says) for claimed in group]
        messages = [message for message in composed if isinstance(message, Outgoing)]
        try:
            answers = iter(channel.send_together(messages))
        except Exception as error:  # noqa: BLE001  a defect in a channel must leave the messages waiting, not lost
            answers = iter([_as_transport_error(channel, error)] * len(messages))
        results = [next(answers) if isinstance(message, Outgoing) else message for message in composed]
        with self._database.write_across() as connection:
            recorded = [self._record(connection, *pair) for pair in zip(group, results, strict=True)]
        return sum(recorded, RoundResult())

    def _send_one_by_one(
        self, channel: Channel, group: Sequence[Claimed], says: "_Says", gives_up_at: float
    ) -> RoundResult:
        """In order, until the account has to be left alone; what was not begun is given back."""
        result = RoundResult()
        untried = list(group)
        account = self._account(channel, group[0]) if group else None
        if group and account is None:
            return self._address_anew(channel, group)
        while untried and self._goes_on(gives_up_at):
            if self._clock.now() > untried[0].lease_until - LONGEST_SEND:
                break  # another worker may soon take it for abandoned, and send it too
            claimed = untried.pop(0)
            message = self._composed(claimed, says)
            if isinstance(message, Outgoing):
                assert account is not None  # there is a group
                answer = self._handed_over(channel, message, account) if isinstance(account, Account) else account
            else:
                answer = message
            with self._database.write_across() as connection:
                result += self._record(connection, claimed, answer)
                left_alone = self._judge(connection, channel, claimed, answer)
            if left_alone:
                break
        self._give_back(untried)
        return result

    def _account(self, channel: Channel, claimed: Claimed) -> Account | TransportError | None:
        """By which it goes, or what stands in the way, as its service would say it; None where it is not in use any more."""
        organisation, name = claimed.organisation, claimed.account
        if _needs_no_account(channel):
            return Account(organisation, name, channel.name)
        try:
            with self._database.read(organisation) as connection:
                return self._book.account(connection, organisation, name)
        except VaultError:
            why = f"the secrets of {name} do not open with this folder's key; set the channel up again"
            return TransportError(why, "give_up", concerns="channel")

    def _address_anew(self, channel: Channel, group: Sequence[Claimed]) -> RoundResult:
        """Their account was removed or switched off since they were planned: they go by another way, or are withdrawn for it."""
        organisation, name, now = group[0].organisation, group[0].account, self._clock.now()
        with self._database.write_across() as connection:
            for claimed in group:
                deliveries.settle(connection, claimed, "waiting", counts=False)
                if claimed.slot is not None:
                    accounts.give_slot(connection, organisation, name, claimed.slot, now)
            gone = accounts.find(connection, organisation, name)
            department = None if gone is None else gone.department
            instead = self._book.instead_of(connection, organisation, name, channel.name, department)
            moved = deliveries.address_anew(connection, organisation, name, instead, now)
        return RoundResult() if instead else RoundResult(withdrawn=moved)

    def _said(self, connection: Connection, channel: Channel, group: Sequence[Claimed], now: datetime) -> "_Says":
        """Zone and words of each message: the texts as the organisation has them now, and the links of its lines."""
        ask = _Asked(self._directory, connection)
        own = cache(lambda organisation: texts.in_use(connection, organisation))
        return {
            claimed.message: (
                ask.time_zone(claimed.organisation),
                Wording(own(claimed.organisation), self._links_of(ask, channel, claimed, now)),
            )
            for claimed in group
        }

    def _links_of(self, ask: "_Asked", channel: Channel, claimed: Claimed, now: datetime) -> dict[str, str]:
        """A link for each notice that its reader can acknowledge: only he, and only outside. On the desk he is signed in, and
        what lies there for months has to lead somewhere still.
        """
        if self._links is None or not channel.outside or channel.serves != "person":
            return {}
        until = now + timedelta(days=self._school.link_days)
        return {
            delivery.notice.id: self._links(delivery, until)
            for delivery in claimed.deliveries
            if (step := delivery.notice.about.get("acknowledge"))
            and delivery.addressee.key in ask.who_is(delivery.notice, tuple(step["by"]))
        }

    def _composed(self, claimed: Claimed, says: "_Says") -> Outgoing | TransportError:
        try:
            zone, wording = says[claimed.message]
            return compose(claimed, zone, self._school, self._clock.now(), wording)
        except Exception as error:
            log.exception("message %s cannot be written", claimed.message)
            return TransportError(f"cannot be written: {type(error).__name__}: {error}", "give_up")

    def _handed_over(self, channel: Channel, message: Outgoing, account: Account) -> Receipt | TransportError:
        try:
            return channel.send(message, account)
        except TransportError as error:
            return error
        except Exception as error:  # noqa: BLE001  a defect in a channel must leave the message waiting, not lost
            return _as_transport_error(channel, error)

    def _record(self, connection: Connection, claimed: Claimed, answer: Receipt | TransportError) -> RoundResult:
        now = self._clock.now()
        if isinstance(answer, Receipt):
            mine = deliveries.settle(connection, claimed, "sent", answer=answer.answer, sent_at=now)
            sent = RoundResult(digests=1) if claimed.how == "digest" else RoundResult(direct=1)
            return sent if mine else RoundResult(lost=1)
        if answer.sort == "slow_down":
            later = now + (answer.retry_after or SLOW_DOWN)
            mine = deliveries.settle(
                connection, claimed, "waiting", answer=answer.answer, not_before=later, counts=False
            )
            return RoundResult(again=1) if mine else RoundResult(lost=1)
        following = after_failure(
            claimed.message, claimed.attempts + 1, permanent=answer.sort == "give_up", retry_after=answer.retry_after,
            max_attempts=self._max_attempts,
        )  # fmt: skip
        if isinstance(following, GiveUp):
            why = f"{following.why}: {answer.answer}"
            log.warning("message %s on %s is dead: %s", claimed.message, claimed.channel, why)
            mine = deliveries.settle(connection, claimed, "dead", answer=why)
            return RoundResult(dead=1) if mine else RoundResult(lost=1)
        mine = deliveries.settle(connection, claimed, "waiting", answer=answer.answer, not_before=now + following.wait)
        return RoundResult(again=1) if mine else RoundResult(lost=1)

    def _judge(
        self, connection: Connection, channel: Channel, claimed: Claimed, answer: Receipt | TransportError
    ) -> bool:
        """What the answer says about the account. Whether it is left alone from now on."""
        now, of = self._clock.now(), (claimed.organisation, claimed.account)
        if claimed.slot is not None and channel.limit is not None:
            accounts.give_slot(connection, *of, claimed.slot, now + channel.limit.per)
        if not channel.outside:
            return False
        if isinstance(answer, Receipt):
            accounts.worked(connection, *of, now)
            return False
        if answer.sort == "slow_down":
            accounts.pause(connection, *of, now + (answer.retry_after or SLOW_DOWN), answer.answer, now)
            return True
        if answer.sort == "give_up" and answer.concerns != "channel":
            return False  # it answered; this message was at fault
        # what waits besides must not die with the one that found out: somebody can mend the account
        out_of_order = answer.sort == "give_up"
        return accounts.failed(connection, *of, answer.answer, now, out_of_order=out_of_order) is not None

    def _give_back(self, untried: Sequence[Claimed]) -> None:
        """Unsent and untried: they are due at once, for the next round or for another node."""
        if not untried:
            return
        with self._database.write_across() as connection:
            now = self._clock.now()
            for claimed in untried:
                deliveries.settle(connection, claimed, "waiting", counts=False)
                if claimed.slot is not None:
                    accounts.give_slot(connection, claimed.organisation, claimed.account, claimed.slot, now)


#: by message: where its reader's clock hangs, and the words it is made with
_Says = dict[str, tuple[ZoneInfo, Wording]]


def _needs_no_account(channel: Channel) -> bool:
    return channel.form is NothingToSetUp


class _Asked:
    """The directory, asked once per question within a transaction: a digest has many lines about few cases."""

    def __init__(self, directory: Directory, connection: Connection) -> None:
        self.time_zone = cache(lambda organisation: directory.time_zone(connection, organisation))
        self._recipients = cache(lambda *question: directory.recipients(connection, *question))
        self._persons = cache(lambda *question: frozenset(r.person for r in self._recipients(*question)))
        self._state = cache(lambda organisation, case: directory.state_of(connection, organisation, case))

    def about(self, notice: Notice) -> tuple[Sequence[Recipient], str | None]:
        """Who is to be told now, and the state the case stands in."""
        question = (notice.organisation, notice.case, notice.audience)
        return self._recipients(*question), self._state(notice.organisation, notice.case)

    def who_is(self, notice: Notice, audience: tuple[str, ...]) -> frozenset[str]:
        """Who stands to the notice's case in one of these relations now, or in for whoever does."""
        found: frozenset[str] = self._persons(notice.organisation, notice.case, audience)
        return found


def _says_nothing_about_it(error: Exception) -> bool:
    """Whether it is the database that could not do just now what it does at other times: whatever it was about is undone,
    and the next round finds it waiting.
    """
    return is_passing(error) or is_crossed(error)


def _as_transport_error(channel: Channel, error: Exception) -> TransportError:
    log.error("channel %s failed in an unexpected way", channel.name, exc_info=error)
    return TransportError(f"{type(error).__name__}: {error}")
