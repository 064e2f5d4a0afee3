"""A case on one page: what it is, where it stands on its loop, what its clock says, who has to do with it, what happened, and
the steps the reader may take; for the others, why not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api import second_looks
from api.addressees import as_told, by_department, counts, standings
from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.figures import NumberAnswer, figures_answer, names_cases, query_of
from api.figures import told as told_figures
from api.inside import CAME_IN_WORDS
from api.pages.addresses import Pages
from api.pages.campaigns import Campaign, Inside, Survey, campaign_of, inside_card, survey_card
from api.pages.forms import Surroundings, Told, told
from api.pages.loop import drawn
from api.pages.paper import NAMES
from api.pages.rendering import CASES, OPEN, local, page
from api.pages.words import WORDS
from api.papers import making
from api.papers.making import Available
from api.papers.story import Story
from api.papers.summary.questions import is_detail, titled
from api.periods import report_in_words
from api.publishing import PublishedAnswer, published, publishes
from api.publishing import told as told_published
from api.reading import (
    asks_nothing,
    covered,
    most_pressing_first,
    name_for,
    offered_step,
    read_now,
    visible_case,
    who_did,
)
from api.routes.under import BASE
from api.schemas import OfferedStep, SecondLooks, event_answer
from engine.authority import allow_opening, may_see, may_see_evidence
from engine.case import ADDRESSEE, FOLLOWED_BY, WITHIN, Case
from engine.definition import WHAT_TO_DO, Form, Workflow, is_known, why_unknown
from engine.errors import Locale, NotAllowed, Text
from engine.events import Event
from engine.handle import Offer, offers
from engine.store import cases, history, people
from workflows import asking
from workflows.bulletin import BULLETIN, WITHDRAWN
from workflows.filing import can_be_corrected
from workflows.hazard import days_in_words
from workflows.joint import Coverage
from workflows.reference import levels

router = Pages(prefix=CASES)

Done = Annotated[str | None, Query(max_length=64)]

ITS_DAYS = ("limit_from", "due_by", "due_paper")  # told in a sentence beside the deadline
AFTER = ("photos_after", "photos_check")  # pictures of what was done, set beside those of before


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as the timeline shows it."""

    at: str
    found_at: str
    by: str
    title: str
    said: Sequence[Told]
    by_program: bool


@dataclass(frozen=True, slots=True)
class OfDepartment:
    """How the people of a department stand to what they have to know, in words."""

    name: str
    asked: int
    confirmed: int
    missing: Sequence[str]
    departed: Sequence[str]
    excused: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Known:
    """Who has to know of a case, and does. `departments`: for who may see every case.

    himself   how the reader stands to it himself; "" where he need not know
    """

    asked: int
    confirmed: int
    excused: int
    missing: int
    himself: str
    departments: Sequence[OfDepartment]


@dataclass(frozen=True, slots=True)
class Related:
    how: str
    number: str
    title: str


@dataclass(frozen=True, slots=True)
class PaperLine:
    """A paper of the case, or why there is none: then it has no address. `draft`: what it lacks to be issued."""

    title: Text
    at: str
    made_of: Text | None
    address: str
    files: Sequence[tuple[str, str]]
    draft: Text | None
    why_not: Text | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a filing's table shows: each number with the address of the list that has exactly these, if the reader sees it.

    table        where it is taken; "" for who may not
    departments  their titles, and of each department its name and its numbers as `lines` has them
    """

    as_of: str
    frozen: bool
    zero: bool
    version: int
    table: str
    lines: Sequence[tuple[str, int, str | None]]
    receipts: Sequence[tuple[str, str]] = ()
    not_filed: str | None = None
    departments: Sequence[tuple[str, Sequence[tuple[str, int, str | None]]]] = ()


@dataclass(frozen=True, slots=True)
class Population:
    """What a spot check was drawn from. `cases`: the address of the list that has exactly these."""

    size: int
    sha256: str
    as_of: str
    members: Sequence[str]
    cases: str


@dataclass(frozen=True, slots=True)
class Steps:
    """What the reader may do, and what not. `at_once`: those that ask nothing, so that a button does."""

    possible: Sequence[OfferedStep]
    impossible: Sequence[OfferedStep]
    at_once: frozenset[str]


@dataclass(frozen=True, slots=True)
class Times:
    """When it was opened, is due and was closed, by the school's clock; None for what is not so.

    days        the days it was given by, told in sentences
    undecided   its state has a deadline, also where none runs
    """

    opened: str
    due: str | None
    closed: str | None
    days: Sequence[Text]
    undecided: bool


@dataclass(frozen=True, slots=True)
class Shots:
    """Its pictures. `mends`: some are ever taken of what was done; `held_back`: this reader is not shown them."""

    before: Sequence[str]
    after: Sequence[str]
    mends: bool
    held_back: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What only the cases of some loops have; nothing of all others.

    correct, following   the address where a correction begins, or the bulletin that goes on from this one
    """

    known: Known | None
    coverage: Coverage | None
    campaign: Campaign | None
    inside: Inside | None
    survey: Survey | None
    looks: Sequence[SecondLooks]
    population: Population | None
    figures: Figures | None
    published: PublishedAnswer | None
    correct: str | None
    following: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """A case as it lies open: its history, and who and what is named in it."""

    workflow: Workflow
    case: Case
    events: Sequence[Event]
    around: Surroundings
    names: Mapping[str, str]
    zone: ZoneInfo


@router.get("/{number}")
def case_page(request: Request, runtime: TheRuntime, asker: SignedIn, number: str, done: Done = None) -> Response:
    now, locale = runtime.clock.now(), asker.locale
    with runtime.database.read(asker.actor.organisation) as connection:
        case = visible_case(connection, asker, number)
        [answer] = read_now(runtime, connection, asker, [case], now)
        offered = offers(runtime.engine, connection, asker.actors, case)
        events = history.events_of(connection, case.organisation, number)
        by = who_did(connection, asker, events)
        workflow = runtime.engine.catalog.of(case)
        around = _surroundings(connection, asker, case, events)
        zone = people.time_zone(connection, case.organisation)
        looked = Looked(workflow, case, events, around, _names(around, locale), zone)
        related = _related(connection, asker, case)
        beside = _beside(connection, runtime, asker, looked)
    quiet = {t.trigger for t in workflow.transitions if t.confirms}  # one by one they would bury everything else
    happened = [
        _happened(workflow, event, who, around, zone, asker)
        for event, who in zip(events, by, strict=True)
        if event.trigger not in quiet
    ]
    facts = told(_forms(workflow), case.facts, around, locale)
    papers = _papers(Story(workflow, case, events, {}, {}, zone, now))
    last = next((event for event in reversed(events) if event.trigger == done), None)
    return page(
        request, "case.html", asker=asker, active="cases", case=answer, workflow=workflow.title, level=_level(case),
        category=asking.words_of("category", case.category), names=looked.names, called=_called(workflow), related=related,
        loop=drawn(workflow, case, {event.to_state for event in events}, locale), report=report_in_words(answer.report, locale),
        unknown=None if is_known(workflow) else why_unknown(workflow), what_to_do=WHAT_TO_DO, times=_times(looked),
        steps=_steps(workflow, case, offered, asker), beside=beside, reports=CAME_IN_WORDS,
        facts=[f for f in facts if (f.words or f.lines or f.documents) and f.name not in ITS_DAYS],
        shots=Shots(
            _pictures(facts, after=False), _pictures(facts, after=True), _mends(workflow),
            not may_see_evidence(workflow, case, asker.actors),
        ),
        papers=[p for p in papers if p.address], absent=[p for p in papers if not p.address], happened=list(reversed(happened)),
        done=last and event_answer(workflow, last, locale, Text("", "")).title,
    )  # fmt: skip


def _steps(workflow: Workflow, case: Case, offered: Sequence[Offer], asker: Asker) -> Steps:
    steps = [offered_step(workflow, offer, asker) for offer in most_pressing_first(workflow, case, offered)]
    at_once = frozenset(offer.transition.trigger for offer in offered if asks_nothing(offer.transition))
    return Steps([step for step in steps if step.possible], [step for step in steps if not step.possible], at_once)


def _times(looked: Looked) -> Times:
    case, zone = looked.case, looked.zone
    return Times(
        opened=local(case.opened_at, zone),
        due=None if case.due_at is None or case.final else local(case.due_at, zone),
        closed=None if case.closed_at is None else local(case.closed_at, zone),
        days=days_in_words(case),
        undecided=looked.workflow.state(case.state).due is not None,
    )


def _beside(connection: Connection, runtime: Runtime, asker: Asker, looked: Looked) -> Beside:
    workflow, case, zone, names = looked.workflow, looked.case, looked.zone, looked.names
    shown = published(connection, case) if publishes(case) else None
    return Beside(
        known=_known(connection, workflow, asker, case, looked.events, looked.around),
        coverage=covered(connection, case),
        campaign=campaign_of(connection, asker, case),
        inside=inside_card(connection, runtime, asker, case),
        survey=survey_card(connection, runtime, asker, case, zone),
        looks=second_looks.of_spot_check(connection, asker, case),
        population=_population(case, zone),
        figures=_figures(workflow, case, asker, zone, names),
        published=None if shown is None else told_published(shown, runtime.engine.catalog, names, zone, asker.locale),
        correct=_correct(runtime, asker, workflow, case),
        following=_following(runtime, asker, workflow, case),
    )


def _papers(story: Story) -> list[PaperLine]:
    return [_paper_line(story, each) for each in making.of_story(story)]


def _paper_line(story: Story, each: Available) -> PaperLine:
    if each.event is None or each.at is None:
        return PaperLine(each.kind.title, "", None, "", (), None, each.why_not)
    said = {"event": str(each.event), **({"draft": "true"} if each.missing else {})}
    file = f"{BASE}/{story.workflow.plural}/{story.case.number}/papers/{each.kind.code}"
    return PaperLine(
        each.kind.title, local(each.at, story.zone), Text(f"第 {each.event} 号记录", f"event {each.event}"), f"{CASES}/{story.case.number}/papers/{each.kind.code}?event={each.event}",
        [(name, f"{file}.{form}?{urlencode(said)}") for form, name in NAMES.items() if form in each.kind.files], each.why_not, None,
    )  # fmt: skip


def _figures(workflow: Workflow, case: Case, asker: Asker, zone: ZoneInfo, names: Mapping[str, str]) -> Figures | None:
    if case.facts.get("figures") is None:
        return None
    counted = told_figures(case.facts["figures"], asker.locale, links=asker.seen.everything)
    departments = [
        (names.get(each.department, WORDS["figures_nobodys"].in_(asker.locale)), _lines(each.numbers, names))
        for each in counted.departments
    ]
    table = f"{BASE}/{workflow.plural}/{case.number}/table" if asker.seen.everything or not names_cases(case) else ""
    as_of = local(counted.as_of, zone)
    filed = figures_answer(workflow, case, asker.locale, links=asker.seen.everything)
    return Figures(
        as_of, filed.frozen, counted.zero, filed.version, table, _lines(counted.numbers, names),
        sorted((filed.receipts or {}).items()), None if filed.not_filed is None else f"{CASES}?{filed.not_filed}",
        departments,
    )  # fmt: skip


def _population(case: Case, zone: ZoneInfo) -> Population | None:
    kept = case.facts.get("population")
    if kept is None:
        return None
    at = local(datetime.fromisoformat(kept["as_of"]), zone)
    address = f"{CASES}?{query_of(kept['asked'], kept['as_of'])}"
    return Population(kept["size"], kept["sha256"], at, kept["members"], address)


def _lines(numbers: Iterable[NumberAnswer], names: Mapping[str, str]) -> Sequence[tuple[str, int, str | None]]:
    return [
        (
            titled(each.title, names),
            each.count,
            f"{CASES}?{each.cases}" if each.cases is not None and each.count else None,
        )
        for each in numbers
        if each.count or not is_detail(each.key)
    ]


def _correct(runtime: Runtime, asker: Asker, workflow: Workflow, case: Case) -> str | None:
    """Where a correction begins, for who may; None where there is nothing to correct."""
    if not can_be_corrected(case):
        return None
    newest = runtime.engine.catalog.get(workflow.key) or workflow
    try:
        allow_opening(newest, asker.actor, case, Text("", ""))
    except NotAllowed:
        return None
    same: dict[str, str | None] = {
        "corrects": case.number, "department": case.department, "title": case.title,
        **{name: case.facts.get(name) for name in ("first_day", "last_day")},
    }  # fmt: skip
    asked = {name: value for name, value in same.items() if name in newest.opens_with.model_fields}
    return f"{OPEN}/{workflow.key}?{urlencode(asked)}"


def _following(runtime: Runtime, asker: Asker, workflow: Workflow, case: Case) -> str | None:
    """Where the bulletin after this one begins, which counts on from it, for who may; None where there is one."""
    is_last = not any(link.kind == FOLLOWED_BY for link in case.links)
    if workflow.key != BULLETIN.key or case.state == WITHDRAWN or not is_last:
        return None
    try:
        allow_opening(runtime.engine.catalog.get(workflow.key) or workflow, asker.actor, case, Text("", ""))
    except NotAllowed:
        return None
    return f"{OPEN}/{workflow.key}?{urlencode({'follows': case.number})}"


def _surroundings(connection: Connection, asker: Asker, case: Case, events: Iterable[Event]) -> Surroundings:
    """Who is named anywhere in the case, called as the reader may call them, and what the departments are called."""
    keys = {key for values in (case.facts, *(event.data for event in events)) for key in _keys_in(values)}
    keys |= {key for key in (case.reporter, case.assignee) if key is not None}
    found = [people.person(connection, case.organisation, key) for key in sorted(keys)]
    return Surroundings(
        people=[replace(person, name=name_for(person, asker)) for person in found if person is not None],
        departments=people.departments(connection, case.organisation),
        case=case,
    )


def _keys_in(values: Mapping[str, object]) -> Iterable[str]:
    """What may be a person's key: short, and one word."""
    for value in values.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and 0 < len(each) <= 64 and " " not in each:
                yield each


def _known(
    connection: Connection, workflow: Workflow, asker: Asker, case: Case, events: Sequence[Event], around: Surroundings
) -> Known | None:
    counted = counts(case)
    if counted is None:
        return None
    people_ = people.some(connection, case.organisation, case.who_acted(ADDRESSEE))
    found = standings(workflow, case, events, people_)
    himself = next((one.standing for one in found if one.person.person in asker.selves), "")
    names = {each.code: each.name.in_(asker.locale) for each in around.departments}
    departments = [
        OfDepartment(
            names.get(code or "", WORDS["no_department"].in_(asker.locale)),
            len(group),
            sum(one.standing == "confirmed" for one in group),
            [one.person.name for one in group if one.standing == "missing"],
            [one.person.name for one in group if one.standing == "departed"],
            [(one.person.name, one.why or "") for one in group if one.standing == "excused"],
        )
        for code, group in by_department(found)
    ]
    return Known(**counted, himself=himself, departments=departments if asker.seen.everything else ())


def _names(around: Surroundings, locale: Locale) -> Mapping[str, str]:
    """Key → what the reader may call this person or department."""
    called = {person.person: person.name for person in around.people}
    return called | {department.code: department.name.in_(locale) for department in around.departments}


def _forms(workflow: Workflow) -> list[type[Form]]:
    return list(dict.fromkeys([workflow.opens_with, *map(workflow.form_of, workflow.triggers)]))


def _happened(
    workflow: Workflow, event: Event, by: Text, around: Surroundings, zone: ZoneInfo, asker: Asker
) -> Happened:
    answer = event_answer(workflow, event, asker.locale, by)
    form = workflow.opens_with if event.type == "opened" else None
    if event.trigger in workflow.triggers:
        form = workflow.form_of(event.trigger)
    shown = as_told(workflow, event, everything=asker.seen.everything, selves=asker.selves)
    said = told([form], shown.data, around, asker.locale) if form is not None else []
    found_at = event.found_at if event.found_at is not None and event.found_at != event.recorded_at else None
    return Happened(
        at=local(event.recorded_at, zone),
        found_at="" if found_at is None else local(found_at, zone),
        by=answer.by,
        title=answer.title,
        said=said,
        by_program=event.actor == "system",
    )


def _mends(workflow: Workflow) -> bool:
    """Whether pictures are ever taken of what was done; where not, there is no after to a before."""
    return any(name in AFTER for form in _forms(workflow) for name in form.model_fields)


def _called(workflow: Workflow) -> dict[str, Text]:
    """What a loop calls whoever began a case and whoever holds it; as everywhere, if it has no words of its own."""
    own = {name: Text(text.zh, text.en[:1].upper() + text.en[1:]) for name, text in workflow.own_words.items()}
    return {name: own.get(name, WORDS[name]) for name in ("reporter", "assignee")}


def _pictures(facts: Sequence[Told], *, after: bool) -> list[str]:
    return [sha for fact in facts if (fact.name in AFTER) is after for sha in fact.pictures]


def _level(case: Case) -> Text | None:
    return levels()[case.level].title if case.level in levels() else None


def _related(connection: Connection, asker: Asker, case: Case) -> list[Related]:
    found = cases.load_many(connection, case.organisation, [link.number for link in case.links])
    others = [link for link in case.links if link.kind != WITHIN]  # which stands above, beside its title
    words = {link.number: RELATED.get(link.kind, Text(link.kind, link.kind)) for link in others}
    return [
        Related(words[number].in_(asker.locale), number, found[number].title)
        for number in words
        if number in found and may_see(found[number], asker.seen)
    ]


RELATED: Mapping[str, Text] = {
    "merged_into": Text("已并入", "merged into"),
    "absorbed": Text("并入本项的", "merged into this one"),
    "rebound_of": Text("反弹自", "came back after"),
    "rebounded_as": Text("再次出现为", "came back as"),
    "parent": Text("来自", "found by"),
    "child": Text("由此登记", "opened from it"),
    "corrects": Text("更正", "corrects"),
    "files": Text("已填报", "filed"),
    "filed_in": Text("已填报于", "filed in"),
    "corrected_by": Text("已被更正为", "corrected by"),
    "revisits": Text("回头看的是", "looks again at"),
    "revisited_in": Text("回头看", "looked at again in"),
    "follows": Text("接续", "goes on from"),
    "followed_by": Text("接续本项的", "followed by"),
    "read_out_at": Text("通报于会议", "read out at"),
    "reads_out": Text("会上通报了", "read out there"),
}
