"""The orders that a plan places: the next leg of an iceberg, the stop of a cover order."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from market.domain.enums import OrderType, Product, Side, TimeInForce, Variety
from market.domain.ticks import Quote
from portfolio.domain.fees import ZERO
from portfolio.domain.order_plans import IcebergTerms, Place
from portfolio.models import Order, OrderPlan
from portfolio.services.order_rows import OrderRequest

# What belongs to one order alone of all that a program may have put on the first.
_OWN = frozenset({"client_order_id", "cover", "iceberg"})


def iceberg_meta(
    terms: IcebergTerms, *, total: Decimal, leg: int, placed: Decimal
) -> dict[str, Any]:
    """Return what the wire shows of a leg; `placed` counts the units of this one and those before."""
    return {
        "iceberg": {
            "leg": leg,
            "legs": terms.legs,
            "leg_quantity": _json_number(terms.leg_quantity),
            "total_quantity": _json_number(total),
            "remaining_quantity": _json_number(total - placed),
        }
    }


def cover_meta(trigger: Decimal) -> dict[str, Any]:
    """Return what the wire shows of the stop that the first order of a cover order will have."""
    return {"cover": {"trigger_price": _json_number(trigger)}}


def _json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def leg_request(plan: OrderPlan, legs: Sequence[Order], quantity: Decimal) -> OrderRequest:
    """Return the next leg: as the newest one is now, for the rest of the life of the first."""
    last, total = legs[-1], plan.total_quantity or ZERO
    terms = IcebergTerms(plan.legs or 0, plan.leg_quantity or ZERO)
    placed = sum((leg.filled_quantity for leg in legs), quantity)
    return OrderRequest(
        side=Side(last.side),
        order_type=OrderType(last.order_type),
        quantity=quantity,
        time_in_force=TimeInForce(last.time_in_force),
        price=last.price,
        validity_ttl=last.validity_ttl,
        expires_at=plan.entry.expires_at,
        meta={
            **_meta(plan.entry),
            **iceberg_meta(terms, total=total, leg=len(legs) + 1, placed=placed),
        },
        **_as_entry(plan),
    )


def stop_request(
    plan: OrderPlan, orders: Sequence[Order], step: Place, *, quote: Quote | None
) -> OrderRequest:
    """Return the stop of what the first order got; at market where its trigger is met already."""
    entry = plan.entry
    trigger = orders[-1].trigger_price or plan.trigger_price or ZERO
    side = Side(entry.side).opposite
    at_market = step.at_market or _is_met(side, trigger, quote)
    validity = TimeInForce(entry.time_in_force)
    if validity in {TimeInForce.IOC, TimeInForce.TTL}:
        validity = TimeInForce.DAY
    return OrderRequest(
        side=side,
        order_type=OrderType.MARKET if at_market else OrderType.SL_M,
        quantity=step.quantity,
        time_in_force=validity,
        trigger_price=None if at_market else trigger,
        is_exit=True,
        meta=_meta(entry),
        **_as_entry(plan),
    )


def _is_met(stop_side: Side, trigger: Decimal, quote: Quote | None) -> bool:
    if quote is None:
        return False
    price = quote.last_price
    return price <= trigger if stop_side is Side.SELL else price >= trigger


def _meta(entry: Order) -> dict[str, Any]:
    return {name: value for name, value in entry.meta.items() if name not in _OWN}


def _as_entry(plan: OrderPlan) -> Mapping[str, Any]:
    """Return what every order of a plan has in common with the first."""
    entry = plan.entry
    return {
        "instrument": entry.instrument.spec,
        "product": Product(entry.product),
        "source": entry.source,
        "slot_ref": f"plan:{plan.pk}:{plan.placed + 1}",
        "variety": Variety(plan.kind),
        "market_protection": entry.market_protection,
        "api_app_id": entry.api_app_id,
        "tag": entry.tag,
        "parent_id": entry.pk,
    }
