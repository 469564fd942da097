"""Turn raw Binance messages, as recorded, into trades with the ten best levels beside them.

A line is the recorder's nanoseconds, a space, and one message: a REST depth snapshot, or a
stream message with a depth diff, a best price or a trade.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from market.domain.cleaning import RejectReason, TickRow
from market.domain.ticks import Depth, DepthLevel

DEPTH_LEVELS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_binance_line(line: str) -> bool:
    """Say whether a line looks like a recorded message."""
    stamp, _, message = line.partition(" ")
    return stamp.isdigit() and len(stamp) >= 16 and message.startswith("{")


@dataclass(slots=True)
class _BookSide:
    """One side of a book; `prices` ascends."""

    sizes: dict[Decimal, Decimal] = field(default_factory=dict)
    prices: list[Decimal] = field(default_factory=list)

    def put(self, price: Decimal, size: Decimal) -> None:
        """Set the size offered at a price; zero removes the level."""
        is_known = price in self.sizes
        if size:
            self.sizes[price] = size
            if not is_known:
                insort(self.prices, price)
        elif is_known:
            del self.sizes[price]
            del self.prices[bisect_left(self.prices, price)]


@dataclass(frozen=True, slots=True)
class _BestPrice:
    update: int
    bid: DepthLevel
    ask: DepthLevel


@dataclass(slots=True)
class RebuiltBook:
    """A book kept by Binance's rules: snapshot, then diffs without a gap; a gap empties it."""

    bids: _BookSide = field(default_factory=_BookSide)
    asks: _BookSide = field(default_factory=_BookSide)
    last_update: int = 0
    is_synchronised: bool = False
    gaps: int = 0
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _best: _BestPrice | None = None

    def apply_snapshot(self, message: dict[str, Any]) -> None:
        """Start over from a REST snapshot and the diffs that came before it arrived."""
        self.bids, self.asks = _BookSide(), _BookSide()
        self._put_levels(message["bids"], message["asks"])
        self.last_update = message["lastUpdateId"]
        self.is_synchronised = True
        waiting, self._waiting = self._waiting, []
        for diff in waiting:
            self.apply_diff(diff)

    def apply_diff(self, diff: dict[str, Any]) -> None:
        """Apply one diff; one that does not follow the last makes the book unusable."""
        if not self.is_synchronised:
            self._waiting.append(diff)
            return
        if diff["u"] <= self.last_update:
            return
        previous = diff.get("pu")
        # Futures name the update before; the first diff after a snapshot overlaps it instead.
        follows = previous == self.last_update if previous is not None else False
        if not follows and diff["U"] > self.last_update + 1:
            self.is_synchronised, self._waiting = False, []
            self.gaps += 1
            return
        self._put_levels(diff["b"], diff["a"])
        self.last_update = diff["u"]

    def apply_best(self, message: dict[str, Any]) -> None:
        """Remember the best prices, which arrive before the diff that contains them."""
        self._best = _BestPrice(
            update=message["u"],
            bid=DepthLevel(Decimal(message["b"]), Decimal(message["B"])),
            ask=DepthLevel(Decimal(message["a"]), Decimal(message["A"])),
        )

    def depth(self) -> Depth | None:
        """Return the ten best levels a side; None while the book cannot be trusted."""
        if not self.is_synchronised:
            return None
        best = self._best
        if best is not None and best.update <= self.last_update:
            best = None
        return Depth(
            bids=self._top(self.bids, best.bid if best else None, is_bid=True),
            asks=self._top(self.asks, best.ask if best else None, is_bid=False),
        )

    def _put_levels(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                side.put(Decimal(price), Decimal(size))

    @staticmethod
    def _top(side: _BookSide, best: DepthLevel | None, *, is_bid: bool) -> tuple[DepthLevel, ...]:
        """Take levels from the best on; a newer best price cuts off what it has overtaken."""
        prices = side.prices
        if best is None:
            chosen = prices[: -DEPTH_LEVELS - 1 : -1] if is_bid else prices[:DEPTH_LEVELS]
            return tuple(DepthLevel(price, side.sizes[price]) for price in chosen)
        cut = bisect_left(prices, best.price)
        if is_bid:
            chosen = prices[max(0, cut - DEPTH_LEVELS + 1) : cut][::-1]
        else:
            start = cut + (cut < len(prices) and prices[cut] == best.price)
            chosen = prices[start : start + DEPTH_LEVELS - 1]
        return (best, *(DepthLevel(price, side.sizes[price]) for price in chosen))


@dataclass(slots=True)
class BinanceLog:
    """Reads the lines of one log in order; trades come out with the book as it then was."""

    symbol: str
    book: RebuiltBook = field(default_factory=RebuiltBook)

    def read(self, number: int, line: str) -> TickRow | RejectReason | None:
        """Return the trade of a line, or None for a message that only changes the book."""
        stamp, _, text = line.partition(" ")
        if not stamp.isdigit():
            raise ValueError("no recorder time")
        message = orjson.loads(text)
        if "lastUpdateId" in message:
            self.book.apply_snapshot(message)
            return None
        data = message["data"]
        if data["s"] != self.symbol:
            return RejectReason.OTHER_INSTRUMENT
        kind = data.get("e", "bookTicker")
        if kind == "trade":
            return self._trade(number, data)
        if kind == "depthUpdate":
            self.book.apply_diff(data)
        elif kind == "bookTicker":
            self.book.apply_best(data)
        return None

    def _trade(self, number: int, data: dict[str, Any]) -> TickRow:
        return TickRow(
            line=number,
            time=_EPOCH + timedelta(milliseconds=data["T"]),
            price=Decimal(data["p"]),
            volume=None,
            quantity=Decimal(data["q"]),
            key=data["t"],
            depth=self.book.depth(),
        )
