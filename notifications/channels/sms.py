"""Text messages by any gateway that speaks HTTP: what to ask and how its answers read stands in the account, not in the program.

Placeholders in address, headers and body: `{phone}` `{text}` `{subject}` `{link}` `{name}` `{key}` `{user}` `{secret}`
`{basic}` (user and secret as HTTP Basic has them). Each is written as its place needs it: percent-encoded in an address and
in a form, escaped in JSON.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Self
from urllib.parse import quote, quote_plus, urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Receipt, TransportError
from notifications.channels.codes import BAD_ACCOUNT, BAD_ADDRESS, BAD_MESSAGE, TOO_FAST, TRY_AGAIN, Verdict
from notifications.channels.fitting import characters, fitted, whole
from notifications.channels.forms import Form, described, is_one_word, said
from notifications.channels.posting import TOTAL_SECONDS, Answer, Post, must_be_taken
from notifications.channels.robots import not_understood
from notifications.message import Outgoing

PLACEHOLDERS = frozenset({"phone", "text", "subject", "link", "name", "key", "user", "secret", "basic"})
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
PHONE = re.compile(r"\+?[0-9]{5,20}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
#: what the answer is about and how it is told from others belongs to HTTP, not to a school
NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"})

Written = Literal["json", "form", "plain"]

CONTENT_TYPES: Mapping[Written, str] = {
    "json": "application/json; charset=utf-8",
    "form": "application/x-www-form-urlencoded; charset=utf-8",
    "plain": "text/plain; charset=utf-8",
}
WRITING: Mapping[Written, Callable[[str], str]] = {
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "form": lambda text: quote_plus(text, errors="replace"),
    "plain": lambda text: text,
}


class SmsForm(Form):
    """A gateway, as its provider's documentation describes it."""

    url: str = Field(
        max_length=2000, description=described("网关地址，可含占位符", "Address of the gateway, with placeholders")
    )
    method: Literal["POST", "GET", "PUT"] = Field("POST", description=described("请求方法", "Method"))
    headers: dict[str, str] = Field(
        default_factory=dict, max_length=20, description=described("请求头，可含占位符", "Headers, with placeholders")
    )
    written: Written = Field("json", description=described("请求体格式", "Format of the body"))
    body: str = Field("", max_length=10_000, description=described("请求体模板，可含占位符", "Body, with placeholders"))
    user: str = Field("", max_length=200, description=described("账号", "Account"))
    secret: SecretStr | None = Field(None, description=described("密钥", "Secret"))
    longest: int = Field(
        300,
        ge=20,
        le=1000,
        description=described("短信最长字数（含链接）", "Longest text in characters, link included"),
    )
    code_at: str = Field(
        "",
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description=described(
            "结果码在 JSON 中的位置，如 data.0.code", "Where the code stands in the JSON answer, like data.0.code"
        ),
    )
    taken: tuple[str, ...] = Field(
        (),
        description=described(
            "表示成功的结果码；未填位置时为回答中应含的文字",
            "Codes of success; where no place is given, words in the answer",
        ),
    )
    again: tuple[str, ...] = Field((), description=described("应重试的结果码", "Codes that ask to try again"))
    slow_down: tuple[str, ...] = Field((), description=described("发送过快的结果码", "Codes of going too fast"))
    bad_number: tuple[str, ...] = Field(
        (), description=described("号码有误或退订的结果码", "Codes of a number that is wrong or barred")
    )
    bad_account: tuple[str, ...] = Field(
        (),
        description=described(
            "账号、签名或余额有误的结果码", "Codes of an account that does not work: signature, balance"
        ),
    )
    bad_message: tuple[str, ...] = Field(
        (), description=described("内容不被接受的结果码", "Codes of words that are not taken")
    )

    def secrets_go_to(self) -> str:
        # the whole of the request: written into the text, the secret would reach whose phone it is
        return json.dumps([self.url, self.headers, self.body], sort_keys=True)

    @field_validator("url")
    @classmethod
    def _is_a_whole_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or not is_one_word(url):
            raise said(
                "不是网关地址；请填写完整地址 https://主机/路径",
                "is no address of a gateway; give a whole one: https://host/path",
            )
        if "{" in parts.netloc:
            raise said("主机名中不能有占位符", "must not have a placeholder in its host")
        return _known_placeholders(url)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not HEADER.fullmatch(name) or name.lower() in NOT_OURS:
                raise said(f"{name!r} 不能作为请求头；请去掉", f"{name!r} cannot be set as a header; take it out")
            if not value.isprintable() or not value.isascii():
                raise said(
                    f"请求头 {name!r} 只能是一行 ASCII 文字", f"the header {name!r} has to be one line of plain ASCII"
                )
            _known_placeholders(value)
        return headers

    @field_validator("body")
    @classmethod
    def _is_a_body(cls, body: str) -> str:
        return _known_placeholders(body)

    @model_validator(mode="after")
    def _can_be_understood(self) -> Self:
        wholes = self.url + self.body + "".join(self.headers.values())
        if "{phone}" not in wholes or not any(f"{{{name}}}" in wholes for name in ("text", "subject")):
            raise said(
                "请求中没有号码或内容；请在请求体或地址里写入 {phone} 与 {text}",
                "a message without number or words reaches nobody; write {phone} and {text} into the body or the address",
            )
        if self.written == "json" and self.body:
            try:
                json.loads(_filled(self.body, dict.fromkeys(PLACEHOLDERS, "x"), WRITING["json"]))
            except ValueError as error:
                raise said(
                    "请求体填入内容后不是 JSON；请把占位符放在引号内",
                    "the body is no JSON once it is filled; put every placeholder between quotes",
                ) from error
        if self.code_at and not self.taken:
            raise said(
                "未填表示成功的结果码，任何回答都不会算作成功；请至少填一个",
                "no answer is a success without a code of success; name at least one",
            )
        listed = [*self.taken, *self.again, *self.slow_down, *self.bad_number, *self.bad_account, *self.bad_message]
        if len(listed) != len(set(listed)):
            raise said("同一结果码不能列在两处；请去掉一处", "a code stands in two lists; strike it from one")
        return self

    def verdicts(self) -> dict[str, Verdict]:
        lists: Iterable[tuple[tuple[str, ...], Verdict]] = (
            (self.again, TRY_AGAIN),
            (self.slow_down, TOO_FAST),
            (self.bad_number, BAD_ADDRESS),
            (self.bad_account, BAD_ACCOUNT),
            (self.bad_message, BAD_MESSAGE),
        )
        return {code: verdict for codes, verdict in lists for code in codes}


class SmsChannel:
    """Taken only where the gateway says so in the way its account describes; an unknown code is tried again."""

    name = "sms"
    title = Text("短信", "Text message")
    outside = True
    serves: Literal["person"] = "person"
    limit = None
    form = SmsForm

    def __init__(self, clock: Clock, client: httpx.Client | None = None, *, seconds: float = TOTAL_SECONDS) -> None:
        self._post = Post(clock, client, seconds)

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.addresses.get("phone") or None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        form = SmsForm.of(account)
        phone = re.sub(r"[\s()-]", "", message.addressee.addresses.get("phone", ""))
        if not PHONE.fullmatch(phone):
            raise BAD_ADDRESS.error("no telephone number")
        facts = _facts(message, form, phone)
        headers = {name: _filled(value, facts, _in_a_header) for name, value in form.headers.items()}
        body = _filled(form.body, facts, WRITING[form.written]).encode("utf-8", "replace")
        answer = self._post.ask(
            _filled(form.url, facts, lambda text: quote(text, safe="", errors="replace")),
            secrets=[*account.secrets.values(), facts["basic"]],
            body=body if form.body else None,
            headers={
                **({"content-type": CONTENT_TYPES[form.written]} if form.body else {}),
                **headers,
                "x-bihuan-key": message.key,
            },
            method=form.method,
            may_reach_inside=account.may_reach_inside,
        )
        return _read(answer, form)

    def close(self) -> None:
        self._post.close()


def _facts(message: Outgoing, form: SmsForm, phone: str) -> dict[str, str]:
    words, secret = message.words, "" if form.secret is None else form.secret.get_secret_value()
    return {
        "phone": phone,
        "text": fitted(whole(words), words.link, form.longest, characters),
        "subject": fitted(words.subject, None, form.longest, characters),
        "link": words.link or "",
        "name": message.addressee.name,
        "key": message.key,
        "user": form.user,
        "secret": secret,
        "basic": base64.b64encode(f"{form.user}:{secret}".encode()).decode(),
    }


def _read(answer: Answer, form: SmsForm) -> Receipt:
    """By the code where one is described; else by words; else by the HTTP status alone."""
    if not form.code_at:
        must_be_taken(answer)
        if answer.broken and form.taken:
            raise not_understood(answer)
        if form.taken and not any(word in answer.raw for word in form.taken):
            raise _by_words(answer, form).error(answer.shown)
        return Receipt(answer.shown)
    code = _found(answer.json(), form.code_at)
    verdict = form.verdicts().get(code or "")
    if code in form.taken:
        must_be_taken(answer)
        return Receipt(answer.shown)
    if verdict is not None:
        raise verdict.error(answer.shown)
    must_be_taken(answer)
    if code is None:
        raise not_understood(answer)
    raise TransportError(answer.clean(as_kept(answers.UNKNOWN_CODE, answer.shown, code=code)))


def _by_words(answer: Answer, form: SmsForm) -> Verdict:
    return next((verdict for words, verdict in form.verdicts().items() if words in answer.raw), TRY_AGAIN)


def _found(said: Any, place: str) -> str | None:
    """What stands at `data.0.code`, as text."""
    for step in place.split("."):
        if isinstance(said, Mapping):
            said = said.get(step)
        elif isinstance(said, list) and step.isdecimal() and int(step) < len(said):
            said = said[int(step)]
        else:
            return None
    if isinstance(said, bool):
        return "true" if said else "false"
    return str(said) if isinstance(said, str | int) else None


def _known_placeholders(template: str) -> str:
    unknown = sorted(set(PLACEHOLDER.findall(template)) - PLACEHOLDERS)
    if unknown:
        known = ", ".join(sorted(PLACEHOLDERS))
        raise said(
            f"没有占位符 {{{unknown[0]}}}；可用的有 {known}",
            f"there is no placeholder {{{unknown[0]}}}; there are {known}",
        )
    return template


def _filled(template: str, facts: Mapping[str, str], written: Callable[[str], str]) -> str:
    return PLACEHOLDER.sub(lambda match: written(facts[match[1]]), template)


def _in_a_header(text: str) -> str:
    """What a person typed must not begin a header of its own."""
    return text if text.isascii() and text.isprintable() else quote(text, safe="", errors="replace")
