"""Keys of accounts at venues (never the keys themselves), and what is on record about accounts."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin_base import ReadOnlyAdmin, ReasonedActsAdmin
from accounts.domain.client_address import client_address
from accounts.models import User
from portfolio.exceptions import AccountRefused
from portfolio.models import ComplianceEvidence, VenueCredentials
from portfolio.services.compliance import Act, confirm_evidence

LONGEST_REFERENCE = 120


@admin.register(VenueCredentials)
class VenueCredentialsAdmin(ReadOnlyAdmin):
    """Which accounts have a key, and what is known of it."""

    exclude = ("sealed_key",)
    list_display = ("venue_account", "hint", "finding", "added_at", "checked_at")
    list_filter = ("finding",)
    list_select_related = ("venue_account",)
    search_fields = ("=venue_account__id", "venue_account__user__public_id")
    ordering = ("-pk",)


@admin.register(ComplianceEvidence)
class ComplianceEvidenceAdmin(ReasonedActsAdmin, ReadOnlyAdmin):
    """Papers of accounts, with the act "confirm" on the newest one of an account."""

    actions = ("confirm",)
    list_display = ("venue_account", "kind", "reference", "dated_on", "recorded_by", "recorded_at")
    list_filter = ("kind",)
    list_select_related = ("venue_account", "recorded_by")
    search_fields = ("=venue_account__id", "venue_account__user__public_id")
    ordering = ("-pk",)

    @admin.action(description="Confirm the papers of the account", permissions=["administrate"])
    def confirm(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Record that the papers were looked at."""
        reason = self.reason_or_complaint(request)
        if not reason:
            return
        for row in rows.select_related("venue_account__user"):
            self._confirm(request, row, reason)

    def _confirm(self, request: HttpRequest, row: ComplianceEvidence, reason: str) -> None:
        act = Act(
            actor=cast("User", request.user),
            owner=row.venue_account.user,
            client_address=client_address(request.META),
            now=timezone.now(),
        )
        try:
            confirm_evidence(row, reason=reason[:LONGEST_REFERENCE], act=act)
        except AccountRefused as error:
            self.message_user(request, f"{row.venue_account}: {error}", messages.ERROR)
        else:
            self.message_user(request, f"{row.venue_account}: papers confirmed.")
