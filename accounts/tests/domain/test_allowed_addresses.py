from datetime import timedelta

import pytest

from accounts.domain.allowed_addresses import is_among, next_change_at, normal_addresses


def test_one_spelling_once_each():
    assert normal_addresses(["2001:DB8:0::7", " 203.0.113.7 "]) == ["2001:db8::7", "203.0.113.7"]
    assert normal_addresses(["::ffff:203.0.113.7", "203.0.113.7", ""]) == ["203.0.113.7"]


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/24",
        "255.255.255.255",
        "::",
        "224.0.0.1",
        "fe80::1%eth0",
        "203.0.113.07",
        "bots",
        "1.2",
    ],
)
def test_what_names_no_single_host(text):
    with pytest.raises(ValueError, match=r"."):
        normal_addresses([text])


def test_two_at_most():
    with pytest.raises(ValueError, match="3 addresses"):
        normal_addresses(["1.1.1.1", "2.2.2.2", "3.3.3.3"])


def test_who_is_among():
    allowed = ["2001:db8::7", "203.0.113.7"]
    assert is_among("203.0.113.7", allowed)
    assert is_among("::ffff:203.0.113.7", allowed)
    assert is_among("2001:0db8::0007", allowed)
    for other in ("203.0.113.8", "2001:db8::8", "::203.0.113.7", "203.0.113.7, 1.1.1.1", "", None):
        assert not is_among(other, allowed)
    assert is_among(None, [])


def test_the_next_change(now):
    assert next_change_at(None) is None
    assert next_change_at(now) == now + timedelta(days=7)
