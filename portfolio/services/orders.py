"""Placing orders: T1 of trust.md 4.3, in one short transaction that the caller opens."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import redis
from django.db import transaction

from market import streams
from market.domain.enums import (
    OrderStatus,
    Product,
    Variety,
)
from market.domain.ticks import Quote
from portfolio.domain.drafts import (
    Draft,
    find_defect,
    protection_of,
    reached_trigger,
    refusal_of,
)
from portfolio.domain.ledger import AccountKind, PostingKind, hold_for, moved
from portfolio.domain.order_state import EventKind
from portfolio.domain.risk import Denial, DenialCode
from portfolio.domain.validity import validity_defect
from portfolio.exceptions import InvalidOrder, NoAuction
from portfolio.models import Book
from portfolio.services.changes import Changes
from portfolio.services.compliance import require_tradable
from portfolio.services.ledger import pots_of
from portfolio.services.locking import LockedBook, Look, lock_for, require_transaction
from portfolio.services.modifications import modify_order
from portfolio.services.order_changes import cancel_all, cancel_order, cancel_slots
from portfolio.services.order_rows import (
    OrderRequest,
    begins_at,
    client_order_id,
    order_row,
    told_of,
)
from portfolio.services.placed import PlacedOrder, remember_key, stored_orders
from portfolio.services.risk import RiskGate, policy_of

__all__ = [
    "OrderRequest",
    "PlacedOrder",
    "cancel_all",
    "cancel_order",
    "cancel_slots",
    "client_order_id",
    "modify_order",
    "place_order",
    "place_orders",
    "wake_gateway",
]

logger = logging.getLogger(__name__)


def wake_gateway() -> None:
    """Hint to the gateway that there is something to send; a lost hint only costs its timer."""
    try:
        streams.connect().publish(streams.GATEWAY_CHANNEL, b"")
    except redis.RedisError:
        logger.warning("gateway not woken", exc_info=True)


def place_order(
    book_id: int,
    request: OrderRequest,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> PlacedOrder:
    """Place one order; see `place_orders`."""
    quotes = {} if quote is None else {quote.instrument_token: quote}
    return place_orders(book_id, [request], quotes=quotes, now=now, enqueue=enqueue)[0]


def place_orders(
    book_id: int,
    requests: Sequence[OrderRequest],
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
    enqueue: Callable[[], None],
) -> list[PlacedOrder]:
    """Place orders of one book, all or none: lock, risk, hold, READY, event.

    Raises `InvalidOrder`, `AccountTakesNoOrders`, `InsufficientFunds`, `InsufficientUnits`,
    `NoAuction` or `IdempotencyConflict` with nothing written. What policy denies is stored as DENIED with its code. `enqueue` is called
    after the commit when there is something to send.
    """
    require_transaction()
    if not requests:
        return []
    pots, policy = _pots_for(requests), policy_of(book_id, orders=len(requests))
    products = [request.product for request in requests]
    books = lock_for(book_id, products, now=now, looks=(pots, policy))
    book = _open_book(books.get(book_id), now=now)
    stored = stored_orders(book, requests)
    fresh = [index for index in range(len(requests)) if index not in stored]
    drafts = {index: _draft(requests[index], quotes=quotes) for index in fresh}
    for index in fresh:
        quote = quotes.get(requests[index].instrument.instrument_token)
        _refuse_defect(drafts[index], book, quote=quote, now=now)
        _refuse_variety(requests[index], quote=quote, now=now)
    if fresh:
        changes = Changes(books, pots=pots, asked_at=now)
        gate = RiskGate(book, policy=policy, now=now)
        stored |= _place(changes, gate, requests, drafts=drafts, quotes=quotes, now=now)
        if any(stored[index].status is OrderStatus.READY for index in fresh):
            transaction.on_commit(enqueue)
    return [stored[index] for index in range(len(requests))]


def deny_order(
    book_id: int, request: OrderRequest, *, reason: str, quote: Quote | None, now: datetime
) -> PlacedOrder:
    """Keep an order as denied that could not be placed for somebody, so that he sees why."""
    require_transaction()
    policy = policy_of(book_id, orders=1)
    books = lock_for(book_id, [request.product], now=now, looks=[policy])
    book, changes = books[book_id], Changes(books)
    quotes = {} if quote is None else {quote.instrument_token: quote}
    draft = _draft(request, quotes=quotes)
    order_id = RiskGate(book, policy=policy, now=now).order_ids[0]
    row = order_row(book, request, draft, order_id=order_id, quote=quote, now=now)
    _write_order(changes, row, draft, denial=Denial(DenialCode.NOT_PLACED, reason))
    changes.save(now=now)
    return _placed(row)


def _open_book(book: LockedBook | None, *, now: datetime) -> LockedBook:
    if book is None or book.closed_at is not None:
        raise InvalidOrder("This book takes no orders", field="book", code="CLOSED")
    require_tradable(book, now=now)
    return book


def _draft(request: OrderRequest, *, quotes: Mapping[int, Quote]) -> Draft:
    draft = Draft(
        instrument=request.instrument,
        side=request.side,
        order_type=request.order_type,
        product=request.product,
        quantity=request.quantity,
        price=request.price,
        trigger_price=request.trigger_price,
        protection_price=None if request.price is not None else request.protection_price,
        disclosed_quantity=request.disclosed_quantity,
        market_protection=request.market_protection,
        waits=request.variety is Variety.AMO,
        is_exit=request.is_exit,
    )
    if draft.worst_price is not None:
        return draft
    quote = quotes.get(request.instrument.instrument_token)
    return replace(draft, protection_price=protection_of(draft, quote))


def _refuse_defect(draft: Draft, book: LockedBook, *, quote: Quote | None, now: datetime) -> None:
    if draft.instrument.quote_asset != book.quote_asset:
        message = f"{draft.instrument.symbol} trades in {draft.instrument.quote_asset}"
        raise InvalidOrder(
            f"{message}, this book in {book.quote_asset}", field="instrument", code="NOT_OFFERED"
        )
    _refuse_product(draft, book)
    defect = find_defect(draft) or reached_trigger(draft, quote, now=now)
    if defect is not None:
        raise refusal_of(defect)


def _refuse_product(draft: Draft, book: LockedBook) -> None:
    """Keep what is squared off each day in its own book, and everything else out of it."""
    is_intraday = book.kind == Book.Kind.INTRADAY
    if (draft.product is Product.MIS) is not is_intraday:
        wanted = "only MIS orders" if is_intraday else "no MIS orders"
        message = f"This book takes {wanted}"
        raise InvalidOrder(message, field="product", code="NOT_OFFERED")


def _pots_for(requests: Iterable[OrderRequest]) -> Look:
    """Return the look at the pots of all assets asked for: a book takes orders in its own only."""
    specs = [request.instrument for request in requests]
    return pots_of(asset for spec in specs for asset in (spec.base_asset, spec.quote_asset))


def _refuse_variety(request: OrderRequest, *, quote: Quote | None, now: datetime) -> None:
    if request.variety is Variety.AUCTION:
        raise NoAuction("There is no auction session to take part in")
    if request.expires_at is not None:
        return
    defect = validity_defect(
        request.time_in_force,
        request.validity_ttl,
        spec=request.instrument,
        source=None if quote is None else quote.source,
        begins_at=begins_at(request, quote, now=now) or now,
    )
    if defect is not None:
        raise refusal_of(defect)


def _place(
    changes: Changes,
    gate: RiskGate,
    requests: Sequence[OrderRequest],
    *,
    drafts: Mapping[int, Draft],
    quotes: Mapping[int, Quote],
    now: datetime,
) -> dict[int, PlacedOrder]:
    book, placed = gate.book, {}
    # There is an id for each request; those of requests that have their order already are left.
    for (index, draft), order_id in zip(drafts.items(), gate.order_ids, strict=False):
        quote = quotes.get(draft.instrument.instrument_token)
        denial = gate.verdict(draft, quote)
        row = order_row(book, requests[index], draft, order_id=order_id, quote=quote, now=now)
        _write_order(changes, row, draft, denial=denial)
        remember_key(book, requests[index], order_id=order_id, now=now)
        placed[index] = _placed(row)
    changes.save(now=now)
    return placed


def _placed(row: Mapping[str, Any]) -> PlacedOrder:
    return PlacedOrder(
        order_id=row["id"],
        client_order_id=row["client_order_id"],
        status=OrderStatus(row["status"]),
        code=row["status_code"],
        message=row["status_message"],
        slot_ref=row["slot_ref"],
    )


def _write_order(
    changes: Changes, row: dict[str, Any], draft: Draft, *, denial: Denial | None
) -> None:
    """Add the row and its event, and hold what it may cost; or add it as denied."""
    told = told_of(row)
    if denial is not None:
        row.update(status=OrderStatus.DENIED, status_code=denial.code)
        row["status_message"] = denial.message[:300]
        changes.insert(
            row,
            kind=EventKind.DENIED,
            detail={**told, "code": denial.code, "message": row["status_message"]},
        )
        return
    hold = hold_for(
        draft.side, draft.quantity, worst_price=draft.worst_price, fee_rate=row["hold_fee_rate"]
    )
    entries = moved(
        row["book_id"], row["hold_asset"], hold, frm=AccountKind.AVAILABLE, to=AccountKind.HELD
    )
    changes.post_hold(f"order:{row['id']}:1", PostingKind.HOLD, entries, at=row["created_at"])
    row["hold_remaining"] = hold
    changes.insert(row, kind=EventKind.CREATED, detail=told)
