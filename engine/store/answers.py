"""Idempotency keys: the request's hash and the event it made, for 30 days. The answer is rendered again from the event."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, bindparam, delete, select

from engine.store.database import table_of, upsert
from engine.store.statements import Question, Statement
from engine.store.tables import AnswerRow

_answers = table_of(AnswerRow)

KEPT = timedelta(days=30)  # longer than any phone stays offline

# prebuilt: every command asks for its key and keeps it
_THIS = [_answers.c[name] == bindparam(f"of_{name}") for name in ("organisation", "principal", "route", "key")]
_FIND = Statement(
    select(_answers.c.request_hash, _answers.c.number, _answers.c.sequence).where(
        *_THIS, _answers.c.kept_until > bindparam("now")
    )
)
_PUT = upsert(_answers)
_KEEP = Statement(
    _PUT.values({name: bindparam(name) for name in _answers.c.keys()}).on_conflict_do_update(  # noqa: SIM118  # a collection, not a dict
        index_elements=[*_answers.primary_key.columns.keys()],
        set_={name: _PUT.excluded[name] for name in ("request_hash", "number", "sequence", "kept_until")},
        where=_answers.c.kept_until <= bindparam("now"),
    )
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
    return finding(organisation, principal, route, key, now).ask(connection)


def finding(organisation: str, principal: str, route: str, key: str, now: datetime) -> Question[Answer | None]:
    """As `find`, to be asked together with other questions."""
    here = {"of_organisation": organisation, "of_principal": principal, "of_route": route, "of_key": key}
    return Question(_FIND, {**here, "now": now}, lambda rows: Answer(*rows[0]) if rows else None)


def keep(
    connection: Connection, organisation: str, principal: str, route: str, key: str, answer: Answer, now: datetime
) -> None:
    """Let the key stand for this answer; one whose time is over is written over.

    Raises KeptMeanwhile, as soon as that is known, where it still stands for another: somebody was quicker, since this one
    was looked for.
    """
    here = {"organisation": organisation, "principal": principal, "route": route, "key": key}
    values = {"request_hash": answer.request_hash, "number": answer.number, "sequence": answer.sequence}
    row = {**here, **values, "kept_until": now + KEPT, "now": now}
    _KEEP.put(connection, row, check=partial(_must_be_free, f"key {key!r} of {principal}"))


def _must_be_free(key: str, kept: int) -> None:
    if kept != 1:
        raise KeptMeanwhile(f"{key} stands for something already")


def sweep(connection: Connection, now: datetime) -> int:
    """Forget the keys whose time is over."""
    return int(connection.execute(delete(_answers).where(_answers.c.kept_until <= now)).rowcount)
