"""Which departments play alike, and whom it takes for that: most of a school makes no difference to one department's cases.

Whoever is tied to others, by a second account or because one acts for the other, is taken together with them: a circle.
Everybody else is a circle of his own. Two circles look alike when they differ in nothing but what they are called.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import permutations
from typing import Any, NamedTuple

from engine.actor import WHOLE_ORGANISATION
from engine.proof.stage import BROAD, Player, Stage, bars, enough_people, relied_on, roles_named

MOST_RENAMED = 4  # persons of a circle who are compared in every order; larger circles are told apart by name
ENOUGH_ORDINARY = 4  # one reported it, one was in charge, one names another and one is named


class Circle(NamedTuple):
    """persons   everybody in it, in an order in which those who look alike correspond
    players   they, and they in each other's name
    """

    persons: tuple[str, ...]
    players: tuple[Player, ...]


_Drawn = Mapping[Any, list[Circle]]  # how circles look → those that look so


class Likeness:
    """Of one loop and the people of one day."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._enough = enough_people(stage.workflow)
        self._relied_on = bool(relied_on(stage.workflow))
        self._seen: dict[str | None, _Drawn] = {}
        self._touching: dict[str | None, _Drawn] = {}

    def within(self, department: str | None) -> Any:
        """Two departments of which this is equal play the same as long as their cases stay in them, on whatever day.

        Left out is who can add nothing, neither to what may become of a case nor to the way out of it: enough others of
        his standing are there, and nobody's other self. Where he is away, or somebody acts for him, he is one who has
        gone, or of less use than they. Where a step is left to whoever acted before, nobody is left out.
        """
        drawn = self._seen_from(department)
        standing = self._standing_from(department)
        there = Counter[Any]()
        for circles in drawn.values():
            if self._is_plain(circles[0]):
                there[standing(circles[0].players[0])] += len(circles)
        return frozenset(
            (look, min(len(circles), self._enough_of(standing(circles[0].players[0]))))
            for look, circles in drawn.items()
            if self._relied_on
            or self._is_plain(circles[0])
            or not all(there[one] >= self._enough_of(one) for one in map(standing, circles[0].players))
        )

    def beside(self, department: str | None, involved: int) -> Any:
        """The same, for a case that comes from elsewhere and in which so many persons have a part."""
        return frozenset(
            (look, min(len(circles), self._enough + involved))
            for look, circles in self._seen_from(department).items()
        )  # fmt: skip

    def whole(self, department: str | None) -> Any:
        """Two departments of one day of which this is equal are mirror images: their people could be exchanged, and nothing
        would be different in any department.
        """
        return frozenset(
            (look, min(len(circles), self._enough)) for look, circles in self._touching_it(department).items()
        )

    def parts(self, played: str | None, department: str | None) -> Mapping[str, str]:
        """Of two mirror images: who of the other has the part that somebody has in the first."""
        theirs, ours = self._touching_it(played), self._touching_it(department)
        return {
            one: other
            for look, circles in theirs.items()
            for mine, others in zip(circles, ours.get(look, []), strict=False)
            for one, other in zip(mine.persons, others.persons, strict=True)
        }

    def tied_to(self, persons: Iterable[str]) -> frozenset[str]:
        """These and everybody who is tied to one of them, however far."""
        return frozenset().union(*(self._together.get(person, (person,)) for person in persons))

    # --- who is left out ---

    def _standing_from(self, department: str | None) -> Callable[[Player], Any]:
        """What one player may do more than another in this department: not in whose name he does it, which only makes less
        of him.
        """
        seen = self._stage.before.seen_from(department)
        return lambda player: seen.class_of[player].in_his_own_name

    def _enough_of(self, standing: Any) -> int:
        ordinary = not standing.fits and not standing.asked
        return ENOUGH_ORDINARY if ordinary and not self._anybody_is_barred else self._enough

    def _is_plain(self, circle: Circle) -> bool:
        """Whether it is one person who is there himself, or the system."""
        return not circle.players[0].tied and self._there.issuperset(circle.persons)

    @cached_property
    def _anybody_is_barred(self) -> bool:
        """Whether somebody without any role could be kept from a step, or be one of several who sign."""
        workflow = self._stage.workflow
        signed = workflow.sign_off.rows.values() if workflow.sign_off else ()
        return any(
            not BROAD.isdisjoint(names) for names in (*(by for _, by in bars(workflow)), *(r.by for r in signed))
        )

    # --- how they look ---

    def _seen_from(self, department: str | None) -> _Drawn:
        """As this loop's rules see them for a case of the department."""
        if department not in self._seen:
            seen = self._stage.before.seen_from(department)
            self._seen[department] = _drawn(self._kinds, seen.class_of.__getitem__, self._place_from(department))
        return self._seen[department]

    def _touching_it(self, department: str | None) -> _Drawn:
        """Those who belong to the department or hold a role in it, with all that they hold anywhere."""
        if department not in self._touching:
            touch = [circles for circles in self._kinds if self._touches(circles[0], department)]
            self._touching[department] = _drawn(touch, self._all_of(department), self._place_from(department))
        return self._touching[department]

    def _touches(self, circle: Circle, department: str | None) -> bool:
        return any(
            department in (player.actor.department, player.actor.own_department)
            or any(scope == department for _, scope in player.held)
            for player in circle.players
        ) or any(self._stage.company.nameable.get(person, ...) == department for person in circle.persons)

    def _all_of(self, department: str | None) -> Callable[[Player], Any]:
        def here(code: str | None) -> str:
            return "here" if code == department else "*" if code == WHOLE_ORGANISATION else f"in {code}"

        def look(player: Player) -> Any:
            actor = player.actor
            held = sorted((role, here(scope)) for role, scope in player.held if role in self._roles)
            return held, here(actor.department), here(actor.own_department), actor.kind, actor.home, actor.in_relations

        return lambda player: repr(look(player))

    def _place_from(self, department: str | None) -> Callable[[str], Any]:
        """Whether somebody is there, may be named, and belongs to the department."""

        def place(person: str) -> tuple[bool, bool, bool]:
            home = self._stage.company.nameable.get(person, ...)
            return person in self._there, home is not ..., home == department

        return place

    @cached_property
    def _roles(self) -> frozenset[str]:
        return roles_named(self._stage.workflow)

    @cached_property
    def _there(self) -> frozenset[str | None]:
        return frozenset(player.actor.person for player in self._stage.now.all if player.actor.on_behalf_of is None)

    # --- circles ---

    @cached_property
    def _kinds(self) -> list[list[Circle]]:
        """Everybody; those of one kind look alike from every department."""
        alone: dict[Any, list[Circle]] = {}
        tied: dict[tuple[str, ...], list[Player]] = {}
        for player in self._stage.before.all:
            if player.tied:
                tied.setdefault(self._together[player.persons[0]], []).append(player)
            else:
                actor = player.actor
                there, home = actor.person in self._there, self._stage.company.nameable.get(str(actor.person), ...)
                kind = (player.held, actor.department, actor.kind, actor.home, there, home)
                alone.setdefault(kind, []).append(Circle(player.persons, (player,)))
        return [*alone.values(), *([Circle(persons, tuple(players))] for persons, players in tied.items())]

    @cached_property
    def _together(self) -> Mapping[str, tuple[str, ...]]:
        """person → everybody tied to him, himself among them, in order."""
        together: dict[str, set[str]] = {}
        for player in self._stage.before.all:
            if player.tied:
                all_ = player.selves.union(*(together.get(person, ()) for person in player.selves))
                for person in all_:
                    together[person] = set(all_)
        return {person: tuple(sorted(all_)) for person, all_ in together.items()}


def _drawn(kinds: Iterable[list[Circle]], look: Callable[[Player], Any], place: Callable[[str], Any]) -> _Drawn:
    found: dict[Any, list[Circle]] = {}
    for kind in kinds:
        first = kind[0]
        if first.players[0].tied:
            drawn, order = _with_numbers(first, look, place)
            found.setdefault(drawn, []).append(Circle(order, first.players))
        else:
            drawn = (look(first.players[0]), *map(place, first.persons))
            found.setdefault(drawn, []).extend(kind)
    return found


def _with_numbers(
    circle: Circle, look: Callable[[Player], Any], place: Callable[[str], Any]
) -> tuple[Any, tuple[str, ...]]:
    """(the circle with numbers for names, its persons in the order of these numbers)"""
    if len(circle.persons) > MOST_RENAMED:
        named = sorted(repr((look(one), one.persons, sorted(one.selves))) for one in circle.players)
        return (circle.persons, *map(place, circle.persons), *named), circle.persons
    found = []
    for order in permutations(circle.persons):
        number = {person: str(n) for n, person in enumerate(order)}
        drawn = sorted(
            repr((look(one), [number[p] for p in one.persons], sorted(number[p] for p in one.selves)))
            for one in circle.players
        )
        found.append(((repr([place(person) for person in order]), *drawn), order))
    return min(found)
