"""A meeting bulletin over the API: from a month's hazards to the page everybody has read, on both databases."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.figures import counted_again
from engine.store import periods
from tests.databases import Kind
from tests.journeys.campus import POSTS, SCHOOL, Campus, a_campus
from workflows import hazard_report
from workflows.bulletin import FIGURES
from workflows.reference import criteria_for

FIRST, BEFORE, MEETING_DAY = "2020-03-02", "2020-04-09", "2020-04-10"
OPENING: dict[str, Any] = {"title": "4月安全例会通报", "held_on": MEETING_DAY, "first_day": FIRST}
AT_END = "2020-04-09T15:59:59.999999Z"


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def refused(campus: Campus, who: str, path: str, **body: Any) -> str:
    """The guard that said no."""
    answer = campus.post(who, path, **body)
    assert answer.status_code == 409, answer.text
    return str(answer.json()["guard"])


def a_month(campus: Campus) -> dict[str, str]:
    """What happened to the hazards of logistics, each by what became of it; two departments found nothing, one of them said so."""
    with campus.runtime.database.write_across() as connection:
        for scope in ("HQC", "XB1", "XB2"):
            owed = periods.Obligation(SCHOOL, hazard_report.CYCLE, scope, date(2020, 3, 1), date(2020, 3, 31))
            periods.owe(connection, owed)
    found = {"late": campus.hazard("assigned"), "extended": campus.hazard("assigned", extended=True)}
    found["closed"] = campus.hazard("verified")
    closed = campus.done("head", f"{found['closed']}/approve", opinion="同意")
    again = campus.done("teacher", "/api/v1/hazards", title="又坏了", place=closed["place"])["number"]
    found["again"] = f"/api/v1/hazards/{again}"
    nobody_looked = campus.done("teacher", "/api/v1/hazards", title="传闻", place="不宜公开的地方")["number"]
    found["reported"] = f"/api/v1/hazards/{nobody_looked}"

    campus.on(date(2020, 4, 1))
    campus.runtime.tick()
    criteria = {each.code: False for each in criteria_for("ELEC.wire")}
    campus.done(
        "officer", f"{found['again']}/assign", category="ELEC.wire", criteria=criteria, department="HQC", assignee="fixer",
        time_limit="days30", requirement="更换", interim="断电挂牌",
    )  # fmt: skip
    owed = campus.get("head", f"/api/v1/periods?cycle={hazard_report.CYCLE}&key=2020-03")["items"]
    at = {each["scope"]: f"/api/v1/hazard_reports/{each['number']}" for each in owed}
    campus.done("hqc_safety", f"{at['HQC']}/compile", reasons="等配件")
    campus.done("xb1_safety", f"{at['XB1']}/compile")
    for who, department in (("hqc_head", "HQC"), ("xb1_head", "XB1")):
        campus.done(who, f"{at[department]}/sign", opinion="属实")
    return found


def counted(numbers: list[dict[str, Any]]) -> dict[str, int]:
    return {number["key"]: number["count"] for number in numbers}


def test_a_bulletin_is_counted_signed_read_out_published_and_read_by_all(campus: Campus) -> None:
    found = a_month(campus)
    campus.on(date(2020, 4, 9))
    campus.runtime.tick()
    number = campus.done("officer", "/api/v1/bulletins", **OPENING)["number"]
    path = f"/api/v1/bulletins/{number}"
    opened = campus.get("officer", path)
    assert opened["facts"]["last_day"] == BEFORE and opened["due_at"] == "2020-04-10T15:59:59Z"
    assert refused(campus, "officer", f"{path}/compile") == "filing.period_is_over"

    # compiled: nobody can type a number; signed by somebody else
    campus.on(date(2020, 4, 10))
    campus.done("head", f"{path}/compile", requirements="逾期隐患本周内销号")
    assert campus.post("head", f"{path}/sign", opinion="同意").status_code == 403
    campus.done("vice", f"{path}/sign", opinion="同意")
    told = campus.get("head", f"{path}/figures?again=true")
    assert told["frozen"] and told["equal"] and told["snapshot"]["as_of"] == AT_END
    assert counted(told["snapshot"]["numbers"]) == {
        "found": 5, "major": 0, "closed": 1, "returned": 0, "extended": 1, "deferred": 0, "rebounded": 1, "open_at_end": 4,
        "overdue_at_end": 3, "published_open": 3,
    }  # fmt: skip
    departments = {each["department"]: each["numbers"] for each in told["snapshot"]["departments"]}
    nothing = dict.fromkeys((each.key for each in FIGURES.by_department), 0)
    assert {code: counted(numbers) for code, numbers in departments.items()} == {
        "-": {**nothing, "found": 1, "open_at_end": 1, "overdue_at_end": 1},
        "HQC": {**nothing, "found": 4, "closed": 1, "open_at_end": 3, "overdue_at_end": 2, "reports": 1},
        "XB1": {**nothing, "reports": 1, "zero_reports": 1},  # it said that there was nothing
        "XB2": {**nothing, "missing_reports": 1},  # and this one said nothing
    }
    for each in (*told["snapshot"]["numbers"], *(n for numbers in departments.values() for n in numbers)):
        listed = campus.get("head", f"/api/v1/cases?{each['cases']}&limit=200")["items"]
        assert len(listed) == each["count"], each["key"]

    # read out at a meeting that took place after it was signed, and at none other
    said = {"title": "行政办公会", "kind": "school_meeting", "dated_on": MEETING_DAY}
    meetings = {
        name: campus.done("officer", "/api/v1/notices", **{**said, **otherwise})["number"]
        for name, otherwise in {"ours": {}, "a plan": {"kind": "plan"}, "before": {"dated_on": BEFORE}}.items()
    }
    assert refused(campus, "officer", f"{path}/read_out", meeting=meetings["a plan"]).endswith(
        "a_meeting_of_the_school"
    )
    assert (
        refused(campus, "officer", f"{path}/read_out", meeting=meetings["before"])
        == "bulletin.signed_before_the_meeting"
    )
    read_out = campus.done("officer", f"{path}/read_out", meeting=meetings["ours"])
    assert {"kind": "read_out_at", "number": meetings["ours"]} in read_out["links"]
    meeting = f"/api/v1/notices/{meetings['ours']}"
    assert {"kind": "reads_out", "number": number} in campus.get("officer", meeting)["links"]
    campus.done("officer", f"{meeting}/convey", audience=["role:dept_head"], key_points="认真整改")
    minutes = paper(campus, "officer", meeting, "meeting", draft="true")
    assert f"会上通报了 {number}《{OPENING['title']}》" in minutes

    # published: who sees no hazard reads the table, and nothing else
    assert campus.client.get(path, headers=campus.headers("clerk")).status_code == 404
    campus.done("officer", f"{path}/publish")
    table = campus.get("clerk", f"{path}/published")
    late, extended, again, closed = (found[name].rsplit("/", 1)[1] for name in ("late", "extended", "again", "closed"))
    assert [(each["number"], each["overdue"], each["state"]) for each in table["items"]] == [
        (late, True, "整改中"), (extended, True, "整改中"), (again, False, "整改中"), (closed, False, "已销号"),
    ]  # fmt: skip
    assert set(table["items"][0]) == {
        "number", "place", "category", "level", "department", "state", "due_on", "overdue",
    }  # fmt: skip
    assert campus.client.get(found["late"], headers=campus.headers("clerk")).status_code == 404
    seen = campus.get("clerk", f"{path}/figures")["snapshot"]
    assert {each["cases"] for each in seen["numbers"]} == {None} and counted(seen["numbers"])["found"] == 5
    everything = str(campus.get("clerk", path)) + str(campus.get("clerk", f"{path}/events")) + str(table)
    assert not any(
        word in everything for word in ("插座破损", "又坏了", "传闻", "不宜公开", "姓名-teacher", "姓名-fixer")
    )

    # read by everybody but one, who is excused
    for who in POSTS.keys() - {"second"}:
        campus.done(who, f"{path}/confirm")
    assert refused(campus, "officer", f"{path}/close") == "everyone_has_confirmed"
    assert campus.get("officer", f"{path}/addressees?standing=missing")["items"][0]["person"] == "second"
    campus.done("officer", f"{path}/excuse", persons=["second"], reason="病假")
    assert campus.done("officer", f"{path}/close")["state"] == "closed"

    # the page on paper: numbers lead to their lists for who may see these
    page = paper(campus, "head", path, "bulletin")
    assert "信息工程系 未报 " in page and "机电工程系 零报告 " in page and "逾期隐患本周内销号" in page
    assert f"《行政办公会》{meetings['ours']}" in page and "应阅 18 人，已阅 17 人，免予确认 1 人" in page
    assert page.count("/cases?") >= 8 and "/cases?" not in paper(campus, "clerk", path, "bulletin")

    # counted again when things are otherwise, and the next one counts on from it
    campus.done("fixer", f"{found['late']}/fix", measure="已更换", photos_after=["a" * 64])
    [same] = counted_again(campus.runtime.engine, SCHOOL, number)
    assert same.differing == [] and campus.get("clerk", f"{path}/published") == table
    following = {"title": "5月安全例会通报", "held_on": "2020-05-08"}
    for days in ({}, {"follows": number, "first_day": FIRST}):  # none, and some of them a second time
        assert refused(campus, "officer", "/api/v1/bulletins", **following, **days) == "bulletin.begins_on_one_day"
    the_page_of_one_that_is_withdrawn_says_so(campus)
    second = campus.done("officer", "/api/v1/bulletins", **following, follows=number)
    assert (second["facts"]["first_day"], second["facts"]["last_day"]) == (MEETING_DAY, "2020-05-07")
    assert refused(campus, "officer", "/api/v1/bulletins", **following, follows=number) == "bulletin.follows_a_bulletin"


def the_page_of_one_that_is_withdrawn_says_so(campus: Campus) -> None:
    path = "/api/v1/bulletins/" + campus.done("officer", "/api/v1/bulletins", **OPENING)["number"]
    campus.done("officer", f"{path}/compile")
    campus.done("vice", f"{path}/sign", opinion="同意")
    assert "撤回" not in paper(campus, "head", path, "bulletin")
    campus.done("head", f"{path}/withdraw", reason="同一期间已有通报")
    assert "本通报已撤回：同一期间已有通报" in paper(campus, "head", path, "bulletin")


def paper(campus: Campus, who: str, path: str, code: str, **query: str) -> str:
    answer = campus.client.get(f"{path}/papers/{code}.html", headers=campus.headers(who), params=query)
    assert answer.status_code == 200, answer.text
    return answer.text
