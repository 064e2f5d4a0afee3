"""What it costs to open a cycle's periods: the first of a month, when every department of every school owes its inspection.

The schools are made by the database itself. On PostgreSQL several nodes tick at the same moment, each a process of its own;
whatever they do to each other, every period is opened exactly once.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import func, insert, select

from engine.clock import SimulatedClock
from engine.handle import Engine
from engine.store.database import Database, table_of
from engine.store.tables import (
    CalendarRow,
    CaseRow,
    DepartmentRow,
    EventRow,
    ObligationRow,
    OrganisationRow,
    OutboxRow,
    PeriodRow,
    SeriesRow,
)
from engine.tick import tick
from tests.bench.commands import together, watched
from tests.bench.grounds import Ground
from tests.bench.measuring import Seconds, seconds_of
from tests.builders import START
from workflows import CATALOG
from workflows.inspection import CYCLE
from workflows.wording import ERROR_WORDS

DEPARTMENTS = 20  # of each school
BATCH = 500  # schools written at once
FIRST_OF_MONTH = datetime(2020, 3, 31, 23, 0, tzinfo=UTC)  # 1 April, seven in the morning, where the schools are


@dataclass(frozen=True)
class Opened:
    """How long it took to open so many, and how many were opened by which node."""

    seconds: Seconds
    cases: int
    by_node: list[int]


@contextmanager
def schools(ground: Ground, count: int) -> Iterator[Database]:
    """So many schools of which every department owes its monthly inspection from April on."""
    with closing(ground.fresh()) as database:
        with database.read_across() as connection:
            calendar = connection.execute(select(table_of(CalendarRow))).mappings().first()
        assert calendar is not None
        for start in range(0, count, BATCH):
            keys = [f"s{number:05d}" for number in range(start, min(start + BATCH, count))]
            departments = [(key, f"D{n:02d}") for key in keys for n in range(DEPARTMENTS)]
            with database.write_across() as connection:
                connection.execute(insert(table_of(OrganisationRow)), [_organisation(key) for key in keys])
                connection.execute(insert(table_of(CalendarRow)), [{**calendar, "organisation": key} for key in keys])
                connection.execute(insert(table_of(DepartmentRow)), [_department(*place) for place in departments])
                connection.execute(insert(table_of(ObligationRow)), [_owed(*place) for place in departments])
        with database.own() as connection:
            connection.exec_driver_sql("ANALYZE")
        yield database


def _organisation(key: str) -> dict[str, Any]:
    zone = "Asia/Shanghai"
    return {"organisation": key, "name_zh": key, "name_en": key, "time_zone": zone, "kind": "school", "parent": None}


def _department(school: str, code: str) -> dict[str, Any]:
    return {"organisation": school, "code": code, "name_zh": code, "name_en": code, "external": False}


def _owed(school: str, code: str) -> dict[str, Any]:
    days = {"first_day": date(2020, 3, 2), "last_day": None, "opened_through": None}
    return {"organisation": school, "cycle": CYCLE, "scope": code, **days}


@dataclass(frozen=True)
class BesideRaw:
    """What one node's process takes of the processor for an opening, beside the bare driver that writes the same rows under
    the same commits. What the server takes is in neither.
    """

    ours_ms: float
    raw_ms: float


def beside_raw(ground: Ground, count: int) -> BesideRaw:
    """Opened once to see what is written, once more by us, and then by the bare driver."""
    with schools(ground, count) as database, watched() as (_, writes, commits):
        openings = _tick(database.url)
    groups = [together(writes[start:end]) for start, end in pairwise([0, *commits])]
    with schools(ground, count) as database:
        ours = _processor_seconds(lambda: _tick(database.url))
    with schools(ground, count) as database, closing(ground.raw(database)) as raw:

        def write() -> None:
            for group in groups:
                raw.commit(group)

        bare = _processor_seconds(write)
        assert raw.run("SELECT count(*) FROM period")[0][0] == openings
    return BesideRaw(1000 * ours / openings, 1000 * bare / openings)


def _processor_seconds(work: Callable[[], object]) -> Seconds:
    start = time.process_time()
    work()
    return time.process_time() - start


def open_them(database: Database, nodes: int) -> Opened:
    """One tick of each node, all at once. Raises AssertionError unless everything was opened exactly once."""
    opened: list[int] = []
    if nodes == 1:
        taken = seconds_of(lambda: opened.append(_tick(database.url)))
    else:
        servers = multiprocessing.get_context("forkserver")
        servers.set_forkserver_preload([__name__])
        with servers.Pool(nodes) as pool:
            pool.map(_warm_up, [database.url] * nodes, chunksize=1)
            taken = seconds_of(lambda: opened.extend(pool.map(_tick, [database.url] * nodes, chunksize=1)))
    with database.read_across() as connection:
        owed = _count(connection, ObligationRow)
        rows = {row.__tablename__: _count(connection, row) for row in (PeriodRow, CaseRow, EventRow)}
        last = connection.execute(select(func.sum(table_of(SeriesRow).c.last))).scalar_one()
        assert _count(connection, OutboxRow) >= owed
    assert rows == {"period": owed, "case_record": owed, "event": owed}, rows
    assert (last, sum(opened)) == (owed, owed), (last, opened)
    return Opened(taken, owed, opened)


def _count(connection: Any, row: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table_of(row))).scalar_one())


def _tick(url: str) -> int:
    with closing(Database(url)) as database:
        ticked = tick(Engine(database, CATALOG, SimulatedClock(FIRST_OF_MONTH), ERROR_WORDS))
    assert not ticked.failed, ticked.failed[:3]
    return ticked.opened


def _warm_up(url: str) -> None:
    """The statements are put together, and the processes are there, before it counts."""
    with closing(Database(url)) as database:
        tick(Engine(database, CATALOG, SimulatedClock(START - timedelta(days=60)), ERROR_WORDS))
