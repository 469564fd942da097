"""The row of one bot under lock, read and written in few round trips (decisions 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.db import connection

from bots.domain.strategy import Band, StrategyContext
from bots.registry import strategy_of
from market.domain.enums import Calendar, FeeMode, InstrumentKind
from market.domain.instruments import InstrumentSpec

# Two statements in one round trip: the second begins after the lock was taken, so it sees what
# the step before committed. A fee schedule counts by the wall clock; an account younger than its
# first schedule has that one.
_LOCK_AND_READ = """
    SELECT 1 FROM bots_bot WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED;
    SELECT bot.id, bot.user_id, bot.kind, bot.name, bot.status, bot.failed_from, bot.fail_count,
           bot.status_code, bot.status_message, bot.config::text, bot.state::text, bot.step_no,
           bot.tick_seq, bot.price_run, bot.next_due_at, bot.wake_mark, bot.started_at,
           bot.book_id, manual.id AS manual_book_id, book.event_seq, book.consumed_seq,
           account.fee_mode, fee.maker_rate, fee.taker_rate,
           (SELECT json_agg(json_build_array(instrument_id, wake_below::text, wake_above::text)
                            ORDER BY instrument_id)::text
              FROM bots_botband WHERE bot_id = bot.id AND is_armed) AS bands,
           (SELECT json_agg(json_build_object('id', id, 'kind', kind, 'amount', amount::text,
                            'stop_mode', stop_mode, 'reason', reason) ORDER BY id)::text
              FROM bots_botcommand WHERE bot_id = bot.id AND handled_at IS NULL) AS commands,
           instrument.instrument_token, instrument.exchange, instrument.tradingsymbol,
           instrument.kind, instrument.base_asset, instrument.quote_asset, instrument.tick_size,
           instrument.lot_size, instrument.min_quantity, instrument.min_notional,
           instrument.max_quantity, instrument.lower_circuit, instrument.upper_circuit,
           instrument.calendar, instrument.freshness_limit, instrument.is_tradable
      FROM bots_bot bot
      JOIN portfolio_book book ON book.id = bot.book_id
      JOIN portfolio_book manual
        ON manual.venue_account_id = bot.venue_account_id AND manual.kind = 'MANUAL'
      JOIN portfolio_venueaccount account ON account.id = bot.venue_account_id
      JOIN market_instrument instrument ON instrument.instrument_token = bot.instrument_id
      LEFT JOIN LATERAL (
           SELECT maker_rate, taker_rate FROM portfolio_feeschedule schedule
            WHERE schedule.venue_account_id = account.id
            ORDER BY schedule.valid_from <= %s DESC,
                     CASE WHEN schedule.valid_from <= %s THEN schedule.valid_from END
                       DESC NULLS LAST,
                     schedule.valid_from
            LIMIT 1) fee ON true
     WHERE bot.id = %s
"""
_WRITE = """
    WITH told AS (
        INSERT INTO bots_botevent (bot_id, step_no, kind, message, data, market_time, at)
        SELECT %(id)s, step_no, kind, message, data, market_time, %(now)s
          FROM json_to_recordset(%(lines)s) AS e(step_no bigint, kind text, message text,
                                                 data jsonb, market_time timestamptz)
    ), dropped AS (
        DELETE FROM bots_botband
         WHERE %(rearms)s AND bot_id = %(id)s AND NOT instrument_id = ANY(%(tokens)s::bigint[])
    ), armed AS (
        INSERT INTO bots_botband (bot_id, instrument_id, wake_below, wake_above, is_armed)
        SELECT %(id)s, token, below, above, true
          FROM unnest(%(tokens)s::bigint[], %(below)s::numeric[], %(above)s::numeric[])
            AS band(token, below, above)
            ON CONFLICT (bot_id, instrument_id) DO UPDATE SET wake_below = excluded.wake_below,
               wake_above = excluded.wake_above, is_armed = true
    )
    UPDATE bots_bot SET state = %(state)s::jsonb, status = %(status)s,
           status_code = %(status_code)s, status_message = %(status_message)s,
           step_no = %(step_no)s, tick_seq = %(tick_seq)s, price_run = %(price_run)s,
           next_due_at = %(next_due_at)s, wake_mark = CASE
               WHEN %(look_again)s THEN %(now)s
               WHEN wake_mark IS NOT DISTINCT FROM %(mark)s THEN NULL ELSE wake_mark END,
           fail_count = 0, failed_from = '', waiting_for = '', grid_profit = %(grid_profit)s,
           pair_count = %(pairs)s, investment = %(investment)s, withdrawn = %(withdrawn)s,
           final_figures = coalesce(%(final_figures)s::jsonb, final_figures),
           started_at = %(started_at)s, stopped_at = coalesce(stopped_at, %(stopped_at)s),
           updated_at = %(now)s
     WHERE id = %(id)s
"""
_HANDLED = """
    UPDATE bots_botcommand SET handled_at = %s, refusal = told.refusal
      FROM unnest(%s::bigint[], %s::text[]) AS told(id, refusal)
     WHERE bots_botcommand.id = told.id
"""


class BotRow(NamedTuple):
    """One bot under lock, with its book, its fees and what people have asked of it."""

    id: int
    user_id: int
    kind: str
    name: str
    status: str
    failed_from: str
    fail_count: int
    status_code: str
    status_message: str
    config: str
    state: str
    step_no: int
    tick_seq: int
    price_run: str
    next_due_at: datetime | None
    wake_mark: datetime | None
    started_at: datetime | None
    book_id: int
    manual_book_id: int
    event_seq: int
    consumed_seq: int
    fee_mode: str
    maker_rate: Decimal | None
    taker_rate: Decimal | None
    bands_text: str | None
    commands_text: str | None
    instrument: InstrumentSpec

    @property
    def bands(self) -> list[Band]:
        """Return the bands that are armed."""
        return [
            Band(token, _decimal(below), _decimal(above))
            for token, below, above in orjson.loads(self.bands_text or "[]")
        ]

    @property
    def commands(self) -> list[dict[str, Any]]:
        """Return what people have asked for, oldest first."""
        found: list[dict[str, Any]] = orjson.loads(self.commands_text or "[]")
        return found

    @property
    def is_unstarted(self) -> bool:
        """Say whether the strategy has not seen its `Start` yet."""
        return self.state == "{}"


_PLAIN_COLUMNS = len(BotRow._fields) - 1


def lock_bot(bot_id: int, *, now: datetime) -> BotRow | None:
    """Lock a bot and read it; None when somebody else is at it, or it has no book."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_AND_READ, [bot_id, now, now, bot_id])
        if cursor.fetchone() is None:
            return None
        cursor.nextset()
        row = cursor.fetchone()
    if row is None:
        return None
    return BotRow._make([*row[:_PLAIN_COLUMNS], _spec(tuple(row[_PLAIN_COLUMNS:]))])


@lru_cache(maxsize=1024)
def _spec(values: tuple[Any, ...]) -> InstrumentSpec:
    token, exchange, symbol, kind, base, quote, *numbers, calendar, limit, tradable = values
    tick, lot, least, notional = (number.normalize() for number in numbers[:4])
    most = None if numbers[4] is None else numbers[4].normalize()
    return InstrumentSpec(
        instrument_token=token, exchange=exchange, tradingsymbol=symbol,
        kind=InstrumentKind(kind), base_asset=base, quote_asset=quote, tick_size=tick,
        lot_size=lot, min_quantity=least, min_notional=notional, max_quantity=most,
        lower_circuit=numbers[5], upper_circuit=numbers[6], calendar=Calendar(calendar),
        freshness_limit=limit, is_tradable=tradable,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def load_config(kind: str, text: str, context: StrategyContext) -> Any:
    """Return a stored config; the same text under the same rules is read once per process."""
    return strategy_of(kind).load_config(orjson.loads(text), context=context)


def context_of(row: BotRow) -> StrategyContext:
    """Return the rules that a bot's config is read under."""
    return StrategyContext(
        instrument=row.instrument,
        maker_fee=(row.maker_rate or Decimal(0)).normalize(),
        taker_fee=(row.taker_rate or Decimal(0)).normalize(),
        fee_mode=FeeMode(row.fee_mode),
        market_price=None,
        free_balance=None,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the timeline."""

    step_no: int
    kind: str
    message: str
    data: dict[str, str]
    market_time: datetime | None


def write_bot(
    values: dict[str, Any], lines: Sequence[Line], *, bands: Sequence[Band] | None
) -> None:
    """Write where a bot stands after its step, with the lines for its timeline, in one statement.

    With `bands` exactly these are armed afterwards; without, they stay as they are.
    """
    armed = bands or ()
    rows = [
        {
            "step_no": line.step_no,
            "kind": line.kind,
            "message": line.message[:300],
            "data": line.data,
            "market_time": line.market_time,
        }
        for line in lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                **values,
                "lines": orjson.dumps(rows).decode(),
                "rearms": bands is not None,
                "tokens": [band.instrument_token for band in armed],
                "below": [band.wake_below for band in armed],
                "above": [band.wake_above for band in armed],
            },
        )


def close_commands(refusals: dict[int, str], *, now: datetime) -> None:
    """Note that commands were carried out, or why not."""
    with connection.cursor() as cursor:
        cursor.execute(_HANDLED, [now, list(refusals), list(refusals.values())])
