"""What waits for me, or for somebody I represent: open cases, worst deadline first."""

from datetime import UTC, datetime
from heapq import merge
from itertools import islice

from fastapi import Request, Response

from api.auth import SignedIn, TheRuntime
from api.reading import by_deadline, each_once, read_now, waiting_for
from api.requests import cursor_of, due_cursor
from api.routes.answering import Cursor, Limit, json_of, link_to_next
from api.routes.under import Router
from api.schemas import WorkItem, WorkPage

router = Router(tags=["worklist"])

NO_DEADLINE = datetime.max.replace(tzinfo=UTC)
AT_A_TIME = 200  # cases fetched from the database at once, the longest page there is


@router.get("/worklist", response_model=WorkPage, summary="待办 · What waits for me")
def worklist(
    request: Request, runtime: TheRuntime, asker: SignedIn, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    now = runtime.clock.now()
    after = due_cursor(cursor)
    catalog = runtime.engine.catalog
    with runtime.database.read(asker.actor.organisation) as connection:
        streams = [waiting_for(catalog, connection, asker, actor, after, limit + 1) for actor in asker.actors]
        mine = list(islice(each_once(merge(*streams, key=by_deadline)), limit + 1))
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
