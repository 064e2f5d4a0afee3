"""Each loop is walked along paths generated from its definition: every step is taken, every condition says no, and whatever else
is asked on the way is refused in words and changes nothing.

What a new loop needs here is at most a sample: `filling` says which, where it knows no answer.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest

from engine.actor import Actor
from engine.authority import judge, persons_in
from engine.case import Case, fold
from engine.definition import Transition, Workflow
from engine.errors import InvalidInput, NotAllowed, NotPossibleNow, Refusal
from engine.guards import guard_named
from engine.machine import asked_for
from tests.workflows.paths import Asking, Explored, Place, conditions, explored
from tests.workflows.sentences import holds_its_own
from workflows import CATALOG

EVERY_LOOP = pytest.mark.parametrize(
    "workflow", CATALOG.every(), ids=lambda workflow: f"{workflow.key} {workflow.version}"
)


@EVERY_LOOP
def test_paths_from_the_opening_take_every_step_from_every_state_it_is_drawn_in(workflow: Workflow) -> None:
    taken = explored(workflow).taken
    drawn = {(step.trigger, source): step.target or source for step in workflow.transitions for source in step.sources}
    assert drawn.keys() - taken.keys() == set(), (
        "no path takes these; if one can, teach tests.workflows.paths to find it"
    )
    assert taken.keys() - drawn.keys() == set()
    for (trigger, source), target in drawn.items():
        step, after = taken[trigger, source], taken[trigger, source].after
        assert after.path[0].came_by == "open" and after.path[0].case.state == workflow.initial.name
        assert (step.decision.from_state, after.case.state) == (source, target), str(after)
        state = workflow.state(target)
        assert (after.case.counts_as, after.case.final) == (state.counted, state.final), str(after)


@EVERY_LOOP
def test_each_condition_says_no_in_its_own_words(workflow: Workflow) -> None:
    refused = explored(workflow).refused
    assert conditions(workflow) - refused.keys() == set(), "no answers and no path make these say no"
    for (trigger, name), refusal in refused.items():
        guard = guard_named(name)
        assert guard is not None
        assert (refusal.obstacle, refusal.remedy) == (guard.obstacle, guard.remedy)
        assert holds_its_own(refusal) == [], f"{trigger}: {name}"


@EVERY_LOOP
def test_whatever_else_is_asked_on_the_way_is_refused_in_words_and_changes_nothing(workflow: Workflow) -> None:
    there = explored(workflow)
    wrong: dict[str, None] = {}
    for place in there.on_the_way:
        before = _read_anew(place.case)
        for expected, asked, refusal in _refusals(there, place):
            assert isinstance(refusal, expected), f"{place}: {asked} was answered with {refusal!r}"
            wrong |= dict.fromkeys(holds_its_own(refusal))
        assert _read_anew(place.case) == before, str(place)
    assert not wrong, "\n".join(wrong)


def _refusals(there: Explored, place: Place) -> Iterator[tuple[type[Refusal], str, Refusal | None]]:
    """Each step that is not drawn in this state; each that is: by whoever may not take it, and without what it asks for."""
    workflow, case = there.workflow, place.case
    asking = Asking(place, there.cast, {})
    anybody = there.cast.holding_everything("anybody")
    for trigger, drawn in workflow.triggers.items():
        step = workflow.transition(trigger, case.state)
        if step is None:
            able = _first_able(there, place, drawn[0])
            expected: type[Refusal] = NotPossibleNow if able is not None else NotAllowed
            yield expected, f"{trigger} elsewhere", asking.refused(able or anybody, trigger, {})
            continue
        for actor in _unable(there, place, step):
            yield NotAllowed, f"{trigger} by {actor.person}", asking.refused(actor, trigger, {})
        able = _first_able(there, place, step)
        if able is not None:
            yield InvalidInput, f"{trigger} with too much", asking.refused(able, trigger, {"never_asked_for": 1})
            if any(field.is_required() for field in workflow.form_of(trigger).model_fields.values()):
                yield InvalidInput, f"{trigger} with nothing", asking.refused(able, trigger, {})


def _first_able(there: Explored, place: Place, step: Transition) -> Actor | None:
    return next((actor for actor in there.cast.people if _may(there, place, step, actor)), None)


def _unable(there: Explored, place: Place, step: Transition) -> Iterator[Actor]:
    """Who has no business here, the first who has but not this, and everybody whom what he did before keeps from it."""
    yield there.cast.outsider
    yield from [actor for actor in there.cast.people if not _may(there, place, step, actor)][:1]
    for relation in _never(there.workflow, place.case, step):
        for person in {*place.case.who_acted(relation), *persons_in(relation, place.case)}:
            yield there.cast.holding_everything(person)


def _never(workflow: Workflow, case: Case, step: Transition) -> tuple[str, ...]:
    if step.sign_off is None:
        return step.never
    assert workflow.sign_off is not None
    return () if step.alone else workflow.sign_off.rows[workflow.sign_off.mode_of(case), step.sign_off].never


def _may(there: Explored, place: Place, step: Transition, actor: Actor) -> bool:
    asked = asked_for(there.workflow, place.case, step.trigger)
    try:
        judge(there.workflow, step, place.case, actor, there.workflow.defaults(), asked)
    except NotAllowed:
        return False
    return True


@EVERY_LOOP
def test_an_exclusion_keeps_whoever_it_means_from_a_step_he_could_take_otherwise(workflow: Workflow) -> None:
    """Of each step with an exclusion at least one person is met on the way whom it bars."""
    there = explored(workflow)
    excluding = {step.trigger for step in workflow.transitions if step.never}
    if workflow.sign_off is not None:
        signed = {step for (_, step), row in workflow.sign_off.rows.items() if row.never}
        excluding |= {step.trigger for step in workflow.transitions if step.sign_off in signed and not step.alone}
    met: set[str] = set()
    for place in there.places:
        for step in (step for step in workflow.transitions if place.case.state in step.sources):
            for relation in _never(workflow, place.case, step):
                for person in place.case.who_acted(relation):
                    refusal = Asking(place, there.cast, {}).refused(
                        there.cast.holding_everything(person), step.trigger, {}
                    )
                    assert isinstance(refusal, NotAllowed), f"{place}: {step.trigger} by {person}: {refusal!r}"
                    if refusal.reason == "separation":
                        met.add(step.trigger)
    assert met == excluding


@EVERY_LOOP
def test_what_was_recorded_on_the_way_gives_the_same_case_again(workflow: Workflow) -> None:
    for place in explored(workflow).on_the_way:
        assert fold(list(place.changes)) == place.case, str(place)


@EVERY_LOOP
def test_a_step_decided_again_is_decided_alike_and_leaves_what_it_was_given(workflow: Workflow) -> None:
    """In the order in which `handle` asks; nothing is remembered between two decisions."""
    for step in explored(workflow).taken.values():
        before, answers = _read_anew(step.asking.place.case), deepcopy(step.answers)
        assert step.asking.step(step.actor, step.decision.trigger, step.answers) == step.decision, str(step.after)
        assert (_read_anew(step.asking.place.case), step.answers) == (before, answers), str(step.after)


def _read_anew(case: Case) -> str:
    """Everything a case says, and nothing that it remembers of having said it before."""
    return repr(replace(case))
