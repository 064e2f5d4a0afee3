"""The console: one readable line per message, for the demo and for whoever watches a server."""

import threading
from typing import Literal, TextIO

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Receipt, TransportError
from notifications.channels.forms import NothingToSetUp
from notifications.message import Outgoing


class ConsoleChannel:
    """Writes `when  to whom  subject  link` to a stream. Carries what everyone gets, so nobody depends on it."""

    name = "console"
    title = Text("控制台", "Console")
    outside = False
    serves: Literal["person"] = "person"
    limit = None
    form = NothingToSetUp

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()  # two lines at once would be none

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.person

    def send(self, message: Outgoing, account: Account) -> Receipt:
        words, addressee = message.words, message.addressee
        parts = [f"{self._clock.now():%Y-%m-%d %H:%M}Z", f"→ {addressee.name or addressee.key}", words.subject]
        line = "  ".join(part for part in (*parts, words.link) if part)
        try:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()
        except (OSError, ValueError) as error:  # a closed pipe, a closed file: the next run has another stream
            raise TransportError(as_kept(answers.CONSOLE_GONE, str(error))) from error
        return Receipt()

    def close(self) -> None:
        """The stream is whoever opened it's to close."""
