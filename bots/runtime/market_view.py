"""What a step may know of the market: read from Redis before its transaction (decisions 26)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis
from django.db import connection

from market.domain.ticks import Quote, Tick
from market.streams import read_quotes, recent_ticks

_BOTS = """
    SELECT bot.id, bot.instrument_id, bot.wake_mark,
           EXISTS (SELECT 1 FROM bots_botband band WHERE band.bot_id = bot.id AND band.is_armed)
      FROM bots_bot bot WHERE bot.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class MarketView:
    """Newest quotes, the ticks that led to them, and the wake marks seen before reading them.

    A step clears a mark only if it is the one seen here: a mark set later stands for ticks that
    this view does not have.
    """

    quotes: Mapping[int, Quote]
    ticks: Mapping[int, Sequence[Tick]] = field(default_factory=dict)
    marks: Mapping[int, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which prices the steps of some bots need, and the marks seen before reading them."""

    tokens: set[int]
    listened: set[int]
    marks: dict[int, datetime | None]


def wanted_prices(bot_ids: Iterable[int]) -> Wanted:
    """Return what these bots need; only bots with armed bands listen to single ticks."""
    wanted = Wanted(set(), set(), {})
    with connection.cursor() as cursor:
        cursor.execute(_BOTS, [list(bot_ids)])
        for bot_id, token, mark, listens in cursor.fetchall():
            wanted.marks[bot_id] = mark
            wanted.tokens.add(token)
            if listens:
                wanted.listened.add(token)
    return wanted


def view_market(client: redis.Redis, bot_ids: Iterable[int]) -> MarketView:
    """Read what the steps of these bots need, each instrument once."""
    wanted = wanted_prices(bot_ids)
    # All that the ring has, not what came after the bot's last: a new source counts from one.
    ticks = {
        token: newest_run(recent_ticks(client, token, after_sequence=0))
        for token in wanted.listened
    }
    # Quotes after ticks: no tick may be newer than the quote it is judged by.
    return MarketView(read_quotes(client, wanted.tokens), ticks, wanted.marks)


def newest_run(ticks: Sequence[Tick]) -> list[Tick]:
    """Return the last ascending run: a new source begins to count from one again."""
    start = len(ticks)
    while start > 0 and (start == len(ticks) or ticks[start - 1].sequence < ticks[start].sequence):
        start -= 1
    return list(ticks[start:])


def market_time(quote: Quote, *, now: datetime) -> datetime:
    """Return the market's time now: that of the newest tick, moved on by the quote's age."""
    return quote.exchange_time + max(quote.age(now), timedelta(0))
