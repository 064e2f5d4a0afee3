from dataclasses import replace
from datetime import date, timedelta

import pytest

from engine.store import calendars
from tests.engine.fakes import CALENDAR, HERE, START, THERE, School, local

NOW = local(START)
SECOND = CALENDAR.revised(add_days_off=[date(2020, 1, 31)])


def test_the_newest_version_decides_and_the_old_ones_stay_readable(school: School) -> None:
    with school.engine.database.write_across() as connection:
        calendars.add(connection, HERE, SECOND, NOW + timedelta(days=1))
        assert calendars.newest(connection, HERE) == SECOND
        assert calendars.versions(connection, HERE) == [(CALENDAR, NOW), (SECOND, NOW + timedelta(days=1))]


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_follows_the_one_before_it(school: School, version: int) -> None:
    with (
        school.engine.database.write_across() as connection,
        pytest.raises(ValueError, match="next calendar version is 2"),
    ):
        calendars.add(connection, HERE, replace(SECOND, version=version), NOW)


def test_the_first_version_is_one(school: School) -> None:
    with (
        school.engine.database.write_across() as connection,
        pytest.raises(ValueError, match="next calendar version is 1"),
    ):
        calendars.add(connection, "new", SECOND, NOW)


def test_a_notice_for_one_school_is_none_for_another(school: School) -> None:
    with school.engine.database.write_across() as connection:
        calendars.add(connection, HERE, SECOND, NOW)
        assert calendars.newest(connection, THERE) == CALENDAR
        assert calendars.newest(connection, "third") is None
