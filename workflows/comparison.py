"""Comparison checks 事故对照检查: an accident elsewhere makes every place of its kind look whether the same could happen there.

Each item is answered; nobody says *not applicable* without a reason, and what fails becomes a hazard.
"""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.definition import (
    Day,
    DepartmentRef,
    Effect,
    Form,
    FromFact,
    Line,
    Policy,
    Signing,
    SignOff,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation
from workflows.checking import (
    HEAD_SIGNS,
    SubmitInspection,
    every_item_answered,
    failures_are_photographed,
    failures_become_hazards_from_above,
    na_has_a_reason,
)
from workflows.hazard import Category
from workflows.ladders import HOLDER_LADDER
from workflows.reference import check_events
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

#: who looks: the department's safety officer, of a contractor its lead, whose own word is then signed by the office
LOOKS = ("dept_safety", "property_lead")


class ItemToCompare(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line = asks("对照内容", "What to look at")
    category: Category = asks("类别", "Category")


class OpenComparison(Form):
    title: Line = asks("检查名称", "Check")
    place: Line = asks("部位", "Where")
    department: DepartmentRef = asks("检查部门", "Department")
    items: Annotated[list[ItemToCompare], Field(min_length=1, max_length=100)] = asks("对照项目", "What to look at")
    due_on: Day | None = asks("完成日期", "Due on", default=None)
    basis: Line | None = asks("依据", "Because of", default=None)


class CallOff(Form):
    reason: Words = asks("取消理由", "Why it is called off")


class ComparisonPolicy(Policy):
    compare_workdays: Annotated[int, Field(ge=1, le=365)] = check_events()["accident_notice"].due_workdays or 5
    sign_workdays: Annotated[int, Field(ge=1, le=365)] = 3


def due_after_the_accident(s: Situation, case: Case) -> Effect:
    """By the superior's day where he gave one, else within the days the reference gives for such a check."""
    due_on = s.data["due_on"]
    limit = {"until": due_on} if due_on else {"workdays": s.policy["compare_workdays"]}
    return Effect(case.with_facts({"limit": limit}))


def failures_become_hazards_by_its_day(s: Situation, case: Case) -> Effect:
    """As `failures_become_hazards_from_above`; where a superior's paper opened the check and gave a day, each hazard has it."""
    found = failures_become_hazards_from_above(s, case)
    if case.facts.get("due_on") is None or not any(link.kind == "parent" for link in case.links):
        return found
    days = {"due_by": case.facts["due_on"], "due_paper": case.facts.get("basis")}
    return replace(found, opens=tuple(replace(each, data={**each.data, **days}) for each in found.opens))


def one_table(_: Case) -> str:
    return "comparison"


COMPARISON_1 = Workflow(
    key="comparison",
    plural="comparisons",
    version=1,
    prefix="DZ",
    title=Text("事故对照检查", "Comparison check"),
    opens_with=OpenComparison,
    opens_by=(*SAFETY_OFFICE, "vp_safety", *LEADERS),
    opening=due_after_the_accident,
    roles=LOOP_ROLES,
    policy=ComparisonPolicy,
    sign_off=SignOff(
        {("comparison", "sign"): Signing(by=("dept_head", "safety_head", "vp_safety"), never=("submitter",))},
        one_table,
    ),
    states=[
        State(
            "due", Text("待对照检查", "To be compared"), counts_as="assigned", awaits=LOOKS,
            due=FromFact("limit"), ladder=HOLDER_LADDER,
        ),
        State(
            "submitted", Text("待负责人签字", "To be signed"), counts_as="fixed", awaits=("dept_head",),
            due=Within(workdays="sign_workdays"), ladder=HOLDER_LADDER,
        ),
        State("closed", Text("已归档", "Filed"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "submit", "due", "submitted", Text("提交检查结果", "Hand in"), by=(*LOOKS, "dept_head"),
            form=SubmitInspection, guards=(every_item_answered, na_has_a_reason, failures_are_photographed),
            effect=failures_become_hazards_from_above, acts_as="submitter",
        ),
        *HEAD_SIGNS,
        Transition(
            "call_off", "due", "called_off", Text("取消检查", "Call it off"), by=("safety_head", "vp_safety"),
            form=CallOff, tells=(*LOOKS, "dept_head"),
        ),
    ],
)  # fmt: skip

#: since version 2 what such a check finds has the day that the superior gave
COMPARISON = replace(
    COMPARISON_1,
    version=2,
    transitions=[
        replace(step, effect=failures_become_hazards_by_its_day) if step.trigger == "submit" else step
        for step in COMPARISON_1.transitions
    ],
)
