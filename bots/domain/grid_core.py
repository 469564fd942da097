"""Grid arithmetic over integers: prices in ticks, quantities in lots, the ladder as one index.

Everything that decides where a rung stands or which rung a price reaches is here, once, and is
called as it is by the live step and by the backtester. The functions of the second half take and
return plain integers and sequences only, so that a compiler can take them unchanged.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal, localcontext

# ------------------------------------------------------------------------------ levels, exactly


def arithmetic_levels(lower: int, upper: int, *, grids: int) -> list[int]:
    """Return the grids + 1 levels at equal distances, each at its nearest tick, half up."""
    span = upper - lower
    return [(2 * (lower * grids + i * span) + grids) // (2 * grids) for i in range(grids + 1)]


def geometric_levels(lower: int, upper: int, *, grids: int) -> list[int]:
    """Return the grids + 1 levels at equal ratios, each at its nearest tick, half up.

    Level i is the integer k with (2k - 1)^N <= 2^N lower^(N-i) upper^i < (2k + 1)^N: whole
    numbers decide, so that neither a float nor a rounded logarithm can move a level by a tick.
    """
    guesses = _geometric_guesses(lower, upper, grids=grids)
    return [
        _nearest_root((lower ** (grids - i)) * (upper**i) << grids, grids, guess=guess)
        for i, guess in enumerate(guesses)
    ]


def _geometric_guesses(lower: int, upper: int, *, grids: int) -> list[int]:
    with localcontext() as context:
        context.prec = 40
        step = (Decimal(upper) / Decimal(lower)).ln() / grids
        return [
            int((Decimal(lower) * (step * i).exp()).to_integral_value()) for i in range(grids + 1)
        ]


def _nearest_root(doubled_power: int, grids: int, *, guess: int) -> int:
    while (2 * guess - 1) ** grids > doubled_power:
        guess -= 1
    while (2 * guess + 1) ** grids <= doubled_power:
        guess += 1
    return guess


# ----------------------------------------------------------------------------- the ladder's index


def empty_level(levels: Sequence[int], price: int) -> int:
    """Return the smallest level at or above the price, or the last index above every level."""
    return min(bisect_left(levels, price), len(levels) - 1)


def next_empty(levels: Sequence[int], empty: int, price: int) -> int:
    """Return the empty level after one tick with every rung resting (bots.md 1.2).

    A fall fills every buy at or above the price and leaves the lowest of them empty, a rise every
    sell at or below it and leaves the highest empty; between its neighbours nothing happens.
    """
    while empty > 0 and price <= levels[empty - 1]:
        empty -= 1
    while empty < len(levels) - 1 and price >= levels[empty + 1]:
        empty += 1
    return empty


def counter_level(level: int, *, is_buy: bool) -> int:
    """Return where the counter-order of a complete fill stands."""
    return level + 1 if is_buy else level - 1


def is_buy_level(level: int, *, empty: int) -> bool:
    """Say whether a level other than the empty one holds a buy."""
    return level < empty


def ladder_levels(grids: int, *, empty: int) -> list[int]:
    """Return the levels that hold an order, from the lowest."""
    return [level for level in range(grids + 1) if level != empty]


def sending_ranks(levels: Sequence[int], *, empty: int, price: int) -> dict[int, int]:
    """Return the place of every rung in the sending order: nearest to the market first."""
    wanted = ladder_levels(len(levels) - 1, empty=empty)
    nearest = sorted(wanted, key=lambda level: (abs(levels[level] - price), level))
    return {level: rank for rank, level in enumerate(nearest)}


# ------------------------------------------------------------------------------------ quantities


def denominator(levels: Sequence[int], *, empty: int, price: int) -> int:
    """Return what one lot on every rung costs, in ticks: the buys and the initial purchase."""
    return sum(levels[:empty]) + (len(levels) - 1 - empty) * price


def initial_lots(grids: int, *, empty: int, lots: int) -> int:
    """Return the lots to buy at the start: one rung's worth for every sell."""
    return (grids - empty) * lots
