"""The trail: events and refusals by whatever they are asked by, counted, and as files to take away."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel

from api.auth import SignedIn, TheRuntime
from api.requests import Instant, place_cursor, place_of, takes_nothing, unreadable, without_nul
from api.routes.answering import Cursor, Limit, json_of, link_to_next, refusals
from api.routes.filtering import one_of
from api.routes.taking import FILES, AsFile, file_of, headers_alone, must_be_whole
from api.routes.under import Router
from api.trail import (
    Reader,
    TrailEntry,
    Words,
    brought_up_to_date,
    principal_of,
    saying_what_is_missing,
    take_events,
)
from engine.errors import Text
from engine.events import EventType
from engine.store import people, questions
from engine.store.questions import OF_TIME, Asked, Dimension, Outcome

router = Router(tags=["events"])

MOST_COUNTED = 10_000  # lines of one answer
Word = Annotated[str | None, Query(max_length=80), AfterValidator(without_nul)]
RESPONSES: dict[int | str, dict[str, Any]] = refusals(401, 422)


class TrailPage(BaseModel):
    """`next` is the cursor of the page that follows, null on the last one. `unnumbered`: events that were recorded before and
    are not in the answer yet, as on a full disk or just after an upgrade; 0 as a rule.
    """

    items: list[TrailEntry]
    next: str | None
    unnumbered: int


class EntryCount(BaseModel):
    """How many entries there are of these values, in the order of `by`; null for those that have none."""

    of: list[str | None]
    count: int


class CountsAnswer(BaseModel):
    """The greatest counts first. `total` counts every entry, also those of lines that are not listed (`more`). `unnumbered` as
    of a page.
    """

    by: list[str]
    items: list[EntryCount]
    total: int
    more: bool
    unnumbered: int
    counted_at: AwareDatetime


async def asked_of(  # async, so that it costs no thread
    runtime: TheRuntime,
    since: Annotated[Instant | None, Query(alias="from", description="Recorded at this instant or later")] = None,
    before: Annotated[Instant | None, Query(alias="to", description="Recorded earlier than this")] = None,
    person: Annotated[Word, Query(description="What he did and what was done in his name")] = None,
    actor: Annotated[Word, Query(description="Who did it himself: a person's key, or `system`")] = None,
    on_behalf_of: Annotated[Word, Query(description="In whose name it was done, by that person's key")] = None,
    action: Annotated[Word, Query(description="A step, or `open`; of refusals also `read`")] = None,
    type_: Annotated[EventType | None, Query(alias="type", description="A type of event; refusals have none")] = None,
    case: Annotated[Word, Query(description="A case's number; `logbook` for what was done with the records")] = None,
    department: Annotated[Word, Query(description="Of the case after the event; of refusals, today")] = None,
    workflow: Annotated[Word, Query(description="Of this loop alone, by its key")] = None,
    outcome: Annotated[Outcome | None, Query(description="What was done, or what was refused")] = None,
) -> Asked:
    """What is asked of the trail. A misspelt word is refused where it is known which there are."""
    one_of("workflow", workflow, [loop.key for loop in runtime.engine.catalog.newest()])
    if since is not None and before is not None and since >= before:
        unreadable(Text("from 必须早于 to", "from has to be earlier than to"), "from")
    return Asked(
        since=since, before=before, person=principal_of(person), actor=principal_of(actor),
        on_behalf_of=principal_of(on_behalf_of), action=action, type=type_, case=case, department=department,
        workflow=workflow, outcome=outcome,
    )  # fmt: skip


Question = Annotated[Asked, Depends(asked_of)]


@router.get(
    "/events", response_model=TrailPage, responses={200: FILES, **RESPONSES},
    summary="审计 · Events and refusals, newest first",
)  # fmt: skip
def list_events(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    asked: Question,
    limit: Limit = 50,
    cursor: Cursor = None,
    form: AsFile = None,
) -> Response:
    """Those of cases the asker may see, and what he was refused himself; whoever oversees sees all of them."""
    reader = Reader.of(asker)
    if form is not None:
        must_be_whole(request)
        if takes_nothing(request):
            return headers_alone(form)
        return file_of(partial(take_events, runtime, reader, asked), form)
    after = place_of(cursor)
    unnumbered = brought_up_to_date(runtime, asker.actor.organisation)
    with runtime.database.read(asker.actor.organisation) as connection:
        found, following = questions.page(connection, reader.eyes, asked, limit=limit, after=after)
        items = Words(runtime.engine.catalog, reader).entries(connection, found)
    answer = TrailPage(items=items, next=place_cursor(following) if following else None, unnumbered=unnumbered)
    return json_of(answer, headers={**link_to_next(request, answer.next), **saying_what_is_missing(unnumbered)})


@router.get(
    "/events/counts",
    response_model=CountsAnswer,
    responses=RESPONSES,
    summary="审计统计 · Events and refusals, counted",
)
def count_events(
    runtime: TheRuntime,
    asker: SignedIn,
    asked: Question,
    by: Annotated[
        list[Dimension], Query(min_length=1, max_length=2, description="What they are counted by, one or two")
    ],
    limit: Annotated[
        int, Query(ge=1, le=MOST_COUNTED, description="So many lines at most, the greatest counts first")
    ] = 1_000,
) -> Response:
    """By one or two of what they are asked by. Days and months are those of the organisation's time zone."""
    must_be_two(by)
    here, reader = asker.actor.organisation, Reader.of(asker)
    unnumbered = brought_up_to_date(runtime, here)
    now = runtime.clock.now()
    with runtime.database.read(here) as connection:
        counted = questions.counts(connection, reader.eyes, asked, by, people.time_zone(connection, here))
    return json_of(
        CountsAnswer(
            by=list(by),
            items=[EntryCount(of=list(of), count=count) for of, count in questions.greatest(counted, limit)],
            total=counted.total(),
            more=len(counted) > limit,
            unnumbered=unnumbered,
            counted_at=now,
        ),
        headers=saying_what_is_missing(unnumbered),
    )


def must_be_two(by: list[Dimension]) -> None:
    """Raises InvalidInput for what says the same twice."""
    if len(set(by)) < len(by) or set(OF_TIME) <= set(by):
        unreadable(
            Text(
                "by 应为两个不同的项目；日和月只能选一个",
                "by has to be two different things; day and month count as one",
            ),
            "by",
        )
