"""What is to be told: written in the command's own transaction, claimed by lease and fence, never lost."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, or_, select, text, update

from engine.events import Notice
from engine.store.database import UtcDateTime, table_of
from engine.store.statements import Statement
from engine.store.tables import OutboxRow

_outbox = table_of(OutboxRow)


_WRITE = Statement(insert(_outbox))


def write(connection: Connection, notices: Iterable[Notice]) -> None:
    rows = [
        {
            "organisation": notice.organisation,
            "id": notice.id,
            "number": notice.case,
            "sequence": notice.sequence,
            "reason": notice.reason,
            "audience": list(notice.audience),
            "how": notice.how,
            "about": dict(notice.about),
            "written_at": notice.written_at,
            "status": "waiting",
            "lease_until": None,
            "fence": 0,
        }
        for notice in notices
    ]
    if rows:
        _WRITE.put(connection, *rows)


def is_written(connection: Connection, organisation: str, notice_id: str) -> bool:
    """Whether there is, or was, a notice of this id."""
    statement = select(_outbox.c.id).where(_outbox.c.organisation == organisation, _outbox.c.id == notice_id)
    return connection.execute(statement).first() is not None


def waits(connection: Connection, now: datetime) -> bool:
    """Whether anything is to be told that nobody holds."""
    return _FREE.first(connection, {"now": now}) is not None


_IS_WAITING = text("status = 'waiting'")  # written out, as the index that has only these is


def _nobody_holds(now: Any) -> ColumnElement[bool]:
    return or_(_outbox.c.lease_until.is_(None), _outbox.c.lease_until <= now)


_FREE = Statement(select(_outbox.c.id).where(_IS_WAITING, _nobody_holds(bindparam("now", type_=UtcDateTime))).limit(1))


_OLDEST_FREE = Statement(
    select(_outbox)
    .where(_IS_WAITING, _nobody_holds(bindparam("now", type_=UtcDateTime)))
    .order_by(_outbox.c.written_at, _outbox.c.organisation, _outbox.c.number, _outbox.c.sequence, _outbox.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)  # what another node is just claiming is none of ours
)
_THIS = (_outbox.c.organisation == bindparam("of"), _outbox.c.id == bindparam("notice"))
_TAKE = Statement(
    update(_outbox)
    .where(*_THIS)
    .values(lease_until=bindparam("until", type_=UtcDateTime), fence=bindparam("under"))
)  # fmt: skip
_DONE = Statement(
    update(_outbox)
    .where(*_THIS, _outbox.c.fence == bindparam("under"), _outbox.c.status == "waiting")
    .values(status="planned", lease_until=None)
)


def claim(connection: Connection, now: datetime, lease_until: datetime, limit: int) -> list[tuple[Notice, int]]:
    """Take up to `limit` notices nobody holds, oldest first, each with its fence. Needs a write transaction."""
    rows = _OLDEST_FREE.all(connection, {"now": now, "most": limit})
    if rows:
        taken = [{"of": r.organisation, "notice": r.id, "until": lease_until, "under": r.fence + 1} for r in rows]
        _TAKE.changed(connection, *taken)
    return [(_notice(row), row.fence + 1) for row in rows]


def done(connection: Connection, organisation: str, notice_id: str, fence: int) -> bool:
    """The notice was turned into deliveries. False when somebody else claimed it meanwhile: then nothing may stay."""
    return _DONE.changed(connection, {"of": organisation, "notice": notice_id, "under": fence}) == 1


def notices_of(connection: Connection, organisation: str, number: str) -> list[Notice]:
    """Everything there was to tell about a case, oldest first."""
    statement = (
        select(_outbox)
        .where(_outbox.c.organisation == organisation, _outbox.c.number == number)
        .order_by(_outbox.c.sequence, _outbox.c.id)
    )
    return [_notice(row) for row in connection.execute(statement)]


def _notice(row: Any) -> Notice:
    return Notice(
        id=row.id,
        organisation=row.organisation,
        case=row.number,
        sequence=row.sequence,
        reason=row.reason,
        audience=tuple(row.audience),
        how=row.how,
        written_at=row.written_at,
        about=row.about,
    )
