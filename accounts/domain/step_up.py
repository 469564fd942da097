"""How fresh the second factor must be for an act."""

from datetime import datetime, timedelta
from enum import StrEnum

FRESH = timedelta(minutes=5)


class Strength(StrEnum):
    """What an act asks for."""

    # Showing or making secrets, addresses, live mode, limits, password, second factor.
    FRESH_FACTOR = "FRESH_FACTOR"
    # The second factor once in this session; a trusted device at its address spares it.
    SESSION_FACTOR = "SESSION_FACTOR"


def is_fresh(at: datetime | None, *, now: datetime) -> bool:
    """Say whether something shown at `at` still counts as just now (five minutes)."""
    return at is not None and now - at <= FRESH
