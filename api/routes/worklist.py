"""What waits for me: open cases whose next move is mine, worst deadline first."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.requests import cursor_of, due_cursor
from api.routes.cases import BASE, Limit, json_of, link_to_next, read_now
from api.schemas import CasePage
from engine.authority import stands_as
from engine.case import Case
from engine.definition import Catalog
from engine.store import worklists

router = APIRouter(prefix=BASE, tags=["worklist"])

AT_A_TIME = 200  # cases fetched from the database at once, the longest page there is


@router.get("/worklist", response_model=CasePage, summary="待办 · What waits for me")
def worklist(
    request: Request, runtime: TheRuntime, asker: SignedIn, limit: Limit = 50, cursor: str | None = None
) -> Response:
    now = runtime.clock.now()
    after = due_cursor(cursor)
    with runtime.database.read() as connection:
        mine = list(islice(_mine(runtime.engine.catalog, connection, asker, after), limit + 1))
        shown = mine[:limit]
        items = read_now(runtime, connection, asker, shown, now)
    more = len(mine) > limit
    answer = CasePage(items=items, next=cursor_of((shown[-1].due_at, shown[-1].number)) if more else None)
    return json_of(answer, headers=link_to_next(request, answer.next))


def _mine(
    catalog: Catalog, connection: Connection, asker: Asker, after: tuple[datetime | None, str] | None
) -> Iterator[Case]:
    """Every open case whose next move is the asker's, worst deadline first."""
    while True:
        # SQL finds by role and department; what holding a case means exactly, the definition says
        maybe = worklists.waiting_for(connection, asker.seen, asker.actor, limit=AT_A_TIME, after=after)
        yield from (case for case in maybe if stands_as("holder", asker.actor, case, catalog.of(case)))
        if len(maybe) < AT_A_TIME:
            return
        after = maybe[-1].due_at, maybe[-1].number
