"""Decide which recorded rows are believed (decisions 23); replay and backtest share this."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

from market.domain.calendars import IST, is_exchange_open
from market.domain.candles import CandleBar, is_consistent, path_of_bar
from market.domain.enums import Calendar
from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Depth, Tick

# Rejections kept with their line, so that a report can name rows and not only count them.
NAMED_ROWS = 20


class RejectReason(StrEnum):
    """Why a row was not used; the first five in the order in which they are asked."""

    DUPLICATE = "exact duplicate of an earlier row"
    OUT_OF_SESSION = "out of session"
    TIME_BACKWARDS = "time before the last accepted"
    VOLUME_BACKWARDS = "volume before the last accepted"
    BAD_PRICE = "price not above zero, not a number or off tick"
    CROSSED_BOOK = "best bid at or above best ask"
    OTHER_INSTRUMENT = "row of another instrument"
    UNREADABLE = "row cannot be read"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not used; `line` counts from 1 with the header."""

    line: int
    reason: RejectReason
    text: str = ""


@dataclass(frozen=True, slots=True)
class TickRow:
    """One recorded trade or price as read, before it is believed.

    `volume` is cumulative for the day; None where the recording has single trades, whose
    quantities then add up. `key` is what makes two rows the same.
    """

    line: int
    time: datetime
    price: Decimal
    volume: Decimal | None
    quantity: Decimal | None
    key: Hashable
    depth: Depth | None = None


@dataclass(frozen=True, slots=True)
class BarRow:
    """One recorded candle as read, before it is believed."""

    line: int
    bar: CandleBar
    key: Hashable


def is_crossed(depth: Depth | None) -> bool:
    """Say whether a book offers to buy at or above its own selling price."""
    return bool(depth and depth.bids and depth.asks) and (
        depth is not None and depth.bids[0].price >= depth.asks[0].price
    )


@dataclass(slots=True)
class TickCleaner:
    """Accepts or rejects the rows of one recording, in order, and counts both."""

    spec: InstrumentSpec
    accepted: int = 0
    counts: Counter[RejectReason] = field(default_factory=Counter)
    named: list[Rejection] = field(default_factory=list)
    _seen: set[Hashable] = field(default_factory=set)
    _day: date | None = None
    _time: datetime | None = None
    _volume: Decimal = Decimal(0)

    @property
    def rejected(self) -> int:
        """Return how many rows were rejected, whatever the reason."""
        return self.counts.total()

    def accept(self, row: TickRow) -> Tick | Rejection:
        """Return the tick of a row, or why there is none."""
        reason = self._doubt(row)
        if reason is not None:
            return self.reject(row.line, reason, str(row.price))
        before = self._volume if self._is_same_day(row.time) else Decimal(0)
        volume = before + (row.quantity or 0) if row.volume is None else row.volume
        quantity = volume - before if row.quantity is None else row.quantity
        self._remember(row.time, volume)
        self.accepted += 1
        return Tick(
            instrument_token=self.spec.instrument_token,
            price=row.price,
            exchange_time=row.time,
            volume=volume,
            last_quantity=quantity,
            depth=row.depth,
        )

    def accept_bar(self, row: BarRow) -> CandleBar | Rejection:
        """Return the bar of a row, or why there is none."""
        reason = self._doubt_bar(row)
        if reason is not None:
            return self.reject(row.line, reason, str(row.bar.close))
        self._remember(row.bar.time, Decimal(0))
        self.accepted += 1
        return row.bar

    def reject(self, line: int, reason: RejectReason, text: str) -> Rejection:
        """Count a row that is not used."""
        rejection = Rejection(line, reason, text[:80])
        self.counts[reason] += 1
        if len(self.named) < NAMED_ROWS:
            self.named.append(rejection)
        return rejection

    def _doubt(self, row: TickRow) -> RejectReason | None:
        if row.key in self._seen:
            return RejectReason.DUPLICATE
        self._seen.add(row.key)
        checks = (
            (not is_exchange_open(self.spec.calendar, row.time), RejectReason.OUT_OF_SESSION),
            (self._time is not None and row.time < self._time, RejectReason.TIME_BACKWARDS),
            (self._is_volume_backwards(row), RejectReason.VOLUME_BACKWARDS),
            (not self._is_price(row.price), RejectReason.BAD_PRICE),
            (is_crossed(row.depth), RejectReason.CROSSED_BOOK),
        )
        return next((reason for is_wrong, reason in checks if is_wrong), None)

    def _doubt_bar(self, row: BarRow) -> RejectReason | None:
        bar = row.bar
        if row.key in self._seen:
            return RejectReason.DUPLICATE
        self._seen.add(row.key)
        prices = (bar.open, bar.high, bar.low, bar.close)
        is_priced = all(map(self._is_price, prices)) and is_consistent(bar)
        checks = (
            (not is_exchange_open(self.spec.calendar, bar.time), RejectReason.OUT_OF_SESSION),
            (self._time is not None and bar.time <= self._time, RejectReason.TIME_BACKWARDS),
            (not is_priced, RejectReason.BAD_PRICE),
        )
        return next((reason for is_wrong, reason in checks if is_wrong), None)

    def _is_price(self, price: Decimal) -> bool:
        return price.is_finite() and price > 0 and self.spec.is_on_tick(price)

    def _is_volume_backwards(self, row: TickRow) -> bool:
        if row.volume is None or not self._is_same_day(row.time):
            return False
        return row.volume < self._volume

    def _day_of(self, moment: datetime) -> date:
        return (moment.astimezone(IST) if self.spec.calendar is Calendar.NSE else moment).date()

    def _is_same_day(self, moment: datetime) -> bool:
        return self._day == self._day_of(moment)

    def _remember(self, moment: datetime, volume: Decimal) -> None:
        self._day, self._time, self._volume = self._day_of(moment), moment, volume


def ticks_of_bar(
    bar: CandleBar, *, spec: InstrumentSpec, length: timedelta, day_volume: Decimal
) -> list[Tick]:
    """Return the four ticks a bar stands for (bots.md 1.2), spread evenly over its length."""
    quarter = to_step(bar.volume / 4, step=spec.lot_size, rounding=ROUND_FLOOR)
    quantities = (quarter, quarter, quarter, bar.volume - 3 * quarter)
    ticks = []
    for number, (price, quantity) in enumerate(zip(path_of_bar(bar), quantities, strict=True)):
        day_volume += quantity
        ticks.append(
            Tick(
                instrument_token=spec.instrument_token,
                price=price,
                exchange_time=bar.time + length * number / 4,
                volume=day_volume,
                last_quantity=quantity,
            )
        )
    return ticks
