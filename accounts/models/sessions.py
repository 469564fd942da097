"""Console sessions: what Django keeps, and who, where and since when for people to look at."""

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from accounts.models.managers import OwnedQuerySet


class ConsoleSession(AbstractBaseSession):
    """One browser's session. Its key is a digest of the cookie: the table opens no session.

    Everything but the key is a projection of the session's data, written with it
    (`accounts.session_store`).
    """

    # Stays the same when the key is cycled; for addresses of pages and what is bound to a session.
    public_id = models.UUIDField(null=True, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="console_sessions"
    )
    browser = models.CharField(max_length=60, blank=True)
    address = models.GenericIPAddressField(null=True)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    factor_at = models.DateTimeField(null=True)
    device = models.ForeignKey(
        "accounts.TrustedDevice", models.SET_NULL, null=True, related_name="console_sessions"
    )

    objects = OwnedQuerySet.as_manager()  # type: ignore[assignment,misc]

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.browser} {self.address}"

    @classmethod
    def get_session_store_class(cls) -> type:
        """Return the store that writes these rows."""
        from accounts.session_store import SessionStore  # noqa: PLC0415 - the store imports this

        return SessionStore
