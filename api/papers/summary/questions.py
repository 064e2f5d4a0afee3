"""The numbers of a stage summary, each the question of a list: so each can be opened, and counted again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from engine.calendar import Calendar
from engine.case import instant_text
from engine.errors import Text
from workflows import daily, hazard_report, inspection, portal, weekly
from workflows.filing import Number
from workflows.reference import taxonomy


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days of the school, both included, and the instants they begin and are over at, as lists are asked for them."""

    name: str
    first: str
    last: str
    since: str
    before: str


def stretch(calendar: Calendar, name: str, first: date, last: date) -> Stretch:
    since, before = calendar.start_of(first), calendar.start_of(last + timedelta(days=1))
    return Stretch(name, first.isoformat(), last.isoformat(), instant_text(since), instant_text(before))


#: what is owed again and again: under which name the text speaks of it, its cycle, and what it is called
OWED: Mapping[str, tuple[str, Text]] = {
    "rounds": (inspection.CYCLE, Text("部门每月安全检查（安全月报表）", "Monthly inspections")),
    "reports": (hazard_report.CYCLE, Text("部门每月隐患排查整改报告", "Monthly reports of hazards")),
    "weekly": (weekly.CYCLE, Text("每周自查情况表", "Weekly tables")),
    "portal": (portal.CYCLE, Text("省校园安全风险管控系统填报", "Filings to the provincial platform")),
    "daily": (daily.CYCLE, Text("疫情日报告、零报告", "Daily health reports")),
}
#: what came of them: the question, and what it is called
CAME: Mapping[str, tuple[Mapping[str, Any], Text]] = {
    "due": ({}, Text("应报", "due")),
    "reported": ({"report": "reported"}, Text("按时", "in time")),
    "late": ({"report": "late"}, Text("逾期补报", "late")),
    "missing": ({"report": "missing"}, Text("缺报", "missing")),
    "waiting": ({"report": "waiting"}, Text("未到期限", "not due yet")),
    "waived": ({"report": "waived"}, Text("免报", "waived")),
    "zero": ({"besides": "zero"}, Text("零报告", "zero")),
    "corrected": ({"besides": "corrected"}, Text("已更正", "corrected")),
}
#: numbers whose cases the text names one by one
NAMED = ("superior", "meetings", "plans", "drills_held", "rosters", "overdue_at_end", "in_time_at_end")
NO_HAZARDS = ["rejected", "merged"]  # these are none, or are counted already


def numbers(period: Stretch, breaks: Sequence[Stretch], departments: Sequence[str]) -> list[Number]:
    """Every number of the summary over this period.

    breaks        of the school's calendar that lie in it, cut to it
    departments   codes of those of the directory
    """
    return [
        *_notices(period),
        *_owed(period),
        *_hazards(period),
        *(number for n, pause in enumerate(breaks, start=1) for number in _of_break(n, pause, period, departments)),
        *_drills(period),
        *_left(),
    ]


def _notices(period: Stretch) -> Iterator[Number]:
    def of(*kinds: str, **more: Any) -> Mapping[str, Any]:
        said = [f"dated_on:{period.first}..{period.last}", *(f"kind:{kind}" for kind in kinds)]
        return {"workflow": "notice", "apart_from": ["withdrawn"], "opened_with": said, **more}

    above = ("superior_notice", "superior_meeting")
    yield Number("superior", Text("上级部署（文件、会议）", "Superior notices and meetings"), of(*above))
    yield Number("superior_closed", Text("上级部署已办结", "of these closed"), of(*above, open=False))
    yield Number("accidents", Text("事故通报", "Accidents elsewhere"), of("accident"))
    yield Number("meetings", Text("学校安全会议", "Meetings of the school"), of("school_meeting"))
    yield Number("minuted", Text("有会议记录", "of these minuted"), of("school_meeting", action=["minute"]))
    yield Number("plans", Text("方案、预案、计划", "Plans and schemes"), of("plan"))
    yield Number("rosters", Text("值班表", "Duty rosters"), of("roster"))
    opened = {"opened_from": period.since, "opened_before": period.before}
    for key, workflow, title in (
        ("tasks", "task", Text("布置事项", "Tasks given out")),
        ("comparisons", "comparison", Text("事故对照检查", "Comparison checks")),
    ):
        yield Number(key, title, {"workflow": workflow, **opened})
        done = Text(f"{title.zh}已办结", f"{title.en}, closed")
        yield Number(f"{key}_closed", done, {"workflow": workflow, "open": False, **opened})


def _owed(period: Stretch) -> Iterator[Number]:
    for key, (cycle, title) in OWED.items():
        asked = {"cycle": cycle, "period_from": period.since, "period_before": period.before}
        for came, (more, words) in CAME.items():
            yield Number(f"{key}_{came}", Text(f"{title.zh}：{words.zh}", f"{title.en}: {words.en}"), {**asked, **more})


def _hazards(period: Stretch) -> Iterator[Number]:
    found = {
        "workflow": "hazard", "apart_from": NO_HAZARDS, "opened_from": period.since, "opened_before": period.before,
    }  # fmt: skip
    yield Number("found", Text("发现隐患", "Hazards found"), found)
    yield Number("major", Text("其中重大隐患", "of these major"), {**found, "level": "major"})
    yield Number("closed", Text("已销号", "closed"), {**found, "open": False})
    yield Number("left", Text("未销号", "still open"), {**found, "open": True})
    yield Number("overdue", Text("未销号且逾期", "of these overdue"), {**found, "overdue": True})
    yield Number("returned", Text("曾被复查退回", "sent back at least once"), {**found, "action": ["return"]})
    grouped = {**found, "opened_with": ["source:group"]}
    yield Number("grouped", Text("联合（分组）检查发现", "found by joint inspection"), grouped)
    yield Number("grouped_closed", Text("联合（分组）检查发现，已销号", "of these closed"), {**grouped, "open": False})
    for code, title in _kinds():
        yield Number(
            f"found_{code}", Text(f"发现隐患：{title.zh}", f"Found: {title.en}"), {**found, "categories": [code]}
        )


def _of_break(n: int, pause: Stretch, period: Stretch, departments: Sequence[str]) -> Iterator[Number]:
    """Removed in a school break: reported fixed in it, and closed when the period was over, whenever found."""
    fixed = {
        "workflow": "hazard", "apart_from": NO_HAZARDS, "action": ["fix"], "action_from": pause.since,
        "action_before": pause.before,
    }  # fmt: skip
    called = pause.name
    yield Number(f"break{n}_fixed", Text(f"{called}报告整改", f"{called}: reported fixed"), fixed)
    removed = {**fixed, "open": False}
    yield Number(f"break{n}_removed", Text(f"{called}排除隐患", f"{called}: removed"), removed)
    # what the school looked for before it went on holiday
    grouped = {
        **removed, "opened_with": ["source:group"], "opened_from": period.since, "opened_before": pause.since,
    }  # fmt: skip
    title = Text(f"{called}排除：联合检查发现", f"{called}: removed, found by joint inspection")
    yield Number(f"break{n}_grouped", title, grouped)
    for code in departments:
        words = Text(f"{title.zh}，{code}", f"{title.en}, {code}")
        yield Number(f"break{n}_grouped_by_{code}", words, {**grouped, "department": code})
    for code, kind in _kinds():
        words = Text(f"{title.zh}，{kind.zh}", f"{title.en}, {kind.en}")
        yield Number(f"break{n}_grouped_of_{code}", words, {**grouped, "categories": [code]})


def _drills(period: Stretch) -> Iterator[Number]:
    held = {
        "workflow": "drill", "action": ["hold"], "action_from": period.since, "action_before": period.before,
    }  # fmt: skip
    yield Number("drills_held", Text("开展演练", "Drills held"), held)
    yield Number("drills_closed", Text("演练已评估归档", "of these reviewed and filed"), {**held, "open": False})


def _left() -> Iterator[Number]:
    everything: Mapping[str, Any] = {"workflow": "hazard", "open": True}
    yield Number("open_at_end", Text("期末未销号隐患（含以前发现）", "Hazards open at the end"), everything)
    late = {"workflow": "hazard", "overdue": True}
    yield Number("overdue_at_end", Text("期末未销号且逾期隐患", "of these overdue"), late)
    in_time: Mapping[str, Any] = {"workflow": "hazard", "open": True, "overdue": False}
    yield Number("in_time_at_end", Text("期末未销号、未到期限隐患", "of these not overdue"), in_time)
    yield Number("tasks_open", Text("期末未办结布置事项", "Tasks open at the end"), {"workflow": "task", "open": True})
    yield Number("notices_open", Text("期末未办结文件与会议", "Notices open"), {"workflow": "notice", "open": True})


def is_detail(key: str) -> bool:
    """One of a row by category or department, of which those that are nothing are left out."""
    return key.startswith("found_") or ("_grouped_" in key and key.startswith("break"))


def titled(title: str, departments: Mapping[str, str]) -> str:
    """A number's title with the name of the department whose code it ends with."""
    for comma in ("，", ", "):
        head, found, code = title.rpartition(comma)
        if found and code in departments:
            return f"{head}{comma}{departments[code]}"
    return title


def titles(keys: Iterable[str], breaks: Sequence[str]) -> Mapping[str, Text]:
    """What numbers of these keys are called, over a period that had these breaks."""
    nowhen = Stretch("", "", "", "", "")
    codes = dict.fromkeys(key.partition("_grouped_by_")[2] for key in keys if "_grouped_by_" in key)
    found = numbers(nowhen, [replace(nowhen, name=name) for name in breaks], list(codes))
    return {number.key: number.title for number in found}


def _kinds() -> list[tuple[str, Text]]:
    """Categories of hazards, and `-` for those of which it is not said yet."""
    return [*((each.code, each.title) for each in taxonomy().categories.values()), ("-", Text("未分类", "not said"))]
