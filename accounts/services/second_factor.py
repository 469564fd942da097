"""The second factor as a log-in or a step-up asks for it, and as staff take a lost one off."""

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

from accounts.domain.factor_delays import TELL_AT, seconds_to_wait
from accounts.domain.recovery import read_code
from accounts.domain.totp import digits_of
from accounts.exceptions import CodeRefused, InvalidInput, TooManyGuesses
from accounts.models import AuthenticatorApp, FactorGuesses, RecoveryCode, User
from accounts.selectors import passkeys_of
from accounts.services import audit
from accounts.services.authenticators import use_code
from accounts.services.devices import revoke_all_devices
from accounts.services.factor_changes import Act, tell
from accounts.services.recovery_codes import use_recovery_code
from accounts.services.sessions import end_sessions
from accounts.services.users import lock_user

LIVE_HOLD = timedelta(hours=24)


def verify_code(user: User, text: str, *, act: Act) -> None:
    """Take a code of the authenticator app, or a recovery code, told apart by its shape.

    Raises CodeRefused, or TooManyGuesses before anything is compared. The count of wrong codes is
    committed whatever the caller does next: there must be no transaction around it.
    """
    digits, written = digits_of(text), read_code(text)
    if digits is None and written is None:
        raise CodeRefused(
            "Enter the six digits that your app shows, or a recovery code like "
            "01 ABCD-EFGH-JKLM-NPQR."
        )
    is_right = _judge(
        user,
        lambda: (
            use_recovery_code(user, written, act=act)
            if written is not None
            else use_code(user, digits or "", act=act)
        ),
        act=act,
    )
    if not is_right:
        raise CodeRefused(
            "This code is wrong or was used before. Wait for the next one."
            if digits
            else "This recovery code is wrong or was used before. Each one works once."
        )


def record_step_up(user: User, *, act: Act) -> None:
    """Note that somebody has shown the second factor, or his password, again."""
    audit.record(
        actor=user,
        kind="step_up",
        target=user.public_id,
        client_address=act.client_address,
        now=act.now,
    )


def remove_lost_factors(user: User, *, actor: User, reason: str, act: Act) -> None:
    """Take every second factor off a user who has lost them and proved to staff who he is.

    He is logged out everywhere, trusts no device any more, and no live order of his goes out for
    a day.
    """
    if not reason.strip():
        raise InvalidInput("Say how the user has proved who he is.", field="reason")
    with transaction.atomic(durable=True):
        locked = lock_user(user.pk)
        locked.live_hold_until = act.now + LIVE_HOLD
        locked.save(update_fields=["live_hold_until"])
        AuthenticatorApp.objects.for_user(locked).delete()
        passkeys_of(locked).delete()
        RecoveryCode.objects.for_user(locked).delete()
        FactorGuesses.objects.for_user(locked).delete()
        revoke_all_devices(locked, why="lost second factor", now=act.now)
        end_sessions(locked)
        tell(locked, "factors_reset", act=act)
        audit.record(
            actor=actor,
            kind="second_factors_reset",
            target=locked.public_id,
            detail={"reason": reason.strip()},
            on_behalf_of=locked,
            client_address=act.client_address,
            now=act.now,
        )


def _judge(user: User, is_right: Callable[[], bool], *, act: Act) -> bool:
    with transaction.atomic(durable=True):
        FactorGuesses.objects.get_or_create(user=user)
        guesses = FactorGuesses.objects.for_user(user).select_for_update().get()
        seconds = seconds_to_wait(guesses.failures, guesses.failed_at, now=act.now)
        if seconds:
            raise TooManyGuesses(
                f"There were too many wrong tries. Wait {_in_words(seconds)}, then try again; "
                "your account is not locked.",
                seconds=seconds,
            )
        verdict = is_right()
        _count(guesses, is_right=verdict, act=act)
    return verdict


def _count(guesses: FactorGuesses, *, is_right: bool, act: Act) -> None:
    if is_right:
        guesses.failures, guesses.failed_at = 0, None
        guesses.save()
        return
    guesses.failures, guesses.failed_at = guesses.failures + 1, act.now
    guesses.save()
    user, values = guesses.user, {"failures": str(guesses.failures)}
    if guesses.failures == TELL_AT:
        tell(user, "factor_guesses", values=values, act=act)
    audit.record(
        actor=None,
        kind="second_factor_refused",
        target=user.public_id,
        detail=values,
        on_behalf_of=user,
        client_address=act.client_address,
        now=act.now,
    )


def _in_words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
