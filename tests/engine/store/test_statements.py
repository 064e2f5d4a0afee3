"""Prebuilt statements on the driver itself: put off, sent together, taken back; and what a broken transaction comes to."""

import pytest
from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.exc import OperationalError

from engine.errors import Busy
from engine.store import statements
from engine.store.database import is_passing, naming, speak_for, table_of, undone_by_itself, upsert
from engine.store.statements import Listing, Statement, back_to, flush, standing
from engine.store.tables import PersonRow, SeriesRow
from tests.databases import on_postgresql
from tests.engine.fakes import HERE, THERE, School

TABLE = table_of(SeriesRow)
ADD = Statement(insert(TABLE))
MOVE = Statement(update(TABLE).where(TABLE.c.prefix == bindparam("of_prefix")).values(last=bindparam("to")))
LAST = Statement(select(TABLE.c.prefix, TABLE.c.last).where(TABLE.c.year == 1999).order_by(TABLE.c.prefix))

ONCE = Statement(upsert(TABLE).on_conflict_do_nothing())
OF = Listing(lambda listed: select(TABLE.c.prefix).where(TABLE.c.year == 1999, TABLE.c.prefix.in_(listed)))
MOVE_ALL = Listing(lambda listed: update(TABLE).where(TABLE.c.prefix.in_(listed)).values(last=bindparam("to")))


def row(prefix: str, last: int = 0) -> dict[str, object]:
    return {"organisation": HERE, "prefix": prefix, "year": 1999, "last": last}


def test_what_was_put_off_is_there_for_whoever_asks_next_by_whatever_way(school: School) -> None:
    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, row("A"), row("B"), row("C"))
        assert [tuple(found) for found in LAST.all(connection, {})] == [("A", 0), ("B", 0), ("C", 0)]
        MOVE.put(connection, {"of_prefix": "A", "to": 7})
        found = connection.execute(select(TABLE.c.last).where(TABLE.c.prefix == "A", TABLE.c.year == 1999))
        assert found.scalar_one() == 7
        MOVE.put(connection, {"of_prefix": "B", "to": 8})
    with school.engine.database.read(HERE) as connection:
        assert [found.last for found in LAST.all(connection, {})] == [7, 8, 0]


def test_a_check_is_told_how_many_rows_were_changed_and_what_it_raises_undoes_it_all(school: School) -> None:
    told: list[int] = []

    def must_be_one(changed: int) -> None:
        told.append(changed)
        if changed != 1:
            raise LookupError("no such series")

    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, row("A"))
        MOVE.put(connection, {"of_prefix": "A", "to": 7}, check=must_be_one)

    def write_both() -> None:
        with school.engine.database.write(HERE) as connection:
            MOVE.put(connection, {"of_prefix": "A", "to": 9})
            MOVE.put(connection, {"of_prefix": "Z", "to": 9}, check=must_be_one)

    with pytest.raises(LookupError):
        write_both()
    assert told == [1, 0]
    with school.engine.database.read(HERE) as connection:
        assert [found.last for found in LAST.all(connection, {})] == [7]


@pytest.mark.parametrize("sent", [False, True], ids=["put off", "sent"])
def test_what_was_written_in_a_hurry_is_taken_back_or_said_not_to_be(school: School, sent: bool) -> None:
    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, row("A"))
        stood = standing(connection)
        assert back_to(connection, stood)
        ADD.put(connection, row("B"))
        if sent:
            flush(connection)
        taken_back = back_to(connection, stood)
        assert taken_back is (school.engine.database.on_server and not sent)
        assert len(LAST.all(connection, {})) == (1 if taken_back else 2)


def test_what_another_way_wrote_is_not_taken_back_unseen(school: School) -> None:
    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, row("A"))
        flush(connection)
        stood = standing(connection)
        connection.execute(update(TABLE).where(TABLE.c.prefix == "A", TABLE.c.year == 1999).values(last=5))
        ADD.put(connection, row("B"))
        assert not back_to(connection, stood)


@on_postgresql
def test_nothing_is_acknowledged_of_a_transaction_that_broke_off(school: School) -> None:
    """A server answers COMMIT with ROLLBACK then, and tells no error."""

    def break_off() -> None:
        with school.engine.database.write(HERE) as connection:
            ADD.put(connection, row("A"))
            with pytest.raises(Exception, match="no_such_table"):
                connection.exec_driver_sql("DELETE FROM no_such_table")

    with pytest.raises(Busy):
        break_off()


@on_postgresql
def test_a_lost_connection_is_not_replaced_in_the_middle_of_a_transaction(school: School) -> None:
    def go_on_without() -> None:
        with school.engine.database.write(HERE) as connection:
            end = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with school.engine.database.own() as owner:
                owner.execute(text("SELECT pg_terminate_backend(:end)"), {"end": end})
            with pytest.raises(OperationalError):
                LAST.all(connection, {})
            LAST.all(connection, {})

    with pytest.raises(Busy, match="cannot be reached"):
        go_on_without()


@on_postgresql
def test_whom_was_named_for_one_organisation_is_not_shown_to_the_next(school: School) -> None:
    table = table_of(PersonRow)
    with school.engine.database.write(HERE) as connection:
        naming(connection, f"mallory@{THERE}")
        assert THERE in set(connection.execute(select(table.c.organisation)).scalars())
        speak_for(connection, "a third school")
        assert connection.execute(select(table.c.organisation)).scalars().all() == []
        connection.execute(delete(table))
        assert statements.standing(connection).journeys > 0


@on_postgresql
def test_a_transaction_on_a_kept_connection_begins_with_the_first_statement_there_is_to_send(school: School) -> None:
    for _ in range(2):
        with school.engine.database.read(HERE) as connection:
            before = standing(connection).journeys
            LAST.all(connection, {})
            assert standing(connection).journeys == before + 1
            seen = connection.exec_driver_sql(
                "SELECT current_setting('bihuan.organisation'), current_setting('transaction_isolation')"
            ).one()
            assert tuple(seen) == (HERE, "repeatable read")


@on_postgresql
def test_a_connection_whose_server_ended_meanwhile_is_thrown_away_before_anything_is_asked_of_it(
    school: School,
) -> None:
    database = school.engine.database
    with database.read(HERE) as connection:
        end = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        driver = connection.connection.dbapi_connection
    assert driver is not None
    with database.own() as owner:
        owner.execute(text("SELECT pg_terminate_backend(:end, 10000)"), {"end": end})  # waits until it has ended
    with database.read(HERE) as connection:
        assert LAST.all(connection, {}) == []
        assert connection.connection.dbapi_connection is not driver


@on_postgresql
@pytest.mark.parametrize("went", ["prebuilt", "SQLAlchemy's", "to a mark"])
def test_nothing_is_asked_or_written_once_the_connection_is_lost_whoever_swallowed_that(
    school: School, went: str
) -> None:
    def go_on_all_the_same() -> None:
        with school.engine.database.write_across() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            with school.engine.database.own() as owner:
                owner.execute(text("SELECT pg_terminate_backend(:end, 10000)"), {"end": driver.info.backend_pid})
            with pytest.raises(OperationalError):
                LAST.all(connection, {})
            if went == "prebuilt":
                ADD.put(connection, row("A"))
            elif went == "to a mark":
                with undone_by_itself(connection):
                    pass
            else:
                connection.execute(insert(TABLE), row("A"))

    for _ in range(2):  # on a new connection, and on a kept one
        with pytest.raises(Busy, match="the database cannot be reached"):
            go_on_all_the_same()
        with school.engine.database.read(HERE) as connection:
            assert LAST.all(connection, {}) == []


@on_postgresql
def test_a_server_that_dies_under_what_is_undone_by_itself_is_what_is_told_of_it(school: School) -> None:
    """Who plans messages goes by it: a fault of the database's says nothing about the message, any other would bury it."""
    told: list[Exception] = []

    def lose_the_server() -> None:
        with school.engine.database.write_across() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            try:
                with undone_by_itself(connection):
                    with school.engine.database.own() as owner:
                        owner.execute(
                            text("SELECT pg_terminate_backend(:end, 10000)"), {"end": driver.info.backend_pid}
                        )
                    LAST.all(connection, {})
            except Exception as error:
                told.append(error)
                raise

    with pytest.raises(Busy):
        lose_the_server()
    assert [type(error) for error in told] == [OperationalError]
    assert is_passing(told[0])


def test_how_many_rows_were_changed_is_told_at_once(school: School) -> None:
    with school.engine.database.write(HERE) as connection:
        assert ONCE.changed(connection) == 0
        assert ONCE.changed(connection, row("A")) == 1
        assert ONCE.changed(connection, row("A", 5)) == 0
        assert ONCE.changed(connection, row("A", 5), row("B"), row("C")) == 2
        assert MOVE.changed(connection, {"of_prefix": "A", "to": 7}, {"of_prefix": "Z", "to": 7}) == 1
        assert [tuple(found) for found in LAST.all(connection, {})] == [("A", 7), ("B", 0), ("C", 0)]


@pytest.mark.parametrize("listed", ["", "A", "AB", "ABC", "ABCD", "ABCDE"])
def test_a_list_of_any_length_means_what_is_in_it_and_each_once(school: School, listed: str) -> None:
    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, *(row(prefix) for prefix in "ABCDEF"))
        assert sorted(found.prefix for found in OF.all(connection, listed, {})) == list(listed)
        assert MOVE_ALL.changed(connection, listed, {"to": 7}) == len(listed)
        assert [found.prefix for found in LAST.all(connection, {}) if found.last == 7] == list(listed)


@pytest.mark.parametrize("sent", [False, True])
def test_what_raises_is_undone_by_itself_and_nothing_else(school: School, sent: bool) -> None:
    def write_and_fail() -> None:
        with undone_by_itself(connection):
            ADD.put(connection, row("B"))
            if sent:
                flush(connection)
            raise LookupError

    with school.engine.database.write(HERE) as connection:
        ADD.put(connection, row("A"))
        with pytest.raises(LookupError):
            write_and_fail()
        with undone_by_itself(connection):
            ADD.put(connection, row("C"))
    with school.engine.database.read(HERE) as connection:
        assert [found.prefix for found in LAST.all(connection, {})] == ["A", "C"]
