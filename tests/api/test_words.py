"""What people may write, and that whatever is wrong with it can be told in both languages."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.routes.cases import forms_of
from engine.definition import Form, Line, Words, asks
from workflows import CATALOG
from workflows.wording import ERROR_WORDS

ENGLISH = re.compile(r"[A-Za-z]{3,}")


# --- words -----------------------------------------------------------------------------------------------------------


class Said(Form):
    line: Line = asks("一行", "One line")
    words: Words = asks("多行", "Some lines", default="x")


@pytest.mark.parametrize(
    "field, value, taken",
    [
        ("line", "插座松动 A-101", True), ("line", "👩‍🔧 修好了", True), ("line", "a\u0301", True), ("line", "。", True),
        ("line", "a\nb", False), ("line", "a\tb", False), ("line", "a\x00b", False), ("line", "a\x1b[31m", False),
        ("line", "a\x85b", False), ("line", "a\u2028b", False), ("line", "a\u202eb", False), ("line", "a\u2066b", False),
        ("line", "\u200b", False), ("line", "\ufeff\u200d", False), ("line", "\u3164", False), ("line", "\u2800", False),
        ("line", "\u0301", False),
        ("words", "第一行\n\t第二行\r\n第三行", True), ("words", "a\x00", False), ("words", "a\rb", False),
        ("words", "a\u202db", False), ("words", "\u200b\n\u200b", False),
    ],
)  # fmt: skip
def test_words_can_be_seen_and_keep_their_direction(field: str, value: str, taken: bool) -> None:
    try:
        Said(**{"line": "x", field: value})
    except ValidationError as error:
        assert not taken
        [fault] = error.errors()
        assert fault["type"] == "said" and not ENGLISH.search(fault["ctx"]["zh"])
    else:
        assert taken


ODD: list[Any] = [
    None, "", " ", "x", "x" * 5000, "\ud800", "2020", "2020-02-30", "2020-01-01T00:00:00", "2020-01-01T10:00:00", "1999-01-01",
    "9999-12-31", "0", "-1", "1e999", "9" * 5000, 0, -1, 1, 1.5, 10**30, 10**400, 1e300, float("inf"), float("nan"), True, False,
    [], {}, [None], ["x"], ["x"] * 400, [["x"]], {"": 1}, {"x": None}, {"x": "maybe"}, {"x": 1}, {"x": 5.5}, {"x": []}, [{}], b"x",
]  # fmt: skip


def faults_of(form: type[BaseModel]) -> Iterator[Any]:
    for answers in ({}, {"strange": 1}, *({name: odd} for name in form.model_fields for odd in ODD)):
        try:
            form.model_validate(answers)
        except ValidationError as error:
            yield from error.errors()


@pytest.mark.parametrize("form", forms_of(CATALOG).values(), ids=forms_of(CATALOG))
def test_whatever_is_wrong_with_a_field_there_are_words_for_it(form: type[Form]) -> None:
    for fault in faults_of(form):
        assert fault["type"] == "said" or fault["type"] in ERROR_WORDS, fault
        if fault["type"] != "said":
            words = ERROR_WORDS[fault["type"]]
            words.en.format(**{name: str(value) for name, value in fault.get("ctx", {}).items()})
