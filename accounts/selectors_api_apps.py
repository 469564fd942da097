"""What pages show of API apps."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from accounts.models import ApiApp, ApiSession, PostbackReceiver, User

MOST_SHOWN = 100


def api_apps_of(user: User, *, now: datetime) -> QuerySet[Any]:
    """Return the user's apps by name, with `live_sessions` and `last_used_at`."""
    live = Q(sessions__ended_at=None, sessions__expires_at__gt=now, sessions__user__is_active=True)
    return (
        ApiApp.objects.for_user(user)
        .filter(revoked_at=None)
        .annotate(
            live_sessions=Count("sessions", filter=live),
            last_used_at=Max("sessions__seen_at"),
        )
        .order_by("name")
    )


def sessions_of_app(app: ApiApp, *, now: datetime) -> QuerySet[ApiSession]:
    """Return the newest sessions that an app has now."""
    live = ApiSession.objects.live(now).filter(app=app)
    return live.select_related("user").order_by("-started_at")[:MOST_SHOWN]


def sessions_acting_for(user: User, *, now: datetime) -> QuerySet[ApiSession]:
    """Return the sessions in which apps of others act for the user, the newest first."""
    live = ApiSession.objects.live(now).filter(user=user).exclude(app__user=user)
    return live.select_related("app", "app__user").order_by("-started_at")


def receiver_of(app: ApiApp) -> PostbackReceiver | None:
    """Return how the app's present address for notices behaves; None before the first notice."""
    return PostbackReceiver.objects.filter(app=app, url=app.postback_url).first()
