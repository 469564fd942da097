"""Second factors. Passkeys have their own app (`django_otp_webauthn`)."""

from django.conf import settings
from django.db import models
from django_otp.models import Device, DeviceManager

from accounts.models.managers import OwnedQuerySet


class AuthenticatorApp(Device):  # type: ignore[misc]
    """One TOTP generator of a user (RFC 6238: SHA-1, 6 digits, 30 s). The seed is sealed.

    `last_step` is the newest time step whose code was used: that code and older ones are void.
    """

    sealed_seed = models.TextField()
    last_step = models.BigIntegerField(default=-1)
    # 1 where the clock of the app ran ahead of ours when it was enrolled.
    drift = models.SmallIntegerField(default=0)
    created_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects = DeviceManager.from_queryset(OwnedQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(confirmed=True), name="one_authenticator_app"
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)


class RecoveryCode(models.Model):
    """One of ten codes that stand in for a lost second factor; works once."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes"
    )
    # The first two digits of a code: they say which row to compare, so one slow hash suffices.
    slot = models.PositiveSmallIntegerField()
    code_hash = models.CharField(max_length=128)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "slot"], name="recovery_code_slot_unique")
        ]

    def __str__(self) -> str:
        return f"code {self.slot:02d}"


class FactorGuesses(models.Model):
    """Wrong codes of a user since the last right one; the row is locked while a code is judged."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="factor_guesses"
    )
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "factor guesses"

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.failures} wrong"
