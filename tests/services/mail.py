"""A mail server (SMTP), encrypted and asking for a password, that says by the reader's address what a test wants to hear.

say-550-5.1.1@…      refuses the recipient by that code and enhanced code; as a sender, the sender
data-552-5.3.4@…     the same for the message, after it was sent whole
frequent@…           `550 Domain frequency limited`
drips@… closes@…     an answer without end; none at all
dies@…               takes the message and closes without a word

It runs in a process of its own: `python -m tests.services mail`.
"""

import asyncio
import logging
import re
import ssl
import warnings
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from engine.clock import SystemClock
from tests.services.serving import Ledger, Taken

DRIP_SECONDS = 0.02
TOLD = re.compile(r"(say|data)-(\d{3})(?:-(\d\.\d{1,3}\.\d{1,3}))?@.*")


class _Handler:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
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

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
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
        }
        key = str(letter["Message-ID"]).strip("<>").partition("@")[0]
        self._ledger.write(Taken(self._clock.now(), address, key, said))
        if address.startswith("dies@"):
            _hang_up(server)
        return "250 2.0.0 Ok: queued"


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


async def _serve(
    port: int, log: Path | None, certificate: Path, key: Path, user: str, password: str, implicit: bool
) -> None:
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # what the library thinks of itself, and of us
    warnings.filterwarnings("ignore", module="aiosmtpd")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler = _Handler(Ledger(log))

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    def conversation() -> SMTP:
        return SMTP(
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
