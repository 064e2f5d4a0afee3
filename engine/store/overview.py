"""The figures that leaders look at, as they were known at an instant: counted by the database, in few looks at the trail.

What is open was open over the instant. What is closed was closed between `since` and the instant; nothing is done to a case
after that, so that each has one row of the trail, which lasts for good.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    column,
    extract,
    func,
    literal,
    select,
    tuple_,
)

from engine.actor import Visibility
from engine.store import marks
from engine.store.database import table_of
from engine.store.marks import Report
from engine.store.standing import LASTED, standing, then
from engine.store.tables import FOREVER, LONG, CaseRow, TrailRow
from engine.store.worklists import visible, visible_numbers

_trail = table_of(TrailRow)
_cases = table_of(CaseRow)

GROUPED = ("organisation", "workflow", "department", "category", "level")
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Of:
    """Of which cases figures are told.

    organisations   of one those that somebody may see (`seen`); of several, or with `seen` None, all
    since           what was closed earlier is not counted
    workflow        of this loop alone
    without         loops whose cases are not counted
    numbers         those that somebody sees, where that is not all: asked for once (`as_seen`), since every figure needs them
    """

    organisations: tuple[str, ...]
    seen: Visibility | None
    since: datetime
    at: datetime
    workflow: str | None = None
    without: tuple[str, ...] = ()
    numbers: tuple[str, ...] | None = None
    on_server: bool = False

    @property
    def several(self) -> bool:
        return len(self.organisations) > 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Cases that are alike in these five. What is overdue is open too."""

    organisation: str
    workflow: str
    department: str | None
    category: str
    level: str
    open: int = 0
    overdue: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was opened and closed from `first` until before `end`, and how many were open and overdue at `until`: at its end,
    or when the figures were asked for, whichever came first.
    """

    first: datetime
    end: datetime
    until: datetime
    opened: int
    closed: int
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Reported:
    """So many periods of a cycle that began in one stretch came to this, in one organisation.

    zero        how many of them said that there was nothing
    corrected   of how many a later version was handed in
    """

    organisation: str
    cycle: str
    report: Report
    periods: int
    zero: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A period for which nothing was handed in, and the number of its case."""

    organisation: str
    cycle: str
    scope: str
    key: str
    number: str


def as_seen(connection: Connection, of: Of) -> Of:
    """The same, knowing which cases those are."""
    if of.seen is None or of.seen.everything:
        return of
    on_server = connection.dialect.name != "sqlite"
    return replace(of, on_server=on_server, numbers=tuple(connection.execute(visible_numbers(of.seen)).scalars()))


# --- how they stand, and how they stood ----------------------------------------------------------------------------------

_OPEN = _trail.c.final.is_(False)
#: what was open at an instant and stood so for a while; in one organisation, and in several
_FOR_A_WHILE = {several: standing(range(LONG), several=several, only=_OPEN) for several in (False, True)}


def figures(connection: Connection, of: Of, bounds: Sequence[datetime]) -> tuple[list[Counted], list[Stretch]]:
    """How many are open, overdue and closed, by everything figures are told by; and over time.

    bounds    where the stretches begin, oldest first and none after `of.at`, and where the last one ends
    """
    spans = list(pairwise(bounds))
    untils = [min(end, of.at) for _, end in spans]
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    stood = _still_standing(connection, of, [of.at, *untils], alike)[1:]
    for row in _for_a_while(connection, of, of.at, by=GROUPED):
        _add(alike[tuple(row[:-2])], row[-2:])
    for row in connection.execute(_hinted(_grouped(_trail, GROUPED, func.count()).where(*_closed(of)))):
        alike[tuple(row[:-1])][2] += row[-1]
    lines = [Counted(*key, *numbers) for key, numbers in alike.items() if any(numbers)]
    for n, until in enumerate(untils):
        if until < of.at:
            [row] = _for_a_while(connection, of, until)
            _add(stood[n], row)
        else:
            stood[n] = [sum(line.open for line in lines), sum(line.overdue for line in lines)]
    opened = _in_each(connection, [_opened(of, first, end) for first, end in spans])
    closed = _in_each(connection, [_closed_between(of, first, end) for first, end in spans])
    stretches = [
        Stretch(first, end, untils[n], opened[n], closed[n], *stood[n]) for n, (first, end) in enumerate(spans)
    ]
    return lines, stretches


def _still_standing(
    connection: Connection, of: Of, instants: Sequence[datetime], alike: dict[tuple[Any, ...], list[int]]
) -> list[list[int]]:
    """What was open at these instants and stands so still: [open, overdue] of each, and of the first one also in `alike`.

    They lie among all that was ever closed, which one look has to pass over: so all is asked in one.
    """
    totals: list[ColumnElement[int]] = []
    for at in instants:
        stands = and_(_trail.c.recorded_at <= at, _trail.c.until > at)
        totals += [_times(stands), _times(and_(stands, _trail.c.due_at < at))]
    conditions: list[Any] = [
        _within(_trail, of),
        LASTED,
        _trail.c.lasted == LONG,
        _trail.c.until > min(instants),
        _OPEN,
    ]
    statement = _grouped(_trail, GROUPED, *totals).where(*conditions, *_among(_trail, of))
    stood = [[0, 0] for _ in instants]
    for row in connection.execute(_hinted(statement)):
        numbers = row[len(GROUPED) :]
        _add(alike[tuple(row[: len(GROUPED)])], numbers[:2])
        for n, total in enumerate(stood):
            _add(total, numbers[2 * n : 2 * n + 2])
    return stood


def _for_a_while(connection: Connection, of: Of, at: datetime, by: Sequence[str] = ()) -> Sequence[Any]:
    """What was open at the instant and stands so no more: (…, open, overdue)."""
    rows = _FOR_A_WHILE[of.several]
    late = func.coalesce(_times(rows.c.due_at < bindparam("stood_at")), 0)
    statement = _grouped(rows, by, func.count(), late).where(*_among(rows, of))
    asked = of.organisations if of.several else of.organisations[0]
    return connection.execute(statement, then(asked, at)).all()


def _add(to: list[int], numbers: Sequence[int | None]) -> None:
    for n, number in enumerate(numbers):
        to[n] += number or 0


def _grouped(rows: FromClause, names: Sequence[str], *what: ColumnElement[Any]) -> Select[Any]:
    by = [rows.c[name] for name in names]
    found: Select[Any] = select(*by, *what).select_from(rows)
    return found.group_by(*by) if by else found


def _among(rows: FromClause, of: Of) -> list[ColumnElement[bool]]:
    return [*_of_loops(rows, of), *_one_of_those(rows, of)]


def _of_loops(rows: FromClause, of: Of) -> list[ColumnElement[bool]]:
    if of.workflow is not None:
        return [rows.c.workflow == of.workflow]
    return [rows.c.workflow.not_in(of.without)] if of.without else []


_ON_SERVER = ARRAY(Text())


def _one_of_those(rows: FromClause, of: Of) -> list[ColumnElement[bool]]:
    """However many they are, they are one value of the statement."""
    if of.numbers is None:
        return []
    if of.on_server:
        return [rows.c.number == any_(literal([*of.numbers], _ON_SERVER))]
    each = func.json_each(literal(json.dumps(of.numbers), Text())).table_valued(column("value", Text()))
    return [rows.c.number.in_(select(each.c.value))]


def _closed(of: Of) -> list[Any]:
    """Rows of the trail after which a case was closed, within the time that is looked at."""
    return [*_closed_ever(of), _trail.c.recorded_at >= of.since, _trail.c.recorded_at <= of.at]


def _closed_ever(of: Of) -> list[Any]:
    return [
        _within(_trail, of), LASTED, _trail.c.lasted == LONG, _trail.c.until == FOREVER, _trail.c.final.is_(True),
        *_among(_trail, of),
    ]  # fmt: skip


def _closed_between(of: Of, first: datetime, end: datetime) -> Select[Any]:
    # one bound on each side: of two SQLite takes whichever was written first
    within = [
        _trail.c.recorded_at >= first,
        _trail.c.recorded_at < end if end <= of.at else _trail.c.recorded_at <= of.at,
    ]
    return _hinted(select(func.count()).select_from(_trail).where(*_closed_ever(of), *within))


def _opened(of: Of, first: datetime, end: datetime) -> Select[Any]:
    which = _within(_cases, of) if of.seen is None else visible(of.seen)
    conditions = [
        which,
        _cases.c.opened_at >= first,
        _cases.c.opened_at < end if end <= of.at else _cases.c.opened_at <= of.at,
    ]
    conditions += _of_loops(_cases, of)
    return select(func.count()).select_from(_cases).where(*conditions)


def _in_each(connection: Connection, counts: Sequence[Select[Any]]) -> list[int]:
    """Each is a short piece of an index: counted apart they cost less than sorted into stretches together."""
    return list(connection.execute(select(*(count.scalar_subquery() for count in counts))).one())


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


# --- how it went ---------------------------------------------------------------------------------------------------------


def median_to_close(connection: Connection, of: Of, closed: int) -> timedelta | None:
    """How long it took from opening to closing, of the case in the middle; of two, halfway between them.

    closed    how many there are (`counted`)
    """
    if not closed:
        return None
    if connection.dialect.name == "sqlite":
        took: ColumnElement[Any] = func.julianday(_trail.c.recorded_at) - func.julianday(_trail.c.opened_at)
        seconds = SECONDS_A_DAY
    else:
        took, seconds = extract("epoch", _trail.c.recorded_at - _trail.c.opened_at), 1
    middle = _hinted(select(took.label("took")).select_from(_trail).where(*_closed(of)))
    middle = middle.order_by(took).offset((closed - 1) // 2).limit(2 - closed % 2)
    found = [float(days) for days in connection.execute(middle).scalars()]
    return timedelta(seconds=round(seconds * sum(found) / len(found)))


def closed_after(connection: Connection, of: Of, actions: Sequence[str]) -> int:
    """How many of what was closed had one of these done to it by the instant, before or after its closing."""
    statement = select(func.count()).select_from(_trail).where(*_closed(of))
    which = _trail.c.number.in_(marks.done(of.organisations[0], actions, of.at))
    if of.several:
        done = marks.done_in(of.organisations, actions, of.at)
        which = tuple_(_trail.c.organisation, _trail.c.number).in_(done)
    return int(connection.execute(_hinted(statement.where(which))).scalar_one())


# --- what was owed -------------------------------------------------------------------------------------------------------


def reported(connection: Connection, of: Of, cycles: Sequence[str], first: datetime, end: datetime) -> list[Reported]:
    """What came of the periods that began from `first` until before `end`, by organisation and cycle."""
    owed = marks.periods(of.organisations, of.at).subquery("owed")
    statement = (
        select(
            owed.c.organisation,
            owed.c.cycle,
            owed.c.report,
            func.count(),
            _times(owed.c.zero.is_(True)),
            _times(owed.c.corrected.is_(True)),
        )
        .where(*_owed(owed, of, cycles, first, end))
        .group_by(owed.c.organisation, owed.c.cycle, owed.c.report)
        .order_by(owed.c.organisation, owed.c.cycle, owed.c.report)
    )
    return [Reported(*row) for row in connection.execute(statement)]


def missing(
    connection: Connection, of: Of, cycles: Sequence[str], first: datetime, end: datetime, limit: int
) -> list[Missing]:
    """Those of them for which nothing was handed in though their time is over, by cycle, scope and key; the first so many."""
    owed = marks.periods(of.organisations, of.at).subquery("owed")
    columns = (owed.c[name] for name in Missing.__slots__)
    statement = (
        select(*columns)
        .where(owed.c.report == "missing", *_owed(owed, of, cycles, first, end))
        .order_by(owed.c.organisation, owed.c.cycle, owed.c.scope, owed.c.opens_at, owed.c.key)
        .limit(limit)
    )
    return [Missing(*row) for row in connection.execute(statement)]


def _owed(owed: FromClause, of: Of, cycles: Sequence[str], first: datetime, end: datetime) -> list[ColumnElement[bool]]:
    """Those whose cases somebody may see, as in every list."""
    within = [owed.c.cycle.in_(sorted(cycles)), owed.c.opens_at >= first, owed.c.opens_at < end]
    return [*within, *_one_of_those(owed, of)]


def _within(rows: FromClause, of: Of) -> ColumnElement[bool]:
    here = rows.c.organisation
    return here.in_(of.organisations) if of.several else here == of.organisations[0]


def _hinted(statement: Select[Any]) -> Select[Any]:
    """By the index whose end is what stands for good; SQLite would take one that it has to look everything up from."""
    return statement.with_hint(_trail, "INDEXED BY ix_trail_until", "sqlite")
