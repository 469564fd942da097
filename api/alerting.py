"""Alerts as programs ask for them: from a form and the JSON inside it to checked terms."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from api.inputs import checked_row, read_json
from api.serializers.alerts import NOT_OFFERED, ItemForm, ParamsForm
from api.triggers import instrument_named
from market.domain.enums import OrderType, Product, Side, TimeInForce
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.selectors import instrument_by_symbol
from portfolio.domain.alerts import MOST_ITEMS, AlertKind, Operator
from portfolio.services.alerts import AlertTerms, BasketItem

MOST_UUIDS = 100
INDICES = "INDICES"


def uuids_of(request: Request) -> list[UUID]:
    """Return the uuids of a query. None at all is refused: it must never mean all of them."""
    sent = [text for text in request.query_params.getlist("uuid") if text]
    if not 0 < len(sent) <= MOST_UUIDS:
        message = f"Send 1 to {MOST_UUIDS} times `uuid`; there are {len(sent)}."
        raise InvalidInput(message, field="uuid", code="required")
    try:
        return [UUID(text) for text in sent]
    except ValueError as error:
        message = "`uuid` must look like 550e8400-e29b-41d4-a716-446655440000."
        raise InvalidInput(message, field="uuid", code="malformed") from error


def terms_of(fields: Mapping[str, Any]) -> AlertTerms:
    """Return the terms that checked fields ask for. Raises `InvalidInput` naming the field."""
    kind = AlertKind(fields["type"])
    is_constant = fields["rhs_type"] == "constant"
    return AlertTerms(
        kind=kind,
        name=fields["name"],
        instrument=_side(fields, "lhs"),
        operator=Operator(fields["operator"]),
        constant=_needed(fields, "rhs_constant") if is_constant else None,
        other=None if is_constant else _side(fields, "rhs"),
        basket=_basket(_needed(fields, "basket")) if kind is AlertKind.ATO else (),
    )


def _needed(fields: Mapping[str, Any], name: str) -> Any:
    if name not in fields:
        raise InvalidInput(f"Missing or empty field `{name}`.", field=name, code="required")
    return fields[name]


def _side(fields: Mapping[str, Any], side: str) -> Instrument:
    exchange, symbol = (_needed(fields, f"{side}_{name}") for name in ("exchange", "tradingsymbol"))
    if exchange == INDICES:
        index = Instrument.objects.filter(segment=INDICES, tradingsymbol=symbol).first()
        # Indices stand under their exchange with us; alerts know them by one of their own.
        exchange = exchange if index is None else index.exchange
    try:
        return instrument_by_symbol(f"{exchange}:{symbol}")
    except InstrumentNotFound as error:
        field = f"{side}_tradingsymbol"
        raise InvalidInput(f"`{field}`: {error}", field=field, code="unknown") from error


# -------------------------------------------------------------------------------------- basket


def _basket(text: str) -> list[BasketItem]:
    basket = read_json(text, name="basket")
    items = basket.get("items") if isinstance(basket, Mapping) else None
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        message = f"`basket.items` must be a list of 1 to {MOST_ITEMS} orders."
        raise InvalidInput(message, field="basket.items", code="rows")
    return [_item(item, f"basket.items[{number}]") for number, item in enumerate(items)]


def _item(item: Any, name: str) -> BasketItem:
    fields = checked_row(item, ItemForm, name=name)
    sent = item.get("params")
    params = checked_row(sent, ParamsForm, name=f"{name}.params")
    _refuse_not_offered(sent, f"{name}.params")
    order_type = OrderType(params["order_type"])
    return BasketItem(
        instrument=instrument_named(fields, name=name),
        side=Side(params["transaction_type"]),
        order_type=order_type,
        product=Product(params["product"]),
        quantity=params["quantity"],
        time_in_force=TimeInForce(params.get("validity", TimeInForce.DAY)),
        # Clients send zeros for the prices that the order type does not have.
        price=params.get("price") if order_type.has_price else None,
        trigger_price=params.get("trigger_price") if order_type.is_stop else None,
        disclosed_quantity=params.get("disclosed_quantity", Decimal(0)),
        market_protection=params.get("market_protection", Decimal(0)),
        tag=next(iter(params.get("tags", [])), ""),
        weight=fields.get("weight", 0),
    )


def _refuse_not_offered(sent: Mapping[str, Any], name: str) -> None:
    """Refuse what is not zero and would not be done: a stop-loss nobody sets protects nobody."""
    gtt = sent.get("gtt")
    promised = {key: sent.get(key) for key in NOT_OFFERED}
    if isinstance(gtt, Mapping):
        promised |= {f"gtt.{key}": value for key, value in gtt.items()}
    for key, value in promised.items():
        if value:
            field = f"{name}.{key}"
            message = f"`{field}` is not offered with alerts; send 0."
            raise InvalidInput(message, field=field, code="not_offered")
