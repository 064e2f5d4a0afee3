"""What notifications ask of the engine's memory, answered by `engine.store` as of the clock's now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from engine.actor import Visibility
from engine.calendar import Calendar
from engine.case import UNCONFIRMED, Case
from engine.clock import Clock
from engine.definition import Catalog
from engine.errors import Text
from engine.events import Notice, Recipient, looking_after
from engine.handle import as_it_stands
from engine.store import calendars, cases, outbox, people, policies, trail, worklists
from engine.store.worklists import Filter
from notifications.policy import NAME
from notifications.sources import Back, ClaimedNotice, Place
from workflows.roles import SAFETY_OFFICE

#: who looks after somebody whom messages do not reach: the first of these whom anybody but himself is
LOOKS_AFTER = ("dept_head", *reversed(SAFETY_OFFICE), "vp_safety")
DONE = 5  # of what was done in somebody's name, told one by one


class OutboxOfTheEngine:
    """`notifications.sources.Outbox`, answered by `engine.store.outbox`."""

    def add(self, connection: Connection, notices: Sequence[Notice]) -> None:
        outbox.write(connection, notices)

    def waits(self, connection: Connection, now: datetime) -> bool:
        return outbox.waits(connection, now)

    def claim(
        self, connection: Connection, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[ClaimedNotice]:
        return [ClaimedNotice(notice, fence) for notice, fence in outbox.claim(connection, now, lease_until, limit)]

    def done(self, connection: Connection, notice_id: str, organisation: str, fence: int, now: datetime) -> bool:
        return outbox.done(connection, organisation, notice_id, fence)


class LookingInTheEngine:
    """`notifications.sources.Looking`, answered by `engine.store.people`."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._there = cache(lambda organisation: people.looking(connection, organisation, clock.now()))

    def recipients(self, organisation: str, case: str, audience: tuple[str, ...]) -> Sequence[Recipient]:
        return self._there(organisation).recipients(case, audience)

    def state_of(self, organisation: str, case: str) -> str | None:
        found = self._there(organisation).case(case)
        return None if found is None else found.state


class DirectoryOfTheEngine:
    """`notifications.sources.Directory`, answered by `engine.store.people` and its neighbours."""

    def __init__(self, clock: Clock, catalog: Catalog) -> None:
        self._clock = clock
        self._catalog = catalog

    def looking(self, connection: Connection) -> "LookingInTheEngine":
        return LookingInTheEngine(connection, self._clock)

    def time_zone(self, connection: Connection, organisation: str) -> ZoneInfo:
        return people.time_zone(connection, organisation)

    def is_workday(self, connection: Connection, organisation: str, day: date) -> bool:
        return people.is_workday(connection, organisation, day)

    def called(self, connection: Connection, organisation: str, department: str) -> Text | None:
        found = people.departments(connection, organisation)
        return next((known.name for known in found if known.code == department), None)

    def looking_after(self, person: str) -> tuple[str, ...]:
        return (looking_after(person, *LOOKS_AFTER),)

    def organisations(self, connection: Connection) -> Sequence[Place]:
        decided = policies.all_in_force(connection, NAME)
        return [
            Place(known.organisation, ZoneInfo(known.time_zone), decided.get(known.organisation, {}))
            for known in people.organisations(connection)
        ]

    def decided(self, connection: Connection, organisation: str) -> Mapping[str, Any]:
        return policies.in_force(connection, organisation, NAME)[1]

    def waiting(self, connection: Connection, organisation: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        open_ = self._open(connection, organisation, Filter())
        awaited = ((case, self._awaited(case), _pressing(case)) for case in open_)
        return people.waiting_for_each(connection, organisation, awaited, self._today(connection, organisation))

    def as_they_stand(
        self, connection: Connection, organisation: str, numbers: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        found = cases.load_many(connection, organisation, numbers)
        said = self._said(connection, organisation, (case for case in found.values() if not case.final))
        return [said[number] for number in numbers if number in said]

    def _awaited(self, case: Case) -> tuple[str, ...]:
        """Whose move it is, those included of whom it is only waited for that they confirm."""
        workflow = self._catalog.of(case)
        return (*workflow.awaited(case), *((UNCONFIRMED,) if workflow.waits_by_name(case) else ()))

    def work_of(self, connection: Connection, organisation: str, department: str | None) -> Sequence[Mapping[str, Any]]:
        open_ = list(self._open(connection, organisation, Filter(department=department)))
        if not open_:
            return []
        said = self._said(connection, organisation, open_)
        awaited = [(case, self._catalog.of(case).awaited(case), case.number) for case in open_]
        today = self._today(connection, organisation)
        names: dict[str, list[str]] = {}
        each = people.waiting_for_each(connection, organisation, awaited, today)
        called = people.names(connection, organisation)
        for person, mine in each.items():
            for number in mine:
                names.setdefault(number, []).append(called.get(person, person))
        return [{**said[case.number], "who": names.get(case.number, [])} for case in open_]

    def back(self, connection: Connection, organisation: str, since: date, today: date) -> Sequence[Back]:
        every = people.absences(connection, organisation)
        away = {absence.person for absence in every if absence.covers(today)}
        ended = [a for a in every if a.delegate and a.person not in away and since <= a.last_day < today]
        zone = people.time_zone(connection, organisation)
        found = []
        for absence in ended:
            begins, ends = (
                datetime.combine(day, time(), zone) for day in (absence.first_day, absence.last_day + timedelta(days=1))
            )
            count, latest = trail.done_for(connection, organisation, absence.person, begins, ends, DONE)
            done = list(self._steps(connection, organisation, latest))
            found.append(Back(absence.id, absence.person, absence.first_day, absence.last_day, done, count))
        return found

    def _steps(
        self, connection: Connection, organisation: str, steps: Iterable[tuple[str, str, datetime]]
    ) -> Iterable[Mapping[str, Any]]:
        """The case of each, as it stands now, with the step and its instant."""
        told = list(steps)
        known = cases.load_many(connection, organisation, [number for number, _, _ in told])
        said = self._said(connection, organisation, known.values())
        for number, trigger, at in told:
            if number in known:
                drawn = self._catalog.of(known[number]).triggers.get(trigger)
                step = drawn[0].title.to_json() if drawn else None
                yield {**said[number], "trigger_title": step, "at": at.isoformat()}

    def _open(self, connection: Connection, organisation: str, wanted: Filter) -> Iterator[Case]:
        return worklists.all_open(connection, Visibility(organisation, everything=True), wanted, self._clock.now())

    def _said(self, connection: Connection, organisation: str, known: Iterable[Case]) -> dict[str, dict[str, Any]]:
        """By number, what a message may say of each."""
        now, calendar = self._clock.now(), self._calendar(connection, organisation)
        return {case.number: as_it_stands(self._catalog.of(case), case, calendar, now) for case in known}

    def _calendar(self, connection: Connection, organisation: str) -> Calendar:
        found = calendars.newest(connection, organisation)
        assert found is not None  # no case is opened without one
        return found

    def _today(self, connection: Connection, organisation: str) -> date:
        return self._clock.now().astimezone(people.time_zone(connection, organisation)).date()


def _pressing(case: Case) -> dict[str, Any]:
    return {"number": case.number, "level": case.level, "due_at": case.due_at.isoformat() if case.due_at else None}
