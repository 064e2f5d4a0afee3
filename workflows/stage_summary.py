"""The stage summary 阶段小结 of a period: compiled from the records, its words written, signed by a leader, filed.

Numbers are counted by the program as they were known when the period was over, and kept with the question of each; words may
be written anew, the places of numbers stay. What was signed is corrected by a new version alone, and both remain.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from engine.case import CORRECTS, Case, Link, instant_text
from engine.definition import (
    CaseRef,
    Day,
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
    said,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.filing import (
    SendFilingBack,
    SignFiling,
    can_be_corrected,
    corrected_by,
    figures_are_those_that_were_compiled,
    keep_figures,
    period_is_over,
)
from workflows.ladders import OFFICE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE
from workflows.summary_text import fault_in, rewritten, standard

KEY = "stage_summary"
FIGURES = "stage_summary"  # under which its numbers are counted; what is counted under it never changes
LONGEST_DAYS = 1100  # three years; what is longer is a misspelt year
SIGNERS = ("vp_safety", *LEADERS)
_VERSION = re.compile(r"（第 \d+ 版·更正）$")


# --- forms -----------------------------------------------------------------------------------------------------------


class OpenStageSummary(Form):
    title: Line = asks("标题", "Title")
    first_day: Day = asks("起始日期", "First day")
    last_day: Day = asks("截止日期", "Last day")
    corrects: CaseRef | None = asks("更正哪一件（新小结不填）", "Which summary it corrects, if any", default=None)
    reason: Words | None = asks("更正原因", "Why it is corrected", default=None)


class EditStageSummary(Form):
    """The words, a section each: a paragraph a line. What is left empty stays as it is."""

    opening: Words | None = asks("开头", "Opening", default=None)
    meetings: Words | None = asks("1. 会议", "1. Meetings", default=None)
    organisation: Words | None = asks("2. 组织与方案", "2. Organisation and plans", default=None)
    checks: Words | None = asks("3. 检查、整治与填报", "3. Inspections, hazards, filings", default=None)
    education: Words | None = asks("4. 教育与演练", "4. Education and drills", default=None)
    security: Words | None = asks("5. 安保与值守", "5. Security and duty", default=None)
    epidemic: Words | None = asks("6. 疫情防控", "6. Epidemic", default=None)
    problems: Words | None = asks("存在问题", "Problems left", default=None)
    next_steps: Words | None = asks("下一步打算", "Next steps", default=None)

    @field_validator("*")
    @classmethod
    def every_place_stays(cls, words: str | None, field: ValidationInfo) -> str | None:
        assert field.field_name is not None  # it is one of the sections above
        if words is not None and (fault := fault_in(field.field_name, words)) is not None:
            raise said(fault)
        return words


class CallOffSummary(Form):
    reason: Words = asks("取消理由", "Why it is called off")


class FileSummary(Form):
    remark: Words | None = asks("归档说明", "Remark", default=None)


class SummaryPolicy(Policy):
    """compile_workdays   after the period is over; a correction has them from when it was begun"""

    compile_workdays: Annotated[int, Field(ge=1, le=365)] = 5
    sign_workdays: Annotated[int, Field(ge=1, le=365)] = 3
    file_workdays: Annotated[int, Field(ge=1, le=365)] = 5


# --- opening ---------------------------------------------------------------------------------------------------------


@guard(
    "stage_summary.days_in_their_order",
    obstacle=Text(
        "截止日期早于起始日期，或期间超过三年",
        "the last day comes before the first, or they span more than three years",
    ),
    remedy=Text("请核对起止日期", "Check the two days"),
    reads_form=True,
)
def days_in_their_order(s: Situation) -> bool:
    first, last = (date.fromisoformat(s.data[name]) for name in ("first_day", "last_day"))
    return timedelta(0) <= last - first <= timedelta(days=LONGEST_DAYS)


@guard(
    "stage_summary.corrects_the_newest_that_was_signed",
    obstacle=Text(
        "该件不是阶段小结，或尚未签发，或已有更新的版本",
        "that is no stage summary, was not signed yet, or has a later version already",
    ),
    remedy=Text(
        "未签发的请退回重新汇总；已更正过的请更正最新版本",
        "What is not signed is sent back; of what was corrected before, correct the newest version",
    ),
    reads_form=True,
)
def corrects_the_newest_that_was_signed(s: Situation) -> bool:
    if s.data["corrects"] is None:
        return True
    first = corrected_by(s)
    return first is not None and first.workflow == KEY and can_be_corrected(first)


@guard(
    "stage_summary.correction_covers_the_same_days",
    obstacle=Text(
        "更正须与原件起止日期相同，并写明更正原因；不是更正的不写更正原因",
        "a correction covers the days of what it corrects, and says why; nothing else gives a reason for one",
    ),
    remedy=Text(
        "请填写原件的起止日期和更正原因；另一期间请另行登记",
        "Give the same days, and why; another period is another summary",
    ),
    reads_form=True,
)
def correction_covers_the_same_days(s: Situation) -> bool:
    first = corrected_by(s)
    if first is None:
        return s.data["reason"] is None
    same = all(first.facts.get(name) == s.data[name] for name in ("first_day", "last_day"))
    return same and s.data["reason"] is not None


def begin_summary(s: Situation, case: Case) -> Effect:
    """What it covers, its version, and until when it has to be compiled; a correction begins with the words of the one before."""
    first_day, last_day = (date.fromisoformat(s.data[name]) for name in ("first_day", "last_day"))
    until = s.calendar.add_workdays(max(last_day, s.today), s.policy["compile_workdays"])
    facts = {
        "period": f"{first_day}..{last_day}",
        "version": 1,
        "covers_from": instant_text(s.calendar.start_of(first_day)),
        "covers_before": instant_text(s.calendar.start_of(last_day + timedelta(days=1))),
        "limit": {"until": until.isoformat()},
    }
    first = corrected_by(s)
    if first is None:
        return Effect(case.with_facts(facts))
    facts["version"] = first.facts["version"] + 1
    if first.facts.get("words"):
        facts["words"] = first.facts["words"]
    title = f"{_VERSION.sub('', case.title)[:180]}（第 {facts['version']} 版·更正）"
    return Effect(case.changed(title=title).with_facts(facts), links=(Link(CORRECTS, first.number),))


# --- steps -----------------------------------------------------------------------------------------------------------


def keep_figures_and_words(s: Situation, case: Case) -> Effect:
    """What was counted, and the words around it: those there are by now, else the standard ones as they are today, so that a
    later program's words never change what was signed.
    """
    words = case.facts.get("words") or standard().model_dump(mode="json")
    return Effect(keep_figures(s, case).case.with_facts({"words": words}))


@guard(
    "stage_summary.something_is_written",
    obstacle=Text("没有改写任何一节", "no section is written anew"),
    remedy=Text("请至少改写一节", "Write at least one"),
    reads_form=True,
)
def something_is_written(s: Situation) -> bool:
    return any(s.data.values())


def keep_words(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"words": rewritten(case.facts["words"], s.data)}))


def count_anew(_: Situation, case: Case) -> Effect:
    """The words stay; the numbers are counted again."""
    return Effect(case.with_facts({"figures": None, "zero": None}))


def words_so_far(case: Case) -> Mapping[str, str]:
    """The words of each section as they stand, a paragraph a line; none before they are compiled."""
    words = case.facts.get("words")
    return {} if words is None else {each["key"]: "\n".join(each["paragraphs"]) for each in words["sections"]}


STAGE_SUMMARY = Workflow(
    key=KEY,
    plural="stage_summaries",
    version=1,
    prefix="XJ",
    title=Text("阶段小结", "Stage summary"),
    opens_with=OpenStageSummary,
    opens_by=(*SAFETY_OFFICE, *SIGNERS),
    opening=begin_summary,
    opening_guards=(
        days_in_their_order, corrects_the_newest_that_was_signed, correction_covers_the_same_days,
    ),
    roles=LOOP_ROLES,
    policy=SummaryPolicy,
    own_words={
        "submitter": Text("汇总或改写的人", "whoever compiled or wrote it"),
        "reporter": Text("登记人", "whoever began it"),
    },
    states=[
        State(
            "reported", Text("待汇总", "To be compiled"), awaits=SAFETY_OFFICE, due=FromFact("limit"), ladder=OFFICE_LADDER
        ),
        State(
            "fixed", Text("已汇总，待签发", "Compiled, to be signed"), awaits=("vp_safety",),
            due=Within(workdays="sign_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("已签发", "Signed"), awaits=SAFETY_OFFICE, due=Within(workdays="file_workdays"),
            ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已归档", "Filed"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "compile", "reported", "fixed", Text("汇总", "Compile"), by=SAFETY_OFFICE, guards=(period_is_over,),
            effect=keep_figures_and_words, figures=FIGURES, acts_as="submitter",
        ),
        Transition(
            "edit", "fixed", None, Text("改写文字", "Write the words"), by=SAFETY_OFFICE, form=EditStageSummary,
            guards=(something_is_written,), effect=keep_words, quiet=True, acts_as="submitter",
        ),
        Transition(
            "sign", "fixed", "verified", Text("签发", "Sign"), by=SIGNERS, never=("submitter",), form=SignFiling,
            guards=(figures_are_those_that_were_compiled,), figures=FIGURES, acts_as="approver",
        ),
        Transition(
            "send_back", "fixed", "reported", Text("退回重新汇总", "Send back"), by=("safety_head", *SIGNERS),
            form=SendFilingBack, effect=count_anew, counts="returned", reason="returned",
        ),
        Transition(
            "file", "verified", "closed", Text("归档", "File"), by=SAFETY_OFFICE, form=FileSummary,
        ),
        Transition(
            "call_off", "reported", "called_off", Text("取消", "Call off"), by=("safety_head", *SIGNERS),
            form=CallOffSummary, tells=SAFETY_OFFICE,
        ),
    ],
)  # fmt: skip
