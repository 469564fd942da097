"""The sockets of the real web process, as a client on the other end of the wire sees them."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import orjson
import pytest
import redis
from django.conf import settings
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from accounts.services.api_sessions import log_out
from accounts.tests.api_apps import open_session
from api.tests.desk import Desk
from api.tests.sockets import desk_of, fresh, in_database, published, query_of, tokens_of_many
from api.tests.stock_ticker import read
from finbyte_site.headers import COMMON
from market.tests.factories import ONGC
from portfolio.tests.factories import make_instrument, make_request, place

START_SECONDS = 60
# A process that gives up on slow readers sooner than a real one.
SERVE = """
from finbyte_site import web
from market import socket_groups
socket_groups.DROP_AFTER_SECONDS = 1.0
web.main()
"""
HEARTBEAT = b"\x00"


@pytest.fixture
def served(real_db, redis_client):
    """Serve the test's own database on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "127.0.0.1", str(found)],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": real_db.url,
            "REDIS_URL": settings.REDIS_URL,
            "FINBYTE_POOL_SIZE": "0",
            "PUBLIC_URL": f"http://127.0.0.1:{found}",
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", found), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield found, process
    finally:
        process.kill()
        process.wait()


async def refusal(address):
    with pytest.raises(InvalidStatus) as caught:
        await connect(address, compression=None)
    response = caught.value.response
    assert {name: response.headers.get(name) for name in COMMON} == COMMON
    return response.status_code


async def next_of(link, kind):
    """Return the next message of a type, whatever comes before it."""
    async with asyncio.timeout(3):
        while True:
            message = await link.recv()
            if isinstance(message, kind) and message != HEARTBEAT:
                return message


async def closing(link):
    """Read to the end; return the last text and the code."""
    last = None
    async with asyncio.timeout(3):
        while True:
            try:
                message = await link.recv()
            except ConnectionClosed as closed:
                return last, closed.rcvd.code if closed.rcvd else None
            last = message if isinstance(message, str) else last


@dataclass
class Day:
    """One program's day."""

    port: int
    desk: Desk
    client: redis.Redis

    @property
    def root(self):
        return f"ws://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"{self.root}/{query_of(self.desk)}"

    def places(self):
        """Count the places that are taken."""
        return self.client.zcard(f"sockets:ticker:{self.desk.made.app.pk}:{self.desk.user.pk}")


async def test_a_day_on_the_wire(served, alice, redis_client):
    port, process = served
    day = Day(port, await desk_of(alice), redis_client)
    await published(redis_client, fresh("262.05", sequence=1))
    for path in ("/", "/?api_key=x&access_token=y", "/stream"):
        assert await refusal(day.root + path) == 403
    assert await refusal(day.address + "x") == 403
    first, second = [await connect(day.address, compression=None) for _ in range(2)]
    slow = await open_narrow(day.address, port)
    assert await refusal(day.address) == 429
    await snapshot_and_heartbeats(first)
    await order_within_a_second(first, day)
    await drop_slow(slow, first, day)
    await closed_by_log_out((first, second), day)
    await stop(process, day)


async def snapshot_and_heartbeats(link):
    """Hear what is known at once, and a byte every second; nothing is pinged or ponged."""
    started = time.monotonic()
    await link.send('{"a":"mode","v":["full",[633601]]}')
    (tick,) = read(await next_of(link, bytes))
    assert time.monotonic() - started < 1.0
    assert (tick["instrument_token"], tick["mode"], tick["last_price"]) == (ONGC, "full", 262.05)
    beats = []
    while len(beats) < 3:
        if await asyncio.wait_for(link.recv(), 3) == HEARTBEAT:
            beats.append(time.monotonic())
    assert 1.5 < beats[2] - beats[0] < 3.0


async def order_within_a_second(link, day):
    """Hear of an order that was placed elsewhere, by another process."""
    ongc = await in_database(make_instrument)()
    started = time.monotonic()
    request = make_request(ongc, quantity=3)
    await in_database(place)(day.desk.book, request, last=260, now=timezone.now())
    update = orjson.loads(await next_of(link, str))
    assert time.monotonic() - started < 1.0
    assert (update["type"], update["data"]["quantity"]) == ("order", 3)


async def closed_by_log_out(links, day):
    """Log out: what is open closes within two seconds, with a word before."""
    started = time.monotonic()
    await in_database(log_out)(
        day.desk.made.app.api_key,
        access_token=day.desk.opened.access_token,
        client_address=None,
        now=timezone.now(),
    )
    for link in links:
        last, code = await closing(link)
        assert orjson.loads(last)["type"] == "error"
        assert code == 4401
    assert time.monotonic() - started < 2.0
    assert await refusal(day.address) == 403


async def stop(process, day):
    """Stop the process: its places are free at once, for the clients that come back."""
    again = await in_database(open_session)(day.desk.made, day.desk.user, now=timezone.now())
    link = await connect(day.root + "/ws" + query_of(day.desk, again.access_token))
    assert day.places() == 1
    process.terminate()
    await closing(link)
    await asyncio.to_thread(process.wait, 10)
    assert day.places() == 0


async def open_narrow(address, port):
    """Open a socket that takes in little."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
    return await connect(address, compression=None, sock=narrow, max_queue=1)


async def drop_slow(slow, other, day):
    """Ask for much and read nothing, until the server has had enough of it."""
    tokens = await tokens_of_many(1000)
    await published(day.client, *(fresh("9", sequence=1, token=token) for token in tokens))
    slow.transport.pause_reading()
    wish = orjson.dumps({"a": "mode", "v": ["full", tokens]}).decode()
    for _ in range(20_000_000 // (190 * len(tokens))):
        with suppress(ConnectionClosed):
            await slow.send(wish)
    async with asyncio.timeout(10):
        while day.places() == 3:
            await other.recv()
    assert day.places() == 2
    # The other one is served all the while.
    await published(day.client, fresh("263", sequence=2))
    assert read(await next_of(other, bytes))[0]["last_price"] == 263.0
    slow.transport.abort()
    await slow.wait_closed()
