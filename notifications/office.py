"""What planning and sending have in common: where things are, what a round did, and which faults are nobody's."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Self

from engine.clock import Clock
from engine.errors import Busy
from engine.store.database import Database, is_crossed, is_passing
from notifications.accounts import AccountBook
from notifications.channels import Channel
from notifications.channels.forms import NothingToSetUp
from notifications.routing import SchoolSettings
from notifications.sources import Directory, Outbox

LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class PostOffice:
    """Where notices come from and messages go to.

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

    @property
    def personal(self) -> frozenset[str]:
        """The channels that serve single persons, by name."""
        return frozenset(channel.name for channel in self.channels if channel.serves == "person")

    @property
    def outside(self) -> frozenset[str]:
        """Those of them by which a message leaves the program."""
        return frozenset(channel.name for channel in self.channels if channel.serves == "person" and channel.outside)


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


def needs_no_account(channel: Channel) -> bool:
    return channel.form is NothingToSetUp


def says_nothing_about_it(error: Exception) -> bool:
    """Whether it is the database that could not do just now what it does at other times: whatever it was about is undone,
    and the next round finds it waiting.
    """
    return isinstance(error, Busy) or is_passing(error) or is_crossed(error)  # Busy: told by a transaction of its own
