"""Numbers what was recorded, builds the tree over it and signs what it has come to. No command ever waits for any of it.

    number   events that were committed get their places in the trail, in small transactions
    seal     size and root of the tree, and the checkpoint before, are signed; what is told outside is held there

Any node may do both at any time: whoever comes second finds nothing left to do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from engine.audit import EMPTY_ROOT, KEPT_EVERY, Checkpoint, envelope_hash, leaf_hash, root, root_of
from engine.clock import Clock
from engine.errors import Busy
from engine.pace import Pace
from engine.store import seals, trail
from engine.store.database import Connection, Database, one_at_a_time
from engine.store.tables import FOREVER
from engine.store.trail import STANDING, Key, Waiting

AT_ONCE = 400  # events numbered in one transaction: some 10 ms, of the 20 anybody may be held up for
LEAST_AT_ONCE = 50  # two milliseconds; a transaction by itself costs as much as twenty events (measured)
WHOLE = 1 << KEPT_EVERY  # leaves under the lowest node that is kept


class Signer(Protocol):
    """Signs for one organisation, with a key that is nobody else's."""

    @property
    def key(self) -> str:
        """The fingerprint of its public key (`engine.audit.fingerprint`)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        ...


def own_pace() -> Pace:
    """How many events are numbered at once, by whoever knows nothing of it yet."""
    return Pace(most=AT_ONCE, least=LEAST_AT_ONCE)


def number(
    database: Database,
    organisation: str,
    pace: Pace | None = None,
    going_on: Callable[[], bool] = lambda: True,
) -> int:
    """Give every event that waits for one now its number in the trail, and says how many those were. One that is recorded
    meanwhile may have to wait for the next time: who writes all the time would keep this going for ever.

    pace       how many at once; what a process knows of it from the last time
    going_on   asked between transactions: what is left is done the next time, by whichever node
    """
    pace, done = pace or own_pace(), 0
    with database.read(organisation) as connection:
        last = trail.last_waiting(connection, organisation)
    after = trail.BEFORE_ALL
    while last is not None and going_on():
        most = pace.size
        with database.read(organisation) as connection:  # whoever writes goes on meanwhile
            ready = _made_ready(connection, organisation, after, last, most)
        if ready is None:
            break
        with pace.of(len(ready.rows), database.waited), database.write(organisation) as connection:
            alone(connection, organisation)
            # somebody else has numbered since, perhaps the same
            if trail.size(connection, organisation) != ready.first:
                ready = _made_ready(connection, organisation, after, last, most)
            if ready is not None:
                _take_up(connection, organisation, ready)
        if ready is None:
            break
        done += len(ready.rows)
        after = ready.last
    return done


def number_in(connection: Connection, organisation: str) -> None:
    """As `number`, all of it in a transaction that does more than this: for when little waits."""
    alone(connection, organisation)
    last, after = trail.last_waiting(connection, organisation), trail.BEFORE_ALL
    while last is not None and (ready := _made_ready(connection, organisation, after, last, AT_ONCE)):
        _take_up(connection, organisation, ready)
        after = ready.last


def number_all(
    database: Database,
    pace: Pace | None = None,
    going_on: Callable[[], bool] = lambda: True,
    failed: Callable[[str, Exception], None] = lambda _organisation, _error: None,
) -> int:
    """As `number`, for every organisation. One whose rows cannot be read holds up no other: `failed` is told of it.

    Raises    Busy
    """
    pace, done = pace or own_pace(), 0
    with database.read_across() as connection:
        organisations = trail.organisations_waiting(connection)
    for organisation in organisations:
        if not going_on():
            break
        try:
            done += number(database, organisation, pace, going_on)
        except Busy:
            raise
        except Exception as error:  # noqa: BLE001  # of any kind: somebody may have written anything there
            failed(organisation, error)
    return done


def seal(database: Database, organisation: str, signer: Signer, clock: Clock) -> Checkpoint | None:
    """Sign what the tree has come to; None where the last checkpoint says as much."""
    with database.write(organisation) as connection:
        return seal_in(connection, organisation, signer, clock)


def seal_in(connection: Connection, organisation: str, signer: Signer, clock: Clock) -> Checkpoint | None:
    """As `seal`, in a transaction that does more than this."""
    alone(connection, organisation)
    size, last = trail.size(connection, organisation), seals.last_checkpoint(connection, organisation)
    if size == (0 if last is None else last.size) and (last is None or last.key == signer.key):
        return None
    tree_root = root_of(seals.Tree(connection, organisation), size) if size else EMPTY_ROOT
    checkpoint = Checkpoint(
        organisation=organisation,
        size=size,
        root=tree_root.hex(),
        # a node whose clock is behind the last one's signs no earlier than it: verification would rightly take that for a fault
        at=clock.now() if last is None else max(clock.now(), last.at),
        previous="" if last is None else envelope_hash(last.body.encode()),
        key=signer.key,
    )
    body = checkpoint.to_bytes()
    signed = seals.Signed(
        id=1 if last is None else last.id + 1,
        size=size,
        at=checkpoint.at,
        key=signer.key,
        body=body.decode(),
        signature=signer.sign(body).hex(),
    )
    seals.add_checkpoint(connection, organisation, signed)
    return checkpoint


def grows_from(connection: Connection, organisation: str, checkpoint: Checkpoint) -> bool:
    """Whether the events that this checkpoint was signed over are still the first of the trail."""
    if checkpoint.size > trail.size(connection, organisation):
        return False
    try:
        found = root_of(seals.Tree(connection, organisation), checkpoint.size) if checkpoint.size else EMPTY_ROOT
    except LookupError:  # a leaf or a node was taken out
        return False
    return found.hex() == checkpoint.root


def alone(connection: Connection, organisation: str) -> None:
    """Until the transaction ends nobody else numbers or signs: two nodes would number the same events, or sign two trees of one
    size.
    """
    one_at_a_time(connection, f"trail of {organisation}")


@dataclass(frozen=True, slots=True)
class _Ready:
    """Events as they are to stand in the trail. Events never change, and how a case stood only numbering says: so it is right
    for as long as nobody else has numbered, and nobody who writes need wait while it is thought out.

    first    how many had a number then: the first one's
    last     of their keys
    ended    position of an earlier row → how long its case stood so
    whole    nodes of the tree that become whole with these
    """

    first: int
    last: Key
    rows: Sequence[Mapping[str, Any]]
    ended: Mapping[int, Mapping[str, Any]]
    whole: Mapping[tuple[int, int], bytes]


def _take_up(connection: Connection, organisation: str, ready: _Ready) -> None:
    trail.take_up(connection, organisation, ready.rows, ready.ended)
    seals.keep_nodes(connection, organisation, ready.whole)


def _made_ready(connection: Connection, organisation: str, behind: Key, last: Key, most: int) -> _Ready | None:
    """1. what waits, in order, and how each case stood before  2. rows, and which earlier ones end  3. nodes become whole.

    None where nothing waits
    """
    found, before = trail.waiting(connection, organisation, behind, last, most)
    if not found:
        return None
    first = trail.size(connection, organisation)
    stands = {number: (each.position, each.since, each.values) for number, each in before.items()}
    rows: dict[int, dict[str, Any]] = {}
    ended: dict[int, Mapping[str, Any]] = {}
    for position, event in enumerate(found, first):
        was_at, since, values = stands.get(event.number, (None, event.recorded_at, _NOTHING))
        after = standing_after(values, event.changes)
        stands_otherwise = was_at is None or after != values
        rows[position] = _row(position, event, after, lasting=stands_otherwise and bool(after["workflow"]))
        if stands_otherwise:
            if was_at in rows:
                rows[was_at].update(trail.over(since, event.recorded_at))
            elif was_at is not None:
                ended[was_at] = trail.over(since, event.recorded_at)
            stands[event.number] = position, event.recorded_at, after
    in_order = list(rows.values())
    leaves = [each["hash"] for each in in_order]
    return _Ready(
        first=first,
        last=max((event.number, event.sequence) for event in found),
        rows=in_order,
        ended=ended,
        whole=_become_whole(connection, organisation, first, leaves),
    )


_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(STANDING, ""), "final": False, "department": None, "assignee": None, "reporter": None,
    "due_at": None, "opened_at": None,
}  # fmt: skip


def _row(position: int, event: Waiting, values: Mapping[str, Any], *, lasting: bool) -> dict[str, Any]:
    return {
        "position": position,
        "number": event.number,
        "sequence": event.sequence,
        "recorded_at": event.recorded_at,
        **trail.over(event.recorded_at, FOREVER if lasting else event.recorded_at),
        "type": event.type,
        "trigger": event.trigger,
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "hash": bytes.fromhex(event.hash),
        **values,
    }


def _become_whole(
    connection: Connection, organisation: str, first: int, hashes: Sequence[bytes]
) -> dict[tuple[int, int], bytes]:
    """(level, position) → hash of every node that is to be kept and becomes whole with these leaves, from number `first` on."""
    whole: dict[tuple[int, int], bytes] = {}
    level, start, end = 0, first, first + len(hashes)
    while start >> KEPT_EVERY != end >> KEPT_EVERY:
        for block in range(start >> KEPT_EVERY, end >> KEPT_EVERY):
            below = block << KEPT_EVERY
            if level == 0:
                there = trail.hashes(connection, organisation, below, max(0, first - below))
                new = hashes[max(0, below - first) : below + WHOLE - first]
                whole[KEPT_EVERY, block] = root([leaf_hash(each) for each in (*there, *new)])
            else:
                kept = seals.nodes(connection, organisation, level, below, WHOLE)
                kept += [whole[level, index] for index in range(below + len(kept), below + WHOLE)]
                whole[level + KEPT_EVERY, block] = root(kept)
        level, start, end = level + KEPT_EVERY, start >> KEPT_EVERY, end >> KEPT_EVERY
    return whole


def standing_after(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """How a case stands, as lists filter it, after an event that changed these attributes."""
    after = dict(values)
    for name, value in changes.items():
        if name == "clock":
            after["due_at"] = None if value is None else _instant(value["due_at"])
        elif name in _SAID:
            after[name] = _instant(value) if name == "opened_at" else value
    return after


_SAID = frozenset(STANDING) - {"due_at"}  # which is the clock's


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
