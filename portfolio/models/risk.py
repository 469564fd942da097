"""Limits, the kill switch and the send rate."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet
from portfolio.models.books import Book
from portfolio.models.venue_accounts import VenueAccount


class KillSwitch(models.Model):
    """A stop for everything in a scope. Rows are made ahead: an absent row cannot be locked."""

    class Scope(models.TextChoices):
        """What the switch stops (decisions 8)."""

        PLATFORM = "PLATFORM"
        USER = "USER"
        VENUE_ACCOUNT = "VENUE_ACCOUNT"
        BOOK = "BOOK"

    scope = models.CharField(max_length=16, choices=Scope)
    key = models.BigIntegerField(default=0)
    is_active = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    version = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="kill_switch_once"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key} {'ON' if self.is_active else 'off'}"


class RiskLimit(models.Model):
    """Limits of a user, venue account or book; the tightest one counts, empty is no limit."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="risk_limits")
    venue_account = models.ForeignKey(VenueAccount, models.CASCADE, null=True, blank=True)
    book = models.ForeignKey(Book, models.CASCADE, null=True, blank=True)
    max_order_value = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    max_open_value = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    max_position_value = models.DecimalField(
        max_digits=28, decimal_places=12, null=True, blank=True
    )
    max_price_deviation = models.DecimalField(
        max_digits=12, decimal_places=8, null=True, blank=True
    )

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "venue_account", "book"],
                name="risk_limit_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"limits of {self.user_id}/{self.venue_account_id}/{self.book_id}"


class RateSecond(models.Model):
    """How many requests were sent for a venue account in one calendar second."""

    venue_account = models.ForeignKey(VenueAccount, models.CASCADE)
    second = models.BigIntegerField()
    count = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue_account", "second"], name="rate_second_once"),
        ]

    def __str__(self) -> str:
        return f"{self.venue_account_id} {self.second}: {self.count}"
