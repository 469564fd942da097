"""What programs send to the margin and charges calculators (kite-api.md 1.5)."""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from market.domain.enums import OrderType, Product, Side, Variety
from portfolio.domain.drafts import LARGEST

_TEXT = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"
_NUMBERS: list[dict[str, Any]] = [
    {"type": "number", "minimum": 0, "maximum": int(LARGEST)},
    {"type": "string", "pattern": _TEXT},
]


@extend_schema_field({"anyOf": _NUMBERS})
class _Amount(serializers.DecimalField):
    """A number as programs compute it, with whatever decimals; never NaN, never infinite."""

    def __init__(self, **options: Any) -> None:
        options |= {"min_value": Decimal(0), "max_value": LARGEST}
        super().__init__(max_digits=None, decimal_places=None, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the number; a text must be one in plain decimals."""
        if isinstance(data, str) and not re.fullmatch(_TEXT, data):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"anyOf": [*_NUMBERS, {"type": "null"}], "default": 0})
class _Price(_Amount):
    """A price that not every type of order has."""

    def __init__(self, help_text: str) -> None:
        super().__init__(required=False, default=Decimal(0), help_text=help_text)


class _CalculatorRow(serializers.Serializer[Any]):
    """What both calculators need to know of an order."""

    exchange = serializers.CharField(max_length=12, help_text="For example NSE or BINANCE")
    tradingsymbol = serializers.CharField(max_length=60, help_text="For example ONGC or BTCUSDT")
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    variety = serializers.ChoiceField(
        [each.value for each in Variety], default=Variety.REGULAR.value, allow_null=True
    )
    product = serializers.ChoiceField([each.value for each in Product])
    order_type = serializers.ChoiceField([each.value for each in OrderType])
    quantity = _Amount(help_text="Units, a multiple of the lot")


class MarginRow(_CalculatorRow):
    """An order that is not placed yet."""

    price = _Price("Quote asset per unit; LIMIT and SL, else 0")
    trigger_price = _Price("Quote asset per unit; SL and SL-M, else 0")


class ChargesRow(_CalculatorRow):
    """An order that has traded, or as if it had."""

    order_id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="Taken as sent, and not looked up",
    )
    average_price = _Amount(help_text="Quote asset per unit")


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
