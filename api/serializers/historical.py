"""What a question for candles takes and what it answers (kite-api.md 1.8)."""

import re
from datetime import UTC, datetime
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.wire import candle_time, integer, number
from market.domain.candles import CandleBar
from market.selectors import History

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2}| [0-9]{2}:?[0-9]{2})?)?"
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_DAY_END = "23:59:59"


@extend_schema_field(
    {"type": "string", "pattern": f"^{_MOMENT.pattern}$", "example": "2026-11-20 09:15:00"}
)
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A time in India, to the second; a bare date is the beginning or the end of its day.

    An explicit offset or `Z` behind it is an extension of ours; a plus sign may have come as the
    space that it stands for in an address.
    """

    default_error_messages = {
        "unreadable": "Write yyyy-mm-dd HH:MM:SS or yyyy-mm-dd, in Indian time, or with an offset"
        " behind it like +00:00 or Z."
    }

    def __init__(self, *, ends_day: bool = False, **named: Any) -> None:
        super().__init__(**named)
        self._clock = _DAY_END if ends_day else "00:00:00"

    def to_internal_value(self, data: str) -> datetime:
        """Read the text."""
        found = _MOMENT.fullmatch(str(data).strip())
        if found is None:
            self.fail("unreadable")
        day, clock, offset = found.groups()
        zone = "+05:30" if offset is None else offset.replace(" ", "+")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock or self._clock}{zone}")
        except ValueError:
            self.fail("unreadable")
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            self.fail("unreadable")
        return moment.astimezone(UTC)


class HistoricalQuery(serializers.Serializer[Any]):
    """The span, both ends included, and what else is wanted."""

    continuous = serializers.BooleanField(
        default=False,
        help_text="Taken and without effect: there are no expired contracts to join.",
    )
    oi = serializers.BooleanField(
        default=False, help_text="1 adds the open interest as a seventh element; it is 0 here."
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the two that have a word of Python as their name."""
        first = "The first bar begins at or after this."
        last = "The last bar begins at or before this; it may still be open."
        return {
            "from": MomentField(help_text=first),
            "to": MomentField(ends_day=True, help_text=last),
            **super().get_fields(),
        }


@extend_schema_field(
    {
        "type": "array",
        "minItems": 6,
        "maxItems": 7,
        "prefixItems": [
            {"type": "string", "example": "2026-11-20T09:15:00+0530"},
            *[{"type": "number"}] * 4,
            *[{"type": "integer"}] * 2,
        ],
        "items": False,
        "example": ["2026-11-20T09:15:00+0530", 262.05, 262.4, 261.9, 262.1, 15200],
    }
)
class CandleField(serializers.ListField):
    """Start of the bar, open, high, low, close, volume and, when asked for, open interest."""


class CandlesData(serializers.Serializer[Any]):
    """Bars, oldest first."""

    candles = serializers.ListField(child=CandleField())


def candles_of(found: History, *, has_oi: bool) -> dict[str, Any]:
    """Return bars as rows; most of them are written already."""
    last = [orjson.dumps(_row(bar, has_oi=has_oi)).decode() for bar in found.bars]
    parts = [found.lines, *last] if found.lines else last
    return {"candles": orjson.Fragment(f"[{','.join(parts)}]")}


def _row(bar: CandleBar, *, has_oi: bool) -> list[Any]:
    prices = (number(price) for price in (bar.open, bar.high, bar.low, bar.close))
    return [candle_time(bar.time), *prices, integer(bar.volume), *([0] if has_oi else [])]
