"""What is counted before a step is taken: the figures that filings and stage summaries carry, how many cases a list showed as
it was known when the period was over; and what a spot check draws from.

What is behind a number is kept as the list's question and never as a copy of the list: asked again later it shows the same
cases. A draw keeps the list besides, for whoever repeats it without this program. Figures are computed here and nowhere typed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, get_type_hints
from urllib.parse import urlencode

from pydantic import AwareDatetime, BaseModel

from api.papers.summary import questions
from engine.actor import Visibility
from engine.calendar import Calendar
from engine.case import CORRECTED_BY, CORRECTS, FILED_IN, Case, instant_text
from engine.definition import Workflow
from engine.errors import Busy, Locale, Text
from engine.handle import Engine, FiguresOf
from engine.sealing import number
from engine.store import calendars, known, people, worklists
from engine.store.database import Connection, Database
from engine.store.worklists import Filter
from workflows import bulletin, hazard_report, portal, spot_check, stage_summary, weekly
from workflows.filing import BEFORE, DAYS, DEPARTMENT, FROM, Figures, Number

NUMBERING_SECONDS = 1.0  # that a step may wait for what was recorded to be in the trail; a few thousand events
AT_ONCE = 200  # cases read at a time
MOMENT = timedelta(microseconds=1)  # what lies before an instant is known at the one before it
NOBODYS = "-"  # in place of a department: what was given to none yet


def counting(figures: Figures) -> FiguresOf:
    """Counts these, as of the last moment of what the case covers."""

    def count(database: Database, case: Case, now: datetime) -> Mapping[str, Any]:
        since, before = (datetime.fromisoformat(case.facts[name]) for name in ("covers_from", "covers_before"))
        if not is_over(case, now):
            raise ValueError(f"{case.number} covers what is not over yet; its guard lets nobody ask")
        as_of = before - MOMENT
        _know_everything(database, case)
        meant = {FROM: instant_text(since), BEFORE: instant_text(before), DEPARTMENT: case.department}
        numbers: dict[str, Any] = {}
        everything = Visibility(case.organisation, everything=True)
        with database.read(case.organisation) as connection:
            zone = people.time_zone(connection, case.organisation)
            meant[DAYS] = f"{since.astimezone(zone).date()}..{as_of.astimezone(zone).date()}"
            for each in figures.numbers:
                asked = _meant(each.asks, meant)
                numbers[each.key] = {"count": how_many(connection, case.organisation, asked, as_of), "cases": asked}
            by_number = {
                each.key: known.count_by_department(connection, everything, filter_of(_meant(each.asks, meant)), as_of)
                for each in figures.by_department
            }
        zero = numbers[figures.found]["count"] == 0
        counted = {"name": figures.name, "as_of": instant_text(as_of), "zero": zero, "numbers": numbers}
        if figures.by_department:
            counted |= {
                "since": meant[FROM],
                "before": meant[BEFORE],
                "days": meant[DAYS],
                "departments": _turned(by_number),
            }
        return counted

    return count


def _meant(asks: Mapping[str, Any], meant: Mapping[str, Any]) -> dict[str, Any]:
    """The question with what stands for the period and the department put in."""
    return {name: meant.get(value, value) if isinstance(value, str) else value for name, value in asks.items()}


def _turned(by_number: Mapping[str, Mapping[str | None, int]]) -> dict[str, dict[str, int]]:
    """Department → its numbers, nought included; only departments of which there is any."""
    codes = sorted({code or NOBODYS for counts in by_number.values() for code in counts})
    return {
        code: {key: counts.get(None if code == NOBODYS else code, 0) for key, counts in by_number.items()}
        for code in codes
    }


@dataclass(frozen=True, slots=True)
class Counted:
    """A number as a filing carries it. `cases`: the question of the list that shows exactly these."""

    number: Number
    count: int
    cases: Mapping[str, Any]


def by_department(figures: Mapping[str, Any]) -> Mapping[str, Mapping[str, Counted]]:
    """Department → its numbers by key. No question is kept for them: the name of the figures and what they cover say it."""
    if not (counted := figures.get("departments")):
        return {}
    meant = {FROM: figures["since"], BEFORE: figures["before"], DAYS: figures["days"]}
    asked = [(each, _meant(each.asks, meant)) for each in NAMED[figures["name"]].by_department]
    return {
        code: {each.key: Counted(each, counts[each.key], {**question, **_of(code)}) for each, question in asked}
        for code, counts in counted.items()
    }


def _of(code: str) -> Mapping[str, Any]:
    return {"without": ["department"]} if code == NOBODYS else {"department": code}


def population(database: Database, case: Case, now: datetime) -> Mapping[str, Any]:
    """What a spot check draws from, as it was known at the last moment of the day before: so nobody chooses the hour, and nothing
    that is done today can put a hazard in or take it out.
    """
    with database.read(case.organisation) as connection:
        calendar = calendars.newest(connection, case.organisation)
    assert calendar is not None  # no command is decided without one
    as_of = calendar.start_of(calendar.local_date(now)) - MOMENT
    asked = spot_check.question_of(case, calendar)
    _know_everything(database, case)
    everything = Visibility(case.organisation, everything=True)
    with database.read(case.organisation) as connection:
        found = known.numbers(connection, everything, filter_of(asked), as_of, spot_check.MOST_POPULATION + 1)
    return spot_check.population_of(asked, instant_text(as_of), found)


def how_many(connection: Connection, organisation: str, asked: Mapping[str, Any], as_of: datetime) -> int:
    """How many cases the list has of which this is asked, in all of the organisation."""
    return known.count(connection, Visibility(organisation, everything=True), filter_of(asked), as_of)


def cases_behind(connection: Connection, case: Case) -> list[Case]:
    """The cases that a filing found, as they were known then, oldest first."""
    kept = case.facts["figures"]
    asked = kept["numbers"][NAMED[kept["name"]].found]["cases"]
    return which(connection, case.organisation, asked, datetime.fromisoformat(kept["as_of"]))


def which(
    connection: Connection, organisation: str, asked: Mapping[str, Any], at: datetime, most: int | None = None
) -> list[Case]:
    """The cases of which this is asked, in all of the organisation, as they were known at this instant, oldest first; of more
    than `most`, not all.
    """
    wanted, seen = filter_of(asked), Visibility(organisation, everything=True)
    found, after = list[Case](), None
    while True:
        page = known.page(connection, seen, wanted, at, limit=AT_ONCE, after=after)
        found, after = [*found, *page.cases], page.next_after
        if after is None or (most is not None and len(found) >= most):
            return found[::-1]


def filter_of(asked: Mapping[str, Any]) -> Filter:
    """A list's question as it is kept, as the list takes it."""
    return Filter(**{name: _taken(name, value) for name, value in asked.items()})


_INSTANTS = frozenset(name for name, hint in get_type_hints(Filter).items() if hint == datetime | None)


def _taken(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return datetime.fromisoformat(value) if name in _INSTANTS else value


def _know_everything(database: Database, case: Case) -> None:
    """Whatever was recorded before is in the trail. Raises Busy where so much waits for it that nobody may wait for that."""
    enough = time.monotonic() + NUMBERING_SECONDS

    def going_on() -> bool:
        return time.monotonic() < enough

    number(database, case.organisation, going_on=going_on)
    if not going_on():
        raise Busy(
            asked=Text(f"统计 {case.number} 的数字", f"Count the figures of {case.number}"),
            obstacle=Text("还有很多记录未编入", "many records are not in the trail yet"),
            remedy=Text("请过一分钟再试", "Try again in a minute"),
        )


def counting_summary(database: Database, case: Case, now: datetime) -> Mapping[str, Any]:
    """The numbers of a stage summary as they were known when its period was over, each with its title and its question; of one
    that carries numbers already the very questions that it keeps, whatever the directory and the calendar have become.
    """
    before = datetime.fromisoformat(case.facts["covers_before"])
    if not is_over(case, now):
        raise ValueError(f"{case.number} covers what is not over yet; its guard lets nobody ask")
    as_of, kept, here = before - MOMENT, case.facts.get("figures"), case.organisation
    _know_everything(database, case)
    with database.read(here) as connection:
        if kept is None:
            calendar = calendars.newest(connection, here)
            assert calendar is not None  # nothing is opened without one
            first, last = (date.fromisoformat(case.facts[name]) for name in ("first_day", "last_day"))
            kept = summary_of(connection, here, calendar, first, last)
        numbers = {
            key: {**number, "count": how_many(connection, here, number["cases"], as_of)}
            for key, number in kept["numbers"].items()
        }
    return {
        "name": stage_summary.FIGURES, "as_of": instant_text(as_of), "zero": not any(n["count"] for n in numbers.values()),
        "breaks": kept["breaks"], "numbers": numbers,
    }  # fmt: skip


def summary_of(
    connection: Connection, organisation: str, calendar: Calendar, first: date, last: date
) -> Mapping[str, Any]:
    """What a stage summary of these days asks, before anything is counted: the school breaks, as far as they lie in them, and the
    numbers by key, each with title and question.
    """
    breaks = [
        {"name": pause.name, "first": max(pause.first, first).isoformat(), "last": min(pause.last, last).isoformat()}
        for pause in calendar.breaks
        if pause.first <= last and first <= pause.last
    ]
    stretches = [
        questions.stretch(calendar, each["name"], *(date.fromisoformat(each[end]) for end in ("first", "last")))
        for each in breaks
    ]
    codes = [each.code for each in people.departments(connection, organisation)]
    asked = questions.numbers(questions.stretch(calendar, "", first, last), stretches, codes)
    return {
        "breaks": breaks,
        "numbers": {each.key: {"title": each.title.zh, "cases": dict(each.asks)} for each in asked},
    }


#: what is counted, by the name it has for good; a stage summary's numbers depend on its period, and stand in itself
NAMED: Mapping[str, Figures] = {
    figures.name: figures
    for figures in (
        *(each for loop in (weekly, portal, hazard_report) for each in (loop.FIGURES_1, loop.FIGURES)),
        bulletin.FIGURES,
    )
}
#: by the name under which steps take them
FIGURES: Mapping[str, FiguresOf] = {
    **{name: counting(figures) for name, figures in NAMED.items()},
    spot_check.POPULATION: population,
    stage_summary.FIGURES: counting_summary,
}


# --- in words ------------------------------------------------------------------------------------------------------------


class NumberAnswer(BaseModel):
    """A number. `cases` is the query of the list that shows exactly these (`/api/v1/cases?…`, `/cases?…`); null where the asker
    does not see all of them.
    """

    key: str
    title: str
    count: int
    cases: str | None


class DepartmentFigures(BaseModel):
    """The numbers of a department; `-` is what was given to none yet. A department that is not told of has none of them."""

    department: str
    numbers: list[NumberAnswer]


class CountedAnswer(BaseModel):
    """Numbers as they were known at `as_of`. `zero`: there was nothing, which is an answer."""

    name: str
    as_of: AwareDatetime
    zero: bool
    numbers: list[NumberAnswer]
    departments: list[DepartmentFigures] = []


class FilingFigures(BaseModel):
    """What a filing carries, and the same counted again.

    frozen      whether it is signed; until then it may be compiled again
    snapshot    null before it is compiled
    again       null where it was not asked for
    differing   the keys of numbers that are others now, which no signed filing should have
    receipts    what a platform calls what was found, by the number of the case; null for what goes to none, and where the asker
                does not see all of that
    not_filed   the query of the list of what was found and has no number there
    """

    number: str
    period: str
    version: int
    corrects: str | None
    corrected_by: str | None
    frozen: bool
    snapshot: CountedAnswer | None
    again: CountedAnswer | None
    equal: bool | None
    differing: list[str]
    receipts: dict[str, str] | None = None
    not_filed: str | None = None


def told(figures: Mapping[str, Any], locale: Locale, *, links: bool) -> CountedAnswer:
    """Figures as a filing keeps them, in words.

    links   whether the asker sees every case behind them
    """
    titles = titles_of(figures)
    return CountedAnswer(
        name=figures["name"],
        as_of=figures["as_of"],
        zero=figures["zero"],
        numbers=[
            NumberAnswer(
                key=key,
                title=titles[key].in_(locale) if key in titles else key,
                count=number["count"],
                cases=query_of(number["cases"], figures["as_of"]) if links else None,
            )
            for key, number in figures["numbers"].items()
        ],
        departments=[
            DepartmentFigures(
                department=code,
                numbers=[
                    NumberAnswer(
                        key=key,
                        title=each.number.title.in_(locale),
                        count=each.count,
                        cases=query_of(each.cases, figures["as_of"]) if links else None,
                    )
                    for key, each in numbers.items()
                ],
            )
            for code, numbers in by_department(figures).items()
        ],
    )


def titles_of(figures: Mapping[str, Any]) -> Mapping[str, Text]:
    """What the numbers are called that these figures hold, by key."""
    if figures["name"] == stage_summary.FIGURES:
        return questions.titles(figures["numbers"], [each["name"] for each in figures["breaks"]])
    return {number.key: number.title for number in NAMED[figures["name"]].numbers}


def query_of(asked: Mapping[str, Any], as_of: str) -> str:
    """The question behind a number as it stands in a list's address."""
    plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return urlencode({**plain, "as_of": as_of}, doseq=True)


def figures_of(workflow: Workflow) -> str | None:
    """The name of the figures that a loop's filings or summaries carry; None for a loop that carries none."""
    carried = {*NAMED, stage_summary.FIGURES}
    return next((step.figures for step in workflow.transitions if step.figures in carried), None)


def figures_answer(
    workflow: Workflow, case: Case, locale: Locale, *, links: bool, again: Mapping[str, Any] | None = None
) -> FilingFigures:
    kept = case.facts.get("figures")
    compared = kept is not None and again is not None
    linked = {link.kind: link.number for link in case.links}
    names_all = links and case.workflow == portal.PORTAL.key
    return FilingFigures(
        receipts=dict(portal.receipts_of(case)) if names_all else None,
        not_filed=not_filed(kept) if names_all and kept is not None else None,
        number=case.number,
        period=case.facts["period"],
        version=case.facts["version"],
        corrects=linked.get(CORRECTS),
        corrected_by=linked.get(CORRECTED_BY),
        frozen=is_frozen(workflow, case),
        snapshot=None if kept is None else told(kept, locale, links=links),
        again=None if again is None else told(again, locale, links=links),
        equal=kept == again if compared else None,
        differing=differing(kept, again) if kept is not None and again is not None else [],
    )


def not_filed(figures: Mapping[str, Any]) -> str:
    """The question of what was found and has no number in the platform yet: in our book, and not in theirs."""
    asked = {**figures["numbers"][NAMED[figures["name"]].found]["cases"], "without_action": [FILED_IN]}
    return urlencode(asked, doseq=True)


def names_cases(case: Case) -> bool:
    """Whether the table of what was counted has a row for each case: it is for who may see them all."""
    kept = case.facts.get("figures")
    return kept is not None and kept["name"] in portal.NAMES


def is_frozen(workflow: Workflow, case: Case) -> bool:
    """Whether no step that counts leads on from here: it is signed."""
    return case.facts.get("figures") is not None and not any(
        step.figures for step in workflow.transitions if case.state in step.sources
    )


def is_over(case: Case, now: datetime) -> bool:
    """Whether what the filing covers is over, so that it can be counted."""
    return now >= datetime.fromisoformat(case.facts["covers_before"])


def differing(kept: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """The keys of the numbers that are not the same in both."""
    before, after = _flat(kept), _flat(again)
    return [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]


def _flat(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Every number by its key, those of departments by `key.CODE`."""
    of_each = figures.get("departments", {}).items()
    return {**figures["numbers"], **{f"{key}.{code}": n for code, counts in of_each for key, n in counts.items() if n}}


class CountedAgain(BaseModel):
    """A signed filing, and the keys of its numbers that are others when they are counted again."""

    number: str
    title: str
    differing: list[str]


def counted_again(engine: Engine, organisation: str, number: str | None = None) -> list[CountedAgain]:
    """Every signed filing of the organisation, or the one of this number if it is one, counted again; oldest first."""
    seen, now = Visibility(organisation, everything=True), engine.clock.now()
    loops = [workflow.key for workflow in engine.catalog.newest() if figures_of(workflow) is not None]
    with engine.database.read(organisation) as connection:
        found = [
            case for key in loops for case in worklists.all_cases(connection, seen, Filter(workflow=key), now)
            if is_frozen(engine.catalog.of(case), case) and number in (None, case.number)
        ]  # fmt: skip
    told = []
    for case in found:
        kept = case.facts["figures"]
        again = engine.figures[kept["name"]](engine.database, case, now)
        told.append(CountedAgain(number=case.number, title=case.title, differing=differing(kept, again)))
    return told
