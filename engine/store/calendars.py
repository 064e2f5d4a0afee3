"""An organisation's calendar: versions are added, never changed. The newest one decides new deadlines."""

from datetime import datetime
from functools import lru_cache

import orjson
from sqlalchemy import Connection, Text, bindparam, cast, insert, select

from engine.calendar import Calendar, CalendarFault
from engine.store.database import table_of
from engine.store.statements import Question, Statement
from engine.store.tables import CalendarRow

_calendars = table_of(CalendarRow)

_NEWEST = Statement(
    select(cast(_calendars.c.body, Text).label("body"))
    .where(_calendars.c.organisation == bindparam("organisation"))
    .order_by(_calendars.c.version.desc())
    .limit(1)
)
_OF_VERSION = Statement(
    select(cast(_calendars.c.body, Text).label("body")).where(
        _calendars.c.organisation == bindparam("organisation"), _calendars.c.version == bindparam("version")
    )
)
CACHED = 64  # calendars; a bureau's schools mostly share one


@lru_cache(maxsize=CACHED)
def _read(body: str) -> Calendar:
    """Read once for each text: a version never changes, and every command asks for it."""
    return Calendar.from_json(orjson.loads(body))


def newest(connection: Connection, organisation: str) -> Calendar | None:
    return asking_newest(organisation).ask(connection)


def asking_newest(organisation: str) -> Question[Calendar | None]:
    """As `newest`, to be asked together with other questions."""
    return Question(_NEWEST, {"organisation": organisation}, lambda rows: _read(rows[0].body) if rows else None)


def of_version(connection: Connection, organisation: str, version: int) -> Calendar | None:
    row = _OF_VERSION.first(connection, {"organisation": organisation, "version": version})
    return None if row is None else _read(row.body)


def loaded_at(connection: Connection, organisation: str) -> datetime | None:
    """When the newest version was added."""
    mine = select(_calendars.c.loaded_at).where(_calendars.c.organisation == organisation)
    return connection.execute(mine.order_by(_calendars.c.version.desc()).limit(1)).scalar_one_or_none()


def versions(connection: Connection, organisation: str) -> list[tuple[Calendar, datetime]]:
    """Every version with the instant it was loaded, oldest first."""
    statement = select(_calendars).where(_calendars.c.organisation == organisation).order_by(_calendars.c.version)
    return [(Calendar.from_json(row.body), row.loaded_at) for row in connection.execute(statement)]


def add(connection: Connection, organisation: str, calendar: Calendar, at: datetime) -> None:
    """Add a version. Raises CalendarFault unless its number follows the newest one's."""
    known = newest(connection, organisation)
    expected = known.version + 1 if known else 1
    if calendar.version != expected:
        raise CalendarFault(
            f"下一个日历版本应为 {expected}，不是 {calendar.version}。",
            f"the next calendar version is {expected}, not {calendar.version}.",
        )
    values = {"organisation": organisation, "version": calendar.version, "body": calendar.to_json(), "loaded_at": at}
    connection.execute(insert(_calendars), values)
