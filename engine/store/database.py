"""One door to the database: `read()` sees a consistent snapshot, `write()` is one short transaction. Nobody else commits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, DateTime, Dialect, Engine, Table, TypeDecorator, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlmodel import SQLModel

from engine.errors import Busy, Text

__all__ = [
    "Connection",
    "Database",
    "UtcDateTime",
    "table_of",
]  # Connection: so that the engine's mind needs no SQL to name it

BUSY_TIMEOUT_SECONDS = 5  # a one-shot command waits this long for the serving process's group to commit
READERS = 16  # connections; FastAPI runs up to 40 threads, the rest wait a moment for one
READER_WAIT_SECONDS = 10

NAMING = {  # the same names in every database, so that one migration history can drop and alter them
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, kept in UTC. Refuses naive values, whose offset `DateTime(timezone=True)` drops on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant needs its offset: {value!r} is naive")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def table_of(row: type[SQLModel]) -> Table:
    """The Core table behind a row class: the hot path and the queries speak Core."""
    table = row.metadata.tables[str(row.__tablename__)]
    assert isinstance(table, Table)
    return table


class Database:
    """A database by URL. One writer at a time per process on SQLite; readers on connections of their own."""

    def __init__(self, url: str) -> None:
        if not url.startswith("sqlite"):
            raise ValueError(f"this version keeps its data in SQLite; {url.split(':', 1)[0]!r} is not supported yet")
        self.url = url
        self._writer_lock = threading.Lock()  # queueing in the process is fairer and cheaper than SQLITE_BUSY
        self._readers = _sqlite_engine(url, begin="BEGIN", size=READERS)
        self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", size=1)

    @classmethod
    def in_file(cls, path: Path) -> Self:
        return cls(f"sqlite:///{path.as_posix()}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: everything read inside belongs to one instant. Writing through it is refused by the database."""
        with self._readers.connect() as connection, connection.begin():
            connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One short write transaction: committed and durable when the block ends, undone when it raises.

        Raises `Busy` when the transaction cannot begin or commit (another process holds the file, the disk is full).
        """
        with self._writer_lock:
            connection = self._writer.connect()
            try:
                try:
                    transaction = connection.begin()
                except OperationalError as error:
                    raise _busy(error) from error
                try:
                    yield connection
                except BaseException:
                    transaction.rollback()
                    raise
                try:
                    transaction.commit()
                except DBAPIError as error:
                    transaction.rollback()
                    raise _busy(error) from error
            finally:
                connection.close()

    def migration_engine(self) -> Engine:
        """For schema changes only."""
        return self._writer

    def close(self) -> None:
        self._readers.dispose()
        self._writer.dispose()


def _busy(error: DBAPIError) -> Busy:
    return Busy(
        asked=Text("写入数据库", "Write to the database"),
        obstacle=Text(f"数据库没有接受：{error.orig}", f"the database did not accept it: {error.orig}"),
        remedy=Text(
            "没有任何内容被改动，请稍后用同一幂等键重试", "Nothing changed; try again with the same idempotency key"
        ),
    )


def _sqlite_engine(url: str, *, begin: str, size: int) -> Engine:
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=size, max_overflow=0, pool_timeout=READER_WAIT_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # recursive triggers: without them INSERT OR REPLACE deletes an event and its append-only trigger sleeps
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_as_told(connection: Connection) -> None:
        # the driver would begin DEFERRED and upgrade at the first write: measured 309,307 lock errors in one run
        connection.exec_driver_sql(begin)

    return engine
