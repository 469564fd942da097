"""Orders and trades as Kite writes them (kite-api.md 1.5), also for postbacks and the ticker."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from rest_framework import serializers

from api.serializers.order_standing import Standing, standing_after
from api.wire import number, wire_time
from bots.selectors import BookOwner
from market.domain.calendars import IST
from market.domain.enums import OrderStatus, OrderType, Product, Side, TimeInForce, Variety
from portfolio.domain.order_state import KITE_TEXTS, default_message, kite_status_of
from portfolio.models import Order, OrderEvent, Trade

ZERO = 0
# What of an order's `meta` has a field of its own on the wire.
_OWN_FIELDS = frozenset({"auction_number", "tags"})
# The order ended and nothing of it is left to cancel: it was refused, or never came to be.
_REFUSED = frozenset({OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.NOT_AT_VENUE})


def order_row(order: Order, standing: Standing, *, bot_id: int | None = None) -> dict[str, Any]:
    """Return an order as it stands; `bot_id` is the bot whose book it is in.

    Reads `order.user` and `order.instrument`: have them loaded.
    """
    user_id, instrument = order.user.public_id, order.instrument
    status, terms = OrderStatus(standing.status), standing.terms
    tags = _tags(order, bot_id)
    all_tags = tags + order.meta.get("tags", [])
    return {
        "account_id": user_id,
        "placed_by": user_id,
        "order_id": str(order.pk),
        "exchange_order_id": standing.venue_order_id or None,
        "parent_order_id": None if order.parent_id is None else str(order.parent_id),
        "status": kite_status_of(
            status, variety=Variety(order.variety), was_sent=standing.was_sent
        ),
        "status_message": standing.message or default_message(status) or None,
        "status_message_raw": standing.code or None,
        "order_timestamp": wire_time(standing.asked_at),
        "exchange_update_timestamp": wire_time(standing.heard_at),
        "exchange_timestamp": wire_time(standing.registered_at),
        "variety": order.variety,
        "modified": standing.is_modified,
        "exchange": instrument.exchange,
        "tradingsymbol": instrument.tradingsymbol,
        "instrument_token": order.instrument_id,
        "order_type": terms["order_type"],
        "transaction_type": order.side,
        **_validity(terms),
        "product": order.product,
        **_quantities(standing, status),
        "disclosed_quantity": number(terms["disclosed_quantity"]),
        "price": number(terms["price"]),
        "trigger_price": number(terms["trigger_price"]),
        "market_protection": number(terms["market_protection"]),
        "meta": _meta(order, terms),
        "tag": tags[0] if tags else None,
        "tags": all_tags,
        "guid": order.client_order_id,
        **_auction(order),
    }


def order_at(
    order: Order, events: Sequence[OrderEvent], n: int, *, bot_id: int | None = None
) -> dict[str, Any]:
    """Return the order's row as it stood after the first `n` of its events, first to last."""
    return order_row(order, standing_after(order, events, n), bot_id=bot_id)


def postback_of(
    row: Mapping[str, Any], *, app_id: int, api_secret: str | None, status: str | None = None
) -> dict[str, Any]:
    """Return what an app is told of an order's row (kite-api.md 1.9).

    Without a secret the checksum is empty, as on the ticker; `status` is what the event is called
    where that is not the order's state (UPDATE).
    """
    signed = f"{row['order_id']}{row['order_timestamp']}{api_secret}"
    return {
        "user_id": row["account_id"],
        "unfilled_quantity": row["pending_quantity"],
        "app_id": app_id,
        "checksum": "" if api_secret is None else sha256(signed.encode()).hexdigest(),
        **row,
        "status": status or row["status"],
    }


def trade_row(trade: Trade) -> dict[str, Any]:
    """Return a trade. Reads `trade.order` and `trade.instrument`: have them loaded."""
    order, filled_at = trade.order, trade.exchange_time
    return {
        "trade_id": trade.venue_trade_id,
        "order_id": str(order.pk),
        "exchange": trade.instrument.exchange,
        "tradingsymbol": trade.instrument.tradingsymbol,
        "instrument_token": trade.instrument_id,
        "product": order.product,
        "average_price": number(trade.price),
        "quantity": number(trade.quantity),
        "exchange_order_id": order.venue_order_id or None,
        "transaction_type": trade.side,
        "fill_timestamp": wire_time(filled_at),
        "order_timestamp": f"{order.created_at.astimezone(IST):%H:%M:%S}",
        "exchange_timestamp": wire_time(filled_at),
    }


def bot_id_of(order: Order, owners: Mapping[int, BookOwner]) -> int | None:
    """Return the bot whose book an order is in, if it is a bot's."""
    owner = owners.get(order.book_id)
    return None if owner is None else owner.bot_id


def _quantities(standing: Standing, status: OrderStatus) -> dict[str, Any]:
    """Return how much there is; what was not filled of a cancelled order is pending too (mocks)."""
    quantity, filled = standing.terms["quantity"], standing.filled_quantity
    left, average = quantity - filled, standing.filled_value / filled if filled else None
    is_cancelled = status.is_terminal and status not in _REFUSED
    return {
        "quantity": number(quantity),
        "average_price": number(average),
        "filled_quantity": number(filled),
        "pending_quantity": ZERO if status in _REFUSED else number(left),
        "cancelled_quantity": number(left) if is_cancelled else ZERO,
    }


def _validity(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validity; clients know no GTC (decisions 27)."""
    is_gtc = terms["time_in_force"] == TimeInForce.GTC
    return {
        "validity": TimeInForce.DAY.value if is_gtc else terms["time_in_force"],
        "validity_ttl": terms["validity_ttl"],
    }


def _meta(order: Order, terms: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in order.meta.items() if name not in _OWN_FIELDS}
    if terms["time_in_force"] == TimeInForce.GTC:
        meta["validity"] = TimeInForce.GTC.value
    return meta


def _auction(order: Order) -> dict[str, str]:
    """Return the field that only orders of auctions have."""
    if order.variety != Variety.AUCTION:
        return {}
    return {"auction_number": str(order.meta.get("auction_number", ""))}


def _tags(order: Order, bot_id: int | None) -> list[str]:
    tags = [] if bot_id is None else [f"bot:{bot_id}"]
    return [*tags, order.tag] if order.tag else tags


# ------------------------------------------------------------------------- as documented


class IcebergData(serializers.Serializer[Any]):
    """Where a leg of an iceberg stands."""

    leg = serializers.IntegerField()
    legs = serializers.IntegerField()
    leg_quantity = serializers.FloatField()
    total_quantity = serializers.FloatField()
    remaining_quantity = serializers.FloatField()


class CoverData(serializers.Serializer[Any]):
    """Where the stop of a cover order stands."""

    trigger_price = serializers.FloatField()


class MetaData(serializers.Serializer[Any]):
    """What only some orders have."""

    validity = serializers.ChoiceField(
        [TimeInForce.GTC.value], required=False, help_text="GTC orders show the validity DAY."
    )
    client_order_id = serializers.CharField(required=False)
    algo_id = serializers.CharField(required=False)
    iceberg = IcebergData(required=False)
    cover = CoverData(
        required=False, help_text="Of the first order; its stop has a trigger price of its own."
    )


class OrderData(serializers.Serializer[Any]):
    """What `order_row` returns."""

    account_id = serializers.CharField()
    placed_by = serializers.CharField()
    order_id = serializers.CharField()
    exchange_order_id = serializers.CharField(allow_null=True)
    parent_order_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(sorted(KITE_TEXTS))
    status_message = serializers.CharField(allow_null=True)
    status_message_raw = serializers.CharField(allow_null=True)
    order_timestamp = serializers.CharField(help_text="yyyy-mm-dd HH:MM:SS in India")
    exchange_update_timestamp = serializers.CharField(allow_null=True)
    exchange_timestamp = serializers.CharField(allow_null=True)
    variety = serializers.ChoiceField([each.value for each in Variety])
    modified = serializers.BooleanField()
    exchange = serializers.CharField()
    tradingsymbol = serializers.CharField()
    instrument_token = serializers.IntegerField()
    order_type = serializers.ChoiceField([each.value for each in OrderType])
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    validity = serializers.ChoiceField(["DAY", "IOC", "TTL"])
    validity_ttl = serializers.IntegerField(help_text="Minutes")
    product = serializers.ChoiceField([each.value for each in Product])
    quantity = serializers.FloatField()
    average_price = serializers.FloatField()
    filled_quantity = serializers.FloatField()
    pending_quantity = serializers.FloatField()
    cancelled_quantity = serializers.FloatField()
    disclosed_quantity = serializers.FloatField()
    price = serializers.FloatField()
    trigger_price = serializers.FloatField()
    market_protection = serializers.FloatField(help_text="Percent, as it was asked for")
    meta = MetaData()
    tag = serializers.CharField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    guid = serializers.CharField()
    auction_number = serializers.CharField(required=False)


class TradeData(serializers.Serializer[Any]):
    """What `trade_row` returns."""

    trade_id = serializers.CharField()
    order_id = serializers.CharField()
    exchange = serializers.CharField()
    tradingsymbol = serializers.CharField()
    instrument_token = serializers.IntegerField()
    product = serializers.ChoiceField([each.value for each in Product])
    average_price = serializers.FloatField()
    quantity = serializers.FloatField()
    exchange_order_id = serializers.CharField(allow_null=True)
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    fill_timestamp = serializers.CharField()
    order_timestamp = serializers.CharField(help_text="HH:MM:SS in India")
    exchange_timestamp = serializers.CharField()


class OrderIdData(serializers.Serializer[Any]):
    """The id of the order that was placed, changed or cancelled."""

    order_id = serializers.CharField()


class SliceErrorData(serializers.Serializer[Any]):
    """Why a slice was not placed."""

    code = serializers.IntegerField(help_text="The HTTP status it would have had by itself")
    error_type = serializers.CharField()
    message = serializers.CharField()
    data = serializers.DictField(  # type: ignore[assignment]  # the wire has this name
        child=serializers.CharField(), allow_null=True
    )


class SliceData(serializers.Serializer[Any]):
    """What came of one slice: one of the two."""

    order_id = serializers.CharField(required=False)
    error = SliceErrorData(required=False)


class PlacedData(OrderIdData):
    """The id of the order that was placed; with autoslice it is the first, and its further ones."""

    children = SliceData(many=True, required=False)
