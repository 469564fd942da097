"""Console sessions, trusted devices and addresses for staff."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import (
    ConsoleSession,
    DeviceToken,
    LogInPlace,
    TrustedAddress,
    TrustedDevice,
)


@admin.register(ConsoleSession)
class ConsoleSessionAdmin(ReadOnlyAdmin):
    """Who is logged in where. No links: a row's key is a digest of somebody's cookie."""

    list_display = (
        "public_id",
        "user",
        "browser",
        "address",
        "started_at",
        "seen_at",
        "factor_at",
        "device",
        "expire_date",
    )
    list_display_links = None
    list_select_related = ("user", "device")
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-started_at",)
    actions = None
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return sessions of users, without their data."""
        return super().get_queryset(request).exclude(user=None).defer("session_data")


@admin.register(TrustedAddress)
class TrustedAddressAdmin(ReadOnlyAdmin):
    """Addresses that users trust."""

    list_display = ("id", "user", "network", "name", "trusted_at", "seen_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=network")
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(TrustedDevice)
class TrustedDeviceAdmin(ReadOnlyAdmin):
    """Browsers that users trust; all of a user are revoked by the act on the user."""

    list_display = (
        "id",
        "user",
        "browser",
        "name",
        "address",
        "trusted_at",
        "seen_at",
        "expires_at",
        "revoked_at",
    )
    list_select_related = ("user", "address")
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-pk",)
    fields = (*list_display[1:], "revoked_for")


@admin.register(DeviceToken)
class DeviceTokenAdmin(ReadOnlyAdmin):
    """How often the cookies of trusted devices were renewed."""

    list_display = ("id", "device", "issued_at", "replaced_at")
    list_select_related = ("device",)
    search_fields = ("=device__id",)
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(LogInPlace)
class LogInPlaceAdmin(ReadOnlyAdmin):
    """Where users have logged in from."""

    list_display = ("id", "user", "browser", "network", "first_seen_at", "seen_at")
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=network")
    ordering = ("-pk",)
    fields = list_display[1:]
