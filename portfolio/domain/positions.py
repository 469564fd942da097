"""What a book holds of an instrument, trade by trade: quantity and cost, never an average."""

from dataclasses import dataclass, replace
from decimal import Decimal

from market.domain.enums import Side
from portfolio.domain.fees import ZERO, FillFee, to_ledger


@dataclass(frozen=True, slots=True)
class Holding:
    """Units (signed) and the quote asset paid for them; `realised` and fees are totals."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees_quote: Decimal = ZERO
    fees_base: Decimal = ZERO
    buy_quantity: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_quantity: Decimal = ZERO
    sell_value: Decimal = ZERO


def cost_share(holding: Holding, quantity: Decimal) -> Decimal:
    """Return the part of the cost that belongs to `quantity` of the units held."""
    if quantity >= abs(holding.quantity):
        return holding.cost
    return to_ledger(holding.cost * quantity / abs(holding.quantity))


def apply_trade(
    holding: Holding, side: Side, quantity: Decimal, *, price: Decimal, fee: FillFee
) -> tuple[Holding, Decimal]:
    """Return the holding after a trade, and what the trade realised (fees apart).

    A short position has a negative quantity and a negative cost: what was received for it.
    """
    value = to_ledger(quantity * price)
    sign = 1 if side is Side.BUY else -1
    units = sign * quantity - fee.base
    if holding.quantity * sign >= 0:
        realised, cost = ZERO, holding.cost + sign * value
    else:
        realised, cost = _close(holding, units, sign * value)
    counted = _count(holding, side, quantity=quantity, value=value)
    after = replace(
        counted,
        quantity=holding.quantity + units,
        cost=cost,
        realised=holding.realised + realised,
        fees_quote=holding.fees_quote + fee.quote,
        fees_base=holding.fees_base + fee.base,
    )
    return after, realised


def _close(holding: Holding, units: Decimal, value: Decimal) -> tuple[Decimal, Decimal]:
    """Return (realised, cost left); a trade larger than the position opens the other side."""
    closed = min(abs(units), abs(holding.quantity))
    closing_value = value if closed == abs(units) else to_ledger(value * closed / abs(units))
    removed = cost_share(holding, closed)
    return -closing_value - removed, holding.cost - removed + (value - closing_value)


def _count(holding: Holding, side: Side, *, quantity: Decimal, value: Decimal) -> Holding:
    if side is Side.BUY:
        return replace(
            holding,
            buy_quantity=holding.buy_quantity + quantity,
            buy_value=holding.buy_value + value,
        )
    return replace(
        holding,
        sell_quantity=holding.sell_quantity + quantity,
        sell_value=holding.sell_value + value,
    )


def move_out(holding: Holding, quantity: Decimal) -> tuple[Holding, Decimal]:
    """Return the holding without `quantity` units, and the cost that leaves with them."""
    if quantity > holding.quantity:
        raise ValueError(f"cannot move {quantity} out of {holding.quantity}")
    cost = cost_share(holding, quantity)
    left = replace(holding, quantity=holding.quantity - quantity, cost=holding.cost - cost)
    return left, cost


def move_in(holding: Holding, quantity: Decimal, *, cost: Decimal) -> Holding:
    """Return the holding with `quantity` units more, which bring their cost."""
    return replace(holding, quantity=holding.quantity + quantity, cost=holding.cost + cost)
