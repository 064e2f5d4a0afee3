"""decide() says what a command means for a case: it moves it as drawn or refuses with words, and touches nothing.

That this holds of every step of every loop is shown along generated paths, in tests/workflows/test_paths.py.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.actor import Actor, Grant
from engine.authority import Permit
from engine.case import Case, CaseClock, Link, instant_text
from engine.commands import FireTrigger, OpenCase
from engine.decision import Decision, PeriodOwed, Setting, Watch
from engine.definition import Form, Series, State, Transition, Within, Workflow, asks, guards_of
from engine.errors import GuardRefused, InvalidInput, NotPossibleNow, StaleCase, Text
from engine.guards import Situation, guard
from engine.machine import check_revision, decide, decide_opening, read_form
from engine.reminding import decide_recompute
from tests.engine.fakes import CALENDAR
from workflows import CATALOG
from workflows.hazard import HAZARD

NOW = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)
DUE = datetime(2020, 1, 15, 15, 59, 59, tzinfo=UTC)
ALICE = Actor("school", "person", person="alice", department="HQC", grants=frozenset({Grant("repairer", "HQC")}))
WORD = Text("字", "word")


class TinyAnswer(Form):
    words: str = asks("内容", "Words")


@guard("machine.open_sesame", obstacle=Text("口令不对", "the word is wrong"), remedy=Text("请重试", "Try another"))
def open_sesame(situation: Situation) -> bool:
    return bool(situation.data.get("words") == "sesame")


@guard("machine.second", obstacle=Text("第二道", "the second gate"), remedy=Text("请等待", "Wait"))
def second(situation: Situation) -> bool:
    return situation.case.title == "through"


GATES = Workflow(
    key="gates", plural="gates", version=1, prefix="GA", title=WORD, opens_with=TinyAnswer, opens_by=("anyone",),
    roles={},
    states=(
        State("reported", Text("门外", "Outside"), awaits=("anyone",), due=Within(hours=2)),
        State("assigned", Text("门内", "Inside"), awaits=("anyone",)),
        State("closed", Text("已结", "Closed"), final=True),
    ),
    transitions=(
        Transition(
            "enter", "reported", "assigned", Text("进门", "Enter"), by=("anyone",), form=TinyAnswer,
            guards=(open_sesame, second), acts_as="fixer", counts="entered", numbers=Series("pass", "PA"),
        ),
        Transition("leave", "assigned", "reported", Text("出门", "Leave"), by=("anyone",)),
        Transition("knock", ("reported", "assigned"), None, Text("敲门", "Knock"), by=("anyone",)),
        Transition("finish", "assigned", "closed", Text("结束", "Finish"), by=("anyone",)),
        Transition("whisper", "reported", None, Text("低语", "Whisper"), by=("anyone",), form=TinyAnswer, quiet=True),
        Transition("say", "assigned", None, Text("说话", "Say"), by=("anyone",), form=TinyAnswer),
    ),
)  # fmt: skip


def a_case(workflow: Workflow = GATES, state: str = "reported", **attributes: Any) -> Case:
    drawn = workflow.state(state)
    case = Case(
        organisation="school", number="GA-2020-0001", workflow=workflow.key, version=1, state=state,
        counts_as=drawn.counted, final=drawn.final, opened_at=NOW, revision=3, generation=1, title="through",
        reporter="dora", assignee="alice", department="HQC",
    )  # fmt: skip
    return replace(case, **attributes)


def setting(workflow: Workflow = GATES, **attributes: Any) -> Setting:
    given = {"actor": ALICE, "policy": workflow.defaults(), "calendar": CALENDAR}
    return Setting(**{**given, **attributes})


def fire(case: Case, trigger: str, now: datetime = NOW, permit: Permit = Permit(), **data: Any) -> Decision:  # noqa: B008  # frozen
    return decide(GATES, case, FireTrigger(case.number, trigger, data), data, now, setting(permit=permit))


# --- moving and refusing ------------------------------------------------------------------------------------------------

MOVES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "through both gates": ("reported", "enter", {"words": "sesame"}, "assigned"),
    "back out": ("assigned", "leave", {}, "reported"),
    "to the end": ("assigned", "finish", {}, "closed"),
    "nowhere, outside": ("reported", "knock", {}, "reported"),
    "nowhere, inside": ("assigned", "knock", {}, "assigned"),
}


@pytest.mark.parametrize("state, trigger, data, target", MOVES.values(), ids=MOVES.keys())
def test_a_step_leads_where_it_is_drawn(state: str, trigger: str, data: dict[str, Any], target: str) -> None:
    decision = fire(a_case(state=state), trigger, **data)
    assert (decision.type, decision.trigger, decision.from_state) == ("stepped", trigger, state)
    assert (decision.case.state, decision.case.counts_as) == (target, GATES.state(target).counted)
    assert decision.case.final is GATES.state(target).final


IMPOSSIBLE: dict[str, tuple[str, str]] = {
    "a step of another state": ("reported", "finish"),
    "a step back to where it is": ("assigned", "enter"),
    "a step out of the end": ("closed", "knock"),
    "a step nobody drew": ("reported", "fly"),
    "a step the library would draw by itself": ("reported", "to_closed"),
    "another of them": ("assigned", "to_reported"),
    "a name of the library's": ("reported", "trigger"),
    "nothing": ("reported", ""),
}


@pytest.mark.parametrize("state, trigger", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_the_state_does_not_allow_is_refused_with_what_it_does(state: str, trigger: str) -> None:
    case = a_case(state=state)
    with pytest.raises(NotPossibleNow) as refused:
        fire(case, trigger, words="sesame")
    assert GATES.state(state).title.en in refused.value.obstacle.en
    possible = [t.title.en for t in GATES.transitions if state in t.sources]
    assert all(title in refused.value.remedy.en for title in possible)
    assert ("finished" in refused.value.remedy.en) == (not possible)


GUARDED: dict[str, tuple[dict[str, Any], str, str]] = {
    "the first says no": ({"words": "mustard"}, "through", "machine.open_sesame"),
    "the second says no": ({"words": "sesame"}, "stuck", "machine.second"),
    "both would: the first is named": ({"words": "mustard"}, "stuck", "machine.open_sesame"),
}


@pytest.mark.parametrize("data, title, name", GUARDED.values(), ids=GUARDED.keys())
def test_a_condition_that_says_no_is_named_with_its_own_words(data: dict[str, Any], title: str, name: str) -> None:
    with pytest.raises(GuardRefused) as refused:
        fire(a_case(title=title), "enter", **data)
    asked_guard = next(g for g in guards_of(GATES.transitions[0].guards) if g.name == name)
    assert refused.value.guard == name
    assert (refused.value.obstacle, refused.value.remedy) == (asked_guard.obstacle, asked_guard.remedy)
    assert refused.value.asked.en == "Enter GA-2020-0001"


def test_a_refusal_leaves_no_trace_for_the_next_case() -> None:
    """One machine serves all cases of a definition."""
    with pytest.raises(GuardRefused):
        fire(a_case(), "enter", words="mustard")
    with pytest.raises(NotPossibleNow):
        fire(a_case(state="closed"), "enter")
    assert fire(a_case(), "enter", words="sesame").case.state == "assigned"
    assert fire(a_case(state="assigned"), "leave").case.state == "reported"


REVISIONS: dict[str, tuple[int | None, bool]] = {
    "the one it stands at": (3, True),
    "none named": (None, True),
    "an older one": (2, False),
    "one that does not exist yet": (4, False),
    "none at all": (0, False),
}


@pytest.mark.parametrize("expected, passes", REVISIONS.values(), ids=REVISIONS.keys())
def test_a_step_on_what_is_no_longer_so_is_refused(expected: int | None, passes: bool) -> None:
    command = FireTrigger("GA-2020-0001", "knock", {}, expected_revision=expected)
    if passes:
        check_revision(GATES, a_case(), command)
    else:
        with pytest.raises(StaleCase) as refused:
            check_revision(GATES, a_case(), command)
        assert refused.value.revision == 3
        assert str(expected) in refused.value.obstacle.en and "3" in refused.value.obstacle.zh


# --- what else a step does ------------------------------------------------------------------------------------------------


def test_a_step_counts_numbers_and_remembers_who_took_it() -> None:
    represented = replace(ALICE, on_behalf_of="frank")
    data = {"words": "sesame"}
    command = FireTrigger("GA-2020-0001", "enter", data)
    decision = decide(GATES, a_case(), command, data, NOW, setting(actor=represented))
    assert decision.case.counters == {"entered": 1}
    assert decision.series == (Series("pass", "PA"),)
    assert decision.case.who_acted("fixer") == ("alice", "frank")
    assert decision.case.facts == {"words": "sesame"}


def test_a_new_state_starts_a_new_generation_and_the_end_stops_the_clock() -> None:
    back = fire(a_case(state="assigned", generation=4), "leave")
    assert (back.case.generation, back.case.due_at) == (5, NOW + timedelta(hours=2))
    assert back.cancels_timers
    over = fire(a_case(state="assigned", clock=back.case.clock), "finish")
    assert (over.case.clock, over.case.closed_at, over.timers) == (None, NOW, ())
    stays = fire(back.case, "knock", now=NOW + timedelta(hours=1))
    assert (stays.case.clock, stays.case.generation, stays.cancels_timers) == (back.case.clock, 5, False)


def test_while_signatures_are_missing_the_case_does_not_move() -> None:
    verify = next(t for t in HAZARD.transitions if t.trigger == "verify")
    case = a_case(HAZARD, "fixed", level="major", mode="major", facts={"limit": {"days": 3}})
    data = {"finding": "现场合格", "photos_check": []}
    permit = Permit(completes=False, signature="erin@XB1")
    decision = decide(HAZARD, case, FireTrigger(case.number, "verify", data), data, NOW, setting(HAZARD, permit=permit))
    assert (decision.type, decision.case.state, decision.cancels_timers) == ("signed", "fixed", False)
    assert decision.case.signed == {"verify": ("erin@XB1",)}
    assert decision.case.who_acted(str(verify.acts_as)) == ("alice",)
    whole = Permit(signature="frank@XB2")
    moved = decide(
        HAZARD, decision.case, FireTrigger(case.number, "verify", data), data, NOW, setting(HAZARD, permit=whole)
    )
    assert (moved.type, moved.case.state, moved.case.signed) == ("stepped", "verified", {})


def test_the_answers_of_a_quiet_step_stay_in_its_event() -> None:
    decision = fire(a_case(facts={"words": "old"}), "whisper", words="new")
    assert decision.data == {"words": "new"}
    assert decision.case.facts == {"words": "old"}
    assert fire(a_case(state="assigned", facts={"words": "old"}), "say", words="new").case.facts == {"words": "new"}


def from_hazard(case: Case, trigger: str, now: datetime, **data: Any) -> Decision:
    return decide(HAZARD, case, FireTrigger(case.number, trigger, data), data, now, setting(HAZARD))


def receipts(decision: Decision) -> dict[str, datetime]:
    return {timer.rung: timer.fire_at for timer in decision.timers if timer.rung.startswith("receipt")}


def test_a_receipt_is_asked_for_from_the_notice_on_and_a_new_clock_asks_not_again() -> None:
    notice = DUE - timedelta(days=9)
    asked = {"what": "extension", "until": "2020-01-17", "interim": "断电"}
    case = a_case(
        HAZARD, "assigned", level="general", mode="general", receipt_since=notice,
        clock=CaseClock(NOW, {"workdays": 7}, DUE, provisional=False, calendar_version=1, first=True), first_due_at=DUE,
        facts={"limit": {"workdays": 7}, "asked": asked},
    )  # fmt: skip
    an_hour_later = from_hazard(case, "grant_extension", notice + timedelta(hours=1), opinion="同意")
    assert receipts(an_hour_later)["receipt"] == notice + timedelta(hours=24)
    assert an_hour_later.case.receipt_since == notice
    assert receipts(from_hazard(case, "grant_extension", notice + timedelta(days=4), opinion="同意")) == {}
    given = replace(case, acknowledged_at=notice)
    assert receipts(from_hazard(given, "grant_extension", notice + timedelta(hours=1), opinion="同意")) == {}


CLAIMS: dict[str, tuple[timedelta, bool]] = {
    "just now": (timedelta(0), False),
    "seven days ago": (timedelta(days=-7), False),
    "longer ago": (timedelta(days=-7, seconds=-1), True),
    "five minutes ahead": (timedelta(minutes=5), False),
    "further ahead": (timedelta(minutes=5, seconds=1), True),
}


@pytest.mark.parametrize("off, flagged", CLAIMS.values(), ids=CLAIMS.keys())
def test_when_it_was_found_is_a_claim_and_an_odd_one_is_flagged(off: timedelta, flagged: bool) -> None:
    command = OpenCase("gates", {"words": "a"}, found_at=NOW + off)
    decision = decide_opening(GATES, "GA-2020-0001", command, {"words": "a"}, NOW, setting())
    assert (decision.found_at, decision.found_at_flagged) == (NOW + off, flagged)
    assert decision.case.opened_at == NOW


def test_an_opened_case_stands_at_the_start_with_its_clock_and_its_parent() -> None:
    command = OpenCase("gates", {"words": "a"}, parent="JC-2020-0001")
    decision = decide_opening(GATES, "GA-2020-0001", command, {"words": "a"}, NOW, setting())
    case = decision.case
    assert (decision.type, case.state, case.generation, case.due_at) == (
        "opened",
        "reported",
        1,
        NOW + timedelta(hours=2),
    )
    assert case.links == (Link("parent", "JC-2020-0001"),)
    assert case.reporter == "alice"


def test_a_periods_case_is_due_with_its_period() -> None:
    inspection = CATALOG.get("inspection")
    assert inspection is not None
    data = {"title": "月报", "place": "某系", "department": "XB1", "month": "2020-01", "checklists": ["office"]}
    owed = PeriodOwed("dept_check_month/XB1/2020-01", datetime(2019, 12, 31, 16, tzinfo=UTC), DUE)
    decision = decide_opening(
        inspection, "JC-2020-0001", OpenCase("inspection", data), data, NOW, setting(inspection, period=owed)
    )
    assert (decision.case.period, decision.case.due_at) == ("dept_check_month/XB1/2020-01", DUE)
    watch = Watch({timer.rung: timer.fire_at for timer in decision.timers}, CALENDAR)
    assert decide_recompute(inspection, decision.case, setting(inspection), NOW, watch) is None
    assert decide_recompute(inspection, decision.case, setting(inspection, period=owed), NOW, watch) is None
    moved = replace(owed, due_at=DUE + timedelta(days=1))
    recomputed = decide_recompute(inspection, decision.case, setting(inspection, period=moved), NOW, watch)
    assert recomputed is not None
    assert recomputed.case.due_at == recomputed.case.first_due_at == moved.due_at
    assert recomputed.case.facts["period_due_at"] == instant_text(moved.due_at)


# --- forms ----------------------------------------------------------------------------------------------------------------

WORDS: Mapping[str, Text] = {"missing": Text("必须填写", "is required")}


def test_every_field_that_cannot_be_read_is_named_in_both_languages() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_form(TinyAnswer, {"wrods": 1}, WORD, WORDS)
    faults = {fault.field: fault.what for fault in refused.value.fields}
    assert set(faults) == {"words", "wrods"}
    assert faults["words"] == WORDS["missing"]
    assert "words 必须填写" in refused.value.obstacle.zh
