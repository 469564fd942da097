"""Runs a strategy over a recorded path: the very functions that run live, another runner.

Every tick is treated in the order of bots.md 1.2: resting orders, the bot's decision, immediate
orders, the row. Outside the prices of resting orders, the strategy's band and its due time nothing
can happen, so the run jumps from wake-up to wake-up; a test holds it equal to the run that looks
at every tick.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bots.domain.backtest_venue import LastTradeVenue, VenueTerms
from bots.domain.strategy import (
    CancelOrder,
    Event,
    Intent,
    MarketTick,
    Note,
    OrderAccepted,
    OrderFilled,
    PlaceOrder,
    Start,
    Strategy,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_CHUNK = 128
LARGEST_CHUNK = 1 << 16
NEVER = np.iinfo(np.int64).max
Ints = NDArray[np.int64]


class InvalidPath(ValueError):
    """Give another path: this one cannot be walked."""


@dataclass(frozen=True, slots=True)
class PricePath:
    """Last-trade prices in ticks, with market times in microseconds since 1970.

    `row_ends` are the positions after which a row is written: every tick, or a bar's fourth.
    """

    prices: Ints
    times: Ints
    tick_size: Decimal
    row_ends: Ints

    def __len__(self) -> int:
        return len(self.prices)

    def price(self, position: int) -> Decimal:
        """Return a price in quote asset."""
        return int(self.prices[position]) * self.tick_size

    def time(self, position: int) -> datetime:
        """Return a market time."""
        return EPOCH + int(self.times[position]) * MICROSECOND


def microseconds(time: datetime) -> int:
    """Return a time as the path counts it."""
    return (time - EPOCH) // MICROSECOND


def path_of_prices(
    prices: Sequence[Decimal], times: Sequence[datetime], *, tick_size: Decimal
) -> PricePath:
    """Return the path of single ticks; a price off tick is refused by its position."""
    ticks = np.empty(len(prices), dtype=np.int64)
    for position, price in enumerate(prices):
        count = price / tick_size
        if price <= 0 or count != count.to_integral_value():
            raise InvalidPath(f"price {position + 1} ({price}) is not a multiple of {tick_size}")
        ticks[position] = int(count)
    stamps = np.array([microseconds(time) for time in times], dtype=np.int64)
    return _checked(ticks, stamps, tick_size=tick_size, row_ends=np.arange(len(ticks)))


def ticks_of_bars(bars: Ints) -> Ints:
    """Return four prices for each row of open, high, low, close, in the order of bots.md 1.2."""
    opening, high, low, close = (bars[:, column] for column in range(4))
    rising = close >= opening
    prices = np.empty((len(bars), 4), dtype=np.int64)
    prices[:, 0], prices[:, 3] = opening, close
    prices[:, 1] = np.where(rising, low, high)
    prices[:, 2] = np.where(rising, high, low)
    flat: Ints = prices.ravel()
    return flat


def path_of_bars(bars: Ints, times: Ints, *, tick_size: Decimal, bar_seconds: int) -> PricePath:
    """Return the path of bars: rows of open, high, low, close in ticks; times of their starts.

    A bar becomes four ticks: open, low, high, close if it did not fall, else open, high, low,
    close; they are spread evenly over its length.
    """
    prices = ticks_of_bars(bars)
    quarter = bar_seconds * 1_000_000 // 4
    stamps = times[:, None] + np.arange(4, dtype=np.int64) * quarter
    row_ends = np.arange(len(bars), dtype=np.int64) * 4 + 3
    return _checked(prices, stamps.ravel(), tick_size=tick_size, row_ends=row_ends)


def _checked(prices: Ints, times: Ints, *, tick_size: Decimal, row_ends: Ints) -> PricePath:
    if not len(prices):
        raise InvalidPath("the path has no prices")
    if len(times) != len(prices):
        raise InvalidPath("the path has as many times as prices")
    if (prices <= 0).any():
        raise InvalidPath(f"price {int(np.argmax(prices <= 0)) + 1} is not above zero")
    backward = np.diff(times) < 0
    if backward.any():
        raise InvalidPath(f"time {int(np.argmax(backward)) + 2} lies before the one it follows")
    return PricePath(prices=prices, times=times, tick_size=tick_size, row_ends=row_ends)


# ------------------------------------------------------------------------------------------ runs


@dataclass(frozen=True, slots=True)
class RunFill:
    """One trade of a run; `note` is what the strategy said of it when it completed a pair."""

    position: int
    order: PlaceOrder
    trade: OrderFilled
    pair: Note | None


@dataclass(slots=True)
class Run:
    """A finished (or running) walk: fills in order, notes, rows, the state at the end."""

    state: Any
    fills: list[RunFill] = field(default_factory=list)
    notes: list[tuple[int, Intent]] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    opening_orders: list[PlaceOrder] = field(default_factory=list)
    closing_orders: list[PlaceOrder] = field(default_factory=list)
    # (position, cash, units) after every position at which something could happen.
    holdings: list[tuple[int, float, float]] = field(default_factory=list)
    steps: int = 0


RowWriter = Callable[[Any, int, PricePath], Any]


class Backtest:
    """One strategy on one path.

    `row` makes a row of the state at a position, `holding` tells its cash and units for the
    equity curve; None: neither is kept.
    """

    def __init__(
        self,
        strategy: Strategy,
        config: Any,
        path: PricePath,
        *,
        terms: VenueTerms,
        bot_ref: str = "b1",
        row: RowWriter | None = None,
        holding: Callable[[Any], tuple[float, float]] | None = None,
    ) -> None:
        self.strategy = strategy
        self.config = config
        self.path = path
        self.venue = LastTradeVenue(terms)
        self.row = row
        self.holding = holding
        self.run = Run(state=strategy.new_state(config, bot_ref=bot_ref))
        self._orders: dict[str, PlaceOrder] = {}
        self._queue: deque[Event] = deque()
        self._row_at = 0
        self._position = 0
        self._below, self._above, self._due = 0, NEVER, NEVER

    def walk(self, *, is_jumping: bool = True) -> Run:
        """Run over the whole path."""
        path = self.path
        self._feed(Start(time=path.time(0), price=path.price(0)))
        self._finish_tick(0, is_start=True)
        position = self._next(0, is_jumping=is_jumping)
        while position < len(path):
            self._write_rows(position)
            self._tick(position, is_jumping=is_jumping)
            position = self._next(position, is_jumping=is_jumping)
        self._write_rows(len(path))
        self.run.closing_orders = self.venue.orders()
        return self.run

    def _tick(self, position: int, *, is_jumping: bool) -> None:
        self._position = position
        path = self.path
        ticks, time = int(path.prices[position]), path.time(position)
        before = int(path.prices[position - 1])
        for fill in self.venue.match(ticks, previous=before, time=time):
            self._feed(fill)
        if not is_jumping or self._concerns(position, ticks):
            price = ticks * path.tick_size
            self._feed(MarketTick(time=time, price=price, sequence=position + 1))
        self._finish_tick(position)

    def _finish_tick(self, position: int, *, is_start: bool = False) -> None:
        """Fill immediate orders at this tick's price until nothing happens any more."""
        price, time = self.path.price(position), self.path.time(position)
        while self.venue.has_immediate:
            for event in self.venue.match_immediate(price, time=time):
                self._feed(event)
        if is_start:
            self.run.opening_orders = self.venue.orders()
        if self.holding is not None:
            self.run.holdings.append((position, *self.holding(self.run.state)))

    # -------------------------------------------------------------------------------- one event

    def _feed(self, event: Event) -> None:
        self._queue.append(event)
        while self._queue:
            self._step(self._queue.popleft())

    def _step(self, event: Event) -> None:
        run = self.run
        run.steps += 1
        run.state, intents = self.strategy.step(self.config, run.state, event)
        pair: Note | None = None
        for intent in intents:
            match intent:
                case PlaceOrder():
                    self._orders[intent.slot_ref] = intent
                    self.venue.place(intent)
                    accepted = OrderAccepted(slot_ref=intent.slot_ref, time=event.time)
                    self._queue.append(accepted)
                case CancelOrder():
                    ended = self.venue.cancel(intent.slot_ref, time=event.time)
                    if ended is not None:
                        self._queue.append(ended)
                case _:
                    run.notes.append((self._position, intent))
                    if isinstance(intent, Note) and intent.kind == "pair":
                        pair = intent
        if isinstance(event, OrderFilled):
            order = self._orders.pop(event.slot_ref)
            run.fills.append(RunFill(self._position, order, event, pair))

    # ------------------------------------------------------------------------------- where next

    def _concerns(self, position: int, ticks: int) -> bool:
        self._arm()
        if ticks <= self._below or ticks >= self._above:
            return True
        return int(self.path.times[position]) >= self._due

    def _arm(self) -> None:
        below, above = 0, NEVER
        for band in self.strategy.bands(self.config, self.run.state):
            if band.wake_below is not None:
                below = max(below, self._in_ticks(band.wake_below, ROUND_FLOOR))
            if band.wake_above is not None:
                above = min(above, self._in_ticks(band.wake_above, ROUND_CEILING))
        self._below, self._above = below, above
        due = self.strategy.next_due(self.config, self.run.state)
        self._due = NEVER if due is None else microseconds(due)

    def _in_ticks(self, price: Decimal, rounding: str) -> int:
        ticks = int((price / self.path.tick_size).to_integral_value(rounding=rounding))
        return min(ticks, NEVER - 1)

    def _next(self, position: int, *, is_jumping: bool) -> int:
        """Return the next position at which something can happen; the path's length for none."""
        if not is_jumping:
            return position + 1
        self._arm()
        highest, lowest = self.venue.highest_buy, self.venue.lowest_sell
        below = self._below if highest is None else max(self._below, highest)
        above = self._above if lowest is None else min(self._above, lowest)
        end = len(self.path)
        if self._due != NEVER:
            due = int(np.searchsorted(self.path.times, self._due))
            end = min(end, max(due, position + 1))
        return first_outside(self.path.prices, position + 1, end, below=below, above=above)

    def _write_rows(self, position: int) -> None:
        """Write the rows that end before a position; the state has not changed since."""
        if self.row is None:
            return
        ends = self.path.row_ends
        while self._row_at < len(ends) and ends[self._row_at] < position:
            self.run.rows.append(self.row(self.run.state, int(ends[self._row_at]), self.path))
            self._row_at += 1


def first_outside(prices: Ints, start: int, end: int, *, below: int, above: int) -> int:
    """Return the first position in [start, end) with a price <= below or >= above, else `end`."""
    size = FIRST_CHUNK
    while start < end:
        stop = min(start + size, end)
        chunk = prices[start:stop]
        outside = (chunk <= below) | (chunk >= above)
        found = int(outside.argmax())
        if outside[found]:
            return start + found
        start, size = stop, min(size * 4, LARGEST_CHUNK)
    return end
