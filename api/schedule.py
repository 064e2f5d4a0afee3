"""What lies on which day: deadlines of open cases and the periods of cycles that are still to open, as far as somebody may see them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal

from sqlalchemy import Connection

from api.bootstrap import Runtime
from engine.actor import Visibility
from engine.calendar import Calendar
from engine.cycles import Cycle, OnEvent, Period, periods_between
from engine.definition import Workflow
from engine.errors import Text
from engine.store import calendars, people, periods, worklists

MOST = 400  # deadlines of a stretch; whoever has more looks at a week, or at his department
#: how long before its day a period may have opened: a quarter and some working days; of ours a month and five of them is the longest
OPENS_BEFORE = timedelta(days=100)

Kind = Literal["deadline", "round"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something on a day.

    day       local
    number    the case's; "" for a period that has not opened
    loop      what kind of case, in words
    state     where the case stands, in words; None for a period that has not opened
    late      whether it is past its deadline
    """

    day: date
    kind: Kind
    title: Text
    loop: Text
    number: str = ""
    state: Text | None = None
    late: bool = False
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The days from the first to the last, with what lies on them. `more`: there is more than is listed."""

    first: date
    last: date
    calendar: Calendar | None
    items: list[Item]
    more: bool


def stretch(
    runtime: Runtime, connection: Connection, organisation: str, seen: Visibility, first: date, last: date
) -> Stretch:
    calendar = calendars.newest(connection, organisation)
    zone, now = people.time_zone(connection, organisation), runtime.clock.now()

    def begins(day: date) -> datetime:
        return datetime.combine(day, time.min, zone)

    found = worklists.due_between(connection, seen, begins(first), begins(last + timedelta(days=1)), limit=MOST + 1)
    items = []
    for case in found[:MOST]:
        loop = runtime.engine.catalog.of(case)
        assert case.due_at is not None  # it lies between two others
        items.append(
            Item(
                case.due_at.astimezone(zone).date(), "deadline", Text(case.title, case.title), loop.title, case.number,
                loop.state(case.state).title, case.due_at < now, case.department,
            )
        )  # fmt: skip
    if calendar is not None:
        today = now.astimezone(zone).date()
        due = ahead(
            runtime,
            connection,
            organisation,
            calendar,
            max(first, today),
            last,
            lambda _, scope: seen.everything or scope in seen.departments,
        )
        items += [Item(calendar.local_date(one.period.due_at), "round", one.cycle.title, one.loop.title) for one in due]
    return Stretch(first, last, calendar, sorted(items, key=lambda i: (i.day, i.kind, i.number)), len(found) > MOST)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A period of a cycle that has not opened yet; `owing` are the departments that will have it to do."""

    loop: Workflow
    cycle: Cycle
    period: Period
    owing: tuple[str, ...]


def ahead(
    runtime: Runtime,
    connection: Connection,
    organisation: str,
    calendar: Calendar,
    first: date,
    last: date,
    owes: Callable[[Cycle, str], bool],
) -> Iterator[Ahead]:
    """Periods of cycles that are due on these days and not opened yet: one of each, however many departments owe it.

    owes   whether what this department owes of the cycle is wanted
    """
    owed = periods.obligations(connection, organisation)
    for loop, rule in runtime.engine.catalog.cycles():
        cycle = rule.cycle
        mine = [o for o in owed if o.cycle == cycle.key and owes(cycle, o.scope)]
        if not mine or isinstance(cycle.every, OnEvent):
            continue
        for period in periods_between(cycle, calendar, first - OPENS_BEFORE, last):
            day, opens = calendar.local_date(period.due_at), calendar.local_date(period.opens_at)
            owing = [o for o in mine if o.first_day <= opens and (o.last_day is None or opens <= o.last_day)]
            to_open = tuple(o.scope for o in owing if opens > o.unopened_after)
            if first <= day <= last and to_open:
                yield Ahead(loop, cycle, period, to_open)


def within(
    seen: Visibility, organisation: str, *, person: str | None = None, department: str | None = None
) -> Visibility:
    """As much of what is seen as concerns one person, or one department. What is not seen anyway stays unseen."""
    if person is not None:
        return Visibility(
            organisation, persons=frozenset({person}) if seen.everything or person in seen.persons else frozenset()
        )
    if department is not None:
        may = seen.everything or department in seen.departments
        return Visibility(organisation, departments=frozenset({department}) if may else frozenset())
    return replace(seen)
