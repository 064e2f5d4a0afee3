"""A school moves from its file to a server: everything, or nothing."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from api.bootstrap import REAL_ID, SIMULATED_ID, open_runtime
from api.cli import main
from api.copying import copy
from api.folder import Folder
from api.settings import Settings
from engine.actor import Visibility
from engine.errors import FolderError
from engine.handle import handle
from engine.sealing import number_all
from engine.store import history, worklists
from engine.store.database import Database, mark_of
from engine.store.worklists import Filter
from notifications import accounts
from notifications.accounts import SetUp
from tests.bench.commands import play
from tests.builders import START, a_runtime, a_school
from tests.conftest import Played
from tests.databases import FILE
from tests.postgres import the_cluster
from workflows import CATALOG

HERE = "school"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small school's data folder, to copy from: two cases of three events."""
    with closing(a_runtime(tmp_path / "data", "sqlite", catalog=CATALOG)) as runtime:
        a_school(runtime.database)
        for name in ("one", "another"):
            play(lambda asked: handle(runtime.engine, [asked])[0], name, steps=2)
        number_all(runtime.database)
        return runtime.folder.path


@pytest.fixture
def empty(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database on the server, by its URL."""
    name = f"moved_{abs(hash(request.node.nodeid))}"
    the_cluster().create(name)
    yield the_cluster().url(name)
    the_cluster().drop(name)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_the_whole_campaign_goes_on_where_it_was(tmp_path: Path, empty: str, campaign: Played) -> None:
    folder = campaign.copied_to(tmp_path / "data")
    code, output = run("db", "copy", "--to", empty, "--data", str(folder), "--json")
    assert code == 0, output
    told = json.loads(output[output.index("{") :])
    assert told["rows"]["event"] == campaign.counted["events"]
    assert told["chains"] == told["rows"]["case_record"] + 1 > 1, "and the logbook's"
    assert told["rows"]["trail"] == told["rows"]["event"]
    with closing(Database.in_file(folder / FILE)) as file, closing(Database(empty)) as server:
        with file.read_across() as connection:
            now = history.latest_instant(connection)
            assert now is not None
        cases = []
        for database in (file, server):
            with database.read_across() as connection:
                everything = Visibility(HERE, everything=True)
                found = worklists.all_cases(connection, everything, Filter(), now)
                cases.append([(case, history.events_of(connection, HERE, case.number)) for case in found])
        assert cases[0] == cases[1]
        with server.read_across() as connection:
            assert mark_of(connection) == SIMULATED_ID
    runtime = open_runtime(Settings(data=folder, database_url=empty, _env_file=None))
    try:
        assert not runtime.tick().failed
        assert runtime.clock.now() >= now
    finally:
        runtime.close()


def test_into_a_database_with_something_in_it_nothing_is_copied(folder: Path, empty: str) -> None:
    assert run("db", "copy", "--to", empty, "--data", str(folder))[0] == 0
    code, output = run("db", "copy", "--to", empty, "--data", str(folder))
    assert code == 1
    assert "不是空的" in output and "is not empty" in output


def test_channels_go_along_closed_and_only_the_folder_s_key_opens_them(folder: Path, empty: str) -> None:
    with closing(open_runtime(Settings(data=folder, _env_file=None))) as runtime:
        kept = accounts.closed(runtime.vault, HERE, "post", {"password": "s3cret"})
        with runtime.database.write(HERE) as connection:
            set_up = SetUp(HERE, "post", "email", "", None, {"host": "smtp"}, kept, True, False, False, START)
            accounts.put(connection, set_up)
    code, output = run("db", "copy", "--to", empty, "--data", str(folder))
    assert code == 0 and "keys/channels" in output
    with closing(open_runtime(Settings(data=folder, database_url=empty, _env_file=None))) as runtime:
        with runtime.database.read(HERE) as connection:
            account = runtime.book.account(connection, HERE, "post")
        assert account is not None and account.secrets == {"password": "s3cret"}


@pytest.mark.parametrize(
    "damage, said",
    [
        ("UPDATE event SET hash = replace(hash, substr(hash, 1, 1), 'z') WHERE sequence = 2", "chain"),
        ("UPDATE event SET envelope = replace(envelope, 'reported', 'rep0rted') WHERE sequence = 1", "chain"),
        ("DELETE FROM event WHERE sequence = 1", "chain"),
    ],
)
def test_a_broken_chain_is_told_and_nothing_stays(folder: Path, empty: str, damage: str, said: str) -> None:
    with closing(Database.in_file(folder / FILE)) as file, file.write_across() as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER event_no_{verb}"))
        connection.execute(text(damage))
    with (
        closing(Database.in_file(folder / FILE)) as file,
        closing(Database(empty)) as server,
        pytest.raises(FolderError, match=said),
    ):
        copy(file, server)
    with closing(Database(empty)) as server, server.read_across() as connection:
        assert connection.execute(text("SELECT count(*) FROM event")).scalar_one() == 0
        assert mark_of(connection) not in (REAL_ID, SIMULATED_ID)


def test_a_folder_that_is_served_is_not_copied(folder: Path, empty: str) -> None:
    with Folder(folder).served():
        code, output = run("db", "copy", "--to", empty, "--data", str(folder))
    assert code == 1
    assert "served by another" in output


@pytest.mark.parametrize(
    "url, said", [("mysql://nowhere/x", "is neither"), ("postgresql://nobody@/x?host=/nowhere", "cannot be reached")]
)
def test_a_database_that_cannot_be_is_told(folder: Path, url: str, said: str) -> None:
    code, output = run("db", "copy", "--to", url, "--data", str(folder))
    assert code == 1
    assert said in output
