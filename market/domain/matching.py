"""Price-time matching of resting orders against what comes in; integers only, no clock.

The book does not know whose orders rest in it. The paper venue lets the market's displayed
sizes and trades come in against the users' resting orders; users never trade with each other.
"""

from heapq import heapify, heappop, heappush

from market.domain.enums import Side

# One integer ranks an order: the price above, the arrival number below, so that a plain heap
# of integers is in price-time order.
_NUMBER_BITS = 40
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1
# Cancelled orders stay in the heaps until they come up, or until they are this many too many.
_SPARE = 64

_BUY = Side.BUY

# (arrival number, price of the resting order, quantity)
Match = tuple[int, int, int]


class MatchingBook:
    """Resting orders of one instrument, matched best price first, then first come.

    `number` is the arrival number: unique, and ascending where time priority is to be kept.
    """

    __slots__ = ("_buys", "_open", "_sells")

    def __init__(self) -> None:
        self._buys: list[int] = []
        self._sells: list[int] = []
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def add(self, number: int, price: int, quantity: int, *, side: Side) -> None:
        """Let an order rest."""
        self._open[number] = quantity
        if side is _BUY:
            heappush(self._buys, (-price << _NUMBER_BITS) | number)
        else:
            heappush(self._sells, (price << _NUMBER_BITS) | number)

    def cancel(self, number: int) -> int:
        """Take an order out; return what was left of it, 0 when it does not rest here."""
        left = self._open.pop(number, 0)
        if left and len(self._buys) + len(self._sells) > 2 * len(self._open) + _SPARE:
            self._compact()
        return left

    def quantity_of(self, number: int) -> int:
        """Return what is left of an order, 0 when it does not rest here."""
        return self._open.get(number, 0)

    def reduce(self, number: int, quantity: int) -> None:
        """Lower what is left of an order; it keeps its place."""
        left = self._open[number]
        if not 0 < quantity <= left:
            raise ValueError(f"order {number} has {left} left and cannot be reduced to {quantity}")
        self._open[number] = quantity

    def match(self, side: Side, limit: int, quantity: int | None = None) -> list[Match]:
        """Let an order of `side` come in; return its matches with resting orders.

        `quantity` None takes everything within the limit. What is left of the incoming order
        does not rest: its owner decides.
        """
        is_buy = side is _BUY
        heap = self._sells if is_buy else self._buys
        worst = ((limit if is_buy else -limit) << _NUMBER_BITS) | _NUMBER_MASK
        open_orders = self._open
        matches: list[Match] = []
        while heap and heap[0] <= worst:
            rank = heap[0]
            number = rank & _NUMBER_MASK
            traded = open_orders.get(number)
            if traded is None:
                heappop(heap)
                continue
            if quantity is None or traded <= quantity:
                heappop(heap)
                del open_orders[number]
            else:
                traded = quantity
                open_orders[number] -= traded
            price = rank >> _NUMBER_BITS
            matches.append((number, price if is_buy else -price, traded))
            if quantity is not None:
                quantity -= traded
                if not quantity:
                    break
        return matches

    def resting(self, side: Side) -> list[Match]:
        """List what rests on a side in the order in which it would be matched."""
        is_buy = side is _BUY
        ranks = sorted(self._buys if is_buy else self._sells)
        numbered = ((rank & _NUMBER_MASK, rank >> _NUMBER_BITS) for rank in ranks)
        return [
            (number, -price if is_buy else price, self._open[number])
            for number, price in numbered
            if number in self._open
        ]

    def _compact(self) -> None:
        for heap in (self._buys, self._sells):
            heap[:] = [rank for rank in heap if rank & _NUMBER_MASK in self._open]
            heapify(heap)
