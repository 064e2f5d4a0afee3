"""The robot of a WeCom group (企业微信群机器人).

Source    https://developer.work.weixin.qq.com/document/path/91770 (format, 20 a minute, text 2048 and markdown 4096 bytes)
          https://developer.work.weixin.qq.com/document/path/90313 (global codes)
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine.errors import Text
from notifications.channels import Account, Limit
from notifications.channels.codes import BAD_ACCOUNT, BAD_MESSAGE, TOO_FAST, TRY_AGAIN, Codes, Verdict, codes
from notifications.channels.fitting import fitted, whole, with_link
from notifications.channels.forms import described
from notifications.channels.robots import HookForm, Robot, by_errcode, harmless
from notifications.message import Outgoing

TEXT_BYTES = 2048
MARKDOWN_BYTES = 4096

CODES: Codes = codes({
    TRY_AGAIN: (-1, 6000),
    TOO_FAST: (45009, 45033),
    BAD_ACCOUNT: (
        93000,  # invalid webhook url: a wrong key, or a robot that was removed
        93004,  # the robot is switched off
        93008,  # the robot is not in the group (any more)
        48002,
        60020,  # our address is not on its list
    ),
    BAD_MESSAGE: (40008, 40033, 40035, 40058, 40063, 44004, 45002, 85002),
})  # fmt: skip


class WeComRobotForm(HookForm):
    """What a WeCom group shows of its robot."""

    home: ClassVar[str] = "https://qyapi.weixin.qq.com"
    path: ClassVar[str] = "/cgi-bin/webhook/send"
    asked_as: ClassVar[str | None] = "key"

    format: Literal["text", "markdown"] = Field(
        "text",
        description=described(
            "格式：text 或 markdown（个人微信看不到 markdown）", "Format: text, or markdown, which WeChat does not show"
        ),
    )


class WeComRobot(Robot[WeComRobotForm]):
    """`errcode` and `errmsg` in an answer of HTTP 200."""

    name = "wecom_robot"
    title = Text("企业微信群机器人", "WeCom group robot")
    limit = Limit(20, timedelta(minutes=1))
    form = WeComRobotForm

    def _form_of(self, account: Account) -> WeComRobotForm:
        return WeComRobotForm.of(account)

    def _request(self, message: Outgoing, form: WeComRobotForm) -> tuple[str, Mapping[str, Any], list[str]]:
        words = message.words
        if form.format == "text":
            text = fitted(harmless(whole(words)), words.link, TEXT_BYTES)
            return form.hook, {"msgtype": "text", "text": {"content": text}}, []
        text = fitted(f"**{_quoted(words.subject)}**\n{_quoted(with_link(words))}", words.link, MARKDOWN_BYTES)
        return form.hook, {"msgtype": "markdown", "markdown": {"content": text}}, []

    def _judge(self, answer: Mapping[str, Any]) -> tuple[int, str, Verdict] | None:
        return by_errcode(answer, CODES)


def _quoted(text: str) -> str:
    """Typed words stay words: no link with another face, no heading, no quotation."""
    text = harmless(text).replace("[", "［").replace("]", "］").replace("`", "｀")
    return re.sub(r"^(\s*)#", r"\1＃", text, flags=re.MULTILINE)
