"""Work of which a process does only so much at once: whoever comes when every place is taken is told so, and does not wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import Busy, Text


class Places:
    """So many places, of this process."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    @contextmanager
    def one(self, asked: Text, obstacle: Text) -> Iterator[None]:
        """Raises Busy when all are taken: what was asked, and what there is too much of."""
        if not self._free.acquire(blocking=False):
            raise Busy(asked=asked, obstacle=obstacle, remedy=Text("请稍后再试", "Ask again in a moment"))
        try:
            yield
        finally:
            self._free.release()
