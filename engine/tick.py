"""Due timers and due periods become commands for `handle`. Ticking twice, or from two processes, changes nothing more."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from typing import Any

from engine.actor import system
from engine.calendar import Calendar
from engine.commands import Asked, OpenPeriod, Remind
from engine.cycles import OnEvent, Period, newest_day, periods_between
from engine.handle import Done, Engine, Failed, Refused, handle
from engine.pace import Pace
from engine.store import calendars, periods, timers
from engine.store.database import Connection
from engine.store.periods import Obligation
from engine.store.statements import Question, ask

CHUNK = 2_000  # rungs that fell due looked at in one read
CALENDARS = 500  # asked for at once
SHARE = 10  # organisations whose periods one node opens while the others leave them alone; a fraction of a second
#: nodes that open periods at the same time; the others tell reminders meanwhile. Where four share two cores each has to make its
#: groups so small, for nobody to wait longer than he may, that they take half as long again as two (measured)
AT_ONCE = 2
FARTHEST_EAST = timedelta(hours=14)  # no place on earth has a later day than that


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
    chunk      how many rungs that fell due are looked at in one read
    """
    ticked, pace = Ticked(), pace or Pace()
    look = _Look(engine, ticked)
    organisations = _due_organisations(engine, look)
    for start in range(0, len(organisations), SHARE):
        with _due_periods(engine, look, organisations[start : start + SHARE]) as due:
            if due is None:
                break  # what those leave who are at it is opened by the next tick, of whichever node
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
        with pace.of(len(group), engine.database.waited):
            outcomes = handle(engine, group)
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Failed):
                ticked.failed.append((one, outcome.error))
            elif isinstance(outcome, Refused):  # nobody was there to read the refusal of the system's own command
                ticked.failed.append((one, outcome.refusal))
        done += sum(isinstance(outcome, Done) for outcome in outcomes)
    return done


def _due_organisations(engine: Engine, look: "_Look") -> list[str]:
    """Those that have a period to open. Several nodes begin at different places of them."""
    with engine.database.read_across() as connection:
        alike = [owed for cycle, day in look.cycles() for owed in periods.unopened_alike(connection, cycle, day)]
        look.at_calendars(connection, alike)
    due = sorted({owed.organisation for owed in alike if any(look.drawn(owed))})
    begin = random.randrange(len(due)) if due and engine.database.on_server else 0  # noqa: S311  # may well be guessed
    return due[begin:] + due[:begin]


@contextmanager
def _due_periods(engine: Engine, look: "_Look", organisations: Sequence[str]) -> Iterator[list[Asked] | None]:
    """Every period of these organisations that began and has no row yet. On a server only of those that nobody else is busy
    with, who is kept away from them meanwhile: nodes that open the same wait for each other and open nothing. None where
    enough nodes are opening periods already.
    """
    on_server = engine.database.on_server
    with ExitStack() as claimed:
        connection = claimed.enter_context(engine.database.read_across())
        if on_server:
            claimed_here = periods.claim(connection, organisations, AT_ONCE)
            if claimed_here is None:
                yield None
                return
            organisations = claimed_here
        places = [(organisation, cycle) for organisation in organisations for cycle, _ in look.cycles()]
        owed = ask(connection, [periods.asking_obligations(*place) for place in places])
        drawn = [[asked for obligation in of_one for asked in look.drawn(obligation)] for of_one in owed]
        some = [(place, of_one) for place, of_one in zip(places, drawn, strict=True) if of_one]
        asked = [
            periods.asking_existing(*place, [_place(a) for a in of_one], on_server=on_server) for place, of_one in some
        ]
        there = ask(connection, asked)
        due = [a for (_, of_one), found in zip(some, there, strict=True) for a in of_one if not found[_place(a)]]
        if not on_server:
            claimed.close()  # in a file a snapshot that is kept keeps the log growing
        yield due


class _Look:
    """What began by now, obligation by obligation; each stretch of a calendar is thought through once."""

    def __init__(self, engine: Engine, ticked: Ticked) -> None:
        self._rules = {rule.cycle.key: (workflow, rule) for workflow, rule in engine.catalog.cycles()}
        self._now = engine.clock.now()
        self._ticked = ticked
        self._calendars: dict[str, Calendar | None] = {}
        self._today: dict[int, date] = {}
        self._between: dict[tuple[str, int, date, date], list[Period]] = {}

    def cycles(self) -> Iterator[tuple[str, date]]:
        """Those that open by the calendar, each with the last day on which one of its periods can have begun."""
        latest = (self._now + FARTHEST_EAST).astimezone(UTC).date()
        for key, (_, rule) in self._rules.items():
            if not isinstance(rule.cycle.every, OnEvent):
                yield key, newest_day(rule.cycle.every, latest)

    def at_calendars(self, connection: Connection, owed: Sequence[Obligation]) -> None:
        """Read those of these organisations. One that cannot be read takes the others nothing away."""
        organisations = list(dict.fromkeys(obligation.organisation for obligation in owed))
        for start in range(0, len(organisations), CALENDARS):
            some = organisations[start : start + CALENDARS]
            read = ask(connection, [_or_error(calendars.asking_newest(organisation)) for organisation in some])
            for organisation, calendar in zip(some, read, strict=True):
                if isinstance(calendar, Exception):
                    self._ticked.unreadable.append((organisation, calendar))
                self._calendars[organisation] = calendar if isinstance(calendar, Calendar) else None

    def drawn(self, owed: Obligation) -> Iterator[Asked]:
        calendar = self._calendars.get(owed.organisation)
        if calendar is None:
            return
        workflow, rule = self._rules[owed.cycle]
        if id(calendar) not in self._today:
            self._today[id(calendar)] = calendar.local_date(self._now)
        after, until = owed.unopened_after, owed.through(self._today[id(calendar)])
        if after >= until:
            return
        place = owed.cycle, id(calendar), after, until
        if place not in self._between:
            self._between[place] = periods_between(rule.cycle, calendar, after, until)
        for period in self._between[place]:
            if period.opens_at <= self._now:
                command = OpenPeriod(owed.cycle, workflow.key, owed.scope, period.key, period.opens_at, period.due_at)
                key = f"period:{owed.cycle}/{owed.scope}/{period.key}"
                yield Asked(system(owed.organisation), command, key=key)


def _or_error(question: Question[Calendar | None]) -> Question[Calendar | Exception | None]:
    """The same, with what keeps its answer from being read as its answer."""

    def read(rows: list[Any]) -> Calendar | Exception | None:
        try:
            return question.read(rows)
        except (LookupError, TypeError, ValueError) as error:
            return error

    return Question(question.statement, question.values, read)


def _place(asked: Asked) -> tuple[str, str]:
    command = asked.command
    assert isinstance(command, OpenPeriod)  # all of them are
    return command.scope, command.key
