"""Normalised market data: what every provider turns its messages into (mission A10)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from market.domain.enums import FillModel, SourceKind

_AVERAGE_STEP = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class DepthLevel:
    """One price level of a book: quote-asset price, units offered, number of orders."""

    price: Decimal
    quantity: Decimal
    orders: int = 1


@dataclass(frozen=True, slots=True)
class Depth:
    """Best levels first, at most ten a side."""

    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One accepted last-trade price. `volume` is cumulative for the day, in units.

    `sequence` ascends by one per instrument and source (decisions 18); 0 means "not numbered
    yet": the feed numbers a tick when it accepts it.
    """

    instrument_token: int
    price: Decimal
    exchange_time: datetime
    volume: Decimal
    last_quantity: Decimal
    sequence: int = 0
    depth: Depth | None = None


def source_name(source: str, run: str) -> str:
    """Return the text that names a source of prices: `SIMULATED` or `REPLAY:<run>`."""
    return f"{source}:{run}" if source == SourceKind.REPLAY else source


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest known state of an instrument, as kept in Redis.

    `exchange_time` is market time (dates trades and candles), `received_at` is wall time
    (measures age) - decisions 19. `traded_value` and `traded_quantity` are sums over those trades
    of the day that were seen one by one; `volume` may count more.
    """

    instrument_token: int
    source: SourceKind
    run: str
    fill_model: FillModel
    sequence: int
    last_price: Decimal
    last_quantity: Decimal
    volume: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    exchange_time: datetime
    received_at: datetime
    depth: Depth | None
    traded_value: Decimal = Decimal(0)
    traded_quantity: Decimal = Decimal(0)

    @property
    def average_price(self) -> Decimal:
        """Return the day's average by volume to 8 decimals, the last price before any trade."""
        if not self.traded_quantity:
            return self.last_price
        return (self.traded_value / self.traded_quantity).quantize(_AVERAGE_STEP)

    @property
    def price_run(self) -> str:
        """Return the text that names the source: `SIMULATED` or `REPLAY:<run>`."""
        return source_name(self.source, self.run)

    def age(self, now: datetime) -> timedelta:
        """Return how long ago the quote was received, by the wall clock."""
        return now - self.received_at

    def is_fresh(self, *, now: datetime, limit: timedelta) -> bool:
        """Say whether the quote is young enough to trade on."""
        return self.age(now) <= limit

    @property
    def best_bid(self) -> Decimal:
        """Return the best bid, or the last price where the source has no book."""
        return self.depth.bids[0].price if self.depth and self.depth.bids else self.last_price

    @property
    def best_ask(self) -> Decimal:
        """Return the best ask, or the last price where the source has no book."""
        return self.depth.asks[0].price if self.depth and self.depth.asks else self.last_price


@dataclass(frozen=True, slots=True)
class PriceInterval:
    """Lowest and highest tick of an instrument since the last wake-up pass (decisions 18).

    Its ticks, `first_sequence` to `sequence`, are all of one source, `price_run`.
    """

    instrument_token: int
    low: Decimal
    high: Decimal
    last: Decimal
    sequence: int
    first_sequence: int = 0
    price_run: str = ""
