"""What fell due is told once, in the way of the most urgent; a deadline moves only where the calendar moved it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.actor import Actor, Grant
from engine.calendar import Calendar
from engine.case import Case, CaseClock
from engine.commands import Remind
from engine.decision import Decision, Setting, Timer, Watch
from engine.reminding import decide_recompute, decide_reminder, timers_of
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


def planned(case: Case, calendar: Calendar) -> dict[str, datetime | None]:
    """What is on watch where the clock has just begun, counted by this calendar."""
    timers = timers_of(HAZARD.state(case.state), case, setting(calendar), None)
    return {timer.rung: timer.fire_at for timer in timers}


def recomputed(
    case: Case,
    newer: Calendar,
    now: datetime = NOW,
    by: Calendar = CALENDAR,
    rungs: Mapping[str, datetime | None] = MappingProxyType({}),
) -> Decision | None:
    """rungs    those that do not wait as they were planned"""
    return decide_recompute(HAZARD, case, setting(newer), now, Watch({**planned(case, by), **rungs}, by))


@pytest.mark.parametrize(
    "days_off, due",
    [([date(2020, 1, 10)], "2020-01-16T15:59:59+00:00"), ([date(2020, 1, 10), date(2020, 1, 13)], "2020-01-17T15:59:59+00:00")],
    ids=["a holiday before the limit", "two of them"],
)  # fmt: skip
def test_a_recompute_moves_a_deadline_where_the_calendar_moved_it(days_off: list[date], due: str) -> None:
    decision = recomputed(an_assigned_one(), CALENDAR.revised(add_days_off=days_off))
    assert decision is not None and decision.case.due_at == decision.case.first_due_at == datetime.fromisoformat(due)
    assert decision.case.generation == 2 and decision.cancels_timers
    assert decision.case.state == "assigned"
    assert [told.reason for told in decision.told] == ["recomputed"]


def test_a_calendar_that_moves_nothing_changes_nothing() -> None:
    assert recomputed(an_assigned_one(), CALENDAR) is None
    assert recomputed(an_assigned_one(), CALENDAR.revised(add_days_off=[date(2020, 6, 1)])) is None


def test_a_first_limit_that_was_extended_stays_when_the_extension_is_recomputed() -> None:
    first = DUE - timedelta(days=5)
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 10)])
    decision = recomputed(an_assigned_one(first_due_at=first, clock=clock), newer)
    assert decision is not None and decision.case.first_due_at == first


def test_a_first_limit_does_not_move_with_a_later_clock_that_happens_to_end_with_it() -> None:
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1, first=False)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 10)])
    decision = recomputed(an_assigned_one(first_due_at=DUE, clock=clock), newer)
    assert decision is not None and decision.case.clock is not None
    assert (decision.case.first_due_at, decision.case.clock.first) == (DUE, False)
    assert decision.case.due_at == datetime(2020, 1, 16, 15, 59, 59, tzinfo=UTC)


def test_what_set_the_first_limit_sets_it_again_at_every_recompute() -> None:
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 10)])
    once = recomputed(an_assigned_one(), newer)
    assert once is not None and once.case.clock is not None and once.case.clock.first
    twice = recomputed(once.case, newer.revised(add_days_off=[date(2020, 1, 13)]), by=newer)
    assert twice is not None and twice.case.first_due_at == twice.case.due_at


def test_a_deadline_that_only_became_certain_is_recorded_and_told_nobody() -> None:
    clock = CaseClock(NOW, {"workdays": 7}, DUE, provisional=True, calendar_version=1, first=True)
    decision = recomputed(an_assigned_one(clock=clock), CALENDAR)
    assert decision is not None and decision.case.clock is not None
    assert (decision.case.due_at, decision.case.clock.provisional, decision.told) == (DUE, False, ())
    assert (decision.case.generation, decision.cancels_timers) == (1, False), "no rung of it is told again"


def test_a_case_without_a_clock_has_nothing_to_recompute() -> None:
    assert decide_recompute(HAZARD, an_assigned_one(clock=None), setting(), NOW, Watch({}, CALENDAR)) is None


# --- a deadline that stays ---------------------------------------------------------------------------------------------

BY_A_PERSON = CaseClock(NOW, {"until": "2020-01-15"}, DUE, provisional=False, calendar_version=1, first=True)


def at(day: date) -> datetime:
    return CALENDAR.at(day, time(7, 40))


#: more days off; when; what is not as it was planned → what is told on which day instead, what is void
STAYS: dict[str, tuple[list[int], datetime, dict[str, datetime | None], dict[str, int], list[str]]] = {
    "one before the deadline": ([14], NOW, {}, {"before-1": 13, "before-3": 9}, []),
    "one after it": ([16], NOW, {}, {"after-1": 17, "after-3": 20}, []),
    "what was told is not told again": ([14], NOW, {"before-3": None}, {"before-1": 13}, []),
    "what would have been before now is told at once": (
        [14], at(date(2020, 1, 13)) + timedelta(hours=1), {"before-3": None}, {"before-1": 13}, [],
    ),
    "what fell due and was not told is left to be told": ([14], at(date(2020, 1, 14)), {"before-3": None}, {}, []),
    "what would have been before the clock began is no rung of it": ([14, 13, 10, 9], NOW, {}, {"before-1": 8}, ["before-3"]),
    "a number of the school's that changed is not the calendar's doing": (
        [14], NOW, {"due": at(date(2020, 1, 13)), "before-3": None}, {"before-1": 13}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("days_off, now, rungs, moved, void", STAYS.values(), ids=STAYS.keys())
def test_the_reminders_of_a_deadline_that_stays_go_by_the_calendar(
    days_off: list[int],
    now: datetime,
    rungs: dict[str, datetime | None],
    moved: dict[str, int],
    void: list[str],
) -> None:
    case = an_assigned_one(clock=BY_A_PERSON)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, day) for day in days_off])
    decision = recomputed(case, newer, now, rungs=rungs)
    if not (moved or void):
        assert decision is None
        return
    assert decision is not None and decision.case.clock is not None
    become = {timer.rung: timer.fire_at for timer in decision.moves_timers}
    near = {rung: fire_at for rung, fire_at in become.items() if rung in ("before-3", "before-1", "due", *moved)}
    assert near == {rung: at(date(2020, 1, day)) for rung, day in moved.items()}
    assert (decision.timers, list(decision.cancels_rungs)) == ((), void)
    assert set(decision.data["reminders"]) == {*become, *void}
    assert (decision.type, decision.told, decision.cancels_timers) == ("recomputed", (), False)
    assert (decision.case.due_at, decision.case.generation, decision.case.clock.calendar_version) == (DUE, 1, 2)


def test_a_rung_that_the_calendar_brings_behind_the_beginning_is_one_of_the_clock_s() -> None:
    begun = replace(BY_A_PERSON, since=at(date(2020, 1, 10)) + timedelta(hours=1))
    case = an_assigned_one(clock=begun)
    assert "before-3" not in planned(case, CALENDAR)
    newer = replace(CALENDAR, version=2, working_weekend_days=CALENDAR.working_weekend_days | {date(2020, 1, 12)})
    decision = recomputed(case, newer, begun.since)
    assert decision is not None
    assert decision.timers == (Timer("before-3", at(date(2020, 1, 12))),)
    assert decision.data["reminders"] == ["before-3"]


def test_a_rung_that_a_mistaken_notice_made_void_is_one_again_when_that_is_put_right() -> None:
    case = an_assigned_one(clock=BY_A_PERSON)
    mistaken = CALENDAR.revised(add_days_off=[date(2020, 1, day) for day in (9, 10, 13, 14)])
    wrong = recomputed(case, mistaken)
    assert wrong is not None and wrong.cancels_rungs == ("before-3",)
    on_watch = planned(case, CALENDAR) | {timer.rung: timer.fire_at for timer in wrong.moves_timers}
    del on_watch["before-3"]
    right = decide_recompute(HAZARD, wrong.case, setting(replace(CALENDAR, version=3)), NOW, Watch(on_watch, mistaken))
    assert right is not None
    assert [timer.rung for timer in right.timers] == ["before-3"]
    become = {timer.rung: timer.fire_at for timer in (*right.moves_timers, *right.timers)}
    assert on_watch | become == planned(case, CALENDAR)


def test_a_receipt_is_waited_for_in_working_days_too() -> None:
    case = an_assigned_one(clock=BY_A_PERSON, receipt_since=NOW)
    newer = CALENDAR.revised(add_days_off=[date(2020, 1, 7)])
    decision = recomputed(case, newer)
    assert decision is not None
    become = {timer.rung: timer.fire_at for timer in decision.moves_timers}
    assert become["receipt"] == NOW + timedelta(days=2)


days = st.sets(st.integers(0, 60), max_size=8)


def otherwise(version: int, picked: set[int]) -> Calendar:
    """Off on these working days of the winter, and worked on these weekend days."""
    found = [date(2020, 1, 1) + timedelta(days=day) for day in picked]
    off, worked = (frozenset(day for day in found if (day.weekday() > 4) is weekend) for weekend in (False, True))
    return replace(CALENDAR, version=version, days_off=off, working_weekend_days=worked)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(days, days, st.integers(0, 8 * 24), st.integers(0, 20 * 24), st.booleans(), st.integers(0, 2), st.booleans())
def test_however_calendars_are_corrected_each_rung_waits_where_the_newest_has_it_and_none_is_told_twice(
    first: set[int], then: set[int], began: int, hours: int, receipts: bool, later: int, handed_on: bool
) -> None:
    """And once is enough.

    later        how many fell due and were told nobody yet
    handed_on    since the others were told: the generation that runs now has no rows of them
    """
    older, newer = otherwise(1, first), otherwise(2, then)
    since = NOW + timedelta(hours=began)
    case = an_assigned_one(clock=replace(BY_A_PERSON, since=since), receipt_since=since if receipts else None)
    now = since + timedelta(hours=hours)
    before = planned(case, older)
    ripe = [rung for rung, fire_at in before.items() if fire_at is not None and fire_at <= now]
    told = dict.fromkeys(ripe[later:])
    on_watch = {rung: at for rung, at in (before | told).items() if at is not None or not handed_on}
    decision = decide_recompute(HAZARD, case, setting(newer), now, Watch(on_watch, older))
    if decision is None:
        after = on_watch
    else:
        become = {timer.rung: timer.fire_at for timer in (*decision.moves_timers, *decision.timers)}
        assert not become.keys() & {*ripe}, "what fell due is told, once"
        assert not {*decision.cancels_rungs} & {*ripe}, "and not void"
        after = on_watch | become | dict.fromkeys(decision.cancels_rungs)
        again = decide_recompute(HAZARD, decision.case, setting(newer), now, Watch(after, newer))
        assert again is None
    waits = {rung: fire_at for rung, fire_at in after.items() if fire_at is not None and rung not in ripe}
    assert "repeat-1" in waits, "an open overdue case is never silent"
    assert waits == {rung: fire_at for rung, fire_at in planned(case, newer).items() if rung not in ripe}
