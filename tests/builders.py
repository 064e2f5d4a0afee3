"""A small school to test on: a database of the kind one asks for, departments, people by their posts, tokens.

    runtime = a_runtime(tmp_path, kind)                # a simulated data folder, its clock at START
    school = a_school(runtime.database)                # organisation "school"; another name makes another tenant
    school.actor("repairer"), school.token("teacher")  # who acts

The loop tests use when any loop would do is REPAIR: report → assign → fix → verify → close, with a return and a photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from argon2 import PasswordHasher
from pydantic import field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from sqlalchemy import Connection, Table, insert, select

from api.auth import cookies
from api.bootstrap import Runtime, open_runtime
from api.folder import Folder
from api.passwords import Hasher, Hashing
from api.settings import Settings
from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.clock import Clock, SimulatedClock
from engine.deadlines import Ladder, Rung
from engine.definition import (
    Catalog,
    DepartmentRef,
    FileRef,
    Form,
    Line,
    PersonRef,
    Policy,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
    said,
)
from engine.directory import Department, Organisation, Person
from engine.errors import Text
from engine.guards import Situation, guard
from engine.handle import Engine
from engine.store import accounts, calendars, people
from engine.store.database import Database, table_of
from engine.store.tables import CalendarRow, DepartmentRow, OrganisationRow, PersonRow, RoleGrantRow, TokenRow
from notifications.channels import Channel
from tests.databases import EMPTY, Kind, Template
from tests.fakes import countable
from workflows.wording import ERROR_WORDS

START = datetime(2020, 3, 2, 1, 0, tzinfo=UTC)  # a Monday, 09:00 at the school

# --- a loop --------------------------------------------------------------------------------------------------------------


class ReportRepair(Form):
    title: Line = asks("问题", "What is broken")
    place: Line = asks("部位", "Where")
    department: DepartmentRef = asks("责任部门", "Who answers for it", default="HQC")
    category: str = asks("类别", "Category", default="ELEC.socket", max_length=64)
    photos: list[FileRef] = asks("照片", "Photos", default=[], max_length=5)


class AssignRepair(Form):
    assignee: PersonRef = asks("整改责任人", "Who fixes it")
    urgency: int = asks("紧急程度", "Urgency", default=1, ge=1, le=3)


class FixRepair(Form):
    done: Words = asks("整改情况", "What was done")
    photo: FileRef | None = asks("整改后照片", "Photo afterwards", default=None)

    @field_validator("done")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if value in {"ok", "好"}:
            raise said(Text("请写明做了什么", "say what was done"))
        return value


class ReturnRepair(Form):
    why: Words = asks("退回原因", "Why")


class RepairPolicy(Policy):
    fix_workdays: int = 3


@guard(
    "test_not_too_urgent",
    obstacle=Text("紧急事项不能退回", "what is most urgent is not returned"),
    remedy=Text("请直接验收", "Verify it"),
)
def not_too_urgent(situation: Situation) -> bool:
    return int(situation.case.facts.get("urgency", 1)) < 3


REPAIR_LADDER = Ladder(
    (
        Rung("a day before", -1, ("holder",), "digest"),
        Rung("on the day", 0, ("holder",), "direct"),
        Rung("three days late", 3, ("safety_head",), "direct"),
        Rung("each week", None, ("safety_head",), "digest", every_workdays=5),
    )
)
REPAIR_ROLES = {
    "teacher": Text("教职工", "teacher"), "repairer": Text("维修人员", "repairer"),
    "dept_safety": Text("部门安全员", "department safety officer"), "dept_head": Text("部门负责人", "head of department"),
    "safety_staff": Text("安稳办专职", "safety officer"), "safety_head": Text("安稳办主任", "head of safety"),
    "vp_safety": Text("分管副校长", "vice-principal"), "principal": Text("校长", "principal"),
    "auditor": Text("督查", "auditor"), "driver": Text("驾驶员", "driver"),
}  # fmt: skip
REPAIR = Workflow(
    key="repair",
    plural="repairs",
    version=1,
    prefix="WX",
    title=Text("报修", "Repair"),
    opens_with=ReportRepair,
    opens_by=("teacher", "dept_safety", "safety_staff", "safety_head"),
    roles=REPAIR_ROLES,
    policy=RepairPolicy,
    states=[
        State("reported", Text("已上报", "Reported"), awaits=("safety_staff",), due=Within(hours=24)),
        State(
            "assigned", Text("已交办", "Assigned"), awaits=("assignee",), due=Within(workdays="fix_workdays"),
            ladder=REPAIR_LADDER,
        ),
        State("fixed", Text("已整改", "Fixed"), awaits=("safety_staff",), due=Within(workdays=2)),
        State("verified", Text("已复查", "Verified"), awaits=("safety_head",), due=Within(workdays=2)),
        State("closed", Text("已销号", "Closed"), final=True),
    ],
    transitions=[
        Transition("assign", "reported", "assigned", Text("交办", "Assign"), by=("safety_staff",), form=AssignRepair),
        Transition("fix", "assigned", "fixed", Text("整改", "Fix"), by=("assignee",), form=FixRepair, acts_as="fixer"),
        Transition(
            "verify", "fixed", "verified", Text("复查", "Verify"), by=("safety_staff", "dept_safety"), never=("fixer",),
            acts_as="verifier",
        ),
        Transition(
            "return", "fixed", "assigned", Text("退回", "Return"), by=("safety_staff",), form=ReturnRepair,
            counts="returned", guards=(not_too_urgent,), reason="returned",
        ),
        Transition("close", "verified", "closed", Text("销号", "Close"), by=("safety_head",)),
    ],
)  # fmt: skip
REPAIRS = Catalog([REPAIR], overseers=frozenset({"safety_staff", "safety_head", "vp_safety", "principal", "auditor"}))

# --- a school ------------------------------------------------------------------------------------------------------------

DEPARTMENTS = {
    "DZB": Text("党政办公室（安全稳定办）", "Safety office"),
    "BWC": Text("保卫处", "Security office"),
    "HQC": Text("总务后勤处", "Logistics"),
    "XB1": Text("机电工程系", "Mechanical and electrical department"),
}
#: key → post, department, roles with their scopes
POSTS: Mapping[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "principal": ("校长", "DZB", (("principal", "*"),)),
    "vp_safety": ("分管安全副校长", "DZB", (("vp_safety", "*"),)),
    "safety_head": ("安稳办主任", "DZB", (("safety_head", "*"),)),
    "safety_staff": ("安稳办专职", "DZB", (("safety_staff", "*"),)),
    "auditor": ("督查", "DZB", (("auditor", "*"),)),
    "hqc_head": ("后勤处负责人", "HQC", (("dept_head", "HQC"),)),
    "hqc_safety": ("后勤处安全员", "HQC", (("dept_safety", "HQC"),)),
    "repairer": ("维修人员", "HQC", (("repairer", "HQC"),)),
    "repairer2": ("维修人员二", "HQC", (("repairer", "HQC"),)),
    "bwc_head": ("保卫处负责人", "BWC", (("dept_head", "BWC"),)),
    "bwc_safety": ("保卫处安全员", "BWC", (("dept_safety", "BWC"),)),
    "xb1_safety": ("机电系安全员", "XB1", (("dept_safety", "XB1"),)),
    "teacher": ("教师", "XB1", (("teacher", "*"),)),
    "teacher2": ("教师二", "XB1", (("teacher", "*"),)),
    "driver": ("驾驶员", "XB1", ()),  # has no business here
}


@dataclass(frozen=True)
class School:
    organisation: str
    persons: Sequence[str] = field(default=tuple(POSTS))

    def actor(self, person: str, *, on_behalf_of: str | None = None) -> Actor:
        """This person as an actor, with the grants given at the start."""
        return _an_actor(self.organisation, person, on_behalf_of)

    def token(self, person: str) -> str:
        return f"bh_{self.organisation}_{person}_token"

    def headers(self, person: str, **more: str) -> dict[str, str]:
        """A request's headers in this person's name; `Accept_Language="en"` becomes `Accept-Language`."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.token(person)}", **named}


@cache
def _an_actor(organisation: str, person: str, on_behalf_of: str | None) -> Actor:
    _, department, grants = POSTS[person]
    held = frozenset(Grant(role, scope) for role, scope in grants)
    return Actor(organisation, "person", person=person, department=department, grants=held, on_behalf_of=on_behalf_of)


def a_calendar(version: int = 1, **changed: Any) -> Calendar:
    """Plain weeks, known for 2019 to 2021; no holidays unless given."""
    values: dict[str, Any] = {
        "version": version, "time_zone": "Asia/Shanghai", "days_off": frozenset(), "working_weekend_days": frozenset(),
        "known_from": date(2019, 1, 1), "known_until": date(2021, 12, 31),
    }  # fmt: skip
    return Calendar(**{**values, **changed})


def a_school(
    database: Database, organisation: str = "school", at: datetime = START, calendar: Calendar | None = None
) -> School:
    """Write a school down: departments, people, grants, a token each, a calendar."""
    school, asked = School(organisation), (organisation, at, calendar or a_calendar())
    if asked in _written_down:
        with database.write_across() as connection:
            for table, rows in _written_down[asked]:
                connection.execute(insert(table), rows)
        return school
    with database.write_across() as connection:
        _write_down(connection, school, at, asked[2])
    with database.read_across() as connection:
        _written_down[asked] = [(table, _rows_of(connection, table, organisation)) for table in _OF_A_SCHOOL]
    return school


def _write_down(connection: Connection, school: School, at: datetime, calendar: Calendar) -> None:
    organisation = school.organisation
    people.add_organisation(connection, Organisation(organisation, Text("示范学校", "Sample school")))
    calendars.add(connection, organisation, calendar, at)
    for code, title in DEPARTMENTS.items():
        people.add_department(connection, Department(organisation, code, title))
    for key, (post, department, grants) in POSTS.items():
        held = [Grant(role, scope) for role, scope in grants]
        people.add_person(connection, Person(organisation, key, post, department), held)
        accounts.add_token(connection, organisation, key, school.token(key), "test", at)


#: what writing a school down leaves behind, the row first that others refer to
_OF_A_SCHOOL = tuple(
    table_of(row) for row in (OrganisationRow, CalendarRow, DepartmentRow, PersonRow, RoleGrantRow, TokenRow)
)
#: the rows of each school that was written down: nearly every test wants the same one, and they are a hundred statements
_written_down: dict[tuple[str, datetime, Calendar], list[tuple[Table, list[dict[str, Any]]]]] = {}


def _rows_of(connection: Connection, table: Table, organisation: str) -> list[dict[str, Any]]:
    found = connection.execute(select(table).where(table.c.organisation == organisation))
    return [dict(row) for row in found.mappings()]


def _found(database: Database) -> None:
    a_school(database)


FOUNDED = Template(_found, upon=EMPTY)  #: with the school of `a_school` in it, as it is unless something else is said

# --- a database, an engine, a process -------------------------------------------------------------------------------------


def a_database(path: Path, kind: Kind) -> Database:
    """A database of its own, empty and migrated; in this folder if it is a file."""
    return EMPTY.copy(kind, path)


def an_engine(path: Path, kind: Kind, clock: Clock | None = None, catalog: Catalog = REPAIRS) -> Engine:
    """An engine on a database of its own; its salts are countable."""
    return Engine(a_database(path, kind), catalog, clock or SimulatedClock(START), ERROR_WORDS, countable())


def a_runtime(
    path: Path,
    kind: Kind,
    *,
    clock: Clock | None = None,
    catalog: Catalog = REPAIRS,
    console: TextIO | None = None,
    simulated: bool = True,
    hashing: Hashing | None = None,
    more_channels: Sequence[Channel] = (),
    upon: Template = EMPTY,
    **settings: Any,
) -> Runtime:
    """A process's runtime on a data folder of its own. `close` it, or use `closing`.

    upon       what is in its database already
    hashing    of passwords; by default with numbers that take no time
    clock      by default a SimulatedClock at START where the folder is simulated, else the system's
    settings   as for Settings
    """
    Folder(path).make(simulated=simulated, at=START if simulated else None)
    url = upon.place(kind, path)
    if kind == "postgresql":
        settings = {"database_url": url, **settings}
    if clock is None and simulated:
        clock = SimulatedClock(START)
    return open_runtime(
        the_settings(path, **settings),
        clock=clock,
        catalog=catalog,
        console=console,
        hashing=hashing or quick_hashing(),
        more_channels=more_channels,
    )


def quick_hashing() -> Hashing:
    """Argon2 as in a real process, with the smallest numbers there are."""
    return Hashing(Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)))


PASSWORD = "晴空万里 2020 flagpole"


def a_session(runtime: Runtime, school: School, person: str, **more: str) -> dict[str, str]:
    """A request's headers of this person as somebody signed in with his password, where `School.headers` have his token."""
    secret = cookies.drawn()
    now = runtime.clock.now()
    with runtime.database.write(school.organisation) as connection:
        accounts.add_session(connection, school.organisation, person, secret, "", now, now + timedelta(days=400))
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"Cookie": f"{cookies.SESSION}={secret}", cookies.CSRF_HEADER: cookies.csrf_of(secret), **named}


def a_password(
    runtime: Runtime, school: School, person: str, password: str = PASSWORD, *, must_change: bool = False
) -> str:
    """Let this person sign in with a password."""
    with runtime.hashing.turn() as hasher:
        hashed = hasher.hashed(password)
    with runtime.database.write_across() as connection:
        accounts.set_password(
            connection, school.organisation, person, hashed, runtime.clock.now(), must_change=must_change
        )
    return password


def the_settings(path: Path, **settings: Any) -> Settings:
    """Settings for this folder, whatever .env lies about and the environment says."""
    return _Given(data=path, **settings)


class _Given(Settings):
    """Settings that are given and not looked for: to look takes 5 ms, of every test."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the parameters are the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
