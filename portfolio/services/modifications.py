"""Changing orders: at once where they were not sent, else by asking the venue."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import transaction

from market.domain.enums import OrderStatus, OrderType, TimeInForce, Variety
from market.domain.instruments import InstrumentSpec
from market.domain.messages import OrderTerms
from market.domain.ticks import Quote
from market.models import Instrument
from portfolio.domain.changed_terms import asks_for_less, changed_texts
from portfolio.domain.drafts import (
    Draft,
    find_defect,
    protection_of,
    reached_trigger,
    refusal_of,
)
from portfolio.domain.margin import margin_price
from portfolio.domain.order_state import EventKind
from portfolio.domain.validity import expiry_of
from portfolio.exceptions import (
    ChangeDenied,
    InvalidOrder,
    OrderNotChangeable,
    OrderNotFound,
)
from portfolio.models import Book
from portfolio.services.changes import Changes
from portfolio.services.compliance import require_tradable
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedBook, LockedOrder, lock_for, lock_orders
from portfolio.services.order_changes import Owner, orders_of, placed_as
from portfolio.services.order_rows import SQUARE_OFF
from portfolio.services.placed import PlacedOrder
from portfolio.services.risk import RiskGate

# As at Kite; a READY order counts its changes too.
MOST_CHANGES = 25
_RESTING = frozenset({OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING})
_VALIDITIES = frozenset({TimeInForce.DAY, TimeInForce.IOC})
# What the owner of an order of a plan may change; the plan itself sees to the rest.
_OWN_FIELDS: Mapping[Variety, frozenset[str]] = {
    Variety.ICEBERG: frozenset({"price"}),
    Variety.CO: frozenset({"price", "trigger_price"}),
}


class OrderChange(TypedDict, total=False):
    """What somebody wants an order to be; what is left out or None stays as it is."""

    quantity: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    disclosed_quantity: Decimal | None
    market_protection: Decimal | None


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

    A limit may become a market order and back, a stop as well while its trigger is not met; that
    needs a `quote`, and with one a trigger that the market has reached is refused. What the
    change costs more is held now. An order is changed 25 times at most. Raises `OrderNotFound`,
    `OrderNotChangeable`, `InvalidOrder` or `InsufficientFunds`.
    """
    asked = {name: value for name, value in wanted.items() if value is not None}

    def check(order: LockedOrder) -> None:
        if order.revision >= MOST_CHANGES:
            raise OrderNotChangeable(
                f"Order {order.id} was changed {MOST_CHANGES} times: that is the most there is"
            )
        if order.slot_ref is not None and order.slot_ref.startswith(SQUARE_OFF):
            raise OrderNotChangeable(f"Order {order.id} squares a position off: it stays as it is")
        _refuse_foreign_fields(order, asked)
        _refuse_old_price(order, asked, quote=quote, now=now)

    return change_order(
        owner, order_id, asked=asked, quote=quote, now=now, enqueue=enqueue, check=check
    )


def _refuse_foreign_fields(order: LockedOrder, asked: Mapping[str, Any]) -> None:
    """Refuse what the plan of an iceberg or a cover order decides; its own value may be repeated."""
    allowed = _OWN_FIELDS.get(order.variety)
    for name, value in asked.items():
        if allowed is not None and name not in allowed and value != getattr(order, name):
            words = " and ".join(sorted(each.replace("_", " ") for each in allowed))
            message = f"Of an order of variety {order.variety} only the {words} can be changed"
            raise InvalidOrder(message, field=name, code="NOT_ALLOWED")


def change_order(
    owner: Owner,
    order_id: int,
    *,
    asked: Mapping[str, Any],
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
    check: Callable[[LockedOrder], None] | None = None,
) -> PlacedOrder:
    """Change an order for whoever may; `check` looks at it first. See `modify_order`."""
    with transaction.atomic():
        found = orders_of(owner).filter(pk=order_id).values_list("book_id", "product").first()
        if found is None:
            raise OrderNotFound(f"There is no order {order_id}")
        book_id, product = found
        books = lock_for(book_id, [product], now=now)
        require_tradable(books[book_id], now=now)
        order = lock_orders([order_id])[0]
        _refuse_state(order)
        if check is not None:
            check(order)
        spec = Instrument.objects.get(pk=order.instrument_id).spec
        terms = _wanted_terms(order, asked, spec=spec, quote=quote)
        terms = _settled_terms(order, terms, spec=spec, quote=quote, now=now)
        _refuse_denied(books[book_id], order, terms, spec=spec, quote=quote, now=now)
        if books[book_id].kind != Book.Kind.INTRADAY:
            terms = replace(terms, margin_price=order.margin_price)
        changes = Changes(books, assets={order.hold_asset}, asked_at=now)
        _modify(changes, order, terms, now=now)
        changes.save(now=now)
        if order.status is OrderStatus.MODIFY_PENDING:
            transaction.on_commit(enqueue)
    return placed_as(order)


def _refuse_state(order: LockedOrder) -> None:
    if order.status not in _RESTING | {OrderStatus.READY}:
        raise OrderNotChangeable(f"Order {order.id} is {order.status} and cannot be changed now")


# ------------------------------------------------------------------ the terms asked for


def _wanted_terms(
    order: LockedOrder,
    asked: Mapping[str, Any],
    *,
    spec: InstrumentSpec,
    quote: Quote | None,
) -> OrderTerms:
    """Return the terms asked for; their worst price is settled later."""
    order_type = _wanted_type(order, asked)
    time_in_force = asked.get("time_in_force", order.time_in_force)
    for name, has_it in (("price", order_type.has_price), ("trigger_price", order_type.is_stop)):
        if asked.get(name) is not None and not has_it:
            message = f"A {order_type} order has no {name.replace('_', ' ')}"
            raise InvalidOrder(message, field=name, code="NOT_ALLOWED")
    return replace(
        order.terms,
        quantity=asked.get("quantity", order.quantity),
        price=asked.get("price", order.price) if order_type.has_price else None,
        trigger_price=(
            asked.get("trigger_price", order.trigger_price) if order_type.is_stop else None
        ),
        order_type=order_type,
        time_in_force=time_in_force,
        expires_at=_wanted_end(order, time_in_force, spec=spec, quote=quote),
        disclosed_quantity=asked.get("disclosed_quantity", order.disclosed_quantity),
        market_protection=asked.get("market_protection", order.market_protection),
    )


def _wanted_type(order: LockedOrder, asked: Mapping[str, Any]) -> OrderType:
    """Return the type asked for; refuse one that the order cannot become any more."""
    order_type: OrderType = asked.get("order_type", order.order_type)
    if order_type is order.order_type:
        return order_type
    if order_type.is_stop and order.order_type.is_stop and order.triggered_at is not None:
        raise OrderNotChangeable(
            f"Order {order.id} has met its trigger: it can only become LIMIT or MARKET"
        )
    return order_type


def _refuse_old_price(
    order: LockedOrder, asked: Mapping[str, Any], *, quote: Quote | None, now: datetime
) -> None:
    """Refuse to make it a market order without a price to send one on; a waiting one is not sent."""
    waits = order.status is OrderStatus.READY and order.variety is Variety.AMO
    becomes = asked.get("order_type", order.order_type)
    if becomes is not OrderType.MARKET or order.order_type is OrderType.MARKET or waits:
        return
    spec = Instrument.objects.get(pk=order.instrument_id).spec
    if quote is None or not quote.is_fresh(now=now, limit=spec.freshness_limit):
        age = "" if quote is None else f" younger than {int(quote.age(now).total_seconds())} s"
        raise OrderNotChangeable(f"There is no price of {spec.symbol}{age} to trade at")


def _wanted_end(
    order: LockedOrder, time_in_force: TimeInForce, *, spec: InstrumentSpec, quote: Quote | None
) -> datetime | None:
    """Return when the order ends, in market time; refuse a validity that cannot be changed to."""
    if time_in_force is order.time_in_force:
        return order.expires_at
    if time_in_force not in _VALIDITIES:
        message = f"Validity can be changed to DAY or IOC, not to {time_in_force}"
        raise InvalidOrder(message, field="time_in_force", code="NOT_ALLOWED")
    if time_in_force is TimeInForce.DAY and quote is None:
        raise OrderNotChangeable(f"There is no price of {spec.symbol}: its day is not known")
    if quote is None:
        return None
    begins_at = order.send_after if order.variety is Variety.AMO else None
    return expiry_of(
        time_in_force,
        0,
        spec=spec,
        source=quote.source,
        begins_at=begins_at or quote.exchange_time,
    )


# ------------------------------------------------------------------ whether they are possible


def _settled_terms(
    order: LockedOrder,
    wanted: OrderTerms,
    *,
    spec: InstrumentSpec,
    quote: Quote | None,
    now: datetime,
) -> OrderTerms:
    """Return the terms with their worst price; refuse what is wrong in itself."""
    draft = _draft(order, wanted, spec=spec)
    if wanted.price is None:
        draft = replace(draft, protection_price=_protection(order, draft, quote=quote))
        if draft.protection_price is None:
            raise OrderNotChangeable(f"There is no price of {spec.symbol} to trade at")
    moves = wanted.trigger_price is not None and wanted.trigger_price != order.trigger_price
    defect = find_defect(draft)
    if defect is None and moves:
        defect = reached_trigger(draft, quote, now=now)
    if defect is not None:
        raise refusal_of(defect)
    if wanted.quantity <= order.filled_quantity:
        message = f"Quantity must be above the {plain(order.filled_quantity)} that have traded"
        raise InvalidOrder(
            message, field="quantity", code="BELOW_MIN", minimum=order.filled_quantity
        )
    return replace(
        wanted,
        protection_price=draft.protection_price,
        margin_price=margin_price(draft, quote) or order.margin_price,
    )


def _draft(order: LockedOrder, wanted: OrderTerms, *, spec: InstrumentSpec) -> Draft:
    return Draft(
        instrument=spec,
        side=order.side,
        order_type=wanted.order_type,
        product=order.product,
        quantity=wanted.quantity,
        price=wanted.price,
        trigger_price=wanted.trigger_price,
        protection_price=None,
        disclosed_quantity=wanted.disclosed_quantity,
        market_protection=wanted.market_protection,
    )


def _refuse_denied(
    book: LockedBook,
    order: LockedOrder,
    terms: OrderTerms,
    *,
    spec: InstrumentSpec,
    quote: Quote | None,
    now: datetime,
) -> None:
    """Ask policy about what the order would be; asking for less of the same is always allowed."""
    if asks_for_less(order.terms, terms):
        return
    draft = replace(
        _draft(order, terms, spec=spec),
        protection_price=terms.protection_price,
        filled=order.filled_quantity,
        # The stop of a cover order: it must be able to follow what the first order got.
        is_exit=order.variety is Variety.CO and order.parent_id is not None,
    )
    denial = RiskGate(book, now=now, without=order.id).change_denial(draft, quote)
    if denial is not None:
        raise ChangeDenied(denial.message, code=denial.code)


def _protection(order: LockedOrder, draft: Draft, *, quote: Quote | None) -> Decimal | None:
    """Return the worst price of an order without a limit; it moves with what it is reckoned from."""
    is_as_before = (
        draft.order_type is order.order_type
        and draft.trigger_price == order.trigger_price
        and draft.market_protection == order.market_protection
    )
    if is_as_before and order.protection_price is not None:
        return order.protection_price
    return protection_of(draft, quote)


# ------------------------------------------------------------------ the change


def _modify(changes: Changes, order: LockedOrder, terms: OrderTerms, *, now: datetime) -> None:
    texts = changed_texts(order.terms, terms)
    hold = order.hold_of(terms)
    order.revision += 1
    if order.status is OrderStatus.READY:
        order.take_terms(terms)
        changes.record(order, EventKind.MODIFIED, order.status, at=now, detail=texts)
        changes.set_hold(order, hold, at=now)
        return
    order.pending_change = texts
    changes.record(order, EventKind.MODIFY_ASKED, OrderStatus.MODIFY_PENDING, at=now, detail=texts)
    # Until the venue answers either version may trade: the dearer one stays held.
    changes.set_hold(order, max(hold, order.hold_remaining), at=now)
