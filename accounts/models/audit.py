"""Who did what: append-only and hash-chained (decisions 17)."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet


class AuditEvent(models.Model):
    """One act: who, on whose behalf, from where, on what. One global hash chain."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="audit_acts"
    )
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="audit_subjects"
    )
    kind = models.CharField(max_length=60)
    target = models.CharField(max_length=120, blank=True)
    detail = models.JSONField(default=dict)
    client_address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField()
    # Unique: two events cannot follow the same one, so the chain cannot fork.
    previous_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    # People see what was done on their own behalf, whoever did it.
    owner_path = "on_behalf_of"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["on_behalf_of", "-at"], name="audit_subject_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.target}"
