"""Named yes/no conditions on a case and a command.

A guard is registered once under a name whose meaning never changes: open cases are pinned to definitions that speak of
it. A condition whose meaning has to change is a new guard under a new name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.case import ADDRESSEE, CONFIRMED, Case
from engine.errors import Text


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a guard or an effect may look at. Nothing in it can be changed, and nothing else can be asked.

    case      as it stands before the step; while a case is being opened, as the opening form describes it
    data      the form's answers as JSON values, already validated
    today     the local day of `now`
    calendar  the organisation's newest
    policy    the workflow's numbers as they hold for this organisation
    people    person → department of everybody the form names
    departed  who has not confirmed and has left since: nobody waits for him
    related   by number: the cases the form refers to, as far as the actor may see them, and while a step is taken the case's
              own children and what it goes to look at again (`engine.case.LOOKED_AT`)
    figures   what the engine counted for a step that takes figures (`Transition.figures`); nobody sends them
    """

    case: Case
    actor: Actor
    data: Mapping[str, Any]
    now: datetime
    today: date
    calendar: Calendar
    policy: Mapping[str, Any] = field(default_factory=dict)
    related: Mapping[str, Case] = field(default_factory=dict)
    people: Mapping[str, str | None] = field(default_factory=dict)
    figures: Mapping[str, Any] | None = None
    departed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition with its words: what stands in the way when it does not hold, and what to do next.

    reads_form  it looks at the form's answers, so nobody can say before they are given whether it will hold
    of_people   it looks only at who acts (his accounts, whether he is of the case's department, which of `roles` he holds
                in whatever scope) and whom the form names, so `engine.proof` asks it too; the others look at facts
    roles       the roles it asks for: a condition on people is shown no others, and no scopes. So nobody can write one
                that `engine.proof` sees in another light than the engine
    """

    name: str
    condition: Callable[[Situation], bool]
    obstacle: Text
    remedy: Text
    reads_form: bool = False
    of_people: bool = False
    roles: frozenset[str] = frozenset()

    def holds(self, situation: Situation) -> bool:
        if self.of_people and situation.actor.grants:
            held = frozenset(Grant(role) for role in self.roles if situation.actor.holds_any((role,)))
            situation = replace(situation, actor=replace(situation.actor, grants=held))
        return self.condition(situation)


_REGISTERED: dict[str, Guard] = {}


def guard(
    name: str,
    *,
    obstacle: Text,
    remedy: Text,
    reads_form: bool = False,
    of_people: bool = False,
    roles: Iterable[str] = (),
) -> Callable[[Callable[[Situation], bool]], Guard]:
    """Register the decorated condition as `name`. Raises ValueError when the name is taken."""

    def register(condition: Callable[[Situation], bool]) -> Guard:
        if name in _REGISTERED:
            raise ValueError(f"guard {name!r} is registered already; a changed meaning needs a new name")
        _REGISTERED[name] = Guard(name, condition, obstacle, remedy, reads_form, of_people, frozenset(roles))
        return _REGISTERED[name]

    return register


def guard_named(name: str) -> Guard | None:
    return _REGISTERED.get(name)


# --- of cases that many have to know of ------------------------------------------------------------------------------

EVERYONE_HAS_CONFIRMED = "everyone_has_confirmed"


@guard(
    EVERYONE_HAS_CONFIRMED,
    obstacle=Text("还有人没有确认知晓", "somebody who has to know of it has not confirmed yet"),
    remedy=Text(
        "请催促名单上的人确认；确实无法确认的，写明理由后免予确认",
        "Remind those on the list; excuse whoever really cannot confirm, and say why",
    ),
)
def everyone_has_confirmed(s: Situation) -> bool:
    return s.departed.issuperset(s.case.unconfirmed)


@guard(
    "not_confirmed_yet",
    obstacle=Text("您已经确认知晓", "you have confirmed that you know of it"),
    remedy=Text("不用再办", "There is nothing left to do"),
)
def not_confirmed_yet(s: Situation) -> bool:
    """Whichever of his accounts was addressed: it is the human being who knows."""
    return not s.actor.selves.isdisjoint({*s.case.who_acted(ADDRESSEE)} - {*s.case.who_acted(CONFIRMED)})
