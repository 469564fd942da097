"""One socket as the hub sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


class Pressure:
    """Knows whether a socket's send buffer is full; the server's transport tells it.

    The names are those of Twisted's push producer, which is asked to pause when the transport
    holds more than 64 KiB that the other side has not taken.
    """

    def __init__(self) -> None:
        self.full_since: float | None = None

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the buffer is full."""
        if self.full_since is None:
            self.full_since = asyncio.get_running_loop().time()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the buffer has room."""
        self.full_since = None

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the connection is gone."""


@dataclass(eq=False, slots=True)
class Listener:
    """One socket: what it watches, what it is owed, and how to reach it."""

    user_id: int
    send: Callable[[str], Awaitable[None]]
    close: Callable[[int], Awaitable[None]]
    is_allowed: Callable[[], Awaitable[bool]]
    pressure: Pressure = field(default_factory=Pressure)
    tokens: frozenset[int] = frozenset()
    owed: set[int] = field(default_factory=set)
    # Who has opened it, where that is not the user whose events it carries.
    opened_by: int | None = None

    @property
    def opener(self) -> int:
        """Whose browser it is."""
        return self.user_id if self.opened_by is None else self.opened_by
