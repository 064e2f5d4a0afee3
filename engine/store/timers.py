"""Rungs as rows: what is due, what was told, what was void. A rung is claimed by its key, once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.store.database import table_of
from engine.store.tables import TimerRow

_timers = table_of(TimerRow)

DueCase = tuple[str, str, int, tuple[str, ...]]  # organisation, case number, generation, rungs by firing time


def add(
    connection: Connection, organisation: str, number: str, generation: int, rungs: Iterable[tuple[str, datetime]]
) -> None:
    """Put rungs on watch. One that this generation already had is left as it is: it cannot be told again."""
    for rung, fire_at in rungs:
        row = {
            "organisation": organisation, "number": number, "generation": generation, "rung": rung,
            "fire_at": fire_at, "status": "waiting",
        }  # fmt: skip
        connection.execute(upsert(_timers).values(row).on_conflict_do_nothing())


def cancel(connection: Connection, organisation: str, number: str, at: datetime, rungs: Iterable[str] = ()) -> None:
    """Void the case's waiting rungs; only these, when some are named."""
    statement = update(_timers).where(
        _timers.c.organisation == organisation, _timers.c.number == number, _timers.c.status == "waiting"
    )
    named = tuple(rungs)
    if named:
        statement = statement.where(_timers.c.rung.in_(named))
    connection.execute(statement.values(status="cancelled", settled_at=at))


def claim(
    connection: Connection, organisation: str, number: str, generation: int, rungs: Iterable[str], at: datetime
) -> list[str]:
    """Take the rungs that are still waiting, all of them skipped until `told` says which one was told."""
    taken = []
    for rung in rungs:
        statement = update(_timers).where(
            _timers.c.organisation == organisation,
            _timers.c.number == number,
            _timers.c.generation == generation,
            _timers.c.rung == rung,
            _timers.c.status == "waiting",
        )
        if connection.execute(statement.values(status="skipped", settled_at=at)).rowcount == 1:
            taken.append(rung)
    return taken


def told(
    connection: Connection,
    organisation: str,
    number: str,
    generation: int,
    rung: str,
    skipped: Iterable[str],
    at: datetime,
) -> None:
    """Record which rung was told and which were skipped for it, also those an outage kept from ever being on watch."""
    for name, status in [*((name, "skipped") for name in skipped), (rung, "fired")]:
        row = {
            "organisation": organisation, "number": number, "generation": generation, "rung": name,
            "fire_at": at, "status": status, "settled_at": at,
        }  # fmt: skip
        statement = upsert(_timers).values(row)
        key = ["organisation", "number", "generation", "rung"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_={"status": status}))


def due(connection: Connection, now: datetime, limit: int, after: tuple[str, str] = ("", "")) -> list[DueCase]:
    """Up to `limit` cases with rungs that fell due, by organisation and number, after the given pair."""
    key = _timers.c.organisation, _timers.c.number
    ripe = (_timers.c.status == "waiting", _timers.c.fire_at <= now)
    beyond = (key[0] > after[0]) | ((key[0] == after[0]) & (key[1] > after[1]))
    numbers = connection.execute(select(*key).where(*ripe, beyond).distinct().order_by(*key).limit(limit)).all()
    found: list[DueCase] = []
    for organisation, number in numbers:
        rows = connection.execute(
            select(_timers.c.generation, _timers.c.rung)
            .where(key[0] == organisation, key[1] == number, *ripe)
            .order_by(_timers.c.fire_at)
        ).all()
        generation = max(row.generation for row in rows)
        found.append((organisation, number, generation, tuple(r.rung for r in rows if r.generation == generation)))
    return found


def waiting(connection: Connection, organisation: str, number: str) -> list[tuple[int, str, datetime]]:
    """The case's rungs on watch: (generation, rung, instant), soonest first."""
    statement = (
        select(_timers.c.generation, _timers.c.rung, _timers.c.fire_at)
        .where(_timers.c.organisation == organisation, _timers.c.number == number, _timers.c.status == "waiting")
        .order_by(_timers.c.fire_at, _timers.c.rung)
    )
    return [(row.generation, row.rung, row.fire_at) for row in connection.execute(statement)]
