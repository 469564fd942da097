"""Suggested Spot Grid parameters: back-tests of the last seven days (bots.md 10.3).

Each candidate is walked with the ladder's rule over integers (`grid_core.next_empty`); under the
path rule of bots.md 1.2 that rule gives every fill, so money follows from how often each rung
filled. A test holds the figures equal to the backtester's. Equity curves are floats, for the
drawdown only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from bots.domain.backtest import Ints, ticks_of_bars
from bots.domain.backtest_report import max_drawdown
from bots.domain.enums import PauseMode, StopMode
from bots.domain.spot_grid_checks import DEFAULT_RESERVE, DEFAULT_SLIPPAGE
from bots.domain.spot_grid_config import ONE, ZERO, GridConfig, GridRules, Spacing
from bots.domain.spot_grid_plan import GridPlan, levels_of, plan_grid, profit_fractions
from market.domain.candles import CandleBar
from market.domain.enums import FeeMode

GRID_COUNTS = (5, 8, 10, 15, 20, 30, 50, 75, 100)
WEEK_BARS = 7 * 24 * 60
LEAST_COVERAGE = Decimal("0.90")
LEAST_PROFIT = Decimal("0.003")
FEES_TO_EARN = 3
DRAWDOWN_WEIGHT = 0.5


class NotEnoughCandles(ValueError):
    """Wait for more data: the last seven days are not covered."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Closed bars as arrays of ticks: open, high, low, close in columns."""

    values: Ints

    @property
    def low(self) -> int:
        """Return the lowest price."""
        return int(self.values[:, 2].min())

    @property
    def high(self) -> int:
        """Return the highest price."""
        return int(self.values[:, 1].max())


def bars_of_candles(candles: Sequence[CandleBar], *, tick_size: Decimal) -> Bars:
    """Return closed candles as bars."""
    rows = [
        [int(price / tick_size) for price in (bar.open, bar.high, bar.low, bar.close)]
        for bar in candles
    ]
    return Bars(np.array(rows, dtype=np.int64).reshape(-1, 4))


@dataclass(frozen=True, slots=True)
class History:
    """What suggestions are made from: a week of minutes, and hours for the longer ranges."""

    week: Bars
    month: Bars | None
    quarter: Bars | None
    expected_bars: int = WEEK_BARS


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One profile's best grid; `_pct` are percent of the investment over the seven days."""

    profile: str
    lower: Decimal
    upper: Decimal
    grids: int
    spacing: Spacing
    investment: Decimal
    minimum_investment: Decimal
    profit_per_grid_pct_min: Decimal
    total_yield_pct: float
    grid_yield_pct: float
    max_drawdown_pct: float
    hold_yield_pct: float
    annual_pct: float
    coverage_pct: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one candidate made on the path."""

    total_pnl: float
    grid_profit: float
    max_drawdown: float
    pairs: int

    @property
    def score(self) -> float:
        """Return what candidates are compared by."""
        return self.total_pnl - DRAWDOWN_WEIGHT * self.max_drawdown


def suggest(
    history: History,
    *,
    rules: GridRules,
    market_price: Decimal,
    investment: Decimal,
    spacing: Spacing = Spacing.ARITHMETIC,
) -> list[Suggestion]:
    """Return the best grid of each profile whose history there is and that has a candidate."""
    coverage = check_coverage(history)
    prices = ticks_of_bars(history.week.values)
    suggestions = []
    for profile, bars in (
        ("short", history.week),
        ("medium", history.month),
        ("long", history.quarter),
    ):
        if bars is None or not len(bars.values):
            continue
        lower, upper = profile_range(bars, rules=rules, market_price=market_price)
        best = best_grid(
            prices,
            config=_config(rules, lower, upper, investment=investment, spacing=spacing),
            market_price=market_price,
        )
        if best is not None:
            suggestions.append(replace(best, profile=profile, coverage_pct=coverage * 100))
    return suggestions


def check_coverage(history: History) -> float:
    """Return the share of the week's minutes that there are; refuse less than 90 %."""
    present = len(history.week.values)
    if Decimal(present) < LEAST_COVERAGE * history.expected_bars:
        raise NotEnoughCandles(
            f"{present:,} of {history.expected_bars:,} minutes of the last 7 days are recorded; "
            "90 % are needed"
        )
    return min(present / history.expected_bars, 1.0)


def profile_range(
    bars: Bars, *, rules: GridRules, market_price: Decimal
) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest price, widened to contain the market price."""
    spec = rules.instrument
    lower = min(bars.low * spec.tick_size, spec.floor_tick(market_price))
    upper = max(bars.high * spec.tick_size, spec.ceil_tick(market_price))
    return lower, max(upper, lower + spec.tick_size)


def best_grid(prices: Ints, *, config: GridConfig, market_price: Decimal) -> Suggestion | None:
    """Return the candidate with the best score; of equal ones that with fewer grids."""
    best: tuple[float, Suggestion] | None = None
    for grids in GRID_COUNTS:
        candidate = replace(config, grids=grids)
        if not is_candidate(candidate, price=int(prices[0]), market_price=market_price):
            continue
        outcome = walk(candidate, prices)
        if best is None or outcome.score > best[0]:
            best = (outcome.score, _suggestion(candidate, prices, outcome, market=market_price))
    return None if best is None else best[1]


def is_candidate(config: GridConfig, *, price: int, market_price: Decimal) -> bool:
    """Say whether profit per grid and quantity are large enough, at both ends of the week."""
    levels = levels_of(config)
    if len(set(levels)) < len(levels):
        return False
    fee = config.rules.maker_fee
    least, _ = profit_fractions(levels, maker_fee=fee)
    if least < max(LEAST_PROFIT, FEES_TO_EARN * 2 * fee):
        return False
    starts = (price * config.rules.instrument.tick_size, market_price)
    plans = [plan_grid(config, price=start) for start in starts]
    return all(plan.quantity >= plan.minimum_quantity for plan in plans)


# ------------------------------------------------------------------------------------- one walk


def walk(config: GridConfig, prices: Ints) -> Outcome:
    """Back-test one grid from its first price on."""
    tick = config.rules.instrument.tick_size
    plan = plan_grid(config, price=int(prices[0]) * tick)
    levels = np.array([int(level / tick) for level in plan.levels], dtype=np.int64)
    positions, empties = empty_path(levels, prices, empty=plan.empty_level)
    book = _book(config.rules, plan, investment=config.investment)
    cash, base, profit, pairs = _money(book, plan, empties)
    counts = np.diff(np.append(positions, len(prices)))
    curve = np.repeat(cash, counts) + np.repeat(base, counts) * (prices * float(tick))
    invested = float(config.investment)
    return Outcome(
        total_pnl=float(curve[-1]) - invested,
        grid_profit=profit,
        max_drawdown=max_drawdown(curve),
        pairs=pairs,
    )


def empty_path(levels: Ints, prices: Ints, *, empty: int) -> tuple[Ints, list[int]]:
    """Return the positions at which the empty level moves, and the levels it moves to.

    After a tick the empty level is the old one, clamped between the highest level at or below the
    price and the lowest at or above it (`grid_core.next_empty`); only ticks that change these two
    can move it, so the others are dropped before the walk.
    """
    lowest_above = np.minimum(np.searchsorted(levels, prices, side="left"), len(levels) - 1)
    highest_below = np.maximum(np.searchsorted(levels, prices, side="right") - 1, 0)
    changed = np.flatnonzero((np.diff(lowest_above) != 0) | (np.diff(highest_below) != 0)) + 1
    positions, empties = [0], [empty]
    rows = zip(
        changed.tolist(),
        highest_below[changed].tolist(),
        lowest_above[changed].tolist(),
        strict=True,
    )
    for position, least, most in rows:
        moved = least if empty < least else min(empty, most)
        if moved != empty:
            empty = moved
            positions.append(position)
            empties.append(empty)
    return np.array(positions, dtype=np.int64), empties


@dataclass(frozen=True, slots=True)
class _Book:
    """What one fill at each level moves; floats, for statistics."""

    buy_cash: list[float]
    sell_cash: list[float]
    pair: list[float]
    bought: float
    sold: float
    start_cash: float
    start_base: float


def _book(rules: GridRules, plan: GridPlan, *, investment: Decimal) -> _Book:
    maker, taker = rules.maker_fee, rules.taker_fee
    is_quote = rules.fee_mode is FeeMode.QUOTE
    buy_rate = ONE + maker if is_quote else ONE
    buys = [plan.quantity * level * buy_rate for level in plan.levels]
    sells = [plan.sell_quantity * level * (ONE - maker) for level in plan.levels]
    initial = plan.initial_quantity * plan.start_price * (ONE + taker if is_quote else ONE)
    return _Book(
        buy_cash=[float(cost) for cost in buys],
        sell_cash=[float(proceeds) for proceeds in sells],
        pair=[0.0] + [float(sells[i] - buys[i - 1]) for i in range(1, len(buys))],
        bought=float(plan.quantity * (ONE if is_quote else ONE - maker)),
        sold=float(plan.sell_quantity),
        start_cash=float(investment - initial),
        start_base=float(plan.initial_quantity * (ONE if is_quote else ONE - taker)),
    )


def _money(
    book: _Book, plan: GridPlan, empties: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, int]:
    """Return cash and units after every move, the grid profit and the number of pairs."""
    cash, base, profit, pairs = book.start_cash, book.start_base, 0.0, 0
    is_grid_lot = [False] * len(plan.levels)
    at = plan.empty_level
    cashes, bases = [], []
    for empty in empties:
        while at > empty:
            at -= 1
            cash -= book.buy_cash[at]
            base += book.bought
            is_grid_lot[at] = True
        while at < empty:
            if is_grid_lot[at]:
                is_grid_lot[at] = False
                pairs += 1
                profit += book.pair[at + 1]
            at += 1
            cash += book.sell_cash[at]
            base -= book.sold
        cashes.append(cash)
        bases.append(base)
    return np.array(cashes), np.array(bases), profit, pairs


# ------------------------------------------------------------------------------------- the result


def _config(
    rules: GridRules, lower: Decimal, upper: Decimal, *, investment: Decimal, spacing: Spacing
) -> GridConfig:
    return GridConfig(
        rules=rules,
        name="Suggestion",
        symbol=rules.instrument.symbol,
        investment=investment,
        lower=lower,
        upper=upper,
        grids=GRID_COUNTS[0],
        spacing=spacing,
        reserve_pct=Decimal(DEFAULT_RESERVE),
        slippage_cap=Decimal(DEFAULT_SLIPPAGE),
        trigger_price=None,
        trigger_side=None,
        stop_loss=None,
        take_profit=None,
        reinvest=False,
        pause_mode=PauseMode.KEEP_ORDERS,
        stop_mode=StopMode.SELL_ALL,
        max_loss=ZERO,
        run_until=None,
        approval="off",
    )


def _suggestion(
    config: GridConfig, prices: Ints, outcome: Outcome, *, market: Decimal
) -> Suggestion:
    least, _ = profit_fractions(levels_of(config), maker_fee=config.rules.maker_fee)
    invested = float(config.investment)
    total_pct = outcome.total_pnl / invested * 100
    return Suggestion(
        profile="",
        lower=config.lower,
        upper=config.upper,
        grids=config.grids,
        spacing=config.spacing,
        investment=config.investment,
        minimum_investment=plan_grid(config, price=market).minimum_investment,
        profit_per_grid_pct_min=least * 100,
        total_yield_pct=total_pct,
        grid_yield_pct=outcome.grid_profit / invested * 100,
        max_drawdown_pct=outcome.max_drawdown / invested * 100,
        hold_yield_pct=(float(prices[-1]) / float(prices[0]) - 1) * 100,
        annual_pct=total_pct * 365 / 7,
        coverage_pct=100.0,
        pairs=outcome.pairs,
    )
