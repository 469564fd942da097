"""What django-axes asks before, and tells after, every try of a password (AXES_HANDLER).

Whoever calls `authenticate()` passes here: the log-in page, the confirm page, a change of password.
"""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest

from accounts.domain.client_address import client_address
from accounts.exceptions import TooManyGuesses
from accounts.models import User
from accounts.services.guesses import claim_try, digest_of
from accounts.services.places import browser_of

_NO_ADDRESS = "::"


def address_of(request: HttpRequest) -> str | None:
    """Return the client's address as everybody else here sees it."""
    return client_address(request.META)


class LogInGuard(AxesDatabaseHandler):  # type: ignore[misc]
    """Lets our own buckets decide who has to wait, and notes refused passwords for staff."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Claim the try; say whether it has to wait, in which case nothing is looked at."""
        email = str((credentials or {}).get("username") or "")
        try:
            request.password_try = claim_try(request, email, now=request.axes_attempt_time)
        except TooManyGuesses as refusal:
            request.password_try = refusal
            return True
        return False

    def user_login_failed(
        self,
        sender: object,
        credentials: dict[str, Any],
        request: Any = None,
        **_kwargs: object,
    ) -> None:
        """Count a refused password; nothing of what was sent is kept, a try that waits not at all.

        An address that nobody has is kept as a digest only: people type passwords into that field.
        """
        if request is None or isinstance(request.password_try, TooManyGuesses):
            return
        self.clean_expired_user_attempts(request, credentials)
        email = str(credentials.get("username") or "")
        user = User.objects.with_email(email).first()
        with transaction.atomic():
            attempt, is_new = AccessAttempt.objects.select_for_update().get_or_create(
                username=f"unknown {digest_of(email)}" if user is None else user.public_id,
                # Rows without an address would not be told apart by their constraint.
                ip_address=address_of(request) or _NO_ADDRESS,
                user_agent=browser_of(request),
                defaults={"failures_since_start": 1, "path_info": request.path[:255]},
            )
            if not is_new:
                attempt.failures_since_start = F("failures_since_start") + 1
            attempt.attempt_time = request.axes_attempt_time
            attempt.save()
