"""A school with the real loops behind the real API: posts, groups, tokens; and a hazard brought as far as a story needs.

with a_campus(tmp_path) as campus:
    path = campus.hazard("fixed")                  # fixed by the fixer of logistics
    campus.post("officer", f"{path}/verify", finding="合格")
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api import logs
from api.app import create_app
from api.bootstrap import Runtime
from engine.actor import WHOLE_ORGANISATION, Grant
from engine.clock import SimulatedClock
from engine.directory import Absence, Department, Group, Organisation, Person, Seat
from engine.errors import Text
from engine.store import accounts, calendars, files, history, outbox, people
from tests.builders import PASSWORD, START, a_calendar, a_runtime
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG
from workflows.reference import criteria_for

SCHOOL = "school"
DAY = START.date()
PHOTO = "a" * 64
DEPARTMENTS = {"DZB": "党政办公室", "HQC": "总务后勤处", "XB1": "机电工程系", "XB2": "信息工程系"}

#: person → post, department, (role, scope)…
POSTS: dict[str, tuple[str, str | None, tuple[tuple[str, str], ...]]] = {
    "principal": ("校长", None, (("principal", "*"),)),
    "secretary": ("党委书记", None, (("secretary", "*"),)),
    "vice": ("分管安全副校长", None, (("vp_safety", "*"),)),
    "head": ("安稳办主任", "DZB", (("safety_head", "*"),)),
    "officer": ("安稳办专职", "DZB", (("safety_staff", "*"),)),
    "fixer": ("后勤维修工", "HQC", (("repairer", "HQC"),)),
    "hqc_head": ("后勤处长", "HQC", (("dept_head", "HQC"),)),
    "hqc_safety": ("后勤安全员", "HQC", (("dept_safety", "HQC"),)),
    "xb1_head": ("机电系主任", "XB1", (("dept_head", "XB1"),)),
    "xb1_safety": ("机电系安全员", "XB1", (("dept_safety", "XB1"),)),
    "xb2_head": ("信息系主任", "XB2", (("dept_head", "XB2"),)),
    "teacher": ("机电系教师", "XB1", (("teacher", "*"),)),
    "clerk": ("干事", "XB2", ()),
    "acceptor_hqc": ("后勤验收员", "HQC", ()),
    "acceptor_hqc2": ("后勤验收员二", "HQC", ()),
    "acceptor_xb1": ("机电系验收员", "XB1", ()),
    "acceptor_xb2": ("信息系验收员", "XB2", ()),
    "second": ("第二账号", "XB1", ()),
}
ACCEPTORS = ("acceptor_hqc", "acceptor_hqc2", "acceptor_xb1", "acceptor_xb2")
FIVE_ITEMS = {
    "responsible_person": "fixer", "measures": "更换整层线路", "fund": "8 万元，学校预算", "due_date": "2020-04-30",
    "emergency_plan": "停用三楼，断电挂牌",
}  # fmt: skip


@dataclass
class Campus:
    runtime: Runtime
    client: httpx.Client
    app: FastAPI

    # --- asking ---

    def headers(self, who: str, for_: str | None = None, **more: str) -> dict[str, str]:
        person, _, organisation = who.partition("@")
        named = {name.replace("_", "-"): value for name, value in more.items()}
        if for_ is not None:
            named["Bihuan-On-Behalf-Of"] = for_
        if organisation:
            named["Bihuan-Organisation"] = SCHOOL
        return {"Authorization": f"Bearer token-of-{person}-{organisation or SCHOOL}", "Accept-Language": "zh", **named}

    def post(self, who: str, path: str, *, for_: str | None = None, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers=self.headers(who, for_))

    def get(self, who: str, path: str, for_: str | None = None, **more: str) -> Any:
        answer = self.client.get(path, headers=self.headers(who, for_, **more))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def done(self, who: str, path: str, *, for_: str | None = None, **body: Any) -> dict[str, Any]:
        answer = self.post(who, path, for_=for_, **body)
        assert answer.status_code in (200, 201), answer.text
        told: dict[str, Any] = answer.json()
        return told

    # --- a hazard ---

    def hazard(self, upto: str, *, major: bool = False, extended: bool = False) -> str:
        """The address of a hazard of logistics that stands at `upto`; whoever fixes it is the fixer."""
        number = self.done("teacher", "/api/v1/hazards", title="插座破损", place=f"教学楼 {self._next()} 层")["number"]
        path = f"/api/v1/hazards/{number}"
        for at, step in (
            ("assigned", lambda: self._assign(path, major=major, extended=extended)),
            ("fixed", lambda: self.done("fixer", f"{path}/fix", measure="已更换", photos_after=[PHOTO])),
            ("verified", lambda: self._verify(path, major=major)),
        ):
            step()
            if at == upto:
                return path
        raise ValueError(upto)

    def _next(self) -> int:
        self.opened = getattr(self, "opened", 0) + 1
        return self.opened

    def _assign(self, path: str, *, major: bool, extended: bool) -> None:
        criteria = {c.code: major and c.code == "general.needs_stop" for c in criteria_for("ELEC.wire")}
        self.done(
            "officer", f"{path}/assign", category="ELEC.wire", criteria=criteria, department="HQC", assignee="fixer",
            time_limit="plan" if major else "days7", requirement="更换", interim="断电挂牌",
        )  # fmt: skip
        if major:
            self.done("fixer", f"{path}/file_plan", **FIVE_ITEMS)
            self.done("secretary", f"{path}/approve_plan", opinion="同意")
        if extended:
            self.done("fixer", f"{path}/ask_extension", new_date="2020-03-31", reason="等配件", interim="断电")
            self.done("principal", f"{path}/grant_extension", opinion="同意")

    def _verify(self, path: str, *, major: bool) -> None:
        for who in ("acceptor_xb1", "acceptor_xb2") if major else ("officer",):
            self.done(who, f"{path}/verify", finding="合格")

    # --- the directory ---

    def give(self, who: str, role: str, scope: str = WHOLE_ORGANISATION, **dates: date) -> None:
        with self.runtime.database.write_across() as connection:
            people.give(connection, SCHOOL, who, Grant(role, scope, **dates))

    def administrator(self, who: str) -> None:
        """Somebody new who keeps the directory, and sees no case by that."""
        with self.runtime.database.write_across() as connection:
            people.add_person(
                connection, Person(SCHOOL, who, f"姓名-{who}", "DZB", post="系统管理员"), [Grant("administrator")]
            )
            accounts.add_token(connection, SCHOOL, who, f"token-of-{who}-{SCHOOL}", "test", START)

    def let_in(self, *whom: str) -> None:
        """These may sign in with the password."""
        with self.runtime.hashing.turn() as hasher:
            hashed = hasher.hashed(PASSWORD)
        with self.runtime.database.write_across() as connection:
            for who in whom:
                accounts.set_password(connection, SCHOOL, who, hashed, self.runtime.clock.now(), must_change=False)

    def withdraw(self, who: str, role: str, last_day: date) -> None:
        with self.runtime.database.write_across() as connection:
            people.withdraw(connection, SCHOOL, who, role, WHOLE_ORGANISATION, last_day)

    def away(self, who: str, delegate: str | None, days: int = 9, *duties: str) -> None:
        absence = Absence(f"of-{who}", who, self.today, self.today + timedelta(days=days), delegate, frozenset(duties))
        with self.runtime.database.write_across() as connection:
            people.add_absence(connection, SCHOOL, absence)

    def link(self, *accounts: tuple[str, str]) -> None:
        with self.runtime.database.write_across() as connection:
            people.link(connection, accounts)

    def move(self, who: str, department: str) -> None:
        with self.runtime.database.write_across() as connection:
            person = people.person(connection, SCHOOL, who)
            assert person is not None
            people.update_person(connection, Person(SCHOOL, who, person.name, department, post=person.post))

    def seat(self, *members: str) -> None:
        """The acceptance group, member by member."""
        seats = tuple(Seat("person", member) for member in members)
        with self.runtime.database.write_across() as connection:
            people.set_group(
                connection, SCHOOL, Group("acceptance_group", Text("验收组", "Acceptance group"), seats, 2)
            )

    @property
    def today(self) -> date:
        return self.runtime.clock.now().date()  # the stories play in the morning: the same day as in UTC

    def on(self, day: date) -> None:
        """The morning of this day."""
        assert isinstance(self.runtime.clock, SimulatedClock)
        self.runtime.clock.advance_to(START + (day - DAY))

    # --- what is there ---

    def record(self, path: str) -> tuple[list[bytes], int]:
        """The case's events to the byte, and how many notices were ever written."""
        number = path.rsplit("/", 1)[1]
        with self.runtime.database.read_across() as connection:
            notices = outbox.notices_of(connection, SCHOOL, number)
            return history.envelopes_of(connection, SCHOOL, number), len(notices)


@contextmanager
def a_campus(folder: Path, kind: Kind, **settings: Any) -> Iterator[Campus]:
    """Monday 2 March 2020, nine in the morning."""
    logs.configure("warning", "console")
    runtime = a_runtime(folder / "data", kind, catalog=CATALOG, **settings)
    with runtime.database.write_across() as connection:
        people.add_organisation(connection, Organisation("bureau", Text("市教育局", "Bureau"), kind="bureau"))
        people.add_organisation(connection, Organisation(SCHOOL, Text("示范学校", "School"), parent="bureau"))
        calendars.add(connection, SCHOOL, a_calendar(), START)
        for code, name in DEPARTMENTS.items():
            people.add_department(connection, Department(SCHOOL, code, Text(name, code)))
        for key, (post, department, grants) in POSTS.items():
            held = [Grant(role, scope) for role, scope in grants]
            people.add_person(connection, Person(SCHOOL, key, f"姓名-{key}", department, post=post), held)
            accounts.add_token(connection, SCHOOL, key, f"token-of-{key}-{SCHOOL}", "test", START)
        people.add_person(connection, Person("bureau", "inspector", "督导", post="督导"))
        accounts.add_token(connection, "bureau", "inspector", "token-of-inspector-bureau", "test", START)
        for sender in POSTS:
            files.add(connection, files.FileRecord(SCHOOL, PHOTO, "image/png", 1, START), f"person:{sender}")
    app = create_app(runtime)
    with calling(app) as client:
        campus = Campus(runtime, client, app)
        campus.seat(*ACCEPTORS)
        yield campus
    runtime.close()
