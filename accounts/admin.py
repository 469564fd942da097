"""Users, groups and the audit log for staff."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts.admin_base import AuditedAdmin, LongReadOnlyAdmin
from accounts.models import AuditEvent, User

admin.site.unregister(Group)

_RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(AuditedAdmin):
    """Users join by themselves; only a superuser gives rights, and nobody sets a password here."""

    list_display = ("public_id", "email", "full_name", "is_active", "is_staff", "joined_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("public_id", "email", "full_name")
    ordering = ("-pk",)
    filter_horizontal = ("groups", "user_permissions")
    fields = (
        "public_id",
        "email",
        "full_name",
        "time_zone",
        "is_active",
        *_RIGHTS,
        "joined_at",
        "last_login",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what this member of staff may only read."""
        fixed = ("public_id", "email", "time_zone", "is_active", "joined_at", "last_login")
        return fixed if request.user.is_superuser else (*fixed, *_RIGHTS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a user made here would have no paper accounts."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what a user did stays; suspend instead."""
        return False


@admin.register(Group)
class GroupAdmin(AuditedAdmin):
    """Named sets of rights."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow superusers: who may edit rights has them all."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow superusers."""
        return self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow superusers."""
        return self.has_change_permission(request)


@admin.register(AuditEvent)
class AuditEventAdmin(LongReadOnlyAdmin):
    """Who did what; append-only."""

    list_display = ("at", "kind", "target", "actor", "on_behalf_of", "client_address")
    list_filter = ("kind",)
    list_select_related = ("actor", "on_behalf_of")
    search_fields = ("target__exact", "on_behalf_of__public_id", "actor__public_id")
    ordering = ("-pk",)
