"""What time it is: always aware, always UTC; the system's time or a simulated one."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that knows what time it is."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        ...


def utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises    ValueError for a naive datetime: guessing its zone would move deadlines by hours, unseen
    """
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone. Say which: an instant here is always aware.")
    return value.astimezone(UTC)


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SimulatedClock:
    """A time that stands still until it is told to move, and never moves backwards."""

    def __init__(self, start: datetime) -> None:
        self._now = utc(start)

    def now(self) -> datetime:
        return self._now

    def advance_to(self, instant: datetime) -> None:
        """Raises ValueError for an earlier instant: nothing is ever back-dated."""
        instant = utc(instant)
        if instant < self._now:
            raise ValueError(f"Cannot turn the clock back from {self._now.isoformat()} to {instant.isoformat()}.")
        self._now = instant

    def advance(self, delta: timedelta) -> None:
        self.advance_to(self._now + delta)


class RunningFrom:
    """A simulated time that goes on at real speed from `start`, so that a finished demo can be served.

    monotonic    seconds that never jump; a step of the machine's own clock must not move simulated time
    """

    def __init__(self, start: datetime, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._start = utc(start)
        self._monotonic = monotonic
        self._origin = monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._monotonic() - self._origin)
