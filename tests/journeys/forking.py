"""Processes of the program that are there in milliseconds: a helper that has everything imported forks each.

    process = Forked("from api.cli import main; main(prog_name='bihuan')", "serve", "--port", "0", cwd=folder, env={})
    process.stdout.readline()

A process of one's own imports for two seconds what its neighbour has imported already. What is asked here has the
environment, the folder and the standard files it was given, and ends as the interpreter ends. That `bihuan` starts from the
shell is shown elsewhere (test_http.py, test_documented.py). The helper has one thread, and no connection to anything.
"""

import atexit
import importlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTED = ("api.cli", "api.cli.opening", "api.migrations", "api.nodes", "api.server", "workflows")  # by what it runs
LONGEST = 1 << 20  # bytes of what is asked for, mostly an environment
HELPER = """
import sys
from tests.journeys import forking
to_run = forking.answer_requests(int(sys.argv[1]))
if to_run is not None:  # in the forked process, with nothing of the helper's left on the stack
    exec(to_run, {"__name__": "forked"})
"""


class Forked:
    """A running process, told about and asked as `subprocess.Popen` is.

    source      what it runs; its `sys.argv` are the arguments
    said_to     where its standard error goes; by default where ours goes
    """

    def __init__(
        self, source: str, *arguments: str, cwd: Path, env: Mapping[str, str], said_to: int | None = None
    ) -> None:
        self.returncode: int | None = None
        (theirs_in, ours_in), (ours_out, theirs_out), (ended, ends) = os.pipe(), os.pipe(), os.pipe()
        error = sys.__stderr__.fileno() if said_to is None and sys.__stderr__ is not None else said_to or 2
        try:
            asked = pickle.dumps((source, arguments, str(cwd), dict(env)))
            assert len(asked) < LONGEST
            helper = _the_helper()
            socket.send_fds(helper, [len(asked).to_bytes(4, "big")], [theirs_in, theirs_out, error, ends])
            helper.sendall(asked)
        finally:
            for theirs in (theirs_in, theirs_out, ends):
                os.close(theirs)
        self.stdin = os.fdopen(ours_in, "w", encoding="utf-8")
        self.stdout = os.fdopen(ours_out, encoding="utf-8")
        self._ended = os.fdopen(ended, encoding="ascii")
        self.pid = int(self._ended.readline())

    def poll(self) -> int | None:
        return self.returncode if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative where a signal ended it. Raises subprocess.TimeoutExpired."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def close(self) -> None:
        """What joins us to it; its life is its own."""
        for end in (self.stdin, self.stdout, self._ended):
            with suppress(BrokenPipeError):
                end.close()

    def _send(self, how: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, how)

    def _has_ended(self, within: float | None) -> bool:
        if self.returncode is None and select.select([self._ended], [], [], within)[0]:
            self.returncode = int(self._ended.readline())
        return self.returncode is not None


@cache
def _the_helper() -> socket.socket:
    """This process's helper, which ends when we do."""
    ours, theirs = socket.socketpair()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BIHUAN_")}
    helper = subprocess.Popen(
        [sys.executable, "-c", HELPER, str(theirs.fileno())],
        cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        env={**inherited, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    theirs.close()

    def end() -> None:
        ours.close()
        helper.wait(30)

    atexit.register(end)
    return ours


# --- in the helper -------------------------------------------------------------------------------------------------------


def answer_requests(line: int) -> str | None:
    """Nothing in the helper, when whoever asks is gone; in a forked process, all set up, what it is to run.

    Whoever forks a process waits for it: a keeper of its own, so that the helper can go on with its single thread.
    """
    for name in IMPORTED:
        importlib.import_module(name)
    with socket.socket(fileno=line) as asks:
        while True:
            head, given, _, _ = socket.recv_fds(asks, 4, 4)
            if not head:
                return None
            told = b""
            while len(told) < int.from_bytes(head, "big"):
                told += asks.recv(LONGEST)
            if os.fork() == 0:
                break
            for one in given:
                os.close(one)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass  # keepers that have nothing left to keep
    *standard, ends = given
    process = os.fork()
    if process:
        _keep(process, standard, ends)
    os.close(ends)
    source, arguments, folder, environment = pickle.loads(told)  # noqa: S301  # from the test itself
    for number, one in enumerate(standard):
        os.dup2(one, number)
        os.close(one)
    # anew, since those of the helper have looked at what they write to
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["", *arguments]
    run: str = source
    return run


def _keep(process: int, standard: list[int], ends: int) -> None:
    """Says who it is, waits for him and says how he ended. Never returns."""
    for one in (*standard, 0, 1):
        os.close(one)
    os.write(ends, f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    os.write(ends, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)
