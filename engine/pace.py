"""How many commands go into one group: as many as pay for the flush, and no more than keep others waiting for 20 ms."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 64  # beyond it the flush is a small part of the whole
LEAST = 4  # also where one flush alone takes longer than it should: then sharing it is all that helps
BEGIN_WITH = 8
HOLD_SECONDS = 0.020  # who asks meanwhile waits for the group to end
AIM_SECONDS = 0.014  # what a group takes swings


class Pace:
    """Learns from what groups took how many commands the next one may have: a little more each time, less at once.

    Not from the average of a command: where flushing is slow it would shrink groups to one, and flush the more often.
    Threads may share it; what one of them overwrites is learnt again from the next group.

    most    of whatever is carried out; beyond it nothing is won
    least   below it nothing is won either: where each is little work, most of the time is the group's own
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, most: int = MOST, least: int = LEAST) -> None:
        self._monotonic = monotonic
        self._most = most
        self._least = least
        self.size = max(BEGIN_WITH, least)

    @contextmanager
    def of(self, count: int, waited: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
        """Around the carrying out of so many. What raises teaches nothing.

        waited    seconds that whoever does it has waited for his turn so far: others were served meanwhile, and smaller groups
                  would not have been served sooner
        """
        began = self._monotonic() - waited()
        yield
        taken = self._monotonic() - waited() - began
        if taken > HOLD_SECONDS:
            self.size = max(self._least, min(self.size, int(count * AIM_SECONDS / taken)))
        elif taken < AIM_SECONDS and count >= self.size:
            self.size = min(self._most, self.size + max(1, self.size // 4))
