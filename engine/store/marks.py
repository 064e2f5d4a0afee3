"""What cases are found by besides how they stand: what was done to them, and what came of the period they were opened for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Select, and_, case, select

from engine.store.database import table_of
from engine.store.tables import PeriodRow, TrailRow

_trail = table_of(TrailRow)
_doings = _trail.alias("doing")
_periods = table_of(PeriodRow)

Report = Literal["reported", "late", "waived", "waiting", "missing"]
#: reported   handed in before the deadline
#: late       handed in after it
#: waived     nothing had to be handed in
#: waiting    nothing was handed in, and there is time
#: missing    nothing was handed in, and there is no time left: which is not zero
REPORTS: tuple[Report, ...] = get_args(Report)
Besides = Literal["zero", "corrected"]
#: zero       what was handed in, in time or late, says that there was nothing
#: corrected  a later version of it was handed in
BESIDES: tuple[Besides, ...] = get_args(Besides)
DONE = ("opened", "stepped", "linked")  # of events: a signature that needs others takes no step, a reminder neither


def done(
    organisation: str,
    actions: Sequence[str],
    at: datetime,
    since: datetime | None = None,
    before: datetime | None = None,
) -> Select[Any]:
    """Numbers of cases to which one of these was done by then: a step by its trigger, or a bond as the other case calls it
    (`rebounded_as`). One may stand there twice.

    since, before   done then or later, and done earlier than that
    """
    found = _done(actions, at).with_only_columns(_doings.c.number).where(_doings.c.organisation == organisation)
    if since is not None:
        found = found.where(_doings.c.recorded_at >= since)
    return found if before is None else found.where(_doings.c.recorded_at < before)


def done_in(organisations: Sequence[str], actions: Sequence[str], at: datetime) -> Select[Any]:
    """As `done` in several organisations: (organisation, number)."""
    return _done(actions, at).where(_doings.c.organisation.in_(sorted(organisations)))


def _done(actions: Sequence[str], at: datetime) -> Select[Any]:
    found = select(_doings.c.organisation, _doings.c.number).where(
        _doings.c.trigger.in_(sorted(actions)), _doings.c.type.in_(DONE), _doings.c.recorded_at <= at
    )
    return found.with_hint(_doings, "INDEXED BY ix_trail_trigger", "sqlite")  # else it goes through all events


def periods(organisations: Sequence[str], at: datetime) -> Select[Any]:
    """Every period that was open by then, with what had come of it (`report`), as it was known.

    A deadline is what it was then, before a later calendar moved it: the case of the period tells.
    """
    stood = and_(
        _trail.c.organisation == _periods.c.organisation, _trail.c.number == _periods.c.number,
        _trail.c.recorded_at <= at, _trail.c.until > at,
    )  # fmt: skip
    came = and_(_periods.c.status.in_(("reported", "late")), _periods.c.reported_at <= at)
    report = case(
        (and_(_periods.c.status == "waived", _trail.c.final.is_(True)), "waived"),
        (came, _periods.c.status),
        (_trail.c.due_at < at, "missing"),
        else_="waiting",
    )
    columns = (_periods.c[name] for name in ("organisation", "cycle", "scope", "key", "number", "opens_at"))
    zero = and_(came, _periods.c.zero.is_(True)).label("zero")
    corrected = and_(_periods.c.corrected_at.is_not(None), _periods.c.corrected_at <= at).label("corrected")
    here = (
        _periods.c.organisation == organisations[0]
        if len(organisations) == 1
        else _periods.c.organisation.in_(sorted(organisations))
    )
    found = (
        select(*columns, report.label("report"), zero, corrected).select_from(_periods).join(_trail, stood).where(here)
    )
    # else SQLite begins with the trail, which is long, and looks for a period of each event
    return found.with_hint(_trail, "INDEXED BY ix_trail_event", "sqlite")
