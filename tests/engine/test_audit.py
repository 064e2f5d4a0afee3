import hashlib
import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audit import (
    EMPTY_ROOT,
    canonical,
    commit,
    commit_with,
    envelope_hash,
    genesis,
    inclusion_proof,
    leaf_hash,
    opens,
    root,
    verify_chain,
    verify_inclusion,
)

SALT = bytes(range(16))

# --- canonical bytes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, written, because",
    [
        (None, b"null", "literals"),
        ([True, False], b"[true,false]", "no spaces"),
        ({"b": 1, "a": 2}, b'{"a":2,"b":1}', "keys are sorted"),
        ({"\U0001f600": 1, "\ufb33": 2}, '{"\U0001f600":1,"\ufb33":2}'.encode(), "by UTF-16 units, RFC 8785 §3.2.3"),
        (
            '"\\\b\f\n\r\t\x0f/é',
            rb'"\"\\\b\f\n\r\t\u000f/' + "é".encode() + b'"',
            "only what must be escaped is, §3.2.2.2",
        ),
        ("插座 YH-2020-0012", '"插座 YH-2020-0012"'.encode(), "Chinese stays Chinese"),
        (["e\u0301", "\u00e9"], '["e\u0301","\u00e9"]'.encode(), "nothing is normalised"),
        ([2**53 - 1, -(2**53) + 1], b"[9007199254740991,-9007199254740991]", "as far as every JSON reader counts"),
        ({"a": [], "b": {}}, b'{"a":[],"b":{}}', "empty ones"),
    ],
)
def test_there_is_one_way_to_write_a_value(value: object, written: bytes, because: str) -> None:
    assert canonical(value) == written, because


@pytest.mark.parametrize(
    "value, complaint",
    [
        (1.5, "value is 1.5, a float"),
        ({"area": [1, {"width": 0.0}]}, r"value.area\[1\].width is 0.0"),
        (("a",), "a tuple"),
        (b"bytes", "a bytes"),
        ({1: "a"}, "the key 1; only text"),
        ({"when": json}, "value.when is .*a module"),
        ({"a", "b"}, "a set"),
    ],
)
def test_what_has_no_canonical_form_is_refused_by_its_place(value: object, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        canonical(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\ud800": 1}], ids=repr)
def test_numbers_too_large_and_broken_text_are_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the library's own sentences
        canonical(value)


def test_a_named_number_is_written_as_the_number_it_is() -> None:
    class Level(IntEnum):
        MAJOR = 2

    assert canonical([Level.MAJOR]) == b"[2]"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_bytes_read_back_as_the_value_and_write_the_same_again(value: Any) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


# --- commitments --------------------------------------------------------------------------------------------------


def test_a_commitment_is_the_hash_of_salt_and_value() -> None:
    assert commit(SALT, {"place": "3号楼"}) == hashlib.sha256(SALT + '{"place":"3号楼"}'.encode()).hexdigest()


def test_a_commitment_opens_with_its_salt_and_value_and_nothing_else() -> None:
    digest = commit(SALT, "插座松动")
    assert opens(digest, SALT, "插座松动")
    assert not opens(digest, SALT, "插座松动 ")
    assert not opens(digest, bytes(16), "插座松动")


def test_a_fresh_salt_is_drawn_from_what_is_handed_in() -> None:
    made = commit_with(lambda size: SALT[:size], "插座松动")
    assert (made.salt, made.digest) == (SALT, commit(SALT, "插座松动"))


@pytest.mark.parametrize("size", [0, 8, 15, 17, 32])
def test_a_salt_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"16 bytes, not {size}"):
        commit(bytes(size), "x")
    with pytest.raises(ValueError, match=f"16 bytes, not {size}"):
        commit_with(lambda _: bytes(size), "x")


# --- the chain ----------------------------------------------------------------------------------------------------


def envelope(previous: str, sequence: int, **fields: Any) -> bytes:
    return canonical(
        {
            "format": 1,
            "organisation": "nantong",
            "case": "c1",
            "sequence": sequence,
            "type": "stepped",
            "previous": previous,
        }
        | fields
    )


def chain(length: int, *, organisation: str = "nantong", case: str = "c1") -> list[bytes]:
    made: list[bytes] = []
    previous = genesis(organisation, case)
    for sequence in range(1, length + 1):
        made.append(envelope(previous, sequence, organisation=organisation, case=case))
        previous = envelope_hash(made[-1])
    return made


def faults(envelopes: list[bytes]) -> list[tuple[int, str]]:
    return [(fault.sequence, fault.what) for fault in verify_chain(envelopes, organisation="nantong", case="c1")]


def test_an_untouched_chain_has_no_fault() -> None:
    assert faults(chain(5)) == []
    assert faults([]) == []
    assert verify_chain(chain(3, organisation="other", case="c9")) == []


def test_every_case_begins_with_a_previous_of_its_own() -> None:
    beginnings = {genesis("nantong", "c1"), genesis("nantong", "c2"), genesis("suzhou", "c1"), genesis("nantongc", "1")}
    assert len(beginnings) == 4
    assert all(len(beginning) == 64 for beginning in beginnings)


@pytest.mark.parametrize(
    "tamper, found",
    [
        (lambda e: [*e[:1], e[1].replace(b"stepped", b"stopped"), *e[2:]], [(3, "not the one it was chained to")]),
        (lambda e: e[1:], [(1, "sequence 1 expected, 2 found"), (2, "not the one it was chained to")]),
        (lambda e: e[:1] + e[3:], [(2, "sequence 2 expected, 4 found"), (4, "not the one it was chained to")]),
        (
            lambda e: [e[0], e[2], e[1], e[3]],
            [
                (2, "sequence 2 expected, 3 found"),
                (3, "not the one it was chained to"),
                (4, "sequence 4 expected, 2 found"),
                (2, "not the one it was chained to"),
                (3, "sequence 3 expected, 4 found"),
                (4, "not the one it was chained to"),
            ],
        ),
        (
            lambda e: [e[0], e[0], *e[1:]],
            [(2, "sequence 2 expected, 1 found"), (1, "not the one it was chained to")],
        ),
        (lambda e: [*e[:3], b"gone"], [(4, "unreadable: Expecting value")]),
        (lambda e: [*e[:3], b"[]"], [(4, "unreadable: format None is not known")]),
        (lambda e: [*e[:3], e[3].replace(b'"format":1', b'"format":2')], [(4, "unreadable: format 2 is not known")]),
        (lambda e: [*e[:3], e[3].replace(b'"format":1', b'"format":true')], [(4, "unreadable: format True is not known")]),
        (lambda e: [*e[:3], e[3].replace(b'"sequence":4', b'"sequence":4.0')], [(4, "unreadable: holds the number 4.0")]),
        (lambda e: [*e[:3], e[3] + b" "], [(4, "unreadable: not in canonical form")]),
        (lambda e: [*e[:3], b'{"case":"c2",' + e[3][1:]], [(4, "unreadable: not in canonical form")]),
        (lambda e: [*e[:3], b"[" * 100000], [(4, "unreadable: ")]),
        (lambda _: chain(4, case="c2"), [(1, "belongs to another case"), (1, "chained to"), *((n, "belongs to another case") for n in (2, 3, 4))]),
        (lambda _: [envelope(genesis("nantong", "c2"), 1)], [(1, "not the one it was chained to")]),
    ],
    ids=[
        "a word changed", "the first cut off", "two in the middle cut out", "two exchanged", "one repeated", "one overwritten",
        "no envelope", "another format", "a format that only equals 1", "a number with a point", "a space added",
        "a key given twice", "brackets without end", "another case's history", "moved from another case",
    ],
)  # fmt: skip
def test_tampering_is_found_at_its_place(
    tamper: Callable[[list[bytes]], list[bytes]], found: list[tuple[int, str]]
) -> None:
    told = faults(tamper(chain(4)))
    assert len(told) == len(found), told
    for (at, what), (expected_at, expected) in zip(told, found, strict=True):
        assert at == expected_at
        assert expected in what


@given(st.integers(1, 8), st.data())
def test_no_byte_before_the_last_envelope_can_change_unseen(length: int, data: st.DataObject) -> None:
    envelopes = chain(length + 1)
    at = data.draw(st.integers(0, length - 1))
    byte = data.draw(st.integers(0, len(envelopes[at]) - 1))
    changed = bytearray(envelopes[at])
    changed[byte] ^= data.draw(st.integers(1, 255))
    envelopes[at] = bytes(changed)
    assert faults(envelopes)


@given(st.permutations(range(5)), st.integers(1, 5))
def test_no_envelope_can_be_moved_or_left_out_unseen(order: list[int], keep: int) -> None:
    envelopes = chain(5)
    shown = [envelopes[place] for place in order[:keep]]
    assert bool(faults(shown)) is (shown != envelopes[:keep])


def test_a_sequence_that_only_equals_its_number_is_found() -> None:
    assert verify_chain([envelope(genesis("nantong", "c1"), True)])[0].what == "sequence 1 expected, True found"


def test_a_history_cut_off_at_its_end_looks_whole_and_only_the_tree_shows_it() -> None:
    envelopes = chain(4)
    leaves = [leaf_hash(each) for each in envelopes]
    assert faults(envelopes[:3]) == []
    assert root(leaves[:3]) != root(leaves)


# --- the tree -----------------------------------------------------------------------------------------------------

#: The reference data of RFC 6962, as the Certificate Transparency implementations use it (merkle/testonly/constants.go)
DATA = [
    bytes.fromhex(h)
    for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
LEAVES = [leaf_hash(data) for data in DATA]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_reference_trees(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size]


def test_a_tree_of_nothing_has_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT


@pytest.mark.parametrize(
    "index, size, proof",
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_inclusion_proofs_of_the_reference_trees(index: int, size: int, proof: list[str]) -> None:
    assert [node.hex() for node in inclusion_proof(index, LEAVES[:size])] == proof


SIZES = st.integers(1, 70)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@given(SIZES, st.data())
def test_an_included_leaf_is_proved_at_its_place_and_nowhere_else(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, size))
    proof = inclusion_proof(index, tree)
    assert verify_inclusion(tree[index], index, size, proof, root(tree))
    assert verify_inclusion(tree[index], other, size, proof, root(tree)) is (other == index)
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root(tree))
    assert not verify_inclusion(tree[index], index, size, [*proof, tree[0]], root(tree))
    assert not proof or not verify_inclusion(tree[index], index, size, proof[:-1], root(tree))
    assert not verify_inclusion(tree[index], index, size, proof, root([*tree, tree[0]]))


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index in (-1, 8):
        with pytest.raises(IndexError, match="in a tree of 8"):
            inclusion_proof(index, LEAVES)


def test_a_node_cannot_pose_as_a_leaf() -> None:
    left, right = LEAVES[0], LEAVES[1]
    assert leaf_hash(left + right) != root([left, right])
