from datetime import date
from typing import Any

import pytest

from notifications.message import delivery_key, digest_key
from notifications.routing import DigestTime, SchoolSettings, Situation, Way, next_digest, route
from tests.notifications.fakes import ALICE, BOB, CHARLIE, SCHOOL, SHANGHAI, FailingChannel, a_notice, local

HOLIDAYS = {date(2020, 1, 24), date(2020, 1, 27), date(2020, 1, 28), date(2020, 1, 29), date(2020, 1, 30)}
MADE_UP = {date(2020, 1, 19)}  # a Sunday at work
NOW = local("2020-01-15 16:00")
TOMORROW = DigestTime(date(2020, 1, 16), local("2020-01-16 07:45"))


def is_workday(day: date) -> bool:
    return day in MADE_UP or (day.weekday() < 5 and day not in HOLIDAYS)


@pytest.mark.parametrize(
    "written, leaves",
    [
        ("2020-01-15 16:00", "2020-01-16 07:45"),  # in the afternoon: tomorrow
        ("2020-01-16 00:10", "2020-01-16 07:45"),  # in the night: this morning
        ("2020-01-16 07:40", "2020-01-16 07:45"),  # fires at the digest's own minute: still in it
        ("2020-01-16 07:45", "2020-01-16 07:45"),  # the last instant
        ("2020-01-16 07:45:01", "2020-01-17 07:45"),  # too late
        ("2020-01-17 16:00", "2020-01-19 07:45"),  # Friday: the Sunday is a make-up workday
        ("2020-01-19 16:00", "2020-01-20 07:45"),
        ("2020-01-23 16:00", "2020-01-31 07:45"),  # over the holidays
    ],
)
def test_the_digest_is_the_next_working_mornings(written: str, leaves: str) -> None:
    digest = next_digest(local(written), SHANGHAI, is_workday, SCHOOL)
    assert digest.leaves_at == local(leaves)
    assert digest.day == local(leaves).astimezone(SHANGHAI).date()


def test_a_digest_after_a_day_is_on_a_later_day() -> None:
    assert next_digest(local("2020-01-16 07:00"), SHANGHAI, is_workday, SCHOOL, after=date(2020, 1, 16)).day == date(
        2020, 1, 17
    )


def test_a_calendar_without_any_working_day_silences_nobody_for_ever() -> None:
    assert next_digest(NOW, SHANGHAI, lambda _: False, SCHOOL).day == date(2020, 3, 15)


def ways(*channels: FailingChannel, school: SchoolSettings = SCHOOL, **known: Any) -> Situation:
    return Situation(school, SHANGHAI, [Way(channel, channel.name) for channel in channels], **known)


def the_desk() -> FailingChannel:
    return FailingChannel("inbox", outside=False)


def test_each_person_gets_it_on_his_desk_and_by_one_channel_outside() -> None:
    channels = (
        the_desk(),
        FailingChannel("sms"),
        FailingChannel("email", unreached={"bob"}),
        FailingChannel("wecom_app", unreached={"alice", "bob"}),
    )
    planned = route(a_notice(), [ALICE, BOB, CHARLIE], ways(*channels), TOMORROW, NOW)
    assert [(p.addressee.key, p.channel, p.status) for p in planned] == [
        ("alice", "inbox", "waiting"), ("alice", "email", "waiting"), ("bob", "inbox", "waiting"), ("bob", "sms", "waiting"),
        ("charlie", "inbox", "waiting"), ("charlie", "wecom_app", "waiting"),
    ]  # fmt: skip


def test_direct_goes_now_and_digest_goes_with_the_days_message() -> None:
    [direct] = route(a_notice(how="direct"), [ALICE], ways(FailingChannel()), TOMORROW, NOW)
    [digest] = route(a_notice(how="digest"), [ALICE], ways(FailingChannel()), TOMORROW, NOW)
    assert (direct.not_before, direct.message) == (NOW, direct.id)
    assert (digest.not_before, digest.message, digest.digest_for) == (TOMORROW.leaves_at, None, TOMORROW.day)


def test_a_school_with_nothing_but_its_own_hook_gets_the_names_with_it() -> None:
    [planned] = route(a_notice(), [ALICE], ways(FailingChannel("webhook", serves="organisation")), TOMORROW, NOW)
    assert planned.told == (ALICE,)


def test_an_audience_of_nobody_is_written_down_and_the_organisation_still_hears_of_it() -> None:
    channels = ways(FailingChannel("inbox"), FailingChannel("webhook", serves="organisation"))
    hook, nobody = route(a_notice(audience=("principal", "secretary")), [], channels, TOMORROW, NOW)
    assert (hook.channel, hook.status) == ("webhook", "waiting")
    assert (nobody.status, nobody.cause) == ("unreachable", "nobody is principal or secretary here")


def test_what_names_no_audience_is_for_the_organisations_own_channels() -> None:
    channels = ways(FailingChannel("inbox"), FailingChannel("webhook", serves="organisation"))
    [hook] = route(a_notice(audience=()), [], channels, TOMORROW, NOW)
    assert (hook.channel, hook.status) == ("webhook", "waiting")
    [nobody] = route(a_notice(audience=()), [], ways(the_desk()), TOMORROW, NOW)
    assert nobody.status == "unreachable"


def test_keys_are_stable_and_never_meet() -> None:
    keys = [
        delivery_key("school", "YH-1:2:waiting", "alice", "inbox"),
        delivery_key("school", "YH-1:2:waiting", "alice", "robot"),
        delivery_key("school", "YH-1:2:waiting", "alic", "einbox"),
        delivery_key("other", "YH-1:2:waiting", "alice", "inbox"),
        digest_key("school", "alice", "inbox", date(2020, 1, 16)),
        digest_key("school", "alice", "inbox", date(2020, 1, 17)),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == "msg_a6d47e22524805a7d904fa5300faf810", "a new way to make keys would send everything twice"
