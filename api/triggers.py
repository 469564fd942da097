"""Triggers as programs ask for them: from JSON inside a form to checked terms."""

from typing import Any

from rest_framework.request import Request

from accounts.exceptions import InvalidInput, Refused
from accounts.models import ApiSession
from api.inputs import checked_row, checked_rows, read_form, read_json
from api.placing import require_address
from api.serializers.gtt import ConditionForm, GttForm, LegForm
from market.domain.enums import Product, Side
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.selectors import instrument_by_symbol
from portfolio.domain.gtt import GttKind
from portfolio.services.gtt import GttTerms, LegTerms

_COUNTS = {GttKind.SINGLE: 1, GttKind.TWO_LEG: 2}


def require_entitled(request: Request, product: Product) -> ApiSession:
    """Return the session that may have orders of a product placed. Raises `Refused`."""
    session = require_address(request)
    if product not in session.app.products:
        raise Refused(f"The app {session.app.name} may not trade {product}.")
    return session


def terms_of(request: Request) -> GttTerms:
    """Return the terms that a form asks for. Raises `InvalidInput` naming the field."""
    fields = read_form(request, GttForm)
    condition = checked_row(
        read_json(fields["condition"], name="condition"), ConditionForm, name="condition"
    )
    kind = GttKind(fields["type"])
    _require_count(condition["trigger_values"], kind, name="condition.trigger_values")
    orders = _orders(fields["orders"], kind)
    _require_same(condition, orders)
    return GttTerms(
        kind=kind,
        instrument=instrument_named(condition, name="condition"),
        side=Side(orders[0]["transaction_type"]),
        product=Product(orders[0]["product"]),
        values=condition["trigger_values"],
        seen_price=condition["last_price"],
        legs=[LegTerms(order["quantity"], order["price"]) for order in orders],
    )


def instrument_named(fields: dict[str, Any], *, name: str) -> Instrument:
    """Return the instrument that an object called `name` speaks of. Raises `InvalidInput`."""
    try:
        return instrument_by_symbol(f"{fields['exchange']}:{fields['tradingsymbol']}")
    except InstrumentNotFound as error:
        field = f"{name}.tradingsymbol"
        raise InvalidInput(f"`{field}`: {error}", field=field, code="unknown") from error


def _orders(text: str, kind: GttKind) -> list[dict[str, Any]]:
    rows = read_json(text, name="orders")
    if not isinstance(rows, list):
        raise InvalidInput("`orders` must be a JSON list.", field="orders", code="not_a_list")
    _require_count(rows, kind, name="orders")
    return checked_rows(rows, LegForm, name="orders")


def _require_count(values: list[Any], kind: GttKind, *, name: str) -> None:
    wanted = _COUNTS[kind]
    if len(values) != wanted:
        message = f"`{name}` must have {wanted} for the type {kind}; it has {len(values)}."
        raise InvalidInput(message, field=name, code="count")


def _require_same(condition: dict[str, Any], orders: list[dict[str, Any]]) -> None:
    """Refuse orders of another instrument than the condition's, and two different sides."""
    for number, order in enumerate(orders):
        for name in ("exchange", "tradingsymbol"):
            if order[name] != condition[name]:
                field = f"orders[{number}].{name}"
                message = f"`{field}` must be that of the condition: {condition[name]}."
                raise InvalidInput(message, field=field, code="mismatch")
        if order["transaction_type"] != orders[0]["transaction_type"]:
            field = f"orders[{number}].transaction_type"
            message = f"`{field}`: both orders of a two-leg trigger buy, or both sell."
            raise InvalidInput(message, field=field, code="mismatch")
