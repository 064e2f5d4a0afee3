"""Cases: open, list, read, act. The addresses of each loop are drawn from its definition, its forms typed in OpenAPI."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api import second_looks
from api.acting import asked_by, tell_done, told_refusal
from api.addressees import Standing, addressees, as_told
from api.auth import Asker, SignedIn, TheRuntime, asker_of, runtime_of
from api.books import BookAnswer, book_of_year
from api.bootstrap import Runtime
from api.problems import defect, problem, problem_content, unknown_address
from api.reading import LONGEST_NAME, called_to, covered, did, offered_step, read_now, visible_case, who_did
from api.requests import (
    FOUND_AT,
    IN_CAMPAIGN,
    Answers,
    Instant,
    Key,
    after_cursor,
    answers_of,
    cursor_of,
    expected_revision_of,
    key_of,
    no_cursor,
    read_as,
    take_found_at,
    take_within,
    takes_nothing,
    unreadable,
)
from api.routes.answering import (
    KEY_HEADER,
    REVISION_HEADER,
    Cursor,
    Limit,
    body_of,
    component,
    json_of,
    link_to_next,
    refusals,
)
from api.routes.filtering import AsOf, Year, filter_of, filter_of_all, must_have_been, must_have_begun, not_yet_known
from api.routes.taking import FILES, AsFile, file_of, headers_alone, must_be_whole
from api.routes.under import BASE, PROBLEMS, Router
from api.schemas import (
    AddresseeAnswer,
    AddresseePage,
    BulkAnswer,
    BulkItem,
    CaseAnswer,
    CasePage,
    CaseReading,
    CoverageAnswer,
    EventList,
    Problem,
    acknowledgement_of,
    case_answer,
    event_answer,
)
from api.trail import Reader, brought_up_to_date, cases_at, of_book, saying_what_is_missing, take_cases
from engine.case import CASE_NUMBER
from engine.commands import Asked, FireTrigger, OpenCase
from engine.definition import Catalog, Form, Workflow
from engine.errors import Busy, Refusal, Text
from engine.handle import Done, Failed, Idle, Outcome, Refused, offers, unknown_case
from engine.store import books, history, known, worklists
from engine.store.known import CHANGES, Change, Changed, Stood
from engine.store.worklists import Filter

log = structlog.get_logger(__name__)

Endpoint = Callable[..., Awaitable[Response]]

MOST_AS_OF = 100  # cases of a page of then: each is folded from its events, at a millisecond a case
MOST_AT_ONCE = 200  # cases of one bulk: the longest page of a list


class BulkCase(BaseModel):
    """One case of a bulk, and the revision the asker looked at; without it whatever it has come to is taken."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[str, Field(max_length=LONGEST_NAME)]
    revision: Annotated[int, Field(ge=1, strict=True)] | None = None


class Bulk(BaseModel):
    """The same step for many cases, with the same answers to its form. Each is judged by itself."""

    model_config = ConfigDict(extra="forbid")
    items: list[BulkCase] = Field(min_length=1, max_length=MOST_AT_ONCE)
    data: dict[str, Any] = {}


def routers(catalog: Catalog) -> list[APIRouter]:
    """`/cases`, and for the newest version of every workflow its own addresses."""
    every = Router()
    every.add_api_route(
        "/cases", _list_of(None), methods=["GET"], response_model=CasePage, tags=["cases"],
        summary="Cases of every loop", responses={200: FILES, **refusals(401, 422)},
    )  # fmt: skip
    every.add_api_route(
        "/cases/figures", count_cases, methods=["GET"], response_model=CaseFigures, tags=["cases"],
        summary="统计 · How many are open, overdue, closed", responses=refusals(401, 422),
    )  # fmt: skip
    every.add_api_route(
        "/cases/books", read_book, methods=["GET"], response_model=BookAnswer, tags=["cases"],
        summary="年度台账 · The book of a year, box by box", responses=refusals(401, 422),
    )  # fmt: skip
    every.add_api_route(
        "/cases/changes", list_changes, methods=["GET"], response_model=ChangesPage, tags=["cases"],
        summary="变化 · What changed between two instants", responses=refusals(401, 422),
    )  # fmt: skip
    return [every, *map(_of, catalog.newest())]


def forms_of(catalog: Catalog) -> dict[str, type[Form]]:
    """Every form of the newest definitions by name: components of the OpenAPI document."""
    found: dict[str, type[Form]] = {}
    for workflow in catalog.newest():
        for form in (workflow.opens_with, *(workflow.form_of(trigger) for trigger in workflow.triggers)):
            found[form.__name__] = form
    return found


def _of(workflow: Workflow) -> APIRouter:
    routes = Router()
    plural, tags = f"/{workflow.plural}", [workflow.key]
    title = f"{workflow.title.zh} · {workflow.title.en}"
    routes.add_api_route(
        plural, _open(workflow), methods=["POST"], status_code=201, response_model=CaseAnswer, tags=list(tags),
        summary=f"登记 · Open: {title}", operation_id=f"open_{workflow.key}", responses=PROBLEMS,
        openapi_extra=_body(workflow.opens_with, revisions=False),
    )  # fmt: skip
    routes.add_api_route(
        plural, _list_of(workflow), methods=["GET"], response_model=CasePage, tags=list(tags),
        summary=f"列表 · List: {title}", operation_id=f"list_{workflow.key}",
        responses={200: FILES, **refusals(401, 422)},
    )  # fmt: skip
    routes.add_api_route(
        f"{plural}/{{number}}", _read(workflow), methods=["GET"], response_model=CaseReading, tags=list(tags),
        summary=f"查看 · Read: {title}", operation_id=f"read_{workflow.key}",
        responses=refusals(401, 404, 422),
    )  # fmt: skip
    routes.add_api_route(
        f"{plural}/{{number}}/events", _events(workflow), methods=["GET"], response_model=EventList, tags=list(tags),
        summary=f"经过 · History: {title}", operation_id=f"events_of_{workflow.key}", responses=refusals(401, 404),
    )  # fmt: skip
    if workflow.addresses_many:
        routes.add_api_route(
            f"{plural}/{{number}}/addressees", _addressees(workflow), methods=["GET"], response_model=AddresseePage,
            tags=list(tags), summary=f"知晓情况 · Who has to know: {title}", operation_id=f"addressees_of_{workflow.key}",
            responses=refusals(401, 404, 422),
        )  # fmt: skip
    for trigger, transitions in workflow.triggers.items():
        # before the step itself, which would take `bulk` for a number
        routes.add_api_route(
            f"{plural}/bulk/{trigger}", _bulk(workflow, trigger), methods=["POST"], response_model=BulkAnswer,
            tags=list(tags), summary=f"批量{transitions[0].title.zh} · {transitions[0].title.en}, many at once",
            operation_id=f"bulk_{trigger}_{workflow.key}", responses=refusals(401, 413, 415, 422, 429),
            openapi_extra=body_of(Bulk, KEY_HEADER),
        )  # fmt: skip
        routes.add_api_route(
            f"{plural}/{{number}}/{trigger}", _step(workflow, trigger), methods=["POST"], response_model=CaseAnswer,
            tags=list(tags), summary=f"{transitions[0].title.zh} · {transitions[0].title.en}",
            operation_id=f"{trigger}_{workflow.key}", responses=PROBLEMS,
            openapi_extra=_body(workflow.form_of(trigger), revisions=True),
        )  # fmt: skip
    # a case pinned to an older version may know steps the newest does not; whatever else is asked gets words
    routes.add_api_route(
        f"{plural}/{{number}}/{{trigger}}", _any_step(workflow), methods=["POST"], response_model=CaseAnswer,
        include_in_schema=False,
    )  # fmt: skip
    return routes


def _body(form: type[Form], *, revisions: bool) -> dict[str, Any]:
    needed = any(info.is_required() for info in form.model_fields.values())
    return body_of(form, KEY_HEADER, *([REVISION_HEADER] if revisions else []), needed=needed)


# --- reading ---------------------------------------------------------------------------------------------------------------


def _list_of(workflow: Workflow | None) -> Callable[..., Response]:
    chosen_by = filter_of if workflow is not None else filter_of_all

    def list_cases(
        request: Request,
        runtime: TheRuntime,
        asker: SignedIn,
        wanted: Annotated[Filter, Depends(chosen_by)],
        as_of: AsOf = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        form: AsFile = None,
    ) -> Response:
        if workflow is not None:
            wanted = replace(wanted, workflow=workflow.key)
        now = runtime.clock.now()
        must_have_been(as_of, now)
        if form is not None:
            must_be_whole(request)
            if takes_nothing(request):
                return headers_alone(form)
            return file_of(partial(take_cases, runtime, Reader.of(asker), wanted, as_of), form)
        after = after_cursor(cursor)
        behind = as_of is not None or wanted.by_marks
        unnumbered = brought_up_to_date(runtime, asker.actor.organisation) if behind else 0
        with runtime.database.read(asker.actor.organisation) as connection:
            if as_of is None:
                page = worklists.page(connection, asker.seen, wanted, now, limit=limit, after=after)
                items = read_now(runtime, connection, asker, page.cases, now)
            else:
                few = min(limit, MOST_AS_OF)
                page = known.page(connection, asker.seen, wanted, as_of, limit=few, after=after)
                items = cases_at(runtime.engine.catalog, page.cases, as_of, asker.locale)
            items = of_book(items, page.cases, books.book_of(connection, asker.actor.organisation, wanted.book))
        answer = CasePage(items=items, next=cursor_of(page.next_after) if page.next_after else None)
        return json_of(answer, headers={**link_to_next(request, answer.next), **saying_what_is_missing(unnumbered)})

    return list_cases


class FiguresLine(BaseModel):
    """What is overdue is open too."""

    workflow: str
    open: int
    overdue: int
    closed: int


class CaseFigures(BaseModel):
    """How many cases there are, by loop and together, as they were known at `as_of`."""

    as_of: AwareDatetime
    items: list[FiguresLine]
    open: int
    overdue: int
    closed: int


def count_cases(
    runtime: TheRuntime, asker: SignedIn, wanted: Annotated[Filter, Depends(filter_of_all)], as_of: AsOf = None
) -> Response:
    """Of the cases the filter finds, as they are known now or were known at an instant."""
    at = runtime.clock.now()
    must_have_been(as_of, at)
    must_have_no_words(wanted)
    at = as_of or at
    unnumbered = brought_up_to_date(runtime, asker.actor.organisation)
    with runtime.database.read(asker.actor.organisation) as connection:
        lines = known.figures(connection, asker.seen, wanted, at)
    answer = CaseFigures(
        as_of=at,
        items=[
            FiguresLine(workflow=line.workflow, open=line.open, overdue=line.overdue, closed=line.closed)
            for line in lines
        ],
        open=sum(line.open for line in lines),
        overdue=sum(line.overdue for line in lines),
        closed=sum(line.closed for line in lines),
    )
    return json_of(answer, headers=saying_what_is_missing(unnumbered))


def read_book(runtime: TheRuntime, asker: SignedIn, year: Year = None) -> Response:
    """Of the cases the asker may see; without a year, the newest book there is."""
    must_have_begun(year, runtime.clock.now(), "year")
    found = book_of_year(runtime, asker, year)
    return json_of(found.answer, headers=saying_what_is_missing(found.unnumbered))


def must_have_no_words(wanted: Filter) -> None:
    if wanted.q is not None:
        unreadable(Text("此处不能按文字查找", "words are not looked for here"), "q")


class StoodAnswer(BaseModel):
    """How a case stood at an instant, as far as lists ask for it."""

    state: str
    counts_as: str
    final: bool
    level: str
    category: str
    department: str | None
    assignee: str | None
    due_at: AwareDatetime | None
    overdue: bool


class ChangedCase(BaseModel):
    """`changes`: opened, moved to another state, closed, became overdue. `before` is null of one that was opened since."""

    number: str
    workflow: str
    opened_at: AwareDatetime
    changes: list[Change]
    before: StoodAnswer | None
    after: StoodAnswer


class ChangeCounts(BaseModel):
    opened: int
    moved: int
    closed: int
    overdue: int


class ChangesPage(BaseModel):
    """`counts` are of all of them, on the first page; a case may have changed in more ways than one."""

    since: AwareDatetime
    until: AwareDatetime
    items: list[ChangedCase]
    counts: ChangeCounts | None
    next: str | None


def list_changes(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    wanted: Annotated[Filter, Depends(filter_of_all)],
    since: Annotated[Instant, Query(alias="from", description="The earlier instant")],
    until: Annotated[Instant, Query(alias="to", description="The later one, at which they stand otherwise")],
    change: Annotated[Change | None, Query(description="Only those to which this happened between the two")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """How cases stand at the later instant that stood otherwise at the earlier one: as known then, and as filtered then."""
    must_have_been(until, runtime.clock.now(), "to")
    must_have_no_words(wanted)
    if since >= until:
        unreadable(Text("from 必须早于 to", "from has to be earlier than to"), "from")
    after = after_cursor(cursor)
    unnumbered = brought_up_to_date(runtime, asker.actor.organisation)
    with runtime.database.read(asker.actor.organisation) as connection:
        found, following = known.changed(
            connection, asker.seen, wanted, since, until, how=change, limit=limit, after=after and after[1]
        )
        counts = None if after else known.count_changed(connection, asker.seen, wanted, since, until)
    answer = ChangesPage(
        since=since,
        until=until,
        items=[_changed(each, since, until) for each in found],
        counts=None if counts is None else ChangeCounts(**counts),
        next=None if following is None else cursor_of((until, following)),
    )
    return json_of(answer, headers={**link_to_next(request, answer.next), **saying_what_is_missing(unnumbered)})


def _changed(changed: Changed, since: datetime, until: datetime) -> ChangedCase:
    return ChangedCase(
        number=changed.number,
        workflow=changed.after.workflow,
        opened_at=changed.after.opened_at,
        changes=[change for change in CHANGES if change in changed.how],
        before=None if changed.before is None else _stood(changed.before, since),
        after=_stood(changed.after, until),
    )


def _stood(stood: Stood, at: datetime) -> StoodAnswer:
    return StoodAnswer(
        state=stood.state, counts_as=stood.counts_as, final=stood.final, level=stood.level, category=stood.category,
        department=stood.department, assignee=stood.assignee, due_at=stood.due_at, overdue=stood.overdue(at),
    )  # fmt: skip


def _read(workflow: Workflow) -> Callable[..., Response]:
    def read_case(runtime: TheRuntime, asker: SignedIn, number: str, as_of: AsOf = None) -> Response:
        now = runtime.clock.now()
        must_have_been(as_of, now)
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
            if as_of is not None:
                then = known.known(connection, case.organisation, number, as_of)
                if then is None:
                    raise not_yet_known(number, as_of)
                [answer] = cases_at(runtime.engine.catalog, [then], as_of, asker.locale)
                # what could be done then is past
                return json_of(CaseReading(**{**dict(answer), "steps": []}))
            [answer] = read_now(runtime, connection, asker, [case], now)
            offered = offers(runtime.engine, connection, asker.actors, case)
            found = covered(connection, case)
            looks = second_looks.of_spot_check(connection, asker, case)
        steps = [offered_step(runtime.engine.catalog.of(case), offer, asker) for offer in offered]
        coverage = None if found is None else CoverageAnswer(due=found.due, visited=found.visited)
        reading = CaseReading(**{**dict(answer), "steps": steps, "coverage": coverage, "second_looks": looks})
        return json_of(reading, headers={"ETag": f'"{case.revision}"'})

    return read_case


def _events(workflow: Workflow) -> Callable[..., Response]:
    def read_events(runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
            found = history.events_of(connection, case.organisation, number)
            told = who_did(connection, asker, found)
        pinned = runtime.engine.catalog.of(case)
        shown = [as_told(pinned, event, everything=asker.seen.everything, selves=asker.selves) for event in found]
        items = [event_answer(pinned, event, asker.locale, by) for event, by in zip(shown, told, strict=True)]
        answer = EventList(items=items)
        return json_of(answer, headers={"ETag": f'"{case.sequence}"'})

    return read_events


def _addressees(workflow: Workflow) -> Callable[..., Response]:
    def read_addressees(
        request: Request,
        runtime: TheRuntime,
        asker: SignedIn,
        number: str,
        standing: Annotated[Standing | None, Query(description="Only those who stand so")] = None,
        department: Annotated[str | None, Query(description="Only those of this department, by its code")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """The cursor is the key of the last one shown: it says nothing that the page did not."""
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
            found = addressees(connection, runtime.engine.catalog.of(case), case)
        wanted = [
            one
            for one in found
            if (asker.seen.everything or one.person.person in asker.selves)
            and standing in (None, one.standing)
            and department in (None, one.person.department)
        ]
        keys = [one.person.person for one in wanted]
        if cursor is not None and cursor not in keys:
            no_cursor()
        start = 0 if cursor is None else keys.index(cursor) + 1
        shown = wanted[start : start + limit]
        following = shown[-1].person.person if start + limit < len(wanted) else None
        answer = AddresseePage(
            acknowledgement=acknowledgement_of(case),
            items=[
                AddresseeAnswer(
                    person=one.person.person, name=one.person.name, post=one.person.post,
                    department=one.person.department, standing=one.standing, at=one.at, why=one.why,
                )
                for one in shown
            ],
            next=following,
        )  # fmt: skip
        return json_of(answer, headers=link_to_next(request, answer.next))

    return read_addressees


# --- writing ---------------------------------------------------------------------------------------------------------------


def _open(workflow: Workflow) -> Endpoint:
    route = f"POST {BASE}/{workflow.plural}"

    async def open_case(request: Request) -> Response:
        data, found_at = take_found_at(await answers_of(request))
        data, within = take_within(data)
        command = OpenCase(workflow.key, data, found_at=found_at, within=within)
        asked = asked_by(asker_of(request), command, route, await key_of(request))
        return await _act(request, asked, created=workflow)

    return open_case


def _step(workflow: Workflow, trigger: str) -> Endpoint:
    async def take_step(request: Request, number: str) -> Response:
        if not _in_series(workflow, number):
            raise unknown_case(number[:LONGEST_NAME])
        data, found_at = take_found_at(await answers_of(request))
        command = FireTrigger(number, trigger, data, expected_revision_of(request), found_at)
        key = await key_of(request)
        return await _act(request, asked_by(asker_of(request), command, _route(workflow, number, trigger), key))

    return take_step


def _in_series(workflow: Workflow, number: str) -> bool:
    """The series of a number names its loop, so a wrong plural is found without asking the database."""
    return CASE_NUMBER.fullmatch(number) is not None and number.rsplit("-", 2)[0] == workflow.prefix


def _route(workflow: Workflow, number: str, trigger: str) -> str:
    return f"POST {BASE}/{workflow.plural}/{number}/{trigger}"


def _any_step(workflow: Workflow) -> Endpoint:
    async def take_any_step(request: Request, number: str, trigger: str) -> Response:
        if len(trigger) > LONGEST_NAME or not trigger.isidentifier():
            raise unknown_address()
        return await _step(workflow, trigger)(request, number)

    return take_any_step


def _bulk(workflow: Workflow, trigger: str) -> Callable[..., Response]:
    def take_steps(request: Request, runtime: TheRuntime, asker: SignedIn, answers: Answers, key: Key) -> Response:
        bulk = read_as(Bulk, answers, runtime.engine.words)
        numbers = [item.number for item in bulk.items]
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            unreadable(Text(f"{'、'.join(twice)} 列了两次", f"{', '.join(twice)} is listed twice"), "items")
        data, found_at = take_found_at(bulk.data)
        asked = {
            item.number: asked_by(
                asker,
                FireTrigger(item.number, trigger, data, item.revision, found_at),
                _route(workflow, item.number, trigger),  # as asked singly, so that a key answers for either way
                key,
            )
            for item in bulk.items
            if _in_series(workflow, item.number)
        }
        outcomes = dict(zip(asked, runtime.writer.ask_all(list(asked.values())), strict=True))
        items = [
            _judged(request, runtime, asker, number, asked.get(number), outcomes.get(number)) for number in numbers
        ]
        done = sum(item.case is not None for item in items)
        return json_of(BulkAnswer(carried_out=done, refused=len(items) - done, items=items))

    return take_steps


def _judged(
    request: Request, runtime: Runtime, asker: Asker, number: str, asked: Asked | None, outcome: Outcome | Busy | None
) -> BulkItem:
    """What became of one case of a bulk, told as if it had been asked by itself."""
    refusal: Refusal
    if asked is None or outcome is None:
        refusal = unknown_case(number)
    elif isinstance(outcome, Done):
        tell_done(asker, outcome)
        return BulkItem(number=number, case=_answer_of(runtime, asker, outcome))
    elif isinstance(outcome, Busy):
        refusal = outcome
    elif isinstance(outcome, Refused):
        refusal = told_refusal(runtime, asker, asked, outcome)
    else:
        assert isinstance(outcome, Failed)  # people's commands are carried out or refused
        log.error("defect", case=number, exc_info=outcome.error)
        refusal = defect()
    runtime.metrics.refused(refusal)
    instance = request.url.path.replace("/bulk/", f"/{number}/")
    told = problem_content(refusal, asker.locale, instance, names=asker.seen.everything)
    return BulkItem(number=number, problem=Problem(**told))


async def _act(request: Request, asked: Asked, *, created: Workflow | None = None) -> Response:
    """Carry a command out and answer with the case as its event left it: the same bytes each time the key comes back, as
    long as whoever acted is called the same.

    Waiting costs no thread, so many can: those of the web server are for who reads.
    """
    runtime, asker = runtime_of(request), asker_of(request)
    outcome = await runtime.writer.ask(asked)
    if isinstance(outcome, Refused):
        refusal = told_refusal(runtime, asker, asked, outcome)
        runtime.metrics.refused(refusal)
        return problem(refusal, asker.locale, request.url.path, names=asker.seen.everything)
    if isinstance(outcome, Failed):
        raise outcome.error
    assert not isinstance(outcome, Idle)  # people's commands are carried out or refused
    tell_done(asker, outcome)
    headers = {"ETag": f'"{outcome.case.revision}"', "Content-Language": asker.locale}
    if created is not None:
        headers["Location"] = f"{BASE}/{created.plural}/{outcome.case.number}"
    if outcome.replayed:
        headers["Idempotency-Replayed"] = "true"
    if _knows_who(asker, outcome):
        answer = _answer_of(runtime, asker, outcome)
    else:
        answer = await run_in_threadpool(_answer_of, runtime, asker, outcome)
    return json_of(answer, status=201 if created else 200, headers=headers)


def _knows_who(asker: Asker, done: Done) -> bool:
    """Whether what was read to know who asks says whose step this was: as a rule, since it was his."""
    return all(
        key is None or key.partition(":")[2] in asker.known for key in (done.event.actor, done.event.on_behalf_of)
    )


def _answer_of(runtime: Runtime, asker: Asker, done: Done) -> CaseAnswer:
    case, event = done.case, done.event
    if _knows_who(asker, done):
        keys = {key for key in (event.actor, event.on_behalf_of) if key is not None}
        by = did({key: called_to(asker, key, asker.known.get) for key in keys}, event)
    else:
        with runtime.database.read(asker.actor.organisation) as connection:
            [by] = who_did(connection, asker, [event])
    return case_answer(runtime.engine.catalog.of(case), case, asker.locale, event.recorded_at, event=event, by=by)


def form_components(catalog: Catalog) -> dict[str, Any]:
    """The forms as OpenAPI components, each with what may stand beside it: in every body the claim `found_at`, in one
    that opens a case the campaign it is opened in."""
    found_at = {
        "type": "string", "format": "date-time", "title": "发现时间", "zh": "发现时间", "en": "Found at",
        "description": "When the asker says he found it: a claim, shown as such",
    }  # fmt: skip
    within = {
        "type": "string", "title": "所属专项行动", "zh": "所属专项行动", "en": "Campaign",
        "description": "The number of the open campaign it is opened in",
    }  # fmt: skip
    components: dict[str, Any] = {}
    opening = {workflow.opens_with.__name__ for workflow in catalog.newest()}
    for name, form in forms_of(catalog).items():
        components |= component(name, form)
        beside = {FOUND_AT: found_at} | ({IN_CAMPAIGN: within} if name in opening else {})
        for beside_name, described in beside.items():
            components[name].setdefault("properties", {}).setdefault(beside_name, described)
    return components
