"""GTT triggers as Kite writes them (kite-api.md 1.5 GTT)."""

import json
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.fields import PlainNumber
from api.wire import number, wire_time
from market.domain.enums import OrderType, Product, Side, TimeInForce
from portfolio.domain.gtt import GttKind, GttStatus, Levels
from portfolio.models import GttLeg, GttTrigger

_LONGEST = 20_000
_DELIVERY = "A GTT is for delivery: send CNC."
_LIMIT = "A GTT places LIMIT orders."


# ------------------------------------------------------------------------------- what comes in


class GttForm(serializers.Serializer[Any]):
    """A trigger to set, or what an active one is to be."""

    type = serializers.ChoiceField([each.value for each in GttKind])
    condition = serializers.CharField(
        max_length=_LONGEST,
        help_text="JSON: `exchange`, `tradingsymbol`, `trigger_values` (one, or two ascending), "
        "`last_price`. A single trigger at or above `last_price` waits for a rise to it.",
    )
    orders = serializers.CharField(
        max_length=_LONGEST,
        help_text="JSON list, one for each trigger value: `exchange`, `tradingsymbol`, "
        "`transaction_type`, `quantity`, `order_type` LIMIT, `product` CNC, `price`.",
    )


class ConditionForm(serializers.Serializer[Any]):
    """What is inside `condition`."""

    exchange = serializers.CharField(max_length=12)
    tradingsymbol = serializers.CharField(max_length=60)
    trigger_values = serializers.ListField(child=PlainNumber(), min_length=1, max_length=2)
    last_price = PlainNumber(min_value=Decimal(0))


class LegForm(serializers.Serializer[Any]):
    """One row of `orders`; the further fields that clients send are ignored."""

    exchange = serializers.CharField(max_length=12)
    tradingsymbol = serializers.CharField(max_length=60)
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    quantity = PlainNumber()
    order_type = serializers.ChoiceField(
        [OrderType.LIMIT.value], error_messages={"invalid_choice": _LIMIT}
    )
    product = serializers.ChoiceField(
        [Product.CNC.value], error_messages={"invalid_choice": _DELIVERY}
    )
    price = PlainNumber()


# ------------------------------------------------------------------------------- what goes out


class TriggerIdData(serializers.Serializer[Any]):
    """The answer to every write."""

    trigger_id = serializers.IntegerField()


class OrderResultData(serializers.Serializer[Any]):
    """What came of placing; `order_id` is empty where nothing was stored."""

    status = serializers.ChoiceField(["success", "failed"])
    order_id = serializers.CharField(allow_blank=True)
    rejection_reason = serializers.CharField(allow_blank=True)


class LegResultData(serializers.Serializer[Any]):
    """The order that a leg has placed."""

    account_id = serializers.CharField()
    exchange = serializers.CharField()
    tradingsymbol = serializers.CharField()
    validity = serializers.ChoiceField([TimeInForce.DAY.value])
    product = serializers.ChoiceField([Product.CNC.value])
    order_type = serializers.ChoiceField([OrderType.LIMIT.value])
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    quantity = serializers.FloatField()
    price = serializers.FloatField()
    meta = serializers.CharField(help_text="JSON as text")
    timestamp = serializers.CharField()
    triggered_at = serializers.FloatField(help_text="The price that fired it")
    order_result = OrderResultData()


class LegData(serializers.Serializer[Any]):
    """One order of a trigger; `result` is null until it was placed or refused."""

    exchange = serializers.CharField()
    tradingsymbol = serializers.CharField()
    product = serializers.ChoiceField([Product.CNC.value])
    order_type = serializers.ChoiceField([OrderType.LIMIT.value])
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    quantity = serializers.FloatField()
    price = serializers.FloatField()
    result = LegResultData(allow_null=True)


class ConditionData(serializers.Serializer[Any]):
    """What a trigger waits for; `last_price` is the market's when it was set."""

    exchange = serializers.CharField()
    last_price = serializers.FloatField()
    tradingsymbol = serializers.CharField()
    trigger_values = serializers.ListField(child=serializers.FloatField())
    instrument_token = serializers.IntegerField()


class TriggerData(serializers.Serializer[Any]):
    """What `trigger_row` returns."""

    id = serializers.IntegerField()
    user_id = serializers.CharField()
    parent_trigger = serializers.IntegerField(allow_null=True)
    type = serializers.ChoiceField([each.value for each in GttKind])
    created_at = serializers.CharField()
    updated_at = serializers.CharField()
    expires_at = serializers.CharField()
    status = serializers.ChoiceField([each.value for each in GttStatus])
    condition = ConditionData()
    orders = LegData(many=True)
    meta = serializers.DictField(child=serializers.CharField())


def trigger_row(trigger: GttTrigger) -> dict[str, Any]:
    """Return a trigger, read with its user, instrument and legs."""
    legs = list(trigger.legs.all())
    values = Levels(trigger.fire_below, trigger.fire_above).values
    reasons = [leg.rejection_reason for leg in legs if leg.rejection_reason]
    return {
        "id": trigger.pk,
        "user_id": trigger.user.public_id,
        "parent_trigger": None,
        "type": trigger.kind,
        "created_at": wire_time(trigger.created_at),
        "updated_at": wire_time(trigger.updated_at),
        "expires_at": wire_time(trigger.expires_at),
        "status": trigger.status,
        "condition": {
            "exchange": trigger.instrument.exchange,
            "last_price": number(trigger.last_price),
            "tradingsymbol": trigger.instrument.tradingsymbol,
            "trigger_values": [number(value) for value in values],
            "instrument_token": trigger.instrument_id,
        },
        "orders": [_leg_row(trigger, leg) for leg in legs],
        "meta": {"rejection_reason": reasons[0]} if reasons else {},
    }


def _leg_row(trigger: GttTrigger, leg: GttLeg) -> dict[str, Any]:
    terms = {
        "exchange": trigger.instrument.exchange,
        "tradingsymbol": trigger.instrument.tradingsymbol,
        "product": trigger.product,
        "order_type": OrderType.LIMIT.value,
        "transaction_type": trigger.side,
        "quantity": number(leg.quantity),
        "price": number(leg.price),
    }
    return {**terms, "result": _result(trigger, leg, terms) if leg.result else None}


def _result(trigger: GttTrigger, leg: GttLeg, terms: dict[str, Any]) -> dict[str, Any]:
    app = {} if trigger.api_app_id is None else {"app_id": trigger.api_app_id}
    return {
        "account_id": trigger.user.public_id,
        **terms,
        "validity": TimeInForce.DAY.value,
        # A text, as Kite has it.
        "meta": json.dumps({**app, "gtt": trigger.pk}, separators=(",", ":")),
        "timestamp": wire_time(leg.placed_at),
        "triggered_at": number(leg.met_price),
        "order_result": {
            "status": leg.result,
            "order_id": "" if leg.order_id is None else str(leg.order_id),
            "rejection_reason": leg.rejection_reason,
        },
    }
