"""Whatever a school's ledger looks like, each of its rows becomes hazards or is named with the reason why it is none."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from api.papers import workbooks
from api.papers.ledger_entries import Around, Understood, understand
from api.papers.ledger_list import LedgerList, field_of, read_ledger
from api.papers.ledger_words import Departments
from engine.directory import Department, Person
from engine.errors import FolderError, Text
from tests.api.papers.untidy import an_untidy_ledger
from workflows.reference import form_columns

TODAY = date(2020, 3, 2)
HEADINGS = ("编号", "检查日期", "部位", "隐患描述", "是否整改", "完成日期")
NAMES = {"HQC": "总务后勤处", "XB1": "机电工程系", "XB2": "信息工程系", "WYGS": "物业公司（外包）"}
AROUND = Around(
    Departments([Department("school", code, Text(name, name)) for code, name in NAMES.items()]),
    [
        Person("school", "repairer", "水电维修工", "HQC", post="维修工"),
        Person("school", "one", "值班教师", "XB1"),
        Person("school", "other", "值班教师", "XB2"),
    ],
    TODAY,
)


def ledger(
    path: Path, rows: Sequence[Sequence[Any]], headings: Sequence[Any] = HEADINGS, spoil: Callable[[Worksheet], None] | None = None,
    title: str = "2019年",
) -> Path:  # fmt: skip
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    for row in (headings, *rows):
        sheet.append(list(row))
    if spoil is not None:
        spoil(sheet)
    book.save(path)
    return path


def understood(path: Path) -> Understood:
    found = understand(read_ledger(path), AROUND)
    told = {(entry.sheet, entry.row) for entry in found.entries}
    assert len(told) + sum(row.rows for row in found.ignored) == found.rows, "a row was lost"
    return found


def codes(found: Understood) -> list[str]:
    return [doubt.code for doubt in found.doubts]


@pytest.mark.parametrize("seed", range(12))
def test_an_untidy_ledger_is_understood_as_it_was_meant(seed: int, tmp_path: Path) -> None:
    made = an_untidy_ledger(tmp_path / "untidy.xlsx", seed, 30)
    found = understood(made.path)
    assert found.rows == made.rows
    meant = Counter((t.place, t.description, t.found_on, t.closed, t.closed_on) for t in made.truths)
    assert Counter((e.place, e.title, e.found_on, e.closed, e.closed_on) for e in found.entries) == meant
    assert len({entry.key for entry in found.entries}) == len(found.entries)
    assert all("date_unread" in entry.doubts for entry in found.entries if entry.found_on is None)
    for doubt in found.doubts:
        assert f"第 {doubt.row} 行" in doubt.text.zh and doubt.text.en.isprintable()


# --- headings ------------------------------------------------------------------------------------------------------------


def test_the_columns_of_our_own_form_are_known() -> None:
    known = [field_of(column) for column in form_columns("ledger")]
    assert None not in known and len(set(known)) == len(known)


def test_a_heading_of_two_merged_rows_below_titles_is_found(tmp_path: Path) -> None:
    def spoil(sheet: Worksheet) -> None:
        sheet.insert_rows(1, 3)
        sheet["A1"] = "示范学校 2018 年安全隐患台账"
        sheet.merge_cells("A1:F1")
        for column, word in zip("ABCDEF", ("序号", "检查情况", None, None, "整改情况", None), strict=True):
            sheet[f"{column}3"] = word
        for column, word in zip("ABCDEF", (None, "时间", "部位", "内容", "是否完成", "完成时间"), strict=True):
            sheet[f"{column}4"] = word
        for cells in ("A3:A4", "B3:D3", "E3:F3"):
            sheet.merge_cells(cells)

    found = understood(
        ledger(tmp_path / "a.xlsx", [(1, "11/3", "教学楼", "插座破损", "是", "11/9")], spoil=spoil, title="Sheet1")
    )
    [entry] = found.entries
    assert (entry.number, entry.found_on, entry.place, entry.title) == ("1", date(2018, 11, 3), "教学楼", "插座破损")
    assert (entry.closed, entry.closed_on, entry.row) == (True, date(2018, 11, 9), 5)
    assert entry.written["检查情况：时间"] == "11/3" and codes(found) == ["date_year", "date_year"]


def test_all_sheets_are_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    def spoil(sheet: Worksheet) -> None:
        book = sheet.parent
        assert isinstance(book, openpyxl.Workbook)
        other = book.create_sheet("2020年")
        other.append(["序号", "隐患", "地点", "状态"])
        other.append([1, "线路裸露", "车棚", "未整改"])
        book.create_sheet("说明").append(["请如实填写"])
        hidden = book.create_sheet("旧")
        hidden.sheet_state = "hidden"

    found = understood(
        ledger(tmp_path / "a.xlsx", [(1, "2019.11.3", "教学楼", "插座破损", "是", "2019.11.9")], spoil=spoil)
    )
    assert [(entry.sheet, entry.closed) for entry in found.entries] == [("2019年", True), ("2020年", False)]
    [ignored] = found.ignored
    assert (ignored.sheet, ignored.row, ignored.rows) == ("说明", 0, 1) and "没有找到标题行" in ignored.why.zh
    assert "隐藏" in found.notices[0].zh


@pytest.mark.parametrize(
    "spoil, zh, en",
    [
        (lambda path: path.write_bytes(workbooks.OLD_EXCEL + b"\0" * 2000), "旧版 .xls", "old kind"),
        (lambda path: path.write_text("编号,隐患描述\n1,x\n", encoding="utf-8"), "不是 .xlsx", "no .xlsx workbook"),
        (lambda path: ledger(path, [], headings=("姓名", "工号", "部门")), "没有找到标题行", "no heading row"),
        (lambda path: ledger(path, []), "标题行下面没有隐患", "no hazard stands below"),
    ],
)  # fmt: skip
def test_what_is_no_ledger_is_refused_in_words(spoil: Callable[[Path], Any], zh: str, en: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    spoil(path)
    with pytest.raises(FolderError) as refused:
        read_ledger(path)
    assert zh in refused.value.text.zh and en in refused.value.text.en and str(path) in refused.value.text.zh


# --- rows ----------------------------------------------------------------------------------------------------------------

ROW = (1, "2019-11-03", "教学楼", "插座破损", "已整改", "2019-11-09")


@pytest.mark.parametrize(
    "row, why",
    [
        (("合计", None, None, None, 12), "合计行"),
        (("总计：12 项",), "合计行"),
        (("合计", None, None, "共 12 项"), "合计行"),
        (("一、教学区",), "小标题行"),
        (("填表人：安全员", None, None, None, "审核人：主任"), "落款"),
        (("备注：无",), "落款"),
        (HEADINGS, "标题行"),
        ((2, "2019-11-04", "食堂", None, "已整改"), "没有隐患描述"),
        ((2, "2019-11-04", "食堂", "=A1&B1"), "没有计算结果"),
    ],
)
def test_a_row_that_is_no_hazard_is_named_with_the_reason(row: Sequence[Any], why: str, tmp_path: Path) -> None:
    found = understood(ledger(tmp_path / "a.xlsx", [ROW, row]))
    assert [entry.title for entry in found.entries] == ["插座破损"]
    [ignored] = found.ignored
    assert ignored.row == 3 and why in ignored.why.zh


def test_a_heading_among_the_rows_is_kept_with_those_below_it(tmp_path: Path) -> None:
    found = understood(ledger(tmp_path / "a.xlsx", [("一、教学区",), ROW]))
    assert found.entries[0].written["小标题"] == "一、教学区"


def test_a_cell_merged_over_rows_is_said_of_each(tmp_path: Path) -> None:
    rows = [ROW, (2, None, None, "线路裸露", "未整改"), (3, "2019-11-05", None, "地砖翘起", "否")]

    def spoil(sheet: Worksheet) -> None:
        sheet.merge_cells("C2:C4")
        sheet.merge_cells("B2:B3")

    found = understood(ledger(tmp_path / "a.xlsx", rows, spoil=spoil))
    assert [entry.place for entry in found.entries] == ["教学楼"] * 3
    assert [entry.found_on for entry in found.entries] == [date(2019, 11, 3), date(2019, 11, 3), date(2019, 11, 5)]


def test_rows_of_one_merged_description_are_one_hazard(tmp_path: Path) -> None:
    rows = [ROW, (None, None, "二楼", None, None, "另附照片")]
    found = understood(ledger(tmp_path / "a.xlsx", rows, spoil=lambda sheet: sheet.merge_cells("D2:D3")))
    [entry] = found.entries
    assert entry.written["完成日期（第 3 行）"] == "另附照片" and "several_rows" in entry.doubts
    assert "同一项" in found.ignored[0].why.zh


def test_several_hazards_in_a_row_keep_its_number_with_a_suffix(tmp_path: Path) -> None:
    row = ("安字12", "2019-11-03", "教学楼", "1.插座破损 2.线路裸露", "1.已整改 2.未整改", None)
    found = understood(ledger(tmp_path / "a.xlsx", [row]))
    assert [(e.number, e.title, e.closed) for e in found.entries] == [
        ("安字12-1", "插座破损", True),
        ("安字12-2", "线路裸露", False),
    ]
    [split] = [doubt for doubt in found.doubts if doubt.code == "split"]
    assert "理解为 2：插座破损／线路裸露" in split.text.zh
    assert all(entry.written["隐患描述"] == "1.插座破损 2.线路裸露" for entry in found.entries)


def test_the_same_row_on_a_second_sheet_is_not_taken_twice_but_named(tmp_path: Path) -> None:
    def spoil(sheet: Worksheet) -> None:
        book = sheet.parent
        assert isinstance(book, openpyxl.Workbook)
        other = book.create_sheet("汇总")
        other.append(list(HEADINGS))
        other.append(list(ROW))

    found = understood(ledger(tmp_path / "a.xlsx", [ROW, ROW], spoil=spoil))
    assert len(found.entries) == 2 and codes(found) == ["number_shared", "same_again", "number_shared"]
    assert "“2019年”第 2 行是同一项" in found.ignored[0].why.zh


# --- what it means -------------------------------------------------------------------------------------------------------

WIDE = (
    "编号",
    "检查日期",
    "部位",
    "隐患描述",
    "类别",
    "等级",
    "责任部门",
    "责任人",
    "整改时限",
    "整改情况",
    "完成日期",
    "销号日期",
    "备注",
)


def wide(**said: Any) -> tuple[Any, ...]:
    usual = {"编号": 1, "检查日期": "2019-11-03", "部位": "教学楼", "隐患描述": "插座破损"}
    return tuple({**usual, **said}.get(heading) for heading in WIDE)


@pytest.mark.parametrize(
    "said, closed, closed_on, doubts",
    [
        ({"销号日期": "2019-11-09", "完成日期": "2019-11-08"}, True, date(2019, 11, 8), ()),
        ({"销号日期": "2019-11-09"}, True, date(2019, 11, 9), ()),
        # struck off is what counts where there is a column for it
        ({"完成日期": "2019-11-08"}, False, None, ("status_unsaid",)),
        ({"备注": "整改中；已逾期"}, False, None, ()),
        ({"备注": "补录（非系统见证）；原表称已整改", "完成日期": "2019-11-08"}, True, date(2019, 11, 8), ("status_by_words",)),
        ({"销号日期": "2019-11-01"}, True, None, ("date_order", "closed_undated")),
        ({"销号日期": "2020-11-01"}, True, None, ("date_future", "closed_undated")),
        ({}, False, None, ("status_unsaid",)),
    ],
)  # fmt: skip
def test_a_hazard_is_closed_where_the_ledger_says_so(
    said: dict[str, Any], closed: bool, closed_on: date | None, doubts: tuple[str, ...], tmp_path: Path
) -> None:
    found = understood(ledger(tmp_path / "a.xlsx", [wide(**said)], headings=WIDE))
    [entry] = found.entries
    assert (entry.closed, entry.closed_on, tuple(codes(found))) == (closed, closed_on, doubts)


@pytest.mark.parametrize(
    "headings, cells, closed, doubts",
    [
        (("整改情况",), ("已更换",), True, ["status_by_words", "closed_undated"]),
        (("整改情况",), ("已报修，待更换",), False, []),
        (("整改情况", "完成时间"), ("加强管理", "2019-11-08"), True, ["status_by_date"]),
        (("整改时间",), ("2019-11-08",), False, ["status_unsaid"]),
        (("整改时间", "状态"), ("2019-11-08", "√"), True, []),
        (("状态",), ("见附件",), False, ["status_unread"]),
        (("状态", "销号时间"), ("整改中", "2019-11-08"), False, ["status_contradicted"]),
        (("复查结果",), ("合格",), True, ["status_by_words", "closed_undated"]),
    ],
)
def test_what_says_nothing_or_two_things_is_open(
    headings: tuple[str, ...], cells: tuple[str, ...], closed: bool, doubts: list[str], tmp_path: Path
) -> None:
    path = ledger(
        tmp_path / "a.xlsx",
        [("2019-11-03", "教学楼", "插座破损", *cells)],
        headings=("检查日期", "部位", "隐患描述", *headings),
    )
    found = understood(path)
    [entry] = found.entries
    assert (entry.closed, codes(found)) == (closed, doubts)
    if headings == ("整改时间",):
        assert entry.limit_on == date(2019, 11, 8)


def test_what_is_not_understood_is_kept_word_for_word_and_told(tmp_path: Path) -> None:
    said = {
        "检查日期": "11月上旬",
        "等级": "Ⅲ级",
        "责任部门": "施工队",
        "责任人": "值班教师",
        "类别": "杂项",
        "整改时限": "尽快",
        "部位": None,
    }
    found = understood(ledger(tmp_path / "a.xlsx", [wide(**said)], headings=WIDE))
    [entry] = found.entries
    assert set(codes(found)) == {
        "date_unread", "level_unread", "department_unread", "category_unread", "status_unsaid", "place_missing"
    }  # fmt: skip
    assert {**said, "部位": ""}.items() <= {**entry.written, "部位": ""}.items()
    assert (entry.found_on, entry.level, entry.department, entry.assignee, entry.limit_on) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert "未写明" in entry.place and entry.category is not None and "category_suggested" in entry.doubts
    date_doubt = next(doubt for doubt in found.doubts if doubt.code == "date_unread" and doubt.field == "found_on")
    assert date_doubt.text.zh == (
        "“2019年”第 2 行 检查日期“11月上旬”：有日期没有看懂，只照录原文。请在原表改为 2019-11-03 这样的日期后再导入，或导入后由安稳办核对"
    )
    assert "值班教师" in found.notices[-1].zh, "of two who are called so nobody is chosen"


def test_a_person_is_known_by_name_or_post_where_there_is_only_one(tmp_path: Path) -> None:
    rows = [wide(责任人="水电维修工"), wide(编号=2, 责任人="维修工")]
    assert [e.assignee for e in understood(ledger(tmp_path / "a.xlsx", rows, headings=WIDE)).entries] == [
        "repairer"
    ] * 2


def test_a_description_too_long_for_a_title_is_kept_whole(tmp_path: Path) -> None:
    [entry] = understood(ledger(tmp_path / "a.xlsx", [wide(隐患描述="插座" * 150)], headings=WIDE)).entries
    assert len(entry.title) == 200 and entry.details == "插座" * 150


def test_which_hazard_a_row_is_does_not_depend_on_where_it_stands(tmp_path: Path) -> None:
    rows = [wide(), wide(编号=2, 隐患描述="线路裸露")]
    first = understood(ledger(tmp_path / "a.xlsx", rows, headings=WIDE))
    again = understood(ledger(tmp_path / "b.xlsx", [("合计",), *reversed(rows)], headings=WIDE, title="别的"))
    assert {entry.key for entry in first.entries} == {entry.key for entry in again.entries}
    assert isinstance(read_ledger(tmp_path / "b.xlsx"), LedgerList)
