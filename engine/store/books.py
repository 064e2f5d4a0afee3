"""The book of a year: what was found in it, and what came into it still open, as a ledger on paper is carried on in January.

By when a case was opened, which is when this program learnt of it. Of a case that was taken over from an older ledger, by the
days that ledger claims: they are nobody's testimony, and yet the year is the one it was kept under.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, and_, func, not_, or_, select, text

from engine.case import Case
from engine.store import people
from engine.store.database import table_of
from engine.store.standing import open_at
from engine.store.tables import CaseRow

_cases = table_of(CaseRow)

TAKEN = text("case_record.taken IS NOT NULL")  # written out, as the index that has only these is


@dataclass(frozen=True, slots=True)
class Book:
    """A year by the wall clock of an organisation: from `first` until before `end`."""

    organisation: str
    year: int
    zone: ZoneInfo

    @property
    def first(self) -> datetime:
        return datetime(self.year, 1, 1, tzinfo=self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        return datetime(self.year + 1, 1, 1, tzinfo=self.zone).astimezone(UTC)

    @property
    def first_day(self) -> str:
        return f"{self.year:04}-01-01"

    @property
    def end_day(self) -> str:
        return f"{self.year + 1:04}-01-01"

    def carries_over(self, case: Case) -> bool:
        """Whether a case of it comes from the book before."""
        claim = case.claim
        if claim is not None and claim.since is not None:
            return claim.since < self.first_day
        return case.opened_at < self.first


def book_of(connection: Connection, organisation: str, year: int | None) -> Book | None:
    """That year's; None where none is asked for."""
    return None if year is None else Book(organisation, year, people.time_zone(connection, organisation))


def ways(book: Book, carried_over: bool | None = None) -> Sequence[Sequence[ColumnElement[bool]]]:
    """Conditions on cases that show each a part of the book, and together all of it: each part has its index.

    carried_over   only what came from the book before, or only what did not
    """
    no_claim = _cases.c.since.is_(None)
    opened = [_cases.c.opened_at >= book.first, _cases.c.opened_at < book.end, no_claim]
    carried = [_cases.c.opened_at < book.first, _cases.c.number.in_(open_at(book.organisation, book.first)), no_claim]
    claimed = [_cases.c.number.in_(_claimed(book, carried_over))]
    if carried_over is None:
        return [opened, carried, claimed]
    return [carried, claimed] if carried_over else [opened, claimed]


def within(columns: Any, book: Book, carried_over: bool | None = None) -> ColumnElement[bool]:
    """As `ways`, of cases as they stood at an instant."""
    here = _cases.c.organisation == book.organisation
    claims = select(_cases.c.number).where(here, TAKEN, _cases.c.since.is_not(None))
    opened = and_(columns.opened_at >= book.first, columns.opened_at < book.end)
    carried = and_(columns.opened_at < book.first, columns.number.in_(open_at(book.organisation, book.first)))
    here_at_all = or_(opened, carried) if carried_over is None else carried if carried_over else opened
    return or_(and_(here_at_all, columns.number.not_in(claims)), columns.number.in_(_claimed(book, carried_over)))


def _claimed(book: Book, carried_over: bool | None) -> Select[Any]:
    """Numbers of what an older ledger found before the year's end, and had open in it: by the day it gives, else by when it was
    closed here.
    """
    closed_here = or_(_cases.c.final.is_(False), _cases.c.closed_at >= book.first)
    conditions = [
        _cases.c.organisation == book.organisation,
        _cases.c.since < book.end_day,
        or_(_cases.c.until >= book.first_day, and_(_cases.c.until.is_(None), closed_here)),
    ]
    if carried_over is not None:
        before = _cases.c.since < book.first_day
        conditions.append(before if carried_over else not_(before))
    return select(_cases.c.number).where(TAKEN, *conditions)


@dataclass(frozen=True, slots=True)
class Kept:
    """So many cases of a book that are alike in these."""

    workflow: str
    department: str | None
    category: str
    assignee: str | None
    final: bool
    carried_over: bool
    cases: int


ALIKE = ("workflow", "department", "category", "assignee", "final")


def kept(connection: Connection, which: ColumnElement[bool], book: Book) -> list[Kept]:
    """What the book holds, of the cases that `which` lets through."""
    columns = [_cases.c[name] for name in ALIKE]
    found = []
    for carried_over in (False, True):
        for conditions in ways(book, carried_over):
            counted = select(*columns, func.count()).where(which, *conditions).group_by(*columns)
            found += [
                Kept(**dict(zip(ALIKE, row[:-1], strict=True)), carried_over=carried_over, cases=row[-1])
                for row in connection.execute(counted)
            ]
    return found


def years(connection: Connection, organisation: str) -> Collection[int]:
    """The years there can be a book of, the newest first: from the first case on, this program's or an older ledger's."""
    here = _cases.c.organisation == organisation
    zone = people.time_zone(connection, organisation)
    first = connection.execute(select(_cases.c.opened_at).where(here).order_by(_cases.c.opened_at).limit(1)).scalar()
    last = connection.execute(
        select(_cases.c.opened_at).where(here).order_by(_cases.c.opened_at.desc()).limit(1)
    ).scalar()
    claimed = connection.execute(
        select(_cases.c.since)
        .where(here, TAKEN, _cases.c.since.is_not(None))
        .order_by(_cases.c.organisation, _cases.c.since)
        .limit(1)
    ).scalar()
    known = [at.astimezone(zone).year for at in (first, last) if at is not None]
    known += [] if claimed is None else [int(claimed[:4])]
    return range(max(known), min(known) - 1, -1) if known else range(0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A case that was taken over: which line of the older ledger it is, and the case."""

    key: str
    case: Case


def taken_over(connection: Connection, organisation: str) -> list[Taken]:
    """Every case that was taken over from an older ledger, by its number."""
    statement = (
        select(_cases.c.taken, _cases.c.body, _cases.c.last_hash)
        .where(_cases.c.organisation == organisation, TAKEN)
        .order_by(_cases.c.number)
    )
    rows = connection.execute(statement)
    return [Taken(row.taken, Case.from_json(row.body, last_hash=row.last_hash)) for row in rows]
