"""A school whose records are backed up, restored and cleared: the real loops on a data folder, an empty place beside it."""

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.bootstrap import Runtime, open_runtime
from api.folder import Folder
from api.keeping.backup import Made, back_up
from api.keys import KeyRing, SealKey
from api.settings import Settings
from engine.commands import Asked, FireTrigger, OpenCase
from engine.handle import Done, handle_one
from engine.sealing import number, seal
from engine.store import seals
from engine.store.seals import Signed
from tests.builders import START, School, a_runtime, a_school, the_settings
from tests.databases import EMPTY, Kind
from tests.faults.invariants import Answer, Ledger, answer_of
from tests.postgres import places, programs, the_cluster
from workflows import CATALOG

HERE = "school"
WRITERS = 4
_numbers = itertools.count(1)


@dataclass
class Grounds:
    """A running school; what was acknowledged stands in the ledger."""

    runtime: Runtime
    school: School
    place: Path
    kind: Kind
    databases: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Folder:
        return self.runtime.folder

    def do(self, person: str, command: OpenCase | FireTrigger, key: str) -> Done:
        asked = Asked(self.school.actor(person), command, "route", key)
        done = handle_one(self.runtime.engine, asked)
        assert isinstance(done, Done)
        with self.lock:
            self.ledger.enter(asked, answer_of(done))
        return done

    def work(self, name: str, times: int = 1, **said: Any) -> list[str]:
        """Report a hazard and turn it down, so many times; gives the numbers."""
        numbers = []
        for turn in range(times):
            key = f"{name[:20]}-{turn}"
            form = {"title": f"{name} {turn}", "place": "教学楼三楼", "source": "staff", **said}
            case = self.do("teacher", OpenCase("hazard", form), f"{key}-open").case.number
            self.do("safety_staff", FireTrigger(case, "reject", {"reason": f"{name} 不属实"}), f"{key}-reject")
            numbers.append(case)
        return numbers

    def acknowledged(self) -> list[tuple[Asked, Answer]]:
        with self.lock:
            return list(self.ledger.kept)

    def back_up(self, output: Path | None = None, **how: Any) -> Made:
        how = {"programs": pg_programs(), **how}
        return back_up(self.runtime.database, self.folder, output or self.place / "a.zip", START, **how)

    def begin_key(self) -> SealKey:
        """Draw the key that checkpoints are signed with from here on."""
        key = SealKey.drawn()
        KeyRing(self.folder.path / "keys").keep(HERE, key)
        with self.runtime.database.write(HERE) as connection:
            seals.begin_key(connection, HERE, key.key, key.public.hex(), self.runtime.clock.now())
        return key

    def seal(self, key: SealKey) -> Signed:
        number(self.runtime.database, HERE)
        seal(self.runtime.database, HERE, key, self.runtime.clock)
        with self.runtime.database.read(HERE) as connection:
            last = seals.last_checkpoint(connection, HERE)
        assert last is not None
        return last

    def new_database(self, name: str) -> str:
        """An empty one on the server, by its URL."""
        database = f"{name}_{next(_numbers)}"
        the_cluster().create(database)
        self.databases.append(database)
        return the_cluster().url(database)

    def empty_place(self, name: str = "restored") -> Settings:
        """Settings of a place to restore into."""
        settings: dict[str, Any] = {}
        if self.kind == "postgresql":
            settings = {"database_url": self.new_database(name), "postgres_programs": pg_programs()}
        return the_settings(self.place / name, **settings)


def pg_programs() -> Path:
    return programs(places())


@contextmanager
def the_grounds(place: Path, kind: Kind) -> Iterator[Grounds]:
    # none that tests lend to each other: these have schemas and triggers of their own in them
    name = f"kept_{next(_numbers)}"
    settings: dict[str, Any] = {}
    if kind == "postgresql":
        the_cluster().create(name, EMPTY._on_server())
        settings = {"database_url": the_cluster().url(name)}
    databases = list(settings and [name])
    try:
        with closing(a_runtime(place / "data", kind, catalog=CATALOG, **settings)) as runtime:
            yield Grounds(runtime, a_school(runtime.database), place, kind, databases)
    finally:
        for each in databases:
            the_cluster().drop(each)


@contextmanager
def reopened(settings: Settings, **how: Any) -> Iterator[Runtime]:
    """A process on what was restored."""
    with closing(open_runtime(settings, **how)) as runtime:
        yield runtime


def line_of(signed: Signed, key: SealKey) -> Mapping[str, str]:
    """A checkpoint as somebody holds it outside."""
    return {"body": signed.body, "signature": signed.signature, "public": key.public.hex()}


@contextmanager
def at_work(grounds: Grounds) -> Iterator[None]:
    """People who report and turn down as fast as they can, from the first dozen commands on until the block ends."""
    stop, failed = threading.Event(), []

    def write(writer: int) -> None:
        turn = 0
        try:
            while not stop.is_set():
                grounds.work(f"w{writer}-{turn}")
                turn += 1
        except Exception as error:  # noqa: BLE001  # told below, in the test's own thread
            failed.append(error)

    writers = [threading.Thread(target=write, args=(each,)) for each in range(WRITERS)]
    for each in writers:
        each.start()
    try:
        while len(grounds.acknowledged()) < 4 * WRITERS and not failed:
            stop.wait(0.01)
        yield
    finally:
        stop.set()
        for each in writers:
            each.join()
    assert not failed
