"""Taking plans a step further, each in a transaction of its own, under the lock of its book.

A plan is due when one of its orders changed (`Changes` says so in the same transaction). Doing a
step twice is impossible: the step and the plan's counter commit together under the book's lock,
and the number of the next order is part of its `slot_ref`, unique in the book.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Case, DecimalField, F, Q, Sum, When

from market.domain.enums import OrderStatus, OrderType, Variety
from market.domain.ticks import Quote
from portfolio.domain.fees import ZERO
from portfolio.domain.order_plans import (
    Cancel,
    Change,
    End,
    Place,
    PlannedOrder,
    Step,
    next_cover_step,
    next_iceberg_step,
)
from portfolio.exceptions import InsufficientFunds, InvalidOrder, PortfolioError
from portfolio.models import Order, OrderPlan, Trade
from portfolio.services.locking import lock_for
from portfolio.services.modifications import change_order
from portfolio.services.order_changes import cancel_order
from portfolio.services.orders import PlacedOrder, deny_order, place_order
from portfolio.services.plan_requests import leg_request, stop_request

logger = logging.getLogger(__name__)

PLANS_AT_ONCE = 50
# A plan that waits for a price, or has had to do the same again, looks again after so long.
_LOOK_AGAIN = timedelta(seconds=1)
_AFTER_FAULT = timedelta(seconds=60)
# So many changes of one stop follow each other without a pause.
_AT_ONCE = 5
_DUE = """
    SELECT p.id, p.book_id, e.product, e.instrument_id FROM portfolio_orderplan p
      JOIN portfolio_order e ON e.id = p.entry_id
      JOIN portfolio_venueaccount v ON v.id = e.venue_account_id
     WHERE p.due_at <= %s AND v.shard_id = %s ORDER BY p.due_at, p.id LIMIT %s
"""


def advance_plans(
    shard: int, *, quotes: Mapping[int, Quote], now: datetime, enqueue: Callable[[], None]
) -> int:
    """Take the due plans of a shard one step further each; return how many took one."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [now, shard, PLANS_AT_ONCE])
        rows = cursor.fetchall()
    taken = 0
    for plan_id, book_id, product, token in rows:
        try:
            with transaction.atomic(durable=True):
                lock_for(book_id, [product], now=now)
                plan = active_plan(plan_id)
                if plan is not None and plan.due_at is not None:
                    taken += take_step(plan, quote=quotes.get(token), now=now, enqueue=enqueue)
        except OperationalError:
            raise
        except (DatabaseError, PortfolioError):
            logger.exception("plan not advanced, trying again later plan=%s", plan_id)
            OrderPlan.objects.filter(pk=plan_id, due_at__isnull=False).update(
                due_at=now + _AFTER_FAULT
            )
    return taken


def active_plan(plan_id: int) -> OrderPlan | None:
    """Return a plan that is not over, with its first order. Its book must be locked."""
    found = OrderPlan.objects.filter(pk=plan_id, status=OrderPlan.Status.ACTIVE)
    return found.select_related("entry__instrument").first()


def end_plan(plan: OrderPlan, message: str, *, now: datetime) -> None:
    """End a plan; without a message it is done."""
    plan.status = OrderPlan.Status.ENDED if message else OrderPlan.Status.DONE
    plan.message, plan.due_at, plan.updated_at = message[:300], None, now
    plan.save(update_fields=["status", "message", "due_at", "updated_at"])


def take_step(
    plan: OrderPlan, *, quote: Quote | None, now: datetime, enqueue: Callable[[], None]
) -> bool:
    """Do what the plan does next, if anything; say whether it did. Its book must be locked."""
    orders = orders_of_plan(plan)
    step = _next_step(plan, orders, quote=quote)
    if isinstance(step, End):
        end_plan(plan, step.message, now=now)
        return True
    must_wait = step is not None and _must_wait(plan, orders, step, quote=quote, now=now)
    if step is None or must_wait:
        plan.due_at = now + _LOOK_AGAIN if must_wait else None
        plan.save(update_fields=["due_at"])
        return False
    plan.updated_at = now
    plan.due_at = _Act(plan, orders, quote, now, enqueue).do(step)
    plan.save(update_fields=["due_at", "updated_at", "placed"])
    return True


def orders_of_plan(plan: OrderPlan) -> list[Order]:
    """Return the orders of a plan, the first one first."""
    return list(Order.objects.filter(Q(pk=plan.entry_id) | Q(parent=plan.entry_id)).order_by("pk"))


def _next_step(plan: OrderPlan, orders: list[Order], *, quote: Quote | None) -> Step | None:
    entry, *others = [_planned(order) for order in orders]
    if plan.kind == Variety.CO:
        received = _received(plan.entry)
        return next_cover_step(entry, others, received=received, is_exiting=plan.is_exiting)
    step = next_iceberg_step(
        [entry, *others],
        total=plan.total_quantity or ZERO,
        leg_quantity=plan.leg_quantity or ZERO,
    )
    if isinstance(step, Place) and quote is not None:
        return _too_late(plan.entry, quote) or step
    return step


def _too_late(entry: Order, quote: Quote) -> End | None:
    """Return why no further leg may be placed: each lives as long as the first, at its prices."""
    if entry.expires_at is not None and quote.exchange_time >= entry.expires_at:
        return End("The validity of the iceberg ended before its next leg")
    if entry.price_run not in {"", quote.price_run}:
        return End("The prices come from another source now")
    return None


def _planned(order: Order) -> PlannedOrder:
    return PlannedOrder(
        id=order.pk,
        status=OrderStatus(order.status),
        order_type=OrderType(order.order_type),
        quantity=order.quantity,
        filled=order.filled_quantity,
        is_triggered=order.triggered_at is not None,
        is_cancel_asked=order.cancel_requested_at is not None,
        message=order.status_message,
    )


def _received(entry: Order) -> Decimal:
    """Return the whole lots that an order got: what it traded, less fees paid in units."""
    spec = entry.instrument.spec
    fee = Case(When(fee_asset=spec.base_asset, then=F("fee")), default=ZERO)
    got = Trade.objects.filter(order=entry).aggregate(
        units=Sum(F("quantity") - fee, output_field=DecimalField())
    )
    return spec.floor_lot(got["units"] or ZERO)


def _must_wait(
    plan: OrderPlan, orders: list[Order], step: Step, *, quote: Quote | None, now: datetime
) -> bool:
    """Say whether a step has to wait for a price, or for the market to have changed."""
    if isinstance(step, Cancel):
        return False
    if quote is None:
        return True
    if plan.kind == Variety.ICEBERG:
        return not quote.is_fresh(now=now, limit=plan.entry.instrument.freshness_limit)
    # A stop is placed at any price. But what is done again and again waits in between.
    if isinstance(step, Place):
        is_again = len(orders) > 1 and orders[-1].status != OrderStatus.FILLED
    else:
        is_again = orders[-1].revision >= _AT_ONCE
    return is_again and now < plan.updated_at + _LOOK_AGAIN


@dataclass(frozen=True, slots=True)
class _Act:
    """Does steps of one plan."""

    plan: OrderPlan
    orders: list[Order]
    quote: Quote | None
    now: datetime
    enqueue: Callable[[], None]

    def do(self, step: Place | Change | Cancel) -> datetime | None:
        """Do a step; return when the plan is due again without any news of its orders."""
        match step:
            case Cancel():
                cancel_order(self.plan.book_id, step.order_id, now=self.now, enqueue=self.enqueue)
                # What was not sent is cancelled at once: no news will come of it.
                return self.now
            case Change():
                return self._change(step)
            case Place():
                placed = self._place(step)
                self.plan.placed += 1
                return self.now if placed.status is OrderStatus.DENIED else None

    def _change(self, step: Change) -> datetime | None:
        asked: dict[str, Any] = {}
        if step.quantity is not None:
            asked["quantity"] = step.quantity
        if step.to_market:
            asked["order_type"] = OrderType.MARKET
        try:
            with transaction.atomic():
                change_order(
                    self.plan.book_id,
                    step.order_id,
                    asked=asked,
                    quote=self.quote,
                    now=self.now,
                    enqueue=self.enqueue,
                )
        except (InvalidOrder, InsufficientFunds) as error:
            logger.warning("stop not changed plan=%s error=%s", self.plan.pk, error)
            return self.now + _LOOK_AGAIN
        return None

    def _place(self, step: Place) -> PlacedOrder:
        """Place the plan's next order; where that is impossible keep it as denied, for all to see."""
        plan, book_id = self.plan, self.plan.book_id
        if plan.kind == Variety.ICEBERG:
            request = leg_request(plan, self.orders, step.quantity)
        else:
            request = stop_request(plan, self.orders, step, quote=self.quote)
        try:
            with transaction.atomic():
                return place_order(
                    book_id, request, quote=self.quote, now=self.now, enqueue=self.enqueue
                )
        except (InvalidOrder, InsufficientFunds) as error:
            return deny_order(book_id, request, reason=str(error), quote=self.quote, now=self.now)
