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

    loop   runs in another thread, as a server's does
    """

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop, address: str = "127.0.0.1") -> None:
        self._asgi = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 50000))
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()  # so that it can be read there, too
        status, headers, raw = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()
        for heard in _hearing:
            heard.append(Answered(request.method, request.url.path, status))
        return httpx.Response(status, headers=headers, content=raw)

    async def _answer(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        answer = await self._asgi.handle_async_request(request)
        raw = b"".join(
            [part async for part in answer.aiter_raw()]
        )  # as it travelled: the client undoes what compressed it
        return answer.status_code, answer.headers, raw


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
