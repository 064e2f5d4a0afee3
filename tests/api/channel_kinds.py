"""Kinds of channels for tests of the edge: they need an account, and do as they are told."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from engine.errors import Text
from engine.events import Recipient
from notifications.channels import Account, Limit, Receipt, TransportError
from notifications.channels.forms import Form, described, said
from notifications.message import Outgoing

KEY = "k3y-of-the-robot"


class RobotForm(Form):
    url: str = Field(description=described("地址", "Address"), max_length=50)
    loud: bool = Field(False, description=described("响铃", "Loud"))
    key: SecretStr = Field(description=described("密钥", "Key"))
    token: SecretStr | None = Field(None, description=described("口令", "Token"))

    @field_validator("key")
    @classmethod
    def _is_long(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value()) < 8:
            raise said("至少 8 位", "needs 8 characters or more")
        return key


@dataclass
class Robot:
    """`answers`: what comes back, one after the other, the last for good; a receipt where there are none."""

    name: str = "robot"
    serves: Literal["person", "place", "organisation"] = "place"
    limit: Limit | None = None
    answers: list[TransportError | Exception | Receipt] = field(default_factory=list)
    arrived: list[tuple[Outgoing, Account]] = field(default_factory=list)

    title: ClassVar[Text] = Text("群机器人", "Robot")
    outside: ClassVar[bool] = True
    form: ClassVar[type[Form]] = RobotForm

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.addresses.get("email") if self.serves == "person" else None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        answer = Receipt("0 ok") if not self.answers else self.answers[0]
        if len(self.answers) > 1:
            self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.arrived.append((message, account))
        return answer

    def close(self) -> None:
        """There is nothing to let go of."""


A_MINUTE = timedelta(minutes=1)
