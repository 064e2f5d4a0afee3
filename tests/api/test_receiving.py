"""A step straight from a message: one person, one step, once; whatever else opens the link changes nothing."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import update

from api import logs
from api.app import create_app
from api.bootstrap import Runtime
from api.links import token_of
from api.sources import DirectoryOfTheEngine, OutboxOfTheEngine
from engine.case import Case
from engine.clock import SimulatedClock
from engine.directory import Absence
from engine.store import cases, history, people, policies, refusals
from engine.store.database import table_of
from notifications import deliveries
from notifications.accounts import AccountBook
from notifications.channels.inbox import InboxChannel
from notifications.message import Delivery, Outgoing
from notifications.office import PostOffice
from notifications.policy import NAME as MESSAGES
from notifications.policy import checked
from notifications.routing import SchoolSettings
from notifications.tables import DeliveryRow
from notifications.worker import DeliveryWorker
from tests.api.pages import Page, got, sign_in
from tests.builders import START, School, a_password, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from tests.notifications.fakes import FailingChannel, OpenVault
from workflows import CATALOG
from workflows.reference import criteria_for

TITLE, PLACE = "插座面板松动", "实训楼 A-101"
HERE = SchoolSettings().public_url
DAYS = SchoolSettings().link_days


@dataclass
class House:
    """A school on a runtime, its people's passwords set, one channel that leads outside."""

    runtime: Runtime
    school: School
    client: httpx.Client
    channel: FailingChannel = field(default_factory=lambda: FailingChannel("wecom_app"))

    @property
    def clock(self) -> SimulatedClock:
        assert isinstance(self.runtime.clock, SimulatedClock)
        return self.runtime.clock

    def step(self, path: str, person: str, **body: Any) -> Any:
        answer = self.client.post(f"/api/v1/{path}", json=body, headers=self.school.headers(person))
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def assigned(self, assignee: str = "repairer") -> str:
        number = str(self.step("hazards", "teacher", title=TITLE, place=PLACE, category="ELEC.use")["number"])
        self.step(
            f"hazards/{number}/assign", "safety_staff", category="ELEC.use", department="HQC", assignee=assignee,
            criteria={c.code: False for c in criteria_for("ELEC.use")}, time_limit="days3", requirement="更换面板",
            interim="断电",
        )  # fmt: skip
        return number

    def deliver(self) -> None:
        engine = self.runtime.engine
        desk = InboxChannel(engine.database, engine.clock)
        worker = DeliveryWorker(
            PostOffice(
                engine.database, OutboxOfTheEngine(), DirectoryOfTheEngine(engine.clock, engine.catalog),
                (desk, self.channel), AccountBook(OpenVault()), engine.clock,
            ),
            links=self.runtime.links,
        )  # fmt: skip
        worker.run_once()

    def messages(self, person: str, number: str) -> list[Outgoing]:
        """What came to him directly about this case."""
        arrived = [m for m in self.channel.arrived if m.how == "direct" and m.addressee.key == person]
        return [m for m in arrived if m.items[0].case == number]

    def told(self, person: str, number: str) -> str:
        """Where the link of his message leads, as a path with its query."""
        [message] = self.messages(person, number)
        assert message.words.link is not None
        address = urlsplit(message.words.link)
        return f"{address.path}?{address.query}" if address.query else address.path

    def case(self, number: str) -> Case:
        with self.runtime.database.read(self.school.organisation) as connection:
            found = cases.load(connection, self.school.organisation, number)
        assert found is not None
        return found

    def delivery(self, person: str, number: str) -> Delivery:
        with self.runtime.database.read(self.school.organisation) as connection:
            found = deliveries.list_deliveries(connection, self.school.organisation, case=number, person=person)
        [outside] = [d for d in found if d.channel == self.channel.name and d.how == "direct"]
        return outside

    def signed_in(self, person: str) -> str:
        """This person at a browser, and nobody before him. Gives what his forms carry."""
        self.client.cookies.clear()
        sign_in(self.client, person)
        return got(self.client, "/account").form("/sign-out")["csrf"]

    def press(self, path: str, status: int = 200, **said: str) -> Page:
        fields = got(self.client, path).form("/r")
        answer = self.client.post("/r", data={**fields, **said})
        assert answer.status_code == status, answer.text
        return Page(answer.text)


@pytest.fixture
def house(tmp_path: Path, kind: Kind) -> Iterator[House]:
    runtime = a_runtime(tmp_path / "data", kind, catalog=CATALOG)
    school = a_school(runtime.database)
    for person in ("repairer", "repairer2", "hqc_head"):
        a_password(runtime, school, person)
    with calling(create_app(runtime)) as client:
        client.headers["Accept-Language"] = "en"
        yield House(runtime, school, client)
    runtime.close()


@pytest.fixture
def told(house: House) -> tuple[House, str, str]:
    """A notice on its way to who has to acknowledge it: the school, the number, the link."""
    number = house.assigned()
    house.deliver()
    return house, number, house.told("repairer", number)


def unchanged(house: House, number: str) -> bool:
    case = house.case(number)
    return (
        case.acknowledged_at is None
        and case.sequence == 2
        and house.delivery("repairer", number).acknowledged_at is None
    )


# --- the message ---------------------------------------------------------------------------------------------------------


def test_who_has_to_acknowledge_gets_a_link_that_does_and_everybody_else_the_plain_one(
    told: tuple[House, str, str],
) -> None:
    house, number, path = told
    [message] = house.messages("repairer", number)
    assert path.startswith("/r?k=school.") and len(path) < 60
    assert f"签收通知书：{HERE}{path}" in message.words.body
    house.clock.advance_to(START + timedelta(days=1, hours=1))
    house.runtime.tick()
    house.deliver()
    for person, plain in (("hqc_head", True), ("repairer", False)):
        last = house.messages(person, number)[-1]
        assert last.items[0].reason == "receipt"
        assert (last.words.link == f"{HERE}/cases/{number}") is plain, person


def test_the_desk_keeps_the_plain_link_and_the_database_holds_no_token(told: tuple[House, str, str]) -> None:
    house, number, path = told
    with house.runtime.database.read(house.school.organisation) as connection:
        desk = deliveries.inbox_of(connection, house.school.organisation, "repairer")
        assert [m.link for m in desk if m.how == "direct"] == [f"{HERE}/cases/{number}"]
        for table in DeliveryRow.metadata.sorted_tables:
            for row in connection.execute(table.select()):
                assert path.partition("=")[2] not in str(row)


# --- the tap -------------------------------------------------------------------------------------------------------------


def test_signed_in_he_sees_what_it_is_about_and_one_tap_acknowledges(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    page = got(house.client, path)
    for word in (TITLE, PLACE, number, "维修人员", "Being fixed", "Thu 5 Mar, 3 days left", "更换面板"):
        assert word in page.words, word
    assert [form["action"] for form in page.forms] == ["/sign-out", "/r"]
    assert unchanged(house, number), "looking changes nothing"
    done = house.press(path)
    assert "Acknowledged. Thank you." in done.words and "/r" not in [form["action"] for form in done.forms]
    case = house.case(number)
    assert case.acknowledged_at == START
    with house.runtime.database.read(house.school.organisation) as connection:
        last = history.events_of(connection, house.school.organisation, number)[-1]
    assert (last.trigger, last.actor, dict(last.data)) == ("acknowledge", "person:repairer", {"via": "wecom_app"})
    assert house.delivery("repairer", number).acknowledged_at == last.recorded_at
    told_events = house.client.get(f"/api/v1/hazards/{number}/events").json()["items"]
    assert told_events[-1]["data"] == {"via": "wecom_app"}


def test_used_twice_it_gives_the_same_answer_and_changes_nothing(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    fields = got(house.client, path).form("/r")
    first = house.client.post("/r", data=fields)
    stood = house.case(number)
    again = house.client.post("/r", data=fields)
    assert (again.status_code, again.text, house.case(number)) == (200, first.text, stood)
    house.clock.advance(timedelta(days=DAYS + 1))  # also when the link's days are over
    fields["csrf"] = house.signed_in("repairer")
    assert house.client.post("/r", data=fields).status_code == 200
    assert house.case(number) == stood
    assert "Acknowledged. Thank you." in got(house.client, path).words


def test_where_the_process_died_between_step_and_mark_pressing_again_writes_the_rest(
    told: tuple[House, str, str],
) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    fields = got(house.client, path).form("/r")
    house.client.post("/r", data=fields)
    with house.runtime.database.write("school") as connection:
        connection.execute(update(table_of(DeliveryRow)).values(acknowledged_at=None))
    house.clock.advance(timedelta(hours=5))
    assert house.client.post("/r", data=fields).status_code == 200
    assert house.case(number).sequence == 3
    assert house.delivery("repairer", number).acknowledged_at == START


def test_a_stranger_is_led_to_sign_in_and_back(told: tuple[House, str, str]) -> None:
    house, number, path = told
    away = house.client.get(path)
    assert away.status_code == 303
    following = parse_qs(urlsplit(away.headers["location"]).query)["next"][0]
    assert following == path
    assert sign_in(house.client, "repairer", next=following).headers["location"] == path
    assert unchanged(house, number)
    house.press(path)
    assert house.case(number).acknowledged_at is not None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_whatever_looks_at_links_before_people_do_changes_nothing(told: tuple[House, str, str], method: str) -> None:
    house, number, path = told
    for _ in range(2):  # signed out, then with the reader's own cookies, as a browser that loads pages ahead
        answer = house.client.request(method, path, headers={"Accept": "*/*", "User-Agent": "LinkPreview/1.0"})
        assert answer.status_code in (200, 303, 403, 405, 422), answer.text
        assert unchanged(house, number)
        house.signed_in("repairer")


def test_somebody_else_is_refused_in_words(told: tuple[House, str, str]) -> None:
    house, number, path = told
    for person in ("repairer2", "hqc_head"):  # one of whom may see the case
        csrf = house.signed_in(person)
        page = got(house.client, path, 403)
        assert "sent to somebody else" in page.words and TITLE not in page.words
        assert house.client.post("/r", data={"csrf": csrf, "k": path.partition("=")[2]}).status_code == 403
        assert unchanged(house, number)


def test_a_form_of_another_site_is_refused(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    fields = got(house.client, path).form("/r")
    assert house.client.post("/r", data={**fields, "csrf": "0" * 64}).status_code == 403
    assert house.client.post("/r", data=fields, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert unchanged(house, number)


# --- links that are no good ----------------------------------------------------------------------------------------------


def test_forged_cut_and_foreign_links_are_told_plainly(told: tuple[House, str, str]) -> None:
    house, number, path = told
    csrf = house.signed_in("repairer")
    start, _, token = path.partition("=")
    organisation, _, rest = token.partition(".")
    other = replace(house.delivery("repairer", number), organisation="south")
    forged = [
        "", ".", token[:-1], token[:20], f"{token}A", f"{organisation}.", f"south.{rest}", f"school.{'A' * 43}", "x" * 150,
        "school.\0", "../../etc", f"SCHOOL.{rest}", house.runtime.links(other, START + timedelta(days=1)).partition("=")[2],
    ]  # fmt: skip
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(0, 43, 3):
        letter = letters[(letters.index(rest[place]) + 1) % 64]
        forged.append(f"school.{rest[:place]}{letter}{rest[place + 1 :]}")
    for text in forged:
        page = got_any(house.client, start, text)
        assert "The link is not good" in page.words, text
        answer = house.client.post("/r", data={"csrf": csrf, "k": text})
        assert answer.status_code == 404, text
        assert TITLE not in answer.text
    assert unchanged(house, number)


def got_any(client: httpx.Client, path: str, text: str) -> Page:
    answer = client.get(path.partition("?")[0], params={"k": text})
    assert answer.status_code == 404, answer.text
    return Page(answer.text)


def test_every_letter_of_a_link_counts(told: tuple[House, str, str]) -> None:
    house, number, path = told
    delivery, token = house.delivery("repairer", number), path.partition("=")[2]
    known = token_of(token)
    assert known is not None and house.runtime.links.made(known, delivery)
    for place in range(len("school."), len(token)):
        for letter in "AQgw_-":
            if letter != token[place]:
                read = token_of(f"{token[:place]}{letter}{token[place + 1 :]}")
                assert read is None or not house.runtime.links.made(read, delivery)


def test_a_link_is_bound_to_its_person_its_case_and_its_step(told: tuple[House, str, str]) -> None:
    house, number, path = told
    token, delivery = token_of(path.partition("=")[2]), house.delivery("repairer", number)
    assert token is not None and house.runtime.links.made(token, delivery)
    notice = delivery.notice
    for changed in (
        replace(delivery, addressee=replace(delivery.addressee, key="repairer2")),
        replace(delivery, notice=replace(notice, case="YH-2020-0009")),
        replace(delivery, notice=replace(notice, about={**notice.about, "acknowledge": {"trigger": "fix"}})),
        replace(delivery, organisation="south"),
        replace(delivery, id=f"msg_{'0' * 32}"),
    ):
        assert not house.runtime.links.made(token, changed)
    assert not house.runtime.links.made(replace(token, until=token.until + timedelta(minutes=1)), delivery)


def test_past_its_days_it_says_so(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    house.clock.advance(timedelta(days=DAYS) - timedelta(minutes=1))
    house.signed_in("repairer")
    fields = got(house.client, path).form("/r")
    house.clock.advance(timedelta(minutes=2))
    assert "The link is over" in got(house.client, path, 410).words
    assert house.client.post("/r", data=fields).status_code == 410
    assert unchanged(house, number)


def test_a_school_decides_how_long_it_holds(house: House) -> None:
    with house.runtime.database.write("school") as connection:
        policies.set_(connection, "school", MESSAGES, checked({"link_days": 1}), "cli", START)
    number = house.assigned()
    house.deliver()
    house.clock.advance(timedelta(days=1, minutes=1))
    house.signed_in("repairer")
    got(house.client, house.told("repairer", number), 410)


def test_of_a_case_that_moved_on_it_says_so(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    fields = got(house.client, path).form("/r")
    house.step(f"hazards/{number}/retriage", "safety_head", reason="级别定错")
    page = got(house.client, path)
    assert "has moved on" in page.words and "/r" not in [form["action"] for form in page.forms]
    stood = house.case(number)
    refused = house.client.post("/r", data=fields)
    assert refused.status_code == 403 and "has moved on" in refused.text
    assert house.case(number) == stood and house.delivery("repairer", number).acknowledged_at is None


def test_acknowledged_another_way_it_says_so(told: tuple[House, str, str]) -> None:
    house, number, path = told
    house.step(f"hazards/{number}/acknowledge", "repairer")
    sign_in(house.client, "repairer")
    page = got(house.client, path)
    assert "was acknowledged" in page.words and "/r" not in [form["action"] for form in page.forms]


def test_given_to_somebody_else_meanwhile_it_is_his_no_more(told: tuple[House, str, str]) -> None:
    house, number, path = told
    sign_in(house.client, "repairer")
    fields = got(house.client, path).form("/r")
    house.step(
        f"hazards/{number}/reassign", "safety_staff", department="HQC", assignee="repairer2", reason="换人"
    )  # fmt: skip
    answer = house.client.get(path)
    assert answer.status_code == 200 and "/r" not in [form["action"] for form in Page(answer.text).forms]
    stood = house.case(number)
    assert house.client.post("/r", data=fields).status_code in (403, 404)
    assert house.case(number) == stood


def test_a_delegate_acknowledges_in_the_name_of_whom_he_stands_in_for(house: House) -> None:
    with house.runtime.database.write("school") as connection:
        away = Absence("away", "repairer", date(2020, 3, 2), date(2020, 3, 6), "repairer2")
        people.add_absence(connection, "school", away)
    number = house.assigned()
    house.deliver()
    path = house.told("repairer2", number)
    sign_in(house.client, "repairer2")
    fields = got(house.client, path).form("/r")
    for _ in range(2):
        assert house.client.post("/r", data=fields).status_code == 200
        with house.runtime.database.write("school") as connection:
            connection.execute(update(table_of(DeliveryRow)).values(acknowledged_at=None))
    with house.runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", number)
    assert [(e.actor, e.on_behalf_of) for e in events[2:]] == [("person:repairer2", "person:repairer")]


# --- what it can never do ------------------------------------------------------------------------------------------------

STEPS = [(w, trigger, step) for w in CATALOG.newest() for trigger, drawn in w.triggers.items() for step in drawn]


def test_no_other_step_of_any_loop_can_be_taken_from_a_message(told: tuple[House, str, str]) -> None:
    """Signed with the folder's own key, for a delivery that says so in the database: only an acknowledgement is taken."""
    house, number, _ = told
    before, rows = house.delivery("repairer", number), table_of(DeliveryRow)
    csrf = house.signed_in("repairer")
    assert [(w.key, trigger) for w, trigger, step in STEPS if step.acknowledges] == [("hazard", "acknowledge")], (
        "a new one? Look what it can do, and add it here"
    )
    for _, trigger, step in STEPS:
        if step.acknowledges:
            continue
        about = {**before.notice.about, "acknowledge": {**before.notice.about["acknowledge"], "trigger": trigger}}
        with house.runtime.database.write("school") as connection:
            connection.execute(update(rows).where(rows.c.id == before.id).values(about=about))
        link = house.runtime.links(house.delivery("repairer", number), START + timedelta(days=1))
        got(house.client, f"/r?{urlsplit(link).query}", 404)
        answer = house.client.post("/r", data={"csrf": csrf, "k": link.partition("=")[2]})
        assert answer.status_code == 404, trigger
        assert unchanged(house, number)


def test_no_log_line_shows_a_link(told: tuple[House, str, str], capfd: pytest.CaptureFixture[str]) -> None:
    house, _, path = told
    logs.configure("debug", "json")
    try:
        house.client.get(path)
        sign_in(house.client, "repairer2", next=path)
        got(house.client, path, 403)
        house.client.cookies.clear()
        sign_in(house.client, "repairer")
        got(house.client, f"{path}A", 404)
        house.press(path)
    finally:
        logs.configure("warning", "console")
        logging.getLogger().setLevel(logging.WARNING)
    said = capfd.readouterr().err
    assert '"path": "/r"' in said
    assert path.partition(".")[2] not in said and not re.search(r"k=school", said)
    with house.runtime.database.read("school") as connection:
        for line in refusals.latest(connection, "school"):
            assert path.partition(".")[2] not in str(line)


# --- where many have to know ---------------------------------------------------------------------------------------------


def test_each_of_many_confirms_by_a_link_of_his_own_or_on_his_desk_and_leaves_the_others_theirs(house: House) -> None:
    said = {"title": "安全例会", "kind": "school_meeting", "dated_on": START.date().isoformat()}
    number = str(house.step("notices", "safety_staff", **said)["number"])
    audience = ["person:repairer", "person:repairer2", "person:hqc_head"]
    house.step(f"notices/{number}/convey", "safety_staff", audience=audience, key_points="学习")
    house.clock.advance_to(START + timedelta(days=2, hours=23))  # two working days later, in the morning
    house.runtime.tick()
    house.deliver()
    first = {person: house.messages(person, number)[0] for person in ("repairer", "repairer2")}
    assert all("3人" in message.words.body for message in first.values())
    paths = {person: "/r?" + urlsplit(str(message.words.link)).query for person, message in first.items()}
    sign_in(house.client, "repairer")
    assert "Acknowledged. Thank you." in house.press(paths["repairer"]).words
    assert house.case(number).unconfirmed == ("hqc_head", "repairer2")
    with house.runtime.database.read(house.school.organisation) as connection:
        last = history.events_of(connection, house.school.organisation, number)[-1]
    assert (last.trigger, dict(last.data)) == ("confirm", {"via": "wecom_app"})
    again = got(house.client, paths["repairer"])
    assert "/r" not in [form["action"] for form in again.forms]

    house.signed_in("repairer2")
    assert [form["action"] for form in got(house.client, paths["repairer2"]).forms] == ["/sign-out", "/r"]
    mine = got(house.client, "/mine")
    assert "For me to know" in mine.words and "安全例会" in mine.words
    answer = house.client.post(f"/cases/{number}/confirm", data=mine.form(f"/cases/{number}/confirm"))
    assert answer.status_code in (200, 303)
    assert "For me to know" not in got(house.client, "/mine").words
    page = got(house.client, f"/cases/{number}").words
    assert "You have confirmed that you know." in page and "Have to know 3" in page
    assert house.case(number).unconfirmed == ("hqc_head",)
