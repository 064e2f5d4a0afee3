"""The paper of a drill: its record."""

from api.papers.kinds.kind import Kind, by_hand, lines
from api.papers.story import Story
from engine.case import Case
from engine.errors import Text
from engine.events import Event

WORKFLOW = "drill"
HOW = {"real": "实战", "desktop": "桌面", "question": "提问"}


def _reviewed(story: Story, moment: Event) -> Event | None:
    """The review of this time it was held; one that is to be held again has its own."""
    return story.next(moment, "review", until=("hold",))


def _took(story: Story, moment: Event) -> str:
    seconds, target = moment.data.get("evacuation_seconds"), story.at(moment).facts.get("target_seconds")
    if seconds is None:
        return ""
    return f"{seconds}（{'达标' if target is not None and seconds <= target else '未达标'}）"


def _problems(story: Story, moment: Event) -> str:
    reviewed = _reviewed(story, moment)
    if reviewed is None:
        return ""
    found = [f"{each['place']}：{each['title']}" for each in reviewed.data.get("problems") or ()]
    return lines(*(f"{number}. {each}" for number, each in enumerate(found, start=1))) or "未发现问题"


def _hazards(story: Story) -> list[Case]:
    """What was opened out of the review, by number."""
    children = {link.number for link in story.case.links if link.kind == "child"}
    return [story.related[number] for number in sorted(children & story.related.keys())]


def _measures(story: Story, _: Event) -> str:
    return lines(
        *(f"{case.number} {case.facts['requirement']}" for case in _hazards(story) if case.facts.get("requirement"))
    )


def _who_until(story: Story, _: Event) -> str:
    found = []
    for case in _hazards(story):
        day = story.day(case.closed_at if case.final else case.due_at)
        until = f"，{day} {'已销号' if case.final else '前'}" if day else ""
        found.append(f"{case.number} {story.person(case.assignee) or '待交办'}{until}")
    return lines(*found)


def _again(story: Story, moment: Event) -> str:
    again = story.next(moment, "repeat", until=("hold", "review"))
    return "" if again is None else f"须重新演练：{story.said(again, 'reason')}"


RECORD = Kind(
    code="drill_record",
    workflow=WORKFLOW,
    moments=lambda story: story.all("hold"),
    none_yet=Text("还没有填报演练记录", "the drill has not been recorded yet"),
    fills={
        "预案名称": lambda s, e: str(s.at(e).facts.get("plan_name") or ""),
        "演练类别（实战/桌面/提问）": lambda s, e: HOW.get(str(s.at(e).facts.get("kind")), ""),
        "日期": lambda s, e: s.said(e, "held_on"),
        "地点": lambda s, e: s.at(e).place,
        "组织部门": lambda s, e: s.department(s.at(e).department),
        "总指挥": lambda s, e: s.person(s.at(e).assignee),
        "参加部门和人数": lambda s, e: f"{s.department(s.at(e).department)} {s.said(e, 'attended')} 人",
        "应到/实到": lambda s, e: f"{s.said(e, 'should_attend')} / {s.said(e, 'attended')}",
        "物资准备": by_hand,
        "培训情况": by_hand,
        "信号时间": by_hand,
        "全部到位时间": by_hand,
        "疏散用时（秒）": _took,
        "目标用时": lambda s, e: f"{s.at(e).facts['target_seconds']} 秒" if s.at(e).facts.get("target_seconds") else "",
        "过程记录": lambda s, e: lines(s.said(e, "course"), _again(s, e)),
        "人员到位评价": by_hand,
        "物资到位评价": by_hand,
        "组织评价": by_hand,
        "适宜性评审": lambda s, e: s.said(_reviewed(s, e), "suitability"),
        "充分性评审": lambda s, e: s.said(_reviewed(s, e), "sufficiency"),
        "存在问题": _problems,
        "改进措施": _measures,
        "责任人与时限": _who_until,
        "照片": lambda s, e: s.files(e, "photos"),
        "记录人": lambda s, e: s.signed(e),
    },
    layout=(
        ("预案名称", "演练类别（实战/桌面/提问）"), ("日期", "地点"), ("组织部门", "总指挥"), ("参加部门和人数", "应到/实到"),
        ("物资准备", "培训情况"), ("信号时间", "全部到位时间"), ("疏散用时（秒）", "目标用时"), ("过程记录",),
        ("人员到位评价", "物资到位评价"), ("组织评价",), ("适宜性评审",), ("充分性评审",), ("存在问题",), ("改进措施",),
        ("责任人与时限",), ("照片",), ("记录人",),
    ),
)  # fmt: skip

KINDS = (RECORD,)
