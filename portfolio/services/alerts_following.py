"""What follows when an alert has fired: the orders of its basket, each once, then word of it.

Each order and its result are one transaction; the event stays due until all are through and its
owner is told. An event stands where bots stand in the lock order: before the book.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services.notices import Enqueue, queue_notice
from market.domain.enums import OrderType, Product, Side, TimeInForce
from market.domain.ticks import Quote
from market.models import Instrument
from market.streams import push_event
from portfolio.exceptions import InvalidOrder
from portfolio.models import AlertEvent, Order
from portfolio.services.attempts import LATEST, TOO_LATE, Attempt, attempt_order
from portfolio.services.intraday import book_for
from portfolio.services.locking import require_transaction
from portfolio.services.orders import OrderRequest

_ADVICE = {
    "simple": "It stays set, rests for five minutes, and tells you again when the price comes back.",
    "ato": "It has placed its orders once and is disabled now. Enable it to have it do so again.",
}


def follow_event(
    event_id: int,
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
    enqueue: Callable[[], None],
    notify: Enqueue,
) -> bool:
    """Place the event's next order, or tell its owner when all are through.

    Says whether there is more to do. Somebody else who is at it is not waited for.
    """
    require_transaction()
    rows = AlertEvent.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    chosen = rows.select_related("alert", "alert__user").filter(pk=event_id, is_due=True)
    event = chosen.first()
    if event is None:
        return False
    items = (event.basket or {}).get("items", [])
    number = len(event.results)
    if number < len(items):
        attempt = _attempt(event, items[number], quotes=quotes, now=now, enqueue=enqueue)
        event.results.append(_result(attempt))
        event.save(update_fields=["results"])
        return True
    event.is_due = False
    event.save(update_fields=["is_due"])
    _tell(event, now=now, notify=notify)
    return False


def tokens_of(event: AlertEvent) -> list[int]:
    """Return the instruments whose quotes the event's orders need."""
    return [item["instrument_token"] for item in (event.basket or {}).get("items", [])]


def _attempt(
    event: AlertEvent,
    item: Mapping[str, Any],
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
    enqueue: Callable[[], None],
) -> Attempt:
    if now - event.at > LATEST:
        return Attempt(None, TOO_LATE)
    instrument = Instrument.objects.get(pk=item["instrument_token"])
    request = _request(event, instrument, item["params"])
    try:
        book = book_for(
            event.alert.user,
            product=request.product,
            quote_asset=instrument.quote_asset,
            now=now,
        )
    except InvalidOrder as error:
        return Attempt(None, str(error))
    return attempt_order(
        book.pk, request, quote=quotes.get(instrument.pk), now=now, enqueue=enqueue
    )


def _request(event: AlertEvent, instrument: Instrument, params: Mapping[str, Any]) -> OrderRequest:
    numbers = {name: Decimal(params[name]) or None for name in ("price", "trigger_price")}
    tags = params.get("tags") or [""]
    return OrderRequest(
        instrument=instrument.spec,
        side=Side(params["transaction_type"]),
        order_type=OrderType(params["order_type"]),
        quantity=Decimal(params["quantity"]),
        time_in_force=TimeInForce(params["validity"]),
        price=numbers["price"],
        trigger_price=numbers["trigger_price"],
        product=Product(params["product"]),
        source=Order.Source.API,
        slot_ref=f"alert:{event.pk}:{len(event.results)}",
        disclosed_quantity=Decimal(params["disclosed_quantity"]),
        market_protection=Decimal(params["market_protection"]),
        api_app_id=event.alert.api_app_id,
        tag=tags[0],
        meta={"alert": str(event.alert.uuid)},
    )


def _result(attempt: Attempt) -> dict[str, str]:
    return {
        "status": "failed" if attempt.reason else "success",
        "order_id": "" if attempt.order_id is None else str(attempt.order_id),
        "rejection_reason": attempt.reason,
    }


def _tell(event: AlertEvent, *, now: datetime, notify: Enqueue) -> None:
    alert, price = event.alert, event.prices[0]["last_price"]
    news = {
        "uuid": str(alert.uuid),
        "name": alert.name,
        "condition": event.condition,
        "last_price": price,
        "orders": event.results,
    }
    user_id = alert.user_id
    transaction.on_commit(lambda: push_event(user_id, "alert", news))
    values = {
        "subject": f"Alert: {event.condition}",
        "words": f"your alert '{alert.name}' has been met: {event.condition}, at {price}."
        f"{_outcomes(event)}",
        "advice": _ADVICE[alert.kind],
    }
    queue_notice(_owner(event), "told", values=values, client_address=None, now=now, enqueue=notify)


def _owner(event: AlertEvent) -> User:
    return event.alert.user


def _outcomes(event: AlertEvent) -> str:
    lines = [
        f"\n{item['params']['transaction_type']} {item['params']['quantity']}"
        f" {item['exchange']}:{item['tradingsymbol']}: "
        + (result["rejection_reason"] or f"order {result['order_id']}")
        for item, result in zip((event.basket or {}).get("items", []), event.results, strict=True)
    ]
    return "\n" + "".join(lines) if lines else ""
