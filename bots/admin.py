"""Bots for staff: to look at; their owners act on them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import LongReadOnlyAdmin, ReadOnlyAdmin
from bots.models import Bot, BotBand, BotCommand, BotEvent


@admin.register(Bot)
class BotAdmin(ReadOnlyAdmin):
    """Bots and where they stand."""

    list_display = (
        "id",
        "name",
        "kind",
        "user",
        "instrument",
        "status",
        "step_no",
        "fail_count",
        "grid_profit",
        "updated_at",
    )
    list_filter = ("status", "kind")
    list_select_related = ("user", "instrument")
    search_fields = ("=id", "user__public_id", "user__email")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return bots; the long texts are read only on a bot's own page."""
        return super().get_queryset(request).defer("config", "derived", "state", "final_figures")


@admin.register(BotBand)
class BotBandAdmin(ReadOnlyAdmin):
    """Prices between which bots sleep."""

    list_display = ("bot", "instrument", "wake_below", "wake_above", "is_armed")
    list_filter = ("is_armed",)
    list_select_related = ("bot", "instrument")
    search_fields = ("=bot__id",)
    ordering = ("-pk",)


@admin.register(BotEvent)
class BotEventAdmin(LongReadOnlyAdmin):
    """What bots decided, and why."""

    list_display = ("at", "bot", "step_no", "kind", "message", "market_time")
    list_filter = ("kind",)
    list_select_related = ("bot",)
    search_fields = ("=bot__id",)
    ordering = ("-pk",)


@admin.register(BotCommand)
class BotCommandAdmin(LongReadOnlyAdmin):
    """What people asked their bots to do."""

    list_display = ("id", "bot", "kind", "amount", "created_at", "handled_at", "refusal")
    list_filter = ("kind",)
    list_select_related = ("bot",)
    search_fields = ("=bot__id",)
    ordering = ("-pk",)
