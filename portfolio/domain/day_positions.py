"""A day of one product of one instrument as Kite's pages show it: carried, bought, sold, left.

Formulas of kite-api.md 1.5 (checked there on every row of the mocks): value = sell value - buy
value; pnl = value + quantity x last price; the same with the previous close in place of what was
paid for the units carried over gives m2m. Charges are apart, as they are at Kite.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Flow:
    """What was bought and sold: units and their value in quote asset."""

    buy_quantity: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_quantity: Decimal = ZERO
    sell_value: Decimal = ZERO

    @property
    def buy_price(self) -> Decimal:
        """Return the average price bought at; 0 where nothing was."""
        return self.buy_value / self.buy_quantity if self.buy_quantity else ZERO

    @property
    def sell_price(self) -> Decimal:
        """Return the average price sold at; 0 where nothing was."""
        return self.sell_value / self.sell_quantity if self.sell_quantity else ZERO


@dataclass(frozen=True, slots=True)
class DayPosition:
    """Units now, units carried into the day with their cost, and the flow of the day.

    Quantities are signed: a short is below zero, and so is its cost (what was received for it).
    """

    quantity: Decimal
    opening_quantity: Decimal
    opening_cost: Decimal
    day: Flow

    @property
    def opening_price(self) -> Decimal:
        """Return what a unit carried over has cost; 0 where there is none."""
        return self.opening_cost / self.opening_quantity if self.opening_quantity else ZERO

    @property
    def total(self) -> Flow:
        """Return the flow as if the units carried over were traded at their cost."""
        return self._with_opening(abs(self.opening_cost))

    def marked(self, close: Decimal) -> Flow:
        """Return the flow as if the units carried over were traded at the previous close."""
        return self._with_opening(abs(self.opening_quantity) * close)

    def _with_opening(self, value: Decimal) -> Flow:
        units, day = self.opening_quantity, self.day
        if units < 0:
            return replace(
                day,
                sell_quantity=day.sell_quantity - units,
                sell_value=day.sell_value + value,
            )
        return replace(day, buy_quantity=day.buy_quantity + units, buy_value=day.buy_value + value)

    def of_the_day(self) -> "DayPosition":
        """Return the day's own part: nothing carried over."""
        return DayPosition(self.quantity - self.opening_quantity, ZERO, ZERO, self.day)

    def average_price(self) -> Decimal:
        """Return the average of the side that is open; 0 when it is flat."""
        if not self.quantity:
            return ZERO
        return self.total.buy_price if self.quantity > 0 else self.total.sell_price


@dataclass(frozen=True, slots=True)
class Moved:
    """Units that came from another product, or went to one, with what they have cost."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.quantity + other.quantity, self.cost + other.cost)


@dataclass(frozen=True, slots=True)
class DayChanges:
    """What a day has done to a holding.

    `realised` is what its trades have earned against cost and `fees_base` the units paid as fees.
    """

    flow: Flow = field(default_factory=Flow)
    realised: Decimal = ZERO
    fees_base: Decimal = ZERO
    came: Moved = field(default_factory=Moved)
    went: Moved = field(default_factory=Moved)


def day_position(quantity: Decimal, cost: Decimal, changes: DayChanges) -> DayPosition:
    """Return the day of a holding from where it stands now and what the day has done to it.

    What was removed from the cost by a closing trade is its value less what it earned. Units that
    came from another product count as bought today at what they have cost; those that went were
    today's first, then units carried over.
    """
    day = _with_moves(changes)
    opening_quantity = quantity - day.buy_quantity + day.sell_quantity + changes.fees_base
    opening_cost = cost - day.buy_value + day.sell_value - changes.realised
    return DayPosition(quantity, opening_quantity, opening_cost, day)


def _with_moves(changes: DayChanges) -> Flow:
    """Return the day's flow with what came from another product, without what went to one."""
    flow, came = changes.flow, changes.came
    units, value = flow.buy_quantity + came.quantity, flow.buy_value + came.cost
    gone = min(changes.went.quantity, units)
    if gone:
        units, value = units - gone, value * (units - gone) / units
    return replace(flow, buy_quantity=units, buy_value=value)
