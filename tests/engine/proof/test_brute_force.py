"""The proof against brute force: small loops and small schools drawn at random, played with everybody by the real engine.

`BIHUAN_BRUTE` multiplies the number of examples; what was drawn in `make test` is the same every time.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, currently_in_test_context, given, note, reject, settings
from hypothesis import strategies as st

from engine.actor import Grant
from engine.case import Case
from engine.definition import (
    DepartmentRef,
    Form,
    PersonRef,
    Policy,
    Signing,
    SignOff,
    State,
    Transition,
    Workflow,
    asks,
    form_of,
    guards_of,
)
from engine.directory import Absence, Department, Directory, Group, Person, Seat
from engine.errors import Text, WorkflowError
from engine.guards import Situation, guard
from engine.proof import Play, Question, check
from engine.proof.stage import Stage, company_on
from tests.engine.proof.brute import Brute, Position, TooLarge
from workflows import CATALOG

MORE = int(os.environ.get("BIHUAN_BRUTE", "1"))
DAY = date(2020, 3, 2)
WORDS = Text("词", "word")


def drawn(examples: int) -> settings:
    return settings(
        max_examples=examples * MORE, derandomize=MORE == 1, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip


# --- loops that know every mechanism ---------------------------------------------------------------------------------


class OpenAnything(Form):
    department: DepartmentRef | None = asks("部门", "Department", default=None)


class PutInCharge(Form):
    assignee: PersonRef = asks("责任人", "In charge")


class PutInChargeThere(PutInCharge):
    department: DepartmentRef = asks("部门", "Department")


class OnTheSpot(Form):
    corrected_by: PersonRef = asks("改正人", "Corrected by")


@guard("brute.of_that_department", obstacle=WORDS, remedy=WORDS, of_people=True, reads_form=True)
def of_that_department(s: Situation) -> bool:
    return bool(s.people.get(s.data["assignee"]) == s.data.get("department", s.case.department))


@guard("brute.not_himself", obstacle=WORDS, remedy=WORDS, of_people=True, reads_form=True)
def not_himself(s: Situation) -> bool:
    return str(s.data["corrected_by"]) not in s.actor.selves


@guard("brute.with_a_role", obstacle=WORDS, remedy=WORDS, of_people=True, roles=("red", "blue"))
def with_a_role(s: Situation) -> bool:
    return s.actor.holds_any(("red", "blue"))


@guard("brute.in_his_own_name", obstacle=WORDS, remedy=WORDS, of_people=True)
def in_his_own_name(s: Situation) -> bool:
    return s.actor.on_behalf_of is None


def either_level(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    return (replace(case, level="general"), replace(case, level="major"))


def on_the_spot(case: Case, data: Mapping[str, Any]) -> tuple[Case, ...]:
    fixer = data["corrected_by"]
    case = replace(case, assignee=fixer).with_facts({"on_spot": True})
    return (case.with_acted("fixer", fixer).with_acted("assignee", fixer),)


def no_longer_on_the_spot(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    return (case.with_facts({"on_spot": False}),)


def given_up(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    return (replace(case, level="", assignee=None),)


def by_everything(case: Case) -> str:
    if case.facts.get("on_spot"):
        return "on_spot"
    if case.level == "major":
        return "major"
    return "extended" if case.counters.get("extended") else "general"


class Waivers(Policy):
    may_verify_himself: bool = False


MODES = ("general", "major", "extended", "on_spot")
ROLES = {"red": WORDS, "blue": WORDS, "group": WORDS}
BY_ROLE = ("red", "blue", "group", "red_of_another_department")


def some_of(*names: str, least: int = 1, most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True).map(tuple)


@st.composite
def a_row(draw: st.DrawFn, step: str) -> Signing:
    never = draw(
        some_of("fixer", "assignee", *(("verifier",) if step == "approve" else ()), "reporter", least=0, most=3)
    )
    waived = {name: "may_verify_himself" for name in never[:1] if draw(st.integers(0, 4)) == 4}
    count = draw(st.sampled_from((1, 1, 2)))
    apart = "fixing_department" if count > 1 and draw(st.booleans()) else None
    return Signing(draw(some_of(*BY_ROLE, "anyone", "inspector")), count, never, waived, apart)


@st.composite
def a_loop(draw: st.DrawFn) -> Workflow:
    """reported → assigned → fixed → verified → closed, with steps, signatures and conditions as they come."""
    yes = st.booleans()
    moves = draw(yes)
    form = PutInChargeThere if moves else PutInCharge
    guards = (of_that_department,) if draw(yes) else ()
    graded = draw(st.sampled_from((None, either_level)))
    steps = [
        Transition(
            "assign", "reported", "assigned", WORDS, by=draw(some_of("red", "blue", "anyone", "reporter")),
            never=draw(some_of("reporter", least=0)), form=form, guards=guards, outcomes=graded,
        ),
        Transition(
            "fix", "assigned", "fixed", WORDS, by=draw(some_of("assignee", "assignee", "red", "holder")), acts_as="fixer"
        ),
    ]  # fmt: skip
    signed = draw(st.sampled_from((True, True, False)))
    if signed:
        steps += [
            Transition("verify", "fixed", "verified", WORDS, sign_off="verify", acts_as="verifier"),
            Transition("approve", "verified", "closed", WORDS, sign_off="approve"),
        ]
    else:
        never = draw(some_of("fixer", "assignee", "reporter", least=0, most=2))
        after = draw(some_of("fixer", "verifier", "assignee", least=0, most=3))
        steps += [
            Transition(
                "verify",
                "fixed",
                "verified",
                WORDS,
                by=draw(some_of(*BY_ROLE, "reporter")),
                never=never,
                acts_as="verifier",
            ),
            Transition(
                "approve", "verified", "closed", WORDS, by=draw(some_of(*BY_ROLE, "anyone", "system")), never=after
            ),
        ]
    extra = {
        "spot": Transition(
            "spot", "reported", "fixed", WORDS, by=("inspector",), form=OnTheSpot,
            guards=draw(st.sampled_from(((), (with_a_role,), (not_himself,), (with_a_role, not_himself)))),
            outcomes=on_the_spot,
        ),
        "reassign": Transition("reassign", "assigned", None, WORDS, by=draw(some_of("red", "blue", "assignee")), form=form, guards=guards),
        "take_over": Transition(
            "take_over", "assigned", None, WORDS, by=draw(some_of("red", "blue")), takes_over=True,
            guards=draw(st.sampled_from(((), (in_his_own_name,)))),
        ),
        "ask": Transition("ask", "assigned", None, WORDS, by=("assignee",), acts_as="asker"),
        "extend": Transition(
            "extend", "assigned", None, WORDS, by=draw(some_of("red", "blue")), never=("asker", "assignee"), counts="extended"
        ),
        "return": Transition(
            "return", "fixed", "assigned", WORDS, sign_off="verify" if signed else None,
            by=() if signed and draw(yes) else ("red",), alone=True, outcomes=draw(st.sampled_from((None, no_longer_on_the_spot))),
        ),
        "retriage": Transition("retriage", "assigned", "reported", WORDS, by=("blue",), outcomes=given_up),
        "reject": Transition("reject", ("reported", "assigned"), "rejected", WORDS, by=("anyone",)),
        "confirm": Transition("confirm", "verified", "closed", WORDS, by=draw(some_of("fixer", "verifier", "reporter"))),
        "give_back": Transition("give_back", "verified", "assigned", WORDS, by=("blue", "verifier"), never=("fixer",)),
    }  # fmt: skip
    chosen = set(draw(st.lists(st.sampled_from(sorted(extra)), max_size=3, unique=True))) | {"reject"}
    if "extend" in chosen:
        chosen.add("ask")
    states = [
        State("reported", WORDS, awaits=("red",)),
        State("assigned", WORDS, awaits=draw(some_of("assignee", "blue"))),
        State("fixed", WORDS, awaits=("red",)),
        State("verified", WORDS, awaits=("red",)),
        State("closed", WORDS, final=True),
        State("rejected", WORDS, counts_as="closed", final=True),
    ]
    rows = {(mode, step): draw(a_row(step)) for mode in MODES for step in ("verify", "approve")} if signed else None
    try:
        return _loop(draw, states, [*steps, *(extra[name] for name in extra if name in chosen)], rows)
    except WorkflowError:  # excludes everyone it names, or whom no step makes it
        reject()


def _loop(draw: st.DrawFn, states: list[State], transitions: list[Transition], rows: Any) -> Workflow:
    return Workflow(
        key="loop", plural="loops", version=1, prefix="HX", title=WORDS, opens_with=OpenAnything,
        opens_by=draw(some_of("anyone", "stranger", "system", "red", "red_of_another_department")), opened_as=draw(st.sampled_from((None, "submitter", "asker"))),
        states=states, transitions=transitions, roles=ROLES,
        policy=Waivers, sign_off=SignOff(rows, by_everything, reads=("extended",)) if rows else None,
    )  # fmt: skip


# --- small schools ---------------------------------------------------------------------------------------------------


@st.composite
def a_school(
    draw: st.DrawFn, roles: tuple[str, ...] = ("red", "blue"), group: str = "group", most: int = 4, spans: Any = None,
    departments: int = 2,
) -> Directory:  # fmt: skip
    """spans   first and last day of grants and absences; for good, and on the day, where none are drawn"""
    codes = ("A", "B", "C")[: draw(st.integers(1, departments))]
    keys = [f"p{n}" for n in range(draw(st.integers(1, most)))]
    span = st.just((None, None)) if spans is None else spans
    people: dict[str, Person] = {}
    grants: dict[str, tuple[Grant, ...]] = {}
    for n, key in enumerate(keys):
        same = draw(st.sampled_from((None, None, None, None, "x"))) if n else draw(st.sampled_from((None, "x")))
        people[key] = Person(
            "school", key, key, draw(st.sampled_from((*codes, None))), active=draw(st.integers(0, 9)) < 9, human=same
        )
        grants[key] = draw(_some_grants(roles, codes, span))
    if draw(st.integers(0, 9)) == 9:
        people["p9@bureau"] = Person("bureau", "p9", "p9")
        grants["p9@bureau"] = draw(_some_grants(roles, codes, span))
    seats = draw(
        st.lists(
            st.builds(Seat, st.just("person"), st.sampled_from(keys)) | st.builds(Seat, st.just("role"), st.sampled_from(roles)),
            max_size=2, unique=True,
        )
    )  # fmt: skip
    absences: list[Absence] = []
    for n in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
        first, last = draw(span)
        duties = draw(st.sampled_from((frozenset(), frozenset(), frozenset(roles[:1]), frozenset({group}))))
        absences.append(
            Absence(
                str(n), draw(st.sampled_from(keys)), first or DAY, last or DAY,
                draw(st.none() | st.sampled_from(sorted(people))), duties,
            )
        )  # fmt: skip
    named = tuple(Department("school", code, Text(code, code)) for code in codes)
    return Directory(
        "school", people, grants, (Group(group, Text(group, group), tuple(seats)),), tuple(absences), named
    )


def _some_grants(roles: tuple[str, ...], codes: tuple[str, ...], span: Any) -> st.SearchStrategy[tuple[Grant, ...]]:
    one = st.builds(
        lambda role, scope, days: Grant(role, scope, *days),
        st.sampled_from(roles),
        st.sampled_from(("*", *codes)),
        span,
    )
    return st.lists(one, max_size=2, unique=True).map(tuple)


# --- the comparison --------------------------------------------------------------------------------------------------


def compare(workflow: Workflow, directory: Directory, policy: Mapping[str, Any] | None = None, most: int = 800) -> int:
    """Every department, and of every case that came up whether it closes. Returns how many cases that were."""
    policy = workflow.defaults() if policy is None else policy
    if currently_in_test_context():
        note(_drawn_in_words(workflow, directory, policy))
    brute = Brute(workflow, policy, directory, DAY, most)
    play = Play(Stage(workflow, policy, company_on(directory, DAY)))
    for department in (*brute.departments, None):
        try:
            stuck = brute.stuck(department)
        except TooLarge:
            assume(False)
        impasses = play.impasses(department)
        assert bool(impasses) == bool(stuck), (
            "false alarm" if impasses else "false 'clean'",
            department,
            sorted(stuck, key=repr)[:3],
            impasses[:1],
        )
    for position in brute.explored:
        assert play.closes(brute.case(position)) == brute.closes(position), position
    return len(brute.explored)


def _drawn_in_words(workflow: Workflow, directory: Directory, policy: Mapping[str, Any]) -> str:
    """What it takes to write the example down as a test of its own."""
    rows = workflow.sign_off.rows if workflow.sign_off else {}
    return "\n".join(
        [
            f"opens_by={workflow.opens_by} opened_as={workflow.opened_as} policy={dict(policy)}",
            *(
                f"{t.trigger}: {'|'.join(t.sources)} → {t.target} by={t.by} never={t.never} acts_as={t.acts_as}"
                f" sign_off={t.sign_off} form={form_of(t).__name__} guards={[g.name for g in guards_of(t.guards)]}"
                f" outcomes={t.outcomes and getattr(t.outcomes, '__name__', t.outcomes)}"
                for t in workflow.transitions
            ),
            *(f"{state.name} awaits {state.awaits}" for state in workflow.states if state.awaits),
            *(f"{at}: {row}" for at, row in rows.items()),
            *(f"{key}: {person} {directory.grants.get(key)}" for key, person in directory.people.items()),
            *map(repr, (*directory.groups, *directory.absences, *directory.departments)),
        ]
    )


@drawn(50)
@given(a_loop(), a_school(), st.booleans())
def test_no_false_clean_and_no_false_alarm(workflow: Workflow, directory: Directory, waived: bool) -> None:
    compare(workflow, directory, {**workflow.defaults(), "may_verify_himself": waived})


@drawn(25)
@given(a_loop(), a_school(most=3))
def test_to_have_acted_never_helps_but_where_a_step_is_left_to_whoever_did(
    workflow: Workflow, directory: Directory
) -> None:
    """What the search relies on, shown by brute force alone."""
    brute = Brute(workflow, workflow.defaults(), directory, DAY, 800)
    for department in brute.departments:
        try:
            brute.stuck(department)
        except TooLarge:
            reject()
    relied = {"fixer", "verifier", "asker", "submitter"} & {name for t in workflow.transitions for name in t.by}
    alike: dict[Any, list[Position]] = {}
    for position in brute.explored:
        kept = tuple((name, persons) for name, persons in position.acted if name in relied)
        alike.setdefault(position._replace(acted=kept), []).append(position)
    for positions in alike.values():
        for fewer in positions:
            for more in positions:
                if all(set(persons) <= set(dict(more.acted).get(name, ())) for name, persons in fewer.acted):
                    assert brute.closes(fewer) or not brute.closes(more), (fewer, more)


# --- the real loops --------------------------------------------------------------------------------------------------

REAL = {workflow.key: workflow for workflow in CATALOG.newest()}


@drawn(8)
@given(a_school(("safety_head", "vp_safety", "principal", "dept_head"), most=3))
def test_drills_are_judged_as_by_brute_force(directory: Directory) -> None:
    compare(REAL["drill"], directory)


@drawn(25)
@given(a_school(("dept_head", "dept_safety", "vp_safety")))
def test_inspections_are_judged_as_by_brute_force(directory: Directory) -> None:
    compare(REAL["inspection"], directory)


#: left out of hazards: these change nothing but facts and clocks, which no rule about people reads, and to ask for an
#: extension makes the same of a case as to ask for a deferral
OF_FACTS = frozenset(
    {
        "acknowledge", "supervise", "approve_plan", "refuse_plan", "refuse_extension", "refuse_deferral", "ask_extension",
    }
)  # fmt: skip


@drawn(2)
@given(a_school(("safety_head", "vp_safety", "principal", "dept_safety"), "acceptance_group", most=2))
def test_hazards_are_judged_as_by_brute_force(directory: Directory) -> None:
    hazard = REAL["hazard"]
    kept = replace(hazard, transitions=[t for t in hazard.transitions if t.trigger not in OF_FACTS])
    compare(kept, directory, most=400)


# --- days ------------------------------------------------------------------------------------------------------------

_DAYS = st.integers(0, 20).map(lambda n: DAY + timedelta(days=n))
SPANS = st.tuples(_DAYS, st.integers(0, 8)).map(lambda drawn: (drawn[0], drawn[0] + timedelta(days=drawn[1])))


@drawn(15)
@given(a_loop(), a_school(spans=SPANS | st.just((None, None)), most=3))
def test_the_days_of_change_say_what_holds_on_all_the_others(workflow: Workflow, directory: Directory) -> None:
    says_what_each_day_says(workflow, directory)


@st.composite
def a_crowded_school(draw: st.DrawFn) -> Directory:
    """Up to three departments, and of those who hold nothing more than make any difference."""
    directory = draw(a_school(spans=SPANS | st.just((None, None)), departments=3, most=3))
    people, grants = dict(directory.people), dict(directory.grants)
    for key, person in directory.people.items():
        if person.organisation == "school" and not grants[key]:
            for n in range(draw(st.sampled_from((0, 3, 4)))):
                people[f"{key}.{n}"] = replace(person, person=f"{key}.{n}", human=None)
    return replace(directory, people=people, grants=grants)


@drawn(25)
@given(a_loop(), a_crowded_school())
def test_what_is_left_out_of_a_department_makes_no_difference_to_it(workflow: Workflow, directory: Directory) -> None:
    says_what_each_day_says(workflow, directory)


def says_what_each_day_says(workflow: Workflow, directory: Directory) -> None:
    """Each of 20 days played by itself, against what `check` makes of the days of change and of what it played before."""
    if currently_in_test_context():
        note(_drawn_in_words(workflow, directory, {}))
    question = Question([workflow], directory, DAY, lambda w: w.defaults(), days=20)
    told = {
        (department, day)
        for finding in check(question, remedies=False)
        if finding.code == "impasse"
        for _, department, day in finding.places
    }
    for n in range(21):
        day = DAY + timedelta(days=n)
        play = Play(Stage(workflow, workflow.defaults(), company_on(directory, day)))
        for department in directory.departments:
            assert bool(play.impasses(department.code)) == ((department.code, day) in told), (department.code, day)


# --- what was found, each as small as it became ----------------------------------------------------------------------


def a_small_loop(*transitions: Transition, **given: Any) -> Workflow:
    """reported → closed, with what a test adds: the states are those its steps speak of."""
    names = dict.fromkeys(["reported", *(str(t.target or t.source) for t in transitions)])
    states = [State(name, WORDS, awaits=("red",), final=name == "closed") for name in names]
    named: dict[str, Any] = {"opens_with": OpenAnything, "opens_by": ("anyone",), "roles": ROLES, "policy": Waivers}
    return Workflow("loop", "loops", 1, "HX", WORDS, states=states, transitions=transitions, **{**named, **given})


def people_of(**held: str) -> Directory:
    """person → his roles, everywhere; all of department A."""
    people = {key: Person("school", key, key, "A") for key in held}
    grants = {key: tuple(Grant(role) for role in roles.split()) for key, roles in held.items()}
    return Directory("school", people, grants, (), (), (Department("school", "A", Text("A", "A")),))


def test_a_step_for_which_nobody_can_be_named_is_an_impasse() -> None:
    """Every step is somebody's; the condition on whom the form names is met by nobody."""
    loop = a_small_loop(
        Transition(
            "assign", "reported", "assigned", WORDS, by=("red",), form=PutInCharge, guards=(of_that_department,)
        ),
        Transition("fix", "assigned", "closed", WORDS, by=("red",)),
    )
    directory = people_of(p0="red")
    directory = replace(directory, people={"p0": replace(directory.people["p0"], department=None)})
    compare(loop, directory)
    play = Play(Stage(loop, {}, company_on(directory, DAY)))
    assert [(one.state, one.transition.trigger) for one in play.impasses("A")] == [("reported", "assign")]


def test_a_case_without_a_department_does_not_stay_without_one_when_the_form_names_it() -> None:
    """Whoever holds the role in A is *of another department* only as long as the case is of none."""
    loop = a_small_loop(
        Transition("assign", "reported", "assigned", WORDS, by=("red",), form=PutInChargeThere),
        Transition("fix", "assigned", "closed", WORDS, by=("red_of_another_department",)),
    )
    directory = people_of(p0="red")
    directory = replace(directory, grants={"p0": (Grant("red"), Grant("red", "A"))})
    compare(loop, directory)
    assert Play(Stage(loop, {}, company_on(directory, DAY))).impasses(None)


def test_whoever_reported_it_may_have_left_also_where_he_would_have_been_kept_from_a_step() -> None:
    """p0 may put nobody in charge of what he reported himself; of what somebody reported who left, he may."""
    loop = a_small_loop(
        Transition("assign", "reported", "assigned", WORDS, by=("red",), never=("reporter",), form=PutInCharge),
        Transition("fix", "assigned", "closed", WORDS, by=("assignee",)),
        Transition("spot", "reported", "closed", WORDS, by=("reporter",)),
    )
    compare(loop, people_of(p0="red"))
    stuck = Play(Stage(loop, {}, company_on(people_of(p0="red"), DAY))).impasses("A")
    assert [one.state for one in stuck] == ["assigned"]


def test_to_have_acted_helps_where_a_step_is_left_to_whoever_did() -> None:
    """p0 fixed it before he was relieved, and may close it; where nobody fixed anything, nobody may."""
    loop = a_small_loop(
        Transition("fix", "reported", None, WORDS, by=("assignee",), acts_as="fixer"),
        Transition("leave", "reported", "closed", WORDS, by=("fixer",)),
    )
    play = Play(Stage(loop, {}, company_on(people_of(p0=""), DAY)))
    brute = Brute(loop, {}, people_of(p0=""), DAY)
    reported = next(iter(brute.opened("A")))
    fixed = reported._replace(acted=(("fixer", ("p0",)),))
    brute.explore({reported, fixed})
    for position in (reported, fixed):
        assert play.closes(brute.case(position)) == brute.closes(position) == (position == fixed)


def test_a_case_is_taken_over_to_spare_the_only_one_who_may_approve() -> None:
    """p0 is there and in charge, and the only approver: unless p1 takes over and fixes it, nobody approves it."""
    loop = a_small_loop(
        Transition("assign", "reported", "assigned", WORDS, by=("red",), form=PutInCharge),
        Transition("take_over", "assigned", None, WORDS, by=("blue",), takes_over=True),
        Transition("fix", "assigned", "fixed", WORDS, by=("assignee",), acts_as="fixer"),
        Transition("approve", "fixed", "closed", WORDS, by=("red",), never=("fixer",)),
    )
    compare(loop, people_of(p0="red", p1="blue"))
    play = Play(Stage(loop, {}, company_on(people_of(p0="red", p1="blue"), DAY)))
    brute = Brute(loop, {}, people_of(p0="red", p1="blue"), DAY)
    reported = next(iter(brute.opened("A")))
    in_charge = reported._replace(state="assigned", assignee="p0", acted=(("assignee", ("p0",)),))
    assert play.closes(brute.case(in_charge))


def test_whoever_reported_an_open_case_is_kept_from_approving_what_he_fixed_on_the_spot() -> None:
    """p0 is alone, holds nothing and reported it; an inspector may approve, but for what he fixed himself."""
    loop = a_small_loop(
        Transition("assign", "reported", "assigned", WORDS, by=("red",), form=PutInCharge),
        Transition("fix", "assigned", "fixed", WORDS, by=("assignee",), acts_as="fixer"),
        Transition("spot", "reported", "fixed", WORDS, by=("inspector",), form=OnTheSpot, outcomes=on_the_spot),
        Transition("approve", "fixed", "closed", WORDS, by=("red", "inspector"), never=("fixer",)),
    )
    for directory, closes in ((people_of(p0=""), False), (people_of(p0="", p1=""), True)):
        brute = Brute(loop, {}, directory, DAY)
        reported = next(one for one in brute.opened("A") if one.reporter == "p0")
        brute.explore({reported})
        assert Play(Stage(loop, {}, company_on(directory, DAY))).closes(brute.case(reported)) is closes
        assert brute.closes(reported) is closes


AWAY = (DAY + timedelta(days=3), DAY + timedelta(days=5))


@pytest.mark.parametrize(
    "delegate", [None, "p0", "stranger"], ids=["nobody", "somebody with a part in it", "a stranger"]
)
@pytest.mark.parametrize("signing, others", [(1, 0), (1, 4), (2, 1), (2, 2), (2, 8)])
def test_somebody_of_another_department_makes_a_difference_where_there_are_not_enough(
    signing: int, others: int, delegate: str | None
) -> None:
    """p1 and others of B approve what was fixed in A, one or two of them; p1 goes away for three days."""
    rows = {("general", "approve"): Signing(("blue_of_another_department",), signing, ("fixer",))}
    loop = a_small_loop(
        Transition("fix", "reported", "fixed", WORDS, by=("red",), acts_as="fixer"),
        Transition("approve", "fixed", "closed", WORDS, sign_off="approve"),
        sign_off=SignOff(rows, by_everything),
    )
    names = ["p1", *(f"q{n}" for n in range(others))]
    people = {key: Person("school", key, key, "B") for key in names}
    people |= {"p0": Person("school", "p0", "p0", "A"), "stranger": Person("bureau", "stranger", "stranger")}
    directory = Directory(
        "school", people, {"p0": (Grant("red"),), **dict.fromkeys(names, (Grant("blue", "B"),))},
        absences=(Absence("a", "p1", *AWAY, delegate),),
        departments=tuple(Department("school", code, Text(code, code)) for code in "AB"),
    )  # fmt: skip
    question = Question([loop], directory, DAY, lambda w: w.defaults(), days=20)
    stuck = {f.when for f in check(question, remedies=False) if f.code == "impasse" and "A" in f.departments}
    assert stuck == ({(AWAY,)} if others < signing and delegate != "stranger" else set())
    says_what_each_day_says(loop, directory)
