"""Connections that outlive their message: one an owner, as long as messages follow closely.

Nothing goes over a connection that lies here. Whoever takes one has it to himself until he gives it back.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

AT_MOST = 16  # a process; whoever sends for more owners at once than that gains little by keeping
CLOSES_WITHIN_SECONDS = 2.0  # all of them together, as the process stops

Owner = TypeVar("Owner", bound=Hashable)
Kept = TypeVar("Kept")


class Keeping(Generic[Owner, Kept]):
    """Safe to share between threads. A process that is forked begins with nothing: what lies here is its parent's.

    part      say good-bye and close, within a bounded time; raises nothing
    drop      close without a word; raises nothing
    seconds   how long a connection may lie here
    """

    def __init__(self, part: Callable[[Kept], None], drop: Callable[[Kept], None], seconds: float) -> None:
        self._part = part
        self._drop = drop
        self._seconds = seconds
        self._lock = threading.Lock()
        self._idle: dict[Owner, tuple[Kept, float]] = {}  # with the instant its time is over; the oldest first
        self._looks_later: threading.Timer | None = None
        self._closed = False
        _ALL.add(self)

    def take(self, owner: Owner) -> Kept | None:
        with self._lock:
            found = self._idle.pop(owner, None)
        return None if found is None else found[0]

    def keep(self, owner: Owner, kept: Kept) -> None:
        """It is closed when nobody takes it soon, when another comes in its place, or when there are too many.

        Raises    RuntimeError where no thread can be started; whoever takes it later finds out himself what became of it
        """
        with self._lock:
            leaving = [kept]
            if not self._closed:
                leaving = [self._idle.pop(owner)[0]] if owner in self._idle else []
                self._idle[owner] = (kept, time.monotonic() + self._seconds)
                if len(self._idle) > AT_MOST:
                    leaving.append(self._idle.pop(next(iter(self._idle)))[0])
                self._look_later()
        for each in leaving:
            self._part(each)

    def close(self) -> None:
        """Close all of them. What is given back from then on is closed at once."""
        with self._lock:
            self._closed = True
            leaving = [kept for kept, _ in self._idle.values()]
            self._idle.clear()
            if self._looks_later is not None:
                self._looks_later.cancel()
        until = time.monotonic() + CLOSES_WITHIN_SECONDS
        for each in leaving:
            (self._part if time.monotonic() < until else self._drop)(each)

    def _look_later(self) -> None:
        """One look is ahead as long as anything lies here: a thread in so many seconds, not one a message."""
        if self._idle and self._looks_later is None:
            _, until = next(iter(self._idle.values()))
            timer = threading.Timer(max(until - time.monotonic(), 0), self._close_what_is_over)
            timer.daemon = True
            timer.start()
            self._looks_later = timer

    def _close_what_is_over(self) -> None:
        with self._lock:
            now = time.monotonic()
            over = [owner for owner, (_, until) in self._idle.items() if until <= now]
            leaving = [self._idle.pop(owner)[0] for owner in over]
            self._looks_later = None
            self._look_later()
        for each in leaving:
            self._part(each)

    def begin_anew(self) -> None:
        """In a process that was just forked: its parent goes on with what lay here, and a lock may be held by nobody."""
        self._lock = threading.Lock()
        self._looks_later = None
        left, self._idle = [kept for kept, _ in self._idle.values()], {}
        for each in left:
            self._drop(each)


_ALL: "WeakSet[Keeping[Any, Any]]" = WeakSet()


def _begin_all_anew() -> None:
    for each in _ALL:
        each.begin_anew()


if hasattr(os, "register_at_fork"):  # Windows forks nothing
    os.register_at_fork(after_in_child=_begin_all_anew)
