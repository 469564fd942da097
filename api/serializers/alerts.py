"""Alerts as Kite writes them (kite-api.md 1.5 Alerts)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.fields import PlainNumber, WholeNumber
from api.wire import integer, number, wire_time
from market.domain.enums import OrderType, Product, Side, TimeInForce
from portfolio.domain.alerts import AlertKind, AlertStatus, Operator
from portfolio.domain.drafts import LARGEST
from portfolio.models import Alert, AlertEvent
from portfolio.services.alerts_pass import exchange_of

ATTRIBUTE = "LastTradedPrice"
_RHS = ("constant", "instrument")
_NONE = Decimal(0)
# Clients send these with zeros; anything else would be a promise that nobody keeps.
NOT_OFFERED = ("squareoff", "stoploss", "trailing_stoploss", "iceberg_legs", "validity_ttl")


# ------------------------------------------------------------------------------- what comes in


class AlertForm(serializers.Serializer[Any]):
    """An alert to set."""

    name = serializers.RegexField(r"^[^\x00-\x1f\x7f]{1,100}\Z", help_text="At most 100 characters")
    type = serializers.ChoiceField([each.value for each in AlertKind])
    lhs_exchange = serializers.CharField(max_length=12, help_text="INDICES for an index")
    lhs_tradingsymbol = serializers.CharField(max_length=60)
    lhs_attribute = serializers.ChoiceField([ATTRIBUTE])
    operator = serializers.ChoiceField([each.value for each in Operator])
    rhs_type = serializers.ChoiceField(_RHS)
    rhs_constant = PlainNumber(
        required=False, min_value=_NONE, max_value=LARGEST, help_text="With rhs_type constant"
    )
    rhs_exchange = serializers.CharField(
        required=False, max_length=12, help_text="With rhs_type instrument"
    )
    rhs_tradingsymbol = serializers.CharField(required=False, max_length=60)
    rhs_attribute = serializers.ChoiceField([ATTRIBUTE], required=False)
    basket = serializers.CharField(
        required=False,
        max_length=100_000,
        help_text="JSON with `items`, at most 20 orders to place; with type ato",
    )


class AlertChangeForm(AlertForm):
    """What an alert is to be; it begins anew."""

    status = serializers.ChoiceField(
        [AlertStatus.ENABLED.value, AlertStatus.DISABLED.value], required=False
    )


class ItemForm(serializers.Serializer[Any]):
    """One row of a basket's `items`."""

    exchange = serializers.CharField(max_length=12)
    tradingsymbol = serializers.CharField(max_length=60)
    weight = WholeNumber(required=False, min_value=0, max_value=1_000_000)


class ParamsForm(serializers.Serializer[Any]):
    """The order of an item, regular and in CNC."""

    transaction_type = serializers.ChoiceField([each.value for each in Side])
    product = serializers.ChoiceField([Product.CNC.value])
    order_type = serializers.ChoiceField([each.value for each in OrderType])
    variety = serializers.ChoiceField(["regular"], required=False)
    validity = serializers.ChoiceField(
        [TimeInForce.DAY.value, TimeInForce.IOC.value], required=False
    )
    quantity = PlainNumber()
    price = PlainNumber(required=False, min_value=_NONE)
    trigger_price = PlainNumber(required=False, min_value=_NONE)
    disclosed_quantity = PlainNumber(required=False, min_value=_NONE)
    market_protection = PlainNumber(required=False, min_value=Decimal(-1), max_value=Decimal(100))
    tags = serializers.ListField(
        required=False,
        max_length=1,
        child=serializers.RegexField(r"^[A-Za-z0-9][A-Za-z0-9 ]{0,19}\Z"),
    )


# ------------------------------------------------------------------------------- what goes out


class BasketParamsData(serializers.Serializer[Any]):
    """The order of an item."""

    validity = serializers.CharField()
    validity_ttl = serializers.IntegerField()
    variety = serializers.CharField()
    product = serializers.CharField()
    order_type = serializers.CharField()
    transaction_type = serializers.CharField()
    quantity = serializers.FloatField()
    disclosed_quantity = serializers.FloatField()
    price = serializers.FloatField()
    trigger_price = serializers.FloatField()
    market_protection = serializers.FloatField()
    squareoff = serializers.FloatField()
    stoploss = serializers.FloatField()
    trailing_stoploss = serializers.FloatField()
    gtt = serializers.DictField(child=serializers.FloatField())
    tags = serializers.ListField(child=serializers.CharField())


class BasketItemData(serializers.Serializer[Any]):
    """One order of a basket."""

    id = serializers.IntegerField()
    tradingsymbol = serializers.CharField()
    exchange = serializers.CharField()
    instrument_token = serializers.IntegerField()
    weight = WholeNumber()
    params = BasketParamsData()


class BasketData(serializers.Serializer[Any]):
    """The orders that an alert places."""

    items = BasketItemData(many=True)


class AlertData(serializers.Serializer[Any]):
    """What `alert_row` returns."""

    type = serializers.ChoiceField([each.value for each in AlertKind])
    user_id = serializers.CharField()
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField([each.value for each in AlertStatus])
    disabled_reason = serializers.CharField(allow_blank=True)
    lhs_attribute = serializers.ChoiceField([ATTRIBUTE])
    lhs_exchange = serializers.CharField()
    lhs_tradingsymbol = serializers.CharField()
    operator = serializers.ChoiceField([each.value for each in Operator])
    rhs_type = serializers.ChoiceField(_RHS)
    rhs_attribute = serializers.CharField(allow_blank=True)
    rhs_exchange = serializers.CharField(allow_blank=True)
    rhs_tradingsymbol = serializers.CharField(allow_blank=True)
    rhs_constant = serializers.FloatField()
    alert_count = serializers.IntegerField()
    created_at = serializers.CharField()
    updated_at = serializers.CharField()
    basket = BasketData(required=False, help_text="With type ato only")


class OhlcData(serializers.Serializer[Any]):
    """The day's prices; `close` is that of the day before."""

    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()


class AlertPriceData(serializers.Serializer[Any]):
    """What was known of an instrument when the alert fired; `last_price` is what met it."""

    instrument_token = serializers.IntegerField()
    tradingsymbol = serializers.CharField()
    timestamp = serializers.CharField()
    last_price = serializers.FloatField()
    ohlc = OhlcData()
    net_change = serializers.FloatField()
    exchange = serializers.CharField()
    last_trade_time = serializers.CharField()
    last_quantity = serializers.IntegerField()
    buy_quantity = serializers.IntegerField()
    sell_quantity = serializers.IntegerField()
    volume = serializers.IntegerField()
    volume_tick = serializers.IntegerField()
    average_price = serializers.FloatField()
    oi = serializers.IntegerField()
    oi_day_high = serializers.IntegerField()
    oi_day_low = serializers.IntegerField()
    lower_circuit_limit = serializers.FloatField()
    upper_circuit_limit = serializers.FloatField()


class AlertOrderData(serializers.Serializer[Any]):
    """One order that the alert has placed, or why it has not."""

    exchange = serializers.CharField()
    tradingsymbol = serializers.CharField()
    transaction_type = serializers.CharField()
    quantity = serializers.FloatField()
    status = serializers.ChoiceField(["success", "failed"])
    order_id = serializers.CharField(allow_blank=True)
    rejection_reason = serializers.CharField(allow_blank=True)


class AlertEventData(serializers.Serializer[Any]):
    """What `event_row` returns."""

    uuid = serializers.UUIDField()
    type = serializers.ChoiceField([each.value for each in AlertKind])
    meta = AlertPriceData(many=True)
    condition = serializers.CharField()
    created_at = serializers.CharField()
    order_meta = AlertOrderData(many=True, allow_null=True)


def alert_row(alert: Alert) -> dict[str, Any]:
    """Return an alert, read with its user and instruments."""
    other = alert.other
    row: dict[str, Any] = {
        "type": alert.kind,
        "user_id": alert.user.public_id,
        "uuid": str(alert.uuid),
        "name": alert.name,
        "status": alert.status,
        "disabled_reason": alert.disabled_reason,
        "lhs_attribute": ATTRIBUTE,
        "lhs_exchange": exchange_of(alert.instrument),
        "lhs_tradingsymbol": alert.instrument.tradingsymbol,
        "operator": alert.operator,
        "rhs_type": "constant" if other is None else "instrument",
        "rhs_attribute": "" if other is None else ATTRIBUTE,
        "rhs_exchange": "" if other is None else exchange_of(other),
        "rhs_tradingsymbol": "" if other is None else other.tradingsymbol,
        "rhs_constant": number(alert.constant),
        "alert_count": alert.alert_count,
        "created_at": wire_time(alert.created_at),
        "updated_at": wire_time(alert.updated_at),
    }
    if alert.basket is not None:
        row["basket"] = {"items": [_item_row(item) for item in alert.basket["items"]]}
    return row


def _item_row(item: dict[str, Any]) -> dict[str, Any]:
    params = item["params"]
    numbers = ("quantity", "disclosed_quantity", "price", "trigger_price", "market_protection")
    return {
        **item,
        "params": {
            **params,
            **{name: number(Decimal(params[name])) for name in numbers},
            **dict.fromkeys(("squareoff", "stoploss", "trailing_stoploss"), 0),
            "validity_ttl": 0,
            "variety": "regular",
            "gtt": {"target": 0, "stoploss": 0},
        },
    }


def event_row(alert: Alert, event: AlertEvent) -> dict[str, Any]:
    """Return one time that an alert fired."""
    return {
        "uuid": str(alert.uuid),
        "type": "simple" if event.basket is None else "ato",
        "meta": [_price_row(price) for price in event.prices],
        "condition": event.condition,
        "created_at": wire_time(event.at),
        "order_meta": None if event.basket is None else _order_rows(event),
    }


def _price_row(price: dict[str, Any]) -> dict[str, Any]:
    known = {
        name: Decimal(price.get(name, "0"))
        for name in ("last_price", "open", "high", "low", "close", "average_price")
    }
    time = wire_time(datetime.fromisoformat(price["at"]))
    nothing = ("buy_quantity", "sell_quantity", "volume_tick", "oi", "oi_day_high", "oi_day_low")
    return {
        "instrument_token": price["instrument_token"],
        "tradingsymbol": price["tradingsymbol"],
        "timestamp": time,
        "last_price": number(known["last_price"]),
        "ohlc": {name: number(known[name]) for name in ("open", "high", "low", "close")},
        "net_change": number(known["last_price"] - known["close"]),
        "exchange": price["exchange"],
        "last_trade_time": time,
        "last_quantity": integer(Decimal(price.get("last_quantity", "0"))),
        "volume": integer(Decimal(price.get("volume", "0"))),
        "average_price": number(known["average_price"]),
        **dict.fromkeys(nothing, 0),
        "lower_circuit_limit": 0,
        "upper_circuit_limit": 0,
    }


def _order_rows(event: AlertEvent) -> list[dict[str, Any]]:
    items = (event.basket or {})["items"]
    return [
        {
            "exchange": item["exchange"],
            "tradingsymbol": item["tradingsymbol"],
            "transaction_type": item["params"]["transaction_type"],
            "quantity": number(Decimal(item["params"]["quantity"])),
            **result,
        }
        # Those that are still to be placed have no result yet.
        for item, result in zip(items, event.results, strict=False)
    ]
