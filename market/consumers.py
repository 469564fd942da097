"""The console's WebSocket: live prices and the user's private events on one socket."""

import asyncio
import logging
from typing import Any, ClassVar, TypeGuard

import orjson
from autobahn.exception import Disconnected
from channels.generic.websocket import AsyncWebsocketConsumer

from market.hub import CLOSE_NOT_ALLOWED, CLOSE_TOO_MANY, Hub, current_hub
from market.listeners import Listener, Pressure
from market.streams import connect_async, missed_events

logger = logging.getLogger(__name__)

MAX_MESSAGE = 16_384
MAX_TOKENS = 500
MAX_TOKEN = 2**63 - 1
CLOSE_BAD_MESSAGE = 4400
# Messages a page may send before it must be a program gone wild; refilled while it is quiet.
MESSAGE_BURST = 100
MESSAGES_PER_SECOND = 10.0


def transport_of(send: Any) -> Any:
    """Return the server's transport under an ASGI send function; None where there is none.

    ASGI says nothing of full buffers, so this looks through the session wrapper to the protocol
    that Daphne binds into `send`.
    """
    while (wrapped := getattr(getattr(send, "__self__", None), "real_send", None)) is not None:
        send = wrapped
    bound = getattr(send, "args", ())
    return getattr(bound[0], "transport", None) if bound else None


class ConsoleConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One page's socket. Needs a logged-in session; the Origin is checked by the routing.

    The routing also says, in `subject`, whose events the page shows, and in `is_allowed` whether
    the session still stands and still shows them.
    """

    # The hub brings private events: no channel layer, no subscription per socket.
    channel_layer_alias: ClassVar[str | None] = None
    hub: Hub
    listener: Listener

    async def connect(self) -> None:
        """Accept a logged-in user and say hello with the number of the newest event."""
        user = self.scope.get("user")
        if user is None or not user.is_authenticated or not user.is_active:
            await self.close(code=CLOSE_NOT_ALLOWED)
            return
        self.hub = current_hub()
        subject = self.scope.get("subject", user)
        self.listener = Listener(
            user_id=subject.pk,
            opened_by=user.pk,
            send=self._send_text,
            close=self._abort,
            is_allowed=self.scope["is_allowed"],
        )
        self._transport = transport_of(self.base_send)
        self._credit, self._heard_at = float(MESSAGE_BURST), _seconds()
        await self.accept()
        self._watch_pressure(self.listener.pressure)
        if not await self.hub.join(self.listener):
            await self.close(code=CLOSE_TOO_MANY)
            return
        newest, _ = await self._missed(after=0)
        await self._answer({"t": "hello", "user": subject.public_id, "seq": newest})

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if hasattr(self, "listener"):
            await self.hub.leave(self.listener)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the page asks; nonsense is answered, a flood is cut off."""
        if not text_data or len(text_data) > MAX_MESSAGE or not self._has_credit():
            await self.close(code=CLOSE_BAD_MESSAGE)
            return
        try:
            message = orjson.loads(text_data)
            action = str(message["a"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            await self._refuse("Messages are JSON objects with an action `a`.")
            return
        if action in {"subscribe", "unsubscribe"}:
            await self._change_tokens(action, message.get("v"))
        elif action == "resume":
            await self._resume(message.get("seq"))
        elif action == "ping":
            await self._answer({"t": "pong"})
        else:
            await self._refuse("Known actions: subscribe, unsubscribe, resume, ping.")

    async def _change_tokens(self, action: str, tokens: object) -> None:
        if not _is_token_list(tokens):
            await self._refuse("`v` is a list of instrument tokens.")
            return
        if action == "unsubscribe":
            self.hub.unwatch(self.listener, tokens)
            return
        if len(self.listener.tokens | set(tokens)) > MAX_TOKENS:
            await self._refuse(f"A page can watch {MAX_TOKENS} instruments.")
            return
        unknown = await self.hub.watch(self.listener, tokens)
        if unknown:
            await self._refuse(f"Unknown instruments: {sorted(unknown)[:5]}.")

    async def _resume(self, sequence: object) -> None:
        """Send the private events after a number, or say that the page must reload its data."""
        if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
            await self._refuse("`seq` is the number of the last event seen.")
            return
        newest, frames = await self._missed(after=sequence)
        if frames is None:
            await self._answer({"t": "resync", "seq": newest})
            return
        for frame in frames:
            await self._send_text(frame.decode())

    async def _missed(self, *, after: int) -> tuple[int, list[bytes] | None]:
        async with connect_async() as client:
            return await missed_events(client, self.listener.user_id, after=after)

    async def _answer(self, message: dict[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _refuse(self, text: str) -> None:
        await self._answer({"t": "error", "message": text})

    async def _send_text(self, text: str) -> None:
        try:
            await self.base_send({"type": "websocket.send", "text": text})
        except Disconnected as error:
            raise ConnectionResetError("the page has gone") from error

    async def _abort(self, code: int) -> None:
        """Close; a buffer that nobody empties would hold the closing words back for ever."""
        await self.close(code=code)
        if self.listener.pressure.full_since is not None and self._transport is not None:
            self._transport.abortConnection()

    def _watch_pressure(self, pressure: Pressure) -> None:
        if self._transport is None:
            return
        # The HTTP side of the connection stays registered after the upgrade, with no use.
        self._transport.unregisterProducer()
        self._transport.registerProducer(pressure, True)  # noqa: FBT003 - Twisted's signature

    def _has_credit(self) -> bool:
        now = _seconds()
        refill = (now - self._heard_at) * MESSAGES_PER_SECOND
        self._credit = min(self._credit + refill, float(MESSAGE_BURST)) - 1.0
        self._heard_at = now
        return self._credit >= 0


def _seconds() -> float:
    return asyncio.get_running_loop().time()


def _is_token_list(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(token, int) and not isinstance(token, bool) and 0 < token <= MAX_TOKEN
        for token in value
    )
