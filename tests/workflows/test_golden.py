"""Histories of the demo as programs of their time recorded them, one of each loop and version it plays: read today they are
the same cases, their chains hold, and each step is one that its version of the loop still draws.

`golden.jsonl` has a history a line: the events as they stand in the tables (envelope, hash, what it committed to), and the
case they came to. A line is never altered; a new version of a loop gets one of its own, from a demo that plays it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine import audit
from engine.case import Case, fold
from engine.store.history import told_by
from workflows import CATALOG

GOLDEN = [
    json.loads(line) for line in (Path(__file__).parent / "golden.jsonl").read_text(encoding="utf-8").splitlines()
]
EACH = pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden['workflow']} {golden['version']}")


def case_of(golden: dict[str, Any]) -> Case:
    events = golden["events"]
    changes: list[Mapping[str, Any]] = [told_by(json.loads(event["envelope"]), event["entries"])[1] for event in events]
    return fold(changes, last_hash=events[-1]["hash"])


@EACH
def test_the_events_come_to_the_case_they_came_to(golden: dict[str, Any]) -> None:
    told = json.loads(orjson.dumps(case_of(golden).to_json()))
    assert {name: told[name] for name in golden["case"]} == golden["case"]  # a later attribute is none of it


@EACH
def test_each_event_is_what_its_hash_says_and_follows_the_one_before(golden: dict[str, Any]) -> None:
    first = json.loads(golden["events"][0]["envelope"])
    previous = audit.genesis(first["organisation"], first["case"])
    for event in golden["events"]:
        envelope = json.loads(event["envelope"])
        assert envelope["previous"] == previous
        assert audit.envelope_hash(event["envelope"].encode()) == event["hash"]
        for name, entry in event["entries"].items():
            assert audit.commit(bytes.fromhex(entry["salt"]), entry["value"]) == envelope["commitments"][name], name
        previous = event["hash"]


@EACH
def test_each_step_is_one_that_its_version_draws(golden: dict[str, Any]) -> None:
    workflow = CATALOG.get(golden["workflow"], golden["version"])
    assert workflow is not None
    stepped = [json.loads(event["envelope"]) for event in golden["events"]]
    for step in (each for each in stepped if each["trigger"] in workflow.triggers):
        drawn = workflow.transition(step["trigger"], step["from"])
        assert drawn is not None and step["to"] in (drawn.target or step["from"], step["from"])


def test_whatever_loop_the_demo_plays_has_a_history_here() -> None:
    newest = {(workflow.key, workflow.version) for workflow in CATALOG.newest()}
    recorded = {(golden["workflow"], golden["version"]) for golden in GOLDEN}
    played = {key for key, _ in recorded}
    assert {each for each in newest if each[0] in played} <= recorded, "record one with a demo of today"
