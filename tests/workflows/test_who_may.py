"""Who may do what, written by hand: step × role × relation × scope. Whatever stands in no row here is denied.

The table says again, independently of the definitions, what the reference and the rules say; the product of everything
there is (steps, states, modes, roles, scopes, relations, ways of acting) is then judged against it. Words of the scheme
and of the rules stand beside each row as its clause.

How a row names people: `safety_head` is the role held in the whole school or in the case's own department,
`dept_safety elsewhere` the role held in another department, `the assignee` a relation to the case.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest

from engine.actor import WHOLE_ORGANISATION, Actor, Grant, anonymous, system
from engine.authority import allow_opening, judge
from engine.calendar import Calendar
from engine.case import Case
from engine.definition import Workflow, guards_of
from engine.errors import NotAllowed, Text
from engine.guards import Situation
from engine.machine import blank_case
from workflows import CATALOG
from workflows.roles import ROLES

NOW = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)
ASKED = Text("办理", "Take the step")
HERE, ELSEWHERE, OFFICE = "HQC", "XB1", "DZB"  # the department that answers, another, and where the leaders sit

# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Who may take these steps from these states, and the clause that says so.

    never      relations, present or past, that keep a person from it whatever he holds
    modes      rows of the sign-off table this is one of; empty for every mode
    holding    and besides he has to hold one of these roles, in whatever scope
    himself    only in his own name, and as one of the department that answers
    oneself    only the very human being, under whichever of his accounts
    """

    loop: str
    steps: tuple[str, ...]
    states: tuple[str, ...]
    who: tuple[str, ...]
    clause: str
    never: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    holding: frozenset[str] = frozenset()
    himself: bool = False
    oneself: bool = False


OFFICE_AND_DEAN = ("safety_staff", "safety_head", "vp_safety")
CONVEYS = (*OFFICE_AND_DEAN, "principal", "secretary")
KNOWN_IN = ("assigned", "fixed", "verified")
OPEN = ("assigned", "deferred")
FIXED_IT = ("the assignee", "the fixer")
CHECKED_IT = (*FIXED_IT, "the verifier")
ASKED_FOR_IT = ("the asker", "the assignee")
INSPECTS = frozenset(
    {
        "dept_safety", "safety_staff", "safety_head", "dept_head", "guard_captain", "duty_leader", "duty_staff",
        "infosec", "doctor", "food_officer", "food_director", "vp_safety", "vp_other", "principal", "secretary",
    }
)  # fmt: skip

APPROVES = ("vp_safety", "principal", "secretary")
SIGNS = ("safety_head", "vp_safety", "principal", "secretary")

TABLE = [
    # --- hazards ---
    Row("hazard", ("assign", "reject", "merge"), ("reported",), ("safety_staff", "safety_head"),
        "roles: safety_staff and safety_head may triage and issue the notice"),
    Row("hazard", ("correct_on_spot",), ("reported",), ("the inspector",),
        "1.2 f: corrected on the spot and still recorded, by whoever found it at an inspection", holding=INSPECTS),
    Row("hazard", ("merge",), OPEN, ("safety_head", "vp_safety"),
        "1.2 g: a notice is closed by a higher role, and never by whoever fixes it", never=FIXED_IT),
    Row("hazard", ("acknowledge", "ask_extension", "ask_deferral"), ("assigned",), ("the assignee",),
        "states: receipt must be acknowledged; side: extended, deferred are asked for by who has to fix it"),
    Row("hazard", ("fix",), OPEN, ("the assignee",), "states: fixer says done and gives evidence"),
    Row("hazard", ("reassign",), OPEN, ("safety_staff", "safety_head", "vp_safety"),
        "roles: whoever issues the notice may issue it to another; vp_safety may assign supervision"),
    Row("hazard", ("hand_on",), OPEN, ("the assignee", "dept_head"),
        "roles: dept_head may reassign_within_department; relations: who fixes is a person in that department"),
    Row("hazard", ("take_over",), OPEN, ("dept_head", "dept_safety"),
        "relations: who fixes is a person in a department that answers for the hazard", himself=True),
    Row("hazard", ("retriage",), OPEN, ("safety_head", "vp_safety"), "1.2 a: level is a required decision at triage"),
    Row("hazard", ("file_plan",), ("assigned",), ("the assignee", "dept_head"),
        "1.2 c: the plan with its five items, by who has it to carry out"),
    Row("hazard", ("approve_plan", "refuse_plan"), ("assigned",), ("principal", "secretary"),
        "time_limit_modes: plan needs_approval principal; roles: principal and secretary may approve_plan",
        never=ASKED_FOR_IT),
    Row("hazard", ("grant_extension", "grant_deferral"), ("assigned",), ("vp_safety", "principal", "secretary"),
        "roles: vp_safety may approve_extension, approve_deferral; the leaders above, where it is the vice-principal's own",
        never=ASKED_FOR_IT),
    Row("hazard", ("refuse_extension", "refuse_deferral"), ("assigned",), ("vp_safety", "principal", "secretary"),
        "the same; to refuse lets nothing pass"),
    Row("hazard", ("supervise",), OPEN, ("vp_safety", "principal", "secretary"),
        "1.2 e: supervised by name; roles: vp_safety may assign_supervision"),
    Row("hazard", ("verify",), ("fixed",), ("the inspector",),
        "sign_off on_spot verify: by inspector, never assignee, fixer", never=FIXED_IT, modes=("on_spot",)),
    Row("hazard", ("verify",), ("fixed",), ("dept_safety elsewhere", "safety_staff"),
        "sign_off general verify: by dept_safety_of_another_department, safety_staff, never assignee, fixer",
        never=FIXED_IT, modes=("general",)),
    Row("hazard", ("verify",), ("fixed",), ("dept_safety elsewhere", "safety_staff"),
        "sign_off general_extended verify: any general case whose limit was extended or deferred, the same",
        never=FIXED_IT, modes=("extended", "deferred")),
    Row("hazard", ("verify",), ("fixed",), ("acceptance_group",),
        "sign_off major verify: by acceptance_group, never assignee, fixer", never=FIXED_IT, modes=("major",)),
    Row("hazard", ("return",), ("fixed",), ("the inspector", "safety_staff", "safety_head"),
        "1.2 g: if still failing, go round again; the safety office looks on site", modes=("on_spot",)),
    Row("hazard", ("return",), ("fixed",), ("dept_safety elsewhere", "safety_staff", "safety_head"),
        "1.2 g, general", modes=("general", "extended", "deferred")),
    Row("hazard", ("return",), ("fixed",), ("acceptance_group", "safety_staff", "safety_head"),
        "1.2 g, major", modes=("major",)),
    Row("hazard", ("approve",), ("verified",), ("the inspector",),
        "sign_off on_spot approve: by inspector, never assignee, fixer; the verifier himself is allowed",
        never=FIXED_IT, modes=("on_spot",)),
    Row("hazard", ("approve",), ("verified",), ("safety_head",),
        "sign_off general approve: by safety_head, never assignee, fixer, verifier", never=CHECKED_IT,
        modes=("general",)),
    Row("hazard", ("approve",), ("verified",), ("vp_safety",),
        "sign_off general_extended approve: by vp_safety, never assignee, fixer, verifier", never=CHECKED_IT,
        modes=("extended", "deferred")),
    Row("hazard", ("approve",), ("verified",), ("principal", "secretary"),
        "sign_off major approve: by principal, secretary, never assignee, fixer, verifier", never=CHECKED_IT,
        modes=("major",)),
    Row("hazard", ("send_back",), ("verified",), ("the inspector", "vp_safety", "principal", "secretary"),
        "1.2 g: who may not close it sends it back, and so may those above", modes=("on_spot",)),
    Row("hazard", ("send_back",), ("verified",), ("safety_head", "vp_safety", "principal", "secretary"),
        "1.2 g, general", modes=("general",)),
    Row("hazard", ("send_back",), ("verified",), ("vp_safety", "principal", "secretary"),
        "1.2 g, extended and major", modes=("extended", "deferred", "major")),
    # --- drills ---
    Row("drill", ("announce",), ("reported",), ("safety_staff", "safety_head"), "3.2, 20: planned, then notified"),
    Row("drill", ("reassign",), ("assigned",), ("safety_staff", "safety_head", "vp_safety"),
        "3.2, 20: notified; another commander where the first is gone"),
    Row("drill", ("hold",), ("assigned",), ("the assignee",), "3.2, 20: run and timed, by its commander"),
    Row("drill", ("review",), ("fixed",), ("safety_staff", "safety_head", "vp_safety"),
        "3.2, 20: reviewed, and not by who held it", never=FIXED_IT),
    Row("drill", ("repeat",), ("fixed",), ("safety_staff", "safety_head", "vp_safety"),
        "the same: a drill held again has not passed", never=FIXED_IT),
    Row("drill", ("archive",), ("verified",), ("vp_safety", "principal", "secretary"),
        "1.2 g: signs to confirm, then it is filed", never=CHECKED_IT),
    Row("drill", ("cancel",), ("reported", "assigned"), ("vp_safety", "principal", "secretary"),
        "3.2, 20: month without a drill is overdue, so who answers for that calls it off"),
    # --- inspections ---
    Row("inspection", ("submit",), ("due",), ("dept_safety",), "roles: dept_safety may inspect, fill_monthly_report"),
    Row("inspection", ("waive",), ("due",), ("safety_head", "vp_safety"), "3.2, 6: missing departments are named"),
    Row("inspection", ("sign", "send_back"), ("submitted",), ("dept_head", "vp_safety"),
        "1.2 h: signed by the person and the supervisor; roles: dept_head may approve_monthly_report",
        never=("the submitter",)),
    # --- what an older ledger says ---
    Row("record", ("file",), ("entered",), ("safety_staff", "safety_head", "vp_safety"),
        "1.2 h: two signatures, and 3.2, 34: the ledger is the safety office's; never by who entered it", never=("the inspector",)),
    Row("record", ("discard",), ("entered",), ("safety_staff", "safety_head", "vp_safety"),
        "1.2 m: whoever signed for it answers for it, and may say that it was a mistake"),
    # --- stage summaries ---
    Row("stage_summary", ("compile",), ("reported",), ("safety_staff", "safety_head"),
        "3.2, 35: compiled from the records; roles: safety_staff may compile_report"),
    Row("stage_summary", ("edit",), ("fixed",), ("safety_staff", "safety_head"), "3.2, 35: text editable, numbers locked"),
    Row("stage_summary", ("sign",), ("fixed",), ("vp_safety", "principal", "secretary"),
        "roles: vp_safety and leaders may sign_report; never who compiled or wrote it", never=("the submitter",)),
    Row("stage_summary", ("send_back",), ("fixed",), SIGNS, "the same; to send back lets nothing pass"),
    Row("stage_summary", ("file",), ("verified",), ("safety_staff", "safety_head"), "3.2, 35: filed by the office"),
    Row("stage_summary", ("call_off",), ("reported",), SIGNS, "3.2, 35: who answers for it calls it off"),
    # --- filings ---
    *(row for loop in ("weekly", "portal") for row in (
        Row(loop, ("compile",), ("due", "compiled"), ("safety_staff", "safety_head"),
            "cycles: bureau_week is owed by the safety office; roles: safety_staff may compile_report"),
        Row(loop, ("submit",), ("signed",), ("safety_staff", "safety_head"), "3.2, 12: filing time kept, by who files"),
        Row(loop, ("receipt",), ("submitted",), ("safety_staff", "safety_head"), "3.2, 13: each record keeps its receipt"),
        Row(loop, ("waive",), ("due",), SIGNS, "3.2, 6: missing ones are named"),
        Row(loop, ("sign",), ("compiled",), SIGNS,
            "3.2, 12: frozen, approved; roles: safety_head may publish_report, vp_safety and leaders may sign_report",
            never=("the submitter",)),
        Row(loop, ("send_back",), ("compiled",), SIGNS, "the same; to send back lets nothing pass"),
    )),
    Row("portal", ("receipts",), ("submitted",), ("safety_staff", "safety_head"),
        "3.2, 13: each record keeps portal id and filing time"),
    Row("hazard_report", ("compile",), ("due", "compiled"), ("dept_safety",), "roles: dept_safety may fill_monthly_report"),
    Row("hazard_report", ("sign",), ("compiled",), ("dept_head", "vp_safety"),
        "roles: dept_head may approve_monthly_report; vp_safety may sign_report", never=("the submitter",)),
    Row("hazard_report", ("send_back",), ("compiled",), ("dept_head", "vp_safety"), "to send back lets nothing pass"),
    Row("hazard_report", ("waive",), ("due",), ("safety_head", "vp_safety"), "3.2, 6: missing departments are named"),
    Row("daily", ("report",), ("due",), ("dept_safety", "dept_head"),
        "3.2, 25: one row per class and day, by the department here; roles: dept_safety may report"),
    Row("daily", ("waive",), ("due",), ("safety_head", "vp_safety"), "3.2, 6: missing ones are named"),
    # --- bulletins ---
    Row("bulletin", ("compile",), ("due", "compiled"), ("safety_staff", "safety_head"),
        "3.2, 11: made from the records; roles: safety_staff may compile_report"),
    Row("bulletin", ("sign",), ("compiled",), SIGNS,
        "roles: safety_head may publish_report, vp_safety and leaders may sign_report", never=("the submitter",)),
    Row("bulletin", ("send_back",), ("compiled",), SIGNS, "the same; to send back lets nothing pass"),
    Row("bulletin", ("read_out",), ("signed",), OFFICE_AND_DEAN, "3.2, 11: the minutes record that it was read out"),
    Row("bulletin", ("publish",), ("read_out",), OFFICE_AND_DEAN, "3.2, 11: published, once it was signed and read out"),
    Row("bulletin", ("publish_further", "excuse", "close"), ("published",), OFFICE_AND_DEAN,
        "3.2, 1: who has to know, and who need not, is the safety office's to settle"),
    Row("bulletin", ("confirm",), ("published",), ("the addressee",), "3.2, 1: each person confirms in the app", oneself=True),
    Row("bulletin", ("withdraw",), ("due", "compiled", "signed"), SIGNS, "1.2 m: by whoever may answer for it, with a reason"),
    # --- notices ---
    Row("notice", ("convey",), ("reported",), CONVEYS, "3.2, 1: the spirit of a meeting is conveyed by office and leaders"),
    Row("notice", ("convey_further",), KNOWN_IN, CONVEYS, "3.2, 1: the same, to more people"),
    Row("notice", ("confirm",), KNOWN_IN, ("the addressee",), "3.2, 1: each person confirms in the app", oneself=True),
    Row("notice", ("excuse",), KNOWN_IN, OFFICE_AND_DEAN, "3.2, 1: the unconfirmed list is the safety office's to settle"),
    Row("notice", ("minute",), ("reported", "assigned"), (*CONVEYS, "vp_other"),
        "3.2, 11: the minutes record that it was read out, by whoever held the meeting"),
    Row("notice", ("give_tasks",), ("assigned",), CONVEYS, "3.2, 1: tasks given out become loop items"),
    Row("notice", ("carry_out",), ("assigned",), ("safety_staff", "safety_head"), "3.2, 2: carried out"),
    Row("notice", ("report_back",), ("fixed",), OFFICE_AND_DEAN, "3.2, 2: reported back"),
    Row("notice", ("file",), ("assigned",), OFFICE_AND_DEAN, "3.2, 1: a meeting ends when everybody knows of it"),
    Row("notice", ("close",), ("verified",), ("safety_head", "vp_safety", "principal", "secretary"),
        "1.2 g: closed by a higher role, and never by whoever carried it out", never=("the fixer",)),
    Row("notice", ("withdraw",), ("reported",), OFFICE_AND_DEAN, "3.2, 2: what was entered by mistake"),
    # --- tasks ---
    Row("task", ("assign",), ("reported",), ("dept_head", "dept_safety", "safety_staff", "safety_head"),
        "3.2, 1: with person and limit, within the department"),
    Row("task", ("reassign",), ("assigned",), ("dept_head", "dept_safety", "safety_staff", "safety_head"),
        "roles: dept_head may reassign_within_department"),
    Row("task", ("fix",), ("assigned",), ("the assignee",), "states: whoever has it says done"),
    Row("task", ("verify",), ("fixed",), OFFICE_AND_DEAN, "1.2 g: another looks at it", never=FIXED_IT),
    Row("task", ("return",), ("fixed",), OFFICE_AND_DEAN, "1.2 g: if still failing, go round again"),
    Row("task", ("approve",), ("verified",), ("safety_head", "vp_safety", "principal", "secretary"),
        "1.2 g: closed by a higher role", never=CHECKED_IT),
    Row("task", ("drop",), ("reported", "assigned"), ("safety_head", "vp_safety", "principal", "secretary"),
        "3.2, 2: who gave it out takes it back"),
    # --- comparison checks ---
    Row("comparison", ("submit",), ("due",), ("dept_safety", "property_lead", "dept_head"),
        "3.2, 16: a check with its own list at every matching place; roles: dept_safety may inspect"),
    Row("comparison", ("sign", "send_back"), ("submitted",), ("dept_head", "safety_head", "vp_safety"),
        "1.2 h: signed by the person and the supervisor", never=("the submitter",)),
    Row("comparison", ("call_off",), ("due",), ("safety_head", "vp_safety"), "3.2, 16: who ordered it calls it off"),
    # --- cross and group inspections ---
    *(row for loop, draws in (("cross_inspection", ("draw", "go_on")), ("group_inspection", ("draw",))) for row in (
        Row(loop, draws, ("planned",), OFFICE_AND_DEAN, "3.2, 7 and 8: drawn by the office, and nobody chooses the seed"),
        Row(loop, ("issue",), ("inspecting",), SIGNS, "3.2, 8: limits start when the list is issued, by whoever may ask"),
        Row(loop, ("call_off",), ("planned",), CONVEYS, "3.2, 8: who ordered it calls it off"),
    )),
    Row("cross_check", ("submit",), ("due",), ("dept_safety", "dept_head"), "3.2, 8: the other department inspects"),
    Row("cross_check", ("sign", "send_back"), ("submitted",), ("dept_head", *OFFICE_AND_DEAN),
        "1.2 h: signed by the person and the supervisor", never=("the submitter",)),
    Row("group_check", ("submit",), ("due",), ("the assignee",), "3.2, 7: by the leader of the group"),
    Row("group_check", ("change_leader",), ("due",), OFFICE_AND_DEAN, "3.2, 7: no area is left over where a leader is away"),
    Row("group_check", ("sign",), ("submitted",), OFFICE_AND_DEAN, "1.2 h: signed by another", never=("the submitter",)),
    Row("group_check", ("send_back",), ("submitted",), OFFICE_AND_DEAN, "to send back lets nothing pass"),
    *(Row(loop, ("call_off",), ("due",), ("safety_head", "vp_safety"), "3.2, 7: not inspected, for a reason")
      for loop in ("cross_check", "group_check")),
    # --- campaigns and surveys ---
    Row("campaign", ("begin",), ("reported",), APPROVES,
        "3.2, 5: the scheme is approved, never by whoever drew it up", never=("the inspector",)),
    Row("campaign", ("ask_for_reports", "end_phase", "end_last_phase"), ("assigned",), OFFICE_AND_DEAN,
        "3.2, 5: reports due; a phase that ends opens the summary, which the office writes"),
    Row("campaign", ("adjust_phases",), ("assigned",), APPROVES, "3.2, 5: days that were approved are moved by who approved"),
    Row("campaign", ("conclude",), ("fixed",), OFFICE_AND_DEAN, "3.2, 5: wound up by the office"),
    Row("campaign", ("close",), ("verified",), APPROVES, "1.2 g: closed by a higher role", never=("the fixer",)),
    Row("campaign", ("send_back",), ("verified",), APPROVES, "to send back lets nothing pass"),
    Row("campaign", ("call_off",), ("reported", "assigned"), APPROVES, "3.2, 5: who approves it calls it off"),
    Row("survey", ("close",), ("collecting",), OFFICE_AND_DEAN, "3.2, 14: merged by the office that asked"),
    Row("survey", ("call_off",), ("collecting",), SIGNS, "3.2, 14: not asked any more, by a higher role"),
    Row("survey_answer", ("answer",), ("due",), ("dept_head", "dept_safety", "property_lead"),
        "3.2, 14: one answer per department, by whoever speaks for it"),
    Row("survey_answer", ("correct",), ("answered",), ("dept_head", "dept_safety", "property_lead"), "the same"),
    Row("survey_answer", ("accept",), ("answered",), OFFICE_AND_DEAN,
        "1.2 g: another looks at it", never=("the submitter",)),
    Row("survey_answer", ("send_back",), ("answered",), OFFICE_AND_DEAN, "to send back lets nothing pass"),
    Row("survey_answer", ("excuse",), ("due",), ("safety_head", "vp_safety"), "3.2, 14: missing ones are named, or excused"),
    # --- spot checks ---
    Row("spot_check", ("draw", "change_plan", "call_off"), ("planned",), CONVEYS, "3.2, 9: drawn by whoever called it, and nobody chooses the seed"),
    Row("spot_check", ("conclude",), ("visiting",), SIGNS, "1.2 g: signed off by a higher role"),
    Row("revisit", ("pass", "fail"), ("due",), ("the assignee",), "3.2, 9: looked at again by whoever was sent"),
    Row("revisit", ("change_visitor",), ("due",), CONVEYS, "3.2, 9: nobody looks at his own work, so somebody else can be sent"),
    Row("revisit", ("call_off",), ("due",), ("safety_head", "vp_safety"), "3.2, 9: not looked at, for a reason"),
]  # fmt: skip

#: loop → who opens a case of it
OPENS: dict[str, tuple[tuple[str, ...], str]] = {
    "hazard": (("anyone", "stranger"), "roles: everybody may report; 1.2 j: hidden or missing reporting is forbidden"),
    "drill": (("safety_staff", "safety_head", "dept_head", "dept_safety"), "3.2, 20: the yearly plan, by department"),
    "inspection": (("system",), "3.2, 6: monthly instance per department, opened by the cycle"),
    "record": (("safety_staff", "safety_head"), "3.2, 34: the ledger is the safety office's"),
    "weekly": (
        ("system", "safety_staff", "safety_head"),
        "3.2, 6: opened by the cycle; corrected by a new version alone",
    ),
    "portal": (("system", "safety_staff", "safety_head"), "the same"),
    "stage_summary": (CONVEYS, "3.2, 35: by the office, or by who closes a phase"),
    "hazard_report": (("system", "dept_safety", "dept_head"), "the same, by the department"),
    "daily": (("system", "dept_safety", "dept_head"), "the same, by the department"),
    "notice": ((*CONVEYS, "vp_other"), "3.2, 2: received by the office or a leader; a meeting by whoever held it"),
    "bulletin": (OFFICE_AND_DEAN, "3.2, 11: one page per meeting, by the safety office"),
    "task": (CONVEYS, "3.2, 1: given out by who conveys"),
    "comparison": (CONVEYS, "3.2, 16: opened by who conveys the accident"),
    "campaign": (CONVEYS, "3.2, 5: drawn up by the office or a leader"),
    **dict.fromkeys(("survey", "survey_answer"), (CONVEYS, "3.2, 14: asked by the office or a leader")),
    **dict.fromkeys(
        ("cross_inspection", "cross_check", "group_inspection", "group_check"),
        (OFFICE_AND_DEAN, "3.2, 7 and 8: called by the safety office"),
    ),
    **dict.fromkeys(("spot_check", "revisit"), (CONVEYS, "3.2, 9: called by the safety office or a leader")),
}

MODES: dict[str, dict[str, Any]] = {
    "on_spot": {"level": "general", "facts": {"on_spot": True}},
    "general": {"level": "general"},
    "extended": {"level": "general", "counters": {"extended": 1}},
    "deferred": {"level": "general", "counters": {"deferred": 1}},
    "major": {"level": "major"},
}

# --- the product -----------------------------------------------------------------------------------------------------

#: relation → who stands in it; a former assignee and a fixer of an earlier round count as those of now
PEOPLE: dict[str, tuple[str, ...]] = {
    "nothing": ("erin",),
    "the inspector": ("rita",),  # and the reporter
    "the assignee": ("alice", "anna"),  # Anna held it before Alice did
    "the fixer": ("felix",),
    "the verifier": ("vera",),
    "the asker": ("art",),
    "the submitter": ("sue",),
    "the assigner": ("ann",),
    "the approver": ("abe",),
    "the addressee": ("adam",),
}


def a_case(loop: Workflow, state: str, **attributes: Any) -> Case:
    """Answered for by logistics; each relation has a person of its own."""
    drawn = loop.state(state)
    names = {"reporter": "the inspector", "assignee": "the assignee", "fixer": "the fixer", "verifier": "the verifier"}
    names |= {
        "asker": "the asker",
        "submitter": "the submitter",
        "assigner": "the assigner",
        "approver": "the approver",
        "addressee": "the addressee",
    }
    case = Case(
        organisation="school", number=f"{loop.prefix}-2020-0001", workflow=loop.key, version=loop.version, state=state,
        counts_as=drawn.counted, final=drawn.final, opened_at=NOW, department=HERE, reporter="rita", assignee="alice",
        acted={relation: PEOPLE[name] for relation, name in names.items()},
    )  # fmt: skip
    case = replace(case, **attributes)
    return replace(case, mode=loop.sign_off.mode_of(case)) if loop.sign_off else case


@dataclass(frozen=True)
class Comes:
    """Somebody who comes to take the step.

    stands    the relation his person stands in, or stood in before
    counts    whether that relation speaks for him now; it speaks against him in any case
    own_name  he represents nobody
    """

    actor: Actor
    role: str | None
    scope: str
    stands: str
    counts: bool
    own_name: bool
    of_the_department: bool
    stranger: bool

    def __str__(self) -> str:
        return f"{self.actor.person} for {self.actor.on_behalf_of}: {self.role}@{self.scope}, {self.stands}"


@cache
def everybody() -> tuple[Comes, ...]:
    return tuple(_everybody())


def _everybody() -> Iterator[Comes]:
    held: list[tuple[str | None, str]] = [(None, "nothing")]
    held += [(role, scope) for role in ROLES for scope in (HERE, ELSEWHERE, WHOLE_ORGANISATION)]
    for role, scope in held:
        grants = frozenset({Grant(role, scope)}) if role else frozenset()
        department = scope if scope in (HERE, ELSEWHERE) else OFFICE
        for stands, persons in PEOPLE.items():
            for person in persons:
                now = person in ("rita", "alice")  # the others stood in it once, or have to be roles to act

                def comes(
                    actor: Actor, *, counts: bool, role: str | None = role, scope: str = scope, stands: str = stands,
                ) -> Comes:  # fmt: skip
                    return Comes(
                        actor, role, scope, stands, counts, actor.on_behalf_of is None,
                        actor.department == HERE, actor.home is not None,
                    )  # fmt: skip

                yield comes(Actor("school", "person", person, department, grants), counts=now)
                delegate = Actor("school", "person", "delegate", department, grants, on_behalf_of=person)
                yield comes(delegate, counts=now)
                yield comes(replace(delegate, in_relations=False), counts=False)
                yield comes(
                    Actor("school", "person", person, department, grants, on_behalf_of="somebody away"), counts=False
                )
                yield comes(
                    Actor("school", "person", "second", department, grants, aliases=frozenset({person})), counts=False
                )
                yield comes(
                    Actor("school", "person", "clerk@bureau", None, grants, aliases=frozenset({person}), home="bureau"),
                    counts=False,
                )
    for actor in (system("school"), anonymous("school", "东门")):
        yield Comes(actor, None, "nothing", "nothing", False, True, False, False)


def allowed(row: Row, who: Comes) -> bool:
    """What the row says of him."""
    if row.oneself:
        return who.own_name and who.stands in row.who
    return _named(row.who, who) and who.stands not in row.never and _besides(row, who)


def _named(names: tuple[str, ...], who: Comes) -> bool:
    if who.counts and who.stands in names:
        return True
    if who.role is None:
        return False
    return f"{who.role} elsewhere" in names if who.scope == ELSEWHERE else who.role in names


def _besides(row: Row, who: Comes) -> bool:
    if row.holding and who.role not in row.holding:
        return False
    return not row.himself or (who.own_name and who.of_the_department)


def let(loop: Workflow, trigger: str, case: Case, calendar: Calendar) -> Callable[[Actor], bool]:
    """Whom the engine lets take the step, as far as it looks at people before the form is filled in."""
    transition, policy = loop.transition(trigger, case.state), loop.defaults()
    assert transition is not None
    conditions = [g for g in guards_of(transition.guards) if g.of_people and not g.reads_form]

    def taken(actor: Actor) -> bool:
        try:
            judge(loop, transition, case, actor, policy, ASKED)
        except NotAllowed:
            return False
        situation = Situation(case, actor, {}, NOW, date(2020, 1, 6), calendar)
        return all(condition.holds(situation) for condition in conditions)

    return taken


LOOPS = {loop.key: loop for loop in CATALOG.newest()}
STEPS = [
    (loop.key, trigger, state, mode)
    for loop in LOOPS.values()
    for trigger, drawn in loop.triggers.items()
    for transition in drawn
    for state in transition.sources
    for mode in (MODES if loop.key == "hazard" else ("general",))
]
CALENDAR = Calendar(
    version=1, time_zone="Asia/Shanghai", days_off=frozenset(), working_weekend_days=frozenset(),
    known_from=date(2020, 1, 1), known_until=date(2020, 12, 31),
)  # fmt: skip


def row_of(loop: str, trigger: str, state: str, mode: str) -> Row:
    """The one row that speaks of it."""
    [row] = [
        row
        for row in TABLE
        if row.loop == loop and trigger in row.steps and state in row.states and (not row.modes or mode in row.modes)
    ]
    return row


def test_every_row_speaks_of_a_step_there_is_and_every_step_has_its_row() -> None:
    drawn = {(loop, trigger, state) for loop, trigger, state, _ in STEPS}
    written = {(row.loop, trigger, state) for row in TABLE for trigger in row.steps for state in row.states}
    assert written == drawn
    for step in STEPS:
        assert row_of(*step).clause


def test_the_product_is_everything_there_is() -> None:
    """Every role that can be granted, in every scope, by everybody, in every way of acting."""
    came = everybody()
    assert {who.role for who in came} == {None, *ROLES}
    assert {who.scope for who in came} == {"nothing", HERE, ELSEWHERE, WHOLE_ORGANISATION}
    assert {who.stands for who in came} == set(PEOPLE)
    assert {who.actor.kind for who in came} == {"person", "system", "anonymous"}
    assert len(came) == (1 + 3 * len(ROLES)) * sum(map(len, PEOPLE.values())) * 6 + 2


@pytest.mark.parametrize("loop, trigger", sorted({(loop, trigger) for loop, trigger, _, _ in STEPS}))
def test_whoever_stands_in_no_row_is_denied(loop: str, trigger: str) -> None:
    workflow = LOOPS[loop]
    wrong: list[str] = []
    for state, mode in [(state, mode) for key, step, state, mode in STEPS if (key, step) == (loop, trigger)]:
        row, case = row_of(loop, trigger, state, mode), a_case(workflow, state, **MODES[mode])
        taken = let(workflow, trigger, case, CALENDAR)
        wrong += [
            f"{state}, {mode}: {who}; {row.clause}" for who in everybody() if taken(who.actor) is not allowed(row, who)
        ]
    assert not wrong, f"{len(wrong)} differ, the first: " + "\n".join(wrong[:5])


@pytest.mark.parametrize("loop", OPENS)
def test_a_case_is_opened_by_those_named_and_by_nobody_else(loop: str) -> None:
    workflow, (names, clause) = LOOPS[loop], OPENS[loop]
    wrong = []
    for who in everybody():
        blank = blank_case(workflow, who.actor, {"department": HERE}, NOW)
        if names == ("anyone", "stranger"):  # whether the school wants it is the guard's to say
            expected = who.actor.kind == "anonymous" or (who.actor.kind == "person" and not who.stranger)
        elif names == ("system",):
            expected = who.actor.kind == "system"
        else:
            expected = _named(names, replace(who, counts=False))
            expected |= "system" in names and who.actor.kind == "system"
        try:
            allow_opening(workflow, who.actor, blank, ASKED)
        except NotAllowed:
            opened = False
        else:
            opened = True
        wrong += [f"{who}; {clause}"] if opened is not expected else []
    assert not wrong, "\n".join(wrong[:5])


def test_every_loop_says_who_opens_it() -> None:
    assert set(OPENS) == set(LOOPS)


KEPT_AWAY = [row for row in TABLE if row.never and row.who != ("the inspector",)]


@pytest.mark.parametrize("row", KEPT_AWAY, ids=lambda row: f"{row.loop} {row.steps[0]} {'/'.join(row.modes)}")
def test_the_product_holds_everybody_a_row_keeps_away(row: Row) -> None:
    """Somebody who has what it takes, and is kept from it by what he did: otherwise the rows prove nothing."""
    kept = [who for who in everybody() if _named(row.who, who) and who.stands in row.never]
    assert {who.stands for who in kept} == set(row.never)
    assert {who.own_name for who in kept} == {True, False}


@pytest.mark.parametrize("reporter, may", [("felix", False), ("alice", False), ("anna", False), ("vera", True)])
@pytest.mark.parametrize("trigger, state", [("verify", "fixed"), ("approve", "verified")])
def test_the_inspector_confirms_what_was_corrected_before_him_unless_he_corrected_it(
    trigger: str, state: str, reporter: str, may: bool
) -> None:
    case = a_case(LOOPS["hazard"], state, **MODES["on_spot"], reporter=reporter)
    taken = let(LOOPS["hazard"], trigger, case, CALENDAR)
    took = {(who.actor.person, who.actor.on_behalf_of) for who in everybody() if taken(who.actor)}
    assert took == ({(reporter, None), ("delegate", reporter)} if may else set())
