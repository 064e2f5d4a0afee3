"""Group inspections 分组排查: every area of the school falls to exactly one group by a draw, and is answered item by item.

What the groups find is issued as one joint list; limits count from the day it is.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import (
    Day,
    DepartmentRef,
    Effect,
    Form,
    FromFact,
    Line,
    PersonRef,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.checking import (
    SendBack,
    SignInspection,
    SubmitInspection,
    every_item_answered,
    failures_are_photographed,
    findings_of,
    keep_findings,
    na_has_a_reason,
)
from workflows.draws import REPEATED, groups
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
from workflows.ladders import OFFICE_LADDER, OVERDUE_LADDER
from workflows.reference import checklist_for
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

MOST_AREAS = 200
MOST_GROUPS = 30
OFFICE = (*SAFETY_OFFICE, "vp_safety")


# --- forms -----------------------------------------------------------------------------------------------------------


class Area(BaseModel):
    """A part of the school, and the department that answers for it: its checklists are looked through there."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    place: Line = asks("区域", "Area")
    department: DepartmentRef = asks("责任部门", "Department that answers for it")


class OpenGroupInspection(Form):
    title: Line = asks("排查名称", "Inspection")
    areas: Annotated[list[Area], Field(min_length=1, max_length=MOST_AREAS)] = asks("排查区域", "Areas")
    leaders: Annotated[list[PersonRef], Field(min_length=1, max_length=MOST_GROUPS)] = asks(
        "各组组长", "Leaders, one a group"
    )
    due_on: Day = asks("排查完成日期", "Inspected by")
    requirement: Line | None = asks("排查要求", "What is asked", default=None)


class DrawGroups(Form):
    seed: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = asks(
        f"抽签种子（{REPEATED.zh}）", f"Seed ({REPEATED.en})", default=None, typed=False
    )


class OpenGroupCheck(Form):
    title: Line = asks("检查名称", "Check")
    place: Line = asks("区域", "Area")
    department: DepartmentRef = asks("责任部门", "Department that answers for it")
    assignee: PersonRef = asks("组长", "Leader of the group")
    group: Annotated[int, Field(ge=1, le=MOST_GROUPS)] = asks("组别", "Group")
    # told by the draw, so that no page offers to open one by hand
    checklists: Annotated[list[str], Field(min_length=1)] = asks("检查表", "Checklists", typed=False)
    due_on: Day = asks("完成日期", "Due on")


class ChangeLeader(Form):
    assignee: PersonRef = asks("接任组长", "Who leads the group there from now on")
    reason: Words = asks("更换理由", "Why")


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "group.each_area_once",
    obstacle=Text("有区域重复列出", "an area is listed twice"),
    remedy=Text("每个区域只列一次，名称各不相同", "List each area once, each under a name of its own"),
    reads_form=True,
)
def each_area_once(s: Situation) -> bool:
    places = [area["place"] for area in s.data["areas"]]
    return len(set(places)) == len(places)


@guard(
    "group.each_group_has_a_leader_and_an_area",
    obstacle=Text(
        "有人担任两个组的组长，或组数多于区域数", "somebody leads two groups, or there are more groups than areas"
    ),
    remedy=Text("每组一名组长，组数不多于区域数", "Name one leader a group, and no more groups than areas"),
    reads_form=True,
)
def each_group_has_a_leader_and_an_area(s: Situation) -> bool:
    leaders = s.data["leaders"]
    return len(set(leaders)) == len(leaders) <= len(s.data["areas"])


# --- effects ---------------------------------------------------------------------------------------------------------


def open_the_groups(s: Situation, case: Case) -> Effect:
    """A check for each area, in the hands of the leader of the group it fell to."""
    answering = {area["place"]: area["department"] for area in case.facts["areas"]}
    drawn = groups(answering, len(case.facts["leaders"]), case.facts["seed"])
    due_on = case.facts["due_on"]
    checks = tuple(
        OpenCase(
            "group_check",
            {
                "title": f"分组排查：{place}（第 {number} 组）"[:200], "place": place, "department": answering[place],
                "assignee": leader, "group": number,
                "checklists": [checklist.code for checklist in checklist_for(answering[place])], "due_on": due_on,
            },
        )
        for number, (leader, places) in enumerate(zip(case.facts["leaders"], drawn, strict=True), start=1)
        for place in places
    )  # fmt: skip
    return Effect(case.with_facts({"groups": drawn, "limit": until_issued(s, due_on)}), opens=checks)


def issue_what_groups_found(s: Situation, case: Case) -> Effect:
    """Everything on the list becomes a hazard of the department that answers for the area, today."""
    found = [
        hazard
        for check in checks_of(s)
        if check.state == "closed"
        for hazard in findings_of(check, "group", check.department)
    ]
    return Effect(case.with_facts({"findings": len(found)}), opens=tuple(found))


def issue_groups_from_today(s: Situation, case: Case) -> Effect:
    """As `issue_what_groups_found`, and every limit counts from today, however long it takes until somebody is assigned."""
    return counting_from(s.today, issue_what_groups_found(s, case))


def area_due_on_its_day(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"limit": {"until": s.data["due_on"]}}))


# --- the loops -------------------------------------------------------------------------------------------------------

GROUP_INSPECTION_1 = Workflow(
    key="group_inspection",
    plural="group_inspections",
    version=1,
    prefix="FZ",
    title=Text("分组排查", "Group inspection"),
    opens_with=OpenGroupInspection,
    opens_by=OFFICE,
    opening_guards=(each_area_once, each_group_has_a_leader_and_an_area, day_is_ahead),
    roles=LOOP_ROLES,
    policy=JointPolicy,
    own_words={"reporter": Text("组织人", "whoever called it")},
    states=[
        State(
            "planned", Text("待分组", "To be drawn"), counts_as="reported", awaits=SAFETY_OFFICE,
            due=Within(workdays="draw_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "inspecting", Text("排查中", "Being inspected"), counts_as="assigned", awaits=SAFETY_OFFICE,
            due=FromFact("limit"), ladder=OFFICE_LADDER,
        ),
        State("issued", Text("清单已下发", "List issued"), counts_as="closed", final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "draw", "planned", "inspecting", Text("抽签分组", "Draw the groups"), by=OFFICE, form=DrawGroups,
            effect=open_the_groups, draws="seed",
        ),
        Transition(
            "issue", "inspecting", "issued", Text("下发联合检查清单", "Issue the joint list"), by=ISSUERS, form=IssueList,
            guards=(every_check_is_in,), effect=issue_what_groups_found, acts_as="approver",
            tells=("safety_staff", "vp_safety"),
        ),
        Transition(
            "call_off", "planned", "called_off", Text("取消排查", "Call it off"), by=(*OFFICE, *LEADERS),
            form=CallOffInspection,
        ),
    ],
)  # fmt: skip

#: since version 2 limits count from the day the list is issued
GROUP_INSPECTION = second(GROUP_INSPECTION_1, issue_groups_from_today)

GROUP_CHECK = Workflow(
    key="group_check",
    plural="group_checks",
    version=1,
    prefix="FZD",
    title=Text("分组排查单", "Group check"),
    opens_with=OpenGroupCheck,
    opens_by=OFFICE,
    opening=area_due_on_its_day,
    opening_guards=(comes_out_of_a_draw,),
    roles=LOOP_ROLES,
    policy=CheckPolicy,
    own_words={"assignee": Text("组长", "the leader of the group")},
    states=[
        State(
            "due", Text("待排查", "To be inspected"), counts_as="assigned", awaits=("assignee",), due=FromFact("limit"),
            ladder=OVERDUE_LADDER,
        ),
        State(
            "submitted", Text("待审核", "To be signed"), counts_as="fixed", awaits=SAFETY_OFFICE,
            due=Within(workdays="sign_workdays"), ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已提交", "Handed in"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "submit", "due", "submitted", Text("提交检查表", "Hand in"), by=("assignee",), form=SubmitInspection,
            guards=(every_item_answered, na_has_a_reason, failures_are_photographed), effect=keep_findings,
            acts_as="submitter",
        ),
        Transition(
            "change_leader", "due", None, Text("更换组长", "Let another lead"), by=OFFICE, form=ChangeLeader,
            hands_over=True, tells=("assignee",),
        ),
        Transition(
            "sign", "submitted", "closed", Text("审核", "Sign"), by=OFFICE, never=("submitter",), form=SignInspection,
            acts_as="approver",
        ),
        Transition(
            "send_back", "submitted", "due", Text("退回补正", "Send back"), by=OFFICE, form=SendBack, counts="returned",
            reason="returned",
        ),
        Transition(
            "call_off", "due", "called_off", Text("取消检查", "Call it off"), by=("safety_head", "vp_safety"),
            form=CallOffInspection, tells=("assignee", "dept_head"),
        ),
    ],
)  # fmt: skip
