"""What apps are to be told of their orders."""

from django.db import models
from django.db.models import Q

from accounts.models import ApiApp
from accounts.models.managers import OwnedQuerySet
from portfolio.models.orders import Order


class Postback(models.Model):
    """One event of an order that its app is to be told of; written with the event itself."""

    class State(models.TextChoices):
        """Whether it still has to be told."""

        PENDING = "PENDING"
        DELIVERED = "DELIVERED"
        # Nobody took it for a day.
        FAILED = "FAILED"
        # There is no address any more, or no app.
        DROPPED = "DROPPED"

    app = models.ForeignKey(ApiApp, models.CASCADE, related_name="+")
    order = models.ForeignKey(Order, models.PROTECT, related_name="+")
    # OrderEvent.sequence: the order is told as it stood after that many events.
    sequence = models.PositiveIntegerField()
    # COMPLETE, CANCELLED, REJECTED or UPDATE.
    name = models.CharField(max_length=12)
    # The order as JSON, from the first try on: every further one says the same.
    row = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    answer = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    # The owner of the app, who may be another than the order's.
    owner_path = "app__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="postback_once"),
            models.CheckConstraint(
                condition=Q(state="PENDING", ended_at=None)
                | (~Q(state="PENDING") & Q(ended_at__isnull=False)),
                name="postback_ended_when_not_pending",
            ),
        ]
        indexes = [
            models.Index(
                fields=["app", "next_at"], condition=Q(state="PENDING"), name="postback_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of order {self.order_id}/{self.sequence}"
