"""What counts as one address: an IPv4 address itself, the /64 network of an IPv6 one."""

from ipaddress import IPv6Address, ip_address, ip_network

_PREFIX = {4: 32, 6: 64}


def network_of(address: str) -> str:
    """Return the network that an address stands for, like 203.0.113.7/32 or 2001:db8::/64."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or IPv6Address(parsed.packed)
    return str(ip_network(f"{parsed}/{_PREFIX[parsed.version]}", strict=False))


def typed_network(text: str) -> str:
    """Return the network that somebody has typed, as an address or as one of ours.

    Raises ValueError for anything wider or narrower: a /24 would trust the neighbours too.
    """
    address, slash, length = text.strip().partition("/")
    network = network_of(address)
    if slash and length != network.rpartition("/")[2]:
        raise ValueError(f"{text} is not one address")
    return network


def plain_network(network: str) -> str:
    """Return a network as people read it: an IPv4 address without its /32."""
    return network.removesuffix("/32")
