"""Deliveries in SQL: planned once, claimed under a lease, settled only by whoever still holds the fence.

Every function works in the transaction its caller opened with `Database.read…` or `Database.write…`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy import case as when

from engine.events import Notice, Recipient
from engine.store.database import table_of, upsert
from engine.store.statements import Listing, Statement
from engine.store.statements import Row as StoredRow
from notifications.accounts import works_again
from notifications.answers import NOT_IN_USE, as_kept
from notifications.message import (
    GROUP,
    NOBODY,
    ORGANISATION,
    STUCK,
    UNSETTLED,
    Addressee,
    Claimed,
    Delivery,
    Figures,
    InboxMessage,
    Outgoing,
    Planned,
    Rest,
    Status,
    digest_key,
)
from notifications.tables import ChannelStateRow, Connection, DeliveryRow, DigestRow, InboxMessageRow

DELIVERY = table_of(DeliveryRow)
INBOX = table_of(InboxMessageRow)
DIGEST = table_of(DigestRow)
D = DELIVERY.c
G = DIGEST.c
M = INBOX.c

_IS_STUCK = D.status.in_(
    [literal_column(repr(status)) for status in STUCK]
)  # as its index has it, no value to be bound
_NOW = bindparam("now", type_=D.not_before.type)
_IS_LOOSE = and_(D.status == literal_column("'waiting'"), D.message.is_(None))
MOST = 10_000  # counted of anything; a millisecond or two, and whoever has more knows what he needs to know
LINES = 20  # looked at for each message wanted; a digest has many, and whoever finds fewer comes again
ANSWER_LIMIT = 500  # characters; an error page must not fill the table

# --- planning --------------------------------------------------------------------------------------------------------


def plan(connection: Connection, planned: Sequence[Planned], now: datetime) -> int:
    """Write these deliveries down; those that exist already stay as they are. How many are new."""
    rows = [_row_of(delivery, now) for delivery in planned]
    return _INSERT[DeliveryRow].changed(connection, *rows)


def revive(connection: Connection, planned: Sequence[Planned]) -> int:
    """Those of these that were withdrawn wait again: whoever was out of charge in between is in charge once more."""
    withdrawn = and_(D.status == "withdrawn", D.message.is_(None))
    return sum(
        connection.execute(
            update(DELIVERY)
            .where(D.organisation == delivery.notice.organisation, D.id == delivery.id, withdrawn)
            .values(status="waiting", not_before=delivery.not_before, answer=None)
        ).rowcount
        for delivery in planned
        if delivery.status == "waiting"
    )


def take_up(connection: Connection, planned: Sequence[Planned], now: datetime, *, in_its_digest: bool = False) -> int:
    """Write these down as `plan` does; those that were withdrawn since their way was closed go by it after all, under the key
    they had. How many wait now that did not.

    in_its_digest   whether a line goes in the digest it was in; else with its reader's next one
    """
    taken = plan(connection, planned, now)
    for delivery in planned:
        mine = and_(D.organisation == delivery.notice.organisation, D.id == delivery.id, D.status == "withdrawn")
        values = {"status": "waiting", "not_before": delivery.not_before, "attempts": 0, "account": delivery.account}
        if not in_its_digest or delivery.message is not None:
            values["message"] = delivery.message
        taken += connection.execute(update(DELIVERY).where(mine).values(**values, answer=None)).rowcount
    return taken


def _insert_once(
    connection: Connection, row_class: type[DeliveryRow | DigestRow | InboxMessageRow], row: Mapping[str, Any]
) -> int:
    return _INSERT[row_class].changed(connection, row)


_INSERT = {
    row_class: Statement(upsert(table_of(row_class)).on_conflict_do_nothing())
    for row_class in (DeliveryRow, DigestRow, InboxMessageRow)
}


def _row_of(planned: Planned, now: datetime) -> dict[str, Any]:
    notice = planned.notice
    return {
        "organisation": notice.organisation,
        "id": planned.id,
        "notice": notice.id,
        "case": notice.case,
        "sequence": notice.sequence,
        "reason": notice.reason,
        "audience": list(notice.audience),
        "written_at": notice.written_at,
        "about": dict(notice.about),
        "notice_how": notice.how,
        "addressee": planned.addressee.key,
        "addressee_data": planned.addressee.to_json(),
        "told": [_told(recipient) for recipient in planned.told],
        "channel": planned.channel,
        "how": planned.how,
        "status": planned.status,
        "not_before": planned.not_before,
        "digest_for": planned.digest_for.isoformat() if planned.digest_for else None,
        "message": planned.message,
        "attempts": 0,
        "fence": 0,
        "planned_at": now,
        "answer": planned.cause,
        "account": planned.account or planned.channel,
        "lease_until": None,
        "sent_at": None,
        "acknowledged_at": None,
    }


def _told(recipient: Recipient) -> dict[str, str]:
    return {"person": recipient.person, "name": recipient.name}


def something_unaddressed(connection: Connection) -> bool:
    """A cheap look before a write transaction is begun."""
    return _UNADDRESSED.first(connection, {}) is not None


_UNADDRESSED = Statement(select(D.id).where(D.channel == NOBODY, D.status == "waiting").limit(1))


def unaddressed(connection: Connection, limit: int) -> list[Delivery]:
    """Those that reached nobody and were asked to be tried again."""
    statement = select(DELIVERY).where(D.channel == NOBODY, D.status == "waiting").order_by(D.not_before).limit(limit)
    return _deliveries(connection, statement)


def address_anew(
    connection: Connection, organisation: str, account: str, channel: str, instead: str | None, now: datetime
) -> int:
    """What waits for an account that is not in use any more goes by another one of its kind, or is addressed anew. How many
    deliveries.

    channel   its kind
    instead   the other one
    What is being sent this moment is left to whoever sends it; where that fails, he comes here too.
    """
    theirs = [account, ""] if account == channel else [account]  # what an older node planned has none
    waits = and_(D.organisation == organisation, D.account.in_(theirs), D.status == "waiting", D.channel == channel)
    if instead is not None:
        # what was tried in vain is due at once: it was the account's fault, or may have been
        due = when((D.attempts > 0, literal(now, D.not_before.type)), else_=D.not_before)
        moved = update(DELIVERY).where(waits).values(account=instead, attempts=0, not_before=due)
        return connection.execute(moved).rowcount
    left = _deliveries(connection, select(DELIVERY).where(waits).with_for_update())
    why = as_kept(NOT_IN_USE, account=account)
    withdraw(connection, left, why)
    anew = [
        Planned(line.notice, line.addressee, NOBODY, "direct", "waiting", now, cause=why)
        for line in left
        # what went to the organisation, or to a group, went to people by themselves as well
        if line.addressee.key not in (NOBODY, ORGANISATION) and not line.addressee.key.startswith(GROUP)
    ]
    plan(connection, anew, now)
    for line in anew:
        again = and_(D.organisation == organisation, D.id == line.id)
        connection.execute(update(DELIVERY).where(again).values(status="waiting", not_before=now, answer=line.cause))
    return len(left)


def settle_unaddressed(connection: Connection, delivery: Delivery, status: Status, answer: str) -> None:
    connection.execute(
        update(DELIVERY)
        .where(D.organisation == delivery.organisation, D.id == delivery.id)
        .values(status=status, answer=answer[:ANSWER_LIMIT])
    )


# --- before something can be sent: looked at again, and digests put together -------------------------------------------


def something_loose(connection: Connection, channels: Collection[str], now: datetime) -> bool:
    """A cheap look before a write transaction is begun: whether anything is due that is no message yet."""
    return bool(_SOMETHING_LOOSE.all(connection, sorted(channels), {"now": now}))


_SOMETHING_LOOSE = Listing(
    lambda channels: select(D.id).where(D.channel.in_(channels), _IS_LOOSE, D.not_before <= _NOW).limit(1)
)


def waiting_direct(connection: Connection, channels: Collection[str], now: datetime, limit: int) -> list[Delivery]:
    """Direct ones that waited until they may be sent, and may now. Needs a write transaction."""
    statement = (
        select(DELIVERY).where(_loose(channels), D.how == "direct", D.not_before <= now)
        .order_by(D.not_before, D.organisation, D.id).limit(limit).with_for_update(skip_locked=True)
    )  # fmt: skip
    return _deliveries(connection, statement)


def make_message(connection: Connection, delivery: Delivery, addressee: Addressee) -> None:
    """It goes out by itself now."""
    _change(connection, [delivery], message=delivery.id, addressee_data=addressee.to_json())


def readers_of_due_digests(
    connection: Connection, channels: Collection[str], now: datetime, limit: int
) -> list[tuple[str, str]]:
    """(organisation, addressee) of those for whom lines wait whose time has come."""
    statement = (
        select(D.organisation, D.addressee).where(_loose(channels), D.how == "digest", D.not_before <= now).distinct()
        .order_by(D.organisation, D.addressee).limit(limit)
    )  # fmt: skip
    return [(row.organisation, row.addressee) for row in connection.execute(statement)]


def due_lines(
    connection: Connection, channels: Collection[str], readers: Sequence[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], list[Delivery]]:
    """Everything that waits for the digests of these (organisation, addressee) now, by whatever channel."""
    found: dict[tuple[str, str], list[Delivery]] = {}
    for organisation in dict.fromkeys(organisation for organisation, _ in readers):
        theirs = [reader for of, reader in readers if of == organisation]
        statement = select(DELIVERY).where(
            D.organisation == organisation, D.addressee.in_(theirs), _loose(channels), D.how == "digest",
            D.not_before <= now,
        )  # fmt: skip
        for line in _deliveries(connection, statement.order_by(D.written_at, D.id)):
            found.setdefault((organisation, line.addressee.key), []).append(line)
    return found


def loose_lines(connection: Connection, channels: Collection[str], organisation: str, addressee: str) -> list[Delivery]:
    """Every line of this reader that is in no message yet, due or not."""
    found = _LOOSE_LINES.all(connection, sorted(channels), {"of": organisation, "to": addressee})
    return [_delivery(row) for row in found]


_LOOSE_LINES = Listing(
    lambda channels: select(DELIVERY)
    .where(
        D.organisation == bindparam("of"), D.addressee == bindparam("to"), D.channel.in_(channels), _IS_LOOSE,
        D.how == "digest",
    )
    .order_by(D.written_at, D.id)
)  # fmt: skip


_REST = Statement(
    select(G.waiting, G.more, G.overdue).where(G.organisation == bindparam("of"), G.message == bindparam("key"))
)


def had_digest(connection: Connection, organisation: str, addressee: str, day: date) -> bool:
    """Whether this reader's digest of that local day is put together already."""
    mine = {"of": organisation, "to": addressee, "on": day.isoformat()}
    return _HAD_DIGEST.first(connection, mine) is not None


_HAD_DIGEST = Statement(
    select(G.message)
    .where(G.organisation == bindparam("of"), G.addressee == bindparam("to"), G.day == bindparam("on"))
    .limit(1)
)


def put_digest(
    connection: Connection, organisation: str, addressee: str, channel: str, day: date, rest: Rest, now: datetime
) -> str | None:
    """What it says besides its lines, once: the message's key. None when there is one of that day by this channel already."""
    key = digest_key(organisation, addressee, channel, day)
    row = {
        "organisation": organisation, "message": key, "channel": channel, "addressee": addressee, "day": day.isoformat(),
        "waiting": [dict(about) for about in rest.waiting], "more": rest.more, "overdue": rest.overdue, "bound_at": now,
    }  # fmt: skip
    return key if _insert_once(connection, DigestRow, row) else None


def bind(
    connection: Connection, lines: Sequence[Delivery], key: str, day: date, addressee: Addressee, account: str
) -> None:
    """One message of these lines. From now on nothing joins it and nothing leaves it: each try says the same."""
    _change(
        connection, lines, message=key, digest_for=day.isoformat(), addressee_data=addressee.to_json(), account=account
    )


def postpone(connection: Connection, lines: Sequence[Delivery], day: date | None, leaves_at: datetime) -> None:
    _change(connection, lines, digest_for=day.isoformat() if day else None, not_before=leaves_at)


def withdraw(connection: Connection, lines: Sequence[Delivery], why: str) -> None:
    _change(connection, lines, status="withdrawn", answer=why[:ANSWER_LIMIT])


def give_up(connection: Connection, lines: Sequence[Delivery], why: str) -> None:
    """What nobody holds a lease on, and nobody waits for any longer."""
    _change(connection, lines, status="dead", answer=why[:ANSWER_LIMIT])


def channels_tried(connection: Connection, organisation: str, notices: Collection[str], addressee: str) -> set[str]:
    """By which channels any of these notices went, or was to go, to this addressee."""
    statement = select(D.channel).where(
        D.organisation == organisation, D.addressee == addressee, D.notice.in_(sorted(notices)), D.status != "withdrawn"
    )
    return set(connection.execute(statement.distinct()).scalars())


def _change(connection: Connection, lines: Sequence[Delivery], **values: Any) -> None:
    """All of them are one organisation's."""
    if lines:
        said = {"of": lines[0].organisation} | {f"as_{name}": value for name, value in values.items()}
        _change_of(*values).changed(connection, [line.id for line in lines], said)


@cache
def _change_of(*names: str) -> Listing:
    values = {name: bindparam(f"as_{name}", type_=D[name].type) for name in names}
    mine = D.organisation == bindparam("of")
    return Listing(lambda ids: update(DELIVERY).where(mine, D.id.in_(ids)).values(values))


def _loose(channels: Collection[str]) -> ColumnElement[bool]:
    return and_(D.channel.in_(sorted(channels)), _IS_LOOSE)


# --- the days of an organisation ---------------------------------------------------------------------------------------


def begin_day(connection: Connection, organisation: str, day: date, now: datetime) -> bool:
    """The messages of this local day are planned. False when they were before, by whoever was faster."""
    return put_digest(connection, organisation, ORGANISATION, NOBODY, day, Rest(), now) is not None


def day_begun(connection: Connection, organisation: str, day: date) -> bool:
    return had_digest(connection, organisation, ORGANISATION, day)


def last_day_begun(connection: Connection, organisation: str) -> date | None:
    last = select(func.max(G.day)).where(G.organisation == organisation, G.addressee == ORGANISATION)
    found = connection.execute(last).scalar_one()
    return date.fromisoformat(found) if found else None


# --- sending ---------------------------------------------------------------------------------------------------------


# put together once: building these for each message took longer than running them
_BY = bindparam("by", type_=D.channel.type)
_THIS = (D.organisation == bindparam("of"), D.message == bindparam("key"))
_WAITS = and_(D.channel == _BY, D.status == "waiting", D.not_before <= _NOW, D.message.is_not(None))
_ABANDONED = and_(D.channel == _BY, D.status == "sending", D.lease_until <= _NOW)
#: what may be claimed, and since when it is due
_DUE_BY = ((_ABANDONED, D.lease_until), (_WAITS, D.not_before))


def _not_left_alone() -> ColumnElement[bool]:
    """Whether its account is in order and the service takes more."""
    states = table_of(ChannelStateRow).c
    alone = or_(states.paused_until > _NOW, states.full_until > _NOW)
    mine = and_(states.organisation == D.organisation, states.account == D.account)
    return ~exists().where(mine, alone)


_SOMETHING_DUE = Statement(select(D.id).where(or_(_WAITS, _ABANDONED), _not_left_alone()).limit(1))
_NEXT_ACCOUNT = tuple(
    select(D.organisation, D.account).where(due, _not_left_alone()).order_by(since).limit(1)
    for due, since in _DUE_BY
)  # fmt: skip
# lines, not messages: to group all that are due costs more than all the rest where thousands are
_DUE_LINES = tuple(
    select(D.organisation, D.message).where(due).order_by(since, D.message).limit(bindparam("most"))
    .with_for_update(skip_locked=True)  # what another node is just claiming is none of ours
    for due, since in _DUE_BY
)  # fmt: skip
_OF_ACCOUNT = (D.organisation == bindparam("of"), D.account == bindparam("account_of"))
_DUE_LINES_OF_ACCOUNT = tuple(found.where(*_OF_ACCOUNT) for found in _DUE_LINES)
_TAKE = tuple(
    Statement(
        update(DELIVERY).where(*_THIS, due)
        .values(status="sending", fence=D.fence + 1, lease_until=bindparam("until", type_=D.lease_until.type))
    )
    for due, _ in _DUE_BY
)  # fmt: skip
_TAKEN = Statement(select(DELIVERY).where(*_THIS, D.status == "sending").order_by(D.written_at, D.id))


def something_due(connection: Connection, channel: str, now: datetime) -> bool:
    """A cheap look before a write transaction is begun."""
    return _SOMETHING_DUE.first(connection, {"by": channel, "now": now}) is not None


def next_account(
    connection: Connection, channel: str, now: datetime, *, without: Collection[tuple[str, str]] = ()
) -> tuple[str, str] | None:
    """(organisation, account) whose message is due longest; `without` those that are being worked on here."""
    for due in _NEXT_ACCOUNT:
        statement = due.where(tuple_(D.organisation, D.account).not_in(list(without))) if without else due
        found = connection.execute(statement, {"by": channel, "now": now}).first()
        if found is not None:
            return found.organisation, found.account
    return None


def claim(
    connection: Connection,
    channel: str,
    now: datetime,
    lease_until: datetime,
    limit: int,
    *,
    of: tuple[str, str] | None = None,
) -> list[Claimed]:
    """At most `limit` due messages of a channel, longest due first, each under a new fence.

    of   only those of this (organisation, account)
    """
    asked: dict[str, Any] = {"by": channel, "now": now, "most": limit * LINES}
    if of:
        asked |= {"of": of[0], "account_of": of[1]}
    claimed: dict[tuple[str, str], Claimed] = {}
    for due, take in zip(_DUE_LINES_OF_ACCOUNT if of else _DUE_LINES, _TAKE, strict=True):
        lines = [(row.organisation, row.message) for row in connection.execute(due, asked)]
        messages = list(dict.fromkeys(lines))
        if len(lines) == limit * LINES and len(messages) > 1:
            messages.pop()  # another node may hold the rest of it: each would wait for the other
        for key in messages:
            if len(claimed) == limit:
                break
            if (
                key not in claimed
                and (message := _claim(connection, channel, *key, take, now, lease_until)) is not None
            ):
                claimed[key] = message
    return list(claimed.values())


def _claim(
    connection: Connection,
    channel: str,
    organisation: str,
    message: str,
    take: Statement,
    now: datetime,
    lease_until: datetime,
) -> Claimed | None:
    """One message, whole. None when another worker was faster."""
    mine = {"of": organisation, "key": message}
    if not take.changed(connection, {**mine, "by": channel, "now": now, "until": lease_until}):
        return None
    members = [_delivery(row) for row in _TAKEN.all(connection, mine)]
    first = members[0]
    rest = Rest() if first.how == "direct" else _rest_of(connection, organisation, message)
    return Claimed(
        organisation, message, channel, first.account, first.fence, first.attempts, tuple(members), rest=rest
    )


def waiting_by(
    connection: Connection, organisation: str, account: str, channels: Collection[str], limit: int
) -> list[Claimed]:
    """Messages that wait to be sent by this account, longest first; under no lease. Needs a write transaction."""
    statement = (
        select(DELIVERY)
        .where(
            D.organisation == organisation, D.account == account, D.channel.in_(sorted(channels)), D.status == "waiting",
            D.message.is_not(None),
        )
        .order_by(D.planned_at, D.message, D.id).limit(limit).with_for_update(skip_locked=True)
    )  # fmt: skip
    found: dict[str, list[Delivery]] = {}
    for line in _deliveries(connection, statement):
        assert line.message is not None  # asked for
        found.setdefault(line.message, []).append(line)
    if sum(map(len, found.values())) == limit and len(found) > 1:
        found.popitem()  # it may have more lines
    return [
        Claimed(
            organisation, message, lines[0].channel, account, lines[0].fence, lines[0].attempts, tuple(lines),
            rest=Rest() if lines[0].how == "direct" else _rest_of(connection, organisation, message),
        )
        for message, lines in found.items()
    ]  # fmt: skip


def _rest_of(connection: Connection, organisation: str, message: str) -> Rest:
    row = _REST.first(connection, {"of": organisation, "key": message})  # what an older node bound has none
    return Rest() if row is None else Rest(tuple(row.waiting), row.more, row.overdue)


def settle(
    connection: Connection,
    claimed: Claimed,
    status: Status,
    *,
    answer: str | None = None,
    not_before: datetime | None = None,
    sent_at: datetime | None = None,
    counts: bool = True,
) -> bool:
    """Write down what became of a message. False when the lease was lost since: somebody else answers for it now.

    counts   whether it was a try; a message given back unsent was not
    """
    values: dict[str, Any] = {"status": status, "lease_until": None}
    if counts:
        values["sent_at"] = sent_at
    if counts or answer is not None:
        values["answer"] = (answer or "")[:ANSWER_LIMIT]
    if not_before is not None:
        values["not_before"] = not_before
    mine = {"of": claimed.organisation, "key": claimed.message, "under": claimed.fence}
    settled = _settle_statement(*values, counts=counts)
    return settled.changed(connection, mine | {f"as_{name}": value for name, value in values.items()}) > 0


@cache
def _settle_statement(*names: str, counts: bool) -> Statement:
    values: dict[str, Any] = {name: bindparam(f"as_{name}", type_=D[name].type) for name in names}
    if counts:
        values["attempts"] = D.attempts + 1
    mine = (*_THIS, D.status == "sending", D.fence == bindparam("under"))
    return Statement(update(DELIVERY).where(*mine).values(**values))


def hold(connection: Connection, channels: Collection[str], now: datetime, why: str) -> int:
    """Keep what is due on these channels in sight instead of sending it. How many deliveries."""
    held = update(DELIVERY).where(_to_be_held(channels, now)).values(status="held", answer=why, lease_until=None)
    return connection.execute(held).rowcount


def something_to_hold(connection: Connection, channels: Collection[str], now: datetime) -> bool:
    """A cheap look before a write transaction is begun."""
    return connection.execute(select(D.id).where(_to_be_held(channels, now)).limit(1)).first() is not None


def _to_be_held(channels: Collection[str], now: datetime) -> ColumnElement[bool]:
    due = and_(D.status.in_(UNSETTLED), D.not_before <= now, D.message.is_not(None))
    return and_(D.channel.in_(sorted(channels)), due)


# --- in sight --------------------------------------------------------------------------------------------------------


def list_deliveries(
    connection: Connection,
    organisation: str,
    *,
    status: Status | None = None,
    dead: bool = False,
    case: str | None = None,
    person: str | None = None,
    channel: str | None = None,
    account: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> list[Delivery]:
    """The organisation's deliveries, the latest planned first.

    dead      those that will not go anywhere by themselves: dead letters and the unreachable
    channel   a kind; `account` one of the organisation's own of it
    after     the id of the last one seen; goes on behind it
    """
    statement = select(DELIVERY).where(D.organisation == organisation)
    if status is not None:
        statement = statement.where(D.status == status)
    if dead:
        statement = statement.where(_IS_STUCK)
    if case is not None:
        statement = statement.where(D.case == case)
    if person is not None:
        statement = statement.where(D.addressee == person)
    if channel is not None:
        statement = statement.where(D.channel == channel)
    if account is not None:
        statement = statement.where(D.account == account)
    if after is not None:
        seen = select(D.planned_at).where(D.organisation == organisation, D.id == after).scalar_subquery()
        statement = statement.where(or_(D.planned_at < seen, and_(D.planned_at == seen, D.id < after)))
    return _deliveries(connection, statement.order_by(D.planned_at.desc(), D.id.desc()).limit(limit))


def find(connection: Connection, organisation: str, delivery: str) -> Delivery | None:
    found = _deliveries(connection, select(DELIVERY).where(D.organisation == organisation, D.id == delivery))
    return found[0] if found else None


def message_of(connection: Connection, delivery: Delivery) -> Claimed:
    """The message it leaves, or left, in, as whoever sends it has it, under a lease of nobody's: itself alone unless it is a
    digest's.
    """
    lines = [delivery]
    if delivery.message is not None:
        mine = and_(D.organisation == delivery.organisation, D.message == delivery.message)
        lines = _deliveries(connection, select(DELIVERY).where(mine).order_by(D.written_at, D.id))
    message = delivery.message or delivery.id
    rest = Rest() if delivery.how == "direct" else _rest_of(connection, delivery.organisation, message)
    return Claimed(
        delivery.organisation, message, delivery.channel, delivery.account, delivery.fence, delivery.attempts,
        tuple(lines), rest=rest,
    )  # fmt: skip


def acknowledge(connection: Connection, organisation: str, id_: str, at: datetime) -> None:
    """Its addressee said, straight from the message, that he has got it. The first time counts."""
    mine = and_(D.organisation == organisation, D.id == id_, D.acknowledged_at.is_(None))
    connection.execute(update(DELIVERY).where(mine).values(acknowledged_at=at))


@dataclass(frozen=True, slots=True)
class Stuck:
    """Which of what goes nowhere by itself is meant; all of it where nothing is said.

    ids       these, each with the whole of its digest
    channel   a kind; `account` one of the organisation's own of it
    cause     a part of the last answer, in whatever case
    since     planned at this instant or later
    """

    ids: Collection[str] | None = None
    channel: str | None = None
    account: str | None = None
    cause: str | None = None
    since: datetime | None = None

    def of(self, organisation: str) -> ColumnElement[bool]:
        stuck = [D.organisation == organisation, _IS_STUCK]
        if self.ids is not None:
            wanted = list(self.ids)
            messages = select(D.message).where(D.organisation == organisation, D.id.in_(wanted), D.message.is_not(None))
            stuck.append(or_(D.id.in_(wanted), D.message.in_(messages)))
        if self.channel is not None:
            stuck.append(D.channel == self.channel)
        if self.account is not None:
            stuck.append(D.account == self.account)
        if self.cause is not None:
            stuck.append(func.lower(D.answer).contains(self.cause.lower(), autoescape=True))
        if self.since is not None:
            stuck.append(D.planned_at >= self.since)
        return and_(*stuck)


@dataclass(frozen=True, slots=True)
class Cause:
    """So many deliveries go nowhere by the same account, for the same reason. `since`: when the first of them was planned."""

    channel: str
    account: str
    answer: str
    count: int
    since: datetime


def causes(connection: Connection, organisation: str, which: Stuck) -> list[Cause]:
    """What there is to redrive, by where and why; the most first."""
    statement = (
        select(D.channel, D.account, D.answer, func.count(), func.min(D.planned_at))
        .where(which.of(organisation)).group_by(D.channel, D.account, D.answer)
    )  # fmt: skip
    found = [
        Cause(channel, account, answer or "", n, since)
        for channel, account, answer, n, since in connection.execute(statement)
    ]
    return sorted(found, key=lambda cause: (-cause.count, cause.channel, cause.account, cause.answer))


def stuck_ids(connection: Connection, organisation: str, which: Stuck) -> list[str]:
    """What there is to redrive, the longest planned first."""
    statement = select(D.id).where(which.of(organisation)).order_by(D.planned_at, D.id)
    return list(connection.execute(statement).scalars())


def redrive(connection: Connection, organisation: str, ids: Iterable[str] | None, now: datetime) -> int:
    """Send dead letters again, under the keys they had, and address the unreachable anew; all of them if `ids` is None.

    A digest goes whole: naming one line redrives its message, and an account that was left alone is tried at once. Returns
    how many deliveries wait again.
    """
    stuck = Stuck(None if ids is None else list(ids)).of(organisation)
    for account in connection.execute(select(D.account).where(stuck).distinct()).scalars().all():
        works_again(connection, organisation, account)
    again = {"status": "waiting", "attempts": 0, "not_before": now, "lease_until": None}
    return connection.execute(update(DELIVERY).where(stuck).values(**again)).rowcount


def figures(connection: Connection, organisation: str | None, now: datetime) -> Figures:
    """Depth by status, and since when the oldest is stuck that should have left by now; over all organisations if None."""
    mine = (D.organisation == organisation) if organisation is not None else (D.organisation == D.organisation)
    depth = connection.execute(select(D.status, func.count()).where(mine).group_by(D.status)).all()
    late = and_(mine, D.status.in_(UNSETTLED), or_(D.not_before <= now, D.attempts > 0))
    oldest = connection.execute(select(D.planned_at).where(late).order_by(D.planned_at).limit(1)).scalar_one_or_none()
    return Figures(depth={cast(Status, status): count for status, count in depth}, oldest_stuck_since=oldest)


def depth_by_channel(connection: Connection, organisation: str) -> dict[str, dict[Status, int]]:
    """Channel → how many deliveries stand how; "" for what could not be addressed."""
    counted = (
        select(D.channel, D.status, func.count()).where(D.organisation == organisation).group_by(D.channel, D.status)
        .order_by(D.channel, D.status)
    )  # fmt: skip
    found: dict[str, dict[Status, int]] = {}
    for channel, status, count in connection.execute(counted):
        found.setdefault(channel, {})[cast(Status, status)] = count
    return found


def next_channel(connection: Connection, after: str) -> str | None:
    """The next channel, by name, that any delivery was ever planned for. Reads one entry of the index."""
    return connection.execute(_NEXT_CHANNEL, {"after": after}).scalar_one_or_none()


def how_many(connection: Connection, channel: str, status: Status) -> int:
    """Deliveries of a channel in this status, over all organisations; counted no further than `MOST`."""
    return connection.execute(_HOW_MANY, {"of_channel": channel, "of_status": status}).scalar_one()


def due_since(connection: Connection, channel: str, now: datetime) -> datetime | None:
    """Since when the oldest waits that should have left by this channel."""
    return connection.execute(_DUE_SINCE, {"of_channel": channel, "now": now}).scalar_one_or_none()


_NEXT_CHANNEL = select(D.channel).where(D.channel > bindparam("after")).order_by(D.channel).limit(1)
_HOW_MANY = select(func.count()).select_from(
    select(literal(1))
    .where(D.channel == bindparam("of_channel"), D.status == bindparam("of_status"))
    .limit(MOST)
    .subquery()
)
_DUE_SINCE = (
    select(D.not_before)
    .where(D.channel == bindparam("of_channel"), D.status == "waiting", D.not_before <= bindparam("now"))
    .order_by(D.not_before)
    .limit(1)
)


# --- the desk --------------------------------------------------------------------------------------------------------


def put_on_desk(connection: Connection, message: Outgoing, now: datetime) -> bool:
    """Put a message into somebody's inbox. False when it lies there already."""
    row = {
        "organisation": message.organisation,
        "id": message.key,
        "person": message.addressee.key,
        "how": message.how,
        "subject": message.words.subject,
        "body": message.words.body,
        "link": message.words.link,
        "cases": list(dict.fromkeys(notice.case for notice in message.items)),
        "received_at": now,
        "read_at": None,
    }
    return _insert_once(connection, InboxMessageRow, row) > 0


def inbox_of(
    connection: Connection,
    organisation: str,
    person: str,
    *,
    unread_only: bool = False,
    limit: int = 50,
    after: str | None = None,
) -> list[InboxMessage]:
    """What lies on this person's desk, the latest first; `after` the id of the last one seen."""
    mine = and_(M.organisation == organisation, M.person == person)
    statement = select(INBOX).where(mine)
    if unread_only:
        statement = statement.where(M.read_at.is_(None))
    if after is not None:
        seen = select(M.received_at).where(mine, M.id == after).scalar_subquery()
        statement = statement.where(or_(M.received_at < seen, and_(M.received_at == seen, M.id < after)))
    rows = connection.execute(statement.order_by(M.received_at.desc(), M.id.desc()).limit(limit))
    return [_lying(row) for row in rows]


def on_desk(connection: Connection, organisation: str, message: str) -> InboxMessage | None:
    """A message as it lies on whoever's desk."""
    row = connection.execute(select(INBOX).where(M.organisation == organisation, M.id == message)).first()
    return None if row is None else _lying(row)


def _lying(row: Row[Any]) -> InboxMessage:
    return InboxMessage(**{**row._mapping, "cases": tuple(row.cases)})


def mark_read(connection: Connection, organisation: str, person: str, ids: Iterable[str] | None, now: datetime) -> int:
    """Note that this person has read these messages of his own; all of them if None. How many were unread."""
    mine = and_(M.organisation == organisation, M.person == person, M.read_at.is_(None))
    if ids is not None:
        mine = and_(mine, M.id.in_(list(ids)))
    return connection.execute(update(INBOX).where(mine).values(read_at=now)).rowcount


# --- rows to values --------------------------------------------------------------------------------------------------


def _deliveries(connection: Connection, statement: Select[Any]) -> list[Delivery]:
    return [_delivery(row) for row in connection.execute(statement)]


def _delivery(row: Row[Any] | StoredRow) -> Delivery:
    notice = Notice(
        id=row.notice, organisation=row.organisation, case=row.case, sequence=row.sequence, reason=row.reason,
        audience=tuple(row.audience), how=row.notice_how, written_at=row.written_at, about=row.about,
    )  # fmt: skip
    return Delivery(
        organisation=row.organisation,
        id=row.id,
        notice=notice,
        addressee=Addressee(row.addressee, **row.addressee_data),
        channel=row.channel,
        how=row.how,
        status=row.status,
        not_before=row.not_before,
        digest_for=date.fromisoformat(row.digest_for) if row.digest_for else None,
        message=row.message,
        attempts=row.attempts,
        fence=row.fence,
        lease_until=row.lease_until,
        planned_at=row.planned_at,
        sent_at=row.sent_at,
        answer=row.answer,
        told=tuple(row.told),
        account=row.account or row.channel,  # what an older node planned has none
        acknowledged_at=row.acknowledged_at,
    )
