"""Changing and cancelling orders for programs."""

from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from redis.exceptions import RedisError
from rest_framework.request import Request

from api.placing import in_wire_names, newest_quote, require_address, require_registered_address
from api.writes import write_once
from market.domain.enums import OrderType, TimeInForce, Variety
from market.domain.ticks import Quote
from portfolio.models import Order
from portfolio.selectors.api_orders import order_of_program
from portfolio.services.modifications import OrderChange
from portfolio.services.order_plans import cancel_varied, modify_varied
from portfolio.services.orders import wake_gateway


def change(request: Request, order_id: str, fields: dict[str, Any]) -> HttpResponse:
    """Change an order as its fields say; what they leave out stays."""
    session = require_address(request)
    order = order_of_program(session.user, order_id)
    require_registered_address(session.app, order.venue_account.compliance_profile)
    wanted, quote = _wanted(order, fields), newest_quote(order.instrument_id)

    def act() -> dict[str, str]:
        modify_varied(
            session.user,
            order.pk,
            quote=quote,
            now=timezone.now(),
            enqueue=wake_gateway,
            **wanted,
        )
        return _id_of(order)

    with in_wire_names():
        return write_once(request, act)


def cancel(request: Request, order_id: str) -> HttpResponse:
    """Cancel an order and what would follow it; needs no Redis and no registered address."""
    session = require_address(request)
    order = order_of_program(session.user, order_id)
    quote = _quote_if_any(order) if order.variety == Variety.CO else None

    def act() -> dict[str, str]:
        cancel_varied(session.user, order.pk, quote=quote, now=timezone.now(), enqueue=wake_gateway)
        return _id_of(order)

    return write_once(request, act)


def _quote_if_any(order: Order) -> Quote | None:
    """Return the market that a cover order is left at, where it is known."""
    try:
        return newest_quote(order.instrument_id)
    except RedisError:
        return None


def _id_of(order: Order) -> dict[str, str]:
    return {"order_id": str(order.pk)}


def _wanted(order: Order, fields: dict[str, Any]) -> OrderChange:
    """Return what is to change; prices that the order's type does not have are not looked at."""
    order_type = OrderType(fields.get("order_type", order.order_type))
    # The trigger of a cover order is that of its stop, whichever of its orders is named.
    has_trigger = order_type.is_stop or order.variety == Variety.CO
    return OrderChange(
        quantity=fields.get("quantity"),
        price=fields.get("price") if order_type.has_price else None,
        trigger_price=_trigger(fields) if has_trigger else None,
        order_type=OrderType(fields["order_type"]) if "order_type" in fields else None,
        time_in_force=_validity(order, fields),
        disclosed_quantity=fields.get("disclosed_quantity"),
        market_protection=fields.get("market_protection"),
    )


def _trigger(fields: dict[str, Any]) -> Decimal | None:
    """Return the trigger asked for; clients send 0 where they mean none."""
    return fields.get("trigger_price") or None


def _validity(order: Order, fields: dict[str, Any]) -> TimeInForce | None:
    """Return the validity asked for; a GTC order shows as DAY, and DAY sent back leaves it."""
    asked = fields.get("validity")
    if asked is None or (order.time_in_force == TimeInForce.GTC and asked == TimeInForce.DAY):
        return None
    return TimeInForce(asked)
