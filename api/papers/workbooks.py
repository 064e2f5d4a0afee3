"""Workbooks that somebody else made: told apart from what only looks like one, and read without trusting what they say of
themselves.
"""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from api.causes import cause_of
from api.papers import sheets
from engine.errors import FolderError, Text

T = TypeVar("T")

LARGEST_FILE = 20 * 1024 * 1024  # bytes as sent; 5,000 people take a third of a megabyte
LARGEST_UNPACKED = 300 * 1024 * 1024  # bytes; a workbook is a zip, and a small one can unpack to anything
MOST_LINES = 200_000  # of a .csv
LONGEST_CELL = 32_767  # characters that a cell of a workbook takes
MOST_PARTS = 2_000  # files inside the zip
MOST_COLUMNS = 100
BLANK_ROWS = 1_000  # so many in a row and the list is over: formats often reach down to the last row of the sheet
MOST_REMARKABLE = 100_000  # hidden rows and merged cells that are kept in mind; no list of a school has so many
LONGEST_TAG = 500  # bytes
OLD_EXCEL = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and also an .xlsx under a password
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ZIP = b"PK\x03\x04"

_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile(r"[\r\n]+")
_LAYOUT = re.compile(rb"<(?:\w+:)?(?:row|mergeCell)\s[^>]*>")
_ROW_NUMBER, _HIDDEN = re.compile(rb"\sr=[\"'](\d+)"), re.compile(rb"\shidden=[\"'](?:1|true)[\"']")
_MERGED = re.compile(rb"\sref=[\"']([A-Z]+)(\d+):([A-Z]+)(\d+)[\"']")


@dataclass(frozen=True, slots=True)
class Merged:
    """Cells that are one: rows as Excel numbers them, columns from 0, both ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What a sheet shows that no cell says.

    hidden   rows that are hidden or filtered away, by number
    """

    hidden: frozenset[int]
    merged: tuple[Merged, ...]


def read_workbook(path: Path, called: Text, read: Callable[[Any, Any], T]) -> T:
    """What `read` makes of the workbook as its cells show it, and as they were written.

    called   what such a file is called
    Raises   FolderError for a file that is no workbook, or is damaged
    """
    must_be_a_workbook(path, called)
    # not above: a process that serves reads a workbook seldom, and would carry 9 MB more at all times
    import openpyxl  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about drop-downs and styles it does not carry; nothing we read
            values = openpyxl.load_workbook(path, read_only=True, data_only=True)
            formulas = openpyxl.load_workbook(path, read_only=True)
            try:
                return read(values, formulas)
            finally:
                values.close()
                formulas.close()
    except FolderError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a reader of foreign files raises whatever it stumbles over: KeyError, ParseError, …
        raise unusable(
            path, called, Text("文件已损坏，无法读取", "it is damaged and cannot be read"),
            Text("请用 Excel 或 WPS 打开后另存为 .xlsx", "Open it in a spreadsheet program and save it as .xlsx again"),
        ) from error  # fmt: skip


def of_csv(path: Path, called: Text, to: Path) -> None:
    """Write what a .csv says into a workbook, each cell as text, row by row. Raises FolderError for what is none.

    Spreadsheet programs in China save it in GB 18030, others in UTF-8; cells stand apart by commas, semicolons or tabs.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST_FILE else None
    except OSError as error:
        raise unusable(
            path, called, cause_of(error), Text("请检查路径和权限", "Check its path and permissions")
        ) from error
    save_as = Text("请在 Excel 或 WPS 中另存为 .xlsx 后再导入", "Save it as .xlsx in a spreadsheet program first")
    if content is None:
        raise unusable(path, called, Text("文件过大", "it is too large"), save_as)
    if content.startswith((ZIP, OLD_EXCEL)):
        raise unusable(path, called, Text("这不是 .csv，而是工作簿", "it is no .csv, but a workbook"), save_as)
    text = _decoded(content)
    if text is None or "\0" in text:
        raise unusable(path, called, Text("这不是文本", "it is no text"), save_as)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise unusable(path, called, Text("文件是空的", "it is empty"), save_as)
    apart = max(",;\t", key=first.count)
    try:
        with sheets.begun(to, row_by_row=True) as book:
            sheet = book.add_worksheet("CSV")
            for row, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=apart)):
                if row >= MOST_LINES:
                    raise unusable(path, called, Text("行数过多", "it has too many lines"), save_as)
                for column, cell in enumerate(cells[:MOST_COLUMNS]):
                    sheet.write_string(row, column, seen(cell)[:LONGEST_CELL])
    except csv.Error as error:
        raise unusable(path, called, Text("无法读取", "it cannot be read"), save_as) from error


def _decoded(content: bytes) -> str | None:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def must_be_a_workbook(path: Path, called: Text) -> None:
    """Raises FolderError for what is no .xlsx, saying what it is, and for one that would unpack to too much."""
    save_as = Text("请在 Excel 或 WPS 中另存为 .xlsx 后再导入", "Save it as .xlsx in a spreadsheet program first")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            rest = file.read(LARGEST_FILE) if start == OLD_EXCEL else b""
    except OSError as error:
        raise unusable(
            path, called, cause_of(error), Text("请检查路径和权限", "Check its path and permissions")
        ) from error
    if size > LARGEST_FILE:
        limit = LARGEST_FILE // 1024 // 1024
        raise unusable(
            path, called, Text(f"文件超过 {limit} MB", f"it is larger than {limit} MB"),
            Text(f"请只保留{called.zh}，删去图片和其他工作表", "Keep the list alone, without pictures and other sheets"),
        )  # fmt: skip
    if start == OLD_EXCEL and ENCRYPTED in rest:
        raise unusable(
            path, called, Text("工作簿设有打开密码", "it is locked with a password"),
            Text("请在 Excel 或 WPS 中去掉打开密码后另存", "Remove the password and save it again"),
        )  # fmt: skip
    if start == OLD_EXCEL:
        raise unusable(path, called, Text("这是旧版 .xls 文件", "it is a workbook of the old kind (.xls)"), save_as)
    if not start:
        raise unusable(path, called, Text("文件是空的", "it is empty"), save_as)
    if not start.startswith(ZIP):
        what = Text(
            "这不是 .xlsx 工作簿（可能是 .csv 或改了扩展名的文件）",
            "it is no .xlsx workbook, but perhaps a .csv, or renamed",
        )
        raise unusable(path, called, what, save_as)
    try:
        with zipfile.ZipFile(path) as parts:
            inside = parts.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise unusable(
            path, called, Text("文件不完整", "it is cut off"), Text("请重新下载或另存", "Save it again")
        ) from error
    if not any(part.filename.lower() == "xl/workbook.xml" for part in inside):
        raise unusable(path, called, Text("这不是 .xlsx 工作簿", "it is no .xlsx workbook"), save_as)
    if len(inside) > MOST_PARTS or sum(part.file_size for part in inside) > LARGEST_UNPACKED:
        limit = LARGEST_UNPACKED // 1024 // 1024
        raise unusable(
            path, called, Text(f"解压后超过 {limit} MB，不像{called.zh}", f"it unpacks to more than {limit} MB, as no such list does"),
            Text(f"请将{called.zh}复制到新工作簿后再导入", "Copy the list into a new workbook"),
        )  # fmt: skip


def unusable(path: Path, called: Text, obstacle: Text, remedy: Text) -> FolderError:
    return FolderError(
        Text(
            f"{called.zh} {path} 不能使用：{obstacle.zh}。{remedy.zh}。",
            f"The {called.en} {path} cannot be used: {obstacle.en}. {remedy.en}.",
        )
    )


def cells_of(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Row by row, from the first."""
    sheet.reset_dimensions()  # what the file says of its own size is often wrong
    yield from sheet.iter_rows(max_col=MOST_COLUMNS)


def layout_of(path: Path, sheet: Any) -> Layout:
    """Read from the file itself: the reader that takes a sheet row by row knows nothing of it."""
    from openpyxl.utils import column_index_from_string  # noqa: PLC0415  # the same

    hidden: set[int] = set()
    merged: list[Merged] = []
    with zipfile.ZipFile(path) as parts, parts.open(sheet._worksheet_path) as xml:  # noqa: SLF001  no other way to its name
        rest = b""
        while (read := xml.read(1 << 20)) and len(hidden) + len(merged) < MOST_REMARKABLE:
            chunk = rest + read
            for element in _LAYOUT.finditer(chunk):
                tag = element.group()
                if (ends := _MERGED.search(tag)) is not None:
                    left, right = (column_index_from_string(ends[n].decode()) - 1 for n in (1, 3))
                    merged.append(Merged(int(ends[2]), left, int(ends[4]), right))
                elif _HIDDEN.search(tag) and (row := _ROW_NUMBER.search(tag)) is not None:
                    hidden.add(int(row[1]))
            rest = chunk[chunk.rfind(b"<") :][:LONGEST_TAG] if b"<" in chunk else b""
    return Layout(frozenset(hidden), tuple(dict.fromkeys(merged)))  # a tag at the end of a part is read twice


def plain(value: Any, between: str = "、") -> str:
    """A cell as text: a number without its .0, without blanks around it or characters that cannot be seen.

    between   what stands in place of a line break
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = seen(str(value)).strip()
    if between == "\n":
        return "\n".join(line for each in _BREAKS.split(text) if (line := _SPACES.sub(" ", each).strip()))
    return _SPACES.sub(" ", _BREAKS.sub(between, text)).strip()


def seen(text: str) -> str:
    """Without what cannot be seen: control characters, and such as turn a text around."""
    return _UNSEEN.sub("", _INVISIBLE.sub("", text.replace("\u2028", "\n").replace("\u2029", "\n")))
