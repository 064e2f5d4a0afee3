"""One door to the database: `read()` sees a consistent snapshot, `write()` is one short transaction. Nobody else commits.

SQLite in a file for one process, PostgreSQL for any number of them: the same statements, tables and promises. What
differs is in here: how writers keep out of each other's way (one at a time, or each with its rows locked), and how a
connection is opened.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)

# the one that both compile; SQLite's own knows only itself
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlmodel import SQLModel

from engine.errors import Busy, InvalidInput, Text

__all__ = [
    "Connection",
    "Database",
    "UtcDateTime",
    "table_of",
    "upsert",
]  # Connection: so that the engine's mind needs no SQL to name it

BUSY_TIMEOUT_SECONDS = 5  # a one-shot command waits this long for the serving process's group to commit
READERS = 16  # connections; FastAPI runs up to 40 threads, the rest wait a moment for one
READER_WAIT_SECONDS = 10
LANES = 8  # groups of commands a process commits at once on PostgreSQL
WRITERS = LANES + 4  # connections: beside them tick, deliver, and sign somebody in or change the directory
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30  # no statement of ours takes a tenth of it; one that does holds up others
LOCK_SECONDS = 10

# SQLSTATEs of what somebody else did at the same moment
_SAME_KEY = frozenset({"23505"})
_CROSSED = frozenset({"40001", "40P01"})

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
    """A database by URL: `sqlite:///path` or `postgresql://user@host/name`. Raises ValueError for anything else."""

    def __init__(self, url: str) -> None:
        parsed = _url_of(url)
        self.url = url
        self.on_server = parsed.get_backend_name() == "postgresql"
        #: transactions of commands that make sense at once
        self.lanes = LANES if self.on_server else 1
        # queueing in the process is fairer and cheaper than SQLITE_BUSY
        self._turn = nullcontext() if self.on_server else threading.Lock()
        if self.on_server:
            reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            self._readers = _server_engine(parsed, READERS, **reading)
            self._writer = _server_engine(parsed, WRITERS, isolation_level="READ COMMITTED")
        else:
            self._readers = _sqlite_engine(parsed, begin="BEGIN", size=READERS)
            self._writer = _sqlite_engine(parsed, begin="BEGIN IMMEDIATE", size=1)

    @classmethod
    def in_file(cls, path: Path) -> Self:
        return cls(f"sqlite:///{path.as_posix()}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: everything read inside belongs to one instant. Writing through it is refused by the database.

        Raises `Busy` when the database cannot be reached, or is gone before the block ends; `InvalidInput` for what its
        text cannot hold.
        """
        with _connected(self._readers) as connection:
            try:
                with connection.begin():
                    if not self.on_server:
                        connection.exec_driver_sql("PRAGMA query_only = ON")
                    yield connection
            except DBAPIError as error:
                if is_lost(error):
                    raise _busy(error) from error
                if isinstance(error, DataError):
                    raise _not_taken() from error
                raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One short write transaction: committed and durable when the block ends, undone when it raises.

        Raises `Busy` when the transaction cannot begin or commit (another process holds the file, the disk is full, the
        server is gone).
        """
        with self._turn, _connected(self._writer) as connection:
            try:
                transaction = connection.begin()
            except OperationalError as error:
                raise _busy(error) from error
            try:
                yield connection
            except BaseException as error:
                transaction.rollback()
                if is_lost(error):
                    raise _busy(error) from error
                if isinstance(error, DataError):
                    raise _not_taken() from error
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                transaction.rollback()
                raise _busy(error, committing=True) from error

    def migration_engine(self) -> Engine:
        """For schema changes only."""
        return self._writer

    def close(self) -> None:
        self._readers.dispose()
        self._writer.dispose()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise _busy(error) from error
    with connection:
        yield connection


def is_same_key(error: BaseException) -> bool:
    """Whether somebody else wrote a row of this key at the same moment: who tries again finds it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _SAME_KEY


def is_crossed(error: BaseException) -> bool:
    """Whether somebody else's transaction and ours waited for each other: who starts anew gets through."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CROSSED


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, and the transaction with it."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


#: SQLSTATEs, and parts of what SQLite, the drivers and the system say → in words; the first that fits
_WHY: Mapping[str, Text] = {
    "53100": Text("数据库服务器的磁盘已满", "the disk of the database server is full"),
    "57014": Text("数据库用时过长，已中止", "the database took too long and gave up"),
    "55P03": Text("所需数据正被占用", "what it needs is being used by somebody else"),
    "is full": Text("磁盘已满", "the disk is full"),
    "No space left": Text("磁盘已满", "the disk is full"),
    "quota": Text("磁盘配额已用尽", "the disk quota is used up"),
    "locked": Text("数据库正被另一个程序占用", "another program holds the database"),
    "readonly": Text("数据目录不可写", "the data folder cannot be written to"),
    "Read-only": Text("数据目录不可写", "the data folder cannot be written to"),
    "Permission denied": Text("数据目录不可写", "the data folder cannot be written to"),
    "I/O error": Text("磁盘读写出错", "the disk fails"),
    "Input/output": Text("磁盘读写出错", "the disk fails"),
    "connection": Text("数据库连接不上", "the database cannot be reached"),
}
_NOT_TAKEN = Text("数据没有写成", "it could not be written")


def why(error: BaseException) -> Text:
    """What the system said in English, often naming paths, in words of ours."""
    said = " ".join(_one_after_another(error))
    return next((text for sign, text in _WHY.items() if sign in said), _NOT_TAKEN)


def _one_after_another(error: BaseException | None) -> Iterator[str]:
    while error is not None:  # a full disk also takes the savepoint away, and that is told last
        told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        yield f"{getattr(told, 'sqlstate', None) or ''} {told}"
        error = error.__cause__ or error.__context__


def _busy(error: BaseException, *, committing: bool = False) -> Busy:
    """committing   the server may have carried it out and not have been able to say so"""
    unknown = Text("连接中断，结果未知：", "The connection broke and nobody knows what became of it: ")
    nothing = Text("没有任何内容被改动，", "Nothing changed; ")
    before = unknown if committing and is_lost(error) else nothing
    return Busy(
        asked=Text("访问数据库", "Reach the database"),
        obstacle=why(error),
        remedy=Text(f"{before.zh}请稍后用同一幂等键重试", f"{before.en}try again with the same idempotency key"),
    )


def _not_taken() -> InvalidInput:
    """What SQLite would have kept or found nothing by, and PostgreSQL does not: a NUL, a text longer than its column."""
    return InvalidInput(
        asked=Text("访问数据库", "Reach the database"),
        obstacle=Text("内容含有数据库不能保存的字符，或过长", "it holds what the database cannot keep, or is too long"),
        remedy=Text("请改正后重新提交", "Correct it and send it again"),
    )


def mark_of(connection: Connection) -> int:
    """The number the database itself carries, 0 for none: what kind of data it holds, whatever lies beside it."""
    if connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    said = connection.exec_driver_sql(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = current_schema()"
    ).scalar_one()
    return int(said) if str(said or "").isdigit() else 0


def set_mark(connection: Connection, mark: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {mark:d}")
        return
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {schema} IS '{mark:d}'")


def one_at_a_time(connection: Connection, name: str) -> None:
    """Wait for whoever else does this; until the transaction ends nobody else will. On SQLite nobody else writes anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK, {"name": name})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def _url_of(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("this is no database URL") from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return parsed
    raise ValueError(f"data is kept in SQLite or PostgreSQL; {parsed.drivername!r} is neither")


def _server_engine(url: URL, size: int, **options: Any) -> Engine:
    return create_engine(
        url, execution_options=options, poolclass=QueuePool, pool_size=size, max_overflow=0, pool_timeout=READER_WAIT_SECONDS,
        use_native_hstore=False,  # asks every new connection for a type that no table of ours has
        pool_pre_ping=True,  # a server that was restarted is found again before anybody notices
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "bihuan",
            "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
            f" -c idle_in_transaction_session_timeout={2 * STATEMENT_SECONDS}s",
        },
    )  # fmt: skip


def _sqlite_engine(url: URL, *, begin: str, size: int) -> Engine:
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
