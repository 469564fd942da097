"""How many random add, cancel and match operations the matching core does in a second."""

import random
import sys
from time import perf_counter

from market.domain.enums import Side
from market.domain.matching import MatchingBook

OPERATIONS = 1_000_000
REQUIRED = 1_000_000
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


def main() -> int:
    """Print operations per second; fail below the budget of architecture.md section 9."""
    operations = random_operations(OPERATIONS, seed=7)
    results = [run(operations) for _ in range(3)]
    seconds = min(result[0] for result in results)
    rate = OPERATIONS / seconds
    sys.stdout.write(
        f"matching: {rate:,.0f} operations/s (required {REQUIRED:,}),"
        f" {results[0][1]:,} units traded\n"
    )
    return 0 if rate >= REQUIRED else 1


if __name__ == "__main__":
    sys.exit(main())
