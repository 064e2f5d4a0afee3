"""Period filing: numbers nobody types, frozen by a signature; zero is not silence, late stays late, a correction is a version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.case import Case, Link
from engine.commands import Asked, Counted, FireTrigger, OpenCase
from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow, StaleCase, UnknownCase
from engine.handle import Done, Failed, handle
from engine.store.database import Database
from tests.workflows.school import School, a_school, local
from workflows import daily, weekly
from workflows.filing import counts_of
from workflows.weekly import CYCLE

WEEK = "2020-W02"  # Monday 6 January, when every story begins, to Sunday the 12th
MONDAY_AFTER = "2020-01-13 09:00"
WORDS: dict[str, Any] = {"participants": 12}


def owed(school: School) -> Case:
    """The weekly table of the second week, opened by the clock."""
    school.owes(CYCLE, "DZB", first_day=date(2020, 1, 6), last_day=date(2020, 1, 12))
    school.tick()
    [period] = school.ledger(CYCLE)
    assert period.key == WEEK
    return school.case(period.number)


def compiled(school: School, case: Case, **said: Any) -> Case:
    return school.step("officer", case, "compile", **{**WORDS, **said})


def compiled_with_a_reason(school: School, case: Case) -> Case:
    return compiled(school, case, reasons="配件未到")


def signed(school: School, case: Case) -> Case:
    return school.step("head_of_office", case, "sign", opinion="情况属实")


def submitted(school: School, case: Case) -> Case:
    return school.step("officer", case, "submit", to="市教育局安全处", how="platform")


def receipted(school: School, case: Case) -> Case:
    return school.step("officer", case, "receipt", receipt="回执〔2020〕3号")


def filed(school: School, case: Case, **said: Any) -> Case:
    return receipted(school, submitted(school, signed(school, compiled(school, case, **said))))


def test_a_week_goes_from_due_to_receipted(school: School) -> None:
    case = owed(school)
    assert (case.state, case.counts_as, case.title) == ("due", "assigned", "2020年第2周自查情况表（1月6日至1月12日）")
    school.hazard()
    school.at(MONDAY_AFTER)
    stands = []
    for step in (compiled_with_a_reason, signed, submitted, receipted):
        case = step(school, case)
        stands.append((case.state, case.counts_as))
    assert stands == [
        ("compiled", "fixed"), ("signed", "verified"), ("submitted", "verified"), ("receipted", "closed"),
    ]  # fmt: skip
    [period] = school.ledger(CYCLE)
    assert (period.status, period.zero, period.corrected_at) == ("reported", False, None)
    assert case.facts["receipt"] == "回执〔2020〕3号"


def test_numbers_are_counted_as_they_were_known_when_the_week_was_over(school: School) -> None:
    case = owed(school)
    school.closed()
    school.hazard(title="插座松动")
    merged = school.hazard(title="插座松动了")
    into = school.hazard(title="灭火器过期", category="FIRE.equip", place="食堂")
    school.step("officer", merged, "merge", into=into.number, reason="同一处")
    school.at(MONDAY_AFTER)
    school.hazard(title="下一周才发现的")
    case = compiled(school, case, reasons="配件未到")
    told = {key: count for key, count in counts_of(case.facts).items() if count}
    assert told == {
        "found": 3, "of_fire": 1, "of_others": 2, "removed": 1, "left": 2, "closed": 1, "open_at_end": 2, "overdue_at_end": 2,
    }  # fmt: skip
    assert case.facts["figures"]["as_of"] == "2020-01-12T15:59:59.999999Z"
    assert case.facts["zero"] is False


def test_a_week_without_a_finding_is_filed_as_zero(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    case = filed(school, case)
    [period] = school.ledger(CYCLE)
    assert (period.status, period.zero, case.facts["zero"]) == ("reported", True, True)


def test_late_stays_late_and_zero_tells_it_apart_from_missing(school: School) -> None:
    case = owed(school)
    school.at("2020-01-14 00:00")
    [period] = school.ledger(CYCLE)
    assert period.missing(school.clock.now()) and not period.zero
    filed(school, case)
    [period] = school.ledger(CYCLE)
    assert (period.status, period.zero) == ("late", True)


REFUSED: dict[str, tuple[str, str, str, dict[str, Any], type[Exception]]] = {
    "compiled before the week is over": ("due", "officer", "compile", WORDS, GuardRefused),
    "compiled by somebody of another office": ("over", "bob", "compile", WORDS, NotAllowed),
    "a number of the table typed in": ("over", "officer", "compile", {**WORDS, "found": 0}, InvalidInput),
    "figures typed in": ("over", "officer", "compile", {**WORDS, "figures": {}}, InvalidInput),
    "nothing said of who took part: zero is an answer, empty is none": ("over", "officer", "compile", {}, InvalidInput),
    "left without a reason": ("with one left", "officer", "compile", WORDS, GuardRefused),
    "signed before it is compiled": ("over", "head_of_office", "sign", {"opinion": "同意"}, NotPossibleNow),
    "signed by who only may compile": ("compiled", "officer", "sign", {"opinion": "同意"}, NotAllowed),
    "handed in before it is signed": ("compiled", "officer", "submit", {"to": "市局"}, NotPossibleNow),
    "compiled again after it was signed": ("signed", "officer", "compile", WORDS, NotPossibleNow),
    "waived once it is compiled": ("compiled", "vice", "waive", {"reason": "放假"}, NotPossibleNow),
}


@pytest.mark.parametrize("stands, who, trigger, said, refusal", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(
    tmp_path: Path, stands: str, who: str, trigger: str, said: dict[str, Any], refusal: type[Exception]
) -> None:
    with a_school(tmp_path, "sqlite") as school:
        case = owed(school)
        if stands == "with one left":
            school.hazard()
        if stands != "due":
            school.at(MONDAY_AFTER)
        if stands in ("compiled", "signed"):
            case = compiled(school, case)
        if stands == "signed":
            case = signed(school, case)
        with pytest.raises(refusal):
            school.step(who, case, trigger, **said)
        assert school.case(case.number) == case


def test_nobody_signs_what_he_compiled(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    case = school.step("head_of_office", case, "compile", **WORDS)
    with pytest.raises(NotAllowed, match="whoever compiled it"):
        signed(school, case)
    assert school.step("vice", case, "sign", opinion="情况属实").state == "signed"


def test_it_is_compiled_again_until_it_is_signed(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    case = compiled(school, compiled(school, case), participants=15)
    case = school.step("vice", case, "send_back", reason="人次不对")
    assert (case.state, case.facts["participants"], case.counters["returned"]) == ("due", 15, 1)
    assert signed(school, compiled(school, case, participants=14)).facts["participants"] == 14


def test_a_correction_is_a_second_version_and_both_remain(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    first = filed(school, case)
    second = school.open("officer", "weekly", corrects=first.number, reason="人次填错")
    assert (second.state, second.facts["version"], second.period) == ("due", 2, first.period)
    assert "第 2 版" in second.title
    [period] = school.ledger(CYCLE)
    assert period.corrected_at is None, "a correction that was only begun corrects nothing yet"
    second = filed(school, second, participants=9)
    again = school.case(first.number)
    assert again.links == (Link("corrected_by", second.number),)
    assert again.facts == first.facts, "the signed one stays as it was signed"
    assert (again.facts["participants"], second.facts["participants"]) == (12, 9)
    [period] = school.ledger(CYCLE)
    assert (period.number, period.status, period.zero) == (first.number, "reported", True)
    assert period.corrected_at == school.clock.now()


def test_what_can_be_corrected(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    hazard = school.hazard()
    with pytest.raises(GuardRefused) as refused:  # not handed in yet
        school.open("officer", "weekly", corrects=case.number, reason="人次填错")
    assert refused.value.guard == "filing.corrects_the_newest_that_was_handed_in"
    first = submitted(school, signed(school, compiled(school, case)))
    for said in ({}, {"corrects": first.number}, {"reason": "人次填错"}, {"period": "2020-W03", "department": "DZB"}):
        with pytest.raises(GuardRefused) as refused:
            school.open("officer", "weekly", **said)
        assert refused.value.guard == "filing.opens_by_itself_or_corrects"
    with pytest.raises(GuardRefused):  # no filing
        school.open("officer", "weekly", corrects=hazard.number, reason="人次填错")
    with pytest.raises(NotAllowed):
        school.open("bob", "weekly", corrects=first.number, reason="人次填错")
    second = school.open("officer", "weekly", corrects=first.number, reason="人次填错")
    with pytest.raises(GuardRefused):  # has a later version
        school.open("officer", "weekly", corrects=first.number, reason="再更正")
    second = filed(school, second)
    assert school.open("officer", "weekly", corrects=second.number, reason="再更正").facts["version"] == 3


def test_a_correction_that_was_waived_keeps_nobody_from_correcting(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    first = filed(school, case)
    second = school.open("officer", "weekly", corrects=first.number, reason="看错了")
    second = school.step("head_of_office", second, "waive", reason="无需更正")
    third = filed(school, school.open("officer", "weekly", corrects=second.number, reason="人次填错"), participants=9)
    assert (third.facts["version"], third.facts["participants"], third.period) == (3, 9, first.period)
    [period] = school.ledger(CYCLE)
    assert (period.number, period.corrected_at) == (first.number, school.clock.now())


def test_a_correction_has_days_of_its_own_which_no_calendar_moves(school: School) -> None:
    case = owed(school)
    school.at(MONDAY_AFTER)
    second = school.open("officer", "weekly", corrects=filed(school, case).number, reason="人次填错")
    assert second.due_at == local("2020-01-16 23:59:59")
    school.recompute(second)
    assert school.case(second.number).due_at == second.due_at


def test_the_deadline_runs_on_whoever_has_it(school: School) -> None:
    case = owed(school)
    due = local("2020-01-13 23:59:59")
    school.at(MONDAY_AFTER)
    assert case.due_at == due
    for step in (compiled, signed):
        case = step(school, case)
        assert case.due_at == due


def test_a_week_is_waived_with_a_reason(school: School) -> None:
    case = owed(school)
    case = school.step("vice", case, "waive", reason="市局通知本周免报")
    [period] = school.ledger(CYCLE)
    assert (case.state, period.status, period.zero) == ("waived", "waived", False)


# --- counting, as the engine goes about it -------------------------------------------------------------------------------


@dataclass
class Counter:
    """Figures of one number, and how often they were counted."""

    found: int = 0
    asked: int = 0
    meanwhile: Callable[[], object] = lambda: None

    def __call__(self, _: Database, __: Case, ___: datetime) -> dict[str, Any]:
        self.asked += 1
        self.meanwhile()
        numbers = {"found": {"count": self.found, "cases": {}}, "left": {"count": 0, "cases": {}}}
        return {
            "name": weekly.FIGURES.name,
            "as_of": "2020-01-12T15:59:59.999999Z",
            "zero": not self.found,
            "numbers": numbers,
        }


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[School, Counter, Case]]:
    """A week that is over, and who counts it."""
    with a_school(tmp_path, "sqlite") as school:
        count = Counter()
        school.engine = replace(school.engine, figures={weekly.FIGURES.name: count})
        case = owed(school)
        school.at(MONDAY_AFTER)
        yield school, count, case


def test_who_may_not_take_the_step_has_nothing_counted(counted: tuple[School, Counter, Case]) -> None:
    school, count, case = counted
    for who, trigger, said in (("bob", "compile", WORDS), ("head_of_office", "sign", {"opinion": "同意"})):
        with pytest.raises((NotAllowed, NotPossibleNow)):
            school.step(who, case, trigger, **said)
    with pytest.raises(UnknownCase):
        school.step("charlie", case, "compile", **WORDS)
    assert count.asked == 0
    compiled(school, case)
    assert count.asked == 1


def test_figures_that_are_others_when_it_is_signed_are_not_signed(counted: tuple[School, Counter, Case]) -> None:
    school, count, case = counted
    case = compiled(school, case)
    count.found = 1
    with pytest.raises(GuardRefused) as refused:
        signed(school, case)
    assert refused.value.guard == "filing.figures_are_those_that_were_compiled"
    case = compiled(school, case)
    assert counts_of(signed(school, case).facts)["found"] == 1


def test_what_somebody_else_did_while_it_was_counted_is_not_written_over(counted: tuple[School, Counter, Case]) -> None:
    school, count, case = counted
    case = compiled(school, case)

    def compiles_too() -> None:
        count.meanwhile = lambda: None
        compiled(school, case, participants=99)

    count.meanwhile = compiles_too
    with pytest.raises(StaleCase):
        compiled(school, case)
    assert school.case(case.number).facts["participants"] == 99


def test_what_keeps_figures_from_being_counted_is_its_own_commands_alone(counted: tuple[School, Counter, Case]) -> None:
    school, count, case = counted

    def breaks() -> None:
        raise RuntimeError("no figures")

    count.meanwhile = breaks
    report = OpenCase("hazard", {"title": "插座破损", "place": "三楼"})
    step = FireTrigger(case.number, "compile", WORDS)
    asked = [
        Asked(school.actor("teacher"), report),
        Asked(school.actor("officer"), step),
        Asked(school.actor("bob"), report),
    ]
    outcomes = handle(school.engine, asked)
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    assert school.case(case.number) == case


def test_figures_that_somebody_brings_along_are_thrown_away(counted: tuple[School, Counter, Case]) -> None:
    school, count, case = counted
    brought = Counted(case.revision, {"name": weekly.FIGURES.name, "zero": True, "numbers": {"found": {"count": 7}}})
    asked = Asked(school.actor("officer"), FireTrigger(case.number, "compile", WORDS), figures=brought)
    [outcome] = handle(school.engine, [asked])
    assert isinstance(outcome, Done) and count.asked == 1
    assert counts_of(outcome.case.facts) == {"found": 0, "left": 0}


# --- day by day ----------------------------------------------------------------------------------------------------------

WELL: dict[str, Any] = {"expected": 486, "present": 486, "sick": 0, "symptoms": 0, "travel": 0}


def day_owed(school: School) -> Case:
    """XB1's health report of Monday, opened by the clock."""
    school.owes(daily.CYCLE, "XB1", first_day=date(2020, 1, 6), last_day=date(2020, 1, 6))
    school.tick()
    [period] = school.ledger(daily.CYCLE)
    return school.case(period.number)


DAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "nobody is ill": ({}, True),
    "somebody is away for another reason": ({"present": 480}, True),
    "somebody is away ill": ({"present": 485, "sick": 1}, False),
    "somebody has a fever": ({"symptoms": 1, "diagnosis": "37.6℃，已就诊", "traced_by": "校医"}, False),
    "somebody came from afar": ({"travel": 1, "diagnosis": "自外地返回", "traced_by": "班主任"}, False),
}


@pytest.mark.parametrize("said, zero", DAYS.values(), ids=DAYS.keys())
def test_a_day_is_reported_and_zero_is_an_answer(tmp_path: Path, said: dict[str, Any], zero: bool) -> None:
    with a_school(tmp_path, "sqlite", "2020-01-06 07:50") as school:
        case = school.step("safety_of_xb1", day_owed(school), "report", **{**WELL, **said})
        assert (case.state, case.final, case.facts["zero"]) == ("handed_in", True, zero)
        [period] = school.ledger(daily.CYCLE)
        assert (period.report(school.clock.now()), period.zero) == ("reported", zero)


NO_DAYS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "empty is no answer": ({"symptoms": None}, InvalidInput),
    "nothing at all is none": (dict.fromkeys(WELL), InvalidInput),
    "less than nobody": ({"sick": -1}, InvalidInput),
    "more there than should be": ({"present": 487}, GuardRefused),
    "somebody there and away": ({"sick": 1}, GuardRefused),
    "a fever without a word": ({"symptoms": 1}, GuardRefused),
    "a fever nobody follows up": ({"symptoms": 1, "diagnosis": "37.6℃"}, GuardRefused),
    "a journey nobody looks at": ({"travel": 1}, GuardRefused),
}


@pytest.mark.parametrize("said, refusal", NO_DAYS.values(), ids=NO_DAYS.keys())
def test_what_is_no_report_of_a_day(tmp_path: Path, said: dict[str, Any], refusal: type[Exception]) -> None:
    given = {name: value for name, value in {**WELL, **said}.items() if value is not None}
    with a_school(tmp_path, "sqlite", "2020-01-06 07:50") as school:
        case = day_owed(school)
        with pytest.raises(refusal):
            school.step("safety_of_xb1", case, "report", **given)
        assert school.case(case.number) == case


def test_a_day_is_late_after_half_past_eight_and_corrected_by_its_department(school: School) -> None:
    case = day_owed(school)  # nine in the morning
    [period] = school.ledger(daily.CYCLE)
    assert period.report(school.clock.now()) == "missing"
    case = school.step("head_of_xb1", case, "report", **WELL)
    said = {"corrects": case.number, "reason": "漏报一人", "department": "XB1"}
    for who, others in (("bob", {"department": "HQC"}), ("bob", {}), ("safety_of_xb1", {"department": None})):
        with pytest.raises((NotAllowed, GuardRefused, InvalidInput)):
            school.open(who, "daily", **{**said, **others})
    second = school.open("safety_of_xb1", "daily", **said)
    second = school.step("safety_of_xb1", second, "report", **{**WELL, "present": 485, "sick": 1})
    [period] = school.ledger(daily.CYCLE)
    assert (period.status, period.zero, period.corrected_at) == ("late", True, school.clock.now())
    assert (second.department, second.place, second.facts["zero"]) == ("XB1", "机电工程系", False)
