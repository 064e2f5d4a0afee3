import re

import pytest

from engine.commands import OpenCase
from engine.sealing import number_all
from engine.store import history
from tests.engine.fakes import HERE, THERE, School
from tests.plans import asked_by, explained


def test_a_case_can_be_read_as_it_stood_after_any_event(school: School) -> None:
    number = school.report(category="ELEC.use")
    stood = [school.case(number)]
    stood += [
        school.later(hours=1).step(who, number, trigger) for who, trigger in (("sam", "assign"), ("alice", "fix"))
    ]
    with school.engine.database.read_across() as connection:
        for sequence, case in enumerate(stood, 1):
            then, event = history.as_of(connection, HERE, number, sequence)
            assert then == case
            assert event.sequence == sequence


@pytest.mark.parametrize("sequence", [0, 3, 99])
def test_an_event_that_never_was_is_a_lookup_error(school: School, sequence: int) -> None:
    number = school.assigned()
    with school.engine.database.read_across() as connection, pytest.raises(LookupError):
        history.as_of(connection, HERE, number, sequence)


def test_events_can_be_read_up_to_one_of_them(school: School) -> None:
    number = school.closed()
    with school.engine.database.read_across() as connection:
        assert [event.trigger for event in history.events_of(connection, HERE, number, until=2)] == ["open", "assign"]


def test_the_histories_of_two_schools_never_meet(school: School) -> None:
    number = school.closed()
    school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"}))
    with school.engine.database.read_across() as connection:
        assert len(history.events_of(connection, THERE, number)) == 1
        assert len(history.envelopes_of(connection, THERE, number)) == 1
        assert (history.count_events(connection, HERE), history.count_events(connection, THERE)) == (5, 1)


def test_reminders_are_listed_by_time_and_the_latest_instant_is_known(school: School) -> None:
    first = school.errand()
    school.at("2019-12-03 08:00").tick()
    second = school.errand()
    school.at("2019-12-04 08:00").tick()
    with school.engine.database.read_across() as connection:
        listed = [(event.case, event.trigger) for event in history.reminders(connection, HERE)]
        assert listed == [(first, "before-1"), (first, "due"), (second, "before-1")]
        assert history.reminders(connection, THERE) == []
        assert history.latest_instant(connection) == school.clock.now()


def test_a_school_without_events_has_no_latest_instant(school: School) -> None:
    with school.engine.database.read_across() as connection:
        assert history.latest_instant(connection) is None


def test_the_latest_instant_is_known_before_and_after_events_have_a_number(school: School) -> None:
    school.report()
    number_all(school.engine.database)
    school.later(hours=1).report()
    for _ in range(2):
        with school.engine.database.read_across() as connection:
            assert history.latest_instant(connection) == school.clock.now()
        number_all(school.engine.database)


def test_the_latest_instant_is_found_at_the_end_of_each_schools_events(school: School) -> None:
    """Not among all of them, of which there may be millions when a process starts."""
    school.report()
    with school.engine.database.read_across() as connection:
        numbered, waiting = asked_by(connection, lambda: history.latest_instant(connection))
        plans = explained(connection, *numbered), explained(connection, *waiting)
    assert re.search(r"SEARCH trail USING COVERING INDEX ix_trail_recorded|Limit", plans[0]), plans[0]
    for plan in plans:
        assert not re.search(r"SCAN (event|trail)|Seq Scan on (event|trail)", plan), plan
