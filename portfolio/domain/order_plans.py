"""What is asked for with orders that consist of several, and what a plan does next. No clock."""

from dataclasses import dataclass
from decimal import Decimal

LEAST_LEGS, MOST_LEGS = 2, 50
# A slice is at most the freeze quantity; so many of them at once, as at Kite.
MOST_SLICES = 10
# A plan gives up after so many orders: an exit that the market never takes must not go on.
MOST_STOPS = 20


@dataclass(frozen=True, slots=True)
class CoverTerms:
    """A cover order: the trigger of the stop that is placed for what the first order fills."""

    trigger_price: Decimal


@dataclass(frozen=True, slots=True)
class IcebergTerms:
    """An iceberg: its whole quantity in so many legs, each of `leg_quantity`, the last the rest."""

    legs: int
    leg_quantity: Decimal


@dataclass(frozen=True, slots=True)
class AuctionTerms:
    """Which auction an order is for."""

    auction_number: str


Terms = CoverTerms | IcebergTerms | AuctionTerms
