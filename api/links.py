"""Links that take one step straight from a message: signed with a key of the data folder, for one person, for a few days.

A link carries organisation, delivery and expiry; person, case and step are those of the delivery, and the signature is over
all six. So it is short enough for a text message, says nothing to who finds it, and opens nothing but that step. It is no
means to sign in: whoever opens it has to be signed in as the one it was sent to.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime

from notifications.message import Delivery

PATH = "/r"
PARAMETER = "k"  # in the query, which no log of ours holds
SIGNATURE_BYTES = 12  # 96 bits: who guesses is counted at the door and has to be signed in
MINUTE = 60  # seconds; an expiry to the minute fits four bytes for eight thousand years

_TOKEN = re.compile(r"(?P<organisation>[a-z0-9][a-z0-9_-]{0,63})\.(?P<rest>[A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """What a link says. Believe it when `FolderLinks.made` says so of the delivery it names.

    until   aware UTC, to the minute
    """

    organisation: str
    delivery: str
    until: datetime
    signature: bytes


class FolderLinks:
    """`notifications.sources.LinkMaker`, and the one that knows its own links again.

    key         the folder's key, 32 bytes
    public_url  where people open the links
    """

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key = key
        self._address = f"{public_url.rstrip('/')}{PATH}?{PARAMETER}="

    def __call__(self, delivery: Delivery, until: datetime) -> str:
        minute = int(until.timestamp()) // MINUTE
        said = bytes.fromhex(delivery.id.removeprefix("msg_")) + minute.to_bytes(4, "big")
        token = urlsafe_b64encode(said + self._signature(delivery, minute)).decode()
        return f"{self._address}{delivery.organisation}.{token.rstrip('=')}"

    def made(self, token: Token, delivery: Delivery) -> bool:
        """Whether this is a link of ours for just this delivery, its person, its case and its step."""
        minute = int(token.until.timestamp()) // MINUTE
        signed = self._signature(delivery, minute)
        return delivery.id == token.delivery and hmac.compare_digest(signed, token.signature)

    def _signature(self, delivery: Delivery, minute: int) -> bytes:
        step = delivery.notice.about["acknowledge"]["trigger"]
        parts = (
            "link",
            delivery.organisation,
            delivery.id,
            delivery.addressee.key,
            delivery.notice.case,
            step,
            str(minute),
        )
        # lengths in front: ("a", "bc") and ("ab", "c") must not meet
        said = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.digest(self._key, said, "sha256")[:SIGNATURE_BYTES]


def token_of(text: str) -> Token | None:
    """What a link's parameter says; None for what none of ours looks like: cut, or made up."""
    matched = _TOKEN.fullmatch(text)
    if matched is None:
        return None
    content = urlsafe_b64decode(matched["rest"] + "=")
    if urlsafe_b64encode(content).decode().rstrip("=") != matched["rest"]:
        return None  # the last letter has room for more than one spelling
    delivery, minute, signature = content[:16], content[16:20], content[20:]
    try:
        until = datetime.fromtimestamp(int.from_bytes(minute, "big") * MINUTE, UTC)
    except ValueError:  # past the year 9999
        return None
    return Token(matched["organisation"], f"msg_{delivery.hex()}", until, signature)
