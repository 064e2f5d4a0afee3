"""The trail: every event of an organisation under a number of its own, as auditors ask for it. Made from events, never the
other way round.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update, bindparam, delete, func, insert, select, update

from engine.store.database import table_of
from engine.store.statements import Statement
from engine.store.tables import FOREVER, DisclosureRow, EventRow, TrailRow, UnnumberedRow

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_unnumbered = table_of(UnnumberedRow)
_trail = table_of(TrailRow)

#: how a case stood, as lists filter it
STANDING = (
    "workflow", "state", "counts_as", "final", "level", "category", "department", "assignee", "reporter", "due_at",
    "opened_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event without a number. `changes` are what it changed of the case, by attribute, as `engine.case.fold` reads them."""

    number: str
    sequence: int
    recorded_at: datetime
    type: str
    trigger: str
    actor: str
    on_behalf_of: str | None
    hash: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a case stands by what was numbered so far: since which event, and what lists filter by."""

    position: int
    values: Mapping[str, Any]


def organisations_waiting(connection: Connection) -> list[str]:
    """Whose events wait for a number."""
    statement = select(_unnumbered.c.organisation).distinct().order_by(_unnumbered.c.organisation)
    return list(connection.execute(statement).scalars())


def is_waiting(connection: Connection, organisation: str) -> bool:
    return connection.execute(select(1).where(_unnumbered.c.organisation == organisation).limit(1)).first() is not None


def waiting(connection: Connection, organisation: str, limit: int) -> list[Waiting]:
    """Up to so many events without a number, in the order they are to be numbered in: by time; of one case in its own."""
    found = [
        Waiting(*(*row[:-1], _changes(row.entries)))
        for row in _WAITING.all(connection, {"organisation": organisation, "most": limit})
    ]
    return sorted(found, key=lambda each: (each.recorded_at, each.number, each.sequence))


def _changes(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name[4:]: entry["value"] for name, entry in entries.items() if name.startswith("set.")}


def _same(table: Any, other: Any) -> Any:
    """The key of one is the key of the other."""
    return (
        (table.c.organisation == other.c.organisation)
        & (table.c.number == other.c.number)
        & (table.c.sequence == other.c.sequence)
    )


def _waiting() -> Select[Any]:
    some = (
        select(_unnumbered)
        .where(_unnumbered.c.organisation == bindparam("organisation"))
        .order_by(_unnumbered.c.number, _unnumbered.c.sequence)  # so that none comes before an earlier one of its case
        .limit(bindparam("most"))
    ).subquery("some")
    return (
        select(
            _events.c.number, _events.c.sequence, _events.c.recorded_at, _events.c.type, _events.c.trigger,
            _events.c.actor, _events.c.on_behalf_of, _events.c.hash, _disclosures.c.entries,
        )
        .select_from(some)
        .join(_events, _same(_events, some))
        .join(_disclosures, _same(_disclosures, some))
    )  # fmt: skip


_WAITING = Statement(_waiting())


def standing(connection: Connection, organisation: str, numbers: Iterable[str]) -> dict[str, Standing]:
    """number → how the case stands by its last event that has a number; nothing of one that has none."""
    statement = select(_trail.c.number, _trail.c.position, *(_trail.c[name] for name in STANDING)).where(
        _trail.c.organisation == organisation, _trail.c.number.in_(sorted(numbers)), _trail.c.until == FOREVER
    )
    return {
        row.number: Standing(row.position, dict(zip(STANDING, row[2:], strict=True)))
        for row in connection.execute(statement)
    }


def size(connection: Connection, organisation: str) -> int:
    """How many events have a number: the next one's."""
    last = connection.execute(select(func.max(_trail.c.position)).where(_trail.c.organisation == organisation))
    found: int | None = last.scalar_one()
    return 0 if found is None else found + 1


def take_up(
    connection: Connection, organisation: str, rows: Sequence[Mapping[str, Any]], ended: Mapping[int, datetime]
) -> None:
    """Give these events their numbers.

    rows     one an event: every column of the trail but the organisation
    ended    position of an earlier row → when its case stood otherwise
    """
    _put(connection, _TAKE_UP, [{"organisation": organisation, **row} for row in rows])
    _put(
        connection, _END,
        [{"of_organisation": organisation, "of_position": position, "ended_at": at} for position, at in ended.items()],
    )  # fmt: skip
    _put(
        connection, _NUMBERED,
        [
            {"of_organisation": organisation, "of_number": row["number"], "of_sequence": row["sequence"]}
            for row in rows
        ],
    )  # fmt: skip


_TAKE_UP = insert(_trail)
_END = (
    update(_trail)
    .where(_trail.c.organisation == bindparam("of_organisation"), _trail.c.position == bindparam("of_position"))
    .values(until=bindparam("ended_at"))
)
_NUMBERED = delete(_unnumbered).where(
    _unnumbered.c.organisation == bindparam("of_organisation"),
    _unnumbered.c.number == bindparam("of_number"),
    _unnumbered.c.sequence == bindparam("of_sequence"),
)
_IN_FILE = {id(clause): Statement(clause) for clause in (_TAKE_UP, _END, _NUMBERED)}


def _put(connection: Connection, clause: Insert | Update | Delete, rows: list[dict[str, Any]]) -> None:
    """In a file by the short way (measured: half of what numbering took); on a server a statement of so many rows would have
    to be put together for each number of them.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        _IN_FILE[id(clause)].put(connection, *rows)
    else:
        connection.execute(clause, rows)


def hashes(connection: Connection, organisation: str, first: int, count: int) -> list[bytes]:
    """What the leaves from position `first` on are made of; fewer than asked for at the end."""
    statement = (
        select(_trail.c.hash)
        .where(_trail.c.organisation == organisation, _trail.c.position.between(first, first + count - 1))
        .order_by(_trail.c.position)
    )
    return list(connection.execute(statement).scalars())


def recorded_from(connection: Connection, organisation: str, position: int) -> datetime | None:
    """When the event at this position was recorded; None where none is."""
    statement = select(_trail.c.recorded_at).where(_trail.c.organisation == organisation, _trail.c.position == position)
    found: datetime | None = connection.execute(statement).scalar_one_or_none()
    return found


def position_of(connection: Connection, organisation: str, number: str, sequence: int) -> int | None:
    """Which leaf an event is; None while it has no number."""
    statement = select(_trail.c.position).where(
        _trail.c.organisation == organisation, _trail.c.number == number, _trail.c.sequence == sequence
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found
