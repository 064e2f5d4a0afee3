"""What people notice while a backlog is worked off: the latency of commands beside a tick that has very many rungs to tell."""

import asyncio
import threading
from contextlib import closing
from dataclasses import dataclass
from statistics import quantiles

from api.writer import Writer
from engine.commands import Asked
from engine.handle import Outcome
from tests.bench.commands import play
from tests.bench.grounds import Ground
from tests.bench.measuring import Seconds, seconds_of
from tests.bench.sweeps import OpenCases

P95_WANTED = 100.0  # milliseconds


@dataclass(frozen=True)
class WorkedOff:
    """How long the backlog took, and the milliseconds of the commands asked meanwhile: median and 95th of a hundred."""

    seconds: Seconds
    due: int
    asked: int
    median: float
    p95: float


def work_off(ground: Ground, due: int) -> WorkedOff:
    """Tell of so many cases in one tick, while somebody reports and closes hazards one after another."""
    with closing(OpenCases(ground, due)) as backlog:
        backlog.fall_due(due)  # before anybody opens a case: its number could be among theirs
        writer = Writer(backlog.engine)
        latencies: list[Seconds] = []
        over = threading.Event()

        def somebody() -> None:
            turn = 0
            while not over.is_set():
                play(lambda asked: _timed(writer, asked, latencies), f"meanwhile {turn}")
                turn += 1

        person = threading.Thread(target=somebody)
        person.start()
        try:
            taken = backlog.tell(due)
        finally:
            over.set()
            person.join()
            writer.stop()
    spread = quantiles(latencies, n=20)
    return WorkedOff(taken, due, len(latencies), 1000 * spread[9], 1000 * spread[18])


def _timed(writer: Writer, asked: Asked, latencies: list[Seconds]) -> Outcome:
    outcome: list[Outcome] = []
    latencies.append(seconds_of(lambda: outcome.append(asyncio.run(writer.ask(asked)))))
    return outcome[0]
