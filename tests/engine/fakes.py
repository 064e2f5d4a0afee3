"""A small school with the whole engine behind it: the same people everywhere, on a simulated clock.

Alice has to fix things in logistics (HQC), Bob heads it; Charlie teaches in another department (JWC) and has no business
there. Dora and Erin are the safety officers of HQC and JWC, Frank heads JWC. Sam and Helen are the safety office, Vera
the vice-principal, Paul the principal; Gao and Gu sit in the acceptance group. Mallory is safety officer of a school of
her own, `other`, where everything has the same names.
"""

import hashlib
import json
import random
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import func, select
from sqlmodel import SQLModel

from engine.actor import Actor, Grant
from engine.audit import canonical, envelope_hash, opens, verify_chain
from engine.calendar import Break, Calendar
from engine.case import Case, fold
from engine.clock import SimulatedClock
from engine.commands import Asked, Command, FireTrigger, OpenCase
from engine.cycles import Cycle, Day
from engine.definition import (
    Catalog,
    CycleRule,
    Effect,
    Form,
    FromPeriod,
    Line,
    Policy,
    State,
    Transition,
    Within,
    Workflow,
    asks,
)
from engine.directory import Department, Organisation, Person
from engine.errors import Text
from engine.events import Event, Notice
from engine.guards import Situation
from engine.handle import Done, Engine, Outcome, handle, settled
from engine.store import calendars, cases, files, history, outbox, people, periods, policies, timers
from engine.store.database import Database, table_of
from engine.store.tables import DisclosureRow, TimerRow
from engine.tick import Ticked, tick
from tests.databases import EMPTY, Kind, Template, dropping_copies
from workflows import CATALOG
from workflows.ladders import HOLDER_LADDER
from workflows.reference import criteria_for
from workflows.roles import OVERSEERS, ROLES
from workflows.wording import ERROR_WORDS

SHANGHAI = ZoneInfo("Asia/Shanghai")
HERE, THERE = "school", "other"
PHOTO = "a" * 64
START = "2019-12-02 09:00"

#: January 2020 as first published; the winter break of the school
CALENDAR = Calendar(
    version=1,
    time_zone="Asia/Shanghai",
    days_off=frozenset({date(2020, 1, 1), *(date(2020, 1, day) for day in range(24, 31))}),
    working_weekend_days=frozenset({date(2020, 1, 19), date(2020, 2, 1)}),
    known_from=date(2019, 1, 1),
    known_until=date(2020, 12, 31),
    breaks=(Break("winter", date(2020, 1, 18), date(2020, 2, 16)),),
)

DEPARTMENTS = {"HQC": "Logistics", "JWC": "Teaching affairs", "DZB": "Safety office"}

PEOPLE: Mapping[str, tuple[str, tuple[Grant, ...]]] = {
    "alice": ("HQC", (Grant("repairer", "HQC"),)),
    "bob": ("HQC", (Grant("dept_head", "HQC"),)),
    "charlie": ("JWC", (Grant("teacher", "JWC"),)),
    "dora": ("HQC", (Grant("dept_safety", "HQC"),)),
    "erin": ("JWC", (Grant("dept_safety", "JWC"),)),
    "frank": ("JWC", (Grant("dept_head", "JWC"),)),
    "sam": ("DZB", (Grant("safety_staff"),)),
    "helen": ("DZB", (Grant("safety_head"),)),
    "vera": ("DZB", (Grant("vp_safety"),)),
    "paul": ("DZB", (Grant("principal"),)),
    "gao": ("JWC", (Grant("acceptance_group"),)),
    "gu": ("HQC", (Grant("acceptance_group"),)),
}


def local(text: str) -> datetime:
    """An instant by the school's wall clock: `2020-01-15 16:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# --- a loop of the tests' own: short, and breakable on purpose -------------------------------------------------------


class OpenErrand(Form):
    title: Line = asks("事项", "Errand")
    department: Line | None = asks("部门", "Department", default=None)


class RunErrand(Form):
    note: Annotated[str, Field(max_length=200)] = asks("说明", "Note", default="")


class ErrandPolicy(Policy):
    run_workdays: Annotated[int, Field(ge=1, le=365)] = 2


def _run(s: Situation, case: Case) -> Effect:
    """Opens what the note asks for; `break` is the defect that a test needs."""
    if s.data["note"] == "break":
        raise ZeroDivisionError("a defect in an effect")
    if s.data["note"] == "two more, one of them wrong":
        return Effect(case, opens=(OpenCase("errand", {"title": "a right one"}), OpenCase("errand", {"title": ""})))
    if s.data["note"] == "one more":
        return Effect(case, opens=(OpenCase("errand", {"title": "one more", "department": case.department}),))
    return Effect(case)


def _daily(scope: str, key: str) -> Mapping[str, Any]:
    if scope == "BROKEN":
        raise ZeroDivisionError("a defect in a cycle's data")
    return {"title": f"{scope} {key}", "department": scope}


ERRAND = Workflow(
    key="errand", plural="errands", version=1, prefix="BG", title=Text("跑腿", "Errand"), opens_with=OpenErrand,
    opens_by=("anyone", "system"), roles=ROLES, policy=ErrandPolicy, holds=True,
    states=[
        State("reported", Text("待办", "To do"), awaits=("dept_head",), due=Within(workdays="run_workdays"), ladder=HOLDER_LADDER),
        State("closed", Text("已办", "Done"), final=True),
    ],
    transitions=[
        Transition("run", "reported", "closed", Text("办理", "Run"), by=("anyone",), form=RunErrand, effect=_run),
    ],
)  # fmt: skip

ROUND = Workflow(
    key="round", plural="rounds", version=1, prefix="XC", title=Text("日查", "Daily round"), opens_with=OpenErrand,
    opens_by=("system",), roles=ROLES,
    cycles=(
        CycleRule(
            Cycle("daily_round", Text("日查", "Daily round"), "round", Day(), "dept_head"),
            lambda _, key: Text(key, key), _daily,
        ),
    ),
    states=[
        State("reported", Text("待查", "To do"), awaits=("dept_head",), due=FromPeriod(), ladder=HOLDER_LADDER),
        State("closed", Text("已查", "Done"), final=True),
    ],
    transitions=[
        Transition("run", "reported", "closed", Text("办理", "Run"), by=("anyone",), form=RunErrand, settles="reported"),
    ],
)  # fmt: skip

WITH_ERRANDS = Catalog([*CATALOG.newest(), ERRAND, ROUND], overseers=OVERSEERS)


# --- the school ------------------------------------------------------------------------------------------------------


def no_answers(category: str, yes: Collection[str] = ()) -> dict[str, bool]:
    """Every criterion of the category answered: general with none of them, major with any."""
    return {criterion.code: criterion.code in yes for criterion in criteria_for(category)}


#: what each step of a hazard asks for, filled in properly
STEPS: Mapping[str, Mapping[str, Any]] = {
    "assign": {
        "category": "ELEC.use", "criteria": no_answers("ELEC.use"), "department": "HQC", "assignee": "alice",
        "time_limit": "days3", "requirement": "换新插座", "interim": "断电挂牌",
    },
    "acknowledge": {},
    "fix": {"measure": "已更换", "photos_after": [PHOTO]},
    "verify": {"finding": "现场完好"},
    "return": {"reason": "面板松动"},
    "approve": {"opinion": "同意"},
    "send_back": {"reason": "记录不全"},
    "ask_extension": {"new_date": "2020-01-10", "reason": "缺配件", "interim": "断电挂牌"},
    "grant_extension": {"opinion": "同意"},
    "reject": {"reason": "不属实"},
}  # fmt: skip

MAJOR = {
    **STEPS["assign"],
    "criteria": no_answers("ELEC.use", yes=["general.needs_stop"]),
    "time_limit": "plan",
}


def _found(school: "School") -> None:
    """Everything that is there on the first morning, in both schools."""
    at = school.clock.now()
    with school.engine.database.write_across() as connection:
        for organisation in (HERE, THERE):
            people.add_organisation(connection, Organisation(organisation, Text("学校", "School")))
            calendars.add(connection, organisation, CALENDAR, at)
            for code, name in DEPARTMENTS.items():
                people.add_department(connection, Department(organisation, code, Text(name, name)))
            everyone = PEOPLE if organisation == HERE else {"mallory": PEOPLE["sam"], "alice": PEOPLE["alice"]}
            for person, (department, grants) in everyone.items():
                people.add_person(connection, Person(organisation, person, person.title(), department), grants)
                files.add(connection, files.FileRecord(organisation, PHOTO, "image/jpeg", 1000, at), f"person:{person}")


def _founded(database: Database) -> None:
    clock = SimulatedClock(local(START))
    _found(School(Engine(database, CATALOG, clock), clock))


FOUNDED = Template(_founded, upon=EMPTY)


@contextmanager
def a_school(
    folder: Path, kind: Kind, start: str = START, catalog: Catalog = CATALOG, seed: int | None = None
) -> Iterator["School"]:
    """A school on its first morning. `seed` makes the salts the same every time."""
    clock = SimulatedClock(local(start))
    draw: dict[str, Any] = {} if seed is None else {"draw": random.Random(seed).randbytes}
    with dropping_copies(), closing(FOUNDED.copy(kind, folder)) as database:
        yield School(Engine(database, catalog, clock, ERROR_WORDS, **draw), clock)


@dataclass
class School:
    """The engine with its clock, and the questions tests ask of its memory."""

    engine: Engine
    clock: SimulatedClock

    # --- acting ------------------------------------------------------------------------------------------------------

    def at(self, text: str) -> "School":
        self.clock.advance_to(local(text))
        return self

    def later(self, **delta: float) -> "School":
        self.clock.advance(timedelta(**delta))
        return self

    def actor(self, person: str, organisation: str = HERE) -> Actor:
        with self.engine.database.read_across() as connection:
            found = people.actor(connection, organisation, person, self.clock.now().astimezone(SHANGHAI).date())
        assert found is not None
        return found

    def asked(self, who: str | Actor, command: Command, key: str | None = None, route: str = "route") -> Asked:
        return Asked(self.actor(who) if isinstance(who, str) else who, command, route, key)

    def handle(self, *asked: Asked) -> list[Outcome]:
        return handle(self.engine, asked)

    def outcome(self, who: str | Actor, command: Command, key: str | None = None, route: str = "route") -> Outcome:
        [outcome] = self.handle(self.asked(who, command, key, route))
        return outcome

    def do(self, who: str | Actor, command: Command, key: str | None = None) -> Done:
        """Carry it out, or raise what stands in the way."""
        done = settled(self.outcome(who, command, key))
        assert isinstance(done, Done)
        return done

    def report(self, who: str = "charlie", **data: Any) -> str:
        """Somebody reports a broken socket; gives its number."""
        what = {"title": "插座面板破损", "place": "教学楼三楼", "photos": [PHOTO], **data}
        return self.do(who, OpenCase("hazard", what)).case.number

    def step(self, who: str | Actor, number: str, trigger: str, **data: Any) -> Case:
        """A step with its form filled in properly, but for what is said otherwise."""
        return self.do(who, FireTrigger(number, trigger, {**STEPS.get(trigger, {}), **data})).case

    def assigned(self, **data: Any) -> str:
        """A hazard that waits for Alice."""
        number = self.report(category="ELEC.use")
        self.step("sam", number, "assign", **data)
        return number

    def closed(self, **data: Any) -> str:
        """A hazard that went the whole way."""
        number = self.report(category="ELEC.use", **data)
        for who, trigger in (
            ("sam", "assign"), ("alice", "fix"), ("erin", "verify"), ("helen", "approve"),
        ):  # fmt: skip
            self.step(who, number, trigger)
        return number

    def errand(self, title: str = "取快递", who: str = "bob") -> str:
        return self.do(who, OpenCase("errand", {"title": title, "department": "HQC"})).case.number

    def owe(self, cycle: str, scope: str, first: str, last: str | None = None) -> None:
        owed = periods.Obligation(
            HERE, cycle, scope, date.fromisoformat(first), date.fromisoformat(last) if last else None
        )
        with self.engine.database.write_across() as connection:
            periods.owe(connection, owed)

    def tick(self) -> Ticked:
        return tick(self.engine)

    def tick_daily(self, until: str, at: str = "08:00") -> int:
        """Live on to that day, with a tick each morning; gives how many reminders were told."""
        told = 0
        while (now := self.clock.now().astimezone(SHANGHAI).date()).isoformat() < until:
            self.at(f"{now + timedelta(days=1)} {at}")
            told += self.tick().reminded
        return told

    def set_policy(self, workflow: str, **numbers: Any) -> int:
        with self.engine.database.write_across() as connection:
            return policies.set_(connection, HERE, workflow, numbers, "vera", self.clock.now())

    def revise(self, *days_off: date, organisation: str = HERE) -> Calendar:
        """The next version of the calendar: these days are off as well."""
        with self.engine.database.write_across() as connection:
            newest = calendars.newest(connection, organisation)
            assert newest is not None
            revised = newest.revised(add_days_off=days_off)
            calendars.add(connection, organisation, revised, self.clock.now())
        return revised

    def upload(self, sha256: str, organisation: str = HERE) -> str:
        record = files.FileRecord(organisation, sha256, "image/jpeg", 10, self.clock.now())
        with self.engine.database.write_across() as connection:
            for person in PEOPLE:
                files.add(connection, record, f"person:{person}")
        return sha256

    # --- asking ------------------------------------------------------------------------------------------------------

    def case(self, number: str, organisation: str = HERE) -> Case:
        with self.engine.database.read_across() as connection:
            case = cases.load(connection, organisation, number)
        assert case is not None, f"there is no case {number}"
        return case

    def exists(self, number: str) -> bool:
        with self.engine.database.read_across() as connection:
            return cases.load(connection, HERE, number) is not None

    def events(self, number: str, organisation: str = HERE) -> list[Event]:
        with self.engine.database.read_across() as connection:
            return history.events_of(connection, organisation, number)

    def reminders(self, number: str) -> list[Event]:
        return [event for event in self.events(number) if event.type == "reminded"]

    def notices(self, number: str, reasons: Collection[str] = ()) -> list[Notice]:
        with self.engine.database.read_across() as connection:
            found = outbox.notices_of(connection, HERE, number)
        return [notice for notice in found if not reasons or notice.reason in reasons]

    def waiting(self, number: str) -> dict[str, datetime]:
        """The rungs on watch, soonest first."""
        with self.engine.database.read_across() as connection:
            return {rung: fire_at for _, rung, fire_at in timers.waiting(connection, HERE, number)}

    def rungs(self, number: str, generation: int | None = None) -> dict[str, str]:
        """Every rung of a generation, the present one unless said, with what became of it."""
        table = table_of(TimerRow)
        generation = self.case(number).generation if generation is None else generation
        here = (table.c.organisation == HERE, table.c.number == number, table.c.generation == generation)
        with self.engine.database.read_across() as connection:
            rows = connection.execute(select(table.c.rung, table.c.status).where(*here)).all()
        return {row.rung: row.status for row in rows}

    def periods(self, **which: Any) -> list[periods.PeriodRecord]:
        with self.engine.database.read_across() as connection:
            return periods.find(connection, HERE, **which)

    def count(self, row: type[SQLModel]) -> int:
        with self.engine.database.read_across() as connection:
            return int(connection.execute(select(func.count()).select_from(table_of(row))).scalar_one())

    # --- what must always hold ---------------------------------------------------------------------------------------

    def assert_history_holds(self, number: str) -> list[Event]:
        """The chain is whole, every commitment opens, time never runs back, and the events fold into the case."""
        events = self.events(number)
        with self.engine.database.read_across() as connection:
            envelopes = history.envelopes_of(connection, HERE, number)
            table = table_of(DisclosureRow)
            here = (table.c.organisation == HERE, table.c.number == number)
            rows = connection.execute(select(table.c.entries).where(*here).order_by(table.c.sequence)).scalars().all()
        assert verify_chain(envelopes, organisation=HERE, case=number) == []
        for event, envelope, entries in zip(events, envelopes, rows, strict=True):
            assert event.hash == envelope_hash(envelope)
            committed = json_of(envelope)["commitments"]
            assert committed.keys() == entries.keys()
            assert all(opens(committed[name], bytes.fromhex(e["salt"]), e["value"]) for name, e in entries.items())
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.recorded_at for event in events] == sorted(event.recorded_at for event in events)
        assert fold([event.changes for event in events], last_hash=events[-1].hash) == self.case(number)
        return events


def json_of(envelope: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(envelope)
    assert canonical(parsed) == envelope
    return parsed


class FakeSigner:
    """Signs with a hash that everybody can work out: who reads it only asks whether it is of these bytes."""

    def __init__(self, key: str = "f" * 64) -> None:
        self.key = key

    def sign(self, message: bytes) -> bytes:
        return hashlib.sha512(self.key.encode() + message).digest()
