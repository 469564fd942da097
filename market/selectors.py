"""Reads of instruments and candles."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
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

logger = logging.getLogger(__name__)

SEARCH_LIMIT = 50
# Written by hand: every order of a program asks, and the ORM takes three times as long.
_BY_SYMBOL = "SELECT * FROM market_instrument WHERE exchange = %s AND tradingsymbol = %s"
_TOKEN = re.compile(r"[1-9][0-9]{0,17}")
# Every write gives a row another place or another writer.
_INSTRUMENTS_VERSION = """
    SELECT count(*), coalesce(sum(hashtextextended(ctid::text, xmin::text::bigint)), 0)
      FROM market_instrument
"""


def instrument_by_symbol(symbol: str) -> Instrument:
    """Return the instrument of a key like `NSE:ONGC`."""
    exchange, _, tradingsymbol = symbol.partition(":")
    found = next(iter(Instrument.objects.raw(_BY_SYMBOL, [exchange, tradingsymbol])), None)
    if found is None:
        raise no_instrument(symbol)
    return found


def no_instrument(symbol: str) -> InstrumentNotFound:
    """Return the refusal of a key that names nothing."""
    return InstrumentNotFound(f"There is no instrument {symbol!r}. Keys look like NSE:ONGC.")


def instrument_by_token(token: int) -> Instrument:
    """Return the instrument of a token."""
    found = Instrument.objects.filter(pk=token).first()
    if found is None:
        raise InstrumentNotFound(f"There is no instrument with token {token}.")
    return found


def instruments_by_token(tokens: Iterable[int]) -> dict[int, Instrument]:
    """Return the instruments of several tokens; unknown tokens are left out."""
    return Instrument.objects.in_bulk(list(tokens))


def instruments_named(names: Iterable[str]) -> dict[str, Instrument]:
    """Return the instruments of names like `NSE:ONGC` or `633601`; unknown names are left out."""
    wanted = set(names)
    tokens = {int(name) for name in wanted if _TOKEN.fullmatch(name)}
    parts = [name.partition(":") for name in wanted if ":" in name]
    # A set of exchanges times a set of symbols: the few that nobody named drop out below.
    found = Instrument.objects.filter(
        Q(pk__in=tokens)
        | Q(exchange__in={part[0] for part in parts}, tradingsymbol__in={part[2] for part in parts})
    )
    return {name: row for row in found for name in (row.symbol, str(row.pk)) if name in wanted}


def all_instruments() -> QuerySet[Instrument]:
    """Return every instrument, by exchange and symbol."""
    return Instrument.objects.order_by("exchange", "tradingsymbol")


def instruments_version() -> str:
    """Return a text that is another one after every change of the table of instruments."""
    with connection.cursor() as cursor:
        cursor.execute(_INSTRUMENTS_VERSION)
        return "-".join(str(each) for each in cursor.fetchone())


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


_MINUTES = """
    SELECT time AS bar, open, high, low, close, volume
      FROM market_candle
     WHERE instrument_id = %(token)s AND source = %(source)s AND interval = ANY(%(intervals)s)
       AND time >= %(start)s AND time < %(end)s
     ORDER BY bar
"""
# Where several kept intervals cover a bar, the first of them gives it. A feed that ended in a minute
# has written a part of it, all of which is in the open minute too.
_BARS = """
    SELECT DISTINCT ON (bar) bar, open, high, low, close, volume
      FROM (SELECT date_bin(%(length)s, time, %(anchor)s) AS bar, interval,
                   (array_agg(open ORDER BY time))[1] AS open, max(high) AS high, min(low) AS low,
                   (array_agg(close ORDER BY time))[count(*)] AS close, sum(volume) AS volume
              FROM market_candle
             WHERE instrument_id = %(token)s AND source = %(source)s
               AND interval = ANY(%(intervals)s) AND time >= %(start)s AND time < %(end)s
               AND (interval <> 'minute' OR time IS DISTINCT FROM %(open_minute)s)
             GROUP BY bar, interval) AS gathered
     ORDER BY bar, array_position(%(intervals)s::text[], interval::text)
"""
# Two months of minutes are 86,400 rows: the database writes them as the API sends them, in a third
# of the time that it takes to read them as rows, and without holding up the web process.
_LINES = """
    SELECT coalesce(string_agg(
        '["' || to_char(bar AT TIME ZONE 'Asia/Kolkata', 'YYYY-MM-DD"T"HH24:MI:SS') || '+0530",'
        || trim_scale(open) || ',' || trim_scale(high) || ',' || trim_scale(low) || ','
        || trim_scale(close) || ',' || floor(volume) || %(ending)s, ',' ORDER BY bar), '')
      FROM ({bars}) AS written
"""


def _finer_or_equal(interval: Interval) -> list[Interval]:
    length = INTERVAL_LENGTHS[interval]
    finer = [each for each, its in INTERVAL_LENGTHS.items() if its < length]
    return [interval, *finer]


def _statement(interval: Interval) -> str:
    return _MINUTES if interval is Interval.MINUTE else _BARS


def _values(
    instrument: Instrument,
    source: str,
    interval: Interval,
    *,
    span: tuple[datetime, datetime],
    minute: CandleBar | None,
) -> dict[str, Any]:
    calendar = Calendar(instrument.calendar)
    kept_as = [interval] if interval is Interval.DAY else _finer_or_equal(interval)
    return {
        "token": instrument.pk,
        "source": source,
        "intervals": [str(each) for each in kept_as],
        "length": INTERVAL_LENGTHS[interval],
        "anchor": interval_anchor(interval, calendar=calendar),
        "start": bar_start(span[0], interval=interval, calendar=calendar),
        "end": span[1],
        "open_minute": None if minute is None else minute.time,
    }


def _stored_bars(
    instrument: Instrument,
    source: str,
    interval: Interval,
    *,
    span: tuple[datetime, datetime],
    minute: CandleBar | None,
) -> list[CandleBar]:
    values = _values(instrument, source, interval, span=span, minute=minute)
    with connection.cursor() as cursor:
        cursor.execute(_statement(interval), values)
        rows = cursor.fetchall()
    return [CandleBar(time, *(number.normalize() for number in numbers)) for time, *numbers in rows]


def _stored_days(
    instrument: Instrument,
    source: str,
    *,
    span: tuple[datetime, datetime],
    minute: CandleBar | None,
) -> list[CandleBar]:
    """Read days; those not kept as such are gathered from hours, and these from minutes."""
    hours = _stored_bars(instrument, source, Interval.HOUR, span=span, minute=minute)
    calendar = Calendar(instrument.calendar)
    gathered = aggregate_bars(hours, interval=Interval.DAY, calendar=calendar)
    kept = _stored_bars(instrument, source, Interval.DAY, span=span, minute=minute)
    days = {bar.time: bar for bar in [*gathered, *kept]}
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
    name = source or active_source(token)
    return _bars(instrument, name, interval, span=(start, end), minute=_open_minute(token, name))


def _open_minute(token: int, source: str) -> CandleBar | None:
    """Return the open minute of a source; none where Redis is away, the rest is still right."""
    try:
        held = read_open_bar(connect(), token)
    except redis.RedisError:
        logger.warning("candles without the open minute token=%s", token, exc_info=True)
        return None
    return held[1] if held is not None and held[0] == source else None


def _bars(
    instrument: Instrument,
    source: str,
    interval: Interval,
    *,
    span: tuple[datetime, datetime],
    minute: CandleBar | None,
) -> list[CandleBar]:
    stored = (
        _stored_days(instrument, source, span=span, minute=minute)
        if interval is Interval.DAY
        else _stored_bars(instrument, source, interval, span=span, minute=minute)
    )
    if minute is None or not span[0] <= minute.time < span[1]:
        return stored
    calendar = Calendar(instrument.calendar)
    return _with_open_minute(stored, minute, interval=interval, calendar=calendar)


@dataclass(frozen=True, slots=True)
class History:
    """Bars of a span: most as the text of JSON rows, the last ones, which may be open, as bars."""

    lines: str
    bars: list[CandleBar]


def history(
    token: int, interval: Interval, *, first: datetime, last: datetime, has_oi: bool
) -> History:
    """Return the bars of the active source that begin from `first` to `last`, oldest first.

    A line is a row as the API sends it: start in India, open, high, low, close, whole volume and,
    when asked for, the open interest, which is 0.
    """
    instrument = instrument_by_token(token)
    calendar = Calendar(instrument.calendar)
    length = INTERVAL_LENGTHS[interval]
    start = bar_start(first, interval=interval, calendar=calendar)
    start += length if start < first else timedelta(0)
    end = bar_start(last, interval=interval, calendar=calendar) + length
    source = active_source(token)
    minute = _open_minute(token, source)
    # Days are gathered from hours, and the open minute is added, by `_bars`.
    cut = start if interval is Interval.DAY else end
    if minute is not None:
        cut = max(start, min(cut, bar_start(minute.time, interval=interval, calendar=calendar)))
    values = _values(instrument, source, interval, span=(start, cut), minute=None)
    values["ending"] = ",0]" if has_oi else "]"
    return History(
        _lines(interval, values) if start < cut else "",
        _bars(instrument, source, interval, span=(cut, end), minute=minute) if cut < end else [],
    )


def _lines(interval: Interval, values: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(_LINES.format(bars=_statement(interval)), values)
        return str(cursor.fetchone()[0])


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
