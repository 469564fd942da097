"""Selling short: what an intraday book keeps aside so that it can always buy back.

Leverage is 1 both ways. For every unit that is short, MARGIN has twice what it was sold for: the
proceeds and as much again, so that buying back is covered up to twice the price of the sale. For
every unit that is still to be sold short it has the worst price of that sale, fees included: with
the proceeds that makes the same. What is held for orders to buy back counts as set aside.

`MARGIN = max(2 x sold for - held for buying back, 0) + sum of units x worst price x (1 + fees)`
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from market.domain.enums import Side
from market.domain.instruments import to_step
from market.domain.ticks import Quote
from portfolio.domain.drafts import DEFAULT_PROTECTION, Draft
from portfolio.domain.fees import ZERO, to_ledger

# Of what a short position was sold for: the proceeds, and as much again.
_COVER = 2


@dataclass(frozen=True, slots=True)
class OpenSale:
    """What an open order can still sell, and what one unit costs at worst, fees included."""

    units: Decimal
    each: Decimal


@dataclass(frozen=True, slots=True)
class Stand:
    """One instrument in an intraday book: the position, what is held for buys, open sales."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    held_for_buys: Decimal = ZERO
    sales: tuple[OpenSale, ...] = ()


def collateral_of(stand: Stand) -> Decimal:
    """Return what MARGIN must have for an instrument."""
    short = max(-_COVER * stand.cost - stand.held_for_buys, ZERO) if stand.quantity < 0 else ZERO
    return short + _planned(stand.sales, owned=max(stand.quantity, ZERO))


def _planned(sales: Iterable[OpenSale], *, owned: Decimal) -> Decimal:
    """Return the collateral of sales beyond what is owned: the dearest ones, to be safe.

    Whichever order fills first, the others never need more than this.
    """
    total = ZERO
    for sale in sorted(sales, key=lambda each: each.each):
        covered = min(owned, sale.units)
        owned -= covered
        total += to_ledger((sale.units - covered) * sale.each)
    return total


def margin_price(draft: Draft, quote: Quote | None) -> Decimal | None:
    """Return the highest price that a sale is planned at, which its collateral is for.

    A limit that the market has not reached fills at the limit; what fills at the market may do so
    at a better price than asked for, and a sale at a better price needs more collateral.
    """
    if draft.side is not Side.SELL:
        return None
    start = draft.trigger_price
    if start is None and quote is not None:
        start = quote.last_price
    if start is None or draft.price is not None:
        return max((price for price in (draft.price, start) if price is not None), default=None)
    most = start * (1 + DEFAULT_PROTECTION)
    return to_step(most, step=draft.instrument.tick_size, rounding=ROUND_CEILING)
