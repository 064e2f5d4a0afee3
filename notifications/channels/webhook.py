"""A signed webhook: every notice to one address of the organisation, by the Standard Webhooks scheme.

Source    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator

from engine.clock import Clock, utc
from engine.errors import Text
from engine.events import LOGBOOK, Notice, Recipient
from notifications.channels import Account, Receipt
from notifications.channels.forms import Form, described, is_one_word, said
from notifications.channels.posting import TOTAL_SECONDS, Post, must_be_taken
from notifications.message import Outgoing

SECRET_PREFIX = "whsec_"  # noqa: S105  the scheme's mark of a secret, not one
SECRET_BYTES = (24, 64)  # the scheme's bounds


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
        if parts.scheme not in {"http", "https"} or not parts.hostname or not is_one_word(url):
            raise said(
                "不是网络回调的地址；请填写完整地址 https://主机/路径",
                "is no address for a webhook; give a whole one: https://host/path",
            )
        return url

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr) -> SecretStr:
        key_of(secret.get_secret_value())
        return secret


def key_of(secret: str) -> bytes:
    """Raises ValueError, without the secret, for one that the scheme does not allow."""
    least, most = SECRET_BYTES
    zh = f"应为 {SECRET_PREFIX} 加 {least} 至 {most} 字节的 base64"
    en = f"give {SECRET_PREFIX!r} and base64 of {least} to {most} bytes"
    if not secret.startswith(SECRET_PREFIX):
        raise said(f"密钥不以 {SECRET_PREFIX} 开头；{zh}", f"the secret does not begin with {SECRET_PREFIX!r}; {en}")
    try:
        text = secret.removeprefix(SECRET_PREFIX).rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise said(f"密钥不是 base64；{zh}", f"the secret is not base64; {en}") from error
    if not least <= len(key) <= most:
        raise said(f"密钥有 {len(key)} 字节；{zh}", f"the secret has {len(key)} bytes; {en}")
    return key


class WebhookChannel:
    """POSTs JSON with `type`, `timestamp` and `data`: byte for byte the same at every try, under the same `webhook-id`.

    client    for the tests; the default follows no redirects
    """

    name = "webhook"
    title = Text("网络回调", "Webhook")
    outside = True
    serves: Literal["organisation"] = "organisation"
    limit = None
    form = WebhookForm

    def __init__(self, clock: Clock, client: httpx.Client | None = None, *, seconds: float = TOTAL_SECONDS) -> None:
        self._clock = clock
        self._post = Post(clock, client, seconds)

    def address_of(self, recipient: Recipient) -> str | None:
        return None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        endpoint = WebhookForm.of(account)
        body = self._body_of(message)
        headers = {"content-type": "application/json", **self._signed(endpoint, message, body)}
        secret = endpoint.secret.get_secret_value()
        hidden = (secret, secret.removeprefix(SECRET_PREFIX))
        answer = self._post.ask(endpoint.url, secrets=hidden, headers=headers, body=body)
        must_be_taken(answer)
        return Receipt(str(answer.status))

    def close(self) -> None:
        self._post.close()

    def _body_of(self, message: Outgoing) -> bytes:
        return body_of(message) if message.items else trial_of(message, self._clock.now())

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


def body_of(message: Outgoing) -> bytes:
    """The payload: what the notice says and who is told, nothing that changes between two tries."""
    [notice] = message.items
    payload = {
        "type": f"{'trail' if notice.case == LOGBOOK else 'case'}.{notice.reason}",
        "timestamp": utc(notice.written_at).isoformat().replace("+00:00", "Z"),
        "data": _data(notice) | {"told": [dict(person) for person in message.told], "link": message.words.link},
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "replace")


def trial_of(message: Outgoing, now: datetime) -> bytes:
    """The payload of a message that speaks of no case: somebody tries out whether it arrives."""
    payload = {
        "type": "channel.test",
        "timestamp": utc(now).isoformat().replace("+00:00", "Z"),
        "data": {"organisation": message.organisation, "subject": message.words.subject, "body": message.words.body},
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "replace")


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
