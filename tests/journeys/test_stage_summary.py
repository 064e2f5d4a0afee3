"""A stage summary from begun to signed to corrected, over HTTP and on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders import START
from tests.databases import Kind
from tests.journeys.campus import Campus, a_campus

MONDAY = START.date()
LAST = MONDAY + timedelta(days=6)
WEEK: dict[str, Any] = {"title": "三月第一周小结", "first_day": str(MONDAY), "last_day": str(LAST)}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {number["key"]: number["count"] for number in told["numbers"]}


def file(campus: Campus, who: str, address: str) -> httpx.Response:
    return campus.client.get(address, headers=campus.headers(who))


def test_a_summary_is_compiled_written_signed_and_corrected_and_what_was_signed_remains(campus: Campus) -> None:
    fixed, left = campus.hazard("verified"), campus.hazard("assigned")
    campus.done("head", f"{fixed}/approve", opinion="同意销号")
    case = campus.done("officer", "/api/v1/stage_summaries", **WEEK)
    path = f"/api/v1/stage_summaries/{case['number']}"
    assert (case["state"], case["due_at"]) == ("reported", "2020-03-13T15:59:59Z")  # five working days after Sunday
    early = campus.post("officer", f"{path}/compile")
    assert early.status_code == 409 and "本期还没有结束" in early.json()["detail"]

    campus.on(LAST + timedelta(days=1))
    campus.hazard("assigned")  # found when the week is over: of no concern
    assert campus.done("officer", f"{path}/compile")["state"] == "fixed"
    first = campus.get("head", f"{path}/figures")
    told = counts(first["snapshot"])
    assert (told["found"], told["closed"], told["left"], told["open_at_end"]) == (2, 1, 1, 1)
    assert not first["frozen"] and first["snapshot"]["as_of"] == "2020-03-08T15:59:59.999999Z"
    for number in first["snapshot"]["numbers"]:
        if number["count"]:
            page = campus.get("head", f"/api/v1/cases?{number['cases']}")
            assert len(page["items"]) == number["count"], number["key"]

    # its paper is a draft till it is signed
    [paper] = campus.get("head", f"{path}/papers")["items"]
    assert (paper["code"], paper["missing"], set(paper["files"])) == ("stage_summary", ["签发"], {"docx", "html"})
    assert file(campus, "head", f"{path}/papers/stage_summary.html").status_code == 409
    assert "草稿：尚未签发" in file(campus, "head", paper["files"]["html"]).text
    assert file(campus, "head", f"{path}/papers/stage_summary.xlsx?draft=true").status_code == 404

    # words are written, places stay
    said = "本周召开会议{meetings}次，有记录{minuted}次。\n{meetings.list}"
    for words, why in (
        ("召开会议4次。\n{meetings.list}", "缺少 {meetings} {minuted}"),
        (said + "\n另有{hearsay}次", "多出 {hearsay}"),
        (said.replace("\n", ""), "{meetings.list} 是列表，须单独成段"),
        (said + "}", "不成对的花括号"),
        (said + "\n再" * 99, "超过 100 段"),
    ):
        refused = campus.post("officer", f"{path}/edit", meetings=words)
        assert refused.status_code == 422 and refused.json()["fields"][0]["field"] == "meetings"
        assert why in refused.json()["detail"], refused.text
    assert campus.post("officer", f"{path}/edit").status_code == 409, "nothing is written"
    campus.done("officer", f"{path}/edit", meetings=said)

    # whoever compiled or wrote it never signs it, and what became of the cases meanwhile changes nothing
    campus.give("officer", "vp_safety")
    assert campus.post("officer", f"{path}/sign", opinion="同意").status_code == 403
    campus.done("fixer", f"{left}/fix", measure="已更换", photos_after=["a" * 64])
    assert campus.done("vice", f"{path}/sign", opinion="同意签发")["state"] == "verified"
    assert campus.post("officer", f"{path}/edit", meetings=said).status_code == 409
    assert campus.done("officer", f"{path}/file")["state"] == "closed"
    signed = campus.get("head", f"{path}/figures?again=true")
    assert signed["frozen"] and signed["equal"] and signed["snapshot"] == first["snapshot"]

    [paper] = campus.get("head", f"{path}/papers")["items"]
    page = file(campus, "head", paper["files"]["html"]).text
    assert paper["missing"] == [] and "签发：姓名-vice" in page and "草稿" not in page
    assert "本周召开会议<a" in page and "三月第一周小结" in page and "2020年3月9日" in page
    assert file(campus, "clerk", paper["files"]["html"]).status_code == 404

    # the correction is version 2 of the same days, begins with the words there were, and both remain
    other = campus.post("officer", "/api/v1/stage_summaries", **{**WEEK, "last_day": str(MONDAY)}, corrects=case["number"], reason="漏")  # fmt: skip
    assert other.status_code == 409 and "起止日期相同" in other.json()["detail"]
    again = campus.done("officer", "/api/v1/stage_summaries", **WEEK, corrects=case["number"], reason="会议表述有误")
    second = f"/api/v1/stage_summaries/{again['number']}"
    assert again["title"] == "三月第一周小结（第 2 版·更正）"
    twice = campus.post("officer", "/api/v1/stage_summaries", **WEEK, corrects=case["number"], reason="再来")
    assert twice.status_code == 409 and "已有更新的版本" in twice.json()["detail"]
    campus.done("officer", f"{second}/compile")
    campus.done("vice", f"{second}/send_back", reason="请再核对")
    assert campus.get("head", f"{second}/figures")["snapshot"] is None
    campus.done("officer", f"{second}/compile")
    campus.done("vice", f"{second}/sign", opinion="同意")
    corrected, remains = campus.get("head", f"{second}/figures"), campus.get("head", f"{path}/figures")
    assert (corrected["version"], corrected["corrects"]) == (2, case["number"])
    assert (remains["version"], remains["corrected_by"]) == (1, again["number"])
    assert corrected["snapshot"] == remains["snapshot"] == first["snapshot"]
