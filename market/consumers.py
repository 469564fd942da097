"""The console's WebSocket: live prices and the user's private events on one socket."""

from typing import Any, ClassVar, TypeGuard

import orjson

from market.console_writer import CONSOLE
from market.listeners import CLOSE_NOT_ALLOWED, CLOSE_TOO_MANY, Listener
from market.sockets import HubConsumer
from market.streams import connect_async, missed_events

MAX_MESSAGE = 16_384
MAX_TOKENS = 500
MAX_TOKEN = 2**63 - 1
CLOSE_BAD_MESSAGE = 4400


class ConsoleConsumer(HubConsumer):
    """One page's socket. Needs a logged-in session; the Origin is checked by the routing.

    The routing also says, in `subject`, whose events the page shows, and in `is_allowed` whether
    the session still stands and still shows them.
    """

    message_burst: ClassVar[float] = 100.0
    messages_per_second: ClassVar[float] = 10.0

    async def connect(self) -> None:
        """Accept a logged-in user and say hello with the number of the newest event."""
        user = self.scope.get("user")
        if user is None or not user.is_authenticated or not user.is_active:
            await self.close(code=CLOSE_NOT_ALLOWED)
            return
        subject = self.scope.get("subject", user)
        listener = Listener(
            user_id=subject.pk,
            opened_by=user.pk,
            writer=CONSOLE,
            send=self.send_frame,
            close=self.abort,
            is_allowed=self.scope["is_allowed"],
        )
        if not await self.open(listener):
            await self.close(code=CLOSE_TOO_MANY)
            return
        newest, _ = await self._missed(after=0)
        await self.greet({"t": "hello", "user": subject.public_id, "seq": newest})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the page asks; nonsense is answered, a flood is cut off."""
        if not text_data or len(text_data) > MAX_MESSAGE or not self.has_credit():
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
        if len(self.listener.modes.keys() | set(tokens)) > MAX_TOKENS:
            await self._refuse(f"A page can watch {MAX_TOKENS} instruments.")
            return
        unknown = await self.hub.watch(self.listener, dict.fromkeys(tokens, ""))
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
            await self.send_frame(frame.decode())

    async def _missed(self, *, after: int) -> tuple[int, list[bytes] | None]:
        async with connect_async() as client:
            return await missed_events(client, self.listener.user_id, after=after)

    async def _answer(self, message: dict[str, Any]) -> None:
        await self.send_frame(orjson.dumps(message).decode())

    async def _refuse(self, text: str) -> None:
        await self._answer({"t": "error", "message": text})


def _is_token_list(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(token, int) and not isinstance(token, bool) and 0 < token <= MAX_TOKEN
        for token in value
    )
