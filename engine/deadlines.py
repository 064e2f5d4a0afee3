"""When something is due, and when to remind of it: budgets over a calendar, ladders of rungs; arithmetic only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, islice, pairwise, takewhile
from typing import Any, NamedTuple

from engine.calendar import DAY, Calendar
from engine.clock import utc
from engine.errors import Locale
from engine.events import How

MAX_DAYS = 3650  # ten years: longer than any limit anybody sets; catches hours typed where days are meant
REMIND_AT = time(7, 40)  # local; before the first lesson, so that the day can be planned. Policy
PLANS = 256  # of ladders; the cases of a period, and those that fell due on one day, mostly share one


# --- deadlines ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Budget:
    """How long something may take; exactly one of the four.

    hours       elapsed hours, above 0
    days        natural days; 0 means by the end of the same local day
    workdays    working days after the day it began, above 0
    until       by the end of this local day, set by a person
    """

    hours: int | None = None
    days: int | None = None
    workdays: int | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("hours", "days", "workdays", "until") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"A budget is exactly one of hours, days, workdays, until; given: {given}.")
        for name, least, most in (("hours", 1, MAX_DAYS * 24), ("days", 0, MAX_DAYS), ("workdays", 1, MAX_DAYS)):
            amount = getattr(self, name)
            if amount is None:
                continue
            if isinstance(amount, bool) or not isinstance(amount, int) or not least <= amount <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, not {amount!r}.")
        if self.until is not None and (isinstance(self.until, datetime) or not isinstance(self.until, date)):
            raise ValueError(f"until must be a day, not {self.until!r}.")

    def to_json(self) -> dict[str, int | str]:
        if self.until is not None:
            return {"until": self.until.isoformat()}
        return {name: amount for name in ("hours", "days", "workdays") if (amount := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Budget":
        """Raises ValueError when the data makes no budget."""
        if unknown := set(data) - {"hours", "days", "workdays", "until"}:
            raise ValueError(f"A budget has no {sorted(unknown)}.")
        until = data.get("until")
        return cls(
            hours=data.get("hours"),
            days=data.get("days"),
            workdays=data.get("workdays"),
            until=date.fromisoformat(until) if until is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a budget runs out.

    due_at              the last instant in time, aware UTC
    calendar_version    by which it was counted; a later notice moves it only through a recompute
    provisional         it was counted over days that no public notice covers yet
    """

    due_at: datetime
    calendar_version: int
    provisional: bool


def due_at(budget: Budget, since: datetime, calendar: Calendar, used: timedelta | int = 0) -> Deadline:
    """When the budget runs out, counted from `since`.

    used      what earlier stretches took: a timedelta of an hours budget, a number of a days or workdays budget.
              With nothing left: `since` itself, or the end of its day, or of the next working day.
    Returns   23:59:59 local of a working day; for hours, that time of a working day; for until, of the day that was said
    Source    Civil Code of the PRC, art. 203: a period that would end on a day off ends on the first day after it
    """
    since = utc(since)
    if budget.hours is not None:
        taken = (
            used if isinstance(used, timedelta) else timedelta(hours=_none_used(used, "hours: say it as a timedelta"))
        )
        if taken < timedelta(0):
            raise ValueError(f"Less than nothing cannot be used up: {taken!r}.")
        left = max(timedelta(hours=budget.hours) - taken, timedelta(0))
        return _ending(since + left, calendar)
    if isinstance(used, timedelta) or used < 0:
        raise ValueError(f"What is used up of a budget of days is a whole number, not {used!r}.")
    day = calendar.local_date(since)
    if budget.workdays is not None:
        left_workdays = max(budget.workdays - used, 0)
        due_day = calendar.add_workdays(day, left_workdays) if left_workdays else calendar.next_workday(day)
        provisional = not (calendar.knows(day) and calendar.knows(due_day))
        return Deadline(calendar.end_of(due_day), calendar.version, provisional)
    if budget.until is not None:
        # A day set by a person stays where he put it, whatever a later notice says: never provisional.
        _none_used(used, "a day set by a person")
        return Deadline(calendar.end_of(budget.until), calendar.version, provisional=False)
    last = day + timedelta(days=max((budget.days or 0) - used, 0))
    return _ending(calendar.end_of(last), calendar)


def _ending(ends: datetime, calendar: Calendar) -> Deadline:
    """The period's end, moved on to the same time of the next working day when it falls on a day off."""
    day = calendar.local_date(ends)
    working = calendar.next_workday(day)
    if working != day:
        ends = calendar.at(working, ends.astimezone(calendar.zone).time())
    return Deadline(ends, calendar.version, provisional=not calendar.knows(working))


def is_overdue(due_at: datetime, now: datetime) -> bool:
    """Whether the deadline has passed; at its very instant it has not."""
    return utc(now) > utc(due_at)


def _none_used(used: int, of: str) -> int:
    if used:
        raise ValueError(f"{used!r} cannot be used up of {of}.")
    return used


# --- ladders --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rung:
    """One reminder of a ladder.

    offset_workdays    working days from the due date, negative before it; 0 is the due date itself, worked or not.
                       Of a repeating rung: where its counting begins; None means at the rung before it
    to                 relations and roles it reaches
    every_workdays     it comes again and again, that many working days apart, first at offset + every
    effect             what else it does, by name
    """

    name: str
    offset_workdays: int | None
    to: tuple[str, ...]
    how: How
    every_workdays: int | None = None
    effect: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("A rung needs a name: it is claimed under it.")
        if not self.to:
            raise ValueError(f"Rung {self.name!r} would remind nobody.")
        if self.offset_workdays is not None and abs(self.offset_workdays) > MAX_DAYS:
            raise ValueError(f"Rung {self.name!r} is more than {MAX_DAYS} working days away.")
        if self.every_workdays is None:
            if self.offset_workdays is None:
                raise ValueError(f"Rung {self.name!r} needs an offset; only a repeating rung may go without.")
        elif not 1 <= self.every_workdays <= MAX_DAYS:
            raise ValueError(
                f"Rung {self.name!r} repeats every 1 to {MAX_DAYS} working days, not {self.every_workdays}."
            )

    @property
    def repeats(self) -> bool:
        return self.every_workdays is not None


class PlannedRung(NamedTuple):
    """A rung with its instant. `order` grows with the ladder and with every repetition; `rung` is the name to claim."""

    rung: str
    order: int
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in ascending order. At most the last one repeats: then an open overdue case is never silent for good."""

    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        names = [rung.name for rung in self.rungs]
        if len(set(names)) < len(names):
            raise ValueError(f"Two rungs of a ladder have one name: {names}.")
        if any(rung.repeats for rung in self.rungs[:-1]):
            raise ValueError("Only the last rung of a ladder may repeat: nothing after it would be the highest.")
        plain = [rung.offset_workdays for rung in self._plain if rung.offset_workdays is not None]
        if any(later <= earlier for earlier, later in pairwise(plain)):
            raise ValueError(f"The rungs of a ladder ascend; their offsets are {plain}.")
        if (last := self.repeating) is None:
            return
        if self.repeats_from < max(plain, default=0) or self.repeats_from < 0:
            raise ValueError(
                f"Rung {last.name!r} repeats from {self.repeats_from}, before the rungs it follows: {plain}."
            )
        if any(_ordinal(name, last) for name in names):
            raise ValueError(f"A rung may not be called {last.name!r} and a number: these are the repetitions' names.")

    @classmethod
    def of(cls, *rungs: Rung) -> "Ladder":
        return cls(rungs)

    @property
    def repeating(self) -> Rung | None:
        return self.rungs[-1] if self.rungs and self.rungs[-1].repeats else None

    @property
    def _plain(self) -> tuple[Rung, ...]:
        return tuple(rung for rung in self.rungs if not rung.repeats)

    @property
    def repeats_from(self) -> int:
        """The offset from which the repeating rung counts."""
        own = self.rungs[-1].offset_workdays
        if own is not None:
            return own
        before = self._plain[-1].offset_workdays if self._plain else 0
        return before or 0

    def rung(self, name: str) -> Rung:
        """The rung of this name; "repeat-3" is the repeating rung "repeat". Raises KeyError."""
        return self.rungs[min(self.order(name), len(self.rungs) - 1)]

    def order(self, name: str) -> int:
        """Where the name stands, from 0; repetitions go on counting from the repeating rung. Raises KeyError."""
        for index, rung in enumerate(self.rungs):
            if not rung.repeats and rung.name == name:
                return index
        if (last := self.repeating) is not None:
            if name == last.name:
                return len(self.rungs) - 1
            if ordinal := _ordinal(name, last):
                return len(self.rungs) - 2 + ordinal
        raise KeyError(f"{name!r} is no rung of this ladder: {[rung.name for rung in self.rungs]}.")

    def with_offsets(self, offsets: Mapping[str, int], every_workdays: int | None = None) -> "Ladder":
        """The ladder with a school's own offsets by rung name, and its own pace of repetition.

        Raises    ValueError when the rungs no longer ascend, KeyError for a name that is no rung
        """
        for name in offsets:
            if name not in {rung.name for rung in self.rungs}:
                raise KeyError(f"{name!r} is no rung of this ladder: {[rung.name for rung in self.rungs]}.")
        if every_workdays is not None and self.repeating is None:
            raise ValueError("This ladder has no repeating rung to set a pace for.")
        return Ladder(
            tuple(
                replace(
                    rung,
                    offset_workdays=offsets.get(rung.name, rung.offset_workdays),
                    every_workdays=every_workdays
                    if rung.repeats and every_workdays is not None
                    else rung.every_workdays,
                )
                for rung in self.rungs
            )
        )


def plan_rungs(
    ladder: Ladder,
    deadline_due_at: datetime,
    since: datetime,
    calendar: Calendar,
    not_before: datetime,
    remind_at: time = REMIND_AT,
) -> tuple[PlannedRung, ...]:
    """The rungs still to fire, in order; of the repeating one only the next repetition (then next_repeat).

    since         when the clock began: what would fire before it is not planned
    not_before    what has been dealt with: only what fires after it is planned
    """
    # in UTC: of other zones two instants may be equal, and would be thought of as one
    due_at, since, not_before = utc(deadline_due_at), utc(since), utc(not_before)
    return _planned(ladder, due_at, since, calendar, not_before, remind_at.replace(tzinfo=None))


@lru_cache(maxsize=PLANS)
def _planned(
    ladder: Ladder, due_at: datetime, since: datetime, calendar: Calendar, not_before: datetime, remind_at: time
) -> tuple[PlannedRung, ...]:
    planned = [r for r in _once(ladder, due_at, calendar, remind_at) if r.fire_at >= since and r.fire_at > not_before]
    # `since` itself may fire and `not_before` may not: step back by the smallest there is.
    repeat = next_repeat(ladder, due_at, calendar, max(not_before, since - datetime.resolution), remind_at)
    return (*planned, repeat) if repeat else tuple(planned)


@lru_cache(maxsize=PLANS)
def _once(ladder: Ladder, due_at: datetime, calendar: Calendar, remind_at: time) -> tuple[PlannedRung, ...]:
    """Those that do not repeat."""
    due_day = calendar.local_date(due_at)
    return tuple(
        PlannedRung(rung.name, order, calendar.at(calendar.add_workdays(due_day, rung.offset_workdays), remind_at))
        for order, rung in enumerate(ladder.rungs)
        if rung.offset_workdays is not None and not rung.repeats
    )


def fire_times(
    ladder: Ladder, rungs: Iterable[str], deadline_due_at: datetime, calendar: Calendar, remind_at: time = REMIND_AT
) -> dict[str, datetime]:
    """Rung → when it is to be told, whenever the clock began: every one that does not repeat, and of these those that do."""
    due_at, remind_at = utc(deadline_due_at), remind_at.replace(tzinfo=None)
    found = {rung.rung: rung.fire_at for rung in _once(ladder, due_at, calendar, remind_at)}
    for name in rungs:
        if name not in found:
            nth = _ordinal(name, ladder.rung(name))
            found[name] = next(islice(_repeats(ladder, due_at, calendar, remind_at), nth - 1, None)).fire_at
    return found


def next_repeat(
    ladder: Ladder, due_at: datetime, calendar: Calendar, after: datetime, remind_at: time = REMIND_AT
) -> PlannedRung | None:
    """The first repetition that fires later than `after`; None when the ladder has no repeating rung.

    It is numbered from the deadline, never from the last one sent: the same repetition has the same name to every
    process that finds it, so only one of them can claim it.
    """
    after = utc(after)
    return next((rung for rung in _repeats(ladder, due_at, calendar, remind_at) if rung.fire_at > after), None)


def repeats_between(
    ladder: Ladder, due_at: datetime, calendar: Calendar, after: datetime, until: datetime, remind_at: time = REMIND_AT
) -> tuple[PlannedRung, ...]:
    """The repetitions that fire later than `after` and not later than `until`, in order.

    Only the next one ever waits as a timer; these are what an outage swallowed beyond it.
    """
    after, until = utc(after), utc(until)
    passed = takewhile(lambda rung: rung.fire_at <= until, _repeats(ladder, due_at, calendar, remind_at))
    return tuple(rung for rung in passed if rung.fire_at > after)


def _repeats(ladder: Ladder, due_at: datetime, calendar: Calendar, remind_at: time) -> Iterator[PlannedRung]:
    """All repetitions, without end."""
    last = ladder.repeating
    if last is None or last.every_workdays is None:
        return
    day = calendar.add_workdays(calendar.local_date(due_at), ladder.repeats_from)
    for ordinal in count(1):
        day = calendar.add_workdays(day, last.every_workdays)
        name = f"{last.name}-{ordinal}"
        yield PlannedRung(name, ladder.order(name), calendar.at(day, remind_at))


def _ordinal(name: str, repeating: Rung) -> int:
    """3 of "repeat-3"; 0 if it is no repetition's name."""
    number = name.removeprefix(f"{repeating.name}-")
    return int(number) if number != name and number.isascii() and number.isdigit() and number[0] != "0" else 0


# --- in words -------------------------------------------------------------------------------------------------------


def in_words(due_at: datetime, now: datetime, calendar: Calendar, locale: Locale) -> str:
    """How much is left, or by how much it is late: "还剩 2 个工作日（1 月 19 日补班计入）", "3 working days overdue"."""
    due_day, today = calendar.local_date(due_at), calendar.local_date(now)
    zh = locale == "zh"
    if is_overdue(due_at, now):
        late = calendar.workdays_between(due_day, today)
        if late == 0:
            return "已逾期，不足 1 个工作日" if zh else "overdue by less than a working day"
        said = f"已逾期 {late} 个工作日" if zh else f"{_working_days(late)} overdue"
        return said + _notes(due_day, today, calendar, zh=zh)
    if due_day == today:
        at = due_at.astimezone(calendar.zone)
        return f"今天 {at:%H:%M} 到期" if zh else f"due today at {at:%H:%M}"
    left = calendar.workdays_between(today, due_day)
    if left == 0:
        days = (due_day - today) // DAY
        return (
            f"还剩 {days} 天，其间无工作日" if zh else f"{days} day{'s'[: days > 1]} left, none of them a working day"
        )
    said = f"还剩 {left} 个工作日" if zh else f"{_working_days(left)} left"
    return said + _notes(today, due_day, calendar, zh=zh)


def _notes(after: date, until: date, calendar: Calendar, *, zh: bool) -> str:
    """What a reader who counts plain weeks would stumble over."""
    notes = []
    if made_up := calendar.makeup_days_between(after, until):
        if zh:
            notes.append("、".join(f"{day.month} 月 {day.day} 日" for day in made_up) + "补班计入")
        else:
            notes.append("make-up workday " + ", ".join(f"{day.day} {day:%B}" for day in made_up) + " counted")
    if until > calendar.known_until:
        notes.append(
            "部分放假安排未公布，暂按推定计" if zh else f"estimated: no holiday notice after {calendar.known_until}"
        )
    if not notes:
        return ""
    return f"（{'；'.join(notes)}）" if zh else f" ({'; '.join(notes)})"


def _working_days(count: int) -> str:
    return "1 working day" if count == 1 else f"{count} working days"
