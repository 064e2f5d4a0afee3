"""The first visit: the school's name, its first administrator and a password; everything else is looked after from inside."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import first_visit, founding, passwords
from api.auth import TheRuntime, cookies, locale_of
from api.auth.forms import Fields, TheFields
from api.bootstrap import Runtime
from api.first_visit import PARAMETER, PATH
from api.founding import Founding
from api.pages.faults import under_labels
from api.pages.forms import Control
from api.pages.naming import day_in_words
from api.pages.rendering import SIGN_IN, page
from api.pages.school.keeping import faulted, line
from api.pages.words import WORDS
from api.problems import unknown_address
from api.sealing import key_of
from engine.directory import Organisation, Person
from engine.errors import Busy, FieldFault, InvalidInput, NotAllowed, Refusal, Text

strangers = APIRouter(include_in_schema=False)

POST = "系统管理员"
ZONE = "Asia/Shanghai"
AGAIN = Text("请改正后重新提交；没有写入任何内容", "Correct it and send it again; nothing was written")
#: fields of the form, as `founding` calls them
FIELDS = ("name", "name_en", "organisation", "administrator", "administrator_name", "departments")


@strangers.get(PATH)
def setup_page(
    request: Request, runtime: TheRuntime, code: Annotated[str, Query(alias=PARAMETER, max_length=100)] = ""
) -> Response:
    """The form, for who has the code; else where to type it. Once there is a school, nothing."""
    _must_be_open(runtime)
    refusal = first_visit.wrong_code() if code and not first_visit.is_code(runtime.folder, code) else None
    return _form(request, runtime, {PARAMETER: code, "departments": "yes"}, refusal)


@strangers.post(PATH)
def set_up(request: Request, runtime: TheRuntime, fields: TheFields) -> Response:
    cookies.must_be_from_here(request, runtime.settings)
    _must_be_open(runtime)
    try:
        cookies.must_be_of_this_browser(request, runtime.settings, fields.get(cookies.CSRF_FIELD))
        chosen = _founding(runtime, fields)
        with first_visit.claimed(runtime.folder, fields.get(PARAMETER, "")):
            _must_be_open(runtime)  # somebody else may have set one up since
            runtime.writer.must_be_in_place()
            founded = founding.found(runtime.database, chosen, runtime.clock.now())
    except (InvalidInput, NotAllowed, Busy) as refusal:
        return _form(request, runtime, fields, _on_the_page(refusal))
    key = key_of(runtime.engine, runtime.keys, founded.organisation.organisation).key
    locale = locale_of(request)
    answer = page(
        request, "setup_done.html", founded=founded, seal_key=key, sign_in_at=SIGN_IN, status=201,
        until=day_in_words(founded.calendar.known_until, locale),
    )  # fmt: skip
    cookies.take_away(answer, cookies.FORM, runtime.settings)
    return answer


def _must_be_open(runtime: Runtime) -> None:
    """Raises UnknownAddress once there is an organisation: nobody learns that there ever was this page."""
    if not first_visit.is_open(runtime):
        raise unknown_address()


def _founding(runtime: Runtime, fields: Fields) -> Founding:
    """Raises InvalidInput with every fault, before a password is hashed."""
    said = {name: fields.get(name, "").strip() for name in FIELDS}
    organisation = Organisation(said["organisation"], Text(said["name"], said["name_en"] or said["name"]), ZONE)
    administrator = Person(said["organisation"], said["administrator"], said["administrator_name"], post=POST)
    chosen = Founding(organisation, administrator, "", must_change=False, departments=said["departments"] == "yes")
    faults: list[FieldFault] = []
    try:
        founding.must_be_possible(chosen)
    except InvalidInput as refusal:
        faults += refusal.fields
    password = fields.get("password", "")[:1000]
    weak = passwords.fault_of(password, administrator.person, administrator.name)
    if weak is not None:
        faults.append(FieldFault("password", weak))
    elif password != fields.get("again"):
        faults.append(FieldFault("again", WORDS["not_the_same"]))
    if not first_visit.is_code(runtime.folder, fields.get(PARAMETER, "")):
        raise first_visit.wrong_code()
    if faults:
        raise InvalidInput(asked=first_visit.ASKED, obstacle=faults[0].what, remedy=AGAIN, fields=faults)
    with runtime.hashing.turn() as hasher:
        return Founding(
            organisation, administrator, hasher.hashed(password), must_change=False, departments=chosen.departments
        )


def _on_the_page(refusal: Refusal) -> Refusal:
    """Without the names of the command line's options."""
    if not isinstance(refusal, InvalidInput) or not refusal.fields:
        return refusal
    return InvalidInput(
        asked=refusal.asked, obstacle=refusal.fields[0].what, remedy=refusal.remedy, fields=refusal.fields
    )


def _form(request: Request, runtime: Runtime, fields: Mapping[str, str], refusal: Refusal | None = None) -> Response:
    secret = cookies.shown(request, cookies.FORM, runtime.settings) or cookies.drawn()
    code = fields.get(PARAMETER, "")
    said = {name: (value,) for name, value in fields.items()}
    controls = _controls(said)
    told = under_labels(refusal, controls)
    answer = page(
        request, "setup.html", because=told, refusal=told, controls=faulted(controls, refusal), path=PATH, parameter=PARAMETER, code=code,
        known=first_visit.is_code(runtime.folder, code), departments=fields.get("departments") == "yes", form_token=cookies.csrf_of(secret),
        faults={"password": None, "again": None, **{f.field: f.what for f in (refusal.fields if refusal else ())}},
    )  # fmt: skip
    cookies.give(answer, cookies.FORM, secret, runtime.settings)
    return answer


def _controls(said: Mapping[str, tuple[str, ...]]) -> list[Control]:
    return [
        line("name", "school_name", said, required=True, most=100),
        line("name_en", "school_name_en", said, most=100),
        line("organisation", "school_key", said, required=True, most=32, note=WORDS["school_key_hint"]),
        line("administrator_name", "admin_name", said, required=True, most=100),
        line("administrator", "admin_key", said, required=True, most=31, note=WORDS["key_hint"]),
    ]
