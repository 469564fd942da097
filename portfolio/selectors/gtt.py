"""Reads of GTT triggers."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts.models import User
from portfolio.domain.gtt import GttStatus
from portfolio.exceptions import TriggerNotFound
from portfolio.models import GttTrigger

SHOWN = timedelta(days=7)


def _whole(rows: QuerySet[GttTrigger]) -> QuerySet[GttTrigger]:
    return rows.select_related("user", "instrument").prefetch_related("legs")


def triggers_of(user: User, *, now: datetime) -> QuerySet[GttTrigger]:
    """Return the user's active triggers and those that ended in the last seven days."""
    recent = Q(status=GttStatus.ACTIVE) | Q(updated_at__gte=now - SHOWN)
    return _whole(GttTrigger.objects.for_user(user).filter(recent)).order_by("-pk")


def trigger_of(user: User, trigger_id: int) -> GttTrigger:
    """Return one trigger of the user; raises `TriggerNotFound` for anybody else's."""
    found = _whole(GttTrigger.objects.for_user(user)).filter(pk=trigger_id).first()
    if found is None:
        raise TriggerNotFound(f"There is no trigger {trigger_id}")
    return found


def due_triggers(*, limit: int) -> dict[int, int]:
    """Return the triggers that have fired and not been dealt with: instrument by trigger."""
    due = GttTrigger.objects.filter(is_due=True).order_by("pk")[:limit]
    return dict(due.values_list("pk", "instrument_id"))
