"""Changing and cancelling orders for programs."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from api.placing import in_wire_names, newest_quote, require_address, require_registered_address
from api.writes import write_once
from market.domain.enums import OrderType, TimeInForce
from portfolio.models import Order
from portfolio.selectors.api_orders import order_of_program
from portfolio.services.modifications import OrderChange, modify_order
from portfolio.services.order_changes import cancel_order
from portfolio.services.orders import PlacedOrder, wake_gateway


def change(request: Request, order_id: str, fields: dict[str, Any]) -> HttpResponse:
    """Change an order as its fields say; what they leave out stays."""
    session = require_address(request)
    order = order_of_program(session.user, order_id)
    require_registered_address(session.app, order.venue_account.compliance_profile)
    wanted, quote = _wanted(order, fields), newest_quote(order.instrument_id)

    def act() -> dict[str, str]:
        return id_of(
            modify_order(
                session.user,
                order.pk,
                quote=quote,
                now=timezone.now(),
                enqueue=wake_gateway,
                **wanted,
            )
        )

    with in_wire_names():
        return write_once(request, act)


def cancel(request: Request, order_id: str) -> HttpResponse:
    """Cancel an order; needs no price, no Redis and no registered address."""
    session = require_address(request)
    order = order_of_program(session.user, order_id)

    def act() -> dict[str, str]:
        now = timezone.now()
        return id_of(cancel_order(session.user, order.pk, now=now, enqueue=wake_gateway))

    return write_once(request, act)


def id_of(placed: PlacedOrder) -> dict[str, str]:
    """Return what is answered to a write of one order."""
    return {"order_id": str(placed.order_id)}


def _wanted(order: Order, fields: dict[str, Any]) -> OrderChange:
    """Return what is to change; prices that the order's type does not have are not looked at."""
    order_type = OrderType(fields.get("order_type", order.order_type))
    return OrderChange(
        quantity=fields.get("quantity"),
        price=fields.get("price") if order_type.has_price else None,
        trigger_price=fields.get("trigger_price") if order_type.is_stop else None,
        order_type=OrderType(fields["order_type"]) if "order_type" in fields else None,
        time_in_force=_validity(order, fields),
        disclosed_quantity=fields.get("disclosed_quantity"),
        market_protection=fields.get("market_protection"),
    )


def _validity(order: Order, fields: dict[str, Any]) -> TimeInForce | None:
    """Return the validity asked for; a GTC order shows as DAY, and DAY sent back leaves it."""
    asked = fields.get("validity")
    if asked is None or (order.time_in_force == TimeInForce.GTC and asked == TimeInForce.DAY):
        return None
    return TimeInForce(asked)
