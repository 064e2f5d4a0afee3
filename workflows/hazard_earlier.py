"""The hazard loop as it was: what cases that were opened with versions 1 to 4 go on by.

`workflows.hazard` has the one that holds, and whatever it shares with these. What only these have stands here: nothing of
it changes any more. Version 1 and the one that holds are both written out, though much of them is alike: a step that is changed
there must not change what older cases go by.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from engine.case import Case
from engine.definition import (
    Acknowledge,
    Day,
    DepartmentRef,
    Effect,
    Escalation,
    Form,
    FromFact,
    Line,
    OutcomesFunction,
    PersonRef,
    Policy,
    Rebound,
    Series,
    SignOff,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.hazard import (
    DECIDERS,
    MODES,
    Assign,
    Attachments,
    Category,
    CorrectOnSpot,
    Decision,
    Few,
    HandOn,
    HazardPolicyWithStrangers,
    Merge,
    Photos,
    PlanDecision,
    Reassign,
    Reject,
    ReportFixWithPapers,
    Retriage,
    Return,
    Supervise,
    TakeOver,
    Verify,
    allowance_of,
    answered_for_by,
    as_corrected_on_spot,
    asked_date_ahead,
    assignee_of_department,
    before_limit,
    corrected_by_somebody_else,
    deciders,
    deferral_asked,
    either_level,
    evidence_given,
    extension_asked,
    five_items_filled,
    general_on_spot,
    grade_anew,
    hand_over,
    in_his_own_name,
    inspects,
    interim_given,
    interim_kept,
    into_another_open_one,
    into_no_lesser_one,
    limit_fits_level,
    major_only,
    merge_into,
    mode_of,
    never_assigned,
    new_date_later,
    not_his_already,
    not_taken_up,
    note_on_spot,
    nothing_absorbed,
    nothing_asked,
    of_the_department,
    on_spot_evidence_given,
    plan_approved,
    plan_awaits_decision,
    plan_date_ahead,
    plan_filed,
    plan_in_time,
    plan_still_ahead,
    put_under_supervision,
    receipt_open,
    refuse_asked,
    refuse_plan,
    source_is_so,
    strangers_may_report,
    the_ordinary_way,
    to_a_colleague,
    to_another,
    wait_for_approval,
    within_a_break,
    without_level,
)
from workflows.imported import Imported, by_the_safety_office
from workflows.imported import source_is_so as from_older_ledger
from workflows.ladders import OFFICE_LADDER, OVERDUE_LADDER, is_major, signing_rows
from workflows.reference import decide_level
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

# --- version 1 -------------------------------------------------------------------------------------------------------


class ReportHazard(Form):
    title: Line = asks("隐患描述", "What is wrong")
    place: Line = asks("部位", "Where")
    category: Category | None = asks("类别", "Category", default=None)
    department: DepartmentRef | None = asks(
        "责任部门（如知道）", "Department that answers for it, if known", default=None
    )
    details: Words | None = asks("补充说明", "More about it", default=None)
    photos: Photos = asks("整改前照片", "Photos", default_factory=list)
    source: Literal["self_check", "group", "cross", "spot_check", "superior", "staff"] = asks(
        "来源", "Where it comes from", default="staff"
    )
    checklist_item: Annotated[str, Field(max_length=32)] | None = asks("检查项目", "Checklist item", default=None)


class FilePlan(Form):
    """五落实 of a major hazard."""

    responsible_person: PersonRef = asks("责任：责任人", "Responsible person")
    measures: Words = asks("措施：治理方法和措施", "Measures")
    fund: Words = asks("资金：数额和来源", "Money: how much, from where")
    due_date: Day = asks("时限：完成日期", "To be done by")
    emergency_plan: Words = asks("预案：安全措施和应急预案", "Safety measures and emergency plan")


class ReportFix(Form):
    measure: Words = asks("整改情况", "What was done")
    photos_after: Photos = asks("整改后照片", "Photos after", default_factory=list)
    spent: Annotated[str, Field(max_length=100)] | None = asks("整改资金", "Money spent", default=None)


class AskExtension(Form):
    new_date: Day = asks("申请延至", "Asked until")
    reason: Words = asks("延期原因", "Why")
    interim: Words = asks("期间防范措施", "Interim measure meanwhile")


class AskDeferral(Form):
    until: Day = asks("暂缓至（假期内）", "Deferred until, within a school break")
    reason: Words = asks("暂缓原因", "Why")
    interim: Words = asks("期间防范措施", "Interim measure meanwhile")


class HazardPolicy(Policy):
    """No national rule fixes days for a general hazard: the law says *at once*. All of these a school may change."""

    triage_hours: Few = 24
    receipt_hours: Few = 24
    days3: Few = 3
    days7: Few = 7
    days15: Few = 15
    days30: Few = 30
    plan_workdays: Few = 5
    verify_workdays: Few = 3
    approve_workdays: Few = 2
    returns_before_escalation: Annotated[int, Field(ge=1, le=20)] = 3
    rebound_days: Few = 30
    verifier_may_approve: bool = False


@guard(
    "hazard.corrected_by_another",
    obstacle=corrected_by_somebody_else.obstacle,
    remedy=corrected_by_somebody_else.remedy,
    of_people=True,
    reads_form=True,
)
def corrected_by_another(s: Situation) -> bool:
    return s.data["corrected_by"] not in s.actor.persons


def grade_and_limit(s: Situation, case: Case) -> Effect:
    """Triage: the level the criteria give, the limit the mode allows."""
    level = decide_level(s.data["category"], s.data["criteria"])
    limit = allowance_of(s.data["time_limit"], s.policy)
    return Effect(replace(case, level=level.value).with_facts({"limit": limit}))


def start_plan(_: Situation, case: Case) -> Effect:
    """The approved plan's date becomes the limit, and the first one: until now only the plan itself was due.

    A plan filed anew moves the limit, so it is counted as an extension and the first limit stays. What was asked of the
    limit before is void: granting it later would put an older date over this one.
    """
    again = bool(case.facts.get("limit_by_plan"))
    limit = {
        "plan_approved": True, "plan_waits": False, "limit_by_plan": True,
        "limit": {"until": case.facts["due_date"]}, "asked": None,
    }  # fmt: skip
    if again:
        case = case.counted("extended")
    elif not case.counters.get("retriaged"):
        case = replace(case, first_due_at=None)
    return Effect(replace(case, supervised=True).with_facts(limit))


def ask_extension(s: Situation, case: Case) -> Effect:
    asked = {"what": "extension", "until": s.data["new_date"], "interim": s.data["interim"]}
    return Effect(case.with_facts({"asked": asked}))


def ask_deferral(s: Situation, case: Case) -> Effect:
    asked = {"what": "deferral", "until": s.data["until"], "interim": s.data["interim"]}
    return Effect(case.with_facts({"asked": asked}))


def grant_asked(_: Situation, case: Case) -> Effect:
    """What was asked for holds from now on, date and protective measure; the first limit stays on record."""
    asked = case.facts["asked"]
    granted = {"limit": {"until": asked["until"]}, "interim": asked["interim"], "asked": None}
    return Effect(case.with_facts(granted))


def limit_again(s: Situation, case: Case) -> Effect:
    """Sent back: a new limit, and what was asked of the old one is void; what was corrected on the spot goes the
    ordinary way from here.
    """
    limit = allowance_of(s.data["time_limit"], s.policy)
    return Effect(case.with_facts({"limit": limit, "asked": None, "on_spot": False}))


HAZARD_1 = Workflow(
    key="hazard",
    plural="hazards",
    version=1,
    prefix="YH",
    title=Text("隐患整改", "Hazard rectification"),
    opens_with=ReportHazard,
    opens_by=("anyone",),
    roles=LOOP_ROLES,
    policy=HazardPolicy,
    sign_off=SignOff(signing_rows(), mode_of),
    rebound=Rebound(same=("place", "category"), within_days="rebound_days"),
    always_direct=is_major,
    states=[
        State(
            "reported", Text("已上报", "Reported"), awaits=SAFETY_OFFICE,
            due=Within(hours="triage_hours"), ladder=OFFICE_LADDER,
        ),
        State(
            "assigned", Text("整改中", "Being fixed"), awaits=("assignee",), also_awaits=deciders, due=FromFact("limit"),
            ladder=OVERDUE_LADDER, tell="direct",
            acknowledge=Acknowledge(Within(hours="receipt_hours"), (("assignee", "dept_head"), ("safety_head",))),
        ),
        State(
            "deferred", Text("暂缓整改", "Deferred"), counts_as="assigned", awaits=("assignee",),
            due=FromFact("limit"), ladder=OVERDUE_LADDER,
        ),
        State(
            "fixed", Text("待复查", "To be verified"), awaits=("safety_staff",),
            awaits_in={"major": ("acceptance_group",), "on_spot": ("inspector",)},
            due=Within(workdays="verify_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("待销号", "To be closed"), awaits=("safety_head",),
            awaits_in={"general_extended": ("vp_safety",), "major": LEADERS, "on_spot": ("inspector",)},
            due=Within(workdays="approve_workdays"), ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已销号", "Closed"), final=True),
        State("rejected", Text("不予受理", "Not taken up"), counts_as="closed", final=True),
        State("merged", Text("重复合并", "Merged"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "assign", "reported", "assigned", Text("下达整改通知", "Issue the notice"), by=SAFETY_OFFICE, form=Assign,
            guards=(limit_fits_level, interim_given), effect=grade_and_limit, acts_as="assigner",
            numbers=Series("notice_number", "TZ"),
        ),
        Transition(
            "correct_on_spot", "reported", "fixed", Text("当场改正", "Record as corrected on the spot"),
            by=("inspector",), form=CorrectOnSpot,
            guards=(inspects, general_on_spot, corrected_by_another, on_spot_evidence_given), effect=note_on_spot,
            tells=("assignee", "dept_head", "safety_head"),
        ),
        Transition(
            "reject", "reported", "rejected", Text("不予受理", "Do not take up"), by=SAFETY_OFFICE, form=Reject,
            guards=(never_assigned, nothing_absorbed), tells=("reporter", "safety_head"),
        ),
        Transition(
            "merge", "reported", "merged", Text("并入另一项", "Merge into another"), by=SAFETY_OFFICE, form=Merge,
            guards=(never_assigned, into_another_open_one), effect=merge_into, tells=("reporter",),
        ),
        Transition(
            "merge", ("assigned", "deferred"), "merged", Text("并入另一项", "Merge into another"),
            by=("safety_head", "vp_safety"), never=("assignee", "fixer"), form=Merge,
            guards=(into_another_open_one, into_no_lesser_one), effect=merge_into, tells=("reporter", "assignee"),
        ),
        Transition(
            "acknowledge", "assigned", None, Text("签收通知书", "Acknowledge the notice"), by=("assignee",),
            guards=(receipt_open,), acknowledges=True,
        ),
        Transition(
            "reassign", ("assigned", "deferred"), None, Text("改派责任人", "Assign to somebody else"),
            by=(*SAFETY_OFFICE, "dept_head", "vp_safety"), form=Reassign, effect=hand_over, hands_over=True,
            acts_as="assigner", tells=("assignee", "dept_head"),
        ),
        Transition(
            "retriage", ("assigned", "deferred"), "reported", Text("退回重新分级交办", "Grade and assign anew"),
            by=("safety_head", "vp_safety"), form=Retriage, effect=grade_anew, counts="retriaged",
            tells=("reporter",),
        ),
        Transition(
            "file_plan", "assigned", None, Text("提交治理方案", "File the plan"), by=("assignee", "dept_head"),
            form=FilePlan, guards=(major_only, plan_date_ahead, plan_in_time), effect=wait_for_approval,
            acts_as="asker", tells=LEADERS,
        ),
        Transition(
            "approve_plan", "assigned", None, Text("批准治理方案", "Approve the plan"), by=LEADERS,
            never=("asker", "assignee"), form=PlanDecision,
            guards=(plan_filed, plan_awaits_decision, plan_still_ahead), effect=start_plan, restarts=True,
            tells=("assignee", "vp_safety"),
        ),
        Transition(
            "refuse_plan", "assigned", None, Text("不批准治理方案", "Refuse the plan"), by=LEADERS,
            never=("asker", "assignee"), form=PlanDecision, guards=(plan_filed, plan_awaits_decision),
            effect=refuse_plan, tells=("assignee",),
        ),
        Transition(
            "ask_extension", "assigned", None, Text("申请延期", "Ask for an extension"), by=("assignee",),
            form=AskExtension, guards=(nothing_asked, before_limit, new_date_later), quiet=True, effect=ask_extension,
            acts_as="asker", tells=("vp_safety",),
        ),
        Transition(
            "grant_extension", "assigned", None, Text("批准延期", "Grant the extension"), by=DECIDERS,
            never=("asker", "assignee"), form=Decision, guards=(extension_asked, asked_date_ahead), effect=grant_asked,
            counts="extended", restarts=True, tells=("assignee",),
        ),
        Transition(
            "refuse_extension", "assigned", None, Text("不同意延期", "Refuse the extension"), by=DECIDERS,
            form=Decision, guards=(extension_asked,), effect=refuse_asked, tells=("assignee",),
        ),
        Transition(
            "ask_deferral", "assigned", None, Text("申请暂缓至假期", "Ask for deferral to a break"), by=("assignee",),
            # a plan is filed and approved in *assigned* only: a major one deferred without it could never be fixed
            form=AskDeferral, guards=(plan_approved, nothing_asked, before_limit, within_a_break), quiet=True,
            effect=ask_deferral, acts_as="asker", tells=("vp_safety",),
        ),
        Transition(
            "grant_deferral", "assigned", "deferred", Text("批准暂缓", "Grant the deferral"), by=DECIDERS,
            never=("asker", "assignee"), form=Decision, guards=(deferral_asked, plan_approved, asked_date_ahead),
            effect=grant_asked, counts="deferred",
        ),
        Transition(
            "refuse_deferral", "assigned", None, Text("不同意暂缓", "Refuse the deferral"), by=DECIDERS,
            form=Decision, guards=(deferral_asked,), effect=refuse_asked, tells=("assignee",),
        ),
        Transition(
            "supervise", ("assigned", "deferred"), None, Text("挂牌督办", "Supervise by name"),
            by=("vp_safety", *LEADERS), form=Supervise, effect=put_under_supervision, tells=("assignee", "dept_head"),
        ),
        Transition(
            "fix", ("assigned", "deferred"), "fixed", Text("上报整改完成", "Report it fixed"), by=("assignee",),
            form=ReportFix, guards=(five_items_filled, plan_approved, evidence_given), acts_as="fixer",
        ),
        Transition(
            "verify", "fixed", "verified", Text("复查合格", "Verify"), sign_off="verify", form=Verify,
            acts_as="verifier",
        ),
        Transition(
            "return", "fixed", "assigned", Text("复查退回", "Return"), sign_off="verify", by=SAFETY_OFFICE, alone=True,
            form=Return, guards=(interim_kept,), effect=limit_again, numbers=Series("notice_number", "TZ", once=True),
            counts="returned", reason="returned",
            escalates=Escalation("returned", "returns_before_escalation", ("vp_safety",)),
        ),
        Transition(
            "approve", "verified", "closed", Text("同意销号", "Approve the closure"), sign_off="approve",
            form=Decision, acts_as="approver", tells=("reporter", "assignee"),
        ),
        Transition(
            "send_back", "verified", "assigned", Text("不同意销号，退回整改", "Send back"), sign_off="approve",
            by=("vp_safety", *LEADERS), alone=True, form=Return, guards=(interim_kept,), effect=limit_again,
            numbers=Series("notice_number", "TZ", once=True), counts="returned", reason="returned",
            escalates=Escalation("returned", "returns_before_escalation", ("vp_safety",)),
        ),
    ],
)  # fmt: skip

# --- version 2 -------------------------------------------------------------------------------------------------------


class FilePlanWithPapers(FilePlan):
    attachments: Attachments = asks(
        "附件（治理方案原件等）", "Papers (the plan itself and the like)", default_factory=list
    )


WITH_PAPERS: Mapping[str, type[Form]] = {"fix": ReportFixWithPapers, "file_plan": FilePlanWithPapers}
OUTCOMES: Mapping[str, OutcomesFunction] = {
    "assign": either_level,
    "correct_on_spot": as_corrected_on_spot,
    "return": the_ordinary_way,
    "send_back": the_ordinary_way,
    "retriage": without_level,
    "file_plan": answered_for_by,
}


def _second(transition: Transition) -> Transition:
    form = WITH_PAPERS.get(transition.trigger, transition.form)
    transition = replace(transition, form=form, outcomes=OUTCOMES.get(transition.trigger))
    if transition.trigger == "correct_on_spot":
        kept = tuple(corrected_by_somebody_else if g is corrected_by_another else g for g in transition.guards)
        return replace(transition, guards=(*kept, assignee_of_department))
    if transition.trigger == "assign":
        return replace(transition, guards=(*transition.guards, assignee_of_department))
    if transition.trigger == "reassign":
        return replace(transition, by=(*SAFETY_OFFICE, "vp_safety"), guards=(assignee_of_department,))
    return transition


#: since version 2 whoever is put in charge belongs to the department that answers, which only the safety office or the
#: vice-principal can change (the reference lets a head reassign within his department); an assignee or his head hands
#: a case on to a colleague, and who answers for safety there can take it over. Papers can be sent with a fix and a
#: plan. The loop tells `engine.proof` what its effects mean for who signs. Everything else is as in version 1
HAZARD_2 = replace(
    HAZARD_1,
    version=2,
    transitions=[
        *(_second(transition) for transition in HAZARD_1.transitions),
        Transition(
            "hand_on", ("assigned", "deferred"), None, Text("转交本部门同事", "Hand on to a colleague"),
            by=("assignee", "dept_head"), form=HandOn, guards=(to_a_colleague, to_another), effect=hand_over,
            hands_over=True, acts_as="assigner", tells=("assignee", "dept_head"),
        ),
        Transition(
            "take_over", ("assigned", "deferred"), None, Text("接手整改", "Take over"), by=("dept_head", "dept_safety"),
            form=TakeOver, guards=(in_his_own_name, of_the_department, not_his_already), effect=hand_over,
            hands_over=True, takes_over=True, acts_as="assigner", tells=("dept_head", "safety_head"),
        ),
    ],
    sign_off=SignOff(signing_rows(), mode_of, MODES, reads=("extended", "deferred")),
)  # fmt: skip

# --- version 3 -------------------------------------------------------------------------------------------------------


class ReportHazardByAnybody(ReportHazard):
    source: Literal["self_check", "group", "cross", "spot_check", "superior", "staff", "anonymous"] = asks(
        "来源", "Where it comes from", default="staff"
    )  # type: ignore[assignment]  # wider, and nobody writes to it


#: since version 3 somebody who is not signed in may report by the label of a place, where the school allows it; his pictures
#: are seen by the safety office alone until it took the report up
HAZARD_3 = replace(
    HAZARD_2,
    version=3,
    opens_with=ReportHazardByAnybody,
    opens_by=("anyone", "stranger"),
    opening_guards=(strangers_may_report, source_is_so),
    policy=HazardPolicyWithStrangers,
    holds_back=not_taken_up,
)

# --- version 4 -------------------------------------------------------------------------------------------------------


class ReportHazardOrTakeOver(ReportHazardByAnybody):
    source: Literal["self_check", "group", "cross", "spot_check", "superior", "staff", "anonymous", "older_ledger"] = (
        asks(  # type: ignore[assignment]  # wider, and nobody writes to it
            "来源", "Where it comes from", default="staff"
        )
    )
    imported: Imported | None = asks("原有台账", "Older ledger", default=None, typed=False)


#: since version 4 what an older ledger leaves open can be taken over: reported now, with the number and the days it was given
#: there as claims. Its way through the loop is that of every hazard
HAZARD_4 = replace(
    HAZARD_3,
    version=4,
    opens_with=ReportHazardOrTakeOver,
    opening_guards=(*HAZARD_3.opening_guards, by_the_safety_office, from_older_ledger),
)
