"""A server in a process of its own: `python -m tests.bench.serving ours|raw FOLDER URL`. Says its port once it listens.

Ours is `bihuan serve` but for the ticking, which a process beside it may do. Raw is a bare FastAPI with one
`def` route, run by the same web server with the same settings: it writes what ours wrote for the same command, and answers
a small JSON. It asks for no token, reads no body and decides nothing.
"""

import pickle
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from api import logs
from api.server import answer, listen
from tests.bench.grounds import Raw, RawPostgres, RawSqlite
from tests.builders import the_settings

RECORDED = "recorded.pickle"  # in raw's folder: what ours wrote, by case and command


def ours(folder: Path, url: str) -> None:
    settings = the_settings(folder, database_url=url, port=0)
    logs.configure(settings.log_level, settings.log_format)
    listening, settings, _ = listen(settings)
    answer(settings, listening, ticks=False, started=lambda _: _tell(listening))


def raw(folder: Path, url: str) -> None:
    recorded = pickle.loads((folder / RECORDED).read_bytes())  # noqa: S301  # written by the one who started us
    app = FastAPI(openapi_url=None)
    in_turns = threading.Lock()
    mine = threading.local()
    one = None if url.startswith("postgresql") else RawSqlite(url.removeprefix("sqlite:///"))

    def connection() -> Raw:
        if not hasattr(mine, "raw"):
            mine.raw = RawPostgres(url.replace("+psycopg", ""))
        found: Raw = mine.raw
        return found

    def write(case: int, command: int) -> dict[str, int]:
        writes = recorded[case][command]
        if one is None:
            connection().commit(writes)
        else:
            with in_turns:
                one.commit(writes)
        return {"case": case, "revision": command + 1}

    app.add_api_route("/{case}/{command}", write, methods=["POST"])
    listening, _, _ = listen(the_settings(folder, port=0))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
    _tell(listening)  # it is bound, and keeps whoever comes before it is asked
    uvicorn.Server(config).run(sockets=[listening])


def _tell(listening: socket.socket) -> None:
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    kind, place, database_url = sys.argv[1:]
    {"ours": ours, "raw": raw}[kind](Path(place), database_url)
