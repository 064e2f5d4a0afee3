"""A school words its messages itself: checked, previewed, noted, used at the moment of sending, and taken back."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from api.bootstrap import Runtime
from api.cli import main
from engine.actor import Grant
from engine.events import LOGBOOK
from engine.store import history, people
from engine.store.database import table_of
from notifications import texts as kept
from notifications.deliveries import inbox_of
from notifications.tables import MessageTextRow
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind
from workflows import CATALOG
from workflows.reference import criteria_for

OWN = """【示范学校】{number} {title}[，{left}]
[{name}|老师]，辛苦了：
“{title}”（{number}）转给您了。
地点：[{place}|未填]，期限：[{due}|未定]
请您：{to_do}
打开：{link}"""
OF_HAZARDS = OWN.replace("转给您了", "这处隐患请您处理")


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    with closing(a_runtime(tmp_path / "data", kind, catalog=CATALOG)) as made:
        yield made


@pytest.fixture
def school(runtime: Runtime) -> School:
    """The principal is administrator too."""
    school = a_school(runtime.database)
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
    return school


def asked(
    client: httpx.Client, school: School, method: str, path: str = "", body: dict[str, Any] | None = None,
    *, person: str = "principal",
) -> httpx.Response:  # fmt: skip
    headers = school.headers(person, Accept_Language="en")
    return client.request(method, f"/api/v1/messages{path}", json=body, headers=headers)


def noted(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", LOGBOOK)
    return [dict(event.data) for event in events if event.trigger == "text_changed"]


def report(client: httpx.Client, school: School) -> str:
    said = {"title": "插座面板松动", "place": "实训楼 A-101", "category": "ELEC.use"}
    return str(client.post("/api/v1/hazards", json=said, headers=school.headers("teacher")).json()["number"])


# --- kept ----------------------------------------------------------------------------------------------------------------


def test_a_text_is_kept_used_shown_and_taken_back_and_each_is_noted(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    before = asked(client, school, "GET", "/waiting/zh").json()
    assert (before["own"], before["text"]) == (False, before["standard"])
    answer = asked(client, school, "PUT", "/waiting/zh", {"text": OWN.replace("\n", "\r\n") + "\n\n"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["own"], answer.json()["text"], answer.json()["standard"]) == (True, OWN, before["text"])
    assert asked(client, school, "PUT", "/waiting/zh", {"text": OWN}).status_code == 200
    assert asked(client, school, "PUT", "/waiting/zh?workflow=hazard", {"text": OF_HAZARDS}).status_code == 200
    own = [(t["name"], t["workflow"], t["locale"]) for t in asked(client, school, "GET").json()["items"] if t["own"]]
    assert own == [("waiting", "", "zh"), ("waiting", "hazard", "zh")]
    assert asked(client, school, "DELETE", "/waiting/zh?workflow=hazard").json()["own"] is False
    assert asked(client, school, "DELETE", "/waiting/zh?workflow=hazard").status_code == 404
    place = {"name": "waiting", "locale": "zh"}
    assert noted(runtime) == [
        {"what": "set", "workflow": "", **place},
        {"what": "set", "workflow": "hazard", **place},
        {"what": "reset", "workflow": "hazard", **place},
    ], "what changes nothing is not noted"


@pytest.mark.parametrize(
    "workflow, said",
    [(None, "现在请您办理"), ("", "转给您了"), ("hazard", "这处隐患请您处理"), ("drill", "现在请您办理")],
)
def test_the_most_special_text_is_used_at_the_moment_of_sending(
    client: httpx.Client, runtime: Runtime, school: School, workflow: str | None, said: str
) -> None:
    number = report(client, school)
    answer = client.post(
        f"/api/v1/hazards/{number}/assign", headers=school.headers("safety_staff"),
        json={
            "category": "ELEC.use", "criteria": criteria(), "department": "HQC", "assignee": "repairer",
            "time_limit": "days3", "requirement": "更换面板", "interim": "断电",
        },
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    if workflow is not None:  # after the notice was written
        if workflow == "hazard":
            asked(client, school, "PUT", "/waiting/zh", {"text": OWN})
        text = OF_HAZARDS if workflow == "hazard" else OWN
        assert asked(client, school, "PUT", f"/waiting/zh?workflow={workflow}", {"text": text}).status_code == 200
    runtime.deliver()
    with runtime.database.read("school") as connection:
        [direct] = [m for m in inbox_of(connection, "school", "repairer") if m.how == "direct"]
    assert said in direct.body


def criteria() -> dict[str, bool]:
    return {criterion.code: False for criterion in criteria_for("ELEC.use")}


def test_one_that_a_newer_program_cannot_read_is_passed_over_and_shown_with_its_fault(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    old = {
        "organisation": "school", "workflow": "", "name": "waiting", "locale": "zh", "text": "{forgotten}\n{link}",
        "changed_at": START,
    }  # fmt: skip
    with runtime.database.write("school") as connection:
        connection.execute(insert(table_of(MessageTextRow)), old)
        assert kept.in_use(connection, "school") == {}
    shown = asked(client, school, "GET", "/waiting/zh").json()
    assert shown["own"] is True and "no fact is called 'forgotten'" in shown["faults"][0]


# --- refused -------------------------------------------------------------------------------------------------------------


def test_a_text_with_faults_is_refused_with_a_sentence_for_each_and_nothing_changes(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    answer = asked(client, school, "PUT", "/waiting/zh", {"text": "待办\n请办理 {titel}\n{"})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["fields"]] == ["text", "text"]
    assert "line 2: no fact is called 'titel'" in answer.text and "line 3: a brace has no partner" in answer.text
    assert asked(client, school, "GET", "/waiting/zh").json()["own"] is False and noted(runtime) == []


@pytest.mark.parametrize(
    "path, why",
    [
        ("/nothing/zh", "there is no such text"),
        ("/waiting/fr", "the languages are zh and en"),
        ("/waiting/zh?workflow=nothing", "there is no such workflow"),
        ("/digest/zh?workflow=hazard", "speaks of many workflows"),
    ],
)
def test_what_no_message_is_made_with_is_not_there(client: httpx.Client, school: School, path: str, why: str) -> None:
    for method, body in (("GET", None), ("PUT", {"text": OWN}), ("DELETE", None)):
        answer = asked(client, school, method, path, body)
        assert answer.status_code == 404 and why in answer.text, (method, answer.text)


def test_only_an_administrator_changes_texts_and_auditors_read_them(client: httpx.Client, school: School) -> None:
    for person, reads in (("auditor", 200), ("safety_head", 403), ("teacher", 403)):
        assert asked(client, school, "GET", person=person).status_code == reads
        assert asked(client, school, "GET", "/waiting/zh", person=person).status_code == reads
        assert asked(client, school, "POST", "/waiting/zh/preview", {}, person=person).status_code == reads
        assert asked(client, school, "PUT", "/waiting/zh", {"text": OWN}, person=person).status_code == 403
        assert asked(client, school, "DELETE", "/waiting/zh", person=person).status_code == 403


def test_a_school_s_words_are_its_own(client: httpx.Client, runtime: Runtime, school: School) -> None:
    asked(client, school, "PUT", "/waiting/zh", {"text": OWN})
    a_school(runtime.database, "south")
    with runtime.database.read("south") as connection:
        assert kept.every(connection, "south") == []


# --- previewed -----------------------------------------------------------------------------------------------------------


def test_a_preview_shows_the_text_in_made_up_messages_and_keeps_nothing(client: httpx.Client, school: School) -> None:
    items = asked(client, school, "POST", "/waiting/zh/preview?workflow=hazard", {"text": OF_HAZARDS}).json()["items"]
    assert {item["of"] for item in items} >= {"zh/waiting.hazard.assigned.txt", "zh/waiting.hazard.assigned+.txt"}
    assert all("这处隐患请您处理" in item["body"] for item in items)
    assert asked(client, school, "GET", "/waiting/zh?workflow=hazard").json()["own"] is False
    in_use = asked(client, school, "POST", "/digest_line/en/preview", {}).json()["items"]
    assert [item["of"] for item in in_use] == ["en/digest.txt", "en/digest.+.txt"]
    assert asked(client, school, "POST", "/waiting/zh/preview", {"text": "待办"}).status_code == 422


def test_a_preview_of_a_case_is_for_who_may_see_it(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = report(client, school)
    [item] = asked(client, school, "POST", "/waiting/zh/preview", {"text": OWN, "case": number}).json()["items"]
    assert item["of"] == number and "校长，辛苦了" in item["body"] and "地点：实训楼 A-101" in item["body"]
    assert f"http://127.0.0.1:8000/cases/{number}" in item["body"]
    assert asked(client, school, "POST", "/digest/zh/preview", {"case": number}).status_code == 422
    assert asked(client, school, "POST", "/waiting/zh/preview", {"case": "YH-2020-9999"}).status_code == 404
    with runtime.database.write_across() as connection:
        people.give(
            connection, "school", "driver", Grant("administrator")
        )  # keeps the accounts, and sees no case by that
    answer = asked(client, school, "POST", "/waiting/zh/preview", {"case": number}, person="driver")
    assert answer.status_code == 404, answer.text


# --- the command ---------------------------------------------------------------------------------------------------------


def bihuan(*arguments: str | Path, said: str | None = None) -> Result:
    given = None if said is None else io.BytesIO(said.encode())
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=given)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with closing(a_runtime(tmp_path / "data", "sqlite", catalog=CATALOG)) as runtime:
        a_school(runtime.database)
    return tmp_path / "data"


def test_the_command_lists_shows_sets_previews_and_resets(data: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(OWN, encoding="utf-8")
    assert "每日汇总 · Digest of the day" in bihuan("message", "list", "--data", data).stdout
    shown = bihuan("message", "show", "waiting", "--data", data)
    assert shown.stdout.startswith("[【{major}】]待办") and "{acknowledge}" in shown.stderr
    preview = bihuan("message", "preview", "waiting", "--file", tmp_path / "own.txt", "--data", data)
    assert "辛苦了" in preview.stdout and preview.exit_code == 0
    done = bihuan("message", "set", "waiting", tmp_path / "own.txt", "--workflow", "drill", "--data", data)
    assert done.stdout == "已保存 · kept: waiting drill zh\n"
    [own] = json.loads(bihuan("message", "list", "--own", "--json", "--data", data).stdout)
    assert (own["workflow"], own["text"]) == ("drill", OWN)
    refused = bihuan("message", "set", "waiting", "-", "--data", data, said="待办\n请办理")
    assert refused.exit_code == 1 and "缺少 {link}" in refused.stderr and "{link} is missing" in refused.stderr
    assert bihuan("message", "reset", "waiting", "--workflow", "drill", "--data", data).exit_code == 0
    assert bihuan("message", "list", "--own", "--data", data).stdout == "没有 · none\n"


def test_one_command_renders_every_message_to_files(tmp_path: Path, data: Path) -> None:
    done = bihuan("message", "render", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    index = (tmp_path / "out" / "index.txt").read_text(encoding="utf-8").splitlines()[1:]
    named = [line.split()[1] for line in index]
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.txt"))
    assert sorted([*named, "index.txt"]) == written and len(written) > 300
    assert max(int(line.split()[0]) for line in index) <= 14
    one = (tmp_path / "out" / "zh" / "usual" / "waiting.hazard.assigned.txt").read_text(encoding="utf-8")
    assert one.startswith("待办：YH-2020-0012 插座面板破损，还有 3 天\n\n王老师，您好：\n")
    assert bihuan("message", "set", "waiting", "-", "--data", data, said=OWN).exit_code == 0
    bihuan("message", "render", "-o", tmp_path / "own", "--data", data)
    assert "辛苦了" in (tmp_path / "own" / "zh" / "usual" / "waiting.hazard.assigned.txt").read_text(encoding="utf-8")
