"""Feishu: its groups' robots, by https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.services.serving import Reply, Request, Service

HOOK = "/open-apis/bot/v2/hook/"
WORDS: Mapping[int, str] = {
    9499: "Bad Request",
    11232: "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]",
    19001: "param invalid: incoming webhook access token invalid",
    19002: "params error, msg_type need",
    19021: "sign match fail or timestamp is not within one hour from current time",
    19022: "Ip Not Allowed",
    19024: "Key Words Not Found",
}


class Feishu(Service):
    """Robots by their keys; `secrets` of those that ask for a signature."""

    def __init__(
        self,
        *args: Any,
        robots: tuple[str, ...] = ("feishu-robot-0001",),
        secrets: Mapping[str, str] | None = None,
        per_minute: int = 100,
        per_second: int = 5,
        **how: Any,
    ) -> None:
        self.robots = set(robots)
        self.secrets = dict(secrets or {})
        self.per_minute, self.per_second = per_minute, per_second
        super().__init__(*args, **how)

    def answer(self, request: Request) -> Reply:
        robot = request.path.removeprefix(HOOK)
        if not request.path.startswith(HOOK) or request.method != "POST":
            return Reply({"sorry": "no such page"}, 404)
        code = self._fault_in(request, robot)
        if code:
            return self.refuse(robot, request.key, code)
        if (
            self.taken_since(robot, timedelta(minutes=1)) >= self.per_minute
            or self.taken_since(robot, timedelta(seconds=1)) >= self.per_second
        ):
            return self.refuse(robot, request.key, 11232)
        self.take(robot, request.key, request.json())
        return Reply({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})

    def error(self, code: int) -> Reply:
        return Reply({"code": code, "data": {}, "msg": WORDS.get(code, "error")}, 400 if code == 9499 else 200)

    def busy(self) -> Reply:
        return Reply({"code": 10001, "msg": "internal error"}, 500)

    def _fault_in(self, request: Request, robot: str) -> int:
        if robot not in self.robots:
            return 19001
        said = request.json()
        if not isinstance(said, dict) or len(request.body) > 20 * 1024:
            return 9499
        if said.get("msg_type") != "text" or not said.get("content", {}).get("text"):
            return 19002
        secret = self.secrets.get(robot)
        return 19021 if secret and not self._is_signed(said, secret) else 0

    def _is_signed(self, said: Mapping[str, Any], secret: str) -> bool:
        seconds = str(said.get("timestamp", ""))
        if not seconds.isdecimal() or abs(self.clock.now().timestamp() - int(seconds)) > 3600:
            return False
        digest = hmac.new(f"{seconds}\n{secret}".encode(), digestmod=hashlib.sha256).digest()
        return said.get("sign") == base64.b64encode(digest).decode()
