"""What every check has in common: items answered one by one, failures that become hazards, a head who signs.

Blank is not pass; whoever finds that an item is not applicable says why.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import Effect, FileRef, Form, Transition, Words, asks
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.reference import ChecklistItem, checklists


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


#: how a check ends that was handed in: signed by whom the loop's table names, or sent back to be corrected
HEAD_SIGNS = (
    Transition(
        "sign", "submitted", "closed", Text("签字确认", "Sign"), sign_off="sign", form=SignInspection, acts_as="approver",
    ),
    Transition(
        "send_back", "submitted", "due", Text("退回补正", "Send back"), sign_off="sign", form=SendBack, counts="returned",
        reason="returned",
    ),
)  # fmt: skip


# --- guards ----------------------------------------------------------------------------------------------------------


def items_of(case: Case) -> dict[str, ChecklistItem]:
    """The items that have to be answered, by id: of checklists of the reference, or drawn up for this very check."""
    if "items" in case.facts:
        return {f"{n}": _drawn_up(n, told) for n, told in enumerate(case.facts["items"], start=1)}
    return {item.code: item for code in case.facts.get("checklists", ()) for item in checklists()[code].items}


def _drawn_up(number: int, told: Mapping[str, Any]) -> ChecklistItem:
    """An item as it was written, in one language only."""
    title = Text(told["title"], told["title"])
    return ChecklistItem(id=str(number), title=title, cat=told["category"], limit="days7")


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
    return _failures(s, case, "self_check")


def failures_become_hazards_from_above(s: Situation, case: Case) -> Effect:
    """As `failures_become_hazards`, where a superior's word made somebody look."""
    return _failures(s, case, "superior")


def _failures(s: Situation, case: Case, source: str) -> Effect:
    items = items_of(case)
    failed = {code: answer for code, answer in s.data["answers"].items() if answer["result"] == "fail"}
    opened = {child.facts.get("checklist_item") for child in s.related.values() if not child.final}
    hazards = tuple(
        OpenCase("hazard", _hazard(case, items[code], answer, s.data["photos"].get(code), source))
        for code, answer in failed.items()
        if code not in opened
    )
    return Effect(case.with_facts({"findings": len(failed)}), opens=hazards)


def keep_findings(s: Situation, case: Case) -> Effect:
    """What failed is on record and waits: a joint list makes hazards of it, and no limit runs before that is issued."""
    failed = [answer for answer in s.data["answers"].values() if answer["result"] == "fail"]
    return Effect(case.with_facts({"findings": len(failed)}))


def findings_of(check: Case, source: str, department: str | None) -> list[OpenCase]:
    """The hazards of a check that was handed in, in the order of its items.

    department   which answers for what was found; that is not whoever looked
    """
    items, answers = items_of(check), check.facts.get("answers", {})
    photos = check.facts.get("photos", {})
    return [
        OpenCase("hazard", {**_hazard(check, item, answers[code], photos.get(code), source), "department": department})
        for code, item in items.items()
        if code in answers and answers[code]["result"] == "fail"
    ]


def _hazard(
    case: Case, item: ChecklistItem, answer: Mapping[str, Any], photo: str | None, source: str
) -> dict[str, Any]:
    return {
        "title": f"{item.title.zh}——{answer['note']}"[:200],
        "place": answer["place"] or case.place,
        "category": item.category,
        "department": case.department,
        "photos": [photo] if photo else [],
        "source": source,
        "checklist_item": item.code,
    }
