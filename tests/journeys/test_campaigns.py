"""A campaign over the API: phases, reports, what is opened inside, a survey of every department, and a summary for each phase."""

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.api.pages import got, sign_in
from tests.databases import Kind
from tests.journeys.campus import Campus, a_campus

CAMPAIGNS, SURVEYS, ANSWERS = "/api/v1/campaigns", "/api/v1/surveys", "/api/v1/survey_answers"
LOOPS = {"SX": "tasks", "DCD": "survey_answers"}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


PHASES = [
    {"title": "动员自查", "first_day": "2020-03-02", "last_day": "2020-03-06"},
    {"title": "集中整治", "first_day": "2020-03-07", "last_day": "2020-03-20"},
]
DRAWN_UP: dict[str, Any] = {
    "title": "校园和校车安全专项整治", "departments": ["HQC", "XB1", "XB2"], "phases": PHASES, "checklists": ["office"],
    "reports": [
        {"title": "自查情况报告", "department": "HQC", "due_on": "2020-03-04"},
        {"title": "自查情况报告", "department": "XB1", "due_on": "2020-03-04"},
        {"title": "自查情况报告", "department": "XB2", "due_on": "2020-03-04"},
    ],
}  # fmt: skip
QUESTIONS = [
    {"text": "现有应急预案几份", "kind": "number"},
    {"text": "是否明确了值班领导", "kind": "yes_no"},
    {"text": "预案修订情况", "kind": "choice", "options": "已修订；正在修订；没有"},
    {"text": "存在的困难", "kind": "text"},
]


def let_in(campus: Campus, who: str) -> None:
    """By the pages, with a password."""
    campus.let_in(who)
    assert sign_in(campus.client, who).status_code == 303


def refused(campus: Campus, who: str, path: str, **body: Any) -> tuple[int, str]:
    answer = campus.post(who, path, **body)
    return answer.status_code, answer.json().get("guard") or answer.json()["code"]


def out_of(campus: Campus, case: dict[str, Any], prefix: str) -> dict[str, dict[str, Any]]:
    """department → the case of one loop that came out of this one."""
    numbers = [link["number"] for link in case["links"] if link["kind"] == "child"]
    found = [
        campus.get("officer", f"/api/v1/{LOOPS[prefix]}/{number}")
        for number in numbers
        if number.startswith(f"{prefix}-")
    ]
    return {each["department"]: each for each in found}


def links_of(case: dict[str, Any], kind: str) -> list[str]:
    return [link["number"] for link in case["links"] if link["kind"] == kind]


def hand_in(campus: Campus, task: dict[str, Any], head: str, who: str) -> None:
    path = f"/api/v1/tasks/{task['number']}"
    campus.done(head, f"{path}/assign", assignee=who)
    campus.done(who, f"{path}/fix", done="已自查，没有发现隐患")


def close(campus: Campus, task: dict[str, Any]) -> None:
    path = f"/api/v1/tasks/{task['number']}"
    campus.done("officer", f"{path}/verify", finding="属实")
    campus.done("head", f"{path}/approve")


def line_of(inside: dict[str, Any], department: str) -> dict[str, Any]:
    [line] = [each for each in inside["departments"] if each["department"] == department]
    return {name: value for name, value in line.items() if name != "department" and value}


def refuses_what_does_not_fit(campus: Campus) -> None:
    overlapping = [PHASES[0], {**PHASES[1], "first_day": "2020-03-06"}]
    outside = [{"title": "报告", "department": "DZB", "due_on": "2020-03-04"}]
    late = [{"title": "报告", "department": "HQC", "due_on": "2020-03-21"}]
    for said, why in (
        ({"phases": overlapping}, "campaign.phases_in_order"),
        ({"phases": [{**PHASES[0], "last_day": "2020-03-01"}, PHASES[1]]}, "campaign.phases_in_order"),
        ({"phases": [{**PHASES[0], "first_day": "2020-02-01", "last_day": "2020-03-01"}]}, "campaign.is_not_over"),
        ({"departments": ["HQC", "HQC"]}, "campaign.departments_once"),
        ({"reports": outside}, "campaign.reports_fit"),
        ({"reports": late}, "campaign.reports_fit"),
        ({"checklists": ["nonsense"]}, "invalid_input"),
    ):
        assert refused(campus, "officer", CAMPAIGNS, **{**DRAWN_UP, **said})[1] == why, said
    assert refused(campus, "teacher", CAMPAIGNS, **DRAWN_UP)[0] == 403


def opens_inside_and_outside(campus: Campus, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
    # a hazard that is reported inside carries the mark, and what comes out of anything inside does, too
    hazard = campus.done("xb1_safety", "/api/v1/hazards", title="疏散门上锁", place="实训楼", within=number)
    assert links_of(hazard, "within") == [number]
    meeting = campus.done(
        "officer", "/api/v1/notices", title="动员会", kind="school_meeting", dated_on="2020-03-02", within=number
    )
    conveyed = campus.done(
        "officer", f"/api/v1/notices/{meeting['number']}/convey", audience=["role:dept_head"], key_points="动员",
        tasks=[{"title": "张贴标语", "department": "XB1", "due_on": "2020-03-05"}],
    )  # fmt: skip
    assert links_of(out_of(campus, conveyed, "SX")["XB1"], "within") == [number]
    unmarked = campus.done("teacher", "/api/v1/hazards", title="灯不亮", place="教学楼")
    assert not links_of(unmarked, "within")
    for wrong, status in ((unmarked["number"], 422), ("ZX-2020-9999", 422), ("nonsense", 422), (7, 422)):
        answer = campus.post("officer", "/api/v1/hazards", title="灯不亮", place="教学楼", within=wrong)
        assert (answer.status_code, answer.json()["fields"][0]["field"]) == (status, "within"), wrong
    return hazard, unmarked


def lists_tell_the_same(campus: Campus, number: str, inside: dict[str, Any]) -> None:
    told = {(each["workflow"], each["state"]): each["count"] for each in inside["loops"]}
    assert told == {
        ("hazard", "reported"): 1, ("notice", "assigned"): 1, ("task", "fixed"): 2, ("task", "reported"): 2,
    }  # fmt: skip
    for each in inside["loops"]:
        listed = campus.get("officer", f"/api/v1/cases?{each['cases']}")["items"]
        assert len(listed) == each["count"], "the list has other cases than were counted"
    at_noon = "/api/v1/cases?within=" + number
    assert {item["number"] for item in campus.get("officer", at_noon)["items"]} == {
        item["number"] for item in campus.get("officer", f"{at_noon}&as_of=2020-03-05T01:00:00Z")["items"]
    }
    assert campus.client.get("/api/v1/cases?within=YH-2020-0001", headers=campus.headers("officer")).status_code == 422


def pages_say_so(campus: Campus, number: str, hazard: dict[str, Any], unmarked: dict[str, Any]) -> None:
    # the pages say so: the campaign's, that of what was opened inside, and the form that opens more of it
    page = campus.client.get(f"/cases/{number}", headers=campus.headers("officer")).text
    assert f"/open/hazard?within={number}" in page and f"/cases?within={number}" in page and "信息工程系" in page
    chip = f'href="/cases/{number}"'
    assert chip in campus.client.get(f"/cases/{hazard['number']}", headers=campus.headers("officer")).text
    assert chip not in campus.client.get(f"/cases/{unmarked['number']}", headers=campus.headers("officer")).text
    assert number in campus.client.get(f"/cases?within={number}", headers=campus.headers("officer")).text


def ends_when_all_is_done(
    campus: Campus, path: str, tasks: dict[str, Any], asked: dict[str, Any], summaries: list[str]
) -> None:
    number = path.rsplit("/", 1)[1]
    # it ends when everything it gave out has come to its end, or was dropped
    said = {"result": "全部完成"}
    assert refused(campus, "officer", f"{path}/conclude", **said) == (409, "campaign.given_out_is_done")
    for task in (tasks["HQC"], tasks["XB1"]):
        close(campus, task)
    for task in [n for n in links_of(asked, "child") if n.startswith("SX-")]:
        if campus.get("officer", f"/api/v1/tasks/{task}")["department"] == "XB2":
            campus.done("head", f"/api/v1/tasks/{task}/drop", reason="并入系部总结")
    campus.on(date(2020, 3, 19))  # a summary is counted when its last day is over
    for summary in summaries:
        at = f"/api/v1/stage_summaries/{summary}"
        campus.done("officer", f"{at}/compile")
        campus.done("vice", f"{at}/sign", opinion="同意")
        campus.done("officer", f"{at}/file")
    campus.done("head", f"{path}/conclude", **said)
    assert refused(campus, "officer", f"{path}/close", opinion="同意")[0] == 403
    campus.done("vice", f"{path}/send_back", reason="补充数据")
    campus.done("vice", f"{path}/conclude", **said)
    assert refused(campus, "vice", f"{path}/close", opinion="同意")[0] == 403, "whoever wound it up closed it"
    closed = campus.done("principal", f"{path}/close", opinion="同意")
    assert closed["state"] == "closed"
    assert refused(campus, "officer", "/api/v1/hazards", title="又一处", place="食堂", within=number)[0] == 422
    after = campus.get("officer", f"{path}/inside")
    assert line_of(after, "XB2") == {"waived": 2}
    assert line_of(after, "XB1") == {"late": 1}, "late is late for good"


def test_a_campaign_of_two_phases_from_its_plan_to_its_end(campus: Campus) -> None:
    refuses_what_does_not_fit(campus)
    number = campus.done("vice", CAMPAIGNS, **DRAWN_UP)["number"]
    path = f"{CAMPAIGNS}/{number}"
    assert refused(campus, "vice", f"{path}/begin", opinion="同意")[0] == 403, "whoever drew it up let it begin"
    begun = campus.done("principal", f"{path}/begin", opinion="同意")
    assert (begun["state"], begun["due_at"][:10], begun["facts"]["phase"]) == ("assigned", "2020-03-06", 0)
    tasks = out_of(campus, begun, "SX")
    assert {code: task["due_at"][:10] for code, task in tasks.items()} == dict.fromkeys(
        DRAWN_UP["departments"], "2020-03-04"
    )
    assert all(links_of(task, "within") == [number] for task in tasks.values())

    hazard, unmarked = opens_inside_and_outside(campus, number)
    # one reports in time, one late, one not at all; the third had nothing asked of it but that
    hand_in(campus, tasks["HQC"], "hqc_head", "fixer")
    campus.on(date(2020, 3, 5))
    assert line_of(campus.get("officer", f"{path}/inside"), "XB1") == {"missing": 1, "silent": True}
    hand_in(campus, tasks["XB1"], "xb1_head", "teacher")
    inside = campus.get("officer", f"{path}/inside")
    assert line_of(inside, "HQC") == {"reported": 1}
    assert line_of(inside, "XB1") == {"late": 1}
    assert line_of(inside, "XB2") == {"missing": 1, "silent": True}
    assert inside["silent"] == ["XB2"]
    assert [phase["standing"] for phase in inside["phases"]] == ["running", "ahead"]
    lists_tell_the_same(campus, number, inside)
    pages_say_so(campus, number, hazard, unmarked)

    # phases end on their day, in their order; each opens its summary
    assert refused(campus, "officer", f"{path}/end_phase", outcome="完成") == (409, "campaign.phase_is_over")
    shorter = [PHASES[0], {**PHASES[1], "last_day": "2020-03-18"}]
    rewritten = [{**PHASES[0], "first_day": "2020-03-01"}, PHASES[1]]
    gone = refused(campus, "vice", f"{path}/adjust_phases", phases=rewritten, reason="改")
    assert gone == (409, "campaign.phases_go_on")
    campus.done("vice", f"{path}/adjust_phases", phases=shorter, reason="提前结束")
    campus.on(date(2020, 3, 6))
    assert refused(campus, "officer", f"{path}/end_last_phase", outcome="完成") == (409, "campaign.is_the_last_phase")
    second = campus.done("officer", f"{path}/end_phase", outcome="自查完成")
    assert (second["state"], second["due_at"][:10], second["facts"]["phase"]) == ("assigned", "2020-03-18", 1)
    more = [{"title": "整改情况报告", "department": "XB2", "due_on": "2020-03-17"}]
    assert refused(campus, "officer", f"{path}/ask_for_reports", reports=[{**more[0], "due_on": "2020-03-19"}]) == (
        409, "campaign.reports_fit",
    )  # fmt: skip
    asked = campus.done("officer", f"{path}/ask_for_reports", reports=more)
    campus.on(date(2020, 3, 18))
    assert refused(campus, "officer", f"{path}/end_phase", outcome="完成") == (409, "campaign.another_phase_follows")
    ended = campus.done("officer", f"{path}/end_last_phase", outcome="整治完成")
    summaries = [n for n in links_of(ended, "child") if n.startswith("XJ-")]
    facts = [campus.get("officer", f"/api/v1/stage_summaries/{n}") for n in summaries]
    assert [(each["facts"]["first_day"], each["facts"]["last_day"]) for each in facts] == [
        ("2020-03-02", "2020-03-06"), ("2020-03-07", "2020-03-18"),
    ]  # fmt: skip
    assert all(links_of(each, "within") == [number] for each in facts)

    ends_when_all_is_done(campus, path, tasks, asked, summaries)
    left_lying = campus.done("vice", CAMPAIGNS, **DRAWN_UP)["number"]
    campus.on(date(2020, 3, 21))
    late = refused(campus, "principal", f"{CAMPAIGNS}/{left_lying}/begin", opinion="同意")
    assert late == (409, "campaign.has_days_left")


def refuses_questions_that_cannot_be_asked(campus: Campus, said: dict[str, Any]) -> None:
    for other, why in (
        ({"departments": ["HQC", "HQC"]}, "survey.each_department_once"),
        ({"questions": [{"text": "选一项", "kind": "choice", "options": "有"}]}, "survey.choices_have_options"),
        ({"questions": [{"text": "几份", "kind": "number", "options": "一；二"}]}, "survey.choices_have_options"),
        ({"due_on": "2020-03-01"}, "joint.day_is_ahead"),
    ):
        assert refused(campus, "officer", SURVEYS, **{**said, **other}) == (409, why)


def answers_by_the_page(campus: Campus, number: str, none: dict[str, str]) -> None:
    let_in(campus, "hqc_head")
    address = f"/cases/{number}/answer"
    drawn = got(campus.client, address)
    assert "4. 存在的困难" in drawn.words and "正在修订" in drawn.words
    filled = {f"answers.{number}": answer for number, answer in none.items()}
    sent = campus.client.post(address, data={**drawn.form(address), **filled})
    assert sent.status_code == 303, sent.text
    assert "没有" in got(campus.client, f"/cases/{number}").words


def reports_inside_by_the_page(campus: Campus, campaign: str) -> None:
    reported = got(campus.client, f"/open/hazard?within={campaign}").form("/report")
    assert reported["within"] == campaign
    said_in_form = {"title": "灭火器过期", "place": "食堂"}
    opened = campus.client.post("/report", data={**reported, **said_in_form})
    number = opened.headers["location"].split("?")[0].rsplit("/", 1)[1]
    assert links_of(campus.get("officer", f"/api/v1/hazards/{number}"), "within") == [campaign]
    campus.client.cookies.clear()


def test_a_survey_knows_who_is_missing_who_was_late_and_who_has_none(campus: Campus) -> None:
    said: dict[str, Any] = {"title": "应急预案体系建设调查", "questions": QUESTIONS, "due_on": "2020-03-06"}
    said["departments"] = ["HQC", "XB1", "XB2", "DZB"]
    refuses_questions_that_cannot_be_asked(campus, said)
    campaign = campus.done("officer", CAMPAIGNS, **{**DRAWN_UP, "reports": []})["number"]
    survey = campus.done("officer", SURVEYS, **said, within=campaign)
    path, each = f"{SURVEYS}/{survey['number']}", out_of(campus, survey, "DCD")
    assert list(each) == said["departments"]
    assert all(links_of(answer, "within") == [campaign] for answer in each.values())
    by_hand = {"title": "自填", "department": "HQC", "questions": QUESTIONS, "due_on": "2020-03-06"}
    assert refused(campus, "officer", ANSWERS, **by_hand) == (409, "survey.comes_out_of_a_survey")

    def at(department: str) -> str:
        return f"{ANSWERS}/{each[department]['number']}"

    none = {"1": "0", "2": "no", "3": "没有", "4": "没有"}
    full = {"1": "3", "2": "yes", "3": "已修订", "4": "缺少演练场地"}
    for wrong, why in (
        ({"1": "0", "2": "no", "3": "没有"}, "survey.every_question_answered"),
        ({**none, "5": "多余"}, "survey.every_question_answered"),
        ({**none, "1": "三份"}, "survey.answers_fit"),
        ({**none, "2": "也许"}, "survey.answers_fit"),
        ({**none, "3": "大概修订了"}, "survey.answers_fit"),
    ):
        assert refused(campus, "hqc_head", f"{at('HQC')}/answer", answers=wrong) == (409, why), wrong
    blank = campus.post("hqc_head", f"{at('HQC')}/answer", answers={**none, "4": " "})
    assert blank.status_code == 422, "blank was taken for an answer"
    assert refused(campus, "xb1_head", f"{at('HQC')}/answer", answers=none)[0] == 403
    answers_by_the_page(campus, each["HQC"]["number"], none)
    reports_inside_by_the_page(campus, campaign)
    campus.done("xb1_safety", f"{at('XB1')}/answer", answers={**full, "1": "2"})
    campus.done("xb1_head", f"{at('XB1')}/correct", answers=full, reason="漏了一份")

    campus.on(date(2020, 3, 7))
    page = campus.get("officer", f"{path}/answers")
    assert [(line["department"], line["came"], line["corrected"]) for line in page["items"]] == [
        ("HQC", "reported", 0), ("XB1", "reported", 1), ("XB2", "missing", 0), ("DZB", "missing", 0),
    ]  # fmt: skip
    assert page["missing"] == ["XB2", "DZB"]
    again = refused(campus, "xb1_head", f"{at('XB1')}/correct", answers=none, reason="又漏了")
    assert again == (409, "survey.day_has_not_passed")
    campus.done("xb2_head", f"{at('XB2')}/answer", answers=full)
    assert refused(campus, "officer", f"{path}/close", conclusion="已汇总") == (409, "survey.every_answer_is_in")
    campus.done("officer", f"{at('XB2')}/send_back", reason="请补充困难")
    assert campus.get("officer", f"{path}/answers")["items"][2]["came"] == "returned", "what was sent back counts as in"
    campus.done("xb2_head", f"{at('XB2')}/answer", answers={**full, "4": "没有"})
    campus.done("head", f"{at('DZB')}/excuse", reason="由安稳办代管")

    merged = campus.get("officer", f"{path}/answers")
    assert [(line["came"], line["answers"], line["waived_for"]) for line in merged["items"]] == [
        ("reported", none, None), ("reported", full, None), ("late", {**full, "4": "没有"}, None),
        ("waived", {}, "由安稳办代管"),
    ]  # fmt: skip
    assert merged["missing"] == []
    assert line_of(campus.get("officer", f"{CAMPAIGNS}/{campaign}/inside"), "XB2") == {"late": 1}
    book = campus.client.get(f"{path}/answers?format=xlsx", headers=campus.headers("officer"))
    rows = list(openpyxl.load_workbook(io.BytesIO(book.content)).worksheets[0].values)
    assert rows[0][:4] == ("部门", "填报情况", "1. 现有应急预案几份", "2. 是否明确了值班领导")
    assert [row[:4] for row in rows[1:]] == [
        ("总务后勤处", "按时报送", "0", "否"), ("机电工程系", "按时报送", "3", "是"), ("信息工程系", "迟报", "3", "是"),
        ("党政办公室", "免报", "", ""),
    ]  # fmt: skip
    shown = campus.client.get(f"/cases/{survey['number']}", headers=campus.headers("officer")).text
    assert "缺少演练场地" in shown and "迟报" in shown and f"{path}/answers?format=xlsx" in shown
    hidden = campus.get("teacher", "/api/v1/survey_answers")["items"]
    assert hidden == [], "who sees no case of the department sees its answers"

    for department in ("HQC", "XB1", "XB2"):
        campus.done("officer", f"{at(department)}/accept")
    assert campus.done("officer", f"{path}/close", conclusion="体系基本建成")["state"] == "closed"
    versions = campus.get("officer", f"{at('XB1')}/events")["items"]
    assert [e["data"]["answers"]["1"] for e in versions if e["trigger"] in ("answer", "correct")] == ["2", "3"]
