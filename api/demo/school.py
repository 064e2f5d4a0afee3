"""The demo's school: 22 departments, the posts of its leaders, heads and safety officers. Posts, never names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection

from api.demo.campaign import ORGANISATION, ZONE, campaign, first_calendar
from engine.actor import WHOLE_ORGANISATION, Grant
from engine.directory import Department, Group, Organisation, Person, Rank, Seat
from engine.store import calendars, people, periods
from notifications import accounts
from notifications.accounts import SetUp
from notifications.channels.email import EmailForm
from notifications.channels.forms import Form
from notifications.channels.sms import SmsForm
from notifications.channels.wecom_app import WeComAppForm
from notifications.channels.wecom_robot import WeComRobotForm
from workflows import daily, hazard_report, portal, weekly
from workflows.inspection import CYCLE
from workflows.reference import departments, groups
from workflows.roles import ACCEPTANCE_GROUP, ADMINISTRATOR, LEADING_GROUP, ROLES

SAFETY_OFFICE = "DZB"
LOGISTICS = "HQC"
SECURITY = "BWC"
INFORMATION = "XXZX"
KEEPER = "xxzx.admin"  # the administrator

LEADERS = {
    "principal": ("校长", "principal"),
    "secretary": ("党委书记", "secretary"),
    "vp.safety": ("分管安全副校长", "vp_safety"),
    "vp.teaching": ("分管教学副校长", "vp_other"),
}
SAFETY_HEADS = ("bwc.head",)  # the role is that of the safety office's head and of the head of security
#: so many that two can always sign who belong to no one department, also where a department of theirs did the fixing
ACCEPTANCE_MEMBERS = ("vp.teaching", "sxc.head", "xxzx.head", "jwc.head", "xgc.head")
REPAIRERS = ("hqc.repair1", "hqc.repair2", "hqc.repair3")


PEOPLE = 300  # of the school, whoever holds a post included; the rest teach or work there and report what they see
#: of ten people, which addresses they have: most are on the school's WeCom, some read mail alone, one has nothing
ADDRESSES: tuple[tuple[str, ...], ...] = (
    ("wecom", "email"), ("wecom",), ("wecom", "phone"), ("email",), ("wecom", "email", "phone"), ("wecom",), ("phone",),
    ("wecom", "email"), ("email", "phone"), (),
)  # fmt: skip


@dataclass(frozen=True)
class Post:
    """A person of the demo: his key, what he is called, his duty without his department, his department, what he may."""

    person: str
    name: str
    post: str
    department: str | None
    grants: tuple[Grant, ...]


def posts() -> Iterator[Post]:
    """Everyone of the demo, leaders first."""
    for person, (name, role) in LEADERS.items():
        yield Post(person, name, name, None, (Grant(role),))
    yield Post("safety.head", "安稳办主任", "安稳办主任", SAFETY_OFFICE, (Grant("safety_head"),))
    yield Post("safety.staff", "安稳办专职", "安稳办专职", SAFETY_OFFICE, (Grant("safety_staff"),))
    for department in departments().values():
        yield from _department_posts(department.code, department.title.zh, external=department.external)
    for number, person in enumerate(REPAIRERS, start=1):
        yield Post(person, f"维修人员{number}", "维修人员", LOGISTICS, (Grant("repairer", LOGISTICS), Grant("teacher")))


def _department_posts(code: str, name: str, *, external: bool) -> Iterator[Post]:
    key = code.lower()
    if external:
        lead = (Grant("property_lead", code), Grant("dept_head", code))
        yield Post(f"{key}.lead", f"{name}负责人", "外包单位负责人", code, lead)
        return
    head = (Grant("dept_head", code), *((Grant("safety_head"),) if f"{key}.head" in SAFETY_HEADS else ()))
    yield Post(f"{key}.head", f"{name}负责人", "部门负责人", code, head)
    yield Post(f"{key}.safety", f"{name}安全员", "部门安全员", code, (Grant("dept_safety", code),))
    yield Post(f"{key}.staff", f"{name}教职工", "教职工", code, (Grant("teacher", WHOLE_ORGANISATION),))


def everyone() -> Iterator[Post]:
    """Whoever holds a post, as many colleagues without one as make `PEOPLE` of them, spread over the departments, and who keeps
    the program.
    """
    holders = list(posts())
    yield from holders
    own = [department for department in departments().values() if not department.external]
    for number in range(PEOPLE - len(holders) - 1):
        department = own[number % len(own)]
        ordinal = number // len(own) + 2  # the first is among the posts
        yield Post(
            f"{department.code.lower()}.staff{ordinal}", f"{department.title.zh}教职工{ordinal}", "教职工", department.code,
            (Grant("teacher", WHOLE_ORGANISATION),),
        )  # fmt: skip
    # of the founding document's school nobody is told to; whoever tries the demo out sees by him how a school is kept
    title = ROLES[ADMINISTRATOR].zh
    yield Post(KEEPER, title, title, INFORMATION, (Grant(ADMINISTRATOR), Grant("teacher")))


def addresses(person: str, number: int) -> dict[str, str]:
    """Where the so-many-th person of the demo can be reached; made up, and nothing is ever sent there."""
    known = {"wecom": person, "email": f"{person}@school.example", "phone": f"{number:011}"}
    return {name: known[name] for name in ADDRESSES[number % len(ADDRESSES)]}


def channels(close: Callable[[str, Mapping[str, str]], bytes], now: datetime) -> Iterator[SetUp]:
    """What the demo's school sends by, were it not simulated: its WeCom, its mail, text messages, and logistics' group.

    close   seals an account's secrets
    """

    def set_up(account: str, title: str, form: Form, *, kind: str = "", **how: Any) -> SetUp:
        said = {"department": None, "daily_list": False, "direct": False} | how
        return SetUp(
            ORGANISATION, account, kind or account, title, settings=form.settings(), enabled=True, changed_at=now,
            secrets=close(account, form.secrets()), **said,
        )  # fmt: skip

    pretended = "not-a-real-secret"
    yield set_up("wecom_app", "企业微信", WeComAppForm(corp_id="wwdemo", agent_id=1, secret=SecretStr(pretended)))
    mail = EmailForm(host="mail.school.example", sender="safety@school.example")
    yield set_up("email", "学校邮箱", mail)
    text = SmsForm(url="https://sms.school.example/send", body='{"to": "{phone}", "text": "{text}"}', taken=("ok",))
    yield set_up("sms", "短信", text)
    robot = WeComRobotForm(key=SecretStr("00000000-0000-0000-0000-000000000000"))
    yield set_up(
        "hqc-group", "后勤群", robot, kind="wecom_robot", department=LOGISTICS, daily_list=True, direct=True
    )  # fmt: skip


def working_groups() -> Iterator[Group]:
    """The leading group, which is whoever holds its posts, and the acceptance group, which was named person by person."""
    leading, acceptance = groups()["LDXZ"], groups()["YSZ"]
    ranks: Mapping[Rank, tuple[str, ...]] = {
        "chair": leading.chair, "deputy": leading.deputy, "member": leading.members
    }  # fmt: skip
    seats = [Seat("role", role, rank) for rank, roles in ranks.items() for role in roles]
    yield Group(LEADING_GROUP, leading.title, tuple(seats))
    chair, *members = ACCEPTANCE_MEMBERS
    seats = [Seat("person", chair, "chair"), *(Seat("person", member) for member in members)]
    yield Group(ACCEPTANCE_GROUP, acceptance.title, tuple(seats), acceptance.min_size or 1)


def as_listed() -> Iterator[dict[str, str]]:
    """Everyone of the demo as a school's own list would have him, posts in place of names, for trying an import out."""
    titles = {department.code: department.title.zh for department in departments().values()}
    for number, post in enumerate(posts(), start=1):
        title = "保卫处长" if post.person in SAFETY_HEADS else post.post
        yield {
            "name": post.name, "staff_number": f"{number:04}", "department": titles.get(post.department or "", ""),
            "post": title,
        }  # fmt: skip


def build(connection: Connection, now: datetime, close: Callable[[str, Mapping[str, str]], bytes]) -> None:
    """Write the school down, with calendar version 1, what its departments owe from December on, and its channels."""
    told = campaign()
    people.add_organisation(connection, Organisation(ORGANISATION, told.school, ZONE))
    calendars.add(connection, ORGANISATION, first_calendar(), now)
    for department in departments().values():
        row = Department(ORGANISATION, department.code, department.title, department.external)
        people.add_department(connection, row)
    for number, post in enumerate(everyone()):
        person = Person(
            ORGANISATION, post.person, post.name, post.department, post=post.post,
            addresses=addresses(post.person, 0 if post.person == KEEPER else number),  # who mends it must be reached
        )  # fmt: skip
        people.add_person(connection, person, post.grants)
    for group in working_groups():
        people.set_group(connection, ORGANISATION, group)
    first_month = date.fromisoformat(f"{told.months[0]}-01")
    for department in departments().values():
        if department.owes_monthly:
            owed = periods.Obligation(ORGANISATION, CYCLE, department.code, first_month, told.last)
            periods.owe(connection, owed)
            # of the months that are over, and signed, within the campaign
            owed = periods.Obligation(ORGANISATION, hazard_report.CYCLE, department.code, first_month, told.months_over)
            periods.owe(connection, owed)
    owed = periods.Obligation(ORGANISATION, weekly.CYCLE, SAFETY_OFFICE, *told.weeks)
    periods.owe(connection, owed)
    owed = periods.Obligation(ORGANISATION, portal.CYCLE, SAFETY_OFFICE, first_month, told.months_over)
    periods.owe(connection, owed)
    for code in told.daily_departments:
        periods.owe(connection, periods.Obligation(ORGANISATION, daily.CYCLE, code, *told.days))
    for channel in channels(close, now):
        accounts.put(connection, channel)


def holder_in(department: str, *, external: bool) -> str:
    """Who fixes what a department answers for: logistics has repairers, others their own staff, contractors their lead."""
    if external:
        return f"{department.lower()}.lead"
    return f"{department.lower()}.staff"
