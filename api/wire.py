"""Numbers and times as Kite's clients read them (kite-api.md section 0, rules 5 to 7)."""

from datetime import datetime
from decimal import Decimal

from market.domain.calendars import IST


def number(value: Decimal | None) -> int | float:
    """Return a JSON number: whole where it is whole, for clients that refuse 1.0 as an integer."""
    if value is None:
        return 0
    return int(value) if value == value.to_integral_value() else float(value)


def optional_number(value: Decimal | None) -> int | float | None:
    """Return a JSON number, or null where there is none."""
    return None if value is None else number(value)


def integer(value: Decimal | None) -> int:
    """Return a whole number; what a whole-number field cannot hold is cut off (decisions 33)."""
    return 0 if value is None else int(value)


def wire_time(moment: datetime | None) -> str | None:
    """Return `yyyy-mm-dd HH:MM:SS` in India, 19 characters; null where there is none."""
    return None if moment is None else f"{moment.astimezone(IST):%Y-%m-%d %H:%M:%S}"


def candle_time(moment: datetime) -> str:
    """Return `yyyy-mm-ddTHH:MM:SS+0530`: Go's client refuses a colon in the offset."""
    return f"{moment.astimezone(IST):%Y-%m-%dT%H:%M:%S}+0530"
