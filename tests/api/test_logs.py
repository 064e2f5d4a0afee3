import json

import httpx
import pytest

from api import logs
from tests.builders import School


def test_a_log_line_names_the_case_and_its_event_and_nothing_that_was_typed(
    client: httpx.Client, school: School, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")
    report = {"title": "张三的插座", "place": "三楼值班室"}
    client.post("/api/v1/repairs?secret=query", json=report, headers=school.headers("teacher"))
    client.post("/api/v1/repairs", json={"title": report["title"]}, headers=school.headers("teacher2"))
    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    [done] = [line for line in lines if line["message"] == "carried_out"]
    assert (done["case"], done["event"], done["trigger"]) == ("WX-2020-0001", 1, "open")
    [refused] = [line for line in lines if line["message"] == "refused"]
    assert refused["code"] == "invalid_input"
    for secret in (report["title"], report["place"], school.token("teacher"), "secret"):
        assert secret not in said
