"""Who there is: organisations, people, groups, absences as values; and as whom somebody may act on a day.

A role comes to a person in three ways, and everything that asks who may or who is meant asks here, so that the three
never differ: a grant of his own, a seat in a group, or an absence of somebody who named him delegate. The last is never
mixed with the others: a delegate acts for the one he represents, and both are on record.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from engine.actor import Actor, Grant
from engine.errors import Text

Kind = Literal["bureau", "school"]
Rank = Literal["chair", "deputy", "member"]

AT = "@"  # `key@organisation`: a person of another organisation; no key of one's own may hold it


@dataclass(frozen=True, slots=True)
class Organisation:
    """A bureau, or a school. `parent` is the bureau above it."""

    organisation: str
    name: Text
    time_zone: str = "Asia/Shanghai"
    kind: Kind = "school"
    parent: str | None = None


def bureaus_above(key: str | None, look_up: Callable[[str], Organisation | None]) -> list[str]:
    """The bureau above the organisation of this key, the one above that, and so on."""
    above: list[str] = []
    here = None if key is None else look_up(key)
    while here is not None and here.parent is not None and here.parent not in above:
        above.append(here.parent)
        here = look_up(here.parent)
    return above


@dataclass(frozen=True, slots=True)
class Department:
    organisation: str
    code: str
    name: Text
    external: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """An account by key.

    name          what colleagues call him: in demo data always a post
    post          what he is called by duty: 部门安全员; what strangers to his name are shown
    staff_number  unique in the organisation, where he has one
    human         the same for every account of one human being; None for who has just this one
    """

    organisation: str
    person: str
    name: str
    department: str | None = None
    locale: str = "zh"
    addresses: Mapping[str, str] = field(default_factory=dict)
    active: bool = True
    staff_number: str | None = None
    post: str = ""
    human: str | None = None

    def key_in(self, organisation: str) -> str:
        """What the records of this organisation call him."""
        return self.person if organisation == self.organisation else f"{self.person}{AT}{self.organisation}"


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat in a group: `holder` is a person's key, or a role whose holders sit in it. Dates are inclusive local days."""

    kind: Literal["person", "role"]
    holder: str
    rank: Rank = "member"
    valid_from: date | None = None
    valid_until: date | None = None

    def holds_on(self, day: date) -> bool:
        return _covers(self.valid_from, self.valid_until, day)


@dataclass(frozen=True, slots=True)
class Group:
    """A working group. Who sits in it holds the role called like its code, everywhere in the organisation.

    least   how many members it needs to do its work
    """

    code: str
    name: Text
    seats: tuple[Seat, ...] = ()
    least: int = 1


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away from the first day to the last, both included.

    delegate   who acts for him meanwhile, if anybody
    duties     the roles handed on; empty for all of them, and for what he stands in himself (assignee, inspector)
    """

    id: str
    person: str
    first_day: date
    last_day: date
    delegate: str | None = None
    duties: frozenset[str] = frozenset()

    def covers(self, day: date) -> bool:
        return _covers(self.first_day, self.last_day, day)


@dataclass(frozen=True)
class Directory:
    """The directory of one organisation, or as much of it as a question needs.

    people    by the key this organisation's records use; strangers with a grant here are among them
    grants    by the same key
    """

    organisation: str
    people: Mapping[str, Person]
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    absences: tuple[Absence, ...] = ()
    departments: tuple[Department, ...] = ()

    def grants_on(self, person: str, day: date) -> frozenset[Grant]:
        """What he holds that day by himself: granted to him, or through a group he sits in."""
        own = {grant for grant in self.grants.get(person, ()) if grant.holds_on(day)}
        roles = {grant.role for grant in own}
        seated = {
            Grant(group.code)
            for group in self.groups
            for seat in group.seats
            if seat.holds_on(day) and (seat.holder == person if seat.kind == "person" else seat.holder in roles)
        }
        return frozenset(own | seated)

    def actor(self, person: str, day: date) -> Actor | None:
        """He himself; None when he is unknown or no longer active."""
        found = self._active(person)
        if found is None:
            return None
        return Actor(
            self.organisation,
            "person",
            person=person,
            department=found.department,
            grants=self.grants_on(person, day),
            aliases=self._others(found),
            home=None if found.organisation == self.organisation else found.organisation,
        )

    def delegations_to(self, person: str, day: date) -> list[Absence]:
        """The absences that let him act for somebody that day; never for himself under another account."""
        delegate = self._active(person)
        if delegate is None:
            return []
        himself = {person, *self._others(delegate)}
        return [
            absence
            for absence in self.absences
            if absence.delegate == person
            and absence.covers(day)
            and absence.person not in himself
            and self._active(absence.person) is not None
        ]

    def actor_for(self, person: str, represented: str, day: date) -> Actor | None:
        """He in the name of somebody who is away: with that one's duties, and with none of his own."""
        handed_on = [absence for absence in self.delegations_to(person, day) if absence.person == represented]
        if not handed_on:
            return None
        away = self.people[represented]
        everything = any(not absence.duties for absence in handed_on)
        duties = frozenset().union(*(absence.duties for absence in handed_on))
        return Actor(
            self.organisation,
            "person",
            person=person,
            on_behalf_of=represented,
            department=away.department,
            grants=frozenset(g for g in self.grants_on(represented, day) if everything or g.role in duties),
            aliases=self._others(self.people[person]) | self._others(away),
            home=None if self.people[person].organisation == self.organisation else self.people[person].organisation,
            in_relations=everything,
            own_department=self.people[person].department,
        )

    def actors(self, person: str, day: date) -> Iterator[Actor]:
        """Everything he can act as that day: himself first, then each he represents."""
        himself = self.actor(person, day)
        if himself is None:
            return
        yield himself
        for represented in dict.fromkeys(absence.person for absence in self.delegations_to(person, day)):
            actor = self.actor_for(person, represented, day)
            assert actor is not None  # the delegation was found a line above
            yield actor

    def away(self, person: str, day: date) -> list[Absence]:
        return [absence for absence in self.absences if absence.person == person and absence.covers(day)]

    def holders(self, role: str, day: date) -> list[tuple[str, str]]:
        """(person, scope) of everyone active who holds a role that day, by himself or through a group."""
        return [
            (person, grant.scope)
            for person in self.people
            if self._active(person) is not None
            for grant in sorted(self.grants_on(person, day), key=lambda g: (g.role, g.scope))
            if grant.role == role
        ]

    def _active(self, person: str) -> Person | None:
        found = self.people.get(person)
        return found if found is not None and found.active else None

    def _others(self, person: Person) -> frozenset[str]:
        """The other accounts of the same human being, as this organisation's records call them."""
        if person.human is None:
            return frozenset()
        alike = (p for p in self.people.values() if p.human == person.human)
        return frozenset(p.key_in(self.organisation) for p in alike) - {person.key_in(self.organisation)}


def days_of_change(directory: Directory, first: date, last: date) -> list[date]:
    """The days between these, the first included, on which who may do what can differ from the day before."""
    spans: list[tuple[date | None, date | None]] = [(a.first_day, a.last_day) for a in directory.absences]
    spans += [(g.valid_from, g.valid_until) for grants in directory.grants.values() for g in grants]
    spans += [(s.valid_from, s.valid_until) for group in directory.groups for s in group.seats]
    return sorted({first, *(day for day in _edges(spans) if first < day <= last)})


def _edges(spans: Iterable[tuple[date | None, date | None]]) -> Iterator[date]:
    for begins, ends in spans:
        if begins is not None:
            yield begins
        if ends is not None and ends < date.max:
            yield date.fromordinal(ends.toordinal() + 1)


def _covers(begins: date | None, ends: date | None, day: date) -> bool:
    return (begins is None or begins <= day) and (ends is None or day <= ends)


def below(top: Organisation, known: Iterable[Organisation]) -> list[Organisation]:
    """Everything under it, each after its parent, brothers by key. A ring of parents is walked once."""
    children: dict[str | None, list[Organisation]] = defaultdict(list)
    for organisation in known:
        children[organisation.parent].append(organisation)
    found: dict[str, Organisation] = {}
    waiting = list(reversed(children[top.organisation]))
    while waiting:
        following = waiting.pop()
        if following.organisation in found or following.organisation == top.organisation:
            continue
        found[following.organisation] = following
        waiting += reversed(children[following.organisation])
    return list(found.values())
