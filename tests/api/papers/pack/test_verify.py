"""What a stranger runs: its signatures held to RFC 8032, its hashes to those the records are made with."""

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from api.papers.pack import verify
from engine import audit
from tests.api.papers.pack.rfc8032 import VECTORS

SOURCE = Path(verify.__file__)
#: of the standard library, and there since Python 3.8
TAKEN = {
    "__future__", "argparse", "collections.abc", "hashlib", "json", "pathlib", "re", "sys", "typing", "zipfile", "zlib",
}  # fmt: skip


# --- signatures ----------------------------------------------------------------------------------------------------------


def vector(name: str) -> tuple[bytes, bytes, bytes]:
    public, message, signature = VECTORS[name]
    return bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_of_rfc_8032_verify(name: str) -> None:
    assert verify.is_signed(*vector(name))


@pytest.mark.parametrize("name", VECTORS)
def test_nothing_else_than_what_was_signed_verifies(name: str) -> None:
    public, message, signature = vector(name)
    assert not verify.is_signed(public, message + b"\0", signature)
    assert not verify.is_signed(public, b"another" + message[7:], signature)
    for changed in (0, 31, 32, 63):
        other = signature[:changed] + bytes([signature[changed] ^ 1]) + signature[changed + 1 :]
        assert not verify.is_signed(public, message, other)
    assert not verify.is_signed(vector("1" if name != "1" else "2")[0], message, signature)


@pytest.mark.parametrize("name", VECTORS)
def test_a_signature_has_one_form_alone(name: str) -> None:
    """S and S + L fit the same equation; RFC 8032 §5.1.7 takes S below L alone."""
    public, message, signature = vector(name)
    s = int.from_bytes(signature[32:], "little")
    for other in (s + verify.L, s + 2 * verify.L):
        assert not verify.is_signed(public, message, signature[:32] + other.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "written",
    [
        b"", b"\0" * 31, b"\0" * 33,
        verify.P.to_bytes(32, "little"), (verify.P + 1).to_bytes(32, "little"), b"\xff" * 32,  # y is not below p
        (2).to_bytes(32, "little"),  # no x belongs to this y
        (1 | 1 << 255).to_bytes(32, "little"), (verify.P - 1 | 1 << 255).to_bytes(32, "little"),  # x is 0 and odd
    ],
)  # fmt: skip
def test_what_is_no_point_is_no_key_and_no_signature(written: bytes) -> None:
    assert verify.point_of(written) is None
    public, message, signature = vector("2")
    assert not verify.is_signed(written, message, signature)
    assert not verify.is_signed(public, message, written + signature[32:])


@pytest.mark.parametrize("y", [0, 1, verify.P - 1])
def test_a_key_of_small_order_which_would_sign_everything_is_none(y: int) -> None:
    key = y.to_bytes(32, "little")
    assert verify.point_of(key) is not None
    assert not verify.is_signed(key, b"anything", key + bytes(32))
    assert not verify.is_signed(key, b"anything", (1).to_bytes(32, "little") + bytes(32))


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), at=st.integers(0, 63))
@settings(max_examples=15)
def test_it_agrees_with_the_library_that_signs(seed: bytes, message: bytes, at: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verify.is_signed(public, message, signature)
    changed = signature[:at] + bytes([signature[at] ^ 0x10]) + signature[at + 1 :]
    assert not verify.is_signed(public, message, changed)


# --- hashes ----------------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_it_writes_values_as_the_records_do(value: object) -> None:
    assert verify.canonical(value).encode() == audit.canonical(value)
    assert verify.commitment("ab" * 16, value) == audit.commit(bytes.fromhex("ab" * 16), value)


@pytest.mark.parametrize("value", [1.5, 2**53, [0.0], {"a": float("nan")}])
def test_a_number_without_one_way_to_write_it_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="canonical"):
        verify.canonical(value)


@pytest.mark.parametrize(
    "written", [b"", b"[]", b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1.0}', b"\xff", b"[" * 100_000]
)
def test_what_is_not_written_in_the_one_way_is_not_read(written: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whose words differ: of the standard library or of ours
        verify.read_json(written)


@given(st.integers(1, 40), st.data())
def test_it_takes_the_proofs_of_our_trees_and_no_others(size: int, data: st.DataObject) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    hashed = [audit.leaf_hash(leaf) for leaf in leaves]
    index = data.draw(st.integers(0, size - 1))
    proof, root = audit.inclusion_proof(index, hashed), audit.root(hashed)
    assert verify.is_in_tree(leaves[index], index, size, proof, root)
    assert not verify.is_in_tree(b"another", index, size, proof, root)
    assert not verify.is_in_tree(leaves[index], size, size, proof, root)
    assert not verify.is_in_tree(leaves[index], index, size, [*proof, b"\0" * 32], root)
    if size > 1:
        other = (index + 1) % size
        assert not verify.is_in_tree(leaves[index], other, size, proof, root)


# --- what it is made of ----------------------------------------------------------------------------------------------------


def test_it_is_python_of_3_8_and_takes_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    taken = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            taken |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            taken.add(node.module or "")
    assert taken == TAKEN


def test_what_a_later_python_brought_is_not_called() -> None:
    """`str.removeprefix` and merging dicts are of 3.9, `zip(strict=…)` and matching of 3.10."""
    assert not re.search(r"removeprefix|removesuffix|strict=|file_digest|\.walk\(", SOURCE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "given, said",
    [
        (["--key", "abc"], "64"), (["--key"], "--key"), (["a", "b"], "unrecognized"), (["nowhere.zip"], "nowhere.zip"),
    ],
)  # fmt: skip
def test_called_the_wrong_way_it_says_how(given: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", SOURCE, *given], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
