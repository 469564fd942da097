"""What pages and rules ask about accounts."""

from django_otp_webauthn.models import WebAuthnCredential

from accounts.models import AuthenticatorApp, User


def has_second_factor(user: User) -> bool:
    """Say whether the user has enrolled a second factor that works."""
    return bool(
        AuthenticatorApp.objects.filter(user=user, confirmed=True).exists()
        or WebAuthnCredential.objects.filter(user=user, confirmed=True).exists()
    )
