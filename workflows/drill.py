"""Drills 应急演练: planned, announced, held and timed, reviewed, filed. Every problem found becomes a hazard."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import (
    Day,
    DepartmentRef,
    Effect,
    FileRef,
    Form,
    FromFact,
    Line,
    PersonRef,
    Policy,
    Signing,
    SignOff,
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
from workflows.hazard import Category
from workflows.ladders import OFFICE_LADDER, OVERDUE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

SECONDARY_TARGET_SECONDS = 120  # secondary schools evacuate in 2 minutes, primary ones in 3 (drill guideline)

LONGEST_PLAN_DAYS = 365  # the drill plan is a yearly one

Heads = Annotated[int, Field(ge=0, le=100_000)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]


# --- forms -----------------------------------------------------------------------------------------------------------


class PlanDrill(Form):
    title: Line = asks("演练名称", "What is drilled")
    place: Line = asks("地点", "Where")
    department: DepartmentRef = asks("组织部门", "Organising department")
    kind: Literal["real", "desktop", "question"] = asks("演练类别", "Kind", default="real")
    planned_on: Day = asks("计划日期", "Planned for")
    target_seconds: Seconds = asks("目标用时（秒）", "Target, seconds", default=SECONDARY_TARGET_SECONDS)
    plan_name: Line = asks("预案名称", "Emergency plan it rehearses")


class AnnounceDrill(Form):
    assignee: PersonRef = asks("总指挥", "Commander")
    arrangement: Words = asks("演练布置", "Arrangement")


class ReplaceCommander(Form):
    assignee: PersonRef = asks("新的总指挥", "New commander")
    reason: Words = asks("更换理由", "Why")


class HoldDrill(Form):
    held_on: Day = asks("演练日期", "Held on")
    evacuation_seconds: Seconds = asks("疏散用时（秒）", "Evacuation, seconds")
    should_attend: Heads = asks("应到人数", "Expected heads")
    attended: Heads = asks("实到人数", "Heads counted")
    course: Words = asks("过程记录", "Course")
    photos: Annotated[list[FileRef], Field(min_length=1, max_length=9)] = asks("现场照片", "Photos")

    @model_validator(mode="after")
    def nobody_is_counted_twice(self) -> Self:
        if self.attended > self.should_attend:
            raise said(Text("实到人数不能多于应到人数", "more heads were counted than expected"))
        return self


class Problem(BaseModel):
    """Something that went wrong in a drill and has to be put right."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line
    place: Line
    category: Category = "MGMT.drill"


class ReviewDrill(Form):
    suitability: Words = asks("适宜性评审", "Was the plan suitable")
    sufficiency: Words = asks("充分性评审", "Was it sufficient")
    problems: Annotated[list[Problem], Field(max_length=50)] = asks("存在问题", "Problems found", default_factory=list)


class Repeat(Form):
    reason: Words = asks("须重新演练的理由", "Why it has to be held again")
    planned_on: Day = asks("重新演练日期", "New date")


class Opinion(Form):
    opinion: Words = asks("意见", "Decision")


class DrillPolicy(Policy):
    review_workdays: Annotated[int, Field(ge=1, le=365)] = 5
    file_workdays: Annotated[int, Field(ge=1, le=365)] = 5


# --- guards and effects ----------------------------------------------------------------------------------------------


@guard(
    "drill.planned_ahead",
    obstacle=Text("计划日期须在今天之后的一年之内", "the day planned has to lie ahead, within a year"),
    remedy=Text("请改填计划日期", "Choose another day"),
    reads_form=True,
)
def planned_ahead(s: Situation) -> bool:
    return s.today <= date.fromisoformat(s.data["planned_on"]) <= s.today + timedelta(days=LONGEST_PLAN_DAYS)


@guard(
    "drill.held_since_planned",
    obstacle=Text(
        "演练日期还没到，或早于计划登记之日", "the day has not come yet, or lies before the drill was planned"
    ),
    remedy=Text("请在演练之后如实填报", "Report it when it has been held, with its day"),
    reads_form=True,
)
def held_since_planned(s: Situation) -> bool:
    return s.calendar.local_date(s.case.opened_at) <= date.fromisoformat(s.data["held_on"]) <= s.today


def plan(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"limit": {"until": s.data["planned_on"]}}))


def measure(s: Situation, case: Case) -> Effect:
    """Time and heads against their targets, as facts: what the review and the summary speak of."""
    met = s.data["evacuation_seconds"] <= case.facts["target_seconds"]
    absent = s.data["should_attend"] - s.data["attended"]
    return Effect(case.with_facts({"target_met": met, "absent": absent}))


def problems_become_hazards(s: Situation, case: Case) -> Effect:
    found = s.data["problems"]
    hazards = tuple(
        OpenCase("hazard", {**problem, "department": case.department, "source": "self_check"}) for problem in found
    )
    return Effect(case.with_facts({"problems_found": len(found)}), opens=hazards)


def one_table(_: Case) -> str:
    return "drill"


REVIEWERS = (*SAFETY_OFFICE, "vp_safety")

DRILL_1 = Workflow(
    key="drill",
    plural="drills",
    version=1,
    prefix="YL",
    title=Text("应急演练", "Drill"),
    opens_with=PlanDrill,
    opens_by=(*SAFETY_OFFICE, "dept_head", "dept_safety"),
    opening=plan,
    opening_guards=(planned_ahead,),
    roles=LOOP_ROLES,
    own_words={
        "assignee": Text("总指挥", "the commander"),
        "fixer": Text("演练填报人", "whoever recorded the drill"),
        "verifier": Text("评估人", "whoever reviewed it"),
    },
    policy=DrillPolicy,
    sign_off=SignOff(
        {
            ("drill", "verify"): Signing(by=REVIEWERS, never=("assignee", "fixer")),
            ("drill", "approve"): Signing(by=("vp_safety", *LEADERS), never=("assignee", "fixer", "verifier")),
        },
        one_table,
    ),
    states=[
        State("reported", Text("已计划", "Planned"), awaits=SAFETY_OFFICE, due=FromFact("limit"), ladder=OFFICE_LADDER),
        State(
            "assigned", Text("已布置", "Announced"), awaits=("assignee",), due=FromFact("limit"), ladder=OVERDUE_LADDER
        ),
        State(
            "fixed", Text("已演练", "Held"), awaits=("safety_head",), due=Within(workdays="review_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("已评估", "Reviewed"), awaits=("vp_safety",), due=Within(workdays="file_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已归档", "Filed"), final=True),
        State("cancelled", Text("已取消", "Cancelled"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "announce", "reported", "assigned", Text("布置演练", "Announce"), by=SAFETY_OFFICE, form=AnnounceDrill,
            acts_as="assigner",
        ),
        Transition(
            "hold", "assigned", "fixed", Text("填报演练记录", "Record the drill"), by=("assignee",), form=HoldDrill,
            guards=(held_since_planned,), effect=measure, acts_as="fixer",
        ),
        Transition(
            "review", "fixed", "verified", Text("评估", "Review"), sign_off="verify", form=ReviewDrill,
            effect=problems_become_hazards, acts_as="verifier",
        ),
        Transition(
            "repeat", "fixed", "assigned", Text("重新演练", "Hold it again"), sign_off="verify", form=Repeat,
            guards=(planned_ahead,),
            effect=plan, counts="returned", reason="returned",
        ),
        Transition(
            "archive", "verified", "closed", Text("归档", "File"), sign_off="approve", form=Opinion, acts_as="approver"
        ),
        Transition(
            "cancel", ("reported", "assigned"), "cancelled", Text("取消演练", "Cancel"), by=("vp_safety", *LEADERS),
            form=Opinion, tells=("assignee", "safety_head"),
        ),
    ],
)  # fmt: skip

#: since version 2 an announced drill whose commander has left can be given to another: until then it could only be cancelled
DRILL = replace(
    DRILL_1,
    version=2,
    transitions=[
        *DRILL_1.transitions,
        Transition(
            "reassign", "assigned", None, Text("更换总指挥", "Replace the commander"), by=(*SAFETY_OFFICE, "vp_safety"),
            form=ReplaceCommander, hands_over=True, acts_as="assigner", tells=("assignee", "dept_head"),
        ),
    ],
)  # fmt: skip
