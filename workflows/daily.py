"""The daily health report 疫情日报告: how many are there, how many are ill; nothing to report is reported as zero.

Due at half past eight. Nought is an answer, empty is none; who said nothing by then is missing, and who comes later is late.
"""

from datetime import date, time
from typing import Annotated

from pydantic import Field

from engine.case import Case
from engine.cycles import Cycle, Day, DueAt
from engine.deadlines import Ladder, Rung
from engine.definition import (
    CaseRef,
    CycleRule,
    DepartmentRef,
    Effect,
    Form,
    FromPeriod,
    Line,
    State,
    Transition,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows import filing
from workflows.filing import CorrectionPolicy, WaiveFiling
from workflows.reference import department_called
from workflows.roles import LOOP_ROLES

CYCLE = "epidemic_day"
DUE_AT = time(8, 30)  # the list of who is missing is looked at then. Practice of the school, not a rule
NOUGHTS = ("sick", "symptoms", "travel")  # all of them 0: nothing to report

#: whoever forgot the morning is told the day after, his head with him; and it stays open until somebody says how it was
LADDER = Ladder.of(
    Rung("after-1", 1, ("holder", "dept_head"), "digest"),
    Rung("repeat", 1, ("dept_head", "safety_staff"), "digest", every_workdays=5),
)

Heads = Annotated[int, Field(ge=0, le=100_000)]


class OpenDaily(Form):
    corrects: CaseRef | None = asks("更正哪一件", "Which report it corrects", default=None)
    reason: Words | None = asks("更正原因", "Why it is corrected", default=None)
    period: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = asks(
        "日期（由系统填写）", "Day (set by the program)", default=None
    )
    department: DepartmentRef = asks("班级或部门", "Class or department")


class ReportDay(Form):
    expected: Heads = asks("应到", "Should be there")
    present: Heads = asks("实到", "Are there")
    sick: Heads = asks("因病缺勤（无则填 0）", "Away ill (0 if nobody)")
    symptoms: Heads = asks("有发热等症状（无则填 0）", "With symptoms (0 if nobody)")
    travel: Heads = asks("行程异常（无则填 0）", "With a journey to be looked at (0 if nobody)")
    diagnosis: Words | None = asks("症状、就诊与结论", "Symptoms, doctor's word", default=None)
    traced_by: Line | None = asks("追踪人", "Who follows it up", default=None)


@guard(
    "daily.whoever_is_there_should_be",
    obstacle=Text("实到与因病缺勤之和多于应到", "more are there or away ill than should be there"),
    remedy=Text("请核对应到、实到和因病缺勤人数", "Check how many should be there, are there and are away ill"),
    reads_form=True,
)
def whoever_is_there_should_be(s: Situation) -> bool:
    return bool(s.data["present"] + s.data["sick"] <= s.data["expected"])


@guard(
    "daily.symptoms_are_followed_up",
    obstacle=Text("有症状或行程异常，没有写明情况和追踪人", "somebody has symptoms or a journey to be looked at, and nothing says what or who follows it up"),
    remedy=Text("请填写“症状、就诊与结论”和“追踪人”", "Say what it is, and who follows it up"),
    reads_form=True,
)  # fmt: skip
def symptoms_are_followed_up(s: Situation) -> bool:
    nothing = not s.data["symptoms"] and not s.data["travel"]
    return nothing or (s.data["diagnosis"] is not None and s.data["traced_by"] is not None)


def keep_the_day(s: Situation, case: Case) -> Effect:
    """Nothing to report is said to be that."""
    return Effect(case.with_facts({"zero": not any(s.data[name] for name in NOUGHTS)}))


def days_of(key: str) -> tuple[date, date]:
    day = date.fromisoformat(key)
    return day, day


def title_of(scope: str, key: str) -> Text:
    name = department_called(scope)
    return Text(f"{name.zh} {key} 疫情日报告", f"Daily health report {key}, {name.en}")


def begin_day(s: Situation, case: Case) -> Effect:
    return filing.begun(s, case, days_of, title_of)


DAILY = Workflow(
    key="daily",
    plural="dailies",
    version=1,
    prefix="RB",
    title=Text("疫情日报告", "Daily health report"),
    opens_with=OpenDaily,
    opens_by=("system", "dept_safety", "dept_head"),
    opening=begin_day,
    opening_guards=filing.OPENING_GUARDS,
    roles=LOOP_ROLES,
    routine=True,
    policy=CorrectionPolicy,
    cycles=(
        CycleRule(
            Cycle(
                key=CYCLE,
                title=Text("疫情日报告（无情况也报）", "Daily epidemic report (zero included)"),
                workflow="daily",
                every=Day(),
                owed_by="dept_safety",
                due=DueAt(DUE_AT),
            ),
            title_of=title_of,
            data=filing.opening_data,
            says_zero=filing.says_zero,
        ),
    ),
    states=[
        State(
            "due", Text("待上报", "To be reported"), counts_as="assigned", awaits=("dept_safety",), due=FromPeriod(),
            ladder=LADDER,
        ),
        State("handed_in", Text("已上报", "Reported"), counts_as="closed", final=True),
        State("waived", Text("免报", "Waived"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "report", "due", "handed_in", Text("上报", "Report"), by=("dept_safety", "dept_head"), form=ReportDay,
            guards=(whoever_is_there_should_be, symptoms_are_followed_up), effect=keep_the_day, acts_as="submitter",
            settles="reported",
        ),
        Transition(
            "waive", "due", "waived", Text("当日免报", "Waive this day"), by=("safety_head", "vp_safety"), form=WaiveFiling,
            settles="waived", tells=("dept_safety",),
        ),
    ],
)  # fmt: skip
