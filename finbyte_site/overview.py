"""What the home page adds up: money, holdings and today's profit per settlement asset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import User
from market.domain.ticks import Quote
from market.streams import connect, read_quotes
from portfolio.domain.pnl import DayTrades, day_profit
from portfolio.models import Position, VenueAccount
from portfolio.selectors.pages import positions_of, pots_of, traded_since

ZERO = Decimal(0)


@dataclass(slots=True)
class AssetOverview:
    """Everything in one settlement asset; `unpriced` counts holdings without a price."""

    asset: str
    money: Decimal = ZERO
    held: Decimal = ZERO
    holdings: Decimal = ZERO
    today: Decimal = ZERO
    fees_today: Decimal = ZERO
    unpriced: int = 0

    @property
    def equity(self) -> Decimal:
        """Return money and holdings together."""
        return self.money + self.holdings

    @property
    def today_fraction(self) -> Decimal | None:
        """Return today's profit as a fraction of the equity the day began with."""
        began = self.equity - self.today
        return self.today / began if began > 0 else None


def overview(
    user: User, *, account: VenueAccount | None, day_start: datetime
) -> list[AssetOverview]:
    """Return equity and today's profit of the user's accounts, per settlement asset."""
    sums: dict[str, AssetOverview] = {}
    for pot in pots_of(user, account=account):
        line = sums.setdefault(pot.asset, AssetOverview(pot.asset))
        line.money += pot.total
        line.held += pot.held
    positions = list(positions_of(user, account=account, changed_since=day_start))
    quotes = read_quotes(connect(), {each.instrument_id for each in positions})
    for position in positions:
        asset = position.instrument.quote_asset
        _add_value(sums.setdefault(asset, AssetOverview(asset)), position, quotes)
    traded = traded_since(user, day_start, account=account)
    _add_today(sums, positions, traded=traded, quotes=quotes)
    return list(sums.values())


def _add_value(line: AssetOverview, position: Position, quotes: Mapping[int, Quote]) -> None:
    quote = quotes.get(position.instrument_id)
    if quote is not None:
        line.holdings += position.quantity * quote.last_price
    elif position.quantity > 0:
        line.unpriced += 1


def _add_today(
    sums: Mapping[str, AssetOverview],
    positions: list[Position],
    *,
    traded: Mapping[int, DayTrades],
    quotes: Mapping[int, Quote],
) -> None:
    held: dict[int, Decimal] = {}
    assets: dict[int, str] = {}
    for position in positions:
        token = position.instrument_id
        held[token] = held.get(token, ZERO) + position.quantity
        assets[token] = position.instrument.quote_asset
    for token, quantity in held.items():
        quote, day = quotes.get(token), traded.get(token, DayTrades())
        line = sums[assets[token]]
        line.fees_today += day.fees_quote
        if quote is not None:
            line.today += day_profit(
                quantity, day, price=quote.last_price, previous_close=quote.previous_close
            )
