from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from engine.store import periods
from engine.store.periods import Obligation, PeriodRecord
from engine.store.statements import Question, ask
from tests.databases import on_postgresql
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
        assert [periods.obligations(connection, organisation) for organisation in (THERE, HERE)] == [
            [replace(OWED, organisation=THERE)],
            [replace(OWED, last_day=date(2020, 3, 31), opened_through=date(2020, 1, 31))],
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


# --- which are looked at ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "owed, looked_at",
    [
        ({}, True),
        ({"first_day": date(2020, 1, 1)}, True),
        ({"first_day": date(2020, 1, 2)}, False),
        ({"opened_through": date(2019, 12, 1)}, True),
        ({"opened_through": date(2020, 1, 1)}, False),
        ({"opened_through": date(2020, 2, 1)}, False),
        ({"last_day": date(2020, 6, 30)}, True),
        ({"last_day": date(2019, 11, 30)}, False),
        ({"last_day": date(2019, 12, 20), "opened_through": date(2019, 12, 20)}, False),
        ({"last_day": date(2019, 12, 20), "opened_through": date(2019, 12, 1)}, True),
        ({"cycle": "daily"}, False),
    ],
    ids=["nothing opened yet", "owed from the very day", "not owed yet", "opened before", "opened through the day",
         "opened further", "owed until later", "never owed", "opened to its end", "ended with days to look at",
         "another cycle"],
)  # fmt: skip
def test_only_what_may_have_a_period_to_open_is_looked_at(
    school: School, owed: dict[str, Any], looked_at: bool
) -> None:
    obligation = replace(OWED, **owed)
    with school.engine.database.write_across() as connection:
        periods.owe(connection, obligation)
        found = periods.unopened_alike(connection, "monthly", date(2020, 1, 1))
    assert found == ([obligation] if looked_at else [])


def test_scopes_that_were_opened_as_far_are_looked_at_as_one(school: School) -> None:
    with school.engine.database.write_across() as connection:
        for organisation in (HERE, THERE):
            for scope in ("A", "B", "C", "D"):
                periods.owe(connection, replace(OWED, organisation=organisation, scope=scope))
        periods.opened_through(connection, HERE, "monthly", "C", date(2019, 12, 1))
        found = periods.unopened_alike(connection, "monthly", date(2020, 1, 1))
    assert [(o.organisation, o.scope, o.opened_through) for o in sorted(found, key=lambda o: (o.organisation, o.scope))] == [
        (THERE, "A", None),
        (HERE, "A", None),
        (HERE, "C", date(2019, 12, 1)),
    ]  # fmt: skip


def test_what_is_asked_of_several_at_once_is_told_of_each(school: School) -> None:
    on_server = school.engine.database.on_server
    other = replace(OWED, scope="JWC")
    with school.engine.database.write_across() as connection:
        periods.owe(connection, OWED)
        periods.owe(connection, other)
        periods.open_(connection, DECEMBER)
        asked: list[Question[Any]] = [
            periods.asking_obligations(HERE, "monthly"),
            periods.locking_some(HERE, "monthly", ["JWC", "NOWHERE", "HQC"], on_server=on_server),
            periods.asking_existing(
                HERE, "monthly", [("HQC", "2019-12"), ("HQC", "2020-01"), ("JWC", "2019-12")], on_server=on_server
            ),
            periods.asking_departments(HERE, ["HQC", 'no "such" one'], on_server=on_server),
        ]
        assert ask(connection, asked) == [
            [OWED, other],
            {"JWC": other, "NOWHERE": None, "HQC": OWED},
            {("HQC", "2019-12"): True, ("HQC", "2020-01"): False, ("JWC", "2019-12"): False},
            {(HERE, "HQC"): True, (HERE, 'no "such" one'): False},
        ]


@on_postgresql
def test_an_organisation_is_claimed_by_one_node_until_its_transaction_ends(school: School) -> None:
    database = school.engine.database
    with database.read_across() as theirs:
        with database.read_across() as ours:
            assert periods.claim(ours, ["a", "b"], at_once=2) == ["a", "b"]
            assert periods.claim(theirs, ["b", "c"], at_once=2) == ["c"]
        assert periods.claim(theirs, ["a", "b"], at_once=2) == ["a", "b"]


@on_postgresql
def test_no_more_nodes_open_periods_at_the_same_time_than_said(school: School) -> None:
    database = school.engine.database
    with database.read_across() as first, database.read_across() as third:
        with database.read_across() as second:
            assert periods.claim(first, ["a"], at_once=2) == ["a"]
            assert periods.claim(second, ["a"], at_once=2) == [], "it may, and finds nothing that is free"
            assert periods.claim(third, ["b"], at_once=2) is None
        assert periods.claim(third, ["b"], at_once=2) == ["b"], "somebody is through"
