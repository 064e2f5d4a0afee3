"""From nothing to an organisation that can work: its calendar, its groups, its first administrator, in one transaction."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from api.directory import (
    CLI,
    LONGEST_NAME,
    PERSON_KEY,
    RESERVED,
    STAFF_NUMBER,
    no_key,
    no_staff_number,
    write_department,
)
from engine.actor import Grant
from engine.calendar import Calendar
from engine.directory import Department, Group, Organisation, Person, Rank, Seat, bureaus_above
from engine.errors import FieldFault, InvalidInput, Text
from engine.store import accounts, calendars, people
from engine.store.database import Database
from workflows import reference
from workflows.calendars import known_years, official
from workflows.roles import ACCEPTANCE_GROUP, ADMINISTRATOR, LEADING_GROUP

ORGANISATION_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
SETTING_UP = Text("建立单位", "Set up an organisation")
#: our code of a group → its entry in the reference, which says whose posts sit in it until a school names others
GROUPS = {LEADING_GROUP: "LDXZ", ACCEPTANCE_GROUP: "YSZ"}


@dataclass(frozen=True)
class Founding:
    """What is to be set up.

    administrator    who keeps directory and accounts; his department is left open
    password         its hash, never itself
    must_change      whether somebody else chose it
    over             organisations this one, a bureau, is put above
    departments      those of the reference, or none: then they come with the list of people
    """

    organisation: Organisation
    administrator: Person
    password: str
    must_change: bool
    over: Sequence[str] = ()
    departments: bool = False


@dataclass(frozen=True)
class Founded:
    """What was set up.

    warns    whether the calendar ends soon
    alone    whether the folder holds nothing else, so that commands need not be told which organisation is meant
    """

    organisation: Organisation
    administrator: str
    calendar: Calendar
    groups: list[Group] = field(default_factory=list)
    departments: int = 0
    warns: bool = False
    alone: bool = True


def found(database: Database, founding: Founding, at: datetime) -> Founded:
    """Write all of it down, or nothing.

    Raises    InvalidInput for what cannot be, and for a key that is taken
    """
    must_be_possible(founding)
    here, admin = founding.organisation, founding.administrator
    today = at.astimezone(ZoneInfo(here.time_zone)).date()
    calendar = calendar_from(today, here.time_zone)
    sitting = working_groups() if here.kind == "school" else []
    listed = list(reference.departments().values()) if founding.departments else []
    with database.write_across() as connection:
        known = {o.organisation: o for o in people.organisations(connection)}
        _must_fit(founding, known)
        people.add_organisation(connection, here)
        calendars.add(connection, here.organisation, calendar, at)
        for d in listed:
            write_department(connection, Department(here.organisation, d.code, d.title, d.external), today)
        for group in sitting:
            people.set_group(connection, here.organisation, group)
        people.add_person(connection, admin, [Grant(ADMINISTRATOR)])
        accounts.set_password(
            connection, here.organisation, admin.person, founding.password, at, must_change=founding.must_change
        )
        about = {
            "name": here.name.to_json(), "kind": here.kind, "parent": here.parent, "over": list(founding.over),
            "administrator": admin.person, "departments": [d.code for d in listed], "groups": [g.code for g in sitting],
        }  # fmt: skip
        people.record_change(connection, here.organisation, CLI, "set_up", about, at)
        for below in founding.over:
            people.place_under(connection, below, here.organisation)
            people.record_change(connection, below, CLI, "placed_under", {"parent": here.organisation}, at)
    return Founded(here, admin.person, calendar, sitting, len(listed), calendar.warns_on(today), not known)


def calendar_from(today: date, zone: str) -> Calendar:
    """Version 1: last year, which a list of old cases may need, up to the last year whose holidays are known. Where even
    this year is not known, the last known one and estimates: the calendar then says itself that it has ended.
    """
    known = known_years()
    first = min(max(today.year - 1, known[0]), known[-1])
    return official([year for year in known if year >= first], zone)


def working_groups() -> list[Group]:
    """The groups the loops name, seated by posts: whoever holds one of them sits there, from the first list of people on."""
    made = []
    for code, entry in GROUPS.items():
        told = reference.groups()[entry]
        ranks: list[tuple[Rank, tuple[str, ...]]] = [
            ("chair", told.chair), ("deputy", told.deputy), ("member", told.members)
        ]  # fmt: skip
        seats = tuple(Seat("role", role, rank) for rank, roles in ranks for role in roles)
        made.append(Group(code, told.title, seats, told.min_size or 1))
    return made


def must_be_possible(founding: Founding, *, first: bool = False) -> None:
    """Raises InvalidInput for what no folder could take.

    first    in a folder that holds nothing yet: asked before one is made
    """
    here, admin = founding.organisation, founding.administrator
    faults: list[FieldFault] = []
    if not ORGANISATION_KEY.fullmatch(here.organisation):
        zh, en = "应为 1 至 32 个小写字母、数字、横线或下划线", "has to be 1 to 32 of a-z, 0-9, '-' and '_'"
        faults.append(FieldFault("organisation", Text(zh, en)))
    english = [("name_en", here.name.en)] if here.name.en != here.name.zh else []  # one mistake is told once
    for name, value in (("name", here.name.zh), *english, ("administrator_name", admin.name)):
        if not 0 < len(value.strip()) <= LONGEST_NAME or not value.isprintable():
            zh, en = f"应为 1 至 {LONGEST_NAME} 个可见字符", f"has to be 1 to {LONGEST_NAME} visible characters"
            faults.append(FieldFault(name, Text(zh, en)))
    if len(admin.post) > LONGEST_NAME or not admin.post.isprintable():
        faults.append(FieldFault("administrator_post", Text("不是可用的岗位名称", "this is no post")))
    try:
        ZoneInfo(here.time_zone)
    except (ValueError, OSError, LookupError):
        zh, en = "没有这个时区，例如 Asia/Shanghai", "there is no such time zone; one is Asia/Shanghai"
        faults.append(FieldFault("time_zone", Text(zh, en)))
    if not PERSON_KEY.fullmatch(admin.person) or admin.person in RESERVED:
        faults.append(FieldFault("administrator", no_key(admin.person)))
    if admin.staff_number is not None and not STAFF_NUMBER.fullmatch(admin.staff_number):
        faults.append(FieldFault("administrator_staff_number", no_staff_number(admin.staff_number)))
    if founding.over and here.kind != "bureau":
        zh, en = "只有主管部门（bureau）可以置于其他单位之上", "only a bureau is put above others"
        faults.append(FieldFault("over", Text(zh, en)))
    _refuse(faults)
    if first:
        _must_fit(founding, {})


def _must_fit(founding: Founding, known: Mapping[str, Organisation]) -> None:
    """Raises InvalidInput for what cannot stand beside the organisations this folder holds, by key."""
    here = founding.organisation
    faults: list[FieldFault] = []
    if here.organisation in known:
        name = known[here.organisation].name
        zh = f"{here.organisation!r} 已建立（{name.zh}），不能再建一次；另建单位请换一个代号"
        en = f"{here.organisation!r} is set up already ({name.en}); another one needs another key"
        faults.append(FieldFault("organisation", Text(zh, en)))
    if here.parent is not None and (here.parent not in known or known[here.parent].kind != "bureau"):
        zh, en = f"没有主管部门 {here.parent!r}", f"there is no bureau {here.parent!r}"
        faults.append(FieldFault("parent", Text(zh, en)))
    above = {here.parent, *bureaus_above(here.parent, known.get)}
    for below in founding.over:
        if below not in known:
            faults.append(FieldFault("over", Text(f"没有单位 {below!r}", f"there is no organisation {below!r}")))
        elif below in above:
            faults.append(FieldFault("over", Text(f"{below!r} 在其之上", f"{below!r} is above it")))
        elif (bureau := known[below].parent) is not None:
            zh, en = f"{below!r} 已有主管部门 {bureau!r}", f"{below!r} has the bureau {bureau!r} above it already"
            faults.append(FieldFault("over", Text(zh, en)))
    _refuse(faults)


_CALLED = {
    "organisation": "单位代号", "name": "单位名称", "name_en": "英文名称", "time_zone": "时区", "parent": "上级主管部门",
    "over": "下属单位", "administrator": "管理员账号", "administrator_name": "管理员姓名", "administrator_post": "管理员岗位",
    "administrator_staff_number": "管理员工号",
}  # fmt: skip


def _option(field: str) -> str:
    """What `bihuan setup` calls it."""
    return f"--{field.replace('_', '-')}"


def _refuse(faults: list[FieldFault]) -> None:
    """Raises InvalidInput with all of them, if there are any."""
    if faults:
        obstacle = Text(
            "；".join(f"{_CALLED[f.field]}（{_option(f.field)}）{f.what.zh}" for f in faults),
            "; ".join(f"{_option(f.field)}: {f.what.en}" for f in faults),
        )
        remedy = Text("没有写入任何内容，请改正后重新运行", "Nothing was written; correct it and run it again")
        raise InvalidInput(asked=SETTING_UP, obstacle=obstacle, remedy=remedy, fields=faults)
