"""What waits for me: open cases whose next move is mine, worst deadline first."""

from fastapi import APIRouter, Response

from api.auth import SignedIn, TheRuntime
from api.routes.cases import BASE, Limit, json_of, read_now
from api.schemas import CasePage
from engine.authority import stands_as
from engine.store import worklists

router = APIRouter(prefix=BASE, tags=["worklist"])


@router.get("/worklist", response_model=CasePage, summary="待办 · What waits for me")
def worklist(runtime: TheRuntime, asker: SignedIn, limit: Limit = 50) -> Response:
    now = runtime.clock.now()
    catalog = runtime.engine.catalog
    with runtime.database.read() as connection:
        # SQL finds by role and department; what holding a case means exactly, the definition says
        maybe = worklists.waiting_for(connection, asker.seen, asker.actor)
        mine = [case for case in maybe if stands_as("holder", asker.actor, case, catalog.of(case))]
        items = read_now(runtime, connection, asker, mine[:limit], now)
    return json_of(CasePage(items=items, next=None))
