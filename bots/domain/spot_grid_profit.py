"""What a Spot Grid may give away without touching its orders (bots.md 2.3)."""

from decimal import Decimal

from bots.domain.spot_grid_config import ONE, ZERO, GridConfig
from bots.domain.spot_grid_plan import denominator_of, levels_of
from bots.domain.spot_grid_state import GridState
from market.domain.enums import Side


def releasable_of(config: GridConfig, state: GridState) -> Decimal:
    """Return the grid profit that no open order and no fee to come needs."""
    rules, levels = config.rules, levels_of(config)
    buys = sells = ZERO
    for rung in state.rungs.values():
        price = levels[rung.level]
        if rung.side is Side.BUY:
            # An older, smaller order grows to the present quantity with its next cycle.
            buys += price * max(rung.remaining, state.quantity - rung.executed)
        else:
            sells += price * rung.remaining
            grown = state.sell_quantity - rung.wanted
            buys += levels[rung.level - 1] * max(grown, ZERO)
    by_orders = state.cash - buys * (ONE + rules.maker_fee) - rules.taker_fee * sells
    # The ledger binds money at the dearer of the two rates (decisions 9).
    by_holds = state.cash - buys * (ONE + rules.buy_hold_rate)
    return max(ZERO, min(state.grid_profit - state.withdrawn, by_orders, by_holds))


def reinvestable_of(config: GridConfig, state: GridState, *, price: Decimal) -> Decimal:
    """Return by how much the quantity per grid may grow from releasable profit."""
    levels = levels_of(config)
    cost = denominator_of(levels, empty=state.empty_level, price=price)
    if cost <= 0:
        return ZERO
    return config.rules.instrument.floor_lot(releasable_of(config, state) / cost)
