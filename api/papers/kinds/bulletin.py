"""The paper of a meeting bulletin: one page of numbers, each of which leads on a page to the cases it counts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api.figures import NOBODYS, Counted, by_department, query_of
from api.papers.kinds.kind import Fill, Filled, Kind, Linked, lines
from api.papers.paper import Part
from api.papers.story import Story
from engine.case import ADDRESSEE, CONFIRMED, EXCUSED, READ_OUT_AT
from engine.errors import Text
from engine.events import Event
from workflows import bulletin

NONE = "无"
UNASSIGNED = "尚未分派"
MEETINGS = {"safety_meeting": "安全例会", "administration": "行政办公会"}


def _compiled(story: Story) -> list[Event]:
    """When it was signed, as the figures froze then; and a compilation that nobody has signed yet."""
    found = story.all("sign")
    last = story.last("compile")
    if last is not None and not found:
        found.append(last)
    return found


def _compilation(story: Story, moment: Event) -> Event | None:
    return moment if moment.trigger == "compile" else story.last("compile", before=moment)


def _figures(story: Story, moment: Event) -> Mapping[str, Any]:
    figures: Mapping[str, Any] = story.at(moment).facts["figures"]
    return figures


def _leads(story: Story, figures: Mapping[str, Any], count: int, asked: Mapping[str, Any]) -> Part:
    """The number, and for who may see every case the way to these."""
    return Part(str(count), query_of(asked, figures["as_of"]) if story.by_name and count else "")


def _number(*keys: str) -> Fill:
    def told(story: Story, moment: Event) -> Filled:
        figures = _figures(story, moment)
        parts: list[Part] = []
        for key in keys:
            number = figures["numbers"][key]
            parts += [Part(" / ")] if parts else []
            parts.append(_leads(story, figures, number["count"], number["cases"]))
        return Linked(tuple(parts))

    return told


def _of_departments(said: Callable[[Mapping[str, Counted]], Iterator[tuple[str, Counted | None]]]) -> Fill:
    """What there is to say of each department, and nothing of the others.

    said    words before a number, and the number; None where there are only words
    """

    def told(story: Story, moment: Event) -> Filled:
        figures = _figures(story, moment)
        parts: list[Part] = []
        for code, numbers in by_department(figures).items():
            pieces = list(said(numbers))
            if not pieces:
                continue
            name = UNASSIGNED if code == NOBODYS else story.department(code)
            parts += [Part("；" if parts else ""), Part(name)]
            for words, number in pieces:
                parts.append(Part(words))
                if number is not None:
                    parts.append(_leads(story, figures, number.count, number.cases))
        return Linked(tuple(part for part in parts if part.text)) if parts else NONE

    return told


def _overdue(numbers: Mapping[str, Counted]) -> Iterator[tuple[str, Counted | None]]:
    if numbers["overdue_at_end"].count:
        yield " ", numbers["overdue_at_end"]


def _moved(numbers: Mapping[str, Counted]) -> Iterator[tuple[str, Counted | None]]:
    """Found and closed, also nought of the one where there is some of the other."""
    if numbers["found"].count or numbers["closed"].count:
        yield " ", numbers["found"]
        yield "/", numbers["closed"]


def _reports(numbers: Mapping[str, Counted]) -> Iterator[tuple[str, Counted | None]]:
    """Who reported that there was nothing, and who reported nothing: never the same word."""
    if numbers["zero_reports"].count:
        yield " 零报告 ", numbers["zero_reports"]
    if numbers["missing_reports"].count:
        yield " 未报 ", numbers["missing_reports"]


def _meeting(story: Story, moment: Event) -> str:
    facts = story.at(moment).facts
    return f"{MEETINGS.get(str(facts.get('held_as')), '')}（{facts['held_on']}）"


def _stretch(story: Story, moment: Event) -> str:
    facts = story.at(moment).facts
    return f"{facts['first_day']} 至 {facts['last_day']}"


def _said(name: str) -> Fill:
    return lambda story, moment: story.said(_compilation(story, moment), name) or NONE


def _read_out(story: Story, moment: Event) -> str:
    """At which meeting, as the meeting's record tells it, too; or that no meeting will hear it, so that nobody hands the page out
    as one that stands.
    """
    if (gone := story.next(moment, "withdraw")) is not None:
        return lines(f"本通报已撤回：{story.said(gone, 'reason')}", story.signed(gone))
    event = story.next(moment, "read_out")
    number = next((link.number for link in story.case.links if link.kind == READ_OUT_AT), None)
    if event is None or number is None:
        return ""
    meeting = story.related.get(number)
    named = number if meeting is None else f"《{meeting.title}》{number}"
    return lines(f"{story.case.facts['read_out_on']} {named}", story.said(event, "noted"), story.signed(event))


def _published(story: Story, moment: Event) -> str:
    event = story.next(moment, "publish")
    if event is None:
        return ""
    asked, confirmed, excused = (len(story.case.who_acted(each)) for each in (ADDRESSEE, CONFIRMED, EXCUSED))
    return f"{story.day(event.recorded_at)} 起公示；应阅 {asked} 人，已阅 {confirmed} 人，免予确认 {excused} 人"


BULLETIN = Kind(
    code="bulletin",
    workflow=bulletin.BULLETIN.key,
    stamped=True,
    moments=_compiled,
    none_yet=Text("还没有汇总", "it has not been compiled yet"),
    fills={
        "会议": _meeting,
        "统计期间": _stretch,
        "本期新增": _number("found"),
        "其中重大": _number("major"),
        "本期销号": _number("closed"),
        "复查退回": _number("returned"),
        "延期/暂缓": _number("extended", "deferred"),
        "反弹": _number("rebounded"),
        "期末未销号": _number("open_at_end"),
        "其中逾期": _number("overdue_at_end"),
        "各部门逾期": _of_departments(_overdue),
        "各部门新增和销号": _of_departments(_moved),
        "部门月报（零报告/未报）": _of_departments(_reports),
        "情况说明": _said("remarks"),
        "下步要求": _said("requirements"),
        "汇总人": lambda s, e: s.signed(_compilation(s, e)),
        "审核签发": lambda s, e: s.signed(e) if e.trigger == "sign" else "",
        "会上通报": _read_out,
        "公示": _published,
    },
    layout=(
        ("会议", "统计期间"), ("本期新增", "其中重大"), ("本期销号", "复查退回"), ("延期/暂缓", "反弹"),
        ("期末未销号", "其中逾期"), ("各部门逾期",), ("各部门新增和销号",), ("部门月报（零报告/未报）",), ("情况说明",),
        ("下步要求",), ("汇总人", "审核签发"), ("会上通报", "公示"),
    ),
)  # fmt: skip

KINDS = (BULLETIN,)
