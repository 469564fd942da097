"""Who may look at whose account."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet


class Delegation(models.Model):
    """A viewer: may see everything of the owner's account and do nothing with it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="delegations_given"
    )
    viewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="delegations_held"
    )
    given_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "viewer"],
                condition=models.Q(revoked_at=None),
                name="delegation_unique",
            ),
            models.CheckConstraint(
                condition=~models.Q(user=models.F("viewer")), name="delegation_to_another"
            ),
        ]

    def __str__(self) -> str:
        return f"user {self.viewer_id} views user {self.user_id}"
