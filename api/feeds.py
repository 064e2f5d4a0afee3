"""Calendars to subscribe to: secret links, each its maker's own, shown as often as he likes, revoked once and for good.

What a link holds is drawn from a key of the data folder and its own number, so that it can be shown again without being kept;
the database has a hash of it. Whoever holds the link reads what its maker may see at that moment, with the eyes of those he
stands in for today: whom a link was made for is no longer told anything once his account is closed, and nothing of a
department once he may not see it. Then he gets an empty calendar and no refusal, so that what his telephone had is cleared.

A closed case is not in a calendar any more: `STATUS:COMPLETED` is said of tasks alone, which telephones do not subscribe to.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from heapq import merge
from itertools import islice, takewhile
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from api import schedule
from api.auth import Asker, as_he_would, cookies
from api.bootstrap import Runtime
from api.papers.ics import Entry, calendar_of
from api.places import Places
from api.problems import UnknownFeed, not_from_a_token
from api.reading import by_deadline, each_once, waiting_for
from engine.actor import WHOLE_ORGANISATION, Actor
from engine.calendar import Calendar
from engine.case import Case
from engine.cycles import Cycle
from engine.definition import asks
from engine.errors import Busy, FieldFault, InvalidInput, Locale, Text
from engine.handle import note_in
from engine.store import accounts, calendars, feeds, people, worklists
from engine.store.accounts import secret_hash
from engine.store.database import naming, speak_for
from engine.store.feeds import Feed

PATH = "/feeds"
ENDING = ".ics"
TOKEN_BYTES = 18  # 144 bits, in 24 characters
#: how far a calendar on a phone goes: back to what was due last month, ahead to the end of the term
BACK, AHEAD = timedelta(days=31), timedelta(days=183)
MOST = 500  # cases, and as many periods: the nearest ones; two tenths of a second of a processor
LAST_SECOND = time(23, 59, 59)  # of a deadline that is a day
AT_ONCE = 2  # written in a process: each takes a processor, and who holds a link may ask as often as he likes
BEING_WRITTEN = Places(AT_ONCE)
TOO_MANY = Text("同时读取日历的人太多", "too many calendars are being read at once")

READING = Text("读取日历", "Read a calendar")
MAKING = Text("生成日历订阅链接", "Make a link to a calendar")
REVOKING = Text("停用日历订阅链接", "Revoke a link to a calendar")

_MINE = Text("闭环：我的待办", "Bihuan: waiting for me")
_OF = Text("闭环：{name}", "Bihuan: {name}")
_ABOUT = Text(
    "近一个月至今后半年的期限、检查和演练，由闭环自动更新；办理请打开其中的链接。",
    "Deadlines, rounds and drills from a month ago to half a year ahead, kept up to date by Bihuan; to act, open an entry's link.",
)
_CUT = Text(f"事项太多，只列出最近的 {MOST} 项。", f"There are too many; these are the nearest {MOST}.")
_TITLE = Text("{title}（{place}）", "{title} ({place})")
_STANDS_AT = Text("目前：{state}", "It stands at: {state}")
_FOR = Text("代 {name} 办理", "For {name}")
_PROVISIONAL = Text("放假安排未公布，期限为暂定", "Estimated: the holiday notice is not out yet")
_OWED_BY = Text("责任部门：{names}", "Owed by: {names}")
_AHEAD = Text("到期前由系统自动开出", "Opens by itself before it is due")
_OFF = Text("休：放假", "Public holiday")
_OFF_ESTIMATED = Text("休：放假（推定）", "Public holiday (estimated)")
_WORKED = Text("班：调休上班", "Working day in exchange")
_BREAK = Text("学校假期：{name}", "School break: {name}")


class MakeFeed(BaseModel):
    """Of which department; without one, what waits for whoever asks."""

    model_config = ConfigDict(extra="forbid")
    department: Annotated[str, Field(min_length=1, max_length=64)] | None = asks("部门", "Department", default=None)


# --- links ---------------------------------------------------------------------------------------------------------------


def mine(connection: Connection, asker: Asker) -> list[Feed]:
    """His, in use."""
    return feeds.of(connection, asker.actor.organisation, str(asker.actor.person))


def are_told(asker: Asker) -> bool:
    """Whether he is told what his links hold: not by a token, which they would outlive."""
    return asker.account.session is not None


def make(runtime: Runtime, asker: Asker, department: str | None) -> tuple[Feed, bool]:
    """A link to this calendar, and whether it is new: who has one already gets the same. Raises NotAllowed for a token, which the
    link would outlive; InvalidInput for a department that is not there, or that he may not see.
    """
    if not are_told(asker):
        raise not_from_a_token(MAKING)
    actor = asker.actor
    here, person, now = actor.organisation, str(actor.person), runtime.clock.now()
    with runtime.database.write(here) as connection:
        if department is not None and not may_have(connection, asker, department):
            _refuse()
        people.change_alone(connection, here)
        for feed in feeds.of(connection, here, person):
            if feed.department == department:
                return feed, False
        drawn = secrets.token_hex(8)
        feed = Feed(here, person, drawn, department, secret_hash(_token(runtime, here, person, drawn)), now)
        feeds.add(connection, feed)
        _note(runtime, connection, actor, feed, "made")
    return feed, True


def may_have(connection: Connection, asker: Asker, department: str) -> bool:
    """Whether he may see this department's cases, and there is one of this name."""
    seen = asker.seen.everything or department in asker.seen.departments
    return seen and any(each.code == department for each in people.departments(connection, asker.actor.organisation))


def revoke(runtime: Runtime, asker: Asker, name: str) -> Feed:
    """From now on the link leads nowhere. Once more changes nothing. Raises UnknownFeed for none of his."""
    actor, now = asker.actor, runtime.clock.now()
    here, person = actor.organisation, str(actor.person)
    with runtime.database.write(here) as connection:
        people.change_alone(connection, here)
        feed = feeds.find(connection, here, person, name[:16])
        if feed is None:
            raise _unknown(REVOKING)
        if feed.revoked_at is None:
            feeds.revoke(connection, feed, now)
            _note(runtime, connection, actor, feed, "revoked")
        return feeds.find(connection, here, person, feed.id) or feed


def address_of(runtime: Runtime, feed: Feed) -> str | None:
    """The link; None where the key it was made with is not in this data folder. It works all the same."""
    token = _token(runtime, feed.organisation, feed.person, feed.id)
    if not hmac.compare_digest(secret_hash(token), feed.token_hash):
        return None
    return f"{runtime.settings.reached_at}{PATH}/{token}{ENDING}"


def _token(runtime: Runtime, *whose: str) -> str:
    said = "".join(f"{len(part)} {part} " for part in ("feed", *whose))
    return urlsafe_b64encode(hmac.digest(runtime.feeds_key, said.encode(), "sha256")[:TOKEN_BYTES]).decode()


def _note(runtime: Runtime, connection: Connection, actor: Actor, feed: Feed, what: str) -> None:
    about = {"feed": feed.id, "department": feed.department, "what": what}
    note_in(runtime.engine, connection, actor, "feed_changed", about)


def _unknown(asked: Text) -> UnknownFeed:
    return UnknownFeed(
        asked=asked,
        obstacle=Text("没有这个链接，或它已停用", "there is no such link, or it is no longer in use"),
        remedy=Text("请登录后在“日历”中重新生成", "Sign in and make another one on the calendar's page"),
    )


def _refuse() -> None:
    what = Text("没有这个部门，或您看不到它的事项", "there is no such department, or you may not see its cases")
    remedy = Text("请选择自己所在或负责的部门", "Choose a department of yours")
    raise InvalidInput(asked=MAKING, obstacle=what, remedy=remedy, fields=(FieldFault("department", what),))


# --- what a link leads to ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetched:
    """A calendar as it is this moment, and the language it is in."""

    body: bytes
    locale: Locale


def fetched(runtime: Runtime, token: str) -> Fetched:
    """What whoever holds this link is shown. Raises UnknownFeed, the same for what was revoked, made up or never there, and
    for somebody who left; Busy.
    """
    found = _read(runtime, secret_hash(token)) if len(token) <= cookies.LONGEST and token.isascii() else None
    if found is None:
        runtime.strangers.count("no_feed")
        raise _unknown(READING)
    feed, written, today = found
    _fetched_on(runtime, feed, today)
    return written


def _read(runtime: Runtime, token_hash: str) -> tuple[Feed, Fetched, date] | None:
    """The link that holds this, what it leads to, and which day it is there; None where it leads nowhere."""
    with runtime.database.read(accounts.NOWHERE) as connection:
        naming(connection, token_hash)
        feed = feeds.held(connection, token_hash)
        if feed is None:
            return None
        speak_for(connection, feed.organisation)
        reader = as_he_would(runtime, connection, feed.organisation, feed.person)
        if reader is None:
            return None
        with BEING_WRITTEN.one(READING, TOO_MANY):
            view = _View(runtime, connection, reader)
            return feed, Fetched(view.written(feed.department), reader.locale), view.today


def _fetched_on(runtime: Runtime, feed: Feed, today: date) -> None:
    """Once a day: reading stays reading."""
    if feed.fetched_on == today:
        return
    try:
        runtime.writer.must_be_in_place()
        with runtime.database.write(feed.organisation) as connection:
            feeds.fetched(connection, feed, today)
    except (Busy, DBAPIError):
        return  # the next time says it; reading goes on where nothing can be written


class _View:
    """One reader's calendar in the making."""

    def __init__(self, runtime: Runtime, connection: Connection, reader: Asker) -> None:
        self._runtime, self._connection, self._reader = runtime, connection, reader
        self._here, self._locale = reader.actor.organisation, reader.locale
        self._zone: ZoneInfo = people.time_zone(connection, self._here)
        self._calendar = calendars.newest(connection, self._here)
        self.today = runtime.clock.now().astimezone(self._zone).date()
        self._first, self._last = self.today - BACK, self.today + AHEAD
        self._cut = False

    def written(self, department: str | None) -> bytes:
        entries = [*(self._waiting() if department is None else self._of(department))]
        if self._calendar is not None:
            known_at = calendars.loaded_at(self._connection, self._here)
            assert known_at is not None  # it has been loaded
            entries += self._ahead(department, self._calendar, known_at)
            entries += self._days(self._calendar, known_at)
        name = self._said(_MINE)
        if department is not None:
            name = self._said(_OF).format(name=self._departments.get(department, department))
        about = self._said(_ABOUT) + (self._said(_CUT) if self._cut else "")
        return calendar_of(name, about, entries, self._zone)

    def _said(self, text: Text) -> str:
        return text.in_(self._locale)

    def _begins(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone)

    # --- cases -----------------------------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[Entry]:
        """What waits for him, or for somebody he stands in for, as his own list has it."""
        start, end = self._begins(self._first), self._begins(self._last + timedelta(days=1))
        catalog, reader = self._runtime.engine.catalog, self._reader
        streams = [
            waiting_for(catalog, self._connection, reader, actor, (start, ""), MOST + 1) for actor in reader.actors
        ]
        due = takewhile(
            lambda waiting: waiting[0].due_at is not None and waiting[0].due_at < end,
            each_once(merge(*streams, key=by_deadline)),
        )
        found = [*islice(due, MOST + 1)]
        self._cut = self._cut or len(found) > MOST
        for case, actor in found[:MOST]:
            yield self._case(case, actor.on_behalf_of)

    def _of(self, department: str) -> Iterator[Entry]:
        seen = schedule.within(self._reader.seen, self._here, department=department)
        first, today, end = (self._begins(day) for day in (self._first, self.today, self._last + timedelta(days=1)))
        ahead = worklists.due_between(self._connection, seen, today, end, limit=MOST + 1)
        behind = worklists.due_between(self._connection, seen, first, today, limit=MOST + 1, latest_first=True)
        found = sorted([*ahead, *behind], key=lambda case: abs((self._day(case) - self.today).days))
        self._cut = self._cut or len(found) > MOST
        for case in sorted(found[:MOST], key=lambda case: (self._day(case), case.number)):
            yield self._case(case)

    def _day(self, case: Case) -> date:
        assert case.due_at is not None  # it lies between two others
        return case.due_at.astimezone(self._zone).date()

    def _case(self, case: Case, on_behalf_of: str | None = None) -> Entry:
        """No more of a case than a list shows."""
        assert case.due_at is not None and case.clock is not None
        loop = self._runtime.engine.catalog.of(case)
        said = [
            f"{self._said(loop.title)} {case.number}",
            self._said(_STANDS_AT).format(state=self._said(loop.state(case.state).title)),
        ]
        if on_behalf_of is not None:
            said.append(self._said(_FOR).format(name=self._called(on_behalf_of)))
        if case.clock.provisional:
            said.append(self._said(_PROVISIONAL))
        summary = case.title or self._said(loop.title)
        return Entry(
            f"{case.number}@{self._here}", self._when(case.due_at),
            self._said(_TITLE).format(title=summary, place=case.place) if case.place else summary,
            case.last_recorded_at or case.opened_at, case.sequence, place=case.place, description="\n".join(said),
            url=f"{self._runtime.settings.reached_at}/cases/{case.number}", provisional=case.clock.provisional,
        )  # fmt: skip

    def _called(self, key: str) -> str:
        found = self._reader.known.get(key)
        return key if found is None else found.name

    def _when(self, due_at: datetime) -> date | datetime:
        """A day, where the deadline is the end of one; else the instant."""
        local = due_at.astimezone(self._zone)
        return local.date() if local.time() >= LAST_SECOND else local

    # --- what comes by itself ----------------------------------------------------------------------------------------

    def _ahead(self, department: str | None, calendar: Calendar, known_at: datetime) -> Iterator[Entry]:
        """Of a department all its periods, as far as he may see it; of his own those he will have to do."""
        seen = schedule.within(self._reader.seen, self._here, department=department) if department else None

        def owes(cycle: Cycle, scope: str) -> bool:
            if seen is not None:
                return scope in seen.departments
            grants = (grant for actor in self._reader.actors for grant in actor.grants)
            return any(g.role == cycle.owed_by and g.scope in (scope, WHOLE_ORGANISATION) for g in grants)

        due = sorted(
            schedule.ahead(self._runtime, self._connection, self._here, calendar, self.today, self._last, owes),
            key=lambda one: (one.period.due_at, one.cycle.key, one.period.key),
        )
        self._cut = self._cut or len(due) > MOST
        for one in due[:MOST]:
            period, when = one.period, self._when(one.period.due_at)
            day = when.date() if isinstance(when, datetime) else when
            names = "、" if self._locale == "zh" else ", "
            said = [
                self._said(one.loop.title),
                self._said(_OWED_BY).format(names=names.join(self._departments.get(d, d) for d in one.owing)),
                self._said(_AHEAD),
            ]
            yield Entry(
                f"{one.cycle.key}/{period.key}@{self._here}", when, self._said(one.cycle.title), known_at,
                calendar.version, description="\n".join(said), provisional=period.provisional,
                url=f"{self._runtime.settings.reached_at}/calendar?on={day}",
            )  # fmt: skip

    @cached_property
    def _departments(self) -> dict[str, str]:
        return {each.code: self._said(each.name) for each in people.departments(self._connection, self._here)}

    # --- days ----------------------------------------------------------------------------------------------------------

    def _days(self, calendar: Calendar, known_at: datetime) -> Iterator[Entry]:
        """Holidays, weekend days that are worked, and the breaks of the school."""

        def entry(kind: str, first: date, last: date, summary: str, *, provisional: bool = False) -> Entry:
            return Entry(
                f"{kind}-{first}@{self._here}", first, summary, known_at, calendar.version, last=last,
                provisional=provisional,
            )  # fmt: skip

        for first, last in self._shown(_stretches(calendar, calendar.days_off)):
            yield entry("off", first, last, self._said(_OFF))
        for first, last in self._shown(_stretches(calendar, calendar.estimated_days_off)):
            yield entry("off", first, last, self._said(_OFF_ESTIMATED), provisional=True)
        for day, _ in self._shown((day, day) for day in sorted(calendar.working_weekend_days)):
            yield entry("worked", day, day, self._said(_WORKED))
        breaks = {(pause.first, pause.last): pause.name for pause in calendar.breaks}
        for first, last in self._shown(breaks):
            yield entry("break", first, last, self._said(_BREAK).format(name=breaks[first, last]))

    def _shown(self, stretches: Iterable[tuple[date, date]]) -> Iterator[tuple[date, date]]:
        return ((first, last) for first, last in stretches if first <= self._last and last >= self._first)


def _stretches(calendar: Calendar, days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days off that follow each other as (first, last): a weekend between two of them is one with them."""
    first = last = None
    for day in sorted(days):
        if first is None or last is None:
            first = day
        elif any(calendar.is_workday(last + timedelta(days=n)) for n in range(1, (day - last).days)):
            yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last
