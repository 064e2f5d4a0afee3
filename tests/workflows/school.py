"""A school to run the loops in: its people, its calendar of 2020, an engine on a clock that stands still until told.

Alice holds the case, Bob is her department's safety officer, Charlie has no business here. Everybody else is named by
post. Every step goes through `handle`, as it would from the web.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api.figures import FIGURES
from engine.actor import WHOLE_ORGANISATION, Actor, Grant
from engine.authority import visibility
from engine.calendar import Break, Calendar
from engine.case import Case
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase, Recompute
from engine.directory import Department, Organisation, Person
from engine.errors import Text
from engine.events import Event, Notice
from engine.handle import Done, Engine, Idle, handle_one
from engine.store import calendars, cases, files, history, outbox, people, periods, policies, timers, worklists
from engine.store.database import Database
from engine.store.periods import PeriodRecord
from engine.tick import Ticked, tick
from tests.databases import EMPTY, Kind, Template, dropping_copies
from workflows import CATALOG
from workflows.inspection import CYCLE
from workflows.reference import criteria_for
from workflows.wording import ERROR_WORDS

ORGANISATION = "school"
SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = "2020-01-06 09:00"  # the first school day of the stories: two weeks before the winter break
PHOTO, OTHER_PHOTO = "a" * 64, "b" * 64
GATE = "东门"  # where a stranger may stand

DAYS_OFF_V1 = frozenset({date(2020, 1, 1), *(date(2020, 1, day) for day in range(24, 31))})
CALENDAR_V1 = Calendar(
    version=1,
    time_zone="Asia/Shanghai",
    days_off=DAYS_OFF_V1,
    working_weekend_days=frozenset({date(2020, 1, 19), date(2020, 2, 1)}),
    known_from=date(2019, 1, 1),
    known_until=date(2020, 12, 31),
    breaks=(Break("寒假", date(2020, 1, 18), date(2020, 2, 16)), Break("暑假", date(2020, 7, 4), date(2020, 8, 30))),
)
#: the notice of 26 January 2020: the holiday goes on until 2 February, and Saturday the 1st is no longer worked
CALENDAR_V2 = CALENDAR_V1.revised(add_days_off=[date(2020, 1, 31), date(2020, 2, 1), date(2020, 2, 2)])

DEPARTMENTS = {"HQC": "总务后勤处", "XB1": "机电工程系", "XB2": "信息工程系", "DZB": "党政办公室"}

#: person → (department, role, scope of the role)
PEOPLE: dict[str, tuple[str, str, str]] = {
    "alice": ("HQC", "repairer", "HQC"),
    "bob": ("HQC", "dept_safety", "HQC"),
    "charlie": ("XB2", "teacher", "XB2"),
    "teacher": ("XB1", "teacher", "XB1"),
    "head_of_hqc": ("HQC", "dept_head", "HQC"),
    "head_of_xb1": ("XB1", "dept_head", "XB1"),
    "safety_of_xb1": ("XB1", "dept_safety", "XB1"),
    "head_of_dzb": ("DZB", "dept_head", "DZB"),
    "officer": ("DZB", "safety_staff", WHOLE_ORGANISATION),
    "head_of_office": ("DZB", "safety_head", WHOLE_ORGANISATION),
    "vice": ("DZB", "vp_safety", WHOLE_ORGANISATION),
    "principal": ("DZB", "principal", WHOLE_ORGANISATION),
    "secretary": ("DZB", "secretary", WHOLE_ORGANISATION),
    "acceptor_of_hqc": ("HQC", "acceptance_group", WHOLE_ORGANISATION),
    "second_acceptor_of_hqc": ("HQC", "acceptance_group", WHOLE_ORGANISATION),
    "acceptor_of_xb1": ("XB1", "acceptance_group", WHOLE_ORGANISATION),
    "acceptor_of_xb2": ("XB2", "acceptance_group", WHOLE_ORGANISATION),
}


def local(text: str) -> datetime:
    """An instant by the school's wall clock: `2020-01-15 16:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def local_day(instant: datetime | None) -> str:
    assert instant is not None
    return instant.astimezone(SHANGHAI).date().isoformat()


def answers(category: str, *yes: str) -> dict[str, bool]:
    """Every criterion of the category answered: no, but for those named."""
    return {criterion.code: criterion.code in yes for criterion in criteria_for(category)}


def no_salt(size: int) -> bytes:
    return b"\0" * size


@dataclass
class School:
    engine: Engine
    clock: SimulatedClock

    # --- time ---------------------------------------------------------------------------------------------------------

    def at(self, text: str) -> "School":
        self.clock.advance_to(local(text))
        return self

    def tick(self) -> Ticked:
        ticked = tick(self.engine)
        assert not ticked.failed, ticked.failed
        return ticked

    def load_calendar(self, calendar: Calendar) -> None:
        with self.engine.database.write_across() as connection:
            calendars.add(connection, ORGANISATION, calendar, self.clock.now())

    def set_policy(self, workflow: str, **numbers: Any) -> None:
        definition = CATALOG.get(workflow)
        assert definition is not None
        with self.engine.database.write_across() as connection:
            checked = definition.checked_policy(numbers)
            policies.set_(connection, ORGANISATION, workflow, checked, "vice", self.clock.now())

    # --- people and their steps ---------------------------------------------------------------------------------------

    def actor(self, who: str, on_behalf_of: str | None = None) -> Actor:
        with self.engine.database.read_across() as connection:
            today = self.clock.now().astimezone(SHANGHAI).date()
            actor = people.actor(connection, ORGANISATION, who, today)
        assert actor is not None, who
        return replace(actor, on_behalf_of=on_behalf_of)

    def open(self, who: str, workflow: str, **data: Any) -> Case:
        return self._done(Asked(self.actor(who), OpenCase(workflow, data))).case

    def step(self, who: str, case: Case, trigger: str, *, on_behalf_of: str | None = None, **data: Any) -> Case:
        """The case after the step. Raises the refusal."""
        return self._done(Asked(self.actor(who, on_behalf_of), FireTrigger(case.number, trigger, data))).case

    def recompute(self, case: Case) -> Done | Idle:
        return handle_one(self.engine, Asked(self.actor("officer"), Recompute(case.number)))

    def _done(self, asked: Asked) -> Done:
        outcome = handle_one(self.engine, asked)
        assert isinstance(outcome, Done), outcome
        return outcome

    # --- a hazard, as far along as a story needs it ---------------------------------------------------------------------

    def hazard(self, who: str = "teacher", **data: Any) -> Case:
        return self.open(who, "hazard", **{"title": "插座面板破损", "place": "教学楼三楼走廊", **data})

    def assign(self, case: Case, *yes: str, who: str = "officer", **data: Any) -> Case:
        category = data.get("category", "ELEC.wire")
        given = {
            "category": category, "criteria": answers(category, *yes), "department": "HQC", "assignee": "alice",
            "time_limit": "days7", "requirement": "更换面板", "interim": "断电挂牌",
        }  # fmt: skip
        return self.step(who, case, "assign", **{**given, **data})

    def assigned(self, **data: Any) -> Case:
        return self.assign(self.hazard(), **data)

    def major(self) -> Case:
        """A major hazard with its plan still to be made."""
        return self.assign(self.hazard(), "general.needs_stop", time_limit="plan")

    def file_plan(self, case: Case, who: str = "alice", **data: Any) -> Case:
        return self.step(who, case, "file_plan", **{**FIVE_ITEMS, **data})

    def major_being_fixed(self) -> Case:
        case = self.file_plan(self.major())
        return self.step("principal", case, "approve_plan", opinion="同意")

    def fix(self, case: Case, who: str = "alice", **data: Any) -> Case:
        return self.step(who, case, "fix", **{"measure": "已更换", "photos_after": [PHOTO], **data})

    def fixed(self) -> Case:
        return self.fix(self.assigned())

    def verify(self, case: Case, who: str = "officer", **data: Any) -> Case:
        return self.step(who, case, "verify", **{"finding": "现场合格", **data})

    def approve(self, case: Case, who: str = "head_of_office", **data: Any) -> Case:
        return self.step(who, case, "approve", **{"opinion": "同意销号", **data})

    def closed(self, **data: Any) -> Case:
        """A closed hazard; `data` is what its reporter said."""
        return self.approve(self.verify(self.fix(self.assign(self.hazard(**data)))))

    def corrected_on_spot(self, **data: Any) -> Case:
        given = {
            "category": "FIRE.exit", "criteria": answers("FIRE.exit"), "department": "HQC", "corrected_by": "alice",
            "measure": "当场清走", "photos_after": [PHOTO],
        }  # fmt: skip
        return self.step("head_of_xb1", self.hazard("head_of_xb1"), "correct_on_spot", **{**given, **data})

    # --- what is there afterwards ---------------------------------------------------------------------------------------

    def waiting_for(self, who: str) -> list[str]:
        """The numbers on this person's list of what waits for him."""
        actor = self.actor(who)
        with self.engine.database.read_across() as connection:
            listed = worklists.waiting_for(connection, visibility(actor, CATALOG.overseers), actor)
        return [case.number for case in listed]

    def case(self, number: str) -> Case:
        with self.engine.database.read_across() as connection:
            case = cases.load(connection, ORGANISATION, number)
        assert case is not None, number
        return case

    def events(self, case: Case) -> list[Event]:
        with self.engine.database.read_across() as connection:
            return history.events_of(connection, ORGANISATION, case.number)

    def notices(self, case: Case, reason: str | None = None) -> list[Notice]:
        with self.engine.database.read_across() as connection:
            found = outbox.notices_of(connection, ORGANISATION, case.number)
        return [notice for notice in found if reason in (None, notice.reason)]

    def timers(self, case: Case) -> list[tuple[int, str, datetime]]:
        with self.engine.database.read_across() as connection:
            return timers.waiting(connection, ORGANISATION, case.number)

    def rungs(self, case: Case) -> list[str]:
        return [rung for _, rung, _ in self.timers(case)]

    def ledger(self, cycle: str) -> list[PeriodRecord]:
        with self.engine.database.read_across() as connection:
            return periods.find(connection, ORGANISATION, cycle=cycle)

    def periods(self, key: str | None = None) -> list[PeriodRecord]:
        with self.engine.database.read_across() as connection:
            return periods.find(connection, ORGANISATION, cycle=CYCLE, key=key)

    def owes(self, cycle: str, *scopes: str, first_day: date, last_day: date | None = None) -> None:
        with self.engine.database.write_across() as connection:
            for scope in scopes:
                periods.owe(connection, periods.Obligation(ORGANISATION, cycle, scope, first_day, last_day))

    def owes_inspections(self, *departments: str, first_day: date) -> None:
        with self.engine.database.write_across() as connection:
            for department in departments:
                periods.owe(connection, periods.Obligation(ORGANISATION, CYCLE, department, first_day))


FIVE_ITEMS: dict[str, Any] = {
    "responsible_person": "alice",
    "measures": "更换整层线路",
    "fund": "8 万元，学校预算",
    "due_date": "2020-03-20",
    "emergency_plan": "停用三楼，断电挂牌",
}


def _found(database: Database) -> None:
    with database.write_across() as connection:
        people.add_organisation(connection, Organisation(ORGANISATION, Text("某校", "A school")))
        calendars.add(connection, ORGANISATION, CALENDAR_V1, local("2019-12-01 08:00"))
        for code, name in DEPARTMENTS.items():
            people.add_department(connection, Department(ORGANISATION, code, Text(name, code)))
        for person, (department, role, scope) in PEOPLE.items():
            known = Person(ORGANISATION, person, person, department)
            people.add_person(connection, known, [Grant(role, scope)])
        for name in (PHOTO, OTHER_PHOTO):
            record = files.FileRecord(ORGANISATION, name, "image/png", 1, local("2019-12-01 08:00"))
            for sender in (*(f"person:{person}" for person in PEOPLE), f"anonymous:{GATE}"):
                files.add(connection, record, sender)


FOUNDED = Template(_found, upon=EMPTY)


@contextmanager
def a_school(folder: Path, kind: Kind, now: str = MONDAY) -> Iterator[School]:
    clock = SimulatedClock(local(now))
    with dropping_copies(), closing(FOUNDED.copy(kind, folder)) as database:
        yield School(Engine(database, CATALOG, clock, ERROR_WORDS, no_salt, FIGURES), clock)
