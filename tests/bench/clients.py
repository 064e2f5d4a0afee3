"""Clients in a process of their own, each with a connection it keeps: `python -m tests.bench.clients CLIENTS ours|raw`.

Told on its standard input what a case's commands say, and then again and again where and which cases (`PORT FIRST COUNT`), it
plays them and says how many seconds that took. It has to cost little, since it works on the same processors as the server
it asks: plain sockets, and nothing of ours. Both kinds of server get the same requests but for their addresses.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Generator, Iterator, Sequence

THE_CASE = "{case}"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: (\S+)", re.IGNORECASE)
_ETAG = re.compile(rb"\r\netag: (\S+)", re.IGNORECASE)

Told = Sequence[Sequence[str]]  # of each command of a case: token, trigger, body with THE_CASE where its name belongs
Conversation = Generator[bytes, bytes]  # gives requests, gets the heads of their answers


def a_case(case: int, told: Told, kind: str) -> Conversation:
    """A hazard from the report to its end."""
    address, revision = b"/api/v1/hazards", b""
    for command, (token, trigger, text) in enumerate(told):
        body = text.replace(THE_CASE, str(case)).encode()
        path = f"/{case}/{command}".encode() if kind == "raw" else address
        if kind == "ours" and command:
            path = b"%b/%b" % (address, trigger.encode())
        head = yield (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Idempotency-Key: http-%d-%d\r\n%bContent-Length: %d\r\n\r\n%b"
            % (path, token.encode(), case, command, revision, len(body), body)
        )
        if kind == "ours":
            if command == 0:
                address = _found(_LOCATION, head)
            revision = b"If-Match: %b\r\n" % _found(_ETAG, head)
        elif command:
            revision = b'If-Match: "%d"\r\n' % command


def _found(what: re.Pattern[bytes], head: bytes) -> bytes:
    matched = what.search(head)
    if matched is None:
        raise RuntimeError(f"no {what.pattern!r} in {head!r}")
    return matched[1]


class _Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._cases: Iterator[Conversation] = iter(())
        self._case: Conversation | None = None
        self._received = b""

    def begin(self, cases: Iterator[Conversation]) -> bool:
        self._cases = cases
        return self._next_case()

    def _next_case(self) -> bool:
        self._case = next(self._cases, None)
        if self._case is None:
            return False
        self.socket.sendall(next(self._case))
        return True

    def receive(self) -> bool:
        """What came in; False when this client has nothing more to ask."""
        came = self.socket.recv(65536)
        if not came:
            raise RuntimeError("the server closed a connection in the middle of a case")
        self._received += came
        head, ended, rest = self._received.partition(b"\r\n\r\n")
        if not ended or len(rest) < int(_found(_LENGTH, head)):
            return True
        self._received = b""
        if head[9:12] not in (b"200", b"201"):
            raise RuntimeError(f"{head.decode()}\n\n{rest.decode()}")
        assert self._case is not None
        try:
            self.socket.sendall(self._case.send(head))
        except StopIteration:
            return self._next_case()
        return True


def main(clients: int, kind: str) -> None:
    told: Told = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        port, first, count = map(int, line.split())
        # anew for each round: while the other server has its turn, this one ends what is silent for five seconds
        asking = [_Client(port) for _ in range(clients)]
        cases = [
            iter([a_case(c, told, kind) for c in range(first + n, first + count, clients)]) for n in range(clients)
        ]
        sys.stdout.write(f"{_played(asking, cases)}\n")
        sys.stdout.flush()
        for client in asking:
            client.socket.close()


def _played(asking: Sequence[_Client], cases: Sequence[Iterator[Conversation]]) -> float:
    """The seconds it takes."""
    with selectors.DefaultSelector() as waiting:
        for client in asking:
            waiting.register(client.socket, selectors.EVENT_READ, client)
        began = time.perf_counter()
        busy = sum([client.begin(mine) for client, mine in zip(asking, cases, strict=True)])
        while busy:
            for key, _ in waiting.select():
                busy -= not key.data.receive()
        return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
