"""Live prices and private events to sockets: one task per web process listens once for all.

What is sent, how often and to how many is the business of each kind of socket: its writer says it,
and its group does it (market.socket_groups). The hub knows what the newest prices are, whose events
are wanted, and whose session has ended.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import redis
from channels.db import database_sync_to_async
from django.utils import timezone

from market.domain.ticks import Quote
from market.listeners import CLOSE_GONE, CLOSE_NOT_ALLOWED, Listener, Listing, Ticker, Writer
from market.private_events import PrivateEvents
from market.selectors import instruments_by_token
from market.socket_groups import Group, forever
from market.streams import (
    ACCESS_CHANNEL,
    TICKS_CHANNEL,
    connect,
    connect_async,
    decode_quotes,
    read_quotes,
    user_channel,
)

logger = logging.getLogger(__name__)

STALE_CHECK_SECONDS = 1.0
ACCESS_CHECK_SECONDS = 60.0
JOIN_SECONDS = 3.0


def listings_of(tokens: Iterable[int]) -> dict[int, Listing]:
    """Return what is known of the instruments that there are."""
    return {
        token: Listing(
            symbol=row.symbol,
            decimals=max(-int(row.spec.tick_size.as_tuple().exponent), 0),
            limit=row.freshness_limit,
        )
        for token, row in instruments_by_token(tokens).items()
    }


class Hub:
    """The sockets of one web process. Works while there is at least one."""

    def __init__(self) -> None:
        self._groups: dict[Writer, Group] = {}
        self._listeners: set[Listener] = set()
        # How many sockets carry a user's events.
        self._users: Counter[int] = Counter()
        self._tickers: dict[int, Ticker] = {}
        self._listings: dict[int, Listing] = {}
        self._events = PrivateEvents()
        # Whose events are heard; another set for every connection to Redis.
        self._attended: set[int] = set()
        self._attendance = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._rechecks: asyncio.Queue[list[int]] = asyncio.Queue()
        self._pubsub: Any = None
        self._is_listening = asyncio.Event()

    # ------------------------------------------------------------------------- sockets

    async def join(self, listener: Listener) -> bool:
        """Add a socket; its user's private events flow from now on. False: its opener has too many."""
        group = self._group_of(listener)
        if not group.add(listener):
            return False
        self._listeners.add(listener)
        self._users[listener.user_id] += 1
        try:
            await self._serve(listener)
        except BaseException:
            # Its socket never opens: nobody would take it from here.
            with suppress(redis.RedisError):
                await self.leave(listener)
            raise
        return True

    async def _serve(self, listener: Listener) -> None:
        if not self._tasks:
            loops = (self._listen, self._watch_age, self._watch_access, self._check_told)
            self._tasks = [asyncio.create_task(forever(loop)) for loop in loops]
        elif self._pubsub is not None:
            await self._attend(listener.user_id)
        # Without Redis the page works all the same; prices come when it is back.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_listening.wait(), JOIN_SECONDS)

    async def leave(self, listener: Listener) -> None:
        """Remove a socket, also one that was dropped; the last one ends the hub's work."""
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        group = self._group_of(listener)
        group.remove(listener)
        if not group.listeners:
            await group.stop()
        user_id = listener.user_id
        self._users[user_id] -= 1
        if not self._users[user_id]:
            del self._users[user_id]
            await self._release(user_id)
        if not self._listeners:
            await self._stop()

    async def watch(self, listener: Listener, modes: Mapping[int, str]) -> set[int]:
        """Add instruments to a socket and send what is known of them; return unknown ones."""
        fresh = modes.keys() - self._listings.keys()
        if fresh:
            self._listings |= await database_sync_to_async(listings_of)(fresh)
        known = frozenset(modes.keys() & self._listings.keys())
        listener.set_modes({token: modes[token] for token in known})
        await self._load(known - self._tickers.keys())
        await self._group_of(listener).show(listener, known)
        return set(modes.keys() - known)

    def unwatch(self, listener: Listener, tokens: Iterable[int]) -> None:
        """Take instruments from a socket."""
        listener.forget(frozenset(tokens))

    def _group_of(self, listener: Listener) -> Group:
        writer = listener.writer
        if writer not in self._groups:
            self._groups[writer] = Group(writer, self._tickers)
        return self._groups[writer]

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._is_listening.clear()
        self._tickers.clear()

    # ------------------------------------------------------------------------- what arrives

    async def _listen(self) -> None:
        """Take ticks and private events from Redis until the connection fails."""
        client = connect_async()
        pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(TICKS_CHANNEL, ACCESS_CHANNEL)
            # From here on those who join see to their events themselves.
            self._pubsub, self._attended = pubsub, set()
            for user_id in list(self._users):
                await self._attend(user_id)
            self._is_listening.set()
            # What was missed while nobody listened is in the newest quotes.
            self._tickers.clear()
            self._note(await self._load(frozenset().union(*(e.modes for e in self._listeners))))
            async for message in pubsub.listen():
                await self._take(message["channel"].decode(), message["data"])
        finally:
            self._pubsub = None
            await pubsub.aclose()
            await client.aclose()

    async def _attend(self, user_id: int) -> None:
        """Hear a user's events from now on, and tell those that nobody heard until now.

        The newest number is read before and after: an event between the two is told from the ring.
        """
        async with self._attendance:
            pubsub, attended = self._pubsub, self._attended
            if pubsub is None or user_id in attended or user_id not in self._users:
                return
            await self._events.begin(user_id)
            await pubsub.subscribe(user_channel(user_id))
            self._hear(user_id, await self._events.missed(user_id))
            attended.add(user_id)

    async def _release(self, user_id: int) -> None:
        """Hear nothing more of a user, unless he is back."""
        async with self._attendance:
            if user_id in self._users:
                return
            self._attended.discard(user_id)
            self._events.forget(user_id)
            if self._pubsub is not None and self._listeners:
                await self._pubsub.unsubscribe(user_channel(user_id))

    async def _take(self, channel: str, payload: bytes) -> None:
        if channel == ACCESS_CHANNEL:
            self._rechecks.put_nowait(orjson.loads(payload))
        elif channel == TICKS_CHANNEL:
            self._note([quote for quote in decode_quotes(payload) if self._keep(quote)])
        else:
            user_id = int(channel.rpartition(".")[2])
            self._hear(user_id, await self._events.following(user_id, payload))

    def _hear(self, user_id: int, frames: list[bytes]) -> None:
        for group in self._groups.values():
            group.hear(user_id, frames)

    def _note(self, quotes: Iterable[Quote]) -> None:
        """Have every group tell of what has changed."""
        tokens = [quote.instrument_token for quote in quotes]
        for group in self._groups.values():
            group.note(tokens)

    def _keep(self, quote: Quote) -> bool:
        """Keep a quote that somebody watches and that is newer; say whether it is."""
        token = quote.instrument_token
        listing = self._listings.get(token)
        if listing is None:
            return False
        known = self._tickers.get(token)
        if known is not None and known.quote.sequence >= quote.sequence:
            return False
        self._tickers[token] = Ticker(quote, listing)
        return True

    async def _load(self, tokens: Iterable[int]) -> list[Quote]:
        """Read the newest quotes; return those that are news."""
        wanted = list(tokens)
        if not wanted:
            return []
        now = timezone.now()
        read = await asyncio.to_thread(read_quotes, connect(), wanted)
        kept = [quote for quote in read.values() if self._keep(quote)]
        for quote in kept:
            ticker = self._tickers[quote.instrument_token]
            ticker.is_stale = ticker.is_too_old(now)
        return kept

    # ------------------------------------------------------------------------- every second

    async def _watch_age(self) -> None:
        """Show prices that have grown old as stale; see to slow sockets and to sessions that end."""
        while True:
            await asyncio.sleep(STALE_CHECK_SECONDS)
            now = timezone.now()
            old = [
                token
                for token, ticker in self._tickers.items()
                if not ticker.is_stale and ticker.is_too_old(now)
            ]
            for token in old:
                self._tickers[token].is_stale = True
            for group in self._groups.values():
                if group.writer.shows_age:
                    group.note(old)
                await group.look_after()
            await self._end_by_the_clock(now)

    # ------------------------------------------------------------------------- access

    async def _end_by_the_clock(self, now: datetime) -> None:
        over = [
            each for each in self._listeners if each.ends_at is not None and now >= each.ends_at
        ]
        for listener in over:
            # Once: a session that goes on after all is looked at with the others.
            listener.ends_at = None
            await self.check(listener)

    async def _watch_access(self) -> None:
        """Look once a minute whether the session of every socket still stands."""
        while True:
            await asyncio.sleep(ACCESS_CHECK_SECONDS)
            for listener in list(self._listeners):
                await self.check(listener)

    async def _check_told(self) -> None:
        """Look at once at the sockets of users of whom a session has ended."""
        while True:
            wanted = frozenset(await self._rechecks.get())
            for listener in list(self._listeners):
                if listener.user_id in wanted or listener.opener in wanted:
                    await self.check(listener)

    async def check(self, listener: Listener) -> None:
        """Look whether the session of a socket still stands; close it where it does not."""
        try:
            is_allowed = await listener.is_allowed()
        except Exception:
            # Nobody knows: the page comes back by itself, if it may.
            logger.exception("access check failed user=%s", listener.user_id)
            await self._group_of(listener).drop(listener, CLOSE_GONE)
            return
        if not is_allowed:
            await self._group_of(listener).drop(listener, CLOSE_NOT_ALLOWED)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """Return the hub of the running event loop: a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
