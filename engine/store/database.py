"""One door to the database: `read()` sees a consistent snapshot, `write()` is one short transaction. Nobody else commits.

SQLite in a file for one process, PostgreSQL for any number of them: the same statements, tables and promises. What
differs is in here: how writers keep out of each other's way (one at a time, or each with its rows locked), and how a
connection is opened.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)

# the one that both compile; SQLite's own knows only itself
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError, PendingRollbackError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache
from sqlmodel import SQLModel

from engine.errors import Busy, InvalidInput, Text
from engine.store import statements
from engine.store.statements import Question

__all__ = [
    "Connection",
    "Database",
    "Door",
    "UtcDateTime",
    "naming",
    "speak_for",
    "table_of",
    "upsert",
]  # Connection: so that the engine's mind needs no SQL to name it

BUSY_TIMEOUT_SECONDS = 5  # a one-shot command waits this long for the serving process's group to commit
READERS = 16  # connections; FastAPI runs up to 40 threads, the rest wait a moment for one
READER_CACHE_KIB = 512  # of each on a file: with the usual 2 MB a process came to 267 MB, and answered no sooner
READER_WAIT_SECONDS = 10
LANES = 8  # groups of commands a process may commit at once on PostgreSQL
WRITERS = LANES + 4  # connections: beside them tick, deliver, and sign somebody in or change the directory
ACROSS = 4  # connections each to read and to write: what looks at every organisation takes its turn
CONNECT_SECONDS = 5
STATEMENTS = 1_000  # that are kept put together: some twice what a serving process says in all its days
INSTANTS = 256  # a command writes its own a dozen times, and deadlines end with the day
SILENT_SECONDS = 30  # after which, and as long again, a connection that does not answer is given up
STATEMENT_SECONDS = 30  # no statement of ours takes a tenth of it; one that does holds up others
LOCK_SECONDS = 10
BRIEFLY_MILLISECONDS = 100  # several times what anybody of ours holds a row for

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SHORT = "BEGIN ISOLATION LEVEL READ COMMITTED"

# who one is behind the door, and what the policies of rev 0004 compare with
OF_ONE = "bihuan_organisation"
OF_ALL = "bihuan_across"
_OF = "bihuan.organisation"
_NAMED = "bihuan.named"
_BETWEEN = "\x1f"  # ASCII's separator of units; no name may hold it

# SQLSTATEs of what somebody else did at the same moment
_SAME_KEY = frozenset({"23505"})
_CROSSED = frozenset({"40001", "40P01"})
_HELD = "55P03"

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
        return _in_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """On SQLite at once what SQLAlchemy's own type comes to in three calls: a command keeps some twenty instants."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        return lambda value: None if value is None else _kept(_in_utc(value))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        return lambda value: None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


@lru_cache(maxsize=INSTANTS)
def _kept(instant: datetime) -> str:
    """As SQLite's rows have it: UTC, which goes without saying. Of other zones two instants may be equal."""
    return instant.isoformat(" ", "microseconds")[:-6]


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs its offset: {instant!r} is naive")
    return instant.astimezone(UTC)


#: what opens a transaction: `database.read_across`, `partial(database.write, organisation)`
Door = Callable[[], AbstractContextManager[Connection]]


def table_of(row: type[SQLModel]) -> Table:
    """The Core table behind a row class: the hot path and the queries speak Core."""
    table = row.metadata.tables[str(row.__tablename__)]
    assert isinstance(table, Table)
    return table


class Database:
    """A database by URL: `sqlite:///path` or `postgresql://user@host/name`. Raises ValueError for anything else.

    On a server a transaction sees the rows of the organisation it speaks for and no others, whatever it asks for: the
    wall behind the engine's own scoping (row-level security, engine/decisions/0005-two-walls.md). What has to look at
    every organisation goes through a door of its own and is called so: `read_across`, `write_across`.

    url           whom everything signs in as that is done for one organisation
    sweeps_url    whom sweeps and claims sign in as; the same if None
    owners_url    whom changes of the tables sign in as; the same as the first if None
    """

    def __init__(self, url: str, *, sweeps_url: str | None = None, owners_url: str | None = None) -> None:
        parsed = _url_of(url)
        self.url = url
        self.on_server = parsed.get_backend_name() == "postgresql"
        #: groups of commands that may be under way at once
        self.lanes = LANES if self.on_server else 1
        # queueing in the process is fairer and cheaper than SQLITE_BUSY
        self._turn = nullcontext() if self.on_server else InTurn()
        if self.on_server:
            sweeping, owning = (parsed if other is None else _url_of(other) for other in (sweeps_url, owners_url))
            # how a transaction begins is all that tells who reads from who writes: whoever has a connection free lends it
            self.readers = self.writers = _server_engine(parsed, role=OF_ONE)
            self.readers_across = self.writers_across = _server_engine(sweeping, role=OF_ALL)
            self._owner = _server_engine(owning)
            free_of_one: list[Connection] = []
            free_of_all: list[Connection] = []
            self._reading_one = _Kept(self.readers, READERS, _SNAPSHOT, free_of_one)
            self._writing_one = _Kept(self.writers, WRITERS, _SHORT, free_of_one)
            self._reading_all = _Kept(self.readers_across, ACROSS, _SNAPSHOT, free_of_all)
            self._writing_all = _Kept(self.writers_across, ACROSS, _SHORT, free_of_all)
        else:
            self.readers = self.readers_across = _sqlite_engine(
                parsed, "query_only=ON", f"cache_size=-{READER_CACHE_KIB}"
            )
            self.writers = self.writers_across = _sqlite_engine(parsed)
            self._owner = _sqlite_engine(parsed)
            event.listen(self._owner, "begin", lambda connection: statements.run(connection, "BEGIN IMMEDIATE"))
            self._reading_one = self._reading_all = _Kept(self.readers, READERS, "BEGIN")
            # the driver would begin DEFERRED and upgrade at the first write: measured 309,307 lock errors in one run
            self._writing_one = self._writing_all = _Kept(self.writers, 1, "BEGIN IMMEDIATE")

    @classmethod
    def in_file(cls, path: Path) -> Self:
        return cls(f"sqlite:///{path.as_posix()}")

    def read(self, organisation: str) -> AbstractContextManager[Connection]:
        """A snapshot of one organisation: everything read inside belongs to one instant. Writing through it is refused by
        the database.

        Raises `Busy` when the database cannot be reached, or is gone before the block ends; `InvalidInput` for what its
        text cannot hold.
        """
        return self._reading(self._reading_one, organisation)

    def answers(self, organisation: str, questions: Sequence[Question[Any]], *names: str) -> list[Any]:
        """What these questions give, for who has no other; `names` as for `naming`. On a server it is one journey there and
        back: no transaction is begun or ended for it, so each answer is of an instant of its own.

        Raises as `read`.
        """
        with self._reading(self._reading_one, organisation, *names, alone=True) as connection:
            return statements.ask(connection, questions)

    def read_across(self) -> AbstractContextManager[Connection]:
        """As `read`, of every organisation: for sweeps, and for who runs the whole of it."""
        return self._reading(self._reading_all)

    def write(self, organisation: str) -> AbstractContextManager[Connection]:
        """One short write transaction in one organisation: committed and durable when the block ends, undone when it raises.

        Raises `Busy` when it cannot begin, go on or commit (another process holds the file, the disk is full, the server is
        gone).
        """
        return self._writing(self._writing_one, organisation)

    def write_across(self) -> AbstractContextManager[Connection]:
        """As `write`, in every organisation."""
        return self._writing(self._writing_all)

    @contextmanager
    def _reading(
        self, kept: "_Kept", organisation: str | None = None, *names: str, alone: bool = False
    ) -> Iterator[Connection]:
        with kept.transaction(organisation, *names, alone=alone) as connection:
            try:
                yield connection
            except SQLAlchemyError as error:
                _tell(error)
                raise

    @contextmanager
    def _writing(self, kept: "_Kept", organisation: str | None = None) -> Iterator[Connection]:
        with self._turn, kept.transaction(organisation) as connection:
            try:
                yield connection
                statements.flush_all(connection)
            except BaseException as error:
                _tell(error)
                raise
            try:
                self.commit(connection)
            except DBAPIError as error:
                raise _busy(error, committing=True) from error

    def commit(self, connection: Connection) -> None:
        """The last thing a write transaction does."""
        statements.commit(connection)

    @contextmanager
    def own(self) -> Iterator[Connection]:
        """As the owner of the tables, behind no wall: for changes of their shape only."""
        try:
            connection = self._owner.connect()
        except OperationalError as error:
            raise _busy(error) from error
        with connection, connection.begin():
            yield connection

    def rewrite(self, tables: Sequence[str]) -> bool:
        """Write these tables anew, and nothing of what was changed or deleted in them, so that it is nowhere in their files;
        in a file everything, and its journal is emptied. Whoever writes waits meanwhile.

        Returns    False where the journal could not be emptied, since somebody was reading: then it has to be asked again
        Raises     `Busy` where it cannot be done now; DBAPIError where whoever signs in may not
        """
        try:
            if self.on_server:
                with self._owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("SET statement_timeout = 0"))
                    for table in tables:
                        connection.execute(text(f'VACUUM (FULL) "{table}"'))
                return True
            driver = self._owner.raw_connection()
            try:
                cursor = driver.cursor()
                cursor.execute(f"PRAGMA busy_timeout = {1000 * SILENT_SECONDS}")
                cursor.execute("VACUUM")
                return bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
            finally:
                driver.close()
        except OperationalError as error:
            raise _busy(error) from error

    @contextmanager
    def read_shape(self) -> Iterator[Connection]:
        """To look at the tables' shape and revision, and at no row. On a server as whoever owns them, or as whom processes
        sign in; in a file as everybody, which waits for no writer.
        """
        with self.own() if self.on_server else self.read_across() as connection:
            yield connection

    def waited(self) -> float:
        """Seconds that this thread has waited so far for its turn to write. On a server nobody takes turns."""
        return self._turn.waited() if isinstance(self._turn, InTurn) else 0.0

    def close(self) -> None:
        for kept in (self._reading_one, self._writing_one, self._reading_all, self._writing_all):
            kept.let_go()
        for engine in {self.readers, self.readers_across, self.writers, self.writers_across, self._owner}:
            engine.dispose()


class InTurn:
    """A lock that goes to whoever waited longest. The lock of `threading` goes to whoever comes first, which is the one that
    has just given it back: beside a long tick, others would wait for many of its groups instead of one.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()
        self._waited = threading.local()

    def waited(self) -> float:
        """Seconds that this thread has waited so far."""
        seconds: float = getattr(self._waited, "seconds", 0.0)
        return seconds

    def __enter__(self) -> None:
        with self._looking:
            if not self._held:
                self._held = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        since = self._monotonic()
        try:
            mine.acquire()  # until it is handed over
        except BaseException:  # Ctrl-C: whoever is next must not wait for one who left
            with self._looking:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                else:
                    self._hand_on()
            raise
        self._waited.seconds = self.waited() + self._monotonic() - since

    def __exit__(self, *_: object) -> None:
        with self._looking:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._held = False


class _Kept:
    """Connections of one kind that stay as they are between transactions, each begun and ended by a statement of its own.

    SQLAlchemy's own way to a transaction and back takes a tenth of what a command takes (measured), so its connections are
    kept in their never-ending transaction, and the server or the file hears BEGIN and COMMIT from here.

    size     transactions at once; who comes when there are as many waits for one to end
    begin    the statement that begins one
    free     the engine's connections that are in nobody's transaction, where others on the same engine use them, too
    """

    def __init__(self, engine: Engine, size: int, begin: str, free: list[Connection] | None = None) -> None:
        self._engine = engine
        self._in_a_file = engine.dialect.name == "sqlite"
        self._begin = begin
        self._turns = threading.BoundedSemaphore(size)
        self._closed = False
        # the last one used first: the others may be let go by whoever is between us
        self._free: list[Connection] = [] if free is None else free

    @contextmanager
    def transaction(self, organisation: str | None, *names: str, alone: bool = False) -> Iterator[Connection]:
        """One transaction, undone at the end unless it was committed.

        alone    there will be no more than one `ask`, which a server takes for a transaction by itself: what travels together
                 without a BEGIN is one, until its end
        Raises `Busy` when it cannot begin.
        """
        if not self._turns.acquire(timeout=READER_WAIT_SECONDS):
            raise _busy(TimeoutError("every connection is in use"))
        try:
            speaking = () if organisation is None or self._in_a_file else (speaking_for(organisation, *names),)
            connection = self._begun(speaking, alone=alone)
            try:
                yield connection
            finally:
                self._keep(connection)
        finally:
            self._turns.release()

    def let_go(self) -> None:
        """Close what is free now, and the rest as it comes back."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._free.pop().close()

    def _begun(self, speaking: Sequence[str], *, alone: bool) -> Connection:
        """A server that was restarted is found again here: nothing was done yet, so connections that turn out to be dead are
        thrown away, and another one is opened. One that was used before and heard nothing since need not be asked for that.
        """
        while True:
            connection, new = self._taken()
            try:
                if self._in_a_file or new or not statements.is_quiet(connection):
                    statements.begin(connection, self._begin, *speaking)
                elif alone:
                    statements.begin_with_the_first(connection, *speaking)
                else:
                    statements.begin_with_the_first(connection, self._begin, *speaking)
            except BaseException as error:
                lost = is_lost(error)
                connection.close()
                if isinstance(error, OperationalError) and (new or not lost):
                    raise _busy(error) from error
                if new or not lost:
                    raise
            else:
                return connection

    def _taken(self) -> tuple[Connection, bool]:
        """A connection, and whether it is new."""
        with suppress(IndexError):
            return self._free.pop(), False
        try:
            connection = self._engine.connect()
        except OperationalError as error:
            raise _busy(error) from error
        # its never-ending transaction: without one SQLAlchemy would replace a lost connection and go on, behind no wall
        connection.begin()
        return connection, True

    def _keep(self, connection: Connection) -> None:
        """For the next one, if it is as it was."""
        if not connection.invalidated and not connection.in_nested_transaction():
            statements.forget(connection)
            try:
                statements.roll_back(connection)
            except DBAPIError:
                pass  # it is closed below, and whatever was open in it is undone
            else:
                if not self._closed:
                    self._free.append(connection)
                    return
        connection.close()


@contextmanager
def undone_by_itself(connection: Connection) -> Iterator[None]:
    """What is written in this block is undone when it raises, and nothing else of its transaction."""
    statements.mark(connection)
    try:
        yield
        statements.flush(connection)  # what fails of it is this block's
    except BaseException:
        statements.undo_to_mark(connection)
        raise
    statements.release_mark(connection)


def speak_for(connection: Connection, organisation: str) -> None:
    """From here on this transaction sees the rows of this organisation, and no longer of the one before."""
    if connection.dialect.name != "sqlite":
        statements.say(connection, speaking_for(organisation))


def speaking_for(organisation: str, *names: str) -> str:
    """The statement of `speak_for`, for who sends it himself: of what was named for the one before it leaves these."""
    return f"SELECT set_config('{_OF}', {_quoted(organisation)}, true), set_config('{_NAMED}', {_all_of(names)}, true)"


def naming(connection: Connection, *names: str) -> None:
    """Beside its organisation, this transaction sees from here on what it can name: somebody of another organisation by
    `key@organisation` or by the human being he shares an account with, a bureau by its key, a token or a session by its
    hash.
    """
    named = _all_of(names)
    if connection.dialect.name != "sqlite":
        statements.say(connection, f"SET LOCAL {_NAMED} = {named}")


def _all_of(names: Sequence[str]) -> str:
    if any(_BETWEEN in name for name in names):
        raise _not_taken()
    return _quoted(_BETWEEN.join(names))


def _quoted(value: str) -> str:
    """A literal: SET takes no parameters. Doubling is enough where backslashes mean nothing (standard_conforming_strings)."""
    if "\0" in value:
        raise _not_taken()
    return "'" + value.replace("'", "''") + "'"


def _tell(error: BaseException) -> None:
    """Raises, in words of ours, what the database cannot do just now, and what a value it does not take comes to."""
    if is_passing(error) or is_crossed(error):
        raise _busy(error) from error
    if isinstance(error, DataError):
        raise _not_taken() from error


def is_same_key(error: BaseException) -> bool:
    """Whether somebody else wrote a row of this key at the same moment: who tries again finds it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _SAME_KEY


def is_crossed(error: BaseException) -> bool:
    """Whether somebody else's transaction and ours waited for each other: who starts anew gets through."""
    if isinstance(error, Busy):  # in words already
        error = error.__cause__ or error
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CROSSED


def is_held(error: BaseException | None) -> bool:
    """Whether somebody else held what was needed for longer than anybody waits: who needs something else gets through."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _HELD


def wait_briefly(connection: Connection) -> None:
    """This transaction was kept waiting once already: what is held still is given up at once. On a server."""
    statements.say(connection, f"SET LOCAL lock_timeout = '{BRIEFLY_MILLISECONDS}ms'")


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, and the transaction with it: that is just told, or somebody went on all the same."""
    return isinstance(error, PendingRollbackError) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def is_passing(error: BaseException) -> bool:
    """Whether the database could not do just now what it does at other times (its disk is full, somebody holds it, it is
    gone): it says nothing about what was asked of it, and who asks again later gets through.
    """
    if is_crossed(error):
        return False  # of which the server says that one is *blocked* by the other; who began it begins anew at once
    return is_lost(error) or (isinstance(error, OperationalError) and why(error) is not _NOT_WRITTEN)


#: SQLSTATEs, and parts of what SQLite, the drivers and the system say → in words; the first that fits
_WHY: Mapping[str, Text] = {
    "40P01": Text("与他人的操作一再互相等待", "it and others' waited for each other again and again"),
    "53100": Text("数据库服务器的磁盘已满", "the disk of the database server is full"),
    "57014": Text("数据库用时过长，已中止", "the database took too long and gave up"),
    _HELD: Text("所需数据正被占用", "what it needs is being used by somebody else"),
    "is full": Text("磁盘已满", "the disk is full"),
    "No space left": Text("磁盘已满", "the disk is full"),
    "quota": Text("磁盘配额已用尽", "the disk quota is used up"),
    "locked": Text("数据库正被另一个程序占用", "another program holds the database"),
    "unable to open": Text("数据目录不在原处或不可读", "the data folder is not in its place, or cannot be read"),
    "readonly": Text("数据目录不可写", "the data folder cannot be written to"),
    "Read-only": Text("数据目录不可写", "the data folder cannot be written to"),
    "Permission denied": Text("数据目录不可写", "the data folder cannot be written to"),
    "I/O error": Text("磁盘读写出错", "the disk fails"),
    "Input/output": Text("磁盘读写出错", "the disk fails"),
    'role "': Text(
        "数据库的这个登录没有所需的角色（见 bihuan db roles）",
        "this login of the database has not the role it needs (see `bihuan db roles`)",
    ),
    "reconnect": Text("数据库连接不上", "the database cannot be reached"),
    "connection": Text("数据库连接不上", "the database cannot be reached"),
}
_NOT_WRITTEN = Text("数据没有写成", "it could not be written")


def why(error: BaseException) -> Text:
    """What the system said in English, often naming paths, in words of ours."""
    said = " ".join(_one_after_another(error))
    return next((text for sign, text in _WHY.items() if sign in said), _NOT_WRITTEN)


def _one_after_another(error: BaseException | None) -> Iterator[str]:
    while error is not None:  # a full disk also takes the savepoint away, and that is told last
        told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        yield f"{getattr(told, 'sqlstate', None) or ''} {told}"
        error = error.__cause__ or error.__context__


def busy_with(error: BaseException) -> Busy:
    """What there is to say of a fault that says nothing about what was asked: it may be asked again."""
    return _busy(error)


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


def _json(value: object) -> str:
    """How JSON columns are written: Chinese as it is, which takes half the room of its escapes."""
    return orjson.dumps(value, option=_PLAIN).decode()


_PLAIN = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)  # an object of ours is refused; NaN would be null


class _PutTogether(LRUCache[Any, Any]):
    """What statements came to, once a process and kind of database: SQLAlchemy keeps that for each engine by itself, though
    ours of a kind have the same settings, and putting a statement together takes several times what running it does.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)  # the first is the engine's dialect

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__(key[1:], value)


_FOR_A_FILE, _FOR_A_SERVER = _PutTogether(STATEMENTS), _PutTogether(STATEMENTS)


def _server_engine(url: URL, role: str | None = None) -> Engine:
    """role    whom it acts as, whoever signs in; transactions are then begun by hand, saying whom they speak for"""
    settings = {
        "timezone": "UTC",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{2 * STATEMENT_SECONDS}s",
        "standard_conforming_strings": "on",
        **({} if role is None else {"role": role}),
    }
    engine = create_engine(
        url, isolation_level="READ COMMITTED" if role is None else "AUTOCOMMIT", hide_parameters=True,
        poolclass=NullPool,  # what stays open is kept here
        execution_options={"compiled_cache": _FOR_A_SERVER},
        json_serializer=_json, json_deserializer=orjson.loads, use_native_hstore=False,  # asks every new connection for a type that no table of ours has
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            # a network that says nothing any more is told from one that has nothing to say
            "keepalives_idle": SILENT_SECONDS, "keepalives_interval": SILENT_SECONDS // 3, "keepalives_count": 3,
            "tcp_user_timeout": 1000 * SILENT_SECONDS,
            "application_name": "bihuan",
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        },
    )  # fmt: skip

    @event.listens_for(engine, "handle_error")
    def leave_what_is_out_of_step(context: ExceptionContext) -> None:
        if context.connection is not None:
            statements.doubt(context.connection)
        if statements.is_out_of_step(context.original_exception):
            context.is_disconnect = True

    @event.listens_for(engine, "before_cursor_execute")
    def after_what_was_put_off(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        statements.be_in_step(connection)
        statements.flush(connection)
        if not statement.startswith("SELECT"):
            statements.note_sent(connection)

    return engine


class _Hinted(SQLiteCompiler):
    """Says which index a question goes by, where it has a hint; SQLAlchemy leaves that out for SQLite."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def _sqlite_engine(url: URL, *pragmas: str) -> Engine:
    engine = create_engine(
        url, poolclass=NullPool, execution_options={"compiled_cache": _FOR_A_FILE},
        hide_parameters=True,  # an error is logged, and a log holds nothing of what somebody typed
        json_serializer=_json, json_deserializer=orjson.loads,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )  # fmt: skip
    engine.dialect.statement_compiler = _Hinted

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # recursive triggers: without them INSERT OR REPLACE deletes an event and its append-only trigger sleeps
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
