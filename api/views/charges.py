"""What orders would need and cost (kite-api.md 1.5 Margins and charges)."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from accounts.exceptions import InvalidInput
from api import examples
from api import forms_charges as forms
from api.envelope import success
from api.inputs import read_query, read_rows
from api.schema import documented
from api.serializers import charges as wire
from api.views.base import ApiView
from api.writes import session_of
from market.domain.enums import OrderType, Product, Side
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from market.selectors import instruments_named
from market.streams import connect, read_quotes
from portfolio.domain.drafts import find_size_defect
from portfolio.domain.fees import ZERO, to_ledger
from portfolio.domain.order_margins import Wanted
from portfolio.selectors.order_margins import basket_of, charges_of, margins_of

_TAG = "Margins"
_LIMITED = frozenset({OrderType.LIMIT, OrderType.SL})
_STOPS = frozenset({OrderType.SL, OrderType.SL_M})


class _Calculator(ApiView):
    """A calculator: takes a JSON list of orders and places none of them."""

    parser_classes = [JSONParser]


class OrderMargins(_Calculator):
    """POST /margins/orders."""

    @documented(
        "What each order would need and cost by itself",
        data=wire.OrderMarginData(many=True),
        rows=forms.MarginRow,
        examples=examples.MARGINS,
        query=forms.MarginQuery,
        errors=(400, 503),
        tag=_TAG,
    )
    def post(self, request: Request) -> HttpResponse:
        """Return the margin and the charges of each order, positions considered."""
        is_compact = _is_compact(read_query(request, forms.MarginQuery))
        orders = _wanted(read_rows(request, forms.MarginRow))
        user, now = session_of(request).user, timezone.now()
        found = margins_of(user, orders, quotes=_quotes(orders), now=now)
        return success(
            [wire.margin_row(priced, need, is_compact=is_compact) for priced, need in found]
        )


class BasketMargins(_Calculator):
    """POST /margins/basket."""

    @documented(
        "What orders would need and cost together",
        data=wire.BasketMarginData,
        rows=forms.MarginRow,
        examples=examples.MARGINS,
        query=forms.BasketQuery,
        errors=(400, 503),
        tag=_TAG,
    )
    def post(self, request: Request) -> HttpResponse:
        """Return the margin of the orders together, without and with offsets."""
        query = read_query(request, forms.BasketQuery)
        orders = _wanted(read_rows(request, forms.MarginRow))
        priced, margin = basket_of(
            session_of(request).user,
            orders,
            quotes=_quotes(orders),
            considers_held=query["consider_positions"].lower() == "true",
            now=timezone.now(),
        )
        return success(wire.basket_row(priced, margin, is_compact=_is_compact(query)))


class OrderCharges(_Calculator):
    """POST /charges/orders."""

    @documented(
        "What orders that have traded cost, item by item",
        data=wire.OrderChargesData(many=True),
        rows=forms.ChargesRow,
        examples=examples.CHARGES,
        errors=(400,),
        tag=_TAG,
    )
    def post(self, request: Request) -> HttpResponse:
        """Return a virtual contract note of the orders, by the rates of now."""
        rows = read_rows(request, forms.ChargesRow)
        orders = _wanted(rows)
        found = charges_of(session_of(request).user, orders, now=timezone.now())
        told = zip(orders, found, rows, strict=True)
        return success(
            [
                wire.order_charges_row(order, charges, variety=row["variety"])
                for order, charges, row in told
            ]
        )


def _is_compact(query: dict[str, Any]) -> bool:
    return query.get("mode") == "compact"


def _quotes(orders: list[Wanted]) -> dict[int, Quote]:
    return read_quotes(connect(), {order.instrument.instrument_token for order in orders})


def _wanted(rows: list[dict[str, Any]]) -> list[Wanted]:
    """Return the orders of rows. Raises `InvalidInput` naming row and field."""
    names = [f"{row['exchange']}:{row['tradingsymbol']}" for row in rows]
    instruments = {name: each.spec for name, each in instruments_named(names).items()}
    orders = []
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        spec = instruments.get(name)
        if spec is None:
            words = f"There is no instrument {name!r}"
            raise _wrong(index, "tradingsymbol", words, code="unknown")
        orders.append(_order(index, row, spec))
    return orders


def _order(index: int, row: dict[str, Any], spec: InstrumentSpec) -> Wanted:
    order = Wanted(
        instrument=spec,
        side=Side(row["transaction_type"]),
        order_type=OrderType(row["order_type"]),
        product=Product(row["product"]),
        quantity=row["quantity"],
        price=to_ledger(row.get("average_price", row.get("price", ZERO))),
        trigger_price=to_ledger(row.get("trigger_price", ZERO)),
    )
    defect = find_size_defect(order.draft)
    if defect is not None:
        raise _wrong(index, defect.field, defect.message, code=defect.code)
    if "average_price" not in row:
        _refuse_missing_price(index, order)
    return order


def _refuse_missing_price(index: int, order: Wanted) -> None:
    needed = (("price", order.price, _LIMITED), ("trigger_price", order.trigger_price, _STOPS))
    for field, value, types in needed:
        if order.order_type in types and not value:
            words = f"A {order.order_type} order needs a {field.replace('_', ' ')}"
            raise _wrong(index, field, words, code="required")


def _wrong(index: int, field: str, words: str, *, code: str) -> InvalidInput:
    name = f"body[{index}].{field}"
    return InvalidInput(f"`{name}`: {words}.", field=name, code=code)
