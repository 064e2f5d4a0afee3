import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from engine.store import timers
from engine.store.database import table_of
from engine.store.statements import mark, undo_to_mark
from engine.store.tables import TimerRow
from tests.databases import on_sqlite
from tests.engine.fakes import HERE, THERE, School, local

AT = local("2019-12-03 07:40")
LATER = AT + timedelta(days=1)
TABLE = table_of(TimerRow)


def watch(school: School, number: str = "X-2019-0001", generation: int = 1, organisation: str = HERE) -> None:
    with school.engine.database.write_across() as connection:
        timers.add(connection, organisation, number, generation, [("before-1", AT), ("due", LATER)])


def test_a_rung_is_told_once(school: School) -> None:
    watch(school)
    with school.engine.database.write_across() as connection:
        timers.told(connection, HERE, "X-2019-0001", 1, "due", ["before-1"], LATER)
        assert timers.waiting(connection, HERE, "X-2019-0001") == []
    with pytest.raises(RuntimeError, match="told twice"), school.engine.database.write_across() as connection:
        timers.told(connection, HERE, "X-2019-0001", 1, "due", [], LATER)


def test_a_rung_that_was_told_cannot_be_put_on_watch_again(school: School) -> None:
    watch(school)
    with school.engine.database.write_across() as connection:
        timers.told(connection, HERE, "X-2019-0001", 1, "due", [], LATER)
    watch(school)
    with school.engine.database.read_across() as connection:
        assert timers.waiting(connection, HERE, "X-2019-0001") == [(1, "before-1", AT)]


def test_a_rung_that_was_void_before_it_fell_due_may_wait_again_for_it_was_never_told(school: School) -> None:
    """A holiday notice with a mistake in it, and the one that puts it right."""
    watch(school)
    with school.engine.database.write_across() as connection:
        timers.cancel(connection, HERE, "X-2019-0001", AT, ["before-1", "due"])  # the first had fallen due by then
        assert timers.of_generation(connection, HERE, "X-2019-0001", 1) == {"before-1": None}
        timers.add(connection, HERE, "X-2019-0001", 1, [("before-1", LATER), ("due", LATER)])
        assert timers.waiting(connection, HERE, "X-2019-0001") == [(1, "due", LATER)]
        timers.told(connection, HERE, "X-2019-0001", 1, "due", [], LATER)
    watch(school)
    with school.engine.database.read_across() as connection:
        assert timers.of_generation(connection, HERE, "X-2019-0001", 1) == {"before-1": None, "due": None}


def test_a_swallowed_repetition_gets_a_row_although_it_was_never_on_watch(school: School) -> None:
    watch(school)
    with school.engine.database.write_across() as connection:
        timers.told(connection, HERE, "X-2019-0001", 1, "repeat-2", ["before-1", "due", "repeat-1"], LATER)
        found = select(TABLE.c.rung, TABLE.c.status).order_by(TABLE.c.rung)
        assert [tuple(row) for row in connection.execute(found)] == [
            ("before-1", "skipped"), ("due", "skipped"), ("repeat-1", "skipped"), ("repeat-2", "fired"),
        ]  # fmt: skip


def test_what_was_told_and_undone_leaves_the_rung_on_watch(school: School) -> None:
    watch(school)
    with school.engine.database.write_across() as connection:
        mark(connection)
        timers.told(connection, HERE, "X-2019-0001", 1, "due", [], LATER)
        undo_to_mark(connection)
        assert [rung for _, rung, _ in timers.waiting(connection, HERE, "X-2019-0001")] == ["before-1", "due"]


def test_what_is_due_comes_case_by_case_with_its_rungs_by_time(school: School) -> None:
    for number in ("X-2019-0002", "X-2019-0001"):
        watch(school, number)
    with school.engine.database.read_across() as connection:
        assert timers.due(connection, AT - timedelta(seconds=1), 10) == []
        assert timers.due(connection, AT, 10) == [
            (HERE, "X-2019-0001", 1, ("before-1",)), (HERE, "X-2019-0002", 1, ("before-1",)),
        ]  # fmt: skip
        assert timers.due(connection, LATER, 1) == [(HERE, "X-2019-0001", 1, ("before-1", "due"))]
        assert timers.due(connection, LATER, 10, after=(HERE, "X-2019-0001"))[0][1] == "X-2019-0002"
        assert timers.due(connection, LATER, 10, after=(HERE, "X-2019-0002")) == []


@pytest.mark.parametrize("limit", range(1, 12))
def test_however_little_is_looked_at_each_case_comes_once_with_all_its_rungs(school: School, limit: int) -> None:
    for number in ("X-2019-0001", "X-2019-0002", "X-2019-0003"):
        watch(school, number)
    watch(school, "X-2019-0002", generation=2)
    watch(school, organisation=THERE)
    with school.engine.database.read_across() as connection:
        looks, after = [timers.due(connection, LATER, limit)], ("", "")
        while looks[-1]:
            after = looks[-1][-1][:2]
            looks.append(timers.due(connection, LATER, limit, after))
        at_once = timers.due(connection, LATER, 100)
    assert [found for look in looks for found in look] == at_once
    assert {(case, generation, rungs) for _, case, generation, rungs in at_once} == {
        ("X-2019-0001", 1, ("before-1", "due")), ("X-2019-0002", 2, ("before-1", "due")),
        ("X-2019-0003", 1, ("before-1", "due")),
    }  # fmt: skip


def test_voiding_takes_all_rungs_or_those_named_or_those_of_one_generation(school: School) -> None:
    watch(school)
    watch(school, generation=2)
    with school.engine.database.write_across() as connection:
        timers.cancel(connection, HERE, "X-2019-0001", AT, ["due"], generation=1)
        assert [(g, rung) for g, rung, _ in timers.waiting(connection, HERE, "X-2019-0001")] == [
            (1, "before-1"), (2, "before-1"), (2, "due"),
        ]  # fmt: skip
        timers.cancel(connection, HERE, "X-2019-0001", AT, ["before-1"])
        assert [(g, rung) for g, rung, _ in timers.waiting(connection, HERE, "X-2019-0001")] == [(2, "due")]
        timers.cancel(connection, HERE, "X-2019-0001", AT)
        assert timers.waiting(connection, HERE, "X-2019-0001") == []


def test_voiding_marks_what_had_fallen_due_as_skipped_and_the_rest_as_cancelled(school: School) -> None:
    watch(school)
    with school.engine.database.write_across() as connection:
        timers.cancel(connection, HERE, "X-2019-0001", AT)
        found = select(TABLE.c.rung, TABLE.c.status, TABLE.c.settled_at).order_by(TABLE.c.fire_at)
        rows = [tuple(row) for row in connection.execute(found)]
    assert rows == [("before-1", "skipped", AT), ("due", "cancelled", AT)]


@pytest.mark.parametrize(
    "now, expected",
    [
        (AT - timedelta(seconds=1), []),
        (AT, [(1, ("before-1",)), (2, ("before-1",))]),
        (LATER, [(1, ("before-1", "due")), (2, ("before-1", "due"))]),
    ],
    ids=["nothing yet", "at the very instant", "both, by time"],
)
def test_what_of_one_case_fell_due_and_was_not_told(
    school: School, now: datetime, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    watch(school)
    watch(school, generation=2)
    watch(school, "X-2019-0002")
    watch(school, organisation=THERE)
    with school.engine.database.write_across() as connection:
        assert timers.ripe(connection, HERE, "X-2019-0001", now) == expected
        timers.cancel(connection, HERE, "X-2019-0001", now)
        assert timers.ripe(connection, HERE, "X-2019-0001", now) == []


def test_the_rungs_of_two_schools_never_meet(school: School) -> None:
    watch(school)
    watch(school, organisation=THERE)
    with school.engine.database.write_across() as connection:
        timers.cancel(connection, THERE, "X-2019-0001", AT)
        assert timers.waiting(connection, THERE, "X-2019-0001") == []
        assert [rung for _, rung, _ in timers.waiting(connection, HERE, "X-2019-0001")] == ["before-1", "due"]


@on_sqlite
def test_looking_for_what_is_due_reads_what_fell_due_and_not_all_that_waits(school: School) -> None:
    values = {"now": AT, "after_organisation": "", "after_number": "", "limit": 1}
    with school.engine.database.read_across() as connection:
        asking = timers._DUE.made(connection)
        explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asking.sql}", tuple(asking.parameters(values)))
        plan = [row.detail for row in explained]
    assert [step for step in plan if "timer" in step] == ["SEARCH timer USING INDEX ix_timer_waiting (fire_at<?)"]


def test_what_fell_due_is_gone_through_once_a_look_and_compared_with_nothing(school: School) -> None:
    """Joined with itself, 100,000 reminders after an outage took a server six minutes."""
    values = {"now": AT, "after_organisation": "", "after_number": "", "limit": 1}
    with school.engine.database.read_across() as connection:
        asking = timers._DUE.made(connection)
        how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        sql = asking.sql
        for n in range(len(asking.names), 0, -1):  # the server's numbered ones, as the driver takes them here
            sql = sql.replace(f"${n}", "%s")
        rows = connection.exec_driver_sql(f"{how} {sql}", tuple(asking.parameters(values)))
        plan = "\n".join(" ".join(map(str, row)) for row in rows)
    assert len(re.findall(r"SEARCH timer|Scan using \w+ on timer", plan)) == 1, plan
    assert len(re.findall(r"(?:CTE Scan on|SCAN) ripe", plan)) == 1, plan
