"""Tasks 布置事项: what a notice gave out, to a department, with a day that nobody here can move."""

from typing import Annotated

from pydantic import Field

from engine.case import Case
from engine.definition import (
    Day,
    DepartmentRef,
    DocumentRef,
    Effect,
    FileRef,
    Form,
    FromFact,
    Line,
    PersonRef,
    Policy,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.ladders import HOLDER_LADDER, OFFICE_LADDER, OVERDUE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

DEAN = "vp_safety"
DEPARTMENT = ("dept_head", "dept_safety")


class OpenTask(Form):
    title: Line = asks("布置事项", "What to do")
    department: DepartmentRef = asks("承办部门", "Department")
    due_on: Day = asks("完成日期", "Due on")
    place: Line | None = asks("部位", "Where", default=None)
    basis: Line | None = asks("依据", "Because of", default=None)


class GiveTo(Form):
    assignee: PersonRef = asks("承办人", "Who does it")
    requirement: Words | None = asks("要求", "What is asked", default=None)


class ReportDone(Form):
    done: Words = asks("办理情况", "What was done")
    photos: Annotated[list[FileRef], Field(max_length=9)] = asks("照片", "Photos", default_factory=list)
    documents: Annotated[list[DocumentRef], Field(max_length=9)] = asks("材料", "Documents", default_factory=list)


class Check(Form):
    finding: Words = asks("核实情况", "What was found")


class GiveBack(Form):
    reason: Words = asks("退回理由", "Why it is sent back")


class Drop(Form):
    reason: Words = asks("取消理由", "Why it is dropped")


class TaskPolicy(Policy):
    check_workdays: Annotated[int, Field(ge=1, le=365)] = 3
    close_workdays: Annotated[int, Field(ge=1, le=365)] = 3


@guard(
    "task.given_within_the_department",
    obstacle=Text("承办人不是承办部门的人员", "whoever is to do it does not belong to the department"),
    remedy=Text("请从承办部门中指定", "Name somebody of that department"),
    of_people=True,
    reads_form=True,
)
def given_within_the_department(s: Situation) -> bool:
    return s.people.get(s.data["assignee"]) == s.case.department


def due_on_the_day(s: Situation, case: Case) -> Effect:
    """The day was set with the task, and nobody it is given to moves it."""
    return Effect(case.with_facts({"limit": {"until": s.data["due_on"]}}))


TASK = Workflow(
    key="task",
    plural="tasks",
    version=1,
    prefix="SX",
    title=Text("布置事项", "Task"),
    opens_with=OpenTask,
    opens_by=(*SAFETY_OFFICE, DEAN, *LEADERS),
    opening=due_on_the_day,
    roles=LOOP_ROLES,
    own_words={
        "assignee": Text("承办人", "whoever it was given to"),
        "fixer": Text("办理人", "whoever did it"),
        "verifier": Text("核实人", "whoever checked it"),
        "reporter": Text("布置人", "whoever gave it out"),
    },
    policy=TaskPolicy,
    states=[
        State(
            "reported", Text("待分派", "To be given to somebody"), awaits=DEPARTMENT, due=FromFact("limit"),
            ladder=HOLDER_LADDER,
        ),
        State(
            "assigned", Text("办理中", "Being done"), awaits=("assignee",), due=FromFact("limit"), ladder=OVERDUE_LADDER
        ),
        State(
            "fixed", Text("已办理", "Done"), awaits=SAFETY_OFFICE, due=Within(workdays="check_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("已核实", "Checked"), awaits=("safety_head",), due=Within(workdays="close_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已办结", "Closed"), final=True),
        State("dropped", Text("已取消", "Dropped"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "assign", "reported", "assigned", Text("指定承办人", "Give it to somebody"),
            by=(*DEPARTMENT, *SAFETY_OFFICE), form=GiveTo, guards=(given_within_the_department,), acts_as="assigner",
        ),
        Transition(
            "reassign", "assigned", None, Text("更换承办人", "Give it to somebody else"),
            by=(*DEPARTMENT, *SAFETY_OFFICE), form=GiveTo, guards=(given_within_the_department,), hands_over=True,
            acts_as="assigner", tells=("assignee",),
        ),
        Transition(
            "fix", "assigned", "fixed", Text("填报办理情况", "Say what was done"), by=("assignee",), form=ReportDone,
            acts_as="fixer",
        ),
        Transition(
            "verify", "fixed", "verified", Text("核实", "Check it"), by=(*SAFETY_OFFICE, DEAN),
            never=("assignee", "fixer"), form=Check, acts_as="verifier",
        ),
        Transition(
            "return", "fixed", "assigned", Text("退回", "Send it back"), by=(*SAFETY_OFFICE, DEAN), form=GiveBack,
            counts="returned", reason="returned",
        ),
        Transition(
            "approve", "verified", "closed", Text("办结", "Close"), by=("safety_head", DEAN, *LEADERS),
            never=("assignee", "fixer", "verifier"), acts_as="approver",
        ),
        Transition(
            "drop", ("reported", "assigned"), "dropped", Text("取消", "Drop it"), by=("safety_head", DEAN, *LEADERS),
            form=Drop, tells=("assignee", "dept_head"),
        ),
    ],
)  # fmt: skip
