"""Shows that every loop can close with the people there are: no dead end, and no step that nobody may take.

Each loop is played in the mind against the real directory with the real rules of `engine.authority`. The people who
are at odds with us come first: whoever may take a step takes it, whoever can be put in charge is, in every way there
is. Then, from every case this leaves behind, those who are present must find a way to the loop's own end.

What is assumed, and is the promise's limit:

- A guard over facts (dates, evidence, answers) never stands in the way; one over people is asked. Where facts alone
  decide between several outcomes of a step, all of them have to have a way on.
- One person at a time is put in charge of a case before help comes: were everybody put in charge in turn, nobody would
  be left to sign in any school. A case stays with its department until then; to hand it on is a way out. Whom help puts
  in charge is there, or somebody there stands in for him: to name somebody away is no way to get something done.
- Whoever reported a case, and whoever was put in charge of it, may have left since, whatever they were. Nobody else has:
  roles are taken as they hold on the day, and what somebody did under a role he no longer holds is looked at in the
  open cases, which are judged with all that happened to them.
- Somebody away is not there; his delegate is, in his name; what he did before he went may have been done.
- *Closed* is the end: merged, rejected, waived are ways out, not the loop closing.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from engine.actor import Actor, Grant
from engine.authority import Permit, judge, signers_of, stands_as
from engine.calendar import Calendar
from engine.case import FIVE_STATES, OF_ONESELF, Case
from engine.definition import State, Transition, Workflow, form_of, guards_of
from engine.errors import NotAllowed, Text
from engine.guards import EVERYONE_HAS_CONFIRMED, Guard, Situation
from engine.proof.aspects import Aspect, aspects_of
from engine.proof.likeness import Likeness
from engine.proof.stage import (
    NO_DAY,
    REPORTING,
    Player,
    Seen,
    Stage,
    blank_case,
    case_of,
    naming_fields,
    relied_on,
    roles_asked_for,
)
from engine.proof.ways import Outcomes, Stand, Ways

LEFT = "·left"  # whoever was put in charge of a case and has gone since; no key of a person
GONE = "·gone"  # whoever reported it and has gone since
SOMEBODY = "·somebody"  # whoever reported it, as long as nothing depends on who it was
MOST_REMEMBERED = 400_000  # answers kept from day to day: some 150 MB
_NOBODY: frozenset[str] = frozenset()
_ASKED = Text("", "")
_NO_CALENDAR = Calendar(
    version=1, time_zone="UTC", days_off=frozenset(), working_weekend_days=frozenset(), known_from=NO_DAY.date(),
    known_until=NO_DAY.date(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Impasse:
    """Cases that nobody present can bring to an end: where they stand, which step is missing, and why.

    able       who would be called upon for the step, were it not for what they did before
    barred     those of them who may not, each with the relations that bar him
    needed     how many distinct persons it takes
    """

    workflow: Workflow
    department: str | None
    state: str
    mode: str
    transition: Transition
    by: tuple[str, ...]
    able: tuple[str, ...]
    barred: tuple[tuple[str, tuple[str, ...]], ...]
    needed: int


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """A step as the play takes it.

    number      its place among the loop's transitions
    fields      the fields of its form that put somebody in charge
    moves       whether its form may name another department with him
    places      whether it has to name one: no case is without a department after it
    asks        its conditions on people
    tells       the relation it makes whoever takes it stand in, where that is remembered of anybody
    waits       whether everybody who has to know of the case must have confirmed before, or been excused
    reads       what of the people in a case decides who may take it
    """

    transition: Transition
    number: int
    fields: tuple[str, ...]
    moves: bool
    places: bool
    asks: tuple[Guard, ...]
    tells: str | None
    waits: bool
    reads: "Reads"


class Reads(NamedTuple):
    """What `engine.authority.judge` looks at, of a case and for one step, besides its department.

    row                  the row of the sign-off table by which it goes
    reporter, assignee   whether who that is
    acted                which relations, by their places in `Stand.acted`
    signed               whether who signed
    everything           the whole case: whose move it is, and who has to confirm, depends on more than names
    """

    row: bool
    reporter: bool
    assignee: bool
    acted: tuple[int, ...]
    signed: bool
    everything: bool

    def part(self, stand: Stand) -> tuple[object, ...]:
        state, department, reporter, assignee, aspect, signed, acted, _ = stand
        if self.everything:
            return state, department, reporter, assignee, aspect, signed, acted
        return (
            department, aspect.mode if self.row else None, reporter if self.reporter else None, assignee if self.assignee else None,
            signed if self.signed else (), *[acted[n] for n in self.acted],
        )  # fmt: skip


class Deed(NamedTuple):
    """A step that somebody takes, as far as the people in the case make it: what becomes of them.

    completes    False where it is a signature and more are needed
    named        whom its form puts in charge
    """

    completes: bool
    named: str | None
    department: str | None
    reporter: str | None
    assignee: str | None
    signed: tuple[tuple[str, tuple[str, ...]], ...]
    acted: tuple[frozenset[str], ...]
    charged: str | None


@dataclass(eq=False, slots=True)
class Party:
    """The people in a case. Where they are the same, and the row of the sign-off table is, the same deeds can be done by the
    same persons, whatever state the case is in: but for the few steps of which `Reads.everything` is said.

    involved   who of them must be told apart
    deeds      step → what anybody may have done
    able       step → who is there and may take it, those first of whom the least is remembered
    ways       step → what those may do, where it puts nobody in charge
    """

    involved: frozenset[str]
    deeds: dict[Any, tuple[Deed, ...]] = field(default_factory=dict)
    able: dict[Any, list[Player]] = field(default_factory=dict)
    ways: dict[Any, tuple[Deed, ...]] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Memory:
    """What the rules of one loop, with its numbers, have answered: the same on whatever day.

    permits   step and case, as far as it decides → by what stands for an actor: whether he may, asked of
              `engine.authority.judge` once
    cases     cases as that question needs them
    parts     actor → what stands for him in these
    """

    permits: dict[Any, dict[object, Permit | None]] = field(default_factory=dict)
    cases: dict[Stand, Case] = field(default_factory=dict)
    parts: dict[Actor, object] = field(default_factory=dict)

    def forget_if_full(self) -> None:
        if sum(map(len, self.permits.values())) > MOST_REMEMBERED:
            self.permits.clear()
            self.cases.clear()


class Play:
    """One loop and the people of one day: everything that can become of its cases."""

    def __init__(self, stage: Stage, memory: Memory | None = None) -> None:
        self.stage = stage
        memory = memory or Memory()
        memory.forget_if_full()
        self.likeness = Likeness(stage)
        self.workflow = stage.workflow
        self.distance = _distances(self.workflow)
        self.ends = _ends(self.workflow)
        self._relations = {relation: n for n, relation in enumerate(stage.matters)}
        self._relied_on = relied_on(self.workflow)
        self._aspects = aspects_of(self.workflow)
        self._cases = memory.cases
        self._permits = memory.permits
        self._led: dict[Any, Aspect] = {}
        self._parties: dict[Any, Party] = {}
        self._fates: dict[Any, Outcomes] = {}
        self._agreements: dict[Any, bool] = {}
        self._clean: set[str | None] = set()
        self._names: dict[Any, tuple[str, ...]] = {}
        self._told: dict[str | None, frozenset[str]] = {}
        self._mattering: dict[Any, frozenset[str]] = {}
        within = Ways(self)
        self._ways = (within, Ways(self, within))
        self._at_first = Ways(self, in_short=True)
        organisation = stage.company.organisation
        self._ghosts = {name: Player(Actor(organisation, "person", person=name)) for name in (LEFT, GONE)}
        anything = frozenset(map(Grant, roles_asked_for(self.workflow)))
        #: whoever has left, as a condition on people sees him: he may have been anybody
        self._anybody = {ghost: replace(ghost.actor, grants=anything) for ghost in self._ghosts.values()}
        for player in (*stage.before.all, *stage.now.all, *self._ghosts.values()):
            player.part = memory.parts.setdefault(player.actor, object())

    def impasses(self, department: str | None) -> list[Impasse]:
        """Every kind of case of this department that could not be brought to its end, each once."""
        return self._causes(self._stuck(department))

    def clean_within(self, department: str | None) -> bool:
        """Whether, as far as it was asked, every case of this department has a way to its end without leaving it."""
        return department in self._clean

    def closes(self, case: Case) -> bool:
        """Whether those present can bring this very case to its end."""
        stand = self._stand(case)
        return any(ways.lead_on(stand) for ways in self._ways)

    def missing(self, case: Case) -> list[Impasse]:
        """What keeps those present from it."""
        return self._causes([self._stand(case)])

    def _stuck(self, department: str | None) -> list[Stand]:
        reached = dict.fromkeys(self._as_left(stand) for stand in self._reached(department))
        if self._all_lead_on(reached):
            self._clean.add(department)
            return []
        within, across = self._ways
        bad = [stand for stand in reached if not within.lead_on(stand)]
        if not bad:
            self._clean.add(department)
        return [stand for stand in bad if not across.lead_on(stand)]

    def _all_lead_on(self, reached: Iterable[Stand]) -> bool:
        """Whether each has a way within its department, as nearly always: those first in which most acted, since what
        differs in nothing else has one then, too. Where one has none it is looked at again, for what keeps them from it.
        """
        hardest = sorted(reached, key=lambda stand: -sum(map(len, stand.acted)))
        return all(map(self._at_first.lead_on, hardest))

    # --- what others may have done ---

    def _reached(self, department: str | None) -> dict[Stand, None]:
        reached: dict[Stand, None] = {}
        queue = deque(self._opened(department))
        while queue:
            stand = queue.popleft()
            if stand not in reached:
                reached[stand] = None
                queue.extend(self._done_by_anyone(stand))
        return reached

    def _opened(self, department: str | None) -> list[Stand]:
        blank = blank_case(self.workflow, department)
        made: dict[Stand, None] = {}
        if not {"system", "stranger"}.isdisjoint(self.workflow.opens_by):  # nobody who could act later
            made[self._stand(blank)] = None
        for player in self.stage.before.seen_from(department).candidates(self.workflow.opens_by, frozenset()):
            if self._opens(player, blank):
                case = (
                    blank
                    if self.workflow.opened_as is None
                    else blank.with_acted(self.workflow.opened_as, *player.persons)
                )
                known = self._stand(
                    replace(case, reporter=player.actor.standing or player.actor.person).with_acted(
                        "reporter", *player.persons
                    )
                )
                nobody = known._replace(reporter=SOMEBODY)
                made[known if any(known.acted) else nobody] = None
                if any(known.acted):  # he may have left since, and is neither barred then nor of any help
                    made[self._stand(blank)._replace(reporter=GONE)] = None
        return list(made)

    def _opens(self, player: Player, blank: Case) -> bool:
        return player.actor.kind == "person" and any(
            stands_as(name, player.actor, blank, self.workflow) for name in self.workflow.opens_by
        )

    def _done_by_anyone(self, stand: Stand) -> Iterator[Stand]:
        """Every case that somebody's next step may leave behind, but for finished ones."""
        party = self._party(stand)
        for step in self._fated[stand.state]:
            at = (self._decides(step, stand), stand.charged)
            deeds = party.deeds.get(at)
            if deeds is None:
                deeds = party.deeds[at] = tuple(self._deeds(step, stand, party.involved))
            for deed in deeds:
                yield from self._after(step, stand, deed)

    @cached_property
    def _fated(self) -> dict[str, list[Step]]:
        """State → the steps that are looked at before help comes: none that ends the case, and none that takes it over. One
        person is put in charge until then, and where a case can be taken over he has been.
        """
        return {
            name: [
                step
                for step in steps
                if not step.transition.takes_over and not self.workflow.state(step.transition.target or name).final
            ]
            for name, steps in self._steps.items()
        }

    def _deeds(self, step: Step, stand: Stand, involved: frozenset[str]) -> Iterator[Deed]:
        if step.fields and step.moves and stand.department is None:
            return  # it is one of that department's cases from then on
        seen = self.stage.before.seen_from(stand.department)
        names = self._called(step, stand.aspect.mode)
        done: set[Any] = set()
        once = not step.fields and step.tells is None and self._needed(step, stand) == 1
        ghosts = [self._ghosts[name] for name in (stand.assignee, stand.reporter) if name in self._ghosts]
        for player in (*seen.candidates(names, involved), *ghosts):
            yield from self._done_by(player, step, stand, involved, done)
            if once and done:
                break
        if stand.reporter == SOMEBODY and not REPORTING.isdisjoint(names):
            yield from self._done_by(self._ghosts[GONE], step, stand._replace(reporter=GONE), involved, done)
            for player in seen.candidates(("anyone",), involved):
                if (known := self._as_reporter(stand, player)) is not None:
                    yield from self._done_by(player, step, known, self._involved(known), set())

    def _as_reporter(self, stand: Stand, player: Player) -> Stand | None:
        """The same case, had it been reported by whom this player stands for; None where it makes no difference who did."""
        person = player.actor.standing
        if person is None or person not in self._telling_reporters:
            return None  # whoever has left could have done all he did
        blank = blank_case(self.workflow, stand.department)
        himself = [p for p in self.stage.before.by_self[person] if p.persons == (person,)]
        if not any(self._opens(p, blank) for p in himself):
            return None
        acted = self._with_acted(stand.acted, "reporter", (person,), person)
        acted = self._with_acted(acted, self.workflow.opened_as, (person,), person)
        return stand._replace(reporter=person, acted=acted)

    @cached_property
    def _telling_reporters(self) -> frozenset[str]:
        """Whose acts as the one who reported it are remembered."""
        relations = {"reporter", self.workflow.opened_as}
        for transition in self.workflow.transitions:
            rows = self.workflow.sign_off.rows.items() if self.workflow.sign_off else ()
            names = {
                *transition.by,
                *(name for (_, step), row in rows if step == transition.sign_off for name in row.by),
            }
            if not REPORTING.isdisjoint(names):
                relations.add(transition.acts_as)
        return frozenset().union(*(self.stage.matters.get(relation or "", ()) for relation in relations))

    def _done_by(
        self, player: Player, step: Step, stand: Stand, involved: frozenset[str], done: set[Any]
    ) -> Iterator[Deed]:
        """done   what was made of this case by others: who acts makes no difference where nothing is remembered of him"""
        effect = self._remembered(step.tells, player.persons, stand.reporter)
        alone = self._needed(step, stand) == 1
        known = self._answers(step, stand)
        if self._may(step, stand, player, known) is None:
            return
        for named in self._whom_fate_names(stand, player, involved) if step.fields else (None,):
            if alone and (effect, named) in done:
                continue
            deed = self._deed(step, stand, player, named, stand.department, known)
            if deed is not None:
                done.add((effect, named))
                yield deed._replace(charged=named) if named else deed

    def _whom_fate_names(self, stand: Stand, player: Player, involved: frozenset[str]) -> Iterable[str]:
        """One person answers for a case: whoever it is already, or anybody, or somebody who left since.

        Somebody who matters to nothing need not be named: whoever has left is no help, and was in nobody's way either.
        """
        if stand.charged is not None:
            return (stand.charged,)
        seen = self.stage.before.seen_from(stand.department)
        others = seen.candidates(("anyone",), involved | player.selves)
        persons = [str(p.actor.person) for p in others if p.actor.on_behalf_of is None]
        mattering = [p for p in dict.fromkeys(persons) if p in self.stage.core and p in self.stage.company.nameable]
        return (LEFT, *mattering)

    def _as_left(self, stand: Stand) -> Stand:
        return stand._replace(reporter=GONE if stand.reporter == SOMEBODY else stand.reporter, charged=None)

    # --- the way out ---

    def choices(self, stand: Stand, *, cross: bool) -> Iterator[Outcomes]:
        """What those present can make of the case, the shortest way first: each step as the outcomes facts decide between.

        Where nothing is remembered of who took a step, no other choice of person is better.
        """
        party = self._party(stand)
        for step in self._steps[stand.state]:
            at = self._decides(step, stand)
            able = party.able.get(at)
            if able is None:
                able = party.able[at] = self._able(step, stand, party.involved)
            if not able or (step.waits and not self._can_be_settled(stand)):
                continue
            if step.fields:
                seen = self.stage.now.seen_from(stand.department)
                yield from self._naming(step, stand, able, party.involved, seen, cross=cross)
                continue
            if step.transition.takes_over:
                yield from self._taking_over(step, stand, able)
                continue
            ways = party.ways.get(at)
            if ways is None:
                ways = party.ways[at] = tuple(self._done_alone(step, stand, able))
            for deed in ways:
                yield self._after(step, stand, deed)

    def _able(self, step: Step, stand: Stand, involved: frozenset[str]) -> list[Player]:
        players = self.stage.now.seen_from(stand.department).candidates(self._called(step, stand.aspect.mode), involved)
        known = self._answers(step, stand)
        able = [player for player in players if self._may(step, stand, player, known) is not None]
        able.sort(key=lambda player: len(self._remembered(step.tells, player.persons, stand.reporter)))
        return able

    def _done_alone(self, step: Step, stand: Stand, able: Iterable[Player]) -> Iterator[Deed]:
        """What a step comes to that puts nobody in charge."""
        known = self._answers(step, stand)
        alone = self._needed(step, stand) == 1
        done: set[Any] = set()
        for player in able:
            effect = self._remembered(step.tells, player.persons, stand.reporter)
            if alone and (effect in done or frozenset() in done):
                continue
            deed = self._deed(step, stand, player, None, stand.department, known)
            if deed is not None:
                done.add(effect)
                yield deed

    def _can_be_settled(self, stand: Stand) -> bool:
        """Whether whoever never confirms does not hold the case up for good: somebody present may excuse him."""
        excuse = self._excuse(stand)
        if excuse is None:
            return True
        seen = self.stage.now.seen_from(stand.department)
        players = seen.candidates(excuse.transition.by, self._involved(stand))
        return any(self._may(excuse, stand, player) is not None for player in players)

    def _excuse(self, stand: Stand) -> Step | None:
        """The step that excuses people in this case's state."""
        for number, t in enumerate(self.workflow.transitions):
            if t.excuses and stand.state in t.sources:
                return Step(
                    t, number, (), moves=False, places=False, asks=(), tells=None, waits=False, reads=self._reads(t)
                )
        return None

    def _taking_over(self, step: Step, stand: Stand, able: list[Player]) -> Iterator[Outcomes]:
        """It helps only where the assignee is not there, or where he is not barred yet by what he would have to do himself."""
        case = self._case(stand)
        if self._barred_by_being_in_charge and any(
            stands_as("assignee", player.actor, case, self.workflow) for player in self.stage.now.all
        ):
            return
        done: set[Any] = set()
        for player in able:
            effect = (
                self._remembered("assignee", player.persons, stand.reporter),
                self._stand_in(player.actor.person, stand.reporter),
            )
            if effect not in done and (made := self._made(step, stand, player, None, stand.department)):
                done.add(effect)
                yield made

    @cached_property
    def _barred_by_being_in_charge(self) -> bool:
        """Whether no step left to the assignee bars him from anything that being in charge does not bar him from."""
        told = {t.acts_as for t in self.workflow.transitions if {"assignee", "holder"} & {*t.by}}
        nevers = [t.never for t in self.workflow.transitions]
        rows = self.workflow.sign_off.rows.values() if self.workflow.sign_off else ()
        nevers += [tuple(name for name in row.never if name not in row.waived_by) for row in rows]
        return all("assignee" in never for never in nevers if told & {*never})

    def _naming(
        self, step: Step, stand: Stand, able: list[Player], involved: frozenset[str], seen: Seen, *, cross: bool
    ) -> Iterator[Outcomes]:
        if stand.department is not None or not step.places:
            yield from self._naming_in(step, stand, able, involved, seen, stand.department)
        if cross and step.moves:
            for department in self._elsewhere(stand.department, involved):
                there = self.stage.now.seen_from(department)
                yield from self._naming_in(step, stand, able, involved, there, department)

    def _naming_in(
        self, step: Step, stand: Stand, able: list[Player], involved: frozenset[str], seen: Seen, department: str | None
    ) -> Iterator[Outcomes]:
        """Somebody who matters to nothing, where the department has one: to name anybody else is never the better choice.

        Two of them are tried, since the first may be the very person who names.
        """
        ordinary = self.stage.ordinary.get(department, ())[:2]
        enough = False
        answers = self._answers(step, stand)
        for tier in (ordinary, None):
            done: set[Any] = set()
            for player in able:
                effect = self._remembered(step.tells, player.persons, stand.reporter)
                for named in self._others(seen, involved | player.selves) if tier is None else tier:
                    known = self._stand_in(named, stand.reporter)
                    if (effect, known) in done:
                        continue
                    if made := self._made(step, stand, player, named, department, answers):
                        done.add((effect, known))
                        enough = enough or not effect
                        yield made
            if enough:
                return

    def _others(self, seen: Seen, involved: frozenset[str]) -> list[str]:
        """Everybody for whom somebody here could act, one of each kind."""
        persons = dict.fromkeys(player.actor.standing for player in seen.candidates(("anyone",), involved))
        return [person for person in persons if person is not None and person in self.stage.company.nameable]

    def _elsewhere(self, department: str | None, involved: frozenset[str]) -> Iterator[str]:
        """The other departments, one of those that look alike to this case."""
        looks: set[Any] = set()
        tied = self.likeness.tied_to(involved)
        for code in self.stage.company.departments:
            seen = self.stage.now.seen_from(code)
            places = frozenset((player, seen.class_of[player]) for player in seen.involved(tied))
            look = (self.likeness.beside(code, len(tied)), places)
            if code != department and look not in looks:
                looks.add(look)
                yield code

    # --- one step ---

    @cached_property
    def _steps(self) -> dict[str, list[Step]]:
        """State → the steps that change anything about who may sign, the shortest way first; the others lead nowhere."""
        reads = self.workflow.sign_off.reads if self.workflow.sign_off else ()
        found: dict[str, list[Step]] = {state.name: [] for state in self.workflow.states}
        for number, t in enumerate(self.workflow.transitions):
            fields = naming_fields(t)
            if (
                t.target is None
                and t.acts_as not in self._relations
                and t.counts not in reads
                and not t.outcomes
                and not fields
                and not t.takes_over
            ):
                continue
            where = form_of(t).model_fields.get("department")
            moves, places = where is not None, where is not None and where.is_required()
            asks = tuple(guard for guard in guards_of(t.guards) if guard.of_people)
            tells = t.acts_as if t.acts_as in self._relations else None
            waits = any(guard.name == EVERYONE_HAS_CONFIRMED for guard in guards_of(t.guards))
            step = Step(t, number, fields, moves, places, asks, tells, waits, self._reads(t))
            for source in t.sources:
                found[source].append(step)
        far = len(found)
        for state, steps in found.items():
            steps.sort(key=lambda step, state=state: self.distance.get(step.transition.target or state, far))  # type: ignore[misc]
        return found

    def _reads(self, transition: Transition) -> Reads:
        table = self.workflow.sign_off.rows.items() if self.workflow.sign_off and transition.sign_off else ()
        rows = [row for (_, signed), row in table if signed == transition.sign_off]
        names = {*transition.by, *transition.never}.union(*((*row.by, *row.never) for row in rows))
        return Reads(
            row=bool(rows),
            reporter=not REPORTING.isdisjoint(names),
            assignee="assignee" in names,
            acted=tuple(n for relation, n in self._relations.items() if relation in names),
            signed=any(row.count > 1 for row in rows),
            everything=transition.confirms or "holder" in names or not OF_ONESELF.isdisjoint(names),
        )

    def _called(self, step: Step, mode: str) -> tuple[str, ...]:
        """Whom the rules call upon, by roles and relations."""
        at = (step, mode)
        if at not in self._names:
            names = step.transition.by
            if step.transition.sign_off and self.workflow.sign_off:
                names = (*self.workflow.sign_off.rows[mode, step.transition.sign_off].by, *names)
            self._names[at] = names
        return self._names[at]

    def _needed(self, step: Step, stand: Stand) -> int:
        if step.transition.sign_off is None or self.workflow.sign_off is None or step.transition.alone:
            return 1
        return self.workflow.sign_off.rows[stand.aspect.mode, step.transition.sign_off].count

    def _answers(self, step: Step, stand: Stand) -> dict[object, Permit | None]:
        """What is known of who may take this step on it."""
        at = (step.number, step.reads.part(stand))
        found = self._permits.get(at)
        if found is None:
            found = self._permits[at] = {}
        return found

    def _may(
        self, step: Step, stand: Stand, player: Player, known: dict[object, Permit | None] | None = None
    ) -> Permit | None:
        """known   the answers to this question, where they are at hand"""
        if known is None:
            known = self._answers(step, stand)
        part = player.part
        if part in known:
            return known[part]
        try:
            permit = judge(self.workflow, step.transition, self._case(stand), player.actor, self.stage.policy, _ASKED)
        except NotAllowed:
            permit = None
        known[part] = permit
        return permit

    def _made(
        self, step: Step, stand: Stand, player: Player, named: str | None, department: str | None,
        known: dict[object, Permit | None] | None = None,
    ) -> Outcomes:  # fmt: skip
        """What the step makes of the case; nothing when this player may not take it. Several where only facts decide.

        known   as for `_may`
        """
        deed = self._deed(step, stand, player, named, department, known)
        return () if deed is None else self._after(step, stand, deed)

    def _deed(
        self, step: Step, stand: Stand, player: Player, named: str | None, department: str | None,
        known: dict[object, Permit | None] | None = None,
    ) -> Deed | None:  # fmt: skip
        permit = self._may(step, stand, player, known)
        if permit is None:
            return None
        if step.asks and not self._agreed(step, stand, player, named, department):
            return None
        transition, reporter, signed = step.transition, stand.reporter, stand.signed
        acted = self._with_acted(stand.acted, step.tells, player.persons, reporter) if step.tells else stand.acted
        assignee = stand.assignee
        if not permit.completes:
            signed = _signed(signed, str(transition.sign_off), str(permit.signature))
            return Deed(False, named, stand.department, reporter, assignee, signed, acted, stand.charged)
        if named is not None and "assignee" in step.fields and not transition.quiet:
            acted = self._with_acted(acted, "assignee", (named,), reporter)
            assignee = self._stand_in(named, reporter)
        if transition.takes_over:
            acted = self._with_acted(acted, "assignee", player.persons, reporter)
            assignee = self._stand_in(player.actor.person, reporter)
        there = department if step.fields else stand.department
        return Deed(True, named, there, reporter, assignee, signed, acted, stand.charged)

    def _after(self, step: Step, stand: Stand, deed: Deed) -> Outcomes:
        """What the deed makes of a case with these people."""
        completes, named, department, reporter, assignee, signed, acted, charged = deed
        if not completes:
            return (Stand(stand.state, department, reporter, assignee, stand.aspect, signed, acted, charged),)
        transition = step.transition
        target = transition.target or stand.state
        after = Stand(
            target, department, reporter, assignee, self._aspect_after(step, target, stand.aspect),
            signed if target == stand.state else (), acted, charged,
        )  # fmt: skip
        if transition.outcomes is None:
            return (after,)
        at = (step.number, after, named)
        if at not in self._fates:
            data = _told(step, named, department)
            made = (self._stand(case, keep=after) for case in transition.outcomes(self._case(after), data))
            self._fates[at] = tuple(dict.fromkeys(made))
        return self._fates[at]

    def _aspect_after(self, step: Step, target: str, aspect: Aspect) -> Aspect:
        at = (step, target, aspect)
        if at not in self._led:
            self._led[at] = self._aspects.after(step.transition, target, aspect)
        return self._led[at]

    def _agreed(self, step: Step, stand: Stand, player: Player, named: str | None, department: str | None) -> bool:
        """Whether its conditions on people hold: they look at nothing else than what they are remembered by."""
        at = (step.number, player, named, stand.department, department)
        if at not in self._agreements:
            people = {named: self.stage.company.nameable.get(named, department)} if named else {}
            actor = self._anybody.get(player, player.actor)
            data = _told(step, named, department)
            situation = Situation(
                self._case(stand), actor, data, NO_DAY, NO_DAY.date(), _NO_CALENDAR, self.stage.policy, people=people
            )
            self._agreements[at] = all(guard.holds(situation) for guard in step.asks)
        return self._agreements[at]

    # --- a case and its stand ---

    def _case(self, stand: Stand) -> Case:
        found = self._cases.get(stand)
        if found is None:
            aspect = stand.aspect
            found = self._cases[stand] = case_of(
                self.workflow, stand.state, aspect.level, aspect.facts, aspect.counters, aspect.mode,
                department=stand.department, reporter=stand.reporter, assignee=stand.assignee, signed=dict(stand.signed),
                acted={relation: tuple(sorted(stand.acted[n])) for relation, n in self._relations.items()},
            )  # fmt: skip
        return found

    def _stand(self, case: Case, keep: Stand | None = None) -> Stand:
        """keep   what the case was made from, so that nothing is read back that is no part of it"""
        return Stand(
            case.state, case.department, case.reporter, self._stand_in(case.assignee, case.reporter),
            self._aspects.of(case),
            keep.signed if keep else tuple(sorted(case.signed.items())),
            tuple(self._remembered(relation, case.who_acted(relation), case.reporter) for relation in self._relations),
            keep.charged if keep else None,
        )  # fmt: skip

    def _stand_in(self, person: str | None, reporter: str | None) -> str | None:
        """Of those who matter to nothing, one stands in for all once he is in charge; not for whoever reported it."""
        if person not in self._ordinary or person == reporter:
            return person
        return next(one for one in self._ordinary if one != reporter)

    @cached_property
    def _ordinary(self) -> dict[str, None]:
        return dict.fromkeys(person for persons in self.stage.ordinary.values() for person in persons)

    def _remembered(self, relation: str | None, persons: tuple[str, ...], reporter: str | None) -> frozenset[str]:
        """Who of these matters; and, where it bars from a step that is left to whoever reported it, he too."""
        if relation is None:
            return _NOBODY
        at = (relation, persons, reporter)
        found = self._mattering.get(at)
        if found is None:
            matter = self.stage.matters.get(relation, _NOBODY)
            if relation in self.stage.bar_reporters:
                matter |= self._told_with(reporter)
            found = self._mattering[at] = matter.intersection(persons)
        return found

    def _told_with(self, reporter: str | None) -> frozenset[str]:
        """Whoever reported a case, and who is tied to him: the steps left to him may be barred to them, whatever they hold."""
        if reporter not in self._told:
            known = self.stage.bar_reporters and reporter in self.stage.now.by_self
            self._told[reporter] = self.likeness.tied_to((str(reporter),)) if known else _NOBODY
        return self._told[reporter]

    def _with_acted(
        self, acted: tuple[frozenset[str], ...], relation: str | None, persons: tuple[str, ...], reporter: str | None
    ) -> tuple[frozenset[str], ...]:
        new = self._remembered(relation, persons, reporter)
        n = self._relations.get(relation or "", -1)
        if not new or new <= acted[n]:
            return acted
        return (*acted[:n], acted[n] | new, *acted[n + 1 :])

    def but_for_acts(self, stand: Stand) -> Stand:
        """All of a case but who acted, where to have acted can only bar him."""
        state, department, reporter, assignee, aspect, signed, acted, charged = stand
        kept: tuple[frozenset[str], ...] = ()
        if self._relied_on:
            kept = tuple(
                persons if relation in self._relied_on else _NOBODY
                for relation, persons in zip(self._relations, acted, strict=True)
            )
        return Stand(state, department, reporter, assignee, aspect, signed, kept, charged)

    def _party(self, stand: Stand) -> Party:
        _, department, reporter, assignee, _, signed, acted, _ = stand
        at = (department, reporter, assignee, signed, acted)
        found = self._parties.get(at)
        if found is None:
            found = self._parties[at] = Party(self._involved(stand))
        return found

    def _decides(self, step: Step, stand: Stand) -> object:
        """The step, and all of a case but the people in it that decides who may take it."""
        if step.reads.everything:
            return step.number, stand.state, stand.aspect
        return (step.number, stand.aspect.mode) if step.transition.sign_off else step.number

    def _involved(self, stand: Stand) -> frozenset[str]:
        """Who must be told apart from others of his class: whom his part in the case could bar, and who signed."""
        signers = {name for _, given in stand.signed for text in given for name in signers_of(text)}
        own = {person for person in (stand.reporter, stand.assignee) if person is not None}
        return frozenset(signers.union(own, *stand.acted))

    # --- what is missing ---

    def _causes(self, stuck: Iterable[Stand]) -> list[Impasse]:
        """The steps that nobody can take, each as near to the end as those present can bring the cases it keeps from it."""
        led_from: dict[Stand, list[Stand]] = {}
        queue = deque(dict.fromkeys(self._ways_of(stand).looked_at(stand) for stand in stuck))
        nearest = min(queue, key=lambda one: self.distance[one.state], default=None)
        while queue:
            here = queue.popleft()
            if here not in led_from:
                led_from[here] = []
                queue.extend(self._ways_of(here).fails_by(here))
        for here in led_from:
            for after in self._ways_of(here).fails_by(here):
                led_from[after].append(here)
        leads_on = {
            before
            for after, sources in led_from.items()
            for before in sources
            if self._goes_on(self.workflow.state(after.state), self.workflow.state(before.state))
        }
        found: dict[Any, Impasse] = {}
        explained: set[Stand] = set()
        for stand in sorted(led_from, key=lambda one: (self.distance[one.state], sum(map(len, one.acted)))):
            if stand in explained or stand in leads_on or (impasse := self._blocked(stand)) is None:
                continue
            kind = (impasse.transition.trigger, impasse.state, impasse.mode, frozenset(p for p, _ in impasse.barred))
            found.setdefault(kind, impasse)
            queue.append(stand)
            while queue:
                one = queue.popleft()
                if one not in explained:
                    explained.add(one)
                    queue.extend(led_from[one])
        if nearest is not None and not found:
            return [self._unmet(nearest)]
        return list(found.values())

    def _unmet(self, stand: Stand) -> Impasse:
        """Of a case that is stuck though each step is somebody's: a condition on whom the form names keeps him from it."""
        step = min(
            (step for step in self._steps[stand.state] if step.transition.target not in (None, stand.state)),
            key=lambda step: self.distance.get(str(step.transition.target), len(self.distance)),
        )
        by = self._called(step, stand.aspect.mode)
        able = [p for p in self.stage.now.all if self._may(step, stand, p) is not None]
        persons = tuple(dict.fromkeys(str(p.actor.person) for p in able))
        needed = self._needed(step, stand)
        return Impasse(
            self.workflow, stand.department, stand.state, stand.aspect.mode, step.transition, by, persons, (), needed
        )

    def _ways_of(self, stand: Stand) -> Ways:
        return self._ways[stand.department is None]  # what has no department yet gets nowhere without being given one

    def _goes_on(self, to: State, of: State) -> bool:
        """Whether that state is nearer to the end, as cases usually go."""
        near, far = self.distance.get(to.name, len(self.distance)), self.distance[of.name]
        return near < far or (near == far and FIVE_STATES.index(to.counted) > FIVE_STATES.index(of.counted))

    def _blocked(self, stand: Stand) -> Impasse | None:
        """The first step on towards the end that too few can take."""
        case = self._case(stand)
        here = self.workflow.state(stand.state)
        forward = [
            step
            for step in self._steps[stand.state]
            if step.transition.target is not None and self._goes_on(self.workflow.state(step.transition.target), here)
        ]
        for step in sorted(
            forward, key=lambda step: FIVE_STATES.index(self.workflow.state(str(step.transition.target)).counted)
        ):
            transition = step.transition
            by = self._called(step, case.mode)
            if step.waits and not self._can_be_settled(stand):
                excuse = self._excuse(stand)
                assert excuse is not None  # or it could be settled
                return Impasse(
                    self.workflow, stand.department, stand.state, case.mode, excuse.transition, excuse.transition.by, (), (), 1
                )  # fmt: skip
            able = [p for p in self.stage.now.all if any(stands_as(n, p.actor, case, self.workflow) for n in by)]
            fit = [p for p in able if self._may(step, stand, p) is not None]
            needed = self._needed(step, stand)
            given = sum(len(signatures) for _, signatures in stand.signed)
            if len({p.actor.person for p in fit}) >= needed - given:
                continue
            barred = [p for p in able if p not in fit]
            return Impasse(
                self.workflow, stand.department, stand.state, case.mode, transition, by,
                tuple(dict.fromkeys(str(p.actor.person) for p in able)),
                tuple(dict.fromkeys((str(p.actor.person), self._why_barred(step, stand, p)) for p in barred)), needed,
            )  # fmt: skip
        return None

    def _why_barred(self, step: Step, stand: Stand, player: Player) -> tuple[str, ...]:
        row = (
            self.workflow.sign_off.rows[stand.aspect.mode, step.transition.sign_off]
            if self.workflow.sign_off and step.transition.sign_off
            else None
        )
        never = row.never if row else step.transition.never
        case = self._case(stand)
        stood = {relation: {*case.who_acted(relation)} for relation in never}
        stood.setdefault("assignee", set()).add(str(stand.assignee))
        return tuple(relation for relation in never if stood[relation] & player.selves)


def _told(step: Step, named: str | None, department: str | None) -> dict[str, Any]:
    """What its form says."""
    return {**dict.fromkeys(step.fields, named), "department": department}


# --- the loop by itself ------------------------------------------------------------------------------------------------


_Signed = tuple[tuple[str, tuple[str, ...]], ...]


def _signed(before: _Signed, step: str, signature: str) -> _Signed:
    """In whatever order they signed, it is the same."""
    signed = dict(before)
    signed[step] = tuple(sorted((*signed.get(step, ()), signature)))
    return tuple(sorted(signed.items()))


def _ends(workflow: Workflow) -> frozenset[str]:
    """The states that are closed, and not merely out of the way."""
    finals = [state for state in workflow.states if state.final]
    own = [state.name for state in finals if state.counts_as is None]
    return frozenset(own or [state.name for state in finals])


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
