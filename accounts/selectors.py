"""What pages and rules ask about accounts."""

from typing import Any, cast

from django.db.models import QuerySet
from django_otp_webauthn.models import WebAuthnCredential

from accounts.models import AuthenticatorApp, RecoveryCode, User


def has_second_factor(user: User) -> bool:
    """Say whether the user has enrolled a second factor that works."""
    return bool(
        AuthenticatorApp.objects.filter(user=user, confirmed=True).exists()
        or WebAuthnCredential.objects.filter(user=user, confirmed=True).exists()
    )


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes of the user are unused."""
    return RecoveryCode.objects.for_user(user).filter(used_at=None).count()


def passkeys_of(user: User) -> QuerySet[Any]:
    """Return the passkeys of the user, the oldest first."""
    return cast("QuerySet[Any]", WebAuthnCredential.objects.filter(user=user).order_by("pk"))


def authenticator_of(user: User) -> AuthenticatorApp | None:
    """Return the user's authenticator app."""
    return AuthenticatorApp.objects.for_user(user).filter(confirmed=True).first()
