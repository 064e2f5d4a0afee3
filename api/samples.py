"""Sample messages: one of every kind that can come about, by workflow and state, from made-up facts and through the very
rendering that sends. What a school words is shown by them before it is kept, and all of them are read before a release.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from engine.case import Case
from engine.definition import State, Transition, Workflow
from engine.errors import Locale, Text
from engine.events import LOGBOOK, Notice
from notifications.message import Addressee, Rest, Words
from notifications.rendering import STANDARD, Wording, digest, direct, to_group
from notifications.routing import SchoolSettings

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2020, 1, 15, 23, 45, tzinfo=UTC)  # a Thursday, 07:45 at the school
SCHOOL = SchoolSettings(public_url="https://safety.school.example")
READERS: Mapping[Locale, Addressee] = {
    "zh": Addressee("t0012", "王老师", "zh"),
    "en": Addressee("t0012", "Alex Reader", "en"),
}
NAMELESS: Mapping[Locale, Addressee] = {"zh": Addressee("t0012", "", "zh"), "en": Addressee("t0012", "", "en")}

Fullness = Literal["usual", "full", "bare"]
#: usual   what is known as a rule
#: full    everything that can be known, as long as people write it
#: bare    as little as the engine ever knows

USUAL_AND_FULL: tuple[Fullness, ...] = ("usual", "full")

_LONG = Text("实训楼二层东侧走廊尽头配电箱门锁损坏且箱内线路裸露、旁边堆放可燃杂物，课间学生往来频繁", "")
#: title and place of a case, by workflow
SAID: Mapping[str, tuple[str, str]] = {
    "hazard": ("插座面板破损", "教学楼三楼走廊"),
    "drill": ("冬季消防疏散演练", "实训楼、操场"),
    "notice": ("关于开展冬季校园安全大检查的通知", ""),
    "task": ("检查锅炉房和配电间", "实训楼锅炉房"),
    "comparison": ("对照检查：某校实验室火灾", "实训楼机电实训室"),
    "inspection": ("总务后勤处 2020-01 安全检查月报", "总务后勤处"),
    "cross_inspection": ("2020 年 1 月交叉检查", ""),
    "cross_check": ("交叉检查：机电工程系检查总务后勤处", "总务后勤处"),
    "group_inspection": ("开学前分组排查", ""),
    "group_check": ("分组排查：实训楼一层（第 2 组）", "实训楼一层"),
    "spot_check": ("2020 年 3 月抽查（回头看）", ""),
    "revisit": ("回头看：插座面板破损", "教学楼三楼走廊"),
    "record": ("插座面板破损", "教学楼三楼走廊"),
    "stage_summary": ("校园安全专项整治工作阶段小结", ""),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A message as it would leave. `name`: of its text; `workflow` and `state` are empty where it speaks of many."""

    name: str
    workflow: str
    state: str
    locale: Locale
    words: Words

    @property
    def file(self) -> str:
        parts = (self.name, self.workflow, self.state)
        return f"{self.locale}/{'.'.join(part for part in parts if part)}.txt"


def messages(
    workflows: Sequence[Workflow], locale: Locale, wording: Wording = STANDARD, fullness: Fullness = "usual"
) -> Iterator[Sample]:
    """One of every message there can be, by kind, workflow and state."""
    reader = (NAMELESS if fullness == "bare" else READERS)[locale]
    for workflow in workflows:
        for name, state, reason in kinds_of(workflow):
            notice = a_notice(workflow, state, reason, fullness, attention=name == "attention")
            links = (
                replace(wording, links={notice.id: SIGNED})
                if _is_his_to_acknowledge(workflow, state, reason)
                else wording
            )
            words = direct(notice, reader, ZONE, SCHOOL, NOW, links)
            yield Sample(name, workflow.key, state.name, locale, words)
    for name, words in _lists(workflows, reader, wording, fullness):
        yield Sample(name, "", "", locale, words)


#: what a link that takes a step looks like; it opens nothing
SIGNED = "https://safety.school.example/r?k=school.kcI-IGBPvIMG_ykmnuUNrgGSq_z0oszxa8r1Q-UiZTc"


def kinds_of(workflow: Workflow) -> Iterator[tuple[str, State, str]]:
    """(text, state the case is in by then, reason) of every notice this loop can give rise to."""
    returned = {t.target for t in workflow.transitions if t.reason == "returned"}
    informed = {t.target or source for t in workflow.transitions if t.tells for source in t.sources}
    climbed = {t.target for t in workflow.transitions if t.escalates}
    for state in workflow.states:
        could = {
            "waiting": not state.final,
            "returned": state.name in returned,
            "reminder": state.ladder is not None,
            "escalation": state.ladder is not None,
            "attention": state.name in climbed,
            "receipt": state.acknowledge is not None,
            "recomputed": state.due is not None,
            "informed": state.name in informed,
        }
        for name, so in could.items():
            if so:
                yield name, state, "escalation" if name == "attention" else name


def a_notice(
    workflow: Workflow, state: State, reason: str, fullness: Fullness = "usual", *, attention: bool = False
) -> Notice:
    """As the engine would write it of a case in this state."""
    number = f"{workflow.prefix}-2020-0012"
    title, place = SAID.get(workflow.key, (workflow.title.zh, ""))
    late = reason == "escalation" and not attention
    due_at = NOW + (timedelta(days=-3) if late else timedelta(days=3, hours=16))
    about: dict[str, Any] = {
        "number": number, "workflow": workflow.key, "title": title, "state": state.name,
        "state_title": state.title.to_json(), "path": f"/cases/{number}",
        "rung": None if attention else "rung",
    }  # fmt: skip
    if fullness != "bare":
        case = Case("school", number, workflow.key, workflow.version, state.name, state.counted, state.final, NOW)
        step = _step_before(workflow, state, reason, attention=attention)
        about |= {
            "workflow_title": workflow.title.to_json(), "place": place, "level": "general",
            "due_at": None if state.due is None else due_at.isoformat(),
            "awaits": [workflow.called(name).to_json() for name in workflow.awaited(case)],
        }  # fmt: skip
        if step is not None:
            about |= {"trigger_title": step.title.to_json(), "actor_post": "安稳办主任"}
        if (receipt := workflow.acknowledgement(state.name)) is not None:
            about["acknowledge"] = {
                "trigger": receipt.trigger,
                "title": receipt.title.to_json(),
                "by": list(receipt.by),
            }
            if receipt.confirms and reason == "receipt":
                about["unconfirmed"] = {"count": 12, "posts": [["教职工", 11], ["部门安全员", 1]]}
    if fullness == "full":
        about |= {
            "title": _LONG.zh, "place": _LONG.zh, "provisional": True, "skipped": ["a", "b"],
            "actor_post": "分管安全副校长", "represented_post": "党委书记",
        }  # fmt: skip
        about |= {"level": "major"} if workflow.key == "hazard" else {}
    return Notice(f"{number}:7:{reason}", "school", number, 7, reason, (), "direct", NOW - timedelta(hours=15), about)


def _step_before(workflow: Workflow, state: State, reason: str, *, attention: bool) -> Transition | None:
    """What was done right before; None where the case was just opened."""
    for step in workflow.transitions:
        leads_here = state.name == step.target or (step.target is None and state.name in step.sources)
        tells = bool(step.tells) if reason == "informed" else step.target is not None
        sent_back = step.reason == "returned" if reason == "returned" else True
        if leads_here and tells and sent_back and (step.escalates is not None or not attention):
            return step
    return None


def _is_his_to_acknowledge(workflow: Workflow, state: State, reason: str) -> bool:
    return workflow.acknowledgement(state.name) is not None and reason in ("waiting", "receipt", "returned")


# --- what speaks of many ---------------------------------------------------------------------------------------------


def _lists(
    workflows: Sequence[Workflow], reader: Addressee, wording: Wording, fullness: Fullness
) -> Iterator[tuple[str, Words]]:
    lines = [
        replace(a_notice(workflow, state, reason, fullness), case=f"{workflow.prefix}-2020-00{n:02}")
        for workflow in workflows
        for n, (name, state, reason) in enumerate(kinds_of(workflow), start=10)
        if name in ("waiting", "escalation", "informed")
    ]
    abouts = _abouts([notice.about for notice in lines[:12]], fullness)
    whole = {
        reason: Notice(f"{LOGBOOK}:7:{reason}", "school", LOGBOOK, 7, reason, (), "direct", NOW, about)
        for reason, about in abouts.items()
    }
    few = [*lines[:2], whole["unreached"]] if fullness == "usual" else lines
    yield "digest", digest(few, reader, ZONE, SCHOOL, NOW, wording, Rest() if fullness == "usual" else Rest(more=40))
    for reason, notice in whole.items():
        yield reason, direct(notice, reader, ZONE, SCHOOL, NOW, wording)
    everybody = Addressee("group:HQC", "", reader.locale)
    told = () if fullness == "bare" else ("王老师", "李老师")
    yield "group", to_group(lines[0], told, everybody, ZONE, SCHOOL, NOW, wording)


def _abouts(cases: Sequence[Mapping[str, Any]], fullness: Fullness) -> Mapping[str, Mapping[str, Any]]:
    """What the notices that are about no single case say, by reason."""
    bare = fullness == "bare"
    shown = cases[:3] if fullness == "usual" else cases
    at = (NOW - timedelta(days=2)).isoformat()
    department = {"zh": "总务后勤处", "en": "Logistics"}
    return {
        "daily_list": {
            "department_title": None if bare else department, "count": len(shown), "overdue": 0 if bare else 1,
            "lines": [{**about, "who": [] if bare else ["王老师"]} for about in shown],
        },
        "back": {
            "from": "2020-01-06", "until": "2020-01-10", "done": len(shown), "waiting": 2,
            "lines": [{**about, "at": at} for about in shown],
        },
        "unreached": {
            "who": "李老师", "path": "/api/v1/people/lixia",
            "cause": {"zh": "没有登记手机号和邮箱", "en": "no phone number and no e-mail address is known"},
            **({} if bare else {"department_title": department, "since": at}),
        },
        "sealed": {
            "title": {
                "zh": "2020-01-15，12345 条，树根 9f86d081884c7d65…",
                "en": "2020-01-15, 12345 events, root 9f86d081884c7d65…",
            },
            "path": "/",
        },
    }  # fmt: skip
