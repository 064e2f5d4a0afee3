"""What the program itself writes down where a service would have answered, in both languages.

A delivery keeps one line, whoever will read it. The program's own is kept in English, by which it is also searched and counted,
and is told from here to each reader in his language; what a service said stays as it said it.
"""

import re
from collections.abc import Iterator
from functools import cache

from engine.errors import Text

# --- given up --------------------------------------------------------------------------------------------------------

REFUSED = Text("对方拒收", "refused for good")
GAVE_UP = Text("试了 {tries} 次，不再重试", "gave up after {tries} tries")
WAITED = Text("等了 {days} 天，不再等待", "gave up after {days} days")
NOT_WRITTEN = Text("消息无法生成", "cannot be written")
NOT_PLANNED = Text("无法确定收件人", "cannot be planned")
NO_ADDRESS = Text("没有可用的联系方式（{who}）", "no channel has an address of {who}")
NOBODY_NAMED = Text("没有指明收件人", "nobody is named here")
NOBODY_IS = Text("目前无人担任（{audience}）", "nobody is {audience} here")

# --- not sent --------------------------------------------------------------------------------------------------------

SIMULATED = Text("模拟数据目录不对外发送任何消息", "nothing leaves a simulated data folder")
NOT_IN_USE = Text("渠道 {account} 已不再使用", "{account} is not in use any more")
OUT_OF_ORDER = Text("渠道 {account} 不能使用，已改用其他渠道", "{account} is out of order; it goes by another way")
ANOTHER_WAY = Text("已改用其他渠道", "it goes by another way")
ADDRESSED_ANEW = Text("已重新确定收件人", "addressed anew")
NOTHING_DUE = Text("已没有临近期限的事项", "nothing is due any more")
MOVED_ON = Text("事项已进入下一步（{state}）", "the case has moved on to {state}")
CONFIRMED = Text("已确认知晓，或免予确认", "he has confirmed, or was excused")
SOMEBODY_ELSE = Text("已改由他人负责", "somebody else is in charge now")

# --- no answer, or none of use -----------------------------------------------------------------------------------------

NO_ANSWER = Text("对方没有答复", "no answer")
SLOW = Text("超时", "it took too long")
PACKED = Text("答复是压缩的，未予读取", "an answer that is packed, although none was asked for")
TOO_LONG = Text("答复过长", "an answer that is too long")
BROKEN_OFF = Text("答复中断", "an answer that breaks off")
NOT_UNDERSTOOD = Text("答复无法识别", "an answer that nobody understands")
NO_TOKEN = Text("索取的令牌不在其中", "a token was asked for and none is in it")
UNKNOWN_CODE = Text("结果码 {code} 未在设置中列出", "code {code} is in no list")
NOT_TRUSTED = Text("服务器证书不受信任", "the server's certificate is not trusted")
CANNOT = Text("服务器不支持", "the server cannot do it")
CONSOLE_GONE = Text("控制台已关闭", "the console is gone")
PATIENCE = Text("对方要求稍后再发", "its service asked for patience")
FULL = Text(
    "{seconds} 秒内最多 {count} 条，已发满", "{count} messages in {seconds} s are what it takes, and they were sent"
)
ON_THE_DESK = Text("已在站内待办", "on the desk")
ON_THE_DESK_ALREADY = Text("站内待办中已有", "on the desk already")

# --- an account that cannot be used --------------------------------------------------------------------------------------

LOCKED = Text(
    "{account} 的密钥无法用本数据目录的钥匙打开，请重新设置该渠道",
    "the secrets of {account} do not open with this folder's key; set the channel up again",
)
NOT_AS_IT_HAS_TO_BE = Text("渠道设置不完整或有误", "the channel is not set up as it has to be")
NO_SUCH_KIND = Text("本程序没有渠道类型 {kind}", "this program has no channel of the kind {kind}")
INSIDE = Text(
    "地址在服务器的内部网络中，{allowed_by} 不允许渠道使用",
    "its address lies inside the server's own network, which {allowed_by} does not allow to channels",
)


def as_kept(saying: Text, more: str | None = None, /, **facts: object) -> str:
    """A saying as it is kept. `more`: what was answered, or another saying as it is kept."""
    said = saying.en.format(**facts)
    return said if more is None else f"{said}: {more}"


def kind_of(defect: Exception) -> str:
    """What is kept of a defect, for who reads of it in the list of deliveries: the kind it is of.

    Not what it says besides, not even cut: nobody wrote that for readers, and it may quote a secret or what somebody typed,
    which no list of known secrets finds. Whoever can mend it has the log, with where it happened.
    """
    return type(defect).__name__


def in_words(answer: str) -> Text:
    """What is kept, in both languages as far as it is the program's own."""
    for saying, pattern in _patterns():
        found = pattern.fullmatch(answer)
        if found is not None:
            facts = {name: value for name, value in found.groupdict().items() if name != "more"}
            more = found["more"]
            said = saying.zh.format(**facts)
            return Text(said if more is None else f"{said}：{in_words(more).zh}", answer)
    return Text(answer, answer)


def in_both(answer: str) -> str:
    """For whoever reads either."""
    said = in_words(answer)
    return answer if said.zh == said.en else f"{said.zh} · {said.en}"


@cache
def _patterns() -> tuple[tuple[Text, re.Pattern[str]], ...]:
    return tuple((saying, re.compile(f"{_pattern(saying.en)}(?:: (?P<more>.*))?", re.DOTALL)) for saying in sayings())


def sayings() -> Iterator[Text]:
    """Every one there is."""
    return (value for value in globals().values() if isinstance(value, Text))


def _pattern(said: str) -> str:
    parts = re.split(r"\{(\w+)\}", said)
    return "".join(f"(?P<{part}>[^:]+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
