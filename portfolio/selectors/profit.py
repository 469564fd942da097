"""Reads of positions as values, and what they have earned."""

from collections.abc import Mapping
from decimal import Decimal

from accounts.models import User
from portfolio.domain.pnl import NO_PROFIT, Profit, profit_of
from portfolio.domain.positions import Holding
from portfolio.models import Position


def holding_of(position: Position) -> Holding:
    """Return a position as the value that the arithmetic works on."""
    return Holding(
        quantity=position.quantity,
        cost=position.cost,
        realised=position.realised,
        fees_quote=position.fees_quote,
        fees_base=position.fees_base,
        buy_quantity=position.buy_quantity,
        buy_value=position.buy_value,
        sell_quantity=position.sell_quantity,
        sell_value=position.sell_value,
    )


def book_holdings(book_id: int) -> dict[int, Holding]:
    """Return what a book holds, by instrument."""
    rows = Position.objects.filter(book=book_id)
    return {row.instrument_id: holding_of(row) for row in rows}


def profit_by_asset(user: User, prices: Mapping[int, Decimal]) -> dict[str, Profit]:
    """Return the profit of all the user's books, by quote asset.

    A position whose price is not known counts with what was realised only.
    """
    sums: dict[str, Profit] = {}
    for row in Position.objects.for_user(user).select_related("book"):
        holding, price = holding_of(row), prices.get(row.instrument_id)
        if price is None:
            profit = Profit(holding.realised, Decimal(0), holding.fees_quote)
        else:
            profit = profit_of(holding, price=price)
        asset = row.book.quote_asset
        sums[asset] = sums.get(asset, NO_PROFIT) + profit
    return sums
