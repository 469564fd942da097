"""Candles: fold ticks into minute bars, and finer bars into coarser ones."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from market.domain.enums import Calendar, Interval
from market.domain.ticks import Tick

INTERVAL_LENGTHS = {
    Interval.MINUTE: timedelta(minutes=1),
    Interval.MINUTE_3: timedelta(minutes=3),
    Interval.MINUTE_5: timedelta(minutes=5),
    Interval.MINUTE_10: timedelta(minutes=10),
    Interval.MINUTE_15: timedelta(minutes=15),
    Interval.MINUTE_30: timedelta(minutes=30),
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
}
# Bars of a day begin with the session (09:15 IST) and days with the local date (00:00 IST).
_SESSION_ANCHOR = datetime(1970, 1, 1, 3, 45, tzinfo=UTC)
_INDIAN_MIDNIGHT = datetime(1969, 12, 31, 18, 30, tzinfo=UTC)
_UTC_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CandleBar:
    """One bar; `time` is its start in market time, `volume` in units."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def interval_anchor(interval: Interval, *, calendar: Calendar) -> datetime:
    """Return a moment at which a bar of this interval begins."""
    if calendar is Calendar.ALWAYS:
        return _UTC_MIDNIGHT
    return _INDIAN_MIDNIGHT if interval is Interval.DAY else _SESSION_ANCHOR


def bar_start(time: datetime, *, interval: Interval, calendar: Calendar) -> datetime:
    """Return the start of the bar that a moment belongs to."""
    anchor = interval_anchor(interval, calendar=calendar)
    length = INTERVAL_LENGTHS[interval]
    return anchor + (time - anchor) // length * length


def minute_start(time: datetime) -> datetime:
    """Return the start of the minute that a moment belongs to."""
    return time.replace(second=0, microsecond=0)


def bar_of_tick(tick: Tick) -> CandleBar:
    """Return the minute bar that a tick opens."""
    return CandleBar(
        time=minute_start(tick.exchange_time),
        open=tick.price,
        high=tick.price,
        low=tick.price,
        close=tick.price,
        volume=tick.last_quantity,
    )


def merge_bars(first: CandleBar, second: CandleBar) -> CandleBar:
    """Return one bar for two that follow each other; it keeps the time of the first."""
    return replace(
        first,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=first.volume + second.volume,
    )


def fold_tick(open_bar: CandleBar | None, tick: Tick) -> tuple[CandleBar, CandleBar | None]:
    """Add a tick to the open minute; return the open minute and the one it closed, if any."""
    started = bar_of_tick(tick)
    if open_bar is None:
        return started, None
    if started.time > open_bar.time:
        return started, open_bar
    return merge_bars(open_bar, started), None


def aggregate_bars(
    bars: Iterable[CandleBar], *, interval: Interval, calendar: Calendar
) -> list[CandleBar]:
    """Gather finer bars, oldest first, into bars of a coarser interval."""
    gathered: list[CandleBar] = []
    for bar in bars:
        start = bar_start(bar.time, interval=interval, calendar=calendar)
        if gathered and gathered[-1].time == start:
            gathered[-1] = merge_bars(gathered[-1], bar)
        else:
            gathered.append(replace(bar, time=start))
    return gathered


def path_of_bar(bar: CandleBar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return the four prices a bar stands for, in the order of bots.md 1.2."""
    if bar.close >= bar.open:
        return bar.open, bar.low, bar.high, bar.close
    return bar.open, bar.high, bar.low, bar.close


def is_consistent(bar: CandleBar) -> bool:
    """Say whether low and high enclose open and close and the volume is not negative."""
    return (
        0 < bar.low <= min(bar.open, bar.close)
        and max(bar.open, bar.close) <= bar.high
        and bar.volume >= 0
    )
