"""The ledger: looked at, never edited. A correction is a new entry, made by a service."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import LongReadOnlyAdmin, ReadOnlyAdmin, ReadOnlyInline
from portfolio.models import (
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    PositionConversion,
)


class LedgerEntryInline(ReadOnlyInline):
    """The amounts of a transaction."""

    model = LedgerEntry
    fields = ("account", "amount")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return entries with their accounts."""
        return super().get_queryset(request).select_related("account")


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    """Pots of one asset."""

    list_display = ("id", "book", "kind", "asset", "balance")
    list_filter = ("kind",)
    list_select_related = ("book",)
    search_fields = ("=book__id", "=asset", "=book__user__public_id")
    ordering = ("-pk",)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(LongReadOnlyAdmin):
    """Balanced sets of entries."""

    list_display = ("id", "ref", "kind", "at")
    list_filter = ("kind",)
    search_fields = ("=id", "ref__startswith")
    ordering = ("-pk",)
    inlines = (LedgerEntryInline,)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(LongReadOnlyAdmin):
    """Single amounts."""

    list_display = ("id", "transaction", "account", "amount")
    list_select_related = ("transaction", "account")
    search_fields = ("=transaction__ref", "=account__book__id")
    ordering = ("-pk",)


@admin.register(PositionConversion)
class PositionConversionAdmin(LongReadOnlyAdmin):
    """Units that became another product."""

    list_display = ("id", "user", "instrument", "old_book", "new_book", "quantity", "cost", "at")
    list_select_related = ("user", "instrument", "old_book", "new_book")
    search_fields = ("=user__public_id", "=instrument__tradingsymbol")
    ordering = ("-pk",)
