"""The trail: every event of an organisation under a number of its own, as auditors ask for it. Made from events, never the
other way round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Delete,
    Insert,
    Integer,
    String,
    Text,
    Update,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from engine.events import LOGBOOK
from engine.store.database import table_of
from engine.store.history import changed_by, same_event
from engine.store.statements import Statement
from engine.store.tables import FOREVER, LONG, DisclosureRow, EventRow, TrailRow, UnnumberedRow

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_unnumbered = table_of(UnnumberedRow)
_trail = table_of(TrailRow)

Key = tuple[str, int]  # of an event in its organisation: number of the case, sequence
BEFORE_ALL: Key = ("", 0)

#: how a case stood, as lists filter it
STANDING = (
    "workflow", "state", "counts_as", "final", "level", "category", "department", "assignee", "reporter", "due_at",
    "opened_at",
)  # fmt: skip


_KEY = tuple_(_unnumbered.c.number, _unnumbered.c.sequence)
_some = (
    select(_unnumbered)
    .where(
        _unnumbered.c.organisation == bindparam("organisation"),
        tuple_(bindparam("after_number", type_=String), bindparam("after_sequence", type_=Integer)) < _KEY,
        tuple_(bindparam("last_number", type_=String), bindparam("last_sequence", type_=Integer)) >= _KEY,
    )
    .order_by(_unnumbered.c.number, _unnumbered.c.sequence)  # so that none comes before an earlier one of its case
    .limit(bindparam("most", type_=Integer))
).subquery("some")
_WAITING = Statement(
    select(
        _events.c.number, _events.c.sequence, _events.c.recorded_at, _events.c.type, _events.c.trigger, _events.c.from_state,
        _events.c.to_state, _events.c.actor, _events.c.on_behalf_of, _events.c.hash,
        cast(_disclosures.c.entries, Text).label("entries"),
    )
    .select_from(_some)
    .join(_events, same_event(_events, _some))
    .join(_disclosures, same_event(_disclosures, _some))
)  # fmt: skip
_STOOD = Statement(
    select(_trail.c.number, _trail.c.position, _trail.c.recorded_at, *(_trail.c[name] for name in STANDING))
    .where(
        _trail.c.organisation == bindparam("organisation"),
        # the logbook stands in no way, and whoever looks for it goes through all of it
        _trail.c.number.in_(select(_some.c.number).where(_some.c.sequence > 1, _some.c.number != LOGBOOK)),
        _trail.c.until == FOREVER,
    )
    .with_hint(_trail, "INDEXED BY ix_trail_event", "sqlite")
)


def done_for(
    connection: Connection, organisation: str, person: str, since: datetime, until: datetime, limit: int
) -> tuple[int, list[tuple[str, str, datetime]]]:
    """How many steps were taken in this person's name, from `since` until before `until`; and the latest of them, newest
    first, as (number, trigger, when). What has no number yet is not among them.
    """
    in_his_name = (
        _trail.c.organisation == organisation, _trail.c.on_behalf_of == f"person:{person}",
        _trail.c.recorded_at >= since, _trail.c.recorded_at < until,
    )  # fmt: skip
    count = connection.execute(select(func.count()).select_from(_trail).where(*in_his_name)).scalar_one()
    latest = (
        select(_trail.c.number, _trail.c.trigger, _trail.c.recorded_at).where(*in_his_name)
        .order_by(_trail.c.recorded_at.desc(), _trail.c.position.desc()).limit(limit)
    )  # fmt: skip
    return count, [(row.number, row.trigger, row.recorded_at) for row in connection.execute(latest)]


class _Many:
    """A statement for many rows at once: in a file by the short way (measured: half of what numbering took); to a server it
    would have to be put together anew for each number of them.
    """

    def __init__(self, clause: Insert | Update | Delete) -> None:
        self._clause, self._in_file = clause, Statement(clause)

    def put(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        if rows and connection.dialect.name == "sqlite":
            self._in_file.put(connection, *rows)
        elif rows:
            connection.execute(self._clause, rows)


_TAKE_UP = _Many(insert(_trail))
_END = _Many(
    update(_trail)
    .where(_trail.c.organisation == bindparam("of_organisation"), _trail.c.position == bindparam("of_position"))
    .values(until=bindparam("ended_at"), lasted=bindparam("it_lasted"))
)
_NUMBERED = _Many(
    delete(_unnumbered).where(
        _unnumbered.c.organisation == bindparam("of_organisation"),
        _unnumbered.c.number == bindparam("of_number"),
        _unnumbered.c.sequence == bindparam("of_sequence"),
    )
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event without a number. `changes` are what it changed of how the case stands, by attribute, as `engine.case.fold` reads
    them: of `STANDING`, and `clock`, which tells `due_at`.
    """

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
    """How a case stands by what was numbered so far: since which event, since when, and what lists filter by."""

    position: int
    since: datetime
    values: Mapping[str, Any]


def _told_by(row: Any) -> dict[str, Any]:
    """What it changed of how its case stands. All else that it discloses is let go at once: kept until the last one is read, it
    had the collector of garbage go through the whole process (measured: a third of what numbering took).
    """
    return {name: value for name, value in changed_by(row, orjson.loads(row.entries)).items() if name in _ASKED_BY}


_ASKED_BY = frozenset({*STANDING, "clock"})


def organisations_waiting(connection: Connection) -> list[str]:
    """Whose events wait for a number."""
    statement = select(_unnumbered.c.organisation).distinct().order_by(_unnumbered.c.organisation)
    return list(connection.execute(statement).scalars())


def last_waiting(connection: Connection, organisation: str) -> Key | None:
    """The last of those that wait for a number, in the order of their keys; None where none does."""
    statement = (
        select(_unnumbered.c.number, _unnumbered.c.sequence)
        .where(_unnumbered.c.organisation == organisation)
        .order_by(_unnumbered.c.number.desc(), _unnumbered.c.sequence.desc())
        .limit(1)
    )
    found = connection.execute(statement).first()
    return None if found is None else (found.number, found.sequence)


def how_many_wait(connection: Connection, organisation: str) -> int:
    """Events without a number."""
    counted = connection.execute(select(func.count()).where(_unnumbered.c.organisation == organisation))
    return int(counted.scalar_one())


def waiting(
    connection: Connection, organisation: str, after: Key, last: Key, limit: int
) -> tuple[list[Waiting], dict[str, Standing]]:
    """Up to so many events without a number between these, the first in the order of their keys; given in the order they are
    to be numbered in: by time, and of one case in its own. And number → how the case of each stands by its last event that has
    a number; nothing of one that has none.
    """
    here = {
        "organisation": organisation, "after_number": after[0], "after_sequence": after[1], "last_number": last[0],
        "last_sequence": last[1], "most": limit,
    }  # fmt: skip
    found = [
        Waiting(
            row.number,
            row.sequence,
            row.recorded_at,
            row.type,
            row.trigger,
            row.actor,
            row.on_behalf_of,
            row.hash,
            _told_by(row),
        )
        for row in _WAITING.all(connection, here)
    ]
    stood = {
        row.number: Standing(row.position, row.recorded_at, dict(zip(STANDING, row[3:], strict=True)))
        for row in _STOOD.all(connection, here)
    }
    return sorted(found, key=lambda each: (each.recorded_at, each.number, each.sequence)), stood


def size(connection: Connection, organisation: str) -> int:
    """How many events have a number: the next one's."""
    last = connection.execute(select(func.max(_trail.c.position)).where(_trail.c.organisation == organisation))
    found: int | None = last.scalar_one()
    return 0 if found is None else found + 1


def over(since: datetime, until: datetime) -> Mapping[str, Any]:
    """The columns that say how long a case stood as after an event that was recorded at `since`."""
    return {"until": until, "lasted": min((until - since).days.bit_length(), LONG)}


def take_up(
    connection: Connection,
    organisation: str,
    rows: Sequence[Mapping[str, Any]],
    ended: Mapping[int, Mapping[str, Any]],
) -> None:
    """Give these events their numbers.

    rows     one an event: every column of the trail but the organisation
    ended    position of an earlier row → how long its case stood so (`over`)
    """
    here = {"of_organisation": organisation}
    _TAKE_UP.put(connection, [{"organisation": organisation, **row} for row in rows])
    _END.put(
        connection,
        [
            {**here, "of_position": position, "ended_at": over["until"], "it_lasted": over["lasted"]}
            for position, over in ended.items()
        ],
    )
    _NUMBERED.put(connection, [{**here, "of_number": row["number"], "of_sequence": row["sequence"]} for row in rows])


def hashes(connection: Connection, organisation: str, first: int, count: int) -> list[bytes]:
    """What the leaves from position `first` on are made of; fewer than asked for at the end."""
    statement = (
        select(_trail.c.hash)
        .where(_trail.c.organisation == organisation, _trail.c.position.between(first, first + count - 1))
        .order_by(_trail.c.position)
    )
    return list(connection.execute(statement).scalars())


def position_of(connection: Connection, organisation: str, number: str, sequence: int) -> int | None:
    """Which leaf an event is; None while it has no number."""
    statement = select(_trail.c.position).where(
        _trail.c.organisation == organisation, _trail.c.number == number, _trail.c.sequence == sequence
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found
