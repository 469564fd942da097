"""A program's sockets for tests, without a server between."""

import asyncio
from contextlib import asynccontextmanager

import orjson
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.utils import timezone

from api.tests.desk import make_desk
from api.tests.stock_ticker import read
from finbyte_site.routing import websocket_application
from market.models import Instrument
from market.streams import put_ticks
from market.tests.factories import ONGC, quote_of
from portfolio.tests.factories import make_instrument

in_database = database_sync_to_async
SOON = 3.0


def fresh(price, *, sequence, token=ONGC, **more):
    """Return a quote of this moment."""
    now = timezone.now()
    return quote_of(
        price, token=token, sequence=sequence, received_at=now, exchange_time=now, **more
    )


async def published(client, *quotes):
    """Let the feed say something."""
    await asyncio.to_thread(put_ticks, client, quotes)


async def tokens_of_many(number):
    """Add instruments, so that there are enough of them."""

    def make():
        ongc = make_instrument()
        rows = []
        for each in range(1, number + 1):
            ongc.pk, ongc.tradingsymbol, ongc.exchange_token = each, f"MANY{each}", each
            rows.append(
                Instrument(**{f.attname: getattr(ongc, f.attname) for f in ongc._meta.fields})
            )
        Instrument.objects.bulk_create(rows)
        return [row.pk for row in rows]

    return await in_database(make)()


async def desk_of(user):
    """Return the user's desk with a live session."""
    return await in_database(make_desk)(user, now=timezone.now())


def query_of(desk, token=None):
    """Return what Kite's clients put behind the address."""
    return f"?api_key={desk.made.app.api_key}&access_token={token or desk.opened.access_token}"


class Link(WebsocketCommunicator):  # type: ignore[misc]  # channels has no types
    """An open or refused socket."""

    code = None

    async def said(self):
        """Return the next message that is no heartbeat: ticks, or what a text says."""
        async with asyncio.timeout(SOON):
            return await self._next()

    async def _next(self):
        while True:
            message = await self.receive_output(timeout=SOON)
            if message["type"] == "websocket.close":
                self.code = message["code"]
                return None
            if message.get("bytes") is not None:
                if message["bytes"] != b"\x00":
                    return read(message["bytes"])
            elif message["text"] != '{"t":"heartbeat"}':
                return orjson.loads(message["text"])

    async def say(self, **message):
        """Send a message."""
        await self.send_to(text_data=orjson.dumps(message).decode())

    async def hears_nothing(self, seconds=0.3):
        """Say whether only heartbeats come."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            if await self.receive_nothing(timeout=left, interval=0.02):
                return True
            message = await self.receive_output(timeout=SOON)
            if message.get("bytes") != b"\x00" and message.get("text") != '{"t":"heartbeat"}':
                return False
        return True


def link_to(path, *, headers=()):
    """Return a socket to an address; programs send no Origin."""
    return Link(websocket_application, path, headers=[(b"host", b"testserver"), *headers])


@asynccontextmanager
async def linked(path, **more):
    """Open a socket."""
    link = link_to(path, **more)
    is_open, code = await link.connect(timeout=5)
    assert is_open, code
    yield link
    await link.disconnect()


def ticker_of(desk, path="/"):
    """Open the ticker."""
    return linked(path + query_of(desk))


@asynccontextmanager
async def stream_of(desk, query=""):
    """Open the stream as programs do; hello has been said."""
    header = desk.headers["authorization"].encode()
    async with linked(f"/stream{query}", headers=[(b"authorization", header)]) as link:
        hello = await link.said()
        assert (hello["t"], hello["user_id"]) == ("hello", desk.user.public_id)
        link.newest = hello["seq"]
        yield link
