import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks import webhooks as library

from engine.clock import SimulatedClock
from notifications import deliveries
from notifications.channels import Account, Concerns, Sort, TransportError
from notifications.channels.webhook import WebhookChannel, WebhookForm
from notifications.office import RoundResult
from tests.notifications.fakes import ALICE, Post, a_notice, local, outgoing

URL = "https://hooks.school.example/bihuan"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = local("2020-01-15 16:00")


ACCOUNT = Account("school", "webhook", "webhook", settings={"url": URL}, secrets={"secret": SECRET})


def a_channel(answer: Callable[[httpx.Request], httpx.Response]) -> WebhookChannel:
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return WebhookChannel(SimulatedClock(NOW), client)


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
    a_channel(receiver).send(outgoing(a_notice()), ACCOUNT)
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
    a_channel(receiver).send(outgoing(a_notice()), ACCOUNT)
    [request] = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.content.replace(b"general", b"major"), dict(request.headers))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_taken(status: int) -> None:
    assert answering(status).send(outgoing(a_notice()), ACCOUNT).answer == str(status)


@pytest.mark.parametrize(
    "status, sort, concerns",
    [
        (400, "give_up", "message"), (405, "give_up", "message"), (413, "give_up", "message"), (422, "give_up", "message"),
        (401, "give_up", "channel"), (403, "give_up", "channel"), (404, "give_up", "channel"), (410, "give_up", "channel"),
        (408, "again", "message"), (425, "again", "message"),
        (429, "slow_down", "channel"),  # asks for patience
        (500, "again", "message"), (502, "again", "message"), (503, "again", "message"), (504, "again", "message"), (507, "again", "message"),
        (301, "again", "message"), (302, "again", "message"),  # not followed; a captive portal or a page "we will be back" goes away
    ],
)  # fmt: skip
def test_a_refusal_says_whether_trying_again_can_help(status: int, sort: Sort, concerns: Concerns) -> None:
    with pytest.raises(TransportError) as refused:
        answering(status, text="sorry\nno").send(outgoing(a_notice()), ACCOUNT)
    assert (refused.value.sort, refused.value.concerns) == (sort, concerns)
    assert refused.value.answer == f"{status} sorry no"


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("half-closed")]
)
def test_a_broken_line_is_tried_again(error: httpx.HTTPError) -> None:
    def breaks(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransportError, match="no answer") as refused:
        a_channel(breaks).send(outgoing(a_notice()), ACCOUNT)
    assert refused.value.sort == "again"


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
        answering(status, headers={"retry-after": header} if header else {}).send(outgoing(a_notice()), ACCOUNT)
    assert refused.value.retry_after == wait


def test_an_error_page_is_cut() -> None:
    with pytest.raises(TransportError) as refused:
        answering(500, text="x" * 100_000).send(outgoing(a_notice()), ACCOUNT)
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
    with pytest.raises(ValidationError, match=says):
        WebhookForm(url=url, secret=SecretStr(secret))


def test_the_secret_is_not_shown() -> None:
    form = WebhookForm(url=URL, secret=SecretStr(SECRET))
    assert SECRET not in repr(form) + repr(ACCOUNT)
    assert (form.settings(), form.secrets()) == (ACCOUNT.settings, ACCOUNT.secrets)


def test_what_is_not_set_up_is_given_up_before_anything_is_sent() -> None:
    with pytest.raises(TransportError, match="not set up as it has to be: secret, url") as refused:
        answering(200).send(outgoing(a_notice()), Account("school", "webhook", "webhook"))
    assert (refused.value.sort, refused.value.concerns) == ("give_up", "channel")


def test_it_serves_the_organisation_and_no_single_person() -> None:
    assert answering(200).address_of(ALICE) is None


def test_a_day_of_outage_ends_with_each_message_once_under_one_id_and_one_body(post: Post) -> None:
    receiver = Receiver()
    receiver.status = 503
    client = httpx.Client(transport=httpx.MockTransport(receiver))
    channel = WebhookChannel(post.clock, client)
    worker = post.sending_by(ACCOUNT).worker(channel)
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
    worker = post.sending_by(ACCOUNT).worker(WebhookChannel(post.clock, client))
    post.outbox.write(a_notice())
    worker.run_once()
    assert [delivery.status for delivery in post.deliveries(dead=True)] == ["dead"]
    receiver.status = 200
    with post.database.write_across() as connection:
        deliveries.redrive(connection, "school", None, post.clock.now())
    assert worker.run_once().direct == 1
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
