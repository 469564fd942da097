"""The page on which a user lets an app in (kite-api.md 1.2). It lies at the host root."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.domain.api_products import PRODUCT_WORDS, ApiProduct
from accounts.domain.client_address import client_address
from accounts.domain.redirect_urls import form_target, origin_of
from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import next_day_roll
from accounts.domain.step_up import Strength
from accounts.exceptions import InvalidInput, NotFound, Refused
from accounts.models import ApiApp, User
from accounts.services import connect
from accounts.services.connect import LogInRequest
from accounts.services.sessions import stamp_of
from accounts.views.acts import own_user
from accounts.views.step_up import page_to_confirm

AccountsOf = Callable[[User], Iterable[Any]]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def log_in(request: HttpRequest, *, accounts_of: AccountsOf) -> HttpResponseBase:
    """Ask the logged-in user whether the app may act for him, and return to the app.

    Everything is read from the address, also when the form is sent: after a log-in or a second
    factor the browser comes back to the same address.
    """
    asked = LogInRequest(
        api_key=request.GET.get("api_key", ""),
        redirect_params=request.GET.get("redirect_params", ""),
        state=request.GET.get("state", ""),
    )
    try:
        app = connect.app_of(asked)
        first = _page_before(request)
        if first is not None:
            return first
        connect.require_safe_return(app, own_user(request))
        if request.method == "POST":
            return _decided(request, asked)
    except (NotFound, InvalidInput, Refused) as error:
        return _refused(request, error)
    return _consent_page(request, app, accounts_of)


def _decided(request: HttpRequest, asked: LogInRequest) -> HttpResponseBase:
    user, address, now = own_user(request), client_address(request.META), timezone.now()
    if request.POST.get("decision") != "allow":
        return _to_app(connect.decline(user, asked, client_address=address, now=now))
    stamp = stamp_of(request)
    assert stamp is not None  # noqa: S101 - without one the second factor was not shown
    return _to_app(
        connect.approve(
            user,
            asked,
            products=request.POST.getlist("products"),
            session_id=UUID(stamp.public_id),
            client_address=address,
            now=now,
        )
    )


def _page_before(request: HttpRequest) -> HttpResponseBase | None:
    """Return the way to the log-in or to the second factor, where one is missing."""
    here = request.get_full_path()
    if not request.user.is_authenticated:
        return redirect_to_login(here, reverse(settings.LOGIN_URL))
    page = page_to_confirm(request, strength=Strength.SESSION_FACTOR, enrolled=True)
    stamp = stamp_of(request)
    every_session = own_user(request).second_factor_rule == SecondFactorRule.EVERY_SESSION
    if page is None and every_session and (stamp is None or stamp.factor_at is None):
        page = "accounts:confirm"
    return None if page is None else redirect(f"{reverse(page)}?{urlencode({'next': here})}")


def _consent_page(request: HttpRequest, app: ApiApp, accounts_of: AccountsOf) -> HttpResponseBase:
    now = timezone.now()
    page = render(
        request,
        "accounts/connect.html",
        {
            "app": app,
            "products": [PRODUCT_WORDS[ApiProduct(each)] for each in app.products],
            "accounts": list(accounts_of(own_user(request))),
            "origin": origin_of(app.redirect_url),
            "ends_at": next_day_roll(now),
            "now": now,
        },
    )
    # Browsers hold the answer to a form against form-action too, and ours leads to the app.
    allowed = csp_update({"form-action": [form_target(app.redirect_url)]})
    return allowed(lambda _request: page)(request)


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say why, here: nobody is sent anywhere."""
    status = 404 if isinstance(error, NotFound) else 400
    return render(request, "accounts/connect_refused.html", {"words": str(error)}, status=status)


def _to_app(address: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(address)
