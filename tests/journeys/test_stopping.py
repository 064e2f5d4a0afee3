"""Told to stop, a process takes nothing new, finishes what is under way, gives the rest to others, and leaves in time."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from api.folder import Folder
from engine.actor import Visibility
from engine.clock import SystemClock
from engine.commands import Asked, OpenCase
from engine.handle import Engine, handle_one
from engine.store import worklists
from engine.store.database import Database
from engine.store.worklists import Filter
from notifications.deliveries import DELIVERY
from tests.builders import School, a_database, a_school
from tests.databases import Kind, on_postgresql
from tests.journeys.serving import Served, Worked
from workflows import CATALOG
from workflows.wording import ERROR_WORDS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICES = 6
SOON = 60.0  # seconds for what takes one or two on a machine that is not busy; a lease takes 300


class Receiver:
    """The other side of the webhook, on a port of its own. While `held` it answers nobody; it keeps what it answered."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.changed = threading.Condition()
        self.released = threading.Event()
        receiver = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                key = self.headers["webhook-id"]
                self.rfile.read(int(self.headers["content-length"]))
                receiver._note(receiver.asked, key)
                receiver.released.wait()
                try:
                    self.send_response(200)
                    self.send_header("content-length", "0")
                    self.end_headers()
                except OSError:  # whoever sent it has left
                    return
                receiver._note(receiver.taken, key)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/bihuan"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _note(self, counted: Counter[str], key: str) -> None:
        with self.changed:
            counted[key] += 1
            self.changed.notify_all()

    def await_asked(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, SOON), self.asked

    def await_taken(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.taken) >= count, SOON), self.taken

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def database(tmp_path: Path, kind: Kind) -> Iterator[Database]:
    Folder(tmp_path / "data").make()
    made = a_database(tmp_path / "data", kind)
    yield made
    made.close()


@pytest.fixture
def school(database: Database) -> School:
    return a_school(database, at=datetime.now(UTC))


def settings_for(database: Database, receiver: Receiver | None = None, **more: str) -> dict[str, str]:
    settings = {"BIHUAN_DATABASE_URL": database.url} if database.on_server else {}
    if receiver is not None:
        settings |= {"BIHUAN_WEBHOOK_URL": receiver.url, "BIHUAN_WEBHOOK_SECRET": SECRET}
    return {**settings, "BIHUAN_TICK_SECONDS": "1", "BIHUAN_DELIVER_SECONDS": "1", **more}


def by_webhook(database: Database) -> list[tuple[str, int, bool]]:
    """(status, attempts, whether it is leased) of each delivery to the webhook."""
    with database.read_across() as connection:
        rows = connection.execute(
            select(DELIVERY.c.status, DELIVERY.c.attempts, DELIVERY.c.lease_until).where(
                DELIVERY.c.channel == "webhook"
            )
        )
        return sorted((row.status, row.attempts, row.lease_until is not None) for row in rows)


def has_ended_in_order(served: Served) -> None:
    assert served.process.wait(timeout=SOON) == 0
    assert served.process.stdout is not None
    assert "Stopped" in served.process.stdout.read()


# --- requests ------------------------------------------------------------------------------------------------------------


@contextmanager
def half_sent(url: str, school: School) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection on which a report is under way, and what is missing of it."""
    address = urlsplit(url)
    body = json.dumps({"title": "under way", "place": "A-101", "source": "staff"}).encode()
    headers = school.headers("teacher", Host=address.netloc, Content_Type="application/json", Connection="close")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=SOON) as connection:
        connection.sendall(
            f"POST /api/v1/hazards HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10]
        )
        assert httpx.get(f"{url}/healthz").status_code == 200  # asked later, so that the first half was read before
        yield connection, body[10:]


def takes_no_more(url: str) -> None:
    address = urlsplit(url)
    while True:
        try:
            socket.create_connection((address.hostname or "", address.port or 0), timeout=SOON).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it came in the moment of closing
            pass


def answered(connection: socket.socket) -> bytes:
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


@pytest.mark.slow
@pytest.mark.parametrize("kind, workers", [("sqlite", 1), ("postgresql", 2)], scope="session")
def test_a_request_that_is_under_way_is_answered_and_no_other_is_taken(
    workers: int, tmp_path: Path, database: Database, school: School
) -> None:
    with Served(tmp_path / "data", "--workers", str(workers), **settings_for(database)) as served:
        with half_sent(served.url, school) as (connection, rest):
            served.process.terminate()
            takes_no_more(served.url)
            assert served.process.poll() is None
            connection.sendall(rest)
            assert answered(connection).startswith(b"HTTP/1.1 201 ")
        has_ended_in_order(served)
    with database.read_across() as connection:
        everything = Visibility("school", everything=True)
        assert worklists.count(connection, everything, Filter(), datetime.now(UTC)) == 1


@pytest.mark.slow
def test_a_request_that_never_ends_is_given_up_in_time(tmp_path: Path, database: Database, school: School) -> None:
    settings = settings_for(database, BIHUAN_STOP_SECONDS="2")
    with Served(tmp_path / "data", **settings) as served, half_sent(served.url, school):
        served.process.terminate()
        assert served.process.wait(timeout=SOON) == 0
    with database.read_across() as connection:
        everything = Visibility("school", everything=True)
        assert worklists.count(connection, everything, Filter(), datetime.now(UTC)) == 0


# --- messages ------------------------------------------------------------------------------------------------------------


@contextmanager
def sending(database: Database, school: School, place: Path, receiver: Receiver, **more: str) -> Iterator[Served]:
    """Whoever sends, in the middle of the first of several messages: `work` where there is one, else `serve`."""
    engine = Engine(database, CATALOG, SystemClock(), ERROR_WORDS)
    for turn in range(NOTICES):
        data = {"title": f"report {turn}", "place": "A-101", "source": "staff"}
        handle_one(engine, Asked(school.actor("teacher"), OpenCase("hazard", data)))
    with (Worked if database.on_server else Served)(place, **settings_for(database, receiver, **more)) as sender:
        receiver.await_asked(1)
        yield sender


@pytest.mark.slow
def test_the_message_that_is_being_sent_is_finished_and_the_rest_is_another_s_at_once(
    tmp_path: Path, database: Database, school: School, receiver: Receiver
) -> None:
    with sending(database, school, tmp_path / "data", receiver) as sender:
        assert [status for status, _, _ in by_webhook(database)] == ["sending"] * NOTICES, "all claimed, one begun"
        sender.process.terminate()
        receiver.released.set()
        has_ended_in_order(sender)
    assert by_webhook(database) == [("sent", 1, False)] + [("waiting", 0, False)] * (NOTICES - 1)
    with (Worked if database.on_server else Served)(tmp_path / "data", **settings_for(database, receiver)) as other:
        receiver.await_taken(NOTICES)  # long before a lease would have run out
        other.stop()
    assert by_webhook(database) == [("sent", 1, False)] * NOTICES
    assert set(receiver.asked.values()) == {1}, "each once, under a key of its own"


@pytest.mark.slow
def test_a_message_that_hangs_keeps_nobody_from_leaving_and_its_lease_runs_out(
    tmp_path: Path, database: Database, school: School, receiver: Receiver
) -> None:
    with sending(database, school, tmp_path / "data", receiver, BIHUAN_STOP_SECONDS="1") as sender:
        sender.process.terminate()
        assert sender.process.wait(timeout=SOON) == 0
        assert "left_before_everything_was_finished" in sender.log.read_text(encoding="utf-8")
    assert ("sending", 0, True) in by_webhook(database)
    assert receiver.taken == {}


# --- signals -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_postgresql
def test_who_is_told_twice_still_ends_in_order(tmp_path: Path, database: Database, school: School) -> None:
    """As by a terminal, which tells every process in it, and then by its parent."""
    with Worked(tmp_path / "data", **settings_for(database)) as worker:
        for _ in range(5):
            worker.process.terminate()
        has_ended_in_order(worker)
        assert "Traceback" not in worker.log.read_text(encoding="utf-8")
