"""Ways to reach people. A channel is one file here and its registration where the process is put together.

Channel                 what every channel is
└── SendsTogether       one that gains by taking many messages at once
TransportError          a message was not taken; says whether trying again can help
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol, runtime_checkable

from engine.events import Recipient
from notifications.message import Outgoing


@dataclass(frozen=True, slots=True)
class Receipt:
    """The channel took the message; `answer` is what it said, for the record."""

    answer: str = "ok"


class TransportError(Exception):
    """The message was not taken.

    permanent     trying again cannot help: the delivery is dead until somebody redrives it
    answer        what the other side said, for the record; never a secret
    retry_after   how long the other side asked to be left alone
    """

    def __init__(self, answer: str, *, permanent: bool = False, retry_after: timedelta | None = None) -> None:
        self.answer = answer
        self.permanent = permanent
        self.retry_after = retry_after
        super().__init__(answer)


class Channel(Protocol):
    """One way to reach people.

    name      unique and stable; deliveries are filed under it
    outside   whether a message leaves this program: never from a simulated data folder
    serves    `person`: a message each; `organisation`: one message per notice to one address of the organisation
    """

    @property
    def name(self) -> str: ...
    @property
    def outside(self) -> bool: ...
    @property
    def serves(self) -> Literal["person", "organisation"]: ...

    def reaches(self, organisation: str, recipient: Recipient | None) -> bool:
        """Whether there is an address. `recipient` is None for a channel that serves the organisation."""
        ...

    def send(self, message: Outgoing) -> Receipt:
        """Hand the message over, outside any transaction, within a bounded time.

        A key seen before is a second copy of the same message: harmless where the other side can tell.
        Raises    TransportError
        """
        ...


@runtime_checkable
class SendsTogether(Channel, Protocol):
    """A channel that takes many messages at once."""

    def send_together(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | TransportError]:
        """One result per message, in their order."""
        ...
