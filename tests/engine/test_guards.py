"""What a condition may look at."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.case import Case
from engine.errors import Text
from engine.guards import Situation, guard

WORD = Text("词", "word")
NOW = datetime(2020, 3, 2, tzinfo=UTC)
CALENDAR = Calendar(1, "UTC", frozenset(), frozenset(), NOW.date(), NOW.date())


@guard("test.says_what_it_asks", obstacle=WORD, remedy=WORD, of_people=True, roles=("boss",))
def says_what_it_asks(s: Situation) -> bool:
    return s.actor.holds_any(("boss",))


@guard("test.keeps_it_to_itself", obstacle=WORD, remedy=WORD, of_people=True)
def keeps_it_to_itself(s: Situation) -> bool:
    return s.actor.holds_any(("boss",))


@guard("test.asks_for_the_scope", obstacle=WORD, remedy=WORD, of_people=True, roles=("boss",))
def asks_for_the_scope(s: Situation) -> bool:
    return Grant("boss", "A") in s.actor.grants


@guard("test.of_facts", obstacle=WORD, remedy=WORD)
def of_facts(s: Situation) -> bool:
    return Grant("boss", "A") in s.actor.grants


@pytest.mark.parametrize(
    "condition, shown",
    [
        (says_what_it_asks, True),
        (keeps_it_to_itself, False),
        (asks_for_the_scope, False),
        (of_facts, True),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_condition_on_people_is_shown_the_roles_it_declares_and_no_scopes(condition: Any, *, shown: bool) -> None:
    boss = Actor("school", "person", person="p", grants=frozenset({Grant("boss", "A"), Grant("clerk")}))
    case = Case("", "", "loop", 1, "reported", "reported", False, NOW)
    assert condition.holds(Situation(case, boss, {}, NOW, NOW.date(), CALENDAR)) is shown
    assert not condition.holds(Situation(case, Actor("school", "person", person="q"), {}, NOW, NOW.date(), CALENDAR))
