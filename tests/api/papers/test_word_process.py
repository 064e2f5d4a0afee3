"""The process that writes Word: it really runs, its patience ends, and a template that kills it is blamed and nobody else."""

import io

import docx
import pytest

from api.paper_templates import KEEPING
from api.papers.kinds import BY_CODE
from api.papers.word import asking
from engine.errors import Busy, InvalidInput
from tests.api.papers.test_word import a_paper, a_template

NOTICE = BY_CODE["notice"]


def test_a_paper_comes_back_from_a_process_of_its_own() -> None:
    content = asking.paper_of(NOTICE, a_paper(), {}, None)
    assert docx.Document(io.BytesIO(content)).paragraphs[0].text == "某校"
    with pytest.raises(InvalidInput, match="no field"):
        asking.must_fit(NOTICE, a_template("{{ 不存在 }}"), KEEPING)


def test_who_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.001)
    with pytest.raises(Busy, match="too long"):
        asking.paper_of(NOTICE, a_paper(), {}, None)


def test_a_process_that_ends_without_an_answer_is_the_template_s_fault_or_a_defect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "MODULE", "api.papers.word.nothing")
    with pytest.raises(InvalidInput, match="more time or memory"):
        asking.must_fit(NOTICE, a_template("{{ 单位 }}"), KEEPING)
    with pytest.raises(RuntimeError, match="the process that writes Word failed"):
        asking.paper_of(NOTICE, a_paper(), {}, None)
