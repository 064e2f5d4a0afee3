"""The campaign's messages, counted from the deliveries: what was sent, and what would have been, had it not been simulated."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from engine.store import people
from notifications.deliveries import list_deliveries
from notifications.message import Delivery
from notifications.routing import SchoolSettings, is_major

RUNGS = frozenset({"reminder", "escalation", "receipt"})  # what is told where a rung fired
AT_A_TIME = 5_000


@dataclass(frozen=True)
class Message:
    """One message as its reader got it, or would have. `at` is its local time."""

    key: str
    channel: str
    addressee: str
    how: str
    at: datetime
    majors: bool

    @property
    def day(self) -> date:
        return self.at.date()


def sent(connection: Connection, organisation: str) -> list[Delivery]:
    """Every delivery that went, or was held for the simulation alone."""
    gone = ("sent", "held")
    return [delivery for delivery in _all(connection, organisation) if delivery.status in gone and delivery.message]


def as_messages(connection: Connection, organisation: str) -> dict[tuple[str, str], Message]:
    """By key and channel."""
    zone = people.time_zone(connection, organisation)
    found: dict[tuple[str, str], Message] = {}
    for line in sent(connection, organisation):
        at = (line.sent_at or line.not_before).astimezone(zone)
        major = line.how == "direct" and is_major(line.notice)
        assert line.message is not None  # it went
        found[line.message, line.channel] = Message(line.message, line.channel, line.addressee.key, line.how, at, major)
    return found


def outside_hours(message: Message, school: SchoolSettings) -> bool:
    return not school.window_from <= message.at.time() < school.window_until


def messages(connection: Connection, organisation: str) -> dict[str, Any]:
    """How many there were, of which kind and by which channel.

    digests, direct            messages, on the desk and outside
    max_per_person_per_day     the most digests anybody had on one day by one channel
    outside_window             messages that left outside the school's hours: majors
    rungs_fired                occasions on which rungs of a ladder fell due and were told
    rungs_told_once            of these, those that each of their readers found in exactly one message by each channel
    """
    every = as_messages(connection, organisation)
    how = Counter(message.how for message in every.values())
    a_day = Counter((m.addressee, m.channel, m.day) for m in every.values() if m.how == "digest")
    fired, once = _rungs(connection, organisation)
    return {
        "messages": {
            "digests": how["digest"],
            "direct": how["direct"],
            "by_channel": dict(sorted(Counter(message.channel for message in every.values()).items())),
            "max_per_person_per_day": max(a_day.values(), default=0),
            "outside_window": sum(outside_hours(message, SchoolSettings()) for message in every.values()),
            "rungs_fired": fired,
            "rungs_told_once": once,
        }
    }


def _rungs(connection: Connection, organisation: str) -> tuple[int, int]:
    told: dict[str, Counter[tuple[str, str]]] = {}
    lost: set[str] = set()
    for line in _all(connection, organisation):
        if line.notice.reason not in RUNGS:
            continue
        readers = told.setdefault(line.notice.id, Counter())
        if line.status in ("sent", "held") and line.message:
            readers[line.addressee.key, line.channel] += 1
        elif line.status not in ("withdrawn", "waiting"):
            lost.add(line.notice.id)
    once = {name for name, readers in told.items() if readers and set(readers.values()) == {1}}
    return len(told), len(once - lost)


def _all(connection: Connection, organisation: str) -> Iterator[Delivery]:
    after: str | None = None
    while page := list_deliveries(connection, organisation, limit=AT_A_TIME, after=after):
        yield from page
        after = page[-1].id
