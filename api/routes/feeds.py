"""Links to calendars: one's own, made and revoked; and the calendars, for whoever holds a link."""

from hashlib import sha256

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel

from api import feeds
from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.feeds import ENDING, PATH, MakeFeed
from api.papers.ics import MEDIA_TYPE
from api.requests import Answers, known_tag, read_as
from api.routes.answering import json_of, refusals
from api.routes.under import BASE, Router
from engine.store.feeds import Feed

router = Router(tags=["feeds"])
strangers = APIRouter(include_in_schema=False)  # open: a telephone's calendar signs in nowhere

#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {MakeFeed.__name__: MakeFeed}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{MakeFeed.__name__}"}}},
    }
}


class FeedAnswer(BaseModel):
    """`department`: whose calendar it is; null for what waits for its owner. `fetched_on`: the last local day on which anybody
    fetched it. `address`: whoever has it reads the calendar; null to a token, which it would outlive, for one that was revoked, and
    where the key it was made with is gone.
    """

    id: str
    department: str | None
    made_at: AwareDatetime
    fetched_on: str | None
    revoked_at: AwareDatetime | None
    address: str | None


class FeedList(BaseModel):
    items: list[FeedAnswer]


@router.get("/feeds", response_model=FeedList, summary="我的日历订阅 · My links to calendars", responses=refusals())
def list_feeds(runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        found = feeds.mine(connection, asker)
    return json_of(FeedList(items=[feed_answer(runtime, asker, each) for each in found]))


@router.post(
    "/feeds", status_code=201, response_model=FeedAnswer, summary="生成日历订阅 · Make a link to a calendar",
    openapi_extra=_BODY,
    responses={**refusals(403, 413, 415, 422), 200: {"model": FeedAnswer, "description": "There is one already: the same again"}},
)  # fmt: skip
def make_feed(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """For who is signed in with his password: the link would outlive a token."""
    form = read_as(MakeFeed, answers, runtime.engine.words)
    runtime.writer.must_be_in_place()
    made, new = feeds.make(runtime, asker, form.department)
    where = {"Location": f"{BASE}/feeds/{made.id}"} if new else {}
    return json_of(feed_answer(runtime, asker, made), status=201 if new else 200, headers=where)


@router.delete(
    "/feeds/{feed}",
    response_model=FeedAnswer,
    summary="停用日历订阅 · Revoke a link to a calendar",
    responses=refusals(404),
)
def revoke_feed(runtime: TheRuntime, asker: SignedIn, feed: str) -> Response:
    """Once and for good: it leads nowhere from now on. Once more changes nothing."""
    runtime.writer.must_be_in_place()
    return json_of(feed_answer(runtime, asker, feeds.revoke(runtime, asker, feed)))


def feed_answer(runtime: Runtime, asker: Asker, feed: Feed) -> FeedAnswer:
    shown = feed.revoked_at is None and feeds.are_told(asker)
    return FeedAnswer(
        id=feed.id, department=feed.department, made_at=feed.made_at, revoked_at=feed.revoked_at,
        fetched_on=None if feed.fetched_on is None else feed.fetched_on.isoformat(),
        address=feeds.address_of(runtime, feed) if shown else None,
    )  # fmt: skip


@strangers.get(f"{PATH}/{{token}}{ENDING}")
def fetch(request: Request, runtime: TheRuntime, token: str) -> Response:
    found = feeds.fetched(runtime, token)
    headers = {
        "ETag": f'"{sha256(found.body).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",  # kept on the telephone, and never shown without asking whether it still is so
        "Content-Language": found.locale,
    }
    if known_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'inline; filename="bihuan{ENDING}"'
    return Response(found.body, media_type=MEDIA_TYPE, headers=headers)
