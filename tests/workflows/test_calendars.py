from datetime import date, timedelta

import chinese_calendar
import pytest

from engine.calendar import Break
from engine.deadlines import Budget, due_at
from workflows.calendars import estimated_days_off, known_years, official

LAST_KNOWN = known_years()[-1]


def test_the_known_years_have_no_gap_and_hold_the_year_of_the_campaign() -> None:
    years = known_years()
    assert list(years) == list(range(years[0], years[-1] + 1))
    assert 2020 in years
    assert years[-1] >= 2026


def test_every_known_day_is_worked_exactly_when_the_library_says_so() -> None:
    calendar = official()
    day = calendar.known_from
    while day <= calendar.known_until:
        assert calendar.is_workday(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_the_library_knows_2020_only_as_it_ended_up() -> None:
    calendar = official([2020])
    assert calendar.is_workday(date(2020, 1, 19))
    for day in (date(2020, 1, 24), date(2020, 1, 31), date(2020, 2, 1)):
        assert not calendar.is_workday(day)
    assert (calendar.known_from, calendar.known_until) == (date(2020, 1, 1), date(2020, 12, 31))


def test_after_the_last_known_year_two_years_are_estimated_and_deadlines_provisional() -> None:
    calendar = official()
    assert calendar.known_until == date(LAST_KNOWN, 12, 31)
    assert {day.year for day in calendar.estimated_days_off} == {LAST_KNOWN + 1, LAST_KNOWN + 2}
    national_day = date(LAST_KNOWN + 1, 10, 1)
    assert not calendar.knows(national_day)
    assert not calendar.is_workday(national_day)
    in_that_year = due_at(Budget(workdays=3), calendar.start_of(date(LAST_KNOWN + 1, 3, 1)), calendar)
    in_a_known_year = due_at(Budget(workdays=3), calendar.start_of(date(LAST_KNOWN, 3, 1)), calendar)
    assert in_that_year.provisional
    assert not in_a_known_year.provisional


@pytest.mark.skipif(LAST_KNOWN >= 2027, reason="the library has learned 2027")
def test_2027_is_provisional_with_the_libraries_of_today() -> None:
    assert not official().knows(date(2027, 1, 4))
    assert date(2027, 10, 1) in official().estimated_days_off


def test_zone_breaks_and_version_are_taken_over() -> None:
    winter = Break("寒假", date(2020, 1, 18), date(2020, 2, 16))
    calendar = official([2019, 2020], zone="Asia/Urumqi", breaks=(winter,), version=4)
    assert (calendar.time_zone, calendar.breaks, calendar.version) == ("Asia/Urumqi", (winter,), 4)


@pytest.mark.parametrize(
    "years, complaint",
    [
        ([], "at least one year"),
        ([2003], r"No calendar data for \[2003\]"),
        ([LAST_KNOWN, LAST_KNOWN + 1], "No calendar data"),
        ([2018, 2020], r"\[2019\] are missing"),
    ],
)
def test_years_that_make_no_calendar_are_refused(years: list[int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        official(years)


def test_a_year_for_which_the_library_silently_has_nothing_is_no_estimate() -> None:
    with pytest.raises(ValueError, match="no holidays for 2101"):
        estimated_days_off([2100, 2101])
