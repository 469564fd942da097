"""Marking the alerts whose condition has become true, or untrue again: durable and once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from django.db import connection

from market.domain.formatting import plain
from market.domain.ticks import PriceInterval, Quote
from market.models import Instrument
from portfolio.domain.alerts import (
    REST,
    Operator,
    Turn,
    Wake,
    may_fire,
    turn_between,
    turn_of,
    wake_of,
)
from portfolio.models import Alert
from portfolio.services.price_watch import Marked, PassPrices

# Compared at every pass in which either side has a price: all that is needed, and no more.
_PAIRS = """
    SELECT id, instrument_id, other_id, price_run, other_run, operator, is_true
      FROM portfolio_alert
     WHERE status = 'enabled' AND other_id IS NOT NULL
       AND (instrument_id = ANY(%(tokens)s) OR other_id = ANY(%(tokens)s))
       AND (rest_until IS NULL OR rest_until <= %(now)s)
"""
# `seen_sequence` ascends with each turn: of two passes with the same prices the second finds
# another number and changes nothing.
_MARK = """
    WITH turn AS (
        SELECT * FROM jsonb_to_recordset(%(turns)s::jsonb) AS turn(
            id bigint, revision int, was_seen bigint, seen bigint, is_true boolean, fires boolean,
            wake_below numeric, wake_above numeric, wake_touch numeric, condition text, prices jsonb)
    ), free AS MATERIALIZED (
        SELECT a.id, a.kind, a.basket FROM portfolio_alert a
          JOIN turn ON turn.id = a.id AND turn.revision = a.revision
                   AND turn.was_seen = a.seen_sequence
         WHERE a.status = 'enabled' FOR NO KEY UPDATE OF a SKIP LOCKED
    ), turned AS (
        UPDATE portfolio_alert a
           SET is_true = turn.is_true, is_fresh = false, seen_sequence = turn.seen,
               wake_below = turn.wake_below, wake_above = turn.wake_above,
               wake_touch = turn.wake_touch, alert_count = a.alert_count + turn.fires::int,
               rest_until = CASE WHEN turn.fires THEN %(rest_until)s ELSE a.rest_until END,
               status = CASE WHEN turn.fires AND a.kind = 'ato' THEN 'disabled' ELSE a.status END,
               updated_at = CASE WHEN turn.fires THEN %(now)s ELSE a.updated_at END
          FROM free JOIN turn ON turn.id = free.id WHERE a.id = free.id
    ), told AS (
        INSERT INTO portfolio_alertevent
               (alert_id, condition, prices, basket, results, at, is_due)
        SELECT free.id, turn.condition, turn.prices, free.basket, '[]', %(now)s, true
          FROM free JOIN turn ON turn.id = free.id WHERE turn.fires ORDER BY free.id
    )
    SELECT id FROM free
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """What an alert was found to be: where it stands now, and up to which tick that is known."""

    alert: Alert
    turn: Turn
    seen: int
    quotes: tuple[Quote | None, ...]


def mark_alerts(alert_ids: Sequence[int], prices: PassPrices, *, now: datetime) -> Marked:
    """Mark the alerts that have turned; return how many fired, and what to ask about again."""
    pairs = _turned_pairs(prices, now=now)
    wanted = [*alert_ids, *pairs]
    if not wanted:
        return Marked(0, frozenset())
    alerts = list(
        Alert.objects.filter(pk__in=wanted, status="enabled").select_related("instrument", "other")
    )
    prices.read(token for alert in alerts for token in _tokens(alert))
    looks = [_look(alert, prices) for alert in alerts]
    turned = [look for look in looks if _is_news(look)]
    marked = _mark(turned, now=now) if turned else set()
    kept = frozenset(look.alert.instrument_id for look in turned if look.alert.pk not in marked)
    fired = [look for look in turned if look.alert.pk in marked and _fires(look, now=now)]
    return Marked(len(fired), kept)


def _tokens(alert: Alert) -> list[int]:
    return [token for token in (alert.instrument_id, alert.other_id) if token is not None]


# ---------------------------------------------------------------------------- two instruments


def _turned_pairs(prices: PassPrices, *, now: datetime) -> list[int]:
    """Return the alerts on two instruments that are not what they were, by the newest prices."""
    if not prices.intervals:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, {"tokens": list(prices.intervals), "now": now})
        rows = cursor.fetchall()
    prices.read_quotes(token for row in rows for token in row[1:3])
    turned = []
    for key, left, right, run, other_run, operator, is_true in rows:
        quotes = prices.quote(left, run=run), prices.quote(right, run=other_run)
        if quotes[0] is None or quotes[1] is None:
            continue
        if Operator(operator).holds(quotes[0].last_price, quotes[1].last_price) != is_true:
            turned.append(key)
    return turned


def _look_at_pair(alert: Alert, prices: PassPrices) -> _Look:
    left = prices.quote(alert.instrument_id, run=alert.price_run)
    right = prices.quote(alert.other_id or 0, run=alert.other_run)
    if left is None or right is None:
        return _Look(alert, Turn(alert.is_true), alert.seen_sequence, (left, right))
    turn = turn_of(
        Operator(alert.operator), right.last_price, [left.last_price], is_true=alert.is_true
    )
    # The other side alone may have moved: the number ascends all the same.
    seen = max(left.sequence, alert.seen_sequence + 1)
    return _Look(alert, turn, seen, (left, right))


# ----------------------------------------------------------------------------------- a number


def _look(alert: Alert, prices: PassPrices) -> _Look:
    constant = alert.constant
    if constant is None:
        return _look_at_pair(alert, prices)
    token, run, seen = alert.instrument_id, alert.price_run, alert.seen_sequence
    operator, quote = Operator(alert.operator), prices.quote(token, run=run)
    newest = seen if quote is None else max(seen, quote.sequence)
    if alert.is_fresh:
        ticks, interval = prices.since(token, seen, run=run), None
    else:
        ticks, interval = prices.reached(token, seen, run=run)
        newest = max(seen, prices.intervals[token].sequence) if token in prices.intervals else seen
    if interval is None:
        turn = turn_of(operator, constant, ticks, is_true=alert.is_true)
    else:
        turn = turn_between(operator, constant, _reached(interval), is_true=alert.is_true)
    return _Look(alert, turn, newest, (quote,))


def _reached(interval: PriceInterval) -> tuple[Decimal, Decimal, Decimal]:
    return interval.low, interval.high, interval.last


# ------------------------------------------------------------------------------------ writing


def _is_news(look: _Look) -> bool:
    is_changed = look.turn.is_true != look.alert.is_true or look.turn.fired_at is not None
    return is_changed or (look.alert.is_fresh and look.alert.constant is not None)


def _fires(look: _Look, *, now: datetime) -> bool:
    return look.turn.fired_at is not None and may_fire(look.alert.rest_until, now=now)


def _mark(turned: Sequence[_Look], *, now: datetime) -> set[int]:
    turns = [_row(look, now=now) for look in turned]
    values: dict[str, Any] = {
        "turns": orjson.dumps(turns).decode(),
        "now": now,
        "rest_until": now + REST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARK, values)
        return {row[0] for row in cursor.fetchall()}


def _row(look: _Look, *, now: datetime) -> dict[str, Any]:
    alert, turn = look.alert, look.turn
    wake = Wake()
    if alert.constant is not None:
        wake = wake_of(Operator(alert.operator), alert.constant, is_true=turn.is_true)
    return {
        "id": alert.pk,
        "revision": alert.revision,
        "was_seen": alert.seen_sequence,
        "seen": look.seen,
        "is_true": turn.is_true,
        "fires": _fires(look, now=now),
        "wake_below": _text(wake.below),
        "wake_above": _text(wake.above),
        "wake_touch": _text(wake.touch),
        "condition": condition_of(alert),
        "prices": _prices(look, now=now),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def condition_of(alert: Alert) -> str:
    """Return a condition in Kite's words."""
    left = _side(alert.instrument)
    if alert.other is not None:
        return f"{left} {alert.operator} {_side(alert.other)}"
    return f"{left} {alert.operator} {plain(alert.constant or Decimal(0))}"


def _side(instrument: Instrument) -> str:
    exchange = exchange_of(instrument)
    return f'LastTradedPrice("{exchange}:{instrument.tradingsymbol}")'


def exchange_of(instrument: Instrument) -> str:
    """Return the exchange that alerts know an instrument by: indices have one of their own."""
    return "INDICES" if instrument.segment == "INDICES" else instrument.exchange


def _prices(look: _Look, *, now: datetime) -> list[dict[str, Any]]:
    """Return what was known of the instruments; of the first the price that met the condition."""
    first = _known(look.alert.instrument, look.quotes[0], now=now)
    if look.turn.fired_at is not None:
        first["last_price"] = plain(look.turn.fired_at)
    if look.alert.other is None:
        return [first]
    return [first, _known(look.alert.other, look.quotes[1], now=now)]


def _known(instrument: Instrument, quote: Quote | None, *, now: datetime) -> dict[str, Any]:
    named = {
        "instrument_token": instrument.pk,
        "exchange": exchange_of(instrument),
        "tradingsymbol": instrument.tradingsymbol,
    }
    if quote is None:
        return {**named, "at": now.isoformat()}
    return {
        **named,
        "last_price": plain(quote.last_price),
        "open": plain(quote.open),
        "high": plain(quote.high),
        "low": plain(quote.low),
        "close": plain(quote.previous_close),
        "last_quantity": plain(quote.last_quantity),
        "volume": plain(quote.volume),
        "average_price": plain(quote.average_price),
        "at": quote.exchange_time.isoformat(),
    }
