"""API apps, their log-ins and sessions for staff."""

from django.contrib import admin

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import ApiApp, ApiSession, RequestToken


@admin.register(ApiApp)
class ApiAppAdmin(ReadOnlyAdmin):
    """Programs of users; their secrets are shown to nobody."""

    list_display = ("id", "user", "name", "api_key", "redirect_url", "created_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=user__email", "=api_key")
    ordering = ("-pk",)
    fields = (
        "user",
        "name",
        "api_key",
        "secret_made_at",
        "redirect_url",
        "postback_url",
        "allowed_addresses",
        "addresses_changed_at",
        "products",
        "created_at",
        "revoked_at",
    )


@admin.register(RequestToken)
class RequestTokenAdmin(ReadOnlyAdmin):
    """Log-ins of apps on their way to a session."""

    list_display = ("id", "app", "user", "issued_at", "expires_at", "used_at")
    list_select_related = ("app", "user")
    search_fields = ("=user__public_id", "=app__api_key")
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(ApiSession)
class ApiSessionAdmin(ReadOnlyAdmin):
    """Apps acting for users."""

    list_display = ("id", "app", "user", "started_at", "expires_at", "seen_at", "ended_at")
    list_select_related = ("app", "user")
    search_fields = ("=user__public_id", "=app__api_key")
    ordering = ("-pk",)
    fields = (*list_display[1:], "refresh_until", "address", "ended_for")
