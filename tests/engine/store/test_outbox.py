from dataclasses import replace
from datetime import timedelta

from engine.events import Notice
from engine.store import outbox
from tests.engine.fakes import HERE, START, THERE, School, local

NOW = local(START)
LEASE = NOW + timedelta(minutes=5)
FIRST = Notice(
    "X-2019-0001:1:waiting", HERE, "X-2019-0001", 1, "waiting", ("assignee",), "direct", NOW, {"title": "插座"}
)
SECOND = replace(FIRST, id="X-2019-0002:1:waiting", case="X-2019-0002", written_at=NOW + timedelta(seconds=1))


def write(school: School, *notices: Notice) -> None:
    with school.engine.database.write_across() as connection:
        outbox.write(connection, notices)


def test_a_notice_comes_back_as_it_was_written(school: School) -> None:
    write(school, FIRST)
    with school.engine.database.read_across() as connection:
        assert outbox.notices_of(connection, HERE, "X-2019-0001") == [FIRST]


def test_what_one_holds_another_cannot_claim_until_the_lease_runs_out(school: School) -> None:
    write(school, SECOND, FIRST)
    with school.engine.database.write_across() as connection:
        assert outbox.claim(connection, NOW, LEASE, 1) == [(FIRST, 1)], "oldest first"
        assert outbox.claim(connection, NOW, LEASE, 9) == [(SECOND, 1)]
        assert outbox.claim(connection, LEASE - timedelta(microseconds=1), LEASE, 9) == []
        assert outbox.claim(connection, LEASE, LEASE + timedelta(minutes=5), 9) == [(FIRST, 2), (SECOND, 2)]


def test_whoever_was_overtaken_cannot_say_that_it_is_done(school: School) -> None:
    write(school, FIRST)
    with school.engine.database.write_across() as connection:
        [(_, old)] = outbox.claim(connection, NOW, LEASE, 1)
        [(_, new)] = outbox.claim(connection, LEASE, LEASE + timedelta(minutes=5), 1)
        assert not outbox.done(connection, HERE, FIRST.id, old)
        assert outbox.done(connection, HERE, FIRST.id, new)
        assert not outbox.done(connection, HERE, FIRST.id, new), "and only once"
        assert outbox.claim(connection, NOW + timedelta(days=9), LEASE, 9) == []


def test_a_notice_of_a_command_that_was_undone_was_never_written(school: School) -> None:
    with school.engine.database.write_across() as connection:
        savepoint = connection.begin_nested()
        outbox.write(connection, [FIRST])
        savepoint.rollback()
        assert outbox.claim(connection, NOW, LEASE, 9) == []


def test_equal_names_in_two_schools_are_two_notices(school: School) -> None:
    write(school, FIRST, replace(FIRST, organisation=THERE))
    with school.engine.database.write_across() as connection:
        claimed = outbox.claim(connection, NOW, LEASE, 9)
        assert [notice.organisation for notice, _ in claimed] == [THERE, HERE]
        assert outbox.done(connection, THERE, FIRST.id, 1)
        assert outbox.done(connection, HERE, FIRST.id, 1)
        assert outbox.notices_of(connection, "third", FIRST.case) == []
