"""A small school in which every loop closes, and changes to it, each a line: enough to break it in twenty ways."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from engine.actor import Grant
from engine.directory import Absence, Department, Directory, Group, Organisation, Person, Seat
from engine.errors import Text
from engine.proof import Question
from engine.store import calendars, people, periods
from tests.builders import START
from tests.engine.fakes import CALENDAR
from workflows import CATALOG
from workflows.inspection import CYCLE
from workflows.roles import ROLES

FIRST = date(2020, 3, 2)  # a Monday
#: in which the corners lie; what else the catalog holds has corners of its own, and would be found beside these
LOOPS = [workflow for workflow in CATALOG.newest() if workflow.key in ("hazard", "drill", "inspection")]
MECHANICS = Department("school", "XB1", Text("机电系", "Mechanics"))
AUTOMOTIVE = Department("school", "XB5", Text("汽修系", "Automotive"))
POSTS: Mapping[str, Text] = {"dept_head": Text("负责人", "head"), "dept_safety": Text("安全员", "safety officer")}

#: key → post, department, roles with their scopes; leaders and safety office answer for no department's hazards
PEOPLE: Mapping[str, tuple[str, str | None, tuple[tuple[str, str], ...]]] = {
    "principal": ("校长", None, (("principal", "*"),)),
    "secretary": ("书记", None, (("secretary", "*"),)),
    "vice": ("分管副校长", None, (("vp_safety", "*"),)),
    "head": ("安稳办主任", None, (("safety_head", "*"),)),
    "staff": ("安稳办专职", None, (("safety_staff", "*"),)),
    "xb1_head": ("机电系主任", "XB1", (("dept_head", "XB1"),)),
    "xb1_safety": ("机电系安全员", "XB1", (("dept_safety", "XB1"),)),
    "xb5_head": ("汽修系主任", "XB5", (("dept_head", "XB5"),)),
    "xb5_safety": ("汽修系安全员", "XB5", (("dept_safety", "XB5"),)),
    "xb5_teacher": ("汽修系教师", "XB5", ()),
}
HELD: Mapping[str, tuple[tuple[str, str], ...]] = {key: held for key, (_, _, held) in PEOPLE.items()}


def two_departments() -> Directory:
    people = {key: Person("school", key, post, department, post=post) for key, (post, department, _) in PEOPLE.items()}
    directory = Directory("school", people, departments=(MECHANICS, AUTOMOTIVE))
    return group_of(holding(directory, **HELD), "staff", "xb1_head", "xb5_head")


def one_department() -> Directory:
    """The same with automotive alone: whoever is to come from another department is missing, so the office has to do."""
    whole = two_departments()
    people = {key: person for key, person in whole.people.items() if person.department != "XB1"}
    grants = {key: held for key, held in whole.grants.items() if key in people}
    directory = replace(whole, people=people, grants=grants, departments=(AUTOMOTIVE,))
    return group_of(directory, "staff", "xb5_head", "xb5_safety")


def holding(directory: Directory, **held: tuple[tuple[str, str] | Grant, ...]) -> Directory:
    """These people hold exactly this."""
    given = {key: tuple(g if isinstance(g, Grant) else Grant(*g) for g in grants) for key, grants in held.items()}
    return replace(directory, grants={**directory.grants, **given})


def with_person(
    directory: Directory, key: str, post: str, department: str | None, *grants: tuple[str, str] | Grant
) -> Directory:
    people = {**directory.people, key: Person("school", key, post, department, post=post)}
    return holding(replace(directory, people=people), **{key: grants})


def changed(directory: Directory, key: str, **fields: Any) -> Directory:
    """This person with other fields: another department, one human being with another account, no longer active."""
    return replace(directory, people={**directory.people, key: replace(directory.people[key], **fields)})


def linked(directory: Directory, *keys: str) -> Directory:
    for key in keys:
        directory = changed(directory, key, human="one human being")
    return directory


def group_of(directory: Directory, *members: str, chair: bool = True) -> Directory:
    seats = tuple(Seat("person", who, "member" if n or not chair else "chair") for n, who in enumerate(members))
    return replace(directory, groups=(Group("acceptance_group", Text("验收组", "Acceptance group"), seats, least=2),))


def absent(directory: Directory, person: str, first: date, last: date, delegate: str | None = None) -> Directory:
    absences = [absence for absence in directory.absences if absence.person != person]
    return replace(directory, absences=(*absences, Absence(f"away-{person}", person, first, last, delegate)))


def a_question(directory: Directory, **changes: Any) -> Question:
    owed = {"inspection": frozenset(department.code for department in directory.departments)}
    asked = Question(LOOPS, directory, FIRST, lambda w: w.defaults(), CALENDAR, owed, ROLES, POSTS)
    return replace(asked, **changes)


def write_down(connection: Connection, directory: Directory) -> None:
    """The same school in a database, with its calendar and the inspections it owes."""
    here = directory.organisation
    people.add_organisation(connection, Organisation(here, Text("示范学校", "Sample school")))
    calendars.add(connection, here, CALENDAR, START)
    for department in directory.departments:
        people.add_department(connection, department)
        periods.owe(connection, periods.Obligation(here, CYCLE, department.code, FIRST.replace(day=1)))
    for key, person in directory.people.items():
        people.add_person(connection, replace(person, human=None), directory.grants.get(key, ()))
    alike = [(here, key) for key, person in directory.people.items() if person.human]
    if alike:
        people.link(connection, alike)
    for group in directory.groups:
        people.set_group(connection, here, group)
    for absence in directory.absences:
        people.add_absence(connection, here, absence)
