"""Whether this node's own ticking goes on: told by the process that ticks, read by all that answer beside it."""

import time
from collections.abc import Callable, MutableSequence
from multiprocessing.context import BaseContext
from typing import Literal, Self

Pulse = Literal["beats", "takes long", "stopped"]


class Heartbeat:
    """Two instants of the machine's monotonic clock, which is the same in all its processes: the last tick began, it ended.

    cells   where they are kept: a list, or memory that several processes share
    """

    def __init__(
        self, cells: MutableSequence[float] | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._cells = cells if cells is not None else [0.0, 0.0]
        self._monotonic = monotonic
        if not any(self._cells):  # what is handed from one process to another has begun already
            self.starts()

    @classmethod
    def shared(cls, context: BaseContext) -> Self:
        """One that processes of this context can be handed."""
        return cls(context.RawArray("d", 2))

    def starts(self) -> None:
        """Somebody begins to tick from now on, whatever became of who did before."""
        self._cells[0] = self._cells[1] = self._monotonic()

    def begins(self) -> None:
        self._cells[0] = self._monotonic()

    def ends(self) -> None:
        self._cells[1] = self._monotonic()

    def pulse(self, patience_seconds: float) -> Pulse:
        """`stopped` when no tick has begun for so long; `takes long` when one has gone on for so long, and goes on."""
        began, ended = self._cells
        goes_on = began > ended
        if self._monotonic() - (began if goes_on else ended) <= patience_seconds:
            return "beats"
        return "takes long" if goes_on else "stopped"
