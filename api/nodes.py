"""Several serving processes behind one socket, on one PostgreSQL: for more cores than one, and looked after.

The parent takes the port and answers nothing itself. It starts each of the others anew, hands it the socket,
puts another in the place of one that died, and ends them all in order when it is told to stop.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import structlog

from api import logs
from api.bootstrap import open_runtime
from api.heartbeat import Heartbeat
from api.metrics import forget_process, shared_by_processes
from api.processes import beginning
from api.server import Started, answer, listen, stop_in_order
from api.settings import Settings
from engine.errors import FolderError, Text

log = structlog.get_logger(__name__)

STARTS_WITHIN_SECONDS = 60
TOO_SOON_SECONDS = 5  # one that dies sooner after its start would only die again
LOOKS_EVERY_SECONDS = 0.5
LEAVES_LATER_SECONDS = 5  # than the others should have; who is still there then is ended


def serve_with(workers: int, settings: Settings, *, started: Started) -> None:
    """Serve with so many processes until told to stop; the first also ticks and delivers.

    Raises    FolderError; KeyboardInterrupt when told to stop
    """
    stop_in_order()
    runtime = open_runtime(settings)  # whatever keeps them from starting is told once, here
    try:
        listening, settings, address = listen(settings)
        with (
            listening,
            shared_by_processes() as counts,
            _Fleet(workers, settings, listening, counts).running() as fleet,
        ):
            fleet.await_all()
            started(runtime, address)
            fleet.look_after()
    finally:
        runtime.close()


@dataclass
class _Member:
    process: BaseProcess
    since: float


class _Fleet:
    """counts   the folder they count into together"""

    def __init__(self, workers: int, settings: Settings, listening: socket.socket, counts: Path) -> None:
        self._counts = counts
        self._settings = settings
        self._listening = listening
        self._beginning = beginning(__name__)
        self._ready = self._beginning.Semaphore(0)
        self._heartbeat = Heartbeat.shared(self._beginning)
        self._members = [self._another(number) for number in range(workers)]

    @contextmanager
    def running(self) -> Iterator["_Fleet"]:
        try:
            yield self
        finally:
            self._end()

    def await_all(self) -> None:
        """Until each of them listens. Raises FolderError when one ends before, or they take too long."""
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        missing = len(self._members)
        while missing:
            if self._ready.acquire(timeout=LOOKS_EVERY_SECONDS):
                missing -= 1
            elif time.monotonic() > deadline or any(not one.process.is_alive() for one in self._members):
                raise _did_not_start()

    def look_after(self) -> None:
        """Put another in the place of each that dies. Raises FolderError where the next one dies at once."""
        while True:
            wait([one.process.sentinel for one in self._members])
            for number, one in enumerate(self._members):
                if not one.process.is_alive():
                    log.error("worker_died", worker=number, exit_code=one.process.exitcode)
                    forget_process(self._counts, one.process.pid or 0)
                    if time.monotonic() - one.since < TOO_SOON_SECONDS:
                        raise _did_not_start()
                    self._members[number] = self._another(number)

    def _another(self, number: int) -> _Member:
        process = self._beginning.Process(
            target=_serve,
            args=(self._settings, self._listening, self._ready, self._heartbeat, number),
            name=f"bihuan {number}",
        )
        process.start()
        return _Member(process, time.monotonic())

    def _end(self) -> None:
        self._listening.close()  # first of all, or who comes now waits for an answer that nobody gives
        for one in self._members:
            one.process.terminate()
        deadline = time.monotonic() + self._settings.stop_seconds + LEAVES_LATER_SECONDS
        for one in self._members:
            one.process.join(max(0.0, deadline - time.monotonic()))
            if one.process.is_alive():
                one.process.kill()
                one.process.join()


def _serve(settings: Settings, listening: socket.socket, ready: Semaphore, heartbeat: Heartbeat, number: int) -> None:
    """The life of one of them."""
    logs.configure(settings.log_level, settings.log_format)
    stop_in_order()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    console = sys.stderr if settings.console else None
    try:
        answer(
            settings, listening, console=console, ticks=number == 0, heartbeat=heartbeat,
            started=lambda _: ready.release(),
        )  # fmt: skip
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()


def _end_with_the_parent() -> None:
    """Nobody would look after it any more, or end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _did_not_start() -> FolderError:
    return FolderError(
        Text(
            "服务进程没有启动成功，原因见日志。请改正后重新启动。",
            "A serving process did not start; the log says why. Correct it and start again.",
        )
    )
