"""The second step of a log-in."""

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.domain.networks import plain_network
from accounts.domain.roles import SecondFactorRule
from accounts.exceptions import Refused
from accounts.models import User
from accounts.services import log_in, passkeys
from accounts.services.devices import trust_device
from accounts.services.factor_changes import Act
from accounts.services.notices import Enqueue
from accounts.services.places import browser_of, place_network
from accounts.services.second_factor import verify_code
from accounts.views.acts import act_of, safe_next
from accounts.views.code_page import code_form, is_judged_right, render_code_page
from accounts.views.limits import SECOND_FACTOR_RATES, limited
from accounts.views.passkeys import answers_json, sent_json

_TOO_LATE = "Log in again: the second step has to follow within ten minutes."


@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "POST"])
@limited("second_factor", SECOND_FACTOR_RATES)
def second_factor(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Ask whoever has shown the password for the second factor, and let him in."""
    act = act_of(request, enqueue)
    user = log_in.pending_user(request, now=act.now)
    if user is None:
        if not request.user.is_authenticated:
            messages.info(request, _TOO_LATE)
        return redirect("accounts:log-in")
    form = code_form(request, user)
    if request.method == "POST" and is_judged_right(form, partial(verify_code, user, act=act)):
        is_trusted = "trust" in request.POST
        return redirect(_let_in(request, user, is_trusted=is_trusted, act=act))
    return render_code_page(
        request,
        "accounts/second_factor.html",
        form=form,
        user=user,
        email=user.email,
        begin=reverse("accounts:second-factor-passkey-begin"),
        complete=reverse("accounts:second-factor-passkey-complete"),
        place=_place_to_trust(request, user),
    )


@answers_json
def second_factor_passkey_begin(request: HttpRequest) -> dict[str, Any]:
    """Return what a passkey has to sign."""
    now = timezone.now()
    return passkeys.begin_using(request, _pending_user(request, now=now), now=now)


@limited("second_factor", SECOND_FACTOR_RATES)
@answers_json
def second_factor_passkey_complete(request: HttpRequest, *, enqueue: Enqueue) -> dict[str, Any]:
    """Take a passkey's signature and let its owner in."""
    act, sent = act_of(request, enqueue), sent_json(request)
    user = _pending_user(request, now=act.now)
    passkeys.verify_passkey(request, user, sent["answer"], act=act)
    is_trusted = sent.get("is_trusted") is True
    return {"next": _let_in(request, user, is_trusted=is_trusted, act=act)}


def _pending_user(request: HttpRequest, *, now: datetime) -> User:
    user = log_in.pending_user(request, now=now)
    if user is None:
        raise Refused(_TOO_LATE)
    return user


def _let_in(request: HttpRequest, user: User, *, is_trusted: bool, act: Act) -> str:
    """Open the session, trust the device where that was ticked; return where to go."""
    page = safe_next(request, log_in.pending_next(request), default="home")
    log_in.finish(request, user, now=act.now, enqueue=act.enqueue)
    if is_trusted:
        try:
            trust_device(request, user, name="", now=act.now)
        except Refused as error:
            messages.warning(request, str(error))
    return page


def _place_to_trust(request: HttpRequest, user: User) -> dict[str, str] | None:
    """Return the browser and address that could be trusted; None where trust spares nothing."""
    network = place_network(request)
    if not network or user.second_factor_rule == SecondFactorRule.EVERY_SESSION:
        return None
    return {"browser": browser_of(request), "address": plain_network(network)}
