"""A bot's fills with the pairs they make, and its resting orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import User
from bots.domain.spot_grid_deals import CLOSE, INIT
from bots.domain.spot_grid_state import GridState
from bots.models import Bot
from bots.registry import strategy_of
from bots.selectors import fill_count_of, fills_of, pairs_of
from market.domain.enums import OrderStatus, Side
from market.domain.formatting import format_price
from portfolio.models import Order, Trade
from portfolio.selectors.pages import live_orders_of

FILL_ROWS = 100
# What immediate trades are for; only a new ladder sells what the old one needed.
_DEALS = {
    INIT: {Side.BUY: "initial units", Side.SELL: "fewer units for a new ladder"},
    CLOSE: {Side.BUY: "", Side.SELL: "closing sale"},
}


@dataclass(frozen=True, slots=True)
class FillRow:
    """One fill as bots.md 2.5 lists it: its number, what it was, and what its pair made."""

    trade: Trade
    number: int
    words: str
    profit: Decimal | None = None


def fill_rows(bot: Bot) -> list[FillRow]:
    """Return a bot's newest fills, each with the fill it pairs with."""
    trades = fills_of(bot, limit=FILL_ROWS)
    newest = fill_count_of(bot)
    numbers = {trade.pk: newest - place for place, trade in enumerate(trades)}
    pairs = pairs_of(bot, limit=FILL_ROWS)
    teller = _Teller(bot, trades, numbers=numbers, pairs=pairs)
    return [teller.row(trade) for trade in trades]


class _Teller:
    """Says of each fill what it was; `pairs` are what completed pairs kept, by sell order."""

    def __init__(
        self,
        bot: Bot,
        trades: Sequence[Trade],
        *,
        numbers: Mapping[int, int],
        pairs: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._instrument = bot.instrument
        self._numbers = numbers
        self._pairs = pairs
        # The newest fill of an order is the one that completed it.
        self._last = {trade.order.slot_ref: trade.pk for trade in reversed(trades)}
        self._sold_by = {pair["pair_with"]: ref for ref, pair in pairs.items()}
        self._live = _live_references(bot)

    def row(self, trade: Trade) -> FillRow:
        """Return a fill as it is listed."""
        ref = trade.order.slot_ref or ""
        pair = self._pairs.get(ref)
        is_last = self._last.get(trade.order.slot_ref) == trade.pk
        profit = Decimal(pair["profit"]) if pair is not None and is_last else None
        words = self._words(trade, pair=pair, is_last=is_last)
        return FillRow(trade, self._numbers[trade.pk], words, profit)

    def _words(self, trade: Trade, *, pair: Mapping[str, str] | None, is_last: bool) -> str:
        ref, slot = trade.order.slot_ref or "", trade.order.origin_slot or ""
        if slot in _DEALS:
            return _DEALS[slot][Side(trade.side)]
        if not is_last:
            return f"part of {self._number_of(ref)}"
        if trade.side == Side.BUY:
            sold = self._number_of(self._sold_by.get(ref, ""))
            return f"sold as {sold}" if sold else ""
        return self._sale_words(trade, pair=pair)

    def _sale_words(self, trade: Trade, *, pair: Mapping[str, str] | None) -> str:
        if pair is not None:
            bought = self._number_of(pair["pair_with"]) or f"the buy at {self._price(pair['low'])}"
            return f"with {bought}"
        ref = trade.order.slot_ref
        is_counted = trade.order.status == OrderStatus.FILLED and ref not in self._live
        return "initial unit" if ref and is_counted else ""

    def _number_of(self, ref: str) -> str:
        fill = self._last.get(ref)
        return "" if fill is None else f"#{self._numbers[fill]}"

    def _price(self, text: str) -> str:
        instrument = self._instrument
        return format_price(Decimal(text), tick=instrument.tick_size, asset=instrument.quote_asset)


def _live_references(bot: Bot) -> frozenset[str]:
    """Return the orders that the bot still counts as live: their fills are not told apart yet."""
    if not bot.state:
        return frozenset()
    state: GridState = strategy_of(bot.kind).load_state(bot.state)
    return frozenset(rung.order.ref for rung in state.rungs.values() if rung.order is not None)


def resting_orders(user: User, bot: Bot) -> QuerySet[Order]:
    """Return the live orders of a user's bot from the highest price down."""
    found = live_orders_of(user)
    if bot.book_id is None:
        return found.none()
    return found.filter(book=bot.book_id).order_by("-price", "-pk")
