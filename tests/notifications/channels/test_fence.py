"""Which addresses lie inside the server's own network, however they are written."""

import socket

import pytest

from notifications.channels import TransportError
from notifications.channels.fence import is_outside, must_be_outside, must_lead_outside


@pytest.mark.parametrize("address", ["1.1.1.1", "223.5.5.5", "2400:3200::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"])
def test_an_address_of_the_public_internet_lies_outside(address: str) -> None:
    assert is_outside(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.5", "192.168.1.1", "0.1.2.3", "169.254.169.254", "100.100.100.200",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "2002:7f00:1::", "localhost", "",
    ],
)  # fmt: skip
def test_whatever_else_there_is_lies_inside(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "::1"])
def test_a_name_or_an_odd_spelling_that_leads_inside_is_refused(host: str) -> None:
    with pytest.raises(TransportError) as refused:
        must_lead_outside(host, 80)
    assert (refused.value.sort, refused.value.concerns) == ("give_up", "channel")
    assert "BIHUAN_CHANNELS_INSIDE" in refused.value.answer


def test_a_name_that_led_outside_when_it_was_looked_up_and_inside_when_it_was_connected_to_gets_no_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = socket.create_connection(server.getsockname())
        with pytest.raises(TransportError):
            must_be_outside(connection)
        assert connection.fileno() == -1, "closed"
        with server.accept()[0] as other_end:
            assert other_end.recv(1) == b""
