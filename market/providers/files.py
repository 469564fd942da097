"""Read recordings: tick CSV, trade CSV, candle CSV, Binance raw messages; plain or gzip.

A row that cannot be read or believed is counted and named by its line, and the good rows are
used. A file whose layout nobody knows, or that breaks off in the middle, is refused.
"""

import csv
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TypeVar

from market.domain.calendars import IST
from market.domain.candles import CandleBar
from market.domain.cleaning import (
    BarRow,
    Rejection,
    RejectReason,
    TickCleaner,
    TickRow,
    ticks_of_bar,
)
from market.domain.enums import Calendar
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Tick
from market.exceptions import UnreadableFile
from market.providers.binance_log import BinanceLog, is_binance_line
from market.providers.text_files import numbered_lines

# Recordings made with binary floats have noise behind the twelfth decimal; money has twelve.
_SCALE = Decimal("1e-12")
_TIME_COLUMNS = ("timestamp", "time", "minute", "trade_ms", "local_ms", "date")
_PRICE_COLUMNS = ("ltp", "price")
_QUANTITY_COLUMNS = ("quantity", "qty")
_SYMBOL_COLUMNS = ("symbol", "pair", "tradingsymbol")
_BAR_COLUMNS = ("open", "high", "low", "close")
_VOLUME_COLUMNS = ("volume", "volume_quote")
_MINUTE = timedelta(minutes=1)
_ROWS_TO_MEASURE = 50
Row = TypeVar("Row")


class Layout(StrEnum):
    """What a recording consists of."""

    TICKS = "ticks"
    TRADES = "trades"
    CANDLES = "candles"
    BINANCE_LOG = "Binance messages"


def _number(text: str) -> Decimal:
    """Read a number; `nan` stays one, for the cleaner to refuse."""
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        return value.quantize(_SCALE).normalize()
    return value


def _size(text: str) -> Decimal:
    value = _number(text)
    if not value.is_finite() or value < 0:
        raise ValueError(f"size {text!r}")
    return value


def _first(columns: tuple[str, ...], header: Mapping[str, int]) -> int | None:
    return next((header[name] for name in columns if name in header), None)


def read_time(text: str, *, calendar: Calendar) -> datetime:
    """Read a moment: ISO with or without a zone, or milliseconds; without one NSE means IST."""
    if text.isdigit() and len(text) == 13:
        return datetime.fromtimestamp(int(text) // 1000, UTC) + timedelta(
            milliseconds=int(text) % 1000
        )
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=IST if calendar is Calendar.NSE else UTC)
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a CSV keeps what; positions in a row."""

    layout: Layout
    time: int
    symbol: int | None
    prices: tuple[int, ...]
    size: int | None
    is_quote_volume: bool
    width: int


def _layout_of(header: Mapping[str, int]) -> Layout | None:
    if all(name in header for name in _BAR_COLUMNS):
        return Layout.CANDLES
    if _first(_PRICE_COLUMNS, header) is None:
        return None
    if _first(_QUANTITY_COLUMNS, header) is not None:
        return Layout.TRADES
    return Layout.TICKS if "volume" in header else None


def _columns(path: Path, line: str) -> _Columns:
    names = [name.strip().lower() for name in next(csv.reader([line]), [])]
    header = {name: position for position, name in enumerate(names)}
    layout = _layout_of(header)
    time = _first(_TIME_COLUMNS, header)
    if layout is None or time is None:
        raise UnreadableFile(
            f"{path.name}, line 1: no layout known with columns {', '.join(names)[:120]!r}. Known: "
            "timestamp,ltp,volume; time,open,high,low,close,volume; timestamp,price,quantity; "
            "Binance messages."
        )
    sizes = _QUANTITY_COLUMNS if layout is Layout.TRADES else _VOLUME_COLUMNS
    price = _first(_PRICE_COLUMNS, header)
    return _Columns(
        layout=layout,
        time=time,
        symbol=_first(_SYMBOL_COLUMNS, header),
        prices=tuple(header[name] for name in _BAR_COLUMNS) if price is None else (price,),
        size=_first(sizes, header),
        is_quote_volume="volume" not in header and "volume_quote" in header,
        width=len(names),
    )


@dataclass(slots=True)
class Recording:
    """One file read for one instrument. Iterate `ticks()` or `bars()` once; then see `cleaner`."""

    path: Path
    spec: InstrumentSpec
    cleaner: TickCleaner = field(init=False)
    layout: Layout | None = None

    def __post_init__(self) -> None:
        self.cleaner = TickCleaner(self.spec)

    def ticks(self) -> Iterator[Tick]:
        """Yield the accepted ticks, oldest first; a candle gives four."""
        lines = numbered_lines(self.path)
        first = self._first_line(lines)
        if is_binance_line(first):
            self.layout = Layout.BINANCE_LOG
            yield from self._clean_ticks(self._log_rows(first, lines))
            return
        columns = _columns(self.path, first)
        self.layout = columns.layout
        if columns.layout is Layout.CANDLES:
            yield from self._bar_ticks(self._bars(columns, lines))
        else:
            yield from self._clean_ticks(self._tick_rows(columns, lines))

    def bars(self) -> Iterator[CandleBar]:
        """Yield the accepted bars of a candle file, oldest first."""
        lines = numbered_lines(self.path)
        columns = _columns(self.path, self._first_line(lines))
        self.layout = columns.layout
        if columns.layout is not Layout.CANDLES:
            raise UnreadableFile(
                f"{self.path.name}, line 1: these are {columns.layout}, not candles"
            )
        yield from self._bars(columns, lines)

    def summary(self) -> list[str]:
        """Say how many rows were used and refused, by reason, naming the first of them."""
        lines = [f"{self.path.name}: {self.cleaner.accepted:,} rows accepted"]
        lines += [
            f"  {count:,} rejected: {reason}" for reason, count in self.cleaner.counts.items()
        ]
        lines += [f"  line {each.line}: {each.reason} ({each.text})" for each in self.cleaner.named]
        return lines

    def _first_line(self, lines: Iterator[tuple[int, str]]) -> str:
        first = next(lines, (1, ""))[1].removeprefix("\ufeff")
        if not first.strip():
            raise UnreadableFile(f"{self.path.name}, line 1: the file is empty")
        return first

    def _clean_ticks(self, rows: Iterator[TickRow]) -> Iterator[Tick]:
        for row in rows:
            tick = self.cleaner.accept(row)
            if isinstance(tick, Tick):
                yield tick

    def _log_rows(self, first: str, lines: Iterator[tuple[int, str]]) -> Iterator[TickRow]:
        log = BinanceLog(self.spec.tradingsymbol)
        yield from self._read(1, first, log.read)
        for number, line in lines:
            yield from self._read(number, line, log.read)

    def _read(
        self, number: int, line: str, reader: Callable[[int, str], Row | RejectReason | None]
    ) -> Iterator[Row]:
        """Yield what a line holds; a line that cannot be read is counted and passed over."""
        try:
            row = reader(number, line)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.cleaner.reject(number, RejectReason.UNREADABLE, f"{line[:50]!r}: {error}")
            return
        if isinstance(row, RejectReason):
            self.cleaner.reject(number, row, line)
        elif row is not None:
            yield row

    def _cells(self, columns: _Columns, line: str) -> list[str] | RejectReason:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != columns.width:
            raise ValueError(f"{len(cells)} columns, not {columns.width}")
        if columns.symbol is not None:
            symbol = cells[columns.symbol].replace("/", "")
            if symbol != self.spec.tradingsymbol:
                return RejectReason.OTHER_INSTRUMENT
        return cells

    def _tick_rows(self, columns: _Columns, lines: Iterator[tuple[int, str]]) -> Iterator[TickRow]:
        is_trade = columns.layout is Layout.TRADES

        def read(number: int, line: str) -> TickRow | RejectReason:
            cells = self._cells(columns, line)
            if isinstance(cells, RejectReason):
                return cells
            size = _size(cells[columns.size or 0])
            return TickRow(
                line=number,
                time=read_time(cells[columns.time], calendar=self.spec.calendar),
                price=_number(cells[columns.prices[0]]),
                volume=None if is_trade else size,
                quantity=size if is_trade else None,
                key=line,
            )

        for number, line in lines:
            if line:
                yield from self._read(number, line, read)

    def _bars(self, columns: _Columns, lines: Iterator[tuple[int, str]]) -> Iterator[CandleBar]:
        def read(number: int, line: str) -> BarRow | RejectReason:
            cells = self._cells(columns, line)
            if isinstance(cells, RejectReason):
                return cells
            opening, high, low, close = (_number(cells[position]) for position in columns.prices)
            volume = Decimal(0) if columns.size is None else _size(cells[columns.size])
            if columns.is_quote_volume and close.is_finite() and close > 0:
                volume = self.spec.floor_lot(volume / close)
            time = read_time(cells[columns.time], calendar=self.spec.calendar)
            return BarRow(number, CandleBar(time, opening, high, low, close, volume), line)

        for number, line in lines:
            for row in self._read(number, line, read) if line else ():
                bar = self.cleaner.accept_bar(row)
                if not isinstance(bar, Rejection):
                    yield bar

    def _bar_ticks(self, bars: Iterator[CandleBar]) -> Iterator[Tick]:
        head = list(islice(bars, _ROWS_TO_MEASURE))
        length = bar_length(head)
        day: Hashable = None
        volume = Decimal(0)
        for bar in chain(head, bars):
            local = bar.time.astimezone(IST) if self.spec.calendar is Calendar.NSE else bar.time
            if local.date() != day:
                day, volume = local.date(), Decimal(0)
            yield from ticks_of_bar(bar, spec=self.spec, length=length, day_volume=volume)
            volume += bar.volume


def bar_length(bars: list[CandleBar]) -> timedelta:
    """Return the length of bars: the shortest gap between neighbours, a minute for a lone one."""
    gaps = [later.time - earlier.time for earlier, later in pairwise(bars)]
    return min(gaps, default=_MINUTE)


def iter_tick_file(path: Path, spec: InstrumentSpec) -> Iterator[Tick]:
    """Yield the accepted ticks of a recording, not yet numbered."""
    return Recording(path, spec).ticks()


def inspect_recording(path: Path, spec: InstrumentSpec) -> Recording:
    """Read a recording once without keeping it; refuse one that has nothing to play."""
    recording = Recording(path, spec)
    for _tick in recording.ticks():
        pass
    if not recording.cleaner.accepted:
        raise UnreadableFile("\n".join([f"{path.name}: no usable row", *recording.summary()[1:]]))
    return recording
