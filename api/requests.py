"""Reading a request: body, keys, revisions, cursors. What cannot be read is refused in words before anything is asked."""

import base64
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from api.auth import SignedIn, runtime_of
from api.problems import too_large, unsupported_type
from engine.clock import utc
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle import CASE_NUMBER

MAX_BODY_BYTES = 1_000_000  # forms are text; pictures go to /files
KEY = re.compile(r"[\x21-\x7e]{1,128}")
REVISION = re.compile(r'(?:W/)?"(\d{1,9})"')
FOUND_AT = "found_at"  # may stand in every body: when the asker says he found it, a claim


async def read_bytes(request: Request, limit_bytes: int) -> bytes:
    """The body, read no further than the limit. Raises TooLarge."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit_bytes:
        raise too_large(limit_bytes)
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit_bytes:
                raise too_large(limit_bytes)
    except ClientDisconnect:
        unreadable(Text("连接在上传途中中断", "the connection ended before the body did"))
    return bytes(content)


async def _answers(request: Request, _asker: SignedIn) -> dict[str, Any]:
    # signed in first: a stranger's body is not even read
    content = await read_bytes(request, MAX_BODY_BYTES)
    if not content.strip():
        return {}
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise unsupported_type("application/json")
    return parsed(content)


async def _picture(request: Request, _asker: SignedIn) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith("image/"):
        raise unsupported_type("image/jpeg, image/png, image/webp")
    return await read_bytes(request, runtime_of(request).settings.max_upload_bytes)


def parsed(content: bytes) -> dict[str, Any]:
    """A JSON object of nothing but text, whole and broken numbers, lists and objects. Raises InvalidInput."""
    try:
        value = json.loads(content, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()  # half a character (a lone surrogate) could not be written down
    except (ValueError, RecursionError):
        unreadable(Text("正文不是有效的 JSON", "the body is not valid JSON"))
    if not isinstance(value, dict):
        unreadable(Text("正文应为 JSON 对象", "the body has to be a JSON object"))
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def unreadable(obstacle: Text, field: str = "body") -> NoReturn:
    raise InvalidInput(
        asked=Text("读取请求", "Read the request"),
        obstacle=obstacle,
        remedy=Text("请改正后重新提交", "Correct it and send it again"),
        fields=(FieldFault(field, obstacle),),
    )


def take_found_at(answers: dict[str, Any]) -> tuple[dict[str, Any], datetime | None]:
    """(the form's answers, the claimed instant) of a body that may carry both."""
    if FOUND_AT not in answers:
        return answers, None
    rest = {name: value for name, value in answers.items() if name != FOUND_AT}
    said = answers[FOUND_AT]
    if said is None:
        return rest, None
    try:
        if not isinstance(said, str):
            raise ValueError(said)
        return rest, utc(datetime.fromisoformat(said))
    except (ValueError, OverflowError):
        unreadable(
            Text(
                f"{FOUND_AT} 应为带时区的时间，如 2026-03-14T08:00:00+08:00",
                f"{FOUND_AT} has to be a time with its offset, as 2026-03-14T08:00:00+08:00",
            ),
            FOUND_AT,
        )


async def _key(request: Request, _asker: SignedIn) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        unreadable(
            Text("幂等键应为 1 至 128 个可见 ASCII 字符", "an idempotency key is 1 to 128 visible ASCII characters"),
            "Idempotency-Key",
        )
    return key


async def _expected_revision(request: Request, _asker: SignedIn) -> int | None:
    said = request.headers.get("if-match")
    if said is None or said.strip() == "*":
        return None
    matched = REVISION.fullmatch(said.strip())
    if matched is None:
        unreadable(
            Text('If-Match 应为带引号的版本号，如 "7"，或 *', 'If-Match has to be a quoted revision such as "7", or *'),
            "If-Match",
        )
    return int(matched[1])


Answers = Annotated[dict[str, Any], Depends(_answers)]
PictureBytes = Annotated[bytes, Depends(_picture)]
Key = Annotated[str | None, Depends(_key)]
ExpectedRevision = Annotated[int | None, Depends(_expected_revision)]


# --- cursors -------------------------------------------------------------------------------------------------------------


def cursor_of(after: tuple[datetime | None, str]) -> str:
    """Where a page ended, as an opaque word."""
    instant, number = after
    said = json.dumps([instant and instant.isoformat(), number]).encode()
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def after_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Where a page of cases by their opening ended."""
    after = due_cursor(cursor)
    if after is None:
        return None
    instant, number = after
    if instant is None:
        _no_cursor()
    return instant, number


def due_cursor(cursor: str | None) -> tuple[datetime | None, str] | None:
    """Where a page of cases by their deadline ended; one may have none."""
    if cursor is None:
        return None
    try:
        instant, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(number, str) or not CASE_NUMBER.fullmatch(number):
            raise ValueError(number)
        return None if instant is None else utc(datetime.fromisoformat(instant)), number
    except (ValueError, TypeError, OverflowError, RecursionError):
        _no_cursor()


def instant_of(said: str | None, name: str) -> datetime | None:
    """A query's instant, RFC 3339 with its offset and nothing looser. Raises InvalidInput."""
    if said is None:
        return None
    try:
        return utc(datetime.fromisoformat(said))
    except (ValueError, OverflowError):
        unreadable(
            Text(
                f"{name} 应为带时区的时间，如 2026-03-14T08:00:00+08:00（地址中的 + 写作 %2B）",
                f"{name} has to be a time with its offset, as 2026-03-14T08:00:00+08:00 (write + as %2B in an address)",
            ),
            name,
        )


def known_parameters(request: Request, known: Iterable[str]) -> None:
    """A misspelt filter must not show everything: refuses what the address does not know."""
    names = sorted(known)
    for name in request.query_params:
        if name not in names:
            shown = name[:40]
            unreadable(
                Text(
                    f"没有 {shown!r} 这个筛选条件；可用：{'、'.join(names)}",
                    f"there is no filter {shown!r}; there are {', '.join(names)}",
                ),
                "query",
            )


def _no_cursor() -> NoReturn:
    unreadable(Text("cursor 不是本接口给出的游标", "cursor is not one this service gave out"), "cursor")
