"""Bots as programs read them: our own addresses, so decimals are texts and exact (bots.md 1.1)."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from rest_framework import serializers

from bots.domain.enums import BotStatus
from bots.domain.parameters import json_schema
from bots.domain.strategy import Strategy
from bots.models import Bot
from bots.registry import KINDS
from market.domain.enums import AccountMode
from market.domain.formatting import plain

Shape = serializers.Serializer[Any]
_KIND = serializers.ChoiceField(sorted(KINDS))


class KindData(Shape):
    """A kind of bot and what it is set up with."""

    kind = serializers.CharField()
    title = serializers.CharField()
    parameters = serializers.DictField(help_text="JSON Schema of the parameters")


class BotData(Shape):
    """What `bot_row` returns."""

    bot_id = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField()
    symbol = serializers.CharField()
    instrument_token = serializers.IntegerField()
    venue_account_id = serializers.CharField()
    mode = serializers.ChoiceField([each.value for each in AccountMode])
    status = serializers.ChoiceField([each.value for each in BotStatus])
    status_code = serializers.CharField(allow_blank=True)
    status_message = serializers.CharField(allow_blank=True)
    waiting_for = serializers.CharField(allow_blank=True)
    pending = serializers.ListField(
        child=serializers.CharField(), help_text="Asked for and not carried out yet"
    )
    investment = serializers.CharField(help_text="Quote asset")
    withdrawn = serializers.CharField(help_text="Quote asset")
    parameters = serializers.DictField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)


class ProfitData(Shape):
    """Where a bot stands at the newest price; money in quote asset, `_pct` are percent."""

    bot_id = serializers.CharField()
    quote_asset = serializers.CharField()
    figures = serializers.DictField(
        allow_null=True, help_text="Null before the start, and while there is no price"
    )
    final = serializers.DictField(allow_null=True, help_text="What a stopped bot has come to")


class PreviewData(Shape):
    """What a bot would come to if it were started now."""

    kind = serializers.CharField()
    symbol = serializers.CharField()
    parameters = serializers.DictField()
    preview = serializers.DictField()


def kind_row(strategy: Strategy) -> dict[str, Any]:
    """Return a kind of bot."""
    return {
        "kind": strategy.kind,
        "title": strategy.title,
        "parameters": json_schema(strategy.parameters),
    }


def bot_row(bot: Bot, *, pending: Iterable[str] = ()) -> dict[str, Any]:
    """Return a bot. Reads its instrument and venue account: have them loaded."""
    return {
        "bot_id": str(bot.pk),
        "kind": bot.kind,
        "name": bot.name,
        "symbol": bot.instrument.symbol,
        "instrument_token": bot.instrument_id,
        "venue_account_id": str(bot.venue_account_id),
        "mode": bot.venue_account.mode,
        "status": bot.status,
        "status_code": bot.status_code,
        "status_message": bot.status_message,
        "waiting_for": bot.waiting_for,
        "pending": sorted(pending),
        "investment": plain(bot.investment),
        "withdrawn": plain(bot.withdrawn),
        "parameters": bot.config,
        "created_at": _moment(bot.created_at),
        "started_at": _moment(bot.started_at),
        "stopped_at": _moment(bot.stopped_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def flat(value: Any) -> Any:
    """Return a value of the domain as JSON has it: decimals as texts, durations in seconds."""
    if is_dataclass(value):
        return {field.name: flat(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [flat(each) for each in value]
    for kind, written in _WRITTEN.items():
        if isinstance(value, kind):
            return written(value)
    return value


_WRITTEN: dict[type, Callable[[Any], Any]] = {
    Decimal: plain,
    timedelta: lambda span: int(span.total_seconds()),
    StrEnum: str,
}
