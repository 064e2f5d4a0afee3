"""A list of people becomes the directory: whole or not at all, every mistake told in its row, the same list twice the same."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import openpyxl
import pytest
import xlsxwriter
from click.testing import CliRunner, Result
from openpyxl.worksheet.worksheet import Worksheet

from api import directory, passwords
from api.cli import main
from api.directory import Editor
from api.folder import Folder
from api.importing import ListFaulty, Overtaken, Plan, carry_out, plan
from api.papers import people_list, workbooks
from api.papers.people_list import PeopleList, read_people
from api.papers.people_sheets import write_template
from engine.actor import Grant
from engine.directory import Department, Person
from engine.errors import FolderError, Text
from engine.store import accounts, people, periods
from engine.store.database import Database
from tests.builders import DEPARTMENTS, START, School, a_database, a_school
from tests.journeys.serving import PLAIN, Served
from workflows.reference import departments

HEADINGS = ("姓名", "工号", "部门", "岗位", "手机", "邮箱")
TODAY = date(2020, 3, 2)
TEXT_FORMAT = "49"  # the number Excel gives to "@"
Cells = Sequence[Any]


def workbook(path: Path, rows: Iterable[Cells], headings: Cells = HEADINGS, spoil: Callable[[Worksheet], None] | None = None) -> Path:  # fmt: skip
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(list(headings))
    for row in rows:
        sheet.append(list(row))
    if spoil is not None:
        spoil(sheet)
    book.save(path)
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    Folder(tmp_path / "data").make(simulated=True, at=START)
    database = a_database(tmp_path / "data", "sqlite")
    a_school(database)
    database.close()
    return tmp_path / "data"


@pytest.fixture
def database(data: Path) -> Any:
    opened = Database.in_file(data / "bihuan.db")
    yield opened
    opened.close()


def bihuan(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def imported(*arguments: str | Path) -> Result:
    return bihuan("import", "people", *arguments, "--no-check")


def planned(database: Database, path: Path, *, new_departments: bool = False) -> Plan:
    with database.read_across() as connection:
        return plan(connection, "school", read_people(path), TODAY, new_departments=new_departments)


def taken_in(database: Database, path: Path, *, new_departments: bool = False) -> Plan:
    editor = Editor(database, "school", "cli", START)
    return carry_out(editor, read_people(path), new_departments=new_departments)


def held(database: Database, key: str) -> set[tuple[str, str]]:
    """What he holds today, as (role, scope)."""
    with database.read_across() as connection:
        return {(g.role, g.scope) for g in people.grants_of(connection, "school", key) if g.holds_on(TODAY)}


def everything(database: Database) -> list[Any]:
    """Whatever an import may touch."""
    with database.read_across() as connection:
        whole = people.directory(connection, "school")
        return [whole.people, whole.grants, whole.departments, people.changes(connection, "school"), periods.obligations(connection, "school")]  # fmt: skip


# --- twenty mistakes -----------------------------------------------------------------------------------------------------

FORMULA = "=A1&A2"  # never calculated by anybody
#: cells, and the one line that is said of them; row 2 of the sheet is the first
MISTAKES: list[tuple[Cells, str]] = [
    (("周一", "1001", "XB1", "教师", "", ""), ""),
    (("", "1002", "XB1", "教师", "", ""), "第 3 行 姓名：没有填写"),
    (("12345", "1003", "XB1", "教师", "", ""), "第 4 行 姓名：“12345”不像姓名"),
    (("赵" * 101, "1004", "XB1", "教师", "", ""), "第 5 行 姓名：应为 1 至 100 个可见字符"),
    (("钱二", "1001", "XB1", "教师", "", ""), "第 6 行 工号：与第 2 行重复"),
    (("孙三", "10 / 05 #", "XB1", "教师", "", ""), "第 7 行 工号：“10/05#”应为 1 至 32 个字母、数字、点或横线"),
    (("李四", date(2019, 1, 12), "XB1", "教师", "", ""), "第 8 行 工号：被 Excel 当成了日期或时间；请将该列设为“文本”后重新填写"),
    (("吴五", 320602199001011234, "XB1", "教师", "", ""), "第 9 行 工号：数字过长，Excel 已丢失末尾几位；请将该列设为“文本”后重新填写"),
    (("郑六", FORMULA, "XB1", "教师", "", ""), "第 10 行 工号：是公式，没有计算结果；请打开文件保存一次，或粘贴为数值"),
    (("王七", "1009", "航天系", "教师", "", ""), "第 11 行 部门：没有部门“航天系”；若要新建，请选择新建部门（命令行加 --new-departments）"),
    (("冯八", "1010", "", "部门安全员", "", ""), "第 12 行 部门：岗位“部门安全员”须写明部门"),
    (("陈九", "1011", "XB1", "岗" * 101, "", ""), "第 13 行 岗位：应不超过 100 个可见字符"),
    (("褚十", "1012", "XB1", "教师", "1390000000", ""), "第 14 行 手机：“1390000000”有 10 位，手机号应为 11 位"),
    (("卫一", "1013", "XB1", "教师", "打办公室电话", ""), "第 15 行 手机：“打办公室电话”不是一个电话号码"),
    (("蒋二", "1014", "XB1", "教师", "", "jiang.example.cn"), "第 16 行 邮箱：“jiang.example.cn”不是一个邮箱地址"),
    (("沈三", "1015", "XB1", "教师", "", "a@b.cn;c@d.cn"), "第 17 行 邮箱：“a@b.cn;c@d.cn”不是一个邮箱地址"),
    (("韩四", True, "XB1", "教师", "", ""), "第 18 行 工号：是逻辑值，不是文字"),
    (("杨五", "42", "XB1", "教师", "", ""), "第 19 行 工号：“42”与名册中的“0042”只差开头的 0；请将该列设为“文本”后重新填写"),
    (("离校者", "0099", "XB1", "教师", "", ""), "第 20 行：离校者（gone）已停用；如确已返校，请先重新启用（命令行：bihuan user activate gone）"),
    (("朱六", "repairer", "XB1", "教师", "", ""), "第 21 行 工号：账号 repairer 在名册中是“维修人员”；若是另一人，工号不能与别人的账号相同"),
    (("同名", "", "XB1", "教师", "", ""), ""),
    (("同名", "", "xb1", "教师", "", ""), "第 23 行 姓名：与第 22 行同名同部门，且没有工号可以区分"),
]  # fmt: skip


@pytest.fixture
def mistaken(database: Database, tmp_path: Path) -> Path:
    """A list with twenty different mistakes, for a school that has met two of its people before."""
    with database.write_across() as connection:
        people.add_person(connection, Person("school", "0042", "杨五", "XB1", staff_number="0042"))
        people.add_person(connection, Person("school", "gone", "离校者", "XB1", staff_number="0099", active=False))
    return workbook(tmp_path / "mistakes.xlsx", [cells for cells, _ in MISTAKES])


def test_twenty_mistakes_are_twenty_lines_and_nothing_is_written(mistaken: Path, database: Database) -> None:
    expected = [line for _, line in MISTAKES if line]
    assert len(expected) == len(set(expected)) == 20
    before = everything(database)
    refused = imported(mistaken)
    assert refused.exit_code == 1
    assert refused.stderr.strip().splitlines()[:-1] == expected
    assert "有 20 处错误，没有写入任何内容" in refused.stderr.strip().splitlines()[-1]
    assert everything(database) == before


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--first-passwords", "first.xlsx"]])
def test_a_script_gets_the_mistakes_in_both_languages(more: list[str], mistaken: Path, database: Database) -> None:
    before = everything(database)
    refused = imported(mistaken, "--json", *more)
    assert refused.exit_code == 1
    told = json.loads(refused.stdout)
    assert (len(told["errors"]), told["written"]) == (20, False)
    assert told["errors"][3] == {
        "row": 6, "column": "staff_number", "zh": "第 6 行 工号：与第 2 行重复",
        "en": "row 6, staff number: the same as in row 2",
    }  # fmt: skip
    assert everything(database) == before and not Path("first.xlsx").exists()


# --- what a list becomes -------------------------------------------------------------------------------------------------

GOOD: list[Cells] = [
    ("赵校长", "0001", "校领导", "校长", "13900000001", "zhao@example.cn"),
    ("钱主任", "0002", "机电工程系", "机电工程系主任", "", ""),
    ("孙安", "0003", "XB1", "安全员、教师", "", ""),
    ("李师傅", "0004", "总务后勤处", "水电工", "0513-85000000", ""),
    ("周老师", "0005", "Logistics", "", "", ""),
]


def test_each_is_written_down_with_the_roles_his_post_brings(database: Database, tmp_path: Path) -> None:
    done = taken_in(database, workbook(tmp_path / "good.xlsx", GOOD))
    assert [each.after.person for each in done.added] == ["0001", "0002", "0003", "0004", "0005"]
    assert held(database, "0001") == {("principal", "*")}
    assert held(database, "0002") == {("dept_head", "XB1")}
    assert held(database, "0003") == {("dept_safety", "XB1"), ("teacher", "*")}
    assert held(database, "0004") == {("repairer", "HQC"), ("teacher", "*")}
    assert held(database, "0005") == {("teacher", "*")}
    with database.read_across() as connection:
        assert people.person(connection, "school", "0001") == Person(
            "school", "0001", "赵校长", None, staff_number="0001", post="校长",
            addresses={"phone": "13900000001", "email": "zhao@example.cn"},
        )  # fmt: skip
        changes = people.changes(connection, "school")
    assert [c["what"] for c in changes] == ["person_listed"] * 5 + ["people_imported"]
    assert "13900000001" not in str(changes) and "zhao@" not in str(changes), "an address is personal"
    assert changes[0]["about"]["addresses"] == ["email", "phone"]
    assert changes[-1]["about"] == {
        "added": 5, "changed": 0, "unchanged": 0, "departments": 0, "first_passwords": False,
    }  # fmt: skip


def test_a_dry_run_says_what_an_import_then_does_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    path = workbook(tmp_path / "good.xlsx", GOOD)
    before = everything(database)
    tried = json.loads(imported(path, "--dry-run", "--json").stdout)
    assert everything(database) == before
    done = json.loads(imported(path, "--json").stdout)
    assert tried.pop("dry_run") and tried.pop("written") is False
    assert not done.pop("dry_run") and done.pop("written")
    assert tried == done
    assert "teacher" in done["not_listed"], "who is not in the list is named, and left as he is"
    assert [n["zh"] for n in done["notices"]] == ["没有填写岗位，按教职工登记（第 6 行）"]


def test_the_same_list_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    path = workbook(tmp_path / "good.xlsx", GOOD)
    taken_in(database, path)
    before = everything(database)[:3]
    again = taken_in(database, path)
    assert (len(again.added), len(again.changed), again.unchanged) == (0, 0, 5)
    assert everything(database)[:3] == before


def test_a_newer_list_changes_what_it_says_and_an_empty_cell_says_nothing(database: Database, tmp_path: Path) -> None:
    taken_in(database, workbook(tmp_path / "one.xlsx", GOOD))
    newer = [("赵红", "0001", "", "", "", "hong@example.cn"), ("孙安", "0003", "保卫处", "安全员", "", "")]
    done = taken_in(database, workbook(tmp_path / "two.xlsx", newer))
    assert {each.after.person: each.fields for each in done.changed} == {
        "0001": ["name", "addresses"], "0003": ["department", "post"],
    }  # fmt: skip
    with database.read_across() as connection:
        changed = people.person(connection, "school", "0001")
    assert changed is not None and changed.addresses == {"phone": "13900000001", "email": "hong@example.cn"}
    assert changed.post == "校长" and held(database, "0001") == {("principal", "*")}
    assert held(database, "0003") == {("dept_safety", "BWC")}, "his post moved with him, and he no longer teaches"


def test_what_was_granted_or_withdrawn_by_hand_is_left_to_hand(database: Database, tmp_path: Path) -> None:
    taken_in(database, workbook(tmp_path / "one.xlsx", GOOD))
    editor = Editor(database, "school", "cli", START)
    directory.grant(editor, "0003", Grant("driver"))
    directory.grant(editor, "0003", Grant("dept_safety", "XB1"))  # the list gave it too; now somebody means it
    directory.withdraw(editor, "0004", "repairer", "HQC")
    again = taken_in(database, workbook(tmp_path / "one.xlsx", GOOD))
    assert held(database, "0004") == {("teacher", "*")}
    assert any("0004 的角色 repairer HQC 已由管理员收回" in notice.zh for notice in again.notices)
    taken_in(database, workbook(tmp_path / "two.xlsx", [("孙安", "0003", "XB1", "校医", "", "")]))
    assert held(database, "0003") == {("driver", "*"), ("dept_safety", "XB1"), ("doctor", "*")}
    # he is listed with another post and then with this one again: that is a new word of the list
    for post in ("教师", "水电工"):
        taken_in(database, workbook(tmp_path / "three.xlsx", [("李师傅", "0004", "HQC", post, "", "")]))
    assert held(database, "0004") == {("repairer", "HQC"), ("teacher", "*")}


def test_a_post_we_do_not_know_is_kept_and_brings_what_every_colleague_has(database: Database, tmp_path: Path) -> None:
    rows = [
        ("甲", "1", "XB1", "教研员", "", ""),
        ("乙", "2", "XB1", "教研员、班主任", "", ""),
        ("丙", "3", "", "系统管理员", "", ""),
    ]
    done = taken_in(database, workbook(tmp_path / "list.xlsx", rows))
    assert held(database, "1") == {("teacher", "*")}
    assert held(database, "2") == {("head_teacher", "*"), ("teacher", "*")}
    assert held(database, "3") == set(), "who keeps the accounts is never decided by a list"
    [notice] = done.notices
    assert "“教研员”不在岗位表中" in notice.zh and "第 2、3 行" in notice.zh
    with database.read_across() as connection:
        kept = people.person(connection, "school", "2")
    assert kept is not None and kept.post == "教研员、班主任"


def test_new_departments_are_made_only_when_that_is_meant_and_owe_at_once(database: Database, tmp_path: Path) -> None:
    rows = [
        ("甲", "1", "食堂", "安全员", "", ""),
        ("乙", "2", "航天系", "系主任", "", ""),
        ("丙", "3", "航天系", "教师", "", ""),
    ]
    path = workbook(tmp_path / "list.xlsx", rows)
    with pytest.raises(ListFaulty) as refused:
        taken_in(database, path)
    assert len(refused.value.faults) == 3
    taken_in(database, path, new_departments=True)
    assert held(database, "1") == {("dept_safety", "STZX")}, "the reference knows this name and its code"
    assert held(database, "2") == {("dept_head", "D01")}
    with database.read_across() as connection:
        assert {o.scope for o in periods.obligations(connection, "school")} == {"STZX", "D01"}
        whats = [c["what"] for c in people.changes(connection, "school")]
    assert whats.count("department_set") == 2


def test_who_has_no_staff_number_is_known_again_by_account_or_by_name_and_department(
    database: Database, tmp_path: Path
) -> None:
    rows = [("甲", "", "XB1", "教师", "", ""), ("乙", "教工七", "", "教师", "", "")]
    taken_in(database, workbook(tmp_path / "list.xlsx", rows))
    with database.read_across() as connection:
        assert {p.person: p.staff_number for p in people.people(connection, "school") if p.name in "甲乙"} == {
            "xb1.1": None, "p.1": "教工七",
        }  # fmt: skip
    again = taken_in(database, workbook(tmp_path / "list.xlsx", rows))
    assert again.unchanged == 2
    named = [("甲", "0007", "XB1", "教师", "", "")]
    done = taken_in(database, workbook(tmp_path / "list.xlsx", named))
    assert [(each.after.person, each.fields) for each in done.changed] == [("xb1.1", ["staff_number"])]
    assert "认作 xb1.1" in done.notices[0].zh


def test_a_key_somebody_asks_for_is_not_given_away_before(database: Database, tmp_path: Path) -> None:
    rows = [("甲", "XB1", ""), ("乙", "XB1", "xb1.1")]
    done = planned(database, workbook(tmp_path / "list.xlsx", rows, headings=("姓名", "部门", "账号")))
    assert [(each.after.name, each.after.person) for each in done.added] == [("甲", "xb1.2"), ("乙", "xb1.1")]


def test_the_directory_goes_out_and_comes_in_again_unchanged(database: Database, tmp_path: Path) -> None:
    taken_in(database, workbook(tmp_path / "good.xlsx", GOOD))
    assert bihuan("export", "people", "-o", tmp_path / "out.xlsx").exit_code == 0
    first = everything(database)
    told = json.loads(imported(tmp_path / "out.xlsx", "--json").stdout)
    assert (told["added"], told["not_listed"]) == ([], [])
    # the builders' school holds posts its grants were not given by: these may be completed, nothing else changes
    assert all(each["fields"] == [] and each["ended"] == [] for each in told["changed"])
    second = everything(database)
    assert first[0] == second[0] and first[2] == second[2]
    assert json.loads(imported(tmp_path / "out.xlsx", "--json").stdout)["changed"] == []


def test_the_template_proposes_this_school_s_departments_and_keeps_leading_zeros(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "template.xlsx"
    assert bihuan("export", "people-template", "-o", path).exit_code == 0
    book = openpyxl.load_workbook(path)
    assert [sheet.title for sheet in book.worksheets] == ["人员", "填写说明", "选项"]
    sheet = book["人员"]
    assert [cell.value for cell in sheet[1]] == list(HEADINGS)
    inside = zipfile.ZipFile(path)
    formats = re.findall(r'<xf numFmtId="(\d+)"', inside.read("xl/styles.xml").decode().partition("<cellXfs")[2])
    columns = re.findall(
        r'<col min="\d+" max="(\d+)".*? style="(\d+)"', inside.read("xl/worksheets/sheet1.xml").decode()
    )
    assert {formats[int(style)] for _, style in columns} == {TEXT_FORMAT} and int(columns[-1][0]) == len(HEADINGS)
    proposed = {str(v.sqref): (v.formula1, v.showErrorMessage) for v in sheet.data_validations.dataValidation}
    assert proposed["C2:C2001"] == ("选项!$A$2:$A$5", False)
    choices = {cell.value for cell in book["选项"]["A"]}
    assert {name.zh for name in DEPARTMENTS.values()} < choices
    with pytest.raises(FolderError, match="nobody below the heading"):
        read_people(path)
    sheet["A2"], sheet["B2"], sheet["C2"] = "张三", "0012", "机电工程系"
    book.save(path)
    assert dict(read_people(path).rows[0].said) == {"name": "张三", "staff_number": "0012", "department": "机电工程系"}


def test_a_department_that_begins_as_a_formula_does_is_a_choice_like_any_other() -> None:
    file = io.BytesIO()
    write_template(file, [Department("school", "D01", Text("=1+1部", "=1+1"))])
    assert openpyxl.load_workbook(file)["选项"]["A2"].data_type == "s"


def test_the_sample_names_only_posts_we_know_and_brings_its_departments(tmp_path: Path, data: Path) -> None:
    setup = [
        "setup",
        "--organisation",
        "no1",
        "--name",
        "新校",
        "--administrator",
        "admin",
        "--administrator-name",
        "信息员",
    ]
    assert bihuan(*setup).exit_code == 0
    sample: list[str | Path] = [
        "export",
        "people-template",
        "--sample",
        "-o",
        tmp_path / "sample.xlsx",
        "--organisation",
        "no1",
    ]
    assert bihuan(*sample).exit_code == 0
    tried = imported(tmp_path / "sample.xlsx", "--new-departments", "--dry-run", "--json", "--organisation", "no1")
    told = json.loads(tried.stdout)
    assert (len(told["added"]), told["notices"], told["not_listed"]) == (71, [], ["admin"])
    assert {made["code"] for made in told["departments"]} == set(departments())


# --- first passwords -----------------------------------------------------------------------------------------------------


def test_first_passwords_are_for_newcomers_only_and_open_their_accounts(database: Database, tmp_path: Path) -> None:
    path, out = workbook(tmp_path / "good.xlsx", GOOD[:2]), tmp_path / "first.xlsx"
    assert imported(path, "--first-passwords", out).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    sheet = openpyxl.load_workbook(out).active
    assert isinstance(sheet, Worksheet)
    assert "删除本文件" in str(sheet["A1"].value)
    handed = {str(row[3]): str(row[4]) for row in sheet.iter_rows(min_row=4, values_only=True)}
    assert set(handed) == {"0001", "0002"}
    with database.read_across() as connection:
        for key, drawn in handed.items():
            kept = accounts.password(connection, "school", key)
            assert kept is not None and kept.must_change and passwords.fits(drawn, kept.hash)
        assert accounts.password(connection, "school", "teacher") is None
    refused = imported(workbook(tmp_path / "more.xlsx", GOOD), "--first-passwords", out)
    assert refused.exit_code == 1 and "不会覆盖" in refused.stderr and "is not overwritten" in refused.stderr
    with database.read_across() as connection:
        assert people.person(connection, "school", "0003") is None
    nobody_new = imported(path, "--first-passwords", tmp_path / "none.xlsx")
    assert nobody_new.exit_code == 0 and not (tmp_path / "none.xlsx").exists()


def test_nobody_is_imported_where_his_password_cannot_be_written(database: Database, tmp_path: Path) -> None:
    before = everything(database)
    refused = imported(workbook(tmp_path / "good.xlsx", GOOD), "--first-passwords", tmp_path / "no" / "where.xlsx")
    assert refused.exit_code == 1 and "无法写入" in refused.stderr
    assert everything(database) == before


# --- what a workbook may look like ---------------------------------------------------------------------------------------


def test_headings_are_known_by_other_words_in_any_order_below_a_title(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.merge_cells("A1:F1")
    sheet["A1"] = "第一职业学校教职工名册"
    sheet.append([])
    sheet.append(["序号", "联系电话", "职工号 *", "所在部门", "Name", "职务", "备注"])
    sheet.append([1, 13900000001, 20190012.0, " 机电\u3000工程系 ", "张\u3000三\u200b", "系\n主任", "x"])
    sheet.append([])
    sheet.append([2, "１３９００００００02", "００１２", "XB1", "Anna  Li", "教师"])
    for _ in range(40):
        sheet.append([None] * 6)
    book.save(tmp_path / "list.xlsx")
    found = read_people(tmp_path / "list.xlsx")
    assert found.faults == [] and found.ignored == ("序号", "备注")
    assert [(row.number, dict(row.said)) for row in found.rows] == [
        (4, {"name": "张三", "staff_number": "20190012", "phone": "13900000001", "department": "机电 工程系", "post": "系、主任"}),
        (6, {"name": "Anna Li", "staff_number": "0012", "phone": "13900000002", "department": "XB1", "post": "教师"}),
    ]  # fmt: skip


def test_a_heading_may_say_more_and_come_again_on_every_page(tmp_path: Path) -> None:
    headings = ("姓 名（必填）", "工　号*", "部门\n（全称）", "岗位\n职务", "手机号（11 位）", "E-mail【选填】")
    rows = [("周一", "0001", "XB1", "教师", "", ""), headings, ("钱二", "0002", "XB1", "教师", "", "")]
    listed = read_people(workbook(tmp_path / "printed.xlsx", rows, headings))
    assert listed.columns == ("name", "staff_number", "department", "post", "phone", "email") and not listed.ignored
    assert [row.get("name") for row in listed.rows] == ["周一", "钱二"] and not listed.faults


def test_merged_cells_are_no_people(tmp_path: Path, database: Database) -> None:
    def merge(sheet: Worksheet) -> None:
        sheet.merge_cells("C2:C4")  # one department for three people, of whom only the first would get it
        sheet.merge_cells("A5:F5")  # the heading of what follows
        sheet.merge_cells("A7:F7")  # nothing in it

    rows = [
        ("周一", "1", "XB1", "教师"), ("钱二", "2", "", "教师"), ("孙三", "3", "", "教师"), ("第二部分",), ("李四", "4"),
    ]  # fmt: skip
    with pytest.raises(ListFaulty) as told:
        planned(database, workbook(tmp_path / "merged.xlsx", rows, spoil=merge))
    said = "是合并的单元格；请取消合并，每人一行、逐格填写"
    assert [fault.text.zh for fault in told.value.faults] == [f"第 2 行 部门：{said}", f"第 5 行 姓名：{said}"]


def test_hidden_rows_are_read_and_that_is_said(tmp_path: Path) -> None:
    def hide(sheet: Worksheet) -> None:
        for number in (3, *range(5, 20)):
            sheet.row_dimensions[number].hidden = True

    rows = [(f"教师{chr(ord('甲') + n)}", f"1{n:03}", "XB1", "教师") for n in range(18)]
    listed = read_people(workbook(tmp_path / "hidden.xlsx", rows, spoil=hide))
    assert len(listed.rows) == 18
    [notice] = listed.notices
    assert notice.zh == "第 3、5、6、7、8、9、10、11、12、13…（16） 行被隐藏或筛去，同样读取；不要的行请删除"
    assert "hidden or filtered rows are read as well: 3, 5," in notice.en


@pytest.mark.parametrize("name", ["合计", "制表人：李四", "备注"])
def test_what_stands_below_a_list_gets_no_account(name: str, tmp_path: Path, database: Database) -> None:
    path = workbook(tmp_path / "sum.xlsx", [("周一", "0001", "XB1", "教师"), (name, "1 人")])
    with pytest.raises(ListFaulty, match="delete the row"):
        planned(database, path)


def test_a_dash_or_none_says_nothing(tmp_path: Path, database: Database) -> None:
    rows = [("周一", "/", "无", "无", "—", "无"), ("钱二", "无", "XB1", "-", "/", "暂无")]
    done = planned(database, workbook(tmp_path / "none.xlsx", rows))
    assert [(t.after.staff_number, t.after.department, t.after.post, t.after.addresses) for t in done.meant] == [
        (None, None, "", {}), (None, "XB1", "", {}),
    ]  # fmt: skip


def test_a_staff_number_is_what_the_sheet_shows(tmp_path: Path) -> None:
    def shown(sheet: Worksheet) -> None:
        for row, form in ((2, "0000"), (3, "General"), (4, "0")):
            sheet.cell(row, 2).number_format = form

    rows = [("周一", 12, "", ""), ("钱二", 12, "", ""), ("孙三", 12, "", "")]
    listed = read_people(workbook(tmp_path / "zeros.xlsx", rows, spoil=shown))
    assert [row.get("staff_number") for row in listed.rows] == ["0012", "12", "12"]


def test_posts_may_have_nothing_but_a_blank_between_them(tmp_path: Path, database: Database) -> None:
    rows = [
        ("周一", "1", "XB1", "班主任 教师"),
        ("钱二", "2", "XB1", "班主任 养花"),
        ("孙三", "3", "XB1", "部门 安全员"),
    ]
    done = planned(database, workbook(tmp_path / "blank.xlsx", rows))
    assert [sorted(g.role for g in each.given) for each in done.meant] == [
        ["head_teacher", "teacher"], ["teacher"], ["dept_safety"],
    ]  # fmt: skip
    assert any("“班主任 养花”不在岗位表中" in notice.zh for notice in done.notices)


def test_who_may_be_somebody_else_is_told(tmp_path: Path, database: Database) -> None:
    taken_in(
        database, workbook(tmp_path / "a.xlsx", [("周一", "0001", "XB1", "教师"), ("钱二", "0002", "XB1", "教师")])
    )
    rows = [("孙三", "0001", "XB1", "教师"), ("钱二", "0902", "XB1", "教师"), ("李四", "0004", "XB1", "教师")]
    done = planned(database, workbook(tmp_path / "b.xlsx", rows))
    renamed, twice = done.notices
    assert renamed.zh.startswith("第 2 行：0001 由“周一”改名为“孙三”") and "'孙三' instead of '周一'" in renamed.en
    assert twice.zh.endswith("名册中已有同名的 0002；若是同一人，请在“账号”列填写 0002") and "row 3" in twice.en
    rows.append(("钱二", "0002", "XB1", "教师"))
    both = planned(database, workbook(tmp_path / "c.xlsx", rows))
    assert len(both.notices) == 1, "who is in the list himself is another one"


def test_no_account_is_another_one_s_staff_number(tmp_path: Path, database: Database) -> None:
    """One signs in by either: whose number is somebody's account would be kept out."""
    headings = ("姓名", "工号", "部门", "账号")
    taken_in(database, workbook(tmp_path / "a.xlsx", [("周一", "t7", "XB1", "zhou")], headings))
    rows = [
        ("冒名", "", "XB1", "t7"), ("钱二", "zhou", "XB1", "qian"), ("孙三", "", "XB1", "k1"), ("李四", "k1", "XB1", "k2"),
    ]  # fmt: skip
    with pytest.raises(ListFaulty) as refused:
        planned(database, workbook(tmp_path / "b.xlsx", rows, headings))
    assert sorted(fault.text.zh for fault in refused.value.faults) == [
        "第 2 行 账号：“t7”是“周一”的工号",
        "第 3 行 工号：“zhou”是“周一”的账号",
        "第 4 行 账号：“k1”是“李四”的工号",
        "第 5 行 工号：“k1”是“孙三”的账号",
    ]
    moved = [("周一", "t8", "XB1", "zhou"), ("钱二", "", "XB1", "t7")]
    assert len(planned(database, workbook(tmp_path / "c.xlsx", moved, headings)).added) == 1, "it is nobody's any more"


def test_a_calculated_cell_and_a_link_say_what_they_show(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "list.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADINGS)
        sheet.write_formula(1, 0, '="张"&"三"', None, "张三")
        sheet.write_formula(1, 1, "=19*1", None, 19)
        sheet.write_url(1, 5, "mailto:zhang@example.cn", string="zhang@example.cn")
        sheet.write_formula(2, 0, '="李四"', None, "李四")
        sheet.write_formula(2, 1, "=1/0", None, "#DIV/0!")
    found = read_people(tmp_path / "list.xlsx")
    assert dict(found.rows[0].said) == {
        "name": "张三",
        "staff_number": "19",
        "email": "zhang@example.cn",
    }
    assert [fault.text.zh for fault in found.faults] == ["第 3 行 工号：是错误值 #DIV/0!"]


def old_workbook(path: Path) -> None:
    path.write_bytes(workbooks.OLD_EXCEL + b"\0" * 2000)


def locked_workbook(path: Path) -> None:
    path.write_bytes(workbooks.OLD_EXCEL + b"\0" * 2000 + workbooks.ENCRYPTED + b"\0" * 100)


def comma_separated(path: Path) -> None:
    path.write_text("姓名,工号\n张三,1\n", encoding="utf-8")


def another_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")


def cut_off(path: Path) -> None:
    workbook(path, GOOD)
    path.write_bytes(path.read_bytes()[:-400])


def broken_inside(path: Path) -> None:
    workbook(path, GOOD)
    inside = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in inside.items():
            file.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)


def bomb(path: Path) -> None:
    workbook(path, GOOD)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file, file.open("xl/media/image1.xml", "w") as part:
        for _ in range(40):
            part.write(b" " * 10_000_000)


def laughing(path: Path) -> None:
    """Entities that multiply: the reader's XML library has to stop them."""
    workbook(path, GOOD)
    inside = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    sheet = inside["xl/worksheets/sheet1.xml"].decode()
    laughs = f'<!DOCTYPE worksheet [<!ENTITY e0 "ha">{entities}]>' + sheet.replace("姓名", "&e11;")
    inside["xl/worksheets/sheet1.xml"] = laughs.replace("<sheetData>", "<sheetData><row><c t='inlineStr'><is><t>&e11;</t></is></c></row>").encode()  # fmt: skip
    with zipfile.ZipFile(path, "w") as file:
        for name, content in inside.items():
            file.writestr(name, content)


UNUSABLE: list[tuple[Callable[[Path], Any], str, str]] = [
    (old_workbook, "旧版 .xls", "of the old kind (.xls)"),
    (locked_workbook, "设有打开密码", "locked with a password"),
    (comma_separated, "不是 .xlsx 工作簿", "no .xlsx workbook"),
    (another_zip, "不是 .xlsx 工作簿", "no .xlsx workbook"),
    (lambda path: path.write_bytes(b""), "文件是空的", "it is empty"),
    (cut_off, "文件不完整", "cut off"),
    (broken_inside, "文件已损坏", "damaged"),
    (bomb, "解压后超过 300 MB", "unpacks to more than 300 MB"),
    (laughing, "文件已损坏", "damaged"),
    (lambda path: path.write_bytes(b"PK\x03\x04" + b"\0" * (workbooks.LARGEST_FILE + 1)), "超过 20 MB", "larger than 20 MB"),
    (lambda path: workbook(path, GOOD, headings=("工号", "部门", "a", "b", "c", "d")), "没有找到标题行", "no heading row"),
    (lambda path: workbook(path, GOOD, headings=("姓名", "工号", "部门", "职务", "手机", "联系电话")), "“手机”有 2 列", "2 columns for phone"),
    (lambda path: workbook(path, []), "标题行下面没有人员", "nobody below the heading"),
    (lambda path: path.mkdir(), "不能使用", "cannot be used"),
]  # fmt: skip


@pytest.mark.parametrize("make, zh, en", UNUSABLE, ids=[f"{n} {row[1]}" for n, row in enumerate(UNUSABLE)])
def test_what_is_no_list_is_refused_in_words(
    make: Callable[[Path], Any], zh: str, en: str, data: Path, tmp_path: Path
) -> None:
    make(tmp_path / "list.xlsx")
    refused = imported(tmp_path / "list.xlsx")
    assert refused.exit_code == 1, refused.output
    assert "Traceback" not in refused.output
    assert zh in refused.stderr and en in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_row_far_below_the_list_is_not_reached_and_that_is_said(tmp_path: Path) -> None:
    def far_below(sheet: Worksheet) -> None:
        sheet.cell(1_048_576, 1, "最后一行")

    found = read_people(workbook(tmp_path / "list.xlsx", GOOD, spoil=far_below))
    assert len(found.rows) == 5
    assert [notice.zh for notice in found.notices] == ["第 6 行以后连续 1000 行空白，此后未再读取"]


def test_a_list_of_too_many_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_list, "MOST_ROWS", 4)
    with pytest.raises(FolderError, match="more than 4 people"):
        read_people(workbook(tmp_path / "list.xlsx", GOOD))


def test_only_the_first_sheet_that_is_a_list_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", GOOD)
    book = openpyxl.load_workbook(path)
    book.create_sheet("说明", 0).append(["请按下表填写"])
    book.create_sheet("退休").append(["姓名", "工号"])
    book.save(path)
    found: PeopleList = read_people(path)
    assert (found.sheet, len(found.rows)) == ("Sheet", 5)
    assert "未读取 退休" in found.notices[0].zh


# --- many people, and others at work meanwhile ---------------------------------------------------------------------------


def a_staff_of(how_many: int) -> list[Cells]:
    return [(f"教师{n}", f"{n:05}", "XB1", "教师", f"139{n:08}", f"t{n}@example.cn") for n in range(1, how_many + 1)]


@pytest.mark.slow
def test_five_thousand_people_come_in_at_once(database: Database, tmp_path: Path) -> None:
    path = workbook(tmp_path / "many.xlsx", a_staff_of(5_000))
    began = monotonic()
    done = taken_in(database, path)
    assert len(done.added) == 5_000
    assert taken_in(database, path).unchanged == 5_000
    assert monotonic() - began < 120, "seconds; some eight where nothing else runs"


def test_a_school_that_is_being_served_goes_on_while_a_list_comes_in(data: Path, tmp_path: Path) -> None:
    path = workbook(tmp_path / "staff.xlsx", a_staff_of(300))
    headers = School("school").headers("teacher")
    with Served(data) as served, ThreadPoolExecutor() as pool:

        def report(n: int) -> int:
            body = {"title": f"插座松动 {n}", "place": "A101", "category": "FIRE.exit"}
            return httpx.post(
                f"{served.url}/api/v1/hazards", json=body, headers=headers, timeout=30, verify=PLAIN
            ).status_code

        reported = [pool.submit(report, n) for n in range(20)]
        done = imported(path, "--json")
        assert [one.result() for one in reported] == [201] * 20
        assert done.exit_code == 0, done.output
        listed = httpx.get(f"{served.url}/api/v1/people", headers=headers, timeout=30, verify=PLAIN).json()["items"]
    assert sum(person["name"].startswith("教师") for person in listed) == 300 + 2, "the school had two of its own"


def test_a_list_that_somebody_overtakes_is_looked_at_again(database: Database, tmp_path: Path) -> None:
    listed = read_people(workbook(tmp_path / "good.xlsx", GOOD))
    editor = Editor(database, "school", "cli", START)
    before = everything(database)
    with pytest.raises(Overtaken):  # passwords were made for others than are new by now
        carry_out(editor, listed, new_departments=False, passwords={"0001": "hash"})
    assert everything(database) == before
