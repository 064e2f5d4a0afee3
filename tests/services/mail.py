"""A mail server (SMTP), encrypted and asking for a password, that says by the reader's address what a test wants to hear.

say-550-5.1.1@…      refuses the recipient by that code and enhanced code; as a sender, the sender
data-552-5.3.4@…     the same for the message, after it was sent whole
frequent@…           `550 Domain frequency limited`
drips@… closes@…     an answer without end; none at all
dies@…               takes the message and closes without a word
then-421-mail@…      takes it; the next MAIL on this connection (or `rset`, `rcpt`, `data`) gets that code, and it is closed on 421
then-hangs-up@…      takes it and closes right behind its answer
then-dies-data@…     takes it; the text of the next one on this connection is cut off after its first line

Connections that were ended by QUIT are written down beside the messages: their numbers, as `body`.

It runs in a process of its own: `python -m tests.services mail`.
"""

import asyncio
import logging
import re
import ssl
import warnings
from email import message_from_bytes
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from engine.clock import SystemClock
from tests.services.serving import Ledger, Taken

DRIP_SECONDS = 0.02
THEN = re.compile(r"then-(\d{3}|hangs|dies)-(rset|mail|rcpt|data|up)@.*")
TOLD = re.compile(r"(say|data)-(\d{3})(?:-(\d\.\d{1,3}\.\d{1,3}))?@.*")


class _Conversation(SMTP):
    """One connection. `number` tells it from others; `then` is what befalls it next, and at which question."""

    def __init__(self, number: int, handler: "_Handler", **how: Any) -> None:
        super().__init__(handler, **how)
        self.number = number
        self.then: tuple[str, str] | None = None

    async def push(self, status: AnyStr) -> None:
        await super().push(status)
        if self.then == ("hangs", "up"):
            _hang_up(self)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802  aiosmtpd names them so
        if not await self._meets("rset"):
            await super().smtp_RSET(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        if not await self._meets("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if not await self._meets("rcpt"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self._meets("data"):
            await super().smtp_DATA(arg)

    async def _meets(self, question: str) -> bool:
        if self.then is None or self.then[1] != question:
            return False
        if self.then[0] == "dies":
            await self.push("354 go on")
            await self._reader.readline()
            _hang_up(self)
        await self.push(f"{self.then[0]} 4.7.0 enough on this connection")
        if self.then[0] == "421":
            _hang_up(self)
        return True


class _Handler:
    def __init__(self, ledger: Ledger, ended: Ledger) -> None:
        self._ledger = ledger
        self._ended = ended
        self._clock = SystemClock()

    async def handle_MAIL(  # noqa: N802  aiosmtpd names them so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (told := TOLD.fullmatch(address)) and told[1] == "say":
            return _refusal(told)
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (told := TOLD.fullmatch(address)) and told[1] == "say":
            return _refusal(told)
        if address.startswith("frequent@"):
            return "550 Domain frequency limited. See https://service.mail.qq.com/detail/122/173"
        if address.startswith("drips@"):
            while True:
                await server.push("250-one moment")
                await asyncio.sleep(DRIP_SECONDS)
        if address.startswith("closes@"):
            _hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: _Conversation, session: Session, envelope: Envelope) -> str:  # noqa: N802
        [address] = envelope.rcpt_tos
        if told := TOLD.fullmatch(address):
            return _refusal(told)
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=default)
        text, page = letter.get_body(("plain",)), letter.get_body(("html",))
        said = {
            "headers": {name.lower(): str(value) for name, value in letter.items()},
            "text": "" if text is None else text.get_content().replace("\r\n", "\n"),
            "html": "" if page is None else page.get_content().replace("\r\n", "\n"),
            "raw": envelope.content.decode("ascii", "replace"),
            "encrypted": session.ssl is not None,
            "signed_in": session.authenticated,
            "connection": server.number,
        }
        key = str(letter["Message-ID"]).strip("<>").partition("@")[0]
        self._ledger.write(Taken(self._clock.now(), address, key, said))
        if address.startswith("dies@"):
            _hang_up(server)
        if then := THEN.fullmatch(address):
            server.then = (then[1], then[2])
        return "250 2.0.0 Ok: queued"

    async def handle_QUIT(self, server: _Conversation, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._ended.write(Taken(self._clock.now(), "", "", server.number))
        return "221 2.0.0 Bye"


def _refusal(told: re.Match[str]) -> str:
    return " ".join(part for part in (told[2], told[3], "refused as the test asks") if part)


def _hang_up(server: SMTP) -> None:
    assert server.transport is not None
    server.transport.close()
    raise ConnectionResetError


def serve(
    *, port: int, log: Path | None, certificate: Path, key: Path, user: str, password: str, implicit: bool
) -> None:
    """Until it is killed. Prints its port once it listens."""
    asyncio.run(_serve(port, log, certificate, key, user, password, implicit))


def _not_of_who_hung_up(record: logging.LogRecord) -> bool:
    """Soaks kill whoever sends, also while he says hello."""
    return record.exc_info is None or not isinstance(record.exc_info[1], TLSSetupException)


async def _serve(
    port: int, log: Path | None, certificate: Path, key: Path, user: str, password: str, implicit: bool
) -> None:
    log_of_library = logging.getLogger("mail.log")
    log_of_library.setLevel(logging.ERROR)  # what the library thinks of itself, and of us
    log_of_library.addFilter(_not_of_who_hung_up)
    warnings.filterwarnings("ignore", module="aiosmtpd")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler = _Handler(Ledger(log), Ledger(None if log is None else log.with_name(f"{log.name}.ended")))

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    numbers = count(1)

    def conversation() -> SMTP:
        return _Conversation(
            next(numbers),
            handler,
            hostname="mail.school.example",
            ident="ready",
            enable_SMTPUTF8=True,
            auth_required=True,
            auth_require_tls=not implicit,  # it takes a connection for open that was encrypted from its first byte
            authenticator=authenticate,
            tls_context=None if implicit else context,
            require_starttls=not implicit,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(conversation, "127.0.0.1", port, ssl=context if implicit else None)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  whoever started it waits for this
    async with server:
        await server.serve_forever()
