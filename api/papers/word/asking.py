"""The server's side of writing Word: it starts the process that does, gives it what to write, and waits only so long.

How many run at once is for whoever asks to bound (`api.papers.making.PLACES`).
"""

import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from api.papers.kinds import Kind, ListKind
from api.papers.paper import (
    Fields,
    Paper,
    Sheet,
    field_of,
    fields_of_paper,
    fields_of_sheet,
    rows_of_sheet,
    values_of_paper,
    values_of_sheet,
)
from api.papers.summary.document import Document, Gap
from engine.errors import Busy, FieldFault, InvalidInput, Text

PATIENCE_SECONDS = 60  # of a clock, on a machine that has other work; the process has twenty of a processor
MODULE = "api.papers.word"
WRITING = Text("生成 Word 文书", "Write a Word paper")
SAMPLE = "示例文字"


def paper_of(kind: Kind, paper: Paper, shown: Mapping[str, bytes], template: bytes | None) -> bytes:
    """The file. Raises Busy, InvalidInput for a template that cannot be used.

    shown      hash → JPEG, of every picture of the paper
    template   the school's own; None for the one that comes with the program
    """
    pictures = {field_of(cell.heading): [_coded(shown[sha]) for sha in cell.pictures] for cell in paper.cells}
    fill = _fill(values_of_paper(paper), pictures=pictures, draft=paper.draft)
    return _asked(template, blank_of(kind), fill)


def sheet_of(kind: ListKind, sheet: Sheet, template: bytes | None) -> bytes:
    """As `paper_of`, of a paper over many cases."""
    fill = _fill(values_of_sheet(sheet), rows_of_sheet(sheet), list(fields_of(kind).rows))
    return _asked(template, blank_of(kind), fill)


def summary_of(summary: Document) -> bytes:
    """A stage summary, to be gone over in Word. Raises Busy."""
    return _answered({"summary": _plainly(summary)}, WRITING, own=False)


def _plainly(summary: Document) -> dict[str, Any]:
    """As the process that writes takes it: of a part its words, and which are to be written by somebody."""
    return {
        "school": summary.school, "title": summary.title, "span": summary.span, "dated": summary.dated, "signature": summary.signature,
        "locked": summary.locked, "numbers": [[line.title, line.count.text] for line in summary.numbers],
        "sections": [
            {
                "heading": section.heading,
                "paragraphs": [
                    {"item": paragraph.item, "parts": [[part.text, isinstance(part, Gap)] for part in paragraph.parts]}
                    for paragraph in section.paragraphs
                ],
            }
            for section in summary.sections
        ],
    }  # fmt: skip


def default_of(kind: Kind | ListKind) -> bytes:
    """The template that comes with the program."""
    return _asked(None, blank_of(kind), None)


def must_fit(kind: Kind | ListKind, content: bytes, asked: Text) -> None:
    """Fill the template in with samples. Raises InvalidInput where that cannot be done, Busy."""
    fields = fields_of(kind)
    rows = [dict.fromkeys(fields.rows, SAMPLE)] * 3 if fields.rows else []
    _asked(content, {}, _fill(dict.fromkeys(fields.plain, SAMPLE), rows, list(fields.rows)), asked)


def fields_of(kind: Kind | ListKind) -> Fields:
    return fields_of_sheet(kind.columns) if isinstance(kind, ListKind) else fields_of_paper(kind.columns)


def blank_of(kind: Kind | ListKind) -> dict[str, Any]:
    """What a default template is drawn from."""
    if isinstance(kind, Kind):
        return {"layout": kind.layout, "stamped": kind.stamped}
    return {"groups": kind.groups, "widths": [kind.widths[column] for column in kind.columns]}


def _fill(
    plain: Mapping[str, str],
    rows: Sequence[Mapping[str, str]] = (),
    row_fields: Sequence[str] = (),
    pictures: Mapping[str, Sequence[str]] | None = None,
    draft: str = "",
) -> dict[str, Any]:
    return {"plain": plain, "rows": rows, "row_fields": row_fields, "pictures": pictures or {}, "draft": draft}


def _coded(content: bytes) -> str:
    return b64encode(content).decode()


def _asked(
    template: bytes | None, blank: Mapping[str, Any], fill: Mapping[str, Any] | None, asked: Text = WRITING
) -> bytes:
    request = {"template": None if template is None else _coded(template), "blank": blank, "fill": fill}
    return _answered(request, asked, own=template is not None)


def _answered(request: Mapping[str, Any], asked: Text, *, own: bool) -> bytes:
    told = _told(orjson.dumps(request), asked, own=own)
    if "file" in told:
        return b64decode(told["file"])
    obstacle, remedy = Text(**told["obstacle"]), Text(**told["remedy"])
    raise InvalidInput(asked=asked, obstacle=obstacle, remedy=remedy, fields=(FieldFault("template", obstacle),))


def _told(request: bytes, asked: Text, *, own: bool) -> dict[str, Any]:
    """What the process answers. One that ends without an answer took too much, and of a school's own template that is said."""
    try:
        # -P: what lies where the server was started is not imported
        done = subprocess.run(  # noqa: S603  ourselves, with no word of anybody's on the command line
            [sys.executable, "-P", "-m", MODULE], input=request, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Busy(
            asked=asked,
            obstacle=Text("生成所用时间过长", "it takes too long"),
            remedy=Text("请稍后再试，或改用 Excel", "Ask again in a moment, or take it as Excel"),
        ) from None
    if done.returncode == 0:
        told: dict[str, Any] = orjson.loads(done.stdout)
        return told
    if not own:
        raise RuntimeError(f"the process that writes Word failed: {done.stderr.decode(errors='replace')[-2000:]}")
    fault = Text("填写该模板超出了时间或内存限制", "filling this template in takes more time or memory than there is")
    raise InvalidInput(
        asked=asked, obstacle=fault, fields=(FieldFault("template", fault),),
        remedy=Text("请精简模板，或恢复默认模板", "Make it simpler, or go back to the default template"),
    )  # fmt: skip
