"""The server is killed in the middle of 500 commands from 8 clients, ten times. What it acknowledged is there, once."""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.folder import Folder
from engine.actor import Visibility
from engine.audit import verify_chain
from engine.store import cases, history, outbox, worklists
from engine.store.database import Database
from engine.store.worklists import Filter
from tests.builders import School, a_database, a_school
from tests.journeys.serving import Served

ROUNDS = 10
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
        with httpx.Client(base_url=self.url, timeout=30) as client:
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
                command.answer = answer
                assert answer.status_code in (200, 201), answer.text
                number = answer.json()["number"]
                with self.moved:
                    self.acknowledged += 1
                    self.moved.notify_all()

    def wait_for(self, acknowledged: int) -> None:
        with self.moved:
            assert self.moved.wait_for(lambda: self.acknowledged >= acknowledged, timeout=60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Folder(tmp_path / "data").make()
    return tmp_path / "data"


@pytest.fixture
def database(data: Path) -> Iterator[Database]:
    made = a_database(data, "sqlite")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(300)  # ten starts of a real server beside eight busy clients on a machine of two cores
def test_what_was_acknowledged_survives_kill_nine_exactly_once(data: Path, database: Database) -> None:
    school = a_school(database, at=datetime.now(UTC))
    chance = random.Random(SEED)
    expected: Counter[str] = Counter()
    for number in range(ROUNDS):
        # each round's kill falls somewhere else: right at the start, in full swing, or near the end
        moment = chance.randint(20, COMMANDS - 100)
        clients = killed_in_the_middle(data, school, number, moment)
        check_acknowledged(database, school, clients)
        with Served(data) as again, httpx.Client(base_url=again.url, timeout=30) as client:
            retry_everything(client, school, clients, chance, expected)
            again.kill()
        check_once(database, school, number, expected)
    check_all_whole(database, school)


def killed_in_the_middle(data: Path, school: School, number: int, moment: int) -> Clients:
    with Served(data, BIHUAN_DELIVER_SECONDS="1", BIHUAN_TICK_SECONDS="1") as served:
        clients = Clients(served.url, school, number)
        threads = [threading.Thread(target=clients.work, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        clients.wait_for(moment)
        served.kill()
        for thread in threads:
            thread.join()
    assert moment <= clients.acknowledged < COMMANDS, "the kill came after the work was done"
    return clients


def check_acknowledged(database: Database, school: School, clients: Clients) -> None:
    """Before anybody retries: each acknowledged command left its event, and the case carries what was said."""
    with database.read() as connection:
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
    with database.read() as connection:
        found = worklists.all_cases(connection, everything, Filter(workflow="hazard"), datetime.now(UTC))
    mine = re.compile(rf"r{number}-")
    assert Counter(c.title for c in found if mine.match(c.title)) == Counter(
        {title: count for title, count in expected.items() if mine.match(title)}
    )


def check_all_whole(database: Database, school: School) -> None:
    """No command is half applied: chain, case, events, notices and numbers agree, in every case of all rounds."""
    here = school.organisation
    everything = Visibility(here, everything=True)
    with database.read() as connection:
        found = worklists.all_cases(connection, everything, Filter(workflow="hazard"), datetime.now(UTC))
        for case in found:
            assert (
                verify_chain(history.envelopes_of(connection, here, case.number), organisation=here, case=case.number)
                == []
            )
            folded, _ = history.as_of(connection, here, case.number, case.sequence)
            assert folded == case == cases.load(connection, here, case.number)
            assert len(history.events_of(connection, here, case.number)) == case.sequence
            told = {notice.sequence for notice in outbox.notices_of(connection, here, case.number)}
            assert told == set(range(1, case.sequence + 1))
    # drawn inside the commands' transactions: a number that is missing was lost, one that is doubled was torn
    assert [int(case.number.rsplit("-", 1)[1]) for case in found] == list(range(1, len(found) + 1))
