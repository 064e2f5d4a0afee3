"""The ledger of periods: what every cycle owed, for whom, and what came of it. *Not reported* is not *zero*."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Row, bindparam, case, insert, select, tuple_, update

from engine.store.database import table_of, upsert
from engine.store.statements import Question, Statement
from engine.store.tables import ObligationRow, PeriodRow

_periods = table_of(PeriodRow)
_obligations = table_of(ObligationRow)

ASKED_AT_ONCE = 500  # keys; four values each, and no database takes more than some thousands in a statement

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

    def missing(self, now: datetime) -> bool:
        """Past its deadline and still nothing handed in: missing, which is not zero."""
        return self.status == "open" and now > self.due_at


def obligations(connection: Connection) -> list[Obligation]:
    """What every organisation owes, in a fixed order."""
    statement = select(_obligations).order_by(_obligations.c.organisation, _obligations.c.cycle, _obligations.c.scope)
    return [Obligation(**row._mapping) for row in connection.execute(statement)]


_AFTER = Statement(
    select(_obligations)
    .where(
        tuple_(_obligations.c.organisation, _obligations.c.cycle, _obligations.c.scope)
        > tuple_(bindparam("organisation"), bindparam("cycle"), bindparam("scope"))
    )
    .order_by(_obligations.c.organisation, _obligations.c.cycle, _obligations.c.scope)
    .limit(bindparam("limit"))
)


def obligations_after(connection: Connection, after: tuple[str, str, str], limit: int) -> list[Obligation]:
    """At most so many of every organisation's, in a fixed order, after that of this organisation, cycle and scope."""
    here = {"organisation": after[0], "cycle": after[1], "scope": after[2], "limit": limit}
    return [Obligation(*row) for row in _AFTER.all(connection, here)]


def existing(connection: Connection, keys: Sequence[tuple[str, str, str, str]]) -> frozenset[tuple[str, str, str, str]]:
    """Those of (organisation, cycle, scope, key) whose period is open, or was."""
    columns = (_periods.c.organisation, _periods.c.cycle, _periods.c.scope, _periods.c.key)
    found: set[tuple[str, str, str, str]] = set()
    for start in range(0, len(keys), ASKED_AT_ONCE):
        these = tuple_(*columns).in_(keys[start : start + ASKED_AT_ONCE])
        found.update(tuple(row) for row in connection.execute(select(*columns).where(these)))
    return frozenset(found)


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
    connection: Connection, organisation: str, number: str, how: Literal["reported", "waived"], at: datetime
) -> None:
    """What the period owed was handed in with this case, or waived. Late stays late; doing it again changes nothing."""
    here = (_periods.c.organisation == organisation, _periods.c.number == number, _periods.c.status == "open")
    if how == "reported":
        late = update(_periods).where(*here, _periods.c.due_at < at)
        connection.execute(late.values(status="late", reported_at=at))
    connection.execute(update(_periods).where(*here).values(status=how, reported_at=at if how == "reported" else None))


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


def _record(row: Row[tuple[object, ...]]) -> PeriodRecord:
    return PeriodRecord(**row._mapping)
