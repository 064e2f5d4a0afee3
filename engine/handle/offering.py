"""The steps of a case as they look to somebody, and who could take the one that he may not."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.actor import Actor
from engine.authority import allow_opening
from engine.case import ADDRESSEE, Case
from engine.commands import Asked, FireTrigger, OpenCase
from engine.definition import Transition, Workflow
from engine.directory import Directory, Person
from engine.errors import Holder, NotAllowed, Refusal, Text
from engine.events import in_the_name_of
from engine.handle.outcomes import Engine
from engine.handle.reading import Reading
from engine.handle.refusing import left_to
from engine.machine import blank_case, is_his_to_take, why_not
from engine.store import cases, people
from engine.store.database import Connection

_DELEGATE = Text("代办人", "a delegate")  # of whom the directory knows no post


@dataclass(frozen=True, slots=True)
class Offer:
    """A step of the case's state, as it looks to those who ask: `actor` may take it, or `why_not` says what is missing."""

    transition: Transition
    actor: Actor
    why_not: Refusal | None


def offers(engine: Engine, connection: Connection, actors: Sequence[Actor], case: Case) -> list[Offer]:
    """Every step of the case's state for somebody who can act as any of these; himself first. Writes nothing."""
    workflow = engine.catalog.of(case)
    steps = [transition for transition in workflow.transitions if case.state in transition.sources]
    return _offered(Reading(engine, connection, engine.clock.now()), workflow, steps, case, actors)


def _offered(
    reading: Reading, workflow: Workflow, steps: Sequence[Transition], case: Case, actors: Sequence[Actor]
) -> list[Offer]:
    """Each step as the first of these may take it; else what keeps the first of them, himself, from it."""
    departed = reading.departed(workflow, case)
    offered = [_offer(reading, workflow, step, case, actors, departed) for step in steps]
    refused = [(o.transition, o.why_not) for o in offered if isinstance(o.why_not, NotAllowed)]
    _name_who_could(reading, workflow, case, refused)
    return offered


def _offer(
    reading: Reading,
    workflow: Workflow,
    transition: Transition,
    case: Case,
    actors: Sequence[Actor],
    departed: frozenset[str],
) -> Offer:
    refused: list[Offer] = []
    for actor in actors:
        why = why_not(workflow, transition, case, reading.now, reading.setting(actor, workflow, departed=departed))
        if why is None:
            return Offer(transition, actor, None)
        refused.append(Offer(transition, actor, why))
    return refused[0]


def name_who_could_instead(reading: Reading, asked: Asked, refusal: NotAllowed) -> None:
    """Who could have carried out this command: a step of a case, or the opening of one."""
    command, organisation = asked.command, asked.actor.organisation
    if isinstance(command, FireTrigger):
        case = cases.load(reading.connection, organisation, command.case)
        if case is None:
            return
        workflow = reading.engine.catalog.of(case)
        drawn = workflow.triggers.get(command.trigger, ())
        transition = workflow.transition(command.trigger, case.state) or next(iter(drawn), None)
        if transition is not None:
            _name_who_could(reading, workflow, case, [(transition, refusal)])
    elif isinstance(command, OpenCase):
        workflow = reading.workflow(command.workflow)
        department = command.data.get("department")
        told = {"department": department} if isinstance(department, str) else {}
        _name_who_could(reading, workflow, blank_case(workflow, asked.actor, told, reading.now), [(None, refusal)])


def _name_who_could(
    reading: Reading, workflow: Workflow, case: Case, refused: Sequence[tuple[Transition | None, NotAllowed]]
) -> None:
    """Put into each refusal who could take its step today, everyone judged as if he asked, and into its remedy their
    posts. They are looked up for all of them at once: most steps of a state belong to the same few people.

    refused   the step beside its refusal; None where a case was to be opened
    """
    today = reading.calendar(case.organisation).local_date(reading.now)
    audiences = [
        tuple(name for name in refusal.who if name not in ("anyone", "stranger", "system", ADDRESSEE))
        for _, refusal in refused
    ]
    if not any(audiences):
        return
    called = people.called_upon(reading.connection, case, audiences, today)
    keys = {key for found in called for key, _, _ in found}
    around = reading.around(case.organisation, keys)
    acting = {key: list(around.actors(key, today)) for key in keys}
    for (transition, refusal), who, found in zip(refused, audiences, called, strict=True):
        could: dict[tuple[str, str | None], Holder] = {}
        for key, person, name in found:
            for actor in acting[key]:
                if (key, actor.on_behalf_of) not in could and _could(reading, workflow, transition, case, actor):
                    could[key, actor.on_behalf_of] = _holder(workflow, around, key, person, name, actor)
                    break
        if who:
            refusal.could = tuple(could.values())
            refusal.remedy = left_to([holder.post for holder in refusal.could])


def _could(reading: Reading, workflow: Workflow, transition: Transition | None, case: Case, actor: Actor) -> bool:
    if transition is not None:
        return is_his_to_take(workflow, transition, case, reading.now, reading.setting(actor, workflow))
    try:
        allow_opening(workflow, actor, case, Text("", ""))
    except NotAllowed:
        return False
    return True


def _holder(workflow: Workflow, around: Directory, key: str, person: Person, name: str, actor: Actor) -> Holder:
    """Who could, by his post; one who stands in for somebody, as *A on behalf of B*."""
    post = Text(person.post, person.post) if person.post else workflow.called(name)
    if actor.on_behalf_of is not None:
        away = around.people[actor.on_behalf_of]
        represented = Text(away.post, away.post) if away.post else workflow.called(name)
        post = in_the_name_of(Text(person.post, person.post) if person.post else _DELEGATE, represented)
    return Holder(key, person.name, post, person.department)
