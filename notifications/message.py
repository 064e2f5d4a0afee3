"""What is said, and what became of it: plain frozen values.

Notice (engine.events)   something to tell, written with the command
└── Delivery             the same, to one addressee by one channel; a row of its own
    └── Claimed          one message that is due: one direct delivery, or a person's whole digest
        └── Outgoing     the message in words, as a channel gets it
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, get_args

from engine.errors import Locale
from engine.events import How, Notice, Recipient

Status = Literal["waiting", "sending", "sent", "dead", "held", "unreachable", "withdrawn"]
#: waiting       its time has not come, or a try failed and the next one is set
#: sending       claimed by a worker under a lease; when the lease runs out it is claimed again
#: sent          the channel took it
#: dead          refused for good, or tried too often; `redrive` sends it again
#: held          nothing leaves a simulated data folder; the message is kept in sight instead
#: unreachable   nobody answers to the audience, or nobody there has an address; `redrive` resolves it again
#: withdrawn     overtaken before it was sent: the case moved on, or somebody else is in charge now
STATUSES: tuple[Status, ...] = get_args(Status)
UNSETTLED: tuple[Status, ...] = ("waiting", "sending")
STUCK: tuple[Status, ...] = ("dead", "unreachable")  # goes nowhere by itself

ORGANISATION = "*"  # the addressee of a channel that serves the whole organisation
GROUP = "group:"  # and the account: the addressee of a robot's message to its group
DAY = "digest"  # the reason of a line that says nothing itself: something waits for its reader, though nothing fired
NOBODY = ""  # the addressee, or the channel, of a notice that could not be addressed


@dataclass(frozen=True, slots=True)
class Addressee:
    """To whom: a person as the directory knew him when the delivery was planned, the organisation, or nobody."""

    key: str
    name: str = ""
    locale: Locale = "zh"
    addresses: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def person(cls, recipient: Recipient) -> "Addressee":
        return cls(recipient.person, recipient.name, recipient.locale, recipient.addresses)

    def recipient(self) -> Recipient:
        """The person again, as far as is known of him here."""
        return Recipient(self.key, self.name, self.locale, self.addresses)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "locale": self.locale, "addresses": dict(self.addresses)}


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to make, as routing decides it.

    digest_for   the local day whose digest it belongs to; None when it goes out by itself
    message      the message it leaves in: itself when direct; a digest gets its key when it is put together
    cause        why nobody could be addressed
    account      by which of the organisation's accounts with the channel; the channel's own name where it needs none
    looked_at_again   a direct one that waits for the hours in which it may be sent: whether it still holds is asked then
    """

    notice: Notice
    addressee: Addressee
    channel: str
    how: How
    status: Status
    not_before: datetime
    digest_for: date | None = None
    told: tuple[Recipient, ...] = ()
    cause: str | None = None
    account: str = ""
    looked_at_again: bool = False

    @property
    def id(self) -> str:
        return delivery_key(self.notice.organisation, self.notice.id, self.addressee.key, self.channel)

    @property
    def message(self) -> str | None:
        return self.id if self.how == "direct" and not self.looked_at_again else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one addressee by one channel, as it stands.

    id         stable: made from (organisation, notice, addressee, channel) and nothing else
    message    the key it is sent under, the same at every try; None while a digest is not put together yet
    attempts   tries that ended in an answer
    answer     what the channel answered last, or why it was not sent
    told       who else hears of it; for channels that serve the organisation
    """

    organisation: str
    id: str
    notice: Notice
    addressee: Addressee
    channel: str
    how: How
    status: Status
    not_before: datetime
    digest_for: date | None
    message: str | None
    attempts: int
    fence: int
    lease_until: datetime | None
    planned_at: datetime
    sent_at: datetime | None
    answer: str | None
    told: tuple[Mapping[str, str], ...] = ()
    account: str = ""
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """What a digest says besides its notices: what waits for its reader anyway.

    waiting   as a notice's `about`, worst first
    more      how many wait besides
    overdue   how many of those are
    """

    waiting: tuple[Mapping[str, Any], ...] = ()
    more: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """One message that is due, under a lease: whoever records its result must still hold `fence`.

    slot   its place in what the service takes in its span of time; None where there is no such limit
    rest   what it says besides, if it is a digest
    """

    organisation: str
    message: str
    channel: str
    account: str
    fence: int
    attempts: int
    deliveries: tuple[Delivery, ...]
    slot: int | None = None
    rest: Rest = Rest()

    @property
    def addressee(self) -> Addressee:
        return self.deliveries[0].addressee

    @property
    def lease_until(self) -> datetime:
        lease_until = self.deliveries[0].lease_until
        assert lease_until is not None  # it is claimed
        return lease_until

    @property
    def how(self) -> How:
        return self.deliveries[0].how

    @property
    def planned_at(self) -> datetime:
        """When the last of its lines was."""
        return max(line.planned_at for line in self.deliveries)


@dataclass(frozen=True, slots=True)
class Words:
    """A message in the reader's language: plain text, lines ended by `\\n`."""

    subject: str
    body: str
    link: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a channel gets to send.

    key         stable over every try and every crash: the receiver's means to see a second copy for what it is
    items       the notices it is made of, one unless it is a digest
    told        who hears of it, for channels that serve the organisation
    """

    key: str
    organisation: str
    addressee: Addressee
    how: How
    words: Words
    items: tuple[Notice, ...]
    told: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message on somebody's desk."""

    organisation: str
    id: str
    person: str
    how: How
    subject: str
    body: str
    link: str | None
    cases: tuple[str, ...]
    received_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """How much is where. `oldest_stuck_since`: when the oldest was planned that is due or was tried in vain; None if none."""

    depth: Mapping[Status, int]
    oldest_stuck_since: datetime | None


def delivery_key(organisation: str, notice: str, addressee: str, channel: str) -> str:
    """The name of a delivery: the same whenever the same notice is planned again for the same addressee and channel."""
    return _key("delivery", organisation, notice, addressee, channel)


def digest_key(organisation: str, addressee: str, channel: str, day: date) -> str:
    """The name of a digest: there can be only one per person, channel and local day."""
    return _key("digest", organisation, addressee, channel, day.isoformat())


def _key(*parts: str) -> str:
    # lengths in front: ("a", "bc") and ("ab", "c") must not meet
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
