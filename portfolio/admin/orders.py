"""Orders, what happened to them, trades and positions: never edited by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import LongReadOnlyAdmin, ReadOnlyAdmin, ReadOnlyInline
from portfolio.models import (
    IdempotencyKey,
    Order,
    OrderEvent,
    OrderPlan,
    Position,
    Trade,
    VenueEvent,
)


class OrderEventInline(ReadOnlyInline):
    """The life of an order."""

    model = OrderEvent
    fields = ("sequence", "kind", "from_status", "to_status", "detail", "at")
    ordering = ("sequence",)


@admin.register(Order)
class OrderAdmin(LongReadOnlyAdmin):
    """Orders of everybody."""

    list_display = (
        "id",
        "user",
        "book",
        "instrument",
        "side",
        "order_type",
        "quantity",
        "price",
        "filled_quantity",
        "status",
        "status_code",
        "source",
        "created_at",
    )
    list_filter = ("status", "source", "side", "order_type")
    list_select_related = ("user", "book", "instrument")
    search_fields = ("=id", "=client_order_id", "=slot_ref", "=user__public_id")
    ordering = ("-pk",)
    inlines = (OrderEventInline,)


@admin.register(OrderPlan)
class OrderPlanAdmin(LongReadOnlyAdmin):
    """What follows first orders: stops of cover orders, legs of icebergs."""

    list_display = ("id", "user", "entry", "kind", "status", "placed", "due_at", "message")
    list_filter = ("kind", "status")
    list_select_related = ("user", "entry")
    search_fields = ("=id", "=entry__id", "=user__public_id")
    ordering = ("-pk",)


@admin.register(OrderEvent)
class OrderEventAdmin(LongReadOnlyAdmin):
    """Steps in the lives of orders; append-only, hash-chained."""

    list_display = ("id", "order", "sequence", "kind", "from_status", "to_status", "book_seq", "at")
    list_filter = ("kind",)
    list_select_related = ("order",)
    search_fields = ("=order__id",)
    ordering = ("-pk",)


@admin.register(Trade)
class TradeAdmin(LongReadOnlyAdmin):
    """Executions."""

    list_display = (
        "id",
        "user",
        "book",
        "instrument",
        "side",
        "quantity",
        "price",
        "fee",
        "fee_asset",
        "liquidity",
        "exchange_time",
    )
    list_filter = ("side", "liquidity")
    list_select_related = ("user", "book", "instrument")
    search_fields = ("=id", "=order__id", "=venue_trade_id", "=user__public_id")
    ordering = ("-pk",)


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    """What books hold."""

    list_display = (
        "id",
        "user",
        "book",
        "instrument",
        "quantity",
        "cost",
        "realised",
        "updated_at",
    )
    list_select_related = ("user", "book", "instrument")
    search_fields = ("=book__id", "=user__public_id")
    ordering = ("-pk",)


@admin.register(VenueEvent)
class VenueEventAdmin(LongReadOnlyAdmin):
    """What venues said, raw."""

    list_display = (
        "id",
        "venue_account",
        "dedupe_key",
        "fence",
        "received_at",
        "applied_at",
        "error",
    )
    list_filter = (("applied_at", admin.EmptyFieldListFilter),)
    list_select_related = ("venue_account",)
    search_fields = ("=dedupe_key", "=venue_account__id")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return events; the payload is read only on an event's own page."""
        return super().get_queryset(request).defer("payload")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(LongReadOnlyAdmin):
    """Keys that clients gave their requests."""

    list_display = ("id", "user", "key", "order", "created_at")
    list_select_related = ("user", "order")
    search_fields = ("=key", "=user__public_id")
    ordering = ("-pk",)
