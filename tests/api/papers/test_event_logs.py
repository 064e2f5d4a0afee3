"""Everything on record, handed over: what the formats ask for holds, and nothing is lost, added or told that should not be."""

import io
import json
from collections import Counter
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api.bootstrap import Runtime
from api.papers.lines import write_lines
from api.papers.ocel import write_ocel
from engine import sealing
from engine.actor import system
from engine.events import LOGBOOK
from engine.handle import note
from engine.store import history, trail
from engine.store.database import Database, table_of
from engine.store.tables import DisclosureRow
from tests.api.papers.pack.packs import a_repair
from tests.builders import School, a_school

_disclosures = table_of(DisclosureRow)
Log = dict[str, Any]


def size_of(database: Database, organisation: str = "school") -> int:
    sealing.number(database, organisation)
    with database.read(organisation) as connection:
        return trail.size(connection, organisation)


def ocel_of(database: Database, organisation: str = "school", **given: Any) -> Log:
    size, file = size_of(database, organisation), io.BytesIO()
    write_ocel(database, organisation, size, file, **given)
    log: Log = json.loads(file.getvalue())
    assert_follows_the_format(log)
    return log


def lines_of(database: Database, organisation: str = "school", **given: Any) -> list[Log]:
    size, file = size_of(database, organisation), io.BytesIO()
    assert write_lines(database, organisation, size, file, **given) == size
    return [json.loads(line) for line in file.getvalue().splitlines()]


def said(item: Log) -> dict[str, str]:
    """The last value of each attribute."""
    return {each["name"]: each["value"] for each in item["attributes"]}


def related(item: Log) -> set[tuple[str, str]]:
    return {(each["qualifier"], each["objectId"]) for each in item["relationships"]}


# --- the rules of OCEL 2.0 in JSON, written out ----------------------------------------------------------------------------


def assert_follows_the_format(log: Log) -> None:
    assert set(log) == {"objectTypes", "eventTypes", "objects", "events"}
    types = {}
    for kind in ("objectTypes", "eventTypes"):
        names = [each["name"] for each in log[kind]]
        assert len(names) == len(set(names))
        types[kind] = {each["name"]: {a["name"]: a["type"] for a in each["attributes"]} for each in log[kind]}
        for each in log[kind]:
            assert len(each["attributes"]) == len(types[kind][each["name"]]), "no attribute is declared twice"
            assert set(types[kind][each["name"]].values()) <= {"string", "time", "integer", "float", "boolean"}
    for items, kind in (("objects", "objectTypes"), ("events", "eventTypes")):
        ids = [each["id"] for each in log[items]]
        assert len(ids) == len(set(ids))
        assert {each["type"] for each in log[items]} == set(types[kind]), (
            "what is declared is there, and the other way round"
        )
        for each in log[items]:
            for attribute in each["attributes"]:
                assert_is_of(types[kind][each["type"]][attribute["name"]], attribute["value"])
    for event in log["events"]:
        assert_is_of("time", event["time"])
        assert event["relationships"], "an event of nothing is of no use"
        assert len(said(event)) == len(event["attributes"]), "an event says each thing once"
    for one in log["objects"]:
        for attribute in one["attributes"]:
            assert_is_of("time", attribute["time"])
        at = [(each["name"], each["time"]) for each in one["attributes"]]
        assert sorted(at, key=lambda each: each[1]) == at, "changes come in the order of time"
    there = {each["id"] for each in log["objects"]}
    for each in (*log["objects"], *log["events"]):
        assert {target for _, target in related(each)} <= there
        assert len(related(each)) == len(each["relationships"])
    met = {target for event in log["events"] for _, target in related(event)}
    assert met == there, "readers leave out an object that no event is about"


def assert_is_of(kind: str, value: object) -> None:
    assert isinstance(value, str), "the format's schema takes text alone, whatever it stands for"
    if kind == "time":
        assert datetime.fromisoformat(value).tzinfo is not None
    elif kind == "integer":
        assert str(int(value)) == value
    elif kind == "boolean":
        assert value in {"true", "false"}


# --- OCEL ------------------------------------------------------------------------------------------------------------------


def test_a_case_is_an_object_with_each_change_and_its_time(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    number = a_repair(client, school, "插座松动", "A-101")
    log = ocel_of(runtime.database)
    [case] = [each for each in log["objects"] if each["type"] == "repair"]
    assert case["id"] == number
    states = [each["value"] for each in case["attributes"] if each["name"] == "state"]
    assert states == ["reported", "assigned", "fixed", "verified"]
    assert said(case) | {"title": "插座松动", "final": "false", "version": "1"} == said(case)
    assert related(case) == {
        ("responsible", "department:HQC"),
        ("reporter", "person:teacher"),
        ("assignee", "person:repairer"),
    }


def test_an_event_says_who_did_what_to_which_case(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = a_repair(client, school, "插座松动", "A-101")
    log = ocel_of(runtime.database)
    assert [each["type"] for each in log["events"]] == ["repair.opened", "repair.assign", "repair.fix", "repair.verify"]
    fix = log["events"][2]
    assert fix["id"] == f"{number}#3"
    assert said(fix) | {"data.done": "已更换", "from_state": "assigned", "to_state": "fixed", "sequence": "3"} == said(
        fix
    )
    assert related(fix) == {
        ("case", number), ("department", "department:HQC"), ("assignee", "person:repairer"), ("actor", "person:repairer"),
    }  # fmt: skip
    types = {each["name"]: {a["name"]: a["type"] for a in each["attributes"]} for each in log["eventTypes"]}
    assert types["repair.assign"]["data.urgency"] == "integer"
    assert types["repair.opened"]["data.photos"] == "string"
    assert json.loads(said(log["events"][0])["data.photos"])[0].isalnum()


def test_people_are_told_by_name_only_when_that_is_asked_for(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_repair(client, school, "插座松动", "A-101")
    keys, names = ocel_of(runtime.database), ocel_of(runtime.database, with_names=True)
    assert "维修人员" not in json.dumps(keys, ensure_ascii=False)
    [person] = [each for each in names["objects"] if each["id"] == "person:repairer"]
    assert said(person)["name"] == "维修人员"
    assert related(person) == {("member_of", "department:HQC")}
    assert "actor_name" not in lines_of(runtime.database)[0]
    assert lines_of(runtime.database, with_names=True)[0]["actor_name"] == "教师"


def test_what_was_cleared_is_in_neither(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = a_repair(client, school, "插座松动", "A-101", done="张三已更换")
    here = (_disclosures.c.number == number) & (_disclosures.c.sequence == 3)
    with runtime.database.write("school") as connection:
        entries = dict(connection.execute(_disclosures.select().where(here)).one().entries)
        entries["kept.facts.done"] = {"erased": 1, "value": None}
        connection.execute(update(_disclosures).where(here).values(entries=entries))
    log, lines = ocel_of(runtime.database), lines_of(runtime.database)
    assert "张三" not in json.dumps([log, lines], ensure_ascii=False)
    assert "data.done" not in said(log["events"][2])
    assert lines[2]["cleared"] == ["kept.facts.done"]


def test_each_school_hands_over_its_own(client: httpx.Client, runtime: Runtime, school: School) -> None:
    other = a_school(runtime.database, "other")
    a_repair(client, school, "插座松动", "A-101")
    a_repair(client, other, "对方的事", "对方的楼")
    assert "对方" not in json.dumps([ocel_of(runtime.database), lines_of(runtime.database)], ensure_ascii=False)
    assert len(ocel_of(runtime.database, "other")["events"]) == 4


def test_a_log_of_nothing_is_one(runtime: Runtime, school: School) -> None:
    note(runtime.engine, system("school"), "exported", {"what": "ledger"})
    assert ocel_of(runtime.database) == {"objects": [], "objectTypes": [], "eventTypes": [], "events": []}
    assert [line["case"] for line in lines_of(runtime.database)] == [LOGBOOK]


def test_what_comes_meanwhile_is_left_for_the_next_time(client: httpx.Client, runtime: Runtime, school: School) -> None:
    """Both passes end where the first began: no event of a case that is not there, no case without its events."""
    a_repair(client, school, "插座松动", "A-101")
    size, file = size_of(runtime.database), io.BytesIO()
    a_repair(client, school, "后来的事", "B-202")
    size_of(runtime.database)
    write_ocel(runtime.database, "school", size, file)
    log = json.loads(file.getvalue())
    assert_follows_the_format(log)
    assert len(log["events"]) == 4 and "后来的事" not in file.getvalue().decode()


@pytest.mark.slow
def test_the_campaign_is_handed_over_whole(campaign_database: Database) -> None:
    """A whole school: ten loops, plans, deferrals, signatures, reminders, cases bound to others."""
    log, lines = ocel_of(campaign_database, "nantong"), lines_of(campaign_database, "nantong")
    assert len(log["events"]) == sum(line["case"] != LOGBOOK for line in lines)
    assert {each["id"] for each in log["events"]} == {
        f"{line['case']}#{line['sequence']}" for line in lines if line["case"] != LOGBOOK
    }
    kinds = Counter(each["type"] for each in log["objects"])
    loops = {
        "hazard",
        "drill",
        "inspection",
        "notice",
        "task",
        "comparison",
        "weekly",
        "daily",
        "portal",
        "hazard_report",
        "bulletin",
    }
    assert {*loops, "department", "person"} == set(kinds)
    assert kinds["hazard"] == len({line["case"] for line in lines if line["case"].startswith("YH-")})
    bound = {qualifier for each in log["objects"] for qualifier, _ in related(each)}
    assert {"merged_into", "rebound_of", "parent", "responsible", "member_of"} <= bound


# --- JSON Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_has_all_an_event_says(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = a_repair(client, school, "插座松动", "A-101")
    lines = lines_of(runtime.database)
    with runtime.database.read("school") as connection:
        events = history.events_of(connection, "school", number)
    assert [line["position"] for line in lines] == [0, 1, 2, 3]
    for line, event in zip(lines, events, strict=True):
        assert (line["case"], line["sequence"], line["type"], line["trigger"]) == (
            number, event.sequence, event.type, event.trigger,
        )  # fmt: skip
        assert datetime.fromisoformat(line["recorded_at"]) == event.recorded_at
        assert (line["data"], line["changes"], line["hash"]) == (event.data, event.changes, event.hash)
        assert "commitments" not in line
