"""How long to wait after wrong second factors: 1, 2, 4 seconds and so on, up to an hour."""

from datetime import datetime, timedelta
from math import ceil

LONGEST = timedelta(hours=1)
# From then on it is told by mail: whoever guesses here has the password.
TELL_AT = 5


def seconds_to_wait(failures: int, failed_at: datetime | None, *, now: datetime) -> int:
    """Return how long the next try has to wait; 0 when it may be made."""
    if not failures or failed_at is None:
        return 0
    # Far below where doubling would overflow.
    delay = min(timedelta(seconds=2 ** min(failures - 1, 16)), LONGEST)
    return max(0, ceil((failed_at + delay - now).total_seconds()))
