"""The meeting bulletin 安全例会通报: one page from the ledger, read out at the safety meeting, then published to the staff.

Its numbers are counted by the program and frozen by a signature of somebody who did not compile them. What is published is a
table without names: whoever sees no hazard otherwise reads that table, and says that he did.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.case import FOLLOWED_BY, FOLLOWS, READ_OUT_AT, Case, Link, instant_text
from engine.definition import (
    AudienceRef,
    CaseRef,
    Day,
    Effect,
    Form,
    FromFact,
    Line,
    Policy,
    SignOff,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, everyone_has_confirmed, guard
from workflows import filing, hazard_report
from workflows.filing import (
    BEFORE,
    DAYS,
    FROM,
    Figures,
    Number,
    SendFilingBack,
    SignFiling,
    figures_are_those_that_were_compiled,
    keep_figures,
    period_is_over,
)
from workflows.ladders import OFFICE_LADDER
from workflows.notice import EVERYONE_KNOWS, OFFICE, Excuse
from workflows.roles import LOOP_ROLES, SAFETY_OFFICE

LONGEST_DAYS = 366  # what is longer is a misspelt year
WITHDRAWN = "withdrawn"

# --- figures ---------------------------------------------------------------------------------------------------------

_NONE = ["rejected", "merged"]  # no hazards, and those that are counted already
_HAZARDS: Mapping[str, Any] = {"workflow": "hazard", "apart_from": _NONE}
_FOUND: Mapping[str, Any] = {**_HAZARDS, "opened_from": FROM, "opened_before": BEFORE, "claimed_on": DAYS}
_CLOSED: Mapping[str, Any] = {**_HAZARDS, "closed_from": FROM, "closed_before": BEFORE}
_OPEN: Mapping[str, Any] = {"workflow": "hazard", "open": True}
_OVERDUE: Mapping[str, Any] = {"workflow": "hazard", "overdue": True}
_SIGNED: Mapping[str, Any] = {
    "workflow": "hazard_report", "action": ["sign"], "action_from": FROM, "action_before": BEFORE,
}  # fmt: skip


def _done(*actions: str) -> Mapping[str, Any]:
    return {**_HAZARDS, "action": list(actions), "action_from": FROM, "action_before": BEFORE}


FIGURES = Figures(
    "bulletin",
    [
        Number("found", Text("本期新增", "Found"), _FOUND),
        Number("major", Text("其中重大", "of these major"), {**_FOUND, "level": "major"}),
        Number("closed", Text("本期销号（含以前发现的）", "Closed, whenever found"), _CLOSED),
        Number("returned", Text("本期复查退回", "Sent back"), _done("return")),
        Number("extended", Text("本期批准延期", "Extended"), _done("grant_extension")),
        Number("deferred", Text("本期批准暂缓", "Deferred"), _done("grant_deferral")),
        Number("rebounded", Text("本期反弹（销号后再次出现）", "Came back after they were closed"), _done("rebounded_as")),
        Number("open_at_end", Text("期末未销号", "Open at the end"), _OPEN),
        Number("overdue_at_end", Text("其中逾期", "of these overdue"), _OVERDUE),
        # what nobody has looked at yet may be no hazard, and may say what it should not
        Number(
            "published_open", Text("公示：未销号（已受理）", "Published: open and taken up"),
            {"workflow": "hazard", "open": True, "apart_from": ["reported"]},
        ),
    ],
    found="found",
    by_department=[
        Number("found", Text("新增", "found"), _FOUND),
        Number("closed", Text("销号", "closed"), _CLOSED),
        Number("open_at_end", Text("未销号", "open"), _OPEN),
        Number("overdue_at_end", Text("逾期", "overdue"), _OVERDUE),
        # a department that found nothing said so, or said nothing: these two are never the same
        Number("reports", Text("月报报出", "monthly reports handed in"), _SIGNED),
        Number("zero_reports", Text("零报告", "of these zero reports"), {**_SIGNED, "besides": "zero"}),
        Number(
            "missing_reports", Text("月报未报", "monthly reports missing"),
            {"cycle": hazard_report.CYCLE, "report": "missing"},
        ),
    ],
)  # fmt: skip
#: the numbers whose hazards are published one by one
PUBLISHED = ("published_open", "closed")


# --- forms -----------------------------------------------------------------------------------------------------------

Audience = Annotated[list[AudienceRef], Field(min_length=1, max_length=100)]


class OpenBulletin(Form):
    title: Line = asks("标题", "Title")
    held_as: Literal["safety_meeting", "administration"] = asks("会议", "Meeting", default="safety_meeting")
    held_on: Day = asks("会议日期", "Day of the meeting")
    follows: CaseRef | None = asks("上一期通报（编号）", "Bulletin before it, which it counts on from", default=None)
    first_day: Day | None = asks(
        "统计起始日（接续上一期时不填）",
        "First day counted; left out where it follows another",
        default=None,
    )
    last_day: Day | None = asks(
        "统计截止日（默认会议前一天）", "Last day counted, else the day before the meeting", default=None
    )


class CompileBulletin(Form):
    remarks: Words | None = asks("情况说明", "Remarks", default=None)
    requirements: Words | None = asks("下步要求", "What is to be done", default=None)


class ReadOut(Form):
    meeting: CaseRef = asks("通报的会议（编号）", "Meeting at which it was read out")
    noted: Words | None = asks("会上意见", "What was said about it", default=None)


class Publish(Form):
    audience: Audience = asks("公示范围", "Who has to read it", default_factory=lambda: ["everyone"])
    note: Words | None = asks("公示说明", "Words to the readers", default=None)


class PublishFurther(Form):
    audience: Audience = asks("补充公示范围", "Who else has to read it")
    reason: Words = asks("补充说明", "Why")


class WithdrawBulletin(Form):
    reason: Words = asks("撤回理由", "Why it is withdrawn")


class BulletinPolicy(Policy):
    """publish_workdays         to publish what was read out
    heads_after_workdays     until who has not read it is named to his head
    close_workdays           until the office is reminded that the list is still open
    """

    publish_workdays: Annotated[int, Field(ge=1, le=30)] = 2
    heads_after_workdays: Annotated[int, Field(ge=1, le=30)] = 3
    close_workdays: Annotated[int, Field(ge=1, le=365)] = 10


# --- opening ---------------------------------------------------------------------------------------------------------


def _followed(s: Situation) -> Case | None:
    number = s.data["follows"]
    return None if number is None else s.related.get(number)


@guard(
    "bulletin.follows_a_bulletin",
    obstacle=Text(
        "所填的上一期不是通报，或已撤回，或已有下一期接续",
        "what it follows is no bulletin, was withdrawn, or is followed by another already",
    ),
    remedy=Text(
        "请填写最近一期有效通报的编号，或改填统计起始日", "Name the newest bulletin that stands, or give the first day"
    ),
    reads_form=True,
)
def follows_a_bulletin(s: Situation) -> bool:
    if s.data["follows"] is None:
        return True
    before = _followed(s)
    if before is None or before.workflow != s.case.workflow or before.state == WITHDRAWN:
        return False
    return not any(link.kind == FOLLOWED_BY for link in before.links)


@guard(
    "bulletin.begins_on_one_day",
    obstacle=Text(
        "上一期通报和统计起始日须填且只填一项：都不填不知道从哪天统计，都填会重复或漏掉日子",
        "it needs either the bulletin before it or a first day: with neither nothing says from which day it counts, with both days "
        "might be counted twice, or never",
    ),
    remedy=Text(
        "请填写上一期通报的编号；第一期请填写统计起始日",
        "Name the bulletin before it; of the first one give the first day",
    ),
    reads_form=True,
)
def begins_on_one_day(s: Situation) -> bool:
    return (s.data["follows"] is None) is not (s.data["first_day"] is None)


@guard(
    "bulletin.covers_days_before_the_meeting",
    obstacle=Text(
        f"统计截止日须早于会议日、不早于起始日，且不超过 {LONGEST_DAYS} 天",
        f"the last day has to lie before the meeting, not before the first one, and within {LONGEST_DAYS} days of it",
    ),
    remedy=Text(
        "请核对起止日期；会议当天的数字要到次日才齐",
        "Check the days; those of the meeting's own day are known on the next",
    ),
    reads_form=True,
)
def covers_days_before_the_meeting(s: Situation) -> bool:
    first, last = _days(s)
    return first <= last < date.fromisoformat(s.data["held_on"]) and (last - first).days < LONGEST_DAYS


def _days(s: Situation) -> tuple[date, date]:
    """First and last day that it counts."""
    before, said = _followed(s), s.data["last_day"]
    if s.data["first_day"] is not None:
        first = date.fromisoformat(s.data["first_day"])
    else:
        assert before is not None  # guarded
        first = date.fromisoformat(before.facts["last_day"]) + timedelta(days=1)
    last = date.fromisoformat(said) if said is not None else date.fromisoformat(s.data["held_on"]) - timedelta(days=1)
    return first, last


def begin(s: Situation, case: Case) -> Effect:
    """Which days it counts; it is due on the day of the meeting."""
    (first, last), before = _days(s), _followed(s)
    facts = {
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "period": f"{first}..{last}",
        "version": 1,
        "covers_from": instant_text(s.calendar.start_of(first)),
        "covers_before": instant_text(s.calendar.start_of(last + timedelta(days=1))),
        "limit": {"until": s.data["held_on"]},
    }
    links = () if before is None else (Link(FOLLOWS, before.number),)
    return Effect(case.with_facts(facts), links=links)


# --- steps -----------------------------------------------------------------------------------------------------------


def keep_signature(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"signed_on": s.today.isoformat()}))


def _meeting(s: Situation) -> Case | None:
    return s.related.get(s.data["meeting"])


@guard(
    "bulletin.heard_by_a_meeting_of_the_school",
    obstacle=Text("所填编号不是学校会议，或该会议已撤回", "that is no meeting of the school, or it was taken back"),
    remedy=Text(
        "请先在“文件与会议”中登记这次会议，再填写其编号", "Enter the meeting as a notice first, then give its number"
    ),
    reads_form=True,
)
def heard_by_a_meeting_of_the_school(s: Situation) -> bool:
    meeting = _meeting(s)
    if meeting is None or meeting.workflow != "notice" or meeting.state == "withdrawn":
        return False
    return bool(meeting.facts.get("kind") == "school_meeting")


@guard(
    "bulletin.signed_before_the_meeting",
    obstacle=Text(
        "这次会议早于通报的统计截止日或签发日，会上不可能通报过",
        "that meeting was before the last day counted, or before it was signed: it cannot have heard it",
    ),
    remedy=Text("请填写签发当天或之后召开的会议", "Name a meeting held on the day it was signed, or later"),
    reads_form=True,
)
def signed_before_the_meeting(s: Situation) -> bool:
    meeting, facts = _meeting(s), s.case.facts
    held_on = None if meeting is None else meeting.facts.get("dated_on")
    if held_on is None or "signed_on" not in facts:
        return False
    return bool(facts["last_day"] < held_on and facts["signed_on"] <= held_on)


def read_out(s: Situation, case: Case) -> Effect:
    """Bound to the meeting, whose record tells it from then on."""
    meeting = _meeting(s)
    assert meeting is not None  # guarded
    return Effect(
        case.with_facts({"read_out_on": meeting.facts["dated_on"]}), links=(Link(READ_OUT_AT, meeting.number),)
    )


ON_THE_DAY: Mapping[str, Any] = {"due": FromFact("limit"), "ladder": OFFICE_LADDER}

BULLETIN = Workflow(
    key="bulletin",
    plural="bulletins",
    version=1,
    prefix="LH",
    title=Text("安全例会通报", "Meeting bulletin"),
    opens_with=OpenBulletin,
    opens_by=OFFICE,
    opening=begin,
    opening_guards=(follows_a_bulletin, begins_on_one_day, covers_days_before_the_meeting),
    roles=LOOP_ROLES,
    policy=BulletinPolicy,
    sign_off=SignOff(filing.SIGN_OFF.rows, filing.one_table),
    own_words=filing.OWN_WORDS,
    states=[
        State("due", Text("待汇总", "To be compiled"), counts_as="assigned", awaits=SAFETY_OFFICE, **ON_THE_DAY),
        State("compiled", Text("待审核签发", "To be signed"), counts_as="fixed", awaits=filing.SIGN_FIRST, **ON_THE_DAY),
        State("signed", Text("待会上通报", "To be read out"), counts_as="verified", awaits=SAFETY_OFFICE, **ON_THE_DAY),
        State(
            "read_out", Text("已通报，待公示", "Read out, to be published"), counts_as="verified", awaits=SAFETY_OFFICE,
            due=Within(workdays="publish_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "published", Text("公示中", "Published"), counts_as="verified", awaits=SAFETY_OFFICE,
            due=Within(workdays="close_workdays"), ladder=OFFICE_LADDER, acknowledge=EVERYONE_KNOWS,
        ),
        State("closed", Text("已归档", "Filed"), final=True),
        State(WITHDRAWN, Text("已撤回", "Withdrawn"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "compile", ("due", "compiled"), "compiled", Text("汇总", "Compile"), by=SAFETY_OFFICE, form=CompileBulletin,
            guards=(period_is_over,), effect=keep_figures, figures=FIGURES.name, acts_as="submitter",
        ),
        Transition(
            "sign", "compiled", "signed", Text("审核签发", "Sign"), sign_off="sign", form=SignFiling,
            guards=(figures_are_those_that_were_compiled,), effect=keep_signature, figures=FIGURES.name,
            acts_as="approver",
        ),
        Transition(
            "send_back", "compiled", "due", Text("退回重新汇总", "Send back"), sign_off="sign", alone=True,
            by=filing.SIGNERS, form=SendFilingBack, counts="returned", reason="returned",
        ),
        Transition(
            "read_out", "signed", "read_out", Text("登记会上通报", "Record that it was read out"), by=OFFICE, form=ReadOut,
            guards=(heard_by_a_meeting_of_the_school, signed_before_the_meeting), effect=read_out,
        ),
        Transition(
            "publish", "read_out", "published", Text("公示", "Publish"), by=OFFICE, form=Publish, addresses="audience",
        ),
        Transition("confirm", "published", None, Text("确认已阅", "I have read it"), by=("addressee",), confirms=True),
        Transition(
            "publish_further", "published", None, Text("扩大公示范围", "Publish further"), by=OFFICE, form=PublishFurther,
            quiet=True, addresses="audience", hands_over=True,
        ),
        Transition(
            "excuse", "published", None, Text("免予确认", "Excuse"), by=OFFICE, form=Excuse, quiet=True, excuses="persons",
        ),
        Transition(
            "close", "published", "closed", Text("归档", "File"), by=OFFICE, guards=(everyone_has_confirmed,),
        ),
        Transition(
            "withdraw", ("due", "compiled", "signed"), WITHDRAWN, Text("撤回", "Withdraw"), by=filing.SIGNERS,
            form=WithdrawBulletin,
        ),
    ],
)  # fmt: skip
