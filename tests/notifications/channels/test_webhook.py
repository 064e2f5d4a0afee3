import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks import webhooks as library

from engine.clock import SimulatedClock
from notifications import deliveries
from notifications.channels import TransportError
from notifications.channels.webhook import Endpoint, WebhookChannel
from notifications.worker import RoundResult
from tests.notifications.fakes import ALICE, Post, a_notice, local, outgoing

URL = "https://hooks.school.example/bihuan"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = local("2020-01-15 16:00")


def a_channel(answer: Callable[[httpx.Request], httpx.Response]) -> WebhookChannel:
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return WebhookChannel(lambda _: Endpoint(URL, SECRET), SimulatedClock(NOW), client)


def answering(status: int, **how: object) -> WebhookChannel:
    return a_channel(lambda _: httpx.Response(status, **how))  # type: ignore[arg-type]


class Receiver:
    """The other side: verifies by the Standard Webhooks library and keeps what it has not seen before."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status)


class AtTheTime(datetime):
    """The library asks the machine for the time; the story plays in 2020."""

    @classmethod
    def now(cls, *_: object, **__: object) -> "AtTheTime":
        return cls.fromtimestamp(NOW.timestamp(), UTC)


@pytest.fixture
def in_2020(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "datetime", AtTheTime)


def test_the_signature_is_verified_by_the_standard_webhooks_library(in_2020: None) -> None:
    receiver = Receiver()
    a_channel(receiver).send(outgoing(a_notice()))
    [request] = receiver.requests
    payload = Webhook(SECRET).verify(request.content, dict(request.headers))
    assert payload["type"] == "case.waiting"
    assert payload["timestamp"] == "2020-01-15T08:00:00Z"
    assert payload["data"]["about"]["title"] == "插座面板破损"
    assert payload["data"]["told"] == [{"person": "alice", "name": "张伟"}]
    assert request.headers["webhook-id"] == "msg_0123456789abcdef"
    assert str(request.url) == URL


def test_a_changed_body_does_not_verify(in_2020: None) -> None:
    receiver = Receiver()
    a_channel(receiver).send(outgoing(a_notice()))
    [request] = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.content.replace(b"general", b"major"), dict(request.headers))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_taken(status: int) -> None:
    assert answering(status).send(outgoing(a_notice())).answer == str(status)


@pytest.mark.parametrize(
    "status, permanent",
    [
        (400, True), (401, True), (403, True), (404, True), (405, True), (410, True), (413, True), (422, True),
        (408, False), (425, False), (429, False),  # asks for patience
        (500, False), (502, False), (503, False), (504, False), (507, False),
        (301, False), (302, False),  # not followed; a captive portal or a page "we will be back" goes away
    ],
)  # fmt: skip
def test_a_refusal_says_whether_trying_again_can_help(status: int, permanent: bool) -> None:
    with pytest.raises(TransportError) as refused:
        answering(status, text="sorry\nno").send(outgoing(a_notice()))
    assert refused.value.permanent is permanent
    assert refused.value.answer == f"{status} sorry no"


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("half-closed")]
)
def test_a_broken_line_is_tried_again(error: httpx.HTTPError) -> None:
    def breaks(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransportError, match=type(error).__name__) as refused:
        a_channel(breaks).send(outgoing(a_notice()))
    assert not refused.value.permanent


@pytest.mark.parametrize(
    "status, header, wait",
    [
        (429, "120", timedelta(minutes=2)),
        (503, "Wed, 15 Jan 2020 09:00:00 GMT", timedelta(hours=1)),
        (503, "Wed, 15 Jan 2020 07:00:00 GMT", timedelta(0)),  # long past
        (503, "soon", None),
        (503, None, None),
        (500, "120", None),  # honoured only where it means something
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(status: int, header: str | None, wait: timedelta | None) -> None:
    with pytest.raises(TransportError) as refused:
        answering(status, headers={"retry-after": header} if header else {}).send(outgoing(a_notice()))
    assert refused.value.retry_after == wait


def test_an_error_page_is_cut() -> None:
    with pytest.raises(TransportError) as refused:
        answering(500, text="x" * 100_000).send(outgoing(a_notice()))
    assert len(refused.value.answer) < 400


@pytest.mark.parametrize(
    "url, secret, says",
    [
        ("hooks.school.example", SECRET, "no address"),
        ("file:///etc/passwd", SECRET, "no address"),
        (URL, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin with 'whsec_'"),
        (URL, "whsec_!!!", "not base64"),
        (URL, "whsec_c2hvcnQ=", "has 5 bytes"),
        (URL, "whsec_", "has 0 bytes"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused_before_anything_is_sent(url: str, secret: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Endpoint(url, secret)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(Endpoint(URL, SECRET))


def test_it_serves_the_organisation_and_no_single_person() -> None:
    channel = answering(200)
    assert channel.reaches("school", None)
    assert not channel.reaches("school", ALICE)
    assert not WebhookChannel(lambda _: None, SimulatedClock(NOW)).reaches("school", None)


def test_a_day_of_outage_ends_with_each_message_once_under_one_id_and_one_body(post: Post) -> None:
    receiver = Receiver()
    receiver.status = 503
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    channel = WebhookChannel(lambda _: Endpoint(URL, SECRET), post.clock, client)
    worker = post.worker(channel)
    for hour in range(24):
        post.outbox.write(a_notice(f"YH-2020-{hour:04}", how="digest", written_at=post.clock.now()))
        worker.run_once()
        post.clock.advance(timedelta(hours=1))
    receiver.status = 200
    refused = list(receiver.requests)
    receiver.requests.clear()
    post.clock.advance(timedelta(days=1))
    assert worker.run_once() == RoundResult(direct=24)

    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(set(ids)) == len(ids) == 24
    bodies = {request.headers["webhook-id"]: request.content for request in receiver.requests}
    assert all(bodies[request.headers["webhook-id"]] == request.content for request in refused)
    assert json.loads(receiver.requests[0].content)["data"]["organisation"] == "school"


def test_an_endpoint_that_is_gone_is_a_dead_letter_and_redrive_sends_it(post: Post) -> None:
    receiver = Receiver()
    receiver.status = 410
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    worker = post.worker(WebhookChannel(lambda _: Endpoint(URL, SECRET), post.clock, client))
    post.outbox.write(a_notice())
    worker.run_once()
    assert [delivery.status for delivery in post.deliveries(dead=True)] == ["dead"]
    receiver.status = 200
    with post.database.write_across() as connection:
        deliveries.redrive(connection, "school", None, post.clock.now())
    assert worker.run_once().direct == 1
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
