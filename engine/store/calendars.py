"""An organisation's calendar: versions are added, never changed. The newest one decides new deadlines."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from engine.calendar import Calendar
from engine.store.database import table_of
from engine.store.tables import CalendarRow

_calendars = table_of(CalendarRow)


def newest(connection: Connection, organisation: str) -> Calendar | None:
    row = connection.execute(
        select(_calendars.c.body)
        .where(_calendars.c.organisation == organisation)
        .order_by(_calendars.c.version.desc())
        .limit(1)
    ).first()
    return None if row is None else Calendar.from_json(row.body)


def versions(connection: Connection, organisation: str) -> list[tuple[Calendar, datetime]]:
    """Every version with the instant it was loaded, oldest first."""
    statement = select(_calendars).where(_calendars.c.organisation == organisation).order_by(_calendars.c.version)
    return [(Calendar.from_json(row.body), row.loaded_at) for row in connection.execute(statement)]


def add(connection: Connection, organisation: str, calendar: Calendar, at: datetime) -> None:
    """Add a version. Raises ValueError unless its number follows the newest one's."""
    known = newest(connection, organisation)
    expected = known.version + 1 if known else 1
    if calendar.version != expected:
        raise ValueError(f"the next calendar version is {expected}, not {calendar.version}")
    values = {"organisation": organisation, "version": calendar.version, "body": calendar.to_json(), "loaded_at": at}
    connection.execute(insert(_calendars), values)
