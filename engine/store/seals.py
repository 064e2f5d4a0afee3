"""What the tree of the trail is remembered by: hashes of whole subtrees, signed checkpoints, and the keys they were signed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from engine.audit import KEPT_EVERY, leaf_hash, root
from engine.store import trail
from engine.store.database import table_of
from engine.store.tables import CheckpointRow, SealKeyRow, TreeNodeRow

_nodes = table_of(TreeNodeRow)
_checkpoints = table_of(CheckpointRow)
_keys = table_of(SealKeyRow)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it was signed: the bytes, the key's fingerprint, the signature in hex."""

    id: int
    size: int
    at: datetime
    key: str
    body: str
    signature: str


class Tree:
    """The tree of one organisation behind this connection, as `engine.audit` walks it: `node(level, index)`."""

    def __init__(self, connection: Connection, organisation: str) -> None:
        self._connection = connection
        self._organisation = organisation
        self._known: dict[tuple[int, int], list[bytes]] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of the whole subtree over leaves `index` · 2^level and on. Raises LookupError where one is not there."""
        kept, above = level - level % KEPT_EVERY, level % KEPT_EVERY
        below = self._kept(kept, index << above, 1 << above)
        return root(below)

    def _kept(self, level: int, first: int, count: int) -> list[bytes]:
        # as many as lie under one node that is kept: who walks a path or a root comes for the others next
        block = first >> KEPT_EVERY
        if (level, block) not in self._known:
            start = block << KEPT_EVERY
            self._known[level, block] = (
                [leaf_hash(each) for each in trail.hashes(self._connection, self._organisation, start, 1 << KEPT_EVERY)]
                if level == 0
                else nodes(self._connection, self._organisation, level, start, 1 << KEPT_EVERY)
            )
        at = first - (block << KEPT_EVERY)
        found = self._known[level, block][at : at + count]
        if len(found) != count:
            raise LookupError(f"the tree has no whole subtree at level {level}, {first} to {first + count}")
        return found


def nodes(connection: Connection, organisation: str, level: int, first: int, count: int) -> list[bytes]:
    """Hashes that are kept, from position `first` of a level on; fewer than asked for at the end."""
    statement = (
        select(_nodes.c.hash)
        .where(
            _nodes.c.organisation == organisation,
            _nodes.c.level == level,
            _nodes.c.position.between(first, first + count - 1),
        )
        .order_by(_nodes.c.position)
    )
    return list(connection.execute(statement).scalars())


def keep_nodes(connection: Connection, organisation: str, whole: Mapping[tuple[int, int], bytes]) -> None:
    """(level, position) → hash of subtrees that have become whole."""
    if whole:
        rows = [
            {"organisation": organisation, "level": level, "position": position, "hash": digest}
            for (level, position), digest in whole.items()
        ]
        connection.execute(insert(_nodes), rows)


def last_checkpoint(connection: Connection, organisation: str) -> Signed | None:
    statement = select(_checkpoints).where(_checkpoints.c.organisation == organisation)
    row = connection.execute(statement.order_by(_checkpoints.c.id.desc()).limit(1)).first()
    return None if row is None else Signed(row.id, row.size, row.at, row.key, row.body, row.signature)


def checkpoints(connection: Connection, organisation: str, *, after: int = 0) -> Sequence[Signed]:
    """Those with an id above `after`, oldest first."""
    statement = (
        select(_checkpoints)
        .where(_checkpoints.c.organisation == organisation, _checkpoints.c.id > after)
        .order_by(_checkpoints.c.id)
    )
    return [Signed(row.id, row.size, row.at, row.key, row.body, row.signature) for row in connection.execute(statement)]


def add_checkpoint(connection: Connection, organisation: str, signed: Signed) -> None:
    values = {name: getattr(signed, name) for name in ("id", "size", "at", "key", "body", "signature")}
    connection.execute(insert(_checkpoints), {"organisation": organisation, **values})


def sealed_size(connection: Connection, organisation: str) -> int:
    """How many leaves the last checkpoint speaks of."""
    last = last_checkpoint(connection, organisation)
    return 0 if last is None else last.size


def oldest_unsealed(connection: Connection, organisation: str) -> datetime | None:
    """Since when the oldest event waits that has a number and no checkpoint speaks of; None where there is none."""
    return trail.recorded_from(connection, organisation, sealed_size(connection, organisation))


def keys(connection: Connection, organisation: str) -> dict[str, str]:
    """fingerprint → public key in hex, of every key the organisation ever sealed with, oldest first."""
    statement = select(_keys).where(_keys.c.organisation == organisation).order_by(_keys.c.since, _keys.c.key)
    return {row.key: row.public for row in connection.execute(statement)}


def current_key(connection: Connection, organisation: str) -> str | None:
    """The fingerprint of the one it seals with now."""
    statement = select(_keys.c.key).where(_keys.c.organisation == organisation, _keys.c.until.is_(None))
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def begin_key(connection: Connection, organisation: str, key: str, public: str, at: datetime) -> None:
    """From now on the organisation seals with this one, and with no other."""
    connection.execute(
        update(_keys).where(_keys.c.organisation == organisation, _keys.c.until.is_(None)).values(until=at)
    )
    connection.execute(
        insert(_keys), {"organisation": organisation, "key": key, "public": public, "since": at, "until": None}
    )


def how_many_checkpoints(connection: Connection, organisation: str) -> int:
    statement = select(func.count()).where(_checkpoints.c.organisation == organisation)
    return int(connection.execute(statement).scalar_one())
