"""A message to one person by the school's own application in WeCom (企业微信应用消息).

Source    https://developer.work.weixin.qq.com/document/path/91039 (access token)
          https://developer.work.weixin.qq.com/document/path/90236 (message; text 2048 bytes, card title 128, description 512;
          `invaliduser` in an answer with errcode 0; duplicate check up to four hours)
          https://developer.work.weixin.qq.com/document/path/90313 (global codes)
"""

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from pydantic import Field, SecretStr, field_validator

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Receipt, TransportError
from notifications.channels.codes import BAD_ACCOUNT, BAD_ADDRESS, BAD_MESSAGE, TOO_FAST, TRY_AGAIN, Codes, codes
from notifications.channels.fitting import fitted, utf8, whole, without_link
from notifications.channels.forms import Form, described, is_plain_address
from notifications.channels.posting import TOTAL_SECONDS, Patience, Post, json_bytes
from notifications.channels.robots import by_errcode, harmless, read
from notifications.message import Outgoing

HOME = "https://qyapi.weixin.qq.com"
TEXT_BYTES = 2048
TITLE_BYTES = 128
DESCRIPTION_BYTES = 512
DUPLICATE_CHECK_SECONDS = 14400  # four hours, the longest: the same content to the same person is shown once
RENEWED_BEFORE = timedelta(minutes=5)  # its end; a token must not run out on the way
USER_ID = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}"
)  # so that no address means everybody (`@all`) or several (`a|b`)
TOKEN_GONE = frozenset({40014, 42001})

CODES: Codes = codes({
    TRY_AGAIN: (-1, 6000, 40014, 42001),
    TOO_FAST: (45009, 45033),
    BAD_ADDRESS: (
        40003, 40031, 40032, 46004, 60111, 81013, 82001, 301021,  # there is no such user
        43004,  # he has not joined
        50002, 60011, 92000,  # the application is not for him
    ),
    BAD_ACCOUNT: (
        40001, 40091, 41004,  # secret wrong
        40013, 41002, 2000002,  # no such school
        40056, 41011, 301002, 48002, 48004, 48005, 50003,  # application unknown, without the right, or switched off
        60020,  # our address is not on its list
    ),
    BAD_MESSAGE: (40008, 40033, 40035, 40058, 40063, 40094, 41010, 41016, 41033, 44004, 45002, 85002),
})  # fmt: skip


class WeComAppForm(Form):
    """The application as WeCom's administration shows it."""

    corp_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{4,64}$", description=described("企业 ID（corpid）", "Corporation's ID (corpid)")
    )
    agent_id: int = Field(ge=1, description=described("应用 AgentId", "The application's AgentId"))
    secret: SecretStr = Field(
        min_length=8, max_length=200, description=described("应用 Secret", "The application's Secret")
    )
    base_url: str | None = Field(
        None,
        max_length=500,
        description=described("服务地址（仅私有部署填写）", "Address of the service, for private deployments only"),
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return None if url is None else is_plain_address(url)

    def secrets_go_to(self) -> str:
        return self.base

    @property
    def base(self) -> str:
        return self.base_url or HOME


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: datetime


class WeComApp:
    """A card with the link where the words fit on one, else a text.

    Tokens are kept in this process alone, one per application and secret; the service gives every node the same one.
    """

    name = "wecom_app"
    title = Text("企业微信应用消息", "WeCom application message")
    outside = True
    serves: Literal["person"] = "person"
    limit = None
    form = WeComAppForm

    def __init__(self, clock: Clock, client: httpx.Client | None = None, *, seconds: float = TOTAL_SECONDS) -> None:
        self._clock = clock
        self._post = Post(clock, client, seconds)
        self._tokens: dict[bytes, _Token] = {}
        self._lock = threading.Lock()

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.addresses.get("wecom") or None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        """With a token that was kept; where that is no longer good, with a new one, at once and once."""
        form = WeComAppForm.of(account)
        user = message.addressee.addresses.get("wecom", "")
        if not USER_ID.fullmatch(user):
            raise BAD_ADDRESS.error("no user id of WeCom")
        patience = self._post.patience()
        token = self._token(form, patience, account)
        try:
            return self._send(message, form, user, token, patience, account)
        except _TokenGone:
            self._forget(form, token)
        try:
            return self._send(message, form, user, self._token(form, patience, account), patience, account)
        except _TokenGone as error:
            raise TransportError(error.answer) from None

    def close(self) -> None:
        self._post.close()

    def _send(
        self, message: Outgoing, form: WeComAppForm, user: str, token: str, patience: Patience, account: Account
    ) -> Receipt:
        answer = self._post.ask(
            f"{form.base}/cgi-bin/message/send?{urlencode({'access_token': token})}",
            secrets=[form.secret.get_secret_value(), token],
            body=json_bytes({
                "touser": user, "agentid": form.agent_id, **_content(message),
                "enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
            }),
            headers={"content-type": "application/json; charset=utf-8", "x-bihuan-key": message.key},
            patience=patience,
            may_reach_inside=account.may_reach_inside,
        )  # fmt: skip
        said = answer.json() or {}
        judged = by_errcode(said, CODES)
        if judged is not None and judged[0] in TOKEN_GONE:
            raise _TokenGone(answer.shown)
        receipt = read(answer, lambda answer: by_errcode(answer, CODES))
        for missed, why in (("invaliduser", "no such user"), ("unlicenseduser", "a user without a licence")):
            if said.get(missed):
                raise BAD_ADDRESS.error(f"{receipt.answer}; {missed}: {why}")
        return Receipt(" ".join(f"{receipt.answer} {said.get('msgid', '')}".split())[:300])

    def _token(self, form: WeComAppForm, patience: Patience, account: Account) -> str:
        """Raises TransportError where none is given."""
        kept, now = self._tokens.get(_key(form)), self._clock.now()
        if kept is not None and now < kept.until:
            return kept.value
        answer = self._post.ask(
            f"{form.base}/cgi-bin/gettoken?"
            f"{urlencode({'corpid': form.corp_id, 'corpsecret': form.secret.get_secret_value()})}",
            secrets=[form.secret.get_secret_value()],
            method="GET",
            patience=patience,
            may_reach_inside=account.may_reach_inside,
        )
        read(answer, lambda answer: by_errcode(answer, CODES))
        said = answer.json() or {}
        value, lasts = said.get("access_token"), said.get("expires_in")
        if not isinstance(value, str) or not value:
            raise TransportError(as_kept(answers.NOT_UNDERSTOOD, as_kept(answers.NO_TOKEN)))
        seconds = lasts if isinstance(lasts, int) and 0 < lasts <= 7200 else 7200
        with self._lock:
            self._tokens[_key(form)] = _Token(value, now + timedelta(seconds=seconds) - RENEWED_BEFORE)
        return value

    def _forget(self, form: WeComAppForm, token: str) -> None:
        with self._lock:
            kept = self._tokens.get(_key(form))
            if kept is not None and kept.value == token:  # another thread may have renewed it meanwhile
                del self._tokens[_key(form)]


class _TokenGone(Exception):
    def __init__(self, answer: str) -> None:
        self.answer = answer
        super().__init__(answer)


def _key(form: WeComAppForm) -> bytes:
    """By what a token is kept: never the secret itself."""
    parts = (form.base, form.corp_id, str(form.agent_id), form.secret.get_secret_value())
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _content(message: Outgoing) -> dict[str, Any]:
    words = message.words
    description = harmless(without_link(words))
    if words.link and description and utf8(description) <= DESCRIPTION_BYTES and utf8(words.link) <= TEXT_BYTES:
        button = "打开" if message.addressee.locale == "zh" else "Open"
        title = fitted(harmless(words.subject), None, TITLE_BYTES)
        card: Mapping[str, str] = {"title": title, "description": description, "url": words.link, "btntxt": button}
        return {"msgtype": "textcard", "textcard": card}
    return {"msgtype": "text", "text": {"content": fitted(harmless(whole(words)), words.link, TEXT_BYTES)}}
