"""Due timers and due periods become commands for `handle`. Ticking twice, or from two processes, changes nothing more."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from engine.actor import system
from engine.calendar import Calendar
from engine.commands import Asked, OpenPeriod, Remind
from engine.cycles import OnEvent, Period, periods_between
from engine.definition import CycleRule, Workflow
from engine.handle import Done, Engine, Failed, Refused, handle
from engine.pace import Pace
from engine.store import calendars, periods, timers
from engine.store.database import Connection
from engine.store.periods import Obligation

CHUNK = 2_000  # obligations, or cases with due rungs, looked at in one read
WORTH_SHARING = 100  # periods; nodes that open fewer do not get in each other's way for long


@dataclass(slots=True)
class Ticked:
    """What one tick did.

    failed       commands that a defect or a refusal stopped; they are tried again next time
    unreadable   organisations whose calendar cannot be read, and why: none of their periods was opened
    """

    opened: int = 0
    reminded: int = 0
    failed: list[tuple[Asked, Exception]] = field(default_factory=list)
    unreadable: list[tuple[str, Exception]] = field(default_factory=list)


def tick(
    engine: Engine, pace: Pace | None = None, going_on: Callable[[], bool] = lambda: True, *, chunk: int = CHUNK
) -> Ticked:
    """Open the periods that began, then tell the rungs that fell due: a period opened late is reminded of at once.

    pace       how many commands go into a group; what a process knows of it from its last tick
    going_on   asked between groups: what is left when it says no is done by the next tick, of whichever node
    chunk      how much is looked at in one read
    """
    ticked, pace = Ticked(), pace or Pace()
    for due in _due_periods(engine, ticked, chunk):
        ticked.opened += _carry_out(engine, due, ticked, pace, going_on)
        if not going_on():
            return ticked
    after = ("", "")
    while going_on():
        with engine.database.read_across() as connection:
            ripe = timers.due(connection, engine.clock.now(), chunk, after)
        if not ripe:
            break
        after = ripe[-1][:2]
        reminders = [
            Asked(system(organisation), Remind(number, generation, rungs), key=f"timer:{number}:{generation}")
            for organisation, number, generation, rungs in ripe
        ]
        ticked.reminded += _carry_out(engine, reminders, ticked, pace, going_on)
    return ticked


def _carry_out(engine: Engine, asked: Sequence[Asked], ticked: Ticked, pace: Pace, going_on: Callable[[], bool]) -> int:
    """How many of them were carried out, in groups."""
    done = start = 0
    while start < len(asked) and going_on():
        group = asked[start : start + pace.size]
        start += len(group)
        with pace.of(len(group)):
            outcomes = handle(engine, group)
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Failed):
                ticked.failed.append((one, outcome.error))
            elif isinstance(outcome, Refused):  # nobody was there to read the refusal of the system's own command
                ticked.failed.append((one, outcome.refusal))
        done += sum(isinstance(outcome, Done) for outcome in outcomes)
    return done


def _due_periods(engine: Engine, ticked: Ticked, chunk: int) -> Iterator[list[Asked]]:
    """Every period that began and has no row yet, some thousands of obligations at a time.

    Several nodes begin at different places of a chunk, and find what the others opened meanwhile in the next.
    """
    rules = {rule.cycle.key: (workflow, rule) for workflow, rule in engine.catalog.cycles()}
    look = _Look(rules, engine.clock.now())
    after = ("", "", "")
    while True:
        with engine.database.read_across() as connection:
            owed = periods.obligations_after(connection, after, chunk)
            look.at_calendars(connection, owed, ticked)
            drawn = [asked for obligation in owed for asked in look.drawn(obligation)]
            there = periods.existing(connection, [_place(asked) for asked in drawn])
        due = [asked for asked in drawn if _place(asked) not in there]
        if engine.database.on_server and len(due) > WORTH_SHARING:
            begin = random.randrange(len(due))  # noqa: S311  # nobody has to be kept from guessing it
            due = due[begin:] + due[:begin]
        if due:
            yield due
        if len(owed) < chunk:
            return
        after = owed[-1].organisation, owed[-1].cycle, owed[-1].scope


class _Look:
    """What began by now, obligation by obligation; each stretch of a calendar is thought through once."""

    def __init__(self, rules: dict[str, tuple[Workflow, CycleRule]], now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._calendars: dict[str, Calendar | None] = {}
        self._between: dict[tuple[str, int, date, date], list[Period]] = {}

    def at_calendars(self, connection: Connection, owed: Sequence[Obligation], ticked: Ticked) -> None:
        """Read those of these organisations. One that cannot be read takes the others nothing away."""
        for organisation in dict.fromkeys(obligation.organisation for obligation in owed):
            if organisation in self._calendars:
                continue
            try:
                self._calendars[organisation] = calendars.newest(connection, organisation)
            except (LookupError, TypeError, ValueError) as error:
                ticked.unreadable.append((organisation, error))
                self._calendars[organisation] = None

    def drawn(self, owed: Obligation) -> Iterator[Asked]:
        calendar = self._calendars[owed.organisation]
        if calendar is None or owed.cycle not in self._rules:
            return
        workflow, rule = self._rules[owed.cycle]
        after, until = owed.unopened_after, owed.through(calendar.local_date(self._now))
        if after >= until or isinstance(rule.cycle.every, OnEvent):
            return
        place = owed.cycle, id(calendar), after, until
        if place not in self._between:
            self._between[place] = periods_between(rule.cycle, calendar, after, until)
        for period in self._between[place]:
            if period.opens_at <= self._now:
                command = OpenPeriod(owed.cycle, workflow.key, owed.scope, period.key, period.opens_at, period.due_at)
                key = f"period:{owed.cycle}/{owed.scope}/{period.key}"
                yield Asked(system(owed.organisation), command, key=key)


def _place(asked: Asked) -> tuple[str, str, str, str]:
    command = asked.command
    assert isinstance(command, OpenPeriod)  # all of them are
    return asked.actor.organisation, command.cycle, command.scope, command.key
