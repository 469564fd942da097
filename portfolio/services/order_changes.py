"""Cancelling orders. A cancel never waits for risk and works while killed."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from market.domain.enums import OrderStatus, Variety
from portfolio.domain.order_state import AT_VENUE, IN_FLIGHT, EventKind
from portfolio.exceptions import OrderNotChangeable, OrderNotFound
from portfolio.models import Book, Order, OrderPlan
from portfolio.services.changes import Changes
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedOrder, lock_books, lock_orders
from portfolio.services.placed import PlacedOrder

# Whose order it must be: a person's, or one of a book (given as a row or by its id).
Owner = User | Book | int

_CANCELLABLE = AT_VENUE | IN_FLIGHT | {OrderStatus.READY}


def orders_of(owner: Owner) -> QuerySet[Order]:
    """Return the orders that somebody may touch."""
    if isinstance(owner, User):
        return Order.objects.for_user(owner)
    return Order.objects.filter(book=owner)


def cancel_order(
    owner: Owner, order_id: int, *, now: datetime, enqueue: Callable[[], None]
) -> PlacedOrder:
    """Cancel one order: at once where it was not sent, else by asking the venue.

    Asking again changes nothing. Raises `OrderNotFound`, or `OrderNotChangeable` when it ended.
    """
    with transaction.atomic():
        found = _cancel(orders_of(owner).filter(pk=order_id), now=now, enqueue=enqueue)
        if not found:
            raise OrderNotFound(f"There is no order {order_id}")
        order, was_live = found[0]
        if not was_live:
            raise OrderNotChangeable(f"Order {order_id} is {order.status} already")
    return placed_as(order)


def cancel_slots(
    book_id: int, slot_refs: Iterable[str], *, now: datetime, enqueue: Callable[[], None]
) -> int:
    """Cancel orders of a book by their slot references; return how many were still live."""
    with transaction.atomic():
        chosen = Order.objects.filter(book=book_id, slot_ref__in=list(slot_refs))
        return sum(was_live for _, was_live in _cancel(chosen, now=now, enqueue=enqueue))


def cancel_all(
    owner: Owner,
    *,
    now: datetime,
    enqueue: Callable[[], None],
    instrument_token: int | None = None,
) -> int:
    """Cancel every live order of a user or a book; return how many there were."""
    live = orders_of(owner).filter(status__in=_CANCELLABLE)
    if instrument_token is not None:
        live = live.filter(instrument=instrument_token)
    with transaction.atomic():
        _end_icebergs(live, owner, now=now, instrument_token=instrument_token)
        return sum(was_live for _, was_live in _cancel(live, now=now, enqueue=enqueue))


def _end_icebergs(
    live: QuerySet[Order], owner: Owner, *, now: datetime, instrument_token: int | None
) -> None:
    """See to it that no leg follows those that are cancelled, nor one that has just filled."""
    owned = {"user": owner} if isinstance(owner, User) else {"book": owner}
    plans = OrderPlan.objects.filter(kind=Variety.ICEBERG, status=OrderPlan.Status.ACTIVE, **owned)
    if instrument_token is not None:
        plans = plans.filter(entry__instrument=instrument_token)
    book_ids = set(plans.values_list("book_id", flat=True))
    if not book_ids:
        return
    # All books at once and before any order: what is cancelled next needs the others.
    lock_books(book_ids.union(live.values_list("book_id", flat=True)), now=now)
    plans.filter(book__in=book_ids).update(
        status=OrderPlan.Status.ENDED, message="Cancelled", due_at=None, updated_at=now
    )


def _cancel(
    chosen: QuerySet[Order], *, now: datetime, enqueue: Callable[[], None]
) -> list[tuple[LockedOrder, bool]]:
    """Cancel the chosen orders; return each with whether it was live."""
    ids = list(chosen.values_list("pk", "book_id"))
    books = lock_books({book_id for _, book_id in ids}, now=now)
    orders = lock_orders(order_id for order_id, _ in ids)
    changes = Changes(books, assets={order.hold_asset for order in orders})
    found = [(order, _cancel_one(changes, order, now=now)) for order in orders]
    changes.save(now=now)
    if any(order.cancel_requested_at == now for order in orders):
        transaction.on_commit(enqueue)
    return found


def _cancel_one(changes: Changes, order: LockedOrder, *, now: datetime) -> bool:
    if order.status not in _CANCELLABLE:
        return False
    if order.status is OrderStatus.READY:
        order.status_message = "Cancelled before it was sent"
        detail = {"cumulative": plain(order.filled_quantity), "message": order.status_message}
        changes.record(order, EventKind.CANCELLED, OrderStatus.CANCELLED, at=now, detail=detail)
        changes.set_hold(order, Decimal(0), at=now)
    elif order.cancel_requested_at is None:
        order.cancel_requested_at = now
        to = order.status if order.status in IN_FLIGHT else OrderStatus.CANCEL_PENDING
        changes.record(order, EventKind.CANCEL_ASKED, to, at=now)
    return True


def placed_as(order: LockedOrder) -> PlacedOrder:
    """Return an order as the one who asked for it sees it."""
    return PlacedOrder(
        order_id=order.id,
        client_order_id=order.client_order_id,
        status=order.status,
        code=order.status_code,
        message=order.status_message,
        slot_ref=order.slot_ref,
    )
