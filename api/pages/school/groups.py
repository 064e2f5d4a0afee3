"""Working groups and departments: who sits where, what a department is called, whether a monthly inspection is due from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api import directory
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.naming import NamesOf, day_in_words
from api.pages.rendering import SCHOOL, go_to, page
from api.pages.school.keeping import (
    Asking,
    chosen,
    form_page,
    holding,
    is_confirmed,
    keeper,
    line,
    of_people,
    read_form,
    whole,
)
from api.pages.words import WORDS
from api.requests import read_as
from api.routes.directory import Needing, SeatForm, SetDepartment, editor_of
from engine.directory import Department, Group, Seat
from engine.errors import InvalidInput, Refusal, Text
from engine.store import people, periods
from workflows.asking import Choice
from workflows.inspection import CYCLE
from workflows.roles import ADMINISTRATOR, GROUPS, ROLES

router = Pages()

AT_GROUPS = f"{SCHOOL}/groups"
AT_DEPARTMENTS = f"{SCHOOL}/departments"
RANKS: Mapping[str, Text] = {
    "chair": WORDS["rank_chair"], "deputy": WORDS["rank_deputy"], "member": WORDS["rank_member"]
}  # fmt: skip
ROLE = "role:"  # before a holder that is a role, as at the command line
LOOKING = Text("查看工作组", "See a working group")


@dataclass(frozen=True, slots=True)
class Sitting:
    """A seat in words. `number` is its place in the group, from 0."""

    number: int
    rank: Text
    holder: str
    by_role: bool
    until: str


@dataclass(frozen=True, slots=True)
class Shown:
    code: str
    name: Text
    least: int
    seats: list[Sitting]
    sitting: list[str]


@router.get(AT_GROUPS)
def groups_page(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        found = people.groups(connection, asker.actor.organisation)
        shown = [_shown(connection, runtime, asker, group) for group in found]
    return page(request, "school_groups.html", asker=asker, active="more", groups=shown, back=SCHOOL, at=AT_GROUPS)


@router.get(f"{AT_GROUPS}/{{code}}")
def group_page(
    request: Request, runtime: TheRuntime, asker: SignedIn, code: str, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        shown = _shown(connection, runtime, asker, _group(connection, asker, code))
    may = asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None
    return page(
        request, "school_group.html", asker=asker, active="more", group=shown, back=AT_GROUPS, at=f"{AT_GROUPS}/{code}",
        may=may, done=done == "set",
    )  # fmt: skip


def _group(connection: Connection, asker: Asker, code: str) -> Group:
    for group in people.groups(connection, asker.actor.organisation):
        if group.code == code:
            return group
    raise directory.NotInDirectory(
        asked=LOOKING,
        obstacle=Text(f"没有工作组 {code[:40]!r}", f"there is no group {code[:40]!r}"),
        remedy=Text("请核对名册", "Look it up in the directory"),
    )


def _shown(connection: Connection, runtime: Runtime, asker: Asker, group: Group) -> Shown:
    organisation = asker.actor.organisation
    today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
    names = NamesOf(connection, organisation, asker.locale)
    seats = [
        Sitting(
            number, RANKS[s.rank], names.role(s.holder) if s.kind == "role" else names.person(s.holder), s.kind == "role",
            day_in_words(s.valid_until, asker.locale),
        )
        for number, s in enumerate(group.seats)
    ]  # fmt: skip
    sitting = sorted({person for person, _ in people.holders(connection, organisation, group.code, today)})
    return Shown(group.code, group.name, group.least, seats, [names.person(key) for key in sitting])


@router.get(f"{AT_GROUPS}/{{code}}/seat")
def seat_form(request: Request, runtime: TheRuntime, asker: SignedIn, code: str) -> Response:
    return _seating(request, runtime, keeper(asker, directory.SETTING), code, {"rank": ("member",)})


@router.post(f"{AT_GROUPS}/{{code}}/seat")
def add_seat(request: Request, runtime: TheRuntime, asker: SignedIn, code: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.SETTING)
    with runtime.database.read(asker.actor.organisation) as connection:
        group = _group(connection, asker, code)
    holder = sent.one("holder")
    kind = "role" if holder.startswith(ROLE) else "person"
    try:
        said = {"kind": kind, "holder": holder.removeprefix(ROLE)}
        given = {n: v for n in ("rank", "valid_from", "valid_until") if (v := sent.one(n).strip())}
        form = read_as(SeatForm, {**said, **given}, runtime.engine.words)
        seat = Seat(form.kind, form.holder, form.rank, form.valid_from, form.valid_until)
        kept = [s for s in group.seats if (s.kind, s.holder) != (seat.kind, seat.holder)]  # once more is another rank
        directory.set_group(
            editor_of(runtime, asker, confirmed=is_confirmed(sent)), replace(group, seats=(*kept, seat))
        )
    except Refusal as refusal:
        return _seating(request, runtime, asker, code, sent.values, refusal)
    return go_to(f"{AT_GROUPS}/{code}?done=set")


def _seating(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    code: str,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
) -> Response:
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
        group = _group(connection, asker, code)
        everybody, departments = people.people(connection, organisation), people.departments(connection, organisation)
    roles = [Choice(ROLE + r, title, WORDS["by_role"]) for r, title in ROLES.items() if r not in GROUPS]
    controls = [
        chosen("holder", "holder", said, [*roles, *of_people(everybody, departments)], required=True, note=WORDS["holder_hint"]),
        chosen("rank", "rank", said, [Choice(rank, title) for rank, title in RANKS.items()], required=True, names=False),
        line("valid_from", "valid_from", said, kind="day", note=WORDS["valid_from_hint"]),
        line("valid_until", "valid_until", said, kind="day", note=WORDS["valid_until_hint"]),
    ]  # fmt: skip
    at = f"{AT_GROUPS}/{code}"
    asking = Asking(
        WORDS["add_seat"],
        f"{at}/seat",
        WORDS["add"],
        (at, WORDS["back_to_group"]),
        controls,
        about=group.name.in_(asker.locale),
    )
    return form_page(request, asker, asking, _at_the_holder(refusal))


def _at_the_holder(refusal: Refusal | None) -> Refusal | None:
    """A fault of the last seat is the fault of whom the form names."""
    if not isinstance(refusal, InvalidInput):
        return refusal
    fields = [replace(f, field="holder") if f.field.startswith("seats") else f for f in refusal.fields]
    return InvalidInput(asked=refusal.asked, obstacle=refusal.obstacle, remedy=refusal.remedy, fields=fields)


@router.get(f"{AT_GROUPS}/{{code}}/seats/{{number}}")
def unseat_form(request: Request, runtime: TheRuntime, asker: SignedIn, code: str, number: int) -> Response:
    return _unseating(request, runtime, keeper(asker, directory.SETTING), code, number)


@router.post(f"{AT_GROUPS}/{{code}}/seats/{{number}}")
def unseat(request: Request, runtime: TheRuntime, asker: SignedIn, code: str, number: int, sent: TheSent) -> Response:
    asker = keeper(asker, directory.SETTING)
    with runtime.database.read(asker.actor.organisation) as connection:
        group = _group(connection, asker, code)
    left = tuple(s for s in group.seats if f"{s.kind}:{s.holder}" != sent.one("seat"))
    try:
        directory.set_group(editor_of(runtime, asker, confirmed=is_confirmed(sent)), replace(group, seats=left))
    except Refusal as refusal:
        return _unseating(request, runtime, asker, code, number, refusal)
    return go_to(f"{AT_GROUPS}/{code}?done=set")


def _unseating(
    request: Request, runtime: Runtime, asker: Asker, code: str, number: int, refusal: Refusal | None = None
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        group = _group(connection, asker, code)
        shown = _shown(connection, runtime, asker, group)
    at = f"{AT_GROUPS}/{code}"
    if not 0 <= number < len(group.seats):
        return go_to(at)
    seat = group.seats[number]
    asking = Asking(
        WORDS["take_seat_away"], f"{at}/seats/{number}", WORDS["take_seat_away"], (at, WORDS["back_to_group"]),
        about=f"{shown.name.in_(asker.locale)} · {shown.seats[number].holder}",
        hidden={"seat": f"{seat.kind}:{seat.holder}"},  # by name: the place may be another's by now
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


@router.get(f"{AT_GROUPS}/{{code}}/least")
def least_form(request: Request, runtime: TheRuntime, asker: SignedIn, code: str) -> Response:
    return _needing(request, runtime, keeper(asker, directory.SETTING), code)


@router.post(f"{AT_GROUPS}/{{code}}/least")
def set_least(request: Request, runtime: TheRuntime, asker: SignedIn, code: str, sent: TheSent) -> Response:
    asker = keeper(asker, directory.SETTING)
    with runtime.database.read(asker.actor.organisation) as connection:
        group = _group(connection, asker, code)
    try:
        form = read_as(Needing, {"least": whole(sent.one("least"))}, runtime.engine.words)
        directory.set_group(editor_of(runtime, asker, confirmed=is_confirmed(sent)), replace(group, least=form.least))
    except Refusal as refusal:
        return _needing(request, runtime, asker, code, sent.values, refusal)
    return go_to(f"{AT_GROUPS}/{code}?done=set")


def _needing(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    code: str,
    said: Mapping[str, tuple[str, ...]] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        group = _group(connection, asker, code)
    said = {"least": (str(group.least),)} if said is None else said
    at = f"{AT_GROUPS}/{code}"
    asking = Asking(
        WORDS["change_least"], f"{at}/least", WORDS["save"], (at, WORDS["back_to_group"]),
        [line("least", "least", said, kind="whole", required=True, note=WORDS["least_hint"])],
        about=group.name.in_(asker.locale),
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)


# --- departments ---------------------------------------------------------------------------------------------------------


@router.get(AT_DEPARTMENTS)
def departments_page(
    request: Request, runtime: TheRuntime, asker: SignedIn, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    organisation = asker.actor.organisation
    with runtime.database.read(organisation) as connection:
        found = people.departments(connection, organisation)
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
        owing = _owing(connection, organisation, today)
        here: dict[str, int] = {}
        for person in people.people(connection, organisation):
            if person.active and person.department:
                here[person.department] = here.get(person.department, 0) + 1
    lines = [(d, d.code in owing, here.get(d.code, 0)) for d in found]
    may = asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None
    return page(
        request, "school_departments.html", asker=asker, active="more", lines=lines, may=may, at=AT_DEPARTMENTS, back=SCHOOL,
        new_at=f"{SCHOOL}/department", done=done == "set", people_at=f"{SCHOOL}/people" if holding(asker, ADMINISTRATOR, "auditor") else "",
    )  # fmt: skip


def _owing(connection: Connection, organisation: str, today: date) -> set[str]:
    return {
        o.scope
        for o in periods.obligations(connection, organisation)
        if o.cycle == CYCLE and (o.last_day is None or o.last_day >= today)
    }


@router.get(f"{SCHOOL}/department")
def department_form(
    request: Request, runtime: TheRuntime, asker: SignedIn, code: Annotated[str, Query(max_length=32)] = ""
) -> Response:
    """A new one, or the one the address names. Raises NotInDirectory where there is none with this code."""
    asker = keeper(asker, directory.ARRANGING)
    organisation = asker.actor.organisation
    said: dict[str, tuple[str, ...]] = {"owes_monthly": ("yes",), "external": ("no",)}
    with runtime.database.read(organisation) as connection:
        known = next((d for d in people.departments(connection, organisation) if d.code == code), None)
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
        if known is None and code:
            raise directory.no_department_here(code)
        if known is not None:
            owes = code in _owing(connection, organisation, today)
            said = {
                "code": (code,), "name.zh": (known.name.zh,), "name.en": (known.name.en,),
                "external": ("yes" if known.external else "no",), "owes_monthly": ("yes" if owes else "no",),
            }  # fmt: skip
    return _arranging(request, asker, said, known=known is not None)


@router.post(f"{SCHOOL}/department")
def set_department(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    asker = keeper(asker, directory.ARRANGING)
    known = sent.one("known") == "yes"
    try:
        zh = sent.one("name.zh").strip()
        form = read_form(
            runtime, SetDepartment, sent, (), name={"zh": zh, "en": sent.one("name.en").strip() or zh},
            external=sent.one("external") == "yes", owes_monthly=sent.one("owes_monthly") == "yes",
        )  # fmt: skip
        name = Text(form.name.zh, form.name.en)
        department = Department(asker.actor.organisation, sent.one("code").strip(), name, form.external)
        editor = editor_of(runtime, asker, confirmed=form.confirmed)
        directory.set_department(editor, department, owes_monthly=form.owes_monthly, new=not known)
    except directory.NotInDirectory:
        raise
    except Refusal as refusal:
        return _arranging(request, asker, sent.values, refusal, known=known)
    return go_to(f"{AT_DEPARTMENTS}?done=set")


def _arranging(
    request: Request,
    asker: Asker,
    said: Mapping[str, tuple[str, ...]],
    refusal: Refusal | None = None,
    *,
    known: bool,
) -> Response:
    code = said.get("code", ("",))[-1]
    controls = [] if known else [line("code", "department_code", said, required=True, most=32, note=WORDS["code_hint"])]
    controls += [
        line("name.zh", "name_zh", said, required=True, most=100),
        line("name.en", "name_en", said, most=100),
        line("external", "external", said, kind="yes_no", required=True),
        line("owes_monthly", "owes_monthly", said, kind="yes_no", required=True),
    ]
    asking = Asking(
        directory.ARRANGING, f"{SCHOOL}/department", WORDS["save"], (AT_DEPARTMENTS, WORDS["school_departments"]), controls,
        about=code if known else "", hidden={"code": code, "known": "yes"} if known else {},
    )  # fmt: skip
    return form_page(request, asker, asking, refusal)
