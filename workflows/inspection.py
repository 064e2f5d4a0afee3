"""Monthly inspection 部门安全检查: opened for every department that owes one, answered item by item, signed by its head.

Blank is not pass; zero findings are reported as zero; a report that never came stays missing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from engine.case import Case
from engine.cycles import Cycle, DueOn, Month
from engine.definition import (
    CycleRule,
    DepartmentRef,
    Form,
    FromPeriod,
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
from workflows.checking import (
    HEAD_SIGNS,
    SubmitInspection,
    every_item_answered,
    failures_are_photographed,
    failures_become_hazards,
    na_has_a_reason,
)
from workflows.ladders import HOLDER_LADDER
from workflows.reference import checklist_for, department_called
from workflows.roles import LOOP_ROLES

DUE_ON = 20  # day of the month the report is due; a day off moves it on. Practice of the school, not a rule
CYCLE = "dept_check_month"
SCOPES_KNOWN = 1024  # codes of departments, of which schools mostly have the same


class OpenInspection(Form):
    title: Line = asks("检查名称", "Inspection")
    place: Line = asks("范围", "Scope")
    department: DepartmentRef = asks("部门", "Department")
    month: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] = asks("月份", "Month")
    checklists: Annotated[list[str], Field(min_length=1)] = asks("检查表", "Checklists")


class Waive(Form):
    reason: Words = asks("免报理由", "Why nothing is owed this time")


class InspectionPolicy(Policy):
    sign_workdays: Annotated[int, Field(ge=1, le=365)] = 3


# --- the table ------------------------------------------------------------------------------------------------------


def one_table(_: Case) -> str:
    return "inspection"


def says_zero(case: Case) -> bool:
    return case.facts.get("findings") == 0


# --- the cycle -------------------------------------------------------------------------------------------------------


def title_of(scope: str, key: str) -> Text:
    name = department_called(scope)
    return Text(f"{name.zh} {key} 安全检查月报", f"Monthly safety inspection {key}, {name.en}")


@lru_cache(maxsize=SCOPES_KNOWN)
def opening_data(scope: str, key: str) -> Mapping[str, Any]:
    """What the form says of every school's department of that code; not to be altered."""
    lists = [checklist.code for checklist in checklist_for(scope)]
    return {
        "title": title_of(scope, key).zh,
        "place": department_called(scope).zh,
        "department": scope,
        "month": key,
        "checklists": lists,
    }


INSPECTION = Workflow(
    key="inspection",
    plural="inspections",
    version=1,
    prefix="JC",
    title=Text("部门安全检查", "Inspection"),
    opens_with=OpenInspection,
    opens_by=("system",),
    roles=LOOP_ROLES,
    policy=InspectionPolicy,
    sign_off=SignOff(
        {("inspection", "sign"): Signing(by=("dept_head", "vp_safety"), never=("submitter",))},
        one_table,
    ),
    cycles=(
        CycleRule(
            Cycle(
                key=CYCLE,
                title=Text("部门每月常规检查与安全月报表", "Monthly inspection and safety report of a department"),
                workflow="inspection",
                every=Month(),
                owed_by="dept_safety",
                due=DueOn(DUE_ON),
            ),
            title_of=title_of,
            data=opening_data,
            says_zero=says_zero,
        ),
    ),
    states=[
        State(
            "due", Text("待检查", "To be inspected"), counts_as="assigned", awaits=("dept_safety",), due=FromPeriod(),
            ladder=HOLDER_LADDER,
        ),
        State(
            "submitted", Text("待负责人签字", "To be signed"), counts_as="fixed", awaits=("dept_head",),
            due=Within(workdays="sign_workdays"), ladder=HOLDER_LADDER,
        ),
        State("closed", Text("已归档", "Filed"), final=True),
        State("waived", Text("免报", "Waived"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "submit", "due", "submitted", Text("提交检查表", "Hand in"), by=("dept_safety",), form=SubmitInspection,
            guards=(every_item_answered, na_has_a_reason, failures_are_photographed), effect=failures_become_hazards,
            acts_as="submitter", settles="reported",
        ),
        Transition(
            "waive", "due", "waived", Text("本期免报", "Waive this period"), by=("safety_head", "vp_safety"),
            form=Waive, settles="waived", tells=("dept_safety", "dept_head"),
        ),
        *HEAD_SIGNS,
    ],
)  # fmt: skip
