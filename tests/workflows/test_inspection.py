"""The monthly inspection: blank is not pass, zero is reported as zero, late stays late and missing stays missing."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from engine.case import Case, Link
from engine.definition import guards_of
from engine.directory import Department
from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow, Text, UnknownCase
from engine.store import people
from tests.workflows.school import CALENDAR_V1, ORGANISATION, OTHER_PHOTO, PHOTO, School, local
from workflows.checking import items_of
from workflows.inspection import INSPECTION

NEEDS_PHOTO, NEEDS_NONE = "office.01", "office.02"  # items of the list of every teaching department
Answers = dict[str, dict[str, str]]


def opened(school: School) -> Case:
    """XB1's inspection of January 2020, opened by the clock."""
    school.owes_inspections("XB1", first_day=date(2020, 1, 1))
    school.tick()
    [period] = school.periods("2020-01")
    return school.case(period.number)


def all_pass(case: Case, **others: dict[str, str]) -> Answers:
    changed = {code.replace("_", "."): answer for code, answer in others.items()}
    return {**{code: {"result": "pass"} for code in items_of(case)}, **changed}


def submit(school: School, case: Case, answers: Answers, **data: Any) -> Case:
    return school.step("safety_of_xb1", case, "submit", **{"answers": answers, "summary": "已检查", **data})


def without(code: str) -> Callable[[Answers], Answers]:
    return lambda answers: {item: answer for item, answer in answers.items() if item != code}


def answering(code: str, result: str, **words: str) -> Callable[[Answers], Answers]:
    return lambda answers: {**answers, code: {"result": result, **words}}


def nothing_else(answers: Answers) -> Answers:
    return answers


Change = Callable[[Answers], Answers]

REFUSED: dict[str, tuple[str, Change, dict[str, str]]] = {
    "blank is not pass": ("inspection.every_item_answered", without(NEEDS_NONE), {}),
    "nothing at all is not pass": ("inspection.every_item_answered", lambda _: {}, {}),
    "an item of another list": ("inspection.every_item_answered", answering("fire.01", "pass"), {}),
    "not applicable without a reason": ("inspection.na_has_a_reason", answering(NEEDS_NONE, "na"), {}),
    "not applicable with a blank reason": ("inspection.na_has_a_reason", answering(NEEDS_NONE, "na", note="  "), {}),
    "failed without a word": ("inspection.na_has_a_reason", answering(NEEDS_NONE, "fail"), {}),
    "failed without the photo it needs": (
        "inspection.failures_are_photographed", answering(NEEDS_PHOTO, "fail", note="通道堆物"), {},
    ),
    "failed with the photo of another item": (
        "inspection.failures_are_photographed", answering(NEEDS_PHOTO, "fail", note="通道堆物"), {NEEDS_NONE: PHOTO},
    ),
    "a photo of an item that passed": (
        "inspection.failures_are_photographed", nothing_else, {NEEDS_PHOTO: PHOTO},
    ),
    "its photo, and one of an item that passed": (
        "inspection.failures_are_photographed", answering(NEEDS_PHOTO, "fail", note="通道堆物"),
        {NEEDS_PHOTO: PHOTO, NEEDS_NONE: OTHER_PHOTO},
    ),
    "a photo of an item of another list": (
        "inspection.failures_are_photographed", nothing_else, {"fire.01": PHOTO},
    ),
}  # fmt: skip

PASSED: dict[str, tuple[str, Change, dict[str, str], int]] = {
    "every item passes": ("inspection.every_item_answered", nothing_else, {}, 0),
    "not applicable with its reason": (
        "inspection.na_has_a_reason", answering(NEEDS_NONE, "na", note="本部门无灭火器"), {}, 0,
    ),
    "failed where no photo is needed": (
        "inspection.failures_are_photographed", answering(NEEDS_NONE, "fail", note="压力不足"), {}, 1,
    ),
    "failed with a photo nobody needs": (
        "inspection.failures_are_photographed", answering(NEEDS_NONE, "fail", note="压力不足"), {NEEDS_NONE: PHOTO}, 1,
    ),
    "failed with its photo": (
        "inspection.failures_are_photographed", answering(NEEDS_PHOTO, "fail", note="通道堆物"), {NEEDS_PHOTO: PHOTO}, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("guard, change, photos", REFUSED.values(), ids=REFUSED.keys())
def test_an_incomplete_report_is_not_handed_in(
    school: School, guard: str, change: Change, photos: dict[str, str]
) -> None:
    case = opened(school)
    with pytest.raises(GuardRefused) as refused:
        submit(school, case, change(all_pass(case)), photos=photos)
    assert refused.value.guard == guard
    assert school.case(case.number) == case
    assert [period.status for period in school.periods()] == ["open"]


@pytest.mark.parametrize("_guard, change, photos, findings", PASSED.values(), ids=PASSED.keys())
def test_a_complete_report_is_handed_in_and_its_findings_counted(
    school: School, _guard: str, change: Change, photos: dict[str, str], findings: int
) -> None:
    case = opened(school)
    case = submit(school, case, change(all_pass(case)), photos=photos)
    assert (case.state, case.counts_as) == ("submitted", "fixed")
    assert case.facts["findings"] == findings
    assert len(case.links) == findings


def test_every_condition_of_the_loop_has_its_rows() -> None:
    drawn = {guard.name for transition in INSPECTION.transitions for guard in guards_of(transition.guards)}
    assert drawn == {row[0] for row in REFUSED.values()} == {row[0] for row in PASSED.values()}


def test_a_result_that_is_none_of_the_three_cannot_be_read(school: School) -> None:
    case = opened(school)
    with pytest.raises(InvalidInput):
        submit(school, case, all_pass(case, office_02={"result": ""}))


def test_a_photo_nobody_uploaded_is_refused_by_its_item(school: School) -> None:
    case = opened(school)
    answers = all_pass(case, office_01={"result": "fail", "note": "通道堆物"})
    with pytest.raises(InvalidInput) as refused:
        submit(school, case, answers, photos={NEEDS_PHOTO: "c" * 64})
    assert [fault.field for fault in refused.value.fields] == [f"photos.{NEEDS_PHOTO}"]


# --- findings -----------------------------------------------------------------------------------------------------------


def test_each_failed_item_opens_a_hazard_that_names_its_inspection(school: School) -> None:
    case = opened(school)
    answers = all_pass(
        case,
        office_01={"result": "fail", "note": "通道堆物", "place": "实训楼二楼"},
        office_02={"result": "fail", "note": "压力不足"},
    )
    case = submit(school, case, answers, photos={NEEDS_PHOTO: PHOTO})
    first, second = (school.case(link.number) for link in case.links)
    assert [link.kind for link in case.links] == ["child", "child"]
    assert first.links == second.links == (Link("parent", case.number),)
    assert (first.place, first.category, first.department) == ("实训楼二楼", "FIRE.exit", "XB1")
    assert (second.place, second.category) == (case.place, "FIRE.equip")
    assert first.facts["checklist_item"] == NEEDS_PHOTO
    assert (first.facts["photos"], second.facts["photos"]) == ([PHOTO], [])
    assert first.title.endswith("——通道堆物")
    assert first.reporter == "safety_of_xb1"


def test_zero_findings_are_reported_as_zero(school: School) -> None:
    case = opened(school)
    assert "findings" not in case.facts
    case = submit(school, case, all_pass(case), summary="零报告")
    assert case.facts["findings"] == 0
    [period] = school.periods()
    assert (period.status, period.reported_at) == ("reported", local("2020-01-06 09:00"))
    assert not period.missing(local("2020-03-01 00:00"))


def test_handing_in_again_after_a_correction_opens_no_hazard_twice(school: School) -> None:
    case = opened(school)
    first = all_pass(case, office_02={"result": "fail", "note": "压力不足"})
    case = submit(school, case, first)
    case = school.step("head_of_xb1", case, "send_back", reason="实训楼未查")
    assert (case.state, case.counters["returned"]) == ("due", 1)
    again = {**first, NEEDS_PHOTO: {"result": "fail", "note": "通道堆物"}}
    case = submit(school, case, again, photos={NEEDS_PHOTO: OTHER_PHOTO})
    assert [school.case(link.number).facts["checklist_item"] for link in case.links] == [NEEDS_NONE, NEEDS_PHOTO]
    assert case.facts["findings"] == 2


def handed_in_again(school: School, settle: Callable[[Case], Case]) -> tuple[Case, Case]:
    """An inspection handed in twice with the same finding, and the finding's first hazard, settled in between."""
    case = opened(school)
    failing = all_pass(case, office_02={"result": "fail", "note": "压力不足"})
    case = submit(school, case, failing)
    first = settle(school.case(case.links[0].number))
    case = school.step("head_of_xb1", case, "send_back", reason="补充")
    return submit(school, case, failing), first


def test_a_finding_whose_hazard_was_not_taken_up_opens_another(school: School) -> None:
    case, first = handed_in_again(school, lambda h: school.step("officer", h, "reject", reason="误报"))
    assert first.final
    assert [link.kind for link in case.links] == ["child", "child"]
    second = school.case(case.links[1].number)
    assert (second.state, second.facts["checklist_item"]) == ("reported", NEEDS_NONE)


def test_a_finding_that_is_back_after_it_was_closed_opens_another_bound_to_the_first(school: School) -> None:
    def closed(hazard: Case) -> Case:
        hazard = school.assign(hazard, category=hazard.category, department="XB1", assignee="head_of_xb1")
        hazard = school.fix(hazard, who="head_of_xb1")
        return school.approve(school.verify(hazard))

    case, first = handed_in_again(school, closed)
    assert first.state == "closed"
    second = school.case(case.links[1].number)
    assert Link("rebound_of", first.number) in second.links


def test_a_finding_whose_hazard_is_being_fixed_opens_no_other(school: School) -> None:
    case, first = handed_in_again(
        school, lambda h: school.assign(h, category=h.category, department="XB1", assignee="head_of_xb1")
    )
    assert (first.state, len(case.links)) == ("assigned", 1)


def test_a_finding_withdrawn_in_the_correction_keeps_its_hazard_and_counts_no_more(school: School) -> None:
    case = opened(school)
    case = submit(school, case, all_pass(case, office_02={"result": "fail", "note": "压力不足"}))
    case = school.step("head_of_xb1", case, "send_back", reason="误判")
    case = submit(school, case, all_pass(case))
    assert case.facts["findings"] == 0
    assert len(case.links) == 1
    assert school.case(case.links[0].number).state == "reported"


def test_sent_back_and_handed_in_again_late_it_came_when_it_came_and_says_what_it_says_now(school: School) -> None:
    """A round of nothing that turns out to be one of something is no zero report any more; nor does it become late."""
    case = opened(school)
    case = submit(school, case, all_pass(case), summary="零报告")
    [period] = school.periods()
    assert (period.status, period.zero) == ("reported", True)
    case = school.step("head_of_xb1", case, "send_back", reason="实训楼未查")
    school.at("2020-03-02 09:00")
    submit(school, case, all_pass(case, office_02={"result": "fail", "note": "压力不足"}))
    [again] = school.periods()
    assert (again.status, again.reported_at, again.zero) == ("reported", period.reported_at, False)


# --- periods ------------------------------------------------------------------------------------------------------------


def test_every_department_that_owes_one_gets_its_inspection_each_month_once(school: School) -> None:
    school.owes_inspections("XB1", "XB2", "HQC", first_day=date(2020, 1, 1))
    for _ in range(3):
        school.tick()
    school.at("2020-02-03 09:00")
    for _ in range(3):
        school.tick()
    assert [(p.key, p.scope) for p in school.periods()] == [
        (month, scope) for month in ("2020-01", "2020-02") for scope in ("HQC", "XB1", "XB2")
    ]
    assert len({period.number for period in school.periods()}) == 6


def test_a_department_a_school_made_for_itself_is_inspected_by_the_office_list(school: School) -> None:
    """It is in no reference: until it was looked up so, its inspection was never opened, month after month."""
    with school.engine.database.write(ORGANISATION) as connection:
        people.add_department(connection, Department(ORGANISATION, "KITCHEN2", Text("第二食堂", "Second canteen")))
    school.owes_inspections("KITCHEN2", first_day=date(2020, 1, 1))
    school.tick()
    [period] = school.periods()
    case = school.case(period.number)
    assert (case.department, case.facts["checklists"]) == ("KITCHEN2", ["office"])


def test_the_report_is_due_on_the_20th_or_the_working_day_after_it(school: School) -> None:
    school.owes_inspections("XB1", first_day=date(2020, 1, 1))
    for day in ("2020-01-06", "2020-02-03", "2020-06-01"):
        school.at(f"{day} 09:00").tick()
    due = {period.key: period.due_at for period in school.periods()}
    assert due["2020-01"] == local("2020-01-20 23:59:59")
    assert due["2020-06"] == local("2020-06-22 23:59:59")  # the 20th is a Saturday
    assert all(CALENDAR_V1.is_workday(at.date()) for at in due.values())


def test_a_late_report_stays_late(school: School) -> None:
    case = opened(school)
    school.at("2020-01-21 00:00")
    case = submit(school, case, all_pass(case))
    case = school.step("head_of_xb1", case, "send_back", reason="补充")
    submit(school, case, all_pass(case))
    [period] = school.periods("2020-01")
    assert (period.status, period.reported_at) == ("late", local("2020-01-21 00:00"))


def test_a_report_in_the_last_second_is_in_time_and_a_correction_after_it_makes_it_no_later(school: School) -> None:
    case = opened(school)
    school.at("2020-01-20 23:59:59")
    case = submit(school, case, all_pass(case))
    school.at("2020-01-22 09:00")
    case = school.step("head_of_xb1", case, "send_back", reason="补充")
    submit(school, case, all_pass(case))
    [period] = school.periods("2020-01")
    assert (period.status, period.reported_at) == ("reported", local("2020-01-20 23:59:59"))


@pytest.mark.parametrize("who", ["head_of_office", "vice"])
def test_a_period_in_which_nothing_is_owed_is_waived_and_neither_missing_nor_reported(school: School, who: str) -> None:
    case = school.step(who, opened(school), "waive", reason="全系实习离校")
    assert (case.state, case.counts_as, case.final, case.clock) == ("waived", "closed", True, None)
    assert "findings" not in case.facts
    [period] = school.periods("2020-01")
    assert (period.status, period.reported_at) == ("waived", None)
    assert not period.missing(local("2020-03-01 00:00"))
    assert school.notices(case, "informed")[-1].audience == ("dept_safety", "dept_head")
    school.at("2020-01-22 09:00").tick()
    assert school.notices(case, "escalation") == []


def test_one_that_is_overdue_may_still_be_waived(school: School) -> None:
    case = opened(school)
    school.at("2020-02-03 09:00")
    school.step("vice", case, "waive", reason="疫情停课")
    assert [period.status for period in school.periods("2020-01")] == ["waived"]


@pytest.mark.parametrize("who", ["safety_of_xb1", "head_of_xb1", "officer", "principal"])
def test_nobody_else_waives_it(school: School, who: str) -> None:
    case = opened(school)
    with pytest.raises(NotAllowed):
        school.step(who, case, "waive", reason="忙")
    assert [period.status for period in school.periods("2020-01")] == ["open"]


def test_what_was_handed_in_is_not_waived_any_more(school: School) -> None:
    case = opened(school)
    case = submit(school, case, all_pass(case))
    with pytest.raises(NotPossibleNow):
        school.step("vice", case, "waive", reason="忙")
    assert [period.status for period in school.periods("2020-01")] == ["reported"]


def test_what_was_handed_in_and_sent_back_stays_reported_though_it_is_waived(school: School) -> None:
    case = opened(school)
    case = school.step("head_of_xb1", submit(school, case, all_pass(case)), "send_back", reason="补充")
    school.step("vice", case, "waive", reason="全系实习离校")
    assert [period.status for period in school.periods("2020-01")] == ["reported"]


def test_a_report_that_never_came_stays_missing_and_is_not_zero(school: School) -> None:
    case = opened(school)
    school.at("2020-03-02 09:00").tick()
    by_month = {period.key: period for period in school.periods()}
    assert set(by_month) == {"2020-01", "2020-02", "2020-03"}
    assert by_month["2020-01"].missing(school.clock.now())
    assert by_month["2020-02"].missing(school.clock.now())
    assert not by_month["2020-03"].missing(school.clock.now())
    assert "findings" not in school.case(case.number).facts
    assert not school.case(case.number).final


def test_nobody_opens_an_inspection_by_hand(school: School) -> None:
    with pytest.raises(NotAllowed):
        school.open(
            "officer",
            "inspection",
            title="突击",
            place="某系",
            department="XB1",
            month="2020-01",
            checklists=["office"],
        )


# --- two signatures -----------------------------------------------------------------------------------------------------


def test_the_head_of_the_department_signs_and_files_it(school: School) -> None:
    case = opened(school)
    case = school.step("head_of_xb1", submit(school, case, all_pass(case)), "sign", opinion="情况属实")
    assert (case.state, case.final) == ("closed", True)
    assert case.who_acted("submitter") == ("safety_of_xb1",)
    assert case.who_acted("approver") == ("head_of_xb1",)


@pytest.mark.parametrize("who", ["head_of_hqc", "safety_of_xb1", "teacher", "officer"])
def test_nobody_else_signs_it(school: School, who: str) -> None:
    case = opened(school)
    case = submit(school, case, all_pass(case))
    with pytest.raises((NotAllowed, UnknownCase)):
        school.step(who, case, "sign", opinion="情况属实")
    assert school.case(case.number) == case


def test_whoever_handed_it_in_does_not_sign_it_even_represented(school: School) -> None:
    case = opened(school)
    case = submit(school, case, all_pass(case))
    with pytest.raises(NotAllowed) as refused:
        school.step("head_of_xb1", case, "sign", on_behalf_of="safety_of_xb1", opinion="情况属实")
    assert refused.value.reason == "separation"


def test_only_the_departments_own_safety_officer_hands_it_in(school: School) -> None:
    case = opened(school)
    with pytest.raises(NotAllowed):
        school.step("bob", case, "submit", answers=all_pass(case), summary="已检查")
