"""Statements of the hot path: put together once for each kind of database, and run on the driver's own cursor.

    _LOAD = Statement(select(cases.c.body).where(cases.c.number == bindparam("number")))
    row = _LOAD.first(connection, {"number": "YH-2020-0012"})

Both databases get the same statements; what differs is the waiting. To a server every statement is a journey there and
back, so what needs no answer is put off, and sent together with the next question or at `flush`; and questions that do not
depend on each other travel together (`ask`). Nothing is ever asked, and nothing committed, before what was put off has
been sent. In a file there is no journey, and everything happens at once.

The way through SQLAlchemy, which everything else goes, costs more than the statement itself (measured: 45 of 100 parts of a
command's time on SQLite).
"""

import re
import select as select_module
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from sqlalchemy import BindParameter, Connection, Delete, Dialect, Insert, Select, Update, bindparam
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")

Row = Any  # a named tuple of the columns asked for
Values = Mapping[str, Any]
Check = Callable[[int], None]  # told how many rows a statement changed; raises where that is not to be
Convert = Callable[[Any], Any] | None

_BEGUN = "bihuan.begun"  # in `Connection.info`: the statements its transaction began with
_WRITTEN = "bihuan.written"
_JOURNEYS = "bihuan.journeys"
_UNSURE = "bihuan.unsure"  # in `Connection.info`: whether what is prepared may not be
_PUT_OFF = "bihuan.put_off"  # in `Connection.info`: what was not sent yet


class _Made(NamedTuple):
    """A statement as one kind of database takes it.

    names      of its parameters, in their order
    fixed      the values of those that are always the same, as the driver takes them
    converts   (place among the parameters, what the driver needs made of the value)
    columns    what has to be made of each column that comes back; nothing where the rows are right as they come
    """

    sql: str
    names: Sequence[str]
    fixed: Values
    converts: Sequence[tuple[int, Callable[[Any], Any]]]
    columns: Sequence[Convert]
    row: Callable[[Iterable[Any]], Row]

    def parameters(self, values: Values) -> list[Any]:
        if self.fixed:
            values = {**values, **self.fixed}
        parameters = [values[name] for name in self.names]
        for place, convert in self.converts:
            parameters[place] = convert(parameters[place])
        return parameters

    def rows(self, found: Iterable[Sequence[Any]]) -> list[Row]:
        make, columns = self.row, self.columns
        if not columns:
            return [make(row) for row in found]
        return [
            make([value if convert is None else convert(value) for value, convert in zip(row, columns, strict=True)])
            for row in found
        ]


class _ToSend(NamedTuple):
    """table    the one it writes to, where it may be sent as part of another statement"""

    sql: str
    parameters: Sequence[Any] | None
    check: Check | None = None
    table: str | None = None


class Statement:
    """A select, insert, update or delete with a name for every value that is not fixed."""

    def __init__(self, clause: Select[Any] | Insert | Update | Delete) -> None:
        self._clause = clause
        self._table = None if isinstance(clause, Select) else str(clause.table)
        self._made: dict[tuple[str, int], _Made] = {}

    def all(self, connection: Connection, values: Values) -> list[Row]:
        """Every row it gives."""
        if self._table is not None:
            note_written(connection)
        made = self.made(connection)
        return made.rows(_fetched(connection, made.sql, made.parameters(values)))

    def first(self, connection: Connection, values: Values) -> Row | None:
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def put(self, connection: Connection, *rows: Values, check: Check | None = None) -> None:
        """Write these rows, on a server not before something has to be known.

        check    told how many rows were changed in all, once that is known: at `flush` at the latest
        """
        if _puts_off(connection):
            note_written(connection)
            sent = [_ToSend(*one, check, self._table) for one in self._of_rows(connection, rows, check)]
            connection.info.setdefault(_PUT_OFF, []).extend(sent)
            return
        changed = self._written(connection, rows)
        if check is not None:
            check(changed)

    def changed(self, connection: Connection, *rows: Values) -> int:
        """Write these rows at once; how many were changed in all. On a server they travel together."""
        if not rows:
            return 0
        if not _puts_off(connection):
            return self._written(connection, rows)
        note_written(connection)
        made = self.made(connection)
        cursors = _journey(connection, [_ToSend(made.sql, made.parameters(values)) for values in rows])
        return sum(cursor.rowcount for cursor in cursors)

    def _written(self, connection: Connection, rows: Sequence[Values]) -> int:
        """As `changed`, in a file."""
        made = self.made(connection)
        if len(rows) == 1:
            return int(_driven(connection, "execute", made.sql, made.parameters(rows[0])).rowcount)
        return int(_driven(connection, "executemany", made.sql, [made.parameters(values) for values in rows]).rowcount)

    def _of_rows(
        self, connection: Connection, rows: Sequence[Values], check: Check | None = None
    ) -> Iterator[tuple[str, list[Any]]]:
        """Rows of an insert as one statement; it must not say itself which values it inserts then."""
        if len(rows) == 1 or not isinstance(self._clause, Insert):
            assert len(rows) == 1 or check is None, "their changes would be told one by one"
            made = self.made(connection)
            for values in rows:
                yield made.sql, made.parameters(values)
            return
        made = self.made(connection, len(rows))
        numbered = {f"{name}__{n}": value for n, values in enumerate(rows) for name, value in values.items()}
        yield made.sql, made.parameters(numbered)

    def made(self, connection: Connection, rows: int = 1) -> _Made:
        """As the database behind this connection takes it; put together when it is first asked for."""
        key = connection.dialect.name, rows
        made = self._made.get(key)
        if made is None:
            clause = self._clause
            if rows > 1:
                assert isinstance(clause, Insert)
                columns = clause.table.columns
                clause = clause.values(
                    [{c.key: bindparam(f"{c.key}__{n}", type_=c.type) for c in columns} for n in range(rows)]
                )
            made = self._made[key] = _made(clause, connection.dialect)
        return made


class Listing:
    """A statement with a list of values among its others: put together for 1, 2, 4, 8 and so on of them. A shorter list is
    filled up with its last value, which makes no difference to what is in it.

        _OF = Listing(lambda keys: select(people).where(people.c.person.in_(keys)))
    """

    def __init__(self, clause: Callable[[list[BindParameter[Any]]], Select[Any] | Update | Delete]) -> None:
        self._clause = clause
        self._made: dict[int, Statement] = {}

    def all(self, connection: Connection, listed: Sequence[Any], values: Values) -> list[Row]:
        """Every row it gives; none where nothing is listed."""
        return self.of(listed).all(connection, _listing(listed, values)) if listed else []

    def changed(self, connection: Connection, listed: Sequence[Any], values: Values) -> int:
        """Write at once; how many rows were changed."""
        return self.of(listed).changed(connection, _listing(listed, values)) if listed else 0

    def of(self, listed: Sequence[Any]) -> Statement:
        """As it is said for a list of this length."""
        room = _room_for(listed)
        made = self._made.get(room)
        if made is None:
            made = self._made[room] = Statement(self._clause([bindparam(f"listed__{n}") for n in range(room)]))
        return made


def _room_for(listed: Sequence[Any]) -> int:
    return 1 << (len(listed) - 1).bit_length()


def _listing(listed: Sequence[Any], values: Values) -> Values:
    filled = chain(listed, repeat(listed[-1], _room_for(listed) - len(listed)))
    return {**values, **{f"listed__{n}": value for n, value in enumerate(filled)}}


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A statement with its values, and how its rows are to be read: so that several can travel together.

    before    a plain statement that has to be said first, such as SET LOCAL
    """

    statement: Statement
    values: Values
    read: Callable[[list[Row]], T]
    before: str | None = None

    def ask(self, connection: Connection) -> T:
        assert self.before is None, "what has to be said before is said by `ask`"
        return self.read(self.statement.all(connection, self.values))


def ask(connection: Connection, questions: Sequence[Question[Any]]) -> list[Any]:
    """The answers to all of them, in their order; on a server for one journey."""
    if not _puts_off(connection):
        return [question.ask(connection) for question in questions]
    sent: list[_ToSend] = []
    at: list[int] = []
    for question in questions:
        if question.before is not None:
            sent.append(_ToSend(question.before, None))
        made = question.statement.made(connection)
        at.append(len(sent))
        sent.append(_ToSend(made.sql, made.parameters(question.values)))
    cursors = _journey(connection, sent)
    return [
        question.read(question.statement.made(connection).rows(cursors[n].fetchall()))
        for question, n in zip(questions, at, strict=True)
    ]


def say(connection: Connection, sql: str) -> None:
    """Put a plain statement off that gives nothing back, such as SET LOCAL; in a file it is said at once."""
    if _puts_off(connection):
        connection.info.setdefault(_PUT_OFF, []).append(_ToSend(sql, None))
    else:
        _driven(connection, "execute", sql)


def run(connection: Connection, sql: str) -> None:
    """A plain statement, at once; on a server several may be joined by semicolons where nothing was put off."""
    _driven(connection, "execute", sql)


def begin(connection: Connection, *statements: str) -> None:
    """Begin a transaction with these statements, at once."""
    run(connection, "; ".join(statements))
    connection.info[_BEGUN] = statements


def begin_with_the_first(connection: Connection, *statements: str) -> None:
    """Begin a transaction with these statements, which are sent with the first one that has to be."""
    for sql in statements:
        say(connection, sql)
    connection.info[_BEGUN] = statements


def is_quiet(connection: Connection) -> bool:
    """Whether a server that is not asked anything says nothing: one that ended has said so. Costs no journey."""
    driver: Any = connection.connection.dbapi_connection
    if driver.closed or not hasattr(select_module, "poll"):
        return False
    poll = select_module.poll()
    poll.register(driver.fileno(), select_module.POLLIN)
    return not poll.poll(0)


def begin_anew(connection: Connection) -> None:
    """As if nothing had happened in this transaction: it is another one, which began as this one did."""
    forget(connection)
    roll_back(connection)
    begin(connection, *connection.info[_BEGUN])


_IN_TRANSACTION = 2  # of libpq: neither idle nor broken off


def commit(connection: Connection) -> None:
    """Raises OperationalError where there is nothing left to commit: a server answers COMMIT with ROLLBACK, and no error,
    once a statement failed.
    """
    assert not connection.info.get(_PUT_OFF), "who commits has sent what was put off: `flush_all`"
    driver: Any = connection.connection.dbapi_connection
    if _puts_off(connection) and not connection.invalidated and driver.info.transaction_status != _IN_TRANSACTION:
        raise OperationalError("COMMIT", None, RuntimeError("the transaction was broken off before"))
    _driven(connection, "execute", "COMMIT")


def roll_back(connection: Connection) -> None:
    """End the transaction, if one is open."""
    driver: Any = connection.connection.dbapi_connection
    is_open = driver.info.transaction_status if _puts_off(connection) else driver.in_transaction  # IDLE is 0
    if is_open:
        _driven(connection, "execute", "ROLLBACK")


def flush(connection: Connection) -> None:
    """Send what was put off, and let every check know. Raises what the database or a check raises."""
    if connection.info.get(_PUT_OFF):
        _journey(connection, [])


def flush_all(connection: Connection) -> None:
    """As `flush`, for who is about to commit: marks need not be released any more."""
    put_off: list[_ToSend] = connection.info.get(_PUT_OFF, [])
    while put_off and put_off[-1].sql == _RELEASE:
        put_off.pop()
    flush(connection)


def forget(connection: Connection) -> None:
    """What was put off will not be sent: the transaction is undone."""
    connection.info.pop(_PUT_OFF, None)


# --- what is undone by itself -----------------------------------------------------------------------------------------

_NAME = "before_command"
_MARK = f"SAVEPOINT {_NAME}"
_RELEASE = f"RELEASE {_NAME}"


def mark(connection: Connection) -> None:
    """From here on what is written can be undone by itself."""
    say(connection, _MARK)


def undo_to_mark(connection: Connection) -> None:
    """As if nothing had been written since `mark`."""
    if connection.invalidated:
        return  # the server has undone all of it; another error here would hide what happened
    put_off: list[_ToSend] = connection.info.get(_PUT_OFF, [])
    for n in reversed(range(len(put_off))):
        if put_off[n].sql == _MARK:  # nothing since was sent, nor the mark
            del put_off[n:]
            return
    forget(connection)
    for sql in (f"ROLLBACK TO {_NAME}", _RELEASE):
        _driven(connection, "execute", sql)


def release_mark(connection: Connection) -> None:
    """What was written since `mark` stays."""
    say(connection, _RELEASE)


class Standing(NamedTuple):
    """Where a transaction stood, for as long as nothing written since was sent: how often it had written, how much was put
    off, and how many journeys there had been.
    """

    written: int
    put_off: int
    journeys: int


def standing(connection: Connection) -> Standing:
    """Where it stands now. Costs nothing, where `mark` is a statement."""
    if not _puts_off(connection):
        driver: Any = connection.connection.dbapi_connection
        return Standing(driver.total_changes, 0, 0)
    info = connection.info
    return Standing(info.get(_WRITTEN, 0), len(info.get(_PUT_OFF, ())), info.get(_JOURNEYS, 0))


def back_to(connection: Connection, stood: Standing) -> bool:
    """As if nothing had been written since. False where that cannot be had: it was sent already, or is in the file."""
    stands = standing(connection)
    if stands.written == stood.written:
        return True
    if not _puts_off(connection) or stands.journeys != stood.journeys:
        return False
    del connection.info.get(_PUT_OFF, [])[stood.put_off :]
    return True


def note_sent(connection: Connection) -> None:
    """Something was written by another way than this one, at once."""
    note_written(connection)
    connection.info[_JOURNEYS] = connection.info.get(_JOURNEYS, 0) + 1


def note_written(connection: Connection) -> None:
    """Something was written, or may have been."""
    connection.info[_WRITTEN] = connection.info.get(_WRITTEN, 0) + 1


# --- the driver -------------------------------------------------------------------------------------------------------


def _puts_off(connection: Connection) -> bool:
    return connection.dialect.name != "sqlite"


def _fetched(connection: Connection, sql: str, parameters: Sequence[Any]) -> Any:
    if _puts_off(connection):
        return _journey(connection, [_ToSend(sql, parameters)])[0].fetchall()
    return _driven(connection, "execute", sql, parameters).fetchall()


def _journey(connection: Connection, sent: Sequence[_ToSend]) -> list[Any]:
    """What was put off and then these, there and back at once; gives the cursors of these."""
    _must_live(connection)
    connection.info[_JOURNEYS] = connection.info.get(_JOURNEYS, 0) + 1
    before = _as_few([*connection.info.pop(_PUT_OFF, ())])
    together = [*before, *([one] for one in sent)]
    driver: Any = connection.connection.dbapi_connection
    try:
        be_in_step(connection)
        if len(together) == 1:
            cursors = [_executed(driver, _as_one(together[0]))]
        else:
            with driver.pipeline():
                cursors = [_executed(driver, _as_one(several)) for several in together]
    except connection.dialect.loaded_dbapi.Error as error:
        doubt(connection)
        _raise_as_sqlalchemy_would(connection, error, "; ".join(one.sql for several in together for one in several))
    for several, cursor in zip(before, cursors, strict=False):
        checks = [one.check for one in several if one.check is not None]
        counts = cursor.fetchone() if len(several) > 1 and checks else [cursor.rowcount]
        for check, count in zip(checks, counts, strict=False):
            check(count)
    return cursors[len(before) :]


def doubt(connection: Connection) -> None:
    """A statement failed on it, perhaps one of several that were sent together: the driver believes that those behind it were
    prepared, too, and the server passed them over. To be called with each error of a server's.
    """
    if not connection.closed and not connection.invalidated:
        # a connection that SQLAlchemy itself still asks whom it met has no place for notes, and nothing of ours is prepared there
        with suppress(NotImplementedError):
            connection.info[_UNSURE] = True


def be_in_step(connection: Connection) -> None:
    """Have the server and the driver forget what was prepared, where that is in doubt; after the transaction that failed."""
    if not connection.info.get(_UNSURE):
        return
    driver: Any = connection.connection.dbapi_connection
    if driver.info.transaction_status.name == "IDLE":
        driver.execute("BEGIN")
        driver.rollback()  # asked so, the driver forgets and has the server forget; after a ROLLBACK of ours it does not
        connection.info[_UNSURE] = False


def _as_few(sent: Sequence[_ToSend]) -> list[list[_ToSend]]:
    """The same in their order, those next to each other together that write to different tables: it makes no difference to
    any of them whether the others went before.
    """
    several: list[list[_ToSend]] = []
    tables: set[str] = set()
    for one in sent:
        if one.table is None or one.table in tables or not several or several[-1][0].table is None:
            several.append([one])
            tables = set()
        else:
            several[-1].append(one)
        if one.table is not None:
            tables.add(one.table)
    return several


def _as_one(several: Sequence[_ToSend]) -> _ToSend:
    """One statement that writes it all and tells how many rows those changed that want it checked."""
    if len(several) == 1:
        return several[0]
    sql = _joined(
        tuple((one.sql, len(one.parameters or ())) for one in several), tuple(one.check is not None for one in several)
    )
    return _ToSend(sql, [value for one in several for value in one.parameters or ()])


_NUMBER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)  # of some dozens there are: what commands write together, and how many rows of it
def _joined(statements: tuple[tuple[str, int], ...], counted: tuple[bool, ...]) -> str:
    """The statements, each with how many parameters it has, as parts of one: their parameters are numbered on."""
    written, before = [], 0
    for n, ((sql, parameters), count) in enumerate(zip(statements, counted, strict=True)):
        numbered = _NUMBER.sub(lambda found, before=before: f"${int(found[1]) + before}", sql)  # type: ignore[misc]  # a lambda's default has no type
        written.append(f"w{n} AS ({numbered} RETURNING 1)" if count else f"w{n} AS ({numbered})")
        before += parameters
    parts = ", ".join(written)
    counts = ", ".join(f"(SELECT count(*) FROM w{n})" for n, count in enumerate(counted) if count)  # noqa: S608  # every word of it is ours; values are parameters
    return f"WITH {parts} SELECT {counts or '1'}"


def _executed(driver: Any, one: _ToSend) -> Any:
    # not above: where there is but a file, nobody needs it, its 8 MB and its tenth of a second
    from psycopg import RawCursor  # noqa: PLC0415

    cursor = RawCursor(driver)
    return cursor.execute(one.sql) if one.parameters is None else cursor.execute(one.sql, one.parameters, prepare=True)


def _driven(connection: Connection, how: str, sql: str, parameters: Sequence[Any] | None = None) -> Any:
    """Through the driver's connection itself."""
    _must_live(connection)
    run = getattr(connection.connection.dbapi_connection, how)
    try:
        return run(sql) if parameters is None else run(sql, parameters)
    except connection.dialect.loaded_dbapi.Error as error:
        _raise_as_sqlalchemy_would(connection, error, sql)


def _must_live(connection: Connection) -> None:
    """A lost connection would be replaced by a new one, in no transaction and behind no wall."""
    if connection.invalidated:
        gone = RuntimeError("the connection is gone, and its transaction with it")
        raise OperationalError("", None, gone, connection_invalidated=True)


def _raise_as_sqlalchemy_would(connection: Connection, error: Exception, sql: str) -> NoReturn:
    """So that nobody has to know which way a statement went."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, None)  # type: ignore[arg-type]  # any error of the driver's
    lost = lost or is_out_of_step(error) or _is_stuck(connection)
    wrapped = DBAPIError.instance(
        sql, None, error, dialect.loaded_dbapi.Error, connection_invalidated=lost, dialect=dialect
    )
    if lost:
        connection.invalidate(error)
    raise wrapped from error


def _is_stuck(connection: Connection) -> bool:
    """Whether the driver could not get out of its pipeline, as where the server died inside: then it cannot even roll back, and
    what it says of that would hide what happened.
    """
    pgconn = getattr(connection.connection.dbapi_connection, "pgconn", None)
    return pgconn is not None and bool(pgconn.pipeline_status)  # 0 is off (libpq-fe.h, PGpipelineStatus)


def is_out_of_step(error: BaseException | None) -> bool:
    """Whether what this connection has prepared fits no more, so that another one has to begin anew: a migration changed a
    column; or the driver believes to have prepared what the server passed over behind a statement that failed.
    """
    state = getattr(error, "sqlstate", None)
    return state == "26000" or (state == "0A000" and "cached plan" in str(error))


def _made(clause: Select[Any] | Insert | Update | Delete, dialect: Dialect) -> _Made:
    """Put together, with every value's conversion looked up.

    Values by position, and numbered as the server itself numbers them: the driver would read every statement for its own
    marks, long ones each time anew (measured: a fifth of what opening a period takes).
    """
    make: Any = type(dialect)
    positional = dialect if dialect.positional else make(paramstyle="numeric_dollar")
    compiled: Any = clause.compile(dialect=positional)
    fixed: dict[str, Any] = {}
    converts: list[tuple[int, Callable[[Any], Any]]] = []
    for place, name in enumerate(compiled.positiontup):
        bind = compiled.binds[name]
        convert = bind.type.dialect_impl(positional).bind_processor(positional)
        if not bind.required:
            fixed[name] = bind.value if convert is None else convert(bind.value)
        elif convert is not None:
            converts.append((place, convert))
    columns = list(clause.selected_columns) if isinstance(clause, Select) else list(clause.exported_columns)
    read = [column.type.dialect_impl(positional).result_processor(positional, None) for column in columns]
    names = [str(column.key) for column in columns]
    row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # its fields are known when it runs
    return _Made(str(compiled), compiled.positiontup, fixed, converts, read if any(read) else (), row._make)
