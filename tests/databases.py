"""Databases made once a process and copied for every test, of both kinds: files of SQLite, and PostgreSQL's of our own server.

    EMPTY.copy(kind, folder)                             # migrated, nothing in it
    SCHOOL = Template(found_the_school, upon=EMPTY)      # prepared when first copied

Whoever touches a database asks for the fixture `kind` (tests/conftest.py), directly or through what he builds on, and so
runs on both. What is about one of them is marked so.
"""

import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, Self

import pytest

from api import migrations
from engine.store.database import Database
from tests.lending import Copy
from tests.postgres import the_cluster

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")
FILE = "bihuan.db"  # as in a data folder

#: for a test about the file itself
on_sqlite = pytest.mark.parametrize("kind", ["sqlite"], scope="session")
#: for a test about the server itself
on_postgresql = pytest.mark.parametrize("kind", ["postgresql"], scope="session")

_numbers = itertools.count(1)
_copies: list[tuple[Copy, list[Copy]]] = []  # on the server, oldest first, each with where it is kept for the next test


class Template:
    """A database as it is after `prepare`, which runs once a process and kind.

    Migrating takes a second; copying a file takes a millisecond, copying on the server 30.
    """

    def __init__(self, prepare: Callable[[Database], object], *, upon: Self | None = None) -> None:
        self._prepare, self._upon = prepare, upon
        self._bytes: bytes | None = None
        self._name: str | None = None
        self._kept: list[Copy] = []

    def copy(self, kind: Kind, folder: Path) -> Database:
        """A database of its own. The folder is made, and has the file in it if it is one."""
        return Database(self.place(kind, folder))

    def place(self, kind: Kind, folder: Path) -> str:
        """A copy that nobody has opened yet; gives its URL."""
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "sqlite":
            return _write(self._in_bytes(), folder)
        copy = self._kept.pop() if self._kept else Copy(the_cluster(), f"copy_{next(_numbers)}", self._on_server())
        _copies.append((copy, self._kept))
        return copy.lend()

    def _in_bytes(self) -> bytes:
        if self._bytes is None:
            with tempfile.TemporaryDirectory(prefix="bihuan-template-") as place:
                url = _write(b"" if self._upon is None else self._upon._in_bytes(), Path(place))
                self._prepared(url)
                with closing(sqlite3.connect(Path(place) / FILE)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._bytes = (Path(place) / FILE).read_bytes()
        return self._bytes

    def _on_server(self) -> str:
        if self._name is None:
            name = f"template_{next(_numbers)}"
            the_cluster().create(name, template=None if self._upon is None else self._upon._on_server())
            self._prepared(the_cluster().url(name))
            self._name = name
        return self._name

    def _prepared(self, url: str) -> None:
        database = Database(url)
        try:
            self._prepare(database)
        finally:
            database.close()


EMPTY = Template(migrations.upgrade)


def _write(content: bytes, folder: Path) -> str:
    file = folder / FILE
    file.write_bytes(content)
    return f"sqlite:///{file.as_posix()}"


@contextmanager
def dropping_copies() -> Iterator[None]:
    """What is copied on the server inside is put back for the next test at the end, or dropped where that cannot be: each
    takes eight megabytes. Files go with their folder.
    """
    before = len(_copies)
    try:
        yield
    finally:
        while len(_copies) > before:
            copy, kept = _copies.pop()
            if copy.is_as_new():
                kept.append(copy)
            else:
                copy.drop()
