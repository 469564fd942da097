"""Programs of users: the app, its log-ins and its sessions (kite-api.md 1.2)."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.domain.allowed_addresses import MOST as MOST_ADDRESSES
from accounts.models.managers import OwnedQuerySet

if TYPE_CHECKING:
    from accounts.models.users import User


class ApiApp(models.Model):
    """One program of a user: `api_key`, a sealed secret, where log-ins return to, what it may."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_apps")
    name = models.CharField(max_length=60)
    api_key = models.CharField(max_length=16, unique=True)
    sealed_secret = models.TextField()
    secret_made_at = models.DateTimeField()
    redirect_url = models.CharField(max_length=500)
    postback_url = models.CharField(max_length=500, blank=True)
    allowed_addresses = ArrayField(
        models.GenericIPAddressField(), size=MOST_ADDRESSES, default=list, blank=True
    )
    addresses_changed_at = models.DateTimeField(null=True)
    products = ArrayField(models.CharField(max_length=8), default=list)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(revoked_at=None),
                name="api_app_name_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(allowed_addresses__len__lte=MOST_ADDRESSES),
                name="api_app_two_addresses",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.api_key})"


class RequestToken(models.Model):
    """What a log-in gives an app to exchange, once, within five minutes; only its digest."""

    app = models.ForeignKey(ApiApp, models.CASCADE, related_name="request_tokens")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="request_tokens"
    )
    # ConsoleSession.public_id: when that session has ended, the token is void.
    session_id = models.UUIDField()
    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"request token {self.pk} of app {self.app_id}"


class ApiSessionQuerySet(OwnedQuerySet["ApiSession"]):
    """Sessions of apps; one that has ended stays, to be told from one that never was."""

    def live(self, now: datetime) -> Self:
        """Return the sessions that act now: not ended, not over, of an app and people that may."""
        return self.filter(
            ended_at=None,
            expires_at__gt=now,
            user__is_active=True,
            app__revoked_at=None,
            app__user__is_active=True,
        )

    def touching(self, user: "User") -> Self:
        """Return the sessions that act for the user, and those of his own apps."""
        return self.filter(models.Q(user=user) | models.Q(app__user=user))


class ApiSession(models.Model):
    """An app acting for a user until 06:00 in India; only digests of its tokens.

    One lives per app and user: a new log-in ends the older one.
    """

    app = models.ForeignKey(ApiApp, models.CASCADE, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_sessions")
    access_digest = models.CharField(max_length=64, unique=True)
    refresh_digest = models.CharField(max_length=64, unique=True, null=True)
    refresh_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    address = models.GenericIPAddressField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_for = models.CharField(max_length=60, blank=True)

    objects = ApiSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "user"],
                condition=models.Q(ended_at=None),
                name="api_session_one_live",
            )
        ]

    def __str__(self) -> str:
        return f"session {self.pk} of app {self.app_id}"
