"""What has to be given to set a channel up: checked once, at the edge, and taken apart into what may be shown and what may not."""

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from engine.errors import Text
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, TransportError

_ODD = re.compile(r"[\s\x00-\x1f\x7f\\]")


class Form(BaseModel):
    """The form of a kind of channel. Field descriptions are `中文 / English`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    @classmethod
    def of(cls, account: Account) -> Self:
        """What the account was set up with.

        Raises    TransportError where it cannot be read (any more): then nothing can be sent by it
        """
        try:
            return cls.model_validate({**account.settings, **account.secrets})
        except ValidationError as error:
            fields = sorted({".".join(map(str, fault["loc"])) or "*" for fault in error.errors(include_input=False)})
            raise TransportError(
                as_kept(answers.NOT_AS_IT_HAS_TO_BE, ", ".join(fields)), "give_up", concerns="channel"
            ) from None  # pydantic's own text shows what was typed in

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if SecretStr in (field.annotation, *_parts(field.annotation))
        )

    def secrets_go_to(self) -> str:
        """Where its secrets are sent, and how. Led elsewhere they would be shown to whoever is there, so they are given again
        with every change of it. Empty where none ever leaves.
        """
        return ""

    def settings(self) -> dict[str, Any]:
        """What may be shown, as JSON has it."""
        return self.model_dump(mode="json", exclude=set(self.secret_fields()))

    def secrets(self) -> dict[str, str]:
        """What may not: to be stored encrypted, and never shown again."""
        found: dict[str, SecretStr | None] = {name: getattr(self, name) for name in sorted(self.secret_fields())}
        return {name: value.get_secret_value() for name, value in found.items() if value is not None}


class NothingToSetUp(Form):
    """The form of a channel that stays inside."""


def _parts(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__args__", ()))


def is_one_word(url: str) -> bool:
    """Whether an address holds nothing that lets it look like another one, or breaks the line it is written into."""
    return not _ODD.search(url)


def is_plain_address(url: str) -> str:
    """An address of a server: scheme, host, perhaps a port and a path, and nothing else; without a slash at the end.

    Raises    ValueError, as for `said`
    """
    parts = urlsplit(url)
    try:
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    beside = parts.username or parts.query or parts.fragment
    if not usable or beside or parts.scheme not in {"http", "https"} or not is_one_word(url):
        raise said(
            "不是服务器地址；请填写 https://主机 或 https://主机:端口/路径",
            "is no address of a server; give it like https://host or https://host:port/path",
        )
    return url.rstrip("/")


def said(zh: str, en: str) -> PydanticCustomError:
    """A validator's own sentence, in both languages; it stands among others, so it carries no full stop. A ValueError."""
    return PydanticCustomError("said", "{en}", {"zh": zh, "en": en})


def described(zh: str, en: str) -> str:
    """A field's description; `in_both` takes it apart again."""
    return f"{zh} / {en}"


def in_both(description: str) -> Text:
    zh, _, en = description.partition(" / ")
    return Text(zh, en or zh)


def labels(form: type[BaseModel]) -> Mapping[str, Text]:
    """What each field is called, for whoever draws the form."""
    return {name: in_both(field.description or name) for name, field in form.model_fields.items()}
