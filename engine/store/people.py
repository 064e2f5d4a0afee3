"""The directory: organisations, departments, people, roles in a scope, tokens; and who is meant by a role right now."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, Grant
from engine.case import Case
from engine.errors import Text
from engine.events import Recipient
from engine.store import calendars, cases
from engine.store.database import table_of
from engine.store.tables import DepartmentRow, OrganisationRow, PersonRow, RoleGrantRow, TokenRow

_organisations = table_of(OrganisationRow)
_departments = table_of(DepartmentRow)
_people = table_of(PersonRow)
_grants = table_of(RoleGrantRow)
_tokens = table_of(TokenRow)


@dataclass(frozen=True, slots=True)
class Organisation:
    organisation: str
    name: Text
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Department:
    organisation: str
    code: str
    name: Text
    external: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A person by key. `name` is what screens show: in demo data always a post."""

    organisation: str
    person: str
    name: str
    department: str | None = None
    locale: str = "zh"
    addresses: Mapping[str, str] = field(default_factory=dict)
    active: bool = True


# --- organisations and departments -----------------------------------------------------------------------------------


def add_organisation(connection: Connection, organisation: Organisation) -> None:
    values = {
        "organisation": organisation.organisation, "name_zh": organisation.name.zh, "name_en": organisation.name.en,
        "time_zone": organisation.time_zone,
    }  # fmt: skip
    connection.execute(insert(_organisations), values)


def organisations(connection: Connection) -> list[Organisation]:
    rows = connection.execute(select(_organisations).order_by(_organisations.c.organisation))
    return [Organisation(r.organisation, Text(r.name_zh, r.name_en), r.time_zone) for r in rows]


def organisation(connection: Connection, key: str) -> Organisation | None:
    return next((o for o in organisations(connection) if o.organisation == key), None)


def add_department(connection: Connection, department: Department) -> None:
    values = {
        "organisation": department.organisation, "code": department.code, "name_zh": department.name.zh,
        "name_en": department.name.en, "external": department.external,
    }  # fmt: skip
    connection.execute(insert(_departments), values)


def departments(connection: Connection, organisation: str) -> list[Department]:
    statement = select(_departments).where(_departments.c.organisation == organisation).order_by(_departments.c.code)
    return [
        Department(r.organisation, r.code, Text(r.name_zh, r.name_en), r.external)
        for r in connection.execute(statement)
    ]


def department_exists(connection: Connection, organisation: str, code: str) -> bool:
    here = (_departments.c.organisation == organisation, _departments.c.code == code)
    return connection.execute(select(_departments.c.code).where(*here)).first() is not None


# --- people and grants -----------------------------------------------------------------------------------------------


def add_person(connection: Connection, person: Person, grants: Iterable[Grant] = ()) -> None:
    values = {
        "organisation": person.organisation, "person": person.person, "name": person.name,
        "department": person.department, "locale": person.locale, "addresses": dict(person.addresses),
        "active": person.active,
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


def people(connection: Connection, organisation: str) -> list[Person]:
    statement = select(_people).where(_people.c.organisation == organisation).order_by(_people.c.person)
    return [_person(row) for row in connection.execute(statement)]


def person(connection: Connection, organisation: str, key: str) -> Person | None:
    row = connection.execute(
        select(_people).where(_people.c.organisation == organisation, _people.c.person == key)
    ).first()
    return None if row is None else _person(row)


def names(connection: Connection, organisation: str) -> dict[str, str]:
    """Person key → the name screens and papers show."""
    statement = select(_people.c.person, _people.c.name).where(_people.c.organisation == organisation)
    return {row.person: row.name for row in connection.execute(statement)}


def grants_of(connection: Connection, organisation: str, key: str) -> list[Grant]:
    statement = (
        select(_grants)
        .where(_grants.c.organisation == organisation, _grants.c.person == key)
        .order_by(_grants.c.role, _grants.c.scope)
    )
    return [Grant(r.role, r.scope, r.valid_from, r.valid_until) for r in connection.execute(statement)]


def actor(connection: Connection, organisation: str, key: str, today: date) -> Actor | None:
    """The person as an actor, with the grants that hold today; None when he is unknown or no longer active."""
    found = person(connection, organisation, key)
    if found is None or not found.active:
        return None
    grants = frozenset(g for g in grants_of(connection, organisation, key) if g.holds_on(today))
    return Actor(organisation, "person", person=key, department=found.department, grants=grants)


def _person(row: Any) -> Person:
    return Person(row.organisation, row.person, row.name, row.department, row.locale, row.addresses, row.active)


# --- tokens ----------------------------------------------------------------------------------------------------------


def token_hash(token: str) -> str:
    """What is kept of a token. Its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_token(
    connection: Connection,
    organisation: str,
    key: str,
    token: str,
    label: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> None:
    values = {
        "organisation": organisation, "token_hash": token_hash(token), "person": key, "label": label,
        "prefix": token[:12], "created_at": at, "expires_at": expires_at, "revoked_at": None,
    }  # fmt: skip
    connection.execute(insert(_tokens), values)


def signed_in(connection: Connection, token: str, now: datetime) -> tuple[str, str] | None:
    """(organisation, person) whose living token this is. The one look-up that spans organisations: it finds which."""
    row = connection.execute(select(_tokens).where(_tokens.c.token_hash == token_hash(token))).first()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return row.organisation, row.person


def revoke_token(connection: Connection, organisation: str, prefix: str, at: datetime) -> int:
    """Revoke the living tokens that begin like this; gives how many."""
    statement = (
        update(_tokens)
        .where(_tokens.c.organisation == organisation, _tokens.c.prefix == prefix, _tokens.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return int(connection.execute(statement).rowcount)


def tokens(connection: Connection, organisation: str) -> list[dict[str, Any]]:
    """What may be shown of the tokens: prefix, person, label, dates."""
    columns = (
        _tokens.c.prefix, _tokens.c.person, _tokens.c.label, _tokens.c.created_at, _tokens.c.expires_at,
        _tokens.c.revoked_at,
    )  # fmt: skip
    statement = select(*columns).where(_tokens.c.organisation == organisation).order_by(_tokens.c.created_at)
    return [dict(row._mapping) for row in connection.execute(statement)]


# --- who is meant ----------------------------------------------------------------------------------------------------


def recipients(
    connection: Connection, organisation: str, number: str, audience: Iterable[str], today: date
) -> list[Recipient]:
    """The people these roles and relations mean for this case on this day: current holders, each once, in order."""
    case = cases.load(connection, organisation, number)
    if case is None:
        return []
    found: dict[str, None] = {}
    for name in audience:
        found |= dict.fromkeys(_meant(connection, case, name, today))
    everyone = {p.person: p for p in _of_keys(connection, organisation, list(found)) if p.active}
    return [
        Recipient(p.person, p.name, "en" if p.locale == "en" else "zh", p.addresses)
        for key in found
        if (p := everyone.get(key)) is not None
    ]


_OF_KEYS = select(_people).where(
    _people.c.organisation == bindparam("organisation"), _people.c.person.in_(bindparam("keys", expanding=True))
)
_HOLDING = (
    select(_grants)
    .where(_grants.c.organisation == bindparam("organisation"), _grants.c.role == bindparam("role"))
    .order_by(_grants.c.person, _grants.c.scope)
)


def _of_keys(connection: Connection, organisation: str, keys: list[str]) -> list[Person]:
    return [_person(row) for row in connection.execute(_OF_KEYS, {"organisation": organisation, "keys": keys})]


def _meant(connection: Connection, case: Case, name: str, today: date) -> list[str]:
    """Relations first, then roles by scope. `holder` was put into roles and relations when the notice was written."""
    if name == "assignee":
        return [case.assignee] if case.assignee else []
    if name in ("reporter", "inspector"):
        return [case.reporter] if case.reporter else []
    if name in case.acted:
        return list(case.acted[name])
    if name.endswith(ANOTHER_DEPARTMENT):
        held = _holders(connection, case.organisation, name.removesuffix(ANOTHER_DEPARTMENT), today)
        return [person for person, scope in held if scope not in (case.department, WHOLE_ORGANISATION)]
    held = _holders(connection, case.organisation, name, today)
    return [person for person, scope in held if scope in (case.department, WHOLE_ORGANISATION)]


def _holders(connection: Connection, organisation: str, role: str, today: date) -> list[tuple[str, str]]:
    return [
        (row.person, row.scope)
        for row in connection.execute(_HOLDING, {"organisation": organisation, "role": role})
        if Grant(row.role, row.scope, row.valid_from, row.valid_until).holds_on(today)
    ]


class Directory:
    """Who is to be told, and when their day begins: what the delivery worker asks of the directory."""

    def recipients(
        self, connection: Connection, organisation: str, case: str, audience: tuple[str, ...], now: datetime
    ) -> list[Recipient]:
        today = now.astimezone(self.time_zone(connection, organisation)).date()
        return recipients(connection, organisation, case, audience, today)

    def time_zone(self, connection: Connection, organisation: str) -> ZoneInfo:
        zone = connection.execute(
            select(_organisations.c.time_zone).where(_organisations.c.organisation == organisation)
        ).scalar_one()
        return ZoneInfo(zone)

    def is_workday(self, connection: Connection, organisation: str, day: date) -> bool:
        calendar = calendars.newest(connection, organisation)
        return calendar.is_workday(day) if calendar else day.weekday() < 5  # Saturday is 5
