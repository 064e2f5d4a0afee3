"""Rungs as rows: what is due, what was told, what was void. A rung is claimed by its key, once."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, bindparam, case, select, text, tuple_, update

from engine.store.database import table_of, upsert
from engine.store.statements import Question, Statement
from engine.store.tables import TimerRow

_timers = table_of(TimerRow)

DueCase = tuple[str, str, int, tuple[str, ...]]  # organisation, case number, generation, rungs by firing time


_KEY = ["organisation", "number", "generation", "rung"]
_PUT = upsert(_timers)
_ADD = Statement(
    _PUT.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: _PUT.excluded[name] for name in ("fire_at", "status", "settled_at")},
        where=_timers.c.status == "cancelled",
    )
)
_TOLD = Statement(
    _PUT.on_conflict_do_update(
        index_elements=_KEY,
        set_={"status": _PUT.excluded.status, "settled_at": _PUT.excluded.settled_at},
        where=_timers.c.status == "waiting",
    )
)
_WAITING = Statement(
    select(_timers.c.generation, _timers.c.rung, _timers.c.fire_at)
    .where(
        _timers.c.organisation == bindparam("organisation"),
        _timers.c.number == bindparam("number"),
        _timers.c.status == "waiting",
    )
    .order_by(_timers.c.fire_at, _timers.c.rung)
)
_STILL_WAITING = Statement(
    select(_timers.c.rung).where(
        _timers.c.organisation == bindparam("organisation"),
        _timers.c.number == bindparam("number"),
        _timers.c.generation == bindparam("generation"),
        _timers.c.status == "waiting",
    )
)
_OF_GENERATION = Statement(
    select(_timers.c.rung, _timers.c.status, _timers.c.fire_at).where(
        _timers.c.organisation == bindparam("organisation"),
        _timers.c.number == bindparam("number"),
        _timers.c.generation == bindparam("generation"),
        _timers.c.status != "cancelled",
    )
)
_MOVE = Statement(
    update(_timers)
    .where(
        _timers.c.organisation == bindparam("of_organisation"),
        _timers.c.number == bindparam("of_number"),
        _timers.c.generation == bindparam("of_generation"),
        _timers.c.rung == bindparam("of_rung"),
        _timers.c.status == "waiting",
    )
    .values(fire_at=bindparam("at"))
)
_CANCELLING = (
    update(_timers)
    .where(
        _timers.c.organisation == bindparam("of_organisation"),
        _timers.c.number == bindparam("of_number"),
        _timers.c.status == "waiting",
    )
    # what had fallen due and was never told was missed, and the record says so
    .values(
        status=case((_timers.c.fire_at <= bindparam("at"), "skipped"), else_="cancelled"), settled_at=bindparam("at")
    )
)
_CANCEL = Statement(_CANCELLING)
_CANCEL_OF = Statement(_CANCELLING.where(_timers.c.generation == bindparam("of_generation")))
_CANCEL_ONE = Statement(_CANCELLING.where(_timers.c.rung == bindparam("of_rung")))
_CANCEL_ONE_OF = Statement(
    _CANCELLING.where(_timers.c.rung == bindparam("of_rung"), _timers.c.generation == bindparam("of_generation"))
)

# materialized, or SQLite walks the whole table in the order of its key, which it finds sorted, instead of the few rows of
# the index; and written out, since a bound value does not tell it that the index has them
_RIPE = (
    select(*(_timers.c[name] for name in (*_KEY, "fire_at")))
    .where(text("status = 'waiting'"), _timers.c.fire_at <= bindparam("now"))
    .cte("ripe")
    .prefix_with("MATERIALIZED")
)
# so many rungs, and not the rungs of so many cases: for these a server compared each case with everything that fell due,
# and after an outage a look took it seven seconds
_DUE = Statement(
    select(_RIPE.c.organisation, _RIPE.c.number, _RIPE.c.generation, _RIPE.c.rung)
    .where(
        tuple_(_RIPE.c.organisation, _RIPE.c.number)
        > tuple_(bindparam("after_organisation"), bindparam("after_number"))
    )
    .order_by(_RIPE.c.organisation, _RIPE.c.number, _RIPE.c.fire_at)
    .limit(bindparam("limit"))
)


def add(
    connection: Connection, organisation: str, number: str, generation: int, rungs: Iterable[tuple[str, datetime]]
) -> None:
    """Put rungs on watch. One that waits or was settled already is left as it is: it cannot be told again. One that was void
    before it fell due was never told, and waits again.
    """
    rows = [
        {
            "organisation": organisation, "number": number, "generation": generation, "rung": rung,
            "fire_at": fire_at, "status": "waiting", "settled_at": None,
        }
        for rung, fire_at in rungs
    ]  # fmt: skip
    if rows:
        _ADD.put(connection, *rows)


def move(
    connection: Connection, organisation: str, number: str, generation: int, rungs: Iterable[tuple[str, datetime]]
) -> None:
    """Tell these at another time than was said. One that is not on watch any more stays as it is."""
    here = {"of_organisation": organisation, "of_number": number, "of_generation": generation}
    rows = [{**here, "of_rung": rung, "at": fire_at} for rung, fire_at in rungs]
    if rows:
        _MOVE.put(connection, *rows)


def cancel(
    connection: Connection,
    organisation: str,
    number: str,
    at: datetime,
    rungs: Iterable[str] = (),
    generation: int | None = None,
) -> None:
    """Void the case's waiting rungs; only these, when some are named, and only of this generation, when it is said."""
    here = {"of_organisation": organisation, "of_number": number, "of_generation": generation, "at": at}
    named = [{**here, "of_rung": rung} for rung in rungs]
    if named:
        (_CANCEL_ONE if generation is None else _CANCEL_ONE_OF).put(connection, *named)
    else:
        (_CANCEL if generation is None else _CANCEL_OF).put(connection, here)


def told(
    connection: Connection,
    organisation: str,
    number: str,
    generation: int,
    rung: str,
    skipped: Iterable[str],
    at: datetime,
) -> None:
    """Record which rung was told and which were skipped for it, also those an outage kept from ever being on watch.

    Raises RuntimeError, as soon as that is known, where one of them is settled already: each is told once.
    """
    rows = [
        {
            "organisation": organisation, "number": number, "generation": generation, "rung": name,
            "fire_at": at, "status": status, "settled_at": at,
        }
        for name, status in [*((name, "skipped") for name in skipped), (rung, "fired")]
    ]  # fmt: skip
    _TOLD.put(connection, *rows, check=partial(_must_have_waited, number, len(rows)))


def _must_have_waited(number: str, wanted: int, told: int) -> None:
    if told != wanted:
        raise RuntimeError(f"a rung of case {number!r} was told twice under a held lock")


def ripe(connection: Connection, organisation: str, number: str, now: datetime) -> list[tuple[int, tuple[str, ...]]]:
    """One case's rungs that fell due and were not told: (generation, rungs by firing time)."""
    waits = waiting(connection, organisation, number)
    generations = sorted({generation for generation, _, fire_at in waits if fire_at <= now})
    return [(g, tuple(rung for of, rung, fire_at in waits if of == g and fire_at <= now)) for g in generations]


def due(connection: Connection, now: datetime, limit: int, after: tuple[str, str] = ("", "")) -> list[DueCase]:
    """The next cases with rungs that fell due, by organisation and number, after the given pair; each with all it has.

    limit   how many rungs are looked at; more where one case has as many
    """
    here = {"now": now, "limit": limit, "after_organisation": after[0], "after_number": after[1]}
    each = [list(of_case) for _, of_case in groupby(_DUE.all(connection, here), key=itemgetter(0, 1))]
    if sum(map(len, each)) == limit:  # there may be more of the last case
        if len(each) == 1:
            return due(connection, now, 2 * limit, after)
        del each[-1]
    found: list[DueCase] = []
    for rows in each:
        organisation, number = rows[0][:2]
        generation = max(row.generation for row in rows)
        found.append((organisation, number, generation, tuple(r.rung for r in rows if r.generation == generation)))
    return found


def waiting(connection: Connection, organisation: str, number: str) -> list[tuple[int, str, datetime]]:
    """The case's rungs on watch: (generation, rung, instant), soonest first."""
    rows = _WAITING.all(connection, {"organisation": organisation, "number": number})
    return [(row.generation, row.rung, row.fire_at) for row in rows]


def of_generation(
    connection: Connection, organisation: str, number: str, generation: int
) -> dict[str, datetime | None]:
    """Every rung of one generation with when it is to be told; None for one that was settled. None is void."""
    rows = _OF_GENERATION.all(connection, {"organisation": organisation, "number": number, "generation": generation})
    return {row.rung: row.fire_at if row.status == "waiting" else None for row in rows}


def still_waiting(organisation: str, number: str, generation: int) -> Question[frozenset[str]]:
    """The rungs of one generation that are on watch, whenever they fall due."""
    here = {"organisation": organisation, "number": number, "generation": generation}
    return Question(_STILL_WAITING, here, lambda rows: frozenset(row.rung for row in rows))
