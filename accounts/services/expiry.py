"""Rows that nobody needs any more."""

from datetime import datetime, timedelta

from accounts.models import ConsoleSession, DeviceToken, RequestToken
from accounts.services.guesses import forget_drained

# As long as anybody may ask why a session is over.
KEPT_FOR = timedelta(days=7)


def delete_expired(*, now: datetime) -> int:
    """Delete sessions, tokens and guess counts that are long over; say how many rows."""
    since = now - KEPT_FOR
    chosen = (
        ConsoleSession.objects.filter(expire_date__lt=since),
        RequestToken.objects.filter(expires_at__lt=since),
        DeviceToken.objects.filter(device__expires_at__lt=since),
    )
    return sum(rows.delete()[0] for rows in chosen) + forget_drained(now=now)
