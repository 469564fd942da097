"""Rows of what secures an account, for the admin's lists; every secret is a canary."""

from datetime import datetime, timedelta
from uuid import uuid4

from django_otp_webauthn.models import WebAuthnCredential

from accounts.models import (
    ApiApp,
    ApiSession,
    AuthenticatorApp,
    ConsoleSession,
    Delegation,
    DeviceToken,
    FactorGuesses,
    GuessBucket,
    LogInPlace,
    PostbackReceiver,
    RecoveryCode,
    RequestToken,
    TrustedAddress,
    TrustedDevice,
    User,
)

CANARY = "canary"


def plant_security(user: User, number: int, now: datetime) -> None:
    """Make one row of every model of account security; no service would make them so."""
    _plant_factors(user, number, now)
    _plant_apps(user, number, now)
    _plant_places(user, number, now)
    later = now + timedelta(hours=1)
    Delegation.objects.create(user=user, invited=f"FB9{number:03d}", given_at=now)
    GuessBucket.objects.create(key=f"{CANARY}-bucket-{number}", empty_at=later, blocked_until=later)


def _plant_factors(user: User, number: int, now: datetime) -> None:
    AuthenticatorApp.objects.create(user=user, name="Phone", sealed_seed=f"{CANARY}-seed")
    RecoveryCode.objects.create(user=user, slot=1, code_hash=f"{CANARY}-code", made_at=now)
    FactorGuesses.objects.create(user=user, failures=1, failed_at=now)
    WebAuthnCredential.objects.create(
        user=user,
        name="Key",
        credential_id=f"{CANARY}-{number}".encode(),
        public_key=f"{CANARY}-key".encode(),
        aaguid="0" * 36,
    )


def _plant_apps(user: User, number: int, now: datetime) -> None:
    app = ApiApp.objects.create(
        user=user,
        name="App",
        api_key=f"key{number:05d}",
        sealed_secret=f"{CANARY}-secret",
        secret_made_at=now,
        redirect_url="https://app.example/back",
        created_at=now,
    )
    PostbackReceiver.objects.create(app=app, url="https://hooks.example/kite")
    later = now + timedelta(hours=1)
    RequestToken.objects.create(
        app=app,
        user=user,
        session_id=uuid4(),
        digest=f"{CANARY}-request-{number}",
        issued_at=now,
        expires_at=later,
    )
    ApiSession.objects.create(
        app=app,
        user=user,
        access_digest=f"{CANARY}-access-{number}",
        refresh_digest=f"{CANARY}-refresh-{number}",
        started_at=now,
        expires_at=later,
    )


def _plant_places(user: User, number: int, now: datetime) -> None:
    address = TrustedAddress.objects.create(
        user=user, network="203.0.113.7/32", trusted_at=now, seen_at=now
    )
    device = TrustedDevice.objects.create(
        user=user,
        address=address,
        browser="Firefox on Linux",
        trusted_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=30),
    )
    DeviceToken.objects.create(device=device, digest=f"{CANARY}-device-{number}", issued_at=now)
    LogInPlace.objects.create(
        user=user, browser="Firefox", network="203.0.113.7/32", first_seen_at=now, seen_at=now
    )
    ConsoleSession.objects.create(
        session_key=f"{CANARY}-session-{number}",
        session_data=f"{CANARY}-data",
        expire_date=now + timedelta(hours=1),
        public_id=uuid4(),
        user=user,
        browser="Firefox",
        address="203.0.113.7",
        started_at=now,
        seen_at=now,
        device=device,
    )
