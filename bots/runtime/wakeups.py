"""The wake-up question: which bots have something to do now.

One pass: read the price intervals, mark the bots whose bands they left and the triggers and alerts
that they have reached (durable), then forget the intervals. A crash in between leaves the intervals for the next pass; after it the marks stand.
A step clears a mark only when it is the one that it had seen before it read prices, so a mark
set while a step runs is never lost. Everything here may run twice at the same time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.db import connection

from bots.domain.enums import AWAKE_STATUSES
from market.domain.ticks import PriceInterval
from market.streams import plain, read_intervals, release_intervals
from portfolio.services.price_pass import watch_prices

LIMIT = 5_000
# Written out, so that the partial index of due times is found.
_AWAKE = ", ".join(f"'{status}'" for status in sorted(AWAKE_STATUSES))

# Two index range scans per price (a plain join would look at every armed band), each with two
# ends: of a single comparison the planner expects a third of the table, and reads all of it. A bot that is
# being stepped right now is skipped, never waited for: its instrument's interval is kept and
# asked about again.
_HIT = """
    WITH hit AS (
        SELECT band.bot_id, price.token
          FROM unnest(%(tokens)s::bigint[], %(lows)s::numeric[], %(highs)s::numeric[])
               AS price(token, low, high)
         CROSS JOIN LATERAL (
               SELECT bot_id FROM bots_botband
                WHERE is_armed AND wake_below IS NOT NULL
                  AND instrument_id = price.token AND wake_below BETWEEN price.low AND 1e15
               UNION ALL
               SELECT bot_id FROM bots_botband
                WHERE is_armed AND wake_above IS NOT NULL
                  AND instrument_id = price.token
                  AND wake_above BETWEEN -1e15 AND price.high) AS band
    ), free AS MATERIALIZED (
        SELECT id FROM bots_bot WHERE id IN (SELECT bot_id FROM hit)
           FOR NO KEY UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE bots_bot SET wake_mark = greatest(
                   %(now)s, wake_mark + interval '1 microsecond')
          FROM free WHERE bots_bot.id = free.id
    ), kept AS (
        SELECT DISTINCT token FROM hit WHERE bot_id NOT IN (SELECT id FROM free)
    )
"""
# A book's news is heard in every status: a late trade of a bot that has ended is still money.
_DUE = f"""
    (SELECT id, false FROM bots_bot WHERE wake_mark IS NOT NULL
     UNION
     SELECT bot.id, false FROM portfolio_book book JOIN bots_bot bot ON bot.book_id = book.id
      WHERE book.event_seq > book.consumed_seq AND book.kind = 'BOT' AND bot.failed_from = ''
     UNION
     SELECT id, false FROM bots_bot
      WHERE status IN ({_AWAKE}) AND next_due_at IS NOT NULL AND next_due_at <= %(now)s
     UNION
     SELECT bot_id, false FROM bots_botcommand WHERE handled_at IS NULL
     LIMIT %(limit)s)
"""  # noqa: S608 - our own words
# The statement sees no mark that it sets itself, hence `free` beside the marks of earlier passes.
_ASK = f"""
    {_HIT} {_DUE} UNION SELECT id, false FROM free UNION ALL SELECT token, true FROM kept
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class WakePass:
    """What one pass found: the bots to step, and the instruments it must ask about again."""

    bot_ids: list[int]
    kept_tokens: frozenset[int]


def due_bot_ids(
    intervals: Sequence[PriceInterval], *, now: datetime, limit: int = LIMIT
) -> WakePass:
    """Mark the bots whose bands were left and return all that have something to do."""
    values: dict[str, Any] = {"now": now, "limit": limit}
    if intervals:
        values["tokens"] = [interval.instrument_token for interval in intervals]
        values["lows"] = [plain(interval.low) for interval in intervals]
        values["highs"] = [plain(interval.high) for interval in intervals]
    with connection.cursor() as cursor:
        cursor.execute(_ASK if intervals else _DUE, values)
        rows = cursor.fetchall()
    return WakePass(
        bot_ids=[key for key, is_token in rows if not is_token],
        kept_tokens=frozenset(key for key, is_token in rows if is_token),
    )


def wake_pass(
    client: redis.Redis, *, now: datetime, hint: Callable[[list[int]], object], limit: int = LIMIT
) -> int:
    """Ask once for the whole platform: hint the bots to step, mark the triggers that have fired.

    Returns how many triggers and alerts have something to do. Bots come first: whatever is wrong
    with a trigger keeps no bot asleep, only the intervals, which are asked about again.
    """
    intervals = read_intervals(client)
    found = due_bot_ids(intervals, now=now, limit=limit)
    hint(found.bot_ids)
    fired = watch_prices(client, intervals, now=now)
    kept = found.kept_tokens | fired.kept_tokens
    release_intervals(client, [each for each in intervals if each.instrument_token not in kept])
    return fired.count
