"""Each user's private events in their order, and those that got lost on the way."""

import asyncio
import logging

import orjson

from market.streams import connect_async, event_sequence, missed_events

logger = logging.getLogger(__name__)


class PrivateEvents:
    """Notices by the numbers what Redis did not deliver, and fetches it from the ring."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        # Between reading a number and keeping the next, nobody else may: events would come twice.
        self._lock = asyncio.Lock()

    async def begin(self, user_id: int) -> None:
        """Start with what comes next, unless it has been started."""
        async with self._lock:
            if user_id not in self._seen:
                self._seen[user_id], _ = await self._after(user_id, 0)

    def forget(self, user_id: int) -> None:
        """Remember nothing of a user without sockets."""
        self._seen.pop(user_id, None)

    async def following(self, user_id: int, frame: bytes) -> list[bytes]:
        """Return the events to deliver now that this one has come; none where it came before."""
        async with self._lock:
            number = event_sequence(frame)
            if number == self._seen.get(user_id, number - 1) + 1:
                self._seen[user_id] = number
                return [frame]
            frames = await self._fetch(user_id)
            # Where some are gone for good, this one at least is there.
            if frames and frames[0].startswith(b'{"t":"resync"'):
                self._seen[user_id] = number
                return [*frames, frame]
            return frames

    async def missed(self, user_id: int) -> list[bytes]:
        """Return what was not delivered; `resync` where the ring has forgotten some of it."""
        async with self._lock:
            return await self._fetch(user_id)

    async def _fetch(self, user_id: int) -> list[bytes]:
        seen = self._seen.get(user_id)
        if seen is None:
            # Nobody listens for this user any more.
            return []
        newest, frames = await self._after(user_id, seen)
        if user_id in self._seen:
            self._seen[user_id] = newest
        if frames is None:
            logger.warning("events lost user=%s after=%s newest=%s", user_id, seen, newest)
            return [orjson.dumps({"t": "resync", "seq": newest})]
        return frames

    async def _after(self, user_id: int, number: int) -> tuple[int, list[bytes] | None]:
        async with connect_async() as client:
            return await missed_events(client, user_id, after=number)
