"""The weekly table 每周自查情况表: what the school found and put right in one week, to the city bureau.

Every ISO week is owed; a week without a finding is filed as zero, which is not the same as not filed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field

from engine.case import Case
from engine.cycles import Cycle, DueAfter, Week
from engine.definition import CaseRef, CycleRule, DepartmentRef, Effect, Form, Line, Words, Workflow, asks
from engine.errors import Text
from engine.guards import Situation, guard
from workflows import filing
from workflows.filing import BEFORE, DAYS, FROM, Figures, FilingPolicy, Number
from workflows.reference import taxonomy
from workflows.roles import LOOP_ROLES, SAFETY_OFFICE

CYCLE = "bureau_week"
DUE_WORKDAYS = (
    1  # after the week is over: the Monday that follows, if that is worked. Practice of the school, not a rule
)

_OPENED: Mapping[str, Any] = {
    "workflow": "hazard", "opened_from": FROM, "opened_before": BEFORE,
    "apart_from": ["rejected", "merged"],  # no hazards, and those that are counted already
}  # fmt: skip
#: what was taken over from an older ledger was found when that one says, and not in the week of the import
_FOUND: Mapping[str, Any] = {**_OPENED, "claimed_on": DAYS}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "消防": ("FIRE",), "校舍": ("BLDG",), "食品": ("FOOD",), "实验实训": ("LABT",), "校车交通": ("BUS",), "安防": ("GATE",),
}  # fmt: skip
_TITLES = ("Fire", "Buildings", "Food", "Labs and workshops", "School bus", "Security")


def _numbers(found: Mapping[str, Any]) -> list[Number]:
    rounds = {
        "workflow": "inspection", "action": ["submit"], "action_from": FROM, "action_before": BEFORE,
    }  # fmt: skip
    named = [code for codes in _COLUMNS.values() for code in codes]
    others = [*(code for code in taxonomy().categories if code not in named), "-"]
    return [
        Number("rounds", Text("排查场所数（提交检查表）", "Places inspected (rounds handed in)"), rounds, "排查场所数"),
        Number("found", Text("发现隐患总数", "Hazards found"), found, "发现隐患总数"),
        Number("major", Text("其中重大", "of these major"), {**found, "level": "major"}, "其中重大"),
        *(
            Number(
                f"of_{codes[0].lower()}", Text(column, title), {**found, "categories": list(codes)}, column,
            )
            for (column, codes), title in zip(_COLUMNS.items(), _TITLES, strict=True)
        ),
        Number("of_others", Text("其他", "Others"), {**found, "categories": others}, "其他"),
        Number("removed", Text("已整改", "Put right"), {**found, "open": False}, "已整改"),
        Number("left", Text("未整改", "Not yet put right"), {**found, "open": True}),
        Number(
            "closed", Text("本周销号（含以前发现的）", "Closed in the week, whenever found"),
            {
                "workflow": "hazard", "closed_from": FROM, "closed_before": BEFORE, "apart_from": ["rejected", "merged"],
            },
        ),
        Number("open_at_end", Text("周末未销号总数", "Open at the end"), {"workflow": "hazard", "open": True}),
        Number("overdue_at_end", Text("其中逾期", "of these overdue"), {"workflow": "hazard", "overdue": True}),
        Number(
            "drills", Text("开展演练", "Drills held"),
            {"workflow": "drill", "action": ["hold"], "action_from": FROM, "action_before": BEFORE},
        ),
        Number(
            "meetings", Text("开展会议（已记录）", "Meetings minuted"),
            {"workflow": "notice", "action": ["minute"], "action_from": FROM, "action_before": BEFORE},
        ),
    ]  # fmt: skip


FIGURES_1 = Figures("week", _numbers(_OPENED), found="found")
FIGURES = Figures("week_2", _numbers(_FOUND), found="found")
NAMES = (FIGURES_1.name, FIGURES.name)


class OpenWeekly(Form):
    corrects: CaseRef | None = asks("更正哪一件", "Which filing it corrects", default=None)
    reason: Words | None = asks("更正原因", "Why it is corrected", default=None)
    period: Annotated[str, Field(pattern=r"^\d{4}-W\d{2}$")] | None = asks(
        "周次（由系统填写）", "Week (set by the program)", default=None
    )
    department: DepartmentRef | None = asks("报送部门（由系统填写）", "Filed by (set by the program)", default=None)


class CompileWeek(Form):
    participants: Annotated[int, Field(ge=0, le=100_000)] = asks("参与排查人次", "People who took part in inspecting")
    reasons: Words | None = asks("未整改及原因", "What is not put right, and why", default=None)
    responsible: Line | None = asks("责任人", "Who answers for it", default=None)
    finish_by: Line | None = asks("完成时限", "By when", default=None)
    funds: Line | None = asks("投入资金", "Money spent", default=None)
    activities: Words | None = asks("开展会议、教育、演练情况", "Meetings, education, drills", default=None)


@guard(
    "weekly.what_is_left_has_a_reason",
    obstacle=Text("本周有未整改的隐患，没有写明原因", "hazards of the week are not put right, and nothing says why"),
    remedy=Text("请填写“未整改及原因”", "Say what is not put right, and why"),
    reads_form=True,
)
def what_is_left_has_a_reason(s: Situation) -> bool:
    return s.figures is None or s.figures["numbers"]["left"]["count"] == 0 or s.data["reasons"] is not None


def days_of(key: str) -> tuple[date, date]:
    """Monday and Sunday of a week: `2020-W11`."""
    monday = date.fromisoformat(f"{key}-1")
    return monday, monday + timedelta(days=6)


def title_of(_: str, key: str) -> Text:
    monday, sunday = days_of(key)
    week = int(key[-2:])
    return Text(
        f"{key[:4]}年第{week}周自查情况表（{monday.month}月{monday.day}日至{sunday.month}月{sunday.day}日）",
        f"Weekly table {key} ({monday} to {sunday})",
    )


def begin_week(s: Situation, case: Case) -> Effect:
    return filing.begun(s, case, days_of, title_of)


WEEKLY_1 = Workflow(
    key="weekly",
    plural="weeklies",
    version=1,
    prefix="ZB",
    title=Text("每周自查情况表", "Weekly table"),
    opens_with=OpenWeekly,
    opens_by=("system", *SAFETY_OFFICE),
    opening=begin_week,
    opening_guards=filing.OPENING_GUARDS,
    roles=LOOP_ROLES,
    routine=True,
    policy=FilingPolicy,
    sign_off=filing.SIGN_OFF,
    own_words=filing.OWN_WORDS,
    cycles=(
        CycleRule(
            Cycle(
                key=CYCLE,
                title=Text("每周上报市局自查情况表", "Weekly self-inspection table to the city bureau"),
                workflow="weekly",
                every=Week(),
                owed_by="safety_staff",
                due=DueAfter(workdays=DUE_WORKDAYS),
            ),
            title_of=title_of,
            data=filing.opening_data,
            says_zero=filing.says_zero,
        ),
    ),
    states=filing.states(),
    transitions=filing.transitions(CompileWeek, FIGURES_1, guards=(what_is_left_has_a_reason,)),
)

#: since version 2 what an older ledger left open counts as found on the day that one says
WEEKLY = replace(
    WEEKLY_1,
    version=2,
    transitions=filing.transitions(CompileWeek, FIGURES, guards=(what_is_left_has_a_reason,)),
)
