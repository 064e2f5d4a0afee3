"""Ways to reach people. A channel is one file here and its registration where the process is put together.

Channel                 what every channel is
└── SendsTogether       one that gains by taking many messages at once
Account                 a channel as one organisation set it up
Limit                   how much the service behind it takes of one account
Receipt                 a message was taken
TransportError          a message was not taken; says whether trying again can help, and what is at fault
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from engine.errors import Text
from engine.events import Recipient
from notifications.message import Outgoing

Sort = Literal["again", "give_up", "slow_down"]
Concerns = Literal["message", "address", "channel"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The channel took the message; `answer` is what it said, for the record."""

    answer: str = "ok"


class TransportError(Exception):
    """The message was not taken.

    answer        what the other side said, for the record; never a secret
    sort          `again`: try the same message by the schedule
                  `give_up`: trying again cannot help; the delivery is dead until somebody redrives it
                  `slow_down`: nothing more by this account for `retry_after` (the channel's own default if None); it counts
                  as no try
    concerns      `message`: this one is not taken
                  `address`: the addressee's address is gone or wrong: bounced, an unknown user, a number that is barred
                  `channel`: the account itself does not work: robot removed, secret wrong, IP address not allowed
    retry_after   how long the other side asked to be left alone
    """

    def __init__(
        self,
        answer: str,
        sort: Sort = "again",
        *,
        concerns: Concerns = "message",
        retry_after: timedelta | None = None,
    ) -> None:
        self.answer = answer
        self.sort = sort
        self.concerns = concerns
        self.retry_after = retry_after
        super().__init__(answer)


@dataclass(frozen=True, slots=True)
class Account:
    """A channel as an organisation set it up.

    id           unique in the organisation
    kind         the channel's name
    department   whose group it serves, for robots; None for the whole organisation
    settings     and `secrets`: as the kind's form validated them; secrets are never shown, in a repr neither
    may_reach_inside   whether it may lead to addresses inside the server's own network
    """

    organisation: str
    id: str
    kind: str
    title: str = ""
    department: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    may_reach_inside: bool = True


@dataclass(frozen=True, slots=True)
class Limit:
    """The service's own bound on one account; the worker keeps it across all nodes."""

    count: int
    per: timedelta


class Channel(Protocol):
    """One kind of way to reach people. Built once a process; holds no organisation's data but what it caches.

    name      the kind, unique and stable; deliveries are filed under it
    title     how people call it
    outside   whether a message leaves this program: never from a simulated data folder
    serves    `person`: a message each; `place`: a group's robot, one list for a department, and what is direct for its people
              where the school wants it; `organisation`: one message per notice to one address of the organisation
    limit     None where the service names none
    form      what has to be given to set it up: frozen, nothing beyond it, secrets are `SecretStr` (channels/forms.py)
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> Text: ...
    @property
    def outside(self) -> bool: ...
    @property
    def serves(self) -> Literal["person", "place", "organisation"]: ...
    @property
    def limit(self) -> Limit | None: ...
    @property
    def form(self) -> type[BaseModel]: ...

    def address_of(self, recipient: Recipient) -> str | None:
        """Where this channel would reach the person; None if nowhere, and always where it does not serve a person."""
        ...

    def send(self, message: Outgoing, account: Account) -> Receipt:
        """Hand the message over, outside any transaction, within a bounded time: an answer that drips is bounded too.

        A key seen before is a second copy of the same message: harmless where the other side can tell.
        Raises    TransportError
        """
        ...

    def close(self) -> None:
        """Let go of connections. Nothing is sent afterwards."""
        ...


@runtime_checkable
class SendsTogether(Channel, Protocol):
    """A channel that takes many messages at once, of any organisation. It stays inside and needs no account."""

    def send_together(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | TransportError]:
        """One result per message, in their order."""
        ...
