"""Shows years later that nothing was altered: canonical bytes, a hash chain per case, a Merkle tree over all; pure.

Three layers, each on the one before:
    commitment   SHA-256 of a salt and a value: the chain can hold it, the value can be erased
    chain        each envelope names the hash of the one before it in its case
    tree         RFC 6962 over all envelopes: proves that one of them is in, and by its root at an earlier size that it only grew
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol, Self

import orjson
import rfc8785

from engine.case import instant_text
from engine.events import FORMAT

_SHA256 = re.compile(r"[0-9a-f]{64}")
SALT_BYTES = 16  # DESIGN §7: enough that a short text cannot be found by trying texts


# --- canonical bytes and commitments ------------------------------------------------------------------------------


def canonical(value: object) -> bytes:
    """The one way to write this value, by RFC 8785.

    value     None, bool, int (up to 2^53 - 1), str, list and dict of these
    Raises    TypeError for anything else, floats too: a reader in another language may write their last digit otherwise;
              ValueError for a number too large or text that is not Unicode
    """
    if _is_written_alike(value):
        try:
            return orjson.dumps(value, option=_SORTED)
        except TypeError:  # half a character: told below
            pass
    _refuse_what_json_blurs(value, "value")
    written: bytes = rfc8785.dumps(value)  # type: ignore[arg-type]  # checked the line before
    return written


_SORTED = orjson.OPT_SORT_KEYS  # for all but the rare it writes what RFC 8785 does, a hundred times as fast
_LARGEST = 2**53 - 1  # RFC 8785 has numbers as JavaScript does


def _is_written_alike(value: object) -> bool:
    """Whether both write it with the same bytes: of texts and keys they escape the same, but RFC 8785 sorts keys by UTF-16."""
    kind = type(value)
    if kind in _ALIKE:
        return True
    if kind is int:
        return -_LARGEST <= value <= _LARGEST  # type: ignore[operator]  # `kind` says it, which mypy does not follow
    if kind is list:
        items: Any = value
    elif kind is dict:
        keys: Any = value
        if not (_TEXT.issuperset(map(type, keys)) and "".join(keys).isascii()):
            return False
        items = keys.values()
    else:
        return False
    # most of what there is to write are texts, told at a glance
    return _ALIKE.issuperset(map(type, items)) or all(map(_is_written_alike, items))


_TEXT = frozenset({str})
_ALIKE = frozenset({str, bool, type(None)})


def _refuse_what_json_blurs(value: object, where: str) -> None:
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_what_json_blurs(item, f"{where}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}; only text can be a key.")
            _refuse_what_json_blurs(item, f"{where}.{key}")
    else:
        raise TypeError(
            f"{where} is {value!r}, a {type(value).__name__}, which has no canonical form. Write it as text or a whole number."
        )


@dataclass(frozen=True, slots=True)
class Commitment:
    """What goes beside the value (salt) and what goes into the chain (digest, hex)."""

    salt: bytes
    digest: str


def commit(salt: bytes, value: object) -> str:
    """What the chain holds instead of the value: hex SHA-256 of salt and canonical value."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}.")
    return hashlib.sha256(salt + canonical(value)).hexdigest()


def commit_with(draw: Callable[[int], bytes], value: object) -> Commitment:
    """A commitment under a fresh salt.

    draw    gives that many random bytes; handed in (os.urandom, or a seeded source in a replay) so that this stays pure
    """
    salt = draw(SALT_BYTES)
    return Commitment(salt, commit(salt, value))


def opens(digest: str, salt: bytes, value: object) -> bool:
    """Whether this salt and this value are what was committed to."""
    return hmac.compare_digest(digest, commit(salt, value))


# --- the chain of a case ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainFault:
    """What is wrong, and at which place in the case's history (counted from 1)."""

    sequence: int
    what: str


def envelope_hash(envelope: bytes) -> str:
    """Hex SHA-256 of the bytes as they were stored; never of a re-written form."""
    return hashlib.sha256(envelope).hexdigest()


def genesis(organisation: str, case: str) -> str:
    """The `previous` of a case's first envelope: one of its own, so that no history can be moved to another case."""
    return envelope_hash(canonical(["bihuan-genesis-1", organisation, case]))


def verify_chain(
    envelopes: Iterable[bytes], *, organisation: str | None = None, case: str | None = None
) -> list[ChainFault]:
    """What is wrong with one case's history; an empty list when nothing is.

    envelopes             as stored, in order; each a JSON object with format, organisation, case, sequence and previous
    organisation, case    whose history it must be; without them, whose the first envelope says
    A history cut off at its end looks whole from here: only a checkpoint of the tree shows that.
    """
    faults: list[ChainFault] = []
    sequence = 1
    previous: str | None = None
    for envelope in envelopes:
        try:
            fields = _read(envelope)
        except (ValueError, RecursionError) as error:
            faults.append(ChainFault(sequence, f"unreadable: {error}"))
        else:
            organisation = fields.get("organisation") if organisation is None else organisation
            case = fields.get("case") if case is None else case
            found = fields.get("sequence")
            if found != sequence or isinstance(found, bool):
                faults.append(ChainFault(sequence, f"sequence {sequence} expected, {found!r} found"))
                if isinstance(found, int):
                    sequence = int(
                        found
                    )  # go on from there: one missing stretch is one fault, not one for every later envelope
            if (fields.get("organisation"), fields.get("case")) != (organisation, case):
                faults.append(ChainFault(sequence, "belongs to another case"))
            if fields.get("previous") != (previous or genesis(str(organisation), str(case))):
                faults.append(ChainFault(sequence, "the envelope before it is not the one it was chained to"))
        previous = envelope_hash(envelope)
        sequence += 1
    return faults


def _read(envelope: bytes) -> dict[str, Any]:
    parsed = json.loads(envelope, parse_float=_refuse_float, parse_constant=_refuse_float)
    fields: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    number = fields.get("format")
    if number != FORMAT or isinstance(number, bool):  # True equals 1
        raise ValueError(f"format {number!r} is not known, only {FORMAT}")
    if canonical(fields) != envelope:  # also catches a key given twice, of which a parser shows only the last
        raise ValueError("not in canonical form")
    return fields


def _refuse_float(number: str) -> NoReturn:
    raise ValueError(f"holds the number {number}, which has no canonical form")


# --- the tree over all cases (RFC 6962 §2.1; verification by RFC 9162 §2.1) ---------------------------------------
# `leaves` are leaf hashes throughout, so that whoever keeps the hashes need not keep the data. A tree too large to be held
# is walked by its whole subtrees: `Nodes.node(level, index)` is the hash of the one over leaves index·2^level and on.

EMPTY_ROOT = hashlib.sha256(b"").digest()
KEPT_EVERY = 8  # levels of which a memory keeps every node: of a tree of a million leaves 4,000 of a million


class Nodes(Protocol):
    """The whole subtrees of a tree."""

    def node(self, level: int, index: int) -> bytes:
        """Raises LookupError where the tree does not reach over all of it."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A tree whose leaves are all at hand."""

    leaves: Sequence[bytes]

    def node(self, level: int, index: int) -> bytes:
        below = list(self.leaves[index << level : (index + 1) << level])
        if len(below) != 1 << level:
            raise LookupError(f"{len(self.leaves)} leaves have no whole subtree {index} at level {level}")
        return _paired(below)


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()  # another prefix than a leaf's: a node cannot pose as a leaf


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of the whole tree."""
    return _paired(list(leaves)) if leaves else EMPTY_ROOT


def root_of(nodes: Nodes, size: int) -> bytes:
    """The hash of the tree of the first `size` leaves."""
    return _over(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The hashes that lead from leaf `index` (from 0) up to the root, lowest first."""
    return inclusion_of(Held(leaves), index, len(leaves))


def inclusion_of(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """As `inclusion_proof`, in the tree of the first `size` leaves."""
    if not 0 <= index < size:
        raise IndexError(f"No leaf {index} in a tree of {size}.")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_over(nodes, split, end))
            end = split
        else:
            path.append(_over(nodes, start, split))
            start = split
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], tree_root: bytes) -> bool:
    """Whether `leaf` (its hash) is number `index` of the `size` leaves under `tree_root`."""
    if not 0 <= index < size:
        return False
    place, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            current = node_hash(sibling, current)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and current == tree_root


def _over(nodes: Nodes, start: int, end: int) -> bytes:
    """The hash over leaves start … end - 1 of a tree, where RFC 6962 divides it: its left part is always a whole subtree."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes.node(level, start >> level)
    split = start + _split(count)
    return node_hash(_over(nodes, start, split), _over(nodes, split, end))


def _paired(level: list[bytes]) -> bytes:
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]  # a last one without a partner goes up as it is
    return level[0]


def _split(size: int) -> int:
    """The largest power of two below `size`: where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


# --- checkpoints --------------------------------------------------------------------------------------------------

CHECKPOINT_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed, and held outside: so many leaves had this root at this time.

    root        hex
    previous    hex SHA-256 of the bytes of the checkpoint before; "" of the first
    key         fingerprint of the key it is signed with: hex SHA-256 of its 32 bytes
    """

    organisation: str
    size: int
    root: str
    at: datetime
    previous: str
    key: str

    def to_bytes(self) -> bytes:
        """RFC 8785, as it is signed and stored."""
        return canonical(
            {
                "format": CHECKPOINT_FORMAT,
                "kind": "bihuan checkpoint",
                "organisation": self.organisation,
                "size": self.size,
                "root": self.root,
                "at": instant_text(self.at),
                "previous": self.previous,
                "key": self.key,
            }
        )

    @classmethod
    def from_bytes(cls, written: bytes) -> Self:
        """Raises ValueError for anything that is no checkpoint, or written otherwise than `to_bytes` writes it."""
        try:
            fields = json.loads(written)
            found = cls(
                organisation=fields["organisation"],
                size=fields["size"],
                root=fields["root"],
                at=datetime.fromisoformat(fields["at"]),
                previous=fields["previous"],
                key=fields["key"],
            )
            alike = found.to_bytes() == written
            plain = type(found.size) is int and found.size >= 0 and all(map(_SHA256.fullmatch, (found.root, found.key)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("this is no checkpoint") from error
        if not alike or not plain:
            raise ValueError("this is no checkpoint of a format that is known")
        return found


def fingerprint(public: bytes) -> str:
    """How a public key is called, and told by another way: hex SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()
