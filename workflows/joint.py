"""What joint inspections share: checks that come out of a draw, and a joint list 联合检查清单 that makes hazards of what they found.

Nothing that was found runs against a limit before the list is issued; then everything does, from that day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from pydantic import Field

from engine.case import Case
from engine.definition import Effect, EffectFunction, Form, Policy, Words, Workflow, asks
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.roles import LEADERS

#: the loop of the checks that come out of a joint inspection's draw
CHECK_OF = {"cross_inspection": "cross_check", "group_inspection": "group_check", "spot_check": "revisit"}
VISITED = frozenset({"fixed", "verified", "closed"})  # of a check: it was handed in

#: who issues the list: what is on it is asked of departments, so not whoever only collected it
ISSUERS = ("safety_head", "vp_safety", *LEADERS)


class IssueList(Form):
    requirement: Words = asks("集中汇报情况与整改要求", "What was reported, and what is asked")


class CallOffInspection(Form):
    reason: Words = asks("取消理由", "Why it is called off")


class JointPolicy(Policy):
    """draw_workdays until it is drawn; issue_workdays after the last day of inspecting until the list is issued"""

    draw_workdays: Annotated[int, Field(ge=1, le=365)] = 3
    issue_workdays: Annotated[int, Field(ge=1, le=365)] = 3


class CheckPolicy(Policy):
    sign_workdays: Annotated[int, Field(ge=1, le=365)] = 3


@guard(
    "joint.day_is_ahead",
    obstacle=Text("完成日期已过", "the day it is due on has passed"),
    remedy=Text("请填写今天或以后的日期", "Choose today or a later day"),
    reads_form=True,
)
def day_is_ahead(s: Situation) -> bool:
    return date.fromisoformat(s.data["due_on"]) >= s.today


@guard(
    "joint.comes_out_of_a_draw",
    obstacle=Text("检查单由抽签分配产生，不能自行登记", "such a check comes out of a draw; nobody opens one by hand"),
    remedy=Text("请在交叉检查或分组排查中抽签", "Draw it in a cross or group inspection"),
)
def comes_out_of_a_draw(s: Situation) -> bool:
    return any(link.kind == "parent" for link in s.case.links)


@guard(
    "joint.every_check_is_in",
    obstacle=Text("还有检查单没有提交签字", "a check has not been handed in and signed yet"),
    remedy=Text(
        "请先督促完成，见本项的关联事项；确实不查的写明理由取消",
        "See that they are, among the related cases; call off what will not be inspected, and say why",
    ),
)
def every_check_is_in(s: Situation) -> bool:
    return all(check.final for check in checks_of(s))


def checks_of(s: Situation) -> Sequence[Case]:
    """The checks that came out of the draw, in its order. None while nobody asked for them: before the step is taken."""
    children = [link.number for link in s.case.links if link.kind == "child"]
    return [s.related[number] for number in children if number in s.related]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many checks there are to be, and how many have been handed in; what was called off counts in neither."""

    due: int
    visited: int


def coverage(case: Case, children: Iterable[Case]) -> Coverage | None:
    """How far a joint inspection has come; None where the case is none, or nothing was drawn yet."""
    loop = CHECK_OF.get(case.workflow)
    checks = [child for child in children if child.workflow == loop]
    if not checks:
        return None
    counted = [check for check in checks if check.state != "called_off"]
    return Coverage(len(counted), sum(check.counts_as in VISITED for check in counted))


def counting_from(day: date, issued: Effect) -> Effect:
    """The same, each hazard knowing that its limit counts from this day."""
    since = {"limit_from": day.isoformat()}
    return replace(issued, opens=tuple(replace(each, data={**each.data, **since}) for each in issued.opens))


def second(first: Workflow, issue: EffectFunction) -> Workflow:
    """Version 2 of a joint inspection: only the issuing of its list is another."""
    steps = [replace(step, effect=issue) if step.trigger == "issue" else step for step in first.transitions]
    return replace(first, version=2, transitions=steps)


def until_issued(s: Situation, due_on: str) -> dict[str, str]:
    """When the list has to be issued: some working days after the last day of inspecting."""
    day = s.calendar.add_workdays(date.fromisoformat(due_on), s.policy["issue_workdays"])
    return {"until": day.isoformat()}
