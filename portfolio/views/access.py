"""Whose data a console page shows, and refusals in the console's words."""

from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User


def user_of(request: HttpRequest) -> User:
    """Return whose data the page shows: the signed-in user, or whom he looks at and cannot act for.

    Every caller sits behind `login_required` and `accounts.viewing_middleware`.
    """
    return cast("User", request.subject)  # type: ignore[attr-defined]


def positive_int(text: str | None) -> int | None:
    """Return a positive whole number of a query, or None where it is not one."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text) or None


def day_start(request: HttpRequest) -> datetime:
    """Return when the calendar day of the page's user began."""
    zone = ZoneInfo(user_of(request).time_zone)
    return timezone.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
