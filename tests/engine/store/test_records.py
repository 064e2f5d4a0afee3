"""Events as they lie in memory, for whoever takes them away: all of them, in order, however few are read at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.audit import envelope_hash
from engine.sealing import number
from engine.store import history, records
from engine.store.records import is_cleared
from tests.engine.fakes import HERE, THERE, School
from tests.plans import asked_by, explained


@dataclass(frozen=True)
class Through:
    """Reads by a connection whose queries somebody looks at."""

    connection: Connection

    @contextmanager
    def read(self, organisation: str) -> Iterator[Connection]:
        yield self.connection


def size_of(school: School, organisation: str = HERE) -> int:
    return number(school.engine.database, organisation)


def test_a_record_is_the_event_as_it_was_hashed_with_what_lies_beside_it(school: School) -> None:
    case = school.closed()
    assert size_of(school) == 5
    with school.engine.database.read(HERE) as connection:
        found = records.of_case(connection, HERE, case)
        events = history.events_of(connection, HERE, case)
    for position, (record, event) in enumerate(zip(found, events, strict=True)):
        assert (record.position, record.number, record.sequence) == (position, case, event.sequence)
        assert envelope_hash(record.envelope.encode()) == record.hash == event.hash
        assert (record.answers(), record.changes()) == (event.data, event.changes)
        assert record.read()["recorded_at"] and record.cleared() == []
    assert (found[-1].workflow, found[-1].department, found[-1].assignee) == ("hazard", "HQC", "alice")


def test_an_entry_without_its_salt_is_cleared() -> None:
    assert is_cleared({"erased": 3, "value": None})
    assert not is_cleared({"salt": "00" * 16, "value": None})


def test_they_are_read_a_few_at_a_time_and_none_is_lost(school: School) -> None:
    cases = [school.closed(), school.report(), school.assigned()]
    size = size_of(school)
    database = school.engine.database
    for at_once in (1, 2, 3, 100):
        in_order = list(records.in_order(database, HERE, size, at_once))
        assert [record.position for record in in_order] == list(range(size))
        by_case = list(records.case_by_case(database, HERE, size, at_once))
        assert [(record.number, record.sequence) for record in by_case] == sorted(
            (record.number, record.sequence) for record in in_order
        )
        assert {record.number for record in in_order} == set(cases)


def test_only_the_first_so_many_are_read_and_nobody_else_s(school: School) -> None:
    school.closed()
    size = size_of(school)
    school.later(hours=1).report()
    size_of(school)
    database = school.engine.database
    assert len(list(records.in_order(database, HERE, size))) == size
    assert len(list(records.case_by_case(database, HERE, size))) == size
    assert list(records.in_order(database, THERE, size)) == []
    assert list(records.case_by_case(database, HERE, 0)) == []


def test_each_page_begins_where_the_one_before_it_ended(school: School) -> None:
    """By an index, at that place of it and in its order: a long trail is gone through once."""
    for _ in range(4):
        school.closed()
    size = size_of(school)
    with school.engine.database.read(HERE) as connection:
        for read, index in (
            (records.in_order, ("pk_trail", "autoindex_trail")),
            (records.case_by_case, ("ix_trail_event",)),
        ):
            asked = asked_by(connection, lambda read=read: list(read(Through(connection), HERE, size, 5)))  # type: ignore[misc]
            statement, values = asked[2]
            how = explained(connection, statement, values)
            assert any(name in how for name in index), how
            assert "TEMP B-TREE" not in how and "Sort" not in how, how
