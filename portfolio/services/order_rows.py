"""What is asked for with an order, and the row that is made of it."""

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2s
from secrets import token_bytes
from typing import Any

from market.domain.calendars import next_opening
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
from portfolio.domain.drafts import Draft
from portfolio.domain.fees import ZERO
from portfolio.domain.margin import margin_price
from portfolio.domain.validity import expiry_of
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedBook
from portfolio.services.placed import minutes_of

# How the slot references of orders begin that close what is left of an intraday position.
SQUARE_OFF = "square-off:"


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
    # Not sent before this moment; an after-market order waits for the next session by itself.
    send_after: datetime | None = None
    # Ends at this moment of market time, whatever its validity says: the legs of one iceberg.
    expires_at: datetime | None = None
    # It ends a position that must not stay as it is: only switches stop it.
    is_exit: bool = False


def client_order_id(slot_ref: str | None, venue_account_id: int) -> str:
    """Return our id on the wire: a hash of the slot, or 128 random bits (decisions 11)."""
    if slot_ref is None:
        digest = token_bytes(16)
    else:
        digest = blake2s(f"{slot_ref}|{venue_account_id}".encode(), digest_size=16).digest()
    return "fb" + b32encode(digest).decode().rstrip("=").lower()


def told_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first event says of the order; numbers that are not there are left out."""
    numbers = {name: plain(row[name]) for name in _TOLD_NUMBERS if row[name]}
    return {**numbers, **{name: row[name] for name in _TOLD_WORDS if row[name]}}


_TOLD_NUMBERS = (
    *("quantity", "price", "trigger_price", "protection_price"),
    *("disclosed_quantity", "market_protection"),
)
_TOLD_WORDS = ("source", "order_type", "time_in_force", "validity_ttl")

_BLANK: dict[str, Any] = {
    "venue_order_id": "", "pending_change": None, "revision": 0,
    "status": OrderStatus.READY, "status_code": "", "status_message": "",
    "cancel_requested_at": None, "filled_quantity": ZERO, "filled_value": ZERO,
    "hold_remaining": ZERO, "send_attempts": 0, "sent_at": None,
    "send_deadline": None, "sent_fence": None, "unknown_since": None, "triggered_at": None,
}  # fmt: skip


def order_row(
    book: LockedBook,
    request: OrderRequest,
    draft: Draft,
    *,
    order_id: int,
    quote: Quote | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the row of a new order."""
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
        **_as_asked(request),
        "side": draft.side,
        "order_type": draft.order_type,
        "product": draft.product,
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
        "expires_at": _expiry(request, quote, now=now),
        "send_after": _send_after(request, quote, now=now),
        "created_at": now,
        "updated_at": now,
    }


def _as_asked(request: OrderRequest) -> dict[str, Any]:
    """Return what goes into the row as it was asked for."""
    return {
        "slot_ref": request.slot_ref,
        "origin_step": request.origin_step,
        "origin_slot": request.origin_slot,
        "source": request.source,
        "api_app_id": request.api_app_id,
        "tag": request.tag,
        "parent_id": request.parent_id,
        "variety": request.variety,
        "time_in_force": request.time_in_force,
        "validity_ttl": minutes_of(request),
        "disclosed_quantity": request.disclosed_quantity,
        "market_protection": request.market_protection,
        "meta": dict(request.meta),
    }


def _send_after(request: OrderRequest, quote: Quote | None, *, now: datetime) -> datetime | None:
    """Return before when the order must not be sent: an after-market order opens the next session."""
    if request.variety is not Variety.AMO or quote is None:
        return request.send_after
    return next_opening(request.instrument.calendar, quote.source, now)


def begins_at(request: OrderRequest, quote: Quote | None, *, now: datetime) -> datetime | None:
    """Return when the order's life begins in market time: with the session it is sent in."""
    if request.variety is Variety.AMO:
        return _send_after(request, quote, now=now)
    return None if quote is None else quote.exchange_time


def _expiry(request: OrderRequest, quote: Quote | None, *, now: datetime) -> datetime | None:
    """Return the market time at which an order ends (decisions 27)."""
    beginning = begins_at(request, quote, now=now)
    if request.expires_at is not None or quote is None or beginning is None:
        return request.expires_at
    return expiry_of(
        request.time_in_force,
        request.validity_ttl,
        spec=request.instrument,
        source=quote.source,
        begins_at=beginning,
    )
