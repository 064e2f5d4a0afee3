"""A command of a signed-in person through the writer: carried out and logged, or refused in the words of the form he filled in."""

from collections.abc import Sequence

import structlog

from api.auth import Asker
from api.bootstrap import Runtime
from api.problems import defect
from api.requests import in_its_words
from engine.commands import Asked, Command, FireTrigger, OpenCase
from engine.errors import Busy, InvalidInput, Refusal
from engine.handle import Done, Failed, Outcome, Refused

log = structlog.get_logger(__name__)


def asked_by(asker: Asker, command: Command, route: str, key: str | None) -> Asked:
    return Asked(asker.actor, command, route, key, asker.locale, asker.seen)


def carry_out(runtime: Runtime, asker: Asker, command: Command, route: str, key: str | None) -> Done:
    """The case and its event, after they are durable. The same key gives the same answer again.

    Raises    Refusal, in the form's own words
    """
    [outcome] = carry_out_all(runtime, [(asker, command, route)], key)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def carry_out_all(
    runtime: Runtime, wanted: Sequence[tuple[Asker, Command, str]], key: str | None
) -> list[Done | Refusal]:
    """What became of each of these commands, in their order; each is judged by itself. Durable, and the same again for the
    same key, as one is.

    wanted    as whom, what, and the route it is known by
    """
    asked = [asked_by(asker, command, route, key) for asker, command, route in wanted]
    outcomes = runtime.writer.ask_all(asked)
    return [
        _came_to(runtime, asker, each, outcome)
        for (asker, _, _), each, outcome in zip(wanted, asked, outcomes, strict=True)
    ]


def _came_to(runtime: Runtime, asker: Asker, asked: Asked, outcome: Outcome | Busy) -> Done | Refusal:
    if isinstance(outcome, Refused):
        return told_refusal(runtime, asker, asked, outcome)
    if isinstance(outcome, Busy):
        return outcome
    if isinstance(outcome, Failed):
        log.error("defect", **_about(asked.command), exc_info=outcome.error)
        return defect()
    assert isinstance(outcome, Done)  # people's commands are carried out or refused
    tell_done(asker, outcome)
    return outcome


def tell_done(asker: Asker, done: Done) -> None:
    case, event = done.case, done.event
    log.info(
        "carried_out", case=case.number, _event=event.sequence, trigger=event.trigger, state=case.state,
        principal=asker.actor.principal, replayed=done.replayed,
    )  # fmt: skip


def told_refusal(runtime: Runtime, asker: Asker, asked: Asked, outcome: Refused) -> Refusal:
    """The refusal in the form's own words. The refusal log has it already: `handle` wrote it in the same transaction."""
    log.info("refused", **_about(asked.command), code=outcome.refusal.code, principal=asker.actor.principal)
    return _in_words(runtime, asked.command, outcome.refusal)


def _in_words(runtime: Runtime, command: Command, refusal: Refusal) -> Refusal:
    """A form's faults under its labels; everything else as it is."""
    if not isinstance(refusal, InvalidInput) or not refusal.fields:
        return refusal
    if isinstance(command, OpenCase):
        workflow = runtime.engine.catalog.get(command.workflow)
        return refusal if workflow is None else in_its_words(refusal, workflow.opens_with)
    assert isinstance(command, FireTrigger)  # nothing else is asked by people
    forms = (
        w.form_of(command.trigger)
        for w in runtime.engine.catalog.newest()
        if w.prefix == command.case.rsplit("-", 2)[0] and command.trigger in w.triggers
    )
    form = next(forms, None)
    return refusal if form is None else in_its_words(refusal, form)


def _about(command: Command) -> dict[str, str | None]:
    return {"case": getattr(command, "case", None), "trigger": getattr(command, "trigger", "open")}
