"""Papers of what is filed: the weekly table to the bureau, the daily health report. Their numbers are those the filing carries."""

from collections.abc import Callable

from api.papers.filing import Filed, week_cells
from api.papers.kinds.kind import Fill, Kind, by_hand
from api.papers.story import Story
from engine.errors import Text
from engine.events import Event
from workflows import weekly
from workflows.reference import forms

NOUGHT = "无（零报告）"


def _corrects(story: Story, moment: Event) -> str:
    """What a correction corrects: both remain, and nobody takes one for the other."""
    facts = story.at(moment).facts
    return f"第 {facts.get('version', 2)} 版，更正 {facts['corrects']}" if facts.get("corrects") else ""


# --- 每周自查情况表 ------------------------------------------------------------------------------------------------------


def _compiled(story: Story) -> list[Event]:
    """Each time it was signed, as the figures froze then; and a compilation that nobody has signed yet."""
    found = story.all("sign")
    last = story.last("compile")
    if last is not None and (not found or last.sequence > found[-1].sequence):
        found.append(last)
    return found


def _filed(story: Story, moment: Event) -> Filed:
    compiled = moment if moment.trigger == "compile" else story.last("compile", before=moment)
    signed = moment if moment.trigger == "sign" else None
    return Filed(
        case=story.at(moment), school=story.school, zone=story.zone, now=story.now, period=None,
        compiled=("", None) if compiled is None else (story.by(compiled), compiled.recorded_at),
        signed=("", None) if signed is None else (story.by(signed), signed.recorded_at),
    )  # fmt: skip


def _of_the_week(column: str) -> Fill:
    def told(story: Story, moment: Event) -> str:
        return str(week_cells(_filed(story, moment), weekly.FIGURES).get(column, ""))

    return told


def _signed(trigger: str) -> Fill:
    return lambda story, moment: story.signed(
        moment if moment.trigger == trigger else story.last(trigger, before=moment)
    )


def _reviewed(story: Story, moment: Event) -> str:
    return story.signed(moment) if moment.trigger == "sign" else ""


WEEK = Kind(
    code="week_report",
    workflow=weekly.WEEKLY.key,
    stamped=True,
    number=_corrects,
    moments=_compiled,
    none_yet=Text("本周还没有汇总", "the week has not been compiled yet"),
    fills={
        **{column: _of_the_week(column) for column in forms()["week_report"].columns},
        "填报人": _signed("compile"),
        "审核人": _reviewed,
        "主要负责人": by_hand,
    },
    layout=(
        ("学校", "起止日期"), ("参与排查人次", "排查场所数"), ("发现隐患总数", "其中重大"), ("消防", "校舍"), ("食品", "实验实训"),
        ("校车交通", "安防"), ("其他", "已整改"), ("整改率", "投入资金"), ("未整改及原因",), ("责任人", "完成时限"),
        ("开展会议/教育/演练",), ("填报人",), ("审核人",), ("主要负责人", "填报时间"),
    ),
)  # fmt: skip


# --- 每日健康报告 --------------------------------------------------------------------------------------------------------


def _answer(name: str) -> Callable[[Story, Event], str]:
    return lambda story, moment: story.said(moment, name)


def _anything(story: Story, moment: Event) -> str:
    """Nought is an answer, and is said as one."""
    return NOUGHT if story.at(moment).facts.get("zero") else "有"


DAY = Kind(
    code="health_day",
    workflow="daily",
    number=_corrects,
    moments=lambda story: story.all("report"),
    none_yet=Text("当日还没有上报", "the day has not been reported yet"),
    fills={
        "日期": lambda s, e: str(s.at(e).facts.get("period") or ""),
        "班级/部门": lambda s, e: s.department(s.at(e).department),
        "应到": _answer("expected"),
        "实到": _answer("present"),
        "因病缺勤": _answer("sick"),
        "症状": _answer("symptoms"),
        "就诊与结论": _answer("diagnosis"),
        "追踪人": _answer("traced_by"),
        "行程异常": _answer("travel"),
        "有无情况（无也必须报）": _anything,
        "上报人": lambda s, e: s.signed(e),
        "上报时间": lambda s, e: s.minute(e.recorded_at),
    },
    layout=(
        ("日期", "班级/部门"), ("应到", "实到"), ("因病缺勤", "症状"), ("就诊与结论",), ("追踪人", "行程异常"),
        ("有无情况（无也必须报）", "上报时间"), ("上报人",),
    ),
)  # fmt: skip

KINDS = (WEEK, DAY)
