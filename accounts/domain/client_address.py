"""Which address a request came from."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address


def client_address(meta: Mapping[str, object]) -> str | None:
    """Return the peer's address in its one spelling, or nothing for a local socket.

    Only the connection itself is believed: a header can be written by anybody. What a trusted
    proxy adds is for the server in front to put into `REMOTE_ADDR`.
    """
    try:
        address = ip_address(str(meta.get("REMOTE_ADDR", "")))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
