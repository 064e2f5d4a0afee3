"""What a fault is to `make test` and `make soak`: a ground prepared once, a cycle on it as often as asked, and what it counts."""

import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self

from tests.databases import Kind
from tests.faults.invariants import messages_must_have_arrived, must_hold
from tests.faults.places import Place, a_place


@dataclass
class Counted:
    """What happened in one cycle or in many of them.

    acknowledged   commands that somebody was told are done
    undone         faults that hit before the commit: nothing was written
    unheard        faults that hit after it: everything was written, and nobody had heard of it
    busy           times we said ourselves, in our own words, that it did not work and to come again
    delivered      messages that arrived, the ones that arrived again counted once
    duplicates     the ones that arrived again, under the key they had
    """

    acknowledged: int = 0
    undone: int = 0
    unheard: int = 0
    busy: int = 0
    delivered: int = 0
    duplicates: int = 0

    def __iadd__(self, other: Self) -> Self:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self


class Ground(Protocol):
    """What the cycles of one fault at a school share on one kind of database, and where each gets its school."""

    def place(self) -> AbstractContextManager[Place]: ...


class OpensGround(Protocol):
    def __call__(self, kind: Kind, folder: Path, *, short: bool) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True)
class Fault:
    """One way in which the world around us fails.

    name     by which it is asked for
    what     one line for who reads the output
    kinds    where it applies
    ground   prepares what the cycles share: (kind, folder of its own, whether there is little time)
    cycle    does the harm, and looks at everything that must hold after it: (ground, chance, number of the cycle); at a
             school, `at_a_school` does all but the harm
    """

    name: str
    what: str
    kinds: tuple[Kind, ...]
    ground: OpensGround
    cycle: Callable[[Any, random.Random, int], Counted] = field(repr=False)


def run_cycle(fault: Fault, ground: Any, seed: int, number: int) -> Counted:
    """One cycle, and everything that must hold after it. Raises Broken."""
    return fault.cycle(ground, chance_of(fault, seed, number), number)


def at_a_school(
    harm: Callable[[Ground, Place, random.Random, int], Counted],
) -> Callable[[Ground, random.Random, int], Counted]:
    """A cycle at a school of its own.

    1. the harm is done, and everything that was not acknowledged asked again
    2. what must hold is looked at, before anybody mends anything
    3. a tick and a round of deliveries with nobody in their way
    4. every loop is brought to its end through its ordinary steps, every message out
    """

    def cycle(ground: Ground, chance: random.Random, number: int) -> Counted:
        with ground.place() as place:
            counted = harm(ground, place, chance, number)
            must_hold(place.engine, place.ledger)
            place.settle()
            must_hold(place.engine, place.ledger, settled=True)
            place.close_all()
            must_hold(place.engine, place.ledger, settled=True)
            arrived = place.post.arrived()
            counted.duplicates = messages_must_have_arrived(place.engine, place.post.name, arrived, all_of_them=True)
            counted.delivered = len(arrived) - counted.duplicates
            counted.acknowledged = len(place.ledger)
            assert not place.ledger.open_cases(place.engine.database)
            return counted

    return cycle


def chance_of(fault: Fault, seed: int, number: int) -> random.Random:
    """The same in every run, whichever cycles and faults were run before."""
    return random.Random(zlib.crc32(f"{fault.name}/{seed}/{number}".encode()))


@dataclass
class Plain:
    """A ground that needs nothing but a folder."""

    kind: Kind
    folder: Path

    def place(self) -> AbstractContextManager[Place]:
        return a_place(self.folder, self.kind)


@contextmanager
def plain(kind: Kind, folder: Path, *, short: bool) -> Iterator[Plain]:
    yield Plain(kind, folder)
