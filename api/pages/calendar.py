"""The calendar: deadlines and rounds of what the reader may see, by month and by week, with terms and working Saturdays."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import schedule
from api.auth import Asker, SignedIn, TheRuntime
from api.pages.naming import WEEKDAYS, NamesOf, day_in_words, month_in_words
from api.pages.rendering import CALENDAR, CASES, page
from api.pages.words import WORDS
from api.schedule import Item, Stretch
from engine.calendar import Calendar
from engine.errors import Text
from engine.store import people
from workflows.asking import Choice

router = APIRouter()

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MINE = "mine"  # only what one is part of oneself
FIRST, LAST = date(2000, 1, 1), date(2100, 12, 31)  # days people look at
Word = Annotated[str, Query(max_length=32)]


@dataclass(frozen=True, slots=True)
class Day:
    """A day in its square, and on the list.

    mark     休 for a day off, 班 for a weekend day that is worked; None for the rest
    pause    the school break it lies in
    inside   whether it is of the month shown
    """

    day: date
    words: str
    weekday: Text
    mark: Text | None
    pause: str
    today: bool
    inside: bool
    off: bool
    items: list[Item]

    @property
    def late(self) -> int:
        return sum(item.late for item in self.items)


@router.get(CALENDAR)
def calendar_page(
    request: Request, runtime: TheRuntime, asker: SignedIn, on: Word = "", view: Word = "month", of: Word = ""
) -> Response:
    organisation, locale = asker.actor.organisation, asker.locale
    with runtime.database.read(organisation) as connection:
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
        shown = _day(on) or today
        by_week = view == "week"
        first, last = _week(shown) if by_week else _month(shown)
        seen = schedule.within(
            asker.seen, organisation, person=str(asker.actor.person) if of == MINE else None,
            department=of if of not in ("", MINE) else None,
        )  # fmt: skip
        found = schedule.stretch(runtime, connection, organisation, seen, first, last)
        names = NamesOf(connection, organisation, locale)
        departments = [
            d for d in people.departments(connection, organisation) if asker.seen.everything or d.code in asker.seen.departments
        ]  # fmt: skip
    days = [_drawn(found, day, today, shown, asker, by_week=by_week) for day in _each(first, last)]
    if by_week:
        before, after = first - timedelta(days=7), first + timedelta(days=7)
        title = f"{day_in_words(first, locale)} – {day_in_words(last, locale)}"
    else:
        before, after = (
            (shown.replace(day=1) - timedelta(days=1)).replace(day=1),
            (shown.replace(day=28) + timedelta(days=4)).replace(day=1),
        )
        title = month_in_words(shown, locale)
    breaks = found.calendar.breaks if found.calendar else ()
    return page(
        request, "calendar.html", asker=asker, active="more", days=days, weeks=[days[at : at + 7] for at in range(0, len(days), 7)],
        weekdays=WEEKDAYS, title=title, before=before, after=after, today=today, view="week" if by_week else "month", of=of,
        scopes=[Choice(MINE, WORDS["only_mine"]), *(Choice(d.code, d.name) for d in departments)], more=found.more, at=CALENDAR,
        cases_at=CASES, on=shown, department=names.department,
        breaks=[(b.name, day_in_words(b.first, locale), day_in_words(b.last, locale)) for b in breaks if b.first <= last and b.last >= first],
        known=found.calendar is not None and found.calendar.knows(last), calendar=found.calendar is not None,
    )  # fmt: skip


def _day(said: str) -> date | None:
    try:
        found = date.fromisoformat(said) if ISO_DAY.fullmatch(said) else None
    except ValueError:
        return None
    return found if found is not None and FIRST <= found <= LAST else None


def _week(day: date) -> tuple[date, date]:
    first = day - timedelta(days=day.weekday())
    return first, first + timedelta(days=6)


def _month(day: date) -> tuple[date, date]:
    """Whole weeks, so that the squares are full."""
    first, _ = _week(day.replace(day=1))
    _, last = _week((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))
    return first, last


def _each(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _drawn(found: Stretch, day: date, today: date, shown: date, asker: Asker, *, by_week: bool) -> Day:
    pause = found.calendar.break_at(day) if found.calendar else None
    off = not (found.calendar.is_workday(day) if found.calendar else day.weekday() < 5)
    return Day(
        day, day_in_words(day, asker.locale), WEEKDAYS[day.weekday()], _mark(found.calendar, day), pause.name if pause else "",
        day == today, by_week or (day.year, day.month) == (shown.year, shown.month), off, [i for i in found.items if i.day == day],
    )  # fmt: skip


def _mark(calendar: Calendar | None, day: date) -> Text | None:
    if calendar is None:
        return None
    if day in calendar.working_weekend_days:
        return WORDS["mark_worked"]
    if day in calendar.days_off or day in calendar.estimated_days_off:
        return WORDS["mark_off"]
    return None
