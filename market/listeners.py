"""One socket as the hub sees it, and what is written to sockets of its kind."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from market.domain.ticks import Quote

CLOSE_GONE = 1000
CLOSE_NOT_ALLOWED = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_TOO_MANY = 4429

Frame = str | bytes


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


@dataclass(frozen=True, slots=True)
class Listing:
    """What writing an instrument needs to know of it."""

    symbol: str
    decimals: int
    limit: timedelta


@dataclass(slots=True)
class Ticker:
    """The newest state of one instrument, how it is written, and whether it was shown stale."""

    quote: Quote
    listing: Listing
    is_stale: bool = False

    def is_too_old(self, now: datetime) -> bool:
        """Say whether nobody should trade on this price any more."""
        return not self.quote.is_fresh(now=now, limit=self.listing.limit)


class Writer(ABC):
    """How sockets of one kind are written to; one object for all of them."""

    # The time between two frames of prices to one socket.
    seconds: float
    # How many sockets one person may have in one process.
    most_sockets: int
    # Sent every second, whatever else is; empty: nothing is.
    heartbeat: Frame = ""
    shows_age: bool = True

    @abstractmethod
    def pack(self, ticker: Ticker, mode: str, now: datetime) -> Frame:
        """Write an instrument's part of a frame."""

    @abstractmethod
    def frame(self, parts: Sequence[Frame]) -> Frame:
        """Join the parts of one frame."""

    @abstractmethod
    async def told(self, frames: Sequence[bytes]) -> list[list[str]]:
        """Return what sockets are sent of each private event."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Watch:
    """What sockets watch: instruments, each in a mode. Equal sockets share one object."""

    modes: Mapping[int, str]
    tokens: frozenset[int]


@dataclass(eq=False, slots=True)
class Listener:
    """One socket: what it watches, what it is owed, and how to reach it."""

    user_id: int
    writer: Writer
    send: Callable[[Frame], Awaitable[None]]
    close: Callable[[int], Awaitable[None]]
    is_allowed: Callable[[], Awaitable[bool]]
    pressure: Pressure = field(default_factory=Pressure)
    modes: dict[int, str] = field(default_factory=dict)
    # None after a change of `modes`, until it is next served.
    watch: Watch | None = None
    owed: set[int] = field(default_factory=set)
    # Who has opened it, where that is not the user whose events it carries.
    opened_by: int | None = None
    # When its session ends by itself.
    ends_at: datetime | None = None

    @property
    def opener(self) -> int:
        """Whose browser it is."""
        return self.user_id if self.opened_by is None else self.opened_by

    def set_modes(self, modes: Mapping[int, str]) -> None:
        """Watch these instruments too, in these modes."""
        self.modes |= modes
        self.watch = None

    def forget(self, tokens: frozenset[int]) -> None:
        """Watch these instruments no longer."""
        for token in tokens & self.modes.keys():
            del self.modes[token]
        self.owed -= tokens
        self.watch = None
