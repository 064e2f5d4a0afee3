"""Idempotency keys: the request's hash and the event it made, for 30 days. The answer is rendered again from the event."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from engine.store.database import table_of
from engine.store.tables import AnswerRow

_answers = table_of(AnswerRow)

KEPT = timedelta(days=30)  # longer than any phone stays offline


@dataclass(frozen=True, slots=True)
class Answer:
    request_hash: str
    number: str
    sequence: int


def find(
    connection: Connection, organisation: str, principal: str, route: str, key: str, now: datetime
) -> Answer | None:
    """What this principal's key on this route stands for, if it still stands."""
    row = connection.execute(
        select(_answers.c.request_hash, _answers.c.number, _answers.c.sequence).where(
            _answers.c.organisation == organisation,
            _answers.c.principal == principal,
            _answers.c.route == route,
            _answers.c.key == key,
            _answers.c.kept_until > now,
        )
    ).first()
    return None if row is None else Answer(row.request_hash, row.number, row.sequence)


def keep(
    connection: Connection, organisation: str, principal: str, route: str, key: str, answer: Answer, now: datetime
) -> None:
    here = {"organisation": organisation, "principal": principal, "route": route, "key": key}
    # only what stands no more: where somebody keeps the same key at this moment, the second of us has to fail
    over = _answers.c.kept_until <= now
    connection.execute(delete(_answers).where(*(_answers.c[name] == value for name, value in here.items()), over))
    values = {"request_hash": answer.request_hash, "number": answer.number, "sequence": answer.sequence}
    connection.execute(insert(_answers), {**here, **values, "kept_until": now + KEPT})


def sweep(connection: Connection, now: datetime) -> int:
    """Forget the keys whose time is over."""
    return int(connection.execute(delete(_answers).where(_answers.c.kept_until <= now)).rowcount)
