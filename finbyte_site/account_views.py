"""The sign-up page: accounts and portfolio meet here."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.domain.client_address import client_address
from accounts.exceptions import SignUpRefused
from accounts.forms import SignUpForm, style_fields
from accounts.models import User
from accounts.views.limits import SIGN_UP_RATES, limited
from finbyte_site.sign_up import sign_up

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@never_cache
@limited("sign_up", SIGN_UP_RATES)
def sign_up_page(request: HttpRequest) -> HttpResponseBase:
    """Let somebody join; a new user is logged in and starts on the home page."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = _joined(request, form)
        if user is not None:
            login(request, user, backend=_BACKEND)
            messages.success(request, f"Welcome. Your user id is {user.public_id}.")
            return redirect(settings.LOGIN_REDIRECT_URL)
    style_fields(form)
    return render(request, "registration/sign_up.html", {"form": form})


def _joined(request: HttpRequest, form: SignUpForm) -> User | None:
    try:
        return sign_up(
            **form.cleaned_data,
            client_address=client_address(request.META),
            now=timezone.now(),
        )
    except SignUpRefused as error:
        form.add_error(error.field, str(error))
        return None
