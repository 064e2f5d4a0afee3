"""The directory: organisations, departments, people, roles in a scope, groups, absences; and who is meant right now."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any, NamedTuple, Self, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, Grant
from engine.case import OF_ONESELF, UNCONFIRMED, Case
from engine.directory import (
    AT,
    Absence,
    Department,
    Directory,
    Group,
    Organisation,
    Person,
    Seat,
    bureaus_above,
)
from engine.errors import Text
from engine.events import LOOKS_AFTER, PERSON, Recipient
from engine.store import calendars, cases
from engine.store.database import naming, one_at_a_time, table_of, upsert
from engine.store.statements import Listing, Question, Statement, ask
from engine.store.statements import Row as StoredRow
from engine.store.tables import (
    AbsenceRow,
    DepartmentRow,
    DirectoryChangeRow,
    GroupRow,
    OrganisationRow,
    PersonRow,
    RoleGrantRow,
    SeatRow,
)


class AtWork(NamedTuple):
    """An organisation, and as much of its directory as says what somebody may be there."""

    organisation: Organisation
    around: Directory


T = TypeVar("T")

_organisations = table_of(OrganisationRow)
_departments = table_of(DepartmentRow)
_people = table_of(PersonRow)
_grants = table_of(RoleGrantRow)
_groups = table_of(GroupRow)
_seats = table_of(SeatRow)
_absences = table_of(AbsenceRow)
_changes = table_of(DirectoryChangeRow)

# prebuilt: most commands ask for them
_DEPARTMENT = Statement(
    select(_departments.c.code).where(
        _departments.c.organisation == bindparam("organisation"), _departments.c.code == bindparam("code")
    )
)
_PERSON = Statement(
    select(_people).where(_people.c.organisation == bindparam("organisation"), _people.c.person == bindparam("person"))
)
# and every request
_BY_DAY = (_absences.c.first_day, _absences.c.id)
_ORGANISATION = Statement(select(_organisations).where(_organisations.c.organisation == bindparam("organisation")))
_GRANTS_OF = Statement(
    select(_grants)
    .where(_grants.c.organisation == bindparam("organisation"), _grants.c.person == bindparam("person"))
    .order_by(_grants.c.role, _grants.c.scope)
)
_DELEGATED = Statement(
    select(_absences)
    .where(_absences.c.organisation == bindparam("organisation"), _absences.c.delegate == bindparam("person"))
    .order_by(*_BY_DAY)
)
_AWAY = Statement(
    select(_absences)
    .where(
        _absences.c.organisation == bindparam("organisation"),
        _absences.c.first_day <= bindparam("today"),
        _absences.c.last_day >= bindparam("today"),
    )
    .order_by(*_BY_DAY)
)
_GROUPS = Statement(select(_groups).where(_groups.c.organisation == bindparam("organisation")).order_by(_groups.c.code))
_SEATS = Statement(
    select(_seats).where(_seats.c.organisation == bindparam("organisation")).order_by(_seats.c.kind, _seats.c.holder)
)

# --- organisations and departments -----------------------------------------------------------------------------------


def add_organisation(connection: Connection, organisation: Organisation) -> None:
    values = {
        "organisation": organisation.organisation, "name_zh": organisation.name.zh, "name_en": organisation.name.en,
        "time_zone": organisation.time_zone, "kind": organisation.kind, "parent": organisation.parent,
    }  # fmt: skip
    connection.execute(insert(_organisations), values)


def organisations(connection: Connection) -> list[Organisation]:
    return [
        _organisation(row) for row in connection.execute(select(_organisations).order_by(_organisations.c.organisation))
    ]


def at_most_one_organisation(connection: Connection) -> bool:
    return len(connection.execute(select(_organisations.c.organisation).limit(2)).all()) < 2


def organisation(connection: Connection, key: str) -> Organisation | None:
    row = _ORGANISATION.first(connection, {"organisation": key})
    return None if row is None else _organisation(row)


def above(connection: Connection, key: str) -> list[str]:
    """The bureau above this organisation, the one above that, and so on."""

    def look_up(named: str) -> Organisation | None:
        naming(connection, named)
        return organisation(connection, named)

    return bureaus_above(key, look_up)


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(row.organisation, Text(row.name_zh, row.name_en), row.time_zone, row.kind, row.parent)


def place_under(connection: Connection, organisation: str, parent: str) -> None:
    """Say which bureau is above an organisation."""
    mine = _organisations.c.organisation == organisation
    connection.execute(update(_organisations).where(mine).values(parent=parent))


def add_department(connection: Connection, department: Department) -> None:
    values = {
        "organisation": department.organisation, "code": department.code, "name_zh": department.name.zh,
        "name_en": department.name.en, "external": department.external,
    }  # fmt: skip
    connection.execute(insert(_departments), values)


def update_department(connection: Connection, department: Department) -> None:
    """Call a department otherwise; its code stays."""
    here = (_departments.c.organisation == department.organisation, _departments.c.code == department.code)
    values = {"name_zh": department.name.zh, "name_en": department.name.en, "external": department.external}
    connection.execute(update(_departments).where(*here).values(values))


def departments(connection: Connection, organisation: str) -> list[Department]:
    statement = select(_departments).where(_departments.c.organisation == organisation).order_by(_departments.c.code)
    return [
        Department(r.organisation, r.code, Text(r.name_zh, r.name_en), r.external)
        for r in connection.execute(statement)
    ]


def department_exists(connection: Connection, organisation: str, code: str) -> bool:
    return asking_department(organisation, code).ask(connection)


def asking_department(organisation: str, code: str) -> Question[bool]:
    """Whether there is one of this code; to be asked together with other questions."""
    return Question(_DEPARTMENT, {"organisation": organisation, "code": code}, bool)


# --- people and grants -----------------------------------------------------------------------------------------------


def add_person(connection: Connection, person: Person, grants: Iterable[Grant] = ()) -> None:
    values = {
        "organisation": person.organisation, "person": person.person, "name": person.name,
        "department": person.department, "locale": person.locale, "addresses": dict(person.addresses),
        "active": person.active, "staff_number": person.staff_number, "post": person.post, "human": person.human,
    }  # fmt: skip
    connection.execute(insert(_people), values)
    for grant in grants:
        give(connection, person.organisation, person.person, grant)


def give(connection: Connection, organisation: str, person: str, grant: Grant) -> None:
    """Grant a role in a scope; granting it again sets its dates anew."""
    values = {
        "organisation": organisation, "person": person, "role": grant.role, "scope": grant.scope,
        "valid_from": grant.valid_from, "valid_until": grant.valid_until,
    }  # fmt: skip
    statement = upsert(_grants).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["organisation", "person", "role", "scope"],
            set_={"valid_from": grant.valid_from, "valid_until": grant.valid_until},
        )
    )


def withdraw(connection: Connection, organisation: str, person: str, role: str, scope: str, last_day: date) -> None:
    """End a grant with this day; it stays on record."""
    connection.execute(
        update(_grants)
        .where(
            _grants.c.organisation == organisation,
            _grants.c.person == person,
            _grants.c.role == role,
            _grants.c.scope == scope,
        )
        .values(valid_until=last_day)
    )


def update_person(connection: Connection, person: Person) -> None:
    """Write everything down that the directory knows of him; his key and his organisation stay."""
    values = {
        "name": person.name, "department": person.department, "locale": person.locale,
        "addresses": dict(person.addresses), "active": person.active, "staff_number": person.staff_number,
        "post": person.post, "human": person.human,
    }  # fmt: skip
    here = (_people.c.organisation == person.organisation, _people.c.person == person.person)
    connection.execute(update(_people).where(*here).values(values))


def link(connection: Connection, accounts: Collection[tuple[str, str]]) -> str:
    """Say that these accounts (organisation, person) are one human being's; those linked to any of them come along."""
    rows = [connection.execute(select(_people).where(_is(*account))).one() for account in accounts]
    known = {row.human for row in rows if row.human is not None}
    human = min(known) if known else secrets.token_hex(16)
    mine = [_is(*account) for account in accounts]
    connection.execute(update(_people).where(or_(*mine, _people.c.human.in_(sorted(known)))).values(human=human))
    return human


def _is(organisation: str, key: str) -> Any:
    return (_people.c.organisation == organisation) & (_people.c.person == key)


def people(connection: Connection, organisation: str) -> list[Person]:
    statement = select(_people).where(_people.c.organisation == organisation).order_by(_people.c.person)
    return [_person(row) for row in connection.execute(statement)]


def with_staff_number(connection: Connection, organisation: str, number: str) -> Person | None:
    """Whose staff number this is, active or not."""
    mine = (_people.c.organisation == organisation, _people.c.staff_number == number)
    row = connection.execute(select(_people).where(*mine)).first()
    return None if row is None else _person(row)


def person(connection: Connection, organisation: str, key: str) -> Person | None:
    """By the key this organisation's records use: `key@home` is somebody of another one."""
    own, _, home = key.partition(AT)
    if home:
        naming(connection, key)
    return asking_who(home or organisation, own).ask(connection)


def asking_who(organisation: str, key: str) -> Question[Person | None]:
    """As `person`, to be asked together with other questions; of somebody of this organisation."""
    return Question(
        _PERSON, {"organisation": organisation, "person": key}, lambda rows: _person(rows[0]) if rows else None
    )


def some(connection: Connection, organisation: str, keys: Iterable[str]) -> dict[str, Person]:
    """Those of these keys that somebody has, by key: as `person`, of many at once."""
    return _of_keys(connection, organisation, keys)


def names(connection: Connection, organisation: str) -> dict[str, str]:
    """Person key → the name screens and papers show."""
    known = {found.person: found.name for found in people(connection, organisation)}
    strangers = select(_grants.c.person).where(_grants.c.organisation == organisation, _grants.c.person.contains(AT))
    for key in connection.execute(strangers.distinct()).scalars():
        stranger = person(connection, organisation, key)
        if stranger is not None:
            known[key] = stranger.name
    return known


def grants_of(connection: Connection, organisation: str, key: str) -> list[Grant]:
    return asking_grants_of(organisation, key).ask(connection)


def asking_grants_of(organisation: str, key: str) -> Question[list[Grant]]:
    """As `grants_of`, to be asked together with other questions."""
    return Question(_GRANTS_OF, {"organisation": organisation, "person": key}, lambda rows: [*map(_grant, rows)])


def _grant(row: Row[Any] | StoredRow) -> Grant:
    return Grant(row.role, row.scope, row.valid_from, row.valid_until)


def _person(row: Row[Any] | StoredRow) -> Person:
    return Person(
        row.organisation, row.person, row.name, row.department, row.locale, row.addresses, row.active, row.staff_number,
        row.post, row.human,
    )  # fmt: skip


# --- groups and absences ---------------------------------------------------------------------------------------------


def set_group(connection: Connection, organisation: str, group: Group) -> None:
    """Write a group down as it shall be from now on, its seats included."""
    for table in (_seats, _groups):
        connection.execute(delete(table).where(table.c.organisation == organisation, table.c.code == group.code))
    values = {
        "organisation": organisation, "code": group.code, "name_zh": group.name.zh, "name_en": group.name.en,
        "least": group.least,
    }  # fmt: skip
    connection.execute(insert(_groups), values)
    for seat in group.seats:
        values = {
            "organisation": organisation, "code": group.code, "kind": seat.kind, "holder": seat.holder,
            "rank": seat.rank, "valid_from": seat.valid_from, "valid_until": seat.valid_until,
        }  # fmt: skip
        connection.execute(insert(_seats), values)


def groups(connection: Connection, organisation: str) -> list[Group]:
    return _as_groups(*ask(connection, _asking_groups(organisation)))


def _asking_groups(organisation: str) -> tuple[Question[list[StoredRow]], Question[list[StoredRow]]]:
    here = {"organisation": organisation}
    return Question(_GROUPS, here, list), Question(_SEATS, here, list)


def _as_groups(groups_found: Iterable[StoredRow], seats_found: Iterable[StoredRow]) -> list[Group]:
    seats: dict[str, list[Seat]] = {}
    for row in seats_found:
        seat = Seat(row.kind, row.holder, row.rank, row.valid_from, row.valid_until)
        seats.setdefault(row.code, []).append(seat)
    return [Group(r.code, Text(r.name_zh, r.name_en), tuple(seats.get(r.code, ())), r.least) for r in groups_found]


def add_absence(connection: Connection, organisation: str, absence: Absence) -> None:
    values = {
        "organisation": organisation, "id": absence.id, "person": absence.person, "delegate": absence.delegate,
        "duties": sorted(absence.duties), "first_day": absence.first_day, "last_day": absence.last_day,
    }  # fmt: skip
    connection.execute(insert(_absences), values)


def end_absence(connection: Connection, organisation: str, key: str, last_day: date) -> bool:
    """He is back: the absence ends with this day. False when there is none of this name."""
    here = (_absences.c.organisation == organisation, _absences.c.id == key)
    return connection.execute(update(_absences).where(*here).values(last_day=last_day)).rowcount == 1


def absences(connection: Connection, organisation: str) -> list[Absence]:
    statement = select(_absences).where(_absences.c.organisation == organisation).order_by(*_BY_DAY)
    return [_absence(row) for row in connection.execute(statement)]


def _absence(row: Row[Any]) -> Absence:
    return Absence(row.id, row.person, row.first_day, row.last_day, row.delegate, frozenset(row.duties))


def record_change(
    connection: Connection, organisation: str, by: str, what: str, about: Mapping[str, Any], at: datetime
) -> None:
    """Keep what was changed in the directory, by whom: `what` is a short stable word, `about` plain JSON."""
    record_changes(connection, organisation, by, [(what, about)], at)


def record_changes(
    connection: Connection, organisation: str, by: str, done: Iterable[tuple[str, Mapping[str, Any]]], at: datetime
) -> None:
    """As `record_change`, for what one command changed in many entries."""
    change_alone(connection, organisation)
    first = last_change(connection, organisation) + 1
    values = [
        {"organisation": organisation, "id": number, "at": at, "by": by, "what": what, "about": dict(about)}
        for number, (what, about) in enumerate(done, start=first)
    ]
    if values:
        connection.execute(insert(_changes), values)


def change_alone(connection: Connection, organisation: str) -> None:
    """Until this transaction ends nobody else changes this organisation's directory."""
    one_at_a_time(connection, f"directory of {organisation}")


def last_change(connection: Connection, organisation: str) -> int:
    """The number of the last change on record, 0 before the first."""
    last = select(func.coalesce(func.max(_changes.c.id), 0)).where(_changes.c.organisation == organisation)
    return int(connection.execute(last).scalar_one())


def changes(connection: Connection, organisation: str) -> list[dict[str, Any]]:
    """Every change of the directory, oldest first."""
    statement = select(_changes).where(_changes.c.organisation == organisation).order_by(_changes.c.id)
    return [dict(row._mapping) for row in connection.execute(statement)]


def newest_changes(
    connection: Connection, organisation: str, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """The last of them, newest first, at most `limit`; `before` leaves out the change of this number and all after it."""
    statement = select(_changes).where(_changes.c.organisation == organisation)
    if before is not None:
        statement = statement.where(_changes.c.id < before)
    rows = connection.execute(statement.order_by(_changes.c.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]


# --- the directory as a value ----------------------------------------------------------------------------------------


def directory(connection: Connection, organisation: str) -> Directory:
    """All of it: for questions about the school as a whole."""
    known = {found.person: found for found in people(connection, organisation)}
    grants: dict[str, list[Grant]] = {}
    statement = select(_grants).where(_grants.c.organisation == organisation).order_by(_grants.c.role, _grants.c.scope)
    for row in connection.execute(statement):
        grants.setdefault(row.person, []).append(_grant(row))
    sitting, away = groups(connection, organisation), absences(connection, organisation)
    named = {*grants, *(seat.holder for group in sitting for seat in group.seats)}
    named |= {key for absence in away for key in (absence.person, absence.delegate) if key is not None}
    for key in sorted(named - set(known)):
        if AT in key and (stranger := person(connection, organisation, key)) is not None:
            known[key] = stranger
    for other in _alike(connection, known.values()):
        known.setdefault(other.key_in(organisation), other)
    return Directory(
        organisation,
        known,
        {key: tuple(held) for key, held in grants.items()},
        tuple(sitting),
        tuple(away),
        tuple(departments(connection, organisation)),
    )


def directory_around(connection: Connection, organisation: str, *keys: str) -> Directory:
    """As much of it as says what these people may be: they themselves, their other accounts, those they can stand in for."""
    _, found = _looked_around(connection, organisation, keys)
    return found


def at_work(connection: Connection, organisation: str, key: str) -> AtWork | None:
    """The organisation, and the directory around this person; None where there is no such organisation."""
    there, found = _looked_around(connection, organisation, [key])
    return None if there is None else AtWork(there, found)


def asking_at_work(organisation: str, key: str) -> list[Question[Any]]:
    """What most often is all there is to ask for `at_work`, of somebody of this organisation; see `at_work_alone`."""
    return _asking_around(organisation, [key])


def at_work_alone(organisation: str, key: str, answers: Sequence[Any]) -> AtWork | None:
    """As `at_work`, from the answers to `asking_at_work`; None where they do not say it all: he is not to be found, has
    another account, or somebody else's duties.
    """
    found = _Around.of([key], answers)
    if found.organisation is None or found.handed_on or any(him.human for him in found.people.values()):
        return None
    return AtWork(found.organisation, found.directory(organisation)) if found.people else None


def _looked_around(
    connection: Connection, organisation: str, keys: Iterable[str]
) -> tuple[Organisation | None, Directory]:
    """What most often is all there is to know is asked for at once: on a server it is one journey."""
    wanted = list(dict.fromkeys(keys))
    strangers = _strangers(connection, organisation, wanted)
    found = _Around.of(wanted, ask(connection, _asking_around(organisation, wanted)), strangers)
    known, grants = found.people, found.grants
    if away := [key for key in dict.fromkeys(absence.person for absence in found.handed_on) if key not in known]:
        known |= _of_keys(connection, organisation, away)
        grants |= zip(away, ask(connection, [asking_grants_of(organisation, key) for key in away]), strict=True)
    for other in _alike(connection, known.values()):
        known.setdefault(other.key_in(organisation), other)
    return found.organisation, found.directory(organisation)


def _asking_around(organisation: str, wanted: Sequence[str]) -> list[Question[Any]]:
    here = {"organisation": organisation}
    return [
        Question(_ORGANISATION, here, lambda rows: _organisation(rows[0]) if rows else None),
        *_asking_groups(organisation),
        *(asking_who(organisation, key) for key in wanted if AT not in key),
        *(asking_grants_of(organisation, key) for key in wanted),
        *(Question(_DELEGATED, {**here, "person": key}, lambda rows: [*map(_absence, rows)]) for key in wanted),
    ]


@dataclass
class _Around:
    """What was found of some people, and what else says who they may be."""

    organisation: Organisation | None
    groups: list[Group]
    people: dict[str, Person]
    grants: dict[str, list[Grant]]
    handed_on: list[Absence]

    @classmethod
    def of(cls, wanted: Sequence[str], answers: Iterable[Any], strangers: Mapping[str, Person] | None = None) -> Self:
        """From the answers to `_asking_around`; strangers were looked for before."""
        found = iter(answers)
        there, in_groups, in_seats = next(found), next(found), next(found)
        known = {**(strangers or {})}
        known |= {key: person for key in wanted if AT not in key and (person := next(found)) is not None}
        grants = {key: next(found) for key in wanted}
        handed_on = [absence for key in wanted for absence in next(found) if key in known]
        handed_on.sort(key=lambda absence: (absence.first_day, absence.id))
        return cls(there, _as_groups(in_groups, in_seats), known, grants, handed_on)

    def directory(self, organisation: str) -> Directory:
        held = {key: tuple(of_him) for key, of_him in self.grants.items() if of_him and key in self.people}
        return Directory(organisation, self.people, held, tuple(self.groups), tuple(self.handed_on))


def _strangers(connection: Connection, organisation: str, keys: Iterable[str]) -> dict[str, Person]:
    """Those of other organisations among these keys whom somebody has."""
    return {key: found for key in keys if AT in key and (found := person(connection, organisation, key)) is not None}


def _alike(connection: Connection, known: Iterable[Person]) -> list[Person]:
    """Every account, in whichever organisation, of those of whom more than one is known to be."""
    humans = sorted({found.human for found in known if found.human is not None})
    if not humans:
        return []
    naming(connection, *humans)
    return [_person(row) for row in connection.execute(select(_people).where(_people.c.human.in_(humans)))]


def actor(connection: Connection, organisation: str, key: str, today: date) -> Actor | None:
    """The person as an actor, with what he holds today; None when he is unknown or no longer active."""
    return directory_around(connection, organisation, key).actor(key, today)


def actors(connection: Connection, organisation: str, key: str, today: date) -> tuple[Actor, ...]:
    """Everything the person can act as today: himself first, then each he represents; nothing when he is not active."""
    return tuple(directory_around(connection, organisation, key).actors(key, today))


# --- who is meant ----------------------------------------------------------------------------------------------------


def recipients(
    connection: Connection, organisation: str, number: str, audience: Iterable[str], today: date
) -> list[Recipient]:
    """The people these roles and relations mean for this case on this day: current holders and who stands in for them,
    each once, in order. Without such a case only those remain who are meant whatever it is about.
    """
    return Looking(connection, organisation, today).recipients(number, audience)


def called_upon(
    connection: Connection, case: Case, audiences: Sequence[tuple[str, ...]], today: date
) -> list[list[tuple[str, Person, str]]]:
    """For each of these audiences, (key, person, the role or relation he is meant by) of everyone active, and who stands in
    for him, each once. What several audiences have in common is looked up once.
    """
    calling = _Calling(connection, case.organisation, today)
    called = [calling.by(case, audience)[0] for audience in audiences]
    everyone = _of_keys(connection, case.organisation, {key for found in called for key in found})
    return [
        [(key, everyone[key], name) for key, name in found.items() if key in everyone and everyone[key].active]
        for found in called
    ]


def addressed(connection: Connection, organisation: str, audience: Iterable[str], today: date) -> list[str]:
    """The keys of everybody of the organisation who is meant by one of these (`engine.definition.AudienceRef`) and is active
    this day, in the order of the directory.
    """
    meant: set[str] = set()
    everybody = {found.person: found for found in people(connection, organisation) if found.active}
    for said in audience:
        sort, _, name = said.partition(":")
        if sort == "everyone":
            meant |= everybody.keys()
        elif sort == "department":
            meant |= {key for key, found in everybody.items() if found.department == name}
        elif sort == "person":
            meant.add(name)
        else:  # a group's members hold the role of its code
            meant |= {key for key, _ in holders(connection, organisation, name, today)}
    return [key for key in everybody if key in meant]


def looked_after_together(
    connection: Connection, organisation: str, persons: Sequence[Person], roles: tuple[str, ...], today: date
) -> list[list[Person]]:
    """These people in groups that the same others look after (`looking_after`), in their order."""
    calling = _Calling(connection, organisation, today)
    found: dict[tuple[str, ...], list[Person]] = {}
    for one in persons:
        found.setdefault(tuple(calling.looking_after(one, roles)), []).append(one)
    return list(found.values())


def waiting_for_each(
    connection: Connection, organisation: str, waiting: Iterable[tuple[Case, tuple[str, ...], T]], today: date
) -> dict[str, list[T]]:
    """Person → of the cases that wait for him, or for somebody he stands in for, what the caller wants to know.

    waiting   each case with those it waits for and what is to be known of it
    Looks each role up once, however many cases there are.
    """
    calling = _Calling(connection, organisation, today)
    found: dict[str, list[T]] = {}
    for case, awaited, known_of_it in waiting:
        for key in calling.by(case, awaited)[0]:
            found.setdefault(key, []).append(known_of_it)
    known = _of_keys(connection, organisation, found)
    return {key: mine for key, mine in found.items() if key in known and known[key].active}


class _Calling:
    """Who is called upon in an organisation on one day. Whatever was looked up once is not looked up again."""

    def __init__(self, connection: Connection, organisation: str, today: date) -> None:
        self._connection = connection
        self._organisation = organisation
        self._today = today
        self._held: dict[str, list[tuple[str, str]]] = {}
        self._known: set[str] = set()
        self._active: set[str] = set()

    @cached_property
    def _away(self) -> dict[str, list[Absence]]:
        found: dict[str, list[Absence]] = {}
        for row in _AWAY.all(self._connection, {"organisation": self._organisation, "today": self._today}):
            found.setdefault(row.person, []).append(_absence(row))
        return found

    def is_away(self, person: str) -> bool:
        return person in self._away

    def by(self, case: Case | None, audience: tuple[str, ...]) -> tuple[dict[str, str], dict[str, set[str]]]:
        """Person → by which name of the audience he is called, active or not; and who is away → who stands in for him."""
        found: dict[str, str] = {}
        stood_in_for: dict[str, set[str]] = {}
        for name in audience:
            role = name.removesuffix(ANOTHER_DEPARTMENT)
            for key in self._meant(case, name):
                found.setdefault(key, name)
                if name in OF_ONESELF:
                    continue  # nobody else can know in his place
                for absence in self._away.get(key, ()):
                    if absence.delegate and (not absence.duties or role in absence.duties):
                        found.setdefault(absence.delegate, name)
                        stood_in_for.setdefault(key, set()).add(absence.delegate)
        return found, stood_in_for

    def _meant(self, case: Case | None, name: str) -> list[str]:
        """Relations first, then roles by scope. `holder` was put into roles and relations when the notice was written."""
        if name.startswith(PERSON):
            return [name.removeprefix(PERSON)]
        if name.startswith(LOOKS_AFTER):
            key, roles = name.removeprefix(LOOKS_AFTER).rsplit(":", 1)
            return self._looking_after(key, roles.split(","))
        if case is None:
            return []
        if name == "assignee":
            return [case.assignee] if case.assignee else []
        if name in ("reporter", "inspector"):
            return [case.reporter] if case.reporter else []
        if name == UNCONFIRMED:
            return list(case.unconfirmed)
        if name in case.acted:
            return list(case.acted[name])
        if name.endswith(ANOTHER_DEPARTMENT):
            held = self._holders(name.removesuffix(ANOTHER_DEPARTMENT))
            return [person for person, scope in held if scope not in (case.department, WHOLE_ORGANISATION)]
        return [person for person, scope in self._holders(name) if scope in (case.department, WHOLE_ORGANISATION)]

    def _looking_after(self, key: str, roles: Iterable[str]) -> list[str]:
        him = person(self._connection, self._organisation, key)
        return self.looking_after(him or Person(self._organisation, key, key), roles)

    def looking_after(self, him: Person, roles: Iterable[str]) -> list[str]:
        """Whoever holds the first of these roles that anybody active but himself holds for his department."""
        for role in roles:
            held = [
                other
                for other, scope in self._holders(role)
                if scope in (him.department, WHOLE_ORGANISATION) and other != him.person
            ]
            if not self._known.issuperset(held):
                self._active |= {
                    key for key, who in _of_keys(self._connection, self._organisation, held).items() if who.active
                }
                self._known |= set(held)
            if found := [other for other in held if other in self._active]:
                return found
        return []

    def _holders(self, role: str) -> list[tuple[str, str]]:
        if role not in self._held:
            self._held[role] = holders(self._connection, self._organisation, role, self._today)
        return self._held[role]


class Looking:
    """Who is to be told in an organisation on one day, for a transaction that asks much: each case, role and person is looked
    up once.
    """

    def __init__(self, connection: Connection, organisation: str, today: date) -> None:
        self._connection = connection
        self._organisation = organisation
        self._calling = _Calling(connection, organisation, today)
        self._people: dict[str, Person | None] = {}
        self.case = cache(lambda number: cases.load(connection, organisation, number))

    def recipients(self, number: str, audience: Iterable[str]) -> list[Recipient]:
        """As `recipients`."""
        names = tuple(audience)
        about_people = all(name.startswith((PERSON, LOOKS_AFTER)) for name in names)
        found, stood_in_for = self._calling.by(None if about_people else self.case(number), names)
        everyone = self._active(found)
        # a delegate who is away as well is told, but whom he stands in for is not left out for him: somebody has to see it
        there = {key for key in everyone if not self._calling.is_away(key)}
        away = {key for key, delegates in stood_in_for.items() if delegates & there}
        return [
            Recipient(key, p.name, "en" if p.locale == "en" else "zh", p.addresses, p.department, key in away)
            for key in found
            if (p := everyone.get(key)) is not None
        ]

    def _active(self, keys: Iterable[str]) -> dict[str, Person]:
        wanted = list(keys)
        if new := [key for key in wanted if key not in self._people]:
            known = _of_keys(self._connection, self._organisation, new)
            self._people |= {key: known.get(key) for key in new}
        return {key: who for key in wanted if (who := self._people[key]) is not None and who.active}


_OF_KEYS = Listing(
    lambda keys: select(_people).where(_people.c.organisation == bindparam("organisation"), _people.c.person.in_(keys))
)
_HOLDING = Statement(
    select(_grants)
    .where(_grants.c.organisation == bindparam("organisation"), _grants.c.role == bindparam("role"))
    .order_by(_grants.c.person, _grants.c.scope)
)
_SEATED = Statement(
    select(_seats)
    .where(_seats.c.organisation == bindparam("organisation"), _seats.c.code == bindparam("code"))
    .order_by(_seats.c.kind, _seats.c.holder)
)


def _of_keys(connection: Connection, organisation: str, keys: Iterable[str]) -> dict[str, Person]:
    """Those of these keys that somebody has, in their order."""
    wanted = list(dict.fromkeys(keys))
    mine = [key for key in wanted if AT not in key]
    rows = _OF_KEYS.all(connection, mine, {"organisation": organisation})
    known = {row.person: _person(row) for row in rows}
    known |= _strangers(connection, organisation, wanted)
    return {key: known[key] for key in wanted if key in known}


def holders(connection: Connection, organisation: str, role: str, today: date) -> list[tuple[str, str]]:
    """(person, scope) of whoever holds a role that day, by himself or in a group: as `Directory.holders` finds them, active
    or not, without reading the whole directory.
    """
    rows = _HOLDING.all(connection, {"organisation": organisation, "role": role})
    found = {(row.person, row.scope): None for row in rows if _grant(row).holds_on(today)}
    for row in _SEATED.all(connection, {"organisation": organisation, "code": role}):
        if not Seat(row.kind, row.holder, row.rank, row.valid_from, row.valid_until).holds_on(today):
            continue
        if row.kind == "person":
            found[row.holder, WHOLE_ORGANISATION] = None
        else:
            by_role = _HOLDING.all(connection, {"organisation": organisation, "role": row.holder})
            found |= {(held.person, WHOLE_ORGANISATION): None for held in by_role if _grant(held).holds_on(today)}
    return list(found)


def holders_from(connection: Connection, organisation: str, roles: Collection[str], today: date) -> frozenset[str]:
    """Whoever was granted one of these roles that he holds on this day or on one still to come; of groups not who sits in them."""
    rows = [row for role in roles for row in _HOLDING.all(connection, {"organisation": organisation, "role": role})]
    granted = ((row.person, _grant(row)) for row in rows)
    return frozenset(person for person, grant in granted if grant.valid_until is None or grant.valid_until >= today)


def looking(connection: Connection, organisation: str, now: datetime) -> Looking:
    """As of this instant: what the delivery worker asks of the directory."""
    return Looking(connection, organisation, now.astimezone(time_zone(connection, organisation)).date())


def time_zone(connection: Connection, organisation: str) -> ZoneInfo:
    [row] = _ORGANISATION.all(connection, {"organisation": organisation})
    return ZoneInfo(row.time_zone)


def shared_zone(connection: Connection) -> ZoneInfo | None:
    """The time zone of every organisation there is; None where they differ, and while there is none."""
    zones = connection.execute(select(_organisations.c.time_zone).distinct().limit(2)).scalars().all()
    return ZoneInfo(zones[0]) if len(zones) == 1 else None


def is_workday(connection: Connection, organisation: str, day: date) -> bool:
    calendar = calendars.newest(connection, organisation)
    return calendar.is_workday(day) if calendar else day.weekday() < 5  # Saturday is 5
