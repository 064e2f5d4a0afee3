"""The records as they are kept, read for whoever checks them: nothing is made of what is read, and memory does not grow with it.

A range is what lies after one number and up to another, so that several processes can share an organisation's histories.
Instants come as the envelopes spell them, bytes as they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    String,
    bindparam,
    cast,
    exists,
    func,
    select,
    tuple_,
    type_coerce,
)

from engine.events import LOGBOOK
from engine.store.database import UtcDateTime, table_of
from engine.store.history import same_event
from engine.store.statements import Row, Statement
from engine.store.tables import CaseRow, DisclosureRow, EventRow, TrailRow, TreeNodeRow, UnnumberedRow
from engine.store.trail import STANDING

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_trail = table_of(TrailRow)
_cases = table_of(CaseRow)
_nodes = table_of(TreeNodeRow)
_unnumbered = table_of(UnnumberedRow)

AT_ONCE = 1_000  # rows of five kilobytes each
STRAYS = 20  # named of what belongs to no event; whoever has more knows enough

#: columns of a case that are kept beside its body
BESIDE_BODY = tuple(column.name for column in _cases.columns if column.name not in {"organisation", "body"})


@dataclass(frozen=True, slots=True)
class Range:
    """Histories after this number, up to and with that one; None for all there are."""

    after: str = ""
    until: str | None = None


def ranges(ask: Callable[[], Any], organisation: str, events: int) -> Iterator[Range]:
    """Ranges of some so many events, which together hold every history, in their order.

    ask     opens a transaction to read in; each range is looked for in one of its own
    """
    after = ""
    while True:
        with ask() as connection:
            here = {"organisation": organisation, "after": after, "skipped": events}
            found = _BOUNDARY.first(connection, here)
        until = None if found is None else found.number
        yield Range(after, until)
        if until is None:
            return
        after = until


_BOUNDARY = Statement(
    select(_events.c.number)
    .where(_events.c.organisation == bindparam("organisation"), _events.c.number > bindparam("after"))
    .order_by(_events.c.number, _events.c.sequence)
    .limit(1)
    .offset(bindparam("skipped"))
)


def events_in(connection: Connection, organisation: str, within: Range) -> Iterator[Row]:
    """Every event of the range by number and sequence, with what it discloses and its row in the trail, if these are there."""
    statement = _events_in(connection.dialect.name == "sqlite", within.until is not None)
    here: dict[str, Any] = {"organisation": organisation, "number": within.after, "sequence": _LAST, "rows": AT_ONCE}
    if within.until is not None:
        here["until"] = within.until
    while True:
        rows = statement.all(connection, here)
        yield from rows
        if len(rows) < AT_ONCE:
            return
        here |= {"number": rows[-1].number, "sequence": rows[-1].sequence}


_LAST = 2**31 - 1  # after every event of the number a range begins after


def events_of(connection: Connection, organisation: str, number: str) -> Iterator[Row]:
    """As `events_in`, of one history."""
    statement = _events_of(connection.dialect.name == "sqlite")
    here: dict[str, Any] = {"organisation": organisation, "number": number, "sequence": 0, "rows": AT_ONCE}
    while True:
        rows = statement.all(connection, here)
        yield from rows
        if len(rows) < AT_ONCE:
            return
        here["sequence"] = rows[-1].sequence


def cases_in(connection: Connection, organisation: str, within: Range) -> dict[str, Row]:
    """number → the case as it is kept, of every case in the range."""
    in_file = connection.dialect.name == "sqlite"
    statement = _cases_in(in_file, within.until is not None)
    here = {"organisation": organisation, "after": within.after}
    if within.until is not None:
        here["until"] = within.until
    return {row.number: row for row in statement.all(connection, here)}


def case_of(connection: Connection, organisation: str, number: str) -> Row | None:
    statement = _case_of(connection.dialect.name == "sqlite")
    return statement.first(connection, {"organisation": organisation, "number": number})


@cache
def _events_in(in_file: bool, bounded: bool) -> Statement:
    statement = _events_as_kept(in_file).where(
        tuple_(_events.c.number, _events.c.sequence) > tuple_(bindparam("number"), bindparam("sequence"))
    )
    if bounded:
        statement = statement.where(_events.c.number <= bindparam("until"))
    return Statement(statement)


@cache
def _events_of(in_file: bool) -> Statement:
    return Statement(
        _events_as_kept(in_file).where(
            _events.c.number == bindparam("number"), _events.c.sequence > bindparam("sequence")
        )
    )


@cache
def _cases_in(in_file: bool, bounded: bool) -> Statement:
    statement = _cases_as_kept(in_file).where(_cases.c.number > bindparam("after"))
    return Statement(statement.where(_cases.c.number <= bindparam("until")) if bounded else statement)


@cache
def _case_of(in_file: bool) -> Statement:
    return Statement(_cases_as_kept(in_file).where(_cases.c.number == bindparam("number")))


def _events_as_kept(in_file: bool) -> Select[Any]:
    of_trail = ("type", "trigger", "actor", "on_behalf_of", *STANDING)
    plain = ("number", "sequence", "type", "trigger", "from_state", "to_state", "actor", "on_behalf_of", "hash")
    return (
        select(
            *(_events.c[name] for name in plain),
            _as_spelled(_events.c.recorded_at, in_file).label("recorded_at"),
            _as_bytes(_events.c.envelope, in_file).label("envelope"),
            _as_bytes(_disclosures.c.entries, in_file).label("entries"),
            _trail.c.position,
            _trail.c.hash.label("leaf"),
            _as_spelled(_trail.c.recorded_at, in_file).label("trail_recorded_at"),
            _as_spelled(_trail.c.until, in_file).label("trail_until"),
            _trail.c.lasted.label("trail_lasted"),
            *(_plainly(_trail.c[name], in_file).label(f"trail_{name}") for name in of_trail),
        )
        .select_from(_events)
        # from the same number on: a server that merges them would read each from its organisation's first row, every time
        .outerjoin(_disclosures, same_event(_disclosures, _events) & (_disclosures.c.number >= bindparam("number")))
        .outerjoin(_trail, same_event(_trail, _events) & (_trail.c.number >= bindparam("number")))
        .where(_events.c.organisation == bindparam("organisation"))
        .order_by(_events.c.number, _events.c.sequence)
        .limit(bindparam("rows"))
    )


def _cases_as_kept(in_file: bool) -> Select[Any]:
    return (
        select(
            *(_plainly(_cases.c[name], in_file).label(name) for name in BESIDE_BODY),
            _as_bytes(_cases.c.body, in_file).label("body"),
        )
        .where(_cases.c.organisation == bindparam("organisation"))
        .order_by(_cases.c.number)
    )


def _plainly(column: ColumnElement[Any], in_file: bool) -> ColumnElement[Any]:
    if isinstance(column.type, UtcDateTime):
        return _as_spelled(column, in_file)
    # a file has 0 and 1, which are False and True; what else somebody wrote there is to be seen
    return type_coerce(column, Integer) if in_file and column.type.python_type is bool else column


def _as_spelled(column: ColumnElement[Any], in_file: bool) -> ColumnElement[Any]:
    if in_file:
        return func.replace(type_coerce(column, String), " ", "T").concat("Z")
    return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=String)


def _as_bytes(column: ColumnElement[Any], in_file: bool) -> ColumnElement[Any]:
    """Also where somebody wrote what is no text."""
    if in_file:
        return cast(type_coerce(column, String), LargeBinary)
    return func.convert_to(cast(column, String), "UTF8", type_=LargeBinary)


# --- what belongs to no event ----------------------------------------------------------------------------------------------


def strays(connection: Connection, organisation: str, within: Range) -> Iterator[tuple[str, str, int]]:
    """(table, number, sequence) of rows of this range that belong to an event which is not there; the first `STRAYS` of each."""
    bounds = [within.after] if within.until is None else [within.after, within.until]
    for table in (_trail, _disclosures, _unnumbered):
        statement = _strays(table.name, within.until is not None)
        here = {"organisation": organisation, **dict(zip(("after", "until"), bounds, strict=False))}
        for row in statement.all(connection, here):
            yield table.name, row.number, row.sequence


def strays_of(connection: Connection, organisation: str, numbers: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """As `strays`, of these histories."""
    for table in (_trail, _disclosures, _unnumbered):
        statement = (
            select(table.c.number, table.c.sequence)
            .where(
                table.c.organisation == organisation,
                table.c.number.in_(numbers),
                ~exists().where(same_event(table, _events)).correlate(table),
            )
            .order_by(table.c.number, table.c.sequence)
            .limit(STRAYS)
        )
        for row in connection.execute(statement):
            yield table.name, row.number, row.sequence


@cache
def _strays(name: str, bounded: bool) -> Statement:
    table = {each.name: each for each in (_trail, _disclosures, _unnumbered)}[name]
    event, here = (
        same_event(table, _events) & (_events.c.number > bindparam("after")),
        table.c.number > bindparam("after"),
    )
    if bounded:
        event, here = event & (_events.c.number <= bindparam("until")), here & (table.c.number <= bindparam("until"))
    return Statement(
        select(table.c.number, table.c.sequence)
        .where(table.c.organisation == bindparam("organisation"), here, ~exists().where(event).correlate(table))
        .order_by(table.c.number, table.c.sequence)
        .limit(STRAYS)
    )


def numbers_in(connection: Connection, organisation: str, within: Range) -> list[str]:
    """Of which histories and cases there is anything in this range."""
    found: set[str] = set()
    for table in (_events, _cases):
        statement = select(table.c.number).where(table.c.organisation == organisation, table.c.number > within.after)
        if within.until is not None:
            statement = statement.where(table.c.number <= within.until)
        found.update(connection.execute(statement.distinct()).scalars())
    return sorted(found)


def numbered_and_waiting(connection: Connection, organisation: str) -> list[tuple[str, int]]:
    """(number, sequence) of events that have a number and are said to wait for one; the first `STRAYS`."""
    statement = (
        select(_unnumbered.c.number, _unnumbered.c.sequence)
        .join(
            _trail,
            (_trail.c.organisation == _unnumbered.c.organisation)
            & (_trail.c.number == _unnumbered.c.number)
            & (_trail.c.sequence == _unnumbered.c.sequence),
        )
        .where(_unnumbered.c.organisation == organisation)
        .order_by(_unnumbered.c.number, _unnumbered.c.sequence)
        .limit(STRAYS)
    )
    return [(row.number, row.sequence) for row in connection.execute(statement)]


def waits_for_a_number(connection: Connection, organisation: str, number: str, sequence: int) -> bool:
    here = {"organisation": organisation, "number": number, "sequence": sequence}
    return _WAITS.first(connection, here) is not None


_WAITS = Statement(
    select(_unnumbered.c.number).where(
        _unnumbered.c.organisation == bindparam("organisation"),
        _unnumbered.c.number == bindparam("number"),
        _unnumbered.c.sequence == bindparam("sequence"),
    )
)


# --- the tree --------------------------------------------------------------------------------------------------------------


def leaves(connection: Connection, organisation: str, first: int, count: int) -> Sequence[Row]:
    """(position, what the leaf is made of) from this position on, so many positions."""
    here = {"organisation": organisation, "first": first, "end": first + count}
    return _LEAVES.all(connection, here)


_LEAVES = Statement(
    select(_trail.c.position, _trail.c.hash)
    .where(
        _trail.c.organisation == bindparam("organisation"),
        _trail.c.position >= bindparam("first"),
        _trail.c.position < bindparam("end"),
    )
    .order_by(_trail.c.position)
)


def how_many_nodes(connection: Connection, organisation: str) -> int:
    return int(connection.execute(select(func.count()).where(_nodes.c.organisation == organisation)).scalar_one())


def numbers_since(connection: Connection, organisation: str, position: int, after: str, limit: int) -> list[str]:
    """Of which histories there are events from this position on, by number, after this one."""
    statement = (
        select(_trail.c.number)
        .where(_trail.c.organisation == organisation, _trail.c.position >= position, _trail.c.number > after)
        .distinct()
        .order_by(_trail.c.number)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


@contextmanager
def leniently(connection: Connection) -> Iterator[Connection]:
    """Read also what is no text, where a file holds such: whoever wrote it there must not keep the rest from being checked."""
    if connection.dialect.name != "sqlite":
        yield connection
        return
    driver: Any = connection.connection.dbapi_connection
    driver.text_factory = _decoded
    try:
        yield connection
    finally:
        driver.text_factory = str


def _decoded(raw: bytes) -> str:
    return raw.decode(errors="replace")


# --- what the logbook says ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Noted:
    """An event of the logbook: its sequence, what was done, and what it says of it by name."""

    sequence: int
    what: str
    recorded_at: datetime
    about: Mapping[str, Any]


def noted(connection: Connection, organisation: str, *what: str) -> Iterator[Noted]:
    """What the logbook says of these, oldest first; nothing of what cannot be read, which its history tells."""
    entries = _as_bytes(_disclosures.c.entries, connection.dialect.name == "sqlite").label("entries")
    statement = (
        select(_events.c.sequence, _events.c.trigger, _events.c.recorded_at, entries)
        .join(_disclosures, same_event(_disclosures, _events))
        .where(_events.c.organisation == organisation, _events.c.number == LOGBOOK, _events.c.trigger.in_(what))
        .order_by(_events.c.sequence)
    )
    for row in connection.execute(statement):
        try:
            said = orjson.loads(row.entries)
            about = {name.removeprefix("data."): entry["value"] for name, entry in said.items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        yield Noted(row.sequence, row.trigger, row.recorded_at, about)
