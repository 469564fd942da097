"""How many sockets a program has open, counted over all web processes.

A slot is kept for some seconds at a time: those of a process that was killed are free again soon.
"""

import asyncio
import logging
from dataclasses import dataclass
from secrets import token_hex
from weakref import WeakKeyDictionary

import redis

from market.streams import connect

logger = logging.getLogger(__name__)

MOST_SOCKETS = 3
KEEP_SECONDS = 6
RENEW_SECONDS = 2.0

_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = now + tonumber(ARGV[1]) * 1000
"""
_CLAIM = (
    _NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ends, ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
_RENEW = (
    _NOW
    + """
for i = 1, #KEYS do
  -- Only what is still there: a place may have been given back on the way.
  redis.call('ZADD', KEYS[i], 'XX', ends, ARGV[i + 1])
  redis.call('EXPIRE', KEYS[i], ARGV[1])
end
"""
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the places that a program has for its sockets."""

    key: str
    member: str

    def free(self) -> None:
        """Give the place back."""
        try:
            connect().zrem(self.key, self.member)
        except redis.RedisError:
            logger.warning("slot not freed, it ends by itself key=%s", self.key, exc_info=True)


class Slots:
    """The places that the sockets of this process hold."""

    def __init__(self) -> None:
        self._held: set[Slot] = set()
        self._task: asyncio.Task[None] | None = None

    async def claim(self, key: str) -> Slot | None:
        """Take a place; None where all are taken. Raises `RedisError` where nobody can say."""
        slot = Slot(f"sockets:{key}", token_hex(8))
        if not await asyncio.to_thread(_claim, slot):
            return None
        self._held.add(slot)
        if self._task is None:
            self._task = asyncio.create_task(self._renew())
        return slot

    async def release(self, slot: Slot) -> None:
        """Give a place back."""
        self._forget(slot)
        await asyncio.to_thread(slot.free)

    def drop(self, slot: Slot) -> None:
        """Give a place back while the process ends and waits for nothing."""
        if slot in self._held:
            self._forget(slot)
            slot.free()

    def _forget(self, slot: Slot) -> None:
        self._held.discard(slot)
        if not self._held and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await asyncio.to_thread(_renew, list(self._held))
            except redis.RedisError:
                logger.warning("slots not renewed", exc_info=True)


def _claim(slot: Slot) -> bool:
    return bool(
        connect().eval(_CLAIM, 1, slot.key, str(KEEP_SECONDS), str(MOST_SOCKETS), slot.member)
    )


def _renew(slots: list[Slot]) -> None:
    if not slots:
        return
    keys = [slot.key for slot in slots]
    members = [slot.member for slot in slots]
    connect().eval(_RENEW, len(keys), *keys, str(KEEP_SECONDS), *members)


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()


def current_slots() -> Slots:
    """Return those of the running event loop: a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _slots:
        _slots[loop] = Slots()
    return _slots[loop]
