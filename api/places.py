"""Work of which a process does only so much at once: whoever comes when every place is taken is told so, and does not wait."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import Busy, Text


class Places:
    """So many places, of this process.

    each    how many of them one who comes may hold at once: so that nobody alone takes them all
    """

    def __init__(self, number: int, each: int | None = None) -> None:
        self._number, self._each = number, number if each is None else each
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, asked: Text, obstacle: Text, whose: str = "") -> Iterator[None]:
        """Raises Busy when all are taken, or all that are for `whose`: what was asked, and what there is too much of."""
        with self._lock:
            if self._taken.total() >= self._number or self._taken[whose] >= self._each:
                raise Busy(asked=asked, obstacle=obstacle, remedy=Text("请稍后再试", "Ask again in a moment"))
            self._taken[whose] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= Counter({whose: 1})  # keeps no name of whoever holds none
