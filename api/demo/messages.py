"""The campaign's messages, counted from the deliveries: what was sent, and what would have been, had it not been simulated."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from engine.store import people
from notifications.deliveries import list_deliveries
from notifications.message import Delivery
from notifications.routing import SchoolSettings, is_major

RUNGS = frozenset({"reminder", "escalation", "receipt"})  # what is told where a rung fired
AT_A_TIME = 10_000


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


def went(delivery: Delivery) -> bool:
    """It was sent, or was held for the simulation alone."""
    return delivery.status in ("sent", "held") and delivery.message is not None


def as_messages(deliveries: Iterable[Delivery], zone: ZoneInfo) -> dict[tuple[str, str], Message]:
    """By key and channel, those that went."""
    found: dict[tuple[str, str], Message] = {}
    for line in filter(went, deliveries):
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
    rungs_fired                occasions on which rungs of a ladder fell due; without those whose message comes after the end
    rungs_told_once            of these, those that each of their readers found in exactly one message by each channel
    """
    deliveries = list(every_delivery(connection, organisation))
    every = as_messages(deliveries, people.time_zone(connection, organisation))
    how = Counter(message.how for message in every.values())
    a_day = Counter((m.addressee, m.channel, m.day) for m in every.values() if m.how == "digest")
    fired, once = rungs_told(deliveries)
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


def rungs_told(deliveries: Iterable[Delivery]) -> tuple[int, int]:
    """On how many occasions rungs fired, and of these, on how many each reader was told exactly once by each channel. What
    still waits for the next morning is not among them.
    """
    told: dict[tuple[str, int], dict[str, Counter[tuple[str, str]]]] = {}  # by occasion, each head's message by itself
    waiting: set[tuple[str, int]] = set()
    for line in deliveries:
        if line.notice.reason not in RUNGS or not line.notice.about.get("rung"):
            continue
        occasion = line.notice.case, line.notice.sequence
        readers = told.setdefault(occasion, {}).setdefault(line.notice.id, Counter())
        # withdrawn is what goes to somebody else, or by another way, which has a delivery of its own
        if line.status != "withdrawn":
            readers[line.addressee.key, line.channel] += 1 if went(line) else 2
        if line.status == "waiting":
            waiting.add(occasion)
    over = [notices.values() for occasion, notices in told.items() if occasion not in waiting]
    return len(over), sum(all(set(readers.values()) <= {1} for readers in notices) for notices in over)


def every_delivery(connection: Connection, organisation: str) -> Iterator[Delivery]:
    after: str | None = None
    while page := list_deliveries(connection, organisation, limit=AT_A_TIME, after=after):
        yield from page
        after = page[-1].id
