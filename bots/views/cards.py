"""What cards and the ladder of a bot show, from its config, state and the newest price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import User
from bots.domain.enums import BotStatus
from bots.domain.event_words import reason_words
from bots.domain.spot_grid_config import GridConfig
from bots.domain.spot_grid_figures import GridFigures, card_words, figures_of
from bots.domain.spot_grid_plan import levels_of
from bots.domain.spot_grid_state import GridState, Hold, Rung
from bots.models import Bot
from bots.selectors import (
    BotView,
    bot_views,
    bots_for,
    fee_rates_of,
    pending_commands,
    pending_commands_of,
    placed_slots,
)
from market.domain.formatting import format_price, plain
from market.domain.sparklines import line_points
from market.domain.ticks import Quote
from market.selectors import day_lines
from market.streams import connect, read_quotes
from portfolio.models import VenueAccount

_WORDS = {
    BotStatus.DRAFT: "Not finished yet",
    BotStatus.VALIDATED: "Not started yet",
    BotStatus.STARTING: "Buying its first units and placing its orders",
    BotStatus.WAITING_TRIGGER: "No order yet; its money is set aside",
    BotStatus.RUNNING: "Orders rest on both sides of the price",
    BotStatus.PAUSED: "No new order leaves",
    BotStatus.STOPPING: "Cancelling its orders and closing",
    BotStatus.STOPPED: "Finished; everything went back to Manual",
    BotStatus.ERROR: "Waits for you: retry or stop",
}
_PENDING_WORDS = {
    "pause": "pause asked for",
    "resume": "resume asked for",
    "stop": "stop asked for",
    "retry": "retry asked for",
    "add_investment": "more investment asked for",
    "withdraw_profit": "withdrawal asked for",
}
_FINAL = [status for status in BotStatus if status.is_final]
_HOLD_WORDS = {
    Hold.SESSION: "waits for the session",
    Hold.REFUSED: "refused by the venue",
    Hold.COVER: "too small or not covered",
}


@dataclass(frozen=True, slots=True)
class BotCard:
    """One bot as a list shows it; without a price or a start there are no figures."""

    bot: Bot
    price: Decimal | None
    figures: GridFigures | None
    words: str
    pending: tuple[str, ...]
    lower: Decimal
    upper: Decimal
    levels: str
    # The points of the price's line of the last day; empty where there is none.
    line: str = ""


def bot_cards(
    user: User, *, account: VenueAccount | None = None, limit: int | None = None
) -> list[BotCard]:
    """Return the user's bots as cards, newest first, the finished ones last.

    With a limit only those still at work are returned.
    """
    found = bots_for(user)
    if account is not None:
        found = found.filter(venue_account=account)
    if limit is not None:
        found = found.exclude(status__in=_FINAL)[:limit]
    bots = sorted(found, key=_is_final)
    quotes = read_quotes(connect(), {bot.instrument_id for bot in bots})
    # Asked by user, not by bot: the same questions for no bot and for hundreds.
    rates, pending = fee_rates_of(user, at=timezone.now()), pending_commands_of(user)
    lines = {token: line_points(prices) for token, prices in day_lines(quotes.values()).items()}
    placed = placed_slots(bots)
    cards = [
        _card(
            view,
            quotes.get(view.bot.instrument_id),
            pending=pending.get(view.bot.pk, set()),
            placed=placed,
        )
        for view in bot_views(bots, rates=rates)
    ]
    return [replace(card, line=lines.get(card.bot.instrument_id, "")) for card in cards]


def card_of(view: BotView, quote: Quote | None) -> BotCard:
    """Return the card of one bot at the newest price."""
    pending = pending_commands([view.bot]).get(view.bot.pk, set())
    return _card(view, quote, pending=pending, placed=placed_slots([view.bot]))


def _is_final(bot: Bot) -> bool:
    return BotStatus(bot.status).is_final


def _card(
    view: BotView, quote: Quote | None, *, pending: set[str], placed: frozenset[str]
) -> BotCard:
    config: GridConfig = view.config
    return BotCard(
        bot=view.bot,
        price=quote.last_price if quote else None,
        figures=figures_at(view, quote),
        words=_words(view, placed),
        pending=tuple(_PENDING_WORDS[kind] for kind in sorted(pending) if kind in _PENDING_WORDS),
        lower=config.lower,
        upper=config.upper,
        levels=",".join(plain(level) for level in levels_of(config)),
    )


def figures_at(view: BotView, quote: Quote | None) -> GridFigures | None:
    """Return the figures at the newest price, those of its end once a bot has ended.

    There are none before the start or without a price.
    """
    if view.bot.final_figures:
        return frozen_figures(view.bot.final_figures)
    if view.state is None or quote is None or view.bot.started_at is None:
        return None
    return figures_of(view.config, view.state, price=quote.last_price, now=quote.exchange_time)


def frozen_figures(values: Mapping[str, Any]) -> GridFigures:
    """Return the figures with which a bot ended, as they were stored then."""
    told: dict[str, Any] = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in values.items()
    }
    told["runtime"] = timedelta(seconds=values["runtime"])
    return GridFigures(**told)


def _words(view: BotView, placed: frozenset[str]) -> str:
    bot = view.bot
    told = reason_words(bot.status_message, code=bot.status_code, spec=bot.instrument.spec)
    if not told and view.state is not None:
        told = card_words(view.config, view.state, placed=placed)
    return told or _WORDS.get(BotStatus(view.bot.status), "")


@dataclass(frozen=True, slots=True)
class LadderRow:
    """One level of a grid and what stands there."""

    level: int
    price: Decimal
    side: str
    words: str
    quantity: Decimal | None
    executed: Decimal | None
    is_empty: bool


def ladder_rows(view: BotView) -> list[LadderRow]:
    """Return the levels from the highest down, each with its order's state in words."""
    state: GridState | None = view.state
    levels = levels_of(view.config)
    rows = [_ladder_row(state, index, price) for index, price in enumerate(levels)]
    return rows[::-1]


def _ladder_row(state: GridState | None, index: int, price: Decimal) -> LadderRow:
    rung = state.rungs.get(index) if state else None
    parked = state.parked.get(index) if state else None
    if rung is not None:
        return LadderRow(
            index, price, rung.side, _rung_words(rung), rung.wanted, rung.executed, is_empty=False
        )
    if parked is not None:
        words = "waits for its slot"
        return LadderRow(index, price, parked.side, words, parked.wanted, None, is_empty=False)
    is_empty = state is not None and bool(state.rungs) and index == state.empty_level
    words = "the empty level" if is_empty else "no order"
    return LadderRow(index, price, "", words, None, None, is_empty=is_empty)


def _rung_words(rung: Rung) -> str:
    order = rung.order
    if order is None:
        return _HOLD_WORDS.get(rung.hold, "to be placed")
    if order.is_cancelling:
        return "being cancelled"
    if not order.is_acknowledged:
        return "being sent"
    return "part filled" if rung.executed else "resting"


def ladder_lines(view: BotView, rows: Sequence[LadderRow]) -> list[dict[str, str]]:
    """Return the price lines of the bot's chart."""
    lines = [{"price": plain(row.price), "kind": row.side, "title": ""} for row in rows]
    for field, title in (
        ("stop_loss", "stop loss"),
        ("take_profit", "take profit"),
        ("trigger_price", "trigger"),
    ):
        value = getattr(view.config, field)
        if value is not None:
            lines.append({"price": plain(value), "kind": field, "title": title})
    return lines


def consequences(view: BotView) -> dict[str, Any]:
    """Return the numbers that the pause and stop sheets speak of."""
    bot, state = view.bot, view.state
    rungs = state.rungs.values() if state else ()
    return {
        "open_orders": sum(1 for rung in rungs if rung.order is not None),
        "base": state.base if state else Decimal(0),
        "cash": state.cash if state else Decimal(0),
        "range": " to ".join(
            format_price(edge, tick=bot.instrument.tick_size, asset=bot.instrument.quote_asset)
            for edge in (view.config.lower, view.config.upper)
        ),
    }
