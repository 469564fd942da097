"""Quotes and ranges as Kite writes them (kite-api.md 1.5, Market)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.wire import integer, number, wire_time
from market.domain.cover_orders import trigger_range
from market.domain.enums import Side
from market.domain.ticks import Depth, DepthLevel, Quote
from market.models import Instrument

DEPTH_LEVELS = 5
_NO_LEVEL = DepthLevel(Decimal(0), Decimal(0), orders=0)
_NO_DEPTH = Depth(bids=(), asks=())


class LevelData(serializers.Serializer[Any]):
    """One level of a book; zeros where the book has fewer than five."""

    price = serializers.FloatField()
    quantity = serializers.IntegerField()
    orders = serializers.IntegerField()


class DepthData(serializers.Serializer[Any]):
    """The five best levels a side, best first."""

    buy = LevelData(many=True)
    sell = LevelData(many=True)


class DayPricesData(serializers.Serializer[Any]):
    """Prices of the day; `close` is that of the day before."""

    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()


class LtpData(serializers.Serializer[Any]):
    """What `ltp_of` returns."""

    instrument_token = serializers.IntegerField()
    last_price = serializers.FloatField()


class OhlcQuoteData(LtpData):
    """What `ohlc_of` returns."""

    ohlc = DayPricesData()


class QuoteData(OhlcQuoteData):
    """What `quote_of` returns."""

    timestamp = serializers.CharField()
    last_trade_time = serializers.CharField()
    last_quantity = serializers.IntegerField()
    buy_quantity = serializers.IntegerField()
    sell_quantity = serializers.IntegerField()
    volume = serializers.IntegerField()
    average_price = serializers.FloatField()
    oi = serializers.IntegerField()
    oi_day_high = serializers.IntegerField()
    oi_day_low = serializers.IntegerField()
    net_change = serializers.FloatField()
    lower_circuit_limit = serializers.FloatField(help_text="0 where there is no limit.")
    upper_circuit_limit = serializers.FloatField(help_text="0 where there is no limit.")
    depth = DepthData()


class RangeData(serializers.Serializer[Any]):
    """Where the trigger of a cover order may stand, in the quote asset, both ends included."""

    instrument_token = serializers.IntegerField()
    lower = serializers.FloatField()
    upper = serializers.FloatField()


def ltp_of(_row: Instrument, quote: Quote) -> dict[str, Any]:
    """Return the last price."""
    return {
        "instrument_token": quote.instrument_token,
        "last_price": number(quote.last_price),
    }


def ohlc_of(row: Instrument, quote: Quote) -> dict[str, Any]:
    """Return the last price and those of the day."""
    return {
        **ltp_of(row, quote),
        "ohlc": {
            "open": number(quote.open),
            "high": number(quote.high),
            "low": number(quote.low),
            "close": number(quote.previous_close),
        },
    }


def quote_of(row: Instrument, quote: Quote) -> dict[str, Any]:
    """Return the whole quote; sizes are whole numbers, fractions are cut off (decisions 33)."""
    traded_at = wire_time(quote.exchange_time)
    depth = quote.depth or _NO_DEPTH
    return {
        **ohlc_of(row, quote),
        "timestamp": traded_at,
        "last_trade_time": traded_at,
        "last_quantity": integer(quote.last_quantity),
        "buy_quantity": _total(depth.bids),
        "sell_quantity": _total(depth.asks),
        "volume": integer(quote.volume),
        "average_price": number(quote.average_price),
        # There are no derivatives with open interest here.
        "oi": 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
        "net_change": number(quote.last_price - quote.previous_close),
        "lower_circuit_limit": number(row.lower_circuit),
        "upper_circuit_limit": number(row.upper_circuit),
        "depth": {"buy": _five(depth.bids), "sell": _five(depth.asks)},
    }


def range_of(row: Instrument, quote: Quote, side: Side) -> dict[str, Any]:
    """Return where the trigger of a cover order on this side may stand."""
    lower, upper = trigger_range(side, last_price=quote.last_price, spec=row.spec)
    return {
        "instrument_token": quote.instrument_token,
        "lower": number(lower),
        "upper": number(upper),
    }


def _total(levels: Sequence[DepthLevel]) -> int:
    return integer(sum((level.quantity for level in levels), Decimal(0)))


def _five(levels: Sequence[DepthLevel]) -> list[dict[str, int | float]]:
    padded = [*levels[:DEPTH_LEVELS], *[_NO_LEVEL] * (DEPTH_LEVELS - len(levels))]
    return [
        {
            "price": number(level.price),
            "quantity": integer(level.quantity),
            "orders": level.orders,
        }
        for level in padded
    ]
