"""Random people, steps, holidays and outages against a plain model: the engine and the model always agree.

The model below says in a page what the engine promises: tables of states and of who may, budgets, and the rungs that wait.
It shares with the engine only arithmetic that has tests of its own (calendar, deadlines).

A run plays a few dozen short campaigns. BIHUAN_HYPOTHESIS_PROFILE=long plays hundreds of longer ones (some minutes; add
`--timeout 0`) and shrinks what fails; with CI in the environment the same campaigns are played every time.
"""

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from engine.actor import system
from engine.calendar import Calendar
from engine.case import Case
from engine.commands import FireTrigger, OpenCase, Recompute
from engine.deadlines import Budget, Ladder, Rung, due_at, plan_rungs
from engine.errors import KeyReused
from engine.handle import Done, Idle, Outcome, Refused
from engine.store import answers
from engine.store.database import table_of
from engine.store.tables import CaseRow, OutboxRow, PeriodRow, TimerRow
from tests.databases import Kind
from tests.engine.fakes import CALENDAR, HERE, PEOPLE, PHOTO, START, STEPS, School, a_school, local
from workflows.reference import checklist_for

LONG = os.environ.get("BIHUAN_HYPOTHESIS_PROFILE") == "long"
LAST_DAY = local("2020-10-01 00:00")  # the calendar ends with the year
REMIND_AT = time(7, 40)

# --- the model: what is promised, in tables --------------------------------------------------------------------------

#: trigger → from, to (the same: it stays), notices it is told by beside *waiting for you*
HAZARD = {
    "assign": ("reported", "assigned", 0),
    "reject": ("reported", "rejected", 1),
    "acknowledge": ("assigned", "assigned", 0),
    "ask_extension": ("assigned", "assigned", 1),
    "grant_extension": ("assigned", "assigned", 1),
    "fix": ("assigned", "fixed", 0),
    "verify": ("fixed", "verified", 0),
    "return": ("fixed", "assigned", 0),
    "approve": ("verified", "closed", 1),
    "send_back": ("verified", "assigned", 0),
}
INSPECTION = {
    "submit": ("due", "submitted", 0),
    "waive": ("due", "waived", 1),
    "sign": ("submitted", "closed", 0),
    "send_back": ("submitted", "due", 0),
}
TABLES = {"hazard": HAZARD, "inspection": INSPECTION}
FINAL = {"closed", "rejected", "waived"}
BUDGETS = {
    "reported": Budget(hours=24), "fixed": Budget(workdays=3), "verified": Budget(workdays=2),
    "submitted": Budget(workdays=3),
}  # fmt: skip
LIMITS = {"same_day": Budget(days=0), "days3": Budget(workdays=3), "days7": Budget(workdays=7)}
OFFSETS = {"before-3": -3, "before-1": -1, "due": 0, "after-1": 1, "after-3": 3, "after-7": 7, "after-15": 15}
EVERY = 5
LADDER = Ladder.of(
    *(Rung(name, offset, ("x",), "digest") for name, offset in OFFSETS.items()),
    Rung("repeat", 15, ("x",), "digest", every_workdays=EVERY),
)
#: department → who inspects, who signs
INSPECTORS, HEADS = {"HQC": "dora", "JWC": "erin"}, {"HQC": "bob", "JWC": "frank"}
OVERSEERS = set(PEOPLE) - {"alice", "charlie"}


@dataclass
class Model:
    """A case as it ought to stand."""

    number: str
    workflow: str
    state: str
    opened_at: datetime
    place: str = ""
    department: str | None = None
    assignee: str | None = None
    revision: int = 1
    generation: int = 0
    notices: list[int] = field(default_factory=list)  # by event
    parties: set[str] = field(default_factory=set)
    fixers: set[str] = field(default_factory=set)
    verifiers: set[str] = field(default_factory=set)
    askers: set[str] = field(default_factory=set)
    submitters: set[str] = field(default_factory=set)
    limit: Budget | None = None
    budget: Budget | None = None
    since: datetime | None = None
    due: datetime | None = None
    counted_by: int = 0  # version of the calendar
    period: tuple[datetime, datetime] | None = None
    waiting: dict[str, datetime] = field(default_factory=dict)
    settled: dict[tuple[int, str], str] = field(default_factory=dict)
    first: bool = False  # the clock that runs set the first limit
    first_due: datetime | None = None
    period_due: datetime | None = None  # in the ledger
    notified_at: datetime | None = None
    acknowledged: bool = False
    asked: date | None = None
    extended: bool = False
    returned: int = 0
    marks: set[str] = field(default_factory=set)
    findings: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # item → hazards
    category: str = ""
    repeats: bool = False  # bound to one closed before
    closed_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state not in FINAL

    @property
    def own(self) -> set[str]:
        """Everyone who had a hand in it."""
        return self.fixers | self.verifiers | self.askers | self.submitters

    def seen_by(self, person: str) -> bool:
        return person in OVERSEERS or person in self.parties or self.department == PEOPLE[person][0]

    def may(self, person: str, trigger: str) -> bool:
        """Who may, and who never: written down a second time on purpose."""
        busy = self.fixers | ({self.assignee} if self.assignee else set())
        if self.workflow == "inspection":
            assert self.department is not None
            if trigger == "submit":
                return person == INSPECTORS[self.department]
            if trigger == "waive":
                return person in {"helen", "vera"}
            return person in {HEADS[self.department], "vera"} - self.submitters
        if trigger in {"assign", "reject"}:
            return person in {"sam", "helen"}
        if trigger in {"acknowledge", "fix", "ask_extension"}:
            return person == self.assignee
        if trigger == "grant_extension":
            return person in {"vera", "paul"} - self.askers - busy
        others = {inspector for code, inspector in INSPECTORS.items() if code != self.department}
        if trigger == "verify":
            return person in ({"sam"} | others) - busy
        if trigger == "return":  # lets nothing pass, so nobody is kept from it
            return person in {"sam", "helen"} | others
        approver = "vera" if self.extended else "helen"
        if trigger == "send_back":
            return person in {approver, "vera", "paul"}
        return person in {approver} - busy - self.verifiers

    # --- clocks ------------------------------------------------------------------------------------------------------

    def start(self, calendar: Calendar, now: datetime, *, opening: bool = False) -> None:
        self.cancel(now)
        if not self.open:
            self.due = None
            return
        if self.state == "due":
            assert self.period is not None
            self.budget, (self.since, self.due) = None, self.period
        else:
            self.budget = self.limit if self.state == "assigned" else BUDGETS[self.state]
            assert self.budget is not None
            self.since, self.due = now, due_at(self.budget, now, calendar).due_at
        self.first = self.first_due is None and self.state in {"assigned", "due"}
        if self.first:
            self.first_due = self.due
        self.counted_by = calendar.version
        self.plan(calendar, self.since if opening else now)

    def plan(self, calendar: Calendar, not_before: datetime) -> None:
        assert self.due is not None and self.since is not None
        self.generation += 1
        rungs = plan_rungs(LADDER, self.due, self.since, calendar, not_before, REMIND_AT)
        self.waiting = {rung.rung: rung.fire_at for rung in rungs}
        if self.state == "assigned" and not self.acknowledged:
            receipts = self.receipts(calendar)
            self.waiting |= {rung: at for rung, at in receipts.items() if at > not_before}

    def cancel(self, now: datetime, *rungs: str) -> None:
        """Void; what had fallen due and was never told was missed."""
        for rung, at in list(self.waiting.items()):
            if not rungs or rung in rungs:
                self.settled[self.generation, rung] = "skipped" if at <= now else "cancelled"
                del self.waiting[rung]

    def recompute(self, calendars: Mapping[int, Calendar], now: datetime) -> bool:
        """What fell due by the old deadline is told first."""
        calendar = calendars[max(calendars)]
        if not self.open or self.since is None:
            return False
        self.remind(calendar, now)
        if self.budget is not None:
            due = due_at(self.budget, self.since, calendar).due_at
        else:
            due = end_of_month_check(calendar, self.since)
        if due == self.due:
            return self.move_reminders(calendar, calendars[self.counted_by], now)
        if self.budget is None:
            self.period = (self.since, due)
            if not self.submitters:
                self.period_due = due
        if self.first:
            self.first_due = due
        self.cancel(now)
        self.due, self.counted_by = due, calendar.version
        self.plan(calendar, now)
        self.happened(1)
        return True

    def move_reminders(self, calendar: Calendar, older: Calendar, now: datetime) -> bool:
        """Each goes where the newest calendar has it, if that is what moves it; none is told that was told."""
        assert self.since is not None
        was, becomes = self.rungs(older), self.rungs(calendar)
        moved = [
            rung for rung, at in self.waiting.items()
            if at > now and becomes[rung] not in (at, was[rung])
        ]  # fmt: skip
        told = {rung for (of, rung), how in self.settled.items() if of == self.generation and how != "cancelled"}
        known = {*self.waiting, *told}
        begun = [rung for rung in OFFSETS if rung not in known and was[rung] < self.since <= becomes[rung]]
        for rung in (*moved, *begun):
            self.waiting[rung] = becomes[rung]
            self.settled.pop((self.generation, rung), None)  # what is void may wait again
        void = [rung for rung in moved if becomes[rung] < self.since and rung in OFFSETS]
        for rung in void:
            self.settled[self.generation, rung] = "cancelled"
            del self.waiting[rung]
        if not moved and not begun:
            return False
        self.counted_by = calendar.version
        self.happened(0)
        return True

    def rungs(self, calendar: Calendar) -> dict[str, datetime]:
        """When each would be told by this calendar."""
        assert self.due is not None
        day = calendar.local_date(self.due)
        found = {rung: calendar.at(calendar.add_workdays(day, n), REMIND_AT) for rung, n in OFFSETS.items()}
        if self.notified_at is not None:
            found |= self.receipts(calendar)
        return found | {f"repeat-{number}": at for number, at in islice(self.repetitions(calendar), 50)}

    def receipts(self, calendar: Calendar) -> dict[str, datetime]:
        assert self.notified_at is not None
        first = due_at(Budget(hours=24), self.notified_at, calendar).due_at
        second = calendar.at(calendar.add_workdays(calendar.local_date(first), 1), REMIND_AT)
        return {"receipt": first, "receipt-1": second}

    def repetitions(self, calendar: Calendar) -> Iterator[tuple[int, datetime]]:
        assert self.due is not None
        day = calendar.add_workdays(calendar.local_date(self.due), OFFSETS["after-15"])
        for number in range(1, 500):
            day = calendar.add_workdays(day, EVERY)
            yield number, calendar.at(day, REMIND_AT)

    def remind(self, calendar: Calendar, now: datetime) -> bool:
        """One message, however many rungs fell due; the highest is told, the rest are skipped."""
        ripe = [rung for rung, at in self.waiting.items() if at <= now]
        if not ripe:
            return False
        due = sorted(ripe, key=_height)
        if (number := _repetition(due[-1])) and self.due is not None:
            due += [f"repeat-{n}" for n, at in self.repetitions(calendar) if n > number and at <= now]
        for rung in due:
            self.settled[self.generation, rung] = "fired" if rung == due[-1] else "skipped"
            self.waiting.pop(rung, None)
        if number := _repetition(due[-1]):
            self.waiting |= dict([
                next((f"repeat-{n}", at) for n, at in self.repetitions(calendar) if n > number and at > now)
            ])  # fmt: skip
        marks = {"after-7", "after-15"} & set(due) - self.marks
        self.marks |= marks
        self.happened(1, news=bool(marks))
        return True

    def happened(self, notices: int, *, news: bool = True) -> None:
        self.notices.append(notices)
        self.revision += news


def end_of_month_check(calendar: Calendar, opens_at: datetime) -> datetime:
    """A department's monthly check is due on the 20th, or the working day after it."""
    return calendar.end_of(calendar.next_workday(calendar.local_date(opens_at).replace(day=20)))


def _repetition(rung: str) -> int:
    return int(rung.removeprefix("repeat-")) if rung.startswith("repeat-") else 0


def _height(rung: str) -> tuple[int, int]:
    if rung.startswith("receipt"):
        return 0, len(rung)
    return (1, OFFSETS[rung]) if rung in OFFSETS else (2, _repetition(rung))


# --- the machine -----------------------------------------------------------------------------------------------------

people = st.sampled_from(sorted(PEOPLE))
assignees = st.sampled_from(["alice", "erin", "sam", "vera"])  # some of them also verify or approve
picks = st.integers(0, 1000)


class Promises(RuleBasedStateMachine):
    kind: Kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._school = _entered(Path(self._folder.name), self.kind)
        self.school = next(self._school)
        self.calendar: Calendar = CALENDAR
        self.calendars = {CALENDAR.version: CALENDAR}
        self.models: dict[str, Model] = {}
        self.periods: dict[tuple[str, str], str] = {}
        self.kept: list[tuple[str, OpenCase | FireTrigger, str, Done]] = []
        self.keys = 0
        self.actors = {person: self.school.actor(person) for person in PEOPLE}

    @property
    def now(self) -> datetime:
        return self.school.clock.now()

    @initialize()
    def owe(self) -> None:
        self.school.owe("dept_check_month", "HQC", "2019-12-01")
        self.school.owe("dept_check_month", "JWC", "2020-01-01", "2020-03-15")
        for place in ("一楼", "二楼"):
            self.reported("charlie", place)

    # --- opening -----------------------------------------------------------------------------------------------------

    @rule(who=people, place=st.sampled_from(["一楼", "二楼"]))
    def report(self, who: str, place: str) -> None:
        self.reported(who, place)

    def reported(self, who: str, place: str) -> None:
        done = self.carried_out(who, OpenCase("hazard", {"title": "插座破损", "place": place, "category": "ELEC.use"}))
        model = self.opened(done.case.number, "hazard", "reported", who, place, category="ELEC.use")
        alike = self.rebounds(model)
        assert [link.number for link in done.case.links if link.kind == "rebound_of"] == [m.number for m in alike]
        for other in alike:
            other.happened(0, news=False)

    def opened(self, number: str, workflow: str, state: str, who: str, place: str, **more: Any) -> Model:
        model = Model(number, workflow, state, self.now, place, notices=[1], parties={who}, **more)
        model.start(self.calendar, self.now, opening=True)
        self.models[number] = model
        return model

    def rebounds(self, model: Model) -> list[Model]:
        """The case closed last at the same place within the thirty days before this one was opened hears of it, once."""
        alike = [
            other
            for other in self.models.values()
            if other.state == "closed" and other.workflow == "hazard" and other is not model and not model.repeats
            and (other.place, other.category) == (model.place, model.category) and other.closed_at is not None
            and model.opened_at - timedelta(days=30) <= other.closed_at <= model.opened_at
        ]  # fmt: skip
        alike = sorted(alike, key=lambda other: (other.closed_at, other.number))[-1:]
        model.repeats |= bool(alike)
        return alike

    # --- stepping ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: any(model.open for model in self.models.values()))
    @rule(
        which=picks,
        steps=st.lists(
            st.tuples(picks, st.sampled_from(sorted(LIMITS)), assignees, st.booleans()), min_size=1, max_size=5
        ),
    )
    def right_steps(self, which: int, steps: list[tuple[int, str, str, bool]]) -> None:
        """A case goes on as it should: somebody who may takes a step that is possible, and another the next one."""
        open_ = [model for model in self.models.values() if model.open]
        model = open_[which % len(open_)]
        for how, limit, assignee, fails in steps:
            ways = [
                (person, trigger)
                for trigger, (source, _, _) in TABLES[model.workflow].items()
                for person in sorted(PEOPLE)
                if source == model.state
                and model.may(person, trigger)
                and (trigger not in {"reject", "waive"} or how % 5 == 0)
            ]
            if ways:
                person, trigger = ways[how % len(ways)]
                self.group([(person, model, trigger, limit, assignee, fails, False)])

    @precondition(lambda self: self.models)
    @rule(
        asked=st.lists(
            st.tuples(
                people, picks, picks, st.sampled_from(sorted(LIMITS)), assignees, st.booleans(), st.booleans(),
            ),
            min_size=1, max_size=4,
        )
    )  # fmt: skip
    def any_steps(self, asked: list[tuple[str, int, int, str, str, bool, bool]]) -> None:
        """Anybody tries anything, several under one commit."""
        models = list(self.models.values())
        group = []
        for person, which, how, limit, assignee, fails, stale in asked:
            model = models[which % len(models)]
            triggers = sorted(TABLES[model.workflow])
            group.append((person, model, triggers[how % len(triggers)], limit, assignee, fails, stale))
        self.group(group)

    @precondition(lambda self: any(model.own for model in self.models.values()))
    @rule(which=picks, how=picks, whose=picks)
    def own_work(self, which: int, how: int, whose: int) -> None:
        """Whoever had a hand in a case tries the very next step of it himself."""
        models = [model for model in self.models.values() if model.own and model.open]
        if models:
            model = models[which % len(models)]
            persons = sorted(model.own)
            triggers = [trigger for trigger, (source, _, _) in TABLES[model.workflow].items() if source == model.state]
            self.group(
                [(persons[whose % len(persons)], model, triggers[how % len(triggers)], "days3", "alice", False, False)]
            )

    def group(self, asked: list[tuple[str, Model, str, str, str, bool, bool]]) -> None:
        """Carry out steps in one transaction; each must come out as the model says, in order."""
        commands: list[tuple[str, FireTrigger, str]] = []
        expected: list[tuple[str, Model, str | None]] = []
        hazards = self.next_hazard()
        for person, model, trigger, limit, assignee, fails, stale in asked:
            data = self.form(model, trigger, limit, assignee, fails=fails)
            revision = max(model.revision - 1, 0) if stale else None
            self.keys += 1
            commands.append((person, FireTrigger(model.number, trigger, data, revision), f"k{self.keys}"))
            code = self.obstacle(model, person, trigger, data, stale=stale)
            if code is None:
                hazards = self.apply(model, person, trigger, data, hazards)
            expected.append((person, model, code))
        outcomes = self.school.handle(*[self.school.asked(self.actors[p], c, key) for p, c, key in commands])
        for (person, command, key), (_, model, code), outcome in zip(commands, expected, outcomes, strict=True):
            assert _code(outcome) == code, (person, command, outcome)
            if isinstance(outcome, Done):
                self.kept.append((person, command, key, outcome))
            assert model.number == command.case

    def form(self, model: Model, trigger: str, limit: str, assignee: str, *, fails: bool) -> dict[str, Any]:
        if model.workflow == "inspection":
            if trigger != "submit":
                return {"opinion": "同意"} if trigger == "sign" else {"reason": "补签"}
            assert model.department is not None
            items = sorted(item.code for sheet in checklist_for(model.department) for item in sheet.items)
            answers_ = {code: {"result": "pass"} for code in items}
            if fails:
                answers_[items[0]] = {"result": "fail", "note": "破损", "place": f"{model.number} 之一"}
            return {"answers": answers_, "summary": "已查", "photos": {items[0]: PHOTO} if fails else {}}
        data = dict(STEPS[trigger])
        if trigger == "assign":
            return {**data, "time_limit": limit, "assignee": assignee, "department": PEOPLE[assignee][0]}
        if trigger == "fix" and fails:
            data["photos_after"] = []
        if trigger == "ask_extension" and model.due is not None:
            data["new_date"] = (self.calendar.local_date(model.due) + timedelta(days=0 if fails else 6)).isoformat()
        return data

    def obstacle(self, model: Model, person: str, trigger: str, data: dict[str, Any], *, stale: bool) -> str | None:
        """The code of the refusal this has to meet, in the order they are looked for; None when it is carried out."""
        if not model.seen_by(person):
            return "unknown_case"
        if not model.may(person, trigger):
            return "not_allowed"
        if stale:
            return "stale_case"
        if TABLES[model.workflow][trigger][0] != model.state:
            return "not_possible_now"
        if trigger == "fix":
            return None if data["photos_after"] else "guard_refused"
        if trigger == "acknowledge":
            return "guard_refused" if model.acknowledged else None
        if trigger == "ask_extension":
            assert model.due is not None
            latest = self.calendar.local_date(model.opened_at) + timedelta(days=365)
            asked = date.fromisoformat(data["new_date"])
            in_time = self.calendar.local_date(model.due) < asked <= latest and self.calendar.is_workday(asked)
            return None if model.asked is None and self.now <= model.due and in_time else "guard_refused"
        if trigger == "grant_extension":
            return None if model.asked and model.asked > self.calendar.local_date(self.now) else "guard_refused"
        return None

    def apply(self, model: Model, person: str, trigger: str, data: dict[str, Any], hazards: int) -> int:
        """What the step makes of the model; gives the next free hazard number."""
        _, target, told = TABLES[model.workflow][trigger]
        moves = target != model.state
        rebounds: list[Model] = []
        model.state = target
        if moves:
            model.acknowledged, model.notified_at = False, self.now
        match trigger:
            case "assign":
                model.department, model.assignee = data["department"], data["assignee"]
                model.limit = LIMITS[data["time_limit"]]
                model.parties |= {person, data["assignee"]}
            case "fix":
                model.fixers.add(person)
            case "verify":
                model.verifiers.add(person)
                model.parties.add(person)
            case "approve":
                model.parties.add(person)
            case "return" | "send_back" if model.workflow == "hazard":
                model.limit, model.asked = LIMITS["days3"], None
                model.returned += 1
                told += model.returned >= 3
            case "ask_extension":
                model.asked = date.fromisoformat(data["new_date"])
                model.askers.add(person)
            case "grant_extension":
                model.limit, model.asked, model.extended = Budget(until=model.asked), None, True
            case "acknowledge":
                model.acknowledged = True
                model.cancel(self.now, "receipt", "receipt-1")
            case "submit":
                model.submitters.add(person)
                hazards = self.findings(model, person, data, hazards)
            case _:
                pass
        if model.state == "closed":
            model.closed_at = self.now
        if trigger == "assign" and model.category != data["category"]:
            model.category = data["category"]
            rebounds = self.rebounds(model)
        if moves or trigger == "grant_extension":
            model.start(self.calendar, self.now)
        model.happened(told + (1 if moves and model.open else 0))
        for other in rebounds:
            other.happened(0, news=False)
        return hazards

    def findings(self, model: Model, person: str, data: dict[str, Any], hazards: int) -> int:
        for item, answer in data["answers"].items():
            if answer["result"] == "fail" and not any(self.models[number].open for number in model.findings[item]):
                number = f"YH-{self.calendar.local_date(self.now).year}-{hazards:04}"
                model.findings[item].append(number)
                category = next(
                    i.category for s in checklist_for(str(model.department)) for i in s.items if i.code == item
                )
                child = self.opened(
                    number,
                    "hazard",
                    "reported",
                    person,
                    answer["place"],
                    department=model.department,
                    category=category,
                )
                for other in self.rebounds(child):
                    other.happened(0, news=False)
                hazards += 1
        return hazards

    def next_hazard(self) -> int:
        year = self.calendar.local_date(self.now).year
        return 1 + sum(number.startswith(f"YH-{year}") for number in self.models)

    # --- keys --------------------------------------------------------------------------------------------------------

    def carried_out(self, who: str, command: OpenCase) -> Done:
        self.keys += 1
        key = f"k{self.keys}"
        outcome = self.school.outcome(self.actors[who], command, key)
        assert isinstance(outcome, Done), outcome
        self.kept.append((who, command, key, outcome))
        return outcome

    @precondition(lambda self: self.kept)
    @rule(which=picks, other=people, differently=st.booleans())
    def ask_again(self, which: int, other: str, differently: bool) -> None:
        """The first answer, however the case has moved on; another request under the key is refused."""
        who, command, key, first = self.kept[which % len(self.kept)]
        if self.now >= first.event.recorded_at + answers.KEPT:
            return
        seen = isinstance(command, OpenCase) or self.models[first.case.number].seen_by(who)
        if differently:
            data = {**command.data, "nonsense": other}
            changed = (
                OpenCase("hazard", data)
                if isinstance(command, OpenCase)
                else FireTrigger(command.case, command.trigger, data)
            )
            outcome = self.school.outcome(self.actors[who], changed, key)
            assert _code(outcome) == (KeyReused.code if seen else "unknown_case")
            return
        outcome = self.school.outcome(self.actors[who], command, key)
        if not seen:
            assert _code(outcome) == "unknown_case"
            return
        assert isinstance(outcome, Done)
        assert outcome.replayed
        assert (outcome.case, outcome.event) == (first.case, first.event)

    # --- time --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.now < LAST_DAY)
    @rule(hours=st.sampled_from([1, 5, 16, 24, 30, 72, 24 * 8, 24 * 25]), ticks=st.booleans())
    def pass_time(self, hours: int, ticks: bool) -> None:
        self.school.later(hours=hours)
        if ticks:
            self.tick()

    @rule()
    def tick(self) -> None:
        opened = self.expect_periods()
        reminded = sum(model.remind(self.calendar, self.now) for model in list(self.models.values()) if model.open)
        ticked = self.school.tick()
        assert (ticked.opened, ticked.reminded, ticked.failed) == (opened, reminded, [])
        for model in self.models.values():
            if model.open:
                assert any(at > self.now for at in model.waiting.values()), f"{model.number} would be silent for good"
        again = self.school.tick()
        assert (again.opened, again.reminded) == (0, 0)

    def expect_periods(self) -> int:
        today = self.calendar.local_date(self.now)
        opened = 0
        for scope, first, last in (("HQC", date(2019, 12, 1), today), ("JWC", date(2020, 1, 1), date(2020, 3, 15))):
            months = [date(year, month, 1) for year in (2019, 2020) for month in range(1, 13)]
            for month in months:
                if not first <= month <= min(today, last) or (scope, f"{month:%Y-%m}") in self.periods:
                    continue
                due = end_of_month_check(self.calendar, self.calendar.start_of(month))
                number = f"JC-{today.year}-{1 + sum(n.startswith(f'JC-{today.year}') for n in self.models):04}"
                self.opened(
                    number, "inspection", "due", "system", scope, department=scope,
                    period=(self.calendar.start_of(month), due), period_due=due,
                )  # fmt: skip
                self.periods[scope, f"{month:%Y-%m}"] = number
                opened += 1
        return opened

    @rule(ahead=st.integers(-5, 9), recomputes=st.booleans())
    def holiday_notice(self, ahead: int, recomputes: bool) -> None:
        """One more day off; no deadline moves by itself."""
        day = self.calendar.local_date(self.now) + timedelta(days=ahead)
        self.calendar = self.school.revise(day)
        self.calendars[self.calendar.version] = self.calendar
        self.memory_and_model_agree()
        if recomputes and self.models:
            self.recomputed(sorted(self.models))

    @precondition(lambda self: self.models)
    @rule(which=picks)
    def recompute(self, which: int) -> None:
        numbers = sorted(self.models)
        self.recomputed(numbers[which % len(numbers) :])

    def recomputed(self, numbers: list[str]) -> None:
        for number in numbers:
            moved = self.models[number].recompute(self.calendars, self.now)
            outcome = self.school.outcome(system(HERE), Recompute(number))
            assert isinstance(outcome, Done if moved else Idle), (number, outcome)

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def memory_and_model_agree(self) -> None:
        with self.school.engine.database.read_across() as connection:
            rows = connection.execute(select(table_of(CaseRow).c.body)).scalars().all()
            timers = connection.execute(select(table_of(TimerRow))).all()
            outbox = connection.execute(select(table_of(OutboxRow).c.number, table_of(OutboxRow).c.sequence)).all()
            periods = connection.execute(select(table_of(PeriodRow))).all()
        cases = {case.number: case for case in map(Case.from_json, rows)}
        assert cases.keys() == self.models.keys()
        for number, model in self.models.items():
            case = cases[number]
            assert (case.state, case.revision, case.sequence) == (model.state, model.revision, len(model.notices)), (
                number
            )
            assert (case.generation, case.due_at, case.first_due_at) == (
                model.generation, model.due, model.first_due,
            ), number  # fmt: skip
        waiting = {(row.number, row.generation, row.rung): row.fire_at for row in timers if row.status == "waiting"}
        assert waiting == {
            (m.number, m.generation, rung): at for m in self.models.values() for rung, at in m.waiting.items()
        }
        settled = {(row.number, row.generation, row.rung): row.status for row in timers if row.status != "waiting"}
        assert settled == {(m.number, *key): status for m in self.models.values() for key, status in m.settled.items()}
        told = Counter((row.number, row.sequence) for row in outbox)
        assert told == Counter({
            (m.number, sequence): count for m in self.models.values() for sequence, count in enumerate(m.notices, 1) if count
        })  # fmt: skip
        assert {(row.scope, row.key): row.number for row in periods} == self.periods
        assert {row.number: row.due_at for row in periods} == {
            number: self.models[number].period_due for number in self.periods.values()
        }
        waived = {row.number for row in periods if row.status == "waived"}
        assert waived == {number for number in self.periods.values() if self.models[number].state == "waived"} - {
            number for number in self.periods.values() if self.models[number].submitters
        }
        handed_in = {row.number for row in periods if row.status in {"reported", "late"}}
        assert handed_in == {number for number in self.periods.values() if self.models[number].submitters}

    def teardown(self) -> None:
        try:
            for number in self.models:
                self.history_holds(number)
        finally:
            next(self._school, None)
            self._folder.cleanup()

    def history_holds(self, number: str) -> None:
        """Fold, chain and commitments; each rung of each generation once; nobody signed for his own work."""
        events = self.school.assert_history_holds(number)
        generation, told = 0, Counter[tuple[int, str]]()
        own: set[str] = set()
        verified: set[str] = set()
        for event in events:
            if event.type == "reminded":
                told.update((generation, rung) for rung in (event.data["rung"], *event.data["skipped"]))
            generation = event.changes.get("generation", generation)
            own |= {f"person:{event.data['assignee']}"} if event.trigger == "assign" else set()
            own |= {event.actor} if event.trigger in {"fix", "submit"} else set()
            if event.trigger in {"verify", "approve", "sign"}:
                assert event.actor not in own, f"{event.actor} signed for his own work on {number}"
            if event.trigger == "approve":
                assert event.actor not in verified
            verified |= {event.actor} if event.trigger == "verify" else set()
        assert not [rung for rung, times in told.items() if times > 1]


def _code(outcome: Outcome) -> str | None:
    if isinstance(outcome, Refused):
        return outcome.refusal.code
    assert isinstance(outcome, Done), outcome
    return None


def _entered(folder: Path, kind: Kind) -> Iterator[School]:
    with a_school(folder, kind, START) as school:
        yield school


class PromisesOnPostgreSQL(Promises):
    kind = "postgresql"


Promises.TestCase.settings = settings(
    max_examples=400 if LONG else 36,
    stateful_step_count=80 if LONG else 40,
    # shrinking outlasts the timeout of a test; the long run does it
    phases=tuple(Phase) if LONG else (Phase.explicit, Phase.reuse, Phase.generate),
    derandomize=not LONG and "CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
PromisesOnPostgreSQL.TestCase.settings = settings(Promises.TestCase.settings, max_examples=400 if LONG else 10)


TestPromises = pytest.mark.slow(Promises.TestCase)
TestPromisesOnPostgreSQL = pytest.mark.slow(PromisesOnPostgreSQL.TestCase)
