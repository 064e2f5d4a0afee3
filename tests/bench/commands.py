"""What a full command costs beside raw SQL that writes the same rows: hazards opened, moved four times and closed.

Ours is the whole way: authority, decision, idempotency key, revision check, chained event, timers, outbox, commit. Raw
is what ours was seen to write, statement by statement with the very values, less the statements that changed no row, and
nothing else: one transaction a command through the bare driver, rows of one table at once where they follow each other.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pytest
from psycopg.types.json import Json

from api.writer import Writer
from engine.case import Case
from engine.commands import Asked, FireTrigger, OpenCase
from engine.handle import Done, Engine, Outcome, handle, settled
from engine.store import statements
from engine.store.database import Database
from tests.bench.grounds import PHOTO, Ground, Write, an_engine
from tests.bench.measuring import Seconds, Spread, in_turn, seconds_of
from tests.builders import School
from workflows.reference import criteria_for

SCHOOL = School("school")
#: who takes which step with what; the opening comes before them, the last one closes
STEPS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    (
        "safety_staff",
        "assign",
        {
            "category": "ELEC.use", "criteria": {c.code: False for c in criteria_for("ELEC.use")}, "department": "HQC",
            "assignee": "repairer", "time_limit": "days3", "requirement": "换新插座", "interim": "断电挂牌",
        },
    ),
    ("repairer", "acknowledge", {}),
    ("repairer", "fix", {"measure": "已更换插座并测试", "photos_after": [PHOTO]}),
    ("safety_staff", "verify", {"finding": "现场复查，完好"}),
    ("safety_head", "approve", {"opinion": "同意销号"}),
)  # fmt: skip
COMMANDS_A_CASE = 1 + len(STEPS)

Ask = Callable[[Asked], Outcome]
Played = Generator[Asked, Outcome, Case]
CaseWrites = list[list[Write]]  # of each command of a case


def a_case(name: str, steps: int = len(STEPS)) -> Played:
    """One hazard from the report through so many steps. Nothing it says repeats another's: none is bound to another."""
    report = OpenCase("hazard", opening(name))
    case = _done((yield Asked(SCHOOL.actor("teacher"), report, "POST /hazards", f"{name} open")))
    for person, trigger, data in STEPS[:steps]:
        command = FireTrigger(case.number, trigger, data, expected_revision=case.revision)
        route = f"POST /hazards/{case.number}/{trigger}"
        case = _done((yield Asked(SCHOOL.actor(person), command, route, f"{name} {trigger}")))
    return case


def play(ask: Ask, name: str, steps: int = len(STEPS)) -> Case:
    """Such a case, each command as soon as the one before it is carried out."""
    played = a_case(name, steps)
    asked = next(played)
    while True:
        try:
            asked = played.send(ask(asked))
        except StopIteration as ended:
            case: Case = ended.value
            return case


async def _play_beside_others(writer: Writer, name: str) -> None:
    played = a_case(name)
    asked = next(played)
    with suppress(StopIteration):
        while True:
            asked = played.send(await writer.ask(asked))


def opening(name: str) -> dict[str, Any]:
    """What the report of this hazard says."""
    return {"title": f"{name} 插座松动", "place": f"教学楼 {name}", "category": "ELEC.use"}


def _done(outcome: Outcome) -> Case:
    done = settled(outcome)
    assert isinstance(done, Done) and not done.replayed
    return done.case


# --- what ours writes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """What ours wrote for each case, how many statements it took a command, and how many rows each table then had."""

    cases: list[CaseWrites]
    statements: list[int]
    rows: Mapping[str, int]


def record(ground: Ground, cases: int) -> Recording:
    """Play these cases through `handle` and watch what reaches the driver."""
    database = ground.fresh()
    engine = an_engine(database)
    written: list[CaseWrites] = []
    statements: list[int] = []
    with watched() as (seen, writes, _):

        def ask(asked: Asked) -> Outcome:
            seen.clear()
            writes.clear()
            [outcome] = handle(engine, [asked])
            written[-1].append(together(writes))
            statements.append(len(seen))
            return outcome

        for number in range(cases):
            written.append([])
            play(ask, str(number))
    rows = row_counts(ground, database)
    database.close()
    return Recording(written, statements, rows)


@contextmanager
def watched() -> Iterator[tuple[list[str], list[Write], list[int]]]:
    """Every statement from here on; those that wrote, one `Write` for each row, or for each call that wrote several; and how
    many of these there were at each commit.

    It looks over the shoulder of the one place that hands statements to the drivers.
    """
    seen: list[str] = []
    writes: list[Write] = []
    commits: list[int] = []

    def note(sql: str, rows: Sequence[Any], cursor: Any) -> None:
        seen.append(sql)
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            waiting.append((Write(sql, [[_plain(value) for value in row] for row in rows]), cursor))

    waiting: list[tuple[Write, Any]] = []
    driven, executed, journey = statements._driven, statements._executed, statements._journey

    def settle() -> None:
        for write, cursor in waiting:
            if cursor.rowcount != 0 or "RETURNING" in write.statement:  # of these SQLite counts no rows
                writes.append(write)
        waiting.clear()

    def to_file(connection: Any, how: str, sql: str, parameters: Any = None) -> Any:
        cursor = driven(connection, how, sql, parameters)
        note(sql, parameters if how == "executemany" else [parameters], cursor)
        settle()
        if sql == "COMMIT":
            commits.append(len(writes))
        return cursor

    def to_server(driver: Any, one: Any) -> Any:
        cursor = executed(driver, one)
        note(one.sql, [one.parameters], cursor)
        return cursor

    def there_and_back(connection: Any, sent: Any) -> Any:
        cursors = journey(connection, sent)
        settle()  # in a pipeline they are known only now
        return cursors

    def one_by_one(sent: Sequence[Any]) -> list[list[Any]]:
        return [[one] for one in sent]  # raw writes rows, and does not know how we send them together

    def row_by_row(statement: statements.Statement, connection: Any, rows: Sequence[Any], _: Any) -> Iterator[Any]:
        made = statement.made(connection)
        return ((made.sql, made.parameters(values)) for values in rows)

    with pytest.MonkeyPatch.context() as watching:
        watching.setattr(statements, "_driven", to_file)
        watching.setattr(statements, "_executed", to_server)
        watching.setattr(statements, "_journey", there_and_back)
        watching.setattr(statements, "_as_few", one_by_one)
        watching.setattr(statements.Statement, "_of_rows", row_by_row)
        yield seen, writes, commits


def _plain(value: Any) -> Any:
    """JSON as text, so that raw has not to write it again."""
    return json.dumps(value.obj) if isinstance(value, Json) else value


def together(writes: Sequence[Write]) -> list[Write]:
    """Rows that follow each other into one table, in one call."""
    return [
        Write(statement, [row for write in same for row in write.rows])
        for statement, same in groupby(writes, key=lambda write: write.statement)
    ]


def row_counts(ground: Ground, database: Database) -> dict[str, int]:
    tables = (
        "answer",
        "case_record",
        "disclosure",
        "event",
        "file_holder",
        "outbox",
        "party",
        "series",
        "timer",
        "unnumbered",
    )
    with closing(ground.raw(database)) as raw:
        return {table: raw.run(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def must_write_the_same(ground: Ground, recording: Recording) -> None:
    """Raises AssertionError when raw, having written it all, leaves other rows than ours did."""
    database = ground.fresh()
    with closing(ground.raw(database)) as raw:
        for writes in recording.cases:
            for command in writes:
                raw.commit(command)
    rows = row_counts(ground, database)
    database.close()
    assert rows == recording.rows, f"raw wrote {rows}, ours {recording.rows}"


# --- one round of each -----------------------------------------------------------------------------------------------


def ours_alone(ground: Ground, cases: int) -> Seconds:
    """One client that calls `handle`. The first case is not counted: statements are put together once a process."""
    database = ground.fresh()
    engine = an_engine(database)

    def ask(asked: Asked) -> Outcome:
        return handle(engine, [asked])[0]

    play(ask, "first")
    taken = seconds_of(lambda: [play(ask, str(number)) for number in range(cases)])
    database.close()
    return taken


def ours_together(ground: Ground, cases: int, clients: int) -> Seconds:
    """Clients that ask the serving process's writer from an event loop, as its web server does."""
    return together_beside(ground, cases, clients, lambda _: nullcontext())


def together_beside(
    ground: Ground, cases: int, clients: int, beside: Callable[[Engine], AbstractContextManager[None]]
) -> Seconds:
    """As `ours_together`, beside what else goes on meanwhile on the same engine."""
    database = ground.fresh()
    engine: Engine = an_engine(database)
    writer = Writer(engine)

    async def one_client(number: int, turns: Iterable[int]) -> None:
        for turn in turns:
            await _play_beside_others(writer, f"{number}-{turn}")

    async def all_clients(turns: Sequence[int]) -> None:
        await asyncio.gather(*(one_client(number, turns) for number in range(clients)))

    with asyncio.Runner() as loop:
        loop.run(all_clients([-1]))  # not counted
        with beside(engine):
            taken = seconds_of(lambda: loop.run(all_clients(range(cases // clients))))
    writer.stop()
    database.close()
    return taken


def raw_clients(ground: Ground, recording: Recording, cases: int, clients: int) -> Seconds:
    """Each client on a connection of its own; on SQLite they take turns, a commit each, as it has one writer."""
    database = ground.fresh()
    connections = [ground.raw(database) for _ in range(clients)]
    turn_to_write = threading.Lock()
    in_turns = clients > 1 and not database.on_server

    def client(number: int) -> Callable[[int], object]:
        raw = connections[number]

        def one_case(turn: int) -> None:
            for writes in recording.cases[number + (turn + 1) * clients]:
                if in_turns:
                    with turn_to_write:
                        raw.commit(writes)
                else:
                    raw.commit(writes)

        return one_case

    taken = _all_at_once([client(number) for number in range(clients)], cases // clients)
    for raw in connections:
        raw.close()
    database.close()
    return taken


def _all_at_once(clients: Sequence[Callable[[int], object]], turns: int) -> Seconds:
    """From when all have been through one case (turn -1), which is not counted, until all are through theirs."""
    if len(clients) == 1:
        clients[0](-1)
        return seconds_of(lambda: [clients[0](turn) for turn in range(turns)])
    ready = threading.Barrier(len(clients) + 1)
    failures: list[BaseException] = []

    def run(client: Callable[[int], object]) -> None:
        try:
            client(-1)
            ready.wait()
            for turn in range(turns):
                client(turn)
        except BaseException as error:  # noqa: BLE001  # told below, in the thread that measures
            ready.abort()
            failures.append(error)

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):
        ready.wait()

    def wait() -> None:
        for thread in threads:
            thread.join()

    taken = seconds_of(wait)
    if failures:
        raise failures[0]
    return taken


# --- the measurement -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """Commands a second of both, and ours in parts of raw."""

    ours: Spread
    raw: Spread
    ratio: Spread

    @classmethod
    def of(cls, commands: int, ours: Sequence[Seconds], raw: Sequence[Seconds]) -> "Compared":
        """From the seconds that so many commands took in each round."""
        return cls(
            ours=Spread.of([commands / taken for taken in ours]),
            raw=Spread.of([commands / taken for taken in raw]),
            ratio=Spread.of([b / a for a, b in zip(ours, raw, strict=True)]),
        )


def compare(ground: Ground, recording: Recording, *, cases: int, clients: int, rounds: int) -> Compared:
    cases -= cases % clients
    ours, raw = in_turn(
        rounds,
        lambda: ours_alone(ground, cases) if clients == 1 else ours_together(ground, cases, clients),
        lambda: raw_clients(ground, recording, cases, clients),
    )
    return Compared.of(cases * COMMANDS_A_CASE, ours, raw)
