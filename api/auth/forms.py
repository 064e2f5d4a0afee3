"""Reading what our own pages send: a few fields, each once."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from api.auth import cookies
from api.problems import too_large, unsupported_type
from engine.errors import FieldFault, InvalidInput, Text

MOST_BYTES = 20_000  # of a form: a few short fields
MOST_FIELDS = 30
FORM_TYPE = "application/x-www-form-urlencoded"
API = "/api/"

Fields = dict[str, str]


async def fields_of(request: Request) -> Fields:
    """The form's fields, read once however many ask. Raises TooLarge, UnsupportedType, InvalidInput."""
    if not hasattr(request.state, "fields"):
        request.state.fields = _parsed(await _read(request))
    found: Fields = request.state.fields
    return found


async def csrf_shown(request: Request) -> str | None:
    """The token that shows where a request comes from: in its header, or in the form of a page."""
    shown = request.headers.get(cookies.CSRF_HEADER)
    if shown is not None or request.method in cookies.SAFE or request.url.path.startswith(API):
        return shown
    if not any(name.endswith(cookies.SESSION) for name in request.cookies):
        return None  # a stranger's form is not even read
    return (await fields_of(request)).get(cookies.CSRF_FIELD)


async def _read(request: Request) -> bytes:
    media_type = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise unsupported_type(FORM_TYPE)
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BYTES:
                raise too_large(MOST_BYTES)
    except ClientDisconnect:
        raise _misread(Text("连接在提交途中中断", "the connection ended before the form did")) from None
    return bytes(content)


def _parsed(content: bytes) -> Fields:
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content), encoding="utf-8",
            errors="strict", max_num_fields=MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise _misread(Text("表单内容无法读取", "the form cannot be read")) from None
    if len(dict(pairs)) < len(pairs):
        raise _misread(Text("表单中同一项目出现不止一次", "the form says something more than once"))
    return dict(pairs)


def _misread(obstacle: Text) -> InvalidInput:
    return InvalidInput(
        asked=Text("读取表单", "Read the form"),
        obstacle=obstacle,
        remedy=Text("请重新填写后提交", "Fill it in again and send it"),
        fields=(FieldFault("form", obstacle),),
    )


TheFields = Annotated[Fields, Depends(fields_of)]
