from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.cleaning import is_crossed
from market.domain.sharding import share_of
from market.domain.simulated import (
    DEFAULT_SEED,
    middle_price,
    simulated_path,
    simulated_tick,
)
from market.tests.factories import spec_of

NOON = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
SYMBOLS = ["NSE:ONGC", "NSE:NIFTY 50", "BINANCE:BTCUSDT", "BINANCE:BTCBUSD", "BINANCE:SOLUSDT"]
GOLDEN = ["258.50", "22718.05", "65835.62", "65835.81", "169.50"]


def tick(symbol, moment, seed=DEFAULT_SEED):
    spec = spec_of(symbol)
    return simulated_tick(simulated_path(spec), spec, seed=seed, moment=moment, volume=Decimal(100))


def test_known_prices_do_not_change_between_versions():
    """A changed formula would make every running copy's prices jump at the next start."""
    assert [str(tick(symbol, NOON).price) for symbol in SYMBOLS] == GOLDEN


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_same_moment_has_the_same_tick_and_another_seed_another(symbol):
    assert tick(symbol, NOON) == tick(symbol, NOON)
    assert tick(symbol, NOON).price != tick(symbol, NOON, seed=1).price


@given(st.sampled_from(SYMBOLS), st.integers(0, 10**8))
def test_every_tick_is_on_tick_with_ten_levels_a_side_around_it(symbol, seconds):
    spec = spec_of(symbol)
    made = tick(symbol, NOON + timedelta(seconds=seconds / 2))
    assert spec.is_on_tick(made.price)
    assert made.price > 0
    if made.depth is None:
        assert symbol == "NSE:NIFTY 50"
        return
    assert not is_crossed(made.depth)
    for levels, direction in ((made.depth.bids, -1), (made.depth.asks, 1)):
        prices = [level.price * direction for level in levels]
        assert len(prices) == 10
        assert prices == sorted(set(prices))
        assert all(spec.is_on_tick(level.price) for level in levels)
        assert all(level.quantity > 0 and spec.is_on_lot(level.quantity) for level in levels)
    assert made.price in {made.depth.bids[0].price, made.depth.asks[0].price}
    assert spec.is_on_lot(made.last_quantity)
    assert made.volume == 100 + made.last_quantity


def prices_of(symbol, count, step):
    spec = spec_of(symbol)
    path = simulated_path(spec)
    return [
        middle_price(path, spec, seed=DEFAULT_SEED, moment=NOON + step * number)
        for number in range(count)
    ]


@pytest.mark.parametrize("symbol", ["NSE:ONGC", "BINANCE:BTCUSDT"])
def test_a_grid_of_one_percent_sees_a_fill_within_a_minute_or_so(symbol):
    """Ten rungs, a tenth of a percent apart: mostly the nearest is reached in a minute."""
    prices = prices_of(symbol, 4 * 3600 // 2, timedelta(seconds=2))
    reached = [
        any(abs(price / prices[start] - 1) >= Decimal("0.0007") for price in prices[start:][:30])
        for start in range(0, len(prices) - 30, 30)
    ]
    assert sum(reached) / len(reached) > 0.6


def test_busy_and_calm_times_alternate():
    prices = prices_of("NSE:ONGC", 2880, timedelta(minutes=1))
    returns = [float(b / a) - 1 for a, b in pairwise(prices)]
    moods = sorted(pstdev(returns[start : start + 60]) for start in range(0, 2820, 60))
    assert moods[-4] / moods[4] > 1.8


def test_prices_stay_around_where_they_began():
    prices = prices_of("NSE:ONGC", 2000, timedelta(hours=1.7))
    assert Decimal("0.7") < min(prices) / 262 < max(prices) / 262 < Decimal("1.4")


def test_two_markets_in_bitcoin_move_together():
    usdt, busd = tick("BINANCE:BTCUSDT", NOON).price, tick("BINANCE:BTCBUSD", NOON).price
    assert abs(usdt - busd) / usdt < Decimal("0.0001")


@given(st.sets(st.integers(1, 10**6), max_size=40), st.integers(1, 7))
def test_every_instrument_has_exactly_one_worker_and_shares_are_even(tokens, workers):
    shares = [share_of(tokens, worker=number + 1, workers=workers) for number in range(workers)]
    assert sorted(token for share in shares for token in share) == sorted(tokens)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_worker_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="worker 3 of 2"):
        share_of([1], worker=3, workers=2)
