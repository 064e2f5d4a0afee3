"""From nothing to an organisation: whole or not at all, told by options or asked for, once for each key."""

import json
import os
import pty
import select
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection

from api import directory, passwords
from api.cli import main
from api.directory import Editor, first_month_owed
from api.folder import Folder
from api.founding import Founding, calendar_from, found
from engine.actor import Grant
from engine.directory import Department, Organisation, Person
from engine.errors import InvalidInput, Text
from engine.store import accounts, calendars, people, periods
from engine.store.database import Database
from tests.builders import START, a_database
from tests.databases import Kind
from tests.journeys.serving import command, environment
from workflows.inspection import CYCLE

NO1 = ["--organisation", "no1", "--name", "第一职业学校", "--administrator", "admin", "--administrator-name", "信息员"]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose clock stands at START."""
    Folder(tmp_path / "data").make(simulated=True, at=START)
    a_database(tmp_path / "data", "sqlite").close()
    return tmp_path / "data"


def setup(*arguments: str, data: Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["setup", *arguments, "--data", str(data)], input=stdin)


def looked_at(data: Path, look: Any) -> Any:
    database = Database.in_file(data / "bihuan.db")
    with database.read_across() as connection:
        seen = look(connection)
    database.close()
    return seen


def test_a_school_is_set_up_in_an_empty_folder_and_its_administrator_can_sign_in(tmp_path: Path) -> None:
    done = setup(*NO1, "--name-en", "Vocational School No. 1", "--json", data=tmp_path / "new")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)

    def look(connection: Connection) -> None:
        school = people.organisation(connection, "no1")
        assert school == Organisation("no1", Text("第一职业学校", "Vocational School No. 1"))
        kept = accounts.password(connection, "no1", "admin")
        assert kept is not None and kept.must_change
        assert passwords.fits(told["first_password"], kept.hash)
        assert people.grants_of(connection, "no1", "admin") == [Grant("administrator")]
        [change] = people.changes(connection, "no1")
        assert (change["what"], change["by"], change["about"]["administrator"]) == ("set_up", "cli", "admin")
        assert told["first_password"] not in str(change)
        assert {group.code for group in people.groups(connection, "no1")} == {"leading_group", "acceptance_group"}

    looked_at(tmp_path / "new", look)
    assert not Folder(tmp_path / "new").simulated


def test_setting_up_the_same_key_twice_is_refused_and_changes_nothing(data: Path) -> None:
    assert setup(*NO1, data=data).exit_code == 0
    before = looked_at(data, lambda connection: people.changes(connection, "no1"))
    again = setup(*NO1, data=data)
    assert again.exit_code == 1
    assert "已建立（第一职业学校）" in again.stderr and "is set up already" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1
    assert looked_at(data, lambda connection: people.changes(connection, "no1")) == before


def test_it_says_what_to_do_next_and_shows_the_password_once(data: Path) -> None:
    said = setup(*NO1, data=data).stdout
    for following in ("bihuan export people-template", "bihuan import people", "bihuan check", "bihuan serve"):
        assert following in said
    assert said.count("First password") == 1


def test_a_password_of_ones_own_need_not_be_changed_and_is_never_shown(data: Path) -> None:
    done = setup(*NO1, "--password-stdin", data=data, stdin="坐看云起时 2026 correct\n")
    assert done.exit_code == 0, done.output
    assert "First password" not in done.output and "云起" not in done.output
    kept = looked_at(data, lambda connection: accounts.password(connection, "no1", "admin"))
    assert not kept.must_change and passwords.fits("坐看云起时 2026 correct", kept.hash)


@pytest.mark.parametrize(
    "told, why", [("short\n", "密码至少 10 个字符"), ("", "密码至少"), ("admin-2026-long\n", "不能包含账号")]
)
def test_a_password_that_is_none_makes_not_even_a_folder(told: str, why: str, tmp_path: Path) -> None:
    refused = setup(*NO1, "--password-stdin", data=tmp_path / "new", stdin=told)
    assert refused.exit_code == 1 and why in refused.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("missing", ["--organisation", "--name", "--administrator", "--administrator-name"])
def test_what_is_missing_is_named_where_nobody_can_be_asked(missing: str, tmp_path: Path) -> None:
    at = NO1.index(missing)
    refused = setup(*NO1[:at], *NO1[at + 2 :], data=tmp_path / "new")
    assert refused.exit_code == 2 and missing in refused.stderr
    assert not (tmp_path / "new").exists()


#: option, value, what is said in Chinese and in English
REFUSED = [
    ("--organisation", "No 1", "小写字母", "a-z, 0-9"), ("--organisation", "a@b", "小写字母", "a-z, 0-9"),
    ("--name", " ", "可见字符", "visible characters"), ("--name", "a\nb", "可见字符", "visible characters"),
    ("--administrator", "Admin", "小写字母", "has to be 1 to 31"), ("--administrator", "me", "且不是", "none of"),
    ("--time-zone", "Mars/Olympus", "没有这个时区", "no such time zone"),
    ("--time-zone", "../../etc/passwd", "没有这个时区", "no such time zone"),
    ("--administrator-staff-number", "a b", "工号", "staff number"),
    ("--parent", "nobody", "没有主管部门", "there is no bureau"), ("--over", "no1", "只有主管部门", "only a bureau"),
]  # fmt: skip


@pytest.mark.parametrize("option, value, zh, en", REFUSED)
def test_what_cannot_be_is_told_in_both_languages_and_nothing_is_written(
    option: str, value: str, zh: str, en: str, data: Path
) -> None:
    refused = setup(*NO1, option, value, data=data)
    assert refused.exit_code == 1, refused.output
    assert zh in refused.stderr and en in refused.stderr and "Traceback" not in refused.output
    assert looked_at(data, people.organisations) == []


@pytest.mark.parametrize("option, value, zh, en", REFUSED)
def test_what_cannot_be_makes_not_even_a_folder(option: str, value: str, zh: str, en: str, tmp_path: Path) -> None:
    refused = setup(*NO1, option, value, data=tmp_path / "new")
    assert refused.exit_code == 1 and zh in refused.stderr and en in refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_mistake_is_told_once_and_by_the_name_of_its_option(tmp_path: Path) -> None:
    refused = setup(*NO1, "--name", "a\nb", data=tmp_path / "new")
    assert refused.stderr == (
        "建立单位：单位名称（--name）应为 1 至 100 个可见字符。没有写入任何内容，请改正后重新运行。 / "
        "Set up an organisation: --name: has to be 1 to 100 visible characters. Nothing was written; correct it and run it again.\n"
    )


def test_the_next_commands_can_be_run_as_they_are_told(data: Path) -> None:
    first = setup(*NO1, data=data).stdout
    assert "bihuan check" in first and f"--data {data}" in first and "--organisation" not in first
    second = setup("--organisation", "no2", *NO1[2:], data=data).stdout
    assert second.count(f"--data {data} --organisation no2") == 3 and f"bihuan serve --data {data} " in second


def test_a_bureau_is_put_above_schools_that_are_there_and_schools_below_one_that_is(data: Path) -> None:
    assert setup(*NO1, data=data).exit_code == 0
    bureau = ["--organisation", "bureau", "--name", "市教育局", "--kind", "bureau", "--over", "no1"]
    admin = ["--administrator", "admin", "--administrator-name", "信息员"]
    assert setup(*bureau, *admin, data=data).exit_code == 0
    second = ["--organisation", "no2", "--name", "第二职业学校", "--parent", "bureau"]
    assert setup(*second, *admin, data=data).exit_code == 0
    found = looked_at(data, people.organisations)
    assert {o.organisation: (o.kind, o.parent) for o in found} == {
        "bureau": ("bureau", None), "no1": ("school", "bureau"), "no2": ("school", "bureau"),
    }  # fmt: skip
    assert [c["what"] for c in looked_at(data, lambda c: people.changes(c, "no1"))] == ["set_up", "placed_under"]
    assert looked_at(data, lambda c: people.groups(c, "bureau")) == [], "a bureau closes no loops of its own"
    third = ["--organisation", "other", "--name", "另一局", "--kind", "bureau", "--over", "no1"]
    refused = setup(*third, *admin, data=data)
    assert refused.exit_code == 1 and "已有主管部门" in refused.stderr
    assert len(looked_at(data, people.organisations)) == 3


def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path, kind: Kind) -> None:
    database = a_database(tmp_path, kind)
    admin = Person("no1", "admin", "信息员")
    founding = Founding(Organisation("no1", Text("第一职业学校", "No. 1")), admin, "hash", must_change=True)
    with database.write_across() as connection:  # somebody of this key is there already, as no organisation leaves one
        people.add_person(connection, admin)
    with pytest.raises(Exception, match=r"(?i)unique"):
        found(database, founding, START)
    with database.read_across() as connection:
        assert people.organisations(connection) == [] and people.changes(connection, "no1") == []
        assert calendars.newest(connection, "no1") is None and people.groups(connection, "no1") == []
    database.close()


# --- departments and what they owe ---------------------------------------------------------------------------------------


def owed(connection: Connection) -> dict[str, tuple[date, date | None]]:
    return {o.scope: (o.first_day, o.last_day) for o in periods.obligations(connection, "no1") if o.cycle == CYCLE}


def test_departments_of_the_reference_owe_their_monthly_inspection_and_contractors_do_not(data: Path) -> None:
    assert setup(*NO1, "--departments", "reference", data=data).exit_code == 0
    seen = looked_at(data, owed)
    assert len(seen) == 20 and "WYGS" not in seen
    assert set(seen.values()) == {(date(2020, 3, 1), None)}


@pytest.mark.parametrize(
    "today, first",
    [
        (date(2026, 3, 1), date(2026, 3, 1)), (date(2026, 3, 20), date(2026, 3, 1)),
        (date(2026, 3, 21), date(2026, 4, 1)), (date(2026, 12, 31), date(2027, 1, 1)),
        (date(2026, 1, 31), date(2026, 2, 1)),
    ],
)  # fmt: skip
def test_nobody_begins_with_a_report_that_is_missing(today: date, first: date) -> None:
    assert first_month_owed(today) == first


def test_a_department_added_later_owes_too_until_it_is_said_that_it_does_not(data: Path) -> None:
    assert setup(*NO1, data=data).exit_code == 0
    database = Database.in_file(data / "bihuan.db")
    editor = Editor(database, "no1", "cli", START)
    named = Text("汽车工程系", "Automotive")
    steps: list[tuple[Department, bool | None, tuple[date, date | None]]] = [
        (Department("no1", "XB5", named), None, (date(2020, 3, 1), None)),
        (Department("no1", "XB5", Text("汽修系", "Cars")), None, (date(2020, 3, 1), None)),
        (Department("no1", "XB5", named), False, (date(2020, 3, 1), date(2020, 3, 1))),
        (Department("no1", "XB5", named), None, (date(2020, 3, 1), date(2020, 3, 1))),
        (Department("no1", "XB5", named), True, (date(2020, 3, 1), None)),
    ]
    for department, owes, expected in steps:
        directory.set_department(editor, department, owes_monthly=owes)
        with database.read_across() as connection:
            assert owed(connection)["XB5"] == expected
            assert people.departments(connection, "no1") == [department]
    directory.set_department(editor, Department("no1", "WY", Text("物业", "Contractor"), external=True))
    with database.read_across() as connection:
        assert "WY" not in owed(connection)
    for code, name in [("5", "x"), ("xb5", "另一系"), ("XB6", "汽车工程系"), ("XB6", "")]:
        with pytest.raises(InvalidInput):
            directory.set_department(editor, Department("no1", code, Text(name, name)))
    database.close()


# --- the calendar --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "today, known",
    [
        (date(2020, 3, 2), (2019, 2026)), (date(2026, 11, 25), (2025, 2026)), (date(2031, 1, 1), (2026, 2026)),
        (date(2004, 5, 1), (2004, 2026)),
    ],
)  # fmt: skip
def test_the_calendar_is_of_the_years_whose_holidays_are_known(today: date, known: tuple[int, int]) -> None:
    calendar = calendar_from(today, "Asia/Shanghai")
    assert (calendar.known_from.year, calendar.known_until.year) == known
    assert calendar.version == 1


def test_a_calendar_that_ends_soon_is_said(tmp_path: Path, kind: Kind) -> None:
    database = a_database(tmp_path, kind)
    founding = Founding(
        Organisation("no1", Text("第一职业学校", "No. 1")), Person("no1", "admin", "信息员"), "hash", must_change=True
    )
    assert found(database, founding, datetime(2026, 12, 1, tzinfo=UTC)).warns
    database.close()


# --- at a terminal -------------------------------------------------------------------------------------------------------


def test_at_a_terminal_it_asks_for_what_it_was_not_told(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("setup", "--data", tmp_path / "new"), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
        env=environment(BIHUAN_LOG_LEVEL="error"), cwd=tmp_path, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    for question, answer in [
        ("organisation", "no1"), ("Chinese", "第一职业学校"), ("key", "admin"), ("name", "信息员"), ("Password", ""),
    ]:  # fmt: skip
        wait_for(ours, question)
        os.write(ours, f"{answer}\n".encode())
    said, _ = process.communicate(timeout=50)
    os.close(ours)
    assert process.returncode == 0
    assert "已建立" in said.decode() and "First password" in said.decode()
    assert [o.organisation for o in looked_at(tmp_path / "new", people.organisations)] == ["no1"]


def wait_for(terminal: int, word: str) -> None:
    said = b""
    while word.encode() not in said:
        ready, _, _ = select.select([terminal], [], [], 50)
        assert ready, said
        said += os.read(terminal, 1000)
