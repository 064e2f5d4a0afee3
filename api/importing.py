"""Takes a list of people into the directory: what it would do is planned against the directory as it stands, all its mistakes
are told at once, and it is done in one transaction or not at all.

The list is matched by staff number, else by account, else by name and department. An empty cell changes nothing, and
nobody who is missing from a list is deactivated by that.

What a post brings is given when somebody is listed with it and ended when he is listed with another one. A role given or
withdrawn by hand is left alone: the record of changes knows whose word on it was the last.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import count
from typing import Any, Literal

from sqlalchemy import Connection

from api.directory import (
    LONGEST_ADDRESS,
    LONGEST_NAME,
    PERSON_KEY,
    RESERVED,
    STAFF_NUMBER,
    Editor,
    beyond_the_delegation,
    not_in_his_place,
    write_department,
)
from api.papers.people_list import Fault, PeopleList, Row
from engine.actor import Grant
from engine.directory import Department, Person
from engine.errors import BihuanError, NotAllowed, Text
from engine.store import accounts, people
from workflows import reference
from workflows.reference.posts import alike

IMPORTING = Text("导入人员", "Import people")
BASIC = "teacher"  # the post of whoever a list names without one we know: staff may report a hazard, and nothing else
LISTED = "person_listed"  # what the record of changes calls what an import did to one person
MOST_NAMED = 10  # rows named in a notice before the rest are counted

EMAIL = re.compile(r"[^@\s,;，；、]+@[^@\s.,;，；、]+(\.[^@\s.,;，；、]+)+")
PHONE = re.compile(r"\+?\d[\d-]{4,19}", re.ASCII)
MOBILE = re.compile(r"1\d{8,}", re.ASCII)  # meant as a mobile number, which has eleven digits
MOBILE_DIGITS = 11
#: what stands under a list in the column of names; nobody is to get an account by it
BELOW_A_LIST = frozenset(
    {"合计", "总计", "共计", "小计", "汇总", "总人数", "备注", "说明", "注", "姓名", "total", "Total"}
)
COLON = re.compile(r"[:：]")  # 制表人：张三
_BRACKETED = re.compile(r"[(（][^()（）]*[)）]\s*$")


class ListFaulty(BihuanError):
    """Rows of the list cannot be taken; nothing was written."""

    def __init__(self, faults: Collection[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row)
        super().__init__("\n".join(fault.text.en for fault in self.faults))


class Overtaken(BihuanError):
    """Since the list was looked at, somebody changed what it would do: it has to be looked at again."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the list means for one person.

    before    as the directory knows him; None for who is new
    given     roles his post brings and he does not hold
    ended     roles an earlier list gave him and this one does not
    """

    row: int
    before: Person | None
    after: Person
    given: frozenset[Grant] = frozenset()
    ended: frozenset[Grant] = frozenset()

    @property
    def fields(self) -> list[str]:
        """What of his entry changes, by name."""
        names = ("name", "staff_number", "department", "post", "addresses")
        return [n for n in names if self.before is None or getattr(self.before, n) != getattr(self.after, n)]

    @property
    def changes(self) -> bool:
        return bool(self.fields or self.given or self.ended)


@dataclass
class Plan:
    """What an import would do.

    not_listed   who is active in the directory and not in the list; left alone
    """

    meant: list[Meant] = field(default_factory=list)
    departments: list[Department] = field(default_factory=list)
    not_listed: list[Person] = field(default_factory=list)
    notices: list[Text] = field(default_factory=list)

    @property
    def added(self) -> list[Meant]:
        return [each for each in self.meant if each.before is None]

    @property
    def changed(self) -> list[Meant]:
        return [each for each in self.meant if each.before is not None and each.changes]

    @property
    def unchanged(self) -> int:
        return sum(not each.changes for each in self.meant)

    @property
    def newcomers(self) -> list[tuple[int, str]]:
        """Who gets an account: row and key."""
        return [(each.row, each.after.person) for each in self.added]


def plan(connection: Connection, organisation: str, listed: PeopleList, today: date, *, new_departments: bool) -> Plan:
    """What the list means for the directory as it stands.

    new_departments   whether a department nobody knows is made, or a mistake
    Raises            ListFaulty with everything that is wrong, row by row
    """
    return _Planning(connection, organisation, today, new_departments=new_departments).of(listed)


def fingerprint(planned: Plan) -> str:
    """Of all that would be written: two plans that have the same do the same."""
    told = [
        *_told(planned),
        sorted((each.after.person, sorted(each.after.addresses.items())) for each in planned.meant),
    ]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def carry_out(
    editor: Editor, listed: PeopleList, *, new_departments: bool, passwords: Mapping[str, str] | None = None,
    seen: str | None = None,
) -> Plan:  # fmt: skip
    """Plan and do it in one transaction.

    passwords   hashes by key for everyone who is new, if they get a first password
    seen        the fingerprint of the plan that somebody looked at before, if he did
    Raises      ListFaulty; Overtaken when somebody is new whom `passwords` does not know, or it would not do what was `seen`;
                NotAllowed for what a delegate of an administrator does not do in his place, by a list as little as one by one
    """
    about: dict[str, Any] = {}

    def apply(connection: Connection) -> Plan:
        today = editor.today(connection)
        planned = plan(connection, editor.organisation, listed, today, new_departments=new_departments)
        if passwords is not None and {key for _, key in planned.newcomers} != set(passwords):
            raise Overtaken
        if seen is not None and fingerprint(planned) != seen:
            raise Overtaken
        _must_be_within_the_delegation(connection, editor, planned)
        for department in planned.departments:
            write_department(connection, department, today)
        for each in planned.meant:
            _write(connection, each, today - timedelta(days=1))
            if each.before is None and passwords is not None:
                hashed, key = passwords[each.after.person], each.after.person
                accounts.set_password(connection, editor.organisation, key, hashed, editor.at, must_change=True)
        people.record_changes(connection, editor.organisation, editor.by, _told(planned), editor.at)
        about.update(
            added=len(planned.added), changed=len(planned.changed), unchanged=planned.unchanged,
            departments=len(planned.departments), first_passwords=passwords is not None,
        )  # fmt: skip
        return planned

    return editor.does(IMPORTING, "people_imported", about, apply)


def _must_be_within_the_delegation(connection: Connection, editor: Editor, planned: Plan) -> None:
    beyond = rows_beyond(connection, editor, planned)
    if beyond:
        raise told_of_rows(beyond)


def rows_beyond(connection: Connection, editor: Editor, planned: Plan) -> dict[int, Text]:
    """Row → why a delegate of an administrator does not take it in for him; of whoever acts for himself none."""
    beyond = beyond_the_delegation(connection, editor)
    found = {
        each.row: beyond(
            None if each.before is None else each.after.person, {grant.role for grant in (*each.given, *each.ended)}
        )
        for each in planned.meant
        if each.changes
    }
    return {row: why for row, why in found.items() if why is not None}


def told_of_rows(beyond: Mapping[int, Text]) -> NotAllowed:
    """The refusal that names them, each reason once."""
    rows: dict[Text, list[int]] = defaultdict(list)
    for row, why in beyond.items():
        rows[why].append(row)
    return not_in_his_place(
        IMPORTING,
        Text(
            "；".join(f"第 {_in_row(found)} 行：{why.zh}" for why, found in rows.items()),
            "; ".join(f"row {_in_row(found, ', ')}: {why.en}" for why, found in rows.items()),
        ),
    )


def _write(connection: Connection, meant: Meant, last_day: date) -> None:
    after = meant.after
    if meant.before is None:
        people.add_person(connection, after)
    elif meant.fields:
        people.update_person(connection, after)
    for grant in meant.given:
        people.give(connection, after.organisation, after.person, grant)
    for grant in meant.ended:
        people.withdraw(connection, after.organisation, after.person, grant.role, grant.scope, last_day)


def _told(planned: Plan) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What goes on record. An address is personal, and the record is never erased: it says that it changed, not to what."""
    for made in planned.departments:
        yield "department_set", {"department": made.code, "name": made.name.to_json(), "external": made.external}
    for each in planned.meant:
        if each.before is None or each.changes:
            values = {name: getattr(each.after, name) for name in each.fields if name != "addresses"}
            if "addresses" in each.fields:
                values["addresses"] = sorted(each.after.addresses)
            yield (
                LISTED,
                {
                    "person": each.after.person, "added": each.before is None, **values,
                    "given": sorted([g.role, g.scope] for g in each.given),
                    "ended": sorted([g.role, g.scope] for g in each.ended),
                },
            )  # fmt: skip


# --- the plan ------------------------------------------------------------------------------------------------------------


class _Planning:
    """One list against one directory. `faults` and `notices` fill up on the way."""

    def __init__(self, connection: Connection, organisation: str, today: date, *, new_departments: bool) -> None:
        self._organisation = organisation
        self._today = today
        self._new_departments = new_departments
        whole = people.directory(connection, organisation)
        self._people = {key: p for key, p in whole.people.items() if p.organisation == organisation}
        self._grants = whole.grants
        self._last_word = _last_words(people.changes(connection, organisation))
        self._departments = _Departments(organisation, whole.departments)
        self._by_number = {p.staff_number.casefold(): p for p in self._people.values() if p.staff_number is not None}
        self._by_name: dict[tuple[str, str | None], list[Person]] = defaultdict(list)
        for person in self._people.values():
            if person.staff_number is None:
                self._by_name[person.name, person.department].append(person)
        self._by_number_but_zeros: dict[str, list[str]] = defaultdict(list)
        for number, person in self._by_number.items():
            self._by_number_but_zeros[number.lstrip("0")].append(str(person.staff_number))
        self._taken = {*self._people, *RESERVED}
        self._drawn: dict[str, Iterator[str]] = {}  # keys by their stem, none twice
        self._faults: list[Fault] = []
        self._at_fault: set[int] = set()  # rows
        self._plan = Plan()
        self._unknown_posts: dict[str, list[int]] = defaultdict(list)
        self._without_post: list[int] = []
        self._matched: dict[str, int] = {}

    def of(self, listed: PeopleList) -> Plan:
        self._faults += listed.faults
        self._at_fault |= {fault.row for fault in listed.faults}
        unread = {(fault.row, fault.field) for fault in listed.faults}
        self._plan.notices += listed.notices
        if listed.ignored:
            named = "、".join(f"“{heading}”" for heading in listed.ignored)
            self._notice(f"未使用的列：{named}", f"columns not used: {', '.join(map(repr, listed.ignored))}")
        sound = [row for row in listed.rows if self._is_sound(row, unread)]
        first_in: dict[tuple[str, str], int] = {}
        for row in sound:
            for identity in self._identities(row):
                first_in.setdefault(identity, row.number)
        sound = [row for row in sound if not self._is_doubled(row, first_in)]
        new: list[tuple[Row, str | None]] = []
        for row in sound:
            department = self._department(row)
            before = self._match(row, department)
            if before is not None:
                self._means(row, before, department)
            elif row.number not in self._at_fault:
                new.append((row, department))
        # keys are drawn when everyone who says one has it: nobody gets the key that somebody further down asks for
        for row, department in sorted(new, key=lambda n: (not n[0].get("account"), not n[0].get("staff_number"))):
            self._means(row, None, department, self._new_key(row, department))
        self._must_open_one_account_each()
        if self._faults:
            raise ListFaulty(self._faults)
        self._plan.meant.sort(key=lambda each: each.row)
        self._plan.departments = self._departments.made
        self._plan.not_listed = [p for p in self._people.values() if p.active and p.person not in self._matched]
        self._tell_of_names()
        self._tell_of_posts()
        return self._plan

    def _fault(self, row: Row, name: str | None, zh: str, en: str) -> None:
        self._faults.append(Fault(row.number, name, Text(zh, en)))
        self._at_fault.add(row.number)

    def _notice(self, zh: str, en: str) -> None:
        self._plan.notices.append(Text(zh, en))

    # what one row says, by itself

    def _is_sound(self, row: Row, unread: Collection[tuple[int, str | None]]) -> bool:
        name = row.get("name")
        if not name and (row.number, "name") not in unread:
            self._fault(row, "name", "没有填写", "it is empty")
        elif len(name) > LONGEST_NAME or not name.isprintable():
            self._fault(
                row,
                "name",
                f"应为 1 至 {LONGEST_NAME} 个可见字符",
                f"it has to be 1 to {LONGEST_NAME} visible characters",
            )
        elif name and not any(char.isalpha() for char in name):
            self._fault(row, "name", f"“{name}”不像姓名", f"{name!r} is no name")
        elif name in BELOW_A_LIST or COLON.search(name):
            self._fault(
                row, "name", f"“{name}”不像姓名；若是合计或落款，请删去这一行",
                f"{name!r} is no name; if it sums the list up or signs it, delete the row",
            )  # fmt: skip
        number = row.get("staff_number")
        if number and not STAFF_NUMBER.fullmatch(number):
            self._fault(
                row, "staff_number", f"“{number}”应为 1 至 32 个字母、数字、点或横线",
                f"{number!r} has to be 1 to 32 letters, digits, dots or dashes",
            )  # fmt: skip
        key = row.get("account")
        if key and (not PERSON_KEY.fullmatch(key) or key in RESERVED):
            self._fault(
                row, "account", f"“{key}”应为 1 至 31 个小写字母、数字、点、横线或下划线",
                f"{key!r} has to be 1 to 31 of a-z, 0-9, '.', '-' and '_'",
            )  # fmt: skip
        if len(row.get("post")) > LONGEST_NAME or not row.get("post").isprintable():
            self._fault(
                row, "post", f"应不超过 {LONGEST_NAME} 个可见字符", f"it has at most {LONGEST_NAME} visible characters"
            )
        self._addresses_are_sound(row)
        return row.number not in self._at_fault

    def _addresses_are_sound(self, row: Row) -> None:
        phone, email = row.get("phone"), row.get("email")
        digits = phone.removeprefix("+86").replace("-", "")
        if phone and not PHONE.fullmatch(phone):
            self._fault(row, "phone", f"“{phone}”不是一个电话号码", f"{phone!r} is not one telephone number")
        elif MOBILE.fullmatch(digits) and len(digits) != MOBILE_DIGITS:
            self._fault(
                row, "phone", f"“{phone}”有 {len(digits)} 位，手机号应为 {MOBILE_DIGITS} 位",
                f"{phone!r} has {len(digits)} digits; a mobile number has {MOBILE_DIGITS}",
            )  # fmt: skip
        if email and (not EMAIL.fullmatch(email) or len(email) > LONGEST_ADDRESS):
            self._fault(row, "email", f"“{email}”不是一个邮箱地址", f"{email!r} is not one e-mail address")

    # what rows say of each other

    def _is_doubled(self, row: Row, first_in: Mapping[tuple[str, str], int]) -> bool:
        doubled = False
        for name, value in self._identities(row):
            first = first_in[name, value]
            if first == row.number:
                continue
            doubled = True
            if name == "name":
                self._fault(
                    row, "name", f"与第 {first} 行同名同部门，且没有工号可以区分",
                    f"row {first} has the same name and department, and no staff number tells them apart",
                )  # fmt: skip
            else:
                self._fault(row, name, f"与第 {first} 行重复", f"the same as in row {first}")
        return doubled

    def _identities(self, row: Row) -> Iterator[tuple[str, str]]:
        number, key = row.get("staff_number"), row.get("account")
        if number:
            yield "staff_number", number.casefold()
        if key:
            yield "account", key
        if not number and not key:
            yield "name", f"{row.get('name')} {alike(row.get('department'))}"

    # what the directory says

    def _department(self, row: Row) -> str | None:
        said = row.get("department")
        if not said or alike(said) in reference.posts().no_department:
            return None
        codes = self._departments.named(said)
        if len(codes) == 1:
            return codes[0]
        if len(codes) > 1:
            self._fault(
                row, "department", f"“{said}”可能是 {'、'.join(codes)} 中的任一个，请写代号或全称",
                f"{said!r} may be any of {', '.join(codes)}; write the code or the full name",
            )  # fmt: skip
        elif len(said) > LONGEST_NAME or not said.isprintable():
            self._fault(
                row,
                "department",
                f"应不超过 {LONGEST_NAME} 个可见字符",
                f"it has at most {LONGEST_NAME} visible characters",
            )
        elif self._new_departments:
            return self._departments.make(said)
        else:
            self._fault(
                row, "department", f"没有部门“{said}”；若要新建，请选择新建部门（命令行加 --new-departments）",
                f"there is no department {said!r}; to make it, allow new departments (--new-departments)",
            )  # fmt: skip
        return None

    def _match(self, row: Row, department: str | None) -> Person | None:
        """Who he is in the directory; None for nobody, or for a row that has a fault by now."""
        number, key = row.get("staff_number"), row.get("account")
        found = self._people.get(key) if key else None
        by_number = self._by_number.get(number.casefold()) if number else None
        if found is not None and by_number is not None and found != by_number:
            self._fault(
                row, "staff_number", f"“{number}”在名册中属于 {by_number.person}，不是 {key}",
                f"{number!r} is {by_number.person}'s in the directory, not {key}'s",
            )  # fmt: skip
            return None
        if key and found is None and by_number is not None:
            self._fault(
                row, "account", f"工号“{number}”在名册中的账号是 {by_number.person}，账号不能更改",
                f"the account of staff number {number!r} is {by_number.person}; an account keeps its key",
            )  # fmt: skip
            return None
        found = found or by_number or (None if key else self._by_other_signs(row, number, department))
        if found is None:
            return None
        if not found.active:
            self._fault(
                row, None, f"{found.name}（{found.person}）已停用；如确已返校，请先重新启用（命令行：bihuan user activate {found.person}）",
                f"{found.person} was deactivated; if he is back, activate him first (`bihuan user activate {found.person}`)",
            )  # fmt: skip
            return None
        if (first := self._matched.setdefault(found.person, row.number)) != row.number:
            self._fault(
                row,
                None,
                f"与第 {first} 行是同一人（{found.person}）",
                f"the same person as in row {first}: {found.person}",
            )
            return None
        return found

    def _by_other_signs(self, row: Row, number: str, department: str | None) -> Person | None:
        name = row.get("name")
        if number:
            lost = self._by_number_but_zeros.get(number.casefold().lstrip("0"))
            if lost:
                self._fault(
                    row, "staff_number", f"“{number}”与名册中的“{lost[0]}”只差开头的 0；请将该列设为“文本”后重新填写",
                    f"{number!r} differs from {lost[0]!r} in the directory by zeros at its beginning; "
                    "format the column as text and type it again",
                )  # fmt: skip
                return None
            same = self._people.get(number.lower())
            if same is not None and same.staff_number is None and same.name != name:
                self._fault(
                    row, "staff_number", f"账号 {same.person} 在名册中是“{same.name}”；若是另一人，工号不能与别人的账号相同",
                    f"the account {same.person} is {same.name!r} in the directory; somebody else needs a staff number that is "
                    "nobody's account",
                )  # fmt: skip
                return None
            if same is not None and same.staff_number is None:
                return same
        alike_ = [p for p in self._by_name.get((name, department), []) if p.active]
        if len(alike_) > 1:
            self._fault(
                row, "name", f"名册中有 {len(alike_)} 位同名同部门，且没有工号；请填写账号",
                f"the directory has {len(alike_)} of this name in this department without a staff number; write the account",
            )  # fmt: skip
            return None
        if alike_ and number:
            self._notice(
                f"第 {row.number} 行：按姓名和部门认作 {alike_[0].person}，补记工号",
                f"row {row.number}: taken for {alike_[0].person} by name and department, who gets the staff number",
            )
        return alike_[0] if alike_ else None

    def _new_key(self, row: Row, department: str | None) -> str:
        wanted = row.get("account") or row.get("staff_number").lower()
        if wanted and PERSON_KEY.fullmatch(wanted) and wanted not in self._taken:
            self._taken.add(wanted)
            return wanted
        stem = department.lower() if department else "p"
        drawn = self._drawn.setdefault(stem, (f"{stem}.{n}" for n in count(1)))
        key = next(key for key in drawn if key not in self._taken)
        self._taken.add(key)
        return key

    def _must_open_one_account_each(self) -> None:
        """Who signs in says his key or his staff number: a key that is another one's number would keep him out."""
        keys = {**self._people, **{each.after.person: each.after for each in self._plan.meant}}
        by_number = {person.staff_number: person for person in keys.values() if person.staff_number is not None}
        for each in self._plan.meant:
            key, number = each.after.person, each.after.staff_number
            called = keys.get(number) if number is not None and "staff_number" in each.fields else None
            if called is not None and called.person != key:
                what = Text(f"“{number}”是“{called.name}”的账号", f"{number!r} is the account of {called.name!r}")
                self._faults.append(Fault(each.row, "staff_number", what))
            has = by_number.get(key) if each.before is None else None
            if has is not None and has.person != key:
                what = Text(f"“{key}”是“{has.name}”的工号", f"{key!r} is the staff number of {has.name!r}")
                self._faults.append(Fault(each.row, "account", what))

    # what comes of it

    def _means(self, row: Row, before: Person | None, department: str | None, key: str = "") -> None:
        said = row.said
        old = before or Person(self._organisation, key, said["name"])
        if "department" not in said:
            department = old.department
        elif row.number in self._at_fault:  # of its department; it was sound, and somebody was found for it
            return
        addresses = {name: said[name] for name in ("phone", "email") if name in said}
        after = replace(
            old, name=said["name"], department=department, post=said.get("post", old.post),
            staff_number=said.get("staff_number", old.staff_number), addresses={**old.addresses, **addresses},
        )  # fmt: skip
        given: frozenset[Grant] = frozenset()
        ended: frozenset[Grant] = frozenset()
        if before is None or "post" in said or department != old.department:
            wanted = self._wanted(row, after)
            moved = before is None or (after.post, after.department) != (old.post, old.department)
            given, ended = self._difference(row, after.person, wanted, moved=moved)
        self._plan.meant.append(Meant(row.number, before, after, given, ended))

    def _wanted(self, row: Row, after: Person) -> frozenset[Grant]:
        """What his post brings."""
        posts, unknown = reference.posts().named_in(after.post, self._departments.title(after.department))
        for word in unknown:
            self._unknown_posts[word].append(row.number)
        if not after.post:
            self._without_post.append(row.number)
        if not after.post or (unknown and not posts):
            posts = [reference.posts().by_code[BASIC]]
        for post in posts:
            if post.department and after.department is None:
                self._fault(
                    row,
                    "department",
                    f"岗位“{post.title.zh}”须写明部门",
                    f"the post {post.title.en!r} needs a department",
                )
                break
        return frozenset().union(*(post.grants_in(after.department) for post in posts))

    def _difference(
        self, row: Row, key: str, wanted: frozenset[Grant], *, moved: bool
    ) -> tuple[frozenset[Grant], frozenset[Grant]]:
        known = {(g.role, g.scope): g for g in self._grants.get(key, ())}
        held = {at for at, g in known.items() if g.valid_until is None or g.valid_until >= self._today}
        given = set()
        for grant in wanted:
            at = (grant.role, grant.scope)
            if at in held:
                continue
            if at in known and not moved and self._last_word.get((key, *at)) != "list":
                self._notice(
                    f"第 {row.number} 行：{key} 的角色 {at[0]} {at[1]} 已由管理员收回，未再授予",
                    f"row {row.number}: {at[0]} {at[1]} of {key} was withdrawn by hand and is not given again",
                )
                continue
            given.add(grant)
        ours = {at for at in held if self._last_word.get((key, *at)) == "list"}
        gone = ours - {(g.role, g.scope) for g in wanted}
        return frozenset(given), frozenset(known[at] for at in gone)

    def _tell_of_names(self) -> None:
        """Who may be somebody else than the list takes him for: all that was done is then called by another's name, or one
        person has two accounts and could approve his own work.
        """
        missing: dict[str, Person] = {person.name: person for person in self._plan.not_listed}
        for each in self._plan.meant:
            before, after = each.before, each.after
            if before is not None and before.name != after.name:
                self._notice(
                    f"第 {each.row} 行：{after.person} 由“{before.name}”改名为“{after.name}”，此前的记录也归于此名；"
                    "若是另一人，请另用工号",
                    f"row {each.row}: {after.person} is called {after.name!r} instead of {before.name!r} from now on, in older "
                    "records too; somebody else needs another staff number",
                )
            elif before is None and (other := missing.get(after.name)) is not None:
                self._notice(
                    f"第 {each.row} 行：“{after.name}”按新人登记，名册中已有同名的 {other.person}；若是同一人，请在“账号”列填写 "
                    f"{other.person}",
                    f"row {each.row}: {after.name!r} is taken for somebody new beside {other.person} of the same name; if they "
                    f"are one person, write {other.person} in a column 账号 (account)",
                )

    def _tell_of_posts(self) -> None:
        for word, rows in self._unknown_posts.items():
            self._notice(
                f"岗位“{word}”不在岗位表中，按原文保存，不带来角色；没有其他岗位的按教职工登记（第 {_in_row(rows)} 行）",
                f"the post {word!r} is none we know: it is kept as it is and brings no role; who has no other one is staff "
                f"(row {_in_row(rows, ', ')})",
            )
        if self._without_post:
            rows = self._without_post
            self._notice(
                f"没有填写岗位，按教职工登记（第 {_in_row(rows)} 行）",
                f"no post is given: listed as staff (row {_in_row(rows, ', ')})",
            )


def _in_row(rows: Iterable[int], comma: str = "、") -> str:
    listed = sorted(set(rows))
    more = f"…（{len(listed)}）" if len(listed) > MOST_NAMED else ""
    return comma.join(map(str, listed[:MOST_NAMED])) + more


def _last_words(changes: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Literal["hand", "list"]]:
    """Who said last that somebody holds a role in a scope, or does not: a list, or somebody by hand."""
    last: dict[tuple[str, str, str], Literal["hand", "list"]] = {}
    for change in changes:
        about = change["about"]
        if change["what"] in ("granted", "withdrawn"):
            last[about["person"], about["role"], about["scope"]] = "hand"
        elif change["what"] == LISTED:
            for role, scope in (*about["given"], *about["ended"]):
                last[about["person"], role, scope] = "list"
    return last


class _Departments:
    """Departments by whatever a list may call them; those made on the way are known from then on."""

    def __init__(self, organisation: str, known: Iterable[Department]) -> None:
        self._organisation = organisation
        self.made: list[Department] = []
        self._drawn = (f"D{n:02}" for n in count(1))
        self._titles: dict[str, str] = {}
        self._exact: dict[str, set[str]] = defaultdict(set)
        self._short: dict[str, set[str]] = defaultdict(set)
        for department in known:
            self._learn(department)

    def _learn(self, department: Department) -> None:
        self._titles[department.code] = department.name.zh
        for word in (department.code, department.name.zh, department.name.en):
            self._exact[alike(word)].add(department.code)
        for name in (department.name.zh, department.name.en):
            self._short[alike(_BRACKETED.sub("", name))].add(department.code)

    def named(self, said: str) -> list[str]:
        """The codes it may mean: of a code or a full name, else of a name without what it has in brackets."""
        return sorted(self._exact.get(alike(said)) or self._short.get(alike(said)) or ())

    def title(self, code: str | None) -> str:
        return self._titles.get(code or "", "")

    @cached_property
    def _reference(self) -> "_Departments":
        known = reference.departments().values()
        return _Departments(
            self._organisation, [Department(self._organisation, d.code, d.title, d.external) for d in known]
        )

    def make(self, said: str) -> str:
        """A department of this name, under the reference's code if it has one of this name."""
        codes = [code for code in self._reference.named(said) if code not in self._titles]
        if len(codes) == 1:
            entry = reference.departments()[codes[0]]
            made = Department(self._organisation, entry.code, Text(said, entry.title.en), entry.external)
        else:
            code = next(code for code in self._drawn if code not in self._titles)
            made = Department(self._organisation, code, Text(said, said))
        self.made.append(made)
        self._learn(made)
        return made.code
