"""People say how they want to be told, within what their organisation allows and can do; refused otherwise, in words."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from api.bootstrap import Runtime
from api.cli import main
from engine.clock import SimulatedClock
from engine.store import people, policies
from notifications import accounts
from notifications.accounts import SetUp
from notifications.policy import NAME
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind

NOTHING = {"channel": None, "quiet_from": None, "quiet_until": None, "language": "zh"}


def with_mail(runtime: Runtime) -> School:
    """The school has e-mail and text messages; the teacher has a mailbox."""
    school = a_school(runtime.database)
    with runtime.database.write("school") as connection:
        for kind in ("email", "sms"):
            accounts.put(connection, SetUp("school", kind, kind, "", None, {}, b"", True, False, False, START))
    with runtime.database.write_across() as connection:
        connection.exec_driver_sql(
            "UPDATE person SET addresses = '{\"email\": \"t@school.example\"}' WHERE person = 'teacher'"
        )
    return school


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind) -> Iterator[Runtime]:
    with closing(a_runtime(tmp_path / "data", kind)) as made:
        yield made


@pytest.fixture
def school(runtime: Runtime) -> School:
    return with_mail(runtime)


def asked(
    client: httpx.Client, school: School, body: dict[str, Any] | None = None, *, person: str = "teacher"
) -> httpx.Response:
    headers = school.headers(person, Accept_Language="en")
    return client.request("PUT" if body is not None else "GET", "/api/v1/account/messages", json=body, headers=headers)


def test_who_decided_nothing_is_told_as_his_school_does_it(client: httpx.Client, school: School) -> None:
    told = asked(client, school).json()
    assert {name: told[name] for name in NOTHING} == NOTHING
    assert (told["goes_by"], told["quiet_hours"]) == ("email", True)
    assert {each["kind"]: each["why_not"] for each in told["possible"]} == {
        "wecom_app": "your organisation has set up no such channel",
        "email": None,
        "sms": "the directory has no address of yours for it",
    }
    assert told["hours"] == {"digest_at": "07:40", "window_from": "07:30", "window_until": "21:00"}
    assert told["next_digest"]["day"] == "2020-03-03", "it is past this morning's"
    assert asked(client, school, person="driver").json()["goes_by"] is None


def test_a_choice_is_kept_and_noted_once_and_moves_what_is_to_come(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    chosen = {"channel": "email", "quiet_from": "20:00", "quiet_until": "08:30", "language": "en"}
    assert asked(client, school, chosen).status_code == 200
    told = asked(client, school, chosen).json()
    assert {name: told[name] for name in chosen} == chosen
    assert told["next_digest"] == {"day": "2020-03-03", "leaves_at": "2020-03-03T00:30:00Z"}
    with runtime.database.read("school") as connection:
        [change] = people.changes(connection, "school")
        teacher = people.person(connection, "school", "teacher")
    assert (change["by"], change["what"]) == ("person:teacher", "messages_chosen")
    assert change["about"] == {"person": "teacher", **chosen}
    assert teacher is not None and teacher.locale == "en"
    assert asked(client, school, {}).json()["language"] == "en", "what is left out stays, of the language"
    assert asked(client, school).json()["quiet_from"] is None


#: what is asked, the field that is wrong and what is said of it
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"channel": "inbox"}, "channel", "your organisation does not allow it; there are email, sms, wecom_app"),
    ({"channel": "pigeon"}, "channel", "your organisation does not allow it"),
    ({"channel": "sms"}, "channel", "the directory has no address of yours for it"),
    ({"channel": "wecom_app"}, "channel", "your organisation has set up no such channel"),
    ({"quiet_from": "22:00"}, "quiet_until", "quiet hours need their beginning and their end"),
    ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until", "begin and end at the same time"),
    (
        {"quiet_from": "07:00", "quiet_until": "21:30"},
        "quiet_until",
        "messages are sent from 07:30 to 21:00: leave some of it",
    ),
    ({"quiet_from": "9", "quiet_until": "10:00"}, "quiet_from", "has to be a time, as 21:30"),
    ({"language": "fr"}, "language", ""),
    ({"silence": True}, "silence", ""),
]


@pytest.mark.parametrize("body, field, said", WRONG)
def test_what_the_school_does_not_allow_is_refused_with_a_sentence(
    body: dict[str, Any], field: str, said: str, runtime: Runtime, client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), refused.text
    [fault] = refused.json()["fields"]
    assert fault["field"] == field and said in fault["what"]
    with runtime.database.read("school") as connection:
        assert people.changes(connection, "school") == []


def test_a_school_decides_what_people_may_choose(runtime: Runtime, client: httpx.Client, school: School) -> None:
    with runtime.database.write("school") as connection:
        policies.set_(connection, "school", NAME, {"people_choose": ["inbox"], "quiet_hours": False}, "cli", START)
    assert asked(client, school, {"channel": "inbox"}).json()["goes_by"] is None
    refused = asked(client, school, {"quiet_from": "22:00", "quiet_until": "06:00"})
    assert "your organisation allows no quiet hours" in refused.json()["detail"]
    assert (
        "your organisation does not allow it; there are inbox"
        in asked(client, school, {"channel": "email"}).json()["detail"]
    )


def test_who_had_his_digest_of_today_is_told_tomorrow_s(runtime: Runtime, client: httpx.Client, school: School) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=4, hours=23))  # Saturday morning at the school
    assert asked(client, school).json()["next_digest"]["day"] == "2020-03-09"


def test_the_command_shows_and_changes_it_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", str(tmp_path / "data"))
    with closing(a_runtime(tmp_path / "data", "sqlite")) as runtime:
        with_mail(runtime)

    def messages(*arguments: str) -> Any:
        done = CliRunner().invoke(main, ["user", "messages", *arguments, "--json"])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    assert messages("teacher")["channel"] is None
    changed = messages("teacher", "--channel", "email", "--quiet", "21:30-06:30", "--language", "en")
    assert (changed["channel"], changed["quiet_from"], changed["language"]) == ("email", "21:30", "en")
    assert messages("teacher", "--channel", "school", "--quiet", "none")["quiet_until"] is None
    shown = CliRunner().invoke(main, ["user", "messages", "teacher"]).stdout
    assert "channel school → email" in shown and "next message of the day: 2020-03-03 07:45" in shown
    for arguments, code, said in [
        (["nobody"], 1, "there is nobody active called 'nobody'"), (["teacher", "--quiet", "late"], 2, "21:30-06:30"),
        (["teacher", "--channel", "sms"], 1, "no address"),
    ]:  # fmt: skip
        refused = CliRunner().invoke(main, ["user", "messages", *arguments])
        assert (refused.exit_code, said in refused.stderr) == (code, True)
