"""Which periods a rule yields, and their civil keys; pure.

Every     when a new period opens             Due       when its report is due
├── Day, Night, TimesADay, EveryNDays         ├── AtClose    with the period
├── Week, Month, Quarter, HalfYear, Year      ├── DueAt      at a time of day
├── Term                                      ├── DueIn      so long after it opened
└── OnEvent                                   ├── DueOn      on a day of a month, moved on to a working day
                                              ├── DueAfter   on a working day after its last one
                                              └── DueBefore  so long before the day of the event
"""

import calendar as civil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from engine.calendar import DAY, Calendar
from engine.clock import utc
from engine.errors import Text

NIGHT_BEGINS = time(21)  # local; lights-out round of a boarding school. Policy
NIGHT_ENDS = time(6)  # local, the next morning
MAX_DUE = 3650  # ten years, in days; as for every budget
STRETCHES = 64  # whose periods are remembered; the departments of many schools owe the same


# --- when a period opens ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Day:
    """Every day: key 2026-03-14. Or only on school days (worked, and not in a break), or only on the days of a break."""

    on: Literal["every_day", "school_days", "break_days"] = "every_day"


@dataclass(frozen=True, slots=True)
class Night:
    """Every night, named by its evening: key 2026-03-14N."""

    begins: time = NIGHT_BEGINS
    ends: time = NIGHT_ENDS

    def __post_init__(self) -> None:
        if self.ends >= self.begins:
            raise ValueError(f"A night ends on the next morning: {self.ends} is not earlier than {self.begins}.")


@dataclass(frozen=True, slots=True)
class TimesADay:
    """n times a day: keys 2026-03-14#1 … #n.

    at    the local time at which each begins, lasting until the next one or the end of the day;
          without it all n are open all day
    """

    n: int
    at: tuple[time, ...] = ()

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"At least once a day, not {self.n} times.")
        if self.at and (len(self.at) != self.n or list(self.at) != sorted(set(self.at))):
            raise ValueError(f"{self.n} times a day need {self.n} ascending times, not {self.at}.")


@dataclass(frozen=True, slots=True)
class EveryNDays:
    """Every n days counted from `anchor`, whatever the weekday: key is the first day, 2026-03-14."""

    n: int
    anchor: date

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"Every {self.n} days is never.")


@dataclass(frozen=True, slots=True)
class Week:
    """ISO weeks, from Monday: key 2026-W11. The last days of December may belong to W01 of the next year."""


@dataclass(frozen=True, slots=True)
class Month:
    """Key 2026-03."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """Key 2026-Q1."""


@dataclass(frozen=True, slots=True)
class HalfYear:
    """Key 2026-H1."""


@dataclass(frozen=True, slots=True)
class Year:
    """Key 2026."""


@dataclass(frozen=True, slots=True)
class Term:
    """From the day after one break to the day before the next: key 2026-T1 if it begins before July, 2026-T2 if later.

    Named by the half year it begins in and not by counting, so that a calendar that learns of an earlier break later
    renames nothing. A term needs the break before it; while the break that ends it is not yet known, it is taken to
    last until 30 June (T1) or 31 January (T2): better a period with a rough end than none, since one opened late is missed.
    """


@dataclass(frozen=True, slots=True)
class OnEvent:
    """Whenever that happens (before_break, accident_notice, heat_warning …): key event:{id}, by period_for_event()."""

    name: str


Civil = Month | Quarter | HalfYear | Year
Every = Day | Night | TimesADay | EveryNDays | Week | Civil | Term | OnEvent


# --- when it is due -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AtClose:
    """With the last second of the period."""


@dataclass(frozen=True, slots=True)
class DueAt:
    """At that local time, so many days after the day it opened."""

    at: time
    days_after: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.days_after <= MAX_DUE:
            raise ValueError(f"days_after goes from 0 to {MAX_DUE}, not {self.days_after}.")


@dataclass(frozen=True, slots=True)
class DueIn:
    """So long after it opened, exactly one of: elapsed hours; the end of a natural or of a working day after that day."""

    hours: int | None = None
    days: int | None = None
    workdays: int | None = None

    def __post_init__(self) -> None:
        given = [amount for amount in (self.hours, self.days, self.workdays) if amount is not None]
        least = 0 if self.days is not None else 1
        if len(given) != 1 or not least <= given[0] <= MAX_DUE:
            raise ValueError(f"{self} must name exactly one of hours, days, workdays, from {least} to {MAX_DUE}.")


@dataclass(frozen=True, slots=True)
class DueOn:
    """By the end of that day of the month it opened in, or of a later month.

    day_of_month       31 is the last day of a shorter month
    months_after       1 for a quarter's report "on the 15th of its second month", 3 for "of the month after it"
    roll_to_workday    a day off moves it on to the next working day, if need be past the end of the period
    """

    day_of_month: int
    months_after: int = 0
    roll_to_workday: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.day_of_month <= 31:
            raise ValueError(f"No month has a day {self.day_of_month}.")
        if not 0 <= self.months_after <= 120:
            raise ValueError(f"months_after goes from 0 to 120, not {self.months_after}.")


@dataclass(frozen=True, slots=True)
class DueAfter:
    """By the end of the so-many-th working day after its last day: of a week, 1 is the Monday that follows, if that is worked."""

    workdays: int

    def __post_init__(self) -> None:
        if not 1 <= self.workdays <= MAX_DUE:
            raise ValueError(f"workdays goes from 1 to {MAX_DUE}, not {self.workdays}.")


@dataclass(frozen=True, slots=True)
class DueBefore:
    """By the end of the day so many days, or working days, before the day of the event. Too late for that: the same day."""

    days: int | None = None
    workdays: int | None = None

    def __post_init__(self) -> None:
        given = [amount for amount in (self.days, self.workdays) if amount is not None]
        if len(given) != 1 or not 1 <= given[0] <= MAX_DUE:
            raise ValueError(f"{self} must name exactly one of days, workdays, from 1 to {MAX_DUE}.")


Due = AtClose | DueAt | DueIn | DueOn | DueAfter | DueBefore


# --- cycles and periods -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cycle:
    """An obligation that comes again.

    workflow       key of the workflow of the cases it opens
    owed_by        role or relation that must report
    first, last    only periods that open on these days or between; None is no bound
    """

    key: str
    title: Text
    workflow: str
    every: Every
    owed_by: str
    due: Due = AtClose()
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if not self.key:
            raise ValueError("A cycle needs a key: its periods are unique under it.")
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"Cycle {self.key!r} ends on {self.last} before it begins on {self.first}.")
        if reason := self._mismatch():
            raise ValueError(f"Cycle {self.key!r}: {reason}")

    def _mismatch(self) -> str | None:
        """Why this `due` can never go with this `every`; found here, and not in the night a period fails to open."""
        every, due = self.every, self.due
        if isinstance(every, OnEvent):
            if not isinstance(due, DueIn | DueBefore):
                return "an event has no period of its own; say when it is due with DueIn or DueBefore."
            if self.first or self.last:
                return "an event comes when it comes; first and last bound nothing."
        elif isinstance(due, DueBefore):
            return "DueBefore counts back from the day of an event; this cycle has none."
        if isinstance(due, DueOn) and not isinstance(every, Civil):
            return "DueOn names a day of a month, so the period must open with one."
        if isinstance(due, DueAt):
            if isinstance(every, TimesADay) and every.at:
                return "each time of day has its own end; use AtClose or DueIn."
            if isinstance(every, Night) and due.days_after == 0 and due.at <= every.begins:
                return f"{due.at} is before the night begins at {every.begins}; did you mean days_after=1?"
            if due.days_after == 0 and due.at == time.min:
                return "it would be due the moment it opens."
        return None


@dataclass(frozen=True, slots=True)
class Period:
    """One turn of a cycle, all instants aware UTC.

    due_at         its last instant in time
    closes_at      its last instant of all: what has not come by then is missing; never before due_at
    provisional    due_at was counted over days that no public notice covers yet
    """

    cycle: str
    key: str
    opens_at: datetime
    due_at: datetime
    closes_at: datetime
    provisional: bool = False

    def __post_init__(self) -> None:
        if not self.opens_at <= self.due_at <= self.closes_at:
            raise ValueError(
                f"Period {self.cycle}/{self.key} is due at {self.due_at}, outside {self.opens_at} to {self.closes_at}."
            )


def periods_between(cycle: Cycle, calendar: Calendar, after: date, until: date) -> list[Period]:
    """The periods that open on a local day later than `after` and not later than `until`, in order.

    A night opens late on its day: whoever asks up to today looks at `opens_at` too.
    Each day is asked by itself what opens on it, so however a stretch is cut, the pieces hold each period once.
    """
    return list(_drawn(cycle, calendar, after, until))


@lru_cache(maxsize=STRETCHES)
def _drawn(cycle: Cycle, calendar: Calendar, after: date, until: date) -> tuple[Period, ...]:
    first = max(after + DAY, cycle.first or after + DAY)
    last = min(until, cycle.last or until)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(
        _period(cycle, calendar, day, span) for day in days for span in _opening_on(cycle.every, calendar, day)
    )


def newest_day(every: Every, until: date) -> date:
    """The last day, not later than `until`, on which one of these can begin under any calendar: what was opened through it
    has nothing to open before `until` is over.
    """
    match every:
        case Week():
            return until - timedelta(days=until.weekday())
        case EveryNDays(n=n, anchor=anchor) if until >= anchor:
            return until - timedelta(days=(until - anchor).days % n)
        case Month():
            return until.replace(day=1)
        case Quarter():
            return date(until.year, until.month - (until.month - 1) % 3, 1)
        case HalfYear():
            return date(until.year, until.month - (until.month - 1) % 6, 1)
        case Year():
            return date(until.year, 1, 1)
        case _:
            return until


def period_for_event(
    cycle: Cycle, calendar: Calendar, event_id: str, known_at: datetime, on: date | None = None
) -> Period:
    """The period that an event opens.

    event_id    the same event must come with the same id, or it opens twice
    known_at    when we learned of it: the period opens then
    on          the day of an event that lies ahead (the first day of a break, an expiry); DueBefore needs it
    """
    if not isinstance(cycle.every, OnEvent):
        raise TypeError(f"Cycle {cycle.key!r} opens by the calendar; use periods_between().")
    if not event_id:
        raise ValueError("An event needs an id: its period is unique under it.")
    opens_at = utc(known_at)
    opened = calendar.local_date(opens_at)
    if isinstance(cycle.due, DueBefore):
        if on is None:
            raise ValueError(f"Cycle {cycle.key!r} is due before the day of its event; say which day.")
        if cycle.due.workdays is not None:
            wanted = calendar.add_workdays(on, -cycle.due.workdays)
        else:
            wanted = on - timedelta(days=cycle.due.days or 0)
        due_day = max(wanted, opened)
        provisional = cycle.due.workdays is not None and not (calendar.knows(due_day) and calendar.knows(on))
        due = _Due(calendar.end_of(due_day), provisional)
    else:
        due = _due(cycle.due, calendar, opened, _Span("", opens_at, opens_at))
    return Period(cycle.key, f"event:{event_id}", opens_at, due.at, due.at, due.provisional)


# --- the arithmetic -----------------------------------------------------------------------------------------------


class _Span(NamedTuple):
    key: str
    opens_at: datetime
    ends_at: datetime


class _Due(NamedTuple):
    at: datetime
    provisional: bool


def _period(cycle: Cycle, calendar: Calendar, day: date, span: _Span) -> Period:
    due = _due(cycle.due, calendar, day, span)
    closes_at = max(span.ends_at, due.at)  # a year's statistics are due in January: missing only after that
    return Period(cycle.key, span.key, span.opens_at, due.at, closes_at, due.provisional)


def _opening_on(every: Every, calendar: Calendar, day: date) -> Iterator[_Span]:
    """What opens on this local day: mostly nothing, seldom more than one."""
    match every:
        case Day(on=on):
            in_break = calendar.break_at(day) is not None
            school_day = calendar.is_workday(day) and not in_break
            if on == "every_day" or (school_day if on == "school_days" else in_break):
                yield _days(calendar, day.isoformat(), day, day)
        case Night(begins=begins, ends=ends):
            yield _Span(f"{day.isoformat()}N", calendar.at(day, begins), calendar.at(day + DAY, ends))
        case TimesADay(n=n, at=at):
            starts = [calendar.at(day, start) for start in at] or [calendar.start_of(day)] * n
            # Each time ends a second before the next begins, as a day does; without times all end with the day.
            ends_at = [start - timedelta(seconds=1) for start in starts[1:]] if at else [calendar.end_of(day)] * (n - 1)
            for number, (opens, closes) in enumerate(
                zip(starts, [*ends_at, calendar.end_of(day)], strict=True), start=1
            ):
                yield _Span(f"{day.isoformat()}#{number}", opens, closes)
        case EveryNDays(n=n, anchor=anchor):
            if day >= anchor and (day - anchor).days % n == 0:
                yield _days(calendar, day.isoformat(), day, day + timedelta(days=n - 1))
        case Week():
            if day.weekday() == 0:
                iso = day.isocalendar()
                yield _days(calendar, f"{iso.year:04}-W{iso.week:02}", day, day + timedelta(days=6))
        case Month():
            yield from _months(calendar, day, 1, f"-{day.month:02}")
        case Quarter():
            yield from _months(calendar, day, 3, f"-Q{day.month // 3 + 1}")
        case HalfYear():
            yield from _months(calendar, day, 6, f"-H{day.month // 6 + 1}")
        case Year():
            yield from _months(calendar, day, 12, "")
        case Term():
            yield from _term(calendar, day)
        case OnEvent():
            return


def _months(calendar: Calendar, day: date, length: int, suffix: str) -> Iterator[_Span]:
    if day.day == 1 and (day.month - 1) % length == 0:
        yield _days(calendar, f"{day.year:04}{suffix}", day, _day_of_month(day, length, 1) - DAY)


def _term(calendar: Calendar, day: date) -> Iterator[_Span]:
    between = [pause for pause in calendar.breaks if pause.between_terms]
    if not any(pause.last + DAY == day for pause in between):
        return
    spring = day.month <= 6
    rough_end = date(day.year, 6, 30) if spring else date(day.year + 1, 1, 31)
    last = next((pause.first - DAY for pause in between if pause.first >= day), rough_end)
    if last >= day:  # otherwise one break follows right on another
        yield _days(calendar, f"{day.year:04}-T{1 if spring else 2}", day, last)


def _days(calendar: Calendar, key: str, first: date, last: date) -> _Span:
    return _Span(key, calendar.start_of(first), calendar.end_of(last))


def _due(due: Due, calendar: Calendar, day: date, span: _Span) -> _Due:
    """When a period that opens on `day` is due. Counts as engine.deadlines does: the day it opens is not the first."""
    match due:
        case DueAt(at=at, days_after=days_after):
            return _Due(calendar.at(day + timedelta(days=days_after), at), provisional=False)
        case DueIn(hours=int(hours)):
            return _Due(span.opens_at + timedelta(hours=hours), provisional=False)
        case DueIn(days=int(days)):
            return _Due(calendar.end_of(day + timedelta(days=days)), provisional=False)
        case DueIn(workdays=int(workdays)):
            due_day = calendar.add_workdays(day, workdays)
            return _Due(calendar.end_of(due_day), not (calendar.knows(day) and calendar.knows(due_day)))
        case DueAfter(workdays=workdays):
            last = calendar.local_date(span.ends_at)
            due_day = calendar.add_workdays(last, workdays)
            return _Due(calendar.end_of(due_day), not (calendar.knows(last) and calendar.knows(due_day)))
        case DueOn(day_of_month=day_of_month, months_after=months_after, roll_to_workday=rolls):
            due_day = _day_of_month(day, months_after, day_of_month)
            if not rolls:
                return _Due(calendar.end_of(due_day), provisional=False)
            return _Due(
                calendar.end_of(calendar.next_workday(due_day)), not calendar.knows(calendar.next_workday(due_day))
            )
        case _:
            return _Due(span.ends_at, provisional=False)


def _day_of_month(day: date, months_after: int, day_of_month: int) -> date:
    """That day of the month so many months after `day`'s; the last one if the month is shorter."""
    years, month = divmod(day.month - 1 + months_after, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day_of_month, civil.monthrange(year, month)[1]))
