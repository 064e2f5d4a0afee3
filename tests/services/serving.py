"""A server of somebody else's, on a port of its own: does what its documentation says, and on demand what it does not say.

Every message it takes is written down before it answers, so that nothing it took is lost when it is killed. What it refuses
is written beside that.
"""

import gzip
import json
import os
import random
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from engine.clock import Clock, SystemClock

DRIP_SECONDS = 0.02
HUGE = 1_000_000  # bytes

Kind = Literal[
    "code",  # an error of the service's own, in its own words; `code` says which
    "status",  # an HTTP status, `code`, with `headers`
    "drips_head", "drips_body",  # a byte now and then, for ever
    "closes", "closes_half",  # before a word; in the middle of the body
    "dies_after_taking",  # takes the message and closes without a word
    "malformed", "empty", "no_code", "huge", "packed",
    "echoes",  # an error page that shows everything it was asked, secrets included
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of, or after, what should."""

    kind: Kind
    code: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """A message the service took: by which account, under which key, and in which words."""

    at: datetime
    account: str
    key: str
    body: Any

    def to_line(self) -> bytes:
        told = {"at": self.at.isoformat(), "account": self.account, "key": self.key, "body": self.body}
        return f"{json.dumps(told, ensure_ascii=False)}\n".encode()

    @classmethod
    def of_line(cls, line: str) -> Self:
        told = json.loads(line)
        return cls(datetime.fromisoformat(told["at"]), told["account"], told["key"], told["body"])


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("x-bihuan-key", "")

    def json(self) -> Any:
        """None for what is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


class Ledger:
    """What was taken, in memory and in a file that outlives the process: a line each, whole or not there."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.lines: list[Taken] = []
        if file is not None and file.exists():
            whole, _, torn = file.read_text(encoding="utf-8").rpartition("\n")
            self.lines = [Taken.of_line(line) for line in whole.splitlines()]
            os.truncate(file, file.stat().st_size - len(torn.encode()))
        self._newest: defaultdict[str, deque[datetime]] = defaultdict(lambda: deque(maxlen=1000))
        for taken in self.lines:
            self._newest[taken.account].append(taken.at)

    def write(self, taken: Taken) -> None:
        with self._lock:
            if self._file is not None:
                descriptor = os.open(self._file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
                try:
                    os.write(descriptor, taken.to_line())
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            self.lines.append(taken)
            self._newest[taken.account].append(taken.at)

    def since(self, account: str, begins: datetime) -> int:
        """How many were taken after an instant; not above a thousand."""
        return sum(1 for at in self._newest[account] if at > begins)


class Service(ABC):
    """Serves from a thread of its own until it is closed.

    failing   share of requests, in [0, 1), that are answered with an error that goes away
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        port: int = 0,
        log: Path | None = None,
        failing: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.clock = clock or SystemClock()
        self._ledger = Ledger(log)
        self._refusals = Ledger(None if log is None else log.with_name(f"{log.name}.refused"))
        self._failing = failing
        self._random = random.Random(seed)
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()  # one request after the other: a limit is counted, not guessed
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def taken(self) -> list[Taken]:
        return list(self._ledger.lines)

    @property
    def refused(self) -> list[Taken]:
        return list(self._refusals.lines)

    def then(self, *faults: Fault) -> None:
        """What befalls the next requests, one each."""
        self._faults.extend(faults)

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What the documentation says happens. Takes the message with `take`."""

    @abstractmethod
    def error(self, code: int) -> Reply:
        """An error in the service's own words."""

    @abstractmethod
    def busy(self) -> Reply:
        """The error that goes away by itself."""

    def take(self, account: str, key: str, body: Any) -> None:
        self._ledger.write(Taken(self.clock.now(), account, key, body))

    def refuse(self, account: str, key: str, code: int) -> Reply:
        self._refusals.write(Taken(self.clock.now(), account, key, code))
        return self.error(code)

    def taken_since(self, account: str, length: timedelta) -> int:
        """How many in the window that ends now."""
        return self._ledger.since(account, self.clock.now() - length)

    def _answer(self, request: Request) -> tuple[Reply, Fault | None]:
        with self._lock:
            if request.path == "/-/then":  # from another process
                self.then(*(Fault(**fault) for fault in request.json()))
                return Reply({}), None
            fault = self._faults.popleft() if self._faults else None
            if fault is None and self._random.random() < self._failing:
                return self.busy(), None
            if fault is None or fault.kind == "dies_after_taking":
                return self.answer(request), fault
            if fault.kind == "code":
                return self.error(fault.code), None
            if fault.kind == "status":
                return Reply({"sorry": "no"}, fault.code, fault.headers), None
            return Reply(), fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True  # it is killed and comes back

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has left; that is what some of the tests are about."""


def _handler_of(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._handle()

        def do_GET(self) -> None:
            self._handle()

        def do_PUT(self) -> None:
            self._handle()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # whoever asked was killed before he had said it all
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            reply, fault = service._answer(request)
            if fault is None:
                self._reply(reply.status, reply.to_bytes(), reply.headers)
            else:
                self._misbehave(fault, reply)

        def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"content-type": "application/json; charset=utf-8", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _misbehave(self, fault: Fault, reply: Reply) -> None:
            if fault.kind == "drips_head":
                self._drip(b"HTTP/1.1 200 OK\r\nx-slow: ")
            elif fault.kind == "drips_body":
                self._drip(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{")
            elif fault.kind == "closes_half":
                self.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"errco')
            elif fault.kind == "malformed":
                self._reply(200, b'<html>{"errcode":0')
            elif fault.kind == "no_code":
                self._reply(200, b'{"result": "fine"}')
            elif fault.kind == "empty":
                self._reply(200, b"")
            elif fault.kind == "huge":
                self._reply(200, b" " * HUGE + b"{}")
            elif fault.kind == "packed":
                self._reply(200, gzip.compress(b" " * HUGE), {"content-encoding": "gzip"})
            elif fault.kind == "echoes":
                asked = f"{self.path} {dict(self.headers.items())}".encode()
                self._reply(500, asked)
            # closes, dies_after_taking: without a word

        def _drip(self, beginning: bytes) -> None:
            self.wfile.write(beginning)
            while not service._closing.wait(DRIP_SECONDS):
                self.wfile.write(b" ")  # ends with an error once the other side has gone
                self.wfile.flush()

    return Handler
