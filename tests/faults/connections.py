"""The network between us and PostgreSQL cuts, stutters and closes one way only, anywhere in a message; and it breaks just
when the server has committed and says so. Nobody is told what did not happen, and what happened unheard is answered again.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import make_url

from engine.errors import Busy
from engine.handle import handle
from engine.store.database import Database
from engine.tick import tick
from tests.databases import Kind
from tests.faults.faults import Counted, Fault, Ground, Plain, at_a_school
from tests.faults.invariants import Broken, answer_of, contents
from tests.faults.places import Place, a_worker, everything, seal_everything
from tests.faults.proxying import Harm, Proxy
from tests.postgres import the_cluster

SOCKET = ".s.PGSQL.5432"
A_GROUP = 10  # commands at most
BYTES = {"questions": 30_000, "answers": 10_000}  # what a group takes, some connecting included
STUTTER_SECONDS = 0.001
TRIES = 4  # of one piece of work at most, in the last of which the network is whole

#: cycle number n does the n-th of these, over and over
HARMS: tuple[Harm, ...] = (
    Harm("swallow", on=b"COMMIT\0"),  # as the protocol ends a text; READ COMMITTED is none
    Harm("cut", "answers"),
    Harm("cut", "questions"),
    Harm("half-close", "answers"),
    Harm("half-close", "questions"),
    Harm("delay", "answers", delay_seconds=STUTTER_SECONDS),
)


@dataclass
class Wired(Plain):
    proxy: Proxy

    def through(self, url: str) -> str:
        """The same database, reached through the proxy."""
        return str(make_url(url).set(query={"host": str(self.proxy.listens_in)}))


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[Wired]:
    # short, since a socket's path has to fit into 107 bytes
    with (
        tempfile.TemporaryDirectory(prefix="bh", dir="/tmp") as wire,
        Proxy(upstream=the_cluster().folder / SOCKET, listen=Path(wire) / SOCKET) as proxy,
    ):
        yield Wired(kind, folder, proxy)


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    """The same work as ever in small groups. Each meets the harm somewhere, and is asked again."""
    assert isinstance(ground, Wired)
    counted = Counted()
    far = Database(ground.through(place.url))
    engine, clock = replace(place.engine, database=far), place.school.clock
    worker = a_worker(far, clock, place.post)

    def harmed(work: Callable[[], None]) -> None:
        harm = HARMS[number % len(HARMS)]
        for tries_left in reversed(range(chance.randint(2, TRIES))):
            before = contents(place.engine.database)
            if tries_left:
                ground.proxy.do(replace(harm, after_bytes=chance.randint(0, BYTES[harm.way])))
            try:
                work()
                return
            except Busy as busy:
                counted.busy += 1
                if contents(place.engine.database) == before:
                    counted.undone += 1
                    continue
                counted.unheard += 1
                if work not in (ticking, delivering, sealing) and "Nothing changed" in busy.remedy.en:
                    raise Broken(f"it was committed, and what was said is {busy.sentence('en')!r}") from busy
            finally:
                ground.proxy.heal()
        raise Broken("the network is whole again, and the database is not reached")

    def group_of(size: int) -> Callable[[], None]:
        group = [left.pop() for _ in range(min(size, len(left)))]

        def ask() -> None:
            place.acknowledge(group, [answer_of(outcome) for outcome in handle(engine, group)])

        return ask

    def ticking() -> None:
        if failed := tick(engine).failed:
            raise Broken(f"a tick through the broken network failed otherwise than as a whole: {failed}")

    def delivering() -> None:
        worker.run_once()

    def sealing() -> None:
        seal_everything(engine)

    try:
        left = everything(place)
        chance.shuffle(left)
        while left:
            harmed(group_of(chance.randint(1, A_GROUP)))
        harmed(ticking)
        harmed(delivering)
        harmed(sealing)
    finally:
        far.close()
    return counted


CONNECTIONS = Fault(
    "connections", "the network to the database cuts, stutters, half-closes, and breaks as the commit is confirmed",
    ("postgresql",), _ground, at_a_school(_cycle),
)  # fmt: skip
