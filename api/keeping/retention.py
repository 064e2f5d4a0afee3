"""What has been kept for longer than it has to be: a report. Nothing is ever deleted by it, or by any job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, cast, extract, func, select

from engine.store.database import table_of
from engine.store.tables import CaseRow, DisclosureRow, EventRow, FileHolderRow, FileRow

YEARS = 3  # records are kept at least so long, text and pictures

_cases = table_of(CaseRow)
_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_holders = table_of(FileHolderRow)
_files = table_of(FileRow)


@dataclass(frozen=True, slots=True)
class Kept:
    """Closed cases of one workflow that were closed in one year (UTC) and before the day asked for.

    text     characters of their events, and of what these committed to
    files    of them; `bytes` how large. A file that several cases name counts for each of them
    """

    workflow: str
    year: int
    cases: int
    events: int
    text: int
    files: int
    bytes: int


def before(now: datetime, years: int = YEARS) -> datetime:
    """The same day so many years ago; the last of February for the day that only leap years have."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)


def kept_longer(connection: Connection, organisation: str, closed_before: datetime) -> Sequence[Kept]:
    """By workflow and year, oldest first."""
    year = extract("year", _cases.c.closed_at)
    mine = (_cases.c.organisation == organisation, _cases.c.final, _cases.c.closed_at < closed_before)
    of_case = (_events.c.organisation == _cases.c.organisation) & (_events.c.number == _cases.c.number)
    committed = (
        (_disclosures.c.organisation == _events.c.organisation)
        & (_disclosures.c.number == _events.c.number)
        & (_disclosures.c.sequence == _events.c.sequence)
    )
    held = (
        (_holders.c.organisation == _cases.c.organisation)
        & (_holders.c.kind == "case")
        & (_holders.c.holder == _cases.c.number)
    )
    file = (_files.c.organisation == _holders.c.organisation) & (_files.c.sha256 == _holders.c.sha256)
    size = func.length(_events.c.envelope) + func.length(cast(_disclosures.c.entries, String))
    counted = _by(connection, select(_cases.c.workflow, year, func.count()).where(*mine), year)
    events = _by(
        connection,
        select(_cases.c.workflow, year, func.count(), func.sum(size))
        .join(_events, of_case)
        .join(_disclosures, committed)
        .where(*mine),
        year,
    )
    files = _by(
        connection,
        select(_cases.c.workflow, year, func.count(), func.sum(_files.c.size_bytes))
        .join(_holders, held)
        .join(_files, file)
        .where(*mine, _files.c.erased.is_(None)),
        year,
    )
    return [
        Kept(*key, *counted[key], *events.get(key, (0, 0)), *files.get(key, (0, 0)))
        for key in sorted(counted, key=lambda key: (key[1], key[0]))
    ]


def _by(connection: Connection, statement: Any, year: Any) -> dict[tuple[str, int], tuple[int, ...]]:
    rows = connection.execute(statement.group_by(_cases.c.workflow, year))
    return {(row[0], int(row[1])): tuple(int(value or 0) for value in row[2:]) for row in rows}
