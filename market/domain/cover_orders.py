"""Where the trigger of a cover order's stop may stand."""

from decimal import Decimal

from market.domain.enums import Side
from market.domain.instruments import InstrumentSpec

# How far from the last price, as a fraction of it.
FARTHEST = Decimal("0.05")


def trigger_range(
    side: Side, *, last_price: Decimal, spec: InstrumentSpec
) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest trigger, on tick: up to 5 % against the order's side.

    The stop of a buy lies between 5 % below the last price and that price, the stop of a sell
    between that price and 5 % above it; both within the circuit limits where there are any.
    """
    if side is Side.BUY:
        upper = spec.floor_tick(last_price)
        lower = spec.ceil_tick(max(last_price * (1 - FARTHEST), spec.lower_circuit or Decimal(0)))
        return min(lower, upper), upper
    lower = spec.ceil_tick(last_price)
    upper = last_price * (1 + FARTHEST)
    upper = spec.floor_tick(upper if spec.upper_circuit is None else min(upper, spec.upper_circuit))
    return lower, max(lower, upper)
