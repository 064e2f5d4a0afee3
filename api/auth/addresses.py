"""How much an address says of who comes from there."""

import ipaddress


def place_of(address: str) -> str:
    """The address as far as it says who it is: of IPv6 the network, since each of its hosts has as many as it likes."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.ip_network((read, 64), strict=False))
    return str(read)
