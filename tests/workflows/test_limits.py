"""No limit of any loop ends on a day off: it ends on the next working day (Civil Code, art. 203)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from engine.deadlines import Budget, due_at
from engine.definition import Within
from tests.workflows.school import CALENDAR_V1, CALENDAR_V2, SHANGHAI, School, local, local_day
from workflows import CATALOG
from workflows.hazard import HAZARD, Assign, Return, allowance_of

NEW_YEARS_EVE = date(2020, 1, 24)  # of the lunar year; under version 1 the first day of the holiday


def limits() -> Iterator[Any]:
    """Every allowance the catalog can give: of states, of receipts, of the limits an assignment or a return may choose."""
    for workflow in CATALOG.newest():
        for state in workflow.states:
            if isinstance(state.due, Within):
                budget = state.due.budget(workflow.defaults())
                yield pytest.param(budget, id=f"{workflow.key}, {state.name}")
            if state.acknowledge:
                budget = state.acknowledge.within.budget(workflow.defaults())
                yield pytest.param(budget, id=f"{workflow.key}, receipt of {state.name}")
    chosen = {code for form in (Assign, Return) for code in get_args(form.model_fields["time_limit"].annotation)}
    for code in sorted(chosen):
        yield pytest.param(Budget.from_json(allowance_of(code, HAZARD.defaults())), id=f"hazard, limit {code}")


@pytest.mark.parametrize("calendar", [CALENDAR_V1, CALENDAR_V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("budget", list(limits()))
def test_no_limit_ends_on_a_day_off(budget: Budget, calendar: Any) -> None:
    since = datetime(2019, 12, 1, 0, 30, tzinfo=SHANGHAI)
    while since.date() < date(2020, 3, 1):
        ends = due_at(budget, since.astimezone(UTC), calendar).due_at.astimezone(SHANGHAI)
        assert calendar.is_workday(ends.date()), f"set {since}, ends {ends}"
        assert ends.date() != NEW_YEARS_EVE
        assert ends >= since
        since += timedelta(hours=7)  # every hour of the day comes up


ENDS: dict[str, tuple[str, str, str]] = {
    "24 hours, on a working day": ("2020-01-06 09:00", "triage", "2020-01-07 09:00"),
    "24 hours, on a Saturday": ("2020-01-10 09:00", "triage", "2020-01-13 09:00"),
    "24 hours, before a Sunday that is worked": ("2020-01-17 09:00", "triage", "2020-01-19 09:00"),
    "24 hours, on New Year's Eve": ("2020-01-23 16:30", "triage", "2020-01-31 16:30"),
    "the same day, a Saturday": ("2020-01-11 09:00", "same_day", "2020-01-13 23:59:59"),
    "the same day, in the holiday": ("2020-01-25 09:00", "same_day", "2020-01-31 23:59:59"),
    "30 days, on a Saturday": ("2020-01-09 09:00", "days30", "2020-02-10 23:59:59"),
}


@pytest.mark.parametrize("now, limit, ends", ENDS.values(), ids=ENDS.keys())
def test_a_limit_of_hours_or_days_that_would_end_on_a_day_off_ends_on_the_next_working_day(
    school: School, now: str, limit: str, ends: str
) -> None:
    school.at(now)
    case = school.hazard() if limit == "triage" else school.assigned(time_limit=limit)
    assert case.due_at == local(ends)


def test_the_receipt_of_a_notice_on_the_last_day_before_the_holiday_is_asked_for_after_it(school: School) -> None:
    school.at("2020-01-23 09:00")
    asked = {rung: at for _, rung, at in school.timers(school.assigned())}
    assert asked["receipt"] == local("2020-01-31 09:00")
    assert local_day(asked["receipt-1"]) == "2020-02-01"


def test_a_longer_holiday_moves_a_limit_of_days_too(school: School) -> None:
    school.at("2020-01-25 09:00")
    case = school.assigned(time_limit="same_day")
    assert local_day(case.due_at) == "2020-01-31"
    school.at("2020-01-27 08:00").load_calendar(CALENDAR_V2)
    school.recompute(case)
    moved = school.case(case.number)
    assert local_day(moved.due_at) == local_day(moved.first_due_at) == "2020-02-03"
