"""Asks other people's servers over HTTP: within a bounded time, never further than asked, and without telling a secret."""

import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote, quote_plus
from urllib.request import getproxies

import httpx

from engine.clock import Clock, utc
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import TransportError
from notifications.channels.bounding import Overdue, bounded
from notifications.channels.codes import SLOW_DOWN
from notifications.channels.fence import must_be_outside, must_lead_outside

TOTAL_SECONDS = 10.0  # of one message, with everything that has to be asked for it
ANSWER_BYTES = 64 * 1024  # no service says more; what does is no answer of it
SHOWN_CHARACTERS = 300  # enough to recognise an error page by
LONGEST_WAIT = timedelta(days=7)
AGAIN = frozenset({408, 425})  # and 429 after a while, and everything from 500 on
NO_ACCESS = frozenset({401, 403, 404, 410})  # no message gets through, not just this one
#: also those nobody told us of: in an address as `key=…`, in JSON as `"access_token": "…"`
NAMED_SECRETS = re.compile(
    r"""((?:access_token|corpsecret|secret|token|password|sign|key)(?:=|"\s*:\s*"))[^&\s"'<>]+""", re.IGNORECASE
)

for _logger in ("httpx", "httpcore"):
    # at INFO it writes every address down whole, and a robot's key stands in its address
    logging.getLogger(_logger).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `raw` is cut at `ANSWER_BYTES`; it may hold a secret, and only `shown` and `clean` may be told.

    broken   why only its beginning came, if so; its status is known all the same
    """

    status: int
    raw: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    retry_after: timedelta | None = None
    broken: str = ""

    @property
    def shown(self) -> str:
        """One line, for the record."""
        return self.clean(f"{self.status} {self.raw}")

    def clean(self, text: str) -> str:
        """A part of the answer as one line without secrets."""
        return " ".join(scrubbed(text, self.secrets).split())[:SHOWN_CHARACTERS]

    def json(self) -> dict[str, Any] | None:
        """The object it holds; None if it holds none."""
        if self.broken:
            return None
        try:
            found = json.loads(self.raw)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long all the asking for one message may still take."""

    until: float

    @classmethod
    def of(cls, seconds: float) -> "Patience":
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        return self.until - time.monotonic()


class Post:
    """One HTTP client for a channel.

    client    for the tests; the default follows no redirects. It keeps no connections: one that was kept could not be cut off
              when it drips, and may be gone when it is needed
    seconds   of one message in all
    """

    def __init__(self, clock: Clock, client: httpx.Client | None = None, seconds: float = TOTAL_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._given = client

    @cached_property
    def _client(self) -> httpx.Client:
        """Made when it is first needed: reading the certificates of all authorities takes its time."""
        if self._given is not None:
            return self._given
        return httpx.Client(verify=_for_http(), limits=httpx.Limits(max_keepalive_connections=0))

    def patience(self) -> Patience:
        return Patience.of(self._seconds)

    def ask(
        self,
        url: str,
        *,
        secrets: Iterable[str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        patience: Patience | None = None,
        may_reach_inside: bool = True,
    ) -> Answer:
        """The answer, whatever its status.

        secrets            what must not be seen in it, nor in an error
        may_reach_inside   whether an address inside the server's own network is asked as well
        Raises             TransportError where there is none
        """
        hidden = tuple(secrets)
        left = (patience or self.patience()).left
        if left <= 0:
            raise TransportError(TOO_SLOW)
        connection = _Connection(url, may_reach_inside)
        with bounded(left, lambda: connection.socket) as overdue:
            try:
                return self._ask(
                    connection.watched(overdue), overdue, url, method, dict(headers or {}), body, hidden, left
                )
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                if overdue or isinstance(error, httpx.TimeoutException):
                    raise TransportError(TOO_SLOW) from None
                what = scrubbed(f"{type(error).__name__}: {error}", hidden)[:SHOWN_CHARACTERS]
                # its own cause carries the request, with the key in its address
                raise TransportError(as_kept(answers.NO_ANSWER, what)) from None

    def _ask(
        self,
        trace: Any,
        overdue: Overdue,
        url: str,
        method: str,
        headers: dict[str, str],
        body: bytes | None,
        hidden: tuple[str, ...],
        left: float,
    ) -> Answer:
        headers = {"user-agent": "bihuan", "accept-encoding": "identity"} | headers
        with self._client.stream(
            method,
            url,
            headers=headers,
            content=body,
            follow_redirects=False,
            timeout=left,
            extensions={"trace": trace},
        ) as response:
            beginning, broken = _beginning(response)
            return Answer(
                response.status_code,
                beginning.decode("utf-8", "replace"),
                hidden,
                self._wait_asked_for(response.headers.get("retry-after")),
                TOO_SLOW if overdue else broken,
            )

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.close()

    def _wait_asked_for(self, value: str | None) -> timedelta | None:
        """Retry-After as seconds or as a date; nonsense counts as nothing. Source: RFC 9110, 10.2.3."""
        if value is None:
            return None
        if value.strip().isdecimal():
            return min(timedelta(seconds=min(int(value.strip()[:9]), 10**8)), LONGEST_WAIT)
        try:
            asked_for = utc(parsedate_to_datetime(value))
        except (ValueError, OverflowError):
            return None
        return min(max(asked_for - self._clock.now(), timedelta()), LONGEST_WAIT)


TOO_SLOW = as_kept(answers.NO_ANSWER, as_kept(answers.SLOW))


def _beginning(response: httpx.Response) -> tuple[bytes, str]:
    """As much of a body as an answer may have, and why there is no more."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return b"", as_kept(answers.PACKED)  # it might be a bomb
    beginning = b""
    try:
        for chunk in response.iter_bytes():
            beginning += chunk
            if len(beginning) > ANSWER_BYTES:
                return beginning[:ANSWER_BYTES], as_kept(answers.TOO_LONG)
    except httpx.HTTPError as error:
        return beginning, as_kept(answers.BROKEN_OFF, type(error).__name__)
    return beginning, ""


def trusting(certificates: str | None = None) -> ssl.SSLContext:
    """Whom to believe: the authorities that come with the program, those of the machine, and those that a school named.

    Reading them takes tens of milliseconds: keep what you get.

    certificates    PEM text
    Raises          ssl.SSLError or ValueError for what are none
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificates is not None:
        context.load_verify_locations(cadata=certificates)
    return context


_for_http = cache(trusting)  # one for all channels


class _Connection:
    """The socket of a request, as the client tells of it.

    It has to lead outside the server's own network unless it may reach inside. A proxy that whoever runs the server set is none
    of a school's: it may be anywhere, and decides itself where it leads.
    """

    def __init__(self, url: str, may_reach_inside: bool) -> None:
        self.socket: socket.socket | None = None
        self._url = url
        self._fenced = not may_reach_inside

    def _to_proxy(self, host: str) -> bool:
        # as the client writes a host, which is not always as it was typed
        return bool(getproxies()) and host != httpx.URL(self._url).raw_host.decode("ascii")

    def watched(self, overdue: Overdue) -> Any:
        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith("connect_tcp.started"):
                self._fenced = self._fenced and not self._to_proxy(info["host"])
                if self._fenced:
                    must_lead_outside(info["host"], info["port"])
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                with suppress(AttributeError):
                    self.socket = info["return_value"].get_extra_info("socket")
                if self._fenced and self.socket is not None:
                    must_be_outside(self.socket)
                overdue.look_again()

        return trace


def json_bytes(value: Any) -> bytes:
    """JSON that any receiver reads: what is no text, half a character, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def must_be_taken(answer: Answer) -> None:
    """Sort an answer by its HTTP status. A redirect is not followed: a captive portal, or a page that says "we will be back"."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 429:
        wait = SLOW_DOWN if answer.retry_after is None else answer.retry_after
        raise TransportError(answer.shown, "slow_down", concerns="channel", retry_after=wait)
    if status in NO_ACCESS:
        raise TransportError(answer.shown, "give_up", concerns="channel")
    if 400 <= status < 500 and status not in AGAIN:
        raise TransportError(answer.shown, "give_up")
    raise TransportError(answer.shown, retry_after=answer.retry_after if status == 503 else None)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """The text without any secret, however it was written: as it is, in an address, or in JSON."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        for written in {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}:
            text = text.replace(written, "…")
    return NAMED_SECRETS.sub(r"\1…", text)
