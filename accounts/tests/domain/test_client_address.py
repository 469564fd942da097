import pytest

from accounts.domain.client_address import client_address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("", None),
        ("unix:", None),
        ("203.0.113.7, 10.0.0.1", None),
    ],
)
def test_one_spelling_per_address(remote, address):
    assert client_address({"REMOTE_ADDR": remote}) == address


def test_headers_are_not_believed():
    meta = {"REMOTE_ADDR": "203.0.113.7", "HTTP_X_FORWARDED_FOR": "1.2.3.4", "HTTP_X_REAL_IP": "1"}
    assert client_address(meta) == "203.0.113.7"
