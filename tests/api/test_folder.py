import ast
import errno
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Boolean, Integer, column, insert, inspect, table, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from api import migrations
from api.bootstrap import make_folder, open_runtime
from api.causes import cause_of
from api.folder import Folder
from api.settings import documented, read_settings, unknown_names
from engine.clock import RunningFrom, SimulatedClock, SystemClock
from engine.commands import Asked, OpenCase
from engine.definition import Catalog
from engine.errors import DefinitionGone, FolderError
from engine.handle import handle_one
from engine.store import periods
from engine.store.database import Database, UtcDateTime, table_of
from engine.store.tables import CaseRow, PeriodRow
from notifications.tables import DeliveryRow
from tests.builders import REPAIRS, START, a_database, a_runtime, a_school, the_settings
from tests.databases import Kind, Template


def test_a_second_process_cannot_serve_the_same_folder(tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "data"), Folder(tmp_path / "data")
    first.make()
    with first.served():
        with pytest.raises(FolderError, match=r"served by another .* Stop that one first") as refused, second.served():
            pass
        assert "正由另一个" in refused.value.text.zh
    with second.served():
        pass


def test_a_folder_that_was_not_made_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="has not been made"):
        open_runtime(the_settings(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_a_folder_of_somebody_s_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FolderError, match="neither empty nor a data folder"):
        Folder(tmp_path).make()


def test_a_simulated_folder_refuses_the_system_clock_and_a_real_one_a_simulation(tmp_path: Path) -> None:
    a_runtime(tmp_path / "simulated", "sqlite").close()
    a_runtime(tmp_path / "real", "sqlite", simulated=False).close()
    with pytest.raises(FolderError, match="refuses the system clock"):
        open_runtime(the_settings(tmp_path / "simulated"), clock=SystemClock(), catalog=REPAIRS)
    with pytest.raises(FolderError, match="refuses a simulation"):
        open_runtime(the_settings(tmp_path / "real"), clock=SimulatedClock(START), catalog=REPAIRS)
    with pytest.raises(FolderError, match="refuses a simulation"):
        make_folder(Folder(tmp_path / "real"), the_settings(tmp_path / "real"), simulated=True, at=START)


def test_a_simulated_folder_goes_on_from_its_last_instant(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path, "sqlite")
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=3))
    runtime.close()
    again = open_runtime(the_settings(tmp_path), catalog=REPAIRS)
    assert isinstance(again.clock, RunningFrom)
    assert timedelta(days=3) <= again.clock.now() - START < timedelta(days=3, minutes=1)
    again.close()


def test_a_killed_process_s_clock_goes_on_from_its_last_event(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path, "sqlite")
    school = a_school(runtime.database)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=3))
    handle_one(runtime.engine, Asked(school.actor("teacher"), OpenCase("repair", {"title": "t", "place": "p"})))
    runtime.database.close()  # and not runtime.close(): nothing was saved
    again = open_runtime(the_settings(tmp_path), catalog=REPAIRS)
    assert again.clock.now() >= START + timedelta(days=3)
    with pytest.raises(DefinitionGone, match="repair v1"):
        open_runtime(the_settings(tmp_path), catalog=Catalog([]))
    again.close()


# --- the database's shape ------------------------------------------------------------------------------------------------


def test_what_waited_to_be_sent_before_an_upgrade_goes_by_the_account_of_its_channel_after_it(
    tmp_path: Path, kind: Kind
) -> None:
    said = {
        "organisation": "school", "notice": "n", "case": "c", "sequence": 1, "reason": "waiting", "audience": [],
        "about": {}, "notice_how": "direct", "addressee_data": {}, "told": [], "channel": "webhook", "how": "direct",
        "attempts": 0, "fence": 0, "written_at": START, "not_before": START, "planned_at": START,
    }  # fmt: skip
    now = table_of(DeliveryRow)
    before = table("delivery", *(column(name, now.c[name].type) for name in (*said, "id", "addressee", "status")))

    def upgraded(database: Database) -> None:
        with database.own() as connection:
            command.upgrade(migrations._config(connection), "0007")
        a_school(database)
        with database.write("school") as connection:
            for status in ("waiting", "dead", "sent"):
                connection.execute(insert(before).values(said | {"id": status, "addressee": status, "status": status}))
        migrations.upgrade(database)

    with closing(Template(upgraded).copy(kind, tmp_path)) as database, database.read("school") as connection:
        found = {row.status: row.account for row in connection.execute(text("SELECT status, account FROM delivery"))}
    assert found == {"waiting": "webhook", "dead": "webhook", "sent": ""}


#: the tables of a round, by name
ROWS: dict[str, type[SQLModel]] = {"case_record": CaseRow, "period": PeriodRow}


def with_rounds_of_before(database: Database) -> None:
    """Four months' rounds, as they were before zero reports had a column; then everything newer."""
    rounds = {"XB1": ("reported", 0), "XB2": ("late", 0), "XB3": ("reported", 2), "XB4": ("open", None)}
    with database.own() as connection:
        command.upgrade(migrations._config(connection), "0012")
        shapes = {name: inspect(connection).get_columns(name) for name in ("case_record", "period")}
    a_school(database)
    for scope, (status, findings) in rounds.items():
        body = {"facts": {} if findings is None else {"findings": findings}}
        said = {
            "organisation": "school", "number": f"JC-2020-{scope}", "counts_as": "assigned", "body": body,
            "cycle": "dept_check_month", "scope": scope, "key": "2020-02", "status": status,
        }  # fmt: skip
        with database.write("school") as connection:
            for name, columns in shapes.items():
                # as the tables were then, whatever has been added to them since
                needed = [each for each in columns if each["name"] in said or not each["nullable"]]
                then = table(
                    name, *(column(each["name"], table_of(ROWS[name]).c[each["name"]].type) for each in needed)
                )
                blank: dict[str, object] = {
                    each.name: START if isinstance(each.type, UtcDateTime) else "" for each in then.c
                }
                blank |= {each.name: 0 for each in then.c if isinstance(each.type, Integer)}
                blank |= {each.name: False for each in then.c if isinstance(each.type, Boolean)}
                values = {**blank, **{each.name: said[each.name] for each in then.c if each.name in said}}
                connection.execute(insert(then).values(values))
    migrations.upgrade(database)


def zero_reports(database: Database) -> dict[str, bool]:
    with database.read("school") as connection:
        return {each.scope: each.zero for each in periods.find(connection, "school")}


ZERO_REPORTS = {"XB1": True, "XB2": True, "XB3": False, "XB4": False}


def test_a_round_that_found_nothing_before_an_upgrade_was_a_zero_report(tmp_path: Path, kind: Kind) -> None:
    with closing(Template(with_rounds_of_before).copy(kind, tmp_path)) as database:
        assert zero_reports(database) == ZERO_REPORTS


def test_the_migrations_make_exactly_the_tables_the_program_speaks_of(tmp_path: Path) -> None:
    database = Database.in_file(tmp_path / "new.db")
    assert migrations.revision_of(database) is None
    with pytest.raises(FolderError, match="bihuan db upgrade"):
        migrations.must_be_newest(database)
    migrations.upgrade(database)
    migrations.upgrade(database)  # a second time changes nothing
    migrations.check(database)
    migrations.must_be_newest(database)
    assert migrations.revision_of(database) == migrations.newest_revision()
    database.close()


def test_a_database_newer_than_the_program_is_not_touched(tmp_path: Path, kind: Kind) -> None:
    database = a_database(tmp_path, kind)
    with database.own() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FolderError, match="newer than this program"):
        migrations.must_be_newest(database)
    database.close()


# what keeps a node of the version before from going on
TAKES_AWAY = {
    "drop_column",
    "drop_table",
    "drop_constraint",
    "rename_table",
    "rename_column",
    "new_column_name",
    "type_",
}
BEFORE_THE_PROMISE = {"0001", "0002", "0003"}


def test_a_revision_only_adds_or_says_that_every_node_has_to_be_stopped_first() -> None:
    for file in sorted((Path(migrations.__file__).parent / "versions").glob("rev_*.py")):
        module = ast.parse(file.read_text(encoding="utf-8"))
        if file.stem.removeprefix("rev_") in BEFORE_THE_PROMISE or "Stop every node first" in str(
            ast.get_docstring(module)
        ):
            continue
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            said = {keyword.arg: keyword.value for keyword in call.keywords}
            names = {getattr(call.func, "attr", ""), *said}
            assert not names & TAKES_AWAY, f"{file.name}, line {call.lineno}, takes something away"
            compulsory = isinstance(said.get("nullable"), ast.Constant) and ast.unparse(said["nullable"]) == "False"
            in_a_new_table = any(
                call in ast.walk(table)
                for table in ast.walk(module)
                if isinstance(table, ast.Call) and getattr(table.func, "attr", "") == "create_table"
            )
            assert not compulsory or in_a_new_table or "server_default" in said, (
                f"{file.name}, line {call.lineno}: a node of the version before leaves this column empty"
            )


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'person:nobody'", "DELETE FROM event"])
def test_what_happened_cannot_be_changed(statement: str, tmp_path: Path, kind: Kind) -> None:
    runtime = a_runtime(tmp_path, kind)
    school = a_school(runtime.database)
    handle_one(runtime.engine, Asked(school.actor("teacher"), OpenCase("repair", {"title": "t", "place": "p"})))
    with (
        pytest.raises(Exception, match=r"append-only|permission denied"),
        runtime.database.write_across() as connection,
    ):
        connection.exec_driver_sql(statement)
    runtime.close()


# --- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("BIHUAN_PORT", "many", "BIHUAN_PORT"),
        ("BIHUAN_DATABASE_URL", "mysql://school", "'mysql' is neither"),
        ("BIHUAN_LOCALE", "fr", "BIHUAN_LOCALE"),
        ("BIHUAN_DATABASE_URL", "sqlite://", "has to name a file"),
        ("BIHUAN_DATABASE_URL", "sqlite:///:memory:", "has to name a file"),
        ("BIHUAN_PUBLIC_URL", "bihuan.example.org", "BIHUAN_PUBLIC_URL has to be a whole address"),
        ("BIHUAN_PUBLIC_URL", "ftp://example.org", "whole address"),
        ("BIHUAN_TICK_SECONDS", "0", "cannot be less than 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(FolderError, match=said) as refused:
        read_settings()
    assert name in refused.value.text.zh
    assert re.search(r"[一-鿿]", refused.value.text.zh.split(name)[1])


def test_settings_come_from_the_command_line_the_environment_and_a_file_in_this_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BIHUAN_PORT=1001\nBIHUAN_HOST=0.0.0.0\nBIHUAN_LOCALE=en\n")
    monkeypatch.setenv("BIHUAN_HOST", "::1")
    monkeypatch.setenv("BIHUAN_LOCALE", "zh")
    settings = read_settings(locale="en", port=None)
    assert (settings.port, settings.host, settings.locale) == (1001, "::1", "en")
    assert settings.reached_at == "http://[::1]:1001"


def test_every_setting_says_what_it_is_for() -> None:
    assert all(name.startswith("BIHUAN_") and meaning for name, _, meaning in documented())


def test_a_webhook_s_secret_is_not_shown_when_it_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FolderError) as refused:
        a_runtime(tmp_path, "sqlite", webhook_url="https://example.org/hook", webhook_secret="tell-nobody")
    assert "tell-nobody" not in str(refused.value) + refused.value.text.zh


@pytest.mark.parametrize(
    "said", ["", "{", "[]", "null", "5", '"x"', "{}", '{"simulated": "yes"}', '{"simulated": null}'],
)  # fmt: skip
def test_a_marker_that_does_not_say_what_it_marks_is_refused_and_never_taken_for_real(
    said: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "data")
    folder.make(simulated=True)
    folder.marker.write_text(said, encoding="utf-8")
    with pytest.raises(FolderError, match="cannot be read"):
        _ = folder.simulated


@pytest.mark.parametrize("instant", ['"yesterday"', "5", '"2020-01-01T00:00:00"'])
def test_a_marker_with_an_odd_instant_is_refused(instant: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.make(simulated=True)
    folder.marker.write_text(f'{{"simulated": true, "last_instant": {instant}}}', encoding="utf-8")
    with pytest.raises(FolderError, match="cannot be read"):
        _ = folder.last_instant


# --- what the database says of itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulated", [True, False])
def test_a_marker_that_says_the_contrary_of_its_database_is_refused(simulated: bool, tmp_path: Path) -> None:
    folder, settings = Folder(tmp_path / "data"), the_settings(tmp_path / "data")
    make_folder(folder, settings, simulated=simulated, at=START if simulated else None)
    folder.marker.write_text(json.dumps({"simulated": not simulated, "last_instant": START.isoformat()}))
    with pytest.raises(FolderError, match=r"folder\.json denies"):
        open_runtime(settings)
    with pytest.raises(FolderError, match=r"folder\.json denies"):
        make_folder(folder, settings, simulated=not simulated, at=START)


def test_a_folder_whose_database_is_gone_gets_no_empty_one(tmp_path: Path) -> None:
    folder, settings = Folder(tmp_path / "data"), the_settings(tmp_path / "data")
    make_folder(folder, settings)
    folder.database.unlink()
    with pytest.raises(FolderError, match="Restore it from a backup"):
        make_folder(folder, settings)
    assert not folder.database.exists()


def test_a_folder_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.make(simulated=True)
    folder.marker.with_suffix(f".{os.getpid()}.part").mkdir()
    with pytest.raises(FolderError, match="Cannot write to the data folder") as refused:
        folder.remember(START)
    assert "无法写入数据目录" in refused.value.text.zh
    (folder.path / "serve.lock").mkdir()
    with pytest.raises(FolderError, match="Cannot write to the data folder"), folder.served():
        pass


def test_a_webhook_without_its_secret_is_told_by_the_setting_s_name(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="BIHUAN_WEBHOOK_SECRET is not") as refused:
        a_runtime(tmp_path, "sqlite", webhook_url="https://example.org/hook")
    assert "未设 BIHUAN_WEBHOOK_SECRET" in refused.value.text.zh


def test_a_misspelt_setting_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BIHUAN_PROT=1001\nOTHER=1\n")
    monkeypatch.setenv("BIHUAN_DATA_DIR", "x")
    monkeypatch.setenv("BIHUAN_API", "http://127.0.0.1:8000/api/v1")
    monkeypatch.setenv("BIHUAN_DATA", "x")
    assert unknown_names() == ["BIHUAN_DATA_DIR", "BIHUAN_PROT"]


@pytest.mark.parametrize(
    "error, zh",
    [
        (OSError(errno.ENOSPC, "No space left on device"), "磁盘空间不足"),
        (OSError(errno.EXDEV, "Invalid cross-device link"), "Invalid cross-device link"),
        (DBAPIError("x", None, Exception("attempt to write a readonly database")), "数据库只读"),
        (DBAPIError("x", None, Exception("something new")), "something new"),
    ],
)
def test_a_common_cause_is_told_in_chinese_and_a_rare_one_in_the_system_s_words(error: Exception, zh: str) -> None:
    assert cause_of(error).zh == zh


def test_many_processes_that_ask_for_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    """Devices that one of them recognises by it are recognised by all."""
    folders = [Folder(tmp_path) for _ in range(8)]
    gate = threading.Barrier(len(folders))

    def asked(folder: Folder) -> bytes:
        gate.wait(timeout=30)
        return folder.key("sign-in")

    with ThreadPoolExecutor(len(folders)) as pool:
        assert len(set(pool.map(asked, folders))) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["sign-in"]
