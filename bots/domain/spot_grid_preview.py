"""What a Spot Grid would do if it were started now: for the create form and its confirmation."""

from dataclasses import dataclass
from decimal import Decimal

from bots.domain import grid_core
from bots.domain.spot_grid_config import ONE, ZERO, GridConfig, plain
from bots.domain.spot_grid_plan import GridPlan, plan_grid, profit_amount, profit_fractions
from bots.domain.strategy import StrategyContext
from market.domain.enums import FeeMode, Side

FAR_BELOW = Decimal("0.5")
FAR_ABOVE = Decimal(2)


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """One rung of the ladder as it would rest after the start."""

    level: int
    side: Side
    price: Decimal
    quantity: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """The right-hand side of the create form. Money in quote asset; `_pct` are percent."""

    start_price: Decimal
    levels: tuple[Decimal, ...]
    empty_level: int
    quantity: Decimal
    sell_quantity: Decimal
    minimum_investment: Decimal
    profit_per_grid_pct_min: Decimal
    profit_per_grid_pct_max: Decimal
    profit_per_grid_min: Decimal
    profit_per_grid_max: Decimal
    initial_quantity: Decimal
    initial_value: Decimal
    initial_fee: Decimal
    worst_initial_price: Decimal
    orders: tuple[PreviewOrder, ...]
    buys_value: Decimal
    total_with_fees: Decimal
    left_over: Decimal
    loss_at_lower: Decimal
    loss_at_stop: Decimal | None
    warnings: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outlay:
    """Money that the start moves, and what is left when every buy has filled."""

    initial_value: Decimal
    initial_fee: Decimal
    buys_value: Decimal
    buys_fee: Decimal
    units_when_low: Decimal

    @property
    def total(self) -> Decimal:
        return self.initial_value + self.initial_fee + self.buys_value + self.buys_fee


def preview(config: GridConfig, context: StrategyContext) -> Preview:
    """Return what a checked config comes to at the market price, or at its trigger price."""
    price = config.trigger_price or context.market_price or config.lower
    plan = plan_grid(config, price=price)
    spec, levels = config.rules.instrument, plan.levels
    outlay = _outlay(config, plan)
    least, most = profit_fractions(levels, maker_fee=config.rules.maker_fee)
    amounts = [
        profit_amount(config.rules, buy=levels[i], sell=levels[i + 1], quantity=plan.quantity)
        for i in range(plan.grids)
    ]
    return Preview(
        start_price=price,
        levels=levels,
        empty_level=plan.empty_level,
        quantity=plan.quantity,
        sell_quantity=plan.sell_quantity,
        minimum_investment=plan.minimum_investment,
        profit_per_grid_pct_min=least * 100,
        profit_per_grid_pct_max=most * 100,
        profit_per_grid_min=min(amounts),
        profit_per_grid_max=max(amounts),
        initial_quantity=plan.initial_quantity,
        initial_value=outlay.initial_value,
        initial_fee=outlay.initial_fee,
        worst_initial_price=spec.floor_tick(price * (ONE + config.slippage_cap)),
        orders=ladder_orders(plan),
        buys_value=outlay.buys_value,
        total_with_fees=outlay.total,
        left_over=config.investment - outlay.total,
        loss_at_lower=_loss(outlay, price=config.lower, close_rate=ZERO),
        loss_at_stop=_loss_at_stop(config, outlay),
        warnings=tuple(_warnings(config, plan, market=context.market_price, amounts=amounts)),
        words=tuple(_words(config, plan)),
    )


def ladder_orders(plan: GridPlan) -> tuple[PreviewOrder, ...]:
    """Return the orders that would rest after the start, from the lowest level."""
    orders = []
    for level in grid_core.ladder_levels(plan.grids, empty=plan.empty_level):
        is_buy = grid_core.is_buy_level(level, empty=plan.empty_level)
        quantity = plan.quantity if is_buy else plan.sell_quantity
        orders.append(
            PreviewOrder(
                level=level,
                side=Side.BUY if is_buy else Side.SELL,
                price=plan.levels[level],
                quantity=quantity,
                value=quantity * plan.levels[level],
            )
        )
    return tuple(orders)


def _outlay(config: GridConfig, plan: GridPlan) -> _Outlay:
    rules = config.rules
    is_quote = rules.fee_mode is FeeMode.QUOTE
    initial = plan.initial_quantity * plan.start_price
    buys = plan.quantity * sum(plan.levels[: plan.empty_level], ZERO)
    bought = plan.initial_quantity * (ONE if is_quote else ONE - rules.taker_fee)
    bought += plan.empty_level * plan.quantity * (ONE if is_quote else ONE - rules.maker_fee)
    return _Outlay(
        initial_value=initial,
        initial_fee=initial * rules.taker_fee if is_quote else ZERO,
        buys_value=buys,
        buys_fee=buys * rules.maker_fee if is_quote else ZERO,
        units_when_low=bought,
    )


def _loss(outlay: _Outlay, *, price: Decimal, close_rate: Decimal) -> Decimal:
    """Return what is lost when the price falls there without a single pair on the way."""
    worth = outlay.units_when_low * price * (ONE - close_rate)
    return max(outlay.total - worth, ZERO)


def _loss_at_stop(config: GridConfig, outlay: _Outlay) -> Decimal | None:
    if config.stop_loss is None:
        return None
    rate = config.rules.taker_fee
    return _loss(outlay, price=config.stop_loss, close_rate=rate)


def _warnings(
    config: GridConfig, plan: GridPlan, *, market: Decimal | None, amounts: list[Decimal]
) -> list[str]:
    told = []
    if market is not None and not (config.lower * FAR_BELOW <= market <= config.upper * FAR_ABOVE):
        side = "buy" if market > config.upper else "sell"
        told.append(f"Market is outside the range; only {side} orders will rest")
    if min(amounts) <= 0:
        told.append(
            "A pair would lose money: the quantity per grid is so small that rounding to lots "
            "costs more than the profit; invest more or use fewer grids"
        )
    if config.stop_loss is None:
        told.append("No stop loss: below the range the units bought are kept, whatever happens")
    return told


def _words(config: GridConfig, plan: GridPlan) -> list[str]:
    """Say in words what happens on start."""
    spec = config.rules.instrument
    quote = spec.quote_asset
    told = [f"{plain(config.investment)} {quote} moves from the Manual book into the bot"]
    if config.trigger_price is not None:
        told.append(f"Nothing is bought until the price reaches {plain(config.trigger_price)}")
    if plan.initial_quantity:
        worst = spec.floor_tick(plan.start_price * (ONE + config.slippage_cap))
        told.append(
            f"{plain(plan.initial_quantity)} {spec.tradingsymbol} are bought at about "
            f"{plain(plan.start_price)}, at most at {plain(worst)}"
        )
    else:
        told.append("Nothing is bought at the start: the price is above the range")
    told.append(
        f"{plan.empty_level} buy orders and {plan.grids - plan.empty_level} sell orders rest, "
        f"{plain(plan.quantity)} each"
    )
    if config.stop_loss is not None:
        told.append(f"At {plain(config.stop_loss)} or lower everything is sold and the bot stops")
    if config.take_profit is not None:
        told.append(f"At {plain(config.take_profit)} or higher everything is sold and it stops")
    return told
