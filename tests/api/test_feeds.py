"""Calendars to subscribe to: whoever holds the link reads what its maker may see at that moment, and no telephone keeps more."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from icalendar import Calendar
from sqlalchemy import select

from api import feeds, logs
from api.app import create_app
from api.bootstrap import Runtime
from api.schedule import OPENS_BEFORE
from engine.actor import Grant
from engine.calendar import Break
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.cycles import OnEvent, periods_between
from engine.directory import Absence
from engine.errors import Text
from engine.events import LOGBOOK
from engine.handle import Done, handle
from engine.store import accounts, calendars, history, people, periods
from engine.store.database import table_of
from engine.store.tables import FeedRow
from tests.builders import START, School, a_calendar, a_runtime, a_school, a_session
from tests.databases import Kind
from tests.fakes import calling
from workflows import CATALOG
from workflows.calendars import official
from workflows.inspection import CYCLE

TODAY = START.date()
PREFIX = "JC-"  # of inspections


@dataclass(frozen=True)
class SignedIn(School):
    """People who signed in with their passwords: a token is told no link."""

    runtime: Runtime | None = None

    def headers(self, person: str, **more: str) -> dict[str, str]:
        assert self.runtime is not None
        return a_session(self.runtime, self, person, **more)


def of_people(runtime: Runtime, organisation: str) -> SignedIn:
    return SignedIn(a_school(runtime.database, organisation).organisation, runtime=runtime)


@pytest.fixture
def school(runtime: Runtime, school: School) -> SignedIn:
    return SignedIn(school.organisation, runtime=runtime)


def made(client: httpx.Client, headers: dict[str, str], department: str | None = None) -> dict[str, Any]:
    answer = client.post("/api/v1/feeds", json={"department": department}, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    feed: dict[str, Any] = answer.json()
    return feed


def path_of(feed: dict[str, Any]) -> str:
    """Where the link leads on our own server."""
    path: str = feed["address"].removeprefix("http://127.0.0.1:8000")
    assert re.fullmatch(r"/feeds/[A-Za-z0-9_-]{24}\.ics", path)
    return path


def read(client: httpx.Client, path: str) -> dict[str, Any]:
    """The calendar behind a link, by what its entries are called uniquely."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return entries_of(answer.content)


def parsed(content: bytes) -> Any:
    """As a telephone's calendar reads it. Any, since a property may be of thirty types."""
    return Calendar.from_ical(content)


def entries_of(content: bytes) -> dict[str, Any]:
    for line in content.split(b"\r\n"):
        assert len(line) <= 75
        line.decode("utf-8")  # no character is cut in two
    entries = parsed(content).walk("VEVENT")
    found = {str(entry["uid"]): entry for entry in entries}
    assert len(found) == len(entries), "no two are called the same"
    return found


def numbers(found: dict[str, Any]) -> set[str]:
    return {uid.partition("@")[0] for uid in found if uid.startswith("WX-")}


@pytest.fixture
def carry_out(runtime: Runtime, school: School) -> Callable[..., str]:
    """Somebody opens a repair, or takes a step of one; gives its number."""

    def one(person: str, what: str, number: str | None = None, **data: Any) -> str:
        command = OpenCase("repair", data) if number is None else FireTrigger(number, what, data)
        [outcome] = handle(runtime.engine, [Asked(school.actor(person), command)])
        assert isinstance(outcome, Done), outcome
        return outcome.case.number

    return one


@pytest.fixture
def assigned(carry_out: Callable[..., str]) -> str:
    """A repair of logistics that its repairer holds, due in three working days."""
    number = carry_out("teacher", "open", title="插座松动", place="教学楼 201")
    return carry_out("safety_staff", "assign", number, assignee="repairer")


# --- links ---------------------------------------------------------------------------------------------------------------


def test_a_link_is_made_shown_again_alike_and_revoked_for_good(client: httpx.Client, school: School) -> None:
    headers = school.headers("repairer")
    first = client.post("/api/v1/feeds", json={}, headers=headers)
    assert (first.status_code, first.headers["location"]) == (201, f"/api/v1/feeds/{first.json()['id']}")
    feed = first.json()
    assert feed["department"] is None and feed["fetched_on"] is None and feed["revoked_at"] is None
    again = client.post("/api/v1/feeds", json={"department": None}, headers=headers)
    assert (again.status_code, again.json()) == (200, feed), "whoever has one gets the same"
    of_department = made(client, headers, "HQC")
    listed = client.get("/api/v1/feeds", headers=headers).json()["items"]
    assert listed == [feed, of_department]
    assert client.get(path_of(feed)).status_code == 200
    gone = client.delete(f"/api/v1/feeds/{feed['id']}", headers=headers).json()
    assert gone["revoked_at"] and gone["address"] is None
    assert client.delete(f"/api/v1/feeds/{feed['id']}", headers=headers).json() == gone, "once more changes nothing"
    assert client.get(path_of(feed)).status_code == 404
    another = made(client, headers)
    assert another["address"] != feed["address"]
    assert client.get(path_of(feed)).status_code == 404, "the old one leads nowhere"


def test_each_change_stands_in_the_logbook(client: httpx.Client, runtime: Runtime, school: School) -> None:
    headers = school.headers("hqc_head")
    feed = made(client, headers, "HQC")
    made(client, headers, "HQC")
    for _ in range(2):
        client.delete(f"/api/v1/feeds/{feed['id']}", headers=headers)
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", LOGBOOK)
    assert [(event.trigger, event.actor, dict(event.data)) for event in events] == [
        ("feed_changed", "person:hqc_head", {"feed": feed["id"], "department": "HQC", "what": what})
        for what in ("made", "revoked")
    ]


def test_what_a_link_holds_lies_nowhere_in_the_database_and_in_no_log(
    client: httpx.Client, runtime: Runtime, school: School, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")
    feed = made(client, school.headers("teacher"))
    token = path_of(feed).removeprefix("/feeds/").removesuffix(".ics")
    for path in (path_of(feed), f"/feeds/{token}", f"/feeds/{token}.ics?x=1"):
        client.get(path)
    with runtime.database.read_across() as connection:
        [row] = connection.execute(select(table_of(FeedRow))).all()
    assert token not in str(row) and len(row.token_hash) == 64
    said = capsys.readouterr().err
    assert "/feeds/…" in said and token not in said


@pytest.mark.parametrize("allows", ["read", "act"])
def test_a_token_is_told_no_link_and_makes_none_which_would_outlive_it(
    client: httpx.Client, runtime: Runtime, school: School, allows: accounts.Allows
) -> None:
    feed = made(client, school.headers("teacher"))
    with runtime.database.write("school") as connection:
        ends = START + timedelta(days=1)
        accounts.add_token(connection, "school", "teacher", "bh_ends", "figures", START, ends, allows)
    token = {"Authorization": "Bearer bh_ends", "Accept-Language": "en"}
    assert client.get("/api/v1/feeds", headers=token).json()["items"] == [{**feed, "address": None}]
    for body in ({}, {"department": "HQC"}):  # one that there is already, and another
        refused = client.post("/api/v1/feeds", json=body, headers=token)
        assert refused.status_code == 403 and "token" in refused.json()["obstacle"], refused.text
        assert allows == "read" or refused.json()["remedy"] == "Sign in with your password and do it there"
    assert client.get("/api/v1/feeds", headers=token).json()["items"] == [{**feed, "address": None}]
    page = client.get("/calendar", headers=token)
    assert page.status_code == 200 and path_of(feed) not in page.text
    assert path_of(feed) in client.get("/calendar", headers=school.headers("teacher")).text
    revoked = client.delete(f"/api/v1/feeds/{feed['id']}", headers=token)
    assert revoked.status_code == (200 if allows == "act" else 403), "who may act ends a link by it"


@pytest.mark.parametrize("method, path", [("POST", "password"), ("DELETE", "sessions")])
def test_who_is_shut_out_by_an_administrator_has_no_link_left(
    client: httpx.Client, runtime: Runtime, school: School, method: str, path: str
) -> None:
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "principal", Grant("administrator"))
    feed, others = made(client, school.headers("teacher")), made(client, school.headers("teacher2"))
    headers = school.headers("principal")
    assert client.request(method, f"/api/v1/people/teacher/{path}", headers=headers).status_code == 200
    assert (client.get(path_of(feed)).status_code, client.get(path_of(others)).status_code) == (404, 200)
    with_a_token = School("school").headers("teacher")  # he has to choose a password before he sees anything else
    assert client.get("/api/v1/feeds", headers=with_a_token).json()["items"] == []


def test_another_one_s_link_is_nobody_s_to_see_or_to_revoke(client: httpx.Client, school: School) -> None:
    feed = made(client, school.headers("teacher"))
    for person in ("principal", "teacher2"):
        headers = school.headers(person)
        assert client.get("/api/v1/feeds", headers=headers).json()["items"] == []
        answer = client.delete(f"/api/v1/feeds/{feed['id']}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_feed")
    assert client.get(path_of(feed)).status_code == 200


#: who asks for the calendar of which department, and how it is answered
ASKED_FOR: list[tuple[str, Any, int]] = [
    ("hqc_head", "HQC", 201), ("repairer", "HQC", 201), ("principal", "XB1", 201), ("auditor", "HQC", 201),
    ("hqc_head", "XB1", 422), ("teacher", "XB1", 422), ("driver", "HQC", 422), ("principal", "NONE", 422),
    ("principal", "*", 422), ("principal", "", 422), ("principal", "x" * 65, 422), ("principal", "a\x00", 422),
    ("principal", 5, 422),
]  # fmt: skip


def test_a_department_s_calendar_is_for_who_may_see_its_cases(client: httpx.Client, school: School) -> None:
    for person, department, status in ASKED_FOR:
        answer = client.post("/api/v1/feeds", json={"department": department}, headers=school.headers(person))
        assert answer.status_code == status, (person, department, answer.text)
        if status == 422:
            assert [fault["field"] for fault in answer.json()["fields"]] == ["department"]


@pytest.mark.parametrize("change", ["revoked", "forged", "cut", "longer", "no token", "deactivated", "without ending"])
def test_a_link_that_leads_nowhere_is_answered_alike(
    client: httpx.Client, runtime: Runtime, school: School, change: str
) -> None:
    headers = school.headers("teacher", Accept_Language="en")
    feed = made(client, headers)
    path = path_of(feed)
    if change == "revoked":
        client.delete(f"/api/v1/feeds/{feed['id']}", headers=headers)
    if change == "deactivated":
        with runtime.database.write("school") as connection:
            person = people.person(connection, "school", "teacher")
            assert person is not None
            people.update_person(connection, replace(person, active=False))
    token = path.removeprefix("/feeds/").removesuffix(".ics")
    other = {
        "forged": ("B" if token[0] == "A" else "A") + token[1:],
        "cut": token[:-1],
        "longer": "x" * 5000,
        "no token": "东门",
    }
    asked = "/feeds/" + other.get(change, token) + ("" if change == "without ending" else ".ics")
    answer, never = client.get(asked, headers=headers), client.get("/feeds/never.ics", headers=headers)
    assert answer.status_code == 404
    if change != "without ending":
        told = [{key: value for key, value in each.json().items() if key != "instance"} for each in (answer, never)]
        assert told[0] == told[1] and told[0]["code"] == "unknown_feed"
        assert runtime.strangers.counted() == {"no_feed": 2}
    assert "set-cookie" not in answer.headers


def test_where_the_key_was_lost_links_go_on_and_are_only_not_shown_again(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    headers = school.headers("teacher")
    path = path_of(made(client, headers))
    (runtime.folder.keys / "feeds").unlink()
    del runtime.feeds_key  # as another process finds it
    assert client.get(path).status_code == 200
    [listed] = client.get("/api/v1/feeds", headers=headers).json()["items"]
    assert listed["address"] is None


# --- what is read --------------------------------------------------------------------------------------------------------


def test_a_deadline_is_a_day_or_an_instant_and_grows_with_its_case(
    client: httpx.Client, runtime: Runtime, school: School, carry_out: Callable[..., str]
) -> None:
    number = carry_out("teacher", "open", title="插座松动", place="教学楼 201")
    office = path_of(made(client, school.headers("safety_staff")))
    before = read(client, office)[f"{number}@school"]
    assert before["dtstart"].params["TZID"] == "Asia/Shanghai"
    assert before["dtstart"].dt.astimezone(UTC) == START + timedelta(hours=24), "a day's hours, to the minute"
    assert "dtend" not in before and before["transp"] == "TRANSPARENT" and before["status"] == "CONFIRMED"
    [zone] = parsed(client.get(office).content).walk("VTIMEZONE")
    assert zone["tzid"] == "Asia/Shanghai" and zone.walk("STANDARD")[0]["tzoffsetto"].td == timedelta(hours=8)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(minutes=5))
    carry_out("safety_staff", "assign", number, assignee="repairer")
    assert read(client, office) == {}, "it waits for somebody else now"
    mine = path_of(made(client, school.headers("repairer")))
    entry = read(client, mine)[f"{number}@school"]
    assert (entry["dtstart"].dt, entry["dtend"].dt) == (date(2020, 3, 5), date(2020, 3, 6)), (
        "a whole day, three working days on"
    )
    assert not parsed(client.get(mine).content).walk("VTIMEZONE")
    assert entry["summary"] == "插座松动（教学楼 201）" and entry["location"] == "教学楼 201"
    assert entry["url"] == f"http://127.0.0.1:8000/cases/{number}"
    assert entry["description"] == f"报修 {number}\n目前：已交办"
    assert entry["sequence"] > before["sequence"]
    assert entry["last-modified"].dt == entry["dtstamp"].dt == START + timedelta(minutes=5)
    carry_out("repairer", "fix", number, done="已更换")
    carry_out("safety_staff", "verify", number)
    carry_out("safety_head", "close", number)
    for path in (mine, office, path_of(made(client, school.headers("hqc_head"), "HQC"))):
        assert read(client, path) == {}, "what is closed is in no calendar any more"


#: who → whether the repairer's case waits for him, and stands in logistics' calendar; None where he gets no link to that
SEES: dict[str, tuple[bool, bool | None]] = {
    "repairer": (True, True), "repairer2": (False, True), "hqc_head": (False, True), "safety_staff": (False, True),
    "principal": (False, True), "teacher": (False, None), "xb1_safety": (False, None), "driver": (False, None),
}  # fmt: skip


def test_who_sees_what(client: httpx.Client, school: School, assigned: str) -> None:
    for person, (mine, logistics) in SEES.items():
        headers = school.headers(person)
        assert numbers(read(client, path_of(made(client, headers)))) == ({assigned} if mine else set()), person
        if logistics is not None:
            found = read(client, path_of(made(client, headers, "HQC")))
            assert numbers(found) == ({assigned} if logistics else set()), person


def test_what_he_may_see_now_decides_and_not_when_he_made_the_link(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    path = path_of(made(client, school.headers("hqc_head"), "HQC"))
    assert numbers(read(client, path)) == {assigned}
    with runtime.database.write("school") as connection:
        people.withdraw(connection, "school", "hqc_head", "dept_head", "HQC", TODAY)
    assert numbers(read(client, path)) == {assigned}, "his last day"
    runtime.clock.advance(timedelta(days=1))
    assert read(client, path) == {}, "a telephone clears what it had, where a refusal would leave it there"
    with runtime.database.write("school") as connection:
        people.give(connection, "school", "hqc_head", Grant("auditor"))
    assert numbers(read(client, path)) == {assigned}


def test_who_stands_in_has_what_waits_for_whom_he_represents_while_he_does(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    path = path_of(made(client, school.headers("teacher2")))
    assert numbers(read(client, path)) == set()
    absence = Absence("a" * 32, "repairer", TODAY, TODAY + timedelta(days=1), "teacher2")
    with runtime.database.write("school") as connection:
        people.add_absence(connection, "school", absence)
    entry = read(client, path)[f"{assigned}@school"]
    assert entry["description"].splitlines()[-1] == "代 维修人员 办理"
    runtime.clock.advance(timedelta(days=2))
    assert numbers(read(client, path)) == set()


def test_the_calendar_is_in_the_language_its_owner_reads_messages_in(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    path = path_of(made(client, school.headers("repairer")))
    of_department = path_of(made(client, school.headers("repairer"), "HQC"))
    calendar = parsed(client.get(path, headers={"Accept-Language": "en"}).content)
    assert calendar["x-wr-calname"] == calendar["name"] == "闭环：我的待办"
    with runtime.database.write("school") as connection:
        person = people.person(connection, "school", "repairer")
        assert person is not None
        people.update_person(connection, replace(person, locale="en"))
    answer = client.get(path, headers={"Accept-Language": "zh"})
    calendar = parsed(answer.content)
    assert answer.headers["content-language"] == "en" and calendar["x-wr-calname"] == "Bihuan: waiting for me"
    [entry] = calendar.walk("VEVENT")
    assert entry["summary"] == "插座松动 (教学楼 201)"
    assert entry["description"] == f"Repair {assigned}\nIt stands at: Assigned"
    assert parsed(client.get(of_department).content)["x-wr-calname"] == "Bihuan: Logistics"


def test_it_asks_to_be_fetched_every_four_hours_and_names_the_school_s_time_zone(
    client: httpx.Client, school: School
) -> None:
    content = client.get(path_of(made(client, school.headers("teacher")))).content
    for line in (
        b"VERSION:2.0",
        b"REFRESH-INTERVAL;VALUE=DURATION:PT4H",
        b"X-PUBLISHED-TTL:PT4H",
        b"X-WR-TIMEZONE:Asia/Shanghai",
    ):
        assert line in content.split(b"\r\n")
    assert b"METHOD" not in content, "nobody is invited"


def test_what_did_not_change_is_the_same_bytes_and_not_sent_again(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str, carry_out: Callable[..., str]
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    path = path_of(made(client, school.headers("repairer")))
    first = client.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    runtime.clock.advance(timedelta(hours=2))
    for known in (first.headers["etag"], f"W/{first.headers['etag']}", f'"x", {first.headers["etag"]}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert client.get(path, headers={"If-None-Match": '"x"'}).content == first.content
    head = client.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", first.headers["etag"])
    carry_out("repairer", "fix", assigned, done="已更换")
    changed = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and entries_of(changed.content) == {}


def test_the_day_of_the_last_fetch_is_the_school_s(client: httpx.Client, runtime: Runtime, school: School) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    path = path_of(made(client, school.headers("teacher")))
    for hours, day in ((0, "2020-03-02"), (14, "2020-03-02"), (2, "2020-03-03")):
        runtime.clock.advance(timedelta(hours=hours))
        client.get(path)
        [listed] = client.get("/api/v1/feeds", headers=school.headers("teacher")).json()["items"]
        assert listed["fetched_on"] == day


def test_another_school_s_link_shows_its_own_cases_alone(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    """The same numbers, the same people: which school it is says the link."""
    south = of_people(runtime, "south")
    opened = OpenCase("repair", {"title": "SOUTH", "place": "SOUTH"})
    [outcome] = handle(runtime.engine, [Asked(south.actor("teacher"), opened)])
    assert isinstance(outcome, Done) and outcome.case.number == assigned
    theirs, ours = (path_of(made(client, each.headers("principal"), "HQC")) for each in (south, school))
    assert {str(entry["summary"]) for entry in read(client, theirs).values()} == {"SOUTH（SOUTH）"}
    assert {str(entry["summary"]) for entry in read(client, ours).values()} == {"插座松动（教学楼 201）"}
    assert set(read(client, theirs)) == {f"{assigned}@south"}
    feed = made(client, south.headers("teacher"))
    answer = client.delete(f"/api/v1/feeds/{feed['id']}", headers=school.headers("teacher"))
    assert answer.status_code == 404


def test_a_bureau_s_person_reads_what_he_was_granted_and_nothing_once_he_left_home(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    bureau = of_people(runtime, "bureau")
    with runtime.database.write_across() as connection:
        people.give(connection, "school", "teacher@bureau", Grant("auditor"))
    headers = bureau.headers("teacher", Bihuan_Organisation="school")
    path = path_of(made(client, headers, "HQC"))
    assert numbers(read(client, path)) == {assigned}
    with runtime.database.write("bureau") as connection:
        person = people.person(connection, "bureau", "teacher")
        assert person is not None
        people.update_person(connection, replace(person, active=False))
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method, path", [("POST", "password"), ("DELETE", "sessions")])
def test_who_is_shut_out_at_home_has_no_link_left_that_he_made_inside_a_school(
    client: httpx.Client, runtime: Runtime, school: School, method: str, path: str
) -> None:
    """His alone: somebody of the school who is called as he is keeps his own, and so does whoever is beside him."""
    bureau = of_people(runtime, "bureau")
    with runtime.database.write_across() as connection:
        people.give(connection, "bureau", "principal", Grant("administrator"))
        for person in ("teacher", "teacher2"):
            people.give(connection, "school", f"{person}@bureau", Grant("auditor"))
    inside, others = (
        path_of(made(client, bureau.headers(person, Bihuan_Organisation="school"), "HQC"))
        for person in ("teacher", "teacher2")
    )
    school_s = path_of(made(client, school.headers("teacher")))
    assert client.get(inside).status_code == 200
    answer = client.request(method, f"/api/v1/people/teacher/{path}", headers=bureau.headers("principal"))
    assert answer.status_code == 200
    assert [client.get(each).status_code for each in (inside, others, school_s)] == [404, 200, 200]


HOSTILE = [
    "一" * 200, "逗号,分号;反斜杠\\引号\"", "🔥" * 60, "BEGIN:VEVENT END:VCALENDAR", "👩‍🔧 修好了", "\\n\\, :;=", "a" * 74 + "一",
]  # fmt: skip


def test_a_title_arrives_as_it_was_written_and_adds_no_line(
    client: httpx.Client, school: School, carry_out: Callable[..., str]
) -> None:
    opened = {carry_out("teacher", "open", title=title, place=title[:60]): title for title in HOSTILE}
    found = read(client, path_of(made(client, school.headers("safety_staff"))))
    assert numbers(found) == set(opened)
    for number, title in opened.items():
        entry = found[f"{number}@school"]
        assert entry["summary"] == f"{title}（{title[:60]}）" and entry["location"] == title[:60]


def test_only_the_month_behind_and_the_half_year_ahead_are_told(
    client: httpx.Client, runtime: Runtime, school: School, assigned: str
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    paths = [path_of(made(client, school.headers("repairer"), department)) for department in (None, "HQC")]
    for days, there in ((34, True), (1, False)):  # due on the third day
        runtime.clock.advance(timedelta(days=days))
        for path in paths:
            assert numbers(read(client, path)) == ({assigned} if there else set())


@pytest.mark.slow
def test_a_department_with_very_much_to_do_has_the_nearest_of_it(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    actor = school.actor("teacher")
    late, soon = (feeds.MOST // 2 + 2, feeds.MOST // 2 + 3)
    for how_many in (late, soon):
        asked = [Asked(actor, OpenCase("repair", {"title": "t", "place": "p"})) for _ in range(how_many)]
        assert all(isinstance(outcome, Done) for outcome in handle(runtime.engine, asked))
        runtime.clock.advance(timedelta(days=5))
    for person, department in (("principal", "HQC"), ("safety_staff", None)):
        answer = client.get(path_of(made(client, school.headers(person), department)))
        assert len(entries_of(answer.content)) == feeds.MOST
        assert f"只列出最近的 {feeds.MOST} 项" in parsed(answer.content)["x-wr-caldesc"]
        assert len(answer.content) < 400_000


def test_only_so_many_are_written_at_once_and_whoever_comes_then_is_told_when_to_ask_again(
    client: httpx.Client, school: School
) -> None:
    path = path_of(made(client, school.headers("teacher")))
    with ExitStack() as taken:
        for _ in range(feeds.AT_ONCE):
            taken.enter_context(feeds.BEING_WRITTEN.one(Text("读", "read"), Text("忙", "busy")))
        busy = client.get(path)
        assert (busy.status_code, busy.json()["code"]) == (503, "busy") and int(busy.headers["retry-after"]) > 0
        assert client.get("/feeds/never.ics").status_code == 404, "a guess costs no more than a look"
    assert client.get(path).status_code == 200


# --- what comes by itself ------------------------------------------------------------------------------------------------


@pytest.fixture
def inspecting(tmp_path: Path, kind: Kind) -> Iterator[tuple[httpx.Client, Runtime, School]]:
    """A school with the real loops, where logistics and a department of teachers owe a report each month."""
    with closing(a_runtime(tmp_path / "real", kind, catalog=CATALOG)) as runtime:
        school = of_people(runtime, "school")
        with runtime.database.write("school") as connection:
            for department in ("HQC", "XB1"):
                periods.owe(connection, periods.Obligation("school", CYCLE, department, TODAY.replace(day=1)))
        runtime.tick()
        with calling(create_app(runtime)) as client:
            yield client, runtime, school


def test_no_period_of_a_cycle_opens_longer_before_its_day_than_is_looked_back() -> None:
    calendar = official(years=[2019, 2020, 2021])
    for _, rule in CATALOG.cycles():
        if not isinstance(rule.cycle.every, OnEvent):
            for period in periods_between(rule.cycle, calendar, date(2019, 12, 31), date(2020, 12, 31)):
                assert period.due_at - period.opens_at < OPENS_BEFORE, rule.cycle.key


#: who asks for whose calendar, and how many open inspections and turns to come stand in it
OWED = [
    ("hqc_safety", None, 1, 5), ("hqc_head", None, 0, 0), ("hqc_head", "HQC", 1, 5), ("teacher", None, 0, 0),
    ("principal", "HQC", 1, 5), ("principal", "BWC", 0, 0), ("principal", None, 0, 0),
]  # fmt: skip


def test_rounds_that_are_still_to_open_stand_there_for_who_will_have_them_to_do(
    inspecting: tuple[httpx.Client, Runtime, School],
) -> None:
    """Half a year from March: this month's is open, the five from April to August are not."""
    client, _, school = inspecting
    for person, department, cases, turns in OWED:
        found = read(client, path_of(made(client, school.headers(person), department)))
        ahead = {uid: entry for uid, entry in found.items() if uid.startswith(f"{CYCLE}/")}
        opened = {uid for uid in found if uid.startswith(PREFIX)}
        assert (len(opened), len(ahead), len(found)) == (cases, turns, cases + turns), (person, department)
        if turns:
            entry = ahead[f"{CYCLE}/2020-04@school"]
            assert (entry["dtstart"].dt, entry["dtend"].dt) == (date(2020, 4, 20), date(2020, 4, 21))
            assert entry["summary"] == "部门每月常规检查与安全月报表"
            assert "责任部门：总务后勤处\n" in entry["description"]
            assert entry["url"] == "http://127.0.0.1:8000/calendar?on=2020-04-20"


def test_a_round_that_opens_becomes_its_case(inspecting: tuple[httpx.Client, Runtime, School]) -> None:
    client, runtime, school = inspecting
    assert isinstance(runtime.clock, SimulatedClock)
    path = path_of(made(client, school.headers("hqc_safety")))
    runtime.clock.advance_to(datetime(2020, 4, 1, 1, 0, tzinfo=UTC))
    runtime.tick()
    found = read(client, path)
    assert f"{CYCLE}/2020-04@school" not in found and f"{CYCLE}/2020-05@school" in found
    assert {entry["dtstart"].dt for uid, entry in found.items() if uid.startswith(PREFIX)} == {
        date(2020, 3, 20),
        date(2020, 4, 20),
    }


def test_holidays_days_worked_in_exchange_and_breaks_take_up_nobody_s_time(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    holiday = frozenset({date(2020, 4, 30), date(2020, 5, 1), date(2020, 5, 4), date(2020, 6, 25), date(2019, 10, 1)})
    known = a_calendar(
        2, days_off=holiday, working_weekend_days=frozenset({date(2020, 5, 9)}), known_until=date(2020, 7, 1),
        estimated_days_off=frozenset({date(2020, 8, 3)}),
        breaks=(Break("春假", date(2020, 4, 1), date(2020, 4, 3), between_terms=False), Break("暑假", date(2020, 7, 11), date(2020, 12, 31))),
    )  # fmt: skip
    with runtime.database.write("school") as connection:
        calendars.add(connection, "school", known, START + timedelta(hours=1))
    found = read(client, path_of(made(client, school.headers("driver"))))
    assert {
        (uid, str(entry["summary"]), entry["dtstart"].dt, entry["dtend"].dt, str(entry["status"])) for uid, entry in found.items()
    } == {
        # a weekend between two days off is one with them
        ("off-2020-04-30@school", "休：放假", date(2020, 4, 30), date(2020, 5, 5), "CONFIRMED"),
        ("off-2020-06-25@school", "休：放假", date(2020, 6, 25), date(2020, 6, 26), "CONFIRMED"),
        ("off-2020-08-03@school", "休：放假（推定）", date(2020, 8, 3), date(2020, 8, 4), "TENTATIVE"),
        ("worked-2020-05-09@school", "班：调休上班", date(2020, 5, 9), date(2020, 5, 10), "CONFIRMED"),
        ("break-2020-04-01@school", "学校假期：春假", date(2020, 4, 1), date(2020, 4, 4), "CONFIRMED"),
        ("break-2020-07-11@school", "学校假期：暑假", date(2020, 7, 11), date(2021, 1, 1), "CONFIRMED"),
    }  # fmt: skip
    assert {str(entry["transp"]) for entry in found.values()} == {"TRANSPARENT"}
    assert {(entry["dtstamp"].dt, entry["sequence"]) for entry in found.values()} == {(START + timedelta(hours=1), 2)}
