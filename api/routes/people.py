"""The directory as colleagues see it: posts and departments; and oneself, with one's desk."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from api.auth import SignedIn, TheRuntime
from api.requests import Answers, unreadable
from api.routes.cases import BASE, json_of
from api.schemas import (
    GrantAnswer,
    InboxPage,
    Me,
    PeopleList,
    department_answer,
    inbox_answer,
    person_answer,
)
from engine.errors import Text
from engine.store import people
from notifications import deliveries

router = APIRouter(prefix=BASE, tags=["people"])


class MarkedRead(BaseModel):
    marked: int


@router.get("/people", response_model=PeopleList, summary="人员与部门 · People and departments")
def list_people(runtime: TheRuntime, asker: SignedIn, department: str | None = None) -> Response:
    organisation = asker.actor.organisation
    with runtime.database.read() as connection:
        found = people.people(connection, organisation)
        departments = people.departments(connection, organisation)
    answer = PeopleList(
        items=[person_answer(p) for p in found if department is None or p.department == department],
        departments=[department_answer(d, asker.locale) for d in departments],
    )
    return json_of(answer)


@router.get("/people/me", response_model=Me, summary="我 · Who I am here, and what I may be")
def me(runtime: TheRuntime, asker: SignedIn) -> Response:
    actor = asker.actor
    with runtime.database.read() as connection:
        found = people.person(connection, actor.organisation, str(actor.person))
    assert found is not None  # he has just signed in
    grants = sorted(actor.grants, key=lambda grant: (grant.role, grant.scope))
    answer = Me(
        **person_answer(found).model_dump(),
        organisation=actor.organisation,
        locale=found.locale,
        grants=[
            GrantAnswer(role=g.role, scope=g.scope, valid_from=g.valid_from, valid_until=g.valid_until) for g in grants
        ],
    )
    return json_of(answer)


@router.get("/people/me/inbox", response_model=InboxPage, summary="消息 · My desk")
def inbox(
    runtime: TheRuntime,
    asker: SignedIn,
    unread: bool = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    with runtime.database.read() as connection:
        found = deliveries.inbox_of(
            connection, asker.actor.organisation, str(asker.actor.person), unread_only=unread, limit=limit + 1,
            after=cursor,
        )  # fmt: skip
    shown = found[:limit]
    following = shown[-1].id if len(found) > limit else None
    kept = f"limit={limit}&unread={str(unread).lower()}"
    headers = {"Link": f'<{BASE}/people/me/inbox?{kept}&cursor={following}>; rel="next"'} if following else {}
    return json_of(InboxPage(items=[inbox_answer(m) for m in shown], next=following), headers=headers)


@router.post("/people/me/inbox/read", response_model=MarkedRead, summary="标为已读 · Mark my messages read")
def mark_read(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """Body: `{"ids": [...]}`; everything on my desk without it. Saying it twice changes nothing."""
    ids = answers.get("ids")
    listed = isinstance(ids, list) and all(isinstance(item, str) for item in ids)
    if set(answers) - {"ids"} or not (ids is None or listed):
        # believed, a misspelt `ids` would mark the whole desk as read
        unreadable(
            Text("正文只能含 ids：消息编号的列表", "the body may hold only ids, a list of the messages' ids"), "ids"
        )
    with runtime.database.write() as connection:
        marked = deliveries.mark_read(
            connection, asker.actor.organisation, str(asker.actor.person), ids, runtime.clock.now()
        )
    return json_of(MarkedRead(marked=marked))
