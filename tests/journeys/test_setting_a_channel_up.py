"""An administrator sets a channel up, tries it out against a service as the real one is, and sees it fail and work again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import logs
from api.app import create_app
from api.bootstrap import Runtime
from engine.actor import Grant
from engine.store import people
from tests.builders import School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from tests.notifications.channels.places import PLACES, Place

HIS_ADDRESSES = (
    """UPDATE person SET addresses = '{"wecom": "zhangwei", "phone": "13800000001"}' WHERE person = 'principal'"""
)


@pytest.fixture(params=["wecom_robot", "wecom_app", "sms"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with closing(PLACES[request.param]()) as made:
        yield made


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    """Of no simulation: what is tried out leaves."""
    logs.configure("warning", "console")
    with closing(a_runtime(tmp_path / "data", kind, simulated=False)) as made:
        yield made


def test_a_channel_is_set_up_tried_out_breaks_and_is_mended(runtime: Runtime, place: Place) -> None:
    school = a_school(runtime.database)
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
        connection.exec_driver_sql(HIS_ADDRESSES)
    account = place.account()
    whole = {
        "kind": account.kind, "title": "安全组", "settings": dict(account.settings), "secrets": dict(account.secrets),
    }  # fmt: skip
    [secret] = account.secrets
    wrong = {secret: "another-secret-0002"}
    with calling(create_app(runtime)) as client:
        assert asked(client, school, "PUT", "", whole)["health"]["condition"] == "untried"
        first = asked(client, school, "POST", "/test")
        assert (first["sort"], first["sent"]) == ("taken", True), first
        [taken] = place.taken()
        assert "示范学校" in place.words(taken) and "安全组" in place.words(taken)
        asked(client, school, "PATCH", "", {"secrets": wrong})
        refused = asked(client, school, "POST", "/test")
        assert (refused["sort"], refused["concerns"]) == ("give_up", "channel"), refused
        assert "Check them at the service" in refused["next"]
        assert not set(wrong.values()) & set(refused["answer"].split())
        health = asked(client, school, "GET", "")["health"]
        assert health["condition"] == "down" and health["left_until"] is not None
        found = client.get("/api/v1/check", headers=school.headers("safety_head")).json()["findings"]
        assert "channel_out_of_order" in [each["code"] for each in found]
        asked(client, school, "PATCH", "", {"secrets": dict(account.secrets)})
        assert asked(client, school, "POST", "/test")["sort"] == "taken"
        assert asked(client, school, "GET", "")["health"]["condition"] == "works"
        everything = client.get("/api/v1/channels", headers=school.headers("auditor")).text
        assert not [each for each in (*account.secrets.values(), *wrong.values()) if each in everything]


def asked(client: httpx.Client, school: School, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    headers = school.headers("principal", Accept_Language="en")
    answer = client.request(method, f"/api/v1/channels/ours{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()
