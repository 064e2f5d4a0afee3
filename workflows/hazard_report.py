"""The monthly report of hazards 隐患排查和整改情况月报: what each department answers for, counted, and signed by its head.

Beside the monthly inspection, which says what was looked at: this one says what became of what was found.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from engine.case import Case
from engine.cycles import Cycle, DueAfter, Month
from engine.definition import (
    CaseRef,
    CycleRule,
    DepartmentRef,
    Effect,
    Form,
    FromPeriod,
    Signing,
    SignOff,
    State,
    Transition,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows import filing, portal
from workflows.filing import (
    BEFORE,
    DAYS,
    DEPARTMENT,
    FROM,
    CorrectionPolicy,
    Figures,
    Number,
    SendFilingBack,
    SignFiling,
    WaiveFiling,
    figures_are_those_that_were_compiled,
    keep_figures,
    period_is_over,
)
from workflows.ladders import HOLDER_LADDER
from workflows.reference import department_called
from workflows.roles import LOOP_ROLES

CYCLE = "hazard_report_month"
DUE_WORKDAYS = 3  # after the month is over. Practice of the school, not a rule

_OURS: Mapping[str, Any] = {"workflow": "hazard", "department": DEPARTMENT, "apart_from": ["rejected", "merged"]}
_OPENED: Mapping[str, Any] = {**_OURS, "opened_from": FROM, "opened_before": BEFORE}


def _numbers(found: Mapping[str, Any]) -> list[Number]:
    return [
        Number("found", Text("本月发现", "Found in the month"), found),
        Number("major", Text("其中重大", "of these major"), {**found, "level": "major"}),
        Number("removed", Text("已整改", "Put right"), {**found, "open": False}),
        Number("left", Text("未整改", "Not yet put right"), {**found, "open": True}),
        Number(
            "closed", Text("本月销号（含以前发现的）", "Closed in the month, whenever found"),
            {**_OURS, "closed_from": FROM, "closed_before": BEFORE},
        ),
        Number(
            "returned", Text("本月复查退回", "Sent back in the month"),
            {**_OURS, "action": ["return"], "action_from": FROM, "action_before": BEFORE},
        ),
        Number("open_at_end", Text("月末未销号", "Open at the end"), {**_OURS, "open": True}),
        Number("overdue_at_end", Text("其中逾期", "of these overdue"), {**_OURS, "overdue": True}),
    ]  # fmt: skip


FIGURES_1 = Figures("month_of_department", _numbers(_OPENED), found="found")
#: what was taken over from an older ledger was found when that one says, and not in the month of the import
FIGURES = Figures("month_of_department_2", _numbers({**_OPENED, "claimed_on": DAYS}), found="found")


class OpenHazardReport(Form):
    corrects: CaseRef | None = asks("更正哪一件", "Which report it corrects", default=None)
    reason: Words | None = asks("更正原因", "Why it is corrected", default=None)
    period: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = asks(
        "月份（由系统填写）", "Month (set by the program)", default=None
    )
    department: DepartmentRef = asks("部门", "Department")


class CompileHazardReport(Form):
    reasons: Words | None = asks("未整改及原因", "What is not put right, and why", default=None)
    next_month: Words | None = asks("下月重点", "What matters next month", default=None)


@guard(
    "hazard_report.what_is_left_has_a_reason",
    obstacle=Text("月末有未销号的隐患，没有写明原因", "hazards are open at the end of the month, and nothing says why"),
    remedy=Text("请填写“未整改及原因”", "Say what is not put right, and why"),
    reads_form=True,
)
def what_is_left_has_a_reason(s: Situation) -> bool:
    open_at_end = 0 if s.figures is None else s.figures["numbers"].get("open_at_end", {"count": 0})["count"]
    return open_at_end == 0 or s.data["reasons"] is not None


def title_of(scope: str, key: str) -> Text:
    name = department_called(scope)
    return Text(f"{name.zh} {key} 隐患排查和整改情况月报", f"Monthly report of hazards {key}, {name.en}")


def begin_report(s: Situation, case: Case) -> Effect:
    return filing.begun(s, case, portal.days_of, title_of)


_ON_TIME: Mapping[str, Any] = {"due": FromPeriod(), "ladder": HOLDER_LADDER}

HAZARD_REPORT_1 = Workflow(
    key="hazard_report",
    plural="hazard_reports",
    version=1,
    prefix="YB",
    title=Text("隐患整改月报", "Monthly report of hazards"),
    opens_with=OpenHazardReport,
    opens_by=("system", "dept_safety", "dept_head"),
    opening=begin_report,
    opening_guards=filing.OPENING_GUARDS,
    roles=LOOP_ROLES,
    routine=True,
    policy=CorrectionPolicy,
    sign_off=SignOff(
        {("filing", "sign"): Signing(by=("dept_head", "vp_safety"), never=("submitter",))}, filing.one_table
    ),
    own_words=filing.OWN_WORDS,
    cycles=(
        CycleRule(
            Cycle(
                key=CYCLE,
                title=Text("部门每月隐患排查和整改情况月报", "Monthly report of hazards of a department"),
                workflow="hazard_report",
                every=Month(),
                owed_by="dept_safety",
                due=DueAfter(workdays=DUE_WORKDAYS),
            ),
            title_of=title_of,
            data=filing.opening_data,
            says_zero=filing.says_zero,
        ),
    ),
    states=[
        State("due", Text("待汇总", "To be compiled"), counts_as="assigned", awaits=("dept_safety",), **_ON_TIME),
        State("compiled", Text("待负责人签字", "To be signed"), counts_as="fixed", awaits=("dept_head",), **_ON_TIME),
        State("handed_in", Text("已报出", "Handed in"), counts_as="closed", final=True),
        State("waived", Text("免报", "Waived"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "compile", ("due", "compiled"), "compiled", Text("汇总", "Compile"), by=("dept_safety",),
            form=CompileHazardReport, guards=(period_is_over, what_is_left_has_a_reason), effect=keep_figures,
            figures=FIGURES_1.name, acts_as="submitter",
        ),
        Transition(
            "waive", "due", "waived", Text("本期免报", "Waive this period"), by=("safety_head", "vp_safety"),
            form=WaiveFiling, settles="waived", tells=("dept_safety", "dept_head"),
        ),
        Transition(
            "sign", "compiled", "handed_in", Text("签字报出", "Sign and hand in"), sign_off="sign", form=SignFiling,
            guards=(figures_are_those_that_were_compiled,), figures=FIGURES_1.name, acts_as="approver", settles="reported",
        ),
        Transition(
            "send_back", "compiled", "due", Text("退回重新汇总", "Send back"), sign_off="sign", alone=True,
            by=("dept_head", "vp_safety"), form=SendFilingBack, counts="returned", reason="returned",
        ),
    ],
)  # fmt: skip

#: since version 2 what an older ledger left open counts as found on the day that one says
HAZARD_REPORT = replace(
    HAZARD_REPORT_1,
    version=2,
    transitions=[
        replace(step, figures=FIGURES.name) if step.figures is not None else step
        for step in HAZARD_REPORT_1.transitions
    ],
)
