"""What the tree of the trail is remembered by: hashes of whole subtrees, signed checkpoints, and the keys they were signed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from engine.audit import KEPT_EVERY, leaf_hash, root
from engine.store import trail
from engine.store.database import table_of
from engine.store.tables import (
    CheckpointRow,
    EventRow,
    OrganisationRow,
    SealKeyRow,
    TrailRow,
    TreeNodeRow,
    UnnumberedRow,
)

_nodes = table_of(TreeNodeRow)
_checkpoints = table_of(CheckpointRow)
_keys = table_of(SealKeyRow)
_organisations = table_of(OrganisationRow)
_trail = table_of(TrailRow)
_unnumbered = table_of(UnnumberedRow)
_events = table_of(EventRow)

MOST_UNNUMBERED = 10_000  # looked at for the oldest; whoever has more has had them for long


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


def last_of_each_key(connection: Connection, organisation: str) -> list[Signed]:
    """The last checkpoint that each key signed."""
    here = _checkpoints.c.organisation == organisation
    last = select(func.max(_checkpoints.c.id)).where(here).group_by(_checkpoints.c.key)
    found = connection.execute(
        select(_checkpoints).where(here, _checkpoints.c.id.in_(last)).order_by(_checkpoints.c.id)
    )
    return [Signed(row.id, row.size, row.at, row.key, row.body, row.signature) for row in found]


def checkpoints(
    connection: Connection, organisation: str, *, after: int = 0, limit: int | None = None
) -> Sequence[Signed]:
    """Those with an id above `after`, oldest first; of very many the first so many."""
    statement = (
        select(_checkpoints)
        .where(_checkpoints.c.organisation == organisation, _checkpoints.c.id > after)
        .order_by(_checkpoints.c.id)
        .limit(limit)
    )
    return [Signed(row.id, row.size, row.at, row.key, row.body, row.signature) for row in connection.execute(statement)]


def known_by(connection: Connection, organisation: str, told: int, at: datetime, body: str) -> int:
    """Up to which id whoever was last told this checkpoint knows all there are. Where a backup was restored since, there is
    none of its kind any more, or another under its id: what was signed after it is then not known.
    """
    here = _checkpoints.c.organisation == organisation
    same = select(_checkpoints.c.id).where(here, _checkpoints.c.id == told, _checkpoints.c.body == body)
    if connection.execute(same).first() is not None:
        return told
    before = select(func.max(_checkpoints.c.id)).where(here, _checkpoints.c.at <= at)
    found: int | None = connection.execute(before).scalar_one()
    return found or 0


def newest_of_all(connection: Connection) -> dict[str, int]:
    """organisation → id of its last checkpoint."""
    last = select(func.max(_checkpoints.c.id)).where(_checkpoints.c.organisation == _organisations.c.organisation)
    statement = select(_organisations.c.organisation, last.scalar_subquery())
    return {row[0]: row[1] for row in connection.execute(statement) if row[1] is not None}


def add_checkpoint(connection: Connection, organisation: str, signed: Signed) -> None:
    values = {name: getattr(signed, name) for name in ("id", "size", "at", "key", "body", "signature")}
    connection.execute(insert(_checkpoints), {"organisation": organisation, **values})


def _first_unsealed() -> Any:
    """Of each organisation the position after those that its last checkpoint speaks of."""
    last = (
        select(_checkpoints.c.size)
        .where(_checkpoints.c.organisation == _organisations.c.organisation)
        .order_by(_checkpoints.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(last, 0)


def organisations_unsealed(connection: Connection) -> list[str]:
    """Whose trail has come further than its last checkpoint."""
    statement = (
        select(_organisations.c.organisation)
        .join(
            _trail,
            (_trail.c.organisation == _organisations.c.organisation) & (_trail.c.position == _first_unsealed()),
        )
        .order_by(_organisations.c.organisation)
    )
    return list(connection.execute(statement).scalars())


def oldest_unsealed_of_all(connection: Connection) -> datetime | None:
    """When the oldest event of any organisation was recorded that no checkpoint speaks of; None where there is none. Of events
    without a number it looks at `MOST_UNNUMBERED`.
    """
    numbered = select(func.min(_trail.c.recorded_at)).select_from(
        _organisations.join(
            _trail,
            (_trail.c.organisation == _organisations.c.organisation) & (_trail.c.position == _first_unsealed()),
        )
    )
    some = select(_unnumbered).limit(MOST_UNNUMBERED).subquery("some")
    waiting = select(func.min(_events.c.recorded_at)).select_from(
        some.join(
            _events,
            (_events.c.organisation == some.c.organisation)
            & (_events.c.number == some.c.number)
            & (_events.c.sequence == some.c.sequence),
        )
    )
    found = (connection.execute(asked).scalar_one() for asked in (numbered, waiting))
    return min((at for at in found if at is not None), default=None)


def keys(connection: Connection, organisation: str) -> dict[str, str]:
    """fingerprint → public key in hex, of every key the organisation ever sealed with, oldest first."""
    statement = select(_keys).where(_keys.c.organisation == organisation).order_by(_keys.c.since, _keys.c.key)
    return {row.key: row.public for row in connection.execute(statement)}


def known_keys(connection: Connection, organisation: str) -> list[tuple[str, str, datetime, datetime | None]]:
    """(fingerprint, public key in hex, since and until when it is sealed with) of every key, oldest first."""
    statement = select(_keys).where(_keys.c.organisation == organisation).order_by(_keys.c.since, _keys.c.key)
    return [(row.key, row.public, row.since, row.until) for row in connection.execute(statement)]


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
