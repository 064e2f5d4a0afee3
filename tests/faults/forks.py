"""Processes that can be killed for nothing: a helper that has everything imported forks one for each piece of work.

    with Forks() as forks:
        ran = forks.run(Work(url, at, "handle", group, post, Crash("before", 3)))   # 20 ms

The helper is a process of its own with a single thread, since forking the tests', which have many, would be a gamble.
What the killed one was told to do, it does through the product's own code; the crash sits below SQLAlchemy, in the
driver's connection, so that no way to the database goes around it.
"""

import atexit
import os
import pickle
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from sqlalchemy import event

from api import migrations
from engine.clock import SimulatedClock
from engine.commands import Asked
from engine.handle import Engine, handle
from engine.store.database import Database
from engine.tick import tick
from tests.faults.invariants import Answer, answer_of
from tests.faults.places import CATALOG, Post, a_worker, seal_everything
from workflows.wording import ERROR_WORDS

ROOT = Path(__file__).parents[2]
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")

When = Literal["before", "after", "at commit", "unheard"]
What = Literal["handle", "tick", "deliver", "seal", "upgrade"]


@dataclass(frozen=True, slots=True)
class Crash:
    """Where the process dies: before or after its n-th statement that writes, as it begins to commit for the n-th time,
    or having committed everything, before anybody hears of it.
    """

    when: When
    number: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """What a process is to do: a group of commands, a tick, a round of deliveries, or to number and seal, as of `at`; or to bring the database to
    its program's newest revision. Nothing else is done on a database of another revision.
    """

    url: str
    at: datetime
    what: What
    group: tuple[Asked, ...]
    post: Post
    crash: Crash | None = None
    killed_after_seconds: float | None = None  # kill -9 from outside, wherever it stands


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of it. `answers` None: it died before it could say."""

    answers: tuple[Answer, ...] | None
    writes: int = 0

    @property
    def died(self) -> bool:
        return self.answers is None


class Forks:
    """The helper. Starting it takes a second, a fork milliseconds.

    program    a folder with packages of another version of ours in it, which are taken instead
    """

    def __init__(self, program: Path = ROOT) -> None:
        self._program = program

    def __enter__(self) -> Self:
        self._helper = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults import forks; forks.answer_requests()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self._program,  # where Python looks first
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.close()
        self._helper.wait(30)
        self._helper.stdout.close()

    def run(self, work: Work) -> Ran:
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        pickle.dump(work, self._helper.stdin)
        self._helper.stdin.flush()
        ran: Ran | str = pickle.load(self._helper.stdout)
        if isinstance(ran, str):
            raise RuntimeError(f"the process failed where nothing should fail:\n{ran}")
        return ran


@cache
def the_forks(number: int = 0) -> Forks:
    """This process's helpers for our own program, each started when first asked for and ended when the process ends."""
    forks = Forks().__enter__()
    atexit.register(forks.__exit__)
    return forks


# --- in the helper -------------------------------------------------------------------------------------------------------


def answer_requests() -> None:
    while True:
        try:
            work: Work = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_in_a_process_of_its_own(work), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _in_a_process_of_its_own(work: Work) -> Ran | str:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        _do_and_tell(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        if work.killed_after_seconds is not None and not select.select([told], [], [], work.killed_after_seconds)[0]:
            os.kill(process, signal.SIGKILL)
        said = told.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return Ran(None)
    if not said:
        return f"it ended with status {status}"
    ran: Ran | str = pickle.loads(said)
    return ran


def _do_and_tell(work: Work, writing: int) -> None:
    """Never returns."""
    try:
        said: Ran | str = do(work)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the one who waits has to hear of it
        said = f"{type(error).__name__}: {error}"
    with os.fdopen(writing, "wb") as to:
        pickle.dump(said, to)
    os._exit(0)


def do(work: Work) -> Ran:
    """In this process, which dies where the work says so."""
    database = Database(work.url)
    statements = _Statements(work.crash)
    if work.crash is not None:

        @event.listens_for(database.writers, "connect")
        def watch(connection: Any, _record: Any) -> None:
            assert isinstance(connection, sqlite3.Connection), "on a server it is the server's process that dies"
            connection.set_trace_callback(statements.begins)

    clock = SimulatedClock(work.at)
    engine = Engine(database, CATALOG, clock, ERROR_WORDS)
    answers: Sequence[Answer] = ()
    if work.what == "upgrade":
        migrations.upgrade(database)
    migrations.must_be_newest(database)
    if work.what == "handle":
        answers = [answer_of(outcome) for outcome in handle(engine, work.group)]
    elif work.what == "tick":
        tick(engine)
    elif work.what == "deliver":
        a_worker(database, clock, work.post).run_once()
    elif work.what == "seal":
        seal_everything(engine)
    if work.crash is not None and work.crash.when == "unheard":
        _die()
    database.close()
    return Ran(tuple(answers), statements.writes)


class _Statements:
    """Hears of every statement as it begins, from the driver itself; the one before has ended by then."""

    def __init__(self, crash: Crash | None) -> None:
        self.writes = 0
        self._crash = crash
        self._commits = 0

    def begins(self, statement: str) -> None:
        if self._crash is None or statement.startswith("--"):  # what a trigger runs
            return
        word = statement.split(None, 1)[0].upper()
        if self._crash.when == "after" and self.writes == self._crash.number:
            _die()
        if word in WRITES:
            self.writes += 1
            if self._crash.when == "before" and self.writes == self._crash.number:
                _die()
        if word == "COMMIT":
            self._commits += 1
            if self._crash.when == "at commit" and self._commits == self._crash.number:
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
