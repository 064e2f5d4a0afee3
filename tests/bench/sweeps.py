"""What a sweep costs when many cases are open: one that finds nothing due, and one that tells a thousand reminders.

The open cases are copies of a real one, made by the database itself; beside them stands a database with few, asked in
turn, so that it shows whether the number of open cases matters.
"""

from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import JSON, Table

from engine.commands import Asked
from engine.handle import Engine, Outcome, handle
from engine.store.database import table_of
from engine.store.tables import CaseRow, DisclosureRow, EventRow, PartyRow, TimerRow
from engine.tick import tick
from tests.bench.commands import play
from tests.bench.grounds import Ground, an_engine
from tests.bench.measuring import Seconds, Spread, in_turn, seconds_of

COPIED = [table_of(row) for row in (CaseRow, PartyRow, EventRow, DisclosureRow, TimerRow)]
NAMES_THE_CASE = {"number", "body", "words", "envelope", "entries"}  # columns with the case's number in them
IDLE_SWEEPS = 20  # a round; one takes a millisecond, too little to time by itself


@dataclass(frozen=True)
class Swept:
    """Milliseconds of a sweep with many open cases and with few, and how often the one takes the other's time."""

    many: Spread
    few: Spread
    ratio: Spread

    @classmethod
    def of(cls, many: list[Seconds], few: list[Seconds], sweeps: int = 1) -> "Swept":
        return cls(
            Spread.of([1000 * taken / sweeps for taken in many]),
            Spread.of([1000 * taken / sweeps for taken in few]),
            Spread.of([a / b for a, b in zip(many, few, strict=True)]),
        )


class OpenCases:
    """A database with this many open cases, each with rungs on watch of which none has fallen due."""

    def __init__(self, ground: Ground, cases: int) -> None:
        self.cases = cases
        self._database = ground.fresh()
        self._raw = ground.raw(self._database)
        self.engine = an_engine(self._database)
        self._number = _an_assigned_case(self.engine)
        self._copy()

    def _copy(self) -> None:
        series = self._number.rpartition("-")[0]
        if self._database.on_server:
            numbers, number = f"generate_series(1, {self.cases}) AS n(i)", f"'{series}-' || lpad(i::text, 8, '0')"
        else:
            counting = f"SELECT 1 UNION ALL SELECT i + 1 FROM counted LIMIT {self.cases}"
            numbers = f"(WITH RECURSIVE counted(i) AS ({counting}) SELECT i FROM counted)"
            number = f"printf('{series}-%08d', i)"
        for table in COPIED:
            self._raw.run(self._copying(table, numbers, number))
        if self._database.on_server:
            self._raw.run("ANALYZE")  # as autovacuum does by itself after a while

    def _copying(self, table: Table, numbers: str, number: str) -> str:
        def value(name: str) -> str:
            if name not in NAMES_THE_CASE:
                return f'"{name}"'
            if not self._database.on_server:
                return f"replace(\"{name}\", '{self._number}', {number})"
            kind = "json" if isinstance(table.c[name].type, JSON) else "text"
            return f"replace(\"{name}\"::text, '{self._number}', {number})::{kind}"

        names = table.columns.keys()
        columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(map(value, names))
        return (
            f"INSERT INTO {table.name} ({columns}) SELECT {values}"
            f" FROM {numbers} CROSS JOIN {table.name} WHERE \"number\" = '{self._number}'"
        )

    def sweep_idly(self) -> None:
        for _ in range(IDLE_SWEEPS):
            assert tick(self.engine).reminded == 0

    def remind(self, due: int) -> Seconds:
        """The time it takes to tell of a rung of each of `due` cases, which fell due a moment ago."""
        self.fall_due(due)
        return self.tell(due)

    def fall_due(self, due: int) -> None:
        """A rung of each of the first `due` cases, whatever was told of them before."""
        first = f"{self._number.rpartition('-')[0]}-{1:08d}"
        last = f"{self._number.rpartition('-')[0]}-{due:08d}"
        case = f"\"number\" = '{self._number}'"
        self._raw.run(
            f"UPDATE timer SET status = 'waiting', fire_at = (SELECT opened_at FROM case_record WHERE {case})"
            f" WHERE \"number\" BETWEEN '{first}' AND '{last}' AND NOT {case} AND (generation, rung) ="
            f" (SELECT generation, rung FROM timer WHERE {case} ORDER BY generation DESC, fire_at LIMIT 1)"
        )

    def tell(self, due: int) -> Seconds:
        """The time it takes to tell of what fell due. Raises AssertionError unless that is so many."""
        told: list[int] = []
        taken = seconds_of(lambda: told.append(tick(self.engine).reminded))
        assert told == [due], told
        return taken

    def close(self) -> None:
        self._raw.close()
        self._database.close()


def _an_assigned_case(engine: Engine) -> str:
    """The number of a hazard that was reported and assigned, and so has a deadline and a ladder."""

    def ask(asked: Asked) -> Outcome:
        return handle(engine, [asked])[0]

    return play(ask, "open", steps=1).number


def sweeps(ground: Ground, *, cases: int, due: int, rounds: int) -> tuple[Swept, Swept]:
    """(nothing due, so many reminders due), each with this many open cases beside only so many as fall due."""
    with closing(OpenCases(ground, cases)) as many, closing(OpenCases(ground, due)) as few:
        many.sweep_idly()
        few.sweep_idly()
        idle = in_turn(rounds, lambda: seconds_of(many.sweep_idly), lambda: seconds_of(few.sweep_idly))
        reminding = in_turn(rounds, lambda: many.remind(due), lambda: few.remind(due))
    return Swept.of(*idle, IDLE_SWEEPS), Swept.of(*reminding)
