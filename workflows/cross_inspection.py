"""Cross inspections 交叉检查: departments drawn in pairs inspect each other; what they find is issued as one joint list.

A round goes on with the draw of the round before it, so that no pair comes again before every other has met; nobody inspects
his own department; limits count from the day the list is issued.
"""

from typing import Annotated

from pydantic import Field

from engine.case import FOLLOWED_BY, FOLLOWS, Case, Link
from engine.commands import OpenCase
from engine.definition import (
    CaseRef,
    Day,
    DepartmentRef,
    Effect,
    Form,
    FromFact,
    Line,
    Signing,
    SignOff,
    State,
    Transition,
    Within,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.checking import (
    HEAD_SIGNS,
    SubmitInspection,
    every_item_answered,
    failures_are_photographed,
    findings_of,
    keep_findings,
    na_has_a_reason,
)
from workflows.draws import REPEATED, pairs
from workflows.joint import (
    ISSUERS,
    CallOffInspection,
    CheckPolicy,
    IssueList,
    JointPolicy,
    checks_of,
    comes_out_of_a_draw,
    counting_from,
    day_is_ahead,
    every_check_is_in,
    second,
    until_issued,
)
from workflows.ladders import HOLDER_LADDER, OFFICE_LADDER
from workflows.reference import checklist_for, department_called
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

MOST_DEPARTMENTS = 60
OFFICE = (*SAFETY_OFFICE, "vp_safety")

Departments = Annotated[list[DepartmentRef], Field(min_length=2, max_length=MOST_DEPARTMENTS)]


# --- forms -----------------------------------------------------------------------------------------------------------


class OpenCrossInspection(Form):
    title: Line = asks("检查名称", "Inspection")
    follows: CaseRef | None = asks(
        "接续哪一轮（不填即重新抽签，可能与以前的配对重复）",
        "Which round it goes on from (else it is drawn anew, and pairs may come again)",
        default=None,
    )
    departments: Departments | None = asks(
        "参加部门（接续上一轮的不填）", "Departments (those of the round before)", default=None
    )
    due_on: Day = asks("检查完成日期", "Inspected by")
    requirement: Line | None = asks("检查要求", "What is asked", default=None)


class DrawPairs(Form):
    seed: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = asks(
        f"抽签种子（{REPEATED.zh}）", f"Seed ({REPEATED.en})", default=None, typed=False
    )


class OpenCrossCheck(Form):
    title: Line = asks("检查名称", "Check")
    place: Line = asks("受检部门或部位", "Where")
    department: DepartmentRef = asks("检查部门", "Department that inspects")
    inspected: DepartmentRef = asks("受检部门", "Department that is inspected")
    # told by the draw, so that no page offers to open one by hand
    checklists: Annotated[list[str], Field(min_length=1)] = asks("检查表", "Checklists", typed=False)
    due_on: Day = asks("完成日期", "Due on")


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "cross.departments_are_known",
    obstacle=Text(
        "首轮须列出参加部门，每个部门一次；接续上一轮的，部门与上一轮相同，不另填",
        "the first round names its departments, each once; a later one has those of the round before and names none",
    ),
    remedy=Text(
        "请填写其中一项：参加部门，或接续哪一轮", "Fill in one of the two: the departments, or the round before"
    ),
    reads_form=True,
)
def departments_are_known(s: Situation) -> bool:
    named = s.data["departments"]
    if s.data["follows"] is not None:
        return named is None
    return named is not None and len(set(named)) == len(named)


@guard(
    "cross.follows_the_newest_round",
    obstacle=Text(
        "该项不是已抽签的交叉检查，或已有下一轮",
        "that is no cross inspection that was drawn, or it has a next round already",
    ),
    remedy=Text("请选择最近一轮已抽签的交叉检查", "Choose the newest round that was drawn"),
    reads_form=True,
)
def follows_the_newest_round(s: Situation) -> bool:
    if s.data["follows"] is None:
        return True
    before = s.related.get(s.data["follows"])
    drawn = before is not None and before.workflow == "cross_inspection" and "seed" in before.facts
    return drawn and not any(link.kind == FOLLOWED_BY for link in before.links)  # type: ignore[union-attr]  # drawn says so


@guard(
    "cross.begins_a_draw",
    obstacle=Text("本轮接续上一轮的抽签", "this round goes on with an earlier draw"),
    remedy=Text("请办理“按上一轮接续配对”", "Take the step that goes on with it"),
)
def begins_a_draw(s: Situation) -> bool:
    return "seed" not in s.case.facts


@guard(
    "cross.goes_on_with_a_draw",
    obstacle=Text("本项是首轮，还没有可接续的抽签", "this is a first round, and there is no draw to go on with"),
    remedy=Text("请办理“抽签配对”", "Draw the pairs"),
)
def goes_on_with_a_draw(s: Situation) -> bool:
    return "seed" in s.case.facts


@guard(
    "cross.nobody_inspects_himself",
    obstacle=Text("检查部门与受检部门相同", "a department would inspect itself"),
    remedy=Text("请由其他部门检查", "Let another department inspect it"),
    reads_form=True,
)
def nobody_inspects_himself(s: Situation) -> bool:
    return bool(s.data["department"] != s.data["inspected"])


@guard(
    "cross.inspector_is_of_another_department",
    obstacle=Text("您是受检部门的人员，不能检查本部门", "you belong to the department that is inspected"),
    remedy=Text("请由检查部门的其他人员填报", "Let somebody else of the inspecting department hand it in"),
)
def inspector_is_of_another_department(s: Situation) -> bool:
    return s.case.facts["inspected"] not in (s.actor.department, s.actor.own_department)


# --- effects ---------------------------------------------------------------------------------------------------------


def begin_round(s: Situation, case: Case) -> Effect:
    """A round at its start: the number it has in its draw, and of a later one the draw itself."""
    before = s.related.get(s.data["follows"]) if s.data["follows"] is not None else None
    if before is None:
        return Effect(case.with_facts({"round": 0}))
    kept = {name: before.facts[name] for name in ("seed", "departments")}
    facts = {**kept, "round": before.facts["round"] + 1}
    return Effect(case.with_facts(facts), links=(Link(FOLLOWS, before.number),))


def open_the_pairs(s: Situation, case: Case) -> Effect:
    """Two checks for each pair, one each way, due on the day that was set."""
    drawn = pairs(case.facts["departments"], case.facts["round"], case.facts["seed"])
    both_ways = [way for one, other in drawn.pairs for way in ((one, other), (other, one))]
    due_on = case.facts["due_on"]
    checks = tuple(
        OpenCase(
            "cross_check",
            {
                "title": f"交叉检查：{department_called(inspecting).zh}检查{department_called(inspected).zh}"[:200],
                "place": department_called(inspected).zh, "department": inspecting, "inspected": inspected,
                "checklists": [checklist.code for checklist in checklist_for(inspected)], "due_on": due_on,
            },
        )
        for inspecting, inspected in both_ways
    )  # fmt: skip
    facts = {
        "pairs": [list(pair) for pair in drawn.pairs], "resting": drawn.resting, "limit": until_issued(s, due_on),
    }  # fmt: skip
    return Effect(case.with_facts(facts), opens=checks)


def issue_what_was_found(s: Situation, case: Case) -> Effect:
    """Everything on the list becomes a hazard of the department it was found in, today."""
    found = [
        hazard
        for check in checks_of(s)
        if check.state == "closed"
        for hazard in findings_of(check, "cross", check.facts["inspected"])
    ]
    return Effect(case.with_facts({"findings": len(found)}), opens=tuple(found))


def issue_from_today(s: Situation, case: Case) -> Effect:
    """As `issue_what_was_found`, and every limit counts from today, however long it takes until somebody is assigned."""
    return counting_from(s.today, issue_what_was_found(s, case))


def due_on_its_day(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"limit": {"until": s.data["due_on"]}}))


def one_table(_: Case) -> str:
    return "cross_check"


# --- the loops -------------------------------------------------------------------------------------------------------

CROSS_INSPECTION_1 = Workflow(
    key="cross_inspection",
    plural="cross_inspections",
    version=1,
    prefix="JJ",
    title=Text("交叉检查", "Cross inspection"),
    opens_with=OpenCrossInspection,
    opens_by=OFFICE,
    opening=begin_round,
    opening_guards=(departments_are_known, follows_the_newest_round, day_is_ahead),
    roles=LOOP_ROLES,
    policy=JointPolicy,
    own_words={"reporter": Text("组织人", "whoever called it")},
    states=[
        State(
            "planned", Text("待抽签", "To be drawn"), counts_as="reported", awaits=SAFETY_OFFICE,
            due=Within(workdays="draw_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "inspecting", Text("检查中", "Being inspected"), counts_as="assigned", awaits=SAFETY_OFFICE,
            due=FromFact("limit"), ladder=OFFICE_LADDER,
        ),
        State("issued", Text("清单已下发", "List issued"), counts_as="closed", final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "draw", "planned", "inspecting", Text("抽签配对", "Draw the pairs"), by=OFFICE, form=DrawPairs,
            guards=(begins_a_draw,), effect=open_the_pairs, draws="seed",
        ),
        Transition(
            "go_on", "planned", "inspecting", Text("按上一轮接续配对", "Go on with the draw"), by=OFFICE,
            guards=(goes_on_with_a_draw,), effect=open_the_pairs,
        ),
        Transition(
            "issue", "inspecting", "issued", Text("下发联合检查清单", "Issue the joint list"), by=ISSUERS, form=IssueList,
            guards=(every_check_is_in,), effect=issue_what_was_found, acts_as="approver",
            tells=("safety_staff", "vp_safety"),
        ),
        Transition(
            "call_off", "planned", "called_off", Text("取消检查", "Call it off"), by=(*OFFICE, *LEADERS),
            form=CallOffInspection,
        ),
    ],
)  # fmt: skip

#: since version 2 limits count from the day the list is issued
CROSS_INSPECTION = second(CROSS_INSPECTION_1, issue_from_today)

CROSS_CHECK = Workflow(
    key="cross_check",
    plural="cross_checks",
    version=1,
    prefix="JJD",
    title=Text("交叉检查单", "Cross check"),
    opens_with=OpenCrossCheck,
    opens_by=OFFICE,
    opening=due_on_its_day,
    opening_guards=(comes_out_of_a_draw, nobody_inspects_himself),
    roles=LOOP_ROLES,
    policy=CheckPolicy,
    sign_off=SignOff(
        {("cross_check", "sign"): Signing(by=("dept_head", *OFFICE), never=("submitter",))}, one_table
    ),
    states=[
        State(
            "due", Text("待检查", "To be inspected"), counts_as="assigned", awaits=("dept_safety",), due=FromFact("limit"),
            ladder=HOLDER_LADDER,
        ),
        State(
            "submitted", Text("待负责人签字", "To be signed"), counts_as="fixed", awaits=("dept_head",),
            due=Within(workdays="sign_workdays"), ladder=HOLDER_LADDER,
        ),
        State("closed", Text("已提交", "Handed in"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "submit", "due", "submitted", Text("提交检查表", "Hand in"), by=("dept_safety", "dept_head"),
            form=SubmitInspection,
            guards=(
                inspector_is_of_another_department, every_item_answered, na_has_a_reason, failures_are_photographed,
            ),
            effect=keep_findings, acts_as="submitter",
        ),
        *HEAD_SIGNS,
        Transition(
            "call_off", "due", "called_off", Text("取消检查", "Call it off"), by=("safety_head", "vp_safety"),
            form=CallOffInspection, tells=("dept_safety", "dept_head"),
        ),
    ],
)  # fmt: skip
