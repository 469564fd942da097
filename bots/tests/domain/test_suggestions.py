"""Suggested parameters agree with the backtester and refuse thin data."""

import random
from dataclasses import replace

import numpy as np
import pytest

from bots.domain.backtest import path_of_bars, ticks_of_bars
from bots.domain.backtest_report import backtest, max_drawdown
from bots.domain.spot_grid_config import Spacing, rules_of
from bots.domain.suggestions import (
    GRID_COUNTS,
    WEEK_BARS,
    Bars,
    History,
    NotEnoughCandles,
    bars_of_candles,
    best_grid,
    is_candidate,
    suggest,
    walk,
)
from bots.tests.domain.grids import ONGC, SOL, T0, D, config_of, context_of
from market.domain.candles import CandleBar


def bars_of(count, *, at, spread, seed=1):
    """Return bars that wander around a price and come back to it."""
    rng = random.Random(seed)  # noqa: S311 - a path, not a secret
    rows, home = [], at
    for _ in range(count):
        four = [at + rng.randint(-spread, spread) for _ in range(3)]
        rows.append([at, max(at, *four), min(at, *four), four[0]])
        at = four[0] + (home - four[0]) // 12
    return Bars(np.array(rows, dtype=np.int64))


WEEK = bars_of(WEEK_BARS, at=5240, spread=60)
RULES = rules_of(context_of())


@pytest.mark.parametrize("inputs", [ONGC, SOL], ids=["quote", "received"])
@pytest.mark.parametrize("spacing", ["arithmetic", "geometric"])
def test_walk_gives_the_backtesters_figures(inputs, spacing):
    price, spread = ("262", 150) if inputs is ONGC else ("125", 1500)
    tick = D(inputs["tick"])
    bars = bars_of(400, at=int(D(price) / tick), spread=spread, seed=5)
    config = config_of(inputs | {"spacing": spacing}, price=price)
    path = path_of_bars(
        bars.values,
        np.arange(400, dtype=np.int64) * 60_000_000,
        tick_size=tick,
        bar_seconds=60,
    )
    result = backtest(config, path, has_rows=False)
    outcome = walk(config, ticks_of_bars(bars.values))
    figures = result.figures
    assert len(result.run.fills) > 30
    assert outcome.pairs == figures.pairs
    assert outcome.total_pnl == pytest.approx(float(figures.total_pnl), abs=1e-6)
    assert outcome.grid_profit == pytest.approx(float(figures.grid_profit), abs=1e-6)
    assert outcome.max_drawdown == pytest.approx(max_drawdown(result.equity_curve()), abs=1e-6)


def test_three_profiles_contain_the_market_price():
    market = D("300")
    history = History(
        week=WEEK,
        month=bars_of(720, at=5240, spread=30, seed=2),
        quarter=bars_of(2160, at=5240, spread=40, seed=3),
    )
    found = suggest(history, rules=RULES, market_price=market, investment=D(100000))
    assert [each.profile for each in found] == ["short", "medium", "long"]
    for each in found:
        assert each.lower < each.upper
        assert each.lower <= market <= each.upper
        assert each.lower % D("0.05") == each.upper % D("0.05") == 0
        assert each.grids in GRID_COUNTS
        assert each.profit_per_grid_pct_min >= D("0.3")
        assert each.minimum_investment <= 100000
        assert each.annual_pct == pytest.approx(each.total_yield_pct * 365 / 7)


def test_best_score_wins_and_ties_go_to_fewer_grids():
    market = D(int(WEEK.values[-1, 3])) * D("0.05")
    config = config_of(
        ONGC | {"lower": "220", "upper": "300", "investment": "200000"}, price=str(market)
    )
    prices = ticks_of_bars(WEEK.values)
    best = best_grid(prices, config=config, market_price=market)
    scores = {
        grids: walk(replace(config, grids=grids), prices).score
        for grids in GRID_COUNTS
        if is_candidate(replace(config, grids=grids), price=int(prices[0]), market_price=market)
    }
    assert best is not None
    assert best.grids == max(scores, key=lambda grids: (scores[grids], -grids))


def test_candidates_must_earn_more_than_their_fees():
    narrow = config_of(ONGC | {"lower": "255", "upper": "275", "grids": 30}, price="262")
    assert not is_candidate(narrow, price=5240, market_price=D(262))  # 0.15 % a grid
    assert not is_candidate(replace(narrow, grids=200), price=5240, market_price=D(262))
    assert is_candidate(replace(narrow, grids=10), price=5240, market_price=D(262))


def test_candles_become_bars():
    bar = CandleBar(T0, D("262.05"), D("263"), D("261.95"), D("262.5"), D(10))
    bars = bars_of_candles([bar], tick_size=D("0.05"))
    assert bars.values.tolist() == [[5241, 5260, 5239, 5250]]
    assert (bars.low, bars.high) == (5239, 5260)
    assert len(bars_of_candles([], tick_size=D("0.05")).values) == 0


def test_thin_data_are_refused():
    week = Bars(WEEK.values[: WEEK_BARS * 9 // 10 - 1])
    with pytest.raises(NotEnoughCandles, match=r"9,071 of 10,080 minutes"):
        suggest(History(week, None, None), rules=RULES, market_price=D(262), investment=D(100000))
    enough = Bars(WEEK.values[: WEEK_BARS * 9 // 10])
    found = suggest(
        History(enough, None, None),
        rules=RULES,
        market_price=D(262),
        investment=D(100000),
        spacing=Spacing.GEOMETRIC,
    )
    assert [(each.profile, each.coverage_pct) for each in found] == [("short", 90.0)]
