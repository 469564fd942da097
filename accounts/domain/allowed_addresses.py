"""From which addresses an app's orders may come: at most two, changed at most once a week."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

MOST = 2
CHANGE_EVERY = timedelta(days=7)


def normal_address(text: str) -> str:
    """Return an address in its one spelling; raises ValueError where it names no single host."""
    address = ip_address(text.strip())
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text} names a network card, not a host")
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError(f"{text} is not the address of one host")
    return str(address)


def normal_addresses(texts: Iterable[str]) -> list[str]:
    """Return the addresses once each, in a fixed order; raises ValueError beyond two."""
    found = sorted({normal_address(text) for text in texts if text.strip()})
    if len(found) > MOST:
        raise ValueError(f"{len(found)} addresses; at most {MOST}")
    return found


def next_change_at(changed_at: datetime | None) -> datetime | None:
    """Return when the addresses may be changed again; None where they never were."""
    return None if changed_at is None else changed_at + CHANGE_EVERY


def is_among(address: str | None, allowed: Sequence[str]) -> bool:
    """Say whether an address is one of those allowed; none set allows every one."""
    if not allowed:
        return True
    try:
        return address is not None and normal_address(address) in allowed
    except ValueError:
        return False
