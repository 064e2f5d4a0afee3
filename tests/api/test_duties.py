"""The directory from the command line: what was done in one line or as JSON, what cannot be in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import duties, main
from api.folder import Folder
from engine.actor import Grant
from engine.directory import Department, Organisation, Person
from engine.errors import Text
from engine.store import calendars, people
from engine.store.database import Database
from tests.builders import START, a_calendar, a_database

#: key, role, scope; whoever has no role in a department belongs to none
SCHOOL = [
    ("principal", "principal", "*"), ("secretary", "secretary", "*"), ("vp_safety", "vp_safety", "*"),
    ("safety_head", "safety_head", "*"), ("safety_staff", "safety_staff", "*"), ("xb1_head", "dept_head", "XB1"),
    ("xb1_safety", "dept_safety", "XB1"), ("teacher", "teacher", "XB1"), ("driver", "", "XB1"),
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small school, since the check goes through it before each change, and a bureau with one person."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    Folder(tmp_path / "data").make(simulated=True, at=START)
    database = a_database(tmp_path / "data", "sqlite")
    with database.write_across() as connection:
        people.add_organisation(connection, Organisation("school", Text("示范学校", "Sample school")))
        calendars.add(connection, "school", a_calendar(), START)
        people.add_department(connection, Department("school", "XB1", Text("机电工程系", "Mechanics")))
        for key, role, scope in SCHOOL:
            department = "XB1" if scope == "XB1" else None
            held = [Grant(role, scope)] if role else []
            people.add_person(connection, Person("school", key, key, department), held)
        people.add_organisation(connection, Organisation("bureau", Text("市教育局", "Bureau"), kind="bureau"))
        people.add_person(connection, Person("bureau", "inspector", "督导"))
    database.close()
    return tmp_path / "data"


def user(*arguments: str, here: bool = True) -> Result:
    where = ["--organisation", "school"] if here else []
    return CliRunner().invoke(main, ["user", *arguments, *where])


def changes(data: Path) -> list[dict[str, Any]]:
    database = Database.in_file(data / "bihuan.db")
    with database.read_across() as connection:
        found = people.changes(connection, "school")
    database.close()
    return found


#: what is asked one after another, and what is said
SESSION = [
    (["grant", "teacher", "dept_safety", "--scope", "XB1"], "granted dept_safety XB1 to teacher"),
    (["grant", "inspector@bureau", "bureau", "--until", "2020-12-31"], "granted bureau * to inspector@bureau"),
    (["withdraw", "teacher", "dept_safety", "--scope", "XB1"], "teacher held dept_safety XB1 until 2020-03-01"),
    (
        [
            "away",
            "safety_staff",
            "--until",
            "2020-03-06",
            "--delegate",
            "safety_head",
            "--duty",
            "safety_staff",
            "--yes",
        ],
        "safety_staff is away from 2020-03-02 to 2020-03-06, safety_head acts",
    ),
    (["back", "safety_staff"], "safety_staff was away until 2020-03-01"),
    (["add", "0017", "--name", "新教师", "--department", "XB1", "--staff-number", "0017"], "added 0017  新教师"),
    (["deactivate", "0017"], "0017 is no longer active"),
    (["activate", "0017"], "0017 is active"),
    (["department", "XB5", "--name", "汽车工程系", "--name-en", "Automotive"], "XB5  汽车工程系"),
    (["department", "XB5", "--external"], "XB5  汽车工程系  external"),
    (
        ["group", "acceptance_group", "--chair", "principal", "--member", "role:dept_head", "--least", "2"],
        "acceptance_group  验收组成员  at least 2\n  chair  principal\n  member  role:dept_head",
    ),
    (
        ["group", "acceptance_group", "--least", "3"],
        "at least 3\n  chair  principal\n  member  role:dept_head",
    ),
]


def test_a_session_says_what_it_did_and_all_of_it_is_on_record(data: Path) -> None:
    for arguments, told in SESSION:
        result = user(*arguments)
        assert result.exit_code == 0, result.output
        assert told in result.output
    assert [change["what"] for change in changes(data)] == [
        "granted", "granted", "withdrawn", "away", "back", "person_added", "person_changed", "person_changed",
        "department_set", "department_set", "group_set", "group_set",
    ]  # fmt: skip
    assert {change["by"] for change in changes(data)} == {"cli"}
    user("group", "acceptance_group")
    assert "XB5  汽车工程系  external" in user("department").output
    assert user("department", "XB5").output == "XB5  汽车工程系  external\n"
    assert len(changes(data)) == len(SESSION), "to look at a group or a department changes nothing"


@pytest.mark.parametrize(
    "arguments", [row[0] for row in SESSION[:2]] + [SESSION[3][0], SESSION[5][0], SESSION[8][0], ["department"]]
)
def test_a_script_gets_json(arguments: list[str], data: Path) -> None:
    result = user(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)


def test_accounts_are_linked_over_organisations_and_both_know_it(data: Path) -> None:
    result = user("link", "school/teacher", "bureau/inspector", here=False)
    assert result.output == "linked school/teacher, bureau/inspector\n"
    [change] = changes(data)
    assert change["about"] == {"accounts": ["school/teacher", "bureau/inspector"]}


#: what is asked, the exit code, what is said in Chinese and in English
REFUSED = [
    (["grant", "teacher", "king"], 1, "没有角色 'king'", "there is no role 'king'"),
    (["grant", "nobody", "teacher"], 1, "名册中没有 'nobody'", "there is nobody called 'nobody'"),
    (["grant", "teacher", "driver", "--until", "tomorrow"], 2, "", "does not match the format"),
    (["withdraw", "teacher", "driver"], 1, "没有这项角色", "holds no such role"),
    (["away", "teacher", "--until", "2020-03-01"], 1, "结束日期早于开始日期", "ends before it begins"),
    (["back", "teacher"], 1, "没有未结束的外出", "has no absence that is not over"),
    (["back", "teacher", "nothing"], 1, "没有这次外出", "there is no such absence"),
    (["add", "teacher", "--name", "x"], 1, "已有人使用", "is somebody's already"),
    (["add", "Teacher 3", "--name", "x"], 1, "小写字母", "has to be 1 to 31"),
    (["add", "me", "--name", "x"], 1, "且不是", "none of"),
    (["add", "new", "--name", "x", "--department", "XX"], 1, "不是本单位的部门", "is no department here"),
    (["add", "other", "--name", "x", "--staff-number", "1 2"], 1, "工号", "the staff number"),
    (["deactivate", "nobody"], 1, "名册中没有", "there is nobody called"),
    (["department", "XX"], 1, "没有部门", "There is no department"),
    (["department", "XX", "--external"], 1, "可见字符", "visible characters"),
    (["department", "9", "--name", "x"], 1, "以字母开头", "begins with a letter"),
    (["department", "XX", "--name", "机电工程系"], 1, "也叫这个名称", "is called so too"),
    (["group", "nothing"], 1, "没有工作组", "There is no group"),
    (["group", "nothing", "--least", "1"], 1, "应有 1 至 200 个席位", "a group has 1 to 200 seats"),
]


@pytest.mark.parametrize("arguments, code, zh, en", REFUSED, ids=[" ".join(row[0][:3]) for row in REFUSED])
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: list[str], code: int, zh: str, en: str, data: Path
) -> None:
    result = user(*arguments)
    assert result.exit_code == code, result.output
    assert zh in result.stderr and en in result.stderr and "Traceback" not in result.output
    assert changes(data) == []


def test_an_account_is_named_with_its_organisation(data: Path) -> None:
    assert user("link", "teacher", "driver", here=False).exit_code == 2
    assert user("link", "school/teacher", "school/nobody", here=False).exit_code == 1
    assert user("link", "school/teacher", "nowhere/nobody", here=False).exit_code == 1


def test_two_absences_are_told_apart(data: Path) -> None:
    for until in ("2020-03-06", "2020-03-09"):
        assert user("away", "teacher", "--until", until).exit_code == 0
    result = user("back", "teacher")
    assert result.exit_code == 1 and "2 absences that are not over" in result.stderr
    assert user("back", "teacher", changes(data)[0]["about"]["absence"]).exit_code == 0
    assert user("back", "teacher").exit_code == 0, "one is left, and that is meant"


def test_each_command_explains_itself() -> None:
    for name, command in duties.user.commands.items():
        assert command.help
        assert CliRunner().invoke(main, ["user", name, "--help"]).exit_code == 0
