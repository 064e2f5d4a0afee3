"""Notices by their rules: which step is possible where, what a deadline is, who is waited for, under whatever order people tap."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.actor import Actor, Grant
from engine.authority import judge
from engine.calendar import Calendar
from engine.case import Case
from engine.commands import FireTrigger, OpenCase
from engine.decision import Decision, Setting
from engine.directory import Person
from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow, Text
from engine.machine import decide, decide_opening, read_form
from engine.store import people
from engine.tick import tick
from tests.workflows.school import ORGANISATION, School
from workflows.comparison import COMPARISON
from workflows.notice import NOTICE, Convey, OpenNotice
from workflows.task import TASK
from workflows.wording import ERROR_WORDS

NOW = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)  # a Monday, nine in the morning at the school
CALENDAR = Calendar(
    version=1, time_zone="Asia/Shanghai", days_off=frozenset({date(2020, 1, 1)}),
    working_weekend_days=frozenset({date(2020, 1, 19)}), known_from=date(2019, 1, 1), known_until=date(2020, 12, 31),
)  # fmt: skip
OFFICER = Actor("school", "person", "officer", "DZB", frozenset({Grant("safety_staff")}))
STAFF = ("alice", "bob", "charlie")
ASKED = Text("办理", "Take the step")


def setting(actor: Actor = OFFICER, **known: Any) -> Setting:
    return Setting(actor, NOTICE.defaults(), CALENDAR, **known)


def someone(person: str, **more: Any) -> Actor:
    return Actor("school", "person", person, "XB1", frozenset({Grant("teacher")}), **more)


def received(kind: str, **more: Any) -> Case:
    said = {"title": "冬季安全检查", "kind": kind, "dated_on": "2020-01-06", **more}
    data = read_form(OpenNotice, said, ASKED, ERROR_WORDS)
    return decide_opening(NOTICE, "WJ-2020-0001", OpenCase("notice", data), data, NOW, setting()).case


def fired(case: Case, trigger: str, known: Setting | None = None, **data: Any) -> Decision:
    data = read_form(NOTICE.form_of(trigger), data, ASKED, ERROR_WORDS)
    return decide(NOTICE, case, FireTrigger(case.number, trigger, data), data, NOW, known or setting())


def conveyed(kind: str, *persons: str, **more: Any) -> Case:
    to = setting(addressed=persons or STAFF)
    given: dict[str, Any] = {"audience": ["everyone"], "key_points": "学习"}
    if kind == "accident":
        given |= {
            "items": [{"title": "通道", "category": "FIRE.exit"}],
            "sites": [{"department": "HQC", "place": "库房"}],
        }
    return fired(received(kind, **more), "convey", to, **given).case


def confirmed(case: Case, *persons: str) -> Case:
    for person in persons:
        case = fired(case, "confirm", setting(someone(person))).case
    return case


# --- which step is possible where ------------------------------------------------------------------------------------

DONE: dict[str, Any] = {"done": "已落实"}
#: what stands there → the step, what it says, and the state it leads to or the condition it breaks
STEPS: list[tuple[str, Case, str, dict[str, Any], str]] = [
    ("a meeting nobody confirmed", conveyed("school_meeting"), "file", {}, "everyone_has_confirmed"),
    ("a meeting all but one confirmed", confirmed(conveyed("school_meeting"), "alice", "bob"), "file", {}, "everyone_has_confirmed"),
    ("a meeting everybody confirmed", confirmed(conveyed("school_meeting"), *STAFF), "file", {}, "closed"),
    ("a roster everybody confirmed", confirmed(conveyed("roster"), *STAFF), "file", {}, "closed"),
    ("a plan everybody confirmed", confirmed(conveyed("plan"), *STAFF), "file", {}, "closed"),
    ("something published", confirmed(conveyed("publication"), *STAFF), "file", {}, "closed"),
    ("a superior's paper", confirmed(conveyed("superior_notice"), *STAFF), "file", {}, "notice.only_to_know"),
    ("an accident", confirmed(conveyed("accident"), *STAFF), "file", {}, "notice.only_to_know"),
    ("a meeting", conveyed("school_meeting"), "carry_out", DONE, "notice.has_to_be_carried_out"),
    ("a superior's paper nobody confirmed", conveyed("superior_notice"), "carry_out", DONE, "fixed"),
    ("a roster", conveyed("roster"), "minute", {"should_attend": 9, "attended": 9, "points": "x"}, "notice.is_a_meeting"),
    ("a meeting", conveyed("school_meeting"), "minute", {"should_attend": 9, "attended": 8, "points": "x"}, "assigned"),
    ("a meeting of more than there are", conveyed("school_meeting"), "minute", {"should_attend": 9, "attended": 10, "points": "x"}, "notice.nobody_counted_twice"),
    ("a paper just received", received("superior_notice"), "withdraw", {"reason": "重复登记"}, "withdrawn"),
    ("a paper just received", received("superior_notice"), "confirm", {}, "not possible"),
    ("an accident without a list", received("accident"), "convey", {"audience": ["everyone"], "key_points": "x"}, "notice.accident_is_compared"),
    ("a plan with a list to compare", received("plan"), "convey",
     {"audience": ["everyone"], "key_points": "x", "items": [{"title": "通道", "category": "FIRE.exit"}]}, "notice.accident_is_compared"),
    ("a task without any day", received("plan"), "convey",
     {"audience": ["everyone"], "key_points": "x", "tasks": [{"title": "检查", "department": "HQC"}]}, "notice.tasks_have_a_day"),
]  # fmt: skip


@pytest.mark.parametrize("stands, case, trigger, said, comes", STEPS, ids=[f"{row[0]}: {row[2]}" for row in STEPS])
def test_a_step_leads_where_it_is_drawn_or_says_why_not(
    stands: str, case: Case, trigger: str, said: dict[str, Any], comes: str
) -> None:
    try:
        came = fired(case, trigger, setting(addressed=STAFF), **said).case.state
    except GuardRefused as refused:
        came = refused.guard
    except NotPossibleNow:
        came = "not possible"
    assert came == comes, stands


@pytest.mark.parametrize(
    "kind, dated_on, reply_by, broken",
    [
        ("school_meeting", "2020-01-07", None, "notice.day_has_come"),
        ("superior_notice", "2020-01-07", None, "notice.day_has_come"),
        ("roster", "2020-01-24", None, None),
        ("plan", "2020-01-24", None, None),
        ("roster", "2020-01-06", "2020-01-20", "notice.reply_asked_from_above"),
        ("superior_notice", "2020-01-06", "2020-01-02", None),  # it came after its own day: late stays late
    ],
)
def test_what_was_held_or_received_has_its_day_behind_it(
    kind: str, dated_on: str, reply_by: str | None, broken: str | None
) -> None:
    came = None
    try:
        received(kind, dated_on=dated_on, reply_by=reply_by)
    except GuardRefused as refused:
        came = refused.guard
    assert came == broken


def test_the_superiors_day_is_the_limit_else_the_schools_own() -> None:
    asked = conveyed("superior_notice", reply_by="2020-01-20")
    assert asked.first_due_at == datetime(2020, 1, 20, 15, 59, 59, tzinfo=UTC)
    assert fired(asked, "carry_out", **DONE).case.due_at == asked.first_due_at, "it is still the superior's day"
    assert conveyed("superior_notice").first_due_at == datetime(2020, 1, 19, 15, 59, 59, tzinfo=UTC)  # ten working days


def test_tasks_and_comparisons_inherit_the_superiors_day_where_none_is_given() -> None:
    said = {
        "audience": ["everyone"], "key_points": "x", "items": [{"title": "通道", "category": "FIRE.exit"}],
        "sites": [{"department": "HQC", "place": "库房"}],
        "tasks": [{"title": "检查", "department": "HQC"}, {"title": "报告", "department": "XB1", "due_on": "2020-01-10"}],
    }  # fmt: skip
    case = received("accident", reply_by="2020-01-20", document_number="教发1号")
    opened = fired(case, "convey", setting(addressed=STAFF), **said).opens
    assert [(o.workflow, o.data["due_on"], o.data["basis"]) for o in opened] == [
        ("task", "2020-01-20", "教发1号"), ("task", "2020-01-10", "教发1号"), ("comparison", "2020-01-20", "教发1号"),
    ]  # fmt: skip
    for loop, form in (("task", TASK.opens_with), ("comparison", COMPARISON.opens_with)):
        for one in opened:
            if one.workflow == loop:
                read_form(form, one.data, ASKED, ERROR_WORDS)


# --- each for himself, once ------------------------------------------------------------------------------------------

TAPS = st.lists(
    st.one_of(
        st.tuples(st.just("confirm"), st.sampled_from([*STAFF, "dora", "erin", "alice2"])),
        st.tuples(st.just("excuse"), st.lists(st.sampled_from([*STAFF, "dora", "erin"]), min_size=1, max_size=2)),
        st.tuples(st.just("convey_further"), st.lists(st.sampled_from([*STAFF, "dora"]), min_size=1, max_size=2)),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(TAPS)
def test_whoever_confirms_had_to_know_and_does_it_once_in_whatever_order_people_tap(
    taps: list[tuple[str, Any]],
) -> None:
    """`alice2` is another account of Alice; Erin need not know of it, ever."""
    case = conveyed("school_meeting", *STAFF)
    for trigger, who in taps:
        before = case
        try:
            if trigger == "confirm":
                actor = someone(who, aliases=frozenset({"alice"}) if who == "alice2" else frozenset())
                transition = NOTICE.transition("confirm", case.state)
                assert transition is not None
                judge(NOTICE, transition, case, actor, NOTICE.defaults(), ASKED)
                case = fired(case, "confirm", setting(actor)).case
            elif trigger == "excuse":
                case = fired(case, "excuse", persons=who, reason="病假").case
            else:
                case = fired(
                    case, "convey_further", setting(addressed=tuple(who)), audience=["everyone"], reason="x"
                ).case
        except (NotAllowed, GuardRefused, InvalidInput):
            assert case == before
        addressed, knows, excused = (case.who_acted(name) for name in ("addressee", "confirmed", "excused"))
        for persons in (addressed, knows, excused):
            assert len(set(persons)) == len(persons)
        assert set(knows) <= set(addressed) and set(excused) <= set(addressed) and "erin" not in addressed
        assert set(case.unconfirmed) == set(addressed) - set(knows) - set(excused)
        assert (case.acknowledged_at is None) is bool(case.unconfirmed)


def test_a_second_tap_is_refused_with_words_and_an_excuse_is_no_confirmation() -> None:
    case = confirmed(conveyed("school_meeting"), "alice")
    with pytest.raises(GuardRefused) as again:
        confirmed(case, "alice")
    assert "您已经确认知晓" in again.value.sentence("zh")
    excused = fired(case, "excuse", persons=["bob"], reason="病假").case
    assert excused.who_acted("confirmed") == ("alice",) and excused.unconfirmed == ("charlie",)
    assert confirmed(excused, "bob").who_acted("confirmed") == ("alice", "bob"), (
        "who was excused may say it all the same"
    )


def test_a_case_that_moves_on_still_waits_for_the_same_people() -> None:
    case = confirmed(conveyed("superior_notice"), "alice")
    moved = fired(case, "carry_out", **DONE)
    assert moved.case.unconfirmed == ("bob", "charlie") and moved.case.receipt_since == case.receipt_since
    assert {"receipt", "receipt-1"} <= {timer.rung for timer in moved.timers}
    settled = fired(confirmed(case, "bob", "charlie"), "carry_out", **DONE)
    assert not any(timer.rung.startswith("receipt") for timer in settled.timers)


def test_the_last_to_confirm_stops_the_receipts_clock_and_nobody_before_him() -> None:
    case = confirmed(conveyed("school_meeting"), "alice", "bob")
    assert case.acknowledged_at is None
    last = fired(case, "confirm", setting(someone("charlie")))
    assert last.case.acknowledged_at == NOW and last.cancels_rungs == ("receipt", "receipt-1")
    again = fired(last.case, "convey_further", setting(addressed=("dora",)), audience=["person:dora"], reason="漏了")
    assert again.case.acknowledged_at is None and [told.audience for told in again.told] == [("unconfirmed",)]


# --- with a memory ---------------------------------------------------------------------------------------------------


def a_meeting(school: School, *persons: str) -> Case:
    case = school.open("officer", "notice", title="安全例会", kind="school_meeting", dated_on="2020-01-06")
    said = Convey(audience=[f"person:{person}" for person in persons], key_points="学习").model_dump(mode="json")
    return school.step("officer", case, "convey", **said)


def leaves(school: School, who: str) -> None:
    with school.engine.database.write_across() as connection:
        known = people.person(connection, ORGANISATION, who)
        assert known is not None
        people.update_person(connection, replace(known, active=False))


def test_a_desk_shows_it_until_its_reader_has_settled_it(school: School) -> None:
    case = a_meeting(school, "alice", "teacher", "charlie")
    assert [case.number] == school.waiting_for("alice") == school.waiting_for("charlie")
    school.step("alice", case, "confirm")
    assert school.waiting_for("alice") == []
    school.step("officer", case, "excuse", persons=["charlie"], reason="进修")
    assert school.waiting_for("charlie") == []
    further = school.step("officer", case, "convey_further", audience=["person:bob"], reason="漏了")
    assert school.waiting_for("bob") == [case.number] and school.waiting_for("teacher") == [case.number]
    for who in ("bob", "teacher"):
        school.step(who, further, "confirm")
    assert school.step("officer", further, "file").state == "closed"
    assert school.waiting_for("officer") == []


def test_nobody_waits_for_who_has_left(school: School) -> None:
    case = a_meeting(school, "alice", "charlie")
    school.step("alice", case, "confirm")
    leaves(school, "charlie")
    before = len(school.notices(case))
    school.at("2020-01-08 10:00")  # two working days later: there is nobody left to remind
    tick(school.engine)
    assert len(school.notices(case)) == before
    assert school.step("officer", case, "file").state == "closed"


def test_an_event_of_a_confirmation_stays_as_small_as_it_is(school: School) -> None:
    with school.engine.database.write_across() as connection:
        for n in range(40):
            people.add_person(connection, Person(ORGANISATION, f"p{n:02}", f"p{n:02}", "XB1"))
    case = school.open("officer", "notice", title="大会", kind="school_meeting", dated_on="2020-01-06")
    case = school.step("officer", case, "convey", audience=["everyone"], key_points="学习")
    for n in range(40):
        case = school.step(f"p{n:02}", case, "confirm")
    events = school.events(case)
    assert len(case.who_acted("addressee")) > 40
    for event in events[2:]:
        assert set(event.changes) <= {"acted.confirmed+", "sequence", "last_recorded_at"}
        assert len(event.changes["acted.confirmed+"]) == 1
    assert school.case(case.number) == case
