"""Word written in the test's own process: what the program's would answer, and no start of a program for each row of a table."""

from typing import Any

import orjson
import pytest

from api.papers.word import __main__ as process
from api.papers.word import asking
from engine.errors import Text


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(request: bytes, asked: Text, *, own: bool) -> dict[str, Any]:
        return process.answer(orjson.loads(request))

    monkeypatch.setattr(asking, "_told", told)
