"""Where and in whose name somebody asks: said in a header, judged by the directory, on record with every step."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import Request

from api.app import create_app
from api.auth.asking import who
from api.bootstrap import Runtime
from engine.actor import Grant
from engine.directory import Absence, Organisation, Person
from engine.errors import NotSignedIn, Text
from engine.store import accounts, people, refusals
from engine.store.database import Connection
from engine.store.statements import standing
from tests.builders import START, School, a_school
from tests.databases import on_postgresql

DAY = START.date()


def away(connection: Connection, person: str, delegate: str | None, *duties: str) -> None:
    absence = Absence(f"of-{person}", person, DAY, DAY + timedelta(days=9), delegate, frozenset(duties))
    people.add_absence(connection, "school", absence)


def ask(
    client: httpx.Client, school: School, person: str, path: str, body: Any = None, **headers: str
) -> httpx.Response:
    named = {f"Bihuan-{name.replace('_', '-')}": value for name, value in headers.items()}
    told = {**school.headers(person, Accept_Language="en"), **named}
    if body is None:
        return client.get(f"/api/v1{path}", headers=told)
    return client.post(f"/api/v1{path}", json=body, headers=told)


@pytest.fixture
def repair(client: httpx.Client, school: School) -> str:
    answer = ask(client, school, "teacher", "/repairs", {"title": "插座松动", "place": "A-101"})
    return f"/repairs/{answer.json()['number']}"


def test_a_delegate_acts_for_whom_he_stands_in_and_both_are_on_record(
    runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "teacher2")
    body = {"assignee": "repairer"}
    assert ask(client, school, "teacher2", f"{repair}/assign", body).status_code == 403, "by himself he may not"
    done = ask(client, school, "teacher2", f"{repair}/assign", body, On_Behalf_Of="safety_staff")
    assert done.status_code == 200, done.text
    [_, event] = ask(client, school, "safety_head", f"{repair}/events").json()["items"]
    assert (event["actor"], event["on_behalf_of"]) == ("person:teacher2", "person:safety_staff")
    assert event["by"] == "教师二 on behalf of 安稳办专职"


def test_both_are_told_by_their_posts_to_who_may_not_see_names(
    runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "teacher2")
        for key, post in (("teacher2", "教职工"), ("safety_staff", "安稳办专职")):
            person = people.person(connection, "school", key)
            assert person is not None
            people.update_person(connection, replace(person, name=f"姓名{key}", post=post))
    body = {"assignee": "repairer"}
    done = ask(client, school, "teacher2", f"{repair}/assign", body, On_Behalf_Of="safety_staff")
    assert done.json()["event"]["by"] == "姓名teacher2 on behalf of 姓名safety_staff", "he sees with the eyes of both"
    told = client.get(f"/api/v1{repair}/events", headers=school.headers("teacher", Accept_Language="zh"))
    assert [event["by"] for event in told.json()["items"]] == ["本校人员", "教职工 代 安稳办专职"]
    assert "姓名" not in told.text


def test_what_a_delegate_reports_is_reported_by_whom_he_represents(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "driver")
    done = ask(client, school, "driver", "/repairs", {"title": "漏水", "place": "B-1"}, On_Behalf_Of="safety_staff")
    assert done.status_code == 201, done.text
    assert (done.json()["reporter"], done.json()["event"]["actor"]) == ("safety_staff", "person:driver")
    number = done.json()["number"]
    for person in ("safety_staff", "driver"):
        assert ask(client, school, person, f"/repairs/{number}").status_code == 200


def test_a_key_stands_for_a_request_in_somebody_s_name(
    runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "teacher2")
        people.give(connection, "school", "teacher2", Grant("safety_staff"))
    body, path = {"assignee": "repairer"}, f"/api/v1{repair}/assign"
    headers = school.headers("teacher2", Idempotency_Key="k1", Bihuan_On_Behalf_Of="safety_staff")
    first = client.post(path, json=body, headers=headers)
    assert first.status_code == 200, first.text
    again = client.post(path, json=body, headers=headers)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    himself = client.post(path, json=body, headers=school.headers("teacher2", Idempotency_Key="k1"))
    assert (himself.status_code, himself.json()["code"]) == (422, "key_reused")


def test_what_is_refused_in_somebody_s_name_is_logged_with_it(
    runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "teacher2")
    for path, status in ((f"{repair}/close", 403), (f"{repair}/fix", 403), ("/repairs/x%2Fy", 404)):
        refused = ask(client, school, "teacher2", path, {}, On_Behalf_Of="safety_staff")
        assert refused.status_code == status, refused.text
    with runtime.database.read_across() as connection:
        logged = refusals.latest(connection, "school")
    assert [(r.principal, r.on_behalf_of) for r in logged] == [("person:teacher2", "safety_staff")] * 3


@pytest.mark.parametrize("represented", ["principal", "nobody", "safety_head", "", "teacher2"])
def test_nobody_acts_for_whom_he_does_not_stand_in(
    represented: str, runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write_across() as connection:
        away(connection, "safety_staff", "teacher2")
    refused = ask(client, school, "teacher2", f"{repair}/assign", {"assignee": "repairer"}, On_Behalf_Of=represented)
    assert (refused.status_code, refused.json()["reason"]) == (403, "delegation")
    assert refused.json()["remedy"] == "Today you stand in for safety_staff"


def test_whoever_stands_in_for_nobody_is_told_to_act_as_himself(client: httpx.Client, school: School) -> None:
    refused = ask(client, school, "teacher", "/worklist", On_Behalf_Of="principal")
    assert refused.status_code == 403
    assert "act as yourself" in refused.json()["remedy"]


@pytest.fixture
def bureau(runtime: Runtime, school: School) -> School:
    """A bureau above, with an inspector whom the school granted a look, and another whom it did not."""
    with runtime.database.write_across() as connection:
        people.add_organisation(connection, Organisation("bureau", Text("市教育局", "Bureau"), kind="bureau"))
        bureau = School("bureau", ("inspector", "clerk"))
        for person in bureau.persons:
            people.add_person(connection, Person("bureau", person, "督导"))
            accounts.add_token(connection, "bureau", person, bureau.token(person), "test", START)
        people.give(connection, "school", "inspector@bureau", Grant("auditor"))
    return bureau


def test_a_bureau_s_person_asks_in_a_school_that_granted_him_something(
    client: httpx.Client, bureau: School, repair: str
) -> None:
    seen = ask(client, bureau, "inspector", repair, Organisation="school")
    assert seen.status_code == 200, seen.text
    assert not any(step["possible"] for step in seen.json()["steps"]), "he looks on"
    assert ask(client, bureau, "inspector", repair).status_code == 404, "at home there is no such case"
    me = ask(client, bureau, "inspector", "/people/me", Organisation="school").json()
    assert [grant["role"] for grant in me["grants"]] == ["auditor"]


@pytest.mark.parametrize("person", ["clerk", "inspector"])
def test_an_organisation_that_granted_nothing_looks_like_one_that_is_not_there(
    person: str, runtime: Runtime, client: httpx.Client, bureau: School, repair: str
) -> None:
    a_school(runtime.database, "closed")
    wherever = [ask(client, bureau, person, "/worklist", Organisation=name) for name in ("closed", "nowhere")]
    assert [answer.status_code for answer in wherever] == [404, 404]
    told = [answer.text.replace("closed", "nowhere") for answer in wherever]
    assert told[0] == told[1]


def test_naming_one_s_own_organisation_changes_nothing(client: httpx.Client, school: School, repair: str) -> None:
    assert ask(client, school, "safety_staff", repair, Organisation="school").status_code == 200


def request_of(runtime: Runtime, school: School, person: str) -> Request:
    shown = [(name.lower().encode(), value.encode()) for name, value in school.headers(person).items()]
    app = create_app(runtime)
    return Request({"type": "http", "method": "GET", "path": "/", "headers": shown, "query_string": b"", "app": app})


def test_whoever_asked_before_is_what_he_is_now(runtime: Runtime, school: School) -> None:
    """Whose a token is, is remembered; nothing else of him is."""
    request = request_of(runtime, school, "teacher2")

    def roles() -> set[str]:
        return {grant.role for grant in who(request).actor.grants}

    def represented() -> list[str | None]:
        return [actor.on_behalf_of for actor in who(request).actors[1:]]

    before = roles()
    assert represented() == []
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "teacher2", Grant("auditor"))
    assert roles() == {*before, "auditor"}
    with runtime.database.write("school") as connection:
        people.withdraw(connection, "school", "teacher2", "auditor", "*", DAY - timedelta(days=1))
        away(connection, "safety_staff", "teacher2")
    assert (roles(), represented()) == (before, ["safety_staff"])
    with runtime.database.write("school") as connection:
        people.end_absence(connection, "school", "of-safety_staff", DAY - timedelta(days=1))
    assert represented() == []
    with runtime.database.write("school") as connection:
        people.link(connection, [("school", "teacher"), ("school", "teacher2")])
    assert who(request).actor.aliases == {"teacher"}
    with runtime.database.write("school") as connection:
        accounts.revoke_token(connection, "school", school.token("teacher2")[:12], START)
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            who(request)


def test_whoever_asked_before_and_is_active_no_more_is_turned_away(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    for _ in range(2):
        assert ask(client, school, "teacher", "/people/me").status_code == 200
    with runtime.database.write("school") as connection:
        found = people.person(connection, "school", "teacher")
        assert found is not None
        people.update_person(connection, replace(found, active=False))
    for _ in range(2):
        assert ask(client, school, "teacher", "/people/me").status_code == 401


@on_postgresql
def test_whoever_asked_before_is_looked_up_in_one_journey(runtime: Runtime, school: School) -> None:
    request = request_of(runtime, school, "teacher")

    def journeys() -> int:
        with runtime.database.read("school") as connection:
            return standing(connection).journeys

    first, before = who(request), journeys()
    assert who(request) == first
    assert journeys() == before + 1


def test_every_address_describes_both_headers(client: httpx.Client, school: School) -> None:
    document = client.get("/api/v1/openapi.json", headers=school.headers("teacher")).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = {parameter.get("$ref", "") for parameter in operation.get("parameters", [])}
            described = {f"#/components/parameters/{name}" for name in ("organisation", "on_behalf_of")} <= named
            assert described is path.startswith("/api/v1/"), path
