"""The school's webhook is down for a day, and once it says *gone*: nothing is lost, nothing goes under two names."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from api.app import create_app
from api.bootstrap import Runtime
from api.cli import main
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from engine.clock import SimulatedClock
from engine.store.database import Database
from notifications import deliveries
from notifications.accounts import AccountBook
from notifications.channels import Account
from notifications.channels.webhook import WebhookChannel
from notifications.office import PostOffice
from notifications.routing import SchoolSettings
from notifications.worker import DeliveryWorker
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from tests.notifications.fakes import OpenVault
from workflows import CATALOG

ROUND = timedelta(minutes=10)
PLACES = ("教学楼101", "教学楼102", "教学楼103")


class Receiver:
    """The other side of the webhook: `up`, down, or `gone` for good. Keeps what it took, by the key it came under."""

    def __init__(self) -> None:
        self.up = True
        self.gone = False
        self.tries: Counter[str] = Counter()
        self.taken: dict[str, list[bytes]] = defaultdict(list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["webhook-id"]
        self.tries[key] += 1
        if not self.up:
            raise httpx.ConnectError("connection refused", request=request)
        if self.gone:
            return httpx.Response(410)
        self.taken[key].append(request.content)
        return httpx.Response(200)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def runtime(tmp_path: Path, clock: SimulatedClock, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    runtime = a_runtime(tmp_path / "data", kind, clock=clock, catalog=CATALOG)
    if runtime.settings.database_url:
        monkeypatch.setenv("BIHUAN_DATABASE_URL", runtime.settings.database_url)  # for the commands
    a_school(runtime.database)
    yield runtime
    runtime.close()


@pytest.fixture
def worker(runtime: Runtime, clock: SimulatedClock, receiver: Receiver) -> DeliveryWorker:
    """A delivery worker that may send outside, which a simulated folder's own never may."""
    settings = {"url": "https://hooks.school.example/bihuan"}
    secrets = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    book = AccountBook(OpenVault(), [Account("", "webhook", "webhook", settings=settings, secrets=secrets)])
    return DeliveryWorker(
        PostOffice(
            runtime.database, OutboxOfTheEngine(), DirectoryOfTheEngine(clock, CATALOG), [WebhookChannel(clock, client)], book, clock,
            SchoolSettings(public_url="https://bihuan.example"),
        )
    )  # fmt: skip


def report_hazards(runtime: Runtime) -> set[str]:
    """Three hazards over HTTP; gives their numbers."""
    headers = School("school").headers("teacher")
    with calling(create_app(runtime)) as client:
        answers = [
            client.post("/api/v1/hazards", json={"title": "插座面板破损", "place": place}, headers=headers)
            for place in PLACES
        ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    return {answer.json()["number"] for answer in answers}


def statuses(database: Database) -> Counter[str]:
    with database.read_across() as connection:
        return Counter(delivery.status for delivery in deliveries.list_deliveries(connection, "school"))


def test_what_waited_out_a_day_arrives_once_under_one_key_each(
    runtime: Runtime, worker: DeliveryWorker, receiver: Receiver, clock: SimulatedClock
) -> None:
    receiver.up = False
    numbers = report_hazards(runtime)
    for _ in range(144):  # a day
        worker.run_once()
        clock.advance(ROUND)
    assert receiver.taken == {}
    assert statuses(runtime.database) == {"waiting": 3}
    assert len(receiver.tries) == 3
    assert max(receiver.tries.values()) < 15  # it backs off: 144 rounds were not 144 tries
    receiver.up = True
    for _ in range(144):
        worker.run_once()
        clock.advance(ROUND)
    assert statuses(runtime.database) == {"sent": 3}
    assert set(receiver.taken) == set(receiver.tries)  # under the keys that were tried all along
    bodies = [json.loads(body) for [body] in receiver.taken.values()]  # once each
    assert {body["data"]["case"] for body in bodies} == numbers


def test_a_refusal_for_good_is_a_dead_letter_that_redrive_sends(
    runtime: Runtime, worker: DeliveryWorker, receiver: Receiver, clock: SimulatedClock, tmp_path: Path
) -> None:
    receiver.gone = True
    report_hazards(runtime)
    worker.run_once()
    assert statuses(runtime.database) == {"dead": 1, "waiting": 2}  # whoever mends the address finds the others there
    for _ in range(3):
        clock.advance(timedelta(hours=1))
        worker.run_once()
    assert statuses(runtime.database) == {"dead": 3}
    said = CliRunner().invoke(main, ["outbox", "list", "--dead", "--json", "--data", str(tmp_path / "data")])
    assert said.exit_code == 0, said.output
    dead = json.loads(said.stdout)
    assert [line["status"] for line in dead] == ["dead"] * 3
    assert all("410" in line["answer"] for line in dead)
    worker.run_once()
    assert set(receiver.tries.values()) == {1}  # a dead letter is not tried again by itself
    receiver.gone = False
    with runtime.database.write("school") as connection:  # the command would send at once: nothing leaves a simulation
        assert deliveries.redrive(connection, "school", None, clock.now()) == 3
    worker.run_once()
    assert statuses(runtime.database) == {"sent": 3}
    assert {key: len(bodies) for key, bodies in receiver.taken.items()} == dict.fromkeys(receiver.tries, 1)
