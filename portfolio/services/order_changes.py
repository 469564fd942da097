"""Cancelling and changing orders. A cancel never waits for risk and works while killed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from market.domain.enums import OrderStatus, Product
from market.domain.ticks import Quote
from market.models import Instrument
from portfolio.domain.drafts import Defect, Draft, find_defect, reached_trigger
from portfolio.domain.order_state import AT_VENUE, IN_FLIGHT, EventKind
from portfolio.exceptions import InvalidOrder, OrderNotChangeable, OrderNotFound
from portfolio.models import Book, Order
from portfolio.services.changes import Changes
from portfolio.services.compliance import require_tradable
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedOrder, lock_books, lock_orders
from portfolio.services.placed import PlacedOrder

# Whose order it must be: a person's, or one of a book (given as a row or by its id).
Owner = User | Book | int

_CANCELLABLE = AT_VENUE | IN_FLIGHT | {OrderStatus.READY}
_RESTING = frozenset({OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING})


def _orders_of(owner: Owner) -> QuerySet[Order]:
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
        found = _cancel(_orders_of(owner).filter(pk=order_id), now=now, enqueue=enqueue)
        if not found:
            raise OrderNotFound(f"There is no order {order_id}")
        order, was_live = found[0]
        if not was_live:
            raise OrderNotChangeable(f"Order {order_id} is {order.status} already")
    return _placed(order)


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
    live = _orders_of(owner).filter(status__in=_CANCELLABLE)
    if instrument_token is not None:
        live = live.filter(instrument=instrument_token)
    with transaction.atomic():
        return sum(was_live for _, was_live in _cancel(live, now=now, enqueue=enqueue))


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


class OrderChange(TypedDict, total=False):
    """What somebody wants an order to be; what is left out or None stays as it is."""

    quantity: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None


@dataclass(frozen=True, slots=True)
class _Terms:
    """What an order is to be after a change; `quantity` counts what has traded."""

    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None


def modify_order(
    owner: Owner,
    order_id: int,
    *,
    quote: Quote | None = None,
    now: datetime,
    enqueue: Callable[[], None],
    **wanted: Unpack[OrderChange],
) -> PlacedOrder:
    """Change an order: at once where it was not sent, else by asking the venue.

    What the change costs more is held now; with a `quote` a trigger that the market has reached
    is refused. Raises `OrderNotFound`, `OrderNotChangeable`,
    `InvalidOrder` or `InsufficientFunds`.
    """
    with transaction.atomic():
        row = _orders_of(owner).filter(pk=order_id).values_list("book_id", flat=True).first()
        if row is None:
            raise OrderNotFound(f"There is no order {order_id}")
        books = lock_books([row], now=now)
        require_tradable(books[row], now=now)
        order = lock_orders([order_id])[0]
        terms = _wanted(order, wanted)
        _refuse_change(order, terms, quote=quote, now=now)
        changes = Changes(books, assets={order.hold_asset})
        _modify(changes, order, terms, now=now)
        changes.save(now=now)
        if order.status is OrderStatus.MODIFY_PENDING:
            transaction.on_commit(enqueue)
    return _placed(order)


def _wanted(order: LockedOrder, change: OrderChange) -> _Terms:
    """Return the terms after the change, and refuse what the order type does not have."""
    asked: Mapping[str, Any] = change
    for field, old in (("price", order.price), ("trigger_price", order.trigger_price)):
        if old is None and asked.get(field) is not None:
            message = f"A {order.order_type} order has no {field.replace('_', ' ')}"
            raise InvalidOrder(message, field=field, code="NOT_ALLOWED")
    quantity, price, trigger = (asked.get(name) for name in ("quantity", "price", "trigger_price"))
    return _Terms(
        quantity=order.quantity if quantity is None else quantity,
        price=order.price if price is None else price,
        trigger_price=order.trigger_price if trigger is None else trigger,
    )


def _refuse_change(
    order: LockedOrder, wanted: _Terms, *, quote: Quote | None, now: datetime
) -> None:
    if order.status not in _RESTING | {OrderStatus.READY}:
        raise OrderNotChangeable(f"Order {order.id} is {order.status} and cannot be changed now")
    draft = Draft(
        instrument=Instrument.objects.get(pk=order.instrument_id).spec,
        side=order.side,
        order_type=order.order_type,
        product=Product.CNC,
        quantity=wanted.quantity,
        price=wanted.price,
        trigger_price=wanted.trigger_price,
        protection_price=None if wanted.price is not None else order.protection_price,
    )
    defect = find_defect(draft)
    if defect is None and wanted.trigger_price != order.trigger_price:
        defect = reached_trigger(draft, quote, now=now)
    if defect is not None:
        raise refusal_of(defect)
    if wanted.quantity <= order.filled_quantity:
        message = f"Quantity must be above the {plain(order.filled_quantity)} that have traded"
        raise InvalidOrder(
            message, field="quantity", code="BELOW_MIN", minimum=order.filled_quantity
        )


def refusal_of(defect: Defect) -> InvalidOrder:
    """Return what a caller gets for a request that is wrong in itself."""
    return InvalidOrder(
        defect.message,
        field=defect.field,
        code=defect.code,
        minimum=defect.minimum,
        maximum=defect.maximum,
    )


def _modify(changes: Changes, order: LockedOrder, wanted: _Terms, *, now: datetime) -> None:
    values = {
        "quantity": _text(wanted.quantity),
        "price": _text(wanted.price),
        "trigger_price": _text(wanted.trigger_price),
    }
    hold = order.hold_of(wanted.quantity, wanted.price)
    if order.status is OrderStatus.READY:
        order.quantity, order.price = wanted.quantity, wanted.price
        order.trigger_price = wanted.trigger_price
        changes.record(order, EventKind.MODIFIED, order.status, at=now, detail=values)
        changes.set_hold(order, hold, at=now)
        return
    order.pending_change = values
    order.revision += 1
    changes.record(order, EventKind.MODIFY_ASKED, OrderStatus.MODIFY_PENDING, at=now, detail=values)
    # Until the venue answers either version may trade: the dearer one stays held.
    changes.set_hold(order, max(hold, order.hold_remaining), at=now)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _placed(order: LockedOrder) -> PlacedOrder:
    return PlacedOrder(
        order_id=order.id,
        client_order_id=order.client_order_id,
        status=order.status,
        code=order.status_code,
        message=order.status_message,
        slot_ref=order.slot_ref,
    )
