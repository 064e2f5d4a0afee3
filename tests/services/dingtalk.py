"""DingTalk: its groups' robots, by https://open.dingtalk.com/document/robots/custom-robot-access."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.services.serving import Reply, Request, Service

MINUTE = timedelta(minutes=1)
MUTE = timedelta(minutes=10)
HOUR = timedelta(hours=1)
MORE = "more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"
WORDS: Mapping[int, str] = {
    -1: "系统繁忙",
    40035: "缺少参数 access_token",
    43002: "需要POST请求",
    43004: "无效的HTTP HEADER Content-Type",
    130101: "send too fast, exceed 20 times per minute",
    300005: "token is not exist",
    310000: f"sign not match, {MORE}",
    400013: "群已被解散",
    400102: "机器人已停用",
    400105: "不支持的消息类型",
    460101: "message too long, exceed 20000 bytes",
}


class DingTalk(Service):
    """Robots by their tokens. Past the limit one is mute for ten minutes, whatever comes.

    secrets    the robots that ask for a signature; the others ask for `keyword`, if it is not empty
    """

    def __init__(
        self,
        *args: Any,
        tokens: tuple[str, ...] = ("dingtalk-token-0001",),
        secrets: Mapping[str, str] | None = None,
        keyword: str = "",
        per_minute: int = 20,
        **how: Any,
    ) -> None:
        self.tokens = set(tokens)
        self.secrets = dict(secrets or {})
        self.keyword = keyword
        self.per_minute = per_minute
        self._mute_until: dict[str, datetime] = {}
        super().__init__(*args, **how)

    def answer(self, request: Request) -> Reply:
        if request.path != "/robot/send":
            return Reply({"sorry": "no such page"}, 404)
        token = request.query.get("access_token", "")
        code = self._fault_in(request, token)
        if code:
            return self.refuse(token, request.key, code)
        if self._is_too_fast(token):
            return self.refuse(token, request.key, 130101)
        self.take(token, request.key, request.json())
        return Reply({"errcode": 0, "errmsg": "ok"})

    def error(self, code: int) -> Reply:
        return Reply({"errcode": code, "errmsg": WORDS.get(code, "error")})

    def busy(self) -> Reply:
        return self.error(-1)

    def _is_too_fast(self, token: str) -> bool:
        now = self.clock.now()
        if now < self._mute_until.get(token, now):
            return True
        if self.taken_since(token, MINUTE) < self.per_minute:
            return False
        self._mute_until[token] = now + MUTE
        return True

    def _fault_in(self, request: Request, token: str) -> int:
        if request.method != "POST":
            return 43002
        if not token:
            return 40035
        if "application/json" not in request.headers.get("content-type", ""):
            return 43004
        if token not in self.tokens:
            return 300005
        said = request.json()
        if not isinstance(said, dict) or said.get("msgtype") != "text":
            return 400105
        text = str(said.get("text", {}).get("content", ""))
        if len(text.encode()) > 20_000:
            return 460101
        secret = self.secrets.get(token)
        if (secret and not self._is_signed(request, secret)) or self.keyword not in text:
            return 310000
        return 0

    def _is_signed(self, request: Request, secret: str) -> bool:
        milliseconds = request.query.get("timestamp", "")
        if not milliseconds.isdecimal():
            return False
        off = abs(self.clock.now().timestamp() * 1000 - int(milliseconds))
        digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
        return off <= HOUR.total_seconds() * 1000 and request.query.get("sign") == base64.b64encode(digest).decode()
