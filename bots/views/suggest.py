"""Ranges worth trying, from what the price has done lately."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from market.domain.candles import CandleBar
from market.domain.enums import Interval
from market.domain.formatting import plain
from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Quote
from market.models import Instrument
from market.selectors import candles

_SPANS = (
    ("Last day", timedelta(days=1), Interval.MINUTE_15),
    ("Last week", timedelta(days=7), Interval.HOUR),
    ("Last month", timedelta(days=30), Interval.HOUR),
)
_FEWEST_BARS = 8
# One step in a calm market still leaves several fees of profit.
_STEP = Decimal("0.004")
_FEWEST_GRIDS, _MOST_GRIDS = 4, 60
_NARROWEST = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A range with its number of grids, under the name of the time it comes from."""

    title: str
    values: dict[str, str]

    @property
    def fill(self) -> str:
        """Return the values as the form's script reads them."""
        return json.dumps(self.values)


def suggestions_for(instrument: Instrument, quote: Quote | None) -> list[Suggestion]:
    """Return ranges of the last day, week and month; none without a price."""
    if quote is None:
        return []
    found = []
    end = quote.exchange_time + timedelta(minutes=1)
    for title, span, interval in _SPANS:
        bars = candles(instrument.pk, interval, start=end - span, end=end)
        if len(bars) >= _FEWEST_BARS:
            values = range_values(bars, price=quote.last_price, spec=instrument.spec)
            found.append(Suggestion(title, values))
    return found or [Suggestion("Around the price", _around(quote.last_price, instrument.spec))]


def range_values(
    bars: Sequence[CandleBar], *, price: Decimal, spec: InstrumentSpec
) -> dict[str, str]:
    """Return the range that held nine tenths of the bars and the price of now."""
    lows, highs = sorted(bar.low for bar in bars), sorted(bar.high for bar in bars)
    edge = len(bars) // 20
    lower = min(lows[edge], price * (1 - _NARROWEST))
    upper = max(highs[-1 - edge], price * (1 + _NARROWEST))
    return _values(lower, upper, price=price, spec=spec)


def _around(price: Decimal, spec: InstrumentSpec) -> dict[str, str]:
    return _values(price * Decimal("0.97"), price * Decimal("1.03"), price=price, spec=spec)


def _values(
    lower: Decimal, upper: Decimal, *, price: Decimal, spec: InstrumentSpec
) -> dict[str, str]:
    low, high = spec.floor_tick(lower), spec.ceil_tick(upper)
    by_width = int((high - low) / price / _STEP)
    by_ticks = int((high - low) / spec.tick_size)
    grids = min(max(by_width, _FEWEST_GRIDS), _MOST_GRIDS, by_ticks)
    return {"lower": plain(low), "upper": plain(high), "grids": str(grids)}


def suggested_investment(minimum: Decimal, *, free: Decimal) -> Decimal:
    """Return a tenth of what is free, or the minimum if that is more, in round numbers."""
    wanted = min(max(minimum, free / 10), max(free, minimum))
    step = Decimal(10) ** max(wanted.adjusted() - 1, 0)
    rounded = to_step(wanted, step=step, rounding=ROUND_CEILING)
    return rounded if rounded <= free else minimum
