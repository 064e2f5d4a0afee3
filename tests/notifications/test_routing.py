from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest

from engine.events import Recipient
from notifications.message import Addressee, Delivery, delivery_key, digest_key
from notifications.routing import (
    NO_PREFERENCE,
    DigestTime,
    Preference,
    SchoolSettings,
    Situation,
    Way,
    due_soon,
    next_digest,
    overtaken,
    route,
    sent_at,
    workdays_ahead,
)
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


# --- hours ---------------------------------------------------------------------------------------------------------------

NIGHT = Preference(quiet_from=time(20), quiet_until=time(8, 30))
NOON = Preference(quiet_from=time(12), quiet_until=time(14))
ALWAYS_QUIET = Preference(quiet_from=time(7), quiet_until=time(22))


@pytest.mark.parametrize(
    "at, preference, sent",
    [
        ("2020-01-16 07:29:59", NO_PREFERENCE, "2020-01-16 07:30"),
        ("2020-01-16 07:30", NO_PREFERENCE, "2020-01-16 07:30"),
        ("2020-01-16 20:59:59", NO_PREFERENCE, "2020-01-16 20:59:59"),
        ("2020-01-16 21:00", NO_PREFERENCE, "2020-01-17 07:30"),
        ("2020-01-18 23:00", NO_PREFERENCE, "2020-01-19 07:30"),  # every day, also on a Sunday
        ("2020-01-16 07:40", NIGHT, "2020-01-16 08:30"),
        ("2020-01-16 19:59", NIGHT, "2020-01-16 19:59"),
        ("2020-01-16 20:30", NIGHT, "2020-01-17 08:30"),
        ("2020-01-16 06:00", NOON, "2020-01-16 07:30"),
        ("2020-01-16 12:00", NOON, "2020-01-16 14:00"),
        ("2020-01-16 12:00", ALWAYS_QUIET, "2020-01-16 12:00"),  # nobody can silence everything
        ("2020-01-16 22:30", ALWAYS_QUIET, "2020-01-17 07:30"),
    ],
)
def test_a_message_leaves_in_the_schools_hours_and_not_in_its_readers_quiet_ones(
    at: str, preference: Preference, sent: str
) -> None:
    assert sent_at(local(at), SHANGHAI, SCHOOL, preference) == local(sent)


@pytest.mark.parametrize(
    "said, leaves",
    [
        ({"reason": "returned"}, "2020-01-17 08:30"),
        ({"reason": "escalation"}, "2020-01-17 07:30"),  # nobody silences an escalation
        ({"reason": "waiting", "level": "major"}, "2020-01-16 23:00"),  # nor a major hazard, at any hour
    ],
)
def test_quiet_hours_hold_for_nothing_that_cannot_wait(said: dict[str, Any], leaves: str) -> None:
    known = ways(the_desk(), FailingChannel("email"), preferences={"alice": NIGHT})
    planned = route(a_notice(**said), [ALICE], known, TOMORROW, local("2020-01-16 23:00"))
    assert {p.not_before for p in planned} == {local(leaves)}
    assert {p.message is None for p in planned} == {leaves != "2020-01-16 23:00"}, "what waits is looked at again"


def test_a_machine_sleeps_at_no_hour() -> None:
    night = local("2020-01-16 23:00")
    [hook] = route(a_notice(), [ALICE], ways(FailingChannel("webhook", serves="organisation")), TOMORROW, night)
    assert hook.not_before == night


# --- by which way ----------------------------------------------------------------------------------------------------------

EVERY_WAY = ("sms", "email", "wecom_app", "other")


@pytest.mark.parametrize(
    "preference, school, expected",
    [
        (None, {}, "wecom_app"),
        ("sms", {}, "sms"),
        ("pigeon", {}, "wecom_app"),
        ("other", {}, "wecom_app"),  # not among those the school lets people choose
        ("other", {"people_choose": ("other",)}, "other"),
        ("inbox", {}, "wecom_app"),
        ("inbox", {"people_choose": ("inbox",)}, None),
        (None, {"order": ("other", "sms")}, "other"),
    ],
)
def test_somebody_is_reached_by_the_channel_he_chose_else_in_the_schools_order(
    preference: str | None, school: dict[str, Any], expected: str | None
) -> None:
    channels = [the_desk(), *map(FailingChannel, EVERY_WAY)]
    known = ways(*channels, school=replace(SCHOOL, **school), preferences={"alice": Preference(preference)})
    planned = route(a_notice(), [ALICE], known, TOMORROW, NOW)
    assert [p.channel for p in planned] == ["inbox", *([expected] if expected else [])]


@pytest.mark.parametrize("said", [{"level": "major"}, {"reason": "escalation"}])
def test_nobody_keeps_a_major_hazard_or_an_escalation_to_his_desk(said: dict[str, Any]) -> None:
    school = replace(SCHOOL, people_choose=("inbox",))
    known = ways(the_desk(), FailingChannel("sms"), school=school, preferences={"alice": Preference("inbox")})
    assert [p.channel for p in route(a_notice(**said), [ALICE], known, TOMORROW, NOW)] == ["inbox", "sms"]


def test_an_account_that_is_out_of_order_is_passed_over_where_there_is_another_way() -> None:
    broken = Way(FailingChannel("wecom_app"), "corp", in_order=False)
    desk, sms = Way(the_desk(), "inbox"), Way(FailingChannel("sms"), "gateway")

    def told_by(*known: Way) -> list[str]:
        return [p.account for p in route(a_notice(), [ALICE], Situation(SCHOOL, SHANGHAI, known), TOMORROW, NOW)]

    assert told_by(desk, broken, sms) == ["inbox", "gateway"]
    assert told_by(desk, broken) == ["inbox", "corp"], "where there is no other it waits there"


def test_an_address_that_does_not_work_is_passed_over() -> None:
    known = ways(the_desk(), FailingChannel("wecom_app"), FailingChannel("sms"), unworkable={("alice", "wecom_app")})
    assert [p.channel for p in route(a_notice(), [ALICE], known, TOMORROW, NOW)] == ["inbox", "sms"]


def test_who_is_away_and_stood_in_for_has_it_on_his_desk_alone() -> None:
    known = ways(the_desk(), FailingChannel("sms"))
    planned = route(a_notice(), [replace(ALICE, away=True), BOB], known, TOMORROW, NOW)
    assert [(p.addressee.key, p.channel) for p in planned] == [("alice", "inbox"), ("bob", "inbox"), ("bob", "sms")]


def test_a_group_that_wants_it_hears_at_once_what_is_direct_for_its_people() -> None:
    robot = FailingChannel("robot", serves="place")
    of_office = Way(robot, "office", department="office", direct=True)
    of_others = [Way(robot, "teachers", department="teachers", direct=True), Way(robot, "quiet", department="office")]
    known = Situation(SCHOOL, SHANGHAI, [Way(the_desk(), "inbox"), of_office, *of_others])
    at_the_office = [replace(ALICE, department="office"), replace(BOB, department="office"), CHARLIE]
    planned = route(a_notice(), at_the_office, known, TOMORROW, NOW)
    [group] = [p for p in planned if p.channel == "robot"]
    assert (group.addressee.key, group.account, group.told) == ("group:office", "office", tuple(at_the_office[:2]))
    digests = route(a_notice(how="digest"), at_the_office, known, TOMORROW, NOW)
    assert {p.channel for p in digests} == {"inbox"}


# --- what is due soon --------------------------------------------------------------------------------------------------------


def test_three_working_days_ahead_are_counted_over_holidays_and_make_up_days() -> None:
    assert workdays_ahead(date(2020, 1, 16), 3, is_workday) == date(2020, 1, 20)  # Friday, the Sunday at work, Monday
    assert workdays_ahead(date(2020, 1, 22), 3, is_workday) == date(2020, 2, 3)


@pytest.mark.parametrize(
    "due, soon",
    [
        ("2020-01-20 23:59:59", True),
        ("2020-01-21 00:00", True),  # midnight ends the day before it
        ("2020-01-21 00:00:01", False),
        ("2019-12-01 12:00", True),
        (None, False),
    ],
)
def test_what_is_due_by_the_end_of_a_day_or_long_overdue_is_due_soon(due: str | None, soon: bool) -> None:
    about = {"due_at": local(due).isoformat() if due else None}
    assert due_soon(about, date(2020, 1, 20), SHANGHAI) is soon


@pytest.mark.parametrize(
    "audience, still, gone",
    [
        (("unconfirmed",), [ALICE], None),
        (("safety_head", "unconfirmed"), [BOB], False),  # he has confirmed, and nobody has to instead of him
        (("assignee",), [BOB], True),  # somebody else is in charge
    ],
    ids=["not confirmed yet", "confirmed meanwhile", "somebody else in charge"],
)
def test_who_has_confirmed_meanwhile_hears_nothing_and_nobody_in_his_place(
    audience: tuple[str, ...], still: list[Recipient], gone: bool | None
) -> None:
    notice = replace(a_notice(), audience=audience)
    line = Delivery(
        "school", "msg_1", notice, Addressee.person(ALICE), "sms", "digest", "waiting", NOW, None, None, 0, 0, None, NOW, None,
        None,
    )  # fmt: skip
    found = overtaken(line, still, notice.about.get("state"))
    assert (None if found is None else found.readdress) is gone
