"""Venue accounts and books."""

from typing import Any

from django.contrib import admin

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import User
from portfolio.admin.charges import FeeKindActsAdmin
from portfolio.admin.kill import KillActionsAdmin
from portfolio.models import Book, FeeSchedule, GatewayShard, KillSwitch, VenueAccount


@admin.register(VenueAccount)
class VenueAccountAdmin(KillActionsAdmin, FeeKindActsAdmin, ReadOnlyAdmin):
    """Accounts at venues."""

    actions = (*KillActionsAdmin.actions, "charge_indian", "charge_flat")
    list_display = (
        "id",
        "name",
        "user",
        "venue",
        "mode",
        "compliance_profile",
        "settlement_asset",
        "fee_mode",
        "shard",
        "status",
        "status_reason",
    )
    list_filter = ("status", "mode", "compliance_profile", "venue")
    list_select_related = ("user", "shard")
    search_fields = ("=id", "user__public_id", "user__email")
    ordering = ("-pk",)

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return the stop of the account."""
        return KillSwitch.Scope.VENUE_ACCOUNT, row.pk, row.user


@admin.register(Book)
class BookAdmin(KillActionsAdmin, ReadOnlyAdmin):
    """Slices of capital."""

    list_display = (
        "id",
        "name",
        "kind",
        "user",
        "venue_account",
        "quote_asset",
        "trading_state",
        "event_seq",
        "consumed_seq",
        "closed_at",
    )
    list_filter = ("kind", "trading_state")
    list_select_related = ("user", "venue_account")
    search_fields = ("=id", "user__public_id", "user__email")
    ordering = ("-pk",)

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return the stop of the book."""
        return KillSwitch.Scope.BOOK, row.pk, row.user


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ReadOnlyAdmin):
    """Fee rates and from when they count."""

    list_display = ("venue_account", "kind", "maker_rate", "taker_rate", "valid_from")
    list_select_related = ("venue_account",)
    search_fields = ("=venue_account__id", "venue_account__user__public_id")
    ordering = ("-pk",)


@admin.register(GatewayShard)
class GatewayShardAdmin(ReadOnlyAdmin):
    """Which gateway sends for which share of the accounts."""

    list_display = ("number", "owner", "fence", "lease_until")
    ordering = ("number",)
