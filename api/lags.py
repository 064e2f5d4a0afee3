"""How far the work of this database is behind, as its rows say it: asked by `/metrics` and `/readyz`, decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from engine.calendar import Calendar
from engine.cycles import Cycle, OnEvent, Period, periods_between
from engine.definition import Catalog
from engine.store import calendars, lags, seals
from engine.store.lags import MOST, Backlog
from notifications import accounts, deliveries
from notifications.message import NOBODY, Status

__all__ = [
    "MOST",
    "OfAChannel",
    "be_quick",
    "of_channels",
    "of_deliveries",
    "of_outbox",
    "of_periods",
    "of_seals",
    "of_timers",
]

ANSWERS_WITHIN_SECONDS = 3  # a watcher gives up after ten; a database that takes longer is as good as gone
CHANNELS = 20  # looked at; nobody has as many
DAYS_AT_ONCE = 31  # of a cycle; what is late by years is found as fast as what is late by a day
#: of these a person wants to know; what was sent or withdrawn is history, and there is ever more of it
IN_SIGHT: tuple[Status, ...] = ("waiting", "sending", "dead", "held", "unreachable")


@dataclass(frozen=True, slots=True)
class OfAChannel:
    """What lies at one channel: by status, and since when the oldest waits that should have left."""

    channel: str
    by_status: dict[Status, int]
    due: datetime | None


def be_quick(connection: Connection) -> None:
    """No statement of this transaction takes longer than a watcher waits."""
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"SET LOCAL statement_timeout = '{ANSWERS_WITHIN_SECONDS}s'"))


def of_timers(connection: Connection, now: datetime) -> Backlog:
    """What fell due and nobody was told of yet. Its age is the lag of the sweep."""
    return lags.due_timers(connection, now)


def of_outbox(connection: Connection) -> Backlog:
    return lags.waiting_notices(connection)


def of_deliveries(connection: Connection, now: datetime) -> list[OfAChannel]:
    """Channel by channel, also those that this process does not have; "" is what could not be addressed."""
    found: list[OfAChannel] = []
    channel: str | None = NOBODY
    while channel is not None and len(found) < CHANNELS:
        by_status = {status: deliveries.how_many(connection, channel, status) for status in IN_SIGHT}
        found.append(OfAChannel(channel, by_status, deliveries.due_since(connection, channel, now)))
        channel = deliveries.next_channel(connection, channel)
    return found


def of_channels(connection: Connection) -> dict[str, int]:
    """Kind → channels in use that do not work; every kind that is in use is told."""
    return accounts.failing_by_kind(connection)


def of_seals(connection: Connection, now: datetime) -> timedelta:
    """Since when the oldest event waits for a checkpoint that speaks of it; nothing where none does."""
    oldest = seals.oldest_unsealed_of_all(connection)
    return timedelta(0) if oldest is None else max(now - oldest, timedelta(0))


def of_periods(connection: Connection, catalog: Catalog, now: datetime) -> timedelta:
    """How late the oldest period is that began and has no row yet; nothing where every one has."""
    cycles = {rule.cycle.key: rule.cycle for _, rule in catalog.cycles()}
    known: dict[str, Calendar | None] = {}
    late = timedelta(0)
    for owed in lags.owed_alike(connection):
        cycle = cycles.get(owed.cycle)
        if cycle is None or isinstance(cycle.every, OnEvent):
            continue
        if owed.organisation not in known:
            known[owed.organisation] = calendars.newest(connection, owed.organisation)
        calendar = known[owed.organisation]
        if calendar is None:
            continue
        until = owed.through(calendar.local_date(now))
        for period in _one_after_another(cycle, calendar, owed.unopened_after, until):
            if now - period.opens_at <= late:
                break  # it began no earlier than one that is late already, and what follows begins later still
            if lags.is_unopened(connection, owed, period.key):
                late = now - period.opens_at
                break
    return late


def _one_after_another(cycle: Cycle, calendar: Calendar, after: date, until: date) -> Iterator[Period]:
    while after < until:
        day = min(after + timedelta(days=DAYS_AT_ONCE), until)
        yield from periods_between(cycle, calendar, after, day)
        after = day
