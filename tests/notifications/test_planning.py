"""What a worker does before it sends: hours, ways, the message of the day, who cannot be reached, groups, absences."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest

from engine.events import LOGBOOK, How, Notice
from notifications import accounts, deliveries, readers
from notifications.channels import Account
from notifications.days import DAYS
from notifications.message import Delivery, InboxMessage
from notifications.office import RoundResult
from notifications.routing import Preference
from notifications.sources import Back, Place
from notifications.worker import DeliveryWorker
from tests.notifications.fakes import (
    ALICE,
    BOB,
    CHARLIE,
    SHANGHAI,
    FailingChannel,
    Post,
    RobotForm,
    a_notice,
    a_set_up,
    local,
)


class Ways:
    """The desk, and three ways outside in the school's order. Every message to a person by any of them is in `sent`."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.desk = post.inbox()
        self.wecom, self.email, self.sms = (FailingChannel(name) for name in ("wecom_app", "email", "sms"))
        self.outside: tuple[FailingChannel, ...] = (self.wecom, self.email, self.sms)

    def worker(self) -> DeliveryWorker:
        return self.post.worker(self.desk, *self.outside)

    def round(self) -> RoundResult:
        return self.worker().run_once()

    def sent(self) -> list[tuple[str, str]]:
        """(channel, person) in the order of channels."""
        return [(channel.name, m.addressee.key) for channel in self.outside for m in channel.arrived]

    def on_the_desk(self, person: str = "alice") -> list[InboxMessage]:
        with self.post.database.read_across() as connection:
            return deliveries.inbox_of(connection, "school", person)

    def prefers(self, person: str, preference: Preference) -> None:
        with self.post.database.write("school") as connection:
            readers.prefer(connection, "school", person, preference, self.post.clock.now())

    def unreached(self) -> list[tuple[str, str]]:
        with self.post.database.read_across() as connection:
            return [(known.person, known.channel) for known in readers.unreached(connection, "school")]


@pytest.fixture
def ways(post: Post) -> Ways:
    return Ways(post)


def a_case(number: str, due: str = "2020-01-17 18:00", **about: Any) -> dict[str, Any]:
    """Something that waits, as the directory tells it."""
    return dict(a_notice(number, due_at=local(due).isoformat(), **about).about)


# --- hours ---------------------------------------------------------------------------------------------------------------


def test_what_is_direct_waits_over_night_and_a_major_hazard_does_not(ways: Ways) -> None:
    ways.post.at("2020-01-15 22:00").outbox.write(a_notice("YH-1"), a_notice("YH-2", level="major"))
    ways.round()
    assert [message.items[0].case for message in ways.wecom.arrived] == ["YH-2"]
    ways.post.at("2020-01-16 07:29")
    ways.round()
    assert len(ways.wecom.arrived) == 1
    ways.post.at("2020-01-16 07:30")
    ways.round()
    assert [message.items[0].case for message in ways.wecom.arrived] == ["YH-2", "YH-1"]
    assert len(ways.on_the_desk()) == 2


def test_what_waited_over_night_is_looked_at_again_before_it_leaves(ways: Ways) -> None:
    ways.post.at("2020-01-15 22:00").outbox.write(a_notice("YH-1"), a_notice("YH-2", reason="escalation"))
    ways.round()
    ways.post.directory.states["YH-1"] = "fixed"
    ways.post.directory.holders["assignee"] = [CHARLIE]
    ways.post.at("2020-01-16 07:30")
    ways.round()
    assert ways.sent() == [("wecom_app", "charlie")]
    assert ways.on_the_desk() == [] and len(ways.on_the_desk("charlie")) == 1


def test_what_was_tried_in_vain_until_the_evening_waits_for_the_morning(ways: Ways) -> None:
    ways.outside = (ways.wecom,)
    ways.wecom.behaviour = "down"
    ways.post.at("2020-01-15 20:59").outbox.write(a_notice())
    ways.round()
    ways.wecom.behaviour = "up"
    for minute in ("21:05", "23:00"):
        ways.post.at(f"2020-01-15 {minute}")
        ways.round()
    assert ways.wecom.arrived == []
    ways.post.at("2020-01-16 07:30")
    ways.round()
    assert len(ways.wecom.arrived) == 1


def test_a_school_sets_its_own_hours(ways: Ways) -> None:
    ways.post.directory.policy = {"window_from": "08:00", "window_until": "17:00", "digest_at": "08:10"}
    ways.post.at("2020-01-15 17:30").outbox.write(a_notice("YH-1"), a_notice("YH-2", how="digest"))
    ways.round()
    ways.post.at("2020-01-16 08:00")
    assert ways.round() == RoundResult(direct=2)
    ways.post.at("2020-01-16 08:14")
    assert ways.round() == RoundResult()
    ways.post.at("2020-01-16 08:15")
    assert ways.round() == RoundResult(digests=2)


def test_quiet_hours_put_the_digest_off_by_hours_and_not_by_a_day(ways: Ways) -> None:
    ways.prefers("alice", Preference(quiet_from=time(20), quiet_until=time(9)))
    ways.post.outbox.write(a_notice(how="digest", audience=("assignee", "dept_head")))
    ways.round()
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert ways.sent() == [("wecom_app", "bob")]
    ways.post.at("2020-01-16 09:00")
    ways.round()
    assert ways.sent() == [("wecom_app", "bob"), ("wecom_app", "alice")]


def test_a_policy_that_cannot_be_read_keeps_nobody_from_being_told(ways: Ways) -> None:
    ways.post.directory.policy = {"window_from": "dawn"}
    ways.post.outbox.write(a_notice())
    ways.round()
    assert ways.sent() == [("wecom_app", "alice")]


# --- by which way ----------------------------------------------------------------------------------------------------------


def test_what_dies_for_its_address_goes_by_the_next_way_and_twice_by_none(ways: Ways) -> None:
    ways.wecom.behaviour = ways.email.behaviour = "bounces"
    ways.post.outbox.write(a_notice())
    for _ in range(3):
        ways.round()
    assert ways.sent() == [("sms", "alice")]
    assert (len(ways.wecom.tries), len(ways.email.tries), len(ways.sms.tries)) == (1, 1, 1)
    assert ways.unreached() == [("alice", "email"), ("alice", "wecom_app")]

    ways.post.outbox.write(a_notice("YH-2"))
    ways.round()
    assert ways.sent() == [("sms", "alice")] * 2, "an address that does not work is not tried again"
    assert len(ways.wecom.tries) == 1


def test_a_message_that_is_refused_for_itself_goes_no_other_way(ways: Ways) -> None:
    ways.wecom.behaviour = "refuses"
    ways.post.outbox.write(a_notice())
    ways.round()
    ways.round()
    assert ways.sent() == [] and ways.email.tries == [] and ways.unreached() == []


def test_after_its_last_try_a_message_goes_by_the_next_way(ways: Ways) -> None:
    ways.wecom.behaviour = "down"
    ways.post.outbox.write(a_notice())
    worker = ways.post.worker(ways.desk, *ways.outside, max_attempts=2)
    for _ in range(4):
        worker.run_once()
        ways.post.clock.advance(timedelta(hours=1))
    assert ways.sent() == [("email", "alice")]


def test_a_digest_that_dies_goes_by_the_next_way_in_the_same_words(ways: Ways) -> None:
    ways.wecom.behaviour = "shut"
    ways.post.outbox.write(a_notice("YH-1", how="digest"))
    ways.post.directory.waits["alice"] = [a_case("YH-2")]
    ways.post.at("2020-01-16 07:45")
    ways.round()
    ways.round()
    [by_mail] = ways.email.arrived
    [desk] = ways.on_the_desk()
    assert by_mail.words.body == desk.body
    assert by_mail.key != ways.wecom.tries[0]
    ways.post.at("2020-01-16 12:00")
    ways.round()
    assert ways.sent() == [("email", "alice")]


def test_an_account_that_is_out_of_order_is_passed_over_until_it_is_tried_again(post: Post) -> None:
    wecom, sms = NeedsAccount("wecom_app", behaviour="shut"), FailingChannel("sms")
    worker = post.sending_by(Account("", "corp", "wecom_app")).worker(wecom, sms)
    post.outbox.write(a_notice("YH-1"))
    worker.run_once()
    post.outbox.write(a_notice("YH-2"))
    worker.run_once()
    assert len(wecom.tries) == 1
    assert {message.items[0].case for message in sms.arrived} == {"YH-1", "YH-2"}
    wecom.behaviour = "up"
    post.clock.advance(timedelta(hours=1))
    post.outbox.write(a_notice("YH-3"))
    worker.run_once()
    assert [message.items[0].case for message in wecom.arrived] == ["YH-3"]


def test_what_waits_for_an_account_that_is_out_of_order_goes_by_another_way_where_there_is_one(post: Post) -> None:
    wecom, sms = NeedsAccount("wecom_app", behaviour="shut"), FailingChannel("sms", unreached={"bob"})
    worker = post.sending_by(Account("", "corp", "wecom_app")).worker(wecom, sms)
    post.outbox.write(*(a_notice(f"YH-{n}", audience=("assignee", "dept_head")) for n in range(5)))
    worker.run_once()
    worker.run_once()
    assert len(wecom.tries) == 1
    assert {message.items[0].case for message in sms.arrived} == {f"YH-{n}" for n in range(5)}
    assert {message.addressee.key for message in sms.arrived} == {"alice"}
    wecom.behaviour = "up"
    post.clock.advance(timedelta(hours=1))
    worker.run_once()
    assert {message.addressee.key for message in wecom.arrived} == {"bob"}, "he has no other, and it waited for him"
    assert len(sms.arrived) == 5


@pytest.mark.parametrize("how", ["direct", "digest"])
def test_what_went_by_another_way_comes_back_where_that_one_fails_too(post: Post, how: How) -> None:
    wecom, sms = NeedsAccount("wecom_app", behaviour="shut"), NeedsAccount("sms", behaviour="down")
    worker = post.sending_by(Account("", "corp", "wecom_app"), Account("", "gateway", "sms")).worker(wecom, sms)
    post.outbox.write(a_notice("YH-1", how=how, audience=("assignee", "dept_head")))
    if how == "digest":
        post.at("2020-01-16 07:45")
    worker.run_once()
    worker.run_once()
    [found_out] = wecom.tries
    assert len(set(sms.tries)) == 2, "the one that found out, and the one that waited"
    wecom.behaviour, sms.behaviour = "up", "shut"
    with post.database.write("school") as connection:
        accounts.works_again(connection, "school", "corp")  # somebody mended it
    for _ in range(12):
        post.clock.advance(timedelta(minutes=10))
        worker.run_once()
    assert sms.arrived == []
    assert sorted(message.addressee.key for message in wecom.arrived) == ["alice", "bob"]
    assert found_out in wecom.keys, "it was the account's fault, and goes again under the key it had"


class NeedsAccount(FailingChannel):
    form = RobotForm


class OutOfOrder:
    """The desk, and two ways outside, the account of each out of order. Alice looks after the panel, and Bob after Alice."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.wecom, self.sms = NeedsAccount("wecom_app", behaviour="shut"), NeedsAccount("sms", behaviour="shut")
        post.sending_by(Account("", "corp", "wecom_app"), Account("", "gateway", "sms"))
        self.worker = post.worker(post.inbox(), self.wecom, self.sms)
        post.outbox.write(a_notice("YH-1"))

    def days_pass(self, days: int) -> None:
        for _ in range(4 * days):
            self.post.clock.advance(timedelta(hours=6))
            self.round()

    def round(self) -> None:
        """Each lane after the other: what one does in a round is found by the next, always in the same order."""
        for lane in self.worker.lanes:
            self.worker.run_lane(lane)

    def outside(self, status: str) -> list[Delivery]:
        """Alice's, by ways outside."""
        found = self.post.deliveries(person="alice")
        return [d for d in found if d.channel != "inbox" and d.status == status and d.notice.case == "YH-1"]

    def brought_to_bob(self) -> list[Notice]:
        found = self.post.deliveries(person="bob", channel="inbox")
        return [d.notice for d in found if d.notice.reason == "unreached"]

    def arrived(self) -> list[str]:
        """By which channels Alice was told of the panel."""
        sent = [(c.name, m) for c in (self.wecom, self.sms) for m in c.arrived]
        return [
            name for name, m in sent if m.addressee.key == "alice" and "YH-1" in {notice.case for notice in m.items}
        ]


@pytest.mark.parametrize("mended", ["wecom_app", "sms"])
def test_what_finds_every_way_out_of_order_waits_in_sight_until_one_is_mended(post: Post, mended: str) -> None:
    office = OutOfOrder(post)
    office.round()
    office.days_pass(1)
    assert office.outside("dead") == []
    [waiting] = office.outside("waiting")
    assert (waiting.answer or "").endswith("the robot was removed")
    [brought] = office.brought_to_bob()
    assert brought.about["who"] == "张伟" and "the robot was removed" in brought.about["title"]["en"]
    next(channel for channel in (office.wecom, office.sms) if channel.name == mended).behaviour = "up"
    post.outbox.write(a_notice("YH-2"))  # whatever goes next finds out that it works
    office.days_pass(2)
    post.outbox.write(a_notice("YH-3"))  # and reaches her
    office.days_pass(1)
    assert office.arrived() == [mended], "once, by the one that works"
    assert office.outside("waiting") == []
    with post.database.read_across() as connection:
        assert [known for known in readers.unreached(connection, "school") if known.person == "alice"] == []


def test_what_waits_for_an_account_that_nobody_mends_is_given_up_with_its_cause_and_can_be_sent_again(
    post: Post,
) -> None:
    office = OutOfOrder(post)
    office.round()
    office.days_pass(4)
    assert office.outside("dead") == [], "longer than a weekend"
    office.days_pass(4)
    [dead] = office.outside("dead")
    assert dead.answer == "gave up after 5 days: the robot was removed"
    assert office.outside("waiting") == []
    office.wecom.behaviour = office.sms.behaviour = "up"
    with post.database.write("school") as connection:
        deliveries.redrive(connection, "school", [dead.id], post.clock.now())
    office.days_pass(1)
    assert office.arrived() == [dead.channel]


def test_what_is_sent_again_waits_as_long_as_before_where_its_account_is_still_out_of_order(post: Post) -> None:
    office = OutOfOrder(post)
    office.round()
    office.days_pass(8)
    with post.database.write("school") as connection:
        deliveries.redrive(connection, "school", [dead.id for dead in office.outside("dead")], post.clock.now())
    office.days_pass(3)
    assert [d.status for d in (*office.outside("dead"), *office.outside("waiting"))] == ["waiting"]


def test_whose_only_way_was_tried_in_vain_until_the_last_is_brought_to_who_looks_after_him(ways: Ways) -> None:
    ways.outside = (ways.wecom,)
    ways.wecom.behaviour = "down"
    ways.post.outbox.write(a_notice())
    worker = ways.post.worker(ways.desk, ways.wecom, max_attempts=2)
    for _ in range(3):
        worker.run_once()
        ways.post.clock.advance(timedelta(hours=1))
    ways.wecom.behaviour = "up"
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert [notice.about["who"] for notice in told_of(ways)] == ["张伟"]


def test_who_is_only_ever_asked_for_patience_is_told_by_another_way_in_the_end(post: Post) -> None:
    office = OutOfOrder(post)
    office.wecom.behaviour, office.sms.behaviour = "crowded", "up"
    office.round()
    office.days_pass(4)
    assert office.arrived() == [] and len(office.outside("waiting")) == 1
    office.days_pass(2)
    [dead] = office.outside("dead")
    assert (dead.answer, dead.attempts) == ("gave up after 5 days: 429 too many", 1)
    assert office.arrived() == ["sms"]


def test_whose_next_way_is_barred_too_is_waited_for_by_the_first_one(post: Post) -> None:
    wecom, sms = NeedsAccount("wecom_app", behaviour="shut"), FailingChannel("sms", behaviour="bounces")
    worker = post.sending_by(Account("", "corp", "wecom_app")).worker(wecom, sms)
    post.outbox.write(a_notice("YH-1"), a_notice("YH-2"))
    worker.run_once()
    worker.run_once()
    wecom.behaviour = "up"
    post.clock.advance(timedelta(hours=1))
    worker.run_once()
    assert "YH-2" in {message.items[0].case for message in wecom.arrived}


@pytest.mark.parametrize("how_it_is_heard", [{"reason": "escalation"}, {"level": "major"}])
@pytest.mark.parametrize("preference", [Preference("inbox"), Preference(None, time(7), time(12))])
def test_a_digest_with_what_nobody_can_silence_goes_outside_at_its_hour(
    ways: Ways, preference: Preference, how_it_is_heard: dict[str, Any]
) -> None:
    ways.post.directory.policy = {"people_choose": ["inbox"]}
    ways.prefers("alice", preference)
    ways.post.outbox.write(a_notice("YH-1", how="digest", **how_it_is_heard), a_notice("YH-2", how="digest"))
    ways.post.at("2020-01-16 07:45")
    ways.round()
    [message] = ways.wecom.arrived
    assert {notice.case for notice in message.items} == {"YH-1", "YH-2"}
    ways.post.at("2020-01-16 12:00")
    ways.round()
    assert len(ways.sent()) == len(ways.on_the_desk()) == 1


def test_a_digest_without_it_is_as_quiet_as_its_reader_wants_it(ways: Ways) -> None:
    ways.post.directory.policy = {"people_choose": ["inbox"]}
    ways.prefers("alice", Preference("inbox"))
    ways.post.outbox.write(a_notice("YH-2", how="digest"))
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert (ways.sent(), len(ways.on_the_desk())) == ([], 1)


# --- the message of the day --------------------------------------------------------------------------------------------------


def test_a_digest_says_everything_that_waits_worst_first_in_the_same_words_on_the_desk_and_outside(ways: Ways) -> None:
    ways.post.outbox.write(
        a_notice("YH-3", how="digest", reason="reminder", due_at=local("2020-01-18 12:00").isoformat())
    )
    ways.post.directory.waits["alice"] = [
        a_case("YH-1", "2020-01-10 18:00", title="早已逾期"), a_case("YH-3"), a_case("YH-9", "2020-03-01 12:00"),
        a_case("YH-2", "2020-02-20 18:00", level="major", title="重大的"),
    ]  # fmt: skip
    ways.post.at("2020-01-16 07:45")
    ways.round()
    [outside], [desk] = ways.wecom.arrived, ways.on_the_desk()
    assert [notice.case for notice in outside.items] == ["YH-3", "YH-2", "YH-1", "YH-9"]
    assert (outside.words.subject, outside.words.body) == (desk.subject, desk.body)
    assert outside.words.body.index("重大的") < outside.words.body.index("早已逾期")
    assert "4" in outside.words.subject
    assert desk.cases == ("YH-3", "YH-2", "YH-1", "YH-9")


@pytest.mark.parametrize(
    "due, told",
    [("2020-01-16 18:00", True), ("2020-01-21 18:00", True), ("2020-01-22 18:00", False), ("2020-01-02 18:00", True)],
)
def test_whoever_something_is_due_for_gets_a_digest_though_nothing_fired(ways: Ways, due: str, told: bool) -> None:
    ways.post.directory.waits["alice"] = [a_case("YH-1", due)]
    ways.post.at("2020-01-16 07:44")
    assert ways.round() == RoundResult()
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert ways.sent() == ([("wecom_app", "alice")] if told else [])
    assert len(ways.on_the_desk()) == told


def test_there_is_one_digest_a_working_day_and_none_on_free_ones(ways: Ways) -> None:
    ways.post.directory.waits["alice"] = [a_case("YH-1", "2020-01-01 18:00")]
    for day in range(16, 23):
        for hour in ("07:45", "07:46", "12:00", "22:00"):
            ways.post.at(f"2020-01-{day} {hour}")
            ways.round()
    assert len(ways.wecom.arrived) == len(ways.on_the_desk()) == 5  # Thursday, Friday, Monday to Wednesday
    assert len({message.key for message in ways.wecom.arrived}) == 5


def test_a_day_that_has_become_free_has_no_digest(ways: Ways) -> None:
    ways.post.outbox.write(a_notice(how="digest"))
    ways.round()
    ways.post.directory.holidays.add(date(2020, 1, 16))
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert ways.sent() == []
    ways.post.at("2020-01-17 07:45")
    ways.round()
    assert ways.sent() == [("wecom_app", "alice")]


def test_a_calendar_without_any_working_day_silences_nobody_for_ever(ways: Ways) -> None:
    ways.post.directory.holidays |= {date(2020, 1, 1) + timedelta(days=n) for n in range(400)}
    ways.post.outbox.write(a_notice(how="digest"))
    ways.round()
    ways.post.at("2020-03-20 07:45")
    ways.round()
    assert ways.sent() == [("wecom_app", "alice")]


def test_two_nodes_begin_a_day_once(ways: Ways) -> None:
    ways.post.directory.waits["alice"] = [a_case("YH-1")]
    ways.post.at("2020-01-16 07:45")
    first, second = ways.worker(), ways.worker()
    first.plan()
    second.plan()
    assert len(ways.post.deliveries()) == 2


def test_what_was_settled_before_the_digest_leaves_is_not_in_it(ways: Ways) -> None:
    ways.prefers("alice", Preference(quiet_from=time(20), quiet_until=time(9)))
    ways.post.directory.waits["alice"] = [a_case("YH-1")]
    ways.post.at("2020-01-16 07:45")
    ways.round()
    ways.post.directory.waits["alice"] = []
    ways.post.at("2020-01-16 09:00")
    assert ways.round() == RoundResult(withdrawn=2)
    assert ways.sent() == [] and ways.on_the_desk() == []


def test_a_worker_that_comes_too_late_in_the_day_sends_the_next_days_digest(ways: Ways) -> None:
    ways.post.outbox.write(a_notice("YH-1", how="digest"))
    ways.post.directory.waits["bob"] = [a_case("YH-2")]
    ways.post.at("2020-01-16 22:00")
    ways.round()
    assert ways.sent() == []
    ways.post.at("2020-01-17 07:30")
    ways.round()
    assert ways.sent() == []
    ways.post.at("2020-01-17 07:45")
    ways.round()
    assert sorted(ways.sent()) == [("wecom_app", "alice"), ("wecom_app", "bob")]


def test_a_long_digest_shows_a_screen_and_counts_the_rest(ways: Ways) -> None:
    ways.post.outbox.write(*(a_notice(f"YH-{n}", how="digest") for n in range(4)))
    ways.post.directory.waits["alice"] = [a_case(f"YH-{n}", "2020-01-10 12:00") for n in range(40)]
    ways.post.at("2020-01-16 07:45")
    ways.round()
    [message] = ways.wecom.arrived
    assert "40" in message.words.subject and "36" in message.words.subject, "all of them, and how many are overdue"
    assert len(message.words.body.splitlines()) <= 16
    shown = message.words.body.count("http") - 1
    assert f"另有 {40 - shown} 项" in message.words.body


def test_a_channel_changed_in_between_makes_no_second_digest(ways: Ways) -> None:
    ways.post.outbox.write(a_notice("YH-1", how="digest"))
    ways.round()
    ways.prefers("alice", Preference("sms"))
    ways.post.outbox.write(a_notice("YH-2", how="digest"))
    ways.round()
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert ways.sent() == [("sms", "alice")]
    [message] = ways.sms.arrived
    assert {notice.case for notice in message.items} == {"YH-1", "YH-2"}


def test_what_cannot_be_put_together_is_put_off_and_stops_nobody_else(ways: Ways) -> None:
    ways.post.outbox.write(a_notice("YH-1", how="digest", audience=("assignee", "dept_head")))
    ways.post.directory.waits["alice"] = [{"level": "general"}]  # of no case
    ways.post.at("2020-01-16 07:45")
    with ways.post.database.write_across() as connection:
        deliveries.begin_day(connection, "school", date(2020, 1, 16), ways.post.clock.now())
    ways.round()
    assert ways.sent() == [("wecom_app", "bob")]
    ways.post.directory.waits["alice"] = []
    ways.post.at("2020-01-16 08:45")
    ways.round()
    assert ways.sent() == [("wecom_app", "bob"), ("wecom_app", "alice")]


# --- who cannot be reached ---------------------------------------------------------------------------------------------------


def told_of(ways: Ways, person: str = "bob") -> list[Notice]:
    """What this person was told of people whom nothing reaches."""
    return [n for m in ways.wecom.arrived if m.addressee.key == person for n in m.items if n.reason == "unreached"]


def test_who_has_no_address_outside_is_written_down_and_brought_once_to_who_looks_after_him(ways: Ways) -> None:
    for channel in ways.outside:
        channel.unreached.add("alice")
    ways.post.outbox.write(a_notice("YH-1"), a_notice("YH-2"))
    ways.round()
    assert len(ways.on_the_desk()) == 2, "his desk has it"
    assert ways.unreached() == [("alice", "")]
    for day in ("2020-01-16", "2020-01-17"):
        ways.post.outbox.write(a_notice(f"YH-{day}", written_at=ways.post.clock.now()))
        ways.post.at(f"{day} 07:45")
        ways.round()
    [notice] = told_of(ways)
    assert notice.case == LOGBOOK and notice.about["who"] == "张伟"
    [message] = ways.wecom.arrived
    assert "张伟" in message.words.body and "联系不上" in message.words.body

    for channel in ways.outside:
        channel.unreached.clear()
    ways.post.outbox.write(a_notice("YH-3"))
    ways.round()
    assert ways.unreached() == []


def test_whose_only_address_bounces_is_brought_to_who_looks_after_him_until_a_message_reaches_him(ways: Ways) -> None:
    ways.outside = (ways.wecom,)
    ways.wecom.behaviour = "bounces"
    ways.post.outbox.write(a_notice())
    ways.round()
    assert ways.unreached() == [("alice", "wecom_app")]
    ways.wecom.behaviour = "up"
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert len(told_of(ways)) == 1
    with ways.post.database.write_across() as connection:
        deliveries.redrive(connection, "school", None, ways.post.clock.now())
    ways.round()
    assert ways.unreached() == [], "a message reached him"


def test_another_address_is_tried(ways: Ways) -> None:
    class Mail(FailingChannel):
        def address_of(self, recipient: Any) -> str | None:
            return recipient.addresses.get("email")  # type: ignore[no-any-return]

    mail = Mail("email", behaviour="bounces")
    ways.outside = (mail,)
    ways.post.directory.holders["assignee"] = [replace(ALICE, addresses={"email": "old@school.example"})]
    ways.post.outbox.write(a_notice("YH-1"))
    ways.round()
    mail.behaviour = "up"
    ways.post.outbox.write(a_notice("YH-2"))
    ways.round()
    assert mail.arrived == []
    ways.post.directory.holders["assignee"] = [replace(ALICE, addresses={"email": "new@school.example"})]
    ways.post.outbox.write(a_notice("YH-3"))
    ways.round()
    assert [message.items[0].case for message in mail.arrived] == ["YH-3"]
    assert ways.unreached() == [("bob", "")], "who was to look after her"


def test_a_school_that_sends_nothing_outside_has_nobody_out_of_reach(ways: Ways) -> None:
    ways.outside = ()
    ways.post.outbox.write(a_notice())
    ways.round()
    assert ways.unreached() == []


# --- a department's group ------------------------------------------------------------------------------------------------------


def a_group(post: Post, **how: Any) -> FailingChannel:
    class Group(FailingChannel):
        form = RobotForm

    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up("office", kind="group", **how))
    return Group("group", serves="place")


def test_a_departments_group_gets_its_list_by_name_once_a_working_day_and_none_on_an_empty_one(post: Post) -> None:
    group = a_group(post)
    worker = post.worker(group)
    for day in (16, 17, 18, 20):
        post.directory.work["office"] = [] if day == 17 else [
            {**a_case("YH-2", "2020-01-21 18:00", title="灭火器过期"), "who": ["李娜"]},
            {**a_case("YH-1", "2020-01-10 18:00"), "who": ["张伟", "李娜"]},
        ]  # fmt: skip
        for hour in ("07:45", "12:00"):
            post.at(f"2020-01-{day} {hour}")
            worker.run_once()
    assert len(group.arrived) == 2  # Thursday and Monday
    words = group.arrived[0].words
    assert "教务处" in words.subject and "2 项" in words.subject and "1 项已逾期" in words.subject
    first, second = (line for line in words.body.splitlines() if line[:2] in ("1.", "2."))
    assert "张伟、李娜" in first and "插座面板破损" in first and "已逾期" in first
    assert "李娜" in second and "灭火器过期" in second


def test_what_is_direct_goes_to_the_group_naming_whom_it_is_for_and_not_what_somebody_typed(post: Post) -> None:
    group = a_group(post, direct=True)
    post.directory.holders["assignee"] = [replace(ALICE, department="office"), CHARLIE]
    post.outbox.write(a_notice(title="某学生的情况", place="三楼", actor_post="班主任"))
    post.worker(group, post.inbox()).run_once()
    [message] = group.arrived
    said = message.words.subject + message.words.body
    assert "张伟" in said and "YH-2020-0012" in said and "1月19日" in said
    assert not any(word in said for word in ("某学生", "三楼", "班主任", "Charlie"))


# --- away, and back ------------------------------------------------------------------------------------------------------------


def test_who_is_back_is_told_once_what_was_done_for_him_and_what_waits(ways: Ways) -> None:
    done: list[Mapping[str, Any]] = [
        {**a_case("YH-7", title="配电箱门损坏"), "trigger_title": {"zh": "销号", "en": "Approve"},
         "at": local("2020-01-14 10:00").isoformat()}
    ]  # fmt: skip
    ways.post.directory.returned = [Back("leave", "alice", date(2020, 1, 10), date(2020, 1, 15), done, 8)]
    ways.post.directory.waits["alice"] = [a_case("YH-1", "2020-03-01 12:00"), a_case("YH-2", "2020-03-01 12:00")]
    for day in (16, 17):
        ways.post.at(f"2020-01-{day} 07:45")
        ways.round()
    [message] = ways.wecom.arrived
    body = message.words.body
    assert "1月10日" in body and "1月15日" in body and "8 项" in body and "2 项" in body
    assert "配电箱门损坏" in body and "销号" in body and "另有 7 项" in body
    assert len(ways.on_the_desk()) == 1


def test_a_digest_of_who_is_away_stays_on_his_desk(ways: Ways) -> None:
    ways.post.outbox.write(a_notice(how="digest"))
    ways.post.directory.holders["assignee"] = [replace(ALICE, away=True), BOB]
    ways.post.at("2020-01-16 07:45")
    ways.round()
    assert ways.sent() == [("wecom_app", "bob")]
    assert len(ways.on_the_desk()) == 1


def test_many_schools_days_begin_over_several_rounds_and_hold_nobodys_message_up(ways: Ways) -> None:
    places = [Place(f"school-{n}", SHANGHAI, {}) for n in range(DAYS + 5)]
    ways.post.directory.places = places
    ways.post.at("2020-01-16 07:45").outbox.write(a_notice())
    worker = ways.worker()

    def begun() -> int:
        with ways.post.database.read_across() as connection:
            return sum(deliveries.day_begun(connection, place.organisation, date(2020, 1, 16)) for place in places)

    worker.run_once()
    assert (begun(), ways.sent()) == (DAYS, [("wecom_app", "alice")])
    worker.run_once()
    assert begun() == DAYS + 5
