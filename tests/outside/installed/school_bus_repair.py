"""The repair of school buses 校车维修: from the report to the bus back on the road, with spare parts on order."""

from typing import Annotated  # noqa: I001  # a line for each name of the engine would say no more

from pydantic import Field

from engine.case import Case
from engine.definition import (
    Day, DepartmentRef, Effect, FileRef, Form, FromFact, Line, PersonRef, Policy, State, Transition, Within, Words, Workflow, asks,
)  # fmt: skip
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.ladders import OFFICE_LADDER, OVERDUE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE


class ReportBus(Form):
    title: Line = asks("故障", "What is wrong with it")
    place: Line = asks("车牌号", "Number plate")
    department: DepartmentRef = asks("管车部门", "Department in charge of it")
    photos: Annotated[list[FileRef], Field(max_length=9)] = asks("照片", "Photos", default_factory=list)


class AssignBus(Form):
    assignee: PersonRef = asks("维修负责人", "Who sees to it")


class OrderParts(Form):
    parts: Words = asks("所订配件", "Parts that were ordered")
    ordered_on: Day = asks("订货日期", "Ordered on")
    expected_on: Day = asks("预计到货", "Expected on")


class FixBus(Form):
    done: Words = asks("维修情况", "What was done")


class ReturnBus(Form):
    reason: Words = asks("退回理由", "Why it goes back")


class BusPolicy(Policy):
    fix_workdays: Annotated[int, Field(ge=1, le=30)] = asks("维修工作日", "Working days to repair it", default=3)


@guard(
    "bus_repair.expected_after_ordered", reads_form=True, remedy=Text("请改正日期", "Correct the days"),
    obstacle=Text("预计到货早于订货日期", "the parts are expected before they were ordered"),
)  # fmt: skip
def expected_after_ordered(s: Situation) -> bool:
    return bool(s.data["ordered_on"] <= s.data["expected_on"])


def waits_for_the_parts(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"limit": {"until": s.data["expected_on"]}}))


REPAIRER, RELEASES = ("assignee",), ("safety_head", "vp_safety", *LEADERS)
BUS_REPAIR = Workflow(
    key="bus_repair", plural="bus_repairs", version=1, prefix="XCW", title=Text("校车维修", "School bus repair"),
    opens_with=ReportBus, opens_by=("teacher", *SAFETY_OFFICE), roles=LOOP_ROLES, policy=BusPolicy,
    states=[
        State("reported", Text("已报修", "Reported"), SAFETY_OFFICE, due=Within(hours=24), ladder=OFFICE_LADDER),
        State("assigned", Text("维修中", "Being repaired"), REPAIRER, due=Within(workdays="fix_workdays"), ladder=OVERDUE_LADDER),
        State("waiting", Text("待配件", "Waiting for parts"), REPAIRER, due=FromFact("limit"), ladder=OVERDUE_LADDER, counts_as="assigned"),
        State("fixed", Text("已修好", "Repaired"), SAFETY_OFFICE, due=Within(workdays=1), ladder=OFFICE_LADDER),
        State("verified", Text("已试车", "Test-driven"), RELEASES, due=Within(workdays=2), ladder=OFFICE_LADDER),
        State("closed", Text("已放行", "Back on the road"), final=True),
    ],
    transitions=[
        Transition("assign", ("reported", "assigned", "waiting"), "assigned", Text("派修", "Assign"), by=SAFETY_OFFICE, form=AssignBus),
        Transition("order", ("assigned", "waiting"), "waiting", Text("订配件", "Order parts"), by=REPAIRER, form=OrderParts,
                   guards=(expected_after_ordered,), effect=waits_for_the_parts, restarts=True),
        Transition("fix", ("assigned", "waiting"), "fixed", Text("报告修好", "Report it repaired"), by=REPAIRER, form=FixBus, acts_as="fixer"),
        Transition("verify", "fixed", "verified", Text("试车", "Test-drive it"), by=SAFETY_OFFICE, never=("fixer",), acts_as="verifier"),
        Transition("return", "fixed", "assigned", Text("退回", "Send it back"), by=SAFETY_OFFICE, form=ReturnBus, reason="returned"),
        Transition("approve", "verified", "closed", Text("放行", "Let it drive"), by=RELEASES, never=("fixer", "verifier")),
    ],
)  # fmt: skip
