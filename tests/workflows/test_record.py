"""What an older ledger says is taken over by the safety office as a claim: filed by another, undone where it was a mistake, and
never told as if it had been seen.
"""

from typing import Any

import pytest

from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow
from tests.workflows.school import School
from workflows.hazard import HAZARD
from workflows.record import RECORD

KEY = "0" * 64


def imported(**said: Any) -> dict[str, Any]:
    return {
        "key": KEY, "number": "安字12", "sheet": "2018年", "row": 12, "found_on": "2018-11-03", "written": {"隐患描述": "插座面板破损"}, **said
    }  # fmt: skip


def entered(school: School, who: str = "officer") -> Any:
    said = imported(closed=True, closed_on="2018-11-09")
    return school.open(who, "record", title="插座面板破损", place="教学楼", department="HQC", imported=said)


def test_a_record_is_filed_by_another_than_who_entered_it(school: School) -> None:
    case = entered(school)
    assert (case.state, case.counts_as, case.due_at) == ("entered", "verified", None)
    with pytest.raises(NotAllowed):
        school.step("officer", case, "file")
    filed = school.step("head_of_office", case, "file", opinion="与纸质台账核对无误")
    assert (filed.state, filed.counts_as, filed.final) == ("closed", "closed", True)
    his_own = entered(school, "head_of_office")
    with pytest.raises(NotAllowed):
        school.step("head_of_office", his_own, "file")
    assert school.step("officer", his_own, "file").final
    assert school.step("vice", entered(school), "file").final


def test_what_was_entered_by_mistake_is_discarded_and_what_was_filed_stays(school: School) -> None:
    case = entered(school)
    assert school.step("officer", case, "discard", reason="导入了错误的文件").state == "discarded"
    filed = school.step("vice", entered(school), "file")
    with pytest.raises(NotPossibleNow):
        school.step("officer", filed, "discard", reason="导入了错误的文件")


def test_its_days_are_claims_and_nothing_is_back_dated(school: School) -> None:
    case = entered(school)
    assert case.opened_at == school.clock.now() == school.events(case)[0].recorded_at
    assert case.claim is not None
    assert (case.claim.number, case.claim.since, case.claim.until) == ("安字12", "2018-11-03", "2018-11-09")
    undated = school.open("officer", "record", title="地砖翘起", place="食堂", imported=imported(closed=True))
    assert undated.claim is not None and undated.claim.until == "2018-11-03", "no later book has it"
    assert school.hazard().claim is None
    assert not RECORD.witnessed and HAZARD.witnessed


@pytest.mark.parametrize("who", ["teacher", "alice", "head_of_hqc", "vice"])
def test_nobody_else_enters_records(who: str, school: School) -> None:
    with pytest.raises(NotAllowed):
        entered(school, who)


def test_what_is_open_there_is_reported_now_and_goes_the_way_of_every_hazard(school: School) -> None:
    case = school.hazard("officer", source="older_ledger", imported=imported(limit_on="2018-11-20"))
    assert (case.state, case.opened_at) == ("reported", school.clock.now())
    assert case.claim is not None and case.claim.until is None
    school.approve(school.verify(school.fix(school.assign(case))))
    assert school.case(case.number).facts["imported"]["limit_on"] == "2018-11-20"


@pytest.mark.parametrize(
    "who, said, refusal",
    [
        ("teacher", {"source": "older_ledger", "imported": imported()}, GuardRefused),
        ("officer", {"source": "older_ledger"}, GuardRefused),
        ("officer", {"source": "staff", "imported": imported()}, GuardRefused),
        ("officer", {"source": "older_ledger", "imported": imported(key="x")}, InvalidInput),
        ("officer", {"source": "older_ledger", "imported": imported(written={"责任人": "张\0三"})}, InvalidInput),
        ("officer", {"source": "older_ledger", "imported": imported(found_on="上旬")}, InvalidInput),
        ("officer", {"source": "older_ledger", "imported": imported(doubts=["strange"])}, InvalidInput),
    ],
)
def test_nothing_passes_for_an_older_ledger_s_that_is_none(
    who: str, said: dict[str, Any], refusal: type[Exception], school: School
) -> None:
    with pytest.raises(refusal):
        school.hazard(who, **said)
