"""What is known of people as readers, in SQL: how they want to be told, and whom a channel does not reach.

Every function works in the transaction its caller opened with `Database.read…` or `Database.write…`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from sqlalchemy import Row, delete, select, update

from engine.store.database import table_of, upsert
from notifications.routing import NO_PREFERENCE, Preference
from notifications.tables import Connection, PreferenceRow, UnreachedRow

PREFERENCE = table_of(PreferenceRow)
UNREACHED = table_of(UnreachedRow)
P = PREFERENCE.c
U = UNREACHED.c

CAUSE_LIMIT = 500  # characters

# --- preferences -----------------------------------------------------------------------------------------------------


def preferences_of(connection: Connection, organisation: str) -> dict[str, Preference]:
    """Of everybody there who decided anything."""
    mine = select(PREFERENCE).where(P.organisation == organisation)
    return {row.person: _preference(row) for row in connection.execute(mine)}


def prefer(connection: Connection, organisation: str, person: str, preference: Preference, now: datetime) -> None:
    """Write down what he decided; whether his school allows it was asked before."""
    if preference == NO_PREFERENCE:
        connection.execute(delete(PREFERENCE).where(P.organisation == organisation, P.person == person))
        return
    row = {
        "channel": preference.channel, "quiet_from": _as_text(preference.quiet_from),
        "quiet_until": _as_text(preference.quiet_until), "changed_at": now,
    }  # fmt: skip
    statement = upsert(PREFERENCE).values(organisation=organisation, person=person, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["organisation", "person"], set_=row))


def _preference(row: Row[Any]) -> Preference:
    return Preference(row.channel, _as_time(row.quiet_from), _as_time(row.quiet_until))


def _as_text(at: time | None) -> str | None:
    return None if at is None else f"{at:%H:%M}"


def _as_time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)


# --- whom a channel does not reach -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unreached:
    """Somebody whom a channel does not reach; `channel` empty where he has no address at any of them.

    address   a hash of the one that does not work
    told_at   when it climbed to whoever looks after him
    """

    person: str
    channel: str
    address: str
    cause: str
    since: datetime
    told_at: datetime | None = None


def hash_of(address: str) -> str:
    """So that an address is known again without being kept."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def unreached(connection: Connection, organisation: str) -> list[Unreached]:
    """Everybody there who is written down."""
    mine = select(UNREACHED).where(U.organisation == organisation).order_by(U.person, U.channel)
    return [_unreached(row) for row in connection.execute(mine)]


def does_not_reach(
    connection: Connection, organisation: str, person: str, channel: str, address: str, cause: str, now: datetime
) -> None:
    """Write down that this channel does not reach him. Where it is written down already, it stays as it is, but for the address
    that is found not to work.
    """
    row = {
        "organisation": organisation, "person": person, "channel": channel, "address": address,
        "cause": cause[:CAUSE_LIMIT], "since": now,
    }  # fmt: skip
    statement = upsert(UNREACHED).values(row)
    if address:
        key = ["organisation", "person", "channel"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_={"address": address}))
    else:
        connection.execute(statement.on_conflict_do_nothing())


def climbs(connection: Connection, organisation: str, person: str, channel: str, now: datetime) -> bool:
    """It is brought to whoever looks after him. False when it was before."""
    mine = (U.organisation == organisation) & (U.person == person) & (U.channel == channel) & U.told_at.is_(None)
    return connection.execute(update(UNREACHED).where(mine).values(told_at=now)).rowcount == 1


def message_reached(connection: Connection, organisation: str, person: str, channel: str) -> None:
    """A message reached him by this channel. What is written down against any other's address stays; that every way had failed
    him is over.
    """
    mine = (U.organisation == organisation) & (U.person == person) & ((U.channel == channel) | (U.address == ""))
    connection.execute(delete(UNREACHED).where(mine))


def reached(connection: Connection, organisation: str, person: str, *channels: str) -> None:
    """These channels reach him, or he has another address there."""
    mine = (U.organisation == organisation) & (U.person == person) & U.channel.in_(channels)
    connection.execute(delete(UNREACHED).where(mine))


def _unreached(row: Row[Any]) -> Unreached:
    return Unreached(row.person, row.channel, row.address, row.cause, row.since, row.told_at)
