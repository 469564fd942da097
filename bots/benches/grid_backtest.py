"""Spot Grid over 1,000,000 one-minute bars, beside backtesting.py on the same bars.

The reference runs a strategy that does nothing but look at each bar: it is the price of its loop
alone, the kindest comparison that can be made for it.
"""

import warnings
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bots.domain.backtest import PricePath, path_of_bars
from bots.domain.backtest_inputs import read_inputs
from bots.domain.backtest_report import GridBacktest, backtest
from bots.domain.spot_grid import SpotGrid
from bots.domain.spot_grid_config import GridConfig

BARS = 1_000_000
REFERENCE_BARS = 100_000
SEED = 20_260_101
START = 6_000_000
INPUTS = {
    "symbol": "BINANCE:BTCUSDT",
    "quote": "USDT",
    "lower": "48000",
    "upper": "75000",
    "grids": 40,
    "spacing": "geometric",
    "investment": "100000",
    "reserve_pct": "0.02",
    "maker_fee": "0.0005",
    "taker_fee": "0.0005",
    "tick": "0.01",
    "lot": "0.00001",
    "min_notional": "5",
}


def make_bars(count: int, *, seed: int = SEED) -> NDArray[np.int64]:
    """Return open, high, low, close in ticks of a price that wanders and comes back."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 0.0005, count)
    level = np.empty(count + 1)
    level[0] = 0.0
    value = 0.0
    for position, step in enumerate(steps.tolist(), start=1):
        value = value * 0.99998 + step
        level[position] = value
    closes = np.exp(level) * START
    opening, close = closes[:-1], closes[1:]
    wick = np.abs(rng.normal(0.0, 0.0002, (count, 2)))
    high = np.maximum(opening, close) * (1 + wick[:, 0])
    low = np.minimum(opening, close) * (1 - wick[:, 1])
    bars: NDArray[np.int64] = np.stack([opening, high, low, close], axis=1).astype(np.int64)
    return bars


def prepare(bars: NDArray[np.int64]) -> tuple[GridConfig, PricePath]:
    """Return the grid and the path of the bench."""
    inputs = read_inputs(INPUTS)
    path = path_of_bars(
        bars,
        np.arange(len(bars), dtype=np.int64) * 60_000_000,
        tick_size=inputs.spec.tick_size,
        bar_seconds=60,
    )
    config = SpotGrid().parse(inputs.parameters, context=inputs.context(price=path.price(0)))
    return config, path


def time_ours(bars: NDArray[np.int64]) -> tuple[float, GridBacktest]:
    """Return the seconds from bars to figures, and the result."""
    started = perf_counter()
    config, path = prepare(bars)
    result = backtest(config, path, has_rows=False)
    return perf_counter() - started, result


def time_reference(bars: NDArray[np.int64]) -> float:
    """Return the seconds backtesting.py takes to look at each bar."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415 - only to compare
        from backtesting import Backtest, Strategy  # type: ignore[import-untyped]  # noqa: PLC0415

        class LookOnly(Strategy):  # type: ignore[misc]
            def init(self) -> None:
                """Need no indicator."""

            def next(self) -> None:
                """Look at the price and do nothing."""
                self.data.Close[-1]

        frame = pd.DataFrame(bars / 100, columns=["Open", "High", "Low", "Close"])
        frame.index = pd.date_range("2026-01-01", periods=len(bars), freq="min")
        started = perf_counter()
        Backtest(frame, LookOnly, cash=1e9, finalize_trades=True).run()
        return perf_counter() - started


def measure() -> dict[str, Any]:
    """Run both and return the figures."""
    bars = make_bars(BARS)
    seconds, result = min((time_ours(bars) for _ in range(3)), key=lambda pair: pair[0])
    reference = time_reference(bars[:REFERENCE_BARS])
    ours, theirs = BARS / seconds, REFERENCE_BARS / reference
    return {
        "bars": BARS,
        "seconds": round(seconds, 3),
        "fills": len(result.run.fills),
        "bars_per_second": round(ours),
        "microseconds_per_fill": round(seconds / len(result.run.fills) * 1e6, 1),
        "reference": "backtesting.py, a strategy that only looks",
        "reference_bars": REFERENCE_BARS,
        "reference_bars_per_second": round(theirs),
        "times_faster": round(ours / theirs, 1),
    }


def main() -> None:
    """Print the figures."""
    for name, value in measure().items():
        print(f"{name:28} {value:,}" if isinstance(value, int) else f"{name:28} {value}")  # noqa: T201


if __name__ == "__main__":
    main()
