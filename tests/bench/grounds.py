"""Where it is measured: a database of either kind with a founded school in it, fresh as often as asked, and raw SQL on it.

Both are as durable as a school's: SQLite flushes at every commit (synchronous=FULL), PostgreSQL too (fsync=on).
"""

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import make_url

from api import migrations
from engine.clock import SimulatedClock
from engine.handle import Engine
from engine.store import files
from engine.store.database import Database
from tests.builders import START, School, a_database, a_school
from tests.fakes import countable
from tests.postgres import Cluster
from workflows import CATALOG
from workflows.wording import ERROR_WORDS

PHOTO = "a" * 64
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON")  # those of our own door


@dataclass(frozen=True)
class Write:
    """One statement that wrote rows, as the driver got it, with the values of each of its rows."""

    statement: str
    rows: Sequence[Any]


class Raw(Protocol):
    """One connection of the bare driver."""

    def commit(self, writes: Sequence[Write]) -> None:
        """These rows, in one transaction, durable on return."""

    def run(self, statement: str) -> Sequence[Any]:
        """One statement by itself, and the rows it gives."""

    def vacuum(self) -> None:
        """What the database does by itself after a while."""

    def close(self) -> None: ...


class Ground(Protocol):
    name: str

    def fresh(self) -> Database:
        """A database with the school on its first morning, and nothing else."""

    def raw(self, database: Database) -> Raw: ...

    def remove(self, database: Database) -> None:
        """It is large, and nobody looks at it any more."""


def an_engine(database: Database) -> Engine:
    return Engine(database, CATALOG, SimulatedClock(START), ERROR_WORDS, countable())


def _found(database: Database) -> School:
    school = a_school(database)
    with database.write_across() as connection:
        photo = files.FileRecord(school.organisation, PHOTO, "image/jpeg", 1000, START)
        files.add(connection, photo, "person:repairer")
    return school


# --- SQLite ----------------------------------------------------------------------------------------------------------


class RawSqlite:
    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._cursor = self._connection.cursor()
        for pragma in PRAGMAS:
            self._cursor.execute(f"PRAGMA {pragma}")

    def commit(self, writes: Sequence[Write]) -> None:
        cursor = self._cursor
        cursor.execute("BEGIN IMMEDIATE")
        for write in writes:
            if len(write.rows) == 1:
                cursor.execute(write.statement, write.rows[0])
            else:
                cursor.executemany(write.statement, write.rows)
        cursor.execute("COMMIT")

    def run(self, statement: str) -> Sequence[Any]:
        return self._cursor.execute(statement).fetchall()

    def vacuum(self) -> None:
        """Nothing: nobody does it in a school's folder either."""

    def close(self) -> None:
        self._connection.close()


class OnSqlite:
    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        database = a_database(folder, "sqlite")
        _found(database)
        database.close()  # which brings everything from the log into the file
        self._founded = (folder / "bihuan.db").read_bytes()

    def fresh(self) -> Database:
        file = self._folder / f"{next(self._numbers)}.db"
        file.write_bytes(self._founded)
        return Database.in_file(file)

    def raw(self, database: Database) -> Raw:
        return RawSqlite(database.url.removeprefix("sqlite:///"))

    def remove(self, database: Database) -> None:
        database.close()
        Path(database.url.removeprefix("sqlite:///")).unlink()


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


class RawPostgres:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._cursor = psycopg.RawCursor(self._connection)  # ours numbers its parameters as the server does

    def commit(self, writes: Sequence[Write]) -> None:
        cursor = self._cursor
        for write in writes:
            if len(write.rows) == 1:
                cursor.execute(write.statement, write.rows[0], prepare=True)
            else:
                cursor.executemany(write.statement, write.rows)
        self._connection.commit()

    def run(self, statement: str) -> Sequence[Any]:
        self._cursor.execute(statement.encode())
        found = self._cursor.fetchall() if self._cursor.description else []
        self._connection.commit()
        return found

    def vacuum(self) -> None:
        self._connection.autocommit = True
        self._cursor.execute("VACUUM ANALYZE")
        # what was written a moment ago: where gigabytes were, it would be brought to the disk while others are measured
        self._cursor.execute("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()


class OnPostgres:
    name = "PostgreSQL"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count()
        cluster.create("founded")
        database = Database(cluster.url("founded"))
        migrations.upgrade(database)
        _found(database)
        database.close()

    def fresh(self) -> Database:
        name = f"fresh{next(self._numbers)}"
        self._cluster.create(name, template="founded")
        return Database(self._cluster.url(name))

    def raw(self, database: Database) -> Raw:
        return RawPostgres(database.url.replace("+psycopg", ""))

    def remove(self, database: Database) -> None:
        database.close()
        self._cluster.drop(str(make_url(database.url).database))


@contextmanager
def grounds(folder: Path, names: Sequence[str]) -> Iterator[Mapping[str, Ground]]:
    """The kinds of database asked for, by `sqlite` and `postgresql`."""
    if "postgresql" not in names:
        yield {"sqlite": OnSqlite(folder)}
        return
    with Cluster(durable=True) as cluster:
        both: dict[str, Ground] = {"sqlite": OnSqlite(folder), "postgresql": OnPostgres(cluster)}
        yield {name: both[name] for name in names}
