"""Cross and group inspections over the API: drawn from a seed nobody chose, handed in, issued as one list that makes hazards."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.store import files
from tests.builders import START
from tests.databases import Kind
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus
from workflows.reference import checklists, criteria_for

INSPECTED_BY = "2020-03-13"  # a Friday
TAKEN_THERE = "c" * 64
LOOPS = {"JJD": "cross_checks", "FZD": "group_checks", "YH": "hazards"}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def out_of(campus: Campus, case: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The cases of one loop that came out of this one."""
    links = [link["number"] for link in case["links"] if link["kind"] == "child"]
    mine = [number for number in links if number.startswith(f"{prefix}-")]
    return [campus.get("officer", f"/api/v1/{LOOPS[prefix]}/{number}") for number in mine]


def answers(check: dict[str, Any], photo: str = PHOTO, **failed: str) -> dict[str, Any]:
    """Every item passes but those named; `office_01="堆物"`."""
    items = [item.code for code in check["facts"]["checklists"] for item in checklists()[code].items]
    told: dict[str, Any] = {code: {"result": "pass"} for code in items}
    told |= {name.replace("_", "."): {"result": "fail", "note": note} for name, note in failed.items()}
    return {"answers": told, "photos": {name.replace("_", "."): photo for name in failed}, "summary": "已检查"}


def order_of_the_draw(seed: str, members: list[str]) -> list[str]:
    return sorted(members, key=lambda name: hashlib.sha256(seed.encode() + b"\0" + name.encode()).hexdigest())


def refused(campus: Campus, who: str, path: str, **body: Any) -> tuple[int, str]:
    answer = campus.post(who, path, **body)
    return answer.status_code, answer.json().get("guard") or answer.json()["code"]


def test_departments_inspect_each_other_and_the_list_makes_hazards(campus: Campus) -> None:
    loop = "/api/v1/cross_inspections"
    said: dict[str, Any] = {"title": "3 月交叉检查", "due_on": INSPECTED_BY}
    assert refused(campus, "officer", loop, **said) == (409, "cross.departments_are_known")
    twice = {**said, "departments": ["HQC", "XB1", "HQC"]}
    assert refused(campus, "officer", loop, **twice) == (409, "cross.departments_are_known")
    late = {**said, "departments": ["HQC", "XB1"], "due_on": "2020-03-01"}
    assert refused(campus, "officer", loop, **late) == (409, "joint.day_is_ahead")
    path = f"{loop}/" + campus.done("officer", loop, **said, departments=["HQC", "XB1", "XB2"])["number"]
    assert refused(campus, "officer", f"{path}/go_on") == (409, "cross.goes_on_with_a_draw")
    chosen = campus.post("officer", f"{path}/draw", seed="0" * 64)
    assert chosen.status_code == 422 and "由系统抽取" in chosen.text
    assert refused(campus, "hqc_head", f"{path}/draw")[0] == 403
    drawn = campus.done("officer", f"{path}/draw")

    facts = drawn["facts"]
    first, second, third = order_of_the_draw(facts["seed"], ["HQC", "XB1", "XB2"])  # the empty seat is behind them
    assert (facts["pairs"], facts["resting"], drawn["due_at"][:10]) == ([[second, third]], first, "2020-03-18")
    event = campus.get("officer", f"{path}/events")["items"][-1]
    assert (event["trigger"], event["data"]["seed"]) == ("draw", facts["seed"])
    both = out_of(campus, drawn, "JJD")
    with campus.runtime.database.write_across() as connection:  # by the inspector alone, not by who issues the list
        files.add(connection, files.FileRecord(SCHOOL, TAKEN_THERE, "image/png", 1, START), "person:clerk")
    assert {(c["department"], c["facts"]["inspected"]) for c in both} == {(second, third), (third, second)}
    assert {c["due_at"][:10] for c in both} == {INSPECTED_BY}

    assert refused(campus, "head", f"{path}/issue", requirement="限期整改") == (409, "joint.every_check_is_in")
    by_hand = {
        "title": "自查", "place": "实训楼", "department": "XB1", "inspected": "XB1", "checklists": ["office"],
        "due_on": INSPECTED_BY,
    }  # fmt: skip
    assert refused(campus, "officer", "/api/v1/cross_checks", **by_hand) == (409, "joint.comes_out_of_a_draw")
    offered = [
        campus.client.get(f"/open/{name}", headers=campus.headers("officer"))
        for name in ("cross_inspection", "cross_check")
    ]
    assert [page.status_code for page in offered] == [200, 404]  # and no page offers it
    for check in both:
        at, inspecting = f"/api/v1/cross_checks/{check['number']}", check["department"]
        campus.give("second", "dept_safety", inspecting)
        campus.move("second", check["facts"]["inspected"])
        own = refused(campus, "second", f"{at}/submit", **answers(check))
        assert own == (409, "cross.inspector_is_of_another_department")
        campus.give("clerk", "dept_safety", inspecting)
        campus.move("clerk", inspecting)
        item = next(code for code in answers(check)["answers"]).replace(".", "_")
        found = campus.done("clerk", f"{at}/submit", **answers(check, TAKEN_THERE, **{item: "堆放杂物"}))
        assert not [link for link in found["links"] if link["kind"] == "child"], "a hazard before the list was issued"
        assert refused(campus, "clerk", f"{at}/sign", opinion="属实")[0] == 403
        campus.done("officer", f"{at}/sign", opinion="情况属实")

    campus.on(date(2020, 3, 11))
    assert refused(campus, "officer", f"{path}/issue", requirement="限期整改")[0] == 403
    issued = campus.done("head", f"{path}/issue", requirement="限期整改")
    hazards = out_of(campus, issued, "YH")
    assert (issued["state"], issued["facts"]["findings"], len(hazards)) == ("issued", 2, 2)
    assert {h["department"] for h in hazards} == {second, third}
    assert {(h["state"], h["facts"]["source"], h["opened_at"][:10]) for h in hazards} == {
        ("reported", "cross", "2020-03-11")
    }
    assert all(h["facts"]["photos"] == [TAKEN_THERE] for h in hazards)

    # assigned two days later, the limit counts from the day the list was issued, and says so
    campus.on(date(2020, 3, 13))
    at, holders = f"/api/v1/hazards/{hazards[0]['number']}", {"HQC": "fixer", "XB1": "xb1_head", "XB2": "xb2_head"}
    category = hazards[0]["category"]
    assigned = campus.done(
        "officer", f"{at}/assign", category=category, criteria={c.code: False for c in criteria_for(category)},
        department=hazards[0]["department"], assignee=holders.get(hazards[0]["department"], "officer"),
        time_limit="days7", requirement="更换", interim="挂牌",
    )  # fmt: skip
    assert (assigned["version"], assigned["due_at"]) == (5, "2020-03-20T15:59:59Z")
    page = campus.client.get(f"/cases/{hazards[0]['number']}", headers=campus.headers("officer")).text
    assert "限期自 2020 年 3 月 11 日印发之日起算" in page
    forged = campus.post("teacher", "/api/v1/hazards", title="插座", place="走廊", limit_from="2020-01-01")
    assert forged.status_code == 409 and forged.json()["guard"] == "hazard.days_come_from_what_opened_it"


def test_the_next_round_goes_on_with_the_draw_and_no_pair_comes_again(campus: Campus) -> None:
    loop, met, before = "/api/v1/cross_inspections", [], None
    for month in range(3):
        said: dict[str, Any] = {"title": f"第 {month + 1} 轮", "due_on": INSPECTED_BY, "follows": before}
        said |= {"departments": ["HQC", "XB1", "XB2", "DZB"]} if before is None else {}
        number = campus.done("officer", loop, **said)["number"]
        if before is not None:
            early = {"title": "再接续", "due_on": INSPECTED_BY, "follows": before}
            assert refused(campus, "officer", loop, **early) == (409, "cross.follows_the_newest_round")
            assert refused(campus, "officer", f"{loop}/{number}/draw") == (409, "cross.begins_a_draw")
        drawn = campus.done("officer", f"{loop}/{number}/{'draw' if before is None else 'go_on'}")
        assert drawn["facts"]["round"] == month
        met += [frozenset(pair) for pair in drawn["facts"]["pairs"]]
        before = number
    assert len(set(met)) == len(met) == 6  # of four departments everybody has met everybody
    with_names = {"title": "换部门", "due_on": INSPECTED_BY, "follows": before, "departments": ["HQC", "XB1"]}
    assert refused(campus, "officer", loop, **with_names) == (409, "cross.departments_are_known")


def test_every_area_falls_to_one_group_and_coverage_is_live(campus: Campus) -> None:
    loop = "/api/v1/group_inspections"
    places = [f"实训楼 {n} 层" for n in range(1, 6)]
    areas = [{"place": place, "department": "XB1"} for place in places]
    said: dict[str, Any] = {"title": "开学前分组排查", "due_on": INSPECTED_BY}
    for told, why in (
        ({"areas": [*areas, areas[0]], "leaders": ["fixer"]}, "group.each_area_once"),
        ({"areas": areas, "leaders": ["fixer", "fixer"]}, "group.each_group_has_a_leader_and_an_area"),
        ({"areas": areas[:1], "leaders": ["fixer", "clerk"]}, "group.each_group_has_a_leader_and_an_area"),
    ):
        assert refused(campus, "officer", loop, **said, **told) == (409, why)
    opened = campus.done("officer", loop, **said, areas=areas, leaders=["fixer", "clerk"])
    path = f"{loop}/{opened['number']}"
    assert campus.get("officer", path)["coverage"] is None
    drawn = campus.done("officer", f"{path}/draw")
    order = order_of_the_draw(drawn["facts"]["seed"], places)
    assert drawn["facts"]["groups"] == [order[0::2], order[1::2]]
    each = out_of(campus, drawn, "FZD")
    assert sorted(c["place"] for c in each) == places
    assert {(c["place"], c["assignee"], c["facts"]["group"]) for c in each} == {
        *((place, "fixer", 1) for place in order[0::2]),
        *((place, "clerk", 2) for place in order[1::2]),
    }

    for n, check in enumerate(each):
        at, leader = f"/api/v1/group_checks/{check['number']}", check["assignee"]
        if n == 0:
            assert refused(campus, "xb1_safety", f"{at}/submit", **answers(check))[0] == 403
            campus.done("officer", f"{at}/change_leader", assignee="teacher", reason="原组长请假")
            leader = "teacher"
        item = {next(iter(answers(check)["answers"])).replace(".", "_"): "堆放杂物"} if n < 2 else {}
        if n == 4:
            campus.done("head", f"{at}/call_off", reason="封闭施工")
            continue
        campus.done(leader, f"{at}/submit", **answers(check, **item))
        assert campus.get("officer", path)["coverage"] == {"due": 5, "visited": n + 1}
        campus.done("officer", f"{at}/sign", opinion="属实")
    assert campus.get("officer", path)["coverage"] == {"due": 4, "visited": 4}  # nobody visits what was called off
    page = campus.client.get(f"/cases/{opened['number']}", headers=campus.headers("officer")).text
    assert "<strong>4/4</strong>" in page and drawn["facts"]["seed"] in page
    issued = campus.done("vice", f"{path}/issue", requirement="限期整改")
    hazards = out_of(campus, issued, "YH")
    assert [(h["place"], h["department"], h["facts"]["source"]) for h in hazards] == [
        (check["place"], "XB1", "group") for check in each[:2]
    ]
