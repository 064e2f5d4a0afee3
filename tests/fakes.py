"""Stand-ins for what tests cannot or should not have: a network between client and server, true randomness."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal


class Answered(NamedTuple):
    """What was asked of an application in this process, and how it answered."""

    method: str
    path: str
    status: int


_hearing: list[list[Answered]] = []


@contextmanager
def hearing() -> Iterator[list[Answered]]:
    """What is asked by `calling` meanwhile."""
    heard: list[Answered] = []
    _hearing.append(heard)
    try:
        yield heard
    finally:
        _hearing.remove(heard)


class InProcess(httpx.BaseTransport):
    """Calls an ASGI application without a network. What the application raises is answered as a server would: 500."""

    def __init__(self, app: Any, portal: BlockingPortal, address: str = "127.0.0.1") -> None:
        self._asgi = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 50000))
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._portal.call(self._answer, request, request.read())
        for heard in _hearing:
            heard.append(Answered(request.method, request.url.path, answer.status_code))
        return answer

    async def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._asgi.handle_async_request(asked)
        raw = b"".join(
            [part async for part in answer.aiter_raw()]
        )  # as it travelled: the client undoes what compressed it
        return httpx.Response(answer.status_code, headers=answer.headers, content=raw)


@contextmanager
def calling(app: Any, *, address: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """A client of an application in this process, calling from an address; several threads may use it at once."""
    with (
        start_blocking_portal() as portal,
        httpx.Client(transport=InProcess(app, portal, address), base_url="http://test") as client,
    ):
        yield client


def countable(seed: int = 0) -> Callable[[int], bytes]:
    """Salts that are the same in every run: each call gives the next number as bytes."""
    drawn = seed

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return drawn.to_bytes(size, "big")

    return draw
