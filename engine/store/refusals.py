"""The log of what signed-in people were refused: outside the chains, so that asking in vain cannot lengthen a case."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select

from engine.store.database import one_at_a_time, table_of
from engine.store.statements import Statement
from engine.store.tables import RefusalRow

_refusals = table_of(RefusalRow)
_LAST = Statement(
    select(func.coalesce(func.max(_refusals.c.id), 0).label("id")).where(
        _refusals.c.organisation == bindparam("organisation")
    )
)
_WRITE = Statement(insert(_refusals))


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """`asked` is the trigger, or `open`; `reason` the guard or the rule of authority that said no."""

    organisation: str
    at: datetime
    principal: str
    route: str
    number: str | None
    asked: str
    code: str
    reason: str
    sentence: str
    on_behalf_of: str | None = None


def log(connection: Connection, record: RefusalRecord) -> None:
    one_at_a_time(connection, f"refusals of {record.organisation}")
    last = _LAST.first(connection, {"organisation": record.organisation})
    assert last is not None  # of whatever there is, a greatest or 0
    _WRITE.put(connection, {"id": last.id + 1, **{n: getattr(record, n) for n in RefusalRecord.__slots__}})


def latest(connection: Connection, organisation: str, limit: int = 100) -> list[RefusalRecord]:
    statement = (
        select(_refusals).where(_refusals.c.organisation == organisation).order_by(_refusals.c.id.desc()).limit(limit)
    )
    rows = connection.execute(statement)
    return [RefusalRecord(**{n: getattr(row, n) for n in RefusalRecord.__slots__}) for row in rows]


def count(connection: Connection, organisation: str) -> int:
    return int(connection.execute(select(func.count()).where(_refusals.c.organisation == organisation)).scalar_one())
