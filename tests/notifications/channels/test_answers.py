"""Whatever a service answers, it is a receipt or an error that was sorted; nothing else comes out of a channel."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import SimulatedClock
from notifications.channels import Account, Channel, Receipt, TransportError
from notifications.channels.dingtalk_robot import DingTalkRobot
from notifications.channels.feishu_robot import FeishuRobot
from notifications.channels.sms import SmsChannel
from notifications.channels.webhook import WebhookChannel
from notifications.channels.wecom_app import WeComApp
from notifications.channels.wecom_robot import WeComRobot
from tests.notifications.channels.places import NOW, ZHANG
from tests.notifications.fakes import a_notice, outgoing

SECRET = "TellNobody0123456789TellNobody01"  # base64 of 24 bytes
SMS = {
    "url": "https://sms.example/send",
    "body": '{"m": "{phone}", "c": "{text}"}',
    "code_at": "errcode",
    "taken": ["0"],
}
KINDS: dict[str, tuple[Callable[..., Channel], dict[str, Any], dict[str, str]]] = {
    "wecom_robot": (WeComRobot, {}, {"key": SECRET}),
    "wecom_app": (WeComApp, {"corp_id": "ww0123", "agent_id": 1}, {"secret": SECRET}),
    "dingtalk_robot": (DingTalkRobot, {}, {"key": SECRET, "secret": SECRET}),
    "feishu_robot": (FeishuRobot, {}, {"key": SECRET, "secret": SECRET}),
    "sms": (SmsChannel, SMS, {"secret": SECRET}),
    "webhook": (
        WebhookChannel,
        {"url": "https://hooks.example/x"},
        {"secret": f"whsec_{SECRET}"},
    ),
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["errcode", "errmsg", "code", "msg", "StatusCode", "access_token", "expires_in", "invaliduser", "msgid"]
)
bodies = (
    st.dictionaries(names, values).map(lambda said: json.dumps(said).encode())
    | st.binary(max_size=200)
    | st.sampled_from(
        [
            b"[" * 100_000,
            b'{"errcode": ' + b"9" * 5000 + b"}",
            b'{"errcode": NaN}',
            b"\xef\xbb\xbf{}",
            b'{"errcode": "0"}',
        ]
    )
)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60)
@given(status=st.sampled_from([200, 200, 200, 204, 302, 400, 401, 429, 500, 503]), body=bodies, second=bodies)
def test_whatever_is_answered_is_sorted(name: str, status: int, body: bytes, second: bytes) -> None:
    answers = iter([body, second])

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=next(answers, body))

    made, given_settings, secrets = KINDS[name]
    channel = made(SimulatedClock(NOW), httpx.Client(transport=httpx.MockTransport(answer)))
    account = Account("school", "ours", name, settings=given_settings, secrets=secrets)
    try:
        said = channel.send(outgoing(a_notice(), addressee=ZHANG), account)
        assert isinstance(said, Receipt)
        told = said.answer
    except TransportError as error:
        told = error.answer
        if error.sort == "slow_down" and error.retry_after is None:
            pytest.fail("asked for patience, and nobody says for how long")
    assert len(told) <= 400
    assert SECRET not in told
