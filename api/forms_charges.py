"""What programs send to the margin and charges calculators (kite-api.md 1.5)."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from market.domain.enums import OrderType, Product, Side, Variety
from portfolio.domain.drafts import LARGEST


class _Amount(serializers.DecimalField):
    """A number as programs compute it, with whatever decimals; never NaN, never infinite."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, max_value=LARGEST, **options)


def _price(help_text: str) -> _Amount:
    return _Amount(required=False, default=Decimal(0), min_value=Decimal(0), help_text=help_text)


class _CalculatorRow(serializers.Serializer[Any]):
    """What both calculators need to know of an order."""

    exchange = serializers.CharField(max_length=12, help_text="For example NSE or BINANCE")
    tradingsymbol = serializers.CharField(max_length=60, help_text="For example ONGC or BTCUSDT")
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    variety = serializers.ChoiceField(
        [each.value for each in Variety], required=False, default=Variety.REGULAR.value
    )
    product = serializers.ChoiceField([each.value for each in Product])
    order_type = serializers.ChoiceField([each.value for each in OrderType])
    quantity = _Amount(min_value=Decimal(0), help_text="Units, a multiple of the lot")


class MarginRow(_CalculatorRow):
    """An order that is not placed yet."""

    price = _price("Quote asset per unit; LIMIT and SL, else 0")
    trigger_price = _price("Quote asset per unit; SL and SL-M, else 0")


class ChargesRow(_CalculatorRow):
    """An order that has traded, or as if it had."""

    order_id = serializers.CharField(
        required=False, max_length=40, help_text="Taken as sent, and not looked up"
    )
    average_price = _Amount(min_value=Decimal(0), help_text="Quote asset per unit")


class MarginQuery(serializers.Serializer[Any]):
    """How much to answer; one client sends the text `null` for nothing."""

    mode = serializers.ChoiceField(
        ["compact", "null"], required=False, help_text="`compact`: totals and charges only"
    )


class BasketQuery(MarginQuery):
    """Whether what is held counts; it does where nothing is said."""

    consider_positions = serializers.ChoiceField(
        ["true", "false", "True", "False"], required=False, default="true"
    )
