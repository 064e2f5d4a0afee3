"""From which day a hazard's limit counts, and whose day it is: what a joint list or a superior's paper brings along."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.case import Case, Link
from engine.deadlines import Budget, due_at
from engine.errors import InvalidInput, Text
from engine.guards import Situation
from engine.machine import read_form
from tests.workflows.school import CALENDAR_V1, answers, local, local_day
from workflows import CATALOG
from workflows.comparison import failures_become_hazards_by_its_day
from workflows.hazard import (
    HAZARD,
    AskDeferralWithConsent,
    AskExtensionWithConsent,
    FilePlanWithConsent,
    ReportHazardFromAList,
    ask_extension_with_consent,
    days_come_from_what_opened_it,
    days_in_words,
    grade_and_limit_by_its_days,
    grant_asked_with_consent,
    limit_again_by_its_days,
    start_plan_with_consent,
    superior_agrees_to_a_later_day,
)
from workflows.hazard_earlier import HAZARD_4
from workflows.wording import ERROR_WORDS

ASKED = Text("办理", "Take the step")


def a_hazard(**facts: Any) -> Case:
    return Case(
        organisation="school", number="YH-2020-0001", workflow="hazard", version=5, state="reported",
        counts_as="reported", final=False, opened_at=local("2020-01-03 09:00"), facts=facts,
    )  # fmt: skip


def a_situation(case: Case, now: str, **data: Any) -> Situation:
    at = local(f"{now} 10:00")
    return Situation(
        case, None, data, at, date.fromisoformat(now), CALENDAR_V1, policy=HAZARD.defaults(),  # type: ignore[arg-type]  # nobody looks who acts
    )  # fmt: skip


def ends(case: Case, now: str) -> str:
    return local_day(due_at(Budget.from_json(case.facts["limit"]), local(f"{now} 10:00"), CALENDAR_V1).due_at)


#: clause → the day the list was issued, the day a superior asked for, assigned on, limit → the limit, and the day it ends
LIMITS: dict[str, tuple[str | None, str | None, str, str, dict[str, Any], str]] = {
    "nothing says anything": (None, None, "2020-01-06", "days7", {"workdays": 7}, "2020-01-15"),
    "issued today": ("2020-01-06", None, "2020-01-06", "days7", {"workdays": 7}, "2020-01-15"),
    "issued before it was assigned": ("2020-01-06", None, "2020-01-09", "days7", {"until": "2020-01-15"}, "2020-01-15"),
    "over a holiday": ("2020-01-17", None, "2020-01-20", "days7", {"until": "2020-02-01"}, "2020-02-01"),
    "natural days that end on a day off": (
        "2020-01-09", None, "2020-01-13", "days30", {"until": "2020-02-10"}, "2020-02-10",
    ),
    "of a plan": ("2020-01-06", None, "2020-01-08", "plan", {"until": "2020-01-13"}, "2020-01-13"),
    "assigned when it was over: late stays late": (
        "2020-01-06", None, "2020-01-17", "days7", {"until": "2020-01-15"}, "2020-01-15",
    ),
    "the same day, a Saturday": ("2020-01-11", None, "2020-01-14", "same_day", {"until": "2020-01-13"}, "2020-01-13"),
    "the superior's day comes before the law's": (
        None, "2020-01-10", "2020-01-06", "days7", {"until": "2020-01-10"}, "2020-01-10",
    ),
    "the superior's day is the law's": (None, "2020-01-15", "2020-01-06", "days7", {"until": "2020-01-15"}, "2020-01-15"),
    "the superior's day comes after the law's": (
        None, "2020-01-16", "2020-01-06", "days7", {"workdays": 7}, "2020-01-15",
    ),
    "the superior's day is over already": (
        None, "2020-01-03", "2020-01-06", "days7", {"until": "2020-01-03"}, "2020-01-03",
    ),
    "a day off that a superior asked for stays": (
        None, "2020-01-11", "2020-01-06", "days7", {"until": "2020-01-11"}, "2020-01-11",
    ),
    "both, the list's comes first": (
        "2020-01-06", "2020-01-20", "2020-01-08", "days7", {"until": "2020-01-15"}, "2020-01-15",
    ),
    "both, the superior's comes first": (
        "2020-01-06", "2020-01-09", "2020-01-08", "days7", {"until": "2020-01-09"}, "2020-01-09",
    ),
}  # fmt: skip


@pytest.mark.parametrize("clause", LIMITS.values(), ids=list(LIMITS))
def test_a_limit_counts_from_the_list_and_ends_by_a_superiors_day(
    clause: tuple[str | None, str | None, str, str, dict[str, Any], str],
) -> None:
    limit_from, due_by, now, time_limit, limit, day = clause
    case = a_hazard(limit_from=limit_from, due_by=due_by)
    criteria = answers("ELEC.wire", *(("general.needs_stop",) if time_limit == "plan" else ()))
    said = {"category": "ELEC.wire", "criteria": criteria, "time_limit": time_limit}
    graded = grade_and_limit_by_its_days(a_situation(case, now, **said), case).case
    assert (graded.level, graded.facts["limit"]) == ("major" if time_limit == "plan" else "general", limit)
    assert ends(graded, now) == day


AGAIN: dict[str, tuple[str | None, str | None, dict[str, Any]]] = {
    "from today, not from the list": ("2020-01-06", None, {"workdays": 3}),
    "never beyond the superior's day": (None, "2020-01-16", {"until": "2020-01-16"}),
    "nor where that is over": (None, "2020-01-13", {"until": "2020-01-13"}),
    "his day comes later": (None, "2020-01-20", {"workdays": 3}),
}


@pytest.mark.parametrize("limit_from, due_by, limit", AGAIN.values(), ids=list(AGAIN))
def test_what_is_sent_back_has_a_new_limit(limit_from: str | None, due_by: str | None, limit: dict[str, Any]) -> None:
    case = a_hazard(limit_from=limit_from, due_by=due_by)
    assert (
        limit_again_by_its_days(a_situation(case, "2020-01-14", time_limit="days3"), case).case.facts["limit"] == limit
    )


CONSENTS: dict[str, tuple[str | None, str, str | None, bool]] = {
    "nobody asked for a day": (None, "2020-03-02", None, True),
    "before his day": ("2020-03-01", "2020-02-28", None, True),
    "his day itself": ("2020-03-01", "2020-03-01", None, True),
    "a day after, and nothing says that he agrees": ("2020-03-01", "2020-03-02", None, False),
    "a day after, and he agrees": ("2020-03-01", "2020-03-02", "通教安复〔2020〕3号", True),
}


@pytest.mark.parametrize("field", ["new_date", "until", "due_date"])
@pytest.mark.parametrize("due_by, asked, consent, allowed", CONSENTS.values(), ids=list(CONSENTS))
def test_a_day_after_a_superiors_needs_that_he_agrees(
    field: str, due_by: str | None, asked: str, consent: str | None, allowed: bool
) -> None:
    case = a_hazard(due_by=due_by)
    situation = a_situation(case, "2020-01-06", **{field: asked, "consent": consent})
    assert superior_agrees_to_a_later_day.holds(situation) is allowed
    form = {"new_date": AskExtensionWithConsent, "until": AskDeferralWithConsent, "due_date": FilePlanWithConsent}[
        field
    ]
    [step] = [t for t in HAZARD.transitions if t.form is form]
    [before] = [t for t in HAZARD_4.transitions if t.trigger == step.trigger]
    assert step.guards == (*before.guards, superior_agrees_to_a_later_day), "besides all that was needed before"


def test_the_day_he_agreed_to_is_his_day_from_then_on_by_that_paper() -> None:
    case = a_hazard(due_by="2020-01-10", due_paper="通教安〔2020〕1号")
    said = {"new_date": "2020-01-20", "reason": "等配件", "interim": "断电", "consent": "通教安复〔2020〕3号"}
    asked = ask_extension_with_consent(a_situation(case, "2020-01-08", **said), case).case
    assert days_in_words(asked)[0].zh == "上级要求 2020 年 1 月 10 日前完成（依据：通教安〔2020〕1号）"
    granted = grant_asked_with_consent(a_situation(asked, "2020-01-09"), asked).case
    assert granted.facts["limit"] == {"until": "2020-01-20"}
    assert days_in_words(granted)[0].en == "A superior asked for it by 2020-01-20 (通教安复〔2020〕3号)"
    planned = case.with_facts({"due_date": "2020-01-21", "consent": "电话同意"})
    assert start_plan_with_consent(a_situation(planned, "2020-01-09"), planned).case.facts["due_by"] == "2020-01-21"
    earlier = replace(case, facts={**case.facts, "due_date": "2020-01-09"})
    assert start_plan_with_consent(a_situation(earlier, "2020-01-09"), earlier).case.facts["due_by"] == "2020-01-10"


def test_nobody_writes_these_days_by_hand() -> None:
    by_hand = a_hazard()
    child = replace(by_hand, links=(Link("parent", "JJ-2020-0001"),))
    for said in ({"limit_from": "2020-01-06"}, {"due_by": "2020-01-06"}, {"due_paper": "文"}):
        data = read_form(ReportHazardFromAList, {"title": "插座", "place": "走廊", **said}, ASKED, ERROR_WORDS)
        assert not days_come_from_what_opened_it.holds(a_situation(by_hand, "2020-01-06", **data))
        assert days_come_from_what_opened_it.holds(a_situation(child, "2020-01-06", **data))
    with pytest.raises(InvalidInput):
        read_form(ReportHazardFromAList, {"title": "插座", "place": "走廊", "due_by": "1999-01-01"}, ASKED, ERROR_WORDS)


@pytest.mark.parametrize(
    "parent, due_on, days",
    [
        (True, "2020-03-01", {"due_by": "2020-03-01", "due_paper": "通教安〔2020〕1号"}),
        (True, None, {}),
        (False, "2020-03-01", {}),  # a day of the school's own
    ],
    ids=["a superior's paper with its day", "without a day", "opened by the school"],
)
def test_what_a_comparison_finds_has_the_superiors_day(parent: bool, due_on: str | None, days: dict[str, str]) -> None:
    items = [{"title": "灭火器是否有效", "category": "FIRE.equip"}]
    check = replace(
        a_hazard(items=items, due_on=due_on, basis="通教安〔2020〕1号"), workflow="comparison", place="机电实训室",
        links=(Link("parent", "WJ-2020-0001"),) if parent else (),
    )  # fmt: skip
    said = {"1": {"result": "fail", "note": "压力不足", "place": None}}
    [found] = failures_become_hazards_by_its_day(a_situation(check, "2020-02-03", answers=said, photos={}), check).opens
    assert {name: found.data[name] for name in found.data if name in ("due_by", "due_paper", "limit_from")} == days
    read_form(ReportHazardFromAList, found.data, ASKED, ERROR_WORDS)


def test_a_list_says_from_when_it_counts_in_so_many_words() -> None:
    [said] = days_in_words(a_hazard(limit_from="2020-01-17"))
    assert said.zh == "限期自 2020 年 1 月 17 日印发之日起算" and "2020-01-17" in said.en
    assert days_in_words(a_hazard()) == []


def test_the_versions_before_stay_beside_the_new_ones() -> None:
    for loop, version in (("hazard", 4), ("cross_inspection", 1), ("group_inspection", 1), ("comparison", 1)):
        old, new = CATALOG.get(loop, version), CATALOG.get(loop)
        assert old is not None and new is not None and new.version == version + 1
        assert new.triggers.keys() == old.triggers.keys()
