"""Filing to the provincial platform 省平台填报: the month's hazards, typed in there by hand, and the number each got there.

The platform has no door for programs, and none is forced: what is typed is printed in its order, and every number that comes
back is kept with the hazard. What is in our book and not in the platform is a list.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from engine.case import FILES, Case, Link, instant_text
from engine.cycles import Cycle, DueAfter, Month
from engine.definition import CaseRef, CycleRule, DepartmentRef, Effect, Form, Line, Transition, Words, Workflow, asks
from engine.errors import Text
from engine.guards import Situation, guard
from workflows import filing
from workflows.filing import BEFORE, DAYS, FROM, Figures, FilingPolicy, Number
from workflows.roles import LOOP_ROLES, SAFETY_OFFICE

CYCLE = "portal_month"
DUE_WORKDAYS = 5  # after the month is over. Practice of the school, not a rule
MOST_RECEIPTS = 40  # in one step: each is written into its hazard, and nobody is kept waiting longer than that takes

_OPENED: Mapping[str, Any] = {
    "workflow": "hazard", "opened_from": FROM, "opened_before": BEFORE, "apart_from": ["rejected", "merged"],
}  # fmt: skip


def _numbers(found: Mapping[str, Any]) -> list[Number]:
    return [
        Number("found", Text("本月隐患（应填报）", "Hazards of the month, all to be filed"), found),
        Number("major", Text("其中重大", "of these major"), {**found, "level": "major"}),
        Number("removed", Text("已整改", "Put right"), {**found, "open": False}),
        Number("left", Text("未整改", "Not yet put right"), {**found, "open": True}),
    ]


FIGURES_1 = Figures("portal", _numbers(_OPENED), found="found")
#: what was taken over from an older ledger was found when that one says, and not in the month of the import
FIGURES = Figures("portal_2", _numbers({**_OPENED, "claimed_on": DAYS}), found="found")
NAMES = (FIGURES_1.name, FIGURES.name)


class OpenPortal(Form):
    corrects: CaseRef | None = asks("更正哪一件", "Which filing it corrects", default=None)
    reason: Words | None = asks("更正原因", "Why it is corrected", default=None)
    period: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = asks(
        "月份（由系统填写）", "Month (set by the program)", default=None
    )
    department: DepartmentRef | None = asks("填报部门（由系统填写）", "Filed by (set by the program)", default=None)


class CompilePortal(Form):
    note: Words | None = asks("填报说明", "Remarks", default=None)


class PortalReceipt(BaseModel):
    """The number that one hazard got in the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    hazard: CaseRef
    receipt: Line


class RecordReceipts(Form):
    receipts: Annotated[list[PortalReceipt], Field(min_length=1, max_length=MOST_RECEIPTS)] = asks(
        "平台回执号（逐项）", "Numbers in the platform, hazard by hazard"
    )


class ClosePortal(Form):
    receipt: Line | None = asks("批次回执编号", "Number of the receipt for all of it", default=None)
    not_taken: Words | None = asks("未取得回执的隐患及原因", "Which have no number, and why", default=None)


@guard(
    "portal.receipts_are_of_its_hazards",
    obstacle=Text(
        "回执中有不属于本月应填报的隐患，或同一隐患、同一回执号出现两次",
        "a number is given to what is no hazard of this month, or a hazard or a number comes twice",
    ),
    remedy=Text("请对照本月隐患清单核对编号", "Check the numbers against the list of the month's hazards"),
    reads_form=True,
)
def receipts_are_of_its_hazards(s: Situation) -> bool:
    given = {**receipts_of(s.case), **{line["hazard"]: line["receipt"] for line in s.data["receipts"]}}
    twice = Counter(line["hazard"] for line in s.data["receipts"]) | Counter(given.values())
    return max(twice.values()) == 1 and all(_is_of(s.case, s.related[line["hazard"]]) for line in s.data["receipts"])


@guard(
    "portal.who_has_no_receipt_has_a_reason",
    obstacle=Text(
        "还有隐患没有平台回执号，也没有写明原因", "hazards have no number in the platform, and nothing says why"
    ),
    remedy=Text("请补录回执号，或写明未取得回执的隐患及原因", "Record their numbers, or say which have none and why"),
    reads_form=True,
)
def who_has_no_receipt_has_a_reason(s: Situation) -> bool:
    return len(receipts_of(s.case)) >= filing.counts_of(s.case.facts)["found"] or s.data["not_taken"] is not None


def receipts_of(case: Case) -> Mapping[str, str]:
    """Number of a hazard → its number in the platform."""
    receipts: Mapping[str, str] = case.facts.get("portal_receipts", {})
    return receipts


def _is_of(case: Case, hazard: Case) -> bool:
    since, before = case.facts["covers_from"], case.facts["covers_before"]
    opened = instant_text(hazard.opened_at)
    return hazard.workflow == "hazard" and since <= opened < before and hazard.state not in ("rejected", "merged")


def keep_receipts(s: Situation, case: Case) -> Effect:
    """Each number stands with its hazard from now on, and here."""
    given = {line["hazard"]: line["receipt"] for line in s.data["receipts"]}
    links = tuple(Link(FILES, number) for number in given if number not in receipts_of(case))
    return Effect(case.with_facts({"portal_receipts": {**receipts_of(case), **given}}), links=links)


def days_of(key: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{key}-01")
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def title_of(_: str, key: str) -> Text:
    return Text(f"{key[:4]}年{int(key[5:])}月省平台隐患填报", f"Provincial platform, hazards of {key}")


def begin_month(s: Situation, case: Case) -> Effect:
    return filing.begun(s, case, days_of, title_of)


def _steps(figures: Figures) -> list[Transition]:
    return [
        *filing.transitions(
            CompilePortal,
            figures,
            receipt=Transition(
                "receipt", "submitted", "receipted", Text("登记回执，办结", "Record the receipt, and close"),
                by=SAFETY_OFFICE, form=ClosePortal, guards=(who_has_no_receipt_has_a_reason,),
            ),
        ),
        Transition(
            "receipts", "submitted", None, Text("逐项登记平台回执号", "Record numbers in the platform"), by=SAFETY_OFFICE,
            form=RecordReceipts, guards=(receipts_are_of_its_hazards,), effect=keep_receipts, quiet=True,
        ),
    ]  # fmt: skip


PORTAL_1 = Workflow(
    key="portal",
    plural="portals",
    version=1,
    prefix="TB",
    title=Text("省平台填报", "Filing to the provincial platform"),
    opens_with=OpenPortal,
    opens_by=("system", *SAFETY_OFFICE),
    opening=begin_month,
    opening_guards=filing.OPENING_GUARDS,
    roles=LOOP_ROLES,
    routine=True,
    policy=FilingPolicy,
    sign_off=filing.SIGN_OFF,
    own_words=filing.OWN_WORDS,
    cycles=(
        CycleRule(
            Cycle(
                key=CYCLE,
                title=Text("每月填报省风险管控系统", "Monthly filing to the provincial platform"),
                workflow="portal",
                every=Month(),
                owed_by="safety_staff",
                due=DueAfter(workdays=DUE_WORKDAYS),
            ),
            title_of=title_of,
            data=filing.opening_data,
            says_zero=filing.says_zero,
        ),
    ),
    states=filing.states(),
    transitions=_steps(FIGURES_1),
)

#: since version 2 what an older ledger left open counts as found on the day that one says
PORTAL = replace(PORTAL_1, version=2, transitions=_steps(FIGURES))
