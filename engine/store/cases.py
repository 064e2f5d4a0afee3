"""Cases as rows: load one, write one, draw its number, find the ones a rule compares with."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from engine.case import Case
from engine.store.database import speak_for, table_of, upsert
from engine.store.tables import CaseRow, PartyRow, SeriesRow

_cases = table_of(CaseRow)
_parties = table_of(PartyRow)
_series = table_of(SeriesRow)

_LOAD = select(_cases.c.body, _cases.c.last_hash).where(
    _cases.c.organisation == bindparam("organisation"), _cases.c.number == bindparam("number")
)
_LOAD_LOCKED = _LOAD.with_for_update()  # SQLite knows no such clause, and needs none
_LOCK = (
    select(_cases.c.number)
    .where(
        _cases.c.organisation == bindparam("organisation"), _cases.c.number.in_(bindparam("numbers", expanding=True))
    )
    .order_by(_cases.c.number)
    .with_for_update()
)
_SAME_NAMES = (
    "organisation", "number", "workflow", "version", "state", "counts_as", "final", "revision", "sequence", "last_hash",
    "title", "place", "category", "level", "department", "reporter", "assignee", "opened_at", "closed_at",
)  # fmt: skip
_DERIVED_NAMES = ("due_at", "calendar_version", "awaits", "words", "body")

# prebuilt: putting a statement together costs more than running it
_INSERT = insert(_cases)
_SAVE = (
    update(_cases)
    .where(
        _cases.c.organisation == bindparam("of_organisation"),
        _cases.c.number == bindparam("of_number"),
        _cases.c.sequence == bindparam("of_sequence"),
    )
    .values({name: bindparam(name) for name in (*_SAME_NAMES[2:], *_DERIVED_NAMES)})
)
_JOIN = upsert(_parties).on_conflict_do_nothing()
_DRAW = (
    upsert(_series)
    .values(last=1)
    .on_conflict_do_update(index_elements=["organisation", "prefix", "year"], set_={"last": _series.c.last + 1})
    .returning(_series.c.last)
)


def load(connection: Connection, organisation: str, number: str, *, lock: bool = False) -> Case | None:
    """The case as it stands; with `lock` nobody else changes it before this transaction ends."""
    statement = _LOAD_LOCKED if lock else _LOAD
    row = connection.execute(statement, {"organisation": organisation, "number": number}).first()
    return None if row is None else Case.from_json(row.body, last_hash=row.last_hash)


def load_many(
    connection: Connection, organisation: str, numbers: Iterable[str], *, lock: bool = False
) -> dict[str, Case]:
    found = (load(connection, organisation, number, lock=lock) for number in sorted(set(numbers)))
    return {case.number: case for case in found if case is not None}


def lock(connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Lock these cases, (organisation, number), in one order for everybody: two groups never wait for each other.

    On SQLite the whole file is locked already. Elsewhere the transaction speaks for the last of the organisations then.
    """
    if connection.dialect.name == "sqlite":
        return
    wanted = sorted(set(keys))
    if len(wanted) < 2:  # one is locked as it is read
        return
    for organisation, of_one in groupby(wanted, itemgetter(0)):
        speak_for(connection, organisation)
        connection.execute(_LOCK, {"organisation": organisation, "numbers": [number for _, number in of_one]})


def save(connection: Connection, before: Case | None, after: Case, awaits: Iterable[str]) -> None:
    """Write the case down. `before` is the case as it was loaded in this transaction, None for a new one.

    Raises RuntimeError when the row moved in between: the transaction did not hold the lock it should have held.
    """
    values = _columns(after, awaits)
    if before is None:
        connection.execute(_INSERT, values)
    else:
        key = {"of_organisation": after.organisation, "of_number": after.number, "of_sequence": before.sequence}
        if connection.execute(_SAVE, {**values, **key}).rowcount != 1:
            raise RuntimeError(f"case {after.number!r} moved on from sequence {before.sequence} under a held lock")
    known = _people(before) if before else set()
    joined = sorted(_people(after) - known)
    if joined:
        named = {"organisation": after.organisation, "number": after.number}
        connection.execute(_JOIN, [{**named, "person": person} for person in joined])


def _people(case: Case) -> set[str]:
    current = {person for person in (case.reporter, case.assignee) if person is not None}
    return current.union(*case.acted.values())


def _columns(case: Case, awaits: Iterable[str]) -> dict[str, Any]:
    described = " ".join(str(value) for value in case.facts.values() if isinstance(value, str))
    return {
        **{name: getattr(case, name) for name in _SAME_NAMES},
        "due_at": case.due_at,
        "calendar_version": case.clock.calendar_version if case.clock else None,
        "awaits": "".join(f" {name} " for name in awaits),
        "words": f"{case.number} {case.title} {case.place} {described}",
        "body": case.to_json(),
    }


def draw_number(connection: Connection, organisation: str, prefix: str, year: int) -> str:
    """The next number of a series, `YH-2020-0012`. Undone with the transaction, so a series has no gaps."""
    key = {"organisation": organisation, "prefix": prefix, "year": year}
    last = connection.execute(_DRAW, key).scalar_one()
    return f"{prefix}-{year}-{last:04d}"


def closed_alike(connection: Connection, case: Case, same: tuple[str, ...], since: datetime) -> list[str]:
    """Numbers of cases of the same workflow that agree with this one in these columns and were closed between `since` and
    its opening, newest first.
    """
    agree = [_cases.c[name] == getattr(case, name) for name in same]
    statement = (
        select(_cases.c.number)
        .where(
            _cases.c.organisation == case.organisation,
            _cases.c.workflow == case.workflow,
            _cases.c.state == "closed",
            _cases.c.closed_at.between(since, case.opened_at),
            *agree,
        )
        .order_by(_cases.c.closed_at.desc(), _cases.c.number.desc())
    )
    return list(connection.execute(statement).scalars())


def open_under_older_calendar(connection: Connection, organisation: str, version: int) -> list[str]:
    """Open cases whose deadline was worked out with a calendar before this version, oldest deadline first."""
    statement = (
        select(_cases.c.number)
        .where(_cases.c.organisation == organisation, _cases.c.final.is_(False), _cases.c.calendar_version < version)
        .order_by(_cases.c.due_at, _cases.c.number)
    )
    return list(connection.execute(statement).scalars())


def definitions_in_use(connection: Connection) -> list[tuple[str, int]]:
    """(workflow, version) of every open case of every organisation: what start-up has to be able to run."""
    statement = select(_cases.c.workflow, _cases.c.version).where(_cases.c.final.is_(False)).distinct()
    return [(row.workflow, row.version) for row in connection.execute(statement)]
