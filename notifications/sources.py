"""What the worker asks of the engine's memory: what there is to tell, whom to tell, and what day it is there.

Notifications never import that memory; whoever starts the process hands it in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from engine.errors import Text
from engine.events import Notice, Recipient
from notifications.message import Delivery
from notifications.tables import Connection


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice nobody else plans while the lease runs; `fence` grows with every claim."""

    notice: Notice
    fence: int


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation as the day's messages need it. `decided`: what it decided about them itself."""

    organisation: str
    zone: ZoneInfo
    decided: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Back:
    """Somebody who is at work again after an absence in which others could act for him.

    absence   its name, which it keeps
    done      what was done in his name: the cases' `about`, the latest first; only some of `count`
    """

    absence: str
    person: str
    first_day: date
    last_day: date
    done: Sequence[Mapping[str, Any]]
    count: int


class Outbox(Protocol):
    """The notices that commands wrote and that are not planned yet."""

    def add(self, connection: Connection, notices: Sequence[Notice]) -> None:
        """More to tell, in the transaction that has come to know it."""
        ...

    def waits(self, connection: Connection, now: datetime) -> bool:
        """Whether there is anything to claim: a cheap look before a write transaction is begun."""
        ...

    def claim(
        self, connection: Connection, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[ClaimedNotice]:
        """At most `limit` unplanned notices of all organisations, oldest first, that are free or whose lease ran out."""
        ...

    def done(self, connection: Connection, notice_id: str, organisation: str, fence: int, now: datetime) -> bool:
        """Planned. False when somebody else has claimed it since: then nothing planned under this fence may stay."""
        ...


class LinkMaker(Protocol):
    """Makes the link by which an addressee says straight from a message that he has got it."""

    def __call__(self, delivery: Delivery, until: datetime) -> str:
        """An address good for this delivery's step alone, in its addressee's hands, until that instant."""
        ...


class Looking(Protocol):
    """Whom cases concern, and how they stand, in one transaction: what was looked up once is not looked up again."""

    def recipients(self, organisation: str, case: str, audience: tuple[str, ...]) -> Sequence[Recipient]:
        """The people who hold these roles and relations to the case now, each once. `person:KEY` and `looks_after:…` mean
        somebody without a case, too.
        """
        ...

    def state_of(self, organisation: str, case: str) -> str | None:
        """The state the case stands in now; None when it is not known."""
        ...


class Directory(Protocol):
    """Who is who, at the moment of asking."""

    def looking(self, connection: Connection) -> Looking:
        """Begin to look, for no longer than this transaction lasts."""
        ...

    def called(self, connection: Connection, organisation: str, department: str) -> Text | None:
        """A department's name."""
        ...

    def looking_after(self, person: str) -> tuple[str, ...]:
        """The audience that is told of what keeps messages from reaching him."""
        ...

    def organisations(self, connection: Connection) -> Sequence[Place]: ...

    def decided(self, connection: Connection, organisation: str) -> Mapping[str, Any]:
        """What the organisation decided about its messages; what it did not has its default."""
        ...

    def waiting(self, connection: Connection, organisation: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Person → everything that waits for him, or for somebody he stands in for: of a notice's `about` as much as tells how
        it presses, `number`, `level` and `due_at`. An organisation may have very many; few of them are ever told of.
        """
        ...

    def as_they_stand(
        self, connection: Connection, organisation: str, numbers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        """These cases in this order, as a notice's `about`; without those that are finished by now."""
        ...

    def work_of(self, connection: Connection, organisation: str, department: str | None) -> Sequence[Mapping[str, Any]]:
        """The open work of a department, or of all: as a notice's `about`, and `who` it waits for, by name."""
        ...

    def back(self, connection: Connection, organisation: str, since: date, today: date) -> Sequence[Back]:
        """Who is at work again today whose absence ended on `since` or later, and had somebody to act for him."""
        ...

    def time_zone(self, connection: Connection, organisation: str) -> ZoneInfo:
        """Where the organisation's clocks hang."""
        ...

    def is_workday(self, connection: Connection, organisation: str, day: date) -> bool:
        """Whether people are at work there on this local day."""
        ...
