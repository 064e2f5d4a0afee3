"""What waits for me, or for somebody I represent: open cases, worst deadline first."""

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from itertools import islice

from fastapi import Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.requests import cursor_of, due_cursor
from api.routes.cases import Limit, json_of, link_to_next, read_now
from api.routes.under import BASE, Router
from api.schemas import WorkItem, WorkPage
from engine.actor import Actor
from engine.authority import stands_as
from engine.case import Case
from engine.definition import Catalog
from engine.store import worklists

router = Router(prefix=BASE, tags=["worklist"])

NO_DEADLINE = datetime.max.replace(tzinfo=UTC)
AT_A_TIME = 200  # cases fetched from the database at once, the longest page there is


@router.get("/worklist", response_model=WorkPage, summary="待办 · What waits for me")
def worklist(
    request: Request, runtime: TheRuntime, asker: SignedIn, limit: Limit = 50, cursor: str | None = None
) -> Response:
    now = runtime.clock.now()
    after = due_cursor(cursor)
    catalog = runtime.engine.catalog
    with runtime.database.read(asker.actor.organisation) as connection:
        streams = [_waiting_for(catalog, connection, asker, actor, after, limit + 1) for actor in asker.actors]
        mine = list(islice(_each_once(merge(*streams, key=_by_deadline)), limit + 1))
        shown = mine[:limit]
        items = read_now(runtime, connection, asker, [case for case, _ in shown], now)
    last = shown[-1][0] if len(mine) > limit else None
    answer = WorkPage(
        items=[
            WorkItem(**{**dict(item), "on_behalf_of": actor.on_behalf_of})
            for item, (_, actor) in zip(items, shown, strict=True)
        ],
        next=cursor_of((last.due_at, last.number)) if last is not None else None,
    )
    return json_of(answer, headers=link_to_next(request, answer.next))


def _waiting_for(
    catalog: Catalog,
    connection: Connection,
    asker: Asker,
    actor: Actor,
    after: tuple[datetime | None, str] | None,
    at_a_time: int,
) -> Iterator[tuple[Case, Actor]]:
    """Every open case whose next move is this actor's, worst deadline first.

    at_a_time    how many are fetched to begin with: what is shown, as the database leaves little to judge
    """
    while True:
        # SQL finds by role and department; what holding a case means exactly, the definition says
        maybe = worklists.waiting_for(connection, asker.seen, actor, limit=at_a_time, after=after)
        yield from ((case, actor) for case in maybe if stands_as("holder", actor, case, catalog.of(case)))
        if len(maybe) < at_a_time:
            return
        after, at_a_time = (maybe[-1].due_at, maybe[-1].number), AT_A_TIME


def _by_deadline(waiting: tuple[Case, Actor]) -> tuple[bool, datetime, str]:
    """The order the database gives: the earliest deadline first, cases without one last."""
    case, _ = waiting
    return case.due_at is None, case.due_at or NO_DEADLINE, case.number


def _each_once(waiting: Iterator[tuple[Case, Actor]]) -> Iterator[tuple[Case, Actor]]:
    """A case that waits for him and for somebody he represents is his own: he needs nobody's name for it."""
    told: set[str] = set()
    for case, actor in waiting:
        if case.number not in told:
            told.add(case.number)
            yield case, actor
