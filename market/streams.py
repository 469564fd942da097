"""Prices, wake-up intervals, heartbeats and private events on Redis: the words of the wire.

Everything here is a hint or a cache: PostgreSQL is the truth, and losing Redis loses no money.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, cast

import orjson
import redis
import redis.asyncio
from django.conf import settings
from django.utils import timezone
from redis.client import PubSub
from redis.connection import parse_url

from market.domain.candles import CandleBar
from market.domain.ticks import PriceInterval, Quote, Tick
from market.stream_codec import (
    decode_bar,
    decode_quote,
    decode_quotes,
    decode_tick,
    encode_bar,
    encode_quote,
    encode_tick,
    plain,
)

__all__ = [
    "ACCESS_CHANNEL",
    "GATEWAY_CHANNEL",
    "PROCESSES",
    "TICKS_CHANNEL",
    "UserEvent",
    "beat",
    "connect",
    "connect_async",
    "decode_quote",
    "decode_quotes",
    "encode_quote",
    "event_sequence",
    "missed_events",
    "plain",
    "push_event",
    "push_events",
    "put_ticks",
    "read_beats",
    "read_intervals",
    "read_open_bar",
    "read_quotes",
    "recent_ticks",
    "recheck_access",
    "release_intervals",
    "set_fences",
    "subscribe_ticks",
    "user_channel",
]

logger = logging.getLogger(__name__)


def _scoped(name: str) -> str:
    """Name a channel after the Redis database: channels, unlike keys, belong to the server.

    Two copies on one server must not hear each other's prices.
    """
    options = parse_url(settings.REDIS_URL)  # type: ignore[no-untyped-call]
    return f"{options.get('db', 0)}.{name}"


TICKS_CHANNEL = _scoped("ticks")
GATEWAY_CHANNEL = _scoped("gateway.wake")
ACCESS_CHANNEL = _scoped("access")
PROCESSES = ("web", "worker", "beat", "feed", "gateway")
EVENT_RING_SIZE = 200
WRITE_BATCH = 256
NO_FENCE = -1
HEARTBEAT_SECONDS = 60

_QUOTES = "market:quotes"
_FENCES = "market:fences"
_OPEN_BARS = "market:bars"
_CURRENT = "market:intervals.2"
_PENDING = "market:intervals.2.read"
_EVENT_SECONDS = 24 * 3600

_MERGE = """
local function merge(key, token, low, high, last, first, seq, run)
  local l, h, f, r = string.match(redis.call('HGET', key, token) or '',
                                  '^([^|]+)|([^|]+)|[^|]+|([^|]+)|[^|]+|(.*)$')
  -- An interval is of one source: prices of the one before say nothing about those of the next.
  if r == run then
    if tonumber(l) < tonumber(low) then low = l end
    if tonumber(h) > tonumber(high) then high = h end
    first = f
  end
  redis.call('HSET', key, token, table.concat({low, high, last, first, seq, run}, '|'))
end
"""
# One script, so that a tick is stored, added to its interval, kept in the ring and published, or
# nothing of it: a writer whose source was taken over (its fence is older) is not heard.
_PUT_TICKS = (
    _MERGE
    + """
local batch, heard = {}, 0
local function publish()
  if #batch > 0 then redis.call('PUBLISH', KEYS[4], '[' .. table.concat(batch, ',') .. ']') end
  batch = {}
end
for i = 1, #ARGV, 8 do
  local token, fence, quote, tick = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
  local price, seq, bar, run = ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7]
  local held = redis.call('HGET', KEYS[3], token)
  if fence < 0 or not held or tonumber(held) <= fence then
    redis.call('HSET', KEYS[1], token, quote)
    merge(KEYS[2], token, price, price, price, seq, seq, run)
    redis.call('RPUSH', KEYS[5] .. token, tick)
    redis.call('LTRIM', KEYS[5] .. token, -256, -1)
    if bar ~= '' then redis.call('HSET', KEYS[6], token, bar) end
    batch[#batch + 1] = quote
    heard = heard + 1
    if #batch == 64 then publish() end
  end
end
publish()
return heard
"""
)
# What is read moves to a second hash and stays there until it is released: a reader that dies
# leaves it for the next one, and ticks that arrive meanwhile gather in the first hash.
_READ_INTERVALS = (
    _MERGE
    + """
local current = redis.call('HGETALL', KEYS[1])
for i = 1, #current, 2 do
  local low, high, last, first, seq, run = string.match(
    current[i + 1], '^([^|]+)|([^|]+)|([^|]+)|([^|]+)|([^|]+)|(.*)$')
  if low then merge(KEYS[2], current[i], low, high, last, first, seq, run) end
end
redis.call('DEL', KEYS[1])
return redis.call('HGETALL', KEYS[2])
"""
)
_RELEASE_INTERVALS = """
for i = 1, #ARGV, 2 do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  if kept and string.match(kept, '^[^|]+|[^|]+|[^|]+|[^|]+|([^|]+)') == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""
# Number, keep and publish in one go, so that the order of numbers is the order of arrival.
_PUSH_EVENT = """
local seq = redis.call('INCR', KEYS[1])
local frame = '{"t":"event","seq":' .. seq .. ',' .. ARGV[1] .. '}'
redis.call('RPUSH', KEYS[2], frame)
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[2], frame)
return seq
"""


@cache
def _pool(url: str) -> redis.ConnectionPool:
    return redis.ConnectionPool.from_url(url, socket_timeout=5, socket_connect_timeout=5)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis(connection_pool=_pool(url))


def connect() -> redis.Redis:
    """Return this process's client, which all its threads share."""
    return _client(settings.REDIS_URL)


def connect_async() -> redis.asyncio.Redis:
    """Return an asyncio client with connections of its own; the caller closes it."""
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)


def _ring(token: int | str) -> str:
    return f"market:ring:{token}"


def set_fences(client: redis.Redis, fences: Mapping[int, int]) -> None:
    """Silence every writer of these instruments whose fence is older."""
    if fences:
        client.hset(_FENCES, mapping=cast("Mapping[Any, Any]", fences))


def put_ticks(
    client: redis.Redis,
    quotes: Sequence[Quote],
    *,
    open_bars: Mapping[int, tuple[str, CandleBar]] | None = None,
    fences: Mapping[int, int] | None = None,
) -> int:
    """Store and publish ticks, oldest first, and the open minutes; return how many were heard.

    A writer gives the fences of the sources it owns; ticks of a source taken from it are dropped.
    """
    held = fences or {}
    bars = {token: encode_bar(*kept) for token, kept in (open_bars or {}).items()}
    heard = 0
    for start in range(0, len(quotes), WRITE_BATCH):
        arguments: list[Any] = []
        for quote in quotes[start : start + WRITE_BATCH]:
            token = quote.instrument_token
            arguments += [
                token,
                held.get(token, NO_FENCE),
                encode_quote(quote),
                encode_tick(quote),
                plain(quote.last_price),
                quote.sequence,
                bars.get(token, b""),
                quote.price_run,
            ]
        keys = (_QUOTES, _CURRENT, _FENCES, TICKS_CHANNEL, _ring(""), _OPEN_BARS)
        heard += cast("int", client.eval(_PUT_TICKS, len(keys), *keys, *arguments))
    return heard


def read_quotes(client: redis.Redis, tokens: Iterable[int]) -> dict[int, Quote]:
    """Return the newest quote of each instrument that has one."""
    wanted = list(dict.fromkeys(tokens))
    if not wanted:
        return {}
    rows = cast("list[bytes | None]", client.hmget(_QUOTES, [str(token) for token in wanted]))
    return {
        token: decode_quote(row) for token, row in zip(wanted, rows, strict=True) if row is not None
    }


def read_open_bar(client: redis.Redis, token: int) -> tuple[str, CandleBar] | None:
    """Return (source, open minute) of an instrument."""
    row = client.hget(_OPEN_BARS, str(token))
    return None if row is None else decode_bar(cast("bytes", row))


def _interval(token: bytes, text: bytes) -> PriceInterval:
    low, high, last, first, sequence, run = text.decode().split("|", 5)
    return PriceInterval(
        instrument_token=int(token),
        low=Decimal(low),
        high=Decimal(high),
        last=Decimal(last),
        sequence=int(sequence),
        first_sequence=int(first),
        price_run=run,
    )


def read_intervals(client: redis.Redis) -> list[PriceInterval]:
    """Return low and high of every instrument with ticks that nobody has released yet."""
    flat = cast("list[bytes]", client.eval(_READ_INTERVALS, 2, _CURRENT, _PENDING))
    return [_interval(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


def release_intervals(client: redis.Redis, intervals: Sequence[PriceInterval]) -> None:
    """Forget what was read, and only that: an interval read again since then stays."""
    if not intervals:
        return
    arguments: list[int] = []
    for interval in intervals:
        arguments += [interval.instrument_token, interval.sequence]
    client.eval(_RELEASE_INTERVALS, 1, _PENDING, *cast("list[str]", arguments))


def recent_ticks(client: redis.Redis, token: int, *, after_sequence: int) -> list[Tick]:
    """Return the ticks after a sequence number that are still in the ring, oldest first."""
    rows = cast("list[bytes]", client.lrange(_ring(token), 0, -1))
    ticks = (decode_tick(token, row) for row in rows)
    return [tick for tick in ticks if tick.sequence > after_sequence]


def subscribe_ticks(client: redis.Redis, *channels: str) -> PubSub:
    """Return a subscription to the ticks channel and to any further channels named."""
    pubsub: PubSub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    pubsub.subscribe(TICKS_CHANNEL, *channels)
    return pubsub


def beat(client: redis.Redis, name: str) -> None:
    """Say that a process is alive, by the wall clock."""
    client.set(f"beat:{name}", timezone.now().isoformat(), ex=HEARTBEAT_SECONDS)


def read_beats(client: redis.Redis) -> dict[str, datetime]:
    """Return the last sign of life of each process that gave one in the last minute."""
    rows = cast("list[bytes | None]", client.mget([f"beat:{name}" for name in PROCESSES]))
    return {
        name: datetime.fromisoformat(row.decode())
        for name, row in zip(PROCESSES, rows, strict=True)
        if row is not None
    }


def user_channel(user_id: int) -> str:
    """Return the name of a user's private group."""
    return _scoped(f"user.{user_id}")


def recheck_access(user_ids: Sequence[int]) -> None:
    """Have the sockets of these users looked at again, at once; call it from on_commit.

    Every web process looks at all its sockets once a minute anyway: a silent Redis is only logged.
    """
    try:
        connect().publish(ACCESS_CHANNEL, orjson.dumps(list(user_ids)))
    except redis.RedisError:
        logger.warning("access not rechecked users=%s", user_ids, exc_info=True)


def _event_keys(user_id: int) -> tuple[str, str]:
    return f"events:{user_id}:seq", f"events:{user_id}:ring"


@dataclass(frozen=True, slots=True)
class UserEvent:
    """What the open pages and programs of one user are told."""

    user_id: int
    kind: str
    data: Mapping[str, Any]


def push_event(user_id: int, kind: str, data: Mapping[str, Any]) -> None:
    """Send a private event to a user's open pages; see `push_events`."""
    push_events([UserEvent(user_id, kind, data)])


def push_events(events: Sequence[UserEvent]) -> None:
    """Send private events to users' open pages, in one round trip; call it from on_commit.

    A page that misses events asks for them again or reloads, so a silent Redis is only logged.
    """
    try:
        if len(events) == 1:
            connect().eval(*_event_script(events[0]))
        elif events:
            with connect().pipeline(transaction=False) as pipe:
                for event in events:
                    pipe.eval(*_event_script(event))
                pipe.execute()
    except redis.RedisError:
        told = [(event.user_id, event.kind) for event in events]
        logger.warning("events not pushed (user, kind)=%s", told, exc_info=True)


def _event_script(event: UserEvent) -> tuple[Any, ...]:
    """Return the script that sends an event, with its keys and arguments."""
    data = orjson.dumps(event.data, default=_json_default)
    body = b'"kind":' + orjson.dumps(event.kind) + b',"data":' + data
    keys, channel = _event_keys(event.user_id), user_channel(event.user_id)
    return (_PUSH_EVENT, len(keys), *keys, body, channel, EVENT_RING_SIZE, _EVENT_SECONDS)


def _json_default(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} does not belong in an event")


def event_sequence(frame: bytes) -> int:
    """Return the number of a private event's frame."""
    return int(frame[len(b'{"t":"event","seq":') : frame.index(b",", 19)])


def newest_event(user_id: int) -> int | None:
    """Return the number of a user's newest private event, 0 before the first; None without Redis."""
    sequence_key, _ = _event_keys(user_id)
    try:
        return int(cast("bytes | None", connect().get(sequence_key)) or 0)
    except redis.RedisError:
        logger.warning("newest event unknown user=%s", user_id, exc_info=True)
        return None


async def missed_events(
    client: redis.asyncio.Redis, user_id: int, *, after: int
) -> tuple[int, list[bytes] | None]:
    """Return (newest number, frames after `after`); None when some of them are gone."""
    sequence_key, ring_key = _event_keys(user_id)
    pipe = client.pipeline(transaction=True)
    pipe.get(sequence_key)
    pipe.lrange(ring_key, 0, -1)
    number, frames = await pipe.execute()
    newest = int(number or 0)
    missed = [frame for frame in frames if event_sequence(frame) > after]
    return newest, missed if len(missed) == newest - after else None
