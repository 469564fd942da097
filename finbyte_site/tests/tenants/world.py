"""The people of the tenant matrix and what is theirs, marked so that a leak shows."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import redis
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential

from accounts.models import (
    ApiApp,
    ApiSession,
    ConsoleSession,
    Delegation,
    TrustedAddress,
    TrustedDevice,
    User,
)
from accounts.services.sealed import seal
from bots.models import Bot
from finbyte_site.tests.console import Stage
from market.domain.credentials import Finding
from market.domain.enums import AccountMode
from portfolio.domain.compliance import ComplianceProfile
from portfolio.models import Order, VenueAccount, VenueCredentials


def marker_of(user: User) -> str:
    """Return a text that stands in everything of one user and nowhere else."""
    return f"zz{user.email.split('@')[0].upper()}zz"


@dataclass(slots=True)
class Things:
    """One user's things."""

    stage: Stage
    order: Order
    bot: Bot
    # By the name of their part in addresses: device_id, address_id, ...
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """Return whose they are."""
        return self.stage.user

    @property
    def marker(self) -> str:
        """Return the text that stands in all of them."""
        return marker_of(self.user)


def things_of(user: User, client: redis.Redis, *, friend: User) -> Things:
    """Give a user an account with money, an order, a fill, a running bot and what he logs in with.

    The friend lets the user look at his account, and may look at the user's.
    """
    stage = Stage(user, client)
    marker = marker_of(user)
    user.full_name = marker
    user.save(update_fields=["full_name"])
    stage.account.name = f"Paper {marker}"
    stage.account.save(update_fields=["name"])
    order = stage.order()
    bot = stage.running_bot(name=f"Grid {marker}")
    stage.fills(stage.book, 1)
    ids = {
        "bot_id": bot.pk,
        "order_id": order.pk,
        "account_id": _connected(user, marker).pk,
        **_log_in_ids(user, marker),
        **_app_ids(user, marker),
        **_delegation_ids(user, friend),
    }
    return Things(stage, order, bot, ids)


def _connected(user: User, marker: str) -> VenueAccount:
    """Return an account with a key, at a venue that no process talks to."""
    now = timezone.now()
    account = VenueAccount.objects.create(
        user=user,
        name=f"Testnet {marker}",
        venue="BINANCE_TESTNET",
        mode=AccountMode.TESTNET,
        compliance_profile=ComplianceProfile.CRYPTO_TESTNET,
        settlement_asset="USDT",
        status=VenueAccount.Status.NOT_READY,
        created_at=now,
    )
    VenueCredentials.objects.create(
        venue_account=account,
        sealed_key=seal(
            json.dumps({"key": "k" * 64, "secret": "s" * 64}),
            what="venue_key",
            user_id=user.pk,
        ),
        hint="abcd",
        added_at=now,
        finding=Finding.TRADE_ONLY,
        finding_words="It can trade.",
    )
    return account


def _log_in_ids(user: User, marker: str) -> dict[str, Any]:
    now = timezone.now()
    number = user.pk % 250
    address = TrustedAddress.objects.create(
        user=user, network=f"198.51.100.{number}/32", name=marker, trusted_at=now, seen_at=now
    )
    device = TrustedDevice.objects.create(
        user=user,
        address=address,
        browser="A program",
        name=marker,
        trusted_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=30),
    )
    session = ConsoleSession.objects.create(
        session_key=uuid4().hex,
        public_id=uuid4(),
        user=user,
        browser=marker,
        address="198.51.100.1",
        started_at=now,
        seen_at=now,
        expire_date=now + timedelta(hours=1),
    )
    passkey = WebAuthnCredential.objects.create(
        user=user, name=marker, credential_id=uuid4().bytes, public_key=b"x", aaguid=str(uuid4())
    )
    return {
        "address_id": address.pk,
        "device_id": device.pk,
        "session_id": session.public_id,
        "passkey_id": passkey.pk,
    }


def _app_ids(user: User, marker: str) -> dict[str, Any]:
    now = timezone.now()
    app = ApiApp.objects.create(
        user=user,
        name=f"App {marker}",
        api_key=uuid4().hex[:16],
        sealed_secret="sealed",
        secret_made_at=now,
        redirect_url="https://example.com/back",
        products=["CNC"],
        created_at=now,
    )
    session = ApiSession.objects.create(
        app=app,
        user=user,
        access_digest=uuid4().hex,
        started_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return {"app": app.pk, "api_session": session.pk}


def _delegation_ids(user: User, friend: User) -> dict[str, Any]:
    now = timezone.now()
    given = Delegation.objects.create(
        user=user, invited=friend.email, viewer=friend, given_at=now, accepted_at=now
    )
    held = Delegation.objects.create(
        user=friend, invited=user.email, viewer=user, given_at=now, accepted_at=now
    )
    offered = Delegation.objects.create(
        user=friend, invited=user.public_id, viewer=user, given_at=now
    )
    return {"given": given.pk, "held": held.pk, "offered": offered.pk}
