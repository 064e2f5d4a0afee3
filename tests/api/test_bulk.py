"""Many cases in one request: each is judged by itself, and what becomes of one is nothing to the others."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.bootstrap import Runtime
from engine.actor import Grant
from engine.store import cases, history, people, refusals
from tests.api.test_steps import opened
from tests.builders import School

BULK = "/api/v1/repairs/bulk"


def numbers(client: httpx.Client, school: School, upto: str, how_many: int) -> list[str]:
    return [opened(client, school, upto).rsplit("/", 1)[1] for _ in range(how_many)]


def asked(*found: str, **more: Any) -> dict[str, Any]:
    return {"items": [{"number": number} for number in found], **more}


def test_many_are_closed_at_once(client: httpx.Client, school: School) -> None:
    found = numbers(client, school, "verified", 5)
    answer = client.post(f"{BULK}/close", json=asked(*found), headers=school.headers("safety_head")).json()
    assert (answer["carried_out"], answer["refused"]) == (5, 0)
    assert [(item["number"], item["case"]["state"]) for item in answer["items"]] == [(n, "closed") for n in found]


def test_each_is_judged_by_itself(client: httpx.Client, runtime: Runtime, school: School) -> None:
    verified, assigned = numbers(client, school, "verified", 2), numbers(client, school, "assigned", 1)
    wanted = [verified[0], assigned[0], "WX-2020-9999", "YH-2020-0001", verified[1]]
    answer = client.post(f"{BULK}/close", json=asked(*wanted), headers=school.headers("safety_head")).json()
    assert (answer["carried_out"], answer["refused"]) == (2, 3)
    told = [item["problem"] and (item["problem"]["status"], item["problem"]["code"]) for item in answer["items"]]
    assert told == [None, (409, "not_possible_now"), (404, "unknown_case"), (404, "unknown_case"), None]
    assert answer["items"][1]["problem"]["instance"] == f"/api/v1/repairs/{assigned[0]}/close"
    with runtime.database.read_across() as connection:
        untouched = cases.load(connection, "school", assigned[0])
        logged = {(r.number, r.code) for r in refusals.latest(connection, "school")}
    assert untouched is not None
    assert untouched.state == "assigned"
    assert {(assigned[0], "not_possible_now"), ("WX-2020-9999", "unknown_case")} <= logged


def test_the_fixer_verifies_none_of_his_own_in_a_bulk(client: httpx.Client, runtime: Runtime, school: School) -> None:
    found = numbers(client, school, "fixed", 2)
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "repairer", Grant("safety_staff"))
    his = client.post(f"{BULK}/verify", json=asked(*found), headers=school.headers("repairer")).json()
    assert [item["problem"]["reason"] for item in his["items"]] == ["separation", "separation"]
    other = client.post(f"{BULK}/verify", json=asked(*found), headers=school.headers("safety_staff")).json()
    assert other["carried_out"] == 2


def test_a_case_that_moved_on_is_left_and_the_rest_is_done(client: httpx.Client, school: School) -> None:
    one, two = numbers(client, school, "verified", 2)
    items = [{"number": one, "revision": 1}, {"number": two, "revision": 4}]
    answer = client.post(f"{BULK}/close", json={"items": items}, headers=school.headers("safety_head")).json()
    assert answer["items"][0]["problem"]["code"] == "stale_case"
    assert answer["items"][0]["problem"]["revision"] == 4
    assert answer["items"][1]["case"]["state"] == "closed"


def test_a_form_is_read_for_each(client: httpx.Client, school: School) -> None:
    found = numbers(client, school, "fixed", 2)
    staff = school.headers("safety_staff")
    without = client.post(f"{BULK}/return", json=asked(*found), headers=staff).json()
    assert [item["problem"]["fields"][0]["field"] for item in without["items"]] == ["why", "why"]
    given = client.post(f"{BULK}/return", json=asked(*found, data={"why": "灯不亮"}), headers=staff).json()
    assert [item["case"]["state"] for item in given["items"]] == ["assigned", "assigned"]


def test_the_same_key_gets_the_same_answers_in_bulk_and_singly(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    found = numbers(client, school, "verified", 3)
    headers = school.headers("safety_head", Idempotency_Key="k1")
    first = client.post(f"{BULK}/close", json=asked(*found), headers=headers)
    again = client.post(f"{BULK}/close", json=asked(*found), headers=headers)
    assert first.content == again.content
    singly = client.post(f"/api/v1/repairs/{found[0]}/close", headers=headers)
    assert (singly.status_code, singly.headers["Idempotency-Replayed"]) == (200, "true")
    with runtime.database.read_across() as connection:
        assert len(history.events_of(connection, "school", found[0])) == 5


#: body → the field named
UNREADABLE: list[tuple[Any, str]] = [
    ({}, "items"),
    ({"items": []}, "items"),
    ({"items": [{"number": "WX-2020-0001"}] * 201}, "items"),
    ({"items": [{"number": "WX-2020-0001"}] * 2}, "items"),
    ({"items": [{"number": 7}]}, "items.0.number"),
    ({"items": [{"number": "WX-2020-0001", "revision": "7"}]}, "items.0.revision"),
    ({"items": [{"number": "WX-2020-0001", "revision": 0}]}, "items.0.revision"),
    ({"items": [{"number": "WX-2020-0001", "person": "principal"}]}, "items.0.person"),
    ({"items": [{"number": "WX-2020-0001"}], "data": []}, "data"),
    ({"items": [{"number": "WX-2020-0001"}], "actor": "principal"}, "actor"),
]


@pytest.mark.parametrize(("body", "field"), UNREADABLE)
def test_what_cannot_be_read_is_refused_before_anything_is_asked(
    body: Any, field: str, client: httpx.Client, runtime: Runtime, school: School
) -> None:
    answer = client.post(f"{BULK}/close", json=body, headers=school.headers("safety_head"))
    assert answer.status_code == 422, answer.text
    assert [fault["field"] for fault in answer.json()["fields"]] == [field]
    with runtime.database.read_across() as connection:
        assert connection.execute(text("SELECT count(*) FROM event")).scalar_one() == 0


def test_a_stranger_asks_for_nothing(client: httpx.Client, school: School) -> None:
    assert client.post(f"{BULK}/close", json=asked("WX-2020-0001")).status_code == 401
