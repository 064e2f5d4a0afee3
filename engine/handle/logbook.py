"""The organisation's own book: what is done with its records, and by whom."""

from collections.abc import Mapping
from typing import Any

from engine.actor import Actor
from engine.events import LOGBOOK, Event, Noteworthy
from engine.handle.outcomes import Engine
from engine.store import history
from engine.store.database import Connection


def note(engine: Engine, actor: Actor, what: Noteworthy, about: Mapping[str, Any]) -> Event:
    """Write into the organisation's logbook what is done with its records; when it returns, that is durable.

    actor    who does it, and has been allowed to
    about    plain JSON values by name, committed to like what a form says
    Raises   Busy where it could not be made durable: then it is not to be done either
    """
    with engine.database.write(actor.organisation) as connection:
        return note_in(engine, connection, actor, what, about)


def note_in(engine: Engine, connection: Connection, actor: Actor, what: Noteworthy, about: Mapping[str, Any]) -> Event:
    """As `note`, in the transaction that does it."""
    now, last = engine.clock.now(), history.last_of(connection, actor.organisation, LOGBOOK)
    event = Event(
        organisation=actor.organisation,
        case=LOGBOOK,
        sequence=last.sequence + 1,
        type="noted",
        trigger=what,
        from_state=None,
        to_state="",
        recorded_at=max(now, last.recorded_at or now),
        actor=actor.principal,
        on_behalf_of=actor.represented,
        found_at=None,
        policy_version=0,
        calendar_version=0,
        data=about,
    )
    return history.append(connection, event, last.hash, engine.draw)
