"""GTT triggers and alerts, and what came of them: to look at."""

from django.contrib import admin

from accounts.admin_base import LongReadOnlyAdmin, ReadOnlyInline
from portfolio.models import Alert, AlertEvent, GttLeg, GttTrigger


class GttLegInline(ReadOnlyInline):
    """The orders of a trigger."""

    model = GttLeg
    fields = ("number", "quantity", "price", "met_price", "result", "rejection_reason", "placed_at")


@admin.register(GttTrigger)
class GttTriggerAdmin(LongReadOnlyAdmin):
    """Triggers of everybody."""

    list_display = (
        "id",
        "user",
        "instrument",
        "kind",
        "side",
        "fire_below",
        "fire_above",
        "status",
        "is_due",
        "created_at",
    )
    list_filter = ("status", "kind")
    list_select_related = ("user", "instrument")
    search_fields = ("=id", "=user__public_id")
    ordering = ("-pk",)
    inlines = (GttLegInline,)


@admin.register(GttLeg)
class GttLegAdmin(LongReadOnlyAdmin):
    """Orders of triggers."""

    list_display = ("id", "trigger", "number", "quantity", "price", "met_price", "result")
    list_filter = ("result",)
    list_select_related = ("trigger",)
    search_fields = ("=trigger__id",)
    ordering = ("-pk",)


@admin.register(Alert)
class AlertAdmin(LongReadOnlyAdmin):
    """Alerts of everybody."""

    list_display = (
        "id",
        "user",
        "kind",
        "instrument",
        "operator",
        "constant",
        "other",
        "status",
        "alert_count",
        "created_at",
    )
    list_filter = ("status", "kind")
    list_select_related = ("user", "instrument", "other")
    search_fields = ("=id", "=user__public_id")
    ordering = ("-pk",)


@admin.register(AlertEvent)
class AlertEventAdmin(LongReadOnlyAdmin):
    """Times that alerts fired."""

    list_display = ("id", "alert", "condition", "is_due", "at")
    list_select_related = ("alert",)
    search_fields = ("=alert__id",)
    ordering = ("-pk",)
