"""Devices and addresses that users trust, and the places they have logged in from."""

from django.conf import settings
from django.db import models

from accounts.domain.networks import plain_network
from accounts.models.managers import OwnedQuerySet


class TrustedAddress(models.Model):
    """An address that a user trusts: exact for IPv4, the /64 network for IPv6."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="trusted_addresses"
    )
    network = models.CharField(max_length=43, help_text="like 203.0.113.7/32 or 2001:db8::/64")
    name = models.CharField(max_length=60, blank=True)
    trusted_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "trusted addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "network"],
                condition=models.Q(revoked_at=None),
                name="trusted_address_unique",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.network

    @property
    def shown(self) -> str:
        """The address as people read it."""
        return plain_network(self.network)


class TrustedDevice(models.Model):
    """A browser that a user trusts, at one address, for 30 days."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="trusted_devices"
    )
    address = models.ForeignKey(TrustedAddress, models.CASCADE, related_name="devices")
    browser = models.CharField(max_length=60)
    name = models.CharField(max_length=60, blank=True)
    trusted_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_for = models.CharField(max_length=60, blank=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name or self.browser


class DeviceToken(models.Model):
    """A value the cookie of a trusted device has had; only its digest. One is current.

    The replaced ones stay until the device expires: one of them seen again is a stolen cookie.
    """

    device = models.ForeignKey(TrustedDevice, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)

    owner_path = "device__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=models.Q(replaced_at=None),
                name="device_token_one_current",
            )
        ]

    def __str__(self) -> str:
        return f"token of device {self.device_id}"


class LogInPlace(models.Model):
    """A browser and a network that a user has logged in from; a new one is told by mail."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="places")
    browser = models.CharField(max_length=60)
    network = models.CharField(max_length=43)
    first_seen_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "browser", "network"], name="log_in_place_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.browser} {self.network}"
