"""The one way in which an edge takes a holiday notice in, and works the open deadlines out again under it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.bootstrap import Runtime
from engine.actor import system
from engine.calendar import Calendar, taken_in
from engine.commands import Asked, Recompute
from engine.handle import Done, Failed, Outcome, recompute_preview
from engine.store import calendars, people
from engine.store.database import Database

GROUP = 64  # commands under one commit, as everywhere


def load(
    database: Database,
    organisation: str,
    notice: Mapping[str, Any],
    at: datetime,
    note: Callable[[Connection, Calendar], object] = lambda _, __: None,
) -> tuple[Calendar | None, Calendar]:
    """(what held before, what holds now): the notice holds for the days it knows, everything else stays as it was. No deadline
    moves.

    note      writes down who did it, in the same transaction
    Raises    CalendarFault, also for a notice that cannot be right
    """
    said = dict(notice)
    with database.write(organisation) as connection:
        people.change_alone(connection, organisation)
        newest = calendars.newest(connection, organisation)
        said.setdefault("version", newest.version + 1 if newest else 1)
        if newest is not None:
            said.setdefault("time_zone", newest.time_zone)
        loaded = Calendar.from_json(said)
        loaded = taken_in(newest, loaded, loaded.local_date(at))
        calendars.add(connection, organisation, loaded, at)
        note(connection, loaded)
    return newest, loaded


def recompute(
    runtime: Runtime,
    organisation: str,
    carry_out: Callable[[Sequence[Asked]], Sequence[Outcome]],
    told: Callable[[int], object] = lambda _: None,
) -> tuple[int, int]:
    """(moved, failed): each open deadline that the newest calendar moves, or the reminders of which it does, each with an event.

    carry_out   how commands are carried out here
    told        is told how many were asked, after each group
    """
    asked = [
        Asked(system(organisation), Recompute(before.number))
        for before, _ in recompute_preview(runtime.engine, organisation)
    ]
    moved = failed = 0
    for start in range(0, len(asked), GROUP):
        group = asked[start : start + GROUP]
        outcomes = carry_out(group)
        moved += sum(isinstance(outcome, Done) for outcome in outcomes)
        failed += sum(isinstance(outcome, Failed) for outcome in outcomes)
        told(len(group))
    return moved, failed
