"""How long two months of minutes take from the table to the text of the API's answer.

The reference reads the same rows as rows, by the same connection. Bars gathered from minutes and
the packing of the answer are shown beside.
"""

import gzip
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
django.setup()

from django.db import connection  # noqa: E402

from market.domain.enums import Interval  # noqa: E402
from market.selectors import history  # noqa: E402
from market.services.candles import ensure_partitions  # noqa: E402
from market.services.instruments import seed_instruments  # noqa: E402

TOKEN = 633601
END = datetime(2026, 11, 20, tzinfo=UTC)
KEPT = timedelta(days=200)
BUDGET_SECONDS = 1.0
ROUNDS = 3
SPANS = {
    Interval.MINUTE: timedelta(days=60),
    Interval.MINUTE_5: timedelta(days=100),
    Interval.HOUR: timedelta(days=200),
    Interval.DAY: timedelta(days=200),
}
_FILL = """
    INSERT INTO market_candle
    SELECT %s, 'SIMULATED', 'minute', at, 260.05 + step, 262 + step, 259.95 + step, 261.1 + step, 1000.5
      FROM (SELECT at, (extract(epoch FROM at)::bigint %% 997) * 0.05 AS step
              FROM generate_series(%s, %s, interval '1 minute') AS at) AS minutes
"""
_ROWS = """
    SELECT time, open, high, low, close, volume FROM market_candle
     WHERE instrument_id = %s AND source = 'SIMULATED' AND interval = 'minute' AND time >= %s
     ORDER BY time
"""


def _best(act: Callable[[], str]) -> tuple[float, float, str]:
    """Return the shortest time of the clock and of this process, and what came of it."""
    clock, own, text = [], [], ""
    for _ in range(ROUNDS):
        started, used = perf_counter(), process_time()
        text = act()
        clock.append(perf_counter() - started)
        own.append(process_time() - used)
    return min(clock), min(own), text


def _fill() -> None:
    seed_instruments()
    ensure_partitions((END - KEPT).date(), END.date())
    with connection.cursor() as cursor:
        cursor.execute(_FILL, [TOKEN, END - KEPT, END - timedelta(minutes=1)])
        cursor.execute("ANALYZE market_candle")


def _as_rows() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [TOKEN, END - SPANS[Interval.MINUTE]])
        return str(len(cursor.fetchall()))


def _as_text(interval: Interval) -> str:
    last = END - timedelta(seconds=1)
    found = history(TOKEN, interval, first=END - SPANS[interval], last=last, has_oi=False)
    return found.lines + "[" * len(found.bars)


def main() -> int:
    """Print the figures; fail when two months of minutes take longer than the budget."""
    _fill()
    clock, own, count = _best(_as_rows)
    print(
        f"reference: {count} rows read as rows  {clock * 1000:.0f} ms, of it here {own * 1000:.0f}"
    )  # noqa: T201
    minutes = 0.0
    for interval, span in SPANS.items():
        clock, own, text = _best(lambda interval=interval: _as_text(interval))
        minutes = minutes or clock
        print(  # noqa: T201
            f"{interval:>8} candles of {span.days} days: {text.count('[')} in {clock * 1000:.0f} ms,"
            f" of it here {own * 1000:.0f}; {len(text)} bytes"
        )
        if interval is Interval.MINUTE:
            _, own, _ = _best(lambda text=text: str(len(gzip.compress(text.encode(), 1))))
            print(f"         packed in {own * 1000:.0f} ms")  # noqa: T201
    return int(minutes > BUDGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
