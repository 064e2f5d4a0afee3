"""Events as they were recorded: append one, read a case's, fold them back into the case. Nothing here changes an event."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, FromClause, and_, bindparam, func, insert, select, update

from engine import audit
from engine.case import NAMES_NOBODY, Case, fold, instant_text
from engine.events import FORMAT, Event
from engine.store.database import one_at_a_time, table_of
from engine.store.statements import Statement
from engine.store.tables import DisclosureRow, EventRow, OrganisationRow, TrailRow, UnnumberedRow

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_organisations = table_of(OrganisationRow)
_trail = table_of(TrailRow)
_unnumbered = table_of(UnnumberedRow)


def same_event(table: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Rows of two tables that belong to one event."""
    names = ("organisation", "number", "sequence")
    return and_(*(table.c[name] == other.c[name] for name in names))


_HISTORY = Statement(
    select(_events, _disclosures.c.entries)
    .join(
        _disclosures,
        same_event(_disclosures, _events),
    )
    .where(
        _events.c.organisation == bindparam("organisation"),
        _events.c.number == bindparam("number"),
        _events.c.sequence <= bindparam("until"),
    )
    .order_by(_events.c.sequence)
)
_LAST = Statement(
    select(_events.c.sequence, _events.c.hash, _events.c.recorded_at)
    .where(_events.c.organisation == bindparam("organisation"), _events.c.number == bindparam("number"))
    .order_by(_events.c.sequence.desc())
    .limit(1)
)
_RECORD = Statement(insert(_events))
_DISCLOSE = Statement(insert(_disclosures))
_AWAIT_NUMBER = Statement(insert(_unnumbered))
WHOLE = 2**31 - 1
ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it is written down: itself as it will be read, and the columns of its rows."""

    event: Event
    row: Mapping[str, Any]
    disclosure: Mapping[str, Any]
    key: Mapping[str, Any]


def recorded(event: Event, previous: str, draw: Callable[[int], bytes]) -> Recorded:
    """How this event is written behind the one whose hash is `previous` ("" before the first).

    1. commit to every answer and every change that may name somebody, each under a salt of its own, and to all other
       changes under one; not to what the envelope says itself
    2. write the envelope's canonical bytes, hash them
    """
    envelope = _envelope(event, previous)
    said = _said_by(envelope)
    entries = _entries(event.data, {n: v for n, v in event.changes.items() if n not in said or said[n] != v}, draw)
    envelope["commitments"] = {name: audit.commit(salt, value) for name, (salt, value) in entries.items()}
    written = audit.canonical(envelope)
    event = replace(event, changes={**said, **event.changes}, hash=audit.envelope_hash(written))
    key = {"organisation": event.organisation, "number": event.case, "sequence": event.sequence}
    row = {
        **key,
        "type": event.type,
        "trigger": event.trigger,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "recorded_at": event.recorded_at,
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "envelope": written.decode(),
        "hash": event.hash,
    }
    disclosed = {name: {"salt": salt.hex(), "value": value} for name, (salt, value) in entries.items()}
    return Recorded(event, row, {**key, "entries": disclosed}, key)


def append(connection: Connection, event: Event, previous: str, draw: Callable[[int], bytes]) -> Event:
    """Record an event behind the one whose hash is `previous`, with the values it commits to and their salts beside it; it
    waits for its number in the trail. Gives it back as it will be read.
    """
    written = recorded(event, previous, draw)
    _RECORD.put(connection, written.row)
    _DISCLOSE.put(connection, written.disclosure)
    _AWAIT_NUMBER.put(connection, written.key)
    return written.event


def _envelope(event: Event, previous: str) -> dict[str, Any]:
    """All of it but the commitments."""
    return {
        "format": FORMAT,
        "organisation": event.organisation,
        "case": event.case,
        "sequence": event.sequence,
        "type": event.type,
        "trigger": event.trigger,
        "from": event.from_state,
        "to": event.to_state,
        "recorded_at": instant_text(event.recorded_at),
        "found_at": None if event.found_at is None else instant_text(event.found_at),
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "policy": event.policy_version,
        "calendar": event.calendar_version,
        "previous": previous or audit.genesis(event.organisation, event.case),
    }


def _said_by(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of the case that its envelope tells, in the open."""
    said = {"sequence": envelope["sequence"], "last_recorded_at": envelope["recorded_at"]}
    if envelope["to"] != envelope["from"]:
        said["state"] = envelope["to"]
    if envelope["type"] == "opened":
        said |= {
            "organisation": envelope["organisation"], "number": envelope["case"], "opened_at": envelope["recorded_at"],
        }  # fmt: skip
    return said


def _entries(
    data: Mapping[str, Any], changes: Mapping[str, Any], draw: Callable[[int], bytes]
) -> dict[str, tuple[bytes, Any]]:
    """What is committed to, by name: a salt, and the value.

    data.NAME    an answer
    kept.NAME    a change that is an answer as it was given: `kept.title`, and of a fact `kept.facts.measure`
    set.NAME     a change that may name somebody or hold what was typed
    set          all other changes: the value is an object
    """
    values: dict[str, Any] = {}
    for answer, value in data.items():
        change = answer if answer in changes else f"facts.{answer}"
        kept = change in changes and changes[change] == value
        values[f"kept.{change}" if kept else f"data.{answer}"] = value
    together: dict[str, Any] = {}
    for change, value in changes.items():
        if f"kept.{change}" in values:
            continue
        if change in NAMES_NOBODY:
            together[change] = value
        else:
            values[f"set.{change}"] = value
    if together:
        values["set"] = together
    salts = draw(audit.SALT_BYTES * len(values))
    starts = range(0, len(salts), audit.SALT_BYTES)
    return {n: (salts[at : at + audit.SALT_BYTES], v) for (n, v), at in zip(values.items(), starts, strict=True)}


def entries_of(connection: Connection, organisation: str, number: str) -> dict[int, dict[str, Any]]:
    """sequence → what that event's commitments stand for, by name."""
    here = (_disclosures.c.organisation == organisation, _disclosures.c.number == number)
    statement = select(_disclosures.c.sequence, _disclosures.c.entries).where(*here).order_by(_disclosures.c.sequence)
    return {row.sequence: row.entries for row in connection.execute(statement)}


def all_entries(connection: Connection, organisation: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(number, sequence, entries) of every event of the organisation, however many there are."""
    statement = select(_disclosures.c.number, _disclosures.c.sequence, _disclosures.c.entries).where(
        _disclosures.c.organisation == organisation
    )
    with connection.execute(statement.execution_options(yield_per=ENTRIES_AT_ONCE)) as rows:
        for row in rows:
            yield row.number, row.sequence, row.entries


def erase(connection: Connection, organisation: str, number: str, sequence: int, entries: Mapping[str, Any]) -> None:
    """Keep these in place of what the event's commitments stood for. The event stays, and so does what it committed to.

    entries    all of the event's, each as it was or as `{"erased": …, "value": …, "nonce": …}`, without its salt: the sequence
               of the logbook's event that says so, what is left of the value, and what opens that event's commitment to it
    """
    here = (_disclosures.c.organisation == organisation, _disclosures.c.number == number)
    connection.execute(
        update(_disclosures).where(*here, _disclosures.c.sequence == sequence).values(entries=dict(entries))
    )


def events_of(connection: Connection, organisation: str, number: str, until: int = WHOLE) -> list[Event]:
    """A case's events, oldest first, up to and with sequence `until`."""
    here = {"organisation": organisation, "number": number, "until": until}
    return [_event(row) for row in _HISTORY.all(connection, here)]


def first_taken(
    connection: Connection, organisation: str, numbers: Collection[str], triggers: Collection[str]
) -> dict[str, datetime]:
    """By number, when one of these steps was taken for the first time; of cases to which none was, nothing."""
    statement = (
        select(_events.c.number, func.min(_events.c.recorded_at))
        .where(
            _events.c.organisation == organisation, _events.c.number.in_(sorted(numbers)),
            _events.c.trigger.in_(sorted(triggers)), _events.c.type == "stepped",
        )
        .group_by(_events.c.number)
    )  # fmt: skip
    return {number: at for number, at in connection.execute(statement)} if numbers else {}  # noqa: C416  rows are no pairs


class Last(NamedTuple):
    """Where a history ends: nothing has sequence 0."""

    sequence: int = 0
    hash: str = ""
    recorded_at: datetime | None = None


def last_of(connection: Connection, organisation: str, number: str) -> Last:
    """Where this history ends; until the transaction does, nobody else goes on from there."""
    one_at_a_time(connection, f"history {number} of {organisation}")
    found = _LAST.first(connection, {"organisation": organisation, "number": number})
    return Last() if found is None else Last(*found)


def as_of(connection: Connection, organisation: str, number: str, sequence: int) -> tuple[Case, Event]:
    """The case as it stood right after this event, and the event. Raises LookupError when there is no such event."""
    history = events_of(connection, organisation, number, sequence)
    if not history or history[-1].sequence != sequence:
        raise LookupError(f"case {number!r} has no event {sequence}")
    return fold([event.changes for event in history], last_hash=history[-1].hash), history[-1]


def known_at(connection: Connection, organisation: str, numbers: Collection[str], at: datetime) -> dict[str, Case]:
    """number → the case as it was known at this instant: what was recorded until then, whenever it was found. Nothing of one
    that was not there yet.
    """
    statement = (
        select(_events.c.number, _events.c.hash, _events.c.envelope, _disclosures.c.entries)
        .join(
            _disclosures,
            same_event(_disclosures, _events),
        )
        .where(
            _events.c.organisation == organisation,
            _events.c.number.in_(sorted(numbers)),
            _events.c.recorded_at <= at,  # no index has it: what came later is passed over, and not taken apart
        )
        .order_by(_events.c.number, _events.c.sequence)
    )
    found = {}
    for number, group in groupby(connection.execute(statement), key=attrgetter("number")):
        rows = list(group)
        changes: list[Mapping[str, Any]] = [told_by(orjson.loads(row.envelope), row.entries)[1] for row in rows]
        found[number] = fold(changes, last_hash=rows[-1].hash)
    return found


def envelopes_of(connection: Connection, organisation: str, number: str) -> list[bytes]:
    """The bytes as they were hashed, oldest first."""
    statement = (
        select(_events.c.envelope)
        .where(_events.c.organisation == organisation, _events.c.number == number)
        .order_by(_events.c.sequence)
    )
    return [envelope.encode() for envelope in connection.execute(statement).scalars()]


def count_events(connection: Connection, organisation: str) -> int:
    return int(connection.execute(select(func.count()).where(_events.c.organisation == organisation)).scalar_one())


def reminders(connection: Connection, organisation: str) -> list[Event]:
    """Every reminder of the organisation, oldest first."""
    statement = (
        select(_events, _disclosures.c.entries)
        .join(
            _disclosures,
            same_event(_disclosures, _events),
        )
        .where(_events.c.organisation == organisation, _events.c.type == "reminded")
        .order_by(_events.c.recorded_at, _events.c.number)
    )
    return [_event(row) for row in connection.execute(statement)]


def latest_instant(connection: Connection) -> datetime | None:
    """When the last event of any organisation was recorded."""
    # each one's last is the end of an index, or among the few that have no number yet; the last of all would be looked for
    # among all events there are
    numbered = (
        select(func.max(_trail.c.recorded_at))
        .where(_trail.c.organisation == _organisations.c.organisation)
        .scalar_subquery()
    )
    # not joined: SQLite would go through all events, to look for each whether it has a number
    waiting = select(_events.c.recorded_at).where(same_event(_events, _unnumbered)).scalar_subquery()
    found: list[datetime | None] = [
        connection.execute(select(func.max(numbered)).select_from(_organisations)).scalar_one(),
        connection.execute(select(func.max(waiting)).select_from(_unnumbered)).scalar_one(),
    ]
    return max((instant for instant in found if instant is not None), default=None)


def entry_of(entries: Mapping[str, Mapping[str, Any]], answer: str) -> Mapping[str, Any] | None:
    """What stands beside the commitment to this answer."""
    return next(
        (entries[n] for n in (f"data.{answer}", f"kept.{answer}", f"kept.facts.{answer}") if n in entries), None
    )


def changed_by(row: Any, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """As the second of `told_by`, by the columns of an event, for whoever needs none of what an envelope says of itself: not
    `organisation`, `number`, `sequence` and `last_recorded_at`. Half the work.
    """
    changes: dict[str, Any] = {}
    if row.to_state != row.from_state:
        changes["state"] = row.to_state
    if row.type == "opened":
        changes["opened_at"] = instant_text(row.recorded_at)
    for name, entry in entries.items():
        kind, _, of = name.partition(".")
        if kind != "data":
            changes |= {of: entry["value"]} if of else entry["value"]
    return changes


def told_by(
    envelope: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an event says, put together from its envelope and what it committed to: the answers that were given, and the
    changes of the case (`engine.case.fold`).
    """
    data: dict[str, Any] = {}
    changes = _said_by(envelope)
    for name, entry in entries.items():
        kind, _, of = name.partition(".")
        if kind in ("data", "kept"):
            data[of if kind == "data" else of.removeprefix("facts.")] = entry["value"]
        if kind in ("set", "kept"):
            changes |= {of: entry["value"]} if of else entry["value"]
    return data, changes


def _event(row: Any) -> Event:
    envelope = orjson.loads(row.envelope)
    data, changes = told_by(envelope, row.entries)
    return Event(
        organisation=row.organisation,
        case=row.number,
        sequence=row.sequence,
        type=row.type,
        trigger=row.trigger,
        from_state=row.from_state,
        to_state=row.to_state,
        recorded_at=row.recorded_at,
        actor=row.actor,
        on_behalf_of=row.on_behalf_of,
        found_at=datetime.fromisoformat(envelope["found_at"]) if envelope["found_at"] else None,
        policy_version=envelope["policy"],
        calendar_version=envelope["calendar"],
        data=data,
        changes=changes,
        hash=row.hash,
    )
