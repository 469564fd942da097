"""Open, high and low of a trading day, and the close before it."""

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

    def with_price(self, price: Decimal, *, day: date) -> "DayFigures":
        """Return the figures after one more price; a later day starts again from the last."""
        if day > self.day:
            return replace(first_figures(price, day=day), previous_close=self.last)
        return replace(self, high=max(self.high, price), low=min(self.low, price), last=price)


def first_figures(price: Decimal, *, day: date) -> DayFigures:
    """Return the figures of a day of which only one price is known."""
    return DayFigures(day=day, open=price, high=price, low=price, last=price, previous_close=price)
