"""API apps, their log-ins and sessions for staff."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin_base import ReadOnlyAdmin, ReasonActionForm, ReasonedActsAdmin, acting_field
from accounts.domain.client_address import client_address
from accounts.exceptions import InvalidInput, Refused
from accounts.models import ApiApp, ApiSession, PostbackReceiver, RequestToken
from accounts.services import api_apps, api_sessions


class ActsOnAppsAdmin(ReasonedActsAdmin, ReadOnlyAdmin):
    """Rows of apps with acts by the services of their owners, and what came of them."""

    related: tuple[str, ...] = ("user",)

    def _act(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[..., bool], *, done: str
    ) -> None:
        reason = self.reason_or_complaint(request)
        if not reason:
            return
        shared = {"client_address": client_address(request.META), "now": timezone.now()}
        changed = 0
        for row in rows.select_related(*self.related):
            try:
                changed += act(row, actor=request.user, reason=reason, **shared)
            except (InvalidInput, Refused) as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, f"{changed} of {len(rows)} {done}.")


class AppActionForm(ReasonActionForm):
    """The acts on apps; one of them wants addresses."""

    addresses = acting_field("Addresses, to set them", max_length=100)


@admin.register(ApiApp)
class ApiAppAdmin(ActsOnAppsAdmin):
    """Programs of users; their secrets are shown to nobody."""

    action_form = AppActionForm
    actions = ("revoke", "set_addresses")
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

    def has_addresses_permission(self, request: HttpRequest) -> bool:
        """Allow those who answer for risk: an address says from where orders may come."""
        return request.user.has_perm("portfolio.change_risklimit")

    @admin.action(description="Revoke the app", permissions=["administrate"])
    def revoke(self, request: HttpRequest, apps: QuerySet[ApiApp]) -> None:
        """Stop the apps for good, with their sessions."""
        self._act(request, apps, api_apps.revoke_app, done="revoked")

    @admin.action(description="Set addresses before time", permissions=["addresses"])
    def set_addresses(self, request: HttpRequest, apps: QuerySet[ApiApp]) -> None:
        """Set from where the orders of one app may come, within the seven days."""
        typed = request.POST.get("addresses", "").replace(",", " ").split()
        if len(apps) != 1:
            self.message_user(request, "Choose one app.", messages.ERROR)
            return

        def act(app: ApiApp, *, actor: Any, **shared: Any) -> bool:
            before = list(app.allowed_addresses)
            after = api_apps.set_addresses(app, typed, override_by=actor, **shared)
            return list(after.allowed_addresses) != before

        self._act(request, apps, act, done="changed")


@admin.register(RequestToken)
class RequestTokenAdmin(ReadOnlyAdmin):
    """Log-ins of apps on their way to a session."""

    list_display = ("id", "app", "user", "issued_at", "expires_at", "used_at")
    list_select_related = ("app", "user")
    search_fields = ("=user__public_id", "=app__api_key")
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(ApiSession)
class ApiSessionAdmin(ActsOnAppsAdmin):
    """Apps acting for users."""

    related = ("app", "user")
    actions = ("end",)

    list_display = ("id", "app", "user", "started_at", "expires_at", "seen_at", "ended_at")
    list_select_related = ("app", "user")
    search_fields = ("=user__public_id", "=app__api_key")
    ordering = ("-pk",)
    fields = (*list_display[1:], "refresh_until", "address", "ended_for")

    @admin.action(description="End the session", permissions=["administrate"])
    def end(self, request: HttpRequest, sessions: QuerySet[ApiSession]) -> None:
        """End the sessions: their tokens open nothing any more."""
        self._act(request, sessions, api_sessions.end_session, done="ended")


@admin.register(PostbackReceiver)
class PostbackReceiverAdmin(ReadOnlyAdmin):
    """How the addresses for notices that apps have named behave."""

    list_display = (
        "app",
        "url",
        "failures",
        "paused_until",
        "delivered_at",
        "failed_at",
        "answer",
    )
    list_filter = (("paused_until", admin.EmptyFieldListFilter),)
    list_select_related = ("app",)
    search_fields = ("=app__api_key", "=app__user__public_id")
    ordering = ("-pk",)
