"""Which pages may open the console's socket."""

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from finbyte_site.routing import is_same_origin, websocket_application


def scope(origin: str | None, host: str = "127.0.0.1:8000") -> dict[str, Any]:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return {"type": "websocket", "headers": headers}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", False),
        ("http://localhost:8000", False),
        ("https://evil.example", False),
        ("http://127.0.0.1:8000/", False),
        ("ftp://127.0.0.1:8000", False),
        ("http://[", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_only_pages_of_this_host_and_port(origin: str | None, *, expected: bool) -> None:
    assert is_same_origin(scope(origin)) is expected


def test_on_https_no_page_over_plain_http(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE, settings.PUBLIC_URL = True, "https://fin.example"
    assert is_same_origin(scope("https://fin.example", "fin.example"))
    assert not is_same_origin(scope("http://fin.example", "fin.example"))
    assert not is_same_origin(scope("http://fin.example", "127.0.0.1:8000"))


@pytest.mark.parametrize("path", ["/ws/console", "/ws/other", "/"])
async def test_a_strange_page_is_refused_before_it_is_accepted(path: str) -> None:
    socket = WebsocketCommunicator(
        websocket_application,
        path,
        headers=[(b"host", b"127.0.0.1:8000"), (b"origin", b"https://evil.example")],
    )
    is_connected, _ = await socket.connect()
    assert not is_connected
