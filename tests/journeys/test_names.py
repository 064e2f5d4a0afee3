"""Whom a page calls by name, and whom by the post: in what was answered in a step as well as in who took it."""

from pathlib import Path

import httpx
import pytest

from tests.databases import Kind
from tests.journeys.campus import a_campus


@pytest.mark.parametrize(
    "who, by_name", [("officer", True), ("vice", True), ("teacher", False), ("hqc_head", True), ("fixer", False)]
)
def test_only_who_sees_everything_reads_others_names_in_a_case(
    tmp_path: Path, kind: Kind, who: str, by_name: bool
) -> None:
    with a_campus(tmp_path, kind) as campus:
        number = campus.hazard("verified").rsplit("/", 1)[1]
        page: httpx.Response = campus.client.get(f"/cases/{number}", headers=campus.headers(who))
        assert page.status_code == 200
        others = {"fixer", "officer", "hqc_safety", "teacher"} - {who}
        named = {key for key in others if f"姓名-{key}" in page.text}
        assert bool(named) is by_name
        assert "后勤维修工" in page.text or by_name or who == "fixer"
