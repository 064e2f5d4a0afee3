import io

import pytest

from engine.clock import SimulatedClock
from notifications.channels import Account, Channel, TransportError
from notifications.channels.console import ConsoleChannel
from notifications.message import Addressee
from tests.notifications.fakes import a_notice, local, outgoing

DESK = Account("school", "console", "console")


def test_a_message_is_one_readable_line() -> None:
    stream = io.StringIO()
    channel: Channel = ConsoleChannel(stream, SimulatedClock(local("2020-01-15 16:00")))
    channel.send(outgoing(a_notice(), addressee=Addressee("alice", "张伟")), DESK)
    assert stream.getvalue() == (
        "2020-01-15 08:00Z  → 张伟  subject  https://safety.school.example/cases/YH-2020-0012\n"
    )


def test_a_closed_stream_is_no_crash() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(TransportError, match="the console is gone"):
        ConsoleChannel(stream, SimulatedClock(local("2020-01-15 16:00"))).send(outgoing(a_notice()), DESK)
