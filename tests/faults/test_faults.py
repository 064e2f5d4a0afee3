"""Every fault a few times. `make soak` does the same 200 times each; what a cycle does stands in the fault's module."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.commands import OpenCase
from engine.errors import Busy
from engine.handle import Done, handle
from tests.databases import Kind, on_postgresql
from tests.faults.__main__ import main
from tests.faults.catalog import FAULTS
from tests.faults.clocks import CLOCKS
from tests.faults.connections import CONNECTIONS
from tests.faults.crashes import CRASHES, TURNS, VICTIMS, WHERE
from tests.faults.disks import DISKS
from tests.faults.faults import Counted, Fault, run_cycle
from tests.faults.invariants import answer_of, must_hold
from tests.faults.kills import KILLS
from tests.faults.messages import MESSAGES, MESSAGES_ARRIVE
from tests.faults.places import a_place
from tests.faults.requests import REQUESTS
from tests.faults.triggers import triggers_in
from tests.faults.versions import VERSIONS

SEED = 20191206


def cycles_of(fault: Fault, kind: Kind, folder: Path, numbers: Sequence[int]) -> Counted:
    counted = Counted()
    with fault.ground(kind, folder, short=True) as ground:
        for number in numbers:
            counted += run_cycle(fault, ground, SEED, number)
    return counted


def turn(name: str, when: str) -> int:
    return next(n for n, (_, victim, dies) in enumerate(TURNS) if (victim, dies) == (name, when))


@pytest.mark.slow
def test_whoever_is_killed_at_whatever_moment_takes_nothing_along(kind: Kind, tmp_path: Path) -> None:
    assert cycles_of(KILLS, kind, tmp_path, range(2)).undone


@pytest.mark.slow
def test_whoever_dies_at_any_write_leaves_all_or_nothing(kind: Kind, tmp_path: Path) -> None:
    dying = [turn("group", "before"), turn("open", "after"), turn("deliver", "at commit")]
    counted = cycles_of(CRASHES, kind, tmp_path, [*dying, turn("group", "unheard")])
    assert counted.undone >= len(dying)
    assert counted.unheard == 1


def test_every_kind_of_work_dies_in_every_way() -> None:
    assert {(victim, when) for _, victim, when in TURNS} == {(name, when) for _, name in VICTIMS for when in WHERE}


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_is_told_in_our_words(kind: Kind, tmp_path: Path) -> None:
    assert cycles_of(DISKS, kind, tmp_path, [0]).busy


@pytest.mark.slow
@on_postgresql
def test_a_network_that_breaks_anywhere_loses_nothing(kind: Kind, tmp_path: Path) -> None:
    counted = cycles_of(CONNECTIONS, kind, tmp_path, range(2))
    assert counted.undone
    assert counted.unheard, "the commit was carried out, and its confirmation lost"


@pytest.mark.slow
def test_an_answer_that_was_lost_on_the_way_is_given_again(kind: Kind, tmp_path: Path) -> None:
    assert cycles_of(REQUESTS, kind, tmp_path, [0]).unheard


@pytest.mark.slow
def test_clocks_ten_minutes_off_tell_nothing_twice(kind: Kind, tmp_path: Path) -> None:
    counted = cycles_of(CLOCKS, kind, tmp_path, range(2) if kind == "postgresql" else [1])
    assert counted.duplicates, "a lease that ended early by one of the clocks"


@pytest.mark.slow
def test_whoever_sends_or_receives_is_killed_and_every_message_arrives(kind: Kind, tmp_path: Path) -> None:
    counted = cycles_of(MESSAGES_ARRIVE, kind, tmp_path, range(2))
    assert counted.delivered == 2 * MESSAGES


@pytest.mark.slow
def test_an_old_node_and_a_new_one_work_side_by_side(kind: Kind, tmp_path: Path) -> None:
    assert cycles_of(VERSIONS, kind, tmp_path, [0]).acknowledged


@on_postgresql
@pytest.mark.parametrize("write", [1, 4, 9, 14])
def test_a_write_that_fails_late_is_not_acknowledged_to_the_command_before(
    kind: Kind, tmp_path: Path, write: int
) -> None:
    """Of a group writes are put off and sent with the next command's: whose they were is not known then."""
    with a_place(tmp_path, kind) as place, triggers_in(place) as plan:
        errand = OpenCase("errand", {"title": "取快递", "department": "HQC"})
        group = [place.asked("bob", errand, key=str(number)) for number in range(3)]
        plan.at("full", write)
        with suppress(Busy):
            for asked, outcome in zip(group, handle(place.engine, group), strict=True):
                if isinstance(outcome, Done):
                    place.ledger.enter(asked, answer_of(outcome))
        plan.nothing()
        must_hold(place.engine, place.ledger)


# --- the soak itself -----------------------------------------------------------------------------------------------------


def test_a_tiny_soak_says_what_it_did_and_ends() -> None:
    ran = CliRunner().invoke(main, ["disks", "--cycles", "1", "--on", "sqlite", "--seed", "1", "--json"])
    assert ran.exit_code == 0, ran.output
    [said] = map(json.loads, ran.output.splitlines())
    assert (said["fault"], said["database"], said["cycles"], said["ok"]) == ("disks", "sqlite", 1, True)
    assert said["counted"]["acknowledged"] and said["counted"]["delivered"]


def test_every_fault_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.what for fault in FAULTS)
