"""The audit log and what counts guesses, for staff to read."""

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from accounts.admin_base import LongReadOnlyAdmin, ReadOnlyAdmin
from accounts.models import AuditEvent, GuessBucket


@admin.register(AuditEvent)
class AuditEventAdmin(LongReadOnlyAdmin):
    """Who did what; append-only."""

    list_display = ("at", "kind", "target", "actor", "on_behalf_of", "client_address")
    list_filter = ("kind",)
    list_select_related = ("actor", "on_behalf_of")
    search_fields = ("target__exact", "on_behalf_of__public_id", "actor__public_id")
    ordering = ("-pk",)
    list_before_template = "accounts/admin/chain.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show beside the list how to check it: the newest hash, to be noted elsewhere."""
        newest = AuditEvent.objects.order_by("-pk").first()
        return super().changelist_view(request, {"newest": newest, **(extra_context or {})})


@admin.register(GuessBucket)
class GuessBucketAdmin(ReadOnlyAdmin):
    """Who has to wait before the next try. A key holds a digest and stays unshown."""

    list_display = ("id", "blocked_until", "empty_at")
    ordering = ("-blocked_until",)
    fields = list_display[1:]


for _model in (AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


@admin.register(AccessAttempt, AccessFailureLog, AccessLog)
class AccessAdmin(ReadOnlyAdmin):
    """What django-axes has noted of log-ins; what was typed into the form stays unshown."""

    list_display = ("id", "attempt_time", "username", "ip_address", "path_info")
    search_fields = ("=username", "=ip_address")
    ordering = ("-pk",)
    fields = (*list_display[1:], "user_agent")
