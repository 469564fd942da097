"""What opens an account at a venue, and what is on record about it."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet
from market.domain.credentials import Finding
from portfolio.domain.compliance import EvidenceKind
from portfolio.models.venue_accounts import VenueAccount


class VenueCredentials(models.Model):
    """The API key and secret of one venue account, sealed for its owner; shown to nobody."""

    venue_account = models.OneToOneField(VenueAccount, models.CASCADE, related_name="credentials")
    sealed_key = models.TextField()
    hint = models.CharField(max_length=4, help_text="The last characters of the key.")
    added_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    finding = models.CharField(max_length=16, choices=[(f, f) for f in Finding])
    finding_words = models.CharField(max_length=300)

    owner_path = "venue_account__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "venue credentials"

    def __str__(self) -> str:
        return f"key …{self.hint}"


class ComplianceEvidence(models.Model):
    """One statement about an account that software cannot check; never changed, only followed."""

    venue_account = models.ForeignKey(VenueAccount, models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=24, choices=[(k, k) for k in EvidenceKind])
    reference = models.CharField(max_length=120)
    dated_on = models.DateField()
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="recorded_evidence"
    )
    recorded_at = models.DateTimeField()

    owner_path = "venue_account__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "compliance evidence"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(reference=""), name="compliance_evidence_says_something"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reference}"
