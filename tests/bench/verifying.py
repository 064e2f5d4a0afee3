"""What `bihuan audit verify` takes: the command itself, in processes of its own, over a history that is what a school's is.

The cases are copies of one that was really walked, each with chain, salts, commitments and row of its own; they are numbered
and sealed as the service does it, a checkpoint for each `SEALED_EVERY` events, and name a picture that lies in the folder.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from api.folder import Folder
from api.keys import KeyRing
from api.sealing import key_of
from engine.case import fold
from engine.events import Event
from engine.handle import handle
from engine.sealing import number, seal
from engine.store import cases, files, history
from engine.store.database import Database, table_of
from engine.store.tables import CaseRow, DisclosureRow, EventRow, UnnumberedRow
from tests.bench.commands import play
from tests.bench.grounds import PHOTO, Ground, an_engine
from tests.builders import START

WANTED_PER_SECOND = 25_000  # with two processes
WANTED_CPU_MICROSECONDS = 80.0  # of a processor for each event: two processes at that rate
SEALED_EVERY = 1_000  # events
CASES_AT_ONCE = SEALED_EVERY // 6
HERE = "school"
PICTURE = b"a picture of a socket"
SMALLER = 4  # the other history is so many times smaller: what memory there is to be compared with


@dataclass(frozen=True)
class Verified:
    """What one run took, from start to end of its processes.

    cpu_seconds    of all of them together
    megabytes      of the largest of them at its largest
    """

    events: int
    checkpoints: int
    seconds: float
    cpu_seconds: float
    megabytes: float


@dataclass(frozen=True)
class Compared:
    """The same over a history and over a smaller one: what starting the processes takes is in both."""

    small: Verified
    large: Verified

    @property
    def a_second(self) -> float:
        """Events, but for what starting takes."""
        return (self.large.events - self.small.events) / (self.large.seconds - self.small.seconds)

    @property
    def cpu_microseconds(self) -> float:
        """Of a processor for each event, but for what starting takes."""
        spent = self.large.cpu_seconds - self.small.cpu_seconds
        return 1e6 * spent / (self.large.events - self.small.events)


def compare(ground: Ground, events: int, processes: int) -> Compared:
    with _history(ground, events // SMALLER) as (database, folder):
        small = verify(database, folder, processes)
    with _history(ground, events) as (database, folder):
        return Compared(small, verify(database, folder, processes))


def verify(database: Database, folder: Path, processes: int) -> Verified:
    """Run the command. Raises RuntimeError where it finds anything."""
    command = [sys.executable, "-m", "api.cli", "audit", "verify", "--json", "--processes", str(processes)]
    environment = {**os.environ, "BIHUAN_DATA": str(folder), "BIHUAN_DATABASE_URL": database.url}
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read().decode()
    if process.returncode != 0:
        raise RuntimeError(f"a history nobody touched is not clean: {told[:2000]}")
    report: dict[str, Any] = json.loads(told)
    return Verified(
        report["events"], report["checkpoints"], seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    )


@contextmanager
def _history(ground: Ground, events: int) -> Iterator[tuple[Database, Path]]:
    """A founded database with about so many events, and the data folder that goes with it."""
    database = ground.fresh()
    with tempfile.TemporaryDirectory(prefix="bihuan-bench-verify-") as place:
        folder = Folder(Path(place) / "data")
        folder.make(simulated=True, at=START)
        _fill(database, folder, _walked(ground), events)
        with closing(ground.raw(database)) as raw:
            raw.vacuum()
        yield database, folder.path
    ground.remove(database)


def _walked(ground: Ground) -> tuple[str, list[Event]]:
    """A case's number and its events, in a database of its own: its picture is in no folder."""
    database = ground.fresh()
    engine = an_engine(database)
    number_ = play(lambda asked: handle(engine, [asked])[0], "one").number
    with database.read(HERE) as connection:
        events = history.events_of(connection, HERE, number_)
    ground.remove(database)
    return number_, events


def _fill(database: Database, folder: Folder, one: tuple[str, list[Event]], events: int) -> None:
    engine = an_engine(database)
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    path = folder.files / HERE / sha256[:2] / sha256
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    with database.write(HERE) as connection:
        record = files.FileRecord(HERE, sha256, "image/jpeg", len(PICTURE), START)
        files.add(connection, record, "person:repairer")
    number_, walked = one[0], [_with(event, PHOTO, sha256) for event in one[1]]
    ring = KeyRing(folder.keys)
    signer = key_of(engine, ring, HERE)
    wanted = max(1, events // len(walked))
    for first in range(0, wanted, CASES_AT_ONCE):
        copies = [_copy(walked, number_, f"YH-2020-9{n:08}") for n in range(first, min(first + CASES_AT_ONCE, wanted))]
        _write(database, copies)
        number(database, HERE)
        seal(database, HERE, signer, engine.clock)


def _with(event: Event, old: str, new: str) -> Event:
    return replace(
        event,
        case=_replaced(event.case, old, new),
        data=_replaced(dict(event.data), old, new),
        changes=_replaced(dict(event.changes), old, new),
    )


def _replaced(value: Any, old: str, new: str) -> Any:
    if value == old:
        return new
    if isinstance(value, list):
        return [_replaced(each, old, new) for each in value]
    if isinstance(value, dict):
        return {name: _replaced(each, old, new) for name, each in value.items()}
    return value


_Rows = dict[type[Any], list[Mapping[str, Any]]]


def _copy(walked: list[Event], old: str, new: str) -> _Rows:
    """The rows of a case that was walked the same way: as `engine.store.history.append` makes them."""
    rows: _Rows = {EventRow: [], DisclosureRow: [], UnnumberedRow: []}
    previous, changes = "", []
    for walked_event in walked:
        event = _with(walked_event, old, new)
        written = history.recorded(event, previous, os.urandom)
        previous = written.event.hash
        rows[EventRow].append(written.row)
        rows[DisclosureRow].append(written.disclosure)
        rows[UnnumberedRow].append(written.key)
        changes.append(written.event.changes)
    rows[CaseRow] = [cases.columns(fold(changes, last_hash=previous), ())]
    return rows


def _write(database: Database, copies: list[_Rows]) -> None:
    with database.write(HERE) as connection:
        for table in (CaseRow, EventRow, DisclosureRow, UnnumberedRow):
            connection.execute(insert(table_of(table)), [row for rows in copies for row in rows[table]])


def told(found: Compared) -> dict[str, Any]:
    return {
        "small": asdict(found.small), "large": asdict(found.large), "a_second": found.a_second,
        "cpu_microseconds": found.cpu_microseconds, "wanted": WANTED_PER_SECOND,
    }  # fmt: skip
