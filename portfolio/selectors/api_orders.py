"""What programs read of orders and trades: those of the day, and the life of one."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import User
from market.domain.calendars import day_start
from market.domain.enums import TERMINAL_STATUSES
from market.models import Instrument
from portfolio.exceptions import OrderNotFound
from portfolio.models import Book, Order, OrderEvent, Position, Trade

# An order belongs to the day when it was made or changed since it began, or can still fill.
_OF_DAY = """
    SELECT id FROM portfolio_order WHERE user_id = %s AND updated_at >= %s
     UNION
    SELECT o.id FROM portfolio_order o JOIN portfolio_book b ON b.id = o.book_id
     WHERE b.user_id = %s AND o.status <> ALL(%s)
"""
_STEPS = """
    SELECT order_id, kind, from_status, at FROM portfolio_orderevent
     WHERE order_id = ANY(%s) ORDER BY order_id, sequence
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of an order without what it said: what happened, in which state, when."""

    kind: str
    from_status: str
    at: datetime


def orders_of_day(user: User, *, now: datetime) -> list[Order]:
    """Return the user's orders of the day with their instruments, oldest first."""
    values = (user.pk, day_start(now), user.pk, sorted(TERMINAL_STATUSES))
    rows = Order.objects.filter(pk__in=RawSQL(_OF_DAY, values)).select_related("instrument")  # noqa: S611 - our own text
    return _owned(rows.order_by("pk"), user)


def orders_of_book(
    user: User, book_id: int | None, *, limit: int, before: int | None = None
) -> list[Order]:
    """Return the newest orders of a book, newest first; `before` is the id to go on from."""
    rows = Order.objects.for_user(user).filter(book=book_id, book__isnull=False)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return _owned(rows.select_related("instrument").order_by("-pk")[:limit], user)


def steps_of(order_ids: Iterable[int]) -> dict[int, list[Step]]:
    """Return what happened to each order, first to last."""
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, [list(order_ids)])
        rows = cursor.fetchall()
    steps: dict[int, list[Step]] = defaultdict(list)
    for order_id, kind, from_status, at in rows:
        steps[order_id].append(Step(kind, from_status, at))
    return steps


def order_of_program(user: User, order_id: str) -> Order:
    """Return one order of the user by the id that programs have. Raises `OrderNotFound`."""
    found: list[Order] = []
    if order_id.isascii() and order_id.isdigit() and len(order_id) <= 18:
        rows = Order.objects.for_user(user).filter(pk=int(order_id))
        found = _owned(rows.select_related("instrument", "venue_account"), user)
    if not found:
        raise OrderNotFound(f"There is no order {order_id}.")
    return found[0]


def life_of(order: Order) -> list[OrderEvent]:
    """Return every step of an order's life with what it said, first to last."""
    return list(order.events.order_by("sequence"))


def trades_of_day(user: User, *, now: datetime) -> QuerySet[Trade]:
    """Return the user's trades recorded since the day began, oldest first."""
    rows = Trade.objects.for_user(user).filter(recorded_at__gte=day_start(now))
    return rows.select_related("instrument", "order").order_by("pk")


def trades_of_order(order: Order) -> QuerySet[Trade]:
    """Return the trades of an order, oldest first."""
    return order.trades.select_related("instrument", "order").order_by("pk")


def units_elsewhere(user: User, instrument: Instrument, book: Book) -> list[tuple[int, Decimal]]:
    """Return which other books of the account own units of an instrument, and how many."""
    rows = Position.objects.for_user(user).filter(
        instrument=instrument, book__venue_account=book.venue_account_id, quantity__gt=0
    )
    return list(rows.exclude(book=book).order_by("book_id").values_list("book_id", "quantity"))


def _owned(rows: QuerySet[Order], user: User) -> list[Order]:
    """Read orders of one user, who needs no query of his own."""
    orders = list(rows)
    for order in orders:
        order.user = user
    return orders
