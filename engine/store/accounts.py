"""Accounts: what people sign in with. Nothing that opens a door is kept, only hashes of it."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import Connection, bindparam, case, delete, func, insert, or_, select, update

from engine.directory import AT
from engine.store.database import one_at_a_time, table_of, upsert
from engine.store.statements import Question, Row, Statement
from engine.store.tables import OrganisationRow, PasswordRow, PersonRow, SessionRow, SignInTryRow, TokenRow

Allows = Literal["read", "act"]

SESSION_NAME = 16  # characters of a session's hash that name it in lists
KEPT = timedelta(days=30)  # a session that is over stays to be looked at for so long

_organisations = table_of(OrganisationRow)
_passwords = table_of(PasswordRow)
_people = table_of(PersonRow)
_sessions = table_of(SessionRow)
_tokens = table_of(TokenRow)
_tries = table_of(SignInTryRow)

# prebuilt: every request asks for one of them
_TOKEN = Statement(select(_tokens).where(_tokens.c.token_hash == bindparam("token_hash")))
_SESSION = Statement(select(_sessions).where(_sessions.c.session_hash == bindparam("session_hash")))
_PASSWORD = Statement(
    select(_passwords).where(
        _passwords.c.organisation == bindparam("organisation"), _passwords.c.person == bindparam("person")
    )
)


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of a password: its slow hash. `must_change` after somebody else set it."""

    hash: str
    changed_at: datetime
    must_change: bool


@dataclass(frozen=True, slots=True)
class Unopened:
    """Somebody active who has no password of his own yet.

    kept, drawn_at    of his first one: its hash, and since when; None for who has none
    """

    person: str
    name: str
    department: str | None
    staff_number: str | None
    kept: str | None
    drawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in at a browser. `session` is the hash of what its cookie holds, and `name` what lists call it."""

    organisation: str
    session: str
    person: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime

    @property
    def name(self) -> str:
        return self.session[:SESSION_NAME]


class Tries(NamedTuple):
    """How often in a row it went wrong, and when last."""

    failures: int
    last_at: datetime


class TokenOf(NamedTuple):
    """Whose token it is, and what it may."""

    organisation: str
    person: str
    allows: Allows


def secret_hash(secret: str) -> str:
    """What is kept of a token or of a cookie's value. Their 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def account(connection: Connection, named: str, organisation: str | None) -> tuple[str, str] | None:
    """(organisation, person) whom somebody who signs in means by a key, a staff number or `key@organisation`.

    Returns    None where that is nobody active, or, without an organisation, more than one
    """
    if "\0" in f"{named}{organisation}":
        return None  # nobody is called so, and PostgreSQL takes no such text
    own, _, home = named.partition(AT)
    if organisation and home and organisation != home:
        return None
    wanted = organisation or home
    there = [wanted] if wanted else connection.execute(select(_organisations.c.organisation)).scalars().all()
    rows = connection.execute(
        select(_people.c.organisation, _people.c.person).where(
            _people.c.organisation.in_(there),
            or_(_people.c.person == own, _people.c.staff_number == own),
            _people.c.active,
        )
    ).all()
    if len(rows) > 1:  # somebody's key may be another one's staff number
        rows = [row for row in rows if row.person == own]
    return (rows[0].organisation, rows[0].person) if len(rows) == 1 else None


# --- passwords -------------------------------------------------------------------------------------------------------


def set_password(
    connection: Connection, organisation: str, key: str, hashed: str, at: datetime, *, must_change: bool
) -> None:
    """Keep the hash as the only one this person signs in with."""
    values = {"hash": hashed, "changed_at": at, "must_change": must_change}
    here = {"organisation": organisation, "person": key}
    statement = upsert(_passwords).values({**here, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(here), set_=values))


def replace_password(
    connection: Connection,
    organisation: str,
    key: str,
    kept: str | None,
    hashed: str,
    at: datetime,
    *,
    must_change: bool,
) -> bool:
    """As `set_password`, but only where what is kept is still the hash that was looked at, or still none: whoever else sets
    this password at the same moment is waited for, and what he chose stays.

    Returns    whether it was, and this one is kept now
    """
    here = {"organisation": organisation, "person": key}
    values = {"hash": hashed, "changed_at": at, "must_change": must_change}
    if kept is None:
        added = upsert(_passwords).values({**here, **values}).on_conflict_do_nothing(index_elements=list(here))
        return connection.execute(added.returning(_passwords.c.person)).first() is not None
    his = (_passwords.c.organisation == organisation, _passwords.c.person == key, _passwords.c.hash == kept)
    return connection.execute(update(_passwords).where(*his).values(values)).rowcount == 1


def password(connection: Connection, organisation: str, key: str) -> Password | None:
    """None for who cannot sign in with one."""
    return asking_password(organisation, key).ask(connection)


def asking_password(organisation: str, key: str) -> Question[Password | None]:
    """As `password`, to be asked together with other questions."""

    def read(rows: list[Row]) -> Password | None:
        return Password(rows[0].hash, rows[0].changed_at, rows[0].must_change) if rows else None

    return Question(_PASSWORD, {"organisation": organisation, "person": key}, read)


def unopened(connection: Connection, organisation: str) -> list[Unopened]:
    """Everybody active who never chose a password, by key."""
    his = (_passwords.c.organisation == _people.c.organisation) & (_passwords.c.person == _people.c.person)
    asked = (
        _people.c.person,
        _people.c.name,
        _people.c.department,
        _people.c.staff_number,
        _passwords.c.hash,
        _passwords.c.changed_at,
    )
    statement = (
        select(*asked)
        .select_from(_people.outerjoin(_passwords, his))
        .where(
            _people.c.organisation == organisation,
            _people.c.active,
            or_(_passwords.c.must_change.is_(None), _passwords.c.must_change),
        )
    )
    found = (Unopened(*row) for row in connection.execute(statement))
    return sorted(found, key=lambda each: each.person)  # a database may sort letters otherwise than we compare them


# --- sessions --------------------------------------------------------------------------------------------------------


def add_session(
    connection: Connection, organisation: str, key: str, secret: str, agent: str, at: datetime, expires_at: datetime
) -> None:
    """Somebody signed in; `secret` is what his cookie holds."""
    values = {
        "organisation": organisation, "session_hash": secret_hash(secret), "person": key, "agent": agent,
        "created_at": at, "seen_at": at, "expires_at": expires_at, "revoked_at": None,
    }  # fmt: skip
    connection.execute(insert(_sessions), values)


def session(connection: Connection, secret: str, now: datetime, idle: timedelta) -> Session | None:
    """The living session whose cookie holds this. Like a token's, this look-up spans organisations: it finds which.

    idle    how long it lives without being seen
    """
    return asking_session(secret, now, idle).ask(connection)


def asking_session(secret: str, now: datetime, idle: timedelta) -> Question[Session | None]:
    """As `session`, to be asked together with other questions."""

    def read(rows: list[Row]) -> Session | None:
        found = [r for r in rows if r.revoked_at is None and r.expires_at > now and r.seen_at + idle > now]
        return _session(found[0]) if found else None

    return Question(_SESSION, {"session_hash": secret_hash(secret)}, read)


def saw(connection: Connection, seen: Session, at: datetime) -> None:
    """It was used just now."""
    this = (_sessions.c.organisation == seen.organisation, _sessions.c.session_hash == seen.session)
    connection.execute(update(_sessions).where(*this).values(seen_at=at))


def sessions(connection: Connection, organisation: str, key: str, now: datetime, idle: timedelta) -> list[Session]:
    """Where somebody is signed in, last seen first."""
    statement = (
        select(_sessions)
        .where(*_living_sessions(organisation, key), _sessions.c.expires_at > now, _sessions.c.seen_at > now - idle)
        .order_by(_sessions.c.seen_at.desc(), _sessions.c.session_hash)
    )
    return [_session(row) for row in connection.execute(statement)]


def end_session(connection: Connection, organisation: str, key: str, name: str, at: datetime) -> bool:
    """Revoke the one of somebody's sessions that lists call so. False where there is none."""
    named = func.substr(_sessions.c.session_hash, 1, SESSION_NAME) == name
    statement = update(_sessions).where(*_living_sessions(organisation, key), named).values(revoked_at=at)
    return connection.execute(statement).rowcount > 0


def end_sessions(
    connection: Connection, organisation: str, key: str, at: datetime, *, but: Session | None = None
) -> int:
    """Revoke everything somebody is signed in with, but perhaps one; gives how many."""
    here = [*_living_sessions(organisation, key)]
    if but is not None:
        here.append(_sessions.c.session_hash != but.session)
    return int(connection.execute(update(_sessions).where(*here).values(revoked_at=at)).rowcount)


def _living_sessions(organisation: str, key: str) -> tuple[Any, ...]:
    return _sessions.c.organisation == organisation, _sessions.c.person == key, _sessions.c.revoked_at.is_(None)


def _session(row: Any) -> Session:
    return Session(
        row.organisation, row.session_hash, row.person, row.agent, row.created_at, row.seen_at, row.expires_at
    )


# --- tries -----------------------------------------------------------------------------------------------------------

#: the organisation of every try, and no school's key: where somebody nobody knows yet belongs is his to say, and to make up
NOWHERE = "~"


def tries(connection: Connection, sources: Collection[str]) -> dict[str, Tries]:
    """What went wrong from these sources, of those from which anything did."""
    rows = connection.execute(select(_tries).where(*_from(sources)))
    return {row.source: Tries(row.failures, row.last_at) for row in rows}


def try_alone(connection: Connection, sources: Collection[str]) -> None:
    """Until this transaction ends nobody else tries from one of these: many at once do not slip through together."""
    for source in sorted(sources):
        one_at_a_time(connection, f"tries from {source}")


def count_tries(connection: Connection, forgotten: Mapping[str, datetime], at: datetime) -> None:
    """One more from each source.

    forgotten    source → before which instant what went wrong there is forgotten, and counting starts anew
    """
    for source, before in forgotten.items():
        statement = upsert(_tries).values(organisation=NOWHERE, source=source, failures=1, last_at=at)
        failures = case((_tries.c.last_at < before, 1), else_=_tries.c.failures + 1)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["organisation", "source"], set_={"failures": failures, "last_at": at}
            )
        )


def take_tries_back(connection: Connection, sources: Collection[str]) -> None:
    """What was counted before it was known to be right, one from each source."""
    counted = update(_tries).where(*_from(sources), _tries.c.failures > 0)
    connection.execute(counted.values(failures=_tries.c.failures - 1))


def forget_tries(connection: Connection, sources: Collection[str]) -> None:
    connection.execute(delete(_tries).where(*_from(sources)))


def _from(sources: Collection[str]) -> tuple[Any, ...]:
    return _tries.c.organisation == NOWHERE, _tries.c.source.in_(sorted(sources))


def sweep(connection: Connection, now: datetime, tries_before: datetime) -> int:
    """Forget sessions that were long over, and tries that count for nothing any more; gives how many rows."""
    over = or_(_sessions.c.expires_at < now - KEPT, _sessions.c.revoked_at < now - KEPT)
    swept = connection.execute(delete(_sessions).where(over)).rowcount
    return int(swept + connection.execute(delete(_tries).where(_tries.c.last_at < tries_before)).rowcount)


# --- tokens ----------------------------------------------------------------------------------------------------------


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return secret_hash(token)


def add_token(
    connection: Connection,
    organisation: str,
    key: str,
    token: str,
    label: str,
    at: datetime,
    expires_at: datetime | None = None,
    allows: Allows = "act",
) -> None:
    values = {
        "organisation": organisation, "token_hash": token_hash(token), "person": key, "label": label,
        "prefix": token[:12], "allows": allows, "created_at": at, "expires_at": expires_at, "revoked_at": None,
    }  # fmt: skip
    connection.execute(insert(_tokens), values)


def signed_in(connection: Connection, token: str, now: datetime) -> TokenOf | None:
    """Whose living token this is, and what it may. A look-up that spans organisations: it finds which."""
    return asking_signed_in(token, now).ask(connection)


def asking_signed_in(token: str, now: datetime) -> Question[TokenOf | None]:
    """As `signed_in`, to be asked together with other questions."""

    def read(rows: list[Row]) -> TokenOf | None:
        found = [r for r in rows if r.revoked_at is None and (r.expires_at is None or r.expires_at > now)]
        return TokenOf(found[0].organisation, found[0].person, cast("Allows", found[0].allows)) if found else None

    return Question(_TOKEN, {"token_hash": token_hash(token)}, read)


def revoke_token(
    connection: Connection, organisation: str, prefix: str, at: datetime, *, person: str | None = None
) -> int:
    """Revoke the living tokens that begin like this, of everybody or of one person; gives how many."""
    here = [_tokens.c.organisation == organisation, _tokens.c.prefix == prefix, _tokens.c.revoked_at.is_(None)]
    if person is not None:
        here.append(_tokens.c.person == person)
    return int(connection.execute(update(_tokens).where(*here).values(revoked_at=at)).rowcount)


def tokens(connection: Connection, organisation: str, person: str | None = None) -> list[dict[str, Any]]:
    """What may be shown of the tokens, of everybody or of one person: prefix, person, label, what they may, dates."""
    columns = (
        _tokens.c.prefix, _tokens.c.person, _tokens.c.label, _tokens.c.allows, _tokens.c.created_at,
        _tokens.c.expires_at, _tokens.c.revoked_at,
    )  # fmt: skip
    here = [_tokens.c.organisation == organisation] + ([_tokens.c.person == person] if person is not None else [])
    statement = select(*columns).where(*here).order_by(_tokens.c.created_at, _tokens.c.prefix)
    return [dict(row._mapping) for row in connection.execute(statement)]
