"""Labels for places: listed, made, revoked, and what is to be printed of them."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel

from api import labels
from api.auth import Asker, SignedIn, TheRuntime
from api.labels import MakeLabel
from api.papers.labels import qr_of
from api.problems import not_for_you
from api.requests import Answers, read_as
from api.routes.answering import json_of, refusals
from api.routes.under import BASE, Router
from engine.errors import Text
from engine.store.labels import Label

router = Router(tags=["labels"])

#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {MakeLabel.__name__: MakeLabel}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{MakeLabel.__name__}"}}},
    }
}


class LabelAnswer(BaseModel):
    """`made_by` and `revoked_by` are principals."""

    id: str
    place: str
    made_at: AwareDatetime
    made_by: str
    revoked_at: AwareDatetime | None
    revoked_by: str | None


class LabelList(BaseModel):
    items: list[LabelAnswer]


class PrintedAnswer(BaseModel):
    """`address` is what the code holds: whoever has it may report at this place. `svg` is the code drawn."""

    id: str
    place: str
    address: str
    svg: str


def must_keep_labels(asker: Asker, roles: frozenset[str] = labels.KEEPERS) -> None:
    """Raises NotAllowed."""
    if not asker.actor.holds_any(roles):
        raise not_for_you(
            Text("安稳办或本单位系统管理员", "the safety office or the administrator of the organisation")
        )


@router.get("/labels", response_model=LabelList, summary="部位标签 · Labels for places", responses=refusals(403))
def list_labels(
    runtime: TheRuntime, asker: SignedIn, in_use: Annotated[bool, Query(description="Only those in use")] = False
) -> Response:
    must_keep_labels(asker, labels.READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = labels.all_of(connection, asker.actor.organisation)
    return json_of(LabelList(items=[label_answer(each) for each in found if not in_use or each.revoked_at is None]))


@router.post(
    "/labels", status_code=201, response_model=LabelAnswer, summary="制作标签 · Make a label",
    openapi_extra=_BODY, responses=refusals(403, 413, 415, 422),
)  # fmt: skip
def make_label(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    must_keep_labels(asker)
    form = read_as(MakeLabel, answers, runtime.engine.words)
    runtime.writer.must_be_in_place()
    made = labels.make(runtime, asker.actor, form.place)
    return json_of(label_answer(made), status=201, headers={"Location": f"{BASE}/labels/{made.id}"})


@router.get("/labels/{label}", response_model=LabelAnswer, summary="查看标签 · A label", responses=refusals(403, 404))
def read_label(runtime: TheRuntime, asker: SignedIn, label: str) -> Response:
    must_keep_labels(asker, labels.READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = labels.find(connection, asker.actor.organisation, label)
    return json_of(label_answer(found))


@router.delete(
    "/labels/{label}", response_model=LabelAnswer, summary="停用标签 · Revoke a label", responses=refusals(403, 404)
)
def revoke_label(runtime: TheRuntime, asker: SignedIn, label: str) -> Response:
    """Once and for good: its code leads nowhere from now on. Once more changes nothing."""
    must_keep_labels(asker)
    runtime.writer.must_be_in_place()
    return json_of(label_answer(labels.revoke(runtime, asker.actor, label)))


@router.get(
    "/labels/{label}/print", response_model=PrintedAnswer, summary="打印标签 · What is to be printed",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def print_label(runtime: TheRuntime, asker: SignedIn, label: str) -> Response:
    """As often as one likes, while it is in use."""
    must_keep_labels(asker)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = labels.find(connection, asker.actor.organisation, label)
    shown = labels.printed(runtime, found)
    answer = PrintedAnswer(id=found.id, place=found.place, address=shown.address, svg=str(qr_of(shown.address)))
    return json_of(answer)


def label_answer(label: Label) -> LabelAnswer:
    return LabelAnswer(
        id=label.id, place=label.place, made_at=label.made_at, made_by=label.made_by, revoked_at=label.revoked_at,
        revoked_by=label.revoked_by,
    )  # fmt: skip
