from dataclasses import replace

from engine.store import refusals
from engine.store.refusals import RefusalRecord
from tests.engine.fakes import HERE, START, THERE, School, local

RECORD = RefusalRecord(HERE, local(START), "person:bob", "route", None, "open", "not_allowed", "role", "无权办理。")


def test_the_latest_refusals_come_first_and_each_school_has_its_own(school: School) -> None:
    second = replace(RECORD, code="stale_case", number="X-2019-0001")
    with school.engine.database.write_across() as connection:
        for record in (RECORD, second, replace(RECORD, organisation=THERE)):
            refusals.log(connection, record)
        assert refusals.latest(connection, HERE) == [second, RECORD]
        assert refusals.latest(connection, HERE, limit=1) == [second]
        assert (refusals.count(connection, HERE), refusals.count(connection, THERE)) == (2, 1)
