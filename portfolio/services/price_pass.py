"""One pass for everything that waits for a price and is not a bot."""

from collections.abc import Sequence
from datetime import datetime

import redis

from market.domain.ticks import PriceInterval
from portfolio.services.alerts_pass import mark_alerts
from portfolio.services.gtt_pass import mark_triggers
from portfolio.services.price_watch import LIMIT, Marked, PassPrices, ask_reached


def watch_prices(
    client: redis.Redis, intervals: Sequence[PriceInterval], *, now: datetime, limit: int = LIMIT
) -> Marked:
    """Mark the triggers and alerts that the prices have reached.

    Returns how many have something to do now, and the instruments whose interval must be kept.
    """
    reached = ask_reached(intervals, now=now, limit=limit)
    prices = PassPrices.of(client, intervals)
    triggers = mark_triggers(reached.trigger_ids, prices, now=now)
    alerts = mark_alerts(reached.alert_ids, prices, now=now)
    kept = triggers.kept_tokens | alerts.kept_tokens
    if not reached.is_all:
        kept |= frozenset(prices.intervals)
    return Marked(triggers.count + alerts.count, kept)
