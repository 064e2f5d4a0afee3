"""Long lists as files: CSV, JSON lines or a workbook, written page by page, so that any length takes the same memory."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Literal, get_args

from pydantic import BaseModel

from api.papers import sheets

Format = Literal["csv", "jsonl", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: heading, and what stands under it of one item
Column = tuple[str, Callable[[Any], object]]
Pages = Iterable[Sequence[BaseModel]]

MARK = b"\xef\xbb\xbf"  # without it spreadsheet programs read UTF-8 as something else
#: what a cell begins with that a spreadsheet program would carry out; some take the wide characters of Chinese keyboards, too
#: (https://owasp.org/www-community/attacks/CSV_Injection)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MOST_ROWS = 1_000_000  # on one sheet: programs take 1,048,576
WIDTH = 20  # characters
PART_BYTES = 65_536


def lines(form: Literal["csv", "jsonl"], columns: Sequence[Column], pages: Pages) -> Iterator[bytes]:
    """The file in parts, one a page."""
    if form == "jsonl":
        for page in pages:
            yield "".join(f"{item.model_dump_json()}\n" for item in page).encode()
        return
    yield MARK + _rows([[heading for heading, _ in columns]])
    for page in pages:
        yield _rows([[harmless(_text(cell(item))) for _, cell in columns] for item in page])


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def harmless(text: str) -> str:
    """A cell that no spreadsheet program takes for a formula: with an apostrophe before it, which they do not show."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(value: object) -> str:
    return "" if value is None else str(value)


def write_book(file: BinaryIO, title: str, columns: Sequence[Column], pages: Pages) -> None:
    """A workbook, a further sheet for each million rows. Every cell is a string, whatever it begins with."""
    with sheets.begun(file, row_by_row=True) as book:
        head = book.add_format({"bold": True, "border": 1, "bg_color": "#E7EEF7"})
        sheet, row = None, 0
        for item in _items(pages):
            if sheet is None or row > MOST_ROWS:
                sheet, row = _sheet(book, title, columns, head), 1
            for index, (_, cell) in enumerate(columns):
                sheet.write_string(row, index, _text(cell(item)))
            row += 1
        if sheet is None:
            _sheet(book, title, columns, head)


def _items(pages: Pages) -> Iterator[BaseModel]:
    for page in pages:
        yield from page


def _sheet(book: Any, title: str, columns: Sequence[Column], head: Any) -> Any:
    number = len(book.worksheets()) + 1
    sheet = book.add_worksheet(title if number == 1 else f"{title} {number}")
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(columns) - 1, WIDTH)
    for index, (heading, _) in enumerate(columns):
        sheet.write_string(0, index, heading, head)
    return sheet


def parts(file: BinaryIO) -> Iterator[bytes]:
    """A file that was written, from its beginning; closed at its end."""
    with file:
        file.seek(0)
        while part := file.read(PART_BYTES):
            yield part
