"""Passkeys: the page of them, and what the browser's own dialogue talks to."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.http.request import RawPostDataException
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exceptions import CodeRefused, Refused
from accounts.forms_security import PasskeyNameForm
from accounts.selectors import authenticator_of, passkeys_of, recovery_codes_left
from accounts.services import passkeys as service
from accounts.services.notices import Enqueue
from accounts.services.places import browser_of
from accounts.services.sessions import stamp_factor
from accounts.views.acts import act_of, own_user
from accounts.views.step_up import requires_factor

P = ParamSpec("P")


def answers_json(
    view: Callable[Concatenate[HttpRequest, P], dict[str, Any]],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Answer with what the view returns, or with the words of its refusal."""

    @never_cache
    @require_POST
    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return JsonResponse(view(request, *args, **kwargs))
        except (CodeRefused, Refused) as error:
            return JsonResponse({"message": str(error)}, status=400)

    return inner


def sent_json(request: HttpRequest) -> dict[str, Any]:
    """Return the object that the page's script has sent; raises CodeRefused for anything else."""
    try:
        sent = json.loads(request.body)
    except (ValueError, RawPostDataException) as error:  # the latter: a form, read as one before
        raise CodeRefused("The browser's answer could not be read.") from error
    if not isinstance(sent, dict) or not isinstance(sent.get("answer"), dict):
        raise CodeRefused("The browser's answer could not be read.")
    return sent


@never_cache
@requires_factor()
@require_safe
def passkeys(request: HttpRequest) -> HttpResponseBase:
    """List the user's passkeys and offer another."""
    user = own_user(request)
    context = {
        "passkeys": passkeys_of(user),
        "passkey_site": service.passkey_site(request),
        "longest_name": service.LONGEST_NAME,
        "suggested_name": browser_of(request)[: service.LONGEST_NAME],
    }
    return render(request, "accounts/passkeys.html", context)


@requires_factor()
@answers_json
def passkey_begin(request: HttpRequest) -> dict[str, Any]:
    """Return what the browser needs to make a passkey."""
    return service.begin_adding(request, own_user(request), now=timezone.now())


@requires_factor()
@answers_json
def passkey_complete(request: HttpRequest, *, enqueue: Enqueue) -> dict[str, Any]:
    """Keep the new passkey; it was shown just now, so it counts as the second factor."""
    user, act, sent = own_user(request), act_of(request, enqueue), sent_json(request)
    name = str(sent.get("name") or "")
    service.add_passkey(request, user, sent["answer"], name=name, act=act)
    stamp_factor(request, now=act.now)
    messages.success(request, "Your passkey is added.")
    page = "accounts:passkeys" if recovery_codes_left(user) else "accounts:recovery-codes"
    return {"next": reverse(page)}


@requires_factor()
@require_POST
def passkey_rename(request: HttpRequest, passkey_id: int) -> HttpResponseBase:
    """Give a passkey another name."""
    user, form = own_user(request), PasskeyNameForm(request.POST)
    if not passkeys_of(user).filter(pk=passkey_id).exists():
        raise Http404
    if form.is_valid():
        service.rename_passkey(user, passkey_id, name=form.cleaned_data["name"])
        messages.success(request, "The passkey has its new name.")
    else:
        messages.error(request, f"A name has 1 to {service.LONGEST_NAME} characters.")
    return redirect("accounts:passkeys")


@never_cache
@requires_factor()
@require_http_methods(["GET", "POST"])
def passkey_remove(request: HttpRequest, passkey_id: int, *, enqueue: Enqueue) -> HttpResponseBase:
    """Ask once more, then remove the passkey."""
    user = own_user(request)
    passkey = passkeys_of(user).filter(pk=passkey_id).first()
    if passkey is None:
        raise Http404
    if request.method == "POST":
        try:
            service.remove_passkey(user, passkey_id, act=act_of(request, enqueue))
        except Refused as error:
            messages.error(request, str(error))
        else:
            request.session.cycle_key()
            messages.success(request, "The passkey is removed.")
        return redirect("accounts:passkeys")
    is_last = authenticator_of(user) is None and passkeys_of(user).count() == 1
    context = {"passkey": passkey, "is_last": is_last}
    return render(request, "accounts/passkey_remove.html", context)
