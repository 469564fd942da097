"""The sign-up page: accounts and portfolio meet here."""

from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from accounts.domain.client_address import client_address
from accounts.exceptions import SignUpRefused
from accounts.forms import SignUpForm, style_fields
from accounts.models import User
from accounts.services.notices import Enqueue
from accounts.services.places import note_place
from accounts.services.sessions import open_session
from accounts.views.limits import SIGN_UP_RATES, limited
from finbyte_site.sign_up import sign_up


@sensitive_post_parameters("password")
@never_cache
@limited("sign_up", SIGN_UP_RATES)
def sign_up_page(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Let somebody join; a new user is logged in and starts on the home page."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        user = _joined(request, form, now=now)
        if user is not None:
            open_session(request, user, factor_at=None, now=now)
            note_place(user, request, now=now, enqueue=enqueue)
            messages.success(request, f"Welcome. Your user id is {user.public_id}.")
            return redirect(settings.LOGIN_REDIRECT_URL)
    style_fields(form)
    return render(request, "registration/sign_up.html", {"form": form})


@require_safe
def without_slash(request: HttpRequest, **_parts: str) -> HttpResponseBase:
    """Lead from an address with a slash too many to the page."""
    query = request.META.get("QUERY_STRING", "")
    page = request.path.removesuffix("/")
    return HttpResponsePermanentRedirect(f"{page}?{query}" if query else page)


def admin_log_in(request: HttpRequest) -> HttpResponseBase:
    """Lead to the one log-in page; refuse a user who does not run the platform."""
    if isinstance(request.user, User):
        if request.user.is_staff:
            return redirect("admin:index")
        raise PermissionDenied("This account does not run the platform.")
    return redirect_to_login(
        request.GET.get("next", reverse("admin:index")), reverse(settings.LOGIN_URL)
    )


def _joined(request: HttpRequest, form: SignUpForm, *, now: datetime) -> User | None:
    try:
        return sign_up(
            **form.cleaned_data,
            client_address=client_address(request.META),
            now=now,
        )
    except SignUpRefused as error:
        form.add_error(error.field, str(error))
        return None
