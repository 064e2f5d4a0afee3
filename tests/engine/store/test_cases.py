from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from engine.commands import OpenCase
from engine.store import cases
from tests.engine.fakes import HERE, THERE, School
from workflows.hazard import HAZARD


def test_a_case_comes_back_whole(school: School) -> None:
    done = school.do("bob", OpenCase("hazard", {"title": "插座", "place": "三楼", "category": "ELEC.use"}))
    assert school.case(done.case.number) == done.case


def test_writing_over_a_case_that_moved_on_is_a_defect_and_not_a_loss(school: School) -> None:
    old = school.case(school.assigned())
    new = school.step("alice", old.number, "acknowledge")
    with pytest.raises(RuntimeError, match="moved on"), school.engine.database.write_across() as connection:
        cases.save(connection, old, replace(old, sequence=old.sequence + 1), ())
    assert school.case(old.number) == new


def test_numbers_are_drawn_by_series_and_year_and_school(school: School) -> None:
    with school.engine.database.write_across() as connection:
        drawn = [
            cases.Numbers(connection).draw(organisation, prefix, year)
            for organisation, prefix, year in (
                (HERE, "X", 2020), (HERE, "X", 2020), (HERE, "X", 2021), (HERE, "Y", 2020), (THERE, "X", 2020),
            )
        ]  # fmt: skip
    assert drawn == ["X-2020-0001", "X-2020-0002", "X-2021-0001", "Y-2020-0001", "X-2020-0001"]


def test_a_number_drawn_in_vain_is_drawn_again(school: School) -> None:
    with school.engine.database.write_across() as connection:
        savepoint = connection.begin_nested()
        cases.Numbers(connection).draw(HERE, "X", 2020)
        savepoint.rollback()
        assert cases.Numbers(connection).draw(HERE, "X", 2020) == "X-2020-0001"


def test_the_series_goes_on_past_four_digits(school: School) -> None:
    with school.engine.database.write_across() as connection:
        cases.Numbers(connection).draw(HERE, "X", 2020)
        connection.execute(text("UPDATE series SET last = 9999 WHERE prefix = 'X'"))
        assert cases.Numbers(connection).draw(HERE, "X", 2020) == "X-2020-10000"


def test_cases_alike_are_those_closed_lately_at_the_same_place_the_last_one_first(school: School) -> None:
    first = school.closed()
    second = school.later(days=3).closed()
    school.closed(place="食堂")
    mine = school.case(school.report(category="ELEC.use"))
    since = school.clock.now() - timedelta(days=30)
    with school.engine.database.read_across() as connection:
        assert cases.closed_alike(connection, mine, ("place", "category"), since) == [second, first]
        later = school.clock.now() - timedelta(days=1)
        assert cases.closed_alike(connection, mine, ("place", "category"), later) == [second]
        there = replace(mine, organisation=THERE)
        assert cases.closed_alike(connection, there, ("place", "category"), since) == []


def test_open_cases_under_an_older_calendar_are_listed_until_they_are_under_it(school: School) -> None:
    old, closed = school.assigned(), school.closed()
    school.revise(date(2020, 1, 31))
    new = school.assigned()
    with school.engine.database.read_across() as connection:
        listed = cases.open_under_older_calendar(connection, HERE, 2)
    assert listed == [old]
    assert not {closed, new} & set(listed)


def test_the_definitions_of_open_cases_are_named_once(school: School) -> None:
    school.report()
    school.report()
    school.closed()
    errand = school.errand()
    with school.engine.database.read_across() as connection:
        assert sorted(cases.definitions_in_use(connection)) == [("errand", 1), ("hazard", HAZARD.version)]
    school.step("bob", errand, "run", note="")
    with school.engine.database.read_across() as connection:
        assert cases.definitions_in_use(connection) == [("hazard", HAZARD.version)]
