"""Alerts on prices, and each time that one fired."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import ApiApp
from accounts.models.managers import OwnedQuerySet
from market.models import Instrument
from portfolio.domain.alerts import AlertKind, AlertStatus, Operator


class Alert(models.Model):
    """One alert of one user: the last price of an instrument against a number or another one.

    On a number, `wake_below`, `wake_above` and `wake_touch` say at which prices it may change;
    `seen_sequence` and `is_fresh` are as in a GTT trigger. Two instruments are compared by their
    newest prices at each pass. It listens to the sources of prices that it was made on.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="alerts")
    uuid = models.UUIDField(unique=True, default=uuid.uuid4)
    api_app = models.ForeignKey(ApiApp, models.PROTECT, related_name="+", null=True)
    kind = models.CharField(max_length=6, choices=[(k, k) for k in AlertKind])
    name = models.CharField(max_length=100)
    status = models.CharField(
        max_length=8, choices=[(s, s) for s in AlertStatus], default=AlertStatus.ENABLED
    )
    disabled_reason = models.CharField(max_length=200, blank=True)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    operator = models.CharField(max_length=2, choices=[(o, o) for o in Operator])
    constant = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    other = models.ForeignKey(Instrument, models.PROTECT, related_name="+", null=True)
    # The orders of an alert that places some: terms as they were checked, decimals as texts.
    basket = models.JSONField(null=True)
    is_true = models.BooleanField(default=False)
    wake_below = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    wake_above = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    wake_touch = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    price_run = models.CharField(max_length=80)
    other_run = models.CharField(max_length=80, blank=True)
    seen_sequence = models.BigIntegerField(default=0)
    is_fresh = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=0)
    alert_count = models.PositiveIntegerField(default=0)
    rest_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(constant__isnull=False, other__isnull=True)
                | Q(constant__isnull=True, other__isnull=False),
                name="alert_one_other_side",
            ),
            models.CheckConstraint(
                condition=Q(kind="ato", basket__isnull=False)
                | Q(kind="simple", basket__isnull=True),
                name="alert_basket_of_its_kind",
            ),
        ]
        indexes = [
            models.Index(
                fields=["instrument", "price_run", "wake_below"],
                condition=Q(status="enabled", wake_below__isnull=False),
                name="alert_below",
            ),
            models.Index(
                fields=["instrument", "price_run", "wake_above"],
                condition=Q(status="enabled", wake_above__isnull=False),
                name="alert_above",
            ),
            models.Index(
                fields=["instrument", "price_run", "wake_touch"],
                condition=Q(status="enabled", wake_touch__isnull=False),
                name="alert_touch",
            ),
            models.Index(
                fields=["instrument"],
                condition=Q(status="enabled", other__isnull=False),
                name="alert_pair",
            ),
            models.Index(
                fields=["other"],
                condition=Q(status="enabled", other__isnull=False),
                name="alert_pair_other",
            ),
            models.Index(
                fields=["id"],
                condition=Q(status="enabled", is_fresh=True, constant__isnull=False),
                name="alert_fresh",
            ),
            models.Index(fields=["user", "-id"], name="alert_user_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.uuid} {self.status}"


class AlertEvent(models.Model):
    """One time that an alert fired: the prices, and the orders that it placed. Append-only.

    While `is_due` its orders are not all placed and its owner has not been told.
    """

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="events")
    # The condition as it was then, in Kite's words.
    condition = models.CharField(max_length=300)
    # What was known of its instruments: [{"instrument_token", "last_price", ...}], texts.
    prices = models.JSONField()
    # The basket as it was then, and what came of each order.
    basket = models.JSONField(null=True)
    results = models.JSONField(default=list)
    at = models.DateTimeField()
    is_due = models.BooleanField(default=True)

    owner_path = "alert__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(is_due=True), name="alert_event_due"),
            models.Index(fields=["alert", "-id"], name="alert_event_newest"),
        ]

    def __str__(self) -> str:
        return self.condition
