"""Rows that nobody needs any more."""

from datetime import datetime, timedelta

from accounts.models import ApiSession, ConsoleSession, DeviceToken, RequestToken
from accounts.services.guesses import forget_drained

# As long as anybody may ask why a session is over.
KEPT_FOR = timedelta(days=7)
# Sessions of programs act on money: who was it, three months ago?
API_KEPT_FOR = timedelta(days=90)


def delete_expired(*, now: datetime) -> int:
    """Delete sessions, tokens and guess counts that are long over; say how many rows."""
    since, api_since = now - KEPT_FOR, now - API_KEPT_FOR
    chosen = (
        ConsoleSession.objects.filter(expire_date__lt=since),
        RequestToken.objects.filter(expires_at__lt=since),
        DeviceToken.objects.filter(device__expires_at__lt=since),
        ApiSession.objects.filter(expires_at__lt=api_since).exclude(refresh_until__gte=api_since),
    )
    return sum(rows.delete()[0] for rows in chosen) + forget_drained(now=now)
