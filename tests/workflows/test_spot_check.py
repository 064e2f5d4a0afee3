"""Spot checks: what a failure opens, whom it counts against, what is drawn from; as functions and through the engine."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.actor import Actor
from engine.case import Case, Link
from engine.guards import Situation
from tests.workflows.school import CALENDAR_V1, PHOTO, School, local
from workflows.spot_check import (
    MOST_POPULATION,
    by_verifier,
    had_no_hand_in_it,
    it_failed,
    it_held,
    population_can_be_kept,
    population_of,
    question_of,
)

VISIT = "HTK-2020-0001"
OLD = "YH-2019-0007"
NOW = local("2020-01-08 10:00")


def a_case(workflow: str, number: str, state: str, **attributes: object) -> Case:
    final = state not in ("reported", "assigned", "fixed", "verified", "due", "planned")
    case = Case(
        organisation="school", number=number, workflow=workflow, version=1, state=state, final=final, opened_at=NOW,
        counts_as="closed" if final else "assigned",
    )  # fmt: skip
    return replace(case, **attributes)  # type: ignore[arg-type]  # as the row says


def seen(hazard: Case, visit: Case | None = None, **data: object) -> Situation:
    case = visit or a_case("revisit", VISIT, "due", facts={"hazard": hazard.number})
    actor = Actor("school", "person", "teacher")
    return Situation(case, actor, data, NOW, date(2020, 1, 8), CALENDAR_V1, related={hazard.number: hazard})


ACTED = {"fixer": ("alice",), "verifier": ("officer",), "approver": ("head",)}


@pytest.mark.parametrize(
    "state, opens, rebound_of, verifiers, fixers",
    [
        ("closed", 1, OLD, ("officer",), ("alice",)),  # closed and did not hold: it comes back, against its verifier
        ("rejected", 1, None, (), ("bob",)),  # taken for none, and it is one: anew, and nothing came back
        ("merged", 0, None, (), ("bob",)),  # it is fixed under another number
        ("assigned", 0, None, (), ("bob",)),  # open, and so not opened twice: whoever has it hears of it
        ("verified", 0, None, (), ("bob",)),  # nobody has vouched for it yet
    ],
)
def test_what_a_failure_opens_and_whom_it_counts_against(
    state: str, opens: int, rebound_of: str | None, verifiers: tuple[str, ...], fixers: tuple[str, ...]
) -> None:
    hazard = a_case(
        "hazard", OLD, state, title="面板破损", place="三楼", category="ELEC.wire", department="HQC", level="major",
        assignee="bob", acted=ACTED,
    )  # fmt: skip
    s = seen(hazard, finding="又破损", photos=[PHOTO])
    effect = it_failed(s, s.case)
    assert (len(effect.opens), effect.links) == (opens, (Link("revisits", OLD),))
    assert (effect.case.who_acted("verifier"), effect.case.who_acted("fixer")) == (verifiers, fixers)
    assert effect.case.department == "HQC"
    for opened in effect.opens:
        assert (opened.workflow, opened.rebound_of) == ("hazard", rebound_of)
        assert opened.data == {
            "title": "面板破损（回头看不合格）", "place": "三楼", "category": "ELEC.wire", "department": "HQC",
            "details": f"{VISIT} 回头看 {OLD}，原为重大隐患：又破损", "photos": [PHOTO], "source": "spot_check",
        }  # fmt: skip
    held = it_held(s, s.case)
    assert (held.opens, held.case.who_acted("verifier")) == ((), verifiers)


@pytest.mark.parametrize(
    "goes, may",
    [
        ({"person": "teacher"}, True),
        ({"person": "officer"}, False),
        (
            {"person": "teacher", "aliases": frozenset({"officer"})},
            False,
        ),  # drawn under one account, verified under another
        ({"person": "teacher", "on_behalf_of": "bob"}, False),
        ({"person": "teacher", "on_behalf_of": "driver", "aliases": frozenset({"alice"})}, False),
    ],
)
def test_nobody_looks_again_at_his_own_work_under_whatever_account_he_was_drawn(
    goes: dict[str, Any], may: bool
) -> None:
    hazard = a_case("hazard", OLD, "closed", assignee="bob", acted=ACTED)
    visit = a_case("revisit", VISIT, "due", facts={"hazard": OLD}, assignee=goes["person"])
    s = replace(seen(hazard, visit), actor=Actor("school", "person", **goes))
    assert had_no_hand_in_it.holds(s) is may


def test_each_verifier_is_told_the_most_failures_first() -> None:
    def visit(number: int, state: str, *verifiers: str) -> Case:
        return a_case("revisit", f"HTK-2020-000{number}", state, acted={"verifier": verifiers})

    visits = [
        visit(1, "passed", "ann", "bea"), visit(2, "failed", "bea"), visit(3, "passed", "ann"), visit(4, "due", "ann"),
        visit(5, "called_off", "ann"), visit(6, "failed"), a_case("hazard", OLD, "closed", acted={"verifier": ("ann",)}),
    ]  # fmt: skip
    told = [(held.person, [n[-1] for n in held.visits], [n[-1] for n in held.failed]) for held in by_verifier(visits)]
    assert told == [("bea", ["1", "2"], ["2"]), ("ann", ["1", "3"], [])]


@pytest.mark.parametrize(
    "said, asks",
    [
        ({"which": "closed"}, {"state": "closed"}),
        ({"which": "all"}, {"apart_from": ["reported", "rejected", "merged"]}),
        (
            {"which": "closed", "of_department": "HQC", "of_category": "ELEC", "of_level": "major"},
            {"state": "closed", "department": "HQC", "category": "ELEC", "level": "major"},
        ),
    ],
)
def test_what_it_draws_from_is_a_question_of_the_list(said: dict[str, str], asks: dict[str, object]) -> None:
    days = {"first_day": "2019-12-01", "last_day": "2019-12-31"}
    assert question_of(a_case("spot_check", "CC-2020-0001", "planned", facts={**days, **said}), CALENDAR_V1) == {
        "workflow": "hazard", "opened_from": "2019-11-30T16:00:00.000000Z", "opened_before": "2019-12-31T16:00:00.000000Z",
        **asks,
    }  # fmt: skip


def test_a_list_too_long_to_be_kept_is_not_drawn_from() -> None:
    numbers = [f"YH-2020-{n:04}" for n in range(1, MOST_POPULATION + 2)]
    s = seen(a_case("hazard", OLD, "closed"))
    for members, kept in ((numbers[:-1], True), (numbers, False)):
        counted = population_of({}, "2020-01-07T15:59:59.999999Z", reversed(members))
        assert counted["members"] == members
        assert population_can_be_kept.holds(replace(s, figures=counted)) is kept


def test_what_fails_soon_is_bound_to_what_was_drawn_and_to_nothing_else(school: School) -> None:
    """Of two that are alike the engine would take the one that was closed last."""
    drawn = school.closed()
    school.at("2020-01-07 09:00")
    later = school.closed()  # came back once already, in the ordinary way
    spot = school.open(
        "officer", "spot_check", title="抽查", first_day="2020-01-06", last_day="2020-01-06", how_many=1,
        visitors=["teacher"], due_on="2020-01-10",
    )  # fmt: skip
    spot = school.step("officer", spot, "draw")
    [visit] = [school.case(link.number) for link in spot.links if link.kind == "child"]
    failed = school.step("teacher", visit, "fail", finding="又破损", photos=[PHOTO])
    [opened] = [school.case(link.number) for link in failed.links if link.kind == "child"]
    assert [link.number for link in opened.links if link.kind == "rebound_of"] == [drawn.number]
    assert school.case(drawn.number).counters["rebounds"] == 2 and not school.case(later.number).counters
    opened = school.assign(opened)  # graded, it is not bound a second time
    assert [link.number for link in opened.links if link.kind == "rebound_of"] == [drawn.number]
