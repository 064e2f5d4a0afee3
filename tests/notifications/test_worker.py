import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from engine.errors import Busy
from engine.events import How, Notice
from engine.store.database import Database
from notifications import accounts, deliveries
from notifications.addressing import routed
from notifications.asking import Asking
from notifications.channels import Account, Limit, Receipt
from notifications.channels.forms import Form
from notifications.message import Outgoing, delivery_key
from notifications.office import LEASE, RoundResult
from notifications.tables import Connection
from notifications.worker import DeliveryWorker
from tests.notifications.fakes import (
    ALICE,
    BOB,
    CHARLIE,
    FailingChannel,
    Killed,
    Post,
    RobotForm,
    a_notice,
    a_set_up,
    local,
)


def some_notices(count: int, **changes: object) -> list[Notice]:
    return [a_notice(f"YH-2020-{n:04}", **changes) for n in range(1, count + 1)]  # type: ignore[arg-type]


# --- direct ----------------------------------------------------------------------------------------------------------


def test_a_direct_notice_goes_out_at_once_to_everyone_in_its_audience(post: Post) -> None:
    post.outbox.write(a_notice(audience=("assignee", "dept_head")))
    assert post.worker().run_once() == RoundResult(planned=2, direct=2)
    assert {message.addressee.key for message in post.channel.arrived} == {"alice", "bob"}
    assert post.statuses() == {"sent": 2}
    assert post.outbox.unplanned == []


def test_a_second_round_sends_nothing_twice(post: Post) -> None:
    post.outbox.write(a_notice())
    worker = post.worker()
    worker.run_once()
    assert worker.run_once() == RoundResult()
    assert len(post.channel.arrived) == 1


def test_a_notice_planned_twice_keeps_its_one_delivery_and_key(post: Post) -> None:
    post.outbox.write(a_notice())
    post.worker().run_once()
    post.outbox._kept["school", a_notice().id].done = False
    post.clock.advance(timedelta(hours=1))
    assert post.worker().run_once() == RoundResult()
    assert post.channel.keys == [delivery_key("school", a_notice().id, "alice", "robot")]


def test_a_notice_for_the_organisation_goes_out_at_once_even_when_people_read_it_tomorrow(post: Post) -> None:
    webhook = FailingChannel("webhook", serves="organisation")
    post.outbox.write(a_notice(how="digest", audience=("assignee", "dept_head")))
    post.worker(post.channel, webhook).run_once()
    [message] = webhook.arrived
    assert [person["name"] for person in message.told] == ["张伟", "李娜"]
    assert post.channel.arrived == []


# --- the outage of a day ---------------------------------------------------------------------------------------------


def test_while_the_channel_is_down_for_a_day_messages_wait_back_off_and_arrive_once_with_one_key_each(
    post: Post,
) -> None:
    webhook = FailingChannel("webhook", serves="organisation", behaviour="down")
    notices = some_notices(8)
    post.outbox.write(*notices)
    worker = post.worker(webhook)
    for _ in range(24 * 60):
        worker.run_once()
        post.clock.advance(timedelta(minutes=1))
    assert webhook.arrived == []
    assert post.statuses() == {"waiting": 8}
    assert 3 + 3 < len(webhook.tries) < 8 * 8, (
        "three in a row, then one after 1, 5 and 15 minutes and so on, whichever of them it is; by itself each would be tried "
        "eight times"
    )

    webhook.behaviour = "up"
    post.clock.advance(timedelta(hours=24))
    worker.run_once()
    assert sorted(webhook.keys) == sorted(delivery_key("school", n.id, "*", "webhook") for n in notices)
    assert set(webhook.tries) == set(webhook.keys)
    assert post.statuses() == {"sent": 8}


def test_a_channel_that_is_down_costs_a_round_three_tries_not_all(post: Post) -> None:
    post.channel.behaviour = "down"
    post.outbox.write(*some_notices(9))
    assert post.worker().run_once() == RoundResult(planned=9, again=3)
    assert sorted({delivery.attempts for delivery in post.deliveries()}) == [0, 1]


def test_what_the_other_side_asks_for_is_honoured(post: Post) -> None:
    post.channel.behaviour = "down"
    post.channel.retry_after = timedelta(hours=2)
    post.outbox.write(a_notice())
    worker = post.worker()
    worker.run_once()
    post.clock.advance(timedelta(minutes=119))
    worker.run_once()
    assert len(post.channel.tries) == 1
    post.clock.advance(timedelta(minutes=1))
    worker.run_once()
    assert len(post.channel.tries) == 2


def test_who_asks_for_patience_gets_it_and_it_is_no_try(post: Post) -> None:
    post.channel.behaviour = "crowded"
    post.channel.retry_after = timedelta(minutes=10)
    post.outbox.write(*some_notices(5))
    worker = post.worker(max_attempts=1)
    worker.run_once()
    assert len(post.channel.tries) == 1, "the others need not be refused too"
    assert {delivery.attempts for delivery in post.deliveries()} == {0}
    post.channel.behaviour = "up"
    post.clock.advance(timedelta(minutes=10))
    assert worker.run_once().direct == 5


def test_one_failing_channel_delays_no_other(post: Post) -> None:
    down = FailingChannel("down", serves="organisation", behaviour="down")
    post.outbox.write(*some_notices(5))
    post.worker(down, post.channel, post.inbox()).run_once()
    assert len(post.channel.arrived) == 5
    with post.database.read_across() as connection:
        assert len(deliveries.inbox_of(connection, "school", "alice")) == 5


def test_a_school_whose_endpoint_is_down_delays_no_other_school(post: Post) -> None:
    class OneSchoolIsDown(FailingChannel):
        def send(self, message: Outgoing, account: Account) -> Receipt:
            self.behaviour = "down" if message.organisation == "school" else "up"
            return super().send(message, account)

    channel = OneSchoolIsDown("webhook", serves="organisation")
    post.outbox.write(*some_notices(30), *some_notices(3, organisation="other"))
    result = post.worker(channel).run_once()
    assert (result.again, result.direct) == (3, 3)


def test_a_slow_channel_gives_the_rest_back_when_its_patience_is_used_up(post: Post) -> None:
    seconds = iter(range(0, 10_000, 8))
    post.outbox.write(*some_notices(9))
    result = post.worker(patience_seconds=20, monotonic=lambda: float(next(seconds))).run_once()
    assert 0 < result.direct < 9
    assert post.statuses() == {"sent": result.direct, "waiting": 9 - result.direct}
    assert {d.attempts for d in post.deliveries(status="waiting")} == {0}, "untried is not a try"


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_a_permanent_refusal_is_dead_in_sight_and_redrive_sends_it_under_the_same_key(post: Post) -> None:
    post.channel.behaviour = "refuses"
    post.outbox.write(a_notice())
    assert post.worker().run_once().dead == 1
    [dead] = post.deliveries(dead=True)
    assert dead.status == "dead"
    assert dead.answer == "refused for good: 410 gone"

    post.channel.behaviour = "up"
    post.clock.advance(timedelta(days=30))
    assert post.worker().run_once() == RoundResult(), "a dead letter does not move by itself"
    with post.database.write_across() as connection:
        assert deliveries.redrive(connection, "school", [dead.id], post.clock.now()) == 1
    assert post.worker().run_once().direct == 1
    assert post.channel.tries == [dead.id, dead.id]
    assert post.deliveries(dead=True) == []


def test_redrive_of_another_school_touches_nothing(post: Post) -> None:
    post.channel.behaviour = "refuses"
    post.outbox.write(a_notice())
    post.worker().run_once()
    with post.database.write_across() as connection:
        assert deliveries.redrive(connection, "other", None, post.clock.now()) == 0


def test_after_the_last_try_a_message_is_dead(post: Post) -> None:
    post.channel.behaviour = "down"
    post.outbox.write(a_notice())
    worker = post.worker(max_attempts=3)
    for _ in range(5):
        worker.run_once()
        post.clock.advance(timedelta(days=1))
    assert len(post.channel.tries) == 3
    [dead] = post.deliveries(dead=True)
    assert dead.answer == "gave up after 3 tries: 503 down for maintenance"


def test_a_defect_in_a_channel_leaves_the_message_waiting(post: Post) -> None:
    post.channel.behaviour = "broken"
    post.outbox.write(a_notice())
    assert post.worker().run_once().again == 1
    [waiting] = post.deliveries()
    assert (waiting.status, waiting.answer) == ("waiting", "KeyError"), "what it says besides is for the log"


def test_a_message_that_nobody_can_write_is_a_dead_letter_and_stops_no_other(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001", due_at="the day after tomorrow"), a_notice("YH-2020-0002"))
    assert post.worker().run_once() == RoundResult(planned=2, direct=1, dead=1)
    [dead] = post.deliveries(dead=True)
    assert dead.answer == "refused for good: cannot be written: ValueError", (
        "what it says besides may be somebody's words"
    )


# --- crashes and leases ----------------------------------------------------------------------------------------------


def test_killed_between_send_and_record_it_is_sent_again_with_the_same_key(post: Post) -> None:
    post.channel.behaviour = "dies_after"
    post.outbox.write(a_notice())
    with pytest.raises(Killed):
        post.worker().run_once()
    assert post.statuses() == {"sending": 1}
    post.channel.behaviour = "up"
    assert post.worker().run_once() == RoundResult(), "the lease still runs"
    post.clock.advance(timedelta(minutes=5))
    assert post.worker().run_once() == RoundResult(direct=1)
    first, second = post.channel.keys
    assert first == second


class _TheyWaitForEachOther(Exception):
    sqlstate = "40P01"


@pytest.mark.parametrize("times, told", [(1, {"sent": 1}), (3, {"sent": 1}), (99, {"sending": 1})])
@pytest.mark.parametrize("way", ["outside", "inside"])  # one by one, and many in one transaction
def test_what_came_of_a_message_is_written_down_although_two_workers_cross(
    post: Post, monkeypatch: pytest.MonkeyPatch, way: str, times: int, told: dict[str, int]
) -> None:
    left = times
    settle = deliveries.settle

    def crossing(*about: Any, **more: Any) -> bool:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OperationalError("UPDATE delivery", None, _TheyWaitForEachOther())
        return settle(*about, **more)

    monkeypatch.setattr(deliveries, "settle", crossing)  # a server that undoes one of two cannot be had on demand
    post.outbox.write(a_notice())
    with nullcontext() if "sent" in told else pytest.raises(Busy):
        post.worker(post.channel if way == "outside" else post.inbox()).run_once()
    assert post.statuses() == told
    if way == "outside":
        assert len(post.channel.arrived) == 1


def test_killed_before_sending_it_is_sent_once_the_lease_has_run_out(post: Post) -> None:
    post.channel.behaviour = "dies_before"
    post.outbox.write(a_notice())
    with pytest.raises(Killed):
        post.worker().run_once()
    post.channel.behaviour = "up"
    post.clock.advance(timedelta(minutes=5))
    post.worker().run_once()
    assert len(post.channel.arrived) == 1


def test_a_worker_that_slept_through_its_lease_records_nothing(post: Post) -> None:
    fast = FailingChannel()
    slow = FailingChannel()

    def meanwhile(_: object) -> None:
        post.clock.advance(timedelta(minutes=6))
        assert post.worker(fast).run_once().direct == 1

    slow.on_send = meanwhile
    slow.behaviour = "refuses"
    post.outbox.write(a_notice())
    assert post.worker(slow).run_once() == RoundResult(planned=1, lost=1)
    [delivery] = post.deliveries()
    assert (delivery.status, delivery.answer, delivery.fence) == ("sent", "200", 2)


def test_when_the_lease_on_a_notice_is_lost_nothing_planned_under_it_stays(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001"), a_notice("YH-2020-0002"))
    post.outbox.stolen.add("YH-2020-0001:2:waiting")
    assert post.worker().run_once() == RoundResult(planned=1, direct=1, lost=1)
    assert [delivery.notice.case for delivery in post.deliveries()] == ["YH-2020-0002"]


# --- unreachable -----------------------------------------------------------------------------------------------------


def test_a_notice_to_nobody_is_seen_as_unreachable_and_redrive_resolves_it_again(post: Post) -> None:
    post.outbox.write(a_notice(audience=("principal",)))
    assert post.worker().run_once() == RoundResult(planned=1, unreachable=1)
    [nobody] = post.deliveries(dead=True)
    assert (nobody.status, nobody.answer) == ("unreachable", "nobody is principal here")

    def redrive() -> None:
        with post.database.write_across() as connection:
            assert deliveries.redrive(connection, "school", None, post.clock.now()) == 1

    redrive()
    post.worker().run_once()
    assert post.statuses() == {"unreachable": 1}, "there is still nobody"
    post.directory.holders["principal"] = [CHARLIE]
    redrive()
    assert post.worker().run_once().direct == 1
    assert [message.addressee.key for message in post.channel.arrived] == ["charlie"]
    assert post.statuses() == {"withdrawn": 1, "sent": 1}


def test_a_person_without_an_address_is_seen_as_unreachable(post: Post) -> None:
    post.channel.unreached.add("alice")
    post.outbox.write(a_notice(audience=("assignee", "dept_head")))
    assert post.worker().run_once() == RoundResult(planned=3, unreachable=1, direct=1), (
        "and his head hears of it tomorrow"
    )
    [alice] = post.deliveries(status="unreachable")
    assert alice.answer == "no channel has an address of 张伟"


def test_a_notice_that_cannot_be_planned_is_in_sight_and_stops_no_other(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001", audience=("broken",)), a_notice("YH-2020-0002"))
    assert post.worker().run_once() == RoundResult(planned=2, unreachable=1, direct=1)
    [broken] = post.deliveries(dead=True)
    assert broken.answer == "cannot be planned: RuntimeError", "what it says besides may be somebody's words"
    with post.database.write_across() as connection:
        deliveries.redrive(connection, "school", None, post.clock.now())
    post.worker().run_once()
    assert post.statuses() == {"unreachable": 1, "sent": 1}
    assert [still.answer for still in post.deliveries(dead=True)] == [broken.answer]


def test_a_notice_is_not_given_up_because_the_database_could_not_look_at_it_just_now(post: Post) -> None:
    post.outbox.write(a_notice())
    post.directory.fails_with = OperationalError("SELECT", None, Exception("database or disk is full"))
    with pytest.raises(Busy, match="the disk is full"):
        post.worker().run_once()
    assert post.deliveries() == []
    post.directory.fails_with = None
    post.clock.advance(LEASE)  # this outbox keeps its leases when the transaction is undone
    assert post.worker().run_once() == RoundResult(planned=1, direct=1)


def test_a_day_is_not_taken_for_broken_because_the_database_could_not_look_at_it_just_now(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.directory.waits["alice"] = [{**a_notice().about, "due_at": "2020-01-01T10:00:00+00:00"}]
    post.directory.fails_with = OperationalError("SELECT", None, Exception("database or disk is full"))
    worker = at_0745(post, "2020-01-16")
    with pytest.raises(Busy, match="the disk is full"):
        worker.run_once()
    assert not caplog.records, "no defect"
    post.directory.fails_with = None
    assert worker.run_once() == RoundResult(planned=1, digests=1)


# --- simulation ------------------------------------------------------------------------------------------------------


def test_nothing_leaves_a_simulated_data_folder_and_everything_is_seen_to_be_held(post: Post) -> None:
    post.outbox.write(a_notice(), a_notice("YH-2020-0013", how="digest"))
    worker = post.worker(post.channel, post.inbox(), outside_allowed=False)
    assert worker.run_once() == RoundResult(planned=4, direct=1, held=1)
    post.clock.advance(timedelta(days=1))
    assert worker.run_once() == RoundResult(digests=1, held=1)
    assert post.channel.tries == []
    assert {d.answer for d in post.deliveries(status="held")} == {"nothing leaves a simulated data folder"}


# --- digests ---------------------------------------------------------------------------------------------------------


def at_0745(post: Post, day: str) -> DeliveryWorker:
    post.clock.advance_to(local(f"{day} 07:45"))
    return post.worker()


def test_a_digest_is_one_message_a_day_and_person_with_everything_in_it(post: Post) -> None:
    post.outbox.write(*some_notices(4, how="digest", audience=("assignee", "dept_head")))
    assert post.worker().run_once() == RoundResult(planned=8)
    assert at_0745(post, "2020-01-16").run_once() == RoundResult(digests=2)
    to_alice, to_bob = sorted(post.channel.arrived, key=lambda message: message.addressee.key)
    assert (to_alice.addressee.key, to_bob.addressee.key) == ("alice", "bob")
    assert len(to_alice.items) == 4
    assert len({d.message for d in post.deliveries()}) == 2


def test_nothing_to_say_no_message(post: Post) -> None:
    assert at_0745(post, "2020-01-16").run_once() == RoundResult()


def test_a_digest_waits_for_the_next_working_day(post: Post) -> None:
    post.clock.advance_to(local("2020-01-17 16:00"))  # a Friday
    post.directory.holidays.add(local("2020-01-20 12:00").date())
    post.outbox.write(a_notice(how="digest", written_at=post.clock.now()))
    for day in ("2020-01-18", "2020-01-19", "2020-01-20"):
        at_0745(post, day).run_once()
    assert post.channel.arrived == []
    at_0745(post, "2020-01-21").run_once()
    assert len(post.channel.arrived) == 1


def test_reminders_of_the_same_minute_are_in_the_digest_of_the_same_morning(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001", how="digest"))
    post.worker().run_once()
    post.clock.advance_to(local("2020-01-16 07:40:20"))
    post.outbox.write(a_notice("YH-2020-0002", how="digest", reason="reminder", written_at=post.clock.now()))
    post.worker().run_once()
    at_0745(post, "2020-01-16").run_once()
    [message] = post.channel.arrived
    assert len(message.items) == 2


def test_a_digest_that_failed_is_tried_again_with_the_same_lines_under_the_same_key(post: Post) -> None:
    post.channel.behaviour = "down"
    post.outbox.write(*some_notices(2, how="digest"))
    at_0745(post, "2020-01-16").run_once()
    post.outbox.write(a_notice("YH-2020-0009", how="digest", written_at=local("2020-01-16 07:41")))
    post.clock.advance(timedelta(minutes=2))
    post.channel.behaviour = "up"
    post.worker().run_once()
    [message] = post.channel.arrived
    assert len(message.items) == 2, "what came late must not change a message that may have arrived"
    assert post.channel.tries == [message.key, message.key]


def test_what_is_too_late_for_todays_digest_goes_with_the_next(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001", how="digest"))
    at_0745(post, "2020-01-16").run_once()
    post.outbox.write(a_notice("YH-2020-0002", how="digest", written_at=local("2020-01-16 07:41")))
    assert post.worker().run_once() == RoundResult(planned=1, postponed=1)
    at_0745(post, "2020-01-17").run_once()
    assert [len(message.items) for message in post.channel.arrived] == [1, 1]
    assert len(set(post.channel.keys)) == 2


def test_after_days_without_a_worker_there_is_one_digest(post: Post) -> None:
    for day in ("2020-01-15", "2020-01-16", "2020-01-20"):
        post.outbox.write(a_notice(f"YH-{day}", how="digest", written_at=local(f"{day} 12:00")))
    assert at_0745(post, "2020-01-22").run_once().digests == 1
    [message] = post.channel.arrived
    assert len(message.items) == 3


def test_what_was_done_in_the_evening_is_not_asked_for_in_the_morning(post: Post) -> None:
    post.outbox.write(a_notice(how="digest"))
    post.worker().run_once()
    post.directory.states["YH-2020-0012"] = "fixed"
    assert at_0745(post, "2020-01-16").run_once() == RoundResult(withdrawn=1)
    assert post.channel.arrived == []
    [delivery] = post.deliveries()
    assert (delivery.status, delivery.answer) == ("withdrawn", "the case has moved on to fixed")


@pytest.mark.parametrize("reason", ["reminder", "escalation", "receipt", "returned", "informed"])
def test_only_what_waits_is_withdrawn_when_the_case_moves_on(post: Post, reason: str) -> None:
    post.outbox.write(a_notice(how="digest", reason=reason))
    post.worker().run_once()
    post.directory.states["YH-2020-0012"] = "fixed"
    assert at_0745(post, "2020-01-16").run_once().digests == 1


def test_whoever_is_in_charge_in_the_morning_gets_the_digest(post: Post) -> None:
    post.outbox.write(a_notice(how="digest", reason="escalation", audience=("dept_head",)))
    post.worker().run_once()
    post.directory.holders["dept_head"] = [CHARLIE]
    at_0745(post, "2020-01-16").run_once()
    assert [message.addressee.key for message in post.channel.arrived] == ["charlie"]
    assert {d.addressee.key: d.status for d in post.deliveries()} == {"bob": "withdrawn", "charlie": "sent"}


def test_whoever_is_in_charge_again_gets_it_after_all(post: Post) -> None:
    post.outbox.write(a_notice(how="digest", reason="escalation", audience=("dept_head",)))
    post.worker().run_once()
    post.directory.holders["dept_head"] = [CHARLIE]
    with post.database.write_across() as connection:
        due = deliveries.due_lines(connection, ["robot"], [("school", "bob")], local("2020-01-16 07:45"))
        [line] = due["school", "bob"]
        deliveries.withdraw(connection, [line], "somebody else is in charge now")
        planned = routed(Asking(post.office(), connection), line.notice, post.clock.now())
        deliveries.plan(connection, planned, post.clock.now())
    post.directory.holders["dept_head"] = [BOB]
    at_0745(post, "2020-01-16").run_once()
    assert [message.addressee.key for message in post.channel.arrived] == ["bob"]


def test_a_line_that_cannot_be_looked_at_again_goes_as_it_was_planned(post: Post) -> None:
    post.outbox.write(a_notice(how="digest"))
    post.worker().run_once()
    post.directory.knows_states = False
    assert at_0745(post, "2020-01-16").run_once().digests == 1


def test_a_dead_digest_is_redriven_whole(post: Post) -> None:
    post.channel.behaviour = "refuses"
    post.outbox.write(*some_notices(3, how="digest"))
    at_0745(post, "2020-01-16").run_once()
    one = post.deliveries(dead=True)[0]
    with post.database.write_across() as connection:
        assert deliveries.redrive(connection, "school", [one.id], post.clock.now()) == 3
    post.channel.behaviour = "up"
    post.worker().run_once()
    [message] = post.channel.arrived
    assert len(message.items) == 3


def test_two_channels_of_one_name_are_refused(post: Post) -> None:
    with pytest.raises(ValueError, match="same name"):
        post.worker(post.channel, FailingChannel())


def test_two_slow_channels_are_asked_side_by_side(post: Post) -> None:
    other = FailingChannel("other", serves="organisation")
    post.outbox.write(a_notice(audience=("assignee", "dept_head")))
    assert post.worker(post.channel, other).run_once().direct == 3
    assert {m.addressee.key for m in post.channel.arrived} == {ALICE.person, BOB.person}
    assert len(other.arrived) == 1


# --- told to stop ----------------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_finishes_its_message_and_gives_the_others_back(post: Post) -> None:
    worker = post.worker()
    post.outbox.write(*some_notices(5))
    post.channel.on_send = lambda _: worker.stop()
    assert worker.run_once() == RoundResult(planned=5, direct=1)
    assert post.statuses() == {"sent": 1, "waiting": 4}
    assert {(d.attempts, d.lease_until) for d in post.deliveries(status="waiting")} == {(0, None)}
    tried = list(post.channel.tries)
    post.channel.on_send = None
    assert post.worker().run_once() == RoundResult(direct=4), "another one's, in the same moment"
    assert len(set(post.channel.tries)) == 5 and post.channel.tries[: len(tried)] == tried


def test_a_worker_that_was_told_to_stop_begins_nothing(post: Post) -> None:
    worker = post.worker()
    worker.stop()
    post.outbox.write(a_notice())
    assert worker.run_once() == RoundResult()
    assert post.outbox.unplanned == [a_notice().id]
    held = post.worker(outside_allowed=False)
    held.plan()
    held.stop()
    assert held.run_once() == RoundResult()
    assert post.statuses() == {"waiting": 1}


# --- lanes -----------------------------------------------------------------------------------------------------------


def test_a_lane_sends_on_its_own_channel_and_plans_for_all(post: Post) -> None:
    webhook = FailingChannel("webhook", serves="organisation")
    worker = post.worker(post.channel, webhook)
    assert worker.lanes == ("robot", "webhook")
    post.outbox.write(a_notice())
    assert worker.run_lane("webhook") == RoundResult(planned=2, direct=1)
    assert (len(webhook.arrived), len(post.channel.arrived)) == (1, 0)
    assert worker.run_lane("robot") == RoundResult(direct=1)


class WritesCounted(Database):
    """A database that knows how often somebody began to write."""

    writes = 0

    @contextmanager
    def write_across(self) -> Iterator[Connection]:
        self.writes += 1
        with super().write_across() as connection:
            yield connection


def test_a_lane_for_which_nothing_waits_begins_no_write_transaction(post: Post) -> None:
    post.outbox.write(a_notice(), a_notice("YH-2", audience=("nobody",)), a_notice("YH-3", how="digest"))
    with closing(WritesCounted(post.database.url)) as database:
        worker = replace(post, database=database).worker(FailingChannel("robot"), FailingChannel("webhook"))
        worker.run_once()
        before = database.writes
        assert before > 0
        for lane in worker.lanes * 3:
            assert worker.run_lane(lane) == RoundResult()
        assert database.writes == before
        with post.database.write_across() as connection:
            assert deliveries.redrive(connection, "school", None, post.clock.now()) == 1
        post.directory.holders["nobody"] = [BOB]
        post.outbox.write(a_notice("YH-4"))
        assert worker.run_once().direct == 2, "what is asked for again is found, and what is new"
        post.at("2020-01-16 07:45")
        assert worker.run_once().digests == 1


def test_lanes_that_run_at_once_send_each_message_once(post: Post) -> None:
    channels = [FailingChannel(f"channel {n}", serves="organisation") for n in range(3)]
    worker = post.worker(*channels)
    post.outbox.write(*some_notices(20))
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(worker.run_lane, worker.lanes * 2))
    again = [worker.run_lane(lane) for lane in worker.lanes]
    assert sum(results + again, RoundResult()) == RoundResult(planned=60, direct=60)
    for channel in channels:
        assert len(channel.tries) == len(set(channel.tries)) == 20


def test_a_lane_that_hangs_lets_the_others_go_on(post: Post) -> None:
    hangs, released = threading.Event(), threading.Event()

    def hang(_message: Outgoing) -> None:
        hangs.set()
        released.wait()

    webhook = FailingChannel("webhook", serves="organisation", on_send=hang)
    worker = post.worker(webhook, post.channel)
    post.outbox.write(a_notice("YH-2020-0001"))
    hanging = threading.Thread(target=worker.run_lane, args=("webhook",))
    hanging.start()
    assert hangs.wait(30)
    post.outbox.write(a_notice("YH-2020-0002"))
    assert worker.run_lane("robot").direct == 2, "also what was written since"
    released.set()
    hanging.join()
    assert len(set(webhook.keys)) == len(webhook.keys) == 2


# --- accounts and limits ---------------------------------------------------------------------------------------------


class Robot(FailingChannel):
    """A channel that needs an account, and whose service takes two messages a minute of each."""

    form: ClassVar[type[Form]] = RobotForm
    limit: ClassVar[Limit | None] = Limit(2, timedelta(minutes=1))


def robots(*names: str) -> list[Account]:
    return [Account("", name, "robot") for name in names]


def test_a_service_never_gets_more_than_it_takes_and_nothing_is_lost(post: Post) -> None:
    robot = Robot("robot", serves="organisation")
    post.outbox.write(*some_notices(5))
    worker = post.sending_by(*robots("teaching")).worker(robot)
    arrived = []
    for _ in range(4):
        worker.run_once()
        arrived.append(len(robot.arrived))
        worker.run_once()
        assert len(robot.arrived) == arrived[-1], "a second round in the same minute sends nothing"
        post.clock.advance(timedelta(minutes=1))
    assert arrived == [2, 4, 5, 5]
    assert len(set(robot.keys)) == 5


def test_an_account_that_is_full_keeps_no_other_from_sending(post: Post) -> None:
    robot = Robot("robot", serves="organisation")
    post.outbox.write(*some_notices(40), *some_notices(1, organisation="other"))
    assert post.sending_by(*robots("teaching")).worker(robot).run_once().direct == 3


def test_a_service_that_wants_to_be_left_alone_is_by_every_worker(post: Post) -> None:
    robot = Robot("robot", serves="organisation", behaviour="crowded", retry_after=timedelta(minutes=10))
    post.outbox.write(*some_notices(3))
    post.sending_by(*robots("teaching")).worker(robot).run_once()
    assert len(robot.tries) == 1
    robot.behaviour = "up"
    post.clock.advance(timedelta(minutes=9))
    post.worker(robot).run_once()
    assert len(robot.tries) == 1
    post.clock.advance(timedelta(minutes=1))
    post.worker(robot).run_once()
    assert len(robot.arrived) == 2
    assert max(delivery.attempts for delivery in post.deliveries()) == 1  # to be asked for patience was no try


def test_secrets_that_do_not_open_leave_what_waits_in_sight(post: Post) -> None:
    robot = Robot("robot", serves="organisation")
    post.outbox.write(*some_notices(3))
    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up("robot", kind="robot", secrets=b"of another folder"))
    assert post.worker(robot).run_once().dead == 1
    assert post.statuses() == {"dead": 1, "waiting": 2}
    assert "set the channel up again" in (post.deliveries(dead=True)[0].answer or "")


def test_nothing_more_is_begun_on_a_lease_that_is_about_to_run_out(post: Post) -> None:
    slow = FailingChannel(on_send=lambda _: post.clock.advance(timedelta(minutes=2)))
    post.outbox.write(*some_notices(6))
    worker = post.worker(slow)
    worker.run_once()
    assert sorted(slow.keys) == sorted(set(slow.keys)), "what was given back was sent by the next claim, once"
    assert {delivery.fence for delivery in post.deliveries()} == {1, 2}


# --- an account that is gone -----------------------------------------------------------------------------------------


def set_up(post: Post, name: str, kind: str, **how: Any) -> None:
    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up(name, kind=kind, department=None, **how))


def two_ways(post: Post) -> tuple[Robot, Robot, DeliveryWorker]:
    """Alice is reached by `mail`, and else by `sms`; each has an account of its name."""
    mail, sms = Robot("email"), Robot("sms")
    for name in ("email", "sms"):
        set_up(post, f"{name}1", name)
    return mail, sms, post.worker(mail, sms)


def outside(post: Post) -> list[tuple[str, str, str]]:
    found = [(d.channel, d.account, d.status) for d in post.deliveries() if d.addressee.key == "alice" and d.channel]
    return sorted(found)


def test_what_waits_for_an_account_that_was_removed_goes_by_another_one_of_its_kind(post: Post) -> None:
    mail, sms, worker = two_ways(post)
    mail.behaviour = "down"
    post.outbox.write(a_notice())
    worker.run_once()
    set_up(post, "email2", "email")
    with post.database.write("school") as connection:
        accounts.drop(connection, "school", "email1")
    mail.behaviour = "up"
    post.clock.advance(timedelta(minutes=2))
    worker.run_once()
    assert outside(post) == [("email", "email2", "sent")]
    assert (len(mail.keys), sms.keys) == (1, [])


def test_where_there_is_none_of_its_kind_it_is_addressed_anew_and_nobody_who_had_it_gets_it_twice(post: Post) -> None:
    mail, sms, worker = two_ways(post)
    post.directory.holders["assignee"] = [ALICE, BOB]
    mail.on_send = lambda message: setattr(mail, "behaviour", "down" if message.addressee.key == "alice" else "up")
    post.outbox.write(a_notice())
    worker.run_once()
    assert [message.addressee.key for message in mail.arrived] == ["bob"]
    with post.database.write("school") as connection:
        accounts.drop(connection, "school", "email1")
    post.clock.advance(timedelta(minutes=2))
    worker.run_once()
    worker.run_once()
    assert outside(post) == [("email", "email1", "withdrawn"), ("sms", "sms1", "sent")]
    assert [message.addressee.key for message in sms.arrived] == ["alice"], "bob had it by the way that is closed now"


def test_one_that_was_switched_off_by_the_edge_lets_go_of_what_waits_at_once(post: Post) -> None:
    mail, sms, worker = two_ways(post)
    mail.behaviour = "down"
    post.outbox.write(a_notice())
    worker.run_once()
    with post.database.write("school") as connection:
        set_off = accounts.find(connection, "school", "email1")
        assert set_off is not None
        accounts.put(connection, replace(set_off, enabled=False))
        assert deliveries.address_anew(connection, "school", "email1", "email", None, post.clock.now()) == 1
        assert deliveries.address_anew(connection, "school", "email1", "email", None, post.clock.now()) == 0
    worker.run_once()
    worker.run_once()
    assert outside(post) == [("email", "email1", "withdrawn"), ("sms", "sms1", "sent")]
    assert len(sms.keys) == 1


@pytest.mark.parametrize("how", ["direct", "digest"])
def test_one_that_was_switched_off_and_on_again_still_sends_what_waited_for_it(post: Post, how: How) -> None:
    mail = Robot("email", behaviour="down")
    set_up(post, "email1", "email")
    worker = post.worker(mail)
    post.outbox.write(a_notice(how=how))
    if how == "digest":
        post.at("2020-01-16 07:45")
    worker.run_once()
    for enabled in (False, True):
        with post.database.write("school") as connection:
            known = accounts.find(connection, "school", "email1")
            assert known is not None
            accounts.put(connection, replace(known, enabled=enabled))
            if not enabled:
                assert deliveries.address_anew(connection, "school", "email1", "email", None, post.clock.now()) == 1
    mail.behaviour = "up"
    for _ in range(3):
        post.clock.advance(timedelta(hours=12))
        worker.run_once()
    assert len(mail.arrived) == 1
    assert outside(post) == [("email", "email1", "sent")]


def test_what_an_older_program_wrote_down_without_an_account_touches_nothing_but_its_own_channel(post: Post) -> None:
    hook = Robot("robot", serves="organisation")
    set_up(post, "robot", "robot")
    worker = post.worker(post.inbox(), hook)
    post.outbox.write(a_notice())
    worker.plan()
    with post.database.write("school") as connection:
        connection.exec_driver_sql("UPDATE delivery SET account = ''")
        accounts.drop(connection, "school", "robot")
    worker.send(hook)
    worker.run_once()
    assert {(d.channel, d.status) for d in post.deliveries()} == {("inbox", "sent"), ("robot", "withdrawn")}


def test_what_waited_for_a_group_whose_robot_is_gone_is_withdrawn(post: Post) -> None:
    hook = Robot("robot", serves="organisation", behaviour="down")
    set_up(post, "robot", "robot")
    worker = post.worker(hook)
    post.outbox.write(a_notice())
    worker.run_once()
    with post.database.write("school") as connection:
        accounts.drop(connection, "school", "robot")
    post.clock.advance(timedelta(minutes=2))
    worker.run_once()
    assert [(d.status, d.answer) for d in post.deliveries(channel="robot")] == [
        ("withdrawn", "robot is not in use any more")
    ]
    assert post.deliveries(status="waiting") == []
