"""What fell due is told once, in the way of the most urgent; a deadline moves only where the calendar moved it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.case import Case, CaseClock
from engine.commands import Remind
from engine.decision import Setting, Timer
from engine.reminding import decide_recompute, decide_reminder
from tests.engine.fakes import CALENDAR
from workflows.hazard import HAZARD

NOW = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)
DUE = datetime(2020, 1, 15, 15, 59, 59, tzinfo=UTC)
ALICE = Actor("school", "person", person="alice", department="HQC", grants=frozenset({Grant("repairer", "HQC")}))


def an_assigned_one(**attributes: Any) -> Case:
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1, first=True)
    given = {
        "level": "general",
        "mode": "general",
        "clock": clock,
        "first_due_at": DUE,
        "facts": {"limit": {"workdays": 7}},
    }
    case = Case(
        organisation="school", number="YH-2020-0001", workflow="hazard", version=1, state="assigned",
        counts_as="assigned", final=False, opened_at=NOW, revision=3, generation=1, title="through",
        reporter="dora", assignee="alice", department="HQC",
    )  # fmt: skip
    return replace(case, **{**given, **attributes})


def setting(calendar: Calendar = CALENDAR) -> Setting:
    return Setting(ALICE, HAZARD.defaults(), calendar)


REMINDERS: dict[str, tuple[tuple[str, ...], timedelta, tuple[str, str, tuple[str, ...], str]]] = {
    "one before": (("before-3",), timedelta(days=-3), ("before-3", "reminder", ("assignee",), "digest")),
    "one after": (("after-1",), timedelta(days=1), ("after-1", "escalation", ("assignee", "dept_head"), "direct")),
    "a receipt": (("receipt",), timedelta(days=-8), ("receipt", "receipt", ("assignee", "dept_head"), "direct")),
    "the highest of three, in whatever order": (
        ("due", "before-3", "before-1"), timedelta(0), ("due", "reminder", ("assignee", "dept_safety"), "direct"),
    ),
    "a receipt and a rung": (
        ("after-1", "receipt"), timedelta(days=1), ("after-1", "escalation", ("assignee", "dept_head"), "direct"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rungs, later, expected", REMINDERS.values(), ids=REMINDERS.keys())
def test_of_the_rungs_that_fell_due_the_highest_is_told_to_all_they_would_have_reached(
    rungs: tuple[str, ...], later: timedelta, expected: tuple[str, str, tuple[str, ...], str]
) -> None:
    case = an_assigned_one()
    decision = decide_reminder(HAZARD, case, Remind(case.number, 1, rungs), DUE + later, setting())
    [told] = decision.told
    assert (decision.trigger, told.reason, told.audience, told.how) == expected
    assert set(told.skipped) == set(rungs) - {decision.trigger}
    assert (decision.type, decision.new_revision, decision.case) == ("reminded", False, case)


def test_the_last_rungs_mark_the_case_and_the_repetition_goes_on() -> None:
    case = an_assigned_one()
    late = datetime(2020, 3, 2, 0, 0, tzinfo=UTC)
    rungs = ("after-7", "after-15")
    decision = decide_reminder(HAZARD, case, Remind(case.number, 1, rungs), late, setting())
    assert (decision.case.supervised, decision.case.facts["meeting_list"], decision.new_revision) == (True, True, True)
    repeated = decide_reminder(HAZARD, case, Remind(case.number, 1, ("repeat-1",)), late, setting())
    assert repeated.trigger.startswith("repeat-")
    [following] = repeated.timers
    assert following.rung.startswith("repeat-") and following.fire_at > late
    assert isinstance(following, Timer)


RECOMPUTED: dict[str, tuple[list[date], str | None]] = {
    "a holiday before the limit": ([date(2020, 1, 10)], "2020-01-16T15:59:59+00:00"),
    "two of them": ([date(2020, 1, 10), date(2020, 1, 13)], "2020-01-17T15:59:59+00:00"),
    "a holiday after it": ([date(2020, 1, 20)], None),
    "nothing new": ([], None),
}


@pytest.mark.parametrize("days_off, due", RECOMPUTED.values(), ids=RECOMPUTED.keys())
def test_a_recompute_moves_a_deadline_only_where_the_calendar_moved_it(days_off: list[date], due: str | None) -> None:
    case = an_assigned_one()
    newer = CALENDAR.revised(add_days_off=days_off)
    decision = decide_recompute(HAZARD, case, setting(newer), NOW)
    if due is None:
        assert decision is None
        return
    assert decision is not None and decision.case.due_at == decision.case.first_due_at == datetime.fromisoformat(due)
    assert decision.case.generation == 2 and decision.cancels_timers
    assert decision.case.state == "assigned"


def test_a_first_limit_that_was_extended_stays_when_the_extension_is_recomputed() -> None:
    first = DUE - timedelta(days=5)
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 10)])
    decision = decide_recompute(HAZARD, an_assigned_one(first_due_at=first, clock=clock), setting(newer), NOW)
    assert decision is not None and decision.case.first_due_at == first


def test_a_first_limit_does_not_move_with_a_later_clock_that_happens_to_end_with_it() -> None:
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1, first=False)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 10)])
    decision = decide_recompute(HAZARD, an_assigned_one(first_due_at=DUE, clock=clock), setting(newer), NOW)
    assert decision is not None and decision.case.clock is not None
    assert (decision.case.first_due_at, decision.case.clock.first) == (DUE, False)
    assert decision.case.due_at == datetime(2020, 1, 16, 15, 59, 59, tzinfo=UTC)


def test_what_set_the_first_limit_sets_it_again_at_every_recompute() -> None:
    once = decide_recompute(HAZARD, an_assigned_one(), setting(CALENDAR.revised(add_days_off=[date(2020, 1, 10)])), NOW)
    assert once is not None and once.case.clock is not None and once.case.clock.first
    again = CALENDAR.revised(add_days_off=[date(2020, 1, 10)]).revised(add_days_off=[date(2020, 1, 13)])
    twice = decide_recompute(HAZARD, once.case, setting(again), NOW)
    assert twice is not None and twice.case.first_due_at == twice.case.due_at


def test_a_deadline_that_only_became_certain_is_recorded_and_told_nobody() -> None:
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=True, calendar_version=1, first=True)
    decision = decide_recompute(HAZARD, an_assigned_one(clock=clock), setting(), NOW)
    assert decision is not None and decision.case.clock is not None
    assert (decision.case.due_at, decision.case.clock.provisional, decision.told) == (DUE, False, ())


def test_a_case_without_a_clock_has_nothing_to_recompute() -> None:
    assert decide_recompute(HAZARD, an_assigned_one(clock=None), setting(), NOW) is None
