"""What people sign in with, as it is kept: sessions found by what their cookie holds, tries counted and forgotten."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from engine.directory import Person
from engine.store import accounts, people
from engine.store.accounts import Password, Tries
from engine.store.database import Database
from tests.builders import START, a_database, a_school
from tests.databases import Kind

IDLE = timedelta(hours=12)
WEEK = timedelta(days=7)
SECRET = "s" * 43


@pytest.fixture
def database(tmp_path: Path, kind: Kind) -> Iterator[Database]:
    made = a_database(tmp_path, kind)
    a_school(made)
    a_school(made, "south")
    with made.write_across() as connection:
        accounts.add_session(connection, "school", "teacher", SECRET, "phone", START, START + WEEK)
    yield made
    made.close()


@pytest.mark.parametrize(
    "secret, later, found",
    [
        (SECRET, timedelta(0), True), (SECRET, IDLE - timedelta(seconds=1), True), (SECRET, IDLE, False),
        (SECRET, WEEK, False), ("x" * 43, timedelta(0), False), (accounts.secret_hash(SECRET), timedelta(0), False),
    ],
)  # fmt: skip
def test_a_session_is_found_by_its_secret_while_it_lives(
    secret: str, later: timedelta, found: bool, database: Database
) -> None:
    with database.read_across() as connection:
        session = accounts.session(connection, secret, START + later, IDLE)
    assert (session is not None) is found


def test_a_password_is_replaced_only_where_it_is_still_the_one_that_was_looked_at(database: Database) -> None:
    def replaced(kept: str | None, hashed: str) -> bool:
        with database.write("school") as connection:
            return accounts.replace_password(connection, "school", "teacher", kept, hashed, START, must_change=True)

    assert replaced(None, "first") and not replaced(None, "another"), "there is one by now"
    with ThreadPoolExecutor(1) as beside:
        with database.write("school") as connection:
            accounts.set_password(connection, "school", "teacher", "his own", START, must_change=False)
            late = beside.submit(replaced, "first", "drawn")  # waits, or comes when this is done
        assert not late.result()
    assert replaced("his own", "drawn")
    with database.read("school") as connection:
        assert accounts.password(connection, "school", "teacher") == Password("drawn", START, must_change=True)


def test_use_keeps_a_session_alive_and_not_beyond_its_end(database: Database) -> None:
    at = START
    with database.write_across() as connection:
        while (session := accounts.session(connection, SECRET, at, IDLE)) is not None:
            accounts.saw(connection, session, at)
            at += timedelta(hours=11)
    assert WEEK <= at - START < WEEK + timedelta(hours=11)


def test_sessions_end_one_by_one_all_or_all_but_one_and_never_another_one_s(database: Database) -> None:
    with database.write_across() as connection:
        for number, person in enumerate(("teacher", "teacher", "teacher2")):
            accounts.add_session(connection, "school", person, f"secret {number}", "", START, START + WEEK)
        accounts.add_session(connection, "south", "teacher", "south", "", START, START + WEEK)
        mine = accounts.session(connection, SECRET, START, IDLE)
        assert mine is not None
        assert not accounts.end_session(connection, "south", "teacher", mine.name, START)
        assert not accounts.end_session(connection, "school", "teacher2", mine.name, START)
        assert accounts.end_sessions(connection, "school", "teacher", START, but=mine) == 2
        assert [s.session for s in accounts.sessions(connection, "school", "teacher", START, IDLE)] == [mine.session]
        assert accounts.end_session(connection, "school", "teacher", mine.name, START)
        assert not accounts.end_session(connection, "school", "teacher", mine.name, START)
        for organisation, person in (("school", "teacher2"), ("south", "teacher")):
            assert len(accounts.sessions(connection, organisation, person, START, IDLE)) == 1


def test_tries_are_counted_by_source_taken_back_and_forgotten(database: Database) -> None:
    at = START + timedelta(minutes=2)
    with database.write_across() as connection:
        for minute in range(3):
            accounts.count_tries(connection, {"a": START, "b": START}, START + timedelta(minutes=minute))
        accounts.take_tries_back(connection, ["b"])
        assert accounts.tries(connection, ["a", "b", "c"]) == {"a": Tries(3, at), "b": Tries(2, at)}
        accounts.count_tries(connection, {"a": at + timedelta(seconds=1)}, at + IDLE)
        assert accounts.tries(connection, ["a"]) == {"a": Tries(1, at + IDLE)}, "what is long past is forgotten"
        accounts.forget_tries(connection, ["a"])
        assert accounts.tries(connection, ["a"]) == {}
        assert accounts.sweep(connection, at, at) == 0
        assert accounts.sweep(connection, at, at + timedelta(seconds=1)) == 1


@pytest.mark.parametrize(
    "named, organisation, found",
    [
        ("teacher", "school", ("school", "teacher")), ("teacher", None, None), ("teacher@south", None, ("south", "teacher")),
        ("teacher@south", "school", None), ("T1", None, ("school", "alice")), ("T1", "south", None), ("alice", None, ("school", "alice")),
        ("gone", "school", None), ("nobody", None, None), ("teacher", "nowhere", None), ("", None, None), ("@south", None, None),
    ],
)  # fmt: skip
def test_whom_a_name_means(
    named: str, organisation: str | None, found: tuple[str, str] | None, database: Database
) -> None:
    with database.write_across() as connection:
        people.add_person(connection, Person("school", "alice", "教师", staff_number="T1"))
        people.add_person(connection, Person("school", "gone", "教师", active=False, staff_number="T2"))
        assert accounts.account(connection, named, organisation) == found
