"""Every refusal of every loop, in words: what was asked, what stands in the way, what to do next, and who could instead.

Generated: each step of each loop, tried in each state by each post. No sentence in Chinese holds English or the name of
a role, a relation, a state or a guard as the program writes it.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from engine.case import Case
from engine.commands import Asked, FireTrigger, OpenCase
from engine.errors import GuardRefused, NotAllowed
from engine.handle import Refused, handle, offers
from tests.workflows.school import PEOPLE, School
from tests.workflows.sentences import holds_its_own
from workflows import CATALOG


def deferred(school: School) -> Case:
    asked = school.step("alice", school.assigned(), "ask_deferral", until="2020-02-10", reason="停课", interim="断电")
    return school.step("vice", asked, "grant_deferral", opinion="同意")


def a_drill(school: School, upto: str) -> Case:
    case = school.open(
        "officer",
        "drill",
        title="疏散演练",
        place="操场",
        department="XB1",
        planned_on="2020-01-10",
        plan_name="火灾预案",
    )
    held = {"held_on": "2020-01-06", "evacuation_seconds": 100, "should_attend": 9, "attended": 9, "course": "有序"}
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("officer", "announce", {"assignee": "head_of_xb1", "arrangement": "按预案"}),
        ("head_of_xb1", "hold", {**held, "photos": ["a" * 64]}),
        ("officer", "review", {"suitability": "适宜", "sufficiency": "充分"}),
        ("vice", "archive", {"opinion": "同意"}),
    ]
    for who, trigger, data in steps:
        if case.state == upto:
            break
        case = school.step(who, case, trigger, **data)
    return case


def an_inspection(school: School, upto: str) -> Case:
    school.owes_inspections("HQC", first_day=date(2020, 1, 1))
    school.tick()
    [period] = school.periods()
    case = school.case(period.number)
    if upto == "waived":
        return school.step("vice", case, "waive", reason="放假")
    return case


STATES: dict[str, Callable[[School], Case]] = {
    "hazard reported": lambda s: s.hazard(),
    "hazard assigned": lambda s: s.assigned(),
    "major hazard assigned": lambda s: s.major(),
    "major hazard with its plan": lambda s: s.file_plan(s.major()),
    "hazard deferred": deferred,
    "hazard fixed": lambda s: s.fixed(),
    "major hazard fixed": lambda s: s.fix(s.major_being_fixed()),
    "hazard corrected on the spot": lambda s: s.corrected_on_spot(),
    "hazard verified": lambda s: s.verify(s.fixed()),
    "hazard closed": lambda s: s.closed(),
    "drill reported": lambda s: a_drill(s, "reported"),
    "drill assigned": lambda s: a_drill(s, "assigned"),
    "drill fixed": lambda s: a_drill(s, "fixed"),
    "drill verified": lambda s: a_drill(s, "verified"),
    "drill closed": lambda s: a_drill(s, "closed"),
    "inspection due": lambda s: an_inspection(s, "due"),
    "inspection waived": lambda s: an_inspection(s, "waived"),
}


@pytest.mark.parametrize("state", STATES)
def test_every_step_anybody_is_refused_is_refused_in_words(state: str, school: School) -> None:
    case = STATES[state](school)
    workflow = CATALOG.of(case)
    group = [
        Asked(school.actor(who), FireTrigger(case.number, trigger, {}), "POST x", None)
        for who in PEOPLE
        for trigger in workflow.triggers
        if workflow.form_of(trigger).model_fields  # with an empty form the others would be carried out
    ]
    refused = [(asked, one.refusal) for asked, one in zip(group, handle(school.engine, group), strict=True)
               if isinstance(one, Refused)]  # fmt: skip
    wrong = [f"{asked.actor.person}: {fault}" for asked, refusal in refused for fault in holds_its_own(refusal)]
    assert not wrong, "\n".join(wrong[:10])
    assert len(refused) == len(group)
    for asked, refusal in refused:
        if isinstance(refusal, NotAllowed) and refusal.code == "not_allowed":
            assert refusal.could is not None, refusal.sentence("zh")
            assert asked.actor.person not in {holder.person for holder in refusal.could}


@pytest.mark.parametrize("state", STATES)
def test_a_case_gives_its_reader_each_step_or_the_words_why_not(state: str, school: School) -> None:
    case = STATES[state](school)
    workflow = CATALOG.of(case)
    steps = [t.trigger for t in workflow.transitions if case.state in t.sources]
    for who in PEOPLE:
        with school.engine.database.read_across() as connection:
            offered = offers(school.engine, connection, [school.actor(who)], case)
        assert [offer.transition.trigger for offer in offered] == steps
        for offer in offered:
            if offer.why_not is not None:
                assert isinstance(offer.why_not, NotAllowed | GuardRefused)
                assert holds_its_own(offer.why_not) == []


@pytest.mark.parametrize("state", STATES)
def test_whoever_is_said_to_be_able_is_offered_the_step(state: str, school: School) -> None:
    """`could` is kept: each it names may take the step, or only a fact of the case stands in his way."""
    case = STATES[state](school)
    with school.engine.database.read_across() as connection:
        for offer in offers(school.engine, connection, [school.actor("charlie")], case):
            if not isinstance(offer.why_not, NotAllowed):
                continue
            assert offer.why_not.could is not None
            for holder in offer.why_not.could:
                his = {
                    o.transition.trigger: o
                    for o in offers(school.engine, connection, [school.actor(holder.person)], case)
                }
                refused = his[offer.transition.trigger].why_not
                assert refused is None or isinstance(refused, GuardRefused), (holder, refused)


@pytest.mark.parametrize("workflow", CATALOG.newest(), ids=lambda workflow: workflow.key)
def test_an_opening_is_refused_in_words(workflow: Any, school: School) -> None:
    group = [Asked(school.actor(who), OpenCase(workflow.key, {}), "POST x", None) for who in PEOPLE]
    outcomes = handle(school.engine, group)
    refusals = [outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(refusals) == len(group)
    assert [fault for refusal in refusals for fault in holds_its_own(refusal)] == []


def test_who_may_not_open_a_case_is_told_who_could(school: School) -> None:
    asked = Asked(school.actor("charlie"), OpenCase("drill", {"department": "HQC"}), "POST x", None)
    [outcome] = handle(school.engine, [asked])
    assert isinstance(outcome, Refused) and isinstance(outcome.refusal, NotAllowed)
    assert outcome.refusal.could is not None
    assert {holder.person for holder in outcome.refusal.could} == {"officer", "head_of_office", "head_of_hqc", "bob"}


def test_a_step_there_is_not_is_answered_with_those_there_are(school: School) -> None:
    [outcome] = handle(
        school.engine,
        [Asked(school.actor("officer"), FireTrigger(school.hazard().number, "explode", {}), "POST x", None)],
    )
    assert isinstance(outcome, Refused)
    assert "下达整改通知（assign）" in outcome.refusal.remedy.zh
    assert "Issue the notice (assign)" in outcome.refusal.remedy.en
