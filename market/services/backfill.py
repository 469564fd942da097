"""Give the simulated market a past: the path of `domain.simulated`, computed in bulk by numpy."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from market.domain.candles import INTERVAL_LENGTHS, bar_start
from market.domain.enums import Calendar, Interval, SourceKind
from market.domain.instruments import InstrumentSpec
from market.domain.simulated import (
    DEFAULT_SEED,
    STRENGTHS,
    VOLATILITY_CHANNEL,
    VOLATILITY_SCALES,
    WALK_SECONDS,
    SimulatedPath,
    channel_key,
    simulated_path,
)
from market.models import Instrument
from market.services.candles import copy_new_bars, ensure_partitions

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
HOURS_BACK = timedelta(days=90)
MINUTES_BACK = timedelta(days=8)
# Moments of a bar whose prices make its high and low.
SAMPLES = {Interval.MINUTE: 12, Interval.HOUR: 60}
_PIECE = 1440
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GAP = """
    SELECT min(bar), max(bar)
      FROM generate_series(%(start)s, %(last)s, %(length)s::interval) AS bar
     WHERE NOT EXISTS (
        SELECT FROM market_candle
         WHERE instrument_id = %(token)s AND source = %(source)s AND interval = %(interval)s
           AND time = bar AND time >= %(start)s AND time <= %(last)s)
"""


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _noises(key: int, places: Floats) -> Floats:
    """Return smooth noise at ascending places; each random value is computed once."""
    first = int(places[0] // 1)
    count = int(places[-1] // 1) - first + 2
    keys = np.uint64(key) ^ np.arange(first, first + count).astype(np.uint64)
    values = (_mixed(keys) >> np.uint64(11)).astype(np.float64) / (1 << 52) - 1.0
    steps = np.floor(places).astype(np.int64)
    part = places - steps
    before, after = values[steps - first], values[steps - first + 1]
    return before + (after - before) * part * part * (3.0 - 2.0 * part)


def relative_prices(seed: int, path: SimulatedPath, seconds: Floats) -> Floats:
    """Return `domain.simulated.relative_price` at many ascending moments."""
    quick = np.zeros_like(seconds)
    slow = np.zeros_like(seconds)
    for number, (scale, strength) in enumerate(STRENGTHS):
        moved = strength * _noises(channel_key(seed, path.path, number), seconds / scale)
        if scale <= WALK_SECONDS:
            quick += moved
        else:
            slow += moved
    total = np.zeros_like(seconds)
    for number, (scale, strength) in enumerate(VOLATILITY_SCALES):
        key = channel_key(seed, path.path, VOLATILITY_CHANNEL + number)
        total += strength * np.sqrt(3.0) * _noises(key, seconds / scale)
    return np.asarray(np.exp(path.volatility * (quick * np.exp(total - 0.2) + slow)))


def _writer(spec: InstrumentSpec) -> Callable[[int], str]:
    """Return how a number of ticks is written as a price."""
    numerator, denominator = spec.tick_size.as_integer_ratio()
    decimals = max(-int(spec.tick_size.as_tuple().exponent), 0)
    scaled = numerator * 10**decimals // denominator

    def write(ticks: int) -> str:
        whole, part = divmod(ticks * scaled, 10**decimals)
        return f"{whole}.{part:0{decimals}d}" if decimals else str(whole)

    return write


@dataclass(frozen=True, slots=True)
class _Span:
    """Bars to make: `count` of them from `start` on."""

    interval: Interval
    start: datetime
    count: int


def _bar_lines(spec: InstrumentSpec, span: _Span, *, seed: int) -> Iterator[str]:
    path = simulated_path(spec)
    length = INTERVAL_LENGTHS[span.interval]
    samples = SAMPLES[span.interval]
    step = length.total_seconds() / samples
    first = (span.start - _EPOCH).total_seconds()
    # The last moment of a bar is the first of the next, so bars join without a jump.
    seconds = first + step * np.arange(span.count * samples + 1, dtype=np.float64)
    ticks = np.rint(relative_prices(seed, path, seconds) * int(path.base / spec.tick_size))
    rows = np.lib.stride_tricks.sliding_window_view(ticks.astype(np.int64), samples + 1)[::samples]
    ranges = rows.max(axis=1) - rows.min(axis=1)
    mean = max(float(ranges.mean()), 1.0)
    usual = float(path.daily_volume) * length.total_seconds() / 86_400
    volumes = np.rint(usual * (0.4 + 0.6 * ranges / mean) / float(spec.lot_size)).astype(np.int64)
    write = _writer(spec)
    key = f"{spec.instrument_token}\t{SourceKind.SIMULATED}\t{span.interval}\t"
    bars = zip(
        rows[:, 0].tolist(),
        rows.max(axis=1).tolist(),
        rows.min(axis=1).tolist(),
        rows[:, -1].tolist(),
        volumes.tolist(),
        strict=True,
    )
    for number, (opening, high, low, close, lots) in enumerate(bars):
        time = (span.start + number * length).isoformat()
        prices = "\t".join(map(write, (opening, high, low, close)))
        yield f"{key}{time}\t{prices}\t{lots * spec.lot_size}\n"


def _missing(spec: InstrumentSpec, interval: Interval, *, now: datetime) -> _Span | None:
    """Return the span from the first to the last bar that is not there; None when all are."""
    length = INTERVAL_LENGTHS[interval]
    back = HOURS_BACK if interval is Interval.HOUR else MINUTES_BACK
    calendar = Calendar(spec.calendar)
    open_bar = bar_start(now, interval=interval, calendar=calendar)
    values: dict[str, Any] = {
        "token": spec.instrument_token,
        "source": str(SourceKind.SIMULATED),
        "interval": str(interval),
        "start": bar_start(now - back, interval=interval, calendar=calendar),
        "last": open_bar - length,
        "length": f"{length.total_seconds()} seconds",
    }
    with connection.cursor() as cursor:
        cursor.execute(_GAP, values)
        row = cursor.fetchone()
    if row is None or row[0] is None:
        return None
    first, last = row
    return _Span(interval, first, int((last - first) / length) + 1)


def backfill_simulated(
    instruments: Iterable[Instrument] | None = None,
    *,
    now: datetime,
    seed: int = DEFAULT_SEED,
    pause: Callable[[], None] = lambda: None,
) -> int:
    """Write the missing bars of 90 days of hours and 8 days of minutes; return how many.

    `pause` is called between pieces, for a caller that has other work to do beside.
    """
    wanted = (
        Instrument.objects.filter(instrumentsource__isnull=False)
        if instruments is None
        else instruments
    )
    ensure_partitions((now - HOURS_BACK).date(), now.date())
    written = 0
    for instrument in wanted:
        for interval in (Interval.MINUTE, Interval.HOUR):
            span = _missing(instrument.spec, interval, now=now)
            for piece in _pieces(span):
                written += copy_new_bars(_bar_lines(instrument.spec, piece, seed=seed))
                pause()
    logger.info("backfill done bars=%s", written)
    return written


def _pieces(span: _Span | None) -> Iterator[_Span]:
    """Cut a span into pieces of a day of minutes, so that nothing waits long for one."""
    if span is None:
        return
    length = INTERVAL_LENGTHS[span.interval]
    for done in range(0, span.count, _PIECE):
        count = min(_PIECE, span.count - done)
        yield _Span(span.interval, span.start + done * length, count)
