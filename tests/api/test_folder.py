from datetime import timedelta
from pathlib import Path

import pytest

from api import migrations
from api.bootstrap import make_folder, open_runtime
from api.folder import Folder
from api.settings import documented, read_settings
from engine.clock import RunningFrom, SimulatedClock, SystemClock
from engine.commands import Asked, OpenCase
from engine.definition import Catalog
from engine.errors import DefinitionGone, FolderError
from engine.handle import handle_one
from engine.store.database import Database
from tests.builders import REPAIRS, START, a_database, a_runtime, a_school, the_settings


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
    a_runtime(tmp_path / "simulated").close()
    a_runtime(tmp_path / "real", simulated=False).close()
    with pytest.raises(FolderError, match="refuses the system clock"):
        open_runtime(the_settings(tmp_path / "simulated"), clock=SystemClock(), catalog=REPAIRS)
    with pytest.raises(FolderError, match="refuses a simulation"):
        open_runtime(the_settings(tmp_path / "real"), clock=SimulatedClock(START), catalog=REPAIRS)
    with pytest.raises(FolderError, match="refuses a simulation"):
        make_folder(Folder(tmp_path / "real"), the_settings(tmp_path / "real"), simulated=True, at=START)


def test_a_simulated_folder_goes_on_from_its_last_instant(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=3))
    runtime.close()
    again = open_runtime(the_settings(tmp_path), catalog=REPAIRS)
    assert isinstance(again.clock, RunningFrom)
    assert timedelta(days=3) <= again.clock.now() - START < timedelta(days=3, minutes=1)
    again.close()


def test_a_killed_process_s_clock_goes_on_from_its_last_event(tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path)
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


def test_a_database_newer_than_the_program_is_not_touched(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(FolderError, match="newer than this program"):
        migrations.must_be_newest(database)
    database.close()


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'person:nobody'", "DELETE FROM event"])
def test_what_happened_cannot_be_changed(statement: str, tmp_path: Path) -> None:
    runtime = a_runtime(tmp_path)
    school = a_school(runtime.database)
    handle_one(runtime.engine, Asked(school.actor("teacher"), OpenCase("repair", {"title": "t", "place": "p"})))
    with pytest.raises(Exception, match="append-only"), runtime.database.write() as connection:
        connection.exec_driver_sql(statement)
    runtime.close()


# --- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("BIHUAN_PORT", "many", "BIHUAN_PORT"),
        ("BIHUAN_DATABASE_URL", "postgresql://school", "not supported yet"),
        ("BIHUAN_LOCALE", "fr", "BIHUAN_LOCALE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(FolderError, match=said):
        read_settings()


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
        a_runtime(tmp_path, webhook_url="https://example.org/hook", webhook_secret="tell-nobody")
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
