"""Orders that consist of several: cover orders, icebergs, and what is cut into slices.

The first order and its plan are written together. Whatever happens to an order of a plan marks
the plan as due in the same transaction; the gateway then takes the plan's next step in a
transaction of its own (`plan_steps`). Whoever dies in between, the plan is still due.

Programs ask here for every variety: `place_varied`, `modify_varied` and `cancel_varied` do what
`place_order`, `modify_order` and `cancel_order` do for orders without a plan.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Unpack

from django.db import transaction

from market.domain.enums import Product, Side, Variety
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from portfolio.domain.drafts import refusal_of
from portfolio.domain.order_plans import (
    AuctionTerms,
    CoverTerms,
    IcebergTerms,
    Terms,
    cover_defect,
    iceberg_defect,
    type_defect,
)
from portfolio.exceptions import InvalidOrder, NoAuction, OrderNotFound
from portfolio.models import Order, OrderPlan
from portfolio.services.locking import lock_for, require_transaction
from portfolio.services.modifications import OrderChange, modify_order
from portfolio.services.order_changes import Owner, cancel_order, orders_of
from portfolio.services.orders import OrderRequest, PlacedOrder, place_order
from portfolio.services.placed import placed_order, stored_orders
from portfolio.services.plan_requests import cover_meta, iceberg_meta
from portfolio.services.plan_steps import active_plan, end_plan, orders_of_plan, take_step
from portfolio.services.slices import place_slices

__all__ = [
    "AuctionTerms",
    "CoverTerms",
    "IcebergTerms",
    "cancel_varied",
    "modify_varied",
    "place_slices",
    "place_varied",
]

# What follows an exit at once: the first order's cancel, then the stop's change.
_STEPS_AT_ONCE = 3


def place_varied(
    book_id: int,
    request: OrderRequest,
    *,
    terms: Terms,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> PlacedOrder:
    """Place the first order of a cover order or an iceberg, with the plan of what follows.

    `request.quantity` is the whole quantity, `request.variety` follows from the terms; the same
    key again gives the same order. Raises what `place_orders` raises, and `NoAuction`.
    """
    require_transaction()
    if isinstance(terms, AuctionTerms):
        raise _auction_refusal(terms)
    if isinstance(terms, IcebergTerms):
        first = _first_leg(request, terms)
    else:
        first = _entry(request, terms)
        _refuse_reached(book_id, first, terms, quote=quote, now=now)
    placed = place_order(book_id, first, quote=quote, now=now, enqueue=enqueue)
    entry = Order.objects.get(pk=placed.order_id)
    # Asked again, or refused by policy: there is nothing to plan.
    if entry.is_live and not OrderPlan.objects.filter(entry=entry).exists():
        _make_plan(entry, terms, quantity=request.quantity, now=now)
    return placed


def _auction_refusal(terms: AuctionTerms) -> Exception:
    if not terms.auction_number:
        message = "An auction order needs an auction number"
        return InvalidOrder(message, field="auction_number", code="REQUIRED")
    return NoAuction(f"There is no auction session {terms.auction_number} to take part in")


def _first_leg(request: OrderRequest, terms: IcebergTerms) -> OrderRequest:
    quantity, spec = request.quantity, request.instrument
    defect = type_defect(request.order_type) or iceberg_defect(
        terms, quantity=quantity, disclosed=request.disclosed_quantity, spec=spec
    )
    if defect is not None:
        raise refusal_of(defect)
    meta = iceberg_meta(terms, total=quantity, leg=1, placed=terms.leg_quantity)
    return replace(
        request,
        variety=Variety.ICEBERG,
        quantity=terms.leg_quantity,
        meta={**request.meta, **meta},
    )


def _entry(request: OrderRequest, terms: CoverTerms) -> OrderRequest:
    defect = type_defect(request.order_type) or cover_defect(
        terms.trigger_price,
        side=request.side,
        product=request.product,
        prices=[] if request.price is None else [request.price],
        spec=request.instrument,
    )
    if defect is not None:
        raise refusal_of(defect)
    meta = {**request.meta, **cover_meta(terms.trigger_price)}
    return replace(request, variety=Variety.CO, trigger_price=None, meta=meta)


def _refuse_reached(
    book_id: int, request: OrderRequest, terms: CoverTerms, *, quote: Quote | None, now: datetime
) -> None:
    """Refuse a stop that the market has reached, unless the order was placed before."""
    spec = request.instrument
    prices = _market(spec, quote, now=now)
    if defect := cover_defect(
        terms.trigger_price, side=request.side, product=request.product, prices=prices, spec=spec
    ):
        book = lock_for(book_id, [request.product], now=now).get(book_id)
        if book is None or not stored_orders(book, [request]):
            raise refusal_of(defect)


def _market(spec: InstrumentSpec, quote: Quote | None, *, now: datetime) -> list[Decimal]:
    """Return what the market is at; an old price is no measure: policy denies on it."""
    is_fresh = quote is not None and quote.is_fresh(now=now, limit=spec.freshness_limit)
    return [quote.last_price] if quote is not None and is_fresh else []


def _make_plan(entry: Order, terms: Terms, *, quantity: Decimal, now: datetime) -> None:
    is_iceberg = isinstance(terms, IcebergTerms)
    OrderPlan.objects.create(
        user_id=entry.user_id,
        book_id=entry.book_id,
        entry=entry,
        kind=entry.variety,
        legs=terms.legs if isinstance(terms, IcebergTerms) else None,
        leg_quantity=terms.leg_quantity if isinstance(terms, IcebergTerms) else None,
        total_quantity=quantity if is_iceberg else None,
        trigger_price=terms.trigger_price if isinstance(terms, CoverTerms) else None,
        created_at=now,
        updated_at=now,
    )


# ------------------------------------------------------------------ what its owner does later


def cancel_varied(
    owner: Owner,
    order_id: int,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> PlacedOrder:
    """Cancel an order and what was to follow it; of a cover order that has filled: get out.

    An iceberg ends with its newest leg, whichever of its legs is named. A cover order ends by
    cancelling what has not filled, and by turning its stop into a market order for what has.
    Raises as `cancel_order` does.
    """
    with transaction.atomic():
        order = _order_of(owner, order_id)
        plan = _locked_plan(order, now=now)
        if plan is None:
            return cancel_order(owner, order_id, now=now, enqueue=enqueue)
        orders = orders_of_plan(plan)
        if plan.kind == Variety.ICEBERG:
            return _end_iceberg(plan, orders[-1], now=now, enqueue=enqueue)
        if not orders[0].filled_quantity:
            return cancel_order(owner, plan.entry_id, now=now, enqueue=enqueue)
        plan.is_exiting = True
        plan.due_at = now
        plan.save(update_fields=["is_exiting", "due_at"])
        for _ in range(_STEPS_AT_ONCE):
            if not take_step(plan, quote=quote, now=now, enqueue=enqueue):
                break
        transaction.on_commit(enqueue)
        return _as_it_is(order_id)


def _end_iceberg(
    plan: OrderPlan, newest: Order, *, now: datetime, enqueue: Callable[[], None]
) -> PlacedOrder:
    """Cancel the newest leg; between two legs there is none, and none will follow."""
    if newest.is_live:
        return cancel_order(plan.book_id, newest.pk, now=now, enqueue=enqueue)
    end_plan(plan, "Cancelled between two legs", now=now)
    return _as_it_is(newest.pk)


def modify_varied(
    owner: Owner,
    order_id: int,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
    **wanted: Unpack[OrderChange],
) -> PlacedOrder:
    """Change an order; the trigger of a cover order is that of its stop, whichever is named.

    Raises as `modify_order` does.
    """
    with transaction.atomic():
        order = _order_of(owner, order_id)
        trigger = wanted.get("trigger_price")
        plan = _locked_plan(order, now=now) if trigger is not None else None
        if plan is not None and trigger is not None and plan.kind == Variety.CO:
            _move_trigger(plan, trigger, quote=quote, now=now, enqueue=enqueue)
            wanted = {**wanted, "trigger_price": None}
            if all(value is None for value in wanted.values()):
                return _as_it_is(order_id)
        return modify_order(owner, order_id, quote=quote, now=now, enqueue=enqueue, **wanted)


def _move_trigger(
    plan: OrderPlan,
    trigger: Decimal,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> None:
    entry, *stops = orders_of_plan(plan)
    spec = plan.entry.instrument.spec
    prices = _market(spec, quote, now=now)
    if entry.price is not None and entry.is_live:
        prices.append(entry.price)
    defect = cover_defect(
        trigger,
        side=Side(entry.side),
        product=Product(entry.product),
        prices=prices,
        spec=spec,
    )
    if defect is not None:
        raise refusal_of(defect)
    if stops and stops[-1].is_live:
        modify_order(
            plan.book_id,
            stops[-1].pk,
            trigger_price=trigger,
            quote=quote,
            now=now,
            enqueue=enqueue,
        )
    plan.trigger_price = trigger
    plan.save(update_fields=["trigger_price"])
    entry.meta = {**entry.meta, **cover_meta(trigger)}
    entry.save(update_fields=["meta"])


def _order_of(owner: Owner, order_id: int) -> Order:
    found = orders_of(owner).filter(pk=order_id).first()
    if found is None:
        raise OrderNotFound(f"There is no order {order_id}")
    return found


def _locked_plan(order: Order, *, now: datetime) -> OrderPlan | None:
    """Return the active plan that an order belongs to, its book locked; None without one."""
    if order.variety not in OrderPlan.KINDS:
        return None
    lock_for(order.book_id, [order.product], now=now)
    plan = OrderPlan.objects.filter(entry=order.parent_id or order.pk).only("pk").first()
    return None if plan is None else active_plan(plan.pk)


def _as_it_is(order_id: int) -> PlacedOrder:
    return placed_order(Order.objects.get(pk=order_id))
