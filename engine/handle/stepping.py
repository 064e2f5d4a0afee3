"""Takes a case one step further."""

from collections.abc import Mapping
from typing import Any, Literal

from engine.authority import judge
from engine.case import CORRECTS, LOOKED_AT, Case
from engine.commands import Asked, FireTrigger
from engine.definition import Transition, Workflow, must_be_known, references
from engine.errors import FieldFault, InvalidInput, StaleCase, Text
from engine.handle.keys import answered, keep_answer
from engine.handle.outcomes import Done, Outcome
from engine.handle.reading import Reading
from engine.handle.referring import Referred, look_up, who_is_addressed, who_is_named, with_rebound
from engine.handle.refusing import no_such_step
from engine.handle.writing import Writing
from engine.machine import asked_for, check_revision, decide, read_form, why_not
from engine.store import cases, periods

SEED_BYTES = 32  # of a draw: nobody can try them all to get the draw he wants


def step(writing: Writing, asked: Asked, command: FireTrigger) -> Outcome:
    """1. may he see it  2. was it done before  3. may he  4. is it still so  5. what he wrote  6. decide  7. write."""
    reading, actor = writing.reading, asked.actor
    case = reading.seen(asked, command.case)
    if (again := answered(reading, asked)) is not None:
        return again
    workflow = reading.engine.catalog.of(case)
    asked_text = asked_for(workflow, case, command.trigger)
    must_be_known(workflow, asked_text)
    drawn = workflow.triggers.get(command.trigger)
    if drawn is None:
        raise no_such_step(workflow, asked_text)
    transition = workflow.transition(command.trigger, case.state) or drawn[0]
    permit = judge(workflow, transition, case, actor, reading.policy(actor.organisation, workflow)[1], asked_text)
    check_revision(workflow, case, command)
    form = workflow.form_of(command.trigger)
    data: dict[str, Any] = {}
    referred: Referred = ()
    related: dict[str, Case] = {}
    if case.state in transition.sources:
        data = read_form(form, command.data, asked_text, reading.engine.words)
        if transition.draws is not None:
            data[transition.draws] = _seed(reading, transition.draws, data, asked_text)
        referred = references(form, data)
        related = look_up(reading, actor, referred, asked_text)
        bound = [link.number for link in case.links if link.kind in LOOKED_AT]
        related |= cases.load_many(reading.connection, actor.organisation, bound, lock=True)
    named = who_is_named(reading, actor.organisation, referred)
    figures = None
    if transition.figures and case.state in transition.sources:
        figures = _figures(reading, asked, workflow, transition, case, asked_text)
    addressed = who_is_addressed(reading, actor.organisation, data, transition, asked_text)
    departed = reading.departed(workflow, case) if not transition.confirms else frozenset[str]()
    setting = reading.setting(
        actor, workflow, permit=permit, related=related, people=named, addressed=addressed, departed=departed,
        figures=figures,
    )  # fmt: skip
    decision = decide(workflow, case, command, data, reading.now, setting)
    decision = with_rebound(reading, workflow, case, decision, setting)
    done = writing.write(workflow, case, decision, actor, setting)
    writing.use_files(referred, actor.organisation, case.number)
    if decision.settles and case.period:
        _settle(reading, workflow, done, decision.settles)
    keep_answer(reading, asked, done)
    return done


def _settle(reading: Reading, workflow: Workflow, done: Done, how: Literal["reported", "waived"]) -> None:
    """What the case's period owed came, or was waived; or what came first was corrected, and both remain."""
    case, at = done.case, done.event.recorded_at
    cycle, scope, key = str(case.period).split("/", 2)
    place = case.organisation, cycle, scope, key
    if any(link.kind == CORRECTS for link in case.links):
        if how == "reported":
            periods.corrected(reading.connection, *place, at)
        return
    zero = how == "reported" and any(r.cycle.key == cycle and r.says_zero(case) for r in workflow.cycles)
    periods.settle(reading.connection, case.organisation, case.number, how, at, zero=zero)


def _figures(
    reading: Reading, asked: Asked, workflow: Workflow, transition: Transition, case: Case, asked_text: Text
) -> Mapping[str, Any]:
    """What was counted for this step. Raises what kept it from being counted; StaleCase where that was for the case as it
    stood before somebody else's step.
    """
    if isinstance(asked.figures, Exception):
        raise asked.figures
    if asked.figures is None or asked.figures.revision != case.revision:
        refusal = why_not(workflow, transition, case, reading.now, reading.setting(asked.actor, workflow))
        raise refusal or StaleCase(
            case.revision,
            asked=asked_text,
            obstacle=Text("统计数字时，该项刚被他人办理", "somebody else took a step while the figures were counted"),
            remedy=Text("请刷新后核对再办理", "Read it again, then decide"),
        )
    return asked.figures.figures


def _seed(reading: Reading, field: str, data: Mapping[str, Any], asked: Text) -> str:
    """Drawn now, and never twice: whoever could bring one along, or keep the one of a refused step, would choose the draw."""
    if data[field] is not None:
        chosen = Text("由系统抽取，不能指定", "is drawn by the program; nobody chooses it")
        raise InvalidInput(
            asked=asked,
            obstacle=Text(f"抽签种子{chosen.zh}", f"the seed of a draw {chosen.en}"),
            remedy=Text("请去掉该项后重新提交", "Leave it out and send it again"),
            fields=[FieldFault(field, chosen)],
        )
    return reading.engine.draw(SEED_BYTES).hex()
