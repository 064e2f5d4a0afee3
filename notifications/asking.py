"""What planning asks about an organisation and its people, once per question within a transaction: a digest has many lines
about few cases.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from engine.events import LOGBOOK, PERSON, Notice, Recipient
from notifications import accounts, readers
from notifications.accounts import SetUp, State
from notifications.message import GROUP, NOBODY, ORGANISATION
from notifications.office import PostOffice, needs_no_account
from notifications.policy import settings_of
from notifications.routing import SchoolSettings, Situation, Way
from notifications.tables import Connection

log = logging.getLogger(__name__)


class Asking:
    """One transaction's questions, each answered as it was the first time."""

    def __init__(self, office: PostOffice, connection: Connection) -> None:
        self.office = office
        self.connection = connection
        directory = office.directory
        self._people: dict[tuple[str, str], Recipient | None] = {}
        self._unreached: dict[str, list[readers.Unreached]] = {}
        self._preferences = cache(lambda organisation: readers.preferences_of(connection, organisation))
        self.time_zone = cache(lambda organisation: directory.time_zone(connection, organisation))
        self._school = cache(lambda organisation: school_of(office, connection, organisation))
        self._ways = cache(lambda organisation: ways_of(office, connection, organisation))
        looking = directory.looking(connection)
        self.recipients = cache(looking.recipients)
        self._state = cache(looking.state_of)
        self._workday = cache(lambda organisation, day: directory.is_workday(connection, organisation, day))

    def about(self, notice: Notice) -> tuple[Sequence[Recipient], str | None]:
        """Who is to be told now, and the state the case stands in."""
        if notice.case == LOGBOOK and len(notice.audience) == 1 and notice.audience[0].startswith(PERSON):
            him = self.person(notice.organisation, notice.audience[0].removeprefix(PERSON))
            return ([] if him is None else [him]), None
        question = (notice.organisation, notice.case, notice.audience)
        return self.recipients(*question), self._state(notice.organisation, notice.case)

    def person(self, organisation: str, key: str) -> Recipient | None:
        """He as the directory knows him now; None when he is not active any more."""
        if key in (NOBODY, ORGANISATION) or key.startswith(GROUP):
            return None
        if (organisation, key) not in self._people:
            self.about_people(organisation, [key])
        return self._people[organisation, key]

    def about_people(self, organisation: str, keys: Sequence[str]) -> None:
        """Look all of these up at once."""
        asked = [key for key in dict.fromkeys(keys) if (organisation, key) not in self._people]
        if not asked:
            return
        audience = tuple(f"{PERSON}{key}" for key in asked)
        found = self.recipients(organisation, LOGBOOK, audience)
        known = {recipient.person: recipient for recipient in found}
        self._people |= {(organisation, key): known.get(key) for key in asked}

    def reader(self, organisation: str, person: str) -> tuple[Recipient, Situation] | None:
        """Somebody as a reader, and what decides how he is told; None for whom the directory does not know as active."""
        him = self.person(organisation, person)
        return None if him is None else (him, replace(self.hours(organisation), ways=self._ways(organisation)))

    def called(self, organisation: str, department: str | None) -> dict[str, str] | None:
        """The department's title."""
        found = None if department is None else self.office.directory.called(self.connection, organisation, department)
        return None if found is None else found.to_json()

    def workdays(self, organisation: str) -> Callable[[date], bool]:
        return lambda day: self._workday(organisation, day)

    def hours(self, organisation: str) -> Situation:
        """As much of it as says when people may be sent something."""
        return Situation(self._school(organisation), self.time_zone(organisation), (), self._preferences(organisation))

    def forget_unreached(self, organisation: str) -> None:
        """Something was written down, or is over: it is looked up anew."""
        self._unreached.pop(organisation, None)

    def situation(self, organisation: str, people: Sequence[Recipient]) -> Situation:
        """What routing has to know to reach these people. What is written down against an address that is not theirs any more
        is forgotten.
        """
        ways = self._ways(organisation)
        if organisation not in self._unreached:
            self._unreached[organisation] = readers.unreached(self.connection, organisation)
        by_key = {recipient.person: recipient for recipient in people}
        kinds = {way.channel.name: way.channel for way in ways}
        unreached: dict[str, tuple[str, ...]] = {}
        unworkable: set[tuple[str, str]] = set()
        for known in self._unreached[organisation]:
            if known.person not in by_key:
                continue
            kind = kinds.get(known.channel)
            address = None if kind is None else kind.address_of(by_key[known.person])
            if known.address and (address is None or readers.hash_of(address) != known.address):
                readers.reached(self.connection, organisation, known.person, known.channel)
                self.forget_unreached(organisation)
                continue
            unreached[known.person] = (*unreached.get(known.person, ()), known.channel)
            if known.address:
                unworkable.add((known.person, known.channel))
        return Situation(
            self._school(organisation), self.time_zone(organisation), ways,
            self._preferences(organisation), unworkable, unreached,
        )  # fmt: skip


def ways_of(office: PostOffice, connection: Connection, organisation: str) -> list[Way]:
    """How this organisation can send: by what needs no account, and by each of its accounts."""
    kinds = {channel.name: channel for channel in office.channels}
    ways = [Way(channel, channel.name) for channel in office.channels if needs_no_account(channel)]
    set_up = [s for s in office.book.in_use(connection, organisation) if s.kind in kinds]
    own = [s for s in set_up if not needs_no_account(kinds[s.kind])]
    states = accounts.states_of(connection, organisation) if own else {}
    now = office.clock.now()

    def way(set_up: SetUp) -> Way:
        state = states.get(set_up.id) or State(set_up.id)
        paused = state.paused_until is not None and state.paused_until > now
        return Way(
            kinds[set_up.kind], set_up.id, set_up.department, daily_list=set_up.daily_list, direct=set_up.direct,
            in_order=not (paused and state.down), works=not state.down,
        )  # fmt: skip

    return ways + [way(set_up) for set_up in own]


def school_of(office: PostOffice, connection: Connection, organisation: str) -> SchoolSettings:
    """As this organisation decided them."""
    return as_decided(office, office.directory.decided(connection, organisation))


def as_decided(office: PostOffice, decided: Mapping[str, Any]) -> SchoolSettings:
    """The defaults where what it decided cannot be read."""
    try:
        return settings_of(office.school, decided)
    except ValueError:
        log.exception("what a school decided about its messages cannot be read; it has the defaults")
        return office.school
