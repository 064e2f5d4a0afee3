"""Labels for places: make one, print them, revoke one; and whether strangers may report by them, and how much."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse

from api import anonymous, labels
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Fields, TheFields
from api.bootstrap import Runtime
from api.checking import OpensDeadCorner
from api.labels import MakeLabel
from api.pages.addresses import Pages
from api.pages.faults import under_words
from api.pages.rendering import HEADERS, LABELS, go_to, local, page, static_address
from api.pages.school.keeping import holding
from api.pages.words import WORDS
from api.papers.labels import sheet
from api.policies import set_numbers
from api.problems import LabelKeyGone, UnknownLabel, not_for_you, unknown_address
from api.requests import for_a_page, read_as
from api.routes.labels import must_keep_labels
from engine.errors import Busy, InvalidInput, Refusal, Text
from engine.store import people
from workflows.roles import ADMINISTRATOR

router = Pages(prefix=LABELS)

Done = Annotated[str | None, Query(max_length=20)]
Wanted = Annotated[list[str] | None, Query(alias="label", max_length=labels.MOST)]
DONE = frozenset({"made", "revoked", "policy"})
NUMBERS = ("anonymous_per_place", "anonymous_per_address", "anonymous_per_day")


@router.get("")
def labels_page(request: Request, runtime: TheRuntime, asker: SignedIn, done: Done = None) -> Response:
    asker = _keeper(asker, labels.READERS)
    return _page(request, runtime, asker, done=done if done in DONE else None)


@router.post("")
def make_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    asker = _keeper(asker)
    try:
        form = _read(runtime, fields.get("place", ""))
        runtime.writer.must_be_in_place()
        labels.make(runtime, asker.actor, form.place)
    except (InvalidInput, Busy) as refusal:
        return _page(request, runtime, asker, fields, refusal)
    return go_to(f"{LABELS}?done=made")


@router.post("/policy")
def set_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    administrator = holding(asker, ADMINISTRATOR)
    if administrator is None:
        raise not_for_you(Text("本单位系统管理员", "the administrator of the organisation"))
    asker = administrator
    loop = runtime.engine.catalog.get(anonymous.LOOP)
    if loop is None:  # then the page has no such form
        raise unknown_address()
    wanted: dict[str, Any] = {name: _whole(fields.get(name, "")) for name in NUMBERS}
    wanted["anonymous_reports"] = fields.get("anonymous_reports") == "yes"
    try:
        runtime.writer.must_be_in_place()
        set_numbers(runtime.engine, asker.actor, loop, wanted, asker.account.person)
    except (InvalidInput, OpensDeadCorner, Busy) as refusal:
        return _page(request, runtime, asker, fields, under_words(refusal, {name: WORDS[name] for name in NUMBERS}))
    return go_to(f"{LABELS}?done=policy")


@router.post("/{label}/revoke")
def revoke_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, label: str) -> Response:
    asker = _keeper(asker)
    try:
        runtime.writer.must_be_in_place()
        labels.revoke(runtime, asker.actor, label)
    except (UnknownLabel, Busy) as refusal:
        return _page(request, runtime, asker, refusal=refusal)
    return go_to(f"{LABELS}?done=revoked")


@router.get("/print")
def print_page(request: Request, runtime: TheRuntime, asker: SignedIn, wanted: Wanted = None) -> Response:
    """A sheet of those that were ticked; of all in use where none was."""
    asker = _keeper(asker)
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        found = [each for each in labels.all_of(connection, here) if each.revoked_at is None]
        school = people.organisation(connection, here)
    assert school is not None  # somebody signed in there
    ticked = [each for each in found if not wanted or each.id in wanted]
    try:
        printed = [labels.printed(runtime, each) for each in ticked]
    except LabelKeyGone as refusal:
        return _page(request, runtime, asker, refusal=refusal)
    if not printed:
        return go_to(LABELS)
    html = sheet(
        printed, school.name.in_(asker.locale), asker.locale, stylesheet=static_address("labels.css"),
        public=runtime.settings.public_url is not None,
    )  # fmt: skip
    return HTMLResponse(html, headers={**HEADERS, "Content-Language": asker.locale})


def _keeper(asker: Asker, roles: frozenset[str] = labels.KEEPERS) -> Asker:
    """The asker as the keeper of labels he is or stands in for. Raises NotAllowed."""
    found = holding(asker, *labels.KEEPERS) or holding(asker, *roles) or asker
    must_keep_labels(found, roles)
    return found


def _page(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    fields: Fields | None = None,
    refusal: Refusal | None = None,
    done: str | None = None,
) -> Response:
    here, typed = asker.actor.organisation, fields or {}
    with runtime.database.read(here) as connection:
        zone = people.time_zone(connection, here)
        known = labels.all_of(connection, here)
    lines = [
        (each, local(each.made_at, zone), "" if each.revoked_at is None else local(each.revoked_at, zone))
        for each in known
    ]
    numbers = anonymous.numbers(runtime, here)
    return page(
        request, "labels.html", asker=asker, active="labels", because=refusal, refusal=refusal, done=done,
        in_use=[line for line in lines if not line[2]], over=[line for line in lines if line[2]],
        place=typed.get("place", ""), longest=labels.LONGEST_PLACE,
        faults={fault.field: fault.what for fault in refusal.fields} if refusal is not None else {},
        numbers=[(name, typed.get(name, numbers.get(name, ""))) for name in NUMBERS],
        is_open=bool(numbers.get("anonymous_reports")), has_loop="anonymous_reports" in numbers,
        keeps=asker.actor.holds_any(labels.KEEPERS), administers=holding(asker, ADMINISTRATOR) is not None,
        inside_only=runtime.settings.public_url is None, path=LABELS,
    )  # fmt: skip


def _read(runtime: Runtime, place: str) -> MakeLabel:
    try:
        return read_as(MakeLabel, {"place": place}, runtime.engine.words)
    except InvalidInput as refusal:
        raise for_a_page(refusal, MakeLabel, labels.MAKING) from refusal


def _whole(said: str) -> int | str:
    return int(said) if said.isdecimal() and len(said) < 10 else said
