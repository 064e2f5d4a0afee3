"""How long guessing has to rest: arithmetic only. Slows who guesses, and keeps nobody out for good.

What goes wrong is counted in four ways. From a device somebody signed in on before, only under that device's own count,
so that strangers who guess at his name do not keep him out. From anywhere else under the name at that address, under the
name wherever it is tried, and under the address whatever is tried there: the last two have high ceilings and short rests,
since a school's people share one address and a name may be everybody's target.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.store.accounts import Tries

FORGOTTEN_AFTER = timedelta(days=1)  # longer than any count lives


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, and how the rest grows from the first to the longest: it doubles each time.

    forgotten_after    without a failure; then counting starts anew
    """

    free: int
    first: timedelta
    longest: timedelta
    forgotten_after: timedelta

    def rest(self, tries: Tries | None, now: datetime) -> timedelta:
        """How long until the next try is taken; nothing where it is taken now."""
        if tries is None or tries.failures < self.free or tries.last_at + self.forgotten_after <= now:
            return timedelta(0)
        doubled = 1 << min(tries.failures - self.free, 20)  # far beyond the longest, and no overflow
        return max(timedelta(0), tries.last_at + min(self.first * doubled, self.longest) - now)


_OF_ONE = Limit(5, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=12))
LIMITS: Mapping[str, Limit] = {
    "device": _OF_ONE,
    "name_here": _OF_ONE,
    "name": Limit(100, timedelta(seconds=10), timedelta(seconds=60), timedelta(hours=1)),
    "place": Limit(200, timedelta(seconds=10), timedelta(seconds=60), timedelta(hours=1)),
}
