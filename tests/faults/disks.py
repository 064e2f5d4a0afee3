"""The disk is full, from some write on, until somebody makes room. Nothing is acknowledged that is not there, everybody is
told in our words to come again, and once there is room it goes on by itself.

On SQLite a limit of pages is where the disk ends, set through the door everything else goes through. On PostgreSQL a trigger
says what the server says then, SQLSTATE 53100, at some write and at each one after it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from api.problems import cannot_write
from api.writer import Writer
from engine.commands import Asked
from engine.errors import Busy
from engine.store.database import Database
from engine.tick import tick
from tests.databases import KINDS
from tests.faults.faults import Counted, Fault, Ground, at_a_school, plain
from tests.faults.invariants import Broken, answer_of
from tests.faults.places import Place, everything, seal_everything
from tests.faults.triggers import triggers_in

FULL = {cannot_write(RuntimeError(said)).obstacle for said in ("database or disk is full", "53100")}
PAGES = 25  # more than the work takes; SQLite's are 4 KiB
WRITES = 150
NO_LIMIT = 2**30


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    """The same work as ever, in groups as they come; it is through only after there is room again."""
    counted = Counted()
    group = everything(place)
    chance.shuffle(group)
    with closing(_Stopping(Writer(place.engine))) as stopping, _filling_up(place, chance) as make_room:
        writer = stopping.writer
        left = _asked(writer, place, group, counted)
        for job in (lambda: tick(place.engine), place.deliver, lambda: seal_everything(place.engine)):
            try:
                job()
            except Busy as busy:
                _must_say_so(busy, counted)
        left = _asked(writer, place, left, counted)
        make_room()
        if still := _asked(writer, place, left, counted):
            raise Broken(f"there is room again, and this is still not taken: {still}")
        place.deliver()
    return counted


def _asked(writer: Writer, place: Place, group: Sequence[Asked], counted: Counted) -> list[Asked]:
    """What could not be written, and is to be asked again."""
    again = []
    for asked, outcome in zip(group, writer.ask_all(group), strict=True):
        if isinstance(outcome, Busy):
            _must_say_so(outcome, counted)
            again.append(asked)
        else:
            place.acknowledge([asked], [answer_of(outcome)])
    return again


def _must_say_so(busy: Busy, counted: Counted) -> None:
    if busy.obstacle not in FULL or "幂等键" not in busy.remedy.zh or "idempotency key" not in busy.remedy.en:
        raise Broken(f"the disk was full, and what was said is {busy.sentence('en')!r}")
    counted.busy += 1
    counted.undone += 1


class _Stopping:
    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def close(self) -> None:
        self.writer.stop()


@contextmanager
def _filling_up(place: Place, chance: random.Random) -> Iterator[Callable[[], None]]:
    """Gives what makes room again."""
    database = place.engine.database
    if not database.on_server:
        _end_of_disk(database, chance.randint(0, PAGES))
        yield lambda: _end_of_disk(database, NO_LIMIT)
        return
    with triggers_in(place) as plan:
        plan.at("full", chance.randint(1, WRITES))
        yield plan.nothing


def _end_of_disk(database: Database, free_pages: int) -> None:
    """The limit is the connection's, of which there is one that writes."""
    with database.write_across() as connection:
        used = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        connection.exec_driver_sql(f"PRAGMA max_page_count = {used + free_pages:d}")


DISKS = Fault("disks", "the disk is full from some write on, until there is room", KINDS, plain, at_a_school(_cycle))
