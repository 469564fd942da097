"""Profit and loss of holdings, exactly: equity change less what was put in."""

from dataclasses import dataclass
from decimal import Decimal

from portfolio.domain.fees import ZERO
from portfolio.domain.positions import Holding


@dataclass(frozen=True, slots=True)
class Profit:
    """Quote asset. `total` = realised + unrealised - fees paid in quote; base fees are in units."""

    realised: Decimal
    unrealised: Decimal
    fees: Decimal

    @property
    def total(self) -> Decimal:
        """Return what was really earned."""
        return self.realised + self.unrealised - self.fees

    def __add__(self, other: "Profit") -> "Profit":
        """Return the sum of two profits of one asset."""
        return Profit(
            self.realised + other.realised,
            self.unrealised + other.unrealised,
            self.fees + other.fees,
        )


NO_PROFIT = Profit(ZERO, ZERO, ZERO)


def profit_of(holding: Holding, *, price: Decimal) -> Profit:
    """Return the profit of a holding at a price."""
    return Profit(
        realised=holding.realised,
        unrealised=holding.quantity * price - holding.cost,
        fees=holding.fees_quote,
    )


@dataclass(frozen=True, slots=True)
class DayTrades:
    """What was traded of one instrument since the day began; fees in quote and in units."""

    buy_quantity: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_quantity: Decimal = ZERO
    sell_value: Decimal = ZERO
    fees_quote: Decimal = ZERO
    fees_base: Decimal = ZERO


def day_profit(
    quantity: Decimal, day: DayTrades, *, price: Decimal, previous_close: Decimal
) -> Decimal:
    """Return what a position earned today: units of yesterday count from yesterday's close."""
    overnight = quantity - day.buy_quantity + day.sell_quantity + day.fees_base
    worth = quantity * price - overnight * previous_close
    return worth + day.sell_value - day.buy_value - day.fees_quote
