"""Two processes tick at once on one database: each rung and each period exactly once."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.store.database import table_of
from engine.store.tables import OutboxRow
from tests.databases import Kind
from tests.engine.fakes import School, a_school, local
from tests.journeys.forking import Forked

ROOT = Path(__file__).parents[2]
HAZARDS = 40
SCOPES = ("HQC", "JWC", "DZB")

#: a process of its own: says when it is ready, waits for its word, ticks, says what it did
TICKER = """
import json, sys
from datetime import datetime
from engine.clock import SimulatedClock
from engine.handle import Engine
from engine.store.database import Database
from engine.tick import tick
from workflows import CATALOG

database = Database(sys.argv[1])
engine = Engine(database, CATALOG, SimulatedClock(datetime.fromisoformat(sys.argv[2])))
with database.read_across():
    print("ready", flush=True)
sys.stdin.readline()
ticked = tick(engine)
database.close()
print(json.dumps([ticked.opened, ticked.reminded, [repr(error) for _, error in ticked.failed]]), flush=True)
"""


@pytest.fixture
def school(tmp_path: Path, kind: Kind) -> Iterator[School]:
    with a_school(tmp_path, kind) as school:
        yield school


def ticked_at_once(school: School, processes: int) -> list[tuple[int, int, list[str]]]:
    """(opened, reminded, failed) of each process. All have the database open before the first may begin."""
    arguments = school.engine.database.url, school.clock.now().isoformat()
    tickers = [Forked(TICKER, *arguments, cwd=ROOT, env=os.environ) for _ in range(processes)]
    try:
        for ticker in tickers:
            assert ticker.stdout.readline() == "ready\n"
        for ticker in tickers:
            ticker.stdin.write("go\n")
            ticker.stdin.flush()
        said = [ticker.stdout.readline() for ticker in tickers]
    finally:
        for ticker in tickers:
            ticker.kill()
            ticker.wait()
            ticker.close()
    return [tuple(json.loads(answer)) for answer in said]


@pytest.mark.slow
def test_two_processes_that_tick_at_once_tell_each_rung_and_open_each_period_once(school: School) -> None:
    numbers = [school.assigned() for _ in range(HAZARDS)]
    for scope in SCOPES:
        school.owe("dept_check_month", scope, "2019-12-01")
    inspections = 0
    days = (("2019-12-05 08:00", 1), ("2020-01-06 08:00", 2), ("2020-03-02 08:00", 4))
    for turns, (day, months) in enumerate(days, 1):
        school.at(day)
        answers = ticked_at_once(school, 2)
        assert [failed for _, _, failed in answers] == [[], []]
        assert sum(opened for opened, _, _ in answers) == len(SCOPES) * months - inspections
        inspections = len(SCOPES) * months
        assert {len(school.reminders(number)) for number in numbers} == {turns}, (
            "one message a case, however many rungs"
        )
    periods = Counter((period.scope, period.key) for period in school.periods())
    assert set(periods.values()) == {1}
    with school.engine.database.read_across() as connection:
        ids = connection.execute(select(table_of(OutboxRow).c.id)).scalars().all()
    assert len(ids) == len(set(ids))
    for number in numbers:
        told = [rung for event in school.reminders(number) for rung in (*event.data["skipped"], event.data["rung"])]
        assert len(told) == len(set(told)), "no rung twice"
        school.assert_history_holds(number)
    assert school.tick().reminded == 0, "and a third tick finds nothing left"
    assert local("2020-03-02 08:00") == school.clock.now()
