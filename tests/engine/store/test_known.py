"""What was known when: a list as of an instant is the events until then, folded from nothing, and nothing else."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.commands import OpenCase
from engine.sealing import number
from engine.store import known
from engine.store.known import CHANGES
from engine.store.worklists import Filter
from tests.engine.fakes import HERE, School
from tests.engine.living import SEEN, everything_recorded, folded, live

INSTANTS = 500  # of one history


@pytest.fixture
def lived(school: School) -> School:
    return live(school)


def test_a_list_as_of_any_instant_is_the_events_until_then_folded_from_nothing(lived: School) -> None:
    recorded = everything_recorded(lived)
    every = sorted({event.recorded_at for events in recorded.values() for event in events})
    late = [
        e
        for events in recorded.values()
        for e in events
        if e.found_at and e.recorded_at - e.found_at > timedelta(hours=2)
    ]
    assert len(every) > 25 and late, "a history, and late findings in it"
    span = (every[-1] - every[0]).total_seconds()

    @settings(
        max_examples=INSTANTS, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        at=st.one_of(
            st.sampled_from(every),
            st.sampled_from(every).map(lambda instant: instant - timedelta(microseconds=1)),
            st.sampled_from(late).map(lambda event: event.found_at),
            st.floats(-0.05, 1.0).map(lambda part: every[0] + timedelta(seconds=span * part)),
        ),
        after=st.integers(0, 9),
    )
    def agrees(at: datetime, after: int) -> None:
        expected = folded(recorded, at)
        assert known.page(connection, SEEN, Filter(), at, limit=1_000).cases == expected
        if after < 2:
            overdue = [case for case in expected if case.overdue(at)]
            figures = known.figures(connection, SEEN, Filter(), at)
            assert sum(line.overdue for line in figures) == len(overdue)
            for case in expected[after : after + 1]:
                assert known.known(connection, HERE, case.number, at) == case
                alike = Filter(state=case.state, overdue=case.overdue(at), assignee=case.assignee, category="ELEC")
                wanted = [
                    other
                    for other in expected
                    if (other.state, other.overdue(at)) == (case.state, case.overdue(at))
                    and other.category.startswith("ELEC")
                    and case.assignee in (None, other.assignee)
                ]
                assert known.page(connection, SEEN, alike, at, limit=1_000).cases == wanted
                assert known.count(connection, SEEN, alike, at) == len(wanted)

    with lived.engine.database.read(HERE) as connection:
        agrees()


def test_what_changed_between_two_instants_is_how_two_lists_differ(lived: School) -> None:
    recorded = everything_recorded(lived)
    every = sorted({event.recorded_at for events in recorded.values() for event in events})
    for since, until in zip(every[::7], every[5::6], strict=False):
        if since >= until:
            continue
        before = {case.number: case for case in folded(recorded, since)}
        expected = {}
        for case in folded(recorded, until):
            was = before.get(case.number)
            how = {
                "opened": was is None,
                "moved": was is not None and was.state != case.state,
                "closed": case.final and (was is None or not was.final),
                "overdue": case.overdue(until) and (was is None or not was.overdue(since)),
            }
            if any(how.values()):
                expected[case.number] = {change for change, so in how.items() if so}
        with lived.engine.database.read(HERE) as connection:
            found, following = known.changed(connection, SEEN, Filter(), since, until, limit=1_000)
            counted = known.count_changed(connection, SEEN, Filter(), since, until)
        assert {each.number: set(each.how) for each in found} == expected and following is None
        assert counted == {change: sum(change in how for how in expected.values()) for change in CHANGES}


def test_a_late_finding_is_in_no_list_of_before_it_was_recorded(school: School) -> None:
    found_at = school.clock.now()
    school.later(hours=5)
    done = school.do("charlie", OpenCase("hazard", {"title": "插座", "place": "三楼"}, found_at=found_at))
    assert done.event.found_at == found_at
    number(school.engine.database, HERE)
    with school.engine.database.read(HERE) as connection:
        for hours, there in ((0, 0), (4.9, 0), (5, 1)):
            at = found_at + timedelta(hours=hours)
            assert len(known.page(connection, SEEN, Filter(), at).cases) == there
