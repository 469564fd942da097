"""Orders that nobody waits for: what was asked for long ago is tried, and what came of it kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from market.domain.enums import OrderStatus
from market.domain.ticks import Quote
from portfolio.exceptions import InsufficientFunds, InvalidOrder
from portfolio.services.orders import OrderRequest, place_order

# An order that could not even be tried for so long is not wanted any more by then.
LATEST = timedelta(hours=1)
TOO_LATE = "The order could not be placed within an hour."


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of trying: the order, unless nothing was stored, and why it failed, if it did."""

    order_id: int | None
    reason: str = ""


def attempt_order(
    book_id: int,
    request: OrderRequest,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> Attempt:
    """Place an order in the open transaction; a refusal undoes the order and nothing else."""
    try:
        with transaction.atomic():
            placed = place_order(book_id, request, quote=quote, now=now, enqueue=enqueue)
    except (InvalidOrder, InsufficientFunds) as error:
        return Attempt(None, str(error)[:300])
    is_denied = placed.status is OrderStatus.DENIED
    return Attempt(placed.order_id, placed.message if is_denied else "")
