"""Which addresses belong to the public internet: only there do notices go (trust.md 7, T14)."""

from ipaddress import IPv6Address, ip_address, ip_network

# What IANA has set aside, and all that carries another address inside.
_NOT_PUBLIC = [
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        # Multicast, reserved, broadcast.
        "224.0.0.0/3",
        # Teredo and other protocols, documentation, 6to4.
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
]
# Everything else of IPv6 is loopback, local, mapped, translated (NAT64), multicast or not given out.
_GIVEN_OUT = ip_network("2000::/3")


def is_public(address: str) -> bool:
    """Say whether an address, as a resolver writes it, is one of the public internet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and (parsed.scope_id or parsed not in _GIVEN_OUT):
        return False
    return not any(parsed in network for network in _NOT_PUBLIC)
