"""A network that can be broken on purpose: everything between a client and a server passes a thread of ours.

with Proxy(upstream=folder / ".s.PGSQL.5432", listen=other / ".s.PGSQL.5432") as proxy:
    proxy.do(Harm("cut", "answers", after_bytes=700))   # the next 700 bytes of answers still come through
    ...
    proxy.heal()
"""

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

CHUNK = 65536

How = Literal["cut", "half-close", "delay", "swallow"]
Way = Literal["questions", "answers"]


@dataclass(frozen=True, slots=True)
class Harm:
    """What happens to the network, from now on and to every connection, until it is healed.

    cut          both ends are closed, after so many bytes of this way: also in the middle of a message
    half-close   this way ends after so many bytes, the other one stays open
    delay        every piece of this way waits; nothing is lost
    swallow      whatever is answered to a question that has `on` in it is thrown away, then both ends are closed
    """

    how: How
    way: Way = "answers"
    after_bytes: int = 0
    delay_seconds: float = 0.0
    on: bytes = b""


class Proxy:
    """Between the socket it listens at and the one upstream; both are files. `hits`: how often the harm was done."""

    def __init__(self, *, upstream: Path, listen: Path) -> None:
        self.listens_in = listen.parent
        self._upstream = upstream
        self._lock = threading.Lock()
        self._harm: Harm | None = None
        self._left = 0
        self.hits = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(listen))
        self._listening.listen(64)
        self._ends: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            ends = [*self._ends]
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)

    def do(self, harm: Harm) -> None:
        with self._lock:
            self._harm, self._left, self.hits = harm, harm.after_bytes, 0

    def heal(self) -> None:
        with self._lock:
            self._harm = None

    # --- in threads --------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server:
            try:
                server.connect(str(self._upstream))
            except OSError:
                return  # it is down, and so the client finds nobody there
            with self._lock:
                self._ends |= {client, server}
            try:
                _Line(self, client, server).carry()
            except OSError:
                pass  # one of them is gone: so is the other
            finally:
                with self._lock:
                    self._ends -= {client, server}

    def let_through(self, way: Way, piece: bytes) -> tuple[bytes, How | None]:
        """What of this piece still passes, and what is done after it."""
        with self._lock:
            harm = self._harm
            if harm is None or harm.way != way or harm.how == "swallow":
                return piece, None
            if harm.how == "delay":
                self.hits += 1
            elif len(piece) <= self._left:
                self._left -= len(piece)
                return piece, None
            else:
                piece, self._left = piece[: self._left], 0
                self.hits += 1
        if harm.how == "delay":
            time.sleep(harm.delay_seconds)
        return piece, None if harm.how == "delay" else harm.how

    def swallows_answer_to(self, piece: bytes) -> bool:
        with self._lock:
            harm = self._harm
            found = harm is not None and harm.how == "swallow" and harm.on in piece
            self.hits += found
            return found


class _Line:
    """One client's connection and the one upstream that belongs to it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._ends: dict[socket.socket, tuple[socket.socket, Way]] = {
            client: (server, "questions"),
            server: (client, "answers"),
        }
        self._swallowing = False

    def carry(self) -> None:
        """Until both ways have ended, or one of them is cut."""
        with selectors.DefaultSelector() as ready:
            for end, other_and_way in self._ends.items():
                ready.register(end, selectors.EVENT_READ, (end, *other_and_way))
            while ready.get_map():
                for key, _ in ready.select():
                    this, other, way = key.data
                    piece = this.recv(CHUNK)
                    if not piece:
                        ready.unregister(this)
                        other.shutdown(socket.SHUT_WR)
                    elif self._pass_on(other, way, piece):
                        return

    def _pass_on(self, other: socket.socket, way: Way, piece: bytes) -> bool:
        """True when the line is cut."""
        if way == "answers" and self._swallowing:
            return True  # the server has answered, and nobody hears it
        if way == "questions" and self._proxy.swallows_answer_to(piece):
            self._swallowing = True
        passes, then = self._proxy.let_through(way, piece)
        other.sendall(passes)
        if then == "half-close":
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_WR)
        return then == "cut"
