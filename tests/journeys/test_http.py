"""A hazard's whole way through a real server: reported, assigned, fixed, verified, closed, with one reminder on the way."""

import io
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openpyxl
import pytest
from PIL import Image

from api.bootstrap import open_runtime
from api.folder import Folder
from engine.clock import SimulatedClock
from tests.builders import School, a_database, a_school, the_settings
from tests.journeys.forking import Forked
from tests.journeys.serving import BIHUAN, Served, Started, command, environment
from workflows.reference import criteria_for

START = datetime(2020, 3, 2, 1, 0, tzinfo=UTC)  # Monday 09:00 at the school


def bihuan(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    """A command of its own process on the folder."""
    return subprocess.run(
        [*command(*arguments), "--data", str(data)],
        capture_output=True,
        encoding="utf-8",
        cwd=data.parent,
        env=environment(BIHUAN_LOG_LEVEL="warning"),
        check=False,
        timeout=60,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Folder(tmp_path / "data").make(simulated=True, at=START)
    return tmp_path / "data"


@pytest.fixture
def school(data: Path) -> Iterator[School]:
    database = a_database(data, "sqlite")
    yield a_school(database)
    database.close()


def a_photo() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (16, 16), "green").save(content, "JPEG")
    return content.getvalue()


def days_pass(data: Path, days: int) -> None:
    """The folder's clock goes on while nobody serves it."""
    runtime = open_runtime(the_settings(data))
    now = runtime.clock.now()
    runtime.close()
    runtime = open_runtime(the_settings(data), clock=SimulatedClock(now + timedelta(days=days)))
    runtime.remember()
    runtime.close()


@pytest.mark.slow
def test_a_hazard_goes_from_reported_to_closed_over_http(data: Path, school: School) -> None:
    with Started(data) as served:
        assert any("SIMULATED" in line and "模拟" in line for line in served.said)
        refused = bihuan("serve", "--port", "0", data=data)
        assert refused.returncode == 1
        assert "正由另一个 bihuan serve 使用" in refused.stderr and "being served by another" in refused.stderr
        with httpx.Client(base_url=served.url) as client:
            number = reported_and_assigned(client, school)
        served.stop()
        assert served.process.returncode == 0

    # nobody serves for a week: the highest missed rung is told once, also by two ticks at once
    days_pass(data, 7)
    asked, quiet = ("tick", "--json", "--data", str(data)), environment(BIHUAN_LOG_LEVEL="warning")
    ticks = [Forked(BIHUAN, *asked, cwd=data.parent, env=quiet) for _ in range(2)]
    results = [json.loads(tick.stdout.read()) for tick in ticks]
    for tick in ticks:
        tick.wait(60)
        tick.close()
    assert sum(result["reminded"] for result in results) == 1
    assert sum(result["failed"] for result in results) == 0

    with Served(data) as again, httpx.Client(base_url=again.url) as client:
        events = client.get(f"/api/v1/hazards/{number}/events", headers=school.headers("repairer")).json()["items"]
        [reminded] = [event for event in events if event["type"] == "reminded"]
        assert reminded["data"]["skipped"], "the rungs below it are recorded as skipped"
        desk = client.get("/api/v1/people/me/inbox", headers=school.headers("repairer")).json()["items"]
        assert any(number in message["cases"] for message in desk)
        fixed_and_closed(client, school, number)

    exported = bihuan("export", "ledger", "-o", data.parent / "ledger.xlsx", data=data)
    assert exported.returncode == 0, exported.stderr
    sheet = openpyxl.load_workbook(data.parent / "ledger.xlsx").active
    assert sheet is not None
    head, row = ([str(cell.value or "") for cell in line] for line in sheet.iter_rows())
    told = dict(zip(head, row, strict=True))
    assert (told["编号"], told["责任人"], told["复查结论"], told["销号人"]) == (
        number,
        "维修人员",
        "合格",
        "安稳办主任",
    )
    assert (told["检查日期"], told["整改后照片"], told["等级（一般/重大）"]) == ("2020-03-02", "1 张", "一般隐患")


def reported_and_assigned(client: httpx.Client, school: School) -> str:
    report = {"title": "插座面板松动", "place": "实训楼 A-101", "category": "ELEC.use", "source": "staff"}
    answer = client.post("/api/v1/hazards", json=report, headers=school.headers("teacher", Idempotency_Key="phone-1"))
    assert answer.status_code == 201, answer.text
    number = str(answer.json()["number"])
    loop = client.get("/api/v1/workflows/hazard", headers=school.headers("safety_staff")).json()
    assert "Assign" in loop["forms"]
    given = {
        "category": "ELEC.use", "criteria": criteria(), "department": "HQC", "assignee": "repairer",
        "time_limit": "days3", "requirement": "更换面板", "interim": "断电并贴封条",
    }  # fmt: skip
    answer = client.post(
        f"/api/v1/hazards/{number}/assign", json=given, headers=school.headers("safety_staff", If_Match='"1"')
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["facts"]["notice_number"] == "TZ-2020-0001"
    waiting = client.get("/api/v1/worklist", headers=school.headers("repairer")).json()["items"]
    assert [case["number"] for case in waiting] == [number]
    return number


def criteria() -> dict[str, bool]:
    """Every criterion answered no: a general hazard."""
    return {criterion.code: False for criterion in criteria_for("ELEC.use")}


def fixed_and_closed(client: httpx.Client, school: School, number: str) -> None:
    headers = school.headers("repairer", Content_Type="image/jpeg")
    photo = client.post("/api/v1/files", content=a_photo(), headers=headers).json()["sha256"]
    for person, step, body, state in [
        ("repairer", "acknowledge", {}, "assigned"),
        ("repairer", "fix", {"measure": "已更换面板并通电测试", "photos_after": [photo]}, "fixed"),
        ("safety_staff", "verify", {"finding": "现场完好"}, "verified"),
        ("safety_head", "approve", {"opinion": "同意销号"}, "closed"),
    ]:
        answer = client.post(f"/api/v1/hazards/{number}/{step}", json=body, headers=school.headers(person))
        assert (answer.status_code, answer.json().get("state")) == (200, state), answer.text
    wrong = client.post(f"/api/v1/hazards/{number}/fix", json={"measure": "又修"}, headers=school.headers("repairer"))
    assert (wrong.status_code, wrong.json()["code"]) == (409, "not_possible_now")
