"""The way in: a group of commands as naturally as one, all under one commit."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from engine.case import CASE_NUMBER
from engine.commands import Asked, Counted, FireTrigger
from engine.errors import Busy, Refusal
from engine.handle.outcomes import Done, Engine, Failed, Idle, Outcome, Refused, settled
from engine.handle.reading import Reading
from engine.handle.turn import MOST_COLLISIONS, Turn
from engine.machine import why_not
from engine.store import cases
from engine.store.database import busy_with, is_crossed, is_held, wait_briefly

log = logging.getLogger(__name__)


def handle(engine: Engine, group: Sequence[Asked]) -> list[Outcome]:
    """Carry out a group of commands, in order, in one transaction. One outcome each, in the same order.

    1. in a hurry: what they write is sent at the end, and a fault is everybody's
    2. where that failed, with care: each command's fault is its own
    3. where even that failed, since it could not be asked for all at once what they need: each by itself
    4. where somebody holds what one of them needs: the same, waiting for it no longer

    Raises `Busy` when the transaction as a whole could not be made durable: then none of them happened.
    """
    group = [_with_figures(engine, asked) for asked in group]
    if not group:
        return []
    if len(group) == 1:
        return [_by_itself(engine, group[0])]
    for careful in (False, True):
        try:
            return _together(engine, group, careful=careful)
        except Busy as busy:
            if not is_held(busy.__cause__):
                raise  # a commit that broke may have happened
            return [_or_failed(engine, asked, patient=False) for asked in group]
        except Exception as error:  # of any kind: the next way tells it, and whose it is
            if not isinstance(error, Refusal):  # of those there are many, and the next way is made for them
                way = "one by one" if careful else "with care"
                log.warning("a group of %d is taken again, %s", len(group), way, exc_info=True)
    return [_or_failed(engine, asked) for asked in group]


def handle_one(engine: Engine, asked: Asked) -> Done | Idle:
    """Carry out one command. Raises its refusal or its failure."""
    [outcome] = handle(engine, [asked])
    return settled(outcome)


def _with_figures(engine: Engine, asked: Asked) -> Asked:
    """The same, with the figures that its step takes. They are counted before anything is written: that may take longer than
    anybody may be kept waiting. Who may not take the step has nothing counted for him.
    """
    command, kept = asked.command, None if asked.figures is None else replace(asked, figures=None)
    asked = kept or asked
    if not isinstance(command, FireTrigger) or not CASE_NUMBER.fullmatch(command.case):
        return asked
    if (command.case.partition("-")[0], command.trigger) not in engine.catalog.counted:
        return asked
    try:
        with engine.database.read(asked.actor.organisation) as connection:
            reading = Reading(engine, connection, engine.clock.now())
            case = cases.load(connection, asked.actor.organisation, command.case)
            if case is None:
                return asked  # the step itself says what stands in its way
            workflow = engine.catalog.of(case)
            transition = workflow.transition(command.trigger, case.state)
            if transition is None or transition.figures is None:
                return asked
            if why_not(workflow, transition, case, reading.now, reading.setting(asked.actor, workflow)) is not None:
                return asked
        figures = engine.figures[transition.figures](engine.database, case, reading.now)
        return replace(asked, figures=Counted(case.revision, figures))
    except Exception as error:  # noqa: BLE001  # of any kind: it is this command's alone, and told in its turn
        return replace(asked, figures=error)


def _together(
    engine: Engine, group: Sequence[Asked], *, careful: bool, alone: bool = False, patient: bool = True
) -> list[Outcome]:
    """In one transaction, begun anew where it met another one."""
    for left in reversed(range(MOST_COLLISIONS)):
        try:
            with engine.database.write(group[0].actor.organisation) as connection:
                if not patient:
                    wait_briefly(connection)
                turn = Turn(engine, connection, engine.clock.now(), careful=careful, alone=alone)
                turn.look_ahead(group)
                outcomes = [turn.take(asked) for asked in group]
                turn.end()
                return outcomes
        except Exception as error:
            if not is_crossed(error):
                raise
            if not left:
                raise busy_with(error) from error
    raise AssertionError("the last try returns or raises")


def _by_itself(engine: Engine, asked: Asked, *, patient: bool = True) -> Outcome:
    """One command in a transaction of its own."""
    try:
        [outcome] = _together(engine, [asked], careful=True, alone=True, patient=patient)
    except Busy:
        raise
    except Refusal as refusal:
        return Refused(refusal)
    except Exception as error:  # noqa: BLE001  # of any kind: it was undone, and is told of the command it belongs to
        return Failed(error)
    return outcome


def _or_failed(engine: Engine, asked: Asked, *, patient: bool = True) -> Outcome:
    """As `_by_itself`, among others of whom some are carried out already: then `Busy` is this one's alone."""
    try:
        return _by_itself(engine, asked, patient=patient)
    except Busy as busy:
        return Failed(busy)
