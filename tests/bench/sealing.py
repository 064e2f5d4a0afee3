"""What sealing costs whoever writes: eight clients at full speed beside a process that numbers and signs all the while.

The sealing is the service's own (`api.sealing.seal_all`), a round each second where a school has one a minute. Each measurement
takes several seconds, so that little is left to number at its end: what is recorded has to be numbered while others write.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from api.keys import KeyRing
from api.sealing import SealedRound, key_of, seal_all
from engine.handle import Engine
from engine.sealing import own_pace
from tests.bench.commands import COMMANDS_A_CASE, together_beside
from tests.bench.grounds import Ground
from tests.bench.measuring import Seconds, Spread, in_turn

WANTED = 0.85
CLIENTS = 8
EVERY_SECONDS = 1.0
TIMES_AS_MANY = 8  # cases as elsewhere: those would be over before the first round
HERE = "school"


@dataclass(frozen=True)
class Found:
    """Commands a second with sealing and without it, and the one in parts of the other; rounds and events sealed meanwhile.

    cpu_ratio    what a command takes of the processor without sealing, in parts of what it takes with it
    commands     in each measurement
    """

    sealing: Spread
    alone: Spread
    ratio: Spread
    cpu_ratio: Spread
    rounds_of_sealing: int
    numbered: int
    commands: int


def compare(ground: Ground, *, cases: int, rounds: int) -> Found:
    cases = TIMES_AS_MANY * (cases - cases % CLIENTS)
    done: list[SealedRound] = []
    spent: dict[bool, list[float]] = {True: [], False: []}

    def measured(*, sealing: bool) -> Seconds:
        began = time.process_time()
        taken = together_beside(
            ground, cases, CLIENTS, lambda engine: _sealing(engine, done) if sealing else _nothing()
        )
        spent[sealing].append(time.process_time() - began)
        return taken

    ours, alone = in_turn(rounds, lambda: measured(sealing=True), lambda: measured(sealing=False))
    commands = cases * COMMANDS_A_CASE
    return Found(
        sealing=Spread.of([commands / taken for taken in ours]),
        alone=Spread.of([commands / taken for taken in alone]),
        ratio=Spread.of([b / a for a, b in zip(ours, alone, strict=True)]),
        cpu_ratio=Spread.of([b / a for a, b in zip(spent[True], spent[False], strict=True)]),
        rounds_of_sealing=len(done),
        numbered=sum(each.numbered for each in done),
        commands=commands,
    )


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _sealing(engine: Engine, done: list[SealedRound]) -> Iterator[None]:
    """Rounds all the while, in a thread as the serving process has one."""
    over = threading.Event()
    with TemporaryDirectory(prefix="bihuan-bench-keys-") as keys:
        ring, pace = KeyRing(Path(keys)), own_pace()
        key_of(engine, ring, HERE)

        def rounds() -> None:
            while not over.wait(EVERY_SECONDS):
                done.append(seal_all(engine, ring, pace, lambda: not over.is_set()))

        thread = threading.Thread(target=rounds)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
