"""The one way in which an edge changes the directory: values are checked, one short transaction, and each change on record.

NotInDirectory is no such person, grant, absence, group or organisation here: what is foreign looks the same.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Connection

from api.checking import Check, OpensDeadCorner, opened_by
from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Grant
from engine.definition import RELATIONS
from engine.directory import AT, Absence, Department, Group, Person, days_of_change
from engine.errors import Busy, FieldFault, InvalidInput, NotAllowed, Refusal, Text
from engine.store import accounts, people, periods
from engine.store.database import Database
from workflows.inspection import CYCLE, DUE_ON
from workflows.roles import ADMINISTRATOR, GROUPS, OVERSEERS, ROLES

T = TypeVar("T")

GROUP_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}", re.ASCII)
# with an organisation's of 32 behind it 64 in all, as much as a column holds
PERSON_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,30}", re.ASCII)
#: what follows /people/ in an address and means no person
RESERVED = frozenset({"me", "groups", "changes", "departments", "import", "export"})
DEPARTMENT_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}", re.ASCII)
STAFF_NUMBER = re.compile(r"[\w.\-/]{1,32}")
#: as loose as may be: what a message needs of it, the channel asks. An address inside a school's own network has no dot
EMAIL = re.compile(r"[^@\s,;，；、]+@[^@\s.,;，；、]+(\.[^@\s.,;，；、]+)*")
PHONE = re.compile(r"(?=(?:\D*\d){3})[\d+() -]{3,30}", re.ASCII)  # 110 and numbers inside a school are short
CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
LONGEST_NAME = 100
LONGEST_ADDRESS = 200
MOST_SEATS = 200
TRIES = 5  # a change that others keep overtaking is told to come again
CLI = "cli"  # who changes the directory at the folder itself


class NotInDirectory(Refusal):
    code = "not_in_directory"
    title = Text("查无此项", "Not found")


@dataclass(frozen=True, slots=True)
class Editor:
    """Who changes which directory, and when.

    by           the principal, or `cli`
    at           aware UTC
    represented  whose administrator's duties he exercises, if somebody else's
    confirmed    whether he means it although it opens a dead corner
    check        what finds dead corners; none looks for none
    everywhere   whether people of every organisation may be named: at the folder itself. Otherwise those of the bureaus
                 above, so that nobody learns who works at another school
    """

    database: Database
    organisation: str
    by: str
    at: datetime
    represented: str | None = None
    confirmed: bool = False
    check: Check | None = None
    everywhere: bool = False

    def today(self, connection: Connection) -> date:
        return self.at.astimezone(people.time_zone(connection, self.organisation)).date()

    def reading(self) -> AbstractContextManager[Connection]:
        """`Database.read` for as many organisations as he may name people of."""
        return self.database.read_across() if self.everywhere else self.database.read(self.organisation)

    def writing(self) -> AbstractContextManager[Connection]:
        return self.database.write_across() if self.everywhere else self.database.write(self.organisation)

    def does(
        self,
        asked: Text,
        what: str,
        about: Mapping[str, Any],
        apply: Callable[[Connection], T],
        *,
        following: bool = False,
    ) -> T:
        """Apply and record one change, or nothing of it.

        about      what goes on record; read when `apply` is through, which may add to it what only then is known
        apply      checks against the directory as it stands, writes, and raises Refusal where it must not be; it may be asked
                   more than once, and only the last time counts
        following  whether what it changes of somebody is changed wherever he went from here
        Raises     OpensDeadCorner for what was not open before, unless confirmed: then it is on record with the change
        """
        writing = self.database.write_across if following else self.writing
        for _ in range(TRIES):
            with self.reading() as connection:
                seen = people.last_change(connection, self.organisation)
            opened = opened_by(self.reading, writing, self.check, apply) if self.check else {}
            if opened and not self.confirmed:
                raise OpensDeadCorner(opened.values(), asked=asked)
            with writing() as connection:
                people.change_alone(connection, self.organisation)
                if self.check and people.last_change(connection, self.organisation) != seen:
                    continue  # what was thought about is not what there is any more
                done = apply(connection)
                told = dict(about)
                if self.represented is not None:
                    told["on_behalf_of"] = self.represented
                if opened:
                    told["opens_dead_corners"] = sorted(opened)
                people.record_change(connection, self.organisation, self.by, what, told, self.at)
            return done
        raise Busy(
            asked=asked,
            obstacle=Text("名册正被他人不断更改", "others keep changing the directory"),
            remedy=Text("请稍后重试", "Try again in a moment"),
        )


def within_the_delegation(
    connection: Connection, editor: Editor, asked: Text, *touched: str, roles: Collection[str] = ()
) -> None:
    """Raises NotAllowed where what somebody does in an administrator's place would outlast it: a change of his own standing, or
    of those who keep the directory or oversee cases. Else he could make himself an account of theirs, or take theirs over.

    touched   the persons whose standing or account changes
    roles     that are given or taken
    """
    beyond = beyond_the_delegation(connection, editor)
    for obstacle in (*map(beyond, touched), beyond(None, roles)):
        if obstacle is not None:
            raise not_in_his_place(asked, obstacle)


def beyond_the_delegation(connection: Connection, editor: Editor) -> Callable[..., Text | None]:
    """What tells of one after the other what `within_the_delegation` refuses: `(person or None, roles)` → why he does not touch
    this person in an administrator's place, or does not give or take these roles; None where he may.
    """
    trusted: frozenset[str] = frozenset()
    if editor.represented is not None:
        trusted = people.holders_from(connection, editor.organisation, TRUSTED, editor.today(connection))

    def beyond(key: str | None, roles: Collection[str] = ()) -> Text | None:
        if editor.represented is None:
            return None
        if key is not None and _is_the_editor(connection, editor, key):
            return Text("代办人不能借代理改变自己的权限", "a delegate does not change his own standing by it")
        return _KEPT_BY_ITS_OWN if key in trusted or not TRUSTED.isdisjoint(roles) else None

    return beyond


def _is_the_editor(connection: Connection, editor: Editor, key: str) -> bool:
    """Whether this is the account of who edits, or another one of his."""
    if editor.by == f"person:{key}":
        return True
    found = _known(connection, editor, key)
    if found is None or found.human is None:
        return False
    himself = people.person(connection, editor.organisation, editor.by.removeprefix("person:"))
    return himself is not None and himself.human == found.human


#: roles that keep the directory or see every case: who holds them is said by an administrator himself
TRUSTED = OVERSEERS | {ADMINISTRATOR}
_KEPT_BY_ITS_OWN = Text(
    "系统管理员和督办岗位的账号与任免不随代理移交",
    "the accounts and roles of administrators and of those who oversee cases are not handed on with a delegation",
)


def not_in_his_place(asked: Text, obstacle: Text) -> NotAllowed:
    """What is not done in an administrator's place, since it would outlast that."""
    return NotAllowed(
        asked=asked, obstacle=obstacle,
        remedy=Text("请由系统管理员本人办理，或用 bihuan 命令在数据目录上办理", "Let an administrator do it himself, or do it at the data folder by `bihuan`"),
    )  # fmt: skip


# --- roles ---------------------------------------------------------------------------------------------------------------

GRANTING = Text("授予角色", "Grant a role")
WITHDRAWING = Text("收回角色", "Withdraw a role")


def grant(editor: Editor, person: str, given: Grant) -> Grant:
    """Grant a role in a scope; granting it again sets its dates anew."""

    def apply(connection: Connection) -> Grant:
        found = _person(connection, editor, person, GRANTING)
        within_the_delegation(connection, editor, GRANTING, person, roles=(given.role,))
        if not found.active:
            _refuse(GRANTING, "person", _not_active(person))
        groups = [group.code for group in people.groups(connection, editor.organisation)]
        if given.role not in ROLES and given.role not in groups:
            known = sorted({*ROLES, *groups})
            _refuse(GRANTING, "role", _none_of(given.role, "角色", "role", known))
        if given.role in {*GROUPS, *groups} and given.scope != WHOLE_ORGANISATION:
            _refuse(
                GRANTING, "scope",
                Text("工作组的职责及于全单位，范围只能是 *", "a group's duty covers the whole organisation: its scope is *"),
            )  # fmt: skip
        if given.scope != WHOLE_ORGANISATION and not people.department_exists(
            connection, editor.organisation, given.scope
        ):
            _refuse(GRANTING, "scope", _no_department(given.scope))
        _in_order(GRANTING, "valid_until", given.valid_from, given.valid_until)
        people.give(connection, editor.organisation, person, given)
        return given

    return editor.does(GRANTING, "granted", {"person": person, **_told(given)}, apply)


def withdraw(editor: Editor, person: str, role: str, scope: str, last_day: date | None = None) -> Grant:
    """End a grant.

    last_day   the last day it holds; yesterday where it is left out, so that it ends at once. Nothing is back-dated further
    Returns    the grant as it stands now; it stays on record
    """
    about: dict[str, Any] = {"person": person, "role": role, "scope": scope}

    def apply(connection: Connection) -> Grant:
        within_the_delegation(connection, editor, WITHDRAWING, person, roles=(role,))
        last = _last_day(connection, editor, WITHDRAWING, last_day)
        held = [
            g for g in people.grants_of(connection, editor.organisation, person) if (g.role, g.scope) == (role, scope)
        ]
        if not held or _over(held[0].valid_until, editor.today(connection)):
            raise _not_here(WITHDRAWING, Text(f"{person!r} 没有这项角色", f"{person!r} holds no such role"))
        if held[0].valid_until is not None and held[0].valid_until < last:
            _refuse(WITHDRAWING, "last_day", _no_longer(held[0].valid_until))
        administered = _administered(connection, editor)
        people.withdraw(connection, editor.organisation, person, role, scope, last)
        if administered and not _administered(connection, editor):
            _refuse(WITHDRAWING, "role", NOBODY_ADMINISTERS)
        about["last_day"] = last.isoformat()
        return replace(held[0], valid_until=last)

    return editor.does(WITHDRAWING, "withdrawn", about, apply)


NOBODY_ADMINISTERS = Text(
    "这是最后一名系统管理员；请先任命另一名", "nobody else is an administrator; grant the role to somebody else first"
)


def _administered(connection: Connection, editor: Editor) -> bool:
    """Whether somebody who may sign in keeps the directory today: without one, only who works at the folder could."""
    held = people.holders(connection, editor.organisation, ADMINISTRATOR, editor.today(connection))
    keepers = (people.person(connection, editor.organisation, key) for key, _ in held)
    return any(keeper is not None and keeper.active for keeper in keepers)


def _told(grant: Grant) -> dict[str, Any]:
    return {
        "role": grant.role, "scope": grant.scope, "valid_from": grant.valid_from and grant.valid_from.isoformat(),
        "valid_until": grant.valid_until and grant.valid_until.isoformat(),
    }  # fmt: skip


# --- groups --------------------------------------------------------------------------------------------------------------

SETTING = Text("设置工作组", "Set a group")


def set_group(editor: Editor, group: Group) -> Group:
    """Write a group down as it shall be from now on. Its code becomes a role, so it may be called like no other role."""

    def apply(connection: Connection) -> Group:
        taken = group.code in ROLES and group.code not in GROUPS
        if not GROUP_CODE.fullmatch(group.code) or group.code in RELATIONS or group.code.endswith(ANOTHER_DEPARTMENT):
            _refuse(
                SETTING, "code",
                Text("代号应为 2 至 40 个小写字母、数字或下划线，且不是关系名", "a code has 2 to 40 of a-z, 0-9 and _, and names no relation"),
            )  # fmt: skip
        if taken:
            _refuse(SETTING, "code", Text(f"{group.code!r} 已是角色的代号", f"{group.code!r} is a role already"))
        for field, name in (("name.zh", group.name.zh), ("name.en", group.name.en)):
            _name(SETTING, field, name)
        _seats(connection, editor, group)
        within_the_delegation(connection, editor, SETTING, *_seated_or_not_any_more(connection, editor, group))
        people.set_group(connection, editor.organisation, group)
        return group

    seats = [
        {"kind": s.kind, "holder": s.holder, "rank": s.rank, "valid_from": s.valid_from and s.valid_from.isoformat(),
         "valid_until": s.valid_until and s.valid_until.isoformat()}
        for s in group.seats
    ]  # fmt: skip
    about = {"group": group.code, "name": group.name.to_json(), "least": group.least, "seats": seats}
    return editor.does(SETTING, "group_set", about, apply)


def _seats(connection: Connection, editor: Editor, group: Group) -> None:
    if not 1 <= len(group.seats) <= MOST_SEATS:
        _refuse(SETTING, "seats", Text(f"应有 1 至 {MOST_SEATS} 个席位", f"a group has 1 to {MOST_SEATS} seats"))
    if group.least < 1:
        _refuse(SETTING, "least", Text("至少为 1 人", "it needs at least 1"))
    taken: set[tuple[str, str]] = set()
    for number, seat in enumerate(group.seats):
        field = f"seats.{number}"
        if (seat.kind, seat.holder) in taken:
            _refuse(SETTING, field, Text(f"{seat.holder!r} 列了两次", f"{seat.holder!r} is listed twice"))
        taken.add((seat.kind, seat.holder))
        if seat.kind == "role":
            if seat.holder not in ROLES or seat.holder in GROUPS:
                _refuse(SETTING, field, _none_of(seat.holder, "角色", "role", sorted(set(ROLES) - set(GROUPS))))
        else:
            found = _known(connection, editor, seat.holder)
            if found is None:
                _refuse(SETTING, field, _nobody(seat.holder))
            if not found.active:
                _refuse(SETTING, field, _not_active(seat.holder))
        _in_order(SETTING, field, seat.valid_from, seat.valid_until)
    by_person = [seat for seat in group.seats if seat.kind == "person"]
    if len(by_person) == len(group.seats) < group.least:
        _refuse(
            SETTING, "least",
            Text(f"只有 {len(by_person)} 个席位，不足 {group.least} 人", f"it needs {group.least} and has {len(by_person)} seats"),
        )  # fmt: skip


def _seated_or_not_any_more(connection: Connection, editor: Editor, group: Group) -> list[str]:
    """The persons whose seat in the group changes, and the editor where he sits in it by a role."""
    before = next((g for g in people.groups(connection, editor.organisation) if g.code == group.code), None)
    changed = set(group.seats) ^ set(before.seats if before else ())
    persons = {seat.holder for seat in changed if seat.kind == "person"}
    for role in {seat.holder for seat in changed if seat.kind == "role"}:
        held = people.holders_from(connection, editor.organisation, {role}, editor.today(connection))
        persons |= {key for key in held if _is_the_editor(connection, editor, key)}
    return sorted(persons)


# --- absences ------------------------------------------------------------------------------------------------------------

LEAVING = Text("登记外出", "Write an absence down")
RETURNING = Text("提前返岗", "End an absence")


def leave(editor: Editor, absence: Absence) -> Absence:
    """Somebody is away, with or without a delegate. Who may say so is asked by the edge: himself, or an administrator."""

    def apply(connection: Connection) -> Absence:
        away = _person(connection, editor, absence.person, LEAVING)
        if not away.active:
            _refuse(LEAVING, "person", _not_active(absence.person))
        if absence.delegate is not None:
            within_the_delegation(connection, editor, LEAVING, absence.person, absence.delegate)
        _in_order(LEAVING, "last_day", absence.first_day, absence.last_day)
        if absence.last_day < editor.today(connection):
            _refuse(LEAVING, "last_day", Text("这段日子已经过去", "these days are over"))
        if absence.delegate is not None:
            _delegate(connection, editor, away, absence, absence.delegate)
        elif absence.duties:
            _refuse(LEAVING, "duties", Text("没有代办人，无从移交职责", "without a delegate nothing is handed on"))
        people.add_absence(connection, editor.organisation, absence)
        return absence

    about = {
        "person": absence.person, "absence": absence.id, "first_day": absence.first_day.isoformat(),
        "last_day": absence.last_day.isoformat(), "delegate": absence.delegate, "duties": sorted(absence.duties),
    }  # fmt: skip
    return editor.does(LEAVING, "away", about, apply)


def _delegate(connection: Connection, editor: Editor, away: Person, absence: Absence, delegate: str) -> None:
    found = _known(connection, editor, delegate)
    # a stranger who holds nothing here would get his first duty of this school by a colleague's holiday
    if found is None or (AT in delegate and not people.grants_of(connection, editor.organisation, delegate)):
        _refuse(LEAVING, "delegate", _nobody(delegate))
    if not found.active:
        _refuse(LEAVING, "delegate", _not_active(delegate))
    if delegate == absence.person or (found.human is not None and found.human == away.human):
        _refuse(LEAVING, "delegate", Text("不能由本人代理本人", "nobody stands in for himself"))
    around = people.directory_around(connection, editor.organisation, absence.person)
    days = days_of_change(around, absence.first_day, absence.last_day)
    held = {grant.role for day in days for grant in around.grants_on(absence.person, day)}
    strange = sorted(absence.duties - held)
    if strange:
        _refuse(
            LEAVING, "duties",
            Text(f"届时不担任 {'、'.join(strange)}，不能移交", f"{', '.join(strange)} cannot be handed on: not held then"),
        )  # fmt: skip


def come_back(editor: Editor, person: str, absence: str, last_day: date | None = None) -> Absence:
    """End somebody's absence early. `last_day` is as for `withdraw`; one that never began then never does."""
    about: dict[str, Any] = {"person": person, "absence": absence}

    def apply(connection: Connection) -> Absence:
        found = next((a for a in people.absences(connection, editor.organisation) if a.id == absence), None)
        if found is None or found.person != person or _over(found.last_day, editor.today(connection)):
            raise _not_here(RETURNING, Text("没有这次外出", "there is no such absence"))
        last = _last_day(connection, editor, RETURNING, last_day)
        if found.last_day < last:
            _refuse(RETURNING, "last_day", _no_longer(found.last_day))
        people.end_absence(connection, editor.organisation, absence, last)
        about["last_day"] = last.isoformat()
        return replace(found, last_day=last)

    return editor.does(RETURNING, "back", about, apply)


# --- people --------------------------------------------------------------------------------------------------------------

ADDING = Text("登记人员", "Add a person")
LINKING = Text("关联账号", "Link accounts")
UPDATING = Text("更改人员信息", "Change a person's entry")


def add(editor: Editor, person: Person) -> Person:
    """Write somebody down under a new key. He holds nothing yet, and has no password to sign in with."""

    def apply(connection: Connection) -> Person:
        key = person.person
        if not PERSON_KEY.fullmatch(key) or key in RESERVED:
            _refuse(ADDING, "person", no_key(key))
        if people.person(connection, editor.organisation, key) is not None:
            _refuse(ADDING, "person", Text(f"账号 {key!r} 已有人使用", f"the key {key!r} is somebody's already"))
        has = people.with_staff_number(connection, editor.organisation, key)
        if has is not None:
            _refuse(
                ADDING,
                "person",
                Text(f"{key!r} 是 {has.person!r} 的工号", f"{key!r} is the staff number of {has.person!r}"),
            )
        _entry(connection, editor, ADDING, person)
        people.add_person(connection, person)
        return person

    about = {
        "person": person.person, "name": person.name, "department": person.department, "post": person.post,
        "staff_number": person.staff_number, "addresses": sorted(person.addresses),
    }  # fmt: skip
    return editor.does(ADDING, "person_added", about, apply)


def link(editor: Editor, *accounts: tuple[str, str]) -> None:
    """Say that these accounts (organisation, person) are one human being's: separation looks at all of them together."""

    def apply(connection: Connection) -> None:
        if len(set(accounts)) < 2:
            _refuse(LINKING, "accounts", Text("至少要有两个不同的账号", "it takes two accounts"))
        for organisation, person in accounts:
            found = people.person(connection, organisation, person)
            reachable = organisation == editor.organisation or editor.everywhere
            if found is None or (found.organisation, found.person) != (organisation, person) or not reachable:
                raise _not_here(LINKING, _nobody(f"{organisation}/{person}"))
        people.link(connection, accounts)
        for other in sorted({organisation for organisation, _ in accounts} - {editor.organisation}):
            people.record_change(connection, other, editor.by, "linked", about, editor.at)

    about = {"accounts": [f"{organisation}/{person}" for organisation, person in accounts]}
    return editor.does(LINKING, "linked", about, apply)


UPDATABLE = ("name", "post", "department", "staff_number", "addresses", "active")


def update(editor: Editor, person: str, changed: Mapping[str, Any]) -> Person:
    """Change what the directory knows of somebody of this organisation: any of `UPDATABLE`."""

    def apply(connection: Connection) -> Person:
        found = None if AT in person else people.person(connection, editor.organisation, person)
        if found is None:
            raise _not_here(UPDATING, _nobody(person))
        within_the_delegation(connection, editor, UPDATING, person)
        if strange := sorted(set(changed) - set(UPDATABLE)):
            _refuse(UPDATING, strange[0], _none_of(strange[0], "项目", "entry", UPDATABLE))
        if not changed:
            _refuse(UPDATING, "body", Text("没有写明要更改什么", "it names nothing to change"))
        updated = replace(found, **changed)
        _entry(connection, editor, UPDATING, updated, changed, found.addresses)
        administered = _administered(connection, editor)
        people.update_person(connection, updated)
        if administered and not _administered(connection, editor):
            _refuse(UPDATING, "active", NOBODY_ADMINISTERS)
        if found.active and not updated.active:  # should he come back, he signs in anew
            accounts.end_sessions(connection, editor.organisation, person, editor.at)
        return updated

    # an address is personal, and the record of changes is never erased: it says that it changed, not to what
    about = {name: value for name, value in changed.items() if name != "addresses"}
    if "addresses" in changed:
        about["addresses"] = sorted(changed["addresses"])
    return editor.does(UPDATING, "person_changed", {"person": person, **about}, apply)


def _entry(
    connection: Connection,
    editor: Editor,
    asked: Text,
    entry: Person,
    only: Iterable[str] = UPDATABLE,
    known: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Raises InvalidInput for what may not be written of a person.

    only    what is new of it: what stands there already is not asked about again
    known   the addresses that stand there
    """
    fields = set(only)
    if "name" in fields:
        _name(asked, "name", entry.name)
    if "post" in fields and entry.post:
        _name(asked, "post", entry.post)
    if (
        "department" in fields
        and entry.department is not None
        and not people.department_exists(connection, editor.organisation, entry.department)
    ):
        _refuse(asked, "department", _no_department(entry.department))
    if "staff_number" in fields and entry.staff_number is not None:
        if not STAFF_NUMBER.fullmatch(entry.staff_number):
            _refuse(asked, "staff_number", no_staff_number(entry.staff_number))
        has = people.with_staff_number(connection, editor.organisation, entry.staff_number)
        if has is not None and has.person != entry.person:
            _refuse(
                asked, "staff_number",
                Text(f"工号 {entry.staff_number!r} 已属于 {has.person!r}", f"{entry.staff_number!r} is {has.person!r}'s"),
            )  # fmt: skip
        # one signs in by either: who has it as his key would keep whose number it is from signing in
        called = (
            people.person(connection, editor.organisation, entry.staff_number) if AT not in entry.staff_number else None
        )
        if called is not None and called.person != entry.person:
            _refuse(
                asked, "staff_number",
                Text(f"{entry.staff_number!r} 是另一人的账号", f"{entry.staff_number!r} is somebody else's key"),
            )  # fmt: skip
    if "addresses" in fields:
        for channel, address in entry.addresses.items():
            if known.get(channel) != address:
                _address(asked, channel, address)


def _address(asked: Text, channel: str, address: str) -> None:
    field = f"addresses.{channel[:32]}"
    if not CHANNEL.fullmatch(channel) or not 0 < len(address) <= LONGEST_ADDRESS or not address.isprintable():
        _refuse(asked, field, Text("不是可用的地址", "this is no address"))
    if channel == "email" and not EMAIL.fullmatch(address):
        _refuse(
            asked, field,
            Text(f"{address[:40]!r} 不是一个邮箱地址；请写成 name@example.cn", f"{address[:40]!r} is not one e-mail address; give it like name@example.cn"),
        )  # fmt: skip
    if channel == "phone" and not PHONE.fullmatch(address):
        _refuse(
            asked, field,
            Text(
                f"{address[:40]!r} 不是一个电话号码：应为 3 至 30 个字符，只有数字、+、-、括号和空格",
                f"{address[:40]!r} is not one telephone number: it has 3 to 30 characters, digits with + - ( ) and blanks",
            ),
        )  # fmt: skip


# --- departments ---------------------------------------------------------------------------------------------------------

ARRANGING = Text("设置部门", "Set a department")


def set_department(
    editor: Editor, department: Department, *, owes_monthly: bool | None = None, new: bool | None = None
) -> Department:
    """Write a department down as it shall be from now on; it is never deleted.

    owes_monthly   whether a monthly inspection is due from it. None leaves that as it is; a new one owes if it is the
                   school's own
    new            whether nobody may have its code yet, or somebody has to. None where either will do
    """

    def apply(connection: Connection) -> Department:
        if not DEPARTMENT_CODE.fullmatch(department.code):
            _refuse(
                ARRANGING, "code",
                Text("代号应以字母开头，由 1 至 32 个字母、数字或下划线组成", "a code begins with a letter and has 1 to 32 of A-Z, 0-9 and _"),
            )  # fmt: skip
        known = people.department_exists(connection, editor.organisation, department.code)
        if known and new:
            raise _code_taken(connection, department)
        if not known and new is False:
            raise no_department_here(department.code)
        for field, name in (("name.zh", department.name.zh), ("name.en", department.name.en)):
            _name(ARRANGING, field, name)
        others = [d for d in people.departments(connection, editor.organisation) if d.code != department.code]
        for other in others:
            if other.code.casefold() == department.code.casefold():
                _refuse(ARRANGING, "code", Text(f"已有部门 {other.code!r}", f"there is a department {other.code!r}"))
            if other.name.zh == department.name.zh:
                _refuse(
                    ARRANGING, "name.zh",
                    Text(f"部门 {other.code!r} 也叫这个名称", f"the department {other.code!r} is called so too"),
                )  # fmt: skip
        write_department(connection, department, editor.today(connection), owes_monthly=owes_monthly)
        return department

    about = {
        "department": department.code, "name": department.name.to_json(), "external": department.external,
        "owes_monthly": owes_monthly,
    }  # fmt: skip
    return editor.does(ARRANGING, "department_set", about, apply)


def _code_taken(connection: Connection, department: Department) -> InvalidInput:
    has = next(d.name for d in people.departments(connection, department.organisation) if d.code == department.code)
    what = Text(
        f"代号 {department.code!r} 已是部门“{has.zh}”的", f"{department.code!r} is the code of the department {has.en!r} already"
    )  # fmt: skip
    remedy = Text(
        "请换一个代号；要更改该部门，请在部门列表中点它旁边的“更改”",
        "Choose another code; to change that department, press Change beside it in the list of departments",
    )
    return InvalidInput(asked=ARRANGING, obstacle=what, remedy=remedy, fields=(FieldFault("code", what),))


def no_department_here(code: str) -> NotInDirectory:
    return _not_here(ARRANGING, _no_department(code))


def write_department(
    connection: Connection, department: Department, today: date, *, owes_monthly: bool | None = None
) -> None:
    """Add or rename a department, with what is due from it from now on: `owes_monthly` as for `set_department`."""
    here = (department.organisation, CYCLE, department.code)
    if people.department_exists(connection, department.organisation, department.code):
        people.update_department(connection, department)
        owes = owes_monthly
    else:
        people.add_department(connection, department)
        kind = people.organisation(connection, department.organisation)
        schools_own = kind is not None and kind.kind == "school" and not department.external
        owes = schools_own if owes_monthly is None else owes_monthly
    owed = periods.obligation(connection, *here)
    running = owed is not None and (owed.last_day is None or owed.last_day >= today)
    if owes and not running:
        periods.owe(connection, periods.Obligation(*here, first_month_owed(today)))
    elif owes is False and owed is not None and running:
        periods.owe(connection, replace(owed, last_day=today - timedelta(days=1)))


def first_month_owed(today: date) -> date:
    """The first day of the month from which on a department new today owes its inspection: this one while its report is
    not yet due, else the next. Nobody begins with a report that is missing.
    """
    first = today.replace(day=1)
    return first if today.day <= DUE_ON else (first + timedelta(days=31)).replace(day=1)


# --- what is asked of every value ----------------------------------------------------------------------------------------


def _person(connection: Connection, editor: Editor, key: str, asked: Text) -> Person:
    found = _known(connection, editor, key)
    if found is None:
        raise _not_here(asked, _nobody(key))
    return found


def _known(connection: Connection, editor: Editor, key: str) -> Person | None:
    """Whom this key means, if he may be named here. Of two spellings for one account only one is taken: under a second one
    he would be somebody else to separation.
    """
    found = people.person(connection, editor.organisation, key) if key.isprintable() else None
    if found is None or found.key_in(editor.organisation) != key:
        return None
    if editor.everywhere or found.organisation == editor.organisation:
        return found
    return found if found.organisation in people.above(connection, editor.organisation) else None


def _last_day(connection: Connection, editor: Editor, asked: Text, last_day: date | None) -> date:
    yesterday = editor.today(connection) - timedelta(days=1)
    if last_day is not None and last_day < yesterday:
        _refuse(
            asked,
            "last_day",
            Text("最早只能截止到昨天，不能倒签", "it ends yesterday at the earliest: nothing is back-dated"),
        )
    return yesterday if last_day is None else last_day


def _over(last_day: date | None, today: date) -> bool:
    return last_day is not None and last_day < today


def _in_order(asked: Text, field: str, first: date | None, last: date | None) -> None:
    if first is not None and last is not None and last < first:
        _refuse(asked, field, Text("结束日期早于开始日期", "it ends before it begins"))


def _name(asked: Text, field: str, name: str) -> None:
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        _refuse(
            asked,
            field,
            Text(f"应为 1 至 {LONGEST_NAME} 个可见字符", f"has to be 1 to {LONGEST_NAME} visible characters"),
        )


def _refuse(asked: Text, field: str, obstacle: Text) -> NoReturn:
    remedy = Text("请改正后重新提交", "Correct it and send it again")
    raise InvalidInput(asked=asked, obstacle=obstacle, remedy=remedy, fields=(FieldFault(field, obstacle),))


def _not_here(asked: Text, obstacle: Text) -> NotInDirectory:
    remedy = Text("请核对名册", "Look it up in the directory")
    return NotInDirectory(asked=asked, obstacle=obstacle, remedy=remedy)


def no_key(key: str) -> Text:
    return Text(
        f"账号 {key[:70]!r} 应为 1 至 31 个小写字母、数字、点、横线或下划线，且不是 {'、'.join(sorted(RESERVED))}",
        f"the key {key[:70]!r} has to be 1 to 31 of a-z, 0-9, '.', '-' and '_', and none of {', '.join(sorted(RESERVED))}",
    )


def no_staff_number(number: str) -> Text:
    return Text(
        f"工号 {number[:40]!r} 应为 1 至 32 个字母、数字、点或横线",
        f"the staff number {number[:40]!r} has to be 1 to 32 letters, digits, dots or dashes",
    )


def _nobody(key: str) -> Text:
    return Text(f"名册中没有 {key[:130]!r}", f"there is nobody called {key[:130]!r} in the directory")


def _not_active(key: str) -> Text:
    return Text(f"{key!r} 已停用", f"{key!r} is no longer active")


def _no_department(code: str) -> Text:
    return Text(f"{code[:40]!r} 不是本单位的部门", f"{code[:40]!r} is no department here")


def _no_longer(until: date) -> Text:
    return Text(f"原定 {until} 结束，不能借此延长", f"it ends on {until} as it is; this only shortens it")


def _none_of(said: str, zh: str, en: str, known: Iterable[str]) -> Text:
    return Text(
        f"没有{zh} {said[:40]!r}；可用：{'、'.join(known)}",
        f"there is no {en} {said[:40]!r}; there are {', '.join(known)}",
    )
