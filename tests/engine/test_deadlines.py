import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import Calendar
from engine.deadlines import (
    Budget,
    Ladder,
    PlannedRung,
    Rung,
    due_at,
    in_words,
    is_overdue,
    next_repeat,
    plan_rungs,
    repeats_between,
)

#: January 2020 as first published, and as lengthened on 27 January
VERSION_1 = Calendar(
    version=1,
    time_zone="Asia/Shanghai",
    days_off=frozenset({date(2020, 1, 1), *(date(2020, 1, day) for day in range(24, 31))}),
    working_weekend_days=frozenset({date(2020, 1, 19), date(2020, 2, 1)}),
    known_from=date(2019, 1, 1),
    known_until=date(2020, 12, 31),
    estimated_days_off=frozenset({date(2021, 1, 1)}),
)
VERSION_2 = VERSION_1.revised(add_days_off=[date(2020, 1, 31), date(2020, 2, 1), date(2020, 2, 2)])

THREE_WORKDAYS = Budget(workdays=3)


def local(text: str) -> datetime:
    """An instant by its Shanghai time: "2020-01-22 10:00"."""
    return datetime.fromisoformat(f"{text}:00+08:00")


def end(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T23:59:59+08:00")


# --- budgets and deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "budget, since, due, because",
    [
        (Budget(hours=24), "2020-01-22 16:30", local("2020-01-23 16:30"), "hours run on through the night"),
        (Budget(hours=24), "2020-01-23 16:30", local("2020-01-31 16:30"), "24 January is a day off: its time, later"),
        (Budget(hours=7), "2020-01-23 17:00", local("2020-01-31 00:00"), "midnight begins the day off"),
        (Budget(hours=200), "2020-01-23 16:30", local("2020-02-01 00:30"), "days off in between do count"),
        (Budget(hours=24), "2020-01-17 10:00", local("2020-01-19 10:00"), "a make-up Sunday is a working day"),
        (Budget(days=0), "2020-01-23 16:30", end("2020-01-23"), "the end of the same local day"),
        (Budget(days=0), "2020-01-23 00:30", end("2020-01-23"), "of the local day, not of UTC's"),
        (Budget(days=0), "2020-01-25 09:00", end("2020-01-31"), "the same day is a day off"),
        (Budget(days=1), "2020-01-23 09:00", end("2020-01-31"), "24 January is a day off"),
        (Budget(days=2), "2020-01-17 09:00", end("2020-01-19"), "a make-up Sunday is a working day"),
        (Budget(days=30), "2020-01-02 09:00", end("2020-02-01"), "natural days count every day"),
        (Budget(until=date(2020, 1, 25)), "2020-01-02 09:00", end("2020-01-25"), "a day set by a person stays"),
        (Budget(workdays=1), "2020-01-17 09:00", end("2020-01-19"), "a make-up Sunday is a working day"),
        (Budget(workdays=1), "2020-01-18 09:00", end("2020-01-19"), "the day it began is not the first"),
        (Budget(workdays=6), "2020-01-10 18:00", end("2020-01-19"), "13 to 17 and the Sunday"),
        (Budget(workdays=1), "2020-01-23 09:00", end("2020-01-31"), "over the whole holiday"),
        (THREE_WORKDAYS, "2020-01-22 10:00", end("2020-02-01"), "23, 31 and the make-up Saturday"),
    ],
)
def test_when_a_budget_runs_out(budget: Budget, since: str, due: datetime, because: str) -> None:
    deadline = due_at(budget, local(since), VERSION_1)
    assert deadline.due_at == due, because
    assert deadline.due_at.tzinfo is UTC
    assert deadline.calendar_version == 1
    assert not deadline.provisional


def test_a_lengthened_holiday_moves_a_working_day_deadline_only_when_it_is_counted_again() -> None:
    before = due_at(THREE_WORKDAYS, local("2020-01-22 10:00"), VERSION_1)
    after = due_at(THREE_WORKDAYS, local("2020-01-22 10:00"), VERSION_2)
    assert (before.due_at, before.calendar_version) == (end("2020-02-01"), 1)  # 23 Jan, 31 Jan, 1 Feb
    assert (after.due_at, after.calendar_version) == (end("2020-02-04"), 2)  # 23 Jan, 3 Feb, 4 Feb


@pytest.mark.parametrize(
    "budget, used, due, because",
    [
        (Budget(workdays=7), 2, end("2020-01-10"), "five are left: 6, 7, 8, 9, 10 January"),
        (Budget(workdays=7), 7, end("2020-01-03"), "nothing is left on a working day"),
        (Budget(workdays=7), 9, end("2020-01-03"), "more than all is used up"),
        (Budget(days=30), 27, end("2020-01-06"), "natural days"),
        (Budget(days=30), 28, end("2020-01-06"), "the two that are left end on a Sunday"),
        (Budget(days=30), 31, end("2020-01-03"), "no natural day is left"),
        (Budget(hours=24), timedelta(hours=20, minutes=30), local("2020-01-03 12:30"), "three and a half hours"),
        (Budget(hours=24), timedelta(hours=25), local("2020-01-03 09:00"), "no hour is left"),
        (Budget(hours=4), 0, local("2020-01-03 13:00"), "nothing used needs no unit"),
    ],
)
def test_what_is_used_up_is_taken_off(budget: Budget, used: timedelta | int, due: datetime, because: str) -> None:
    assert due_at(budget, local("2020-01-03 09:00"), VERSION_1, used).due_at == due, because


def test_with_nothing_left_on_a_day_off_the_next_working_day_is_due() -> None:
    assert due_at(THREE_WORKDAYS, local("2020-01-25 09:00"), VERSION_1, used=3).due_at == end("2020-01-31")


@pytest.mark.parametrize(
    "budget, used",
    [
        (Budget(hours=24), 3),
        (Budget(hours=24), timedelta(hours=-1)),
        (Budget(workdays=3), timedelta(days=1)),
        (Budget(workdays=3), -1),
        (Budget(days=3), timedelta(days=1)),
        (Budget(until=date(2020, 2, 1)), 1),
    ],
)
def test_used_up_time_must_fit_its_budget(budget: Budget, used: timedelta | int) -> None:
    with pytest.raises(ValueError, match="used up"):
        due_at(budget, local("2020-01-03 09:00"), VERSION_1, used)


@pytest.mark.parametrize(
    "budget, since, provisional, because",
    [
        (Budget(workdays=3), "2020-12-28 09:00", False, "31 December is the last known day"),
        (Budget(workdays=4), "2020-12-28 09:00", True, "it lies in a year without data"),
        (Budget(workdays=1), "2021-03-01 09:00", True, "all of it lies there"),
        (Budget(workdays=1), "2018-12-28 09:00", True, "it began before the calendar does"),
        (Budget(workdays=1), "2018-12-31 09:00", True, "the same, though it ends inside"),
        (Budget(days=3), "2020-12-28 09:00", False, "natural days depend on no notice but that of their end"),
        (Budget(days=4), "2020-12-28 09:00", True, "whether their end is a day off is not known yet"),
        (Budget(hours=87), "2020-12-28 09:00", True, "nor whether this midnight is"),
        (Budget(hours=86), "2020-12-28 09:00", False, "an hour before it is known"),
        (Budget(days=30), "2018-12-20 09:00", False, "days off in between move nothing"),
        (Budget(until=date(2021, 10, 1)), "2020-12-28 09:00", False, "a day set by a person stays where he put it"),
    ],
)
def test_when_a_deadline_is_provisional(budget: Budget, since: str, provisional: bool, because: str) -> None:
    assert due_at(budget, local(since), VERSION_1).provisional is provisional, because


def test_an_estimated_holiday_is_not_counted() -> None:
    assert due_at(Budget(workdays=4), local("2020-12-28 09:00"), VERSION_1).due_at == end("2021-01-04")


DAYS = st.dates(date(2019, 11, 1), date(2021, 2, 1))
INSTANTS = st.datetimes(datetime(2019, 11, 1), datetime(2021, 2, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    st.sampled_from([VERSION_1, VERSION_2]),
    INSTANTS,
    st.one_of(st.builds(Budget, hours=st.integers(1, 900)), st.builds(Budget, days=st.integers(0, 60))),
)
def test_hours_and_natural_days_never_end_on_a_day_off(calendar: Calendar, since: datetime, budget: Budget) -> None:
    """Moved only off a day off, to the first working day after it, at the same time of day."""
    plain = since + timedelta(hours=budget.hours) if budget.hours else None
    last = calendar.local_date(plain or since) + timedelta(days=budget.days or 0)
    ends = due_at(budget, since, calendar).due_at
    assert calendar.local_date(ends) == calendar.next_workday(last)
    clock = ends.astimezone(calendar.zone).time()
    assert clock == (plain.astimezone(calendar.zone).time() if plain else time(23, 59, 59))
    if plain and calendar.is_workday(last):
        assert ends == plain


@given(st.sampled_from([VERSION_1, VERSION_2]), INSTANTS, st.integers(1, 60), st.integers(0, 70))
def test_a_working_day_deadline_never_falls_on_a_day_off(
    calendar: Calendar, since: datetime, n: int, used: int
) -> None:
    deadline = due_at(Budget(workdays=n), since, calendar, used)
    assert calendar.is_workday(calendar.local_date(deadline.due_at))
    assert deadline.due_at >= since - timedelta(seconds=1)  # the last second of a day has fractions


@given(INSTANTS, st.integers(1, 60))
def test_as_many_working_days_are_left_as_were_given(since: datetime, n: int) -> None:
    deadline = due_at(Budget(workdays=n), since, VERSION_1)
    assert VERSION_1.workdays_between(VERSION_1.local_date(since), VERSION_1.local_date(deadline.due_at)) == n


@given(INSTANTS, st.integers(1, 60))
def test_more_holidays_never_make_a_deadline_earlier(since: datetime, n: int) -> None:
    assert due_at(Budget(workdays=n), since, VERSION_2).due_at >= due_at(Budget(workdays=n), since, VERSION_1).due_at


@pytest.mark.parametrize(
    "build, complaint",
    [
        (Budget, r"exactly one .* given: \[\]"),
        (lambda: Budget(hours=1, days=1), "given: .'hours', 'days'"),
        (lambda: Budget(hours=0), "hours must be a whole number from 1"),
        (lambda: Budget(days=-1), "days must be a whole number from 0"),
        (lambda: Budget(workdays=0), "workdays must be a whole number from 1 to 3650, not 0"),
        (lambda: Budget(workdays=3651), "to 3650, not 3651"),
        (lambda: Budget(workdays=True), "not True"),
        (lambda: Budget.from_json({"workdays": "3"}), "not '3'"),
        (lambda: Budget.from_json({"days": 1.5}), "not 1.5"),
        (lambda: Budget.from_json({"weeks": 3}), "no .'weeks'"),
        (lambda: Budget.from_json({"until": "soon"}), "Invalid isoformat"),
        (lambda: Budget(until=local("2020-01-01 10:00")), "until must be a day"),
    ],
)
def test_a_budget_built_wrong_is_refused(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build()


@pytest.mark.parametrize(
    "budget", [Budget(hours=24), Budget(days=0), Budget(workdays=15), Budget(until=date(2020, 2, 29))], ids=str
)
def test_a_budget_survives_json(budget: Budget) -> None:
    assert Budget.from_json(json.loads(json.dumps(budget.to_json()))) == budget


def test_at_its_very_instant_a_deadline_has_not_passed() -> None:
    due = end("2020-01-19")
    assert not is_overdue(due, due)
    assert is_overdue(due, due + timedelta(microseconds=1))


# --- ladders ------------------------------------------------------------------------------------------------------

LADDER = Ladder.of(
    Rung("three_before", -3, ("assignee",), "digest"),
    Rung("one_before", -1, ("assignee", "dept_safety"), "digest"),
    Rung("due", 0, ("assignee",), "direct"),
    Rung("one_late", 1, ("assignee", "dept_head"), "digest"),
    Rung("three_late", 3, ("dept_head", "safety_head"), "digest"),
    Rung("seven_late", 7, ("vp_safety",), "digest", effect="next_meeting"),
    Rung("fifteen_late", 15, ("principal",), "digest", effect="supervised"),
    Rung("repeat", 15, ("vp_safety", "principal"), "digest", every_workdays=5),
)
DUE = end("2020-01-17")  # a Friday; the Sunday after it is worked
LONG_AGO = local("2019-12-01 08:00")


def planned(rungs: tuple[PlannedRung, ...]) -> list[tuple[str, str]]:
    return [(rung.rung, f"{rung.fire_at.astimezone(VERSION_1.zone):%m-%d %H:%M}") for rung in rungs]


def test_rungs_fire_at_their_working_day_from_the_due_date() -> None:
    rungs = plan_rungs(LADDER, DUE, LONG_AGO, VERSION_1, LONG_AGO)
    assert planned(rungs) == [
        ("three_before", "01-14 07:40"),
        ("one_before", "01-16 07:40"),
        ("due", "01-17 07:40"),
        ("one_late", "01-19 07:40"),  # the make-up Sunday
        ("three_late", "01-21 07:40"),
        ("seven_late", "02-01 07:40"),  # 22, 23, 31 January, and the make-up Saturday
        ("fifteen_late", "02-12 07:40"),  # from 3 February on
        ("repeat-1", "02-19 07:40"),
    ]
    assert [rung.order for rung in rungs] == list(range(8))
    assert all(rung.fire_at.tzinfo is UTC for rung in rungs)


@pytest.mark.parametrize(
    "since, not_before, first, because",
    [
        ("2020-01-14 07:40", "2019-12-01 08:00", "three_before", "a rung at the very start still fires"),
        ("2020-01-14 07:41", "2019-12-01 08:00", "one_before", "what would fire before the clock began does not"),
        ("2019-12-01 08:00", "2020-01-14 07:40", "one_before", "what has been dealt with is not planned again"),
        ("2020-01-20 08:00", "2020-01-20 08:00", "three_late", "a generation that begins overdue"),
        ("2019-12-01 08:00", "2020-02-19 07:40", "repeat-2", "of repetitions too, only what comes after"),
        ("2020-02-19 07:40", "2019-12-01 08:00", "repeat-1", "a repetition at the very start still fires"),
    ],
)
def test_which_rungs_are_still_to_come(since: str, not_before: str, first: str, because: str) -> None:
    assert plan_rungs(LADDER, DUE, local(since), VERSION_1, local(not_before))[0].rung == first, because


def test_the_due_date_itself_is_reminded_of_even_when_it_is_not_worked() -> None:
    names = dict(planned(plan_rungs(LADDER, end("2020-01-25"), LONG_AGO, VERSION_1, LONG_AGO)))
    assert (names["one_before"], names["due"], names["one_late"]) == ("01-23 07:40", "01-25 07:40", "01-31 07:40")


def test_the_hour_of_reminding_is_policy() -> None:
    rungs = plan_rungs(LADDER, DUE, LONG_AGO, VERSION_1, LONG_AGO, remind_at=time(16, 5))
    assert planned(rungs)[0] == ("three_before", "01-14 16:05")


def test_a_ladder_without_repetition_ends() -> None:
    short = Ladder.of(Rung("due", 0, ("assignee",), "direct"))
    assert planned(plan_rungs(short, DUE, LONG_AGO, VERSION_1, LONG_AGO)) == [("due", "01-17 07:40")]
    assert plan_rungs(short, DUE, LONG_AGO, VERSION_1, DUE) == ()
    assert plan_rungs(Ladder.of(), DUE, LONG_AGO, VERSION_1, LONG_AGO) == ()
    assert next_repeat(short, DUE, VERSION_1, DUE) is None
    assert repeats_between(short, DUE, VERSION_1, DUE, local("2030-01-01 00:00")) == ()


def test_the_hour_that_a_clock_shows_twice_plans_two_ladders() -> None:
    """What was planned is remembered, and the two are equal to Python."""
    new_york = replace(VERSION_1, time_zone="America/New_York")
    first = datetime(2020, 11, 1, 1, 5, tzinfo=new_york.zone)
    due = new_york.end_of(date(2020, 11, 1))
    ladder = Ladder.of(Rung("due", 0, ("assignee",), "direct"))
    at = time(1, 10)  # which its clock shows twice, too: the first is meant
    since = [plan_rungs(ladder, due, when, new_york, LONG_AGO, at) for when in (first, first.replace(fold=1))]
    assert [len(rungs) for rungs in since] == [1, 0]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_a_repetition_has_one_name_however_it_is_reached(jumps: list[int]) -> None:
    """Walking one by one and jumping over an outage find the same instants under the same names."""
    one_by_one: dict[datetime, str] = {}
    instant = DUE
    for _ in range(60):
        found = next_repeat(LADDER, DUE, VERSION_1, instant)
        assert found is not None
        assert found.fire_at > instant
        one_by_one[found.fire_at] = found.rung
        instant = found.fire_at
    assert list(one_by_one.values()) == [f"repeat-{n}" for n in range(1, 61)]
    for days in jumps:
        found = next_repeat(LADDER, DUE, VERSION_1, DUE + timedelta(days=days))
        assert found is not None
        assert one_by_one[found.fire_at] == found.rung
        assert found.order == LADDER.order(found.rung)


def test_the_repetitions_that_an_outage_swallowed_are_known_by_name() -> None:
    swallowed = repeats_between(LADDER, DUE, VERSION_1, local("2020-02-19 07:40"), local("2020-03-11 07:40"))
    assert planned(swallowed) == [("repeat-2", "02-26 07:40"), ("repeat-3", "03-04 07:40"), ("repeat-4", "03-11 07:40")]
    following = next_repeat(LADDER, DUE, VERSION_1, local("2020-03-11 07:40"))
    assert following is not None
    assert following.rung == "repeat-5"


@given(INSTANTS, INSTANTS, st.sampled_from([VERSION_1, VERSION_2]))
def test_planned_rungs_ascend_and_late_ones_come_after_the_deadline(
    due: datetime, since: datetime, calendar: Calendar
) -> None:
    rungs = plan_rungs(LADDER, due, since, calendar, since)
    assert [rung.fire_at for rung in rungs] == sorted({rung.fire_at for rung in rungs})
    assert [rung.order for rung in rungs] == sorted({rung.order for rung in rungs})
    assert rungs[-1].rung.startswith("repeat-"), "an open overdue case is never silent for good"
    for rung in rungs:
        assert rung.fire_at > since
        if LADDER.order(rung.rung) >= LADDER.order("one_late"):
            assert rung.fire_at > due


def test_a_rung_is_found_by_its_name_and_by_its_repetitions() -> None:
    assert LADDER.rung("due").how == "direct"
    assert LADDER.order("repeat-9") < LADDER.order("repeat-10"), "by number, not by letters"
    assert LADDER.rung("repeat").every_workdays == LADDER.rung("repeat-12").every_workdays == 5
    for unknown in ("due-1", "repeat-0", "repeat-01", "repeat-x", "repeat-²", "nothing"):
        with pytest.raises(KeyError):
            LADDER.rung(unknown)


def test_a_school_may_move_its_rungs() -> None:
    moved = LADDER.with_offsets({"three_before": -5, "fifteen_late": 12, "repeat": 12}, every_workdays=2)
    names = dict(planned(plan_rungs(moved, DUE, LONG_AGO, VERSION_1, LONG_AGO)))
    assert names["three_before"] == "01-10 07:40"
    assert names["fifteen_late"] == "02-07 07:40"
    assert names["repeat-1"] == "02-11 07:40"
    assert [rung.to for rung in moved.rungs] == [rung.to for rung in LADDER.rungs]


def test_a_repetition_without_an_offset_follows_the_rung_before_it() -> None:
    ladder = Ladder.of(Rung("late", 3, ("a",), "digest"), Rung("repeat", None, ("a",), "digest", every_workdays=2))
    assert planned(plan_rungs(ladder, DUE, LONG_AGO, VERSION_1, DUE)) == [
        ("late", "01-21 07:40"),
        ("repeat-1", "01-23 07:40"),
    ]
    moved = ladder.with_offsets({"late": 1})
    assert planned(plan_rungs(moved, DUE, LONG_AGO, VERSION_1, DUE)) == [
        ("late", "01-19 07:40"),
        ("repeat-1", "01-21 07:40"),
    ]


@pytest.mark.parametrize(
    "build, complaint",
    [
        (lambda: Rung("", 0, ("a",), "digest"), "needs a name"),
        (lambda: Rung("x", 0, (), "digest"), "'x' would remind nobody"),
        (lambda: Rung("x", None, ("a",), "digest"), "'x' needs an offset"),
        (lambda: Rung("x", 1, ("a",), "digest", every_workdays=0), "repeats every 1 to 3650"),
        (lambda: Rung("x", 4000, ("a",), "digest"), "more than 3650 working days away"),
        (lambda: Ladder.of(Rung("x", 1, ("a",), "digest"), Rung("x", 2, ("a",), "digest")), "have one name"),
        (lambda: Ladder.of(Rung("x", 2, ("a",), "digest"), Rung("y", 2, ("a",), "digest")), "ascend"),
        (
            lambda: Ladder.of(Rung("x", 1, ("a",), "digest", every_workdays=5), Rung("y", 2, ("a",), "digest")),
            "Only the last rung",
        ),
        (
            lambda: Ladder.of(Rung("x", 9, ("a",), "digest"), Rung("y", 2, ("a",), "digest", every_workdays=5)),
            "'y' repeats from 2, before",
        ),
        (lambda: Ladder.of(Rung("y", -2, ("a",), "digest", every_workdays=5)), "'y' repeats from -2"),
        (
            lambda: Ladder.of(Rung("y-3", 1, ("a",), "digest"), Rung("y", 2, ("a",), "digest", every_workdays=5)),
            "may not be called 'y' and a number",
        ),
        (lambda: LADDER.with_offsets({"seven_late": 2}), "offsets are .*3, 2, 15"),
        (lambda: LADDER.with_offsets({"seventh": 2}), "'seventh' is no rung"),
        (lambda: Ladder.of(Rung("x", 1, ("a",), "digest")).with_offsets({}, every_workdays=2), "no repeating rung"),
    ],
)
def test_a_ladder_built_wrong_is_refused(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises((ValueError, KeyError), match=complaint):
        build()


# --- in words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "due, now, zh, en",
    [
        (end("2020-01-15"), "2020-01-13 09:00", "还剩 2 个工作日", "2 working days left"),
        (
            end("2020-01-20"),
            "2020-01-17 09:00",
            "还剩 2 个工作日（1 月 19 日补班计入）",
            "2 working days left (make-up workday 19 January counted)",
        ),
        (end("2020-01-31"), "2020-01-23 09:00", "还剩 1 个工作日", "1 working day left"),
        (end("2020-01-25"), "2020-01-24 09:00", "还剩 1 天，其间无工作日", "1 day left, none of them a working day"),
        (end("2020-01-30"), "2020-01-24 09:00", "还剩 6 天，其间无工作日", "6 days left, none of them a working day"),
        (end("2020-01-17"), "2020-01-17 09:00", "今天 23:59 到期", "due today at 23:59"),
        (local("2020-01-17 15:30"), "2020-01-17 15:30", "今天 15:30 到期", "due today at 15:30"),
        (
            local("2020-01-17 15:30"),
            "2020-01-17 15:31",
            "已逾期，不足 1 个工作日",
            "overdue by less than a working day",
        ),
        (end("2020-01-23"), "2020-01-27 09:00", "已逾期，不足 1 个工作日", "overdue by less than a working day"),
        (end("2020-01-14"), "2020-01-17 09:00", "已逾期 3 个工作日", "3 working days overdue"),
        (
            end("2020-01-17"),
            "2020-02-01 09:00",
            "已逾期 7 个工作日（1 月 19 日、2 月 1 日补班计入）",
            "7 working days overdue (make-up workday 19 January, 1 February counted)",
        ),
        (
            end("2021-01-04"),
            "2020-12-30 09:00",
            "还剩 2 个工作日（部分放假安排未公布，暂按推定计）",
            "2 working days left (estimated: no holiday notice after 2020-12-31)",
        ),
    ],
    ids=range(12),
)
def test_a_deadline_in_words(due: datetime, now: str, zh: str, en: str) -> None:
    assert in_words(due, local(now), VERSION_1, "zh") == zh
    assert in_words(due, local(now), VERSION_1, "en") == en
