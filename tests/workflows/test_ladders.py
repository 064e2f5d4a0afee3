"""The reference scheme and the loops say the same: who is reminded when, and who signs."""

import pytest

from engine.case import Case
from engine.definition import Signing
from tests.workflows.school import School
from workflows.hazard import HAZARD
from workflows.ladders import EFFECTS, HOLDER_LADDER, OVERDUE_LADDER, is_major, signing_rows
from workflows.reference import reminder_ladder, sign_off

# --- the ladder ---------------------------------------------------------------------------------------------------------

RUNGS: dict[str, tuple[int | None, tuple[str, ...], str]] = {
    "before-3": (-3, ("assignee",), "digest"),
    "before-1": (-1, ("assignee", "dept_safety"), "digest"),
    "due": (0, ("assignee",), "direct"),
    "after-1": (1, ("assignee", "dept_head"), "digest"),
    "after-3": (3, ("dept_head", "safety_head"), "digest"),
    "after-7": (7, ("vp_safety",), "digest"),
    "after-15": (15, ("principal",), "digest"),
    "repeat": (15, ("vp_safety", "principal"), "digest"),
}


@pytest.mark.parametrize("name", RUNGS)
def test_a_rung_reaches_whom_the_scheme_names(name: str) -> None:
    rung = OVERDUE_LADDER.rung(name)
    assert (rung.offset_workdays, rung.to, rung.how) == RUNGS[name]


def test_the_ladder_has_the_schemes_rungs_and_no_others() -> None:
    assert [rung.name for rung in OVERDUE_LADDER.rungs] == list(RUNGS)
    assert len(RUNGS) == len(reminder_ladder())
    assert OVERDUE_LADDER.rungs[-1].every_workdays == 5


def test_a_state_that_waits_for_another_reminds_him_and_nobody_who_has_nothing_to_do() -> None:
    for mine, his in zip(OVERDUE_LADDER.rungs, HOLDER_LADDER.rungs, strict=True):
        assert his.to == tuple("holder" if name == "assignee" else name for name in mine.to)
        assert (his.name, his.offset_workdays, his.how, his.effect) == (
            mine.name, mine.offset_workdays, mine.how, mine.effect,
        )  # fmt: skip


def test_every_effect_of_the_scheme_is_one_the_engine_knows() -> None:
    named = {row.effect for row in reminder_ladder() if row.effect}
    assert named == set(EFFECTS)
    assert {rung.effect for rung in OVERDUE_LADDER.rungs if rung.effect} == set(EFFECTS.values())


CLIMBS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "three working days before": ("2020-01-10 07:40", "reminder", ("assignee",)),
    "the day before": ("2020-01-14 07:40", "reminder", ("assignee", "dept_safety")),
    "the day itself": ("2020-01-15 07:40", "reminder", ("assignee",)),
    "one day late": ("2020-01-16 07:40", "escalation", ("assignee", "dept_head")),
    "three days late, the make-up Sunday counted": ("2020-01-19 07:40", "escalation", ("dept_head", "safety_head")),
    "seven days late": ("2020-01-31 07:40", "escalation", ("vp_safety",)),
    "fifteen days late": ("2020-02-11 07:40", "escalation", ("principal",)),
    "then every five days": ("2020-02-18 07:40", "escalation", ("vp_safety", "principal")),
}


def test_an_overdue_hazard_climbs_the_ladder_on_its_days(school: School) -> None:
    """Assigned on Monday the 6th with seven working days: due on Wednesday 15 January."""
    case = school.step("alice", school.assigned(), "acknowledge")
    for when, reason, audience in CLIMBS.values():
        school.at(when)
        told = len(school.notices(case))
        school.tick()
        new = school.notices(case)[told:]
        assert [(notice.reason, notice.audience) for notice in new] == [(reason, audience)], when


def test_after_an_outage_the_highest_missed_rung_is_sent_to_everyone_the_missed_ones_would_have_reached(
    school: School,
) -> None:
    case = school.step("alice", school.assigned(), "acknowledge")
    told = len(school.notices(case))
    school.at("2020-01-31 09:00").tick()
    [notice] = school.notices(case)[told:]
    assert notice.about["rung"] == "after-7"
    assert notice.about["skipped"] == ["before-3", "before-1", "due", "after-1", "after-3"]
    assert set(notice.audience) == {"assignee", "dept_safety", "dept_head", "safety_head", "vp_safety"}
    assert notice.how == "direct"  # one of the missed ones was
    school.tick()
    assert len(school.notices(case)) == told + 1


# --- the sign-off table ---------------------------------------------------------------------------------------------------

ROWS: dict[tuple[str, str], Signing] = {
    ("on_spot", "verify"): Signing(by=("inspector",), never=("assignee", "fixer")),
    ("on_spot", "approve"): Signing(by=("inspector",), never=("assignee", "fixer")),
    ("general", "verify"): Signing(
        by=("dept_safety_of_another_department", "safety_staff"), never=("assignee", "fixer")
    ),
    ("general", "approve"): Signing(
        by=("safety_head",), never=("assignee", "fixer", "verifier"), waived_by={"verifier": "verifier_may_approve"}
    ),
    ("general_extended", "verify"): Signing(
        by=("dept_safety_of_another_department", "safety_staff"), never=("assignee", "fixer")
    ),
    ("general_extended", "approve"): Signing(by=("vp_safety",), never=("assignee", "fixer", "verifier")),
    ("major", "verify"): Signing(
        by=("acceptance_group",), count=2, never=("assignee", "fixer"), not_all_from="fixing_department"
    ),
    ("major", "approve"): Signing(by=("principal", "secretary"), never=("assignee", "fixer", "verifier")),
}


@pytest.mark.parametrize("row", ROWS, ids="/".join)
def test_a_row_of_the_sign_off_table(row: tuple[str, str]) -> None:
    assert signing_rows()[row] == ROWS[row]


def test_the_table_has_a_row_for_every_mode_and_step() -> None:
    assert set(signing_rows()) == set(ROWS)
    assert {mode for mode, _ in ROWS} == set(sign_off())


def test_every_exclusion_that_can_be_lifted_is_lifted_by_a_policy_of_the_hazard() -> None:
    waivers = {policy for row in signing_rows().values() for policy in row.waived_by.values()}
    assert waivers == {"verifier_may_approve"}
    assert waivers <= set(HAZARD.policy.model_fields)


def test_the_level_makes_a_case_major(school: School) -> None:
    assert not is_major(school.assigned())
    major: Case = school.major()
    assert is_major(major)
