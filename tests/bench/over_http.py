"""What a command costs over HTTP with a token, beside a bare FastAPI `def` route that writes the same rows.

Both servers are processes of their own, started as `bihuan serve` starts its web server, and so are the clients: sixteen
connections that are kept. Whoever is asked has the machine to himself; they take turns, round by round.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from api.folder import Folder
from engine.store.database import Database
from tests.bench.clients import THE_CASE
from tests.bench.commands import COMMANDS_A_CASE, SCHOOL, STEPS, Compared, Recording, opening, row_counts
from tests.bench.grounds import Ground
from tests.bench.measuring import Seconds, in_turn
from tests.bench.serving import RECORDED
from tests.builders import START

CLIENTS = 16
WANTED = 0.4  # of raw
#: as `commands.play` has it
CONVERSATION = [
    (SCHOOL.token(person), trigger, json.dumps(data))
    for person, trigger, data in (("teacher", "open", opening(f"http {THE_CASE}")), *STEPS)
]


class Pair:
    """A server and its clients."""

    def __init__(self, server: "subprocess.Popen[str]", clients: "subprocess.Popen[str]") -> None:
        self._server, self._clients = server, clients
        self._port: str | None = None
        self._next = 0

    def play(self, cases: int) -> Seconds:
        """So many cases that nobody played before, by all clients together."""
        assert self._server.stdout is not None
        assert self._clients.stdin is not None and self._clients.stdout is not None
        if self._port is None:  # all are started before the first of them is waited for
            self._port = self._server.stdout.readline().strip()
        self._clients.stdin.write(f"{self._port} {self._next} {cases}\n")
        self._clients.stdin.flush()
        self._next += cases
        return float(self._clients.stdout.readline())


@contextmanager
def pair(kind: str, folder: Path, database: Database) -> Iterator[Pair]:
    """One of the two servers on this database, and its clients."""
    with (
        program("tests.bench.serving", kind, str(folder), database.url) as server,
        program("tests.bench.clients", str(CLIENTS), kind) as clients,
    ):
        assert clients.stdin is not None
        clients.stdin.write(f"{json.dumps(CONVERSATION)}\n")
        yield Pair(server, clients)


@contextmanager
def program(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Its log goes where a service's does: somewhere else."""
    with TemporaryDirectory(prefix="bihuan-log-") as folder, (Path(folder) / "log").open("w+") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            yield program
        except BaseException:
            log.seek(0)
            sys.stderr.writelines(log.readlines()[-40:])
            raise
        finally:
            program.terminate()
            program.communicate(timeout=30)


def compare(ground: Ground, recording: Recording, *, cases: int, rounds: int) -> Compared:
    """Requests a second of both. The recording needs `rounds * cases + CLIENTS` cases: the first of each client are not
    counted, as statements are put together and connections opened once a process.
    """
    with TemporaryDirectory(prefix="bihuan-http-") as place:
        folder = Path(place)
        Folder(folder).make(simulated=True, at=START)
        (folder / RECORDED).write_bytes(pickle.dumps(recording.cases))
        with (
            closing(ground.fresh()) as for_ours,
            closing(ground.fresh()) as for_raw,
            pair("ours", folder, for_ours) as ours,
            pair("raw", folder, for_raw) as raw,
        ):
            ours.play(CLIENTS)
            raw.play(CLIENTS)
            taken = in_turn(rounds, lambda: ours.play(cases), lambda: raw.play(cases))
            assert row_counts(ground, for_ours) == row_counts(ground, for_raw)
    return Compared.of(cases * COMMANDS_A_CASE, *taken)
