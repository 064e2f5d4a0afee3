"""A copy that is used again is as a new one, and one that cannot be made so is not used again."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Row, make_url, text

from api import migrations
from engine.store.database import OF_ONE, Database
from tests.databases import EMPTY, Template, dropping_copies
from tests.engine.fakes import FOUNDED, HERE
from tests.lending import ROWS, TIMES
from tests.postgres import the_cluster

Use = Callable[[Database], object]


@pytest.fixture
def template() -> Template:
    """One that nobody else copies."""
    return Template(FOUNDED._prepare, upon=EMPTY)


def used(template: Template, folder: Path, *uses: Use) -> str:
    """As a test would; gives the copy's URL."""
    with dropping_copies(), closing(template.copy("postgresql", folder)) as database:
        for use in uses:
            use(database)
        return database.url


def written(statement: str) -> Use:
    def write(database: Database) -> None:
        with database.write_across() as connection:
            connection.execute(text(statement))

    return write


def owned(statement: str) -> Use:
    def change(database: Database) -> None:
        with database.own() as connection:
            connection.execute(text(statement))

    return change


def on_the_side(statement: str) -> Use:
    """By somebody who is nobody of ours."""

    def change(database: Database) -> None:
        with the_cluster().connect(str(make_url(database.url).database)) as connection:
            connection.execute(statement.encode())

    return change


def process_of(database: Database) -> int:
    with database.read(HERE) as connection:
        told: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        return told


def everything_in(database: Database) -> dict[str, Sequence[Row[Any]]]:
    with database.read_across() as connection:
        names = [table.name for table in migrations.METADATA.sorted_tables]
        return {
            name: connection.execute(text(f"SELECT * FROM {name} AS t ORDER BY t::text")).all()  # noqa: S608
            for name in names
        }


def test_the_next_one_finds_every_row_as_it_was_and_a_connection_that_is_open(
    template: Template, tmp_path: Path
) -> None:
    found: list[dict[str, Sequence[Row[Any]]]] = []
    asked: list[int] = []
    changes = [
        written("DELETE FROM calendar"), written("UPDATE person SET name = 'somebody else'"),
        written("INSERT INTO series VALUES ('school', 'YH', 2019, 9)"), owned("UPDATE alembic_version SET version_num = '0'"),
    ]  # fmt: skip
    for _ in range(2):
        used(
            template,
            tmp_path,
            lambda database: found.append(everything_in(database)),
            lambda database: asked.append(process_of(database)),
            *changes,
        )
    url = used(template, tmp_path, lambda database: found.append(everything_in(database)))
    assert found[0] == found[1] == found[2]
    assert any(found[0].values())
    assert asked[0] == asked[1]
    assert used(template, tmp_path) == url


@pytest.mark.parametrize(
    "use",
    [
        owned("DROP TRIGGER event_no_change ON event"),
        owned("ALTER TABLE event DISABLE ROW LEVEL SECURITY"),
        owned("CREATE TABLE more (word text)"),
        owned("COMMENT ON SCHEMA public IS '7'"),
        owned("ANALYZE person"),
        on_the_side("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public', current_database()); END $$"),
        written(f"INSERT INTO series SELECT 'school', 'YH', n, 1 FROM generate_series(1, {ROWS + 1}) n"),  # noqa: S608
    ],
    ids=["a trigger", "a wall", "a table", "its mark", "what the planner knows", "a setting", "very many rows"],
)  # fmt: skip
def test_a_copy_of_which_more_was_changed_than_can_be_put_back_is_not_used_again(
    use: Use, template: Template, tmp_path: Path
) -> None:
    assert used(template, tmp_path, use) != used(template, tmp_path)


def test_a_copy_to_which_somebody_is_still_connected_is_not_used_again(template: Template, tmp_path: Path) -> None:
    with dropping_copies():
        database = template.copy("postgresql", tmp_path)
        process_of(database)
        left = psycopg.connect(host=str(the_cluster().folder), user="postgres", dbname=make_url(database.url).database)
        database.close()
    assert used(template, tmp_path) != database.url
    with closing(left), pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")


def test_a_database_that_was_never_closed_takes_its_copy_along(template: Template, tmp_path: Path) -> None:
    with dropping_copies():
        database = template.copy("postgresql", tmp_path)
        with database.write_across() as connection:
            connection.execute(text("DELETE FROM calendar"))
    assert used(template, tmp_path) != database.url
    database.close()


def test_a_connection_forgets_what_was_set_in_it_and_one_that_works_otherwise_is_not_handed_on(
    template: Template, tmp_path: Path
) -> None:
    asked: list[psycopg.Connection[Any]] = []
    shown: list[str] = []

    def set_and_commit(database: Database) -> None:
        with database.write(HERE) as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            asked.append(raw)
            shown.append(connection.execute(text("SHOW enable_seqscan")).scalar_one())
            connection.execute(text("SET enable_seqscan = off"))

    def work_otherwise(database: Database) -> None:
        set_and_commit(database)
        asked[-1].prepare_threshold = None

    used(template, tmp_path, set_and_commit)
    used(template, tmp_path, work_otherwise)
    used(template, tmp_path, set_and_commit)
    assert asked[0] is asked[1] and asked[1] is not asked[2]
    assert shown == ["on", "on", "on"]


def test_a_connection_forgets_whom_it_acted_as(template: Template, tmp_path: Path) -> None:
    acted: list[str] = []

    def act_as_another(database: Database) -> None:
        with database.write(HERE) as connection:
            acted.append(connection.execute(text("SELECT current_user")).scalar_one())
            connection.execute(text("SET ROLE postgres"))

    used(template, tmp_path, act_as_another)
    used(template, tmp_path, act_as_another)
    assert acted == [OF_ONE, OF_ONE]


def test_who_connects_after_the_database_was_set_otherwise_has_it_so(template: Template, tmp_path: Path) -> None:
    shown: list[str] = []

    def show(database: Database) -> None:
        with database.read(HERE) as connection:
            shown.append(connection.execute(text("SHOW enable_seqscan")).scalar_one())

    def set_and_show(database: Database) -> None:
        alter = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$"
        on_the_side(alter)(database)
        show(database)

    used(template, tmp_path, show)
    used(template, tmp_path, set_and_show)
    assert shown == ["on", "off"]


def test_a_copy_is_used_so_many_times(template: Template, tmp_path: Path) -> None:
    urls = [used(template, tmp_path) for _ in range(TIMES + 1)]
    assert len(set(urls[:TIMES])) == 1
    assert urls[TIMES] != urls[0]
