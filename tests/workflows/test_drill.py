"""The drill loop: planned, announced, held and timed, reviewed, filed; every problem becomes a hazard."""

from typing import Any

import pytest

from engine.case import FIVE_STATES, Case, Link
from engine.definition import guards_of
from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow
from tests.workflows.school import PHOTO, School, local, local_day
from workflows.drill import DRILL

HELD: dict[str, Any] = {
    "held_on": "2020-01-10",
    "evacuation_seconds": 110,
    "should_attend": 1200,
    "attended": 1187,
    "course": "警报响后各班沿固定路线撤离",
    "photos": [PHOTO],
}
PROBLEM = {"title": "三楼东侧楼梯拥堵", "place": "教学楼三楼东侧楼梯"}


def planned(school: School, **data: Any) -> Case:
    given = {
        "title": "冬季疏散演练", "place": "教学楼", "department": "XB1", "planned_on": "2020-01-10",
        "plan_name": "火灾疏散预案",
    }  # fmt: skip
    return school.open("officer", "drill", **{**given, **data})


def announced(school: School, **data: Any) -> Case:
    return school.step(
        "officer", planned(school, **data), "announce", assignee="head_of_xb1", arrangement="各班主任带队"
    )


def held(school: School, *, target: int = 120, **data: Any) -> Case:
    case = announced(school, target_seconds=target)
    school.at("2020-01-10 16:00")
    return school.step("head_of_xb1", case, "hold", **{**HELD, **data})


def reviewed(school: School, *problems: dict[str, str]) -> Case:
    return school.step(
        "head_of_office", held(school), "review", suitability="适宜", sufficiency="充分", problems=list(problems)
    )


def test_a_drill_goes_through_the_five_states_under_titles_of_its_own(school: School) -> None:
    case = school.step("vice", reviewed(school), "archive", opinion="同意归档")
    states = [event.to_state for event in school.events(case)]
    assert states == list(FIVE_STATES)
    assert [DRILL.state(state).title.zh for state in states] == ["已计划", "已布置", "已演练", "已评估", "已归档"]
    assert (case.number, case.final) == ("YL-2020-0001", True)


TIMES: dict[str, tuple[int, int, bool]] = {
    "faster than the target": (110, 120, True),
    "exactly the target": (120, 120, True),
    "a second over it": (121, 120, False),
    "a primary school's target": (170, 180, True),
}


@pytest.mark.parametrize("seconds, target, met", TIMES.values(), ids=TIMES.keys())
def test_the_seconds_are_held_against_the_target(school: School, seconds: int, target: int, met: bool) -> None:
    case = held(school, target=target, evacuation_seconds=seconds)
    assert case.facts["target_met"] is met
    assert case.facts["evacuation_seconds"] == seconds


HEADS: dict[str, tuple[int, int, int]] = {
    "everybody came": (1200, 1200, 0),
    "thirteen were missing": (1200, 1187, 13),
    "nobody was expected and nobody came": (0, 0, 0),
}


@pytest.mark.parametrize("expected, counted, absent", HEADS.values(), ids=HEADS.keys())
def test_the_heads_are_held_against_those_expected(school: School, expected: int, counted: int, absent: int) -> None:
    assert held(school, should_attend=expected, attended=counted).facts["absent"] == absent


UNREADABLE: dict[str, dict[str, Any]] = {
    "more heads than expected": {"should_attend": 10, "attended": 11},
    "no seconds": {"evacuation_seconds": 0},
    "seconds left out": {"evacuation_seconds": None},
    "no photo": {"photos": []},
    "a photo nobody uploaded": {"photos": ["c" * 64]},
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_record_that_cannot_be_true_is_refused(school: School, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        held(school, **data)


DAYS_HELD: dict[str, tuple[str, str, bool]] = {
    "on its day": ("2020-01-10 00:00", "2020-01-10", True),
    "recorded a week later": ("2020-01-17 09:00", "2020-01-10", True),
    "on the day it was planned": ("2020-01-10 16:00", "2020-01-06", True),
    "before it was planned": ("2020-01-10 16:00", "2020-01-05", False),
    "a second before its day": ("2020-01-09 23:59:59", "2020-01-10", False),
    "a year ahead": ("2020-01-10 16:00", "2021-01-10", False),
}


@pytest.mark.parametrize("now, held_on, recorded", DAYS_HELD.values(), ids=DAYS_HELD.keys())
def test_a_drill_is_recorded_from_the_day_it_was_planned_to_today(
    school: School, now: str, held_on: str, recorded: bool
) -> None:
    case = announced(school)
    school.at(now)
    if recorded:
        assert school.step("head_of_xb1", case, "hold", **{**HELD, "held_on": held_on}).state == "fixed"
        return
    with pytest.raises(GuardRefused) as refused:
        school.step("head_of_xb1", case, "hold", **{**HELD, "held_on": held_on})
    assert refused.value.guard == "drill.held_since_planned"


DAYS_PLANNED: dict[str, tuple[str, bool]] = {
    "today": ("2020-01-06", True),
    "on a day off": ("2020-01-11", True),
    "a year ahead": ("2021-01-05", True),
    "yesterday": ("2020-01-05", False),
    "more than a year ahead": ("2021-01-06", False),
}


@pytest.mark.parametrize("day, ahead", DAYS_PLANNED.values(), ids=DAYS_PLANNED.keys())
def test_a_drill_is_planned_within_the_coming_year(school: School, day: str, ahead: bool) -> None:
    if ahead:
        assert planned(school, planned_on=day).due_at == local(f"{day} 23:59:59")
        return
    with pytest.raises(GuardRefused) as refused:
        planned(school, planned_on=day)
    assert refused.value.guard == "drill.planned_ahead"


@pytest.mark.parametrize("day, ahead", [("2020-01-10", True), ("2020-01-09", False), ("2021-01-10", False)])
def test_a_drill_is_held_again_within_the_coming_year(school: School, day: str, ahead: bool) -> None:
    case = held(school)
    if ahead:
        assert school.step("officer", case, "repeat", reason="用时超标", planned_on=day).state == "assigned"
        return
    with pytest.raises(GuardRefused) as refused:
        school.step("officer", case, "repeat", reason="用时超标", planned_on=day)
    assert refused.value.guard == "drill.planned_ahead"


@pytest.mark.parametrize("day", ["1999-12-31", "2101-01-01", "0001-01-01", "9999-12-31"])
def test_a_day_beyond_every_calendar_cannot_be_read(school: School, day: str) -> None:
    with pytest.raises(InvalidInput):
        planned(school, planned_on=day)
    with pytest.raises(InvalidInput):
        held(school, held_on=day)


def test_every_condition_of_the_loop_is_shown_here() -> None:
    drawn = {guard.name for transition in DRILL.transitions for guard in guards_of(transition.guards)}
    drawn |= {guard.name for guard in guards_of(DRILL.opening_guards)}
    assert drawn == {"drill.planned_ahead", "drill.held_since_planned"}


def test_every_problem_becomes_a_hazard_that_names_its_drill(school: School) -> None:
    second = {**PROBLEM, "title": "警铃听不见", "category": "FIRE.alarm"}
    case = reviewed(school, PROBLEM, second)
    assert case.facts["problems_found"] == 2
    hazards = [school.case(link.number) for link in case.links]
    assert [link.kind for link in case.links] == ["child", "child"]
    assert [(h.workflow, h.title, h.category, h.department, h.state) for h in hazards] == [
        ("hazard", "三楼东侧楼梯拥堵", "MGMT.drill", "XB1", "reported"),
        ("hazard", "警铃听不见", "FIRE.alarm", "XB1", "reported"),
    ]
    assert all(hazard.links == (Link("parent", case.number),) for hazard in hazards)
    assert all(hazard.reporter == "head_of_office" for hazard in hazards)


def test_a_drill_without_problems_says_so(school: School) -> None:
    case = reviewed(school)
    assert (case.facts["problems_found"], case.links) == (0, ())


def test_a_drill_that_failed_is_held_again_on_a_new_day(school: School) -> None:
    case = school.step("officer", held(school), "repeat", reason="用时超标", planned_on="2020-01-17")
    assert (case.state, case.counters["returned"]) == ("assigned", 1)
    assert case.due_at == local("2020-01-17 23:59:59")
    assert local_day(case.first_due_at) == "2020-01-10"


def test_whoever_led_the_drill_does_not_review_it(school: School) -> None:
    case = school.step("officer", planned(school), "announce", assignee="head_of_office", arrangement="各班主任带队")
    case = school.at("2020-01-10 16:00").step("head_of_office", case, "hold", **HELD)
    with pytest.raises(NotAllowed) as refused:
        school.step("head_of_office", case, "review", suitability="适宜", sufficiency="充分")
    assert refused.value.reason == "separation"
    assert school.step("officer", case, "review", suitability="适宜", sufficiency="充分").state == "verified"


def test_whoever_reviewed_it_does_not_file_it(school: School) -> None:
    case = school.step("vice", held(school), "review", suitability="适宜", sufficiency="充分")
    with pytest.raises(NotAllowed):
        school.step("vice", case, "archive", opinion="同意归档")
    assert school.step("principal", case, "archive", opinion="同意归档").final


def test_a_cancelled_drill_is_over_and_a_held_one_cannot_be_cancelled(school: School) -> None:
    case = school.step("vice", announced(school), "cancel", opinion="疫情防控，暂停聚集")
    assert (case.state, case.counts_as, case.final) == ("cancelled", "closed", True)
    with pytest.raises(NotPossibleNow):
        school.step("vice", held(school), "cancel", opinion="疫情防控，暂停聚集")


def test_a_drill_not_held_by_its_day_is_overdue_and_climbs(school: School) -> None:
    case = announced(school)
    school.at("2020-01-13 07:40").tick()
    assert school.case(case.number).overdue(school.clock.now())
    assert "escalation" in [notice.reason for notice in school.notices(case)]
