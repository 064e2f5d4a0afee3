"""Opens cases: those somebody asks for, and those a period owes."""

from collections.abc import Sequence
from datetime import date, timedelta

from engine.actor import Actor
from engine.calendar import Calendar
from engine.commands import Asked, OpenCase, OpenPeriod
from engine.cycles import Cycle, Night, TimesADay, periods_between
from engine.decision import PeriodOwed
from engine.handle.keys import answered, keep_answer
from engine.handle.outcomes import Idle, Outcome
from engine.handle.writing import Writing
from engine.store import periods
from engine.store.periods import Obligation


def open_once(writing: Writing, asked: Asked, command: OpenCase) -> Outcome:
    reading = writing.reading
    if (again := answered(reading, asked)) is not None:
        return again
    done = writing.open_case(asked.actor, command)
    keep_answer(reading, asked, done)
    return done


def open_period(writing: Writing, actor: Actor, command: OpenPeriod) -> Outcome:
    """The case a period owes, the period's row and the mark of the obligation, together; Idle where it was opened already."""
    reading, organisation = writing.reading, actor.organisation
    owed_here = reading.owed(organisation, command.cycle, command.scope)
    if reading.is_opened(organisation, command.cycle, command.scope, command.key):
        return Idle(f"period {command.cycle}/{command.scope}/{command.key} is open already")
    workflow = reading.workflow(command.workflow)
    rule = next(rule for rule in workflow.cycles if rule.cycle.key == command.cycle)
    name = f"{command.cycle}/{command.scope}/{command.key}"
    data = rule.data(command.scope, command.key)
    owed = PeriodOwed(name, command.opens_at, command.due_at)
    done = writing.open_case(actor, OpenCase(command.workflow, data), owed)
    record = periods.PeriodRecord(
        organisation, command.cycle, command.scope, command.key, command.opens_at, command.due_at,
        reading.now, done.case.number, "open", None,
    )  # fmt: skip
    periods.open_(reading.connection, record)
    if owed_here is not None:
        _advance(writing, owed_here, rule.cycle, command)
    return done


def _advance(writing: Writing, owed: Obligation, cycle: Cycle, command: OpenPeriod) -> None:
    """Move the obligation's mark to the day this period opened, unless an earlier one could not be opened yet."""
    reading, organisation = writing.reading, owed.organisation
    day, others = _passed(writing, cycle, reading.calendar(organisation), owed.unopened_after, command)
    if all(periods.exists(reading.connection, organisation, cycle.key, command.scope, key) for key in others):
        periods.opened_through(reading.connection, organisation, cycle.key, command.scope, day)


def _passed(
    writing: Writing, cycle: Cycle, calendar: Calendar, after: date, command: OpenPeriod
) -> tuple[date, Sequence[str]]:
    """The last day that need not be looked at once this period is open, and the keys of the others after `after` up to
    it; thought through once for all the scopes that owe the same.
    """
    place = cycle.key, id(calendar), after, command.key  # the calendar lives as long as the turn
    if place not in writing.passed:
        day = calendar.local_date(command.opens_at)
        if isinstance(cycle.every, TimesADay | Night):  # the day has more of them, or this one opens late on it
            day -= timedelta(days=1)
        passed = periods_between(cycle, calendar, after, day)
        writing.passed[place] = day, [period.key for period in passed if period.key != command.key]
    return writing.passed[place]
