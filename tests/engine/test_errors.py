"""Refusals: one class a reason, a stable code each, and a sentence that says what to do."""

import re

import pytest

from engine import errors
from engine.errors import (
    BihuanError,
    FolderError,
    GuardRefused,
    NotAllowed,
    NotPossibleNow,
    Refusal,
    StaleCase,
    Text,
    WorkflowError,
)

ASKED = Text("对 YH-2020-0012 办理“上报整改完成”", "Report it fixed YH-2020-0012")
OBSTACLE = Text("缺少整改后照片", "the photo after is missing")
REMEDY = Text("请上传至少一张整改后照片。", "Upload at least one photo of the result.")

#: published: other programs tell refusals apart by these
CODES = {
    "NotSignedIn": "not_signed_in",
    "NotAllowed": "not_allowed",
    "UnknownCase": "unknown_case",
    "NotPossibleNow": "not_possible_now",
    "GuardRefused": "guard_refused",
    "LoopUnknown": "loop_unknown",
    "StaleCase": "stale_case",
    "InvalidInput": "invalid_input",
    "KeyReused": "key_reused",
    "Busy": "busy",
}
REASONS: dict[str, type[Refusal]] = {reason.__name__: reason for reason in Refusal.__subclasses__()}


def test_every_reason_has_its_published_code() -> None:
    here = {name: reason.code for name, reason in REASONS.items() if reason.__module__ == "engine.errors"}
    assert here == CODES


@pytest.mark.parametrize("name", CODES)
def test_every_reason_has_a_title_of_its_own_in_both_languages(name: str) -> None:
    title = REASONS[name].title
    assert title.zh and title.en and title != Refusal.title
    assert sum(title == REASONS[other].title for other in CODES) == 1


def test_the_tree_at_the_head_of_the_module_names_every_class() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BihuanError) and value is not BihuanError
    }
    assert drawn == defined


SENTENCES = {
    "zh": "对 YH-2020-0012 办理“上报整改完成”：缺少整改后照片。请上传至少一张整改后照片。",
    "en": "Report it fixed YH-2020-0012: the photo after is missing. Upload at least one photo of the result.",
}


def test_a_refusal_says_what_was_asked_what_stands_in_the_way_and_what_to_do() -> None:
    refusal = GuardRefused("hazard.evidence_given", asked=ASKED, obstacle=OBSTACLE, remedy=REMEDY)
    assert refusal.sentence("zh") == SENTENCES["zh"]
    assert refusal.sentence("en") == str(refusal) == SENTENCES["en"]
    assert refusal.sentence() == SENTENCES["zh"]
    assert refusal.guard == "hazard.evidence_given"


def test_a_refusal_carries_what_a_program_has_to_know() -> None:
    stale = StaleCase(8, asked=ASKED, obstacle=OBSTACLE, remedy=REMEDY)
    denied = NotAllowed(asked=ASKED, obstacle=OBSTACLE, remedy=REMEDY, reason="quorum")
    assert (stale.revision, denied.reason) == (8, "quorum")
    assert NotAllowed(asked=ASKED, obstacle=OBSTACLE, remedy=REMEDY).reason == "role"
    assert NotPossibleNow(asked=ASKED, obstacle=OBSTACLE, remedy=REMEDY).fields == ()


def test_a_broken_definition_names_its_workflow() -> None:
    error = WorkflowError("hazard", "has no states")
    assert (error.workflow, str(error)) == ("hazard", "workflow 'hazard': has no states")
    assert not isinstance(error, Refusal)


def test_a_folder_that_cannot_be_used_says_so_in_both_languages() -> None:
    error = FolderError(Text("该目录已在使用", "this folder is being served already"))
    assert (error.text.in_("zh"), str(error)) == ("该目录已在使用", "this folder is being served already")
