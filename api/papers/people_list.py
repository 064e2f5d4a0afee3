"""A list of people as a workbook: what a school sends is read cell by cell, what cannot be read is told row by row.

A list is one sheet. Its heading row is the first of the top rows that names 姓名 and another column we know, in Chinese or
English and in any order; rows above it are titles, and where it comes again it is passed over. Columns we do not know are
named and left alone.
"""

import re
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import column_index_from_string

from api.causes import cause_of
from engine.errors import FolderError, Text

#: field → what its column is called, the first being our own word
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("姓名", "name", "名字", "教师姓名", "职工姓名", "full name"),
    "staff_number": (
        "工号", "staff number", "职工号", "教工号", "人员编号", "员工编号", "教师编号", "staff no", "staff id", "employee number",
        "employee id",
    ),
    "department": ("部门", "department", "所属部门", "所在部门", "单位", "处室", "科室", "系部", "dept"),
    "post": ("岗位", "post", "职务", "岗位/职务", "岗位职务", "职位", "position", "job title", "title"),
    "phone": ("手机", "phone", "手机号", "手机号码", "电话", "联系电话", "联系方式", "移动电话", "mobile", "mobile phone", "telephone"),
    "email": ("邮箱", "e-mail", "email", "电子邮箱", "电子邮件", "邮件", "邮箱地址", "mail"),
    "account": ("账号", "account", "帐号", "登录名", "用户名", "key", "login"),
}  # fmt: skip
TITLES: Mapping[str, Text] = {
    "name": Text("姓名", "name"), "staff_number": Text("工号", "staff number"), "department": Text("部门", "department"),
    "post": Text("岗位", "post"), "phone": Text("手机", "phone"), "email": Text("邮箱", "e-mail"),
    "account": Text("账号", "account"),
}  # fmt: skip

LARGEST_FILE = 20 * 1024 * 1024  # bytes as sent; 5,000 people take a third of a megabyte
LARGEST_UNPACKED = 300 * 1024 * 1024  # bytes; a workbook is a zip, and a small one can unpack to anything
MOST_PARTS = 2_000  # files inside the zip
MOST_ROWS = 20_000  # people; the largest schools have a tenth
MOST_COLUMNS = 100
HEADING_WITHIN = 20  # rows from the top
BLANK_ROWS = 1_000  # so many in a row and the list is over: formats often reach down to the last row of the sheet
LONGEST_CELL = 500  # characters
MOST_REMARKABLE = 100_000  # hidden rows and merged cells that are kept in mind; no list of people has so many
ROWS_NAMED = 10  # in a notice, before the rest are counted
OLD_EXCEL = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and also an .xlsx under a password
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ZIP = b"PK\x03\x04"

_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]")
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile(r"[\r\n]+")
_HEADING = re.compile(r"[\s*:：、()（）]+")
_REMARK = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")  # 手机号（必填）
#: what stands in a cell to say that there is nothing to say; of a department it says more: none
_NOTHING = frozenset({"无", "暂无", "没有", "/", "\\", "-", "--", "—", "——", "－", "none", "n/a", "nil"})
_ZEROS = re.compile(r"0{2,}")  # a number's format that shows 12 as 0012
_LAYOUT = re.compile(rb"<(?:\w+:)?(?:row|mergeCell)\s[^>]*>")
_ROW_NUMBER, _HIDDEN = re.compile(rb"\sr=[\"'](\d+)"), re.compile(rb"\shidden=[\"'](?:1|true)[\"']")
_MERGED = re.compile(rb"\sref=[\"']([A-Z]+)(\d+):([A-Z]+)(\d+)[\"']")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one row. `row` is the number Excel shows; `field` a key of COLUMNS, or none for the whole row."""

    row: int
    field: str | None
    what: Text

    @property
    def text(self) -> Text:
        if self.field is None:
            return Text(f"第 {self.row} 行：{self.what.zh}", f"row {self.row}: {self.what.en}")
        title = TITLES[self.field]
        return Text(f"第 {self.row} 行 {title.zh}：{self.what.zh}", f"row {self.row}, {title.en}: {self.what.en}")


@dataclass(frozen=True, slots=True)
class Row:
    """One person as the list has him: only cells that say something, cleaned of blanks and of what cannot be seen."""

    number: int
    said: Mapping[str, str]

    def get(self, name: str) -> str:
        return self.said.get(name, "")


@dataclass
class PeopleList:
    """What was read.

    columns   the fields the list has a column for
    ignored   headings we do not know
    faults    cells that could not be read
    notices   what was done with the sheet that its sender may not expect
    """

    sheet: str
    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    notices: list[Text] = field(default_factory=list)


def read_people(path: Path) -> PeopleList:
    """Read a list.

    Raises    FolderError for a file that is no list at all; whatever is wrong in a row is a fault and hides no other
    """
    _must_be_a_workbook(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about drop-downs and styles it does not carry; nothing we read
            values = openpyxl.load_workbook(path, read_only=True, data_only=True)
            formulas = openpyxl.load_workbook(path, read_only=True)
            try:
                return _read_book(path, values, formulas)
            finally:
                values.close()
                formulas.close()
    except FolderError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a reader of foreign files raises whatever it stumbles over: KeyError, ParseError, …
        raise _unusable(
            path, Text("文件已损坏，无法读取", "it is damaged and cannot be read"),
            Text("请用 Excel 或 WPS 打开后另存为 .xlsx", "Open it in a spreadsheet program and save it as .xlsx again"),
        ) from error  # fmt: skip


def _must_be_a_workbook(path: Path) -> None:
    """Raises FolderError for what is no .xlsx, saying what it is, and for one that would unpack to too much."""
    save_as = Text("请在 Excel 或 WPS 中另存为 .xlsx 后再导入", "Save it as .xlsx in a spreadsheet program first")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            rest = file.read(LARGEST_FILE) if start == OLD_EXCEL else b""
    except OSError as error:
        raise _unusable(path, cause_of(error), Text("请检查路径和权限", "Check its path and permissions")) from error
    if size > LARGEST_FILE:
        limit = LARGEST_FILE // 1024 // 1024
        raise _unusable(
            path, Text(f"文件超过 {limit} MB", f"it is larger than {limit} MB"),
            Text("请只保留人员表，删去图片和其他工作表", "Keep the list alone, without pictures and other sheets"),
        )  # fmt: skip
    if start == OLD_EXCEL and ENCRYPTED in rest:
        raise _unusable(
            path, Text("工作簿设有打开密码", "it is locked with a password"),
            Text("请在 Excel 或 WPS 中去掉打开密码后另存", "Remove the password and save it again"),
        )  # fmt: skip
    if start == OLD_EXCEL:
        raise _unusable(path, Text("这是旧版 .xls 文件", "it is a workbook of the old kind (.xls)"), save_as)
    if not start:
        raise _unusable(path, Text("文件是空的", "it is empty"), save_as)
    if not start.startswith(ZIP):
        what = Text(
            "这不是 .xlsx 工作簿（可能是 .csv 或改了扩展名的文件）",
            "it is no .xlsx workbook, but perhaps a .csv, or renamed",
        )
        raise _unusable(path, what, save_as)
    try:
        with zipfile.ZipFile(path) as parts:
            inside = parts.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _unusable(path, Text("文件不完整", "it is cut off"), Text("请重新下载或另存", "Save it again")) from error
    if not any(part.filename.lower() == "xl/workbook.xml" for part in inside):
        raise _unusable(path, Text("这不是 .xlsx 工作簿", "it is no .xlsx workbook"), save_as)
    if len(inside) > MOST_PARTS or sum(part.file_size for part in inside) > LARGEST_UNPACKED:
        limit = LARGEST_UNPACKED // 1024 // 1024
        raise _unusable(
            path, Text(f"解压后超过 {limit} MB，不像人员表", f"it unpacks to more than {limit} MB, as no list of people does"),
            Text("请将人员表复制到新工作簿后再导入", "Copy the list into a new workbook"),
        )  # fmt: skip


def _unusable(path: Path, obstacle: Text, remedy: Text) -> FolderError:
    return FolderError(
        Text(
            f"人员表 {path} 不能使用：{obstacle.zh}。{remedy.zh}。",
            f"The list {path} cannot be used: {obstacle.en}. {remedy.en}.",
        )
    )


# --- sheets and headings -------------------------------------------------------------------------------------------------


def _read_book(path: Path, values: Any, formulas: Any) -> PeopleList:
    lists = [
        (sheet, *heading)
        for sheet in values.worksheets
        if sheet.sheet_state == "visible" and (heading := _heading(sheet)) is not None
    ]
    if not lists:
        raise _unusable(
            path,
            Text(
                "没有找到标题行（至少要有“姓名”和另一列）",
                "no heading row was found: it needs 姓名 (name) and one more column",
            ),
            Text(
                "可用 bihuan export people-template 下载模板", "`bihuan export people-template` writes one to fill in"
            ),
        )
    sheet, number, headings = lists[0]
    columns, ignored, doubled = _columns(headings)
    if doubled:
        zh = "；".join(f"“{TITLES[name].zh}”有 {len(said)} 列（{'、'.join(said)}）" for name, said in doubled.items())
        en = "; ".join(
            f"{len(said)} columns for {TITLES[name].en} ({', '.join(said)})" for name, said in doubled.items()
        )
        raise _unusable(path, Text(zh, en), Text("请只保留一列", "Keep one of them"))
    found = PeopleList(sheet.title, tuple(columns), ignored=tuple(ignored))
    if len(lists) > 1:
        others = [other.title for other, *_ in lists[1:]]
        found.notices.append(
            Text(
                f"只读取工作表“{sheet.title}”；未读取 {'、'.join(others)}",
                f"only the sheet {sheet.title!r} was read, not {', '.join(others)}",
            )
        )
    _read_rows(path, sheet, formulas[sheet.title], number, columns, found, _layout(path, sheet))
    if not found.rows and not found.faults:
        raise _unusable(
            path, Text("标题行下面没有人员", "there is nobody below the heading"),
            Text("请每人填写一行", "Write one person a row"),
        )  # fmt: skip
    return found


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:
    sheet.reset_dimensions()  # what the file says of its own size is often wrong
    yield from sheet.iter_rows(max_col=MOST_COLUMNS)


def _heading(sheet: Any) -> tuple[int, list[str]] | None:
    for number, cells in enumerate(_cells(sheet), start=1):
        if number > HEADING_WITHIN:
            return None
        said = [_plain(cell.value) for cell in cells]
        known = {name for text in said if (name := _field(text))}
        if "name" in known and len(known) > 1:
            return number, said
    return None


def _field(heading: str) -> str | None:
    for said in (heading, _REMARK.sub("", heading)):
        bare = _HEADING.sub("", said).casefold()
        for name, words in _WORDS.items():
            if bare in words:
                return name
    return None


_WORDS = {name: {_HEADING.sub("", word).casefold() for word in words} for name, words in COLUMNS.items()}


def _columns(headings: Sequence[str]) -> tuple[dict[str, int], list[str], dict[str, list[str]]]:
    """Field → where its column stands, the headings we do not know, and the fields that have several columns."""
    places: dict[str, list[int]] = {}
    ignored = []
    for at, heading in enumerate(headings):
        name = _field(heading)
        if name is not None:
            places.setdefault(name, []).append(at)
        elif heading:
            ignored.append(heading)
    doubled = {name: [headings[at] for at in found] for name, found in places.items() if len(found) > 1}
    return {name: found[0] for name, found in places.items()}, ignored, doubled


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a sheet shows that no cell says.

    hidden   rows that are hidden or filtered away, by number
    merged   (row, column from 0) of each upper left cell of several merged ones
    """

    hidden: frozenset[int]
    merged: frozenset[tuple[int, int]]


def _layout(path: Path, sheet: Any) -> _Layout:
    """Read from the file itself: the reader that takes a sheet row by row knows nothing of it."""
    hidden: set[int] = set()
    merged: set[tuple[int, int]] = set()
    with zipfile.ZipFile(path) as parts, parts.open(sheet._worksheet_path) as xml:  # noqa: SLF001  no other way to its name
        rest = b""
        while (read := xml.read(1 << 20)) and len(hidden) + len(merged) < MOST_REMARKABLE:
            chunk = rest + read
            for element in _LAYOUT.finditer(chunk):
                tag = element.group()
                if (ends := _MERGED.search(tag)) is not None:
                    merged.add((int(ends[2]), column_index_from_string(ends[1].decode()) - 1))
                elif _HIDDEN.search(tag) and (row := _ROW_NUMBER.search(tag)) is not None:
                    hidden.add(int(row[1]))
            rest = chunk[chunk.rfind(b"<") :][:LONGEST_CELL] if b"<" in chunk else b""
    return _Layout(frozenset(hidden), frozenset(merged))


# --- rows and cells ------------------------------------------------------------------------------------------------------


def _read_rows(
    path: Path, sheet: Any, formulas: Any, heading: int, columns: Mapping[str, int], found: PeopleList, layout: _Layout
) -> None:
    blank = 0
    hidden: list[int] = []
    for number, (cells, written) in enumerate(zip(_cells(sheet), _cells(formulas), strict=True), start=1):
        if number <= heading:
            continue
        said: dict[str, str] = {}
        faults: list[Fault] = []
        for name, at in columns.items():
            if at >= len(cells):
                continue
            text, fault = _said(name, cells[at], written[at])
            if fault is None and text and (number, at) in layout.merged:
                fault = _SEVERAL_CELLS
            if fault is not None:
                faults.append(Fault(number, name, fault))
            elif text:
                said[name] = text
        if not said and not faults:
            blank += 1
            if blank > BLANK_ROWS:
                found.notices.append(
                    Text(
                        f"第 {number - blank} 行以后连续 {BLANK_ROWS} 行空白，此后未再读取",
                        f"{BLANK_ROWS} rows after row {number - blank} are blank; nothing was read beyond",
                    )
                )
                break
            continue
        blank = 0
        if said and not faults and all(_field(text) == name for name, text in said.items()):
            continue  # the heading again, as at the top of every printed page
        if number in layout.hidden:
            hidden.append(number)
        found.faults += faults
        found.rows.append(Row(number, said))
        if len(found.rows) > MOST_ROWS:
            raise _unusable(
                path, Text(f"超过 {MOST_ROWS} 人", f"it has more than {MOST_ROWS} people"),
                Text("请分成几个文件导入", "Split it into several files"),
            )  # fmt: skip
    if hidden:
        rows, more = hidden[:ROWS_NAMED], f"…（{len(hidden)}）" if len(hidden) > ROWS_NAMED else ""
        found.notices.append(
            Text(
                f"第 {'、'.join(map(str, rows))}{more} 行被隐藏或筛去，同样读取；不要的行请删除",
                f"hidden or filtered rows are read as well: {', '.join(map(str, rows))}{more}; delete those you do not want",
            )
        )


_SEVERAL_CELLS = Text(
    "是合并的单元格；请取消合并，每人一行、逐格填写",
    "several cells are merged; separate them and fill in each, one person a row",
)


def _said(name: str, cell: Any, written: Any) -> tuple[str, Text | None]:
    """What a cell says, or what keeps it from being read."""
    value = cell.value
    kind = getattr(written, "data_type", None)
    if value is None:
        if kind == "f":
            return "", Text(
                "是公式，没有计算结果；请打开文件保存一次，或粘贴为数值",
                "it is a formula without a result; save the file once in a spreadsheet program, or paste it as a value",
            )
        return "", None
    if getattr(cell, "data_type", None) == "e":
        return "", Text(f"是错误值 {value}", f"it holds the error {value}")
    if isinstance(value, bool):
        return "", Text("是逻辑值，不是文字", "it is true or false, and no text")
    if isinstance(value, (datetime, date, time, timedelta)):
        return "", Text(
            "被 Excel 当成了日期或时间；请将该列设为“文本”后重新填写",
            "the spreadsheet took it for a date or time; format the column as text and type it again",
        )
    if isinstance(value, (int, float)) and (value != value or abs(value) >= 1e15):  # noqa: PLR0124  NaN is the one unlike itself
        return "", Text(
            "数字过长，Excel 已丢失末尾几位；请将该列设为“文本”后重新填写",
            "the number is so long that the spreadsheet lost its last digits; format the column as text and type it again",
        )
    text = _tight(name, _plain(value))
    if len(text) > LONGEST_CELL:
        return "", Text(f"超过 {LONGEST_CELL} 字", f"it has more than {LONGEST_CELL} characters")
    if text.isdecimal() and isinstance(value, int) and _ZEROS.fullmatch(cell.number_format):
        text = text.zfill(len(cell.number_format))
    return ("" if name not in ("name", "department") and text.casefold() in _NOTHING else text), None


def _plain(value: Any) -> str:
    """A cell as text: a number without its .0, without blanks around it or characters that cannot be seen."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = _INVISIBLE.sub("", str(value))
    return _SPACES.sub(" ", _BREAKS.sub("、", text.strip())).strip()


def _tight(name: str, text: str) -> str:
    """Without full-width letters and digits, and without blanks where none belong."""
    if name in ("staff_number", "phone", "account", "email"):
        text = _SPACES.sub("", unicodedata.normalize("NFKC", text))
        return text.removeprefix("mailto:") if name == "email" else text
    if name == "name":
        return text if text.isascii() else _SPACES.sub("", text) if _chinese(text) else text
    return text


def _chinese(text: str) -> bool:
    """Whether blanks in it are only for the look of it, as in 张　三."""
    return all("\u3400" <= char <= "\u9fff" or char.isspace() for char in text)
