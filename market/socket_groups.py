"""The sockets of one kind: what changed for them, and the rounds in which they are told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from weakref import WeakValueDictionary

from django.utils import timezone

from market.listeners import CLOSE_GONE, CLOSE_TOO_SLOW, Frame, Listener, Ticker, Watch, Writer

logger = logging.getLogger(__name__)

# Rounds keep to slots while prices come as regularly: counting each slot from the last round
# would fall behind a feed of the same pace, up to a whole slot for every price.
SLOT_SLACK = 0.2
# Ticks of one feed pass arrive in several messages: they go out together.
GATHER_SECONDS = 0.005
HEARTBEAT_SECONDS = 1.0
DROP_AFTER_SECONDS = 10.0
RETRY_SECONDS = 1.0
# A round over many sockets lets others work in between.
BREATH = 50
TRIES = 3


class Round:
    """One round's writing: each instrument once in each mode, each distinct set once."""

    def __init__(self, writer: Writer, tickers: Mapping[int, Ticker]) -> None:
        self._writer, self._tickers = writer, tickers
        self._now = timezone.now()
        self._packed: dict[tuple[int, str], Frame] = {}
        self._frames: dict[Watch, Frame] = {}

    def frame(self, tokens: Collection[int], watch: Watch) -> Frame:
        """Return the frame of these instruments; empty where nothing is known of them."""
        parts = []
        for token in sorted(tokens):
            ticker = self._tickers.get(token)
            if ticker is None:
                continue
            key = (token, watch.modes[token])
            part = self._packed.get(key)
            if part is None:
                part = self._packed[key] = self._writer.pack(ticker, key[1], self._now)
            parts.append(part)
        return self._writer.frame(parts) if parts else b""

    def shared(self, changed: frozenset[int], watch: Watch) -> Frame:
        """Return the frame of what has changed: the very same bytes for all that watch the same."""
        frame = self._frames.get(watch)
        if frame is None:
            frame = self._frames[watch] = self.frame(changed & watch.tokens, watch)
        return frame


async def forever(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop that is not to end, and run it again when it fails."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("hub loop failed")
        await asyncio.sleep(RETRY_SECONDS)


class Group:
    """The sockets of one writer in this process. Works while there is at least one.

    A socket that cannot keep up is skipped, gets the newest prices when it can, and is dropped
    after ten seconds; nothing queues without bound.
    """

    def __init__(self, writer: Writer, tickers: Mapping[int, Ticker]) -> None:
        self.writer = writer
        self.listeners: set[Listener] = set()
        self._tickers = tickers
        self._users: dict[int, set[Listener]] = {}
        self._changed: set[int] = set()
        self._arrived = asyncio.Event()
        self._news: asyncio.Queue[tuple[int, list[bytes]]] = asyncio.Queue()
        self._watches: WeakValueDictionary[frozenset[tuple[int, str]], Watch] = (
            WeakValueDictionary()
        )
        self._tasks: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------------------- who is in it

    def add(self, listener: Listener) -> bool:
        """Take a socket in; False where who opens it has too many."""
        opener = listener.opener
        if sum(each.opener == opener for each in self.listeners) >= self.writer.most_sockets:
            return False
        self.listeners.add(listener)
        self._users.setdefault(listener.user_id, set()).add(listener)
        if not self._tasks:
            loops = [self._rounds, self._tell]
            loops += [self._beat] if self.writer.heartbeat else []
            self._tasks = [asyncio.create_task(forever(loop)) for loop in loops]
        return True

    def remove(self, listener: Listener) -> None:
        """Let a socket go."""
        self.listeners.discard(listener)
        its_user = self._users.get(listener.user_id, set())
        its_user.discard(listener)
        if not its_user:
            self._users.pop(listener.user_id, None)

    async def stop(self) -> None:
        """End the work."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._changed.clear()

    # ------------------------------------------------------------------------- prices

    def note(self, tokens: Collection[int]) -> None:
        """Have instruments sent that have changed, as soon as it is time."""
        if tokens:
            self._changed.update(tokens)
            self._arrived.set()

    async def _rounds(self) -> None:
        """Send what has changed: at once, but only one round in every slot."""
        time = asyncio.get_running_loop().time
        due = 0.0
        while True:
            await self._arrived.wait()
            await asyncio.sleep(max(due - time(), GATHER_SECONDS))
            self._arrived.clear()
            seconds = self.writer.seconds
            is_regular = time() - due < seconds * SLOT_SLACK
            due = (due if is_regular else time()) + seconds
            await self.flush()

    async def flush(self) -> None:
        """Send one frame to every socket that watches something that changed or is owed some."""
        changed, self._changed = frozenset(self._changed), set()
        this_round = Round(self.writer, self._tickers)
        for number, listener in enumerate(list(self.listeners), start=1):
            watch = self._watch_of(listener)
            if listener.pressure.full_since is not None:
                # A full socket keeps only which instruments it has not seen.
                listener.owed |= changed & watch.tokens
            elif listener.owed:
                owed, listener.owed = listener.owed, set()
                await self.send(listener, this_round.frame(changed & watch.tokens | owed, watch))
            else:
                await self.send(listener, this_round.shared(changed, watch))
            if number % BREATH == 0:
                await asyncio.sleep(0)

    async def show(self, listener: Listener, tokens: frozenset[int]) -> None:
        """Send what is known of these instruments, now or when the socket has room."""
        listener.owed |= tokens
        if listener.pressure.full_since is None:
            owed, listener.owed = listener.owed, set()
            snapshot = Round(self.writer, self._tickers)
            await self.send(listener, snapshot.frame(owed, self._watch_of(listener)))

    def _watch_of(self, listener: Listener) -> Watch:
        if listener.watch is None:
            key = frozenset(listener.modes.items())
            watch = self._watches.get(key)
            if watch is None:
                modes = dict(listener.modes)
                watch = self._watches[key] = Watch(modes, frozenset(modes))
            listener.watch = watch
        return listener.watch

    # ------------------------------------------------------------------------- private events

    def hear(self, user_id: int, frames: list[bytes]) -> None:
        """Take a user's private events, oldest first."""
        if frames and user_id in self._users:
            self._news.put_nowait((user_id, frames))

    async def _tell(self) -> None:
        """Deliver private events in their order; what has gathered is looked up together."""
        while True:
            batch = [await self._news.get()]
            while not self._news.empty():
                batch.append(self._news.get_nowait())
            told = iter(await self._texts([frame for _, frames in batch for frame in frames]))
            for user_id, frames in batch:
                texts = [text for _ in frames for text in next(told)]
                for listener in list(self._users.get(user_id, ())):
                    for text in texts:
                        await self.send(listener, text)

    async def _texts(self, frames: list[bytes]) -> list[list[str]]:
        for tried in range(1, TRIES + 1):
            try:
                return await self.writer.told(frames)
            except Exception:
                logger.exception("private events not written tried=%s", tried)
                await asyncio.sleep(RETRY_SECONDS)
        return [[] for _ in frames]

    # ------------------------------------------------------------------------- every second

    async def _beat(self) -> None:
        """Say every second that the link stands."""
        time = asyncio.get_running_loop().time
        due = time()
        while True:
            for listener in list(self.listeners):
                if listener.pressure.full_since is None:
                    await self.send(listener, self.writer.heartbeat)
            due = max(due + HEARTBEAT_SECONDS, time())
            await asyncio.sleep(due - time())

    async def look_after(self) -> None:
        """Serve sockets that have room again; drop those that had none for too long."""
        time = asyncio.get_running_loop().time()
        for listener in list(self.listeners):
            since = listener.pressure.full_since
            if since is not None and time - since > DROP_AFTER_SECONDS:
                logger.info("slow socket dropped user=%s", listener.user_id)
                await self.drop(listener, CLOSE_TOO_SLOW)
        if self._changed or any(listener.owed for listener in self.listeners):
            self._arrived.set()

    # ------------------------------------------------------------------------- sending

    async def send(self, listener: Listener, frame: Frame) -> None:
        """Send what there is; a socket that fails is dropped, the others hear nothing of it."""
        if not frame:
            return
        try:
            await listener.send(frame)
        except ConnectionError:
            # A page closed between two frames: its socket is on its way to leave.
            logger.debug("socket gone user=%s", listener.user_id)
            await self.drop(listener, CLOSE_GONE)
        except Exception:
            logger.exception("socket send failed user=%s", listener.user_id)
            await self.drop(listener, CLOSE_TOO_SLOW)

    async def drop(self, listener: Listener, code: int) -> None:
        """Close a socket from here."""
        self.remove(listener)
        try:
            await listener.close(code)
        except Exception:
            logger.exception("socket close failed user=%s", listener.user_id)
