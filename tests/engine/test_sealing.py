"""What was recorded gets a number once, whoever numbers it; and what is signed is the tree over just that."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from engine.audit import EMPTY_ROOT, Checkpoint, envelope_hash, inclusion_of, leaf_hash, root, verify_inclusion
from engine.clock import SimulatedClock
from engine.commands import OpenCase
from engine.events import LOGBOOK
from engine.handle import note
from engine.pace import Pace
from engine.sealing import number, number_all, seal
from engine.store import history, seals, trail
from engine.store.database import table_of
from engine.store.tables import FOREVER, TrailRow
from tests.engine.fakes import HERE, THERE, FakeSigner, School

_trail = table_of(TrailRow)


def numbered(school: School, organisation: str = HERE) -> list[TrailRow]:
    with school.engine.database.read(organisation) as connection:
        found = connection.execute(
            _trail.select().where(_trail.c.organisation == organisation).order_by(_trail.c.position)
        )
        return [TrailRow(**row._mapping) for row in found]


def test_every_event_gets_a_number_once_in_the_order_of_time(school: School) -> None:
    first, second = school.closed(), school.later(hours=1).report()
    assert number(school.engine.database, HERE) == 6
    rows = numbered(school)
    assert [row.position for row in rows] == list(range(6))
    assert [(row.number, row.sequence) for row in rows] == [*((first, n) for n in range(1, 6)), (second, 1)]
    assert [row.recorded_at for row in rows] == sorted(row.recorded_at for row in rows)
    assert number(school.engine.database, HERE) == 0, "nothing is left to do"
    school.later(hours=1).step("sam", second, "assign")
    assert number_all(school.engine.database) == 2, "and the first one is told that this repeats it"
    assert [(row.position, row.number) for row in numbered(school)[-2:]] == [(6, first), (7, second)]


def test_the_trail_says_how_a_case_stood_and_until_when(school: School) -> None:
    case = school.report(category="ELEC.use")
    for who, trigger in (("sam", "assign"), ("alice", "fix")):
        school.later(hours=1).step(who, case, trigger)
        number(school.engine.database, HERE)
    rows = numbered(school)
    assert [(row.trigger, row.state, row.counts_as) for row in rows] == [
        ("open", "reported", "reported"), ("assign", "assigned", "assigned"), ("fix", "fixed", "fixed"),
    ]  # fmt: skip
    assert [row.until for row in rows] == [rows[1].recorded_at, rows[2].recorded_at, FOREVER]
    stands = school.case(case)
    last = rows[-1]
    for name in ("workflow", "state", "counts_as", "final", "level", "category", "department", "assignee", "reporter"):
        assert getattr(last, name) == getattr(stands, name), name
    assert (last.due_at, last.opened_at) == (stands.due_at, stands.opened_at)


def test_an_event_that_changes_nothing_lists_ask_for_ends_nothing(school: School) -> None:
    school.errand()
    school.at("2019-12-03 08:00").tick()
    number(school.engine.database, HERE)
    opened, reminded = numbered(school)
    assert (reminded.type, opened.until, reminded.until) == ("reminded", FOREVER, reminded.recorded_at)
    assert (reminded.workflow, reminded.state) == (opened.workflow, opened.state)


def test_each_school_has_a_trail_of_its_own(school: School) -> None:
    school.report()
    school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"}))
    assert number(school.engine.database, HERE) == 1
    assert numbered(school, THERE) == []
    assert number_all(school.engine.database) == 1
    assert [row.position for row in numbered(school, THERE)] == [0]


def test_what_is_noted_stands_in_a_chain_of_its_own_and_in_the_trail(school: School) -> None:
    school.report()
    for count in (3, 4):
        note(school.engine, school.actor("sam"), "exported", {"what": "ledger", "rows": count})
    number(school.engine.database, HERE)
    with school.engine.database.read(HERE) as connection:
        first, second = history.events_of(connection, HERE, LOGBOOK)
    assert (first.sequence, second.sequence, second.data) == (1, 2, {"what": "ledger", "rows": 4})
    assert [(row.type, row.workflow, row.until) for row in numbered(school) if row.number == LOGBOOK] == [
        ("noted", "", event.recorded_at) for event in (first, second)
    ]


def test_nodes_that_number_at_once_give_no_number_twice(school: School) -> None:
    for _ in range(40):
        school.report()
    done: list[int] = []
    nodes = [
        threading.Thread(target=lambda: done.append(number(school.engine.database, HERE, Pace(most=8))))
        for _ in range(4)
    ]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert sum(done) == 40
    assert [row.position for row in numbered(school)] == list(range(40))


class _Meddling(Pace):
    """Somebody else comes in between looking at what waits and numbering it."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__(most=8)
        self._meddle = meddle

    @contextmanager
    def of(self, count: int, waited: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
        self._meddle()
        yield


def test_what_somebody_else_numbered_meanwhile_is_looked_at_again(school: School) -> None:
    """What waits is thought out while others write: a few of these, all of these, and the same case standing otherwise."""
    case = school.report()
    others = [school.report() for _ in range(11)]
    database = school.engine.database
    assert number(database, HERE, _Meddling(lambda: number(database, HERE, Pace(most=8), going_on=_once()))) < 12
    assert number(database, HERE) == 0
    school.later(hours=1).step("sam", case, "assign")
    assert number(database, HERE, _Meddling(lambda: number(database, HERE))) == 0
    school.later(hours=1).step("alice", case, "fix")
    assert number(database, HERE, _Meddling(school.report)) == 1, "who records meanwhile changes nothing of it"
    number(database, HERE)
    rows = numbered(school)
    assert [row.position for row in rows] == list(range(len(others) + 4))
    of_case = [row for row in rows if row.number == case]
    assert [row.until for row in of_case] == [of_case[1].recorded_at, of_case[2].recorded_at, FOREVER]


def test_numbering_ends_while_others_go_on_recording(school: School) -> None:
    """Who writes faster than somebody numbers must not keep him from ever answering."""
    for _ in range(3):
        school.report()
    reported = []

    def meanwhile() -> bool:
        reported.append(school.report())
        return len(reported) < 100

    assert number(school.engine.database, HERE, Pace(most=1), meanwhile) == 3
    assert number(school.engine.database, HERE) == len(reported)
    assert [row.position for row in numbered(school)] == list(range(3 + len(reported)))


def test_a_checkpoint_is_signed_over_everything_that_has_a_number(school: School) -> None:
    signer = FakeSigner()
    school.closed()
    number(school.engine.database, HERE)
    first = seal(school.engine.database, HERE, signer, school.clock)
    assert first is not None
    leaves = [leaf_hash(row.hash) for row in numbered(school)]
    assert (first.size, first.root, first.previous) == (5, root(leaves).hex(), "")
    assert seal(school.engine.database, HERE, signer, school.clock) is None, "it says all there is to say"
    school.later(hours=1).report()
    number(school.engine.database, HERE)
    second = seal(school.engine.database, HERE, signer, school.clock)
    assert second is not None
    assert (second.size, second.previous) == (6, envelope_hash(first.to_bytes()))
    with school.engine.database.read(HERE) as connection:
        signed = seals.checkpoints(connection, HERE)
    assert [Checkpoint.from_bytes(each.body.encode()) for each in signed] == [first, second]
    assert [each.signature for each in signed] == [signer.sign(c.to_bytes()).hex() for c in (first, second)]


def test_a_node_whose_clock_is_behind_signs_no_earlier_than_the_last_one_did(school: School) -> None:
    school.report()
    number(school.engine.database, HERE)
    first = seal(school.engine.database, HERE, FakeSigner(), school.clock)
    school.report()
    number(school.engine.database, HERE)
    behind = SimulatedClock(school.clock.now() - timedelta(minutes=10))
    second = seal(school.engine.database, HERE, FakeSigner(), behind)
    assert first is not None and second is not None
    assert (second.size > first.size, second.at) == (True, first.at)


def test_a_school_without_events_seals_nothing(school: School) -> None:
    assert seal(school.engine.database, HERE, FakeSigner(), school.clock) is None
    with school.engine.database.read(HERE) as connection:
        assert root([]) == EMPTY_ROOT
        assert seals.last_checkpoint(connection, HERE) is None


@pytest.mark.slow
def test_the_tree_kept_by_its_nodes_is_the_tree_over_all_leaves(school: School) -> None:
    """Above 256 leaves, where nodes are kept: the same root, and a proof of each leaf that it takes."""
    cases = 270
    for _ in range(cases):
        school.report()
    sizes = []
    while number(school.engine.database, HERE, Pace(most=50), going_on=_once()):
        with school.engine.database.read(HERE) as connection:
            sizes.append(trail.size(connection, HERE))
    assert sizes[-1] == cases
    leaves = [leaf_hash(row.hash) for row in numbered(school)]
    checkpoint = seal(school.engine.database, HERE, FakeSigner(), school.clock)
    assert checkpoint is not None and checkpoint.root == root(leaves).hex()
    with school.engine.database.read(HERE) as connection:
        tree = seals.Tree(connection, HERE)
        assert seals.nodes(connection, HERE, 8, 0, 10) == [root(leaves[:256])]
        for index in (0, 1, 255, 256, cases - 1):
            assert verify_inclusion(leaves[index], index, cases, inclusion_of(tree, index, cases), root(leaves))


def _once() -> "_Once":
    return _Once()


class _Once:
    """Says yes once."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self) -> bool:
        said, self._said = self._said, True
        return not said


@pytest.mark.parametrize(
    "written",
    [
        b"", b"{}", b"[]", b'"checkpoint"', b"\xff", b'{"format":1}', b"[" * 100_000,
        Checkpoint("a", 1, "r", datetime.fromisoformat("2020-01-01T00:00:00Z"), "", "k").to_bytes() + b" ",
        Checkpoint("a", 1, "r", datetime.fromisoformat("2020-01-01T00:00:00Z"), "", "k").to_bytes().replace(b":1", b":2"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_not_taken_for_one(written: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint.from_bytes(written)
