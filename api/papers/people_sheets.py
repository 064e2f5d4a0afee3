"""Sheets of people as workbooks: the list to fill in, the directory as such a list, and first passwords to hand out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from sqlalchemy import Connection

from api.papers import sheets
from api.papers.people_list import TITLES
from engine.directory import Department
from engine.store import people
from workflows import reference

SHEET, HELP, CHOICES = "人员", "填写说明", "选项"
#: characters; a Chinese one takes two
WIDTHS = {"name": 14, "staff_number": 14, "department": 28, "post": 24, "phone": 16, "email": 28, "account": 16}
TO_FILL_IN = ("name", "staff_number", "department", "post", "phone", "email")
TEXT = 49  # the number of the format "@" in every spreadsheet program
WIDEST = 44
ASCII = 127
ROWS_PREPARED = 2_000  # rows with drop-downs and text format; further ones can be filled in as well
A4 = 9  # XlsxWriter's number of the paper

#: column → what it is for, in both languages, and an example
EXPLAINED: Mapping[str, tuple[str, str, str]] = {
    "name": ("必填。", "Required.", "张三"),
    "staff_number": (
        "建议填写。再次导入时按工号认人；本列为文本格式，开头的 0 会保留。没有工号的，按姓名和部门认人。",
        "Best given: the next list knows people again by it. The column is text, so that zeros at its beginning stay.",
        "0012",
    ),
    "department": (
        "从下拉列表选择，或填写部门的名称或代号。新部门须在导入时选择新建部门（命令行加 --new-departments）。校领导可留空。",
        "Choose one, or write a department's name or code. A new one has to be allowed at the import (--new-departments). Leaders may leave it empty.",
        "机电工程系",
    ),
    "post": (
        "从下拉列表选择；多个岗位用顿号隔开。岗位决定此人在系统中的角色。列表以外的岗位按原文保存，不带来角色。",
        "Choose one; several are separated by 、. The post decides which roles a person holds. Other words are kept and bring none.",
        "部门负责人、部门安全员",
    ),
    "phone": ("选填。", "Optional.", "13900000000"),
    "email": ("选填。", "Optional.", "zhangsan@example.edu.cn"),
}  # fmt: skip
NOTES = (
    ("每人一行，不要合并单元格；列的顺序不限，可以加别的列，不会被使用。", "One person a row. Columns may come in any order; other columns are not used."),
    ("空白单元格不改动已有内容；名单中没有的人不会被停用。", "An empty cell changes nothing. Nobody missing from the list is deactivated."),
    ("导入前先看会有哪些变化：在“人员”页上传，或运行 bihuan import people 文件.xlsx --dry-run", "See what it would do first: send it in at the page People, or run bihuan import people FILE.xlsx --dry-run"),
    ("有一行不对，就什么都不会写入；所有错误会一次列出。", "If one row is wrong nothing is written; all mistakes are listed at once."),
)  # fmt: skip


def write_template(file: BinaryIO, departments: Iterable[Department], rows: Iterable[Mapping[str, str]] = ()) -> None:
    """A list to fill in, with drop-downs of these departments and of the posts we know.

    rows   what is filled in already, by field
    """
    with sheets.begun(file) as book:
        names = [department.name.zh for department in departments]
        sheet = _list(book, TO_FILL_IN, list(rows))
        _explain(book)
        _choices(book, sheet, TO_FILL_IN, names)


def write_people(connection: Connection, organisation: str, file: BinaryIO) -> int:
    """The directory as a list that can be imported again; gives how many people it holds. Who left is not in it."""
    departments = people.departments(connection, organisation)
    names = {department.code: department.name.zh for department in departments}
    found = [person for person in people.people(connection, organisation) if person.active]
    rows = [
        {
            "name": person.name, "staff_number": person.staff_number or "", "post": person.post,
            "department": names.get(person.department or "", ""), "phone": str(person.addresses.get("phone", "")),
            "email": str(person.addresses.get("email", "")), "account": person.person,
        }
        for person in found
    ]  # fmt: skip
    columns = (*TO_FILL_IN, "account")
    with sheets.begun(file) as book:
        sheet = _list(book, columns, rows)
        _choices(book, sheet, columns, list(names.values()))
    return len(found)


def _list(book: Any, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Any:
    sheet = book.add_worksheet(SHEET)
    head = book.add_format({"bold": True, "bg_color": "#E7EEF7", "border": 1, "valign": "vcenter"})
    must = book.add_format({"bold": True, "bg_color": "#FBE5D6", "border": 1, "valign": "vcenter"})
    text = book.add_format({"num_format": TEXT, "valign": "vcenter"})  # as text: 0012 stays 0012
    sheet.set_row(0, 24)
    for at, name in enumerate(columns):
        widest = max((_width(row.get(name, "")) for row in rows), default=0)
        sheet.set_column(at, at, min(max(WIDTHS[name], widest + 2), WIDEST), text)
        sheet.write_string(0, at, TITLES[name].zh, must if name == "name" else head)
    for number, row in enumerate(rows, start=1):
        for at, name in enumerate(columns):
            if row.get(name):
                # as a string whatever it says: a name that begins with = is no formula
                sheet.write_string(number, at, row[name], text)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)
    sheet.set_paper(A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.hide_gridlines(0)  # not on paper either: a list is read along its lines
    return sheet


def _width(text: str) -> int:
    return sum(2 if ord(char) > ASCII else 1 for char in text)


def _choices(book: Any, sheet: Any, columns: Sequence[str], departments: Sequence[str]) -> None:
    """Drop-downs that propose and do not insist: a post may be several, a department new."""
    posts = [post.title.zh for post in reference.posts().by_code.values()]
    choices = book.add_worksheet(CHOICES)
    choices.hide()
    for at, (name, words) in enumerate((("department", departments), ("post", posts))):
        choices.write_string(0, at, TITLES[name].zh)
        for row, word in enumerate(words, start=1):
            choices.write_string(
                row, at, word
            )  # not as a column at once: a department's name that begins with = is no formula
        if words:
            letter = "AB"[at]
            sheet.data_validation(
                1, columns.index(name), ROWS_PREPARED, columns.index(name),
                {
                    "validate": "list", "source": f"={CHOICES}!${letter}$2:${letter}${len(words) + 1}",
                    "show_error": False, "ignore_blank": True,
                },
            )  # fmt: skip


def _explain(book: Any) -> None:
    sheet = book.add_worksheet(HELP)
    title = book.add_format({"bold": True, "font_size": 14})
    head = book.add_format({"bold": True, "bg_color": "#E7EEF7", "border": 1, "valign": "vcenter"})
    cell = book.add_format({"text_wrap": True, "valign": "top", "border": 1, "num_format": TEXT})
    grey = book.add_format(
        {"text_wrap": True, "valign": "top", "border": 1, "num_format": TEXT, "font_color": "#7F7F7F"}
    )
    for at, width in enumerate((16, 46, 46, 26)):
        sheet.set_column(at, at, width)
    sheet.write_string(0, 0, "人员表填写说明 · How to fill in the list", title)
    sheet.set_row(0, 26)
    for at, word in enumerate(("列 · Column", "怎样填写", "How", "例 · Example")):
        sheet.write_string(2, at, word, head)
    row = 3
    for name, (zh, en, example) in EXPLAINED.items():
        sheet.set_row(row, 50 if len(zh) > 30 else 20)
        sheet.write_string(row, 0, f"{TITLES[name].zh} · {TITLES[name].en}", cell)
        sheet.write_string(row, 1, zh, cell)
        sheet.write_string(row, 2, en, cell)
        sheet.write_string(row, 3, example, grey)
        row += 1
    row += 1
    for zh, en in NOTES:
        sheet.set_row(row, 20)
        sheet.merge_range(row, 0, row, 1, zh, cell)
        sheet.merge_range(row, 2, row, 3, en, cell)
        row += 1
    sheet.set_paper(A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


# --- first passwords -----------------------------------------------------------------------------------------------------

HANDED_OUT = ("姓名", "部门", "工号", "账号", "首次密码")
WARNING = (
    "首次密码。请裁开后当面交给本人，交完立即删除本文件、销毁余页。系统只保存密码的散列，本文件丢失只能由管理员重置。",
    "First passwords: cut apart, hand each to its person, then delete this file. Each has to be changed at the first sign-in.",
)  # fmt: skip


def write_first_passwords(file: BinaryIO, lines: Sequence[tuple[str, str, str, str, str]], told: str = "") -> None:
    """lines   name, department, staff number, account, first password
    told    whose they are and when they were drawn; of two papers one can then tell which holds
    """
    above = (*WARNING, told) if told else WARNING
    heading = len(above)
    with sheets.begun(file) as book:
        sheet = book.add_worksheet("首次密码")
        warn = book.add_format({"bold": True, "font_color": "#C00000", "text_wrap": True, "valign": "vcenter"})
        head = book.add_format({"bold": True, "bg_color": "#E7EEF7", "border": 1, "valign": "vcenter"})
        # dashed: where to cut
        cell = book.add_format({"border": 4, "num_format": TEXT, "valign": "vcenter", "shrink": True})
        mono = book.add_format(
            {"border": 4, "num_format": TEXT, "valign": "vcenter", "font_name": "Consolas", "font_size": 12}
        )
        for at, width in enumerate((24, 30, 14, 18, 20)):
            sheet.set_column(at, at, width)
        for row, words in enumerate(above):
            sheet.merge_range(row, 0, row, len(HANDED_OUT) - 1, words, warn)
            sheet.set_row(row, 36)
        for at, word in enumerate(HANDED_OUT):
            sheet.write_string(heading, at, word, head)
        for row, line in enumerate(lines, start=heading + 1):
            sheet.set_row(row, 24)
            for at, text in enumerate(line):
                sheet.write_string(row, at, text, mono if at == len(line) - 1 else cell)
        sheet.freeze_panes(heading + 1, 0)
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(heading)
        sheet.set_footer("&C首次密码 · 交完即毁 · 第 &P 页，共 &N 页")
