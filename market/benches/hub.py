"""What a delivered frame costs the web process, against a bare broadcast in the same run.

Two servers, one after the other, each in a process of its own with the same sockets watching the
same instruments: FinByte's hub on Daphne, fed through Redis, and `websockets` broadcasting frames
of the same size. The cost is the server process's CPU time over the frames that arrived.

    python -m market.benches.hub [--sockets 200] [--instruments 100] [--seconds 10]
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count
from statistics import quantiles
from typing import Any

import orjson
import psutil
import websockets

# architecture.md section 9, and decisions 25: a microsecond more for each instrument in a frame.
BUDGET_MICROSECONDS = 45.0
BUDGET_PER_INSTRUMENT = 1.0
FIRST_TOKEN = 900_000_001
WARM_SECONDS = 2.0
HOST = "127.0.0.1"


@dataclass(slots=True)
class Measured:
    """One server's run."""

    name: str
    frames: int = 0
    cpu_seconds: float = 0.0
    frame_bytes: int = 0
    delays: list[float] = field(default_factory=list)

    @property
    def microseconds(self) -> float:
        """Return server CPU per delivered frame."""
        return self.cpu_seconds / max(self.frames, 1) * 1e6

    def summary(self) -> dict[str, Any]:
        """Return the figures to print."""
        figures: dict[str, Any] = {
            "server": self.name,
            "frames": self.frames,
            "bytes per frame": self.frame_bytes,
            "us of server CPU per frame": round(self.microseconds, 1),
        }
        if len(self.delays) > 100:
            figures["tick to page, p99 ms"] = round(quantiles(self.delays, n=100)[98] * 1000, 1)
        return figures


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def bench_application() -> Any:
    """Return the console consumer behind a made-up user, knowing the bench's instruments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
    import django  # noqa: PLC0415 - settings first

    django.setup()
    from market import hub  # noqa: PLC0415
    from market.console_writer import CONSOLE  # noqa: PLC0415
    from market.consumers import ConsoleConsumer  # noqa: PLC0415
    from market.listeners import Listing  # noqa: PLC0415

    def listings(tokens: Any) -> dict[int, Listing]:
        return {token: Listing(f"NSE:{token}", 2, timedelta(seconds=10)) for token in tokens}

    # The bench has no database.
    hub.listings_of = listings
    console = ConsoleConsumer.as_asgi()

    numbers = count()

    class BenchUser:
        public_id = "FB0000"
        is_authenticated = is_active = True

        def __init__(self) -> None:
            self.pk = next(numbers) // CONSOLE.most_sockets

    async def is_allowed() -> bool:
        return True

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await console({**scope, "user": BenchUser(), "is_allowed": is_allowed}, receive, send)

    return application


async def _raw_server(port: int, sockets: int, frame_bytes: int) -> None:
    """Broadcast to everybody twice a second."""
    joined: set[Any] = set()

    async def serve(connection: Any) -> None:
        joined.add(connection)
        await connection.wait_closed()

    async with websockets.serve(serve, HOST, port, compression=None):
        while True:
            await asyncio.sleep(0.5)
            if len(joined) >= sockets:
                websockets.broadcast(joined, "x" * frame_bytes)


def quotes_of(tokens: list[int], number: int) -> list[Any]:
    """Return a quote of each; the price is the number of the pass in paise."""
    from django.utils import timezone  # noqa: PLC0415

    from market.domain.enums import FillModel, SourceKind  # noqa: PLC0415
    from market.domain.ticks import Quote  # noqa: PLC0415

    now = timezone.now()
    price = Decimal(number) / 100
    return [
        Quote(
            instrument_token=token,
            source=SourceKind.SIMULATED,
            run="bench",
            fill_model=FillModel.LAST_TRADE,
            sequence=int(now.timestamp() * 1000),
            last_price=price,
            last_quantity=Decimal(1),
            volume=Decimal(1000 + number),
            open=price,
            high=price,
            low=price,
            previous_close=Decimal(100),
            exchange_time=now,
            received_at=now,
            depth=None,
        )
        for token in tokens
    ]


async def _publish(tokens: list[int], stop: asyncio.Event) -> None:
    from market.streams import connect, put_ticks  # noqa: PLC0415

    client = connect()
    number = 10_000
    while not stop.is_set():
        started = time.monotonic()
        number += 1
        await asyncio.to_thread(put_ticks, client, quotes_of(tokens, number))
        await asyncio.sleep(max(0.5 - (time.monotonic() - started), 0.0))
    client.hdel("market:quotes", *[str(token) for token in tokens])
    client.delete(*[f"market:ring:{token}" for token in tokens])


async def _read(connection: Any, measured: Measured, is_counting: asyncio.Event) -> None:
    async for text in connection:
        if not is_counting.is_set():
            continue
        if text.startswith('{"t":"quotes"'):
            measured.frame_bytes = len(text)
            _note_delay(text, measured)
        elif not text.startswith("x"):
            continue
        measured.frames += 1


def _note_delay(text: str, measured: Measured) -> None:
    from django.utils import timezone  # noqa: PLC0415

    # One in ten: reading the frame's time costs the client more than taking it.
    if measured.frames % 10:
        return
    sent = orjson.loads(text)["q"][-1]["ts"]
    now = timezone.now()
    measured.delays.append((now - type(now).fromisoformat(sent)).total_seconds())


async def _connect(port: int, path: str) -> Any:
    for _ in range(100):
        try:
            return await websockets.connect(f"ws://{HOST}:{port}{path}", compression=None)
        except OSError:
            await asyncio.sleep(0.1)
    raise TimeoutError("the server did not start")


async def _measure(
    name: str, command: list[str], *, port: int, sockets: int, tokens: list[int], seconds: float
) -> Measured:
    """Run one server, connect the sockets, and count frames and CPU for some seconds."""
    measured = Measured(name)
    server = subprocess.Popen(command)  # noqa: S603,ASYNC220 - our own module
    is_counting, stop = asyncio.Event(), asyncio.Event()
    try:
        connections = [await _connect(port, "/ws/console") for _ in range(sockets)]
        if tokens:
            wish = json.dumps({"a": "subscribe", "v": tokens})
            for connection in connections:
                await connection.send(wish)
        work = [asyncio.create_task(_read(each, measured, is_counting)) for each in connections]
        if tokens:
            work.append(asyncio.create_task(_publish(tokens, stop)))
        await asyncio.sleep(WARM_SECONDS)
        process = psutil.Process(server.pid)
        before = process.cpu_times()
        is_counting.set()
        await asyncio.sleep(seconds)
        is_counting.clear()
        after = process.cpu_times()
        measured.cpu_seconds = after.user + after.system - before.user - before.system
        stop.set()
        for connection in connections:
            await connection.close()
        await asyncio.gather(*work)
    finally:
        server.terminate()
        server.wait(10)
    return measured


async def compare(*, sockets: int, instruments: int, seconds: float) -> list[Measured]:
    """Measure the hub, then the bare broadcast with frames of the same size."""
    tokens = list(range(FIRST_TOKEN, FIRST_TOKEN + instruments))
    port = _free_port()
    factory = "market.benches._hub_server:application"
    daphne = [sys.executable, "-m", "daphne", "-v", "0", "-b", HOST, "-p", str(port), factory]
    hub = await _measure(
        "FinByte hub on Daphne", daphne, port=port, sockets=sockets, tokens=tokens, seconds=seconds
    )
    port = _free_port()
    module = [sys.executable, "-m", "market.benches.hub", "--serve-raw", str(port)]
    raw = await _measure(
        "websockets broadcast",
        [*module, "--sockets", str(sockets), "--frame-bytes", str(hub.frame_bytes)],
        port=port,
        sockets=sockets,
        tokens=[],
        seconds=seconds,
    )
    raw.frame_bytes = hub.frame_bytes
    return [hub, raw]


def main() -> int:
    """Print the figures; exit 1 when the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--instruments", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--serve-raw", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--frame-bytes", type=int, default=1000, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_raw:
        asyncio.run(_raw_server(options.serve_raw, options.sockets, options.frame_bytes))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
    import django  # noqa: PLC0415

    django.setup()
    found = asyncio.run(
        compare(sockets=options.sockets, instruments=options.instruments, seconds=options.seconds)
    )
    hub, raw = found
    for each in found:
        print(json.dumps(each.summary()))  # noqa: T201
    budget = BUDGET_MICROSECONDS + BUDGET_PER_INSTRUMENT * options.instruments
    is_within = hub.microseconds <= budget
    verdict = "within" if is_within else "OVER"
    print(  # noqa: T201
        f"hub {hub.microseconds:.1f} us per frame, {hub.microseconds / raw.microseconds:.1f} x the "
        f"bare broadcast; {verdict} the budget of {budget:.0f} us"
    )
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
