"""A signed webhook: every notice to one address of the organisation, by the Standard Webhooks scheme.

Source    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from engine.clock import Clock, utc
from engine.events import LOGBOOK, Notice, Recipient
from notifications.channels import Receipt, TransportError
from notifications.message import Outgoing

TIMEOUT_SECONDS = 10
ANSWER_BYTES = 300  # enough to recognise an error page by
SECRET_PREFIX = "whsec_"  # noqa: S105  the scheme's mark of a secret, not one
SECRET_BYTES = (24, 64)  # the scheme's bounds
AGAIN = frozenset({408, 425, 429})  # and everything from 500 on
HONOURS_RETRY_AFTER = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an organisation wants to be told. The secret signs and is never shown.

    secret    `whsec_` and base64 of 24 to 64 bytes
    Raises    ValueError for an address or a secret that cannot be used
    """

    url: str
    secret: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address for a webhook. Give a whole one: https://host/path.")
        self.key()

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"

    def key(self) -> bytes:
        how = f"Give {SECRET_PREFIX!r} and base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[1]} bytes."
        if not self.secret.startswith(SECRET_PREFIX):
            raise ValueError(f"The webhook's secret does not begin with {SECRET_PREFIX!r}. {how}")
        try:
            text = self.secret.removeprefix(SECRET_PREFIX).rstrip("=")
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error as error:
            raise ValueError(f"The webhook's secret is not base64. {how}") from error
        if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
            raise ValueError(f"The webhook's secret has {len(key)} bytes. {how}")
        return key


class WebhookChannel:
    """POSTs JSON with `type`, `timestamp` and `data`: byte for byte the same at every try, under the same `webhook-id`.

    endpoint_of   the organisation's endpoint, or None if it has none
    client        for the tests; the default follows no redirects and keeps its connections
    """

    name = "webhook"
    outside = True
    serves: Literal["organisation"] = "organisation"

    def __init__(
        self, endpoint_of: Callable[[str], Endpoint | None], clock: Clock, client: httpx.Client | None = None
    ) -> None:
        self._endpoint_of = endpoint_of
        self._clock = clock
        self._client = client or httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def reaches(self, organisation: str, recipient: Recipient | None) -> bool:
        return recipient is None and self._endpoint_of(organisation) is not None

    def send(self, message: Outgoing) -> Receipt:
        endpoint = self._endpoint_of(message.organisation)
        if endpoint is None:
            raise TransportError("the organisation has no webhook any more", permanent=True)
        body = body_of(message)
        headers = {"content-type": "application/json", "user-agent": "bihuan", **self._signed(endpoint, message, body)}
        try:
            status, retry_after, answer = self._post(endpoint.url, headers, body)
        except httpx.HTTPError as error:
            raise TransportError(f"no answer: {type(error).__name__}: {error}") from error
        if 200 <= status < 300:
            return Receipt(str(status))
        raise TransportError(
            f"{status} {answer}".strip(),
            permanent=400 <= status < 500 and status not in AGAIN,
            retry_after=self._wait_asked_for(retry_after) if status in HONOURS_RETRY_AFTER else None,
        )

    def close(self) -> None:
        self._client.close()

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str | None, str]:
        """Status, Retry-After and the beginning of the answer."""
        # httpx bounds each wait, not their sum: an answer that drips would hold the channel for ever
        deadline = time.monotonic() + TIMEOUT_SECONDS
        with self._client.stream("POST", url, headers=headers, content=body) as response:
            beginning = b""
            for chunk in response.iter_bytes(ANSWER_BYTES):
                beginning += chunk
                if len(beginning) >= ANSWER_BYTES or time.monotonic() > deadline:
                    break
            text = beginning[:ANSWER_BYTES].decode("utf-8", "replace")
            return response.status_code, response.headers.get("retry-after"), " ".join(text.split())

    def _signed(self, endpoint: Endpoint, message: Outgoing, body: bytes) -> dict[str, str]:
        # the time of the try, not of the notice: receivers refuse what is older than some minutes
        timestamp = str(int(self._clock.now().timestamp()))
        signature = hmac.digest(endpoint.key(), f"{message.key}.{timestamp}.".encode() + body, hashlib.sha256)
        return {
            "webhook-id": message.key,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }

    def _wait_asked_for(self, value: str | None) -> timedelta | None:
        """Retry-After as seconds or as a date; nonsense counts as nothing. Source: RFC 9110, 10.2.3."""
        if value is None:
            return None
        if value.strip().isdigit():
            return timedelta(seconds=min(int(value), 7 * 24 * 3600))
        try:
            asked_for: datetime = utc(parsedate_to_datetime(value))
        except ValueError:
            return None
        return max(asked_for - self._clock.now(), timedelta())


def body_of(message: Outgoing) -> bytes:
    """The payload: what the notice says and who is told, nothing that changes between two tries."""
    [notice] = message.items
    payload = {
        "type": f"{'trail' if notice.case == LOGBOOK else 'case'}.{notice.reason}",
        "timestamp": utc(notice.written_at).isoformat().replace("+00:00", "Z"),
        "data": _data(notice) | {"told": [dict(person) for person in message.told], "link": message.words.link},
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _data(notice: Notice) -> dict[str, Any]:
    return {
        "notice": notice.id,
        "organisation": notice.organisation,
        "case": notice.case,
        "sequence": notice.sequence,
        "reason": notice.reason,
        "how": notice.how,
        "audience": list(notice.audience),
        "about": dict(notice.about),
    }
