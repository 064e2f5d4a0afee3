"""Every form of every loop as a page has it: drawn from its model, and read back as it was answered."""

import io
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from api.auth.forms import Sent, SentFile
from api.pages.forms import Control, Surroundings, answers, draw, kept_files, told
from engine.definition import Form, is_typed
from engine.directory import Department, Person
from engine.errors import FieldFault, Text
from workflows import CATALOG, asking
from workflows.checking import SubmitInspection
from workflows.drill import HoldDrill, ReviewDrill
from workflows.hazard import Assign, ReportFixWithPapers, ReportHazardFromAList
from workflows.inspection import OpenInspection
from workflows.portal import RecordReceipts
from workflows.reference import criteria_for

FORMS: Mapping[str, type[Form]] = {
    form.__name__: form
    for loop in CATALOG.newest()
    for form in (loop.opens_with, *(loop.form_of(trigger) for trigger in loop.triggers))
}
AROUND = Surroundings(
    people=[
        Person("school", "fixer", "后勤维修工", "HQC"),
        Person("school", "gone", "离职者", "HQC", active=False),
        Person("school", "teacher", "教师", "XB1"),
    ],
    departments=[Department("school", "HQC", Text("总务后勤处", "Logistics")), Department("school", "XB1", Text("机电系", "XB1"))],
)  # fmt: skip
SHA = "ab" * 32
CRITERIA = {criterion.code: False for criterion in criteria_for("FIRE.exit")}

#: what was typed, as a browser sends it, and the answers it stands for
TYPED: list[tuple[type[Form], dict[str, tuple[str, ...]], dict[str, Any]]] = [
    (
        ReportHazardFromAList,
        {"title": ("插座松动 ",), "place": ("A-101",), "category": ("",), "photos": (SHA, ""), "source": ("staff",)},
        {"title": "插座松动", "place": "A-101", "photos": [SHA], "source": "staff"},
    ),
    (
        Assign,
        {"category": ("FIRE.exit",), **{f"criteria.{code}": ("no",) for code in CRITERIA}, "department": ("HQC",),
         "assignee": ("fixer",), "time_limit": ("days3",), "requirement": ("更换\r\n并测试",), "interim": ("",)},
        {"category": "FIRE.exit", "criteria": CRITERIA, "department": "HQC", "assignee": "fixer", "time_limit": "days3",
         "requirement": "更换\r\n并测试"},
    ),
    (
        HoldDrill,
        {"held_on": ("2020-03-12",), "evacuation_seconds": ("175",), "should_attend": ("many",), "attended": ("-3",),
         "course": ("有序",), "photos": (SHA,)},
        {"held_on": "2020-03-12", "evacuation_seconds": 175, "should_attend": "many", "attended": -3, "course": "有序",
         "photos": [SHA]},
    ),
    (
        ReviewDrill,
        {"suitability": ("适宜",), "sufficiency": ("充分",), "problems.1.title": ("警报声小",), "problems.1.place": ("三楼",),
         "problems.0.title": ("",), "problems.0.place": ("",), "problems.0.category": ("MGMT.drill",), "problems.x.title": ("no row",)},
        {"suitability": "适宜", "sufficiency": "充分", "problems": [{"title": "警报声小", "place": "三楼"}]},
    ),
    (
        SubmitInspection,
        {"answers.FIRE.01.result": ("fail",), "answers.FIRE.01.note": ("堵塞",), "answers.ELEC-02.result": ("pass",),
         "answers.ELEC-02.note": ("",), "photos.FIRE.01": (SHA,), "summary": ("一项不合格",)},
        {"answers": {"FIRE.01": {"result": "fail", "note": "堵塞"}, "ELEC-02": {"result": "pass"}},
         "photos": {"FIRE.01": SHA}, "summary": "一项不合格"},
    ),
    (
        OpenInspection,
        {"title": ("月检",), "place": ("机电系",), "department": ("XB1",), "month": ("2020-03",), "checklists": ("A", "B")},
        {"title": "月检", "place": "机电系", "department": "XB1", "month": "2020-03", "checklists": ["A", "B"]},
    ),
]  # fmt: skip


def every(controls: list[Control]) -> list[Control]:
    return [
        each for control in controls for each in (control, *(c for _, row in control.rows for c in every(list(row))))
    ]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_drawn_with_labels_in_both_languages_and_a_name_for_each_control(form: type[Form]) -> None:
    controls = every(draw(form, AROUND, {}))
    typed = {name for name, info in form.model_fields.items() if is_typed(info)}
    assert {control.name.split(".")[0] for control in controls} == typed
    assert len({control.id for control in controls}) == len(controls)
    for control in controls:
        assert control.label.zh and control.label.en and control.label.zh != control.name, control.name
        if control.name in form.model_fields:
            assert control.required == form.model_fields[control.name].is_required(), control.name


def test_every_choice_a_model_lists_has_words_in_both_languages() -> None:
    listed = [(name, option) for form in FORMS.values() for name, option in literals(form)]
    assert len(listed) > 20
    assert [pair for pair in listed if asking.words_of(*pair) is None] == []


def literals(model: type[BaseModel]) -> list[tuple[str, str]]:
    return [found for name, info in model.model_fields.items() for found in _literals(name, info.annotation)]


def _literals(name: str, annotation: Any) -> list[tuple[str, str]]:
    if get_origin(annotation) is Literal:
        return [(name, str(option)) for option in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return literals(annotation)
    return [found for inner in get_args(annotation) for found in _literals(name, inner)]


@pytest.mark.parametrize("form, typed, meant", TYPED, ids=[form.__name__ for form, _, _ in TYPED])
def test_what_was_typed_is_read_as_the_model_takes_it(
    form: type[Form], typed: dict[str, tuple[str, ...]], meant: dict[str, Any]
) -> None:
    assert answers(form, typed) == meant


@pytest.mark.parametrize("form, typed, meant", TYPED, ids=[form.__name__ for form, _, _ in TYPED])
def test_what_was_typed_stands_in_the_form_again(
    form: type[Form], typed: dict[str, tuple[str, ...]], meant: dict[str, Any]
) -> None:
    drawn = {control.name: control for control in every(draw(form, AROUND, {"sent": ("1",), **typed}))}
    shown = {name: control.values for name, control in drawn.items() if not control.rows and any(control.values)}
    assert shown == {name: values for name, values in typed.items() if any(values) and "x" not in name.split(".")}


def test_a_fault_stands_at_its_field_however_deep_it_lies() -> None:
    said = Text("必须填写", "is required")
    faults = [FieldFault("title", said), FieldFault("photos.0", said)]
    controls = draw(ReportHazardFromAList, AROUND, {}, faults)
    assert [control.name for control in controls if control.fault is not None] == ["title", "photos"]
    rows = draw(ReviewDrill, AROUND, {"problems.0.title": ("x",)}, [FieldFault("problems.0.place", said)])
    assert [control.name for control in every(rows) if control.fault is not None] == ["problems.0.place"]
    [problems] = [control for control in rows if control.name == "problems"]
    assert (problems.open_rows, len(problems.rows)) == (1, 4), "what was filled in is seen, more is offered"


@pytest.mark.parametrize("typed, required", [({}, [0]), ({"receipts.1.receipt": ("S-1",)}, [1])])
def test_of_a_group_that_must_not_be_empty_the_first_row_is_asked_for(
    typed: dict[str, tuple[str, ...]], required: list[int]
) -> None:
    [receipts] = draw(RecordReceipts, AROUND, typed)
    assert [n for n, (_, row) in enumerate(receipts.rows) if any(control.required for control in row)] == required


def test_only_who_is_here_can_be_named_and_the_cases_own_department_comes_first() -> None:
    [assignee] = [control for control in draw(Assign, AROUND, {}) if control.name == "assignee"]
    assert [choice.value for choice in assignee.choices] == ["fixer", "teacher"]
    assert [choice.group and choice.group.zh for choice in assignee.choices] == ["总务后勤处", "机电系"]


def test_the_questions_are_those_of_the_category_that_was_chosen() -> None:
    def asked(**said: tuple[str, ...]) -> list[str]:
        [criteria] = [control for control in draw(Assign, AROUND, said) if control.name == "criteria"]
        return [control.name.removeprefix("criteria.") for _, row in criteria.rows for control in row]

    assert asked(category=("FIRE.exit",)) == list(CRITERIA)
    assert asked() == [] == asked(category=("no such",))


def test_files_are_kept_once_and_named_by_their_hash_beside_those_kept_before() -> None:
    kept: list[tuple[str, str]] = []

    def keep(file: SentFile, kind: str) -> str:
        kept.append((file.name, kind))
        return f"{len(kept):064x}"

    sent = Sent(
        {"photos_after": (SHA,)},
        {"photos_after": (SentFile("a.jpg", "image/jpeg", 1, io.BytesIO(b"x")),), "strange": ()},
    )
    assert kept_files(ReportFixWithPapers, sent, keep) == {"photos_after": (SHA, f"{1:064x}")}
    assert kept == [("a.jpg", "picture")]


def test_answers_are_told_in_words_under_the_labels_that_asked_for_them() -> None:
    data = {"time_limit": "days3", "assignee": "fixer", "department": "HQC", "criteria": {"general.needs_stop": True},
            "requirement": "<b>更换</b>", "category": "FIRE.exit"}  # fmt: skip
    said = {fact.name: fact for fact in told([Assign], data, AROUND, "zh")}
    assert said["time_limit"].words == ("3个工作日",) and said["assignee"].words == ("后勤维修工",)
    assert said["department"].words == ("总务后勤处",) and said["category"].words == ("疏散通道与安全出口",)
    assert said["requirement"].words == ("<b>更换</b>",), "the template escapes it"
    assert [line[1] for line in said["criteria"].lines] == ["是"]
    assert told([Assign], json.loads("{}"), AROUND, "en") == []
