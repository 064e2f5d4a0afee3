"""Channels are set up by the administrator, checked by the form of their kind, noted without secrets, and tried out."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import channels, conditions
from api.app import create_app
from api.bootstrap import Runtime
from api.channels import Keeper
from engine.actor import Grant
from engine.directory import Absence
from engine.errors import InvalidInput
from engine.events import LOGBOOK
from engine.proof import Finding
from engine.store import history, people
from notifications import accounts, readers
from notifications.channels import Limit, TransportError
from tests.api.channel_kinds import A_MINUTE, KEY, Robot
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling

ROBOT: dict[str, Any] = {
    "kind": "robot", "title": "后勤群", "department": "HQC", "settings": {"url": "https://hook"}, "secrets": {"key": KEY},
}  # fmt: skip


@pytest.fixture
def robot() -> Robot:
    return Robot()


@pytest.fixture
def mail() -> Robot:
    return Robot("mail", serves="person")


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind, robot: Robot, mail: Robot) -> Iterator[Runtime]:
    with closing(a_runtime(tmp_path / "data", kind, more_channels=[robot, mail])) as made:
        yield made


@pytest.fixture
def school(runtime: Runtime) -> School:
    return administered(runtime)


def administered(runtime: Runtime) -> School:
    """The principal is administrator too, and has an address."""
    school = a_school(runtime.database)
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
        connection.exec_driver_sql(
            "UPDATE person SET addresses = '{\"email\": \"head@school.example\"}' WHERE person = 'principal'"
        )
    return school


def asked(
    client: httpx.Client, school: School, method: str, path: str = "", body: dict[str, Any] | None = None,
    *, person: str = "principal", **headers: str,
) -> httpx.Response:  # fmt: skip
    said = school.headers(person, Accept_Language="en", **headers)
    return client.request(method, f"/api/v1/channels{path}", json=body, headers=said)


def noted(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", LOGBOOK)
    return [dict(event.data) for event in events if event.trigger == "channel_changed"]


# --- who may -------------------------------------------------------------------------------------------------------------

WAYS = [
    ("PUT", "/office", ROBOT),
    ("PATCH", "/office", {"enabled": False}),
    ("DELETE", "/office", None),
    ("POST", "/office/test", None),
]


@pytest.mark.parametrize("method, path, body", WAYS)
@pytest.mark.parametrize("person", ["safety_head", "auditor", "teacher"])
def test_only_an_administrator_changes_a_channel_or_tries_it_out(
    method: str, path: str, body: dict[str, Any] | None, person: str, client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, method, path, body, person=person)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    "person, status", [("principal", 200), ("auditor", 200), ("safety_head", 403), ("teacher", 403)]
)
def test_the_list_is_for_administrators_and_auditors(
    person: str, status: int, client: httpx.Client, school: School
) -> None:
    for path in ("", "/kinds"):
        assert asked(client, school, "GET", path, person=person).status_code == status


def test_where_messages_go_is_not_handed_on_with_an_administrator_s_duties(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    """At an address of his own the delegate would go on reading when he does not stand in any more."""
    assert asked(client, school, "PUT", "/office", ROBOT).status_code == 200
    day = START.date()
    away = Absence("a", "principal", day, day, "teacher2", frozenset({"administrator"}))
    with runtime.database.write("school") as connection:
        people.add_absence(connection, "school", away)
    before = noted(runtime)
    for method, path, body in (
        ("PUT", "/other", ROBOT | {"department": "XB1"}),
        ("PATCH", "/office", {"settings": {"url": "https://mine"}, "secrets": {"key": KEY}}),
        ("PATCH", "/office", {"secrets": {"key": KEY + "x"}}),
        ("PATCH", "/office", {"department": "XB1"}),
        ("PATCH", "/office", {"daily_list": False, "title": "群"}),
    ):
        refused = asked(client, school, method, path, body, person="teacher2", Bihuan_On_Behalf_Of="principal")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), refused.text
        assert "not handed on" in refused.json()["obstacle"] and noted(runtime) == before
    for body in ({"enabled": False}, {"enabled": True, "title": "后勤"}):
        done = asked(client, school, "PATCH", "/office", body, person="teacher2", Bihuan_On_Behalf_Of="principal")
        assert done.status_code == 200, done.text
    assert len(noted(runtime)) == len(before) + 2


# --- set up and changed --------------------------------------------------------------------------------------------------


def test_a_channel_is_set_up_shown_without_its_secrets_and_noted(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    answer = asked(client, school, "PUT", "/office", ROBOT)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    body = answer.json()
    assert body["settings"] == {"url": "https://hook", "loud": False}
    assert body["secrets"] == [
        {"name": "key", "label": "Key", "set": True, "shown": "set"},
        {"name": "token", "label": "Token", "set": False, "shown": "not set"},
    ]
    assert (body["daily_list"], body["health"]["condition"]) == (True, "untried")
    for path in ("", "/office", "/kinds"):
        assert KEY not in asked(client, school, "GET", path).text
    [note] = noted(runtime)
    fields = ["key", "loud", "url"]
    assert note == {"channel": "office", "kind": "robot", "title": "后勤群", "what": "set_up", "fields": fields}


def test_a_change_that_leaves_the_secret_out_keeps_it(runtime: Runtime, client: httpx.Client, school: School) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    changed = {**ROBOT, "settings": {"url": "https://other"}, "secrets": {"token": "t0ken"}}
    assert asked(client, school, "PUT", "/office", changed).json()["revision"] == 2
    taken = asked(client, school, "PATCH", "/office", {"secrets": {"token": None}, "title": "总务群"})
    assert [secret["set"] for secret in taken.json()["secrets"]] == [True, False]
    with runtime.database.read("school") as connection:
        account = runtime.book.account(connection, "school", "office")
    assert account is not None
    assert (account.secrets, account.settings["url"], account.title) == ({"key": KEY}, "https://other", "总务群")
    assert [(note["what"], note["fields"]) for note in noted(runtime)[1:]] == [
        ("changed", ["token", "url"]), ("changed", ["title", "token"]),
    ]  # fmt: skip


def test_what_is_so_already_changes_nothing_and_is_not_noted_again(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    first = asked(client, school, "PUT", "/office", ROBOT)
    again = asked(client, school, "PUT", "/office", ROBOT, If_Match='"0"')
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(noted(runtime)) == 1


def test_who_looked_at_an_older_revision_changes_nothing(client: httpx.Client, school: School) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    asked(client, school, "PATCH", "/office", {"title": "总务群"}, If_Match='"1"')
    for method, body in (("PATCH", {"title": "群"}), ("DELETE", None)):
        stale = asked(client, school, method, "/office", body, If_Match='"1"')
        assert (stale.status_code, stale.json()["code"], stale.json()["revision"]) == (412, "stale_case", 2)


def test_switching_off_and_removing_are_noted_as_such(runtime: Runtime, client: httpx.Client, school: School) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    off = asked(client, school, "PATCH", "/office", {"enabled": False}).json()
    assert (off["enabled"], off["health"]["condition"]) == (False, "off")
    asked(client, school, "PATCH", "/office", {"enabled": True})
    assert asked(client, school, "DELETE", "/office").json() == {"removed": "office", "addressed_anew": 0}
    assert asked(client, school, "DELETE", "/office").json()["code"] == "unknown_channel"
    assert [note["what"] for note in noted(runtime)] == ["set_up", "switched_off", "switched_on", "removed"]
    assert KEY not in str(noted(runtime))


#: what is sent, the field that is wrong and what is said of it
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "office",
        {**ROBOT, "kind": "pigeon"},
        "kind",
        "there is no kind of channel 'pigeon'; there are dingtalk_robot, email,",
    ),
    ("office", {**ROBOT, "settings": {}}, "settings.url", "is required"),
    ("office", {**ROBOT, "settings": {"url": "x" * 51}}, "settings.url", "at most 50"),
    ("office", {**ROBOT, "settings": {"url": "https://hook", "colour": "red"}}, "settings.colour", "is not a field"),
    ("office", {**ROBOT, "secrets": {}}, "secrets.key", "is required"),
    ("office", {**ROBOT, "secrets": {"key": "tiny"}}, "secrets.key", "needs 8 characters or more"),
    ("office", {**ROBOT, "secrets": {"key": KEY, "url": "x"}}, "secrets.url", "is no secret"),
    ("office", {**ROBOT, "department": "NO"}, "department", "'NO' is no department here"),
    ("office", {**ROBOT, "department": "\0"}, "department", "is no department here"),
    ("office", {**ROBOT, "title": "a\nb"}, "title", "visible characters"),
    ("office", {**ROBOT, "kind": "mail"}, "department", "only a group's robot has it"),
    ("office", {**ROBOT, "enabled": "yes"}, "enabled", ""),
    ("office", {**ROBOT, "colour": 1}, "colour", ""),
    ("Office", ROBOT, "name", "has to be 1 to 32"),
    ("kinds", ROBOT, "name", "has to be 1 to 32"),
    ("inbox", ROBOT, "name", "has to be 1 to 32"),
]


@pytest.mark.parametrize("name, body, wrong, said", WRONG)
def test_what_is_wrong_is_told_field_by_field_and_nothing_is_kept(
    name: str, body: dict[str, Any], wrong: str, said: str, runtime: Runtime, client: httpx.Client, school: School
) -> None:
    refused = asked(client, school, "PUT", f"/{name}", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), refused.text
    [fault] = refused.json()["fields"]
    assert fault["field"] == wrong and said in fault["what"]
    assert "tiny" not in refused.text
    assert noted(runtime) == []


def test_the_sentence_of_a_form_comes_in_the_reader_s_language(client: httpx.Client, school: School) -> None:
    body = {**ROBOT, "secrets": {"key": "tiny"}}
    headers = school.headers("principal")
    assert "密钥：至少 8 位" in client.put("/api/v1/channels/office", json=body, headers=headers).json()["detail"]


def test_a_second_webhook_is_refused_while_the_first_is_in_use(client: httpx.Client, school: School) -> None:
    def hook(url: str) -> dict[str, Any]:
        return {
            "kind": "webhook",
            "settings": {"url": url},
            "secrets": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        }

    assert asked(client, school, "PUT", "/ours", hook("https://ours.example")).status_code in (200, 201)
    refused = asked(client, school, "PUT", "/theirs", hook("https://theirs.example"))
    assert refused.status_code == 422
    assert "'ours' is in use" in refused.text
    assert asked(client, school, "PATCH", "/ours", {"enabled": False}).status_code == 200
    assert asked(client, school, "PUT", "/theirs", hook("https://theirs.example")).status_code in (200, 201)


def test_a_channel_keeps_its_kind(client: httpx.Client, school: School) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    refused = asked(client, school, "PUT", "/office", {**ROBOT, "kind": "mail"})
    assert "keeps its kind" in refused.json()["detail"]


def test_kinds_are_told_with_a_form_that_can_be_drawn(client: httpx.Client, school: School) -> None:
    kinds = {kind["kind"]: kind for kind in asked(client, school, "GET", "/kinds").json()["items"]}
    robot = kinds["robot"]
    assert (robot["serves"], robot["secrets"], robot["form"]["required"]) == ("place", ["key", "token"], ["url", "key"])
    assert {name: field["title"] for name, field in robot["form"]["properties"].items()} == {
        "url": "Address", "loud": "Loud", "key": "Key", "token": "Token",
    }  # fmt: skip
    assert robot["form"]["properties"]["key"]["writeOnly"] is True
    assert "inbox" not in kinds


def test_another_organisation_sees_none_of_it(runtime: Runtime, client: httpx.Client, school: School) -> None:
    beside = a_school(runtime.database, "beside")
    with runtime.database.write_across() as connection:
        people.give(connection, "beside", "principal", Grant("administrator"))
    asked(client, school, "PUT", "/office", ROBOT)
    assert asked(client, beside, "GET").json()["items"] == []
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"title": "x"}), ("POST", None)):
        path = "/office/test" if method == "POST" else "/office"
        assert asked(client, beside, method, path, body).status_code in (404, 409)


def test_secrets_under_another_key_have_to_be_given_again(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    """As after a restore without the keys."""
    asked(client, school, "PUT", "/office", ROBOT)
    with runtime.database.write("school") as connection:
        set_up = accounts.find(connection, "school", "office")
        assert set_up is not None
        moved = accounts.closed(runtime.vault, "school", "elsewhere", {"key": KEY})
        connection.exec_driver_sql("DELETE FROM channel")
        accounts.put(connection, replace(set_up, secrets=moved))
    shown = asked(client, school, "GET", "/office").json()
    assert (shown["health"]["condition"], [s["set"] for s in shown["secrets"]]) == ("locked", [False, False])
    kept = asked(client, school, "PATCH", "/office", {"title": "总务群"})
    assert kept.json()["fields"] == [{"field": "secrets.key", "what": "is required"}]
    anew = asked(client, school, "PATCH", "/office", {"secrets": {"key": KEY}}).json()
    assert anew["health"]["condition"] == "untried"


def test_what_is_given_to_all_is_shown_and_not_changed_here(tmp_path: Path, kind: Kind) -> None:
    secret = "whsec_" + "A" * 32
    given: dict[str, Any] = {"webhook_url": "https://given.example", "webhook_secret": secret}
    with closing(a_runtime(tmp_path / "given", kind, **given)) as runtime:
        school = administered(runtime)
        with calling(create_app(runtime)) as client:
            [shown] = asked(client, school, "GET").json()["items"]
            assert (shown["id"], shown["given"], shown["settings"], shown["changed_at"]) == ("webhook", True, {}, None)
            assert asked(client, school, "DELETE", "/webhook").status_code == 409
            own = {"kind": "webhook", "settings": {"url": "https://own.example"}, "secrets": {"secret": secret}}
            assert asked(client, school, "PUT", "/webhook", own).json()["given"] is False
            assert asked(client, school, "DELETE", "/webhook").status_code == 200
            assert asked(client, school, "GET").json()["items"] == [shown]


# --- tried out -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path, kind: Kind, robot: Robot, mail: Robot) -> Iterator[tuple[Runtime, School, httpx.Client]]:
    """A folder that is no simulation: what is tried out there leaves."""
    with closing(a_runtime(tmp_path / "real", kind, simulated=False, more_channels=[robot, mail])) as runtime:
        school = administered(runtime)
        with calling(create_app(runtime)) as client:
            asked(client, school, "PUT", "/office", ROBOT)
            asked(
                client, school, "PUT", "/post", {"kind": "mail", "settings": {"url": "smtp"}, "secrets": {"key": KEY}}
            )
            yield runtime, school, client


def test_nothing_is_tried_out_in_a_simulation(client: httpx.Client, school: School, robot: Robot) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    refused = asked(client, school, "POST", "/office/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_possible_now")
    assert "nothing leaves a simulated data folder" in refused.json()["detail"]
    assert robot.arrived == []


def test_a_test_message_goes_to_the_group_and_to_the_asker_s_own_address(
    real: tuple[Runtime, School, httpx.Client], robot: Robot, mail: Robot
) -> None:
    _, school, client = real
    answer = asked(client, school, "POST", "/office/test").json()
    assert (answer["sort"], answer["answer"], answer["sent"]) == ("taken", "0 ok", True)
    assert "See that it arrived" in answer["next"]
    [(message, account)] = robot.arrived
    assert (message.addressee.key, account.secrets["key"]) == ("HQC", KEY)
    assert "后勤群" in message.words.subject and "示范学校" in message.words.body
    asked(client, school, "POST", "/post/test")
    [(message, _)] = mail.arrived
    assert message.addressee.addresses == {"email": "head@school.example"}
    assert message.words.body.startswith("校长，您好")


def test_who_has_no_address_there_is_told_so(real: tuple[Runtime, School, httpx.Client], mail: Robot) -> None:
    runtime, school, client = real
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "teacher", Grant("administrator"))
    refused = asked(client, school, "POST", "/post/test", person="teacher")
    assert refused.status_code == 422
    assert "the directory has no address of 教师" in refused.json()["detail"]
    assert mail.arrived == []


def test_the_same_key_makes_the_same_message(real: tuple[Runtime, School, httpx.Client], robot: Robot) -> None:
    _, school, client = real
    for key in ("once", "once", "twice"):
        asked(client, school, "POST", "/office/test", Idempotency_Key=key)
    asked(client, school, "POST", "/office/test")
    first, again, *others = (message.key for message, _ in robot.arrived)
    assert first == again and len({first, *others}) == 3


#: what comes back, how it is sorted, what is said to be done, and how the channel does afterwards
ANSWERS = [
    (TransportError("timed out"), "again", None, "check address, port and network", "fails"),
    (TransportError("45009", "slow_down", retry_after=A_MINUTE), "slow_down", 60, "Messages wait", "left_alone"),
    (TransportError("40058", "give_up"), "give_up", None, "does not take this message", "untried"),
    (TransportError("81013", "give_up", concerns="address"), "give_up", None, "address is wrong", "untried"),
    (TransportError("93000", "give_up", concerns="channel"), "give_up", None, "robot may have been removed", "down"),
    (KeyError(KEY), "again", None, "Try again", "fails"),
]


@pytest.mark.parametrize("came, sort, seconds, said, condition", ANSWERS)
def test_what_came_back_is_sorted_with_what_to_do_next(
    came: TransportError, sort: str, seconds: int | None, said: str, condition: str,
    real: tuple[Runtime, School, httpx.Client], robot: Robot,
) -> None:  # fmt: skip
    _, school, client = real
    robot.answers = [came]
    answer = asked(client, school, "POST", "/office/test")
    told = answer.json()
    assert (told["sort"], told["retry_after_seconds"]) == (sort, seconds)
    assert said in told["next"]
    assert KEY not in answer.text
    assert asked(client, school, "GET", "/office").json()["health"]["condition"] == condition


def test_a_success_ends_the_pause_and_a_service_that_asked_for_patience_gets_it(
    real: tuple[Runtime, School, httpx.Client], robot: Robot
) -> None:
    _, school, client = real
    robot.answers = [
        TransportError("93000 removed", "give_up", concerns="channel"), TransportError("slowly", "slow_down", retry_after=A_MINUTE)
    ]  # fmt: skip
    asked(client, school, "POST", "/office/test")
    robot.answers = []
    assert asked(client, school, "POST", "/office/test").json()["sort"] == "taken"
    health = asked(client, school, "GET", "/office").json()["health"]
    assert (health["condition"], health["left_until"], health["failures"]) == ("works", None, 0)
    robot.answers = [TransportError("slowly", "slow_down", retry_after=A_MINUTE)]
    asked(client, school, "POST", "/office/test")
    robot.answers = []
    left = asked(client, school, "POST", "/office/test").json()
    assert (left["sort"], left["sent"], left["answer"]) == ("slow_down", False, "slowly")
    assert len(robot.arrived) == 1


def test_a_test_takes_a_place_in_what_the_service_takes(
    real: tuple[Runtime, School, httpx.Client], robot: Robot
) -> None:
    _, school, client = real
    robot.limit = Limit(2, timedelta(hours=1))
    sorts = [asked(client, school, "POST", "/office/test").json() for _ in range(3)]
    assert [(each["sort"], each["sent"]) for each in sorts] == [("taken", True), ("taken", True), ("slow_down", False)]
    assert 3000 < sorts[-1]["retry_after_seconds"] <= 3600, "an hour but for what the three took"
    assert len(robot.arrived) == 2


def test_one_that_is_switched_off_can_be_tried_out_before_it_is_switched_on(
    real: tuple[Runtime, School, httpx.Client], robot: Robot
) -> None:
    _, school, client = real
    asked(client, school, "PATCH", "/office", {"enabled": False})
    assert asked(client, school, "POST", "/office/test").json()["sort"] == "taken"


# --- in sight ------------------------------------------------------------------------------------------------------------


def test_a_channel_that_does_not_work_for_a_day_or_is_out_of_order_is_a_warning(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    keeper = Keeper.of(runtime, school.actor("principal"))
    for name in ("office", "removed", "off", "fine"):
        asked(client, school, "PUT", f"/{name}", ROBOT)
    with runtime.database.write("school") as connection:
        for name in ("office", "off", "fine"):
            accounts.worked(connection, "school", name, START)
        for name in ("office", "off"):
            accounts.failed(connection, "school", name, "timed out", START)
    with runtime.database.write("school") as connection:
        accounts.failed(connection, "school", "removed", "93000 invalid webhook", START, out_of_order=True)
    channels.set_up(keeper, "off", channels.Change(enabled=False))
    found: dict[str, Finding] = {}
    for later, expected in (
        (timedelta(hours=23), {"channel:removed"}),
        (timedelta(hours=25), {"channel:office", "channel:removed"}),
    ):
        with runtime.database.read("school") as connection:
            found = {finding.key: finding for finding in conditions.findings(connection, "school", START + later)}
        assert set(found) == expected
    assert not any(finding.stuck for finding in found.values())
    assert "93000 invalid webhook" in found["channel:removed"].text.zh
    assert "2020-03-02 09:00" in found["channel:office"].text.en
    listed = client.get("/api/v1/check", headers=school.headers("safety_head")).json()["findings"]
    assert "channel_out_of_order" in [finding["code"] for finding in listed]


def test_a_channel_that_only_ever_asks_for_patience_is_a_warning_after_a_day(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    found: dict[int, list[str]] = {}
    for hours in range(26):
        at = START + timedelta(hours=hours)
        with runtime.database.write("school") as connection:
            accounts.pause(connection, "school", "office", at + timedelta(hours=1), "45009 too fast", at)
            found[hours] = [each.text.en for each in conditions.findings(connection, "school", at)]
    assert [hours for hours, said in found.items() if said] == [24, 25]
    assert "has not worked since 2020-03-02 09:00" in found[24][0] and "45009 too fast" in found[24][0]


def test_whom_a_channel_does_not_reach_that_is_out_of_order_is_told_with_it_and_later_by_himself(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    asked(client, school, "PUT", "/office", ROBOT)
    kind = ROBOT["kind"]
    with runtime.database.write("school") as connection:
        for person, channel, address in (("teacher", kind, ""), ("repairer", kind, "a hash"), ("principal", "sms", "")):
            readers.does_not_reach(connection, "school", person, channel, address, "93000", START)
            readers.climbs(connection, "school", person, channel, START)
        accounts.failed(connection, "school", "office", "93000", START, out_of_order=True)
        told = {finding.key: finding for finding in conditions.findings(connection, "school", START)}
        assert set(told) == {"channel:office", "unreached:repairer", "unreached:principal"}
        assert "e-mail" in told["unreached:repairer"].remedy.en
        assert "outbox list --dead --person principal" in told["unreached:principal"].remedy.en
        accounts.works_again(connection, "school", "office")
        later = {finding.key for finding in conditions.findings(connection, "school", START)}
        assert later == {"unreached:teacher", "unreached:repairer", "unreached:principal"}


# --- the server's own network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, schools, allowed", [(None, 1, True), (None, 2, False), (True, 2, True), (False, 1, False)]
)
def test_channels_of_schools_that_share_a_server_do_not_lead_into_its_network_unless_it_is_allowed(
    tmp_path: Path, kind: Kind, said: bool | None, schools: int, allowed: bool
) -> None:
    with closing(a_runtime(tmp_path / "data", kind, channels_inside=said)) as runtime:
        school, *_ = (a_school(runtime.database, key) for key in ("school", "another")[:schools])
        change = channels.Change("sms", settings={"url": "http://127.0.0.1:9/?to={phone}&say={text}"})
        channels.set_up(Keeper.of(runtime, school.actor("principal")), "gateway", change)
        with runtime.database.read("school") as connection:
            account = runtime.book.account(connection, "school", "gateway")
        assert account is not None
        assert account.may_reach_inside is allowed


def test_a_test_of_a_channel_that_leads_inside_says_what_to_do(tmp_path: Path, kind: Kind) -> None:
    with closing(a_runtime(tmp_path / "data", kind, simulated=False, channels_inside=False)) as runtime:
        keeper = Keeper.of(runtime, administered(runtime).actor("principal"))
        settings = {"url": "http://localhost:9/hook"}
        channels.set_up(
            keeper, "hook", channels.Change("webhook", settings=settings, secrets={"secret": "whsec_" + "A" * 32})
        )
        tested = channels.try_out(runtime, keeper, "hook", None)
    assert (tested.sort, tested.concerns) == ("give_up", "channel")
    assert "BIHUAN_CHANNELS_INSIDE=true" in tested.next.zh and "BIHUAN_CHANNELS_INSIDE=true" in tested.next.en


def test_an_address_with_a_password_in_it_is_refused_since_settings_are_shown(runtime: Runtime, school: School) -> None:
    keeper = Keeper.of(runtime, school.actor("principal"))
    for url in ("https://user:pass-w0rd@hook.example/a", "HTTPS://user@hook.example"):
        change = channels.Change("webhook", settings={"url": url}, secrets={"secret": "whsec_" + "A" * 32})
        with pytest.raises(InvalidInput) as refused:
            channels.set_up(keeper, "hook", change)
        assert [fault.field for fault in refused.value.fields] == ["settings.url"]
        assert "pass-w0rd" not in str(refused.value)


# --- where secrets go -------------------------------------------------------------------------------------------------------

LED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, str]]] = {
    # kind → settings, a harmless change, one that leads elsewhere, secrets
    "email": (
        {"host": "smtp.school.example", "sender": "safety@school.example", "username": "safety"},
        {"host": "SMTP.school.example", "sender_name": "安稳办"},
        {"host": "smtp.elsewhere.example"},
        {"password": "an old password"},
    ),
    "wecom_app": (
        {"corp_id": "ww0123", "agent_id": 1}, {"agent_id": 2}, {"base_url": "https://elsewhere.example"}, {"secret": "s" * 20}
    ),
    "dingtalk_robot": ({}, {"base_url": None}, {"base_url": "https://elsewhere.example"}, {"key": "k" * 20, "secret": "SEC" * 9}),
    "sms": (
        {"url": "https://sms.example/?to={phone}&say={text}&key={secret}"}, {"longest": 70},
        {"url": "https://sms.example/?to={phone}&say={text}{secret}"}, {"secret": "s" * 20},
    ),
}  # fmt: skip


@pytest.mark.parametrize("of", sorted(LED))
def test_a_secret_is_given_again_for_a_server_it_was_not_given_for(runtime: Runtime, school: School, of: str) -> None:
    settings, harmless, elsewhere, opened = LED[of]
    keeper = Keeper.of(runtime, school.actor("principal"))

    def change(wanted: dict[str, Any], given: dict[str, str]) -> channels.Seen:
        return channels.set_up(keeper, "one", channels.Change(of, settings=wanted, secrets=given))

    change(settings, opened)
    assert change(harmless, {}).set_up.enabled
    for given in ({}, dict(list(opened.items())[1:])):
        with pytest.raises(InvalidInput) as refused:
            change(elsewhere, given)
        assert [fault.field for fault in refused.value.fields] == [f"secrets.{next(iter(opened))}"]
    assert change(elsewhere, opened).set_up.settings.items() >= elsewhere.items()
