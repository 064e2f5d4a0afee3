"""The slow and obvious way to see whether every loop can close: play everything, with everybody, one by one.

It knows nothing of `engine.proof` and shares no line with it. Steps are judged by the real `engine.authority` and made by
the real `engine.machine`; only conditions on facts are left out, and clocks. It takes the assumptions of
`engine.proof.play` at their word:

1. whoever there is or is away opens a case where he may, and takes any step he may, in any way; whoever reported it may
   have left since, and so may who was put in charge: such a one takes the steps of his relation to the case, and to
   conditions on people he may have been anybody
2. one person is put in charge, however often; the case stays with its department, and one without a department is
   followed only until it gets one
3. then those present, and delegates in the name of those away, must find a way to the loop's own end: where facts decide
   between several outcomes, from each of them; whom they put in charge is there, or somebody there stands in for him

Nobody stands in for anybody: only what no rule reads is left out of a position.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from engine.actor import Actor, Grant, anonymous, system
from engine.authority import Permit, allow_opening, judge
from engine.calendar import Calendar
from engine.case import Case
from engine.commands import FireTrigger
from engine.decision import Setting
from engine.definition import RELATIONS, Reference, Transition, Workflow, form_of, guards_of
from engine.directory import Directory
from engine.errors import GuardRefused, NotAllowed, Text
from engine.machine import blank_case, decide

REPORTED_AND_LEFT, IN_CHARGE_AND_LEFT = "~reported", "~in charge"  # no keys of people
NOW = datetime(2020, 3, 2, tzinfo=UTC)
ASKED = Text("", "")
CALENDAR = Calendar(1, "UTC", frozenset(), frozenset(), date(2020, 1, 1), date(2020, 12, 31))


class TooLarge(Exception):
    """More positions than were asked for: nothing is said of such a school."""


class Position(NamedTuple):
    """A case, as far as any rule can tell it from another."""

    state: str
    level: str
    department: str | None
    reporter: str | None
    assignee: str | None
    facts: frozenset[str]
    counters: frozenset[str]
    signed: tuple[tuple[str, tuple[str, ...]], ...]
    acted: tuple[tuple[str, tuple[str, ...]], ...]


class Brute:
    """One loop with the people of one day. Raises TooLarge beyond `most` positions."""

    def __init__(
        self, workflow: Workflow, policy: Mapping[str, Any], directory: Directory, day: date, most: int = 20_000
    ) -> None:
        self.workflow = _opened_to_facts(workflow)
        self.policy = policy
        self.most = most
        self.departments = tuple(department.code for department in directory.departments)
        absent = {absence.person for absence in directory.absences if absence.covers(day)}
        acting = {key: list(directory.actors(key, day)) for key in directory.people}
        itself = [system(directory.organisation)] if any("system" in t.by for t in workflow.transitions) else []
        self.present = [a for key, actors in acting.items() if key not in absent for a in actors] + itself
        self.away = [a for key, actors in acting.items() if key in absent for a in actors[:1]]
        self.organisation = directory.organisation
        self.nameable = {
            key: person.department
            for key, person in directory.people.items()
            if person.active and person.organisation == directory.organisation
        }
        anybody = frozenset(Grant(role) for role in workflow.roles)
        self.left: dict[tuple[str, str | None], tuple[Actor, Actor]] = {}
        for who in (REPORTED_AND_LEFT, IN_CHARGE_AND_LEFT):
            for department in (None, *self.departments):
                actor = Actor(self.organisation, "person", person=who, department=department)
                self.left[who, department] = (actor, replace(actor, grants=anybody))
        self.read = _relations_read(workflow)
        self._made: dict[Any, tuple[Position, ...]] = {}
        self._permits: dict[Any, Permit | None] = {}
        self._choices: dict[Position, list[tuple[Position, ...]]] = {}
        self._good: set[Position] = set()
        own = [s.name for s in workflow.states if s.final and s.counts_as is None]
        self.ends = frozenset(own or [s.name for s in workflow.states if s.final])

    def stuck(self, department: str | None) -> set[Position]:
        """What cases of this department can come to, and never end from."""
        reached = self.reached(department)
        self.explore(reached)
        return {position for position in reached if not self.closes(position)}

    # --- what may have been done ---

    def reached(self, department: str | None) -> set[Position]:
        seen: set[tuple[Position, str | None]] = set()
        queue: deque[tuple[Position, str | None]] = deque((one, None) for one in self.opened(department))
        while queue:
            here = queue.popleft()
            if here not in seen:
                seen.add(here)
                self._bound(len(seen))
                queue.extend(self._anything_done(*here))
        return {position for position, _ in seen}

    def opened(self, department: str | None) -> set[Position]:
        found: set[Position] = set()
        for actor in [*self.present, *self.away, system(self.organisation), anonymous(self.organisation, "the gate")]:
            case = blank_case(self.workflow, actor, {"department": department}, NOW)
            try:
                allow_opening(self.workflow, actor, case, ASKED)
            except NotAllowed:
                continue
            found.add(self.position(case))
            if actor.kind == "person":
                gone = Actor(self.organisation, "person", person=REPORTED_AND_LEFT)
                found.add(self.position(blank_case(self.workflow, gone, {"department": department}, NOW)))
        return found

    def _anything_done(self, here: Position, charged: str | None) -> Iterator[tuple[Position, str | None]]:
        for transition in self._steps(here):
            names = _names_persons(transition)
            if names and _names_department(transition) and here.department is None:
                continue
            for actor, as_seen in self._whoever(here, charged):
                if transition.takes_over and charged not in (None, actor.person):
                    continue
                for named in [charged] if charged else [*self.nameable, IN_CHARGE_AND_LEFT] if names else [None]:
                    for after in self.made(here, transition, actor, named, here.department, as_seen):
                        if not self.workflow.state(after.state).final:
                            in_charge = actor.person if transition.takes_over else named if names else None
                            yield after, charged or in_charge

    def _whoever(self, here: Position, charged: str | None) -> Iterator[tuple[Actor, Actor]]:
        """Everybody who could act, and how conditions on people see him."""
        for actor in (*self.present, *self.away):
            yield actor, actor
        for person in {REPORTED_AND_LEFT} & {here.reporter} | {IN_CHARGE_AND_LEFT} & {charged}:
            for department in dict.fromkeys((None, here.department)):
                yield self.left[person, department]

    # --- the way out ---

    def closes(self, position: Position) -> bool:
        return position.state in self.ends or position in self._good

    def explore(self, starts: set[Position]) -> None:
        """Everything that those present can make of these, and the least solution over it."""
        queue = deque(starts)
        while queue:
            here = queue.popleft()
            if here not in self._choices:
                self._choices[here] = list(self._ways_on(here))
                self._bound(len(self._choices))
                queue.extend(after for outcomes in self._choices[here] for after in outcomes)
        waiting = [here for here in reversed(self._choices) if here not in self._good]
        while found := [
            here for here in waiting if any(all(map(self.closes, outcomes)) for outcomes in self._choices[here])
        ]:
            self._good.update(found)
            waiting = [here for here in waiting if here not in self._good]

    @property
    def explored(self) -> list[Position]:
        return list(self._choices)

    def _ways_on(self, here: Position) -> set[tuple[Position, ...]]:
        there = [key for key in self.nameable if any(actor.standing == key for actor in self.present)]
        found: set[tuple[Position, ...]] = set()
        for transition in self._steps(here):
            names, moves = _names_persons(transition), _names_department(transition)
            for actor in self.present:
                for department in self.departments if moves else [here.department]:
                    for named in there if names else [None]:
                        made = self.made(here, transition, actor, named, department, actor)
                        if made and made != (here,):
                            found.add(made)
        return found

    # --- one step ---

    def _steps(self, here: Position) -> list[Transition]:
        return [t for t in self.workflow.transitions if here.state in t.sources]

    def made(
        self, here: Position, transition: Transition, actor: Actor, named: str | None, department: str | None,
        as_seen: Actor,
    ) -> tuple[Position, ...]:  # fmt: skip
        """What the real engine makes of it; nothing where it refuses."""
        at = (here, id(transition), id(actor), named, department)
        if at not in self._made:
            self._made[at] = self._played(here, transition, actor, named, department, as_seen)
        return self._made[at]

    def _played(
        self, here: Position, transition: Transition, actor: Actor, named: str | None, department: str | None,
        as_seen: Actor,
    ) -> tuple[Position, ...]:  # fmt: skip
        permit = self._permit(here, transition, actor)
        if permit is None:
            return ()
        case = self.case(here)
        names = _names_persons(transition)
        data: dict[str, Any] = dict.fromkeys(names, named)
        if _names_department(transition):
            data["department"] = department
        people = {named: self.nameable.get(named, department)} if named and names else {}
        setting = Setting(as_seen, self.policy, CALENDAR, permit, people=people)
        try:
            decision = decide(self.workflow, case, FireTrigger("", transition.trigger, data), data, NOW, setting)
        except GuardRefused:
            return ()
        after = decision.case
        if transition.outcomes is None or not permit.completes:
            return (self.position(after),)
        return tuple(sorted({self.position(one) for one in transition.outcomes(after, data)}, key=repr))

    def _permit(self, here: Position, transition: Transition, actor: Actor) -> Permit | None:
        at = (here, id(transition), id(actor))
        if at not in self._permits:
            try:
                self._permits[at] = judge(self.workflow, transition, self.case(here), actor, self.policy, ASKED)
            except NotAllowed:
                self._permits[at] = None
        return self._permits[at]

    # --- a case and its position ---

    def position(self, case: Case) -> Position:
        reads = self.workflow.sign_off.reads if self.workflow.sign_off else ()
        return Position(
            case.state, case.level, case.department, case.reporter, case.assignee,
            frozenset(name for name, value in case.facts.items() if value is True),
            frozenset(name for name in reads if case.counters.get(name)),
            tuple(sorted((step, tuple(sorted(given))) for step, given in case.signed.items())),
            tuple((name, tuple(sorted(case.who_acted(name)))) for name in self.read if case.who_acted(name)),
        )  # fmt: skip

    def case(self, position: Position) -> Case:
        workflow, state = self.workflow, self.workflow.state(position.state)
        case = Case(
            self.organisation, "", workflow.key, workflow.version, state.name, state.counted, state.final, NOW,
            level=position.level, department=position.department, reporter=position.reporter,
            assignee=position.assignee, signed=dict(position.signed), acted=dict(position.acted),
            facts=dict.fromkeys(position.facts, True), counters=dict.fromkeys(position.counters, 1),
        )  # fmt: skip
        return replace(case, mode=workflow.sign_off.mode_of(case)) if workflow.sign_off else case

    def _bound(self, size: int) -> None:
        if size > self.most:
            raise TooLarge


# --- the loop ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _opened_to_facts(workflow: Workflow) -> Workflow:
    """The same loop without clocks, effects and conditions on facts: `outcomes` says what effects mean for who signs."""
    return replace(
        workflow,
        states=[replace(state, due=None, ladder=None, acknowledge=None) for state in workflow.states],
        transitions=[
            replace(
                t, guards=tuple(g for g in guards_of(t.guards) if g.of_people), effect=None, escalates=None,
            )
            for t in workflow.transitions
        ],
        opening=None, opening_guards=(),
    )  # fmt: skip


def _relations_read(workflow: Workflow) -> tuple[str, ...]:
    """The relations some rule names; what anybody did in any other is never asked for."""
    rows = workflow.sign_off.rows.values() if workflow.sign_off else ()
    names = {name for t in workflow.transitions for name in (*t.by, *t.never)}
    names |= {name for row in rows for name in (*row.by, *row.never)}
    names |= {name for state in workflow.states for name in state.awaits}
    return tuple(sorted(names & set(RELATIONS)))


def _names_persons(transition: Transition) -> tuple[str, ...]:
    fields = form_of(transition).model_fields.items()
    return tuple(
        name for name, info in fields if any(isinstance(m, Reference) and m.kind == "person" for m in info.metadata)
    )


def _names_department(transition: Transition) -> bool:
    return "department" in form_of(transition).model_fields
