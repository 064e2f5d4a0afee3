"""The time of the database's server, which is one for all nodes however their own clocks are set."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import text

from engine.clock import utc
from engine.store.database import Database

ASK_AGAIN_SECONDS = 10.0  # in which a machine's monotonic clock strays by less than a millisecond

_NOW = text("SELECT clock_timestamp()")


class DatabaseClock:
    """Asks the server now and then, and counts on from there by seconds that never jump.

    The answer is taken for the middle of the asking, so it is off by half of it at most. It never runs backwards, also
    where the server's own clock was set back: then it stands until that is over.

    Raises Busy, when asked, if the server cannot be reached and never was.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        self._ask_at = 0.0
        self._latest: datetime | None = None

    def now(self) -> datetime:
        with self._lock:
            known, at = self._known, self._monotonic()
            if known is None or at > self._ask_at:
                self._known = known = self._asked() if known is None else self._asked_or(known)
                at = self._monotonic()
                self._ask_at = at + ASK_AGAIN_SECONDS
            now = known[0] + timedelta(seconds=at - known[1])
            self._latest = now if self._latest is None else max(now, self._latest)
            return self._latest

    def _asked(self) -> tuple[datetime, float]:
        with self._database.read_across() as connection:
            asked = self._monotonic()
            said: datetime = connection.execute(_NOW).scalar_one()
            return utc(said), (asked + self._monotonic()) / 2

    def _asked_or(self, known: tuple[datetime, float]) -> tuple[datetime, float]:
        try:
            return self._asked()
        except Exception:  # noqa: BLE001  # whoever needs the database now is told by his own statement
            return known
