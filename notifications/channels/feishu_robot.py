"""The robot of a Feishu group (飞书群自定义机器人), signed where its group asks for a signature.

Source    https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (format, signature, codes, 20 KB, 100 a minute and
          5 a second)
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from engine.errors import Text
from notifications.channels import Account, Limit
from notifications.channels.codes import BAD_ACCOUNT, BAD_MESSAGE, TOO_FAST, TRY_AGAIN, Codes, Verdict, codes
from notifications.channels.fitting import fitted, in_json, whole
from notifications.channels.forms import described
from notifications.channels.robots import HookForm, Robot, code_in, harmless
from notifications.message import Outgoing

TEXT_BYTES = 20_000  # the body may have 20 KB, and signature and braces are part of it

CODES: Codes = codes({
    TOO_FAST: (11232,),  # create message trigger service ratelimit
    BAD_ACCOUNT: (
        19001,  # param invalid: incoming webhook access token invalid
        19021,  # sign match fail or timestamp is not within one hour from current time
        19022,  # ip not allowed
        19024,  # key words not found
    ),
    BAD_MESSAGE: (
        9499,  # bad request; with "too many request" it is a limit
        19002,  # params error, msg_type need
    ),
})  # fmt: skip


class FeishuRobotForm(HookForm):
    """What a Feishu group shows of its robot. For Lark, `base_url` is https://open.larksuite.com."""

    home: ClassVar[str] = "https://open.feishu.cn"
    path: ClassVar[str] = "/open-apis/bot/v2/hook"
    asked_as: ClassVar[str | None] = None

    secret: SecretStr | None = Field(
        None,
        min_length=8,
        description=described(
            "签名校验密钥（安全设置开启“签名校验”时填写）", "Signing secret, where signature verification is on"
        ),
    )


class FeishuRobot(Robot[FeishuRobotForm]):
    """`code` and `msg`, sometimes with HTTP 400, sometimes with 200; `StatusCode` in answers of the older kind."""

    name = "feishu_robot"
    title = Text("飞书群机器人", "Feishu group robot")
    limit = Limit(5, timedelta(seconds=3))  # that is 100 a minute, and never more than 5 in any second
    form = FeishuRobotForm

    def _form_of(self, account: Account) -> FeishuRobotForm:
        return FeishuRobotForm.of(account)

    def _request(self, message: Outgoing, form: FeishuRobotForm) -> tuple[str, Mapping[str, Any], list[str]]:
        signed: dict[str, str] = {}
        if form.secret is not None:
            seconds = int(self._clock.now().timestamp())
            signed = {"timestamp": str(seconds), "sign": sign(form.secret.get_secret_value(), seconds)}
        text = fitted(harmless(whole(message.words)), message.words.link, TEXT_BYTES - 500, in_json)
        return form.hook, {**signed, "msg_type": "text", "content": {"text": text}}, [signed.get("sign", "")]

    def _judge(self, answer: Mapping[str, Any]) -> tuple[int, str, Verdict] | None:
        code, text = code_in(answer, "code"), str(answer.get("msg", ""))
        if code is None:
            code, text = code_in(answer, "StatusCode"), str(answer.get("StatusMessage", ""))
        if code is None:
            return None
        if code == 9499 and "too many" in text.lower():
            return code, text, TOO_FAST
        return code, text, CODES.get(code, TRY_AGAIN)


def sign(secret: str, seconds: int) -> str:
    """Base64 of HMAC-SHA256 over nothing, with time and secret as its key; the service takes it for an hour."""
    return base64.b64encode(hmac.digest(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256)).decode()
