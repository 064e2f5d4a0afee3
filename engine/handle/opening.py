"""Opens cases: those somebody asks for, and those a period owes."""

from engine.actor import Actor
from engine.authority import allow_opening, may_open_any
from engine.commands import Asked, OpenCase, OpenPeriod
from engine.cycles import Cycle
from engine.decision import PeriodOwed
from engine.definition import references
from engine.errors import Text
from engine.handle.keys import answered, keep_answer
from engine.handle.outcomes import Done, Idle, Outcome
from engine.handle.referring import look_up, must_hold, who_is_named, with_rebound
from engine.handle.writing import Writing
from engine.machine import blank_case, decide_opening, read_form
from engine.store import periods
from engine.store.periods import Obligation


def open_once(writing: Writing, asked: Asked, command: OpenCase) -> Outcome:
    reading = writing.reading
    if (again := answered(reading, asked)) is not None:
        return again
    done = open_case(writing, asked.actor, command)
    keep_answer(reading, asked, done)
    return done


def open_case(writing: Writing, actor: Actor, command: OpenCase, owed: PeriodOwed | None = None) -> Done:
    """1. who may at all  2. what was written  3. who may open just this  4. what it refers to  5. decide  6. write."""
    reading = writing.reading
    workflow = reading.workflow(command.workflow)
    asked = Text(f"登记“{workflow.title.zh}”", f"Open a case of {workflow.title.en!r}")
    may_open_any(workflow, actor, asked)
    data = read_form(workflow.opens_with, command.data, asked, reading.engine.words)
    if actor.kind != "system":  # who stands in no relation to a case may open all of them or none
        allow_opening(workflow, actor, blank_case(workflow, actor, data, reading.now), asked)
    referred = references(workflow.opens_with, data)
    related = look_up(reading, actor, referred, asked)
    if command.within is not None and command.parent is None:  # what comes out of a case has its mark for good
        must_hold(reading, actor, command.within, asked)
    named = who_is_named(reading, actor.organisation, referred)
    year = reading.calendar(actor.organisation).local_date(reading.now).year
    number = writing.numbers.draw(actor.organisation, workflow.prefix, year)
    setting = reading.setting(actor, workflow, period=owed, people=named, related=related)
    decision = decide_opening(workflow, number, command, data, reading.now, setting)
    done = writing.write(workflow, None, with_rebound(reading, workflow, None, decision, setting), actor, setting)
    writing.use_files(referred, actor.organisation, number)
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
    done = open_case(writing, actor, OpenCase(command.workflow, data), owed)
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
    day, others = reading.passed(cycle, reading.calendar(organisation), owed.unopened_after, command)
    if all(periods.exists(reading.connection, organisation, cycle.key, command.scope, key) for key in others):
        periods.opened_through(reading.connection, organisation, cycle.key, command.scope, day)
