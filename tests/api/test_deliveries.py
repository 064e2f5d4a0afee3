"""What was sent to whom is in sight: to each his own, to who oversees all of it; and the dead are counted and sent again."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from api.bootstrap import Runtime
from api.cli import main
from engine.clock import SimulatedClock
from engine.errors import Locale
from engine.events import Notice
from engine.store.database import Database, table_of
from notifications import deliveries
from notifications.deliveries import Stuck
from notifications.message import NOBODY, ORGANISATION, Addressee, Planned, Status
from notifications.tables import DeliveryRow
from tests.api.test_routes import opened
from tests.builders import START, School, a_runtime, a_school

DELIVERY = table_of(DeliveryRow)
CASE = "WX-2020-0001"


def a_notice(number: str, sequence: int = 1, reason: str = "waiting") -> Notice:
    about = {
        "number": number, "workflow": "repair", "workflow_title": {"zh": "报修", "en": "Repair"}, "title": {"zh": "插座松动", "en": "Socket"},
        "place": "A-101", "state": "reported", "path": f"/api/v1/repairs/{number}",
    }  # fmt: skip
    return Notice(
        f"{number}:{sequence}:{reason}", "school", number, sequence, reason, ("safety_staff",), "direct", START, about
    )


def write_down(
    database: Database, person: str, channel: str = "email", *, number: str = CASE, sequence: int = 1,
    status: Status = "sent", answer: str = "250 ok", later: int = 0, locale: Locale = "zh",
) -> str:  # fmt: skip
    """A delivery that came to stand so; `later` minutes after the start."""
    at = START + timedelta(minutes=later)
    planned = Planned(
        a_notice(number, sequence), Addressee(person, person, locale), channel, "direct", "waiting", at,
        account="" if channel == NOBODY else f"{channel}1",
    )  # fmt: skip
    values = {"status": status, "answer": answer, "sent_at": at if status == "sent" else None, "attempts": 1}
    with database.write("school") as connection:
        deliveries.plan(connection, [planned], at)
        connection.execute(update(DELIVERY).where(DELIVERY.c.id == planned.id).values(**values))
    return planned.id


def asked(client: httpx.Client, school: School, person: str, query: str = "", locale: str = "en") -> httpx.Response:
    return client.get(f"/api/v1/deliveries{query}", headers=school.headers(person, Accept_Language=locale))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


# --- who may see what ----------------------------------------------------------------------------------------------------


def test_each_sees_his_own_and_who_oversees_all(runtime: Runtime, client: httpx.Client, school: School) -> None:
    mine = write_down(runtime.database, "teacher")
    other = write_down(runtime.database, "repairer", later=1)
    assert ids(asked(client, school, "teacher")) == [mine]
    assert ids(asked(client, school, "teacher", "?person=me")) == [mine]
    assert asked(client, school, "teacher", "?person=repairer").status_code == 403
    assert ids(asked(client, school, "safety_head")) == [other, mine]
    assert ids(asked(client, school, "safety_head", "?person=teacher")) == [mine]
    assert ids(asked(client, school, "hqc_head")) == []
    for person, delivery, status in (("teacher", mine, 200), ("teacher", other, 404), ("auditor", other, 200)):
        assert asked(client, school, person, f"/{delivery}").status_code == status
    assert asked(client, a_school(runtime.database, "beside"), "safety_head", f"/{mine}").status_code == 404


def test_deliveries_are_chosen_by_what_they_are_asked_by(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    by = {
        "sent": write_down(runtime.database, "teacher"),
        "dead": write_down(runtime.database, "teacher", "sms", status="dead", answer="refused for good: 27", later=1),
        "nobody": write_down(runtime.database, NOBODY, NOBODY, status="unreachable", answer="nobody is here", later=2),
        "other": write_down(runtime.database, "teacher", number="WX-2020-0002", later=3),
    }
    for query, found in [
        ("?status=sent", ["other", "sent"]), ("?dead=true", ["nobody", "dead"]), ("?channel=sms", ["dead"]),
        ("?account=sms1", ["dead"]), (f"?case={CASE}&status=sent", ["sent"]), ("?case=WX-2020-0009", []),
    ]:  # fmt: skip
        assert ids(asked(client, school, "safety_head", query)) == [by[name] for name in found], query
    for wrong in ("?status=lost", "?state=sent", "?cursor=x", "?case=%00", f"?cursor={by['dead']}x"):
        assert asked(client, school, "safety_head", wrong).status_code == 422


def test_what_the_program_said_itself_is_told_in_the_readers_language_and_what_a_service_said_as_it_said_it(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    write_down(runtime.database, "teacher", status="dead", answer="gave up after 12 tries: 550 User_unknown")
    for locale, said in (
        ("en", "gave up after 12 tries: 550 User_unknown"),
        ("zh", "试了 12 次，不再重试：550 User_unknown"),
    ):
        assert [item["answer"] for item in asked(client, school, "teacher", locale=locale).json()["items"]] == [said]


def test_the_list_is_paged_and_a_cursor_of_somebody_else_s_is_none(
    runtime: Runtime, client: httpx.Client, school: School
) -> None:
    whole = [write_down(runtime.database, "teacher", sequence=n, later=n // 2) for n in range(5)]
    foreign = write_down(runtime.database, "repairer", later=9)
    found, cursor = [], ""
    while True:
        page = asked(client, school, "teacher", f"?limit=2{cursor}")
        found += ids(page)
        if page.json()["next"] is None:
            break
        assert f"cursor={page.json()['next']}" in page.headers["link"]
        cursor = f"&cursor={page.json()['next']}"
    assert sorted(found) == sorted(whole) and len(found) == 5
    assert asked(client, school, "teacher", f"?cursor={foreign}").status_code == 422


def test_a_message_is_shown_as_it_went(runtime: Runtime, client: httpx.Client, school: School) -> None:
    mine = write_down(runtime.database, "teacher")
    told = asked(client, school, "teacher", f"/{mine}").json()
    assert "插座松动" in told["body"] and CASE in told["subject"]
    assert (told["status_text"], told["answer"], told["link"]) == ("taken by the channel", "250 ok", told["link"])
    number = opened(client, school)["number"]
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.deliver()
    runtime.clock.advance(timedelta(days=1))  # the next morning's digest has left
    runtime.deliver()
    desk = client.get("/api/v1/people/me/inbox", headers=school.headers("safety_staff")).json()["items"][0]
    [delivery] = ids(asked(client, school, "safety_staff", f"?person=me&case={number}"))
    read = asked(client, school, "safety_staff", f"/{delivery}").json()
    assert (read["subject"], read["body"], read["link"]) == (desk["subject"], desk["body"], desk["link"])


# --- of a case -----------------------------------------------------------------------------------------------------------


def test_a_case_says_person_by_person_who_was_told(runtime: Runtime, client: httpx.Client, school: School) -> None:
    number = opened(client, school)["number"]
    first = write_down(runtime.database, "safety_staff", number=number)
    write_down(runtime.database, ORGANISATION, "webhook", number=number, status="dead", answer="410 gone", later=1)
    again = write_down(runtime.database, "safety_staff", "sms", number=number, later=2)

    def told(person: str, locale: str = "en") -> httpx.Response:
        headers = school.headers(person, Accept_Language=locale)
        return client.get(f"/api/v1/repairs/{number}/deliveries", headers=headers)

    body = told("safety_head").json()
    assert [(line["to"], line["name"]) for line in body["items"]] == [
        ("safety_staff", "安稳办专职"), ("*", "the organisation's own address"),
    ]  # fmt: skip
    assert [item["id"] for item in body["items"][0]["items"]] == [again, first]
    assert body["items"][1]["items"][0]["answer"] == "410 gone"
    as_reporter = told("teacher", "zh").json()
    assert as_reporter["items"][0]["name"] == "本校人员", "he may see no names"
    assert as_reporter["items"][0]["items"][0]["answer"] is None
    assert told("driver").status_code == 404
    assert client.get("/api/v1/repairs/WX-2020-0999/deliveries", headers=school.headers("teacher")).status_code == 404


# --- the command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Three dead by two channels, one sent, one that reached nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "error")
    monkeypatch.setenv("BIHUAN_DATA", "data")
    runtime = a_runtime(tmp_path / "data", "sqlite")
    a_school(runtime.database)
    write_down(runtime.database, "teacher")
    for n in (2, 3):
        write_down(
            runtime.database, "teacher", "sms", sequence=n, status="dead", answer="refused for good: 27", later=n
        )
    write_down(runtime.database, "teacher", sequence=4, status="dead", answer="gave up: 550 User_unknown", later=4)
    write_down(runtime.database, NOBODY, NOBODY, sequence=5, status="unreachable", answer="nobody", later=24 * 60)
    runtime.close()
    return Database.in_file(tmp_path / "data" / "bihuan.db")


def outbox(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["outbox", *arguments])


def told(*arguments: str) -> Any:
    done = outbox(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_outbox_is_listed_by_what_is_asked(data: Database) -> None:
    assert len(told("list")) == 5
    assert len(told("list", "--dead")) == 4
    assert {line["account"] for line in told("list", "--channel", "sms")} == {"sms1"}
    assert [line["status"] for line in told("list", "--person", "teacher", "--status", "sent")] == ["sent"]


def test_the_list_says_when_each_was_planned_and_sent_or_is_tried_next_by_the_schools_clock(data: Database) -> None:
    with data.write("school") as connection:
        later = START + timedelta(days=1, hours=14)
        values = {"status": "waiting", "not_before": later, "answer": "no answer: it took too long"}
        connection.execute(update(DELIVERY).where(DELIVERY.c.status == "unreachable").values(**values, channel="sms"))
    waiting, dead, *_, sent = outbox("list").stdout.splitlines()[1:]
    assert "  2020-03-03 09:00  下次 2020-03-03 23:00  1  对方没有答复：超时 · no answer: it took too long" in waiting
    assert "  2020-03-02 09:04  -  1  gave up: 550" in dead
    assert "  2020-03-02 09:00  发出 2020-03-02 09:00  1  250 ok" in sent


def test_a_delivery_is_shown_with_its_message(data: Database) -> None:
    [sent] = told("list", "--status", "sent")
    shown = outbox("show", sent["id"])
    assert "插座松动" in shown.stdout and "答复 answer  250 ok" in shown.stdout
    assert "计划 planned  2020-03-02 09:00\n发出 sent  2020-03-02 09:00\n" in shown.stdout, "by the school's clock"
    assert told("show", sent["id"])["subject"].startswith("待办")
    unknown = outbox("show", "msg_none")
    assert (unknown.exit_code, "there is no delivery 'msg_none'" in unknown.stderr) == (1, True)


def test_figures_say_how_much_is_where_and_why_what_is_dead_is_dead(data: Database) -> None:
    figures = told("figures")
    assert figures["depth"] == {"dead": 3, "sent": 1, "unreachable": 1}
    assert figures["by_channel"] == {"none": {"unreachable": 1}, "email": {"dead": 1, "sent": 1}, "sms": {"dead": 2}}
    assert [(cause["account"], cause["count"]) for cause in figures["causes"]] == [
        ("sms1", 2),
        (None, 1),
        ("email1", 1),
    ]
    assert "2  sms1  2020-03-02  对方拒收：27 · refused for good: 27" in outbox("figures").stdout


@pytest.mark.parametrize(
    "options, count",
    [
        ((), 4), (("--channel", "sms"), 2), (("--account", "email1"), 1), (("--cause", "user_UNKNOWN"), 1),
        (("--cause", "user%"), 0), (("--since", "2020-03-03"), 1), (("--since", "2020-03-02 09:04"), 2),
        (("--channel", "sms", "--cause", "550"), 0),
    ],
)  # fmt: skip
def test_what_is_redriven_is_counted_first(options: tuple[str, ...], count: int, data: Database) -> None:
    assert told("redrive", "--dry-run", *options)["would_redrive"] == count
    assert len(told("list", "--dead")) == 4
    assert told("redrive", *options)["redriven"] == count
    with data.read("school") as connection:
        left = deliveries.stuck_ids(connection, "school", Stuck())
    # simulated: what was redriven is held; nobody answers to the audience still
    assert len(left) >= 4 - count and told("list", "--status", "waiting") == []


def test_only_dead_letters_can_be_named(data: Database) -> None:
    [sent] = told("list", "--status", "sent")
    refused = outbox("redrive", sent["id"])
    assert (refused.exit_code, "No dead letters of this organisation" in refused.stderr) == (1, True)
    [dead] = told("list", "--channel", "email", "--status", "dead")
    assert told("redrive", dead["id"])["redriven"] == 1


def test_causes_are_those_of_what_is_meant(data: Database) -> None:
    with data.read("school") as connection:
        found = deliveries.causes(connection, "school", Stuck(channel="sms"))
        assert [(cause.answer, cause.count, cause.since) for cause in found] == [
            ("refused for good: 27", 2, START + timedelta(minutes=2))
        ]  # fmt: skip
        assert deliveries.causes(connection, "beside", Stuck()) == []
