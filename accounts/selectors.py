"""What pages and rules ask about accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Max, Q, QuerySet
from django_otp_webauthn.models import WebAuthnCredential

from accounts.models import ApiApp, ApiSession, AuditEvent, AuthenticatorApp, RecoveryCode, User


@dataclass(frozen=True, slots=True)
class AppState:
    """An app of a user's, or one that acts for him now; `token_until` is None without a token."""

    app_id: int
    name: str
    is_own: bool
    token_until: datetime | None


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
    app: AuthenticatorApp | None = (
        AuthenticatorApp.objects.for_user(user).filter(confirmed=True).first()
    )
    return app


def app_states(user: User, *, limit: int, now: datetime) -> list[AppState]:
    """Return the user's apps and those that act for him, the ones with a token first."""
    lives = Q(sessions__user=user, sessions__ended_at=None, sessions__expires_at__gt=now)
    apps = (
        ApiApp.objects.filter(revoked_at=None)
        .filter(Q(user=user) | Q(pk__in=_apps_acting_for(user, now)))
        .annotate(token_until=Max("sessions__expires_at", filter=lives))
        .order_by("token_until", "name")
    )
    return [
        AppState(app.pk, app.name, app.user_id == user.pk, app.token_until) for app in apps[:limit]
    ]


def _apps_acting_for(user: User, now: datetime) -> "QuerySet[Any, Any]":
    live = ApiSession.objects.for_user(user).filter(ended_at=None, expires_at__gt=now)
    return live.values("app_id")


def password_set_at(user: User) -> datetime:
    """Return when the password was set last; at the sign-up if never since."""
    changes = AuditEvent.objects.for_user(user).filter(
        kind__in=("password_change", "password_reset")
    )
    newest = changes.order_by("-at").values_list("at", flat=True).first()
    return newest or user.joined_at
