"""Live prices to browsers: one task per web process listens once and writes to every socket.

A socket gets at most two frames a second, with everything that changed on it: each instrument is
written once per round and the pieces are joined. A socket that cannot keep up is skipped, gets
the newest prices when it can, and is dropped after ten seconds; nothing queues without bound.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import redis
from channels.db import database_sync_to_async
from django.utils import timezone

from market.domain.ticks import Quote
from market.listeners import Listener
from market.selectors import instruments_by_token
from market.streams import (
    ACCESS_CHANNEL,
    TICKS_CHANNEL,
    connect,
    connect_async,
    decode_quotes,
    plain,
    read_quotes,
    user_channel,
)

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
# Rounds keep to half-second slots while prices come as regularly: counting each half second from
# the last round would fall behind a feed of the same pace, up to half a second for every price.
SLOT_SLACK_SECONDS = 0.1
# Ticks of one feed pass arrive in several messages: they go out together.
GATHER_SECONDS = 0.005
STALE_CHECK_SECONDS = 1.0
ACCESS_CHECK_SECONDS = 60.0
DROP_AFTER_SECONDS = 10.0
RETRY_SECONDS = 1.0
JOIN_SECONDS = 3.0
CLOSE_GONE = 1000
MAX_SOCKETS = 20
CLOSE_NOT_ALLOWED = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_TOO_MANY = 4429
_HUNDRED = Decimal(100)


@dataclass(slots=True)
class _Ticker:
    """The newest state of one instrument, how it is written, and whether it was shown stale."""

    quote: Quote
    decimals: int
    limit: timedelta
    is_stale: bool = False

    def is_too_old(self, now: datetime) -> bool:
        """Say whether nobody should trade on this price any more."""
        return not self.quote.is_fresh(now=now, limit=self.limit)

    def fragment(self, now: datetime) -> str:
        """Write the instrument's part of a frame."""
        quote = self.quote
        change = quote.last_price - quote.previous_close
        percent = change / quote.previous_close * _HUNDRED if quote.previous_close else Decimal(0)
        row = {
            "i": quote.instrument_token,
            "p": self._price(quote.last_price),
            "c": f"{change:+.{self.decimals}f}",
            "cp": f"{percent:+.2f}",
            "v": plain(quote.volume),
            "s": "stale" if self.is_stale else "ok",
            "age": round(quote.age(now).total_seconds(), 1),
            "bid": self._price(quote.best_bid),
            "ask": self._price(quote.best_ask),
            "o": self._price(quote.open),
            "h": self._price(quote.high),
            "l": self._price(quote.low),
            "ts": quote.exchange_time,
        }
        return orjson.dumps(row).decode()

    def _price(self, price: Decimal) -> str:
        return f"{price:.{self.decimals}f}"


@dataclass(frozen=True, slots=True)
class _Listing:
    decimals: int
    limit: timedelta


def _listings(tokens: Iterable[int]) -> dict[int, _Listing]:
    return {
        token: _Listing(
            decimals=max(-int(row.spec.tick_size.as_tuple().exponent), 0),
            limit=row.freshness_limit,
        )
        for token, row in instruments_by_token(tokens).items()
    }


class Hub:
    """The sockets of one web process. Runs while there is at least one."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._users: dict[int, set[Listener]] = {}
        self._tickers: dict[int, _Ticker] = {}
        self._listings: dict[int, _Listing] = {}
        self._changed: set[int] = set()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._client: redis.asyncio.Redis | None = None
        self._rechecks: asyncio.Queue[list[int]] = asyncio.Queue()
        self._pubsub: Any = None
        self._is_listening = asyncio.Event()

    async def join(self, listener: Listener) -> bool:
        """Add a socket; its user's private events flow from now on. False: who opens it has too many."""
        opener = listener.opener
        if sum(each.opener == opener for each in self._listeners) >= MAX_SOCKETS:
            return False
        group = self._users.setdefault(listener.user_id, set())
        self._listeners.add(listener)
        group.add(listener)
        if not self._tasks:
            self._start()
        elif len(group) == 1 and self._pubsub is not None:
            await self._pubsub.subscribe(user_channel(listener.user_id))
        # Without Redis the page works all the same; prices come when it is back.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_listening.wait(), JOIN_SECONDS)
        return True

    async def leave(self, listener: Listener) -> None:
        """Remove a socket; the last one ends the hub's work."""
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        group = self._users.get(listener.user_id, set())
        group.discard(listener)
        if not group:
            self._users.pop(listener.user_id, None)
            if self._pubsub is not None and self._listeners:
                await self._pubsub.unsubscribe(user_channel(listener.user_id))
        if not self._listeners:
            await self._stop()

    async def watch(self, listener: Listener, tokens: Iterable[int]) -> set[int]:
        """Add instruments to a socket and send what is known of them; return unknown ones."""
        wanted = set(tokens)
        fresh = wanted - self._listings.keys()
        if fresh:
            self._listings |= await database_sync_to_async(_listings)(fresh)
        known = wanted & self._listings.keys()
        before = self._tickers.keys() | self._changed
        self._set_tokens(listener, listener.tokens | known)
        await self._load(known - self._tickers.keys())
        # Nobody else watched the new ones, and this socket is served them now.
        self._changed -= known - before
        listener.owed |= known
        await self._serve(listener, frozenset(), {})
        return wanted - known

    def unwatch(self, listener: Listener, tokens: Iterable[int]) -> None:
        """Take instruments from a socket."""
        self._set_tokens(listener, listener.tokens - frozenset(tokens))
        listener.owed &= listener.tokens

    def _set_tokens(self, listener: Listener, tokens: frozenset[int]) -> None:
        """Share equal sets between sockets: they are compared once a round for every socket."""
        used = {each.tokens: each.tokens for each in self._listeners}
        listener.tokens = used.get(tokens, tokens)

    def _start(self) -> None:
        loops = (self._listen, self._flush_rounds, self._watch_age, self._watch_access)
        self._tasks = [asyncio.create_task(self._forever(loop)) for loop in loops]

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._is_listening.clear()
        self._tickers.clear()
        self._changed.clear()

    async def _forever(self, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await loop()
            except Exception:
                logger.exception("hub loop failed")
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        """Take ticks and private events from Redis until the connection fails."""
        client = connect_async()
        pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        try:
            channels = [user_channel(user_id) for user_id in self._users]
            await pubsub.subscribe(TICKS_CHANNEL, ACCESS_CHANNEL, *channels)
            self._pubsub = pubsub
            self._is_listening.set()
            # What was missed while nobody listened is in the newest quotes.
            self._tickers.clear()
            await self._load(frozenset().union(*(each.tokens for each in self._listeners)))
            self._arrived.set()
            async for message in pubsub.listen():
                await self._take(message["channel"].decode(), message["data"])
        finally:
            self._pubsub = None
            await pubsub.aclose()
            await client.aclose()

    async def _take(self, channel: str, payload: bytes) -> None:
        if channel == ACCESS_CHANNEL:
            self._rechecks.put_nowait(orjson.loads(payload))
            return
        if channel != TICKS_CHANNEL:
            await self._deliver(int(channel.rpartition(".")[2]), payload.decode())
            return
        for quote in decode_quotes(payload):
            self._keep(quote)
        if self._changed:
            self._arrived.set()

    async def _deliver(self, user_id: int, frame: str) -> None:
        for listener in list(self._users.get(user_id, ())):
            await self._send(listener, frame)

    def _keep(self, quote: Quote) -> None:
        token = quote.instrument_token
        listing = self._listings.get(token)
        if listing is None:
            return
        known = self._tickers.get(token)
        if known is not None and known.quote.sequence >= quote.sequence:
            return
        self._tickers[token] = _Ticker(quote, listing.decimals, listing.limit)
        self._changed.add(token)

    async def _load(self, tokens: Iterable[int]) -> None:
        wanted = list(tokens)
        if not wanted:
            return
        now = timezone.now()
        for quote in (await asyncio.to_thread(read_quotes, connect(), wanted)).values():
            self._keep(quote)
            ticker = self._tickers.get(quote.instrument_token)
            if ticker is not None:
                ticker.is_stale = ticker.is_too_old(now)

    async def _flush_rounds(self) -> None:
        """Send what has changed: at once, but only one round in every half-second slot."""
        time = asyncio.get_running_loop().time
        due = 0.0
        while True:
            await self._arrived.wait()
            await asyncio.sleep(max(due - time(), GATHER_SECONDS))
            self._arrived.clear()
            is_regular = time() - due < SLOT_SLACK_SECONDS
            due = (due if is_regular else time()) + FLUSH_SECONDS
            await self.flush()

    async def flush(self) -> None:
        """Send one frame to every socket that watches something that changed or is owed some."""
        changed, self._changed = frozenset(self._changed), set()
        frames: dict[frozenset[int], str] = {}
        for listener in list(self._listeners):
            await self._serve(listener, changed, frames)

    async def _serve(
        self, listener: Listener, changed: frozenset[int], frames: dict[frozenset[int], str]
    ) -> None:
        if listener.pressure.full_since is not None:
            await self._hold_back(listener, changed)
            return
        if listener.owed:
            owed, listener.owed = listener.owed, set()
            frame = self._frame(changed & listener.tokens | owed)
        else:
            # Pages that watch the same instruments get the very same text.
            tokens = listener.tokens
            if tokens not in frames:
                frames[tokens] = self._frame(changed & tokens)
            frame = frames[tokens]
        if frame:
            await self._send(listener, frame)

    async def _hold_back(self, listener: Listener, changed: frozenset[int]) -> None:
        """Remember for a full socket only which instruments it has not seen; drop it in time."""
        listener.owed |= changed & listener.tokens
        since = listener.pressure.full_since
        if since is not None and asyncio.get_running_loop().time() - since > DROP_AFTER_SECONDS:
            logger.info("slow socket dropped user=%s", listener.user_id)
            await self._drop(listener, CLOSE_TOO_SLOW)

    def _frame(self, tokens: frozenset[int]) -> str:
        now = timezone.now()
        found = (self._tickers.get(token) for token in sorted(tokens))
        parts = [ticker.fragment(now) for ticker in found if ticker is not None]
        return '{"t":"quotes","q":[' + ",".join(parts) + "]}" if parts else ""

    async def _send(self, listener: Listener, frame: str) -> None:
        try:
            await listener.send(frame)
        except ConnectionError:
            # A page closed between two frames: its socket is on its way to leave.
            logger.debug("socket gone user=%s", listener.user_id)
            await self._drop(listener, CLOSE_GONE)
        except Exception:
            logger.exception("socket send failed user=%s", listener.user_id)
            await self._drop(listener, CLOSE_TOO_SLOW)

    async def _drop(self, listener: Listener, code: int) -> None:
        self._listeners.discard(listener)
        self._users.get(listener.user_id, set()).discard(listener)
        try:
            await listener.close(code)
        except Exception:
            logger.exception("socket close failed user=%s", listener.user_id)

    async def _watch_age(self) -> None:
        """Show prices that have grown old as stale; serve sockets that have room again."""
        while True:
            await asyncio.sleep(STALE_CHECK_SECONDS)
            now = timezone.now()
            for token, ticker in self._tickers.items():
                if not ticker.is_stale and ticker.is_too_old(now):
                    ticker.is_stale = True
                    self._changed.add(token)
            if self._changed or any(listener.owed for listener in self._listeners):
                self._arrived.set()

    async def _watch_access(self) -> None:
        """Close sockets whose session has ended: once a minute all, at once where one is told of."""
        time = asyncio.get_running_loop().time
        due = time() + ACCESS_CHECK_SECONDS
        while True:
            try:
                users = await asyncio.wait_for(self._rechecks.get(), max(due - time(), 0.0))
            except TimeoutError:
                users, due = list(self._users), time() + ACCESS_CHECK_SECONDS
            await self._check_users(users)

    async def _check_users(self, user_ids: Iterable[int]) -> None:
        wanted = frozenset(user_ids)
        for listener in list(self._listeners):
            if listener.user_id in wanted or listener.opener in wanted:
                await self._check(listener)

    async def _check(self, listener: Listener) -> None:
        try:
            is_allowed = await listener.is_allowed()
        except Exception:
            # Nobody knows: the page comes back by itself, if it may.
            logger.exception("access check failed user=%s", listener.user_id)
            await self._drop(listener, CLOSE_GONE)
            return
        if not is_allowed:
            await self._drop(listener, CLOSE_NOT_ALLOWED)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """Return the hub of the running event loop: a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
