"""Campaigns 专项行动: a scope, phases with their days, checklists, reports due; what is done inside carries the campaign's mark.

Each phase that ends opens its stage summary. The campaign ends when everything it gave out has come to its end.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import (
    CaseRef,
    Day,
    DepartmentRef,
    DocumentRef,
    Effect,
    Form,
    FromFact,
    Line,
    Policy,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
    said,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.ladders import OFFICE_LADDER
from workflows.notice import tasks_are_done
from workflows.reference import checklists
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

MOST_DEPARTMENTS = 60
MOST_PHASES = 12
MOST_REPORTS = 200
DEAN = "vp_safety"
OFFICE = (*SAFETY_OFFICE, DEAN)
#: who lets it begin, and ends it: never whoever drew it up, or wound it up
APPROVERS = (DEAN, *LEADERS)


def _known_checklist(code: str) -> str:
    if code not in checklists():
        raise said(Text(f"没有检查表 {code!r}", f"there is no checklist {code!r}"))
    return code


Checklist = Annotated[str, AfterValidator(_known_checklist)]


# --- forms -----------------------------------------------------------------------------------------------------------


class Phase(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line = asks("阶段名称", "Phase")
    first_day: Day = asks("开始日期", "First day")
    last_day: Day = asks("结束日期", "Last day")


class ReportDue(BaseModel):
    """Something a department hands in by a day."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line = asks("报送内容", "Report")
    department: DepartmentRef = asks("报送部门", "Department")
    due_on: Day = asks("报送日期", "Due on")


Phases = Annotated[list[Phase], Field(min_length=1, max_length=MOST_PHASES)]


class OpenCampaign(Form):
    title: Line = asks("行动名称", "Campaign")
    departments: Annotated[list[DepartmentRef], Field(min_length=1, max_length=MOST_DEPARTMENTS)] = asks(
        "参加部门", "Departments"
    )
    phases: Phases = asks("阶段（按先后）", "Phases, in their order")
    goal: Words | None = asks("目标与任务", "What it is for", default=None)
    notice: CaseRef | None = asks("依据的文件（编号，如 WJ-2026-0001）", "Notice it is because of", default=None)
    documents: Annotated[list[DocumentRef], Field(max_length=9)] = asks(
        "实施方案等附件", "The plan, and other documents", default_factory=list
    )
    checklists: Annotated[list[Checklist], Field(max_length=50)] = asks(
        "使用的检查表", "Checklists", default_factory=list
    )
    reports: Annotated[list[ReportDue], Field(max_length=MOST_REPORTS)] = asks(
        "要求报送的材料", "Reports due", default_factory=list
    )


class BeginCampaign(Form):
    opinion: Words = asks("批准意见", "Decision")


class AskForReports(Form):
    reports: Annotated[list[ReportDue], Field(min_length=1, max_length=MOST_REPORTS)] = asks(
        "补充要求报送的材料", "Further reports due"
    )


class AdjustPhases(Form):
    phases: Phases = asks("调整后的全部阶段（按先后）", "All phases as they are now, in their order")
    reason: Words = asks("调整理由", "Why")


class EndPhase(Form):
    outcome: Words = asks("本阶段完成情况", "What the phase came to")


class ConcludeCampaign(Form):
    result: Words = asks("总体成效与问题", "What it came to, and what is left")
    results: Annotated[list[DocumentRef], Field(max_length=9)] = asks("总结材料", "Documents", default_factory=list)


class CloseCampaign(Form):
    opinion: Words = asks("办结意见", "Decision")


class SendCampaignBack(Form):
    reason: Words = asks("退回补正的理由", "What has to be corrected")


class CallOffCampaign(Form):
    reason: Words = asks("取消理由", "Why it is called off")


class CampaignPolicy(Policy):
    approve_workdays: Annotated[int, Field(ge=1, le=365)] = 5
    wind_up_workdays: Annotated[int, Field(ge=1, le=365)] = 10
    close_workdays: Annotated[int, Field(ge=1, le=365)] = 3


# --- guards ----------------------------------------------------------------------------------------------------------


def in_order(phases: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each ends no earlier than it begins, and begins after the one before it has ended."""
    spans = [(phase["first_day"], phase["last_day"]) for phase in phases]  # ISO days compare as days do
    return all(first <= last for first, last in spans) and all(
        before[1] < after[0] for before, after in pairwise(spans)
    )


@guard(
    "campaign.phases_in_order",
    obstacle=Text(
        "阶段的日期前后颠倒或相互重叠", "a phase ends before it begins, or begins before the one before it has ended"
    ),
    remedy=Text("请按先后填写，前一阶段结束后再开始下一阶段", "Give them in their order, none overlapping another"),
    reads_form=True,
)
def phases_in_order(s: Situation) -> bool:
    return in_order(s.data["phases"])


@guard(
    "campaign.is_not_over",
    obstacle=Text("最后一个阶段已经过去", "its last phase has passed already"),
    remedy=Text("请核对阶段的日期", "Check the days of the phases"),
    reads_form=True,
)
def is_not_over(s: Situation) -> bool:
    return bool(s.data["phases"][-1]["last_day"] >= s.today.isoformat())


@guard(
    "campaign.departments_once",
    obstacle=Text("有部门重复列出", "a department is listed twice"),
    remedy=Text("每个部门只列一次", "List each department once"),
    reads_form=True,
)
def departments_once(s: Situation) -> bool:
    named = s.data["departments"]
    return len(set(named)) == len(named)


@guard(
    "campaign.because_of_a_notice",
    obstacle=Text("该编号不是文件与会议", "that number is no notice"),
    remedy=Text("请填写文件的编号，或留空", "Give the number of a notice, or leave it empty"),
    reads_form=True,
)
def because_of_a_notice(s: Situation) -> bool:
    number = s.data["notice"]
    return number is None or (number in s.related and s.related[number].workflow == "notice")


@guard(
    "campaign.reports_fit",
    obstacle=Text(
        "有材料的报送部门不在参加部门之内，或报送日期不在行动期间",
        "a report is asked of a department outside the scope, or on a day outside the campaign",
    ),
    remedy=Text("请核对报送部门和日期", "Check the departments and days of the reports"),
    reads_form=True,
)
def reports_fit(s: Situation) -> bool:
    """Of what is drawn up, by its own scope and phases; later, by those of the campaign."""
    known = s.data if "phases" in s.data else s.case.facts
    first, last = known["phases"][0]["first_day"], known["phases"][-1]["last_day"]
    return all(
        report["department"] in known["departments"] and first <= report["due_on"] <= last
        for report in s.data["reports"]
    )


@guard(
    "campaign.phases_go_on",
    obstacle=Text(
        "已结束的阶段不能改动，正在进行的阶段不能改开始日期，也不能在今天之前结束",
        "phases that have ended stay as they were, and the running one keeps its first day and ends no earlier than today",
    ),
    remedy=Text("请照录已结束的阶段，只调整其后的日期", "Repeat those that have ended; change what is still to come"),
    reads_form=True,
)
def phases_go_on(s: Situation) -> bool:
    before, after, at = s.case.facts["phases"], s.data["phases"], s.case.facts["phase"]
    if len(after) <= at or after[:at] != before[:at] or after[at]["first_day"] != before[at]["first_day"]:
        return False
    return bool(after[at]["last_day"] >= s.today.isoformat())


@guard(
    "campaign.phase_is_over",
    obstacle=Text("本阶段的最后一天还没到", "the last day of the phase has not come yet"),
    remedy=Text(
        "请到最后一天再办理；要提前结束的，先调整阶段", "Wait for it; to end it earlier, adjust the phases first"
    ),
)
def phase_is_over(s: Situation) -> bool:
    return bool(running(s.case)["last_day"] <= s.today.isoformat())


@guard(
    "campaign.another_phase_follows",
    obstacle=Text("这是最后一个阶段", "this is the last phase"),
    remedy=Text("请办理“结束最后阶段”", "Take the step that ends the last phase"),
)
def another_phase_follows(s: Situation) -> bool:
    return bool(s.case.facts["phase"] + 1 < len(s.case.facts["phases"]))


@guard(
    "campaign.is_the_last_phase",
    obstacle=Text("后面还有阶段", "another phase follows"),
    remedy=Text("请办理“结束本阶段”", "Take the step that ends this phase"),
)
def is_the_last_phase(s: Situation) -> bool:
    return bool(s.case.facts["phase"] + 1 == len(s.case.facts["phases"]))


@guard(
    "campaign.given_out_is_done",
    obstacle=Text(
        "要求报送的材料或阶段小结还没有办结", "a report that was asked for, or a stage summary, is still open"
    ),
    remedy=Text(
        "请先督促办结，见本项的关联事项；不再需要的写明理由取消",
        "See that they are closed, among the related cases; call off what is not needed any more, and say why",
    ),
)
def given_out_is_done(s: Situation) -> bool:
    return tasks_are_done.holds(s)  # in words of its own


@guard(
    "campaign.has_days_left",
    obstacle=Text("各阶段的日期都已过去", "all its phases have passed by now"),
    remedy=Text("请取消，按新的日期重新拟定", "Call it off, and draw it up with other days"),
)
def has_days_left(s: Situation) -> bool:
    """Else every report is missing the moment it is asked for."""
    return bool(s.case.facts["phases"][-1]["last_day"] >= s.today.isoformat())


# --- effects ---------------------------------------------------------------------------------------------------------


def running(case: Case) -> Mapping[str, Any]:
    """The phase it is in, or was in last."""
    phase: Mapping[str, Any] = case.facts["phases"][case.facts["phase"]]
    return phase


def enter_phase(case: Case, at: int) -> Case:
    """Its limit is the last day of this phase."""
    return case.with_facts({"phase": at, "limit": {"until": case.facts["phases"][at]["last_day"]}})


def begin(_: Situation, case: Case) -> Effect:
    """The first phase runs, and every report that was planned is asked for."""
    return Effect(enter_phase(case, 0), opens=_asked_for(case, case.facts.get("reports", ())))


def ask_for_more(s: Situation, case: Case) -> Effect:
    return Effect(case, opens=_asked_for(case, s.data["reports"]))


def _asked_for(case: Case, reports: Sequence[Mapping[str, Any]]) -> tuple[OpenCase, ...]:
    return tuple(
        OpenCase(
            "task",
            {
                "title": report["title"], "department": report["department"], "due_on": report["due_on"],
                "basis": case.title,
            },
        )
        for report in reports
    )  # fmt: skip


def run_on(_: Situation, case: Case) -> Effect:
    """The running phase as it was adjusted."""
    return Effect(enter_phase(case, case.facts["phase"]))


def end_phase(_: Situation, case: Case) -> Effect:
    """Its summary is opened, and the next one runs."""
    return Effect(enter_phase(case, case.facts["phase"] + 1), opens=(_summary_of(case),))


def end_last_phase(_: Situation, case: Case) -> Effect:
    return Effect(case, opens=(_summary_of(case),))


def _summary_of(case: Case) -> OpenCase:
    phase = running(case)
    return OpenCase(
        "stage_summary",
        {
            "title": f"{case.title}：{phase['title']}小结"[:200], "first_day": phase["first_day"],
            "last_day": phase["last_day"],
        },
    )  # fmt: skip


# --- the loop --------------------------------------------------------------------------------------------------------

CAMPAIGN = Workflow(
    key="campaign",
    plural="campaigns",
    version=1,
    prefix="ZX",
    title=Text("专项行动", "Campaign"),
    opens_with=OpenCampaign,
    opens_by=(*OFFICE, *LEADERS),
    opening_guards=(departments_once, phases_in_order, is_not_over, because_of_a_notice, reports_fit),
    roles=LOOP_ROLES,
    policy=CampaignPolicy,
    own_words={
        "reporter": Text("拟定人", "whoever drew it up"),
        "fixer": Text("总结人", "whoever wound it up"),
    },
    holds=True,
    states=[
        State(
            "reported", Text("拟定", "Drawn up"), awaits=APPROVERS, due=Within(workdays="approve_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State("assigned", Text("进行中", "Running"), awaits=SAFETY_OFFICE, due=FromFact("limit"), ladder=OFFICE_LADDER),
        State(
            "fixed", Text("收尾", "Being wound up"), awaits=SAFETY_OFFICE, due=Within(workdays="wind_up_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("已总结", "Wound up"), awaits=APPROVERS, due=Within(workdays="close_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已结束", "Closed"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "begin", "reported", "assigned", Text("批准并启动", "Let it begin"), by=APPROVERS, never=("reporter",),
            form=BeginCampaign, guards=(has_days_left,), effect=begin, acts_as="approver",
            tells=("dept_head", "dept_safety"),
        ),
        Transition(
            "ask_for_reports", "assigned", None, Text("补充报送要求", "Ask for further reports"), by=OFFICE,
            form=AskForReports, guards=(reports_fit,), effect=ask_for_more, quiet=True,
        ),
        Transition(
            "adjust_phases", "assigned", None, Text("调整阶段", "Adjust the phases"), by=APPROVERS, form=AdjustPhases,
            guards=(phases_in_order, phases_go_on), effect=run_on, restarts=True, tells=SAFETY_OFFICE,
        ),
        Transition(
            "end_phase", "assigned", None, Text("结束本阶段", "End this phase"), by=OFFICE, form=EndPhase,
            guards=(another_phase_follows, phase_is_over), effect=end_phase, restarts=True, quiet=True,
        ),
        Transition(
            "end_last_phase", "assigned", "fixed", Text("结束最后阶段", "End the last phase"), by=OFFICE, form=EndPhase,
            guards=(is_the_last_phase, phase_is_over), effect=end_last_phase, quiet=True,
        ),
        Transition(
            "conclude", "fixed", "verified", Text("总结", "Wind it up"), by=OFFICE, form=ConcludeCampaign,
            guards=(given_out_is_done,), acts_as="fixer",
        ),
        Transition(
            "close", "verified", "closed", Text("办结", "Close"), by=APPROVERS, never=("fixer",), form=CloseCampaign,
            acts_as="approver",
        ),
        Transition(
            "send_back", "verified", "fixed", Text("退回补正", "Send back"), by=APPROVERS, form=SendCampaignBack,
            counts="returned", reason="returned",
        ),
        Transition(
            "call_off", ("reported", "assigned"), "called_off", Text("取消", "Call it off"), by=APPROVERS,
            form=CallOffCampaign, guards=(given_out_is_done,), tells=SAFETY_OFFICE,
        ),
    ],
)  # fmt: skip
