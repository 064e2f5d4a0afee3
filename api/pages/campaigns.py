"""What the page of a case says besides where it is a campaign, a survey, or was opened in a campaign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.auth import Asker
from api.bootstrap import Runtime
from api.inside import CAME_IN_WORDS, InsideAnswer, answer_in_words, answered, inside_of, is_survey
from api.pages.forms import opens_by_hand
from api.pages.rendering import CASES, OPEN, local
from api.reading import visible_case
from api.requests import IN_CAMPAIGN
from api.routes.under import BASE
from engine.authority import may_open_any
from engine.case import Case
from engine.definition import Catalog
from engine.errors import NotAllowed, Text, UnknownCase
from engine.store import people
from workflows.survey import SURVEY

STANDINGS: Mapping[str, Text] = {
    "ended": Text("已结束", "ended"),
    "running": Text("进行中", "running"),
    "ahead": Text("未开始", "still to come"),
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign that a case is opened in: a chip that leads to it."""

    number: str
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Inside:
    """What was opened in a campaign, in words.

    phases        (title, days, how it stands)
    loops         (loop, (state, count, overdue, address of the list)…)
    departments   (name, in time, late, sent back, still to come, missing, waived, others opened, whether it is silent)
    silent        the names of those of whom nothing came
    opens         (title, address) of what the reader may open inside; nothing once the campaign has ended
    """

    phases: Sequence[tuple[str, str, Text]]
    loops: Sequence[tuple[str, Sequence[tuple[str, int, int, str]]]]
    departments: Sequence[tuple[str, int, int, int, int, int, int, int, bool]]
    silent: Sequence[str]
    all: str
    opens: Sequence[tuple[Text, str]]


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey put together: what each department answered, and who has not.

    rows   (department, what came, when, corrected, address, answers)
    """

    questions: Sequence[str]
    rows: Sequence[tuple[str, Text, str, int, str, Sequence[str]]]
    missing: Sequence[str]
    files: Sequence[tuple[str, str]]


def campaign_of(connection: Connection, asker: Asker, case: Case) -> Campaign | None:
    """The campaign a case was opened in, if the reader may see it."""
    return None if case.within is None else campaign_called(connection, asker, case.within)


def campaign_called(connection: Connection, asker: Asker, number: str) -> Campaign | None:
    try:
        found = visible_case(connection, asker, number)
    except UnknownCase:
        return None
    return Campaign(found.number, found.title, f"{CASES}/{found.number}")


def inside_card(connection: Connection, runtime: Runtime, asker: Asker, case: Case) -> Inside | None:
    """None where the case holds no others."""
    catalog = runtime.engine.catalog
    if not catalog.of(case).holds:
        return None
    told = inside_of(connection, catalog, asker, case, runtime.clock.now())
    names = {each.code: each.name.in_(asker.locale) for each in people.departments(connection, case.organisation)}
    return Inside(
        phases=[(each.title, f"{each.first_day} — {each.last_day}", STANDINGS[each.standing]) for each in told.phases],
        loops=_by_loop(told),
        departments=[
            (
                names.get(each.department, each.department), each.reported, each.late, each.returned, each.waiting, each.missing,
                each.waived, each.opened, each.silent,
            )
            for each in told.departments
        ],
        silent=[names.get(code, code) for code in told.silent],
        all=f"{CASES}?{told.cases}",
        opens=[] if case.final else _opens(catalog, asker, case),
    )  # fmt: skip


def _by_loop(told: InsideAnswer) -> list[tuple[str, Sequence[tuple[str, int, int, str]]]]:
    found: dict[str, list[tuple[str, int, int, str]]] = {}
    for each in told.loops:
        line = (each.state_title, each.count, each.overdue, f"{CASES}?{each.cases}")
        found.setdefault(each.title, []).append(line)
    return list(found.items())


def _opens(catalog: Catalog, asker: Asker, case: Case) -> list[tuple[Text, str]]:
    found = []
    for loop in catalog.newest():
        if loop.holds or not opens_by_hand(loop):
            continue
        try:
            may_open_any(loop, asker.actor, Text("", ""))
        except NotAllowed:
            continue
        found.append((loop.title, f"{OPEN}/{loop.key}?{urlencode({IN_CAMPAIGN: case.number})}"))
    return found


def survey_card(connection: Connection, runtime: Runtime, asker: Asker, case: Case, zone: ZoneInfo) -> Survey | None:
    """None where the case is no survey."""
    if not is_survey(case):
        return None
    page = answered(connection, asker, case, runtime.clock.now())
    rows = [
        (
            line.department_title, CAME_IN_WORDS[line.came], "" if line.handed_in_at is None else local(line.handed_in_at, zone),
            line.corrected, f"{CASES}/{line.number}",
            [answer_in_words(each, line.answers.get(each.number), asker.locale) for each in page.questions],
        )
        for line in page.items
    ]  # fmt: skip
    called = {line.department: line.department_title for line in page.items}
    file = f"{BASE}/{SURVEY.plural}/{case.number}/answers"
    return Survey(
        [f"{each.number}. {each.text}" for each in page.questions],
        rows,
        [called[code] for code in page.missing],
        [(name, f"{file}?format={form}") for form, name in (("xlsx", "Excel"), ("csv", "CSV"))],
    )
