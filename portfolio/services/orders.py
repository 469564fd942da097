"""Placing orders: T1 of trust.md 4.3, in one short transaction that the caller opens."""

import logging
from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2s
from secrets import token_bytes
from typing import Any

import redis
from django.db import transaction

from market import streams
from market.domain.calendars import day_expiry
from market.domain.enums import (
    FillModel,
    OrderStatus,
    OrderType,
    Product,
    Side,
    TimeInForce,
    Variety,
)
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from portfolio.domain.account_fees import Deal
from portfolio.domain.drafts import (
    Draft,
    find_defect,
    protection_of,
    reached_trigger,
    refusal_of,
)
from portfolio.domain.fees import ZERO
from portfolio.domain.ledger import AccountKind, PostingKind, hold_for, moved
from portfolio.domain.margin import margin_price
from portfolio.domain.order_state import EventKind
from portfolio.domain.risk import Denial
from portfolio.exceptions import InvalidOrder
from portfolio.models import Book
from portfolio.services.changes import Changes
from portfolio.services.compliance import require_tradable
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedBook, lock_for, require_transaction
from portfolio.services.modifications import modify_order
from portfolio.services.order_changes import cancel_all, cancel_order, cancel_slots
from portfolio.services.placed import PlacedOrder, remember_key, stored_orders
from portfolio.services.risk import RiskGate

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


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What somebody wants ordered. Prices in quote asset, quantity in units.

    `slot_ref`, `origin_step` and `origin_slot` belong to the owner of the book; the same
    `slot_ref` or `idempotency_key` again gives the same order.
    """

    instrument: InstrumentSpec
    side: Side
    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    protection_price: Decimal | None = None
    product: Product = Product.CNC
    source: str = "CONSOLE"
    slot_ref: str | None = None
    origin_step: int | None = None
    origin_slot: str | None = None
    idempotency_key: str | None = None
    variety: Variety = Variety.REGULAR
    validity_ttl: int = 0
    disclosed_quantity: Decimal = ZERO
    market_protection: Decimal = ZERO
    api_app_id: int | None = None
    tag: str = ""
    parent_id: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    # Not sent before this moment; an after-market order waits for the next session.
    send_after: datetime | None = None


def wake_gateway() -> None:
    """Hint to the gateway that there is something to send; a lost hint only costs its timer."""
    try:
        streams.connect().publish(streams.GATEWAY_CHANNEL, b"")
    except redis.RedisError:
        logger.warning("gateway not woken", exc_info=True)


def client_order_id(slot_ref: str | None, venue_account_id: int) -> str:
    """Return our id on the wire: a hash of the slot, or 128 random bits (decisions 11)."""
    if slot_ref is None:
        digest = token_bytes(16)
    else:
        digest = blake2s(f"{slot_ref}|{venue_account_id}".encode(), digest_size=16).digest()
    return "fb" + b32encode(digest).decode().rstrip("=").lower()


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

    Raises `InvalidOrder`, `AccountTakesNoOrders`, `InsufficientFunds`, `InsufficientUnits` or
    `IdempotencyConflict` with nothing written. What policy denies is stored as DENIED with its code. `enqueue` is called
    after the commit when there is something to send.
    """
    require_transaction()
    if not requests:
        return []
    books = lock_for(book_id, (request.product for request in requests), now=now)
    book = _open_book(books.get(book_id), now=now)
    stored = stored_orders(book, requests)
    fresh = [index for index in range(len(requests)) if index not in stored]
    drafts = {index: _draft(requests[index], quotes=quotes) for index in fresh}
    for index in fresh:
        quote = quotes.get(requests[index].instrument.instrument_token)
        _refuse_defect(drafts[index], book, quote=quote, now=now)
    if fresh:
        changes = Changes(books, assets=_assets_of(book, drafts.values()), asked_at=now)
        stored |= _place(changes, book, requests, drafts=drafts, quotes=quotes, now=now)
        if any(stored[index].status is OrderStatus.READY for index in fresh):
            transaction.on_commit(enqueue)
    return [stored[index] for index in range(len(requests))]


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
    )
    if draft.worst_price is not None:
        return draft
    quote = quotes.get(request.instrument.instrument_token)
    return Draft(
        instrument=draft.instrument,
        side=draft.side,
        order_type=draft.order_type,
        product=draft.product,
        quantity=draft.quantity,
        price=None,
        trigger_price=draft.trigger_price,
        protection_price=protection_of(draft, quote),
    )


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


def _assets_of(book: LockedBook, drafts: Iterable[Draft]) -> set[str]:
    return {draft.instrument.base_asset for draft in drafts} | {book.quote_asset}


def _place(
    changes: Changes,
    book: LockedBook,
    requests: Sequence[OrderRequest],
    *,
    drafts: Mapping[int, Draft],
    quotes: Mapping[int, Quote],
    now: datetime,
) -> dict[int, PlacedOrder]:
    gate = RiskGate(book, count=len(drafts), now=now)
    placed: dict[int, PlacedOrder] = {}
    for (index, draft), order_id in zip(drafts.items(), gate.order_ids, strict=True):
        quote = quotes.get(draft.instrument.instrument_token)
        denial = gate.verdict(draft, quote)
        row = _order_row(book, requests[index], draft, order_id=order_id, quote=quote, now=now)
        _write_order(changes, row, draft, denial=denial)
        remember_key(book, requests[index], order_id=order_id, now=now)
        placed[index] = PlacedOrder(
            order_id=order_id,
            client_order_id=row["client_order_id"],
            status=OrderStatus(row["status"]),
            code=row["status_code"],
            message=row["status_message"],
            slot_ref=row["slot_ref"],
        )
    changes.save(now=now)
    return placed


def _write_order(
    changes: Changes, row: dict[str, Any], draft: Draft, *, denial: Denial | None
) -> None:
    """Add the row and its event, and hold what it may cost; or add it as denied."""
    told = _told(row)
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


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first event says of the order."""
    prices = {
        name: plain(row[name])
        for name in ("price", "trigger_price", "protection_price")
        if row[name] is not None
    }
    return {"quantity": plain(row["quantity"]), "source": row["source"], **prices}


_BLANK: dict[str, Any] = {
    "venue_order_id": "", "pending_change": None, "revision": 0,
    "status": OrderStatus.READY, "status_code": "", "status_message": "",
    "cancel_requested_at": None, "filled_quantity": ZERO, "filled_value": ZERO,
    "hold_remaining": ZERO, "send_attempts": 0, "sent_at": None,
    "send_deadline": None, "sent_fence": None, "unknown_since": None, "triggered_at": None,
}  # fmt: skip


def _order_row(
    book: LockedBook,
    request: OrderRequest,
    draft: Draft,
    *,
    order_id: int,
    quote: Quote | None,
    now: datetime,
) -> dict[str, Any]:
    spec = draft.instrument
    buys = draft.side is Side.BUY
    source_model = FillModel.LAST_TRADE if quote is None else quote.fill_model
    market_time = None if quote is None else quote.exchange_time
    deal = Deal(draft.side, spec.exchange, draft.product, market_time or now)
    return {
        **_BLANK,
        "id": order_id,
        "user_id": book.user_id,
        "venue_account_id": book.venue_account_id,
        "book_id": book.id,
        "instrument_id": spec.instrument_token,
        "client_order_id": client_order_id(request.slot_ref, book.venue_account_id),
        "slot_ref": request.slot_ref,
        "origin_step": request.origin_step,
        "origin_slot": request.origin_slot,
        "source": request.source,
        "api_app_id": request.api_app_id,
        "tag": request.tag,
        "parent_id": request.parent_id,
        "variety": request.variety,
        "validity_ttl": request.validity_ttl,
        "disclosed_quantity": request.disclosed_quantity,
        "market_protection": request.market_protection,
        "meta": dict(request.meta),
        "side": draft.side,
        "order_type": draft.order_type,
        "product": draft.product,
        "time_in_force": request.time_in_force,
        "quantity": draft.quantity,
        "price": draft.price,
        "trigger_price": draft.trigger_price,
        "protection_price": draft.protection_price,
        "fill_model": book.fill_model or source_model,
        "price_run": "" if quote is None else quote.price_run,
        "hold_asset": spec.quote_asset if buys else spec.base_asset,
        "hold_fee_rate": book.fees.hold_rate(deal),
        "margin_price": margin_price(draft, quote) if draft.product is Product.MIS else None,
        "market_time": market_time,
        "expires_at": _expiry(request, quote),
        "send_after": request.send_after,
        "created_at": now,
        "updated_at": now,
    }


def _expiry(request: OrderRequest, quote: Quote | None) -> datetime | None:
    """Return the market time at which a DAY order ends (decisions 27)."""
    if request.time_in_force is not TimeInForce.DAY or quote is None:
        return None
    return day_expiry(request.instrument.calendar, quote.source, quote.exchange_time)
