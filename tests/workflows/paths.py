"""Paths through a loop, generated from its definition alone: cases that are opened, stepped on and waited for.

Nothing is written down and nothing is asked but `engine.authority` and `engine.machine`, in the order in which `engine.handle`
asks them. A search that takes what is new first ends when each step has been taken from each state it is drawn in, and each
condition has said no; what it did not get to is what its test shows.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from heapq import heappop, heappush
from itertools import count
from types import CodeType, FunctionType
from typing import Any, get_args

from pydantic import StringConstraints

from api.figures import NAMED
from engine.actor import WHOLE_ORGANISATION, Actor, Grant, anonymous, system
from engine.authority import Permit, allow_opening, judge, may_open_any
from engine.case import OTHER_END, Case
from engine.commands import FireTrigger, OpenCase
from engine.cycles import periods_between
from engine.decision import Decision, PeriodOwed, Setting
from engine.definition import CaseRef, Form, Transition, Workflow, guards_of
from engine.errors import GuardRefused, InvalidInput, NotAllowed, Refusal
from engine.guards import Guard, Situation
from engine.machine import asked_for, blank_case, decide, decide_opening, read_form
from tests.workflows.filling import World, filled
from tests.workflows.school import CALENDAR_V1, local
from workflows import CATALOG, spot_check, stage_summary
from workflows.wording import ERROR_WORDS

SCHOOL = "school"
OURS, THEIRS = "HQC", "XB1"  # the department that answers, and another
START = local("2020-01-06 09:00")  # a Monday
LATER = timedelta(days=40)  # after a deadline, and into the next period of every cycle
MOST_PLACES = 1_500  # looked at before the search gives up
OFTEN = 4  # a step was tried with every answer; from then on with those that told something new
SEED = "5eed" * 16


# --- who there is ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Cast:
    """Everybody a loop speaks of, for each of its roles two of the department that answers and two of another, one of whom holds it
    everywhere and the other acts in somebody's name as well; and one who has no business here.
    """

    people: tuple[Actor, ...]
    outsider: Actor

    @cached_property
    def departments(self) -> dict[str, str | None]:
        return {str(actor.person): actor.department for actor in self.people if actor.on_behalf_of is None}

    def holding_everything(self, person: str) -> Actor:
        """This person with every role there is: whatever keeps him from a step, it is none that he lacks."""
        home = self.departments.get(person, OURS)
        return Actor(SCHOOL, "person", person=person, department=home, grants=self._every_grant)

    @cached_property
    def _every_grant(self) -> frozenset[Grant]:
        return frozenset(grant for actor in self.people for grant in actor.grants)


def cast_of(workflow: Workflow) -> Cast:
    people: list[Actor] = []
    for role in _most_spoken_of_first(workflow):
        here, everywhere, there = Grant(role, OURS), Grant(role, WHOLE_ORGANISATION), Grant(role, THEIRS)
        for who, department, grants in (
            (f"{role}.1", OURS, {here, everywhere}), (f"{role}.2", OURS, {here, everywhere}),
            (f"{role}.3", THEIRS, {there}), (f"{role}.4", THEIRS, {everywhere}),
        ):  # fmt: skip
            people.append(Actor(SCHOOL, "person", person=who, department=department, grants=frozenset(grants)))
        stand_in = replace(people[-3], person=f"{role}.3", on_behalf_of=f"{role}.2", own_department=THEIRS)
        people.append(stand_in)
    return Cast(tuple(people), Actor(SCHOOL, "person", person="outsider", home="elsewhere"))


def _most_spoken_of_first(workflow: Workflow) -> list[str]:
    """Roles, those first that open cases and take most of the steps: whoever reports as a rule can go on with it."""
    named = [name for step in workflow.transitions for name in step.by]
    named += [role for step in workflow.transitions for guard in guards_of(step.guards) for role in guard.roles]
    named += [name for row in (workflow.sign_off.rows if workflow.sign_off else {}).values() for name in row.by]
    opening = [name for name in workflow.opens_by if name in workflow.roles]
    return sorted(workflow.roles, key=lambda role: (role not in opening and bool(opening), -named.count(role)))


# --- where a path has come to ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Place:
    """A case on its way: how it stands at an instant, the cases that came out of it, and how it came here.

    changes   what the events so far have recorded, oldest first
    came_by   what was done last: `open`, a trigger, or a wait
    before    where that was done; None of an opening
    """

    workflow: Workflow
    case: Case
    now: datetime
    changes: tuple[Mapping[str, Any], ...]
    came_by: str
    before: "Place | None" = None
    family: Mapping[str, Case] = field(default_factory=dict)
    waits: int = 0

    @property
    def path(self) -> tuple["Place", ...]:
        before = self.before.path if self.before is not None else ()
        return (*before, self)

    def __str__(self) -> str:
        return " → ".join(f"{place.came_by} [{place.case.state}]" for place in self.path)


@dataclass
class Explored:
    """What the search has found of a loop.

    taken     (trigger, the state it was taken in) → how it was taken first
    refused   (trigger, guard) → the first of its refusals; `open` for the opening
    places    every place it looked at, each unlike the others
    first_in  state → the first place in it
    """

    workflow: Workflow
    cast: Cast
    taken: dict[tuple[str, str], "Step"] = field(default_factory=dict)
    refused: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    first_in: dict[str, Place] = field(default_factory=dict)

    @property
    def on_the_way(self) -> list[Place]:
        """Every place on the way to the first of each step, and these."""
        found = {place: None for step in self.taken.values() for place in step.after.path}
        return list(found or dict.fromkeys(self.places))


# --- the way of a step -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asking:
    """One who asks at a place, and what there is around him."""

    place: Place
    cast: Cast
    others: Mapping[str, Case]
    figures: Mapping[str, Any] | None = None

    def setting(self, actor: Actor, permit: Permit = Permit()) -> Setting:  # noqa: B008  # frozen
        workflow = self.place.workflow
        return Setting(
            actor=actor,
            policy=workflow.defaults(),
            calendar=CALENDAR_V1,
            permit=permit,
            related={**self.others, **self.place.family},
            people=self.cast.departments,
            addressed=tuple(self.cast.departments)[:2],
            figures=self.figures,
        )

    def step(self, actor: Actor, trigger: str, answers: Mapping[str, Any]) -> Decision:
        """What a step comes to. Raises its refusal: may he, is it still so, what he wrote, does it hold."""
        workflow, case = self.place.workflow, self.place.case
        asked = asked_for(workflow, case, trigger)
        drawn = workflow.transition(trigger, case.state) or workflow.triggers[trigger][0]
        permit = judge(workflow, drawn, case, actor, workflow.defaults(), asked)
        data: dict[str, Any] = {}
        if case.state in drawn.sources:
            data = read_form(workflow.form_of(trigger), answers, asked, ERROR_WORDS)
            if drawn.draws is not None:
                data[drawn.draws] = SEED
        command = FireTrigger(case.number, trigger, data)
        return decide(workflow, case, command, data, self.place.now, self.setting(actor, permit))

    def refused(self, actor: Actor, trigger: str, answers: Mapping[str, Any]) -> Refusal | None:
        try:
            self.step(actor, trigger, answers)
        except Refusal as refusal:
            return refusal
        return None


@dataclass(frozen=True, eq=False)
class Step:
    """A step as it was taken."""

    asking: Asking
    actor: Actor
    answers: Mapping[str, Any]
    decision: Decision
    after: Place


@cache
def _allowed(workflow: Workflow) -> Mapping[str, Any]:
    """As a school may set it: whatever has to be allowed is."""
    return {name: True if value is False else value for name, value in workflow.defaults().items()}


def taken(place: Place, decision: Decision, actor: Actor, cast: Cast, others: Mapping[str, Case]) -> Place:
    """Where a step leads: what `handle` does besides writing it down. What comes out of it is opened, numbers are drawn."""
    case, family = decision.case, dict(place.family)
    for series in decision.series:
        if not (series.once and series.fact in case.facts):
            case = case.with_facts({series.fact: f"{series.prefix}-2020-0007"})
    for opening in decision.opens:
        child = _child(replace(opening, parent=case.number), len(family), actor, cast, others, place.now)
        family[child.number] = child
        case = case.linked("child", child.number)
    for link in decision.links:
        case = case.linked(link.kind, link.number)
    case = case.changed(
        sequence=place.case.sequence + 1,
        revision=place.case.revision + decision.new_revision,
        last_recorded_at=place.now,
    )
    changes = (*place.changes, case.changes_since(place.case))
    return replace(place, case=case, changes=changes, came_by=decision.trigger, before=place, family=family)


def _child(opening: OpenCase, number: int, actor: Actor, cast: Cast, others: Mapping[str, Case], now: datetime) -> Case:
    """A case that comes out of another. Raises the refusal where the one that opens it says what its form does not take."""
    workflow = CATALOG.get(opening.workflow)
    assert workflow is not None, opening.workflow
    data = read_form(workflow.opens_with, opening.data, workflow.title, ERROR_WORDS)
    setting = Setting(actor, workflow.defaults(), CALENDAR_V1, related=others, people=cast.departments)
    named = f"{workflow.prefix}-2020-{number + 1:04}"
    return decide_opening(workflow, named, opening, data, now, setting).case


# --- the search ------------------------------------------------------------------------------------------------------


@cache
def explored(workflow: Workflow) -> Explored:
    """Every step of a loop from every state it is drawn in, as far as generated paths get."""
    return _Search(workflow).explored


class _Search:
    """The search through one loop.

    words     every text in its conditions: the names of the facts, counters and bonds they could look at
    drawn     state → its steps
    asked_with   trigger → the same of those conditions alone that read its form
    others    by number: cases that forms can refer to, of this loop and, where it refers to any, hazards
    own       those of this loop
    seen      what the places met so far are like; met counts them, roughly
    waiting   places still to be looked at, those first that stand where few have stood
    telling   which of the answers to a step's form ever told something new, once `tries` is above OFTEN
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.cast = cast_of(workflow)
        self.explored = Explored(workflow, self.cast)
        self.words = frozenset(word for guard in _guards(workflow) for word in _words_in(guard.condition))
        self.drawn = {
            state.name: [step for step in workflow.transitions if state.name in step.sources] for state in workflow.states
        }  # fmt: skip
        self.read = {guard.name: frozenset(_words_in(guard.condition)) for guard in _guards(workflow)}
        self.asked_with = {
            step.trigger: frozenset(
                word for guard in guards_of(step.guards) if guard.reads_form for word in _words_in(guard.condition)
            )
            for step in workflow.transitions
        }
        self.others = {**dict(self._hazards()), **dict(self._meetings())}
        self.own: dict[str, Place] = {}
        self.fixed: defaultdict[str, dict[str, tuple[Case, Case]]] = defaultdict(dict)
        self.takers = {f"{role}.1" for step in workflow.transitions if step.takes_over for role in step.by}
        self.to_take = {(step.trigger, source) for step in workflow.transitions for source in step.sources}
        self.to_refuse = conditions(workflow)
        self.seen: set[Any] = set()
        self.met: Counter[Any] = Counter()
        self.number = count()
        self.waiting: list[tuple[int, int, int, Place]] = []
        self.named: dict[str | None, tuple[str, ...]] = {}
        self.ways: dict[Any, list[Any]] = {}
        self.worlds: dict[int, tuple[type[Form], World]] = {}
        self.tries: Counter[Any] = Counter()
        self.telling: defaultdict[Any, set[int]] = defaultdict(lambda: {0})
        self._run()

    def _run(self) -> None:
        self._open()
        while self.waiting and self._is_something_left() and len(self.explored.places) < MOST_PLACES:
            *_, place = heappop(self.waiting)
            self.explored.places.append(place)
            for step in self.workflow.transitions:
                if place.case.state in step.sources:
                    self._try(place, step)
            self._wait(place)
            if not self.waiting:
                self._open()  # what corrects or follows another can be opened once there is another

    def _is_something_left(self) -> bool:
        return not (self.explored.taken.keys() >= self.to_take and self.explored.refused.keys() >= self.to_refuse)

    def _hazards(self) -> Iterable[tuple[str, Case]]:
        """One in each state a hazard can be in: what other loops refer to."""
        hazard = CATALOG.get("hazard")
        if hazard is None or self.workflow.key == hazard.key or not _refers_to_cases(self.workflow):
            return
        there = explored(hazard)
        for n, state in enumerate(hazard.states):
            if (place := there.first_in.get(state.name)) is not None:
                number = f"{hazard.prefix}-2020-{n + 101:04}"
                yield number, replace(place.case, number=number)

    def _meetings(self) -> Iterable[tuple[str, Case]]:
        """One long ago and one still to come: what a loop refers to whose conditions speak of them."""
        notice = CATALOG.get("notice")
        if notice is None or self.workflow.key == notice.key or "school_meeting" not in self.words:
            return
        held = next(place.case for place in explored(notice).first_in.values() if not place.case.final)
        for n, days in enumerate((-100, 200)):
            number = f"{notice.prefix}-2020-{n + 401:04}"
            day = CALENDAR_V1.local_date(START) + timedelta(days=days)
            yield (
                number,
                replace(held, number=number).with_facts({"kind": "school_meeting", "dated_on": day.isoformat()}),
            )

    # --- opening ---

    def _open(self) -> None:
        """By whoever may first, by whoever may last, by the engine and by a stranger, as far as each may."""
        parents = (None, "XX-2020-0001") if "parent" in self.words else (None,)
        for who, owed in self._openers():
            ways = self._ways(self.workflow.opens_with, who, owed, None)
            good = False
            for data in ways:
                for parent in parents:
                    if self._opened(who, data, owed, parent):
                        if data is not ways[0] and not good:
                            self._vary(ways, data)
                        good = True
            for data in ways if who.kind == "anonymous" else ():  # whom a school lets in only where it chose to
                self._opened(who, data, owed, None, _allowed(self.workflow))

    def _openers(self) -> Iterator[tuple[Actor, PeriodOwed | None]]:
        asked = self.workflow.title
        able = []
        for actor in self.cast.people:
            try:
                may_open_any(self.workflow, actor, asked)
            except NotAllowed:
                continue
            able.append(actor)
        for actor in dict.fromkeys((*able[:1], *able[-2:-1])):
            yield actor, None
        for actor in (system(SCHOOL), anonymous(SCHOOL, "东门")):
            try:
                may_open_any(self.workflow, actor, asked)
            except NotAllowed:
                continue
            yield actor, self._owed() if actor.kind == "system" else None

    def _owed(self) -> PeriodOwed | None:
        for rule in self.workflow.cycles:
            day = CALENDAR_V1.local_date(START)
            period = periods_between(rule.cycle, CALENDAR_V1, day - timedelta(days=60), day)[-1]
            return PeriodOwed(f"{rule.cycle.key}/{OURS}/{period.key}", period.opens_at, period.due_at)
        return None

    def _opened(
        self, who: Actor, data: Mapping[str, Any], owed: PeriodOwed | None, parent: str | None,
        policy: Mapping[str, Any] | None = None,
    ) -> bool:  # fmt: skip
        """Whether it was."""
        number = f"{self.workflow.prefix}-2020-0001"
        command = OpenCase(self.workflow.key, data, parent=parent)
        setting = Asking(self._nowhere, self.cast, self._around(self._nowhere)).setting(who)
        setting = replace(setting, period=owed, policy=policy or setting.policy)
        try:
            if who.kind == "person":
                allow_opening(self.workflow, who, blank_case(self.workflow, who, data, START), self.workflow.title)
            decision = decide_opening(self.workflow, number, command, data, START, setting)
        except GuardRefused as refusal:
            self.explored.refused.setdefault(("open", refusal.guard), refusal)
            return False
        except NotAllowed:
            return False
        place = Place(self.workflow, decision.case, START, (), "open")
        case = decision.case.changed(sequence=1, revision=1, last_recorded_at=START)
        for link in decision.links:
            case = case.linked(link.kind, link.number)
        family: dict[str, Case] = {}
        for opening in decision.opens:
            child = _child(replace(opening, parent=number), len(family), who, self.cast, self.others, START)
            family[child.number] = child
            case = case.linked("child", child.number)
        self._meet(replace(place, case=case, changes=(case.changes_since(None),), family=family))
        self._bind(decision)
        return True

    @cached_property
    def _nowhere(self) -> Place:
        blank = blank_case(self.workflow, system(SCHOOL), {}, START)
        return Place(self.workflow, blank, START, (), "nothing")

    # --- stepping ---

    def _try(self, place: Place, step: Transition) -> None:
        """By the first who may, in every way; by those who differ in where they belong or act in another's name, until it is taken."""
        done: set[Any] = set()
        failed: Counter[Any] = Counter()
        for actor in self.cast.people:
            sort = actor.department, actor.on_behalf_of is None
            if sort in done or failed[sort] > 1:
                continue
            try:
                permit = judge(self.workflow, step, place.case, actor, self.workflow.defaults(), self.workflow.title)
            except NotAllowed:
                continue
            if self._took(place, step, actor, permit, in_all_ways=not done):
                done.add(sort)
            else:
                failed[sort] += 1

    def _took(self, place: Place, step: Transition, actor: Actor, permit: Permit, *, in_all_ways: bool) -> bool:
        succeeded = usual_is_good = False
        form = self.workflow.form_of(step.trigger)
        for figures in _figures(step, [number for number in self.others if number.startswith("YH-")]):
            asking = Asking(place, self.cast, self._around(place), figures)
            setting = asking.setting(actor, permit)
            blocked = self._stands_in_the_way(step, _situation(place, setting)) is not None
            ways = self._ways(form, actor, None, place)
            looked_at = frozenset(self.asked_with[step.trigger].intersection(place.case.facts))
            here = step.trigger, place.case.state, len(ways), looked_at
            self.tries[here] += not blocked
            for n, answers in enumerate(ways):
                if n > 0 and (blocked or (self.tries[here] > OFTEN and n not in self.telling[here])):
                    continue
                data = {**answers, step.draws: SEED} if step.draws is not None else answers
                if step.draws is not None and answers[step.draws] is not None:
                    continue
                command = FireTrigger(place.case.number, step.trigger, data)
                try:
                    decision = decide(self.workflow, place.case, command, data, place.now, setting)
                except GuardRefused as refusal:
                    if (step.trigger, refusal.guard) not in self.explored.refused:
                        self.explored.refused[step.trigger, refusal.guard] = refusal
                        self.telling[here].add(n)
                    continue
                except InvalidInput:  # who is not waited for cannot be excused
                    continue
                succeeded = True
                if n > 0 and not usual_is_good:
                    self._vary(ways, answers)
                usual_is_good = True
                after = taken(place, decision, actor, self.cast, self.others)
                if permit.completes:
                    self.explored.taken.setdefault(
                        (step.trigger, place.case.state), Step(asking, actor, answers, decision, after)
                    )
                if self._meet(after):
                    self.telling[here].add(n)
                self._bind(decision)
                if not in_all_ways:
                    return True
        return succeeded

    def _bind(self, decision: Decision) -> None:
        """The other end of a bond that was tied, where that is a case of this loop."""
        for link in decision.links:
            other = self.own.get(link.number)
            if other is not None:
                kind = OTHER_END[link.kind]
                case = other.case.linked(kind, f"{self.workflow.prefix}-2020-0301")
                case = case.changed(sequence=case.sequence + 1)
                changes = (*other.changes, case.changes_since(other.case))
                self._meet(replace(other, case=case, changes=changes, came_by=kind, before=other))

    def _around(self, place: Place) -> Mapping[str, Case]:
        others: Mapping[str, Case] = self.others
        if (
            place.waits and place.case.assignee is not None
        ):  # while it waited, whoever has it did something about the others, too
            others = self._fixed_by(place.case.assignee)
        return {**others, place.case.number: place.case}

    def _fixed_by(self, person: str) -> Mapping[str, Case]:
        """The other cases, had this person put them right; of each that is the same as long as there is no other."""
        known = self.fixed[person]
        for number, case in self.others.items():
            if number not in known or known[number][0] is not case:
                known[number] = case, case.with_acted("fixer", person)
        return {number: known[number][1] for number in self.others}

    def _ways(self, form: type[Form], actor: Actor, owed: PeriodOwed | None, place: Place | None) -> list[Any]:
        case = place.case if place is not None else None
        now = place.now if place is not None else START
        people = self._named_by(actor)
        around = tuple(self._around(place)) if place is not None else tuple(self._around(self._nowhere))
        asked_of = (
            None if case is None
            else (case.category, case.department, case.due_at, case.unconfirmed, repr([case.facts.get(name) for name in ("checklists", "items", "questions")]))
        )  # fmt: skip
        known = (form, people, now, asked_of, around)
        if known not in self.ways:
            world = World(
                CALENDAR_V1.local_date(now), CALENDAR_V1, people, (OURS, THEIRS), around or ("XX-2020-0000",), case
            )
            ways = list(filled(form, world))
            if owed is not None and place is None:
                rule = self.workflow.cycles[0]
                scope, key = owed.name.split("/")[1:]
                ways.insert(0, read_form(form, rule.data(scope, key), self.workflow.title, ERROR_WORDS))
            self.ways[known] = ways
            self.worlds[id(ways)] = form, world
        return self.ways[known]

    def _vary(self, ways: list[Any], good: Mapping[str, Any]) -> None:
        """Answers that were good though the usual ones are not become the usual ones: they are tried with one other answer."""
        if id(ways) in self.worlds:
            form, world = self.worlds.pop(id(ways))
            ways += filled(form, world, good)

    def _named_by(self, actor: Actor) -> tuple[str, ...]:
        """Whom he names as a rule; somebody of another department; himself; and who could take it over."""
        if actor.person not in self.named:
            [first, second, third, *_] = self.cast.departments
            himself = str(actor.person or first)
            self.named[actor.person] = tuple(dict.fromkeys((second, third, himself, *sorted(self.takers))))
        return self.named[actor.person]

    # --- waiting ---

    def _wait(self, place: Place) -> None:
        """Until the deadline is over, and until what came out of it is closed."""
        if place.case.final:
            return
        if place.waits < 2:  # once for what runs now, once for what was granted meanwhile
            later = max(place.now, place.case.due_at or place.now) + LATER
            self._meet(replace(place, now=later, came_by="wait", before=place, waits=place.waits + 1), cost=1)
        if any(not child.final for child in place.family.values()):
            family = {number: _ended(child) for number, child in place.family.items()}
            self._meet(replace(place, family=family, came_by="wait for its cases", before=place), cost=1)

    # --- what is new ---

    def _meet(self, place: Place, cost: int = 0) -> bool:
        """Whether it is new."""
        like = self._likeness(place)
        if like in self.seen:
            return False
        self.seen.add(like)
        if place.case.state not in self.explored.first_in:
            self._keep(place)
        # first of all those that stand where few have stood: in a state, with these steps barred by these conditions, and with
        # what those go by that have not said no yet
        wanted = self.to_refuse - self.explored.refused.keys()
        told = (
            name
            for step in self.drawn[place.case.state]
            for guard in guards_of(step.guards)
            if guard.reads_form and (step.trigger, guard.name) in wanted
            for name in self.read[guard.name]
            if place.case.facts.get(name)
        )
        rough = (*like[:1], *like[2:4], like[6], like[10], frozenset(told))
        self.met[rough] += 1
        heappush(self.waiting, (self.met[rough] - 1, len(place.path) + cost, next(self.number), place))
        return True

    def _keep(self, place: Place) -> None:
        """The first in its state stands, under a number of its own, for another case that a form may refer to."""
        number = f"{self.workflow.prefix}-2020-{len(self.own) + 201:04}"
        self.explored.first_in[place.case.state] = self.own[number] = place
        self.others[number] = replace(place.case, number=number)

    def _likeness(self, place: Place) -> Any:
        """All that a condition or a rule of authority could tell two places apart by."""
        case = place.case
        situation = _situation(place, Asking(place, self.cast, self._around(place)).setting(self.cast.people[0]))
        return (
            case.state, case.mode, case.level, self.workflow.awaited(case), len(case.signed), len(case.unconfirmed),
            tuple(self._stands_in_the_way(step, situation) for step in self.drawn[case.state]),
            frozenset((name, _shape(value)) for name, value in case.facts.items() if value and name in self.words),
            frozenset(name for name in case.counters if name in self.words),
            frozenset(link.kind for link in case.links if link.kind in self.words),
            case.state == self.workflow.initial.name and (case.reporter, case.period),
            case.acknowledged_at is None, case.overdue(place.now), case.assignee if case.assignee in self.takers else None,
            all(child.final for child in place.family.values()),
        )  # fmt: skip

    @staticmethod
    def _stands_in_the_way(step: Transition, situation: Situation) -> str | None:
        """The first condition of a step that says no before its form is filled in; those behind it may rely on it."""
        asked = (guard for guard in guards_of(step.guards) if not guard.reads_form and not guard.of_people)
        return next((guard.name for guard in asked if not guard.holds(situation)), None)


def _shape(value: Any) -> Any:
    """What conditions go by in a fact: whether it is there, and of what was asked or counted what it was."""
    if isinstance(value, Mapping):
        return tuple((name, said) for name, said in value.items() if isinstance(said, bool) or name == "what")
    if isinstance(value, list):  # of questions: of what kind each is
        return tuple(each["kind"] for each in value if isinstance(each, Mapping) and "kind" in each)
    return None


def _situation(place: Place, setting: Setting) -> Situation:
    today = CALENDAR_V1.local_date(place.now)
    return Situation(place.case, setting.actor, {}, place.now, today, CALENDAR_V1, setting.policy, setting.related)


def _ended(child: Case) -> Case:
    """The same case as it stands when its own loop is over."""
    if child.final:
        return child
    workflow = CATALOG.of(child)
    ends = [place.case for place in explored(workflow).first_in.values() if place.case.final]
    closed = next((case for case in ends if case.state == "closed"), ends[0])
    return replace(closed, number=child.number, department=child.department, links=child.links)


AS_OF = "2020-01-05T15:59:59.999999Z"


def _summary_of(many: int) -> Mapping[str, Any]:
    numbers = {"found": {"count": many, "cases": {}, "title": {"zh": "发现隐患", "en": "Hazards found"}}}
    return {"name": stage_summary.FIGURES, "as_of": AS_OF, "zero": many == 0, "breaks": [], "numbers": numbers}


#: what could have been counted for a step whose figures are no filing's, from the numbers of the cases there are
COUNTED: Mapping[str, Callable[[list[str]], list[Mapping[str, Any]]]] = {
    stage_summary.FIGURES: lambda _: [_summary_of(0), _summary_of(1)],
    spot_check.POPULATION: lambda numbers: [
        spot_check.population_of({}, AS_OF, members)
        for members in (numbers[:2], [], [f"YH-2019-{n:04}" for n in range(spot_check.MOST_POPULATION + 1)])
    ],
}


def _figures(step: Transition, numbers: list[str]) -> list[Mapping[str, Any] | None]:
    """What could have been counted for a step: of a filing nothing at all, and one of each.

    numbers   of the cases there are
    """
    if step.figures is None:
        return [None]
    if step.figures in COUNTED:
        return [*COUNTED[step.figures](numbers)]
    if step.figures not in NAMED:
        raise LookupError(f"nothing is known of the figures {step.figures!r}: add a sample to COUNTED")
    return [
        {
            "name": step.figures, "as_of": AS_OF, "zero": many == 0,
            "numbers": {number.key: {"count": many, "cases": {}} for number in NAMED[step.figures].numbers},
        }
        for many in (0, 1)
    ]  # fmt: skip


# --- what a definition says ------------------------------------------------------------------------------------------


def conditions(workflow: Workflow) -> set[tuple[str, str]]:
    """(trigger, guard) of every condition of every step, and of the opening."""
    found = {("open", guard.name) for guard in guards_of(workflow.opening_guards)}
    found |= {(step.trigger, guard.name) for step in workflow.transitions for guard in guards_of(step.guards)}
    return found | {(step.trigger, "not_confirmed_yet") for step in workflow.transitions if step.confirms}


def _guards(workflow: Workflow) -> list[Guard]:
    asked = [*workflow.opening_guards, *(guard for step in workflow.transitions for guard in step.guards)]
    return list(dict.fromkeys(guards_of(tuple(asked))))


def _refers_to_cases(workflow: Workflow) -> bool:
    [pattern] = (item.pattern for item in get_args(CaseRef) if isinstance(item, StringConstraints))
    forms = (workflow.opens_with, *(workflow.form_of(trigger) for trigger in workflow.triggers))
    drawn = any(step.figures == spot_check.POPULATION for step in workflow.transitions)
    return drawn or any(repr(pattern) in str(form.model_json_schema()) for form in forms)


def _words_in(function: Callable[..., Any]) -> Iterator[str]:
    """Every text that stands in a function, or in one of ours that it calls: the names of facts it could look at."""
    done: set[Any] = set()
    left: list[Any] = [function]
    while left:
        one = left.pop()
        if isinstance(one, Guard):
            one = one.condition
        if not isinstance(one, FunctionType) or one in done:
            continue
        done.add(one)
        yield from _texts_of(one.__code__)
        left += [one.__globals__.get(name) for name in one.__code__.co_names]


def _texts_of(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple | frozenset):
            yield from (each for each in constant if isinstance(each, str))
        elif isinstance(constant, CodeType):
            yield from _texts_of(constant)
