"""Reads of instruments and candles."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from market.domain.candles import (
    INTERVAL_LENGTHS,
    CandleBar,
    aggregate_bars,
    bar_start,
    interval_anchor,
    merge_bars,
)
from market.domain.enums import Calendar, Interval, SourceKind
from market.domain.ticks import Quote, source_name
from market.exceptions import InstrumentNotFound
from market.models import Candle, Instrument, InstrumentSource
from market.streams import connect, read_open_bar

SEARCH_LIMIT = 50


def instrument_by_symbol(symbol: str) -> Instrument:
    """Return the instrument of a key like `NSE:ONGC`."""
    exchange, _, tradingsymbol = symbol.partition(":")
    found = Instrument.objects.filter(exchange=exchange, tradingsymbol=tradingsymbol).first()
    if found is None:
        raise InstrumentNotFound(f"There is no instrument {symbol!r}. Keys look like NSE:ONGC.")
    return found


def instrument_by_token(token: int) -> Instrument:
    """Return the instrument of a token."""
    found = Instrument.objects.filter(pk=token).first()
    if found is None:
        raise InstrumentNotFound(f"There is no instrument with token {token}.")
    return found


def instruments_by_token(tokens: Iterable[int]) -> dict[int, Instrument]:
    """Return the instruments of several tokens; unknown tokens are left out."""
    return Instrument.objects.in_bulk(list(tokens))


def watched_instruments() -> QuerySet[Instrument]:
    """Return the instruments that have a price source, in the order of the seeds."""
    return Instrument.objects.filter(instrumentsource__isnull=False).order_by(
        "exchange_token", "tradingsymbol"
    )


def search_instruments(text: str, *, limit: int = SEARCH_LIMIT) -> list[Instrument]:
    """Find instruments by symbol or name; exact symbols first, then those that begin so."""
    wanted = text.strip().replace("/", "")
    if not wanted:
        return []
    exchange, _, symbol = wanted.rpartition(":")
    matches = Q(tradingsymbol__icontains=symbol) | Q(name__icontains=symbol)
    if exchange:
        matches &= Q(exchange__iexact=exchange)
    rank = Case(
        When(tradingsymbol__iexact=symbol, then=Value(0)),
        When(tradingsymbol__istartswith=symbol, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    found = Instrument.objects.filter(matches).annotate(rank=rank)
    return list(found.order_by("rank", "-is_tradable", "tradingsymbol", "exchange")[:limit])


def active_source(token: int) -> str:
    """Return the source text of an instrument's prices now."""
    row = InstrumentSource.objects.filter(pk=token).first()
    return SourceKind.SIMULATED if row is None else source_name(row.source, row.run)


def candle_sources(token: int) -> list[str]:
    """Return the sources that an instrument has candles of."""
    rows = Candle.objects.filter(instrument_id=token).order_by("source")
    return list(rows.values_list("source", flat=True).distinct())


_BARS = """
    SELECT date_bin(%(length)s, time, %(anchor)s) AS bar, interval,
           (array_agg(open ORDER BY time))[1], max(high), min(low),
           (array_agg(close ORDER BY time DESC))[1], sum(volume)
      FROM market_candle
     WHERE instrument_id = %(token)s AND source = %(source)s AND interval = ANY(%(intervals)s)
       AND time >= %(start)s AND time < %(end)s
     GROUP BY bar, interval
"""


def _finer_or_equal(interval: Interval) -> list[Interval]:
    length = INTERVAL_LENGTHS[interval]
    finer = [each for each, its in INTERVAL_LENGTHS.items() if its < length]
    return [interval, *finer]


def _stored_bars(
    instrument: Instrument,
    source: str,
    interval: Interval,
    *,
    span: tuple[datetime, datetime],
    kept_as: list[Interval],
) -> dict[datetime, CandleBar]:
    """Read bars; where several kept intervals cover one, the first of `kept_as` gives it."""
    calendar = Calendar(instrument.calendar)
    values: dict[str, Any] = {
        "token": instrument.pk,
        "source": source,
        "intervals": [str(each) for each in kept_as],
        "length": INTERVAL_LENGTHS[interval],
        "anchor": interval_anchor(interval, calendar=calendar),
        "start": bar_start(span[0], interval=interval, calendar=calendar),
        "end": span[1],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BARS, values)
        rows = cursor.fetchall()
    best: dict[datetime, tuple[int, CandleBar]] = {}
    for time, stored, *numbers in rows:
        rank = kept_as.index(stored)
        if time not in best or rank < best[time][0]:
            best[time] = rank, CandleBar(time, *(number.normalize() for number in numbers))
    return {time: best[time][1] for time in sorted(best)}


def _stored_days(
    instrument: Instrument, source: str, span: tuple[datetime, datetime]
) -> list[CandleBar]:
    """Read days; those not kept as such are gathered from hours, and these from minutes."""
    finer = _finer_or_equal(Interval.HOUR)
    hours = _stored_bars(instrument, source, Interval.HOUR, span=span, kept_as=finer)
    calendar = Calendar(instrument.calendar)
    gathered = aggregate_bars(hours.values(), interval=Interval.DAY, calendar=calendar)
    kept = _stored_bars(instrument, source, Interval.DAY, span=span, kept_as=[Interval.DAY])
    days = {bar.time: bar for bar in gathered} | kept
    return [days[time] for time in sorted(days)]


def _with_open_minute(
    bars: list[CandleBar], minute: CandleBar, *, interval: Interval, calendar: Calendar
) -> list[CandleBar]:
    start = bar_start(minute.time, interval=interval, calendar=calendar)
    if bars and bars[-1].time > start:
        return bars
    if bars and bars[-1].time == start:
        # A bar of the minute itself is already in the table: the open one has everything in it.
        is_same = interval is Interval.MINUTE
        return [*bars[:-1], minute if is_same else merge_bars(bars[-1], minute)]
    return [*bars, replace(minute, time=start)]


def candles(
    token: int, interval: Interval, *, start: datetime, end: datetime, source: str | None = None
) -> list[CandleBar]:
    """Return bars of [start, end) from one source, by default the active one, oldest first.

    Coarser bars are gathered from minutes; the open minute is included.
    """
    instrument = instrument_by_token(token)
    calendar = Calendar(instrument.calendar)
    name = source or active_source(token)
    span = (start, end)
    if interval is Interval.DAY:
        bars = _stored_days(instrument, name, span)
    else:
        finer = _finer_or_equal(interval)
        stored = _stored_bars(instrument, name, interval, span=span, kept_as=finer)
        bars = list(stored.values())
    held = read_open_bar(connect(), token)
    if held is None or held[0] != name or not start <= held[1].time < end:
        return bars
    return _with_open_minute(bars, held[1], interval=interval, calendar=calendar)


# ------------------------------------------------------------------------- the last day, small

DAY_LINE_SPAN = timedelta(days=1)
DAY_LINE_STEP = timedelta(minutes=30)
DAY_LINE_SECONDS = 60
_DAY_LINES = """
    SELECT wanted.token, date_bin(%(step)s, candle.time, wanted.until) AS step,
           (array_agg(candle.close ORDER BY candle.time DESC))[1]
      FROM unnest(%(tokens)s::bigint[], %(sources)s::text[], %(ends)s::timestamptz[])
           AS wanted(token, source, until)
      JOIN market_candle candle
        ON candle.instrument_id = wanted.token AND candle.source = wanted.source
       AND candle.interval = %(interval)s
       AND candle.time >= wanted.until - %(span)s AND candle.time < wanted.until
     GROUP BY wanted.token, step ORDER BY wanted.token, step
"""


def day_lines(quotes: Iterable[Quote]) -> dict[int, list[Decimal]]:
    """Return the prices of the last day up to each quote, half an hour apart.

    One question for all that nobody asked for within the minute; each ends at its quote.
    """
    wanted = {_day_line_key(quote): quote for quote in quotes}
    lines: dict[str, list[Decimal]] = cache.get_many(wanted)
    missing = [quote for key, quote in wanted.items() if key not in lines]
    if missing:
        read = _read_day_lines(missing)
        cache.set_many(read, DAY_LINE_SECONDS)
        lines |= read
    return {
        quote.instrument_token: [*lines[key], quote.last_price] for key, quote in wanted.items()
    }


def _day_line_key(quote: Quote) -> str:
    return f"day-line:{quote.instrument_token}:{quote.price_run}"


def _read_day_lines(quotes: Sequence[Quote]) -> dict[str, list[Decimal]]:
    values: dict[str, Any] = {
        "tokens": [quote.instrument_token for quote in quotes],
        "sources": [quote.price_run for quote in quotes],
        "ends": [quote.exchange_time for quote in quotes],
        "interval": str(Interval.MINUTE),
        "step": DAY_LINE_STEP,
        "span": DAY_LINE_SPAN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DAY_LINES, values)
        rows = cursor.fetchall()
    keys = {quote.instrument_token: _day_line_key(quote) for quote in quotes}
    lines: dict[str, list[Decimal]] = {key: [] for key in keys.values()}
    for token, _, price in rows:
        lines[keys[token]].append(price)
    return lines
