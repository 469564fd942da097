"""How many random add, cancel and match operations the matching core does in a second.

The reference is the obvious book, a list kept in order by bisection, on the same operations.
"""

import random
import sys
from bisect import insort
from time import perf_counter

from market.domain.enums import Side
from market.domain.matching import MatchingBook

OPERATIONS = 1_000_000
REQUIRED = 1_000_000
REFERENCE_OPERATIONS = 20_000
_MID = 26_200
_SPREAD = 200

# (kind, number or price, price, quantity, side): kinds 0 add, 1 cancel, 2 match
_Operation = tuple[int, int, int, int, Side]


def random_operations(count: int, *, seed: int) -> list[_Operation]:
    """Return a reproducible mix: 50 % adds, 35 % cancels of random orders, 15 % matches."""
    chance = random.Random(seed)  # noqa: S311 - a bench, not a secret
    sides = (Side.BUY, Side.SELL)
    operations: list[_Operation] = []
    for number in range(count):
        draw = chance.random()
        side = sides[chance.getrandbits(1)]
        away = chance.randrange(_SPREAD)
        quantity = chance.randrange(1, 100)
        if draw < 0.5:
            price = _MID - away if side is Side.BUY else _MID + away
            operations.append((0, number, price, quantity, side))
        elif draw < 0.85:
            operations.append((1, chance.randrange(max(1, number)), 0, 0, side))
        else:
            limit = _MID + away // 10 if side is Side.BUY else _MID - away // 10
            operations.append((2, number, limit, quantity, side))
    return operations


def run(operations: list[_Operation]) -> tuple[float, int]:
    """Carry the operations out; return seconds and units traded."""
    book = MatchingBook()
    add, cancel, match = book.add, book.cancel, book.match
    traded = 0
    started = perf_counter()
    for kind, number, price, quantity, side in operations:
        if kind == 0:
            add(number, price, quantity, side=side)
        elif kind == 1:
            cancel(number)
        else:
            for _, _, units in match(side, price, quantity):
                traded += units
    return perf_counter() - started, traded


class ListBook:
    """The reference: (rank, number, quantity) in order; cancels search the list."""

    def __init__(self) -> None:
        self._sides: dict[Side, list[list[int]]] = {Side.BUY: [], Side.SELL: []}
        self._where: dict[int, Side] = {}

    def add(self, number: int, price: int, quantity: int, *, side: Side) -> None:
        """Let an order rest."""
        rank = -price if side is Side.BUY else price
        insort(self._sides[side], [rank, number, quantity])
        self._where[number] = side

    def cancel(self, number: int) -> None:
        """Take an order out."""
        side = self._where.pop(number, None)
        if side is not None:
            rows = self._sides[side]
            rows.pop(next(index for index, row in enumerate(rows) if row[1] == number))

    def match(self, side: Side, limit: int, quantity: int) -> int:
        """Let an order come in; return the units traded."""
        rows = self._sides[side.opposite]
        worst = limit if side is Side.BUY else -limit
        left = quantity
        while rows and left and rows[0][0] <= worst:
            traded = min(left, rows[0][2])
            left -= traded
            rows[0][2] -= traded
            if not rows[0][2]:
                del self._where[rows.pop(0)[1]]
        return quantity - left


def run_reference(operations: list[_Operation]) -> tuple[float, int]:
    """Carry the operations out on the reference; return seconds and units traded."""
    book = ListBook()
    traded = 0
    started = perf_counter()
    for kind, number, price, quantity, side in operations:
        if kind == 0:
            book.add(number, price, quantity, side=side)
        elif kind == 1:
            book.cancel(number)
        else:
            traded += book.match(side, price, quantity)
    return perf_counter() - started, traded


def main() -> int:
    """Print operations per second; fail below the budget of architecture.md section 9."""
    operations = random_operations(OPERATIONS, seed=7)
    results = [run(operations) for _ in range(3)]
    seconds = min(result[0] for result in results)
    rate = OPERATIONS / seconds
    sample = operations[:REFERENCE_OPERATIONS]
    slow, units = run_reference(sample)
    if units != run(sample)[1]:
        raise ValueError("the reference trades other quantities")
    sys.stdout.write(
        f"matching: {rate:,.0f} operations/s (required {REQUIRED:,}),"
        f" {results[0][1]:,} units traded\n"
        f"reference, an ordered list: {REFERENCE_OPERATIONS / slow:,.0f} operations/s\n"
    )
    return 0 if rate >= REQUIRED else 1


if __name__ == "__main__":
    sys.exit(main())
