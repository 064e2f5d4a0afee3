"""The directory as colleagues see it: posts and departments; and oneself, with one's desk."""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from api.auth import Asker, SignedIn, TheRuntime
from api.requests import Answers, no_cursor, read_as
from api.routes.answering import GOES_ON, Limit, json_of, link_to_next
from api.routes.under import Router
from api.schemas import (
    GrantAnswer,
    InboxPage,
    Me,
    PeopleList,
    department_answer,
    inbox_answer,
    person_answer,
)
from engine.store import people
from engine.store.database import table_of
from notifications import deliveries
from notifications.tables import InboxMessageRow

router = Router(tags=["people"])


_inbox = table_of(InboxMessageRow)


class MarkRead(BaseModel):
    """Which of my messages I have read; all of them where `ids` is left out."""

    model_config = ConfigDict(extra="forbid", strict=True)
    ids: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=200)


class MarkedRead(BaseModel):
    marked: int


BODY = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MarkRead"}}},
    }
}


@router.get("/people", response_model=PeopleList, summary="人员与部门 · People and departments")
def list_people(
    runtime: TheRuntime,
    asker: SignedIn,
    department: Annotated[str | None, Query(description="Only people of this department, by its code")] = None,
) -> Response:
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
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
    with runtime.database.read(asker.actor.organisation) as connection:
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
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    unread: Annotated[bool, Query(description="Only what was not read yet")] = False,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=64, description=GOES_ON)] = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        if cursor is not None and not _on_my_desk(connection, asker, cursor):
            no_cursor()
        found = deliveries.inbox_of(
            connection, asker.actor.organisation, str(asker.actor.person), unread_only=unread, limit=limit + 1,
            after=cursor,
        )  # fmt: skip
    shown = found[:limit]
    following = shown[-1].id if len(found) > limit else None
    answer = InboxPage(items=[inbox_answer(m) for m in shown], next=following)
    return json_of(answer, headers=link_to_next(request, following))


def _on_my_desk(connection: Connection, asker: Asker, message: str) -> bool:
    mine = _inbox.c.organisation == asker.actor.organisation, _inbox.c.person == asker.actor.person
    return connection.execute(select(_inbox.c.id).where(*mine, _inbox.c.id == message)).first() is not None


@router.post(
    "/people/me/inbox/read", response_model=MarkedRead, summary="标为已读 · Mark my messages read", openapi_extra=BODY
)
def mark_read(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """Body: `{"ids": [...]}`; everything on my desk without it. Saying it twice changes nothing."""
    ids = read_as(MarkRead, answers, runtime.engine.words).ids  # a misspelt `ids`, overlooked, would mark everything
    runtime.writer.must_be_in_place()
    with runtime.database.write(asker.actor.organisation) as connection:
        marked = deliveries.mark_read(
            connection, asker.actor.organisation, str(asker.actor.person), ids, runtime.clock.now()
        )
    return json_of(MarkedRead(marked=marked))
