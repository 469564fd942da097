"""How long an order lives, in market time."""

from datetime import datetime, timedelta
from decimal import Decimal

from market.domain.calendars import day_expiry
from market.domain.enums import SourceKind, TimeInForce
from market.domain.instruments import InstrumentSpec
from portfolio.domain.drafts import Defect

# A day has no more minutes.
MOST_MINUTES = 24 * 60


def expiry_of(
    time_in_force: TimeInForce,
    minutes: int,
    *,
    spec: InstrumentSpec,
    source: SourceKind,
    begins_at: datetime,
) -> datetime | None:
    """Return when an order that begins to live at a moment of market time ends (decisions 27).

    DAY ends with the day, TTL after its minutes; None has no such end.
    """
    match time_in_force:
        case TimeInForce.DAY:
            return day_expiry(spec.calendar, source, begins_at)
        case TimeInForce.TTL:
            return begins_at + timedelta(minutes=minutes)
        case TimeInForce.IOC | TimeInForce.GTC:
            return None


def validity_defect(
    time_in_force: TimeInForce,
    minutes: int,
    *,
    spec: InstrumentSpec,
    source: SourceKind | None,
    begins_at: datetime,
) -> Defect | None:
    """Refuse a TTL of less than a minute, or beyond the day; without a source beyond any day."""
    if time_in_force is not TimeInForce.TTL:
        return None
    most = MOST_MINUTES
    if source is not None:
        left = day_expiry(spec.calendar, source, begins_at) - begins_at
        most = min(most, max(int(left.total_seconds() // 60), 1))
    if 1 <= minutes <= most:
        return None
    code = "BELOW_MIN" if minutes < 1 else "ABOVE_MAX"
    message = f"Validity must be 1 to {most} minutes: the order ends with the day at the latest"
    return Defect("validity_ttl", code, message, minimum=Decimal(1), maximum=Decimal(most))
