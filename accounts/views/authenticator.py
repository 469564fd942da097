"""The authenticator app: a QR code, a right code, and it is enrolled."""

from datetime import datetime, timedelta

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.domain.sealing import NotOpened
from accounts.domain.totp import in_fours, new_seed, setup_address
from accounts.exceptions import CodeRefused, Refused
from accounts.forms import style_fields
from accounts.forms_security import CodeForm
from accounts.models import User
from accounts.selectors import authenticator_of, passkeys_of, recovery_codes_left
from accounts.services.authenticators import add_authenticator, remove_authenticator
from accounts.services.notices import Enqueue
from accounts.services.sealed import seal, unseal
from accounts.services.sessions import stamp_factor
from accounts.views.acts import act_of, own_user
from accounts.views.step_up import requires_factor

_OFFER = "authenticator_offer"
_WHAT = "totp offer"
_OFFER_LASTS = timedelta(minutes=15)


@never_cache
@requires_factor()
@require_http_methods(["GET", "POST"])
def authenticator_add(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Show a seed until a code of it has come back; afterwards it is never shown again."""
    user, act = own_user(request), act_of(request, enqueue)
    seed = _offered_seed(request, user, now=act.now)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            add_authenticator(user, seed, form.cleaned_data["code"], act=act)
        except CodeRefused as error:
            form.add_error("code", str(error))
        else:
            del request.session[_OFFER]
            stamp_factor(request, now=act.now)
            messages.success(request, "Your authenticator app is set up.")
            return redirect(
                "accounts:security" if recovery_codes_left(user) else "accounts:recovery-codes"
            )
    style_fields(form)
    address = setup_address(seed, email=user.email)
    context = {
        "form": form,
        "qr": segno.make(address, error="m").svg_data_uri(scale=5, light="#fff"),
        "key": in_fours(seed),
        "is_replacing": authenticator_of(user) is not None,
    }
    return render(request, "accounts/authenticator_add.html", context)


@never_cache
@requires_factor()
@require_http_methods(["GET", "POST"])
def authenticator_remove(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Ask once more, then remove the app."""
    user = own_user(request)
    if authenticator_of(user) is None:
        return redirect("accounts:security")
    if request.method == "POST":
        try:
            remove_authenticator(user, act=act_of(request, enqueue))
        except Refused as error:
            messages.error(request, str(error))
        else:
            request.session.cycle_key()
            messages.success(request, "The authenticator app is removed.")
        return redirect("accounts:security")
    context = {"is_last": not passkeys_of(user).exists()}
    return render(request, "accounts/authenticator_remove.html", context)


def _offered_seed(request: HttpRequest, user: User, *, now: datetime) -> str:
    """Return the seed that this session is being shown; a new one after a quarter of an hour."""
    offer = request.session.get(_OFFER)
    if offer is None or datetime.fromisoformat(offer["until"]) < now:
        sealed = seal(new_seed(), what=_WHAT, user_id=user.pk)
        offer = {"sealed": sealed, "until": (now + _OFFER_LASTS).isoformat()}
        request.session[_OFFER] = offer
    try:
        return unseal(offer["sealed"], what=_WHAT, user_id=user.pk)
    except NotOpened:
        # Its key was taken out meanwhile.
        del request.session[_OFFER]
        return _offered_seed(request, user, now=now)
