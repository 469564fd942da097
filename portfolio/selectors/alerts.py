"""Reads of alerts."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from portfolio.domain.alerts import AlertStatus
from portfolio.exceptions import AlertNotFound
from portfolio.models import Alert, AlertEvent

MOST_EVENTS = 100


def alerts_of(user: User) -> QuerySet[Alert]:
    """Return the user's alerts that are not deleted, newest first."""
    kept = Alert.objects.for_user(user).exclude(status=AlertStatus.DELETED)
    return kept.select_related("user", "instrument", "other").order_by("-pk")


def alert_of(user: User, uuid: UUID) -> Alert:
    """Return one alert of the user; raises `AlertNotFound` for anybody else's."""
    found = alerts_of(user).filter(uuid=uuid).first()
    if found is None:
        raise AlertNotFound(f"There is no alert {uuid}")
    return found


def history_of(alert: Alert) -> list[AlertEvent]:
    """Return the last times that an alert fired, newest first."""
    return list(alert.events.order_by("-pk")[:MOST_EVENTS])


def due_events(*, limit: int) -> list[AlertEvent]:
    """Return the firings that have not been dealt with."""
    return list(AlertEvent.objects.filter(is_due=True).order_by("pk")[:limit])
