"""What the robots of the three messengers have in common: a hook with its key, one text a message, an answer with a code in it.

WeComRobot (wecom_robot)   DingTalkRobot (dingtalk_robot)   FeishuRobot (feishu_robot)
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Limit, Receipt, TransportError
from notifications.channels.codes import TRY_AGAIN, Codes, Verdict
from notifications.channels.forms import Form, described, is_plain_address, said
from notifications.channels.posting import TOTAL_SECONDS, Answer, Post, json_bytes, must_be_taken
from notifications.message import Outgoing

Judge = Callable[[Mapping[str, Any]], tuple[int, str, Verdict] | None]

KEY = re.compile(r"[A-Za-z0-9_-]{8,200}")


class HookForm(Form):
    """A robot's hook, given whole as the group shows it, or only the key in it; kept is the key."""

    #: where the service answers, and the path its hooks have there; the key follows it, or stands in the query under `asked_as`
    home: ClassVar[str]
    path: ClassVar[str]
    asked_as: ClassVar[str | None]

    base_url: str | None = Field(
        None,
        max_length=500,
        description=described("服务地址（仅私有部署填写）", "Address of the service, for private deployments only"),
    )
    key: SecretStr = Field(
        description=described("机器人的 Webhook 地址，或其中的 key", "The robot's webhook address, or the key in it")
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return None if url is None else is_plain_address(url)

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        text = given.get_secret_value().strip()
        base = info.data.get("base_url") or cls.home
        if "/" in text:
            text = cls._key_in(text, base)
        if not KEY.fullmatch(text):
            example = cls._example()
            raise said(
                f"不是机器人的 key；请完整复制群里显示的地址：{example}",
                f"is no key of a robot; copy the whole address that the group shows: {example}",
            )
        return SecretStr(text)

    @classmethod
    def _key_in(cls, hook: str, base: str) -> str:
        parts, bases = urlsplit(hook), {urlsplit(base)[:2], urlsplit(cls.home)[:2]}
        if parts[:2] not in bases:
            example = cls._example()
            raise said(
                f"不是这种机器人的地址；应形如 {example}", f"is no address of such a robot; it looks like {example}"
            )
        if cls.asked_as is not None:
            return parse_qs(parts.query).get(cls.asked_as, [""])[0] if parts.path.endswith(cls.path) else ""
        beginning, _, key = parts.path.rpartition("/")
        return key if beginning.endswith(cls.path) else ""

    @classmethod
    def _example(cls) -> str:
        return f"{cls.home}{cls.path}{'/' if cls.asked_as is None else f'?{cls.asked_as}='}…"

    def secrets_go_to(self) -> str:
        return self.base_url or self.home

    @property
    def hook(self) -> str:
        """The address to post to. Nobody must see it."""
        key = self.key.get_secret_value()
        base = f"{self.base_url or self.home}{self.path}"
        return f"{base}/{key}" if self.asked_as is None else f"{base}?{self.asked_as}={key}"


F = TypeVar("F", bound=HookForm)


class Robot(ABC, Generic[F]):
    """Speaks to a group. Sends one text, and reads what the answer's code means."""

    name: ClassVar[str]
    title: ClassVar[Text]
    limit: ClassVar[Limit | None]
    form: ClassVar[type[HookForm]]
    outside: ClassVar[bool] = True
    serves: ClassVar[Literal["place"]] = "place"

    def __init__(self, clock: Clock, client: httpx.Client | None = None, *, seconds: float = TOTAL_SECONDS) -> None:
        self._clock = clock
        self._post = Post(clock, client, seconds)

    def address_of(self, recipient: Recipient) -> str | None:
        return None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        url, payload, more_secrets = self._request(message, self._form_of(account))
        answer = self._post.ask(
            url,
            secrets=[*account.secrets.values(), *more_secrets],
            body=json_bytes(payload),
            headers={"content-type": "application/json; charset=utf-8", "x-bihuan-key": message.key},
            may_reach_inside=account.may_reach_inside,
        )
        return read(answer, self._judge)

    def close(self) -> None:
        self._post.close()

    @abstractmethod
    def _form_of(self, account: Account) -> F: ...

    @abstractmethod
    def _request(self, message: Outgoing, form: F) -> tuple[str, Mapping[str, Any], list[str]]:
        """Address and body, and what else must not be seen in an answer."""

    @abstractmethod
    def _judge(self, answer: Mapping[str, Any]) -> tuple[int, str, Verdict] | None:
        """Code, what was said, and what that means; None where there is no code."""


def read(answer: Answer, judge: Judge) -> Receipt:
    """Taken only where the answer says so by its code; a code counts before the HTTP status."""
    said = answer.json()
    found = None if said is None else judge(said)
    if found is None:
        must_be_taken(answer)
        raise not_understood(answer)
    code, text, verdict = found
    line = answer.clean(f"{code} {text}")
    if code == 0:
        must_be_taken(answer)
        return Receipt(line)
    if answer.status >= 500 and verdict == TRY_AGAIN:
        must_be_taken(answer)
    raise verdict.error(line)


def not_understood(answer: Answer) -> TransportError:
    return TransportError(answer.broken or as_kept(answers.NOT_UNDERSTOOD, answer.shown))


def code_in(answer: Mapping[str, Any], name: str) -> int | None:
    """A code as a number; a service that writes it as text means the same."""
    found = answer.get(name)
    if isinstance(found, str) and re.fullmatch(r"-?\d{1,9}", found):
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def by_errcode(answer: Mapping[str, Any], table: Codes) -> tuple[int, str, Verdict] | None:
    """As WeCom and DingTalk answer: `errcode` and `errmsg`."""
    code = code_in(answer, "errcode")
    return None if code is None else (code, str(answer.get("errmsg", "")), table.get(code, TRY_AGAIN))


def harmless(text: str) -> str:
    """What a person typed must not become a mention of everybody or a link with another face."""
    return text.replace("<", "＜").replace(">", "＞")
