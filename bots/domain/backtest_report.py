"""Spot Grid backtests and their results in the layout of the golden vectors (bots.md 12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bots.domain.backtest import Backtest, PricePath, Run, RunFill
from bots.domain.backtest_venue import VenueTerms
from bots.domain.spot_grid import SpotGrid
from bots.domain.spot_grid_config import GridConfig, GridRules, plain
from bots.domain.spot_grid_figures import GridFigures, days_of, figures_of, preview_stop
from bots.domain.spot_grid_plan import GridPlan, plan_grid, profit_fractions
from bots.domain.spot_grid_state import GridState
from bots.domain.spot_grid_turn import level_in
from bots.domain.strategy import PlaceOrder

ROLES = {"init": "initial", "close": "close"}
PERCENT_STEP = Decimal("0.000001")
APR_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class GridBacktest:
    """What a Spot Grid did on a path."""

    config: GridConfig
    path: PricePath
    run: Run

    @property
    def state(self) -> GridState:
        """Return the state at the end."""
        state: GridState = self.run.state
        return state

    @property
    def figures(self) -> GridFigures:
        """Return the figures at the last price."""
        return _figures(self.config, self.state, len(self.path) - 1, path=self.path)

    def equity_curve(self) -> NDArray[np.float64]:
        """Return the equity after every tick; for statistics only, hence in floats."""
        positions, cash, base = (
            np.array(column) for column in zip(*self.run.holdings, strict=True)
        )
        counts = np.diff(np.append(positions, len(self.path))).astype(np.int64)
        prices = self.path.prices * float(self.path.tick_size)
        curve: NDArray[np.float64] = np.repeat(cash, counts) + np.repeat(base, counts) * prices
        return curve


def backtest(
    config: GridConfig, path: PricePath, *, has_rows: bool = True, is_jumping: bool = True
) -> GridBacktest:
    """Run a Spot Grid over a path."""

    def row(state: GridState, position: int, walked: PricePath) -> dict[str, Any]:
        return _row(config, state, position, path=walked)

    runner = Backtest(
        SpotGrid(),
        config,
        path,
        terms=terms_of(config.rules),
        row=row if has_rows else None,
        holding=lambda state: (float(state.cash), float(state.base)),
    )
    return GridBacktest(config=config, path=path, run=runner.walk(is_jumping=is_jumping))


def terms_of(rules: GridRules) -> VenueTerms:
    """Return the terms of a venue that charges what the rules say."""
    return VenueTerms(
        spec=rules.instrument,
        maker_fee=rules.maker_fee,
        taker_fee=rules.taker_fee,
        fee_mode=rules.fee_mode,
    )


def max_drawdown(curve: NDArray[np.float64]) -> float:
    """Return the largest fall of a curve from an earlier peak, as an amount."""
    return float((np.maximum.accumulate(curve) - curve).max())


# ------------------------------------------------------------------------------- vector layout


def report_of(result: GridBacktest) -> dict[str, Any]:
    """Return the result with a vector's keys; numbers are texts."""
    config, run = result.config, result.run
    base = config.rules.instrument.base_asset
    numbers = {fill.order.slot_ref: seq for seq, fill in enumerate(run.fills, start=1)}
    fills = [_fill(fill, numbers=numbers, base_asset=base) for fill in run.fills]
    start = result.state.start_price or config.trigger_price or result.path.price(0)
    return {
        "derived": derived_of(config, plan_grid(config, price=start)),
        "open_orders_after_start": _open_orders(run.opening_orders),
        "fills": fills,
        "after_tick": run.rows,
        "open_orders_at_end": _open_orders(run.closing_orders),
        "final": _final(result),
    }


def derived_of(config: GridConfig, plan: GridPlan) -> dict[str, Any]:
    """Return what follows from the parameters and the start price."""
    least, most = profit_fractions(plan.levels, maker_fee=config.rules.maker_fee)
    empty = plan.empty_level
    return {
        "levels": [plain(level) for level in plan.levels],
        "empty_level_start": empty,
        "sum_below": plain(sum(plan.levels[:empty], Decimal(0))),
        "sum_above": plain(sum(plan.levels[empty + 1 :], Decimal(0))),
        "denominator": plain(plan.denominator),
        "qty_per_grid": plain(plan.quantity),
        "sell_qty": plain(plan.sell_quantity),
        "min_qty": plain(plan.minimum_quantity),
        "min_investment": plain(plan.minimum_investment),
        "profit_per_grid_pct_min": rounded(least * 100, PERCENT_STEP),
        "profit_per_grid_pct_max": rounded(most * 100, PERCENT_STEP),
    }


def rounded(value: Decimal, step: Decimal) -> str:
    """Write a value rounded half up, without trailing zeros."""
    return plain(value.quantize(step, rounding=ROUND_HALF_UP))


def _figures(
    config: GridConfig, state: GridState, position: int, *, path: PricePath
) -> GridFigures:
    return figures_of(config, state, price=path.price(position), now=path.time(position))


def _row(config: GridConfig, state: GridState, position: int, *, path: PricePath) -> dict[str, Any]:
    figures = _figures(config, state, position, path=path)
    return {
        "tick": position,
        "price": plain(figures.price),
        "empty_level": figures.empty_level,
        "base": plain(figures.base),
        "cash": plain(figures.cash),
        "equity": plain(figures.equity),
        "grid_profit": plain(figures.grid_profit),
        "total_pnl": plain(figures.total_pnl),
        "unmatched_pnl": plain(figures.unmatched),
        "pairs": figures.pairs,
    }


def _fill(fill: RunFill, *, numbers: Mapping[str, int], base_asset: str) -> dict[str, Any]:
    trade, order = fill.trade, fill.order
    partner = None if fill.pair is None else numbers[fill.pair.data["pair_with"]]
    return {
        "seq": numbers[order.slot_ref],
        "tick": fill.position,
        "role": ROLES.get(order.slot, "grid"),
        "side": order.side.value,
        "level": level_in(order.slot_ref),
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "fee": plain(trade.fee),
        "fee_in": "base" if trade.fee_asset == base_asset else "quote",
        "pair_with": partner,
        "pair_profit": None if fill.pair is None else fill.pair.data["profit"],
    }


def _open_orders(orders: list[PlaceOrder]) -> list[Mapping[str, Any]]:
    rows = [
        {
            "side": order.side.value,
            "level": level_in(order.slot_ref),
            "price": plain(order.price or Decimal(0)),
            "qty": plain(order.quantity),
        }
        for order in orders
    ]
    return sorted(rows, key=lambda row: int(str(row["level"])))


def _final(result: GridBacktest) -> dict[str, Any]:
    config, state, figures = result.config, result.state, result.figures
    stop = preview_stop(config, state, price=figures.price)
    grid_apr, total_apr = figures.grid_apr_pct, figures.total_apr_pct
    curve = result.equity_curve()
    return {
        "state": state.status.value,
        "reason": state.stop_reason,
        "last_price": plain(figures.price),
        "grid_profit": plain(figures.grid_profit),
        "pairs": figures.pairs,
        "fees_quote": plain(figures.fees_quote),
        "fees_base": plain(figures.fees_base),
        "funding": "0",
        "total_pnl": plain(figures.total_pnl),
        "unmatched_pnl": plain(figures.unmatched),
        "total_pct": rounded(figures.total_pct, PERCENT_STEP),
        "runtime_days": rounded(days_of(figures.runtime), PERCENT_STEP),
        "grid_apr_pct": None if grid_apr is None else rounded(grid_apr, APR_STEP),
        "total_apr_pct": None if total_apr is None else rounded(total_apr, APR_STEP),
        "max_drawdown": rounded(Decimal(str(max_drawdown(curve))), PERCENT_STEP),
        "stop_and_close_all": {
            "side": "SELL",
            "qty": plain(stop.quantity),
            "price": plain(stop.price),
            "fee": plain(stop.fee),
            "returned_quote": plain(stop.returned_quote),
            "dust_base": plain(stop.dust_base),
            "net_pnl": plain(stop.net_pnl),
        },
    }
