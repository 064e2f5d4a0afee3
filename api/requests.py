"""Reading a request: body, keys, revisions, cursors. What cannot be read is refused in words before anything is asked."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Depends, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.requests import ClientDisconnect

from api.auth import runtime_of
from api.evidence.documents import EXTENSIONS
from api.evidence.names import name_said
from api.evidence.store import Kind
from api.problems import too_large, unsupported_type
from engine.case import CASE_NUMBER, WITHIN
from engine.clock import utc
from engine.definition import Form, said
from engine.errors import FieldFault, InvalidInput, Text
from engine.machine import among_of
from engine.store.questions import Place

Read = TypeVar("Read", bound=BaseModel)

MAX_BODY_BYTES = 1_000_000  # forms are text; pictures and documents go to /files
MAX_STRANGERS_BYTES = 20_000  # who is not signed in sends a name and a password
KEY = re.compile(r"[\x21-\x7e]{1,128}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
REVISION = re.compile(r'(?:W/)?"(\d{1,9})"')
UPLOADED = ("image/jpeg", "image/png", "image/webp", *EXTENSIONS)
IN_CAMPAIGN = WITHIN  # may stand in every body that opens a case: the campaign it is opened in
FOUND_AT = "found_at"  # may stand in every body: when the asker says he found it, a claim


async def read_bytes(request: Request, limit_bytes: int) -> bytes:
    """The body, read no further than the limit. Raises TooLarge."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
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


# Who asks is known before any of these is asked: `app.must_be_closed` sees to it. None of them names it as a need of its own,
# since FastAPI would go through it again for each, which took a tenth of a request's time; and commands, which are what is
# asked most, call these themselves.


async def answers_of(request: Request) -> dict[str, Any]:
    return await _read_answers(request, MAX_BODY_BYTES)


async def _strangers_answers(request: Request) -> dict[str, Any]:
    return await _read_answers(request, MAX_STRANGERS_BYTES)


async def _read_answers(request: Request, limit_bytes: int) -> dict[str, Any]:
    content = await read_bytes(request, limit_bytes)
    if not content.strip():
        return {}
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise unsupported_type("application/json")
    return parsed(content)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent. `name`: what its sender calls it, made harmless; "" if he does not say."""

    content: bytes
    kind: Kind
    name: str


async def _upload(request: Request) -> Upload:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    settings = runtime_of(request).settings
    kind: Kind
    if media_type.startswith("image/"):
        kind, limit_bytes = "picture", settings.max_upload_bytes
    elif media_type in EXTENSIONS:
        kind, limit_bytes = "document", settings.max_document_bytes
    else:
        raise unsupported_type(", ".join(UPLOADED))
    content = await read_bytes(request, limit_bytes)
    return Upload(content, kind, name_said(request.headers.get("content-disposition", "")))


def parsed(content: bytes) -> dict[str, Any]:
    """A JSON object of nothing but text, whole and broken numbers, lists and objects. Raises InvalidInput."""
    try:
        value = json.loads(content, parse_constant=_no_number, object_pairs_hook=_said_once)
        json.dumps(value, ensure_ascii=False).encode()  # half a character (a lone surrogate) could not be written down
    except (ValueError, RecursionError):
        unreadable(Text("正文不是有效的 JSON", "the body is not valid JSON"))
    if not isinstance(value, dict):
        unreadable(Text("正文应为 JSON 对象", "the body has to be a JSON object"))
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose every name stands once: of two answers to one question nobody can say which was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = [name[:40] for name, times in counted.items() if times > 1][:9]
        unreadable(
            Text(
                f"正文中 {'、'.join(map(repr, twice))} 出现不止一次",
                f"the body says {', '.join(map(repr, twice))} more than once",
            )
        )
    return found


ONLY_HEADERS = "bihuan.only_headers"  # in the scope of a request that was HEAD and is answered as GET


def takes_nothing(request: Request) -> bool:
    """Whether just the headers were asked for: then nothing is taken away, and nobody noted as having taken it."""
    return ONLY_HEADERS in request.scope


NO_FIELD = "body"  # what a fault is called that is of the whole request
#: what a request is refused for that could not be read; a page, on which people fill in a form, calls it by the form's title
READING = Text("读取请求", "Read the request")


def unreadable(
    obstacle: Text, field: str = NO_FIELD, *, what: Text | None = None, among: Sequence[str] = ()
) -> NoReturn:
    """what    is wrong with the field, where the obstacle names it besides"""
    raise InvalidInput(
        asked=READING,
        obstacle=obstacle,
        remedy=Text("请改正后重新提交", "Correct it and send it again"),
        fields=(FieldFault(field, what or obstacle, tuple(among)),),
    )


def read_as(model: type[Read], answers: Mapping[str, Any], words: Mapping[str, Text]) -> Read:
    """A body that is no form. Raises InvalidInput naming each field."""
    try:
        return model.model_validate(answers)
    except ValidationError as error:
        raise misread(
            [fault_of(".".join(str(part) for part in item["loc"]), item, words) for item in error.errors()]
        ) from error


def fault_of(field: str, item: Mapping[str, Any], words: Mapping[str, Text]) -> FieldFault:
    """What pydantic found, in our words where there are any."""
    context = {key: str(value) for key, value in item.get("ctx", {}).items()}
    if item["type"] == "said":
        return FieldFault(field or NO_FIELD, Text(context["zh"], context["en"]))
    text = words.get(item["type"]) or Text(item["msg"], item["msg"])
    # pydantic lists choices in English: 'a', 'b' or 'c'
    listed = {name: value.replace("', '", "'、'").replace("' or '", "'、'") for name, value in context.items()}
    what = Text(text.zh.format(**listed), text.en.format(**context))
    return FieldFault(field or NO_FIELD, what, among_of(item["type"], context))


def misread_of(error: RequestValidationError, words: Mapping[str, Text]) -> InvalidInput:
    """What FastAPI could not read of an address."""
    return misread([fault_of(".".join(str(part) for part in item["loc"][1:]), item, words) for item in error.errors()])


def misread(faults: Sequence[FieldFault]) -> InvalidInput:
    return InvalidInput(
        asked=READING,
        obstacle=Text(
            "；".join(f"{f.field} {f.what.zh}" for f in faults), "; ".join(f"{f.field} {f.what.en}" for f in faults)
        ),
        remedy=Text("请改正后重新提交", "Correct it and send it again"),
        fields=faults,
    )


def in_its_words(refusal: InvalidInput, form: type[Form]) -> InvalidInput:
    """The same refusal, each fault under its field's label: who fills in a form does not know the field's name."""
    told = [(*_label(form, fault.field), fault.what) for fault in refusal.fields]
    return InvalidInput(
        asked=refusal.asked,
        obstacle=Text(
            "；".join(f"{zh}：{what.zh}" for zh, _, what in told), "; ".join(f"{en}: {what.en}" for _, en, what in told)
        ),
        remedy=refusal.remedy,
        fields=refusal.fields,
    )


def for_a_page(refusal: InvalidInput, form: type[BaseModel], asked: Text) -> InvalidInput:
    """The same refusal for who fills in a page: under labels alone, since no name of a field ever stood before him."""
    told = [(label_of(form, fault.field), fault.what) for fault in refusal.fields]
    return InvalidInput(
        asked=asked,
        obstacle=Text(
            "；".join(f"{label.zh}：{what.zh}" for label, what in told),
            "; ".join(f"{label.en}: {what.en}" for label, what in told),
        ),
        remedy=refusal.remedy,
        fields=refusal.fields,
    )


def label_of(form: type[BaseModel], path: str) -> Text:
    info = form.model_fields.get(path.split(".", maxsplit=1)[0])
    extra = info.json_schema_extra if info is not None else None
    if not isinstance(extra, dict) or "zh" not in extra:
        return Text(path, path)
    return Text(str(extra["zh"]), str(extra["en"]))


def _label(form: type[Form], path: str) -> tuple[str, str]:
    """A field as people know it, and its name beside it: `隐患描述（title）`."""
    info = form.model_fields.get(path.split(".", maxsplit=1)[0])
    extra = info.json_schema_extra if info is not None else None
    if path == NO_FIELD:
        return "正文", "the body"
    if path == IN_CAMPAIGN:
        return f"所属专项行动（{path}）", f"campaign ({path})"
    if not isinstance(extra, dict) or "zh" not in extra:
        return path, path
    return f"{extra['zh']}（{path}）", f"{extra['en']} ({path})"


def take_found_at(answers: dict[str, Any]) -> tuple[dict[str, Any], datetime | None]:
    """(the form's answers, the claimed instant) of a body that may carry both."""
    if FOUND_AT not in answers:
        return answers, None
    rest = {name: value for name, value in answers.items() if name != FOUND_AT}
    claimed = answers[FOUND_AT]
    if claimed is None:
        return rest, None
    try:
        if not isinstance(claimed, str):
            raise ValueError(claimed)
        return rest, utc(datetime.fromisoformat(claimed))
    except (ValueError, OverflowError):
        unreadable(
            Text(
                f"{FOUND_AT} 应为带时区的时间，如 2026-03-14T08:00:00+08:00",
                f"{FOUND_AT} has to be a time with its offset, as 2026-03-14T08:00:00+08:00",
            ),
            FOUND_AT,
            what=Text("应为带时区的时间", "has to be a time with its offset"),
        )


def take_within(answers: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """(the form's answers, the campaign's number) of a body that opens a case and may carry both."""
    if IN_CAMPAIGN not in answers:
        return answers, None
    rest = {name: value for name, value in answers.items() if name != IN_CAMPAIGN}
    number = answers[IN_CAMPAIGN]
    if number is not None and not (isinstance(number, str) and CASE_NUMBER.fullmatch(number)):
        unreadable(
            Text(
                f"{IN_CAMPAIGN} 应为专项行动的编号，如 ZX-2026-0001",
                f"{IN_CAMPAIGN} has to be the number of a campaign, as ZX-2026-0001",
            ),
            IN_CAMPAIGN,
            what=Text("应为专项行动的编号，如 ZX-2026-0001", "has to be the number of a campaign, as ZX-2026-0001"),
        )
    return rest, number


async def key_of(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        unreadable(
            Text(
                "Idempotency-Key（幂等键）应为 1 至 128 个可见 ASCII 字符",
                "Idempotency-Key has to be 1 to 128 visible ASCII characters",
            ),
            "Idempotency-Key",
        )
    return key


def expected_revision_of(request: Request) -> int | None:
    expected = request.headers.get("if-match")
    if expected is None or expected.strip() == "*":
        return None
    matched = REVISION.fullmatch(expected.strip())
    if matched is None:
        unreadable(
            Text('If-Match 应为带引号的版本号，如 "7"，或 *', 'If-Match has to be a quoted revision such as "7", or *'),
            "If-Match",
        )
    return int(matched[1])


Answers = Annotated[dict[str, Any], Depends(answers_of)]
Uploaded = Annotated[Upload, Depends(_upload)]
StrangersAnswers = Annotated[dict[str, Any], Depends(_strangers_answers)]
Key = Annotated[str | None, Depends(key_of)]


# --- cursors -------------------------------------------------------------------------------------------------------------


def cursor_of(after: tuple[datetime | None, str]) -> str:
    """Where a page ended, as an opaque word."""
    instant, number = after
    told = json.dumps([instant and instant.isoformat(), number]).encode()
    return base64.urlsafe_b64encode(told).decode().rstrip("=")


def after_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Where a page of cases by their opening ended."""
    after = due_cursor(cursor)
    if after is None:
        return None
    instant, number = after
    if instant is None:
        no_cursor()
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
        no_cursor()


def place_cursor(place: Place) -> str:
    """Where a page of the trail ended."""
    told = json.dumps([place.at.isoformat(), place.refused, place.id]).encode()
    return base64.urlsafe_b64encode(told).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        instant, refused, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(refused, bool) or type(number) is not int or not 0 <= number < _MOST:
            raise ValueError(number)
        return Place(utc(datetime.fromisoformat(instant)), refused, number)
    except (ValueError, TypeError, OverflowError, RecursionError):
        no_cursor()


_MOST = 2**31  # what the narrowest column of a number takes


def without_nul(word: str | None) -> str | None:
    """What one kind of database cannot look for is looked for by none."""
    if word is not None and "\0" in word:
        raise said(Text("含有空字符", "holds a NUL character"))
    return word


def _instant(value: Any) -> datetime:
    """A query's instant, RFC 3339 with its offset and nothing looser; also one that UTC cannot hold is refused."""
    try:
        if not isinstance(value, str) or not RFC3339.fullmatch(value):
            raise ValueError(value)
        return utc(datetime.fromisoformat(value.upper()))
    except (ValueError, OverflowError) as error:
        raise said(
            Text(
                "应为带时区的时间，如 2026-03-14T08:00:00+08:00（地址中的 + 写作 %2B）",
                "has to be a time with its offset, as 2026-03-14T08:00:00+08:00 (in an address, write + as %2B)",
            )
        ) from error


Instant = Annotated[datetime, BeforeValidator(_instant)]


def _day_or_instant(value: Any) -> date | datetime:
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise said(Text("没有这一天", "there is no such day")) from error
    return _instant(value)


DayOrInstant = Annotated[date | datetime, BeforeValidator(_day_or_instant)]


async def known_parameters(request: Request) -> None:
    """A misspelt filter, overlooked, would show everything: refuses what this address does not know."""
    if request.method != "GET" or not request.query_params:  # an answer to HEAD is made by GET
        return
    known = sorted(field.alias for field in get_flat_params(request.scope["route"].dependant) if _is_query(field))
    strange = sorted({name for name in request.query_params if name not in known})
    if strange:
        named = [repr(name[:40]) for name in strange]
        there_are = Text("可用：" + "、".join(known), "there are " + ", ".join(known)) if known else NO_PARAMETERS
        unreadable(
            Text(
                f"没有参数 {'、'.join(named)}；{there_are.zh}",
                f"there is no parameter {', '.join(named)}; {there_are.en}",
            ),
            strange[0],
            what=NOT_KNOWN,
        )


def _is_query(field: Any) -> bool:
    return isinstance(field.field_info, Query)


NOT_KNOWN = Text("没有这个参数", "there is no such parameter")
NO_PARAMETERS = Text("该地址不带参数", "this address takes none")


def known_tag(said: str, etag: str) -> bool:
    """Whether `If-None-Match` says that the asker has it already (RFC 9110 13.1.2, which compares weakly)."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in said.split(","))


def no_cursor() -> NoReturn:
    unreadable(Text("cursor 不是本接口给出的游标", "cursor is not one this service gave out"), "cursor")
