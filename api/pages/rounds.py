"""A round of an inspection: the items of its checklists one by one, what each still needs, and what is sent back of them.

The same step, form and address as any other; only its page is drawn for a phone in a corridor. Blank is not pass: nothing here
answers an item for anybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from api.auth.forms import Sent
from api.pages.forms import Control
from engine.case import Case
from engine.definition import Workflow
from engine.errors import FieldFault, Locale, Text
from workflows.checking import items_of
from workflows.inspection import INSPECTION
from workflows.reference import Checklist, ChecklistItem, checklists

ANSWERS, PHOTOS = "answers", "photos"  # fields of the form
STEP = "submit"
ZERO = "zero"  # the button that writes the zero report
FAIL, NOT_APPLICABLE = "fail", "na"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at, as the round shows it. `value`: None where none is recorded."""

    item: ChecklistItem
    result: Control
    note: Control
    place: Control
    value: Control | None
    photo: Control
    answered: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A checklist with its items in the order they are walked."""

    checklist: Checklist
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Round:
    """answered   items that have a result so far
    rest       what the form asks for besides its items
    zero       what a zero report says, in the reader's language
    """

    sheets: Sequence[Sheet]
    answered: int
    items: int
    rest: Sequence[Control]
    zero: str


def is_round(workflow: Workflow, trigger: str) -> bool:
    return workflow.key == INSPECTION.key and trigger == STEP


def round_of(case: Case, controls: Sequence[Control], locale: Locale) -> Round:
    """The drawn form, sorted by checklist and item."""
    by_name = {control.name: control for row in controls for _, inner in row.rows for control in inner}
    sheets = [
        Sheet(sheet, [_item(item, by_name) for item in sheet.items])
        for sheet in (checklists()[code] for code in case.facts["checklists"])
    ]
    every = [item for sheet in sheets for item in sheet.items]
    return Round(
        sheets, sum(item.answered for item in every), len(every),
        [control for control in controls if control.name not in (ANSWERS, PHOTOS)], zero_report(case).in_(locale),
    )  # fmt: skip


def _item(item: ChecklistItem, drawn: Mapping[str, Control]) -> Item:
    result, note, place, value = (
        drawn[f"{ANSWERS}.{item.code}.{name}"] for name in ("result", "note", "place", "value")
    )
    photo = drawn[f"{PHOTOS}.{item.code}"]
    return Item(
        item, result, note, place, value if item.value else None, replace(photo, label=_PHOTO, required=item.photo_on_fail),
        bool(result.value),
    )  # fmt: skip


_PHOTO = Text("照片", "Picture")


def zero_report(case: Case) -> Text:
    items = len(items_of(case))
    return Text(
        f"零报告：检查表 {items} 项已逐项检查，未发现隐患。",
        f"Zero report: all {items} items of the checklists were looked at, and no hazard was found.",
    )


def handed_in_before(case: Case) -> dict[str, tuple[str, ...]]:
    """What a round that was sent back had been answered with, as the form says it: only what is wrong is done again."""
    said: dict[str, tuple[str, ...]] = {}
    for code, answer in case.facts.get(ANSWERS, {}).items():
        said |= {f"{ANSWERS}.{code}.{name}": (str(value),) for name, value in answer.items() if value is not None}
    return said | {f"{PHOTOS}.{code}": (str(sha),) for code, sha in case.facts.get(PHOTOS, {}).items()}


# --- what was sent -------------------------------------------------------------------------------------------------------


def without_leftovers(sent: Sent) -> Sent:
    """Without the pictures of items that did not fail: somebody took one, then thought better of the result, and the page no
    longer showed it to him.
    """
    return Sent(
        {name: values for name, values in sent.values.items() if not _left_over(name, sent)},
        {name: files for name, files in sent.files.items() if not _left_over(name, sent)},
    )


def _left_over(name: str, sent: Sent) -> bool:
    field, _, code = name.partition(".")
    return field == PHOTOS and bool(code) and sent.one(f"{ANSWERS}.{code}.result") != FAIL


def with_zero_report(case: Case, said: Mapping[str, tuple[str, ...]], locale: Locale) -> Mapping[str, tuple[str, ...]]:
    """The summary of a round that found nothing; what was found is not talked away by a button."""
    if FAIL in {said.get(f"{ANSWERS}.{code}.result", ("",))[-1] for code in items_of(case)}:
        return said
    return {**said, "summary": (zero_report(case).in_(locale),)}


def missing(case: Case, said: Mapping[str, tuple[str, ...]]) -> Iterator[FieldFault]:
    """What each item still needs, at its own control: the loop's guards say only that something is missing somewhere."""

    def has(name: str) -> str:
        return next((value.strip() for value in reversed(said.get(name, ())) if value.strip()), "")

    for code, item in items_of(case).items():
        at = f"{ANSWERS}.{code}"
        result = has(f"{at}.result")
        if not result:
            yield FieldFault(f"{at}.result", Text("还没有填写", "not answered yet"))
        if result in (FAIL, NOT_APPLICABLE) and not has(f"{at}.note"):
            yield FieldFault(f"{at}.note", _WHAT_IS_WRONG if result == FAIL else _WHY)
        if result == FAIL and item.photo_on_fail and not has(f"{PHOTOS}.{code}"):
            yield FieldFault(f"{PHOTOS}.{code}", Text("这一项不合格须拍照", "this item needs a picture when it fails"))


_WHAT_IS_WRONG = Text("请写明问题", "say what is wrong")
_WHY = Text("请写明不适用的理由", "say why it does not apply")


# --- what was handed in --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Findings:
    """What whoever signs puts his name to. `failed`, `waived`: (item, what was said of it)"""

    items: int
    passed: int
    failed: Sequence[tuple[Text, str]]
    waived: Sequence[tuple[Text, str]]
    summary: str


def findings(workflow: Workflow, case: Case) -> Findings | None:
    """None for what is no round, or was not handed in."""
    if workflow.key != INSPECTION.key or not case.facts.get(ANSWERS):
        return None
    titles = {code: item.title for code, item in items_of(case).items()}
    by_result: dict[str, list[tuple[Text, str]]] = {FAIL: [], NOT_APPLICABLE: [], "pass": []}
    for code, answer in case.facts[ANSWERS].items():
        by_result[answer["result"]].append((titles[code], answer["note"] or ""))
    return Findings(
        len(titles), len(by_result["pass"]), by_result[FAIL], by_result[NOT_APPLICABLE], str(case.facts["summary"])
    )
