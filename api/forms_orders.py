"""What programs send to place and change orders (kite-api.md 1.5 Orders)."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from api.fields import PlainNumber, WholeNumber
from market.domain.enums import OrderType, Product, Side, TimeInForce

MOST_LEGS = 50
# A day, in minutes.
LONGEST_TTL = 1440


def _price(help_text: str) -> PlainNumber:
    return PlainNumber(required=False, help_text=help_text)


class OrderChangeForm(serializers.Serializer[Any]):
    """What of an order can be changed; what is left out stays as it is."""

    quantity = PlainNumber(
        required=False, help_text="Units, those included that have traded; a multiple of the lot"
    )
    price = _price("Quote asset per unit; LIMIT and SL")
    order_type = serializers.ChoiceField([each.value for each in OrderType], required=False)
    trigger_price = _price("Quote asset per unit; SL and SL-M")
    validity = serializers.ChoiceField([each.value for each in TimeInForce], required=False)
    disclosed_quantity = PlainNumber(required=False, min_value=Decimal(0), help_text="Units")
    market_protection = PlainNumber(
        required=False,
        min_value=Decimal(-1),
        max_value=Decimal(100),
        help_text="Percent beyond the market that MARKET and SL-M may pay; -1 and 0: ours",
    )
    parent_order_id = serializers.CharField(required=False, max_length=20)


class OrderForm(OrderChangeForm):
    """An order to place."""

    exchange = serializers.CharField(max_length=12, help_text="For example NSE or BINANCE")
    tradingsymbol = serializers.CharField(max_length=60, help_text="For example ONGC or BTCUSDT")
    transaction_type = serializers.ChoiceField([each.value for each in Side])
    quantity = PlainNumber(help_text="Units, a multiple of the lot")
    product = serializers.ChoiceField([each.value for each in Product])
    order_type = serializers.ChoiceField([each.value for each in OrderType])
    validity_ttl = WholeNumber(
        required=False, min_value=0, max_value=LONGEST_TTL, help_text="Minutes, with validity TTL"
    )
    iceberg_legs = WholeNumber(
        required=False, min_value=2, max_value=MOST_LEGS, help_text="Variety iceberg"
    )
    iceberg_quantity = PlainNumber(required=False, help_text="Units of each leg; variety iceberg")
    auction_number = serializers.CharField(required=False, max_length=20)
    autoslice = serializers.BooleanField(
        required=False, help_text="Cut what is above the exchange's largest order into several"
    )
    algo_id = serializers.CharField(required=False, max_length=60)
    # Mock orders of Kite carry blanks in their tags; a colon is ours alone (`bot:7`).
    tag = serializers.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9 ]{0,19}\Z",
        required=False,
        help_text="At most 20 letters and digits, to find the order again",
    )
    client_order_id = serializers.RegexField(
        r"^[\x21-\x7e]{1,64}\Z",
        required=False,
        help_text="Your own id: the same one again gives the same order. FinByte only.",
    )
