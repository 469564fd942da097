"""Reads of orders: what the owner of a book must hear of, and what is open."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from market.domain.enums import TERMINAL_STATUSES, OrderStatus, Side
from portfolio.exceptions import OrderNotFound
from portfolio.models import Book, Order

_ZERO = Decimal(0)
_EVENTS = """
    SELECT e.book_seq, e.kind, o.slot_ref, e.order_id, e.to_status, o.side, o.quantity, o.price,
           e.detail->>'quantity', e.detail->>'price', e.detail->>'cumulative',
           (e.detail->>'complete')::boolean, e.detail->>'fee', e.detail->>'fee_asset',
           e.detail->>'trade', e.detail->>'code', e.detail->>'message', e.at
      FROM portfolio_orderevent e JOIN portfolio_order o ON o.id = e.order_id
     WHERE e.book_id = %s AND e.book_seq > %s ORDER BY e.book_seq LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class BookEvent:
    """Something that happened to an order of a book; `at` is market time.

    For a TRADE `quantity`, `price`, `fee` are the trade's, for the rest the order's;
    `cumulative` counts the units that have traded so far.
    """

    book_seq: int
    kind: str
    slot_ref: str | None
    order_id: int
    status: OrderStatus
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    is_complete: bool
    fee: Decimal
    fee_asset: str
    trade_id: str
    code: str
    message: str
    at: datetime


def book_events_after(book_id: int, seq: int, *, limit: int = 500) -> list[BookEvent]:
    """Return what happened to a book's orders after event number `seq`, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [book_id, seq, limit])
        rows = cursor.fetchall()
    return [
        BookEvent(
            book_seq=row[0],
            kind=row[1],
            slot_ref=row[2],
            order_id=row[3],
            status=OrderStatus(row[4]),
            side=Side(row[5]),
            quantity=_number(row[8], row[6]),
            price=_number(row[9], row[7]),
            cumulative=_number(row[10], _ZERO),
            is_complete=bool(row[11]),
            fee=_number(row[12], _ZERO),
            fee_asset=row[13] or "",
            trade_id=row[14] or "",
            code=row[15] or "",
            message=row[16] or "",
            at=row[17],
        )
        for row in rows
    ]


def _number(text: str | None, otherwise: Decimal | None) -> Decimal:
    """Return the event's own number, else the order's; without trailing zeros."""
    value = Decimal(text) if text is not None else (otherwise or _ZERO)
    return value.normalize() + _ZERO if value else _ZERO


def open_orders_of_book(book_id: int) -> QuerySet[Order]:
    """Return the orders of a book that can still fill, oldest first."""
    live = Order.objects.filter(book=book_id).exclude(status__in=TERMINAL_STATUSES)
    return live.order_by("pk")


def orders_by_slot(book_id: int, slot_refs: list[str]) -> dict[str, Order]:
    """Return the orders of a book by their slot references; unknown ones are left out."""
    found = Order.objects.filter(book=book_id, slot_ref__in=slot_refs)
    return {order.slot_ref: order for order in found if order.slot_ref is not None}


def books_of(user: User) -> QuerySet[Book]:
    """Return the user's books, Manual ones first."""
    return Book.objects.for_user(user).select_related("venue_account").order_by("-kind", "pk")


def book_of(user: User, book_id: int) -> Book:
    """Return one book of the user; raises `OrderNotFound` for anybody else's."""
    found = books_of(user).filter(pk=book_id).first()
    if found is None:
        raise OrderNotFound(f"There is no book {book_id}")
    return found
