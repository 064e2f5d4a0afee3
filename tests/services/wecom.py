"""WeCom: its groups' robots and its application messages, by https://developer.work.weixin.qq.com/document/path/91770 and 90236."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.services.serving import Reply, Request, Service

MINUTE = timedelta(minutes=1)
WORDS: Mapping[int, str] = {
    -1: "system busy",
    40001: "invalid credential",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40056: "invalid agentid",
    40058: "exceed max length",
    42001: "access_token expired",
    43002: "require POST method",
    44004: "empty content",
    45002: "content size out of limit",
    45009: "api freq out of limit",
    60020: "not allow to access from your ip",
    81013: "user & party & tag all invalid",
    93000: "invalid webhook url",
    93004: "robot is disabled",
    93008: "robot not in chat",
}


class WeCom(Service):
    """Robots by their keys, and one application of one school.

    users    who is there; of `gone` it says so in an answer with errcode 0
    """

    def __init__(
        self,
        *args: Any,
        robots: tuple[str, ...] = ("robot-key-0001",),
        corp_id: str = "ww0123456789abcdef",
        agent_id: int = 1000002,
        secret: str = "application-secret",
        users: tuple[str, ...] = ("zhangwei",),
        gone: tuple[str, ...] = (),
        per_minute: int = 20,
        **how: Any,
    ) -> None:
        self.robots = set(robots)
        self.corp_id, self.agent_id, self.secret = corp_id, agent_id, secret
        self.users, self.gone = set(users), set(gone)
        self.per_minute = per_minute
        self.tokens: dict[str, datetime] = {}  # token → its end
        self.asked_for_tokens = 0
        self.repeated: list[str] = []  # keys of what was taken and not shown a second time
        self._shown: dict[str, datetime] = {}
        super().__init__(*args, **how)

    def answer(self, request: Request) -> Reply:
        if request.path == "/cgi-bin/webhook/send":
            return self._robot(request)
        if request.path == "/cgi-bin/gettoken":
            return self._token(request)
        if request.path == "/cgi-bin/message/send":
            return self._message(request)
        return Reply({"sorry": "no such page"}, 404)

    def error(self, code: int) -> Reply:
        hint = "hint: [1579225200000000000000001], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e="
        return Reply({"errcode": code, "errmsg": f"{WORDS.get(code, 'error')}, {hint}{code}"})

    def busy(self) -> Reply:
        return self.error(-1)

    def end_tokens(self) -> None:
        """As when somebody changes the secret and back, or the service forgets."""
        self.tokens.clear()

    def _robot(self, request: Request) -> Reply:
        key = request.query.get("key", "")
        if request.method != "POST":
            return self.error(43002)
        if key not in self.robots:
            return self.refuse(key, request.key, 93000)
        code = _fault_in(request.json(), {"text": 2048, "markdown": 4096})
        if code:
            return self.refuse(key, request.key, code)
        if self.taken_since(key, MINUTE) >= self.per_minute:
            return self.refuse(key, request.key, 45009)
        self.take(key, request.key, request.json())
        return Reply({"errcode": 0, "errmsg": "ok"})

    def _token(self, request: Request) -> Reply:
        if request.query.get("corpid") != self.corp_id:
            return self.error(40013)
        if request.query.get("corpsecret") != self.secret:
            return self.error(40001)
        self.asked_for_tokens += 1
        now = self.clock.now()
        token = next((token for token, end in self.tokens.items() if end > now), None)
        if token is None:
            token = f"access-token-{self.asked_for_tokens:04}-{'x' * 40}"
            self.tokens[token] = now + timedelta(seconds=7200)
        return Reply({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200})

    def _message(self, request: Request) -> Reply:
        end = self.tokens.get(request.query.get("access_token", ""))
        if end is None or end <= self.clock.now():
            return self.error(40014 if end is None else 42001)
        said = request.json() or {}
        code = _fault_in(said, {"text": 2048, "textcard": None})
        if code or said.get("agentid") != self.agent_id:
            return self.error(code or 40056)
        user = str(said.get("touser", ""))
        if user in self.gone:
            return Reply({"errcode": 0, "errmsg": "ok", "invaliduser": user, "msgid": "m0"})
        if user not in self.users:
            return self.refuse(user, request.key, 81013)
        if self._is_repeated(said):
            self.repeated.append(request.key)
        else:
            self.take(user, request.key, said)
        return Reply({"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": f"m{len(self.taken)}"})

    def _is_repeated(self, said: Mapping[str, Any]) -> bool:
        """The same content to the same person within the interval that the sender asked for."""
        now, what = self.clock.now(), json.dumps(said, sort_keys=True)
        length = timedelta(seconds=min(int(said.get("duplicate_check_interval", 1800)), 14400))
        before = self._shown.get(what)
        self._shown[what] = now
        return said.get("enable_duplicate_check") == 1 and before is not None and now - before < length


def _fault_in(said: Any, limits: Mapping[str, int | None]) -> int:
    """0, or the code of what is wrong with a message. A card has limits of its own."""
    kind = str(said.get("msgtype")) if isinstance(said, dict) else ""
    if kind not in limits or not isinstance(said.get(kind), dict):
        return 40008
    if kind == "textcard":
        title, description, url = (str(said[kind].get(part, "")) for part in ("title", "description", "url"))
        fits = title and description and url and _size(title) <= 128 and _size(description) <= 512
        return 0 if fits else 45002
    content, limit = said[kind].get("content"), limits[kind]
    if not isinstance(content, str) or not content.strip():
        return 44004
    return 40058 if limit is not None and _size(content) > limit else 0


def _size(text: str) -> int:
    return len(text.encode())
