"""Administration of the directory: grants, absences, groups, what is known of a person; and what was changed, by whom."""

import hashlib
import re
import secrets
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api import directory
from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.checking import DeadCorners
from api.directory import Editor, NotInDirectory
from api.requests import Answers, Key, no_cursor, read_as
from api.routes.answering import GOES_ON, Limit, body_of, json_of, refusals
from api.routes.under import Router
from api.schemas import DepartmentAnswer, GrantAnswer, PersonAnswer, department_answer, person_answer
from engine.actor import WHOLE_ORGANISATION, Grant
from engine.definition import said
from engine.directory import Absence, Department, Group, Person, Seat
from engine.errors import KeyReused, NotAllowed, Text
from engine.store import people
from workflows.roles import ADMINISTRATOR

router = Router("/people", tags=["directory"])

AUDITOR = "auditor"
ME = "me"
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: Any) -> date:
    """A local day as 2026-03-14 and nothing looser."""
    try:
        if not isinstance(value, str) or not ISO_DAY.fullmatch(value):
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError as error:
        raise said(Text("应为日期，如 2026-03-14", "has to be a day, as 2026-03-14")) from error


Day = Annotated[date, BeforeValidator(_day)]
LastDay = Annotated[Day | None, Query(description="The last day on which it holds; yesterday where it is left out")]
Meant = Annotated[bool, Query(description="Meant, although it opens a dead corner")]
Name = Annotated[str, Field(max_length=130)]
Confirmed = Annotated[
    bool, Field(default=False, strict=True, title="确认", description="Meant, although it opens a dead corner")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GiveRole(_Body):
    """A role in a scope: a department's code, or `*`. Days are inclusive."""

    role: Name
    scope: Name = WHOLE_ORGANISATION
    valid_from: Day | None = None
    valid_until: Day | None = None
    confirmed: Confirmed


class Leave(_Body):
    """Away from the first day to the last. `duties` are the roles handed on; all of them where it is left out."""

    first_day: Day
    last_day: Day
    delegate: Name | None = None
    duties: list[Name] = Field(default=[], max_length=50)
    confirmed: Confirmed


class AddPerson(_Body):
    """Somebody new under a key of his own. He holds nothing yet: roles are granted afterwards."""

    person: Name
    name: Name
    department: Name | None = None
    post: Name = ""
    staff_number: Name | None = None
    addresses: dict[Name, Annotated[str, Field(max_length=200)]] = {}
    confirmed: Confirmed


class ChangePerson(_Body):
    """Only what is named changes; `department` null takes him out of his, `staff_number` null takes it from him."""

    name: Name | None = None
    post: Name | None = None
    department: Name | None = None
    staff_number: Name | None = None
    addresses: dict[Name, Annotated[str, Field(max_length=200)]] | None = None
    active: Annotated[bool, Field(strict=True)] | None = None
    confirmed: Confirmed


class InBothLanguages(_Body):
    zh: Name
    en: Name


class SeatForm(_Body):
    """A person's seat, or that of whoever holds a role."""

    kind: Literal["person", "role"]
    holder: Name
    rank: Literal["chair", "deputy", "member"] = "member"
    valid_from: Day | None = None
    valid_until: Day | None = None


Least = Annotated[int, Field(ge=1, le=directory.MOST_SEATS, strict=True)]


class Needing(_Body):
    """How many a group needs to do its work, alone: what the page changes of it."""

    least: Least


class SetGroup(_Body):
    """A group as it shall be from now on. `least` is how many it needs to do its work."""

    name: InBothLanguages
    seats: list[SeatForm] = Field(max_length=directory.MOST_SEATS)
    least: Least = 1
    confirmed: Confirmed


class SetDepartment(_Body):
    """A department as it shall be called from now on. `external`: a contractor, which owes no report of its own."""

    name: InBothLanguages
    external: Annotated[bool, Field(strict=True)] = False
    owes_monthly: Annotated[bool, Field(strict=True)] | None = None
    confirmed: Confirmed


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {
    form.__name__: form for form in (GiveRole, Leave, AddPerson, ChangePerson, SetDepartment, SetGroup)
}


class GrantList(BaseModel):
    items: list[GrantAnswer]


class AbsenceAnswer(BaseModel):
    id: str
    person: str
    first_day: date
    last_day: date
    delegate: str | None
    duties: list[str]


class AbsenceList(BaseModel):
    items: list[AbsenceAnswer]


class SeatAnswer(BaseModel):
    kind: Literal["person", "role"]
    holder: str
    rank: Literal["chair", "deputy", "member"]
    valid_from: date | None
    valid_until: date | None


class GroupAnswer(BaseModel):
    """`sitting`: who holds a seat today."""

    code: str
    name: str
    least: int
    seats: list[SeatAnswer]
    sitting: list[str]


class GroupList(BaseModel):
    items: list[GroupAnswer]


class ChangeAnswer(BaseModel):
    """`by` is a principal, or `cli` for who works at the data folder itself."""

    id: int
    at: AwareDatetime
    by: str
    what: str
    about: dict[str, Any]


class ChangeList(BaseModel):
    """Newest first. `next` is the cursor of the page that follows, null on the last one."""

    items: list[ChangeAnswer]
    next: int | None


# --- who may -------------------------------------------------------------------------------------------------------------


def for_administrators(asker: Asker, asked: Text, *others: str) -> None:
    """Raises NotAllowed, before anything is looked up: who may not ask learns of nobody whether he exists."""
    if not asker.actor.holds_any({ADMINISTRATOR, *others}):
        raise NotAllowed(
            asked=asked,
            obstacle=Text("此事由系统管理员办理", "this belongs to the administrator"),
            remedy=Text("请联系本单位的系统管理员", "Ask the administrator of your organisation"),
        )


def oneself_or_administrator(asker: Asker, person: str, asked: Text, *others: str) -> str:
    """The key that is meant; `me` is the asker himself."""
    himself = str(asker.actor.person)
    if person in (ME, himself):
        return himself
    for_administrators(asker, asked, *others)
    return person


def editor_of(runtime: Runtime, asker: Asker, *, confirmed: bool) -> Editor:
    runtime.writer.must_be_in_place()
    actor, now = asker.actor, runtime.clock.now()
    return Editor(
        runtime.database, actor.organisation, actor.principal, now, represented=actor.on_behalf_of,
        confirmed=confirmed, check=DeadCorners(runtime.engine.catalog, actor.organisation, now),
    )  # fmt: skip


# --- grants --------------------------------------------------------------------------------------------------------------


@router.get(
    "/{person}/grants", response_model=GrantList, summary="角色 · Somebody's roles", responses=refusals(403, 404)
)
def list_grants(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asked = Text("查看角色", "See somebody's roles")
    key = oneself_or_administrator(asker, person, asked, AUDITOR)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = people.grants_of(connection, asker.actor.organisation, key)
        if not found:
            _known(connection, asker, key, asked)
    return json_of(GrantList(items=[_grant_answer(grant) for grant in found]))


@router.post(
    "/{person}/grants", status_code=201, response_model=GrantAnswer, summary="授予角色 · Grant a role",
    openapi_extra=body_of(GiveRole), responses=refusals(403, 404, 409),
)  # fmt: skip
def grant(runtime: TheRuntime, asker: SignedIn, person: str, answers: Answers) -> Response:
    """Granting it again sets its dates anew. `person` may be `key@organisation`: somebody of the bureau above."""
    for_administrators(asker, directory.GRANTING)
    form = read_as(GiveRole, answers, runtime.engine.words)
    given = Grant(form.role, form.scope, form.valid_from, form.valid_until)
    done = directory.grant(editor_of(runtime, asker, confirmed=form.confirmed), person, given)
    return json_of(_grant_answer(done), status=201)


@router.delete(
    "/{person}/grants", response_model=GrantAnswer, summary="收回角色 · Withdraw a role",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def withdraw(
    runtime: TheRuntime,
    asker: SignedIn,
    person: str,
    role: Annotated[str, Query(description="The role that is withdrawn")],
    scope: Annotated[
        str, Query(description="Where it is held: a department's code, or `*` for the organisation")
    ] = WHOLE_ORGANISATION,
    last_day: LastDay = None,
    confirmed: Meant = False,
) -> Response:
    """It ends with `last_day`, yesterday where that is left out, and stays on record."""
    for_administrators(asker, directory.WITHDRAWING)
    done = directory.withdraw(editor_of(runtime, asker, confirmed=confirmed), person, role, scope, last_day)
    return json_of(_grant_answer(done))


def _grant_answer(grant: Grant) -> GrantAnswer:
    return GrantAnswer(role=grant.role, scope=grant.scope, valid_from=grant.valid_from, valid_until=grant.valid_until)


def _known(connection: Any, asker: Asker, key: str, asked: Text) -> None:
    """Raises NotInDirectory. Somebody of another organisation who holds nothing here is as unknown as nobody."""
    found = people.person(connection, asker.actor.organisation, key)
    if found is None or found.organisation != asker.actor.organisation or found.person != key:
        raise _unknown(
            asked, Text(f"名册中没有 {key[:130]!r}", f"there is nobody called {key[:130]!r} in the directory")
        )


def _unknown(asked: Text, obstacle: Text) -> NotInDirectory:
    return NotInDirectory(asked=asked, obstacle=obstacle, remedy=Text("请核对名册", "Look it up in the directory"))


# --- absences ------------------------------------------------------------------------------------------------------------


@router.get("/{person}/absences", response_model=AbsenceList, summary="外出 · Absences", responses=refusals(403, 404))
def list_absences(runtime: TheRuntime, asker: SignedIn, person: str) -> Response:
    asked = Text("查看外出", "See somebody's absences")
    key = oneself_or_administrator(asker, person, asked, AUDITOR)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = [a for a in people.absences(connection, asker.actor.organisation) if a.person == key]
        if not found and key != asker.actor.person:
            _known(connection, asker, key, asked)
    return json_of(AbsenceList(items=[absence_answer(absence) for absence in found]))


@router.post(
    "/{person}/absences", status_code=201, response_model=AbsenceAnswer, summary="登记外出 · Be away",
    openapi_extra=body_of(Leave), responses=refusals(403, 404, 409),
)  # fmt: skip
def leave(runtime: TheRuntime, asker: SignedIn, person: str, answers: Answers, key: Key) -> Response:
    """For oneself (`me`), or by an administrator for anybody. The same Idempotency-Key writes it down once."""
    away = oneself_or_administrator(asker, person, directory.LEAVING)
    form = read_as(Leave, answers, runtime.engine.words)
    done = leave_once(runtime, asker, away, form, key)
    return json_of(absence_answer(done), status=201)


def leave_once(runtime: Runtime, asker: Asker, away: str, form: Leave, key: str | None) -> Absence:
    """The absence, written down once however often it is sent under the same key. Raises KeyReused for another one."""
    named = f"{asker.actor.principal} {key}" if key else secrets.token_hex(16)
    absence = Absence(
        hashlib.sha256(named.encode()).hexdigest()[:32], away, form.first_day, form.last_day, form.delegate,
        frozenset(form.duties),
    )  # fmt: skip
    with runtime.database.read(asker.actor.organisation) as connection:
        written = [a for a in people.absences(connection, asker.actor.organisation) if key and a.id == absence.id]
    if written and written != [absence]:
        raise KeyReused(
            asked=directory.LEAVING,
            obstacle=Text("该幂等键已用于另一次外出", "this idempotency key stands for another absence"),
            remedy=Text("请换一个幂等键", "Take a new key"),
        )
    if not written:
        directory.leave(editor_of(runtime, asker, confirmed=form.confirmed), absence)
    return absence


@router.delete(
    "/{person}/absences/{absence}", response_model=AbsenceAnswer, summary="提前返岗 · Be back early",
    responses=refusals(403, 404, 409),
)  # fmt: skip
def come_back(
    runtime: TheRuntime,
    asker: SignedIn,
    person: str,
    absence: str,
    last_day: LastDay = None,
    confirmed: Meant = False,
) -> Response:
    """It ends with `last_day`, yesterday where that is left out, and stays on record."""
    back = oneself_or_administrator(asker, person, directory.RETURNING)
    done = directory.come_back(editor_of(runtime, asker, confirmed=confirmed), back, absence, last_day)
    return json_of(absence_answer(done))


def absence_answer(absence: Absence) -> AbsenceAnswer:
    return AbsenceAnswer(
        id=absence.id, person=absence.person, first_day=absence.first_day, last_day=absence.last_day,
        delegate=absence.delegate, duties=sorted(absence.duties),
    )  # fmt: skip


# --- groups --------------------------------------------------------------------------------------------------------------


@router.get("/groups", response_model=GroupList, summary="工作组 · Working groups")
def list_groups(runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        found = people.groups(connection, asker.actor.organisation)
        answers = [group_answer(connection, runtime, asker, group) for group in found]
    return json_of(GroupList(items=answers))


@router.get("/groups/{code}", response_model=GroupAnswer, summary="工作组 · A working group", responses=refusals(404))
def read_group(runtime: TheRuntime, asker: SignedIn, code: str) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        for group in people.groups(connection, asker.actor.organisation):
            if group.code == code:
                return json_of(group_answer(connection, runtime, asker, group))
    raise _unknown(
        Text("查看工作组", "See a working group"),
        Text(f"没有工作组 {code[:40]!r}", f"there is no group {code[:40]!r}"),
    )


@router.put(
    "/groups/{code}", response_model=GroupAnswer, summary="设置工作组 · Set a working group",
    openapi_extra=body_of(SetGroup), responses=refusals(403, 409),
)  # fmt: skip
def set_group(runtime: TheRuntime, asker: SignedIn, code: str, answers: Answers) -> Response:
    """Who sits in it holds the role called like its code, everywhere in the organisation."""
    for_administrators(asker, directory.SETTING)
    form = read_as(SetGroup, answers, runtime.engine.words)
    seats = tuple(Seat(s.kind, s.holder, s.rank, s.valid_from, s.valid_until) for s in form.seats)
    group = Group(code, Text(form.name.zh, form.name.en), seats, form.least)
    directory.set_group(editor_of(runtime, asker, confirmed=form.confirmed), group)
    with runtime.database.read(asker.actor.organisation) as connection:
        return json_of(group_answer(connection, runtime, asker, group))


def group_answer(connection: Any, runtime: Runtime, asker: Asker, group: Group) -> GroupAnswer:
    organisation = asker.actor.organisation
    today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
    return GroupAnswer(
        code=group.code,
        name=group.name.in_(asker.locale),
        least=group.least,
        seats=[
            SeatAnswer(kind=s.kind, holder=s.holder, rank=s.rank, valid_from=s.valid_from, valid_until=s.valid_until)
            for s in group.seats
        ],
        sitting=sorted({person for person, _ in people.holders(connection, organisation, group.code, today)}),
    )


# --- departments ---------------------------------------------------------------------------------------------------------


class DepartmentList(BaseModel):
    items: list[DepartmentAnswer]


@router.get("/departments", response_model=DepartmentList, summary="部门 · Departments")
def list_departments(runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        found = people.departments(connection, asker.actor.organisation)
    return json_of(DepartmentList(items=[department_answer(d, asker.locale) for d in found]))


@router.put(
    "/departments/{code}", response_model=DepartmentAnswer, summary="设置部门 · Set a department",
    openapi_extra=body_of(SetDepartment), responses=refusals(403, 409),
)  # fmt: skip
def set_department(runtime: TheRuntime, asker: SignedIn, code: str, answers: Answers) -> Response:
    """A new one, or another name. `owes_monthly` says whether a monthly inspection is due from it; left out, a new one
    owes if it is the school's own, and the others stay as they are.
    """
    for_administrators(asker, directory.ARRANGING)
    form = read_as(SetDepartment, answers, runtime.engine.words)
    name = Text(form.name.zh, form.name.en)
    department = Department(asker.actor.organisation, code, name, form.external)
    editor = editor_of(runtime, asker, confirmed=form.confirmed)
    done = directory.set_department(editor, department, owes_monthly=form.owes_monthly)
    return json_of(department_answer(done, asker.locale))


# --- people --------------------------------------------------------------------------------------------------------------


@router.post(
    "", status_code=201, response_model=PersonAnswer, summary="登记人员 · Add a person",
    openapi_extra=body_of(AddPerson), responses=refusals(403, 409),
)  # fmt: skip
def add_person(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """The key stays for good; a staff number is one person's. Nobody is ever deleted: who leaves is made inactive."""
    for_administrators(asker, directory.ADDING)
    form = read_as(AddPerson, answers, runtime.engine.words)
    person = Person(
        asker.actor.organisation, form.person, form.name, form.department, staff_number=form.staff_number,
        post=form.post, addresses=form.addresses,
    )  # fmt: skip
    return json_of(
        person_answer(directory.add(editor_of(runtime, asker, confirmed=form.confirmed), person)), status=201
    )


@router.patch(
    "/{person}", response_model=PersonAnswer, summary="更改人员信息 · Change a person's entry",
    openapi_extra=body_of(ChangePerson), responses=refusals(403, 404, 409),
)  # fmt: skip
def change_person(runtime: TheRuntime, asker: SignedIn, person: str, answers: Answers) -> Response:
    for_administrators(asker, directory.UPDATING)
    form = read_as(ChangePerson, answers, runtime.engine.words)
    named = form.model_dump(exclude_unset=True, exclude={"confirmed"})
    changed = {
        name: value for name, value in named.items() if value is not None or name in ("department", "staff_number")
    }
    done = directory.update(editor_of(runtime, asker, confirmed=form.confirmed), person, changed)
    return json_of(person_answer(done))


@router.get("/changes", response_model=ChangeList, summary="名册更改记录 · What was changed", responses=refusals(403))
def changes(
    runtime: TheRuntime,
    asker: SignedIn,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=20, description=GOES_ON)] = None,
) -> Response:
    for_administrators(asker, Text("查看名册更改记录", "See what was changed"), AUDITOR)
    if cursor is not None and not re.fullmatch(r"\d{1,18}", cursor, re.ASCII):
        no_cursor()
    with runtime.database.read(asker.actor.organisation) as connection:
        before = None if cursor is None else int(cursor)
        newest = people.newest_changes(
            connection, asker.actor.organisation, limit + 1, before
        )  # one more: is there a next?
    shown = [ChangeAnswer(id=c["id"], at=c["at"], by=c["by"], what=c["what"], about=c["about"]) for c in newest[:limit]]
    return json_of(ChangeList(items=shown, next=shown[-1].id if len(newest) > limit else None))
