"""Nobody chooses the address that he is seen under."""

import json

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import JsonResponse
from django.urls import path

from accounts.domain.client_address import client_address
from finbyte_site import asgi, urls
from finbyte_site.proxies import TrustedProxies

REAL = "203.0.113.7"
SPOOF = "198.51.100.66"
OUTER, INNER = "10.0.0.8", "10.0.0.9"


def whoami(request):
    """Answer the address that everybody here would see, and headers that claim one."""
    claims = [name for name in request.META if "FORWARDED_FOR" in name or name.endswith("_IP")]
    return JsonResponse({"address": client_address(request.META), "claims": claims})


urlpatterns = [path("whoami", whoami), *urls.urlpatterns]
pytestmark = pytest.mark.urls("finbyte_site.tests.test_proxies")


def xff(*lines):
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


SPOOFS = {
    "one entry": xff(SPOOF),
    "many entries": xff(f"{SPOOF}, {SPOOF},{SPOOF}"),
    "duplicate headers": xff(SPOOF, SPOOF, f"{SPOOF}, {SPOOF}"),
    "X-Real-IP": [(b"x-real-ip", SPOOF.encode())],
    "Forwarded": [(b"forwarded", f"for={SPOOF};proto=https".encode())],
    "vendors' headers": [
        (name, SPOOF.encode())
        for name in (b"client-ip", b"true-client-ip", b"cf-connecting-ip", b"x-client-ip")
    ],
    "IPv4-mapped": xff(f"::ffff:{SPOOF}"),
    "with ports": xff(f"{SPOOF}:443, [::ffff:{SPOOF}]:443"),
    "underscores": [(b"x_forwarded_for", SPOOF.encode()), (b"remote_addr", SPOOF.encode())],
    "empty entries": xff(f",,{SPOOF},,", ""),
    "leading zeros": xff("198.051.100.066"),
    "loopback": xff("127.0.0.1, ::1, localhost"),
    "zone": xff("fe80::1%eth0"),
    "capital letters": [(b"X-FORWARDED-FOR", SPOOF.encode())],
    "REMOTE-ADDR": [(b"remote-addr", SPOOF.encode())],
    "no text": [(b"x-forwarded-for", b"\xff\x00\xfe, \r\n" + SPOOF.encode())],
    "very long": xff(", ".join([SPOOF] * 1000)),
}


def forwarded(headers, by, *, joins):
    """Return the headers as a proxy sends them on: with the other end at the right."""
    if not joins:
        return [*headers, *xff(by)]
    is_line = [name.lower() == b"x-forwarded-for" for name, _ in headers]
    lines = [value for (_, value), is_one in zip(headers, is_line, strict=True) if is_one]
    others = [each for each, is_one in zip(headers, is_line, strict=True) if not is_one]
    return [(b"x-forwarded-for", b", ".join([*lines, by.encode()])), *others]


def arrive(headers, *, proxies, joins=False):
    """Return headers and peer as they reach us from REAL over so many proxies."""
    chain = [REAL, OUTER, INNER][: proxies + 1] if proxies == 2 else [REAL, INNER][: proxies + 1]
    for by in chain[:-1]:
        headers = forwarded(headers, by, joins=joins)
    return headers, chain[-1]


def scope_of(headers, peer, *, kind="http"):
    return {
        "type": kind,
        "method": "GET",
        "path": "/whoami",
        "raw_path": b"/whoami",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "client": None if peer is None else [peer, 4711],
        "server": ["127.0.0.1", 8000],
        "scheme": "http",
        "http_version": "1.1",
    }


async def seen(headers, peer, *, proxies, monkeypatch):
    """Return what the page says of a request that has gone through the whole application."""
    monkeypatch.setattr(asgi.application, "_trusted_proxies", proxies)
    browser = ApplicationCommunicator(asgi.application, scope_of(headers, peer))
    await browser.send_input({"type": "http.request", "body": b""})
    start = await browser.receive_output(5)
    assert start["status"] == 200
    body = await browser.receive_output(5)
    await browser.wait()
    return json.loads(body["body"])


@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize("name", SPOOFS)
async def test_a_spoofed_address_is_not_accepted(monkeypatch, name, proxies):
    headers, peer = arrive(SPOOFS[name], proxies=proxies)
    answer = await seen(headers, peer, proxies=proxies, monkeypatch=monkeypatch)
    assert answer == {"address": REAL, "claims": []}


def test_twelve_spoofing_requests_were_asked_for():
    assert len(SPOOFS) >= 12


@pytest.mark.parametrize("joins", [True, False], ids=["joined", "own line"])
@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize("name", SPOOFS)
async def test_sockets_see_the_same_address(name, proxies, joins):
    met = {}

    async def record(scope, receive, send):
        met.update(scope)

    headers, peer = arrive(SPOOFS[name], proxies=proxies, joins=joins)
    scope = scope_of(headers, peer, kind="websocket")
    await TrustedProxies(record, trusted_proxies=proxies)(scope, None, None)
    assert met["client"] == [REAL, 4711]
    assert not [name for name, _ in met["headers"] if b"forwarded-for" in name.lower()]


@pytest.mark.parametrize(
    ("lines", "proxies", "address"),
    [
        # Somebody has come around our proxies, or they are fewer than was said.
        ([], 1, None),
        ([SPOOF], 2, None),
        ([], 5, None),
        # An entry of ours that is no address.
        (["unknown"], 1, None),
        ([f"{SPOOF}, "], 1, None),
        ([f"{SPOOF}, _hidden"], 1, None),
        ([f"{SPOOF}, fe80::1%eth0"], 1, None),
        ([f"{SPOOF}, 203.0.113.007"], 1, None),
        ([f"{SPOOF}, 203.0.113.7:99999999"], 1, None),
        ([f"{SPOOF}, [2001:db8::1"], 1, None),
        # What our proxies may write.
        ([f"{SPOOF}, {REAL}"], 1, REAL),
        ([SPOOF, REAL], 1, REAL),
        ([f"{SPOOF}, {REAL}:4711"], 1, REAL),
        ([f"{SPOOF},\t{REAL} "], 1, REAL),
        ([f"::ffff:{REAL}"], 1, REAL),
        ([f"[::ffff:{REAL}]:80"], 1, REAL),
        (["2001:DB8:0::1"], 1, "2001:db8::1"),
        (["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        ([f"{SPOOF}, {REAL}, {OUTER}"], 2, REAL),
        ([f"{SPOOF}, {REAL}", OUTER], 2, REAL),
    ],
)
async def test_what_proxies_write_is_read_strictly(monkeypatch, lines, proxies, address):
    answer = await seen(xff(*lines), INNER, proxies=proxies, monkeypatch=monkeypatch)
    assert answer == {"address": address, "claims": []}


async def test_a_local_socket_has_no_address(monkeypatch):
    assert (await seen(xff(SPOOF), None, proxies=0, monkeypatch=monkeypatch))["address"] is None
    assert (await seen(xff(REAL), None, proxies=1, monkeypatch=monkeypatch))["address"] == REAL


async def test_without_a_setting_no_proxy_is_trusted():
    assert asgi.application._trusted_proxies == 0
