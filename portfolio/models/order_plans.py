"""Plans: what is still to be placed for an order that consists of several."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models.managers import OwnedQuerySet
from market.domain.enums import Variety
from portfolio.models.books import Book
from portfolio.models.orders import Order


class OrderPlan(models.Model):
    """What follows a first order: the stop of a cover order, the further legs of an iceberg.

    `due_at` is set in the transaction in which one of its orders changes, and cleared in the one
    that acts on it: whatever dies in between, the plan is found again.
    """

    class Status(models.TextChoices):
        """How far it is."""

        ACTIVE = "ACTIVE"
        DONE = "DONE"
        ENDED = "ENDED"

    KINDS = (Variety.CO, Variety.ICEBERG)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    book = models.ForeignKey(Book, models.PROTECT, related_name="+")
    # The first order; the others are its children.
    entry = models.OneToOneField(Order, models.PROTECT, related_name="plan")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in KINDS])
    status = models.CharField(max_length=6, choices=Status, default=Status.ACTIVE)
    # Why it ended before it was done.
    message = models.CharField(max_length=300, blank=True)
    # How many orders it has placed, the first included: the next one's number (`plan:<id>:<n>`).
    placed = models.PositiveSmallIntegerField(default=1)
    # Icebergs: how many legs of how many units make up the whole.
    legs = models.PositiveSmallIntegerField(null=True)
    leg_quantity = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    total_quantity = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    # Cover orders: where the stop lies, and whether its owner wants to be out at once.
    trigger_price = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    is_exiting = models.BooleanField(default=False)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(
                        kind=Variety.ICEBERG.value,
                        legs__gte=2,
                        legs__lte=50,
                        leg_quantity__gt=0,
                        total_quantity__gt=F("leg_quantity") * (F("legs") - 1),
                        total_quantity__lte=F("leg_quantity") * F("legs"),
                        trigger_price=None,
                        is_exiting=False,
                    )
                    | Q(
                        kind=Variety.CO.value,
                        legs=None,
                        leg_quantity=None,
                        total_quantity=None,
                        trigger_price__gt=0,
                    )
                ),
                name="order_plan_terms",
            ),
            models.CheckConstraint(
                condition=Q(status="ACTIVE") | Q(due_at=None), name="order_plan_ended_is_not_due"
            ),
            models.CheckConstraint(condition=Q(placed__gte=1), name="order_plan_has_its_entry"),
            models.CheckConstraint(
                condition=Q(kind=Variety.CO.value) | Q(placed__lte=F("legs")),
                name="order_plan_within_its_legs",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="order_plan_due"
            ),
            models.Index(fields=["book"], condition=Q(status="ACTIVE"), name="order_plan_active"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of order {self.entry_id}"
