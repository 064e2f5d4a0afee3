"""The paper of a department's inspection: its monthly safety report."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from api.papers.kinds.kind import Kind, by_hand, lines
from api.papers.story import Story
from engine.case import Case
from engine.errors import Text
from engine.events import Event
from workflows.reference import checklists, taxonomy

WORKFLOW = "inspection"


def _handed_in(story: Story) -> list[Event]:
    return story.all("submit")


def _signature(story: Story, moment: Event) -> Event | None:
    return story.next(moment, "sign", until=("submit",))


def _failed(moment: Event) -> list[str]:
    """The items that failed, by code."""
    return [code for code, answer in (moment.data.get("answers") or {}).items() if answer["result"] == "fail"]


def _found(_: Story, moment: Event) -> str:
    """How many, and how many of each category: zero is said as zero."""
    category = {item.code: item.category.partition(".")[0] for sheet in checklists().values() for item in sheet.items}
    failed = _failed(moment)
    summary = str(moment.data.get("summary") or "")
    if not failed:
        return lines("0（零报告）", summary)
    counted = Counter(category.get(code, "") for code in failed)
    named = [f"{taxonomy().title(code) if code in taxonomy().all else '其他'} {n}" for code, n in counted.items()]
    return lines(f"{len(failed)}（{'、'.join(named)}）", summary)


def _looked_at(_: Story, moment: Event) -> str:
    """Items that were looked at of those on the lists: the loop knows items, and no rooms."""
    answers = moment.data.get("answers") or {}
    looked = sum(answer["result"] != "na" for answer in answers.values())
    return f"检查项目 {looked} / {len(answers)}"


def _count(wanted: Callable[[Case, Story], bool]) -> Callable[[Story, Event], str]:
    """How many of the hazards it opened were so when its head signed it; while nobody has, how many are."""

    def counted(story: Story, _: Event) -> str:
        children = {link.number for link in story.case.links if link.kind == "child"}
        return str(sum(wanted(story.related[number], story) for number in children & story.related.keys()))

    return counted


def _is_fixed(case: Case, _: Story) -> bool:
    return case.counts_as in ("fixed", "verified", "closed") and case.state not in ("rejected", "merged")


def _is_open(case: Case) -> bool:
    return case.counts_as in ("reported", "assigned")


def _late(story: Story, _: Event) -> str:
    """Of when it was handed in first: late stays late, and who corrects what came in time is not late by that."""
    first = _handed_in(story)[0]
    due = story.at(story.event(first.sequence - 1)).due_at
    return "" if due is None else "迟报" if first.recorded_at > due else "否"


def _frozen_at(story: Story, moment: Event) -> datetime | None:
    signature = _signature(story, moment)
    return None if signature is None else signature.recorded_at


MONTH_REPORT = Kind(
    code="month_report",
    workflow=WORKFLOW,
    moments=_handed_in,
    related_at=_frozen_at,
    none_yet=Text("本月检查还没有提交", "this month's inspection has not been handed in yet"),
    fills={
        "部门": lambda s, e: s.department(s.at(e).department),
        "月份": lambda s, e: str(s.at(e).facts.get("month") or ""),
        "安全员": lambda s, e: s.by(e),
        "分管领导": by_hand,
        "安全会议（时间/内容/参加人数）": by_hand,
        "检查次数": lambda _, __: "1",
        "覆盖场所数/应覆盖数": _looked_at,
        "发现隐患数（按类别）": _found,
        "已整改": _count(_is_fixed),
        "限期内未改": _count(lambda case, s: _is_open(case) and not case.overdue(s.related_at)),
        "逾期未改": _count(lambda case, s: _is_open(case) and case.overdue(s.related_at)),
        "延期": _count(lambda case, _: bool(case.counters.get("extended") or case.counters.get("deferred"))),
        "教育培训（次数/人数/完成率）": by_hand,
        "演练": by_hand,
        "值班情况": by_hand,
        "突发情况（无则填零）": by_hand,
        "下月重点": by_hand,
        "填表人": lambda s, e: s.signed(e),
        "部门负责人签字": lambda s, e: s.signed(_signature(s, e)),
        "报送时间": lambda s, e: s.minute(e.recorded_at),
        "是否迟报": _late,
    },
    layout=(
        ("部门", "月份"), ("安全员", "分管领导"), ("安全会议（时间/内容/参加人数）",), ("检查次数", "覆盖场所数/应覆盖数"),
        ("发现隐患数（按类别）",), ("已整改", "限期内未改"), ("逾期未改", "延期"), ("教育培训（次数/人数/完成率）", "演练"),
        ("值班情况", "突发情况（无则填零）"), ("下月重点",), ("报送时间", "是否迟报"), ("填表人",), ("部门负责人签字",),
    ),
)  # fmt: skip

KINDS = (MONTH_REPORT,)
