"""Reading what our own pages send: fields, each once unless a page asks for several, and files."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from api.auth import cookies
from api.problems import too_large, unsupported_type
from engine.errors import FieldFault, InvalidInput, Text

MOST_BYTES = 1_000_000  # of a form's words: the longest sheet has a note and a place for each of its hundred items
MOST_STRANGERS_BYTES = 20_000  # a name and a password
MOST_FIELDS = 1000
MOST_STRANGERS_FIELDS = 30
MOST_STRANGERS_FILES = 9  # where a stranger may send any; the page says how many it takes
MOST_STRANGERS_FILE_BYTES = 32 * 1024 * 1024
MOST_FILES = 210  # a sheet takes a picture of each item
MOST_FILE_BYTES = 64 * 1024 * 1024  # all pictures of one form together; each by itself is held to its own limit
FORM_TYPE = "application/x-www-form-urlencoded"
FILES_TYPE = "multipart/form-data"
API = "/api/"

TAKES_FILES = "takes_files"  # in a request's state: whoever asks has shown what lets a stranger send pictures

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file as the browser sent it. `media_type` is what it says, not what it is."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A form as it came: by name, in the order of the page."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, tuple[SentFile, ...]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The last that was said under this name; "" if nothing was."""
        return self.values.get(name, ("",))[-1]


async def sent_of(request: Request) -> Sent:
    """The form with its files, read once however many ask. Raises TooLarge, UnsupportedType, InvalidInput."""
    if not hasattr(request.state, "sent"):
        request.state.sent = await _read(request)
    found: Sent = request.state.sent
    return found


async def fields_of(request: Request) -> Fields:
    """The fields of a form that asks for nothing twice. Raises TooLarge, UnsupportedType, InvalidInput."""
    sent = await sent_of(request)
    if any(len(values) > 1 for values in sent.values.values()):
        raise _misread(Text("表单中同一项目出现不止一次", "the form says something more than once"))
    return {name: values[0] for name, values in sent.values.items()}


async def csrf_shown(request: Request) -> str | None:
    """The token that shows where a request comes from: in its header, or in the form of a page."""
    shown = request.headers.get(cookies.CSRF_HEADER)
    if shown is not None or request.method in cookies.SAFE or request.url.path.startswith(API):
        return shown
    return (await sent_of(request)).one(cookies.CSRF_FIELD) or None


async def _read(request: Request) -> Sent:
    media_type = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    known = hasattr(request.state, "asker")  # of strangers no more is read than a name and a password need
    with_files = known or getattr(request.state, TAKES_FILES, False)
    if media_type == FILES_TYPE and with_files:
        return await _read_with_files(request, known=known)
    if media_type != FORM_TYPE:
        raise unsupported_type(f"{FORM_TYPE}, {FILES_TYPE}" if with_files else FORM_TYPE)
    most = MOST_BYTES if known else MOST_STRANGERS_BYTES
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise too_large(most)
    except ClientDisconnect:
        raise _misread(_CUT_OFF) from None
    return Sent(_parsed(bytes(content), MOST_FIELDS if known else MOST_STRANGERS_FIELDS))


def _parsed(content: bytes, most_fields: int) -> Mapping[str, tuple[str, ...]]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content), encoding="utf-8",
            errors="strict", max_num_fields=most_fields,
        )  # fmt: skip
    except ValueError:
        raise _misread(_UNREADABLE) from None
    return _grouped(pairs)


async def _read_with_files(request: Request, *, known: bool) -> Sent:
    most = MOST_FILE_BYTES if known else MOST_STRANGERS_FILE_BYTES
    if int(request.headers.get("content-length") or 0) > most:
        raise too_large(most)
    read = 0

    async def bounded() -> AsyncGenerator[bytes]:
        nonlocal read
        async for chunk in request.stream():
            read += len(chunk)
            if read > most:
                raise too_large(most)
            yield chunk

    parser = MultiPartParser(
        request.headers, bounded(), max_files=MOST_FILES if known else MOST_STRANGERS_FILES,
        max_fields=MOST_FIELDS if known else MOST_STRANGERS_FIELDS,
        max_part_size=MOST_BYTES if known else MOST_STRANGERS_BYTES,
    )  # fmt: skip
    try:
        form = await parser.parse()
    except ClientDisconnect:
        raise _misread(_CUT_OFF) from None
    except (MultiPartException, UnicodeError, KeyError):
        raise _misread(_UNREADABLE) from None
    try:
        return await _taken_over(form)
    finally:
        await form.close()


async def _taken_over(form: FormData) -> Sent:
    pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    files: dict[str, list[SentFile]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and (value.filename or value.size):  # a browser sends an empty one for none
            sent = SentFile(value.filename or "", value.content_type or "", await value.read())
            files.setdefault(name, []).append(sent)
    return Sent(_grouped(pairs), {name: tuple(found) for name, found in files.items()})


def _grouped(pairs: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


_CUT_OFF = Text("连接在提交途中中断", "the connection ended before the form did")
_UNREADABLE = Text("表单内容无法读取", "the form cannot be read")


def _misread(obstacle: Text) -> InvalidInput:
    return InvalidInput(
        asked=Text("读取表单", "Read the form"),
        obstacle=obstacle,
        remedy=Text("请重新填写后提交", "Fill it in again and send it"),
        fields=(FieldFault("form", obstacle),),
    )


TheFields = Annotated[Fields, Depends(fields_of)]
TheSent = Annotated[Sent, Depends(sent_of)]
