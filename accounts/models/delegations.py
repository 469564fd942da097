"""Who may look at whose account."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet


class DelegationQuerySet(OwnedQuerySet["Delegation"]):
    """Invitations to look at an account, and what became of them."""

    def open(self, now: datetime) -> Self:
        """Return those that are neither taken back nor over, accepted or not."""
        return self.filter(
            models.Q(ends_at=None) | models.Q(ends_at__gt=now),
            revoked_at=None,
            user__is_active=True,
        )

    def live(self, now: datetime) -> Self:
        """Return those under which somebody may look right now."""
        return self.open(now).exclude(accepted_at=None)


class Delegation(models.Model):
    """A viewer: may see everything of the owner's account and do nothing with it.

    The owner names somebody, who accepts. Whether anybody has that name is told only by his
    accepting: `viewer` is empty where nobody has it, and the owner cannot see that.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="delegations_given"
    )
    invited = models.CharField(max_length=254, help_text="e-mail or public id, as the owner typed")
    viewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="delegations_held"
    )
    given_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = DelegationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "invited"],
                condition=models.Q(revoked_at=None),
                name="delegation_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(viewer=None) | ~models.Q(user=models.F("viewer")),
                name="delegation_to_another",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(viewer__isnull=False),
                name="delegation_accepted_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invited} views user {self.user_id}"
