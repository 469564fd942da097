"""The wake-up pass's question for triggers and alerts: which have the prices reached.

The pass reads the price intervals, asks here, and forgets an interval only when everything that
it reached is marked in the database (durable). What sleeps costs nothing: index range scans find
what an interval has reached. A row that somebody is changing just now is never waited for: its
instrument's interval is kept and asked about again. Everything here may run twice at once.

Rows listen to prices of the source that they were made on, and only to ticks that came after they
were set: a tick before that may be in the same interval, so what was hit is compared with the
single ticks where Redis still has them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

import redis
from django.db import connection

from market.domain.ticks import PriceInterval, Quote, Tick
from market.streams import plain, read_quotes, recent_ticks

LIMIT = 5_000


class Found(IntEnum):
    """What the question finds."""

    TRIGGER = 0
    ALERT = 1


# Ranges have two ends, though one means nothing: of a range the planner expects few rows, of a
# single comparison a third of the table, and then it would read all of it for each instrument.
_ASK = """
    WITH price AS MATERIALIZED (
        SELECT * FROM unnest(%(tokens)s::bigint[], %(runs)s::text[], %(lows)s::numeric[],
                             %(highs)s::numeric[]) AS price(token, run, low, high)
    )
    SELECT 0, hit.id FROM price CROSS JOIN LATERAL (
           SELECT id, expires_at FROM portfolio_gtttrigger
            WHERE status = 'active' AND fire_below IS NOT NULL AND instrument_id = price.token
              AND price_run = price.run AND fire_below BETWEEN price.low AND 1e15
           UNION ALL
           SELECT id, expires_at FROM portfolio_gtttrigger
            WHERE status = 'active' AND fire_above IS NOT NULL AND instrument_id = price.token
              AND price_run = price.run AND fire_above BETWEEN 0 AND price.high) hit
     WHERE hit.expires_at > %(now)s
    UNION
    SELECT 0, id FROM portfolio_gtttrigger
     WHERE status = 'active' AND is_fresh
    UNION
    SELECT 1, hit.id FROM price CROSS JOIN LATERAL (
           SELECT id, rest_until FROM portfolio_alert
            WHERE status = 'enabled' AND wake_below IS NOT NULL AND instrument_id = price.token
              AND price_run = price.run AND wake_below BETWEEN price.low AND 1e15
           UNION ALL
           SELECT id, rest_until FROM portfolio_alert
            WHERE status = 'enabled' AND wake_above IS NOT NULL AND instrument_id = price.token
              AND price_run = price.run AND wake_above BETWEEN 0 AND price.high
           UNION ALL
           SELECT id, rest_until FROM portfolio_alert
            WHERE status = 'enabled' AND wake_touch IS NOT NULL AND instrument_id = price.token
              AND price_run = price.run AND wake_touch BETWEEN price.low AND price.high) hit
     WHERE hit.rest_until IS NULL OR hit.rest_until <= %(now)s
    UNION
    SELECT 1, id FROM portfolio_alert
     WHERE status = 'enabled' AND is_fresh AND constant IS NOT NULL
    LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """What one question found, by kind; `is_all` unless there was more than one pass takes."""

    trigger_ids: list[int]
    alert_ids: list[int]
    is_all: bool


def ask_reached(
    intervals: Sequence[PriceInterval], *, now: datetime, limit: int = LIMIT
) -> Reached:
    """Return the triggers and alerts that the prices may have reached, and those just set."""
    values: dict[str, Any] = {
        "tokens": [each.instrument_token for each in intervals],
        "runs": [each.price_run for each in intervals],
        "lows": [plain(each.low) for each in intervals],
        "highs": [plain(each.high) for each in intervals],
        "now": now,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ASK, values)
        rows = cursor.fetchall()
    return Reached(
        trigger_ids=[key for kind, key in rows if kind == Found.TRIGGER],
        alert_ids=[key for kind, key in rows if kind == Found.ALERT],
        is_all=len(rows) < limit,
    )


@dataclass(frozen=True, slots=True)
class Marked:
    """How many rows have fired, and the instruments whose interval must be asked about again."""

    count: int
    kept_tokens: frozenset[int]


@dataclass(slots=True)
class PassPrices:
    """The prices of one pass, with the single ticks of what was hit; read outside transactions."""

    client: redis.Redis
    intervals: dict[int, PriceInterval]
    _quotes: dict[int, Quote] = field(default_factory=dict)
    _rings: dict[int, list[Tick]] = field(default_factory=dict)

    @classmethod
    def of(cls, client: redis.Redis, intervals: Iterable[PriceInterval]) -> "PassPrices":
        """Begin with the intervals of a pass."""
        return cls(client, {each.instrument_token: each for each in intervals})

    def read(self, tokens: Iterable[int]) -> None:
        """Read quotes and ticks of these instruments; what was read before stays."""
        missing = [token for token in dict.fromkeys(tokens) if token not in self._rings]
        for token in missing:
            self._rings[token] = recent_ticks(self.client, token, after_sequence=0)
        # Quotes after ticks: no tick is newer than the quote beside it.
        self._quotes |= read_quotes(self.client, missing)

    def read_quotes(self, tokens: Iterable[int]) -> None:
        """Read quotes only; what was read before stays."""
        missing = [token for token in tokens if token not in self._quotes]
        self._quotes |= read_quotes(self.client, missing)

    def quote(self, token: int, *, run: str) -> Quote | None:
        """Return the newest quote, if it comes from this source."""
        found = self._quotes.get(token)
        return found if found is not None and found.price_run == run else None

    def since(self, token: int, sequence: int, *, run: str) -> list[Decimal]:
        """Return the ticks after a number that are still known, oldest first."""
        if self.quote(token, run=run) is None:
            return []
        return [tick.price for tick in self._rings[token] if tick.sequence > sequence]

    def reached(
        self, token: int, sequence: int, *, run: str
    ) -> tuple[list[Decimal], PriceInterval | None]:
        """Return the interval's ticks after a number, or the interval where they are gone.

        Of an interval that began before the number only known ticks count.
        """
        interval = self.intervals.get(token)
        if interval is None or interval.price_run != run:
            return [], None
        first = max(sequence + 1, interval.first_sequence)
        ring = self._rings[token]
        is_whole = (
            bool(ring) and ring[0].sequence <= first <= interval.sequence <= ring[-1].sequence
        )
        if is_whole or interval.first_sequence <= sequence:
            wanted = range(first, interval.sequence + 1)
            return [tick.price for tick in ring if tick.sequence in wanted], None
        return [], interval
