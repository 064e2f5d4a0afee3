"""The pure part of verification: the tree as it grows is the tree over all its leaves, whatever its size."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from engine.audit import Checkpoint, envelope_hash, root
from engine.store.seals import Signed
from engine.verifying import Key, Lost, Peaks, Seals

LEAVES = [hashlib.sha256(str(n).encode()).digest() for n in range(600)]
AT = datetime(2020, 3, 2, 1, 0, tzinfo=UTC)


def test_the_peaks_give_the_root_at_every_size() -> None:
    peaks = Peaks()
    assert peaks.root() == root([])
    for size, leaf in enumerate(LEAVES, 1):
        peaks.add(leaf)
        if size < 70 or size % 50 == 0 or size in {255, 256, 257, 511, 512, 513}:
            assert peaks.root() == root(LEAVES[:size])


def test_the_peaks_tell_of_the_nodes_that_are_kept_when_they_become_whole() -> None:
    peaks = Peaks()
    told = [node for leaf in LEAVES for node in peaks.add(leaf)]
    assert told == [(8, 0, root(LEAVES[:256])), (8, 1, root(LEAVES[256:512]))]


@pytest.mark.parametrize("size", [1, 5, 256, 300])
def test_a_tree_goes_on_from_its_peaks(size: int) -> None:
    before = Peaks()
    for leaf in LEAVES[:size]:
        before.add(leaf)
    after = Peaks(before.size, before.peaks)
    for leaf in LEAVES[size:]:
        after.add(leaf)
    assert after.root() == root(LEAVES)


def test_peaks_that_are_not_those_of_a_tree_of_this_size_are_refused() -> None:
    with pytest.raises(ValueError, match="2 peaks, not 1"):
        Peaks(3, LEAVES[:1])


def a_checkpoint(number: int, size: int, previous: str, minutes: int = 0) -> Signed:
    key = hashlib.sha256(bytes(32)).hexdigest()
    body = Checkpoint("school", size, "r" * 64, AT + timedelta(minutes=minutes), previous, key).to_bytes()
    return Signed(number, size, AT + timedelta(minutes=minutes), key, body.decode(), "00")


def test_checkpoints_only_grow() -> None:
    key = hashlib.sha256(bytes(32)).hexdigest()
    seals = Seals("school", {key: Key(key, bytes(32).hex())}, lambda _public, _signature, _message: True)
    first = a_checkpoint(1, 5, "")
    assert seals.check(first)[1] == []
    smaller = a_checkpoint(2, 4, envelope_hash(first.body.encode()), minutes=1)
    assert [finding.code for finding in seals.check(smaller)[1]] == ["checkpoint_growth"]
    earlier = a_checkpoint(3, 5, envelope_hash(smaller.body.encode()))
    assert [finding.code for finding in seals.check(earlier)[1]] == ["checkpoint_growth"]


def test_a_key_that_had_ended_signs_nothing_more() -> None:
    key = hashlib.sha256(bytes(32)).hexdigest()
    ended = {key: Key(key, bytes(32).hex(), until=AT)}
    seals = Seals("school", ended, lambda _public, _signature, _message: True)
    [finding] = seals.check(a_checkpoint(1, 5, "", minutes=1))[1]
    assert finding.code == "signature" and "had ended before" in finding.what.en


def test_a_restore_explains_only_what_was_recorded_after_its_backup_and_before_it() -> None:
    lost = Lost(5, AT)
    for size, minutes, explained in ((6, 0, True), (5, 0, False), (6, 1, False)):
        checkpoint = Checkpoint.from_bytes(a_checkpoint(1, size, "", minutes).body.encode())
        assert lost.explains(checkpoint) is explained
