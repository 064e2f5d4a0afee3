"""Monthly inspection 部门安全检查: opened for every department that owes one, answered item by item, signed by its head.

Blank is not pass; zero findings are reported as zero; a report that never came stays missing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.cycles import Cycle, DueOn, Month
from engine.definition import (
    CycleRule,
    DepartmentRef,
    Effect,
    FileRef,
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
from engine.guards import Situation, guard
from workflows.ladders import HOLDER_LADDER
from workflows.reference import ChecklistItem, checklist_for, checklists, departments
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


class Answer(BaseModel):
    """One item of the checklist. `note`: what is wrong, or why it is not applicable; `place`: where, if not the scope."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    result: Literal["pass", "fail", "na"]
    note: Annotated[str, Field(max_length=500)] | None = None
    place: Annotated[str, Field(max_length=200)] | None = None
    value: Annotated[str, Field(max_length=50)] | None = None


class SubmitInspection(Form):
    answers: dict[str, Answer] = asks("逐项结果", "Answers, item by item")
    photos: Annotated[dict[str, FileRef], Field(max_length=200)] = asks(
        "不合格照片（按项目）", "Photos of what failed, by item", default_factory=dict
    )
    summary: Words = asks("检查情况（无隐患填“零报告”）", "Summary; with no findings, say so")


class SignInspection(Form):
    opinion: Words = asks("部门负责人意见", "Head's remark")


class SendBack(Form):
    reason: Words = asks("退回补正的理由", "What has to be corrected")


class Waive(Form):
    reason: Words = asks("免报理由", "Why nothing is owed this time")


class InspectionPolicy(Policy):
    sign_workdays: Annotated[int, Field(ge=1, le=365)] = 3


# --- guards ----------------------------------------------------------------------------------------------------------


def items_of(case: Case) -> dict[str, ChecklistItem]:
    """The items this inspection has to answer, by id."""
    return {item.code: item for code in case.facts["checklists"] for item in checklists()[code].items}


@guard(
    "inspection.every_item_answered",
    obstacle=Text(
        "检查表还有未填或多出的项目，空白不等于合格", "items are unanswered or unknown, and blank is not pass"
    ),
    remedy=Text("请逐项填写：合格、不合格或不适用", "Answer every item of the checklist: pass, fail or na"),
    reads_form=True,
)
def every_item_answered(s: Situation) -> bool:
    return set(s.data["answers"]) == set(items_of(s.case))


@guard(
    "inspection.na_has_a_reason",
    obstacle=Text("有“不适用”或“不合格”的项目没有写明情况", "an item is not applicable or failed without a word why"),
    remedy=Text("请写明理由或问题", "Write the reason, or what is wrong"),
    reads_form=True,
)
def na_has_a_reason(s: Situation) -> bool:
    return all(answer["result"] == "pass" or answer["note"] for answer in s.data["answers"].values())


@guard(
    "inspection.failures_are_photographed",
    obstacle=Text(
        "有须拍照的不合格项目缺少照片，或照片不属于不合格项目",
        "an item that needs a photo when it fails has none, or a photo belongs to no failed item",
    ),
    remedy=Text("请按不合格项目上传照片", "Upload a photo for each failed item that needs one"),
    reads_form=True,
)
def failures_are_photographed(s: Situation) -> bool:
    items = items_of(s.case)
    failed = {code for code, answer in s.data["answers"].items() if answer["result"] == "fail"}
    return set(s.data["photos"]) <= failed and all(
        code in s.data["photos"] or not items[code].photo_on_fail for code in failed
    )


# --- effects ---------------------------------------------------------------------------------------------------------


def failures_become_hazards(s: Situation, case: Case) -> Effect:
    """Each failed item opens a hazard; handing in again after a correction opens none that is still being worked on."""
    items = items_of(case)
    failed = {code: answer for code, answer in s.data["answers"].items() if answer["result"] == "fail"}
    opened = {child.facts.get("checklist_item") for child in s.related.values() if not child.final}
    hazards = tuple(
        OpenCase("hazard", _hazard(case, items[code], answer, s.data["photos"].get(code)))
        for code, answer in failed.items()
        if code not in opened
    )
    return Effect(case.with_facts({"findings": len(failed)}), opens=hazards)


def _hazard(case: Case, item: ChecklistItem, answer: Mapping[str, Any], photo: str | None) -> dict[str, Any]:
    return {
        "title": f"{item.title.zh}——{answer['note']}"[:200],
        "place": answer["place"] or case.place,
        "category": item.category,
        "department": case.department,
        "photos": [photo] if photo else [],
        "source": "self_check",
        "checklist_item": item.code,
    }


def one_table(_: Case) -> str:
    return "inspection"


def says_zero(case: Case) -> bool:
    return case.facts.get("findings") == 0


# --- the cycle -------------------------------------------------------------------------------------------------------


def title_of(scope: str, key: str) -> Text:
    name = _department(scope)
    return Text(f"{name.zh} {key} 安全检查月报", f"Monthly safety inspection {key}, {name.en}")


@lru_cache(maxsize=SCOPES_KNOWN)
def opening_data(scope: str, key: str) -> Mapping[str, Any]:
    """What the form says of every school's department of that code; not to be altered."""
    lists = [checklist.code for checklist in checklist_for(scope)]
    return {
        "title": title_of(scope, key).zh,
        "place": _department(scope).zh,
        "department": scope,
        "month": key,
        "checklists": lists,
    }


def _department(code: str) -> Text:
    """The department in words; one that the reference does not know is called by its code."""
    known = departments().get(code)
    return known.title if known is not None else Text(code, code)


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
        Transition(
            "sign", "submitted", "closed", Text("签字确认", "Sign"), sign_off="sign", form=SignInspection,
            acts_as="approver",
        ),
        Transition(
            "send_back", "submitted", "due", Text("退回补正", "Send back"), sign_off="sign", form=SendBack,
            counts="returned", reason="returned",
        ),
    ],
)  # fmt: skip
