"""What each period owed and what came of it, as a list that is taken away: no two outcomes are told in the same words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.papers.listing import Column
from api.schemas import ReportAnswer, period_answer
from api.trail import Reader, Taken, noted, on_the_wall
from engine.definition import Catalog
from engine.errors import Locale, Text
from engine.store import people, periods
from engine.store.marks import BESIDES
from engine.store.periods import PeriodRecord

#: what came of a period: five things, no two of which are the same
REPORTS: Mapping[str, Text] = {
    "reported": Text("按时报送", "in time"),
    "late": Text("迟报", "late"),
    "waived": Text("免报", "waived"),
    "waiting": Text("未到期", "not due yet"),
    "missing": Text("未报", "not reported"),
}
#: what else is said of what came
OF_REPORTS: Mapping[str, Text] = {
    "zero": Text("零报告", "zero report"),
    "corrected": Text("已更正", "corrected"),
}


def report_in_words(report: ReportAnswer | None, locale: Locale) -> Sequence[str]:
    """What came of a case's period, and what else is said of it; nothing of a case that was opened for none."""
    if report is None:
        return ()
    besides = [OF_REPORTS[name] for name in BESIDES if getattr(report, name)]
    return [text.in_(locale) for text in (REPORTS[report.came], *besides)]


def shown(
    connection: Connection, reader: Reader, now: datetime, wanted: Mapping[str, str | None]
) -> list[PeriodRecord]:
    """Those the reader may see: overseers every scope, others their own departments.

    wanted   cycle, key, scope, report; None leaves a question open
    """
    scope, report = wanted["scope"], wanted["report"]
    found = periods.find(
        connection, reader.actor.organisation, cycle=wanted["cycle"], key=wanted["key"],
        scopes=None if scope is None else frozenset({scope}),
    )  # fmt: skip
    seen = reader.seen
    return [
        record
        for record in found
        if (seen.everything or record.scope in seen.departments) and report in (None, record.report(now))
    ]


def take_periods(runtime: Runtime, reader: Reader, wanted: Mapping[str, str | None]) -> Taken:
    """The list as a file. Raises Busy where the note could not be made durable."""
    here, now = reader.actor.organisation, runtime.clock.now()
    with runtime.database.read(here) as connection:
        found = shown(connection, reader, now, wanted)
        zone = people.time_zone(connection, here)
        scopes = {each.code: each.name.in_(reader.locale) for each in people.departments(connection, here)}
    noted(runtime, reader, "periods", {name: said for name, said in wanted.items() if said is not None}, len(found))
    answers = [period_answer(record, now) for record in found]
    columns = period_columns(runtime.engine.catalog, reader.locale, zone, scopes)
    return Taken("periods", len(found), columns, iter([answers]))


def period_columns(catalog: Catalog, locale: Locale, zone: ZoneInfo, scopes: Mapping[str, str]) -> Sequence[Column]:
    zh = locale == "zh"
    cycles = {rule.cycle.key: rule.cycle.title.in_(locale) for _, rule in catalog.cycles()}
    when = partial(on_the_wall, zone=zone)
    zero, corrected = (OF_REPORTS[name].in_(locale) for name in BESIDES)
    columns: list[tuple[str, Callable[[Any], object]]] = [
        ("报送内容" if zh else "what is owed", lambda p: cycles.get(p.cycle, p.cycle)),
        ("部门" if zh else "department", lambda p: scopes.get(p.scope, p.scope)),
        ("周期" if zh else "period", lambda p: p.key),
        ("期限" if zh else "due", lambda p: when(p.due_at)),
        ("报送情况" if zh else "what came", lambda p: REPORTS[p.report].in_(locale)),
        ("零报告" if zh else "zero", lambda p: zero if p.zero else ""),
        ("更正" if zh else "corrected", lambda p: corrected if p.corrected_at else ""),
        ("报送时间" if zh else "handed in", lambda p: when(p.reported_at)),
        ("更正时间" if zh else "corrected at", lambda p: when(p.corrected_at)),
        ("编号" if zh else "number", lambda p: p.number),
    ]
    return columns
