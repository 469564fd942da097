"""Write candles: closed minutes in bulk, imports and backfills by COPY."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from django.db import OperationalError, connection, transaction

from market.domain.candles import INTERVAL_LENGTHS, CandleBar
from market.domain.cleaning import TickCleaner
from market.domain.enums import Interval
from market.exceptions import UnreadableFile
from market.models import Instrument
from market.providers.files import Recording, bar_length

logger = logging.getLogger(__name__)

IMPORT_SOURCE = "IMPORT"
LOCK_ATTEMPTS = 5
MONTHS_AHEAD = timedelta(days=62)
_COLUMNS = "instrument_id, source, interval, time, open, high, low, close, volume"
_UPSERT = f"""
    INSERT INTO market_candle AS kept ({_COLUMNS})
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[],
        %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
    ON CONFLICT (instrument_id, source, interval, time) DO UPDATE SET
"""  # noqa: S608 - constants only
# A minute written twice, before and after a restart, has everything of both.
_MERGING = """
    high = greatest(kept.high, excluded.high), low = least(kept.low, excluded.low),
    close = excluded.close, volume = greatest(kept.volume, excluded.volume)
"""
_REPLACING = """
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume
"""


@dataclass(frozen=True, slots=True)
class StoredBar:
    """One bar with everything that makes its key."""

    token: int
    source: str
    interval: Interval
    bar: CandleBar


def ensure_partitions(start: date, end: date) -> int:
    """Make the month tables of a span of days; return how many were new.

    Waits at most 2 s for the table's lock and tries again, so that readers are never queued
    behind a long wait.
    """
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute("SELECT ensure_candle_partitions(%s, %s)", [start, end])
                row = cursor.fetchone()
                return int(row[0]) if row else 0
        except OperationalError:
            if attempt == LOCK_ATTEMPTS or connection.in_atomic_block:
                raise
            logger.warning("candle partitions locked attempt=%s", attempt)
    return 0


def ensure_coming_partitions(now: datetime) -> int:
    """Make this month's table and the next two; the daily task."""
    return ensure_partitions(now.date(), (now + MONTHS_AHEAD).date())


def upsert_bars(rows: Sequence[StoredBar], *, is_merging: bool) -> None:
    """Write bars in one statement; merge with or replace bars of the same key."""
    if not rows:
        return
    unique = {(row.token, row.source, row.interval, row.bar.time): row for row in rows}
    columns = zip(
        *(
            (
                row.token,
                row.source,
                str(row.interval),
                row.bar.time,
                row.bar.open,
                row.bar.high,
                row.bar.low,
                row.bar.close,
                row.bar.volume,
            )
            for row in unique.values()
        ),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT + (_MERGING if is_merging else _REPLACING), [list(c) for c in columns]
        )


def copy_new_bars(lines: Iterable[str]) -> int:
    """Load bars given as COPY text lines; bars already there stay as they are."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE candle_load (LIKE market_candle)")
        with cursor.copy(f"COPY candle_load ({_COLUMNS}) FROM STDIN") as copy:
            for line in lines:
                copy.write(line)
        cursor.execute(
            f"INSERT INTO market_candle ({_COLUMNS}) SELECT {_COLUMNS} FROM candle_load "  # noqa: S608
            "ON CONFLICT DO NOTHING"
        )
        written = int(cursor.rowcount)
        cursor.execute("DROP TABLE candle_load")
        return written


def interval_of_bars(bars: list[CandleBar], *, name: str) -> Interval:
    """Return the interval that a file's bars have."""
    length = bar_length(bars[:50])
    found = {its: interval for interval, its in INTERVAL_LENGTHS.items()}.get(length)
    if found is None:
        raise UnreadableFile(f"{name}, line 2: bars of {length} are no interval FinByte keeps")
    return found


@dataclass(frozen=True, slots=True)
class CandleImport:
    """What an import of candles did."""

    interval: Interval
    written: int
    cleaner: TickCleaner
    summary: list[str]


def import_candles(
    path: Path,
    instrument: Instrument,
    *,
    source: str = IMPORT_SOURCE,
    interval: Interval | None = None,
) -> CandleImport:
    """Read a candle file and write its good rows; a second import changes nothing more.

    The interval is the shortest gap between bars unless it is given.
    """
    recording = Recording(path, instrument.spec)
    bars = list(recording.bars())
    if not bars:
        raise UnreadableFile("\n".join([f"{path.name}: no usable row", *recording.summary()[1:]]))
    interval = interval or interval_of_bars(bars, name=path.name)
    ensure_partitions(bars[0].time.astimezone(UTC).date(), bars[-1].time.astimezone(UTC).date())
    rows = [StoredBar(instrument.pk, source, interval, bar) for bar in bars]
    with transaction.atomic():
        for start in range(0, len(rows), 5000):
            upsert_bars(rows[start : start + 5000], is_merging=False)
    return CandleImport(interval, len(rows), recording.cleaner, recording.summary())
