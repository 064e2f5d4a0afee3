"""Shows that every loop can close with the people there are: no dead end, and no step that nobody may take.

Each loop is played in the mind against the real directory with the real rules of `engine.authority`. The people who
are at odds with us come first: whoever may take a step takes it, whoever can be put in charge is, in every way there
is. Then, from every case this leaves behind, those who are present must find a way to the loop's own end.

What is assumed, and is the promise's limit:

- A guard over facts (dates, evidence, answers) may go either way, so it never stands in the way; one over people is
  asked. Where facts alone decide between several outcomes of a step, all of them have to have a way on.
- One person at a time is put in charge of a case; he may have left since, and so may whoever reported it.
- Somebody away is not there; his delegate is, in his name. People with equal standing are one class.
- *Closed* is the end: merged, rejected, waived are ways out, not the loop closing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from engine.actor import ANOTHER_DEPARTMENT, Actor
from engine.authority import Permit, judge, signers_of, stands_as
from engine.calendar import Calendar
from engine.case import Case
from engine.definition import RELATIONS, Reference, Transition, Workflow, form_of, guards_of
from engine.errors import NotAllowed, Text
from engine.guards import Situation

LEFT = "·left"  # whoever reported a case or was put in charge of it and has gone since; no key of a person
ENOUGH = 4  # people of one standing: more of them make no difference to two signatures and one exclusion
REPORTING = frozenset({"reporter", "inspector"})
_NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # nothing here depends on time
_ASKED = Text("", "")
_NO_CALENDAR = Calendar(
    version=1, time_zone="UTC", days_off=frozenset(), working_weekend_days=frozenset(), known_from=_NO_DAY.date(),
    known_until=_NO_DAY.date(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Impasse:
    """Cases that nobody present can bring to an end: where they stand, which step is missing, and why.

    able       who would be called upon for the step, were it not for what they did before
    needed     how many distinct persons it takes
    """

    workflow: Workflow
    department: str | None
    state: str
    mode: str
    transition: Transition
    by: tuple[str, ...]
    able: tuple[str, ...]
    barred: tuple[str, ...]
    needed: int
    handed: bool


@dataclass(frozen=True)
class Cast:
    """Who is present on a day, seen from one department's cases: actors in classes of equal standing.

    people   every active person by key, present or not: whom a form may name
    """

    workflow: Workflow
    department: str | None
    actors: tuple[Actor, ...]
    departments_of: Mapping[str, str | None]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every role the loop names, as its rules write it."""
        return _roles_named(self.workflow)

    @cached_property
    def classes(self) -> dict[Any, list[Actor]]:
        found: dict[Any, list[Actor]] = {}
        for actor in self.actors:
            found.setdefault(self._standing(actor), []).append(actor)
        return found

    @cached_property
    def signature(self) -> Any:
        """Two casts of equal signature play the same."""
        return frozenset((key, min(len(members), ENOUGH)) for key, members in self.classes.items())

    def _standing(self, actor: Actor) -> Any:
        roles = self._held[id(actor)]
        alone = (actor.person, actor.on_behalf_of) if actor.aliases or actor.on_behalf_of else None
        held = frozenset(grant.role for grant in actor.grants)
        return roles, held, actor.department == self.department, actor.home is None, alone

    def candidates(self, involved: frozenset[str]) -> Iterator[Actor]:
        """One fresh person of each class, and everybody who has a part in the case already."""
        for members in self.classes.values():
            fresh = 0
            for actor in members:
                if actor.selves & involved:
                    yield actor
                elif fresh == 0:
                    fresh = 1
                    yield actor

    def could(self, transition: Transition, case: Case, actor: Actor) -> bool:
        """Whether any name of the step fits him; `judge` decides, but refuses in words, which takes its time."""
        by = transition.by
        if transition.sign_off and self.workflow.sign_off:
            by = (*by, *self.workflow.sign_off.rows[case.mode, transition.sign_off].by)
        held = self._held.get(id(actor), frozenset())
        return any(
            name in held if name not in RELATIONS else stands_as(name, actor, case, self.workflow) for name in by
        )

    @cached_property
    def _held(self) -> dict[int, frozenset[str]]:
        blank = _blank(self.workflow, self.department)
        return {
            id(actor): frozenset(name for name in self.names if stands_as(name, actor, blank, self.workflow))
            for actor in self.actors
        }

    @cached_property
    def present(self) -> frozenset[str]:
        return frozenset(actor.person for actor in self.actors if actor.person and actor.on_behalf_of is None)


def _roles_named(workflow: Workflow) -> tuple[str, ...]:
    named = {name for t in workflow.transitions for name in t.by} | set(workflow.opens_by)
    if workflow.sign_off:
        named |= {name for row in workflow.sign_off.rows.values() for name in row.by}
    return tuple(sorted(name for name in named if name not in RELATIONS))


def _blank(workflow: Workflow, department: str | None) -> Case:
    initial = workflow.initial
    case = Case("", "", workflow.key, workflow.version, initial.name, initial.counted, initial.final, _NO_DAY)
    return _with_mode(workflow, replace(case, department=department, reporter=LEFT))


def _with_mode(workflow: Workflow, case: Case) -> Case:
    return replace(case, mode=workflow.sign_off.mode_of(case)) if workflow.sign_off else case


# --- one step --------------------------------------------------------------------------------------------------------


def _ended(workflow: Workflow, case: Case) -> bool:
    """Closed, and not merely out of the way."""
    return case.final and case.state in _ends(workflow)


def _ends(workflow: Workflow) -> frozenset[str]:
    finals = [state for state in workflow.states if state.final]
    own = [state.name for state in finals if state.counts_as is None]
    return frozenset(own or [state.name for state in finals])


def _names_somebody(transition: Transition) -> tuple[str, ...]:
    """The fields of its form that name a person who answers for the case from then on."""
    return tuple(
        name
        for name, info in form_of(transition).model_fields.items()
        if any(isinstance(mark, Reference) and mark.kind == "person" for mark in info.metadata)
    )


def _outcomes(
    cast: Cast, policy: Mapping[str, Any], transition: Transition, case: Case, actor: Actor, named: str | None
) -> tuple[Case, ...]:
    """What the step makes of the case; nothing when this actor may not take it. Several where only facts decide."""
    workflow = cast.workflow
    if not cast.could(transition, case, actor):
        return ()
    try:
        permit = judge(workflow, transition, case, actor, policy, _ASKED)
    except NotAllowed:
        return ()
    fields = _names_somebody(transition)
    data: dict[str, Any] = dict.fromkeys(fields, named)
    data["department"] = case.department
    people = {named: case.department if named == LEFT else cast.departments_of.get(named)} if named else {}
    situation = Situation(case, actor, data, _NO_DAY, _NO_DAY.date(), _NO_CALENDAR, policy, people=people)
    if not all(guard.holds(situation) for guard in guards_of(transition.guards) if guard.of_people):
        return ()
    return _moved(workflow, transition, case, actor, permit, data)


def _moved(
    workflow: Workflow, transition: Transition, case: Case, actor: Actor, permit: Permit, data: Mapping[str, Any]
) -> tuple[Case, ...]:
    after = case
    if transition.acts_as:
        after = after.with_acted(transition.acts_as, *actor.persons)
    if not permit.completes:
        step = str(transition.sign_off)
        return (replace(after, signed={**after.signed, step: (*after.signed.get(step, ()), str(permit.signature))}),)
    if "assignee" in data and not transition.quiet:
        after = replace(after, assignee=data["assignee"]).with_acted("assignee", data["assignee"])
    if transition.takes_over:
        after = replace(after, assignee=actor.person).with_acted("assignee", *actor.persons)
    if workflow.sign_off and transition.counts in workflow.sign_off.reads:
        after = replace(after, counters={**after.counters, str(transition.counts): 1})  # how often makes no difference
    target = workflow.state(transition.target or case.state)
    if target.name != case.state:
        after = replace(after, signed={}, state=target.name, counts_as=target.counted, final=target.final)
    made = transition.outcomes(after, data) if transition.outcomes else (after,)
    return tuple(_with_mode(workflow, one) for one in made)


# --- the play --------------------------------------------------------------------------------------------------------

Key = tuple[Any, ...]


class Play:
    """One loop, one department, one day: everything that can become of a case there."""

    def __init__(self, cast: Cast, policy: Mapping[str, Any], elsewhere: Callable[[str | None], Cast]) -> None:
        self.cast = cast
        self.policy = policy
        self.elsewhere = elsewhere  # the same people seen from another department
        self.workflow = cast.workflow
        self.distance = _distances(self.workflow)
        self._closable: dict[Key, bool] = {}

    def impasses(self) -> list[Impasse]:
        """Every kind of case that could not be brought to its end, each once."""
        found: dict[Any, Impasse] = {}
        reached = self._reached()
        ways = self._ways(reached.values(), cross=False)
        if any(not ways[key] for key in reached):
            ways = self._ways(reached.values(), cross=True)
        for key, case in reached.items():
            if not ways[key]:
                for impasse in self._missing(case):
                    found.setdefault((impasse.transition.trigger, impasse.state, impasse.mode, impasse.barred), impasse)
        return list(found.values())

    def closes(self, case: Case) -> bool:
        """Whether those present can bring this very case to its end."""
        key = self._key(case)
        return self._ways([case], cross=True)[key]

    def missing(self, case: Case) -> list[Impasse]:
        return list(self._missing(case))

    # --- what others may have done ---

    @cached_property
    def _telling(self) -> tuple[Transition, ...]:
        """The steps that change anything about who may sign: the others lead a case nowhere."""
        reads = self.workflow.sign_off.reads if self.workflow.sign_off else ()
        return tuple(
            t
            for t in self.workflow.transitions
            if t.target is not None
            or t.acts_as in self._matters
            or t.counts in reads
            or t.outcomes
            or t.takes_over
            or _names_somebody(t)
        )

    def _reached(self) -> dict[Key, Case]:
        start = _blank(self.workflow, self.cast.department)
        reached = {self._key(start): start}
        queue = deque(reached.values())
        while queue:
            case = queue.popleft()
            for after in self._done_by_anyone(case):
                key = self._key(after)
                if key not in reached and not after.final:
                    reached[key] = after
                    queue.append(after)
        return reached

    def _done_by_anyone(self, case: Case) -> Iterator[Case]:
        involved = self._involved(case)
        for transition in self._telling:
            if case.state not in transition.sources or self._hands_it_round(transition, case):
                continue
            reports = bool(REPORTING & set(transition.by))
            named = self._whom_fate_names(case) if _names_somebody(transition) else (None,)
            for actor in (*self.cast.candidates(involved), _gone(case)):
                # as if he were the reporter: he reported it, took this step, and left
                as_reporter = replace(case, reporter=actor.standing) if reports else case
                for person in named:
                    for after in _outcomes(self.cast, self.policy, transition, as_reporter, actor, person):
                        yield replace(after, reporter=LEFT) if reports else after

    def _hands_it_round(self, transition: Transition, case: Case) -> bool:
        """It would only put in charge who is so already: one person is, and this case has him."""
        if transition.takes_over:
            return bool(_in_charge(case))
        only_names = transition.target is None and "assignee" in _names_somebody(transition) and not transition.outcomes
        return only_names and transition.acts_as not in self._matters and _in_charge(case) == [case.assignee]

    def _whom_fate_names(self, case: Case) -> tuple[str, ...]:
        """One person answers for a case: whoever it is already, or anybody, or somebody who left since."""
        already = _in_charge(case)
        if already:
            return tuple(already)
        people = [actor.person for actor in self.cast.candidates(self._involved(case)) if actor.on_behalf_of is None]
        return (*(person for person in people if person is not None), LEFT)

    # --- the way out ---

    def _ways(self, cases: Iterable[Case], *, cross: bool) -> dict[Key, bool]:
        """key → whether there is a way to the end: the least solution over all that can still be done."""
        steps: dict[Key, list[list[Key]]] = {}
        good: dict[Key, bool] = {}
        queue: deque[tuple[Key, Case]] = deque()
        for case in cases:
            key = self._key(case)
            if key not in good:
                good[key] = False
                queue.append((key, case))
        while queue:
            key, case = queue.popleft()
            steps[key] = []
            for outcomes in self._possible(case, cross=cross):
                keys = []
                for after in outcomes:
                    to = self._key(after)
                    keys.append(to)
                    if to not in good:
                        good[to] = _ended(self.workflow, after)
                        if not after.final:
                            queue.append((to, after))
                steps[key].append(keys)
        return _least(steps, good)

    def _possible(self, case: Case, *, cross: bool) -> Iterator[tuple[Case, ...]]:
        """What those present can make of the case: each step as the outcomes that facts decide between."""
        cast = self.cast if case.department == self.cast.department else self.elsewhere(case.department)
        involved = self._involved(case)
        seen: set[Any] = set()
        for transition in self._telling:
            if case.state not in transition.sources:
                continue
            if transition.takes_over and any(stands_as("assignee", a, case, self.workflow) for a in cast.actors):
                continue  # to have had it bars people and frees nobody: it helps only where the assignee is not there
            for actor in cast.candidates(involved):
                if not cast.could(transition, case, actor):
                    continue
                for person, department in self._whom_we_name(cast, transition, involved, cross=cross):
                    there = case if department == case.department else replace(case, department=department)
                    if there is not case and not self._may(cast, transition, case, actor):
                        continue  # he has to be allowed where the case stands now
                    made = _outcomes(cast, self.policy, transition, there, actor, person)
                    if made and (tag := tuple(map(self._key, made))) not in seen:
                        seen.add(tag)
                        yield made

    def _may(self, cast: Cast, transition: Transition, case: Case, actor: Actor) -> bool:
        try:
            judge(cast.workflow, transition, case, actor, self.policy, _ASKED)
        except NotAllowed:
            return False
        return True

    def _whom_we_name(
        self, cast: Cast, transition: Transition, involved: frozenset[str], *, cross: bool
    ) -> Iterator[tuple[str | None, str | None]]:
        """Somebody whom no step could miss, where the department has one: to name anybody else is never the better choice.

        Two of them, since the first may be the very person who names.
        """
        if not _names_somebody(transition):
            yield None, cast.department
            return
        here = [a for a in cast.candidates(involved) if a.on_behalf_of is None and a.person is not None]
        plain = [a for a in cast.actors if a.person in self._ordinary and a.on_behalf_of is None]
        at_home = [a for a in plain if a.department == cast.department][:2]
        for actor in at_home or here:
            yield actor.person, cast.department
        if cross and "department" in form_of(transition).model_fields:
            looks: set[Any] = set()
            for actor in (*plain, *here):
                look = self.elsewhere(actor.department).signature
                if actor.department not in (None, cast.department) and look not in looks:
                    looks.add(look)
                    yield actor.person, actor.department

    # --- what is missing ---

    def _missing(self, case: Case) -> Iterator[Impasse]:
        """The step towards the end that nobody can take; nothing where it is another, later one."""
        here = self.distance[case.state]
        forward = [
            t
            for t in self.workflow.transitions
            if case.state in t.sources and t.target is not None and self.distance.get(t.target, here) < here
        ]
        cast = self.cast if case.department == self.cast.department else self.elsewhere(case.department)
        blocked = []
        for transition in forward:
            by, needed = self._called_upon(transition, case)
            able = [a for a in cast.actors if any(stands_as(name, a, case, self.workflow) for name in by)]
            fit = [a for a in able if self._may(cast, transition, case, a)]
            if len({a.person for a in fit}) >= needed - len(case.signed.get(str(transition.sign_off), ())):
                return
            barred = [a for a in able if a not in fit]
            blocked.append(
                Impasse(
                    self.workflow, case.department, case.state, case.mode, transition, by,
                    tuple(dict.fromkeys(str(a.person) for a in able)),
                    tuple(dict.fromkeys(str(a.person) for a in barred)), needed, bool(_in_charge(case)),
                )
            )  # fmt: skip
        yield from blocked[:1]

    def _called_upon(self, transition: Transition, case: Case) -> tuple[tuple[str, ...], int]:
        if transition.sign_off is None or self.workflow.sign_off is None:
            return transition.by, 1
        row = self.workflow.sign_off.rows[case.mode, transition.sign_off]
        return row.by, row.count

    # --- telling cases apart ---

    @cached_property
    def _matters(self) -> Mapping[str, frozenset[str]]:
        """relation → the persons whom having stood in it could bar from anything; the others need not be told apart."""
        able: dict[str, set[str]] = {}
        for never, by in _bars(self.workflow):
            roles = {name.removesuffix(ANOTHER_DEPARTMENT) for name in by if name not in RELATIONS}
            related = any(name in RELATIONS for name in set(by) - REPORTING)  # whoever reported it has left
            persons: set[str] = set()
            for actor in self.cast.actors:
                if related or actor.holds_any(roles):
                    persons |= actor.selves
            for relation in never:
                able.setdefault(relation, set()).update(persons)
        return {relation: frozenset(persons) for relation, persons in able.items()}

    def _key(self, case: Case) -> Key:
        acted = tuple(
            (relation, frozenset(case.who_acted(relation)) & persons) for relation, persons in self._matters.items()
        )
        facts = frozenset(name for name, value in case.facts.items() if value)
        signed = tuple(sorted(case.signed.items()))
        answers = self._assignee_told_apart(case.assignee)
        return (
            case.state, case.mode, case.level, case.department, answers, case.reporter, acted, facts,
            frozenset(case.counters), signed,
        )  # fmt: skip

    def _involved(self, case: Case) -> frozenset[str]:
        """Who must be told apart from others of his class: whom his part in the case could bar, and who signed."""
        signers = {name for given in case.signed.values() for text in given for name in signers_of(text)}
        barred = {p for relation, persons in self._matters.items() for p in case.who_acted(relation) if p in persons}
        current = {case.assignee} if case.assignee is not None else set()
        return frozenset(barred | signers | current) - {LEFT}

    def _assignee_told_apart(self, assignee: str | None) -> str | None:
        """One ordinary assignee who is present is like another."""
        if assignee in self._ordinary:
            return "·anybody"
        return assignee

    @cached_property
    def _ordinary(self) -> frozenset[str]:
        matters = frozenset().union(*self._matters.values())
        linked = {person for a in self.cast.actors if a.aliases or a.on_behalf_of for person in a.selves}
        return self.cast.present - matters - linked


def _least(steps: Mapping[Key, list[list[Key]]], good: dict[Key, bool]) -> dict[Key, bool]:
    """Spread *good* backwards until nothing changes: a step is good when all its outcomes are."""
    changed = True
    while changed:
        changed = False
        for key, choices in steps.items():
            if not good[key] and any(all(good[to] for to in outcomes) for outcomes in choices):
                good[key] = changed = True
    return good


def _bars(workflow: Workflow) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(relations that bar, whom they could bar) of every step."""
    for transition in workflow.transitions:
        if transition.never:
            yield transition.never, transition.by
    if workflow.sign_off:
        for row in workflow.sign_off.rows.values():
            yield row.never, row.by


def _distances(workflow: Workflow) -> dict[str, int]:
    """state → steps to the end, whoever takes them."""
    found = dict.fromkeys(_ends(workflow), 0)
    queue = deque(found)
    while queue:
        here = queue.popleft()
        for transition in workflow.transitions:
            for source in transition.sources:
                if (transition.target or source) == here and source not in found:
                    found[source] = found[here] + 1
                    queue.append(source)
    return found


def _in_charge(case: Case) -> list[str]:
    return list(dict.fromkeys([*case.who_acted("assignee"), *([case.assignee] if case.assignee else [])]))


def _gone(case: Case) -> Actor:
    """Whoever was in charge and has left: what he did before he left may have been done."""
    return Actor(case.organisation, "person", person=LEFT)
