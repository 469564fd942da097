"""What a client may send: size, packing, depth, pace; by the real web process and by the doors."""

import json
import os
import socket
import subprocess
import sys
import time
from http import HTTPStatus

import psutil
import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from finbyte_site.headers import COMMON
from finbyte_site.middleware import DEEPEST_JSON, json_depth
from finbyte_site.web import MOST_BODY, MOST_FRAME, MOST_HEAD

MEGABYTE = 1024 * 1024
START_SECONDS = 40
# The process of these tests gives up sooner than a real one.
QUICK_SECONDS = 1
SERVE = """
from finbyte_site import web
import finbyte_site.asgi

async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})

async def application(scope, receive, send):
    if scope["type"] == "websocket" and scope["path"] == "/echo":
        return await echo(scope, receive, send)
    if scope["path"] == "/broken":
        raise ValueError("broken")
    await finbyte_site.asgi.application(scope, receive, send)

web.application = application
web.REQUEST_SECONDS = %s
web.main()
"""


class Wire:
    """A connection on which a test writes what no client library would."""

    def __init__(self, port, sent):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.send(sent)

    def send(self, sent):
        self.socket.sendall(sent.encode() if isinstance(sent, str) else sent)

    def answer(self):
        """Read until the other side has ended the connection."""
        parts = []
        while part := self.socket.recv(65536):
            parts.append(part)
        self.socket.close()
        return b"".join(parts)


def head_of(answer):
    lines = answer.split(b"\r\n\r\n")[0].decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:])


def assert_refused(answer, status):
    found, headers = head_of(answer)
    assert found == status
    assert {name: headers.get(name) for name in COMMON} == COMMON
    assert "Server" not in headers
    assert "daphne" not in answer.decode().lower()
    return headers


@pytest.fixture(scope="module")
def web():
    """Serve the site with the real web process on loopback; give its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE % QUICK_SECONDS, "127.0.0.1", str(port)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "FINBYTE_POOL_SIZE": "0", "PUBLIC_URL": f"http://127.0.0.1:{port}"},
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [("/console/", 413, "text/plain"), ("/orders/regular", 400, "application/json")],
)
def test_a_gigabyte_is_refused_by_its_length_alone(web, path, status, kind):
    port, process = web
    before, started = process.memory_info().rss, time.monotonic()
    wire = Wire(port, f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n")
    answer = wire.answer()
    assert time.monotonic() - started < QUICK_SECONDS
    headers = assert_refused(answer, status)
    assert headers["Content-Type"].startswith(kind)
    assert process.memory_info().rss - before < MEGABYTE
    if kind == "application/json":
        envelope = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        assert (envelope["status"], envelope["error_type"]) == ("error", "InputException")


@pytest.mark.parametrize(("path", "status"), [("/console/", 413), ("/session/token", 400)])
def test_an_endless_chunked_body_is_cut_off(web, path, status):
    port, process = web
    before, sent = process.memory_info().rss, 0
    wire = Wire(port, f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    try:
        while sent < 64 * MEGABYTE:
            wire.send(chunk)
            sent += 0x4000
    except OSError:
        pass
    wire.socket.close()
    assert sent < 16 * MEGABYTE
    assert process.memory_info().rss - before < 20 * MEGABYTE
    with socket.create_connection(("127.0.0.1", port)) as again:
        again.sendall(
            f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + chunk * (MOST_BODY // 0x4000 + 1)
        )
        again.settimeout(10)
        assert_refused(again.recv(65536), status)


def test_a_body_at_the_limit_passes(web):
    port, _process = web
    for extra, status in ((0, 404), (1, 413)):
        size = MOST_BODY + extra
        wire = Wire(port, f"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
        wire.send(f"Connection: close\r\nContent-Length: {size}\r\n\r\n")
        if status == 404:
            wire.send(b"x" * size)
        assert head_of(wire.answer())[0] == status


@pytest.mark.parametrize(
    "beginning",
    [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /console/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        "POST /console/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n",
    ],
)
def test_a_client_that_dribbles_is_dropped(web, beginning):
    port, _process = web
    started = time.monotonic()
    wire = Wire(port, beginning)
    wire.socket.settimeout(0.2)
    answer = b""
    while not answer and time.monotonic() - started < 10 * QUICK_SECONDS:
        try:
            answer = wire.socket.recv(65536)
        except TimeoutError:
            wire.send(b"x")
    wire.socket.close()
    assert_refused(answer, 408)
    assert time.monotonic() - started < 3 * QUICK_SECONDS


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\n" + "".join(f"X-{n}: y\r\n" for n in range(101)),
        "GET / HTTP/1.1\r\nX: " + "y" * MOST_HEAD + "\r\n",
        "nonsense\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_heads_that_are_too_large_or_broken_are_refused(web, head):
    port, _process = web
    wire = Wire(port, head + "\r\n")
    assert_refused(wire.answer(), 400)


def test_a_thousand_instruments_fit_into_an_address(web):
    port, _process = web
    names = "&".join(f"i=NFO%3ANIFTY26NOV{24_000 + number}CE" for number in range(1000))
    # It reaches the application, which breaks at this address.
    head = f"GET /broken?{names} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert_refused(Wire(port, head).answer(), 500)


def test_a_broken_application_answers_with_every_header(web):
    port, _process = web
    wire = Wire(port, "GET /broken HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert_refused(wire.answer(), 500)


def test_a_large_frame_ends_its_socket(web):
    port, _process = web
    with connect(f"ws://127.0.0.1:{port}/echo", max_size=None) as ws:
        ws.send("x" * MOST_FRAME)
        assert ws.recv() == str(MOST_FRAME)
        ws.send("x" * (MOST_FRAME + 1))
        with pytest.raises(ConnectionClosed):
            ws.recv()


def test_a_refused_socket_carries_the_headers(web):
    port, _process = web
    wire = Wire(
        port,
        "GET /ws/console HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Origin: https://evil.example\r\n\r\n",
    )
    assert_refused(wire.answer(), 403)


def test_a_real_answer_names_no_server(web):
    port, _process = web
    wire = Wire(port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")
    status, headers = head_of(wire.answer())
    assert (status, headers["Location"]) == (HTTPStatus.FOUND, "/console/")
    assert not {"Server", "X-Powered-By"} & set(headers)


@pytest.mark.parametrize("packing", ["gzip", "br", "deflate", "gzip, identity"])
@pytest.mark.parametrize(("path", "status"), [("/console/theme/", 415), ("/orders/regular", 400)])
def test_packed_bodies_are_refused(path, status, packing):
    answer = Client().post(
        path, b"", content_type="text/plain", headers={"Content-Encoding": packing}
    )
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error_type"] == "InputException"


@pytest.mark.parametrize(("path", "status"), [("/console/theme/", 413), ("/orders/regular", 400)])
def test_large_bodies_are_refused_without_the_web_process_too(path, status):
    body = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = Client().post(path, body, content_type="application/json")
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * DEEPEST_JSON + b"]" * DEEPEST_JSON, 404),
        (b"[" * (DEEPEST_JSON + 1) + b"]" * (DEEPEST_JSON + 1), 400),
        (b"[" * 200_000, 400),
        (b'{"a":' * 50_000, 400),
        (b'"' + b"[" * 200_000 + b'"', 404),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/csp-report+json"])
def test_json_without_end_is_refused(body, status, kind):
    assert Client().post("/nothing", body, content_type=kind).status_code == status


@settings_of(max_examples=50, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=30,
    )
)
def test_depth_is_counted_as_it_is(value):
    def depth(each):
        inner = each.values() if isinstance(each, dict) else each
        return 1 + max(map(depth, inner), default=0) if isinstance(each, dict | list) else 0

    assert json_depth(json.dumps(value).encode()) == depth(value)
