"""The time of the database's server: one for all nodes, however their own clocks are set."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from engine.errors import Busy, Text
from engine.store.clock import ASK_AGAIN_SECONDS, DatabaseClock
from engine.store.database import Database
from tests.databases import EMPTY, Kind, on_postgresql

NOON = datetime(2020, 3, 2, 12, tzinfo=UTC)
NOWHERE = Busy(asked=Text("问", "ask"), obstacle=Text("不在", "gone"), remedy=Text("等", "wait"))


class Server:
    """Stands for a database whose clock shows what it is told to; `None` while it cannot be reached."""

    def __init__(self) -> None:
        self.shows: datetime | None = NOON
        self.asked = 0
        self.seconds = 1000.0

    @contextmanager
    def read_across(self) -> Iterator[Any]:
        if self.shows is None:
            raise NOWHERE
        yield self

    def execute(self, _: object) -> "Server":
        self.asked += 1
        return self

    def scalar_one(self) -> datetime:
        assert self.shows is not None
        return self.shows

    def monotonic(self) -> float:
        return self.seconds

    def clock(self) -> DatabaseClock:
        return DatabaseClock(cast(Database, self), self.monotonic)


def test_it_counts_on_from_what_the_server_said_and_asks_again_after_a_while() -> None:
    server = Server()
    clock = server.clock()
    assert clock.now() == NOON
    server.seconds += ASK_AGAIN_SECONDS
    assert clock.now() == NOON + timedelta(seconds=ASK_AGAIN_SECONDS)
    assert server.asked == 1
    server.seconds += 1
    server.shows = NOON + timedelta(minutes=10)
    assert clock.now() == NOON + timedelta(minutes=10)
    assert server.asked == 2


def test_it_stands_while_the_server_is_behind_what_it_said_before() -> None:
    server = Server()
    clock = server.clock()
    clock.now()
    server.seconds += ASK_AGAIN_SECONDS + 1
    server.shows = NOON - timedelta(minutes=1)
    assert clock.now() == NOON
    server.seconds += 5
    assert clock.now() == NOON
    server.shows = NOON + timedelta(seconds=30)
    server.seconds += ASK_AGAIN_SECONDS
    assert clock.now() == NOON + timedelta(seconds=30)


def test_it_goes_on_while_the_server_is_away_and_says_so_where_it_never_was_there() -> None:
    server = Server()
    clock = server.clock()
    clock.now()
    server.shows = None
    server.seconds += ASK_AGAIN_SECONDS + 1
    assert clock.now() == NOON + timedelta(seconds=ASK_AGAIN_SECONDS + 1)
    server.shows = NOON + timedelta(minutes=10)
    assert clock.now() == NOON + timedelta(seconds=ASK_AGAIN_SECONDS + 1), "nobody waits for it at every question"
    server.seconds += ASK_AGAIN_SECONDS + 1
    assert clock.now() == NOON + timedelta(minutes=10)
    server.shows = None
    with pytest.raises(Busy):
        server.clock().now()


@on_postgresql
def test_two_nodes_agree(kind: Kind, tmp_path: Path) -> None:
    with closing(EMPTY.copy(kind, tmp_path)) as database, closing(Database(database.url)) as other:
        one, two = DatabaseClock(database), DatabaseClock(other)
        assert abs(one.now() - two.now()) < timedelta(seconds=1)
        assert one.now() < one.now()
