"""`kill -9`, at any moment: of who carries out commands, of who ticks, of who delivers, of who seals; and of PostgreSQL itself, which comes
back on what it had committed while two nodes go on asking.

Real servers are killed under real clients in tests/journeys/test_kill.py, and must hold the same afterwards.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from engine.commands import Asked
from engine.errors import Busy
from engine.handle import handle
from engine.store.database import Database
from engine.tick import tick
from tests.databases import KINDS, Kind
from tests.faults.faults import Counted, Fault, Ground, at_a_school
from tests.faults.forks import Forks, What, Work, the_forks
from tests.faults.invariants import Broken, answer_of, contents
from tests.faults.places import Place, a_place, a_worker, everything, place_at, prepare
from tests.postgres import Cluster

TRIES = 4  # of one piece of work at most; in the last nobody is killed
LASTS_SECONDS = 0.12  # a piece of work, connecting included; kills fall anywhere in it
A_GROUP = 10
DATABASE_DIES_EVERY = 4  # cycles on PostgreSQL: a new start of it takes as long as all the rest


@dataclass
class Killing:
    """
    forks      who is killed: one process, two where two may work side by side
    cluster    the PostgreSQL that is killed, if one is
    """

    kind: Kind
    folder: Path
    forks: Sequence[Forks]
    cluster: Cluster | None
    numbers: Iterator[int]

    def place(self) -> AbstractContextManager[Place]:
        return a_place(self.folder, self.kind) if self.cluster is None else self._on(self.cluster)

    @contextmanager
    def _on(self, cluster: Cluster) -> Iterator[Place]:
        name = f"place_{next(self.numbers)}"
        cluster.create(name, template="at_work")
        with place_at(cluster.url(name), self.folder / name) as place:
            yield place
        cluster.drop(name)


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[Killing]:
    with ExitStack() as stack:
        cluster = None
        if kind == "postgresql":
            cluster = stack.enter_context(Cluster(durable=True))  # without, it acknowledges what a kill then loses
            cluster.create("at_work")
            with closing(Database(cluster.url("at_work"))) as database:
                prepare(database)
        forks = [the_forks(number) for number in range(1 if cluster is None else 2)]
        yield Killing(kind, folder, forks, cluster, count(1))


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    assert isinstance(ground, Killing)
    if ground.cluster is not None and number % DATABASE_DIES_EVERY == 0:
        return _database_dies(ground.cluster, place, chance)
    return _processes_die(ground, place, chance)


# --- our processes -------------------------------------------------------------------------------------------------------


def _processes_die(ground: Killing, place: Place, chance: random.Random) -> Counted:
    """Every piece of work goes to a process that is killed somewhere in it, and again until one is through. Two nodes get
    the same commands at once.
    """
    counted = Counted()
    left = everything(place)
    chance.shuffle(left)
    while left:
        group = [left.pop() for _ in range(min(chance.randint(1, A_GROUP), len(left)))]
        _until_through(ground, place, chance, "handle", group, counted)
    whats: tuple[What, ...] = ("tick", "deliver", "seal")
    for what in whats:
        _until_through(ground, place, chance, what, (), counted)
    return counted


def _until_through(
    ground: Killing, place: Place, chance: random.Random, what: What, group: Sequence[Asked], counted: Counted
) -> None:
    for tries_left in reversed(range(chance.randint(2, TRIES))):
        before = contents(place.engine.database)
        work = Work(place.url, place.school.clock.now(), what, tuple(group), place.post)
        moments = [chance.uniform(0, LASTS_SECONDS) if tries_left else None for _ in ground.forks]
        with ThreadPoolExecutor(len(ground.forks)) as pool:
            asked = [replace(work, killed_after_seconds=moment) for moment in moments]
            ran = [one.answers for one in pool.map(lambda f, w: f.run(w), ground.forks, asked)]
        for answers in ran:
            if answers is not None:
                place.acknowledge(group, answers)
            elif contents(place.engine.database) == before:
                counted.undone += 1
            else:
                counted.unheard += 1
        if all(answers is not None for answers in ran):
            return
    raise Broken(f"nobody was killed, and {what} was not through")


# --- the database --------------------------------------------------------------------------------------------------------


def _database_dies(cluster: Cluster, place: Place, chance: random.Random) -> Counted:
    """Two nodes are at work, each with half of the commands and one of them delivering; the database dies under them and
    comes back. Nobody starts them anew: each asks again what it was not told of.
    """
    counted = Counted()
    commands = everything(place)
    chance.shuffle(commands)
    back = threading.Event()
    lock = threading.Lock()
    at_work = threading.Semaphore(0)

    def through(work: Callable[[], object]) -> None:
        while True:
            at_work.release()
            try:
                work()
                return
            except Busy:
                with lock:
                    counted.busy += 1
                    counted.undone += 1
                back.wait(timeout=60)

    def node(mine: Sequence[Asked]) -> None:
        with closing(Database(place.url)) as database:
            engine = replace(place.engine, database=database)
            for asked in mine:

                def ask(asked: Asked = asked) -> None:
                    [outcome] = handle(engine, [asked])
                    with lock:
                        place.acknowledge([asked], [answer_of(outcome)])

                through(ask)
            through(partial(tick, engine))
            through(a_worker(database, place.school.clock, place.post).run_once)

    with ThreadPoolExecutor(2) as pool:
        nodes = [pool.submit(node, commands[half::2]) for half in range(2)]
        for _ in range(chance.randint(2, len(commands))):  # so far they have come
            at_work.acquire(timeout=60)
        cluster.kill()
        cluster.start()
        back.set()
        for one in nodes:
            one.result(timeout=120)
    return counted


KILLS = Fault(
    "kills", "kill -9 of who commands, ticks, delivers, and of PostgreSQL itself", KINDS, _ground, at_a_school(_cycle)
)
