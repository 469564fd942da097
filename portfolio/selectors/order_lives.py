"""Orders with everything that happened to them, for whoever tells of it as it happens."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from portfolio.models import Order, OrderEvent


@dataclass(frozen=True, slots=True)
class Life:
    """An order and its events, first to last."""

    order: Order
    events: list[OrderEvent]


def lives_of(order_ids: Iterable[int]) -> dict[int, Life]:
    """Return orders with user and instrument, and their lives, in two queries."""
    orders = Order.objects.filter(pk__in=set(order_ids)).select_related("user", "instrument")
    found = {order.pk: order for order in orders}
    events: dict[int, list[OrderEvent]] = defaultdict(list)
    for event in OrderEvent.objects.filter(order__in=found).order_by("order_id", "sequence"):
        events[event.order_id].append(event)
    return {order_id: Life(order, events[order_id]) for order_id, order in found.items()}
