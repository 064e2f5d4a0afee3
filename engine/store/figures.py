"""How many cases are open, overdue and closed, by loop: counted by the database, and nothing but counts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from engine.actor import Visibility
from engine.store.database import table_of
from engine.store.tables import CaseRow
from engine.store.worklists import visible

_cases = table_of(CaseRow)


@dataclass(frozen=True, slots=True)
class Figures:
    """One loop in one organisation. What is overdue is open too; `closed` is whatever has come to an end."""

    organisation: str
    workflow: str
    open: int
    overdue: int
    closed: int


def of_what_is_seen(connection: Connection, seen: Visibility, now: datetime) -> list[Figures]:
    """Of the cases somebody may see in his organisation, by loop."""
    return _counted(connection, visible(seen), now)


def of_organisations(connection: Connection, organisations: Collection[str], now: datetime) -> list[Figures]:
    """Of all cases of these organisations, by organisation and loop."""
    return _counted(connection, _cases.c.organisation.in_(sorted(organisations)), now)


def _counted(connection: Connection, which: ColumnElement[bool], now: datetime) -> list[Figures]:
    is_open = _cases.c.final.is_(False)
    statement = (
        select(
            _cases.c.organisation,
            _cases.c.workflow,
            _times(is_open).label("open"),
            _times(and_(is_open, _cases.c.due_at < now)).label("overdue"),
            _times(_cases.c.final.is_(True)).label("closed"),
        )
        .where(which)
        .group_by(_cases.c.organisation, _cases.c.workflow)
        .order_by(_cases.c.organisation, _cases.c.workflow)
    )
    return [Figures(*row) for row in connection.execute(statement)]


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
