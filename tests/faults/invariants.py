"""What must hold after every fault, in one place: `must_hold` looks at all of it and says in a sentence what is broken."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import Connection, select
from sqlmodel import SQLModel

from engine.actor import Actor
from engine.audit import Checkpoint, canonical, envelope_hash, leaf_hash, opens, root, verify_chain
from engine.calendar import Calendar
from engine.case import Case, fold
from engine.commands import Asked
from engine.cycles import OnEvent, Period, periods_between
from engine.definition import Workflow
from engine.events import LOGBOOK, Event
from engine.handle import Done, Engine, Idle, Outcome, Refused, handle_one, offers
from engine.store import calendars, cases, history, people, periods
from engine.store.database import Database, table_of
from engine.store.tables import (
    AnswerRow,
    CaseRow,
    CheckpointRow,
    DisclosureRow,
    EventRow,
    ObligationRow,
    OutboxRow,
    PartyRow,
    PeriodRow,
    PersonRow,
    SeriesRow,
    TimerRow,
    TrailRow,
    UnnumberedRow,
)
from notifications.tables import DeliveryRow


class Broken(AssertionError):
    """A promise does not hold; the sentence says which one, and where."""


# --- what was acknowledged -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody was told became of a command; the event it made, if it made one."""

    what: Literal["done", "idle", "refused", "failed"]
    number: str = ""
    sequence: int = 0
    hash: str = ""
    why: str = ""


def answer_of(outcome: Outcome) -> Answer:
    if isinstance(outcome, Done):
        return Answer("done", outcome.case.number, outcome.event.sequence, outcome.event.hash)
    if isinstance(outcome, Idle):
        return Answer("idle", why=outcome.why)
    if isinstance(outcome, Refused):
        return Answer("refused", why=outcome.refusal.code)
    return Answer("failed", why=repr(outcome.error))


@dataclass
class Ledger:
    """Every command that was acknowledged, and the first answer it got."""

    kept: list[tuple[Asked, Answer]] = field(default_factory=list)

    def enter(self, asked: Asked, answer: Answer) -> None:
        """Raises Broken for a defect, and for a key that was answered otherwise before."""
        if answer.what == "failed":
            raise Broken(f"a command failed instead of being carried out or refused: {asked.command}: {answer.why}")
        if answer.what != "done":
            return
        for before, said in self.kept:
            if _is_the_same(asked, before) and said != answer:
                raise Broken(f"the key {asked.key!r} was answered by {said} and then by {answer}")
        self.kept.append((asked, answer))

    def __len__(self) -> int:
        return len(self.kept)

    def open_cases(self, database: Database) -> list[str]:
        table = table_of(CaseRow)
        with database.read_across() as connection:
            statement = select(table.c.number).where(table.c.final.is_(False)).order_by(table.c.number)
            return list(connection.execute(statement).scalars())


def _is_the_same(one: Asked, other: Asked) -> bool:
    """Of persons' commands: the system's carry keys too, of which none is kept."""
    return (
        one.key is not None
        and one.actor.kind == "person"
        and (one.key, one.route, one.actor.principal) == (other.key, other.route, other.actor.principal)
    )


# --- what must hold ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything the database holds of what is looked at, by case where it belongs to one."""

    engine: Engine
    connection: Connection
    cases: Mapping[tuple[str, str], Case]
    events: Mapping[tuple[str, str], Sequence[Event]]

    def rows(self, row: type[SQLModel]) -> list[Any]:
        return list(self.connection.execute(select(table_of(row))))


def must_hold(engine: Engine, ledger: Ledger, *, settled: bool = False) -> None:
    """Look at everything that must hold, whatever happened before. Raises Broken.

    settled   after a tick and a round of deliveries with nobody in their way: then nothing that is due may still wait

    1. each case: its chain verifies, time never runs back, the events fold into the row; nothing without its case
    2. numbers: every series without gaps and doubles
    3. commands: each acknowledged one is there once, and its key gets the same event again
    4. rungs: each of each generation told at most once, and what is due was told
    5. periods: each that began exactly once, with a case of its own
    6. outbox: a row for every event that has something to tell, each turned into deliveries
    7. cases: none stuck
    8. trail: each event waits for its number or has one, in the order of its case; every checkpoint is over what is there
    """
    with engine.database.read_across() as connection:
        found = _found(engine, connection)
        for key, case in found.cases.items():
            _chain_holds(connection, key, case, found.events[key])
        _logbooks_hold(connection)
        _nothing_stands_alone(found)
        _numbers_have_no_gaps(found)
        _each_key_has_its_event(found, ledger)
        _rungs_are_told_once(found, settled=settled)
        _periods_are_opened_once(found, settled=settled)
        _outbox_is_complete(found, settled=settled)
        _nobody_is_stuck(found)
        _trail_is_whole(found, settled=settled)
    _keys_are_answered_again(engine, ledger)


def _found(engine: Engine, connection: Connection) -> _Found:
    table = table_of(CaseRow)
    keys = [(row.organisation, row.number) for row in connection.execute(select(table.c.organisation, table.c.number))]
    loaded = {key: cases.load(connection, *key) for key in keys}
    return _Found(
        engine,
        connection,
        {key: case for key, case in loaded.items() if case is not None},
        {key: history.events_of(connection, *key) for key in keys},
    )


def _chain_holds(connection: Connection, key: tuple[str, str], case: Case, events: Sequence[Event]) -> None:
    _events_hold(connection, *key, events)
    if fold([event.changes for event in events], last_hash=events[-1].hash) != case:
        raise Broken(f"the events of {case.number} do not fold into its row")


def _events_hold(connection: Connection, organisation: str, number: str, events: Sequence[Event]) -> None:
    """A chain, and what it committed to: opens, or was erased as the logbook says."""
    envelopes = history.envelopes_of(connection, organisation, number)
    if flaws := verify_chain(envelopes, organisation=organisation, case=number):
        raise Broken(f"the chain of {number} does not verify: {flaws}")
    disclosed = table_of(DisclosureRow)
    here = (disclosed.c.organisation == organisation, disclosed.c.number == number)
    entries = (
        connection.execute(select(disclosed.c.entries).where(*here).order_by(disclosed.c.sequence)).scalars().all()
    )
    if len(entries) != len(envelopes):
        raise Broken(f"{number} has {len(envelopes)} events and {len(entries)} of what they committed to")
    if [event.sequence for event in events] != list(range(1, len(envelopes) + 1)):
        raise Broken(f"the events of {number} are numbered {[event.sequence for event in events]}")
    for event, envelope, entry in zip(events, envelopes, entries, strict=True):
        said = json.loads(envelope)
        if canonical(said) != envelope or event.hash != envelope_hash(envelope):
            raise Broken(f"event {event.sequence} of {number} is not what was hashed")
        committed = said["commitments"]
        if committed.keys() != entry.keys() or not all(
            _was_erased(connection, organisation, number, event.sequence, name, value)
            if "erased" in value
            else opens(committed[name], bytes.fromhex(value["salt"]), value["value"])
            for name, value in entry.items()
        ):
            raise Broken(f"what event {event.sequence} of {number} committed to does not open")
    for earlier, later in pairwise(events):
        if later.recorded_at < earlier.recorded_at:
            raise Broken(f"time runs backwards in {number} between events {earlier.sequence} and {later.sequence}")


def _was_erased(
    connection: Connection, organisation: str, number: str, sequence: int, name: str, entry: Mapping[str, Any]
) -> bool:
    """Whether the logbook says that this entry was cleared, and of what this is left, and its salt is gone."""
    [*_, note] = history.events_of(connection, organisation, LOGBOOK, entry["erased"])
    told = {(case, at): names for case, at, names in note.data["cleared"]}
    return (
        note.trigger == "erased"
        and entry.keys() == {"erased", "value", "nonce"}
        and opens(told[number, sequence][name], bytes.fromhex(entry["nonce"]), entry["value"])
    )


def _logbooks(connection: Connection) -> Iterator[tuple[tuple[str, str], int]]:
    """(organisation, logbook) and its last sequence, of each that has one."""
    for organisation in people.organisations(connection):
        if sequence := history.last_of(connection, organisation.organisation, LOGBOOK).sequence:
            yield (organisation.organisation, LOGBOOK), sequence


def _logbooks_hold(connection: Connection) -> None:
    for (organisation, number), _ in _logbooks(connection):
        _events_hold(connection, organisation, number, history.events_of(connection, organisation, number))


def _nothing_stands_alone(found: _Found) -> None:
    """Half of a command: rows of a case or of an event that is not there."""
    last = {key: events[-1].sequence for key, events in found.events.items()}
    last |= dict(_logbooks(found.connection))
    for row in (EventRow, DisclosureRow, TimerRow, OutboxRow, PartyRow, PeriodRow, AnswerRow, UnnumberedRow, TrailRow):
        for one in found.rows(row):
            key = one.organisation, one.number
            if key not in last or getattr(one, "sequence", 1) > last[key]:
                raise Broken(f"a row of {row.__tablename__} speaks of {one.number}, which does not know of it: {one}")
    for delivery in found.rows(DeliveryRow):
        if delivery.sequence > last.get((delivery.organisation, delivery.case), 0):
            raise Broken(f"a delivery speaks of an event that is not there: {delivery.id}")


def _numbers_have_no_gaps(found: _Found) -> None:
    drawn: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for organisation, number in found.cases:
        prefix, year, last = number.split("-")
        drawn[organisation, prefix, int(year)].append(int(last))
    series = {(row.organisation, row.prefix, row.year): row.last for row in found.rows(SeriesRow)}
    for key, numbers in drawn.items():
        if sorted(numbers) != list(range(1, series.get(key, 0) + 1)):
            raise Broken(f"the series {key} stands at {series.get(key)} and has the numbers {sorted(numbers)}")


def _each_key_has_its_event(found: _Found, ledger: Ledger) -> None:
    """A command carried out twice has left an event that no key stands for: here everybody names a key."""
    kept = {(row.organisation, row.number, row.sequence): row for row in found.rows(AnswerRow)}
    for (organisation, number), events in found.events.items():
        for event in events:
            by_somebody = event.actor.startswith("person:") and event.type in ("opened", "stepped", "signed")
            if (organisation, number, event.sequence) in kept:
                if not by_somebody:
                    raise Broken(f"a key stands for event {event.sequence} of {number}, which nobody asked for")
            elif by_somebody:
                raise Broken(f"event {event.sequence} of {number} happened and no key stands for it: it happened twice")
    for asked, answer in ledger.kept:
        events = found.events.get((asked.actor.organisation, answer.number), ())
        if len(events) < answer.sequence or events[answer.sequence - 1].hash != answer.hash:
            raise Broken(f"event {answer.sequence} of {answer.number} was acknowledged under {asked.key!r} and is lost")


def _rungs_are_told_once(found: _Found, *, settled: bool) -> None:
    told: Counter[tuple[str, str, int, str]] = Counter()
    for (organisation, number), events in found.events.items():
        for event in events:
            if event.type == "reminded":
                generation = fold([earlier.changes for earlier in events[: event.sequence]]).generation
                told[organisation, number, generation, event.data["rung"]] += 1
    for (_, number, generation, rung), times in told.items():
        if times > 1:
            raise Broken(f"rung {rung!r} of generation {generation} of {number} was told {times} times")
    now = found.engine.clock.now()
    fired = set()
    for timer in found.rows(TimerRow):
        key = timer.organisation, timer.number, timer.generation, timer.rung
        if timer.status == "fired":
            fired.add(key)
        case = found.cases[key[:2]]
        if timer.status == "waiting" and (case.final or case.generation != timer.generation):
            raise Broken(f"rung {timer.rung!r} of {timer.number} is on watch, and its generation is over")
        if settled and timer.status == "waiting" and timer.fire_at <= now:
            raise Broken(f"rung {timer.rung!r} of {timer.number} fell due at {timer.fire_at} and was not told")
    if fired != set(told):
        raise Broken(f"rungs told and rungs recorded as told differ: {sorted(fired ^ set(told))}")


def owed(engine: Engine) -> Iterator[tuple[periods.Obligation, Workflow, Period]]:
    """Every period that began by now, of everything owed."""
    with engine.database.read_across() as connection:
        yield from _owed(engine, connection)


def _owed(engine: Engine, connection: Connection) -> Iterator[tuple[periods.Obligation, Workflow, Period]]:
    now = engine.clock.now()
    rules = {rule.cycle.key: (workflow, rule) for workflow, rule in engine.catalog.cycles()}
    for row in list(connection.execute(select(table_of(ObligationRow)))):
        obligation = periods.Obligation(**row._mapping)
        workflow, rule = rules[obligation.cycle]
        calendar: Calendar | None = calendars.newest(connection, obligation.organisation)
        if calendar is None or isinstance(rule.cycle.every, OnEvent):
            continue
        today = calendar.local_date(now)
        until = min(today, obligation.last_day) if obligation.last_day else today
        for period in periods_between(rule.cycle, calendar, obligation.first_day - timedelta(days=1), until):
            if period.opens_at <= now:
                yield obligation, workflow, period


def _periods_are_opened_once(found: _Found, *, settled: bool) -> None:
    rows = found.rows(PeriodRow)
    numbers = Counter((row.organisation, row.number) for row in rows)
    named = Counter((key[0], case.period) for key, case in found.cases.items() if case.period)
    for row in rows:
        name = f"{row.cycle}/{row.scope}/{row.key}"
        case = found.cases.get((row.organisation, row.number))
        if case is None or case.period != name or numbers[row.organisation, row.number] != 1:
            raise Broken(f"the period {name} has no case of its own, but {row.number}")
        if named.pop((row.organisation, name)) != 1:
            raise Broken(f"the period {name} was opened more than once")
    if named:
        raise Broken(f"there are cases of periods that were never opened: {sorted(named)}")
    there = {(row.organisation, row.cycle, row.scope, row.key) for row in rows}
    for obligation, _, period in _owed(found.engine, found.connection):
        if settled and (obligation.organisation, obligation.cycle, obligation.scope, period.key) not in there:
            raise Broken(f"the period {obligation.cycle}/{obligation.scope}/{period.key} began and was not opened")


def _trail_is_whole(found: _Found, *, settled: bool) -> None:
    waiting = {(row.organisation, row.number, row.sequence) for row in found.rows(UnnumberedRow)}
    rows = sorted(found.rows(TrailRow), key=lambda row: (row.organisation, row.position))
    numbered = [(row.organisation, row.number, row.sequence) for row in rows]
    there = {(row.organisation, row.number, row.sequence): row.hash for row in found.rows(EventRow)}
    if Counter([*numbered, *waiting]) != Counter(there.keys()):
        raise Broken(f"events without a number, or with two: {sorted({*numbered, *waiting} ^ there.keys())}")
    if settled and waiting:
        raise Broken(f"events wait for a number: {sorted(waiting)}")
    last: Counter[tuple[str, str]] = Counter()
    leaves: dict[str, list[bytes]] = defaultdict(list)
    for row, name in zip(rows, numbered, strict=True):
        of_its_case = row.organisation, row.number
        last[of_its_case] += 1
        if row.position != len(leaves[row.organisation]) or row.sequence != last[of_its_case]:
            raise Broken(f"event {row.sequence} of {row.number} has the number {row.position} out of order")
        if row.hash.hex() != there[name]:
            raise Broken(f"the trail has another hash of event {row.sequence} of {row.number}")
        leaves[row.organisation].append(leaf_hash(row.hash))
    previous: dict[str, str] = {}
    for signed in sorted(found.rows(CheckpointRow), key=lambda row: (row.organisation, row.id)):
        said = Checkpoint.from_bytes(signed.body.encode())
        if said.root != root(leaves[said.organisation][: said.size]).hex():
            raise Broken(f"checkpoint {signed.id} has another root than the first {said.size} events")
        if said.previous != previous.get(said.organisation, ""):
            raise Broken(f"checkpoint {signed.id} does not follow the one before it")
        previous[said.organisation] = envelope_hash(signed.body.encode())


def _outbox_is_complete(found: _Found, *, settled: bool) -> None:
    rows = found.rows(OutboxRow)
    told = {(row.organisation, row.number, row.sequence) for row in rows}
    for (organisation, number), events in found.events.items():
        workflow = found.engine.catalog.of(found.cases[organisation, number])
        for event in events:
            if _has_something_to_tell(workflow, event) and (organisation, number, event.sequence) not in told:
                raise Broken(f"event {event.sequence} of {number}, {event.trigger!r}, has nothing in the outbox")
    deliveries = found.rows(DeliveryRow)
    planned = Counter((row.organisation, row.notice) for row in deliveries)
    names = Counter((row.organisation, row.notice, row.addressee, row.channel) for row in deliveries)
    for row in rows:
        if (row.status == "planned") != (planned[row.organisation, row.id] > 0):
            raise Broken(f"notice {row.id} is {row.status} and has {planned[row.organisation, row.id]} deliveries")
        if settled and row.status != "planned":
            raise Broken(f"notice {row.id} was not turned into deliveries")
    if doubled := [name for name, times in names.items() if times > 1]:
        raise Broken(f"a delivery was planned more than once: {doubled}")
    now = found.engine.clock.now()
    for row in deliveries:
        if settled and (row.status in ("dead", "sending") or (row.status == "waiting" and row.not_before <= now)):
            raise Broken(f"delivery {row.id} of notice {row.notice} is due and {row.status}")


def _has_something_to_tell(workflow: Workflow, event: Event) -> bool:
    if event.type == "stepped":
        moved = event.from_state != event.to_state and not workflow.state(event.to_state).final
        step = workflow.transition(event.trigger, str(event.from_state))
        return moved or bool(step and step.tells)
    return event.type != "linked"


def _nobody_is_stuck(found: _Found) -> None:
    """Every open case has a step that somebody of its organisation may take now."""
    actors: dict[str, list[Actor]] = {}
    table = table_of(PersonRow)
    for (organisation, number), case in found.cases.items():
        if case.final:
            continue
        if organisation not in actors:
            calendar = calendars.newest(found.connection, organisation)
            assert calendar is not None
            today = calendar.local_date(found.engine.clock.now())
            there = select(table.c.person).where(table.c.organisation == organisation)
            people_there = list(found.connection.execute(there).scalars())
            known = [people.actor(found.connection, organisation, person, today) for person in people_there]
            actors[organisation] = [actor for actor in known if actor is not None]
        if all(offer.why_not for offer in offers(found.engine, found.connection, actors[organisation], case)):
            raise Broken(f"{number} is stuck: it is {case.state!r} and nobody may take a step")


def _keys_are_answered_again(engine: Engine, ledger: Ledger) -> None:
    for asked, answer in ledger.kept:
        if asked.key is None or asked.actor.kind != "person":
            continue
        again = handle_one(engine, asked)
        if not isinstance(again, Done) or not again.replayed or answer_of(again) != answer:
            raise Broken(f"asked again under {asked.key!r}, {answer} became {again}")


# --- what must hold of messages ------------------------------------------------------------------------------------------


def messages_must_have_arrived(
    engine: Engine, channel: str, arrived: Sequence[tuple[str, str]], *, all_of_them: bool = False
) -> int:
    """Nothing is lost, and what came more than once came under one key and said the same. How many came again. Raises Broken.

    arrived        (key, what it said) of everything that came out of this channel
    all_of_them    nothing may wait any more
    """
    said: dict[str, str] = {}
    for key, words in arrived:
        if said.setdefault(key, words) != words:
            raise Broken(f"under the key {key} came two messages: {said[key]} and {words}")
    with engine.database.read_across() as connection:
        table = table_of(DeliveryRow)
        rows = list(connection.execute(select(table).where(table.c.channel == channel)))
    for row in rows:
        if row.status == "sent" and row.message not in said:
            raise Broken(f"delivery {row.id} counts as sent and never arrived")
        if all_of_them and row.status not in ("sent", "withdrawn", "unreachable"):
            raise Broken(f"delivery {row.id} is {row.status} in the end")
    if strange := set(said) - {row.message for row in rows}:
        raise Broken(f"something arrived under keys that no delivery has: {sorted(strange)}")
    return len(arrived) - len(said)


def contents(database: Database) -> str:
    """A digest of every row there is: the same before and after means that nothing was written."""
    digest = hashlib.sha256()
    with database.read_across() as connection:
        for table in (
            SQLModel.metadata.sorted_tables
        ):  # as the driver gives them: reading them into values takes ten times as long
            rows = connection.exec_driver_sql(f'SELECT * FROM "{table.name}"').fetchall()
            digest.update(repr((table.name, sorted(map(repr, rows)))).encode())
    return digest.hexdigest()
