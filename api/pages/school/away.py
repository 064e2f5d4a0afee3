"""Being away: who acts for somebody meanwhile. For oneself from one's account, for anybody by the administrator."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api import accounts as accounts_kept
from api import directory
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.naming import NamesOf, day_in_words
from api.pages.rendering import ACCOUNT, SCHOOL, go_to, page
from api.pages.school.keeping import Asking, chosen, form_page, is_confirmed, keeper, line, of_people, read_form
from api.pages.words import WORDS
from api.requests import KEY
from api.routes.directory import Leave, editor_of, leave_once
from engine.errors import Refusal
from engine.store import people
from workflows.asking import Choice

router = Pages()

MINE = f"{ACCOUNT}/away"


@dataclass(frozen=True, slots=True)
class Away:
    """An absence in words. `ends_at` is where it is ended early; "" once it is over."""

    first_day: str
    last_day: str
    delegate: str
    duties: list[str]
    now: bool
    ends_at: str


def absences_of(
    connection: Connection, asker: Asker, key: str, today: date, names: NamesOf, at: str = ""
) -> list[Away]:
    """What is not over, the next first."""
    found = sorted(
        (a for a in people.absences(connection, asker.actor.organisation) if a.person == key and a.last_day >= today),
        key=lambda a: a.first_day,
    )
    return [
        Away(
            day_in_words(a.first_day, asker.locale), day_in_words(a.last_day, asker.locale),
            "" if a.delegate is None else names.person(a.delegate), [names.role(role) for role in sorted(a.duties)],
            a.covers(today), f"{at or f'{SCHOOL}/people/{key}/away'}/{a.id}/end",
        )
        for a in found
    ]  # fmt: skip


# --- oneself -------------------------------------------------------------------------------------------------------------


@router.get(MINE)
def my_absences(
    request: Request, runtime: TheRuntime, asker: SignedIn, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    asker = _himself(asker)
    organisation, me = asker.actor.organisation, str(asker.actor.person)
    with runtime.database.read(organisation) as connection:
        names = NamesOf(connection, organisation, asker.locale)
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
        mine = absences_of(connection, asker, me, today, names, MINE)
        represented = [names.person(str(a.on_behalf_of)) for a in asker.actors if a.on_behalf_of is not None]
    return page(
        request, "away.html", asker=asker, active="more", absences=mine, represented=represented, account_at=ACCOUNT,
        new_at=f"{MINE}/new", done={"away": "done_away", "back": "done_back"}.get(done, ""),
        may=asker.account.session is not None,
    )  # fmt: skip


@router.get(f"{MINE}/new")
def leave_form(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    asker = _himself(asker)
    return _leaving(request, runtime, asker, str(asker.actor.person), {}, own=True)


@router.post(f"{MINE}/new")
def leave(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    asker = _himself(asker)
    me = str(asker.actor.person)
    try:
        _leave(runtime, asker, me, sent)
    except Refusal as refusal:
        return _leaving(request, runtime, asker, me, sent.values, refusal, own=True)
    return go_to(f"{MINE}?done=away")


@router.get(f"{MINE}/{{absence}}/end")
def back_form(request: Request, asker: SignedIn, absence: str) -> Response:
    return _returning(request, _himself(asker), absence, MINE, own=True)


@router.post(f"{MINE}/{{absence}}/end")
def back(request: Request, runtime: TheRuntime, asker: SignedIn, absence: str, sent: TheSent) -> Response:
    asker = _himself(asker)
    try:
        editor = editor_of(runtime, asker, confirmed=is_confirmed(sent))
        directory.come_back(editor, str(asker.actor.person), absence)
    except Refusal as refusal:
        return _returning(request, asker, absence, MINE, refusal, own=True)
    return go_to(f"{MINE}?done=back")


def _himself(asker: Asker) -> Asker:
    """Nobody goes on holiday in another's name."""
    own = next((actor for actor in asker.actors if actor.on_behalf_of is None), asker.actor)
    return replace(asker, actor=own)


# --- anybody, by the administrator -----------------------------------------------------------------------------------------


@router.get(f"{SCHOOL}/people/{{person}}/away")
def somebody_leaves_form(request: Request, runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    return _leaving(request, runtime, keeper(asker, directory.LEAVING), person, {})


@router.post(f"{SCHOOL}/people/{{person}}/away")
def somebody_leaves(request: Request, runtime: TheRuntime, asker: SignedIn, person: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.LEAVING)
    try:
        _leave(runtime, asker, person, sent)
    except Refusal as refusal:
        return _leaving(request, runtime, asker, person, sent.values, refusal)
    return go_to(f"{SCHOOL}/people/{person}?done=away")


@router.get(f"{SCHOOL}/people/{{person}}/away/{{absence}}/end")
def somebody_back_form(request: Request, asker: SignedIn, person: str, absence: str) -> Response:
    return _returning(request, keeper(asker, directory.RETURNING), absence, f"{SCHOOL}/people/{person}")


@router.post(f"{SCHOOL}/people/{{person}}/away/{{absence}}/end")
def somebody_back(
    request: Request, runtime: TheRuntime, asker: SignedIn, person: str, absence: str, sent: TheSent
) -> Response:
    asker = keeper(asker, directory.RETURNING)
    try:
        directory.come_back(editor_of(runtime, asker, confirmed=is_confirmed(sent)), person, absence)
    except Refusal as refusal:
        return _returning(request, asker, absence, f"{SCHOOL}/people/{person}", refusal)
    return go_to(f"{SCHOOL}/people/{person}?done=back")


# --- both ----------------------------------------------------------------------------------------------------------------


def _leave(runtime: Runtime, asker: Asker, person: str, sent: Sent) -> None:
    form = read_form(runtime, Leave, sent, ("first_day", "last_day", "delegate"), ("duties",))
    key = sent.one("key")
    leave_once(runtime, asker, person, form, key if KEY.fullmatch(key) else None)


def _leaving(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    person: str,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
    *,
    own: bool = False,
) -> Response:
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
        away = accounts_kept.must_be_here(connection, organisation, person, directory.LEAVING)
        everybody, departments = people.people(connection, organisation), people.departments(connection, organisation)
        names = NamesOf(connection, organisation, asker.locale)
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
        around = people.directory_around(connection, organisation, person)
        held = sorted({grant.role for grant in around.grants_on(person, today)})
    roles = [Choice(role, names.title(role)) for role in held]
    controls = [
        line("first_day", "first_day", said or {"first_day": (today.isoformat(),)}, kind="day", required=True),
        line("last_day", "last_day", said, kind="day", required=True),
        chosen(
            "delegate", "delegate", said, of_people(everybody, departments, but=person), note=WORDS["delegate_hint"]
        ),
    ]
    if roles:
        controls.append(line("duties", "duties_handed_on", said, kind="many", choices=roles, note=WORDS["duties_hint"]))
    at = (MINE, WORDS["my_absences"]) if own else (f"{SCHOOL}/people/{person}", WORDS["back_to_person"])
    asking = Asking(
        WORDS["be_away"], f"{MINE}/new" if own else f"{SCHOOL}/people/{person}/away", WORDS["write_down"], at, controls,
        about="" if own else away.name, note=WORDS["away_note"],
    )  # fmt: skip
    had = said.get("key", ("",))[-1]
    return form_page(request, asker, asking, refusal, key=had if KEY.fullmatch(had) else secrets.token_urlsafe(16))


def _returning(
    request: Request, asker: Asker, absence: str, at: str, refusal: Refusal | None = None, *, own: bool = False
) -> Response:
    action = f"{MINE}/{absence}/end" if own else f"{at}/away/{absence}/end"
    asking = Asking(
        WORDS["back_early"], action, WORDS["back_early"], (at, WORDS["my_absences" if own else "back_to_person"]),
        note=WORDS["back_note"],
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)
