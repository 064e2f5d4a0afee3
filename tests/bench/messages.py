"""What it takes to send thousands of messages that are due, through several workers and the real channels, to services that
fail now and then; one of them is away until all the others are served.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.grounds import Ground
from tests.sorting.office import LEASE, an_office, must_have_arrived
from tests.sorting.services import ROBOTS, SERVED_BY

WORKERS = 4
FAILING = 0.05
FACTOR = 10.0  # a minute of the limits takes six seconds
TO_A_ROBOT = 45  # twice and a little what its service takes in a minute
AWAY = "gateway"
TIMEOUT_SECONDS = 20.0  # as the channels' own: an answer that was not waited for is a message that comes twice
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Sent:
    """
    seconds         until everything was sent that the service which was away had not to take
    after_seconds   until that was sent too, from when it came back
    again           messages that arrived a second time, under the key they had
    """

    messages: int
    seconds: float
    after_seconds: float
    again: int


def send(ground: Ground, messages: int, *, factor: float = FACTOR) -> Sent:
    robots = [kind for kind in SERVED_BY if kind.endswith("_robot")]
    others = [kind for kind in SERVED_BY if kind not in robots]
    to_robots = min(ROBOTS * len(robots) * TO_A_ROBOT, messages // 3)
    database = ground.fresh()
    try:
        with (
            TemporaryDirectory(prefix="bihuan-messages-") as folder,
            an_office(
                database,
                Path(folder),
                factor=factor,
                failing=FAILING,
                dead=(AWAY,),
                timeout=TIMEOUT_SECONDS,
                lease=LEASE * factor,
            ) as office,
        ):
            office.bring(to_robots, robots)
            office.bring(messages - to_robots, others)
            office.hire(WORKERS)
            there = [kind for kind in SERVED_BY if SERVED_BY[kind] != AWAY]
            seconds = office.until_settled(PATIENCE_SECONDS, *there)
            office.running.start(AWAY)
            after_seconds = office.until_settled(PATIENCE_SECONDS)
            arrived = must_have_arrived(office)
            return Sent(arrived.messages, seconds, after_seconds, arrived.again)
    finally:
        ground.remove(database)
