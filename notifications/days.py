"""An organisation's working day begins: whoever something is due for gets a message though nothing fired, groups get their
lists, and who is back is told what was done for him.
"""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from engine.events import LOGBOOK, PERSON, How, Notice, Recipient
from notifications import accounts, deliveries
from notifications.asking import Asking, as_decided, ways_of
from notifications.message import DAY, Planned
from notifications.office import PostOffice, RoundResult, says_nothing_about_it
from notifications.routing import (
    SHOWN,
    SOON_WORKDAYS,
    DigestTime,
    Way,
    Workdays,
    closes_at,
    due_soon,
    group_of,
    opens_day_at,
    to_person,
    workdays_ahead,
    worst_first,
)
from notifications.sources import Back, Place
from notifications.tables import Connection

log = logging.getLogger(__name__)

DAYS = 200  # organisations whose day begins in one round: others' direct messages must not wait until all have begun
LOOK_AGAIN = timedelta(minutes=10)  # for organisations that are new, or changed their hours


@dataclass(frozen=True, slots=True)
class _DayOf:
    """What an organisation's day begins with.

    due       for whom something is due soon, or overdue
    back      who is back since the last day that began
    waiting   person → how many cases wait for him
    lists     of each group that gets one, worst first; none is empty
    """

    due: Sequence[str]
    back: Sequence[Back]
    waiting: Mapping[str, int]
    lists: Sequence[tuple[Way, Sequence[Mapping[str, Any]]]]


class Days:
    """Which days have begun, as far as this process knows: an organisation is looked after once a day.

    waiting   of the organisations whose day began in this round, person → what waits for him: digests need not ask again
    """

    def __init__(self, office: PostOffice, stopping: Callable[[], bool]) -> None:
        self.waiting: dict[str, Mapping[str, Sequence[Mapping[str, Any]]]] = {}
        self._office = office
        self._stopping = stopping
        self._begun: dict[str, date] = {}  # the last day of each organisation that needs no more looking after
        self._look_at: datetime | None = None

    def begin(self) -> RoundResult:
        """Once for each organisation and working day, at the hour of its digest."""
        office, now, result = self._office, self._office.clock.now(), RoundResult()
        if self._look_at is not None and now < self._look_at:
            return result
        with office.database.read_across() as connection:
            places = list(office.directory.organisations(connection))
        begin = random.randrange(len(places)) if places and office.database.on_server else 0  # noqa: S311  # nodes begin apart
        look_at, begun = now + LOOK_AGAIN, 0
        for place in places[begin:] + places[:begin]:
            if self._stopping():
                return result
            school = as_decided(office, place.decided)
            today = now.astimezone(place.zone).date()
            if self._begun.get(place.organisation) == today:
                continue
            opens = opens_day_at(today, place.zone, school)
            if now < opens:
                look_at = min(look_at, opens)
            elif now < closes_at(today, place.zone, school):
                if begun == DAYS:
                    return result  # the next round goes on
                begun += 1
                try:
                    result += self._begin_day(place, today, now)
                    self._begun[place.organisation] = today
                except Exception as error:
                    if says_nothing_about_it(error):
                        raise
                    log.exception("the day of %s cannot be begun", place.organisation)
        self._look_at = look_at
        return result

    def _begin_day(self, place: Place, today: date, now: datetime) -> RoundResult:
        """Looked at before anything is written: that takes longer than others may be kept from writing."""
        office, organisation = self._office, place.organisation
        with office.database.read_across() as connection:
            is_workday = _workdays(office, connection, organisation)
            if deliveries.day_begun(connection, organisation, today) or not is_workday(today):
                return RoundResult()
            found = self._look_at_day(connection, place, is_workday, today)
        with office.database.write_across() as connection:
            if not deliveries.begin_day(connection, organisation, today, now):
                return RoundResult()  # another node was faster
            ask, digest = Asking(office, connection), DigestTime(today, now)
            ask.about_people(organisation, [*found.due, *(back.person for back in found.back)])
            planned = [
                *_for_whom_it_is_due(ask, organisation, found, digest),
                *_for_who_is_back(ask, organisation, found, digest),
                *_lists(ask, organisation, found, today, now),
            ]
            return RoundResult(planned=deliveries.plan(connection, planned, now))

    def _look_at_day(self, connection: Connection, place: Place, is_workday: Workdays, today: date) -> _DayOf:
        directory, organisation = self._office.directory, place.organisation
        waiting = directory.waiting(connection, organisation)
        self.waiting[organisation] = waiting
        soon = workdays_ahead(today, SOON_WORKDAYS, is_workday)
        due = [p for p, mine in waiting.items() if any(due_soon(about, soon, place.zone) for about in mine)]
        since = deliveries.last_day_begun(connection, organisation) or today - timedelta(days=1)
        ways = ways_of(self._office, connection, organisation)
        groups = [way for way in ways if way.channel.serves == "place" and way.daily_list]
        lists = [(way, directory.work_of(connection, organisation, way.department)) for way in groups]
        return _DayOf(
            due,
            directory.back(connection, organisation, since, today),
            {person: len(mine) for person, mine in waiting.items()},
            [(way, sorted(work, key=worst_first)) for way, work in lists if work],
        )


def _workdays(office: PostOffice, connection: Connection, organisation: str) -> Workdays:
    return cache(lambda day: office.directory.is_workday(connection, organisation, day))


def _for_whom_it_is_due(ask: Asking, organisation: str, found: _DayOf, digest: DigestTime) -> list[Planned]:
    """A line that says nothing itself: his digest does."""
    planned = []
    for person in found.due:
        if (him := ask.person(organisation, person)) is not None:
            notice = _notice(organisation, f"{DAY}:{digest.day}", DAY, person, digest.leaves_at)
            planned += _by_his_ways(ask, notice, him, digest)
    return planned


def _for_who_is_back(ask: Asking, organisation: str, found: _DayOf, digest: DigestTime) -> list[Planned]:
    planned = []
    for back in found.back:
        if (him := ask.person(organisation, back.person)) is not None and not him.away:
            notice = _notice(organisation, f"back:{back.absence}", "back", back.person, digest.leaves_at, "direct")
            about = _about_return(back, found.waiting.get(back.person, 0))
            planned += _by_his_ways(ask, replace(notice, about=about), him, digest)
    return planned


def _lists(ask: Asking, organisation: str, found: _DayOf, today: date, now: datetime) -> list[Planned]:
    """What waits in each group's department, once a day."""
    planned = []
    for way, work in found.lists:
        if accounts.listed(ask.connection, organisation, way.account, today.isoformat()):
            notice = _notice(organisation, f"daily_list:{way.account}:{today}", "daily_list", "", now, "direct")
            about = _about_list(way, work, now) | {"department_title": ask.called(organisation, way.department)}
            planned.append(
                Planned(replace(notice, about=about), group_of(way), way.channel.name, "direct", "waiting", now,
                        account=way.account)
            )  # fmt: skip
    return planned


def _by_his_ways(ask: Asking, notice: Notice, him: Recipient, digest: DigestTime) -> list[Planned]:
    """To his desk and by his one way outside; what the organisation's own channels are told is said elsewhere."""
    situation = ask.situation(notice.organisation, [him])
    outside = situation.outside(him)
    ways = [*situation.inside(him), *([outside] if outside else [])]
    return [to_person(notice, him, way, situation, digest, digest.leaves_at) for way in ways]


def _notice(organisation: str, name: str, reason: str, person: str, now: datetime, how: How = "digest") -> Notice:
    """What is told without a case, and without anybody having asked for it."""
    audience = (f"{PERSON}{person}",) if person else ()
    return Notice(name, organisation, LOGBOOK, 0, reason, audience, how, now, {})


def _about_return(back: Back, waiting: int) -> dict[str, Any]:
    return {
        "from": back.first_day.isoformat(), "until": back.last_day.isoformat(), "done": back.count, "waiting": waiting,
        "lines": [dict(about) for about in back.done],
    }  # fmt: skip


def _about_list(way: Way, work: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    late = sum((due := about.get("due_at")) is not None and datetime.fromisoformat(due) < now for about in work)
    return {
        "department": way.department, "count": len(work), "overdue": late, "lines": [dict(about) for about in work[:SHOWN]]
    }  # fmt: skip
