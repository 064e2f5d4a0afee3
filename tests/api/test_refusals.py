"""Wrong steps answer in the reader's language, leave the case as it was, and are in the refusal log."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.bootstrap import Runtime
from engine.actor import Grant
from engine.store import cases, history, people, refusals
from tests.builders import School


@dataclass(frozen=True)
class Wrong:
    """A step that is refused, taken on a repair that waits to be fixed."""

    person: str | None
    status: int
    code: str
    step: str = "fix"
    body: Any = field(default_factory=lambda: {"done": "换了插座"})
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    logged: bool = True


WRONG = {
    "nobody is signed in": Wrong(None, 401, "not_signed_in", logged=False),
    "somebody who may see it, but is not its assignee": Wrong("repairer2", 403, "not_allowed", reason="role"),
    "an overseer who is not its assignee": Wrong("auditor", 403, "not_allowed", reason="role"),
    "somebody who may not see it": Wrong("driver", 404, "unknown_case"),
    "a step of another state": Wrong("safety_head", 409, "not_possible_now", "close", {}),
    "an older revision": Wrong("repairer", 412, "stale_case", headers={"If-Match": '"1"'}),
    "a field left out": Wrong("repairer", 422, "invalid_input", body={}),
    "a field too many": Wrong("repairer", 422, "invalid_input", body={"done": "换了", "state": "closed"}),
    "what a validator says": Wrong("repairer", 422, "invalid_input", body={"done": "ok"}),
    "a file nobody uploaded": Wrong("repairer", 422, "invalid_input", body={"done": "换了", "photo": "a" * 64}),
    "a step there is not": Wrong("repairer", 422, "invalid_input", "explode", {}),
    "a key that is no key": Wrong("repairer", 422, "invalid_input", headers={"Idempotency-Key": "two words"}),
    "a key too long": Wrong("repairer", 422, "invalid_input", headers={"Idempotency-Key": "k" * 129}),
    "a revision that is none": Wrong("repairer", 422, "invalid_input", headers={"If-Match": "7"}),
    "a body that is a list": Wrong("repairer", 422, "invalid_input", body=["done"]),
    "a claim without its offset": Wrong(
        "repairer", 422, "invalid_input", body={"done": "换了", "found_at": "2020-03-02T08:00:00"}
    ),
}


@pytest.fixture
def number(client: httpx.Client, school: School) -> str:
    """A repair that waits for the repairer."""
    opened = client.post(
        "/api/v1/repairs", json={"title": "插座松动", "place": "A-101"}, headers=school.headers("teacher")
    )
    given = client.post(
        f"/api/v1/repairs/{opened.json()['number']}/assign",
        json={"assignee": "repairer"},
        headers=school.headers("safety_staff"),
    )
    assert given.status_code == 200, given.text
    return str(given.json()["number"])


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_step_is_refused_in_words_and_changes_nothing(
    wrong: Wrong, locale: str, client: httpx.Client, runtime: Runtime, school: School, number: str
) -> None:
    with runtime.database.read_across() as connection:
        before = cases.load(connection, "school", number)
        logged_before = refusals.count(connection, "school")
    headers = {"Accept-Language": locale, **wrong.headers}
    if wrong.person is not None:
        headers |= school.headers(wrong.person)
    answer = client.post(f"/api/v1/repairs/{number}/{wrong.step}", json=wrong.body, headers=headers)

    assert answer.status_code == wrong.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == locale
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (wrong.status, wrong.code)
    assert problem["type"] == f"urn:bihuan:problem:{wrong.code}"
    assert problem["instance"] == f"/api/v1/repairs/{number}/{wrong.step}"
    for part in ("title", "asked", "obstacle", "remedy"):
        assert problem[part]
        assert problem[part] in (problem["detail"] if part != "title" else problem["title"])
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in problem["detail"])
    assert chinese == (locale == "zh"), problem["detail"]

    with runtime.database.read_across() as connection:
        assert cases.load(connection, "school", number) == before
        logged = refusals.latest(connection, "school", 1)
        count = refusals.count(connection, "school") - logged_before
    assert count == (1 if wrong.logged else 0)
    if wrong.logged:
        assert (logged[0].principal, logged[0].code) == (f"person:{wrong.person}", wrong.code)
        assert (logged[0].number, logged[0].asked) == (number, wrong.step)
        assert logged[0].reason == wrong.reason
    if wrong.code == "stale_case":
        assert problem["revision"] == 2


def test_a_condition_that_does_not_hold_is_a_409_that_names_it(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    opened = client.post("/api/v1/repairs", json={"title": "漏电", "place": "B-2"}, headers=school.headers("teacher"))
    path = f"/api/v1/repairs/{opened.json()['number']}"
    client.post(f"{path}/assign", json={"assignee": "repairer", "urgency": 3}, headers=school.headers("safety_staff"))
    client.post(f"{path}/fix", json={"done": "换线"}, headers=school.headers("repairer"))
    answer = client.post(f"{path}/return", json={"why": "再看看"}, headers=school.headers("safety_staff"))
    assert (answer.status_code, answer.json()["guard"]) == (409, "test_not_too_urgent")
    with runtime.database.read_across() as connection:
        assert refusals.latest(connection, "school", 1)[0].reason == "test_not_too_urgent"


def test_who_fixed_it_may_not_verify_it(client: httpx.Client, runtime: Runtime, school: School, number: str) -> None:
    path = f"/api/v1/repairs/{number}"
    client.post(f"{path}/fix", json={"done": "换了"}, headers=school.headers("repairer"))
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "repairer", Grant("safety_staff"))
    answer = client.post(f"{path}/verify", headers=school.headers("repairer"))
    assert (answer.status_code, answer.json()["reason"]) == (403, "separation")


NO_NUMBER = b'["2020-01-01T00:00:00+00:00", "x"]'
HALF_A_CHARACTER = b'["2020-01-01T00:00:00+00:00", "\\ud800"]'


def cursor(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).decode()


#: method, address, body, status, code: refused before any case is in play
ELSEWHERE = [
    ("GET", "/api/v1/nothing", None, 404, "unknown_address"),
    ("GET", "/api/v1/repairs/WX-2020-9999", None, 404, "unknown_case"),
    ("GET", "/api/v1/repairs/WX-2020-9999/events", None, 404, "unknown_case"),
    ("GET", "/api/v1/workflows/nothing", None, 404, "unknown_address"),
    ("GET", "/api/v1/files/" + "0" * 64, None, 404, "unknown_address"),
    ("POST", "/api/v1/repairs/YH-2020-0001/fix", b"{}", 404, "unknown_case"),
    ("POST", "/api/v1/repairs/" + "W" * 300 + "/fix", b"{}", 404, "unknown_case"),
    ("DELETE", "/api/v1/cases", None, 405, "method_not_allowed"),
    ("POST", "/api/v1/repairs", b"{", 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b'{"title": NaN}', 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b'{"title": "\\ud800", "place": "A"}', 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b"[" * 100_000, 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b" " * 1_000_001, 413, "too_large"),
    ("GET", "/api/v1/cases?limit=0", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=yesterday", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=2020-03-02T08:00:00", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?cursor=%00", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?cursor=abc", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=0001-01-01T00:00:00%2B14:00", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?opened_after=9999-12-31T23:59:59-14:00", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=2020", None, 422, "invalid_input"),
    ("GET", f"/api/v1/cases?cursor={cursor(b'[' * 20_000)}", None, 422, "invalid_input"),
    ("GET", f"/api/v1/cases?cursor={cursor(HALF_A_CHARACTER)}", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?overdu=true", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?state=nowhere", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?counts_as=open", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?workflow=hazards", None, 422, "invalid_input"),
    ("GET", "/api/v1/repairs?workflow=repair", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?level=huge", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=1583107200", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?due_before=2020-W10-1T08:00:00Z", None, 422, "invalid_input"),
    ("GET", "/api/v1/cases?q=a%00b", None, 422, "invalid_input"),
    ("GET", f"/api/v1/cases?cursor={cursor(NO_NUMBER)}", None, 422, "invalid_input"),
    ("GET", "/api/v1/worklist?page=2", None, 422, "invalid_input"),
    ("GET", "/api/v1/people/me/inbox?cursor=nothing", None, 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b'{"title": "x", "place": "A", "place": "B"}', 422, "invalid_input"),
    ("GET", "/api/v1/repairs/a%2Fb", None, 404, "unknown_address"),
    ("GET", "/api/v1/repairs/WX-2020-0001%2Ffix", None, 404, "unknown_address"),
    ("GET", "/api/v1/repairs/WX-2020-0001/fix", None, 405, "method_not_allowed"),
    ("POST", "/api/v1/people/me/inbox/read", b'{"ids": [5]}', 422, "invalid_input"),
    ("POST", "/api/v1/people/me/inbox/read", b'{"zz": 1}', 422, "invalid_input"),
    ("POST", "/api/v1/people/me/inbox/read", b'{"ids": 5}', 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b'{"title": "A\\u202e", "place": "A"}', 422, "invalid_input"),
    ("POST", "/api/v1/repairs", b'{"title": "\\u200b", "place": "A"}', 422, "invalid_input"),
]


@pytest.mark.parametrize(
    "method, path, body, status, code", ELSEWHERE, ids=[f"{r[0]} {r[1][:40]} {i}" for i, r in enumerate(ELSEWHERE)]
)
def test_what_cannot_be_asked_at_all_is_a_problem_too_and_is_logged(
    method: str,
    path: str,
    body: bytes | None,
    status: int,
    code: str,
    client: httpx.Client,
    runtime: Runtime,
    school: School,
) -> None:
    headers = school.headers("safety_staff", Content_Type="application/json", Accept_Language="en")
    answer = client.request(method, path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    with runtime.database.read_across() as connection:
        [logged] = refusals.latest(connection, "school", 10)
    assert (logged.principal, logged.code) == ("person:safety_staff", code)
    assert len(logged.route) <= 160


def test_a_form_sent_as_something_else_than_json_is_a_415(client: httpx.Client, school: School) -> None:
    headers = school.headers("teacher", Content_Type="application/x-www-form-urlencoded")
    answer = client.post("/api/v1/repairs", content=b"title=x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_type")


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer "}]
)
def test_strangers_are_told_how_to_sign_in_and_only_counted(
    header: dict[str, str], client: httpx.Client, runtime: Runtime, school: School
) -> None:
    answer = client.get("/api/v1/cases", headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    with runtime.database.read_across() as connection:
        assert refusals.count(connection, "school") == 0
    assert sum(runtime.strangers.counted().values()) == 1


def test_a_defect_answers_500_without_saying_what_broke(
    client: httpx.Client, runtime: Runtime, school: School, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "插座后面的秘密"
    with runtime.database.write_across() as connection:  # a calendar that cannot be read: nothing a person asked for
        connection.execute(text("UPDATE calendar SET body = '{}'"))
    answer = client.post("/api/v1/repairs", json={"title": secret, "place": "A"}, headers=school.headers("teacher"))
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "Error" not in answer.text and secret not in answer.text
    with runtime.database.read_across() as connection:
        assert history.latest_instant(connection) is None
