"""Who reports nothing, who reports zero, who comes late and who corrects: four different things, wherever one looks.

The whole way over HTTP, on both databases: a morning of health reports, and a week from due to receipted to corrected.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from engine.clock import SimulatedClock
from engine.store import periods
from tests.builders import START
from tests.databases import Kind
from tests.journeys.campus import SCHOOL, Campus, a_campus
from workflows import daily, portal, weekly

MONDAY = START.date()  # 2 March 2020, nine in the morning
WELL: dict[str, Any] = {"expected": 40, "present": 40, "sick": 0, "symptoms": 0, "travel": 0}
ILL: dict[str, Any] = {**WELL, "present": 39, "sick": 1}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def owing(campus: Campus, cycle: str, *scopes: str, first: date, last: date) -> None:
    with campus.runtime.database.write_across() as connection:
        for scope in scopes:
            periods.owe(connection, periods.Obligation(SCHOOL, cycle, scope, first, last))


def passes(campus: Campus, time: timedelta) -> None:
    clock = campus.runtime.clock
    assert isinstance(clock, SimulatedClock)
    clock.advance_to(clock.now() + time)
    campus.runtime.tick()


def listed(campus: Campus, query: str) -> set[str]:
    return {item["department"] for item in campus.get("head", f"/api/v1/cases?cycle={daily.CYCLE}&{query}")["items"]}


def test_a_morning_in_which_each_department_does_something_else(campus: Campus) -> None:
    campus.give("officer", "dept_safety", "DZB")
    tuesday = MONDAY + timedelta(days=1)
    owing(campus, daily.CYCLE, "HQC", "XB1", "XB2", "DZB", first=tuesday, last=tuesday)
    passes(campus, timedelta(hours=23))  # eight on Tuesday morning
    owed = campus.get("head", f"/api/v1/periods?cycle={daily.CYCLE}&key={tuesday}")["items"]
    path = {each["scope"]: f"/api/v1/dailies/{each['number']}" for each in owed}
    assert set(path) == {"HQC", "XB1", "XB2", "DZB"}
    assert {each["report"] for each in owed} == {"waiting"}

    assert campus.post("xb1_safety", f"{path['XB1']}/report", **{**WELL, "symptoms": None}).status_code == 422
    campus.done("xb1_safety", f"{path['XB1']}/report", **WELL)
    campus.done("officer", f"{path['DZB']}/report", **WELL)
    passes(campus, timedelta(minutes=30, seconds=1))  # the list of half past eight
    assert listed(campus, "report=missing") == {"HQC", "XB2"}
    passes(campus, timedelta(minutes=10))
    campus.done("hqc_safety", f"{path['HQC']}/report", **ILL)
    again = campus.done(
        "officer", "/api/v1/dailies", corrects=path["DZB"].rsplit("/", 1)[1], department="DZB", reason="漏报一人"
    )
    campus.done("officer", f"/api/v1/dailies/{again['number']}/report", **ILL)

    # in the ledger of periods
    owed = campus.get("head", f"/api/v1/periods?cycle={daily.CYCLE}&key={tuesday}")["items"]
    told = {each["scope"]: (each["report"], each["zero"], each["corrected_at"] is not None) for each in owed}
    assert told == {
        "XB2": ("missing", False, False),
        "XB1": ("reported", True, False),
        "HQC": ("late", False, False),
        "DZB": ("reported", True, True),
    }
    [missing] = campus.get("head", "/api/v1/periods?report=missing")["items"]
    assert missing["scope"] == "XB2"
    # in lists of cases, now and as of half past eight
    assert listed(campus, "report=missing") == {"XB2"}
    assert listed(campus, "report=late") == {"HQC"}
    assert listed(campus, "besides=zero") == {"XB1", "DZB"}
    assert listed(campus, "besides=corrected") == {"DZB"}
    assert listed(campus, "report=missing&as_of=2020-03-03T00:30:01Z") == {"HQC", "XB2"}
    assert listed(campus, "besides=corrected&as_of=2020-03-03T00:30:01Z") == set()
    # in figures, each with its list
    [line] = campus.get("head", "/api/v1/overview?months=1")["reports"]
    counts = {name: figure["count"] for name, figure in line.items() if isinstance(figure, dict)}
    assert counts == {"reported": 2, "late": 1, "waived": 0, "waiting": 0, "missing": 1, "zero": 2, "corrected": 1}
    for name, count in counts.items():
        assert len(campus.get("head", f"/api/v1/cases?{line[name]['cases']}")["items"]) == count, name
    # on paper
    answer = campus.client.get("/api/v1/periods?format=csv", headers=campus.headers("head"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {row["部门"]: (row["报送情况"], row["零报告"], row["更正"]) for row in rows} == {
        "信息工程系": ("未报", "", ""),
        "机电工程系": ("按时报送", "零报告", ""),
        "总务后勤处": ("迟报", "", ""),
        "党政办公室": ("按时报送", "零报告", "已更正"),
    }


def table(campus: Campus, number: str) -> str:
    """Every word of the filing's workbook."""
    answer = campus.client.get(f"/api/v1/weeklies/{number}/table", headers=campus.headers("head"))
    assert answer.status_code == 200, answer.text
    with ZipFile(io.BytesIO(answer.content)) as book:
        return book.read("xl/sharedStrings.xml").decode()


def numbers_of(told: dict[str, Any]) -> dict[str, int]:
    return {number["key"]: number["count"] for number in told["numbers"] if number["count"]}


def test_a_week_from_due_to_corrected_and_counted_again_a_month_later(campus: Campus) -> None:
    owing(campus, weekly.CYCLE, "DZB", first=MONDAY, last=MONDAY + timedelta(days=6))
    campus.runtime.tick()
    [owed] = campus.get("head", f"/api/v1/periods?cycle={weekly.CYCLE}")["items"]
    path = f"/api/v1/weeklies/{owed['number']}"
    fixed, left = campus.hazard("verified"), campus.hazard("assigned")
    campus.done("head", f"{fixed}/approve", opinion="同意销号")
    assert campus.get("head", f"{path}/figures")["snapshot"] is None
    for early in (
        campus.post("officer", f"{path}/compile", participants=9),
        campus.client.get(f"{path}/figures?again=true", headers=campus.headers("head")),
        campus.client.get(f"{path}/table", headers=campus.headers("head")),
    ):
        assert early.status_code == 409, early.text
    campus.on(MONDAY + timedelta(days=7))
    said: dict[str, Any] = {"participants": 9, "reasons": "等配件"}
    forged = campus.post("officer", f"{path}/compile", **said, figures={"numbers": {}})
    assert forged.status_code == 422 and forged.json()["fields"][0]["field"] == "figures"
    campus.done("officer", f"{path}/compile", **said)
    assert not campus.get("head", f"{path}/figures")["frozen"]
    refused = campus.post("officer", f"{path}/sign", opinion="同意")
    assert refused.status_code == 403
    campus.done("head", f"{path}/sign", opinion="情况属实")
    campus.done("officer", f"{path}/submit", to="市教育局", how="mail")
    campus.done("officer", f"{path}/receipt", receipt="安全周报〔2020〕10号")

    first = campus.get("head", f"{path}/figures")
    assert first["frozen"]
    assert numbers_of(first["snapshot"]) == {
        "found": 2, "of_others": 2, "removed": 1, "left": 1, "closed": 1, "open_at_end": 1,
    }  # fmt: skip
    for number in first["snapshot"]["numbers"]:
        page = campus.get("head", f"/api/v1/cases?{number['cases']}")
        assert len(page["items"]) == number["count"], number["key"]

    # what was closed comes back, what was open is fixed and returned; a month later the week is what it was
    place = campus.get("head", fixed)["place"]
    again = campus.done("teacher", "/api/v1/hazards", title="又坏了", place=place, category="ELEC.wire")
    assert ("rebound_of", fixed.rsplit("/", 1)[1]) in {(link["kind"], link["number"]) for link in again["links"]}
    campus.done("fixer", f"{left}/fix", measure="已更换", photos_after=["a" * 64])
    campus.done("officer", f"{left}/return", reason="仍松动", time_limit="days3")
    campus.on(MONDAY + timedelta(days=37))
    counted = campus.get("head", f"{path}/figures?again=true")
    assert counted["equal"] is True and counted["differing"] == []
    assert counted["again"] == counted["snapshot"] == first["snapshot"]

    # the correction is version 2, and both remain
    second = campus.done("officer", "/api/v1/weeklies", corrects=owed["number"], reason="人次漏计")
    corrected = f"/api/v1/weeklies/{second['number']}"
    campus.done("officer", f"{corrected}/compile", **{**said, "participants": 11})
    campus.done("vice", f"{corrected}/sign", opinion="同意")
    campus.done("officer", f"{corrected}/submit", to="市教育局", how="mail")
    told = campus.get("head", f"{corrected}/figures")
    assert (told["version"], told["corrects"], told["snapshot"]) == (2, owed["number"], first["snapshot"])
    remains = campus.get("head", f"{path}/figures")
    assert (remains["version"], remains["corrected_by"]) == (1, second["number"])
    assert remains["snapshot"] == first["snapshot"] and remains["frozen"]
    [period] = campus.get("head", f"/api/v1/periods?cycle={weekly.CYCLE}")["items"]
    assert (period["number"], period["report"], period["zero"]) == (owed["number"], "reported", False)
    assert period["corrected_at"] is not None
    assert "按时报送" in table(campus, owed["number"]) and "更正" in table(campus, owed["number"])
    assert f"第 2 版，更正 {owed['number']}" in table(campus, second["number"])
    bulk = campus.post("officer", "/api/v1/weeklies/bulk/compile", items=[{"number": owed["number"]}], data=said)
    assert bulk.json()["refused"] == 1, "what is signed is not compiled again"


def test_a_month_is_typed_into_the_platform_and_its_numbers_come_back(campus: Campus) -> None:
    owing(campus, portal.CYCLE, "DZB", first=date(2020, 3, 1), last=date(2020, 3, 31))
    campus.runtime.tick()
    [owed] = campus.get("head", f"/api/v1/periods?cycle={portal.CYCLE}")["items"]
    path = f"/api/v1/portals/{owed['number']}"
    one, two = (campus.hazard("assigned").rsplit("/", 1)[1] for _ in range(2))
    rejected = campus.done("teacher", "/api/v1/hazards", title="不是隐患", place="操场")["number"]
    campus.done("officer", f"/api/v1/hazards/{rejected}/reject", reason="不属于隐患")
    campus.on(date(2020, 4, 1))
    later = campus.hazard("assigned").rsplit("/", 1)[1]
    campus.done("officer", f"{path}/compile")
    campus.done("head", f"{path}/sign", opinion="同意填报")
    campus.done("officer", f"{path}/submit", to="省风险管控系统", how="platform")

    def receipts(**given: str) -> dict[str, Any]:
        return {"receipts": [{"hazard": number, "receipt": receipt} for number, receipt in given.items()]}

    refused = [
        receipts(**{rejected: "SY-1"}), receipts(**{later: "SY-1"}), receipts(**{one: "SY-1", two: "SY-1"}),
        {"receipts": [{"hazard": one, "receipt": "SY-1"}, {"hazard": one, "receipt": "SY-2"}]},
    ]  # fmt: skip
    for said in refused:
        assert campus.post("officer", f"{path}/receipts", **said).status_code == 409
    assert campus.post("officer", f"{path}/receipts", **receipts(**{"YH-2020-9999": "SY-1"})).status_code == 422
    campus.done("officer", f"{path}/receipts", **receipts(**{one: "SY-1"}))
    told = campus.get("head", f"{path}/figures")
    assert told["receipts"] == {one: "SY-1"}
    missing = campus.get("head", f"/api/v1/cases?{told['not_filed']}")["items"]
    assert [case["number"] for case in missing] == [two], "in our book, and not in the platform"
    everywhere = "/api/v1/cases?workflow=hazard&without_action=filed_in&apart_from=rejected&apart_from=merged"
    assert {case["number"] for case in campus.get("head", everywhere)["items"]} == {two, later}
    filed = campus.get("head", f"/api/v1/hazards/{one}")
    assert ("filed_in", owed["number"]) in {(link["kind"], link["number"]) for link in filed["links"]}

    assert campus.post("officer", f"{path}/receipt").status_code == 409
    answer = campus.client.get(f"{path}/table", headers=campus.headers("head"))
    with ZipFile(io.BytesIO(answer.content)) as book:
        words = book.read("xl/sharedStrings.xml").decode()
    assert (
        all(word in words for word in (one, two, "SY-1", "平台回执号")) and later not in words and rejected not in words
    )
    # who sees the filing, and not every hazard in it, sees how many they are
    campus.give("clerk", "repairer", "DZB")
    own = campus.get("clerk", f"{path}/figures")
    assert own["snapshot"]["numbers"][0]["count"] == 2 and own["receipts"] is None and own["not_filed"] is None
    refused_table = campus.client.get(f"{path}/table", headers=campus.headers("clerk"))
    assert refused_table.status_code == 403 and "全校的隐患" in refused_table.json()["detail"]
    campus.done("officer", f"{path}/receipts", **receipts(**{two: "SY-2"}))
    assert campus.done("officer", f"{path}/receipt")["state"] == "receipted"
    assert campus.get("head", f"{path}/figures?again=true")["equal"]
