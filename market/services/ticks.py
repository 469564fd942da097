"""The one way a tick enters: number it, complete the quote, publish, fold into candles."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import redis

from market.domain.calendars import trading_day
from market.domain.candles import CandleBar, fold_tick
from market.domain.day_figures import DayFigures, first_figures
from market.domain.enums import FillModel, Interval, SourceKind
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote, Tick, source_name
from market.services.candles import StoredBar, ensure_partitions, upsert_bars
from market.streams import put_ticks, read_open_bar, read_quotes

logger = logging.getLogger(__name__)

# Bars that wait for a database that is away; the oldest are given up beyond this.
MAX_WAITING_BARS = 50_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_sequence(now: datetime) -> int:
    """Return the number to start from when Redis has forgotten the last one.

    Milliseconds since 1970 are above every number given before, as ticks come slower than that;
    a bot that has seen number n would otherwise wait for ever for n + 1.
    """
    return int((now - _EPOCH).total_seconds() * 1000)


@dataclass(slots=True)
class _Track:
    """What is known of one instrument between two ticks."""

    sequence: int
    figures: DayFigures | None
    bar: CandleBar | None


class TickWriter:
    """Writes the ticks of one source. Not shared between threads.

    After a crash it goes on from what Redis has: number, day figures and open minute.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        source: SourceKind,
        run: str,
        fill_model: FillModel,
        specs: Mapping[int, InstrumentSpec],
        opening: Callable[[int, datetime], DayFigures | None] = lambda _token, _moment: None,
    ) -> None:
        self._client = client
        self._source = source
        self._run = run
        self._fill_model = fill_model
        self._specs = specs
        self._opening = opening
        self._name = source_name(source, run)
        self._tracks: dict[int, _Track] = {}
        self._closed: list[StoredBar] = []
        self._months: set[date] = set()

    def write(self, ticks: Sequence[Tick], *, now: datetime, fences: Mapping[int, int]) -> int:
        """Give ticks, oldest first, their numbers and publish them; return how many were heard."""
        if not ticks:
            return 0
        try:
            self._restore({tick.instrument_token for tick in ticks}, now=now)
            quotes = [self._quote(tick, now=now) for tick in ticks]
            bars = {
                token: (self._name, track.bar)
                for token, track in self._tracks.items()
                if track.bar is not None
            }
            return put_ticks(self._client, quotes, open_bars=bars, fences=fences)
        except redis.RedisError:
            # Nobody has seen these numbers: go on from those that were seen.
            self._tracks.clear()
            raise

    def forget(self, token: int) -> None:
        """Close what is open of an instrument that another source has taken."""
        track = self._tracks.pop(token, None)
        if track is not None and track.bar is not None:
            self._close(token, self._name, track.bar)

    def flush(self) -> int:
        """Write the minutes that have closed; they wait when the database is away."""
        if not self._closed:
            return 0
        bars, self._closed = self._closed, []
        try:
            self._ensure_months(bars)
            upsert_bars(bars, is_merging=True)
        except Exception:
            self._closed = (bars + self._closed)[-MAX_WAITING_BARS:]
            raise
        return len(bars)

    def close(self) -> None:
        """Write everything, the open minutes too; the source ends here."""
        for token in list(self._tracks):
            self.forget(token)
        self.flush()

    def _restore(self, tokens: set[int], *, now: datetime) -> None:
        unknown = [token for token in tokens if token not in self._tracks]
        quotes = read_quotes(self._client, unknown)
        for token in unknown:
            self._tracks[token] = self._track(token, quotes.get(token), now=now)

    def _track(self, token: int, quote: Quote | None, *, now: datetime) -> _Track:
        bar = self._held_bar(token)
        if quote is None:
            return _Track(first_sequence(now), None, bar)
        if (quote.source, quote.run) != (self._source, self._run):
            return _Track(quote.sequence, None, bar)
        figures = DayFigures(
            day=self._day(token, quote.exchange_time),
            open=quote.open,
            high=quote.high,
            low=quote.low,
            last=quote.last_price,
            previous_close=quote.previous_close,
            traded_value=quote.traded_value,
            traded_quantity=quote.traded_quantity,
        )
        return _Track(quote.sequence, figures, bar)

    def _held_bar(self, token: int) -> CandleBar | None:
        """Return the open minute to go on with; one of another source is closed."""
        held = read_open_bar(self._client, token)
        if held is None:
            return None
        name, bar = held
        if name == self._name:
            return bar
        self._close(token, name, bar)
        return None

    def _day(self, token: int, moment: datetime) -> date:
        return trading_day(self._specs[token].calendar, self._source, moment)

    def _quote(self, tick: Tick, *, now: datetime) -> Quote:
        token = tick.instrument_token
        track = self._tracks[token]
        track.sequence += 1
        figures = self._figures(track, tick)
        track.figures = figures
        track.bar, closed = fold_tick(track.bar, tick)
        if closed is not None:
            self._close(token, self._name, closed)
        return Quote(
            instrument_token=token,
            source=self._source,
            run=self._run,
            fill_model=self._fill_model,
            sequence=track.sequence,
            last_price=tick.price,
            last_quantity=tick.last_quantity,
            volume=tick.volume,
            open=figures.open,
            high=figures.high,
            low=figures.low,
            previous_close=figures.previous_close,
            exchange_time=tick.exchange_time,
            received_at=now,
            depth=tick.depth,
            traded_value=figures.traded_value,
            traded_quantity=figures.traded_quantity,
        )

    def _figures(self, track: _Track, tick: Tick) -> DayFigures:
        day = self._day(tick.instrument_token, tick.exchange_time)
        known = track.figures or self._opening(tick.instrument_token, tick.exchange_time)
        if known is None:
            return first_figures(tick.price, quantity=tick.last_quantity, day=day)
        return known.with_trade(tick.price, quantity=tick.last_quantity, day=day)

    def _close(self, token: int, name: str, bar: CandleBar) -> None:
        self._closed.append(StoredBar(token, name, Interval.MINUTE, bar))

    def _ensure_months(self, bars: Sequence[StoredBar]) -> None:
        days = {row.bar.time.astimezone(UTC).date().replace(day=1) for row in bars}
        for day in sorted(days - self._months):
            ensure_partitions(day, day)
            self._months.add(day)
