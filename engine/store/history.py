"""Events as they were recorded: append one, read a case's, fold them back into the case. Nothing here changes an event."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, func, insert, select

from engine import audit
from engine.case import Case, fold, instant_text
from engine.events import FORMAT, Event
from engine.store.database import one_at_a_time, table_of
from engine.store.statements import Statement
from engine.store.tables import DisclosureRow, EventRow, OrganisationRow, UnnumberedRow

_events = table_of(EventRow)
_disclosures = table_of(DisclosureRow)
_organisations = table_of(OrganisationRow)

SALT_BYTES = audit.SALT_BYTES

_HISTORY = Statement(
    select(_events, _disclosures.c.entries)
    .join(
        _disclosures,
        (_disclosures.c.organisation == _events.c.organisation)
        & (_disclosures.c.number == _events.c.number)
        & (_disclosures.c.sequence == _events.c.sequence),
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
_AWAIT_NUMBER = Statement(insert(table_of(UnnumberedRow)))
WHOLE = 2**31 - 1


def append(connection: Connection, event: Event, previous: str, draw: Callable[[int], bytes]) -> Event:
    """Record an event behind the one whose hash is `previous` ("" before the first). Gives it back with its hash.

    1. commit to every answer and every change under a salt of its own
    2. write the envelope's canonical bytes, hash them
    3. store the bytes and the hash, and the values with their salts beside them; it waits for its number in the trail
    """
    entries, commitments = _committed(event, draw)
    envelope = audit.canonical(_envelope(event, previous, commitments))
    event = replace(event, hash=audit.envelope_hash(envelope))
    row = {
        "organisation": event.organisation,
        "number": event.case,
        "sequence": event.sequence,
        "type": event.type,
        "trigger": event.trigger,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "recorded_at": event.recorded_at,
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "envelope": envelope.decode(),
        "hash": event.hash,
    }
    _RECORD.put(connection, row)
    key = {name: row[name] for name in ("organisation", "number", "sequence")}
    _DISCLOSE.put(connection, {**key, "entries": entries})
    _AWAIT_NUMBER.put(connection, key)
    return event


def _committed(event: Event, draw: Callable[[int], bytes]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """By name, each answer and each change with its salt, and the commitment to it."""
    values = {f"data.{name}": value for name, value in event.data.items()}
    values |= {f"set.{name}": value for name, value in event.changes.items()}
    salts = draw(SALT_BYTES * len(values))
    entries, commitments, at = {}, {}, 0
    for name, value in values.items():
        salt = salts[at : at + SALT_BYTES]
        entries[name] = {"salt": salt.hex(), "value": value}
        commitments[name] = audit.commit(salt, value)
        at += SALT_BYTES
    return entries, commitments


def _envelope(event: Event, previous: str, commitments: Mapping[str, str]) -> dict[str, Any]:
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
        "commitments": commitments,
        "previous": previous or audit.genesis(event.organisation, event.case),
    }


def events_of(connection: Connection, organisation: str, number: str, until: int = WHOLE) -> list[Event]:
    """A case's events, oldest first, up to and with sequence `until`."""
    here = {"organisation": organisation, "number": number, "until": until}
    return [_event(row) for row in _HISTORY.all(connection, here)]


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
        select(_events.c.number, _events.c.recorded_at, _events.c.hash, _disclosures.c.entries)
        .join(
            _disclosures,
            (_disclosures.c.organisation == _events.c.organisation)
            & (_disclosures.c.number == _events.c.number)
            & (_disclosures.c.sequence == _events.c.sequence),
        )
        .where(_events.c.organisation == organisation, _events.c.number.in_(sorted(numbers)))
        .order_by(_events.c.number, _events.c.sequence)
    )
    found = {}
    for number, rows in groupby(connection.execute(statement), key=attrgetter("number")):
        # asked of the database, SQLite would look for everything that was recorded until then
        recorded = [row for row in rows if row.recorded_at <= at]
        if recorded:
            found[number] = fold([_set_by(row.entries) for row in recorded], last_hash=recorded[-1].hash)
    return found


def _set_by(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name[4:]: entry["value"] for name, entry in entries.items() if name.startswith("set.")}


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
            (_disclosures.c.organisation == _events.c.organisation)
            & (_disclosures.c.number == _events.c.number)
            & (_disclosures.c.sequence == _events.c.sequence),
        )
        .where(_events.c.organisation == organisation, _events.c.type == "reminded")
        .order_by(_events.c.recorded_at, _events.c.number)
    )
    return [_event(row) for row in connection.execute(statement)]


def latest_instant(connection: Connection) -> datetime | None:
    """When the last event of any organisation was recorded."""
    # each one's last is the end of an index; the last of all would be looked for among all events there are
    of_one = (
        select(func.max(_events.c.recorded_at))
        .where(_events.c.organisation == _organisations.c.organisation)
        .scalar_subquery()
    )
    latest: datetime | None = connection.execute(select(func.max(of_one)).select_from(_organisations)).scalar_one()
    return latest


def _event(row: Any) -> Event:
    envelope = orjson.loads(row.envelope)
    values = {name: entry["value"] for name, entry in row.entries.items()}
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
        data={name.removeprefix("data."): value for name, value in values.items() if name.startswith("data.")},
        changes={name.removeprefix("set."): value for name, value in values.items() if name.startswith("set.")},
        hash=row.hash,
    )
