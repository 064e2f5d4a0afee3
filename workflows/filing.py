"""Period filing 定期报送: what is owed for a period goes due → compiled → signed → submitted → receipted.

Numbers are counted by the program, compiled again as often as one likes, and frozen by a signature of somebody who did not
compile them. What was handed in is corrected by a new version alone, and both remain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.case import CORRECTED_BY, CORRECTS, Case, Link, instant_text
from engine.definition import (
    Day,
    DocumentRef,
    Effect,
    Form,
    FromPeriod,
    Line,
    Policy,
    Signing,
    SignOff,
    State,
    Transition,
    Within,
    Words,
    asks,
)
from engine.errors import Text
from engine.guards import Guard, Situation, guard
from workflows.ladders import OFFICE_LADDER
from workflows.reference import department_called
from workflows.roles import SAFETY_OFFICE

SIGNERS = ("safety_head", "vp_safety", "principal", "secretary")
SIGN_FIRST = ("safety_head", "vp_safety")  # whom it waits for; the leaders where both are away
#: states of what was handed in or signed for good, which can be corrected
HANDED_IN = frozenset({"submitted", "receipted", "handed_in", "verified", "closed"})
GIVEN_UP = frozenset({"waived", "called_off"})
PERIODS_KNOWN = 1024  # days, weeks and months of departments, of which schools mostly have the same
#: stand in a question for the beginning and the end of what a filing covers, and for the department that files it
FROM, BEFORE, DEPARTMENT = "{from}", "{before}", "{department}"


# --- figures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A number that the program counts: how many cases a list shows, as it was known when the period was over.

    asks     the list's questions (`worklists.Filter`), `FROM` and `BEFORE` standing for the period
    column   the heading under which the form of forms.yaml has it, if it has
    """

    key: str
    title: Text
    asks: Mapping[str, Any]
    column: str | None = None


@dataclass(frozen=True)
class Figures:
    """Numbers that are counted together. What is counted under a `name` never changes: other numbers are another name.

    found   the number that makes a zero report if it is 0
    """

    name: str
    numbers: Sequence[Number]
    found: str


def counts_of(facts: Mapping[str, Any]) -> Mapping[str, int]:
    """The numbers a filing carries, by key; none before it was compiled."""
    figures = facts.get("figures")
    return {} if figures is None else {key: number["count"] for key, number in figures["numbers"].items()}


# --- forms -----------------------------------------------------------------------------------------------------------


class SignFiling(Form):
    opinion: Words = asks("审核意见", "Opinion")


class SendFilingBack(Form):
    reason: Words = asks("退回理由", "What has to be put right")


class SubmitFiling(Form):
    to: Line = asks("报送单位", "Handed in to")
    how: Literal["platform", "mail", "group", "paper"] = asks("报送方式", "By what", default="platform")
    sent_on: Day | None = asks("实际报送日期（如与登记日不同）", "Day it was sent, if not today", default=None)
    document: DocumentRef | None = asks("报送件", "What was sent", default=None)


class ReceiveReceipt(Form):
    receipt: Line = asks("回执编号", "Number of the receipt")
    received_on: Day | None = asks("回执日期", "Day of the receipt", default=None)
    receipt_document: DocumentRef | None = asks("回执件", "The receipt itself", default=None)


class WaiveFiling(Form):
    reason: Words = asks("免报理由", "Why nothing is owed this time")


class CorrectionPolicy(Policy):
    """correction_workdays   to hand in a correction that was begun"""

    correction_workdays: Annotated[int, Field(ge=1, le=365)] = 3


class FilingPolicy(CorrectionPolicy):
    """receipt_workdays   until a receipt is asked after"""

    receipt_workdays: Annotated[int, Field(ge=1, le=365)] = 5


# --- opening ---------------------------------------------------------------------------------------------------------


@guard(
    "filing.opens_by_itself_or_corrects",
    obstacle=Text(
        "报送由系统按期生成；自行登记的只能是更正，须写明更正哪一件、为什么",
        "filings open by themselves when they are owed; by hand only a correction, which says of what, and why",
    ),
    remedy=Text("请填写要更正的报送编号和更正原因", "Name the filing that is to be corrected, and say why"),
    reads_form=True,
)
def opens_by_itself_or_corrects(s: Situation) -> bool:
    if s.actor.kind == "system":
        return s.data["corrects"] is None and s.data["period"] is not None
    return s.data["corrects"] is not None and s.data["reason"] is not None


@guard(
    "filing.corrects_the_newest_that_was_handed_in",
    obstacle=Text(
        "该件不是本类本部门的报送，或尚未报出，或已有更新的版本",
        "that is no filing of this kind and department, was not handed in yet, or has a later version already",
    ),
    remedy=Text(
        "未报出的请退回重新汇总；已更正过的请更正最新版本",
        "What was not handed in is sent back and compiled again; of what was corrected before, correct the newest version",
    ),
    reads_form=True,
)
def corrects_the_newest_that_was_handed_in(s: Situation) -> bool:
    if s.data["corrects"] is None:
        return True
    first = corrected_by(s)
    if first is None or first.workflow != s.case.workflow:
        return False
    return can_be_corrected(first) and s.case.department in (None, first.department)


def can_be_corrected(case: Case) -> bool:
    """Whether it is a filing that was handed in, and the newest version of it; or a correction of one that was begun and given up:
    else what it began to correct could never be corrected any more.
    """
    if "covers_before" not in case.facts or any(link.kind == CORRECTED_BY for link in case.links):
        return False
    return case.state in HANDED_IN or (case.state in GIVEN_UP and case.facts["version"] > 1)


OPENING_GUARDS: tuple[Guard, ...] = (opens_by_itself_or_corrects, corrects_the_newest_that_was_handed_in)


def corrected_by(s: Situation) -> Case | None:
    """The case that the one being opened corrects."""
    number = s.data["corrects"]
    return None if number is None else s.related.get(number)


def begun(
    s: Situation, case: Case, days: Callable[[str], tuple[date, date]], titled: Callable[[str, str], Text]
) -> Effect:
    """A filing at its start: what it covers, and its version. A correction covers what the corrected one did, and has a few
    working days of its own.

    days     first and last day that a civil key covers
    titled   what the filing of a scope and a key is called
    """
    first = corrected_by(s)
    if first is None:
        key, department, version = s.data["period"], case.department, 1
    else:
        key, department, version = first.facts["period"], first.department, first.facts["version"] + 1
    from_day, last_day = days(key)
    facts = {
        "period": key,
        "version": version,
        "covers_from": instant_text(s.calendar.start_of(from_day)),
        "covers_before": instant_text(s.calendar.start_of(last_day + timedelta(days=1))),
    }
    title = titled(department or "", key).zh
    case = case.changed(title=title if version == 1 else f"{title}（第 {version} 版·更正）", department=department)
    if first is None:
        return Effect(case.changed(place=department_called(department or "").zh).with_facts(facts))
    due = s.calendar.end_of(s.calendar.add_workdays(s.today, s.policy["correction_workdays"]))
    facts |= {"period_opens_at": instant_text(s.now), "period_due_at": instant_text(due)}
    links = (Link(CORRECTS, first.number),)
    return Effect(case.changed(period=first.period, place=first.place).with_facts(facts), links=links)


@lru_cache(maxsize=PERIODS_KNOWN)
def opening_data(scope: str, key: str) -> Mapping[str, Any]:
    """What the opening form says of a period, of every school's department of that code; not to be altered."""
    return {"period": key, "department": scope}


# --- steps -----------------------------------------------------------------------------------------------------------


@guard(
    "filing.period_is_over",
    obstacle=Text("本期还没有结束，数字还会变", "the period is not over yet, and the numbers may still change"),
    remedy=Text("请在本期结束后汇总", "Compile it when the period is over"),
)
def period_is_over(s: Situation) -> bool:
    ends = s.case.facts.get("covers_before")
    return ends is not None and s.now >= datetime.fromisoformat(ends)


@guard(
    "filing.figures_are_those_that_were_compiled",
    obstacle=Text(
        "重新统计的数字与汇总时不一致，不能照原样签字",
        "the figures, counted again, are not those that were compiled; nobody can sign them as they are",
    ),
    remedy=Text("请退回重新汇总后再签字", "Send it back to be compiled again, then sign"),
    reads_form=True,
)
def figures_are_those_that_were_compiled(s: Situation) -> bool:
    return s.figures is not None and s.figures == s.case.facts.get("figures")


def keep_figures(s: Situation, case: Case) -> Effect:
    """What was counted becomes part of the case; a zero is said to be one."""
    assert s.figures is not None  # handle counted them before it asked what the step means
    return Effect(case.with_facts({"figures": s.figures, "zero": s.figures["zero"]}))


def one_table(_: Case) -> str:
    return "filing"


def says_zero(case: Case) -> bool:
    return case.facts.get("zero") is True


OWN_WORDS: Mapping[str, Text] = {"submitter": Text("汇总人", "whoever compiled it")}
SIGN_OFF = SignOff({("filing", "sign"): Signing(by=SIGNERS, never=("submitter",))}, one_table)


def states() -> list[State]:
    """Due, compiled and signed run on the period's own deadline: late stays late, whoever has it."""
    on_time: dict[str, Any] = {"due": FromPeriod(), "ladder": OFFICE_LADDER}
    return [
        State("due", Text("待汇总", "To be compiled"), counts_as="assigned", awaits=SAFETY_OFFICE, **on_time),
        State("compiled", Text("待审核签字", "To be signed"), counts_as="fixed", awaits=SIGN_FIRST, **on_time),
        State("signed", Text("待报送", "To be handed in"), counts_as="verified", awaits=SAFETY_OFFICE, **on_time),
        State(
            "submitted", Text("已报送，待回执", "Handed in, receipt awaited"), counts_as="verified", awaits=SAFETY_OFFICE,
            due=Within(workdays="receipt_workdays"), ladder=OFFICE_LADDER,
        ),
        State("receipted", Text("已回执", "Receipted"), counts_as="closed", final=True),
        State("waived", Text("免报", "Waived"), counts_as="closed", final=True),
    ]  # fmt: skip


def transitions(
    form: type[Form], figures: Figures, guards: tuple[Guard, ...] = (), receipt: Transition | None = None
) -> list[Transition]:
    """The steps of a filing that the safety office owes.

    form      what is typed when it is compiled: words, never the numbers
    figures   what is counted
    guards    conditions of compiling besides that the period is over
    receipt   another way to receipt than by one number
    """
    return [
        Transition(
            "compile", ("due", "compiled"), "compiled", Text("汇总", "Compile"), by=SAFETY_OFFICE, form=form,
            guards=(period_is_over, *guards), effect=keep_figures, figures=figures.name, acts_as="submitter",
        ),
        Transition(
            "waive", "due", "waived", Text("本期免报", "Waive this period"), by=SIGNERS, form=WaiveFiling, settles="waived",
            tells=SAFETY_OFFICE,
        ),
        Transition(
            "sign", "compiled", "signed", Text("审核签字", "Sign"), sign_off="sign", form=SignFiling,
            guards=(figures_are_those_that_were_compiled,), figures=figures.name, acts_as="approver",
        ),
        Transition(
            "send_back", "compiled", "due", Text("退回重新汇总", "Send back"), sign_off="sign", alone=True, by=SIGNERS,
            form=SendFilingBack, counts="returned", reason="returned",
        ),
        Transition(
            "submit", "signed", "submitted", Text("登记报送", "Record that it was handed in"), by=SAFETY_OFFICE,
            form=SubmitFiling, settles="reported",
        ),
        receipt
        or Transition(
            "receipt", "submitted", "receipted", Text("登记回执", "Record the receipt"), by=SAFETY_OFFICE,
            form=ReceiveReceipt,
        ),
    ]  # fmt: skip
