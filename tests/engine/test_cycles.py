from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import Break, Calendar
from engine.cycles import (
    AtClose,
    Cycle,
    Day,
    Due,
    DueAfter,
    DueAt,
    DueBefore,
    DueIn,
    DueOn,
    Every,
    EveryNDays,
    HalfYear,
    Month,
    Night,
    OnEvent,
    Period,
    Quarter,
    Term,
    TimesADay,
    Week,
    Year,
    newest_day,
    period_for_event,
    periods_between,
)
from engine.errors import Text

FIRST, SECOND = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
AT_CLOSE = AtClose()

CALENDAR = Calendar(
    version=1,
    time_zone="Asia/Shanghai",
    days_off=frozenset({date(2020, 1, 1), *(date(2020, 1, day) for day in range(24, 31))}),
    working_weekend_days=frozenset({date(2020, 1, 19), date(2020, 2, 1)}),
    known_from=date(2019, 1, 1),
    known_until=date(2020, 12, 31),
    breaks=(
        Break("暑假", date(2019, 7, 6), date(2019, 8, 31)),
        Break("秋假", date(2019, 11, 4), date(2019, 11, 8), between_terms=False),
        Break("寒假", date(2020, 1, 18), date(2020, 2, 16)),
        Break("暑假", date(2020, 7, 4), date(2020, 8, 30)),
    ),
)


def a_cycle(every: Every, due: Due = AT_CLOSE, *, first: date | None = None, last: date | None = None) -> Cycle:
    return Cycle("fire_check", Text("防火检查", "Fire check"), "inspection", every, "dept_safety", due, first, last)


def opened(every: Every, first: str, last: str, due: Due = AT_CLOSE) -> list[Period]:
    """What opens from `first` to `last`, both included."""
    return periods_between(
        a_cycle(every, due), CALENDAR, date.fromisoformat(first) - timedelta(days=1), date.fromisoformat(last)
    )


def local(instant: datetime) -> str:
    return f"{instant.astimezone(CALENDAR.zone):%Y-%m-%d %H:%M:%S}"


def the_one(every: Every, day: str, due: Due = AT_CLOSE) -> Period:
    (period,) = opened(every, day, day, due)
    return period


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "every, day, key, opens, closes",
    [
        (Day(), "2020-02-29", "2020-02-29", "2020-02-29 00:00:00", "2020-02-29 23:59:59"),
        (Night(), "2020-03-14", "2020-03-14N", "2020-03-14 21:00:00", "2020-03-15 06:00:00"),
        (Night(time(22, 30), time(5)), "2020-12-31", "2020-12-31N", "2020-12-31 22:30:00", "2021-01-01 05:00:00"),
        (Week(), "2020-03-09", "2020-W11", "2020-03-09 00:00:00", "2020-03-15 23:59:59"),
        (Week(), "2019-12-30", "2020-W01", "2019-12-30 00:00:00", "2020-01-05 23:59:59"),
        (Week(), "2020-12-28", "2020-W53", "2020-12-28 00:00:00", "2021-01-03 23:59:59"),
        (Week(), "2021-01-04", "2021-W01", "2021-01-04 00:00:00", "2021-01-10 23:59:59"),
        (Month(), "2020-02-01", "2020-02", "2020-02-01 00:00:00", "2020-02-29 23:59:59"),
        (Month(), "2019-02-01", "2019-02", "2019-02-01 00:00:00", "2019-02-28 23:59:59"),
        (Month(), "2019-12-01", "2019-12", "2019-12-01 00:00:00", "2019-12-31 23:59:59"),
        (Quarter(), "2020-01-01", "2020-Q1", "2020-01-01 00:00:00", "2020-03-31 23:59:59"),
        (Quarter(), "2020-10-01", "2020-Q4", "2020-10-01 00:00:00", "2020-12-31 23:59:59"),
        (HalfYear(), "2020-01-01", "2020-H1", "2020-01-01 00:00:00", "2020-06-30 23:59:59"),
        (HalfYear(), "2020-07-01", "2020-H2", "2020-07-01 00:00:00", "2020-12-31 23:59:59"),
        (Year(), "2020-01-01", "2020", "2020-01-01 00:00:00", "2020-12-31 23:59:59"),
        (EveryNDays(15, date(2020, 2, 14)), "2020-02-29", "2020-02-29", "2020-02-29 00:00:00", "2020-03-14 23:59:59"),
        (Term(), "2019-09-01", "2019-T2", "2019-09-01 00:00:00", "2020-01-17 23:59:59"),
        (Term(), "2020-02-17", "2020-T1", "2020-02-17 00:00:00", "2020-07-03 23:59:59"),
        (Term(), "2020-08-31", "2020-T2", "2020-08-31 00:00:00", "2021-01-31 23:59:59"),  # its end is not yet known
    ],
    ids=str,
)
def test_periods_and_their_civil_keys(every: Every, day: str, key: str, opens: str, closes: str) -> None:
    period = the_one(every, day)
    assert (period.cycle, period.key) == ("fire_check", key)
    assert (local(period.opens_at), local(period.closes_at)) == (opens, closes)
    assert period.due_at == period.closes_at
    assert period.opens_at.tzinfo is UTC


@pytest.mark.parametrize(
    "every, first, last, keys",
    [
        (Day(), "2020-02-28", "2020-03-01", ["2020-02-28", "2020-02-29", "2020-03-01"]),
        (
            Day("school_days"),
            "2020-01-15",
            "2020-02-18",
            ["2020-01-15", "2020-01-16", "2020-01-17", "2020-02-17", "2020-02-18"],
        ),
        (Day("break_days"), "2019-11-02", "2019-11-06", ["2019-11-04", "2019-11-05", "2019-11-06"]),
        (TimesADay(2), "2020-03-14", "2020-03-15", ["2020-03-14#1", "2020-03-14#2", "2020-03-15#1", "2020-03-15#2"]),
        (Week(), "2020-03-10", "2020-03-15", []),
        (Month(), "2019-11-20", "2020-03-31", ["2019-12", "2020-01", "2020-02", "2020-03"]),
        (Quarter(), "2019-11-20", "2020-12-31", ["2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4"]),
        (Term(), "2019-07-06", "2020-12-31", ["2019-T2", "2020-T1", "2020-T2"]),
        (
            EveryNDays(15, date(2020, 1, 1)),
            "2019-11-20",
            "2020-02-15",
            ["2020-01-01", "2020-01-16", "2020-01-31", "2020-02-15"],
        ),
        (Day(), "2020-03-02", "2020-03-01", []),
    ],
    ids=str,
)
def test_which_periods_a_stretch_of_days_opens(every: Every, first: str, last: str, keys: list[str]) -> None:
    assert [period.key for period in opened(every, first, last)] == keys


def test_no_term_begins_between_two_breaks_that_touch() -> None:
    breaks = (Break("寒假", date(2020, 1, 18), date(2020, 2, 16)), Break("延长", date(2020, 2, 17), date(2020, 7, 3)))
    touching = replace(CALENDAR, breaks=breaks)
    keys = [period.key for period in periods_between(a_cycle(Term()), touching, date(2020, 1, 1), date(2020, 12, 31))]
    assert keys == ["2020-T2"]


def test_several_times_a_day_are_open_all_day_or_one_after_the_other() -> None:
    all_day = opened(TimesADay(2), "2020-03-14", "2020-03-14")
    assert {(local(p.opens_at), local(p.closes_at)) for p in all_day} == {
        ("2020-03-14 00:00:00", "2020-03-14 23:59:59")
    }
    in_turn = opened(TimesADay(3, (time(7), time(12), time(20))), "2020-03-14", "2020-03-14")
    assert [(p.key[-2:], local(p.opens_at)[11:], local(p.closes_at)[11:]) for p in in_turn] == [
        ("#1", "07:00:00", "11:59:59"),
        ("#2", "12:00:00", "19:59:59"),
        ("#3", "20:00:00", "23:59:59"),
    ]


def test_the_bureau_is_owed_fifteen_weeks_of_the_campaign() -> None:
    weekly = a_cycle(Week(), first=date(2019, 12, 16), last=date(2020, 3, 29))
    keys = [period.key for period in periods_between(weekly, CALENDAR, date(2019, 1, 1), date(2020, 12, 31))]
    assert (keys[0], keys[-1], len(keys)) == ("2019-W51", "2020-W13", 15)


def test_first_and_last_bound_the_day_a_period_opens() -> None:
    monthly = a_cycle(Month(), first=date(2019, 11, 20), last=date(2020, 3, 1))
    keys = [period.key for period in periods_between(monthly, CALENDAR, date(2018, 1, 1), date(2021, 1, 1))]
    assert keys == ["2019-12", "2020-01", "2020-02", "2020-03"]


# --- due ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "every, day, due, expected, because",
    [
        (Month(), "2019-12-01", DueOn(25), "2019-12-25 23:59:59", "a Wednesday"),
        (Month(), "2020-01-01", DueOn(25), "2020-01-31 23:59:59", "a holiday moves it on to the first working day"),
        (Month(), "2020-01-01", DueOn(19), "2020-01-19 23:59:59", "a make-up Sunday is a working day"),
        (Month(), "2020-01-01", DueOn(25, roll_to_workday=False), "2020-01-25 23:59:59", "unless it is not to move"),
        (Month(), "2020-02-01", DueOn(31), "2020-03-02 23:59:59", "29 February is a Saturday: past the period's end"),
        (Month(), "2019-12-01", DueOn(3, months_after=1), "2020-01-03 23:59:59", "in the next month, the next year"),
        (Quarter(), "2020-01-01", DueOn(15, months_after=3), "2020-04-15 23:59:59", "the 15th after the quarter"),
        (Year(), "2019-01-01", DueOn(31, months_after=12), "2020-01-31 23:59:59", "31 January of the next year"),
        (Day(), "2020-03-14", DueAt(time(8, 30)), "2020-03-14 08:30:00", "half past eight"),
        (Night(), "2020-03-14", DueAt(time(8), days_after=1), "2020-03-15 08:00:00", "the next morning"),
        (Week(), "2020-03-09", DueAt(time(16), days_after=4), "2020-03-13 16:00:00", "Friday at four"),
        (Week(), "2020-01-20", DueIn(workdays=4), "2020-01-31 23:59:59", "21, 22, 23 and 31 January"),
        (Week(), "2020-03-09", DueIn(days=4), "2020-03-13 23:59:59", "the end of Friday"),
        (Week(), "2020-03-09", DueIn(hours=36), "2020-03-10 12:00:00", "a day and a half"),
        (TimesADay(1, (time(7),)), "2020-03-14", DueIn(hours=2), "2020-03-14 09:00:00", "from when it opened"),
        (Week(), "2020-03-09", DueAfter(1), "2020-03-16 23:59:59", "the Monday that follows"),
        (
            Week(),
            "2020-01-13",
            DueAfter(1),
            "2020-01-20 23:59:59",
            "not the make-up Sunday, which is of the week itself",
        ),
        (Week(), "2020-01-20", DueAfter(1), "2020-01-31 23:59:59", "the first working day after the festival"),
        (Month(), "2020-02-01", DueAfter(2), "2020-03-03 23:59:59", "the second working day of March"),
        (Night(), "2020-03-12", DueAfter(1), "2020-03-16 23:59:59", "it ends on Friday; the Monday after"),
        (Term(), "2020-02-17", AtClose(), "2020-07-03 23:59:59", "the last day of the term"),
    ],
)
def test_when_a_period_is_due(every: Every, day: str, due: Due, expected: str, because: str) -> None:
    period = the_one(every, day, due)
    assert local(period.due_at) == expected, because
    assert not period.provisional


@pytest.mark.parametrize(
    "every, day, due, closes",
    [
        (Month(), "2020-03-01", DueOn(25), "2020-03-31 23:59:59"),
        (Month(), "2020-02-01", DueOn(31), "2020-03-02 23:59:59"),
        (Quarter(), "2020-01-01", DueOn(15, months_after=3), "2020-04-15 23:59:59"),
    ],
)
def test_a_period_stays_open_to_its_end_and_at_least_until_it_is_due(
    every: Every, day: str, due: Due, closes: str
) -> None:
    assert local(the_one(every, day, due).closes_at) == closes


@pytest.mark.parametrize(
    "due, provisional",
    [
        (DueOn(25), True),
        (DueOn(25, roll_to_workday=False), False),
        (DueAfter(1), True),
        (DueIn(workdays=2), True),
        (DueIn(days=2), False),
        (AtClose(), False),
    ],
)
def test_a_due_date_is_provisional_where_it_asked_a_calendar_that_does_not_know(due: Due, provisional: bool) -> None:
    assert the_one(Month(), "2021-03-01", due).provisional is provisional
    assert not the_one(Month(), "2020-03-01", due).provisional


# --- however it is cut --------------------------------------------------------------------------------------------

EVERY: list[Every] = [
    Day(),
    Day("school_days"),
    Day("break_days"),
    Night(),
    TimesADay(5),
    EveryNDays(15, date(2019, 10, 3)),
    Week(),
    Month(),
    Quarter(),
    HalfYear(),
    Year(),
    Term(),
]
DAYS = st.dates(date(2019, 6, 1), date(2021, 3, 1))


@given(st.sampled_from(EVERY), st.lists(DAYS, min_size=2, max_size=9))
def test_however_a_stretch_is_cut_each_period_comes_exactly_once(every: Every, cuts: list[date]) -> None:
    cuts.sort()
    cycle = a_cycle(every)
    whole = periods_between(cycle, CALENDAR, cuts[0], cuts[-1])
    pieces = [p for a, b in pairwise(cuts) for p in periods_between(cycle, CALENDAR, a, b)]
    assert pieces == whole
    assert max(Counter(period.key for period in whole).values(), default=1) == 1


@given(st.sampled_from(EVERY), DAYS, DAYS)
def test_periods_come_in_order_and_open_inside_the_stretch(every: Every, after: date, until: date) -> None:
    periods = periods_between(a_cycle(every), CALENDAR, after, until)
    assert [p.opens_at for p in periods] == sorted(p.opens_at for p in periods)
    for period in periods:
        assert after < CALENDAR.local_date(period.opens_at) <= until
        assert period.opens_at < period.due_at <= period.closes_at


@given(st.sampled_from([*EVERY, EveryNDays(3, date(2020, 2, 29))]), DAYS)
def test_who_opened_what_began_on_the_newest_day_has_nothing_to_open_before_the_day_is_over(
    every: Every, until: date
) -> None:
    newest = newest_day(every, until)
    assert newest <= until
    assert periods_between(a_cycle(every), CALENDAR, newest, until) == []


@given(st.sampled_from([Week(), Month(), Quarter(), HalfYear(), Year()]), DAYS)
def test_something_always_begins_on_the_newest_day_of_a_civil_cycle(every: Every, until: date) -> None:
    newest = newest_day(every, until)
    assert len(periods_between(a_cycle(every), CALENDAR, newest - timedelta(days=1), until)) == 1


@given(st.sampled_from([Day(), Week(), Month(), Quarter(), HalfYear(), Year(), EveryNDays(7, date(2000, 1, 1))]), DAYS)
def test_every_instant_lies_in_exactly_one_period(every: Every, day: date) -> None:
    periods = periods_between(a_cycle(every), CALENDAR, day - timedelta(days=400), day + timedelta(days=400))
    noon = CALENDAR.at(day, time(12))
    assert sum(period.opens_at <= noon <= period.closes_at for period in periods) == 1


# --- events -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "due, on, expected, because",
    [
        (DueIn(workdays=5), None, "2020-01-31 23:59:59", "20 to 23 January and the 31st"),
        (DueIn(hours=2), None, "2020-01-19 12:00:00", "two hours after it was known"),
        (DueBefore(workdays=3), date(2020, 2, 17), "2020-02-12 23:59:59", "14, 13, 12 February"),
        (DueBefore(days=1), date(2020, 1, 24), "2020-01-23 23:59:59", "the day before"),
        (DueBefore(workdays=9), date(2020, 1, 24), "2020-01-19 23:59:59", "too late: still today"),
    ],
)
def test_an_event_opens_a_period_when_it_is_known(due: Due, on: date | None, expected: str, because: str) -> None:
    known_at = datetime(2020, 1, 19, 2, tzinfo=UTC)  # a Sunday that is worked, 10:00 local
    period = period_for_event(a_cycle(OnEvent("notice"), due), CALENDAR, "2020-苏教-7", known_at, on)
    assert (period.key, period.opens_at) == ("event:2020-苏教-7", known_at)
    assert local(period.due_at) == expected, because
    assert period.closes_at == period.due_at


def test_an_event_opens_nothing_by_the_calendar() -> None:
    assert opened(OnEvent("accident_notice"), "2019-11-20", "2020-12-31", DueIn(workdays=5)) == []


def test_what_is_due_before_an_event_in_an_unknown_year_is_provisional() -> None:
    cycle = a_cycle(OnEvent("before_break"), DueBefore(workdays=3))
    known_at = datetime(2020, 12, 1, tzinfo=UTC)
    assert period_for_event(cycle, CALENDAR, "winter", known_at, date(2021, 1, 20)).provisional
    assert not period_for_event(cycle, CALENDAR, "winter", known_at, date(2020, 12, 31)).provisional


# --- built wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build, complaint",
    [
        (lambda: Night(time(5), time(6)), "ends on the next morning"),
        (lambda: TimesADay(0), "At least once"),
        (lambda: TimesADay(2, (time(9),)), "need 2 ascending times"),
        (lambda: TimesADay(2, (time(9), time(8))), "ascending times, not .datetime.time.9, 0"),
        (lambda: EveryNDays(0, date(2020, 1, 1)), "is never"),
        (lambda: DueOn(32), "No month has a day 32"),
        (lambda: DueAfter(0), "workdays goes from 1"),
        (lambda: a_cycle(OnEvent("heat"), DueAfter(1)), "no period of its own"),
        (lambda: DueOn(1, months_after=-1), "months_after goes from 0"),
        (lambda: DueAt(time(8), days_after=-1), "days_after goes from 0"),
        (DueIn, "exactly one of hours"),
        (lambda: DueIn(hours=1, days=1), "hours=1, days=1"),
        (lambda: DueIn(workdays=0), "from 1 to 3650"),
        (lambda: DueBefore(days=0), "exactly one of days"),
        (lambda: Cycle("", Text("", ""), "inspection", Month(), "dept_safety"), "needs a key"),
        (lambda: a_cycle(Month(), first=date(2020, 2, 1), last=date(2020, 1, 1)), "ends on 2020-01-01 before"),
        (lambda: a_cycle(Week(), DueOn(25)), "names a day of a month"),
        (lambda: a_cycle(Month(), DueBefore(days=3)), "this cycle has none"),
        (lambda: a_cycle(OnEvent("notice")), "has no period of its own"),
        (lambda: a_cycle(OnEvent("notice"), DueIn(days=1), first=date(2020, 1, 1)), "bound nothing"),
        (lambda: a_cycle(Night(), DueAt(time(6))), "did you mean days_after=1"),
        (lambda: a_cycle(Day(), DueAt(time(0))), "due the moment it opens"),
        (lambda: a_cycle(TimesADay(1, (time(9),)), DueAt(time(8))), "each time of day has its own end"),
        (
            lambda: period_for_event(
                a_cycle(OnEvent("x"), DueIn(days=1)), CALENDAR, "", datetime(2020, 1, 1, tzinfo=UTC)
            ),
            "needs an id",
        ),
        (
            lambda: period_for_event(
                a_cycle(OnEvent("x"), DueBefore(days=1)), CALENDAR, "7", datetime(2020, 1, 1, tzinfo=UTC)
            ),
            "say which day",
        ),
        (
            lambda: Period("x", "2020", opens_at=SECOND, due_at=FIRST, closes_at=SECOND),
            "Period x/2020 is due",
        ),
    ],
)
def test_a_rule_built_wrong_is_refused(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build()


def test_a_cycle_of_the_calendar_is_not_opened_by_an_event() -> None:
    with pytest.raises(TypeError, match=r"use periods_between\(\)"):
        period_for_event(a_cycle(Month()), CALENDAR, "7", datetime(2020, 1, 1, tzinfo=UTC))
