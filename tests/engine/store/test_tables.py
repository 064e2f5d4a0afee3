import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import IntegrityError

from engine.store import tables
from engine.store.database import table_of
from tests.databases import on_postgresql, on_sqlite
from tests.engine.fakes import School

TABLES = [table_of(row) for name, row in vars(tables).items() if name.endswith("Row")]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_table_carries_the_organisation_and_every_key_starts_with_it(table: Table) -> None:
    assert next(iter(table.primary_key.columns)).name == "organisation"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE case_record SET counts_as = 'nearly closed'",
        "UPDATE timer SET status = 'forgotten'",
        "UPDATE outbox SET status = 'lost'",
        "UPDATE event SET type = 'undone'",
        "DELETE FROM event",
    ],
)
def test_the_database_itself_refuses_what_must_not_be(school: School, statement: str) -> None:
    school.assigned()
    with pytest.raises(IntegrityError), school.engine.database.own() as connection:
        connection.execute(text(statement))


@on_sqlite
def test_no_event_is_replaced_on_sqlite(school: School) -> None:
    school.assigned()
    with pytest.raises(IntegrityError, match="append-only"), school.engine.database.write_across() as connection:
        connection.execute(text("INSERT OR REPLACE INTO event SELECT * FROM event"))


@on_postgresql
def test_events_are_not_truncated_on_postgresql(school: School) -> None:
    school.assigned()
    with pytest.raises(IntegrityError, match="append-only"), school.engine.database.own() as connection:
        connection.execute(text("TRUNCATE event CASCADE"))
