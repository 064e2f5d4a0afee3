"""The robot of a DingTalk group (钉钉群自定义机器人), signed where its group asks for a signature.

Source    https://open.dingtalk.com/document/robots/custom-robot-access (format, 20 a minute, else silent for ten minutes)
          https://open.dingtalk.com/document/robots/customize-robot-security-settings (signature, keywords, IP addresses)
          https://open.dingtalk.com/document/orgapp/server-api-error-codes-1 (codes; 300005 is what the service itself answers
          to a token that does not exist)
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote_plus

from pydantic import Field, SecretStr

from engine.errors import Text
from notifications.channels import Account, Limit
from notifications.channels.codes import BAD_ACCOUNT, BAD_MESSAGE, TRY_AGAIN, Codes, Verdict, codes
from notifications.channels.fitting import fitted, whole
from notifications.channels.forms import described
from notifications.channels.robots import HookForm, Robot, by_errcode, harmless
from notifications.message import Outgoing

TEXT_BYTES = 20_000
MUTED = Verdict("slow_down", "channel", timedelta(minutes=10))  # for as long it drops everything, and says so or not

CODES: Codes = codes({
    TRY_AGAIN: (-1,),
    MUTED: (
        130101,  # send too fast, exceed 20 times per minute
        410100,  # the same, in the newer list
        90030, 660026,  # webhook over limit; too many calls from one place
    ),
    BAD_ACCOUNT: (
        310000,  # keywords not in content, sign not match, or IP address not in whitelist: its words say which
        300001, 300005, 400101,  # token is not exist
        400013,  # the group was dissolved
        400102,  # the robot is stopped
        400106,  # the robot does not exist
        40035,  # no access_token
    ),
    BAD_MESSAGE: (400105, 43004),
})  # fmt: skip


class DingTalkRobotForm(HookForm):
    """What a DingTalk group shows of its robot."""

    home: ClassVar[str] = "https://oapi.dingtalk.com"
    path: ClassVar[str] = "/robot/send"
    asked_as: ClassVar[str | None] = "access_token"

    secret: SecretStr | None = Field(
        None,
        min_length=8,
        description=described(
            "加签密钥（SEC 开头；安全设置选“加签”时填写）", "Signing secret, beginning with SEC, where signing is on"
        ),
    )


class DingTalkRobot(Robot[DingTalkRobotForm]):
    """`errcode` and `errmsg` in an answer of HTTP 200."""

    name = "dingtalk_robot"
    title = Text("钉钉群机器人", "DingTalk group robot")
    limit = Limit(20, timedelta(minutes=1))
    form = DingTalkRobotForm

    def _form_of(self, account: Account) -> DingTalkRobotForm:
        return DingTalkRobotForm.of(account)

    def _request(self, message: Outgoing, form: DingTalkRobotForm) -> tuple[str, Mapping[str, Any], list[str]]:
        url, signature = form.hook, []
        if form.secret is not None:
            milliseconds = int(self._clock.now().timestamp() * 1000)
            signature = [sign(form.secret.get_secret_value(), milliseconds)]
            url = f"{url}&timestamp={milliseconds}&sign={quote_plus(signature[0])}"
        text = fitted(harmless(whole(message.words)), message.words.link, TEXT_BYTES)
        return url, {"msgtype": "text", "text": {"content": text}}, signature

    def _judge(self, answer: Mapping[str, Any]) -> tuple[int, str, Verdict] | None:
        return by_errcode(answer, CODES)


def sign(secret: str, milliseconds: int) -> str:
    """Base64 of HMAC-SHA256; the service takes it for an hour."""
    digest = hmac.digest(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()
