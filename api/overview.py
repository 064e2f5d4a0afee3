"""The overview: how many cases are open, overdue and closed, by what, over time and how it went; each number with the list
that shows exactly those cases.

Pages, addresses and commands tell the same figures: all of them come from `overview_of`.
"""

import time as clocks
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, NoReturn
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection

from api import second_looks
from api.auth import Asker
from api.bootstrap import Runtime
from api.requests import unreadable
from api.schemas import SecondLooks
from api.trail import NUMBERING_SECONDS, brought_up_to_date
from engine.case import OTHER_END, instant_text
from engine.definition import Catalog
from engine.directory import Organisation, below
from engine.errors import Locale, Text
from engine.store import marks, overview, people, trail
from engine.store.overview import Counted, Of, Stretch
from workflows.reference import levels, taxonomy
from workflows.spot_check import REVISIT

MOST_MONTHS = 24
USUAL_MONTHS = 6
RETURNED = "returned"  # the counter that a step counts which sends back
REBOUND = OTHER_END["rebound_of"]
EARLIEST = 1970  # months are counted back from it, and the calendar ends somewhere
MOST_MISSING = 200  # that are told one by one
NOT_SAID = Text("未填", "Not said")
UNGRADED = Text("未定级", "Not graded")
By = Literal["department", "level", "category"]
Said = str | bool | datetime | Sequence[str]
Title = Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at: as it was known on a day's evening or at an instant, or now; so many months; one loop or all of them;
    one organisation that the asker oversees, his own or all of them.
    """

    as_of: date | datetime | None = None
    months: int = USUAL_MONTHS
    workflow: str | None = None
    organisation: str | None = None


class Figure(BaseModel):
    """A number. `cases` is the query of the list that shows exactly these (`/api/v1/cases?…`); null where the asker sees
    figures and no more.
    """

    count: int
    cases: str | None


class Line(BaseModel):
    """Cases that are alike in one way. `key` is null where it is not said of them. What is overdue is open too."""

    key: str | None
    title: str
    open: Figure
    overdue: Figure
    closed: Figure


class OrganisationLine(Line):
    """`missing`: reports of this month and the last whose time is over, and which did not come."""

    key: str
    missing: int


class MonthLine(BaseModel):
    """What was opened and closed in it; what was open and overdue at its end, or at `as_of` while it lasts."""

    month: str
    until: AwareDatetime
    opened: Figure
    closed: Figure
    open: Figure
    overdue: Figure


class Went(BaseModel):
    """How it went with what was closed: after how many days half of it was, how much of it was sent back at least once, how
    much came up again since. A share of nothing is null, which is not zero.
    """

    median_days: float | None
    returned: Figure
    returned_share: float | None
    rebounded: Figure
    rebounded_share: float | None


class MissingReport(BaseModel):
    scope: str
    title: str
    key: str
    number: str


class ReportLine(BaseModel):
    """What came of a cycle's periods that began in one month. *Missing* is past its time and not handed in, which is not zero;
    *waiting* has time. Besides, of what was handed in: *zero* says that there was nothing, *corrected* has a later version.
    """

    month: str
    cycle: str
    title: str
    reported: Figure
    late: Figure
    waived: Figure
    waiting: Figure
    missing: Figure
    zero: Figure
    corrected: Figure
    not_reported: list[MissingReport]


class OverviewAnswer(BaseModel):
    """As it was known at `as_of`. What is closed was closed since `since`, the beginning of the first of the months.

    organisations    where one oversees several, each of them
    reports          of this month and the last
    second_looks     of one's own organisation: how verifications held at spot checks, to those who answer for the whole school of
                     everybody, to everybody else of himself
    """

    as_of: AwareDatetime
    since: AwareDatetime
    organisation: str | None
    name: str
    everything: bool
    open: Figure
    overdue: Figure
    closed: Figure
    went: Went
    organisations: list[OrganisationLine]
    workflows: list[Line]
    departments: list[Line]
    categories: list[Line]
    levels: list[Line]
    months: list[MonthLine]
    reports: list[ReportLine]
    second_looks: list[SecondLooks]


@dataclass(frozen=True)
class Overview:
    """The answer, and what a page says beside it.

    then         whether it is of the past
    choice       the organisations to choose from, where there are several
    unnumbered   how many events are not in it yet (`brought_up_to_date`)
    """

    answer: OverviewAnswer
    then: bool
    zone: ZoneInfo
    choice: Sequence[Organisation]
    unnumbered: int


def overview_of(runtime: Runtime, asker: Asker, asked: Asked) -> Overview:
    """What the asker may see of it: of his own organisation the cases he sees, of those below the whole, in figures.

    Raises    InvalidInput for a time that has not come, and for an organisation that is none of his
    """
    now = runtime.clock.now()
    own, under, zone = _whom(runtime, asker)
    if asked.organisation is None:
        shown = [own, *under]
    else:
        shown = [o for o in (own, *under) if o.organisation == asked.organisation]
        if not shown:
            unreadable(Text("没有这样的下属单位", "there is no such organisation below"), "organisation")
    at = instant_of(asked.as_of, now, zone)
    unnumbered = _brought_up_to_date(runtime, [o.organisation for o in shown])
    own_alone = shown == [own]
    bounds = months_until(at or now, asked.months, zone)
    keys, seen = tuple(o.organisation for o in shown), asker.seen if own_alone else None
    without = uncounted(runtime.engine.catalog) if asked.workflow is None else ()
    of = Of(keys, seen, bounds[0], at or now, asked.workflow, without)
    with _reading(runtime, shown) as connection:
        of, catalog = overview.as_seen(connection, of), runtime.engine.catalog
        told = _Telling(connection, catalog, asker.locale, zone, of, at, shown, links=own_alone)
        looks = (
            second_looks.between(connection, asker, of.since, of.at, then=at is not None)
            if own_alone and asked.workflow in (None, REVISIT.key)
            else []
        )
        answer = told.answer(bounds, looks, everything=not own_alone or asker.seen.everything)
    return Overview(answer, at is not None, zone, [own, *under] if under else [], unnumbered)


def unwitnessed(catalog: Catalog) -> tuple[str, ...]:
    """Loops whose cases tell what this program did not see."""
    return tuple(loop.key for loop in catalog.newest() if not loop.witnessed)


def uncounted(catalog: Catalog) -> tuple[str, ...]:
    """Loops that are no figure of how work went, unless they are asked for: reports that come again and again, and what this
    program did not see.
    """
    return (*catalog.routine, *unwitnessed(catalog))


# --- when, and of whom ---------------------------------------------------------------------------------------------------


def instant_of(as_of: date | datetime | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    """A day means its evening, today this moment; None is now, and so is today. Raises InvalidInput for what has not come."""
    if as_of is None:
        return None
    if not isinstance(as_of, datetime):
        today = now.astimezone(zone).date()
        if as_of > today:
            _not_yet(now, zone)
        _must_not_be_ancient(as_of)
        return None if as_of == today else _midnight(as_of + timedelta(days=1), zone) - timedelta(microseconds=1)
    if as_of > now:
        _not_yet(now, zone)
    _must_not_be_ancient(as_of)
    return as_of


def _not_yet(now: datetime, zone: ZoneInfo) -> NoReturn:
    told = f"{now.astimezone(zone):%Y-%m-%d %H:%M}"
    unreadable(Text(f"还没有到：现在是 {told}", f"has not come yet: it is {told}"), "as_of")


def _must_not_be_ancient(as_of: date) -> None:
    if as_of.year < EARLIEST:
        unreadable(Text(f"早于 {EARLIEST} 年", f"is before {EARLIEST}"), "as_of")


def months_until(at: datetime, months: int, zone: ZoneInfo) -> list[datetime]:
    """Where so many months begin, the last of which `at` is in; and where that one ends."""
    day = at.astimezone(zone).date()
    first = day.year * 12 + day.month - months
    return [_midnight(date(month // 12, month % 12 + 1, 1), zone) for month in range(first, first + months + 1)]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _whom(runtime: Runtime, asker: Asker) -> tuple[Organisation, list[Organisation], ZoneInfo]:
    """The asker's organisation, those below it that he sees in figures, and by whose wall clock months begin."""
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        zone = people.time_zone(connection, here)
        own = people.organisation(connection, here)
    assert own is not None  # he signed in there
    if own.kind != "bureau" or not asker.seen.everything:
        return own, [], zone
    with runtime.database.read_across() as connection:
        return own, below(own, people.organisations(connection)), zone


def _reading(runtime: Runtime, shown: Sequence[Organisation]) -> AbstractContextManager[Connection]:
    if len(shown) == 1:
        return runtime.database.read(shown[0].organisation)
    return runtime.database.read_across()


def _brought_up_to_date(runtime: Runtime, organisations: Sequence[str]) -> int:
    if len(organisations) == 1:
        return brought_up_to_date(runtime, organisations[0])
    with runtime.database.read_across() as connection:
        waiting = [o for o in trail.organisations_waiting(connection) if o in set(organisations)]
    enough = clocks.monotonic() + NUMBERING_SECONDS
    return sum(brought_up_to_date(runtime, o, max(0.0, enough - clocks.monotonic())) for o in waiting)


# --- in words ------------------------------------------------------------------------------------------------------------


class _Telling:
    """Figures with their words and their lists.

    at       the instant that lists are asked for as of; None for now
    links    whether the asker sees the cases behind the figures
    """

    def __init__(
        self, connection: Connection, catalog: Catalog, locale: Locale, zone: ZoneInfo, of: Of, at: datetime | None,
        shown: Sequence[Organisation], *, links: bool,
    ) -> None:  # fmt: skip
        self._connection, self._catalog, self._locale, self._zone = connection, catalog, locale, zone
        self._of, self._shown, self._links = of, shown, links
        self._base: dict[str, Said] = {}
        if of.workflow is not None:
            self._base["workflow"] = of.workflow
        if at is not None:
            self._base["as_of"] = at
        self._of_periods = dict(self._base)  # reports that come again and again are told where they are owed
        if of.without:
            self._base["without_workflow"] = of.without
        self._departments: Mapping[str, str] = {}
        if not of.several:
            known = people.departments(connection, of.organisations[0])
            self._departments = {department.code: department.name.in_(locale) for department in known}

    def answer(self, bounds: Sequence[datetime], looks: list[SecondLooks], *, everything: bool) -> OverviewAnswer:
        lines, stretches = overview.figures(self._connection, self._of, bounds)
        open_, overdue, closed = self._counts(lines, {})
        reports, missing = self._reports(months_until(self._of.at, 2, self._zone))
        several = self._of.several
        return OverviewAnswer(
            as_of=self._of.at,
            since=self._of.since,
            organisation=None if several else self._of.organisations[0],
            name=self._shown[0].name.in_(self._locale),
            everything=everything,
            open=open_,
            overdue=overdue,
            closed=closed,
            went=self._went(closed.count),
            organisations=self._organisations(lines, missing) if several else [],
            workflows=self._workflows(lines),
            departments=[] if several else self._departments_of(lines),
            categories=self._categories(lines),
            levels=self._levels(lines),
            months=[self._month(stretch) for stretch in stretches],
            reports=reports,
            second_looks=looks,
        )

    # --- numbers and their lists ---

    def _figure(self, count: int, said: Mapping[str, Said], base: Mapping[str, Said] | None = None) -> Figure:
        base = self._base if base is None else base
        return Figure(count=count, cases=query_of({**base, **said}) if self._links else None)

    def _counts(self, lines: Iterable[Counted], said: Mapping[str, Said]) -> tuple[Figure, Figure, Figure]:
        lines = list(lines)
        return (
            self._figure(sum(line.open for line in lines), {**said, "open": True}),
            self._figure(sum(line.overdue for line in lines), {**said, "overdue": True}),
            self._figure(sum(line.closed for line in lines), {**said, "closed_from": self._of.since}),
        )

    def _lines(
        self, lines: Sequence[Counted], by: By, key: Callable[[Counted], str | None], title: Title
    ) -> list[Line]:
        """The worst first: the most overdue, then the most open."""
        alike: dict[str | None, list[Counted]] = defaultdict(list)
        for line in lines:
            alike[key(line)].append(line)
        found = []
        for name, those in alike.items():
            open_, overdue, closed = self._counts(those, {"without": by} if name is None else {by: name})
            found.append(Line(key=name, title=title(name), open=open_, overdue=overdue, closed=closed))
        return sorted(found, key=lambda line: (-line.overdue.count, -line.open.count, -line.closed.count, line.title))

    def _departments_of(self, lines: Sequence[Counted]) -> list[Line]:
        return self._lines(lines, "department", lambda line: line.department, self._department)

    def _department(self, code: str | None) -> str:
        return NOT_SAID.in_(self._locale) if code is None else self._departments.get(code, code)

    def _categories(self, lines: Sequence[Counted]) -> list[Line]:
        known = taxonomy().categories

        def title(code: str | None) -> str:
            if code is None:
                return NOT_SAID.in_(self._locale)
            return known[code].title.in_(self._locale) if code in known else code

        return self._lines(lines, "category", lambda line: line.category.partition(".")[0] or None, title)

    def _levels(self, lines: Sequence[Counted]) -> list[Line]:
        known = levels()

        def title(code: str | None) -> str:
            if code is None:
                return UNGRADED.in_(self._locale)
            return known[code].title.in_(self._locale) if code in known else code

        found = self._lines(lines, "level", lambda line: line.level or None, title)
        order = list(known)
        return sorted(found, key=lambda line: order.index(line.key) if line.key in order else len(order))

    def _workflows(self, lines: Sequence[Counted]) -> list[Line]:
        found = []
        for workflow in self._catalog.newest():
            those = [line for line in lines if line.workflow == workflow.key]
            if those:
                open_, overdue, closed = self._counts(those, {"workflow": workflow.key})
                title = workflow.title.in_(self._locale)
                found.append(Line(key=workflow.key, title=title, open=open_, overdue=overdue, closed=closed))
        return found

    def _organisations(self, lines: Sequence[Counted], missing: Mapping[str, int]) -> list[OrganisationLine]:
        found = []
        for o in self._shown:
            open_, overdue, closed = self._counts((x for x in lines if x.organisation == o.organisation), {})
            found.append(
                OrganisationLine(
                    key=o.organisation, title=o.name.in_(self._locale), open=open_, overdue=overdue, closed=closed,
                    missing=missing.get(o.organisation, 0),
                )
            )  # fmt: skip
        return found

    def _month(self, stretch: Stretch) -> MonthLine:
        then: dict[str, Said] = {} if stretch.until == self._of.at else {"as_of": stretch.until}
        return MonthLine(
            month=self._name_of(stretch.first),
            until=stretch.until,
            opened=self._figure(
                stretch.opened, {"opened_from": stretch.first, "opened_before": stretch.end}
            ),
            closed=self._figure(
                stretch.closed, {"closed_from": stretch.first, "closed_before": stretch.end}
            ),
            open=self._figure(stretch.open, {**then, "open": True}),
            overdue=self._figure(stretch.overdue, {**then, "overdue": True}),
        )  # fmt: skip

    def _name_of(self, first: datetime) -> str:
        return f"{first.astimezone(self._zone):%Y-%m}"

    # --- how it went, and what was owed ---

    def _went(self, closed: int) -> Went:
        median = overview.median_to_close(self._connection, self._of, closed)
        every = [w for w in self._catalog.every() if w.key not in self._of.without]
        of = [w for w in every if self._of.workflow in (None, w.key)]
        steps = sorted({step.trigger for w in of for step in w.transitions if step.counts == RETURNED})
        returned = self._had(steps)
        rebounded = self._had([REBOUND] if any(w.rebound for w in of) else [])
        return Went(
            median_days=None if median is None else round(median / timedelta(days=1), 1),
            returned=returned,
            returned_share=round(returned.count / closed, 4) if closed else None,
            rebounded=rebounded,
            rebounded_share=round(rebounded.count / closed, 4) if closed else None,
        )

    def _had(self, actions: Sequence[str]) -> Figure:
        if not actions:
            return Figure(count=0, cases=None)
        count = overview.closed_after(self._connection, self._of, actions)
        return self._figure(count, {"closed_from": self._of.since, "action": actions})

    def _reports(self, bounds: Sequence[datetime]) -> tuple[list[ReportLine], Mapping[str, int]]:
        """The newest month first; and how many are missing, by organisation."""
        titles = {
            rule.cycle.key: rule.cycle.title.in_(self._locale)
            for workflow, rule in self._catalog.cycles()
            if self._of.workflow in (None, workflow.key)
        }
        lines: list[ReportLine] = []
        missing: dict[str, int] = defaultdict(int)
        for first, end in reversed(list(pairwise(bounds))):
            counts: dict[str, dict[str, int]] = {}
            for row in overview.reported(self._connection, self._of, list(titles), first, end):
                of_cycle = counts.setdefault(row.cycle, defaultdict(int))
                of_cycle[row.report] += row.periods
                of_cycle["zero"] += row.zero
                of_cycle["corrected"] += row.corrected
                if row.report == "missing":
                    missing[row.organisation] += row.periods
            named = self._not_reported(list(titles), first, end) if self._links else {}
            for cycle, count in counts.items():
                lines.append(self._report(first, end, cycle, titles[cycle], count, named.get(cycle, [])))
        return lines, missing

    def _report(
        self, first: datetime, end: datetime, cycle: str, title: str, count: Mapping[str, int],
        not_reported: list[MissingReport],
    ) -> ReportLine:  # fmt: skip
        within: dict[str, Said] = {"cycle": cycle, "period_from": first, "period_before": end}
        asked = [*((came, "report") for came in marks.REPORTS), *((came, "besides") for came in marks.BESIDES)]
        figures = {came: self._figure(count.get(came, 0), {**within, by: came}, self._of_periods) for came, by in asked}
        return ReportLine(month=self._name_of(first), cycle=cycle, title=title, not_reported=not_reported, **figures)

    def _not_reported(self, cycles: Sequence[str], first: datetime, end: datetime) -> dict[str, list[MissingReport]]:
        found: dict[str, list[MissingReport]] = defaultdict(list)
        for one in overview.missing(self._connection, self._of, cycles, first, end, MOST_MISSING):
            found[one.cycle].append(
                MissingReport(scope=one.scope, title=self._department(one.scope), key=one.key, number=one.number)
            )
        return found


def query_of(said: Mapping[str, Said]) -> str:
    """What a list is asked for, as it stands in its address."""
    return urlencode({name: _spelled(value) for name, value in said.items()}, doseq=True)


def _spelled(value: Said) -> str | Sequence[str]:
    if isinstance(value, bool):
        return "true" if value else "false"
    return instant_text(value) if isinstance(value, datetime) else value
