"""Keeps what an organisation set up out of the server's own network, where whoever runs the server wants it kept out.

Looked at twice: where a name leads before anything is asked there, and who is at the other end once somebody is. A name
that leads elsewhere the second time gets no byte of ours.
"""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

from notifications import answers
from notifications.answers import as_kept
from notifications.channels import TransportError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: an IPv4 address in its last four bytes, and a gateway of the network's own takes it there. Source: RFC 6052, 2.1
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
ALLOWED_BY = "BIHUAN_CHANNELS_INSIDE"  # named, since only whoever runs the server can help
INSIDE = as_kept(answers.INSIDE, allowed_by=ALLOWED_BY)


def must_lead_outside(host: str, port: int) -> None:
    """Raises TransportError where this name or address may lead inside. What leads nowhere is said by who connects to it."""
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        _must_be_outside(str(address[0]) for *_, address in found)


def must_be_outside(connection: socket.socket) -> None:
    """Raises TransportError where who is at the other end is inside; the connection is closed then."""
    try:
        peer = connection.getpeername()
        _must_be_outside([str(peer[0])])
    except OSError:
        return  # it is gone already: whoever reads from it finds out
    except TransportError:
        connection.close()
        raise


def is_outside(address: str) -> bool:
    """Whether an IP address is one of the public Internet. Nothing else, no name either, is."""
    try:
        found: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in _meant_by(found))


def _meant_by(address: IPAddress) -> Iterable[IPAddress]:
    """It, and those it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    within = [each for each in inner if each is not None]
    return within if address.ipv4_mapped is not None else [address, *within]


def _must_be_outside(addresses: Iterable[str]) -> None:
    if not all(map(is_outside, addresses)):
        raise TransportError(INSIDE, "give_up", concerns="channel")
