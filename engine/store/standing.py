"""How each case stood at an instant: the rows of the trail that lasted over it, found by how long they lasted.

Of those that lasted up to so long only the ones that ended within that time after the instant can have: so each length is a
short piece of the index, and all that is looked at are about as many rows as cases were open then, and one for each case that
stands now as it did.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, select, text, union_all

from engine.store.database import table_of
from engine.store.tables import FOREVER, LONG, TrailRow

_trail = table_of(TrailRow)

LASTED = text("trail.until > trail.recorded_at")  # written out, as the index that has only these is
SHOWN = (
    "opened_at", "number", "workflow", "state", "counts_as", "final", "level", "category", "department", "assignee", "due_at",
    "organisation", "recorded_at",
)  # fmt: skip


def standing(lengths: Iterable[int], *, several: bool = False, only: ColumnElement[bool] | None = None) -> FromClause:
    """Put together once, and asked with `then`: putting it together takes as long as asking.

    lengths    of those that lasted so long (`TrailRow.lasted`)
    several    in all of some organisations, and not in one
    only       such rows
    """
    here = _trail.c.organisation
    where = here.in_(bindparam("stood_in", expanding=True)) if several else here == bindparam("stood_in")
    ends: dict[int, Any] = {lasted: bindparam(f"stood_until_{lasted}") for lasted in lengths}
    of_each = _of_each_length(where, bindparam("stood_at"), ends, () if only is None else (only,), SHOWN)
    return union_all(*of_each).subquery("stood")


def then(organisation: str | Iterable[str], at: datetime) -> dict[str, Any]:
    """What `standing` is asked with."""
    ends = {f"stood_until_{lasted}": _ends(at, lasted) for lasted in range(LONG + 1)}
    return {"stood_in": organisation, "stood_at": at, **ends}


def open_at(organisation: str, at: datetime) -> Select[Any]:
    """Numbers of the cases that were open at this instant."""
    ends = {lasted: _ends(at, lasted) for lasted in range(LONG + 1)}
    was_open = (_trail.c.final.is_(False),)
    of_each = _of_each_length(_trail.c.organisation == organisation, at, ends, was_open, ("number",))
    return select(union_all(*of_each).subquery("stood_open").c.number)


def _of_each_length(
    where: ColumnElement[bool], at: Any, ends: Mapping[int, Any], only: Iterable[ColumnElement[bool]], shown: Iterable[str]
) -> list[Select[Any]]:  # fmt: skip
    shown, only = tuple(shown), tuple(only)
    return [
        select(*(_trail.c[name] for name in shown))
        .where(
            where, LASTED, _trail.c.lasted == lasted, *only, _trail.c.until > at, _trail.c.until <= end,
            _trail.c.recorded_at <= at,
        )
        .with_hint(_trail, "INDEXED BY ix_trail_until", "sqlite")
        for lasted, end in ends.items()
    ]  # fmt: skip


def _ends(at: datetime, lasted: int) -> datetime:
    longest = timedelta(days=1 << lasted)
    return FOREVER if lasted == LONG or FOREVER - at < longest else at + longest
