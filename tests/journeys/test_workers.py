"""Several serving processes behind one socket: what they counted is one sum, whichever of them is asked."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.folder import Folder
from api.nodes import TOO_SOON_SECONDS
from engine.store.database import Database
from tests.builders import School, a_database, a_school
from tests.journeys.serving import PLAIN, Served

TOKEN = "the operator's own token"
REPORTS = 40
A_MOMENT = 0.2  # seconds between two looks: whoever is waited for needs the processor too
ASKED_AGAIN = 20  # each on a connection of its own, so that both are asked sooner or later


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    Folder(tmp_path / "data").make()
    made = a_database(tmp_path / "data", "postgresql")
    yield made
    made.close()


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Iterator[Served]:
    settings = {"BIHUAN_DATABASE_URL": database.url, "BIHUAN_METRICS_TOKEN": TOKEN, "BIHUAN_TICK_SECONDS": "1"}
    with Served(tmp_path / "data", "--workers", "2", **settings) as served:
        yield served


def counted(served: Served, name: str) -> float:
    """A figure's sum over all its labels, from whichever process takes this connection."""
    answer = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, verify=PLAIN)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def report(served: Served, school: School, turn: int) -> None:
    headers = school.headers("teacher", Connection="close", Idempotency_Key=f"key-{turn}")
    body = {"title": f"插座松动 {turn}", "place": "A-101", "source": "staff"}
    answer = httpx.post(f"{served.url}/api/v1/hazards", json=body, headers=headers, timeout=30, verify=PLAIN)
    assert answer.status_code == 201, answer.text


def answering(served: Served) -> list[int]:
    """The processes that answer, as the system lists them: under the one they are begun from, which has the port's owner above."""
    beginning = [one for one in _under(served.process.pid) if b"forkserver" in _command_of(one)]
    return [one for parent in beginning for one in _under(parent)]


def _under(parent: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):  # it ended since it was listed
        return []


def _command_of(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended since it was listed
        return b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes where Linux lists them")
def test_whichever_is_asked_tells_what_all_have_counted_also_after_one_died(served: Served, database: Database) -> None:
    began = time.monotonic()
    school = a_school(database, at=datetime.now(UTC))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda turn: report(served, school, turn), range(REPORTS)))
    assert len(answering(served)) == 2
    assert {counted(served, "bihuan_command_duration_seconds_count") for _ in range(ASKED_AGAIN)} == {REPORTS}
    while time.monotonic() < began + TOO_SOON_SECONDS:  # one that died sooner would not be replaced
        assert counted(served, "bihuan_command_duration_seconds_count") == REPORTS
        time.sleep(A_MOMENT)
    for killed in answering(served):
        os.kill(killed, signal.SIGKILL)
        log = _until_it_is_replaced(served, killed)
        assert counted(served, "bihuan_command_duration_seconds_count") == REPORTS, log
    report(served, school, REPORTS)
    assert {counted(served, "bihuan_command_duration_seconds_count") for _ in range(ASKED_AGAIN)} == {REPORTS + 1}
    assert {counted(served, "bihuan_database_up") for _ in range(ASKED_AGAIN)} == {1}, "not once for each process"
    ready = {httpx.get(f"{served.url}/readyz", timeout=30, verify=PLAIN).text for _ in range(ASKED_AGAIN)}
    assert ready == {'{"status":"ok","why":[],"simulated":null}'}, "who ticks died, and another one does"
    served.stop()


def _until_it_is_replaced(served: Served, killed: int) -> str:
    """Until there are two again that answer, none of them the killed one; the log."""
    while killed in (now := answering(served)) or len(now) < 2:
        assert served.process.poll() is None
        time.sleep(A_MOMENT)
    return served.log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_folder_they_count_in_is_gone_when_they_are(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    a_school(database, at=datetime.now(UTC))
    settings = {"BIHUAN_DATABASE_URL": database.url, "BIHUAN_METRICS_TOKEN": TOKEN}
    with Served(tmp_path / "data", "--workers", "2", **settings) as served:
        assert len(list(place.glob("bihuan-metrics-*"))) == 1
        served.stop()
    assert list(place.iterdir()) == []
