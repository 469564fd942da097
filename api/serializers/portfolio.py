"""Positions, holdings and money as Kite writes them (kite-api.md 1.5 Portfolio, User)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.wire import number
from market.domain.enums import Product
from market.selectors_prices import Mark
from portfolio.domain.day_positions import DayPosition, Flow
from portfolio.selectors.api_portfolio import ProductPosition, Purse

ZERO = Decimal(0)
_HUNDRED = Decimal(100)
Marks = Mapping[int, Mark]
_NO_MARK = Mark(ZERO, ZERO)
# Kite's segments, and what they are in: rupees. Commodities are not traded here.
SEGMENT_ASSETS = {"equity": "INR", "commodity": "", "crypto": "USDT"}


def _numbers(*names: str) -> dict[str, Any]:
    return {name: serializers.FloatField() for name in names}


def _shape(name: str, fields: dict[str, Any]) -> type[serializers.Serializer[Any]]:
    return type(name, (serializers.Serializer,), fields)


_PLACE = ("tradingsymbol", "exchange", "product")
PositionData = _shape(
    "PositionData",
    {
        **{name: serializers.CharField() for name in _PLACE},
        "instrument_token": serializers.IntegerField(),
        "multiplier": serializers.IntegerField(),
        **_numbers(
            *("quantity", "overnight_quantity", "average_price", "close_price", "last_price"),
            *("value", "pnl", "m2m", "unrealised", "realised", "buy_quantity", "buy_price"),
            *("buy_value", "buy_m2m", "sell_quantity", "sell_price", "sell_value", "sell_m2m"),
            *("day_buy_quantity", "day_buy_price", "day_buy_value", "day_sell_quantity"),
            *("day_sell_price", "day_sell_value"),
        ),
    },
)


class PositionsData(serializers.Serializer[Any]):
    """All of the day: `net` with what was carried over, `day` without."""

    net = PositionData(many=True)
    day = PositionData(many=True)


MtfData = _shape(
    "MtfData", _numbers("quantity", "used_quantity", "average_price", "value", "initial_margin")
)
HoldingData = _shape(
    "HoldingData",
    {
        **{name: serializers.CharField() for name in _PLACE},
        **{name: serializers.CharField(allow_blank=True) for name in ("isin", "collateral_type")},
        "instrument_token": serializers.IntegerField(),
        "authorised_date": serializers.CharField(),
        "authorisation": serializers.DictField(),
        "discrepancy": serializers.BooleanField(),
        "mtf": MtfData(),
        **_numbers(
            *("price", "quantity", "used_quantity", "t1_quantity", "realised_quantity"),
            *("authorised_quantity", "opening_quantity", "short_quantity", "collateral_quantity"),
            *("average_price", "last_price", "close_price", "pnl", "day_change"),
            "day_change_percentage",
        ),
    },
)
CompactHoldingData = _shape(
    "CompactHoldingData",
    {
        "exchange": serializers.CharField(),
        "tradingsymbol": serializers.CharField(),
        "instrument_token": serializers.IntegerField(),
        **_numbers("t1_quantity", "quantity"),
    },
)
SummaryData = _shape(
    "SummaryData",
    _numbers(
        *("total_pnl", "total_pnl_percent", "today_pnl", "today_pnl_percent"),
        *("invested_amount", "current_value"),
    ),
)
_AVAILABLE = (
    *("adhoc_margin", "cash", "opening_balance", "live_balance", "collateral"),
    "intraday_payin",
)
_UTILISED = (
    *("debits", "exposure", "m2m_realised", "m2m_unrealised", "option_premium", "payout", "span"),
    *("holding_sales", "turnover", "liquid_collateral", "stock_collateral", "delivery"),
)
MarginData = _shape(
    "MarginData",
    {
        "enabled": serializers.BooleanField(),
        "net": serializers.FloatField(),
        "available": _shape("AvailableData", _numbers(*_AVAILABLE))(),
        "utilised": _shape("UtilisedData", _numbers(*_UTILISED))(),
    },
)
MarginsData = _shape("MarginsData", {name: MarginData() for name in SEGMENT_ASSETS})


# ------------------------------------------------------------------ positions


def positions_of(rows: Iterable[ProductPosition], marks: Marks) -> dict[str, Any]:
    """Return `net` and `day`. Units of CNC carried over are holdings and no positions."""
    net, day = [], []
    for row in rows:
        mark = marks.get(row.instrument.pk, _NO_MARK)
        todays = row.position.of_the_day()
        is_traded = row.position.day != Flow()
        shown = todays if row.product is Product.CNC else row.position
        if is_traded or shown.quantity:
            net.append(_position(row, shown, mark))
        if is_traded:
            day.append(_position(row, todays, mark))
    return {"net": net, "day": day}


def _position(row: ProductPosition, position: DayPosition, mark: Mark) -> dict[str, Any]:
    total, marked = position.total, position.marked(mark.close)
    worth = position.quantity * mark.last
    value = total.sell_value - total.buy_value
    pnl = value + worth
    return {
        "tradingsymbol": row.instrument.tradingsymbol,
        "exchange": row.instrument.exchange,
        "instrument_token": row.instrument.pk,
        "product": row.product.value,
        "quantity": number(position.quantity),
        "overnight_quantity": number(position.opening_quantity),
        "multiplier": 1,
        "average_price": number(position.average_price()),
        "close_price": number(mark.close),
        "last_price": number(mark.last),
        "value": number(value),
        "pnl": number(pnl),
        "m2m": number(marked.sell_value - marked.buy_value + worth),
        "unrealised": number(pnl),
        "realised": 0,
        **_flow(total, prefix=""),
        "buy_m2m": number(marked.buy_value),
        "sell_m2m": number(marked.sell_value),
        **_flow(position.day, prefix="day_"),
    }


def _flow(flow: Flow, *, prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}buy_quantity": number(flow.buy_quantity),
        f"{prefix}buy_price": number(flow.buy_price),
        f"{prefix}buy_value": number(flow.buy_value),
        f"{prefix}sell_quantity": number(flow.sell_quantity),
        f"{prefix}sell_price": number(flow.sell_price),
        f"{prefix}sell_value": number(flow.sell_value),
    }


# ------------------------------------------------------------------ holdings


def holding_rows(rows: Iterable[ProductPosition]) -> list[ProductPosition]:
    """Return what was carried into the day for delivery and is not all sold again."""
    return [
        row
        for row in rows
        if row.product is Product.CNC and row.position.opening_quantity > 0 and _left(row) > 0
    ]


def _used(row: ProductPosition) -> Decimal:
    """Return the units sold today out of those carried over: beyond what today has bought."""
    todays = row.position.of_the_day().quantity
    return min(max(-todays, ZERO), row.position.opening_quantity)


def _left(row: ProductPosition) -> Decimal:
    return row.position.opening_quantity - _used(row)


def holding_of(row: ProductPosition, marks: Marks, *, day: str) -> dict[str, Any]:
    """Return one holding; `day` is when it became one, as the wire writes it."""
    mark, position = marks.get(row.instrument.pk, _NO_MARK), row.position
    left, change = _left(row), mark.last - mark.close
    return {
        "tradingsymbol": row.instrument.tradingsymbol,
        "exchange": row.instrument.exchange,
        "instrument_token": row.instrument.pk,
        "isin": "",
        "product": row.product.value,
        "price": 0,
        "quantity": number(left),
        "used_quantity": number(_used(row)),
        "t1_quantity": 0,
        "realised_quantity": number(left),
        "authorised_quantity": 0,
        "authorised_date": day,
        "authorisation": {},
        "opening_quantity": number(position.opening_quantity),
        "short_quantity": 0,
        "collateral_quantity": 0,
        "collateral_type": "",
        "discrepancy": False,
        "average_price": number(position.opening_price),
        "last_price": number(mark.last),
        "close_price": number(mark.close),
        "pnl": number((mark.last - position.opening_price) * left),
        "day_change": number(change),
        "day_change_percentage": number(_percent(change, mark.close)),
        "mtf": dict.fromkeys(MtfData().fields, 0),
    }


def compact_holding_of(row: ProductPosition) -> dict[str, Any]:
    """Return one holding without its worth."""
    return {
        "exchange": row.instrument.exchange,
        "tradingsymbol": row.instrument.tradingsymbol,
        "instrument_token": row.instrument.pk,
        "t1_quantity": 0,
        "quantity": number(_left(row)),
    }


def summary_of(rows: Iterable[ProductPosition], marks: Marks) -> dict[str, Any]:
    """Return what holdings in rupees have cost and are worth: currencies are never added up."""
    invested = worth = before = ZERO
    for row in rows:
        if row.instrument.quote_asset != "INR":
            continue
        mark, left = marks.get(row.instrument.pk, _NO_MARK), _left(row)
        invested += row.position.opening_price * left
        worth += mark.last * left
        before += mark.close * left
    return {
        "total_pnl": number(worth - invested),
        "total_pnl_percent": number(_percent(worth - invested, invested)),
        "today_pnl": number(worth - before),
        "today_pnl_percent": number(_percent(worth - before, before)),
        "invested_amount": number(invested),
        "current_value": number(worth),
    }


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole * _HUNDRED if whole else ZERO


# ------------------------------------------------------------------ money


def margin_of(purse: Purse | None, *, gains: Decimal) -> dict[str, Any]:
    """Return one segment's money; all zero and not enabled where there is no account of it.

    `net` is what an order can spend. Debits are what is not free: held for open orders
    (exposure), kept against shorts (span), and given to bots. `gains` are those of the day's
    intraday positions, at the newest prices.
    """
    one = purse or Purse()
    return {
        "enabled": purse is not None,
        "net": number(one.free),
        "available": {
            **dict.fromkeys(_AVAILABLE, 0),
            "cash": number(one.cash),
            "opening_balance": number(one.cash - one.change),
            "live_balance": number(one.free),
        },
        "utilised": {
            **dict.fromkeys(_UTILISED, 0),
            "debits": number(one.cash - one.free),
            "exposure": number(one.held),
            "m2m_unrealised": number(gains),
            "span": number(one.collateral),
        },
    }


def gains_by_asset(rows: Iterable[ProductPosition], marks: Marks) -> dict[str, Decimal]:
    """Return what the day's intraday positions have earned, by quote asset."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row.product is not Product.MIS:
            continue
        mark, position = marks.get(row.instrument.pk, _NO_MARK), row.position
        marked = position.marked(mark.close)
        gain = marked.sell_value - marked.buy_value + position.quantity * mark.last
        asset = row.instrument.quote_asset
        sums[asset] = sums.get(asset, ZERO) + gain
    return sums
