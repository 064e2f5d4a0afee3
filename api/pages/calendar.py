"""The calendar: deadlines and rounds of what the reader may see, by month and by week, with terms and working Saturdays."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response

from api import feeds, schedule
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import TheFields
from api.bootstrap import Runtime
from api.feeds import MakeFeed
from api.pages.addresses import Pages
from api.pages.naming import WEEKDAYS, NamesOf, day_in_words, month_in_words
from api.pages.rendering import CALENDAR, CASES, go_to, local, page
from api.pages.words import WORDS
from api.problems import UnknownFeed
from api.requests import for_a_page, read_as
from api.schedule import Item, Stretch
from engine.calendar import Calendar
from engine.errors import Busy, InvalidInput, Refusal, Text
from engine.store import people
from engine.store.feeds import Feed
from workflows.asking import Choice

router = Pages()

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MINE = "mine"  # only what one is part of oneself
FIRST, LAST = date(2000, 1, 1), date(2100, 12, 31)  # days people look at
Word = Annotated[str, Query(max_length=32)]
DONE = frozenset({"made", "revoked"})


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


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a calendar as its maker sees it. `address` is empty where the key it was made with is gone."""

    id: str
    title: str
    made: str
    fetched: str
    address: str

    @property
    def opens_calendar(self) -> str:
        """The same for the calendar of the telephone it is tapped on."""
        return f"webcal:{self.address.partition(':')[2]}"


@router.get(CALENDAR)
def calendar_page(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    on: Word = "",
    view: Word = "month",
    of: Word = "",
    done: Word = "",
) -> Response:
    return _page(request, runtime, asker, on, view, of, done=done if done in DONE else None)


@router.post(f"{CALENDAR}/feeds")
def make_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    chosen = fields.get("department", "")
    try:
        form = _read(runtime, chosen)
        runtime.writer.must_be_in_place()
        feeds.make(runtime, asker, form.department)
    except (InvalidInput, Busy) as refusal:
        return _page(request, runtime, asker, chosen=chosen, refusal=refusal)
    return go_to(f"{CALENDAR}?done=made#feeds")


@router.post(f"{CALENDAR}/feeds/{{feed}}/revoke")
def revoke_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, feed: str) -> Response:
    try:
        runtime.writer.must_be_in_place()
        feeds.revoke(runtime, asker, feed)
    except (UnknownFeed, Busy) as refusal:
        return _page(request, runtime, asker, refusal=refusal)
    return go_to(f"{CALENDAR}?done=revoked#feeds")


def _read(runtime: Runtime, department: str) -> MakeFeed:
    try:
        return read_as(MakeFeed, {"department": department} if department else {}, runtime.engine.words)
    except InvalidInput as refusal:
        raise for_a_page(refusal, MakeFeed, feeds.MAKING) from refusal


def _page(
    request: Request,
    runtime: Runtime,
    asker: Asker,
    on: str = "",
    view: str = "month",
    of: str = "",
    *,
    done: str | None = None,
    chosen: str = "",
    refusal: Refusal | None = None,
) -> Response:
    organisation, locale = asker.actor.organisation, asker.locale
    with runtime.database.read(organisation) as connection:
        zone = people.time_zone(connection, organisation)
        today = runtime.clock.now().astimezone(zone).date()
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
        mine = feeds.mine(connection, asker) if feeds.are_told(asker) else []
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
        because=refusal, refusal=refusal, done=done, inside_only=runtime.settings.public_url is None,
        faults={fault.field: fault.what for fault in refusal.fields} if refusal is not None else {}, chosen=chosen,
        links=[_link(runtime, feed, names, asker, zone) for feed in mine], feeds_at=f"{CALENDAR}/feeds",
        feeds_of=[Choice("", WORDS["feed_mine"]), *(Choice(d.code, d.name) for d in departments)],
    )  # fmt: skip


def _link(runtime: Runtime, feed: Feed, names: NamesOf, asker: Asker, zone: ZoneInfo) -> Link:
    title = WORDS["feed_mine"].in_(asker.locale) if feed.department is None else names.department(feed.department)
    fetched = "" if feed.fetched_on is None else day_in_words(feed.fetched_on, asker.locale)
    return Link(feed.id, title, local(feed.made_at, zone), fetched, feeds.address_of(runtime, feed) or "")


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
