"""What is counted before a step is taken: the figures that filings and stage summaries carry, how many cases a list showed as
it was known when the period was over; and what a spot check draws from.

What is behind a number is kept as the list's question and never as a copy of the list: asked again later it shows the same
cases. A draw keeps the list besides, for whoever repeats it without this program. Figures are computed here and nowhere typed.
"""

import time
from collections.abc import Mapping
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
from workflows import hazard_report, portal, spot_check, stage_summary, weekly
from workflows.filing import BEFORE, DEPARTMENT, FROM, Figures

NUMBERING_SECONDS = 1.0  # that a step may wait for what was recorded to be in the trail; a few thousand events
AT_ONCE = 200  # cases read at a time
MOMENT = timedelta(microseconds=1)  # what lies before an instant is known at the one before it


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
        with database.read(case.organisation) as connection:
            for each in figures.numbers:
                asked = {
                    name: meant.get(value, value) if isinstance(value, str) else value
                    for name, value in each.asks.items()
                }
                numbers[each.key] = {"count": how_many(connection, case.organisation, asked, as_of), "cases": asked}
        zero = numbers[figures.found]["count"] == 0
        return {"name": figures.name, "as_of": instant_text(as_of), "zero": zero, "numbers": numbers}

    return count


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


def which(connection: Connection, organisation: str, asked: Mapping[str, Any], at: datetime) -> list[Case]:
    """The cases of which this is asked, in all of the organisation, as they were known at this instant, oldest first."""
    wanted, seen = filter_of(asked), Visibility(organisation, everything=True)
    found, after = list[Case](), None
    while True:
        page = known.page(connection, seen, wanted, at, limit=AT_ONCE, after=after)
        found, after = [*found, *page.cases], page.next_after
        if after is None:
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
    figures.name: figures for figures in (weekly.FIGURES, portal.FIGURES, hazard_report.FIGURES)
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


class CountedAnswer(BaseModel):
    """Numbers as they were known at `as_of`. `zero`: there was nothing, which is an answer."""

    name: str
    as_of: AwareDatetime
    zero: bool
    numbers: list[NumberAnswer]


class FiguresAnswer(BaseModel):
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
    """The name of the figures that a loop's filings carry; None for a loop that carries none."""
    return next((step.figures for step in workflow.transitions if step.figures in NAMED), None)


def figures_answer(
    workflow: Workflow, case: Case, locale: Locale, *, links: bool, again: Mapping[str, Any] | None = None
) -> FiguresAnswer:
    kept = case.facts.get("figures")
    compared = kept is not None and again is not None
    linked = {link.kind: link.number for link in case.links}
    names_all = links and case.workflow == portal.PORTAL.key
    return FiguresAnswer(
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
    return kept is not None and kept["name"] == portal.FIGURES.name


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
    before, after = kept["numbers"], again["numbers"]
    return [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]


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
