"""A node that was not upgraded yet meets cases of loops it does not know: it lists and shows them, takes no step on them, and goes
on with everything else. So does one whose module from outside was removed while it ran.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.definition import Catalog
from engine.handle import Done, handle_one
from engine.store import people, timers
from tests.api.pages import got, sign_in
from tests.builders import PASSWORD, REPAIR, a_password
from tests.builders import School as Names
from tests.databases import Kind
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus
from workflows import CATALOG
from workflows.hazard import HAZARD
from workflows.reference import criteria_for

WHY = {"zh": "此事项由更新版本或已移除的模块建立", "en": "opened by a newer version or by a module that was removed"}
NEXT = {"zh": "升级本程序", "en": "upgrade this program"}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


#: what the newer node carries besides: a later version of hazards, and a module from outside
NEWER = Catalog([*CATALOG.every(), replace(HAZARD, version=99), REPAIR], CATALOG.overseers)


def on_the_newer_node(campus: Campus) -> list[str]:
    """The numbers of a hazard and of a repair that were opened there and given to the fixer."""
    engine = replace(campus.runtime.engine, catalog=NEWER)

    def done(who: str, command: OpenCase | FireTrigger) -> str:
        with campus.runtime.database.read_across() as connection:
            actor = people.actor(connection, SCHOOL, who, campus.today)
        assert actor is not None
        outcome = handle_one(engine, Asked(actor, command))
        assert isinstance(outcome, Done)
        return outcome.case.number

    hazard = done("teacher", OpenCase("hazard", {"title": "插座破损", "place": "教学楼"}))
    assign = {
        "category": "ELEC.wire", "criteria": {each.code: False for each in criteria_for("ELEC.wire")}, "department": "HQC",
        "assignee": "fixer", "time_limit": "days7", "requirement": "更换", "interim": "断电",
    }  # fmt: skip
    done("officer", FireTrigger(hazard, "assign", assign))
    repair = done("teacher", OpenCase("repair", {"title": "水泵异响", "place": "泵房"}))
    done("officer", FireTrigger(repair, "assign", {"assignee": "fixer"}))
    return [hazard, repair]


def test_what_it_does_not_know_is_shown_and_left_alone(campus: Campus) -> None:
    known = campus.hazard("assigned")
    numbers = on_the_newer_node(campus)
    newer = f"/api/v1/hazards/{numbers[0]}"

    # listed and shown, to read
    for who in ("head", "fixer"):
        listed = {item["number"]: item for item in campus.get(who, "/api/v1/cases")["items"]}
        waiting = {item["number"] for item in campus.get(who, "/api/v1/worklist")["items"]}
        assert {*numbers} <= listed.keys() and (who == "head" or {*numbers} <= waiting)
        for number in numbers:
            assert listed[number]["state_title"] == "未知阶段（assigned）" and listed[number]["steps"] == []
    reading = campus.get("fixer", newer)
    assert (reading["steps"], reading["title"]) == ([], "插座破损")
    assert campus.get("fixer", f"{newer}/events")["items"][-1]["trigger"] == "assign"
    for who in ("head", "fixer"):
        a_password(campus.runtime, Names(SCHOOL), who)
        campus.client.cookies.clear()
        sign_in(campus.client, who, PASSWORD)
        campus.client.headers["Accept-Language"] = "zh"
        for address in (
            "/mine",
            "/cases",
            "/overview",
            "/calendar",
            "/trail",
            *(f"/cases/{number}" for number in numbers),
        ):
            words = got(campus.client, address).words
            assert address not in {f"/cases/{number}" for number in numbers} or (
                WHY["zh"] in words and NEXT["zh"] in words
            )

    # no step is taken, and it is said why, in both languages
    before = [campus.record(f"/{number}") for number in numbers]
    said = {"measure": "已更换", "photos_after": [PHOTO]}
    for locale in ("zh", "en"):
        answer = campus.client.post(
            f"{newer}/fix", json=said, headers={**campus.headers("fixer"), "Accept-Language": locale}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "loop_unknown")
        assert WHY[locale] in answer.json()["detail"] and NEXT[locale] in answer.json()["detail"]
    for number in numbers:
        page = campus.client.get(f"/cases/{number}/fix")
        assert page.status_code == 409 and WHY["zh"] in page.text
    merged = campus.post("head", f"{known}/merge", into=numbers[0], reason="同一处")
    assert (merged.status_code, merged.json()["code"]) == (409, "loop_unknown")
    bulk = campus.post("fixer", "/api/v1/hazards/bulk/acknowledge", items=[{"number": numbers[0]}], data={})
    assert bulk.json()["refused"] == 1

    # the rest goes on: reminders of what is known, and of the others none is told or lost
    clock = campus.runtime.clock
    assert isinstance(clock, SimulatedClock)
    with campus.runtime.database.read_across() as connection:
        rungs = {number: timers.waiting(connection, SCHOOL, number) for number in numbers}
    clock.advance_to(clock.now() + timedelta(days=20))
    ticked = campus.runtime.tick()
    assert ticked.failed == []
    campus.runtime.deliver()  # what the newer node has to tell of them is told
    assert any(event["type"] == "reminded" for event in campus.get("head", f"{known}/events")["items"])
    assert [campus.record(f"/{number}") for number in numbers] == before
    with campus.runtime.database.read_across() as connection:
        assert {number: timers.waiting(connection, SCHOOL, number) for number in numbers} == rungs

    # and it is named where one looks for what is stuck
    findings = [f for f in campus.get("head", "/api/v1/check")["findings"] if f["code"] == "loop_unknown"]
    assert {finding["workflow"] for finding in findings} == {"hazard", "repair"}
    assert all(WHY["zh"] in finding["text"] for finding in findings)
    assert date.fromisoformat(findings[0]["since"]) == clock.now().date()
