"""The desk: a message that waits inside the program until its reader looks."""

from collections.abc import Sequence
from typing import Literal

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from engine.store.database import Database
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Receipt, TransportError
from notifications.channels.forms import NothingToSetUp
from notifications.deliveries import put_on_desk
from notifications.message import Outgoing


class InboxChannel:
    """Reaches everyone who can sign in. A second copy of a message finds its place taken."""

    name = "inbox"
    title = Text("站内消息", "Desk")
    outside = False
    serves: Literal["person"] = "person"
    limit = None
    form = NothingToSetUp

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.person

    def send(self, message: Outgoing, account: Account) -> Receipt:
        with self._database.write(message.organisation) as connection:
            return _receipt(put_on_desk(connection, message, self._clock.now()))

    def send_together(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | TransportError]:
        """One transaction for all: each by itself would wait for the disk."""
        with self._database.write_across() as connection:
            now = self._clock.now()
            return [_receipt(put_on_desk(connection, message, now)) for message in messages]

    def close(self) -> None:
        """The database is whoever opened it's to close."""


def _receipt(new: bool) -> Receipt:
    return Receipt(as_kept(answers.ON_THE_DESK if new else answers.ON_THE_DESK_ALREADY))
