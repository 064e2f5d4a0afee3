"""The paper of a meeting: the record of how it was passed on, and who knows of it by now."""

from api.papers.kinds.kind import Kind, lines
from api.papers.story import Story
from engine.case import ADDRESSEE, CONFIRMED, EXCUSED, READS_OUT
from engine.errors import Text
from engine.events import Event
from workflows.notice import MEETINGS

WORKFLOW = "notice"
NOT_NAMED = "名单供安全办公室和领导查看"


def _conveyed(story: Story) -> list[Event]:
    return story.all("convey") if story.case.facts.get("kind") in MEETINGS else []


def _called_by(story: Story, moment: Event) -> str:
    """Who called it, and said to be that: who took the chair, nobody is asked."""
    issuer = story.at(moment).facts.get("issuer")
    return f"{issuer}（召集）" if issuer else ""


def _heads(story: Story, _: Event) -> str:
    minuted = story.last("minute")
    return "" if minuted is None else f"{story.said(minuted, 'should_attend')} / {story.said(minuted, 'attended')}"


def _papers(story: Story, moment: Event) -> str:
    facts = story.at(moment).facts
    attached = len(facts.get("documents") or ())
    return lines(str(facts.get("document_number") or ""), f"附件 {attached} 件" if attached else "")


def _points(story: Story, moment: Event) -> str:
    """What was conveyed; of the minutes what was said, decided and read out; and the bulletins on record as read out there."""
    minuted = story.last("minute")
    named = (("points", ""), ("decisions", "议定事项："), ("read_out", "会上通报："))
    said = [f"{title}{words}" for name, title in named if (words := story.said(minuted, name))]
    return lines(story.said(moment, "key_points"), *said, *_bulletins(story))


def _bulletins(story: Story) -> list[str]:
    """By the number alone where the reader may not see it."""
    numbers = [link.number for link in story.case.links if link.kind == READS_OUT]
    return [f"会上通报了 {n}{f'《{story.related[n].title}》' if n in story.related else ''}" for n in numbers]


def _tasks(story: Story, _: Event) -> str:
    given = [task for event in story.all("convey", "give_tasks") for task in event.data.get("tasks") or ()]
    asked = story.case.facts.get("reply_by")
    told = [(task["title"], story.department(task["department"]), task.get("due_on") or asked or "") for task in given]
    return lines(*(f"{at}. {title}（{who}，{day}）" for at, (title, who, day) in enumerate(told, start=1)))


def _confirmed(story: Story, _: Event) -> str:
    confirmed, excused = (len(story.case.who_acted(relation)) for relation in (CONFIRMED, EXCUSED))
    return f"{confirmed}（另免予确认 {excused}）" if excused else str(confirmed)


def _unconfirmed(story: Story, _: Event) -> str:
    """By name for who may see names; for everybody else that there are some."""
    missing = story.case.unconfirmed
    if not missing:
        return "无"
    return "、".join(map(story.person, missing)) if story.by_name else f"{len(missing)} 人（{NOT_NAMED}）"


MEETING = Kind(
    code="meeting",
    workflow=WORKFLOW,
    moments=_conveyed,
    none_yet=Text("不是会议，或还没有传达", "it is no meeting, or was not conveyed yet"),
    fills={
        "会议名称": lambda s, e: s.at(e).title,
        "时间": lambda s, e: str(s.at(e).facts.get("dated_on") or ""),
        "地点": lambda s, e: s.at(e).place,
        "主持人": _called_by,
        "应到/实到": _heads,
        "传达文件": _papers,
        "要点": _points,
        "布置事项（责任人/时限）": _tasks,
        "应知晓人数": lambda s, _: str(len(s.case.who_acted(ADDRESSEE))),
        "已确认": _confirmed,
        "未确认名单": _unconfirmed,
    },
    layout=(
        ("会议名称",), ("时间", "地点"), ("主持人", "应到/实到"), ("传达文件",), ("要点",), ("布置事项（责任人/时限）",),
        ("应知晓人数", "已确认"), ("未确认名单",),
    ),
)  # fmt: skip

KINDS = (MEETING,)
