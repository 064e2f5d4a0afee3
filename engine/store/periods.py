"""The ledger of periods: what every cycle owed, for whom, and what came of it. *Not reported* is not *zero*."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    TableValuedAlias,
    Text,
    and_,
    any_,
    bindparam,
    case,
    column,
    func,
    insert,
    select,
    text,
    true,
    union_all,
    update,
)

from engine.store.database import table_of, upsert
from engine.store.marks import Report
from engine.store.statements import Question, Statement
from engine.store.statements import Row as StoredRow
from engine.store.tables import DepartmentRow, ObligationRow, PeriodRow

_periods = table_of(PeriodRow)
_obligations = table_of(ObligationRow)
_departments = table_of(DepartmentRow)

PeriodStatus = Literal["open", "reported", "late", "waived"]


@dataclass(frozen=True, slots=True)
class Obligation:
    """A scope owes a cycle from `first_day` on. `opened_through` is the last local day whose periods are opened."""

    organisation: str
    cycle: str
    scope: str
    first_day: date
    last_day: date | None = None
    opened_through: date | None = None

    @property
    def unopened_after(self) -> date:
        """The last day that need not be looked at any more."""
        before = self.first_day - timedelta(days=1)
        return max(self.opened_through, before) if self.opened_through else before

    def through(self, today: date) -> date:
        """The last day whose periods may have to be opened by then."""
        return min(today, self.last_day) if self.last_day else today


@dataclass(frozen=True, slots=True)
class PeriodRecord:
    """What a cycle owed for one scope and one civil key.

    zero           what was handed in says that there was nothing; of one that was not handed in, false: it says nothing
    corrected_at   when a later version was handed in the last time; how the first one came stays as it was
    """

    organisation: str
    cycle: str
    scope: str
    key: str
    opens_at: datetime
    due_at: datetime
    opened_at: datetime
    number: str
    status: PeriodStatus
    reported_at: datetime | None
    zero: bool = False
    corrected_at: datetime | None = None

    def missing(self, now: datetime) -> bool:
        """Past its deadline and still nothing handed in: missing, which is not zero."""
        return self.status == "open" and now > self.due_at

    def report(self, now: datetime) -> Report:
        """What came of it, as lists tell it."""
        if self.status == "open":
            return "missing" if self.missing(now) else "waiting"
        return self.status


def obligations(connection: Connection, organisation: str) -> list[Obligation]:
    """What an organisation owes, in a fixed order."""
    here = select(_obligations).where(_obligations.c.organisation == organisation)
    ordered = here.order_by(_obligations.c.cycle, _obligations.c.scope)
    return [Obligation(**row._mapping) for row in connection.execute(ordered)]


def obligation(connection: Connection, organisation: str, cycle: str, scope: str) -> Obligation | None:
    row = _OBLIGATION.first(connection, {"organisation": organisation, "cycle": cycle, "scope": scope})
    return None if row is None else Obligation(*row)


def owe(connection: Connection, obligation: Obligation) -> None:
    """Write down that a scope owes a cycle; what it owed before is replaced. Owed from an earlier day, it is looked at anew:
    what is open already is not opened again.
    """
    values = {
        "organisation": obligation.organisation,
        "cycle": obligation.cycle,
        "scope": obligation.scope,
        "first_day": obligation.first_day,
        "last_day": obligation.last_day,
        "opened_through": obligation.opened_through,
    }
    statement = upsert(_obligations).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["organisation", "cycle", "scope"],
            set_={
                "first_day": obligation.first_day,
                "last_day": obligation.last_day,
                "opened_through": case(
                    (_obligations.c.first_day > obligation.first_day, None), else_=_obligations.c.opened_through
                ),
            },
        )
    )


def opened_through(connection: Connection, organisation: str, cycle: str, scope: str, day: date) -> None:
    here = {"of_organisation": organisation, "of_cycle": cycle, "of_scope": scope}
    _OPENED.put(connection, {**here, "opened_through": day})


# --- which of them have something to open --------------------------------------------------------------------------------

_ALIKE = "organisation", "cycle", "first_day", "last_day", "opened_through"
# in two halves, each of which is a stretch of the index that has these two columns
_BEHIND = union_all(
    *(
        select(_obligations).where(
            _obligations.c.cycle == bindparam("cycle"), _obligations.c.first_day <= bindparam("day"), opened
        )
        for opened in (
            and_(
                _obligations.c.opened_through < bindparam("day"),
                _obligations.c.last_day.is_(None) | (_obligations.c.opened_through < _obligations.c.last_day),
            ),
            and_(
                _obligations.c.opened_through.is_(None),
                _obligations.c.last_day.is_(None) | (_obligations.c.first_day <= _obligations.c.last_day),
            ),
        )
    )
).subquery()
_UNOPENED = Statement(
    select(*(func.min(c).label("scope") if c.name == "scope" else c for c in _BEHIND.c))
    .group_by(*(_BEHIND.c[name] for name in _ALIKE))
    .order_by(_BEHIND.c.organisation)
)


def unopened_alike(connection: Connection, cycle: str, day: date) -> list[Obligation]:
    """Every organisation's obligations of this cycle that may have a period to open that begins on this day or before; once
    for all scopes that were opened as far, and `scope` is the first of them.
    """
    return [Obligation(*row) for row in _UNOPENED.all(connection, {"cycle": cycle, "day": day})]


_OWED_BY = Statement(
    select(_obligations)
    .where(_obligations.c.organisation == bindparam("organisation"), _obligations.c.cycle == bindparam("cycle"))
    .order_by(_obligations.c.scope)
)


def asking_obligations(organisation: str, cycle: str) -> Question[list[Obligation]]:
    """All scopes of an organisation that owe a cycle, in a fixed order."""
    here = {"organisation": organisation, "cycle": cycle}
    return Question(_OWED_BY, here, lambda rows: [Obligation(*row) for row in rows])


_CLAIM = text(
    "SELECT organisation FROM unnest(CAST(:organisations AS text[])) organisation"
    " WHERE pg_try_advisory_xact_lock(hashtextextended('periods of ' || organisation, 0))"
)


_TAKE_A_TURN = text(
    "SELECT turn FROM generate_series(1, :at_once) turn"
    " WHERE pg_try_advisory_xact_lock(hashtextextended('opens periods ' || turn, 0)) LIMIT 1"
)


def claim(connection: Connection, organisations: Sequence[str], at_once: int) -> list[str] | None:
    """Those of these organisations whose periods nobody else is opening; None where so many nodes are opening some already.
    Until this transaction ends nobody else is given them, nor this node's turn: a courtesy that saves nodes from waiting for
    each other, and no promise. On a server.
    """
    if connection.execute(_TAKE_A_TURN, {"at_once": at_once}).first() is None:
        return None
    return list(connection.execute(_CLAIM, {"organisations": list(organisations)}).scalars())


# --- what a group that opens asks ----------------------------------------------------------------------------------------

_OWED = select(_obligations).where(
    _obligations.c.organisation == bindparam("organisation"),
    _obligations.c.cycle == bindparam("cycle"),
    _obligations.c.scope == bindparam("scope"),
)
_OBLIGATION = Statement(_OWED)
_LOCK = Statement(_OWED.with_for_update())


def locking(organisation: str, cycle: str, scope: str) -> Question[Obligation | None]:
    """The obligation; until this transaction ends nobody else opens a period of it."""
    here = {"organisation": organisation, "cycle": cycle, "scope": scope}
    return Question(_LOCK, here, lambda rows: Obligation(*rows[0]) if rows else None)


def _among(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Whether it is one of these texts: however many they are, the statement is the same. On a server."""
    return column == any_(bindparam(name, type_=ARRAY(Text())))


def _each_of(name: str) -> TableValuedAlias:
    """The same in a file, as a table. Whatever is looked for is joined to it from outside, so that each is looked up in the
    index: of `IN` SQLite makes a walk through all periods a school ever had.
    """
    return func.json_each(bindparam(name, type_=Text())).table_valued(column("value", Text()), name=f"these_{name}")


_SCOPES, _KEYS = _each_of("scopes"), _each_of("keys")
_OF_CYCLE = _obligations.c.organisation == bindparam("organisation"), _obligations.c.cycle == bindparam("cycle")
_PERIODS_OF_CYCLE = _periods.c.organisation == bindparam("organisation"), _periods.c.cycle == bindparam("cycle")
_OF_ORGANISATION = _departments.c.organisation == bindparam("organisation")
_SCOPE_KEY = select(_periods.c.scope, _periods.c.key)
_CODE = select(_departments.c.code)

# one order for everybody
_LOCK_SOME = Statement(
    select(_obligations)
    .where(*_OF_CYCLE, _among(_obligations.c.scope, "scopes"))
    .order_by(_obligations.c.scope)
    .with_for_update()
)
_EXISTING = Statement(
    _SCOPE_KEY.where(*_PERIODS_OF_CYCLE, _among(_periods.c.scope, "scopes"), _among(_periods.c.key, "keys"))
)
_DEPARTMENTS = Statement(_CODE.where(_OF_ORGANISATION, _among(_departments.c.code, "scopes")))
# in a file, where what is not there is a row of nothing
_LOCK_SOME_IN_A_FILE = Statement(
    select(_obligations).select_from(
        _SCOPES.outerjoin(_obligations, and_(*_OF_CYCLE, _obligations.c.scope == _SCOPES.c.value))
    )
)
_EXISTING_IN_A_FILE = Statement(
    _SCOPE_KEY.select_from(
        _SCOPES.join(_KEYS, true()).outerjoin(
            _periods,
            and_(*_PERIODS_OF_CYCLE, _periods.c.scope == _SCOPES.c.value, _periods.c.key == _KEYS.c.value),
        )
    )
)
_DEPARTMENTS_IN_A_FILE = Statement(
    _CODE.select_from(_SCOPES.outerjoin(_departments, and_(_OF_ORGANISATION, _departments.c.code == _SCOPES.c.value)))
)


def _texts(these: Iterable[str], *, on_server: bool) -> list[str] | str:
    in_order = sorted(these)
    return in_order if on_server else json.dumps(in_order)


def locking_some(
    organisation: str, cycle: str, scopes: Collection[str], *, on_server: bool
) -> Question[dict[str, Obligation | None]]:
    """As `locking`, of several scopes at once."""
    here = {"organisation": organisation, "cycle": cycle, "scopes": _texts(scopes, on_server=on_server)}

    def read(rows: list[StoredRow]) -> dict[str, Obligation | None]:
        return {**dict.fromkeys(scopes), **{row.scope: Obligation(*row) for row in rows if row.scope is not None}}

    return Question(_LOCK_SOME if on_server else _LOCK_SOME_IN_A_FILE, here, read)


def asking_existing(
    organisation: str, cycle: str, places: Collection[tuple[str, str]], *, on_server: bool
) -> Question[dict[tuple[str, str], bool]]:
    """Of each (scope, key) whether its period is open, or was."""
    scopes, keys = (_texts({place[n] for place in places}, on_server=on_server) for n in (0, 1))
    here = {"organisation": organisation, "cycle": cycle, "scopes": scopes, "keys": keys}

    def read(rows: list[StoredRow]) -> dict[tuple[str, str], bool]:
        there = {tuple(row) for row in rows}
        return {place: place in there for place in places}

    return Question(_EXISTING if on_server else _EXISTING_IN_A_FILE, here, read)


def asking_departments(
    organisation: str, scopes: Collection[str], *, on_server: bool
) -> Question[dict[tuple[str, str], bool]]:
    """Of each (organisation, scope) whether there is such a department."""
    here = {"organisation": organisation, "scopes": _texts(scopes, on_server=on_server)}

    def read(rows: list[StoredRow]) -> dict[tuple[str, str], bool]:
        there = {row.code for row in rows}
        return {(organisation, scope): scope in there for scope in scopes}

    return Question(_DEPARTMENTS if on_server else _DEPARTMENTS_IN_A_FILE, here, read)


_EXISTS = Statement(
    select(_periods.c.number).where(
        _periods.c.organisation == bindparam("organisation"),
        _periods.c.cycle == bindparam("cycle"),
        _periods.c.scope == bindparam("scope"),
        _periods.c.key == bindparam("key"),
    )
)
_OPEN = Statement(insert(_periods))
_OPENED = Statement(
    update(_obligations)
    .where(
        _obligations.c.organisation == bindparam("of_organisation"),
        _obligations.c.cycle == bindparam("of_cycle"),
        _obligations.c.scope == bindparam("of_scope"),
    )
    .values(opened_through=bindparam("opened_through"))
)


def exists(connection: Connection, organisation: str, cycle: str, scope: str, key: str) -> bool:
    return asking_existence(organisation, cycle, scope, key).ask(connection)


def asking_existence(organisation: str, cycle: str, scope: str, key: str) -> Question[bool]:
    """As `exists`, to be asked together with other questions."""
    return Question(_EXISTS, {"organisation": organisation, "cycle": cycle, "scope": scope, "key": key}, bool)


def open_(connection: Connection, record: PeriodRecord) -> None:
    """Write the period down; its key is unique, so a second opening is refused by the database itself."""
    _OPEN.put(connection, {name: getattr(record, name) for name in PeriodRecord.__slots__})


def settle(
    connection: Connection,
    organisation: str,
    number: str,
    how: Literal["reported", "waived"],
    at: datetime,
    *,
    zero: bool = False,
) -> None:
    """What the period owed was handed in with this case, or waived. Late stays late, and how it came stays so; whether it says
    that there was nothing goes by what was handed in last, after it was sent back.
    """
    this = (_periods.c.organisation == organisation, _periods.c.number == number)
    here = (*this, _periods.c.status == "open")
    if how == "reported":
        again = update(_periods).where(*this, _periods.c.status.in_(("reported", "late")))
        connection.execute(again.values(zero=zero))
        late = update(_periods).where(*here, _periods.c.due_at < at)
        connection.execute(late.values(status="late", reported_at=at, zero=zero))
    reported_at = at if how == "reported" else None
    connection.execute(update(_periods).where(*here).values(status=how, reported_at=reported_at, zero=zero))


def corrected(connection: Connection, organisation: str, cycle: str, scope: str, key: str, at: datetime) -> None:
    """A later version of what was handed in came. In time or late, zero or not: how the first one came stays as it was."""
    here = (
        _periods.c.organisation == organisation, _periods.c.cycle == cycle, _periods.c.scope == scope,
        _periods.c.key == key,
    )  # fmt: skip
    connection.execute(update(_periods).where(*here).values(corrected_at=at))


def move(connection: Connection, organisation: str, number: str, due_at: datetime) -> None:
    """A corrected calendar moved the deadline of a period that is still open."""
    here = (_periods.c.organisation == organisation, _periods.c.number == number, _periods.c.status == "open")
    connection.execute(update(_periods).where(*here).values(due_at=due_at))


def find(
    connection: Connection,
    organisation: str,
    *,
    cycle: str | None = None,
    key: str | None = None,
    scopes: frozenset[str] | None = None,
) -> list[PeriodRecord]:
    """Periods of an organisation, by cycle, key, scope; `scopes` None means every scope."""
    statement = select(_periods).where(_periods.c.organisation == organisation)
    if cycle is not None:
        statement = statement.where(_periods.c.cycle == cycle)
    if key is not None:
        statement = statement.where(_periods.c.key == key)
    if scopes is not None:
        statement = statement.where(_periods.c.scope.in_(scopes))
    ordered = statement.order_by(_periods.c.cycle, _periods.c.opens_at, _periods.c.key, _periods.c.scope)
    return [_record(row) for row in connection.execute(ordered)]


def of_cases(connection: Connection, organisation: str, numbers: Collection[str]) -> dict[str, PeriodRecord]:
    """By number: of the cases that were opened for a period, what it owes; a correction of one is not among them."""
    if not numbers:
        return {}
    here = _periods.c.organisation == organisation, _periods.c.number.in_(sorted(numbers))
    found = (_record(row) for row in connection.execute(select(_periods).where(*here)))
    return {record.number: record for record in found}


def _record(row: Row[tuple[object, ...]]) -> PeriodRecord:
    return PeriodRecord(**row._mapping)
