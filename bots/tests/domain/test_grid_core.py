"""Integer grid arithmetic."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st

from bots.domain.grid_core import (
    arithmetic_levels,
    counter_level,
    denominator,
    empty_level,
    geometric_levels,
    initial_lots,
    is_buy_level,
    ladder_levels,
    next_empty,
    sending_ranks,
)

FEW = settings(max_examples=60, deadline=None, derandomize=True)


def test_arithmetic_levels_round_half_up():
    assert arithmetic_levels(100, 110, grids=4) == [100, 103, 105, 108, 110]


def test_geometric_levels_of_the_vector():
    assert geometric_levels(10000, 16105, grids=5) == [10000, 11000, 12100, 13310, 14641, 16105]


def test_geometric_levels_by_hand():
    # A level never lies exactly between two ticks: (2k + 1)^N is odd, 2^N lower^(N-i) upper^i even.
    assert geometric_levels(4, 25, grids=2) == [4, 10, 25]
    assert geometric_levels(1, 6, grids=1) == [1, 6]
    assert geometric_levels(2, 18, grids=4) == [2, 3, 6, 10, 18]  # 3.46, 6, 10.39


@FEW
@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 200))
def test_geometric_levels_are_the_nearest_ticks(lower, span, grids):
    levels = geometric_levels(lower, lower + span, grids=grids)
    assert (levels[0], levels[-1], len(levels)) == (lower, lower + span, grids + 1)
    assert levels == sorted(levels)
    with localcontext() as context:
        context.prec = 80
        ratio = Decimal(lower + span) / lower
        for i in (0, grids // 3, grids // 2, grids):
            exact = lower * ratio ** (Decimal(i) / grids)
            assert abs(levels[i] - exact) <= Decimal("0.5") + Decimal("1e-60")


@FEW
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 200))
def test_arithmetic_levels_are_the_nearest_ticks(lower, span, grids):
    levels = arithmetic_levels(lower, lower + span, grids=grids)
    exact = [Decimal(lower) + Decimal(i) * span / grids for i in range(grids + 1)]
    assert levels == [int(each.to_integral_value(rounding=ROUND_HALF_UP)) for each in exact]


@FEW
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(0, 8))
def test_next_empty_clamps_between_the_neighbours_of_the_price(prices, empty):
    levels = [10, 14, 19, 23, 30, 34, 41, 47, 52]
    for price in prices:
        at_most = min(next((i for i, p in enumerate(levels) if p >= price), 8), 8)
        at_least = max(max((i for i, p in enumerate(levels) if p <= price), default=0), 0)
        expected = min(max(empty, at_least), at_most)
        empty = next_empty(levels, empty, price)
        assert empty == expected


def test_ladder_of_the_vector():
    levels = [240, 245, 250, 255, 260, 265, 270, 275, 280]
    assert empty_level(levels, 262) == 5
    assert empty_level(levels, 265) == 5
    assert empty_level(levels, 300) == 8
    assert denominator(levels, empty=5, price=262) == 2036
    assert initial_lots(8, empty=5, lots=24) == 72
    assert ladder_levels(8, empty=5) == [0, 1, 2, 3, 4, 6, 7, 8]
    assert (is_buy_level(4, empty=5), is_buy_level(6, empty=5)) == (True, False)
    assert (counter_level(4, is_buy=True), counter_level(6, is_buy=False)) == (5, 5)
    assert sending_ranks(levels, empty=5, price=262)[4] == 0
