"""A receiver of signed webhooks, by https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

import base64
import hashlib
import hmac
from typing import Any

from tests.services.serving import Reply, Request, Service

TOLERANCE_SECONDS = 300


class Hooks(Service):
    """Takes what is signed and fresh; a second copy is taken too, and its key tells.

    tolerance    seconds of its clock that what is fresh may have been on its way
    """

    def __init__(
        self,
        *args: Any,
        secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        tolerance: float = TOLERANCE_SECONDS,
        **how: Any,
    ) -> None:
        self.secret, self.tolerance = secret, tolerance
        super().__init__(*args, **how)

    def answer(self, request: Request) -> Reply:
        key = request.headers.get("webhook-id", "")
        if not self._is_signed(request, key):
            return self.refuse(request.path, key, 401)
        self.take(request.path, key, request.json())
        return Reply(status=204)

    def error(self, code: int) -> Reply:
        return Reply({"error": "refused"}, code)

    def busy(self) -> Reply:
        return self.error(503)

    def _is_signed(self, request: Request, key: str) -> bool:
        at = request.headers.get("webhook-timestamp", "")
        if not at.isdecimal() or abs(self.clock.now().timestamp() - int(at)) > self.tolerance:
            return False
        secret = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.new(secret, f"{key}.{at}.".encode() + request.body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}" in request.headers.get("webhook-signature", "").split()
