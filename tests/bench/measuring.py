"""How it is measured: two things in turn in the same run, several times, and what is told is the ratio of each pair."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Seconds = float


@dataclass(frozen=True)
class Spread:
    """Least, median and most of what was measured several times."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, measured: list[float]) -> "Spread":
        return cls(min(measured), median(measured), max(measured))

    def __str__(self) -> str:
        return " / ".join(f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in self)

    def __iter__(self) -> Iterator[float]:
        return iter((self.least, self.median, self.most))


def in_turn(
    rounds: int, ours: Callable[[], Seconds], other: Callable[[], Seconds]
) -> tuple[list[Seconds], list[Seconds]]:
    """The seconds of each, round by round. Who begins changes each round: whatever slows the machine slows both."""
    mine: list[Seconds] = []
    theirs: list[Seconds] = []
    for number in range(rounds):
        turns = [(ours, mine), (other, theirs)]
        for measure, taken in turns if number % 2 == 0 else reversed(turns):
            taken.append(measure())
    return mine, theirs


FLUSHES = 50


def flush_milliseconds(folder: Path) -> Spread:
    """What one flush to the disk costs: no commit that is durable takes less."""
    taken = []
    with (folder / "flushed").open("wb") as file:
        for _ in range(FLUSHES):
            file.write(b"x" * 4096)
            file.flush()
            taken.append(1000 * seconds_of(lambda: os.fsync(file.fileno())))
    return Spread.of(taken)


def seconds_of(work: Callable[[], object]) -> Seconds:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
