"""Notices 上级文件、会议与通报: received or held, conveyed, known by everybody who has to know, carried out, reported back.

Meetings, plans, rosters and publications end when everybody has confirmed; a superior's paper when it was answered as well.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import (
    Acknowledge,
    AddresseeRef,
    AudienceRef,
    Day,
    DepartmentRef,
    DocumentRef,
    Effect,
    Form,
    FromFact,
    Line,
    Policy,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, everyone_has_confirmed, guard
from workflows.hazard import Category
from workflows.ladders import OFFICE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

MOST_TASKS = 50  # of one notice; whoever has more writes a plan of them
DEAN = "vp_safety"

#: ends when everybody knows of it: nothing has to be carried out or answered
ONLY_TO_KNOW = frozenset({"school_meeting", "plan", "roster", "publication"})
#: held, not written: the day is the day it was held
MEETINGS = frozenset({"school_meeting", "superior_meeting"})
#: a superior's, who may ask for an answer
FROM_ABOVE = frozenset({"superior_notice", "superior_meeting", "accident"})

Documents = Annotated[list[DocumentRef], Field(max_length=9)]
Heads = Annotated[int, Field(ge=0, le=100_000)]


# --- forms -----------------------------------------------------------------------------------------------------------


class OpenNotice(Form):
    title: Line = asks("标题", "Title")
    kind: Literal[
        "superior_notice", "superior_meeting", "accident", "school_meeting", "plan", "roster", "publication"
    ] = asks("类型", "Kind")  # fmt: skip
    dated_on: Day = asks("成文或召开日期", "Dated or held on")
    place: Line | None = asks("地点", "Where", default=None)
    document_number: Line | None = asks("文号", "Number of the paper", default=None)
    issuer: Line | None = asks("发文单位或召集人", "Who issued or called it", default=None)
    tier: Literal["ministry", "province", "city", "county", "school"] | None = asks(
        "层级", "Level", default=None
    )  # fmt: skip
    reply_by: Day | None = asks("上级要求的反馈日期", "Answer asked for by", default=None)
    summary: Words | None = asks("主要内容", "What it says", default=None)
    documents: Documents = asks("附件", "Documents", default_factory=list)


class Task(BaseModel):
    """Something to do about it. Without a day it is due on the superior's."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line = asks("事项", "Task")
    department: DepartmentRef = asks("承办部门", "Department")
    due_on: Day | None = asks("完成日期（不填即上级要求的日期）", "Due on (else on the superior's day)", default=None)
    place: Line | None = asks("部位", "Where", default=None)


class Item(BaseModel):
    """One thing to look at everywhere, after an accident elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    title: Line = asks("对照内容", "What to look at")
    category: Category = asks("类别", "Category")


class Site(BaseModel):
    """A place that is like the one of the accident, and the department that looks at it."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    department: DepartmentRef = asks("检查部门", "Department")
    place: Line = asks("部位", "Where")


Audience = Annotated[list[AudienceRef], Field(min_length=1, max_length=100)]
Tasks = Annotated[list[Task], Field(max_length=MOST_TASKS)]


class Convey(Form):
    audience: Audience = asks("知晓范围", "Who has to know")
    key_points: Words = asks("传达要点", "What matters in it")
    tasks: Tasks = asks("布置事项", "Tasks given out", default_factory=list)
    items: Annotated[list[Item], Field(max_length=100)] = asks(
        "对照检查项目（事故通报）", "What to compare (accidents)", default_factory=list
    )
    sites: Annotated[list[Site], Field(max_length=200)] = asks(
        "对照检查部位（事故通报）", "Where to compare (accidents)", default_factory=list
    )


class ConveyFurther(Form):
    audience: Audience = asks("补充知晓范围", "Who else has to know")
    reason: Words = asks("补充说明", "Why")


class GiveTasks(Form):
    tasks: Annotated[list[Task], Field(min_length=1, max_length=MOST_TASKS)] = asks("布置事项", "Tasks given out")


class Excuse(Form):
    persons: Annotated[list[AddresseeRef], Field(min_length=1, max_length=500)] = asks("免予确认的人", "Who is excused")
    reason: Words = asks("免予确认的理由", "Why they cannot confirm")


class Minutes(Form):
    should_attend: Heads = asks("应到人数", "Expected heads")
    attended: Heads = asks("实到人数", "Heads counted")
    points: Words = asks("会议内容", "What was said")
    decisions: Words | None = asks("议定事项", "What was decided", default=None)
    read_out: Line | None = asks("会上通报的隐患整改情况（通报名称或编号）", "Bulletin read out", default=None)
    minutes: Documents = asks("会议纪要", "Minutes", default_factory=list)


class CarryOut(Form):
    done: Words = asks("落实情况", "What was done")
    evidence: Documents = asks("落实材料", "Evidence", default_factory=list)


class ReportBack(Form):
    reply: Words | None = asks("回复内容（上级未要求回复的不填）", "Answer (if one was asked for)", default=None)
    reply_number: Line | None = asks("回文文号", "Number of the answer", default=None)
    letter: Documents = asks("回复文件", "The letter", default_factory=list)


class CloseNotice(Form):
    opinion: Words = asks("办结意见", "Decision")


class TakeBack(Form):
    reason: Words = asks("撤回理由", "Why it is taken back")


class NoticePolicy(Policy):
    convey_workdays: Annotated[int, Field(ge=1, le=30)] = 1
    heads_after_workdays: Annotated[int, Field(ge=1, le=30)] = 2
    carry_out_workdays: Annotated[int, Field(ge=1, le=365)] = 10
    close_workdays: Annotated[int, Field(ge=1, le=365)] = 3


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "notice.day_has_come",
    obstacle=Text("会议或文件的日期还没到", "the day of the meeting or of the paper has not come yet"),
    remedy=Text("请在当天或之后登记", "Enter it on that day or later"),
    reads_form=True,
)
def day_has_come(s: Situation) -> bool:
    """A roster or a plan may be for days to come; what was held or received has its day behind it."""
    return s.data["kind"] in ONLY_TO_KNOW - MEETINGS or date.fromisoformat(s.data["dated_on"]) <= s.today


@guard(
    "notice.reply_asked_from_above",
    obstacle=Text("只有上级的文件、会议和通报才有反馈日期", "only what comes from above asks for an answer by a day"),
    remedy=Text("请去掉反馈日期，或改选类型", "Leave that day out, or choose another kind"),
    reads_form=True,
)
def reply_asked_from_above(s: Situation) -> bool:
    return s.data["reply_by"] is None or s.data["kind"] in FROM_ABOVE


@guard(
    "notice.tasks_have_a_day",
    obstacle=Text(
        "有布置事项没有完成日期，或晚于上级要求的日期", "a task has no day, or a later one than the superior asked for"
    ),
    remedy=Text("请填写不晚于上级要求的完成日期", "Give each a day, not after the superior's"),
    reads_form=True,
)
def tasks_have_a_day(s: Situation) -> bool:
    asked = s.case.facts.get("reply_by")
    days = [task["due_on"] or asked for task in s.data["tasks"]]
    return all(day is not None and (asked is None or day <= asked) for day in days)


@guard(
    "notice.accident_is_compared",
    obstacle=Text(
        "事故通报须列出对照检查的项目和部位，其他类型不开对照检查",
        "an accident needs what to compare and where; nothing else opens such a check",
    ),
    remedy=Text("请逐项列出要对照检查的内容，并列出所有同类部位", "List what to look at, and every place of that kind"),
    reads_form=True,
)
def accident_is_compared(s: Situation) -> bool:
    given = bool(s.data["items"]), bool(s.data["sites"])
    return all(given) if s.case.facts["kind"] == "accident" else not any(given)


@guard(
    "notice.is_a_meeting",
    obstacle=Text("这不是会议", "this is no meeting"),
    remedy=Text("会议纪要请记在会议记录中", "Minutes belong to the record of a meeting"),
)
def is_a_meeting(s: Situation) -> bool:
    return s.case.facts["kind"] in MEETINGS


@guard(
    "notice.nobody_counted_twice",
    obstacle=Text("实到人数不能多于应到人数", "more heads were counted than expected"),
    remedy=Text("请核对人数", "Check the numbers"),
    reads_form=True,
)
def nobody_counted_twice(s: Situation) -> bool:
    return bool(s.data["attended"] <= s.data["should_attend"])


@guard(
    "notice.only_to_know",
    obstacle=Text("此项须先落实并反馈，不能直接归档", "it has to be carried out and reported back before"),
    remedy=Text("请先填报落实情况", "Say what was done about it"),
)
def only_to_know(s: Situation) -> bool:
    return s.case.facts["kind"] in ONLY_TO_KNOW


@guard(
    "notice.has_to_be_carried_out",
    obstacle=Text(
        "此项只需人人知晓，不用填报落实和反馈", "it only has to be known; there is nothing to carry out or answer"
    ),
    remedy=Text(
        "人人确认后归档；要办的事请用“布置事项”",
        "File it once everybody has confirmed; give out tasks for what is to do",
    ),
)
def has_to_be_carried_out(s: Situation) -> bool:
    return s.case.facts["kind"] not in ONLY_TO_KNOW


@guard(
    "notice.tasks_are_done",
    obstacle=Text(
        "由此布置的事项或对照检查还没有办结", "what was given out or is compared because of it is still open"
    ),
    remedy=Text("请先督促办结，见本项的关联事项", "See that they are closed first; they are among the related cases"),
)
def tasks_are_done(s: Situation) -> bool:
    given = [link.number for link in s.case.links if link.kind == "child"]
    return all(s.related[number].final for number in given if number in s.related)


@guard(
    "notice.asked_for_is_answered",
    obstacle=Text("上级要求回复，还没有填写回复内容", "the superior asked for an answer, and there is none"),
    remedy=Text("请填写回复内容", "Write the answer"),
    reads_form=True,
)
def asked_for_is_answered(s: Situation) -> bool:
    return s.data["reply"] is not None or "reply_by" not in s.case.facts


# --- effects ---------------------------------------------------------------------------------------------------------


def take_in(s: Situation, case: Case) -> Effect:
    """The superior's day is the limit; where he gave none, the school's own."""
    asked = case.facts.get("reply_by")
    limit: Mapping[str, Any] = {"until": asked} if asked else {"workdays": s.policy["carry_out_workdays"]}
    return Effect(case.with_facts({"limit": limit}))


def give_out(s: Situation, case: Case) -> Effect:
    """Each task and each comparison becomes a case of its own, with the superior's day where none is given."""
    return Effect(case, opens=(*_tasks(s, case), *_comparisons(s, case)))


def give_more(s: Situation, case: Case) -> Effect:
    return Effect(case, opens=_tasks(s, case))


def _tasks(s: Situation, case: Case) -> tuple[OpenCase, ...]:
    asked = case.facts.get("reply_by")
    return tuple(
        OpenCase(
            "task",
            {
                "title": task["title"], "department": task["department"], "due_on": task["due_on"] or asked,
                "place": task["place"], "basis": _called(case),
            },
        )
        for task in s.data["tasks"]
    )  # fmt: skip


def _comparisons(s: Situation, case: Case) -> tuple[OpenCase, ...]:
    asked = case.facts.get("reply_by")
    return tuple(
        OpenCase(
            "comparison",
            {
                "title": f"对照检查：{case.title}"[:200], "place": site["place"], "department": site["department"],
                "items": s.data["items"], "due_on": asked, "basis": _called(case),
            },
        )
        for site in s.data["sites"]
    )  # fmt: skip


def _called(case: Case) -> str:
    """How others cite it: by the number of the paper, else by its title."""
    return str(case.facts.get("document_number") or case.title)


OFFICE = (*SAFETY_OFFICE, DEAN)

#: whoever has not confirmed hears of it again, and his head hears of him; a working day later the safety office's head, too
EVERYONE_KNOWS = Acknowledge(
    Within(workdays="heads_after_workdays"),
    (("unconfirmed", "unconfirmed_heads"), ("unconfirmed_heads", "safety_head")),
    heads=("dept_head", "safety_head", DEAN),
)

NOTICE = Workflow(
    key="notice",
    plural="notices",
    version=1,
    prefix="WJ",
    title=Text("文件与会议", "Notice"),
    opens_with=OpenNotice,
    opens_by=(*OFFICE, "vp_other", *LEADERS),
    opening=take_in,
    opening_guards=(day_has_come, reply_asked_from_above),
    roles=LOOP_ROLES,
    own_words={
        "fixer": Text("落实填报人", "whoever said what was done"),
        "reporter": Text("登记人", "whoever entered it"),
    },
    policy=NoticePolicy,
    states=[
        State(
            "reported", Text("已收到/已召开", "Received or held"), awaits=SAFETY_OFFICE,
            due=Within(workdays="convey_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "assigned", Text("传达中", "Being conveyed"), awaits=SAFETY_OFFICE, due=FromFact("limit"),
            ladder=OFFICE_LADDER,
            acknowledge=EVERYONE_KNOWS,
        ),
        State(
            "fixed", Text("已落实", "Carried out"), awaits=SAFETY_OFFICE, due=FromFact("limit"), ladder=OFFICE_LADDER,
            acknowledge=EVERYONE_KNOWS,
        ),
        State(
            "verified", Text("已反馈", "Reported back"), awaits=("safety_head",), due=Within(workdays="close_workdays"),
            ladder=OFFICE_LADDER, acknowledge=EVERYONE_KNOWS,
        ),
        State("closed", Text("已办结", "Closed"), final=True),
        State("withdrawn", Text("已撤回", "Taken back"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "convey", "reported", "assigned", Text("传达", "Convey"), by=(*OFFICE, *LEADERS), form=Convey,
            guards=(tasks_have_a_day, accident_is_compared), effect=give_out, acts_as="conveyer",
            addresses="audience",
        ),
        Transition(
            "confirm", ("assigned", "fixed", "verified"), None, Text("确认知晓", "Confirm"), by=("addressee",),
            confirms=True,
        ),
        Transition(
            "convey_further", ("assigned", "fixed", "verified"), None, Text("补充传达", "Convey further"),
            by=(*OFFICE, *LEADERS), form=ConveyFurther, quiet=True, addresses="audience", hands_over=True,
        ),
        Transition(
            "excuse", ("assigned", "fixed", "verified"), None, Text("免予确认", "Excuse"), by=OFFICE, form=Excuse,
            quiet=True, excuses="persons",
        ),
        Transition(
            "minute", ("reported", "assigned"), None, Text("记录会议", "Write the minutes"),
            by=(*OFFICE, *LEADERS, "vp_other"), form=Minutes, guards=(is_a_meeting, nobody_counted_twice),
        ),
        Transition(
            "give_tasks", "assigned", None, Text("布置事项", "Give out tasks"), by=(*OFFICE, *LEADERS), form=GiveTasks,
            guards=(tasks_have_a_day,), effect=give_more, quiet=True,
        ),
        Transition(
            "carry_out", "assigned", "fixed", Text("填报落实情况", "Say what was done"), by=SAFETY_OFFICE, form=CarryOut,
            guards=(has_to_be_carried_out, tasks_are_done), acts_as="fixer",
        ),
        Transition(
            "report_back", "fixed", "verified", Text("反馈", "Report back"), by=OFFICE, form=ReportBack,
            guards=(asked_for_is_answered,), acts_as="fixer",
        ),
        Transition(
            "file", "assigned", "closed", Text("归档", "File"), by=OFFICE,
            guards=(only_to_know, tasks_are_done, everyone_has_confirmed),
        ),
        Transition(
            "close", "verified", "closed", Text("办结", "Close"), by=("safety_head", DEAN, *LEADERS), never=("fixer",),
            form=CloseNotice, guards=(everyone_has_confirmed,), acts_as="approver",
        ),
        Transition(
            "withdraw", "reported", "withdrawn", Text("撤回", "Take back"), by=OFFICE, form=TakeBack,
        ),
    ],
)  # fmt: skip
