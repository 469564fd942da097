"""What things are worth now: the newest quotes, else the last prices that were kept."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import redis
from django.db import connection

from market.streams import connect, read_quotes

logger = logging.getLogger(__name__)

# The minutes of the active source, so that the primary key leads straight to the last one.
_LAST_CLOSES = """
    SELECT active.instrument_id, candle.close
      FROM market_instrumentsource active
     CROSS JOIN LATERAL (
           SELECT close FROM market_candle
            WHERE instrument_id = active.instrument_id AND interval = 'minute'
              AND source = CASE active.source WHEN 'REPLAY' THEN 'REPLAY:' || active.run
                                              ELSE active.source END
            ORDER BY time DESC LIMIT 1) AS candle
     WHERE active.instrument_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last price of an instrument and the close of the day before."""

    last: Decimal
    close: Decimal


def marks_of(tokens: Iterable[int]) -> dict[int, Mark]:
    """Return what instruments are worth; one that never had a price is left out.

    Where Redis is away, or has no quote, the last kept candle stands in for both prices.
    """
    wanted = sorted(set(tokens))
    if not wanted:
        return {}
    try:
        quotes = read_quotes(connect(), wanted)
    except redis.RedisError:
        logger.warning("no live prices, taking the last candles", exc_info=True)
        quotes = {}
    marks = {token: Mark(quote.last_price, quote.previous_close) for token, quote in quotes.items()}
    missing = [token for token in wanted if token not in marks]
    return marks | _last_closes(missing) if missing else marks


def _last_closes(tokens: Sequence[int]) -> dict[int, Mark]:
    with connection.cursor() as cursor:
        cursor.execute(_LAST_CLOSES, [list(tokens)])
        return {token: Mark(close, close) for token, close in cursor.fetchall()}
