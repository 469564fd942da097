"""What a Spot Grid comes to at a start price: levels, quantities, minimum, profit per grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from itertools import pairwise

from bots.domain import grid_core
from bots.domain.spot_grid_config import ONE, GridConfig, GridRules, Spacing
from market.domain.enums import FeeMode
from market.domain.instruments import to_step

CENT = Decimal("0.01")
Levels = tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """The ladder of one grid at one start price (bots.md 2.3)."""

    levels: tuple[Decimal, ...]
    start_price: Decimal
    empty_level: int
    denominator: Decimal
    quantity: Decimal
    sell_quantity: Decimal
    initial_quantity: Decimal
    minimum_quantity: Decimal
    minimum_investment: Decimal

    @property
    def grids(self) -> int:
        """Return the number of grids, one less than levels."""
        return len(self.levels) - 1


@lru_cache(maxsize=512)
def _levels(bounds: tuple[Decimal, Decimal, Decimal], grids: int, spacing: Spacing) -> Levels:
    tick, lower, upper = bounds
    low, high = int(lower / tick), int(upper / tick)
    if spacing is Spacing.ARITHMETIC:
        ticks = grid_core.arithmetic_levels(low, high, grids=grids)
    else:
        ticks = grid_core.geometric_levels(low, high, grids=grids)
    return tuple(level * tick for level in ticks)


def levels_of(config: GridConfig) -> Levels:
    """Return the prices of the levels, from the lowest."""
    bounds = (config.rules.instrument.tick_size, config.lower, config.upper)
    return _levels(bounds, config.grids, config.spacing)


def empty_at(levels: Sequence[Decimal], price: Decimal) -> int:
    """Return the smallest level at or above the price; the last one above every level."""
    for index, level in enumerate(levels):
        if level >= price:
            return index
    return len(levels) - 1


def denominator_of(levels: Sequence[Decimal], *, empty: int, price: Decimal) -> Decimal:
    """Return what one unit on every rung costs at a price."""
    return sum(levels[:empty], Decimal(0)) + (len(levels) - 1 - empty) * price


def minimum_quantity(rules: GridRules, *, levels: Sequence[Decimal]) -> Decimal:
    """Return the smallest quantity per grid that the venue takes on every rung, sells included."""
    spec = rules.instrument
    by_value = spec.ceil_lot(spec.min_notional / levels[0])
    quantity = max(spec.ceil_lot(spec.min_quantity), by_value, spec.lot_size)
    while rules.is_too_small(rules.received_lots(quantity), price=levels[1]):
        quantity += spec.lot_size
    return quantity


def plan_grid(config: GridConfig, *, price: Decimal, funds: Decimal | None = None) -> GridPlan:
    """Return the ladder at a start price; `funds` instead of the investment on a re-plan."""
    spec = config.rules.instrument
    levels = levels_of(config)
    empty = empty_at(levels, price)
    denominator = denominator_of(levels, empty=empty, price=price)
    usable = (config.investment if funds is None else funds) * (ONE - config.reserve_pct)
    quantity = max(spec.floor_lot(usable / denominator), Decimal(0))
    smallest = minimum_quantity(config.rules, levels=levels)
    minimum = to_step(
        smallest * denominator / (ONE - config.reserve_pct), step=CENT, rounding=ROUND_CEILING
    )
    return GridPlan(
        levels=levels,
        start_price=price,
        empty_level=empty,
        denominator=denominator,
        quantity=quantity,
        sell_quantity=config.rules.received_lots(quantity),
        initial_quantity=(config.grids - empty) * quantity,
        minimum_quantity=smallest,
        minimum_investment=minimum,
    )


def profit_fractions(levels: Sequence[Decimal], *, maker_fee: Decimal) -> tuple[Decimal, Decimal]:
    """Return the smallest and the largest profit per grid after fees, as fractions."""
    profits = [
        upper / lower * (ONE - maker_fee) - (ONE + maker_fee) for lower, upper in pairwise(levels)
    ]
    return min(profits), max(profits)


def profit_amount(rules: GridRules, *, buy: Decimal, sell: Decimal, quantity: Decimal) -> Decimal:
    """Return the money one completed pair makes between two neighbouring levels."""
    sold = rules.received_lots(quantity)
    proceeds = sold * sell * (ONE - rules.maker_fee)
    buy_fee = ONE + rules.maker_fee if rules.fee_mode is FeeMode.QUOTE else ONE
    return proceeds - quantity * buy * buy_fee
