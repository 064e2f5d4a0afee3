"""A history by chance, lived through the engine, and what its events tell of any instant: what lists and figures are held to."""

import random
from datetime import datetime, timedelta

from engine.actor import Visibility
from engine.case import Case, fold
from engine.commands import FireTrigger, OpenCase
from engine.events import Event
from engine.sealing import number
from engine.store import history, known
from engine.store.worklists import Filter
from tests.engine.fakes import HERE, PHOTO, STEPS, School

SEEN = Visibility(HERE, everything=True)
#: who may take a step, so that a drawn history gets somewhere
WHO = {
    "assign": "sam", "acknowledge": "alice", "fix": "alice", "verify": "erin", "return": "erin", "approve": "helen",
    "send_back": "helen", "reject": "sam",
}  # fmt: skip
TURNS = 150  # however the chances fall, some forty instants of them have events


def live(school: School) -> School:
    """A history by chance: cases reported, some found days before, moved on, returned, reminded of, now and then two steps at
    one instant.
    """

    chance = random.Random(random.getrandbits(64))  # of the run's own seed, which pytest prints
    numbers: list[str] = []
    for turn in range(TURNS):
        school.later(minutes=chance.choice([0, 0, 7, 90, 600, 2_000]))
        if turn % 9 == 0:
            school.tick()
        if len(numbers) < 4 or chance.random() < 0.15:
            found_at = school.clock.now() - timedelta(hours=chance.choice([0, 3, 50, 120]))
            what = {
                "title": f"插座 {turn}", "place": f"{turn} 号楼", "photos": [PHOTO],
                "category": chance.choice(["ELEC.use", "FIRE.exit"]), "source": chance.choice(["staff", "cross", "group"]),
            }  # fmt: skip
            numbers.append(school.do("charlie", OpenCase("hazard", what, found_at=found_at)).case.number)
            continue
        case, trigger = chance.choice(numbers), chance.choice(list(WHO))
        school.outcome(WHO[trigger], FireTrigger(case, trigger, STEPS.get(trigger, {})))
        if chance.random() < 0.2:
            number(school.engine.database, HERE)  # some are numbered sooner than others
    number(school.engine.database, HERE)
    return school


def everything_recorded(school: School) -> dict[str, list[Event]]:
    with school.engine.database.read(HERE) as connection:
        first = known.page(connection, SEEN, Filter(), school.clock.now(), limit=1_000)
        return {case.number: history.events_of(connection, HERE, case.number) for case in first.cases}


def folded(recorded: dict[str, list[Event]], at: datetime) -> list[Case]:
    """Every case as its events until then tell it, newest first."""
    cases = []
    for events in recorded.values():
        until = [event for event in events if event.recorded_at <= at]
        if until:
            cases.append(fold([event.changes for event in until], last_hash=until[-1].hash))
    return sorted(cases, key=lambda case: (case.opened_at, case.number), reverse=True)
