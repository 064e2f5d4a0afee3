"""Who may take a step: denied unless granted, and whoever worked on a case never confirms his own work.

Alice holds the case and Bob fixed it with her, both of logistics (HQC). Charlie verified it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from engine.actor import WHOLE_ORGANISATION, Actor, Grant, Visibility, anonymous, system
from engine.authority import Permit, allow_opening, judge, may_open_any, may_see, people_of, stands_as, visibility
from engine.case import Case
from engine.definition import Workflow
from engine.errors import NotAllowed, Text
from engine.store import cases, worklists
from engine.store.database import Database
from tests.builders import a_database
from tests.databases import Kind
from workflows import CATALOG
from workflows.drill import DRILL
from workflows.hazard import HAZARD
from workflows.hazard_earlier import HAZARD_2
from workflows.inspection import INSPECTION

NOW = datetime(2020, 1, 6, 1, 0, tzinfo=UTC)
ASKED = Text("办理", "Take the step")


def a_case(workflow: Workflow = HAZARD, state: str = "fixed", **attributes: Any) -> Case:
    """Alice's case, fixed by her and Bob, verified by Charlie, answered for by logistics."""
    drawn = workflow.state(state)
    case = Case(
        organisation="school", number=f"{workflow.prefix}-2020-0001", workflow=workflow.key, version=1, state=state,
        counts_as=drawn.counted, final=drawn.final, opened_at=NOW, department="HQC", reporter="dora", assignee="alice",
        acted={"reporter": ("dora",), "assignee": ("alice",), "fixer": ("alice", "bob"), "verifier": ("charlie",)},
    )  # fmt: skip
    return replace(case, **attributes)


MODES: dict[str, dict[str, Any]] = {
    "on_spot": {"facts": {"on_spot": True}, "level": "general"},
    "general": {"level": "general"},
    "general_extended": {"level": "general", "counters": {"extended": 1}},
    "general_deferred": {"level": "general", "counters": {"deferred": 1}},
    "major": {"level": "major"},
    "major_extended": {"level": "major", "counters": {"extended": 2}},
}


def in_mode(mode: str, step: str, **attributes: Any) -> Case:
    return a_case(state="fixed" if step == "verify" else "verified", **{**MODES[mode], **attributes})


def a_person(who: str, *roles: str, department: str = "DZB", for_: str | None = None) -> Actor:
    """`role` in the whole organisation, `role@XB1` in one department."""
    grants = frozenset(Grant(r.partition("@")[0], r.partition("@")[2] or WHOLE_ORGANISATION) for r in roles)
    return Actor("school", "person", person=who, department=department, grants=grants, on_behalf_of=for_)


def asks(actor: Actor, case: Case, trigger: str, workflow: Workflow = HAZARD, **policy: Any) -> Permit:
    transition = workflow.transition(trigger, case.state)
    assert transition is not None
    return judge(workflow, transition, case, actor, {**workflow.defaults(), **policy}, ASKED)


EVERY_ROLE = tuple(sorted(HAZARD.roles))

# --- the sign-off table -------------------------------------------------------------------------------------------------

#: mode, step → the roles (as granted) that may; every other role may not
MAY: dict[tuple[str, str], set[str]] = {
    ("on_spot", "verify"): set(),
    ("on_spot", "approve"): set(),
    ("general", "verify"): {"safety_staff"},
    ("general", "approve"): {"safety_head"},
    ("general_extended", "verify"): {"safety_staff"},
    ("general_extended", "approve"): {"vp_safety"},
    ("general_deferred", "verify"): {"safety_staff"},
    ("general_deferred", "approve"): {"vp_safety"},
    ("major", "verify"): {"acceptance_group"},
    ("major", "approve"): {"principal", "secretary"},
    ("major_extended", "verify"): {"acceptance_group"},
    ("major_extended", "approve"): {"principal", "secretary"},
}


@pytest.mark.parametrize("mode, step", MAY, ids=lambda part: part)
def test_a_step_is_signed_by_the_roles_of_its_row_and_by_no_other(mode: str, step: str) -> None:
    case = in_mode(mode, step)
    for role in EVERY_ROLE:
        if role in MAY[mode, step]:
            asks(a_person("erin", role), case, step)
            continue
        with pytest.raises(NotAllowed) as refused:
            asks(a_person("erin", role), case, step)
        assert refused.value.reason == "role", role


@dataclass(frozen=True)
class Scoped:
    mode: str
    step: str
    actor: Actor
    may: bool


SCOPES: dict[str, Scoped] = {
    "a safety officer of another department verifies a general one": Scoped(
        "general", "verify", a_person("erin", "dept_safety@XB1"), may=True
    ),
    "the fixing department's own does not": Scoped("general", "verify", a_person("erin", "dept_safety@HQC"), may=False),
    "one of the whole school is of no other department": Scoped(
        "general", "verify", a_person("erin", "dept_safety"), may=False
    ),
    "nor does another department's verify a major one": Scoped(
        "major", "verify", a_person("erin", "dept_safety@XB1"), may=False
    ),
    "a safety head of another department closes nothing here": Scoped(
        "general", "approve", a_person("erin", "safety_head@XB1"), may=False
    ),
    "the inspector verifies what was corrected in front of him": Scoped(
        "on_spot", "verify", a_person("dora", "teacher@XB1"), may=True
    ),
    "and closes it": Scoped("on_spot", "approve", a_person("dora", "teacher@XB1"), may=True),
    "whoever stands in for the inspector may too": Scoped("on_spot", "verify", a_person("erin", for_="dora"), may=True),
    "nobody else does, not even the principal": Scoped("on_spot", "verify", a_person("erin", "principal"), may=False),
    "the reporter of an ordinary one does not verify it": Scoped(
        "general", "verify", a_person("dora", "teacher@XB1"), may=False
    ),
    "the system signs nothing": Scoped("general", "approve", system("school"), may=False),
    "a stranger signs nothing": Scoped("on_spot", "verify", anonymous("school", "东门"), may=False),
}


@pytest.mark.parametrize("row", SCOPES.values(), ids=SCOPES.keys())
def test_a_role_counts_in_its_scope(row: Scoped) -> None:
    case = in_mode(row.mode, row.step)
    if row.may:
        assert asks(row.actor, case, row.step).completes
    else:
        with pytest.raises(NotAllowed):
            asks(row.actor, case, row.step)


#: mode, step → a role that may, and the relations whose holders never do
NEVER: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("general", "verify"): ("safety_staff", ("assignee", "fixer")),
    ("general", "approve"): ("safety_head", ("assignee", "fixer", "verifier")),
    ("general_extended", "verify"): ("safety_staff", ("assignee", "fixer")),
    ("general_extended", "approve"): ("vp_safety", ("assignee", "fixer", "verifier")),
    ("major", "verify"): ("acceptance_group", ("assignee", "fixer")),
    ("major", "approve"): ("principal", ("assignee", "fixer", "verifier")),
}
STOOD = {"assignee": "alice", "fixer": "bob", "verifier": "charlie"}
Way = Literal["himself", "represented by another", "for another"]
EXCLUDED = [
    pytest.param(mode, step, role, relation, way, id=f"{mode}, {step}: never the {relation}, {way}")
    for (mode, step), (role, relations) in NEVER.items()
    for relation in relations
    for way in ("himself", "represented by another", "for another")
]


def who_comes(relation: str, role: str, way: Way) -> Actor:
    person = STOOD[relation]
    if way == "himself":
        return a_person(person, role)
    return (
        a_person("erin", role, for_=person) if way == "represented by another" else a_person(person, role, for_="erin")
    )


@pytest.mark.parametrize("mode, step, role, relation, way", EXCLUDED)
def test_an_exclusion_beats_any_membership(mode: str, step: str, role: str, relation: str, way: Way) -> None:
    with pytest.raises(NotAllowed) as refused:
        asks(who_comes(relation, role, way), in_mode(mode, step), step)
    assert refused.value.reason == "separation"
    assert HAZARD.called(relation).en in refused.value.obstacle.en


@pytest.mark.parametrize("step", ["verify", "approve"])
@pytest.mark.parametrize("relation", ["assignee", "fixer"])
def test_what_was_corrected_on_the_spot_is_not_confirmed_by_its_fixer(relation: str, step: str) -> None:
    case = in_mode("on_spot", step, reporter=STOOD[relation])
    with pytest.raises(NotAllowed) as refused:
        asks(a_person(STOOD[relation]), case, step)
    assert refused.value.reason == "separation"


@pytest.mark.parametrize("step", ["verify", "approve"])
def test_a_fixer_who_acted_for_somebody_excludes_them_both(step: str) -> None:
    """Bob fixed it for Frank: neither confirms it."""
    case = in_mode("general", step).with_acted("fixer", "bob", "frank")
    role = NEVER["general", step][0]
    for who in ("bob", "frank"):
        with pytest.raises(NotAllowed):
            asks(a_person(who, role), case, step)


def test_whoever_once_held_the_case_stays_excluded_after_it_went_to_another() -> None:
    case = replace(in_mode("general", "verify"), assignee="frank")
    with pytest.raises(NotAllowed):
        asks(a_person("alice", "safety_staff"), case, "verify")


def test_the_one_it_is_assigned_to_is_excluded_though_he_never_acted() -> None:
    case = replace(in_mode("general", "verify"), assignee="frank")
    with pytest.raises(NotAllowed):
        asks(a_person("frank", "safety_staff"), case, "verify")


WAIVED: dict[str, tuple[str, str, bool]] = {
    "a general one": ("general", "safety_head", True),
    "never an extended one": ("general_extended", "vp_safety", False),
    "never a major one": ("major", "principal", False),
}


@pytest.mark.parametrize("mode, role, lifted", WAIVED.values(), ids=WAIVED.keys())
def test_a_school_may_let_the_verifier_approve(mode: str, role: str, lifted: bool) -> None:
    case, verifier = in_mode(mode, "approve"), a_person("charlie", role)
    with pytest.raises(NotAllowed):
        asks(verifier, case, "approve")
    if lifted:
        assert asks(verifier, case, "approve", verifier_may_approve=True).completes
    else:
        with pytest.raises(NotAllowed):
            asks(verifier, case, "approve", verifier_may_approve=True)


@pytest.mark.parametrize("relation", ["assignee", "fixer"])
def test_lifting_one_exclusion_lifts_no_other(relation: str) -> None:
    with pytest.raises(NotAllowed):
        asks(
            a_person(STOOD[relation], "safety_head"),
            in_mode("general", "approve"),
            "approve",
            verifier_may_approve=True,
        )


# --- two signatures -------------------------------------------------------------------------------------------------------


def an_acceptor(who: str, department: str, for_: str | None = None) -> Actor:
    return a_person(who, "acceptance_group", department=department, for_=for_)


def signed(*signatures: str) -> Case:
    return in_mode("major", "verify", signed={"verify": signatures} if signatures else {})


def test_the_first_signature_is_kept_and_does_not_complete_the_step() -> None:
    assert asks(an_acceptor("erin", "XB1"), signed(), "verify") == Permit(completes=False, signature="erin@XB1")


QUORUM: dict[str, tuple[tuple[str, ...], Actor, bool]] = {
    "two of two departments": (("erin@HQC",), an_acceptor("frank", "XB1"), True),
    "two of one other department": (("erin@XB1",), an_acceptor("frank", "XB1"), True),
    "two of the fixing department": (("erin@HQC",), an_acceptor("frank", "HQC"), False),
    "the same person twice": (("erin@XB1",), an_acceptor("erin", "XB1"), False),
    "the same person from another department": (("erin@XB1",), an_acceptor("erin", "XB2"), False),
    "another for the one who signed": (("erin@XB1",), an_acceptor("frank", "XB2", for_="erin"), False),
    "the one who signed for another": (("erin@XB1",), an_acceptor("erin", "XB2", for_="frank"), False),
}  # fmt: skip


@pytest.mark.parametrize("given_before, actor, completes", QUORUM.values(), ids=QUORUM.keys())
def test_a_major_one_takes_two_distinct_persons_not_all_of_the_fixing_department(
    given_before: tuple[str, ...], actor: Actor, completes: bool
) -> None:
    if completes:
        assert asks(actor, signed(*given_before), "verify").completes
    else:
        with pytest.raises(NotAllowed) as refused:
            asks(actor, signed(*given_before), "verify")
        assert refused.value.reason == "quorum"


def test_whoever_was_represented_at_the_first_signature_does_not_give_the_second() -> None:
    first = asks(an_acceptor("erin", "XB1", for_="frank"), signed(), "verify")
    assert first.signature is not None
    with pytest.raises(NotAllowed) as refused:
        asks(an_acceptor("frank", "XB2"), signed(first.signature), "verify")
    assert refused.value.reason == "quorum"


def test_one_signature_is_enough_to_send_back() -> None:
    assert asks(an_acceptor("erin", "HQC"), signed(), "return") == Permit()
    assert asks(an_acceptor("erin", "XB1"), signed("erin@XB1"), "return") == Permit()


#: step, mode → the roles (as granted) that may send back: those of the table's row and those the step names besides
SENDS_BACK: dict[tuple[str, str], set[str]] = {
    ("return", "on_spot"): {"safety_staff", "safety_head"},
    ("return", "general"): {"safety_staff", "safety_head"},
    ("return", "general_extended"): {"safety_staff", "safety_head"},
    ("return", "major"): {"acceptance_group", "safety_staff", "safety_head"},
    ("send_back", "on_spot"): {"vp_safety", "principal", "secretary"},
    ("send_back", "general"): {"safety_head", "vp_safety", "principal", "secretary"},
    ("send_back", "general_extended"): {"vp_safety", "principal", "secretary"},
    ("send_back", "major"): {"principal", "secretary", "vp_safety"},
}


@pytest.mark.parametrize("trigger, mode", SENDS_BACK, ids=lambda part: part)
def test_a_case_is_sent_back_by_the_roles_of_its_row_and_of_the_step_and_by_no_other(trigger: str, mode: str) -> None:
    case = in_mode(mode, "verify" if trigger == "return" else "approve")
    for role in EVERY_ROLE:
        if role in SENDS_BACK[trigger, mode]:
            assert asks(a_person("erin", role), case, trigger) == Permit()
            continue
        with pytest.raises(NotAllowed) as refused:
            asks(a_person("erin", role), case, trigger)
        assert refused.value.reason == "role", role


@pytest.mark.parametrize("trigger, mode", SENDS_BACK, ids=lambda part: part)
@pytest.mark.parametrize("relation", STOOD)
def test_nobody_is_kept_from_sending_back_by_what_he_did_before(trigger: str, mode: str, relation: str) -> None:
    case = in_mode(mode, "verify" if trigger == "return" else "approve")
    for role in SENDS_BACK[trigger, mode]:
        assert asks(a_person(STOOD[relation], role), case, trigger) == Permit()
        assert asks(a_person("erin", role, for_=STOOD[relation]), case, trigger) == Permit()


def test_a_refusal_to_send_back_names_everybody_who_may() -> None:
    with pytest.raises(NotAllowed) as refused:
        asks(a_person("erin", "teacher"), in_mode("major", "approve"), "send_back")
    for role in ("principal", "secretary", "vp_safety"):
        assert HAZARD.called(role).en in refused.value.obstacle.en


# --- steps without a table ------------------------------------------------------------------------------------------------

STEPS: dict[str, tuple[str, str, Actor, bool]] = {
    "the safety office assigns": ("assign", "reported", a_person("erin", "safety_staff"), True),
    "a department's head does not": ("assign", "reported", a_person("erin", "dept_head@HQC"), False),
    "the assignee fixes": ("fix", "assigned", a_person("alice"), True),
    "whoever stands in for him fixes too": ("fix", "assigned", a_person("erin", for_="alice"), True),
    "his colleague does not": ("fix", "assigned", a_person("bob", "repairer@HQC"), False),
    "the head of his department files a plan": ("file_plan", "assigned", a_person("erin", "dept_head@HQC"), True),
    "another department's head does not": ("file_plan", "assigned", a_person("erin", "dept_head@XB1"), False),
    "the vice-principal grants": ("grant_extension", "assigned", a_person("erin", "vp_safety"), True),
    "never to himself": ("grant_extension", "assigned", a_person("alice", "vp_safety"), False),
    "never through another": ("grant_extension", "assigned", a_person("erin", "vp_safety", for_="alice"), False),
    "a leader grants where the vice-principal cannot": (
        "grant_extension",
        "assigned",
        a_person("erin", "secretary"),
        True,
    ),
    "the safety office does not": ("grant_extension", "assigned", a_person("erin", "safety_head"), False),
    "a leader approves a plan": ("approve_plan", "assigned", a_person("erin", "principal"), True),
    "never as the assignee, who did not file it": (
        "approve_plan",
        "assigned",
        a_person("alice", "principal"),
        False,
    ),
    "never for the assignee": ("approve_plan", "assigned", a_person("erin", "principal", for_="alice"), False),
    "nor does he refuse it": ("refuse_plan", "assigned", a_person("alice", "principal"), False),
    "the safety office assigns to somebody else": ("reassign", "assigned", a_person("erin", "safety_staff"), True),
    "the head of the department does not": ("reassign", "deferred", a_person("erin", "dept_head@HQC"), False),
    "he hands it on within his department": ("hand_on", "deferred", a_person("erin", "dept_head@HQC"), True),
    "another department's head hands nothing on here": (
        "hand_on",
        "assigned",
        a_person("erin", "dept_head@XB1"),
        False,
    ),
    "the assignee hands it on": ("hand_on", "assigned", a_person("alice", "repairer@HQC"), True),
    "nobody else of the department does": ("hand_on", "assigned", a_person("erin", "repairer@HQC"), False),
    "nor does he assign it anew": ("reassign", "assigned", a_person("alice", "repairer@HQC"), False),
    "the department's safety officer takes it over": (
        "take_over",
        "assigned",
        a_person("erin", "dept_safety@HQC"),
        True,
    ),
    "another department's does not": ("take_over", "assigned", a_person("erin", "dept_safety@XB1"), False),
    "the safety head has it graded anew": ("retriage", "assigned", a_person("erin", "safety_head"), True),
    "his staff does not": ("retriage", "assigned", a_person("erin", "safety_staff"), False),
    "the safety office merges what was only reported": ("merge", "reported", a_person("erin", "safety_staff"), True),
    "not what was assigned": ("merge", "assigned", a_person("erin", "safety_staff"), False),
    "its head does": ("merge", "assigned", a_person("erin", "safety_head"), True),
    "its head merges what was deferred": ("merge", "deferred", a_person("erin", "safety_head"), True),
    "never as the assignee": ("merge", "assigned", a_person("alice", "safety_head"), False),
    "never as the one who fixed it": ("merge", "deferred", a_person("bob", "vp_safety"), False),
}


@pytest.mark.parametrize("trigger, state, actor, may", STEPS.values(), ids=STEPS.keys())
def test_a_step_belongs_to_those_it_names(trigger: str, state: str, actor: Actor, may: bool) -> None:
    case = a_case(state=state, level="general")
    if may:
        assert asks(actor, case, trigger) == Permit()
    else:
        with pytest.raises(NotAllowed) as refused:
            asks(actor, case, trigger)
        assert refused.value.remedy.zh and refused.value.remedy.en


OPENINGS: dict[str, tuple[Workflow, Actor, bool]] = {
    "anyone signed in reports a hazard": (HAZARD, a_person("erin", "student"), True),
    "even without a role": (HAZARD, a_person("erin"), True),
    "a stranger does": (HAZARD, anonymous("school", "东门"), True),
    "but did not in an earlier version": (HAZARD_2, anonymous("school", "东门"), False),
    "the safety office plans a drill": (DRILL, a_person("erin", "safety_staff"), True),
    "a department's safety officer plans his own": (DRILL, a_person("erin", "dept_safety@HQC"), True),
    "not another department's": (DRILL, a_person("erin", "dept_safety@XB1"), False),
    "the clock opens an inspection": (INSPECTION, system("school"), True),
    "no person does": (INSPECTION, a_person("erin", "principal"), False),
}


@pytest.mark.parametrize("workflow, actor, may", OPENINGS.values(), ids=OPENINGS.keys())
def test_a_case_is_opened_by_those_the_loop_names(workflow: Workflow, actor: Actor, may: bool) -> None:
    blank = a_case(workflow, workflow.initial.name, reporter=actor.person, assignee=None, acted={})
    if may:
        allow_opening(workflow, actor, blank, ASKED)
    else:
        with pytest.raises(NotAllowed):
            allow_opening(workflow, actor, blank, ASKED)


#: who could open no case of the loop, whatever he wrote: he is told so before his form is read
OPENS_NONE: dict[str, tuple[Workflow, Actor, bool]] = {
    "anyone signed in opens a hazard": (HAZARD, a_person("erin"), False),
    "so does a stranger": (HAZARD, anonymous("school", "东门"), False),
    "he opened none of an earlier version": (HAZARD_2, anonymous("school", "东门"), True),
    "nor does somebody of the bureau": (HAZARD, replace(a_person("erin", "bureau"), home="bureau"), True),
    "a safety officer plans drills, if only of his department": (DRILL, a_person("erin", "dept_safety@XB1"), False),
    "a teacher plans none": (DRILL, a_person("erin", "teacher@HQC"), True),
    "a stranger plans none": (DRILL, anonymous("school", "东门"), True),
    "the clock plans none": (DRILL, system("school"), True),
    "the clock opens inspections": (INSPECTION, system("school"), False),
    "the principal opens none": (INSPECTION, a_person("erin", "principal"), True),
}


@pytest.mark.parametrize("workflow, actor, refused", OPENS_NONE.values(), ids=OPENS_NONE.keys())
def test_who_could_open_no_case_of_a_loop_is_not_asked_to_correct_it(
    workflow: Workflow, actor: Actor, refused: bool
) -> None:
    if not refused:
        may_open_any(workflow, actor, ASKED)
        return
    with pytest.raises(NotAllowed) as denied:
        may_open_any(workflow, actor, ASKED)
    assert denied.value.remedy.zh and denied.value.remedy.en


def test_the_holder_is_whoever_it_waits_for_now() -> None:
    assert stands_as("holder", a_person("alice"), a_case(state="assigned"), HAZARD)
    assert not stands_as("holder", a_person("alice"), a_case(state="fixed"), HAZARD)
    assert stands_as("holder", a_person("erin", "safety_staff"), a_case(state="fixed"), HAZARD)


WAITS_FOR: dict[str, tuple[dict[str, Any], str, bool]] = {
    "nothing is asked": ({}, "vp_safety", False),
    "an extension is asked": ({"asked": {"what": "extension"}}, "vp_safety", True),
    "a plan was filed": ({"plan_waits": True}, "principal", True),
    "a plan was filed: not the vice-principal": ({"plan_waits": True}, "vp_safety", False),
    "a plan was decided": ({"plan_waits": False}, "principal", False),
}


@pytest.mark.parametrize("facts, role, holds", WAITS_FOR.values(), ids=WAITS_FOR.keys())
def test_a_request_waits_for_its_decider_and_goes_on_waiting_for_the_assignee(
    facts: dict[str, Any], role: str, holds: bool
) -> None:
    case = a_case(state="assigned", facts=facts)
    assert stands_as("holder", a_person("erin", role), case, HAZARD) is holds
    assert stands_as("holder", a_person("alice"), case, HAZARD)


def test_every_decider_a_request_can_wait_for_is_a_role_of_the_loop_and_may_decide() -> None:
    for facts, triggers in (
        (
            {"asked": {"what": "extension"}},
            ("grant_extension", "refuse_extension", "grant_deferral", "refuse_deferral"),
        ),
        ({"plan_waits": True}, ("approve_plan", "refuse_plan")),
    ):
        case = a_case(state="assigned", level="major", facts=facts)
        [*_, decider] = HAZARD.awaited(case)
        assert decider in HAZARD.roles
        for trigger in triggers:
            assert asks(a_person("erin", decider), case, trigger) == Permit()


# --- who sees what --------------------------------------------------------------------------------------------------------

SEES: dict[str, tuple[Actor, bool]] = {
    "an overseer of the school": (a_person("erin", "safety_head"), True),
    "an overseer of another department": (a_person("erin", "dept_head@XB1"), True),
    "the auditor": (a_person("erin", "auditor"), True),
    "a teacher of the department": (a_person("erin", "teacher@HQC"), True),
    "a teacher of another": (a_person("erin", "teacher@XB1"), False),
    "a teacher of the whole school": (a_person("erin", "teacher"), False),
    "its reporter": (a_person("dora", "teacher@XB1"), True),
    "its assignee": (a_person("alice"), True),
    "whoever verified it": (a_person("charlie", "teacher@XB2"), True),
    "a stranger": (anonymous("school", "东门"), False),
    "the system": (system("school"), True),
    "the system of another school": (system("other"), False),
    "an overseer of another school": (replace(a_person("erin", "principal"), organisation="other"), False),
}


@pytest.mark.parametrize("actor, sees", SEES.values(), ids=SEES.keys())
def test_a_case_is_seen_by_overseers_its_department_and_those_who_are_part_of_it(actor: Actor, sees: bool) -> None:
    assert may_see(a_case(), visibility(actor, CATALOG.overseers)) is sees


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Database]:
    database = a_database(tmp_path_factory.mktemp("authority"), kind)
    yield database
    database.close()


PERSONS = st.sampled_from(["alice", "bob", "charlie", "dora"])
DEPARTMENTS = st.sampled_from(["HQC", "XB1", "XB2"])
ORGANISATIONS = st.sampled_from(["school", "other"])
GRANTS = st.builds(
    Grant, st.sampled_from(["teacher", "dept_head", "repairer"]), DEPARTMENTS | st.just(WHOLE_ORGANISATION)
)
ACTORS = st.one_of(
    st.builds(system, ORGANISATIONS),
    st.builds(anonymous, ORGANISATIONS, st.just("东门")),
    st.builds(
        Actor, ORGANISATIONS, st.just("person"), person=PERSONS, grants=st.frozensets(GRANTS, max_size=3),
        on_behalf_of=st.none() | PERSONS,
    ),
)  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Case]:
    """A case as it was and as it became: people join and hand over, its department changes."""
    case = replace(a_case(), organisation=draw(ORGANISATIONS), acted={}, reporter=draw(st.none() | PERSONS))
    case = replace(case, assignee=None, department=draw(st.none() | DEPARTMENTS))
    states = [case]
    for sequence in range(1, draw(st.integers(1, 3)) + 1):
        assignee = draw(st.none() | PERSONS)
        case = replace(case, sequence=sequence, assignee=assignee, department=draw(st.none() | DEPARTMENTS))
        case = case.with_acted("assignee", assignee).with_acted(
            draw(st.sampled_from(["fixer", "asker"])), draw(PERSONS)
        )
        states.append(case)
    return states


class Undone(Exception):
    """Thrown to end a transaction without keeping it."""


@contextmanager
def undone(database: Database) -> Iterator[Connection]:
    """A transaction of which nothing stays, so that every example finds the database empty."""
    with suppress(Undone), database.write_across() as connection:
        yield connection
        raise Undone


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    written=st.lists(histories(), min_size=1, max_size=4), actor=ACTORS, overseers=st.sampled_from([(), ("dept_head",)])
)
def test_lists_show_exactly_the_cases_one_may_see(
    database: Database, written: list[list[Case]], actor: Actor, overseers: tuple[str, ...]
) -> None:
    """`may_see` and its SQL agree, whatever the case has been through."""
    seen = visibility(actor, overseers)
    last = [replace(states[-1], number=f"YH-2020-{place:04}") for place, states in enumerate(written)]

    with undone(database) as connection:
        for place, states in enumerate(written):
            before: Case | None = None
            for state in states:
                after = replace(state, number=f"YH-2020-{place:04}")
                cases.save(connection, before, after, ())
                before = after
        listed = {c.number for c in worklists.all_cases(connection, seen, worklists.Filter(), NOW)}
        assert listed == {case.number for case in last if may_see(case, seen)}
        assert worklists.count(connection, seen, worklists.Filter(), NOW) == len(listed)


def test_everyone_who_was_ever_part_of_a_case_goes_on_seeing_it() -> None:
    handed_over = replace(a_case(), assignee="frank", department="XB1")
    assert people_of(handed_over) >= {"alice", "bob", "charlie", "dora", "frank"}
    assert may_see(handed_over, Visibility("school", persons=frozenset({"alice"})))
