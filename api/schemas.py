"""What is answered, as pydantic models: cases, events, workflows and what surrounds them. Rendered from domain values."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel

from api.addressees import counts
from engine.case import Case
from engine.definition import (
    CycleRule,
    Form,
    FromFact,
    FromPeriod,
    State,
    Transition,
    Within,
    Workflow,
    diagram,
    form_of,
    guards_of,
)
from engine.directory import Department, Person
from engine.errors import Locale, Text
from engine.events import LOGBOOK, Event
from engine.store.files import FileRecord, Sent
from engine.store.marks import Report
from engine.store.periods import PeriodRecord
from notifications.message import Delivery, InboxMessage


class Step(BaseModel):
    trigger: str
    title: str


class HolderAnswer(BaseModel):
    """Who could take a step. `person` and `name` are told only to who may see every case."""

    post: str
    department: str | None
    person: str | None = None
    name: str | None = None


class WhyNot(BaseModel):
    """What keeps the asking person from a step; `could` who could take it today, where that is the question."""

    code: str
    sentence: str
    reason: str | None = None
    guard: str | None = None
    could: list[HolderAnswer] = []


class OfferedStep(Step):
    """A step as it looks to the asking person before its form is filled in.

    on_behalf_of   whom he would represent: the step is his only in that one's name
    form           what the step asks for, a component of `/api/v1/openapi.json`; `/api/v1/workflows/{key}` has it with its labels
    """

    possible: bool
    on_behalf_of: str | None
    form: str
    why_not: WhyNot | None


class LinkAnswer(BaseModel):
    kind: str
    number: str


class EventAnswer(BaseModel):
    """`actor` is the principal: `person:…`, `system` or `anonymous:…`. `found_at` is a claim, `recorded_at` is a fact.

    by   who did it in words, by name or, for who may not see names, by post: `安稳办主任 代 分管安全副校长`
    """

    sequence: int
    type: str
    trigger: str
    title: str
    from_state: str | None
    to_state: str
    recorded_at: AwareDatetime
    found_at: AwareDatetime | None
    actor: str
    on_behalf_of: str | None
    by: str
    policy_version: int
    calendar_version: int
    data: dict[str, Any]
    hash: str


class AcknowledgementAnswer(BaseModel):
    """How many have to know of a case, said that they do, are excused from it, and have not."""

    asked: int
    confirmed: int
    excused: int
    missing: int


class AddresseeAnswer(BaseModel):
    """Somebody who has to know of a case. `standing`: confirmed, excused, missing, or departed: missing, and gone since.

    at    when he confirmed or was excused
    why   the reason he was excused for
    """

    person: str
    name: str
    post: str
    department: str | None
    standing: str
    at: AwareDatetime | None
    why: str | None


class AddresseePage(BaseModel):
    """`items` are by department, who has not confirmed first; to who may not see every case, himself alone."""

    acknowledgement: AcknowledgementAnswer | None
    items: list[AddresseeAnswer]
    next: str | None


class ReportAnswer(BaseModel):
    """What came of the period a case was opened for: nothing, nothing yet, and that there was nothing are three answers.

    came        reported, late, waived, waiting (it has time) or missing
    zero        what was handed in says that there was nothing
    corrected   a later version of it was handed in
    """

    came: Report
    zero: bool
    corrected: bool


class CaseAnswer(BaseModel):
    """A case. `steps` are those its state knows. `due_in_words` and `report` are left to readings of now.

    report         of a case that was opened for a period, what came of it; null for a correction, which came besides
    witnessed      whether what it tells happened before this program; false of the records of an older ledger
    acknowledgement   of a case that many have to know of
    carried_over   in the book of a year, whether it was found in a year before; null in every other list
    """

    number: str
    workflow: str
    version: int
    title: str
    place: str
    state: str
    state_title: str
    counts_as: str
    final: bool
    level: str
    category: str
    mode: str
    department: str | None
    reporter: str | None
    assignee: str | None
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    acknowledged_at: AwareDatetime | None
    due_at: AwareDatetime | None
    first_due_at: AwareDatetime | None
    due_in_words: str | None
    provisional: bool
    calendar_version: int | None
    overdue: bool
    supervised: bool
    revision: int
    sequence: int
    period: str | None
    report: ReportAnswer | None = None
    signed: dict[str, tuple[str, ...]]
    facts: dict[str, Any]
    counters: dict[str, int]
    links: list[LinkAnswer]
    steps: Sequence[Step]
    witnessed: bool = True
    carried_over: bool | None = None
    acknowledgement: AcknowledgementAnswer | None = None
    event: EventAnswer | None = None


class CoverageAnswer(BaseModel):
    """How many checks there are to be, and how many have been handed in; what was called off counts in neither."""

    due: int
    visited: int


class SecondLooks(BaseModel):
    """Somebody who verified, and the second looks at what he had verified, by number; `failed` are those that did not hold.
    Where several verified one hazard, it is told of each.
    """

    person: str
    name: str
    visits: list[str]
    failed: list[str]


class CaseReading(CaseAnswer):
    """A case read by itself: each step says whether the asking person may take it, and why not.

    coverage       of a joint inspection that was drawn, as it is now
    second_looks   of a spot check: how what was verified held, by verifier; as far as the asking person is told
    """

    steps: Sequence[OfferedStep]
    coverage: CoverageAnswer | None = None
    second_looks: list[SecondLooks] = []


class BulkItem(BaseModel):
    """One of the cases of a bulk: the case as its step left it, or the problem that step alone would have had."""

    number: str
    case: CaseAnswer | None = None
    problem: "Problem | None" = None


class BulkAnswer(BaseModel):
    """Each case was judged singly: some may have been carried out and others refused."""

    carried_out: int
    refused: int
    items: list[BulkItem]


class CasePage(BaseModel):
    """`next` is the cursor of the page that follows, null on the last one."""

    items: list[CaseAnswer]
    next: str | None


class WorkItem(CaseAnswer):
    """A case that waits for the asking person; `on_behalf_of` when it waits for him as somebody's delegate."""

    on_behalf_of: str | None


class WorkPage(BaseModel):
    items: list[WorkItem]
    next: str | None


class EventList(BaseModel):
    items: list[EventAnswer]


class StateAnswer(BaseModel):
    name: str
    title: str
    counts_as: str
    final: bool
    awaits: list[str]
    due: str | None
    policy: str | None


class StepAnswer(BaseModel):
    """One arrow of the loop. `by` are roles and relations in words; `form` names what it asks for."""

    trigger: str
    title: str
    sources: list[str]
    target: str | None
    by: list[str]
    sign_off: str | None
    needs: list[str]
    form: str


class WorkflowLine(BaseModel):
    key: str
    plural: str
    version: int
    prefix: str
    title: str


class WorkflowAnswer(WorkflowLine):
    """`forms` are JSON schemas by form name; `policy` the numbers as they hold here; `diagram` is Mermaid text."""

    states: list[StateAnswer]
    steps: list[StepAnswer]
    opens_with: str
    opens_by: list[str]
    forms: dict[str, dict[str, Any]]
    policy: dict[str, Any]
    policy_version: int
    diagram: str
    fingerprint: str


class WorkflowList(BaseModel):
    items: list[WorkflowLine]


class CycleAnswer(BaseModel):
    key: str
    title: str
    workflow: str
    every: str
    scopes: list[str]


class CycleList(BaseModel):
    items: list[CycleAnswer]


class PeriodAnswer(BaseModel):
    """`missing`: past its deadline and nothing handed in, which is not zero.

    report         what came of it: reported, late, waived, waiting (it has time) or missing
    zero           what was handed in says that there was nothing
    corrected_at   when a later version of it was handed in the last time
    """

    cycle: str
    scope: str
    key: str
    opens_at: AwareDatetime
    due_at: AwareDatetime
    opened_at: AwareDatetime
    number: str
    status: str
    reported_at: AwareDatetime | None
    missing: bool
    report: Report
    zero: bool
    corrected_at: AwareDatetime | None


class PeriodList(BaseModel):
    items: list[PeriodAnswer]


class FileAnswer(BaseModel):
    """An uploaded file. `sha256` names what is kept, `sent_sha256` what was sent; `taken_at` is the camera's claim."""

    sha256: str
    media_type: str
    size_bytes: int
    uploaded_at: AwareDatetime
    sent_sha256: str | None
    name: str
    taken_at: str | None
    thumbnail: str | None


class GrantAnswer(BaseModel):
    role: str
    scope: str
    valid_from: date | None
    valid_until: date | None


class PersonAnswer(BaseModel):
    person: str
    name: str
    department: str | None
    active: bool


class Me(PersonAnswer):
    organisation: str
    locale: str
    grants: list[GrantAnswer]


class DepartmentAnswer(BaseModel):
    code: str
    name: str
    external: bool


class PeopleList(BaseModel):
    items: list[PersonAnswer]
    departments: list[DepartmentAnswer]


class InboxMessageAnswer(BaseModel):
    id: str
    how: str
    subject: str
    body: str
    link: str | None
    cases: list[str]
    received_at: AwareDatetime
    read_at: AwareDatetime | None


class InboxPage(BaseModel):
    items: list[InboxMessageAnswer]
    next: str | None


class FieldAnswer(BaseModel):
    field: str
    what: str


class Problem(BaseModel):
    """An RFC 9457 problem. `code` is stable; the sentences are in the reader's language."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    asked: str
    obstacle: str
    remedy: str
    fields: list[FieldAnswer] = []
    reason: str | None = None
    guard: str | None = None
    revision: int | None = None
    could: list[HolderAnswer] = []
    findings: list[str] = []


class Health(BaseModel):
    """`status`: ok; degraded, and `why`; or what keeps it from working."""

    status: str
    why: list[str] = []
    simulated: AwareDatetime | None = None


# --- rendering -----------------------------------------------------------------------------------------------------------


def case_answer(
    workflow: Workflow,
    case: Case,
    locale: Locale,
    now: datetime,
    *,
    event: Event | None = None,
    by: Text | None = None,
    due_in_words: str | None = None,
    report: ReportAnswer | None = None,
) -> CaseAnswer:
    """A case in one language.

    now    what *overdue* is measured against. After a write it is the event's own instant, so that the answer given
           again under the same key is the same to the byte
    by     who took the step that `event` is, as the reader may be told
    """
    clock = case.clock
    return CaseAnswer(
        number=case.number,
        workflow=case.workflow,
        version=case.version,
        title=case.title,
        place=case.place,
        state=case.state,
        state_title=workflow.state(case.state).title.in_(locale),
        counts_as=case.counts_as,
        final=case.final,
        level=case.level,
        category=case.category,
        mode=case.mode,
        department=case.department,
        reporter=case.reporter,
        assignee=case.assignee,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        acknowledged_at=case.acknowledged_at,
        due_at=case.due_at,
        first_due_at=case.first_due_at,
        due_in_words=due_in_words,
        provisional=clock.provisional if clock else False,
        calendar_version=clock.calendar_version if clock else None,
        overdue=case.overdue(now),
        supervised=case.supervised,
        revision=case.revision,
        sequence=case.sequence,
        period=case.period,
        report=report,
        signed=dict(case.signed),
        facts=dict(case.facts),
        counters=dict(case.counters),
        links=[LinkAnswer(kind=link.kind, number=link.number) for link in case.links],
        steps=[
            Step(trigger=t.trigger, title=t.title.in_(locale)) for t in workflow.transitions if case.state in t.sources
        ],
        witnessed=workflow.witnessed,
        acknowledgement=acknowledgement_of(case),
        event=None if event is None else event_answer(workflow, event, locale, by or Text(event.actor, event.actor)),
    )


def report_answer(record: PeriodRecord | None, now: datetime) -> ReportAnswer | None:
    if record is None:
        return None
    return ReportAnswer(came=record.report(now), zero=record.zero, corrected=record.corrected_at is not None)


def acknowledgement_of(case: Case) -> AcknowledgementAnswer | None:
    counted = counts(case)
    return None if counted is None else AcknowledgementAnswer(**counted)


#: events that are no step of a loop, whatever their trigger is called
EVENT_TITLES: Mapping[str, Text] = {
    "opened": Text("登记", "Opened"),
    "reminded": Text("到期提醒", "Reminded"),
    "linked": Text("关联", "Linked"),
    "recomputed": Text("期限重算", "Deadline recomputed"),
}


def other_step(code: str) -> Text:
    """A step that no loop here draws; its code is all that anybody knows of it."""
    return Text(f"其他步骤（{code}）", f"another step ({code})")


def event_answer(workflow: Workflow, event: Event, locale: Locale, by: Text) -> EventAnswer:
    """An event in one language. `by`: who did it, as the reader may be told."""
    drawn = workflow.triggers.get(event.trigger)
    title = EVENT_TITLES.get(event.type) or (drawn[0].title if drawn else other_step(event.trigger))
    return EventAnswer(
        sequence=event.sequence,
        type=event.type,
        trigger=event.trigger,
        title=title.in_(locale),
        from_state=event.from_state,
        to_state=event.to_state,
        recorded_at=event.recorded_at,
        found_at=event.found_at,
        actor=event.actor,
        on_behalf_of=event.on_behalf_of,
        by=by.in_(locale),
        policy_version=event.policy_version,
        calendar_version=event.calendar_version,
        data=dict(event.data),
        hash=event.hash,
    )


def workflow_line(workflow: Workflow, locale: Locale) -> WorkflowLine:
    return WorkflowLine(
        key=workflow.key,
        plural=workflow.plural,
        version=workflow.version,
        prefix=workflow.prefix,
        title=workflow.title.in_(locale),
    )


def workflow_answer(
    workflow: Workflow, locale: Locale, policy_version: int, overrides: dict[str, Any]
) -> WorkflowAnswer:
    forms = [workflow.opens_with, *dict.fromkeys(form_of(t) for t in workflow.transitions)]
    return WorkflowAnswer(
        **workflow_line(workflow, locale).model_dump(),
        states=[_state(workflow, state, locale) for state in workflow.states],
        steps=[_step(workflow, transition, locale) for transition in workflow.transitions],
        opens_with=workflow.opens_with.__name__,
        opens_by=[workflow.called(name).in_(locale) for name in workflow.opens_by],
        forms={form.__name__: form_schema(form, locale) for form in forms},
        policy={**workflow.defaults(), **overrides},
        policy_version=policy_version,
        diagram=diagram(workflow, locale),
        fingerprint=workflow.fingerprint,
    )


def form_schema(form: type[Form], locale: Locale) -> dict[str, Any]:
    """The form's own JSON schema, its labels in one language."""
    translated: dict[str, Any] = in_language(form.model_json_schema(), locale)
    return translated


def in_language(schema: Any, locale: Locale) -> Any:
    """The same schema with each label in this language; both stay beside it as `zh` and `en`."""
    if isinstance(schema, list):
        return [in_language(item, locale) for item in schema]
    if not isinstance(schema, dict):
        return schema
    translated = {key: in_language(value, locale) for key, value in schema.items()}
    if isinstance(schema.get("title"), str) and isinstance(schema.get(locale), str):
        translated["title"] = schema[locale]
    return translated


def _state(workflow: Workflow, state: State, locale: Locale) -> StateAnswer:
    due, policy = None, None
    if isinstance(state.due, Within):
        unit, amount = state.due.given
        due, policy = (unit, amount) if isinstance(amount, str) else (f"{amount} {unit}", None)
    elif isinstance(state.due, FromFact):
        due = state.due.fact
    elif isinstance(state.due, FromPeriod):
        due = "period"
    return StateAnswer(
        name=state.name,
        title=state.title.in_(locale),
        counts_as=state.counted,
        final=state.final,
        awaits=[workflow.called(name).in_(locale) for name in state.awaits],
        due=due,
        policy=policy,
    )


def _step(workflow: Workflow, transition: Transition, locale: Locale) -> StepAnswer:
    return StepAnswer(
        trigger=transition.trigger,
        title=transition.title.in_(locale),
        sources=list(transition.sources),
        target=transition.target,
        by=[workflow.called(name).in_(locale) for name in transition.by],
        sign_off=transition.sign_off,
        needs=[guard.name for guard in guards_of(transition.guards)],
        form=form_of(transition).__name__,
    )


def cycle_answer(workflow: Workflow, rule: CycleRule, scopes: list[str], locale: Locale) -> CycleAnswer:
    return CycleAnswer(
        key=rule.cycle.key,
        title=rule.cycle.title.in_(locale),
        workflow=workflow.key,
        every=type(rule.cycle.every).__name__,
        scopes=scopes,
    )


def period_answer(record: PeriodRecord, now: datetime) -> PeriodAnswer:
    return PeriodAnswer(
        cycle=record.cycle,
        scope=record.scope,
        key=record.key,
        opens_at=record.opens_at,
        due_at=record.due_at,
        opened_at=record.opened_at,
        number=record.number,
        status=record.status,
        reported_at=record.reported_at,
        missing=record.missing(now),
        report=record.report(now),
        zero=record.zero,
        corrected_at=record.corrected_at,
    )


def file_answer(record: FileRecord, sent: Sent) -> FileAnswer:
    return FileAnswer(
        sha256=record.sha256,
        media_type=record.media_type,
        size_bytes=record.size_bytes,
        uploaded_at=record.uploaded_at,
        sent_sha256=sent.sha256,
        name=sent.name,
        taken_at=sent.taken_at,
        thumbnail=f"/api/v1/files/{record.sha256}/thumbnail" if record.is_picture else None,
    )


def person_answer(person: Person) -> PersonAnswer:
    return PersonAnswer(person=person.person, name=person.name, department=person.department, active=person.active)


def department_answer(department: Department, locale: Locale) -> DepartmentAnswer:
    return DepartmentAnswer(code=department.code, name=department.name.in_(locale), external=department.external)


def inbox_answer(message: InboxMessage) -> InboxMessageAnswer:
    return InboxMessageAnswer(
        id=message.id,
        how=message.how,
        subject=message.subject,
        body=message.body,
        link=message.link,
        cases=list(message.cases),
        received_at=message.received_at,
        read_at=message.read_at,
    )


def delivery_line(delivery: Delivery) -> dict[str, Any]:
    """A delivery as `bihuan outbox list --json` shows it: no address, no text."""
    return {
        "id": delivery.id,
        "case": None if delivery.notice.case == LOGBOOK else delivery.notice.case,
        "reason": delivery.notice.reason,
        "to": delivery.addressee.key,
        "channel": delivery.channel,
        "account": delivery.account,
        "how": delivery.how,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "planned_at": delivery.planned_at.isoformat(),
        "not_before": delivery.not_before.isoformat(),
        "sent_at": None if delivery.sent_at is None else delivery.sent_at.isoformat(),
        "answer": delivery.answer,
    }
