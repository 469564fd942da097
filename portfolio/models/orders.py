"""Orders and what happened to them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import ApiApp
from accounts.models.managers import OwnedQuerySet
from market.domain.enums import (
    TERMINAL_STATUSES,
    FillModel,
    OrderStatus,
    OrderType,
    Product,
    Side,
    TimeInForce,
    Variety,
)
from market.models import Instrument
from portfolio.models.books import Book
from portfolio.models.venue_accounts import VenueAccount

_TERMINAL = sorted(TERMINAL_STATUSES)


class Order(models.Model):
    """One order, from the decision to its end. Quantities in units, prices in quote asset."""

    class Source(models.TextChoices):
        """Who asked for the order."""

        CONSOLE = "CONSOLE"
        API = "API"
        BOT = "BOT"
        SYSTEM = "SYSTEM"

    # Where an index of several columns begins with a key, the key needs none of its own.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders", db_index=False
    )
    venue_account = models.ForeignKey(VenueAccount, models.PROTECT, related_name="orders")
    book = models.ForeignKey(Book, models.PROTECT, related_name="orders", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="orders")
    client_order_id = models.CharField(max_length=36)
    venue_order_id = models.CharField(max_length=40, blank=True)
    slot_ref = models.CharField(max_length=60, null=True)
    origin_step = models.BigIntegerField(null=True)
    origin_slot = models.CharField(max_length=24, null=True)
    source = models.CharField(max_length=8, choices=Source)
    # The program that placed it, and the words it put on it (`tag`, at most 20 characters).
    api_app = models.ForeignKey(ApiApp, models.PROTECT, related_name="+", null=True)
    tag = models.CharField(max_length=20, blank=True)
    # The order it belongs to: a leg of an iceberg, a slice, the stop of a cover order.
    parent = models.ForeignKey("self", models.PROTECT, related_name="children", null=True)
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    order_type = models.CharField(max_length=6, choices=[(t, t) for t in OrderType])
    product = models.CharField(max_length=4, choices=[(p, p) for p in Product], default=Product.CNC)
    variety = models.CharField(
        max_length=8, choices=[(v, v) for v in Variety], default=Variety.REGULAR
    )
    time_in_force = models.CharField(max_length=3, choices=[(t, t) for t in TimeInForce])
    # Minutes, with TTL only.
    validity_ttl = models.PositiveSmallIntegerField(default=0)
    quantity = models.DecimalField(max_digits=28, decimal_places=12)
    # What the market is to see of it: kept and told; the paper venue shows nothing of any order.
    disclosed_quantity = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    trigger_price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    # Percent, as it was asked for (-1 and 0: ours); `protection_price` is what came of it.
    market_protection = models.DecimalField(max_digits=5, decimal_places=2, default=0)
    # What only some varieties have, as on the wire: {"iceberg": {...}}.
    meta = models.JSONField(default=dict)
    # What MARKET and SL-M orders may pay at worst; the hold covers exactly this.
    protection_price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    # A change asked for and not yet confirmed: {"quantity", "price", "trigger_price"} as text.
    pending_change = models.JSONField(null=True)
    # Venues forget the id of a changed order never: the revision tells reports apart.
    revision = models.PositiveIntegerField(default=0)
    fill_model = models.CharField(max_length=12, choices=[(m, m) for m in FillModel])
    # Where the prices came from that it was decided on: it never fills at those of another source.
    price_run = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=16, choices=[(s, s) for s in OrderStatus])
    status_code = models.CharField(max_length=40, blank=True)
    status_message = models.CharField(max_length=300, blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    filled_quantity = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    # Sum of quantity x price of the trades; the average price is derived, never stored rounded.
    filled_value = models.DecimalField(max_digits=40, decimal_places=12, default=0)
    hold_asset = models.CharField(max_length=60)
    hold_remaining = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    # The fee rate the hold was computed with (zero where the fee is paid in the received asset).
    hold_fee_rate = models.DecimalField(max_digits=12, decimal_places=8, default=0)
    # The highest price a short sale was planned at: its collateral; null where nothing is short.
    margin_price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    # Prices the order was decided on (decisions 19: market time and wall time).
    market_time = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    send_attempts = models.PositiveSmallIntegerField(default=0)
    send_after = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    send_deadline = models.DateTimeField(null=True)
    sent_fence = models.BigIntegerField(null=True)
    unknown_since = models.DateTimeField(null=True)
    # When a stop met its trigger: it rests as an ordinary order from then on.
    triggered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    last_event_hash = models.CharField(max_length=64, blank=True)
    event_count = models.PositiveIntegerField(default=0)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client_order_id", "venue_account"], name="order_client_id_unique"
            ),
            models.UniqueConstraint(fields=["book", "slot_ref"], name="order_slot_ref_unique"),
            models.UniqueConstraint(
                fields=["book", "origin_step", "origin_slot"], name="order_origin_unique"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_quantity__lte=F("quantity")),
                name="order_filled_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(hold_remaining__gte=0), name="order_hold_not_below_0"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=_TERMINAL) | Q(hold_remaining=0),
                name="order_ended_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(order_type__in=["MARKET", "SL-M"]) | Q(price__gt=0),
                name="order_limit_has_price",
            ),
            models.CheckConstraint(
                condition=Q(order_type__in=["MARKET", "LIMIT"]) | Q(trigger_price__gt=0),
                name="order_stop_has_trigger",
            ),
        ]
        indexes = [
            models.Index(
                fields=["venue_account", "id"],
                condition=Q(status="READY"),
                name="order_ready",
            ),
            models.Index(
                fields=["venue_account", "instrument"],
                condition=~Q(status__in=_TERMINAL),
                name="order_live",
            ),
            models.Index(
                fields=["book", "id"],
                condition=~Q(status__in=_TERMINAL),
                name="order_live_by_book",
            ),
            models.Index(
                fields=["venue_account", "id"],
                condition=Q(status__in=["CANCEL_PENDING", "MODIFY_PENDING"]),
                name="order_asked",
            ),
            models.Index(fields=["user", "-id"], name="order_user_newest"),
            # Finds what happened today among all that ever did; the orders of the day.
            models.Index(fields=["user", "updated_at"], name="order_user_changed"),
            models.Index(fields=["book", "-id"], name="order_book_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.client_order_id} {self.side} {self.quantity} {self.status}"

    @property
    def is_live(self) -> bool:
        """Say whether the order has not ended yet."""
        return OrderStatus(self.status).is_live


class OrderEvent(models.Model):
    """One step in an order's life; append-only, one hash chain per order (decisions 17).

    `book_seq` numbers the events the book's owner must hear of, without gaps per book.
    """

    order = models.ForeignKey(Order, models.PROTECT, related_name="events", db_index=False)
    book = models.ForeignKey(Book, models.PROTECT, related_name="+", db_index=False)
    sequence = models.PositiveIntegerField()
    book_seq = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=24)
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    owner_path = "order__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="order_event_sequence"),
            models.UniqueConstraint(fields=["book", "book_seq"], name="order_event_book_seq"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}/{self.sequence} {self.kind}"


class IdempotencyKey(models.Model):
    """A client's own key for a request: the same key gives the same order, for ever."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=80)
    request_hash = models.CharField(max_length=64)
    order = models.ForeignKey(Order, models.PROTECT, null=True)
    # What was answered, for writes that are not an order; kept for two days.
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_unique"),
        ]

    def __str__(self) -> str:
        return self.key


class VenueEvent(models.Model):
    """The inbox: what a venue said, stored raw before anything is made of it."""

    venue_account = models.ForeignKey(VenueAccount, models.PROTECT, related_name="+")
    dedupe_key = models.CharField(max_length=80)
    payload = models.JSONField()
    fence = models.BigIntegerField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    owner_path = "venue_account__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue_account", "dedupe_key"], name="venue_event_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(applied_at__isnull=True), name="venue_event_pending"
            ),
        ]

    def __str__(self) -> str:
        return self.dedupe_key
