"""The numbers of a loop are set by the administrator over the API as by the command: checked, noted, and none by halves."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.bootstrap import Runtime
from engine.actor import Grant
from engine.events import LOGBOOK
from engine.store import history, people
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG

ADDRESS = "/api/v1/workflows/hazard/policy"


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    with closing(a_runtime(tmp_path / "data", kind, catalog=CATALOG)) as made:
        yield made


@pytest.fixture
def school(runtime: Runtime) -> School:
    school = a_school(runtime.database)
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
    return school


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client


def put(client: httpx.Client, school: School, numbers: Any, person: str = "principal") -> httpx.Response:
    headers = school.headers(person, Accept_Language="en")
    return client.patch(ADDRESS, json={"set": numbers, "confirmed": True}, headers=headers)


def test_numbers_are_set_taken_back_and_noted_once(client: httpx.Client, runtime: Runtime, school: School) -> None:
    done = put(client, school, {"anonymous_reports": True, "anonymous_per_place": 5})
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["policy_version"], told["policy"]["anonymous_reports"], told["policy"]["anonymous_per_place"]) == (
        1,
        True,
        5,
    )
    assert put(client, school, {"anonymous_reports": True}).json()["policy_version"] == 1, "it was so already"
    back = put(client, school, {"anonymous_per_place": None}).json()
    assert (back["policy_version"], back["policy"]["anonymous_per_place"]) == (2, 10)
    with runtime.database.read("school") as connection:
        events = [e for e in history.events_of(connection, "school", LOGBOOK) if e.trigger == "policy_changed"]
    assert [(e.actor, e.data["version"], e.data["numbers"]) for e in events] == [
        ("person:principal", 1, ["anonymous_per_place", "anonymous_reports"]),
        ("person:principal", 2, ["anonymous_per_place"]),
    ]


@pytest.mark.parametrize(
    "numbers",
    [{"anonymous_per_day": 0}, {"anonymous_per_day": 1001}, {"anonymous_reports": "maybe"}, {"nothing": 1}, {}, [], 1,
     {"rung_offsets": {"no such rung": 1}}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_set_is_refused_and_nothing_is_kept(client: httpx.Client, school: School, numbers: Any) -> None:
    refused = put(client, school, numbers)
    assert refused.status_code == 422, refused.text
    shown = client.get("/api/v1/workflows/hazard", headers=school.headers("teacher")).json()
    assert shown["policy_version"] == 0


def test_a_reminder_years_away_is_refused_at_its_field(client: httpx.Client, school: School) -> None:
    refused = put(client, school, {"rung_offsets": {"before-3": -366, "repeat": 10_000_000}}).json()
    told = [(fault["field"], fault["what"]) for fault in refused["fields"]]
    assert told == [
        ("rung_offsets.before-3", "cannot be less than -365"),
        ("rung_offsets.repeat", "cannot be more than 365"),
    ]


@pytest.mark.parametrize("person", ["safety_head", "teacher", "auditor"])
def test_nobody_but_the_administrator_sets_them(client: httpx.Client, school: School, person: str) -> None:
    assert put(client, school, {"anonymous_reports": True}, person).status_code == 403


def test_a_loop_that_is_not_there_has_no_numbers(client: httpx.Client, school: School) -> None:
    answer = client.patch(
        "/api/v1/workflows/nothing/policy", json={"set": {"x": 1}}, headers=school.headers("principal")
    )
    assert answer.status_code == 404
