"""What all that speak HTTP share: bounds, statuses and silence about secrets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from engine.clock import SimulatedClock
from notifications.channels import Sort, TransportError
from notifications.channels.bounding import bounded
from notifications.channels.codes import BAD_ACCOUNT, TRY_AGAIN, codes
from notifications.channels.posting import Answer, Patience, Post, must_be_taken, scrubbed
from tests.notifications.channels.places import NOW
from tests.services.hooks import Hooks
from tests.services.serving import Fault


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Post:
    return Post(SimulatedClock(NOW), httpx.Client(transport=httpx.MockTransport(answer)))


def wait_of(header: str) -> timedelta | None:
    post = answering(lambda _: httpx.Response(503, headers=[(b"retry-after", header.encode("latin-1"))]))
    return post.ask("https://a.example", secrets=()).retry_after


@pytest.mark.parametrize(
    "header, wait",
    [
        ("0", timedelta(0)), (" 60 ", timedelta(minutes=1)), ("9" * 400, timedelta(days=7)), ("-1", None), ("1.5", None), ("", None),
        ("²", None), ("Wed, 15 Jan 2020 09:00:00 GMT", timedelta(hours=1)), ("Wed, 15 Jan 9999 09:00:00 GMT", timedelta(days=7)),
        ("Wed, 15 Jan 2020 09:00:00", None), ("Wed, 99 Jan 2020", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_bounded_wait_or_nothing(header: str, wait: timedelta | None) -> None:
    assert wait_of(header) == wait


def test_a_redirect_is_not_followed_even_by_a_client_that_would() -> None:
    asked = []

    def elsewhere(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    client = httpx.Client(transport=httpx.MockTransport(elsewhere), follow_redirects=True)
    answer = Post(SimulatedClock(NOW), client).ask("https://a.example", secrets=(), body=b"x")
    assert (answer.status, asked) == (307, ["a.example"])


@pytest.mark.parametrize(
    "status, sort",
    [
        (100, "again"), (301, "again"), (304, "again"), (400, "give_up"), (408, "again"), (418, "give_up"), (425, "again"),
        (429, "slow_down"), (500, "again"), (503, "again"), (599, "again"),
    ],
)  # fmt: skip
def test_a_status_says_what_to_do(status: int, sort: Sort) -> None:
    with pytest.raises(TransportError) as refused:
        must_be_taken(Answer(status, "sorry"))
    assert (refused.value.sort, refused.value.answer) == (sort, f"{status} sorry")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example:99999/",
        "https://\ud800.example/",
        "https://" + "a" * 70 + ".example/",
        "//",
        "https://a.example/\r\nx: y",
    ],
)
def test_an_address_that_nobody_can_ask_is_an_error_of_ours_and_not_a_crash(url: str) -> None:
    with pytest.raises(TransportError):
        Post(SimulatedClock(NOW), seconds=2).ask(url, secrets=())


@pytest.mark.parametrize(
    "text",
    [
        "s3cr=t/+ü", "https://a.example/?x=s3cr%3Dt%2F%2B%C3%BC", '{"you": "s3cr=t/+\\u00fc"}', "?key=unknown-but-named&x",
        "?access_token=unknown-but-named", '{"access_token": "unknown-but-named", "x', "corpsecret=unknown-but-named",
    ],
)  # fmt: skip
def test_a_secret_is_hidden_however_it_is_written(text: str) -> None:
    told = scrubbed(text, ["s3cr=t/+ü", ""])
    assert "…" in told
    assert "s3cr" not in told and "unknown-but-named" not in told


def test_a_secret_within_another_is_hidden_with_it() -> None:
    assert scrubbed("abcdef abc", ["abc", "abcdef"]) == "… …"


def test_patience_that_is_used_up_asks_nobody() -> None:
    post = answering(lambda _: pytest.fail("asked"))
    with pytest.raises(TransportError, match="took too long"):
        post.ask("https://a.example", secrets=(), patience=Patience.of(-1))


@contextmanager
def a_listener_that_never_answers() -> Iterator[int]:
    """Takes connections as the machine does, and nobody looks at them."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_takes_the_connection_and_says_nothing_is_left_in_time(scheme: str) -> None:
    begun = time.monotonic()
    with a_listener_that_never_answers() as port, pytest.raises(TransportError, match="took too long"):
        Post(SimulatedClock(NOW), seconds=0.4).ask(f"{scheme}://127.0.0.1:{port}/", secrets=())
    assert time.monotonic() - begun < 60  # it would wait for ever, and a machine may be busy


def test_many_at_once_are_each_cut_off() -> None:
    with Hooks(SimulatedClock(NOW)) as service:
        service.then(*[Fault("drips_head")] * 8)
        post = Post(SimulatedClock(NOW), seconds=0.4)
        refused: list[str] = []

        def ask() -> None:
            try:
                post.ask(service.url, secrets=(), body=b"{}")
            except TransportError as error:
                refused.append(error.answer)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert refused == ["no answer: it took too long"] * 8
        post.close()


def test_a_conversation_that_ends_in_time_is_not_cut_off() -> None:
    with bounded(30, lambda: None) as overdue:
        assert not overdue
    assert not overdue


def test_a_connection_made_too_late_is_cut_off_all_the_same() -> None:
    ours, theirs = socket.socketpair()
    found: list[socket.socket] = []
    with bounded(0, lambda: found[0] if found else None) as overdue:
        while not overdue:
            time.sleep(0.001)
        found.append(ours)
        overdue.look_again()
        assert ours.recv(1) == b""
    ours.close()
    theirs.close()


def test_a_code_has_one_meaning() -> None:
    with pytest.raises(ValueError, match="Code 7 has two meanings"):
        codes({TRY_AGAIN: (1, 7), BAD_ACCOUNT: (7,)})


def test_nothing_is_made_for_a_channel_that_sends_nothing() -> None:
    post = Post(SimulatedClock(NOW))
    post.close()
    assert "_client" not in vars(post)
