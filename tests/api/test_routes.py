"""A case's way over HTTP: opened, read, listed, acted upon; and what each answer carries."""

import io
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from PIL import Image

from api.bootstrap import Runtime
from api.schemas import event_answer
from engine.actor import system
from engine.clock import SimulatedClock
from engine.commands import Asked, Recompute
from engine.errors import Text
from engine.events import Event, EventType
from engine.handle import Done, handle_one
from engine.store import calendars
from engine.store.refusals import count
from engine.tick import tick
from tests.builders import REPAIR as REPAIR_LOOP
from tests.builders import START, School, a_calendar, a_school

REPAIR = {"title": "插座松动", "place": "实训楼 A-101"}


def opened(client: httpx.Client, school: School, person: str = "teacher", **changed: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/repairs", json={**REPAIR, **changed}, headers=school.headers(person))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def stepped(client: httpx.Client, school: School, number: str, person: str, step: str, **data: Any) -> dict[str, Any]:
    answer = client.post(f"/api/v1/repairs/{number}/{step}", json=data, headers=school.headers(person))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_repair_goes_from_reported_to_closed(client: httpx.Client, school: School) -> None:
    case = opened(client, school)
    number = case["number"]
    assert (number, case["state"], case["revision"]) == ("WX-2020-0001", "reported", 1)
    assert [step["trigger"] for step in case["steps"]] == ["assign"]
    for person, step, data, state in [
        ("safety_staff", "assign", {"assignee": "repairer"}, "assigned"),
        ("repairer", "fix", {"done": "换了插座"}, "fixed"),
        ("safety_staff", "return", {"why": "面板未装"}, "assigned"),
        ("repairer", "fix", {"done": "装好面板"}, "fixed"),
        ("safety_staff", "verify", {}, "verified"),
        ("safety_head", "close", {}, "closed"),
    ]:
        case = stepped(client, school, number, person, step, **data)
        assert case["state"] == state
        assert case["event"]["actor"] == f"person:{person}"
    assert (case["final"], case["counters"], case["revision"]) == (True, {"returned": 1}, 7)
    events = client.get(f"/api/v1/repairs/{number}/events", headers=school.headers("teacher")).json()["items"]
    assert [event["trigger"] for event in events] == ["open", "assign", "fix", "return", "fix", "verify", "close"]
    assert [event["sequence"] for event in events] == list(range(1, 8))


def test_opening_says_where_the_case_is_and_at_which_revision(client: httpx.Client, school: School) -> None:
    answer = client.post("/api/v1/repairs", json=REPAIR, headers=school.headers("teacher"))
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/repairs/WX-2020-0001"
    assert answer.headers["etag"] == '"1"'
    read = client.get(answer.headers["location"], headers=school.headers("teacher"))
    assert (read.status_code, read.headers["etag"]) == (200, '"1"')
    assert read.json()["opened_at"] == "2020-03-02T01:00:00Z"


@pytest.mark.parametrize(
    "accepted, title",
    [
        ("en", "Reported"), ("zh-CN,zh;q=0.9,en;q=0.8", "已上报"), ("en-GB,en;q=0.9,zh;q=0.1", "Reported"), ("fr", "已上报"),
        ("*", "已上报"), ("zh;q=0,en;q=0.1", "Reported"), ("nonsense;q=x", "已上报"),
    ],
)  # fmt: skip
def test_the_reader_s_language_decides_the_words(
    accepted: str, title: str, client: httpx.Client, school: School
) -> None:
    headers = school.headers("teacher", Accept_Language=accepted)
    assert client.post("/api/v1/repairs", json=REPAIR, headers=headers).json()["state_title"] == title


def test_the_same_key_gets_the_same_bytes_and_another_body_is_refused(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    headers = school.headers("teacher", Idempotency_Key="phone-1")
    first = client.post("/api/v1/repairs", json=REPAIR, headers=headers)
    stepped(client, school, first.json()["number"], "safety_staff", "assign", assignee="repairer")
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=20))  # by now it is overdue, and the answer still tells how it was
    again = client.post("/api/v1/repairs", json=REPAIR, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    other = client.post("/api/v1/repairs", json={**REPAIR, "place": "B"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_another_person_s_use_of_a_key_is_a_request_of_its_own(client: httpx.Client, school: School) -> None:
    numbers = {
        client.post("/api/v1/repairs", json=REPAIR, headers=school.headers(person, Idempotency_Key="same")).json()[
            "number"
        ]
        for person in ("teacher", "teacher2")
    }
    assert len(numbers) == 2


def test_a_claim_of_when_it_was_found_is_kept_as_a_claim(client: httpx.Client, school: School) -> None:
    case = opened(client, school, found_at="2020-03-01T08:00:00+08:00")
    assert case["event"]["found_at"] == "2020-03-01T00:00:00Z"
    assert case["event"]["recorded_at"] == "2020-03-02T01:00:00Z"
    assert "found_at" not in case["facts"]
    assert opened(client, school, found_at="2019-03-01T08:00:00+08:00")["facts"]["found_at_flagged"] is True


@pytest.mark.parametrize("expected, status", [('"2"', 200), ("*", 200), ('"1"', 412), ('"3"', 412)])
def test_a_step_looks_at_the_revision_its_asker_saw(
    expected: str, status: int, client: httpx.Client, school: School
) -> None:
    number = opened(client, school)["number"]
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    answer = client.post(
        f"/api/v1/repairs/{number}/fix", json={"done": "换"}, headers=school.headers("repairer", If_Match=expected)
    )
    assert answer.status_code == status


# --- lists ---------------------------------------------------------------------------------------------------------------


def test_lists_are_filtered(client: httpx.Client, runtime: Runtime, school: School) -> None:
    opened(client, school, title="插座松动", place="A")
    opened(client, school, title="灯管闪烁", place="B", department="BWC", category="FIRE")
    number = opened(client, school, title="插座烧焦", place="C", category="ELEC.cable")["number"]
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    for query, found in [
        ({}, 3), ({"workflow": "repair"}, 3), ({"state": "closed"}, 0), ({"state": "reported"}, 2),
        ({"counts_as": "assigned"}, 1), ({"category": "ELEC"}, 2), ({"category": "ELEC.cable"}, 1),
        ({"department": "BWC"}, 1), ({"assignee": "repairer"}, 1), ({"q": "插座"}, 2), ({"q": "插座 烧焦"}, 1),
        ({"overdue": "true"}, 0), ({"overdue": "false"}, 3), ({"due_before": "2020-03-03T12:00:00Z"}, 2),
        ({"opened_after": "2020-03-02T00:59:59Z"}, 3), ({"opened_after": "2020-03-02T01:00:00Z"}, 0), ({"level": "major"}, 0),
    ]:  # fmt: skip
        answer = client.get("/api/v1/cases", params=query, headers=school.headers("auditor"))
        assert len(answer.json()["items"]) == found, query
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=2))
    late = client.get("/api/v1/repairs?overdue=true", headers=school.headers("auditor", Accept_Language="en")).json()
    assert [case["overdue"] for case in late["items"]] == [True, True]
    assert "overdue" in late["items"][0]["due_in_words"]


def test_pages_follow_one_another_and_miss_nothing(client: httpx.Client, school: School) -> None:
    numbers = [opened(client, school)["number"] for _ in range(7)]
    seen: list[str] = []
    address = "/api/v1/repairs?limit=3&state=reported"
    while address:
        answer = client.get(address, headers=school.headers("auditor"))
        seen += [case["number"] for case in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url", "")
        if len(seen) == 3:
            opened(client, school)  # what is opened meanwhile belongs on a page already seen
            assert "state=reported" in address
    assert seen == numbers[::-1]


def test_the_worklist_shows_whose_move_it_is(client: httpx.Client, school: School) -> None:
    number = opened(client, school)["number"]

    def waiting(person: str) -> list[str]:
        answer = client.get("/api/v1/worklist", headers=school.headers(person))
        return [case["number"] for case in answer.json()["items"]]

    assert waiting("safety_staff") == [number] and waiting("repairer") == []
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    assert waiting("safety_staff") == [] and waiting("repairer") == [number] and waiting("repairer2") == []


def test_the_worklist_is_paged_and_keeps_nothing_back(
    client: httpx.Client, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.worklist.AT_A_TIME", 2)  # also what is fetched piece by piece arrives whole
    numbers = [opened(client, school, title=f"{n}")["number"] for n in range(5)]
    assert client.get("/api/v1/worklist", headers=school.headers("safety_staff")).json()["next"] is None
    address: str | None = "/api/v1/worklist?limit=2"
    seen, pages = [], 0
    while address is not None:
        answer = client.get(address, headers=school.headers("safety_staff"))
        seen += [case["number"] for case in answer.json()["items"]]
        pages += 1
        address = answer.links["next"]["url"] if "next" in answer.links else None
        assert (address is None) == (answer.json()["next"] is None)
    assert (seen, pages) == (numbers, 3), "worst deadline first, and of one deadline by number"


@pytest.mark.parametrize("path", ["cases", "repairs", "worklist"])
@pytest.mark.parametrize("cursor", ["nonsense", "W10", "WzEsIDJd", "ey", "é"])
def test_a_cursor_nobody_gave_out_is_refused(client: httpx.Client, school: School, path: str, cursor: str) -> None:
    answer = client.get(f"/api/v1/{path}", params={"cursor": cursor}, headers=school.headers("safety_staff"))
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    "language, titles",
    [
        ("zh", ["登记", "交办", "到期提醒", "期限重算", "整改"]),
        ("en", ["Opened", "Assign", "Reminded", "Deadline recomputed", "Fix"]),
    ],
)
def test_every_event_has_a_title_in_the_readers_language(
    client: httpx.Client, runtime: Runtime, school: School, language: str, titles: list[str]
) -> None:
    number = opened(client, school)["number"]
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=2))
    assert tick(runtime.engine).reminded == 1
    with runtime.database.write_across() as connection:
        calendars.add(connection, "school", a_calendar().revised(add_days_off=[date(2020, 3, 5)]), runtime.clock.now())
    assert isinstance(handle_one(runtime.engine, Asked(system("school"), Recompute(number))), Done)
    stepped(client, school, number, "repairer", "fix", done="换了")
    headers = school.headers("teacher", Accept_Language=language)
    events = client.get(f"/api/v1/repairs/{number}/events", headers=headers).json()["items"]
    assert [event["title"] for event in events] == titles


@pytest.mark.parametrize(
    "kind, trigger, zh, en",
    [
        ("linked", "absorbed", "关联", "Linked"),
        ("reminded", "fix", "到期提醒", "Reminded"),  # a rung called like a step
        ("signed", "verify", "复查", "Verify"),
        ("stepped", "gone", "其他步骤（gone）", "another step (gone)"),
    ],
)
def test_an_event_is_called_by_its_kind_and_a_step_by_its_own_title(
    kind: EventType, trigger: str, zh: str, en: str
) -> None:
    event = Event(
        organisation="school", case="WX-2020-0001", sequence=2, type=kind, trigger=trigger, from_state="fixed",
        to_state="fixed", recorded_at=START, actor="system", on_behalf_of=None, found_at=None, policy_version=0, calendar_version=1,
    )  # fmt: skip
    by = Text("系统", "the system")
    answers = event_answer(REPAIR_LOOP, event, "zh", by), event_answer(REPAIR_LOOP, event, "en", by)
    assert [(answer.title, answer.by) for answer in answers] == [(zh, by.zh), (en, by.en)]


def test_a_reminder_lies_on_the_desk_of_whoever_it_waits_for(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    number = opened(client, school)["number"]
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=4))
    assert tick(runtime.engine).reminded == 1
    runtime.deliver()
    desk = client.get("/api/v1/people/me/inbox?unread=true", headers=school.headers("repairer")).json()["items"]
    assert any(number in message["cases"] for message in desk)
    marked = client.post("/api/v1/people/me/inbox/read", json={}, headers=school.headers("repairer")).json()
    assert marked == {"marked": len(desk)}
    assert client.get("/api/v1/people/me/inbox?unread=true", headers=school.headers("repairer")).json()["items"] == []


def test_the_desk_is_paged_and_its_link_keeps_what_was_asked(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    for _ in range(3):
        number = opened(client, school)["number"]
        stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
        runtime.clock.advance(timedelta(days=4))
        tick(runtime.engine)
        runtime.deliver()
    headers = school.headers("repairer")
    everything = [m["id"] for m in client.get("/api/v1/people/me/inbox", headers=headers).json()["items"]]
    address, seen = "/api/v1/people/me/inbox?unread=true&limit=1", []
    while address:
        answer = client.get(address, headers=headers)
        seen += [message["id"] for message in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url", "")
        assert not address or ("unread=true" in address and "limit=1" in address)
    assert seen == everything and len(seen) > 2
    marked = client.post("/api/v1/people/me/inbox/read", json={"ids": seen[:1]}, headers=headers)
    assert marked.json() == {"marked": 1}


# --- what may be seen ------------------------------------------------------------------------------------------------------


def test_two_schools_never_see_each_other(client: httpx.Client, runtime: Runtime, school: School) -> None:
    other = a_school(runtime.database, "other-school", START)
    number = opened(client, school)["number"]
    picture = client.post(
        "/api/v1/files", content=_png(), headers=school.headers("teacher", Content_Type="image/png")
    ).json()["sha256"]
    for person in ("principal", "safety_staff", "teacher"):
        headers = other.headers(person)
        assert client.get(f"/api/v1/repairs/{number}", headers=headers).status_code == 404
        assert client.get(f"/api/v1/repairs/{number}/events", headers=headers).status_code == 404
        assert client.post(f"/api/v1/repairs/{number}/assign", json={}, headers=headers).status_code == 404
        assert client.get(f"/api/v1/files/{picture}", headers=headers).status_code == 404
        for path in ("cases", "repairs", "worklist"):
            assert client.get(f"/api/v1/{path}", headers=headers).json()["items"] == []
    assert opened(client, other)["number"] == number  # a series of its own
    assert client.get(f"/api/v1/repairs/{number}", headers=school.headers("principal")).status_code == 200
    with runtime.database.read_across() as connection:
        assert count(connection, "school") == 0  # refusals are filed where the asker belongs


def test_a_department_sees_its_own_and_a_reporter_sees_his(client: httpx.Client, school: School) -> None:
    number = opened(client, school, department="HQC")["number"]
    for person, status in [
        ("hqc_head", 200), ("teacher", 200), ("principal", 200), ("bwc_head", 404), ("teacher2", 404), ("driver", 404),
    ]:  # fmt: skip
        assert client.get(f"/api/v1/repairs/{number}", headers=school.headers(person)).status_code == status, person


# --- pictures --------------------------------------------------------------------------------------------------------------


def test_a_picture_is_named_by_its_hash_and_used_by_a_step(client: httpx.Client, school: School) -> None:
    headers = school.headers("repairer", Content_Type="image/jpeg")  # what it is called does not decide what it is
    sent = client.post("/api/v1/files", content=_png(), headers=headers)
    assert (sent.status_code, sent.json()["media_type"]) == (201, "image/png")
    picture = sent.json()["sha256"]
    assert client.post("/api/v1/files", content=_png(), headers=headers).json()["sha256"] == picture
    number = opened(client, school)["number"]
    assert client.get(sent.headers["location"], headers=school.headers("hqc_head")).status_code == 404
    stepped(client, school, number, "safety_staff", "assign", assignee="repairer")
    stepped(client, school, number, "repairer", "fix", done="换了", photo=picture)
    fetched = client.get(sent.headers["location"], headers=school.headers("hqc_head"))
    assert (fetched.status_code, fetched.content) == (200, _png())
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert client.get(sent.headers["location"], headers=school.headers("bwc_head")).status_code == 404


def test_one_picture_in_two_cases_is_seen_by_who_sees_either_and_by_all_who_sent_it(
    client: httpx.Client, school: School
) -> None:
    def sent(person: str) -> str:
        headers = school.headers(person, Content_Type="image/png")
        return str(client.post("/api/v1/files", content=_png(), headers=headers).headers["location"])

    location = sent("teacher")
    picture = location.rsplit("/", 1)[1]
    assert sent("teacher2") == location
    for person, department in (("teacher", "HQC"), ("teacher2", "BWC")):
        opened(client, school, person, department=department, photos=[picture])
    for person, status in [
        ("teacher", 200), ("teacher2", 200),  # sent it
        ("hqc_head", 200), ("bwc_head", 200),  # the first case only, the second only
        ("principal", 200), ("xb1_safety", 404), ("driver", 404),
    ]:  # fmt: skip
        assert client.get(location, headers=school.headers(person)).status_code == status, person


@pytest.mark.parametrize(
    "content, media_type, status",
    [
        (b"not a picture", "image/png", 422), (b"", "image/png", 422), (b"GIF89a" + bytes(20), "image/gif", 422),
        (b"<svg/>", "image/svg+xml", 422), (b"{}", "application/json", 415), (bytes(200_001), "image/png", 413),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_not_taken(
    content: bytes, media_type: str, status: int, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    runtime.settings = runtime.settings.model_copy(update={"max_upload_bytes": 200_000})
    answer = client.post("/api/v1/files", content=content, headers=school.headers("teacher", Content_Type=media_type))
    assert answer.status_code == status, answer.text
    assert list(runtime.folder.files.rglob("*")) == []


def test_an_upload_nobody_used_is_swept_after_a_week(client: httpx.Client, runtime: Runtime, school: School) -> None:
    headers = school.headers("teacher", Content_Type="image/png")
    where = client.post("/api/v1/files", content=_png(), headers=headers).headers["location"]
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=6))
    assert runtime.sweep()[0] == 0
    runtime.clock.advance(timedelta(days=2))
    assert runtime.sweep()[0] == 1
    assert client.get(where, headers=headers).status_code == 404
    assert [path for path in runtime.folder.files.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_an_upload_that_broke_off_is_no_evidence(form: str, part: float, client: httpx.Client, school: School) -> None:
    whole = io.BytesIO()
    Image.effect_noise((400, 300), 80).convert("RGB").save(whole, form)
    headers = school.headers("teacher", Content_Type=f"image/{form.lower()}")
    cut = whole.getvalue()[: int(len(whole.getvalue()) * part)]
    assert client.post("/api/v1/files", content=cut, headers=headers).status_code == 422
    assert client.post("/api/v1/files", content=whole.getvalue(), headers=headers).status_code == 201


def _png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "PNG")
    return content.getvalue()


# --- what describes itself -------------------------------------------------------------------------------------------------


def test_the_openapi_document_types_every_form_and_every_reference_in_it_leads_somewhere(
    client: httpx.Client, school: School
) -> None:
    document = client.get("/api/v1/openapi.json").json()
    body = document["paths"]["/api/v1/repairs/{number}/fix"]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/FixRepair"}
    form = document["components"]["schemas"]["FixRepair"]["properties"]
    assert (form["done"]["zh"], form["done"]["en"]) == ("整改情况", "What was done")
    assert form["found_at"]["format"] == "date-time"
    assert document["paths"]["/api/v1/repairs/{number}/verify"]["post"]["requestBody"]["required"] is False
    for reference in _references(document):
        where: Any = document
        for part in reference.removeprefix("#/").split("/"):
            where = where[part]


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    if not isinstance(value, dict):
        return []
    here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return here + [found for item in value.values() for found in _references(item)]


def test_a_loop_describes_itself(client: httpx.Client, school: School) -> None:
    loop = client.get("/api/v1/workflows/repair", headers=school.headers("teacher", Accept_Language="en")).json()
    assert [state["title"] for state in loop["states"]] == ["Reported", "Assigned", "Fixed", "Verified", "Closed"]
    assert loop["forms"]["AssignRepair"]["properties"]["assignee"]["title"] == "Who fixes it"
    assert loop["policy"]["fix_workdays"] == 3
    assert "stateDiagram-v2" in loop["diagram"]
    listed = client.get("/api/v1/workflows", headers=school.headers("teacher")).json()["items"]
    assert [line["plural"] for line in listed] == ["repairs"]


def test_a_simulated_folder_says_so_on_every_answer(client: httpx.Client, school: School) -> None:
    for path in ("/healthz", "/api/v1/cases", "/nothing"):
        assert client.get(path, headers=school.headers("teacher")).headers["bihuan-simulated"].startswith("2020-03-02")
    assert client.get("/readyz").json()["simulated"] == "2020-03-02T01:00:00Z"
