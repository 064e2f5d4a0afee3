"""Where and in whose name somebody asks: said in a header, judged by the directory, on record with every step."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.bootstrap import Runtime
from engine.actor import Grant
from engine.directory import Absence, Organisation, Person
from engine.errors import Text
from engine.store import accounts, people
from engine.store.database import Connection
from tests.builders import START, School, a_school

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
    with runtime.database.write() as connection:
        away(connection, "safety_staff", "teacher2")
    body = {"assignee": "repairer"}
    assert ask(client, school, "teacher2", f"{repair}/assign", body).status_code == 403, "by himself he may not"
    done = ask(client, school, "teacher2", f"{repair}/assign", body, On_Behalf_Of="safety_staff")
    assert done.status_code == 200, done.text
    [_, event] = ask(client, school, "safety_head", f"{repair}/events").json()["items"]
    assert (event["actor"], event["on_behalf_of"]) == ("person:teacher2", "person:safety_staff")


@pytest.mark.parametrize("represented", ["principal", "nobody", "safety_head", "", "teacher2"])
def test_nobody_acts_for_whom_he_does_not_stand_in(
    represented: str, runtime: Runtime, client: httpx.Client, school: School, repair: str
) -> None:
    with runtime.database.write() as connection:
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
    with runtime.database.write() as connection:
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


def test_every_address_describes_both_headers(client: httpx.Client, school: School) -> None:
    document = client.get("/api/v1/openapi.json", headers=school.headers("teacher")).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = {parameter.get("$ref", "") for parameter in operation.get("parameters", [])}
            described = {f"#/components/parameters/{name}" for name in ("organisation", "on_behalf_of")} <= named
            assert described is path.startswith("/api/v1/"), path
