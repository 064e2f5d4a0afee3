"""The channels an organisation set up, in SQL: what they are, how they do, and how much a service still takes this minute.

Every function works in the transaction its caller opened with `Database.read…` or `Database.write…`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Insert, Row, and_, case, delete, func, literal, null, or_, select, update

from engine.store.database import table_of, upsert
from notifications.channels import Account, Limit
from notifications.tables import ChannelRow, ChannelStateRow, Connection, SendSlotRow

CHANNEL = table_of(ChannelRow)
STATE = table_of(ChannelStateRow)
SLOT = table_of(SendSlotRow)
C = CHANNEL.c
S = STATE.c

ANSWER_LIMIT = 500  # characters
FAILURES_IN_A_ROW = 3  # then the account is taken to be down, and is tried with one message now and then
SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
SLOW_IS_DOWN = timedelta(hours=1)  # no service counts what it takes over a longer time, but for its day
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15))  # the last one repeats


class Vault(Protocol):
    """Closes what nobody may read who has the database alone. `of` is bound to it: moved to another row, it does not open."""

    def close(self, of: str, text: str) -> bytes: ...
    def open(self, of: str, closed: bytes) -> str:
        """Raises    VaultError"""
        ...


class VaultError(Exception):
    """What was closed does not open here: under another key, moved, or changed."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """A channel as it was set up. `secrets` as they lie there; `revision` grows with every change."""

    organisation: str
    id: str
    kind: str
    title: str
    department: str | None
    settings: Mapping[str, Any]
    secrets: bytes
    enabled: bool
    daily_list: bool
    direct: bool
    changed_at: datetime
    revision: int = 1

    def account(self, vault: Vault) -> Account:
        """Raises    VaultError"""
        return Account(
            organisation=self.organisation, id=self.id, kind=self.kind, title=self.title, department=self.department,
            settings=self.settings, secrets=json.loads(vault.open(_bound_to(self.organisation, self.id), self.secrets)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """How an account does. Never tried: nothing but its name.

    since          since when it works, or fails, as it does now
    out_of_order   since when it says of itself that somebody has to mend it
    slowed_since   since when it has asked for patience and taken nothing
    """

    account: str
    failures: int = 0
    paused_until: datetime | None = None
    full_until: datetime | None = None
    answer: str | None = None
    failed_at: datetime | None = None
    worked_at: datetime | None = None
    listed_for: str | None = None
    since: datetime | None = None
    out_of_order: datetime | None = None
    slowed_since: datetime | None = None

    @property
    def down(self) -> bool:
        """Whether it is taken not to work: only one message is tried now and then."""
        return self.failures >= FAILURES_IN_A_ROW


# --- set up ----------------------------------------------------------------------------------------------------------


def put(connection: Connection, set_up: SetUp) -> None:
    """Write it down, or change it. How it did before says nothing about it any more."""
    row = {
        "organisation": set_up.organisation, "id": set_up.id, "kind": set_up.kind, "title": set_up.title,
        "department": set_up.department, "settings": dict(set_up.settings), "secrets": set_up.secrets,
        "enabled": set_up.enabled, "daily_list": set_up.daily_list, "direct": set_up.direct,
        "changed_at": set_up.changed_at, "revision": set_up.revision,
    }  # fmt: skip
    statement = upsert(CHANNEL).values(row)
    changed = {name: value for name, value in row.items() if name not in ("organisation", "id")}
    connection.execute(statement.on_conflict_do_update(index_elements=["organisation", "id"], set_=changed))
    works_again(connection, set_up.organisation, set_up.id)


def closed(vault: Vault, organisation: str, account: str, secrets: Mapping[str, str]) -> bytes:
    """Secrets as they are kept."""
    return vault.close(_bound_to(organisation, account), json.dumps(dict(secrets), ensure_ascii=False, sort_keys=True))


def drop(connection: Connection, organisation: str, account: str) -> bool:
    """False when there is none of this name."""
    for table, column in ((SLOT, SLOT.c.account), (STATE, S.account)):
        connection.execute(delete(table).where(table.c.organisation == organisation, column == account))
    gone = connection.execute(delete(CHANNEL).where(C.organisation == organisation, C.id == account))
    return gone.rowcount > 0


def all_of(connection: Connection, organisation: str) -> list[SetUp]:
    """Whether in use or not, by name."""
    rows = connection.execute(select(CHANNEL).where(C.organisation == organisation).order_by(C.id))
    return [_set_up(row) for row in rows]


def find(connection: Connection, organisation: str, account: str) -> SetUp | None:
    row = connection.execute(select(CHANNEL).where(C.organisation == organisation, C.id == account)).first()
    return None if row is None else _set_up(row)


def locked(connection: Connection, organisation: str, vault: Vault | None) -> list[str]:
    """Those whose secrets this vault does not open, by name; without a vault all of them."""

    def opens(set_up: SetUp) -> bool:
        try:
            return vault is not None and bool(set_up.account(vault).id)
        except VaultError:
            return False

    return [set_up.id for set_up in all_of(connection, organisation) if not opens(set_up)]


def _bound_to(organisation: str, account: str) -> str:
    return f"channel:{organisation}:{account}"


def _set_up(row: Row[Any]) -> SetUp:
    return SetUp(**row._mapping)


class AccountBook:
    """What every organisation can send by: what it set up itself, and what whoever runs the process set up for all of them.

    given            such accounts; their `organisation` says nothing, and they may lead wherever they lead
    inside_allowed   whether what an organisation set up may lead to addresses inside the server's own network
    """

    def __init__(
        self, vault: Vault, given: Sequence[Account] = (), inside_allowed: Callable[[], bool] = lambda: True
    ) -> None:
        self._vault = vault
        self._inside_allowed = inside_allowed
        self._given = {account.id: account for account in given}

    def in_use(self, connection: Connection, organisation: str) -> list[SetUp]:
        """By name. What an organisation calls as one that is given to all stands in its place."""
        own = all_of(connection, organisation)
        named = {set_up.id for set_up in own}
        given = [
            SetUp(organisation, a.id, a.kind, a.title, None, {}, b"", True, False, False, SINCE_EVER)
            for a in self._given.values() if a.id not in named
        ]  # fmt: skip
        return sorted([*(set_up for set_up in own if set_up.enabled), *given], key=lambda set_up: set_up.id)

    def account(self, connection: Connection, organisation: str, name: str) -> Account | None:
        """With its secrets; None when it is not in use any more. Raises VaultError."""
        set_up = find(connection, organisation, name)
        if set_up is not None:
            return self.opened(set_up) if set_up.enabled else None
        given = self._given.get(name)
        return None if given is None else replace(given, organisation=organisation)

    def opened(self, set_up: SetUp) -> Account:
        """What an organisation set up, in use or not, as it may be sent by. Raises VaultError."""
        return replace(set_up.account(self._vault), may_reach_inside=self._inside_allowed())

    def given_to_all(self, name: str) -> bool:
        """Whether whoever runs the process gave an account of this name to every organisation."""
        return name in self._given

    def instead_of(
        self, connection: Connection, organisation: str, gone: str, kind: str, department: str | None = None
    ) -> str | None:
        """The account of the same kind that serves the same people as `gone` does, or did; None where there is none."""
        alike = [each for each in self.in_use(connection, organisation) if each.kind == kind]
        return next((each.id for each in alike if each.id != gone and each.department == department), None)


# --- how they do -----------------------------------------------------------------------------------------------------


def states_of(connection: Connection, organisation: str) -> dict[str, State]:
    """By account, of those that were tried."""
    rows = connection.execute(select(STATE).where(S.organisation == organisation))
    return {row.account: _state(row) for row in rows}


def state_of(connection: Connection, organisation: str, account: str) -> State:
    row = connection.execute(select(STATE).where(S.organisation == organisation, S.account == account)).first()
    return State(account) if row is None else _state(row)


def worked(connection: Connection, organisation: str, account: str, now: datetime) -> None:
    """A message was taken. Written only now and then while all is well: nobody needs it to the second."""
    _know(connection, organisation, account)
    connection.execute(
        update(STATE).where(S.organisation == organisation, S.account == account)
        .where(
            (S.failures > 0) | S.slowed_since.is_not(None) | S.since.is_(None) | S.worked_at.is_(None)
            | (S.worked_at < now - timedelta(minutes=1))
        )
        .values(
            failures=0, paused_until=None, out_of_order=None, slowed_since=None, worked_at=now,
            since=_since(S.failures > 0, now),
        )
    )  # fmt: skip


def failed(
    connection: Connection, organisation: str, account: str, answer: str, now: datetime, *, out_of_order: bool = False
) -> datetime | None:
    """The account itself did not work. Until when it is left alone now; None while it gets its next chance at once.

    out_of_order   it says so itself, and somebody has to mend it
    """
    _know(connection, organisation, account)
    failures = state_of(connection, organisation, account).failures + 1
    if out_of_order:
        failures = max(failures, FAILURES_IN_A_ROW)
    over = failures - FAILURES_IN_A_ROW
    until = now + PAUSES[min(over, len(PAUSES) - 1)] if over >= 0 else None
    _change(
        connection, organisation, account, failures=failures, paused_until=until, answer=answer, failed_at=now,
        since=_since(S.failures == 0, now), out_of_order=func.coalesce(S.out_of_order, now) if out_of_order else S.out_of_order,
    )  # fmt: skip
    return until


def _since(turned: ColumnElement[bool], now: datetime) -> ColumnElement[datetime]:
    """From now on where it has just turned; else as long as before."""
    return case((or_(turned, S.since.is_(None)), literal(now, S.since.type)), else_=S.since)


def pause(connection: Connection, organisation: str, account: str, until: datetime, answer: str, now: datetime) -> None:
    """The service wants to be left alone until then. That is no failure of the account, unless it never says anything else:
    then it does not work, and is known for it.
    """
    _know(connection, organisation, account)
    known = state_of(connection, organisation, account)
    slowed_since = known.slowed_since or now
    values: dict[str, Any] = {"slowed_since": slowed_since}
    if now - slowed_since >= SLOW_IS_DOWN:
        values["failures"] = max(known.failures, FAILURES_IN_A_ROW)
        values["since"] = known.since if known.failures and known.since else slowed_since
    _change(connection, organisation, account, paused_until=until, answer=answer, failed_at=now, **values)


def works_again(connection: Connection, organisation: str, account: str) -> None:
    """Somebody changed it or sends its dead letters again: it is tried at once, and nobody knows yet how it does."""
    unknown = case((S.failures > 0, null()), else_=S.since)
    connection.execute(
        update(STATE).where(S.organisation == organisation, S.account == account)
        .values(failures=0, paused_until=None, out_of_order=None, slowed_since=None, since=unknown)
    )  # fmt: skip


def listed(connection: Connection, organisation: str, account: str, day: str) -> bool:
    """The list of this local day is planned. False when it was before, by whoever was faster."""
    _know(connection, organisation, account)
    mine = (S.organisation == organisation) & (S.account == account) & (S.listed_for.is_(None) | (S.listed_for < day))
    return connection.execute(update(STATE).where(mine).values(listed_for=day)).rowcount == 1


def _know(connection: Connection, organisation: str, account: str) -> None:
    connection.execute(_once(ChannelStateRow), {"organisation": organisation, "account": account, "failures": 0})


def _change(connection: Connection, organisation: str, account: str, **values: Any) -> None:
    if "answer" in values:
        values["answer"] = values["answer"][:ANSWER_LIMIT]
    connection.execute(update(STATE).where(S.organisation == organisation, S.account == account).values(**values))


def _state(row: Row[Any]) -> State:
    values = dict(row._mapping)
    del values["organisation"]
    return State(**values)


def failing_by_kind(connection: Connection) -> dict[str, int]:
    """Kind → accounts of all organisations that do not work; those in use alone. Every kind that is in use has its line."""
    down = func.count(S.account)
    known = and_(S.organisation == C.organisation, S.account == C.id, S.failures >= FAILURES_IN_A_ROW)
    own = select(C.kind, down).outerjoin(STATE, known).where(C.enabled.is_(True)).group_by(C.kind)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(own)}
    # what is given to all has no row of its own, and is called as its kind
    ours = select(C.id).where(C.organisation == S.organisation, C.id == S.account).exists()
    given = select(S.account, down).where(S.failures >= FAILURES_IN_A_ROW, ~ours).group_by(S.account)
    for kind, count in connection.execute(given):
        found[kind] = found.get(kind, 0) + count
    return found


# --- how much a service still takes ----------------------------------------------------------------------------------


def take_slots(
    connection: Connection,
    organisation: str,
    account: str,
    limit: Limit,
    wanted: int,
    now: datetime,
    held_until: datetime,
) -> list[int]:
    """As many of `wanted` sends as the service takes now; each is held until `held_until`, or until `give_slot`.

    A slot is in use from before its message leaves until a whole span after its answer came (after a worker's death: after
    his lease). Whichever of two messages in one span left later found the other's slot in use, so that no span of the
    service's own clock ever has more than `limit.count` of them, however long each was on its way.
    """
    connection.execute(
        _once(SendSlotRow),
        [
            {"organisation": organisation, "account": account, "slot": slot, "free_at": now}
            for slot in range(limit.count)
        ],
    )
    mine = (SLOT.c.organisation == organisation) & (SLOT.c.account == account) & (SLOT.c.slot < limit.count)
    free = (
        select(SLOT.c.slot).where(mine, SLOT.c.free_at <= now).order_by(SLOT.c.free_at, SLOT.c.slot).limit(wanted)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    slots = list(connection.execute(free).scalars())
    if slots:
        taken = update(SLOT).where(mine, SLOT.c.slot.in_(slots)).values(free_at=held_until + limit.per)
        connection.execute(taken)
    return slots


def give_slot(connection: Connection, organisation: str, account: str, slot: int, free_at: datetime) -> None:
    """The message left, or never did: from `free_at` on the next may."""
    mine = (SLOT.c.organisation == organisation) & (SLOT.c.account == account) & (SLOT.c.slot == slot)
    connection.execute(update(SLOT).where(mine).values(free_at=free_at))
    sooner = (S.organisation == organisation) & (S.account == account) & (S.full_until > free_at)
    connection.execute(update(STATE).where(sooner).values(full_until=free_at))


def is_full(connection: Connection, organisation: str, account: str) -> None:
    """No slot is free: nobody looks at what waits for this account before one is."""
    mine = (SLOT.c.organisation == organisation) & (SLOT.c.account == account)
    soonest = connection.execute(select(func.min(SLOT.c.free_at)).where(mine)).scalar_one()
    _know(connection, organisation, account)
    _change(connection, organisation, account, full_until=soonest)


@cache
def _once(row_class: type[ChannelStateRow | SendSlotRow]) -> Insert:
    return upsert(table_of(row_class)).on_conflict_do_nothing()
