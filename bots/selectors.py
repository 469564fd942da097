"""Reads of bots. Everything a user is shown starts at `for_user`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from bots.domain.enums import BotStatus
from bots.domain.strategy import Strategy, StrategyContext
from bots.exceptions import BotNotFound
from bots.models import Bot, BotCommand, BotEvent
from bots.registry import strategy_of
from market.domain.enums import FeeMode, OrderStatus
from market.models import Instrument
from portfolio.domain.order_state import AT_VENUE
from portfolio.models import FeeSchedule, Order, Trade, VenueAccount

ZERO = Decimal(0)
TIMELINE_ROWS = 50


def bots_for(user: User) -> QuerySet[Bot]:
    """Return a user's bots, newest first, with what a list shows of each."""
    found = Bot.objects.for_user(user).select_related("instrument", "venue_account", "book")
    return found.order_by("-pk")


def bot_of(user: User, bot_id: int) -> Bot:
    """Return one bot of a user."""
    bot = bots_for(user).filter(pk=bot_id).first()
    if bot is None:
        raise BotNotFound(f"There is no bot {bot_id}.")
    return bot


@dataclass(frozen=True, slots=True)
class BookOwner:
    """The bot that a book belongs to."""

    bot_id: int
    name: str

    @property
    def tag(self) -> str:
        """Return how orders name it (decisions 29)."""
        return f"bot:{self.bot_id}"


def owners_of_books(user: User) -> dict[int, BookOwner]:
    """Return the bots of a user by their books."""
    rows = Bot.objects.for_user(user).filter(book__isnull=False)
    return {
        book_id: BookOwner(bot_id, name)
        for book_id, bot_id, name in rows.values_list("book_id", "pk", "name")
    }


def pending_commands(bots: Iterable[Bot]) -> dict[int, set[str]]:
    """Return what people have asked of each bot and no step has carried out yet."""
    return _by_bot(BotCommand.objects.filter(bot__in=list(bots), handled_at__isnull=True))


def pending_commands_of(user: User) -> dict[int, set[str]]:
    """Return the same for all bots of a user: one question, however many bots there are."""
    return _by_bot(BotCommand.objects.for_user(user).filter(handled_at__isnull=True))


def placed_slots(bots: Iterable[Bot]) -> frozenset[str]:
    """Return the slots of starting bots whose orders the venue has answered for.

    A bot hears of its orders some steps later; without starting bots nothing is asked.
    """
    books = [bot.book_id for bot in bots if bot.status == BotStatus.STARTING and bot.book_id]
    if not books:
        return frozenset()
    rows = Order.objects.filter(book__in=books, status__in=AT_VENUE | {OrderStatus.FILLED})
    return frozenset(slot for slot in rows.values_list("slot_ref", flat=True) if slot is not None)


def _by_bot(rows: QuerySet[BotCommand]) -> dict[int, set[str]]:
    waiting: dict[int, set[str]] = {}
    for bot_id, kind in rows.values_list("bot_id", "kind"):
        waiting.setdefault(bot_id, set()).add(kind)
    return waiting


# ------------------------------------------------------------------------- config and state


Rates = Mapping[int, tuple[Decimal, Decimal]]


def fee_rates(account_ids: Iterable[int], *, at: datetime) -> dict[int, tuple[Decimal, Decimal]]:
    """Return (maker, taker) of each account; one younger than its first schedule has that one."""
    return _newest(FeeSchedule.objects.filter(venue_account_id__in=set(account_ids)), at=at)


def fee_rates_of(user: User, *, at: datetime) -> dict[int, tuple[Decimal, Decimal]]:
    """Return the rates of all accounts of a user."""
    return _newest(FeeSchedule.objects.for_user(user), at=at)


def _newest(
    schedules: QuerySet[FeeSchedule], *, at: datetime
) -> dict[int, tuple[Decimal, Decimal]]:
    rates: dict[int, tuple[Decimal, Decimal]] = {}
    for row in schedules.order_by("valid_from"):
        if row.valid_from <= at or row.venue_account_id not in rates:
            rates[row.venue_account_id] = (row.maker_rate.normalize(), row.taker_rate.normalize())
    return rates


def strategy_context(
    instrument: Instrument,
    account: VenueAccount,
    *,
    rates: tuple[Decimal, Decimal],
    market_price: Decimal | None = None,
    free_balance: Decimal | None = None,
    now: datetime | None = None,
) -> StrategyContext:
    """Return what a config is read or validated against."""
    return StrategyContext(
        instrument=instrument.spec,
        maker_fee=rates[0],
        taker_fee=rates[1],
        fee_mode=FeeMode(account.fee_mode),
        market_price=market_price,
        free_balance=free_balance,
        now=now,
    )


@dataclass(frozen=True, slots=True)
class BotView:
    """A bot with its strategy, config and state as values; state is None before its start."""

    bot: Bot
    strategy: Strategy
    config: Any
    state: Any


def bot_views(bots: Sequence[Bot], *, rates: Rates | None = None) -> list[BotView]:
    """Return bots as values; without the fee rates given, with one query for all of them."""
    rates = _rates_of(bots) if rates is None else rates
    views = []
    for bot in bots:
        strategy = strategy_of(bot.kind)
        context = strategy_context(
            bot.instrument, bot.venue_account, rates=rates.get(bot.venue_account_id, (ZERO, ZERO))
        )
        config = strategy.load_config(bot.config, context=context)
        state = strategy.load_state(bot.state) if bot.state else None
        views.append(BotView(bot, strategy, config, state))
    return views


def _rates_of(bots: Sequence[Bot]) -> dict[int, tuple[Decimal, Decimal]]:
    if not bots:
        return {}
    newest = max(bot.updated_at for bot in bots)
    return fee_rates({bot.venue_account_id for bot in bots}, at=newest)


# ------------------------------------------------------------------------- what happened


def timeline(bot: Bot, *, before: int | None = None, limit: int = TIMELINE_ROWS) -> list[BotEvent]:
    """Return the newest lines of a bot's timeline; `before` is the id to go on from."""
    lines = bot.events.order_by("-pk")
    if before is not None:
        lines = lines.filter(pk__lt=before)
    return list(lines[:limit])


def recent_events(user: User, *, limit: int = TIMELINE_ROWS) -> list[BotEvent]:
    """Return the newest lines of all bots of a user."""
    lines = BotEvent.objects.for_user(user).select_related("bot", "bot__instrument")
    return list(lines.order_by("-pk")[:limit])


def fills_of(bot: Bot, *, before: int | None = None, limit: int = TIMELINE_ROWS) -> list[Trade]:
    """Return the newest trades of a bot with their orders; `before` is the id to go on from."""
    trades = Trade.objects.filter(book=bot.book_id, book__isnull=False).select_related("order")
    if before is not None:
        trades = trades.filter(pk__lt=before)
    return list(trades.order_by("-pk")[:limit])


def fill_count_of(bot: Bot) -> int:
    """Return how many trades a bot has made."""
    return Trade.objects.filter(book=bot.book_id, book__isnull=False).count()


def pairs_of(bot: Bot, *, limit: int = TIMELINE_ROWS) -> dict[str, dict[str, str]]:
    """Return what a bot's newest completed pairs kept, by the order that sold."""
    rows = bot.events.filter(kind="pair").order_by("-pk").values_list("data", flat=True)
    return {data["slot_ref"]: data for data in rows[:limit] if "slot_ref" in data}
