"""Passkeys as second factors (WebAuthn), beside the authenticator app; never in place of a password.

What the browser has to sign is kept in its session, taken out before it is judged, and good once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers.exceptions import WebAuthnException

from accounts.exceptions import CodeRefused, NotFound, Refused
from accounts.models import User
from accounts.selectors import passkeys_of
from accounts.services import audit
from accounts.services.authenticators import settle
from accounts.services.factor_changes import Act, note_change
from accounts.services.users import lock_user

MOST_PASSKEYS = 10
LONGEST_NAME = 40
_ADDING = "passkey_adding"
_USING = "passkey_using"
_GOOD_FOR = timedelta(minutes=5)
# What the libraries raise at an answer that is forged, malformed or of another site.
_BAD_ANSWERS = (WebAuthnException, OTPWebAuthnApiError, ValueError, KeyError, TypeError)


def passkey_site(request: HttpRequest) -> str | None:
    """Return the address under which passkeys work where this one is another; else None."""
    origin = f"{request.scheme}://{request.get_host()}"
    origins: list[str] = settings.OTP_WEBAUTHN_ALLOWED_ORIGINS
    return None if origin in origins else origins[0]


def begin_adding(request: HttpRequest, user: User, *, now: datetime) -> dict[str, Any]:
    """Return what the browser needs to make a passkey."""
    if passkeys_of(user).count() >= MOST_PASSKEYS:
        raise Refused(f"You have {MOST_PASSKEYS} passkeys. Remove one first.")
    options, state = WebAuthnHelper(request).register_begin(user)
    _keep(request, _ADDING, state=state, now=now)
    return dict(options)


def add_passkey(
    request: HttpRequest, user: User, answer: Mapping[str, Any], *, name: str, act: Act
) -> None:
    """Keep the passkey that the browser has made; raises CodeRefused."""
    state = _take(request, _ADDING, now=act.now)
    try:
        with transaction.atomic(durable=True):
            locked = lock_user(user.pk)
            passkey = WebAuthnHelper(request).register_complete(locked, state, dict(answer))
            passkey.name = name.strip()[:LONGEST_NAME] or "Passkey"
            passkey.save(update_fields=["name"])
            note_change(locked, "passkey_added", values={"name": passkey.name}, act=act)
    except (*_BAD_ANSWERS, IntegrityError) as error:
        raise CodeRefused("This passkey could not be added. Try again.") from error


def begin_using(request: HttpRequest, user: User, *, now: datetime) -> dict[str, Any]:
    """Return what one of the user's passkeys has to sign."""
    options, state = WebAuthnHelper(request).authenticate_begin(
        user, require_user_verification=False
    )
    _keep(request, _USING, state=state, now=now)
    return dict(options)


def verify_passkey(
    request: HttpRequest, user: User, answer: Mapping[str, Any], *, act: Act
) -> None:
    """Take the signature of one of the user's passkeys; raises CodeRefused."""
    state = _take(request, _USING, now=act.now)
    try:
        with transaction.atomic(durable=True):
            # Locked, so that two answers cannot both be newer than the counter.
            list(passkeys_of(user).select_for_update())
            WebAuthnHelper(request).authenticate_complete(user, state, dict(answer))
    except _BAD_ANSWERS as error:
        audit.record(
            actor=None,
            kind="second_factor_refused",
            target=user.public_id,
            detail={"with": "passkey"},
            on_behalf_of=user,
            client_address=act.client_address,
            now=act.now,
        )
        raise CodeRefused("This passkey was not accepted. Try again, or use a code.") from error


def rename_passkey(user: User, passkey_id: int, *, name: str) -> None:
    """Give the passkey another name."""
    if not passkeys_of(user).filter(pk=passkey_id).update(name=name.strip()[:LONGEST_NAME]):
        raise NotFound("There is no such passkey.")


def remove_passkey(user: User, passkey_id: int, *, act: Act) -> None:
    """Remove the passkey; with the last second factor the recovery codes go too."""
    with transaction.atomic(durable=True):
        locked = lock_user(user.pk)
        passkey = passkeys_of(locked).filter(pk=passkey_id).first()
        if passkey is None:
            raise NotFound("There is no such passkey.")
        name = str(passkey.name)
        WebAuthnCredential.objects.filter(pk=passkey.pk).delete()
        values = {"name": name, "rest": settle(locked)}
        note_change(locked, "passkey_removed", values=values, act=act)


def _keep(request: HttpRequest, key: str, *, state: Mapping[str, Any], now: datetime) -> None:
    request.session[key] = {**state, "until": (now + _GOOD_FOR).isoformat()}


def _take(request: HttpRequest, key: str, *, now: datetime) -> dict[str, Any]:
    state = request.session.pop(key, None)
    # At once: whatever becomes of the answer, it is the only one.
    request.session.save()
    if state is None or datetime.fromisoformat(state["until"]) < now:
        raise CodeRefused("This took too long. Try again.")
    # Two answers at the same moment both find the state; only one is the first here.
    if not cache.add(f"accounts.passkey.{state['challenge']}", 1, 600):
        raise CodeRefused("This answer was used before. Try again.")
    return dict(state)
