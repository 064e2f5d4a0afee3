"""Lists of cases as people ask for them: filtered, paged by cursor, and never beyond what the asker may see."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    TextClause,
    and_,
    func,
    or_,
    select,
    text,
    true,
    union,
    union_all,
)

from engine.actor import WHOLE_ORGANISATION, Actor, Visibility
from engine.case import Case
from engine.store import books, marks
from engine.store.books import Book
from engine.store.database import table_of
from engine.store.marks import Besides, Report
from engine.store.tables import CaseRow, PartyRow

_cases = table_of(CaseRow)
_parties = table_of(PartyRow)

# written out, as the indexes that have only these are
OPEN = text("NOT case_record.final")
LONGER = text("case_record.longer IS NOT NULL")
WAITS = text("party.waits")

LOOKED_AT = 100  # a millisecond or two


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list shows; None leaves a question open. `q` is looked for in numbers, titles, places and what was written.

    open        whether it has not come to its end
    without     `department`, `level`, `category`: those of which it says nothing
    categories  one of these, each with its sub-categories; `-` means those of which it is not said
    apart_from  states in which it does not stand
    action      steps and bonds (`marks.done`), of which at least one has to have happened to the case; from `action_from` until
                before `action_before`, where that is said
    without_workflow   loops that it leaves out
    without_action     steps and bonds of which none has happened to the case
    besides     what else is said of the period the case was opened for (`marks.BESIDES`)
    report      what came of the period the case was opened for; `cycle` and the half-open stretch from `period_from` to
                `period_before`, in which it began, say of which
    …_from      at this instant or later
    …_before    earlier than this instant
    opened_with what was answered when it was opened, `kind:plan` or `dated_on:2020-01-01..2020-03-31`; of two answers to the
                same question one is enough. Asked of what no later step says again
    within      the campaign it was opened in
    claimed_on  `2020-03-02..2020-03-08`, days of the school: what was taken over from an older ledger counts as opened on the
                day that ledger says it was found, and has to have been in these; all else by `opened_from` and `opened_before`
    book        the year in whose book it stands (`engine.store.books`); `carried_over`: whether from the book before
    """

    workflow: str | None = None
    state: str | None = None
    counts_as: str | None = None
    level: str | None = None
    category: str | None = None
    department: str | None = None
    assignee: str | None = None
    overdue: bool | None = None
    due_before: datetime | None = None
    opened_after: datetime | None = None
    q: str | None = None
    open: bool | None = None
    without: tuple[str, ...] | None = None
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    closed_from: datetime | None = None
    closed_before: datetime | None = None
    action: tuple[str, ...] | None = None
    report: Report | None = None
    cycle: str | None = None
    period_from: datetime | None = None
    period_before: datetime | None = None
    categories: tuple[str, ...] | None = None
    apart_from: tuple[str, ...] | None = None
    action_from: datetime | None = None
    action_before: datetime | None = None
    besides: Besides | None = None
    without_workflow: tuple[str, ...] | None = None
    without_action: tuple[str, ...] | None = None
    book: int | None = None
    carried_over: bool | None = None
    opened_with: tuple[str, ...] | None = None
    within: str | None = None
    claimed_on: str | None = None

    @property
    def by_marks(self) -> bool:
        """Whether the trail has to be asked, which may be behind (`engine.sealing.number`)."""
        asked = (self.action, self.without_action, self.book)
        return self.by_periods or any(said is not None for said in asked)

    @property
    def by_periods(self) -> bool:
        said = (self.report, self.besides, self.cycle, self.period_from, self.period_before)
        return any(each is not None for each in said)


@dataclass(frozen=True, slots=True)
class Page:
    """`next_after` is the cursor of the page that follows, None on the last one."""

    cases: list[Case]
    next_after: tuple[datetime, str] | None


def page(
    connection: Connection,
    seen: Visibility,
    wanted: Filter,
    now: datetime,
    *,
    limit: int = 50,
    after: tuple[datetime, str] | None = None,
) -> Page:
    """Newest first. `after` is (opened_at, number) of the last case already shown: stable while new ones are opened."""
    further: list[ColumnElement[bool]] = []
    if after is not None:
        opened_at, number = after
        same = and_(_cases.c.opened_at == opened_at, _cases.c.number < number)
        further = [_cases.c.opened_at <= opened_at, or_(_cases.c.opened_at < opened_at, same)]
    # which they are says an index by itself, and only these are then looked up
    searches = [
        select(_cases.c.number, _cases.c.opened_at)
        .where(visible(seen), *conditions, *further)
        .order_by(_cases.c.opened_at.desc(), _cases.c.number.desc())
        .limit(limit + 1)
        for conditions in _ways(seen, wanted, now, books.book_of(connection, seen.organisation, wanted.book))
    ]
    which = searches[0].subquery("which")
    if len(searches) > 1:
        found_in_any = union(*(select(search.subquery()) for search in searches)).subquery()
        newest = (found_in_any.c.opened_at.desc(), found_in_any.c.number.desc())
        which = select(found_in_any).order_by(*newest).limit(limit + 1).subquery("which")
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .join(which, and_(_cases.c.organisation == seen.organisation, _cases.c.number == which.c.number))
        .order_by(which.c.opened_at.desc(), which.c.number.desc())
    )
    found = [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]
    shown = found[:limit]
    more = len(found) > limit
    return Page(shown, (shown[-1].opened_at, shown[-1].number) if more else None)


def all_cases(connection: Connection, seen: Visibility, wanted: Filter, now: datetime) -> list[Case]:
    """Every case the filter finds, by number: for figures and papers."""
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .where(visible(seen), _all(connection, seen, wanted, now))
        .order_by(_cases.c.number)
    )
    return [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]


def all_open(connection: Connection, seen: Visibility, wanted: Filter, now: datetime) -> Iterator[Case]:
    """As `all_cases`, but for those that are finished; one after another, as a school may have tens of thousands."""
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .where(visible(seen), OPEN, _all(connection, seen, wanted, now))
        .order_by(_cases.c.number)
    )
    return (Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement))


def count(connection: Connection, seen: Visibility, wanted: Filter, now: datetime) -> int:
    statement = select(func.count()).select_from(_cases).where(visible(seen), _all(connection, seen, wanted, now))
    return int(connection.execute(statement).scalar_one())


def waiting_for(
    connection: Connection,
    seen: Visibility,
    actor: Actor,
    *,
    limit: int = 200,
    after: tuple[datetime | None, str] | None = None,
) -> list[Case]:
    """Up to `limit` open cases that may wait for this person, worst deadline first. What roles mean exactly is judged by the
    caller.

    after   (due_at, number) of the last case already looked at; cases without a deadline come last
    """
    mine: list[ColumnElement[bool]] = [and_(_cases.c.assignee == actor.standing, _awaits("assignee"))]
    mine += [and_(_cases.c.reporter == actor.standing, or_(_awaits("reporter"), _awaits("inspector")))]
    for grant in actor.grants:
        if grant.scope == WHOLE_ORGANISATION:
            mine.append(_awaits(grant.role))
        else:
            mine.append(and_(_awaits(grant.role), _cases.c.department == grant.scope))
            mine.append(and_(_awaits(f"{grant.role}_of_another_department"), _cases.c.department != grant.scope))
    if actor.on_behalf_of is None and actor.person is not None:  # to know of something cannot be handed on
        mine.append(_cases.c.number.in_(_waiting_by_name(seen.organisation, sorted(actor.selves))))
    conditions: list[ColumnElement[bool] | TextClause] = [visible(seen), OPEN, or_(*mine)]
    if after is not None:
        due_at, number = after
        same = and_(
            _cases.c.due_at.is_(None) if due_at is None else _cases.c.due_at == due_at, _cases.c.number > number
        )
        later = [] if due_at is None else [_cases.c.due_at > due_at, _cases.c.due_at.is_(None)]
        conditions.append(or_(same, *later))
    # as in `page`: an index says which, by itself
    which = (
        select(_cases.c.number, _cases.c.due_at)
        .where(*conditions)
        .order_by(_cases.c.due_at.is_(None), _cases.c.due_at, _cases.c.number)
        .limit(limit)
    ).subquery("which")
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .join(which, and_(_cases.c.organisation == seen.organisation, _cases.c.number == which.c.number))
        .order_by(which.c.due_at.is_(None), which.c.due_at, which.c.number)
    )
    return [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]


def reported_by(
    connection: Connection, seen: Visibility, person: str, series: Iterable[str], *, limit: int = 50
) -> list[Case]:
    """What this person reported lately, as far as it is seen: what is open first, the newest first.

    series   the prefixes of the numbers to look among. Of each, only the `LOOKED_AT` latest cases that he has part in are
             looked at: the safety office has part in every case there is
    """
    lately = [
        select(
            select(_parties.c.number)
            .where(
                _parties.c.organisation == seen.organisation,
                _parties.c.person == person,
                # by figures, since databases may be made so that they pass over hyphens when they compare
                _parties.c.number >= f"{prefix}-0000-",
                _parties.c.number <= f"{prefix}-9999-99999999",
            )
            .order_by(_parties.c.number.desc())
            .limit(LOOKED_AT)
            .subquery()
        )
        for prefix in series
    ]
    if not lately:
        return []
    among = union_all(*lately).subquery("lately")
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .join(among, and_(_cases.c.organisation == seen.organisation, _cases.c.number == among.c.number))
        .where(visible(seen), _cases.c.reporter == person)
        .order_by(_cases.c.final, _cases.c.opened_at.desc(), _cases.c.number.desc())
        .limit(limit)
    )
    return [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]


def due_between(
    connection: Connection,
    seen: Visibility,
    start: datetime,
    end: datetime,
    *,
    limit: int,
    latest_first: bool = False,
) -> list[Case]:
    """Open cases whose deadline lies in these instants, `end` not included; the earliest first, if not the latest."""
    in_order = (_cases.c.due_at, _cases.c.number)
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .where(visible(seen), OPEN, _cases.c.due_at >= start, _cases.c.due_at < end)
        .order_by(*(column.desc() for column in in_order) if latest_first else in_order)
        .limit(limit)
    )
    return [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]


def _waiting_by_name(organisation: str, persons: Iterable[str]) -> Select[str]:
    """The numbers of the cases that wait for one of these to confirm: an index has those alone."""
    return select(_parties.c.number).where(
        _parties.c.organisation == organisation, _parties.c.person.in_(list(persons)), WAITS
    )


def _awaits(name: str) -> ColumnElement[bool]:
    return _cases.c.awaits.contains(f" {name} ", autoescape=True)


def visible(seen: Visibility) -> ColumnElement[bool]:
    """`engine.authority.may_see` as SQL: the one place where a list is kept inside its organisation and its people."""
    here: ColumnElement[bool] = _cases.c.organisation == seen.organisation
    if seen.everything:
        return here
    allowed: list[ColumnElement[bool]] = [_cases.c.department.in_(sorted(seen.departments))]
    if seen.persons:
        allowed.append(_cases.c.number.in_(_part_of(seen)))
    return and_(here, or_(*allowed))


def visible_numbers(seen: Visibility) -> Select[Any] | CompoundSelect[Any]:
    """The numbers of the cases that `visible` leaves: for who looks elsewhere than in the list of cases."""
    of_departments = select(_cases.c.number).where(
        _cases.c.organisation == seen.organisation, _cases.c.department.in_(sorted(seen.departments))
    )
    if seen.everything:
        return select(_cases.c.number).where(_cases.c.organisation == seen.organisation)
    if not seen.persons:
        return of_departments
    # the list of all cases is not gone through for who has no department
    return union(of_departments, _part_of(seen)) if seen.departments else _part_of(seen)


def _part_of(seen: Visibility) -> Select[str]:
    return select(_parties.c.number).where(
        _parties.c.organisation == seen.organisation, _parties.c.person.in_(sorted(seen.persons))
    )


def _ways(
    seen: Visibility, wanted: Filter, now: datetime, book: Book | None
) -> list[list[ColumnElement[bool] | TextClause]]:
    """Conditions that show each what the filter wants to some part, and together all of it: each part has its index."""
    conditions = [
        *_conditions(seen.organisation, wanted, now),
        *of_marks(_cases.c.number, seen.organisation, wanted, now),
    ]
    words, parts = (
        having_words(wanted.q or "") or [[]],
        books.ways(book, wanted.carried_over) if book is not None else [[]],
    )
    return [[*conditions, *part, *said] for part in parts for said in words]


def having_words(q: str) -> list[list[ColumnElement[bool] | TextClause]]:
    """Of which cases have all these words now: two lists of conditions, each with its index, of which one has to hold. None
    where there is no word.
    """
    words = q.lower().split()
    short = [_cases.c.words.contains(word, autoescape=True) for word in words]
    long = [_cases.c.longer.contains(word, autoescape=True) for word in words]
    return [[*short], [LONGER, *long]] if words else []


def _all(connection: Connection, seen: Visibility, wanted: Filter, now: datetime) -> ColumnElement[bool]:
    book = books.book_of(connection, seen.organisation, wanted.book)
    return or_(*(and_(true(), *conditions) for conditions in _ways(seen, wanted, now, book)))


def _conditions(organisation: str, wanted: Filter, now: datetime) -> Iterable[ColumnElement[bool] | TextClause]:
    if wanted.within is not None:
        yield _cases.c.within == wanted.within
    yield from simple(_cases.c, organisation, wanted, now, is_open=OPEN)
    if wanted.closed_from is not None:
        yield _cases.c.closed_at >= wanted.closed_from
    if wanted.closed_before is not None:
        yield _cases.c.closed_at < wanted.closed_before


def simple(
    columns: Any, organisation: str, wanted: Filter, at: datetime, *, is_open: ColumnElement[bool] | TextClause
) -> Iterable[ColumnElement[bool] | TextClause]:
    """What is asked of columns that a case has now and had at any instant alike.

    at        the instant: what is overdue was so then
    is_open   that it had not come to its end, as the index of these columns has it
    """
    for name in ("workflow", "state", "counts_as", "level", "department", "assignee"):
        value = getattr(wanted, name)
        if value is not None:
            yield columns[name] == value
    if wanted.category is not None:
        yield _in_category(columns.category, wanted.category)
    if wanted.overdue is not None:
        late = and_(is_open, columns.due_at < at)
        yield late if wanted.overdue else or_(columns.final.is_(True), columns.due_at.is_(None), columns.due_at >= at)
    if wanted.due_before is not None:
        yield columns.due_at < wanted.due_before
    if wanted.opened_after is not None:
        yield columns.opened_at > wanted.opened_after
    opened = []
    if wanted.opened_from is not None:
        opened.append(columns.opened_at >= wanted.opened_from)
    if wanted.opened_before is not None:
        opened.append(columns.opened_at < wanted.opened_before)
    if wanted.claimed_on is None:
        yield from opened
    else:
        first, _, last = wanted.claimed_on.partition(SPAN)
        claims = select(_cases.c.number).where(
            _cases.c.organisation == organisation, books.TAKEN, _cases.c.since.is_not(None)
        )
        claimed = columns.number.in_(claims.where(_cases.c.since.between(first, last)))
        yield or_(and_(true(), *opened, columns.number.not_in(claims)), claimed)
    if wanted.categories is not None:
        among = columns.category
        yield or_(*(among == "" if each == NOT_SAID else _in_category(among, each) for each in wanted.categories))
    if wanted.without_workflow is not None:
        yield columns.workflow.not_in(wanted.without_workflow)
    if wanted.apart_from is not None:
        yield columns.state.not_in(wanted.apart_from)
    for name in wanted.without or ():
        yield columns[name].is_(None) if name == "department" else columns[name] == ""
    if wanted.open is not None:
        yield is_open if wanted.open else columns.final.is_(True)


NOT_SAID = "-"  # among categories: none
SPAN = ".."  # from one day to another, both included


def _in_category(column: ColumnElement[str], category: str) -> ColumnElement[bool]:
    """A category means its sub-categories too."""
    return or_(column == category, column.startswith(f"{category}.", autoescape=True))


def of_marks(
    number: ColumnElement[str], organisation: str, wanted: Filter, at: datetime
) -> Iterable[ColumnElement[bool]]:
    """What is asked of what happened to a case, and of the period it was opened for, as far as it was recorded by then."""
    if wanted.opened_with is not None:
        answered = _answered(wanted.opened_with)
        yield number.in_(select(_cases.c.number).where(_cases.c.organisation == organisation, *answered))
    if wanted.action is not None:
        stretch = (wanted.action_from, wanted.action_before)
        yield number.in_(marks.done(organisation, wanted.action, at, *stretch))
    if wanted.without_action is not None:
        yield number.not_in(marks.done(organisation, wanted.without_action, at))
    if wanted.by_periods:
        owed = marks.periods([organisation], at).subquery("owed")
        said = [owed.c[name] == value for name in ("report", "cycle") if (value := getattr(wanted, name)) is not None]
        if wanted.besides is not None:
            said.append(owed.c[wanted.besides].is_(True))
        if wanted.period_from is not None:
            said.append(owed.c.opens_at >= wanted.period_from)
        if wanted.period_before is not None:
            said.append(owed.c.opens_at < wanted.period_before)
        yield number.in_(select(owed.c.number).where(*said))


def _answered(said: Iterable[str]) -> Iterable[ColumnElement[bool]]:
    """One condition for each question. What a case was opened with it keeps, so this is so now as it was at any instant."""
    answers: dict[str, list[ColumnElement[bool]]] = {}
    for each in said:
        name, _, answer = each.partition(":")
        given = _cases.c.body[("facts", name)].as_string()
        first, between, last = answer.partition(SPAN)
        answers.setdefault(name, []).append(given.between(first, last) if between else given == answer)
    return [or_(*each) for each in answers.values()]
