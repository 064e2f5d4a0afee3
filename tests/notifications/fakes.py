"""Stand-ins for the engine's memory and for the world outside. Alice holds the case, Bob heads her department."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from engine.clock import SimulatedClock
from engine.errors import Text
from engine.events import PERSON, How, Notice, Recipient
from engine.store.database import Database
from notifications import accounts
from notifications.accounts import AccountBook, SetUp, VaultError
from notifications.channels import Account, Limit, Receipt, TransportError
from notifications.channels.forms import Form, NothingToSetUp
from notifications.channels.inbox import InboxChannel
from notifications.deliveries import list_deliveries
from notifications.message import ORGANISATION, Addressee, Delivery, Outgoing, Words
from notifications.office import LEASE, PostOffice
from notifications.routing import SchoolSettings
from notifications.sources import Back, ClaimedNotice, Place
from notifications.tables import Connection
from notifications.worker import DeliveryWorker
from tests.databases import EMPTY, Kind, dropping_copies

SHANGHAI = ZoneInfo("Asia/Shanghai")
SCHOOL = SchoolSettings(public_url="https://safety.school.example")
ALICE = Recipient("alice", "张伟", "zh")
BOB = Recipient("bob", "李娜", "zh")
CHARLIE = Recipient("charlie", "Charlie", "en")
STAFF = (ALICE, BOB, CHARLIE)


def local(text: str) -> datetime:
    """An instant by the school's wall clock: `2020-01-15 16:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def a_notice(
    number: str = "YH-2020-0012",
    *,
    sequence: int = 2,
    reason: str = "waiting",
    audience: tuple[str, ...] = ("assignee",),
    how: How = "direct",
    written_at: datetime | None = None,
    organisation: str = "school",
    **about: Any,
) -> Notice:
    said = {
        "number": number, "workflow": "hazard", "workflow_title": {"zh": "隐患整改", "en": "Hazard rectification"},
        "title": "插座面板破损", "place": "教学楼三楼走廊", "level": "general",
        "state": "assigned", "state_title": {"zh": "整改中", "en": "Being fixed"},
        "due_at": local("2020-01-19 23:59:59").isoformat(), "provisional": False, "awaits": [{"zh": "整改责任人", "en": "the assignee"}],
        "path": f"/cases/{number}",
    }  # fmt: skip
    return Notice(
        id=f"{number}:{sequence}:{reason}", organisation=organisation, case=number, sequence=sequence, reason=reason,
        audience=audience, how=how, written_at=written_at or local("2020-01-15 16:00"), about={**said, **about},
    )  # fmt: skip


@dataclass
class _Kept:
    notice: Notice
    fence: int = 0
    lease_until: datetime | None = None
    done: bool = False


class FakeOutbox:
    """The outbox in a list. It is no part of a transaction, so `stolen` tells it to lose a lease on purpose."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self.stolen: set[str] = set()

    def write(self, *notices: Notice) -> None:
        for notice in notices:
            self._kept.setdefault((notice.organisation, notice.id), _Kept(notice))

    def add(self, connection: Connection, notices: Sequence[Notice]) -> None:
        self.write(*notices)

    def waits(self, connection: Connection, now: datetime) -> bool:
        return bool(self._free(now))

    def _free(self, now: datetime) -> list[_Kept]:
        return [
            kept
            for kept in self._kept.values()
            if not kept.done and (kept.lease_until is None or kept.lease_until <= now)
        ]

    def claim(
        self, connection: Connection, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[ClaimedNotice]:
        free = self._free(now)
        free.sort(key=lambda kept: kept.notice.written_at)
        for kept in free[:limit]:
            kept.fence += 1
            kept.lease_until = lease_until
        return [ClaimedNotice(kept.notice, kept.fence) for kept in free[:limit]]

    def done(self, connection: Connection, notice_id: str, organisation: str, fence: int, now: datetime) -> bool:
        kept = self._kept[organisation, notice_id]
        if notice_id in self.stolen or kept.fence != fence:
            return False
        kept.done = True
        return True

    @property
    def unplanned(self) -> list[str]:
        return [kept.notice.id for kept in self._kept.values() if not kept.done]


@dataclass(frozen=True)
class FakeLooking:
    """Looks everything up anew: nothing here costs anything."""

    directory: "FakeDirectory"

    def recipients(self, organisation: str, case: str, audience: tuple[str, ...]) -> Sequence[Recipient]:
        return self.directory.recipients(organisation, case, audience)

    def state_of(self, organisation: str, case: str) -> str | None:
        return self.directory.state_of(organisation, case)


class FakeDirectory:
    """Who holds what, as a table a test may rewrite at noon. Saturdays and Sundays are free."""

    def __init__(self) -> None:
        self.holders: dict[str, list[Recipient]] = {"assignee": [ALICE], "dept_head": [BOB]}
        self.states: dict[str, str] = {}
        self.holidays: set[date] = set()
        self.knows_states = True
        self.fails_with: Exception | None = None
        self.policy: dict[str, Any] = {}
        self.waits: dict[str, list[dict[str, Any]]] = {}
        self.work: dict[str | None, list[dict[str, Any]]] = {}
        self.returned: list[Back] = []
        self.places: list[Place] = []

    def looking(self, connection: Connection) -> FakeLooking:
        return FakeLooking(self)

    def recipients(self, organisation: str, case: str, audience: tuple[str, ...]) -> Sequence[Recipient]:
        if "broken" in audience:
            raise RuntimeError("the directory does not understand this audience")
        if self.fails_with is not None:
            raise self.fails_with
        found = [recipient for name in audience for recipient in self._meant(name)]
        return list({recipient.person: recipient for recipient in found}.values())

    def _meant(self, name: str) -> list[Recipient]:
        if not name.startswith(PERSON):
            return self.holders.get(name, [])
        known = {r.person: r for r in (*STAFF, *(r for held in self.holders.values() for r in held))}
        key = name.removeprefix(PERSON)
        return [known[key]] if key in known else []

    def called(self, connection: Connection, organisation: str, department: str) -> Text | None:
        return Text("教务处", "Teaching office") if department == "office" else None

    def looking_after(self, person: str) -> tuple[str, ...]:
        return ("safety_head",) if person == "bob" else ("dept_head",)

    def organisations(self, connection: Connection) -> Sequence[Place]:
        return self.places or [Place("school", SHANGHAI, self.policy)]

    def decided(self, connection: Connection, organisation: str) -> Mapping[str, Any]:
        return self.policy

    def waiting(self, connection: Connection, organisation: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        if self.fails_with is not None:
            raise self.fails_with
        return {person: [_pressing(about) for about in mine] for person, mine in self.waits.items()}

    def as_they_stand(
        self, connection: Connection, organisation: str, numbers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        known = {about.get("number"): about for mine in self.waits.values() for about in mine}
        return [known[number] for number in numbers]

    def work_of(self, connection: Connection, organisation: str, department: str | None) -> Sequence[Mapping[str, Any]]:
        return self.work.get(department, [])

    def back(self, connection: Connection, organisation: str, since: date, today: date) -> Sequence[Back]:
        return [back for back in self.returned if since <= back.last_day < today]

    def state_of(self, organisation: str, case: str) -> str | None:
        if not self.knows_states:
            raise RuntimeError("the directory has lost its mind")
        return self.states.get(case)

    def time_zone(self, connection: Connection, organisation: str) -> ZoneInfo:
        return SHANGHAI

    def is_workday(self, connection: Connection, organisation: str, day: date) -> bool:
        return day.weekday() < 5 and day not in self.holidays


def _pressing(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name in ("number", "level", "due_at")}


class OpenVault:
    """Hides nothing, and notices when something was moved."""

    def close(self, of: str, text: str) -> bytes:
        return f"{of} {text}".encode()

    def open(self, of: str, closed: bytes) -> str:
        bound_to, _, text = closed.decode().partition(" ")
        if bound_to != of:
            raise VaultError(of)
        return text


def a_set_up(account: str = "robot", *, opened: Mapping[str, str] | None = None, **how: Any) -> SetUp:
    """A robot of the office's group. `opened`: its secrets."""
    secrets = accounts.closed(OpenVault(), "school", account, opened or {"key": "s3cret"})
    said = {
        "kind": "wecom_robot", "title": "办公室群", "department": "office", "settings": {"url": "https://hook"},
        "secrets": secrets, "enabled": True, "daily_list": True, "direct": False, "changed_at": local("2020-01-15 16:00"),
    }  # fmt: skip
    return SetUp("school", account, **{**said, **how})


class RobotForm(Form):
    """What nobody has to give, though an account there has to be."""


class Killed(BaseException):
    """The process died here. Not an Exception: no code may catch it and go on."""


@dataclass
class FailingChannel:
    """A channel that does as it is told, and remembers what arrived at the other side.

    behaviour   `up` takes the message; `down` is away for a while; `refuses` says no for good; `bounces` and `shut` too, for
                the address and for the account; `crowded` asks for patience; `dies_after` takes it and
                kills the process before anybody can write that down; `dies_before` kills it without sending;
                `broken` fails in a way nobody foresaw
    """

    name: str = "robot"
    outside: bool = True
    serves: Literal["person", "place", "organisation"] = "person"
    behaviour: Literal["up", "down", "refuses", "bounces", "shut", "crowded", "dies_after", "dies_before", "broken"] = (
        "up"
    )
    retry_after: timedelta | None = None
    unreached: set[str] = field(default_factory=set)
    arrived: list[Outgoing] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    on_send: Callable[[Outgoing], None] | None = None

    title = Text("替身", "Stand-in")
    limit: ClassVar[Limit | None] = None
    form: ClassVar[type[Form]] = NothingToSetUp

    def address_of(self, recipient: Recipient) -> str | None:
        return None if self.serves != "person" or recipient.person in self.unreached else recipient.person

    def send(self, message: Outgoing, account: Account) -> Receipt:
        self.tries.append(message.key)
        if self.on_send is not None:
            self.on_send(message)
        if self.behaviour == "down":
            raise TransportError("503 down for maintenance", retry_after=self.retry_after)
        if self.behaviour == "refuses":
            raise TransportError("410 gone", "give_up")
        if self.behaviour == "bounces":
            raise TransportError("5.1.1 no such mailbox", "give_up", concerns="address")
        if self.behaviour == "shut":
            raise TransportError("the robot was removed", "give_up", concerns="channel")
        if self.behaviour == "crowded":
            raise TransportError("429 too many", "slow_down", retry_after=self.retry_after)
        if self.behaviour == "broken":
            raise KeyError("errcode")
        if self.behaviour == "dies_before":
            raise Killed
        self.arrived.append(message)
        if self.behaviour == "dies_after":
            raise Killed
        return Receipt("200")

    def close(self) -> None:
        """There is nothing to let go of."""

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.arrived]


@dataclass
class Post:
    """A whole post office: database, outbox, directory, clock, one worker. `channel` is the way out."""

    database: Database
    clock: SimulatedClock
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    channel: FailingChannel = field(default_factory=FailingChannel)
    book: AccountBook = field(default_factory=lambda: AccountBook(OpenVault()))

    def sending_by(self, *accounts: Account) -> Self:
        """By these accounts, every organisation."""
        self.book = AccountBook(OpenVault(), accounts)
        return self

    def office(self, *channels: Any, lease: timedelta = LEASE) -> PostOffice:
        return PostOffice(
            self.database,
            self.outbox,
            self.directory,
            channels or (self.channel,),
            self.book,
            self.clock,
            SCHOOL,
            lease,
        )

    def worker(self, *channels: Any, lease: timedelta = LEASE, **how: Any) -> DeliveryWorker:
        return DeliveryWorker(self.office(*channels, lease=lease), **how)

    def at(self, local_time: str) -> Self:
        self.clock.advance_to(local(local_time))
        return self

    def inbox(self) -> InboxChannel:
        return InboxChannel(self.database, self.clock)

    def deliveries(self, **which: Any) -> list[Delivery]:
        with self.database.read_across() as connection:
            return list_deliveries(connection, "school", limit=1000, **which)

    def statuses(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for delivery in self.deliveries():
            found[delivery.status] = found.get(delivery.status, 0) + 1
        return found


@contextmanager
def a_post(folder: Path, kind: Kind, start: datetime) -> Iterator[Post]:
    with dropping_copies(), closing(EMPTY.copy(kind, folder)) as database:
        yield Post(database, SimulatedClock(start))


def outgoing(notice: Notice, **changes: Any) -> Outgoing:
    """One notice as a channel for the organisation gets it."""
    message = Outgoing(
        key="msg_0123456789abcdef", organisation=notice.organisation, addressee=Addressee(ORGANISATION), how="direct",
        words=Words("subject", "body", "https://safety.school.example/cases/YH-2020-0012"), items=(notice,),
        told=({"person": "alice", "name": "张伟"},),
    )  # fmt: skip
    return replace(message, **changes)
