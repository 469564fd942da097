"""Notices to apps: what is waiting, what was taken, what was given up."""

from django.contrib import admin

from accounts.admin_base import LongReadOnlyAdmin
from portfolio.models import Postback


@admin.register(Postback)
class PostbackAdmin(LongReadOnlyAdmin):
    """What apps are told of their orders."""

    list_display = (
        "id",
        "app",
        "order",
        "sequence",
        "name",
        "state",
        "attempts",
        "answer",
        "created_at",
        "next_at",
        "ended_at",
    )
    list_filter = ("state", "name")
    list_select_related = ("app", "order")
    search_fields = ("=order__id", "=app__api_key")
    ordering = ("-pk",)
