"""A gateway for text messages as many are: JSON with account and password, `code` as text in an answer of HTTP 200."""

from collections.abc import Mapping
from typing import Any

from tests.services.serving import Reply, Request, Service

LONGEST = 500  # characters
WORDS: Mapping[int, str] = {
    1: "system busy",
    101: "account or password wrong",
    102: "balance not enough",
    107: "invalid mobile",
    108: "mobile in blacklist",
    109: "content too long",
    110: "too many requests",
}


class Gateway(Service):
    """Takes `{account, password, mobile, content, uid}` at /sms/send. Numbers in `barred` want nothing from anybody."""

    def __init__(
        self,
        *args: Any,
        account: str = "school",
        password: str = "gateway-password",
        barred: tuple[str, ...] = (),
        **how: Any,
    ) -> None:
        self.account, self.password = account, password
        self.barred = set(barred)
        super().__init__(*args, **how)

    def answer(self, request: Request) -> Reply:
        if request.path != "/sms/send":
            return Reply({"sorry": "no such page"}, 404)
        said = request.json()
        if not isinstance(said, dict):
            return Reply({"sorry": "no JSON"}, 400)
        mobile, text = str(said.get("mobile", "")), str(said.get("content", ""))
        code = self._fault_in(said, mobile, text)
        if code:
            return self.refuse(mobile, str(said.get("uid", "")), code)
        self.take(mobile, str(said.get("uid", "")), text)
        return Reply({"code": "0", "msg": "ok", "data": {"id": f"s{len(self.taken)}"}})

    def error(self, code: int) -> Reply:
        return Reply({"code": str(code), "msg": WORDS.get(code, "error")})

    def busy(self) -> Reply:
        return self.error(1)

    def _fault_in(self, said: Mapping[str, Any], mobile: str, text: str) -> int:
        if (said.get("account"), said.get("password")) != (self.account, self.password):
            return 101
        if not (mobile.isdecimal() and len(mobile) == 11):
            return 107
        if mobile in self.barred:
            return 108
        return 109 if not text or len(text) > LONGEST else 0
