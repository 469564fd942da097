"""What all our sockets have in common: sending, closing, full buffers, floods."""

import asyncio
from functools import lru_cache
from typing import Any, ClassVar

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer

from market.hub import Hub, current_hub
from market.listeners import Frame, Listener, Pressure


def protocol_of(send: Any) -> Any:
    """Return the server's side of a socket under an ASGI send function; None where there is none.

    ASGI says nothing of full buffers, so this looks through the session wrapper to the protocol
    that Daphne binds into `send`.
    """
    while (wrapped := getattr(getattr(send, "__self__", None), "real_send", None)) is not None:
        send = wrapped
    bound = getattr(send, "args", ())
    return bound[0] if bound and hasattr(bound[0], "transport") else None


@lru_cache(maxsize=4)
def framed(frame: Frame) -> bytes:
    """Return a message as it goes over the wire from a server: once for all that are sent it."""
    first, payload = (0x81, frame.encode()) if isinstance(frame, str) else (0x82, frame)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload


class HubConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One socket of the hub."""

    # The hub brings private events: no channel layer, no subscription per socket.
    channel_layer_alias: ClassVar[str | None] = None
    # Messages a client may send before it must be a program gone wild; refilled while it is quiet.
    message_burst: ClassVar[float]
    messages_per_second: ClassVar[float]
    hub: Hub
    listener: Listener
    # What waits for the greeting; None where nothing has to.
    _held: list[Frame] | None = None
    # With what to close as soon as the greeting is said.
    _ends_with: int | None = None

    async def greet(self, hello: dict[str, Any] | None = None) -> None:
        """Send the greeting, where there is one, and then what has come since the hub was joined."""
        held, self._held = self._held or [], None
        for frame in held if hello is None else (orjson.dumps(hello).decode(), *held):
            await self.send_frame(frame)
        if self._ends_with is not None:
            await self.abort(self._ends_with)

    async def open(self, listener: Listener) -> bool:
        """Join the hub and accept the socket; False where its opener has too many.

        In this order: to a client that sees its socket open nothing gets lost any more.
        """
        self.listener, self.hub = listener, current_hub()
        self._protocol = protocol_of(self.base_send)
        self._credit, self._heard_at = self.message_burst, _seconds()
        self._held = []
        has_joined = await self.hub.join(listener)
        await self.accept()
        self._watch_pressure(listener.pressure)
        return has_joined

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if hasattr(self, "listener"):
            await self.hub.leave(self.listener)

    async def send_frame(self, frame: Frame) -> None:
        """Send one message: text or bytes.

        Under Daphne straight to the transport: its own way frames every message for each socket.
        No socket of ours compresses, so every client gets the same bytes.
        """
        if self._held is not None:
            self._held.append(frame)
            return
        protocol = self._protocol
        if protocol is not None:
            if protocol.state != protocol.STATE_OPEN:
                raise ConnectionResetError("the other side has gone")
            protocol.transport.write(framed(frame))
            return
        kind = "text" if isinstance(frame, str) else "bytes"
        await self.base_send({"type": "websocket.send", kind: frame})

    async def abort(self, code: int) -> None:
        """Close; a buffer that nobody empties would hold the closing words back for ever."""
        if self._held is not None:
            self._ends_with = code
            return
        await self.close(code=code)
        if self.listener.pressure.full_since is not None and self._protocol is not None:
            self._protocol.transport.abortConnection()

    def has_credit(self) -> bool:
        """Count a message; False where there were too many."""
        now = _seconds()
        refill = (now - self._heard_at) * self.messages_per_second
        self._credit = min(self._credit + refill, self.message_burst) - 1.0
        self._heard_at = now
        return self._credit >= 0

    def _watch_pressure(self, pressure: Pressure) -> None:
        if self._protocol is None:
            return
        # The HTTP side of the connection stays registered after the upgrade, with no use.
        self._protocol.transport.unregisterProducer()
        self._protocol.transport.registerProducer(pressure, True)  # noqa: FBT003 - Twisted's signature


def _seconds() -> float:
    return asyncio.get_running_loop().time()
