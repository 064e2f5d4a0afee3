"""Papers over HTTP: who may have which, what keeps one back, what the logbook says; and a school's own templates."""

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import docx
import httpx
import openpyxl
import pytest

from api import paper_templates
from api.papers import making
from api.papers.paper import COMMON
from engine.events import LOGBOOK
from engine.store import files, history, templates
from tests.api.pages import Page, got, sign_in
from tests.api.papers.test_word import a_template
from tests.api.papers.writing import in_this_process
from tests.builders import School, a_password
from tests.databases import Kind
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus
from tests.journeys.test_filings import MONDAY, WELL, owing
from tests.pictures import a_photo
from workflows import daily, weekly

DOCX = making.MEDIA_TYPES["docx"]


@pytest.fixture
def campus(tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Campus]:
    in_this_process(monkeypatch)
    with a_campus(tmp_path, kind) as made:
        photo = made.runtime.files.path_of(SCHOOL, PHOTO)
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(a_photo())
        yield made


def asked(campus: Campus, who: str, path: str, **more: str) -> httpx.Response:
    return campus.client.get(path, headers=campus.headers(who, None, **more))


def refused(campus: Campus, who: str, path: str, status: int, **more: str) -> dict[str, Any]:
    answer = asked(campus, who, path, **more)
    assert answer.status_code == status, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


def taken(campus: Campus) -> list[dict[str, Any]]:
    with campus.runtime.database.read(SCHOOL) as connection:
        events = history.events_of(connection, SCHOOL, LOGBOOK)
    return [dict(event.data) for event in events if event.trigger in ("exported", "template_changed")]


def sheet_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return openpyxl.load_workbook(io.BytesIO(answer.content)).active


def words_of(content: bytes) -> str:
    document = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(p.text for p in document.paragraphs), *cells])


def test_the_papers_of_a_hazard_are_listed_taken_and_noted(campus: Campus) -> None:
    path = campus.hazard("verified")
    number = path.rsplit("/", 1)[1]
    listed = {each["code"]: each for each in campus.get("officer", f"{path}/papers")["items"]}
    assert list(listed) == ["notice", "receipt", "recheck", "extension", "major_plan"]
    assert listed["notice"]["missing"] == ["签收人"] and listed["notice"]["files"]["docx"].endswith(
        "?event=2&draft=true"
    )
    assert (
        listed["receipt"]["event"] == 3 and listed["receipt"]["missing"] == [] and listed["receipt"]["why_not"] is None
    )
    assert listed["extension"] | {"event": None, "files": {}, "at": None} == listed["extension"]
    assert listed["extension"]["why_not"] == "没有申请过延期或暂缓"

    word = asked(campus, "officer", listed["receipt"]["files"]["docx"])
    assert word.headers["content-type"] == DOCX and word.headers["cache-control"] == "private, no-store"
    assert f"receipt-{number}.docx" in word.headers["content-disposition"]
    assert "fixer" in words_of(word.content) and len(docx.Document(io.BytesIO(word.content)).inline_shapes) == 1
    sheet = sheet_of(asked(campus, "officer", listed["receipt"]["files"]["xlsx"]))
    cells = [cell.value for row in sheet.iter_rows() for cell in row if cell.value]
    assert "整改回执（复函）" in cells and "已更换" in cells and len(sheet._images) == 1
    html = asked(campus, "officer", f"{path}/papers/receipt.html")
    assert html.text.count("data:image/jpeg;base64,") == 1 and "sandbox" in html.headers["content-security-policy"]
    told = {"case": number, "paper": "receipt", "event": 3}
    assert taken(campus) == [
        {"what": "paper", "filters": {**told, "format": form}, "rows": 1} for form in ("docx", "xlsx", "html")
    ]


def test_what_may_not_be_issued_is_refused_by_name_and_had_as_a_draft(campus: Campus) -> None:
    path = campus.hazard("assigned")
    problem = refused(campus, "officer", f"{path}/papers/notice.docx", 409)
    assert (
        problem["code"] == "not_possible_now"
        and "尚缺必填项：签收人" in problem["detail"]
        and "draft=true" in problem["detail"]
    )
    english = refused(campus, "officer", f"{path}/papers/notice.docx", 409, Accept_Language="en")
    assert english["detail"].startswith("Make the paper 'Rectification notice'")
    assert "草稿 · 尚缺：签收人" in words_of(asked(campus, "officer", f"{path}/papers/notice.docx?draft=true").content)
    assert (
        refused(campus, "officer", f"{path}/papers/receipt.xlsx?draft=true", 409)["detail"].find("还没有上报整改完成")
        > 0
    )
    campus.done("fixer", f"{path}/acknowledge")
    issued = words_of(asked(campus, "officer", f"{path}/papers/notice.docx").content)
    assert "草稿" not in issued and "见第 3 号记录" in issued
    assert refused(campus, "officer", f"{path}/papers/notice.docx?event=1", 422)["detail"].find("event 只能是 2") > 0
    for wrong in ("drill_record.docx", "three_lists.docx", "nothing.docx"):
        refused(campus, "officer", f"{path}/papers/{wrong}", 404)
    refused(campus, "officer", f"{path}/papers/notice.pdf", 422)
    assert [each["filters"]["format"] for each in taken(campus)] == ["docx", "docx"], "a refusal takes nothing"


def test_a_paper_is_for_who_may_see_the_case_and_names_whom_he_may_know(campus: Campus) -> None:
    path = campus.hazard("fixed")
    for address in (f"{path}/papers", f"{path}/papers/receipt.docx", f"/cases/{path.rsplit('/', 1)[1]}/papers/receipt"):
        assert asked(campus, "clerk", address).status_code == 404
    head = campus.client.head(f"{path}/papers/receipt.docx", headers=campus.headers("officer"))
    assert (head.status_code, head.headers["content-type"], taken(campus)) == (200, DOCX, [])
    assert "姓名-fixer（后勤维修工）" in asked(campus, "officer", f"{path}/papers/receipt.html").text
    own = asked(campus, "fixer", f"{path}/papers/notice.html?draft=true").text
    assert "安稳办专职" in own and "姓名-officer" not in own, "whoever sees no names is told posts, as everywhere"


def test_a_picture_that_is_gone_is_said_to_be(campus: Campus) -> None:
    path = campus.hazard("fixed")
    campus.runtime.files.path_of(SCHOOL, PHOTO).unlink()
    assert "照片 1：文件已不在数据目录中" in asked(campus, "officer", f"{path}/papers/receipt.html").text
    with campus.runtime.database.write_across() as connection:
        files.mark_erased(connection, SCHOOL, PHOTO, 7)
    assert "照片 1：已依法清除，见操作日志第 7 条" in asked(campus, "officer", f"{path}/papers/receipt.html").text
    assert asked(campus, "officer", f"{path}/papers/receipt.xlsx").status_code == 200


def test_the_three_lists_hold_the_cases_of_the_filter_and_are_noted(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [campus.hazard(upto).rsplit("/", 1)[1] for upto in ("assigned", "fixed")]
    major = campus.hazard("assigned", major=True).rsplit("/", 1)[1]
    sheet = sheet_of(asked(campus, "officer", "/api/v1/cases/papers/three_lists.xlsx"))
    assert [row[1].value for row in sheet.iter_rows(min_row=5)] == [*numbers, major], "the oldest first"
    assert [cell.value for cell in sheet[3] if cell.value] == ["问题清单", "责任清单", "整改清单"]
    # as the ledger's own links say it, which came from the overview
    named = sheet_of(asked(campus, "officer", "/api/v1/cases/papers/three_lists.xlsx?without_workflow=weekly"))
    assert [row[1].value for row in named.iter_rows(min_row=5)] == [*numbers, major]
    refused(campus, "officer", "/api/v1/cases/papers/three_lists.xlsx?workflow=drill", 422)
    word = words_of(asked(campus, "officer", "/api/v1/cases/papers/three_lists.docx?level=major").content)
    assert major in word and numbers[0] not in word and "范围：重大隐患" in word
    html = asked(campus, "officer", "/api/v1/cases/papers/three_lists.html?state=closed").text
    assert "没有符合条件的隐患" in html and "范围：已销号" in html
    ledger = sheet_of(asked(campus, "officer", "/api/v1/cases/papers/ledger.xlsx"))
    assert [row[0].value for row in ledger.iter_rows(min_row=4)] == [*numbers, major]
    assert [(each["what"], each["rows"]) for each in taken(campus)] == [
        ("three_lists", 3),
        ("three_lists", 3),
        ("three_lists", 1),
        ("three_lists", 0),
        ("ledger", 3),
    ]
    refused(campus, "officer", "/api/v1/cases/papers/ledger.docx", 404)
    refused(campus, "officer", "/api/v1/cases/papers/three_lists.docx?state=nonsense", 422)
    assert asked(campus, "clerk", "/api/v1/cases/papers/three_lists.html").text.find("共 0 项") > 0
    monkeypatch.setitem(making.MOST_ROWS, "docx", 2)
    assert "最多 2 项" in refused(campus, "officer", "/api/v1/cases/papers/three_lists.docx", 409)["detail"]


def test_a_paper_is_a_page_to_print(campus: Campus) -> None:
    number = campus.hazard("fixed").rsplit("/", 1)[1]
    page = asked(campus, "officer", f"/cases/{number}/papers/receipt", Accept="text/html")
    assert page.status_code == 200 and Page(page.text).words.count("整改回执（复函）") >= 1
    assert f"/api/v1/files/{PHOTO}" in Page(page.text).addresses and "style=" not in page.text
    draft = asked(campus, "officer", f"/cases/{number}/papers/notice?event=2", Accept="text/html").text
    assert "草稿 · 尚缺：签收人" in draft and "draft=true" in draft
    case = Page(asked(campus, "officer", f"/cases/{number}", Accept="text/html").text)
    assert f"/cases/{number}/papers/receipt?event=3" in case.addresses and "没有提交过治理方案" in case.words
    assert taken(campus) == [], "what is looked at on a page is not taken away"
    english = asked(campus, "officer", f"/cases/{number}", Accept="text/html", Accept_Language="en").text
    assert "Rectification receipt (reply)" in english and "no plan was filed" in english


# --- templates ------------------------------------------------------------------------------------------------------------


def sent(campus: Campus, who: str, content: bytes, code: str = "receipt", kind: str = DOCX) -> httpx.Response:
    headers = {**campus.headers(who), "Content-Type": kind}
    return campus.client.put(f"/api/v1/papers/{code}/template", content=content, headers=headers)


def test_a_school_s_own_template_is_checked_kept_used_and_taken_back(campus: Campus) -> None:
    path = campus.hazard("fixed")
    listed = {each["code"]: each for each in campus.get("officer", "/api/v1/papers")["items"]}
    assert "ledger" not in listed and listed["three_lists"]["rows"] and not listed["receipt"]["own"]
    assert {field["name"] for field in listed["receipt"]["fields"]} >= {*COMMON, "完成情况", "整改后照片"}

    wrong = sent(campus, "officer", a_template("{{ 完成情况 }}{{ 完成情况况 }}"))
    assert wrong.status_code == 422 and wrong.json()["fields"][0]["field"] == "template"
    assert "没有字段“完成情况况”。是不是“完成情况”" in wrong.json()["detail"]
    assert taken(campus) == [] and not campus.get("officer", "/api/v1/papers")["items"][1]["own"], (
        "a refusal changes nothing"
    )

    own = a_template("本校格式：{{ 完成情况 }}")
    kept = sent(campus, "officer", own).json()
    assert kept["own"] and kept["kept_by"] == "person:officer"
    assert sent(campus, "officer", own).json() == kept
    assert words_of(asked(campus, "officer", f"{path}/papers/receipt.docx").content) == "本校格式：已更换"
    assert asked(campus, "officer", "/api/v1/papers/receipt/template").content == own
    assert "{{ 完成情况 }}" in words_of(
        asked(campus, "officer", "/api/v1/papers/receipt/template?default=true").content
    )

    headers = campus.headers("officer")
    for _ in range(2):
        assert campus.client.delete("/api/v1/papers/receipt/template", headers=headers).json()["own"] is False
    assert "本校格式" not in words_of(asked(campus, "officer", f"{path}/papers/receipt.docx").content)
    changes = [each for each in taken(campus) if each.get("paper") == "receipt"]
    assert [each["what"] for each in changes] == ["set", "reset"] and changes[0]["sha256"] == kept["sha256"]


def test_templates_are_kept_by_the_administrator_and_the_safety_office(campus: Campus) -> None:
    campus.administrator("keeper")
    campus.give("clerk", "auditor")
    own = a_template("{{ 单位 }}")
    for who, writes, reads in (("fixer", 403, 403), ("clerk", 403, 200), ("keeper", 200, 200), ("head", 200, 200)):
        assert sent(campus, who, own).status_code == writes, who
        assert asked(campus, who, "/api/v1/papers").status_code == reads, who
        assert asked(campus, who, "/api/v1/papers/receipt/template").status_code == reads, who
        assert asked(campus, who, "/school/papers", Accept="text/html").status_code == reads, who
    assert sent(campus, "officer", own, code="nothing").status_code == 404
    assert sent(campus, "officer", own, code="ledger").status_code == 404
    assert sent(campus, "officer", own, kind="application/pdf").status_code == 415
    assert sent(campus, "officer", b"x" * (paper_templates.MOST_BYTES + 1)).status_code == 413
    with campus.runtime.database.read("elsewhere") as connection:
        assert templates.content(connection, "elsewhere", "receipt") is None


def test_a_template_is_replaced_on_a_page_and_a_wrong_one_is_told_beside_it(campus: Campus) -> None:
    a_password(campus.runtime, School(SCHOOL), "officer")
    sign_in(campus.client, "officer")
    form = got(campus.client, "/school/papers").form("/school/papers/receipt")

    def upload(content: bytes | None) -> httpx.Response:
        files = None if content is None else {"template": ("receipt.docx", content, DOCX)}
        return campus.client.post("/school/papers/receipt", data={"csrf": form["csrf"]}, files=files)

    wrong = upload(a_template("{{ 完成请况 }}"))
    assert wrong.status_code == 422 and "没有字段“完成请况”" in wrong.text and "是不是“完成情况”" in wrong.text
    assert upload(None).status_code == 422 and upload(b"no word file").status_code == 422
    assert campus.client.post("/school/papers/receipt/reset", data={}).status_code == 403, "no form of ours"
    done = upload(a_template("{{ 完成情况 }}"))
    assert (done.status_code, done.headers["location"]) == (303, "/school/papers?done=set")
    page = got(campus.client, "/school/papers?done=set")
    assert "已启用新模板" in page.words and "本校模板" in page.words
    again = page.form("/school/papers/receipt/reset")
    reset = campus.client.post("/school/papers/receipt/reset", data={"csrf": again["csrf"]})
    assert reset.headers["location"] == "/school/papers?done=reset"
    assert "本校模板" not in got(campus.client, "/school/papers").words


def test_the_ledger_offers_the_three_lists_of_the_very_cases_it_shows(campus: Campus) -> None:
    major = campus.hazard("assigned", major=True).rsplit("/", 1)[1]
    campus.hazard("assigned")
    page = Page(asked(campus, "officer", "/cases?workflow=hazard&level=major&open=true", Accept="text/html").text)
    [lists] = [address for address in page.addresses if "three_lists.xlsx" in address]
    assert [row[1].value for row in sheet_of(asked(campus, "officer", lists)).iter_rows(min_row=5)] == [major]
    [whole] = [address for address in page.addresses if "format=xlsx" in address]
    assert [row[0].value for row in sheet_of(asked(campus, "officer", whole)).iter_rows(min_row=2)] == [major]
    of_then = Page(asked(campus, "officer", "/cases?as_of=2020-03-02T01:00:00Z", Accept="text/html").text)
    assert any("format=xlsx" in address for address in of_then.addresses), "there is something to take"
    assert not any("three_lists" in address for address in of_then.addresses), "papers tell how cases stand"


def test_a_school_makes_two_files_at_once_and_leaves_room_for_others(campus: Campus) -> None:
    path = campus.hazard("fixed")
    with (
        making.PLACES.one(making.TOO_MANY, making.TOO_MANY, SCHOOL),
        making.PLACES.one(making.TOO_MANY, making.TOO_MANY, SCHOOL),
    ):
        for address in (
            f"{path}/papers/receipt.html",
            "/api/v1/cases/papers/three_lists.html",
            "/api/v1/papers/receipt/template",
        ):
            assert "同时生成文书的人太多" in refused(campus, "officer", address, 503)["detail"]
        assert sent(campus, "officer", a_template("{{ 单位 }}")).status_code == 503
        with making.PLACES.one(making.TOO_MANY, making.TOO_MANY, "another"):
            pass
    assert taken(campus) == [] and asked(campus, "officer", f"{path}/papers/receipt.html").status_code == 200


def rows_of(html: str) -> dict[str, str]:
    """Heading → what stands beside it."""
    return dict(re.findall(r"<th scope=\"row\">(.*?)</th>\s*<td[^>]*>(.*?)</td>", html, re.DOTALL))


def test_a_week_that_was_signed_and_a_day_with_nothing_to_report_are_papers(campus: Campus) -> None:
    owing(campus, weekly.CYCLE, "DZB", first=MONDAY, last=MONDAY + timedelta(days=6))
    owing(campus, daily.CYCLE, "XB1", first=MONDAY, last=MONDAY)
    campus.runtime.tick()
    number = {each["cycle"]: each["number"] for each in campus.get("head", "/api/v1/periods")["items"]}
    week, day = f"/api/v1/weeklies/{number[weekly.CYCLE]}", f"/api/v1/dailies/{number[daily.CYCLE]}"
    assert campus.get("head", f"{week}/papers")["items"][0]["why_not"] == "本周还没有汇总"
    campus.done("xb1_safety", f"{day}/report", **WELL)
    told = rows_of(asked(campus, "head", f"{day}/papers/health_day.html").text)
    assert (told["有无情况"], told["症状"], told["日期"]) == ("无（零报告）", "0", "2020-03-02")

    left = campus.hazard("assigned")
    campus.on(MONDAY + timedelta(days=7))
    campus.done("officer", f"{week}/compile", participants=9, reasons="等配件")
    compiled = rows_of(asked(campus, "head", f"{week}/papers/week_report.html").text)
    assert (compiled["学校"], compiled["发现隐患总数"], compiled["已整改"]) == ("示范学校", "1", "0")
    assert (
        compiled["未整改及原因"] == "1 处：等配件"
        and compiled["填报人"].endswith("见第 2 号记录")
        and compiled["审核人"] == ""
    )
    campus.done("head", f"{week}/sign", opinion="属实")
    campus.done("fixer", f"{left}/fix", measure="已更换", photos_after=[PHOTO])
    signed = rows_of(asked(campus, "head", f"{week}/papers/week_report.html").text)
    assert signed | {"审核人": ""} == compiled and signed["审核人"].endswith("见第 3 号记录"), (
        "what was signed stays so"
    )
    campus.done("officer", f"{week}/submit", to="市教育局", how="mail")
    again = campus.done("officer", "/api/v1/weeklies", corrects=number[weekly.CYCLE], reason="人次漏计")["number"]
    campus.done("officer", f"/api/v1/weeklies/{again}/compile", participants=11, reasons="等配件")
    second = asked(campus, "head", f"/api/v1/weeklies/{again}/papers/week_report.html").text
    assert (
        f"第 2 版，更正 {number[weekly.CYCLE]}" in second
        and "第 2 版" not in asked(campus, "head", f"{week}/papers/week_report.html").text
    )
