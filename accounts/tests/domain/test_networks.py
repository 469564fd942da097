from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.domain.networks import network_of, plain_network, typed_network

V4 = st.ip_addresses(v=4)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda each: each.ipv4_mapped is None)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_address_and_its_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize("text", ["", "x", "203.0.113", "203.0.113.7.1", "203.0.113.007", "1" * 99])
def test_nonsense_is_no_address(text):
    with pytest.raises(ValueError, match="address"):
        network_of(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (" 203.0.113.7 ", "203.0.113.7/32"),
        ("203.0.113.7/32", "203.0.113.7/32"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_what_people_type(text, network):
    assert typed_network(text) == network


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/24",
        "0.0.0.0/0",
        "203.0.113.7/",
        "203.0.113.7/33",
        "2001:db8::/48",
        "::/0",
        "a/b",
    ],
)
def test_neighbours_are_not_trusted_with_it(text):
    with pytest.raises(ValueError, match="address"):
        typed_network(text)


@settings(derandomize=True, max_examples=100)
@given(V4, V4)
def test_ipv4_addresses_are_one_only_if_they_are_the_same(one: IPv4Address, other: IPv4Address):
    assert (network_of(str(one)) == network_of(str(other))) is (one == other)
    assert network_of(f"::ffff:{one}") == network_of(str(one))
    assert plain_network(network_of(str(one))) == str(one)


@settings(derandomize=True, max_examples=100)
@given(V6, st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_ipv6_addresses_are_one_in_the_same_64_bits(address: IPv6Address, host: int, bit: int):
    network = network_of(str(address))
    neighbour = IPv6Address((int(address) >> 64 << 64) | host)
    if neighbour.ipv4_mapped is None:
        assert network_of(str(neighbour)) == network
    beyond = IPv6Address(int(address) ^ (1 << (64 + bit)))
    assert network_of(str(beyond)) != network


@settings(derandomize=True, max_examples=100)
@given(st.one_of(V4, V6))
def test_a_network_is_its_own_and_holds_its_address(address):
    network = network_of(str(address))
    assert typed_network(network) == network
    assert ip_address(str(address)) in ip_network(network)
    assert len(network) <= 43
