from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from engine.store import periods
from engine.store.periods import Obligation, PeriodRecord
from tests.engine.fakes import HERE, THERE, School, local

OWED = Obligation(HERE, "monthly", "HQC", date(2019, 12, 1))
DUE = local("2019-12-20 23:59:59")
DECEMBER = PeriodRecord(
    HERE, "monthly", "HQC", "2019-12", local("2019-12-01 00:00"), DUE, local("2019-12-02 09:00"), "JC-2019-0001", "open", None
)  # fmt: skip


def test_a_period_cannot_be_written_down_twice(school: School) -> None:
    with school.engine.database.write_across() as connection:
        periods.open_(connection, DECEMBER)
        assert periods.exists(connection, HERE, "monthly", "HQC", "2019-12")
    with pytest.raises(IntegrityError), school.engine.database.write_across() as connection:
        periods.open_(connection, replace(DECEMBER, number="JC-2019-0002"))


@pytest.mark.parametrize("after, status", [(timedelta(0), "reported"), (timedelta(microseconds=1), "late")])
def test_a_report_is_in_time_up_to_the_very_deadline(school: School, after: timedelta, status: str) -> None:
    with school.engine.database.write_across() as connection:
        periods.open_(connection, DECEMBER)
        periods.settle(connection, HERE, "JC-2019-0001", "reported", DUE + after)
        [record] = periods.find(connection, HERE)
    assert (record.status, record.reported_at) == (status, DUE + after)


def test_handing_in_again_changes_nothing(school: School) -> None:
    with school.engine.database.write_across() as connection:
        periods.open_(connection, DECEMBER)
        periods.settle(connection, HERE, "JC-2019-0001", "reported", DUE + timedelta(days=1))
        periods.settle(connection, HERE, "JC-2019-0001", "reported", DUE + timedelta(days=2))
        [record] = periods.find(connection, HERE)
    assert (record.status, record.reported_at) == ("late", DUE + timedelta(days=1))


@pytest.mark.parametrize("at", [DUE, DUE + timedelta(days=1)], ids=["in time", "after the deadline"])
def test_a_waived_period_was_never_handed_in_and_is_not_missing(school: School, at: datetime) -> None:
    with school.engine.database.write_across() as connection:
        periods.open_(connection, DECEMBER)
        periods.settle(connection, HERE, "JC-2019-0001", "waived", at)
        periods.settle(connection, HERE, "JC-2019-0001", "reported", at + timedelta(days=1))
        [record] = periods.find(connection, HERE)
    assert (record.status, record.reported_at) == ("waived", None)
    assert not record.missing(at + timedelta(days=9))


def test_what_was_handed_in_cannot_be_waived_any_more(school: School) -> None:
    with school.engine.database.write_across() as connection:
        periods.open_(connection, DECEMBER)
        periods.settle(connection, HERE, "JC-2019-0001", "reported", DUE)
        periods.settle(connection, HERE, "JC-2019-0001", "waived", DUE)
        [record] = periods.find(connection, HERE)
    assert (record.status, record.reported_at) == ("reported", DUE)


def test_only_an_open_period_of_this_school_moves(school: School) -> None:
    moved = DUE + timedelta(days=3)
    closed = replace(DECEMBER, scope="JWC", number="JC-2019-0002", status="reported", reported_at=DUE)
    with school.engine.database.write_across() as connection:
        for record in (DECEMBER, closed, replace(DECEMBER, organisation=THERE)):
            periods.open_(connection, record)
        for number in (DECEMBER.number, closed.number):
            periods.move(connection, HERE, number, moved)
        assert periods.find(connection, HERE) == [replace(DECEMBER, due_at=moved), closed]
        assert [record.due_at for record in periods.find(connection, THERE)] == [DUE]


def test_not_reported_is_missing_only_after_the_deadline(school: School) -> None:
    assert not DECEMBER.missing(DUE)
    assert DECEMBER.missing(DUE + timedelta(seconds=1))
    assert not replace(DECEMBER, status="late").missing(DUE + timedelta(days=9))
    assert not replace(DECEMBER, status="waived").missing(DUE + timedelta(days=9))


def test_periods_are_found_by_cycle_key_and_scope(school: School) -> None:
    january = replace(DECEMBER, key="2020-01", opens_at=local("2020-01-01 00:00"), number="JC-2020-0001")
    other = replace(DECEMBER, scope="JWC", number="JC-2019-0002")
    with school.engine.database.write_across() as connection:
        for record in (january, other, DECEMBER, replace(DECEMBER, organisation=THERE)):
            periods.open_(connection, record)
        assert periods.find(connection, HERE) == [DECEMBER, other, january]
        assert periods.find(connection, HERE, key="2019-12") == [DECEMBER, other]
        assert periods.find(connection, HERE, scopes=frozenset({"JWC"})) == [other]
        assert periods.find(connection, HERE, scopes=frozenset()) == []
        assert periods.find(connection, HERE, cycle="daily") == []


def test_owing_anew_sets_the_days_and_keeps_what_was_opened(school: School) -> None:
    with school.engine.database.write_across() as connection:
        periods.owe(connection, OWED)
        periods.opened_through(connection, HERE, "monthly", "HQC", date(2020, 1, 31))
        periods.owe(connection, replace(OWED, last_day=date(2020, 3, 31)))
        periods.owe(connection, replace(OWED, organisation=THERE))
        assert periods.obligations(connection) == [
            replace(OWED, organisation=THERE),
            replace(OWED, last_day=date(2020, 3, 31), opened_through=date(2020, 1, 31)),
        ]
        assert periods.obligation(connection, HERE, "monthly", "JWC") is None


@pytest.mark.parametrize(
    "first_day, opened_through, because",
    [
        (date(2019, 11, 1), None, "earlier: what is missing before has to be looked at"),
        (date(2019, 12, 1), date(2020, 1, 31), "the same"),
        (date(2020, 5, 1), date(2020, 1, 31), "later: what was opened stays opened"),
    ],
)
def test_owing_from_an_earlier_day_begins_anew(
    school: School, first_day: date, opened_through: date | None, because: str
) -> None:
    with school.engine.database.write_across() as connection:
        periods.owe(connection, OWED)
        periods.opened_through(connection, HERE, "monthly", "HQC", date(2020, 1, 31))
        periods.owe(connection, replace(OWED, first_day=first_day))
        found = periods.obligation(connection, HERE, "monthly", "HQC")
    assert found == replace(OWED, first_day=first_day, opened_through=opened_through), because


def test_what_has_to_be_looked_at_begins_with_the_first_day(school: School) -> None:
    assert OWED.unopened_after == date(2019, 11, 30)
    assert replace(OWED, opened_through=date(2020, 1, 31)).unopened_after == date(2020, 1, 31)
    gap = replace(OWED, first_day=date(2020, 5, 1), opened_through=date(2020, 1, 31))
    assert gap.unopened_after == date(2020, 4, 30), "nothing was owed in between"
