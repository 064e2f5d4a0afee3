"""Two nodes whose clocks are ten minutes off, one fast and one slow, take turns at the same school.

On PostgreSQL both go by the server's clock, and nothing shows at all: no rung is told before its time, no lease ends early,
no message comes twice. Where a node is handed a clock of its own instead, as one process after another on one file may be,
a rung comes some minutes early or late and a message may come twice under its key; but nothing is told twice, no period
opened twice, and time never runs backwards within a case.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import make_url, select

from engine.clock import Clock
from engine.commands import Asked, OpenCase
from engine.handle import Engine, handle
from engine.store.clock import DatabaseClock
from engine.store.database import Database, table_of
from engine.store.tables import TimerRow
from engine.tick import tick
from notifications.channels import Account, Receipt
from notifications.message import Outgoing
from tests.databases import KINDS
from tests.engine.fakes import local
from tests.faults.faults import Counted, Fault, Ground, at_a_school, plain
from tests.faults.invariants import Broken, answer_of
from tests.faults.places import Place, Post, a_worker, seal_everything
from tests.postgres import the_cluster

OFF = timedelta(minutes=10)
#: when rungs fall due in the days after the place's now; around each both nodes are at work
RUNGS_AT = ("2019-12-06 08:00", "2019-12-09 07:40", "2019-12-10 07:40", "2019-12-12 07:40", "2019-12-13 07:40")
MOMENTS = 2
STEPS = 3  # around each moment, from twelve minutes before it on


@dataclass
class Off:
    """A clock that is fast or slow by a constant, and right otherwise."""

    right: Clock
    by: timedelta

    def now(self) -> datetime:
        return self.right.now() + self.by


@dataclass
class Node:
    """A process of ours: an engine and a way out for messages, by its own clock."""

    engine: Engine
    post: "InTheMeantime"

    def deliver(self) -> None:
        a_worker(self.engine.database, self.engine.clock, self.post).run_once()


@dataclass
class InTheMeantime(Post):
    """A way out on which something else happens before the first message is through."""

    happens: Callable[[], None] = field(default=lambda: None)

    def send(self, message: Outgoing, account: Account) -> Receipt:
        happens, self.happens = self.happens, lambda: None
        receipt = super().send(message, account)
        happens()
        return receipt


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    """Around each moment at which something falls due, both nodes tick, deliver and take steps, one after the other or at
    once.
    """
    by_server = place.engine.database.on_server and number % 2 == 0
    with (_by_the_servers_clock if by_server else _by_their_own_clocks)(place) as nodes:
        for moment in sorted(chance.sample(RUNGS_AT, MOMENTS)):
            for minutes in sorted(chance.choices(range(-12, 13), k=STEPS)):
                when = local(moment) + timedelta(minutes=minutes)
                if when > place.school.clock.now():
                    place.school.clock.advance_to(when)
                _all_at_work(place, nodes, chance)
        if by_server:
            _nothing_may_show(place, nodes)
    if not by_server:
        place.school.clock.advance(2 * OFF)  # until the slow one's last word is in the past for everybody
    return Counted()


def _all_at_work(place: Place, nodes: list[Node], chance: random.Random) -> None:
    order = chance.sample(nodes, len(nodes))
    if chance.random() < 0.5:
        with ThreadPoolExecutor(len(order)) as pool:
            ticked = list(pool.map(lambda node: tick(node.engine), order))
            list(pool.map(lambda node: seal_everything(node.engine), order))
    else:
        ticked = [tick(node.engine) for node in order]
    if failed := [failure for one in ticked for failure in one.failed]:
        raise Broken(f"of two ticks one failed: {failed}")
    _somebody_acts(place, chance.choice(nodes), chance)
    one, other = order
    one.post.happens = other.deliver  # while the one has messages in his hands
    one.deliver()
    other.deliver()


def _somebody_acts(place: Place, node: Node, chance: random.Random) -> None:
    open_cases = place.ledger.open_cases(place.engine.database)
    number = chance.choice(open_cases)
    opening = OpenCase("errand", {"title": "取快递", "department": "HQC"})
    group: list[Asked] = [place.asked("bob", opening, key=f"errand {len(place.ledger)}")]
    if len(open_cases) > 4:  # so that some are left to be reminded of
        group.append(place.next_step(number))
    place.acknowledge(group, [answer_of(outcome) for outcome in handle(node.engine, group)])


def _nothing_may_show(place: Place, nodes: list[Node]) -> None:
    now = place.school.clock.now()
    if told := {node.engine.clock.now() for node in nodes} - {now}:
        raise Broken(f"it is {now} by the server, and nodes believe it to be {told}")
    table = table_of(TimerRow)
    with place.engine.database.read_across() as connection:
        told_at = select(table.c.number, table.c.rung, table.c.fire_at, table.c.settled_at).where(
            table.c.status == "fired"
        )
        for row in connection.execute(told_at):
            if not row.fire_at <= row.settled_at <= now:
                raise Broken(f"rung {row.rung!r} of {row.number} was due at {row.fire_at} and told at {row.settled_at}")
    if twice := [key for key, times in place.post.counted().items() if times > 1]:
        raise Broken(f"no lease ended early, and these came twice: {twice}")


@contextmanager
def _by_their_own_clocks(place: Place) -> Iterator[list[Node]]:
    def off(by: timedelta) -> Callable[[Database], Clock]:
        return lambda _: Off(place.school.clock, by)

    with ExitStack() as stack:
        yield [_node(place, stack.enter_context(closing(Database(place.url))), off(by)) for by in (OFF, -OFF)]


@contextmanager
def _by_the_servers_clock(place: Place) -> Iterator[list[Node]]:
    """The server's clock is the place's: its function of that name is hidden behind one that reads a table. What a machine
    counts seconds by runs on with it, each from an origin of its own.
    """
    name = str(make_url(place.url).database)
    with the_cluster().connect(name) as connection, ExitStack() as stack:
        connection.execute(_A_CLOCK_OF_OURS)
        connection.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')

        def by_server(by: timedelta) -> Callable[[Database], Clock]:
            began = place.school.clock.now()

            def seconds() -> float:
                return (place.school.clock.now() - began + by).total_seconds()

            def made(database: Database) -> Clock:
                asking = DatabaseClock(database, seconds)
                return _Told(asking, lambda now: connection.execute("UPDATE server_clock SET at = %s", (now,)), place)

            return made

        yield [_node(place, stack.enter_context(closing(Database(place.url))), by_server(by)) for by in (OFF, -OFF)]


_A_CLOCK_OF_OURS = """
CREATE TABLE server_clock (at timestamptz NOT NULL);
INSERT INTO server_clock VALUES ('2019-12-06');
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER AS 'SELECT at FROM public.server_clock';
"""


@dataclass
class _Told:
    """Sets the server's clock before it is asked."""

    asking: DatabaseClock
    set_server: Callable[[datetime], Any]
    place: Place

    def now(self) -> datetime:
        self.set_server(self.place.school.clock.now())
        return self.asking.now()


def _node(place: Place, database: Database, clock: Callable[[Database], Clock]) -> Node:
    post = InTheMeantime(place.post.file)
    return Node(replace(place.engine, database=database, clock=clock(database)), post)


CLOCKS = Fault(
    "clocks", "two nodes' clocks are ten minutes off, one fast and one slow", KINDS, plain, at_a_school(_cycle)
)
