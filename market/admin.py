"""Instruments and their price sources for staff. Candles are partitions and stay out (41)."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from market.models import Instrument, InstrumentSource

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Admin = ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as _Admin


class MarketAdmin(_Admin):
    """Rows that imports and the feed write; staff look at them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(Instrument)
class InstrumentAdmin(MarketAdmin):
    """What can be watched and traded."""

    list_display = (
        "symbol",
        "display_name",
        "kind",
        "tick_size",
        "lot_size",
        "calendar",
        "is_tradable",
    )
    list_filter = ("exchange", "kind", "is_tradable")
    search_fields = ("tradingsymbol", "name", "=instrument_token")
    ordering = ("exchange", "tradingsymbol")


@admin.register(InstrumentSource)
class InstrumentSourceAdmin(MarketAdmin):
    """Where each instrument's prices come from now."""

    list_display = ("instrument", "source", "run", "owner", "fence", "lease_until")
    list_filter = ("source",)
    list_select_related = ("instrument",)
    search_fields = ("instrument__tradingsymbol",)
    ordering = ("instrument_id",)
