"""Due timers and due periods become commands for `handle`. Ticking twice, or from two processes, changes nothing more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from engine.actor import system
from engine.calendar import Calendar
from engine.commands import Asked, OpenPeriod, Remind
from engine.cycles import OnEvent, periods_between
from engine.handle import Done, Engine, Failed, Outcome, Refused, handle
from engine.store import calendars, periods, timers
from engine.store.periods import Obligation

GROUP = 64  # commands under one commit: long enough to pay for the flush, short enough not to keep people waiting


@dataclass(slots=True)
class Ticked:
    """What one tick did. `failed` holds commands that a defect or a refusal stopped; they are tried again next time."""

    opened: int = 0
    reminded: int = 0
    failed: list[tuple[Asked, Exception]] = field(default_factory=list)


def tick(engine: Engine) -> Ticked:
    """Open the periods that began, then tell the rungs that fell due: a period opened late is reminded of at once."""
    ticked = Ticked()
    for group in _in_groups(_due_periods(engine), GROUP):
        ticked.opened += _count(engine, group, ticked)
    after = ("", "")
    while True:
        with engine.database.read_across() as connection:
            due = timers.due(connection, engine.clock.now(), GROUP, after)
        if not due:
            return ticked
        after = due[-1][:2]
        group = [
            Asked(system(organisation), Remind(number, generation, rungs), key=f"timer:{number}:{generation}")
            for organisation, number, generation, rungs in due
        ]
        ticked.reminded += _count(engine, group, ticked)


def _count(engine: Engine, group: Sequence[Asked], ticked: Ticked) -> int:
    outcomes: list[Outcome] = handle(engine, group)
    for asked, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Failed):
            ticked.failed.append((asked, outcome.error))
        elif isinstance(outcome, Refused):  # nobody was there to read the refusal of the system's own command
            ticked.failed.append((asked, outcome.refusal))
    return sum(isinstance(outcome, Done) for outcome in outcomes)


def _due_periods(engine: Engine) -> list[Asked]:
    """Every period that began and has no row yet, organisation by organisation."""
    now = engine.clock.now()
    rules = {rule.cycle.key: (workflow, rule) for workflow, rule in engine.catalog.cycles()}
    asked: list[Asked] = []
    with engine.database.read_across() as connection:
        known_calendars: dict[str, Calendar | None] = {}
        for owed in periods.obligations(connection):
            if owed.cycle not in rules:
                continue
            if owed.organisation not in known_calendars:
                known_calendars[owed.organisation] = calendars.newest(connection, owed.organisation)
            calendar = known_calendars[owed.organisation]
            if calendar is None:
                continue
            workflow, rule = rules[owed.cycle]
            after, until = _span(owed, calendar.local_date(now))
            if after >= until or isinstance(rule.cycle.every, OnEvent):
                continue
            for period in periods_between(rule.cycle, calendar, after, until):
                here = owed.organisation, owed.cycle, owed.scope, period.key
                if period.opens_at > now or periods.exists(connection, *here):
                    continue
                command = OpenPeriod(owed.cycle, workflow.key, owed.scope, period.key, period.opens_at, period.due_at)
                asked.append(Asked(system(owed.organisation), command, key=f"period:{'/'.join(here[1:])}"))
    return asked


def _span(owed: Obligation, today: date) -> tuple[date, date]:
    """The days whose periods may still have to be opened: (after, until]."""
    return owed.unopened_after, min(today, owed.last_day) if owed.last_day else today


def _in_groups(items: Sequence[Asked], size: int) -> Iterator[Sequence[Asked]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
