"""The published limits as /user/limits writes them."""

from typing import Any

from rest_framework import serializers

from api.budgets import Rate, Span
from api.throttles import WindowState
from portfolio.selectors.send_rates import SendRate


class RateData(serializers.Serializer[Any]):
    """What `rate_row` returns."""

    budget = serializers.ChoiceField([each.value for each in Rate])
    window = serializers.ChoiceField([each.value for each in Span])
    limit = serializers.IntegerField(min_value=1)
    remaining = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="null while it cannot be counted"
    )


class TickerLimitData(serializers.Serializer[Any]):
    """Limits of sockets."""

    connections = serializers.IntegerField(help_text="Of one api_key at once")
    instruments_per_connection = serializers.IntegerField()


class OrderLimitData(serializers.Serializer[Any]):
    """Limits of orders beside their rates."""

    modifications_per_order = serializers.IntegerField()
    iceberg_legs = serializers.IntegerField()
    autoslice_orders = serializers.IntegerField()
    active_gtts_per_account = serializers.IntegerField()
    enabled_alerts = serializers.IntegerField()


class CallLimitData(serializers.Serializer[Any]):
    """How much one call may ask for."""

    quote_instruments = serializers.IntegerField()
    ohlc_instruments = serializers.IntegerField()
    ltp_instruments = serializers.IntegerField()
    rows = serializers.IntegerField(help_text="Of a JSON list")
    body_bytes = serializers.IntegerField()
    url_bytes = serializers.IntegerField()


class IdempotencyLimitData(serializers.Serializer[Any]):
    """How the header Idempotency-Key is kept."""

    key_length = serializers.IntegerField()
    kept_hours = serializers.IntegerField(help_text="With orders it is kept for ever")


class AccountRateData(serializers.Serializer[Any]):
    """What `account_row` returns."""

    account_id = serializers.IntegerField()
    name = serializers.CharField()
    venue = serializers.CharField()
    asset = serializers.CharField()
    sends_per_second = serializers.IntegerField(
        allow_null=True, help_text="null: the venue sets no limit"
    )
    sent_last_minute = serializers.IntegerField(help_text="By programs, bots and people together")


class LimitsData(serializers.Serializer[Any]):
    """The published limits of an api_key, and what is left."""

    rates = RateData(many=True)
    ticker = TickerLimitData()
    orders = OrderLimitData()
    calls = CallLimitData()
    candle_days = serializers.DictField(
        child=serializers.IntegerField(), help_text="Days of candles in one call, by interval"
    )
    idempotency = IdempotencyLimitData()
    accounts = AccountRateData(many=True)


def rate_row(rate: Rate, state: WindowState, *, is_known: bool) -> dict[str, Any]:
    """Return one limit and what is left of it."""
    return {
        "budget": rate.value,
        "window": state.window.span.value,
        "limit": state.window.limit,
        "remaining": state.remaining if is_known else None,
    }


def account_row(rate: SendRate) -> dict[str, Any]:
    """Return one venue account; no venue that there is sets a limit."""
    return {
        "account_id": rate.account_id,
        "name": rate.name,
        "venue": rate.venue,
        "asset": rate.asset,
        "sends_per_second": None,
        "sent_last_minute": rate.sent_last_minute,
    }
