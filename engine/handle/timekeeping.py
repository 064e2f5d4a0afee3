"""What the clock asks for: reminders that fell due, and deadlines under a newer calendar."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from engine.actor import Actor, system
from engine.case import ADDRESSEE, Case
from engine.commands import Recompute, Remind
from engine.cycles import OnEvent, periods_between
from engine.decision import Decision, PeriodOwed, Watch
from engine.definition import Workflow, is_known
from engine.handle.outcomes import Engine, Idle, Outcome
from engine.handle.reading import Reading
from engine.handle.refusing import unknown_case
from engine.handle.writing import Writing
from engine.reminding import decide_recompute, decide_reminder, receipt_rungs
from engine.store import cases, periods, timers


def remind(writing: Writing, organisation: str, command: Remind) -> Outcome:
    """Tell what of these rungs nobody has told yet; Idle where there is nothing left to tell, or nobody."""
    reading = writing.reading
    case = reading.locked(organisation, command.case)
    if case is None or case.final or case.generation != command.generation:
        # only the generation that was asked about: the running one has rungs of the same names
        timers.cancel(
            reading.connection, organisation, command.case, reading.now, command.rungs, generation=command.generation
        )
        return Idle(f"case {command.case} has moved on")
    # under the case's lock nobody else settles them; a reminder was no reminder if somebody had
    waiting = reading.waiting_rungs(organisation, case.number, command.generation)
    taken = [rung for rung in command.rungs if rung in waiting]
    if not taken:
        return Idle(f"the rungs of {command.case} were told already")
    workflow = reading.engine.catalog.of(case)
    if not is_known(workflow):  # another node tells it, or this one once it knows the loop
        return Idle(f"the loop of {command.case} is not known here")
    actor = system(organisation)
    if _nobody_is_left(reading, workflow, case, taken):
        timers.cancel(reading.connection, organisation, case.number, reading.now, taken, generation=command.generation)
        return Idle(f"everybody {command.case} waits for has left")
    setting = reading.setting(actor, workflow)
    decision = decide_reminder(workflow, case, replace(command, rungs=tuple(taken)), reading.now, setting)
    timers.told(
        reading.connection,
        organisation,
        case.number,
        command.generation,
        decision.trigger,
        dict.fromkeys((*decision.data["skipped"], *(rung for rung in taken if rung != decision.trigger))),
        reading.now,
    )
    return writing.write(workflow, case, decision, actor, setting)


def _nobody_is_left(reading: Reading, workflow: Workflow, case: Case, rungs: Collection[str]) -> bool:
    """Whether these rungs only ask for receipts of people who have all left since."""
    if not case.who_acted(ADDRESSEE) or not frozenset(receipt_rungs(workflow.state(case.state))).issuperset(rungs):
        return False
    return reading.departed(workflow, case).issuperset(case.unconfirmed)


def recompute(writing: Writing, actor: Actor, command: Recompute) -> Outcome:
    """Move the deadline, and the reminders of one that stays, to where the newest calendar has them; Idle where all stay."""
    reading = writing.reading
    case = reading.locked(actor.organisation, command.case)
    if case is None:
        raise unknown_case(command.case)
    for generation, rungs in timers.ripe(reading.connection, actor.organisation, case.number, reading.now):
        # what fell due under the old deadline is told before it moves: moving it voids the rungs
        remind(writing, actor.organisation, Remind(case.number, generation, rungs))
        case = cases.load(reading.connection, actor.organisation, case.number) or case
    decision = _recomputed(reading, case)
    if decision is None:
        return Idle(f"the deadline of {command.case} stays, and so do its reminders")
    workflow = reading.engine.catalog.of(case)
    done = writing.write(workflow, case, decision, actor, reading.setting(actor, workflow))
    if case.period and done.case.due_at is not None and case.clock and "period" in case.clock.budget:
        periods.move(reading.connection, actor.organisation, case.number, done.case.due_at)
    return done


def recompute_preview(engine: Engine, organisation: str, last: int | None = None) -> list[tuple[Case, Case]]:
    """What `Recompute` would move: (case now, case under the newest calendar), nothing written. Where both have one deadline,
    as firm, it is the reminders of it that move.

    last    looks at so many open cases at most, those that fall due last: a new notice moves what is still to come
    """
    with engine.database.read(organisation) as connection:
        reading = Reading(engine, connection, engine.clock.now())
        calendar = reading.calendar(organisation)
        moved = []
        for number in cases.open_under_older_calendar(connection, organisation, calendar.version, last):
            case = cases.load(connection, organisation, number)
            assert case is not None  # listed a moment ago in the same snapshot
            decision = _recomputed(reading, case)
            if decision is not None:
                moved.append((case, decision.case))
        return moved


def _recomputed(reading: Reading, case: Case) -> Decision | None:
    """What the newest calendar makes of the case's deadline and its reminders; None when they stay."""
    workflow = reading.engine.catalog.of(case)
    if not is_known(workflow) or case.clock is None:  # it would lose its ladder with its old deadline
        return None
    owed = _owed_again(reading, workflow, case) if case.period else None
    setting = reading.setting(system(case.organisation), workflow, period=owed)
    watch = Watch(
        timers.of_generation(reading.connection, case.organisation, case.number, case.generation),
        reading.earlier_calendar(case.organisation, case.clock.calendar_version),
    )
    return decide_recompute(workflow, case, setting, reading.now, watch)


def _owed_again(reading: Reading, workflow: Workflow, case: Case) -> PeriodOwed | None:
    """The period the case was opened for, as its cycle draws it under the newest calendar."""
    cycle, _, key = str(case.period).split("/", 2)
    calendar = reading.calendar(case.organisation)
    day = calendar.local_date(datetime.fromisoformat(case.facts["period_opens_at"]))
    rule = next((rule for rule in workflow.cycles if rule.cycle.key == cycle), None)
    if rule is None or isinstance(rule.cycle.every, OnEvent):
        return None
    drawn = periods_between(rule.cycle, calendar, day - timedelta(days=1), day)
    return next((PeriodOwed(str(case.period), p.opens_at, p.due_at) for p in drawn if p.key == key), None)
