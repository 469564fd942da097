"""One step of one bot: one transaction, or nothing (architecture.md section 5)."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, cast

import orjson
from django.db import InterfaceError, OperationalError, connection, transaction

from bots.domain.enums import BotStatus
from bots.domain.spot_grid_figures import figures_of
from bots.domain.strategy import CommandKind, Event, Intent
from bots.runtime.acts import Surroundings, carry_out
from bots.runtime.book_news import strategy_events
from bots.runtime.bot_rows import (
    BotRow,
    close_commands,
    lock_bot,
    write_bot,
)
from bots.runtime.failures import count_failure
from bots.runtime.market_view import MarketView
from bots.runtime.turns import Turn, hear_all, next_look, open_turn
from bots.services.closing import return_everything
from market.domain.formatting import plain
from market.domain.ticks import Quote
from market.streams import push_event
from portfolio.models import LedgerAccount
from portfolio.selectors.orders import BookEvent, book_events_after
from portfolio.services.books import ack_book_events

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
# Book events heard in one step; the rest are news for the next.
MAX_NEWS = 500
_REST = """
    UPDATE bots_bot SET tick_seq = %(tick_seq)s, next_due_at = %(next_due_at)s, wake_mark = CASE
               WHEN wake_mark IS NOT DISTINCT FROM %(mark)s THEN NULL ELSE wake_mark END
     WHERE id = %(id)s
"""
_UNMARK = """
    UPDATE bots_bot SET wake_mark = NULL
      FROM unnest(%s::bigint[], %s::timestamptz[]) AS seen(id, mark)
     WHERE bots_bot.id = seen.id AND bots_bot.wake_mark = seen.mark
"""
_WAIT = "UPDATE bots_bot SET waiting_for = %s WHERE id = %s AND waiting_for <> %s"


class StepOutcome(StrEnum):
    """What became of one call."""

    # Somebody else is stepping the bot, or it cannot be stepped.
    SKIPPED = "SKIPPED"
    # Nothing was new.
    RESTED = "RESTED"
    # It wants to place orders, and the price is too old: everything waits as it was.
    WAITING = "WAITING"
    STEPPED = "STEPPED"
    # Another transaction was in the way, or the database was: the next call tries again.
    DISTURBED = "DISTURBED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one call did. `events` are what the strategy heard, `intents` what it wanted."""

    bot_id: int
    outcome: StepOutcome
    status: BotStatus | None = None
    events: tuple[Event, ...] = ()
    intents: tuple[Intent, ...] = ()
    # Set when the step armed other bands: the mark that makes the bot look again.
    mark: datetime | None = None


class SummedState(Protocol):
    """What every kind of state adds up, for lists."""

    grid_profit: Decimal
    pairs: int
    investment: Decimal
    withdrawn: Decimal


def step_bot(
    bot_id: int, *, view: MarketView, now: datetime, enqueue: Callable[[], None]
) -> StepReport:
    """Step a bot: hear what is new, decide, place, write, all in one transaction.

    `view` was read before; `enqueue` wakes the gateway after the commit. Called twice with the
    same news, the second call does nothing.
    """
    try:
        with transaction.atomic(durable=True):
            row = lock_bot(bot_id, now=now)
            if row is None:
                return StepReport(bot_id, StepOutcome.SKIPPED)
            return _step(row, view=view, now=now, enqueue=enqueue)
    except (OperationalError, InterfaceError):
        # Deadlock, lock or statement time-out, a database that is away: not the bot's fault.
        logger.warning("step disturbed bot=%s", bot_id, exc_info=True)
        return StepReport(bot_id, StepOutcome.DISTURBED)
    except Exception as error:
        logger.exception("step failed bot=%s", bot_id)
        count_failure(bot_id, error, now=now, enqueue=enqueue)
        return StepReport(bot_id, StepOutcome.FAILED)


def _step(
    row: BotRow, *, view: MarketView, now: datetime, enqueue: Callable[[], None]
) -> StepReport:
    turn = open_turn(row, view=view, now=now)
    mark = view.marks.get(row.id)
    if row.failed_from and not row.commands:
        _rest(turn, mark)
        return StepReport(row.id, StepOutcome.RESTED, turn.status)
    news = _news_of(row)
    if row.is_unstarted and _stop_asked(row):
        return _discard(turn, mark)
    hear_all(
        turn,
        strategy_events(news),
        view=view,
        free_money=lambda: _available(row.manual_book_id, row.instrument.quote_asset),
    )
    if not turn.events and not turn.handled:
        _acknowledge(row, news)
        _rest(turn, mark)
        return StepReport(row.id, StepOutcome.RESTED, turn.status)
    if turn.wants_orders and not turn.is_fresh:
        _say_waiting(turn)
        return StepReport(row.id, StepOutcome.WAITING, turn.status)
    carry_out(turn, Surroundings(view.quotes, now, enqueue))
    if turn.status.is_final and row.status == turn.status:
        return_everything(row.id, row.book_id, row.manual_book_id, now=now)
    _acknowledge(row, news)
    new_mark = _write(turn, mark)
    return StepReport(
        bot_id=row.id,
        outcome=StepOutcome.STEPPED,
        status=turn.status,
        events=tuple(turn.events),
        intents=tuple(turn.intents),
        mark=new_mark,
    )


def settle_marks(
    reports: Iterable[StepReport], *, view: MarketView, quotes: Mapping[int, Quote]
) -> None:
    """Take back the marks of bots with other bands when no tick came while they were stepped.

    `quotes` are read after the steps committed: what comes later meets the new bands.
    """
    for token, seen in view.quotes.items():
        if token not in quotes or quotes[token].sequence != seen.sequence:
            return
    marked = [(report.bot_id, report.mark) for report in reports if report.mark is not None]
    if marked:
        with connection.cursor() as cursor:
            cursor.execute(_UNMARK, [[row[0] for row in marked], [row[1] for row in marked]])


def _news_of(row: BotRow) -> list[BookEvent]:
    if row.event_seq <= row.consumed_seq:
        return []
    return book_events_after(row.book_id, row.consumed_seq, limit=MAX_NEWS)


def _acknowledge(row: BotRow, news: list[BookEvent]) -> None:
    if news:
        ack_book_events(row.book_id, news[-1].book_seq)


def _available(book_id: int, asset: str) -> Decimal:
    pots = LedgerAccount.objects.filter(
        book=book_id, kind=LedgerAccount.Kind.AVAILABLE, asset=asset
    )
    return pots.values_list("balance", flat=True).first() or ZERO


def _stop_asked(row: BotRow) -> bool:
    return any(asked["kind"] == CommandKind.STOP for asked in row.commands)


# ---------------------------------------------------------------------------------------- writing


def _rest(turn: Turn, mark: datetime | None) -> None:
    """Go back to sleep; nothing that people can see has changed."""
    row, due = turn.row, next_look(turn)
    is_marked = row.wake_mark is not None and row.wake_mark == mark
    if not is_marked and due == row.next_due_at and turn.tick_seq == row.tick_seq:
        return
    values = {"id": row.id, "tick_seq": turn.tick_seq, "next_due_at": due, "mark": mark}
    with connection.cursor() as cursor:
        cursor.execute(_REST, values)


def _say_waiting(turn: Turn) -> None:
    """Say on the card why nothing happens; the news stays unread, so the clock asks again."""
    words = "Waits for a fresh price"
    if turn.quote is not None and not turn.has_own_prices:
        words = f"Waits: prices come from {turn.quote.price_run} now"
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, [words[:120], turn.row.id, words[:120]])


def _write(turn: Turn, mark: datetime | None) -> datetime | None:
    """Write where the bot stands now; return the mark it leaves for itself."""
    row, now = turn.row, turn.now
    state = cast("SummedState", turn.state)
    bands = turn.bands
    # Ticks that came between the view and this commit met the old bands: look again.
    rearms = bands != row.bands
    looks_again = rearms and bool(bands)
    is_running = turn.status is BotStatus.RUNNING
    write_bot(
        {
            "id": row.id,
            "state": orjson.dumps(turn.strategy.dump_state(turn.state)).decode(),
            "status": turn.status.value,
            "status_code": turn.status_code,
            "status_message": turn.status_message,
            "step_no": turn.step_no,
            "tick_seq": turn.tick_seq,
            "price_run": row.price_run or ("" if turn.quote is None else turn.quote.price_run),
            "next_due_at": next_look(turn),
            "look_again": looks_again,
            "mark": mark,
            "grid_profit": state.grid_profit,
            "pairs": state.pairs,
            "investment": state.investment,
            "withdrawn": state.withdrawn,
            "final_figures": _final_figures(turn) if turn.status.is_final else None,
            "started_at": row.started_at or (now if is_running else None),
            "stopped_at": now if turn.status.is_final else None,
            "now": now,
        },
        turn.lines,
        bands=bands if rearms else None,
    )
    if turn.handled:
        close_commands(turn.handled, now=now)
    _tell(row, turn)
    return now if looks_again else None


def _tell(row: BotRow, turn: Turn) -> None:
    """Tell the owner's open pages after the commit; orders and trades tell of themselves."""
    if not turn.lines and not turn.handled and row.status == turn.status:
        return
    news = {
        "id": row.id,
        "status": turn.status.value,
        "code": turn.status_code,
        "message": turn.status_message,
        "lines": [line.message for line in turn.lines[-3:]],
        "refusals": [refusal for refusal in turn.handled.values() if refusal],
    }
    transaction.on_commit(lambda: push_event(row.user_id, "bot", news))


# ----------------------------------------------------------------------------------------- the end


def _discard(turn: Turn, mark: datetime | None) -> StepReport:
    """Stop a bot that never saw a price: nothing was ordered, its money goes back."""
    row = turn.row
    turn.status, turn.status_code = BotStatus.STOPPED, "STOPPED"
    turn.status_message = "Stopped before it began"
    turn.line("status", turn.status_message, {"status": turn.status.value}, time=turn.time)
    return_everything(row.id, row.book_id, row.manual_book_id, now=turn.now)
    turn.handled = {asked["id"]: "" for asked in row.commands}
    _write(turn, mark)
    return StepReport(row.id, StepOutcome.STEPPED, turn.status)


def _final_figures(turn: Turn) -> str:
    """Return the figures at the end as JSON: with them the bot's page shows what it made."""
    price = turn.quote.last_price if turn.quote is not None else ZERO
    figures = figures_of(turn.config, turn.state, price=price, now=turn.time)
    texts = {each.name: _text(getattr(figures, each.name)) for each in fields(figures)}
    return orjson.dumps(texts).decode()


def _text(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return value.total_seconds() if isinstance(value, timedelta) else value
