"""Forms with files: they lie on the disk while their request is answered, and how many come in at once and how long is bounded."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request

from api.auth.forms import KNOWN, STRANGERS, Bounds, put_away, read_with_files
from api.places import Places
from engine.errors import Busy, InvalidInput, Refusal, Text

EDGE = "edge"
LARGE = b"x" * 200_000


def parts(*contents: bytes) -> list[bytes]:
    """A form with these files, in pieces as they come over the wire."""
    pieces = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="photos"; filename="{n}.jpg"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for n, content in enumerate(contents)
    ]
    return [*pieces, f"--{EDGE}--\r\n".encode()]


def coming_in(
    pieces: Iterable[bytes], *, whole: bool = True, announced: int | None = None, address: str = "192.0.2.1"
) -> Request:
    """A request; one that is not whole stays open and nothing more comes."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        if not whole:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", f"multipart/form-data; boundary={EDGE}".encode())]
    if announced is not None:
        headers.append((b"content-length", str(announced).encode()))
    came_from = (address, 50000)
    return Request({"type": "http", "method": "POST", "headers": headers, "client": came_from, "state": {}}, receive)


@pytest.mark.parametrize("bounds", [KNOWN, STRANGERS])
def test_a_large_file_lies_on_the_disk_until_the_request_is_answered(bounds: Bounds) -> None:
    async def run() -> None:
        request = coming_in(parts(LARGE, b"small"))
        sent = await read_with_files(request, bounds)
        large, small = sent.files["photos"]
        assert (large.size_bytes, small.size_bytes) == (len(LARGE), 5)
        assert large.file._rolled, "no more of it than a piece is in memory"  # type: ignore[attr-defined]  # it says so nowhere else
        assert [file.read() for file in (large, small, large)] == [LARGE, b"small", LARGE]
        await put_away(request.scope)
        for file in (large, small):
            with pytest.raises(ValueError, match="closed file"):
                file.read()

    asyncio.run(run())


def test_one_too_many_at_once_is_told_so_and_the_place_is_free_afterwards() -> None:
    bounds = replace(KNOWN, places=Places(1))

    async def run() -> None:
        first = asyncio.create_task(read_with_files(coming_in(parts(LARGE)[:1], whole=False), bounds))
        await asyncio.sleep(0)  # until it waits for the rest
        with pytest.raises(Busy) as refused:
            await read_with_files(coming_in(parts(LARGE)), bounds)
        assert refused.value.obstacle == Text("同时上传照片的人太多", "too many are sending pictures at once")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        request = coming_in(parts(LARGE))
        assert (await read_with_files(request, bounds)).files
        await put_away(request.scope)

    asyncio.run(run())


def test_who_holds_half_of_the_places_keeps_nobody_else_out_and_words_alone_need_none() -> None:
    bounds = replace(STRANGERS, places=Places(4, each=2))

    async def run() -> None:
        slow = [read_with_files(coming_in(parts(LARGE)[:1], whole=False), bounds) for _ in range(2)]
        waiting = [asyncio.create_task(each) for each in slow]
        await asyncio.sleep(0)  # until both wait for the rest
        with pytest.raises(Busy):
            await read_with_files(coming_in(parts(LARGE)), bounds)
        light, elsewhere = coming_in(parts(b"small"), announced=500), coming_in(parts(LARGE), address="2001:db8::1")
        for request in (light, elsewhere):
            assert (await read_with_files(request, bounds)).files
            await put_away(request.scope)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        again = coming_in(parts(LARGE))
        assert (await read_with_files(again, bounds)).files
        await put_away(again.scope)

    asyncio.run(run())


@pytest.mark.parametrize(
    "pieces, whole, bounds, refusal, obstacle",
    [
        (parts(LARGE)[:1], False, replace(KNOWN, seconds=0.01), InvalidInput, "it took too long to come in"),
        (parts(LARGE, LARGE), True, replace(KNOWN, files_bytes=300_000), Refusal, "300000"),
        (parts(b"", b"", b""), True, replace(KNOWN, files=2), InvalidInput, "the form cannot be read"),
        ([b"no form at all"], True, KNOWN, InvalidInput, "the form cannot be read"),
    ],
    ids=["too slow", "too large", "too many files", "no form"],
)
def test_what_does_not_come_in_whole_leaves_nothing_behind(
    pieces: list[bytes], whole: bool, bounds: Bounds, refusal: type[Refusal], obstacle: str
) -> None:
    request = coming_in(pieces, whole=whole)
    with pytest.raises(refusal) as refused:  # a file left open would be a warning, and a warning is an error here
        asyncio.run(read_with_files(request, replace(bounds, places=Places(1))))
    assert obstacle in refused.value.obstacle.en
    assert request.scope["state"] == {}
