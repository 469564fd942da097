"""How long two months of minutes take from the table to the text of the API's answer.

The reference reads the same rows as rows, by the same connection. Bars gathered from minutes and
the packing of the answer are shown beside.
"""

import gzip
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
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


def _packed(text: str) -> str:
    return str(len(gzip.compress(text.encode(), 1)))


def _say(what: str, clock: float, own: float) -> None:
    line = f"{what}: {clock * 1000:.0f} ms, of it in this process {own * 1000:.0f}"
    print(line)  # noqa: T201


def main() -> int:
    """Print the figures; fail when two months of minutes take longer than the budget."""
    _fill()
    clock, own, count = _best(_as_rows)
    _say(f"reference: {count} rows read as rows", clock, own)
    minutes = 0.0
    for interval, span in SPANS.items():
        clock, own, text = _best(partial(_as_text, interval))
        minutes = minutes or clock
        _say(f"{interval} candles of {span.days} days: {text.count('[')}", clock, own)
        _say(f"  packed: {len(text)} bytes", *_best(partial(_packed, text))[:2])
    return int(minutes > BUDGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
