"""Books: named slices of one user's capital."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet
from portfolio.models.venue_accounts import VenueAccount


class Book(models.Model):
    """A slice of capital on one venue account; orders, trades, money and limits hang on it.

    A person trades from two of them that share one purse: Manual (product CNC) and Intraday
    (product MIS, long and short, squared off each day).

    `event_seq` counts what happened to its orders, `consumed_seq` what its owner has read; a
    book with the first above the second has news for its owner (decisions 8: portfolio does not
    know who that is).
    """

    class Kind(models.TextChoices):
        """What the book is for."""

        MANUAL = "MANUAL"
        INTRADAY = "INTRADAY"
        BOT = "BOT"

    class TradingState(models.TextChoices):
        """What may be sent from the book."""

        ACTIVE = "ACTIVE"
        REDUCING = "REDUCING"
        HALTED = "HALTED"

    # The index on user and kind begins with it.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="books", db_index=False
    )
    venue_account = models.ForeignKey(VenueAccount, models.PROTECT, related_name="books")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=60)
    quote_asset = models.CharField(max_length=12)
    trading_state = models.CharField(
        max_length=8, choices=TradingState, default=TradingState.ACTIVE
    )
    event_seq = models.BigIntegerField(default=0)
    consumed_seq = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue_account"],
                condition=models.Q(kind="MANUAL"),
                name="book_one_manual_per_account",
            ),
            models.UniqueConstraint(
                fields=["venue_account"],
                condition=models.Q(kind="INTRADAY"),
                name="book_one_intraday_per_account",
            ),
            models.CheckConstraint(
                condition=models.Q(consumed_seq__lte=models.F("event_seq")),
                name="book_consumed_not_ahead",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(event_seq__gt=models.F("consumed_seq"), kind="BOT"),
                name="book_with_news",
            ),
            models.Index(fields=["user", "kind"], name="book_user_kind"),
        ]

    def __str__(self) -> str:
        return self.name
