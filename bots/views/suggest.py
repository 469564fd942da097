"""Suggested grids for the form: back-tests of the last seven days, kept for an hour (bots.md 10.3).

A back-test reads 10,080 minutes, which takes about a second: the form asks for it after it has
loaded, and starts with the range of the last week until it has arrived.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.core.cache import cache

from bots.domain.spot_grid_config import GridConfig, GridRules, rules_of
from bots.domain.strategy import StrategyContext
from bots.domain.suggestions import (
    WEEK_BARS,
    Bars,
    History,
    NotEnoughCandles,
    Suggestion,
    bars_of_candles,
    suggest,
)
from market.domain.calendars import IST, exchange_session
from market.domain.candles import CandleBar, minute_start
from market.domain.enums import Calendar, Interval, SourceKind
from market.domain.formatting import format_money, format_percent, plain
from market.domain.instruments import InstrumentSpec, to_step
from market.domain.ticks import Quote
from market.models import Instrument
from market.selectors import candles

KEPT_SECONDS = 3600
# A refusal is asked again soon: recordings grow by the minute.
REFUSAL_SECONDS = 60
WEEK, MONTH, QUARTER = timedelta(days=7), timedelta(days=30), timedelta(days=90)
_TITLES = {
    "short": ("Short", "7 days"),
    "medium": ("Medium", "30 days"),
    "long": ("Long", "90 days"),
}
# What is tested with while nothing is free: what a paper account begins with, a tenth of it.
_NOMINAL = {"INR": Decimal(100_000)}
_OTHER_NOMINAL = Decimal(1_000)
_FEWEST_BARS = 8
# One step in a calm market still leaves several fees of profit.
_STEP = Decimal("0.004")
_FEWEST_GRIDS, _MOST_GRIDS = 4, 60
_NARROWEST = Decimal("0.01")
_AROUND = Decimal("0.03")


@dataclass(frozen=True, slots=True)
class Offer:
    """One profile's grid with what its back-test brought, as the form shows it."""

    suggestion: Suggestion

    @property
    def title(self) -> str:
        """Return the profile's name."""
        return _TITLES[self.suggestion.profile][0]

    @property
    def span(self) -> str:
        """Return how far back the range reaches."""
        return _TITLES[self.suggestion.profile][1]

    @property
    def values(self) -> dict[str, str]:
        """Return the parameters that the form takes over."""
        found = self.suggestion
        return {
            "lower": plain(found.lower),
            "upper": plain(found.upper),
            "grids": str(found.grids),
            "spacing": found.spacing.value,
        }

    @property
    def fill(self) -> str:
        """Return the values as the form's script reads them."""
        return json.dumps(self.values)

    @property
    def yields(self) -> tuple[tuple[str, str], ...]:
        """Return what the back-test brought, in percent of the investment over the seven days."""
        found = self.suggestion
        return (
            ("Total yield", _percent(found.total_yield_pct, signed=True)),
            ("Grid yield", _percent(found.grid_yield_pct, signed=True)),
            ("Max drawdown", _percent(found.max_drawdown_pct)),
            ("Hold yield", _percent(found.hold_yield_pct, signed=True)),
        )

    @property
    def a_year(self) -> str:
        """Return the small print: seven days times 365/7."""
        return _percent(self.suggestion.annual_pct, signed=True)


def _percent(value: float, *, signed: bool = False) -> str:
    return format_percent(Decimal(str(value)) / 100, signed=signed)


@dataclass(frozen=True, slots=True)
class Advice:
    """What can be offered for an instrument, or why nothing can."""

    offers: tuple[Offer, ...]
    refusal: str = ""


# ------------------------------------------------------------------------------- the back-test


def advice_for(instrument: Instrument, context: StrategyContext, *, quote: Quote | None) -> Advice:
    """Return the best grid of each profile; computed at most once an hour."""
    if quote is None:
        return Advice((), "There is no price to start from yet.")
    kept = known_advice(instrument, context, quote=quote)
    if kept is not None:
        return kept
    advice = _computed(instrument, context, quote=quote)
    seconds = KEPT_SECONDS if advice.offers else REFUSAL_SECONDS
    cache.set(_key(instrument, context, quote=quote), advice, seconds)
    return advice


def known_advice(
    instrument: Instrument, context: StrategyContext, *, quote: Quote | None
) -> Advice | None:
    """Return what was computed within the hour, as long as every range contains the price."""
    if quote is None:
        return None
    kept: Advice | None = cache.get(_key(instrument, context, quote=quote))
    if kept is None:
        return None
    ranges = [(offer.suggestion.lower, offer.suggestion.upper) for offer in kept.offers]
    is_inside = all(lower <= quote.last_price <= upper for lower, upper in ranges)
    return kept if is_inside else None


def _key(instrument: Instrument, context: StrategyContext, *, quote: Quote) -> str:
    rules = f"{context.maker_fee}:{context.taker_fee}:{context.fee_mode}"
    return f"suggest:{instrument.pk}:{quote.price_run}:{rules}:{plain(_tested_with(context))}"


def _tested_with(context: StrategyContext) -> Decimal:
    """Return the investment of the back-test: what the form suggests to invest."""
    free = context.free_balance or Decimal(0)
    if free > 0:
        return suggested_investment(Decimal(0), free=free)
    return _NOMINAL.get(context.instrument.quote_asset, _OTHER_NOMINAL)


def _computed(instrument: Instrument, context: StrategyContext, *, quote: Quote) -> Advice:
    history = _history(instrument, quote)
    rules, investment = rules_of(context), _tested_with(context)
    try:
        found = suggest(history, rules=rules, market_price=quote.last_price, investment=investment)
    except NotEnoughCandles as error:
        return Advice((), f"Nothing to suggest yet: {error}.")
    if not found:
        return Advice((), _no_candidate(rules, investment))
    return Advice(tuple(Offer(each) for each in found))


def _no_candidate(rules: GridRules, investment: Decimal) -> str:
    money = format_money(investment, asset=rules.instrument.quote_asset)
    return f"No grid of {money} over the last 7, 30 or 90 days earns enough above its fees."


def _history(instrument: Instrument, quote: Quote) -> History:
    """Read a week of closed minutes, and the hours of the longer ranges where they reach back."""
    end = minute_start(quote.exchange_time)
    minutes = candles(instrument.pk, Interval.MINUTE, start=end - WEEK, end=end)
    hours = candles(instrument.pk, Interval.HOUR, start=end - QUARTER, end=end)
    tick = instrument.tick_size

    def reaching(span: timedelta) -> Bars | None:
        bars = [bar for bar in hours if bar.time >= end - span]
        is_covered = bool(bars) and bars[0].time <= end - span * 0.9
        return bars_of_candles(bars, tick_size=tick) if is_covered else None

    return History(
        week=bars_of_candles(minutes, tick_size=tick),
        month=reaching(MONTH),
        quarter=reaching(QUARTER),
        expected_bars=expected_minutes(
            Calendar(instrument.calendar), SourceKind(quote.source), end=end
        ),
    )


def expected_minutes(calendar: Calendar, source: SourceKind, *, end: datetime) -> int:
    """Return the minutes of seven days in which there can be prices."""
    if calendar is Calendar.ALWAYS or source is SourceKind.SIMULATED:
        return WEEK_BARS
    start = end - WEEK
    days = {(start + timedelta(days=number)).astimezone(IST).date() for number in range(8)}
    open_time = timedelta(0)
    for session in (exchange_session(calendar, day) for day in days):
        if session is not None:
            shared = min(end, session.closes_at) - max(start, session.opens_at)
            open_time += max(shared, timedelta(0))
    return int(open_time / timedelta(minutes=1))


# ---------------------------------------------------------------------- before it has arrived


def first_values(instrument: Instrument, quote: Quote | None) -> dict[str, str]:
    """Return the range of the last week as the form starts with it; none without a price."""
    if quote is None:
        return {}
    end = quote.exchange_time + timedelta(minutes=1)
    bars = candles(instrument.pk, Interval.HOUR, start=end - WEEK, end=end)
    price, spec = quote.last_price, instrument.spec
    if len(bars) < _FEWEST_BARS:
        return _values(price * (1 - _AROUND), price * (1 + _AROUND), price=price, spec=spec)
    return range_values(bars, price=price, spec=spec)


def range_values(
    bars: Sequence[CandleBar], *, price: Decimal, spec: InstrumentSpec
) -> dict[str, str]:
    """Return the range that held nine tenths of the bars and the price of now."""
    lows, highs = sorted(bar.low for bar in bars), sorted(bar.high for bar in bars)
    edge = len(bars) // 20
    lower = min(lows[edge], price * (1 - _NARROWEST))
    upper = max(highs[-1 - edge], price * (1 + _NARROWEST))
    return _values(lower, upper, price=price, spec=spec)


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


# ------------------------------------------------------------------- what became of an offer


def taken_offer(advice: Advice | None, config: GridConfig) -> dict[str, Any] | None:
    """Return the offer that a new grid follows, as it is kept with the bot."""
    for offer in advice.offers if advice else ():
        found = offer.suggestion
        shape = (found.lower, found.upper, found.grids, found.spacing)
        if shape == (config.lower, config.upper, config.grids, config.spacing):
            values = asdict(found).items()
            return {
                name: plain(value) if isinstance(value, Decimal) else value
                for name, value in values
            }
    return None


def suggested_words(kept: dict[str, Any]) -> str:
    """Say what the back-test of a bot's own suggestion had brought."""
    title = _TITLES[kept["profile"]][0].lower()
    total = _percent(kept["total_yield_pct"], signed=True)
    drawdown = _percent(kept["max_drawdown_pct"])
    return f"{title}; 7-day back-test {total}, max drawdown {drawdown}"
