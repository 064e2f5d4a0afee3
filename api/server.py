"""Serving a data folder: lock, ticks, web server; and an orderly end, in which nothing acknowledged is lost."""

import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TextIO

import structlog
import uvicorn

from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.causes import cause_of
from api.folder import Folder
from api.garbage import keep_what_is_there
from api.heartbeat import Heartbeat
from api.memory import share_the_heap
from api.scheduler import Scheduler
from api.settings import Settings
from engine.errors import FolderError, Text

log = structlog.get_logger(__name__)

FOR_THE_REST_SECONDS = 5  # of the time for stopping: the writer's queue, a message that is being sent, the database
BACKLOG = 512


Started = Callable[[Runtime, str], None]  # told once everything listens, with the address


def serve(settings: Settings, *, console: TextIO | None = None, started: Started) -> None:
    """Serve the settings' data folder until told to stop.

    1. lock the folder, where the database is a file in it: one serving process each
    2. take the port, so that a busy one is told before anything starts
    3. tick and answer
    4. told to stop, begin nothing new: no request, no tick, no message; finish what is under way, give back what was claimed
       and not begun, empty the writer's queue, close the database; whatever hangs, leave in time

    Raises    FolderError; KeyboardInterrupt when told to stop
    """
    folder = Folder(settings.data)
    folder.must_be_made()
    with nullcontext() if settings.on_server else folder.served():
        listening, settings, address = listen(settings)
        try:
            answer(settings, listening, console=console, started=lambda runtime: started(runtime, address))
        finally:
            listening.close()


def answer(
    settings: Settings,
    listening: socket.socket,
    *,
    console: TextIO | None = None,
    ticks: bool = True,
    heartbeat: Heartbeat | None = None,
    started: Callable[[Runtime], None],
) -> None:
    """Answer what comes in at this socket until told to stop.

    ticks       whether this process also looks for what fell due, and sends; else one beside it does
    heartbeat   of the one that does, where there are several
    """
    share_the_heap()
    runtime = open_runtime(settings, console=console)
    runtime.ticks_here, runtime.heartbeat = True, heartbeat or runtime.heartbeat
    try:
        server = _Server(
            uvicorn.Config(
                create_app(runtime), log_config=None, access_log=False, lifespan="off", server_header=False,
                timeout_graceful_shutdown=max(1, settings.stop_seconds - FOR_THE_REST_SECONDS),
            )
        )  # fmt: skip
        server.once_listening = lambda: started(runtime)
        server.once_stopping = runtime.stop_soon
        stop_in_order(runtime.stop_soon)
        _leave_in_time(runtime)
        keep_what_is_there()
        with _ticking(runtime) if ticks else nullcontext():
            server.run(sockets=[listening])
    finally:
        runtime.close()


def work(settings: Settings, *, console: TextIO | None = None, started: Callable[[Runtime], None]) -> None:
    """Tick and deliver until told to stop; what is under way then is finished first, what was only claimed is given back.

    Raises    FolderError; KeyboardInterrupt when told to stop
    """
    runtime = open_runtime(settings, console=console)
    try:
        stop_in_order(runtime.stop_soon)
        _leave_in_time(runtime)
        with _ticking(runtime):
            started(runtime)
            threading.Event().wait()
    finally:
        runtime.close()


@contextmanager
def _ticking(runtime: Runtime) -> Iterator[None]:
    scheduler = Scheduler(runtime)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.stop()


def listen(settings: Settings) -> tuple[socket.socket, Settings, str]:
    """(socket, settings with the port it got, address). Raises FolderError."""
    listening = _listen(settings)
    host, port = listening.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return listening, settings.model_copy(update={"port": port}), address


def port_must_be_free(settings: Settings) -> None:
    """Raises FolderError when the settings' address cannot be listened on."""
    _listen(settings).close()


def stop_in_order(first: Callable[[], None] = lambda: None) -> None:
    """Let SIGTERM and Ctrl-C unwind, once, whatever is done `first`.

    The web server raises either again when it has ended, and would end us before our turn. And once is enough: a terminal
    tells every process in it, the parent tells its own again, and a second interruption would break off the first one's end.
    """
    told = False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            first()
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for way in (signal.SIGTERM, signal.SIGINT):
            signal.signal(way, interrupt)


def _leave_in_time(runtime: Runtime) -> None:
    """Once told to stop, end this process in the time there is, however far it has come: leases run out by themselves, and
    nothing that was acknowledged is lost.
    """

    def wait_and_leave() -> None:
        runtime.stopping.wait()
        time.sleep(runtime.settings.stop_seconds)  # the time there is; whoever is through before ends us with him
        log.warning("left_before_everything_was_finished", seconds=runtime.settings.stop_seconds)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    # waits from the start: a signal's handler may start no thread, since it may interrupt the starting of one
    threading.Thread(target=wait_and_leave, name="leaves in time", daemon=True).start()


class _Server(uvicorn.Server):
    """Says when it listens, and when it is told to stop."""

    once_listening: Callable[[], None]
    once_stopping: Callable[[], None]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.once_stopping()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.once_listening()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # the protocol by name: asyncio switches Nagle's algorithm off only where it reads TCP here, and with it on every
    # answer waits 40 ms for the other side's delayed acknowledgement (measured: 21 answers a second instead of 1,000)
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would let two processes share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        listening.close()
        where, why = f"{settings.host}:{settings.port}", cause_of(error)
        if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL}:
            raise FolderError(
                Text(
                    f"无法在 {where} 上监听：“{settings.host}”不是本机的地址。请改正 --host 或 BIHUAN_HOST。",
                    f"Cannot listen on {where}: {settings.host!r} is no address of this machine. "
                    "Correct --host or BIHUAN_HOST.",
                )
            ) from error
        raise FolderError(
            Text(
                f"无法在 {where} 上监听：{why.zh}。请用 --port 换一个端口。",
                f"Cannot listen on {where}: {why.en}. Choose another port with --port.",
            )
        ) from error
    return listening
