"""Accounts: what people sign in with. Nothing that opens a door is kept, only hashes of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.store.database import table_of
from engine.store.tables import PasswordRow, TokenRow

_passwords = table_of(PasswordRow)
_tokens = table_of(TokenRow)


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of a password: its slow hash. `must_change` after somebody else set it."""

    hash: str
    changed_at: datetime
    must_change: bool


# --- passwords -------------------------------------------------------------------------------------------------------


def set_password(
    connection: Connection, organisation: str, key: str, hashed: str, at: datetime, *, must_change: bool
) -> None:
    """Keep the hash as the only one this person signs in with."""
    values = {"hash": hashed, "changed_at": at, "must_change": must_change}
    here = {"organisation": organisation, "person": key}
    statement = upsert(_passwords).values({**here, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(here), set_=values))


def password(connection: Connection, organisation: str, key: str) -> Password | None:
    """None for who cannot sign in with one."""
    mine = (_passwords.c.organisation == organisation, _passwords.c.person == key)
    row = connection.execute(select(_passwords).where(*mine)).first()
    return None if row is None else Password(row.hash, row.changed_at, row.must_change)


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
