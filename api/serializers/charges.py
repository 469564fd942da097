"""Margins and charges as Kite writes them (kite-api.md 1.5 Margins and charges).

`type` is always "equity", for crypto too: the clients know two segments and this one is traded
here. GST stands under `igst` as in Kite's samples. `var` has the whole margin: there is no other
kind of it here. Compact answers leave out what margins are made of.
"""

from typing import Any

from rest_framework import serializers

from api.wire import number
from market.domain.instruments import InstrumentSpec
from portfolio.domain.charges import NO_CHARGES, Charges
from portfolio.domain.fees import ZERO
from portfolio.domain.order_margins import BasketMargin, Priced, Wanted

_PARTS = ("span", "exposure", "option_premium", "additional", "bo", "cash", "var")


def _numbers(*names: str, **options: Any) -> dict[str, Any]:
    return {name: serializers.FloatField(**options) for name in names}


def _shape(name: str, fields: dict[str, Any]) -> type[serializers.Serializer[Any]]:
    return type(name, (serializers.Serializer,), fields)


GstData = _shape("GstData", _numbers("igst", "cgst", "sgst", "total"))
_CHARGES = ("transaction_tax", "exchange_turnover_charge", "sebi_turnover_charge", "brokerage")
ChargesData = _shape(
    "ChargesData",
    {
        **_numbers(*_CHARGES, "stamp_duty", "total"),
        "transaction_tax_type": serializers.ChoiceField(["stt", ""]),
        "gst": GstData(),
    },
)
MarginProfitData = _shape("MarginProfitData", _numbers("realised", "unrealised"))
OrderMarginData = _shape(
    "OrderMarginData",
    {
        "type": serializers.CharField(allow_blank=True),
        "tradingsymbol": serializers.CharField(allow_blank=True),
        "exchange": serializers.CharField(allow_blank=True),
        **_numbers(*_PARTS, "leverage", required=False),
        "pnl": MarginProfitData(required=False),
        "charges": ChargesData(),
        "total": serializers.FloatField(),
    },
)


class BasketMarginData(serializers.Serializer[Any]):
    """A basket's margin: what its rows need together, and what is left of it after offsets."""

    initial = OrderMarginData()
    final = OrderMarginData()
    orders = OrderMarginData(many=True)
    charges = ChargesData()


_ECHOED = ("transaction_type", "tradingsymbol", "exchange", "variety", "product", "order_type")
OrderChargesData = _shape(
    "OrderChargesData",
    {
        **{name: serializers.CharField() for name in _ECHOED},
        **_numbers("quantity", "price"),
        "charges": ChargesData(),
    },
)


def charges_row(charges: Charges, *, tax_type: str) -> dict[str, Any]:
    """Return charges item by item."""
    gst = number(charges.gst)
    return {
        "transaction_tax": number(charges.transaction_tax),
        "transaction_tax_type": tax_type,
        "exchange_turnover_charge": number(charges.exchange_turnover),
        "sebi_turnover_charge": number(charges.sebi_turnover),
        "brokerage": number(charges.brokerage),
        "stamp_duty": number(charges.stamp_duty),
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": number(charges.total),
    }


def _tax_type(spec: InstrumentSpec) -> str:
    """Return which transaction tax an instrument has; crypto has none."""
    return "stt" if spec.quote_asset == "INR" else ""


def margin_row(priced: Priced, total: Any, *, is_compact: bool) -> dict[str, Any]:
    """Return the margin of one order with its charges."""
    spec = priced.order.instrument
    charges = charges_row(priced.charges, tax_type=_tax_type(spec))
    return _margin(
        ("equity", spec.tradingsymbol, spec.exchange),
        total,
        charges=charges,
        leverage=1,
        is_compact=is_compact,
    )


def basket_row(priced: list[Priced], margin: BasketMargin, *, is_compact: bool) -> dict[str, Any]:
    """Return the margin of a basket; its sums carry no charges of their own, as at Kite."""
    rows = zip(priced, margin.rows, strict=True)
    total = sum((each.charges for each in priced), NO_CHARGES)
    tax_types = {_tax_type(each.order.instrument) for each in priced}
    return {
        "initial": _sum(margin.initial, is_compact=is_compact),
        "final": _sum(margin.final, is_compact=is_compact),
        "orders": [margin_row(each, need, is_compact=is_compact) for each, need in rows],
        "charges": charges_row(total, tax_type="stt" if "stt" in tax_types else ""),
    }


def _sum(total: Any, *, is_compact: bool) -> dict[str, Any]:
    charges = charges_row(NO_CHARGES, tax_type="")
    return _margin(("", "", ""), total, charges=charges, leverage=0, is_compact=is_compact)


def _margin(
    names: tuple[str, str, str],
    total: Any,
    *,
    charges: dict[str, Any],
    leverage: int,
    is_compact: bool,
) -> dict[str, Any]:
    kind, tradingsymbol, exchange = names
    parts = {
        **{name: number(ZERO) for name in _PARTS},
        "var": number(total),
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": leverage,
    }
    return {
        "type": kind,
        "tradingsymbol": tradingsymbol,
        "exchange": exchange,
        **({} if is_compact else parts),
        "charges": charges,
        "total": number(total),
    }


def order_charges_row(order: Wanted, charges: Charges, *, variety: str) -> dict[str, Any]:
    """Return the charges of an order that has traded at `order.price`."""
    spec = order.instrument
    return {
        "transaction_type": order.side.value,
        "tradingsymbol": spec.tradingsymbol,
        "exchange": spec.exchange,
        "variety": variety,
        "product": order.product.value,
        "order_type": order.order_type.value,
        "quantity": number(order.quantity),
        "price": number(order.price),
        "charges": charges_row(charges, tax_type=_tax_type(spec)),
    }
