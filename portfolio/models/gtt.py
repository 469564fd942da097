"""GTT: triggers that wait for a price, and the orders that they place."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import ApiApp
from accounts.models.managers import OwnedQuerySet
from market.domain.enums import Product, Side
from market.models import Instrument
from portfolio.domain.gtt import GttKind, GttStatus
from portfolio.models.books import Book
from portfolio.models.orders import Order


class GttTrigger(models.Model):
    """One trigger of one user; no money is held before it fires.

    It listens to prices of one source (`price_run`) that came after tick `seen_sequence`. While
    `is_fresh` it has not been compared yet with the ticks that came while it was being written.
    `is_due`: it has fired, and its order has not been placed or refused yet.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="gtt_triggers")
    book = models.ForeignKey(Book, models.PROTECT, related_name="gtt_triggers")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    api_app = models.ForeignKey(ApiApp, models.PROTECT, related_name="+", null=True)
    kind = models.CharField(max_length=8, choices=[(k, k) for k in GttKind])
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    product = models.CharField(max_length=4, choices=[(p, p) for p in Product], default=Product.CNC)
    fire_below = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    fire_above = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    # The market when the levels were set.
    last_price = models.DecimalField(max_digits=28, decimal_places=12)
    price_run = models.CharField(max_length=80)
    seen_sequence = models.BigIntegerField()
    is_fresh = models.BooleanField(default=True)
    status = models.CharField(
        max_length=9, choices=[(s, s) for s in GttStatus], default=GttStatus.ACTIVE
    )
    # Counts changes, so that a price is never held against levels that it was not compared with.
    revision = models.PositiveIntegerField(default=0)
    is_due = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    triggered_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="two-leg", fire_below__isnull=False, fire_above__isnull=False)
                | Q(kind="single", fire_below__isnull=True, fire_above__isnull=False)
                | Q(kind="single", fire_below__isnull=False, fire_above__isnull=True),
                name="gtt_levels_of_its_kind",
            ),
            models.CheckConstraint(
                condition=(Q(fire_below__isnull=True) | Q(fire_below__lt=F("last_price")))
                & (Q(fire_above__isnull=True) | Q(fire_above__gt=F("last_price"))),
                name="gtt_market_between_levels",
            ),
            models.CheckConstraint(
                condition=Q(status="triggered", triggered_at__isnull=False)
                | (~Q(status="triggered") & Q(triggered_at__isnull=True, is_due=False)),
                name="gtt_triggered_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["instrument", "price_run", "fire_below"],
                condition=Q(status="active", fire_below__isnull=False),
                name="gtt_below",
            ),
            models.Index(
                fields=["instrument", "price_run", "fire_above"],
                condition=Q(status="active", fire_above__isnull=False),
                name="gtt_above",
            ),
            models.Index(
                fields=["id"], condition=Q(status="active", is_fresh=True), name="gtt_fresh"
            ),
            models.Index(fields=["id"], condition=Q(is_due=True), name="gtt_due"),
            models.Index(fields=["expires_at"], condition=Q(status="active"), name="gtt_expiry"),
            models.Index(fields=["book"], condition=Q(status="active"), name="gtt_active_by_book"),
            models.Index(fields=["user", "-updated_at"], name="gtt_user_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind} {self.status}"


class GttLeg(models.Model):
    """One order of a trigger: a LIMIT order, and what became of it.

    Legs count from 0 in the order of their levels. At most one of a trigger ever fires.
    """

    class Result(models.TextChoices):
        """What came of placing the order."""

        NONE = ""
        SUCCESS = "success"
        FAILED = "failed"

    trigger = models.ForeignKey(GttTrigger, models.CASCADE, related_name="legs")
    number = models.PositiveSmallIntegerField()
    quantity = models.DecimalField(max_digits=28, decimal_places=12)
    price = models.DecimalField(max_digits=28, decimal_places=12)
    met_price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", null=True)
    result = models.CharField(max_length=7, choices=Result, default=Result.NONE, blank=True)
    rejection_reason = models.CharField(max_length=300, blank=True)
    placed_at = models.DateTimeField(null=True)

    owner_path = "trigger__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ("trigger", "number")
        constraints = [
            models.UniqueConstraint(fields=["trigger", "number"], name="gtt_leg_once"),
            models.UniqueConstraint(
                fields=["trigger"], condition=Q(met_price__isnull=False), name="gtt_one_leg_fires"
            ),
            models.CheckConstraint(condition=Q(number__lte=1), name="gtt_leg_two_at_most"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, price__gt=0), name="gtt_leg_terms_positive"
            ),
            models.CheckConstraint(
                condition=Q(result="") | Q(met_price__isnull=False, placed_at__isnull=False),
                name="gtt_leg_result_after_it_fired",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trigger_id}/{self.number}"

    @property
    def slot_ref(self) -> str:
        """Return what makes its order one of a kind in the book: a second copy is impossible."""
        return f"gtt:{self.trigger_id}:{self.number}"
