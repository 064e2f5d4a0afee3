"""Uploads as a real server meets them: far too large, far too slow, and asked for leave first."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.folder import Folder
from tests.api.evidence.making import a_photo
from tests.builders import School, a_database, a_school
from tests.journeys.serving import Served

pytestmark = pytest.mark.slow

TWO_GIGABYTES = 2 * 1024**3
PIECE = bytes(256 * 1024)
SENT_AT_MOST = 160 * 1024**2  # if the server still listened after this, it would have listened to the end


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, School]]:
    data = tmp_path_factory.mktemp("uploads") / "data"
    Folder(data).make(simulated=False)
    database = a_database(data, "sqlite")
    school = a_school(database)
    database.close()
    with Served(data) as running:
        yield running, school


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    address = urlsplit(served.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as line:
        yield line


def head(school: School, *more: str, path: str = "/api/v1/files", kind: str = "image/jpeg") -> bytes:
    said = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Type: {kind}", "Accept-Language: en"]
    said.append(f"Authorization: Bearer {school.token('teacher')}")
    return "\r\n".join([*said, *more, "", ""]).encode()


def status_of(line: socket.socket) -> int:
    """The status of the next answer, read up to the end of its head."""
    said = b""
    while b"\r\n\r\n" not in said:
        part = line.recv(1)
        assert part, said
        said += part
    found = re.match(rb"HTTP/1\.1 (\d{3})", said)
    assert found is not None, said
    return int(found[1])


def resident_bytes(served: Served) -> int:
    pages = Path(f"/proc/{served.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


on_linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")


@on_linux
@pytest.mark.parametrize(
    "path, kind",
    [("files", "image/jpeg"), ("files", "application/pdf"), ("hazards", "application/json")],
)
def test_two_gigabytes_are_refused_before_they_are_read(path: str, kind: str, served: tuple[Served, School]) -> None:
    running, school = served
    before = resident_bytes(running)
    with connected(running) as line:
        line.sendall(head(school, f"Content-Length: {TWO_GIGABYTES}", path=f"/api/v1/{path}", kind=kind))
        assert status_of(line) == 413, "answered although not one byte of the body was sent"
        _pour(line, SENT_AT_MOST, chunked=False)
    assert resident_bytes(running) - before < 40 * 1024**2
    assert httpx.get(f"{running.url}/healthz").status_code == 200


@on_linux
def test_a_body_without_an_end_is_refused_at_the_limit(served: tuple[Served, School]) -> None:
    running, school = served
    before = resident_bytes(running)
    with connected(running) as line:
        line.sendall(head(school, "Transfer-Encoding: chunked"))
        _pour(line, 11 * 1024**2, chunked=True)
        assert status_of(line) == 413
        _pour(line, SENT_AT_MOST, chunked=True)
    assert resident_bytes(running) - before < 60 * 1024**2, "ten million bytes are read, and not the rest"
    assert httpx.get(f"{running.url}/healthz").status_code == 200


def _pour(line: socket.socket, how_much: int, *, chunked: bool) -> None:
    piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    try:
        for _ in range(how_much // len(PIECE) + 1):
            line.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server hung up, as it may


@pytest.mark.parametrize("size, status", [(TWO_GIGABYTES, 413), (1000, 100)])
def test_who_asks_for_leave_first_is_told_before_he_sends(
    size: int, status: int, served: tuple[Served, School]
) -> None:
    running, school = served
    with connected(running) as line:
        line.sendall(head(school, f"Content-Length: {size}", "Expect: 100-continue"))
        assert status_of(line) == status


def test_a_stranger_s_upload_is_not_read(served: tuple[Served, School]) -> None:
    running, _ = served
    with connected(running) as line:
        line.sendall(
            b"POST /api/v1/files HTTP/1.1\r\nHost: t\r\nContent-Type: image/png\r\nContent-Length: 9000000\r\n\r\n"
        )
        assert status_of(line) == 401


def test_uploads_that_trickle_in_hold_nobody_up(served: tuple[Served, School]) -> None:
    running, school = served
    photo = a_photo()
    lines = [connected(running) for _ in range(50)]  # more than the server has threads
    opened = [entered.__enter__() for entered in lines]
    try:
        for line in opened:
            line.sendall(head(school, f"Content-Length: {len(photo)}") + photo[:100])
        with httpx.Client(base_url=running.url, timeout=20) as client:
            body = {"title": "插座松动", "place": "A-101"}
            answer = client.post("/api/v1/hazards", json=body, headers=school.headers("teacher"))
            assert answer.status_code == 201, answer.text
            whole = client.post(
                "/api/v1/files", content=photo, headers=school.headers("teacher", Content_Type="image/jpeg")
            )
            assert whole.status_code == 201
        opened[0].sendall(photo[100:])
        assert status_of(opened[0]) == 201, "he who is slow arrives too"
    finally:
        for entered in lines:
            entered.__exit__(None, None, None)
    assert not list((running.log.parent / "data" / "files").rglob("*.part"))
