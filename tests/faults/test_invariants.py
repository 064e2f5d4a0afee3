"""That the invariants bite: whatever is broken by hand is found, and the sentence says what it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.faults.invariants import Answer, Broken, messages_must_have_arrived, must_hold
from tests.faults.places import Place, a_place, everything, seal_everything

UNLOCK = ("DROP TRIGGER event_no_update", "DROP TRIGGER event_no_delete")
HERE = "'school', 'YH-2019-0003'"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with a_place(tmp_path, "sqlite") as place:  # which database it is makes no difference here
        place.ask(*everything(place))
        must_hold(place.engine, place.ledger)
        yield place


def harm(place: Place, *statements: str) -> None:
    with place.engine.database.write_across() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statements, found",
    [
        ((*UNLOCK, "UPDATE event SET envelope = replace(envelope, 'bob', 'eve') WHERE number = 'BG-2019-0001'"), "chain of"),
        ((*UNLOCK, "DELETE FROM event WHERE number = 'YH-2019-0005' AND sequence = 5"), "committed to"),
        (("DELETE FROM disclosure WHERE number = 'YH-2019-0005' AND sequence = 4",), "speaks of|committed to"),
        (("UPDATE case_record SET body = json_set(body, '$.place', 'elsewhere') WHERE number = 'YH-2019-0001'",), "do not fold"),
        (("DELETE FROM outbox WHERE sequence = 1 AND number = 'YH-2019-0001'",), "nothing in the outbox"),
        (("UPDATE outbox SET status = 'planned' WHERE sequence = 1",), "is planned and has 0 deliveries"),
        (("DELETE FROM answer WHERE number = 'YH-2019-0004' AND sequence = 2",), "it happened twice"),
        (("UPDATE series SET last = last + 1 WHERE prefix = 'YH'",), "series"),
        ((f"INSERT INTO timer VALUES ({HERE}, 1, 'x', '2019-12-09 00:00:00', 'waiting', NULL)",), "generation is over"),
        ((f"INSERT INTO timer VALUES ({HERE}, 2, 'x', '2019-12-02 00:00:00', 'fired', NULL)",), "told and rungs recorded"),
        (("DELETE FROM period WHERE key = '2019-12-05'",), "never opened"),
        (("UPDATE period SET number = 'BG-2019-0001' WHERE key = '2019-12-05'",), "no case of its own"),
        (("DELETE FROM role_grant",), "is stuck"),
        (("INSERT INTO party (organisation, person, number) VALUES ('school', 'alice', 'YH-2019-0099')",), "does not know of it"),
        (("DELETE FROM unnumbered WHERE number = 'YH-2019-0001'",), "without a number, or with two"),
    ],
)  # fmt: skip
def test_what_is_broken_is_found_and_named(place: Place, statements: tuple[str, ...], found: str) -> None:
    harm(place, *statements)
    with pytest.raises(Broken, match=found):
        must_hold(place.engine, place.ledger)


@pytest.mark.parametrize(
    "statements, found",
    [
        (("DELETE FROM trail WHERE position = 3",), "without a number, or with two"),
        (("UPDATE trail SET position = 999 WHERE position = 3",), "out of order"),
        (("UPDATE trail SET hash = (SELECT hash FROM trail WHERE position = 4) WHERE position = 3",), "another hash"),
        ((
            "DROP TRIGGER checkpoint_no_update",
            "UPDATE checkpoint SET body = substr(body, 1, instr(body, 'root') + 6) || '00' || substr(body, instr(body, 'root') + 9)",
        ), "another root"),
        (("INSERT INTO unnumbered SELECT organisation, number, sequence FROM trail WHERE position = 3",), "with two"),
    ],
)  # fmt: skip
def test_what_is_broken_in_the_trail_is_found_and_named(place: Place, statements: tuple[str, ...], found: str) -> None:
    seal_everything(place.engine)
    must_hold(place.engine, place.ledger)
    harm(place, *statements)
    with pytest.raises(Broken, match=found):
        must_hold(place.engine, place.ledger)


def test_a_rung_told_twice_is_found(tmp_path: Path) -> None:
    """The only way to have one: its claim is taken back by hand."""
    with a_place(tmp_path, "sqlite") as place:
        place.settle()
        harm(place, "UPDATE timer SET status = 'waiting' WHERE status = 'fired' AND number = 'YH-2019-0005'")
        place.settle()
        with pytest.raises(Broken, match="of YH-2019-0005 was told 2 times"):
            must_hold(place.engine, place.ledger)


@pytest.mark.parametrize(
    "statement, found",
    [
        ("UPDATE timer SET fire_at = '2019-12-01 00:00:00' WHERE status = 'waiting'", "was not told"),
        ("UPDATE obligation SET first_day = '2019-12-04'", "began and was not opened"),
        ("UPDATE outbox SET status = 'waiting'; DELETE FROM delivery", "not turned into deliveries"),
        ("UPDATE delivery SET status = 'sending' WHERE status = 'sent'", "is due and sending"),
    ],
)
def test_what_still_waits_when_nothing_is_in_its_way_is_found(place: Place, statement: str, found: str) -> None:
    place.settle()
    must_hold(place.engine, place.ledger, settled=True)
    harm(place, *statement.split("; "))
    with pytest.raises(Broken, match=found):
        must_hold(place.engine, place.ledger, settled=True)


def test_what_was_acknowledged_and_is_not_there_is_found(place: Place) -> None:
    asked, answer = place.ledger.kept[0]
    place.ledger.kept[0] = asked, replace(answer, sequence=99)
    with pytest.raises(Broken, match="acknowledged under 'open' and is lost"):
        must_hold(place.engine, place.ledger)


def test_a_key_that_is_answered_otherwise_the_second_time_is_found(place: Place) -> None:
    asked, answer = place.ledger.kept[0]
    with pytest.raises(Broken, match="and then by"):
        place.ledger.enter(asked, replace(answer, sequence=99))
    with pytest.raises(Broken, match="a command failed"):
        place.ledger.enter(asked, Answer("failed", why="a defect"))


def test_messages_lost_and_messages_that_share_a_key_are_found(place: Place) -> None:
    place.settle()
    arrived = [*place.post.arrived()]
    (key, words), last = arrived[0], arrived[-1]
    assert messages_must_have_arrived(place.engine, "robot", [*arrived, last]) == 1, "one came twice"
    with pytest.raises(Broken, match="never arrived"):
        messages_must_have_arrived(place.engine, "robot", arrived[1:])
    with pytest.raises(Broken, match="came two messages"):
        messages_must_have_arrived(place.engine, "robot", [*arrived, (key, f"not {words}")])
    with pytest.raises(Broken, match="no delivery has"):
        messages_must_have_arrived(place.engine, "robot", [*arrived, ("msg_strange", words)])
    with pytest.raises(Broken, match="in the end"):
        messages_must_have_arrived(place.engine, "robot", arrived, all_of_them=True)
