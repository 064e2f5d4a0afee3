"""The delivery worker: turns notices into deliveries and deliveries into messages that arrived. At least once, never lost.

A round has two halves. Planning (`planning.py`) is short write transactions. Sending claims due messages of one account
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
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from engine.events import Notice, Recipient
from engine.store.database import is_crossed
from notifications import accounts, answers, deliveries, texts
from notifications.accounts import VaultError
from notifications.again import too_early
from notifications.another_way import another_way, passed_over, waits_for_its_account
from notifications.answers import as_kept, kind_of
from notifications.asking import Asking, school_of
from notifications.channels import Account, Channel, Receipt, SendsTogether, TransportError
from notifications.message import Claimed, Delivery, Outgoing
from notifications.office import PostOffice, RoundResult, needs_no_account
from notifications.planning import Planner
from notifications.rendering import Wording, compose
from notifications.retry import MAX_ATTEMPTS, GiveUp, TryAgain, WaitOn, after_failure, after_waiting
from notifications.routing import Situation
from notifications.sources import LinkMaker
from notifications.tables import Connection
from notifications.unreached import reached

log = logging.getLogger(__name__)

OUTSIDE_GROUP = 10  # messages; at ten seconds each they must be through before the lease ends
INSIDE_GROUP = 200  # messages; handed over and recorded in one transaction each
LONGEST_SEND = timedelta(seconds=30)  # more than any channel gives a service
PATIENCE_SECONDS = 20.0  # how long one channel may keep a round; the rest goes with the next
RECORDED_AGAIN = 5  # times, when an answer is written down beside others that are
SENDERS = 4  # at once by one channel, an account each: a slow one keeps one of them
SLOW_DOWN = timedelta(minutes=1)  # for whoever asks for it and does not say how long
T = TypeVar("T")


class DeliveryWorker:
    """Any number of these may work on one database; leases keep them apart.

    links             makes the links that take a step straight from a message; without it there are none
    outside_allowed   False in a simulated data folder: what would leave the program is held, in sight
    monotonic         seconds, for a channel's patience
    """

    def __init__(
        self,
        office: PostOffice,
        *,
        links: LinkMaker | None = None,
        outside_allowed: bool = True,
        max_attempts: int = MAX_ATTEMPTS,
        patience_seconds: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channels = tuple(office.channels)
        if len({channel.name for channel in self._channels}) != len(self._channels):
            raise ValueError("Two channels have the same name; deliveries are filed under it. Rename one.")
        self._office = office
        self._database = office.database
        self._directory = office.directory
        self._book = office.book
        self._clock = office.clock
        self._school = office.school
        self._lease = office.lease
        self._links = links
        self._outside_allowed = outside_allowed
        self._max_attempts = max_attempts
        self._patience_seconds = patience_seconds
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._planner = Planner(office, self._stopping.is_set)
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
        if not self._outside_allowed:
            return result + self._hold(*outside)
        if len(outside) < 2:
            return sum(map(self.send, outside), result)
        with ThreadPoolExecutor(max_workers=len(outside), thread_name_prefix="channel") as pool:
            return sum(pool.map(self.send, outside), result)

    # --- planning ----------------------------------------------------------------------------------------------------

    def plan(self) -> RoundResult:
        """Turn notices into deliveries, and what is due into messages. One lane at a time: the others find what it did."""
        with self._planning:
            return self._planner.run()

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, channel: Channel) -> RoundResult:
        """Send what is due on one channel until nothing is, or its patience for this round is used up."""
        if channel.outside and not self._outside_allowed:
            return self._hold(channel)
        gives_up_at = self._monotonic() + self._patience_seconds
        if needs_no_account(channel):
            return self._send_by(channel, gives_up_at)
        if not self._goes_on(gives_up_at) or not self._something_due(channel):
            return (
                RoundResult()
            )  # most rounds: four senders that each look for themselves cost as much again as all the rest
        with ThreadPoolExecutor(SENDERS, f"{channel.name} sender") as pool:
            return sum(pool.map(lambda _: self._send_by(channel, gives_up_at), range(SENDERS)), RoundResult())

    def _send_by(self, channel: Channel, gives_up_at: float) -> RoundResult:
        result = RoundResult()
        while self._goes_on(gives_up_at) and self._something_due(channel):
            with self._claimed(channel) as (group, says):
                if not group:
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

    def _hold(self, *channels: Channel) -> RoundResult:
        names, now = [channel.name for channel in channels], self._clock.now()
        if self._stopping.is_set():
            return RoundResult()
        with self._database.read_across() as connection:
            if not deliveries.something_to_hold(connection, names, now):
                return RoundResult()
        with self._database.write_across() as connection:
            return RoundResult(held=deliveries.hold(connection, names, now, as_kept(answers.SIMULATED)))

    @contextmanager
    def _claimed(self, channel: Channel) -> Iterator[tuple[list[Claimed], "_Says"]]:
        """Due messages, of one account, which nobody else in this process works on meanwhile; with how each is said."""
        limit = INSIDE_GROUP if isinstance(channel, SendsTogether) else OUTSIDE_GROUP
        now = self._clock.now()
        of: tuple[str, str] | None = None
        try:
            with self._database.write_across() as connection:
                if isinstance(channel, SendsTogether):
                    group = deliveries.claim(connection, channel.name, now, now + self._lease, limit)
                else:
                    of, group = self._claim_of_one_account(connection, channel, now, limit)
                group = self._put_off_until_its_hours(connection, channel, group, now)
                says = self._said(connection, channel, group, now)
            yield group, says
        finally:
            if of is not None:
                self._working_on.discard(of)

    def _put_off_until_its_hours(
        self, connection: Connection, channel: Channel, group: list[Claimed], now: datetime
    ) -> list[Claimed]:
        """What may be sent now; the rest waits on."""
        if channel.serves == "organisation":
            return group
        wait = too_early(self._office, connection, group, now)
        for claimed in group:
            if claimed.message in wait:
                deliveries.settle(connection, claimed, "waiting", not_before=wait[claimed.message], counts=False)
                if claimed.slot is not None:
                    accounts.give_slot(connection, claimed.organisation, claimed.account, claimed.slot, now)
        return [claimed for claimed in group if claimed.message not in wait]

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

    def _send_together(self, channel: SendsTogether, group: Sequence[Claimed], says: "_Says") -> RoundResult:
        composed = [self._composed(claimed, says) for claimed in group]
        messages = [message for message in composed if isinstance(message, Outgoing)]
        try:
            answers = iter(channel.send_together(messages))
        except Exception as error:  # noqa: BLE001  a defect in a channel must leave the messages waiting, not lost
            answers = iter([_as_transport_error(channel, error)] * len(messages))
        results = [next(answers) if isinstance(message, Outgoing) else message for message in composed]
        answered = list(zip(group, results, strict=True))
        return self._written_down(
            lambda connection: sum((self._record(connection, *pair) for pair in answered), RoundResult())
        )

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
            recorded, left_alone = self._written_down(partial(self._record_and_judge, channel, claimed, answer))
            result += recorded
            if left_alone:
                self._give_back(untried)
                return result + self._pass_over(claimed, answer)
        self._give_back(untried)
        return result

    def _written_down(self, write: Callable[[Connection], T]) -> T:
        """What came of messages. Where that transaction crossed with another worker's it is tried again: they have left, and
        one whose answer is not written down goes a second time when its lease is over.
        """
        again = RECORDED_AGAIN
        while True:
            try:
                with self._database.write_across() as connection:
                    return write(connection)
            except Exception as error:  # whatever else it is goes on: only `is_crossed` knows drivers' errors here
                if not again or not is_crossed(error):
                    raise
                again -= 1

    def _pass_over(self, claimed: Claimed, answer: Receipt | TransportError) -> RoundResult:
        """What waits for an account that said itself it is out of order need not wait for whoever mends it."""
        if isinstance(answer, Receipt) or answer.sort != "give_up":
            return RoundResult()
        with self._database.write_across() as connection:
            return passed_over(self._office, connection, claimed, answer, self._clock.now())

    def _account(self, channel: Channel, claimed: Claimed) -> Account | TransportError | None:
        """By which it goes, or what stands in the way, as its service would say it; None where it is not in use any more."""
        organisation, name = claimed.organisation, claimed.account
        if needs_no_account(channel):
            return Account(organisation, name, channel.name)
        try:
            with self._database.read(organisation) as connection:
                return self._book.account(connection, organisation, name)
        except VaultError:
            return TransportError(as_kept(answers.LOCKED, account=name), "give_up", concerns="channel")

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
            moved = deliveries.address_anew(connection, organisation, name, channel.name, instead, now)
        return RoundResult() if instead else RoundResult(withdrawn=moved)

    def reader(self, connection: Connection, organisation: str, person: str) -> tuple[Recipient, Situation] | None:
        """As `Asking.reader`."""
        return Asking(self._office, connection).reader(organisation, person)

    def written(self, connection: Connection, delivery: Delivery) -> Outgoing:
        """The message as it went, or as it would go now, without the links that act for its reader. Sends nothing.

        Raises    whatever keeps it from being written
        """
        claimed = deliveries.message_of(connection, delivery)
        zone = self._directory.time_zone(connection, delivery.organisation)
        wording = Wording(texts.in_use(connection, delivery.organisation))
        return compose(claimed, zone, self._school, delivery.sent_at or self._clock.now(), wording)

    def _said(self, connection: Connection, channel: Channel, group: Sequence[Claimed], now: datetime) -> "_Says":
        """Zone and words of each message: the texts as the organisation has them now, and the links of its lines."""
        zone = cache(lambda organisation: self._directory.time_zone(connection, organisation))
        own = texts.in_use_of(connection, {claimed.organisation for claimed in group}) if group else {}
        stand = _WhoStands(self._office, connection)
        return {
            claimed.message: (
                zone(claimed.organisation),
                Wording(own[claimed.organisation], self._links_of(stand, channel, claimed, now)),
            )
            for claimed in group
        }

    def _links_of(self, stand: "_WhoStands", channel: Channel, claimed: Claimed, now: datetime) -> dict[str, str]:
        """For each notice that its reader can acknowledge, he alone. The link is for outside: on the desk he is signed in, and
        what lies there for months has to lead somewhere still.
        """
        if channel.serves != "person":
            return {}
        make = self._links if channel.outside else None
        return {
            delivery.notice.id: "" if make is None else make(delivery, now + stand.link_days(claimed.organisation))
            for delivery in claimed.deliveries
            if (step := delivery.notice.about.get("acknowledge"))
            and delivery.addressee.key in stand.so(delivery.notice, tuple(step["by"]))
        }

    def _composed(self, claimed: Claimed, says: "_Says") -> Outgoing | TransportError:
        try:
            zone, wording = says[claimed.message]
            return compose(claimed, zone, self._school, self._clock.now(), wording)
        except Exception as error:
            log.exception("message %s cannot be written", claimed.message)
            why = as_kept(answers.NOT_WRITTEN, kind_of(error))
            return TransportError(why, "give_up")

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
            reached(self._office, connection, claimed)
            sent = RoundResult(digests=1) if claimed.how == "digest" else RoundResult(direct=1)
            return sent if mine else RoundResult(lost=1)
        following = self._what_follows(connection, claimed, answer, now)
        if isinstance(following, WaitOn):
            mine = deliveries.settle(
                connection, claimed, "waiting", answer=answer.answer, not_before=following.until, counts=False
            )
            return RoundResult(again=1) if mine else RoundResult(lost=1)
        if isinstance(following, GiveUp):
            why = f"{following.why}: {answer.answer}"
            log.warning("message %s on %s is dead: %s", claimed.message, claimed.channel, why)
            if not deliveries.settle(connection, claimed, "dead", answer=why):
                return RoundResult(lost=1)
            return RoundResult(dead=1) + another_way(self._office, connection, claimed, answer, now)
        mine = deliveries.settle(connection, claimed, "waiting", answer=answer.answer, not_before=now + following.wait)
        return RoundResult(again=1) if mine else RoundResult(lost=1)

    def _record_and_judge(
        self, channel: Channel, claimed: Claimed, answer: Receipt | TransportError, connection: Connection
    ) -> tuple[RoundResult, bool]:
        """What came of a message, and whether its account is left alone from now on."""
        return self._record(connection, claimed, answer), self._judge(connection, channel, claimed, answer)

    def _what_follows(
        self, connection: Connection, claimed: Claimed, answer: TransportError, now: datetime
    ) -> WaitOn | TryAgain | GiveUp:
        if answer.sort == "slow_down":
            slowed_since = accounts.state_of(connection, claimed.organisation, claimed.account).slowed_since or now
            given_up = after_waiting(now - claimed.planned_at, now - slowed_since)
            return given_up or WaitOn(now + (answer.retry_after or SLOW_DOWN))
        if waits_for_its_account(self._office, claimed, answer):
            return WaitOn(
                now
            )  # behind the others: were it the message's own fault, it would be found out over and over
        return after_failure(
            claimed.message, claimed.attempts + 1, permanent=answer.sort == "give_up", retry_after=answer.retry_after,
            max_attempts=self._max_attempts,
        )  # fmt: skip

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


class _WhoStands:
    """Who stands to a notice's case in one of these relations now, or in for whoever does; each asked once."""

    def __init__(self, office: PostOffice, connection: Connection) -> None:
        looking = office.directory.looking(connection)
        self._found = cache(lambda *question: frozenset(found.person for found in looking.recipients(*question)))
        self._school = cache(lambda organisation: school_of(office, connection, organisation))

    def link_days(self, organisation: str) -> timedelta:
        """How long a link holds there."""
        return timedelta(days=self._school(organisation).link_days)

    def so(self, notice: Notice, audience: tuple[str, ...]) -> frozenset[str]:
        found: frozenset[str] = self._found(notice.organisation, notice.case, audience)
        return found


def _as_transport_error(channel: Channel, error: Exception) -> TransportError:
    log.error("channel %s failed in an unexpected way", channel.name, exc_info=error)
    return TransportError(kind_of(error))
