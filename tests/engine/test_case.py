"""A case is what its events tell: writing it down, folding its changes and reading it back give the same case."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audit import canonical
from engine.case import FIVE_STATES, NAMES_NOBODY, Case, CaseClock, Link, fold, instant_text

MONDAY = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)
CASE = Case(
    organisation="school", number="YH-2020-0001", workflow="hazard", version=1, state="assigned", counts_as="assigned",
    final=False, opened_at=MONDAY,
)  # fmt: skip
CLOCK = CaseClock(MONDAY, {"workdays": 7}, MONDAY + timedelta(days=9), provisional=False, calendar_version=1)

WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001  # made aware beside it
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
PERSONS = st.lists(st.sampled_from(["alice", "bob", "charlie"]), unique=True, max_size=3).map(tuple)
CLOCKS = st.builds(
    CaseClock,
    since=INSTANTS,
    budget=st.fixed_dictionaries({"workdays": st.integers(1, 30)}),
    due_at=INSTANTS,
    provisional=st.booleans(),
    calendar_version=st.integers(1, 9),
    first=st.booleans(),
)
FACTS = st.dictionaries(st.sampled_from(["limit", "asked", "interim", "photos", "facts.odd"]), VALUES)
CASES = st.builds(
    Case,
    organisation=st.just("school"),
    number=st.just("YH-2020-0001"),
    workflow=st.just("hazard"),
    version=st.integers(1, 3),
    state=WORDS,
    counts_as=st.sampled_from(FIVE_STATES),
    final=st.booleans(),
    opened_at=INSTANTS,
    revision=st.integers(0, 99),
    title=WORDS,
    assignee=st.none() | st.sampled_from(["alice", "bob"]),
    closed_at=st.none() | INSTANTS,
    clock=st.none() | CLOCKS,
    first_due_at=st.none() | INSTANTS,
    receipt_since=st.none() | INSTANTS,
    signed=st.dictionaries(st.sampled_from(["verify", "approve"]), PERSONS),
    acted=st.dictionaries(st.sampled_from(["fixer", "verifier"]), PERSONS),
    facts=FACTS,
    counters=st.dictionaries(st.sampled_from(["returned", "extended"]), st.integers(0, 9)),
    links=st.lists(st.builds(Link, st.sampled_from(["child", "parent"]), WORDS), max_size=2).map(tuple),
)


@given(CASES)
def test_a_case_written_down_and_read_back_is_the_same_case(case: Case) -> None:
    assert Case.from_json(case.to_json()) == case
    canonical(case.to_json())  # plain values only, without floats


def grown(cases: list[Case]) -> list[Case]:
    """A history: facts are added and changed and never taken away, as steps do it."""
    facts: Mapping[str, Any] = {}
    history = []
    for case in cases:
        facts = {**facts, **case.facts}
        history.append(replace(case, facts=facts))
    return history


@given(st.lists(CASES, min_size=1, max_size=5).map(grown))
def test_folding_what_changed_gives_the_case_at_every_event(history: list[Case]) -> None:
    changes: list[Mapping[str, Any]] = [
        after.changes_since(before) for before, after in zip([None, *history[:-1]], history, strict=True)
    ]
    for place, case in enumerate(history, start=1):
        assert fold(changes[:place], last_hash=case.last_hash) == case


@given(CASES)
def test_what_did_not_change_is_not_recorded(case: Case) -> None:
    assert case.changes_since(case) == {}


def test_a_changed_fact_is_recorded_by_its_name_and_nothing_else() -> None:
    after = CASE.with_facts({"interim": "断电挂牌"})
    assert after.changes_since(CASE) == {"facts.interim": "断电挂牌"}


OVERDUE: dict[str, tuple[Case, timedelta, bool]] = {
    "a second before": (replace(CASE, clock=CLOCK), timedelta(seconds=-1), False),
    "at the very instant": (replace(CASE, clock=CLOCK), timedelta(0), False),
    "a second after": (replace(CASE, clock=CLOCK), timedelta(seconds=1), True),
    "long after, but closed": (replace(CASE, clock=CLOCK, final=True), timedelta(days=99), False),
    "without a clock": (CASE, timedelta(days=99), False),
}


@pytest.mark.parametrize("case, later, overdue", OVERDUE.values(), ids=OVERDUE.keys())
def test_overdue_is_a_fact_of_the_clock(case: Case, later: timedelta, overdue: bool) -> None:
    assert case.overdue(CLOCK.due_at + later) is overdue


@given(
    CASES,
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "title": WORDS,
                "closed_at": st.none() | INSTANTS,
                "clock": st.none() | CLOCKS,
                "facts": FACTS,
                "last_hash": WORDS,
            },
        ),
        max_size=4,
    ),
)
def test_a_case_changed_step_by_step_is_written_as_one_made_at_once(case: Case, steps: list[dict[str, Any]]) -> None:
    before = Case.from_json(case.to_json())
    changed = before
    for place, values in enumerate(steps):
        changed = changed.changed(**values)
        if place % 2:
            changed.to_json()  # what was written in between is not what is written in the end
    anew = replace(changed)
    assert changed == anew and changed.to_json() == anew.to_json()
    assert changed.changes_since(before) == anew.changes_since(before)


def test_what_is_no_attribute_of_a_case_cannot_be_changed_or_read() -> None:
    with pytest.raises(TypeError, match="colour"):
        CASE.changed(colour="red")
    with pytest.raises(TypeError, match="colour"):
        Case.from_json({**CASE.to_json(), "colour": "red"})
    with pytest.raises(TypeError, match="number"):
        Case.from_json({name: value for name, value in CASE.to_json().items() if name != "number"})


def test_an_opening_records_what_is_known_and_leaves_out_what_every_case_begins_with() -> None:
    assert CASE.changed(title="插座松动").with_facts({"source": "patrol"}).changes_since(None) == {
        "organisation": "school", "number": "YH-2020-0001", "workflow": "hazard", "version": 1, "state": "assigned",
        "counts_as": "assigned", "final": False, "opened_at": "2020-01-06T01:00:00.000000Z", "title": "插座松动",
        "facts.source": "patrol",
    }  # fmt: skip


def test_what_a_case_begins_with_stays_what_it_was() -> None:
    """Openings on record leave it out, so another default would be another history."""
    begun = {"revision": 0, "sequence": 0, "generation": 0, "supervised": False}
    texts = dict.fromkeys(("title", "place", "category", "level", "mode"), "")
    nothing = (
        "last_recorded_at",
        "department",
        "reporter",
        "assignee",
        "closed_at",
        "clock",
        "first_due_at",
        "receipt_since",
        "acknowledged_at",
        "period",
    )
    empty: dict[str, Any] = {**{name: {} for name in ("signed", "acted", "facts", "counters")}, "links": []}
    said = CASE.changes_since(None)
    assert {n: v for n, v in CASE.to_json().items() if n not in said} == {
        **begun,
        **texts,
        **dict.fromkeys(nothing),
        **empty,
    }


def test_whatever_may_name_somebody_or_was_typed_can_be_erased_by_itself() -> None:
    """An attribute that comes to a case is to be thought about, and stands by itself until it was."""
    said_by_the_envelope = {"organisation", "number", "state", "opened_at", "sequence", "last_recorded_at"}
    assert CASE.to_json().keys() - NAMES_NOBODY - said_by_the_envelope == {
        "title", "place", "category", "level", "department", "reporter", "assignee", "acted", "signed", "facts", "links",
    }  # fmt: skip


def test_who_acted_is_remembered_once_and_in_order() -> None:
    case = CASE.with_acted("fixer", "alice", None).with_acted("fixer", "bob", "alice", "bob")
    assert case.who_acted("fixer") == ("alice", "bob")
    assert case.who_acted("verifier") == ()
    assert CASE.acted == {}


def test_the_same_bond_is_tied_once() -> None:
    case = CASE.linked("child", "YH-2020-0002").linked("child", "YH-2020-0002").linked("parent", "YH-2020-0002")
    assert case.links == (Link("child", "YH-2020-0002"), Link("parent", "YH-2020-0002"))


def test_counting_goes_on_from_where_it_was() -> None:
    assert CASE.counted("returned").counted("returned").counters == {"returned": 2}


def test_an_instant_is_spelled_in_utc_with_six_digits() -> None:
    east = datetime.fromisoformat("2020-01-06T09:00:00+08:00")
    assert instant_text(east) == "2020-01-06T01:00:00.000000Z"


def test_the_hour_that_a_clock_shows_twice_is_spelled_as_two() -> None:
    first = datetime(2020, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert [instant_text(first), instant_text(first.replace(fold=1))] == [
        "2020-11-01T05:30:00.000000Z",
        "2020-11-01T06:30:00.000000Z",
    ]


# --- relations of many ---------------------------------------------------------------------------------------------------

KNOWN = CASE.with_acted("conveyer", "dora").with_acted("addressee", "alice", "bob", "charlie")


def test_an_event_of_a_confirmation_names_nobody_but_whom_it_adds() -> None:
    many = CASE.with_acted("addressee", *(f"p{n}" for n in range(300)))
    after = many.with_acted("confirmed", "p7")
    assert after.changes_since(many) == {"acted.confirmed+": ["p7"]}
    again = after.with_acted("confirmed", "p8", "p9").with_acted("fixer", "p8")
    assert again.changes_since(after) == {"acted": {"fixer": ["p8"]}, "acted.confirmed+": ["p8", "p9"]}


def test_a_relation_of_few_is_recorded_whole_as_ever() -> None:
    after = CASE.with_acted("fixer", "alice").with_acted("fixer", "bob")
    assert after.changes_since(CASE) == {"acted": {"fixer": ["alice", "bob"]}}


SETTLING = st.lists(
    st.tuples(
        st.sampled_from(["addressee", "confirmed", "excused", "fixer"]),
        st.lists(st.sampled_from(["alice", "bob", "charlie", "dora", "erin"]), max_size=3),
    ),
    max_size=8,
)


@given(SETTLING)
def test_who_joined_a_relation_of_many_folds_back_in_whatever_order(steps: list[tuple[str, list[str]]]) -> None:
    case, changes = CASE, [CASE.changes_since(None)]
    for relation, persons in steps:
        after = case.with_acted(relation, *persons)
        changes.append(after.changes_since(case))
        case = after
        assert fold(list(changes)) == case
        assert set(case.unconfirmed) == set(case.who_acted("addressee")) - {
            *case.who_acted("confirmed"), *case.who_acted("excused"),
        }  # fmt: skip


@pytest.mark.parametrize(
    "settled, left",
    [
        ({}, ("alice", "bob", "charlie")),
        ({"confirmed": ("bob",)}, ("alice", "charlie")),
        ({"confirmed": ("bob",), "excused": ("alice",)}, ("charlie",)),
        ({"confirmed": ("alice", "bob", "charlie")}, ()),
    ],
    ids=["nobody yet", "one", "one, and one excused", "everybody"],
)
def test_who_has_not_is_whoever_has_to_know_and_has_settled_nothing(
    settled: dict[str, tuple[str, ...]], left: tuple[str, ...]
) -> None:
    case = KNOWN
    for relation, persons in settled.items():
        case = case.with_acted(relation, *persons)
    assert case.unconfirmed == left
