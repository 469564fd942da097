"""Asking again gives the same order: by slot reference, or by the client's own key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from json import dumps
from typing import Any, Protocol

from django.db import connection

from market.domain.enums import OrderStatus, OrderType, Product, Side, TimeInForce, Variety
from market.domain.instruments import InstrumentSpec
from portfolio.exceptions import IdempotencyConflict
from portfolio.models import Order
from portfolio.services.locking import LockedBook


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order as the one who asked for it sees it."""

    order_id: int
    client_order_id: str
    status: OrderStatus
    code: str
    message: str
    slot_ref: str | None


def placed_order(order: Order) -> PlacedOrder:
    """Return an order as the one who asked for it sees it."""
    return PlacedOrder(
        order_id=order.pk,
        client_order_id=order.client_order_id,
        status=OrderStatus(order.status),
        code=order.status_code,
        message=order.status_message,
        slot_ref=order.slot_ref,
    )


class Wanted(Protocol):
    """What of a request tells one order from another."""

    @property
    def instrument(self) -> InstrumentSpec: ...
    @property
    def side(self) -> Side: ...
    @property
    def order_type(self) -> OrderType: ...
    @property
    def product(self) -> Product: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def time_in_force(self) -> TimeInForce: ...
    @property
    def price(self) -> Decimal | None: ...
    @property
    def trigger_price(self) -> Decimal | None: ...
    @property
    def protection_price(self) -> Decimal | None: ...
    @property
    def variety(self) -> Variety: ...
    @property
    def validity_ttl(self) -> int: ...
    @property
    def disclosed_quantity(self) -> Decimal: ...
    @property
    def market_protection(self) -> Decimal: ...
    @property
    def tag(self) -> str: ...
    @property
    def meta(self) -> Mapping[str, Any]: ...
    @property
    def slot_ref(self) -> str | None: ...
    @property
    def idempotency_key(self) -> str | None: ...


_FIELDS = "id, client_order_id, status, status_code, status_message, slot_ref"
_SHAPE = (
    "instrument_id, side, order_type, product, quantity, time_in_force, price, trigger_price,"
    " variety, validity_ttl, disclosed_quantity, market_protection"
)
_BY_SLOT = (
    f"SELECT {_FIELDS}, {_SHAPE} FROM portfolio_order"  # noqa: S608 - own names
    " WHERE book_id = %s AND slot_ref = ANY(%s)"
)
_BY_KEY = (
    f"SELECT k.request_hash, {_FIELDS.replace('id,', 'o.id,', 1)}"  # noqa: S608 - own names
    " FROM portfolio_idempotencykey k JOIN portfolio_order o ON o.id = k.order_id"
    " WHERE k.user_id = %s AND k.key = %s"
)
_KEEP_KEY = """
    INSERT INTO portfolio_idempotencykey (user_id, key, request_hash, order_id, created_at)
    VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def stored_orders(book: LockedBook, requests: Sequence[Wanted]) -> dict[int, PlacedOrder]:
    """Return the orders that exist already, by the place of their request.

    Raises `IdempotencyConflict` where a reference or key was used with other parameters.
    """
    found = _by_slot(book, requests)
    for index, request in enumerate(requests):
        if request.idempotency_key is not None and index not in found:
            order = _by_key(book, request)
            if order is not None:
                found[index] = order
    return found


def _by_slot(book: LockedBook, requests: Sequence[Wanted]) -> dict[int, PlacedOrder]:
    wanted: dict[str, int] = {}
    for index, request in enumerate(requests):
        if request.slot_ref is None:
            continue
        if request.slot_ref in wanted:
            raise IdempotencyConflict(f"{request.slot_ref} is asked for twice at once")
        wanted[request.slot_ref] = index
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_BY_SLOT, [book.id, list(wanted)])
        rows = cursor.fetchall()
    found: dict[int, PlacedOrder] = {}
    for row in rows:
        index = wanted[row[5]]
        if tuple(row[6:]) != _shape(requests[index]):
            raise IdempotencyConflict(f"{row[5]} was used with other parameters")
        found[index] = _placed(row[:6])
    return found


def minutes_of(request: Wanted) -> int:
    """Return for how many minutes an order is to live: the number counts with TTL only."""
    return request.validity_ttl if request.time_in_force is TimeInForce.TTL else 0


def _shape(request: Wanted) -> tuple[Any, ...]:
    return (*_basic_shape(request), *_extras(request).values())


def _basic_shape(request: Wanted) -> tuple[Any, ...]:
    return (
        request.instrument.instrument_token,
        request.side,
        request.order_type,
        request.product,
        request.quantity,
        request.time_in_force,
        request.price,
        request.trigger_price,
    )


def _extras(request: Wanted) -> dict[str, Any]:
    """Return what orders have had since programs place them."""
    return {
        "variety": request.variety,
        "validity_ttl": minutes_of(request),
        "disclosed_quantity": request.disclosed_quantity,
        "market_protection": request.market_protection,
    }


def _placed(row: Sequence[Any]) -> PlacedOrder:
    order_id, client_order_id, status, code, message, slot_ref = row
    return PlacedOrder(order_id, client_order_id, OrderStatus(status), code, message, slot_ref)


def _by_key(book: LockedBook, request: Wanted) -> PlacedOrder | None:
    with connection.cursor() as cursor:
        cursor.execute(_BY_KEY, [book.user_id, request.idempotency_key])
        row = cursor.fetchone()
    if row is None:
        return None
    if row[0] != request_hash(book, request):
        raise IdempotencyConflict(f"{request.idempotency_key} was used with other parameters")
    return _placed(row[1:])


def request_hash(book: LockedBook, request: Wanted) -> str:
    """Return what tells a request from another, of those with the same key."""
    shape = [_text(value) for value in (*_basic_shape(request), request.protection_price)]
    extras = {**_extras(request), "tag": request.tag}
    # Left out where a plain order has none: keys from before there were any still match.
    shape += [f"{name}={_text(value)}" for name, value in extras.items() if value != _PLAIN[name]]
    if request.meta:
        shape.append(dumps(request.meta, sort_keys=True, default=str))
    return sha256("|".join([str(book.id), *shape]).encode()).hexdigest()


_PLAIN = {
    "variety": Variety.REGULAR,
    "validity_ttl": 0,
    "disclosed_quantity": 0,
    "market_protection": 0,
    "tag": "",
}


def _text(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def remember_key(book: LockedBook, request: Wanted, *, order_id: int, now: datetime) -> None:
    """Keep the client's key with the order; another book may have taken it in between."""
    if request.idempotency_key is None:
        return
    digest = request_hash(book, request)
    values: list[Any] = [book.user_id, request.idempotency_key, digest, order_id, now]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_KEY, values)
        if cursor.rowcount == 0:
            raise IdempotencyConflict(f"{request.idempotency_key} was used with other parameters")
