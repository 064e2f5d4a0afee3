import itertools
import re
import threading
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import Connection, insert, make_url, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from engine.errors import Busy, InvalidInput
from engine.store import cases, people, statements
from engine.store.database import (
    _FOR_A_FILE,
    _FOR_A_SERVER,
    Database,
    InTurn,
    UtcDateTime,
    is_crossed,
    is_passing,
    is_same_key,
    naming,
    table_of,
    undone_by_itself,
)
from engine.store.statements import Question, Statement
from engine.store.tables import TimerRow
from tests.databases import on_postgresql, on_sqlite
from tests.engine.fakes import HERE, THERE, School
from tests.faults.connections import SOCKET
from tests.faults.proxying import Harm, Proxy
from tests.postgres import the_cluster

TIMER = {"organisation": HERE, "number": "X-2019-0001", "generation": 1, "rung": "due", "status": "waiting"}


def test_a_reader_cannot_write(school: School) -> None:
    with school.engine.database.read_across() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(text("DELETE FROM calendar"))


TYPED = "甲的手机 13900000001"
AS_TYPED = TIMER | {"rung": TYPED, "fire_at": datetime(2020, 1, 1, tzinfo=UTC), "settled_at": None}
BY_THE_LIBRARY = insert(table_of(TimerRow))
BY_THE_DRIVER = Statement(BY_THE_LIBRARY)


def _by_the_driver(connection: Connection, values: dict[str, Any]) -> None:
    BY_THE_DRIVER.put(connection, values)
    statements.flush(connection)


def _twice(connection: Connection, write: Callable[[Connection, dict[str, Any]], object]) -> None:
    for _ in range(2):
        write(connection, AS_TYPED)


def _spoken_for(connection: Connection) -> None:
    naming(connection, TYPED)
    _by_the_driver(connection, AS_TYPED | {"rung": "due", "status": None})


FAILING: dict[str, Callable[[Connection], object]] = {
    "no such table": lambda c: c.execute(text("INSERT INTO there_is_none VALUES (:typed)"), {"typed": TYPED}),
    "the same key": lambda c: _twice(c, lambda c, values: c.execute(BY_THE_LIBRARY, values)),
    "the same key, by the driver": lambda c: _twice(c, _by_the_driver),
    "an empty field": lambda c: c.execute(BY_THE_LIBRARY, AS_TYPED | {"status": None}),
    "an empty field, by the driver": lambda c: _by_the_driver(c, AS_TYPED | {"status": None}),
    "whom one speaks for": _spoken_for,
}


@pytest.mark.parametrize("by", ["one of the school", "the owner of the tables"])
@pytest.mark.parametrize("what", FAILING)
def test_an_error_that_is_logged_says_what_failed_and_nothing_of_what_was_typed(
    school: School, what: str, by: str
) -> None:
    """Neither it nor what it came from: a log has all of them. To the owner a server tells whole rows."""
    database = school.engine.database
    door = database.write(HERE) if by == "one of the school" else database.own()
    with pytest.raises(DBAPIError) as failed, door as connection:
        FAILING[what](connection)
    logged = "".join(traceback.format_exception(failed.value))
    assert "13900000001" not in logged
    assert "there_is_none" in logged or re.search("(?i)(unique|not.null) constraint", logged)
    assert is_same_key(failed.value) is ("same key" in what and school.engine.database.on_server)


def test_a_value_that_the_database_does_not_take_is_not_in_the_log_either(school: School) -> None:
    """A server quotes it in its very first words; a file takes any."""
    if not school.engine.database.on_server:
        return
    with pytest.raises(InvalidInput) as failed, school.engine.database.read(HERE) as connection:
        connection.execute(text("SELECT CAST(:typed AS integer)"), {"typed": TYPED})
    logged = "".join(traceback.format_exception(failed.value))
    assert "13900000001" not in logged and "22P02" in logged


def test_everything_read_inside_belongs_to_one_instant(school: School) -> None:
    number = school.errand()
    with school.engine.database.read_across() as connection:
        before = cases.load(connection, HERE, number)
        school.step("bob", number, "run", note="")
        assert cases.load(connection, HERE, number) == before
    assert school.case(number).state == "closed"


def test_what_is_asked_alone_stays_behind_the_wall_and_leaves_nothing_behind(school: School) -> None:
    """Twice: a connection that was used before needs no BEGIN for it."""
    errand = school.errand()
    database = school.engine.database
    for _ in range(2):
        here: list[Question[Any]] = [
            cases.loading(HERE, errand),
            people.asking_who(THERE, "alice"),
            people.asking_who(HERE, "alice"),
        ]
        found, stranger, alice = database.answers(HERE, here)
        assert found == school.case(errand) and alice is not None
        assert stranger is None or not database.on_server, "a file has no wall"
        [stranger] = database.answers(HERE, [people.asking_who(THERE, "alice")], f"alice@{THERE}")
        assert stranger is not None, "he was named"
        with database.read(THERE) as connection:
            assert cases.load(connection, THERE, errand) is None
    if database.on_server:
        assert database.answers(HERE, [people.asking_who(THERE, "alice")]) == [None], "and is no more"


def test_what_a_statement_came_to_is_had_in_common_and_what_it_finds_is_not(school: School) -> None:
    """Of a kind of database it is put together once, whoever reads or writes; each asks his own."""
    number = school.errand()
    database = school.engine.database
    known, timers = _FOR_A_SERVER if database.on_server else _FOR_A_FILE, table_of(TimerRow)
    due = select(timers.c.number).where(timers.c.organisation == HERE, timers.c.generation >= 0).limit(1).offset(0)
    other = Database(database.url)
    found, kept = [], []
    for door in (database.read_across, database.write_across, other.read_across):
        with door() as connection:
            found.append(connection.execute(due).scalars().all())
        kept.append(len(known))
    other.close()
    assert found == [[number]] * 3
    assert kept[0] == kept[1] == kept[2]


@on_postgresql
def test_who_is_left_in_a_pipeline_by_a_server_that_died_is_told_so_and_nothing_else(school: School) -> None:
    """Rolling back would raise as well there, and what it says hides that nothing happened."""

    def write() -> None:
        with school.engine.database.write(HERE) as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.pgconn.enter_pipeline_mode()
            gone = psycopg.OperationalError("cannot exit pipeline mode while busy")
            statements._raise_as_sqlalchemy_would(connection, gone, "SELECT 1")

    with pytest.raises(Busy):
        write()
    school.report()  # on a connection of its own again


@on_postgresql
@pytest.mark.parametrize("question", [b"pg_catalog.version()", b"current_schema()", b"show standard_conforming"])
def test_a_server_that_dies_while_a_new_connection_asks_whom_it_met_is_away_for_now(
    school: School, question: bytes
) -> None:
    """SQLAlchemy asks by itself, on a connection that is none yet; what we note of a failed one must not hide the fault."""
    url = make_url(school.engine.database.url)
    with (
        TemporaryDirectory(prefix="bh", dir="/tmp") as wire,  # a socket's path has to fit into 107 bytes
        Proxy(upstream=the_cluster().folder / SOCKET, listen=Path(wire) / SOCKET) as proxy,
        closing(Database(url.set(query={**url.query, "host": wire}).render_as_string(hide_password=False))) as database,
    ):
        proxy.do(Harm("swallow", on=question))
        with pytest.raises(Busy), database.read(HERE):
            pass
        assert proxy.hits == 1
        proxy.heal()
        with database.read(HERE) as connection:
            assert people.person(connection, HERE, "alice") is not None


@on_postgresql
def test_what_is_asked_alone_and_fails_says_so_and_is_over(school: School) -> None:
    database = school.engine.database
    for _ in range(2):
        with pytest.raises(InvalidInput):
            database.answers(HERE, [people.asking_who(HERE, "al\0ice")])
        assert database.answers(HERE, [people.asking_who(HERE, "alice")]) != [None]


@on_postgresql
def test_who_reads_and_writes_in_turn_does_so_on_one_connection(school: School) -> None:
    asked = set()
    for door in (school.engine.database.read, school.engine.database.write, school.engine.database.read):
        with door(HERE) as connection:
            asked.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            asked.add(connection.execute(text("SHOW transaction_read_only")).scalar_one())
    assert len(asked - {"on", "off"}) == 1
    assert {"on", "off"} <= asked, "a reader still cannot write"


@on_postgresql
def test_a_connection_out_of_step_with_its_server_is_left_for_another_one(school: School) -> None:
    """As behind a statement that failed: the driver believes to have prepared what the server has not."""
    database = school.engine.database

    def ask(*, spoilt: bool = False) -> None:
        with database.write(HERE) as connection:
            if spoilt:
                # so that the driver does not see it
                connection.exec_driver_sql("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
            connection.execute(select(table_of(TimerRow)))

    for _ in range(10):
        ask()
    with pytest.raises(Busy):
        ask(spoilt=True)
    ask()


def test_the_hour_that_a_clock_shows_twice_is_kept_as_two() -> None:
    keep = UtcDateTime().bind_processor(sqlite.dialect())
    assert keep is not None
    first = datetime(2020, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert [keep(first), keep(first.replace(fold=1))] == ["2020-11-01 05:30:00.000000", "2020-11-01 06:30:00.000000"]


def test_what_raises_inside_a_write_is_undone(school: School) -> None:
    def write_and_fail() -> None:
        with school.engine.database.write_across() as connection:
            connection.execute(text("DELETE FROM calendar"))
            connection.execute(text("DELETE FROM no_such_table"))

    with pytest.raises(DBAPIError, match="no_such_table"):
        write_and_fail()
    assert school.errand()


@on_sqlite
def test_a_disk_that_is_full_in_the_middle_is_told_in_our_words(school: School) -> None:
    def fill(connection: Connection) -> None:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        for key in range(1000):
            with undone_by_itself(connection):  # which the full disk takes away: that it is gone is told last
                connection.execute(
                    insert(table_of(TimerRow)), {**TIMER, "rung": str(key), "fire_at": school.clock.now()}
                )

    with pytest.raises(Busy) as refused, school.engine.database.write(HERE) as connection:
        fill(connection)
    assert refused.value.obstacle.en == "the disk is full"
    assert school.count(TimerRow) == 0


@on_postgresql
@pytest.mark.parametrize(
    "state, obstacle", [("53100", "the disk of the database server is full"), ("55P03", "somebody else")]
)
def test_what_the_server_cannot_do_just_now_is_told_in_our_words(school: School, state: str, obstacle: str) -> None:
    with pytest.raises(Busy) as refused, school.engine.database.write(HERE) as connection:
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))
    assert obstacle in refused.value.obstacle.en


def test_writers_of_one_process_take_turns(school: School) -> None:
    def draw() -> None:
        for _ in range(20):
            with school.engine.database.write_across() as connection:
                cases.Numbers(connection).draw(HERE, "X", 2020)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with school.engine.database.write_across() as connection:
        assert cases.Numbers(connection).draw(HERE, "X", 2020) == "X-2020-0081", "no update was lost"


def test_whoever_waits_longest_for_his_turn_is_next() -> None:
    turn = InTurn()
    went: list[int] = []

    def wait(number: int) -> None:
        with turn:
            went.append(number)

    def hold_on_and_on() -> None:
        """As a tick does: it gives the lock back and asks for it at once."""
        for _ in range(8):
            with turn:
                went.append(-1)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    with turn:
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while len(turn._waiting) < number:
                pass
        greedy = threading.Thread(target=hold_on_and_on)
        greedy.start()
        while len(turn._waiting) < len(threads) + 1:
            pass
    for thread in (*threads, greedy):
        thread.join()
    assert went == [0, 1, 2, 3, 4, *[-1] * 8]


def test_each_thread_knows_how_long_it_waited_for_its_turn() -> None:
    turn = InTurn(itertools.count(0.0, 2.5).__next__)
    told: list[float] = []

    def wait() -> None:
        for _ in range(2):  # nobody is there the second time
            with turn:
                told.append(turn.waited())

    waiting = threading.Thread(target=wait)
    with turn:
        waiting.start()
        while not turn._waiting:
            pass
    waiting.join()
    assert told == [2.5, 2.5]
    assert turn.waited() == 0.0


def test_an_instant_comes_back_in_utc_whatever_its_offset_was(school: School) -> None:
    eastern = datetime(2020, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    table = table_of(TimerRow)
    with school.engine.database.write_across() as connection:
        connection.execute(insert(table), {**TIMER, "fire_at": eastern})
        found = connection.execute(select(table.c.fire_at)).scalar_one()
    assert found == eastern
    assert found.tzinfo is UTC


def test_a_naive_instant_is_refused(school: School) -> None:
    with pytest.raises(StatementError, match="naive"), school.engine.database.write_across() as connection:
        connection.execute(insert(table_of(TimerRow)), {**TIMER, "fire_at": datetime(2020, 1, 1)})  # noqa: DTZ001


def test_who_waited_for_another_who_waited_for_him_is_told_to_come_again(school: School) -> None:
    crossed = OperationalError("UPDATE", None, DeadlockDetected("Process 1 waits for ShareLock; blocked by process 2."))
    with pytest.raises(Busy, match="waited for each other") as told, school.engine.database.write(HERE):
        raise crossed
    assert is_crossed(told.value), "who can begin anew by himself still sees it"


def test_two_that_waited_for_each_other_are_no_passing_fault_of_the_database() -> None:
    """The server says that one is blocked by the other, in which *locked* is only spelt."""
    crossed = OperationalError("SELECT", None, DeadlockDetected("Process 1 waits for ShareLock; blocked by process 2."))
    assert is_crossed(crossed)
    assert not is_passing(crossed)
    assert is_passing(OperationalError("SELECT", None, Exception("database is locked")))


def test_another_kind_of_database_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="'mysql' is neither"):
        Database("mysql://example/bihuan")


@on_sqlite
def test_the_file_is_written_ahead_and_flushed_at_every_commit(school: School) -> None:
    with school.engine.database.read_across() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2, "FULL"
