"""Idempotency keys: the request's hash and the event it made, for 30 days. The answer is rendered again from the event."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select

from engine.store.database import table_of, upsert
from engine.store.tables import AnswerRow

_answers = table_of(AnswerRow)

KEPT = timedelta(days=30)  # longer than any phone stays offline

# prebuilt: every command asks for its key and keeps it
_THIS = [_answers.c[name] == bindparam(f"of_{name}") for name in ("organisation", "principal", "route", "key")]
_FIND = select(_answers.c.request_hash, _answers.c.number, _answers.c.sequence).where(
    *_THIS, _answers.c.kept_until > bindparam("now")
)
_PUT = upsert(_answers)
_KEEP = (
    _PUT.values({name: bindparam(name) for name in _answers.c.keys()})  # noqa: SIM118  # a collection, not a dict
    .on_conflict_do_update(
        index_elements=[*_answers.primary_key.columns.keys()],
        set_={name: _PUT.excluded[name] for name in ("request_hash", "number", "sequence", "kept_until")},
        where=_answers.c.kept_until <= bindparam("now"),
    )
    .execution_options(preserve_rowcount=True)  # psycopg forgets it once the cursor is closed
)


class KeptMeanwhile(Exception):
    """Somebody else has just kept something under this key: who looks again finds it."""


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
    """Let the key stand for this answer; one whose time is over is written over.

    Raises KeptMeanwhile where it still stands for another: somebody was quicker, since this one was looked for.
    """
    here = {"organisation": organisation, "principal": principal, "route": route, "key": key}
    values = {"request_hash": answer.request_hash, "number": answer.number, "sequence": answer.sequence}
    row = {**here, **values, "kept_until": now + KEPT, "now": now}
    if connection.execute(_KEEP, row).rowcount != 1:
        raise KeptMeanwhile(f"key {key!r} of {principal} stands for something already")


def sweep(connection: Connection, now: datetime) -> int:
    """Forget the keys whose time is over."""
    return int(connection.execute(delete(_answers).where(_answers.c.kept_until <= now)).rowcount)
