"""Somebody is killed in the middle of 500 commands from 8 clients, again and again. What was acknowledged is there, once.

On SQLite the server is killed. On PostgreSQL there are two serving processes and one that ticks beside them, and it
is the servers or the database itself.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api import migrations
from api.folder import Folder
from engine.actor import Visibility
from engine.clock import SystemClock
from engine.handle import Engine
from engine.store import history, worklists
from engine.store.database import Database
from engine.store.worklists import Filter
from tests.builders import School, a_database, a_school
from tests.faults.invariants import Ledger, must_hold
from tests.journeys.serving import PLAIN, Served, Worked
from tests.postgres import Cluster
from workflows import CATALOG
from workflows.wording import ERROR_WORDS

# Real servers run here, each by its own clock: the school is founded now, and nothing depends on which day that is.
ROUNDS = 4  # `make soak` does it two hundred times
SERVER_ROUNDS = 1  # in each the servers are killed, then the database
CLIENTS = 8
COMMANDS = 500
SEED = 20191120
NO_SUCH_PERSON_AS = "teacher2"  # somebody else, who is allowed the same


@dataclass
class Command:
    """One command and the first answer it got, if it got one."""

    person: str
    path: str
    body: dict[str, str]
    key: str
    answer: httpx.Response | None = None

    def send(self, client: httpx.Client, school: School, person: str | None = None) -> httpx.Response:
        headers = school.headers(person or self.person, Idempotency_Key=self.key)
        return client.post(self.path, json=self.body, headers=headers)


@dataclass
class Clients:
    """Eight people at work. Each opens a hazard and turns it down, again and again, until the server is gone."""

    url: str
    school: School
    round: int
    sent: list[Command] = field(default_factory=list)
    acknowledged: int = 0
    moved: threading.Condition = field(default_factory=threading.Condition)

    def work(self, client_number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=30, verify=PLAIN) as client:
            number = ""
            for turn in range(COMMANDS // CLIENTS + 1):
                key = f"r{self.round}-c{client_number}-{turn}"
                if turn % 2 == 0:
                    command = Command(
                        "teacher", "/api/v1/hazards", {"title": key, "place": "A-101", "source": "staff"}, key
                    )
                else:
                    command = Command("safety_staff", f"/api/v1/hazards/{number}/reject", {"reason": key}, key)
                self.sent.append(command)  # appending to a list is atomic
                try:
                    answer = command.send(client, self.school)
                except httpx.TransportError:
                    return
                if answer.status_code == 503:
                    return  # the database is gone: it says so, and nothing was acknowledged
                command.answer = answer
                assert answer.status_code in (200, 201), answer.text
                number = answer.json()["number"]
                with self.moved:
                    self.acknowledged += 1
                    self.moved.notify_all()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.work, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def wait_for(self, acknowledged: int) -> None:
        with self.moved:
            assert self.moved.wait_for(lambda: self.acknowledged >= acknowledged, timeout=60)


@dataclass(frozen=True)
class Place:
    """Where it happens: the data folder, its database, and the PostgreSQL that keeps it, if one does."""

    data: Path
    database: Database
    cluster: Cluster | None = None

    @property
    def settings(self) -> dict[str, str]:
        told = {"BIHUAN_DELIVER_SECONDS": "1", "BIHUAN_TICK_SECONDS": "1"}
        return told if self.cluster is None else {**told, "BIHUAN_DATABASE_URL": self.database.url}

    def served(self) -> Served:
        return Served(self.data, "--workers", "1" if self.cluster is None else "2", **self.settings)


@pytest.fixture
def in_a_file(tmp_path: Path) -> Iterator[Place]:
    Folder(tmp_path / "data").make()
    made = a_database(tmp_path / "data", "sqlite")
    yield Place(tmp_path / "data", made)
    made.close()


@pytest.fixture
def on_a_server(tmp_path: Path) -> Iterator[Place]:
    Folder(tmp_path / "data").make()
    with Cluster(durable=True) as cluster:
        cluster.create("school")
        made = Database(cluster.url("school"))
        migrations.upgrade(made)
        yield Place(tmp_path / "data", made, cluster)
        made.close()


@pytest.mark.slow
@pytest.mark.timeout(300)  # ten starts of a real server beside eight busy clients on a machine of two cores
def test_what_was_acknowledged_survives_kill_nine_exactly_once(in_a_file: Place) -> None:
    place = in_a_file
    school = a_school(place.database, at=datetime.now(UTC))
    chance = random.Random(SEED)
    expected: Counter[str] = Counter()
    for number in range(ROUNDS):
        # each round's kill falls somewhere else: right at the start, in full swing, or near the end
        moment = chance.randint(20, COMMANDS - 100)
        clients = killed_in_the_middle(place, school, number, moment)
        check_acknowledged(place.database, school, clients)
        with place.served() as again, httpx.Client(base_url=again.url, timeout=30, verify=PLAIN) as client:
            retry_everything(client, school, clients, chance, expected)
            again.kill()
        check_once(place.database, school, number, expected)
    check_all_whole(place.database)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_so_it_does_on_several_nodes_also_when_the_database_is_killed(on_a_server: Place) -> None:
    """The database comes back by itself and finds its clients waiting: nobody has to start a server anew."""
    place, cluster = on_a_server, on_a_server.cluster
    assert cluster is not None
    school = a_school(place.database, at=datetime.now(UTC))
    chance = random.Random(SEED)
    expected: Counter[str] = Counter()
    with Worked(place.data, **place.settings):
        for number in range(SERVER_ROUNDS):
            clients = killed_in_the_middle(place, school, 2 * number, chance.randint(20, COMMANDS - 100))
            check_acknowledged(place.database, school, clients)
            with place.served() as again, httpx.Client(base_url=again.url, timeout=30, verify=PLAIN) as client:
                retry_everything(client, school, clients, chance, expected)
                check_once(place.database, school, 2 * number, expected)

                clients = Clients(again.url, school, 2 * number + 1)
                with clients.at_work():
                    clients.wait_for(chance.randint(20, COMMANDS - 100))
                    cluster.kill()
                cluster.start()
                check_acknowledged(place.database, school, clients)
                retry_everything(client, school, clients, chance, expected)
            check_once(place.database, school, 2 * number + 1, expected)
    check_all_whole(place.database)


def killed_in_the_middle(place: Place, school: School, number: int, moment: int) -> Clients:
    with place.served() as served:
        clients = Clients(served.url, school, number)
        with clients.at_work():
            clients.wait_for(moment)
            served.kill()
    assert moment <= clients.acknowledged < COMMANDS, "the kill came after the work was done"
    return clients


def check_acknowledged(database: Database, school: School, clients: Clients) -> None:
    """Before anybody retries: each acknowledged command left its event, and the case carries what was said."""
    with database.read_across() as connection:
        for command in clients.sent:
            if command.answer is None:
                continue
            said = command.answer.json()
            events = history.events_of(connection, school.organisation, said["number"])
            event = events[said["event"]["sequence"] - 1]
            assert event.hash == said["event"]["hash"]
            assert sum(command.key in map(str, e.data.values()) for e in events) == 1


def retry_everything(
    client: httpx.Client, school: School, clients: Clients, chance: random.Random, expected: Counter[str]
) -> None:
    """The same key gets the first answer again, to the byte; somebody else's use of it is a request of its own."""
    for command in clients.sent:
        answer = command.send(client, school)
        assert answer.status_code in (200, 201), answer.text
        if command.answer is not None:
            assert answer.content == command.answer.content
            assert answer.headers["ETag"] == command.answer.headers["ETag"]
            assert answer.headers["Idempotency-Replayed"] == "true"
        if "title" in command.body:
            expected[command.key] += 1
    opened = [command for command in clients.sent if "title" in command.body]
    for command in chance.sample(opened, 3):
        other = command.send(client, school, NO_SUCH_PERSON_AS)
        assert other.status_code == 201, other.text
        assert "Idempotency-Replayed" not in other.headers
        assert other.json()["reporter"] == NO_SUCH_PERSON_AS
        expected[command.key] += 1


def check_once(database: Database, school: School, number: int, expected: Counter[str]) -> None:
    """Every command of the round, acknowledged or lost on the way, happened once after its retry."""
    everything = Visibility(school.organisation, everything=True)
    with database.read_across() as connection:
        found = worklists.all_cases(connection, everything, Filter(workflow="hazard"), datetime.now(UTC))
    mine = re.compile(rf"r{number}-")
    assert Counter(c.title for c in found if mine.match(c.title)) == Counter(
        {title: count for title, count in expected.items() if mine.match(title)}
    )


def check_all_whole(database: Database) -> None:
    """No command is half applied, in no case of all rounds."""
    must_hold(Engine(database, CATALOG, SystemClock(), ERROR_WORDS), Ledger())
