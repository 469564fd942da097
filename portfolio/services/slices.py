"""Autoslice: an order above the freeze quantity becomes several, each placed by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from market.domain.ticks import Quote
from portfolio.domain.drafts import Defect, refusal_of
from portfolio.domain.order_plans import slice_quantities
from portfolio.exceptions import (
    AccountTakesNoOrders,
    IdempotencyConflict,
    InsufficientFunds,
    InsufficientUnits,
    InvalidOrder,
    PortfolioError,
)
from portfolio.models import IdempotencyKey, Order
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedBook, lock_for, require_transaction
from portfolio.services.orders import OrderRequest, PlacedOrder, place_order
from portfolio.services.placed import placed_order, request_hash

SliceResult = PlacedOrder | PortfolioError
_NUMBERS = ("minimum", "maximum", "needed", "available")
_WORDS = ("field", "code", "asset")


def place_slices(
    book_id: int,
    request: OrderRequest,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> list[SliceResult]:
    """Place an order, cut into equal slices where it is above the freeze quantity.

    The first is the parent: what it raises is raised, with nothing written. Each of the others
    carries it as parent and the tags `autoslice` and `autoslice:<parent id>` in `meta["tags"]`,
    and may fail by itself: its error stands in its place. The same key gives the same list.
    """
    require_transaction()
    quantities = slice_quantities(request.quantity, spec=request.instrument)
    if isinstance(quantities, Defect):
        raise refusal_of(quantities)
    if len(quantities) == 1:
        return [place_order(book_id, request, quote=quote, now=now, enqueue=enqueue)]
    book = lock_for(book_id, [request.product], now=now).get(book_id)
    kept = None if book is None else _kept(book, request)
    if kept is not None:
        return kept
    results = _place_all(book_id, request, quantities, quote=quote, now=now, enqueue=enqueue)
    if book is not None and request.idempotency_key is not None:
        _keep(book, request, results, now=now)
    return results


def _place_all(
    book_id: int,
    request: OrderRequest,
    quantities: Sequence[Decimal],
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> list[SliceResult]:
    first = _slice(request, quantities[0])
    parent = place_order(book_id, first, quote=quote, now=now, enqueue=enqueue)
    results: list[SliceResult] = [parent]
    for quantity in quantities[1:]:
        child = _slice(request, quantity, parent_id=parent.order_id)
        try:
            with transaction.atomic():
                results.append(place_order(book_id, child, quote=quote, now=now, enqueue=enqueue))
        except (InvalidOrder, InsufficientFunds) as error:
            results.append(error)
    return results


def _slice(
    request: OrderRequest, quantity: Decimal, *, parent_id: int | None = None
) -> OrderRequest:
    """Return a slice; whole words of the request's own stay with the first."""
    meta = dict(request.meta)
    if parent_id is not None:
        meta.pop("client_order_id", None)
        meta["tags"] = ["autoslice", f"autoslice:{parent_id}"]
    return replace(
        request,
        quantity=quantity,
        disclosed_quantity=min(request.disclosed_quantity, quantity),
        parent_id=parent_id,
        meta=meta,
        idempotency_key=None,
    )


# ------------------------------------------------------------------ the same key again


def _digest(book: LockedBook, request: OrderRequest) -> str:
    return request_hash(book, replace(request, meta={**request.meta, "autoslice": True}))


def _kept(book: LockedBook, request: OrderRequest) -> list[SliceResult] | None:
    """Return what the key gave before; raise `IdempotencyConflict` if that was something else."""
    if request.idempotency_key is None:
        return None
    keys = IdempotencyKey.objects.filter(user=book.user_id, key=request.idempotency_key)
    row = keys.first()
    if row is None:
        return None
    if row.request_hash != _digest(book, request) or row.answer is None:
        raise IdempotencyConflict(f"{request.idempotency_key} was used with other parameters")
    orders = Order.objects.in_bulk([each["order"] for each in row.answer if "order" in each])
    return [
        placed_order(orders[each["order"]]) if "order" in each else _error_of(each)
        for each in row.answer
    ]


def _keep(
    book: LockedBook, request: OrderRequest, results: Sequence[SliceResult], *, now: datetime
) -> None:
    parent = results[0]
    assert isinstance(parent, PlacedOrder)  # noqa: S101 - what the first raises is raised
    answer = [
        {"order": each.order_id} if isinstance(each, PlacedOrder) else _told(each)
        for each in results
    ]
    _, is_new = IdempotencyKey.objects.get_or_create(
        user_id=book.user_id,
        key=request.idempotency_key,
        defaults={
            "request_hash": _digest(book, request),
            "order_id": parent.order_id,
            "answer": answer,
            "created_at": now,
        },
    )
    if not is_new:
        # Another book's order took the key in between.
        raise IdempotencyConflict(f"{request.idempotency_key} was used with other parameters")


_CLASSES: Mapping[str, type[PortfolioError]] = {
    each.__name__: each for each in (InvalidOrder, InsufficientFunds, InsufficientUnits)
}


def _told(error: PortfolioError) -> dict[str, Any]:
    numbers = {name: getattr(error, name, None) for name in _NUMBERS}
    words = {name: getattr(error, name, None) for name in _WORDS}
    told = {name: plain(value) for name, value in numbers.items() if value is not None}
    return {
        "error": type(error).__name__,
        "message": str(error),
        **told,
        **{name: value for name, value in words.items() if value is not None},
    }


def _error_of(told: Mapping[str, Any]) -> PortfolioError:
    values = {name: Decimal(told[name]) for name in _NUMBERS if name in told}
    values |= {name: told[name] for name in _WORDS if name in told}
    if told["error"] == AccountTakesNoOrders.__name__:
        return AccountTakesNoOrders(told["message"])
    return _CLASSES[told["error"]](told["message"], **values)
