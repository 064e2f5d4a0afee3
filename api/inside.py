"""What was opened in a campaign and what its departments owe; and a survey put together, department by department.

Nothing of what is told here is kept anywhere: it is counted from the cases whenever somebody looks, of those he may see.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection

from api.auth import Asker
from api.bootstrap import Runtime
from api.papers.listing import Column
from api.periods import REPORTS
from api.trail import Reader, Taken, noted, on_the_wall
from engine.authority import may_see
from engine.case import Case
from engine.definition import Catalog
from engine.errors import Locale, Text
from engine.store import cases, history, inside, people
from workflows import asking
from workflows.campaign import CAMPAIGN
from workflows.owed import HANDED_IN_BY, Came, OfDepartment, by_department, came_of
from workflows.survey import SURVEY, numbered, options_of

#: what came of what a department owes; of a period's five words none says that something was sent back
CAME_IN_WORDS: Mapping[Came, Text] = {
    "reported": REPORTS["reported"],
    "late": REPORTS["late"],
    "returned": Text("退回未再报", "sent back"),
    "waiting": REPORTS["waiting"],
    "missing": REPORTS["missing"],
    "waived": REPORTS["waived"],
}

#: of cases opened inside, those that put what others do there together: nobody's own work
NOT_COUNTED = ("task", "survey", "survey_answer", "stage_summary")


# --- a campaign ------------------------------------------------------------------------------------------------------


class PhaseAnswer(BaseModel):
    """`standing`: ended, running, or ahead."""

    title: str
    first_day: date
    last_day: date
    standing: str


class InsideLine(BaseModel):
    """Cases of one loop that stand at one state. `cases`: the query of the list that has them (`/api/v1/cases?…`)."""

    workflow: str
    title: str
    state: str
    state_title: str
    counts_as: str
    count: int
    overdue: int
    cases: str


class DepartmentLine(BaseModel):
    """How many of the reports and survey answers a department owes came in time, late, were sent back and are not in again, came
    not yet, not at all (`missing`, which is not zero), or are asked for no longer.

    silent   it owed something, its day has passed, and nothing came at all
    opened   how many other cases inside it answers for
    """

    department: str
    reported: int
    late: int
    returned: int
    waiting: int
    missing: int
    waived: int
    silent: bool
    opened: int


class InsideAnswer(BaseModel):
    """`departments`: those of the scope, each also where there is nothing to tell of it. `cases`: the list of all inside."""

    number: str
    phases: list[PhaseAnswer]
    loops: list[InsideLine]
    departments: list[DepartmentLine]
    silent: list[str]
    cases: str


def inside_of(connection: Connection, catalog: Catalog, asker: Asker, case: Case, now: datetime) -> InsideAnswer:
    """Of the cases the asker may see."""
    lines = inside.counted(connection, asker.seen, case.number, now)
    owed = [
        each
        for each in inside.cases_of(connection, asker.seen, case.number, tuple(HANDED_IN_BY))
        if each.workflow != "task" or _gave_out(case, each)
    ]
    handed_in = history.first_taken(
        connection, case.organisation, [each.number for each in owed], set(HANDED_IN_BY.values())
    )
    opened = inside.departments(connection, asker.seen, case.number, NOT_COUNTED)
    departments = by_department(case.facts.get("departments", ()), owed, handed_in, opened, now)
    return InsideAnswer(
        number=case.number,
        phases=_phases(case),
        loops=[_line(catalog, asker.locale, case, each) for each in lines],
        departments=[_department(each) for each in departments],
        silent=[each.department for each in departments if each.silent],
        cases=f"within={case.number}",
    )


def _gave_out(campaign: Case, task: Case) -> bool:
    """Whether it is a report that the campaign itself asked for: notices inside give out tasks of their own."""
    return any(link.kind == "parent" and link.number == campaign.number for link in task.links)


def _phases(case: Case) -> list[PhaseAnswer]:
    """Of another loop that holds cases there may be none."""
    if case.workflow != CAMPAIGN.key:
        return []
    at = case.facts.get("phase", -1)
    over = case.counts_as in ("fixed", "verified", "closed")

    def standing(place: int) -> str:
        if place < at or (place == at and over):
            return "ended"
        return "running" if place == at else "ahead"

    return [PhaseAnswer(**phase, standing=standing(place)) for place, phase in enumerate(case.facts["phases"])]


def _line(catalog: Catalog, locale: Locale, case: Case, line: inside.Line) -> InsideLine:
    # of several versions, whichever knows the state
    known = [w for w in catalog.every() if w.key == line.workflow and any(s.name == line.state for s in w.states)]
    drawn = known[-1].state(line.state)
    return InsideLine(
        workflow=line.workflow,
        title=known[-1].title.in_(locale),
        state=line.state,
        state_title=drawn.title.in_(locale),
        counts_as=drawn.counted,
        count=line.count,
        overdue=line.overdue,
        cases=f"within={case.number}&workflow={line.workflow}&state={line.state}",
    )


def _department(line: OfDepartment) -> DepartmentLine:
    came = {str(name): count for name, count in line.came.items()}
    return DepartmentLine(department=line.department, silent=line.silent, opened=line.opened, **came)


# --- a survey --------------------------------------------------------------------------------------------------------


class QuestionAnswer(BaseModel):
    number: str
    text: str
    kind: str
    options: list[str]


class AnsweredLine(BaseModel):
    """What came from a department. `answers`: by the number of the question, in the newest version; empty where none came.

    came         reported, late, returned, waiting, missing (which is not zero) or waived
    corrected    how many further versions there were
    waived_for   why it need not answer
    """

    department: str
    department_title: str
    number: str
    came: Came
    handed_in_at: AwareDatetime | None
    corrected: int
    answers: dict[str, str]
    waived_for: str | None


class AnsweredPage(BaseModel):
    """A survey put together. `missing`: the departments whose day has passed without an answer."""

    number: str
    questions: list[QuestionAnswer]
    items: list[AnsweredLine]
    missing: list[str]


def answered(connection: Connection, asker: Asker | Reader, survey: Case, now: datetime) -> AnsweredPage:
    """Of the answers the asker may see, in the order the departments were named in."""
    asked = numbered(survey.facts["questions"])
    children = [link.number for link in survey.links if link.kind == "child"]
    found = cases.load_many(connection, survey.organisation, children)
    seen = [found[number] for number in children if number in found and may_see(found[number], asker.seen)]
    handed_in = history.first_taken(
        connection, survey.organisation, [each.number for each in seen], set(HANDED_IN_BY.values())
    )
    names = {each.code: each.name.in_(asker.locale) for each in people.departments(connection, survey.organisation)}
    items = [_answered(each, names, handed_in.get(each.number), now) for each in seen]
    return AnsweredPage(
        number=survey.number,
        questions=[
            QuestionAnswer(number=number, text=each["text"], kind=each["kind"], options=list(options_of(each)))
            for number, each in asked.items()
        ],
        items=items,
        missing=[each.department for each in items if each.came == "missing"],
    )


def _answered(case: Case, names: Mapping[str, str], handed_in: datetime | None, now: datetime) -> AnsweredLine:
    department = case.department or ""
    waived = case.state == "excused"
    return AnsweredLine(
        department=department,
        department_title=names.get(department, department),
        number=case.number,
        came=came_of(case, handed_in, now),
        handed_in_at=handed_in,
        corrected=case.counters.get("corrected", 0),
        answers=case.facts.get("answers", {}),
        waived_for=case.facts.get("reason") if waived else None,
    )


def answer_in_words(question: QuestionAnswer, answer: str | None, locale: Locale) -> str:
    """An answer as people read it; nothing where none came."""
    words = asking.words_of("yes_no", answer or "") if question.kind == "yes_no" else None
    return words.in_(locale) if words is not None else answer or ""


def take_answers(runtime: Runtime, reader: Reader, survey: Case) -> Taken:
    """The survey put together as a file, a row a department. Raises Busy where the note could not be made durable."""
    here, now = reader.actor.organisation, runtime.clock.now()
    with runtime.database.read(here) as connection:
        page = answered(connection, reader, survey, now)
        zone = people.time_zone(connection, here)
    noted(runtime, reader, "survey", {"case": survey.number}, len(page.items))
    return Taken("survey", len(page.items), answer_columns(page, reader.locale, zone), iter([page.items]))


OF_DEPARTMENT = Text("部门", "Department")
OF_CAME = Text("填报情况", "What came")
OF_HANDED_IN = Text("填报时间", "Answered at")
OF_CORRECTED = Text("更正次数", "Corrected, times")
OF_WAIVED = Text("免报理由", "Excused because")
OF_NUMBER = Text("编号", "Number")


def answer_columns(page: AnsweredPage, locale: Locale, zone: ZoneInfo) -> Sequence[Column]:
    when = partial(on_the_wall, zone=zone)

    def of_question(question: QuestionAnswer) -> Column:
        said = partial(_said, question, locale)
        return f"{question.number}. {question.text}", said

    return [
        (OF_DEPARTMENT.in_(locale), lambda line: line.department_title),
        (OF_CAME.in_(locale), lambda line: CAME_IN_WORDS[line.came].in_(locale)),
        *map(of_question, page.questions),
        (OF_HANDED_IN.in_(locale), lambda line: when(line.handed_in_at)),
        (OF_CORRECTED.in_(locale), lambda line: line.corrected or ""),
        (OF_WAIVED.in_(locale), lambda line: line.waived_for),
        (OF_NUMBER.in_(locale), lambda line: line.number),
    ]


def _said(question: QuestionAnswer, locale: Locale, line: Any) -> str:
    return answer_in_words(question, line.answers.get(question.number), locale)


def is_survey(case: Case) -> bool:
    return case.workflow == SURVEY.key
