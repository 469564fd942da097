"""What a delivered ticker frame costs the web process, how old its prices are, how many it serves.

The ticker on Daphne, fed through Redis twice a second, every socket watching the same instruments
in full mode; then `websockets` broadcasting frames of the same size to as many sockets. The cost is
the server process's CPU time over the frames that arrived. After that sockets are added until the
99th percentile of the age of prices passes the limit. The client reads no more of a frame than its
length and its last price: it shares the machine with the server.

    python -m api.benches.ticker [--sockets 200] [--instruments 100] [--seconds 10]
"""

import argparse
import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from statistics import quantiles
from types import SimpleNamespace
from typing import Any

import psutil

# architecture.md section 9, and decisions 25: a microsecond more for each packet in a frame.
BUDGET_MICROSECONDS = 45.0
BUDGET_PER_PACKET = 1.0
OLDEST_MS = 250.0
MOST_SOCKETS = 6400
FIRST_TOKEN = 900_000_257
HOST = "127.0.0.1"
WARM_SECONDS = 2.0
PERIOD = 0.5
_PRICE_FROM_END = 180


def bench_application() -> Any:
    """Return the ticker for made-up sessions, knowing the bench's instruments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
    import django  # noqa: PLC0415 - settings first

    django.setup()
    from django.utils import timezone  # noqa: PLC0415

    from api import consumers  # noqa: PLC0415
    from market import hub  # noqa: PLC0415
    from market.listeners import Listing  # noqa: PLC0415

    def listings(tokens: Any) -> dict[int, Listing]:
        return {token: Listing(f"NSE:{token}", 2, timedelta(seconds=10)) for token in tokens}

    def stands(session: Any, *, now: Any) -> bool:
        return True

    numbers = count()

    # The bench has no database.
    hub.listings_of = listings
    hub.ACCESS_CHECK_SECONDS = 1e9
    consumers.still_stands = stands  # type: ignore[attr-defined]  # where it is looked up

    class BenchConsumer(consumers.TickerConsumer):
        def session(self) -> Any:
            """Return a session of somebody new."""
            ends_at = timezone.now() + timedelta(days=1)
            return SimpleNamespace(app_id=0, user_id=next(numbers), expires_at=ends_at)

    return BenchConsumer.as_asgi()


@dataclass(slots=True)
class Heard:
    """What all sockets of a run have heard."""

    sent_at: dict[int, float] = field(default_factory=dict)
    frames: int = 0
    frame_bytes: int = 0
    ages: list[float] = field(default_factory=list)
    is_counting: bool = False

    def begin(self) -> None:
        """Count from now on."""
        self.frames, self.ages, self.is_counting = 0, [], True

    def p99_ms(self) -> float:
        """Return the age in milliseconds that one frame of a hundred passes."""
        return quantiles(self.ages, n=100)[98] * 1000 if len(self.ages) > 100 else 1e9


class Reader(asyncio.Protocol):
    """A socket that only finds where frames end."""

    def __init__(self, heard: Heard, wish: bytes) -> None:
        self.heard, self.wish = heard, wish
        self.buffer = bytearray()
        self.is_open = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        self.transport.write(
            b"GET /?api_key=x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        self.buffer += data
        if not self.is_open.done():
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(bytes(self.buffer[:80]))
            del self.buffer[: end + 4]
            self.is_open.set_result(None)
            self.transport.write(self.wish)
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        buffer = self.buffer
        if len(buffer) < 2:
            return False
        length, at = buffer[1], 2
        if length == 126 and len(buffer) >= 4:
            length, at = struct.unpack_from(">H", buffer, 2)[0], 4
        elif length == 127 and len(buffer) >= 10:
            length, at = struct.unpack_from(">Q", buffer, 2)[0], 10
        elif length > 125:
            return False
        if len(buffer) < at + length:
            return False
        if length > 1 and buffer[0] & 0x0F in {1, 2}:
            self._note(at, length)
        elif buffer[0] & 0x0F == 9:
            self.transport.write(masked(0x8A, bytes(buffer[at : at + length])))
        del buffer[: at + length]
        return True

    def _note(self, at: int, length: int) -> None:
        heard = self.heard
        if not heard.is_counting or length < 184:
            return
        heard.frames += 1
        heard.frame_bytes = length
        (price,) = struct.unpack_from(">I", self.buffer, at + length - _PRICE_FROM_END)
        sent_at = heard.sent_at.get(price)
        if sent_at is not None:
            heard.ages.append(time.monotonic() - sent_at)


def masked(first: int, payload: bytes) -> bytes:
    """Return a client's frame; a mask of zeros is one."""
    size = len(payload)
    head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0xFE]) + size.to_bytes(2)
    return head + bytes(4) + payload


def deep_quotes(tokens: list[int], number: int) -> list[Any]:
    """Return the bench's quotes of a pass with five levels a side."""
    from market.benches.hub import quotes_of  # noqa: PLC0415
    from market.domain.enums import FillModel  # noqa: PLC0415
    from market.domain.ticks import Depth, DepthLevel  # noqa: PLC0415

    quotes = quotes_of(tokens, number)
    price = quotes[0].last_price
    side = tuple(DepthLevel(price, Decimal(10 + level), 3) for level in range(5))
    depth = Depth(side, side)
    return [replace(each, fill_model=FillModel.QUOTE_DEPTH, depth=depth) for each in quotes]


async def _publish(tokens: list[int], heard: Heard) -> None:
    from market.streams import connect, put_ticks  # noqa: PLC0415

    client = connect()
    for number in count(10_000):
        started = time.monotonic()
        quotes = deep_quotes(tokens, number)
        # Age begins when the feed has its price, before it is written anywhere.
        heard.sent_at[number] = time.monotonic()
        await asyncio.to_thread(put_ticks, client, quotes)
        await asyncio.sleep(max(PERIOD - (time.monotonic() - started), 0.0))


async def _open(port: int, heard: Heard, wish: bytes, *, number: int) -> list[Reader]:
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(number):
        _, reader = await loop.create_connection(lambda: Reader(heard, wish), HOST, port)
        await reader.is_open
        readers.append(reader)
    return readers


async def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise TimeoutError("the server did not start")


async def _watch(server: psutil.Process, heard: Heard, seconds: float) -> float:
    """Count for some seconds; return the server's CPU time."""
    await asyncio.sleep(WARM_SECONDS)
    before = server.cpu_times()
    heard.begin()
    await asyncio.sleep(seconds)
    heard.is_counting = False
    after = server.cpu_times()
    return float(after.user + after.system - before.user - before.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def measure_ticker(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the ticker, then add sockets until prices are too old."""
    port, heard = _free_port(), Heard()
    factory = "api.benches._ticker_server:application"
    command = [sys.executable, "-m", "daphne", "-v", "0", "-b", HOST, "-p", str(port), factory]
    tokens = [FIRST_TOKEN + 256 * each for each in range(options.instruments)]
    wish = masked(0x81, json.dumps({"a": "mode", "v": ["full", tokens]}).encode())
    server = subprocess.Popen(command)  # noqa: S603,ASYNC220 - our own module
    publisher = asyncio.create_task(_publish(tokens, heard))
    readers: list[Reader] = []
    try:
        await _wait_for(port)
        process = psutil.Process(server.pid)
        readers += await _open(port, heard, wish, number=options.sockets)
        cpu = await _watch(process, heard, options.seconds)
        found = {
            "server": "FinByte ticker on Daphne",
            "sockets": options.sockets,
            "frames": heard.frames,
            "bytes per frame": heard.frame_bytes,
            "us of server CPU per frame": round(cpu / max(heard.frames, 1) * 1e6, 1),
            "price age, p99 ms": round(heard.p99_ms(), 1),
        }
        held, p99 = options.sockets, heard.p99_ms()
        while p99 <= OLDEST_MS and len(readers) < MOST_SOCKETS:
            readers += await _open(port, heard, wish, number=len(readers))
            await _watch(process, heard, options.seconds / 2)
            p99 = heard.p99_ms()
            print(json.dumps({"sockets": len(readers), "price age, p99 ms": round(p99, 1)}))  # noqa: T201
            held = len(readers) if p99 <= OLDEST_MS else held
        return {**found, f"sockets at p99 under {OLDEST_MS:.0f} ms": held}
    finally:
        publisher.cancel()
        for reader in readers:
            reader.transport.abort()
        server.terminate()
        server.wait(20)


async def measure_raw(options: argparse.Namespace, frame_bytes: int) -> dict[str, Any]:
    """Measure the bare broadcast of as many bytes to as many sockets."""
    port, heard = _free_port(), Heard()
    command = [sys.executable, "-m", "market.benches.hub", "--serve-raw", str(port)]
    command += ["--sockets", str(options.sockets), "--frame-bytes", str(frame_bytes)]
    server = subprocess.Popen(command)  # noqa: S603,ASYNC220 - our own module
    readers: list[Reader] = []
    try:
        await _wait_for(port)
        readers += await _open(port, heard, masked(0x81, b"{}"), number=options.sockets)
        cpu = await _watch(psutil.Process(server.pid), heard, options.seconds)
        return {
            "server": "websockets broadcast",
            "sockets": options.sockets,
            "frames": heard.frames,
            "bytes per frame": heard.frame_bytes,
            "us of server CPU per frame": round(cpu / max(heard.frames, 1) * 1e6, 1),
        }
    finally:
        for reader in readers:
            reader.transport.abort()
        server.terminate()
        server.wait(20)


def main() -> int:
    """Print the figures; exit 1 when the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--instruments", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
    import django  # noqa: PLC0415

    django.setup()
    ticker = asyncio.run(measure_ticker(options))
    raw = asyncio.run(measure_raw(options, ticker["bytes per frame"]))
    for each in (ticker, raw):
        print(json.dumps(each))  # noqa: T201
    cost, bare = (each["us of server CPU per frame"] for each in (ticker, raw))
    budget = BUDGET_MICROSECONDS + BUDGET_PER_PACKET * options.instruments
    verdict = "within" if cost <= budget else "OVER"
    print(  # noqa: T201
        f"ticker {cost:.1f} us per frame, {cost / bare:.1f} x the bare broadcast; {verdict} the "
        f"budget of {budget:.0f} us"
    )
    return 0 if cost <= budget else 1


if __name__ == "__main__":
    sys.exit(main())
