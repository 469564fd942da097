"""Users for staff; the acts on them join in finbyte_site (decisions 38)."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts.admin_base import AuditedAdmin, ReadOnlyAdmin
from accounts.models import Delegation, User

# Rights follow from the role (accounts.domain.roles).
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(AuditedAdmin):
    """Users join by themselves; roles change by an act, and nobody sets a password here."""

    list_display = ("public_id", "email", "full_name", "is_active", "role", "joined_at")
    list_filter = ("is_active", "role")
    search_fields = ("public_id", "email", "full_name")
    ordering = ("-pk",)
    fields = (
        "public_id",
        "email",
        "full_name",
        "time_zone",
        "is_active",
        "role",
        "second_factor_rule",
        "live_hold_until",
        "joined_at",
        "last_login",
    )
    readonly_fields = tuple(name for name in fields if name != "full_name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a user made here would have no paper accounts."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what a user did stays; suspend instead."""
        return False


@admin.register(Delegation)
class DelegationAdmin(ReadOnlyAdmin):
    """Who may look at whose account."""

    list_display = ("id", "user", "invited", "viewer", "given_at", "accepted_at", "ends_at")
    list_select_related = ("user", "viewer")
    search_fields = ("=user__public_id", "=viewer__public_id", "=invited")
    ordering = ("-pk",)
    fields = (*list_display[1:], "revoked_at")
