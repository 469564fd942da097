"""Marking the triggers that prices have reached: durable, once, one leg."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from market.domain.enums import Side
from portfolio.domain.gtt import Levels, Met, first_met, met_between
from portfolio.models import GttTrigger
from portfolio.services.price_watch import Marked, PassPrices

# One statement: the trigger fires and its leg is chosen, or neither. The other leg of two is
# cancelled by that, as no leg of a trigger that is not active can fire.
_MARK = """
    WITH met AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(revisions)s::int[], %(numbers)s::int[],
                             %(prices)s::numeric[]) AS met(id, revision, number, price)
    ), free AS MATERIALIZED (
        SELECT t.id, met.number, met.price
          FROM portfolio_gtttrigger t JOIN met ON met.id = t.id AND met.revision = t.revision
         WHERE t.status = 'active' FOR NO KEY UPDATE OF t SKIP LOCKED
    ), fired AS (
        UPDATE portfolio_gtttrigger t
           SET status = 'triggered', is_due = true, is_fresh = false, triggered_at = %(now)s,
               updated_at = %(now)s
          FROM free WHERE t.id = free.id
    ), leg AS (
        UPDATE portfolio_gttleg l SET met_price = free.price
          FROM free WHERE l.trigger_id = free.id AND l.number = free.number
    )
    SELECT id FROM free
"""
_SETTLE = """
    UPDATE portfolio_gtttrigger t SET is_fresh = false
      FROM (SELECT t.id FROM portfolio_gtttrigger t
              JOIN unnest(%s::bigint[], %s::int[]) AS seen(id, revision)
                ON seen.id = t.id AND seen.revision = t.revision
             WHERE t.is_fresh FOR NO KEY UPDATE OF t SKIP LOCKED) free
     WHERE t.id = free.id
"""


def mark_triggers(trigger_ids: Sequence[int], prices: PassPrices, *, now: datetime) -> Marked:
    """Mark the triggers that have fired; return how many, and the instruments to ask again."""
    if not trigger_ids:
        return Marked(0, frozenset())
    active = GttTrigger.objects.filter(status="active", expires_at__gt=now)
    triggers = list(active.filter(pk__in=trigger_ids))
    prices.read(trigger.instrument_id for trigger in triggers)
    looked = [(trigger, _met(trigger, prices)) for trigger in triggers]
    fired = [(trigger, met) for trigger, met in looked if met is not None]
    marked = _mark(fired, now=now) if fired else set()
    settled = [trigger for trigger, met in looked if met is None and trigger.is_fresh]
    if settled:
        _settle(settled)
    kept = frozenset(each.instrument_id for each, _ in fired if each.pk not in marked)
    return Marked(len(marked), kept)


def _met(trigger: GttTrigger, prices: PassPrices) -> Met | None:
    levels = Levels(trigger.fire_below, trigger.fire_above)
    token, run, seen = trigger.instrument_id, trigger.price_run, trigger.seen_sequence
    if trigger.is_fresh:
        return first_met(levels, prices.since(token, seen, run=run))
    ticks, interval = prices.reached(token, seen, run=run)
    if interval is None:
        return first_met(levels, ticks)
    return met_between(levels, low=interval.low, high=interval.high, side=Side(trigger.side))


def _mark(fired: Sequence[tuple[GttTrigger, Met]], *, now: datetime) -> set[int]:
    values: dict[str, Any] = {
        "ids": [trigger.pk for trigger, _ in fired],
        "revisions": [trigger.revision for trigger, _ in fired],
        "numbers": [met.number for _, met in fired],
        "prices": [met.price for _, met in fired],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARK, values)
        return {row[0] for row in cursor.fetchall()}


def _settle(triggers: Sequence[GttTrigger]) -> None:
    ids, revisions = [each.pk for each in triggers], [each.revision for each in triggers]
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, [ids, revisions])
