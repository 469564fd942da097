"""What a Spot Grid shows: the figures of bots.md 1.3 at one price, and the words on its card."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bots.domain.enums import BotStatus
from bots.domain.spot_grid_config import ONE, ZERO, GridConfig, plain
from bots.domain.spot_grid_profit import releasable_of
from bots.domain.spot_grid_state import GridState, Task
from portfolio.domain.fees import fee_of

ONE_DAY = timedelta(days=1)
PERCENT = Decimal(100)
DAYS_PER_YEAR = Decimal(365)


@dataclass(frozen=True, slots=True)
class GridFigures:
    """Money in quote asset; `_pct` are percent; annual rates are None before a whole day.

    `grid_profit + unmatched = total_pnl` and `total_pnl = equity - investment + withdrawn`.
    """

    price: Decimal
    equity: Decimal
    investment: Decimal
    withdrawn: Decimal
    total_pnl: Decimal
    total_pct: Decimal
    grid_profit: Decimal
    unmatched: Decimal
    fees_quote: Decimal
    fees_base: Decimal
    pairs: int
    base: Decimal
    cash: Decimal
    empty_level: int
    releasable: Decimal
    runtime: timedelta
    grid_apr_pct: Decimal | None
    total_apr_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class StopPreview:
    """What a stop with `sell_all` would bring now."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    returned_quote: Decimal
    dust_base: Decimal
    net_pnl: Decimal


def figures_of(
    config: GridConfig, state: GridState, *, price: Decimal, now: datetime | None = None
) -> GridFigures:
    """Return the figures at a price; `now` is market time, for run time and annual rates."""
    equity = state.cash + state.base * price
    if state.status is BotStatus.VALIDATED:
        equity = state.investment
    total = equity - state.investment + state.withdrawn
    runtime = timedelta(0)
    if now is not None and state.started_at is not None:
        runtime = max(now - state.started_at, runtime)
    return GridFigures(
        price=price,
        equity=equity,
        investment=state.investment,
        withdrawn=state.withdrawn,
        total_pnl=total,
        total_pct=_share(total, state.investment) * PERCENT,
        grid_profit=state.grid_profit,
        unmatched=total - state.grid_profit,
        fees_quote=state.fees_quote,
        fees_base=state.fees_base,
        pairs=state.pairs,
        base=state.base,
        cash=state.cash,
        empty_level=state.empty_level,
        releasable=releasable_of(config, state),
        runtime=runtime,
        grid_apr_pct=annual_percent(state.grid_profit, state.investment, runtime=runtime),
        total_apr_pct=annual_percent(total, state.investment, runtime=runtime),
    )


def _share(amount: Decimal, whole: Decimal) -> Decimal:
    return amount / whole if whole else ZERO


def annual_percent(profit: Decimal, investment: Decimal, *, runtime: timedelta) -> Decimal | None:
    """Return the simple annual rate in percent; None before one day has passed."""
    if runtime < ONE_DAY:
        return None
    days = days_of(runtime)
    return _share(profit, investment) * DAYS_PER_YEAR / days * PERCENT


def days_of(runtime: timedelta) -> Decimal:
    """Return a duration in days, exactly."""
    microseconds = runtime // timedelta(microseconds=1)
    return Decimal(microseconds) / (ONE_DAY // timedelta(microseconds=1))


def preview_stop(config: GridConfig, state: GridState, *, price: Decimal) -> StopPreview:
    """Return what selling everything at a price would bring, dust left over included."""
    rules = config.rules
    quantity = rules.instrument.floor_lot(state.base)
    if rules.is_too_small(quantity, price=price):
        quantity = ZERO
    fee = fee_of(quantity, price, rules.taker_fee)
    returned = state.cash + quantity * price - fee
    return StopPreview(
        quantity=quantity,
        price=price,
        fee=fee,
        returned_quote=returned,
        dust_base=state.base - quantity,
        net_pnl=returned - state.investment + state.withdrawn,
    )


def card_words(
    config: GridConfig, state: GridState, *, placed: Collection[str] = frozenset()
) -> str:
    """Return the reason beside the state on a bot's card; empty when there is nothing to say.

    `placed` are references of orders that the venue has answered for and the state has not heard
    of yet.
    """
    match state.status:
        case BotStatus.WAITING_TRIGGER:
            return f"Waiting for {plain(config.trigger_price or ZERO)}"
        case BotStatus.STARTING:
            return _starting_words(state, placed)
        case BotStatus.RUNNING if state.task is not Task.NONE:
            return "Computing the ladder anew"
        case BotStatus.RUNNING if state.range_side:
            return f"Out of range ({state.range_side})"
        case _:
            return ""


def _starting_words(state: GridState, placed: Collection[str]) -> str:
    if state.task is not Task.NONE:
        return "Buying the initial units"
    orders = [rung.order for rung in state.rungs.values() if rung.is_initial]
    count = sum(1 for order in orders if order and (order.is_acknowledged or order.ref in placed))
    return f"{count} of {len(orders)} placed"


def buy_cost(quantity: Decimal, price: Decimal, *, rate: Decimal) -> Decimal:
    """Return what buying costs, the fee included where it is money."""
    return quantity * price * (ONE + rate)
