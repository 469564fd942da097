"""Which address a request came from."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address

_WITH_PORT = re.compile(
    r"\[(?P<six>[0-9a-f:.]+)\](:[0-9]{1,5})?|(?P<four>[0-9.]+):[0-9]{1,5}", re.ASCII | re.IGNORECASE
)


def client_address(meta: Mapping[str, object]) -> str | None:
    """Return the address of a request in its one spelling; nothing where it is not known.

    Headers can be written by anybody: what trusted proxies say was put into `REMOTE_ADDR` before
    (`finbyte_site.proxies`), or nothing was.
    """
    return _spelled(str(meta.get("REMOTE_ADDR", "")))


def forwarded_address(
    peer: str | None, lines: Sequence[str], *, trusted_proxies: int
) -> str | None:
    """Return who stands before our own proxies, counted from the right over all lines.

    `peer` is the other end of the connection, `lines` are the values of X-Forwarded-For in their
    order. Each trusted proxy adds one entry at the right, so everything further left may be
    invented. Without proxies the header says nothing. Nothing is returned, rather than a guess,
    where a proxy has left no entry or one that is no address.
    """
    if trusted_proxies == 0:
        return _spelled(peer or "")
    entries = [entry for line in lines for entry in line.split(",")]
    if len(entries) < trusted_proxies:
        return None
    entry = entries[-trusted_proxies].strip(" \t")
    with_port = _WITH_PORT.fullmatch(entry)
    return _spelled(entry if with_port is None else with_port["six"] or with_port["four"])


def _spelled(text: str) -> str | None:
    """Return the one spelling of an address: no mapped IPv4, no zone, no leading zeros."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)
