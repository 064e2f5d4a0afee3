"""The command line: one sentence in both languages when it refuses, JSON where a script wants it."""

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api import passwords
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.cli.calendars import _move
from api.folder import Folder
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.handle import Done, handle_one
from engine.store import accounts, calendars, people, policies
from engine.store.accounts import TokenOf
from tests.builders import START, School, a_calendar, a_database, a_school, the_settings
from workflows.reference import criteria_for


@pytest.fixture(autouse=True)
def _nobody_s_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Folder(tmp_path / "data").make(simulated=True, at=START)
    return tmp_path / "data"


@pytest.fixture
def school(data: Path) -> School:
    database = a_database(data, "sqlite")
    school = a_school(database)
    database.close()
    return school


def bihuan(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


#: what is asked, the exit code, what is said in Chinese and in English
REFUSED = [
    (["serve", "--data", "nowhere"], 1, "尚未建立", "has not been made"),
    (["tick", "--data", "nowhere"], 1, "尚未建立", "has not been made"),
    (["serve", "--workers", "2"], 1, "不能大于 1", "cannot be above 1"),
    (["work"], 1, "不能另开工作进程", "no worker beside it"),
    (["workflow", "show", "nothing"], 1, "没有流程", "There is no loop"),
    (["token", "create", "nobody", "--data", "data"], 1, "在册人员", "nobody active"),
    (["token", "revoke", "bh_nothing", "--data", "data"], 1, "没有以", "no living token"),
    (["token", "list", "--data", "data", "--organisation", "other"], 1, "请用 --organisation", "with --organisation"),
    (["calendar", "load", "broken.yaml", "--data", "data"], 1, "不能使用", "cannot be used"),
    (["workflow", "policy", "hazard", "--set", "nothing=1", "--data", "data"], 1, "不能这样设置", "cannot be set so"),
    (["export", "ledger", "-o", "nowhere/x.xlsx", "--data", "data"], 1, "无法写入", "Cannot write"),
    (["workflow", "policy", "hazard", "--set", "nothing", "--data", "data"], 2, "", "NAME=VALUE"),
    (["nothing"], 2, "", "No such command"),
]


@pytest.mark.parametrize("arguments, code, zh, en", REFUSED, ids=[" ".join(row[0][:5]) for row in REFUSED])
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: list[str], code: int, zh: str, en: str, school: School, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text("known_from: 2020-01-01\n")
    result = bihuan(*arguments)
    assert result.exit_code == code, result.output
    assert zh in result.stderr and en in result.stderr
    assert "Traceback" not in result.output
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_token_is_shown_once_and_signs_its_person_in_until_it_is_revoked(data: Path, school: School) -> None:
    made = json.loads(bihuan("token", "create", "teacher", "--days", "7", "--json", "--data", data).stdout)
    runtime = open_runtime(the_settings(data))
    with runtime.database.read_across() as connection:
        assert accounts.signed_in(connection, made["token"], START + timedelta(days=6)) == TokenOf(
            "school", "teacher", "act"
        )
        assert accounts.signed_in(connection, made["token"], START + timedelta(days=8)) is None
    listed = bihuan("token", "list", "--data", data).stdout
    assert made["token"] not in listed and made["token"][:12] in listed
    assert bihuan("token", "revoke", made["token"][:12], "--data", data).exit_code == 0
    with runtime.database.read_across() as connection:
        assert accounts.signed_in(connection, made["token"], START) is None
    runtime.close()


def test_a_corrected_calendar_moves_no_deadline_until_it_is_told_to(data: Path, school: School) -> None:
    runtime = open_runtime(the_settings(data), clock=SimulatedClock(START))
    number = assigned_hazard(runtime, school)
    runtime.close()
    days, year = (
        frozenset({date(2020, 3, 3), date(2020, 3, 4)}),
        {"known_from": date(2020, 1, 1), "known_until": date(2020, 12, 31)},
    )
    corrected = a_calendar(version=2, days_off=days, **year)
    (data.parent / "v2.json").write_text(json.dumps(corrected.to_json()))
    loaded = bihuan("calendar", "load", data.parent / "v2.json", "--data", data)
    assert loaded.exit_code == 0, loaded.output
    assert "再调整）：1 项 · " in loaded.stdout and "then move them: 1\n" in loaded.stdout
    assert f"bihuan calendar recompute --dry-run --data {data}" in loaded.stdout, "and how they are moved"
    assert [
        v["version"] for v in json.loads(bihuan("calendar", "show", "--json", "--data", data).stdout)["versions"]
    ] == [1, 2]
    assert "then move them: 1\n" in bihuan("calendar", "show", "--data", data).stdout
    preview = json.loads(bihuan("calendar", "recompute", "--dry-run", "--json", "--data", data).stdout)
    moved = json.loads(bihuan("calendar", "recompute", "--json", "--data", data).stdout)
    assert [(line["case"], line["before"][:10], line["after"][:10]) for line in preview["cases"]] == [
        (number, "2020-03-05", "2020-03-09")
    ]
    assert preview["moved"] == 0 and moved["moved"] == 1 and moved["cases"] == preview["cases"]
    again = json.loads(bihuan("calendar", "recompute", "--json", "--data", data).stdout)
    assert again["cases"] == []
    assert json.loads(bihuan("calendar", "show", "--json", "--data", data).stdout)["deadlines_to_recompute"] == 0


def test_the_calendar_of_a_new_year_keeps_what_was_known_and_says_what_it_brings(data: Path, school: School) -> None:
    file = data.parent / "2022.yaml"
    file.write_text(
        "known_from: 2022-01-01\nknown_until: 2022-12-31\ndays_off: [2022-01-03]\nworking_weekend_days: [2022-01-29]\n"
    )
    loaded = bihuan("calendar", "load", file, "--data", data)
    assert loaded.exit_code == 0, loaded.output
    assert "+ 放假 · days off: 2022-01-03" in loaded.output
    assert "No running deadline would move by it" in loaded.output
    newest = json.loads(bihuan("calendar", "show", "--json", "--data", data).stdout)["newest"]
    assert (newest["version"], newest["known_from"], newest["known_until"]) == (2, "2019-01-01", "2022-12-31")
    file.write_text(file.read_text() + "brekas: []\n")
    refused = bihuan("calendar", "load", file, "--data", data)
    assert refused.exit_code == 1
    assert "'brekas'" in refused.stderr
    file.write_text(
        "known_from: 2021-01-01\nknown_until: 9999-12-31\ndays_off: [2021-01-01]\nworking_weekend_days: []\n"
    )
    refused = bihuan("calendar", "load", file, "--data", data)
    assert refused.exit_code == 1 and "请核对年份" in refused.stderr and "Look at the year again" in refused.stderr


def test_a_deadline_that_only_becomes_provisional_or_firm_says_so(data: Path, school: School) -> None:
    runtime = open_runtime(the_settings(data), clock=SimulatedClock(START))
    assigned_hazard(runtime, school)
    with runtime.database.write_across() as connection:
        shorter = a_calendar(version=2, known_until=date(2020, 3, 3))
        calendars.add(connection, "school", shorter, START)
    runtime.close()
    said = bihuan("calendar", "recompute", "--data", data)
    assert "变为暂定 · becomes provisional" in said.stdout, said.output
    assert "→" not in said.stdout


FIFTH = datetime(2020, 3, 5, tzinfo=UTC)
#: before, after, provisional before, provisional after → what a line says of it
MOVES = [
    (FIFTH, FIFTH + timedelta(days=4), False, False, "2020-03-05 00:00 → 2020-03-09 00:00"),
    (FIFTH, FIFTH, True, False, "2020-03-05 00:00  变为确定 · becomes firm"),
    (FIFTH, FIFTH, False, False, "2020-03-05 00:00  提醒改期 · its reminders move"),
]


def test_a_deadline_that_stays_is_named_for_the_reminders_that_move() -> None:
    for before, after, was_provisional, provisional, said in MOVES:
        line = {"before": before, "after": after, "was_provisional": was_provisional, "provisional": provisional}
        assert _move(line) == said


def test_the_calendar_is_shown_by_month_and_in_the_school_s_time(data: Path, school: School) -> None:
    file = data.parent / "march.yaml"
    file.write_text(
        "known_from: 2020-03-01\nknown_until: 2020-03-31\ndays_off: [2020-03-03, 2020-03-04]\nworking_weekend_days: []\n"
    )
    assert bihuan("calendar", "load", file, "--data", data).exit_code == 0
    shown = bihuan("calendar", "show", "--data", data).stdout
    assert "2020-03: 3, 4" in shown and "放假 · Days off" in shown
    assert "v2  2020-03-02 09:0" in shown
    loaded_at = json.loads(bihuan("calendar", "show", "--json", "--data", data).stdout)["versions"][1]["loaded_at"]
    assert datetime.fromisoformat(loaded_at).utcoffset() is not None and "T" in loaded_at


@pytest.mark.parametrize("written", [b"a: [", b"\xff\xfe\x00", b"2020-01-01: 1\n? [1]\n: 2", b"[]"])
def test_a_file_that_is_no_calendar_is_told_without_the_reader_s_own_words(
    written: bytes, data: Path, school: School
) -> None:
    (data.parent / "odd.yaml").write_bytes(written)
    refused = bihuan("calendar", "load", data.parent / "odd.yaml", "--data", data)
    assert refused.exit_code == 1, refused.output
    assert len(refused.stderr.strip().splitlines()) == 1 and "日历文件" in refused.stderr


def test_a_dead_letter_that_is_none_is_named(data: Path, school: School) -> None:
    refused = bihuan("outbox", "redrive", "nope", "--data", data)
    assert refused.exit_code == 1
    assert "nope" in refused.stderr


def test_a_database_that_is_gone_is_not_made_anew(data: Path, school: School) -> None:
    (data / "bihuan.db").unlink()
    refused = bihuan("tick", "--data", data)
    assert refused.exit_code == 1 and "不见了" in refused.stderr and "Restore it from a backup" in refused.stderr
    assert not (data / "bihuan.db").exists()


def test_a_replay_goes_into_a_new_folder_only(data: Path, school: School) -> None:
    refused = bihuan("demo", "--no-serve", "--data", data)
    assert refused.exit_code == 1 and "Replay into a new one" in refused.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a..b"])
def test_an_address_of_another_machine_is_told_as_such(host: str, data: Path, school: School) -> None:
    refused = bihuan("serve", "--host", host, "--data", data)
    assert refused.exit_code == 1, refused.output
    assert "不是本机的地址" in refused.stderr and "no address of this machine" in refused.stderr
    assert "--port" not in refused.stderr


def test_the_outbox_has_headings_and_knows_its_cases(data: Path, school: School) -> None:
    unknown = bihuan("outbox", "list", "--case", "NOPE", "--data", data)
    assert unknown.exit_code == 1 and "没有编号为“NOPE”的事项" in unknown.stderr and "no case 'NOPE'" in unknown.stderr
    assert "none" in bihuan("outbox", "list", "--data", data).stdout
    runtime = open_runtime(the_settings(data), clock=SimulatedClock(START))
    assigned_hazard(runtime, school)
    runtime.close()
    assert bihuan("tick", "--data", data).exit_code == 0
    listed = bihuan("outbox", "list", "--case", "YH-2020-0001", "--limit", "1", "--data", data)
    head, first = listed.stdout.splitlines()
    assert "状态 status" in head and "YH-2020-0001" in first


def test_a_new_folder_of_a_real_school_says_that_there_is_none_yet(tmp_path: Path) -> None:
    bihuan("db", "upgrade", "--data", tmp_path / "new")
    refused = bihuan("token", "list", "--data", tmp_path / "new")
    assert refused.exit_code == 1
    assert "还没有学校" in refused.stderr and "Set one up with `bihuan setup`" in refused.stderr


def test_a_taken_port_is_told_before_the_replay(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = bihuan("demo", "--data", tmp_path / "new", "--port", str(taken.getsockname()[1]))
    assert refused.exit_code == 1
    assert not (tmp_path / "new" / "folder.json").exists()


def test_a_database_that_is_none_is_told_in_a_sentence(data: Path, school: School) -> None:
    (data / "bihuan.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    refused = bihuan("tick", "--data", data)
    assert refused.exit_code == 1
    assert "not a database" in refused.stderr and "数据目录或磁盘不可用" in refused.stderr
    assert "Traceback" not in refused.output


def assigned_hazard(runtime: Runtime, school: School) -> str:
    """Three working days from Monday 2 March."""
    report = OpenCase("hazard", {"title": "t", "place": "p", "source": "staff"})
    opened = handle_one(runtime.engine, Asked(school.actor("teacher"), report))
    assert isinstance(opened, Done)
    given = {
        "category": "ELEC.use", "criteria": {c.code: False for c in criteria_for("ELEC.use")}, "department": "HQC",
        "assignee": "repairer", "time_limit": "days3", "requirement": "更换", "interim": "断电",
    }  # fmt: skip
    step = FireTrigger(opened.case.number, "assign", given)
    assigned = handle_one(runtime.engine, Asked(school.actor("safety_staff"), step))
    assert isinstance(assigned, Done)
    return assigned.case.number


def test_an_organisation_sets_its_own_numbers(data: Path, school: School) -> None:
    result = bihuan("workflow", "policy", "hazard", "--set", "verify_workdays=5", "--json", "--data", data)
    assert json.loads(result.stdout)["policy"]["verify_workdays"] == 5
    result = bihuan("workflow", "policy", "hazard", "--set", "remind_at=08:10", "--json", "--data", data)
    assert json.loads(result.stdout)["set"] == {"verify_workdays": 5, "remind_at": "08:10"}
    runtime = open_runtime(the_settings(data))
    with runtime.database.read_across() as connection:
        assert policies.in_force(connection, "school", "hazard")[0] == 2
    runtime.close()


def test_the_loops_are_listed_shown_and_drawn() -> None:
    assert {line["key"] for line in json.loads(bihuan("workflow", "list", "--json").stdout)} >= {"hazard", "drill"}
    assert "verify_workdays" in bihuan("workflow", "show", "hazard").stdout
    assert bihuan("workflow", "diagram", "hazard", "--locale", "en").stdout.startswith("stateDiagram-v2")


def test_a_new_folder_is_made_by_upgrading_it(tmp_path: Path) -> None:
    assert bihuan("db", "upgrade", "--data", tmp_path / "new").exit_code == 0
    assert bihuan("db", "upgrade", "--data", tmp_path / "new").exit_code == 0
    assert not Folder(tmp_path / "new").simulated


def test_the_outbox_is_listed_and_sent_again(data: Path, school: School) -> None:
    runtime = open_runtime(the_settings(data), clock=SimulatedClock(datetime(2020, 3, 2, 2, tzinfo=UTC)))
    report = OpenCase("hazard", {"title": "t", "place": "p", "source": "staff"})
    handle_one(runtime.engine, Asked(school.actor("teacher"), report))
    runtime.close()
    assert json.loads(bihuan("tick", "--json", "--data", data).stdout)["planned"] > 0
    lines = json.loads(bihuan("outbox", "list", "--json", "--data", data).stdout)
    assert {line["case"] for line in lines} == {"YH-2020-0001", None}, "and the day's message of what waits"
    assert json.loads(bihuan("outbox", "list", "--dead", "--json", "--data", data).stdout) == []
    assert json.loads(bihuan("outbox", "redrive", "--json", "--data", data).stdout)["redriven"] == 0


# --- a folder or a disk in a bad way --------------------------------------------------------------------------------------


def _truncated(data: Path) -> None:
    (data / "bihuan.db").write_bytes((data / "bihuan.db").read_bytes()[:5000])


def _altered(statement: str) -> Callable[[Path], None]:
    def alter(data: Path) -> None:
        with contextlib.closing(sqlite3.connect(data / "bihuan.db")) as database, database:
            database.execute(statement)

    return alter


#: what happened to the folder, what is asked of it, what is said
BROKEN: list[tuple[Callable[[Path], object], list[str], str, str]] = [
    (lambda data: (data / "bihuan.db").write_bytes(b"none" * 999), ["tick"], "该文件不是数据库", "not a database"),
    (lambda data: (data / "bihuan.db").write_bytes(b"none" * 999), ["db", "upgrade"], "不是数据库", "not a database"),
    (_truncated, ["calendar", "show"], "数据库已损坏", "damaged"),
    (
        _altered("UPDATE alembic_version SET version_num = '9999'"),
        ["db", "upgrade"],
        "请升级程序",
        "Upgrade the program",
    ),
    (_altered("DELETE FROM alembic_version"), ["db", "upgrade"], "请从备份恢复", "from a backup"),
    (_altered("DELETE FROM alembic_version"), ["tick"], "请从备份恢复", "from a backup"),
    (_altered("INSERT INTO alembic_version VALUES ('0000')"), ["tick"], "请从备份恢复", "from a backup"),
    (lambda data: (data.parent / ".env").write_bytes(b"\xff\xfe"), ["tick"], ".env 无法读取", ".env in this folder"),
    (lambda data: (data / "folder.json").write_text("{}"), ["tick"], "标记", "marker"),
]


@pytest.mark.parametrize("happen, arguments, zh, en", BROKEN)
def test_a_folder_in_a_bad_way_is_told_in_one_sentence(
    happen: Callable[[Path], object], arguments: list[str], zh: str, en: str, data: Path, school: School
) -> None:
    happen(data)
    refused = bihuan(*arguments, "--data", data)
    assert refused.exit_code == 1, refused.output
    assert isinstance(refused.exception, SystemExit)
    assert zh in refused.stderr and en in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_database_setting_that_names_no_folder_is_told(
    data: Path, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIHUAN_DATABASE_URL", f"sqlite:///{data}/nowhere/x.db")
    refused = bihuan("tick", "--data", data)
    assert refused.exit_code == 1 and "BIHUAN_DATABASE_URL" in refused.stderr and "does not exist" in refused.stderr


def test_a_ledger_is_for_its_user_only_as_everything_that_is_taken_away(data: Path, school: School) -> None:
    sheet = data.parent / "ledger.xlsx"
    result = CliRunner().invoke(main, ["export", "ledger", "-o", str(sheet), "--data", str(data)])
    assert (result.exit_code, sheet.stat().st_mode & 0o077) == (0, 0), result.output
    assert not sheet.with_name("ledger.xlsx.part").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_ledger_that_finds_the_disk_full_leaves_the_old_one(data: Path, school: School) -> None:
    old = data.parent / "ledger.xlsx"
    old.write_bytes(b"old")
    (data.parent / "ledger.xlsx.part").symlink_to("/dev/full")
    command = [sys.executable, "-m", "api.cli", "export", "ledger", "-o", str(old), "--data", str(data)]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "磁盘空间不足" in done.stderr and "no space left" in done.stderr
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr
    assert old.read_bytes() == b"old"


def test_a_misspelt_setting_is_told_once_and_hinders_nothing(
    data: Path, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIHUAN_PROT", "8001")
    done = bihuan("tick", "--json", "--data", data)
    assert done.exit_code == 0 and json.loads(done.stdout)
    assert done.stderr.count("BIHUAN_PROT") == 1


@pytest.mark.parametrize(
    "change, zh",
    [("nothing=1", "nothing 不是这个流程可调的数值"), ("verify_workdays=many", "verify_workdays 应为整数")],
)
def test_a_number_that_cannot_be_set_is_named_in_chinese_too(change: str, zh: str, data: Path, school: School) -> None:
    refused = bihuan("workflow", "policy", "hazard", "--set", change, "--data", data)
    assert refused.exit_code == 1 and zh in refused.stderr


# --- accounts ------------------------------------------------------------------------------------------------------------


def test_a_token_made_to_read_says_so_in_the_list(data: Path, school: School) -> None:
    made = json.loads(bihuan("token", "create", "teacher", "--allows", "read", "--json", "--data", data).stdout)
    assert made["allows"] == "read"
    assert f"{made['token'][:12]}…  teacher  read" in bihuan("token", "list", "--data", data).stdout
    runtime = open_runtime(the_settings(data))
    with runtime.database.read_across() as connection:
        assert accounts.signed_in(connection, made["token"], START) == TokenOf("school", "teacher", "read")
    runtime.close()
    assert bihuan("token", "revoke", "bihuan_zzzzz", "--data", data).exit_code == 1


def test_a_drawn_password_is_printed_once_and_has_to_be_changed(data: Path, school: School) -> None:
    drawn = bihuan("user", "password", "teacher", "--generate", "--data", data).stdout.strip()
    runtime = open_runtime(the_settings(data))
    with runtime.database.read_across() as connection:
        kept = accounts.password(connection, "school", "teacher")
        [change] = people.changes(connection, "school")
    runtime.close()
    assert kept is not None and kept.must_change and passwords.fits(drawn, kept.hash)
    assert (change["by"], change["what"], change["about"]) == ("cli", "password_reset", {"person": "teacher"})


def test_a_password_is_asked_for_twice_and_never_shown(data: Path, school: School) -> None:
    arguments = ["user", "password", "teacher", "--data", str(data)]
    done = CliRunner().invoke(main, arguments, input="a phrase of hers\na phrase of hers\n")
    assert done.exit_code == 0, done.output
    assert "a phrase of hers" not in done.output
    weak = CliRunner().invoke(main, arguments, input="teacher-2020\nteacher-2020\n")
    assert weak.exit_code == 2 and "账号" in weak.output
    assert bihuan("user", "password", "nobody", "--generate", "--data", data).exit_code == 1
