"""A list of people as a workbook: what a school sends is read cell by cell, what cannot be read is told row by row.

A list is one sheet. Its heading row is the first of the top rows that names 姓名 and another column we know, in Chinese or
English and in any order; rows above it are titles, and where it comes again it is passed over. Columns we do not know are
named and left alone.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from api.papers.workbooks import BLANK_ROWS, Layout, cells_of, layout_of, of_csv, plain, read_workbook, seen, unusable
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

CALLED = Text("人员表", "list")
MOST_ROWS = 20_000  # people; the largest schools have a tenth
HEADING_WITHIN = 20  # rows from the top
LONGEST_CELL = 500  # characters
LONGEST_SAID = 80  # of a file's name
ROWS_NAMED = 10  # in a notice, before the rest are counted

_SPACES = re.compile(r"\s+")
_HEADING = re.compile(r"[\s*:：、()（）]+")
_REMARK = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")  # 手机号（必填）
#: what stands in a cell to say that there is nothing to say; of a department it says more: none
_NOTHING = frozenset({"无", "暂无", "没有", "/", "\\", "-", "--", "—", "——", "－", "none", "n/a", "nil"})
_ZEROS = re.compile(r"0{2,}")  # a number's format that shows 12 as 0012


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
    """Read a list, of a workbook or of a .csv.

    Raises    FolderError for a file that is no list at all; whatever is wrong in a row is a fault and hides no other
    """
    if path.suffix.lower() != ".csv":
        return read_workbook(path, CALLED, partial(_read_book, path))
    with TemporaryDirectory(prefix="bihuan-list-") as folder:
        book = Path(folder) / "list.xlsx"
        of_csv(path, CALLED, book)
        with _called(book, str(path)):
            return read_workbook(book, CALLED, partial(_read_book, book))


def read_sent(content: bytes, name: str) -> PeopleList:
    """The same of a file that somebody sent.

    name    what he calls it; it is told back to him, and is no path
    """
    ending = ".csv" if name.lower().endswith(".csv") else ".xlsx"
    with TemporaryDirectory(prefix="bihuan-sent-") as folder:
        path = Path(folder) / f"sent{ending}"
        path.write_bytes(content)
        with _called(path, f"“{seen(name)[:LONGEST_SAID]}”" if name else ""):
            return read_people(path)


@contextmanager
def _called(path: Path, name: str) -> Iterator[None]:
    """What is said of this file is said of it by the name its sender knows."""
    try:
        yield
    except FolderError as error:
        zh, en = (said.replace(str(path), name) for said in (error.text.zh, error.text.en))
        raise FolderError(Text(zh, en)) from error


def _unusable(path: Path, obstacle: Text, remedy: Text) -> FolderError:
    return unusable(path, CALLED, obstacle, remedy)


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
                "请先下载空白表格填写（命令行：bihuan export people-template）",
                "Take a blank list to fill in (at the command line: `bihuan export people-template`)",
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
    _read_rows(path, sheet, formulas[sheet.title], number, columns, found, layout_of(path, sheet))
    if not found.rows and not found.faults:
        raise _unusable(
            path, Text("标题行下面没有人员", "there is nobody below the heading"),
            Text("请每人填写一行", "Write one person a row"),
        )  # fmt: skip
    return found


def _heading(sheet: Any) -> tuple[int, list[str]] | None:
    for number, cells in enumerate(cells_of(sheet), start=1):
        if number > HEADING_WITHIN:
            return None
        said = [plain(cell.value) for cell in cells]
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


# --- rows and cells ------------------------------------------------------------------------------------------------------


def _read_rows(
    path: Path, sheet: Any, formulas: Any, heading: int, columns: Mapping[str, int], found: PeopleList, layout: Layout
) -> None:
    blank = 0
    hidden: list[int] = []
    corners = {(one.top, one.left) for one in layout.merged}
    for number, (cells, written) in enumerate(zip(cells_of(sheet), cells_of(formulas), strict=True), start=1):
        if number <= heading:
            continue
        said: dict[str, str] = {}
        faults: list[Fault] = []
        for name, at in columns.items():
            if at >= len(cells):
                continue
            text, fault = _said(name, cells[at], written[at])
            if fault is None and text and (number, at) in corners:
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
    text = _tight(name, plain(value))
    if len(text) > LONGEST_CELL:
        return "", Text(f"超过 {LONGEST_CELL} 字", f"it has more than {LONGEST_CELL} characters")
    if text.isdecimal() and isinstance(value, int) and _ZEROS.fullmatch(cell.number_format):
        text = text.zfill(len(cell.number_format))
    return ("" if name not in ("name", "department") and text.casefold() in _NOTHING else text), None


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
