"""Spot checks 抽查: hazards drawn from the book by a seed nobody chose, closed ones too; somebody who had no hand in them goes to
look again (回头看).

What fails though it was closed opens anew as a rebound, however long ago that was, and counts against whoever verified it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.calendar import Calendar
from engine.case import REVISITS, Case, Link, instant_text
from engine.commands import OpenCase
from engine.definition import (
    CaseRef,
    Day,
    DepartmentRef,
    Effect,
    FileRef,
    Form,
    FromFact,
    Line,
    PersonRef,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.draws import REPEATED, sample
from workflows.hazard import WRITTEN_EVIDENCE, Category, Photos
from workflows.joint import (
    ISSUERS,
    CallOffInspection,
    JointPolicy,
    checks_of,
    comes_out_of_a_draw,
    day_is_ahead,
    every_check_is_in,
    until_issued,
)
from workflows.ladders import HOLDER_LADDER, OFFICE_LADDER
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

POPULATION = "spot_check.population"  # the name under which what is drawn from is counted
MOST_POPULATION = 5_000  # kept whole with the draw, some 75 kB: what is larger is no longer looked through by anybody
MOST_DRAWN = 100
MOST_VISITORS = 30
OFFICE = (*SAFETY_OFFICE, "vp_safety")
CALLERS = (*OFFICE, *LEADERS)
#: whoever stood in one of these relations to a hazard had a hand in it, and does not look at it again
HAND_IN_IT = ("assignee", "fixer", "verifier", "approver")
#: those that go on record with the visit: whom it tells something about
TOLD_ABOUT = ("fixer", "verifier", "approver")
#: states of what nobody has looked at once, and may say what only the safety office should read; and of what was never a
#: hazard of its own
UNFIT = ("reported", "rejected", "merged")
NOTE, LONGEST = 1_200, 4_000  # characters of what somebody wrote that are said again in another case; of `Words`

#: what is shown beside the list that was drawn from, so that anybody can check that it is the one
DIGEST = Text(
    "按编号字符顺序排列、以换行符连接（UTF-8）后取 SHA-256",
    "the SHA-256 of the numbers in the order of their characters, joined by line feeds (UTF-8)",
)


# --- what it draws from ----------------------------------------------------------------------------------------------


def question_of(case: Case, calendar: Calendar) -> dict[str, Any]:
    """The list's question (`worklists.Filter`) behind a spot check: hazards that were registered in its days, and are closed, or
    were taken up and not found to be none.
    """
    said = case.facts
    first, last = (date.fromisoformat(said[name]) for name in ("first_day", "last_day"))
    asked: dict[str, Any] = {
        "workflow": "hazard",
        "opened_from": instant_text(calendar.start_of(first)),
        "opened_before": instant_text(calendar.start_of(last + timedelta(days=1))),
    }
    asked |= {"state": "closed"} if said["which"] == "closed" else {"apart_from": list(UNFIT)}
    narrowed = {"department": "of_department", "category": "of_category", "level": "of_level"}
    return asked | {name: said[fact] for name, fact in narrowed.items() if said.get(fact) is not None}


def population_of(asked: Mapping[str, Any], as_of: str, members: Iterable[str]) -> dict[str, Any]:
    """What a draw is made from, as it is kept: who is in it, how many they are and their digest (`DIGEST`).

    asked   the list's question, as known at `as_of`
    """
    listed = sorted(members)
    digest = hashlib.sha256("\n".join(listed).encode()).hexdigest()
    return {
        "name": POPULATION, "as_of": as_of, "asked": dict(asked), "size": len(listed), "sha256": digest, "members": listed,
    }  # fmt: skip


# --- forms -----------------------------------------------------------------------------------------------------------


class OpenSpotCheck(Form):
    title: Line = asks("抽查名称", "Spot check")
    first_day: Day = asks("抽查范围：隐患登记日期，自", "Hazards that were registered from")
    last_day: Day = asks("至（须早于今天）", "until, a day before today")
    which: Literal["closed", "all"] = asks("抽查哪些隐患", "Which of them", default="all")
    of_department: DepartmentRef | None = asks("只抽某部门的", "Of one department alone", default=None)
    of_category: Category | None = asks("只抽某类别的", "Of one category alone", default=None)
    of_level: Literal["general", "major"] | None = asks("只抽某等级的", "Of one level alone", default=None)
    how_many: Annotated[int, Field(ge=1, le=MOST_DRAWN)] = asks(
        "抽取数量（符合条件的不足此数时全部抽取）", "How many; all of them where there are fewer"
    )
    visitors: Annotated[list[PersonRef], Field(min_length=1, max_length=MOST_VISITORS)] = asks(
        "由谁回头看（轮流分派，经办过的隐患不派给本人）", "Who goes, in turn; nobody to what he had a hand in"
    )
    due_on: Day = asks("完成日期", "Looked at by")
    requirement: Line | None = asks("抽查要求", "What is asked", default=None)


class DrawHazards(Form):
    seed: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = asks(
        f"抽签种子（{REPEATED.zh}）", f"Seed ({REPEATED.en})", default=None, typed=False
    )


class ChangeSpotCheck(Form):
    visitors: Annotated[list[PersonRef], Field(min_length=1, max_length=MOST_VISITORS)] = asks(
        "改由谁回头看", "Who goes now, in turn"
    )
    due_on: Day = asks("完成日期", "Looked at by")


class ConcludeSpotCheck(Form):
    summary: Words = asks("抽查结论与要求", "What it showed, and what is asked")


class OpenRevisit(Form):
    title: Line = asks("回头看", "What is looked at again")
    hazard: CaseRef = asks("原隐患", "The hazard")
    due_on: Day = asks("完成日期", "Due on")
    # told by the draw, so that no page offers to open one by hand
    visitors: Annotated[list[PersonRef], Field(min_length=1, max_length=MOST_VISITORS)] = asks(
        "可派人员", "Who may go, the next one first", typed=False
    )
    was: Words | None = asks("原隐患及整改情况", "What it was, and what was done", default=None, typed=False)


class PassRevisit(Form):
    finding: Words = asks("现场情况", "What was found on site")
    photos_check: Photos = asks("现场照片", "Photos", default_factory=list)


class FailRevisit(Form):
    finding: Words = asks("问题情况", "What is wrong")
    photos: Annotated[list[FileRef], Field(max_length=9)] = asks("现场照片", "Photos", default_factory=list)


class SendSomebodyElse(Form):
    assignee: PersonRef = asks("改派给", "Who goes instead")
    reason: Words = asks("改派理由", "Why")


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "spot.days_are_over",
    obstacle=Text(
        "抽查范围的起止日期颠倒，或止日还没有过去", "its days end before they begin, or the last of them is not over"
    ),
    remedy=Text("止日请填昨天或更早、不早于起日的日期", "End it yesterday or earlier, and no earlier than it begins"),
    reads_form=True,
)
def days_are_over(s: Situation) -> bool:
    first, last = (date.fromisoformat(s.data[name]) for name in ("first_day", "last_day"))
    return first <= last < s.today


@guard(
    "spot.nobody_goes_twice",
    obstacle=Text("有人重复列出", "somebody is named twice"),
    remedy=Text("回头看人员每人只列一次", "Name each of those who go once"),
    reads_form=True,
)
def nobody_goes_twice(s: Situation) -> bool:
    return len(set(s.data["visitors"])) == len(s.data["visitors"])


@guard(
    "spot.there_is_something_to_draw",
    obstacle=Text(
        "截至昨天，没有符合抽查条件的隐患", "as known last night, there is no hazard of the kind that it draws from"
    ),
    remedy=Text("请取消本次抽查，放宽日期或条件后重新发起", "Call it off, and begin another one with wider days or conditions"),
    reads_form=True,
)  # fmt: skip
def there_is_something_to_draw(s: Situation) -> bool:
    return s.figures is not None and s.figures["size"] > 0


@guard(
    "spot.population_can_be_kept",
    obstacle=Text(
        f"符合抽查条件的隐患超过 {MOST_POPULATION} 件，名单无法随抽签完整保存",
        f"more than {MOST_POPULATION} hazards are of the kind that it draws from, too many to be kept with the draw",
    ),
    remedy=Text("请取消本次抽查，缩短日期或加上条件后重新发起", "Call it off, and begin another one of fewer days or more conditions"),
    reads_form=True,
)  # fmt: skip
def population_can_be_kept(s: Situation) -> bool:
    return s.figures is not None and s.figures["size"] <= MOST_POPULATION


@guard(
    "spot.is_about_a_hazard",
    obstacle=Text("回头看的对象须是隐患", "what is looked at again has to be a hazard"),
    remedy=Text("请核对编号", "Check the number"),
    reads_form=True,
)
def is_about_a_hazard(s: Situation) -> bool:
    return s.related[s.data["hazard"]].workflow == "hazard"


@guard(
    "spot.had_no_hand_in_it",
    obstacle=Text(
        "您（或您所代表的人）曾整改、复查或销号该隐患，不能回头看自己经办的事项",
        "you, or the person you act for, fixed, verified or closed that hazard, and nobody looks again at his own work",
    ),
    remedy=Text("请安稳办改派他人", "Ask the safety office to send somebody else"),
)
def had_no_hand_in_it(s: Situation) -> bool:
    """By the hazard as it stands now: what was open when it was drawn may have gone through his hands since."""
    hazard = hazard_of(s)
    return hazard is None or s.actor.selves.isdisjoint(hands_in(hazard))


@guard(
    "spot.other_had_no_hand_in_it",
    obstacle=Text(
        "该人员曾整改、复查或销号该隐患，或已由其负责",
        "whoever is named fixed, verified or closed that hazard, or is the one who goes already",
    ),
    remedy=Text("请另选人员", "Name somebody else"),
    reads_form=True,
)
def other_had_no_hand_in_it(s: Situation) -> bool:
    hazard, named = hazard_of(s), s.data["assignee"]
    return named != s.case.assignee and (hazard is None or named not in hands_in(hazard))


@guard(
    "spot.failure_is_photographed",
    obstacle=Text("不合格的没有现场照片", "it failed, and there is no photo of that"),
    remedy=Text("请上传至少一张现场照片", "Upload at least one photo"),
    reads_form=True,
)
def failure_is_photographed(s: Situation) -> bool:
    hazard = hazard_of(s)
    return bool(s.data["photos"]) or (hazard is not None and hazard.category.startswith(WRITTEN_EVIDENCE))


def hazard_of(s: Situation) -> Case | None:
    """The hazard that a visit looks at again. None while nobody asked for it: before the step is taken."""
    return s.related.get(s.case.facts["hazard"])


def hands_in(hazard: Case) -> frozenset[str]:
    """Everybody who had a hand in it, those represented included."""
    persons = {hazard.assignee} if hazard.assignee is not None else set[str]()
    return frozenset(persons.union(*(hazard.who_acted(relation) for relation in HAND_IN_IT)))


# --- effects ---------------------------------------------------------------------------------------------------------


def change_plan(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({name: s.data[name] for name in ("visitors", "due_on")}))


def draw_from_the_book(s: Situation, case: Case) -> Effect:
    """One visit for each hazard that was drawn; the visitors take them in turn. What was drawn from stays on record."""
    assert s.figures is not None  # handle counted it before it asked what the step means
    members, due_on, visitors = s.figures["members"], case.facts["due_on"], case.facts["visitors"]
    drawn = list(sample(members, min(case.facts["how_many"], len(members)), case.facts["seed"]))
    visits = tuple(
        OpenCase(
            "revisit",
            {
                "title": f"回头看：{number}", "hazard": number, "due_on": due_on,
                "visitors": [*visitors[n % len(visitors) :], *visitors[: n % len(visitors)]],
            },
        )
        for n, number in enumerate(drawn)
    )  # fmt: skip
    facts = {"population": s.figures, "drawn": drawn, "limit": until_issued(s, due_on)}
    return Effect(case.with_facts(facts), opens=visits)


def begin_visit(s: Situation, case: Case) -> Effect:
    """What the hazard was and where, for whoever goes; and that is the first of those who may, who had no hand in it."""
    hazard = s.related[s.data["hazard"]]
    hands = hands_in(hazard)
    goes = next((person for person in s.data["visitors"] if person not in hands), None)
    facts = {"limit": {"until": s.data["due_on"]}, "was": _said_of(s, hazard)}
    case = case.changed(title=f"回头看：{hazard.title}"[:200], place=hazard.place, assignee=goes)
    return Effect(case.with_facts(facts).with_acted("assignee", goes).linked(REVISITS, hazard.number))


def _said_of(s: Situation, hazard: Case) -> str:
    """The hazard in words: whoever goes may not see the case itself."""
    labels = (("补充说明", "details"), ("整改要求", "requirement"), ("整改情况", "measure"))
    told = [f"{label}：{hazard.facts[fact][:NOTE]}" for label, fact in labels if hazard.facts.get(fact)]
    closed = hazard.closed_at
    end = "抽中时尚未销号" if closed is None else f"{s.calendar.local_date(closed).isoformat()} 销号"
    return "；".join((f"{hazard.title}（{hazard.place}）", *told, end))[:LONGEST]


def it_held(s: Situation, case: Case) -> Effect:
    return Effect(_on_record(s, case), links=(Link(REVISITS, case.facts["hazard"]),))


def it_failed(s: Situation, case: Case) -> Effect:
    """What was closed opens anew, as a rebound. What is open is not opened twice: what was found is on record, and whoever has
    it hears of it. What had been taken for none is a hazard after all.
    """
    hazard = s.related[case.facts["hazard"]]
    opens: tuple[OpenCase, ...] = ()
    if hazard.final and hazard.state != "merged":
        again = hazard.number if hazard.state == "closed" else None
        opens = (OpenCase("hazard", _found_again(s, case, hazard), rebound_of=again),)
    return Effect(_on_record(s, case), opens=opens, links=(Link(REVISITS, hazard.number),))


def _on_record(s: Situation, case: Case) -> Case:
    """The visit with those it tells something about. Of a hazard that is not closed that is whoever has it: nobody has vouched
    for it yet.
    """
    hazard = s.related[case.facts["hazard"]]
    case = case.changed(department=hazard.department)
    if hazard.state != "closed":
        return case.with_acted("fixer", hazard.assignee)
    for relation in TOLD_ABOUT:
        case = case.with_acted(relation, *hazard.who_acted(relation))
    return case


def _found_again(s: Situation, case: Case, hazard: Case) -> dict[str, Any]:
    """The same thing at the same place; its level is decided by the criteria, as every hazard's."""
    level = {"general": "，原为一般隐患", "major": "，原为重大隐患"}.get(hazard.level, "")
    finding = s.data["finding"]
    return {
        "title": f"{hazard.title}（回头看不合格）"[:200],
        "place": hazard.place,
        "category": hazard.category or None,
        "department": hazard.department,
        "details": f"{case.number} 回头看 {hazard.number}{level}：{finding}"[:LONGEST],
        "photos": s.data["photos"],
        "source": "spot_check",
    }


def count_visits(s: Situation, case: Case) -> Effect:
    visits = checks_of(s)
    return Effect(
        case.with_facts({
            "visited": sum(visit.state in ANSWERED for visit in visits),
            "failed": sum(visit.state == "failed" for visit in visits),
        })
    )  # fmt: skip


def whoever_sends(case: Case) -> tuple[str, ...]:
    """Where everybody who was to go had a hand in it, the safety office finds somebody else."""
    return () if case.assignee is not None else SAFETY_OFFICE


# --- how verifications held ------------------------------------------------------------------------------------------

ANSWERED = ("passed", "failed")


@dataclass(frozen=True, slots=True)
class Held:
    """How what somebody had verified looked when others went there again: the visits by number, and those that failed."""

    person: str
    visits: Sequence[str]
    failed: Sequence[str]


def by_verifier(visits: Iterable[Case]) -> list[Held]:
    """Everybody who had verified what was looked at again, the most failures first. Where several verified one hazard it counts
    for each of them; where it was not closed, for nobody.
    """
    seen: dict[str, list[Case]] = {}
    for visit in visits:
        if visit.workflow == "revisit" and visit.state in ANSWERED:
            for person in visit.who_acted("verifier"):
                seen.setdefault(person, []).append(visit)
    held = [
        Held(person, [v.number for v in those], [v.number for v in those if v.state == "failed"])
        for person, those in seen.items()
    ]
    return sorted(held, key=lambda each: (-len(each.failed), -len(each.visits), each.person))


# --- the loops -------------------------------------------------------------------------------------------------------

SPOT_CHECK = Workflow(
    key="spot_check",
    plural="spot_checks",
    version=1,
    prefix="CC",
    title=Text("抽查", "Spot check"),
    opens_with=OpenSpotCheck,
    opens_by=CALLERS,
    opening_guards=(days_are_over, nobody_goes_twice, day_is_ahead),
    roles=LOOP_ROLES,
    policy=JointPolicy,
    own_words={"reporter": Text("组织人", "whoever called it")},
    states=[
        State(
            "planned", Text("待抽签", "To be drawn"), counts_as="reported", awaits=SAFETY_OFFICE,
            due=Within(workdays="draw_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "visiting", Text("回头看中", "Being looked at"), counts_as="assigned", awaits=SAFETY_OFFICE,
            due=FromFact("limit"), ladder=OFFICE_LADDER,
        ),
        State("concluded", Text("已办结", "Concluded"), counts_as="closed", final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "draw", "planned", "visiting", Text("抽签", "Draw"), by=CALLERS, form=DrawHazards,
            guards=(there_is_something_to_draw, population_can_be_kept), effect=draw_from_the_book, draws="seed",
            figures=POPULATION,
        ),
        Transition(  # who was to go may have left the school meanwhile, and the day may have passed
            "change_plan", "planned", None, Text("调整人员与日期", "Change who goes and by when"), by=CALLERS,
            form=ChangeSpotCheck, guards=(nobody_goes_twice, day_is_ahead), effect=change_plan, quiet=True,
        ),
        Transition(
            "conclude", "visiting", "concluded", Text("抽查办结", "Conclude"), by=ISSUERS, form=ConcludeSpotCheck,
            guards=(every_check_is_in,), effect=count_visits, acts_as="approver", tells=("safety_staff", "vp_safety"),
        ),
        Transition(
            "call_off", "planned", "called_off", Text("取消抽查", "Call it off"), by=CALLERS, form=CallOffInspection,
        ),
    ],
)  # fmt: skip

REVISIT = Workflow(
    key="revisit",
    plural="revisits",
    version=1,
    prefix="HTK",
    title=Text("回头看", "Second look"),
    opens_with=OpenRevisit,
    opens_by=CALLERS,
    opening=begin_visit,
    opening_guards=(comes_out_of_a_draw, is_about_a_hazard),
    roles=LOOP_ROLES,
    own_words={
        "assignee": Text("回头看人员", "whoever goes to look again"),
        "verifier": Text("原复查人", "whoever had verified it"),
        "fixer": Text("原整改人", "whoever had fixed it"),
    },
    states=[
        State(
            "due", Text("待回头看", "To be looked at"), counts_as="assigned", awaits=("assignee",),
            also_awaits=whoever_sends, due=FromFact("limit"), ladder=HOLDER_LADDER,
        ),
        State("passed", Text("合格", "It held"), counts_as="closed", final=True),
        State("failed", Text("不合格", "It failed"), counts_as="closed", final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "pass", "due", "passed", Text("现场合格", "It held"), by=("assignee",), form=PassRevisit,
            guards=(had_no_hand_in_it,), effect=it_held, acts_as="submitter",
        ),
        Transition(
            "fail", "due", "failed", Text("现场不合格", "It failed"), by=("assignee",), form=FailRevisit,
            guards=(had_no_hand_in_it, failure_is_photographed), effect=it_failed, acts_as="submitter",
            tells=("verifier", "fixer", "dept_head", *SAFETY_OFFICE, "vp_safety"),
        ),
        Transition(
            "change_visitor", "due", None, Text("改派他人", "Send somebody else"), by=CALLERS, form=SendSomebodyElse,
            guards=(other_had_no_hand_in_it,), hands_over=True, tells=("assignee",),
        ),
        Transition(
            "call_off", "due", "called_off", Text("取消回头看", "Call it off"), by=("safety_head", "vp_safety"),
            form=CallOffInspection, tells=("assignee",),
        ),
    ],
)  # fmt: skip
