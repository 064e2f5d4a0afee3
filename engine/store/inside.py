"""What was opened in a campaign: how many of each loop and state, of each department, and some of the cases themselves."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from engine.actor import Visibility
from engine.case import Case
from engine.store.database import table_of
from engine.store.tables import CaseRow
from engine.store.worklists import visible

_cases = table_of(CaseRow)


@dataclass(frozen=True, slots=True)
class Line:
    """Cases of one loop that stand at one state. What is overdue is open."""

    workflow: str
    state: str
    count: int
    overdue: int


def counted(connection: Connection, seen: Visibility, campaign: str, now: datetime) -> list[Line]:
    """By loop and state, of the cases that are seen."""
    late = func.sum(case((_cases.c.final.is_(False) & (_cases.c.due_at < now), 1), else_=0))
    statement = (
        select(_cases.c.workflow, _cases.c.state, func.count(), late)
        .where(visible(seen), _cases.c.within == campaign)
        .group_by(_cases.c.workflow, _cases.c.state)
        .order_by(_cases.c.workflow, _cases.c.state)
    )
    return [Line(*row) for row in connection.execute(statement)]


def departments(
    connection: Connection, seen: Visibility, campaign: str, without: Collection[str]
) -> Counter[str | None]:
    """How many of the cases each department has.

    without   loops that are not counted
    """
    statement = (
        select(_cases.c.department, func.count())
        .where(visible(seen), _cases.c.within == campaign, _cases.c.workflow.not_in(sorted(without)))
        .group_by(_cases.c.department)
    )
    return Counter(dict(tuple(row) for row in connection.execute(statement)))


def cases_of(connection: Connection, seen: Visibility, campaign: str, workflows: Collection[str]) -> list[Case]:
    """The cases of these loops, by number."""
    statement = (
        select(_cases.c.body, _cases.c.last_hash)
        .where(visible(seen), _cases.c.within == campaign, _cases.c.workflow.in_(sorted(workflows)))
        .order_by(_cases.c.number)
    )
    return [Case.from_json(row.body, last_hash=row.last_hash) for row in connection.execute(statement)]
