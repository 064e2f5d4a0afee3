"""Working days and what comes again: the holiday notices, taken in year by year, and the cycles with their next dates."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api import calendars as keeping
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.naming import NamesOf, day_in_words
from api.pages.rendering import CASES, SCHOOL, go_to, local, page
from api.pages.school.keeping import Asking, form_page, holding, keeper, line
from api.pages.words import WORDS
from api.schedule import OPENS_BEFORE
from engine.authority import may_see
from engine.calendar import CORRECTED, LONGEST_BREAK, Calendar, CalendarFault
from engine.case import Case
from engine.cycles import OnEvent, periods_between
from engine.errors import FieldFault, InvalidInput, Refusal, Text
from engine.handle import handle, note_in, recompute_preview
from engine.store import calendars, people, periods
from workflows.roles import ADMINISTRATOR

router = Pages()

AT = f"{SCHOOL}/calendars"
LOADING = Text("载入放假安排", "Load a holiday notice")
RECOMPUTING = Text("重新计算期限", "Work the deadlines out again")
DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}", re.ASCII)
MOVES_SHOWN = 50
NEXT = 3  # dates of a cycle
AHEAD = timedelta(days=400)  # a year's cycle has its next one


@router.get(AT)
def calendars_page(
    request: Request, runtime: TheRuntime, asker: SignedIn, done: Annotated[str, Query(max_length=30)] = ""
) -> Response:
    organisation, locale = asker.actor.organisation, asker.locale
    with runtime.database.read(organisation) as connection:
        versions = calendars.versions(connection, organisation)
        zone = people.time_zone(connection, organisation)
    may = asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None
    newest = versions[-1][0] if versions else None
    moves = recompute_preview(runtime.engine, organisation) if may and newest is not None else []
    lines = [
        (c.version, local(at, zone), day_in_words(c.known_from, locale), day_in_words(c.known_until, locale)) for c, at in reversed(versions)
    ]  # fmt: skip
    moved = [
        (before.number, before.title, "" if before.due_at is None else local(before.due_at, zone),
         "" if after.due_at is None else local(after.due_at, zone), _firmness(before, after))
        for before, after in [move for move in moves if may_see(move[0], asker.seen)][:MOVES_SHOWN]
    ]  # fmt: skip
    today = runtime.clock.now().astimezone(zone).date()
    between = "、" if locale == "zh" else ", "
    return page(
        request, "school_calendars.html", asker=asker, active="more", versions=lines, newest=newest, back=SCHOOL, at=AT, cases_at=CASES,
        off=_by_month(newest.days_off if newest else (), today, between), worked=_by_month(newest.working_weekend_days if newest else (), today, between),
        breaks=[(b.name, day_in_words(b.first, locale), day_in_words(b.last, locale)) for b in newest.breaks if b.last >= today] if newest else [],
        until=day_in_words(newest.known_until, locale) if newest else "", warns=newest is None or newest.warns_on(today), may=may,
        moves=moved, moving=len(moves), done=done if done == "loaded" else "", recomputed=done.removeprefix("moved-") if done.startswith("moved-") else "",
    )  # fmt: skip


def _firmness(before: Case, after: Case) -> str:
    """The word for it, where a deadline becomes provisional, or is not any more, or only its reminders move."""
    was, is_ = (case.clock is not None and case.clock.provisional for case in (before, after))
    if was == is_:
        return "reminders_move" if before.due_at == after.due_at else ""
    return "becomes_provisional" if is_ else "becomes_firm"


def _by_month(days: Iterable[date], today: date, between: str) -> list[tuple[str, str]]:
    """(2026-01, "1, 2, 3") of this year and later."""
    later = sorted(day for day in days if day.year >= today.year)
    return [
        (f"{year}-{month:02}", between.join(str(day.day) for day in inside))
        for (year, month), inside in groupby(later, key=lambda day: (day.year, day.month))
    ]


@router.get(f"{AT}/new")
def load_form(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    asker = keeper(asker, LOADING)
    with runtime.database.read(asker.actor.organisation) as connection:
        newest = calendars.newest(connection, asker.actor.organisation)
    today = runtime.clock.now().date()
    believed = newest.believed(today) if newest else None
    year = believed.known_until.year + 1 if believed else today.year
    said = {"known_from": (f"{year}-01-01",), "known_until": (f"{year}-12-31",)}
    return _loading(request, asker, said)


@router.post(f"{AT}/new")
def load(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    asker = keeper(asker, LOADING)
    runtime.writer.must_be_in_place()
    try:
        keeping.load(
            runtime.database, asker.actor.organisation, _notice(sent), runtime.clock.now(),
            lambda connection, loaded: _note(runtime, connection, asker, what="loaded", version=loaded.version),
        )  # fmt: skip
    except CalendarFault as error:
        fault = InvalidInput(
            asked=LOADING, obstacle=error.text, remedy=error.remedy, fields=(FieldFault(error.field or "notice", error.text),)
        )  # fmt: skip
        return _loading(request, asker, sent.values, fault)
    except Refusal as refusal:
        return _loading(request, asker, sent.values, refusal)
    return go_to(f"{AT}?done=loaded")


def _notice(sent: Sent) -> dict[str, Any]:
    """The notice as a calendar's file has it. Raises InvalidInput for a line that names no day."""
    breaks = []
    for said in _lines(sent.one("breaks")):
        days = _days_in("breaks", said)
        name = DAY.sub("", said).strip(" \t:：~～-–—至到to,，。.")
        breaks.append({"name": name or said[:40], "first": days[0].isoformat(), "last": days[-1].isoformat()})
    found: dict[str, Any] = {
        name: [day.isoformat() for said in _lines(sent.one(name)) for day in _days_in(name, said)]
        for name in ("days_off", "working_weekend_days")
    }
    return {**found, "known_from": sent.one("known_from"), "known_until": sent.one("known_until"), "breaks": breaks}


def _lines(said: str) -> list[str]:
    return [each.strip() for each in re.split(r"[\n;；]", said) if each.strip()]


def _days_in(field: str, said: str) -> list[date]:
    """The days a line names: one, several, or from the first to the last where it names two with a dash between."""
    try:
        named = [date(*map(int, each.split("-"))) for each in DAY.findall(said)]
    except ValueError:
        named = []
    if not named:
        what = Text(f"“{said[:40]}”中没有日期；请写成 2027-02-05", f"{said[:40]!r} names no day; write 2027-02-05")
        raise InvalidInput(
            asked=LOADING, obstacle=what, remedy=CORRECTED, fields=(FieldFault(field, what),)
        )  # fmt: skip
    if len(named) == 2 and (span := (named[1] - named[0]).days) in range(LONGEST_BREAK):
        return [named[0] + timedelta(days=n) for n in range(span + 1)]
    return named


def _loading(
    request: Request, asker: Asker, said: Mapping[str, tuple[str, ...]], refusal: Refusal | None = None
) -> Response:
    controls = [
        line("known_from", "known_from", said, kind="day", required=True),
        line("known_until", "known_until", said, kind="day", required=True),
        line("days_off", "days_off", said, kind="words", note=WORDS["days_off_hint"]),
        line("working_weekend_days", "working_weekend_days", said, kind="words", note=WORDS["working_hint"]),
        line("breaks", "breaks", said, kind="words", note=WORDS["breaks_hint"]),
    ]
    asking = Asking(
        LOADING, f"{AT}/new", WORDS["load"], (AT, WORDS["school_calendars"]), controls, note=WORDS["load_note"]
    )
    return form_page(request, asker, asking, refusal)


@router.post(f"{AT}/recompute")
def recompute(runtime: TheRuntime, asker: SignedIn) -> Response:
    """What fell due under the old deadlines is told before they move."""
    asker = keeper(asker, RECOMPUTING)
    runtime.writer.must_be_in_place()
    runtime.tick()
    organisation = asker.actor.organisation
    moved, _ = keeping.recompute(runtime, organisation, partial(handle, runtime.engine))
    with runtime.database.write(organisation) as connection:
        people.change_alone(connection, organisation)
        _note(runtime, connection, asker, what="recomputed", moved=moved)
    return go_to(f"{AT}?done=moved-{moved}")


def _note(runtime: Runtime, connection: Connection, asker: Asker, **about: str | int) -> None:
    """Who moved the days by which everybody's deadlines are counted stands in the logbook."""
    note_in(runtime.engine, connection, asker.actor, "calendar_changed", about)


# --- cycles ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coming:
    """A cycle in words: who owes it, and its next periods (opens, due)."""

    title: Text
    loop: Text
    owed_by: str
    departments: list[str]
    following: list[tuple[str, str]]
    by_event: bool


@router.get(f"{SCHOOL}/cycles")
def cycles_page(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    organisation, locale = asker.actor.organisation, asker.locale
    with runtime.database.read(organisation) as connection:
        owed = periods.obligations(connection, organisation)
        calendar = calendars.newest(connection, organisation)
        names = NamesOf(connection, organisation, locale)
        today = runtime.clock.now().astimezone(people.time_zone(connection, organisation)).date()
    seen = asker.seen
    shown = []
    for loop, rule in runtime.engine.catalog.cycles():
        cycle = rule.cycle
        scopes = [
            o.scope for o in owed
            if o.cycle == cycle.key and (o.last_day is None or o.last_day >= today) and (seen.everything or o.scope in seen.departments)
        ]  # fmt: skip
        by_event = isinstance(cycle.every, OnEvent)
        following: list[tuple[str, str]] = []
        if calendar is not None and not by_event:
            following = _following(cycle, calendar, today, asker)
        shown.append(
            Coming(
                cycle.title, loop.title, loop.called(cycle.owed_by).in_(locale), [names.department(code) for code in scopes], following, by_event
            )
        )  # fmt: skip
    return page(request, "school_cycles.html", asker=asker, active="more", cycles=shown, back=SCHOOL)


def _following(cycle: Any, calendar: Calendar, today: date, asker: Asker) -> list[tuple[str, str]]:
    found = periods_between(cycle, calendar, today - OPENS_BEFORE, today + AHEAD)
    coming = [p for p in found if calendar.local_date(p.due_at) >= today][:NEXT]
    return [
        (day_in_words(calendar.local_date(p.opens_at), asker.locale), day_in_words(calendar.local_date(p.due_at), asker.locale))
        for p in coming
    ]  # fmt: skip
