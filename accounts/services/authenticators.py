"""Authenticator apps: enrolled with a right code, used, removed."""

import logging
from base64 import b32decode

from django.db import transaction
from django_otp.oath import hotp

from accounts.domain import totp
from accounts.domain.sealing import NotOpened
from accounts.domain.tokens import is_same
from accounts.exceptions import CodeRefused
from accounts.models import AuthenticatorApp, RecoveryCode, User
from accounts.selectors import has_second_factor
from accounts.services.factor_changes import Act, note_change, refuse_to_stand_bare
from accounts.services.sealed import seal, unseal
from accounts.services.users import lock_user

logger = logging.getLogger(__name__)

WHAT = "totp"
_NAME = "Authenticator app"


def add_authenticator(user: User, seed: str, text: str, *, act: Act) -> None:
    """Enrol the app that has the seed, proved by a code of it; it takes the place of another.

    That code counts as used. Raises CodeRefused.
    """
    digits, this_step = totp.digits_of(text), totp.step_at(act.now)
    steps = [this_step + each for each in totp.ENROL_STEPS]
    step = None if digits is None else _matching_step(seed, digits, steps=steps)
    if step is None:
        raise CodeRefused(
            "This code does not fit. Wait for the next one and type it at once. If it is refused "
            "again, let your phone set its clock by itself."
        )
    with transaction.atomic(durable=True):
        locked = lock_user(user.pk)
        AuthenticatorApp.objects.for_user(locked).delete()
        AuthenticatorApp.objects.create(
            user=locked,
            name=_NAME,
            confirmed=True,
            sealed_seed=seal(seed, what=WHAT, user_id=locked.pk),
            last_step=step,
            drift=max(0, step - this_step),
            created_at=act.now,
            last_used_at=act.now,
        )
        note_change(locked, "authenticator_added", act=act)


def remove_authenticator(user: User, *, act: Act) -> None:
    """Remove the app; with the last second factor the recovery codes go too."""
    with transaction.atomic(durable=True):
        locked = lock_user(user.pk)
        AuthenticatorApp.objects.for_user(locked).delete()
        note_change(locked, "authenticator_removed", values={"rest": settle(locked)}, act=act)


def settle(user: User) -> str:
    """After a removal: refuse where none may be missing, drop codes that stand for nothing.

    Returns in words what is left.
    """
    refuse_to_stand_bare(user)
    if has_second_factor(user):
        return "Another second factor still protects it."
    RecoveryCode.objects.for_user(user).delete()
    return "Your password alone opens it now."


def use_code(user: User, digits: str, *, act: Act) -> bool:
    """Take the code if it is right and newer than the last one used. In a transaction."""
    app = (
        AuthenticatorApp.objects.for_user(user)
        .select_for_update(no_key=True)
        .filter(confirmed=True)
        .first()
    )
    if app is None:
        return False
    seed = _opened_seed(app)
    latest = totp.step_at(act.now) + app.drift
    steps = [latest + each for each in totp.USE_STEPS if latest + each > app.last_step]
    step = _matching_step(seed, digits, steps=steps)
    if step is None:
        return False
    app.last_step, app.last_used_at = step, act.now
    app.save(update_fields=["last_step", "last_used_at"])
    return True


def _opened_seed(app: AuthenticatorApp) -> str:
    try:
        return unseal(app.sealed_seed, what=WHAT, user_id=app.user_id)
    except NotOpened as error:
        logger.warning("seed does not open authenticator=%s", app.pk)
        raise CodeRefused(
            "Codes of your app cannot be checked any more. Use a recovery code or a passkey, "
            "then set the app up again."
        ) from error


def _matching_step(seed: str, digits: str, *, steps: list[int]) -> int | None:
    key = b32decode(seed)
    return next((step for step in steps if is_same(f"{hotp(key, step):06d}", digits)), None)
