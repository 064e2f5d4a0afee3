"""Reading what our own pages send: fields, each once unless a page asks for several, and files.

Files lie on the disk while their request is answered, and are read one at a time: what a process has in memory does not grow
with how many send at once. How many send at once is bounded, and how long each may take.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from api.auth import cookies
from api.auth.addresses import place_of
from api.places import Places
from api.problems import too_large, unsupported_type
from engine.errors import FieldFault, InvalidInput, Text

MOST_IN_MEMORY_BYTES = 64 * 1024  # of a file; the rest of it lies on the disk
LIGHT_BYTES = 100_000  # of a form: words and no picture, which a process has room for however many come at once
FORM_TYPE = "application/x-www-form-urlencoded"
FILES_TYPE = "multipart/form-data"
API = "/api/"

TAKES_FILES = "takes_files"  # in a request's state: whoever asks has shown what lets a stranger send pictures

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a form is read.

    words_bytes    of its words: all of them together, and in a form with files each
    fields, files  how many
    files_bytes    of all its files together; each by itself is held to its own limit
    seconds        for a form with files to come in whole, on a poor line
    places         of forms with files that come in at the same time, in a process; what is announced as light needs none
    """

    words_bytes: int
    fields: int
    files: int
    files_bytes: int
    seconds: float
    places: Places


#: the longest sheet has a note, a place and a picture for each of its hundred items
KNOWN = Bounds(1_000_000, 1000, 210, 64 * 1024 * 1024, 900, Places(32))
#: a name and a password; where pictures are taken of them, the page says how many it takes. From one address come at most half
#: of them, though it may be a whole school's: twelve that send nothing on would else keep everybody out
STRANGERS = Bounds(20_000, 30, 9, 32 * 1024 * 1024, 300, Places(12, each=6))


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file as the browser sent it, there until its request is answered.

    media_type    what it says, not what it is
    size_bytes    how much came
    """

    name: str
    media_type: str
    size_bytes: int
    file: BinaryIO = field(repr=False)

    def read(self) -> bytes:
        """All of it, as often as it is asked for."""
        self.file.seek(0)
        return self.file.read()


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


async def put_away(scope: Mapping[str, Any]) -> None:
    """Remove from the disk what came with a request that is answered."""
    form = scope.get("state", {}).get(_FORM)
    if form is not None:
        await form.close()


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
    bounds = KNOWN if known else STRANGERS
    if media_type == FILES_TYPE and with_files:
        return await read_with_files(request, bounds)
    if media_type != FORM_TYPE:
        raise unsupported_type(f"{FORM_TYPE}, {FILES_TYPE}" if with_files else FORM_TYPE)
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > bounds.words_bytes:
                raise too_large(bounds.words_bytes)
    except ClientDisconnect:
        raise _misread(_CUT_OFF) from None
    return Sent(_parsed(bytes(content), bounds.fields))


def _parsed(content: bytes, most_fields: int) -> Mapping[str, tuple[str, ...]]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content), encoding="utf-8",
            errors="strict", max_num_fields=most_fields,
        )  # fmt: skip
    except ValueError:
        raise _misread(_UNREADABLE) from None
    return _grouped(pairs)


def is_light(request: Request) -> bool:
    """Whether it is announced that so little comes that it is read in any case, and what was written is shown again."""
    announced = request.headers.get("content-length", "")
    return announced.isdecimal() and int(announced) <= LIGHT_BYTES


async def read_with_files(request: Request, bounds: Bounds) -> Sent:
    """Its files are there until `put_away`. Raises TooLarge, InvalidInput; Busy where too many come in at once."""
    if int(request.headers.get("content-length") or 0) > bounds.files_bytes:
        raise too_large(bounds.files_bytes)
    whose = place_of(request.client.host) if request.client else ""
    with nullcontext() if is_light(request) else bounds.places.one(_READING, _TOO_MANY, whose):
        try:
            async with asyncio.timeout(bounds.seconds):
                form = await _parsed_with_files(request, bounds)
        except TimeoutError:
            raise _misread(_TOO_SLOW) from None
    setattr(request.state, _FORM, form)
    return _taken_over(form)


async def _parsed_with_files(request: Request, bounds: Bounds) -> FormData:
    read = 0

    async def bounded() -> AsyncGenerator[bytes]:
        nonlocal read
        async for chunk in request.stream():
            read += len(chunk)
            if read > bounds.files_bytes:
                raise too_large(bounds.files_bytes)
            yield chunk

    parser = _Parser(
        request.headers, bounded(), max_files=bounds.files, max_fields=bounds.fields, max_part_size=bounds.words_bytes
    )
    whole = False
    try:
        form = await parser.parse()
        whole = True
        return form
    except ClientDisconnect:
        raise _misread(_CUT_OFF) from None
    except (MultiPartException, UnicodeError, KeyError):
        raise _misread(_UNREADABLE) from None
    finally:
        if not whole:
            parser.put_away()


def _taken_over(form: FormData) -> Sent:
    pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    files: dict[str, list[SentFile]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and (value.filename or value.size):  # a browser sends an empty one for none
            sent = SentFile(value.filename or "", value.content_type or "", value.size or 0, value.file)
            files.setdefault(name, []).append(sent)
    return Sent(_grouped(pairs), {name: tuple(found) for name, found in files.items()})


def _grouped(pairs: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


class _Parser(MultiPartParser):
    spool_max_size = MOST_IN_MEMORY_BYTES

    def put_away(self) -> None:
        """The files of a form that did not come in whole; by itself it does so only for one that is malformed."""
        for file in self._files_to_close_on_error:
            file.close()


_FORM = "form_with_files"  # in a request's state
_READING = Text("读取表单", "Read the form")
_TOO_MANY = Text("同时上传照片的人太多", "too many are sending pictures at once")
_TOO_SLOW = Text("上传太慢，已超时", "it took too long to come in")
_CUT_OFF = Text("连接在提交途中中断", "the connection ended before the form did")
_UNREADABLE = Text("表单内容无法读取", "the form cannot be read")


def _misread(obstacle: Text) -> InvalidInput:
    return InvalidInput(
        asked=_READING,
        obstacle=obstacle,
        remedy=Text("请重新填写后提交", "Fill it in again and send it"),
        fields=(FieldFault("form", obstacle),),
    )


TheFields = Annotated[Fields, Depends(fields_of)]
TheSent = Annotated[Sent, Depends(sent_of)]
