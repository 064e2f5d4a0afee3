"""The services themselves: what they took outlives them, and a process on the same log knows it."""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SimulatedClock, SystemClock
from notifications.channels import Account, TransportError
from notifications.channels.dingtalk_robot import DingTalkRobot
from notifications.channels.email import EmailChannel
from notifications.channels.webhook import WebhookChannel
from notifications.channels.wecom_robot import WeComRobot
from tests.notifications.channels.places import NOW, ZHANG
from tests.notifications.fakes import a_notice, outgoing
from tests.services.certificates import certificates_in
from tests.services.dingtalk import DingTalk
from tests.services.hooks import Hooks
from tests.services.processes import Running
from tests.services.serving import Fault, Ledger, Taken
from tests.services.wecom import WeCom

KEY = "robot-key-0001"


def robot_at(url: str, key: str = KEY) -> Account:
    return Account("school", "ours", "wecom_robot", settings={"base_url": url}, secrets={"key": key})


def test_a_service_in_a_process_of_its_own_is_killed_and_forgets_nothing(tmp_path: Path) -> None:
    channel = WeComRobot(SystemClock())
    with Running("wecom", tmp_path / "taken") as service:
        for n in range(5):
            channel.send(outgoing(a_notice(), key=f"msg_{n}"), robot_at(service.url))
        service.kill()
        with pytest.raises(TransportError, match="no answer"):
            channel.send(outgoing(a_notice(), key="msg_lost"), robot_at(service.url))
        service.again()
        for n in range(5, 20):
            channel.send(outgoing(a_notice(), key=f"msg_{n}"), robot_at(service.url))
        with pytest.raises(TransportError, match="45009"):
            channel.send(outgoing(a_notice(), key="msg_21st"), robot_at(service.url))
        assert [taken.key for taken in service.taken] == [f"msg_{n}" for n in range(20)]
        assert [(taken.key, taken.body) for taken in service.refused] == [("msg_21st", 45009)]


def test_a_mail_server_is_killed_and_comes_back_on_its_port_and_log(tmp_path: Path) -> None:
    made = certificates_in(tmp_path)
    files = ["--certificate", str(made.certificate), "--key", str(made.key), "--implicit"]
    with closing(EmailChannel(SystemClock())) as channel, Running("mail", tmp_path / "taken", files) as server:
        settings = {
            "host": "127.0.0.1", "port": server.port, "sender": "safety@school.example", "certificates": made.authority,
            "username": "safety@school.example",
        }  # fmt: skip
        account = Account("school", "ours", "email", settings=settings, secrets={"password": "mail-password"})
        channel.send(outgoing(a_notice(), key="msg_1", addressee=ZHANG), account)
        server.kill()
        with pytest.raises(TransportError, match="no answer"):
            channel.send(outgoing(a_notice(), key="msg_2", addressee=ZHANG), account)
        server.again()
        channel.send(outgoing(a_notice(), key="msg_2", addressee=ZHANG), account)
        assert [taken.key for taken in server.taken] == ["msg_1", "msg_2"]


def test_what_befalls_the_next_is_said_from_outside_too(tmp_path: Path) -> None:
    with Running("wecom", tmp_path / "taken", ["--account", "another-robot-key"]) as service:
        httpx.post(f"{service.url}/-/then", json=[{"kind": "status", "code": 502}])
        account = robot_at(service.url, "another-robot-key")
        with pytest.raises(TransportError, match="502"):
            WeComRobot(SystemClock()).send(outgoing(a_notice()), account)
        WeComRobot(SystemClock()).send(outgoing(a_notice()), account)
        assert [taken.account for taken in service.taken] == ["another-robot-key"]


@pytest.mark.parametrize("kind", ["dingtalk", "feishu", "sms", "webhook", "wecom_app"])
def test_every_kind_runs_as_a_module(tmp_path: Path, kind: str) -> None:
    with Running(kind, tmp_path / "taken") as service:
        assert httpx.get(f"{service.url}/-/nothing").status_code in {401, 404}


def test_a_share_fails_and_goes_away_by_itself() -> None:
    clock = SimulatedClock(NOW)
    with WeCom(clock, failing=0.3, seed=1, per_minute=1000) as service:
        channel = WeComRobot(clock)
        failed: list[str] = []
        for n in range(100):
            try:
                channel.send(outgoing(a_notice(), key=f"msg_{n}"), robot_at(service.url))
            except TransportError as error:
                failed.append(error.sort)
        assert len(service.taken) == 100 - len(failed)
        assert 15 <= len(failed) <= 45
        assert set(failed) == {"again"}


def test_a_torn_last_line_is_none(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    whole = Taken(NOW, "robot", "msg_1", {"text": "一"})
    file.write_bytes(whole.to_line() + b'{"at": "2020-01-')
    ledger = Ledger(file)
    assert ledger.lines == [whole]
    ledger.write(Taken(NOW, "robot", "msg_2", None))
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == ["msg_1", "msg_2"]
    assert ledger.since("robot", NOW - timedelta(seconds=1)) == 2


def test_dingtalk_stays_mute_for_ten_minutes_whatever_comes() -> None:
    clock = SimulatedClock(NOW)
    with DingTalk(clock) as service:
        account = Account(
            "school",
            "ours",
            "dingtalk_robot",
            settings={"base_url": service.url},
            secrets={"key": "dingtalk-token-0001"},
        )
        channel = DingTalkRobot(clock)
        for _ in range(20):
            channel.send(outgoing(a_notice()), account)
        for minute in range(10):
            with pytest.raises(TransportError, match="130101"):
                channel.send(outgoing(a_notice(), addressee=ZHANG), account)
            clock.advance(timedelta(minutes=1))
            assert len(service.taken) == 20, minute
        channel.send(outgoing(a_notice()), account)


def test_a_fault_befalls_one_request_and_no_other() -> None:
    clock = SimulatedClock(NOW)
    secret: Mapping[str, Any] = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    with Hooks(clock) as service:
        account = Account("school", "ours", "webhook", settings={"url": service.url}, secrets=dict(secret))
        service.then(Fault("closes"), Fault("status", 500))
        for _ in range(2):
            with pytest.raises(TransportError):
                WebhookChannel(clock).send(outgoing(a_notice()), account)
        WebhookChannel(clock).send(outgoing(a_notice()), account)
        assert len(service.taken) == 1
