"""Sockets of the API: Kite's ticker and our own stream. No cookies, no Origin, only tokens.

A socket that may not open is refused in the handshake: accepting and then closing would send Kite's
clients into a loop (kite-api.md rule 14). None of the stock clients looks at the status; whoever
reads their error text finds 403 for a token that is no good, 429 where all places are taken and 503
where a part of the platform is away.
"""

from abc import ABC, abstractmethod
from asyncio import get_running_loop
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn
from urllib.parse import parse_qs

import orjson
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.exceptions import TokenRefused
from accounts.services.api_sessions import authenticate, still_stands
from api import stream, ticker
from api.authentication import credentials_in
from api.errors import wire_error
from api.stream_orders import told_of_orders
from api.stream_slots import Slot, Slots, current_slots
from api.stream_tokens import use_stream_token
from api.stream_writer import STREAM, event_row
from api.ticker import Mode
from api.ticker_writer import TICKER
from market.listeners import CLOSE_NOT_ALLOWED, CLOSE_TOO_SLOW, Listener, Writer
from market.selectors import instruments_named
from market.sockets import HubConsumer
from market.streams import connect_async, missed_events

MAX_TOKENS = 3_000
SHOWN = 5
# A replay is up to 200 events read anew: a program needs one after it has come back.
MOST_REPLAYS = 20
REPLAY_SECONDS = 20.0
CLOSE_FLOOD = 4400
# A refusal before the handshake is the status that HTTP has for it (finbyte_site.web).
REFUSED = 4000
_LAST_WORDS = {
    CLOSE_NOT_ALLOWED: "The session has ended. Log in again.",
    CLOSE_TOO_SLOW: "Too slow: for ten seconds nothing was read here.",
    CLOSE_FLOOD: "Too many messages.",
}


class ProgramConsumer(HubConsumer, ABC):
    """A program's socket: opened by a token, one of three, and closed when the token's time is up."""

    writer: ClassVar[Writer]
    # What its places are counted under.
    kind: ClassVar[str]
    # Some scripts subscribe one by one.
    message_burst: ClassVar[float] = 2.0 * MAX_TOKENS
    messages_per_second: ClassVar[float] = 50.0
    _slot: Slot | None = None
    _slots: Slots

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket; its place is free again whatever ends it, a shutdown included."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._slot is not None:
                self._slots.drop(self._slot)

    async def connect(self) -> None:
        """Open for a live session that has a place left."""
        try:
            session = await database_sync_to_async(self.session)()
            self._slots = current_slots()
            place = f"{self.kind}:{session.app_id}:{session.user_id}"
            self._slot = await self._slots.claim(place)
        except (TokenRefused, RedisError, OperationalError, InterfaceError) as error:
            await self._refuse(wire_error(error).status)
        if self._slot is None:
            await self._refuse(HTTPStatus.TOO_MANY_REQUESTS)

        async def is_allowed() -> bool:
            stands: bool = await database_sync_to_async(still_stands)(session, now=timezone.now())
            return stands

        await self.open(
            Listener(
                user_id=session.user_id,
                writer=self.writer,
                send=self.send_frame,
                close=self.end,
                is_allowed=is_allowed,
                ends_at=session.expires_at,
            )
        )
        await self.begin(session)
        # It may have ended since it was read: nobody has told us before we joined.
        await self.hub.check(self.listener)

    async def _refuse(self, status: int) -> NoReturn:
        """Refuse the handshake; nothing comes after it that would have to be waited for."""
        await self.close(code=REFUSED + status)
        raise StopConsumer

    async def disconnect(self, code: int) -> None:
        """Leave the hub and give the place back."""
        await super().disconnect(code)
        slot, self._slot = self._slot, None
        if slot is not None:
            await self._slots.release(slot)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the program asks; nonsense is answered, a flood is cut off."""
        if not self.has_credit():
            await self.end(CLOSE_FLOOD)
            return
        try:
            await self.obey(text_data or "")
        except ValueError as error:
            await self.send_frame(self.error(str(error)))

    async def end(self, code: int) -> None:
        """Close with a word why."""
        words = _LAST_WORDS.get(code)
        if words:
            with suppress(ConnectionError):
                await self.send_frame(self.error(words))
        await self.abort(code)

    async def watch(self, modes: Mapping[int, Mode]) -> set[int]:
        """Watch instruments; return the unknown ones. ValueError where they are too many."""
        if len(self.listener.modes.keys() | modes.keys()) > MAX_TOKENS:
            raise ValueError(
                f"A socket can watch {MAX_TOKENS} instruments. None of these was added."
            )
        return await self.hub.watch(self.listener, modes)

    def mode_of(self, token: int) -> Mode:
        """Return the mode of an instrument that is asked for without one."""
        return Mode(self.listener.modes.get(token, Mode.QUOTE))

    @property
    def query(self) -> dict[str, str]:
        """What the address says; of a name sent twice the first."""
        text = self.scope.get("query_string", b"").decode("latin-1")
        return {name: values[0] for name, values in parse_qs(text).items()}

    @property
    def client_address(self) -> str | None:
        """Where the program calls from."""
        client = self.scope.get("client")
        return client[0] if client else None

    # What the two kinds do each in its way.

    @abstractmethod
    def session(self) -> Any:
        """Return the session that the handshake names, or raise TokenRefused."""

    async def begin(self, session: Any) -> None:
        """Say what is said first."""
        await self.greet()

    @abstractmethod
    async def obey(self, text: str) -> None:
        """Do what a message asks; ValueError with the words of the answer where it makes none."""

    @abstractmethod
    def error(self, words: str) -> str:
        """Write an error."""

    def open_session(self, header: str) -> Any:
        """Return the session that a header names, or raise TokenRefused."""
        api_key, access_token = credentials_in(header)
        return authenticate(
            api_key, access_token, client_address=self.client_address, now=timezone.now()
        )


class TickerConsumer(ProgramConsumer):
    """Kite's ticker, at `/` and `/ws`: `?api_key=K&access_token=T` (kite-api.md 2)."""

    writer = TICKER
    kind = "ticker"

    def session(self) -> Any:
        """Return the session of the token in the address (decisions 37)."""
        query = self.query
        named = f"{query.get('api_key', '')}:{query.get('access_token', '')}"
        return self.open_session(f"token {named}")

    async def obey(self, text: str) -> None:
        """Watch, or watch no longer."""
        match ticker.message_of(text):
            case ticker.Subscribe(tokens):
                await self._watch({token: self.mode_of(token) for token in tokens})
            case ticker.SetMode(mode, tokens):
                await self._watch(dict.fromkeys(tokens, mode))
            case ticker.Unsubscribe(tokens):
                self.hub.unwatch(self.listener, tokens)

    async def _watch(self, modes: Mapping[int, Mode]) -> None:
        unknown = sorted(await self.watch(modes))
        if unknown:
            shown = ", ".join(map(str, unknown[:SHOWN]))
            raise ValueError(f"Unknown instrument tokens, {len(unknown)} in all: {shown}.")

    def error(self, words: str) -> str:
        """Write an error."""
        return ticker.error_text(words)


class StreamConsumer(ProgramConsumer):
    """Our own stream, at `/stream`; its messages are in `api.stream`."""

    writer = STREAM
    kind = "stream"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # When it last asked for events again.
        self._replays: deque[float] = deque(maxlen=MOST_REPLAYS)

    def session(self) -> Any:
        """Return the session of the header, or of a page's one-time token."""
        token = self.query.get("token")
        if token:
            return use_stream_token(token, now=timezone.now())
        headers = dict(self.scope.get("headers", ()))
        return self.open_session(headers.get(b"authorization", b"").decode("latin-1"))

    async def begin(self, session: Any) -> None:
        """Say hello, and what was missed where the address asks for it."""
        newest, _ = await self._missed(after=0)
        await self.greet({"t": "hello", "user_id": session.user.public_id, "seq": newest})
        after = self.query.get("after")
        if after:
            try:
                await self._replay(stream.event_number(after))
            except ValueError as error:
                await self.send_frame(self.error(str(error)))

    async def obey(self, text: str) -> None:
        """Watch, watch no longer, or say again what was said before."""
        match stream.message_of(text):
            case stream.Subscribe(symbols, mode):
                await self._subscribe(symbols, mode)
            case stream.Unsubscribe(symbols):
                tokens = await self._tokens(symbols)
                self.hub.unwatch(self.listener, tokens.values())
            case stream.Replay(after):
                self._count_replay()
                await self._replay(after)
            case stream.Ping():
                await self._say({"t": "pong"})

    async def _subscribe(self, symbols: list[str], mode: Mode | None) -> None:
        if len(symbols) > MAX_TOKENS:
            raise ValueError(
                f"A socket can watch {MAX_TOKENS} instruments. None of these was added."
            )
        tokens = await self._tokens(symbols)
        await self.watch({token: mode or self.mode_of(token) for token in tokens.values()})
        unknown = [symbol for symbol in symbols if symbol not in tokens]
        if unknown:
            shown = ", ".join(unknown[:SHOWN])
            raise ValueError(f"Unknown symbols, {len(unknown)} in all: {shown}.")

    async def _tokens(self, symbols: list[str]) -> dict[str, int]:
        found = await database_sync_to_async(instruments_named)(symbols)
        return {symbol: row.pk for symbol, row in found.items()}

    def _count_replay(self) -> None:
        now = get_running_loop().time()
        if len(self._replays) == MOST_REPLAYS and now - self._replays[0] < REPLAY_SECONDS:
            raise ValueError(
                f"At most {MOST_REPLAYS} replays in {REPLAY_SECONDS:g} seconds. Ask again later."
            )
        self._replays.append(now)

    async def _replay(self, after: int) -> None:
        """Send the events after a number, or say that the program must read its data anew."""
        newest, frames = await self._missed(after=after)
        if frames is None:
            await self._say({"t": "resync", "seq": newest})
            return
        for event, states in await told_of_orders(frames):
            await self._say(event_row(event, states))

    async def _missed(self, *, after: int) -> tuple[int, list[bytes] | None]:
        async with connect_async() as client:
            return await missed_events(client, self.listener.user_id, after=after)

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send_frame(orjson.dumps(message).decode())

    def error(self, words: str) -> str:
        """Write an error."""
        return orjson.dumps({"t": "error", "message": words}).decode()
