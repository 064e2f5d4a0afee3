"""What `/readyz` says: 503 for what is this node's own, a word for what is late everywhere."""

import multiprocessing
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from api import migrations
from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.folder import Folder
from api.heartbeat import Heartbeat, Pulse
from api.routes.health import LATE_SECONDS, TICKS_MISSED
from api.scheduler import Scheduler
from engine.clock import SimulatedClock
from engine.errors import FolderError
from engine.store.database import Database
from tests.builders import START, a_runtime, a_school, quick_hashing, the_settings
from tests.databases import Kind
from tests.fakes import calling
from tests.postgres import Cluster


class Seconds:
    """A monotonic clock that stands until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind, clock: SimulatedClock, seconds: Seconds) -> Iterator[Runtime]:
    made = a_runtime(tmp_path / "data", kind, clock=clock)
    made.heartbeat = Heartbeat(monotonic=seconds)
    yield made
    made.close()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client


def asked(client: httpx.Client) -> tuple[int, str]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["status"]


# --- the database --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "revision, what_to_do", [("0001", "bihuan db upgrade"), ("9999", "newer than this program")], ids=["older", "newer"]
)
def test_a_database_that_changed_its_revision_meanwhile_takes_the_node_out_until_they_fit(
    revision: str, what_to_do: str, client: httpx.Client, runtime: Runtime
) -> None:
    assert asked(client) == (200, "ok")
    stand_at(runtime.database, revision)
    status, said = asked(client)
    assert status == 503 and revision in said and what_to_do in said
    stand_at(runtime.database, migrations.newest_revision() or "")
    assert asked(client) == (200, "ok")
    assert client.get("/healthz").status_code == 200


def stand_at(database: Database, revision: str) -> None:
    with database.own() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_a_database_that_lost_its_revision_is_not_worked_on(client: httpx.Client, runtime: Runtime) -> None:
    with runtime.database.own() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    status, said = asked(client)
    assert status == 503 and "backup" in said


def test_a_revision_that_none_of_our_programs_made_is_not_upgraded(runtime: Runtime) -> None:
    stand_at(runtime.database, "0003x")
    for look in (migrations.upgrade, migrations.must_be_newest):
        with pytest.raises(FolderError, match="nobody knows how to upgrade it"):
            look(runtime.database)


@pytest.mark.slow
def test_a_server_that_was_restarted_is_found_at_the_first_asking(tmp_path: Path) -> None:
    """Each connection is tried before it is used, and made anew where it is dead: nothing more has to be tried again."""
    with Cluster(durable=True) as cluster:
        cluster.create("school")
        database = Database(cluster.url("school"))
        migrations.upgrade(database)
        database.close()
        Folder(tmp_path / "data").make()
        settings = the_settings(tmp_path / "data", database_url=cluster.url("school"))
        runtime = open_runtime(settings, hashing=quick_hashing())
        with calling(create_app(runtime)) as client:
            assert asked(client) == (200, "ok")
            cluster.kill()
            cluster.start()
            assert asked(client) == (200, "ok"), "nobody asked meanwhile"
            cluster.kill()
            assert asked(client) == (503, "the database cannot be reached")
            cluster.start()
            assert asked(client) == (200, "ok"), "somebody had asked meanwhile"
        runtime.close()


# --- what is late --------------------------------------------------------------------------------------------------------


def test_what_is_late_is_told_and_leaves_the_node_in(
    client: httpx.Client, runtime: Runtime, clock: SimulatedClock
) -> None:
    school = a_school(runtime.database)
    headers = school.headers("teacher")
    number = client.post("/api/v1/repairs", json={"title": "插座", "place": "A"}, headers=headers).json()["number"]
    assigned = client.post(
        f"/api/v1/repairs/{number}/assign", json={"assignee": "repairer"}, headers=school.headers("safety_staff")
    )
    assert assigned.status_code == 200
    assert asked(client) == (200, "ok")
    clock.advance(timedelta(days=10))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert ["reminders are late" in why for why in answer.json()["why"]] == [True]
    runtime.tick()
    assert asked(client) == (200, "ok")


def test_a_node_whose_own_ticking_ended_is_taken_out(client: httpx.Client, runtime: Runtime, seconds: Seconds) -> None:
    seconds.now += 10 * LATE_SECONDS
    assert asked(client) == (200, "ok"), "who does not tick cannot have ceased to"
    runtime.ticks_here = True
    assert asked(client) == (503, "this node no longer ticks; start it again")
    runtime.heartbeat.begins()
    assert asked(client) == (200, "ok")
    seconds.now += LATE_SECONDS + 1
    assert asked(client) == (200, "degraded"), "a tick that goes on after an outage may well take so long"
    runtime.heartbeat.ends()
    assert asked(client) == (200, "ok")


def test_where_ticks_are_rarer_more_time_may_pass_between_them(tmp_path: Path, kind: Kind, seconds: Seconds) -> None:
    runtime = a_runtime(tmp_path, kind, tick_seconds=600)
    runtime.heartbeat, runtime.ticks_here = Heartbeat(monotonic=seconds), True
    with calling(create_app(runtime)) as client:
        seconds.now += TICKS_MISSED * 600
        assert asked(client) == (200, "ok")
        seconds.now += 1
        assert asked(client)[0] == 503
    runtime.close()


def test_a_node_that_is_told_to_stop_is_taken_out_at_once(client: httpx.Client, runtime: Runtime) -> None:
    runtime.stop_soon()
    assert asked(client) == (503, "stopping")
    assert client.get("/healthz").status_code == 200


# --- the heartbeat -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told, later, pulse",
    [
        ([], 300, "beats"),
        ([], 301, "stopped"),
        (["begins"], 301, "takes long"),
        (["begins", "ends"], 300, "beats"),
        (["begins", "ends"], 301, "stopped"),
        (["begins", "starts"], 301, "stopped"),
    ],
    ids=[
        "it just began",
        "no tick ever came",
        "one goes on",
        "one ended",
        "none since",
        "who ticked died, another began",
    ],
)
def test_a_heartbeat_tells_a_long_tick_from_none(told: list[str], later: float, pulse: Pulse, seconds: Seconds) -> None:
    heartbeat = Heartbeat(monotonic=seconds)
    for what in told:
        seconds.now += 1
        getattr(heartbeat, what)()
    seconds.now += later
    assert heartbeat.pulse(300) == pulse


def test_a_heartbeat_is_heard_in_the_process_beside(seconds: Seconds) -> None:
    spawning = multiprocessing.get_context("spawn")
    heartbeat = Heartbeat.shared(spawning)
    assert heartbeat.pulse(0) == "stopped"
    other = spawning.Process(target=heartbeat.begins)
    other.start()
    other.join()
    assert heartbeat.pulse(0) == "takes long"


def test_a_tick_that_failed_is_a_beat_all_the_same(runtime: Runtime) -> None:
    """That somebody ticks is one thing; how well it goes stands in the log and in the lag."""

    def broken() -> None:
        told.append(runtime.heartbeat.pulse(0))
        raise RuntimeError("the tick breaks")

    told: list[Pulse] = []
    runtime.heartbeat = Heartbeat()
    with pytest.raises(RuntimeError):
        Scheduler(runtime)._beating(broken)()
    assert (told, runtime.heartbeat.pulse(0)) == (["takes long"], "stopped")
