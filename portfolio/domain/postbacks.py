"""What apps are told of their orders, and when it is told again where nobody has listened."""

from datetime import timedelta

from market.domain.enums import OrderStatus
from portfolio.domain.order_state import EventKind, kite_status

UPDATE = "UPDATE"
# After these times it is tried again, after the last of them over and over.
PAUSES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
# What could not be told within this time is given up.
GIVEN_UP_AFTER = timedelta(hours=24)
_ENDS = frozenset({"COMPLETE", "CANCELLED", "REJECTED"})
_TOLD = frozenset(
    {
        EventKind.DENIED,
        EventKind.REJECTED,
        EventKind.NOT_AT_VENUE,
        # Taken back: the order lives after all.
        EventKind.ADOPTED,
        EventKind.TRADE,
        EventKind.MODIFIED,
        EventKind.CANCELLED,
        EventKind.EXPIRED,
    }
)


def told_as(kind: EventKind, to_status: OrderStatus) -> str | None:
    """Return what an app is told of an event (kite-api.md 1.9); None: nothing."""
    if kind not in _TOLD:
        return None
    status = kite_status(to_status)
    return status if status in _ENDS else UPDATE


def pause_after(failures: int) -> timedelta:
    """Return how long to wait after this many failures in a row."""
    return PAUSES[min(failures, len(PAUSES)) - 1]
