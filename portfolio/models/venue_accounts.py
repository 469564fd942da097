"""Accounts at venues, and who may send for them."""

from django.conf import settings
from django.db import models

from accounts.models.managers import OwnedQuerySet
from market.domain.enums import AccountMode, FeeMode, FillModel
from portfolio.domain.account_fees import FeeKind
from portfolio.domain.compliance import ComplianceProfile, profiles_of

PAPER_VENUE = "PAPER"


def _profile_of_mode() -> models.Q:
    """Return the condition that an account's profile is one of its mode."""
    allowed = models.Q()
    for mode in AccountMode:
        allowed |= models.Q(mode=mode, compliance_profile__in=profiles_of(mode))
    return allowed


class GatewayShard(models.Model):
    """The ownership of a share of the venue accounts: one gateway, by lease and fence.

    One row for many accounts, so that renewing costs the same for 10 users and for 10,000.
    """

    number = models.PositiveSmallIntegerField(primary_key=True)
    owner = models.CharField(max_length=80, blank=True)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"shard {self.number} fence {self.fence} {self.owner}"


class VenueAccount(models.Model):
    """One user's account at one venue: one settlement currency and its assets (decisions 28)."""

    class Status(models.TextChoices):
        """Whether orders may be sent for the account."""

        READY = "READY"
        NOT_READY = "NOT_READY"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="venue_accounts"
    )
    shard = models.ForeignKey(GatewayShard, models.PROTECT, default=0)
    name = models.CharField(max_length=40)
    venue = models.CharField(max_length=20, default=PAPER_VENUE)
    mode = models.CharField(max_length=8, choices=[(m, m) for m in AccountMode])
    compliance_profile = models.CharField(
        max_length=20,
        choices=[(p, p) for p in ComplianceProfile],
        default=ComplianceProfile.PAPER,
    )
    settlement_asset = models.CharField(max_length=12)
    fee_mode = models.CharField(
        max_length=8, choices=[(m, m) for m in FeeMode], default=FeeMode.QUOTE
    )
    fill_model = models.CharField(
        max_length=12,
        choices=[(m, m) for m in FillModel],
        null=True,
        blank=True,
        help_text="Overrides the price source's own fill model; empty: the source's.",
    )
    status = models.CharField(max_length=12, choices=Status, default=Status.READY)
    status_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="venue_account_name_unique"),
            models.CheckConstraint(
                condition=_profile_of_mode(), name="venue_account_profile_of_mode"
            ),
            models.CheckConstraint(
                condition=models.Q(mode=AccountMode.PAPER, venue=PAPER_VENUE)
                | (~models.Q(mode=AccountMode.PAPER) & ~models.Q(venue=PAPER_VENUE)),
                name="venue_account_paper_at_paper",
            ),
            # The paper gateway is the only one there is: what it calls READY it would fill itself.
            models.CheckConstraint(
                condition=models.Q(mode=AccountMode.PAPER) | models.Q(status="NOT_READY"),
                name="venue_account_ready_with_gateway",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.mode})"


class FeeSchedule(models.Model):
    """How a venue account is charged from a moment on (decisions 31).

    FLAT has rates here, fractions of traded value; INDIAN_EQUITY is charged by `ChargeRates`.
    """

    venue_account = models.ForeignKey(VenueAccount, models.CASCADE, related_name="fee_schedules")
    kind = models.CharField(max_length=20, choices=[(k, k) for k in FeeKind], default=FeeKind.FLAT)
    maker_rate = models.DecimalField(max_digits=12, decimal_places=8)
    taker_rate = models.DecimalField(max_digits=12, decimal_places=8)
    valid_from = models.DateTimeField()

    owner_path = "venue_account__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue_account", "valid_from"], name="fee_schedule_from_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(maker_rate__gte=0, taker_rate__gte=0, taker_rate__lte=1),
                name="fee_rates_sane",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=FeeKind.FLAT)
                | models.Q(kind=FeeKind.INDIAN_EQUITY, maker_rate=0, taker_rate=0),
                name="fee_kind_has_its_rates",
            ),
        ]

    def __str__(self) -> str:
        if self.kind == FeeKind.INDIAN_EQUITY:
            return "Indian equity charges"
        return f"{self.kind} maker {self.maker_rate} taker {self.taker_rate}"
