"""Second factors for tests: an enrolled app that shows codes, recovery codes of known letters."""

from base64 import b32decode
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django_otp.oath import hotp

from accounts.domain.recovery import WrittenCode, new_codes
from accounts.domain.totp import new_seed, step_at
from accounts.models import AuthenticatorApp, RecoveryCode, User
from accounts.services.authenticators import WHAT
from accounts.services.factor_changes import Act
from accounts.services.notices import Enqueue
from accounts.services.sealed import seal


@dataclass(frozen=True, slots=True)
class Phone:
    """An authenticator app on a phone."""

    seed: str

    def code(self, now: datetime, *, steps: int = 0) -> str:
        """Return what it shows now, or so many half minutes later."""
        return f"{hotp(b32decode(self.seed), step_at(now) + steps):06d}"

    def wrong(self, now: datetime) -> str:
        """Return six digits that it shows at no time near now."""
        near = {self.code(now, steps=step) for step in range(-3, 4)}
        return next(each for each in ("000000", "111111", "222222", "333333") if each not in near)


def enrol(user: User) -> Phone:
    """Enrol an authenticator app for the user."""
    phone = Phone(new_seed())
    AuthenticatorApp.objects.create(
        user=user,
        name="Authenticator app",
        confirmed=True,
        sealed_seed=seal(phone.seed, what=WHAT, user_id=user.pk),
    )
    return phone


def give_recovery_codes(user: User, *, now: datetime) -> list[WrittenCode]:
    """Make ten recovery codes."""
    codes = new_codes()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, slot=code.slot, code_hash=make_password(code.letters), made_at=now)
        for code in codes
    )
    return codes


def an_act(now: datetime, enqueue: Enqueue = lambda *_: None) -> Act:
    """Return an act from nowhere in particular."""
    return Act(client_address="203.0.113.7", session=None, enqueue=enqueue, now=now)
