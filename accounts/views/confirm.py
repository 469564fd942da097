"""The step-up: show the second factor again, then go on to what asked for it."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.exceptions import CodeRefused
from accounts.forms_security import PasswordForm
from accounts.models import User
from accounts.selectors import has_second_factor
from accounts.services import passkeys
from accounts.services.factor_changes import Act
from accounts.services.log_in import has_password
from accounts.services.notices import Enqueue
from accounts.services.second_factor import record_step_up, verify_code
from accounts.services.sessions import stamp_factor, stamp_password
from accounts.views.acts import act_of, own_user, safe_next
from accounts.views.code_page import code_form, is_judged_right, render_code_page
from accounts.views.limits import CONFIRM_RATES, limited
from accounts.views.passkeys import answers_json, sent_json


@sensitive_post_parameters("code", "password")
@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limited("confirm", CONFIRM_RATES)
def confirm(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Ask for the second factor, or for the password where there is none."""
    user, act = own_user(request), act_of(request, enqueue)
    has_factor = has_second_factor(user)
    form = code_form(request, user) if has_factor else PasswordForm(request.POST or None)
    judge = partial(_judge_code if has_factor else _judge_password, request, user, act=act)
    if request.method == "POST" and is_judged_right(form, judge):
        (stamp_factor if has_factor else stamp_password)(request, now=act.now)
        return redirect(_confirmed(request, user, act=act))
    query = urlencode({"next": request.GET.get("next", "")})
    return render_code_page(
        request,
        "accounts/confirm.html",
        form=form,
        user=user,
        query=query,
        begin=reverse("accounts:confirm-passkey-begin"),
        complete=f"{reverse('accounts:confirm-passkey-complete')}?{query}",
    )


@login_required
@answers_json
def confirm_passkey_begin(request: HttpRequest) -> dict[str, Any]:
    """Return what a passkey has to sign."""
    return passkeys.begin_using(request, own_user(request), now=timezone.now())


@login_required
@limited("confirm", CONFIRM_RATES)
@answers_json
def confirm_passkey_complete(request: HttpRequest, *, enqueue: Enqueue) -> dict[str, Any]:
    """Take a passkey's signature as the second factor shown now."""
    user, act, sent = own_user(request), act_of(request, enqueue), sent_json(request)
    passkeys.verify_passkey(request, user, sent["answer"], act=act)
    stamp_factor(request, now=act.now)
    return {"next": _confirmed(request, user, act=act)}


def _judge_code(request: HttpRequest, user: User, text: str, *, act: Act) -> None:
    verify_code(user, text, act=act)


def _judge_password(request: HttpRequest, user: User, text: str, *, act: Act) -> None:
    if not has_password(request, user, text, now=act.now):
        raise CodeRefused("This is not your password.")


def _confirmed(request: HttpRequest, user: User, *, act: Act) -> str:
    record_step_up(user, act=act)
    return safe_next(request, request.GET.get("next"), default="accounts:security")
