"""Examples in the OpenAPI file: requests that a paper account with money could send as they are."""

import json
from typing import Any

from drf_spectacular.utils import OpenApiExample

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_PLACE = {"exchange": "NSE", "tradingsymbol": "ONGC"}
_ORDER = {**_PLACE, "transaction_type": "BUY", "order_type": "LIMIT", "product": "CNC"}


def _request(name: str, value: dict[str, Any], *, media_type: str = _FORM) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, media_type=media_type)


PLACED = [
    _request(
        "A limit order",
        {**_ORDER, "quantity": "10", "price": "260", "validity": "DAY", "tag": "a1"},
    ),
    _request(
        "A stop at the market",
        {
            **_ORDER,
            "transaction_type": "SELL",
            "order_type": "SL-M",
            "quantity": "5",
            "trigger_price": "240",
        },
    ),
    _request(
        "An order that minds no resending",
        {**_ORDER, "quantity": "1", "price": "259.95", "client_order_id": "scalper-000017"},
    ),
]
CHANGED = [
    _request("Another price", {"price": "259.5"}),
    _request("Another type", {"order_type": "MARKET", "quantity": "20"}),
]
CONVERTED = [
    _request(
        "To delivery",
        {
            **_PLACE,
            "transaction_type": "BUY",
            "position_type": "day",
            "quantity": "10",
            "old_product": "MIS",
            "new_product": "CNC",
        },
    )
]


def _trigger(kind: str, *levels: int) -> dict[str, str]:
    leg = {**_ORDER, "transaction_type": "SELL", "quantity": 10}
    condition = {**_PLACE, "trigger_values": list(levels), "last_price": 262}
    return {
        "type": kind,
        "condition": json.dumps(condition),
        "orders": json.dumps([{**leg, "price": level} for level in levels]),
    }


TRIGGERS = [
    _request("One trigger", _trigger("single", 240)),
    _request("Target and stop loss, one cancels the other", _trigger("two-leg", 240, 290)),
]
_ALERT = {
    "name": "ONGC is cheap",
    "type": "simple",
    "lhs_exchange": "NSE",
    "lhs_tradingsymbol": "ONGC",
    "lhs_attribute": "LastTradedPrice",
    "operator": "<=",
    "rhs_type": "constant",
    "rhs_constant": "240.5",
}
_PARAMS = {
    "transaction_type": "BUY",
    "product": "CNC",
    "order_type": "LIMIT",
    "quantity": 10,
    "price": 240,
}
ALERTS = [
    _request("A notice", _ALERT),
    _request(
        "An order at a price",
        {**_ALERT, "type": "ato", "basket": json.dumps({"items": [{**_PLACE, "params": _PARAMS}]})},
    ),
]
BOTS = [
    _request(
        "A spot grid",
        {
            "kind": "spot_grid",
            "symbol": "NSE:ONGC",
            "lower": "250",
            "upper": "270",
            "grids": "4",
            "investment": "20000",
        },
    )
]
_ROW = {**_ORDER, "variety": "regular"}
# Each is put into a list of its own.
MARGINS = [
    _request("A limit order", {**_ROW, "quantity": 10, "price": 260}, media_type=_JSON),
    _request(
        "An intraday order at the market",
        {**_ROW, "order_type": "MARKET", "product": "MIS", "quantity": 1},
        media_type=_JSON,
    ),
]
CHARGES = [
    _request(
        "An order that has traded",
        {**_ROW, "order_id": "1", "quantity": 10, "average_price": 260.05},
        media_type=_JSON,
    )
]
