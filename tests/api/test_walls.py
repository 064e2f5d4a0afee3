"""The wall behind the engine's own scoping: with that switched off, the database itself shows no other school's row."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner
from psycopg import Cursor, RawCursor
from sqlalchemy import Connection, Table, create_engine, delete, event, func, select, text, update
from sqlalchemy.exc import ProgrammingError

from api import migrations
from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.folder import Folder
from api.keeping.backup import back_up
from api.keeping.restoring import restore
from api.migrations.walls import NAMED, NAMED_SINCE
from engine.actor import Grant
from engine.clock import SimulatedClock
from engine.commands import Asked, OpenCase
from engine.directory import Person
from engine.errors import Busy
from engine.handle import Done, Engine, handle
from engine.sealing import number, seal_in
from engine.store import accounts, people, seals
from engine.store.accounts import secret_hash, token_hash
from engine.store.database import OF_ALL, OF_ONE, Database, naming, speak_for, table_of
from engine.store.tables import EventRow, OrganisationRow, PersonRow, SessionRow, TokenRow
from tests.api.test_folder import ZERO_REPORTS, with_rounds_of_before, zero_reports
from tests.builders import START, School, a_runtime, a_school, the_settings
from tests.databases import on_postgresql
from tests.engine.fakes import FakeSigner
from tests.fakes import calling
from tests.postgres import places, programs, the_cluster
from workflows import CATALOG

pytestmark = on_postgresql

TABLES = [table for table in migrations.METADATA.sorted_tables if table.name != "alembic_version"]
#: what nobody fills here
EMPTY = {"absence", "channel", "channel_state", "digest", "directory_change", "inbox_message", "delivery", "message_text",
         "obligation", "password", "period", "policy", "preference", "refusal", "send_slot", "unreached",
         "place_label", "paper_template", "feed", "saved_view", "seat", "sign_in_try", "strangers_count", "working_group", "file", "file_holder"}  # fmt: skip
SCOPED = re.compile(r"(?:\w+\.)?organisation = (?:%(?:\(\w+\))?s|\$\d+)(?:::VARCHAR)?")


@pytest.fixture
def runtime(tmp_path: Path, kind: Any) -> Iterator[Runtime]:
    """Two schools with the same people, tokens and a case each, and the bureau above them."""
    runtime = a_runtime(tmp_path / "data", kind, catalog=CATALOG)
    for key in ("north", "south"):
        school = a_school(runtime.database, key)
        with runtime.database.write(key) as connection:
            accounts.add_session(connection, key, "teacher", f"cookie of {key}", "", START, START)
        opened = OpenCase("hazard", {"title": key, "place": key})
        [outcome] = handle(runtime.engine, [Asked(school.actor("teacher"), opened, "POST /hazards", "the same key")])
        assert isinstance(outcome, Done)
        number(runtime.database, key)
        with runtime.database.write(key) as connection:
            seals.begin_key(connection, key, key, "", START)
            seal_in(connection, key, FakeSigner(key), runtime.clock)
            seals.keep_nodes(connection, key, {(8, 0): b"of the first 256 leaves"})
        handle(runtime.engine, [Asked(school.actor("teacher"), opened, "POST /hazards", "another key")])
    yield runtime
    runtime.close()


def seen_in(connection: Connection, table: Table) -> set[str]:
    """Whose rows a statement without any condition shows."""
    return set(connection.execute(select(table.c.organisation).distinct()).scalars())


def test_every_table_is_behind_the_wall_its_owner_too(runtime: Runtime) -> None:
    with runtime.database.own() as connection:
        walled = connection.execute(
            text("SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        )  # fmt: skip
        walls: dict[str, bool] = {row[0]: row[1] for row in walled}
        policies = connection.execute(text("SELECT tablename, policyname FROM pg_policies")).all()
    assert walls == {**{table.name: True for table in TABLES}, "alembic_version": False}
    for table in TABLES:
        wanted = {"of_one", "of_all"} | ({"named"} if table.name in {**NAMED, **NAMED_SINCE} else set())
        assert {policy for of, policy in policies if of == table.name} == wanted, table.name


def test_the_roles_own_nothing_and_can_bypass_nothing(runtime: Runtime) -> None:
    with runtime.database.own() as connection:
        rows = connection.execute(
            text(
                "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin, "
                "(SELECT count(*) FROM pg_class WHERE relowner = r.oid) FROM pg_roles r WHERE rolname = ANY(:roles)"
            ),
            {"roles": [OF_ONE, OF_ALL]},
        ).all()
        assert {tuple(row) for row in rows} == {(OF_ONE, False, 0), (OF_ALL, False, 0)}
        member = text("SELECT pg_has_role(:one, :all, 'MEMBER') OR pg_has_role(:all, :one, 'MEMBER')")
        assert not connection.execute(member, {"one": OF_ONE, "all": OF_ALL}).scalar_one()
    with runtime.database.read("north") as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == OF_ONE
    with runtime.database.read_across() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == OF_ALL


@pytest.mark.parametrize("door", ["read", "write"])
def test_one_connection_of_two_schools_in_turn_shows_each_its_own(runtime: Runtime, door: str) -> None:
    with runtime.database.read_across() as connection:
        there = {table.name for table in TABLES if seen_in(connection, table) == {"north", "south"}}
    assert there == {table.name for table in TABLES} - EMPTY
    served_by = set()
    for key in ("north", "south", "north", "south"):
        with getattr(runtime.database, door)(key) as connection:
            served_by.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            for table in TABLES:
                assert seen_in(connection, table) <= {key}, table.name
                assert (seen_in(connection, table) == {key}) is (table.name in there)
    assert len(served_by) == 1, "the pool had one connection, and both schools used it"


def test_whom_a_transaction_spoke_for_is_gone_with_it_and_unset_sees_nothing(runtime: Runtime) -> None:
    with runtime.database.write("north"):
        pass
    with runtime.database.writers.connect() as connection:  # the very one, as it lay in the pool
        assert not connection.execute(text("SELECT current_setting('bihuan.organisation', true)")).scalar_one()
        for table in TABLES:
            assert seen_in(connection, table) == set(), table.name


def test_what_is_written_without_a_condition_reaches_its_own_rows_alone(runtime: Runtime) -> None:
    people_ = table_of(PersonRow)
    with runtime.database.read_across() as connection:
        count = select(func.count()).select_from(people_).where(people_.c.organisation == "south")
        everybody = connection.execute(count).scalar_one()
    with runtime.database.write("south") as connection:
        assert connection.execute(update(people_).values(post="changed")).rowcount == everybody
        assert connection.execute(delete(table_of(TokenRow))).rowcount > 0
    with runtime.database.read("north") as connection:
        assert set(connection.execute(select(people_.c.post)).scalars()) != {"changed"}
        assert seen_in(connection, table_of(TokenRow)) == {"north"}


def test_a_row_of_another_school_cannot_be_written(runtime: Runtime) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), runtime.database.write("north") as connection:
        people.add_person(connection, Person("south", "intruder", "x"), [Grant("principal")])
    with pytest.raises(ProgrammingError, match="row-level security"), runtime.database.write("north") as connection:
        connection.execute(update(table_of(PersonRow)).values(organisation="south"))


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_neither_role_may_change_what_happened(runtime: Runtime, verb: str) -> None:
    events = table_of(EventRow)
    statement = update(events).values(actor="nobody") if verb == "update" else delete(events)
    for door in (runtime.database.write_across(), runtime.database.write("north")):
        with pytest.raises(ProgrammingError, match="permission denied"), door as connection:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (TokenRow, token_hash("of nobody")), (SessionRow, secret_hash("cookie of south")), (PersonRow, "teacher@south"),
        (PersonRow, "the same human"), (OrganisationRow, "south"),
    ],
)  # fmt: skip
def test_what_is_elsewhere_is_seen_by_who_names_it_exactly(runtime: Runtime, row: Any, name: str) -> None:
    with runtime.database.write("south") as connection:
        connection.execute(text("UPDATE token SET token_hash = :hash WHERE person = 'teacher'"), {"hash": token_hash("of nobody")})  # fmt: skip
        connection.execute(text("UPDATE person SET human = 'the same human' WHERE person = 'teacher'"))
    table = table_of(row)
    with runtime.database.read("north") as connection:
        assert seen_in(connection, table) == {"north"}
        naming(connection, name, "another")
        assert seen_in(connection, table) == {"north", "south"}
        elsewhere = connection.execute(select(func.count()).select_from(table).where(table.c.organisation == "south"))
        assert elsewhere.scalar_one() == 1
    with runtime.database.write("north") as connection:
        naming(connection, name)
        changed = connection.execute(update(table).where(table.c.organisation == "south").values(organisation="north"))
        assert changed.rowcount == 0, "to look at, not to write to"


@pytest.mark.parametrize("named", ["north' OR true --", "%", "north%", "'", "", "nörth", "北"])
def test_a_name_that_is_none_sees_nothing(runtime: Runtime, named: str) -> None:
    with runtime.database.read(named) as connection:
        assert seen_in(connection, table_of(PersonRow)) == set()
        speak_for(connection, named)
        naming(connection, named)
        assert seen_in(connection, table_of(PersonRow)) == set()


def test_the_whole_api_with_its_own_scoping_switched_off_shows_no_other_schools_row(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    switched_off = 0

    def unscoped(query: Any) -> Any:
        nonlocal switched_off
        if not isinstance(query, str):
            return query
        query, times = SCOPED.subn(r"(\g<0> OR true)", query)
        switched_off += times
        return query

    class Unscoped(Cursor[Any]):
        """What SQLAlchemy's statements go through."""

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
            return super().execute(unscoped(query), *args, **kwargs)

    class UnscopedRaw(RawCursor[Any]):
        """What the prebuilt ones go through."""

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
            return super().execute(unscoped(query), *args, **kwargs)

    monkeypatch.setattr("psycopg.RawCursor", UnscopedRaw)

    def switch_off(connection: Any, *_: object) -> None:
        connection.cursor_factory = Unscoped

    north = School("north")
    app = create_app(runtime)
    for watched in (runtime.database.writers, runtime.database.readers):
        event.listen(watched, "checkout", switch_off)
    with calling(app) as client:
        for address in ("cases", "hazards", "worklist", "people", "people/me", "people/departments", "periods", "cycles",
                        "people/groups", "hazards/YH-2020-0001/events", "people/me/inbox", "people/teacher/tokens"):  # fmt: skip
            answer = client.get(f"/api/v1/{address}", headers=north.headers("safety_head"))
            assert answer.status_code in (200, 403), f"{address}: {answer.text}"
            assert "south" not in answer.text, address
        answer = client.get("/api/v1/hazards", headers=north.headers("safety_head"))
        assert {item["title"] for item in answer.json()["items"]} == {"north"}
    assert switched_off > 50


# --- three logins --------------------------------------------------------------------------------------------------------


@pytest.fixture
def logins(kind: Any) -> Iterator[dict[str, str]]:
    """The URLs of the three logins that `bihuan db roles` makes, on a database of its own."""
    told = CliRunner().invoke(main, ["db", "roles"]).output
    with the_cluster().connect() as connection:
        there = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for statement in told.split("\n"):
            made = re.match(r"CREATE ROLE (\w+)", statement)
            if statement and not (made and made[1] in there):
                connection.execute(statement.encode())
    url = the_cluster().url("bihuan")
    yield {name: url.replace("postgres@", f"{name}@") for name in ("bihuan", "bihuan_sweep", "bihuan_owner")}
    the_cluster().drop("bihuan")
    with the_cluster().connect() as connection:
        for name in ("bihuan", "bihuan_sweep", "bihuan_owner"):
            connection.execute(f"DROP ROLE {name}".encode())


def test_three_logins_do_together_what_none_of_them_could_alone(logins: dict[str, str]) -> None:
    with closing(
        Database(logins["bihuan"], sweeps_url=logins["bihuan_sweep"], owners_url=logins["bihuan_owner"])
    ) as all_:
        migrations.upgrade(all_)
        school = a_school(all_, "north")
        [outcome] = handle(
            Engine(all_, CATALOG, SimulatedClock(START)), [Asked(school.actor("teacher"), OpenCase("hazard", {"title": "t", "place": "p"}))]
        )  # fmt: skip
        assert isinstance(outcome, Done)
        with all_.own() as connection:
            assert seen_in(connection, table_of(PersonRow)) == set(), "the owner is behind the wall as well"
    with closing(Database(logins["bihuan"])) as served:
        migrations.must_be_newest(served)
        with served.read("north") as connection:
            assert seen_in(connection, table_of(PersonRow)) == {"north"}
        with pytest.raises(Busy, match="has not the role"), served.read_across():
            pass
    apart = create_engine(logins["bihuan"])
    for statement in (f"SET ROLE {OF_ALL}", "ALTER TABLE event DISABLE ROW LEVEL SECURITY", "DROP POLICY of_one ON event",
                      "DROP TRIGGER event_no_change ON event", "UPDATE alembic_version SET version_num = '0'"):  # fmt: skip
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), apart.begin() as connection:
            connection.execute(text(statement))
    apart.dispose()


def test_the_owner_s_upgrade_reaches_behind_the_wall(logins: dict[str, str]) -> None:
    with closing(
        Database(logins["bihuan"], sweeps_url=logins["bihuan_sweep"], owners_url=logins["bihuan_owner"])
    ) as database:
        with_rounds_of_before(database)
        assert zero_reports(database) == ZERO_REPORTS


def test_three_logins_make_a_backup_and_bring_it_back(logins: dict[str, str], tmp_path: Path) -> None:
    with closing(
        Database(logins["bihuan"], sweeps_url=logins["bihuan_sweep"], owners_url=logins["bihuan_owner"])
    ) as database:
        migrations.upgrade(database)
        for north_or_south in ("north", "south"):
            a_school(database, north_or_south)
        folder = Folder(tmp_path / "data")
        folder.make()
        made = back_up(database, folder, tmp_path / "a.zip", START, programs=programs(places()))
    the_cluster().create("brought_back")
    with the_cluster().connect() as connection:
        connection.execute("ALTER DATABASE brought_back OWNER TO bihuan_owner")
    try:
        urls = {name: url.replace("/bihuan?", "/brought_back?") for name, url in logins.items()}
        settings = the_settings(
            tmp_path / "back", database_url=urls["bihuan"], database_sweep_url=urls["bihuan_sweep"],
            database_owner_url=urls["bihuan_owner"], postgres_programs=programs(places()),
        )  # fmt: skip
        restore(made.file, Folder(settings.data), settings, held={})
        with closing(open_runtime(settings)) as runtime:
            assert not runtime.tick().failed
            with runtime.database.read("north") as connection:
                assert seen_in(connection, table_of(PersonRow)) == {"north"}
            with runtime.database.own() as connection:
                assert seen_in(connection, table_of(PersonRow)) == set(), "the owner is behind the wall as well"
    finally:
        the_cluster().drop("brought_back")
