"""A signed webhook: every notice to one address of the organisation, by the Standard Webhooks scheme.

Source    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator

from engine.clock import Clock, utc
from engine.errors import Text
from engine.events import LOGBOOK, Notice, Recipient
from notifications.channels import Account, Receipt, Sort, TransportError
from notifications.channels.forms import Form, described
from notifications.message import Outgoing

TIMEOUT_SECONDS = 10
ANSWER_BYTES = 300  # enough to recognise an error page by
SECRET_PREFIX = "whsec_"  # noqa: S105  the scheme's mark of a secret, not one
SECRET_BYTES = (24, 64)  # the scheme's bounds
AGAIN = frozenset({408, 425, 429})  # and everything from 500 on
NO_ACCESS = frozenset({401, 403, 404, 410})  # no message gets through, not just this one
HONOURS_RETRY_AFTER = frozenset({429, 503})


class WebhookForm(Form):
    """Where an organisation wants to be told. The secret signs."""

    url: str = Field(description=described("接收地址", "Address to post to"), max_length=2000)
    secret: SecretStr = Field(
        description=described(
            "签名密钥（whsec_ 加 24 至 64 字节的 base64）", "Signing secret: whsec_ and base64 of 24 to 64 bytes"
        )
    )

    @field_validator("url")
    @classmethod
    def _is_a_whole_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address for a webhook. Give a whole one: https://host/path.")
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr) -> SecretStr:
        key_of(secret.get_secret_value())
        return secret


def key_of(secret: str) -> bytes:
    """Raises ValueError, without the secret, for one that the scheme does not allow."""
    how = f"Give {SECRET_PREFIX!r} and base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[1]} bytes."
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"The webhook's secret does not begin with {SECRET_PREFIX!r}. {how}")
    try:
        text = secret.removeprefix(SECRET_PREFIX).rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"The webhook's secret is not base64. {how}") from error
    if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
        raise ValueError(f"The webhook's secret has {len(key)} bytes. {how}")
    return key


class WebhookChannel:
    """POSTs JSON with `type`, `timestamp` and `data`: byte for byte the same at every try, under the same `webhook-id`.

    client    for the tests; the default follows no redirects and keeps its connections
    """

    name = "webhook"
    title = Text("网络回调", "Webhook")
    outside = True
    serves: Literal["organisation"] = "organisation"
    limit = None
    form = WebhookForm

    def __init__(self, clock: Clock, client: httpx.Client | None = None) -> None:
        self._clock = clock
        self._client = client or httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def address_of(self, recipient: Recipient) -> str | None:
        return None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        endpoint = WebhookForm.of(account)
        body = body_of(message)
        headers = {"content-type": "application/json", "user-agent": "bihuan", **self._signed(endpoint, message, body)}
        try:
            status, retry_after, answer = self._post(endpoint.url, headers, body)
        except httpx.HTTPError as error:
            raise TransportError(f"no answer: {type(error).__name__}: {error}") from error
        if 200 <= status < 300:
            return Receipt(str(status))
        sort: Sort = "slow_down" if status == 429 else "again"
        if 400 <= status < 500 and status not in AGAIN:
            sort = "give_up"
        raise TransportError(
            f"{status} {answer}".strip(),
            sort,
            concerns="channel" if status in NO_ACCESS else "message",
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

    def _signed(self, endpoint: WebhookForm, message: Outgoing, body: bytes) -> dict[str, str]:
        # the time of the try, not of the notice: receivers refuse what is older than some minutes
        timestamp = str(int(self._clock.now().timestamp()))
        signature = hmac.digest(
            key_of(endpoint.secret.get_secret_value()), f"{message.key}.{timestamp}.".encode() + body, hashlib.sha256
        )
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
