"""The gateway's process loop: ticks and wake-ups from Redis, a timer, restarts from any fault."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import redis
from django.db import connection
from redis.client import PubSub

from market import streams
from market.domain.ticks import Quote, Tick
from market.selectors import watched_instruments
from portfolio.exceptions import StaleFence
from portfolio.gateway.core import Gateway

logger = logging.getLogger(__name__)

# READY orders wait at most this long when a wake-up is lost.
POLL_SECONDS = 0.25
BEAT_SECONDS = 2.0
_CHORES_SECONDS = 60.0
# So many messages are taken before the venue's reports are written; every tick is matched.
_MESSAGES_AT_ONCE = 256
# So often everything ready is sent before ticks get their turn again.
_PUMPS_AT_ONCE = 20
_LONGEST_PAUSE = 15.0


class TickListener:
    """Ticks from Redis, in order. While Redis is away the gateway goes on from PostgreSQL."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._pubsub: PubSub | None = None
        self._client = streams.connect()
        self._retry_at = 0.0
        self._is_woken = False
        self._seen: dict[int, Quote] = {}

    def wait(self, seconds: float) -> list[Quote]:
        """Return what arrives within `seconds`: nothing, a wake-up alone, or ticks in order."""
        try:
            if self._pubsub is None:
                return self._subscribe(seconds)
            return self._read(self._pubsub, seconds)
        except (redis.RedisError, OSError):
            logger.warning("redis lost, trading on from the database", exc_info=True)
            self.close()
            self._retry_at = time.monotonic() + 1.0
            return []

    def take_wake(self) -> bool:
        """Say whether somebody had something for us since the last call."""
        is_woken, self._is_woken = self._is_woken, False
        return is_woken

    def beat(self) -> None:
        """Say that the gateway is alive."""
        try:
            streams.beat(self._client, "gateway")
        except (redis.RedisError, OSError):
            logger.warning("heartbeat not written", exc_info=True)

    def close(self) -> None:
        """Give the subscription up."""
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            pubsub.close()

    def _subscribe(self, seconds: float) -> list[Quote]:
        if time.monotonic() < self._retry_at:
            time.sleep(seconds)
            return []
        self._pubsub = streams.subscribe_ticks(self._client, streams.GATEWAY_CHANNEL)
        return self._newest()

    def _newest(self) -> list[Quote]:
        """Return the newest quotes that are fresh: what orders can trade at before a next tick."""
        limits = {each.pk: each.freshness_limit for each in watched_instruments()}
        newest = streams.read_quotes(self._client, limits)
        now = self._clock()
        return [
            each
            for token, quote in newest.items()
            if quote.is_fresh(now=now, limit=limits[token]) and quote != self._seen.get(token)
            for each in self._with_missed(quote)
        ]

    def _read(self, pubsub: PubSub, seconds: float) -> list[Quote]:
        quotes: list[Quote] = []
        message = pubsub.get_message(timeout=seconds)
        for _ in range(_MESSAGES_AT_ONCE):
            if message is None:
                break
            if message["channel"] == streams.TICKS_CHANNEL.encode():
                for quote in streams.decode_quotes(message["data"]):
                    quotes += self._with_missed(quote)
            else:
                self._is_woken = True
            message = pubsub.get_message(timeout=0)
        return quotes

    def _with_missed(self, quote: Quote) -> list[Quote]:
        """Return a quote behind those that were published and did not arrive (decisions 18)."""
        last = self._seen.get(quote.instrument_token)
        self._seen[quote.instrument_token] = quote
        if last is None or (last.source, last.run) != (quote.source, quote.run):
            return [quote]
        if quote.sequence <= last.sequence + 1:
            return [quote]
        ticks = streams.recent_ticks(
            self._client, quote.instrument_token, after_sequence=last.sequence
        )
        missed = [_as_quote(tick, quote) for tick in ticks if tick.sequence < quote.sequence]
        logger.warning("ticks missed token=%s found=%s", quote.instrument_token, len(missed))
        return [*missed, quote]


def _as_quote(tick: Tick, newest: Quote) -> Quote:
    """Return what is kept of a tick as a quote; its depth is not kept."""
    return replace(
        newest,
        sequence=tick.sequence,
        last_price=tick.price,
        last_quantity=tick.last_quantity,
        volume=tick.volume,
        exchange_time=tick.exchange_time,
        depth=None,
    )


class GatewayProcess:
    """Runs one gateway in one thread until told to stop."""

    def __init__(self, gateway: Gateway, *, clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._clock = clock
        self._listener = TickListener(clock=clock)
        self._is_stopping = False
        self._is_busy = False
        self._ask_at = 0.0
        self._beat_at = 0.0
        self._chores_at = 0.0

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._is_stopping = True

    def _should_stop(self) -> bool:
        return self._is_stopping

    def run(self) -> None:
        """Serve until stopped; after any fault drop everything in memory and start over."""
        pause = POLL_SECONDS
        while not self._should_stop():
            try:
                self._serve()
                pause = POLL_SECONDS
            except StaleFence:
                logger.warning("gateway lost its shard, starting over", exc_info=True)
            except Exception:
                logger.exception("gateway failed, starting over in %.2f s", pause)
            self._forget()
            time.sleep(0 if self._should_stop() else pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._listener.close()

    def _serve(self) -> None:
        """Own the shard and trade until stopped; wait while somebody else owns it."""
        while not self._gateway.start(self._clock()):
            if self._should_stop():
                return
            time.sleep(POLL_SECONDS)
        logger.info("gateway started fence=%s", self._gateway.fence)
        self._listener.close()
        while not self._should_stop():
            self._turn()
        self._gateway.stop()
        logger.info("gateway stopped")

    def _turn(self) -> None:
        """One turn of the loop: wait for something, match it, carry everything out.

        The database is asked when there is a reason and four times a second, not at every tick.
        """
        quotes = self._listener.wait(0 if self._is_busy else POLL_SECONDS)
        now = self._clock()
        self._gateway.keep_lease()
        if quotes:
            self._gateway.on_quotes(quotes, now)
        is_time = time.monotonic() >= self._ask_at
        if self._listener.take_wake() or is_time or self._is_busy or self._gateway.has_news():
            self._is_busy = self._pump(now)
            self._ask_at = time.monotonic() + POLL_SECONDS
        self._keep_up()

    def _pump(self, now: datetime) -> bool:
        """Pump until quiet; say whether there is more to do than one turn has time for."""
        for _ in range(_PUMPS_AT_ONCE):
            if not self._gateway.pump(now):
                return False
            self._gateway.keep_lease()
        return True

    def _keep_up(self) -> None:
        """Give signs of life, and now and then tidy up."""
        moment = time.monotonic()
        if moment >= self._beat_at:
            self._beat_at = moment + BEAT_SECONDS
            self._listener.beat()
        if moment >= self._chores_at:
            self._chores_at = moment + _CHORES_SECONDS
            self._gateway.do_chores()

    def _forget(self) -> None:
        """Leave no transaction and no broken connection behind."""
        self._gateway.forget()
        connection.close()
