"""`kill -9` of who delivers and of who receives: workers and the services at the other end, in processes of their own, which come
back and go on. Whatever was due arrives; what arrives again has the key it had.
"""

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.databases import EMPTY, KINDS, Kind
from tests.faults.faults import Counted, Fault
from tests.sorting.office import Office, an_office, must_have_arrived
from tests.sorting.services import NAMES

WORKERS = 2
MESSAGES = 21  # of each cycle, three of each kind of channel
KILLS = 4
BETWEEN_SECONDS = 0.15  # kills fall anywhere in it
FACTOR = 120.0  # a lease is over in seconds, a second try comes after half a one
SETTLES_WITHIN_SECONDS = 330.0  # who failed five times in a row waits for 4.4 hours of this clock, six times for 10.4


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[Office]:
    with (
        closing(EMPTY.copy(kind, folder)) as database,
        an_office(database, folder, factor=FACTOR, failing=0.05) as office,
    ):
        office.hire(WORKERS)
        yield office


def _cycle(office: Office, chance: random.Random, number: int) -> Counted:
    before = must_have_arrived(office)
    office.bring(MESSAGES)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, BETWEEN_SECONDS))
        if chance.random() < 0.5:
            office.kill_a_worker(chance.randrange(WORKERS))
            office.hire(1)
        else:
            name = chance.choice(NAMES)
            office.running.kill(name)
            time.sleep(chance.uniform(0, BETWEEN_SECONDS))
            office.running.start(name)
    office.until_settled(SETTLES_WITHIN_SECONDS)
    after = must_have_arrived(office)
    return Counted(undone=KILLS, delivered=after.messages - before.messages, duplicates=after.again - before.again)


MESSAGES_ARRIVE = Fault(
    "messages", "kill -9 of who delivers and of the services that messages go to", KINDS, _ground, _cycle
)
