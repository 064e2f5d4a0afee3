"""What the worker asks of the engine's memory: what there is to tell, whom to tell, and what day it is there.

Notifications never import that memory; whoever starts the process hands it in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from engine.events import Notice, Recipient
from notifications.message import Delivery
from notifications.tables import Connection


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice nobody else plans while the lease runs; `fence` grows with every claim."""

    notice: Notice
    fence: int


class Outbox(Protocol):
    """The notices that commands wrote and that are not planned yet."""

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


class Directory(Protocol):
    """Who is who, at the moment of asking."""

    def recipients(
        self, connection: Connection, organisation: str, case: str, audience: tuple[str, ...]
    ) -> Sequence[Recipient]:
        """The people who hold these roles and relations to the case now, each once."""
        ...

    def state_of(self, connection: Connection, organisation: str, case: str) -> str | None:
        """The state the case stands in now; None when it is not known."""
        ...

    def time_zone(self, connection: Connection, organisation: str) -> ZoneInfo:
        """Where the organisation's clocks hang."""
        ...

    def is_workday(self, connection: Connection, organisation: str, day: date) -> bool:
        """Whether people are at work there on this local day."""
        ...
