"""What auditors ask of the trail: events and refusals in one list by time, and counted by any two of what they are asked by.

Whoever asks has numbered first what waited (`engine.sealing.number`), so an answer lacks nothing acknowledged before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Null,
    Select,
    Table,
    TextClause,
    and_,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
)

from engine.actor import Visibility
from engine.store.database import table_of
from engine.store.tables import CaseRow, DisclosureRow, PartyRow, RefusalRow, TrailRow
from engine.store.worklists import visible

_trail = table_of(TrailRow)
_refusals = table_of(RefusalRow)
_cases = table_of(CaseRow)
_parties = table_of(PartyRow)
_disclosures = table_of(DisclosureRow)

NO_STEP = text("trail.type <> 'stepped'")  # written out, as the index that has only these is
REPRESENTED = text("trail.on_behalf_of IS NOT NULL")
FEW = 1_000  # cases whose events are looked up case by case; of more, one is soon met among all events

Outcome = Literal["accepted", "refused"]
Dimension = Literal[
    "day", "month", "actor", "on_behalf_of", "action", "type", "case", "department", "workflow", "outcome"
]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
OF_TIME = ("day", "month")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the trail; None leaves a question open.

    since, before    recorded at or after, and earlier than
    person           a principal: what he did and what was done in his name; `actor` and `on_behalf_of` are either alone
    action           the trigger, or what a refusal was asked
    department       that of the case after the event; of a refusal, that of the case today. `workflow` the same
    """

    since: datetime | None = None
    before: datetime | None = None
    person: str | None = None
    actor: str | None = None
    on_behalf_of: str | None = None
    action: str | None = None
    type: str | None = None
    case: str | None = None
    department: str | None = None
    workflow: str | None = None
    outcome: Outcome | None = None


class Place(NamedTuple):
    """Where an entry stands in the list: newest first; of one instant, refusals before events, later ones before earlier."""

    at: datetime
    refused: bool
    id: int


class Extent(NamedTuple):
    """How much there was when it was looked at: later events and refusals are not in it."""

    events: int
    refusals: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that has its number in the trail, or a refusal.

    id       the event's number, or the refusal's
    state …  of the case after the event; of a refusal, department and workflow as they are today
    told     what was noted in the logbook; None of every other event
    code …   of a refusal
    """

    outcome: Outcome
    at: datetime
    id: int
    case: str | None
    sequence: int | None
    type: str | None
    action: str
    actor: str
    on_behalf_of: str | None
    workflow: str | None
    state: str | None
    department: str | None
    hash: str | None = None
    told: dict[str, Any] | None = None
    code: str | None = None
    reason: str | None = None
    sentence: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.at, self.outcome == "refused", self.id)


class Eyes(NamedTuple):
    """Who asks: which cases he may see, and as whom he was refused what he was refused."""

    seen: Visibility
    principals: frozenset[str]


def extent(connection: Connection, organisation: str) -> Extent:
    events = select(func.max(_trail.c.position)).where(_trail.c.organisation == organisation)
    refused = select(func.max(_refusals.c.id)).where(_refusals.c.organisation == organisation)
    last = connection.execute(events).scalar_one()
    last_refused = connection.execute(refused).scalar_one()
    return Extent(0 if last is None else last + 1, last_refused or 0)


def page(
    connection: Connection,
    eyes: Eyes,
    asked: Asked,
    *,
    limit: int = 50,
    after: Place | None = None,
    within: Extent | None = None,
) -> tuple[list[Entry], Place | None]:
    """Newest first, and behind which the next page begins. A page stays what it is while more is recorded."""
    found: list[Entry] = []
    if asked.outcome != "refused":
        found += _events(connection, eyes.seen, asked, limit + 1, after, within)
    if _may_be_refused(asked):
        found += _refused(connection, eyes, asked, limit + 1, after, within)
    found.sort(key=lambda entry: entry.place, reverse=True)
    return found[:limit], found[limit - 1].place if len(found) > limit else None


def count(connection: Connection, eyes: Eyes, asked: Asked, within: Extent | None = None) -> int:
    """How many entries there are."""
    found = 0
    if asked.outcome != "refused":
        for way in _ways(connection, eyes.seen, asked, within):
            found += connection.execute(way.of(select(func.count()).select_from(_trail))).scalar_one()
    if _may_be_refused(asked):
        refused = select(func.count()).select_from(_with_case(eyes.seen))
        found += connection.execute(_refusals_of(connection, eyes, asked, within).of(refused)).scalar_one()
    return found


def counts(
    connection: Connection, eyes: Eyes, asked: Asked, by: Sequence[Dimension], zone: ZoneInfo
) -> Counter[tuple[str | None, ...]]:
    """How many entries there are of each value, or of each pair of values, of these dimensions.

    by    one or two, at most one of time; days are `2020-01-17` and months `2020-01` of this time zone
    """
    of_time = next((name for name in by if name in OF_TIME), None)
    others = [name for name in by if name not in OF_TIME]
    place = by.index(of_time) if of_time else None
    found: Counter[tuple[str | None, ...]] = Counter()
    ways = _ways(connection, eyes.seen, asked, None)
    for name, since, before in _pieces(connection, eyes.seen.organisation, asked, of_time or "month", zone):
        for values, number in _counted(connection, eyes, asked, ways, others, since, before):
            found[values if place is None else (*values[:place], name, *values[place:])] += number
    return found


def greatest(counted: Counter[tuple[str | None, ...]], limit: int) -> list[tuple[tuple[str | None, ...], int]]:
    """So many of them, the greatest first; of the same number in the order of their values."""
    return sorted(counted.items(), key=lambda line: (-line[1], tuple(value or "" for value in line[0])))[:limit]


def _counted(
    connection: Connection,
    eyes: Eyes,
    asked: Asked,
    ways: Sequence["_Way"],
    by: Sequence[str],
    since: datetime,
    before: datetime,
) -> Iterator[tuple[tuple[str | None, ...], int]]:
    """Of one piece of time: short enough for the database to keep its sums in memory."""
    if asked.outcome != "refused":
        named: list[Any] = [_OF_EVENTS[name] for name in by]
        in_time = (_trail.c.recorded_at >= since, _trail.c.recorded_at < before)
        for way in ways:
            statement = way.of(select(*named, func.count()).select_from(_trail)).where(*in_time)
            for *values, number in connection.execute(statement.group_by(*_grouped(named))):
                if number:
                    yield tuple(values), number
    if _may_be_refused(asked):
        columns: list[Any] = [_OF_REFUSALS[name] for name in by]
        of_time = (_refusals.c.at >= since, _refusals.c.at < before)
        refused: Select[Any] = select(*columns, func.count()).select_from(_with_case(eyes.seen)).where(*of_time)
        refused = _refusals_of(connection, eyes, asked, None).of(refused)
        for *values, number in connection.execute(refused.group_by(*_grouped(columns))):
            if number:
                yield (
                    tuple(_principal(v) if n == "on_behalf_of" else v for n, v in zip(by, values, strict=True)),
                    number,
                )


def _grouped(columns: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Less what is the same of all of them."""
    return [column for column in columns if not isinstance(column, BindParameter | Null)]


def _pieces(
    connection: Connection, organisation: str, asked: Asked, length: str, zone: ZoneInfo
) -> Iterator[tuple[str, datetime, datetime]]:
    """Days or months by the wall clock of the zone, from the first entry to the last, with their names."""
    spans = [
        connection.execute(select(func.min(column), func.max(column)).where(table.c.organisation == organisation)).one()
        for table, column in ((_trail, _trail.c.recorded_at), (_refusals, _refusals.c.at))
    ]
    instants = [instant for span in spans for instant in span if instant is not None]
    if not instants:
        return
    first, last = min(instants), max(instants) + timedelta(microseconds=1)
    first, last = max(first, asked.since or first), min(last, asked.before or last)
    if first >= last:
        return
    edges = [first, *_edges(first, last, length, zone), last]
    for since, before in pairwise(edges):
        yield since.astimezone(zone).strftime("%Y-%m-%d" if length == "day" else "%Y-%m"), since, before


def _edges(first: datetime, last: datetime, length: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The midnights between two instants at which a day, or a month, begins."""
    day = first.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    while True:
        if length == "day":
            day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        else:
            day = day.replace(day=1, month=day.month % 12 + 1, year=day.year + day.month // 12)
        instant = day.astimezone(UTC)
        if instant >= last:
            return
        yield instant


# --- events ----------------------------------------------------------------------------------------------------------

_OF_EVENTS: dict[str, ColumnElement[Any]] = {
    "actor": _trail.c.actor, "on_behalf_of": _trail.c.on_behalf_of, "action": _trail.c.trigger, "type": _trail.c.type,
    "case": _trail.c.number, "department": _trail.c.department, "workflow": func.nullif(_trail.c.workflow, ""),
    "outcome": literal("accepted"),
}  # fmt: skip
_SHOWN = (
    "position", "recorded_at", "number", "sequence", "type", "trigger", "actor", "on_behalf_of", "workflow", "state",
    "department", "hash",
)  # fmt: skip


def _events(
    connection: Connection,
    seen: Visibility,
    asked: Asked,
    limit: int,
    after: Place | None,
    within: Extent | None,
) -> list[Entry]:
    at, position = _trail.c.recorded_at, _trail.c.position
    later: list[ColumnElement[bool]] = []
    if after is not None:
        # an event stands behind the refusals of its instant
        same = at == after.at if after.refused else and_(at == after.at, position < after.id)
        later = [at <= after.at, or_(at < after.at, same)]
    # which they are says an index by itself, and only these are then looked up
    searches = [
        way.of(select(position, at)).where(*later).order_by(at.desc(), position.desc()).limit(limit)
        for way in _ways(connection, seen, asked, within)
    ]
    if not searches:
        return []
    which = searches[0].subquery("which")
    if len(searches) > 1:
        in_any = union_all(*(select(search.subquery()) for search in searches)).subquery()
        newest = (in_any.c.recorded_at.desc(), in_any.c.position.desc())
        which = select(in_any).order_by(*newest).limit(limit).subquery("which")
    statement = (
        select(*(_trail.c[name] for name in _SHOWN), _disclosures.c.entries)
        .select_from(which)
        .join(_trail, and_(_trail.c.organisation == seen.organisation, position == which.c.position))
        .outerjoin(
            _disclosures,
            and_(
                _trail.c.type == "noted", _disclosures.c.organisation == seen.organisation,
                _disclosures.c.number == _trail.c.number, _disclosures.c.sequence == _trail.c.sequence,
            ),
        )
        .order_by(at.desc(), position.desc())
    )  # fmt: skip
    return [
        Entry(
            outcome="accepted", at=row.recorded_at, id=row.position, case=row.number, sequence=row.sequence, type=row.type,
            action=row.trigger, actor=row.actor, on_behalf_of=row.on_behalf_of, workflow=row.workflow or None,
            state=row.state or None, department=row.department, hash=row.hash.hex(), told=_told(row.entries),
        )
        for row in connection.execute(statement)
    ]  # fmt: skip


def _told(entries: dict[str, Any] | None) -> dict[str, Any] | None:
    if entries is None:
        return None
    return {name.removeprefix("data."): entry["value"] for name, entry in entries.items()}  # a note changes no case


@dataclass(frozen=True, slots=True)
class _Way:
    """Conditions that find a part of what is asked, and the index that leads to it."""

    conditions: Sequence[ColumnElement[bool] | TextClause]
    index: str
    table: Table = _trail

    def of(self, statement: Select[Any]) -> Select[Any]:
        # a server knows how often what occurs; SQLite knows nothing and goes through all there is
        return statement.where(*self.conditions).with_hint(self.table, f"INDEXED BY {self.index}", "sqlite")


def _ways(connection: Connection, seen: Visibility, asked: Asked, within: Extent | None) -> list[_Way]:
    """No two find the same, and together they find all of it."""
    always = [_trail.c.organisation == seen.organisation, *_conditions(asked)]
    if within is not None:
        always.append(_trail.c.position < within.events)
    criteria = {index: value for name, index in _INDEXES.items() if (value := _criterion(name, asked)) is not None}
    numbers = [asked.case] if asked.case is not None else _few_workflow(connection, seen, asked)
    if not seen.everything:
        theirs = _few_seen(connection, seen) if asked.case is None else None
        if theirs is None:
            always.append(exists().where(visible(seen), _cases.c.number == _trail.c.number))
        elif numbers is None:
            numbers = theirs
        else:
            numbers = sorted({*numbers} & {*theirs})
    if numbers is not None:
        always.append(_trail.c.number.in_(numbers))
    found = []
    for his in _whose(asked):
        if numbers is not None:
            index = "ix_trail_event"
        else:
            index = _narrowest(connection, seen.organisation, {**criteria, **his})
        conditions = [*always, *(each for several in his.values() for each in several)]
        conditions += [each for several in criteria.values() for each in several]
        found.append(_Way(conditions, index))
    return found if numbers is None or numbers else []


_Criterion = Sequence[ColumnElement[bool] | TextClause]
_INDEXES = {
    "actor": "ix_trail_actor", "on_behalf_of": "ix_trail_represented", "action": "ix_trail_trigger",
    "type": "ix_trail_type", "department": "ix_trail_department",
}  # fmt: skip


def _criterion(name: str, asked: Asked) -> _Criterion | None:
    value = getattr(asked, name)
    if value is None:
        return None
    if name == "action":
        return (_trail.c.trigger == value,)
    if name == "on_behalf_of":
        return (_trail.c.on_behalf_of == value, REPRESENTED)
    if name == "type":
        return (_trail.c.type == value, NO_STEP) if value != "stepped" else None
    return (_trail.c[name] == value,)


def _whose(asked: Asked) -> list[dict[str, _Criterion]]:
    """What a person did, and what was done in his name, each by its index."""
    if asked.person is None:
        return [{}]
    did = (_trail.c.actor == asked.person,)
    in_his_name = (_trail.c.on_behalf_of == asked.person, REPRESENTED, _trail.c.actor != asked.person)
    return [{_INDEXES["actor"]: did}, {_INDEXES["on_behalf_of"]: in_his_name}]


def _narrowest(connection: Connection, organisation: str, criteria: Mapping[str, _Criterion]) -> str:
    """The index of what is asked: of the one criterion there is; of several, that of the one which few events meet. Where
    each is met by many, those that meet all are soon met among all events.
    """
    if len(criteria) == 1:
        return next(iter(criteria))
    for index, criterion in criteria.items():
        some = (
            select(_trail.c.position)
            .where(_trail.c.organisation == organisation, *criterion)
            .with_hint(_trail, f"INDEXED BY {index}", "sqlite")
            .limit(FEW)
        )
        if len(connection.execute(some).all()) < FEW:
            return index
    return "ix_trail_recorded"


def _conditions(asked: Asked) -> Iterable[ColumnElement[bool] | TextClause]:
    if asked.since is not None:
        yield _trail.c.recorded_at >= asked.since
    if asked.before is not None:
        yield _trail.c.recorded_at < asked.before
    if asked.type == "stepped":
        yield _trail.c.type == asked.type
    if asked.workflow is not None:
        yield _trail.c.workflow == asked.workflow


def _few_workflow(connection: Connection, seen: Visibility, asked: Asked) -> list[str] | None:
    """As `_few`, of the workflow that is asked for. How many there are says an index by itself, of one that has none at once."""
    if asked.workflow is None:
        return None
    of_it = (_cases.c.organisation == seen.organisation, _cases.c.workflow == asked.workflow)
    by_workflow = select(_cases.c.workflow).where(*of_it).with_hint(_cases, "INDEXED BY ix_case_record_same", "sqlite")
    some = select(func.count()).select_from(by_workflow.limit(FEW + 1).subquery())
    if connection.execute(some).scalar_one() > FEW:
        return None
    numbers = select(_cases.c.number).where(*of_it).with_hint(_cases, "INDEXED BY ix_case_record_same", "sqlite")
    return list(connection.execute(numbers).scalars())


def _few(connection: Connection, *conditions: ColumnElement[bool]) -> list[str] | None:
    """The numbers of these cases, if they are few: a list of events then goes by them."""
    found = list(connection.execute(select(_cases.c.number).where(*conditions).limit(FEW + 1)).scalars())
    return found if len(found) <= FEW else None


def _few_seen(connection: Connection, seen: Visibility) -> list[str] | None:
    """As `_few`, of the cases he may see: those of his departments and those he is part of, each by its index."""
    part = select(_parties.c.number).where(
        _parties.c.organisation == seen.organisation, _parties.c.person.in_(sorted(seen.persons))
    )
    mine = set(connection.execute(part.limit(FEW + 1)).scalars())
    here = (_cases.c.organisation == seen.organisation, _cases.c.department.in_(sorted(seen.departments)))
    theirs = _few(connection, *here) if seen.departments else []
    if theirs is None or len(mine.union(theirs)) > FEW:
        return None
    return sorted(mine.union(theirs))


# --- refusals --------------------------------------------------------------------------------------------------------


def _with_case(seen: Visibility) -> FromClause:
    """Refusals, each with its case if who asks may see that: of another's nothing is told, not even that it is there."""
    of_case = and_(_cases.c.organisation == _refusals.c.organisation, _cases.c.number == _refusals.c.number)
    return _refusals.outerjoin(_cases, and_(of_case, visible(seen)))


_OF_REFUSALS: dict[str, ColumnElement[Any]] = {
    "actor": _refusals.c.principal, "on_behalf_of": _refusals.c.on_behalf_of, "action": _refusals.c.asked,
    "type": null(), "case": _refusals.c.number, "department": _cases.c.department, "workflow": _cases.c.workflow,
    "outcome": literal("refused"),
}  # fmt: skip
_PERSON = "person:"


def _may_be_refused(asked: Asked) -> bool:
    """A refusal is no event of any type."""
    return asked.outcome != "accepted" and asked.type is None


def _principal(key: str | None) -> str | None:
    """The log of refusals names whom somebody represented by his key alone."""
    return key if key is None or key.startswith(_PERSON) else f"{_PERSON}{key}"


def _key(principal: str) -> str:
    return principal.removeprefix(_PERSON)


def _refused(
    connection: Connection, eyes: Eyes, asked: Asked, limit: int, after: Place | None, within: Extent | None
) -> list[Entry]:
    at, id_ = _refusals.c.at, _refusals.c.id
    # as of events: which they are says an index by itself
    search = select(id_, at).select_from(_with_case(eyes.seen))
    if after is not None:
        behind = [at < after.at, and_(at == after.at, id_ < after.id)] if after.refused else [at < after.at]
        search = search.where(at <= after.at, or_(*behind))
    search = _refusals_of(connection, eyes, asked, within).of(search)
    which = search.order_by(at.desc(), id_.desc()).limit(limit).subquery("which")
    of_it = and_(_refusals.c.organisation == eyes.seen.organisation, id_ == which.c.id)
    of_case = and_(_cases.c.organisation == _refusals.c.organisation, _cases.c.number == _refusals.c.number)
    statement = (
        select(_refusals, _cases.c.department, _cases.c.workflow)
        .select_from(which)
        .join(_refusals, of_it)
        .outerjoin(_cases, and_(of_case, visible(eyes.seen)))
        .order_by(at.desc(), id_.desc())
    )
    return [
        Entry(
            outcome="refused", at=row.at, id=row.id, case=row.number, sequence=None, type=None, action=row.asked,
            actor=row.principal, on_behalf_of=_principal(row.on_behalf_of), workflow=row.workflow, state=None,
            department=row.department, code=row.code, reason=row.reason or None, sentence=row.sentence,
        )
        for row in connection.execute(statement)
    ]  # fmt: skip


def _refusals_of(connection: Connection, eyes: Eyes, asked: Asked, within: Extent | None) -> _Way:
    """Conditions that find all that is asked of refusals joined with their cases (`_with_case`), and the index."""
    r, index = _refusals.c, "ix_refusal_at"
    conditions: list[ColumnElement[bool]] = [r.organisation == eyes.seen.organisation]
    if not eyes.seen.everything:
        conditions.append(r.principal.in_(sorted(eyes.principals)))
    if within is not None:
        conditions.append(r.id <= within.refusals)
    if asked.since is not None:
        conditions.append(r.at >= asked.since)
    if asked.before is not None:
        conditions.append(r.at < asked.before)
    if asked.person is not None:
        conditions.append(or_(r.principal == asked.person, r.on_behalf_of == _key(asked.person)))
    if asked.on_behalf_of is not None:
        conditions.append(r.on_behalf_of == _key(asked.on_behalf_of))
    for value, column in ((asked.actor, r.principal), (asked.action, r.asked)):
        if value is not None:
            conditions.append(column == value)
    numbers = [asked.case] if asked.case is not None else _few_workflow(connection, eyes.seen, asked)
    if numbers is not None:
        index = "ix_refusal_number"
        conditions.append(r.number.in_(numbers))
    if asked.workflow is not None:
        conditions.append(_cases.c.workflow == asked.workflow)
    if asked.department is not None and numbers is None:
        # who has many cases may have no refusals: not each case is to be looked up
        theirs = select(_cases.c.number).where(visible(eyes.seen), _cases.c.department == asked.department)
        conditions.append(r.number.in_(theirs.with_hint(_cases, "INDEXED BY ix_case_record_ledger", "sqlite")))
    elif asked.department is not None:
        conditions.append(_cases.c.department == asked.department)
    return _Way(conditions, index, _refusals)
