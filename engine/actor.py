"""Who acts: a person with roles in a scope, possibly on somebody's behalf; the system itself; a stranger at a place."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Self

WHOLE_ORGANISATION = "*"
ANOTHER_DEPARTMENT = (
    "_of_another_department"  # suffix: the role, held in a department that does not answer for the case
)

ActorKind = Literal["person", "system", "anonymous"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held in a scope: a department's code, or `*` for the whole organisation. Dates are inclusive local days."""

    role: str
    scope: str = WHOLE_ORGANISATION
    valid_from: date | None = None
    valid_until: date | None = None

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which cases of one organisation somebody may see. All of them, or those of some departments and those he is part of.

    Carried as plain values so that memory can turn it into SQL without asking what roles mean.
    """

    organisation: str
    everything: bool = False
    departments: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()

    def joined_with(self, other: Self) -> Self:
        """What either may see: somebody who represents another sees with both pairs of eyes."""
        return replace(
            self,
            everything=self.everything or other.everything,
            departments=self.departments | other.departments,
            persons=self.persons | other.persons,
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """The one a command comes from. Made from the sign-in, never from a request's body.

    person         the directory's key of who acts; None for the system and for strangers
    on_behalf_of   the person represented, if any; separation covers both. The grants are then those he handed on
    aliases        the other accounts of the same human beings: separation covers them too
    home           the organisation he signed in at, where that is another one
    department     where he belongs, or where whom he represents does; `own_department` is then where he belongs himself
    in_relations   whether what the represented person stands in himself (assignee, …) was handed on as well
    """

    organisation: str
    kind: ActorKind
    person: str | None = None
    department: str | None = None
    grants: frozenset[Grant] = frozenset()
    on_behalf_of: str | None = None
    place: str | None = None
    aliases: frozenset[str] = frozenset()
    home: str | None = None
    in_relations: bool = True
    own_department: str | None = None

    @property
    def principal(self) -> str:
        """The name idempotency keys and events are filed under: `person:…`, `system` or `anonymous:…`."""
        if self.kind == "person":
            return f"person:{self.person}"
        if self.kind == "anonymous":
            return f"anonymous:{self.place}"
        return "system"

    @property
    def represented(self) -> str | None:
        """Who is represented, as an event names him; None for whoever acts for himself."""
        return f"person:{self.on_behalf_of}" if self.on_behalf_of else None

    @property
    def persons(self) -> tuple[str, ...]:
        """Everyone this act counts for: the person acting and the person represented."""
        return tuple(p for p in (self.person, self.on_behalf_of) if p is not None)

    @property
    def selves(self) -> frozenset[str]:
        """Every account of every human being this act counts for: what separation and quorum look at."""
        return frozenset(self.persons) | self.aliases

    @property
    def standing(self) -> str | None:
        """Whose relations to a case count: one's own, or those of the person represented if they were handed on."""
        if self.on_behalf_of is None:
            return self.person
        return self.on_behalf_of if self.in_relations else None

    def holds_any(self, roles: Iterable[str]) -> bool:
        return any(grant.role in roles for grant in self.grants) if (roles := frozenset(roles)) else False


def system(organisation: str) -> Actor:
    """The engine acting by itself: timers, periods, recomputation."""
    return Actor(organisation=organisation, kind="system")


def anonymous(organisation: str, place: str) -> Actor:
    """A stranger at a labelled place; `place` is the label, never an address."""
    return Actor(organisation=organisation, kind="anonymous", place=place)
