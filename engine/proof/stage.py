"""Who there is on a day, as one loop's rules see them: players in classes of equal standing, and whom a part in a case
could ever bar from anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, NamedTuple

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, system
from engine.authority import stands_as
from engine.case import OF_ONESELF, Case
from engine.definition import RELATIONS, Reference, Transition, Workflow, form_of, guards_of
from engine.directory import Directory

REPORTING = frozenset({"reporter", "inspector"})  # the relations of whoever reported it
#: relations that anybody may stand in, so that no list of roles tells who could
BROAD = frozenset({"anyone", "holder"})
#: relations kept in a case's own columns; the others are read from who acted
COLUMNS = frozenset({"assignee", *REPORTING, *BROAD, "system"})
NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # nothing here depends on time


@dataclass(frozen=True)
class Company:
    """Who there is on a day.

    present    everyone who is there, as himself and as each he stands in for
    away       everyone who is not there that day, as himself: what he did before he left may have been done
    nameable   person → department of everybody a form may name: active, of this organisation
    """

    organisation: str
    present: tuple[Actor, ...]
    away: tuple[Actor, ...]
    nameable: Mapping[str, str | None]
    departments: tuple[str, ...]


def company_on(directory: Directory, day: date) -> Company:
    present: list[Actor] = []
    away: list[Actor] = []
    nameable: dict[str, str | None] = {}
    absent = {absence.person for absence in directory.absences if absence.covers(day)}
    for key, person in directory.people.items():
        actors = list(directory.actors(key, day))
        if key in absent:
            away += actors[:1]
        else:
            present += actors
        if actors and person.organisation == directory.organisation:
            nameable[key] = person.department
    codes = tuple(department.code for department in directory.departments)
    return Company(directory.organisation, tuple(present), tuple(away), nameable, codes)


@dataclass(eq=False, slots=True)
class Player:
    """An actor, with what is asked of him again and again. Two players are never equal, whatever they may.

    held     (role, scope) of each grant
    linked   he acts for more than one account
    tied     he is linked, or another acts for him or under his other account: such players are told apart one by one
    part     the same for the same actor on whatever day, once the play was told
    """

    actor: Actor
    selves: frozenset[str] = field(init=False)
    persons: tuple[str, ...] = field(init=False)
    held: frozenset[tuple[str, str]] = field(init=False)
    linked: bool = field(init=False)
    tied: bool = field(init=False, default=False)
    part: object = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.selves = self.actor.selves
        self.persons = self.actor.persons
        self.held = frozenset((grant.role, grant.scope) for grant in self.actor.grants)
        self.linked = len(self.selves) > 1


class Players:
    """The players of a day, and how one department's cases see them."""

    def __init__(self, workflow: Workflow, actors: Iterable[Actor]) -> None:
        self.workflow = workflow
        self.all = tuple(Player(actor) for actor in actors)
        self.by_self: dict[str, list[Player]] = {}
        for player in self.all:
            for person in player.selves:
                self.by_self.setdefault(person, []).append(player)
        alike: dict[Any, list[Player]] = {}
        for player in self.all:
            player.tied = player.linked or any(len(self.by_self[person]) > 1 for person in player.selves)
            tied = id(player) if player.tied else None
            actor = player.actor
            look = (player.held, actor.department, actor.own_department, actor.kind, actor.home is None, tied)
            alike.setdefault(look, []).append(player)
        self._alike = list(alike.values())
        self._seen: dict[str | None, Seen] = {}

    def seen_from(self, department: str | None) -> "Seen":
        if department not in self._seen:
            self._seen[department] = Seen(self.workflow, self._alike, self.by_self, department)
        return self._seen[department]


class Standing(NamedTuple):
    """All that a rule can see of a player, but for who he is.

    fits          the roles named by the loop's rules that he stands as
    asked         the roles he holds, wherever, that a condition asks for
    belongs       whether he is of the department, or whom he acts for is
    of_us         whether he signed in at this organisation
    self_belongs  whether he acts for somebody and is of the department himself
    related       whether he stands in what whom he acts for stands in
    """

    fits: tuple[str, ...]
    asked: tuple[str, ...]
    belongs: bool
    kind: str
    of_us: bool
    self_belongs: bool
    related: bool

    @property
    def in_his_own_name(self) -> "Standing":
        """The same, of somebody who acts for nobody."""
        return self._replace(self_belongs=False, related=True)


class Seen:
    """Players in classes: to this loop's rules, those of one class are the same as long as none of them has acted."""

    def __init__(
        self,
        workflow: Workflow,
        alike: Iterable[list[Player]],
        by_self: Mapping[str, list[Player]],
        department: str | None,
    ) -> None:
        self.by_self = by_self
        self._workflow = workflow
        self._department = department
        self._blank = blank_case(workflow, department)
        self._named = _roles_named(workflow)
        self._asked = roles_asked_for(workflow)
        self._fits: dict[Any, tuple[str, ...]] = {}
        self.classes: dict[Any, list[Player]] = {}
        self.class_of: dict[Player, Any] = {}
        for players in alike:
            standing = self._standing(players[0])
            key = (*standing, players[0].selves, players[0].persons) if players[0].tied else standing
            self.classes.setdefault(key, []).extend(players)
            for player in players:
                self.class_of[player] = standing
        self._fitting: dict[tuple[str, ...], list[list[Player]]] = {}

    def _standing(self, player: Player) -> "Standing":
        """What a rule of this loop can see of an actor, but for who he is: as what he stands to a case of this department,
        whether he belongs here, which of the roles he holds that a condition asks for.
        """
        here = self._department
        where = frozenset(
            (role, scope if scope == WHOLE_ORGANISATION else scope == here) for role, scope in player.held
        )
        actor = player.actor
        if where not in self._fits:
            self._fits[where] = tuple(n for n in self._named if stands_as(n, actor, self._blank, self._workflow))
        asked = tuple(sorted(self._asked & {role for role, _ in player.held}))
        return Standing(
            self._fits[where], asked, actor.department == here, actor.kind, actor.home is None,
            actor.own_department == here, actor.in_relations,
        )  # fmt: skip

    def candidates(self, names: tuple[str, ...], involved: frozenset[str]) -> Iterator[Player]:
        """Who may be one of these: a fresh player of each class that a role of theirs fits, and everybody involved."""
        for players in self.fitting(names):
            for player in players:
                if player.selves.isdisjoint(involved):
                    yield player
                    break
        yield from self.involved(involved)

    def involved(self, persons: Iterable[str]) -> Iterable[Player]:
        return dict.fromkeys(player for person in sorted(persons) for player in self.by_self.get(person, ()))

    def fitting(self, names: tuple[str, ...]) -> list[list[Player]]:
        """The classes that hold one of these roles; all of them where a name is one that anybody may answer to."""
        if names not in self._fitting:
            roles = [name for name in names if name not in RELATIONS]
            self._fitting[names] = [
                players
                for players in self.classes.values()
                if not BROAD.isdisjoint(names)
                or players[0].actor.kind == "system"
                or any(stands_as(name, players[0].actor, self._blank, self._workflow) for name in roles)
            ]
        return self._fitting[names]


def blank_case(workflow: Workflow, department: str | None) -> Case:
    """A case just opened, by nobody in particular."""
    return replace(case_of(workflow, workflow.initial.name), department=department)


def case_of(
    workflow: Workflow,
    state: str,
    level: str = "",
    facts: Iterable[str] = (),
    counters: Iterable[str] = (),
    mode: str | None = None,
    **people: Any,
) -> Case:
    """A case that stands there, with these facts and counters. `mode` where it is known."""
    at = workflow.state(state)
    case = Case(
        "", "", workflow.key, workflow.version, at.name, at.counted, at.final, NO_DAY, level=level, mode=mode or "",
        facts=dict.fromkeys(facts, True), counters=dict.fromkeys(counters, 1), **people,
    )  # fmt: skip
    if mode is None and workflow.sign_off:
        return replace(case, mode=workflow.sign_off.mode_of(case))
    return case


class Stage:
    """One loop with the people of one day: who plays, and whose part in a case makes a difference."""

    def __init__(self, workflow: Workflow, policy: Mapping[str, Any], company: Company) -> None:
        self.workflow = workflow
        self.policy = policy
        self.company = company
        itself = (system(company.organisation),) if _names_the_system(workflow) else ()
        self.now = Players(workflow, (*company.present, *itself))
        #: those away have been here; where nobody is, the same players
        self.before = Players(workflow, (*company.present, *company.away, *itself)) if company.away else self.now

    @cached_property
    def matters(self) -> Mapping[str, frozenset[str]]:
        """relation → the persons whom having stood in it could bar from a step, or whom a step is left to for it.

        Nobody else needs to be remembered: a case in which he acted is like one in which somebody else did.
        """
        everyone = frozenset(person for player in self.now.all for person in player.selves)
        found: dict[str, set[str]] = {}
        late: list[tuple[str, ...]] = []
        for never, by in bars(self.workflow):
            related = [name for name in by if name in RELATIONS]
            if any(name not in REPORTING for name in related):
                persons = set(everyone)
            else:
                roles = {name.removesuffix(ANOTHER_DEPARTMENT) for name in by if name not in RELATIONS}
                persons = {p for player in self.now.all if player.actor.holds_any(roles) for p in player.selves}
            if related:
                late.append(never)
            for relation in never:
                found.setdefault(relation, set()).update(persons)
        core = set().union(*found.values())
        for never in late:  # whoever reported it is told apart where he matters for something else, and in his own case
            for relation in never:
                found[relation] |= core
        for name in relied_on(self.workflow):
            found[name] = set(everyone)
        return {relation: frozenset(found[relation]) for relation in sorted(found)}

    @cached_property
    def bar_reporters(self) -> frozenset[str]:
        """The relations that bar from a step left to whoever reported the case."""
        return frozenset(name for never, by in bars(self.workflow) if not REPORTING.isdisjoint(by) for name in never)

    @cached_property
    def core(self) -> frozenset[str]:
        """Everybody who matters at all."""
        return frozenset().union(*self.matters.values())

    @cached_property
    def ordinary(self) -> Mapping[str | None, tuple[str, ...]]:
        """department → those present who matter to nothing and are nobody else's other self: one is like another."""
        found: dict[str | None, list[str]] = {}
        for player in self.now.all:
            person = player.actor.person
            if person in self.company.nameable and person not in self.core and not player.tied:
                found.setdefault(player.actor.department, []).append(str(person))
        return {department: tuple(persons) for department, persons in found.items()}

    @cached_property
    def whole(self) -> Any:
        """Two stages of equal wholes play the same, on whatever day; of those who matter to nothing only the number counts."""
        ordinary = {person for persons in self.ordinary.values() for person in persons}
        enough = enough_people(self.workflow)
        found: list[Any] = []
        for players in dict.fromkeys((self.now, self.before)):
            named: set[Any] = set()
            counted: dict[Any, int] = {}
            for player in players.all:
                actor = player.actor
                look = (
                    player.held, actor.department, actor.own_department, actor.kind, actor.home, actor.in_relations,
                )  # fmt: skip
                if actor.person in ordinary:
                    counted[look] = min(counted.get(look, 0) + 1, enough)
                else:
                    named.add((look, player.persons, player.selves))
            found.append((frozenset(named), frozenset(counted.items())))
        return tuple(found), self.company.departments


def enough_people(workflow: Workflow) -> int:
    """So many of one standing that more of them make no difference: each relation that bars from a step has taken one of
    them and whom he acts for, and there are still as many as have to sign.
    """
    rows = workflow.sign_off.rows.values() if workflow.sign_off else ()
    barring = {relation for never, _ in bars(workflow) for relation in never}
    return 2 * max((row.count for row in rows), default=1) + 2 * len(barring) + 1


def _roles_named(workflow: Workflow) -> tuple[str, ...]:
    """Every role the loop's rules name, as they write it."""
    named = {*workflow.opens_by, *(name for transition in workflow.transitions for name in transition.by)}
    named |= {name for state in workflow.states for name in state.awaits}
    if workflow.sign_off:
        named |= {name for row in workflow.sign_off.rows.values() for name in row.by}
    return tuple(sorted(name for name in named if name not in RELATIONS))


def roles_named(workflow: Workflow) -> frozenset[str]:
    """Every role that makes a difference to the loop, wherever it is held."""
    return roles_asked_for(workflow) | {name.removesuffix(ANOTHER_DEPARTMENT) for name in _roles_named(workflow)}


def roles_asked_for(workflow: Workflow) -> frozenset[str]:
    """The roles that conditions on people ask for."""
    guards = (guard for transition in workflow.transitions for guard in guards_of(transition.guards) if guard.of_people)
    return frozenset[str]().union(*(guard.roles for guard in guards))


def _names_the_system(workflow: Workflow) -> bool:
    return any("system" in transition.by for transition in workflow.transitions)


def bars(workflow: Workflow) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(relations that bar, whom they could bar) of every step."""
    for transition in workflow.transitions:
        if transition.never:
            yield transition.never, transition.by
    if workflow.sign_off:
        for row in workflow.sign_off.rows.values():
            if row.never:
                yield row.never, row.by


def relied_on(workflow: Workflow) -> frozenset[str]:
    """Relations to which a step is left and that only acting brings about."""
    names = {name for transition in workflow.transitions for name in transition.by}
    names |= {name for state in workflow.states for name in state.awaits}
    if workflow.sign_off:
        names |= {name for row in workflow.sign_off.rows.values() for name in row.by}
    return frozenset(name for name in names if name in RELATIONS and name not in COLUMNS | OF_ONESELF)


def naming_fields(transition: Transition) -> tuple[str, ...]:
    """The fields of its form that name a person who answers for the case from then on."""
    return tuple(
        name
        for name, info in form_of(transition).model_fields.items()
        if any(isinstance(mark, Reference) and mark.kind == "person" for mark in info.metadata)
    )
