"""Notices over the API: a meeting that everybody has to know of, a superior's paper with its day, an accident elsewhere."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SimulatedClock
from engine.events import Notice
from engine.store import outbox, people
from tests.builders import START
from tests.databases import Kind
from tests.journeys.campus import POSTS, SCHOOL, Campus, a_campus

TODAY = "2020-03-02"


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def opened(campus: Campus, kind: str, **more: Any) -> str:
    said = {"title": "安全工作会议", "kind": kind, "dated_on": TODAY, **more}
    return "/api/v1/notices/" + str(campus.done("officer", "/api/v1/notices", **said)["number"])


def conveyed(campus: Campus, kind: str, *audience: str, **more: Any) -> str:
    path = opened(campus, kind, **more)
    campus.done("officer", f"{path}/convey", audience=list(audience), key_points="认真学习，抓好落实")
    return path


def told(campus: Campus, path: str, reason: str) -> list[Notice]:
    with campus.runtime.database.read_across() as connection:
        found = outbox.notices_of(connection, SCHOOL, path.rsplit("/", 1)[1])
    return [notice for notice in found if notice.reason == reason]


def reached(campus: Campus, notice: Notice) -> list[str]:
    """Whom a notice means today."""
    with campus.runtime.database.read_across() as connection:
        found = people.recipients(connection, SCHOOL, notice.case, notice.audience, campus.today)
    return [recipient.person for recipient in found]


def waits_for(campus: Campus, who: str) -> list[str]:
    return [item["number"] for item in campus.get(who, "/api/v1/worklist")["items"]]


def test_a_meeting_is_known_by_everybody_before_it_is_filed(campus: Campus) -> None:
    """Everyone confirms but two; their head hears of them, and of nobody else's; one confirms late, one is excused."""
    path = conveyed(campus, "school_meeting", "everyone")
    number = path.rsplit("/", 1)[1]
    late, sick, elsewhere = "teacher", "second", "clerk"
    assert number in waits_for(campus, late)
    before = campus.get("officer", path)
    assert before["acknowledgement"] == {"asked": len(POSTS), "confirmed": 0, "excused": 0, "missing": len(POSTS)}
    for who in POSTS.keys() - {late, sick, elsewhere}:
        campus.done(who, f"{path}/confirm")
        assert number not in waits_for(campus, who) or who in ("officer", "head")  # who file it once everybody knows
    after = campus.get("officer", path)
    assert after["revision"] == before["revision"], "a confirmation changes nothing that anybody has to read again"
    assert after["acknowledgement"]["missing"] == 3

    again = campus.post("officer", f"{path}/confirm")
    assert again.status_code == 409 and again.json()["guard"] == "not_confirmed_yet"
    early = campus.post("officer", f"{path}/file")
    assert early.status_code == 409 and early.json()["guard"] == "everyone_has_confirmed"

    assert isinstance(campus.runtime.clock, SimulatedClock)
    campus.runtime.clock.advance_to(START + timedelta(days=2, hours=16))  # two working days later, at night
    campus.runtime.tick()
    first = {frozenset(reached(campus, n)): n.about["unconfirmed"] for n in told(campus, path, "receipt")}
    assert first[frozenset({late, sick, elsewhere})]["count"] == 3
    assert first[frozenset({"xb1_head"})] == {"count": 2, "posts": [["第二账号", 1], ["机电系教师", 1]]}
    assert first[frozenset({"xb2_head"})] == {"count": 1, "posts": [["干事", 1]]}
    assert len(first) == 3

    campus.on(date(2020, 3, 5))  # a working day later those who wait for the whole school hear of all three
    campus.runtime.tick()
    assert any(
        "head" in reached(campus, n) and n.about["unconfirmed"]["count"] == 3 for n in told(campus, path, "receipt")
    )

    names = campus.get("xb1_head", f"{path}/addressees?standing=missing&department=XB1")
    assert [item["name"] for item in names["items"]] == ["姓名-second", "姓名-teacher"]
    own = campus.get("teacher", f"{path}/addressees")
    assert [item["person"] for item in own["items"]] == ["teacher"] and own["acknowledgement"]["asked"] == len(POSTS)

    campus.done(late, f"{path}/confirm")
    wrong = campus.post("officer", f"{path}/excuse", persons=[late], reason="在外培训")
    assert wrong.status_code == 422
    campus.done("officer", f"{path}/excuse", persons=[sick], reason="病假")
    with campus.runtime.database.write_across() as connection:  # he leaves the school
        gone = people.person(connection, SCHOOL, elsewhere)
        assert gone is not None
        people.update_person(connection, type(gone)(SCHOOL, elsewhere, gone.name, "XB2", active=False, post=gone.post))
    standings = {
        item["person"]: (item["standing"], item["why"])
        for item in campus.get("officer", f"{path}/addressees?limit=200")["items"]
    }
    assert standings[sick] == ("excused", "病假")
    for who, told_of_it in (("officer", [{"persons": [sick], "reason": "病假"}]), (late, [{}])):
        events = campus.get(who, f"{path}/events")["items"]
        assert [each["data"] for each in events if each["trigger"] == "excuse"] == told_of_it, who
    pack = campus.client.get(f"{path}/evidence", headers=campus.headers(late))
    assert pack.status_code == 403 and "免予确认的理由" in pack.json()["detail"]
    assert campus.client.head(f"{path}/evidence", headers=campus.headers("officer")).status_code == 200
    assert standings[elsewhere] == ("departed", None)
    assert standings[late] == ("confirmed", None)
    filed = campus.done("officer", f"{path}/file")
    assert filed["state"] == "closed" and filed["acknowledgement"]["confirmed"] == len(POSTS) - 2


def test_nobody_knows_of_it_in_anothers_place(campus: Campus) -> None:
    campus.away("teacher", "clerk")
    path = conveyed(campus, "school_meeting", "person:teacher")
    answer = campus.post("clerk", f"{path}/confirm", for_="teacher")
    assert answer.status_code == 403 and answer.json()["reason"] == "oneself"
    assert path.rsplit("/", 1)[1] not in waits_for(campus, "clerk")
    campus.done("teacher", f"{path}/confirm")


AUDIENCES: dict[tuple[str, ...], set[str]] = {
    ("department:HQC",): {"fixer", "hqc_head", "hqc_safety", "acceptor_hqc", "acceptor_hqc2"},
    ("role:dept_head",): {"hqc_head", "xb1_head", "xb2_head"},
    ("group:acceptance_group",): {"acceptor_hqc", "acceptor_hqc2", "acceptor_xb1", "acceptor_xb2"},
    ("role:dept_safety", "person:clerk"): {"hqc_safety", "xb1_safety", "clerk"},
    ("everyone",): set(POSTS),
}
NOBODY: tuple[list[str], ...] = (
    ["department:ABC"],
    ["role:nobody"],
    ["group:none"],
    ["person:nobody"],
    ["all"],
    [],
    ["role:doctor"],
    ["everyone", "department:H\0"],
    ["everyone", "person:inspector@bureau"],  # looks on from outside: nobody who has to know here
)


def test_an_audience_is_who_the_directory_means_today(campus: Campus) -> None:
    for audience, meant in AUDIENCES.items():
        path = conveyed(campus, "roster", *audience)
        items = campus.get("officer", f"{path}/addressees?limit=200")["items"]
        assert {item["person"] for item in items} == meant, audience
    path = opened(campus, "plan")
    for nobody in NOBODY:
        answer = campus.post("officer", f"{path}/convey", audience=nobody, key_points="学习")
        assert answer.status_code == 422, (nobody, answer.text)
    assert campus.get("officer", path)["revision"] == 1


def test_a_superiors_paper_gives_its_day_to_the_tasks_and_ends_with_an_answer(campus: Campus) -> None:
    path = opened(
        campus, "superior_notice", title="关于开展冬季安全检查的通知", document_number="通教〔2020〕3号",
        reply_by="2020-03-13",
    )  # fmt: skip
    task = {"title": "检查锅炉房", "department": "HQC"}
    too_late = campus.post(
        "officer", f"{path}/convey", audience=["role:dept_head"], key_points="检查",
        tasks=[{**task, "due_on": "2020-03-20"}],
    )  # fmt: skip
    assert too_late.status_code == 409 and too_late.json()["guard"] == "notice.tasks_have_a_day"
    case = campus.done("officer", f"{path}/convey", audience=["role:dept_head"], key_points="检查", tasks=[task])
    assert case["due_at"] == "2020-03-13T15:59:59Z"
    [child] = [link["number"] for link in case["links"] if link["kind"] == "child"]
    given = campus.get("hqc_head", f"/api/v1/tasks/{child}")
    assert (given["due_at"], given["facts"]["basis"]) == (case["due_at"], "通教〔2020〕3号")
    assert {"kind": "parent", "number": path.rsplit("/", 1)[1]} in given["links"]

    at = f"/api/v1/tasks/{child}"
    early = campus.post("officer", f"{path}/carry_out", done="已检查")
    assert early.status_code == 409 and early.json()["guard"] == "notice.tasks_are_done"
    campus.done("hqc_head", f"{at}/assign", assignee="fixer")
    campus.done("fixer", f"{at}/fix", done="锅炉运行正常")
    campus.done("officer", f"{at}/verify", finding="属实")
    campus.done("head", f"{at}/approve")
    campus.done("officer", f"{path}/carry_out", done="各部门已检查")
    silent = campus.post("officer", f"{path}/report_back")
    assert silent.status_code == 409 and silent.json()["guard"] == "notice.asked_for_is_answered"
    campus.done("officer", f"{path}/report_back", reply="已全面检查，未发现重大隐患")
    waiting = campus.post("head", f"{path}/close", opinion="同意")
    assert waiting.status_code == 409 and waiting.json()["guard"] == "everyone_has_confirmed"
    for who in ("hqc_head", "xb1_head", "xb2_head"):
        campus.done(who, f"{path}/confirm")
    assert campus.post("officer", f"{path}/close", opinion="同意").status_code == 403
    assert campus.done("head", f"{path}/close", opinion="同意")["state"] == "closed"


def test_an_accident_elsewhere_opens_a_comparison_at_every_place_of_its_kind(campus: Campus) -> None:
    path = opened(campus, "accident", title="某校实验室火灾通报", reply_by=None)
    said: dict[str, Any] = {"audience": ["role:dept_safety"], "key_points": "举一反三"}
    bare = campus.post("officer", f"{path}/convey", **said)
    assert bare.status_code == 409 and bare.json()["guard"] == "notice.accident_is_compared"
    items = [
        {"title": "易燃品是否专柜存放", "category": "LABT.chem"},
        {"title": "灭火器是否有效", "category": "FIRE.equip"},
    ]
    sites: Any = [{"department": "XB1", "place": "机电实训室"}, {"department": "HQC", "place": "油漆库"}]
    case = campus.done("officer", f"{path}/convey", **said, items=items, sites=sites)
    checks = [campus.get("officer", f"/api/v1/comparisons/{link['number']}") for link in case["links"]]
    assert [(c["place"], c["department"]) for c in checks] == [("机电实训室", "XB1"), ("油漆库", "HQC")]
    assert {c["due_at"] for c in checks} == {"2020-03-09T15:59:59Z"}  # five working days
    at = f"/api/v1/comparisons/{checks[0]['number']}"
    answers: dict[str, Any] = {"1": {"result": "na"}, "2": {"result": "fail", "note": "压力不足"}}
    silent = campus.post("xb1_safety", f"{at}/submit", answers=answers, summary="已检查")
    assert silent.status_code == 409 and silent.json()["guard"] == "inspection.na_has_a_reason"
    answers["1"]["note"] = "本室不用易燃品"
    submitted = campus.done("xb1_safety", f"{at}/submit", answers=answers, summary="已检查")
    [hazard] = [link["number"] for link in submitted["links"] if link["kind"] == "child"]
    found = campus.get("officer", f"/api/v1/hazards/{hazard}")
    assert (found["title"], found["place"], found["department"], found["facts"]["source"]) == (
        "灭火器是否有效——压力不足", "机电实训室", "XB1", "superior",
    )  # fmt: skip
    assert campus.done("xb1_head", f"{at}/sign", opinion="情况属实")["state"] == "closed"
    open_still = campus.post("officer", f"{path}/carry_out", done="已对照")
    assert open_still.json()["guard"] == "notice.tasks_are_done"  # the other place has not looked yet
