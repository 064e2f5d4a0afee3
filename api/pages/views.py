"""Lists that the reader keeps by a name: kept, opened, taken away. They hold what the ledger's address says, and are his alone."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Query, Request, Response
from pydantic import StringConstraints

from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages, Pairs, address_of
from api.pages.choosing import LABELS, Vocabulary
from api.pages.ledger import HOW
from api.pages.rendering import CASES, go_to, page
from api.problems import unknown_address
from api.reading import LONGEST_NAME
from api.requests import read_as
from engine.definition import Form, Line, asks
from engine.errors import FieldFault, InvalidInput, Refusal, Text
from engine.store import people, views

router = Pages(prefix=f"{CASES}/views")

LONGEST = 1000  # characters of what an address says
MOST_PAIRS = 40

Said = Annotated[str, Query(max_length=LONGEST, alias="query")]


class ViewName(Form):
    name: Annotated[Line, StringConstraints(max_length=views.LONGEST_NAME)] = asks("名称", "Name")


@router.get("")
def list_views(request: Request, runtime: TheRuntime, asker: SignedIn, query: Said = "") -> Response:
    return _page(request, runtime, asker, query)


@router.post("")
def keep_view(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    query, name = sent.one("query")[:LONGEST], sent.one("name").strip()
    try:
        name = read_as(ViewName, {"name": name}, runtime.engine.words).name
        _keep(runtime, asker, name, _pairs(query))
    except Refusal as refusal:
        return _page(request, runtime, asker, query, name, refusal)
    return go_to(address_of(CASES, [*_pairs(query), ("done", "saved")]))


@router.post("/{id_}/remove")
def remove_view(runtime: TheRuntime, asker: SignedIn, id_: str) -> Response:
    organisation, me = asker.actor.organisation, str(asker.actor.person)
    runtime.writer.must_be_in_place()
    with runtime.database.write(organisation) as connection:
        if not views.remove(connection, organisation, me, id_[:LONGEST_NAME]):
            raise unknown_address()
    return go_to(f"{CASES}?done=removed")


def _keep(runtime: Runtime, asker: Asker, name: str, said: Pairs) -> None:
    organisation, me = asker.actor.organisation, str(asker.actor.person)
    runtime.writer.must_be_in_place()
    with runtime.database.write(organisation) as connection:
        if views.keep(connection, organisation, me, name, said, runtime.clock.now()):
            return
    fault = Text(f"已有 {views.MOST} 个视图", f"there are {views.MOST} views already")
    raise InvalidInput(
        asked=Text("保存视图", "Keep a view"),
        obstacle=fault,
        remedy=Text("请先删除不用的视图", "Take one away that you no longer need"),
        fields=(FieldFault("name", fault),),
    )


def _pairs(query: str) -> Pairs:
    """What an address says, of what: not how it is shown. Raises InvalidInput for what is no address of ours."""
    try:
        said = parse_qsl(query, strict_parsing=bool(query), max_num_fields=MOST_PAIRS, errors="strict")
    except ValueError:
        fault = Text("筛选条件无法读取", "the filters cannot be read")
        raise InvalidInput(
            asked=Text("保存视图", "Keep a view"), obstacle=fault, fields=(FieldFault("query", fault),),
            remedy=Text("请回到台账重新筛选", "Go back to the ledger and filter once more"),
        ) from None  # fmt: skip
    return [(name, value) for name, value in said if name not in HOW and "\0" not in value]


def _page(
    request: Request, runtime: Runtime, asker: Asker, query: str, name: str = "", refusal: Refusal | None = None
) -> Response:
    here, me = asker.actor.organisation, str(asker.actor.person)
    with runtime.database.read(here) as connection:
        kept = views.of(connection, here, me)
        zone = people.time_zone(connection, here)
        words = Vocabulary(runtime.engine.catalog, asker.locale, zone, people.departments(connection, here), {})
    faults = refusal.fields if refusal is not None else ()
    try:
        said = _pairs(query)
    except InvalidInput as unreadable:
        said, refusal = [], refusal or unreadable
    return page(
        request, "views.html", asker=asker, active="cases", because=refusal, refusal=refusal, query=query if said else "", name=name,
        said=_told(said, words), views=[(view, address_of(CASES, view.said), _told(view.said, words)) for view in kept],
        fault=next((fault.what for fault in faults if fault.field == "name"), None), longest=views.LONGEST_NAME, ledger=CASES,
    )  # fmt: skip


def _told(said: Pairs, words: Vocabulary) -> list[tuple[Text, str]]:
    return [(LABELS.get(name, Text(name, name)), words.said(name, value)) for name, value in said]
