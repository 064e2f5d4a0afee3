"""The people of a school: found, written down, changed; their roles, their password, where they are signed in."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from sqlalchemy import Connection

from api import accounts as accounts_kept
from api import directory
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.lists import DrawnAgain
from api.pages.naming import NamesOf
from api.pages.rendering import SCHOOL, go_to, local, page
from api.pages.school.away import absences_of
from api.pages.school.keeping import (
    AUDITOR,
    CONFIRMED,
    Asking,
    chosen,
    form_page,
    holding,
    is_confirmed,
    keeper,
    line,
    of_departments,
    read_form,
)
from api.pages.words import WORDS
from api.requests import known_parameters, read_as
from api.routes.accounts import first_password
from api.routes.directory import AddPerson, ChangePerson, GiveRole, editor_of
from engine.actor import WHOLE_ORGANISATION, Grant
from engine.directory import Person
from engine.errors import NotAllowed, Refusal, Text
from engine.store import accounts, people
from workflows.asking import Choice
from workflows.roles import ADMINISTRATOR, GROUPS, ROLES

PEOPLE = f"{SCHOOL}/people"
NEW = f"{SCHOOL}/new-person"
IMPORT = f"{SCHOOL}/new-people"
FIRST_PASSWORDS = f"{SCHOOL}/first-passwords"
AT_A_TIME = 50

router = Pages(route_class=DrawnAgain)

LOOKING = Text("查看人员", "See the people")
ADDRESSES = ("phone", "email", "wecom")  # offered on the form; others that are kept already stay
DONE = {
    "added": "done_person_added", "changed": "done_person_changed", "granted": "done_granted", "withdrawn": "done_withdrawn",
    "imported": "done_imported", "active": "done_active", "signed-out": "done_signed_out", "away": "done_away", "back": "done_back",
}  # fmt: skip
Word = Annotated[str, Query(max_length=100)]


# --- the list ------------------------------------------------------------------------------------------------------------


@router.get(PEOPLE, dependencies=[Depends(known_parameters)])
def people_page(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    q: Word = "",
    department: Word = "",
    gone: Word = "",
    done: Word = "",
    number: Annotated[int, Query(ge=1, le=10_000, alias="page")] = 1,
) -> Response:
    """Everybody, or whom a word or a department finds; who left only where asked for."""
    asker = keeper(asker, LOOKING, AUDITOR)
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
        known = people.people(connection, organisation)
        departments = people.departments(connection, organisation)
        names = NamesOf(connection, organisation, asker.locale)
        away = {
            a.person for a in people.absences(connection, organisation) if a.covers(_today(runtime, connection, asker))
        }
    word = q.strip().casefold()
    found = [
        person
        for person in known
        if (person.active or gone)
        and (not department or person.department == department)
        and (not word or word in f"{person.name} {person.person} {person.post} {person.staff_number or ''}".casefold())
    ]
    first = (number - 1) * AT_A_TIME
    shown = [
        (person, names.department(person.department), person.person in away)
        for person in found[first : first + AT_A_TIME]
    ]
    return page(
        request, "school_people.html", asker=asker, active="more", people=shown, count=len(found), q=q,
        department=department, gone=gone, departments=[(d.code, d.name) for d in departments], may=_may(asker),
        number=number, more=len(found) > first + AT_A_TIME, new_at=NEW, at=PEOPLE, import_at=IMPORT, first_passwords_at=FIRST_PASSWORDS,
        done=WORDS["done_imported"] if done == "imported" else None, alone=len(known) < 2,
    )  # fmt: skip


# --- somebody new --------------------------------------------------------------------------------------------------------


@router.get(NEW)
def new_person(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    asker = keeper(asker, directory.ADDING)
    return _adding(request, runtime, asker, {})


@router.post(NEW)
def add_person(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    asker = keeper(asker, directory.ADDING)
    try:
        names = ("person", "name", "department", "post", "staff_number")
        form = read_form(runtime, AddPerson, sent, names, addresses=_addresses(sent.values))
        person = Person(
            asker.actor.organisation, form.person, form.name, form.department, staff_number=form.staff_number,
            post=form.post, addresses=form.addresses,
        )  # fmt: skip
        directory.add(editor_of(runtime, asker, confirmed=form.confirmed), person)
    except Refusal as refusal:
        return _adding(request, runtime, asker, sent.values, refusal)
    return go_to(f"{PEOPLE}/{form.person}?done=added")


def _adding(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    controls = [line("person", "key", said, required=True, most=31, note=WORDS["key_hint"])]
    controls += _entry(runtime, asker, said)
    asking = Asking(WORDS["new_person"], NEW, WORDS["add"], (PEOPLE, WORDS["school_people"]), controls)
    return form_page(request, asker, asking, refusal)


def _entry(runtime: Runtime, asker: Asker, said: Mapping[str, tuple[str, ...]]) -> list[Any]:
    with runtime.database.read(asker.actor.organisation) as connection:
        departments = people.departments(connection, asker.actor.organisation)
    return [
        line("name", "name", said, required=True, most=100),
        chosen("department", "department", said, of_departments(departments)),
        line("post", "post", said, most=100),
        line("staff_number", "staff_number", said, most=32),
        *(line(f"addresses.{channel}", f"address_{channel}", said, most=200) for channel in ADDRESSES),
    ]


def _addresses(said: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {c: value for c in ADDRESSES if (value := "".join(said.get(f"addresses.{c}", ())[-1:]).strip())}


# --- one person ----------------------------------------------------------------------------------------------------------


@router.get(f"{PEOPLE}/{{person}}")
def person_page(
    request: Request, runtime: TheRuntime, asker: SignedIn, person: str, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    return _person(request, runtime, keeper(asker, LOOKING, AUDITOR), person, done=DONE.get(done, ""))


def _person(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    key: str,
    *,
    done: str = "",
    password: str = "",
    because: Refusal | None = None,
) -> Response:
    organisation, locale = asker.actor.organisation, asker.locale
    with runtime.database.read(organisation) as connection:
        found = accounts_kept.must_be_here(connection, organisation, key, LOOKING)
        zone, today = people.time_zone(connection, organisation), _today(runtime, connection, asker)
        names = NamesOf(connection, organisation, locale)
        held = people.grants_of(connection, organisation, key)
        over = [g for g in held if g.valid_until is not None and g.valid_until < today]
        groups = [
            (g.code, g.name) for g in people.groups(connection, organisation)
            if any(sitting == key for sitting, _ in people.holders(connection, organisation, g.code, today))
        ]  # fmt: skip
        away = absences_of(connection, asker, key, today, names)
        signed_in = accounts.sessions(connection, organisation, key, runtime.clock.now(), runtime.settings.session_idle)
        has_password = accounts.password(connection, organisation, key) is not None
    return page(
        request, "school_person.html", asker=asker, active="more", person=found, department=names.department(found.department),
        grants=names.granted(g for g in held if g not in over), over=names.granted(over), groups=groups, absences=away,
        may=_may(asker), himself=_is_me(asker, key), done=done, password=password, at=f"{PEOPLE}/{key}", back=PEOPLE,
        groups_at=f"{SCHOOL}/groups", seen=local(signed_in[0].seen_at, zone) if signed_in else "", sessions=len(signed_in),
        has_password=has_password, because=because, refusal=because,
    )  # fmt: skip


@router.get(f"{PEOPLE}/{{person}}/change")
def change_form(request: Request, runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asker = keeper(asker, directory.UPDATING)
    found = _here(runtime, asker, person, directory.UPDATING)
    said = {
        name: (value,) for name in ("name", "department", "post", "staff_number") if (value := getattr(found, name))
    }
    said |= {f"addresses.{channel}": (address,) for channel, address in found.addresses.items()}
    return _changing(request, runtime, asker, found, said)


@router.post(f"{PEOPLE}/{{person}}/change")
def change_person(request: Request, runtime: TheRuntime, asker: SignedIn, person: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.UPDATING)
    found = _here(runtime, asker, person, directory.UPDATING)
    kept = {channel: address for channel, address in found.addresses.items() if channel not in ADDRESSES}
    said: dict[str, Any] = {name: sent.one(name).strip() or None for name in ("department", "staff_number")}
    said |= {name: sent.one(name).strip() for name in ("name", "post")}
    said["addresses"] = {**kept, **_addresses(sent.values)}
    try:
        form = read_as(ChangePerson, {**said, CONFIRMED: is_confirmed(sent)}, runtime.engine.words)
        new = form.model_dump(exclude={"confirmed", "active"})
        changed = {name: value for name, value in new.items() if value != getattr(found, name)}
        if changed:  # what is so already is no change, and is not put on record
            directory.update(editor_of(runtime, asker, confirmed=form.confirmed), person, changed)
    except Refusal as refusal:
        return _changing(request, runtime, asker, found, sent.values, refusal)
    return go_to(f"{PEOPLE}/{person}?done=changed")


def _changing(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    found: Person,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    at = f"{PEOPLE}/{found.person}"
    asking = Asking(
        WORDS["change_entry"], f"{at}/change", WORDS["save"], (at, WORDS["back_to_person"]), _entry(runtime, asker, said),
        about=_called(found),
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


# --- here or gone --------------------------------------------------------------------------------------------------------


@router.get(f"{PEOPLE}/{{person}}/active")
def active_form(request: Request, runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asker = keeper(asker, directory.UPDATING)
    return _active(request, asker, _here(runtime, asker, person, directory.UPDATING))


@router.post(f"{PEOPLE}/{{person}}/active")
def set_active(request: Request, runtime: TheRuntime, asker: SignedIn, person: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.UPDATING)
    found = _here(runtime, asker, person, directory.UPDATING)
    try:
        editor = editor_of(runtime, asker, confirmed=is_confirmed(sent))
        directory.update(editor, person, {"active": sent.one("active") == "yes"})
    except Refusal as refusal:
        return _active(request, asker, found, refusal)
    return go_to(f"{PEOPLE}/{person}?done=active")


def _active(request: Request, asker: Asker, found: Person, refusal: Refusal | None = None) -> Response:
    at, name = f"{PEOPLE}/{found.person}", "deactivate" if found.active else "activate"
    asking = Asking(
        WORDS[name], f"{at}/active", WORDS[name], (at, WORDS["back_to_person"]), about=_called(found),
        note=WORDS[f"{name}_note"], hidden={"active": "no" if found.active else "yes"},
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


# --- roles ---------------------------------------------------------------------------------------------------------------


@router.get(f"{PEOPLE}/{{person}}/grant")
def grant_form(
    request: Request, runtime: TheRuntime, asker: SignedIn, person: str, role: Word = "", scope: Word = ""
) -> Response:
    """What stands in the address fills it in: the dead-corner report leads here."""
    asker = keeper(asker, directory.GRANTING)
    found = _here(runtime, asker, person, directory.GRANTING)
    said = {"role": (role,) if role else (), "scope": (scope or WHOLE_ORGANISATION,)}
    return _granting(request, runtime, asker, found, said)


@router.post(f"{PEOPLE}/{{person}}/grant")
def grant(request: Request, runtime: TheRuntime, asker: SignedIn, person: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.GRANTING)
    found = _here(runtime, asker, person, directory.GRANTING)
    try:
        form = read_form(runtime, GiveRole, sent, ("role", "scope", "valid_from", "valid_until"))
        given = Grant(form.role, form.scope, form.valid_from, form.valid_until)
        directory.grant(editor_of(runtime, asker, confirmed=form.confirmed), person, given)
    except Refusal as refusal:
        return _granting(request, runtime, asker, found, sent.values, refusal)
    return go_to(f"{PEOPLE}/{person}?done=granted")


def _granting(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    found: Person,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        departments = people.departments(connection, asker.actor.organisation)
    roles = [Choice(code, title) for code, title in ROLES.items() if code not in GROUPS]
    scopes = [Choice(WHOLE_ORGANISATION, WORDS["everywhere"]), *of_departments(departments)]
    controls = [
        chosen("role", "role", said, roles, required=True),
        chosen("scope", "scope", said, scopes, required=True),
        line("valid_from", "valid_from", said, kind="day", note=WORDS["valid_from_hint"]),
        line("valid_until", "valid_until", said, kind="day", note=WORDS["valid_until_hint"]),
    ]
    at = f"{PEOPLE}/{found.person}"
    asking = Asking(
        directory.GRANTING, f"{at}/grant", WORDS["give"], (at, WORDS["back_to_person"]), controls, about=_called(found)
    )
    return form_page(request, asker, asking, refusal)


@router.get(f"{PEOPLE}/{{person}}/withdraw")
def withdraw_form(
    request: Request, runtime: TheRuntime, asker: SignedIn, person: str, role: Word, scope: Word
) -> Response:
    asker = keeper(asker, directory.WITHDRAWING)
    found = _here(runtime, asker, person, directory.WITHDRAWING)
    return _withdrawing(request, runtime, asker, found, {"role": (role,), "scope": (scope,)})


@router.post(f"{PEOPLE}/{{person}}/withdraw")
def withdraw(request: Request, runtime: TheRuntime, asker: SignedIn, person: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.WITHDRAWING)
    found = _here(runtime, asker, person, directory.WITHDRAWING)
    try:
        form = read_form(
            runtime, GiveRole, sent, ("role", "scope", "valid_until")
        )  # as for granting: which role, where, and until when
        editor = editor_of(runtime, asker, confirmed=form.confirmed)
        directory.withdraw(editor, person, form.role, form.scope, form.valid_until)
    except Refusal as refusal:
        return _withdrawing(request, runtime, asker, found, sent.values, refusal)
    return go_to(f"{PEOPLE}/{person}?done=withdrawn")


def _withdrawing(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    found: Person,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    role, scope = ("".join(said.get(name, ())[-1:]) for name in ("role", "scope"))
    with runtime.database.read(asker.actor.organisation) as connection:
        names = NamesOf(connection, asker.actor.organisation, asker.locale)
    at = f"{PEOPLE}/{found.person}"
    asking = Asking(
        directory.WITHDRAWING, f"{at}/withdraw", WORDS["take_back"], (at, WORDS["back_to_person"]),
        [line("valid_until", "last_day_held", said, kind="day", note=WORDS["last_day_hint"])],
        about=f"{_called(found)} · {names.role(role)} · {names.scope(scope)}", hidden={"role": role, "scope": scope},
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


# --- the account ---------------------------------------------------------------------------------------------------------


@router.get(f"{PEOPLE}/{{person}}/password")
def password_form(request: Request, runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asker = keeper(asker, accounts_kept.RESETTING)
    found = _here(runtime, asker, person, accounts_kept.RESETTING)
    at = f"{PEOPLE}/{person}"
    asking = Asking(
        WORDS["new_first_password"], f"{at}/password", WORDS["draw_password"], (at, WORDS["back_to_person"]),
        about=_called(found), note=WORDS["first_password_note"],
    )  # fmt: skip
    return form_page(request, asker, asking)


@router.post(f"{PEOPLE}/{{person}}/password")
def set_password(request: Request, runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    """The password is on the page that answers, and nowhere afterwards."""
    asker = keeper(asker, accounts_kept.RESETTING)
    try:
        password = first_password(runtime, asker, person)
    except NotAllowed as refusal:
        return _person(request, runtime, asker, person, because=refusal)
    return _person(request, runtime, asker, person, password=password)


@router.post(f"{PEOPLE}/{{person}}/sign-out")
def end_sessions(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asker = keeper(asker, accounts_kept.ENDING)
    accounts_kept.end_session(editor_of(runtime, asker, confirmed=False), person, None)
    return go_to(f"{PEOPLE}/{person}?done=signed-out")


# --- what they share -----------------------------------------------------------------------------------------------------


def _here(runtime: Runtime, asker: Asker, key: str, asked: Text) -> Person:
    with runtime.database.read(asker.actor.organisation) as connection:
        return accounts_kept.must_be_here(connection, asker.actor.organisation, key, asked)


def _called(found: Person) -> str:
    return f"{found.name} · {found.post}" if found.post and found.post != found.name else found.name


def _may(asker: Asker) -> bool:
    return asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None


def _is_me(asker: Asker, key: str) -> bool:
    return (asker.actor.organisation, key) == (asker.account.organisation, asker.account.person)


def _today(runtime: Runtime, connection: Connection, asker: Asker) -> date:
    return runtime.clock.now().astimezone(people.time_zone(connection, asker.actor.organisation)).date()
