"""Units that became another product."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models.managers import OwnedQuerySet
from market.models import Instrument
from portfolio.models.books import Book


class PositionConversion(models.Model):
    """One conversion: `quantity` units left `old_book` for `new_book` with what they have cost.

    There is no trade of it: whoever adds up a day needs these rows beside the trades.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="conversions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    old_book = models.ForeignKey(Book, models.PROTECT, related_name="+")
    new_book = models.ForeignKey(Book, models.PROTECT, related_name="+")
    quantity = models.DecimalField(max_digits=28, decimal_places=12)
    cost = models.DecimalField(max_digits=40, decimal_places=12)
    at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0) & ~Q(old_book=F("new_book")),
                name="conversion_moves_units",
            ),
        ]
        indexes = [models.Index(fields=["user", "at"], name="conversion_user_time")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id} from {self.old_book_id}"
