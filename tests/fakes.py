"""Stand-ins for what tests cannot or should not have: a network between client and server, true randomness."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple

import httpx
from fastapi import FastAPI
from starlette.routing import Route

from api.routes.under import Addresses


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
    """Calls an ASGI application without a network. What the application raises is answered as a server would: 500.

    It speaks to the application itself: httpx's own transport looks for a library that is not there at every request, and
    makes a second answer of httpx's out of the first; that took a quarter of what a short answer takes.

    loop   runs in another thread, as a server's does
    """

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop, address: str = "127.0.0.1") -> None:
        self._app = app
        self._loop = loop
        self._client = (address, 50000)
        self._answering: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answered: Future[tuple[int, list[tuple[bytes, bytes]], bytes]] = Future()
        self._loop.call_soon_threadsafe(self._begin, self._scope_of(request), request.read(), answered)
        status, headers, raw = answered.result()
        for heard in _hearing:
            heard.append(Answered(request.method, request.url.path, status))
        # the content as it travelled: whoever reads it undoes what compressed it
        return httpx.Response(status, headers=headers, content=raw)

    def _scope_of(self, request: httpx.Request) -> dict[str, Any]:
        url = request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "server": (url.host, url.port),
            "client": self._client,
            "root_path": "",
        }

    def _begin(self, scope: dict[str, Any], body: bytes, answered: Future[Any]) -> None:
        task = self._loop.create_task(self._answer(scope, body, answered))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, scope: dict[str, Any], body: bytes, answered: Future[Any]) -> None:
        unread = [(b"", False), (body, True)]  # the last part first
        over = asyncio.Event()
        status = 0  # not begun
        headers: list[tuple[bytes, bytes]] = []
        wrong: list[
            str
        ] = []  # of how the application answers; raised in it, it would be taken for a defect and answered
        parts: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if unread:
                part, more = unread.pop()
                return {"type": "http.request", "body": part, "more_body": more}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                if status:
                    wrong.append("began to answer twice")
                status, headers = message["status"], list(message.get("headers", []))
                return
            if over.is_set() or not status:
                wrong.append("answered before it began, or after the last part")
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                over.set()

        try:
            await self._app(scope, receive, send)
        # of any kind, as a server does: what went wrong in the application is answered, and its own log says what it was; let
        # through, it would end the task and whoever called would wait for ever
        except Exception:  # noqa: BLE001
            status = status or 500
            over.set()  # what has left until then is all there is
        except BaseException as stopped:
            answered.set_exception(stopped)
            raise
        if wrong:
            answered.set_exception(AssertionError(f"{scope['path']}: the application {wrong[0]}"))
        elif over.is_set():
            answered.set_result((status, headers, b"" if scope["method"] == "HEAD" else b"".join(parts)))
        else:
            answered.set_exception(AssertionError(f"{scope['path']} was given no whole answer"))


def written_down(app: FastAPI) -> Iterator[Route]:
    """Every address of an application, those of its document and of its addresses."""
    for route in app.routes:
        if isinstance(route, Addresses):
            yield from route.routes
        else:
            assert isinstance(route, Route), f"{route!r} is not looked at"
            yield route


@contextmanager
def calling(app: Any, *, address: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """A client of an application in this process, calling from an address; several threads may use it at once."""
    with (
        _running() as loop,
        httpx.Client(transport=InProcess(app, loop, address), base_url="http://test") as client,
    ):
        yield client


@contextmanager
def _running() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own. A plain one: to tell it what to do costs half of what a portal of anyio takes."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        over = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    thread = Thread(target=asyncio.run, args=(run(),), name="application")
    thread.start()
    loop, over = begun.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


def countable(seed: int = 0) -> Callable[[int], bytes]:
    """Salts that are the same in every run: each call gives the next number as bytes."""
    drawn = seed

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return drawn.to_bytes(size, "big")

    return draw
