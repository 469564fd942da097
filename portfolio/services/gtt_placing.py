"""What follows when a trigger has fired: its order, once, and word of it to the owner.

Marking (`gtt_pass`) is durable before anything is placed. The order, its result and the end of
`is_due` are one transaction: a crash anywhere leaves the trigger due, or done. A trigger stands
where bots stand in the lock order: before the book.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from accounts.services.notices import Enqueue, queue_notice
from market.domain.enums import OrderType, Product, Side, TimeInForce
from market.domain.formatting import format_price, format_quantity, plain
from market.domain.ticks import Quote
from market.streams import push_event
from portfolio.domain.gtt import GttStatus
from portfolio.models import GttLeg, GttTrigger, Order
from portfolio.services.attempts import LATEST, TOO_LATE, Attempt, attempt_order
from portfolio.services.locking import require_transaction
from portfolio.services.orders import OrderRequest

_ADVICE = "A GTT fires once. If you still want the order, place it or set another GTT."


def place_trigger(
    trigger_id: int,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
    notify: Enqueue,
) -> bool:
    """Place the order of a trigger that has fired; say whether there was something to do.

    Somebody else who is at it is not waited for. Called again it does nothing.
    """
    require_transaction()
    rows = GttTrigger.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    trigger = rows.select_related("instrument", "user").filter(pk=trigger_id, is_due=True).first()
    if trigger is None:
        return False
    leg = trigger.legs.get(met_price__isnull=False)
    attempt = _attempt(trigger, leg, quote=quote, now=now, enqueue=enqueue)
    _keep(trigger, leg, attempt, now=now)
    _tell(trigger, leg, now=now, notify=notify)
    return True


def _attempt(
    trigger: GttTrigger,
    leg: GttLeg,
    *,
    quote: Quote | None,
    now: datetime,
    enqueue: Callable[[], None],
) -> Attempt:
    if trigger.triggered_at is not None and now - trigger.triggered_at > LATEST:
        return Attempt(None, TOO_LATE)
    # Prices of another source have nothing to do with this trigger.
    own = quote if quote is not None and quote.price_run == trigger.price_run else None
    request = _request(trigger, leg)
    return attempt_order(trigger.book_id, request, quote=own, now=now, enqueue=enqueue)


def _request(trigger: GttTrigger, leg: GttLeg) -> OrderRequest:
    return OrderRequest(
        instrument=trigger.instrument.spec,
        side=Side(trigger.side),
        order_type=OrderType.LIMIT,
        quantity=leg.quantity,
        time_in_force=TimeInForce.DAY,
        price=leg.price,
        product=Product(trigger.product),
        source=Order.Source.API,
        slot_ref=leg.slot_ref,
        api_app_id=trigger.api_app_id,
        meta={"gtt": trigger.pk},
    )


def _keep(trigger: GttTrigger, leg: GttLeg, attempt: Attempt, *, now: datetime) -> None:
    leg.order_id, leg.placed_at = attempt.order_id, now
    leg.result = GttLeg.Result.FAILED if attempt.reason else GttLeg.Result.SUCCESS
    leg.rejection_reason = attempt.reason
    leg.save(update_fields=["order", "placed_at", "result", "rejection_reason"])
    trigger.is_due, trigger.updated_at = False, now
    trigger.save(update_fields=["is_due", "updated_at"])


def _tell(trigger: GttTrigger, leg: GttLeg, *, now: datetime, notify: Enqueue) -> None:
    news = {
        "id": trigger.pk,
        "status": trigger.status,
        "result": leg.result,
        "order_id": None if leg.order_id is None else str(leg.order_id),
        "rejection_reason": leg.rejection_reason,
    }
    transaction.on_commit(lambda: push_event(trigger.user_id, "gtt", news))
    symbol = trigger.instrument.symbol
    values = {
        "subject": f"Your GTT on {symbol} has fired",
        "words": f"the price of {symbol} reached {plain(leg.met_price or leg.price)}."
        f" {_outcome(trigger, leg)}",
        "advice": _ADVICE,
    }
    queue_notice(trigger.user, "told", values=values, client_address=None, now=now, enqueue=notify)


def _outcome(trigger: GttTrigger, leg: GttLeg) -> str:
    spec = trigger.instrument.spec
    quantity = format_quantity(leg.quantity, lot=spec.lot_size)
    price = format_price(leg.price, tick=spec.tick_size, asset=spec.quote_asset)
    terms = f"{trigger.side} {quantity} at {price}"
    if leg.result == GttLeg.Result.SUCCESS:
        return f"Your GTT {trigger.pk} has placed its order {leg.order_id}: {terms}."
    return f"Your GTT {trigger.pk} has not placed its order, {terms}: {leg.rejection_reason}"


def expire_triggers(*, now: datetime, notify: Enqueue) -> int:
    """End the triggers whose year is over and say so; return how many. Such fire no more."""
    with transaction.atomic():
        rows = GttTrigger.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        over = list(
            rows.select_related("user", "instrument").filter(
                status=GttStatus.ACTIVE, expires_at__lte=now
            )
        )
        ids = [trigger.pk for trigger in over]
        GttTrigger.objects.filter(pk__in=ids).update(status=GttStatus.EXPIRED, updated_at=now)
        for trigger in over:
            values = {
                "subject": f"Your GTT on {trigger.instrument.symbol} has expired",
                "words": f"your GTT {trigger.pk} on {trigger.instrument.symbol} was valid for a "
                "year and has not fired. It is over now; nothing was ordered.",
                "advice": "If you still want it, set another one.",
            }
            queue_notice(
                trigger.user, "told", values=values, client_address=None, now=now, enqueue=notify
            )
    return len(over)
