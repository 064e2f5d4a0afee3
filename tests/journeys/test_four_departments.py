"""A month in which one department reports nothing, one that there was nothing, one late, and one corrects what it signed.

Four different things in every list, figure and paper. The morning of health reports (`test_filings`) shows the same of a day, on
both databases; this is the month, with its inspections and its reports of hazards, and what is made of them.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from api.papers.summary import counting
from tests.api.pages import Page, sign_in
from tests.builders import PASSWORD, a_password
from tests.builders import School as Names
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus
from tests.journeys.test_filings import owing
from workflows import hazard_report, inspection
from workflows.reference import checklists

FIRST, LAST = date(2020, 3, 1), date(2020, 3, 31)
NOTHING, ZERO, LATE, CORRECTS = "HQC", "XB1", "XB2", "DZB"
SAFETY = {NOTHING: "hqc_safety", ZERO: "xb1_safety", LATE: "clerk", CORRECTS: "officer"}
HEADS = {ZERO: "xb1_head", LATE: "xb2_head", CORRECTS: "head"}
PATTERN = re.compile(r"(?:YB|JC)-2020-\d{4}")
EACH = (NOTHING, ZERO, LATE, CORRECTS)


@pytest.fixture
def campus(tmp_path: Path) -> Iterator[Campus]:
    with a_campus(tmp_path, "sqlite") as campus:
        campus.give("officer", "dept_safety", CORRECTS)
        campus.give("head", "dept_head", CORRECTS)
        campus.give("clerk", "dept_safety", LATE)
        yield campus


def inspected(campus: Campus, path: str, department: str, *, finds: bool) -> None:
    codes = campus.get(SAFETY[department], path)["facts"]["checklists"]
    items = [item.code for code in codes for item in checklists()[code].items]
    answers: dict[str, Any] = {code: {"result": "pass"} for code in items}
    photos = {}
    if finds:
        answers[items[0]] = {"result": "fail", "note": "堆放杂物"}
        photos = {items[0]: PHOTO}
    campus.done(SAFETY[department], f"{path}/submit", answers=answers, photos=photos, summary="已检查")


def reported(campus: Campus, path: str, department: str, **said: Any) -> None:
    campus.done(SAFETY[department], f"{path}/compile", **said)
    campus.done(HEADS[department], f"{path}/sign", opinion="情况属实")


def number_of(path: str) -> str:
    return path.rsplit("/", 1)[1]


def rows_of(campus: Campus, address: str) -> dict[str, str]:
    """Department's number → the words of its row, of a table of ours."""
    answer = campus.client.get(address)
    assert answer.status_code == 200, answer.text
    cut = answer.text.split("<tr")[1:]
    return {number: Page(f"<form><tr{row}").words for row in cut for number in PATTERN.findall(row)[:1]}


def different(told: dict[str, Any]) -> dict[str, Any]:
    """The same, once it was seen that no two departments are told alike."""
    assert len({repr(each) for each in told.values()}) == len(EACH), told
    return told


@dataclass(frozen=True)
class Month:
    """By department: the addresses of its inspection and of its report of hazards; and of the report that corrects one."""

    rounds: dict[str, str]
    reports: dict[str, str]
    second: str


def test_four_departments_and_a_month_are_four_different_things_wherever_one_looks(campus: Campus) -> None:
    month = in_which_each_does_something_else(campus)
    in_the_ledger_of_periods(campus)
    in_lists(campus, month)
    in_figures(campus, month)
    on_paper(campus, month)


def in_which_each_does_something_else(campus: Campus) -> Month:
    for cycle in (inspection.CYCLE, hazard_report.CYCLE):
        owing(campus, cycle, *EACH, first=FIRST, last=LAST)
    campus.runtime.tick()
    owed = campus.get("head", "/api/v1/periods")["items"]
    rounds = {p["scope"]: f"/api/v1/inspections/{p['number']}" for p in owed if p["cycle"] == inspection.CYCLE}
    reports = {p["scope"]: f"/api/v1/hazard_reports/{p['number']}" for p in owed if p["cycle"] == hazard_report.CYCLE}
    assert rounds.keys() == reports.keys() == set(EACH)

    for department in (LATE, CORRECTS):
        said = {"title": "插座破损", "place": department, "category": "ELEC.wire", "department": department}
        campus.done("teacher", "/api/v1/hazards", **said)
    campus.on(date(2020, 3, 10))
    inspected(campus, rounds[ZERO], ZERO, finds=False)
    inspected(campus, rounds[CORRECTS], CORRECTS, finds=False)
    campus.done("head", f"{rounds[CORRECTS]}/send_back", reason="档案室未查")
    inspected(campus, rounds[CORRECTS], CORRECTS, finds=True)
    campus.on(date(2020, 3, 24))  # four days after it was due
    inspected(campus, rounds[LATE], LATE, finds=True)
    for department, head in HEADS.items():
        campus.done(head, f"{rounds[department]}/sign", opinion="情况属实")
    campus.on(date(2020, 4, 1))
    reported(campus, reports[ZERO], ZERO)
    reported(campus, reports[CORRECTS], CORRECTS, reasons="等配件")
    campus.on(date(2020, 4, 2))
    first = number_of(reports[CORRECTS])
    again = campus.done("officer", "/api/v1/hazard_reports", corrects=first, department=CORRECTS, reason="原因写错")
    second = f"/api/v1/hazard_reports/{again['number']}"
    reported(campus, second, CORRECTS, reasons="等经费")
    campus.on(date(2020, 4, 8))  # three working days after it was due
    reported(campus, reports[LATE], LATE, reasons="等配件")
    campus.runtime.tick()
    return Month(rounds, reports, second)


def in_the_ledger_of_periods(campus: Campus) -> None:
    """And in the file of it."""
    told = {(p["cycle"], p["scope"]): (p["report"], p["zero"], p["corrected_at"] is not None)
            for p in campus.get("head", "/api/v1/periods")["items"]}  # fmt: skip
    of_reports = different({scope: told[hazard_report.CYCLE, scope] for scope in EACH})
    assert of_reports == {
        NOTHING: ("missing", False, False), ZERO: ("reported", True, False), LATE: ("late", False, False),
        CORRECTS: ("reported", False, True),
    }  # fmt: skip
    # a round that was corrected before its head signed it is no zero report any more, and was corrected by nobody
    of_rounds = different({scope: told[inspection.CYCLE, scope] for scope in EACH})
    assert of_rounds == {**of_reports, CORRECTS: ("reported", False, False)}
    answer = campus.client.get("/api/v1/periods?format=csv", headers=campus.headers("head"))
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    for cycle in {line["报送内容"] for line in lines}:
        of_cycle = [line for line in lines if line["报送内容"] == cycle]
        different({line["部门"]: (line["报送情况"], line["零报告"], line["更正"]) for line in of_cycle})


def in_lists(campus: Campus, month: Month) -> None:
    """Lists of cases, each case by itself, and what waits for somebody."""
    rounds, reports, second = month.rounds, month.reports, month.second
    a_password(campus.runtime, Names(SCHOOL), "head")
    sign_in(campus.client, "head", PASSWORD)
    words = {NOTHING: "未报", ZERO: "按时报送 · 零报告", LATE: "迟报", CORRECTS: "按时报送"}
    for loop, paths, expected in (
        ("hazard_report", reports, {**words, CORRECTS: "按时报送 · 已更正"}), ("inspection", rounds, words),
    ):  # fmt: skip
        items = {item["number"]: item for item in campus.get("head", f"/api/v1/cases?workflow={loop}")["items"]}
        rows = rows_of(campus, f"/cases?workflow={loop}")
        listed = {scope: items[number_of(paths[scope])]["report"] for scope in EACH}
        assert different(listed) == {scope: campus.get("head", paths[scope])["report"] for scope in EACH}
        for scope in EACH:
            row, page = rows[number_of(paths[scope])], campus.client.get(f"/cases/{number_of(paths[scope])}").text
            assert expected[scope] in row, (scope, row)
            assert all(f">{word}</span>" in page for word in expected[scope].split(" · ")), scope
            assert sum(mark in row for mark in ("未报", "迟报", "零报告", "已更正")) == expected[scope].count(" · ") + (
                scope in (NOTHING, LATE)
            )
    assert campus.get("head", second)["report"] is None, "a correction comes besides, and owes nothing of its own"
    waiting = {scope: campus.get(SAFETY[scope], "/api/v1/worklist")["items"] for scope in EACH}
    owing_still = {scope: [i for i in items if i["period"]] for scope, items in waiting.items()}
    assert {scope for scope, items in owing_still.items() if items} == {NOTHING}
    assert {item["report"]["came"] for item in owing_still[NOTHING]} == {"missing"}


def in_figures(campus: Campus, month: Month) -> None:
    reports, second = month.reports, month.second
    for line in campus.get("head", "/api/v1/overview?months=3")["reports"]:
        counts = {name: figure["count"] for name, figure in line.items() if isinstance(figure, dict)}
        corrected = int(line["cycle"] == hazard_report.CYCLE)
        assert counts == {
            "reported": 2, "late": 1, "missing": 1, "zero": 1, "corrected": corrected, "waived": 0, "waiting": 0,
        }  # fmt: skip
        assert [each["scope"] for each in line["not_reported"]] == [NOTHING]
    figures = {scope: campus.get("head", f"{path}/figures") for scope, path in reports.items()}
    assert figures[NOTHING]["snapshot"] is None
    assert [figures[scope]["snapshot"]["zero"] for scope in (ZERO, LATE, CORRECTS)] == [True, False, False]
    assert [figures[scope]["corrected_by"] for scope in EACH] == [None, None, None, number_of(second)]
    campus.on(date(2020, 4, 9))  # the summary of what was known at the end of the day before
    summary = counting.take(campus.runtime, SCHOOL, FIRST, date(2020, 4, 8)).numbers
    whole = {
        name: summary[f"reports_{name}"].count for name in ("due", "reported", "late", "missing", "zero", "corrected")
    }
    assert whole == {"due": 4, "reported": 2, "late": 1, "missing": 1, "zero": 1, "corrected": 1}


def on_paper(campus: Campus, month: Month) -> None:
    rounds, reports, second, first = month.rounds, month.reports, month.second, number_of(month.reports[CORRECTS])
    assert campus.client.get(f"{reports[NOTHING]}/table", headers=campus.headers("head")).status_code == 409
    tables = {scope: table(campus, reports[scope]) for scope in (ZERO, LATE, CORRECTS)}
    assert "零报告" in tables[ZERO] and "按时报送" in tables[ZERO]
    assert "迟报" in tables[LATE] and "零报告" not in tables[LATE]
    assert "按时报送" in tables[CORRECTS] and f"已由 {number_of(second)} 更正" in tables[CORRECTS]
    assert f"第 2 版，更正 {first}" in table(campus, second)
    papers = {scope: campus.get("head", f"{path}/papers")["items"][0] for scope, path in rounds.items()}
    assert papers[NOTHING]["event"] is None and papers[NOTHING]["why_not"] == "本月检查还没有提交"
    said_on_paper = {
        scope: campus.client.get(f"{papers[scope]['files']['html']}&draft=true", headers=campus.headers("head")).text
        for scope in (ZERO, LATE, CORRECTS)
    }
    assert ["0（零报告）" in said_on_paper[scope] for scope in (ZERO, LATE, CORRECTS)] == [True, False, False]
    assert [">迟报<" in said_on_paper[scope] for scope in (ZERO, LATE, CORRECTS)] == [False, True, False]


def table(campus: Campus, path: str) -> str:
    """Every word of a filing's workbook."""
    answer = campus.client.get(f"{path}/table", headers=campus.headers("head"))
    assert answer.status_code == 200, answer.text
    with ZipFile(io.BytesIO(answer.content)) as book:
        return book.read("xl/sharedStrings.xml").decode()
