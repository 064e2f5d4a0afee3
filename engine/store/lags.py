"""How much waits and since when, over all organisations: for whoever watches the whole, and for no decision.

Each question costs the same however much is open: it reads an index of what waits, and counts no further than `MOST`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    TextClause,
    bindparam,
    exists,
    func,
    literal,
    select,
    text,
)

from engine.store.database import table_of
from engine.store.periods import Obligation
from engine.store.tables import ObligationRow, OutboxRow, PeriodRow, TimerRow

MOST = 10_000  # counted of anything; a millisecond or two, and whoever has more knows what he needs to know

_timers = table_of(TimerRow)
_outbox = table_of(OutboxRow)
_obligations = table_of(ObligationRow)
_periods = table_of(PeriodRow)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits. `count` stops at `MOST`; `since` is the instant of the oldest, None where nothing waits."""

    count: int
    since: datetime | None

    def age(self, now: datetime) -> timedelta:
        return max(now - self.since, timedelta(0)) if self.since else timedelta(0)


def _counted(table: Table, *which: ColumnElement[bool] | TextClause) -> Select[int]:
    """How many of its rows these conditions leave, `MOST` at most."""
    few = select(literal(1)).select_from(table).where(*which).limit(MOST)
    return select(func.count()).select_from(few.subquery())


# written out, as the indexes that have only these are
_RIPE = text("status = 'waiting'"), _timers.c.fire_at <= bindparam("now")
_COUNT_RIPE = _counted(_timers, *_RIPE)
_OLDEST_RIPE = select(_timers.c.fire_at).where(*_RIPE).order_by(_timers.c.fire_at).limit(1)
_UNTOLD = text("status = 'waiting'")
_COUNT_UNTOLD = _counted(_outbox, _UNTOLD)
_OLDEST_UNTOLD = select(_outbox.c.written_at).where(_UNTOLD).order_by(_outbox.c.written_at).limit(1)


def due_timers(connection: Connection, now: datetime) -> Backlog:
    """Rungs that fell due and were not told, since the oldest did."""
    here = {"now": now}
    oldest = connection.execute(_OLDEST_RIPE, here).scalar_one_or_none()
    return Backlog(connection.execute(_COUNT_RIPE, here).scalar_one() if oldest else 0, oldest)


def waiting_notices(connection: Connection) -> Backlog:
    """Notices that were not yet turned into deliveries, since the oldest was written."""
    oldest = connection.execute(_OLDEST_UNTOLD).scalar_one_or_none()
    return Backlog(connection.execute(_COUNT_UNTOLD).scalar_one() if oldest else 0, oldest)


# --- periods -------------------------------------------------------------------------------------------------------------

_ALIKE = "organisation", "cycle", "first_day", "last_day", "opened_through"
_OWED_ALIKE = (
    select(*(_obligations.c[name] for name in _ALIKE), func.min(_obligations.c.scope).label("scope"))
    .where(
        _obligations.c.opened_through.is_(None)
        | _obligations.c.last_day.is_(None)
        | (_obligations.c.opened_through < _obligations.c.last_day)
    )
    .group_by(*(_obligations.c[name] for name in _ALIKE))
    .order_by(_obligations.c.organisation, _obligations.c.cycle)
)


def owed_alike(connection: Connection) -> Iterator[Obligation]:
    """What is owed, once for all scopes of a cycle that were opened as far: `scope` names the first of them.

    A school has some such groups, whatever the number of its departments; each is one row here. The table of what is owed is
    read whole, so this is nothing to ask every few seconds.
    """
    return (Obligation(**row._mapping) for row in connection.execute(_OWED_ALIKE))


def is_unopened(connection: Connection, owed: Obligation, key: str) -> bool:
    """Whether one of the scopes that are owed alike has no row for this period."""
    has_one = exists().where(
        _periods.c.organisation == _obligations.c.organisation,
        _periods.c.cycle == _obligations.c.cycle,
        _periods.c.scope == _obligations.c.scope,
        _periods.c.key == key,
    )
    statement = select(_obligations.c.scope).where(
        _obligations.c.organisation == owed.organisation,
        _obligations.c.cycle == owed.cycle,
        _obligations.c.first_day == owed.first_day,
        _same(_obligations.c.last_day, owed.last_day),
        _same(_obligations.c.opened_through, owed.opened_through),
        ~has_one,
    )
    return connection.execute(statement.limit(1)).first() is not None


def _same(column: ColumnElement[date | None], value: date | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value
