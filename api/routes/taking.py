"""A list as a file that somebody takes away: streamed in pages, and in the logbook before its first byte leaves."""

from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from api.papers.listing import MEDIA_TYPES, Format, lines, parts, write_book
from api.places import Places
from api.requests import unreadable
from api.trail import Taken, saying_what_is_missing
from engine.errors import Text

#: made at once in a process: a long list takes a processor and a part of the disk, and is whole before its first byte leaves
BOOKS = Places(2)
TOO_MANY = Text(
    "同时导出工作簿的人太多；CSV 不受此限", "too many workbooks are being made at once; CSV is free of that"
)
AsFile = Annotated[
    Format | None,
    Query(alias="format", description="The whole list as a file; who takes it is noted. Pages do not go with it."),
]
#: what a list is answered with beside pages of JSON
FILES: dict[str, Any] = {
    "description": "A page, or with `format` the whole list as a file",
    "content": {media_type.partition(";")[0]: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()},
}


def headers_alone(form: Format) -> Response:
    """What `file_of` would be answered with, for who asks for no more."""
    return Response(media_type=MEDIA_TYPES[form], headers={"Cache-Control": "private, no-store"})


def must_be_whole(request: Request) -> None:
    """Raises InvalidInput where a page of a file is asked for: it would look like the whole list."""
    for name in ("limit", "cursor"):
        if name in request.query_params:
            unreadable(
                Text(f"导出文件总是完整的，不能与 {name} 同用", f"a file is always whole: {name} does not go with it"),
                name,
            )


def file_of(take: Callable[[], Taken], form: Format) -> Response:
    """take    notes who takes it; not asked before there is room to make it. Raises Busy."""
    content: Iterator[bytes]
    if form == "xlsx":
        with BOOKS.one(Text("导出工作簿", "Take a workbook away"), TOO_MANY):
            taken = take()
            book = TemporaryFile()  # noqa: SIM115  # closed by `parts`, when the last of it has left
            try:
                write_book(book, taken.what, taken.columns, taken.pages)
            except BaseException:
                book.close()
                raise
        content = parts(book)
    else:
        taken = take()
        content = lines(form, taken.columns, taken.pages)
    headers = {
        "Content-Disposition": f'attachment; filename="{taken.what}.{form}"', "Bihuan-Rows": str(taken.rows),
        "Cache-Control": "private, no-store", **saying_what_is_missing(taken.unnumbered),
    }  # fmt: skip
    return StreamingResponse(content, headers=headers, media_type=MEDIA_TYPES[form])
