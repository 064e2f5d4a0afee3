"""Idempotency keys: the request's hash and the event it made, for 30 days. The answer is rendered again from the event."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select

from engine.store.database import table_of
from engine.store.tables import AnswerRow

_answers = table_of(AnswerRow)

KEPT = timedelta(days=30)  # longer than any phone stays offline

# prebuilt: every command asks for its key and keeps it
_THIS = [_answers.c[name] == bindparam(f"of_{name}") for name in ("organisation", "principal", "route", "key")]
_FIND = select(_answers.c.request_hash, _answers.c.number, _answers.c.sequence).where(
    *_THIS, _answers.c.kept_until > bindparam("now")
)
_FORGET = delete(_answers).where(*_THIS)
_KEEP = insert(_answers)


@dataclass(frozen=True, slots=True)
class Answer:
    request_hash: str
    number: str
    sequence: int


def find(
    connection: Connection, organisation: str, principal: str, route: str, key: str, now: datetime
) -> Answer | None:
    """What this principal's key on this route stands for, if it still stands."""
    here = {"of_organisation": organisation, "of_principal": principal, "of_route": route, "of_key": key}
    row = connection.execute(_FIND, {**here, "now": now}).first()
    return None if row is None else Answer(row.request_hash, row.number, row.sequence)


def keep(
    connection: Connection, organisation: str, principal: str, route: str, key: str, answer: Answer, now: datetime
) -> None:
    here = {"organisation": organisation, "principal": principal, "route": route, "key": key}
    connection.execute(_FORGET, {f"of_{name}": value for name, value in here.items()})
    values = {"request_hash": answer.request_hash, "number": answer.number, "sequence": answer.sequence}
    connection.execute(_KEEP, {**here, **values, "kept_until": now + KEPT})


def sweep(connection: Connection, now: datetime) -> int:
    """Forget the keys whose time is over."""
    return int(connection.execute(delete(_answers).where(_answers.c.kept_until <= now)).rowcount)
