"""What `check` calls a dead corner is one: the case is played through the real engine, and then nobody can take it on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.actor import Visibility
from engine.case import FIVE_STATES, Case
from engine.clock import SimulatedClock
from engine.commands import Asked, FireTrigger, OpenCase
from engine.directory import Directory
from engine.errors import NotAllowed
from engine.handle import Done, Engine, handle_one, offers
from engine.proof import Known, check
from engine.store import cases, files, people, worklists
from engine.store.worklists import Filter
from engine.tick import tick
from tests.builders import START, an_engine
from tests.databases import Kind
from tests.engine.proof.corners import write_down
from tests.engine.proof.test_twenty_corners import CORNERS, Corner
from workflows import CATALOG
from workflows.reference import criteria_for

PHOTO = "a" * 64
KNOWN = Known()  # of the broken schools: both kinds of database hold the same ones
Step = tuple[str, str, dict[str, Any]]  # who, trigger, what he writes

REPORT: Step = ("xb5_teacher", "open", {"title": "插座面板破损", "place": "实训车间"})
EXTENSION: list[Step] = [
    ("xb5_teacher", "ask_extension", {"new_date": "2020-03-25", "reason": "等待备件", "interim": "断电挂牌"}),
    ("vice", "grant_extension", {"opinion": "同意"}),
]
PLAN: list[Step] = [
    (
        "xb5_head", "file_plan",
        {"responsible_person": "xb5_head", "measures": "更换整层线路", "fund": "8 万元", "due_date": "2020-03-20", "emergency_plan": "停用"},
    ),
    ("principal", "approve_plan", {"opinion": "同意"}),
]  # fmt: skip


def assigned(to: str, by: str = "head", *, major: bool = False) -> Step:
    answers = {
        criterion.code: major and criterion.code == "general.needs_stop" for criterion in criteria_for("ELEC.wire")
    }
    return by, "assign", {
        "category": "ELEC.wire", "criteria": answers, "department": "XB5", "assignee": to,
        "time_limit": "plan" if major else "days15", "requirement": "更换面板", "interim": "断电挂牌",
    }  # fmt: skip


def fixed(by: str) -> Step:
    return by, "fix", {"measure": "已更换", "photos_after": [PHOTO]}


def verified(by: str) -> Step:
    return by, "verify", {"finding": "现场合格"}


#: corner → its loop, what happens, days that pass after it
STORIES: list[tuple[str, str, list[Step], int]] = [
    (
        "the only safety officer is the only one who verifies", "hazard",
        [REPORT, assigned("xb5_safety"), fixed("xb5_safety")], 0,
    ),
    (
        "safety head and vice-principal are one person of the department", "hazard",
        [REPORT, assigned("head", by="staff"), fixed("head"), verified("staff")], 0,
    ),
    (
        "an acceptance group of two, one of whom fixed it", "hazard",
        [REPORT, assigned("xb5_head", major=True), *PLAN, fixed("xb5_head"), verified("staff")], 0,
    ),
    (
        "the only verifier is the only approver", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("vice")], 0,
    ),
    (
        "verifier and approver are two accounts of one human being", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("staff")], 0,
    ),
    (
        "the approver goes away without a delegate", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("staff")], 14,
    ),
    (
        "the delegate is the one who fixed it", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("staff")], 14,
    ),
    (
        "two are away and stand in for each other", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("staff")], 14,
    ),
    (
        "a term that ends without a successor", "hazard",
        [REPORT, assigned("xb5_teacher"), *EXTENSION, fixed("xb5_teacher"), verified("staff")], 30,
    ),
    ("nobody to hand in the inspection", "inspection", [], 0),
    (
        "nobody to review a drill", "drill",
        [
            ("head", "open", {"title": "疏散演练", "plan_name": "消防应急预案", "place": "实训车间", "department": "XB5", "planned_on": "2020-03-02"}),
            ("head", "announce", {"assignee": "head", "arrangement": "全系疏散"}),
            ("head", "hold", {"held_on": "2020-03-02", "evacuation_seconds": 90, "should_attend": 40, "attended": 40, "course": "有序", "photos": [PHOTO]}),
        ], 0,
    ),
]  # fmt: skip
BY_NAME = {corner.name: corner for corner in CORNERS}


class Play:
    """A school in a database, and one case of it."""

    def __init__(self, folder: Path, kind: Kind, school: Directory) -> None:
        self.clock = SimulatedClock(START)
        self.engine: Engine = an_engine(folder, kind, self.clock, CATALOG)
        with self.engine.database.write_across() as connection:
            write_down(connection, school)
            for sender in school.people:
                files.add(connection, files.FileRecord("school", PHOTO, "image/png", 1, START), f"person:{sender}")
        self.number = ""

    def take(self, step: Step, workflow: str) -> None:
        who, trigger, data = step
        with self.engine.database.read_across() as connection:
            actor = people.actor(connection, "school", who, START.date())
        assert actor is not None
        command = OpenCase(workflow, data) if trigger == "open" else FireTrigger(self.number, trigger, data)
        done = handle_one(self.engine, Asked(actor, command))
        assert isinstance(done, Done)
        self.number = done.case.number

    def case(self) -> Case:
        with self.engine.database.read_across() as connection:
            case = cases.load(connection, "school", self.number)
        assert case is not None
        return case

    def ways_on(self) -> dict[str, list[str]]:
        """Step towards the end → who of those present may take it. Whoever is kept from it is so by the rules on people."""
        case = self.case()
        here = FIVE_STATES.index(case.counts_as)
        loop = self.engine.catalog.of(case)
        found: dict[str, list[str]] = {}
        today = self.clock.now().date()
        with self.engine.database.read_across() as connection:
            directory = people.directory(connection, "school")
            for person in directory.people:
                actors = people.actors(connection, "school", person, today)
                if not actors or directory.away(person, today):
                    continue
                for offer in offers(self.engine, connection, actors, case):
                    target = loop.state(offer.transition.target or case.state)
                    if FIVE_STATES.index(target.counted) <= here or (target.final and target.counts_as):
                        continue
                    able = found.setdefault(offer.transition.trigger, [])
                    if offer.why_not is None:
                        able.append(person)
                    else:
                        assert isinstance(offer.why_not, NotAllowed), offer.why_not
        return found


@pytest.fixture
def play(request: pytest.FixtureRequest, tmp_path: Path, kind: Kind) -> Iterator[Play]:
    made = Play(tmp_path, kind, request.param.broken)
    yield made
    made.engine.database.close()


@pytest.mark.parametrize(
    "play, corner, workflow, story, days",
    [(BY_NAME[name], BY_NAME[name], workflow, story, days) for name, workflow, story, days in STORIES],
    indirect=["play"],
    ids=[row[0] for row in STORIES],
)
def test_nobody_present_can_take_the_case_on(
    play: Play, corner: Corner, workflow: str, story: list[Step], days: int
) -> None:
    for step in story:
        play.take(step, workflow)
    if not story:
        assert tick(play.engine).opened == 1
        with play.engine.database.read_across() as connection:
            [waiting] = worklists.all_open(connection, Visibility("school", everything=True), Filter(), START)
        play.number = waiting.number
    play.clock.advance(timedelta(days=days))
    ways = play.ways_on()
    assert ways and not any(ways.values()), ways
    blocked = {
        finding.step for finding in check(corner.asked(corner.broken), remedies=False, known=KNOWN) if finding.stuck
    }
    assert blocked & set(ways), "what nobody can take is the step that was named"
