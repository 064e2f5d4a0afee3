"""Cases as they were known at an instant: lists, counts and what changed since another one. What was recorded later is not in
them, however early it was found.

Which cases a list shows, the trail says by an index: of each case there is one row that lasted over the instant. Only the
cases of the page are then folded from their events.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    TextClause,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union,
)

from engine.actor import Visibility
from engine.case import Case
from engine.store import books, history
from engine.store.cases import words_of
from engine.store.database import table_of
from engine.store.figures import Figures
from engine.store.standing import standing, then
from engine.store.tables import LONG, CaseRow, TrailRow
from engine.store.worklists import Filter, Page, having_words, of_marks, simple, visible_numbers

_trail = table_of(TrailRow)
_cases = table_of(CaseRow)

SEARCHED_AT_ONCE = 200  # cases whose words of then are looked through in one go

Change = Literal["opened", "moved", "closed", "overdue"]
#: opened    it was not known before
#: moved     it stands in another state
#: closed    it came to its end
#: overdue   its deadline passed, and it is still open
CHANGES: tuple[Change, ...] = get_args(Change)


def page(
    connection: Connection,
    seen: Visibility,
    wanted: Filter,
    at: datetime,
    *,
    limit: int = 50,
    after: tuple[datetime, str] | None = None,
) -> Page:
    """As `worklists.page`, as it would have been at this instant; by the eyes of who asks now. `overdue` is measured then.

    Words are those of then, of cases that have them still: what was said and said otherwise since is not found by them.
    """
    words = (wanted.q or "").lower().split()
    if not words:
        return _shown(_some(connection, seen, wanted, at, limit + 1, after), limit)
    found: list[Case] = []
    while len(found) <= limit:
        some = _some(connection, seen, wanted, at, SEARCHED_AT_ONCE, after)
        found += [each for each in some if all(word in words_of(each) for word in words)]
        if len(some) < SEARCHED_AT_ONCE:
            break
        after = some[-1].opened_at, some[-1].number
    return _shown(found[: limit + 1], limit)


def _shown(found: list[Case], limit: int) -> Page:
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], None if last is None else (last.opened_at, last.number))


def _some(
    connection: Connection,
    seen: Visibility,
    wanted: Filter,
    at: datetime,
    limit: int,
    after: tuple[datetime, str] | None,
) -> list[Case]:
    stood = _STOOD_THEN
    conditions = [
        *_conditions(connection, stood, seen, wanted, at),
        *seen_of(stood, seen),
        *_worded(stood, seen, wanted),
    ]
    if after is not None:
        opened_at, number = after
        same = and_(stood.c.opened_at == opened_at, stood.c.number < number)
        conditions += [stood.c.opened_at <= opened_at, or_(stood.c.opened_at < opened_at, same)]
    which = (
        select(stood.c.number).where(*conditions).order_by(stood.c.opened_at.desc(), stood.c.number.desc()).limit(limit)
    )
    numbers = list(connection.execute(which, then(seen.organisation, at)).scalars())
    folded = history.known_at(connection, seen.organisation, numbers, at)
    return [folded[number] for number in numbers]


def count(connection: Connection, seen: Visibility, wanted: Filter, at: datetime) -> int:
    """How many cases such a list has."""
    if (wanted.q or "").split():
        found, after = 0, None
        while True:
            some = page(connection, seen, wanted, at, limit=SEARCHED_AT_ONCE, after=after)
            found, after = found + len(some.cases), some.next_after
            if after is None:
                return found
    stood = _STOOD_THEN
    conditions = [*_conditions(connection, stood, seen, wanted, at), *seen_of(stood, seen)]
    statement = select(func.count()).select_from(stood).where(*conditions)
    return int(connection.execute(statement, then(seen.organisation, at)).scalar_one())


def numbers(connection: Connection, seen: Visibility, wanted: Filter, at: datetime, limit: int) -> list[str]:
    """The numbers of such a list's cases, in the order of their characters; no more than so many. `q` is not asked."""
    stood = _STOOD_THEN
    conditions = [*_conditions(connection, stood, seen, wanted, at), *seen_of(stood, seen)]
    statement = select(stood.c.number).where(*conditions).limit(limit)
    return sorted(connection.execute(statement, then(seen.organisation, at)).scalars())


def count_by_department(
    connection: Connection, seen: Visibility, wanted: Filter, at: datetime
) -> dict[str | None, int]:
    """How many cases such a list has, by the department that answers for them; of none, None. `q` is not asked."""
    stood = _STOOD_THEN
    conditions = [*_conditions(connection, stood, seen, wanted, at), *seen_of(stood, seen)]
    statement = select(stood.c.department, func.count()).select_from(stood).where(*conditions)
    rows = connection.execute(statement.group_by(stood.c.department), then(seen.organisation, at))
    return {department or None: number for department, number in rows}


def figures(connection: Connection, seen: Visibility, wanted: Filter, at: datetime) -> list[Figures]:
    """How many of these cases were open, overdue and closed at this instant, by loop. `q` is not asked."""
    stood = _STOOD_THEN
    is_open = stood.c.final.is_(False)
    statement = (
        select(
            stood.c.workflow,
            _times(is_open),
            _times(and_(is_open, stood.c.due_at < at)),
            _times(stood.c.final.is_(True)),
        )
        .where(*_conditions(connection, stood, seen, wanted, at), *seen_of(stood, seen))
        .group_by(stood.c.workflow)
        .order_by(stood.c.workflow)
    )
    return [Figures(seen.organisation, *row) for row in connection.execute(statement, then(seen.organisation, at))]


def known(connection: Connection, organisation: str, number: str, at: datetime) -> Case | None:
    """One case as it was known; None where nothing was known of it yet."""
    return history.known_at(connection, organisation, [number], at).get(number)


# --- between two instants --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stood:
    """How a case stood at an instant, as lists filter it."""

    opened_at: datetime
    workflow: str
    state: str
    counts_as: str
    final: bool
    level: str
    category: str
    department: str | None
    assignee: str | None
    due_at: datetime | None

    def overdue(self, at: datetime) -> bool:
        return not self.final and self.due_at is not None and at > self.due_at


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that stands otherwise at the later instant: `before` is None for one that was not there."""

    number: str
    before: Stood | None
    after: Stood
    how: frozenset[Change]


def changed(
    connection: Connection,
    seen: Visibility,
    wanted: Filter,
    since: datetime,
    until: datetime,
    *,
    how: Change | None = None,
    limit: int = 50,
    after: str | None = None,
) -> tuple[list[Changed], str | None]:
    """Cases that stand otherwise at `until` than at `since`, by number, and the number the next page begins behind.

    wanted   how they stand at `until`; `q` is not asked
    how      only those that changed so
    """
    statement = _compared(connection, seen, wanted, since, until, how)
    if after is not None:
        statement = statement.where(_THEN.c.number > after)
    in_order = statement.order_by(_THEN.c.number).limit(limit + 1)
    rows = connection.execute(in_order, then(seen.organisation, until)).all()
    found = [_changed(row, since, until) for row in rows[:limit]]
    return found, found[-1].number if len(rows) > limit else None


def count_changed(
    connection: Connection, seen: Visibility, wanted: Filter, since: datetime, until: datetime
) -> dict[Change, int]:
    """How many cases changed how; one may have changed in more ways than one."""
    ways = [_times(_is(how, since, until)) for how in CHANGES]
    compared = _compared(connection, seen, wanted, since, until, None).with_only_columns(*ways)
    return {
        how: number or 0
        for how, number in zip(CHANGES, connection.execute(compared, then(seen.organisation, until)).one(), strict=True)
    }


_THEN = _trail.alias("later")
_BEFORE = _trail.alias("earlier")
_STOOD = tuple(Stood.__slots__)


def _was_overdue(row: Any, at: datetime) -> ColumnElement[bool]:
    return and_(row.c.final.is_(False), row.c.due_at < at)


def _not_before(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """True also where there was no case, of which a comparison would say nothing."""
    return func.coalesce(condition, literal(False)).is_(False)


def _is(how: Change, since: datetime, until: datetime) -> ColumnElement[bool]:
    if how == "opened":
        return _BEFORE.c.number.is_(None)
    if how == "moved":
        return and_(_BEFORE.c.number.is_not(None), _BEFORE.c.state != _THEN.c.state)
    if how == "closed":
        return and_(_THEN.c.final.is_(True), _not_before(_BEFORE.c.final))
    return and_(_was_overdue(_THEN, until), _not_before(_was_overdue(_BEFORE, since)))


def _compared(
    connection: Connection, seen: Visibility, wanted: Filter, since: datetime, until: datetime, how: Change | None
) -> Select[Any]:
    """Each case that changed, as it stood later and, where it was there, earlier."""
    here = seen.organisation
    stood = _STOOD_THEN
    of_events = select(_trail.c.number).where(
        _trail.c.organisation == here, _trail.c.recorded_at > since, _trail.c.recorded_at <= until,
        _trail.c.workflow != "",
    )  # fmt: skip
    by_time = select(stood.c.number).where(stood.c.final.is_(False), stood.c.due_at >= since, stood.c.due_at < until)
    some = union(of_events, by_time).subquery("some")
    later = and_(
        _THEN.c.organisation == here, _THEN.c.number == some.c.number, _THEN.c.recorded_at <= until,
        _THEN.c.until > until,
    )  # fmt: skip
    earlier = and_(
        _BEFORE.c.organisation == here, _BEFORE.c.number == some.c.number, _BEFORE.c.recorded_at <= since,
        _BEFORE.c.until > since,
    )  # fmt: skip
    columns = [
        _THEN.c.number,
        _BEFORE.c.number.label("earlier_number"),
        *(_THEN.c[name].label(f"later_{name}") for name in _STOOD),
        *(_BEFORE.c[name].label(f"earlier_{name}") for name in _STOOD),
    ]
    otherwise = [_is(how, since, until)] if how else [or_(*(_is(each, since, until) for each in CHANGES))]
    return (
        select(*columns)
        .select_from(some.join(_THEN, later).outerjoin(_BEFORE, earlier))
        .where(*otherwise, *_conditions(connection, _THEN, seen, wanted, until), *seen_of(_THEN, seen))
    )


def _changed(row: Any, since: datetime, until: datetime) -> Changed:
    values = row._mapping
    after = Stood(*(values[f"later_{name}"] for name in _STOOD))
    before = None
    if row.earlier_number is not None:
        before = Stood(*(values[f"earlier_{name}"] for name in _STOOD))
    ways: dict[Change, bool] = {
        "opened": before is None,
        "moved": before is not None and before.state != after.state,
        "closed": after.final and not (before is not None and before.final),
        "overdue": after.overdue(until) and not (before is not None and before.overdue(since)),
    }
    return Changed(row.number, before, after, frozenset(how for how, so in ways.items() if so))


# --- which -----------------------------------------------------------------------------------------------------------


#: How each case stood at an instant: the rows of the trail that lasted over it. Put together once: that takes as long as asking.
_STOOD_THEN = standing(range(LONG + 1))


def _conditions(
    connection: Connection, stood: FromClause, seen: Visibility, wanted: Filter, at: datetime
) -> Iterable[ColumnElement[bool] | TextClause]:
    columns = stood.c
    if (book := books.book_of(connection, seen.organisation, wanted.book)) is not None:
        yield books.within(columns, book, wanted.carried_over)
    yield from simple(columns, seen.organisation, wanted, at, is_open=columns.final.is_(False))
    if wanted.within is not None:  # what it was opened in it is in for good
        opened_in = (_cases.c.organisation == seen.organisation, _cases.c.within == wanted.within)
        yield columns.number.in_(select(_cases.c.number).where(*opened_in))
    # nothing that changes how it stands is done to what is closed: it stands since its closing as it does
    if wanted.closed_from is not None:
        yield and_(columns.final.is_(True), columns.recorded_at >= wanted.closed_from)
    if wanted.closed_before is not None:
        yield and_(columns.final.is_(True), columns.recorded_at < wanted.closed_before)
    yield from of_marks(columns.number, seen.organisation, wanted, at)


def seen_of(stood: FromClause, seen: Visibility) -> Sequence[ColumnElement[bool]]:
    """Whoever asks sees by what the cases have come to, as in every other list."""
    if seen.everything:
        return []
    return [stood.c.number.in_(visible_numbers(seen))]


def _worded(stood: FromClause, seen: Visibility, wanted: Filter) -> Collection[ColumnElement[bool]]:
    if not (wanted.q or "").split():
        return ()
    having = [
        select(_cases.c.number).where(_cases.c.organisation == seen.organisation, *conditions)
        for conditions in having_words(wanted.q or "")
    ]
    return [stood.c.number.in_(union(*having))]


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
