"""Open, high, low and turnover of a trading day, and the close before it."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures of one instrument's day so far."""

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    previous_close: Decimal
    traded_value: Decimal = Decimal(0)
    traded_quantity: Decimal = Decimal(0)

    def with_trade(self, price: Decimal, *, quantity: Decimal, day: date) -> "DayFigures":
        """Return the figures after one more trade; a later day starts again from the last."""
        if day > self.day:
            first = first_figures(price, quantity=quantity, day=day)
            return replace(first, previous_close=self.last)
        return replace(
            self,
            high=max(self.high, price),
            low=min(self.low, price),
            last=price,
            traded_value=self.traded_value + price * quantity,
            traded_quantity=self.traded_quantity + quantity,
        )


def first_figures(price: Decimal, *, quantity: Decimal, day: date) -> DayFigures:
    """Return the figures of a day of which only one trade is known."""
    return DayFigures(
        day=day,
        open=price,
        high=price,
        low=price,
        last=price,
        previous_close=price,
        traded_value=price * quantity,
        traded_quantity=quantity,
    )
